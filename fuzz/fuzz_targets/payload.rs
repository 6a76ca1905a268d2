//! Any bytes, said by either side of a connection.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hopscope_fuzz::targets::payload(data));
