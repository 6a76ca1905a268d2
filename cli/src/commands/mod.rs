//! The commands, one file each.

mod anonymize;
pub(crate) mod check;
mod diff;
mod doctor;
mod input;
mod known;
mod read;
mod schema;
mod sockets;
mod watch;

use std::io::{self, Write};
use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::args::{Cli, Color, Command};

/// Something was printed, and whether all input could be read; the better comes first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// All went well.
    Fine,
    /// Expectations are not met, or what was compared differs.
    NotMet,
    /// Some input could not be read; what is wrong was said.
    CouldNotRun,
}

impl Outcome {
    /// The worse of two.
    fn and(self, other: Self) -> Self {
        self.max(other)
    }
}

/// Runs a command. A reader that has seen enough (`| head`) is no error.
pub(crate) fn run(cli: Cli) -> ExitCode {
    open_many_files();
    match cli.color {
        Color::Auto => {}
        Color::Always => anstream::ColorChoice::Always.write_global(),
        Color::Never => anstream::ColorChoice::Never.write_global(),
    }
    let outcome = match cli.command {
        Command::Read(args) => read::run(&args),
        Command::Watch(args) => watch::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::Anonymize(args) => anonymize::run(&args),
        Command::Doctor => doctor::run(),
        Command::Sockets(args) => sockets::run(&args),
        Command::Schema(args) => schema::run(&args),
    };
    match outcome {
        Ok(Outcome::Fine) => ExitCode::SUCCESS,
        Ok(Outcome::NotMet) => ExitCode::from(1),
        Ok(Outcome::CouldNotRun) => ExitCode::from(2),
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&told(&error));
            ExitCode::from(2)
        }
    }
}

/// Raises the limit on open files to what may be had: each interface that is watched takes two, and the
/// usual limit of 1024 is there for programs that use `select` (man 2 getrlimit).
fn open_many_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    // Otherwise it stays as it is, which is enough for most.
    let _ = setrlimit(Resource::Nofile, raised);
}

/// One line on standard error.
pub(crate) fn complain(what: &str) {
    let mut out = anstream::stderr().lock();
    // Where nobody listens any more, the work goes on all the same.
    let _ = writeln!(out, "hopscope: {}", crate::render::harmless(what));
}

/// An error with what was being done. Only printing hands on what the system says as it is.
fn told(error: &anyhow::Error) -> String {
    // What says more has it underneath, where `error.downcast_ref` would find it, too.
    let outermost = error.chain().next();
    let printing = outermost.and_then(|error| error.downcast_ref::<io::Error>());
    let printing = printing.map(io::Error::kind);
    let document = outermost.and_then(|error| error.downcast_ref::<serde_json::Error>());
    let printing = printing.or_else(|| document.and_then(serde_json::Error::io_error_kind));
    match printing {
        None => format!("{error:#}"),
        Some(kind) => unprinted(kind, &format!("{error:#}")),
    }
}

/// Standard output does not take what is printed.
fn unprinted(kind: io::ErrorKind, error: &str) -> String {
    let remedy = match kind {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "make room, or print to another disk"
        }
        io::ErrorKind::FileTooLarge => "raise the limit (ulimit -f), or print less",
        _ => "check where it goes",
    };
    format!("cannot write to standard output: {error}; {remedy}")
}

/// What was printed. A reader that has seen enough changes nothing of what came out.
fn unless_closed(printed: anyhow::Result<()>) -> anyhow::Result<()> {
    match printed {
        Err(error) if is_broken_pipe(&error) => Ok(()),
        other => other,
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let broken = |cause: &io::Error| cause.kind() == io::ErrorKind::BrokenPipe;
    error.chain().any(|cause| {
        cause.downcast_ref::<io::Error>().is_some_and(broken)
            || cause
                .downcast_ref::<serde_json::Error>()
                .and_then(serde_json::Error::io_error_kind)
                .is_some_and(|kind| kind == io::ErrorKind::BrokenPipe)
    })
}
