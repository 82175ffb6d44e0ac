//! The fuzz targets: from bytes to the properties that must hold for them.

use serde_json::Value;

use super::HostAnswers;
use super::generated::Choices;
use crate::requests;

/// A target's name, which is that of its corpus, and its body.
pub type Target = (&'static str, fn(&[u8]));

/// All of them, each under the name of its corpus.
pub const TARGETS: [Target; 5] = [
    ("payload", payload),
    ("pods", pods),
    ("settings", settings),
    ("references", references),
    ("host_answers", host_answers),
];

/// The payload of `validate`, as bytes.
pub fn payload(bytes: &[u8]) {
    super::a_payload_has_one_answer(bytes);
}

/// Pods and settings, and what may not matter about them.
pub fn pods(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    // First, so that each property has a corpus of its own.
    let property = choices.pick(&[0, 1, 2, 3, 4]);
    let (pod, settings) = (choices.pod(), choices.settings());
    match property {
        0 => {
            let added = choices.container("added");
            let list = choices.list();
            super::a_container_more_excuses_nothing(&pod, &settings, list, added);
        }
        1 => {
            let _ = super::a_wider_list_rejects_no_more(&pod, &settings, choices.wider());
        }
        2 => super::a_template_is_judged_as_its_pod(&pod, &settings),
        3 => {
            let (place, value) = (choices.unread(), choices.json(3));
            super::what_nobody_reads_changes_nothing(&pod, &settings, &place, value);
        }
        _ => {
            let stored = choices.pod();
            super::an_update_is_judged_at_most_as_a_creation(&stored, &pod, &settings);
        }
    }
}

/// The settings, as bytes.
pub fn settings(bytes: &[u8]) {
    super::settings_are_judged_alike(bytes);
}

/// Image references and patterns.
pub fn references(bytes: &[u8]) {
    let (image, pattern) = Choices::new(bytes).image_and_pattern();
    super::a_reference_is_what_the_grammar_says(&image);
    super::a_reference_is_what_the_grammar_says(&pattern);
    super::a_pattern_means_what_is_written(&pattern, &image);
}

/// What the host answers to the controls that ask it.
pub fn host_answers(bytes: &[u8]) {
    let (control, settings, host) = Choices::new(bytes).asked();
    super::only_good_answers_are_good(control, &settings, &host);
}

/// Random bytes without end, up to 300 at a time, the same in every run.
pub fn random_bytes() -> impl Iterator<Item = Vec<u8>> {
    let mut state = 0_u64;
    // SplitMix64.
    let mut next = move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    };
    (0..300_usize).cycle().map(move |length| {
        let words = std::iter::repeat_with(|| next().to_le_bytes());
        words.flatten().take(length).collect()
    })
}

/// The call of the policy that a target makes of its bytes, to be made of the module as well.
pub enum Call {
    /// `validate` with this payload, and what the host answers meanwhile.
    Validate(Vec<u8>, Option<HostAnswers>),
    /// `validate_settings` with this payload.
    ValidateSettings(Vec<u8>),
}

/// The call of the policy that a target makes of these bytes.
pub fn call(target: &str, bytes: &[u8]) -> Call {
    let mut choices = Choices::new(bytes);
    match target {
        "payload" => Call::Validate(bytes.to_vec(), None),
        "settings" => Call::ValidateSettings(bytes.to_vec()),
        "pods" => {
            choices.pick(&[0, 1, 2, 3, 4]);
            let (pod, settings) = (choices.pod(), choices.settings());
            Call::Validate(creation(pod, &settings), None)
        }
        "references" => {
            let (image, pattern) = choices.image_and_pattern();
            let mut pod = requests::valid_pod();
            requests::set(&mut pod, "/spec/containers/0/image", image.into());
            let settings = serde_json::json!({"registries": {"reject": [pattern]}});
            Call::Validate(creation(pod, &settings), None)
        }
        _ => {
            let (control, settings, host) = choices.asked();
            let mut pod = requests::valid_pod();
            let image = format!("ghcr.io/org/app@{}", super::DIGEST);
            requests::set(&mut pod, "/spec/containers/0/image", image.into());
            let settings = serde_json::json!({ control: settings });
            Call::Validate(creation(pod, &settings), Some(host))
        }
    }
}

fn creation(pod: Value, settings: &Value) -> Vec<u8> {
    let request = requests::create_request("Pod", requests::workload("Pod", pod));
    requests::payload(&request, settings)
}
