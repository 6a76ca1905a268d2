//! Waiting on events with a deadline, and giving up at once when the person at the keyboard does.

use std::{
    sync::{Arc, OnceLock, atomic::AtomicBool, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

/// Between two looks at the thing waited for: short against every time a scenario measures.
const STEP: Duration = Duration::from_millis(10);

/// The flag that ends every wait. A program sets it from its signal handler, so that the lab
/// unwinds through its guards and leaves nothing behind.
pub fn interrupted() -> &'static Arc<AtomicBool> {
    static FLAG: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    FLAG.get_or_init(Arc::default)
}

/// Polls `ready` until it yields a value.
///
/// # Errors
/// When `limit` passes first, when the lab is interrupted, or when `ready` itself fails.
pub fn until<T>(
    what: &str,
    limit: Duration,
    mut ready: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let started = Instant::now();
    loop {
        if let Some(value) = ready()? {
            return Ok(value);
        }
        if started.elapsed() > limit {
            bail!(
                "waiting for {what}: not within {limit:?}; set HOPSCOPE_LAB_KEEP=1, run again, read its logs"
            );
        }
        pause(STEP)?;
    }
}

/// Lets real time pass, because a scenario *is* the passing of time (an idle timer, a keepalive).
///
/// # Errors
/// When the lab is interrupted.
pub fn pause(time: Duration) -> Result<()> {
    let started = Instant::now();
    while started.elapsed() < time {
        if interrupted().load(Ordering::Relaxed) {
            bail!("interrupted: the lab was told to stop");
        }
        thread::sleep(STEP.min(time.saturating_sub(started.elapsed())));
    }
    Ok(())
}
