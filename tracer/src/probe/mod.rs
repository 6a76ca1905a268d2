//! The kernel probe: loads the eBPF programs of `hopscope-ebpf`, attaches them to the interfaces of
//! namespaces, and turns their records into [`Item`]s.
//!
//! Each namespace has programs and maps of its own ([`tap`]): interfaces are known by their index,
//! which means something in one namespace only. The tracing programs ([`tracing`]) see the sockets
//! of the whole machine and tell those of the namespaces watched.

mod btf;
mod clock;
mod fields;
mod held;
mod object;
mod port;
mod qdisc;
mod record;
mod sockets;
mod tap;
mod tracing;

use std::collections::HashMap;

use foldhash::fast::RandomState;

use self::clock::Clock;
pub(crate) use self::sockets::SocketIterator;
use self::tap::Tap;
use self::tracing::Tracing;
use crate::decode::LinkType;
use crate::live::{Item, Settings};
use crate::netns::{Namespace, NamespaceError};
use crate::source::Interface;

/// Why the probe cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// The kernel does not take a program or a map.
    #[error("cannot load the probe's {what}: {why}; {remedy}")]
    Load {
        /// Which part.
        what: &'static str,
        /// What the kernel said.
        why: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A program cannot be attached.
    #[error(
        "cannot attach the probe to interface {interface}{}: {why}; {remedy}",
        of(namespace)
    )]
    Attach {
        /// The interface.
        interface: String,
        /// Name of its namespace.
        namespace: String,
        /// What the kernel said.
        why: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A namespace cannot be entered.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// The settings ask for what the probe cannot do.
    #[error("the probe looks for {0} ports at most; name fewer, or use -f with --backend pcap")]
    Ports(usize),
}

fn of(namespace: &str) -> String {
    if namespace.is_empty() {
        String::new()
    } else {
        format!(" of {namespace}")
    }
}

/// An interface to attach to.
#[derive(Clone, Copy, Debug)]
pub struct Port<'a> {
    /// Its number in its namespace.
    pub index: u32,
    /// Its name.
    pub name: &'a str,
    /// What its frames begin with.
    pub link: LinkType,
    /// It is the namespace's loopback: what goes out comes in again, and is looked at once.
    pub loopback: bool,
    /// Its number among the items' interfaces.
    pub number: u32,
}

/// The loaded probe. Its programs are detached and unloaded with it, also where the process is
/// killed: links and programs live no longer than their file descriptors. Filters of clsact, below
/// Linux 6.6, do: they are taken away when it is dropped, and stay where the process is killed.
pub struct Probe {
    taps: Vec<Tap>,
    tracing: Option<Tracing>,
    clock: Clock,
    frames: u64,
    /// Regular segments are counted and not shown.
    thinned: bool,
    remarks: Vec<String>,
}

impl Probe {
    /// Loads the probe for these namespaces; nothing is attached to interfaces yet.
    ///
    /// What this kernel does not offer is left out and said in [`Probe::remarks`].
    ///
    /// # Errors
    ///
    /// Where segments cannot be watched.
    pub fn load(namespaces: &[Namespace], settings: &Settings) -> Result<Self, ProbeError> {
        let taps = namespaces
            .iter()
            .map(|_| Tap::load(namespaces.len(), settings))
            .collect::<Result<_, _>>()?;
        let mut remarks = Vec::new();
        let tracing = match Tracing::load(namespaces, settings, &mut remarks) {
            Ok(tracing) => Some(tracing),
            Err(why) => {
                remarks.push(format!(
                    "sockets are not told of (who closed, reasons of resets, options when opened \
                     and closed): {why}"
                ));
                None
            }
        };
        Ok(Self {
            taps,
            tracing,
            clock: Clock::new(),
            frames: 0,
            thinned: !settings.all_segments && settings.filter.is_none(),
            remarks,
        })
    }

    /// Attaches to an interface of the namespace with that place in the list given at the start.
    ///
    /// # Errors
    ///
    /// Where the interface is gone or the kernel refuses.
    pub fn attach(
        &mut self,
        namespace: &Namespace,
        place: usize,
        port: &Port<'_>,
    ) -> Result<Interface, ProbeError> {
        self.taps[place].attach(namespace, port)?;
        Ok(Interface {
            name: Some(port.name.to_owned()),
            snaplen: u32::try_from(hopscope_ebpf::HEADERS_AND_TEXT).unwrap_or(u32::MAX),
            namespace: Some(namespace.name.clone()),
            thinned: self.thinned,
            ..Interface::new(port.link)
        })
    }

    /// Everything is attached: looks at what passes from now on, in both directions at once.
    pub fn begin(&mut self) {
        self.watch(true);
    }

    fn watch(&mut self, watching: bool) {
        for tap in &mut self.taps {
            tap.watch(watching);
        }
        if let Some(tracing) = &mut self.tracing {
            tracing.watch(watching);
        }
    }

    /// An interface is gone: the kernel has detached what was on it.
    pub fn detach(&mut self, place: usize, index: u32) {
        self.taps[place].detach(index);
    }

    /// What this kernel could not do, and why.
    pub fn remarks(&mut self) -> Vec<String> {
        std::mem::take(&mut self.remarks)
    }

    /// Passes on what has come since the last call; never waits. The kernel wakes nobody: call it
    /// every 10 to 20 ms.
    pub fn drain(&mut self, sink: &mut dyn FnMut(Item<'_>)) {
        self.pass_on(false, sink);
    }

    fn pass_on(&mut self, at_end: bool, sink: &mut dyn FnMut(Item<'_>)) {
        for tap in &mut self.taps {
            tap.drain(&self.clock, &mut self.frames, sink);
        }
        if let Some(tracing) = &mut self.tracing {
            tracing.drain(&self.clock, at_end, sink);
        }
    }

    /// Detaches, and passes on what is left: records, the tallies of all flows, what was lost.
    pub fn finish(mut self, sink: &mut dyn FnMut(Item<'_>)) {
        // Before the first program is gone.
        self.watch(false);
        for tap in &mut self.taps {
            tap.detach_all();
        }
        self.pass_on(true, sink);
        for tap in &mut self.taps {
            tap.finish(&self.clock, sink);
        }
    }

    /// Every part that was tried so far.
    #[must_use]
    pub fn trials(&self) -> Vec<Trial> {
        let taps = self.taps.iter().flat_map(Tap::trials);
        let tracing = self.tracing.iter().flat_map(Tracing::trials);
        taps.chain(tracing).cloned().collect()
    }

    /// Records about sockets that found no room, and segments of flows that found none among those
    /// counted, and were all told.
    pub fn shortage(&self) -> Shortage {
        let mut sum = Shortage {
            notes_lost: self.tracing.as_ref().map_or(0, Tracing::lost),
            ..Shortage::default()
        };
        for counts in self.taps.iter().map(Tap::counts) {
            sum.segments += counts.segments;
            sum.untracked += counts.untracked;
            sum.turns_not_told += counts.turns_not_told;
        }
        sum
    }
}

/// A part of the probe that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// The part: program type and where it is attached.
    pub part: String,
    /// What it is for.
    pub purpose: &'static str,
    /// How it was attached, or why it is not.
    pub outcome: Result<&'static str, String>,
}

/// What the probe had no room for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shortage {
    /// TCP segments that passed, told or counted.
    pub segments: u64,
    /// Notes that were lost.
    pub notes_lost: u64,
    /// Segments that were told because their flow could not be counted: more flows than fit.
    pub untracked: u64,
    /// Turns of a conversation that were only counted: too many to tell.
    pub turns_not_told: u64,
}

/// Processes by the cookie of the socket that they opened.
type Owners = HashMap<u64, crate::socket::Process, RandomState>;
