//! The lab's app, and the clients that do what curl cannot.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    process,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use clap::{Parser, Subcommand};
use rustix::{
    net::{AddressFamily, SocketType, bind, connect, listen, socket, sockopt},
    process::{Signal, getpid, kill_process},
};
use serde_json::json;

/// App and special clients of the lab.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    role: Role,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// HTTP/1.1 server that does what the path says: /ok, /sleep/MS, /big/BYTES, /half/BYTES, /die/MS,
    /// /reset/MS, /reset-once/MS, /close-after/MS, /stall/MS, /status/CODE, /sleep/MS?status=CODE.
    App {
        listen: SocketAddr,
        /// Closes what was idle for so many milliseconds.
        #[arg(long)]
        idle: Option<u64>,
        /// Closes every connection at this age in milliseconds, a tenth more or less, as soon as no
        /// answer is owed.
        #[arg(long)]
        max_age: Option<u64>,
        /// Does not wait with that for the answer that it owes.
        #[arg(long)]
        cut: bool,
        #[command(flatten)]
        tuning: Tuning,
    },
    /// Keeps several connections in use and opens each anew that the server closes.
    Pool {
        server: SocketAddr,
        path: String,
        /// Milliseconds between the requests of each connection: as many connections as numbers.
        #[arg(long, value_delimiter = ',', required = true)]
        every: Vec<u64>,
        /// Milliseconds until the client stops and closes them all.
        #[arg(long = "for")]
        span: u64,
        #[command(flatten)]
        tuning: Tuning,
    },
    /// Sends a request, shuts its writing side, reads to the end.
    HalfClose {
        server: SocketAddr,
        path: String,
        #[command(flatten)]
        tuning: Tuning,
    },
    /// Sends a request and reads nothing of the answer for a while.
    SlowRead {
        server: SocketAddr,
        path: String,
        /// Milliseconds without reading.
        #[arg(long)]
        stall: u64,
        #[command(flatten)]
        tuning: Tuning,
    },
    /// Sends a body that fills the server's window to the last byte and not beyond, then is silent.
    Fill {
        server: SocketAddr,
        path: String,
        /// Milliseconds of silence.
        #[arg(long)]
        hold: u64,
        #[command(flatten)]
        tuning: Tuning,
    },
}

/// What is set on each socket.
#[derive(Debug, Clone, clap::Args)]
struct Tuning {
    /// IDLE/INTERVAL/COUNT in seconds; keepalive is off without it.
    #[arg(long)]
    keepalive: Option<String>,
    /// Receive buffer in bytes, set before the handshake.
    #[arg(long)]
    rcvbuf: Option<usize>,
    /// Send buffer in bytes.
    #[arg(long)]
    sndbuf: Option<usize>,
}

fn main() -> Result<()> {
    match Arguments::parse().role {
        Role::App {
            listen,
            idle,
            max_age,
            cut,
            tuning,
        } => serve(
            listen,
            &tuning,
            Limits {
                idle: idle.map(Duration::from_millis),
                age: max_age.map(Duration::from_millis),
                cut,
            },
        ),
        Role::Pool {
            server,
            path,
            every,
            span,
            tuning,
        } => pool(server, &path, &every, Duration::from_millis(span), &tuning),
        Role::HalfClose {
            server,
            path,
            tuning,
        } => {
            let mut stream = request(server, &path, &tuning)?;
            stream.shutdown(Shutdown::Write)?;
            log(&stream, "shut the writing side");
            read_all(&mut stream)
        }
        Role::SlowRead {
            server,
            path,
            stall,
            tuning,
        } => {
            let mut stream = request(server, &path, &tuning)?;
            log(&stream, "stops reading");
            thread::sleep(Duration::from_millis(stall));
            log(&stream, "reads again");
            read_all(&mut stream)
        }
        Role::Fill {
            server,
            path,
            hold,
            tuning,
        } => fill(server, &path, hold, &tuning),
    }
}

fn log(stream: &TcpStream, what: &str) {
    let ends =
        |addr: std::io::Result<SocketAddr>| addr.map_or_else(|_| "gone".into(), |a| a.to_string());
    println!(
        "{}",
        json!({
            "at": jiff::Timestamp::now().to_string(),
            "local": ends(stream.local_addr()),
            "peer": ends(stream.peer_addr()),
            "what": what,
        })
    );
}

fn open(addr: SocketAddr, tuning: &Tuning) -> Result<rustix::fd::OwnedFd> {
    let family = if addr.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    let socket = socket(family, SocketType::STREAM, None).context("making a socket")?;
    if let Some(bytes) = tuning.rcvbuf {
        sockopt::set_socket_recv_buffer_size(&socket, bytes).context("SO_RCVBUF")?;
    }
    if let Some(bytes) = tuning.sndbuf {
        sockopt::set_socket_send_buffer_size(&socket, bytes).context("SO_SNDBUF")?;
    }
    if let Some(values) = &tuning.keepalive {
        let seconds: Vec<u32> = values.split('/').filter_map(|v| v.parse().ok()).collect();
        let [idle, interval, count] = seconds[..] else {
            bail!("--keepalive {values}: give IDLE/INTERVAL/COUNT, such as 7/5/2");
        };
        sockopt::set_socket_keepalive(&socket, true).context("SO_KEEPALIVE")?;
        sockopt::set_tcp_keepidle(&socket, Duration::from_secs(idle.into()))?;
        sockopt::set_tcp_keepintvl(&socket, Duration::from_secs(interval.into()))?;
        sockopt::set_tcp_keepcnt(&socket, count)?;
    }
    Ok(socket)
}

fn request(server: SocketAddr, path: &str, tuning: &Tuning) -> Result<TcpStream> {
    let socket = open(server, tuning)?;
    connect(&socket, &server).with_context(|| format!("connecting to {server}"))?;
    let mut stream = TcpStream::from(socket);
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n"
    )?;
    log(&stream, &format!("sent GET {path}"));
    Ok(stream)
}

fn read_all(stream: &mut TcpStream) -> Result<()> {
    let mut buffer = vec![0; 65536];
    let mut total = 0;
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(bytes) => total += bytes,
            Err(error) => {
                log(stream, &format!("read {total} bytes, then: {error}"));
                return Ok(());
            }
        }
    }
    log(stream, &format!("read {total} bytes to the end"));
    Ok(())
}

/// Writes never more than the window the peer last advertised, so that nothing is left to send when
/// the window has become 0.
fn fill(server: SocketAddr, path: &str, hold: u64, tuning: &Tuning) -> Result<()> {
    let socket = open(server, tuning)?;
    connect(&socket, &server).with_context(|| format!("connecting to {server}"))?;
    let mut stream = TcpStream::from(socket);
    stream.set_nodelay(true)?;
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: app\r\nContent-Length: 1000000\r\n\r\n"
    )?;
    let started = Instant::now();
    let mut total = 0;
    loop {
        thread::sleep(Duration::from_millis(60));
        let (queued, window) = send_state(&stream)?;
        if queued == 0 && window == 0 {
            break;
        }
        if started.elapsed() > Duration::from_secs(10) {
            bail!("the window is still {window} with {queued} bytes queued after {total} bytes");
        }
        if queued == 0 {
            let bytes = window.min(1024);
            stream.write_all(&vec![b'x'; bytes])?;
            total += bytes;
        }
    }
    log(
        &stream,
        &format!("window 0 after {total} bytes, nothing queued"),
    );
    thread::sleep(Duration::from_millis(hold));
    let (queued, window) = send_state(&stream)?;
    log(
        &stream,
        &format!("closes: window {window}, {queued} bytes queued"),
    );
    Ok(())
}

/// Bytes not yet acknowledged, and the peer's window, as the kernel shows them.
fn send_state(stream: &TcpStream) -> Result<(usize, usize)> {
    let port = stream.local_addr()?.port().to_string();
    let output = process::Command::new("ss")
        .args(["-tniH", "sport", "=", &format!(":{port}")])
        .output()
        .context("running ss: apt-get install iproute2")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let words: Vec<&str> = text.split_whitespace().collect();
    let queued = words.get(2).and_then(|word| word.parse().ok());
    let window = words.iter().find_map(|word| word.strip_prefix("snd_wnd:"));
    // A window of 0 is left out.
    let window = window.map_or(Some(0), |window| window.parse().ok());
    match (queued, window) {
        (Some(queued), Some(window)) => Ok((queued, window)),
        _ => bail!("ss does not show the send queue: {text}"),
    }
}

/// All connections of the pool, each in a thread, until `span` has passed.
fn pool(
    server: SocketAddr,
    path: &str,
    every: &[u64],
    span: Duration,
    tuning: &Tuning,
) -> Result<()> {
    let stop = Instant::now() + span;
    let user = |place: usize, every: u64| -> Result<()> {
        // Not all at once: ages and moments shall not be the same thing.
        thread::sleep(Duration::from_millis(170 * place as u64));
        while Instant::now() < stop {
            user(server, path, Duration::from_millis(every), stop, tuning)?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let users = every.iter().enumerate();
        let users: Vec<_> = users
            .map(|(place, every)| scope.spawn(move || user(place, *every)))
            .collect();
        users.into_iter().try_for_each(|user| {
            let ended = user.join();
            ended.unwrap_or_else(|_| bail!("a connection of the pool panicked"))
        })
    })
}

/// One connection: requests until the server closes it or it is time to stop.
fn user(
    server: SocketAddr,
    path: &str,
    every: Duration,
    stop: Instant,
    tuning: &Tuning,
) -> Result<()> {
    let socket = open(server, tuning)?;
    connect(&socket, &server).with_context(|| format!("connecting to {server}"))?;
    let mut stream = TcpStream::from(socket);
    let mut buffer = [0; 4096];
    let mut requests = 0;
    loop {
        // In one segment.
        let request = format!("GET {path} HTTP/1.1\r\nHost: app\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        requests += 1;
        stream.set_read_timeout(None)?;
        // The app's answers to this are one segment.
        match stream.read(&mut buffer) {
            Ok(0) => {
                log(&stream, "an answer is owed and the server closed");
                return Ok(());
            }
            Ok(_) => {}
            Err(error) => {
                log(&stream, &format!("an answer is owed: {error}"));
                return Ok(());
            }
        }
        let left = stop.saturating_duration_since(Instant::now());
        stream.set_read_timeout(Some(every.min(left).max(Duration::from_millis(1))))?;
        if let Ok(0) = stream.read(&mut buffer) {
            log(&stream, &format!("server closed after {requests} requests"));
            return Ok(());
        }
        if Instant::now() >= stop {
            log(&stream, &format!("stops after {requests} requests"));
            return Ok(());
        }
    }
}

/// When the app closes by its own clock.
#[derive(Debug, Clone, Copy)]
struct Limits {
    idle: Option<Duration>,
    age: Option<Duration>,
    cut: bool,
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

fn serve(addr: SocketAddr, tuning: &Tuning, limits: Limits) -> Result<()> {
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
            self.answer(&path)?;
            if action == "half" {
                thread::sleep(Duration::from_secs(1));
                return Ok("closes: in the middle of its answer");
            }
            if head.to_ascii_lowercase().contains("connection: close") {
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

    fn answer(&mut self, path: &str) -> Result<()> {
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
        let head = format!("HTTP/1.1 {status} {reason}\r\nContent-Length: {size}\r\n\r\n");
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
