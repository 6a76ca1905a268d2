//! Any bytes, read as an access log.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hopscope_fuzz::targets::access_log(data));
