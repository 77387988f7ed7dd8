#![no_main]
#![allow(dead_code, reason = "each target uses one of the bodies")]

#[path = "../bodies.rs"]
mod bodies;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _accepted = bodies::keys(bytes);
});
