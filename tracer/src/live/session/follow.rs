//! What becomes of interfaces and namespaces while they are watched.

use super::super::backend::{Backend, Refused};
use super::super::interfaces::Change;
use super::super::place::Place;
use super::super::{Remark, Sink, vantage};
use super::Session;
use crate::netns::Namespace;

impl Session {
    /// Takes up interfaces that have come and lets go those that have gone.
    pub(super) fn follow_interfaces(&mut self, sink: Sink<'_>) {
        for place in &mut self.places {
            let Some(interfaces) = &mut place.interfaces else {
                continue;
            };
            let changes = interfaces.changes().unwrap_or_else(|error| {
                place.interfaces = None;
                self.remarks.push(Remark::NoChanges {
                    namespace: place.namespace.name.clone(),
                    why: error.to_string(),
                });
                Vec::new()
            });
            for change in changes {
                let gone = match &change {
                    Change::Vanished(link) => {
                        let key = (place.namespace.id(), link.index);
                        let broken = self.broken.extract_if(.., |broken| broken.key == key);
                        let broken = broken.map(|broken| broken.vantage);
                        let mut gone: Vec<String> = broken.collect();
                        gone.extend(self.backend.remove(sink, |known| known == key));
                        gone
                    }
                    _ => Vec::new(),
                };
                let gone = gone.into_iter();
                self.remarks
                    .extend(gone.map(|vantage| Remark::InterfaceGone { vantage }));
                take_up(
                    &place.namespace,
                    change,
                    &mut self.backend,
                    &mut self.remarks,
                );
            }
        }
    }

    /// Watches again where reading broke and the interface is still there and up; while it is down
    /// there is nothing to see, and when it comes up it is taken up like a new one.
    pub(super) fn repair(&mut self) {
        for broken in self.broken.drain(..) {
            let (namespace, index) = broken.key;
            let mut places = self.places.iter();
            let place = places.find(|place| place.namespace.id() == namespace);
            let link =
                place.and_then(|place| Some((place, place.interfaces.as_ref()?.get(index)?)));
            if let Some((place, link)) = link.filter(|(_, link)| link.up)
                && !self
                    .backend
                    .add(&place.namespace, std::slice::from_ref(link))
                    .is_empty()
            {
                self.remarks.push(Remark::NotWatched {
                    vantage: broken.vantage,
                    why: broken.error.to_string(),
                });
            }
        }
    }

    /// Lets go the namespaces that nothing but this process keeps alive.
    pub(super) fn let_go(&mut self, sink: Sink<'_>) {
        for place in self.places.extract_if(.., Place::is_abandoned) {
            let id = place.namespace.id();
            self.backend.remove(sink, |(namespace, _)| namespace == id);
            self.remarks.push(Remark::NamespaceGone {
                namespace: place.namespace.name.clone(),
            });
        }
    }
}

fn take_up(
    namespace: &Namespace,
    change: Change,
    backend: &mut Backend,
    remarks: &mut Vec<Remark>,
) {
    let link = match change {
        Change::Appeared(link) => link,
        Change::Changed { before, now } => {
            if before.name != now.name && backend.knows((namespace.id(), now.index)) {
                remarks.push(Remark::Renamed {
                    vantage: vantage(&namespace.name, &before.name),
                    now: now.name.clone(),
                });
            }
            now
        }
        Change::Vanished(_) => return,
    };
    let refused: Vec<Refused> = backend.add(namespace, &[link]);
    remarks.extend(refused.into_iter().map(|(link, error)| Remark::NotWatched {
        vantage: vantage(&namespace.name, &link.name),
        why: error.to_string(),
    }));
}
