//! The five situations that hopscope was made for, each a recording, and what the screen says of it.

use std::path::{Path, PathBuf};
use std::{env, fs};

use hopscope_tests::binary;
use hopscope_tests::lab::Truth;

/// What the first three lines must tell: whose doing it was, and how sure that is.
struct Situation {
    recording: &'static str,
    /// Words of the first line.
    told: &'static [&'static str],
}

const SITUATIONS: [Situation; 9] = [
    // 1. Keepalive is off, and a FIN comes after a fixed time.
    of(
        "lb-idle-timeout",
        &["lb ended it", "idle timeout", "4 s", "likely"],
    ),
    // 2. The gateway's options are applied: its probes keep an idle request alive.
    of("l4-state-kept", &["nothing is wrong"]),
    of("gw-keepalive-7-5-2", &["nothing is wrong"]),
    // 3. Static gateway addresses, and one of the nodes is dead.
    of("dead-gateway", &["does not answer", "lb", "certain"]),
    // 4. A server ends every connection at a maximum age.
    of(
        "max-connection-age-cuts-answers",
        &["pod ended it", "connection age", "likely"],
    ),
    // 5. Faults of the data plane: 503 UC, 504 UT, retries, circuit breaker.
    of(
        "stale-reuse",
        &["pod ended it", "pooled connection", "certain"],
    ),
    of(
        "gw-request-timeout",
        &["gw ended it", "504", "3 s", "certain"],
    ),
    of(
        "dead-upstream-retry",
        &["does not answer", "2.0", "certain"],
    ),
    of("overload", &["gw refused", "503", "likely"]),
];

const fn of(recording: &'static str, told: &'static [&'static str]) -> Situation {
    Situation { recording, told }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// What `hopscope read` prints of a recording, 100 columns wide.
fn printed(recording: &str) -> String {
    let folder = Path::new("pcaps").join(recording);
    let truth = Truth::read(&root().join(&folder)).expect("a truth");
    let captures = truth
        .vantages
        .keys()
        .map(|name| folder.join(format!("{name}.pcap")));
    let told: binary::Told = binary::hopscope(["read".into()].into_iter().chain(captures))
        .current_dir(root())
        .env("COLUMNS", "100")
        .output()
        .expect("hopscope runs")
        .into();
    assert_eq!((told.code, told.err.as_str()), (Some(0), ""), "{recording}");
    told.out
}

#[test]
fn the_first_line_tells() {
    for Situation { recording, told } in SITUATIONS {
        let printed = printed(recording);
        let first = printed.lines().next().unwrap_or_default();
        for words in told {
            assert!(
                first.contains(words),
                "{recording}: no {words:?} in {first:?}"
            );
        }
        // What is wrong is told with evidence: times and frames.
        let evidence = printed.lines().nth(1).unwrap_or_default();
        let harmless = first.starts_with("nothing is wrong");
        assert!(
            harmless || evidence.trim_start().starts_with("evidence"),
            "{recording}: the second line is {evidence:?}"
        );
    }
}

/// `RENEW=1` rewrites the files under `tests/golden`.
#[test]
fn reports_are_as_agreed() {
    for Situation { recording, .. } in SITUATIONS {
        let printed = printed(recording);
        let path = root().join(format!("tests/tests/golden/read-{recording}.txt"));
        if env::var_os("RENEW").is_some() {
            fs::write(&path, &printed).expect("a golden file");
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(
            printed,
            expected,
            "{} differs: look at it, then RENEW=1 cargo test -p hopscope-tests --test situations",
            path.display()
        );
    }
}
