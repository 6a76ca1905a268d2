//! The app.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use rustix::{
    net::{bind, listen, sockopt},
    process::{Signal, getpid, kill_process},
};

use super::{Tuning, log, open};

/// When the app closes by its own clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Closes what was idle for so long.
    pub(super) idle: Option<Duration>,
    /// Closes what is so old.
    pub(super) age: Option<Duration>,
    /// Also when it owes an answer.
    pub(super) cut: bool,
}

impl Limits {
    /// Those of the connection accepted as number `count`: gRPC varies the age likewise, so that not
    /// all clients come back at once.
    fn of(self, count: usize) -> Self {
        const PERCENT: [u32; 5] = [100, 93, 107, 96, 104];
        let percent = PERCENT[count % PERCENT.len()];
        let age = self.age.map(|age| age * percent / 100);
        Self { age, ..self }
    }
}

/// Serves until it is killed.
pub(super) fn serve(addr: SocketAddr, tuning: &Tuning, limits: Limits) -> Result<()> {
    // What is set on the listening socket is inherited by those it accepts.
    let socket = open(addr, tuning)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    bind(&socket, &addr).with_context(|| format!("binding {addr}"))?;
    listen(&socket, 64).context("listening")?;
    for (count, stream) in TcpListener::from(socket).incoming().enumerate() {
        let stream = stream.context("accepting")?;
        thread::spawn(move || {
            log(&stream, "accepted");
            let mut connection = Connection {
                stream,
                pending: Vec::new(),
                accepted: Instant::now(),
                limits: limits.of(count),
            };
            let end = match connection.converse() {
                Ok(why) => why.to_owned(),
                Err(error) => format!("closes: {error:#}"),
            };
            log(&connection.stream, &end);
        });
    }
    Ok(())
}

/// One connection of the app.
struct Connection {
    stream: TcpStream,
    pending: Vec<u8>,
    accepted: Instant,
    limits: Limits,
}

impl Connection {
    /// Serves requests until somebody closes; returns why it closes.
    fn converse(&mut self) -> Result<&'static str> {
        let mut idle = self.limits.idle;
        loop {
            self.stream.set_read_timeout(self.patience(idle))?;
            let Some(head) = self.head()? else {
                return Ok("closes: peer closed, idle, or old");
            };
            let path = head.split(' ').nth(1).unwrap_or("/").to_owned();
            log(
                &self.stream,
                &format!("got {}", head.lines().next().unwrap_or("")),
            );
            let (action, number) = action(&path);
            self.stream.set_read_timeout(None)?;
            let time = Duration::from_millis(number);
            match action {
                "sleep" => match self.patience(None) {
                    Some(left) if self.limits.cut && left < time => {
                        thread::sleep(left);
                        return Ok("closes: old, owing an answer");
                    }
                    _ => thread::sleep(time),
                },
                "die" => {
                    thread::sleep(time);
                    log(&self.stream, "kills itself, owing an answer");
                    kill_process(getpid(), Signal::KILL)?;
                }
                "reset" | "reset-once"
                    if action == "reset" || !RESET.swap(true, Ordering::Relaxed) =>
                {
                    thread::sleep(time);
                    sockopt::set_socket_linger(&self.stream, Some(Duration::ZERO))?;
                    return Ok("resets, owing an answer");
                }
                "stall" => {
                    log(&self.stream, "stops reading");
                    thread::sleep(time);
                    log(&self.stream, "reads again");
                }
                _ => {}
            }
            self.body(&head)?;
            let closes = head.to_ascii_lowercase().contains("connection: close");
            self.answer(&path, closes)?;
            if action == "half" {
                thread::sleep(Duration::from_secs(1));
                return Ok("closes: in the middle of its answer");
            }
            if closes {
                return Ok("closes: as the request says");
            }
            if action == "close-after" {
                idle = Some(time);
            }
            if self.patience(None) == Some(SOON) {
                return Ok("closes: old");
            }
        }
    }

    /// How long it waits for a request: until it has been idle for so long, or is old.
    fn patience(&self, idle: Option<Duration>) -> Option<Duration> {
        let left = self.limits.age.map(|age| {
            // A socket takes no time-out of 0.
            age.saturating_sub(self.accepted.elapsed()).max(SOON)
        });
        idle.into_iter().chain(left).min()
    }

    fn head(&mut self) -> Result<Option<String>> {
        loop {
            if let Some(end) = self.pending.windows(4).position(|four| four == b"\r\n\r\n") {
                let rest = self.pending.split_off(end + 4);
                let head = std::mem::replace(&mut self.pending, rest);
                return Ok(Some(String::from_utf8_lossy(&head).into_owned()));
            }
            if !self.more()? {
                return Ok(None);
            }
        }
    }

    fn body(&mut self, head: &str) -> Result<()> {
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            let found = name.eq_ignore_ascii_case("content-length");
            found.then(|| value.trim().parse().ok())?
        });
        let mut left: usize = length.unwrap_or(0);
        loop {
            let taken = left.min(self.pending.len());
            self.pending.drain(..taken);
            left -= taken;
            if left == 0 {
                return Ok(());
            }
            if !self.more()? {
                bail!("the body ended {left} bytes early");
            }
        }
    }

    /// Reads once; false when the peer has closed or been idle for too long.
    fn more(&mut self) -> Result<bool> {
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer) {
            Ok(bytes) => {
                self.pending.extend_from_slice(&buffer[..bytes]);
                Ok(bytes > 0)
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Ok(false)
            }
            Err(error) => Err(error).context("reading"),
        }
    }

    /// An answer that the connection ends with does not tell its length: whoever asked waits for that
    /// end, and is never the first to close.
    fn answer(&mut self, path: &str, closes: bool) -> Result<()> {
        let (action, number) = action(path);
        let size = if action == "big" || action == "half" {
            usize::try_from(number)?
        } else {
            3
        };
        let status = match path.split_once("?status=") {
            Some((_, status)) => status.to_owned(),
            None if action == "status" => number.to_string(),
            None => "200".to_owned(),
        };
        let reason = if status == "200" { "OK" } else { "As Asked" };
        let length = if closes {
            "Connection: close".to_owned()
        } else {
            format!("Content-Length: {size}")
        };
        let head = format!("HTTP/1.1 {status} {reason}\r\n{length}\r\n\r\n");
        let mut answer = head.into_bytes();
        answer.resize(answer.len() + size - 1, b'o');
        answer.push(b'\n');
        if action == "half" {
            answer.truncate(answer.len() - size / 2);
        }
        self.stream.write_all(&answer).context("answering")?;
        log(
            &self.stream,
            &format!("answered {status} with {size} bytes"),
        );
        Ok(())
    }
}

/// Whether it has reset once.
static RESET: AtomicBool = AtomicBool::new(false);

/// The least that a socket waits.
const SOON: Duration = Duration::from_millis(1);

/// `/sleep/3000?x` is (`sleep`, 3000).
fn action(path: &str) -> (&str, u64) {
    let path = path.trim_start_matches('/');
    let path = path.split('?').next().unwrap_or(path);
    let (name, number) = path.split_once('/').unwrap_or((path, "0"));
    (name, number.parse().unwrap_or(0))
}
