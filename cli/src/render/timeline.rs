//! One flow, event by event, in words.

use std::io::Write;

use anstyle::Style;
use tabled::builder::Builder;
use tabled::settings::object::Columns;
use tabled::settings::{Alignment, Modify, Padding, Style as Borders};
use tracer::flow::{Event, Side, What};
use tracer::report::FlowReport;
use tracer::time::Time;

use super::harmless;
use super::units::{count, seconds};
use super::wording;

const HEADING: Style = Style::new().bold();

/// What happened on a flow.
pub(crate) fn timeline(flow: &FlowReport, events: &[Event]) -> anyhow::Result<()> {
    let mut out = anstream::stdout().lock();
    let FlowReport {
        id,
        vantage,
        client,
        server,
        first,
        ..
    } = flow;
    writeln!(
        out,
        "{HEADING}FLOW {}{HEADING:#}  {}: {client} -> {server}",
        id.0,
        harmless(vantage)
    )?;
    writeln!(
        out,
        "first segment {first}, lasted {}\n",
        seconds(flow.lasted_s)
    )?;
    let mut table = Builder::new();
    table.push_record(["time", "since start", "since previous", "frame", "what"]);
    let mut previous = *first;
    for event in events {
        table.push_record([
            time_of_day(event.at),
            format!("{:.6} s", event.at.since(*first).as_secs_f64()),
            seconds(event.at.since(previous).as_secs_f64()),
            format!("#{}", event.frame),
            format!("{} {}", event.by.name(), words(event, events, flow)),
        ]);
        previous = event.at;
    }
    let mut table = table.build();
    table
        .with(Borders::blank())
        .with(Padding::new(0, 2, 0, 0))
        .with(Modify::new(Columns::new(1..3)).with(Alignment::right()));
    for line in table.to_string().lines() {
        writeln!(out, "{}", line.trim_end())?;
    }
    if let Some(summary) = summary(flow) {
        writeln!(out, "\n{summary}")?;
    }
    Ok(())
}

/// `15:07:02.114385` of an RFC 3339 time.
fn time_of_day(at: Time) -> String {
    let text = at.to_string();
    text.get(11..26).unwrap_or(&text).to_owned()
}

fn words(event: &Event, events: &[Event], flow: &FlowReport) -> String {
    let what = wording::what(event.what);
    match event.what {
        What::Data { until, .. } => {
            let took = until.since(event.at);
            if took.as_millis() == 0 {
                what
            } else {
                format!("{what} in {}", seconds(took.as_secs_f64()))
            }
        }
        What::KeepaliveProbe { .. } => format!("{what}; {}", answer(event, events)),
        What::Fin | What::Rst
            if flow.ended == Some(event.at) && flow.ended_by == Some(event.by) =>
        {
            format!("{what}{}", wording::FIRST_TO_END)
        }
        _ => what,
    }
}

/// What came of a probe.
fn answer(probe: &Event, events: &[Event]) -> String {
    let next = events.iter().find(|event| {
        event.at >= probe.at
            && match event.what {
                What::KeepaliveAnswer { .. } => event.by != probe.by,
                What::KeepaliveProbe { .. } => event.by == probe.by && event.frame > probe.frame,
                What::Rst => true,
                _ => false,
            }
    });
    match next.map(|event| (event.what, event.by)) {
        Some((What::KeepaliveAnswer { after }, _)) => {
            format!("answered in {}", seconds(after.as_secs_f64()))
        }
        Some((What::Rst, by)) if by != probe.by => "answered by a RST".to_owned(),
        _ => "not answered".to_owned(),
    }
}

fn summary(flow: &FlowReport) -> Option<String> {
    let sides = [
        (Side::Client, &flow.keepalive.client),
        (Side::Server, &flow.keepalive.server),
    ];
    let told: Vec<String> = sides
        .into_iter()
        .filter_map(|(side, run)| {
            let run = run.as_ref()?;
            let idle = run
                .idle_s
                .map(|s| format!(", idle {}", seconds(s)))
                .unwrap_or_default();
            let every = run.interval_s.map(|s| format!(", interval {}", seconds(s)));
            let probes = count(run.probes.len() as u64, "keepalive probe");
            Some(format!(
                "{}: {probes}{idle}{}",
                side.name(),
                every.unwrap_or_default()
            ))
        })
        .collect();
    (!told.is_empty()).then(|| told.join("\n"))
}
