//! Files that are no captures, and names that are no files.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use hopscope_tests::craft::{Fraction, Order, Pcapng, Scratch, gzip};

use super::{Outcome, good, good_trace, json, one_line, refused, told};

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
