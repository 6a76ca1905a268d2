//! Reconstructs TCP flows from segments, captured or live: who ended each connection, when keepalive
//! probes fired, and which socket options were in effect.
//!
//! ```text
//! source ─┐
//! live ───┼▶ decode ─▶ segment ─▶ flow ─▶ report
//! probe ──┘                    kernel ──▲       (vantage: makes flows of what a source yields)
//! ```
//!
//! Each module imports only what stands before it. Below [`source`] everything is deterministic:
//! the same segments give the same report, and time comes with the segments.

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
