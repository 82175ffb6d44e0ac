//! `localhostProfiles`.

use super::*;

#[test]
fn a_profile_is_asked_for_by_the_resource_that_installs_it() {
    for (field, profile, kind, name) in [
        (
            SECCOMP,
            "operator/prevent-chmod.json",
            "SeccompProfile",
            "prevent-chmod",
        ),
        (SECCOMP, "operator/a.b-1.json", "SeccompProfile", "a.b-1"),
        (APP_ARMOR, "deny-write", "AppArmorProfile", "deny-write"),
        (APP_ARMOR, "7.x", "AppArmorProfile", "7.x"),
    ] {
        for place in [
            "/spec/securityContext",
            "/spec/containers/0/securityContext",
        ] {
            let host = FakeHost::new().found(GET, json!({}), installed());
            let found = answer(&naming(place, field, profile), &asking(), &host);
            assert_eq!((found.lines, found.warnings), (vec![], vec![]), "{profile}");
            assert_eq!(
                host.calls(),
                [(GET.to_owned(), question(kind, name))],
                "{profile}"
            );
        }
    }
}

#[test]
fn what_no_resource_of_the_operator_can_install_is_refused_unasked() {
    let in_folder = "which is none of the operator's, operator/<name>.json";
    let called = "which no AppArmorProfile can be called";
    for (field, profile, reason) in [
        (SECCOMP, "prevent-chmod.json", in_folder),
        (SECCOMP, "operator/.json", in_folder),
        (SECCOMP, "operator/prevent-chmod", in_folder),
        (SECCOMP, "operator//x.json", in_folder),
        (SECCOMP, "./operator/x.json", in_folder),
        (SECCOMP, "Operator/x.json", in_folder),
        (SECCOMP, "operator/X.json", in_folder),
        (SECCOMP, "operator/shop/x.json", in_folder),
        (SECCOMP, "operator/..json", in_folder),
        // The operator writes the profile x.json into operator/x.json.
        (SECCOMP, "operator/x.json.json", in_folder),
        (SECCOMP, "operator/x%2f.json", in_folder),
        (SECCOMP, "operator/../../secrets/x.json", in_folder),
        (APP_ARMOR, "Deny", called),
        (APP_ARMOR, "..", called),
        (APP_ARMOR, "a/b", called),
        (APP_ARMOR, "../secrets", called),
        (APP_ARMOR, "a b", called),
        (APP_ARMOR, "\u{e4}", called),
    ] {
        let host = FakeHost::new().found(GET, json!({}), installed());
        let request = naming("/spec/containers/0/securityContext", field, profile);
        assert_eq!(
            answer(&request, &asking(), &host).lines,
            [of_profile(field, profile, reason)]
        );
        assert_eq!(host.calls(), [], "{profile}");
        // Unless the nodes have it from elsewhere.
        let mut settings = asking();
        settings["localhostProfiles"]["alsoInstalled"] = json!(["other", profile]);
        assert_eq!(answer(&request, &settings, &host).lines, [""; 0]);
    }
}

#[test]
fn a_profile_that_is_not_in_effect_on_all_nodes_is_refused_with_what_its_resource_says() {
    let status = |text: &str| format!("and {{}} has the status {text:?}, not \"Installed\"");
    let mode = |text: &str| format!("and {{}} has the mode {text:?}, not \"Enforce\"");
    let state = |text: &str| format!("and {{}} has the state {text:?}, not \"Enabled\"");
    let with = |spec: Value| json!({"spec": spec, "status": {"status": "Installed"}});
    let mut table: Vec<(Value, Option<String>)> = [
        "Error",
        "Terminating",
        "Partial",
        "Disabled",
        "Pending",
        "InProgress",
        "installed",
        "",
    ]
    .into_iter()
    .map(|word| (json!({"status": {"status": word}}), Some(status(word))))
    .collect();
    table.extend([
        (json!({}), Some(status(""))),
        (json!({"status": {}}), Some(status(""))),
        (json!({"status": {"status": null}}), Some(status(""))),
        (json!({"status": {"status": true}}), Some(status(""))),
        (json!({"status": "Installed"}), Some(status(""))),
        (json!(null), Some(status(""))),
        (with(json!({"mode": "Complain"})), Some(mode("Complain"))),
        (with(json!({"mode": "Later"})), Some(mode("Later"))),
        (with(json!({"mode": 1})), Some(mode(""))),
        (with(json!({"state": "Disabled"})), Some(state("Disabled"))),
        (with(json!({"state": true})), Some(state(""))),
        (
            with(json!({"state": "Disabled", "mode": "Complain"})),
            Some(state("Disabled")),
        ),
        (with(json!({"mode": "Enforce", "state": "Enabled"})), None),
        (with(json!({"mode": null, "state": null})), None),
        (with(json!({})), None),
        (with(json!(null)), None),
    ]);
    for (resource, reason) in table {
        for (field, profile, subject) in [
            (SECCOMP, "operator/x.json", "SeccompProfile \"x\""),
            (APP_ARMOR, "x", "AppArmorProfile \"x\""),
        ] {
            let host = FakeHost::new().found(GET, json!({}), resource.clone());
            let request = naming("/spec/containers/0/securityContext", field, profile);
            let expected: Vec<String> = reason
                .iter()
                .map(|reason| of_profile(field, profile, &reason.replace("{}", subject)))
                .collect();
            assert_eq!(
                answer(&request, &asking(), &host).lines,
                expected,
                "{resource}"
            );
        }
    }
}

#[test]
fn a_profile_that_cannot_be_looked_up_is_refused_for_that() {
    let subject = "and SeccompProfile \"x\"";
    let forbidden = "Callback evaluation failure: ApiError: seccompprofiles.security-profiles-operator.x-k8s.io is forbidden: 403";
    let absent = "Callback evaluation failure: Cannot find security-profiles-operator.x-k8s.io/v1/SeccompProfile named 'x' inside of namespace 'None'";
    for (text, reason) in [
        (absent, format!("{subject} is not there")),
        (
            forbidden,
            format!(
                "{subject} cannot be looked up: ApiError: \
                 seccompprofiles.security-profiles-operator.x-k8s.io is forbidden: 403"
            ),
        ),
        (
            DENIED,
            format!(
                "{subject} cannot be looked up because the policy server does not allow it: {DENIED}"
            ),
        ),
        ("a\rb", format!("{subject} cannot be looked up: a?b")),
    ] {
        let host = FakeHost::new().fails(GET, json!({}), text);
        let request = naming(
            "/spec/containers/0/securityContext",
            SECCOMP,
            "operator/x.json",
        );
        assert_eq!(
            answer(&request, &asking(), &host).lines,
            [of_profile(SECCOMP, "operator/x.json", &reason)]
        );
    }
    let host = FakeHost::new().raw(GET, b"{");
    let request = naming(
        "/spec/containers/0/securityContext",
        SECCOMP,
        "operator/x.json",
    );
    let reason = format!("{subject} cannot be looked up: it is not valid JSON at byte 1");
    assert_eq!(
        answer(&request, &asking(), &host).lines,
        [of_profile(SECCOMP, "operator/x.json", &reason)]
    );
}

#[test]
fn each_profile_is_asked_for_once_and_none_where_none_is_named() {
    let mut object = pod(&[APP; 4]);
    for (index, field, name) in [
        (0, SECCOMP, "operator/b.json"),
        (1, SECCOMP, "operator/a.json"),
        (2, SECCOMP, "operator/b.json"),
        (2, APP_ARMOR, "b"),
        (3, APP_ARMOR, "b"),
    ] {
        object["spec"]["containers"][index]["securityContext"][field] =
            json!({"type": "Localhost", "localhostProfile": name});
    }
    let absent = "Callback evaluation failure: Cannot find x/SeccompProfile named 'b'";
    let host = FakeHost::new()
        .fails(GET, json!({"name": "b"}), absent)
        .found(GET, json!({}), installed());
    let lines = answer(&requests::create_request("Pod", object), &asking(), &host).lines;
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("localhostProfiles: containers \"c0\", \"c2\": "));
    assert!(lines[1].starts_with("localhostProfiles: containers \"c2\", \"c3\": "));
    assert_eq!(
        host.calls(),
        [
            ("SeccompProfile", "b"),
            ("SeccompProfile", "a"),
            ("AppArmorProfile", "b")
        ]
        .map(|(kind, name)| (GET.to_owned(), question(kind, name)))
    );

    let asks_nothing = |request: &Value, settings: &Value| {
        let host = FakeHost::new();
        assert_eq!(
            answer(request, settings, &host).lines,
            [""; 0],
            "{settings}"
        );
        assert_eq!(host.calls(), [], "{settings}");
    };
    let request = naming(
        "/spec/containers/0/securityContext",
        SECCOMP,
        "operator/x.json",
    );
    for settings in [
        json!({}),
        json!({"localhostProfiles": {"source": "none"}}),
        json!({"localhostProfiles": {"source": "security-profiles-operator", "mode": "disabled"}}),
        json!({"localhostProfiles": {"source": "security-profiles-operator",
            "alsoInstalled": ["operator/x.json"]}}),
    ] {
        asks_nothing(&request, &settings);
    }
    asks_nothing(&requests::create_request("Pod", pod(&[APP])), &asking());
    // Profiles of other types, also with a name that they may not have.
    let mut off = asking();
    off["seccomp"] = json!({"mode": "disabled"});
    for profile in [
        json!({"type": "Unconfined"}),
        json!({"type": "RuntimeDefault", "localhostProfile": "operator/x.json"}),
        json!({"type": "Localhost"}),
        json!({"type": "Localhost", "localhostProfile": " "}),
    ] {
        let mut object = pod(&[APP]);
        object["spec"]["containers"][0]["securityContext"][SECCOMP] = profile;
        asks_nothing(&requests::create_request("Pod", object), &off);
    }
}

#[test]
fn every_profile_that_is_written_counts_and_an_annotation_where_it_becomes_the_field() {
    let host =
        || FakeHost::new().fails(GET, json!({}), "Callback evaluation failure: Cannot find x");
    let mut object = pod(&[APP]);
    object["spec"]["securityContext"][SECCOMP] =
        json!({"type": "Localhost", "localhostProfile": "operator/x.json"});
    object["spec"]["containers"][0]["securityContext"][SECCOMP] = json!({"type": "RuntimeDefault"});
    let lines = answer(&requests::create_request("Pod", object), &asking(), &host()).lines;
    assert_eq!(
        lines,
        [format!(
            "localhostProfiles: securityContext.seccompProfile is \"Localhost/operator/x.json\", and \
             SeccompProfile \"x\" is not there; spec.securityContext.seccompProfile must {INSTALLED}"
        )]
    );

    let key = "container.apparmor.security.beta.kubernetes.io";
    let of_annotation =
        format!("localhostProfiles: container \"c0\": metadata.annotations[\"{key}/c0\"]");
    for (annotation, value, field, line) in [
        (
            "c0",
            "localhost/x",
            json!(null),
            Some(format!(
                "{of_annotation} is \"localhost/x\", and AppArmorProfile \"x\" is not there; \
                 metadata.annotations[\"{key}/c0\"] must {INSTALLED}"
            )),
        ),
        // The field is what counts, there is no such container, or it names nothing.
        ("c0", "localhost/x", json!({"type": "RuntimeDefault"}), None),
        ("c1", "localhost/x", json!(null), None),
        ("c0", "localhost/", json!(null), None),
        ("c0", "runtime/default", json!(null), None),
    ] {
        let mut object = pod(&[APP]);
        object["metadata"]["annotations"] = json!({format!("{key}/{annotation}"): value});
        object["spec"]["securityContext"][APP_ARMOR] = Value::Null;
        object["spec"]["containers"][0]["securityContext"][APP_ARMOR] = field;
        let lines = answer(&requests::create_request("Pod", object), &asking(), &host()).lines;
        let lines: Vec<String> = lines
            .into_iter()
            .map(|line| line.replace(": annotations[", ": metadata.annotations["))
            .collect();
        let expected: Vec<String> = line.into_iter().collect();
        assert_eq!(lines, expected, "{annotation} {value}");
    }
    // No cluster with the operator acts on these.
    let mut object = pod(&[APP]);
    object["metadata"]["annotations"] =
        json!({"seccomp.security.alpha.kubernetes.io/pod": "localhost/operator/x.json"});
    let host = host();
    let found = answer(&requests::create_request("Pod", object), &asking(), &host);
    assert_eq!((found.lines.len(), host.calls().len()), (0, 0));
}

#[test]
fn a_profile_that_is_exempt_is_not_asked_for_and_that_of_the_pod_is_no_images() {
    let request = naming(
        "/spec/containers/0/securityContext",
        SECCOMP,
        "operator/x.json",
    );
    let host =
        || FakeHost::new().fails(GET, json!({}), "Callback evaluation failure: Cannot find x");
    for exemption in [
        json!({"controls": ["localhostProfiles"], "namespaces": ["shop"]}),
        json!({"controls": ["localhostProfiles"], "images": ["ghcr.io/org/app"]}),
    ] {
        let mut settings = asking();
        settings["exemptions"] = json!([exemption]);
        let host = host();
        assert_eq!(
            answer(&request, &settings, &host).lines,
            [""; 0],
            "{settings}"
        );
        assert_eq!(host.calls(), [], "{settings}");
    }
    // What is written for the pod is no image's.
    let of_pod = naming("/spec/securityContext", SECCOMP, "operator/x.json");
    let mut settings = asking();
    settings["exemptions"] =
        json!([{"controls": ["localhostProfiles"], "images": ["ghcr.io/org/app"]}]);
    let host = host();
    let lines = answer(&of_pod, &settings, &host).lines;
    assert_eq!(
        lines,
        [format!(
            "localhostProfiles: securityContext.seccompProfile is \"Localhost/operator/x.json\", and \
             SeccompProfile \"x\" is not there; spec.securityContext.seccompProfile must {INSTALLED}; an \
             exemption by image does not cover what is written for the pod"
        )]
    );
    // In mode warn it is a warning, of the exemption or of the control.
    let warned = of_profile(
        SECCOMP,
        "operator/x.json",
        "and SeccompProfile \"x\" is not there",
    );
    settings["exemptions"][0]["mode"] = "warn".into();
    let mut warning = asking();
    warning["localhostProfiles"]["mode"] = "warn".into();
    for settings in [settings, warning] {
        let found = answer(&request, &settings, &host);
        assert_eq!(
            (found.lines, found.warnings),
            (vec![], vec![warned.clone()])
        );
    }
}

#[test]
fn an_update_asks_for_a_profile_that_comes_to_count() {
    let named = |place: &str, name: &str| {
        let mut object = pod(&[APP]);
        object.pointer_mut(place).unwrap()[SECCOMP] =
            json!({"type": "Localhost", "localhostProfile": name});
        object
    };
    let update = |object: Value, stored: Value| {
        let host =
            FakeHost::new().fails(GET, json!({}), "Callback evaluation failure: Cannot find x");
        let mut request = requests::create_request("Pod", object);
        request["operation"] = "UPDATE".into();
        request["oldObject"] = stored;
        let found = answer(&request, &asking(), &host);
        (found.lines, host.calls().len())
    };
    let (of_pod, of_container) = (
        "/spec/securityContext",
        "/spec/containers/0/securityContext",
    );
    let absent = "and SeccompProfile \"x\" is not there";
    for place in [of_pod, of_container] {
        let object = || named(place, "operator/x.json");
        assert_eq!(update(object(), object()), (vec![], 0), "{place}");
        let (lines, calls) = update(object(), named(place, "operator/y.json"));
        assert_eq!((lines.len(), calls), (1, 1), "{place}");
        let (lines, calls) = update(object(), pod(&[APP]));
        assert_eq!((lines.len(), calls), (1, 1), "{place}");
        // The image that runs under it changes.
        let mut stored = object();
        stored["spec"]["containers"][0]["image"] = "ghcr.io/org/app:0".into();
        let (lines, calls) = update(object(), stored);
        assert_eq!((lines.len(), calls), (1, 1), "{place}");
    }
    // A container beside the others that has nothing of its own.
    let mut object = named(of_pod, "operator/x.json");
    object["spec"]["ephemeralContainers"] = json!([requests::valid_container("debug")]);
    let (lines, calls) = update(object.clone(), named(of_pod, "operator/x.json"));
    assert_eq!(
        (lines, calls),
        (
            vec![format!(
                "localhostProfiles: ephemeral container \"debug\": securityContext.seccompProfile is not \
                 set, and the pod's is \"Localhost/operator/x.json\", {absent}; \
                 spec.ephemeralContainers[0].securityContext.seccompProfile must {INSTALLED}"
            )],
            1
        )
    );
    object["spec"]["ephemeralContainers"][0]["securityContext"][SECCOMP] =
        json!({"type": "RuntimeDefault"});
    assert_eq!(
        update(object, named(of_pod, "operator/x.json")),
        (vec![], 0)
    );
    // A container gives up its annotation for the pod's profile.
    let key = "container.apparmor.security.beta.kubernetes.io/c0";
    let mut object = pod(&[APP]);
    object["spec"]["securityContext"][APP_ARMOR] =
        json!({"type": "Localhost", "localhostProfile": "x"});
    let mut stored = object.clone();
    stored["metadata"]["annotations"] = json!({key: "runtime/default"});
    let (lines, calls) = update(object.clone(), stored.clone());
    assert_eq!((lines.len(), calls), (1, 1));
    assert_eq!(update(stored.clone(), stored), (vec![], 0));
    assert_eq!(update(object.clone(), object), (vec![], 0));
}

#[test]
fn the_template_of_an_owner_excuses_a_profile_that_is_missing() {
    let named = |name: &str| {
        let mut object = pod(&[APP]);
        object["spec"]["securityContext"][SECCOMP] =
            json!({"type": "Localhost", "localhostProfile": name});
        object
    };
    let create = |template: &str, resource: Value| {
        let mut owner = requests::workload("ReplicaSet", named(template));
        owner["metadata"]["uid"] = "u1".into();
        let host = FakeHost::new()
            .found(GET, json!({"kind": "ReplicaSet"}), owner)
            .found(GET, json!({}), resource);
        let mut object = named("operator/x.json");
        object["metadata"]["ownerReferences"] = json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet",
            "name": "web-1", "uid": "u1", "controller": true}]);
        let mut request = requests::create_request("Pod", object);
        request["userInfo"] =
            json!({"username": "system:serviceaccount:kube-system:replicaset-controller"});
        let mut settings = asking();
        settings["legacy"] = json!({"onCreate": "newViolations"});
        let found = answer(&request, &settings, &host);
        (found.lines.len(), found.warnings, host.calls().len())
    };
    let missing = || json!({"status": {"status": "Error"}});
    assert_eq!(create("operator/x.json", installed()), (0, vec![], 1));
    assert_eq!(
        create("operator/x.json", missing()),
        (
            0,
            vec!["legacy: ReplicaSet \"web-1\" excuses: localhostProfiles".to_owned()],
            2
        )
    );
    assert_eq!(create("operator/y.json", missing()), (1, vec![], 2));
}

#[test]
fn of_more_than_500_profiles_the_others_are_refused_unasked() {
    let request = |count: usize| {
        let mut object = pod(&vec![APP; count]);
        for index in 0..count {
            object["spec"]["containers"][index]["securityContext"][SECCOMP] =
                json!({"type": "Localhost", "localhostProfile": format!("operator/p{index}.json")});
        }
        requests::create_request("Pod", object)
    };
    let host = FakeHost::new().found(GET, json!({}), installed());
    assert_eq!(answer(&request(500), &asking(), &host).lines, [""; 0]);
    assert_eq!(host.calls().len(), 500);
    let host = FakeHost::new().found(GET, json!({}), installed());
    let lines = answer(&request(501), &asking(), &host).lines;
    assert_eq!(
        lines,
        [
            "localhostProfiles: container \"c500\": securityContext.seccompProfile is \
             \"Localhost/operator/p500.json\", and of one pod only 500 images, and as many profiles, \
             are looked up; spec.containers[500].securityContext.seccompProfile must name a profile \
             that the nodes have"
        ]
    );
    assert_eq!(host.calls().len(), 500);
}
