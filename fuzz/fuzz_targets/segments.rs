//! Any sequence of segments, sorted into flows.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hopscope_fuzz::targets::segments(data));
