//! `pin`: the digest that each tag of a file means now, written behind the tag.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};

use clap::{ArgAction, Args};
use container_security_host::HostCapabilities as _;
use container_security_text::pin::Manifest;
use serde_json::{Value, json};

use super::registry::{self, InsecureRegistry, Registry};
use crate::files::read;

/// Write the digest that each image tag means now behind the tag
#[derive(Args)]
#[command(after_help = "\
Comments, order and quotes stay as they are. An image with a digest is not looked up.

Exit status:
  0  every image has a digest, or there is none
  2  nothing is written: what cannot be looked up or read is on standard error")]
pub(crate) struct Arguments {
    /// File with Kubernetes objects, in YAML or JSON, which is written; `-` is standard input, and then
    /// the result is standard output
    file: String,

    /// Look the images up in their registries, with the credentials of `docker login`: nobody else knows
    /// what a tag means
    #[arg(long, required = true, action = ArgAction::SetTrue)]
    registry: bool,

    /// A registry on this machine that is asked over plain HTTP. Can be repeated
    #[arg(long, value_name = "HOST:PORT", value_parser = registry::on_this_machine)]
    insecure_registry: Vec<InsecureRegistry>,
}

/// Looks the images up and writes the file, or standard output.
pub(crate) fn run(arguments: &Arguments) -> Result<(), String> {
    let file = arguments.file.as_str();
    let manifest = Manifest::read(file, &read(file)?)?;
    let registry = registry::registry(&arguments.insecure_registry, None)?;
    let mut digests = BTreeMap::new();
    let mut problems = Vec::new();
    for image in manifest.tagged() {
        if digests.contains_key(&image.name) {
            continue;
        }
        match digest(&registry, &image.name) {
            Ok(digest) => drop(digests.insert(image.name.clone(), digest)),
            Err(problem) => {
                problems.push(format!("{file}: line {}: {problem}", image.line));
            }
        }
    }
    if !problems.is_empty() {
        return Err(problems.join("\n"));
    }
    let pinned = manifest.with_digests(&digests)?;
    let count = manifest.tagged().count();
    let summary = match (count, manifest.pinned) {
        (0, 0) => format!("{file}: 0 pinned, there is no image in it\n"),
        (count, 0) => format!("{file}: {count} pinned\n"),
        (count, before) => format!("{file}: {count} pinned, {before} had a digest\n"),
    };
    let written = if file == "-" {
        io::stdout()
            .lock()
            .write_all(pinned.as_bytes())
            .and_then(|()| io::stderr().lock().write_all(summary.as_bytes()))
    } else {
        if count > 0 {
            fs::write(file, pinned).map_err(|error| format!("{file}: {error}"))?;
        }
        io::stdout().lock().write_all(summary.as_bytes())
    };
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(format!("cannot write to standard output: {error}"))
        }
        _ => Ok(()),
    }
}

/// What a name means now; if nobody says, why, and what can be done about it.
fn digest(registry: &Registry, name: &str) -> Result<String, String> {
    let question = json!(name).to_string();
    let answer = registry.call(
        "kubewarden",
        "oci",
        "v1/manifest_digest",
        question.as_bytes(),
    );
    let advice = registry.take_advice();
    let answer = answer.and_then(|answer| {
        let answer: Value = serde_json::from_slice(&answer).map_err(|error| error.to_string())?;
        let digest = answer.get("digest").and_then(Value::as_str);
        digest
            .map(ToOwned::to_owned)
            .ok_or_else(|| "the answer has no digest".to_owned())
    });
    answer.map_err(|problem| {
        let problem = problem.lines().next().unwrap_or_default();
        let problem = problem
            .strip_prefix("Callback evaluation failure: ")
            .unwrap_or(problem);
        let advice = advice.iter().map(|advice| format!("\n  {advice}"));
        format!("{name}: {problem}{}", advice.collect::<String>())
    })
}
