//! `evaluate`: reads manifests, asks the policy about each object, reports.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use container_security_host::policy_resource::GROUP as POLICY_GROUP;
use container_security_host::{HostCapabilities, Limits, Replay, Reports};
use container_security_text::document::{self, Document, DocumentError};
use container_security_text::request::{self, Operation, Wrapping};
use container_security_text::suggested_patch::suggested_patch;
use serde_json::{Map, Value};

use super::host::Host;
use super::judges::{self, Judge, Ruling};
use super::outcome::{Outcome, Status};
use super::registry::{self, InsecureRegistry};
use super::report::{self, ColorChoice, Format};
use super::reports;
use crate::files::{files_at, read};
use crate::terminal::{print_error, print_warning};

/// Judge admission requests and manifests
#[derive(Args)]
#[command(after_help = "\
Exit status:
  0  every object is accepted, has nothing to judge, or is one that no policy of the file is asked about
  1  at least one object is rejected
  2  something could not be judged: bad arguments, an unreadable file, invalid settings, a policy that fails")]
pub(crate) struct Arguments {
    /// The policy's WebAssembly module, a path or a file:// URI; or a file (.yaml, .yml, .json) with
    /// Kubewarden's policies and policy groups, whose rules, selectors, mode and settings then count
    #[arg(default_value = "policy.wasm")]
    policy: String,

    /// The module that every policy of a file of policies runs; without it, each `module` in the
    /// file must be a file:// URI or a path that begins with `/`, `./` or `../`
    #[arg(long, value_name = "MODULE")]
    module: Option<String>,

    /// File with Kubernetes objects or admission requests (AdmissionReview, AdmissionRequest), in
    /// YAML or JSON, or folder of such files (.json, .yaml, .yml); `-` is standard input. Can be repeated
    #[arg(short, long, value_name = "PATH", required = true)]
    request_path: Vec<String>,

    /// File containing the settings for this policy, in YAML or JSON
    #[arg(short, long, value_name = "PATH")]
    settings_path: Option<String>,

    /// JSON string containing the settings for this policy
    #[arg(long, value_name = "VALUE", conflicts_with = "settings_path")]
    settings_json: Option<String>,

    /// What is done to the objects that are not inside of a request
    #[arg(long, value_enum, default_value = "CREATE", ignore_case = true)]
    operation: OperationArgument,

    /// The namespace of objects that name none
    #[arg(long, default_value = "default")]
    namespace: String,

    /// File with the stored objects of an UPDATE; what is not among them is judged as a CREATE.
    /// Without it, every violation of an UPDATE is new
    #[arg(long, value_name = "PATH")]
    old_object_path: Option<String>,

    /// Answer the policy's host calls from a session that `kwctl run` has recorded, request by
    /// request; without it and without --registry, every host call is denied
    #[arg(long, value_name = "FILE")]
    replay_host_capabilities_interactions: Option<String>,

    /// Look images up in their registries, with the credentials of `docker login`, and verify
    /// signatures with public keys, certificates and --sigstore-trust-config; every other host call is
    /// denied
    #[arg(long, conflicts_with = "replay_host_capabilities_interactions")]
    registry: bool,

    /// A registry on this machine that is asked over plain HTTP. Can be repeated
    #[arg(long, value_name = "HOST:PORT", requires = "registry", value_parser = registry::on_this_machine)]
    insecure_registry: Vec<InsecureRegistry>,

    /// File with Sigstore's `ClientTrustConfig`, as kwctl and policy-server take it: whose certificates
    /// and logs keyless signatures and those of GitHub Actions are verified with
    #[arg(long, value_name = "FILE", requires = "registry")]
    sigstore_trust_config: Option<String>,

    /// File with scans of images, or folder of such files (.json, .yaml, .yml): what `trivy image
    /// --format json` and `grype -o json` write, and `VulnerabilityReport`s of Trivy Operator and
    /// SBOMscanner. The policy gets them in the shape of its vulnerabilities.source. Can be repeated
    #[arg(
        long,
        value_name = "PATH",
        conflicts_with = "replay_host_capabilities_interactions"
    )]
    reports: Vec<String>,

    /// For people, or for programs
    #[arg(long, value_enum, default_value = "text")]
    output: Format,

    /// When to colour the output; `auto` does on a terminal, unless `NO_COLOR` is set
    #[arg(long, value_enum, default_value = "auto")]
    color: ColorChoice,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
#[value(rename_all = "UPPER")]
enum OperationArgument {
    Create,
    Update,
    Delete,
    Connect,
}

impl From<OperationArgument> for Operation {
    fn from(argument: OperationArgument) -> Self {
        match argument {
            OperationArgument::Create => Self::Create,
            OperationArgument::Update => Self::Update,
            OperationArgument::Delete => Self::Delete,
            OperationArgument::Connect => Self::Connect,
        }
    }
}

/// Judges what the arguments name and reports it on stdout, what could not be
/// judged on stderr.
pub(crate) fn run(arguments: &Arguments) -> Result<Status, String> {
    let outcomes = match prepare(arguments) {
        Ok((judges, host, wrapping)) => {
            let paths = arguments.request_path.iter();
            let outcomes: Vec<_> = paths
                .flat_map(|path| evaluate_path(&judges, &host, path, &wrapping))
                .collect();
            let errors = outcomes.iter();
            for error in errors.filter_map(|outcome| outcome.ruling.as_ref().err()) {
                print_error(error);
            }
            for leftover in host.leftovers() {
                print_warning(&leftover);
            }
            outcomes
        }
        // Nobody can be asked, which programs are to read of each file.
        Err(error) if arguments.output == Format::Json => {
            print_error(&error);
            let paths = arguments.request_path.iter();
            paths
                .map(|path| Outcome::of_file(path, error.clone()))
                .collect()
        }
        Err(error) => return Err(error),
    };
    report::print(&outcomes, arguments.output, arguments.color)
        .map_err(|error| format!("cannot write to standard output: {error}"))?;
    Ok(outcomes
        .iter()
        .map(Outcome::status)
        .max()
        .unwrap_or(Status::Accepted))
}

/// Who is asked, who answers the host calls, and what becomes of an object.
fn prepare(arguments: &Arguments) -> Result<(Vec<Judge>, Arc<Host>, Wrapping), String> {
    let settings = settings(arguments)?;
    let wrapping = wrapping(arguments)?;
    let host = Arc::new(host(arguments)?);
    let judges = judges(arguments, settings, &(Arc::clone(&host) as _))?;
    Ok((judges, host, wrapping))
}

fn judges(
    arguments: &Arguments,
    settings: Option<Value>,
    host_capabilities: &Arc<dyn HostCapabilities>,
) -> Result<Vec<Judge>, String> {
    let policy = arguments.policy.as_str();
    let is_resource_file = Path::new(policy)
        .extension()
        .is_some_and(|extension| ["yaml", "yml", "json"].map(OsStr::new).contains(&extension));
    match (is_resource_file, settings, &arguments.module) {
        (true, Some(_), _) => Err(format!(
            "{policy} holds the settings of its policies; leave out those of the command line"
        )),
        (true, None, module) => judges::resources(
            policy,
            &read(policy)?,
            &arguments.namespace,
            module.as_deref(),
            host_capabilities,
        ),
        (false, _, Some(_)) => Err(format!(
            "--module is for a file of policies (.yaml, .yml, .json), and {policy} is none"
        )),
        (false, settings, None) => {
            let settings = settings.unwrap_or_else(|| Value::Object(Map::new()));
            let mut policy =
                judges::load(policy)?.with_host_capabilities(Arc::clone(host_capabilities));
            if arguments.registry {
                policy = policy.with_limits(REGISTRY_LIMITS);
            }
            judges::check_settings(&policy, &settings)
                .map_err(|problem| format!("{problem}{}", advice_on_wrapper(&settings)))?;
            judges::warn_of_keys("settings.", &settings);
            Ok(vec![Judge::Module(policy, settings)])
        }
    }
}

/// The settings of the command line.
fn settings(arguments: &Arguments) -> Result<Option<Value>, String> {
    let (source, text) = match (&arguments.settings_path, &arguments.settings_json) {
        (Some(path), _) => (path.as_str(), read(path)?),
        (None, Some(text)) => ("--settings-json", text.as_bytes().to_vec()),
        (None, None) => return Ok(None),
    };
    let settings = one_mapping(source, &text)?;
    if is_policy(&settings) {
        return Err(format!(
            "{source} is a policy of Kubewarden: write what stands under its spec.settings, or name the \
             file in the place of POLICY"
        ));
    }
    Ok(Some(settings))
}

/// Whether what stands in the place of settings is a policy that has some.
pub(super) fn is_policy(settings: &Value) -> bool {
    let api_version = settings.get("apiVersion").and_then(Value::as_str);
    let group = api_version.and_then(|api_version| api_version.split_once('/'));
    group.is_some_and(|(group, _)| group == POLICY_GROUP)
}

/// What to do with invalid settings that are a part of something else; else nothing.
pub(super) fn advice_on_wrapper(settings: &Value) -> &'static str {
    match settings.as_object() {
        Some(keys) if keys.len() == 1 && keys.contains_key("settings") => {
            "\nwrite what stands under settings, without that key"
        }
        _ => "",
    }
}

/// The settings in a file: one mapping, or nothing, which is an empty one.
pub(super) fn one_mapping(source: &str, bytes: &[u8]) -> Result<Value, String> {
    let mut documents = documents(source, bytes)?;
    match (documents.pop(), documents.is_empty()) {
        (None, _) => Ok(Value::Object(Map::new())),
        (
            Some(Document {
                value: settings @ Value::Object(_),
                ..
            }),
            true,
        ) => Ok(settings),
        (Some(_), true) => Err(format!("{source}: settings must be a mapping")),
        (Some(_), false) => Err(format!("{source}: settings must be one document")),
    }
}

fn wrapping(arguments: &Arguments) -> Result<Wrapping, String> {
    let old_objects = match &arguments.old_object_path {
        None => None,
        Some(_) if arguments.operation != OperationArgument::Update => {
            return Err("--old-object-path needs --operation UPDATE".to_owned());
        }
        Some(path) => {
            let objects = documents(path, &read(path)?)?
                .into_iter()
                .flat_map(request::unroll);
            let objects = objects.map(|object| object.map(|object| object.value));
            let objects: Result<_, DocumentError> = objects.collect();
            Some(objects.map_err(|error| error.to_string())?)
        }
    };
    Ok(Wrapping {
        operation: arguments.operation.into(),
        namespace: arguments.namespace.clone(),
        old_objects,
    })
}

/// Who answers the host calls.
fn host(arguments: &Arguments) -> Result<Host, String> {
    let host = match &arguments.replay_host_capabilities_interactions {
        Some(path) => Replay::from_yaml(path, &read(path)?).map(Host::Replay),
        None if arguments.registry => {
            let path = arguments.sigstore_trust_config.as_deref();
            let trust_config = path.map(|path| read(path).map(|bytes| (path, bytes)));
            registry::registry(&arguments.insecure_registry, trust_config.transpose()?)
                .map(|registry| Host::Registry(Box::new(registry)))
        }
        None => Ok(Host::nobody()),
    }?;
    if arguments.reports.is_empty() {
        return Ok(host);
    }
    let reports = reports::read(&arguments.reports)?;
    Ok(Host::Reports(Box::new(Reports::new(reports, host))))
}

/// The documents of a file in which every one must be right.
fn documents(source: &str, bytes: &[u8]) -> Result<Vec<Document>, String> {
    document::parse(source, bytes)
        .into_iter()
        .collect::<Result<_, DocumentError>>()
        .map_err(|error| error.to_string())
}

fn evaluate_path(judges: &[Judge], host: &Host, path: &str, wrapping: &Wrapping) -> Vec<Outcome> {
    match files_at(path) {
        Ok(files) => files
            .iter()
            .flat_map(|file| evaluate_file(judges, host, file, wrapping))
            .collect(),
        Err(error) => vec![Outcome::of_file(path, error)],
    }
}

fn evaluate_file(judges: &[Judge], host: &Host, path: &str, wrapping: &Wrapping) -> Vec<Outcome> {
    let bytes = match read(path) {
        Ok(bytes) => bytes,
        Err(error) => return vec![Outcome::of_file(path, error)],
    };
    let outcomes: Vec<_> = document::parse(path, &bytes)
        .into_iter()
        .flat_map(|result| match result {
            Ok(document) => request::requests(document, wrapping),
            Err(error) => vec![Err(error)],
        })
        .flat_map(|input| evaluate(judges, host, input))
        .collect();
    // A check that found nothing to check must not look like one that passed.
    if outcomes.is_empty() {
        vec![Outcome::of_file(
            path,
            format!("{path}: no object to judge"),
        )]
    } else {
        outcomes
    }
}

/// What each judge says of one request.
fn evaluate(
    judges: &[Judge],
    host: &Host,
    input: Result<request::Input, DocumentError>,
) -> Vec<Outcome> {
    let input = match input {
        Ok(input) => input,
        Err(error) => {
            let message = error.to_string();
            return vec![Outcome {
                source: error.position.source,
                document: Some(error.position.document),
                item: error.position.item,
                request: None,
                has_nothing_to_judge: false,
                policy: None,
                ruling: Err(message),
                suggested_patch: None,
            }];
        }
    };
    let request::Input {
        position,
        request,
        has_no_pods,
        note,
        ..
    } = &input;
    let has_no_pods = *has_no_pods;
    let judges = judges
        .iter()
        .filter(|judge| !has_no_pods || !judge.judges_only_pods());
    let mut judges = judges.peekable();
    if has_no_pods && judges.peek().is_none() {
        let note = format!("nothing to judge: a {} has no Pods", request.kind.kind);
        return vec![Outcome {
            source: position.source.clone(),
            document: Some(position.document),
            item: position.item,
            request: Some(request.clone()),
            has_nothing_to_judge: true,
            policy: None,
            ruling: Ok(Ruling {
                judgement: None,
                notes: vec![note],
            }),
            suggested_patch: None,
        }];
    }
    let evaluate = |judge: &Judge| {
        let policy = judge.name();
        let ruling = judge.judge(request);
        // Also when there is no verdict: what is said here is about this request.
        let advice = host.take_advice();
        let ruling = ruling
            .map(|ruling| {
                let place = place_of_fault(&input, &ruling);
                ruling.with_notes(note.iter().cloned().chain(place).chain(advice).collect())
            })
            .map_err(|error| {
                let object = report::object(request);
                match &policy {
                    None => format!("{position}: {object}: {error}"),
                    Some(policy) => format!("{position}: {object}: {policy}: {error}"),
                }
            });
        let judgement = ruling.as_ref().ok();
        let judgement = judgement.and_then(|ruling| ruling.judgement.as_ref());
        let decision = judgement.map(|judgement| judgement.decision().violations());
        let violations = match decision.unwrap_or_else(|| Ok(Vec::new())) {
            Ok(violations) => violations,
            // The verdict stands; only what would be suggested is lost.
            Err(error) => {
                print_error(&format!("{position}: {error}"));
                Vec::new()
            }
        };
        let object = request.object.as_ref();
        Outcome {
            suggested_patch: object.and_then(|object| suggested_patch(object, &violations)),
            source: position.source.clone(),
            document: Some(position.document),
            item: position.item,
            request: Some(request.clone()),
            has_nothing_to_judge: false,
            policy,
            ruling,
        }
    };
    judges.map(evaluate).collect()
}

/// Where the field stands that the policy could not decode.
fn place_of_fault(input: &request::Input, ruling: &Ruling) -> Option<String> {
    let decision = ruling.judgement.as_ref()?.decision();
    let place = input.place_in_object(decision.undecodable()?)?;
    Some(format!("see {}, {place}", input.position.source))
}

/// One object may have many images in slow registries, and each lookup has its own deadline. A
/// policy of a cluster keeps the time that it has there.
const REGISTRY_LIMITS: Limits = Limits {
    timeout: Duration::from_mins(1),
};
