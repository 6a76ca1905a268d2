//! End-to-end tests of hopscope, and the lab that makes the recordings they read.

pub mod anonymity;
pub mod binary;
pub mod cases;
pub mod changed;
pub mod craft;
pub mod judge;
pub mod lab;
pub mod schema;
pub mod script;
pub mod thinning;
pub mod watched;
pub mod watching;
