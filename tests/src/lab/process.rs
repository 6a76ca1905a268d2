//! Processes of the lab: started inside a namespace, ended by pid, never left behind.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::wait;

/// How long a process may take to end before it is killed.
const GRACE: Duration = Duration::from_secs(5);

/// Runs a command to its end and returns what it printed.
///
/// # Errors
/// When it cannot be started or does not succeed: with its own words.
pub fn run(program: &str, args: &[&str]) -> Result<String> {
    let output = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("starting {program}: is it installed?"))?;
    if !output.status.success() {
        bail!(
            "{program} {}: {}: {}",
            args.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A running process of the lab, with what it prints kept in files.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    /// Standard output.
    pub stdout: PathBuf,
    /// Standard error.
    pub stderr: PathBuf,
}

impl Process {
    /// Starts `command` in the network namespace `ns`; `logs` is the folder of its output.
    ///
    /// The child is told to die with the thread that started it, so that not even a SIGKILL of the
    /// lab leaves it running.
    ///
    /// # Errors
    /// When the files or the process cannot be made.
    pub fn spawn(ns: &str, name: &str, command: &[&str], logs: &Path) -> Result<Self> {
        let stdout = logs.join(format!("{name}.out"));
        let stderr = logs.join(format!("{name}.err"));
        let file = |path: &Path| {
            File::create(path).with_context(|| format!("creating {}", path.display()))
        };
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "ip", "netns", "exec", ns])
            .args(command)
            .stdin(Stdio::null())
            .stdout(file(&stdout)?)
            .stderr(file(&stderr)?)
            .spawn()
            .with_context(|| format!("starting {name} in namespace {ns}: is setpriv installed?"))?;
        Ok(Self {
            name: name.to_owned(),
            child,
            stdout,
            stderr,
        })
    }

    /// Its process id: the namespace and privilege wrappers exec, so it is the program's own.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// When the system cannot say.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child
            .try_wait()
            .with_context(|| format!("asking for the state of {}", self.name))
    }

    /// Fails if the process has ended, with its last words.
    ///
    /// # Errors
    /// When it has ended.
    pub fn alive(&mut self) -> Result<()> {
        if let Some(status) = self.ended()? {
            let said = fs::read_to_string(&self.stderr).unwrap_or_default();
            let last: Vec<&str> = said.lines().rev().take(5).collect();
            bail!("{} ended early ({status}): {}", self.name, last.join(" | "));
        }
        Ok(())
    }

    /// Waits for it to end by itself.
    ///
    /// # Errors
    /// When it has not within `limit`.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let what = format!("{} to end", self.name);
        wait::until(&what, limit, || self.ended())
    }

    /// Sends a signal; a process that is gone already is fine.
    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.pid()).ok().and_then(Pid::from_raw) {
            // The only failure possible for an own child is that it has ended.
            let _gone = kill_process(pid, signal);
        }
    }

    /// Ends it with `signal`, or with SIGKILL if that does not help.
    ///
    /// # Errors
    /// When even that cannot be waited for.
    pub fn stop(&mut self, signal: Signal) -> Result<()> {
        if self.ended()?.is_some() {
            return Ok(());
        }
        self.signal(signal);
        if self.wait(GRACE).is_err() {
            self.child.kill().context("killing a process of the lab")?;
            self.child.wait().context("waiting for a killed process")?;
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // Nothing more can be done in a destructor when these fail.
            let _killed = self.child.kill();
            let _waited = self.child.wait();
        }
    }
}
