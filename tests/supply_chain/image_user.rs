//! `rootUser.imageUser`.

use super::*;

#[test]
fn the_user_of_an_image_is_a_number_other_than_root_or_refused() {
    let root = |user: &str| Some(format!("and the image's is {user:?}, which is root"));
    let name = |user: &str| {
        Some(format!(
            "and the image's is {user:?}, which no node can tell from root"
        ))
    };
    let absent = || root("");
    for (user, reason) in [
        (json!("1000"), None),
        (json!("1"), None),
        (json!("1099"), None),
        (json!("65532:65532"), None),
        (json!("1000:root"), None),
        (json!("2147483647"), None),
        (json!("00012"), None),
        (json!("0"), root("0")),
        (json!("00"), root("00")),
        (json!("0:1000"), root("0:1000")),
        (json!("root"), root("root")),
        (json!("root:root"), root("root:root")),
        (json!("nginx"), name("nginx")),
        (json!("nginx:1000"), name("nginx:1000")),
        (json!("ROOT"), name("ROOT")),
        (json!("1000 "), name("1000 ")),
        (json!("+1000"), name("+1000")),
        (json!("-1"), name("-1")),
        (json!("1000x"), name("1000x")),
        // What is no user id: containerd has taken the first for root.
        (json!("4294967296"), name("4294967296")),
        (json!("2147483648"), name("2147483648")),
        (json!("99999999999999999999"), name("99999999999999999999")),
        (json!(":1000"), name(":1000")),
        (json!(":"), name(":")),
        (json!(""), absent()),
        (json!(null), absent()),
        (json!(1000), absent()),
    ] {
        for require in ["runAsNonRoot", "nonRootUser"] {
            let host = FakeHost::new().found(CONFIG, json!(APP), run_as(&user));
            let mut settings = judging_images();
            settings["rootUser"]["require"] = require.into();
            let found = judge(&[APP], &settings, &host);
            let expected: Vec<String> = reason.iter().map(|why| of_user(0, why)).collect();
            assert_eq!(found.lines, expected, "{user}, {require}");
            assert_eq!(host.calls(), [(CONFIG.to_owned(), json!(APP))]);
        }
    }
    // Without a `config` of its own, or without any configuration.
    for answer in [
        json!({"manifest": {}, "config": {}}),
        json!({"manifest": {}}),
    ] {
        let host = FakeHost::new().found(CONFIG, json!(APP), answer);
        let expected = [of_user(0, &absent().unwrap())];
        assert_eq!(judge(&[APP], &judging_images(), &host).lines, expected);
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn only_a_container_that_would_pass_without_a_user_is_asked_about() {
    let set = "set spec.containers[0].securityContext.runAsNonRoot to true";
    let unset = || {
        vec![format!(
            "rootUser: container \"c0\": securityContext.runAsNonRoot is not set, neither here nor for \
             the pod; {set}"
        )]
    };
    let root = |subject: &str, place: &str| {
        vec![format!(
            "rootUser: {subject}securityContext.runAsUser is 0, which is root; remove {place}.runAsUser"
        )]
    };
    let of_pod = || root("", "spec.securityContext");
    let of_container = || root("container \"c0\": ", "spec.containers[0].securityContext");
    let none = Vec::new;
    for (require, of_pod_written, written, is_asked, lines) in [
        (
            "runAsNonRoot",
            json!({"runAsNonRoot": true}),
            json!({}),
            true,
            none(),
        ),
        (
            "runAsNonRoot",
            json!({}),
            json!({"runAsNonRoot": true}),
            true,
            none(),
        ),
        ("runAsNonRoot", json!({}), json!({}), false, unset()),
        (
            "runAsNonRoot",
            json!({"runAsNonRoot": true, "runAsUser": 7}),
            json!({}),
            false,
            none(),
        ),
        (
            "runAsNonRoot",
            json!({"runAsNonRoot": true}),
            json!({"runAsUser": 7}),
            false,
            none(),
        ),
        (
            "runAsNonRoot",
            json!({"runAsNonRoot": true, "runAsUser": 0}),
            json!({}),
            false,
            of_pod(),
        ),
        (
            "runAsNonRoot",
            json!({"runAsNonRoot": true}),
            json!({"runAsUser": 0}),
            false,
            of_container(),
        ),
        (
            "runAsNonRoot",
            json!({"runAsNonRoot": true}),
            json!({"runAsNonRoot": false}),
            false,
            vec![format!(
                "rootUser: container \"c0\": securityContext.runAsNonRoot is false; {set}"
            )],
        ),
        // There the image's user is as good as a written one.
        ("nonRootUser", json!({}), json!({}), true, none()),
        (
            "nonRootUser",
            json!({"runAsNonRoot": true}),
            json!({}),
            true,
            none(),
        ),
        (
            "nonRootUser",
            json!({"runAsNonRoot": false}),
            json!({}),
            true,
            none(),
        ),
        (
            "nonRootUser",
            json!({}),
            json!({"runAsNonRoot": false}),
            true,
            none(),
        ),
        (
            "nonRootUser",
            json!({"runAsUser": 7}),
            json!({}),
            false,
            none(),
        ),
        (
            "nonRootUser",
            json!({}),
            json!({"runAsUser": 7}),
            false,
            none(),
        ),
        (
            "nonRootUser",
            json!({"runAsNonRoot": true, "runAsUser": 0}),
            json!({}),
            false,
            of_pod(),
        ),
    ] {
        let host = FakeHost::new().found(CONFIG, json!({}), run_as(&json!("1000")));
        let mut object = pod(&[APP]);
        let spec = &mut object["spec"];
        spec["securityContext"]["runAsNonRoot"] = Value::Null;
        for (key, value) in of_pod_written.as_object().unwrap() {
            spec["securityContext"][key] = value.clone();
        }
        for (key, value) in written.as_object().unwrap() {
            spec["containers"][0]["securityContext"][key] = value.clone();
        }
        let mut settings = judging_images();
        settings["rootUser"]["require"] = require.into();
        let request = requests::create_request("Pod", object);
        let found = answer(&request, &settings, &host);
        let case = format!("{require}: {of_pod_written} {written}");
        assert_eq!(found.lines, lines, "{case}");
        assert_eq!(host.calls().len(), usize::from(is_asked), "{case}");
        // By default nobody asks.
        settings["rootUser"]["imageUser"] = "ignore".into();
        let host = willing();
        answer(&request, &settings, &host);
        assert_eq!(host.calls(), [], "{case}");
    }
}

#[test]
fn each_image_is_asked_about_once_whoever_wants_to_know_of_it() {
    let short = ["nginx:1", "docker.io/library/nginx:1", APP, "nginx:1"];
    let host = FakeHost::new().found(
        CONFIG,
        json!({}),
        json!({"digest": A, "config": {"created": "2026-01-30T00:00:00Z", "config": {"User": "1000"}},
            "manifest": {}}),
    );
    let mut settings = judging_images();
    settings["imageFreshness"] = fresh(&json!({"maximumAge": "30d"}))["imageFreshness"].clone();
    assert_eq!(judge(&short, &settings, &host).lines, [""; 0]);
    assert_eq!(
        host.calls(),
        ["nginx:1", APP].map(|image| (CONFIG.to_owned(), json!(image)))
    );
    // Of an image that is old and runs as root, both are said, and it is asked for once.
    let host = FakeHost::new().found(
        CONFIG,
        json!({}),
        json!({"digest": A, "config": {"created": "2025-01-01T00:00:00Z"}, "manifest": {}}),
    );
    assert_eq!(
        judge(&[APP], &settings, &host).lines,
        [
            of_user(0, "and the image's is \"\", which is root"),
            freshness(APP, "which was built over 395d ago, and 30d is allowed"),
        ]
    );
    assert_eq!(host.calls().len(), 1);
    // So is one that cannot be looked up.
    let host = FakeHost::new().fails(CONFIG, json!({}), DOWN);
    assert_eq!(judge(&[APP], &settings, &host).lines.len(), 2);
    assert_eq!(host.calls().len(), 1);
}

#[test]
fn an_image_whose_user_cannot_be_looked_up_is_refused_for_that() {
    let cannot = "and the user of the image cannot be looked up";
    for (answer, reason) in [
        (
            Err(UNKNOWN),
            "and its registry does not have the image".to_owned(),
        ),
        (
            Err(DOWN),
            format!("{cannot}: error sending request for url (https://ghcr.io/)"),
        ),
        (
            Err(DENIED),
            format!("{cannot} because the policy server does not allow it: {DENIED}"),
        ),
        (
            Ok(json!({"config": {"config": {"User": "1000"}}})),
            format!(
                "{cannot}: the answer of oci/v1/oci_manifest_config cannot be read: it lacks what is \
                 asked for"
            ),
        ),
    ] {
        let host = FakeHost::new().row(CONFIG, json!(APP), answer);
        assert_eq!(
            judge(&[APP], &judging_images(), &host).lines,
            [of_user(0, &reason)]
        );
    }
}

#[test]
fn of_an_index_without_the_hosts_platform_every_user_counts() {
    const NO_PLATFORM: &str = "Callback evaluation failure: Image manifest not found: no entry found in image index manifest matching client's default platform";
    for (of_b, reason) in [
        ("1000", None),
        ("0", Some("and the image's is \"0\", which is root")),
    ] {
        let entry = |digest| json!({"digest": digest, "platform": {"os": "linux", "architecture": "arm64"}});
        let host = FakeHost::new()
            .fails(CONFIG, json!(APP), NO_PLATFORM)
            .found(
                MANIFEST,
                json!(APP),
                json!({"manifests": [entry(A), entry(B)]}),
            )
            .found(CONFIG, json!(by_digest(A)), run_as(&json!("1000")))
            .found(CONFIG, json!(by_digest(B)), run_as(&json!(of_b)));
        let expected: Vec<String> = reason.iter().map(|why| of_user(0, why)).collect();
        assert_eq!(judge(&[APP], &judging_images(), &host).lines, expected);
    }
}

#[test]
fn the_user_of_an_image_that_is_refused_exempt_or_of_windows_is_not_looked_up() {
    let unasked = |request: &Value, settings: &Value, lines: usize| {
        let host = rooted();
        assert_eq!(
            answer(request, settings, &host).lines.len(),
            lines,
            "{settings}"
        );
        assert_eq!(host.calls(), [], "{settings}");
    };
    let request = requests::create_request("Pod", pod(&[APP]));
    let mut settings = judging_images();
    settings["registries"] = json!({"allow": ["quay.io"]});
    unasked(&request, &settings, 1);
    // One that is only warned of is pulled.
    settings["registries"]["mode"] = "warn".into();
    let host = rooted();
    assert_eq!(answer(&request, &settings, &host).lines.len(), 1);
    assert_eq!(host.calls().len(), 1);

    for exemption in [
        json!({"controls": ["rootUser"], "namespaces": ["shop"]}),
        json!({"controls": ["rootUser"], "images": ["ghcr.io/org/app"]}),
        json!({"allow": {"rootUser": {"imageUser": "ignore"}}, "images": ["ghcr.io/org/app"]}),
    ] {
        let mut settings = judging_images();
        settings["exemptions"] = json!([exemption]);
        unasked(&request, &settings, 0);
        settings["exemptions"][0]["until"] = "2026-01-30".into();
        let host = rooted();
        let expected = format!(
            "{}; the exemption for it ended on 2026-01-30",
            of_user(0, "and the image's is \"\", which is root")
        );
        assert_eq!(answer(&request, &settings, &host).lines, [expected]);
    }
    let mut settings = judging_images();
    settings["rootUser"]["mode"] = "disabled".into();
    unasked(&request, &settings, 0);

    let mut windows = pod(&[APP]);
    windows["spec"]["os"] = json!({"name": "windows"});
    let mut settings = judging_images();
    settings["appArmor"] = json!({"mode": "disabled"});
    settings["seccomp"] = json!({"mode": "disabled"});
    unasked(
        &requests::create_request("Pod", windows.clone()),
        &settings,
        0,
    );
    // There nothing stands in for what must be written.
    windows["spec"]["securityContext"]["runAsNonRoot"] = Value::Null;
    settings["rootUser"]["require"] = "nonRootUser".into();
    unasked(&requests::create_request("Pod", windows), &settings, 1);

    let mut own_users = pod(&[APP]);
    own_users["spec"]["hostUsers"] = false.into();
    unasked(
        &requests::create_request("Pod", own_users),
        &judging_images(),
        0,
    );
}

#[test]
fn an_exemption_for_one_image_leaves_the_user_of_the_others_judged() {
    let mut settings = judging_images();
    settings["exemptions"] = json!([
        {"allow": {"rootUser": {"imageUser": "ignore"}}, "images": ["ghcr.io/org/app"]},
    ]);
    let other = "ghcr.io/org/other:1";
    let host = rooted();
    assert_eq!(
        judge(&[APP, other], &settings, &host).lines,
        [of_user(1, "and the image's is \"\", which is root")]
    );
    assert_eq!(host.calls(), [(CONFIG.to_owned(), json!(other))]);
    // What is exempt to be warned of is asked about.
    settings["exemptions"] = json!([
        {"controls": ["rootUser"], "mode": "warn", "images": ["ghcr.io/org/app"]},
    ]);
    let host = rooted();
    let found = judge(&[APP], &settings, &host);
    assert_eq!(found.lines, [""; 0]);
    assert_eq!(
        found.warnings,
        [of_user(0, "and the image's is \"\", which is root")]
    );
    let host = FakeHost::new().found(CONFIG, json!({}), run_as(&json!("1000")));
    assert_eq!(judge(&[APP], &settings, &host).warnings, [""; 0]);
}

#[test]
fn an_update_asks_for_the_user_of_an_image_that_comes_to_decide() {
    let update = |object: Value, stored: Value, settings: &Value| {
        let host = rooted();
        let mut request = requests::create_request("Pod", object);
        request["operation"] = "UPDATE".into();
        request["oldObject"] = stored;
        let found = answer(&request, settings, &host);
        (found.lines, found.warnings, host.calls().len())
    };
    let settings = judging_images();
    let root = |index| of_user(index, "and the image's is \"\", which is root");
    let nothing = || (Vec::new(), Vec::new(), 0);
    // What runs already is left alone, and nobody calls it excused, for nobody knows.
    assert_eq!(update(pod(&[APP]), pod(&[APP]), &settings), nothing());
    let mut dated = settings.clone();
    dated["legacy"]["until"] = "2027-01-01".into();
    assert_eq!(update(pod(&[APP]), pod(&[APP]), &dated), nothing());
    // Another image, or none before.
    for stored in [pod(&["ghcr.io/org/app:0"]), Value::Null] {
        let (lines, warnings, calls) = update(pod(&[APP]), stored, &settings);
        assert_eq!((lines, warnings, calls), (vec![root(0)], vec![], 1));
    }
    // The same image, which did not decide while a user was written.
    for field in [
        "/spec/securityContext",
        "/spec/containers/0/securityContext",
    ] {
        let mut stored = pod(&[APP]);
        stored.pointer_mut(field).unwrap()["runAsUser"] = 1000.into();
        let (lines, _, calls) = update(pod(&[APP]), stored, &settings);
        assert_eq!((lines, calls), (vec![root(0)], 1), "{field}");
    }
    let mut stored = pod(&[APP]);
    stored["spec"]["containers"][0]["securityContext"]["runAsUser"] = 0.into();
    let (lines, _, calls) = update(pod(&[APP]), stored, &settings);
    assert_eq!((lines, calls), (vec![root(0)], 1));
    // A container beside it.
    let mut object = pod(&[APP]);
    let mut debug = requests::valid_container("debug");
    debug["image"] = "ghcr.io/org/tools:1".into();
    object["spec"]["ephemeralContainers"] = json!([debug]);
    let (lines, _, calls) = update(object, pod(&[APP]), &settings);
    assert_eq!(
        lines,
        [root(0)
            .replace("container \"c0\"", "ephemeral container \"debug\"")
            .replace("spec.containers", "spec.ephemeralContainers")]
    );
    assert_eq!(calls, 1);
    // In full.
    let mut full = settings.clone();
    full["legacy"]["onUpdate"] = "allViolations".into();
    let mut object = pod(&[APP]);
    object["spec"]["volumes"] = json!([{"name": "data", "emptyDir": {}}]);
    let (lines, _, calls) = update(object, pod(&[APP]), &full);
    assert_eq!((lines, calls), (vec![root(0)], 1));
    assert_eq!(update(pod(&[APP]), pod(&[APP]), &full), nothing());
}

#[test]
fn a_template_that_changes_is_refused_for_the_user_of_its_image_and_one_that_stays_is_not() {
    let update = |object: Value, user: &str| {
        let host = FakeHost::new().found(CONFIG, json!({}), run_as(&json!(user)));
        let mut request = requests::create_request("Deployment", object);
        request["operation"] = "UPDATE".into();
        request["oldObject"] = requests::workload("Deployment", pod(&[APP]));
        let payload = requests::payload(&request, &judging_images());
        let answer: Value = serde_json::from_slice(&validate(&payload, &host)).unwrap();
        (answer, host.calls().len())
    };
    let mut object = requests::workload("Deployment", pod(&[APP]));
    object["spec"]["replicas"] = 3.into();
    let (answer, calls) = update(object.clone(), "root");
    assert_eq!((&answer["accepted"], calls), (&json!(true), 0));
    object["spec"]["template"]["metadata"]["annotations"] =
        json!({"kubectl.kubernetes.io/restartedAt": "now"});
    let (answer, calls) = update(object.clone(), "root");
    assert_eq!(calls, 1);
    let message = answer["message"].as_str().unwrap();
    assert!(
        message.contains(
            "(its pod template changes, so new Pods are made, and they would be rejected)"
        ),
        "{message}"
    );
    let (answer, calls) = update(object.clone(), "1000");
    assert_eq!((&answer["accepted"], calls), (&json!(true), 1));
    // Another fault that is new is not said to be an old one, for an image that is none.
    object["spec"]["template"]["spec"]["hostPID"] = true.into();
    let (answer, _) = update(object, "1000");
    let message = answer["message"].as_str().unwrap();
    assert!(!message.contains("(its pod template"), "{message}");
}

#[test]
fn the_template_of_an_owner_excuses_the_user_of_its_image_and_a_good_one_asks_for_no_owner() {
    let owner = |pod: &Value| {
        let mut owner = requests::workload("ReplicaSet", pod.clone());
        owner["metadata"]["uid"] = "u1".into();
        owner
    };
    let create = |template: &Value, user: &str, registries: Value| {
        let host = FakeHost::new()
            .found(CONFIG, json!({}), run_as(&json!(user)))
            .found("kubernetes/get_resource", json!({}), owner(template));
        let mut object = pod(&[APP]);
        object["metadata"]["ownerReferences"] = json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet",
            "name": "web-1", "uid": "u1", "controller": true}]);
        let mut request = requests::create_request("Pod", object);
        request["userInfo"] =
            json!({"username": "system:serviceaccount:kube-system:replicaset-controller"});
        let mut settings = judging_images();
        settings["legacy"] = json!({"onCreate": "newViolations"});
        settings["registries"] = registries;
        let found = answer(&request, &settings, &host);
        let calls: Vec<String> = host.calls().into_iter().map(|(name, _)| name).collect();
        (found.lines, found.warnings, calls)
    };
    let none = json!(null);
    let root = || vec![of_user(0, "and the image's is \"\", which is root")];
    let both = || vec![CONFIG.to_owned(), "kubernetes/get_resource".to_owned()];
    assert_eq!(
        create(&pod(&[APP]), "1000", none.clone()),
        (vec![], vec![], vec![CONFIG.to_owned()])
    );
    assert_eq!(
        create(&pod(&[APP]), "", none.clone()),
        (
            vec![],
            vec!["legacy: ReplicaSet \"web-1\" excuses: rootUser".to_owned()],
            both()
        )
    );
    // A webhook has taken out the user that the template writes, or has put in another image.
    let mut written = pod(&[APP]);
    written["spec"]["containers"][0]["securityContext"]["runAsUser"] = 1000.into();
    assert_eq!(create(&written, "", none.clone()), (root(), vec![], both()));
    assert_eq!(
        create(&pod(&["ghcr.io/org/app:0"]), "", none),
        (root(), vec![], both())
    );
    // An image that its registry speaks against, and the template excuses, is asked about in the end.
    let refused = json!({"allow": ["quay.io"]});
    let excused = "legacy: ReplicaSet \"web-1\" excuses: registries".to_owned();
    assert_eq!(
        create(&pod(&[APP]), "", refused.clone()),
        (
            vec![],
            vec![excused.clone()],
            vec!["kubernetes/get_resource".to_owned()]
        )
    );
    let mut asked = both();
    asked.reverse();
    assert_eq!(
        create(&written, "", refused),
        (root(), vec![excused], asked)
    );
}

#[test]
fn a_container_without_an_image_that_can_be_read_has_no_user() {
    let mut settings = judging_images();
    settings["registries"] = json!({"mode": "disabled"});
    let host = rooted();
    assert_eq!(
        judge(&["ghcr.io/org/App:1"], &settings, &host).lines,
        [of_user(
            0,
            "and its image cannot be read: its repository is not in lower case"
        )]
    );
    let mut template = pod(&[APP]);
    for image in [json!(null), json!(""), json!("  ")] {
        template["spec"]["containers"][0]["image"] = image;
        let deployment = requests::workload("Deployment", template.clone());
        let found = answer(
            &requests::create_request("Deployment", deployment),
            &settings,
            &host,
        );
        assert_eq!(found.lines, [""; 0]);
        assert_eq!(
            found.warnings,
            ["container \"c0\" has no image yet; it is judged when its Pods are created"]
        );
    }
    template["spec"]["containers"][0]["image"] = Value::Null;
    let request = requests::create_request("Pod", requests::workload("Pod", template));
    assert_eq!(
        answer(&request, &settings, &host).lines,
        [of_user(0, "and its image cannot be read: it is empty")]
    );
    assert_eq!(host.calls(), []);
}

#[test]
fn more_containers_than_are_counted_are_refused_unasked() {
    let host = FakeHost::new().found(CONFIG, json!({}), run_as(&json!("1000")));
    let many = vec![APP; 8191];
    assert_eq!(judge(&many, &judging_images(), &host).lines, [""; 0]);
    assert_eq!(host.calls().len(), 1);
    let host = FakeHost::new().found(CONFIG, json!({}), run_as(&json!("1000")));
    let many = vec![APP; 8193];
    let lines = judge(&many, &judging_images(), &host).lines;
    assert!(
        lines[0].starts_with("rootUser: containers \"c0\", \"c1\","),
        "{lines:?}"
    );
    assert_eq!(host.calls(), []);
}

#[test]
fn what_an_image_says_of_its_user_forges_no_line_of_a_message() {
    let host = FakeHost::new().found(CONFIG, json!({}), run_as(&json!("a\n- privileged")));
    assert_eq!(
        judge(&[APP], &judging_images(), &host).lines,
        [of_user(
            0,
            "and the image's is \"a\\n- privileged\", which no node can tell from root"
        )]
    );
}
