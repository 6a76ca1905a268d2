//! What works on this machine, a line for each thing.

use std::io::Write;

use anstyle::{AnsiColor, Style};
use tracer::doctor::{Check, Diagnosis, Verdict};

use super::paragraph::wrapped;
use super::{harmless, told_columns};

const HEADING: Style = Style::new().bold();

/// What goes on in the next line of a terminal stands below its beginning, where that leaves so much room.
const ROOM: usize = 40;

/// One line for each thing looked at, then what it comes to.
pub(crate) fn doctor(diagnosis: &Diagnosis) -> anyhow::Result<()> {
    let mut out = anstream::stdout().lock();
    let names = diagnosis
        .checks
        .iter()
        .map(|check| check.name.chars().count());
    let width = names.max().unwrap_or_default();
    let columns = told_columns().unwrap_or(usize::MAX);
    for Check {
        name,
        verdict,
        found,
        advice,
    } in &diagnosis.checks
    {
        let style = style(*verdict);
        let mut told = found.clone();
        if let Some(advice) = advice {
            told = format!("{told}; {advice}");
        }
        let before = format!("{verdict:7}  {name:width$}  ");
        let deep = before.chars().count();
        let shallow = if columns.saturating_sub(deep) < ROOM {
            4
        } else {
            deep
        };
        let lines = wrapped(&harmless(&told), columns, &before, &" ".repeat(shallow));
        let text = lines.join("\n");
        let rest = text.strip_prefix(&*verdict.to_string()).unwrap_or(&text);
        writeln!(out, "{style}{verdict}{style:#}{rest}")?;
    }
    writeln!(
        out,
        "\n{HEADING}hopscope watch{HEADING:#}  {}",
        summary(diagnosis)
    )?;
    Ok(())
}

fn style(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Works => AnsiColor::Green.on_default(),
        Verdict::Partly | Verdict::Unknown => AnsiColor::Yellow.on_default(),
        Verdict::Missing => AnsiColor::Red.on_default(),
    }
}

fn summary(diagnosis: &Diagnosis) -> &'static str {
    match (diagnosis.probe, diagnosis.pcap) {
        (true, true) => "works with eBPF, and with libpcap",
        (true, false) => "works with eBPF, not with libpcap",
        (false, true) => "works with libpcap, not with eBPF: segments are told, sockets are not",
        (false, false) => "cannot work here: see what is missing above",
    }
}
