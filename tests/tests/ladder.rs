//! Chains of real recordings as ladders: who told what to whom, and what became of it.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use hopscope_tests::binary::{Told, hopscope};
use hopscope_tests::craft::Scratch;

type Outcome = Result<(), Box<dyn Error>>;

fn pcaps() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../pcaps")
}

/// All captures of a recording, by name.
fn captures(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut captures = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "pcap") {
            captures.push(path);
        }
    }
    captures.sort();
    Ok(captures)
}

fn ladder(recording: &str, chain: u64, width: usize) -> Result<Told, Box<dyn Error>> {
    let told = hopscope(["read", "--chain", &chain.to_string()])
        .args(captures(&pcaps().join(recording))?)
        .env("COLUMNS", width.to_string())
        .output()?;
    Ok(told.into())
}

/// The nodes over the bars, in their order.
fn nodes(ladder: &str) -> Vec<&str> {
    let line = ladder.lines().nth(1).unwrap_or_default();
    line.split_whitespace().collect()
}

/// The arrows of the rows that say something, column by column.
fn rows<'a>(ladder: &'a str, says: &str) -> Vec<Vec<&'a str>> {
    let rows = ladder.lines().filter(|line| line.contains(says));
    let cells = |line: &'a str| line.split('|').skip(1).map(str::trim).collect();
    rows.map(cells).collect()
}

fn points(arrow: &str) -> Option<char> {
    match (arrow.starts_with('<'), arrow.ends_with('>')) {
        (true, false) => Some('<'),
        (false, true) => Some('>'),
        _ => None,
    }
}

/// The balancer closes both ways at once; the probes before came from the gateway, were answered, and
/// crossed that hop only.
#[test]
fn the_culprit_is_where_arrows_diverge() -> Outcome {
    let told = ladder("lb-closes-despite-probes", 0, 120)?;
    assert_eq!(nodes(&told.out)[..4], ["client", "lb", "gw", "pod"]);
    let ends = rows(&told.out, "lb ends both sides");
    assert_eq!(ends.len(), 1, "{}", told.out);
    assert!(ends[0][0].contains("FIN") && points(ends[0][0]) == Some('<'));
    assert!(ends[0][1].contains("FIN") && points(ends[0][1]) == Some('>'));
    assert_eq!(ends[0][2], "", "{}", told.out);
    let probes = rows(&told.out, "KA");
    assert_eq!(probes.len(), 2, "{}", told.out);
    for probe in probes {
        assert_eq!(
            (probe[0], points(probe[1])),
            ("", Some('<')),
            "{}",
            told.out
        );
        assert!(
            probe
                .last()
                .is_some_and(|note| note.starts_with("answered"))
        );
    }
    assert!(told.out.contains("2.02 s silence"), "{}", told.out);
    Ok(())
}

/// A connection under four addresses is one column.
#[test]
fn address_translation_is_no_column() -> Outcome {
    let told = ladder("nat", 0, 120)?;
    assert_eq!(
        nodes(&told.out)[..3],
        ["client", "gw", "pod"],
        "{}",
        told.out
    );
    let asked = rows(&told.out, "- GET");
    assert_eq!(asked.len(), 1, "seen four times, sent once: {}", told.out);
    Ok(())
}

/// A classic pcap file whose clock is so many seconds ahead.
fn ahead(capture: &[u8], seconds: u32) -> Vec<u8> {
    let mut ahead = capture.to_vec();
    let number = |bytes: &[u8], at: usize| {
        let number = bytes.get(at..at + 4)?;
        Some(u32::from_le_bytes(number.try_into().ok()?))
    };
    // A header of 24 bytes, then records of 16 bytes and what was captured.
    let mut at = 24;
    while let (Some(second), Some(length)) = (number(&ahead, at), number(&ahead, at + 8)) {
        ahead[at..at + 4].copy_from_slice(&(second + seconds).to_le_bytes());
        at += 16 + length as usize;
    }
    ahead
}

/// Clocks that are seconds apart draw the same ladder, and the table says so.
#[test]
fn clocks_that_disagree_draw_the_same_ladder() -> Outcome {
    let folder = Scratch::new("ladder-clocks")?;
    let mut captures = Vec::new();
    for (name, seconds) in [("client", 0), ("lb", 7), ("gw", 3), ("pod", 900)] {
        let path = pcaps().join(format!("lb-closes-despite-probes/{name}.pcap"));
        captures.push(folder.file(format!("{name}.pcap"), &ahead(&fs::read(path)?, seconds))?);
    }
    let read = |options: &[&str]| -> Result<Told, Box<dyn Error>> {
        let told = hopscope(["read"]).args(options).args(&captures).output()?;
        Ok(told.into())
    };
    let straight = hopscope(["read", "--chain", "0"])
        .args(
            ["client", "lb", "gw", "pod"]
                .map(|name| pcaps().join(format!("lb-closes-despite-probes/{name}.pcap"))),
        )
        .output()?;
    let straight = Told::from(straight);
    let arrows = |told: &Told| -> Vec<String> {
        let rows = told.out.lines().filter(|line| line.contains('|'));
        let arrows = rows.filter_map(|line| line.split_once('|'));
        arrows.map(|(_, arrows)| arrows.to_owned()).collect()
    };
    let wrong = read(&["--chain", "0"])?;
    assert!(arrows(&straight).len() > 8, "{}", straight.out);
    assert_eq!(arrows(&wrong), arrows(&straight));
    let table = read(&[])?;
    for (vantage, clock) in [("lb ", "7.00 s ahead"), ("pod ", "15 min 0 s ahead")] {
        let line = table
            .out
            .lines()
            .find(|line| line.starts_with(vantage) && line.contains(clock));
        assert!(line.is_some(), "{vantage}: {}", table.out);
    }
    Ok(())
}

/// An answer that a router swallowed did not arrive, and where nothing was lost nothing is said to be.
#[test]
fn what_was_lost_is_marked() -> Outcome {
    let told = ladder("retransmission-death", 0, 120)?;
    let lost = rows(&told.out, "lost on the way");
    let answer = lost.iter().any(|row| row[1].starts_with('x'));
    assert!(answer, "{}", told.out);
    for calm in [
        "lb-idle-timeout",
        "client-gives-up",
        "gw-keepalive-7-5-2",
        "ipv6",
    ] {
        let told = ladder(calm, 0, 120)?;
        assert_eq!(told.code, Some(0), "{calm}: {}", told.err);
        assert!(
            !told.out.contains("lost on the way"),
            "{calm}: {}",
            told.out
        );
        assert!(
            !told.out.contains("made on the way"),
            "{calm}: {}",
            told.out
        );
    }
    Ok(())
}

/// The RST that a router made in the balancer's name.
#[test]
fn what_was_made_on_the_way_is_marked() -> Outcome {
    let told = ladder("injected-reset", 0, 120)?;
    let made = rows(&told.out, "made on the way");
    let to_gateway = made.iter().filter(|row| row[1].starts_with('*'));
    assert_eq!(to_gateway.count(), 1, "{}", told.out);
    Ok(())
}

/// What was tried in vain stands before what was used, in the same column.
#[test]
fn attempts_in_vain_are_drawn() -> Outcome {
    let told = ladder("reset-retried", 0, 120)?;
    let vain = rows(&told.out, "in vain: ");
    assert!(
        vain.iter().any(|row| row[1].contains("RST")),
        "{}",
        told.out
    );
    let asked = rows(&told.out, "- GET");
    assert_eq!(asked.iter().filter(|row| row[1].contains("GET")).count(), 2);
    Ok(())
}

/// Every ladder of every recording fits every terminal.
#[test]
fn ladders_fit() -> Outcome {
    let mut drawn = 0;
    for entry in fs::read_dir(pcaps())? {
        let folder = entry?.path();
        if !folder.is_dir() {
            continue;
        }
        let name = folder.file_name().ok_or("no name")?.to_string_lossy();
        for width in [40, 80, 160] {
            let told = ladder(&name, 0, width)?;
            assert_eq!((told.code, told.err.as_str()), (Some(0), ""), "{name}");
            for line in told.out.lines() {
                let length = line.chars().count();
                assert!(length <= width, "{name}: {length} of {width}: {line}");
            }
            drawn += usize::from(told.out.contains("|-"));
        }
    }
    assert!(drawn >= 60, "{drawn}");
    Ok(())
}

#[test]
fn a_chain_that_is_not_there_is_said_with_those_that_are() -> Outcome {
    let told = ladder("lb-idle-timeout", 99, 80)?;
    assert_eq!((told.code, told.out.as_str()), (Some(2), ""));
    assert!(
        told.err
            .contains("there is no chain 99: the chains are 0 to "),
        "{}",
        told.err
    );
    Ok(())
}

/// The rules behind the verdict of that chain alone, before its ladder; none where they are not wanted.
#[test]
fn the_rules_behind_one_chain_are_explained() {
    let captures = captures(&pcaps().join("stale-reuse")).expect("captures");
    let run = |more: &[&str]| {
        let told = hopscope(["read"]).args(more).args(&captures).output();
        let told = told.expect("hopscope runs");
        assert!(told.status.success(), "{more:?}: {told:?}");
        String::from_utf8(told.stdout).expect("text")
    };
    let report: serde_json::Value =
        serde_json::from_str(&run(&["--format", "json"])).expect("a report");
    let verdicts = report["verdicts"].as_array().expect("verdicts");
    assert!(verdicts.len() > 1, "one verdict explains nothing");
    for verdict in verdicts {
        let Some(chain) = verdict["chain"].as_u64() else {
            continue;
        };
        let chain = chain.to_string();
        let ladder = run(&["--chain", &chain]);
        let told = run(&["--chain", &chain, "--explain"]);
        assert!(told.ends_with(&ladder), "{told}");
        let explained = told.trim_end_matches(ladder.as_str());
        let of_chain = verdicts
            .iter()
            .filter(|other| other["chain"] == verdict["chain"]);
        assert_eq!(
            explained.matches("\n  rule ").count(),
            of_chain.count(),
            "{told}"
        );
        let summary = verdict["summary"].as_str().expect("a summary");
        let start: String = summary.split(' ').take(3).collect::<Vec<_>>().join(" ");
        assert!(explained.contains(&start), "{told}");
        assert!(!ladder.contains("\n  rule "), "{ladder}");
    }
}
