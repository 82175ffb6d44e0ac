//! Debian's `docker-registry`, on a free port of the loopback address.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic, also in its helpers"
)]

use std::fs::{self, File};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

/// A registry with nothing in it; it ends when this is dropped.
pub struct DockerRegistry {
    process: Child,
    address: String,
    folder: TempDir,
}

impl DockerRegistry {
    /// Starts a registry that everybody may use.
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// Starts a registry that only [`AUTH`] may use.
    pub fn start_with_password() -> Self {
        Self::start_with("auth: {htpasswd: {realm: test, path: htpasswd}}\n")
    }

    /// As references name it: `127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Puts other bytes in the place of those with this digest.
    pub fn overwrite_blob(&self, digest: &str, bytes: &[u8]) {
        let hex = digest.strip_prefix("sha256:").unwrap();
        let blobs = "data/docker/registry/v2/blobs/sha256";
        let blob = self
            .folder
            .path()
            .join(blobs)
            .join(hex.get(..2).unwrap())
            .join(hex);
        assert!(blob.is_dir(), "{}", blob.display());
        fs::write(blob.join("data"), bytes).unwrap();
    }

    fn start_with(auth: &str) -> Self {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("htpasswd"), HTPASSWD).unwrap();
        fs::write(
            folder.path().join("config.yml"),
            format!(
                "version: 0.1\n\
                 log: {{level: info, accesslog: {{disabled: true}}}}\n\
                 storage: {{filesystem: {{rootdirectory: data}}}}\n\
                 http: {{addr: '127.0.0.1:0'}}\n{auth}"
            ),
        )
        .unwrap();
        let log = folder.path().join("log");
        let process = Command::new("docker-registry")
            .args(["serve", "config.yml"])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("docker-registry: {error}; install it with: apt-get install docker-registry")
            });
        // From here on, a panic ends the process.
        let mut registry = Self {
            process,
            address: String::new(),
            folder,
        };
        // It listens before it says so.
        for _ in 0..PATIENCE {
            let log = fs::read_to_string(&log).unwrap();
            if let Some((_, rest)) = log.split_once("listening on ")
                && let Some((address, _)) = rest.split_once('"')
            {
                address.clone_into(&mut registry.address);
                return registry;
            }
            if let Some(status) = registry.process.try_wait().unwrap() {
                panic!("docker-registry has ended, {status}:\n{log}");
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!(
            "docker-registry does not listen:\n{}",
            fs::read_to_string(&log).unwrap()
        );
    }
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Who may use [`DockerRegistry::start_with_password`], as `docker login` writes it:
/// `alice:open sesame`.
pub const AUTH: &str = "YWxpY2U6b3BlbiBzZXNhbWU=";
/// The same for the registry, which takes no other hash than bcrypt's.
const HTPASSWD: &str = "alice:$2b$05$abcdefghijklmnopqrstuupx2xBUC4954936wVIjyyPHmUBFu0wCW\n";

/// Steps of 10 ms: a busy machine may take its time.
const PATIENCE: usize = 3000;
