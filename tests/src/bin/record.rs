//! Records the scenarios of the lab: `record --out pcaps`.

use std::{
    path::PathBuf,
    process::ExitCode,
    sync::{Arc, atomic::Ordering},
    thread,
};

use anyhow::{Result, bail};
use clap::Parser;
use hopscope_tests::lab::{self, Recording, Scenario, wait};
use signal_hook::{consts::TERM_SIGNALS, flag};

/// Records real traffic of the lab, with what really happened beside it. Needs root.
#[derive(Debug, Parser)]
struct Arguments {
    /// Folder that gets one folder per scenario.
    #[arg(long, default_value = "pcaps")]
    out: PathBuf,
    /// Only this scenario; may be repeated.
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Lists the scenarios and ends.
    #[arg(long)]
    list: bool,
    /// Records nothing: what the truth of recordings in --out owes to the scenario and to the logs is
    /// written anew.
    #[arg(long)]
    reconsider: bool,
    /// How often a scenario that fails is tried.
    #[arg(long, default_value_t = 2)]
    tries: u32,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    if arguments.list {
        for scenario in lab::all() {
            println!("{:24} {}", scenario.name, scenario.description);
        }
        return Ok(ExitCode::SUCCESS);
    }
    if arguments.reconsider {
        for scenario in chosen(&arguments.only)? {
            lab::reconsider(scenario, &arguments.out)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(missing) = lab::missing() {
        bail!("the lab cannot run here, it lacks {missing}");
    }
    let chosen = chosen(&arguments.only)?;
    for &signal in TERM_SIGNALS {
        flag::register(signal, Arc::clone(wait::interrupted()))?;
    }
    let mut failed = false;
    for scenario in chosen {
        // A thread of its own: whatever it starts dies with it, even if it panics.
        let (out, tries) = (arguments.out.clone(), arguments.tries);
        let recorded = thread::spawn(move || record(scenario, &out, tries)).join();
        failed |= !matches!(recorded, Ok(true));
        if wait::interrupted().load(Ordering::Relaxed) {
            bail!("interrupted; namespaces and processes of the lab are gone");
        }
    }
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn chosen(only: &[String]) -> Result<Vec<&'static Scenario>> {
    if only.is_empty() {
        return Ok(lab::all().iter().collect());
    }
    only.iter()
        .map(|name| match lab::named(name) {
            Some(scenario) => Ok(scenario),
            None => bail!("no scenario is called {name}: see --list"),
        })
        .collect()
}

fn record(scenario: &'static Scenario, out: &std::path::Path, tries: u32) -> bool {
    for attempt in 1..=tries {
        match lab::run(scenario, out, &[]) {
            Ok(recording) => {
                report(scenario, &recording);
                return true;
            }
            Err(error) => println!("{}: attempt {attempt}: {error:#}", scenario.name),
        }
        if wait::interrupted().load(Ordering::Relaxed) {
            break;
        }
    }
    false
}

fn report(scenario: &Scenario, recording: &Recording) {
    println!("{}: {}", scenario.name, recording.dir.display());
    let count = |probes: Option<u64>| probes.map_or("?".to_owned(), |count| count.to_string());
    for connection in &recording.truth.connections {
        let view = &connection.view;
        println!(
            "  {} -> {}: {} by {}, keepalive probes {} and {}, zero-window probes {} and {}",
            connection.client,
            connection.server,
            view.end.as_deref().unwrap_or("?"),
            view.ended_by.as_deref().unwrap_or("nobody"),
            count(view.keepalive.client),
            count(view.keepalive.server),
            count(view.zero_window_probes.client),
            count(view.zero_window_probes.server),
        );
    }
}
