//! What passes that the kernel could not choose: frames that a filter lets pass and notes about their
//! connections, and segments behind headers of tunnels from or to the ports asked for.

use super::concerned::Concerned;
use super::{Item, Settings, Sink};
use crate::decode::{self, Skip};
use crate::note::Note;
use crate::source::{Filter, FilterError, Frame};

/// Leaves out what nobody asked for.
#[derive(Default)]
pub(super) struct Sieve {
    ports: Vec<u16>,
    filter: Option<Filter>,
    /// Where there is a filter; the kernel knows which ports are asked for when it tells of a socket.
    concerned: Concerned,
    /// Namespaces of interfaces, by their place.
    namespaces: Vec<String>,
    /// Frames that passed.
    passed: u64,
    /// The filter has no meaning for some interface, whose frames are left out.
    senseless: Option<FilterError>,
}

impl Sieve {
    /// `filter` where the backend cannot apply that of the settings in the kernel.
    pub(super) fn new(settings: &Settings, filter: Option<Filter>) -> Self {
        Self {
            ports: settings.ports.clone(),
            filter,
            ..Self::default()
        }
    }

    /// Passes an item on, and numbers frames anew.
    pub(super) fn pass(&mut self, item: Item<'_>, sink: Sink<'_>) {
        match item {
            Item::Frame {
                frame,
                tally,
                sender,
            } => {
                if self.lets(&frame) {
                    self.passed += 1;
                    let number = self.passed;
                    let frame = Frame { number, ..frame };
                    let waited = self.waited_for(&frame, sender);
                    sink(Item::Frame {
                        frame,
                        tally,
                        sender,
                    });
                    waited.iter().for_each(|note| sink(Item::Note(note)));
                }
            }
            Item::Note(note) if self.filter.is_some() => {
                if let Some(earlier) = self.concerned.told(note) {
                    earlier.iter().for_each(|note| sink(Item::Note(note)));
                    sink(Item::Note(note));
                }
            }
            Item::Interface(interface) => {
                let namespace = interface.namespace.clone().unwrap_or_default();
                self.namespaces.push(namespace);
                sink(item);
            }
            _ => sink(item),
        }
    }

    /// The notes that may be told now that a frame has passed.
    fn waited_for(&mut self, frame: &Frame<'_>, sender: Option<u64>) -> Vec<Note> {
        if self.filter.is_none() {
            return Vec::new();
        }
        let namespace = self.namespaces.get(frame.interface as usize);
        match (namespace, decode::segment(frame)) {
            (Some(namespace), Ok(segment)) => {
                let ends = [segment.source, segment.destination];
                self.concerned.passed(namespace, ends, sender)
            }
            _ => Vec::new(),
        }
    }

    /// Why frames of some interface were left out, since the last call.
    pub(super) fn senseless(&mut self) -> Option<String> {
        self.senseless.take().map(|error| error.to_string())
    }

    fn lets(&mut self, frame: &Frame<'_>) -> bool {
        let filtered = match &mut self.filter {
            None => true,
            Some(filter) => filter
                .passes(frame.link, frame.data)
                .unwrap_or_else(|error| {
                    self.senseless = Some(error);
                    false
                }),
        };
        filtered && self.is_of_ports(frame)
    }

    /// What hides its ports, being cut or encrypted, may be asked for: it is counted as not read.
    fn is_of_ports(&self, frame: &Frame<'_>) -> bool {
        if self.ports.is_empty() {
            return true;
        }
        match decode::segment(frame) {
            Ok(segment) => {
                let ports = [segment.source.port(), segment.destination.port()];
                ports.iter().any(|port| self.ports.contains(port))
            }
            Err(Skip::NotTcp | Skip::NotIp) => false,
            Err(_) => true,
        }
    }
}
