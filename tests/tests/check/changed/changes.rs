//! Recordings, and what is changed of them: one fact each.

use std::net::Ipv4Addr;

use hopscope_tests::changed::{Recording, Sent, flag};

/// A recording, and a change of it.
pub(super) type Changed = (&'static str, fn(&mut Recording));

const NORMAL: &str = "normal";
const KEPT_ALIVE: &str = "gw-keepalive-7-5-2";
const TIMED_OUT: &str = "gw-request-timeout";
const IDLE: &str = "lb-idle-timeout";

/// From which a sidecar calls its application.
const LOOPED: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 6);

/// Somebody asks for something else.
pub(super) const OTHER_REQUEST: Changed = (NORMAL, |all| all.say("GET /ok ", "GET /no "));
pub(super) const OTHER_STATUS: Changed = (NORMAL, |all| all.say("HTTP/1.1 200", "HTTP/1.1 503"));
/// Nobody looked at the last hop.
pub(super) const A_HOP_LESS: Changed = (NORMAL, |all| all.capture("pod-lo").packets.clear());
pub(super) const FIRST_TRY_WORKS: Changed = ("dead-upstream-retry", |all| {
    let dead = Ipv4Addr::new(10, 0, 1, 99);
    let mut gone = 0;
    all.keep(|sent| {
        gone += u32::from(sent.is_with(dead));
        !sent.is_with(dead)
    });
    assert!(gone > 0);
});
/// At the balancer, nobody looked downstream.
pub(super) const BALANCER_HALF_SEEN: Changed = (TIMED_OUT, |all| {
    all.capture("lb").keep(|sent| !sent.is_of(80));
});
pub(super) const NOBODY_AT_THE_CLIENT: Changed =
    (NORMAL, |all| all.capture("client").packets.clear());
pub(super) const ENDS_BEFORE_THE_ANSWER: Changed = (KEPT_ALIVE, |all| all.end(15));
pub(super) const LATER_ANSWER: Changed = (KEPT_ALIVE, |all| all.delay(15, 4));
/// The proxy forwards to another host name.
pub(super) const WRITTEN_ANEW: Changed = ("half-close", |all| {
    let mut anew = 0;
    all.each(|sent| {
        if sent.to_port() == 8087 {
            anew += sent.say("Host: app", "Host: pod");
        }
    });
    assert!(anew > 0);
});
/// The capture ends before the client gives up.
pub(super) const NOT_YET_GIVEN_UP: Changed = ("client-gives-up", |all| all.end(2));
/// The balancer's FIN is the first.
pub(super) const BALANCER_CLOSES: Changed = (NORMAL, |all| {
    all.keep(|sent| !(sent.to_port() == 80 && sent.has(flag::FIN)));
});
pub(super) const NO_TIMEOUT_TOLD: Changed = (TIMED_OUT, |all| {
    all.say("HTTP/1.1 504", "HTTP/1.1 500");
});
pub(super) const OTHER_CLIENT: Changed = (KEPT_ALIVE, |all| {
    let to = Ipv4Addr::new(10, 9, 1, 1);
    all.each(|sent| sent.turn_address(Ipv4Addr::new(10, 0, 1, 1), to));
});
pub(super) const OTHER_SERVER: Changed = (KEPT_ALIVE, |all| {
    let to = Ipv4Addr::new(10, 9, 1, 2);
    all.each(|sent| sent.turn_address(Ipv4Addr::new(10, 0, 1, 2), to));
});
pub(super) const OTHER_CLIENT_PORT: Changed =
    (IDLE, |all| all.each(|sent| sent.turn_port(45_358, 45_359)));
pub(super) const OTHER_SERVER_PORT: Changed =
    (IDLE, |all| all.each(|sent| sent.turn_port(8087, 8088)));
pub(super) const NOBODY_AT_THE_GATEWAY: Changed = (KEPT_ALIVE, |all| {
    all.capture("gw-down").packets.clear();
});
pub(super) const NO_RESETS: Changed = ("injected-reset", |all| {
    all.keep(|sent| !sent.has(flag::RST));
});
/// A probe of the gateway is lost on its way, so that nobody answers it.
pub(super) const SERVER_PROBE_LOST: Changed = (KEPT_ALIVE, |all| {
    let time = all.after(5)..all.after(9);
    let probing = |sent: &Sent<'_>| sent.is_of(8080) && time.contains(sent.at);
    all.capture("lb").keep(|sent| !probing(sent));
    all.capture("gw-down")
        .keep(|sent| !(probing(sent) && sent.to_port() == 8080));
});
/// The same upstream, where the gateway is the client.
pub(super) const CLIENT_PROBE_LOST: Changed = ("upstream-keepalive-only", |all| {
    let time = all.after(3)..all.after(5);
    let probing =
        |sent: &Sent<'_>| sent.is_of(8087) && !sent.is_with(LOOPED) && time.contains(sent.at);
    all.capture("pod").keep(|sent| !probing(sent));
    all.capture("gw")
        .keep(|sent| !(probing(sent) && sent.from_port() == 8087));
});
/// A probe of the gateway is gone, and its answer.
pub(super) const A_PROBE_LESS: Changed = (KEPT_ALIVE, |all| {
    let mut gone = 0;
    let (from, to) = (all.after(5), all.after(9));
    all.keep(|sent| {
        let probing = sent.is_of(8080) && (from..to).contains(sent.at);
        gone += u32::from(probing);
        !probing
    });
    assert_eq!(gone, 4, "a probe and its answer, at two vantages");
});
/// The balancer resets what it closed before.
pub(super) const RESET_FOR_A_FIN: Changed = (KEPT_ALIVE, |all| {
    all.each(|sent| {
        if sent.to_port() == 8080 && sent.has(flag::FIN) {
            sent.turn_flags(flag::FIN, flag::RST);
        }
    });
});
