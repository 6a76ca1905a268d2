//! Any bytes, read as a capture.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hopscope_fuzz::targets::capture(data));
