//! What vantages are called.

use std::collections::HashMap;

use crate::live;
use crate::source::Interface;

/// What to call what a source shows.
#[derive(Clone, Copy, Debug)]
pub struct Naming<'a> {
    /// Name of the source: with several interfaces, each adds its own.
    pub name: &'a str,
    /// Where it comes from, as reports say it.
    pub source: &'a str,
    /// Interfaces that hopscope watched have names of their own: this puts `name` before them all
    /// the same, as where there are several sources.
    pub prefixed: bool,
}

impl Naming<'_> {
    /// One name for each interface, all different. At least one: a capture that is damaged before
    /// its first interface is a vantage that saw nothing.
    pub(super) fn names(&self, interfaces: &[Interface]) -> Vec<String> {
        match interfaces {
            [] => vec![self.name.to_owned()],
            [one] if one.namespace.is_none() => vec![self.name.to_owned()],
            _ if interfaces.iter().any(|known| known.namespace.is_some()) => {
                self.watched(interfaces)
            }
            _ => self.captured(interfaces),
        }
    }

    /// Names for the interfaces of a capture. They repeat where captures were merged.
    fn captured(&self, interfaces: &[Interface]) -> Vec<String> {
        let mut times: HashMap<Option<&str>, usize> = HashMap::new();
        for interface in interfaces {
            *times.entry(interface.name.as_deref()).or_default() += 1;
        }
        let name = |(index, interface): (usize, &Interface)| match &interface.name {
            Some(name) if times[&Some(name.as_str())] == 1 => format!("{}:{name}", self.name),
            Some(name) => format!("{}:{index}:{name}", self.name),
            None => format!("{}:{index}", self.name),
        };
        interfaces.iter().enumerate().map(name).collect()
    }

    /// Names for interfaces that were watched. One that goes away and comes back is another one;
    /// what was told first keeps its name.
    fn watched(&self, interfaces: &[Interface]) -> Vec<String> {
        let mut times: HashMap<String, usize> = HashMap::new();
        let name = |interface| {
            let name = own_name(interface);
            let time = times.entry(name.clone()).or_default();
            *time += 1;
            let name = match *time {
                1 => name,
                time => format!("{name}#{time}"),
            };
            if self.prefixed {
                format!("{}:{name}", self.name)
            } else {
                name
            }
        };
        interfaces.iter().map(name).collect()
    }

    /// What stands before names that interfaces and namespaces have of their own.
    pub(super) fn prefix(&self) -> Option<&str> {
        self.prefixed.then_some(self.name)
    }
}

/// `eth0`; in a namespace that has a name, `gw:eth0`.
pub(crate) fn own_name(interface: &Interface) -> String {
    let name = interface.name.as_deref().unwrap_or("?");
    live::vantage(interface.namespace.as_deref().unwrap_or_default(), name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::LinkType;

    fn interface(namespace: Option<&str>, name: Option<&str>) -> Interface {
        Interface {
            name: name.map(str::to_owned),
            namespace: namespace.map(str::to_owned),
            ..Interface::new(LinkType::Ethernet)
        }
    }

    fn names(prefixed: bool, interfaces: &[(Option<&str>, Option<&str>)]) -> Vec<String> {
        let interfaces: Vec<Interface> = interfaces
            .iter()
            .map(|(namespace, name)| interface(*namespace, *name))
            .collect();
        let naming = Naming {
            name: "x",
            source: "x.pcapng",
            prefixed,
        };
        naming.names(&interfaces)
    }

    #[test]
    fn interfaces_of_a_capture_follow_its_name() {
        let (eth0, lo) = ((None, Some("eth0")), (None, Some("lo")));
        assert_eq!(names(false, &[]), ["x"]);
        assert_eq!(names(false, &[eth0]), ["x"]);
        assert_eq!(names(true, &[eth0]), ["x"]);
        assert_eq!(names(false, &[eth0, lo]), ["x:eth0", "x:lo"]);
        assert_eq!(
            names(false, &[eth0, lo, eth0, (None, None)]),
            ["x:0:eth0", "x:lo", "x:2:eth0", "x:3"]
        );
    }

    #[test]
    fn what_was_watched_has_its_own_names() {
        let (eth0, gw) = ((Some(""), Some("eth0")), (Some("gw"), Some("eth0")));
        assert_eq!(names(false, &[eth0]), ["eth0"]);
        assert_eq!(names(false, &[eth0, gw]), ["eth0", "gw:eth0"]);
        assert_eq!(names(true, &[eth0, gw]), ["x:eth0", "x:gw:eth0"]);
        assert_eq!(
            names(false, &[gw, gw, eth0, gw]),
            ["gw:eth0", "gw:eth0#2", "eth0", "gw:eth0#3"]
        );
        assert_eq!(names(false, &[(Some("gw"), None)]), ["gw:?"]);
    }
}
