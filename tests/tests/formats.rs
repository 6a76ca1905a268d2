//! The same packets in every format give the same flows and keepalive runs.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use hopscope_tests::binary::{Told, hopscope};
use hopscope_tests::craft::{
    Fraction, Order, Packet, Pcapng, Scratch, Trace, gzip, link, recordings, zstd,
};
use serde_json::Value;

type Outcome = Result<(), Box<dyn Error>>;

/// The flows of each vantage.
type Flows = BTreeMap<String, Vec<Value>>;

/// A recording and the name of its vantage: `SCENARIO.VANTAGE`.
struct Recording {
    name: String,
    trace: Trace,
}

fn all() -> &'static [Recording] {
    static ALL: OnceLock<Vec<Recording>> = OnceLock::new();
    ALL.get_or_init(|| {
        recordings()
            .into_iter()
            .map(|path| Recording {
                name: name(&path),
                trace: Trace::read(&path).expect("recordings are pcap files of tcpdump"),
            })
            .collect()
    })
}

fn name(path: &Path) -> String {
    let part = |path: Option<&Path>| {
        path.and_then(Path::file_stem)
            .map(|part| part.to_string_lossy().into_owned())
            .unwrap_or_default()
    };
    format!("{}.{}", part(path.parent()), part(Some(path)))
}

/// What the recordings show as they are.
fn expected() -> &'static Flows {
    static EXPECTED: OnceLock<Flows> = OnceLock::new();
    EXPECTED.get_or_init(|| {
        let files = recordings()
            .into_iter()
            .map(|path| (name(&path), path))
            .collect::<Vec<_>>();
        assert!(files.len() >= 20, "the recordings are there");
        let report = report(&files).expect("the recordings can be read");
        let flows = flows(&report);
        assert!(
            flows
                .values()
                .flatten()
                .any(|f| !f["keepalive"]["server"].is_null())
        );
        flows
    })
}

/// `hopscope read --format json NAME=FILE ...`
fn report(files: &[(String, PathBuf)]) -> Result<Value, Box<dyn Error>> {
    let mut arguments = vec!["read".into(), "--format".into(), "json".into()];
    arguments.extend(
        files
            .iter()
            .map(|(name, path)| format!("{name}={}", path.display())),
    );
    let told = Told::from(hopscope(arguments).output()?);
    assert_eq!((told.code, told.err.as_str()), (Some(0), ""));
    Ok(serde_json::from_str(&told.out)?)
}

fn flows(report: &Value) -> Flows {
    let mut flows = Flows::new();
    for flow in report["flows"].as_array().into_iter().flatten() {
        let mut flow = flow.clone();
        let vantage = flow["vantage"].as_str().unwrap_or_default().to_owned();
        if let Some(fields) = flow.as_object_mut() {
            // Its number among all flows of the call, and the name of its vantage.
            fields.remove("id");
            fields.remove("vantage");
        }
        flows.entry(vantage).or_default().push(flow);
    }
    flows
}

/// Without the numbers of frames, which differ where vantages share a file.
fn unnumbered(flows: &Flows) -> Flows {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.remove("frame");
                fields.values_mut().for_each(strip);
            }
            Value::Array(values) => values.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let mut flows = flows.clone();
    flows.values_mut().flatten().for_each(strip);
    flows
}

fn assert_same(found: &Flows, expected: &Flows) {
    let names = |flows: &Flows| flows.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(found), names(expected));
    for (vantage, flows) in expected {
        for (found, flow) in found[vantage].iter().zip(flows) {
            for (field, value) in flow.as_object().into_iter().flatten() {
                assert_eq!(
                    &found[field], value,
                    "{vantage}: {field} of {} -> {}",
                    flow["client"], flow["server"]
                );
            }
        }
        assert_eq!(found[vantage].len(), flows.len(), "{vantage}");
    }
}

/// Writes every recording in one format and compares the flows.
fn same_as(test: &str, ending: &str, write: impl Fn(&Recording) -> Vec<u8>) -> Outcome {
    let scratch = Scratch::new(test)?;
    let files = all()
        .iter()
        .map(|recording| {
            let file = format!("{}.{ending}", recording.name);
            Ok((
                recording.name.clone(),
                scratch.file(file, &write(recording))?,
            ))
        })
        .collect::<Result<Vec<_>, Box<dyn Error>>>()?;
    assert_same(&flows(&report(&files)?), expected());
    Ok(())
}

fn micros(recording: &Recording) -> Vec<u8> {
    recording.trace.pcap(Order::Little, Fraction::Micros)
}

#[test]
fn pcap_in_either_byte_order_and_of_every_kind() -> Outcome {
    for order in [Order::Little, Order::Big] {
        for fraction in [Fraction::Micros, Fraction::Nanos, Fraction::Modified] {
            same_as(&format!("pcap-{order:?}-{fraction:?}"), "pcap", |r| {
                r.trace.pcap(order, fraction)
            })?;
        }
    }
    Ok(())
}

#[test]
fn pcapng_in_either_byte_order_with_every_clock() -> Outcome {
    let clocks = [
        (None, None),
        (Some(6), None),
        (Some(9), None),
        (Some(9), Some(-7200)),
        // 2^-30 s is less than a nanosecond: nothing is lost on the way.
        (Some(0x80 | 30), None),
    ];
    // Too fine to count from 1970 in 64 bits.
    let fine = [0x80 | 40, 12];
    let shortly_before = |trace: &Trace| {
        let first = trace.packets.first().map_or(0, |packet| packet.at);
        i64::try_from(first / 1_000_000_000 - 3).unwrap_or_default()
    };
    for order in [Order::Little, Order::Big] {
        for (resolution, offset) in clocks {
            let format = Pcapng {
                order,
                resolution,
                offset,
            };
            same_as(
                &format!("pcapng-{order:?}-{resolution:?}-{offset:?}"),
                "pcapng",
                |r| format.file(&[("eth0", &r.trace)]),
            )?;
        }
        for resolution in fine {
            same_as(&format!("pcapng-{order:?}-{resolution}"), "pcapng", |r| {
                let format = Pcapng {
                    order,
                    resolution: Some(resolution),
                    offset: Some(shortly_before(&r.trace)),
                };
                format.file(&[("eth0", &r.trace)])
            })?;
        }
    }
    Ok(())
}

/// A clock of 2^-20 s moves every time by up to a microsecond, and nothing else.
#[test]
fn pcapng_with_a_coarse_binary_clock() -> Outcome {
    let scratch = Scratch::new("coarse")?;
    let format = Pcapng {
        resolution: Some(0x80 | 20),
        ..Pcapng::default()
    };
    let mut files = Vec::new();
    for recording in all() {
        let bytes = format.file(&[("", &recording.trace)]);
        files.push((
            recording.name.clone(),
            scratch.file(&recording.name, &bytes)?,
        ));
    }
    let coarse = |flows: &Flows| -> Vec<String> {
        let probes = |flow: &Value, side: &str| {
            flow["keepalive"][side]["probes"]
                .as_array()
                .map_or(0, Vec::len)
        };
        let each = |(vantage, flow): (&String, &Value)| {
            format!(
                "{vantage} {} {} {} {} {} {} {} {}",
                flow["client"],
                flow["end"],
                flow["ended_by"],
                flow["bytes"],
                flow["zero_window_probes"],
                flow["retransmissions"],
                probes(flow, "client"),
                probes(flow, "server"),
            )
        };
        flows
            .iter()
            .flat_map(|(vantage, flows)| flows.iter().map(move |flow| each((vantage, flow))))
            .collect()
    };
    assert_eq!(coarse(&flows(&report(&files)?)), coarse(expected()));
    Ok(())
}

#[test]
fn gzip_and_zstd_of_one_part_or_several() -> Outcome {
    for parts in [1, 3] {
        same_as(&format!("gzip-{parts}"), "pcap.gz", |r| {
            gzip(&micros(r), parts).expect("memory does not fail")
        })?;
        same_as(&format!("zstd-{parts}"), "pcap.zst", |r| {
            zstd(&micros(r), parts)
        })?;
        same_as(&format!("pcapng-gzip-{parts}"), "pcapng.gz", |r| {
            let file = Pcapng::default().file(&[("eth0", &r.trace)]);
            gzip(&file, parts).expect("memory does not fail")
        })?;
    }
    Ok(())
}

/// All captures of a scenario in one file: each interface is a vantage of its own.
#[test]
fn pcapng_with_every_vantage_of_a_scenario_on_its_own_interface() -> Outcome {
    let scratch = Scratch::new("merged")?;
    let mut scenarios: BTreeMap<&str, Vec<(&str, &Trace)>> = BTreeMap::new();
    for recording in all() {
        if let Some((scenario, vantage)) = recording.name.split_once('.') {
            let interfaces = scenarios.entry(scenario).or_default();
            interfaces.push((vantage, &recording.trace));
        }
    }
    scenarios.retain(|_, interfaces| interfaces.len() > 1);
    let mut merged = expected().clone();
    merged.retain(|name, _| {
        scenarios
            .keys()
            .any(|scenario| name.starts_with(&format!("{scenario}.")))
    });
    for order in [Order::Little, Order::Big] {
        let format = Pcapng {
            order,
            resolution: Some(9),
            offset: None,
        };
        let mut files = Vec::new();
        for (scenario, interfaces) in &scenarios {
            let file = scratch.file(scenario, &format.file(interfaces))?;
            files.push(((*scenario).to_owned(), file));
        }
        let found = flows(&report(&files)?)
            .into_iter()
            .map(|(vantage, flows)| (vantage.replacen(':', ".", 1), flows))
            .collect();
        assert_same(&unnumbered(&found), &unnumbered(&merged));
    }
    Ok(())
}

/// What is kept of a frame: its headers with the timestamps option, no payload.
fn headers_with_timestamps(trace: &Trace) -> u32 {
    // IPv6 somewhere in it: all of the recording is.
    let sixes = |packet: &Packet| match trace.link {
        link::SLL2 => packet.data.starts_with(&[0x86, 0xdd]),
        _ => packet.data.get(12..14) == Some(&[0x86, 0xdd]),
    };
    let link = if trace.link == link::SLL2 { 20 } else { 14 };
    let ip = if trace.packets.iter().any(sixes) {
        40
    } else {
        20
    };
    link + ip + 32
}

#[test]
fn cut_behind_the_timestamps() -> Outcome {
    assert!(
        all()
            .iter()
            .any(|recording| headers_with_timestamps(&recording.trace) == 66),
        "IPv4 over Ethernet is among them"
    );
    same_as("cut", "pcap", |recording| {
        recording
            .trace
            .cut(headers_with_timestamps(&recording.trace))
            .pcap(Order::Little, Fraction::Micros)
    })
}

/// All recordings, cut so many bytes before the end of the timestamps.
fn cut_before_timestamps(scratch: &Scratch, bytes: u32) -> io::Result<Vec<(String, PathBuf)>> {
    let cut = |recording: &Recording| {
        let trace = recording
            .trace
            .cut(headers_with_timestamps(&recording.trace) - bytes);
        let file = scratch.file(
            &recording.name,
            &trace.pcap(Order::Little, Fraction::Micros),
        )?;
        Ok((recording.name.clone(), file))
    };
    all().iter().map(cut).collect()
}

/// Twenty bytes of TCP are enough for who ended it and for keepalive probes.
#[test]
fn cut_behind_the_fixed_tcp_header() -> Outcome {
    let scratch = Scratch::new("cut-20")?;
    let files = cut_before_timestamps(&scratch, 12)?;
    assert_same(&flows(&report(&files)?), expected());
    Ok(())
}

#[test]
fn cut_through_the_tcp_header_is_counted() -> Outcome {
    let scratch = Scratch::new("cut-19")?;
    let files = cut_before_timestamps(&scratch, 13)?;
    let whole = report(
        &recordings()
            .into_iter()
            .map(|path| (name(&path), path))
            .collect::<Vec<_>>(),
    )?;
    let cut = report(&files)?;
    assert_eq!(cut["flows"].as_array().map(Vec::len), Some(0));
    let vantages = |report: &Value| report["vantages"].as_array().cloned().unwrap_or_default();
    for (whole, cut) in vantages(&whole).iter().zip(vantages(&cut)) {
        assert_eq!(cut["segments"], 0);
        assert_eq!(cut["malformed"], 0);
        assert_eq!(
            cut["skipped"]["cut_before_tcp"].as_u64().unwrap_or(0),
            whole["segments"].as_u64().unwrap_or(0),
            "{}",
            whole["name"]
        );
    }
    Ok(())
}

/// As from `tcpdump -U -w - | hopscope read -`: the end of a write means nothing.
#[test]
fn standard_input_in_small_pieces() -> Outcome {
    let picked = ["zero-window", "gw-keepalive-7-5-2", "ipv6"];
    for recording in all() {
        let Some((scenario, _)) = recording.name.split_once('.') else {
            continue;
        };
        if !picked.contains(&scenario) {
            continue;
        }
        let plain = micros(recording);
        let forms = [
            plain.clone(),
            gzip(&plain, 2)?,
            zstd(&plain, 2),
            Pcapng::default().file(&[("eth0", &recording.trace)]),
        ];
        for (form, piece) in forms.iter().zip([5, 11, 17, 23]) {
            let name = format!("{}=-", recording.name);
            let mut child = hopscope(["read", "--format", "json", &name])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()?;
            let mut stdin = child.stdin.take().ok_or("a pipe")?;
            for piece in form.chunks(piece) {
                stdin.write_all(piece)?;
            }
            drop(stdin);
            let output = child.wait_with_output()?;
            assert!(output.status.success());
            let found = flows(&serde_json::from_slice(&output.stdout)?);
            let mut expected = expected().clone();
            expected.retain(|vantage, _| *vantage == recording.name);
            assert_same(&found, &expected);
        }
    }
    Ok(())
}

/// Whether a program of Wireshark's is here; says so where not.
fn installed(program: &str) -> bool {
    let there = Command::new(program).arg("--version").output().is_ok();
    if !there {
        println!("skipped: {program} is not installed (apt install wireshark-common)");
    }
    there
}

fn run(command: &mut Command) -> Outcome {
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {said}");
    Ok(())
}

/// Not only our own idea of these formats.
#[test]
fn as_editcap_writes_them() -> Outcome {
    if !installed("editcap") {
        return Ok(());
    }
    let scratch = Scratch::new("editcap")?;
    for format in ["pcapng", "nsecpcap", "pcap", "modpcap"] {
        let mut files = Vec::new();
        for path in recordings() {
            let to = scratch.path().join(format!("{}.{format}", name(&path)));
            run(Command::new("editcap")
                .args(["-F", format])
                .args([&path, &to]))?;
            files.push((name(&path), to));
        }
        assert_same(&flows(&report(&files)?), expected());
    }
    Ok(())
}

#[test]
fn as_mergecap_merges_them() -> Outcome {
    if !installed("mergecap") {
        return Ok(());
    }
    let scratch = Scratch::new("mergecap")?;
    let mut scenarios: BTreeMap<PathBuf, Vec<PathBuf>> = BTreeMap::new();
    for path in recordings() {
        let scenario = path.parent().map(Path::to_owned).unwrap_or_default();
        scenarios.entry(scenario).or_default().push(path);
    }
    scenarios.retain(|_, captures| captures.len() > 1);
    for (scenario, captures) in scenarios {
        let merged = scratch.path().join("merged.pcapng");
        // Interfaces in the order of the files; they have no names.
        run(Command::new("mergecap")
            .args(["-I", "none", "-F", "pcapng", "-w"])
            .arg(&merged)
            .args(&captures))?;
        let found = flows(&report(&[("m".to_owned(), merged)])?);
        let renamed: Flows = captures
            .iter()
            .enumerate()
            .filter_map(|(index, path)| {
                let flows = found.get(&format!("m:{index}"))?.clone();
                Some((name(path), flows))
            })
            .collect();
        let mut here = expected().clone();
        here.retain(|vantage, _| captures.iter().any(|path| name(path) == *vantage));
        assert!(!here.is_empty(), "{}", scenario.display());
        assert_same(&unnumbered(&renamed), &unnumbered(&here));
    }
    Ok(())
}

/// The seeds of the fuzz target over captures are what this makes: a small recording in every
/// format. `RENEW=1 cargo test -p hopscope-tests --test formats seeds` writes them.
#[test]
fn seeds_of_the_fuzz_target_are_current() -> Outcome {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds/capture");
    for (name, bytes) in seeds()? {
        let path = folder.join(name);
        if std::env::var_os("RENEW").is_some() {
            fs::write(&path, &bytes)?;
        }
        let committed = fs::read(&path).unwrap_or_default();
        // Compressors may do better one day.
        let compressed = name.ends_with("gz") || name.ends_with("zst");
        assert!(
            committed == bytes || (compressed && !committed.is_empty()),
            "{} is stale: RENEW=1 cargo test -p hopscope-tests --test formats seeds",
            path.display()
        );
    }
    Ok(())
}

/// Microseconds, whether from the client, seq, ack, flags, options, payload.
type Crafted<'a> = (u64, bool, u32, u32, u8, &'a [u8], &'a [u8]);

/// A connection with keepalive probes, made by hand so that recording anew changes no seed.
fn seed_trace() -> Trace {
    let syn_options = [2, 4, 5, 180, 1, 1, 4, 2];
    let segments: [Crafted<'_>; 10] = [
        (0, true, 999, 0, 0x02, &syn_options, b""),
        (100, false, 4999, 1000, 0x12, &syn_options, b""),
        (200, true, 1000, 5000, 0x10, b"", b""),
        (300, true, 1000, 5000, 0x18, b"", b"GET / HTTP/1.1\r\n\r\n"),
        (400, false, 5000, 1018, 0x10, b"", b""),
        (2_000_400, false, 4999, 1018, 0x10, b"", b""),
        (2_000_500, true, 1018, 5000, 0x10, b"", b""),
        (
            3_000_000,
            false,
            5000,
            1018,
            0x18,
            b"",
            b"HTTP/1.1 200 OK\r\n\r\n",
        ),
        (3_000_100, true, 1018, 5019, 0x11, b"", b""),
        (3_000_200, false, 5019, 1019, 0x14, b"", b""),
    ];
    let packets = segments
        .into_iter()
        .map(|(micros, forth, seq, ack, flags, options, payload)| {
            let data = segment(forth, seq, ack, flags, options, payload);
            Packet {
                at: 1_790_000_000_000_000_000 + micros * 1_000,
                wire_len: u32::try_from(data.len()).unwrap_or(u32::MAX),
                data,
            }
        })
        .collect();
    Trace {
        link: link::RAW,
        snaplen: 600,
        packets,
    }
}

fn segment(forth: bool, seq: u32, ack: u32, flags: u8, options: &[u8], payload: &[u8]) -> Vec<u8> {
    let (client, server) = ([10, 0, 0, 1], [10, 0, 0, 2]);
    let (from, to, source, destination) = if forth {
        (client, server, 40_000_u16, 80_u16)
    } else {
        (server, client, 80, 40_000)
    };
    let length = u16::try_from(40 + options.len() + payload.len()).unwrap_or(u16::MAX);
    let words = u8::try_from(5 + options.len() / 4).unwrap_or(15);
    let [high, low] = length.to_be_bytes();
    let mut data = vec![0x45, 0, high, low, 0, 7, 0x40, 0, 64, 6, 0, 0];
    data.extend(from);
    data.extend(to);
    data.extend(source.to_be_bytes());
    data.extend(destination.to_be_bytes());
    data.extend(seq.to_be_bytes());
    data.extend(ack.to_be_bytes());
    data.extend([words << 4, flags, 0xfa, 0xf0, 0, 0, 0, 0]);
    data.extend(options);
    data.extend(payload);
    data
}

/// A file name and what is in it.
type Seed = (&'static str, Vec<u8>);

fn seeds() -> Result<Vec<Seed>, Box<dyn Error>> {
    let trace = seed_trace();
    let plain = trace.pcap(Order::Little, Fraction::Micros);
    let big = Pcapng {
        order: Order::Big,
        resolution: Some(0x80 | 30),
        offset: Some(-3600),
    };
    let little = Pcapng {
        resolution: Some(9),
        ..Pcapng::default()
    };
    let mut two_sections = little.file(&[("a", &trace), ("b", &trace)]);
    two_sections.extend(little.statistics(0, 3));
    two_sections.extend(little.simple_packet(&trace.packets[0]));
    two_sections.extend(big.file(&[("c", &trace)]));
    let mut cut = plain.clone();
    cut.truncate(plain.len() - 7);
    Ok(vec![
        ("micros.pcap", plain.clone()),
        ("micros-big.pcap", trace.pcap(Order::Big, Fraction::Micros)),
        ("nanos.pcap", trace.pcap(Order::Little, Fraction::Nanos)),
        (
            "modified.pcap",
            trace.pcap(Order::Little, Fraction::Modified),
        ),
        (
            "snaplen.pcap",
            trace.cut(48).pcap(Order::Big, Fraction::Nanos),
        ),
        ("cut.pcap", cut),
        ("one.pcapng", Pcapng::default().file(&[("eth0", &trace)])),
        ("big.pcapng", big.file(&[("eth0", &trace)])),
        ("two-sections.pcapng", two_sections.clone()),
        ("micros.pcap.gz", gzip(&plain, 1)?),
        ("two-members.pcapng.gz", gzip(&two_sections, 2)?),
        ("two-frames.pcap.zst", zstd(&plain, 2)),
    ])
}
