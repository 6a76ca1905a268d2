//! Prints what happens without ever making the watching wait: a slow terminal or a reader that
//! pauses would otherwise cost segments.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use rustix::event::{PollFd, PollFlags, Timespec};

/// Texts that may wait to be printed, each of one look.
const WAITING: usize = 64;

/// A thread that writes to standard output.
pub(super) struct Printer {
    texts: SyncSender<String>,
    thread: JoinHandle<io::Result<()>>,
    failed: Arc<AtomicBool>,
}

impl Printer {
    pub(super) fn start() -> Self {
        let (texts, receiver) = sync_channel(WAITING);
        let failed = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&failed);
        let thread = thread::spawn(move || {
            let written = write_all(&receiver);
            flag.store(written.is_err(), Ordering::Relaxed);
            written
        });
        Self {
            texts,
            thread,
            failed,
        }
    }

    /// Prints a text soon. False where too much waits already: then it is not printed.
    pub(super) fn print(&self, text: String) -> bool {
        self.texts.try_send(text).is_ok()
    }

    /// Whether nobody reads what is printed any more.
    pub(super) fn is_closed(&self) -> bool {
        self.failed.load(Ordering::Relaxed) || hung_up()
    }

    /// Waits until everything is printed.
    pub(super) fn finish(self) -> io::Result<()> {
        drop(self.texts);
        self.thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

fn write_all(texts: &Receiver<String>) -> io::Result<()> {
    for text in texts {
        let mut out = anstream::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()?;
    }
    Ok(())
}

/// Nobody is left at the other end of a pipe; where there is nothing to print, writing would not
/// tell.
fn hung_up() -> bool {
    let stdout = io::stdout();
    let mut fds = [PollFd::new(&stdout, PollFlags::empty())];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let ends = PollFlags::ERR | PollFlags::HUP;
    rustix::event::poll(&mut fds, Some(&now)).is_ok() && fds[0].revents().intersects(ends)
}
