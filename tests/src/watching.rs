//! A `hopscope watch` under way.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::binary::{Told, hopscope, path};
use crate::craft::Scratch;
use crate::lab::wait;

/// Far longer than anything here takes, also where the machine is busy.
const FOREVER: Duration = Duration::from_secs(30);

/// The process, and what it says. Dropped, it ends.
#[derive(Debug)]
pub struct Watching {
    child: Child,
    folder: Scratch,
}

impl Watching {
    /// Starts `hopscope watch` and waits until it says that it watches.
    ///
    /// # Errors
    /// When it ends before, with its own words.
    pub fn start(arguments: &[&str]) -> Result<Self> {
        Self::start_by(&[], arguments)
    }

    /// The same, started by another program (`setpriv ...`).
    ///
    /// # Errors
    /// When it ends before, with its own words.
    pub fn start_by(by: &[&str], arguments: &[&str]) -> Result<Self> {
        Self::spawn(by, arguments, |file| Ok(file.into()))?.announced()
    }

    /// Starts it and reads what it prints from a pipe, and waits until it watches.
    ///
    /// # Errors
    /// When it ends before, with its own words.
    pub fn piped(arguments: &[&str]) -> Result<Self> {
        Self::printing_to(Stdio::piped(), arguments)
    }

    /// The same where it prints to somewhere else.
    ///
    /// # Errors
    /// When it ends before, with its own words.
    pub fn printing_to(stdout: impl Into<Stdio>, arguments: &[&str]) -> Result<Self> {
        Self::spawn(&[], arguments, |_| Ok(stdout.into()))?.announced()
    }

    /// Waits until it watches.
    ///
    /// # Errors
    /// When it ends before, with its own words.
    pub fn announced(mut self) -> Result<Self> {
        self.until("it watches", |_, err| {
            err.lines().any(|line| line.starts_with("watching "))
        })?;
        Ok(self)
    }

    /// Starts it, and waits for nothing.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn unannounced(arguments: &[&str]) -> Result<Self> {
        Self::spawn(&[], arguments, |file| Ok(file.into()))
    }

    fn spawn(
        by: &[&str],
        arguments: &[&str],
        stdout: impl FnOnce(File) -> Result<Stdio>,
    ) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = Scratch::new(&format!("watching-{count}"))?;
        let file = |name: &str| {
            let file = folder.path().join(name);
            File::create(&file).with_context(|| format!("creating {}", file.display()))
        };
        let mut command = match by {
            [] => hopscope([""; 0]),
            [program, rest @ ..] => {
                let mut command = Command::new(program);
                command.args(rest).arg(path());
                command
            }
        };
        let child = command
            .arg("watch")
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(stdout(file("out")?)?)
            .stderr(file("err")?)
            .spawn()
            .context("starting hopscope watch")?;
        Ok(Self { child, folder })
    }

    /// The process, for its standard output where that is a pipe.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// A place for files that goes away with it.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn said(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap_or_default()
    }

    /// Waits for what standard output and standard error say.
    ///
    /// # Errors
    /// When they do not in time, or the process ends first.
    pub fn until(&mut self, what: &str, mut ready: impl FnMut(&str, &str) -> bool) -> Result<()> {
        wait::until(what, FOREVER, || {
            if ready(&self.said("out"), &self.said("err")) {
                return Ok(Some(()));
            }
            match self.child.try_wait()? {
                None => Ok(None),
                // It may have said it just before.
                Some(_) if ready(&self.said("out"), &self.said("err")) => Ok(Some(())),
                Some(status) => {
                    bail!("waiting for {what}: ended ({status}): {}", self.said("err"))
                }
            }
        })
    }

    /// Whether it says so within half a second.
    ///
    /// # Errors
    /// When the process ends.
    pub fn soon(&mut self, ready: impl Fn(&str) -> bool) -> Result<bool> {
        let tried = wait::until("a line", Duration::from_millis(500), || {
            Ok(ready(&self.said("out")).then_some(()))
        });
        match self.child.try_wait()? {
            None => Ok(tried.is_ok()),
            Some(status) => bail!("ended ({status}): {}", self.said("err")),
        }
    }

    /// What it has said so far.
    #[must_use]
    pub fn out(&self) -> String {
        self.said("out")
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // It may have ended meanwhile.
            let _ = kill_process(pid, signal);
        }
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn status(&mut self) -> Result<ExitStatus> {
        wait::until("hopscope watch to end", FOREVER, || {
            Ok(self.child.try_wait()?)
        })
    }

    /// How it ended, if it does within that time.
    ///
    /// # Errors
    /// When the system cannot say.
    pub fn ends_within(&mut self, limit: Duration) -> Result<Option<ExitStatus>> {
        // What is waited for may well not come.
        let _ = wait::until("its end", limit, || Ok(self.child.try_wait()?));
        Ok(self.child.try_wait()?)
    }

    /// Waits for its end: what it said.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn end(mut self) -> Result<Told> {
        let code = self.status()?.code();
        Ok(Told {
            code,
            out: self.said("out"),
            err: self.said("err"),
        })
    }

    /// Ends it as Ctrl-C does: what it said.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn interrupt(self) -> Result<Told> {
        self.signal(Signal::INT);
        self.end()
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        // It has ended already where all went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The objects of ndjson.
///
/// # Errors
/// Where a line is none.
pub fn objects(ndjson: &str) -> Result<Vec<Value>> {
    let object =
        |line: &str| serde_json::from_str(line).with_context(|| format!("this is no JSON: {line}"));
    ndjson.lines().map(object).collect()
}
