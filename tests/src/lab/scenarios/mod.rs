//! The scenarios: what runs where, what is done, what is to be learned from it.

mod age;
mod app;
mod chain;
mod client;
mod gateway;
mod keepalive;
mod lb;
mod path;
mod upstream;
mod window;

use anyhow::Result;

use super::{
    Lab,
    capture::{Interface, Vantage},
    netns::Family,
};

/// One recording to be made.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// Name of its folder.
    pub name: &'static str,
    /// What happens and who is to blame, in plain words.
    pub description: &'static str,
    /// The cause, by the name it has in reports: the most that can be told from what is recorded.
    pub cause: &'static str,
    /// The namespace that ended it; for `receiver_stalled` the one that read nothing.
    pub ended_by: Option<&'static str>,
    /// Whether something went wrong at which somebody should look; none where one can think so or not.
    pub alarm: Option<bool>,
    /// Causes that are as true.
    pub accepted: &'static [&'static str],
    /// Namespaces in a row, the client's first.
    pub nodes: &'static [&'static str],
    /// Internet protocol.
    pub family: Family,
    /// Where it is recorded.
    pub vantages: &'static [Vantage],
    /// Whether the captures begin when it says so, not before everything else.
    pub late: bool,
    /// What is done.
    pub drive: fn(&mut Lab) -> Result<()>,
}

/// Every scenario, in the order of the README.
#[must_use]
pub fn all() -> &'static [Scenario] {
    const ALL: &[Scenario] = &[
        client::NORMAL,
        client::GIVES_UP,
        lb::IDLE_TIMEOUT,
        keepalive::GATEWAY_7_5_2,
        keepalive::UPSTREAM_ONLY,
        lb::CLOSES_DESPITE_PROBES,
        path::DEAD_PATH,
        path::RETRANSMISSION_DEATH,
        path::INJECTED_RESET,
        gateway::REQUEST_TIMEOUT,
        gateway::OVERLOAD,
        upstream::DEAD_RETRY,
        app::APP_KILLED,
        app::APP_RESETS,
        upstream::REFUSED,
        app::STALE_REUSE,
        path::NAT,
        gateway::IPV6,
        client::HALF_CLOSE,
        keepalive::HALF_CLOSED,
        window::ZERO_WINDOW,
        window::KEEPALIVE_AT_ZERO,
        window::FIN_AT_ZERO,
        keepalive::LONG_ANSWER,
        keepalive::STATE_KEPT,
        keepalive::STATE_EXPIRED,
        keepalive::STATE_EXPIRED_SILENTLY,
        keepalive::STATE_EXPIRED_REUSED,
        upstream::DEAD_GATEWAY,
        upstream::TWO_ADDRESSES,
        age::MAX_AGE,
        age::MAX_AGE_CUTS,
        age::EQUAL_LIFETIMES,
        age::CLIENTS_STOP,
        age::GOAWAY,
        lb::JUST_BEFORE,
        lb::ANSWERS_504,
        lb::PROXY_PROTOCOL,
        app::APP_ERRORS,
        app::POOL_CLOSED,
        upstream::REFUSED_RETRY,
        gateway::STREAM_IDLE,
        gateway::IDLE,
        gateway::NO_HOST,
        gateway::RETRIED,
        path::HEALS,
        path::RECOVERS,
        path::LATE_SYN,
        app::CUT_SHORT,
        app::SERVER_CLOSES,
        client::CONCURRENT,
        client::OPEN,
        client::LATE,
        client::TOO_LATE,
    ];
    ALL
}

/// The scenario of that name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Scenario> {
    all().iter().find(|scenario| scenario.name == name)
}

/// What most scenarios have in common: the whole chain, recorded from the beginning.
const WHOLE: Scenario = Scenario {
    name: "",
    description: "",
    cause: "",
    ended_by: None,
    alarm: None,
    accepted: &[],
    nodes: CHAIN,
    family: Family::V4,
    vantages: CHAIN_SPLIT,
    late: false,
    drive: |_| Ok(()),
};

/// The whole chain.
const CHAIN: &[&str] = &["client", "lb", "gw", "pod"];

/// The whole chain, each namespace with one file of all its interfaces.
const CHAIN_ANY: &[Vantage] = &[
    at("client", "client", Interface::Eth0),
    at("lb", "lb", Interface::Any),
    at("gw", "gw", Interface::Any),
    at("pod", "pod", Interface::Any),
];

/// The whole chain, each interface with a file of its own.
const CHAIN_SPLIT: &[Vantage] = &[
    at("client", "client", Interface::Eth0),
    at("lb", "lb", Interface::Any),
    at("gw-down", "gw", Interface::Eth0),
    at("gw-up", "gw", Interface::Eth1),
    at("pod-eth0", "pod", Interface::Eth0),
    at("pod-lo", "pod", Interface::Lo),
];

/// A client and a server, nothing between.
const PAIR: &[&str] = &["client", "pod"];

/// Both ends of the pair.
const PAIR_VANTAGES: &[Vantage] = &[
    at("client", "client", Interface::Eth0),
    at("pod", "pod", Interface::Any),
];

const fn at(name: &'static str, node: &'static str, interface: Interface) -> Vantage {
    Vantage {
        name,
        node,
        interface,
    }
}
