//! Naming namespaces by process, name, path and container.

use std::fs;
use std::path::PathBuf;
use std::process;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::stage::{Stage, idle, report, run, skipped, sockets};

fn vantages(report: &Value) -> Vec<String> {
    let vantages = report["vantages"].as_array().cloned().unwrap_or_default();
    let names = vantages
        .iter()
        .filter_map(|vantage| vantage["name"].as_str());
    names.map(str::to_owned).collect()
}

fn inode(pid: u32) -> Result<String> {
    let link = fs::read_link(format!("/proc/{pid}/ns/net"))?;
    Ok(link.to_string_lossy().into_owned())
}

#[test]
fn every_way_of_naming_leads_to_the_namespace() -> Result<()> {
    if skipped() {
        return Ok(());
    }
    let mut stage = Stage::new("targets", &["z"])?;
    let comm = idle(&mut stage, 'a', "z")?;
    let pid = stage.last_pid().context("it runs")?;
    let ns = stage.ns("z")?;
    let after = format!("{comm}-{pid}");
    let path = format!("/proc/{pid}/ns/net");
    let bound = format!("/run/netns/{ns}");
    for (arguments, name) in [
        (["--pid", &pid.to_string()], &*after),
        (["--netns", ns], ns),
        (["--netns", &format!("{ns}/")], ns),
        (["--netns", &bound], ns),
        (["--netns", &path], &after),
        (["--comm", &comm], &comm),
    ] {
        let report = report(&arguments)?;
        assert_eq!(vantages(&report), [name], "{arguments:?}");
        assert_eq!(
            report["vantages"][0]["source"],
            inode(pid)?,
            "{arguments:?}"
        );
    }
    // Not named, it is the one that hopscope is in.
    let report = report(&[])?;
    assert_eq!(vantages(&report), [""]);
    assert_eq!(report["vantages"][0]["source"], inode(process::id())?);
    Ok(())
}

#[test]
fn a_namespace_named_twice_is_one() -> Result<()> {
    if skipped() {
        return Ok(());
    }
    let mut stage = Stage::new("twice", &["z"])?;
    stage.every_kind("z")?;
    let pid = stage.last_pid().context("it runs")?.to_string();
    let ns = stage.ns("z")?;
    let once = sockets(&report(&["--netns", ns])?).len();
    let twice = report(&["--pid", &pid, "--netns", ns, "--netns", ns, "--pid", &pid])?;
    assert_eq!(vantages(&twice), [ns]);
    ensure!(once > 20 && sockets(&twice).len() == once);
    Ok(())
}

#[test]
fn a_name_of_processes_in_several_namespaces() -> Result<()> {
    if skipped() {
        return Ok(());
    }
    let mut stage = Stage::new("several", &["z", "y"])?;
    // The same program, twice in one namespace and once in the other.
    let comm = idle(&mut stage, 'c', "z")?;
    let first = stage.last_pid().context("it runs")?;
    let program = stage.folder().join(&comm);
    idle(&mut stage, 'c', "z")?;
    stage.start("y", "other", &[&program.to_string_lossy(), "infinity"])?;
    let other = stage.last_pid().context("it runs")?;
    let names = |report: &Value| vantages(report);
    let report = hopscope_tests::lab::wait::until("both to run", super::stage::FOREVER, || {
        let report = report(&["--comm", &comm])?;
        Ok((names(&report).len() == 2).then_some(report))
    })?;
    assert_eq!(
        names(&report),
        [format!("{comm}-{first}"), format!("{comm}-{other}")]
    );
    Ok(())
}

/// A group of processes as container runtimes make it; removed with what is in it.
struct Cgroup(PathBuf);

impl Cgroup {
    /// In the first hierarchy that lets itself be written.
    fn new(name: &str) -> Option<Self> {
        let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
        let hierarchies = mounts.lines().filter_map(|line| {
            let mut words = line.split(' ').skip(1);
            let (place, kind) = (words.next()?, words.next()?);
            kind.starts_with("cgroup")
                .then(|| PathBuf::from(place).join(name))
        });
        hierarchies
            .into_iter()
            .find(|folder| fs::create_dir(folder).is_ok())
            .map(Self)
    }

    fn take(&self, pid: u32) -> bool {
        fs::write(self.0.join("cgroup.procs"), pid.to_string()).is_ok()
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // A group can be removed once its processes have ended; nothing depends on it.
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn containers() -> Result<()> {
    if skipped() {
        return Ok(());
    }
    // Two ids that begin alike, unlike any real one on this machine.
    let own = format!("{:08x}", process::id());
    let ids = ['a', 'b'].map(|last| format!("f00d{own}{}", last.to_string().repeat(52)));
    let names = [
        format!("docker-{}.scope", ids[0]),
        format!("crio-{}.scope", ids[1]),
    ];
    let (Some(one), Some(two)) = (Cgroup::new(&names[0]), Cgroup::new(&names[1])) else {
        println!("skipped: no control group can be made here (/sys/fs/cgroup)");
        return Ok(());
    };
    // Dropped before the groups.
    let mut stage = Stage::new("containers", &["z", "y"])?;
    idle(&mut stage, 'd', "z")?;
    let first = stage.last_pid().context("it runs")?;
    idle(&mut stage, 'd', "y")?;
    let second = stage.last_pid().context("it runs")?;
    if !(one.take(first) && two.take(second)) {
        println!("skipped: no process can be put into a control group here");
        return Ok(());
    }
    for (id, pid) in ids.iter().zip([first, second]) {
        for prefix in [
            &**id,
            &id[..20],
            &format!("containerd://{id}"),
            &id.to_uppercase(),
        ] {
            let report = report(&["--container", prefix])?;
            assert_eq!(vantages(&report), [&id[..12]], "{prefix}");
            assert_eq!(report["vantages"][0]["source"], inode(pid)?);
        }
    }
    let told = run(&["--container", &format!("f00d{own}")])?;
    assert_eq!(told.code, Some(2), "{}", told.err);
    for part in ["2 containers", &ids[0][..16], &ids[1][..16], "more digits"] {
        assert!(told.err.contains(part), "{part}: {}", told.err);
    }
    Ok(())
}
