//! The whole lab with everything watching at once: both backends agree with what really happened, and
//! libpcap's report is that of tcpdump's captures.

use std::error::Error;
use std::path::{Path, PathBuf};

use hopscope_tests::binary::{Told, hopscope};
use hopscope_tests::judge::live::{disagreements, essence};
use hopscope_tests::lab::capture::Vantage;
use hopscope_tests::lab::live::every_interface;
use hopscope_tests::lab::{self, Lab, Scenario};
use serde_json::Value;

type Outcome = Result<(), Box<dyn Error>>;

#[test]
fn a_load_balancer_that_closes_despite_probes() -> Outcome {
    watched("lb-closes-despite-probes", Tail::Quiet)
}

#[test]
fn a_path_that_is_dead() -> Outcome {
    watched("dead-path", Tail::GoesOn)
}

#[test]
fn an_app_that_resets() -> Outcome {
    watched("app-resets", Tail::Quiet)
}

#[test]
fn a_window_of_zero() -> Outcome {
    watched("zero-window", Tail::Quiet)
}

/// What is sent once a scenario is over.
#[derive(Clone, Copy, PartialEq)]
enum Tail {
    /// Nothing: whoever looks longer sees no more.
    Quiet,
    /// Retransmissions into a path that is dead.
    GoesOn,
}

/// Runs a scenario with tcpdump on every interface, and both backends beside it.
fn watched(name: &str, tail: Tail) -> Outcome {
    if let Some(missing) = lab::missing() {
        println!("skipped: watching {name} needs {missing}");
        return Ok(());
    }
    let scenario = lab::named(name).ok_or("no such scenario")?;
    let vantages = every_interface(scenario.nodes);
    let scenario = Scenario {
        vantages,
        ..*scenario
    };
    let mut lab = Lab::build(&scenario)?;
    lab.watch("pcap")?;
    if let Err(why) = lab.watch("ebpf") {
        println!("skipped: the probe on {name} needs what this machine lacks: {why}");
    }
    (scenario.drive)(&mut lab)?;
    let finished = lab.finish(&scenario)?;
    for watched in &finished.watched {
        assert_eq!(disagreements(watched, &finished.everywhere), [""; 0]);
        if watched.backend == "pcap" && tail == Tail::Quiet {
            let read = read(&lab.results(), vantages)?;
            assert_eq!(essence(&watched.report), essence(&read));
        }
    }
    Ok(())
}

/// The report on what tcpdump captured.
fn read(captures: &Path, vantages: &[Vantage]) -> Result<Value, Box<dyn Error>> {
    let files = vantages
        .iter()
        .map(|vantage| captures.join(format!("{}.pcap", vantage.name)));
    let arguments = [PathBuf::from("read"), "--format=json".into()];
    let told = Told::from(hopscope(arguments.into_iter().chain(files)).output()?);
    Ok(serde_json::from_str(&told.out)?)
}
