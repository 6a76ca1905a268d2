//! An interface that the probe is attached to.

use std::fs::File;
use std::io;

use aya::Ebpf;
use aya::programs::tc::{self, NlOptions, SchedClassifierLinkId, TcAttachOptions};
use aya::programs::{LinkOrder, SchedClassifier, TcAttachType};
use rustix::io::Errno;

use super::object::{REMEDY, chain};
use super::{Port, ProbeError, Trial, qdisc};
use crate::decode::LinkType;
use crate::netns::Namespace;

/// An interface that is watched, or was.
pub(super) struct Attached {
    pub(super) number: u32,
    pub(super) link: LinkType,
    pub(super) dropped: u64,
    index: u32,
    /// Where its name and number mean something; `None` once it is watched no more.
    namespace: Option<Namespace>,
    links: Vec<(&'static str, SchedClassifierLinkId)>,
    /// Filters hang on `clsact`, and outlive whoever brought them.
    clsact: bool,
    /// The queueing discipline was not there before.
    added: bool,
}

/// How one program was attached.
struct Link {
    id: SchedClassifierLinkId,
    way: &'static str,
    added: bool,
}

impl Attached {
    /// Watches an interface. What was tried is added to `trials`.
    pub(super) fn new(
        ebpf: &mut Ebpf,
        namespace: &Namespace,
        port: &Port<'_>,
        tcx: bool,
        trials: &mut Vec<Trial>,
    ) -> Result<Self, ProbeError> {
        let refused = |why| {
            // The kernel's words are about what could not be opened for it.
            let (why, remedy) = match too_many_files() {
                Some(error) => (error.to_string(), "raise the limit (ulimit -n)"),
                None => (why, REMEDY),
            };
            ProbeError::Attach {
                interface: port.name.to_owned(),
                namespace: namespace.name.clone(),
                why,
                remedy,
            }
        };
        let held = namespace.try_clone();
        let mut attached = Self {
            number: port.number,
            link: port.link,
            dropped: 0,
            index: port.index,
            namespace: Some(held.map_err(|error| refused(chain(&error)))?),
            links: Vec::new(),
            clsact: false,
            added: false,
        };
        let done = attached.attach_all(ebpf, namespace, port, tcx, trials);
        match done.map(|all| all.map_err(refused)) {
            Ok(Ok(())) => Ok(attached),
            Ok(Err(error)) | Err(error) => {
                attached.let_go(ebpf);
                Err(error)
            }
        }
    }

    /// Attaches in both directions, or says why one was refused.
    fn attach_all(
        &mut self,
        ebpf: &mut Ebpf,
        namespace: &Namespace,
        port: &Port<'_>,
        tcx: bool,
        trials: &mut Vec<Trial>,
    ) -> Result<Result<(), String>, ProbeError> {
        let [incoming, outgoing] = match port.link {
            LinkType::Ethernet => ["ethernet_in", "ethernet_out"],
            _ => ["ip_in", "ip_out"],
        };
        let mut wanted = vec![(outgoing, TcAttachType::Egress)];
        if !port.loopback {
            wanted.push((incoming, TcAttachType::Ingress));
        }
        for (program, direction) in wanted {
            // Names and numbers of interfaces mean something in their namespace only.
            let link = namespace.within(|| attach(ebpf, program, port, direction, tcx))?;
            trials.push(Trial {
                part: match direction {
                    TcAttachType::Egress => format!("TC egress of {}", port.name),
                    _ => format!("TC ingress of {}", port.name),
                },
                purpose: "segments",
                outcome: link.as_ref().map(|link| link.way).map_err(String::clone),
            });
            match link {
                Ok(link) => {
                    self.links.push((program, link.id));
                    self.clsact |= link.way == CLSACT;
                    self.added |= link.added;
                }
                Err(why) => return Ok(Err(why)),
            }
        }
        Ok(Ok(()))
    }

    /// Watches it no more. An interface that is gone has taken its links along, and nothing is left
    /// to be done then.
    pub(super) fn let_go(&mut self, ebpf: &mut Ebpf) {
        let links = std::mem::take(&mut self.links);
        let Some(namespace) = self.namespace.take() else {
            return;
        };
        if !self.clsact {
            return detach(ebpf, links);
        }
        let (index, added) = (self.index, self.added);
        let _ = namespace.within(|| {
            detach(ebpf, links);
            if added {
                let _ = qdisc::remove_if_unused(index);
            }
        });
    }
}

/// Programs of others may let segments pass without asking those behind them (TC_ACT_OK): so the probe goes
/// before them, and sees what they drop.
const FIRST: u16 = 1;

const TCX: &str = "TCX";
const CLSACT: &str = "clsact";

/// TCX from Linux 6.6 on, where it is wanted; clsact below.
fn attach(
    ebpf: &mut Ebpf,
    program: &'static str,
    port: &Port<'_>,
    direction: TcAttachType,
    tcx: bool,
) -> Result<Link, String> {
    let program: &mut SchedClassifier = ebpf
        .program_mut(program)
        .ok_or("the object has no such program")?
        .try_into()
        .map_err(|error| chain(&error))?;
    if program.fd().is_err() {
        program.load().map_err(|error| chain(&error))?;
    }
    let refused = if tcx {
        let options = TcAttachOptions::TcxOrder(LinkOrder::first());
        match program.attach_with_options(port.name, direction, options) {
            Ok(id) => {
                return Ok(Link {
                    id,
                    way: TCX,
                    added: false,
                });
            }
            Err(error) => format!("TCX: {}; ", chain(&error)),
        }
    } else {
        String::new()
    };
    let clsact = tc::qdisc_add_clsact(port.name);
    let mut at = |priority| {
        let options = NlOptions {
            priority,
            ..NlOptions::default()
        };
        program.attach_with_options(port.name, direction, TcAttachOptions::Netlink(options))
    };
    // Where a filter of another kind has that place, after all others.
    match at(FIRST).or_else(|_| at(0)) {
        Ok(id) => Ok(Link {
            id,
            way: CLSACT,
            added: clsact.is_ok(),
        }),
        Err(second) => {
            if clsact.is_ok() {
                let _ = qdisc::remove_if_unused(port.index);
            }
            let why = match clsact {
                Err(clsact) if !clsact.to_string().contains("exists") => chain(&clsact),
                _ => chain(&second),
            };
            Err(format!("{refused}clsact: {why}"))
        }
    }
}

fn detach(ebpf: &mut Ebpf, links: Vec<(&'static str, SchedClassifierLinkId)>) {
    for (name, link) in links {
        let program: Option<Result<&mut SchedClassifier, _>> =
            ebpf.program_mut(name).map(TryInto::try_into);
        if let Some(Ok(program)) = program {
            let _ = program.detach(link);
        }
    }
}

/// Whether no file can be opened any more.
fn too_many_files() -> Option<io::Error> {
    let error = File::open("/dev/null").err()?;
    let limits = [Errno::MFILE, Errno::NFILE].map(Errno::raw_os_error);
    let reached = |number| limits.contains(&number);
    error.raw_os_error().is_some_and(reached).then_some(error)
}
