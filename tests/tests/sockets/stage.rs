//! Namespaces with processes whose sockets are looked at.

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs, process};

use anyhow::{Context as _, Result, bail};
use hopscope_tests::binary::{self, Told, hopscope};
use hopscope_tests::craft::Scratch;
use hopscope_tests::lab::envoy::on_path;
use hopscope_tests::lab::netns::{Family, Net};
use hopscope_tests::lab::process::Process;
use hopscope_tests::lab::wait;
use serde_json::Value;

/// Far longer than anything here takes, also where the machine is busy.
pub(crate) const FOREVER: Duration = Duration::from_secs(60);

/// In the namespaces of [`Stage`]: unlike that of the machine, so that a mix-up shows.
pub(crate) const KEEPALIVE_TIME: u64 = 600;

/// What this machine lacks for these tests; says so.
pub(crate) fn skipped() -> bool {
    let missing = if rustix::process::geteuid().is_root() {
        let programs = ["ip", "setpriv", "python3", "sysctl"];
        let absent = programs
            .into_iter()
            .find(|program| on_path(program).is_none());
        absent.map(|program| format!("{program} (apt-get install)"))
    } else {
        Some("root: it makes network namespaces".to_owned())
    };
    if let Some(missing) = &missing {
        println!("skipped: the test of live sockets needs {missing}");
    }
    missing.is_some()
}

/// The ways of reading options that must work on this machine.
pub(crate) fn methods() -> &'static [&'static str] {
    if Path::new("/sys/kernel/btf/vmlinux").exists() {
        &["kernel", "getsockopt"]
    } else {
        println!("skipped: reading options by iter/tcp needs a kernel with BTF");
        &["getsockopt"]
    }
}

/// A row of namespaces and what runs in them, which ends before them.
pub(crate) struct Stage {
    pub(crate) processes: Vec<Process>,
    pub(crate) net: Net,
    scratch: Scratch,
}

impl Stage {
    pub(crate) fn new(test: &str, nodes: &[&'static str]) -> Result<Self> {
        let scratch = Scratch::new(&format!("sockets-{test}"))?;
        let net = Net::build(nodes, Family::V4, scratch.path())?;
        for node in nodes {
            net.sysctl(
                node,
                &format!("net.ipv4.tcp_keepalive_time={KEEPALIVE_TIME}"),
            )?;
            net.sysctl(node, "net.ipv4.tcp_congestion_control=reno")?;
        }
        Ok(Self {
            processes: Vec::new(),
            net,
            scratch,
        })
    }

    /// Name of a namespace as `ip netns` and hopscope know it.
    pub(crate) fn ns(&self, node: &str) -> Result<&str> {
        Ok(&self.net.node(node)?.ns)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.scratch.path()
    }

    /// Starts a process at a node; where its output goes.
    pub(crate) fn start(&mut self, node: &str, name: &str, command: &[&str]) -> Result<PathBuf> {
        let process = Process::spawn(self.ns(node)?, name, command, self.scratch.path())?;
        let out = process.stdout.clone();
        self.processes.push(process);
        Ok(out)
    }

    /// Id of the process that was started last.
    pub(crate) fn last_pid(&self) -> Option<u32> {
        self.processes.last().map(Process::pid)
    }

    /// Starts the peer with sockets of every kind, and gives what it says of them.
    pub(crate) fn every_kind(&mut self, node: &str) -> Result<Vec<Value>> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/sockets.py");
        let command = ["python3", &*script.to_string_lossy()];
        let out = self.start(node, "every-kind", &command)?;
        let peer = self.processes.last_mut().context("it was just started")?;
        let lines = wait::until("the peer to open its sockets", FOREVER, || {
            peer.alive()?;
            let lines = fs::read_to_string(&out)?;
            Ok(lines.ends_with("{}\n").then_some(lines))
        })?;
        let mut told = Vec::new();
        for line in lines.lines().filter(|line| *line != "{}") {
            told.push(serde_json::from_str(line)?);
        }
        Ok(told)
    }
}

/// `hopscope sockets` with these arguments.
pub(crate) fn run(arguments: &[&str]) -> Result<Told> {
    let arguments = [&["sockets"], arguments].concat();
    Ok(hopscope(arguments).output()?.into())
}

/// Its JSON report.
pub(crate) fn report(arguments: &[&str]) -> Result<Value> {
    let told = run(&[arguments, &["--format=json"]].concat())?;
    if told.code != Some(0) || !told.err.is_empty() {
        bail!(
            "hopscope sockets {arguments:?}: {:?}: {}",
            told.code,
            told.err
        );
    }
    Ok(serde_json::from_str(&told.out)?)
}

/// Its sockets.
pub(crate) fn sockets(report: &Value) -> &[Value] {
    report["sockets"].as_array().map_or(&[], Vec::as_slice)
}

/// The socket between these ends; `peer` is null for a listener.
pub(crate) fn between<'a>(report: &'a Value, local: &Value, peer: &Value) -> Result<&'a Value> {
    let mut found = sockets(report)
        .iter()
        .filter(|socket| socket["local"] == *local && socket["peer"] == *peer);
    match (found.next(), found.next()) {
        (Some(socket), None) => Ok(socket),
        (None, _) => bail!("no socket {local} - {peer} in {report:#}"),
        (Some(_), Some(_)) => bail!("several sockets {local} - {peer}"),
    }
}

/// A process that does nothing, with a name that none has but those of the test called `test`.
pub(crate) fn idle(stage: &mut Stage, test: char, node: &str) -> Result<String> {
    let name = format!("hsz{}{test}", process::id());
    let program = stage.folder().join(&name);
    if !program.exists() {
        let sleep = on_path("sleep").context("coreutils have sleep")?;
        fs::copy(sleep, &program)?;
    }
    stage.start(node, &name, &[&program.to_string_lossy(), "infinity"])?;
    let pid = stage.last_pid().context("it was just started")?;
    // The name is that of the wrappers until they have started it.
    wait::until("a process to have its name", FOREVER, || {
        let comm = fs::read_to_string(format!("/proc/{pid}/comm"))?;
        Ok((comm.trim() == name).then_some(()))
    })?;
    Ok(name)
}

/// hopscope where every user may run it.
pub(crate) fn for_everybody(scratch: &Scratch) -> Result<PathBuf> {
    let path = scratch.path().join("hopscope");
    fs::copy(binary::path(), &path)?;
    Ok(path)
}

/// A folder as whoever runs as an unprivileged user may enter it.
pub(crate) fn open_folder(test: &str) -> Result<Scratch> {
    use std::os::unix::fs::PermissionsExt as _;
    let scratch = Scratch::new(test)?;
    fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o755))?;
    let parent = env::temp_dir();
    let readable = fs::metadata(&parent)?.permissions().mode() & 0o001 != 0;
    anyhow::ensure!(
        readable,
        "{} may not be entered by everybody",
        parent.display()
    );
    Ok(scratch)
}
