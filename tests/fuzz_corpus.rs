//! Runs the fuzz targets without a fuzzer: over what fuzzing has found worth keeping, and over
//! random bytes, the same in every run.
//!
//! `make fuzz` looks for more; see `fuzz/`.

use std::path::Path;

use container_security_test_kit::properties::targets::{TARGETS, random_bytes};

#[test]
fn the_corpus_of_every_target_holds() {
    for (name, target) in TARGETS {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fuzz/corpus")
            .join(name);
        let files = std::fs::read_dir(&corpus)
            .unwrap_or_else(|error| panic!("{}: {error}", corpus.display()));
        let mut inputs = 0;
        for file in files {
            target(&std::fs::read(file.unwrap().path()).unwrap());
            inputs += 1;
        }
        assert!(inputs > 10, "{inputs} inputs in {}", corpus.display());
    }
}

#[test]
fn random_bytes_hold() {
    for (_, target) in TARGETS {
        for bytes in random_bytes().take(1_000) {
            target(&bytes);
        }
    }
}
