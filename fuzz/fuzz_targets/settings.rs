#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    container_security_test_kit::properties::targets::settings(bytes)
});
