//! What load balancers do: close what is idle by their own clock.

use anyhow::Result;

use super::{CHAIN, CHAIN_ANY, CHAIN_SPLIT, Scenario, chain};
use crate::lab::{Lab, envoy::Keepalive, netns::Family};

/// Idle timeout of the load balancer.
pub(super) const IDLE_TIMEOUT: Scenario = Scenario {
    name: "lb-idle-timeout",
    description: "The app needs 7 s for its answer; HAProxy closes both its sides after 4 s of \
                  silence (timeout client and server 4s) while the answer is pending. The load \
                  balancer ended it.",
    cause: "idle_timeout",
    ended_by: Some("lb"),
    alarm: Some(true),
    accepted: &[],
    nodes: CHAIN,
    family: Family::V4,
    vantages: CHAIN_SPLIT,
    late: false,
    drive: idle_timeout,
};

fn idle_timeout(lab: &mut Lab) -> Result<()> {
    chain::whole(lab, 4, |_| {})?;
    let url = chain::url(lab, "lb", chain::LB, "/sleep/7000")?;
    let curl = lab.curl("client", &[&url])?;
    // 52: an empty reply.
    chain::expect(curl, 10, 52)?;
    lab.logged("gw", 1)?;
    lab.logged("lb", 1)?;
    lab.logged("app", 4)
}

/// Probes keep a connection alive for kernels, not for a proxy's own timer.
pub(super) const CLOSES_DESPITE_PROBES: Scenario = Scenario {
    name: "lb-closes-despite-probes",
    description: "The gateway probes the load balancer every 2 s and its kernel answers each probe, \
                  yet HAProxy closes after its idle timeout of 6 s, as probes do not reset the \
                  timer of a program. The load balancer ended it.",
    cause: "idle_timeout",
    ended_by: Some("lb"),
    alarm: Some(true),
    accepted: &[],
    nodes: CHAIN,
    family: Family::V4,
    vantages: CHAIN_ANY,
    late: false,
    drive: closes_despite_probes,
};

fn closes_despite_probes(lab: &mut Lab) -> Result<()> {
    chain::whole(lab, 6, |envoy| {
        envoy.downstream_keepalive = Some(Keepalive {
            idle: 2,
            interval: 2,
            count: 3,
        });
    })?;
    let url = chain::url(lab, "lb", chain::LB, "/sleep/8000")?;
    let curl = lab.curl("client", &[&url])?;
    chain::expect(curl, 12, 52)?;
    lab.logged("gw", 1)?;
    lab.logged("lb", 1)?;
    lab.logged("app", 4)
}
