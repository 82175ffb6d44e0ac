//! The modules that are measured, built from this workspace.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// A guest, by the name that the tables use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Guest {
    Policy,
    SkipOnly,
    SdkStyle,
}

impl Guest {
    pub(crate) const ALL: [Self; 3] = [Self::SkipOnly, Self::Policy, Self::SdkStyle];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::SkipOnly => "skip-only",
            Self::SdkStyle => "sdk-style",
        }
    }

    const fn package(self) -> &'static str {
        match self {
            Self::Policy => "container-security",
            Self::SkipOnly => "bench-skip-only",
            Self::SdkStyle => "bench-sdk-style",
        }
    }

    /// Builds the module and reads it.
    ///
    /// Each guest is built by a cargo call of its own: in one call, cargo would give all of them
    /// the union of the features that they ask of a dependency, and the policy would be measured
    /// with code that the published module does not have.
    pub(crate) fn build(self) -> Result<Vec<u8>> {
        let output = Command::new(tool("CARGO", "cargo"))
            .current_dir(workspace())
            .args(["build", "--release", "--target", TARGET])
            .args(["--package", self.package()])
            .arg("--message-format=json-render-diagnostics")
            .stderr(Stdio::inherit())
            .output()
            .context("cargo does not start")?;
        ensure!(output.status.success(), "{} does not build", self.package());
        let path = artifact(&output.stdout, self.package())
            .with_context(|| format!("cargo names no module for {}", self.package()))?;
        fs::read(&path).with_context(|| format!("{} is not readable", path.display()))
    }
}

/// Fails with what to do about it when Rust cannot compile for the guests' target.
pub(crate) fn require_target() -> Result<()> {
    let output = Command::new(tool("RUSTC", "rustc"))
        .args(["--print", "target-libdir", "--target", TARGET])
        .output()
        .context("rustc does not start")?;
    let directory = String::from_utf8(output.stdout)?;
    if !output.status.success() || !Path::new(directory.trim()).is_dir() {
        bail!("rustup target add {TARGET}");
    }
    Ok(())
}

/// The version of the compiler that builds the guests, such as `rustc 1.95.0`.
pub(crate) fn compiler() -> Result<String> {
    let output = Command::new(tool("RUSTC", "rustc"))
        .arg("--version")
        .output()
        .context("rustc does not start")?;
    let version = String::from_utf8(output.stdout)?;
    Ok(version
        .split_whitespace()
        .take(2)
        .collect::<Vec<_>>()
        .join(" "))
}

/// The workspace's folder.
pub(crate) fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The tool that cargo itself uses, so that the guests are built with the toolchain of the bench.
fn tool(variable: &str, name: &str) -> OsString {
    env::var_os(variable).unwrap_or_else(|| name.into())
}

/// The path of the module among cargo's messages, wherever the target directory is.
fn artifact(messages: &[u8], package: &str) -> Option<PathBuf> {
    let stem = package.replace('-', "_");
    messages
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice::<Value>(line).ok())
        .filter(|message| {
            message
                .get("reason")
                .is_some_and(|reason| reason == "compiler-artifact")
        })
        .filter_map(|message| message.get("filenames")?.as_array().cloned())
        .flatten()
        .filter_map(|file| file.as_str().map(PathBuf::from))
        .find(|path| {
            path.extension()
                .is_some_and(|extension| extension == "wasm")
                && path.file_stem().is_some_and(|name| name == stem.as_str())
        })
}

const TARGET: &str = "wasm32-wasip1";
