//! Reconstructs TCP flows from captured segments: who ended each connection, and when keepalive
//! probes fired.
//!
//! ```text
//! source ─▶ segment ─▶ flow ─▶ report
//!   │          ▲
//!   └─ decode ─┘          (vantage: reads a source into flows)
//! ```
//!
//! Each module imports only what stands before it. Below [`source`] everything is deterministic:
//! the same segments give the same report, and time comes with the segments.

pub mod decode;
pub mod doctor;
pub mod flow;
pub mod kernel;
pub mod live;
mod netlink;
pub mod netns;
pub mod note;
pub mod probe;
mod processes;
pub mod recording;
pub mod report;
pub mod segment;
pub mod seq;
pub mod socket;
pub mod source;
pub mod survey;
pub mod tally;
pub mod time;
pub mod vantage;
