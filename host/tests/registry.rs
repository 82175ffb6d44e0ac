//! Images of a real registry, judged by the real module: `evaluate --registry` and the library below
//! it.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic, also in its helpers"
)]

mod docker_registry;
mod policy_module;

use std::collections::BTreeMap;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use assert_cmd::Command;
use container_security_host::oci::{self, Access, DockerConfig, Reference};
use container_security_host::{Limits, Policy, Registry, Verdict};
use oci_client::client::{Config, ImageLayer};
use oci_client::manifest::OciImageManifest;
use serde_json::{Value, json};
use sigstore::cosign::constraint::PrivateKeySigner;
use sigstore::cosign::payload::simple_signing::Optional;
use sigstore::cosign::{Constraint as _, SignatureLayer};
use sigstore::crypto::SigningScheme;
use sigstore::crypto::signing_key::SigStoreKeyPair;
use tempfile::TempDir;

use docker_registry::DockerRegistry;

// ---- the policy

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
        let verdict = shelf.judge(&key, &image);
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
        summary(&shelf.judge(&key, &image)),
        rejection(&image, "which is not signed")
    );
}

#[test]
fn a_registry_without_the_image_or_without_an_answer_is_no_lack_of_signatures() {
    let shelf = Shelf::new();
    let key = Key::new();
    let address = shelf.address();
    let image = format!("{address}/app:gone");
    assert_eq!(
        summary(&shelf.judge(&key, &image)),
        rejection(
            &image,
            &format!(
                "whose signatures cannot be verified: failed to get image trusted layers: Cannot \
                 fetch manifest of {image}: Registry error: url \
                 http://{address}/v2/app/manifests/gone, envelope: OCI API errors: [OCI API \
                 error: manifest unknown]"
            )
        )
    );

    let address = nobody();
    let refused = TcpStream::connect(&address).unwrap_err();
    let image = format!("{address}/app:1");
    let access = access(&[&address], DockerConfig::in_folder("/none"));
    assert_eq!(
        summary(&judge(access, &key.settings(&address), &image)),
        rejection(
            &image,
            &format!(
                "whose signatures cannot be verified: failed to get image trusted layers: Cannot \
                 fetch manifest of {image}: error sending request for url \
                 (http://{address}/v2/app/manifests/1): client error (Connect): tcp connect error: \
                 {refused}"
            )
        )
    );
}

#[test]
fn a_registry_that_is_not_named_insecure_is_asked_with_tls_only() {
    let shelf = Shelf::new();
    let key = Key::new();
    let (image, _) = shelf.push("app", None);
    let access = access(&[], DockerConfig::in_folder("/none"));
    assert_eq!(
        summary(&judge(access, &key.settings(shelf.address()), &image)),
        rejection(
            &image,
            &format!(
                "whose signatures cannot be verified: failed to get image trusted layers: Cannot \
                 fetch manifest of {image}: error sending request for url \
                 (https://{}/v2/app/manifests/1): client error (Connect): received corrupt message \
                 of type InvalidContentType, which is what a registry without TLS sends",
                shelf.address()
            )
        )
    );
}

#[test]
fn a_password_comes_from_the_docker_configuration() {
    let shelf = Shelf::with_password();
    let key = Key::new();
    let (image, digest) = shelf.push("app", None);
    shelf.sign(&image, &digest, &[(&key, &[])]);
    let address = shelf.address();
    let accepted = format!(
        "ACCEPTED  Pod shop/web  (-)\n  warning: signatures: container \"app\": verified {digest}, \
         but a tag can move: write that digest into spec.containers[0].image\n"
    );
    let rejected = |reason: &str| {
        format!(
            "REJECTED  Pod shop/web  (-)\n  {TITLE}\n  - signatures: container \"app\": image is \
             \"{image}\", whose signatures cannot be verified: failed to get image trusted layers: \
             Cannot fetch manifest of {image}: {reason}; spec.containers[0].image must name an \
             image signed as signatures.rules asks\n"
        )
    };
    let unauthorized = rejected(&format!(
        "Not authorized: url http://{address}/v2/app/manifests/1"
    ));

    let with = docker_config(address, docker_registry::AUTH);
    let wrong = docker_config(address, "YWxpY2U6Z3Vlc3M=");
    let without = TempDir::new().unwrap();
    let broken = TempDir::new().unwrap();
    fs::write(broken.path().join("config.json"), "{").unwrap();
    let unreadable = rejected(&format!(
        "{}: not a Docker configuration",
        broken.path().join("config.json").display()
    ));
    for (folder, status, report) in [
        (&with, 0, &accepted),
        (&wrong, 1, &unauthorized),
        (&without, 1, &unauthorized),
        (&broken, 1, &unreadable),
    ] {
        evaluate(&key.settings(address))
            .args(["--registry", "--insecure-registry", address])
            .env("DOCKER_CONFIG", folder.path())
            .write_stdin(pod(&image).to_string())
            .assert()
            .code(status)
            .stderr("")
            .stdout(report.clone());
    }
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
            rejection("unsigned", "which is not signed"),
            rejection("foreign", "which is not signed by a trusted authority"),
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
                        self.stale_base,
                        self.current_base
                    )],
                ),
            ),
        ]
    }

    fn settings(&self) -> Value {
        let mut settings = self.key.settings(self.shelf.address());
        settings["imageFreshness"] = json!({"mode": "enforce", "baseImage": "current"});
        settings
    }
}

/// A registry of one's own, and the way to it.
struct Shelf {
    registry: DockerRegistry,
    docker_config: TempDir,
}

impl Shelf {
    fn new() -> Self {
        Self {
            registry: DockerRegistry::start(),
            docker_config: TempDir::new().unwrap(),
        }
    }

    fn with_password() -> Self {
        let registry = DockerRegistry::start_with_password();
        Self {
            docker_config: docker_config(registry.address(), docker_registry::AUTH),
            registry,
        }
    }

    fn address(&self) -> &str {
        self.registry.address()
    }

    fn access(&self) -> Access {
        access(
            &[self.address()],
            DockerConfig::in_folder(self.docker_config.path()),
        )
    }

    fn judge(&self, key: &Key, image: &str) -> Verdict {
        judge(self.access(), &key.settings(self.address()), image)
    }

    /// Pushes an image that no other one is equal to, and hands back its tag and digest. `base` is
    /// the name and the digest of what it says that it was built from.
    fn push(&self, name: &str, base: Option<(&str, &str)>) -> (String, String) {
        let image = format!("{}/{name}:1", self.address());
        let annotations = base.map(|(name, digest)| {
            BTreeMap::from([
                (
                    "org.opencontainers.image.base.name".to_owned(),
                    name.to_owned(),
                ),
                (
                    "org.opencontainers.image.base.digest".to_owned(),
                    digest.to_owned(),
                ),
            ])
        });
        let digest = self.push_image(&image, name, annotations);
        (image, digest)
    }

    fn push_layer(&self, image: &str, layer: &str) -> String {
        self.push_image(image, layer, None)
    }

    fn push_image(
        &self,
        image: &str,
        layer: &str,
        annotations: Option<BTreeMap<String, String>>,
    ) -> String {
        let layers = [ImageLayer::oci_v1(layer.to_owned().into_bytes(), None)];
        let config = Config::oci_v1(CONFIG.as_bytes().to_vec(), None);
        let manifest = OciImageManifest::build(&layers, &config, annotations);
        self.push_all(image, &layers, config, manifest)
    }

    /// Stores a signature of each key, as cosign does; each says the annotations beside the key.
    fn sign(&self, image: &str, digest: &str, signatures: &[(&Key, &[(&str, &str)])]) {
        let layers: Vec<_> = signatures
            .iter()
            .map(|(key, annotations)| key.sign(image, digest, annotations))
            .collect();
        let (name, _) = image.rsplit_once(':').unwrap();
        let config = Config::oci_v1(b"{}".to_vec(), None);
        let manifest = OciImageManifest::build(&layers, &config, None);
        let tag = format!("{name}:{}.sig", digest.replace(':', "-"));
        self.push_all(&tag, &layers, config, manifest);
    }

    fn push_all(
        &self,
        image: &str,
        layers: &[ImageLayer],
        config: Config,
        manifest: OciImageManifest,
    ) -> String {
        let image: Reference = image.parse().unwrap();
        self.access()
            .run(&image, async |client, auth| {
                client
                    .push(&image, layers, config, auth, Some(manifest))
                    .await?;
                Ok::<_, oci::Error>(client.fetch_manifest_digest(&image, auth).await?)
            })
            .unwrap()
    }
}

/// A key pair of cosign's usual kind.
struct Key(SigStoreKeyPair);

impl Key {
    fn new() -> Self {
        Self(
            SCHEME
                .create_signer()
                .unwrap()
                .to_sigstore_keypair()
                .unwrap(),
        )
    }

    fn public(&self) -> String {
        self.0.public_key_to_pem().unwrap()
    }

    /// Settings that ask for a signature of this key on all images of a registry.
    fn settings(&self, address: &str) -> Value {
        json!({"signatures": {"rules": [
            {"images": [address], "anyOf": [{"publicKeys": [self.public()]}]},
        ]}})
    }

    fn sign(&self, image: &str, digest: &str, annotations: &[(&str, &str)]) -> ImageLayer {
        let mut layer = SignatureLayer::new_unsigned(&image.parse().unwrap(), digest).unwrap();
        let annotations = annotations.iter();
        layer.simple_signing.optional = Some(Optional {
            extra: annotations
                .map(|(key, value)| ((*key).to_owned(), json!(value)))
                .collect(),
            ..Optional::default()
        });
        let signer = PrivateKeySigner::new_with_signer(self.0.to_sigstore_signer(&SCHEME).unwrap());
        assert!(signer.add_constraint(&mut layer).unwrap());
        ImageLayer::new(
            layer.raw_data,
            "application/vnd.dev.cosign.simplesigning.v1+json".to_owned(),
            Some(BTreeMap::from([(
                "dev.cosignproject.cosign/signature".to_owned(),
                layer.signature.unwrap(),
            )])),
        )
    }
}

fn access(insecure: &[&str], docker_config: DockerConfig) -> Access {
    Access::new(oci::Options {
        insecure: insecure
            .iter()
            .map(|address| address.parse().unwrap())
            .collect(),
        docker_config,
        ..oci::Options::default()
    })
    .unwrap()
}

/// What `docker login` stores: `auth` is user and password in Base64.
fn docker_config(address: &str, auth: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    let config = json!({"auths": {address: {"auth": auth}}});
    fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    folder
}

fn judge(access: Access, settings: &Value, image: &str) -> Verdict {
    static POLICY: LazyLock<Policy> = LazyLock::new(|| {
        let timeout = Duration::from_mins(1);
        Policy::load_with_limits(&policy_module::bytes(), Limits { timeout }).unwrap()
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

fn tag_warning(digest: &str) -> String {
    format!(
        "signatures: container \"app\": verified {digest}, but a tag can move: write that digest \
         into spec.containers[0].image"
    )
}

/// An address at which nothing listens.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

const TITLE: &str = "Pod \"web\" in namespace \"shop\" breaks 1 rule of container security:";
const SCHEME: SigningScheme = SigningScheme::ECDSA_P256_SHA256_ASN1;
const CONFIG: &str = r#"{"architecture":"amd64","os":"linux","created":"2026-01-02T03:04:05Z","rootfs":{"type":"layers","diff_ids":[]}}"#;
