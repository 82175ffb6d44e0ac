//! The policy against Pod Security Admission itself: its answers, recorded by the Go program in
//! `tests/oracle/`, to a sample of generated pods. `make oracle` compares a million of them, and records
//! the sample anew.

#![expect(
    clippy::unwrap_used,
    reason = "a record that is wrong must fail, and say where"
)]

use std::collections::BTreeSet;
use std::path::Path;

use container_security_test_kit::oracle::{self, EXCEPTIONS, Recorded};

#[test]
fn the_policy_says_what_pod_security_admission_says() {
    let mut explained = BTreeSet::new();
    let mut accepted = 0_usize;
    let sample = sample();
    for Recorded { answer, pod } in &sample {
        explained.extend(oracle::compare(pod, answer).unwrap_or_else(|problem| {
            panic!("{problem}\n{pod:#}");
        }));
        accepted += usize::from(oracle::expected(answer, "restricted", "latest").is_empty());
    }
    // Pods that are all rejected, or all accepted, would prove little.
    assert!(sample.len() >= 400, "{}", sample.len());
    assert!(
        (sample.len() / 10..sample.len() / 2).contains(&accepted),
        "{accepted}"
    );
    for (position, exception) in EXCEPTIONS.iter().enumerate() {
        let is_there = explained.contains(&position);
        assert!(
            is_there,
            "no pod for: {} ({})",
            exception.name, exception.reason
        );
    }
}

fn sample() -> Vec<Recorded> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/sample.jsonl");
    let lines = std::fs::read_to_string(path).unwrap();
    let lines = lines.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}
