//! Below Linux 6.6 the probe hangs on clsact: it sees the same there.

use hopscope_tests::watching::Watching;
use serde_json::Value;

use super::{Outcome, Pair, flows, named};

#[test]
fn both_ways_of_attaching_see_the_same() -> Outcome {
    let Some(pair) = Pair::new("watch-clsact")? else {
        return Ok(());
    };
    let pod = pair.ns("pod")?;
    let command = ["--backend=ebpf", "--format=json", "--netns", pod];
    let start = |more: &[&str]| Watching::start(&[&command, more].concat());
    let both = start(&[]).and_then(|best| Ok((best, start(&["--no-tcx"])?)));
    let (best, clsact) = match both {
        Ok(both) => both,
        Err(why) => {
            println!("skipped: the probe needs what this machine lacks: {why}");
            return Ok(());
        }
    };
    let (short, long) = (pair.url("/ok")?, pair.url("/big/300000")?);
    pair.curl(&["-o", "/dev/null", &short])?;
    pair.curl(&["-o", "/dev/null", &long])?;
    assert!(pair.curl(&[&pair.url("/reset/100")?]).is_err());
    let told = |watching: Watching| -> Result<Vec<Value>, Box<dyn std::error::Error>> {
        let report: Value = serde_json::from_str(&watching.interrupt()?.out)?;
        let flows = flows(&report, &named(pod, "eth0"));
        let facts = [
            "client",
            "segments",
            "bytes",
            "end",
            "ended_by",
            "exchanges",
        ];
        let of = |flow: &Value| facts.map(|fact| flow[fact].clone()).into();
        Ok(flows.into_iter().map(of).collect())
    };
    let (best, clsact) = (told(best)?, told(clsact)?);
    assert_eq!(best.len(), 3, "{best:?}");
    assert_eq!(best, clsact);
    Ok(())
}
