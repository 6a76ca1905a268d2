//! Watching live: what every backend yields, and the session that runs one.
//!
//! A [`Session`] watches the interfaces of some namespaces, also those that appear later, through a
//! backend, and yields [`Item`]s. There is no async runtime: everything that can be waited for is a
//! file descriptor or comes due, and one `poll` waits for all of it.

mod backend;
mod capture;
mod concerned;
mod holder;
mod interfaces;
mod pcap;
mod place;
mod probed;
mod remark;
mod roster;
mod session;
mod sieve;
mod standing;

pub use self::backend::BackendError;
pub use self::capture::CaptureError;
pub use self::interfaces::{Change, Interfaces, InterfacesError, Link};

pub(crate) use self::pcap::try_capture;
pub use self::remark::Remark;
pub use self::session::{Session, SessionError, Wanted};

use crate::note::Note;
use crate::source::{Frame, Interface};
use crate::tally::{FlowTally, Tally};

/// What a live source, or a recording of one, yields.
#[derive(Debug)]
pub enum Item<'a> {
    /// An interface; frames name it by its place in the order of these.
    Interface(&'a Interface),
    /// A frame. They are numbered from 1 on, in the order in which they are yielded.
    Frame {
        /// The frame.
        frame: Frame<'a>,
        /// What its flow's tally was before it, where segments are thinned.
        tally: Option<&'a Tally>,
        /// The cookie of the socket that sent it, where it is known.
        sender: Option<u64>,
    },
    /// The last tally of a flow that nothing more was reported of.
    Rest(&'a FlowTally),
    /// Something that the kernel told.
    Note(&'a Note),
    /// How many frames of an interface were lost so far, and how many passed that hold no TCP.
    Counted {
        /// Index of the interface.
        interface: u32,
        /// Frames that could not be reported for want of room.
        dropped: u64,
        /// Frames that hold no TCP segment and were not reported.
        other: u64,
    },
}

/// What to watch for.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Only segments from or to one of these ports; all where empty.
    pub ports: Vec<u16>,
    /// Only frames that this filter lets pass, in pcap syntax.
    pub filter: Option<String>,
    /// Every segment, not only the telling ones.
    pub all_segments: bool,
    /// Programs are attached as below Linux 6.6, by clsact, also where there is TCX.
    pub no_tcx: bool,
}

/// Takes in items as they come.
pub type Sink<'a> = &'a mut dyn FnMut(Item<'_>);

/// What an interface of a namespace is called as a vantage; the current namespace has no name.
#[must_use]
pub fn vantage(namespace: &str, interface: &str) -> String {
    if namespace.is_empty() {
        interface.to_owned()
    } else {
        format!("{namespace}:{interface}")
    }
}
