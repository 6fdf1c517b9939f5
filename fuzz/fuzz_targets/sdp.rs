//! `ramal::fuzz::one_description` under libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    ramal::fuzz::one_description(bytes);
});
