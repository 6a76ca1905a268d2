//! `hopscope check`.

pub(super) mod captured;
pub(super) mod case;
mod find;
mod init;
mod snapshot;

use std::fs;

use anyhow::Context;

pub(crate) use self::case::{Checked, Problem};
use super::read::in_parallel;
use super::{Outcome, complain};
use crate::args::{Check, CheckFormat};
use crate::render;

/// Checks every case that can be checked, and says which cannot.
pub(super) fn run(args: &Check) -> anyhow::Result<Outcome> {
    if args.init {
        return init::run(&args.cases);
    }
    let found = find::cases(&args.cases);
    for remark in &found.remarks {
        complain(remark);
    }
    let mut checked = in_parallel(&found.cases, |case| case::check(case, args.bless));
    checked.extend(found.missing);
    if args.bless {
        snapshot::bless(&mut checked)?;
    }
    match args.format {
        CheckFormat::Text => render::check::text(&checked)?,
        CheckFormat::Json => render::check::json(&checked)?,
        CheckFormat::Github => render::check::github(&checked)?,
    }
    if let Some(path) = &args.junit {
        let junit = render::junit::document(&checked)?;
        fs::write(path, junit).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(outcome(&checked))
}

/// What could not be checked is worse than what is not met: nobody knows what would have come out.
fn outcome(checked: &[Checked]) -> Outcome {
    if checked.iter().any(|case| !case.problems.is_empty()) {
        return Outcome::CouldNotRun;
    }
    let failed = |case: &Checked| {
        case.outcomes
            .iter()
            .any(|outcome| outcome.failure.is_some())
    };
    if checked.iter().any(failed) {
        return Outcome::NotMet;
    }
    Outcome::Fine
}
