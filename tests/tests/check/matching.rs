//! Of how many of those selected everything must hold.

use super::Outcome;
use super::flows::changes::CALM;
use hopscope_tests::cases::{Cases, failures};

/// How many must match, and how many there are.
#[test]
fn so_many_must_match() -> Outcome {
    let cases = Cases::new("matching")?;
    let second = CALM.replace("# A request", "# Two").replace(
        "30.000 ",
        "22.0 C2 SYN\n+0.001 S2 SYN+ACK\n+0.001 C2 ACK\n+0.001 S2 RST\n30.000 ",
    );
    let expectation = |name: &str, how: &str| {
        format!("[[expect]]\nname = \"{name}\"\nflows = \"all\"\nended_by = \"client\"\n{how}\n")
    };
    let met = [
        "match = \"any\"",
        "match = \"exactly 1\"",
        "match = \"1..2\"",
        "count = 2\nmatch = \"any\"",
    ];
    let missed = [
        ("", "1 of 2 are so"),
        ("match = \"all\"", "ended_by is server"),
        ("match = \"none\"", "ended_by is client"),
        ("match = \"exactly 2\"", "1 of 2 are so"),
        ("match = \">= 2\"", "1 of 2 are so"),
        ("count = 3", "there are 2"),
    ];
    let mut toml = String::new();
    for (place, how) in met.iter().enumerate() {
        toml += &expectation(&format!("met {place}"), how);
    }
    for (place, (how, _)) in missed.iter().enumerate() {
        toml += &expectation(&format!("missed {place}"), how);
    }
    cases.script("case", &second, &toml)?;
    let checked = cases.checked()?;
    let found = failures(&checked[0]);
    assert_eq!(found.len(), missed.len(), "{found:#?}");
    for (failure, (how, why)) in found.iter().zip(missed) {
        assert!(failure.contains(why), "{how}: {failure}");
    }
    Ok(())
}
