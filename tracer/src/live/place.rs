//! A namespace that is watched: what changes in it, and whether it is still in use.

use super::holder::Holder;
use super::interfaces::{Interfaces, InterfacesError, Link};
use crate::netns::Namespace;

/// A namespace that is watched.
pub(super) struct Place {
    pub(super) namespace: Namespace,
    /// `None` where changes could not be read any more.
    pub(super) interfaces: Option<Interfaces>,
    holder: Option<Holder>,
    /// Nothing held it the last time.
    unheld: bool,
}

impl Place {
    /// Looks at a namespace, and watches its interfaces from now on.
    pub(super) fn new(namespace: Namespace) -> Result<Self, InterfacesError> {
        Ok(Self {
            interfaces: Some(Interfaces::of(&namespace)?),
            holder: Holder::of(&namespace),
            namespace,
            unheld: false,
        })
    }

    /// Its interfaces as far as they are known.
    pub(super) fn links(&self) -> Vec<Link> {
        self.interfaces
            .iter()
            .flat_map(Interfaces::iter)
            .cloned()
            .collect()
    }

    /// Whether it had a holder, and had none now and the last time: the last segments of sockets
    /// are sent after their process has ended.
    pub(super) fn is_abandoned(&mut self) -> bool {
        let Some(holder) = &self.holder else {
            return false;
        };
        if !holder.holds(&self.namespace) {
            match Holder::of(&self.namespace) {
                Some(other) => self.holder = Some(other),
                None => return std::mem::replace(&mut self.unheld, true),
            }
        }
        self.unheld = false;
        false
    }
}
