//! Removing what labs left behind whose process was killed; their programs died with them.

use std::{env, fs, path::Path};

use super::{process::run, trace};

/// Removes namespaces, tracer instances and folders of labs that are no more.
///
/// Failures are left alone: another lab may sweep at the same moment, and what stays only takes room.
pub fn leftovers() {
    for ns in run("ip", &["netns", "list"]).unwrap_or_default().lines() {
        let ns = ns.split(' ').next().unwrap_or(ns);
        if orphaned(ns, "hs", 's') {
            let _removed = run("ip", &["netns", "del", ns]);
        }
    }
    for instance in names(&Path::new(trace::TRACEFS).join("instances")) {
        if orphaned(&instance, "hs", '-') {
            let path = Path::new(trace::TRACEFS).join("instances").join(instance);
            let _removed = fs::remove_dir(path);
        }
    }
    for folder in names(&env::temp_dir()) {
        if orphaned(&folder, "hopscope-lab-", '-') {
            let _removed = fs::remove_dir_all(env::temp_dir().join(folder));
        }
    }
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

/// Whether `name` is PREFIX, the id of a process that is gone, END and more.
fn orphaned(name: &str, prefix: &str, end: char) -> bool {
    let pid = name
        .strip_prefix(prefix)
        .and_then(|rest| rest.split_once(end))
        .and_then(|(pid, _)| pid.parse::<u32>().ok());
    pid.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists())
}
