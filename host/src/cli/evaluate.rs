//! `evaluate`: reads manifests, asks the policy about each object, reports.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum};
use container_security_host::document::{self, Document, DocumentError};
use container_security_host::request::{self, AdmissionRequest, Operation, Wrapping};
use container_security_host::suggested_patch::suggested_patch;
use container_security_host::{Policy, Replay, Verdict};
use json_patch::Patch;
use serde_json::{Map, Value};

use super::report::{self, ColorChoice, Format};
use super::{Status, print_error, print_warning};

/// Judge admission requests and manifests
#[derive(Args)]
#[command(after_help = "\
Exit status:
  0  every object is accepted
  1  at least one object is rejected
  2  something could not be judged: bad arguments, an unreadable file, invalid settings, a policy that fails")]
pub(super) struct Arguments {
    /// The policy's WebAssembly module, a path or a file:// URI
    #[arg(default_value = "policy.wasm")]
    policy: String,

    /// File with Kubernetes objects or admission requests (AdmissionReview, AdmissionRequest), in
    /// YAML or JSON; `-` is standard input. Can be repeated
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

    /// File with the stored objects of an UPDATE; without it, every violation of an UPDATE is new
    #[arg(long, value_name = "PATH")]
    old_object_path: Option<String>,

    /// Answer the policy's host calls from a session that `kwctl run` has recorded, request by
    /// request; without it, every host call is denied
    #[arg(long, value_name = "FILE")]
    replay_host_capabilities_interactions: Option<String>,

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

/// What became of one object, or of a file or document that holds none.
pub(super) struct Outcome {
    /// The file as it was named on the command line.
    pub(super) source: String,
    /// `None` when the file as a whole is at fault.
    pub(super) document: Option<usize>,
    pub(super) item: Option<usize>,
    /// `None` when there is no request to judge.
    pub(super) request: Option<AdmissionRequest>,
    /// The error says in full why there is no verdict.
    pub(super) verdict: Result<Verdict, String>,
    pub(super) suggested_patch: Option<Patch>,
}

impl Outcome {
    pub(super) fn status(&self) -> Status {
        match &self.verdict {
            Ok(verdict) if verdict.accepted => Status::Accepted,
            Ok(_) => Status::Rejected,
            Err(_) => Status::NotJudged,
        }
    }
}

/// Judges what the arguments name and reports it on stdout, what could not be
/// judged on stderr.
pub(super) fn run(arguments: &Arguments) -> Result<Status, String> {
    let settings = settings(arguments)?;
    let wrapping = wrapping(arguments)?;
    let policy = load(&arguments.policy)?;
    let replay = replay(arguments)?;
    let policy = match &replay {
        Some(replay) => policy.with_host_capabilities(Arc::<Replay>::clone(replay)),
        None => policy,
    };
    let settings_verdict = policy
        .validate_settings(&settings)
        .map_err(|error| error.to_string())?;
    if !settings_verdict.valid {
        let message = settings_verdict
            .message
            .unwrap_or_else(|| "no message".to_owned());
        return Err(format!("Policy settings are invalid: {message}"));
    }

    let outcomes: Vec<_> = arguments
        .request_path
        .iter()
        .flat_map(|path| evaluate_file(&policy, path, &settings, &wrapping))
        .collect();
    for error in outcomes
        .iter()
        .filter_map(|outcome| outcome.verdict.as_ref().err())
    {
        print_error(error);
    }
    for leftover in replay.iter().flat_map(|replay| replay.leftovers()) {
        print_warning(&format!("not replayed: {leftover}"));
    }
    report::print(&outcomes, arguments.output, arguments.color)
        .map_err(|error| format!("cannot write to standard output: {error}"))?;
    Ok(outcomes
        .iter()
        .map(Outcome::status)
        .max()
        .unwrap_or(Status::Accepted))
}

fn settings(arguments: &Arguments) -> Result<Value, String> {
    let (source, text) = match (&arguments.settings_path, &arguments.settings_json) {
        (Some(path), _) => (path.as_str(), read(path)?),
        (None, Some(text)) => ("--settings-json", text.as_bytes().to_vec()),
        (None, None) => return Ok(Value::Object(Map::new())),
    };
    let mut documents = documents(source, &text)?;
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
            let unroll = |document: Document| request::unroll(document.position, document.value);
            let objects = documents(path, &read(path)?)?.into_iter().flat_map(unroll);
            Some(objects.map(|(_, object)| object).collect())
        }
    };
    Ok(Wrapping {
        operation: arguments.operation.into(),
        namespace: arguments.namespace.clone(),
        old_objects,
    })
}

fn replay(arguments: &Arguments) -> Result<Option<Arc<Replay>>, String> {
    let read = |path: &String| Replay::from_yaml(path, &read(path)?).map(Arc::new);
    let path = arguments.replay_host_capabilities_interactions.as_ref();
    path.map(read).transpose()
}

/// The documents of a file in which every one must be right.
fn documents(source: &str, bytes: &[u8]) -> Result<Vec<Document>, String> {
    document::parse(source, bytes)
        .into_iter()
        .collect::<Result<_, DocumentError>>()
        .map_err(|error| error.to_string())
}

fn load(policy: &str) -> Result<Policy, String> {
    let path = match policy.split_once("://") {
        Some(("file", path)) => Path::new(path),
        Some(_) => return Err(format!("{policy}: a policy is a path or a file:// URI")),
        None => Path::new(policy),
    };
    let bytes = std::fs::read(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => format!("{policy}: {error}; build it with: make policy.wasm"),
        _ => format!("{policy}: {error}"),
    })?;
    Policy::load(&bytes).map_err(|error| format!("{policy}: {error}"))
}

fn read(path: &str) -> Result<Vec<u8>, String> {
    let read = if path == "-" {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        std::fs::read(PathBuf::from(path))
    };
    read.map_err(|error| format!("{path}: {error}"))
}

fn evaluate_file(
    policy: &Policy,
    path: &str,
    settings: &Value,
    wrapping: &Wrapping,
) -> Vec<Outcome> {
    let of_file = |error| Outcome {
        source: path.to_owned(),
        document: None,
        item: None,
        request: None,
        verdict: Err(error),
        suggested_patch: None,
    };
    let bytes = match read(path) {
        Ok(bytes) => bytes,
        Err(error) => return vec![of_file(error)],
    };
    let outcomes: Vec<_> = document::parse(path, &bytes)
        .into_iter()
        .flat_map(|result| match result {
            Ok(document) => request::requests(document, wrapping),
            Err(error) => vec![Err(error)],
        })
        .map(|input| evaluate(policy, input, settings))
        .collect();
    // A check that found nothing to check must not look like one that passed.
    if outcomes.is_empty() {
        vec![of_file(format!("{path}: no object to judge"))]
    } else {
        outcomes
    }
}

fn evaluate(
    policy: &Policy,
    input: Result<request::Input, DocumentError>,
    settings: &Value,
) -> Outcome {
    let (position, request, verdict) = match input {
        Err(error) => {
            let message = error.to_string();
            (error.position, None, Err(message))
        }
        Ok(request::Input { position, request }) => {
            let verdict = request
                .to_value()
                .and_then(|value| policy.validate(&value, settings))
                .map_err(|error| format!("{position}: {}: {error}", report::object(&request)));
            (position, Some(request), verdict)
        }
    };
    let object = request.as_ref().and_then(|request| request.object.as_ref());
    let violations = match verdict.as_ref().map(Verdict::violations) {
        Ok(Ok(violations)) => violations,
        // The verdict stands; only what would be suggested is lost.
        Ok(Err(error)) => {
            print_error(&format!("{position}: {error}"));
            Vec::new()
        }
        Err(_) => Vec::new(),
    };
    Outcome {
        suggested_patch: object.and_then(|object| suggested_patch(object, &violations)),
        source: position.source,
        document: Some(position.document),
        item: position.item,
        request,
        verdict,
    }
}
