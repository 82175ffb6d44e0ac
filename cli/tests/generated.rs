//! Holds the documents that show the settings against the doc comments and defaults of the policy.

#![expect(clippy::unwrap_used, reason = "a test may panic, also in its helpers")]

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use container_security_cli::publish::documents::Document;
use predicates::str::contains;

#[test]
fn the_documents_say_what_the_policy_says() {
    for document in Document::ALL {
        let text = read(document.path);
        assert!(
            document.update(&text).as_deref() == Ok(text.as_str()),
            "{} is out of date; run: make docs",
            document.path
        );
    }
}

#[test]
fn the_command_brings_documents_up_to_date_and_leaves_the_rest_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("docs")).unwrap();
    for (path, now, before) in [
        ("settings.schema.json", "\"default\"", "\"usual\""),
        ("docs/settings.md", "`[ALL]`", "`[]`"),
        ("README.md", "Pods do not open ports", "Pods open ports"),
        ("USAGE.md", "Pods do not open ports", "Pods open ports"),
        ("questions-ui.yml", "default: disabled", "default: warn"),
    ] {
        let text = read(path);
        let changed = text.replace(now, before);
        assert_ne!(text, changed, "{path}");
        fs::write(folder.path().join(path), changed).unwrap();
    }
    docs(folder.path()).assert().code(0).stdout("").stderr("");
    for document in Document::ALL {
        let written = fs::read_to_string(folder.path().join(document.path)).unwrap();
        assert!(written == read(document.path), "{}", document.path);
    }
}

#[test]
fn what_is_missing_is_said() {
    let folder = tempfile::tempdir().unwrap();
    docs(folder.path())
        .assert()
        .code(2)
        .stderr(contains("settings.schema.json: No such file"));
    fs::write(folder.path().join("settings.schema.json"), "").unwrap();
    fs::create_dir(folder.path().join("docs")).unwrap();
    fs::write(folder.path().join("docs/settings.md"), "# Settings\n").unwrap();
    docs(folder.path())
        .assert()
        .code(2)
        .stderr("error: docs/settings.md: has no line <!-- generated: defaults -->\n");
}

/// A control without text of its own below its part, taken out as a whole.
#[test]
fn a_control_that_the_reference_lacks_gets_its_place() {
    let document = document("docs/settings.md");
    let text = read(document.path);
    let begin = text.find("<!-- generated: hostNamespaces -->").unwrap();
    let end = text.find("<!-- generated: hostPorts -->").unwrap();
    let without = format!("{}{}", text.get(..begin).unwrap(), text.get(end..).unwrap());
    assert!(document.update(&without).as_deref() == Ok(text.as_str()));
    let last = text.find("<!-- generated: imageFreshness -->").unwrap();
    let after = text.find("## exemptions").unwrap();
    let without = format!(
        "{}{}",
        text.get(..last).unwrap(),
        text.get(after..).unwrap()
    );
    let updated = document.update(&without).unwrap();
    let begin = updated.find("<!-- generated: imageFreshness -->").unwrap();
    let end = updated.find("## exemptions").unwrap();
    assert_eq!(begin, last);
    assert!(
        updated
            .get(begin..end)
            .unwrap()
            .ends_with("<!-- generated: end -->\n\n")
    );
}

#[test]
fn a_key_that_the_form_lacks_gets_a_question_in_the_group_of_its_section() {
    let document = document("questions-ui.yml");
    let text = read(document.path);
    let begin = text.find("- variable: rootUser.require\n").unwrap();
    let end = text
        .find("- variable: rootUser.relaxForUserNamespaces\n")
        .unwrap();
    let without = format!("{}{}", text.get(..begin).unwrap(), text.get(end..).unwrap());
    let updated = document.update(&without).unwrap();
    let question = updated.get(begin..).unwrap();
    let (question, _) = question.split_once("- variable: rootUser.relax").unwrap();
    let lines: Vec<&str> = question
        .lines()
        .filter(|line| !line.starts_with("    "))
        .collect();
    assert_eq!(
        lines,
        [
            "- variable: rootUser.require",
            "  type: enum",
            "  group: Root user",
            "  label: Require",
            "  description: >-",
            "  options: [runAsNonRoot, nonRootUser]",
        ]
    );
}

fn docs(repository: &Path) -> Command {
    let mut command = Command::cargo_bin("container-security").unwrap();
    command.arg("docs").arg(repository);
    command
}

fn document(path: &str) -> &'static Document {
    let mut all = Document::ALL.iter();
    all.find(|document| document.path == path).unwrap()
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).unwrap()
}
