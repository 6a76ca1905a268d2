//! The same packets in every format give the same flows and keepalive runs.

mod cut;
mod seeds;
mod tools;

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;

use hopscope_tests::binary::{Told, hopscope};
use hopscope_tests::craft::{Fraction, Order, Pcapng, Scratch, Trace, gzip, recordings, zstd};
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
