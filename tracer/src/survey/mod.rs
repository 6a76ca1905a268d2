//! All TCP sockets of network namespaces, with their owners and options.

mod diag;
mod getsockopt;
mod owner;

use std::collections::HashMap;
use std::io;

use self::diag::Listed;
use self::owner::{Holder, Owners};
use crate::netns::{Namespace, NamespaceError};
use crate::probe::{ProbeError, SocketIterator};
use crate::socket::{Defaults, Options, Process, Socket, State};

/// The TCP sockets of a namespace as they were at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct Survey {
    /// Name of the namespace.
    pub namespace: String,
    /// The kernel's number for it.
    pub inode: u64,
    /// Its sockets, listeners first, then by their own end.
    pub sockets: Vec<Socket>,
    /// What was read in another way than wished for, and why.
    pub remarks: Vec<String>,
    /// Why no process is known to hold some of them, where that is so.
    pub unseen: &'static str,
}

impl Survey {
    /// What must be known of these sockets, and of those whose holder is not known: one that nobody
    /// holds has no inode.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let without = |socket: &&Socket| socket.inode.is_some() && socket.owner.is_none();
        let unknown = self.sockets.iter().filter(without).count();
        let unknown = (unknown > 0).then(|| {
            let why = self.unseen;
            format!("who holds {unknown} of the sockets is not known: {why}")
        });
        self.remarks.iter().cloned().chain(unknown).collect()
    }
}

/// Why the sockets of a namespace cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SurveyError {
    /// The namespace cannot be entered.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// The kernel does not list its sockets.
    #[error(
        "cannot list the TCP sockets{}: sock_diag: {error}; {}",
        of(namespace),
        remedy(error)
    )]
    List {
        /// Name of the namespace.
        namespace: String,
        /// The error.
        error: io::Error,
    },
    /// The kernel does not let itself be asked in the way that was asked for.
    #[error(transparent)]
    Kernel(#[from] ProbeError),
    /// Processes cannot be listed.
    #[error("cannot list the processes in /proc: {0}; mount it")]
    Processes(io::Error),
}

fn of(namespace: &str) -> String {
    if namespace.is_empty() {
        String::new()
    } else {
        format!(" of {namespace}")
    }
}

/// Without the module for the address family or the protocol the kernel says ENOENT or
/// EPROTONOSUPPORT.
fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "is netlink forbidden here (seccomp)?",
        _ => "'modprobe tcp_diag' loads what it needs",
    }
}

/// How options are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// As the kernel goes through its sockets; by asking them where it does not let itself be used.
    #[default]
    Auto,
    /// As the kernel goes through its sockets (`iter/tcp`): of every socket, and exactly whose the
    /// value is.
    Kernel,
    /// By asking each socket, through a process that holds it.
    Getsockopt,
}

/// Reads the sockets of these namespaces.
///
/// # Errors
///
/// Where a namespace cannot be entered or does not list its sockets, or where the kernel does not let
/// the method asked for be used. What cannot be told of a single socket is said with that socket.
pub fn survey(namespaces: &[Namespace], method: Method) -> Result<Vec<Survey>, SurveyError> {
    let mut iterator = match method {
        Method::Getsockopt => Err(None),
        Method::Kernel => Ok(SocketIterator::load()?),
        Method::Auto => SocketIterator::load().map_err(Some),
    };
    let mut listings = Vec::with_capacity(namespaces.len());
    for namespace in namespaces {
        let listing = Listing::of(namespace)?;
        let known = match &mut iterator {
            Ok(iterator) => match iterator.options(namespace, listing.defaults()) {
                Err(error) if method == Method::Auto => Err(Some(error.to_string())),
                read => Ok(read?),
            },
            Err(refused) => Err(refused.as_ref().map(ToString::to_string)),
        };
        listings.push((listing, known));
    }
    let inodes = listings.iter().flat_map(|(listing, _)| listing.inodes());
    let owners = Owners::find(&inodes.collect()).map_err(SurveyError::Processes)?;
    let surveys = namespaces.iter().zip(listings);
    let surveys = surveys.map(|(namespace, (listing, known))| {
        let (known, refused) = match known {
            Ok(known) => (Some(known), None),
            Err(refused) => (None, refused),
        };
        Survey {
            namespace: namespace.name.clone(),
            inode: namespace.inode(),
            sockets: listing.sockets(&owners, known.as_ref(), method),
            remarks: refused
                .as_deref()
                .map(fallen_back)
                .into_iter()
                .chain(listing.remark())
                .collect(),
            unseen: unseen(owners.denied),
        }
    });
    Ok(surveys.collect())
}

fn fallen_back(why: &str) -> String {
    format!("options were read by getsockopt: {why}")
}

const GONE: &str = "it was gone before its options were read";

/// What a namespace lists by itself.
struct Listing {
    listed: Vec<Listed>,
    defaults: Result<Defaults, String>,
}

impl Listing {
    fn of(namespace: &Namespace) -> Result<Self, SurveyError> {
        let listed = namespace.within(diag::list)?;
        let listed = listed.map_err(|error| SurveyError::List {
            namespace: namespace.name.clone(),
            error,
        })?;
        let defaults = Defaults::of(namespace)?.map_err(|error| error.to_string());
        Ok(Self { listed, defaults })
    }

    fn defaults(&self) -> Result<&Defaults, &str> {
        self.defaults.as_ref().map_err(String::as_str)
    }

    fn remark(&self) -> Option<String> {
        let error = self.defaults.as_ref().err()?;
        Some(format!("the namespace's own values are not known: {error}"))
    }

    fn inodes(&self) -> impl Iterator<Item = u64> {
        self.listed.iter().filter_map(|socket| socket.inode)
    }

    /// The sockets with their owners, and their options as far as the kernel has told them.
    fn sockets(
        &self,
        owners: &Owners,
        known: Option<&HashMap<u64, Options>>,
        method: Method,
    ) -> Vec<Socket> {
        let sockets = self.listed.iter().map(|listed| {
            let holders = listed.inode.map_or(&[][..], |inode| owners.of(inode));
            let ask = || self.by_getsockopt(listed, holders, owners.denied);
            let options = match known {
                Some(known) => match known.get(&listed.cookie) {
                    Some(options) if options.is_complete() || method == Method::Kernel => {
                        Ok(options.clone())
                    }
                    // This kernel may describe some fields and not others.
                    Some(options) => Ok(ask().map_or(options.clone(), |more| options.or(more))),
                    None => Err(without_options(listed).unwrap_or(GONE).to_owned()),
                },
                None => ask(),
            };
            Socket {
                local: listed.local,
                peer: listed.peer,
                state: listed.state,
                cookie: Some(listed.cookie),
                inode: listed.inode,
                owner: holders.first().map(|holder| holder.process.clone()),
                accepted: None,
                also_held_by: others(holders),
                queues: listed.queues,
                timer: listed.timer,
                options: options
                    .unwrap_or_else(|reason| Options::not_read(&reason))
                    .into(),
            }
        });
        let mut sockets: Vec<Socket> = sockets.collect();
        sockets.sort_by_key(|socket| (socket.state != State::Listen, socket.local, socket.peer));
        sockets
    }

    /// From the first process that holds the socket and lets itself be asked.
    fn by_getsockopt(
        &self,
        listed: &Listed,
        holders: &[Holder],
        denied: usize,
    ) -> Result<Options, String> {
        if let Some(reason) = without_options(listed) {
            return Err(reason.to_owned());
        }
        let mut refused = None;
        for holder in holders {
            match getsockopt::options(holder, listed.cookie, self.defaults.as_ref().ok()) {
                Ok(options) => return Ok(options),
                Err(reason) => refused = refused.or(Some(reason)),
            }
        }
        Err(refused.unwrap_or_else(|| unheld(listed, denied).to_owned()))
    }
}

/// The processes after the first, each once: one may hold a socket under several numbers.
fn others(holders: &[Holder]) -> Vec<Process> {
    let processes = holders.iter().map(|holder| &holder.process);
    let mut others: Vec<Process> = processes.cloned().collect();
    // Holders are in the order of processes.
    others.dedup_by_key(|process| process.pid);
    others.drain(..1.min(others.len()));
    others
}

/// Why there are no options to be read, by whatever means.
fn without_options(listed: &Listed) -> Option<&'static str> {
    match listed.state {
        _ if listed.whole => None,
        State::SynReceived => {
            Some("before the handshake is complete the kernel keeps no socket, only the request")
        }
        _ => Some("it is closed: the kernel keeps no socket, only a record without options"),
    }
}

/// Why no process is known to hold a socket. It leaves the listener's queue with an inode, and loses
/// it when the last process closes it, which sends a FIN.
fn unheld(listed: &Listed, denied: usize) -> &'static str {
    match (listed.inode, listed.state) {
        (None, State::Established | State::CloseWait) => {
            "no process has accepted it yet, and getsockopt needs one that holds it"
        }
        (None, _) => "no process holds it any more, and getsockopt needs one that does",
        (Some(_), _) => unseen(denied),
    }
}

/// Why the process that holds a socket is not found among those in /proc, `denied` of which did not let
/// themselves be looked into: those of other users ask for a capability more.
fn unseen(denied: usize) -> &'static str {
    if denied > 0 {
        "no process that may be looked into holds it; needs CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH: \
         run as root"
    } else {
        "no process that can be seen from here holds it; was it closed meanwhile, or is it one of \
         another pid namespace, or the kernel's own?"
    }
}
