//! From what people name (a process, a namespace, a container) to network namespaces.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Namespace, NamespaceError};
use crate::processes;

/// Where `ip netns add` puts names.
pub(crate) const NAMED: &str = "/run/netns";

/// Digits of a container's id that its tools show.
const SHORT_ID: usize = 12;

/// Names in an error message, at most.
const LISTED: usize = 10;

/// What to look at, as people name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The namespace of that name (`ip netns list`), or that a file is bound to.
    Netns(PathBuf),
    /// The namespace of a process.
    Pid(u32),
    /// The namespaces of all processes of that name.
    Comm(String),
    /// The namespaces of the container whose id begins so.
    Container(String),
}

/// Why a target cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// There is no such process.
    #[error("--pid {pid}: there is no such process (any more); 'ps -e' lists those that are")]
    NoProcess {
        /// Its id.
        pid: u32,
    },
    /// It is there, and /proc does not show it.
    #[error("--pid {pid}: /proc does not show that process (mounted with hidepid?): run as root")]
    Hidden {
        /// Its id.
        pid: u32,
    },
    /// No namespace has that name.
    #[error(
        "--netns {name}: there is no network namespace of that name; {}",
        known_netns(known)
    )]
    NoNetns {
        /// The name.
        name: String,
        /// Those that exist.
        known: Vec<String>,
    },
    /// No process has that name.
    #[error(
        "--comm {comm}: no process that /proc shows is called that; 'ps -eo pid,comm' lists the names"
    )]
    NoComm {
        /// The name.
        comm: String,
    },
    /// No container's id can begin so.
    #[error(
        "--container {text}: no id of a container is written so: give its first digits (0 to 9, a to \
         f), as 'crictl ps' and 'docker ps' list them; a name is none"
    )]
    NoId {
        /// What was given.
        text: String,
    },
    /// No container's id begins so.
    #[error(
        "--container {prefix}: no process that can be seen from here is in a container whose id \
         begins so; 'crictl ps' and 'docker ps' list ids (a name is none); run hopscope on the \
         container's node, where all its processes are seen"
    )]
    NoContainer {
        /// The beginning of the id.
        prefix: String,
    },
    /// Several containers' ids begin so.
    #[error("--container {prefix}: the ids of {} containers begin so ({}): give more digits", ids.len(), shown(ids))]
    Ambiguous {
        /// The beginning of the id.
        prefix: String,
        /// The ids.
        ids: Vec<String>,
    },
    /// /proc cannot be read.
    #[error("cannot list the processes in /proc: {0}; mount it")]
    Processes(io::Error),
    /// A namespace was found and cannot be opened.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
}

fn shown(names: &[String]) -> String {
    let mut text = names[..names.len().min(LISTED)].join(", ");
    if names.len() > LISTED {
        text.push_str(" ...");
    }
    text
}

fn known_netns(known: &[String]) -> String {
    if known.is_empty() {
        "none has a name on this machine: name a process with --pid or --comm".to_owned()
    } else {
        format!("there are: {}", shown(known))
    }
}

/// The namespaces that `targets` name, each once, each with a name of its own; the current one, with
/// the empty name, where `targets` is empty.
///
/// # Errors
///
/// Where a target does not exist or cannot be opened.
pub fn resolve(targets: &[Target]) -> Result<Vec<Namespace>, TargetError> {
    if targets.is_empty() {
        return Ok(vec![Namespace::current()?]);
    }
    let mut found = Vec::new();
    for target in targets {
        match target {
            Target::Netns(name) => found.push(netns(name)?),
            Target::Pid(pid) => found.push(of_pid(*pid)?),
            Target::Comm(comm) => found.extend(of_comm(comm)?),
            Target::Container(prefix) => found.extend(of_container(prefix)?),
        }
    }
    let mut seen = HashSet::new();
    found.retain(|namespace| seen.insert(namespace.id()));
    tell_apart(&mut found);
    Ok(found)
}

/// Two namespaces may be called the same (`--netns a --netns /mnt/a`).
fn tell_apart(namespaces: &mut [Namespace]) {
    let mut names = HashSet::new();
    for namespace in namespaces {
        if !names.insert(namespace.name.clone()) {
            namespace.name = format!("{}-{}", namespace.name, namespace.inode());
        }
    }
}

fn netns(name: &Path) -> Result<Namespace, TargetError> {
    // `gw/`, as a shell completes it, is `gw`.
    let name = name.components().as_path();
    let is_name = name.components().count() == 1 && !name.is_absolute();
    if !is_name {
        return Ok(Namespace::open(name, &called(name))?);
    }
    let text = name.to_string_lossy();
    Namespace::open(&Path::new(NAMED).join(name), &text).map_err(|error| {
        if error.is_not_found() {
            let name = text.into_owned();
            let known = named();
            TargetError::NoNetns { name, known }
        } else {
            error.into()
        }
    })
}

/// What a namespace is called that a path leads to: its own name, that of its process, or the path.
fn called(path: &Path) -> String {
    let process = || {
        let pid = path.to_str()?.strip_prefix("/proc/")?;
        let pid = pid.strip_suffix("/ns/net")?.parse().ok()?;
        Some(after_process(pid, &processes::comm(pid)?))
    };
    let name = || match path.parent()?.to_str()? {
        NAMED | "/var/run/netns" => Some(path.file_name()?.to_string_lossy().into_owned()),
        _ => None,
    };
    process()
        .or_else(name)
        .unwrap_or_else(|| path.to_string_lossy().into_owned())
}

fn after_process(pid: u32, comm: &str) -> String {
    format!("{comm}-{pid}")
}

/// Names of `ip netns`, sorted.
pub(crate) fn named() -> Vec<String> {
    let entries = fs::read_dir(NAMED).into_iter().flatten().flatten();
    let names: BTreeSet<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.into_iter().collect()
}

fn of_pid(pid: u32) -> Result<Namespace, TargetError> {
    let comm = processes::comm(pid).ok_or_else(|| {
        if processes::is_there(pid) {
            TargetError::Hidden { pid }
        } else {
            TargetError::NoProcess { pid }
        }
    })?;
    Namespace::of_process(pid, &after_process(pid, &comm)).map_err(|error| {
        if error.is_not_found() {
            TargetError::NoProcess { pid }
        } else {
            error.into()
        }
    })
}

fn of_comm(comm: &str) -> Result<Vec<Namespace>, TargetError> {
    let pids = processes::all().map_err(TargetError::Processes)?;
    let called =
        |pid: &u32| processes::comm(*pid).is_some_and(|own| processes::is_called(&own, comm));
    let found = each_once(pids.into_iter().filter(called), comm)?;
    if found.is_empty() {
        let comm = comm.to_owned();
        return Err(TargetError::NoComm { comm });
    }
    Ok(found)
}

fn of_container(prefix: &str) -> Result<Vec<Namespace>, TargetError> {
    // As Kubernetes writes it: containerd://ID.
    let digits = prefix.rsplit('/').next().unwrap_or(prefix).to_lowercase();
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        let text = prefix.to_owned();
        return Err(TargetError::NoId { text });
    }
    let mut containers: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for pid in processes::all().map_err(TargetError::Processes)? {
        for id in processes::containers(pid) {
            if id.starts_with(&digits) {
                containers.entry(id).or_default().push(pid);
            }
        }
    }
    let prefix = prefix.to_owned();
    if containers.len() > 1 {
        // Enough of each to see where they differ.
        let digits = SHORT_ID.max(digits.len() + 4);
        let ids = containers.into_keys();
        let ids = ids
            .map(|id| id.get(..digits).unwrap_or(&id).to_owned())
            .collect();
        return Err(TargetError::Ambiguous { prefix, ids });
    }
    let Some((id, pids)) = containers.pop_first() else {
        return Err(TargetError::NoContainer { prefix });
    };
    let found = each_once(pids.into_iter(), short(&id))?;
    if found.is_empty() {
        return Err(TargetError::NoContainer { prefix });
    }
    Ok(found)
}

fn short(id: &str) -> &str {
    id.get(..SHORT_ID).unwrap_or(id)
}

/// The namespaces of these processes, each once, called `name`, and by the first process in it where
/// there are several. Processes that end meanwhile are none of them.
fn each_once(pids: impl Iterator<Item = u32>, name: &str) -> Result<Vec<Namespace>, TargetError> {
    let mut found: Vec<(u32, Namespace)> = Vec::new();
    for pid in pids {
        match Namespace::of_process(pid, name) {
            Ok(namespace) if found.iter().any(|(_, known)| known.id() == namespace.id()) => {}
            Ok(namespace) => found.push((pid, namespace)),
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error.into()),
        }
    }
    let several = found.len() > 1;
    let named = found.into_iter().map(|(pid, mut namespace)| {
        if several {
            namespace.name = after_process(pid, name);
        }
        namespace
    });
    Ok(named.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_target_is_the_current_namespace_without_a_name() -> Result<(), TargetError> {
        let found = resolve(&[])?;
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].name, "");
        assert_eq!(found[0].id(), Namespace::current()?.id());
        Ok(())
    }

    #[test]
    fn one_namespace_named_in_several_ways_is_one_target() -> Result<(), TargetError> {
        let pid = std::process::id();
        let path = |path: String| Target::Netns(path.into());
        let found = resolve(&[
            Target::Pid(pid),
            path(format!("/proc/{pid}/ns/net")),
            path("/proc/self/ns/net".to_owned()),
            Target::Pid(pid),
        ])?;
        let names: Vec<&str> = found.iter().map(|found| found.name.as_str()).collect();
        let comm = processes::comm(pid).unwrap_or_default();
        assert_eq!(names, [format!("{comm}-{pid}")]);
        Ok(())
    }

    #[test]
    fn paths_are_called_after_what_they_lead_to() {
        let pid = std::process::id();
        let comm = processes::comm(pid).unwrap_or_default();
        for (path, name) in [
            (format!("/proc/{pid}/ns/net"), format!("{comm}-{pid}")),
            ("/run/netns/gw".to_owned(), "gw".to_owned()),
            ("/var/run/netns/gw".to_owned(), "gw".to_owned()),
            ("/mnt/gw".to_owned(), "/mnt/gw".to_owned()),
            ("./gw".to_owned(), "./gw".to_owned()),
        ] {
            assert_eq!(called(Path::new(&path)), name);
        }
    }

    #[test]
    fn namespaces_of_one_name_are_told_apart() -> Result<(), TargetError> {
        let mut found = vec![Namespace::current()?, Namespace::current()?];
        tell_apart(&mut found);
        assert_eq!(found[0].name, "");
        assert_eq!(found[1].name, format!("-{}", found[1].inode()));
        Ok(())
    }
}
