//! Prints what happens without ever making the watching wait: a slow terminal or a reader that
//! pauses would otherwise cost segments.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};

use rustix::event::{PollFd, PollFlags, Timespec};

/// Texts that may wait to be printed, each of one look.
const WAITING: usize = 64;

/// A thread that writes to standard output.
pub(super) struct Printer {
    texts: SyncSender<String>,
    /// `None` where none could be started.
    thread: Option<JoinHandle<()>>,
    /// Why nothing is printed any more.
    failure: Arc<OnceLock<io::Error>>,
}

impl Printer {
    pub(super) fn start() -> Self {
        let (texts, receiver) = sync_channel(WAITING);
        let failure = Arc::new(OnceLock::new());
        let failed = Arc::clone(&failure);
        let thread = thread::Builder::new().spawn(move || {
            if let Err(error) = write_all(&receiver) {
                // Nobody else sets it.
                let _ = failed.set(error);
            }
        });
        let thread = thread.map_err(|error| failure.set(error)).ok();
        Self {
            texts,
            thread,
            failure,
        }
    }

    /// Prints a text soon. False where too much waits already: then it is not printed.
    pub(super) fn print(&self, text: String) -> bool {
        self.texts.try_send(text).is_ok()
    }

    /// Whether nobody reads what is printed any more.
    pub(super) fn is_closed(&self) -> bool {
        match self.failure.get() {
            Some(error) => is_left(error),
            None => hung_up(),
        }
    }

    /// Why nothing is printed any more, where somebody would still read it.
    pub(super) fn failure(&self) -> Option<&io::Error> {
        self.failure.get().filter(|error| !is_left(error))
    }

    /// Waits until everything is printed; or why it was not, as [`Printer::failure`] says.
    pub(super) fn finish(self) -> Option<io::Error> {
        drop(self.texts);
        if let Some(Err(panic)) = self.thread.map(JoinHandle::join) {
            std::panic::resume_unwind(panic);
        }
        // The thread that shared it is gone.
        let failure = Arc::into_inner(self.failure).and_then(OnceLock::into_inner);
        failure.filter(|error| !is_left(error))
    }
}

/// Who read what is printed has seen enough.
fn is_left(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe
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
