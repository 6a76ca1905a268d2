//! The eBPF backend: the probe, and the interfaces that it is attached to.

use super::backend::{BackendError, Drained, Refused};
use super::interfaces::Link;
use super::roster::{Key, Roster};
use super::{Item, Settings, Sink};
use crate::netns::{Namespace, NamespaceId};
use crate::probe::{Port, Probe, ProbeError};
use crate::source::{Filter, FilterError};

/// The probe at work.
pub(super) struct Probed {
    probe: Probe,
    /// The namespaces that it was loaded for, in its order.
    namespaces: Vec<NamespaceId>,
    roster: Roster,
    /// Places of the interfaces that it is attached to.
    attached: Vec<u32>,
    filter: Option<Filter>,
    /// The filter has no meaning for some interface.
    senseless: Option<FilterError>,
}

impl Probed {
    /// Loads the probe for these namespaces; it is attached to nothing yet.
    pub(super) fn load(
        namespaces: &[Namespace],
        settings: &Settings,
        filter: Option<Filter>,
    ) -> Result<Self, ProbeError> {
        Ok(Self {
            probe: Probe::load(namespaces, settings)?,
            namespaces: namespaces.iter().map(Namespace::id).collect(),
            roster: Roster::default(),
            attached: Vec::new(),
            filter,
            senseless: None,
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
        let Self {
            probe,
            filter,
            senseless,
            ..
        } = self;
        probe.drain(&mut sieve(filter.as_mut(), senseless, sink));
        Drained::default()
    }

    pub(super) fn knows(&self, key: Key) -> bool {
        self.roster.knows(key)
    }

    pub(super) fn len(&self) -> usize {
        self.attached.len()
    }

    /// What this kernel does not offer, or there was no room for.
    pub(super) fn remarks(&mut self) -> Vec<String> {
        let senseless = self.senseless.take().map(|error| error.to_string());
        self.probe.remarks().into_iter().chain(senseless).collect()
    }

    pub(super) fn finish(mut self, sink: Sink<'_>) -> Vec<String> {
        self.roster.tell(sink);
        let mut remarks = self.remarks();
        let Self {
            probe,
            mut filter,
            mut senseless,
            ..
        } = self;
        probe.finish(&mut sieve(filter.as_mut(), &mut senseless, sink));
        remarks.extend(senseless.map(|error| error.to_string()));
        remarks
    }
}

/// Leaves out the frames that the filter does not let pass: the probe cannot apply one in the
/// kernel, and shows every segment where there is one.
fn sieve<'a>(
    mut filter: Option<&'a mut Filter>,
    senseless: &'a mut Option<FilterError>,
    sink: Sink<'a>,
) -> impl FnMut(Item<'_>) + 'a {
    move |item| {
        if let (Item::Frame { frame, .. }, Some(filter)) = (&item, &mut filter) {
            match filter.passes(frame.link, frame.data) {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    *senseless = Some(error);
                    return;
                }
            }
        }
        sink(item);
    }
}
