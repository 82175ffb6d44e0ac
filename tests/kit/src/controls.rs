//! The controls, from the one list of them.

#![expect(
    clippy::unwrap_used,
    reason = "a list that is written otherwise must fail, and say where"
)]

use regex::Regex;

/// Every control in the order of the list: its name, and how it judges (`pod`, `pod_and_host`, `images`
/// or `supply_chain`).
pub fn controls() -> Vec<(&'static str, &'static str)> {
    let row = Regex::new(r#"(?m)^ +(pod|pod_and_host|images|supply_chain) .* "(\w+)";$"#).unwrap();
    let list = include_str!("../../../src/controls.rs");
    let controls: Vec<_> = row
        .captures_iter(list)
        .map(|row| (row.get(2).unwrap().as_str(), row.get(1).unwrap().as_str()))
        .collect();
    assert!(!controls.is_empty(), "src/controls.rs has no row");
    controls
}

/// Those that judge the pod alone, unless the settings say otherwise.
pub fn of_pods() -> Vec<&'static str> {
    let of_pods = controls()
        .into_iter()
        .filter(|(control, judges)| *judges == "pod" || *control == "rootUser");
    of_pods.map(|(control, _)| control).collect()
}
