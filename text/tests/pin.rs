//! Digests behind the tags of a file.

#![expect(clippy::unwrap_used, reason = "a test may panic, also in its helpers")]

use std::collections::BTreeMap;

use container_security_text::pin::Manifest;

/// What becomes of a file in which every tag means the same digest.
fn pinned(text: &str) -> Result<String, String> {
    let manifest = Manifest::read("f.yaml", text.as_bytes())?;
    let digests: BTreeMap<_, _> = manifest
        .tagged()
        .map(|image| (image.name.clone(), DIGEST.to_owned()))
        .collect();
    manifest.with_digests(&digests)
}

/// Holds the file to what is written here, in which `@` alone stands for the digest.
fn check(text: &str, expected: &str) {
    let expected = expected.replace("@!", &format!("@{DIGEST}"));
    assert_eq!(pinned(text).unwrap(), expected);
    // Nothing is left to do.
    assert_eq!(pinned(&expected).unwrap(), expected);
}

#[test]
fn only_what_stands_behind_a_reference_is_written() {
    check(
        "# a Deployment\napiVersion: apps/v1   # of ours\nkind: Deployment\nspec:\n  template:\n    spec:\n      initContainers:\n      - {name: a, image: nginx:1}   # flow\n      - name:  b\n        image:   'r.example/b:2'\t# single\n        args: [ \"x\",  'y' ]\n      containers:\n        -   image: \"r.example:5000/c/d:v1.2-3_4\"   \n            name: \"c\"\n        - name: plain\n          image: busybox\n\n      volumes:\n      - name: v\n        image: {reference: r.example/v:1, pullPolicy: Always}\n",
        "# a Deployment\napiVersion: apps/v1   # of ours\nkind: Deployment\nspec:\n  template:\n    spec:\n      initContainers:\n      - {name: a, image: nginx:1@!}   # flow\n      - name:  b\n        image:   'r.example/b:2@!'\t# single\n        args: [ \"x\",  'y' ]\n      containers:\n        -   image: \"r.example:5000/c/d:v1.2-3_4@!\"   \n            name: \"c\"\n        - name: plain\n          image: busybox:latest@!\n\n      volumes:\n      - name: v\n        image: {reference: r.example/v:1@!, pullPolicy: Always}\n",
    );
}

#[test]
fn every_document_item_and_kind_of_line_end_is_read() {
    check(
        "\u{feff}kind: Pod\r\nspec:\r\n  containers: [{image: a:1}]\r\n---\r\n---\r\n# ü\r\nkind: List\r\nitems:\r\n- kind: Rollout\r\n  spec: {template: {spec: {containers: [{name: ü, image: b:1}]}}}\r\n- kind: Pod\r\n  spec: {ephemeralContainers: [{image: c:1}]}",
        "\u{feff}kind: Pod\r\nspec:\r\n  containers: [{image: a:1@!}]\r\n---\r\n---\r\n# ü\r\nkind: List\r\nitems:\r\n- kind: Rollout\r\n  spec: {template: {spec: {containers: [{name: ü, image: b:1@!}]}}}\r\n- kind: Pod\r\n  spec: {ephemeralContainers: [{image: c:1@!}]}",
    );
    check(
        "{\n  \"kind\": \"Pod\",\n  \"spec\": {\"containers\": [{\"image\": \"a:1\"}]}\n}\n",
        "{\n  \"kind\": \"Pod\",\n  \"spec\": {\"containers\": [{\"image\": \"a:1@!\"}]}\n}\n",
    );
}

#[test]
fn an_anchor_is_written_once_where_all_that_it_means_are_images() {
    check(
        "spec:\n  containers:\n  - image: &i nginx:1\n  - image: *i\n  - &c {image: b:1}\n  - <<: *c\n    name: d\n",
        "spec:\n  containers:\n  - image: &i nginx:1@!\n  - image: *i\n  - &c {image: b:1@!}\n  - <<: *c\n    name: d\n",
    );
    assert_eq!(
        pinned("x: &i nginx:1\nspec: {containers: [{image: *i}]}\n").unwrap_err(),
        "f.yaml: an image stands where something else is meant by the same text, an anchor for example; nothing is written"
    );
}

#[test]
fn what_is_no_image_stays() {
    let text = format!(
        "kind: Pod\nmetadata: {{annotations: {{image: a:1}}}}\nimage: b:1\nspec:\n  image: c:1\n  containers:\n  - image: d@{DIGEST}\n  - {{name: e, env: [{{name: image, value: f:1}}]}}\n  - image: ''\n  - image: g:1\n  volumes: [{{image: h:1}}, {{emptyDir: {{}}}}]\ndata: {{x: 'containers: [{{image: i:1}}]'}}\n"
    );
    check(&text, &text.replace("g:1", "g:1@!"));
    let map = "kind: ConfigMap\ndata: {image: a:1}\n";
    check(map, map);
    let manifest = Manifest::read("f.yaml", text.as_bytes()).unwrap();
    assert_eq!(manifest.pinned, 1);
    let tagged: Vec<_> = manifest
        .tagged()
        .map(|image| (image.written.as_str(), image.line, image.name.as_str()))
        .collect();
    assert_eq!(tagged, [("g:1", 10, "docker.io/library/g:1")]);
}

#[test]
fn what_cannot_be_written_is_an_error_with_its_line() {
    let moved = "write it on one line, without escapes; it cannot be found in the file as it is";
    for (image, expected) in [
        ("\"nginx\\x3a1\"", format!("\"nginx:1\": {moved}")),
        ("|-\n      nginx:1\n", format!("\"nginx:1\": {moved}")),
        (">-\n      nginx:1\n", format!("\"nginx:1\": {moved}")),
        ("\"ngi\\\n      nx:1\"", format!("\"nginx:1\": {moved}")),
    ] {
        let error = pinned(&format!(
            "spec:\n  containers:\n  - name: a\n    image: {image}\n"
        ))
        .unwrap_err();
        let (_, problem) = error.split_once(": line ").unwrap();
        let (_, problem) = problem.split_once(": ").unwrap();
        assert_eq!(problem, expected, "{error}");
    }
    for (text, expected) in [
        (
            "spec:\n  containers: [{image: 'a b'}]\n",
            "f.yaml: line 2: \"a b\": ",
        ),
        (
            "spec:\n  containers: [{image: foo_bar.io/app}]\n",
            "f.yaml: line 2: \"foo_bar.io/app\": ",
        ),
        ("# nothing\n", "f.yaml: no object in it"),
        ("a: [\n", "f.yaml, document 1: line 2, column 1: "),
        (
            "spec: {containers: [{image: {{ .Values.image }}}]}\n",
            "f.yaml, document 1: ",
        ),
    ] {
        let error = pinned(text).unwrap_err();
        assert!(error.starts_with(expected), "{error}");
    }
    assert_eq!(
        Manifest::read("f.yaml", b"a: \xff").unwrap_err(),
        "f.yaml: only UTF-8 is written, and the file is none"
    );
    let manifest = Manifest::read("f.yaml", b"spec: {containers: [{image: a:1}]}").unwrap();
    assert_eq!(
        manifest.with_digests(&BTreeMap::new()).unwrap_err(),
        "f.yaml: there is no digest for docker.io/library/a:1"
    );
}

const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
