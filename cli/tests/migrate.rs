//! What `migrate` prints.

use assert_cmd::Command;
use container_security_text::migrate::Source;

#[test]
fn the_command_prints_settings_or_says_why_it_cannot() {
    let migrate = |arguments: &[&str], settings: &str| {
        let mut command = Command::cargo_bin("container-security").unwrap();
        command
            .arg("migrate")
            .args(arguments)
            .write_stdin(settings.to_owned());
        command.assert()
    };
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
