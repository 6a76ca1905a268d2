//! `hopscope watch`.

mod budget;
mod events;
mod feed;
mod printer;
mod watched;

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::fs::OFlags;
use rustix::io::Errno;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use tracer::live::{Session, Settings};
use tracer::recording::Recorder;

use self::watched::Watched;
use super::{Outcome, known};
use crate::args::Watch;
use crate::render;

/// Longest wait before signals and the deadline are looked at.
const TICK: Duration = Duration::from_millis(50);

/// Watches until told to stop, then prints the report.
pub(super) fn run(args: &Watch) -> anyhow::Result<Outcome> {
    let settings = Settings {
        ports: args.ports.clone(),
        // As everywhere, one of blanks alone lets everything pass.
        filter: args
            .filter
            .clone()
            .filter(|filter| !filter.trim().is_empty()),
        all_segments: args.all_segments,
        no_tcx: args.no_tcx,
    };
    known::probe(&args.known)?;
    let timeouts = known::timeouts(&args.known)?;
    let namespaces = args.targets.resolve()?;
    let stop = on_signals().context("cannot take signals")?;
    let stopped = || stop.load(Ordering::Relaxed);
    let pipe = args
        .write
        .as_deref()
        .and_then(|path| await_reader(path, stopped));
    if stopped() {
        return Ok(Outcome::Fine);
    }
    let mut session = Session::open(namespaces, args.backend.into(), &settings)?;
    // Not before it is known that there is something to record: it overwrites the file.
    let recorder = args.write.as_deref().map(Recorder::create).transpose()?;
    drop(pipe);
    let deadline = args.duration.map(|duration| Instant::now() + duration);
    announce(&session);
    let source = format!("live ({})", session.backend());
    let mut watched = Watched::new(args, &source, recorder, timeouts);
    watched.remark(session.take_remarks());
    let over = || deadline.is_some_and(|deadline| deadline <= Instant::now());
    while !stopped() && !over() && !session.is_over() && watched.is_wanted() {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let tick = left.map_or(TICK, |left| left.min(TICK));
        session.poll(tick, &mut |item| watched.take(&item))?;
        watched.remark(session.take_remarks());
        watched.pass_on()?;
    }
    let no_probe = session.no_probe().map(str::to_owned);
    let remarks = session.finish(&mut |item| watched.take(&item));
    watched.remark(remarks);
    watched.finish(no_probe.as_deref())
}

/// Opening a named pipe waits for its reader, and no signal ends that: this looks for it again and again,
/// until told to stop. What it returns keeps the reader from seeing an end before the recording begins.
fn await_reader(path: &Path, stopped: impl Fn() -> bool) -> Option<File> {
    if !fs::metadata(path).is_ok_and(|found| found.file_type().is_fifo()) {
        return None;
    }
    let mut options = OpenOptions::new();
    options
        .write(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed());
    let mut said = false;
    while !stopped() {
        match options.open(path) {
            Ok(pipe) => return Some(pipe),
            Err(error) if error.raw_os_error() == Some(Errno::NXIO.raw_os_error()) => {
                if !std::mem::replace(&mut said, true) {
                    let path = path.display().to_string();
                    anstream::eprintln!("waiting for a reader of {}", render::harmless(&path));
                }
                thread::sleep(TICK);
            }
            // Whoever opens it next says why that cannot be done.
            Err(_) => return None,
        }
    }
    None
}

/// The first SIGINT or SIGTERM ends the watching, and the report follows; the second one ends
/// everything.
fn on_signals() -> io::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    // 'nohup' asks for the end of its terminal to be ignored.
    let hangup = (!is_ignored(SIGHUP)).then_some(SIGHUP);
    for signal in [SIGINT, SIGTERM].into_iter().chain(hangup) {
        signal_hook::flag::register_conditional_default(signal, Arc::clone(&stop))?;
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    // A recording that reaches a limit on the size of files (ulimit -f) is an error like a full disk,
    // as long as this signal does not end the process.
    signal_hook::flag::register(SIGXFSZ, Arc::default())?;
    Ok(stop)
}

/// Whether this process was started to ignore a signal: a bit of `SigIgn` (man 5 proc_pid_status).
fn is_ignored(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mut masks = status
        .lines()
        .filter_map(|line| line.strip_prefix("SigIgn:"));
    let mask = masks.find_map(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

/// Says that nothing is missed from now on: whoever started this may go on.
fn announce(session: &Session) {
    let names: Vec<&str> = session
        .namespaces()
        .map(|name| {
            if name.is_empty() {
                "this network namespace"
            } else {
                name
            }
        })
        .collect();
    let names = render::harmless(&names.join(", "));
    let (backend, why) = (session.backend(), render::harmless(session.why()));
    anstream::eprintln!("watching {names} with {backend} ({why})");
}
