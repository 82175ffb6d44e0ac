//! `container-security evaluate`: exit status, stdout and stderr.

#![expect(clippy::unwrap_used, reason = "a test may panic, also in its helpers")]

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};

use assert_cmd::Command;
use assert_cmd::assert::Assert;
use container_security_test_kit::{guest, policy_module};
use serde_json::{Value, json};
use tempfile::TempDir;

const GOOD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: good}\n";
const BAD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: bad, annotations: {a: '!'}}\n";

/// A folder with a policy in it, in which the command runs.
struct Folder(TempDir);

impl Folder {
    fn with_policy(validate: &str) -> Self {
        let folder = Self(TempDir::new().unwrap());
        fs::write(folder.path("policy.wasm"), guest::module(validate)).unwrap();
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, text: &str) -> &Self {
        fs::write(self.path(name), text).unwrap();
        self
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = Command::cargo_bin("container-security").unwrap();
        command
            .current_dir(self.0.path())
            .env_remove("NO_COLOR")
            .env_remove("RUST_BACKTRACE")
            .env_remove("RUST_LIB_BACKTRACE")
            .args(arguments.split_whitespace());
        command
    }

    fn evaluate(&self, arguments: &str) -> Assert {
        self.command(&format!("evaluate {arguments}")).assert()
    }

    fn json(&self, arguments: &str) -> Value {
        let assert = self.evaluate(&format!("{arguments} --output json"));
        serde_json::from_slice(&assert.get_output().stdout).unwrap()
    }
}

#[test]
fn an_accepted_object_ends_with_0() {
    Folder::with_policy(guest::REJECT_MARKED)
        .file("pod.yaml", GOOD)
        .evaluate("-r pod.yaml")
        .code(0)
        .stdout("ACCEPTED  Pod default/good  (pod.yaml)\n  warning: beware\n")
        .stderr("");
}

#[test]
fn a_rejected_object_ends_with_1_and_says_why() {
    Folder::with_policy(guest::REJECT_MARKED)
        .file("pod.yaml", BAD)
        .evaluate("--request-path pod.yaml")
        .code(1)
        .stdout("REJECTED  Pod default/bad  (pod.yaml)\n  marked\n  second line\n")
        .stderr("");
}

#[test]
fn several_files_and_documents_have_a_summary() {
    Folder::with_policy(guest::REJECT_MARKED)
        .file("a.yaml", &format!("---\n{GOOD}---\n---\n{BAD}"))
        .file("b.yaml", BAD)
        .evaluate("-r a.yaml -r b.yaml")
        .code(1)
        .stdout(
            "ACCEPTED  Pod default/good  (a.yaml, document 1)\n  warning: beware\n\
             REJECTED  Pod default/bad  (a.yaml, document 3)\n  marked\n  second line\n\
             REJECTED  Pod default/bad  (b.yaml)\n  marked\n  second line\n\
             3 objects: 1 accepted, 2 rejected\n",
        );
}

#[test]
fn the_items_of_a_list_are_judged_one_by_one() {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "shop"}},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"generateName": "b-"}},
    ]});
    Folder::with_policy(guest::ACCEPT)
        .file("list.json", &list.to_string())
        .evaluate("-r list.json --namespace staging")
        .code(0)
        .stdout(
            "ACCEPTED  Pod shop/a  (list.json, document 1, item 1)\n\
             ACCEPTED  Deployment staging/b-*  (list.json, document 1, item 2)\n\
             2 objects: 2 accepted, 0 rejected\n",
        );
}

#[test]
fn a_folder_is_its_files_by_name() {
    let folder = Folder::with_policy(guest::ACCEPT);
    for name in ["all", "none"] {
        fs::create_dir(folder.path(name)).unwrap();
    }
    folder
        .file("all/b.json", "{\"apiVersion\": \"v1\", \"kind\": \"Pod\"}")
        .file("all/c.yml", GOOD)
        .file("all/a.yaml", GOOD)
        .file("all/notes.txt", "not read")
        .evaluate("-r all")
        .code(0)
        .stdout(
            "ACCEPTED  Pod default/good  (all/a.yaml)\n\
             ACCEPTED  Pod default/(no name)  (all/b.json)\n\
             ACCEPTED  Pod default/good  (all/c.yml)\n\
             3 objects: 3 accepted, 0 rejected\n",
        );
    folder
        .evaluate("-r none -r all/")
        .code(2)
        .stderr("error: none: no file in it ends in .json, .yaml or .yml\n");
}

#[test]
fn standard_input_is_a_file() {
    Folder::with_policy(guest::ACCEPT)
        .command("evaluate -r -")
        .write_stdin(GOOD)
        .assert()
        .code(0)
        .stdout("ACCEPTED  Pod default/good  (-)\n");
}

#[test]
fn the_policy_can_be_named_by_path_or_uri() {
    let folder = Folder::with_policy(guest::ACCEPT);
    folder.file("pod.yaml", GOOD);
    fs::rename(folder.path("policy.wasm"), folder.path("other.wasm")).unwrap();
    folder.evaluate("other.wasm -r pod.yaml").code(0);
    folder
        .evaluate(&format!(
            "file://{} -r pod.yaml",
            folder.path("other.wasm").display()
        ))
        .code(0);
    folder
        .evaluate("registry://ghcr.io/p:v1 -r pod.yaml")
        .code(2)
        .stderr("error: registry://ghcr.io/p:v1: a policy is a path or a file:// URI\n");
}

#[test]
fn a_missing_policy_says_how_to_build_it() {
    let folder = Folder(TempDir::new().unwrap());
    folder.file("pod.yaml", GOOD).evaluate("-r pod.yaml").code(2).stdout("").stderr(
        "error: policy.wasm: No such file or directory (os error 2); build it with: make policy.wasm\n",
    );
}

#[test]
fn a_policy_that_is_no_wasm_is_an_error() {
    let folder = Folder(TempDir::new().unwrap());
    folder
        .file("policy.wasm", "(module)")
        .file("pod.yaml", GOOD);
    let assert = folder.evaluate("-r pod.yaml").code(2);
    let stderr = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    assert!(
        stderr.starts_with("error: policy.wasm: cannot load the policy: "),
        "{stderr}"
    );
}

#[test]
fn a_missing_file_does_not_hide_the_others() {
    Folder::with_policy(guest::ACCEPT)
        .file("pod.yaml", GOOD)
        .evaluate("-r missing.yaml -r pod.yaml")
        .code(2)
        .stdout(
            "ACCEPTED  Pod default/good  (pod.yaml)\n2 objects: 1 accepted, 0 rejected, 1 not judged\n",
        )
        .stderr("error: missing.yaml: No such file or directory (os error 2)\n");
}

#[test]
fn a_document_that_does_not_parse_does_not_hide_those_before_it() {
    Folder::with_policy(guest::ACCEPT)
        .file("pod.yaml", &format!("{GOOD}---\na: [1\n"))
        .evaluate("-r pod.yaml")
        .code(2)
        .stdout(
            "ACCEPTED  Pod default/good  (pod.yaml, document 1)\n\
             2 objects: 1 accepted, 0 rejected, 1 not judged\n",
        )
        .stderr(
            "error: pod.yaml, document 2: line 6, column 1: did not find expected ',' or ']', \
             while parsing a flow sequence that begins at line 5, column 4; \
             the document begins at line 5\n",
        );
}

#[test]
fn a_document_that_does_not_parse_says_that_those_after_it_are_not_read() {
    Folder::with_policy(guest::ACCEPT)
        .file(
            "pod.yaml",
            &format!("{GOOD}---\nkind: Pod\n\tspec: {{}}\n---\n{GOOD}---\n{BAD}"),
        )
        .evaluate("-r pod.yaml")
        .code(2)
        .stdout(
            "ACCEPTED  Pod default/good  (pod.yaml, document 1)\n\
             2 objects: 1 accepted, 0 rejected, 1 not judged\n",
        )
        .stderr(
            "error: pod.yaml, document 2: line 6, column 1: found a tab character that violates indentation, \
             while scanning a plain scalar that begins at line 5, column 7; \
             the document begins at line 5, and the 2 after it are not read\n",
        );
}

#[test]
fn a_merge_key_after_an_explicit_key_overwrites_it_as_in_kubectl() {
    let annotations = "metadata: {name: bad, annotations: {a: fine, <<: {a: '!'}}}";
    Folder::with_policy(guest::REJECT_MARKED)
        .file(
            "pod.yaml",
            &format!("apiVersion: v1\nkind: Pod\n{annotations}\n"),
        )
        .evaluate("-r pod.yaml")
        .code(1);
}

#[test]
fn a_key_that_comes_twice_is_an_error_in_yaml_and_json() {
    Folder::with_policy(guest::ACCEPT)
        .file("pod.yaml", "kind: Pod\nspec:\n  hostPID: true\n  hostPID: false\n")
        .file("pod.json", "{\"kind\": \"Pod\",\n \"kind\": \"Pod\"}")
        .evaluate("-r pod.yaml -r pod.json")
        .code(2)
        .stdout("2 objects: 0 accepted, 0 rejected, 2 not judged\n")
        .stderr(
            "error: pod.yaml, document 1: line 4, column 3: the key \"hostPID\" is set a second time; \
             the first is at line 3, column 3\n\
             error: pod.json, document 1: duplicate entry with key \"kind\" at line 2 column 7; \
             the document begins at line 1, and nothing after it is read\n",
        );
}

#[test]
fn what_is_no_object_is_an_error() {
    Folder::with_policy(guest::ACCEPT)
        .file("a.yaml", "- 1\n")
        .file("b.yaml", "# nothing\n")
        .evaluate("-r a.yaml -r b.yaml")
        .code(2)
        .stderr(
            "error: a.yaml, document 1: line 1, column 1: neither an AdmissionReview nor a Kubernetes object: not a mapping\n\
             error: b.yaml: no object to judge\n",
        );
}

#[test]
fn a_field_that_cannot_be_decoded_is_named_with_its_line() {
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policy.wasm");
    let folder = Folder::with_policy(guest::ACCEPT);
    fs::copy(module, folder.path("policy.wasm")).unwrap();
    let deployment = "kind: Deployment\napiVersion: apps/v1\nmetadata: {name: web}\nspec:\n  \
         template:\n    spec:\n      containers:\n      - name: web\n        securityContext:\n          \
         runAsUser: '1000'\n";
    folder
        .file("a.yaml", deployment)
        .evaluate("-r a.yaml")
        .code(1)
        .stdout(
            "REJECTED  Deployment default/web  (a.yaml)\n  \
             the Deployment cannot be decoded: spec.template.spec.containers[0].securityContext.runAsUser: \
             expected a whole number, found a string\n  \
             note: see a.yaml, line 10, column 11\n",
        )
        .stderr("");
    // In a request, and in an item of a list.
    let request = format!(
        "request:\n  uid: a\n  operation: CREATE\n  userInfo: {{}}\n  \
         kind: {{group: apps, version: v1, kind: Deployment}}\n  \
         resource: {{group: apps, version: v1, resource: deployments}}\n  object:\n    {}",
        deployment.replace('\n', "\n    ")
    );
    let list = format!(
        "kind: List\napiVersion: v1\nitems:\n- {}",
        deployment.replace('\n', "\n  ")
    );
    folder.file("b.yaml", &request).file("c.yaml", &list);
    for (file, line) in [("b.yaml", 17), ("c.yaml", 13)] {
        let report = folder.json(&format!("-r {file}"));
        let notes = report[0]["notes"].to_string();
        assert!(
            notes.contains(&format!("see {file}, line {line}, ")),
            "{report:#}"
        );
    }
}

#[test]
fn what_kubernetes_has_no_kind_for_is_not_judged() {
    Folder::with_policy(guest::ACCEPT)
        .file("a.yaml", "apiVersion: apps/v1\nkind: Daemonset\n")
        .file("b.yaml", "apiVersion: v1\nkind: PodList\nitems: {a: {}}\n")
        .file("c.yaml", "apiVersion: v1\nkind: List\nitems: null\n")
        .file("d.yaml", "apiVersion: apps/v1\nkind: Deploymnet\n")
        .file("e.yaml", "apiVersion: v1\nkind: Pods\n")
        .evaluate("-r a.yaml -r b.yaml -r c.yaml -r d.yaml -r e.yaml")
        .code(2)
        .stdout("5 objects: 0 accepted, 0 rejected, 5 not judged\n")
        .stderr(
            "error: a.yaml, document 1: line 2, column 1: Kubernetes has no kind \"Daemonset\" \
             in apiVersion \"apps/v1\"; write kind DaemonSet\n\
             error: b.yaml, document 1: line 3, column 1: `items` of a PodList must be a list\n\
             error: c.yaml: no object to judge\n\
             error: d.yaml, document 1: line 2, column 1: Kubernetes has no kind \"Deploymnet\" \
             in apiVersion \"apps/v1\"; did you mean kind Deployment?\n\
             error: e.yaml, document 1: line 2, column 1: Kubernetes has no kind \"Pods\" \
             in apiVersion \"v1\"; did you mean kind Pod?\n",
        );
}

#[test]
fn kinds_without_pods_are_counted_and_not_listed() {
    let folder = Folder::with_policy(guest::REJECT_MARKED);
    let config_map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: '!'}\n";
    let definition = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n";
    let custom = "apiVersion: example.com/v1\nkind: AllowList\nmetadata: {name: a}\nitems: [b]\n";
    folder.file("map.yaml", config_map).file(
        "all.yaml",
        &format!("{config_map}---\n{GOOD}---\n{definition}---\n{custom}"),
    );
    folder
        .evaluate("-r map.yaml")
        .code(0)
        .stdout("1 object: 0 accepted, 0 rejected, 1 with nothing to judge\n")
        .stderr("");
    folder
        .evaluate("-r all.yaml")
        .code(0)
        .stdout(
            "ACCEPTED  Pod default/good  (all.yaml, document 2)\n  warning: beware\n\
             ACCEPTED  AllowList default/a  (all.yaml, document 4)\n  warning: beware\n\
             4 objects: 2 accepted, 0 rejected, 2 with nothing to judge\n",
        )
        .stderr("");
    let report = folder.json("-r map.yaml");
    assert_eq!(
        report[0]["notes"],
        json!(["nothing to judge: a ConfigMap has no Pods"])
    );
    assert_eq!(report[0].get("response"), None);
}

#[test]
fn only_this_policy_has_nothing_to_judge_where_there_are_no_pods() {
    let folder = Folder::with_policy(guest::REJECT_MARKED);
    let everything =
        "rules: [{apiGroups: ['*'], apiVersions: ['*'], resources: ['*'], operations: ['*']}]";
    let policy = |name: &str, module: &str| {
        format!(
            "apiVersion: policies.kubewarden.io/v1\nkind: ClusterAdmissionPolicy\n\
             metadata: {{name: {name}}}\n\
             spec: {{module: {module}, mutating: false, {everything}}}\n"
        )
    };
    fs::write(folder.path("this.wasm"), policy_module::bytes()).unwrap();
    folder
        .file(
            "map.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: '!'}\n",
        )
        .file("this.yaml", &policy("this", "./this.wasm"))
        .file(
            "both.yaml",
            &format!(
                "{}---\n{}",
                policy("this", "./this.wasm"),
                policy("marks", "./policy.wasm")
            ),
        );
    folder
        .evaluate("this.yaml -r map.yaml")
        .code(0)
        .stdout("1 object: 0 accepted, 0 rejected, 1 with nothing to judge\n");
    folder
        .file("pod.yaml", &format!("{GOOD}spec: {{}}\n"))
        .evaluate("this.yaml -r map.yaml -r pod.yaml")
        .stdout(predicates::str::ends_with(
            "\n1 verdict: 1 accepted, 0 rejected, 1 object with nothing to judge\n",
        ));
    folder.evaluate("both.yaml -r map.yaml").code(1).stdout(
        "REJECTED  ConfigMap default/a  (map.yaml)  by ClusterAdmissionPolicy marks\n  \
           marked\n  second line\n",
    );
}

#[test]
fn a_policy_that_fails_cannot_judge() {
    let folder = Folder::with_policy(guest::FAIL);
    folder.file("pod.yaml", GOOD).evaluate("-r pod.yaml").code(2).stdout("").stderr(
        "error: pod.yaml, document 1: Pod default/good: internal server error: Guest call failure: I am no good\n",
    );
    let folder = Folder::with_policy(guest::TRAP);
    let assert = folder
        .file("pod.yaml", GOOD)
        .evaluate("-r pod.yaml")
        .code(2);
    let stderr = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    assert!(
        stderr.contains("error while executing: wasm `unreachable` instruction executed"),
        "{stderr}"
    );
}

#[test]
fn a_policy_that_does_not_end_is_interrupted() {
    Folder::with_policy(guest::LOOP).file("pod.yaml", GOOD).evaluate("-r pod.yaml").code(2).stderr(
        "error: pod.yaml, document 1: Pod default/good: Policy execution interrupted because it exceeded the allowed execution time\n",
    );
}

#[test]
fn invalid_settings_end_with_2() {
    let folder = Folder::with_policy(guest::ACCEPT);
    folder
        .file("pod.yaml", GOOD)
        .file("settings.yaml", "# why\na: '!'\n");
    for settings in [
        "-s settings.yaml",
        "--settings-path settings.yaml",
        "--settings-json {\"a\":\"!\"}",
    ] {
        folder
            .evaluate(&format!("-r pod.yaml {settings}"))
            .code(2)
            .stdout("")
            .stderr("error: Policy settings are invalid: marked\n");
    }
}

#[test]
fn settings_inside_of_something_else_are_pointed_at() {
    let folder = folder_with_this_policy();
    folder
        .file("pod.yaml", GOOD)
        .file("policy.yaml", &policy_resource("module: ./policy.wasm"))
        .file("wrapped.yaml", "settings: {level: baseline}\n");
    folder
        .evaluate("-r pod.yaml -s policy.yaml")
        .code(2)
        .stdout("")
        .stderr("error: policy.yaml is a policy of Kubewarden: write what stands under its spec.settings, or name the file in the place of POLICY\n");
    folder
        .evaluate("-r pod.yaml -s wrapped.yaml")
        .code(2)
        .stdout("")
        .stderr(predicates::str::ends_with(
            "\nwrite what stands under settings, without that key\n",
        ));
}

#[test]
fn the_json_report_says_of_each_file_why_nobody_can_be_asked() {
    let folder = Folder::with_policy(guest::ACCEPT);
    folder
        .file("a.yaml", GOOD)
        .file("b.yaml", GOOD)
        .file("settings.yaml", "a: '!'\n");
    for (arguments, error) in [
        ("-s settings.yaml", "Policy settings are invalid: marked"),
        (
            "-s gone.yaml",
            "gone.yaml: No such file or directory (os error 2)",
        ),
        (
            "none.wasm",
            "none.wasm: No such file or directory (os error 2); build it with: make policy.wasm",
        ),
    ] {
        let arguments = format!("-r a.yaml -r b.yaml {arguments}");
        folder
            .evaluate(&format!("{arguments} --output json"))
            .code(2)
            .stderr(format!("error: {error}\n"));
        assert_eq!(
            folder.json(&arguments),
            json!([{"source": "a.yaml", "error": error}, {"source": "b.yaml", "error": error}])
        );
    }
}

#[test]
fn settings_reach_the_policy() {
    let folder = Folder::with_policy(guest::CALL_HOST);
    folder
        .file("pod.yaml", GOOD)
        .file("null.yaml", "null\n")
        .file("empty.yaml", "")
        .file("list.yaml", "[1]")
        .file("two.yaml", "a: 1\n---\nb: 1\n");
    for settings in ["", "-s null.yaml", "-s empty.yaml", "--settings-json null"] {
        let assert = folder.evaluate(&format!("-r pod.yaml {settings}")).code(2);
        let stderr = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
        assert!(stderr.contains("has not been granted access"), "{stderr}");
    }
    folder
        .evaluate("-r pod.yaml -s list.yaml")
        .code(2)
        .stderr("error: list.yaml: settings must be a mapping\n");
    folder
        .evaluate("-r pod.yaml -s two.yaml")
        .code(2)
        .stderr("error: two.yaml: settings must be one document\n");
    folder
        .evaluate("-r pod.yaml -s missing.yaml")
        .code(2)
        .stderr("error: missing.yaml: No such file or directory (os error 2)\n");
}

#[test]
fn bad_arguments_end_with_2() {
    let folder = Folder::with_policy(guest::ACCEPT);
    folder.file("pod.yaml", GOOD);
    folder.evaluate("").code(2);
    folder.evaluate("-r pod.yaml --operation PATCH").code(2);
    folder
        .evaluate("-r pod.yaml -s a --settings-json {}")
        .code(2);
    folder
        .evaluate("-r pod.yaml --old-object-path pod.yaml")
        .code(2)
        .stderr("error: --old-object-path needs --operation UPDATE\n");
    folder.evaluate("--help").code(0).stderr("");
}

#[test]
fn colour_is_for_terminals_or_on_demand() {
    const COLOURED: &str = "\u{1b}[1m\u{1b}[32mACCEPTED\u{1b}[0m  Pod default/good  (pod.yaml)\n";
    const PLAIN: &str = "ACCEPTED  Pod default/good  (pod.yaml)\n";
    let folder = Folder::with_policy(guest::ACCEPT);
    folder.file("pod.yaml", GOOD);
    folder.evaluate("-r pod.yaml").stdout(PLAIN);
    folder.evaluate("-r pod.yaml --color never").stdout(PLAIN);
    folder
        .evaluate("-r pod.yaml --color always")
        .stdout(COLOURED);
    folder
        .evaluate("-r pod.yaml --color always --output json")
        .stdout(predicates::function::function(|text: &str| {
            !text.contains('\u{1b}')
        }));
    // What forces colour elsewhere does not override NO_COLOR.
    folder
        .command("evaluate -r pod.yaml")
        .env("CLICOLOR_FORCE", "1")
        .assert()
        .stdout(COLOURED);
    folder
        .command("evaluate -r pod.yaml")
        .env("CLICOLOR_FORCE", "1")
        .env("NO_COLOR", "1")
        .assert()
        .stdout(PLAIN);
}

#[test]
fn a_name_cannot_steer_the_terminal() {
    Folder::with_policy(guest::ACCEPT)
        .file(
            "pod.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata: {name: \"\\e[2Ja\\nb\"}\n",
        )
        .evaluate("-r pod.yaml --color always")
        .stdout("\u{1b}[1m\u{1b}[32mACCEPTED\u{1b}[0m  Pod default/\\u{1b}[2Ja\\nb  (pod.yaml)\n");
}

#[test]
fn the_json_report_holds_each_object() {
    let folder = Folder::with_policy(guest::REJECT_MARKED);
    folder.file("a.yaml", &format!("{GOOD}---\n{BAD}"));
    assert_eq!(
        folder.json("-r a.yaml -r missing.yaml"),
        json!([
            {
                "source": "a.yaml",
                "document": 1,
                "request": {
                    "kind": {"group": "", "version": "v1", "kind": "Pod"},
                    "name": "good",
                    "namespace": "default",
                    "operation": "CREATE",
                },
                "response": {"accepted": true, "warnings": ["beware"]},
            },
            {
                "source": "a.yaml",
                "document": 2,
                "request": {
                    "kind": {"group": "", "version": "v1", "kind": "Pod"},
                    "name": "bad",
                    "namespace": "default",
                    "operation": "CREATE",
                },
                "response": {"accepted": false, "message": "marked\nsecond line", "code": 422},
            },
            {
                "source": "missing.yaml",
                "error": "missing.yaml: No such file or directory (os error 2)",
            },
        ])
    );
}

#[test]
fn the_json_report_suggests_a_patch() {
    let folder = Folder::with_policy(guest::REPORT_VIOLATIONS);
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "app"}]}});
    let report = folder
        .file("pod.json", &pod.to_string())
        .json("-r pod.json");
    assert_eq!(
        report[0]["suggestedPatch"],
        json!([{
            "op": "add",
            "path": "/spec/securityContext",
            "value": {"seccompProfile": {"type": "RuntimeDefault"}},
        }])
    );
    let annotation = report[0]["response"]["auditAnnotations"]["violations"]
        .as_str()
        .unwrap();
    assert!(annotation.starts_with(r#"[{"control":"seccomp""#));
}

#[test]
fn the_operation_is_that_of_the_arguments_for_an_object_and_its_own_for_a_request() {
    let folder = Folder::with_policy(guest::REJECT_MARKED);
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "u",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "operation": "CONNECT",
        "userInfo": {},
    }});
    folder
        .file("review.json", &review.to_string())
        .file("good.yaml", GOOD)
        .file("bad.yaml", BAD);
    let operations = |arguments: &str| {
        let report = folder.json(arguments);
        let elements = report.as_array().unwrap().iter();
        elements
            .map(|element| element["request"]["operation"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        operations("-r good.yaml -r review.json"),
        ["CREATE", "CONNECT"]
    );
    assert_eq!(
        operations("-r good.yaml -r review.json --operation DELETE"),
        ["DELETE", "CONNECT"]
    );
    assert_eq!(operations("-r good.yaml --operation update"), ["UPDATE"]);

    // The mark is only in the old object, so it must have been sent.
    folder.file("old.yaml", &BAD.replace("name: bad", "name: good"));
    folder
        .evaluate("-r good.yaml --operation UPDATE --old-object-path old.yaml")
        .code(1);

    // What is not among the stored objects is new.
    folder
        .evaluate("-r good.yaml --operation UPDATE --old-object-path bad.yaml")
        .code(0)
        .stdout(
            "ACCEPTED  Pod default/good  (good.yaml)\n  warning: beware\n  \
               note: judged as a CREATE, because no old object has its kind, namespace and name\n",
        )
        .stderr("");
    let report = folder.json("-r good.yaml --operation UPDATE --old-object-path bad.yaml");
    assert_eq!(report[0]["request"]["operation"], "CREATE");
    folder
        .file("list.yaml", "apiVersion: v1\nkind: PodList\nitems: 1\n")
        .evaluate("-r good.yaml --operation UPDATE --old-object-path list.yaml")
        .code(2)
        .stderr(
            "error: list.yaml, document 1: line 3, column 1: `items` of a PodList must be a list\n",
        );
}

#[test]
fn a_closed_pipe_is_not_an_error() {
    let folder = Folder::with_policy(guest::ACCEPT);
    folder.file("pods.yaml", &format!("---\n{GOOD}").repeat(3000));
    let mut process = Process::new(assert_cmd::cargo::cargo_bin!("container-security"))
        .args(["evaluate", "policy.wasm", "-r", "pods.yaml"])
        .current_dir::<&Path>(folder.0.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(process.stdout.take());
    let mut stderr = String::new();
    process
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut stderr)
        .unwrap();
    assert_eq!(process.wait().unwrap().code(), Some(0));
    assert_eq!(stderr, "");
}

#[test]
fn what_a_guest_writes_goes_to_stderr() {
    let module = r#"(module
          (import "wapc" "__guest_response" (func $respond (param i32 i32)))
          (import "wasi_snapshot_preview1" "fd_write"
            (func $write (param i32 i32 i32 i32) (result i32)))
          (memory (export "memory") 1)
          (data (i32.const 1024) "hello, world")
          (func (export "__guest_call") (param i32 i32) (result i32)
            (i32.store (i32.const 8) (i32.const 1024)) (i32.store (i32.const 12) (i32.const 5))
            (i32.store (i32.const 16) (i32.const 1029)) (i32.store (i32.const 20) (i32.const 7))
            (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 24)))
            (drop (call $write (i32.const 2) (i32.const 8) (i32.const 2) (i32.const 24)))
            (if (i32.ne (i32.load (i32.const 24)) (i32.const 12)) (then unreachable))
            (call $respond (i32.const 0) (i32.const 24))
            (i32.const 1)))"#;
    let folder = Folder(TempDir::new().unwrap());
    fs::write(folder.path("policy.wasm"), wat::parse_str(module).unwrap()).unwrap();
    let assert = folder
        .command("evaluate --request-path -")
        .write_stdin(GOOD)
        .assert();
    let stderr = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    assert!(stderr.starts_with("hellohello, world"), "{stderr}");
    assert.stdout("");
}

#[test]
fn a_recorded_session_is_replayed() {
    let sessions = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/sessions/signatures-none");
    let read = |name: &str| fs::read_to_string(sessions.join(name)).unwrap();
    let case: Value = yaml_serde::from_str(&read("case.yaml")).unwrap();
    let folder = folder_with_this_policy();
    folder
        .file("session.yaml", &read("session.yaml"))
        .command("evaluate -r - --replay-host-capabilities-interactions session.yaml")
        .args(["--settings-json", &case["settings"].to_string()])
        .write_stdin(case["request"].to_string())
        .assert()
        .code(1)
        .stderr("")
        .stdout(predicates::str::contains(
            "which has no cosign signature (tag sha256-....sig) that this policy server reads: sign it with cosign sign --new-bundle-format=false --use-signing-config=false, too",
        ));
}

#[test]
fn exchanges_that_are_not_replayed_are_warned_of() {
    let session = "- type: Exchange\n  request: |\n    !OciManifestDigest\n    image: a\n  \
                   response: {type: Success, payload: '{}'}\n";
    Folder::with_policy(guest::ACCEPT)
        .file("pod.yaml", GOOD)
        .file("session.yaml", session)
        .evaluate("-r pod.yaml --replay-host-capabilities-interactions session.yaml")
        .code(0)
        .stdout("ACCEPTED  Pod default/good  (pod.yaml)\n")
        .stderr("warning: not replayed: OciManifestDigest { image: \"a\" }\n");
}

#[test]
fn what_is_no_session_is_refused_before_anything_is_judged() {
    let folder = Folder::with_policy(guest::ACCEPT);
    folder
        .file("pod.yaml", GOOD)
        .file("session.yaml", "- {type: Exchange, request: '!Pull {}'}\n")
        .evaluate("-r pod.yaml --replay-host-capabilities-interactions session.yaml")
        .code(2)
        .stdout("")
        .stderr("error: session.yaml, exchange 1: missing field `response`\n");
    folder
        .evaluate("-r pod.yaml --replay-host-capabilities-interactions absent.yaml")
        .code(2)
        .stdout("")
        .stderr("error: absent.yaml: No such file or directory (os error 2)\n");
}

/// A policy of a cluster for Pods, with other modules and keys.
fn policy_resource(more: &str) -> String {
    format!(
        "apiVersion: policies.kubewarden.io/v1\n\
         kind: ClusterAdmissionPolicy\n\
         metadata: {{name: marks}}\n\
         spec:\n  \
           mutating: false\n  \
           rules: [{{apiGroups: [''], apiVersions: [v1], resources: [pods], operations: [CREATE]}}]\n  \
           {more}\n"
    )
}

#[test]
fn the_policies_of_a_cluster_are_a_policy() {
    let folder = Folder::with_policy(guest::REJECT_MARKED);
    folder
        .file("pods.yaml", &format!("{GOOD}---\n{BAD}"))
        .file("cluster.yaml", &policy_resource("module: ./policy.wasm"))
        .evaluate("cluster.yaml -r pods.yaml")
        .code(1)
        .stdout(
            "ACCEPTED  Pod default/good  (pods.yaml, document 1)  by ClusterAdmissionPolicy marks\n  \
               warning: beware\n\
             REJECTED  Pod default/bad  (pods.yaml, document 2)  by ClusterAdmissionPolicy marks\n  \
               marked\n  second line\n\
             2 verdicts: 1 accepted, 1 rejected\n",
        )
        .stderr("");
}

#[test]
fn what_is_no_policy_in_a_file_of_policies_is_left_out_with_a_warning() {
    let folder = Folder::with_policy(guest::REJECT_MARKED);
    let policy = policy_resource("module: ./policy.wasm");
    let with = |others: &str| format!("{policy}---\n{others}");
    let value: Value = yaml_serde::from_str(&policy).unwrap();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "Namespace"}, value,
        {"apiVersion": "policies.kubewarden.io/v1", "kind": "PolicyServer"},
    ]});
    folder
        .file("bad.yaml", BAD)
        .file("policies.json", &list.to_string())
        .evaluate("policies.json -r bad.yaml")
        .code(1)
        .stderr(
            "warning: policies.json: left out, because it is no policy: Namespace, PolicyServer\n",
        );
    // What may be meant as a policy is never left out.
    for (others, problem) in [
        (
            "apiVersion: policies.kubewarden.io/v1\nkind: ClusterAdmisionPolicy\n",
            "\"ClusterAdmisionPolicy\" is none of: ClusterAdmissionPolicy, AdmissionPolicy, ClusterAdmissionPolicyGroup, AdmissionPolicyGroup, PolicyServer",
        ),
        (
            "apiVersion: policy.kubewarden.io/v1\nkind: ClusterAdmissionPolicy\n",
            "apiVersion is \"policy.kubewarden.io/v1\", a policy of Kubewarden has policies.kubewarden.io/v1",
        ),
        (
            "kind: ClusterAdmissionPolicy\n",
            "apiVersion is \"\", a policy of Kubewarden has policies.kubewarden.io/v1",
        ),
    ] {
        folder
            .file("cluster.yaml", &with(others))
            .evaluate("cluster.yaml -r bad.yaml")
            .code(2)
            .stdout("")
            .stderr(format!("error: cluster.yaml, document 2: {problem}\n"));
    }
    // A second file to judge looks like one.
    folder
        .file("good.yaml", GOOD)
        .file("empty.yaml", "# nothing\n");
    folder.evaluate("-r bad.yaml good.yaml").code(2).stdout("").stderr(
        "error: good.yaml: no policy of Kubewarden in it, but Pod; name each file to judge behind a --request-path of its own\n",
    );
    folder
        .evaluate("-r bad.yaml empty.yaml")
        .code(2)
        .stderr("error: empty.yaml: no policy of Kubewarden in it\n");
}

#[test]
fn each_policy_of_a_file_answers_each_request() {
    let folder = Folder::with_policy(guest::REJECT_MARKED);
    let monitor = policy_resource("module: registry://ghcr.io/p:v1\n  mode: monitor");
    let elsewhere = policy_resource(
        "module: registry://ghcr.io/p:v1\n  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}",
    );
    folder
        .file("bad.yaml", BAD)
        .file("cluster.yml", &format!("{monitor}---\n{elsewhere}"))
        .evaluate("cluster.yml --module policy.wasm -r bad.yaml")
        .code(0)
        .stdout(
            "ACCEPTED  Pod default/bad  (bad.yaml)  by ClusterAdmissionPolicy marks\n  \
               mode monitor accepts what mode protect would reject:\n  marked\n  second line\n\
             NOT ASKED  Pod default/bad  (bad.yaml)  by ClusterAdmissionPolicy marks\n  \
               note: namespaceSelector does not match the namespace \"default\"\n\
             2 verdicts: 1 accepted, 0 rejected, 1 not asked\n",
        )
        .stderr(
            "warning: cluster.yml, document 2: ClusterAdmissionPolicy marks: spec.namespaceSelector.matchLabels is dropped by Kubewarden's controller (1.36), so that namespaces are judged that it leaves out; write matchExpressions: [{key: \"kubernetes.io/metadata.name\", operator: In, values: [\"shop\"]}]\n",
        );
    let report = folder.json("cluster.yml --module policy.wasm -r bad.yaml");
    assert_eq!(report[0]["policy"], "ClusterAdmissionPolicy marks");
    assert_eq!(report[0]["response"], json!({"accepted": true}));
    assert_eq!(
        report[0]["monitored"],
        json!({"accepted": false, "message": "marked\nsecond line", "code": 422})
    );
    assert_eq!(report[1].get("response"), None);
    assert_eq!(
        report[1]["notes"],
        json!(["namespaceSelector does not match the namespace \"default\""])
    );
}

#[test]
fn a_group_shows_why_its_members_reject() {
    let folder = Folder::with_policy(guest::REJECT_MARKED);
    let group = "apiVersion: policies.kubewarden.io/v1\n\
                 kind: AdmissionPolicyGroup\n\
                 metadata: {name: either}\n\
                 spec:\n  \
                   expression: a() || b()\n  message: neither\n  \
                   rules: [{apiGroups: ['*'], apiVersions: ['*'], resources: ['*'], operations: ['*']}]\n  \
                   policies: {a: {module: m}, b: {module: m}}\n";
    folder
        .file("bad.yaml", BAD)
        .file("group.yaml", group)
        .evaluate("group.yaml --module policy.wasm -r bad.yaml")
        .code(1)
        .stdout(
            "REJECTED  Pod default/bad  (bad.yaml)  by AdmissionPolicyGroup default/either\n  neither\n  \
               cause: spec.policies.a: marked\n    second line\n  \
               cause: spec.policies.b: marked\n    second line\n",
        );
    let report = folder.json("group.yaml --module policy.wasm -r bad.yaml");
    assert_eq!(
        report[0]["response"],
        json!({"accepted": false, "message": "neither", "causes": [
            {"field": "spec.policies.a", "message": "marked\nsecond line"},
            {"field": "spec.policies.b", "message": "marked\nsecond line"},
        ]})
    );
}

/// A folder with this policy in it.
fn folder_with_this_policy() -> Folder {
    let folder = Folder(TempDir::new().unwrap());
    fs::write(folder.path("policy.wasm"), policy_module::bytes()).unwrap();
    folder
}

fn example(path: &str) -> String {
    fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../examples")
            .join(path),
    )
    .unwrap()
}

#[test]
fn a_volume_without_a_type_is_the_empty_dir_that_the_api_server_makes_of_it() {
    let folder = folder_with_this_policy();
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  \
               containers: [{name: a, image: a}]\n  \
               volumes:\n  - name: a\n  - name: b\n    emptyDir:\n";
    folder
        .file("pod.yaml", pod)
        .file(
            "settings.yaml",
            "level: baseline\nvolumes: {allowed: [emptyDir], forbidden: [hostPath]}\n",
        )
        .evaluate("-s settings.yaml -r pod.yaml")
        .code(0)
        .stderr("");
    // What is suggested fits the file, in which nothing is said of these volumes.
    let report = folder.json("-r pod.yaml");
    let patch: json_patch::Patch =
        serde_json::from_value(report[0]["suggestedPatch"].clone()).unwrap();
    let mut object: Value = yaml_serde::from_str(pod).unwrap();
    json_patch::patch(&mut object, &patch).unwrap();
    folder
        .file("pod.json", &object.to_string())
        .evaluate("-r pod.json")
        .code(0);
}

#[test]
fn a_rule_that_names_nothing_that_this_policy_judges_is_warned_of() {
    let folder = folder_with_this_policy();
    fs::write(folder.path("other.wasm"), guest::module(guest::ACCEPT)).unwrap();
    let policy = policy_resource("module: ./policy.wasm");
    folder
        .file("pod.yaml", GOOD)
        .file("policy.yaml", &policy.replace("apiGroups: ['']", "apiGroups: [core]"))
        .evaluate("policy.yaml -r pod.yaml")
        .code(0)
        .stdout(
            "NOT ASKED  Pod default/good  (pod.yaml)  by ClusterAdmissionPolicy marks\n  \
               note: no rule matches CREATE of v1 pods\n",
        )
        .stderr(
            "warning: policy.yaml, document 1: ClusterAdmissionPolicy marks: spec.rules[0] names resources [\"pods\"] of apiGroups [\"core\"] and apiVersions [\"v1\"], of which this policy judges none; did you mean apiGroups: [\"\"], apiVersions: [\"v1\"], resources: [\"pods\"]?\n",
        );
    // What another policy judges is not known.
    folder
        .evaluate("policy.yaml --module other.wasm -r pod.yaml")
        .code(0)
        .stderr("");
}

#[test]
fn a_group_that_is_more_than_a_conjunction_must_not_excuse_anything() {
    let folder = folder_with_this_policy();
    let group = example("cluster/group.yaml");
    let excusing = group.replace("onUpdate: allViolations", "onUpdate: newViolations");
    let problem = |name: &str| {
        format!(
            "error: group.yaml, document 1: ClusterAdmissionPolicyGroup container-security-either: spec.policies.{name}: settings.legacy.onUpdate must be allViolations, because spec.expression is more than members joined by &&: what another member lets in on CREATE, this one takes for legacy on UPDATE\n"
        )
    };
    folder
        .file("change.json", &example("workloads/pod-image-change.json"))
        .file("group.yaml", &excusing)
        .evaluate("group.yaml --module policy.wasm -r change.json")
        .code(2)
        .stdout("")
        .stderr(
            ["baseline", "ours", "restricted"]
                .map(problem)
                .concat()
                .replace("\nerror: ", "\n"),
        );
    folder
        .file("group.yaml", &group)
        .evaluate("group.yaml --module policy.wasm -r change.json")
        .code(1);
    // Joined by &&, each of them stops alone what it has not let in.
    let both = excusing.replace(" || ", " && ");
    folder
        .file("group.yaml", &both)
        .evaluate("group.yaml --module policy.wasm -r change.json")
        .code(1);
}

#[test]
fn another_module_in_a_group_cannot_be_asked_what_it_excuses() {
    let folder = folder_with_this_policy();
    fs::write(folder.path("other.wasm"), guest::module(guest::ACCEPT)).unwrap();
    let group = |settings: &str| {
        format!(
            "apiVersion: policies.kubewarden.io/v1\n\
             kind: ClusterAdmissionPolicyGroup\n\
             metadata: {{name: either}}\n\
             spec:\n  \
               expression: ours() || others()\n  message: neither\n  \
               rules: [{{apiGroups: ['*'], apiVersions: ['*'], resources: ['*'], operations: ['*']}}]\n  \
               policies:\n    \
                 ours: {{module: ./policy.wasm, settings: {{{settings}}}}}\n    \
                 others: {{module: ./other.wasm}}\n"
        )
    };
    folder
        .file("pod.yaml", GOOD)
        .file("group.yaml", &group("legacy: {onUpdate: allViolations}"))
        .evaluate("group.yaml -r pod.yaml")
        .code(0)
        .stdout(
            "ACCEPTED  Pod default/good  (pod.yaml)  by ClusterAdmissionPolicyGroup either\n  \
             note: spec.policies.others runs another module: whether it judges an UPDATE in full, as spec.expression needs, is not known here\n",
        )
        .stderr("");
    folder
        .file("group.yaml", &group(""))
        .evaluate("group.yaml -r pod.yaml")
        .code(2)
        .stdout("")
        .stderr(predicates::str::contains(
            "spec.policies.ours: settings.legacy.onUpdate must be allViolations",
        ));
    // A module that takes every word for the key does not have it.
    folder
        .evaluate("group.yaml --module other.wasm -r pod.yaml")
        .code(0)
        .stdout("ACCEPTED  Pod default/good  (pod.yaml)  by ClusterAdmissionPolicyGroup either\n");
}

#[test]
fn a_policy_of_a_namespace_that_asks_for_reports_is_refused() {
    let folder = folder_with_this_policy();
    let policy = example("cluster/namespaced.yaml");
    folder.file("pod.yaml", GOOD).file(
        "policy.yaml",
        &format!("{policy}    vulnerabilities:\n      source: sbomscanner\n"),
    );
    folder
        .evaluate("policy.yaml --module policy.wasm -r pod.yaml")
        .code(2)
        .stdout("")
        .stderr(
            "error: policy.yaml, document 1: AdmissionPolicy shop/container-security-strict: settings.vulnerabilities.source is \"sbomscanner\", and an AdmissionPolicy has no contextAwareResources: no report could be read and no image would pass; ask for reports in a ClusterAdmissionPolicy\n",
        );
    folder
        .file("policy.yaml", &policy)
        .evaluate("policy.yaml --module policy.wasm -r pod.yaml")
        .code(0);
}

#[test]
fn a_policy_that_excuses_what_controllers_create_and_leaves_templates_unjudged_is_refused() {
    let folder = folder_with_this_policy();
    let policy = example("cluster/legacy.yaml");
    folder
        .file(
            "deployment.yaml",
            &example("workloads/deployment-hardened.yaml"),
        )
        .file("policy.yaml", &policy)
        .evaluate("policy.yaml --module policy.wasm -r deployment.yaml")
        .code(0)
        .stderr("");
    folder
        .file("policy.yaml", &policy.replace("jobs, cronjobs", "jobs"))
        .evaluate("policy.yaml --module policy.wasm -r deployment.yaml")
        .code(2)
        .stdout("")
        .stderr(
            "error: policy.yaml, document 1: ClusterAdmissionPolicy container-security: settings.legacy.onCreate is newViolations, and spec.rules leaves out CREATE of cronjobs: what nobody has judged would excuse what is made from it\npolicy.yaml, document 1: ClusterAdmissionPolicy container-security: settings.legacy.onCreate is newViolations, and spec.rules leaves out UPDATE of cronjobs: what nobody has judged would excuse what is made from it\n",
        );
    // What mode monitor lets in counts as legacy later.
    folder
        .file("policy.yaml", &policy.replace("mode: protect", "mode: monitor"))
        .evaluate("policy.yaml --module policy.wasm -r deployment.yaml")
        .code(0)
        .stdout(
            "ACCEPTED  Deployment shop/shop  (deployment.yaml)  by ClusterAdmissionPolicy container-security\n  \
             note: settings.legacy.onCreate is newViolations, and mode monitor lets every template in: what is let in now is excused when the mode is protect\n",
        );
}

#[test]
fn a_member_that_fails_leaves_the_request_unjudged() {
    let folder = Folder::with_policy(guest::FAIL);
    folder
        .file("pod.yaml", GOOD)
        .file("cluster.yaml", &policy_resource("module: ./policy.wasm\n  mode: monitor"))
        .evaluate("cluster.yaml -r pod.yaml")
        .code(2)
        .stdout("")
        .stderr(
            "error: pod.yaml, document 1: Pod default/good: ClusterAdmissionPolicy marks: internal server error: Guest call failure: I am no good\n",
        );
}

#[test]
fn what_is_wrong_with_a_file_of_policies_is_said() {
    let folder = Folder::with_policy(guest::REJECT_MARKED);
    folder.file("pod.yaml", GOOD);
    for (more, arguments, message) in [
        (
            "module: registry://ghcr.io/p:v1",
            "",
            "cluster.yaml, document 1: ClusterAdmissionPolicy marks: the module registry://ghcr.io/p:v1 is in a registry, which is not asked here; name a local one with --module",
        ),
        (
            "module: policy.wasm",
            "",
            "cluster.yaml, document 1: ClusterAdmissionPolicy marks: the module policy.wasm is in a registry, which is not asked here; name a local one with --module",
        ),
        (
            "module: ./policy.wasm\n  settings: {a: '!'}",
            "",
            "cluster.yaml, document 1: ClusterAdmissionPolicy marks: Policy settings are invalid: marked",
        ),
        (
            "modul: ./policy.wasm",
            "--module policy.wasm",
            "cluster.yaml, document 1: ClusterAdmissionPolicy \"marks\": spec.modul: unknown field `modul`, expected one of `module`, `settings`, `mutating`, `contextAwareResources`, `expression`, `policies`, `rules`, `mode`, `message`, `namespaceSelector`, `objectSelector`, `matchConditions`, `timeoutSeconds`, `timeoutEvalSeconds`, `allowInsideAdmissionControllerNamespace`, `backgroundAudit`, `failurePolicy`, `matchPolicy`, `policyServer`, `sideEffects`",
        ),
        (
            "mode: protct",
            "--module policy.wasm",
            "cluster.yaml, document 1: ClusterAdmissionPolicy \"marks\": spec.mode: unknown variant `protct`, expected `protect` or `monitor`",
        ),
        (
            "modul: ./policy.wasm",
            "",
            "cluster.yaml, document 1: ClusterAdmissionPolicy \"marks\": spec.module is missing",
        ),
        (
            "module: ./policy.wasm",
            "--settings-json {}",
            "cluster.yaml holds the settings of its policies; leave out those of the command line",
        ),
    ] {
        folder
            .file("cluster.yaml", &policy_resource(more))
            .evaluate(&format!("cluster.yaml -r pod.yaml {arguments}"))
            .code(2)
            .stdout("")
            .stderr(format!("error: {message}\n"));
    }
    folder
        .evaluate("policy.wasm --module policy.wasm -r pod.yaml")
        .code(2)
        .stderr(
            "error: --module is for a file of policies (.yaml, .yml, .json), and policy.wasm is none\n",
        );
}

/// Trivy's report of an image with one finding.
fn scan(image: &str, severity: &str) -> String {
    json!({
        "SchemaVersion": 2, "ArtifactName": image, "ArtifactType": "container_image",
        "CreatedAt": "2026-01-02T03:04:05Z",
        "Results": [{"Target": "a", "Class": "os-pkgs", "Vulnerabilities": [
            {"VulnerabilityID": "CVE-2026-1", "PkgName": "a", "Severity": severity},
        ]}],
    })
    .to_string()
}

/// A folder with pods of two images, and who judges scans by this scanner's resources.
fn scanned_pods(source: &str) -> Folder {
    let folder = Folder(TempDir::new().unwrap());
    let pod = |name: &str| {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": [
            {"name": "a", "image": format!("r.example/{name}:1")},
        ]}})
    };
    let settings =
        json!({"level": "privileged", "vulnerabilities": {"mode": "enforce", "source": source}});
    fs::write(folder.path("policy.wasm"), policy_module::bytes()).unwrap();
    folder
        .file(
            "pods.yaml",
            &format!("{}\n---\n{}", pod("good"), pod("bad")),
        )
        .file("settings.json", &settings.to_string());
    fs::create_dir(folder.path("scans")).unwrap();
    folder
        .file("scans/good.json", &scan("r.example/good:1", "LOW"))
        .file("scans/bad.json", &scan("r.example/bad:1", "HIGH"))
        .file("scans/notes.txt", "no report");
    folder
}

fn with_reports(folder: &Folder, arguments: &str) -> Assert {
    folder.evaluate(&format!("-s settings.json -r pods.yaml {arguments}"))
}

#[test]
fn scans_of_files_and_folders_are_judged_in_the_shape_that_is_asked_for() {
    for source in ["trivy-operator", "sbomscanner"] {
        let folder = scanned_pods(source);
        let report = "ACCEPTED  Pod default/good  (pods.yaml, document 1)\n\
                      REJECTED  Pod default/bad  (pods.yaml, document 2)\n";
        for arguments in [
            "--reports scans",
            "--reports scans/good.json --reports scans/bad.json",
        ] {
            let assert = with_reports(&folder, arguments).code(1).stderr("");
            let stdout = String::from_utf8(assert.get_output().stdout.clone()).unwrap();
            let (head, tail) = stdout.split_once("  Pod \"bad\"").unwrap();
            assert_eq!(head, report);
            assert!(
                tail.contains(
                    "which has vulnerabilities: 1 high (0 allowed); CVE-2026-1 in a (no fix); "
                ),
                "{tail}"
            );
        }
        with_reports(&folder, "--reports scans/good.json")
            .code(1)
            .stderr("")
            .stdout(predicates::str::contains(
                "image is \"r.example/bad:1\", which no vulnerability report covers",
            ));
    }
}

#[test]
fn a_report_that_cannot_be_read_keeps_everything_from_being_judged() {
    let folder = scanned_pods("trivy-operator");
    fs::create_dir(folder.path("none")).unwrap();
    folder
        .file("empty.json", "")
        .file("sbom.json", r#"{"bomFormat": "CycloneDX"}"#)
        .file("broken.json", "{");
    for (path, expected) in [
        (
            "gone.json",
            "gone.json: No such file or directory (os error 2)",
        ),
        ("none", "none: no file in it ends in .json, .yaml or .yml"),
        ("empty.json", "empty.json: no report in it"),
        (
            "sbom.json",
            "sbom.json, document 1: none of the reports that are read: trivy image --format json, grype -o json, or a VulnerabilityReport of Trivy Operator or SBOMscanner",
        ),
        (
            "broken.json",
            "broken.json, document 1: EOF while parsing an object at line 1 column 1; the document begins at line 1, and nothing after it is read",
        ),
    ] {
        with_reports(&folder, &format!("--reports {path}"))
            .code(2)
            .stdout("")
            .stderr(format!("error: {expected}\n"));
    }
}

#[test]
fn reports_that_nobody_asks_for_and_scans_that_are_none_are_warned_of() {
    let folder = scanned_pods("trivy-operator");
    let no_scan = json!({"SchemaVersion": 2, "ArtifactName": "r.example/bad:1", "ArtifactType": "container_image"});
    folder
        .file("scans/bad.json", &no_scan.to_string())
        .file("settings.json", "level: privileged");
    with_reports(&folder, "--reports scans").code(0).stderr(
        "warning: scans/bad.json, document 1: Trivy has looked at no packages here, so this is no scan for vulnerabilities\n\
         warning: --reports: no policy has asked for a report; vulnerabilities.source says whether one does\n",
    );
}

#[test]
fn reports_and_a_recorded_session_do_not_go_together() {
    let folder = scanned_pods("trivy-operator");
    with_reports(
        &folder,
        "--reports scans --replay-host-capabilities-interactions s.yaml",
    )
    .code(2)
    .stdout("")
    .stderr(predicates::str::contains("cannot be used with"));
}
