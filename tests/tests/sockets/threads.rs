//! A process whose first thread has ended goes on in others: what it holds is still its own.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use hopscope_tests::lab::wait;
use serde_json::Value;

use super::stage::{FOREVER, Stage, between, methods, report, skipped};

/// Listens, and ends its first thread; without the interpreter's doing, which would wait for the other.
const LEFT_BY_ITS_FIRST_THREAD: &str = "
import ctypes, os, socket, threading, time
listener = socket.socket()
listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 77)
listener.bind(('127.0.0.1', 7177))
listener.listen()
threading.Thread(target=time.sleep, args=(3600,)).start()
# exit(2), which ends a thread.
ctypes.CDLL(None).syscall(60 if os.uname().machine == 'x86_64' else 93, 0)
";

#[test]
fn a_process_may_outlive_its_first_thread() -> Result<()> {
    if skipped() {
        return Ok(());
    }
    let mut stage = Stage::new("threads", &["z"])?;
    stage.start("z", "left", &["python3", "-c", LEFT_BY_ITS_FIRST_THREAD])?;
    let pid = stage.last_pid().context("it was just started")?;
    wait::until("its first thread to end", FOREVER, || {
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        Ok(status.contains("State:\tZ").then_some(()))
    })?;
    let at: Value = "127.0.0.1:7177".into();
    for method in methods() {
        // By its number it is found as well as by the namespace's name.
        let of = ["--pid", &pid.to_string(), "--method", method];
        let named = ["--netns", stage.ns("z")?, "--method", method];
        for targets in [of, named] {
            let report = report(&targets)?;
            let socket = between(&report, &at, &Value::Null)?;
            ensure!(socket["pid"] == pid, "{targets:?}: {socket}");
            ensure!(
                socket["options"]["tcp_keepidle_s"] == 77.0,
                "{targets:?}: {socket}"
            );
            let remarks = &report["vantages"][0]["remarks"];
            ensure!(
                remarks.as_array().is_some_and(Vec::is_empty),
                "{targets:?}: {remarks}"
            );
        }
    }
    Ok(())
}
