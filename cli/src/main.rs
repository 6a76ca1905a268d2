//! hopscope: who ended a TCP connection, when keepalive probes fired, and which socket options
//! were in effect, on every hop.

mod args;
mod commands;
mod progress;
mod render;

use std::process::ExitCode;

fn main() -> ExitCode {
    commands::run(args::parse())
}
