//! Clients that do what curl cannot.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpStream},
    process, thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use rustix::net::connect;

use super::{Tuning, log, open};

/// Sends a request, shuts its writing side, reads to the end.
pub(super) fn half_close(server: SocketAddr, path: &str, tuning: &Tuning) -> Result<()> {
    let mut stream = request(server, path, tuning)?;
    stream.shutdown(Shutdown::Write)?;
    log(&stream, "shut the writing side");
    read_all(&mut stream)
}

/// Sends a request and reads nothing for a while.
pub(super) fn slow_read(
    server: SocketAddr,
    path: &str,
    stall: Duration,
    tuning: &Tuning,
) -> Result<()> {
    let mut stream = request(server, path, tuning)?;
    log(&stream, "stops reading");
    thread::sleep(stall);
    log(&stream, "reads again");
    read_all(&mut stream)
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
pub(super) fn fill(server: SocketAddr, path: &str, hold: u64, tuning: &Tuning) -> Result<()> {
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
pub(super) fn pool(
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
