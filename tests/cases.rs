//! Runs every case of `tests/cases/` and `tests/settings/`, and every recorded review, against the policy as a native library.
//!
//! The host crate runs the same cases through the WebAssembly module and compares bytes.

use std::path::Path;

use container_security_test_kit::{cases, recorded, requests};
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;

fn main() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let judged = cases::cases(&tests)
        .into_iter()
        .chain(recorded::cases(&tests));
    let judged = judged.map(|case| {
        Trial::test(case.name.clone(), move || {
            let answer = container_security::validate(&case.payload, &container_security::NoHost);
            let found: requests::Expected = serde_json::from_slice(&answer)?;
            equal(&found, &case.expected)
        })
    });
    let configured = cases::settings_cases(&tests).into_iter().map(|case| {
        Trial::test(format!("settings: {}", case.case), move || {
            let answer =
                container_security::validate_settings(&serde_json::to_vec(&case.settings)?);
            let answer: Value = serde_json::from_slice(&answer)?;
            let message = answer.get("message").and_then(Value::as_str);
            equal(&message, &case.message().as_deref())?;
            let is_valid = answer.get("valid").and_then(Value::as_bool);
            equal(&is_valid, &Some(case.problems.is_empty()))
        })
    });
    libtest_mimic::run(&Arguments::from_args(), judged.chain(configured).collect()).exit();
}

fn equal<T: PartialEq + std::fmt::Debug>(found: &T, expected: &T) -> Result<(), Failed> {
    if found == expected {
        Ok(())
    } else {
        Err(format!("expected {expected:#?}\nfound    {found:#?}").into())
    }
}
