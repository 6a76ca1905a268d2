//! `hopscope anonymize`: the same report of others, and nothing of what was there before.

use std::collections::{BTreeSet, HashSet};
use std::error::Error;
use std::ffi::OsStr;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use hopscope_tests::anonymity::{comparable, mapped};
use hopscope_tests::binary::{Told, hopscope};
use hopscope_tests::craft::{Fraction, Order, Pcapng, Scratch, Trace, gzip, recordings};
use serde_json::Value;
use tracer::anonymize::{Key, Mapping};
use tracer::decode::segment;
use tracer::source::{Capture, open_file};

type Outcome = Result<(), Box<dyn Error>>;

const SECRET: &str = "the key of these tests";

fn told(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Result<Told, Box<dyn Error>> {
    Ok(hopscope(arguments).output()?.into())
}

fn fine(arguments: &[&OsStr]) -> Result<String, Box<dyn Error>> {
    let told = told(arguments)?;
    assert_eq!(told.code, Some(0), "{} {}", told.out, told.err);
    Ok(told.out)
}

/// Anonymizes with the key of these tests.
fn anonymize(
    scratch: &Scratch,
    from: &Path,
    to: &Path,
    more: &[&str],
) -> Result<String, Box<dyn Error>> {
    let key = scratch.file("key", SECRET.as_bytes())?;
    let mut arguments: Vec<&OsStr> = ["anonymize", "--key"].map(OsStr::new).to_vec();
    arguments.push(key.as_os_str());
    arguments.extend(more.iter().map(OsStr::new));
    arguments.extend([from.as_os_str(), to.as_os_str()]);
    fine(&arguments)
}

fn report(captures: &[PathBuf]) -> Result<Value, Box<dyn Error>> {
    let mut arguments: Vec<&OsStr> = ["read", "--format=json"].map(OsStr::new).to_vec();
    arguments.extend(captures.iter().map(|path| path.as_os_str()));
    Ok(serde_json::from_str(&fine(&arguments)?)?)
}

/// The recordings, each with its captures.
fn scenarios() -> Vec<(PathBuf, Vec<PathBuf>)> {
    let folder = |path: &PathBuf| path.parent().map(Path::to_path_buf).unwrap_or_default();
    let captures = recordings();
    let folders: BTreeSet<PathBuf> = captures.iter().map(folder).collect();
    let within = |place: &PathBuf| {
        captures
            .iter()
            .filter(|path| folder(path) == *place)
            .cloned()
            .collect()
    };
    folders
        .iter()
        .map(|place| (place.clone(), within(place)))
        .collect()
}

fn elsewhere(captures: &[PathBuf], out: &Path) -> Vec<PathBuf> {
    let names = captures.iter().filter_map(|path| path.file_name());
    names.map(|name| out.join(name)).collect()
}

/// What only payload tells: without header lines, chains of these are joined by less, and these causes
/// rest on a status, a length or a GOAWAY.
const TOLD_BY_PAYLOAD: [&str; 7] = [
    "answer-cut-short",
    "goaway",
    "gw-request-timeout",
    "gw-stream-idle-timeout",
    "lb-http-timeout",
    "no-healthy-host",
    "overload",
];

/// Its chains rest on payload that is cut all the same: a request in pieces, of which none is a head.
const CUT: [&str; 1] = ["half-close"];

/// How every PROXY protocol header of version 2 begins, which says nothing of anybody.
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0";

/// The part without words for people, which name paths.
fn wordless(part: &Value) -> Value {
    match part {
        Value::Array(list) => list.iter().map(wordless).collect(),
        Value::Object(fields) => {
            let words = [
                "summary",
                "evidence",
                "against",
                "advice",
                "request",
                "request_id",
                "missing",
                "then",
            ];
            let kept = fields
                .iter()
                .filter(|(name, _)| !words.contains(&name.as_str()));
            kept.map(|(name, field)| (name.clone(), wordless(field)))
                .collect()
        }
        other => other.clone(),
    }
}

/// The report is the same, once addresses are mapped: every flow, end, probe, time and number, every
/// hop; with header lines, every chain and verdict, too.
#[test]
fn every_recording_tells_the_same() -> Outcome {
    let scratch = Scratch::new("anonymize-same")?;
    let scenarios = scenarios();
    assert!(scenarios.len() >= 20);
    for (folder, captures) in scenarios {
        let scenario = folder
            .file_name()
            .and_then(OsStr::to_str)
            .unwrap_or_default();
        let before = report(&captures)?;
        let told = |part: &str| before[part].as_array().is_some_and(|all| !all.is_empty());
        assert!(
            told("verdicts") && told("hops") && told("flows"),
            "{scenario}"
        );
        for headers in [false, true] {
            let out = scratch.path().join("out");
            let more: &[&str] = if headers { &["--keep-headers"] } else { &[] };
            anonymize(&scratch, &folder, &out, more)?;
            let after = report(&elsewhere(&captures, &out))?;
            let mut mapping = Mapping::new(Key::of(SECRET.as_bytes()));
            let (before, after) = (mapped(&before, &mut mapping), comparable(after));
            for part in [
                "vantages",
                "flows",
                "flows_left_out",
                "sockets",
                "unjoined",
                "hops",
            ] {
                assert_eq!(after[part], before[part], "{part} of {scenario}");
            }
            if headers && !CUT.contains(&scenario) {
                assert_eq!(
                    wordless(&after["chains"]),
                    wordless(&before["chains"]),
                    "{scenario}"
                );
            }
            if headers {
                assert_eq!(
                    wordless(&after["verdicts"]),
                    wordless(&before["verdicts"]),
                    "{scenario}"
                );
            } else if !TOLD_BY_PAYLOAD.contains(&scenario) {
                assert_eq!(causes(&after), causes(&before), "{scenario}");
            }
            fs::remove_dir_all(&out)?;
        }
    }
    Ok(())
}

/// What rests on payload even where access logs tell of it.
const NOT_LOGGED: [&str; 2] = ["goaway", "lb-http-timeout"];

/// Logs name the same connections as captures do: a gateway behind the PROXY protocol logs a client that
/// only the header in front of the request joins to a connection.
#[test]
fn every_recording_with_its_logs_tells_the_same() -> Outcome {
    let scratch = Scratch::new("anonymize-logs")?;
    let mut read = 0;
    for (folder, captures) in scenarios() {
        let logs: Vec<&str> = ["gw.log", "lb.log", "sidecar.log"]
            .into_iter()
            .filter(|log| folder.join(log).exists())
            .collect();
        let names: Vec<&OsStr> = captures
            .iter()
            .filter_map(|path| path.file_name())
            .collect();
        let told = |folder: &Path| -> Result<Value, Box<dyn Error>> {
            let mut read = hopscope(["read", "--format=json"]);
            // A log without an entry is not written.
            let there = logs.iter().filter(|log| folder.join(log).exists());
            read.args(there.map(|log| format!("--access-log={log}")));
            let told = Told::from(read.args(&names).current_dir(folder).output()?);
            assert_eq!(told.code, Some(0), "{}", told.err);
            Ok(serde_json::from_str(&told.out)?)
        };
        let scenario = folder
            .file_name()
            .and_then(OsStr::to_str)
            .unwrap_or_default();
        let before = told(&folder)?;
        for headers in [false, true] {
            let out = scratch.path().join("out");
            let more: &[&str] = if headers { &["--keep-headers"] } else { &[] };
            anonymize(&scratch, &folder, &out, more)?;
            let after = told(&out)?;
            if headers || !NOT_LOGGED.contains(&scenario) {
                assert_eq!(causes(&after), causes(&before), "{scenario} {more:?}");
            }
            if headers {
                assert_eq!(joins(&after), joins(&before), "{scenario}");
            }
            fs::remove_dir_all(&out)?;
        }
        read += logs.len();
    }
    assert!(read > 80, "{read} logs");
    Ok(())
}

/// Which hops make a chain, by what, and how it was answered.
fn joins(report: &Value) -> Vec<[String; 3]> {
    let chains = report["chains"].as_array().into_iter().flatten();
    let told = ["hops", "joined_by", "status"];
    chains
        .map(|chain| told.map(|field| chain[field].to_string()))
        .collect()
}

/// What is said of each hop, and how surely.
fn causes(report: &Value) -> BTreeSet<String> {
    let verdicts = report["verdicts"].as_array().into_iter().flatten();
    let told = ["flow", "hop", "cause", "ended_by_vantage", "confidence"];
    verdicts
        .map(|verdict| told.map(|field| verdict[field].to_string()).join(" "))
        .collect()
}

/// What is expected of a recording is met by what is made of it, and names nothing of it.
#[test]
fn cases_are_met_by_what_they_became() -> Outcome {
    let scratch = Scratch::new("anonymize-cases")?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pcaps");
    let cases = [
        "gw-keepalive-7-5-2",
        "proxy-protocol",
        "max-connection-age",
        "nat",
        "overload",
    ];
    for case in cases {
        let (given, drafted) = (scratch.path().join("given"), scratch.path().join("drafted"));
        let out = scratch.path().join("out");
        // What people wrote, and what a draft says, which names all requests.
        for folder in [&given, &drafted] {
            fs::create_dir(folder)?;
            for (path, bytes) in contents(&root.join(case))? {
                fs::write(folder.join(path.file_name().unwrap_or_default()), bytes)?;
            }
        }
        fs::remove_file(drafted.join("hopscope.toml"))?;
        fine(
            &["check", "--init"]
                .map(OsStr::new)
                .into_iter()
                .chain([drafted.as_os_str()])
                .collect::<Vec<_>>(),
        )?;
        for folder in [&given, &drafted] {
            let said = anonymize(&scratch, folder, &out, &["--keep-headers"])?;
            let before = fs::read_to_string(folder.join("hopscope.toml"))?;
            let expectations = before.matches("[[expect]]").count();
            assert!(
                said.contains(&format!("hopscope.toml: {expectations} expectations")),
                "{said}"
            );
            let told = told([OsStr::new("check"), out.as_os_str()])?;
            assert_eq!(
                (told.code, told.err.as_str()),
                (Some(0), ""),
                "{case}: {}",
                told.out
            );
            let after = fs::read_to_string(out.join("hopscope.toml"))?;
            for private in ["/sleep", "/ok", "gateway", "10.0."] {
                assert!(!after.contains(private), "{private}: {after}");
            }
            fs::remove_dir_all(&out)?;
        }
        fs::remove_dir_all(&given)?;
        fs::remove_dir_all(&drafted)?;
    }
    Ok(())
}

/// What is not understood is not shared.
#[test]
fn a_case_that_is_none_is_left_out() -> Outcome {
    let scratch = Scratch::new("anonymize-no-case")?;
    let from = scratch.path().join("case");
    fs::create_dir(&from)?;
    fs::copy(good(), from.join("client.pcap"))?;
    fs::write(
        from.join("hopscope.toml"),
        "[captures]\nclient = \"client.pcap\"\nsecret\n",
    )?;
    let out = scratch.path().join("out");
    let told = told([OsStr::new("anonymize"), from.as_os_str(), out.as_os_str()])?;
    assert_eq!(told.code, Some(2));
    assert!(
        told.err
            .contains("hopscope.toml: it is no case that can be understood, and left out: 3:"),
        "{}",
        told.err
    );
    assert!(out.join("client.pcap").exists() && !out.join("hopscope.toml").exists());
    Ok(())
}

/// What is private in a capture: addresses that do not stay, and payload.
struct Private {
    addresses: HashSet<Vec<u8>>,
    texts: HashSet<String>,
    payload: Vec<Vec<u8>>,
}

impl Private {
    fn of(captures: &[PathBuf]) -> Result<Self, Box<dyn Error>> {
        let mut private = Self {
            addresses: HashSet::new(),
            texts: HashSet::new(),
            payload: Vec::new(),
        };
        for path in captures {
            let mut capture = Capture::new(open_file(path)?)?;
            while capture.advance() {
                for segment in capture.frames().filter_map(|frame| segment(&frame).ok()) {
                    for endpoint in [segment.source, segment.destination] {
                        private.address(endpoint.address());
                    }
                    let payload = segment.payload;
                    let payload = payload.strip_prefix(SIGNATURE).unwrap_or(payload);
                    private.payload.push(payload.to_vec());
                }
            }
        }
        Ok(private)
    }

    fn address(&mut self, address: IpAddr) {
        // Loopback, and Istio's of IPv6, say nothing of anybody.
        if address.is_loopback() || address.to_string() == "::6" {
            return;
        }
        self.texts.insert(address.to_string());
        self.addresses.insert(match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        });
    }
}

/// Eight bytes at each place, but for those of few different ones: lengths, flags and padding of
/// HTTP/2 look like those of any header.
fn windows(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let many = |part: &&[u8]| part.iter().collect::<HashSet<_>>().len() > 4;
    bytes.windows(8).filter(many)
}

/// Bytes of every file in a folder.
fn contents(folder: &Path) -> std::io::Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        files.push((path.clone(), fs::read(path)?));
    }
    Ok(files)
}

#[test]
fn nothing_of_any_recording_is_left() -> Outcome {
    let scratch = Scratch::new("anonymize-left")?;
    let mut looked_at = 0;
    for (folder, captures) in scenarios() {
        let out = scratch.path().join("out");
        anonymize(&scratch, &folder, &out, &[])?;
        let private = Private::of(&captures)?;
        for (path, bytes) in contents(&out)? {
            let held: HashSet<&[u8]> = windows(&bytes).collect();
            let payload = private.payload.iter().flat_map(|payload| windows(payload));
            let found: Vec<_> = payload.filter(|part| held.contains(part)).collect();
            // Logs say `upstream`, and so do headers.
            let is_capture = path.extension().is_some_and(|ending| ending == "pcap");
            let found: Vec<_> = found
                .iter()
                .map(|part| part.escape_ascii().to_string())
                .collect();
            assert!(
                found.is_empty() || !is_capture,
                "{found:?} of {} is left",
                folder.display()
            );
            for address in &private.addresses {
                let found = bytes.windows(address.len()).any(|part| part == address);
                assert!(!found, "{address:?} is left in {}", path.display());
            }
            let text = String::from_utf8_lossy(&bytes);
            for told in private
                .texts
                .iter()
                .map(String::as_str)
                .chain(["/sleep/", "/ok", "/big"])
            {
                assert!(!text.contains(told), "{told} is left in {}", path.display());
            }
            looked_at += held.len();
        }
        fs::remove_dir_all(&out)?;
    }
    assert!(looked_at > 100_000, "{looked_at}");
    Ok(())
}

/// With `--keep-headers`: paths, hosts and bodies are hidden, and requests are still requests.
#[test]
fn kept_headers_hide_what_is_private() -> Outcome {
    let scratch = Scratch::new("anonymize-headers")?;
    let (mut requests, mut answers) = (0, 0);
    for (folder, _) in scenarios() {
        let out = scratch.path().join("out");
        anonymize(&scratch, &folder, &out, &["--keep-headers"])?;
        for (path, bytes) in contents(&out)? {
            let text = String::from_utf8_lossy(&bytes);
            for private in ["/sleep/", "/big", "curl/", "10.0.0.2", "date:"] {
                assert!(
                    !text.contains(private),
                    "{private} is left in {}",
                    path.display()
                );
            }
            requests += text.matches("GET /").count();
            answers += text.matches("HTTP/1.1 200 xx\r\n").count();
        }
        fs::remove_dir_all(&out)?;
    }
    assert!(requests > 50 && answers > 50, "{requests} {answers}");
    Ok(())
}

fn good() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../pcaps/zero-window/client.pcap")
}

/// One key maps alike in every call, no key never does.
#[test]
fn keys_repeat_a_mapping() -> Outcome {
    let scratch = Scratch::new("anonymize-keys")?;
    let place = |name: &str| scratch.path().join(name);
    let key = place("team.key");
    let call = |to: &Path, key: Option<&Path>| {
        let good = good();
        let mut arguments = vec![OsStr::new("anonymize")];
        if let Some(key) = key {
            arguments.extend([OsStr::new("--key"), key.as_os_str()]);
        }
        arguments.extend([good.as_os_str(), to.as_os_str()]);
        told(arguments)
    };
    let first = call(&place("1"), Some(&key))?;
    assert!(first.err.contains("made a new key in"), "{}", first.err);
    let second = call(&place("2"), Some(&key))?;
    assert_eq!((second.code, second.err.as_str()), (Some(0), ""));
    call(&place("3"), None)?;
    call(&place("4"), None)?;
    let [one, two, three, four] = ["1", "2", "3", "4"].map(|name| fs::read(place(name)));
    let (one, two, three, four) = (one?, two?, three?, four?);
    assert_eq!(one, two);
    assert!(one != three && three != four && one != four);
    let empty = scratch.file("empty", b"")?;
    let refused = call(&place("5"), Some(&empty))?;
    assert_eq!(refused.code, Some(2));
    assert!(refused.err.contains("is no key"), "{}", refused.err);
    Ok(())
}

#[test]
fn what_is_there_is_not_written_over() -> Outcome {
    let scratch = Scratch::new("anonymize-exists")?;
    let there = scratch.file("there.pcap", b"mine")?;
    let good = good();
    let refused = told([OsStr::new("anonymize"), good.as_os_str(), there.as_os_str()])?;
    assert_eq!(refused.code, Some(2));
    assert!(
        refused.err.contains("exists already") && refused.err.contains("--force"),
        "{}",
        refused.err
    );
    assert_eq!(fs::read(&there)?, b"mine");
    let folder = told([
        OsStr::new("anonymize"),
        good.as_os_str(),
        scratch.path().as_os_str(),
    ])?;
    assert_eq!(folder.code, Some(2));
    assert!(folder.err.contains("is not empty"), "{}", folder.err);
    fine(&[
        OsStr::new("anonymize"),
        OsStr::new("--force"),
        good.as_os_str(),
        there.as_os_str(),
    ])?;
    assert_eq!(
        report(std::slice::from_ref(&there))?["flows"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
    // Never over what is read.
    let same = told([
        OsStr::new("anonymize"),
        OsStr::new("--force"),
        there.as_os_str(),
        there.as_os_str(),
    ])?;
    assert_eq!(same.code, Some(2));
    let within = scratch.path().join("within");
    let within = told([
        OsStr::new("anonymize"),
        scratch.path().as_os_str(),
        within.as_os_str(),
    ])?;
    assert_eq!(within.code, Some(2));
    assert!(within.err.contains("is within"), "{}", within.err);
    Ok(())
}

/// As far as it goes, with exit code 2; and no half file where nothing can be read.
#[test]
fn damaged_input() -> Outcome {
    let scratch = Scratch::new("anonymize-damage")?;
    let bytes = fs::read(good())?;
    let out = scratch.path().join("out.pcap");
    let cut = scratch.file("cut.pcap", &bytes[..bytes.len() / 2])?;
    let halved = told([OsStr::new("anonymize"), cut.as_os_str(), out.as_os_str()])?;
    assert_eq!(halved.code, Some(2));
    assert!(
        halved.err.contains("cut in half") && halved.err.contains("cut.pcap"),
        "{}",
        halved.err
    );
    let (before, after) = (report(&[cut])?, report(&[out])?);
    assert_eq!(
        after["vantages"][0]["segments"],
        before["vantages"][0]["segments"]
    );
    assert_eq!(
        after["vantages"][0]["damage"],
        Value::Null,
        "what was written is whole"
    );
    for (name, bytes) in [("text", &b"some notes of mine\n"[..]), ("nothing", b"")] {
        let bad = scratch.file(name, bytes)?;
        let out = scratch.path().join("bad.pcap");
        let refused = told([OsStr::new("anonymize"), bad.as_os_str(), out.as_os_str()])?;
        assert_eq!(refused.code, Some(2));
        assert!(refused.err.contains(name), "{}", refused.err);
        assert!(!out.exists(), "{name}");
    }
    let left: Vec<_> = contents(scratch.path())?
        .into_iter()
        .map(|(path, _)| path)
        .collect();
    assert!(
        !left
            .iter()
            .any(|path| path.to_string_lossy().contains(".part")),
        "{left:?}"
    );
    Ok(())
}

/// Compressed captures stay compressed; comments, names and other blocks of pcapng go.
#[test]
fn formats() -> Outcome {
    let scratch = Scratch::new("anonymize-formats")?;
    let trace = Trace::read(&good())?;
    let pcap = trace.pcap(Order::Big, Fraction::Nanos);
    let pcapng = Pcapng::default().file(&[("eth0", &trace), ("payments0", &trace)]);
    let inputs = [
        ("big.pcap", pcap.clone()),
        ("packed.pcap.gz", gzip(&pcap, 1)?),
        ("two.pcapng", pcapng),
    ];
    let folder = scratch.path().join("in");
    fs::create_dir_all(folder.join("deeper"))?;
    let mut files = Vec::new();
    for (name, bytes) in &inputs {
        fs::write(folder.join("deeper").join(name), bytes)?;
        files.push(PathBuf::from("deeper").join(name));
    }
    fs::write(folder.join("notes.txt"), "private\n")?;
    let out = scratch.path().join("out");
    anonymize(&scratch, &folder, &out, &["--keep-names"])?;
    assert!(!out.join("notes.txt").exists());
    let there = |root: &Path| files.iter().map(|file| root.join(file)).collect::<Vec<_>>();
    let mut mapping = Mapping::new(Key::of(SECRET.as_bytes()));
    let before = mapped(&report(&there(&folder))?, &mut mapping);
    let after = comparable(report(&there(&out))?);
    for part in ["vantages", "flows", "hops"] {
        assert_eq!(after[part], before[part], "{part}");
    }
    assert_eq!(before["vantages"].as_array().map(Vec::len), Some(4));
    let packed = fs::read(out.join("deeper/packed.pcap.gz"))?;
    assert_eq!(packed[..2], [0x1f, 0x8b]);
    Ok(())
}
