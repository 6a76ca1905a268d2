//! The report for programs.

use std::io::{self, BufWriter, Write};

use super::happened;
use schemars::JsonSchema;
use serde::Serialize;
use tracer::report::{
    AccessLogReport, ChainReport, FlowReport, HopReport, LadderReport, LeftOutReport, LinkReport,
    Report, SocketReport, UnjoinedReport, VantageReport, VerdictReport,
};

/// One indented document.
pub(crate) fn json(report: &Report) -> anyhow::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    serde_json::to_writer_pretty(&mut out, report)?;
    writeln!(out)?;
    Ok(out.flush()?)
}

/// A line of the report as ndjson.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line<'a> {
    /// Where the report begins.
    Report {
        /// `hopscope.report.v1`.
        schema: &'static str,
        /// As in the report.
        sockets_left_out: u64,
    },
    Verdict(&'a VerdictReport),
    Vantage(&'a VantageReport),
    AccessLog(&'a AccessLogReport),
    Flow(&'a FlowReport),
    FlowsLeftOut(&'a LeftOutReport),
    Hop(&'a HopReport),
    Chain(&'a ChainReport),
    Ladder(&'a LadderReport),
    Link(&'a LinkReport),
    Socket(&'a SocketReport),
    Unjoined(&'a UnjoinedReport),
}

/// Any line of ndjson.
#[derive(JsonSchema)]
#[schemars(untagged, title = "A line of hopscope's ndjson")]
#[expect(dead_code, reason = "for its schema")]
enum AnyLine<'a> {
    /// While watching.
    Happened(happened::Line<'a>),
    /// Of the report.
    Report(Line<'a>),
}

/// The JSON Schema of a line of ndjson.
pub(crate) fn schema_of_lines() -> schemars::Schema {
    schemars::schema_for!(AnyLine<'_>)
}

/// One object a line.
pub(crate) fn ndjson(report: &Report) -> anyhow::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    let lines = std::iter::once(Line::Report {
        schema: report.schema,
        sockets_left_out: report.sockets_left_out,
    })
    .chain(report.verdicts.iter().map(Line::Verdict))
    .chain(report.vantages.iter().map(Line::Vantage))
    .chain(report.access_logs.iter().map(Line::AccessLog))
    .chain(report.flows.iter().map(Line::Flow))
    .chain(report.flows_left_out.iter().map(Line::FlowsLeftOut))
    .chain(report.hops.iter().map(Line::Hop))
    .chain(report.chains.iter().map(Line::Chain))
    .chain(report.ladders.iter().map(Line::Ladder))
    .chain(report.links.iter().map(Line::Link))
    .chain(report.sockets.iter().map(Line::Socket))
    .chain(report.unjoined.iter().map(Line::Unjoined));
    for line in lines {
        serde_json::to_writer(&mut out, &line)?;
        writeln!(out)?;
    }
    Ok(out.flush()?)
}
