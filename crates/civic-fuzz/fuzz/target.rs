//! The program that libFuzzer drives. `cargo xtask fuzz` builds and starts it.
#![no_main]

use std::sync::LazyLock;

use civic_fuzz::Target;
use libfuzzer_sys::fuzz_target;

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = std::env::var("CIVIC_FUZZ_TARGET").unwrap_or_default();
    Target::find(&name).unwrap_or_else(|| {
        eprintln!("CIVIC_FUZZ_TARGET names no target: {name:?}");
        std::process::exit(2)
    })
});

fuzz_target!(|data: &[u8]| TARGET.run(data));
