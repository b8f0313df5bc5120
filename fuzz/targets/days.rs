#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| propsbot_fuzz::days(bytes));
