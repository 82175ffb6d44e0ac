//! `make e2e`: holds Kubewarden's own tools against this host.
//!
//! kwctl and policy-server from the `PATH` annotate, inspect, push, pull and judge, and every
//! answer of theirs has to be the one of this crate. Needs `policy.wasm` and `annotated-policy.wasm`
//! in the working directory, which is that of the repository.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that is too big for `cargo test`"
)]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use container_security_host::artifact;
use container_security_host::oci::{Access, DockerConfig, Options, Reference};
use container_security_host::policy_resource::{Judgement, PolicyResource, Scope};
use container_security_host::{Metadata, Policy, Registry, Replay, TrustRoot};
use container_security_test_kit::certificate::Name;
use container_security_test_kit::docker_registry::DockerRegistry;
use container_security_test_kit::fulcio_and_rekor::{
    Fulcio, Identity, KeylessSignature, Rekor, bundle, store_bundle, trust_config,
};
use container_security_test_kit::sessions;
use container_security_test_kit::shelf::{Key, Shelf};
use container_security_text::request::{self, AdmissionRequest, Wrapping};
use container_security_text::{Operation, Verdict, document};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

fn main() {
    for tool in ["kwctl", "policy-server", "docker-registry"] {
        println!("{tool}: {}", version(tool));
    }
    let bench = Bench::new();
    bench.metadata();
    bench.package();
    let module = bench.registry();
    bench.sessions();
    bench.signatures();
    bench.resources();
    bench.policy_server(&module);
    println!("kwctl, policy-server and this host agree");
}

/// The first line of `--version`.
fn version(tool: &str) -> String {
    let output = Command::new(tool).arg("--version").output();
    let output = output.unwrap_or_else(|error| panic!("{tool}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().next().unwrap_or_default().to_owned()
}

/// What is held against each other, and a folder that the tools take for the home of their user.
struct Bench {
    home: TempDir,
    registry: DockerRegistry,
    raw: Vec<u8>,
    annotated: Vec<u8>,
    policy: Policy,
}

impl Bench {
    fn new() -> Self {
        let read = |name: &str| fs::read(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        let bench = Self {
            home: TempDir::new().unwrap(),
            registry: DockerRegistry::start(),
            raw: read("policy.wasm"),
            annotated: read("annotated-policy.wasm"),
            policy: Policy::load(&read("annotated-policy.wasm")).unwrap(),
        };
        let sources = json!({"insecure_sources": [bench.registry.address()]});
        bench.write("sources.yaml", &sources);
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// JSON is YAML.
    fn write(&self, name: &str, value: &Value) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, value.to_string()).unwrap();
        path
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env("HOME", self.home.path())
            .env("DOCKER_CONFIG", self.home.path())
            // Errors that reach the guest would have a backtrace in them.
            .env("RUST_BACKTRACE", "0")
            .env("RUST_LIB_BACKTRACE", "0")
            .env_remove("XDG_CACHE_HOME")
            .env_remove("NO_COLOR");
        command
    }

    /// What kwctl writes to stdout, and to stderr.
    fn kwctl<S: AsRef<std::ffi::OsStr>>(&self, arguments: &[S]) -> (String, String) {
        let mut command = self.command("kwctl");
        command.arg("--no-color").args(arguments);
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{command:?}\n{stdout}{stderr}");
        (stdout, stderr)
    }

    /// kwctl reads the metadata that is in the module, and would have put the same into it.
    fn metadata(&self) {
        let ours = Metadata::from_module(&self.annotated).unwrap().unwrap();
        let (inspected, _) = self.kwctl(&["inspect", "-o", "yaml", "annotated-policy.wasm"]);
        assert_eq!(Metadata::from_yaml(&inspected).unwrap(), ours);

        let path = self.path("kwctl.wasm");
        let (_, log) = self.kwctl(&[
            "annotate",
            "--metadata-path",
            "policy-metadata.yaml",
            "--usage-path",
            "USAGE.md",
            "--output-path",
            path.to_str().unwrap(),
            "policy.wasm",
        ]);
        assert!(!log.contains("host capabilities"), "{log}");
        let by_kwctl = fs::read(path).unwrap();
        let mut theirs = Metadata::from_module(&by_kwctl).unwrap().unwrap();
        theirs.annotations.remove("io.kubewarden.kwctl").unwrap();
        assert_eq!(theirs, ours);
        println!(
            "annotate: {} bytes become {}, and {} with kwctl",
            self.raw.len(),
            self.annotated.len(),
            by_kwctl.len()
        );
    }

    /// kwctl makes the same package for Artifact Hub, but for the time.
    fn package(&self) {
        let mut arguments = vec!["scaffold", "artifacthub", "-m", "policy-metadata.yaml"];
        if Path::new("questions-ui.yml").exists() {
            arguments.extend(["-q", "questions-ui.yml"]);
        }
        let (theirs, _) = self.kwctl(&arguments);
        let ours = fs::read_to_string("artifacthub-pkg.yml").unwrap();
        let without_time = |text: &str| {
            let lines = text.trim_end().lines();
            let lines: Vec<_> = lines
                .filter(|line| !line.starts_with("createdAt: "))
                .collect();
            lines.join("\n")
        };
        assert_eq!(without_time(&theirs), without_time(&ours));
        println!("scaffold artifacthub: the same package");
    }

    /// Each pulls what the other has pushed. Returns the module with its digest.
    fn registry(&self) -> String {
        let access = Access::new(Options {
            insecure: vec![self.registry.address().parse().unwrap()],
            docker_config: DockerConfig::in_folder(self.home.path()),
            ..Options::default()
        })
        .unwrap();
        let reference = |name: &str| format!("{}/policies/{name}:v1", self.registry.address());
        let parsed = |name: &str| -> Reference { reference(name).parse().unwrap() };
        let uri = |name: &str| format!("registry://{}", reference(name));
        let sources = self.path("sources.yaml");
        let sources = sources.to_str().unwrap();

        let pushed = artifact::push(&access, &parsed("ours"), self.annotated.clone()).unwrap();
        let theirs = uri("theirs");
        let arguments = ["push", "-o", "json", "--sources-path", sources];
        let arguments = [&arguments[..], &["annotated-policy.wasm", &theirs]].concat();
        let (output, _) = self.kwctl(&arguments);
        let output: Value = serde_json::from_str(&output).unwrap();
        let immutable = output["immutable_ref"].as_str().unwrap();
        let (_, digest) = immutable.split_once('@').unwrap();
        assert_eq!(digest, pushed.digest);

        let pulled = artifact::pull(&access, &parsed("theirs")).unwrap();
        assert!(pulled == pushed);
        let path = self.path("pulled.wasm");
        let ours = uri("ours");
        let output_path = path.to_str().unwrap();
        self.kwctl(&["pull", "--sources-path", sources, "-o", output_path, &ours]);
        assert!(fs::read(&path).unwrap() == self.annotated);
        println!("push and pull: both ways, as {digest}");
        format!(
            "registry://{}/policies/ours@{digest}",
            self.registry.address()
        )
    }

    /// Every recorded session, replayed by kwctl and by this host.
    fn sessions(&self) {
        let cases = sessions::cases(Path::new("tests"));
        for case in &cases {
            let verdict = self.replayed(&case.name, &case.session, &case.payload());
            case.check(&verdict, now());
        }
        let mut rows = rows("expected-in-a-cluster.yaml");
        rows.retain(|row| row.contains_key("session"));
        for row in &rows {
            let request = one_request(text(row, "request")).to_value().unwrap();
            let file = text(row, "policy");
            let resource = one_resource(file);
            let members = resource.members();
            assert_eq!(members.len(), 1, "{file}");
            let payload = request::payload(&request, members[0].settings()).unwrap();
            self.replayed(file, &example(text(row, "session")), &payload);
        }
        let count = cases.len() + rows.len();
        println!("run: {count} sessions, the same verdicts");
    }

    /// This host's answer, which has to be kwctl's too.
    fn replayed(&self, name: &str, session: &[u8], payload: &[u8]) -> Vec<u8> {
        let replay = Replay::from_yaml(name, session).unwrap();
        let policy = self.policy.clone().with_host_capabilities(Arc::new(replay));
        let verdict = policy.validate_bytes(payload).unwrap();

        let payload: Value = serde_json::from_slice(payload).unwrap();
        let recorded = self.path("session.yaml");
        fs::write(&recorded, session).unwrap();
        let request = self.write("request.json", &payload["request"]);
        let settings = self.write("settings.json", &payload["settings"]);
        let (answer, _) = self.kwctl(&[
            "run".as_ref(),
            "--allow-context-aware".as_ref(),
            "--replay-host-capabilities-interactions".as_ref(),
            recorded.as_os_str(),
            "--settings-path".as_ref(),
            settings.as_os_str(),
            "--request-path".as_ref(),
            request.as_os_str(),
            "annotated-policy.wasm".as_ref(),
        ]);
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let expected = of_verdict(&serde_json::from_slice(&verdict).unwrap());
        same(name, &answer, &expected);
        verdict
    }

    /// Images signed in each way that there is: what kwctl does not take for a signature, this host does
    /// not either, and what is in order is one to both.
    fn signatures(&self) {
        let images = Shelf::new();
        let (fulcio, rekor) = (Fulcio::new(), Rekor::new());
        let config = trust_config(&fulcio, &rekor, &json!({"start": "2020-01-01T00:00:00Z"}));
        let trust_root =
            TrustRoot::from_client_trust_config("trust.json", config.to_string().as_bytes());
        let registry = Registry::new(images.access()).with_trust_root(trust_root.unwrap());
        let policy = self
            .policy
            .clone()
            .with_host_capabilities(Arc::new(registry));
        let files = [
            self.write("trust.json", &config),
            self.write(
                "shelf.yaml",
                &json!({"insecure_sources": [images.address()]}),
            ),
        ];

        let key = Key::new();
        let identity = Identity {
            subject: Name::Url(
                "https://github.com/org/app/.github/workflows/ci.yml@refs/heads/main",
            ),
            issuer: "https://token.actions.githubusercontent.com",
            github_repository: Some("org/app"),
        };
        let certificate = fulcio.issue(&identity.certificate(), &key);
        let by_key = json!({"publicKeys": [key.public()]});
        let by_prefix = json!({"keyless": {
            "issuer": identity.issuer, "subjectPrefix": "https://github.com/org/",
        }});
        let by_github = json!({"githubActions": {"owner": "org", "repo": "app"}});
        let signers = [
            (&by_key, None),
            (&by_prefix, Some(certificate.as_str())),
            (&by_github, Some(certificate.as_str())),
        ];
        let mut count = 0;
        for (authority, certificate) in signers {
            for is_bundle in [false, true] {
                count += 1;
                let (image, digest) = images.push(&format!("signed-{count}"), None);
                if is_bundle {
                    let bundle = bundle(&rekor, &key, certificate, &digest);
                    store_bundle(&images, &image, &digest, &bundle);
                } else if certificate.is_none() {
                    images.sign(&image, &digest, &[(&key, &[])]);
                } else {
                    let signed = KeylessSignature::new(&fulcio, &rekor, &image, &digest, &identity);
                    images.store_signatures(&image, &digest, &[signed.layer()]);
                }
                let image = format!("{image}@{digest}");
                let settings = json!({"level": "privileged", "signatures": {"mode": "enforce", "rules": [
                    {"images": [images.address()], "anyOf": [authority]},
                ]}});
                let pod = json!({
                    "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"},
                    "spec": {"containers": [{"name": "app", "image": image}]},
                });
                let request = one_request_of("pod", pod.to_string().as_bytes());
                let request = request.to_value().unwrap();
                let verdict = policy.validate(&request, &settings).unwrap();
                assert_eq!(
                    verdict.accepted, !is_bundle,
                    "{image}: {:?}",
                    verdict.message
                );
                let answer = self.asked(&request, &settings, &files);
                same(&image, &answer, &of_verdict(&verdict));
            }
        }
        println!("run: {count} ways to sign, the same verdicts");
    }

    /// What kwctl answers when it asks registries itself, with a trust config and sources.
    fn asked(&self, request: &Value, settings: &Value, files: &[PathBuf; 2]) -> Value {
        let request = self.write("request.json", request);
        let settings = self.write("settings.json", settings);
        let [trust_config, sources] = files;
        let (answer, _) = self.kwctl(&[
            "run".as_ref(),
            "--sigstore-trust-config".as_ref(),
            trust_config.as_os_str(),
            "--sources-path".as_ref(),
            sources.as_os_str(),
            "--settings-path".as_ref(),
            settings.as_os_str(),
            "--request-path".as_ref(),
            request.as_os_str(),
            "annotated-policy.wasm".as_ref(),
        ]);
        serde_json::from_str(&answer).unwrap()
    }

    /// The files of `examples/cluster/` as kwctl reads them, but with the module at hand, and
    /// without the resources that kwctl would want a cluster for.
    fn resources(&self) {
        let module = fs::canonicalize("annotated-policy.wasm").unwrap();
        let rows = rows_of_policies();
        for row in &rows {
            let file = text(row, "policy");
            let mut resource = yaml(file);
            let spec = resource["spec"].as_object_mut().unwrap();
            spec.remove("contextAwareResources");
            let uri = json!(format!("file://{}", module.display()));
            match spec.get_mut("policies") {
                Some(members) => {
                    for member in members.as_object_mut().unwrap().values_mut() {
                        member["module"] = uri.clone();
                    }
                }
                None => {
                    spec.insert("module".to_owned(), uri);
                }
            }
            let resource = self.write("resource.yaml", &resource);
            let request = one_request(text(row, "request"));
            let value = request.to_value().unwrap();
            let request_path = self.write("request.json", &value);
            let (answer, _) = self.kwctl(&[
                "run".as_ref(),
                "--request-path".as_ref(),
                request_path.as_os_str(),
                resource.as_os_str(),
            ]);
            let judgement = one_resource(file).judge(&request, |member| {
                self.policy.validate(&value, member.settings())
            });
            let name = format!("{} by {file}", text(row, "request"));
            let answer: Value = serde_json::from_str(&answer).unwrap();
            same(&name, &answer, &of_judgement(&judgement.unwrap()));
        }
        println!(
            "run: {} examples of a cluster, the same verdicts",
            rows.len()
        );
    }

    /// Every example, judged by policy-server and by this host.
    fn policy_server(&self, module: &str) {
        let rows = rows("expected.yaml");
        let cluster_rows: Vec<_> = rows_of_policies();
        let mut policies = Map::new();
        for row in &rows {
            let settings = yaml(text(row, "settings"));
            let policy = json!({"module": module, "settings": settings});
            policies.insert(id(text(row, "settings")), policy);
        }
        for row in &cluster_rows {
            let resource = yaml(text(row, "policy"));
            policies.insert(
                id(text(row, "policy")),
                of_server(&resource["spec"], module),
            );
        }
        let server = self.start(&Value::Object(policies));

        for row in &rows {
            let settings = text(row, "settings");
            let request = one_request(text(row, "request")).to_value().unwrap();
            let answer = server.validate(&id(settings), &request);
            let verdict = self.policy.validate(&request, &yaml(settings)).unwrap();
            let name = format!("{} under {settings}", text(row, "request"));
            same(&name, &answer, &of_verdict(&verdict));
        }
        let mut asked = 0;
        for row in &cluster_rows {
            let file = text(row, "policy");
            let request = one_request(text(row, "request"));
            let resource = one_resource(file);
            if matches!(resource.scope(&request), Scope::NotAsked(_)) {
                continue;
            }
            asked += 1;
            let request_value = request.to_value().unwrap();
            let answer = server.validate(&id(file), &request_value);
            let judgement = resource.judge(&request, |member| {
                self.policy.validate(&request_value, member.settings())
            });
            let name = format!("{} by {file}", text(row, "request"));
            same(&name, &answer, &of_judgement(&judgement.unwrap()));
        }
        println!(
            "policy-server: {} examples and {asked} of a cluster, the same verdicts",
            rows.len()
        );
    }

    fn start(&self, policies: &Value) -> PolicyServer {
        let (port, probe_port) = (free_port(), free_port());
        let log = self.path("policy-server.log");
        let mut command = self.command("policy-server");
        command
            .arg("--policies")
            .arg(self.write("policies.yml", policies))
            .arg("--policies-download-dir")
            .arg(self.home.path().join("modules"))
            .arg("--sigstore-cache-dir")
            .arg(self.home.path().join("sigstore"))
            .arg("--sources-path")
            .arg(self.path("sources.yaml"))
            .args(["--addr", "127.0.0.1", "--workers", "2"])
            .args(["--log-no-color", "--ignore-kubernetes-connection-failure"])
            .args(["--port", &port.to_string()])
            .args(["--readiness-probe-port", &probe_port.to_string()])
            .stdin(Stdio::null())
            .stdout(File::create(&log).unwrap())
            .stderr(File::create(self.path("policy-server.err")).unwrap());
        fs::create_dir(self.path("modules")).unwrap();
        let mut server = PolicyServer {
            process: command.spawn().unwrap(),
            port,
        };
        for _ in 0..PATIENCE {
            if let Some(status) = server.process.try_wait().unwrap() {
                let errors = fs::read_to_string(self.path("policy-server.err")).unwrap();
                let log = fs::read_to_string(&log).unwrap();
                panic!("policy-server has ended, {status}:\n{log}{errors}");
            }
            let probe = http(probe_port, "GET /readiness", "");
            if probe.is_some_and(|answer| answer.starts_with("HTTP/1.1 200 ")) {
                return server;
            }
            thread::sleep(Duration::from_millis(100));
        }
        panic!("policy-server is not ready");
    }
}

struct PolicyServer {
    process: Child,
    port: u16,
}

impl PolicyServer {
    /// The `response` of the AdmissionReview.
    fn validate(&self, id: &str, request: &Value) -> Value {
        let review = json!({
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "request": request,
        });
        let answer = http(
            self.port,
            &format!("POST /validate/{id}"),
            &review.to_string(),
        )
        .unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{id}: {answer}");
        let mut review: Value = serde_json::from_str(body).unwrap();
        review["response"].take()
    }
}

impl Drop for PolicyServer {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// The whole answer; `None` when nobody listens.
fn http(port: u16, what: &str, body: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    write!(
        stream,
        "{what} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Holds the response of a tool against what this host has said.
fn same(name: &str, response: &Value, expected: &Value) {
    let status = &response["status"];
    let or = |value: &Value, default: Value| match value {
        Value::Null => default,
        value => value.clone(),
    };
    let causes = status["details"]["causes"].as_array().into_iter().flatten();
    let mut causes: Vec<_> = causes
        .map(|cause| json!({"field": cause["field"], "message": cause["message"]}))
        .collect();
    // Policy-server has them in no order.
    causes.sort_by_key(|cause| cause["field"].to_string());
    let found = json!({
        "allowed": response["allowed"],
        "message": status["message"],
        "code": status["code"],
        "warnings": or(&response["warnings"], json!([])),
        "auditAnnotations": or(&response["auditAnnotations"], json!({})),
        "causes": causes,
    });
    assert_eq!(&found, expected, "{name}");
}

fn of_verdict(verdict: &Verdict) -> Value {
    json!({
        "allowed": verdict.accepted,
        "message": verdict.message,
        "code": verdict.code,
        "warnings": verdict.warnings.clone().unwrap_or_default(),
        "auditAnnotations": verdict.audit_annotations.clone().unwrap_or_default(),
        "causes": [],
    })
}

fn of_judgement(judgement: &Judgement) -> Value {
    let mut response = of_verdict(&judgement.verdict);
    if judgement.monitored.is_none() {
        response["causes"] = judgement
            .causes
            .iter()
            .map(|cause| json!({"field": cause.field, "message": cause.message}))
            .collect();
    }
    response
}

/// The entry of policies.yml that the controller would write for a policy or a group.
fn of_server(spec: &Value, module: &str) -> Value {
    let of = |spec: &Value, keys: &[(&str, &str)]| {
        let entries = keys
            .iter()
            .filter(|(key, _)| !spec[key].is_null())
            .map(|(key, name)| ((*name).to_owned(), spec[key].clone()));
        entries.collect::<Map<String, Value>>()
    };
    let mut policy = of(
        spec,
        &[
            ("mode", "policyMode"),
            ("message", "message"),
            ("expression", "expression"),
        ],
    );
    if let Some(members) = spec["policies"].as_object() {
        let members = members.iter().map(|(name, member)| {
            let settings = member["settings"].clone();
            (
                name.clone(),
                json!({"module": module, "settings": settings}),
            )
        });
        policy.insert("policies".to_owned(), members.collect());
    } else {
        policy.insert("module".to_owned(), json!(module));
        policy.insert("settings".to_owned(), spec["settings"].clone());
    }
    Value::Object(policy)
}

/// The rows of `examples/expected-in-a-cluster.yaml` whose policies ask nothing of the host: a
/// session cannot be replayed in policy-server, and there is no cluster to ask.
fn rows_of_policies() -> Vec<BTreeMap<String, Value>> {
    let mut rows = rows("expected-in-a-cluster.yaml");
    rows.retain(|row| !row.contains_key("session"));
    rows
}

fn rows(file: &str) -> Vec<BTreeMap<String, Value>> {
    serde_json::from_value(yaml(file)).unwrap()
}

fn text<'a>(row: &'a BTreeMap<String, Value>, key: &str) -> &'a str {
    row.get(key).and_then(Value::as_str).unwrap()
}

/// Seconds since 1970.
#[expect(clippy::disallowed_methods, reason = "no policy runs here")]
fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap()
}

/// Policy-server's name for a policy of a file.
fn id(file: &str) -> String {
    file.replace(['/', '.'], "-")
}

/// The one document of a file below `examples/`.
fn yaml(file: &str) -> Value {
    let mut documents = document::parse(file, &example(file));
    assert_eq!(documents.len(), 1, "{file}");
    documents.remove(0).unwrap().value
}

fn one_resource(file: &str) -> PolicyResource {
    let policies = PolicyResource::read(file, &example(file), "default", None);
    let mut policies = policies.unwrap().policies;
    assert_eq!(policies.len(), 1, "{file}");
    policies.remove(0)
}

fn one_request(file: &str) -> AdmissionRequest {
    one_request_of(file, &example(file))
}

fn one_request_of(file: &str, bytes: &[u8]) -> AdmissionRequest {
    let wrapping = Wrapping {
        operation: Operation::Create,
        namespace: "default".to_owned(),
        old_objects: None,
    };
    let mut inputs: Vec<_> = document::parse(file, bytes)
        .into_iter()
        .flat_map(|document| request::requests(document.unwrap(), &wrapping))
        .collect();
    assert_eq!(inputs.len(), 1, "{file}");
    inputs.remove(0).unwrap().request
}

fn example(file: &str) -> Vec<u8> {
    let path = Path::new("examples").join(file);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Tenths of a second: policy-server compiles the module, and may look for Sigstore's keys.
const PATIENCE: usize = 1200;
