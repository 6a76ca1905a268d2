//! Which frames pass that the kernel could not choose: those that a filter lets pass, and segments
//! behind headers of tunnels from or to the ports asked for.

use super::{Item, Settings, Sink};
use crate::decode::{self, Skip};
use crate::source::{Filter, FilterError, Frame};

/// Leaves out the frames that nobody asked for.
#[derive(Default)]
pub(super) struct Sieve {
    ports: Vec<u16>,
    filter: Option<Filter>,
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
        let Item::Frame {
            frame,
            tally,
            sender,
        } = item
        else {
            return sink(item);
        };
        if self.lets(&frame) {
            self.passed += 1;
            let number = self.passed;
            let frame = Frame { number, ..frame };
            sink(Item::Frame {
                frame,
                tally,
                sender,
            });
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
