//! The fuzz targets as functions: `tracer/tests/seeds.rs` takes in `targets` too, and runs it on
//! plain stable Rust.

pub mod targets;
