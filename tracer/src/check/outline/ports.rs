//! Which ports are told apart. Ports that nobody chose say nothing to anybody: an expectation for
//! each of them would be noise.

use std::collections::BTreeSet;

/// Where Linux takes ports from for whoever does not name one
/// (`net.ipv4.ip_local_port_range` begins here unless it is set otherwise).
const EPHEMERAL: u16 = 32_768;

/// So many ports of that range may still be ones that somebody chose.
const MOST_EPHEMERAL: usize = 3;

/// Ports that are told apart.
const MOST: usize = 12;

/// Ports that belong together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Ports {
    One(u16),
    Ephemeral,
    All,
}

impl Ports {
    /// Groups of these ports.
    pub(super) fn groups(ports: impl Iterator<Item = u16>) -> Vec<Self> {
        let ports: BTreeSet<u16> = ports.collect();
        let ephemeral = ports.range(EPHEMERAL..).count();
        let mut groups: Vec<Self> = Vec::new();
        for port in &ports {
            let group = if *port >= EPHEMERAL && ephemeral > MOST_EPHEMERAL {
                Self::Ephemeral
            } else {
                Self::One(*port)
            };
            if groups.last() != Some(&group) {
                groups.push(group);
            }
        }
        if groups.len() > MOST {
            groups = vec![Self::All];
        }
        groups
    }

    pub(super) const fn holds(self, port: u16) -> bool {
        match self {
            Self::One(one) => one == port,
            Self::Ephemeral => port >= EPHEMERAL,
            Self::All => true,
        }
    }

    /// What selects them: `server_port = 80`.
    pub(super) fn selector(self, key: &str) -> Option<String> {
        match self {
            Self::One(port) => Some(format!("{key} = {port}")),
            Self::Ephemeral => Some(format!("{key} = \"{EPHEMERAL}..{}\"", u16::MAX)),
            Self::All => None,
        }
    }

    /// For people.
    pub(super) fn told(self) -> String {
        match self {
            Self::One(port) => format!("port {port}"),
            Self::Ephemeral => format!("ports from {EPHEMERAL}"),
            Self::All => "all ports".to_owned(),
        }
    }
}

/// The port of `ip:port`.
pub(super) fn port(endpoint: &str) -> u16 {
    let port = endpoint.rsplit(':').next();
    port.and_then(|port| port.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_that_nobody_chose_are_one_group() {
        let few = Ports::groups([80, 40_000, 80].into_iter());
        assert_eq!(few, [Ports::One(80), Ports::One(40_000)]);
        let many = Ports::groups([80, 443].into_iter().chain(40_000..40_100));
        assert_eq!(many, [Ports::One(80), Ports::One(443), Ports::Ephemeral]);
        assert_eq!(Ports::groups(1..100), [Ports::All]);
        for ports in many {
            assert!(ports.holds(80) == (ports == Ports::One(80)));
            assert!(ports.holds(40_007) == (ports == Ports::Ephemeral));
        }
    }
}
