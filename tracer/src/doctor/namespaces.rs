//! Which network namespaces can be reached.

use std::collections::HashSet;
use std::path::Path;

use super::{Check, Verdict};
use crate::netns::{NAMED, Namespace, NamespaceError, NamespaceId, named};
use crate::processes;

const NAME: &str = "namespaces";

/// Opens those that have a name and those of all processes, and enters one that this process is
/// not in.
pub(super) fn check() -> Check {
    let mut found = HashSet::new();
    let mut others: Vec<Namespace> = Vec::new();
    let mut closed = 0_u64;
    let mut take =
        |opened: Result<Namespace, NamespaceError>, seen: &mut HashSet<NamespaceId>| match opened {
            Ok(namespace) if seen.insert(namespace.id()) => others.push(namespace),
            Ok(_) => {}
            Err(error) => closed += u64::from(error.is_refused()),
        };
    for name in named() {
        take(
            Namespace::open(&Path::new(NAMED).join(&name), &name),
            &mut found,
        );
    }
    for pid in processes::all().unwrap_or_default() {
        take(
            Namespace::of_process(pid, &format!("of process {pid}")),
            &mut found,
        );
    }
    let current = Namespace::current().ok().map(|namespace| namespace.id());
    let count = others.len();
    others.retain(|namespace| Some(namespace.id()) != current);
    let entered = others.first().map(|namespace| namespace.within(|| ()));
    let found = match count {
        1 => "1 can be opened".to_owned(),
        count => format!("{count} can be opened"),
    };
    match (entered, closed) {
        (Some(Err(error)), _) => Check::not(
            Verdict::Partly,
            NAME,
            format!("{found}, only the current one entered"),
            error.to_string(),
        ),
        (_, 1..) => Check::not(
            Verdict::Partly,
            NAME,
            format!(
                "{found}; closed to this process: {}",
                match closed {
                    1 => "that of 1 process".to_owned(),
                    closed => format!("those of {closed} processes"),
                }
            ),
            "--pid and --comm cannot name these; run as root, outside of containers",
        ),
        (Some(Ok(())), 0) => Check::works(NAME, format!("{found} and entered")),
        (None, 0) => Check::works(NAME, format!("{found}: there is no other to be seen")),
    }
}
