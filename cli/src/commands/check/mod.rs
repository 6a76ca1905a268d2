//! `hopscope check`.

pub(super) mod captured;
pub(super) mod case;
mod find;
mod init;
mod snapshot;

use std::fs;
use std::path::Path;

use anyhow::Context;

pub(crate) use self::case::{Checked, Problem};
use super::read::in_parallel;
use super::{Outcome, complain, unless_closed};
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
    checked.sort_by(|one, other| one.case.cmp(&other.case));
    if args.bless {
        snapshot::bless(&mut checked)?;
    }
    // Before anything is printed: a reader who has seen enough takes nothing from the file.
    let junit = args.junit.as_deref().map(|path| junit(path, &checked));
    let printed = match args.format {
        CheckFormat::Text => render::check::text(&checked),
        CheckFormat::Json => render::check::json(&checked),
        CheckFormat::Github => render::check::github(&checked),
    };
    unless_closed(printed)?;
    junit.transpose()?;
    Ok(outcome(&checked))
}

fn junit(path: &Path, checked: &[Checked]) -> anyhow::Result<()> {
    let junit = render::junit::document(checked)?;
    fs::write(path, junit).with_context(|| format!("cannot write {}", path.display()))
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
