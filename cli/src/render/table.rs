//! The report for people.

use std::io::Write;

use anstyle::{AnsiColor, Style};
use tracer::report::{AccessLogReport, FlowReport, Report, Roles};
use tracer::time::Time;

use super::clocks::Clocks;
use super::units::count;
use super::{
    Wanted, chains, columns, flows, harmless, hops, ladder, links, paragraph, telling, totals,
    unjoined, vantages, verdicts,
};

const SHOWN: usize = 20;
pub(super) const HEADING: Style = Style::new().bold();
pub(super) const WARNING: Style = AnsiColor::Yellow.on_default();

/// The verdicts; one line a flow, the most telling first; then the vantages and what they missed.
pub(crate) fn table(report: &Report, wanted: &Wanted<'_>) -> anyhow::Result<()> {
    let mut out = anstream::stdout().lock();
    let width = columns();
    let measure = paragraph::measure(width);
    write!(out, "{}", verdicts::verdicts(report, wanted, measure))?;
    doubts(&mut out, report, measure)?;
    if let Some(verdict) = report.verdicts.iter().find(|verdict| verdict.alarm)
        && let Some(ladder) = ladder::of_verdict(report, verdict)
    {
        let drawn = ladder::ladder_of(report, ladder, verdict.hop, wanted.all, width);
        writeln!(out, "{drawn}")?;
    }
    let order = telling::order(&report.flows);
    let shown = if wanted.all {
        order.len()
    } else {
        order.len().min(SHOWN)
    };
    let clocks = Clocks::of(report);
    let heading = if order.is_empty() {
        "none: no TCP segments in what was read".to_owned()
    } else {
        let left_out = report.flows_left_out.iter().map(|gone| gone.sums.flows);
        let all = order.len() as u64 + left_out.sum::<u64>();
        format!(
            "{shown} of {all}, times since {}",
            milliseconds(clocks.start)
        )
    };
    writeln!(out, "{HEADING}FLOWS{HEADING:#}  {heading}")?;
    if shown > 0 {
        let drawn = flows::flows(&order[..shown], &clocks, width);
        writeln!(out, "{}", drawn.text)?;
        if !drawn.left_out.is_empty() {
            writeln!(out, "no room for: {}", drawn.left_out.join(", "))?;
        }
    }
    let not_shown = totals::not_shown(&order[shown..], wanted.hint);
    for line in [not_shown, totals::left_out(&report.flows_left_out)]
        .into_iter()
        .flatten()
    {
        writeln!(out, "{line}")?;
    }
    writeln!(out)?;
    for list in [chains::chains, hops::hops, links::links] {
        write!(out, "{}", list(report, wanted, clocks.start, width))?;
    }
    writeln!(
        out,
        "{HEADING}VANTAGES{HEADING:#}  {}",
        report.vantages.len()
    )?;
    writeln!(out, "{}", vantages::vantages(&report.vantages, width))?;
    for line in report.access_logs.iter().map(access_log) {
        writeln!(out, "{line}")?;
    }
    for line in report
        .vantages
        .iter()
        .flat_map(vantages::missing)
        .chain(begins_later(&report.flows))
        .chain(unjoined::lines(report))
    {
        writeln!(out, "{WARNING}note{WARNING:#}  {line}")?;
    }
    Ok(())
}

/// Below the verdicts, what makes them less sure: what captures lost, and which do not go together.
fn doubts(out: &mut impl Write, report: &Report, width: usize) -> anyhow::Result<()> {
    if report.verdicts.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = vantages::doubts(&report.vantages).collect();
    for line in &lines {
        let line = format!("less sure, for {line}");
        for line in paragraph::wrapped(&line, width, "", "  ") {
            writeln!(out, "{WARNING}{line}{WARNING:#}")?;
        }
    }
    if !lines.is_empty() {
        writeln!(out)?;
    }
    Ok(())
}

/// `access log gw: 3 entries, 2 of them on these chains`.
fn access_log(log: &AccessLogReport) -> String {
    let unread = (log.unread > 0).then(|| format!(", {} unreadable", count(log.unread, "line")));
    format!(
        "access log {}: {} read, {} of these chains{}",
        harmless(&log.name),
        count(log.entries, "line"),
        log.matched,
        unread.unwrap_or_default()
    )
}

/// RFC 3339, cut to milliseconds: the report has the rest.
pub(super) fn milliseconds(at: Time) -> String {
    let text = at.to_string();
    text.get(..23)
        .map_or_else(|| text.clone(), |text| format!("{text}Z"))
}

fn begins_later(flows: &[FlowReport]) -> Option<String> {
    let inferred = flows
        .iter()
        .filter(|flow| flow.roles == Roles::Inferred)
        .count();
    (inferred > 0).then(|| {
        format!(
            "{} began before the capture: who is client and who server is inferred",
            count(inferred as u64, "flow")
        )
    })
}
