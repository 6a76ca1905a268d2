//! Rows of a ladder: what one told the next, and that the next, stands side by side.

use std::time::Duration;

use tracer::report::{LadderReport, Report, StepName, StepReport};
use tracer::time::Time;

use super::super::harmless;
use super::super::units::{bytes, seconds};
use super::marks::{self, Mark, TOGETHER};

/// What is passed on so soon stands in the same row.
const PASSED_ON: Duration = Duration::from_millis(20);

/// So long on the way is worth telling.
const LATE: Duration = Duration::from_millis(30);

/// What happened at a time.
pub(super) struct Row {
    pub(super) at: Time,
    /// When the last of it happened.
    pub(super) until: Time,
    pub(super) cells: Vec<Cell>,
    notes: Vec<String>,
}

/// An arrow between two nodes.
pub(super) struct Cell {
    /// Which hop of the ladder it crosses.
    pub(super) place: usize,
    pub(super) rightwards: bool,
    /// What it says, and the same in fewer words, the longest first.
    pub(super) labels: Vec<String>,
    /// It never came through.
    pub(super) lost: bool,
    /// Something on the way made it.
    pub(super) made: bool,
    /// It ends the connection, or one direction of it.
    pub(super) ends: bool,
}

impl Row {
    /// What is said beside it.
    pub(super) fn note(&self) -> String {
        self.notes.join("; ")
    }
}

/// All rows of a ladder, by time.
pub(super) fn of(report: &Report, ladder: &LadderReport) -> Vec<Row> {
    let marks = marks::of(&ladder.steps);
    let mut rows: Vec<(Row, Vec<&Mark<'_>>)> = Vec::new();
    for mark in &marks {
        let (cell, notes) = (cell(mark), notes(report, ladder, mark));
        match rows.last_mut() {
            Some((row, held)) if belongs(mark, row, held) => {
                row.until = row.until.max(mark.until);
                row.cells.push(cell);
                for note in notes {
                    if !row.notes.contains(&note) {
                        row.notes.push(note);
                    }
                }
                held.push(mark);
            }
            _ => {
                let row = Row {
                    at: mark.step.at,
                    until: mark.until,
                    cells: vec![cell],
                    notes,
                };
                rows.push((row, vec![mark]));
            }
        }
    }
    let finished = rows.into_iter().map(|(mut row, held)| {
        row.notes.extend(both_sides(ladder, &held));
        row
    });
    finished.collect()
}

/// Whether a mark stands beside the others of a row: it passes on what they told, or the same node
/// does the same to its other neighbour. A close that is passed on has a row of its own: who began it
/// is what a ladder is looked at for.
fn belongs(mark: &Mark<'_>, row: &Row, held: &[&Mark<'_>]) -> bool {
    let free = held.iter().all(|other| other.step.place != mark.step.place);
    let after = mark.step.at.since(row.at);
    let passes_on = |other: &&Mark<'_>| {
        other.step.what == mark.step.what
            && other.step.by == mark.step.by
            && other.receiver() == mark.sender()
    };
    let once = held.iter().all(|other| other.times == 1) && mark.times == 1;
    if mark.ends() {
        let same = |other: &&Mark<'_>| other.begins_the_end && other.sender() == mark.sender();
        free && mark.begins_the_end && after <= TOGETHER && held.iter().all(same)
    } else {
        let may_pass = matches!(mark.step.what, StepName::Syn | StepName::Data);
        free && once && may_pass && after <= PASSED_ON && held.iter().any(passes_on)
    }
}

/// `lb closes both sides`.
fn both_sides(ladder: &LadderReport, held: &[&Mark<'_>]) -> Option<String> {
    let [first, _] = held else { return None };
    if !held.iter().all(|mark| mark.begins_the_end) {
        return None;
    }
    let node = ladder.nodes.get(usize::try_from(first.sender()).ok()?)?;
    Some(format!("{} ends both sides", harmless(node)))
}

fn cell(mark: &Mark<'_>) -> Cell {
    let step = mark.step;
    let mut labels = labels(mark);
    if mark.times > 1 {
        let times = labels
            .iter()
            .map(|label| format!("{label} x{}", mark.times));
        labels = times.chain(labels.iter().cloned()).collect();
    }
    Cell {
        place: usize::try_from(step.place).unwrap_or(usize::MAX),
        rightwards: mark.sender() == step.place,
        labels,
        lost: step.arrived == Some(false),
        made: step.made,
        ends: mark.ends(),
    }
}

/// What a mark says, and the same in fewer words.
fn labels(mark: &Mark<'_>) -> Vec<String> {
    let words = |words: &str| vec![words.to_owned()];
    let step = mark.step;
    match step.what {
        StepName::Syn => match mark.request {
            Some(request) => {
                let mut labels = data(request);
                labels.insert(0, format!("SYN, {}", labels[0]));
                labels.push("SYN".to_owned());
                labels
            }
            None => words("SYN"),
        },
        StepName::SynAgain => vec!["SYN again".to_owned(), "SYN".to_owned()],
        StepName::Data => data(step),
        StepName::Goaway => vec!["GOAWAY".to_owned(), "GOA".to_owned()],
        StepName::KeepaliveProbe => words("KA"),
        StepName::ZeroWindow => vec!["window 0".to_owned(), "W 0".to_owned()],
        StepName::ZeroWindowProbe => words("ZWP"),
        StepName::WindowOpened => vec!["window".to_owned(), "W".to_owned()],
        StepName::Retransmission => vec!["again".to_owned(), "re".to_owned()],
        StepName::Fin if mark.reset => vec!["FIN, RST".to_owned(), "FIN".to_owned()],
        StepName::Fin => words("FIN"),
        StepName::Rst => words("RST"),
    }
}

/// `GET /report` and `GET`.
fn data(step: &StepReport) -> Vec<String> {
    let text = match &step.text {
        Some(text) => harmless(text),
        None => bytes(step.bytes),
    };
    let begins = text.split(' ').next().unwrap_or_default().to_owned();
    vec![text, begins]
}

/// What is said beside a mark.
fn notes(report: &Report, ladder: &LadderReport, mark: &Mark<'_>) -> Vec<String> {
    let step = mark.step;
    let mut notes = Vec::new();
    let place = usize::try_from(step.place).ok();
    let used = place.and_then(|place| ladder.hops.get(place));
    if used != Some(&step.hop)
        && let Some(hop) = report.hops.iter().find(|hop| hop.id == step.hop)
    {
        notes.push(format!("in vain: {}", hop.server));
    }
    // What tells most comes first: the end may be cut.
    let probes = |answer: &str, noun: &str| {
        if mark.times > 1 {
            #[expect(clippy::cast_precision_loss, reason = "a few thousand at most")]
            let apart = mark.until.since(step.at).as_secs_f64() / (mark.times - 1) as f64;
            format!("{answer}, every {}", seconds(apart))
        } else {
            format!("{answer} {noun}")
        }
    };
    match (step.what, step.answered) {
        (StepName::KeepaliveProbe, Some(true)) => notes.push(probes("answered", "keepalive")),
        (StepName::KeepaliveProbe, _) => notes.push(probes("unanswered", "keepalive")),
        (StepName::ZeroWindowProbe, _) => notes.push("zero-window probe, no keepalive".to_owned()),
        (StepName::Retransmission, _) if mark.times > 1 => {
            let lasted = mark.until.since(step.at).as_secs_f64();
            notes.push(format!("sent again for {}", seconds(lasted)));
        }
        (StepName::Syn, Some(false)) => notes.push("not accepted".to_owned()),
        (StepName::ZeroWindow, _) => notes.push("stops reading".to_owned()),
        (StepName::WindowOpened, _) => notes.push("reads again".to_owned()),
        _ => {}
    }
    if step.made {
        notes.push("made on the way".to_owned());
    } else if step.arrived == Some(false) {
        notes.push("lost on the way".to_owned());
    }
    let late = step.arrived_at.map(|arrived| arrived.since(step.at));
    if let Some(late) = late.filter(|late| *late >= LATE) {
        notes.push(format!("arrives {} later", seconds(late.as_secs_f64())));
    }
    let lasted = step.until.map(|until| until.since(step.at).as_secs_f64());
    if let Some(lasted) = lasted.filter(|lasted| *lasted >= super::SILENCE) {
        notes.push(format!("{} in {}", bytes(step.bytes), seconds(lasted)));
    }
    notes
}
