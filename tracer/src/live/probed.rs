//! The eBPF backend: the probe, and the interfaces that it is attached to.

use super::backend::{BackendError, Drained, Refused};
use super::interfaces::Link;
use super::roster::{Key, Roster};
use super::{Settings, Sink};
use crate::netns::{Namespace, NamespaceId};
use crate::probe::{Port, Probe, ProbeError, Shortage};

/// The probe at work.
pub(super) struct Probed {
    probe: Probe,
    /// The namespaces that it was loaded for, in its order.
    namespaces: Vec<NamespaceId>,
    roster: Roster,
    /// Places of the interfaces that it is attached to.
    attached: Vec<u32>,
}

impl Probed {
    /// Loads the probe for these namespaces; it is attached to nothing yet.
    pub(super) fn load(namespaces: &[Namespace], settings: &Settings) -> Result<Self, ProbeError> {
        Ok(Self {
            probe: Probe::load(namespaces, settings)?,
            namespaces: namespaces.iter().map(Namespace::id).collect(),
            roster: Roster::default(),
            attached: Vec::new(),
        })
    }

    pub(super) fn add(&mut self, namespace: &Namespace, links: &[Link]) -> Vec<Refused> {
        let mut refused = Vec::new();
        for link in links {
            let key = (namespace.id(), link.index);
            if self
                .attached
                .iter()
                .all(|place| self.roster.key(*place) != key)
                && let Err(error) = self.attach(namespace, link)
            {
                refused.push((link.clone(), error));
            }
        }
        refused
    }

    fn attach(&mut self, namespace: &Namespace, link: &Link) -> Result<(), BackendError> {
        let link_type = link
            .link_type()
            .ok_or(BackendError::Hardware(link.hardware))?;
        let key = (namespace.id(), link.index);
        let place = self.roster.next(key, link_type);
        let port = Port {
            index: link.index,
            name: &link.name,
            link: link_type,
            loopback: link.loopback,
            number: place,
        };
        let tap = self.namespaces.iter().position(|id| *id == namespace.id());
        let interface = self
            .probe
            .attach(namespace, tap.unwrap_or_default(), &port)?;
        self.roster.enter(key, interface);
        self.attached.push(place);
        Ok(())
    }

    /// All interfaces that are there are attached to.
    pub(super) fn begin(&mut self) {
        self.probe.begin();
    }

    pub(super) fn remove(&mut self, sink: Sink<'_>, gone: impl Fn(Key) -> bool) -> Vec<String> {
        self.drain(sink);
        let roster = &self.roster;
        let gone: Vec<u32> = self
            .attached
            .extract_if(.., |place| gone(roster.key(*place)))
            .collect();
        for place in &gone {
            let (namespace, index) = self.roster.key(*place);
            if let Some(tap) = self.namespaces.iter().position(|id| *id == namespace) {
                self.probe.detach(tap, index);
            }
        }
        gone.into_iter()
            .map(|place| self.roster.vantage(place))
            .collect()
    }

    pub(super) fn drain(&mut self, sink: Sink<'_>) -> Drained {
        self.roster.tell(sink);
        self.probe.drain(sink);
        Drained::default()
    }

    pub(super) fn knows(&self, key: Key) -> bool {
        self.roster.knows(key)
    }

    pub(super) fn len(&self) -> usize {
        self.attached.len()
    }

    /// What this kernel does not offer.
    pub(super) fn remarks(&mut self) -> Vec<String> {
        self.probe.remarks()
    }

    pub(super) fn finish(mut self, sink: Sink<'_>) -> Vec<String> {
        self.drain(sink);
        let mut remarks = self.remarks();
        remarks.extend(lacked(self.probe.shortage()));
        self.probe.finish(sink);
        remarks
    }
}

/// What the probe had no room for. That turns were only counted is as it should be.
fn lacked(shortage: Shortage) -> Vec<String> {
    let mut lacked = Vec::new();
    let Shortage {
        notes_lost,
        untracked,
        ..
    } = shortage;
    if notes_lost > 0 {
        lacked.push(format!(
            "{notes_lost} times the kernel had no room to tell what became of a socket; watch fewer \
             namespaces at once"
        ));
    }
    if untracked > 0 {
        lacked.push(format!(
            "{untracked} segments were told one by one, for there were more connections at once than \
             the probe counts; the report is whole, watching cost more; --port names fewer"
        ));
    }
    lacked
}
