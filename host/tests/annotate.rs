//! `container-security annotate`: what it writes, and what it refuses.

#![expect(clippy::unwrap_used, reason = "a test may panic, also in its helpers")]

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use assert_cmd::assert::Assert;
use container_security_host::{Metadata, Policy, annotate};
use container_security_test_kit::guest;
use serde_json::{Value, json};
use tempfile::TempDir;
use wasmparser::Payload;

const METADATA: &str = "\
rules:
  - apiGroups: ['']
    apiVersions: [v1]
    resources: [pods]
    operations: [CREATE]
mutating: false
";

/// A folder with a policy and its metadata in it, in which the command runs.
struct Folder(TempDir);

impl Folder {
    fn new(metadata: &str) -> Self {
        let folder = Self(TempDir::new().unwrap());
        fs::write(folder.path("policy.wasm"), guest::module(guest::ACCEPT)).unwrap();
        fs::write(folder.path("policy-metadata.yaml"), metadata).unwrap();
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn annotate(&self, arguments: &str) -> Assert {
        Command::cargo_bin("container-security")
            .unwrap()
            .current_dir(self.0.path())
            .arg("annotate")
            .args(arguments.split_whitespace())
            .assert()
    }

    fn refuses(&self, arguments: &str, message: &str) {
        self.annotate(arguments)
            .code(2)
            .stdout("")
            .stderr(format!("error: {message}\n"));
        assert!(!self.path("annotated-policy.wasm").exists());
    }
}

/// The texts of the sections named `io.kubewarden.metadata`.
fn sections(module: &Path) -> Vec<String> {
    let module = fs::read(module).unwrap();
    wasmparser::validate(&module).unwrap();
    let payloads = wasmparser::Parser::new(0).parse_all(&module);
    payloads
        .filter_map(|payload| match payload.unwrap() {
            Payload::CustomSection(section) if section.name() == "io.kubewarden.metadata" => {
                Some(String::from_utf8(section.data().to_vec()).unwrap())
            }
            _ => None,
        })
        .collect()
}

#[test]
fn the_section_is_the_one_that_kubewarden_reads() {
    let folder = Folder::new(METADATA);
    folder.annotate("").code(0).stdout("").stderr("");
    assert_eq!(
        sections(&folder.path("annotated-policy.wasm")),
        [
            r#"{"protocolVersion":"v1","rules":[{"apiGroups":[""],"apiVersions":["v1"],"resources":["pods"],"operations":["CREATE"]}],"annotations":{},"mutating":false,"backgroundAudit":true,"executionMode":"kubewarden-wapc","policyType":"kubernetes","contextAwareResources":[]}"#
        ]
    );
}

#[test]
fn the_annotated_module_judges_as_before() {
    let folder = Folder::new(METADATA);
    fs::write(
        folder.path("policy.wasm"),
        guest::module(guest::REJECT_MARKED),
    )
    .unwrap();
    folder.annotate("--output-path out.wasm").code(0);
    let policy = Policy::load(&fs::read(folder.path("out.wasm")).unwrap()).unwrap();
    assert_eq!(policy.protocol_version().unwrap(), "v1");
    let judged = |object: Value| {
        let request = json!({"uid": "1", "operation": "CREATE", "object": object});
        policy.validate(&request, &json!({})).unwrap().accepted
    };
    assert!(judged(json!({"kind": "Pod"})));
    assert!(!judged(json!({"kind": "!"})));
}

#[test]
fn the_usage_is_an_annotation_and_that_of_kwctl_is_none() {
    let folder = Folder::new(&format!(
        "{METADATA}annotations: {{io.kubewarden.kwctl: 1.35.0, b: c}}\nprotocolVersion: Unknown\n"
    ));
    fs::write(folder.path("USAGE.md"), "# Usage\n\nUse it.\n").unwrap();
    folder.annotate("--usage-path USAGE.md").code(0);
    let module = fs::read(folder.path("annotated-policy.wasm")).unwrap();
    let metadata = serde_json::to_value(Metadata::from_module(&module).unwrap().unwrap()).unwrap();
    assert_eq!(
        metadata["annotations"],
        json!({"b": "c", "io.kubewarden.policy.usage": "# Usage\n\nUse it.\n"})
    );
    assert_eq!(metadata["protocolVersion"], "v1");
}

#[test]
fn this_policy_is_annotated_the_same_way_each_time() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let policy = fs::read(root.join("policy.wasm")).expect("policy.wasm; run: make policy.wasm");
    let metadata = fs::read_to_string(root.join("policy-metadata.yaml")).unwrap();
    let usage = fs::read_to_string(root.join("USAGE.md")).unwrap();
    let annotated = || {
        let metadata = Metadata::from_yaml(&metadata).unwrap();
        annotate(&policy, metadata, Some(&usage)).unwrap()
    };
    let module = annotated();
    assert!(module == annotated());
    assert!(module.starts_with(&policy));
    Policy::load(&module).unwrap();
    let metadata = Metadata::from_module(&module).unwrap().unwrap();
    assert_eq!(metadata.annotations["io.kubewarden.policy.usage"], usage);
}

#[test]
fn a_line_at_fault_is_named_with_its_file() {
    Folder::new(&METADATA.replace("CREATE", "PATCH")).refuses(
        "",
        "policy-metadata.yaml: rules[0].operations[0]: unknown variant `PATCH`, expected one of \
         `CREATE`, `UPDATE`, `DELETE`, `CONNECT`, `*` at line 5 column 18",
    );
    let folder = Folder::new("");
    fs::write(folder.path("other.yaml"), "rules: [\n").unwrap();
    folder.refuses(
        "--metadata-path other.yaml",
        "other.yaml: did not find expected node content at line 2 column 1, while parsing a flow node",
    );
}

#[test]
fn a_module_is_annotated_once() {
    let folder = Folder::new(METADATA);
    folder.annotate("--output-path once.wasm").code(0);
    folder.refuses(
        "once.wasm",
        "once.wasm: the module is annotated already; annotate the module that `make policy.wasm` builds",
    );
}

#[test]
fn what_is_no_module_is_refused() {
    let folder = Folder::new(METADATA);
    fs::write(folder.path("policy.wasm"), "not a module").unwrap();
    folder.refuses(
        "",
        "policy.wasm: cannot read the module: it is no WebAssembly",
    );
}

#[test]
fn a_module_that_does_not_answer_is_refused() {
    let folder = Folder::new(METADATA);
    let other = guest::text(guest::ACCEPT).replace("\\22v1\\22", "\\22v2\\22");
    fs::write(folder.path("other.wasm"), wat::parse_str(other).unwrap()).unwrap();
    folder.refuses(
        "other.wasm",
        "other.wasm: the policy speaks version \"v2\" of the protocol, and Kubewarden only v1",
    );
    fs::write(
        folder.path("empty.wasm"),
        wat::parse_str("(module)").unwrap(),
    )
    .unwrap();
    folder.refuses(
        "empty.wasm",
        "empty.wasm: cannot invoke 'protocol_version' waPC function : Initialization failed: \
         Guest call function (__guest_call) not exported by wasm module.",
    );
}

#[test]
fn a_file_that_is_missing_is_named() {
    let folder = Folder::new(METADATA);
    for (arguments, file) in [
        ("none.wasm", "none.wasm"),
        ("--metadata-path none.yaml", "none.yaml"),
        ("--usage-path none.md", "none.md"),
    ] {
        folder.refuses(
            arguments,
            &format!("{file}: No such file or directory (os error 2)"),
        );
    }
}
