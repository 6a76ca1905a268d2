//! The fuzz targets on plain stable Rust: over every seed, and every input that once failed.
//!
//! `cargo test` runs this everywhere; `fuzz/run.sh` goes on from here.

#[expect(unreachable_pub, reason = "public in the package that it comes from")]
#[path = "../../fuzz/src/targets/mod.rs"]
mod targets;

use std::fs;
use std::path::{Path, PathBuf};

use targets::Step;

fn seeds(target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/seeds")
        .join(target);
    let mut seeds: Vec<PathBuf> = fs::read_dir(folder)
        .expect("a folder of seeds")
        .map(|entry| entry.expect("an entry of that folder").path())
        .collect();
    seeds.sort();
    seeds
}

fn replay(target: &str, run: fn(&[u8])) {
    let seeds = seeds(target);
    assert!(seeds.len() >= 5, "{} seeds", seeds.len());
    for seed in seeds {
        println!("{}", seed.display());
        run(&fs::read(&seed).expect("a seed"));
    }
}

#[test]
fn captures() {
    replay("capture", targets::capture);
}

#[test]
fn segments() {
    replay("segments", targets::segments);
}

#[test]
fn payloads() {
    replay("payload", targets::payload);
}

#[test]
fn access_logs() {
    replay("access_log", targets::access_log);
}

const SYN: u8 = 0x02;
const ACK: u8 = 0x10;
const SYN_ACK: u8 = 0x12;
const DATA: u8 = 0x18;
const FIN: u8 = 0x11;
const RST: u8 = 0x14;

/// `seq` and `ack` as the target counts them, `wait` in units of 2 ms.
fn step(server: bool, flags: u8, seq: i8, ack: i8, len: u8, wait: u16) -> Step {
    Step {
        way: u8::from(server) | 0x20,
        flags,
        seq,
        ack,
        len,
        window: 100,
        wait,
        scale: 3,
        ip_id: 0,
        mark: 0,
        leap: 0,
    }
}

fn stories() -> Vec<(&'static str, Vec<Step>)> {
    let client = |flags, seq, ack, len, wait| step(false, flags, seq, ack, len, wait);
    let server = |flags, seq, ack, len, wait| step(true, flags, seq, ack, len, wait);
    let opening = [
        client(SYN, 0, 0, 0, 0),
        server(SYN_ACK, 0, 1, 0, 1),
        client(ACK, 1, 1, 0, 1),
        client(DATA, 1, 1, 10, 1),
        server(ACK, 1, 11, 0, 1),
    ];
    let zero = |mut step: Step| {
        step.window = 0;
        step
    };
    let far = |mut step: Step| {
        step.leap = 32;
        step
    };
    let probe = |wait| [server(ACK, 0, 11, 0, wait), client(ACK, 11, 1, 0, 1)];
    let window_probe = |wait| [client(ACK, 10, 1, 0, wait), zero(server(ACK, 1, 11, 0, 1))];
    let story = |rest: &[&[Step]]| [&opening[..], &rest.concat()].concat();
    vec![
        (
            "closed",
            story(&[&[
                server(DATA, 1, 11, 20, 50),
                client(FIN, 11, 21, 0, 1),
                server(FIN, 21, 12, 0, 1),
                client(ACK, 12, 22, 0, 1),
            ]]),
        ),
        (
            "keepalive",
            story(&[&probe(1000), &probe(1000), &[server(RST, 1, 11, 0, 1000)]]),
        ),
        (
            "unanswered-probes",
            story(&[&[
                server(ACK, 0, 11, 0, 1000),
                server(ACK, 0, 11, 0, 1000),
                server(RST, 1, 11, 0, 1000),
            ]]),
        ),
        (
            "zero-window",
            story(&[
                &[zero(server(ACK, 1, 11, 0, 1))],
                &window_probe(100),
                &window_probe(200),
                &window_probe(400),
                &[server(ACK, 1, 11, 0, 10), client(DATA, 11, 1, 30, 1)],
            ]),
        ),
        (
            // That the window is zero is seen only after two probes.
            "zero-window-late",
            story(&[
                &[client(ACK, 10, 1, 0, 3400), client(ACK, 10, 1, 0, 440)],
                &[zero(server(ACK, 1, 11, 0, 1))],
                &window_probe(912),
                &[server(ACK, 1, 11, 0, 10), client(FIN, 11, 1, 0, 1)],
            ]),
        ),
        (
            // Neither before nor after what is known: the distance has no absolute value.
            "half-way-round",
            story(&[&[
                far(client(DATA, 11, 1, 5, 10)),
                far(server(FIN, 1, 11, 0, 600)),
            ]]),
        ),
        (
            "one-byte",
            story(&[&[
                client(DATA, 11, 1, 1, 100),
                client(DATA, 11, 1, 1, 150),
                server(ACK, 1, 12, 0, 1),
                client(ACK, 11, 1, 1, 1000),
                server(ACK, 1, 12, 0, 1),
            ]]),
        ),
        (
            "refused-and-again",
            vec![
                client(SYN, 0, 0, 0, 0),
                server(RST, 0, 1, 0, 1),
                client(SYN, 50, 0, 0, 1000),
                client(SYN, 50, 0, 0, 1000),
                server(SYN_ACK, 40, 51, 0, 1),
            ],
        ),
        (
            "from-the-middle",
            vec![
                server(ACK, 0, 11, 0, 1000),
                client(ACK, 11, 1, 0, 1),
                server(ACK, 0, 11, 0, 1000),
                client(ACK, 11, 1, 0, 1),
                server(DATA, 1, 11, 5, 1),
                client(FIN, 11, 6, 0, 1),
            ],
        ),
    ]
}

/// `RENEW=1 cargo test -p hopscope-tracer --test seeds stories` writes them.
#[test]
fn stories_are_current() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds/segments");
    for (name, steps) in stories() {
        let bytes: Vec<u8> = steps.into_iter().flat_map(Step::bytes).collect();
        let path = folder.join(name);
        if std::env::var_os("RENEW").is_some() {
            fs::write(&path, &bytes).expect("the folder of seeds");
        }
        assert!(
            fs::read(&path).unwrap_or_default() == bytes,
            "{} is stale: RENEW=1 cargo test -p hopscope-tracer --test seeds stories",
            path.display()
        );
    }
}
