//! What `migrate` prints.

#![expect(clippy::unwrap_used, reason = "a test may panic, also in its helpers")]

use assert_cmd::Command;
use assert_cmd::assert::Assert;
use container_security_text::migrate::Source;

fn migrate(arguments: &[&str], settings: &str) -> Assert {
    let mut command = Command::cargo_bin("container-security").unwrap();
    command
        .arg("migrate")
        .args(arguments)
        .write_stdin(settings.to_owned());
    command.assert()
}

#[test]
fn the_command_prints_settings_or_says_why_it_cannot() {
    migrate(&["--from", "share-pid-namespace"], "")
        .code(0)
        .stderr("")
        .stdout(
            "level: privileged\nshareProcessNamespace:\n  mode: enforce\nlegacy:\n  onUpdate: allViolations\n",
        );
    migrate(
        &["--from", "pod-privileged", "-"],
        "skip_init_containers: true\n",
    )
    .code(2)
    .stdout("")
    .stderr(
        "error: -: not everything that pod-privileged judges by can be said:\n\
             - skip_init_containers: this policy judges every container; exempt images instead\n",
    );
    migrate(&["--from", "allow-privilege-escalation-psp"], "").code(2).stdout("").stderr(
        "error: without settings, not everything that allow-privilege-escalation-psp judges by can be said:\n\
         - default_allow_privilege_escalation: true, which is its default, lets containers escalate that say nothing about it; privilegeEscalation asks for allowPrivilegeEscalation: false in writing\n",
    );
    migrate(&["--from", "pod-privileged", "-"], "[]\n")
        .code(2)
        .stderr("error: -: settings must be a mapping\n");
    let assert = migrate(&["--from", "hostpath-psp"], "").code(2);
    let stderr = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    assert!(
        stderr.contains("invalid value 'hostpath-psp' for '--from <NAME>'"),
        "{stderr}"
    );
    for source in Source::ALL {
        assert!(stderr.contains(source.name), "{stderr}");
    }
}

#[test]
fn settings_that_let_everything_pass_are_warned_of() {
    const SETTINGS: &str = "level: privileged\nregistries:\n  reject: []\nimagePinning:\n  rejectTags: []\nlegacy:\n  onUpdate: allViolations\n";
    migrate(&["--from", "trusted-repos"], "").code(0).stdout(SETTINGS).stderr(
        "warning: these settings let everything pass, as trusted-repos does without settings; name a file with those that you use\n",
    );
    migrate(&["--from", "trusted-repos", "-"], "# nothing\n")
        .code(0)
        .stdout(SETTINGS)
        .stderr("warning: these settings let everything pass, as trusted-repos does with -\n");
    migrate(&["--from", "psa-restricted"], "")
        .code(0)
        .stderr("");
}

#[test]
fn a_policy_has_its_settings_under_spec() {
    let policy = |kind: &str, spec: &str| {
        format!(
            "apiVersion: policies.kubewarden.io/v1\nkind: {kind}\nmetadata: {{name: a}}\nspec: {spec}\n"
        )
    };
    let settings = "{tags: {reject: [latest]}}";
    let own = migrate(&["--from", "trusted-repos", "-"], settings).code(0);
    let own = String::from_utf8(own.get_output().stdout.clone()).unwrap();
    migrate(
        &["--from", "trusted-repos", "-"],
        &policy(
            "ClusterAdmissionPolicy",
            &format!("{{module: m, mutating: false, rules: [], settings: {settings}}}"),
        ),
    )
    .code(0)
    .stdout(own)
    .stderr("");
    migrate(
        &["--from", "readonly-root-filesystem-psp", "-"],
        &policy("AdmissionPolicy", "{module: m}"),
    )
    .code(0);
    for (kind, spec, problem) in [
        (
            "AdmissionPolicyGroup",
            "{policies: {a: {settings: {}}}}",
            "- is a policy group: write what stands under settings of one of its spec.policies",
        ),
        (
            "AdmissionPolicy",
            "{settings: []}",
            "-: spec.settings must be a mapping",
        ),
    ] {
        migrate(&["--from", "trusted-repos", "-"], &policy(kind, spec))
            .code(2)
            .stdout("")
            .stderr(format!("error: {problem}\n"));
    }
    migrate(
        &["--from", "trusted-repos", "-"],
        &format!("settings: {settings}\n"),
    )
    .code(2)
    .stdout("")
    .stderr(predicates::str::ends_with(
        "\nwrite what stands under settings, without that key\n",
    ));
}
