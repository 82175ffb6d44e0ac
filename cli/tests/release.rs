//! Holds the files that a release is made of against their sources: the version, the package for
//! Artifact Hub, and the actions of the workflows.

#![expect(clippy::unwrap_used, reason = "a test may panic, also in its helpers")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use container_security_cli::publish::package::package;
use container_security_host::Metadata;

/// The one of `[workspace.package]` in Cargo.toml.
const VERSION: &str = env!("CARGO_PKG_VERSION");

#[test]
fn everything_carries_the_version_of_cargo_toml() {
    let metadata = metadata();
    let mut found = vec![(
        "policy-metadata.yaml".to_owned(),
        metadata.annotations["io.kubewarden.policy.version"].clone(),
    )];
    for file in ["README.md", "examples/cluster"] {
        let tags = tags(&root().join(file));
        assert!(!tags.is_empty(), "{file} names no version of the policy");
    }
    for folder in ["README.md", "USAGE.md", "examples"] {
        found.extend(tags(&root().join(folder)));
    }
    for (file, version) in found {
        assert_eq!(
            version, VERSION,
            "{file} has another version than Cargo.toml; run: make version VERSION={VERSION}"
        );
    }
}

#[test]
fn the_package_for_artifact_hub_is_up_to_date() {
    let questions = fs::read_to_string(root().join("questions-ui.yml")).ok();
    let changelog = fs::read_to_string(root().join("CHANGELOG.md")).unwrap();
    let expected = package(&metadata(), &changelog, questions.as_deref()).unwrap();
    let actual = fs::read_to_string(root().join("artifacthub-pkg.yml")).unwrap();
    assert!(
        actual == expected,
        "artifacthub-pkg.yml is stale; run: make artifacthub"
    );
}

#[test]
fn every_action_is_pinned_by_its_commit() {
    let mut actions = 0;
    for file in files(&root().join(".github/workflows")) {
        let text = fs::read_to_string(&file).unwrap();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim_start().trim_start_matches("- ");
            let Some(action) = line.strip_prefix("uses: ") else {
                continue;
            };
            // A workflow of this commit.
            if action.starts_with("./") {
                continue;
            }
            actions += 1;
            assert!(
                is_pinned(action),
                "{}:{}: {action} must be pinned as owner/name@<40 hex digits> # v<version>",
                file.display(),
                index + 1
            );
        }
    }
    assert!(actions > 0);
}

#[test]
fn pinned_is_a_commit_with_its_version() {
    let commit = "0123456789abcdef0123456789abcdef01234567";
    assert!(is_pinned(&format!("owner/name@{commit} # v1.2.3")));
    assert!(is_pinned(&format!("owner/name/folder@{commit} # v1")));
    for action in [
        "owner/name@v1".to_owned(),
        "owner/name@main # v1".to_owned(),
        format!("owner/name@{commit}"),
        "owner/name@0123456789abcdef # v1".to_owned(),
        format!("owner/name@{} # v1", commit.to_uppercase()),
        format!("name@{commit} # v1"),
        format!("owner/name@{commit} # latest"),
    ] {
        assert!(!is_pinned(&action), "{action}");
    }
}

#[test]
fn workflows_may_only_read_unless_a_job_says_more() {
    for file in files(&root().join(".github/workflows")) {
        let text = fs::read_to_string(&file).unwrap();
        let workflow: yaml_serde::Value = yaml_serde::from_str(&text).unwrap();
        let permissions: yaml_serde::Value = yaml_serde::from_str("contents: read").unwrap();
        assert_eq!(
            workflow["permissions"],
            permissions,
            "{}: permissions",
            file.display()
        );
        assert!(!text.contains("pull_request_target"), "{}", file.display());
    }
}

/// What a shell gets from an expression is not quoted, so that a branch or a tag could be a
/// command: such values belong into `env`.
#[test]
fn scripts_of_workflows_contain_no_expressions() {
    let mut scripts = 0;
    for file in files(&root().join(".github/workflows")) {
        let text = fs::read_to_string(&file).unwrap();
        let workflow: yaml_serde::Value = yaml_serde::from_str(&text).unwrap();
        for (_, job) in workflow["jobs"].as_mapping().unwrap() {
            for step in job["steps"].as_sequence().into_iter().flatten() {
                if let Some(script) = step["run"].as_str() {
                    scripts += 1;
                    assert!(!script.contains("${{"), "{}: {script}", file.display());
                }
            }
        }
    }
    assert!(scripts > 0);
}

/// The whole way of `make version` but for the package: in a copy of the files that it edits.
#[test]
fn a_new_version_is_carried_everywhere() {
    let folder = tempfile::TempDir::new().unwrap();
    let copy = |name: &str| {
        let to = folder.path().join(name);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(root().join(name), to).unwrap();
    };
    for name in [
        ".ci/version",
        "README.md",
        "CHANGELOG.md",
        "policy-metadata.yaml",
    ] {
        copy(name);
    }
    for file in files(&root().join("examples/cluster")) {
        copy(file.strip_prefix(root()).unwrap().to_str().unwrap());
    }
    let write = |name: &str, text: &str| {
        let to = folder.path().join(name);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::write(to, text).unwrap();
    };
    write(
        "Cargo.toml",
        "[workspace]\nmembers = [\"a\"]\n\n[workspace.package]\nversion = \"0.1.0\"\n",
    );
    write(
        "a/Cargo.toml",
        "[package]\nname = \"a\"\nversion.workspace = true\n",
    );
    write("a/src/lib.rs", "");
    let run = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.current_dir(folder.path()).args(arguments);
        command.output().unwrap()
    };
    assert!(run("git", &["init", "--quiet"]).status.success());
    assert!(run("git", &["add", "."]).status.success());

    let output = run(".ci/version", &["7.8.9-rc.1"]);
    assert!(output.status.success(), "{output:?}");
    let text = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    assert!(text("Cargo.toml").contains("version = \"7.8.9-rc.1\"\n"));
    assert!(text("Cargo.lock").contains("version = \"7.8.9-rc.1\"\n"));
    assert!(text("policy-metadata.yaml").contains("  io.kubewarden.policy.version: 7.8.9-rc.1\n"));
    assert!(text("CHANGELOG.md").contains("## [Unreleased]\n\n## [7.8.9-rc.1] - 20"));
    let mut tags = tags(&folder.path().join("examples"));
    tags.extend(self::tags(&folder.path().join("README.md")));
    assert!(tags.len() > 2);
    for (file, version) in tags {
        assert_eq!(version, "7.8.9-rc.1", "{file}");
    }

    let output = run(".ci/version", &["7.8"]);
    assert!(!output.status.success());
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "7.8 is not a version like 1.2.3 or 1.2.3-rc.1\n"
    );
}

/// `owner/name@<commit> # v<version>`.
fn is_pinned(action: &str) -> bool {
    let Some((name, rest)) = action.split_once('@') else {
        return false;
    };
    let Some((commit, version)) = rest.split_once(" # v") else {
        return false;
    };
    let lower_hex = |digit: char| matches!(digit, '0'..='9' | 'a'..='f');
    name.contains('/')
        && commit.len() == 40
        && commit.chars().all(lower_hex)
        && version.starts_with(|first: char| first.is_ascii_digit())
}

/// The versions in `.../container-security:v<version>` of a file or a folder, with the files.
fn tags(path: &Path) -> Vec<(String, String)> {
    if path.is_dir() {
        return files(path).iter().flat_map(|file| tags(file)).collect();
    }
    let text = fs::read_to_string(path).unwrap_or_default();
    let of_version = |c: char| c.is_ascii_alphanumeric() || ".-".contains(c);
    let version = |rest: &str| rest.chars().take_while(|&c| of_version(c)).collect();
    text.split("/container-security:v")
        .skip(1)
        .map(|rest| (path.display().to_string(), version(rest)))
        .collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

fn metadata() -> Metadata {
    let text = fs::read_to_string(root().join("policy-metadata.yaml")).unwrap();
    Metadata::from_yaml(&text).unwrap()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}
