//! What the policy makes of images of a real registry, in the library and at the command line.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic, also in its helpers"
)]

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use assert_cmd::Command;
use container_security_host::oci::{Access, DockerConfig};
use container_security_host::{Limits, Policy, Registry};
use container_security_test_kit::certificate::Name;
use container_security_test_kit::docker_registry;
use container_security_test_kit::fulcio_and_rekor::{
    Fulcio, Identity, KeylessSignature, Rekor, trust_config,
};
use container_security_test_kit::policy_module;
use container_security_test_kit::shelf::{Key, Shelf, access, docker_config, nobody};
use container_security_test_kit::sigstore::crypto::SigningScheme;
use container_security_text::Verdict;
use serde_json::{Value, json};
use tempfile::TempDir;

#[test]
fn signed_unsigned_foreign_and_stale_images_are_told_apart() {
    let shop = Shop::open();
    for (image, expected) in shop.expectations() {
        let verdict = judge(shop.shelf.access(), &shop.settings(), &image);
        assert_eq!(summary(&verdict), expected, "{image}");
    }
}

#[test]
fn the_command_line_tells_them_apart_too() {
    let shop = Shop::open();
    let expectations = shop.expectations();
    let objects = expectations
        .iter()
        .map(|(image, _)| format!("---\n{}\n", pod(image)));
    let blocks = expectations
        .iter()
        .enumerate()
        .map(|(index, (_, (accepted, lines)))| {
            let place = format!("Pod shop/web  (-, document {})", index + 1);
            if *accepted {
                format!("ACCEPTED  {place}\n  warning: {}\n", lines[0])
            } else {
                format!("REJECTED  {place}\n  {TITLE}\n  - {}\n", lines[0])
            }
        });
    let report = blocks.collect::<String>() + "4 objects: 1 accepted, 3 rejected\n";
    evaluate(&shop.settings())
        .args(["--registry", "--insecure-registry", shop.shelf.address()])
        .write_stdin(objects.collect::<String>())
        .assert()
        .code(1)
        .stderr("")
        .stdout(report);
}

#[test]
fn a_signed_digest_is_accepted_without_a_warning_whatever_tag_stands_before_it() {
    let shelf = Shelf::new();
    let key = Key::new();
    let (image, digest) = shelf.push("app", None);
    shelf.sign(&image, &digest, &[(&key, &[])]);
    let name = image.strip_suffix(":1").unwrap();
    for image in [format!("{name}@{digest}"), format!("{name}:none@{digest}")] {
        let verdict = judge_signed(&shelf, &key, &image);
        assert_eq!(summary(&verdict), (true, vec![]), "{image}");
    }
}

#[test]
fn a_digest_without_a_signature_is_not_signed_though_its_tag_is() {
    let shelf = Shelf::new();
    let key = Key::new();
    let (image, old) = shelf.push("app", None);
    let new = shelf.push_layer(&image, "moved");
    shelf.sign(&image, &new, &[(&key, &[])]);
    let image = format!("{image}@{old}");
    assert_eq!(
        summary(&judge_signed(&shelf, &key, &image)),
        rejection(
            &image,
            "which has no cosign signature (tag sha256-....sig) that this policy server reads: sign it with cosign sign --new-bundle-format=false --use-signing-config=false, too"
        )
    );
}

#[test]
fn a_registry_without_the_image_or_without_an_answer_is_no_lack_of_signatures() {
    let shelf = Shelf::new();
    let key = Key::new();
    let address = shelf.address();
    let image = format!("{address}/app:gone");
    let reason = format!(
        "whose signatures cannot be verified: failed to get image trusted layers: Cannot fetch \
         manifest of {image}: Registry error: url http://{address}/v2/app/manifests/gone, \
         envelope: OCI API errors: [OCI API error: manifest unknown]"
    );
    assert_eq!(
        summary(&judge_signed(&shelf, &key, &image)),
        rejection(&image, &reason)
    );

    let address = nobody();
    let refused = TcpStream::connect(&address).unwrap_err();
    let image = format!("{address}/app:1");
    let access = access(&[&address], DockerConfig::in_folder("/none"));
    let cause = format!(
        "error sending request for url (http://{address}/v2/app/manifests/1): client error \
         (Connect): tcp connect error: {refused}"
    );
    assert_eq!(
        summary(&judge(access, &key.settings(&address), &image)),
        no_answer(&image, &cause)
    );
}

#[test]
fn a_registry_that_is_not_named_insecure_is_asked_with_tls_only() {
    let shelf = Shelf::new();
    let key = Key::new();
    let (image, _) = shelf.push("app", None);
    let access = access(&[], DockerConfig::in_folder("/none"));
    let cause = format!(
        "error sending request for url (https://{}/v2/app/manifests/1): client error (Connect): \
         received corrupt message of type InvalidContentType, which is what a registry without TLS \
         sends",
        shelf.address()
    );
    assert_eq!(
        summary(&judge(access, &key.settings(shelf.address()), &image)),
        no_answer(&image, &cause)
    );
}

#[test]
fn pin_and_evaluate_say_how_a_registry_without_tls_is_named() {
    let shelf = Shelf::new();
    let (image, _) = shelf.push("app", None);
    let address = shelf.address();
    let advice = format!(
        "{address} was asked from this machine, not by a policy server: it has no TLS; name it: \
         --insecure-registry {address}\n"
    );
    let mut pin = Command::cargo_bin("container-security").unwrap();
    pin.env("DOCKER_CONFIG", "/none")
        .args(["pin", "-", "--registry"])
        .write_stdin(pod(&image).to_string())
        .assert()
        .code(2)
        .stdout("")
        .stderr(predicates::str::ends_with(format!("\n  {advice}")));
    evaluate(&Key::new().settings(address))
        .arg("--registry")
        .write_stdin(pod(&image).to_string())
        .assert()
        .code(1)
        .stdout(predicates::str::contains(format!("\n  note: {advice}")));
}

#[test]
fn a_password_comes_from_the_docker_configuration() {
    let shelf = Shelf::with_password();
    let key = Key::new();
    let (image, digest) = shelf.push("app", None);
    shelf.sign(&image, &digest, &[(&key, &[])]);
    let address = shelf.address();
    let accepted = format!(
        "ACCEPTED  Pod shop/web  (-)\n  warning: {}\n",
        tag_warning(&digest)
    );
    let rejected = |cause: &str, advice: &str| {
        let (_, violations) = no_answer(&image, cause);
        format!(
            "REJECTED  Pod shop/web  (-)\n  {TITLE}\n  - {}\n  note: {address} was asked from this \
             machine, not by a policy server: {advice}\n",
            violations[0]
        )
    };
    let unauthorized = |advice: &str| {
        let cause = format!(
            "Not authorized: url http://{address}/v2/app/manifests/1 (a policy server has the \
             imagePullSecret of its PolicyServer, not the Pod's, and uses no token of az acr login)"
        );
        rejected(&cause, advice)
    };
    let file = |folder: &TempDir| folder.path().join("config.json").display().to_string();

    let with = docker_config(address, docker_registry::AUTH);
    let wrong = docker_config(address, "YWxpY2U6Z3Vlc3M=");
    let slash = docker_config(&format!("{address}/"), docker_registry::AUTH);
    let without = TempDir::new().unwrap();
    let [broken, helper] = ["{", r#"{"credsStore": "not-here"}"#].map(|config| {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("config.json"), config).unwrap();
        folder
    });
    for (folder, status, report) in [
        (&with, 0, accepted),
        (
            &wrong,
            1,
            unauthorized(&format!(
                "{address} does not accept the credentials in {}: docker login {address}",
                file(&wrong)
            )),
        ),
        (
            &slash,
            1,
            unauthorized(&format!(
                "auths in {} has the key \"{address}/\", which is not found, by policy servers \
                 neither: drop the slash",
                file(&slash)
            )),
        ),
        (
            &without,
            1,
            unauthorized(&format!(
                "{} has no credentials for {address}: docker login {address}",
                file(&without)
            )),
        ),
        (
            &broken,
            1,
            rejected(
                &format!("{}: not a Docker configuration", file(&broken)),
                &format!("mend {}", file(&broken)),
            ),
        ),
        (
            &helper,
            1,
            rejected(
                &format!(
                    "{}: {address}: the credential helper docker-credential-not-here cannot be \
                     asked: install it, or take it out of the file",
                    file(&helper)
                ),
                &format!("mend {}", file(&helper)),
            ),
        ),
    ] {
        evaluate(&key.settings(address))
            .args(["--registry", "--insecure-registry", address])
            .env("DOCKER_CONFIG", folder.path())
            .write_stdin(pod(&image).to_string())
            .assert()
            .code(status)
            .stderr("")
            .stdout(report);
    }
}

#[test]
fn who_did_not_answer_is_said_beside_the_verdict() {
    let key = Key::new();
    let address = nobody();
    let image = format!("{address}/app:1");
    let notes = |settings: &Value, arguments: &[&str]| {
        let assert = evaluate(settings)
            .args(["--output", "json"])
            .args(arguments)
            .write_stdin(pod(&image).to_string())
            .assert()
            .code(1);
        let report: Value = serde_json::from_slice(&assert.get_output().stdout).unwrap();
        let message = report[0]["response"]["message"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(
            message.ends_with("or ask whoever runs the policy server"),
            "{message}"
        );
        report[0]["notes"].clone()
    };
    let registry = ["--registry", "--insecure-registry", &address];
    assert_eq!(
        notes(&key.settings(&address), &[]),
        json!([
            "no policy server was asked here: let --registry ask the registries and --reports say what scanners have found, or take the answers from a session with --replay-host-capabilities-interactions"
        ])
    );
    assert_eq!(
        notes(&key.settings(&address), &registry),
        json!([format!(
            "{address} was asked from this machine, not by a policy server: check the way from here to {address}, its proxies (HTTPS_PROXY, NO_PROXY) too"
        )])
    );
    let reports = json!({"vulnerabilities": {"source": "trivy-operator"}});
    assert_eq!(
        notes(&reports, &registry),
        json!([
            "no policy server was asked here: take what registries do not know from --reports or a recorded session"
        ])
    );
    let keyless = json!({"signatures": {"rules": [{"images": [address], "anyOf": [
        {"keyless": {"issuer": "https://issuer.example", "subject": "a"}},
    ]}]}});
    assert_eq!(
        notes(&keyless, &registry),
        json!([
            "no policy server was asked here: name whom Sigstore trusts with --sigstore-trust-config, or take what it vouches for from a recorded session"
        ])
    );
}

#[test]
fn keyless_signatures_are_judged_by_a_trust_config() {
    let shelf = Shelf::new();
    let (fulcio, rekor) = (Fulcio::new(), Rekor::new());
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("trust.json");
    let config = trust_config(&fulcio, &rekor, &json!({"start": "2020-01-01T00:00:00Z"}));
    fs::write(&file, config.to_string()).unwrap();
    let identity = |repository| Identity {
        subject: Name::Url("https://github.com/org/app/.github/workflows/ci.yml@refs/heads/main"),
        issuer: "https://token.actions.githubusercontent.com",
        github_repository: Some(repository),
    };
    let sign = |name, repository| {
        let (image, digest) = shelf.push(name, None);
        let identity = identity(repository);
        let signature = KeylessSignature::new(&fulcio, &rekor, &image, &digest, &identity);
        shelf.store_signatures(&image, &digest, &[signature.layer()]);
        format!("{image}@{digest}")
    };
    let (ours, theirs) = (sign("ours", "org/app"), sign("theirs", "org/other"));
    let settings = json!({"signatures": {"rules": [{"images": [shelf.address()], "anyOf": [
        {"githubActions": {"owner": "org", "repo": "app"}},
    ]}]}});
    let judge = |image: &str| {
        evaluate(&settings)
            .args(["--registry", "--insecure-registry", shelf.address()])
            .args(["--sigstore-trust-config".as_ref(), file.as_os_str()])
            .write_stdin(pod(image).to_string())
            .assert()
            .stderr("")
    };
    judge(&ours).code(0).stdout("ACCEPTED  Pod shop/web  (-)\n");
    let (_, violations) = rejection(&theirs, "which no trusted authority has signed");
    judge(&theirs).code(1).stdout(format!(
        "REJECTED  Pod shop/web  (-)\n  {TITLE}\n  - {}\n  note: {theirs}: a signature is of \
         \"https://github.com/org/app/.github/workflows/ci.yml@refs/heads/main\" in \"org/other\", \
         says \"https://token.actions.githubusercontent.com\"\n",
        violations[0]
    ));

    fs::write(&file, config["trustedRoot"].to_string()).unwrap();
    evaluate(&settings)
        .arg("--registry")
        .args(["--sigstore-trust-config".as_ref(), file.as_os_str()])
        .write_stdin(pod(&ours).to_string())
        .assert()
        .code(2)
        .stdout("")
        .stderr(predicates::str::contains(
            "trust.json: this is a trusted root alone",
        ));
}

#[test]
fn pin_writes_what_each_tag_means_now() {
    let shelf = Shelf::new();
    let (image, digest) = shelf.push("app", None);
    let index = format!("{}/app:index", shelf.address());
    let index_digest = shelf.push_index(&index, &[("amd64", &digest)]);
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("deploy.yaml");
    let manifest = |image: &str, index: &str| {
        format!(
            "# ours\nkind: Pod\nspec:\n  containers:\n  - image: {image} # first\n  - image: '{index}'\n  \
             - image: {image}\n  - image: r.example/app:1@{digest}\n"
        )
    };
    let before = manifest(&image, &index);
    let pinned = manifest(
        &format!("{image}@{digest}"),
        &format!("{index}@{index_digest}"),
    );
    let pin = |file: &Path| {
        let mut command = Command::cargo_bin("container-security").unwrap();
        command
            .env("DOCKER_CONFIG", "/none")
            .arg("pin")
            .arg(file)
            .args(["--registry", "--insecure-registry", shelf.address()]);
        command
    };
    fs::write(&file, &before).unwrap();
    let name = file.display();
    pin(&file)
        .assert()
        .code(0)
        .stderr("")
        .stdout(format!("{name}: 3 pinned, 1 had a digest\n"));
    assert_eq!(fs::read_to_string(&file).unwrap(), pinned);
    pin(&file)
        .assert()
        .code(0)
        .stdout(format!("{name}: 0 pinned, 4 had a digest\n"));
    pin(Path::new("-"))
        .write_stdin(before.clone())
        .assert()
        .code(0)
        .stderr("-: 3 pinned, 1 had a digest\n")
        .stdout(pinned);

    // One that is not there, and one that nobody answers for: nothing is written.
    let nobody = nobody();
    let gone = format!("{}/app:gone", shelf.address());
    let text = manifest(&gone, &format!("{nobody}/app:1"));
    fs::write(&file, &text).unwrap();
    let assert = pin(&file)
        .args(["--insecure-registry", &nobody])
        .assert()
        .code(2)
        .stdout("");
    let stderr = String::from_utf8(assert.get_output().stderr.clone()).unwrap();
    for expected in [
        format!(
            "error: {name}: line 5: {gone}: Fail to interact with OCI registry: Registry error: "
        ),
        format!(
            "{name}: line 6: {nobody}/app:1: Fail to interact with OCI registry: error sending"
        ),
        format!("  {nobody} was asked from this machine, not by a policy server: check the way"),
    ] {
        assert!(stderr.contains(&expected), "{stderr}");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), text);

    // A file without images has none to pin.
    let map = "kind: ConfigMap\ndata: {a: b}\n";
    fs::write(&file, map).unwrap();
    pin(&file)
        .assert()
        .code(0)
        .stderr("")
        .stdout(format!("{name}: 0 pinned, there is no image in it\n"));
    assert_eq!(fs::read_to_string(&file).unwrap(), map);

    // Without the flag nobody is asked.
    let mut command = Command::cargo_bin("container-security").unwrap();
    command.arg("pin").arg(&file).assert().code(2).stdout("");
}

#[test]
fn each_verdict_has_the_notes_of_its_own_calls() {
    let shelf = Shelf::new();
    let key = Key::new();
    let (image, digest) = shelf.push("app", None);
    shelf.sign(&image, &digest, &[(&key, &[])]);
    let gone = nobody();
    let mut settings = key.settings(shelf.address());
    let rules = settings["signatures"]["rules"].as_array_mut().unwrap();
    rules.push(json!({"images": [gone], "anyOf": [{"publicKeys": [key.public()]}]}));
    let pods = [format!("{gone}/app:1"), format!("{image}@{digest}")]
        .map(|image| format!("---\n{}\n", pod(&image)))
        .concat();
    let assert = evaluate(&settings)
        .args(["--registry", "--insecure-registry", shelf.address()])
        .args(["--insecure-registry", &gone, "--output", "json"])
        .write_stdin(pods)
        .assert()
        .code(1);
    let report: Value = serde_json::from_slice(&assert.get_output().stdout).unwrap();
    assert_eq!(report[0]["notes"].as_array().unwrap().len(), 1, "{report}");
    assert_eq!(report[1].get("notes"), None, "{report}");
}

#[test]
fn a_credential_helper_that_fails_says_why() {
    use std::os::unix::fs::PermissionsExt as _;

    let shelf = Shelf::with_password();
    let key = Key::new();
    let (image, _) = shelf.push("app", None);
    let folder = TempDir::new().unwrap();
    let config = json!({"credHelpers": {shelf.address(): "locked"}});
    fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    let helper = folder.path().join("docker-credential-locked");
    fs::write(
        &helper,
        "#!/bin/sh\ncat > /dev/null\necho the keyring is locked\nexit 1\n",
    )
    .unwrap();
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).unwrap();
    let path = std::env::var("PATH").unwrap();
    evaluate(&key.settings(shelf.address()))
        .args(["--registry", "--insecure-registry", shelf.address()])
        .env("DOCKER_CONFIG", folder.path())
        .env("PATH", format!("{}:{path}", folder.path().display()))
        .write_stdin(pod(&image).to_string())
        .assert()
        .code(1)
        .stdout(predicates::str::contains(format!(
            "config.json: {}: the credential helper docker-credential-locked fails: the keyring is \
             locked; ",
            shelf.address()
        )));
}

#[test]
fn a_key_that_no_signature_of_cosigns_verifies_with_is_warned_of() {
    let key = SigningScheme::ECDSA_P384_SHA384_ASN1
        .create_signer()
        .unwrap()
        .to_sigstore_keypair()
        .unwrap();
    let settings = Key(key).settings("registry.example");
    let warning = "a P-384 key, with which policy servers verify SHA-384, and cosign signs SHA-256 unless it is told otherwise: no such signature verifies; use a P-256 key\n";
    evaluate(&settings)
        .write_stdin(pod("registry.example/app:1").to_string())
        .assert()
        .code(1)
        .stderr(format!(
            "warning: settings.signatures.rules[0].anyOf[0].publicKeys[0] holds {warning}"
        ));

    let folder = TempDir::new().unwrap();
    let policy = json!({
        "apiVersion": "policies.kubewarden.io/v1",
        "kind": "ClusterAdmissionPolicy",
        "metadata": {"name": "signed"},
        "spec": {
            "module": "registry://registry.example/policy:v1",
            "mutating": false,
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}],
            "settings": settings,
        },
    });
    fs::write(folder.path().join("policy.yaml"), policy.to_string()).unwrap();
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policy.wasm");
    Command::cargo_bin("container-security")
        .unwrap()
        .current_dir(folder.path())
        .args(["evaluate", "policy.yaml", "--request-path", "-", "--module"])
        .arg(module)
        .write_stdin(pod("registry.example/app:1").to_string())
        .assert()
        .code(1)
        .stderr(format!(
            "warning: policy.yaml, document 1: ClusterAdmissionPolicy signed: settings.signatures.rules[0].anyOf[0].publicKeys[0] holds {warning}"
        ));
}

#[test]
fn what_is_for_this_machine_does_not_go_through_a_proxy() {
    let shelf = Shelf::new();
    let key = Key::new();
    let (image, digest) = shelf.push("app", None);
    shelf.sign(&image, &digest, &[(&key, &[])]);
    evaluate(&key.settings(shelf.address()))
        .args(["--registry", "--insecure-registry", shelf.address()])
        .env("http_proxy", format!("http://{}", nobody()))
        .write_stdin(pod(&image).to_string())
        .assert()
        .stderr("")
        .code(0);
}

#[test]
fn arguments_that_contradict_each_other_are_refused() {
    let refused = |arguments: &[&str], problem: &str| {
        let assert = evaluate(&json!({})).args(arguments).assert().code(2);
        let stderr = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
        let found = stderr.lines().next().unwrap();
        assert_eq!(found, format!("error: {problem}"));
    };
    refused(
        &["--registry", "--replay-host-capabilities-interactions", "a"],
        "the argument '--registry' cannot be used with \
         '--replay-host-capabilities-interactions <FILE>'",
    );
    refused(
        &["--insecure-registry", "127.0.0.1:5000"],
        "the following required arguments were not provided:",
    );
    refused(
        &["--registry", "--insecure-registry", "registry.example:5000"],
        "invalid value 'registry.example:5000' for '--insecure-registry <HOST:PORT>': only a \
         registry on this machine (localhost, 127.0.0.1) may lack TLS",
    );
    refused(
        &["--registry", "--insecure-registry", "http://127.0.0.1:5000"],
        "invalid value 'http://127.0.0.1:5000' for '--insecure-registry <HOST:PORT>': \
         \"http://127.0.0.1:5000\" is not a registry: write HOST:PORT, without a scheme and a path",
    );
}

/// An image for each outcome.
struct Shop {
    shelf: Shelf,
    key: Key,
    signed: String,
    /// With its digest, so that there is no warning beside its violation.
    stale: String,
    stale_base: String,
    current_base: String,
}

impl Shop {
    fn open() -> Self {
        let shelf = Shelf::new();
        let (key, other_key) = (Key::new(), Key::new());
        let base = format!("{}/base:1", shelf.address());
        let stale_base = shelf.push_layer(&base, "old");
        let (stale, stale_digest) = shelf.push("stale", Some((&base, &stale_base)));
        let current_base = shelf.push_layer(&base, "new");
        let current = Some((base.as_str(), current_base.as_str()));
        let (signed, signed_digest) = shelf.push("signed", current);
        let (foreign, foreign_digest) = shelf.push("foreign", current);
        shelf.push("unsigned", current);
        shelf.sign(&stale, &stale_digest, &[(&key, &[])]);
        shelf.sign(&signed, &signed_digest, &[(&key, &[])]);
        shelf.sign(&foreign, &foreign_digest, &[(&other_key, &[])]);
        Self {
            shelf,
            key,
            signed: signed_digest,
            stale: format!("{stale}@{stale_digest}"),
            stale_base,
            current_base,
        }
    }

    /// Each image, whether it is accepted, and the warnings or the violations.
    fn expectations(&self) -> [(String, (bool, Vec<String>)); 4] {
        let address = self.shelf.address();
        let image = |name: &str| format!("{address}/{name}:1");
        let rejection = |name: &str, reason: &str| (image(name), rejection(&image(name), reason));
        [
            (image("signed"), (true, vec![tag_warning(&self.signed)])),
            rejection(
                "unsigned",
                "which has no cosign signature (tag sha256-....sig) that this policy server reads: sign it with cosign sign --new-bundle-format=false --use-signing-config=false, too",
            ),
            rejection("foreign", "which no trusted authority has signed"),
            (
                self.stale.clone(),
                (
                    false,
                    vec![format!(
                        "imageFreshness: container \"app\": image is \"{}\", whose base image \
                         \"{}\" has moved on, from \"{}\" to \"{}\"; spec.containers[0].image must \
                         name an image that was rebuilt since",
                        self.stale,
                        image("base"),
                        self.stale_base.get(..SHORT).unwrap(),
                        self.current_base.get(..SHORT).unwrap()
                    )],
                ),
            ),
        ]
    }

    fn settings(&self) -> Value {
        let mut settings = self.key.settings(self.shelf.address());
        settings["imageFreshness"] = json!({"mode": "enforce", "baseImage": "current",
            "baseRegistries": [self.shelf.address()]});
        settings
    }
}

fn judge_signed(shelf: &Shelf, key: &Key, image: &str) -> Verdict {
    judge(shelf.access(), &key.settings(shelf.address()), image)
}

fn judge(access: Access, settings: &Value, image: &str) -> Verdict {
    static POLICY: LazyLock<Policy> = LazyLock::new(|| {
        let timeout = Duration::from_mins(1);
        Policy::load(&policy_module::bytes())
            .unwrap()
            .with_limits(Limits { timeout })
    });
    let request = json!({
        "uid": "1",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "name": "web",
        "namespace": "shop",
        "operation": "CREATE",
        "userInfo": {},
        "object": pod(image),
    });
    POLICY
        .clone()
        .with_host_capabilities(Arc::new(Registry::new(access)))
        .validate(&request, settings)
        .unwrap()
}

/// The command, which reads the objects from standard input.
fn evaluate(settings: &Value) -> Command {
    let mut command = Command::cargo_bin("container-security").unwrap();
    command
        .env("DOCKER_CONFIG", "/none")
        .arg("evaluate")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../policy.wasm"))
        .args([
            "--request-path",
            "-",
            "--settings-json",
            &settings.to_string(),
        ]);
    command
}

/// A pod that breaks no rule but those about its image.
fn pod(image: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {
            "securityContext": {
                "runAsNonRoot": true,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [{
                "name": "app",
                "image": image,
                "securityContext": {
                    "allowPrivilegeEscalation": false,
                    "capabilities": {"drop": ["ALL"]},
                    "readOnlyRootFilesystem": true,
                },
            }],
        },
    })
}

/// Whether the pod is accepted, and the warnings or the violations.
fn summary(verdict: &Verdict) -> (bool, Vec<String>) {
    let warnings = verdict.warnings.clone().unwrap_or_default();
    let Some(message) = &verdict.message else {
        return (verdict.accepted, warnings);
    };
    assert_eq!(warnings, Vec::<String>::new());
    let violations = message
        .strip_prefix(&format!("{TITLE}\n"))
        .unwrap_or_else(|| panic!("{message}"));
    let violations = violations
        .lines()
        .map(|line| line.strip_prefix("- ").unwrap().to_owned());
    (verdict.accepted, violations.collect())
}

fn rejection(image: &str, reason: &str) -> (bool, Vec<String>) {
    let violation = format!(
        "signatures: container \"app\": image is \"{image}\", {reason}; spec.containers[0].image \
         must name an image signed as signatures.rules asks"
    );
    (false, vec![violation])
}

/// The rejection of an image whose registry has said nothing about its signatures.
fn no_answer(image: &str, cause: &str) -> (bool, Vec<String>) {
    let violation = format!(
        "signatures: container \"app\": image is \"{image}\", whose signatures cannot be verified: \
         failed to get image trusted layers: Cannot fetch manifest of {image}: {cause}; try again, \
         or ask whoever runs the policy server"
    );
    (false, vec![violation])
}

fn tag_warning(digest: &str) -> String {
    format!(
        "signatures: container \"app\": write the verified digest {digest} into \
         spec.containers[0].image: a tag can move"
    )
}

const TITLE: &str = "Pod \"web\" in namespace \"shop\" breaks 1 rule of container security:";
/// The length of a digest in messages about two of them.
const SHORT: usize = "sha256:".len() + 12;
