//! Requests that somebody might send to take time, and nobody else would: lists of ten thousand things, of
//! which each is compared with each where the policy is not careful.
//!
//! A policy server ends a call after two seconds. Each of these must get its verdict long before; the
//! instructions are counted, which are the same on every machine.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "the values are made here, so what is wrong is wrong in every run"
)]

use std::fmt::Write as _;
use std::sync::Arc;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::figures::grouped;
use crate::wapc::{Fuel, Runner};

/// Less than half a second where a policy server is slow.
const MAX_INSTRUCTIONS: u64 = 1_000_000_000;

/// One request, measured.
pub(crate) struct Row {
    name: &'static str,
    bytes: u64,
    accepted: bool,
    instructions: u64,
}

/// Judges every request with the policy.
pub(crate) fn measure(policy: &[u8]) -> Result<Vec<Row>> {
    let runner = Runner::new(policy, Fuel::Counted)?;
    let mut rows = Vec::new();
    for (name, payload, expected) in requests() {
        let payload: Arc<[u8]> = payload.to_string().into_bytes().into();
        let call = runner.validate(&payload)?;
        let answer: Value = serde_json::from_slice(&call.answer)?;
        let accepted = answer.get("accepted") == Some(&Value::Bool(true));
        ensure!(accepted == expected, "{name}: accepted is {accepted}");
        rows.push(Row {
            name,
            bytes: u64::try_from(payload.len())?,
            accepted,
            instructions: call.instructions,
        });
    }
    Ok(rows)
}

/// The rows for people.
pub(crate) fn table(rows: &[Row]) -> Result<String> {
    let mut table =
        String::from("| request | bytes | outcome | million instructions |\n|---|--:|---|--:|\n");
    for row in rows {
        writeln!(
            table,
            "| {} | {} | {} | {} |",
            row.name,
            grouped(row.bytes),
            if row.accepted { "accepted" } else { "rejected" },
            grouped(row.instructions / 1_000_000)
        )?;
    }
    Ok(table)
}

/// A sentence for every request that takes too long.
pub(crate) fn broken(rows: &[Row]) -> Vec<String> {
    let slow = rows
        .iter()
        .filter(|row| row.instructions > MAX_INSTRUCTIONS);
    slow.map(|row| {
        format!(
            "{}: {} instructions, and the limit is {}",
            row.name,
            grouped(row.instructions),
            grouped(MAX_INSTRUCTIONS)
        )
    })
    .collect()
}

#[expect(clippy::too_many_lines, reason = "it is a table")]
fn requests() -> Vec<(&'static str, Value, bool)> {
    let good = |index: usize| {
        json!({"name": name(index), "image": "x", "securityContext": {
            "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]},
        }})
    };
    let bare = |index: usize| json!({"name": name(index), "image": "x"});
    let with_image = |index: usize, image: usize| json!({"name": name(index), "image": format!("ghcr.io/{image}/x")});
    let spec = |containers: Vec<Value>| {
        json!({"containers": containers, "securityContext": {
            "runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"},
        }})
    };
    let pod = |containers: Vec<Value>| json!({"spec": {"containers": containers}});
    let annotated = |domain: &str| {
        let key = |index: usize| format!("container.{domain}.kubernetes.io/{}", name(index));
        let annotations: Value = (0..4_000)
            .map(|index| (key(index), Value::from("runtime/default")))
            .collect();
        let containers = (0..10_000).rev().map(good).collect();
        json!({"metadata": {"annotations": annotations}, "spec": spec(containers)})
    };
    let template = |order: &dyn Fn(usize) -> usize| {
        let containers: Vec<Value> = (0..8_000).map(|index| bare(order(index))).collect();
        json!({"template": {"spec": {"containers": containers}}})
    };
    let updated = |order: &dyn Fn(usize) -> usize| {
        let mut update = create("PodTemplate", &template(order), &json!({}));
        if let Some(request) = update.get_mut("request").and_then(Value::as_object_mut) {
            request.insert("operation".to_owned(), "UPDATE".into());
            request.insert("oldObject".to_owned(), template(&|index| index));
        }
        update
    };
    let one_each = |count: usize| pod((0..count).map(|index| with_image(index, index)).collect());
    let of_20 = |count: usize| {
        pod((0..count)
            .map(|index| with_image(index, index % 20))
            .collect())
    };
    let added = |count: usize| {
        pod(vec![
            json!({"name": "a", "image": "x", "securityContext": {"capabilities": {
                "add": vec![""; count],
            }}}),
        ])
    };
    let asking = json!({
        "imageFreshness": {"mode": "enforce", "maximumAge": "90d"},
        "rootUser": {"imageUser": "judge", "require": "nonRootUser"},
        "signatures": {"rules": [{"images": ["ghcr.io"], "anyOf": [{"githubActions": {"owner": "a"}}]}]},
        "vulnerabilities": {"source": "sbomscanner"},
    });
    let allowing = json!({"exemptions": (0..20).map(|image| json!({
        "allow": {"capabilities": {"allowedAdd": ["NET_RAW"]}, "seccomp": {"required": false}},
        "images": [format!("ghcr.io/{image}")],
    })).collect::<Value>()});
    let exempting =
        json!({"exemptions": [{"controls": ["capabilities"], "images": ["ghcr.io/0"]}]});
    let required = json!({"appArmor": {"required": true}});
    let create = |object: &Value, settings: &Value| create("Pod", object, settings);
    let none = json!({});
    vec![
        (
            "10,000 containers, and 4,000 annotations of seccomp",
            create(&annotated("seccomp.security.alpha"), &none),
            true,
        ),
        (
            "the same of AppArmor, which is required",
            create(&annotated("apparmor.security.beta"), &required),
            false,
        ),
        (
            "8,000 images, and everything that may be asked about them",
            create(&one_each(8_000), &asking),
            false,
        ),
        (
            "5,000 containers, and 20 exemptions by image that allow something",
            create(&of_20(5_000), &allowing),
            false,
        ),
        (
            "20,000 containers, and one exemption by image",
            create(&of_20(20_000), &exempting),
            false,
        ),
        (
            "an UPDATE of a PodTemplate, 8,000 violating containers in the opposite order",
            updated(&|index| 7_999 - index),
            true,
        ),
        (
            "the same in no order",
            updated(&|index| index * 4_801 % 8_000),
            false,
        ),
        (
            "33,000 containers without a securityContext",
            create(&pod((0..33_000).map(bare).collect()), &none),
            false,
        ),
        (
            "480,000 capabilities",
            create(&added(480_000), &none),
            false,
        ),
    ]
}

fn name(index: usize) -> String {
    format!("c{index:05}")
}

fn create(kind: &str, object: &Value, settings: &Value) -> Value {
    json!({
        "request": {
            "kind": {"group": "", "version": "v1", "kind": kind},
            "name": "a", "namespace": "b", "operation": "CREATE", "object": object,
        },
        "settings": settings,
    })
}
