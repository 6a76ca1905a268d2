//! The tables for people: they fit the terminal, say what they have no room for, and tell captures
//! of one name apart.

use std::error::Error;
use std::path::{Path, PathBuf};

use hopscope_tests::binary::{Told, hopscope};
use hopscope_tests::craft::recordings;

type Outcome = Result<(), Box<dyn Error>>;

fn pcaps() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../pcaps")
}

/// No line of the tables is longer than the terminal is wide, from 80 columns on.
#[test]
fn tables_fit() -> Outcome {
    let root = pcaps();
    for width in [80, 100, 160] {
        for path in recordings() {
            let relative = path.strip_prefix(&root)?;
            let told = Told::from(
                hopscope(["read", "--all"])
                    .arg(relative)
                    .current_dir(&root)
                    .env("COLUMNS", width.to_string())
                    .output()?,
            );
            let tables = told.out.lines().filter(|line| !line.starts_with("note"));
            for line in tables {
                let length = line.chars().count();
                assert!(length <= width, "{length} of {width} columns: {line}");
            }
        }
    }
    Ok(())
}

/// What a narrow table leaves out is named, and a wide one leaves nothing out.
#[test]
fn columns_without_room_are_named() -> Outcome {
    for (width, named) in [(80, true), (200, false)] {
        let told = Told::from(
            hopscope(["read"])
                .arg(pcaps().join("dead-path/lb.pcap"))
                .env("COLUMNS", width.to_string())
                .output()?,
        );
        let line = told
            .out
            .lines()
            .find(|line| line.starts_with("no room for: "));
        assert_eq!(line.is_some(), named, "{}", told.out);
        for heading in ["opened", "bytes", "also"] {
            let shown = told
                .out
                .lines()
                .any(|line| line.starts_with('#') && line.contains(heading));
            let left_out = line.is_some_and(|line| line.contains(heading));
            assert!(shown != left_out, "{heading} at {width}: {}", told.out);
        }
    }
    Ok(())
}

/// Flows carry the name of their vantage: it says which capture is meant.
#[test]
fn captures_of_one_name_are_told_apart() -> Outcome {
    let names = |captures: [&str; 3]| -> Result<Vec<String>, Box<dyn Error>> {
        let told = Told::from(
            hopscope(["read", "--format=json"])
                .args(captures)
                .current_dir(pcaps())
                .output()?,
        );
        let report: serde_json::Value = serde_json::from_str(&told.out)?;
        let vantages = report["vantages"].as_array().ok_or("no vantages")?;
        let name = |vantage: &serde_json::Value| vantage["name"].as_str().map(str::to_owned);
        Ok(vantages.iter().filter_map(name).collect())
    };
    assert_eq!(
        names(["ipv6/client.pcap", "nat/client.pcap", "nat/nat.pcap"])?,
        ["ipv6/client", "nat/client", "nat"]
    );
    assert_eq!(
        names(["a=ipv6/client.pcap", "nat/client.pcap", "nat/nat.pcap"])?,
        ["a", "client", "nat"]
    );
    Ok(())
}

/// A width that is no number, or too small for any table, does no harm.
#[test]
fn impossible_widths() -> Outcome {
    for width in [
        "",
        "0",
        "1",
        "-5",
        "wide",
        "99999999999999999999",
        "1000000",
    ] {
        let told = Told::from(
            hopscope(["read"])
                .arg(pcaps().join("zero-window/client.pcap"))
                .env("COLUMNS", width)
                .output()?,
        );
        assert_eq!((told.code, told.err.as_str()), (Some(0), ""), "{width}");
        assert!(told.out.contains("FLOWS"));
        assert!(told.out.len() < 100_000, "{width}");
    }
    Ok(())
}
