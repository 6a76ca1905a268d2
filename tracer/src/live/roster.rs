//! The interfaces that were ever watched in a session: frames name them by their place here.

use super::{Item, Sink, vantage};
use crate::decode::LinkType;
use crate::netns::NamespaceId;
use crate::source::Interface;

/// Names an interface: its namespace, and its number there.
pub(super) type Key = (NamespaceId, u32);

/// Interfaces in the order in which they were first watched.
#[derive(Default)]
pub(super) struct Roster {
    seen: Vec<(Key, Interface)>,
    /// How many of them were told of.
    told: usize,
}

impl Roster {
    /// The place that an interface has or would get: one that comes up again as it was has its own.
    pub(super) fn next(&self, key: Key, link: LinkType) -> u32 {
        let same = |(known, before): &(Key, Interface)| *known == key && before.link == link;
        let place = self.seen.iter().position(same).unwrap_or(self.seen.len());
        // More interfaces than that do not fit in memory either.
        u32::try_from(place).unwrap_or(u32::MAX)
    }

    /// An interface is watched from now on. Its place.
    pub(super) fn enter(&mut self, key: Key, interface: Interface) -> u32 {
        let place = self.next(key, interface.link);
        if place as usize == self.seen.len() {
            self.seen.push((key, interface));
        }
        place
    }

    /// Whether that interface was ever watched.
    pub(super) fn knows(&self, key: Key) -> bool {
        self.seen.iter().any(|(known, _)| *known == key)
    }

    pub(super) fn key(&self, place: u32) -> Key {
        self.seen[place as usize].0
    }

    /// What the interface at that place is called.
    pub(super) fn vantage(&self, place: u32) -> String {
        let (_, interface) = &self.seen[place as usize];
        let [namespace, name] =
            [&interface.namespace, &interface.name].map(|name| name.as_deref().unwrap_or_default());
        vantage(namespace, name)
    }

    /// Yields the interfaces that are new.
    pub(super) fn tell(&mut self, sink: Sink<'_>) {
        for (_, interface) in &self.seen[self.told..] {
            sink(Item::Interface(interface));
        }
        self.told = self.seen.len();
    }
}
