//! The policy as it is published, or nearly: with another clock, or with less memory.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic, also in its helpers"
)]

use std::path::Path;

use walrus::Module;
use walrus::ir::{MemArg, StoreKind};

/// The module that `make policy.wasm` builds.
pub fn bytes() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policy.wasm");
    std::fs::read(&path).unwrap_or_else(|error| {
        panic!(
            "{}: {error}; build it with: make policy.wasm",
            path.display()
        )
    })
}

/// The module with a WASI clock that always says this: nanoseconds since 1970, and the error
/// number, which is 0 for none.
pub fn with_clock(nanoseconds: i64, errno: i32) -> Vec<u8> {
    let mut module = Module::from_buffer(&bytes()).unwrap();
    let clock = module
        .imports
        .get_func("wasi_snapshot_preview1", "clock_time_get")
        .unwrap();
    let memory = module.get_memory_id().unwrap();
    module
        .replace_imported_func(clock, |(body, arguments)| {
            let place = MemArg {
                align: 8,
                offset: 0,
            };
            body.local_get(*arguments.last().unwrap())
                .i64_const(nanoseconds)
                .store(memory, StoreKind::I64 { atomic: false }, place)
                .i32_const(errno);
        })
        .unwrap();
    module.emit_wasm()
}

/// The module with at most this much memory, in pages of 64 KiB.
pub fn with_pages(pages: u64) -> Vec<u8> {
    let mut module = Module::from_buffer(&bytes()).unwrap();
    let memory = module.get_memory_id().unwrap();
    module.memories.get_mut(memory).maximum = Some(pages);
    module.emit_wasm()
}
