//! `container-security push` and `pull`, against Debian's registry on the loopback address.

#![expect(clippy::unwrap_used, reason = "a test may panic, also in its helpers")]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use assert_cmd::Command;
use assert_cmd::assert::Assert;
use container_security_host::oci::{Access, DockerConfig, Options, Reference};
use container_security_host::{Metadata, annotate};
use container_security_test_kit::docker_registry::{AUTH, DockerRegistry};
use container_security_test_kit::guest;
use oci_client::client::{Config, ImageLayer};
use predicates::str::{ends_with, starts_with};
use serde_json::json;
use tempfile::TempDir;

const METADATA: &str = "\
rules: []
mutating: false
annotations:
  io.kubewarden.policy.title: test
  io.kubewarden.policy.source: https://git.example/test
  io.kubewarden.policy.description: |
    one line
  two: |
    lines
    here
";

/// A folder with an annotated policy in it, in which the command runs, and a Docker configuration
/// of its own.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(TempDir::new().unwrap());
        fs::write(folder.path("annotated.wasm"), annotated(guest::ACCEPT)).unwrap();
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// `auth` is user and password, as `docker login` writes them.
    fn log_in(&self, registry: &str, auth: &str) {
        let config = json!({"auths": {registry: {"auth": auth}}});
        fs::write(self.path("config.json"), config.to_string()).unwrap();
    }

    fn run(&self, arguments: &str) -> Assert {
        Command::cargo_bin("container-security")
            .unwrap()
            .current_dir(self.0.path())
            .env("DOCKER_CONFIG", self.0.path())
            .args(arguments.split_whitespace())
            .assert()
    }

    /// Pushes `annotated.wasm` and returns the digest that is printed.
    fn push(&self, reference: &str) -> String {
        let output = self
            .run(&format!("push --insecure annotated.wasm {reference}"))
            .stderr("")
            .code(0);
        let output = String::from_utf8(output.get_output().stdout.clone()).unwrap();
        let digest = output.lines().next().unwrap().strip_prefix("digest: ");
        let digest = digest.unwrap().to_owned();
        let repository = reference.strip_suffix(":v1").unwrap();
        assert_eq!(
            output,
            format!("digest: {digest}\nmodule: registry://{repository}@{digest}\n")
        );
        digest
    }

    /// Pulls, and holds the module against `annotated.wasm`.
    fn pull(&self, reference: &str, digest: &str) {
        let repository = reference.split(['@']).next().unwrap();
        let repository = repository.strip_suffix(":v1").unwrap_or(repository);
        self.run(&format!("pull --insecure -o pulled.wasm {reference}"))
            .stderr("")
            .stdout(format!(
                "digest: {digest}\nmodule: registry://{repository}@{digest}\n"
            ))
            .code(0);
        let pushed = fs::read(self.path("annotated.wasm")).unwrap();
        assert_eq!(fs::read(self.path("pulled.wasm")).unwrap(), pushed);
    }

    /// Fails to pull, and writes nothing.
    fn does_not_pull(&self, arguments: &str) -> Assert {
        let assert = self
            .run(&format!("pull -o nothing.wasm {arguments}"))
            .stdout("")
            .code(2);
        assert!(!self.path("nothing.wasm").exists());
        assert
    }
}

fn annotated(validate: &str) -> Vec<u8> {
    let metadata = Metadata::from_yaml(METADATA).unwrap();
    annotate(&guest::module(validate), metadata, None).unwrap()
}

fn access(registry: &DockerRegistry) -> Access {
    Access::new(Options {
        insecure: vec![registry.address().parse().unwrap()],
        docker_config: DockerConfig::in_folder("/nonexistent"),
        ..Options::default()
    })
    .unwrap()
}

/// The bytes of a manifest in a registry.
fn manifest(registry: &DockerRegistry, name: &str) -> String {
    let reference: Reference = format!("{}/{name}", registry.address()).parse().unwrap();
    let (bytes, _) = access(registry)
        .run(&reference, async |client, auth| {
            let types = ["application/vnd.oci.image.manifest.v1+json"];
            let manifest = client.pull_manifest_raw(&reference, auth, &types).await;
            manifest.map_err(container_security_host::oci::Error::from)
        })
        .unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn what_is_pushed_is_pulled_by_tag_and_by_digest() {
    let registry = DockerRegistry::start();
    let folder = Folder::new();
    let repository = format!("{}/policies/test", registry.address());
    let digest = folder.push(&format!("{repository}:v1"));
    folder.pull(&format!("{repository}:v1"), &digest);
    folder.pull(&format!("{repository}@{digest}"), &digest);
    folder
        .run(&format!(
            "pull --insecure -o pulled.wasm registry://{repository}:v1"
        ))
        .code(0);
}

#[test]
fn the_manifest_is_the_one_that_kwctl_writes() {
    let registry = DockerRegistry::start();
    let folder = Folder::new();
    folder.push(&format!("{}/test:v1", registry.address()));
    let module = fs::read(folder.path("annotated.wasm")).unwrap();
    let size = module.len();
    let layer = ImageLayer::new(module, String::new(), None).sha256_digest();
    assert_eq!(
        manifest(&registry, "test:v1"),
        format!(
            r#"{{"annotations":{{"io.kubewarden.policy.description":"one line","io.kubewarden.policy.source":"https://git.example/test","io.kubewarden.policy.title":"test","org.opencontainers.image.source":"https://git.example/test"}},"config":{{"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","mediaType":"application/vnd.wasm.config.v1+json","size":2}},"layers":[{{"digest":"{layer}","mediaType":"application/vnd.wasm.content.layer.v1+wasm","size":{size}}}],"schemaVersion":2}}"#
        )
    );
}

#[test]
fn the_same_module_has_the_same_digest_everywhere() {
    let (one, other) = (DockerRegistry::start(), DockerRegistry::start());
    let folder = Folder::new();
    let digest = folder.push(&format!("{}/a:v1", one.address()));
    assert_eq!(folder.push(&format!("{}/a:v1", one.address())), digest);
    assert_eq!(folder.push(&format!("{}/b/c:v1", other.address())), digest);

    fs::write(folder.path("annotated.wasm"), annotated(guest::ECHO)).unwrap();
    assert_ne!(folder.push(&format!("{}/a:v1", one.address())), digest);
}

#[test]
fn the_password_is_that_of_docker_login() {
    let registry = DockerRegistry::start_with_password();
    let address = registry.address();
    let reference = format!("{address}/policies/test:v1");
    let folder = Folder::new();
    let refused = || {
        folder
            .run(&format!("push --insecure annotated.wasm {reference}"))
            .code(2)
            .stdout("")
            .stderr(starts_with(format!(
                "error: Server error: url http://{address}/v2/policies/test/blobs/uploads/, code: 401, "
            )));
    };
    refused();
    folder.log_in(address, "YWxpY2U6d3Jvbmc=");
    refused();

    folder.log_in(address, AUTH);
    let digest = folder.push(&reference);
    folder.pull(&reference, &digest);

    folder.log_in("other.example", AUTH);
    folder
        .does_not_pull(&format!("--insecure {reference}"))
        .stderr(format!(
            "error: Not authorized: url http://{address}/v2/policies/test/manifests/v1\n"
        ));
}

#[test]
fn plain_http_needs_the_flag() {
    let registry = DockerRegistry::start();
    let folder = Folder::new();
    let address = registry.address();
    let hint = "received corrupt message of type InvalidContentType, which is what a registry \
                without TLS sends; --insecure allows that\n";
    folder
        .run(&format!("push annotated.wasm {address}/test:v1"))
        .code(2)
        .stdout("")
        .stderr(ends_with(hint));
    folder.push(&format!("{address}/test:v1"));
    folder
        .does_not_pull(&format!("{address}/test:v1"))
        .stderr(ends_with(hint));
}

#[test]
fn a_push_that_was_cut_off_can_be_repeated() {
    let registry = DockerRegistry::start();
    let folder = Folder::new();
    // The upload of the module, of the configuration, and the manifest.
    for (index, cut) in ["PATCH ", "PUT /v2/test1/blobs/", "PUT /v2/test2/manifests/"]
        .into_iter()
        .enumerate()
    {
        let proxy = Proxy::start(registry.address(), cut);
        let reference = format!("{}/test{index}:v1", proxy.address);
        folder
            .run(&format!("push --insecure annotated.wasm {reference}"))
            .code(2)
            .stdout("")
            .stderr(starts_with(format!(
                "error: error sending request for url (http://{}/v2/test{index}/",
                proxy.address
            )));
        assert_eq!(proxy.cuts.load(Ordering::SeqCst), 1, "{cut}");
        folder
            .does_not_pull(&format!("--insecure {reference}"))
            .stderr(starts_with("error: Registry error: "));

        let digest = folder.push(&reference);
        assert_eq!(proxy.cuts.load(Ordering::SeqCst), 1, "{cut}");
        folder.pull(&reference, &digest);
    }
}

#[test]
fn only_annotated_modules_are_pushed_and_only_to_tags() {
    let folder = Folder::new();
    fs::write(folder.path("raw.wasm"), guest::module(guest::ACCEPT)).unwrap();
    let digest = format!("sha256:{}", "0".repeat(64));
    for (arguments, message) in [
        (
            "raw.wasm 127.0.0.1:1/test:v1".to_owned(),
            "the module is not annotated; `make annotated-policy.wasm` builds one that is"
                .to_owned(),
        ),
        (
            format!("annotated.wasm 127.0.0.1:1/test@{digest}"),
            format!("127.0.0.1:1/test@{digest} names a digest; push to a tag"),
        ),
        (
            "none.wasm 127.0.0.1:1/test:v1".to_owned(),
            "none.wasm: No such file or directory (os error 2)".to_owned(),
        ),
    ] {
        folder
            .run(&format!("push {arguments}"))
            .code(2)
            .stdout("")
            .stderr(format!("error: {message}\n"));
    }
    folder
        .run("push annotated.wasm http://registry.example/test")
        .code(2)
        .stderr(starts_with(
            "error: invalid value 'http://registry.example/test' for '<REFERENCE>': ",
        ));
}

#[test]
fn the_password_is_not_sent_in_the_open_without_a_warning() {
    let folder = Folder::new();
    folder
        .run("push --insecure annotated.wasm registry.invalid:5000/test:v1")
        .code(2)
        .stderr(starts_with(
            "warning: everybody between here and registry.invalid:5000 can read the password and \
             replace the policy\nerror: ",
        ));
}

#[test]
fn what_is_no_policy_is_not_pulled() {
    let registry = DockerRegistry::start();
    let folder = Folder::new();
    let address = registry.address();
    let image = |name: &str, layer_types: &[&str]| {
        let reference: Reference = format!("{address}/{name}").parse().unwrap();
        let layers: Vec<_> = layer_types
            .iter()
            .map(|media_type| ImageLayer::new(b"layer".as_slice(), (*media_type).to_owned(), None))
            .collect();
        let config = Config::new(b"{}".as_slice(), "application/json".to_owned(), None);
        access(&registry)
            .run(&reference, async |client, auth| {
                let pushed = client.push(&reference, &layers, config, auth, None).await;
                pushed.map_err(container_security_host::oci::Error::from)
            })
            .unwrap();
    };
    let module = "application/vnd.wasm.content.layer.v1+wasm";
    image("other:v1", &["application/wasm"]);
    image("two:v1", &[module, module]);
    for (name, problem) in [
        (
            "other:v1",
            format!("its layer is of type application/wasm, and not {module}"),
        ),
        ("two:v1", "it has 2 layers, and not one".to_owned()),
    ] {
        folder
            .does_not_pull(&format!("--insecure {address}/{name}"))
            .stderr(format!(
                "error: {address}/{name} is no Kubewarden policy: {problem}\n"
            ));
    }
}

#[test]
fn a_module_with_another_digest_is_not_pulled() {
    let registry = DockerRegistry::start();
    let folder = Folder::new();
    let reference = format!("{}/test:v1", registry.address());
    folder.push(&reference);
    let module = fs::read(folder.path("annotated.wasm")).unwrap();
    let digest = ImageLayer::new(module, String::new(), None).sha256_digest();
    registry.overwrite_blob(&digest, b"something else");
    folder
        .does_not_pull(&format!("--insecure {reference}"))
        .stderr(starts_with(
            "error: Digest error: Invalid digest. Expected sha256:",
        ));
}

/// Passes connections on to a registry, but cuts the first that carries a request that starts with
/// some text.
struct Proxy {
    address: SocketAddr,
    cuts: Arc<AtomicUsize>,
}

impl Proxy {
    fn start(registry: &str, cut: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Self {
            address: listener.local_addr().unwrap(),
            cuts: Arc::default(),
        };
        let (registry, cuts) = (registry.to_owned(), Arc::clone(&proxy.cuts));
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, registry) = (client.unwrap(), TcpStream::connect(&registry).unwrap());
                let cuts = Arc::clone(&cuts);
                let (from, to) = (registry.try_clone().unwrap(), client.try_clone().unwrap());
                thread::spawn(move || forward(from, to, |_| false));
                thread::spawn(move || {
                    forward(client, registry, |bytes| {
                        bytes.starts_with(cut.as_bytes()) && cuts.swap(1, Ordering::SeqCst) == 0
                    });
                });
            }
        });
        proxy
    }
}

/// Copies until there is no more, or something that shall be cut.
fn forward(mut from: TcpStream, mut to: TcpStream, cut: impl Fn(&[u8]) -> bool) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(count) = from.read(&mut buffer)
        && let Some(bytes @ [_, ..]) = buffer.get(..count)
        && !cut(bytes)
        && to.write_all(bytes).is_ok()
    {}
    drop(from.shutdown(Shutdown::Both));
    drop(to.shutdown(Shutdown::Both));
}
