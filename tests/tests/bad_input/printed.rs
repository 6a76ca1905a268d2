//! What is printed where names, terminals, readers or disks are not as they should be.

use std::error::Error;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Stdio};

use hopscope_tests::binary::{self, Told, hopscope};
use hopscope_tests::craft::{Fraction, Order, Pcapng, Scratch};

use super::{Outcome, good, good_trace, one_line, output, told};

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
