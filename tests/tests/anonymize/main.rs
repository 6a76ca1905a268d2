//! `hopscope anonymize`: the same report of others, and nothing of what was there before.

mod cases;
mod private;
mod same;

use std::collections::BTreeSet;
use std::error::Error;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use hopscope_tests::anonymity::{comparable, mapped};
use hopscope_tests::binary::{Told, hopscope};
use hopscope_tests::craft::{Fraction, Order, Pcapng, Scratch, Trace, gzip, recordings};
use private::contents;
use serde_json::Value;
use tracer::anonymize::{Key, Mapping};

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
