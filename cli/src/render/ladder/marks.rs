//! Steps as they are drawn: repetitions folded, a handshake and what is asked right after it in one.

use std::collections::HashSet;
use std::time::Duration;

use tracer::flow::Side;
use tracer::report::{StepName, StepReport};
use tracer::time::Time;

/// So many repetitions are drawn as one.
const FOLDED: usize = 3;
/// What is asked so soon after the handshake is drawn with it.
const AT_ONCE: Duration = Duration::from_millis(50);

/// What one node does so soon after another thing is done with it.
pub(super) const TOGETHER: Duration = Duration::from_millis(2);

/// A step, or several that are alike.
pub(super) struct Mark<'a> {
    pub(super) step: &'a StepReport,
    /// How many it stands for.
    pub(super) times: usize,
    /// When the last of them was.
    pub(super) until: Time,
    /// What was asked right after the handshake.
    pub(super) request: Option<&'a StepReport>,
    /// A RST right after the FIN.
    pub(super) reset: bool,
    /// The first FIN or RST on its hop: no answer to one.
    pub(super) begins_the_end: bool,
}

impl<'a> Mark<'a> {
    fn one(step: &'a StepReport) -> Self {
        Self {
            step,
            times: 1,
            until: step.until.unwrap_or(step.at),
            request: None,
            reset: false,
            begins_the_end: false,
        }
    }

    /// The node that did it, counted from downstream.
    pub(super) fn sender(&self) -> u64 {
        self.step.place + u64::from(self.step.by == Side::Server)
    }

    /// The node that it was meant for.
    pub(super) fn receiver(&self) -> u64 {
        self.step.place + u64::from(self.step.by == Side::Client)
    }

    pub(super) const fn ends(&self) -> bool {
        matches!(self.step.what, StepName::Fin | StepName::Rst)
    }
}

/// In the order of steps.
pub(super) fn of(steps: &[StepReport]) -> Vec<Mark<'_>> {
    let mut marks = Vec::new();
    let mut rest = steps;
    while let Some(step) = rest.first() {
        let run = rest.iter().take_while(|step| repeats(step)).count();
        if run == 0 {
            push(&mut marks, step);
            rest = &rest[1..];
        } else {
            fold(&rest[..run], &mut marks);
            rest = &rest[run..];
        }
    }
    let mut ended = HashSet::new();
    for mark in marks.iter_mut().filter(|mark| mark.ends()) {
        mark.begins_the_end = ended.insert(mark.step.hop);
    }
    marks
}

/// What comes again and again and tells most by how often it does.
const fn repeats(step: &StepReport) -> bool {
    matches!(
        step.what,
        StepName::KeepaliveProbe
            | StepName::ZeroWindowProbe
            | StepName::Retransmission
            | StepName::SynAgain
    )
}

fn push<'a>(marks: &mut Vec<Mark<'a>>, step: &'a StepReport) {
    let last = marks.iter_mut().rfind(|mark| mark.step.hop == step.hop);
    let Some(mark) = last.filter(|mark| mark.step.by == step.by && !step.made) else {
        marks.push(Mark::one(step));
        return;
    };
    let after = step.at.since(mark.step.at);
    match (mark.step.what, step.what) {
        (StepName::Syn, StepName::Data) if mark.request.is_none() && after <= AT_ONCE => {
            mark.request = Some(step);
            mark.until = mark.until.max(step.until.unwrap_or(step.at));
        }
        (StepName::Fin, StepName::Rst) if after <= TOGETHER => mark.reset = true,
        // One for each segment that came too late.
        (StepName::Rst, StepName::Rst) if !mark.step.made => {
            mark.times += 1;
            mark.until = step.at;
        }
        _ => marks.push(Mark::one(step)),
    }
}

/// Repetitions with nothing else between them, each kind for itself.
fn fold<'a>(run: &'a [StepReport], marks: &mut Vec<Mark<'a>>) {
    let same = |a: &StepReport, b: &StepReport| {
        (a.hop, a.by, a.what, a.answered) == (b.hop, b.by, b.what, b.answered)
    };
    let first = marks.len();
    for step in run {
        let times = run.iter().filter(|other| same(step, other)).count();
        if times < FOLDED {
            marks.push(Mark::one(step));
            continue;
        }
        let known = marks[first..].iter_mut().find(|mark| same(mark.step, step));
        match known {
            Some(mark) => {
                mark.times += 1;
                mark.until = step.at;
            }
            None => marks.push(Mark::one(step)),
        }
    }
}
