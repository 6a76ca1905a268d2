//! Input that cannot be read, or not to its end: one line says which, what is wrong and what to
//! do; everything else is reported all the same; nothing panics or takes forever.

use std::error::Error;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use hopscope_tests::binary::{self, Told, hopscope};
use hopscope_tests::craft::{Fraction, Order, Pcapng, Scratch, Trace, gzip, link, zstd};
use serde_json::Value;

type Outcome = Result<(), Box<dyn Error>>;

/// Far longer than anything here takes, also where the machine is busy.
const FOREVER: Duration = Duration::from_secs(60);

/// A capture in which nothing is wrong: 75 frames of one flow.
fn good() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../pcaps/zero-window/client.pcap")
}

fn good_trace() -> Result<Trace, Box<dyn Error>> {
    Ok(Trace::read(&good())?)
}

fn told(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Result<Told, Box<dyn Error>> {
    let child = hopscope(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    Ok(output(child)?.into())
}

/// Waits for a process, but not forever.
fn output(child: Child) -> Result<Output, Box<dyn Error>> {
    let id = child.id().to_string();
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(child.wait_with_output()));
    match receiver.recv_timeout(FOREVER) {
        Ok(output) => Ok(output?),
        Err(_) => {
            Command::new("kill").args(["-9", &id]).status()?;
            Err(format!("still running after {FOREVER:?}").into())
        }
    }
}

fn json(told: &Told) -> Result<Value, Box<dyn Error>> {
    Ok(serde_json::from_str(&told.out)?)
}

/// `hopscope read` of the bad input between two good ones: one line with all of `says`, exit code
/// 2, and the good ones are reported.
fn refused(bad: impl AsRef<OsStr>, named: &str, says: &[&str]) -> Outcome {
    let told = told([
        OsStr::new("read"),
        OsStr::new("--format=json"),
        OsStr::new(&format!("one={}", good().display())),
        bad.as_ref(),
        OsStr::new(&format!("two={}", good().display())),
    ])?;
    one_line(&told, named, says);
    let report = json(&told)?;
    let vantages = report["vantages"].as_array().cloned().unwrap_or_default();
    let names: Vec<&str> = vantages.iter().filter_map(|v| v["name"].as_str()).collect();
    assert_eq!(names, ["one", "two"]);
    assert_eq!(report["flows"].as_array().map(Vec::len), Some(2));
    Ok(())
}

fn one_line(told: &Told, named: &str, says: &[&str]) {
    assert_eq!(told.code, Some(2), "{}", told.err);
    assert_eq!(told.err.lines().count(), 1, "{}", told.err);
    let line = told.err.trim_end();
    let begins = if named.is_empty() {
        "hopscope: ".to_owned()
    } else {
        format!("hopscope: {named}: ")
    };
    assert!(line.starts_with(&begins), "{line}");
    for part in says {
        assert!(line.contains(part), "{part:?} is not in: {line}");
    }
    let clauses: Vec<&str> = line.split([':', ';']).map(str::trim).collect();
    for (index, clause) in clauses.iter().enumerate() {
        let again = clause.len() > 8 && clauses[index + 1..].contains(clause);
        assert!(!again, "says {clause:?} twice: {line}");
    }
}

fn refused_bytes(test: &str, bytes: &[u8], says: &[&str]) -> Outcome {
    let scratch = Scratch::new(test)?;
    let path = scratch.file("bad.pcap", bytes)?;
    refused(&path, &path.display().to_string(), says)
}

#[test]
fn a_text_file() -> Outcome {
    let says = ["not a pcap or pcapng capture", "text", "tcpdump -w"];
    refused_bytes("text", b"Sat Nov 21 07:27:00 GET / 200\n", &says)?;
    refused_bytes("json", b"{\"log\": {\"version\": 1}}", &says)
}

#[test]
fn a_compression_that_is_not_read() -> Outcome {
    let cases: [(&str, &[u8], [&str; 2]); 4] = [
        ("xz", b"\xfd7zXZ\0\0\x04", ["xz", "xz -dc"]),
        ("lz4", b"\x04\x22\x4d\x18\x64\x40", ["lz4", "lz4 -dc"]),
        ("bzip2", b"BZh91AY&SY", ["bzip2", "bzip2 -dc"]),
        ("zip", b"PK\x03\x04\x14\0", ["zip archive", "unpack"]),
    ];
    for (name, bytes, says) in cases {
        refused_bytes(name, bytes, &says)?;
    }
    Ok(())
}

#[test]
fn bytes_of_no_known_format() -> Outcome {
    let noise: Vec<u8> = (0..4096_u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0] | 0x80)
        .collect();
    refused_bytes(
        "noise",
        &noise,
        &["not a pcap or pcapng capture", "tcpdump -w"],
    )
}

#[test]
fn nothing_at_all() -> Outcome {
    refused_bytes("empty", b"", &["empty", "tcpdump -U"])?;
    // Compressed nothing is nothing, too.
    refused_bytes("empty-gz", &gzip(b"", 1)?, &["is"])
}

#[test]
fn less_than_a_file_header() -> Outcome {
    let bytes = fs::read(good())?;
    for length in [1, 3, 4, 10, 23] {
        refused_bytes(
            &format!("header-{length}"),
            &bytes[..length],
            &["not a pcap or pcapng capture", "short"],
        )?;
    }
    Ok(())
}

/// A capture without frames is a capture: nothing happened.
#[test]
fn a_file_header_alone_is_no_error() -> Outcome {
    let scratch = Scratch::new("header")?;
    let bytes = fs::read(good())?;
    let path = scratch.file("quiet.pcap", &bytes[..24])?;
    let told = told([OsStr::new("read"), path.as_os_str()])?;
    assert_eq!((told.code, told.err.as_str()), (Some(0), ""));
    assert!(told.out.contains("no TCP segments"), "{}", told.out);
    assert!(told.out.contains("quiet"), "{}", told.out);
    Ok(())
}

#[test]
fn an_unknown_link_type() -> Outcome {
    let mut trace = good_trace()?;
    trace.link = 147;
    refused_bytes(
        "link",
        &trace.pcap(Order::Big, Fraction::Micros),
        &["link type 147", "Ethernet", "capture on another interface"],
    )
}

/// In a pcapng file the other interfaces count.
#[test]
fn an_interface_of_unknown_link_type_is_counted() -> Outcome {
    let scratch = Scratch::new("links")?;
    let trace = good_trace()?;
    let mut other = trace.clone();
    other.link = 147;
    let file = Pcapng::default().file(&[("usb0", &other), ("eth0", &trace)]);
    let path = scratch.file("two.pcapng", &file)?;
    let told = told([
        OsStr::new("read"),
        OsStr::new("--format=json"),
        path.as_os_str(),
    ])?;
    assert_eq!((told.code, told.err.as_str()), (Some(0), ""));
    let report = json(&told)?;
    assert_eq!(
        report["vantages"][0]["skipped"]["unsupported_link_type"],
        75
    );
    assert_eq!(report["vantages"][1]["segments"], 75);
    assert_eq!(report["flows"].as_array().map(Vec::len), Some(1));
    Ok(())
}

#[test]
fn no_such_file() -> Outcome {
    let path = "/nonexistent/gw.pcap";
    refused(path, path, &["No such file", "check the name"])
}

#[test]
fn a_directory() -> Outcome {
    let scratch = Scratch::new("directory")?;
    let path = scratch.path();
    refused(
        path,
        &path.display().to_string(),
        &["is a directory", "name the capture files"],
    )
}

#[test]
fn no_permission() -> Outcome {
    let scratch = Scratch::new("permission")?;
    let locked = scratch.file("locked.pcap", &fs::read(good())?)?;
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o000))?;
    // Root may read anything but some of /proc.
    let denied = [locked, PathBuf::from("/proc/1/mem")]
        .into_iter()
        .find(|path| {
            File::open(path).is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
        });
    let Some(path) = denied else {
        println!("skipped: nothing is denied to this user");
        return Ok(());
    };
    refused(
        &path,
        &path.display().to_string(),
        &["Permission denied", "permissions"],
    )
}

#[test]
fn standard_input() -> Outcome {
    let twice = told(["read", "-", "x=-"])?;
    one_line(&twice, "", &["standard input", "once"]);
    refused("-", "standard input", &["empty", "tcpdump -U"])
}

#[test]
fn names_that_are_none() -> Outcome {
    // The name of a vantage without a file, and nothing at all, as from an empty shell variable.
    for capture in ["gw=", ""] {
        let told = told(["read", capture])?;
        assert_eq!(told.code, Some(2));
        assert_eq!(told.err.lines().count(), 1, "{}", told.err);
        assert!(!told.err.contains(": :"), "names nothing: {}", told.err);
    }
    let none = told(["read"])?;
    assert_eq!(none.code, Some(2));
    assert!(none.err.contains("Usage: "), "{}", none.err);
    Ok(())
}

/// With nothing to report there is no table of nothing.
#[test]
fn only_bad_input_prints_no_table() -> Outcome {
    let told = told(["read", "/nonexistent/gw.pcap"])?;
    one_line(&told, "/nonexistent/gw.pcap", &[]);
    assert_eq!(told.out, "");
    Ok(())
}

#[test]
fn a_filter_that_is_none() -> Outcome {
    let good = good();
    let told = told([
        OsStr::new("read"),
        OsStr::new("-f"),
        OsStr::new("tcp prot 80"),
        good.as_os_str(),
    ])?;
    one_line(
        &told,
        "",
        &["filter 'tcp prot 80'", "syntax error", "pcap-filter"],
    );
    assert_eq!(told.out, "");
    Ok(())
}

/// It may have a meaning for one file and none for another.
#[test]
fn a_filter_without_meaning_for_a_link_type() -> Outcome {
    let scratch = Scratch::new("filter")?;
    let mut trace = good_trace()?;
    let ethernet = scratch.file("eth.pcap", &trace.pcap(Order::Little, Fraction::Micros))?;
    assert_eq!(trace.link, link::ETHERNET);
    trace.link = link::RAW;
    for packet in &mut trace.packets {
        packet.data.drain(..14);
        packet.wire_len -= 14;
    }
    let raw = scratch.file("raw.pcap", &trace.pcap(Order::Little, Fraction::Micros))?;
    let told = told([
        OsStr::new("read"),
        OsStr::new("--format=json"),
        OsStr::new("-f"),
        OsStr::new("not ether host 02:00:00:00:00:01"),
        raw.as_os_str(),
        ethernet.as_os_str(),
    ])?;
    one_line(
        &told,
        &raw.display().to_string(),
        &["filter 'not ether host 02:00:00:00:00:01'"],
    );
    let report = json(&told)?;
    assert_eq!(report["vantages"][0]["name"], "eth");
    assert_eq!(report["flows"].as_array().map(Vec::len), Some(1));
    Ok(())
}

#[test]
fn a_flow_that_is_not_there() -> Outcome {
    let good = good();
    let arguments = |id: &'static str| {
        [
            OsStr::new("read").to_owned(),
            OsStr::new("--flow").to_owned(),
            OsStr::new(id).to_owned(),
            good.as_os_str().to_owned(),
        ]
    };
    one_line(&told(arguments("1"))?, "", &["no flow 1"]);
    one_line(&told(arguments("18446744073709551615"))?, "", &["no flow"]);
    let word = told(arguments("gw"))?;
    assert_eq!(word.code, Some(2));
    assert!(word.err.contains("gw"), "{}", word.err);
    Ok(())
}

/// What a capture that was read in part looks like: its frames, and what is said of it.
fn damaged(test: &str, bytes: &[u8]) -> Result<(Told, u64, String), Box<dyn Error>> {
    let scratch = Scratch::new(test)?;
    let path = scratch.file("gw.pcap", bytes)?;
    let told = told([
        OsStr::new("read"),
        OsStr::new("--format=json"),
        path.as_os_str(),
        good().as_os_str(),
    ])?;
    let report = json(&told)?;
    assert_eq!(report["vantages"][1]["frames"], 75);
    assert_eq!(report["flows"].as_array().map(Vec::len), Some(2), "both");
    let vantage = &report["vantages"][0];
    let frames = vantage["frames"].as_u64().unwrap_or_default();
    let damage = vantage["damage"].as_str().unwrap_or_default().to_owned();
    Ok((told, frames, damage))
}

/// As when the capturing program was killed: common, and no reason to fail.
#[test]
fn a_last_record_cut_in_half() -> Outcome {
    let trace = good_trace()?;
    let pcap = trace.pcap(Order::Little, Fraction::Micros);
    let pcapng = Pcapng::default().file(&[("eth0", &trace)]);
    for (name, file) in [("cut-pcap", &pcap), ("cut-pcapng", &pcapng)] {
        for missing in [1, 10, 70] {
            let (told, frames, damage) = damaged(name, &file[..file.len() - missing])?;
            assert_eq!((told.code, told.err.as_str()), (Some(0), ""));
            assert_eq!(frames, 74);
            assert!(damage.contains("cut in half"), "{damage}");
        }
    }
    let compressed = gzip(&pcap, 1)?;
    let halves = [("cut-gzip", compressed), ("cut-zstd", zstd(&pcap, 4))];
    for (name, file) in halves {
        let (told, frames, damage) = damaged(name, &file[..file.len() - 20])?;
        assert_eq!((told.code, told.err.as_str()), (Some(0), ""), "{name}");
        assert!((1..75).contains(&frames), "{name}: {frames}");
        assert!(damage.contains("cut"), "{name}: {damage}");
    }
    Ok(())
}

#[test]
fn a_cut_capture_is_told_in_the_table() -> Outcome {
    let scratch = Scratch::new("cut-table")?;
    let bytes = fs::read(good())?;
    let path = scratch.file("gw.pcap", &bytes[..bytes.len() - 5])?;
    let told = told([OsStr::new("read"), path.as_os_str()])?;
    assert_eq!((told.code, told.err.as_str()), (Some(0), ""));
    let mut notes = told.out.lines().filter(|line| line.starts_with("note"));
    let note = notes.find(|line| line.contains("cut in half"));
    assert!(
        note.is_some_and(|line| line.contains("gw") && line.contains("everything before it")),
        "{}",
        told.out
    );
    Ok(())
}

/// The rest of the capture is lost: its flows are reported up to there, and scripts are told.
#[test]
fn damage_in_the_middle() -> Outcome {
    let trace = good_trace()?;
    let (before, after) = trace.packets.split_at(20);
    let part = |packets: &[_]| Trace {
        packets: packets.to_vec(),
        ..trace.clone()
    };
    let little = Order::Little;
    let mut pcap = part(before).pcap(little, Fraction::Micros);
    let mut record = after[0].record(little, Fraction::Micros);
    record[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
    pcap.extend(record);
    pcap.extend(&part(&after[1..]).pcap(little, Fraction::Micros)[24..]);

    let format = Pcapng::default();
    let interfaces = |packets: &[_]| format.file(&[("eth0", &part(packets))]);
    let mut unannounced = interfaces(before);
    unannounced.extend(format.packet(7, &after[0]));
    let mut length = interfaces(before);
    length.extend([6, 0, 0, 0, 33, 0, 0, 0, 0, 0, 0, 0]);
    let mut long_packet = interfaces(before);
    let mut block = format.packet(0, &after[0]);
    block[20..24].copy_from_slice(&5_000_u32.to_le_bytes());
    long_packet.extend(block);
    let mut order = interfaces(before);
    let mut section = format.section();
    section[8] = 0;
    order.extend(section);

    let cases = [
        ("length", pcap, "impossible length"),
        ("unannounced", unannounced, "not announced"),
        ("block-length", length, "impossible length"),
        ("long-packet", long_packet, "packet block"),
        ("byte-order", order, "byte order"),
    ];
    for (name, bytes, what) in cases {
        let (told, frames, damage) = damaged(name, &bytes)?;
        assert_eq!(frames, 20, "{name}");
        assert!(
            damage.contains(what) && damage.contains("byte "),
            "{damage}"
        );
        assert_eq!(told.code, Some(2), "{name}: a part was not read");
        assert_eq!(told.err.lines().count(), 1, "{name}");
        assert!(told.err.contains("gw.pcap") && told.err.contains(what));
    }
    Ok(())
}

#[test]
fn damage_in_the_middle_of_compressed_data() -> Outcome {
    // Large enough that the damage is not in the first piece that is decompressed.
    let mut trace = good_trace()?;
    let packets = trace.packets.clone();
    (0..100).for_each(|_| trace.packets.extend(packets.iter().cloned()));
    let plain = trace.pcap(Order::Little, Fraction::Micros);
    for (name, mut bytes) in [("gzip", gzip(&plain, 4)?), ("zstd", zstd(&plain, 4))] {
        let middle = bytes.len() / 2;
        for byte in &mut bytes[middle..middle + 64] {
            *byte = !*byte;
        }
        let (told, frames, damage) = damaged(name, &bytes)?;
        assert!(frames > 100, "{name}: {frames} frames");
        assert!(damage.contains("byte "), "{name}: {damage}");
        assert_eq!(told.code, Some(2), "{name}: a part was not read");
        assert_eq!(told.err.lines().count(), 1, "{name}");
        assert!(told.err.contains("gw.pcap"), "{}", told.err);
    }
    Ok(())
}

/// Padding after the last member, as tapes and some uploaders leave it: gzip ignores zeros.
#[test]
fn zeros_behind_gzip_data_are_nothing() -> Outcome {
    let mut bytes = gzip(&fs::read(good())?, 1)?;
    bytes.extend([0; 512]);
    let (told, frames, damage) = damaged("zeros", &bytes)?;
    assert_eq!((told.code, frames, damage.as_str()), (Some(0), 75, ""));
    Ok(())
}

/// Cut anywhere, a capture is read up to there or refused with one line.
#[test]
fn a_capture_cut_at_every_length() -> Outcome {
    let mut trace = good_trace()?;
    trace.packets.truncate(3);
    let plain = trace.pcap(Order::Little, Fraction::Micros);
    let forms = [
        ("pcap", plain.clone()),
        ("gzip", gzip(&plain, 2)?),
        ("zstd", zstd(&plain, 2)),
        ("pcapng", Pcapng::default().file(&[("eth0", &trace)])),
    ];
    for (name, file) in forms {
        let scratch = Scratch::new(&format!("every-{name}"))?;
        let mut arguments = vec!["read".into(), "--format=json".into()];
        for length in 0..file.len() {
            let path = scratch.file(format!("{length:04}"), &file[..length])?;
            arguments.push(path.into_os_string());
        }
        let told = told(arguments)?;
        assert_eq!(told.code, Some(2), "{}", told.err);
        let read = json(&told)?["vantages"].as_array().map_or(0, Vec::len);
        assert!(read > 20, "{name}: {read}");
        assert!(
            told.err
                .lines()
                .all(|line| line.starts_with("hopscope: ")
                    && line.contains(&format!("every-{name}"))),
            "{}",
            told.err
        );
    }
    Ok(())
}

/// Interfaces cost twenty bytes each: a small file may announce many.
#[test]
fn very_many_interfaces() -> Outcome {
    let scratch = Scratch::new("interfaces")?;
    let format = Pcapng::default();
    let mut file = format.section();
    let interface = format.interface(b"eth0", link::ETHERNET, 0);
    (0..100_000).for_each(|_| file.extend(&interface));
    let path = scratch.file("many.pcapng", &file)?;
    let told = told([
        OsStr::new("read"),
        OsStr::new("--format=json"),
        path.as_os_str(),
    ])?;
    assert_eq!(told.code, Some(0), "{}", told.err);
    Ok(())
}

/// Names come from files: they must not steer the terminal or tear the table.
#[test]
fn names_with_control_characters() -> Outcome {
    let scratch = Scratch::new("control")?;
    let trace = good_trace()?;
    let evil = "\u{1b}]0;title\u{7}\u{1b}[31mred\nline\r\ttab\u{9b}x\u{202e}";
    let file = Pcapng::default().file(&[(evil, &trace), ("eth1", &trace)]);
    let path = scratch.file("inside.pcapng", &file)?;
    let told_inside = told([
        OsStr::new("read"),
        OsStr::new("--color=always"),
        path.as_os_str(),
    ])?;
    harmless(&told_inside.out);
    let flow = told([
        OsStr::new("read"),
        OsStr::new("--color=always"),
        OsStr::new("--flow=0"),
        path.as_os_str(),
    ])?;
    harmless(&flow.out);

    let name = OsStr::from_bytes(b"\x1b[31mred\nline.pcap");
    let path = scratch.path().join(name);
    fs::write(&path, trace.pcap(Order::Little, Fraction::Micros))?;
    let outside = told([
        OsStr::new("read"),
        OsStr::new("--color=always"),
        path.as_os_str(),
        OsStr::from_bytes(b"missing\x1b[31m\nline.pcap"),
    ])?;
    assert_eq!(outside.code, Some(2));
    harmless(&outside.out);
    harmless(&outside.err);
    assert_eq!(outside.err.lines().count(), 1, "{:?}", outside.err);
    Ok(())
}

/// Nothing but text and the colours that we ourselves use.
fn harmless(text: &str) {
    let mut rest = text.to_owned();
    for style in ["0", "1", "2", "31", "32", "33", "36"] {
        rest = rest.replace(&format!("\u{1b}[{style}m"), "");
    }
    let control = |c: &char| (c.is_control() && *c != '\n') || *c == '\u{202e}';
    let found: Vec<char> = rest.chars().filter(control).collect();
    assert!(found.is_empty(), "{found:?} in {rest:?}");
    assert!(
        !text.contains("\u{1b}[31mred"),
        "the name's colour: {text:?}"
    );
    assert!(
        !rest
            .lines()
            .any(|line| line.trim_start().starts_with("line")),
        "the name broke a line: {rest:?}"
    );
}

/// Arguments need not be UTF-8; file names are bytes.
#[test]
fn a_file_name_that_is_not_utf_8() -> Outcome {
    let scratch = Scratch::new("utf8")?;
    let path = scratch.path().join(OsStr::from_bytes(b"caf\xe9.pcap"));
    fs::write(&path, fs::read(good())?)?;
    let told = told([OsStr::new("read"), path.as_os_str()])?;
    assert_eq!((told.code, told.err.as_str()), (Some(0), ""));
    Ok(())
}

/// `hopscope read ... | head -1`.
#[test]
fn a_reader_that_has_seen_enough() -> Outcome {
    let bytes = fs::read(good())?;
    for arguments in [
        &["read", "-"][..],
        &["read", "--format=json", "-"],
        &["read", "--format=ndjson", "-"],
        &["read", "--flow=0", "-"],
    ] {
        let mut child = hopscope(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        // Gone before there is anything to print.
        drop(child.stdout.take());
        let mut stdin = child.stdin.take().ok_or("a pipe")?;
        stdin.write_all(&bytes)?;
        drop(stdin);
        let told = Told::from(output(child)?);
        assert_eq!(
            (told.code, told.err.as_str()),
            (Some(0), ""),
            "{arguments:?}"
        );
    }
    let mut schema = hopscope(["schema"]);
    let mut child = schema.stdout(Stdio::piped()).spawn()?;
    drop(child.stdout.take());
    assert_eq!(child.wait()?.code(), Some(0));
    Ok(())
}

#[test]
fn colour_where_it_is_wanted() -> Outcome {
    let good = good();
    let file = good.as_os_str();
    let run = |arguments: &[&str]| {
        told(arguments.iter().map(OsStr::new).chain([file])).map(|told| told.out)
    };
    let coloured = |out: &str| out.contains('\u{1b}');
    assert!(!coloured(&run(&["read"])?), "a pipe is no terminal");
    assert!(coloured(&run(&["read", "--color=always"])?));
    assert!(coloured(&run(&["--color", "always", "read"])?));
    assert!(!coloured(&run(&["read", "--color=never"])?));
    Ok(())
}

/// The terminal of `script`, from util-linux.
#[test]
fn colour_on_a_terminal_unless_no_color() -> Outcome {
    if Command::new("script").arg("--version").output().is_err() {
        println!("skipped: script is not installed (apt install bsdutils)");
        return Ok(());
    }
    let command = format!("'{}' read '{}'", binary::path().display(), good().display());
    let on_terminal = |variable: Option<(&str, &str)>| -> Result<String, Box<dyn Error>> {
        let output = Command::new("script")
            .args(["-qec", &command, "/dev/null"])
            .env_remove("NO_COLOR")
            // With CI set colour stays on even where TERM is dumb: CI logs show it.
            .env_remove("CI")
            .env("TERM", "xterm")
            .envs(variable)
            .stdin(Stdio::null())
            .output()?;
        Ok(String::from_utf8(output.stdout)?)
    };
    assert!(on_terminal(None)?.contains("\u{1b}[1mFLOWS"));
    assert!(!on_terminal(Some(("NO_COLOR", "1")))?.contains("\u{1b}[1m"));
    assert!(!on_terminal(Some(("TERM", "dumb")))?.contains("\u{1b}[1m"));
    Ok(())
}

/// What was being done, and what to do.
#[test]
fn a_full_disk_under_the_report() -> Outcome {
    for arguments in [
        &["schema"][..],
        &["read", "--format=json"],
        &["read"],
        &["read", "--format=ndjson"],
    ] {
        let mut command = hopscope(arguments);
        if arguments[0] == "read" {
            command.arg(good());
        }
        let full = File::options().write(true).open("/dev/full")?;
        let child = command.stdout(full).stderr(Stdio::piped()).spawn()?;
        let told: Told = output(child)?.into();
        one_line(&told, "", &["cannot write to standard output", "make room"]);
    }
    Ok(())
}
