#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| container_security_fuzz::host_answers(bytes));
