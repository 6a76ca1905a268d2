//! All TCP sockets of network namespaces, with their owners and options.

mod diag;
mod getsockopt;
mod owner;

use std::collections::HashSet;
use std::io;

use self::diag::Listed;
use self::owner::Owners;
use crate::netns::{Namespace, NamespaceError};
use crate::socket::{Defaults, Options, Socket, State};

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

/// Reads the sockets of these namespaces.
///
/// # Errors
///
/// Where a namespace cannot be entered or does not list its sockets. What cannot be told of a single
/// socket is said with that socket.
pub fn survey(namespaces: &[Namespace]) -> Result<Vec<Survey>, SurveyError> {
    let mut listings = Vec::with_capacity(namespaces.len());
    for namespace in namespaces {
        let listed = namespace.within(diag::list)?;
        let listed = listed.map_err(|error| SurveyError::List {
            namespace: namespace.name.clone(),
            error,
        })?;
        let defaults = Defaults::of(namespace)?;
        listings.push((namespace, listed, defaults));
    }
    let inodes: HashSet<u64> = listings
        .iter()
        .flat_map(|(_, listed, _)| listed.iter().filter_map(|socket| socket.inode))
        .collect();
    let owners = Owners::find(&inodes).map_err(SurveyError::Processes)?;
    let surveys = listings.into_iter().map(|(namespace, listed, defaults)| {
        let sockets = listed
            .iter()
            .map(|listed| socket(listed, &owners, defaults.as_ref().ok()));
        let mut sockets: Vec<Socket> = sockets.collect();
        sockets.sort_by_key(|socket| (socket.state != State::Listen, socket.local, socket.peer));
        Survey {
            namespace: namespace.name.clone(),
            inode: namespace.inode(),
            sockets,
            remarks: Vec::new(),
        }
    });
    Ok(surveys.collect())
}

fn socket(listed: &Listed, owners: &Owners, defaults: Option<&Defaults>) -> Socket {
    let holders = listed.inode.map_or(&[][..], |inode| owners.of(inode));
    let options = match without_options(listed) {
        Some(reason) => Err(reason.to_owned()),
        None => by_getsockopt(listed, owners, defaults),
    };
    Socket {
        local: listed.local,
        peer: listed.peer,
        state: listed.state,
        cookie: Some(listed.cookie),
        inode: listed.inode,
        owner: holders.first().map(|holder| holder.process.clone()),
        queues: listed.queues,
        timer: listed.timer,
        options: options.unwrap_or_else(|reason| Options::not_read(&reason)),
    }
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

/// From the first process that holds it and lets itself be asked.
fn by_getsockopt(
    listed: &Listed,
    owners: &Owners,
    defaults: Option<&Defaults>,
) -> Result<Options, String> {
    let Some(inode) = listed.inode else {
        return Err(unheld(listed.state).to_owned());
    };
    let mut refused = None;
    for holder in owners.of(inode) {
        match getsockopt::options(holder, listed.cookie, defaults) {
            Ok(options) => return Ok(options),
            Err(reason) => refused = refused.or(Some(reason)),
        }
    }
    Err(refused.unwrap_or_else(|| unseen(owners.denied).to_owned()))
}

/// Why no process holds a socket: it leaves the listener's queue with an inode and loses it when the
/// last process closes it, which sends a FIN.
fn unheld(state: State) -> &'static str {
    match state {
        State::Established | State::CloseWait => {
            "no process has accepted it yet, and getsockopt needs one that holds it"
        }
        _ => "no process holds it any more, and getsockopt needs one that does",
    }
}

fn unseen(denied: usize) -> &'static str {
    if denied > 0 {
        "the process that holds it may not be looked into; needs CAP_SYS_PTRACE: run as root"
    } else {
        "no process that can be seen from here holds it; is it one of another pid namespace, or the \
         kernel's own?"
    }
}
