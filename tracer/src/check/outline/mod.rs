//! A first `hopscope.toml`, written from what captures show: each line holds, and says what it means.

mod chains;
mod connections;
mod draft;
mod facts;
mod ports;
mod sockets;

use super::keys;
use super::subject::View;
use super::test::Value;
use crate::report::{Report, VantageReport, VerdictReport};

pub(crate) use self::draft::quoted;

use self::draft::Draft;
use self::facts::{Asked, Table};

/// What a case names: each with the name of its vantage or proxy, and the file.
#[derive(Clone, Debug, Default)]
pub struct Files {
    /// Captures.
    pub captures: Vec<(String, String)>,
    /// Access logs.
    pub access_logs: Vec<(String, String)>,
    /// A capture ends in the middle of a frame.
    pub cut: bool,
}

const HEAD: &str = "\
# What must hold of the captures in this folder: 'hopscope check' says whether it does.
# Written by 'hopscope check --init' from what they show. Look through it, keep what matters, and
# give each expectation the name of the promise that it guards.
#
# Numbers: 3, \">= 3\", \"2..4\", \"10 ± 2\". Times: \"7s ± 10%\", \"< 500ms\", \"2s..4s\".
# An expectation holds for all that it selects, unless it says match = \"any\", \"none\" or \"exactly 2\".
";

/// The text of a case that these captures meet.
#[must_use]
pub fn outline(files: &Files, report: &Report) -> String {
    let mut out = HEAD.to_owned();
    if files.cut {
        out.push('\n');
        out.push_str(&draft::line(
            "cut = \"allowed\"",
            "a capture ends in the middle of a frame: better record it again",
        ));
    }
    named(&mut out, "captures", "vantage = file", &files.captures);
    named(&mut out, "access_logs", "proxy = file", &files.access_logs);
    // Frames are not named, so captures need not be looked at again.
    let view = View::new(report, &[]);
    let mut drafts = verdicts(&view);
    drafts.extend(chains::drafts(&view));
    drafts.extend(connections::drafts(&view));
    drafts.extend(sockets::drafts(&view));
    drafts.push(whole(&view));
    out + &draft::written(drafts)
}

fn named(out: &mut String, table: &str, meaning: &str, files: &[(String, String)]) {
    if files.is_empty() {
        return;
    }
    out.push_str(&format!("\n[{table}] # {meaning}\n"));
    for (name, file) in files {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let bare = !name.is_empty() && name.chars().all(plain);
        let name = if bare { name.clone() } else { quoted(name) };
        out.push_str(&format!("{name} = {}\n", quoted(file)));
    }
}

const OF_VERDICTS: &[Asked] = &[
    Asked("ended_by", "who ended it: a vantage"),
    Asked("alarm", "whether something went wrong"),
];

/// What was found to be the cause, and that nothing else went wrong.
fn verdicts(view: &View<'_>) -> Vec<Draft> {
    let all = &view.report.verdicts;
    let mut drafts = Vec::new();
    // The least telling last, as they are declared.
    for cause in keys::CAUSES {
        let of_cause: Vec<&VerdictReport> = all
            .iter()
            .filter(|verdict| keys::word(&verdict.cause) == Value::Text((*cause).to_owned()))
            .collect();
        let Some(least) = of_cause.iter().map(|verdict| verdict.confidence).min() else {
            continue;
        };
        let name = format!("verdicts: {cause}");
        let about = format!("verdicts = {{ cause = {} }}", quoted(cause));
        let mut main = Draft::new(&name, &about);
        main.count(of_cause.len(), "so many verdicts of this cause");
        let alike = of_cause.iter().all(|verdict| verdict.confidence == least);
        let least = match keys::word(&least).to_string() {
            // Every verdict is at least possible: that would say nothing.
            lowest if lowest == "possible" => alike.then_some(lowest),
            surest if surest == "certain" => Some(surest),
            least => Some(format!(">= {least}")),
        };
        if let Some(least) = least {
            main.line("confidence", &quoted(&least), "possible, likely or certain");
        }
        let table = Table::new(view, &of_cause, OF_VERDICTS);
        drafts.extend(table.drafts(main, &name, &about));
    }
    if !all.is_empty() {
        let alarms = all.iter().filter(|verdict| verdict.alarm).count();
        let mut draft = Draft::new("alarms", "verdicts = { alarm = true }");
        draft.count(alarms, "so many verdicts say that something went wrong");
        drafts.push(draft);
    }
    drafts
}

const OF_VANTAGES: &[Asked] = &[
    Asked("malformed", "frames whose headers make no sense"),
    Asked("dropped", "frames that the capturing program lost"),
    Asked(
        "damaged",
        "whether a capture was cut in the middle of a frame",
    ),
];

/// That nothing is missing from what everything else rests on.
fn whole(view: &View<'_>) -> Draft {
    let all: Vec<&VantageReport> = view.report.vantages.iter().collect();
    let damaged = all.iter().any(|vantage| vantage.damage.is_some());
    let name = if damaged {
        "captures"
    } else {
        "captures are whole"
    };
    let mut draft = Draft::new(name, "vantages = \"all\"");
    draft.count(all.len(), "so many vantages");
    let table = Table::new(view, &all, OF_VANTAGES);
    table.bounds(&mut draft);
    draft
}
