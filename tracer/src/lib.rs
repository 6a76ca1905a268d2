//! Reconstructs TCP flows from segments, captured or live, joins them to hops and chains, and judges
//! which hop ended what, and why.
//!
//! ```text
//! source ─┐
//! live ───┼▶ decode ─▶ segment ─▶ flow ─▶ scene ─▶ hop ─▶ chain ─▶ verdict ─▶ report
//! probe ──┘                    kernel ──▲        log, http ──▲
//! ```
//!
//! Each module imports only what stands before it; [`vantage`] makes flows of what a source yields.
//! Below [`source`] everything is deterministic: the same segments give the same report, and time comes
//! with the segments.

pub mod anonymize;
pub mod chain;
pub mod check;
pub mod compare;
pub mod decode;
pub mod doctor;
pub mod flow;
pub mod hop;
pub mod http;
pub mod kernel;
pub mod live;
pub mod log;
mod netlink;
pub mod netns;
pub mod note;
pub mod probe;
mod processes;
pub mod recording;
pub mod report;
pub mod scene;
pub mod segment;
pub mod seq;
pub mod socket;
pub mod source;
pub mod survey;
pub mod tally;
pub mod time;
pub mod vantage;
pub mod verdict;
