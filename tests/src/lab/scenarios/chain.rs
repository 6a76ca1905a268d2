//! The programs of the usual chain, started as a scenario wants them.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Result, bail};

use super::super::{Lab, envoy::Envoy, haproxy::Haproxy, netns::Family, process::Process};

/// Port of the load balancer.
pub(super) const LB: u16 = 80;
/// Port of the ingress gateway.
pub(super) const GATEWAY: u16 = 8080;
/// Port of the app.
pub(super) const APP: u16 = 8087;
/// Port of the sidecar.
pub(super) const SIDECAR: u16 = 15006;

/// App and sidecar in the pod.
pub(super) fn pod(lab: &mut Lab) -> Result<()> {
    let app = lab.net.at("pod", APP)?;
    lab.app("pod", app, &[])?;
    sidecar(lab, |_| {})
}

/// The sidecar before the app, changed by `tune`.
pub(super) fn sidecar(lab: &mut Lab, tune: impl FnOnce(&mut Envoy)) -> Result<()> {
    let app = lab.net.at("pod", APP)?;
    let mut sidecar = Envoy::new(SocketAddr::new(any(app), SIDECAR), app);
    sidecar.sidecar = Some(match family(app) {
        Family::V4 => "127.0.0.6",
        Family::V6 => "::6",
    });
    tune(&mut sidecar);
    lab.envoy("pod", "sidecar", &sidecar)?;
    lab.redirect("pod", APP, SIDECAR)
}

/// The gateway before the app, changed by `tune`.
pub(super) fn gateway(lab: &mut Lab, tune: impl FnOnce(&mut Envoy)) -> Result<()> {
    let app = lab.net.at("pod", APP)?;
    let mut envoy = Envoy::new(SocketAddr::new(any(app), GATEWAY), app);
    tune(&mut envoy);
    lab.envoy("gw", "gw", &envoy)
}

/// The load balancer before the gateway.
pub(super) fn lb(lab: &mut Lab, timeout: u32) -> Result<()> {
    balancer(lab, timeout, |_| {})
}

/// The load balancer before the gateway, changed by `tune`.
pub(super) fn balancer(lab: &mut Lab, timeout: u32, tune: impl FnOnce(&mut Haproxy)) -> Result<()> {
    let server = lab.net.at("gw", GATEWAY)?;
    let listen = SocketAddr::new(any(server), LB);
    let mut config = Haproxy::new(listen, server, timeout);
    tune(&mut config);
    lab.haproxy("lb", "lb", &config)
}

/// Pod, gateway and load balancer.
pub(super) fn whole(lab: &mut Lab, timeout: u32, tune: impl FnOnce(&mut Envoy)) -> Result<()> {
    pod(lab)?;
    gateway(lab, tune)?;
    lb(lab, timeout)
}

/// A URL at a node of the lab.
pub(super) fn url(lab: &Lab, node: &str, port: u16, path: &str) -> Result<String> {
    Ok(format!("http://{}{path}", lab.net.at(node, port)?))
}

/// Waits for a client and checks its exit code, so that a scenario which went wrong is not kept.
pub(super) fn expect(mut client: Process, seconds: u64, code: i32) -> Result<()> {
    let status = client.wait(Duration::from_secs(seconds))?;
    if status.code() != Some(code) {
        bail!("the client ended with {status}, not with exit code {code}");
    }
    Ok(())
}

/// Checks that a program's log speaks of `text`, for the same reason.
pub(super) fn says(lab: &Lab, log: &str, text: &str) -> Result<()> {
    let said = lab.log(log);
    if !said.contains(text) {
        bail!("the log of {log} does not speak of {text}: {said}");
    }
    Ok(())
}

fn any(like: SocketAddr) -> std::net::IpAddr {
    match family(like) {
        Family::V4 => std::net::Ipv4Addr::UNSPECIFIED.into(),
        Family::V6 => std::net::Ipv6Addr::UNSPECIFIED.into(),
    }
}

fn family(at: SocketAddr) -> Family {
    if at.is_ipv4() { Family::V4 } else { Family::V6 }
}
