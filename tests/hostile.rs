//! Payloads that are too large, too deep, broken or not what they should be.
//!
//! Whatever comes in, the answer can be decoded and is small; what cannot be decoded is rejected,
//! and nothing of it is repeated.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that is wrong must fail, and say where"
)]

use std::collections::BTreeMap;

use container_security::validate_settings;
use container_security_test_kit::requests;
use serde_json::{Value, json};

use container_security_test_kit::properties::{Answer, answer};

#[test]
fn of_500_containers_each_is_judged_and_the_message_says_how_many_it_leaves_out() {
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        let pod = pod_with_500(list);
        assert!(judge(&pod, &json!({})).accepted, "500 good {list}");
        let settings = json!({"registries": {"allow": ["ghcr.io"]}});
        let found = judge(&pod, &settings);
        let message = found.message.clone().unwrap();
        let mut lines: Vec<&str> = message.split("\n- ").collect();
        let tail = lines.pop().unwrap();
        let title = lines.remove(0);
        // 500 and the two containers in the other lists.
        assert_eq!(
            title,
            "Pod \"web\" in namespace \"shop\" breaks 1 rule of container security:"
        );
        assert_eq!(tail, format!("and {} more violations", 502 - lines.len()));
        assert!(
            lines.len() > 20,
            "{} lines are few for a message",
            lines.len()
        );
        let annotation = &found.audit_annotations["violations"];
        assert!((32_000..=32_768).contains(&annotation.len()));
        let machine: Vec<Value> = serde_json::from_str(annotation).unwrap();
        let left_out: usize = found.audit_annotations["violations-left-out"]
            .parse()
            .unwrap();
        assert_eq!(machine.len().saturating_add(left_out), 502);
    }
}

#[test]
fn of_500_warnings_some_are_given_and_the_last_says_how_many_are_not() {
    let settings = json!({"registries": {"mode": "warn", "allow": ["ghcr.io"]}});
    let found = judge(&pod_with_500("containers"), &settings);
    assert!(found.accepted);
    let (last, shown) = found.warnings.split_last().unwrap();
    assert_eq!(last, &format!("and {} more warnings", 502 - shown.len()));
    assert!(shown.len() > 5, "{} warnings are few", shown.len());
}

#[test]
fn an_update_of_five_thousand_legacy_violations_is_accepted_unless_there_is_one_more() {
    let ports = |count: usize| {
        let port = |index| json!({"containerPort": 80, "hostPort": index, "protocol": "TCP"});
        (1..=count).map(port).collect::<Value>()
    };
    let pod = |count: usize| {
        let mut pod = requests::valid_pod();
        pod["spec"]["containers"][0]["ports"] = ports(count);
        let add = (0..count).map(|index| format!("CAPABILITY_{index}"));
        requests::set(
            &mut pod,
            "/spec/initContainers/0/securityContext/capabilities/add",
            add.collect::<Value>(),
        );
        pod
    };
    let mut update = request(&pod(5000));
    update["operation"] = "UPDATE".into();
    update["oldObject"] = requests::workload("Pod", pod(5000));
    assert!(answer(&requests::payload(&update, &json!({}))).accepted);
    update["object"] = requests::workload("Pod", pod(5001));
    let found = answer(&requests::payload(&update, &json!({})));
    let lines = found.message.unwrap();
    assert_eq!(lines.lines().count(), 3, "{lines}");
}

#[test]
fn of_a_hundred_thousand_violations_of_one_control_eight_thousand_are_kept_and_nothing_excuses_them()
 {
    let pod = |adds: usize| {
        let mut pod = requests::valid_pod();
        let add = vec![json!("A"); adds];
        let place = "/spec/containers/0/securityContext/capabilities/add";
        requests::set(&mut pod, place, add.into());
        pod
    };
    let counted = |found: &Answer| {
        let machine: Vec<Value> =
            serde_json::from_str(&found.audit_annotations["violations"]).unwrap();
        let left_out: usize = found.audit_annotations["violations-left-out"]
            .parse()
            .unwrap();
        machine.len().saturating_add(left_out)
    };
    assert_eq!(counted(&judge(&pod(8191), &json!({}))), 8191);
    for settings in [json!({}), json!({"capabilities": {"mode": "warn"}})] {
        assert_eq!(counted(&judge(&pod(100_000), &settings)), 8192);
    }
    // What the host has not been asked about is no violation.
    let mut unasked = pod(9000);
    let level = "/spec/securityContext/seccompProfile";
    let profile = json!({"type": "Localhost", "localhostProfile": "operator/a.json"});
    requests::set(&mut unasked, level, profile);
    let settings = json!({"localhostProfiles": {"source": "security-profiles-operator"}});
    let message = judge(&unasked, &settings).message.unwrap();
    assert!(!message.contains("localhostProfiles"), "{message}");
    // Behind those that are exempt there may be others.
    let mut mixed = pod(9000);
    mixed["spec"]["containers"][0]["image"] = "myacr.azurecr.io/exempt".into();
    let place = "/spec/ephemeralContainers/0/securityContext/capabilities/add";
    requests::set(&mut mixed, place, json!(["B"]));
    let exemption = json!({"controls": ["capabilities"], "images": ["myacr.azurecr.io/exempt"]});
    let found = judge(&mixed, &json!({"exemptions": [exemption]}));
    assert_eq!(found.message.unwrap().lines().count(), 2);

    for (settings, adds, accepted) in [
        (json!({}), 8191, true),
        (json!({}), 8192, false),
        (json!({"capabilities": {"mode": "warn"}}), 8192, true),
    ] {
        let mut update = request(&pod(adds));
        update["operation"] = "UPDATE".into();
        update["oldObject"] = update["object"].clone();
        let found = answer(&requests::payload(&update, &settings));
        assert_eq!(found.accepted, accepted, "{adds}");
    }
}

#[test]
fn of_more_violations_than_are_kept_none_is_exempt() {
    let pod = |adds: usize| {
        let mut pod = requests::valid_pod();
        pod["spec"]["containers"][0]["image"] = "myacr.azurecr.io/exempt".into();
        let place = "/spec/containers/0/securityContext/capabilities/add";
        requests::set(&mut pod, place, vec![json!("A"); adds].into());
        pod
    };
    let images = json!(["myacr.azurecr.io/exempt"]);
    let allow = json!({"capabilities": {"allowedAdd": ["A"]}});
    for exemption in [
        json!({"controls": ["capabilities"], "images": images}),
        json!({"controls": ["capabilities"], "images": images, "mode": "warn"}),
        json!({"allow": allow, "images": images}),
    ] {
        let settings = json!({"exemptions": [exemption]});
        assert!(judge(&pod(16_383), &settings).accepted, "{exemption}");
        let found = judge(&pod(100_000), &settings);
        let title = found.message.unwrap_or_default();
        assert!(title.contains(" breaks 1 rule of "), "{exemption}: {title}");
    }
}

#[test]
fn of_500_containers_each_is_allowed_what_its_own_exemptions_allow() {
    let capability = |index: usize| format!("C{}", index % 20);
    let exemption = |index: usize| {
        json!({
            "allow": {"capabilities": {"allowedAdd": [capability(index)]}},
            "images": [format!("ghcr.io/org/app-{}", index % 20)],
        })
    };
    let pod = |count: usize, wrong: Option<usize>| {
        let mut pod = requests::valid_pod();
        for index in 0..count {
            let mut container = requests::valid_container(&format!("c{index}"));
            container["image"] = format!("ghcr.io/org/app-{}:1", index % 20).into();
            let shift = usize::from(wrong == Some(index));
            let added = json!([capability(index.saturating_add(shift))]);
            container["securityContext"]["capabilities"]["add"] = added;
            requests::set(&mut pod, "/spec/containers/-", container);
        }
        pod
    };
    let settings = json!({"exemptions": (0..20).map(exemption).collect::<Value>()});
    assert!(judge(&pod(500, None), &settings).accepted);
    let message = judge(&pod(500, Some(77)), &settings).message.unwrap();
    assert_eq!(message.lines().count(), 2, "{message}");
    assert!(message.contains("container \"c77\": "), "{message}");
    // What would take too long is allowed nothing.
    assert!(!judge(&pod(6000, None), &settings).accepted);
}

#[test]
fn an_update_of_500_containers_in_whatever_order_is_searched_to_the_end() {
    let pod = |order: Vec<usize>| {
        let mut pod = requests::valid_pod();
        for number in order {
            let name = format!("c{number}");
            let container = json!({"name": name, "image": "ghcr.io/org/app:1", "securityContext": {
                "privileged": true, "procMount": "Unmasked", "seLinuxOptions": {"type": "a", "user": "b"},
            }});
            requests::set(&mut pod, "/spec/containers/-", container);
        }
        pod
    };
    let mut update = request(&pod((0..500).collect()));
    update["operation"] = "UPDATE".into();
    update["oldObject"] = update["object"].clone();
    let from_both_ends = |index: usize| [index, 499_usize.saturating_sub(index)];
    for order in [
        (0..500).rev().collect::<Vec<usize>>(),
        (0..500_usize)
            .map(|index| index.saturating_mul(211) % 500)
            .collect(),
        (0..250).flat_map(from_both_ends).collect(),
    ] {
        update["object"] = requests::workload("Pod", pod(order));
        let found = answer(&requests::payload(&update, &json!({})));
        assert!(found.accepted, "{:?}", found.message);
    }
}

#[test]
fn a_template_with_more_violations_than_are_kept_hides_none_behind_it() {
    let template = |adds: usize, is_in_host: bool| {
        let mut pod = requests::valid_pod();
        let place = "/spec/containers/0/securityContext/capabilities/add";
        requests::set(&mut pod, place, vec![json!("A"); adds].into());
        pod["spec"]["hostPID"] = is_in_host.into();
        json!({"template": {"metadata": {}, "spec": pod["spec"]}})
    };
    let object = |second: Value| {
        json!({
            "apiVersion": "batch.volcano.sh/v1alpha1", "kind": "Job", "metadata": {"name": "j"},
            "spec": {"tasks": [template(9000, false), second]},
        })
    };
    let settings = json!({"customWorkloads": [{
        "group": "batch.volcano.sh", "kind": "Job", "podTemplates": ["spec.tasks[*].template"],
    }]});
    let mut update = request(&requests::valid_pod());
    update["kind"] = json!({"group": "batch.volcano.sh", "version": "v1alpha1", "kind": "Job"});
    update["operation"] = "UPDATE".into();
    update["object"] = object(template(0, true));
    update["oldObject"] = object(template(0, false));
    // What the first has was there before.
    let found = answer(&requests::payload(&update, &settings));
    let message = found.message.unwrap();
    assert!(message.contains("hostPID is true"), "{message}");
    // Where it is new, it is enough.
    update["operation"] = "CREATE".into();
    let found = answer(&requests::payload(&update, &settings));
    assert!(!found.accepted);
}

#[test]
fn one_violation_too_many_is_said_in_the_singular() {
    let found = (1..100).find_map(|count| {
        let mut pod = requests::valid_pod();
        for index in 0..count {
            let mut container = requests::valid_container(&format!("c{index}"));
            container["image"] = format!("evil.io/x{index}").into();
            requests::set(&mut pod, "/spec/containers/-", container);
        }
        let settings = json!({"registries": {"reject": ["evil.io"]}});
        let message = judge(&pod, &settings).message.unwrap();
        message.contains("\n- and ").then_some(message)
    });
    let message = found.unwrap();
    assert!(
        message.ends_with("\n- and 1 more violation"),
        "{}",
        tail(&message)
    );
}

#[test]
fn three_megabytes_that_nobody_reads_change_nothing() {
    let mut pod = requests::valid_pod();
    pod["metadata"]["annotations"]["note"] = "x".repeat(THREE_MEGABYTES).into();
    assert!(judge(&pod, &json!({})).accepted);
    pod["spec"]["hostPID"] = true.into();
    assert!(!judge(&pod, &json!({})).accepted);
}

#[test]
fn three_megabytes_in_a_field_that_is_quoted_are_cut() {
    let settings = json!({
        "registries": {"allow": ["ghcr.io"]},
        "imagePinning": {"requireDigest": true},
        "appArmor": {"allowed": ["RuntimeDefault"]},
        "seccomp": {"allowed": ["RuntimeDefault"], "annotations": "honor"},
        "hostNamespaces": {"mode": "warn"},
    });
    // What is escaped takes ten times the room.
    for filler in ["x", "\n", "\u{10ffff}"] {
        let huge = filler.repeat(THREE_MEGABYTES.div_ceil(filler.len()));
        for pointer in [
            "/metadata/name",
            "/metadata/namespace",
            "/metadata/generateName",
            "/spec/containers/0/name",
            "/spec/containers/0/image",
            "/spec/containers/0/securityContext/seccompProfile/type",
            "/spec/volumes/0/name",
            "/spec/volumes/0/image/reference",
            "/spec/securityContext/appArmorProfile/type",
            "/spec/securityContext/appArmorProfile/localhostProfile",
            "/metadata/annotations/container.apparmor.security.beta.kubernetes.io~1app",
            "/metadata/annotations/seccomp.security.alpha.kubernetes.io~1pod",
        ] {
            let mut pod = requests::valid_pod();
            requests::set(&mut pod, "/spec/hostPID", true.into());
            requests::set(&mut pod, "/spec/volumes/0/name", "model".into());
            requests::set(&mut pod, "/spec/volumes/0/image/reference", "nginx".into());
            requests::set(&mut pod, pointer, huge.as_str().into());
            let found = judge(&pod, &settings);
            assert!(!found.accepted, "{pointer}");
        }
        let key = format!("container.apparmor.security.beta.kubernetes.io/{huge}");
        let mut pod = requests::valid_pod();
        pod["metadata"]["annotations"][key] = "unconfined".into();
        assert!(!judge(&pod, &settings).accepted);
        for field in ["name", "namespace", "operation", "subResource"] {
            let mut request = request(&pod);
            request[field] = huge.as_str().into();
            assert!(
                !answer(&requests::payload(&request, &settings)).accepted,
                "{field}"
            );
        }
        let mut unknown = request(&pod);
        unknown["kind"] = json!({"group": huge, "version": "v1", "kind": huge});
        assert!(answer(&requests::payload(&unknown, &settings)).accepted);
    }
}

#[test]
fn huge_settings_are_a_bounded_message() {
    let huge = "x".repeat(THREE_MEGABYTES);
    let many: Vec<Value> = (0..5000)
        .map(|index| format!("name-{index}").into())
        .collect();
    let keys: BTreeMap<String, u8> = (0..500).map(|index| (format!("key-{index}"), 0)).collect();
    for settings in [
        json!({huge.as_str(): 1}),
        json!({"legacy": {"onUpdate": huge}}),
        json!({"registries": {"allow": [huge]}}),
        json!({"registries": {"allow": many}}),
        json!({"exemptions": many}),
        json!(keys),
        json!(huge),
    ] {
        let found = judge(&requests::valid_pod(), &settings);
        assert_eq!(found.code, Some(500));
        let loaded = validate_settings(&serde_json::to_vec(&settings).unwrap());
        let loaded: Value = serde_json::from_slice(&loaded).unwrap();
        assert_eq!(loaded["valid"], false);
        assert_eq!(loaded["message"].as_str(), found.message.as_deref());
    }
}

#[test]
fn nesting_in_a_field_that_nobody_reads_changes_nothing() {
    for depth in [200, 100_000] {
        for deep in [nested("[", "]", depth), nested("{\"a\":", "}", depth)] {
            for place in [
                r#""kind":"Pod","#,
                r#""metadata":{"#,
                r#""spec":{"#,
                r#""securityContext":{"#,
                r#""containers":[{"#,
                r#"{"request":{"#,
            ] {
                let payload = valid_text();
                let unread = format!("{place}\"unread\":{deep},");
                let found = answer(payload.replacen(place, &unread, 1).as_bytes());
                assert!(found.accepted, "{place}: {:?}", found.message);
            }
        }
    }
}

#[test]
fn nesting_in_a_field_that_is_read_is_rejected() {
    for depth in [200, 100_000] {
        for deep in [nested("[", "]", depth), nested("{\"a\":", "}", depth)] {
            for (read, with) in READ {
                if *read == "map" && deep.starts_with('{') {
                    // Below a map it is a field that nobody reads.
                    continue;
                }
                let payload = text_with(with, &deep);
                let found = answer(payload.as_bytes());
                assert!(!found.accepted, "{read}, {depth} deep");
            }
        }
    }
}

#[test]
fn nested_settings_are_invalid() {
    for depth in [200, 100_000] {
        for deep in [nested("[", "]", depth), nested("{\"a\":", "}", depth)] {
            for settings in [
                deep.clone(),
                format!("{{\"registries\":{{\"allow\":{deep}}}}}"),
            ] {
                let payload = format!(
                    "{{\"request\":{},\"settings\":{settings}}}",
                    valid_request()
                );
                let found = answer(payload.as_bytes());
                assert!(!found.accepted, "{depth} deep");
                let loaded: Value =
                    serde_json::from_slice(&validate_settings(settings.as_bytes())).unwrap();
                assert_eq!(loaded["valid"], false);
            }
        }
    }
}

#[test]
fn settings_that_cannot_be_read_are_the_settings_fault() {
    for settings in [nested("[", "]", 200), "1e999".to_owned()] {
        let payload = format!(
            "{{\"request\":{},\"settings\":{settings}}}",
            valid_request()
        );
        let found = answer(payload.as_bytes());
        assert_eq!(found.code, Some(500), "{:?}", found.message);
    }
}

#[test]
fn a_payload_that_ends_too_early_is_rejected_and_not_repeated() {
    let mut pod = requests::valid_pod();
    pod["metadata"]["annotations"]["token"] = SECRET.into();
    pod["spec"]["containers"][0]["image"] = format!("myacr.azurecr.io/{SECRET}").into();
    let payload = requests::payload(
        &request(&pod),
        &json!({"legacy": {"onUpdate": "newViolations"}}),
    );
    assert!(answer(&payload).accepted);
    for end in 0..payload.len() {
        let found = answer(&payload[..end]);
        assert_undecodable(&found, &format!("the first {end} bytes"));
    }
}

#[test]
fn what_is_no_request_is_rejected() {
    for payload in [
        "",
        " ",
        "\0",
        "null",
        "true",
        "7",
        "[]",
        "{}",
        "\"s3cr3t\"",
        "[\"s3cr3t\"]",
        "s3cr3t",
        "{\"s3cr3t\":\"s3cr3t\"}",
        "{\"request\":null}",
        "{\"request\":[]}",
        "{\"request\":\"s3cr3t\"}",
        "{\"request\":{}}",
        "{\"request\":{\"kind\":\"s3cr3t\"}}",
        "{\"settings\":{}}",
        "\u{feff}{}",
        "{\"request\":{\"kind\":{\"kind\":\"Pod\"},\"object\":{\"s3cr3t\":1}}}",
    ] {
        assert_undecodable(&answer(payload.as_bytes()), payload);
    }
    for after in ["{}", "x", "]", "\0", "s3cr3t", "\"s3cr3t\""] {
        let payload = format!("{}{after}", valid_text());
        assert_undecodable(&answer(payload.as_bytes()), &format!("valid, then {after}"));
    }
    assert!(answer(format!("\n {} \n", valid_text()).as_bytes()).accepted);
}

#[test]
fn a_request_without_a_kind_is_rejected() {
    for kind in [
        "{}",
        "{\"group\":\"\",\"version\":\"v1\"}",
        "{\"kind\":\"\"}",
    ] {
        let payload = format!("{{\"request\":{{\"kind\":{kind},\"object\":{{}}}}}}");
        assert_undecodable(&answer(payload.as_bytes()), kind);
    }
}

#[test]
fn invalid_utf_8_is_rejected_where_it_is_read() {
    for bytes in [
        &b"\xff"[..],
        b"\xc3\x28",
        b"\xed\xa0\x80",
        b"\xf8\x88\x80\x80\x80",
    ] {
        for (read, with) in READ_TEXT {
            let payload = bytes_with(with, bytes);
            assert_undecodable(&answer(&payload), read);
        }
        // Where nobody reads, nobody minds; but there is an answer.
        let text = valid_text().replacen(r#""name":"app""#, r#""name":"app","unread":"<here>""#, 1);
        let (before, after) = text.split_once("<here>").unwrap();
        answer(&[before.as_bytes(), bytes, after.as_bytes()].concat());
    }
}

#[test]
fn half_a_surrogate_pair_is_rejected_where_it_is_read() {
    for half in [
        r"\ud800",
        r"\udc00",
        r"\ud800\ud800",
        r"\ud800x",
        r"\ud800A",
    ] {
        for (read, with) in READ_TEXT {
            let payload = bytes_with(with, half.as_bytes());
            assert_undecodable(&answer(&payload), read);
        }
    }
}

#[test]
fn numbers_of_any_size_have_an_answer() {
    let digits = "9".repeat(400);
    for number in [
        "1e999",
        "-1e999",
        "1e-999",
        "-0",
        "0.1",
        "65536.0",
        "2147483648",
        "-2147483649",
        "18446744073709551616",
        digits.as_str(),
    ] {
        for with in [
            r#""ports":[{"containerPort":80,"hostPort":<here>}]"#,
            r#""ports":[{"containerPort":80,"hostPort":7,"protocol":<here>}]"#,
        ] {
            let text = valid_text().replacen(
                r#""name":"app""#,
                &format!(r#""name":"app",{}"#, with.replace("<here>", number)),
                1,
            );
            let found = answer(text.as_bytes());
            assert!(!found.accepted || number == "-0", "{with} {number}");
        }
        for unread in [r#""unread":"#, r#""terminationGracePeriodSeconds":"#] {
            let text = valid_text().replacen(
                r#""name":"app""#,
                &format!(r#""name":"app",{unread}{number}"#),
                1,
            );
            answer(text.as_bytes());
        }
    }
    for settings in [
        "{\"hostPorts\":{\"allowed\":[{\"min\":1e999,\"max\":2}]}}",
        "1e999",
        "-0",
    ] {
        let payload = format!(
            "{{\"request\":{},\"settings\":{settings}}}",
            valid_request()
        );
        assert!(!answer(payload.as_bytes()).accepted, "{settings}");
    }
}

#[test]
fn of_a_key_that_is_written_twice_the_last_one_counts() {
    // As for the API server and for the host, who never write one twice.
    for (good, evil) in [
        (r#""hostPID":false"#, r#""hostPID":true"#),
        (r#""hostNetwork":null"#, r#""hostNetwork":true"#),
        (r#""containers":[]"#, r#""containers":[{"name":"x"}]"#),
        (
            r#""securityContext":{}"#,
            r#""securityContext":{"runAsUser":0}"#,
        ),
    ] {
        let found = |spec: &str| {
            let request = r#"{"kind":{"group":"","kind":"Pod"},"object":{"spec":{<spec>}}}"#;
            let payload = format!("{{\"request\":{}}}", request.replace("<spec>", spec));
            answer(payload.as_bytes())
        };
        assert!(!found(&format!("{good},{evil}")).accepted, "{evil}");
        assert!(found(&format!("{evil},{good}")).accepted, "{good}");
    }
}

#[test]
fn of_a_profile_annotation_that_is_written_twice_the_last_one_counts_in_whatever_order_they_stand()
{
    let of = |name: &str, value: &str| {
        format!(r#""container.apparmor.security.beta.kubernetes.io/{name}":"{value}""#)
    };
    let found = |annotations: &[String]| {
        let annotations = annotations.join(",");
        let place = r#""metadata":{"#;
        let with = format!("{place}\"annotations\":{{{annotations}}},");
        answer(valid_text().replacen(place, &with, 1).as_bytes())
    };
    let (good, evil) = (of("app", "runtime/default"), of("app", "unconfined"));
    let (before, behind) = (of("a", "runtime/default"), of("z", "runtime/default"));
    for others in [vec![], vec![behind.clone(), before.clone()]] {
        let last = [&others[..], &[evil.clone(), good.clone()]].concat();
        assert!(found(&last).accepted, "{last:?}");
        let mut last = vec![good.clone()];
        last.extend(others);
        last.push(evil.clone());
        let lines = found(&last).message.unwrap();
        assert_eq!(lines.matches("container \"app\": ").count(), 1, "{lines}");
    }
}

#[test]
fn another_type_in_a_field_that_is_read_is_rejected_and_not_repeated() {
    let values = [
        "7",
        "1.5",
        "true",
        "\"s3cr3t\"",
        "[]",
        "[\"s3cr3t\"]",
        "[[\"s3cr3t\"]]",
        "{\"s3cr3t\":\"s3cr3t\"}",
    ];
    for (read, with) in READ {
        for value in values {
            if is_of_type(read, value) {
                continue;
            }
            let found = answer(text_with(with, value).as_bytes());
            assert_undecodable(&found, &format!("{with} {value}"));
        }
    }
}

#[test]
fn null_in_a_field_of_the_pod_is_as_good_as_nothing() {
    for (read, with) in READ {
        // Kubernetes never writes null for a text, in a list, or for a port.
        let is_never_null =
            *read == "text" || with.ends_with("/0") || with.ends_with("containerPort");
        if with.starts_with("request") || with.ends_with("spec") || is_never_null {
            continue;
        }
        let found = answer(text_with(with, "null").as_bytes());
        assert_ne!(found.code, Some(400), "{read} {with}: {:?}", found.message);
    }
}

#[test]
fn no_text_of_the_manifest_adds_a_line_to_the_message() {
    for pointer in [
        "/metadata/name",
        "/metadata/namespace",
        "/spec/containers/0/name",
        "/spec/containers/0/image",
        "/spec/containers/0/securityContext/procMount",
        "/spec/containers/0/securityContext/capabilities/drop/0",
        "/spec/containers/0/securityContext/seccompProfile/type",
        "/spec/securityContext/appArmorProfile/type",
        "/spec/securityContext/appArmorProfile/localhostProfile",
        "/spec/volumes/0/image/reference",
        "/spec/volumes/0/name",
        "/metadata/annotations/container.apparmor.security.beta.kubernetes.io~1app",
        "/metadata/annotations/seccomp.security.alpha.kubernetes.io~1pod",
    ] {
        assert_adds_no_line(pointer);
    }
}

#[test]
fn no_capability_adds_a_line_to_the_message() {
    assert_adds_no_line("/spec/containers/0/securityContext/capabilities/add/0");
}

/// Puts texts that would look like lines of their own into a field of a pod that is rejected.
fn assert_adds_no_line(pointer: &str) {
    let settings = json!({
        "registries": {"allow": ["ghcr.io"]},
        "appArmor": {"allowed": ["RuntimeDefault"]},
        "seccomp": {"annotations": "honor"},
    });
    for forged in ["a\n- seccomp: b", "a\r\n- b", "a\u{2028}- b", "\u{1b}[2Ja"] {
        let mut pod = requests::valid_pod();
        requests::set(&mut pod, "/spec/volumes/0/image/reference", "nginx".into());
        if let Some(profile) = pointer.strip_suffix("localhostProfile") {
            requests::set(&mut pod, &format!("{profile}type"), "Localhost".into());
        }
        requests::set(&mut pod, pointer, forged.into());
        let mut request = request(&pod);
        request["name"] = pod["metadata"]["name"].clone();
        request["namespace"] = pod["metadata"]["namespace"].clone();
        let found = answer(&requests::payload(&request, &settings));
        let message = found.message.unwrap();
        let violations: Vec<Value> =
            serde_json::from_str(&found.audit_annotations["violations"]).unwrap();
        let lines = message.lines().count();
        assert_eq!(lines, violations.len().saturating_add(1), "{message}");
        let is_plain = |char: char| char == '\n' || !(char.is_control() || char == '\u{2028}');
        assert!(message.chars().all(is_plain), "{message:?}");
    }
}

fn judge(pod: &Value, settings: &Value) -> Answer {
    answer(&requests::payload(&request(pod), settings))
}

fn assert_undecodable(answer: &Answer, payload: &str) {
    assert_eq!(answer.code, Some(400), "{payload}: {:?}", answer.message);
    let message = answer.message.as_deref().unwrap();
    assert!(message.contains(" cannot be decoded: "), "{message}");
    assert!(!message.contains(SECRET), "{payload}: {message}");
    assert!(!message.contains("struct "), "{payload}: {message}");
    assert!(message.len() < 256, "{payload}: {message}");
}

fn tail(message: &str) -> String {
    let mut last: Vec<char> = message.chars().rev().take(200).collect();
    last.reverse();
    last.into_iter().collect()
}

fn pod_with_500(list: &str) -> Value {
    let mut pod = requests::valid_pod();
    let containers: Vec<Value> = (0..500)
        .map(|index| requests::valid_container(&format!("{}-{index}", list.to_lowercase())))
        .collect();
    pod["spec"][list] = containers.into();
    pod
}

fn request(pod: &Value) -> Value {
    requests::create_request("Pod", requests::workload("Pod", pod.clone()))
}

fn valid_request() -> String {
    request(&requests::valid_pod()).to_string()
}

fn valid_text() -> String {
    format!("{{\"request\":{},\"settings\":{{}}}}", valid_request())
}

fn nested(open: &str, close: &str, depth: usize) -> String {
    format!("{}1{}", open.repeat(depth), close.repeat(depth))
}

/// The type of a field and its place: below the request, or below the Deployment's or Pod's pod.
const READ: &[(&str, &str)] = &[
    ("map", "request"),
    ("map", "request/kind"),
    ("text", "request/kind/group"),
    ("text", "request/kind/kind"),
    ("text", "request/name"),
    ("text", "request/namespace"),
    ("text", "request/operation"),
    ("text", "request/subResource"),
    ("map", "request/object"),
    ("map", "metadata"),
    ("text", "metadata/name"),
    ("text", "metadata/generateName"),
    ("text", "metadata/namespace"),
    ("map", "metadata/annotations"),
    (
        "text",
        "metadata/annotations/container.apparmor.security.beta.kubernetes.io~1app",
    ),
    (
        "text",
        "metadata/annotations/seccomp.security.alpha.kubernetes.io~1pod",
    ),
    ("map", "spec"),
    ("flag", "spec/hostIPC"),
    ("flag", "spec/hostNetwork"),
    ("flag", "spec/hostPID"),
    ("flag", "spec/hostUsers"),
    ("flag", "spec/shareProcessNamespace"),
    ("map", "spec/os"),
    ("text", "spec/os/name"),
    ("map", "spec/securityContext"),
    ("map", "spec/securityContext/appArmorProfile"),
    ("text", "spec/securityContext/appArmorProfile/type"),
    (
        "text",
        "spec/securityContext/appArmorProfile/localhostProfile",
    ),
    ("map", "spec/securityContext/seccompProfile"),
    ("text", "spec/securityContext/seccompProfile/type"),
    (
        "text",
        "spec/securityContext/seccompProfile/localhostProfile",
    ),
    ("flag", "spec/securityContext/runAsNonRoot"),
    ("number", "spec/securityContext/runAsUser"),
    ("list", "spec/volumes"),
    ("map", "spec/volumes/0"),
    ("text", "spec/volumes/0/name"),
    ("map", "spec/volumes/0/image"),
    ("text", "spec/volumes/0/image/reference"),
    ("list", "spec/initContainers"),
    ("list", "spec/containers"),
    ("list", "spec/ephemeralContainers"),
    ("map", "spec/initContainers/0"),
    ("map", "spec/containers/0"),
    ("map", "spec/ephemeralContainers/0"),
    ("text", "spec/containers/0/name"),
    ("text", "spec/containers/0/image"),
    ("list", "spec/containers/0/ports"),
    ("map", "spec/containers/0/ports/0"),
    ("number", "spec/containers/0/ports/0/hostPort"),
    ("number", "spec/containers/0/ports/0/containerPort"),
    ("map", "spec/containers/0/securityContext"),
    (
        "flag",
        "spec/containers/0/securityContext/allowPrivilegeEscalation",
    ),
    ("flag", "spec/containers/0/securityContext/privileged"),
    ("flag", "spec/containers/0/securityContext/runAsNonRoot"),
    ("number", "spec/containers/0/securityContext/runAsUser"),
    (
        "flag",
        "spec/containers/0/securityContext/readOnlyRootFilesystem",
    ),
    ("text", "spec/containers/0/securityContext/procMount"),
    ("map", "spec/containers/0/securityContext/capabilities"),
    (
        "texts",
        "spec/containers/0/securityContext/capabilities/add",
    ),
    (
        "texts",
        "spec/containers/0/securityContext/capabilities/drop",
    ),
    (
        "text",
        "spec/containers/0/securityContext/capabilities/add/0",
    ),
    ("map", "spec/containers/0/securityContext/appArmorProfile"),
    (
        "text",
        "spec/containers/0/securityContext/appArmorProfile/type",
    ),
    ("map", "spec/containers/0/securityContext/seccompProfile"),
    (
        "text",
        "spec/containers/0/securityContext/seccompProfile/type",
    ),
    ("map", "spec/containers/0/securityContext/windowsOptions"),
    (
        "flag",
        "spec/containers/0/securityContext/windowsOptions/hostProcess",
    ),
];

/// The places of [`READ`] in which there is text.
const READ_TEXT: &[(&str, &str)] = &[
    ("the kind", "request/kind/kind"),
    ("the operation", "request/operation"),
    ("the sub-resource", "request/subResource"),
    ("the request's name", "request/name"),
    ("the name", "metadata/name"),
    (
        "an annotation",
        "metadata/annotations/container.apparmor.security.beta.kubernetes.io~1app",
    ),
    ("an image", "spec/containers/0/image"),
    ("a container's name", "spec/containers/0/name"),
    ("a profile", "spec/securityContext/seccompProfile/type"),
    ("a volume's image", "spec/volumes/0/image/reference"),
    (
        "a capability",
        "spec/containers/0/securityContext/capabilities/add/0",
    ),
];

/// The valid payload with a JSON text at a place.
fn text_with(place: &str, json: &str) -> String {
    let mut payload = json!({"request": request(&requests::valid_pod()), "settings": {}});
    let pointer = if place.starts_with("request") {
        format!("/{place}")
    } else {
        format!("/request/object/{place}")
    };
    requests::set(&mut payload, &pointer, MARKER.into());
    payload
        .to_string()
        .replacen(&Value::from(MARKER).to_string(), json, 1)
}

/// The valid payload with these bytes inside a string.
fn bytes_with(place: &str, bytes: &[u8]) -> Vec<u8> {
    let text = text_with(place, "\"<here>\"");
    let (before, after) = text.split_once("<here>").unwrap();
    [before.as_bytes(), bytes, after.as_bytes()].concat()
}

fn is_of_type(read: &str, value: &str) -> bool {
    match serde_json::from_str(value).unwrap() {
        Value::Null => true,
        Value::Bool(_) => read == "flag",
        Value::Number(number) => read == "number" && number.is_i64(),
        Value::String(_) => read == "text",
        Value::Array(list) => match read {
            "list" => list.is_empty(),
            "texts" => list.iter().all(Value::is_string),
            _ => false,
        },
        Value::Object(_) => read == "map",
    }
}

const THREE_MEGABYTES: usize = 3 * 1024 * 1024;
const SECRET: &str = "s3cr3t";
const MARKER: &str = "<the place of the value>";
