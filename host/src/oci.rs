//! Access to OCI registries: the client, the credentials of `docker login`, and the one place that
//! waits.
//!
//! ```no_run
//! use container_security_host::oci::{Access, Error, Options, Reference};
//!
//! let access = Access::new(Options::default())?;
//! let image: Reference = "ghcr.io/org/app:1".parse()?;
//! let (manifest, digest) = access.run(&image, async |client, auth| {
//!     Ok::<_, Error>(client.pull_manifest(&image, auth).await?)
//! })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::env;
use std::error::Error as _;
use std::fs::File;
use std::io::{self, BufReader};
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use docker_credential::{CredentialRetrievalError, DockerCredential};
use oci_client::Client;
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::errors::OciDistributionError;
use oci_client::secrets::RegistryAuth;
use tokio::runtime::{self, Runtime};

pub use oci_client::Reference;

/// How registries are asked.
#[derive(Debug, Clone)]
pub struct Options {
    /// The registries that are asked over plain HTTP; all others have to speak HTTPS with a
    /// certificate that this machine trusts.
    pub insecure: Vec<InsecureRegistry>,
    /// Who asks.
    pub docker_config: DockerConfig,
    /// How long one [`Access::run`] may take.
    pub deadline: Duration,
}

impl Default for Options {
    /// HTTPS only, the user's `docker login`, 10 seconds.
    fn default() -> Self {
        Self {
            insecure: Vec::new(),
            docker_config: DockerConfig::of_user(),
            deadline: Duration::from_secs(10),
        }
    }
}

/// The way to all registries, through the proxies of `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and
/// `NO_PROXY`. Threads may share it; asynchronous code may not use it, because it blocks.
///
/// A registry may send the client on, as many do to their storage. What a digest names is checked
/// against it wherever it comes from.
pub struct Access {
    client: Client,
    runtime: Runtime,
    docker_config: DockerConfig,
    deadline: Duration,
}

impl Access {
    /// Prepares the client; nothing is asked yet.
    ///
    /// # Errors
    ///
    /// [`Error::Start`].
    pub fn new(options: Options) -> Result<Self, Error> {
        // What is for this machine must not leave it through a proxy.
        let local = options.insecure.iter().filter(|host| host.is_loopback());
        let no_proxy = local.map(|registry| registry.host().to_owned());
        let no_proxy: Vec<_> = variable("NO_PROXY").into_iter().chain(no_proxy).collect();
        let insecure = options.insecure.into_iter().map(|registry| registry.0);
        let client = Client::try_from(ClientConfig {
            protocol: ClientProtocol::HttpsExcept(insecure.collect()),
            user_agent: concat!("container-security/", env!("CARGO_PKG_VERSION")),
            https_proxy: variable("HTTPS_PROXY").or_else(|| variable("ALL_PROXY")),
            http_proxy: variable("HTTP_PROXY").or_else(|| variable("ALL_PROXY")),
            no_proxy: Some(no_proxy.join(",")),
            ..ClientConfig::default()
        })
        .map_err(|error| Error::Start(describe(&error)))?;
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Error::Start(error.to_string()))?;
        Ok(Self {
            client,
            runtime,
            docker_config: options.docker_config,
            deadline: options.deadline,
        })
    }

    /// Runs `work` to its end, with the client and the credentials for the registry of `image`.
    ///
    /// # Errors
    ///
    /// What `work` returns; [`Error::DockerConfig`] when there are credentials that cannot be
    /// used; [`Error::TimedOut`].
    pub fn run<T, E: From<Error>>(
        &self,
        image: &Reference,
        work: impl AsyncFnOnce(&Client, &RegistryAuth) -> Result<T, E>,
    ) -> Result<T, E> {
        let auth = self.docker_config.credentials(image.resolve_registry())?;
        self.runtime.block_on(async {
            tokio::time::timeout(self.deadline, work(&self.client, &auth))
                .await
                .unwrap_or_else(|_| {
                    Err(E::from(Error::TimedOut {
                        registry: image.resolve_registry().to_owned(),
                        deadline: self.deadline,
                    }))
                })
        })
    }
}

/// A registry without TLS, as references name it: `HOST:PORT`, or `HOST` where that has a dot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InsecureRegistry(String);

impl InsecureRegistry {
    /// Whether what is sent to it stays on this machine: `localhost` or a loopback address.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let host = self.host();
        host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
    }

    fn host(&self) -> &str {
        self.0.split_once(':').map_or(&self.0, |(host, _)| host)
    }
}

impl FromStr for InsecureRegistry {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        // What the client compares with is the registry of a reference.
        match format!("{text}/image").parse::<Reference>() {
            Ok(image) if image.registry() == text => Ok(Self(text.to_owned())),
            _ => Err(Error::NotARegistry(text.to_owned())),
        }
    }
}

/// The file in which `docker login` keeps credentials, or the name of the program that does.
#[derive(Debug, Clone)]
pub struct DockerConfig {
    /// `None` where the user has no home.
    path: Option<PathBuf>,
}

impl DockerConfig {
    /// `config.json` in `$DOCKER_CONFIG`, or else in `~/.docker`.
    #[must_use]
    pub fn of_user() -> Self {
        let folder = env::var_os("DOCKER_CONFIG").map(PathBuf::from);
        let folder =
            folder.or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".docker")));
        Self {
            path: folder.map(|folder| folder.join("config.json")),
        }
    }

    /// `config.json` in a folder of your choice.
    #[must_use]
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self {
            path: Some(folder.into().join("config.json")),
        }
    }

    /// What `docker login` has stored for a registry; anonymous where that is nothing, or where
    /// there is no file.
    ///
    /// # Errors
    ///
    /// [`Error::DockerConfig`] when there is a file that cannot be read, or a credential that
    /// cannot be used.
    pub fn credentials(&self, registry: &str) -> Result<RegistryAuth, Error> {
        let Some(path) = &self.path else {
            return Ok(RegistryAuth::Anonymous);
        };
        let error = |problem: String| Error::DockerConfig {
            path: path.clone(),
            problem,
        };
        let file = match File::open(path) {
            Ok(file) => file,
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => {
                return Ok(RegistryAuth::Anonymous);
            }
            Err(problem) => return Err(error(problem.to_string())),
        };
        // The name that Docker gives to its own registry.
        let server = match registry {
            "index.docker.io" => "https://index.docker.io/v1/",
            registry => registry,
        };
        match docker_credential::get_credential_from_reader(BufReader::new(file), server) {
            Ok(DockerCredential::UsernamePassword(user, password)) => {
                Ok(RegistryAuth::Basic(user, password))
            }
            // What `az acr login` stores. Azure takes it as the password of nobody in particular.
            Ok(DockerCredential::IdentityToken(token)) if is_azure(registry) => {
                Ok(RegistryAuth::Basic(AZURE_TOKEN_USER.to_owned(), token))
            }
            Ok(DockerCredential::IdentityToken(_)) => Err(error(format!(
                "{registry} has an identity token, which is not supported; log in with a user \
                 name and a password"
            ))),
            Err(CredentialRetrievalError::NoCredentialConfigured) => Ok(RegistryAuth::Anonymous),
            Err(CredentialRetrievalError::HelperFailure { stdout, .. })
                if stdout.contains(NOT_IN_STORE) =>
            {
                Ok(RegistryAuth::Anonymous)
            }
            Err(CredentialRetrievalError::ConfigReadError) => {
                Err(error("not a Docker configuration".to_owned()))
            }
            Err(problem) => Err(error(format!("{registry}: {problem}"))),
        }
    }
}

/// A failure to get something from a registry, or to bring it there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The client could not be made, for example without any trusted certificate.
    #[error("cannot start the registry client: {0}")]
    Start(String),
    /// The credentials of `docker login` could not be read.
    #[error("{}: {problem}", path.display())]
    DockerConfig {
        /// The file that should hold them.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The text names no registry.
    #[error("{0:?} is not a registry: write HOST:PORT, without a scheme and a path")]
    NotARegistry(String),
    /// The work was not done in time.
    #[error("{registry} did not answer within {deadline:?}")]
    TimedOut {
        /// The host, and the port if the reference has one.
        registry: String,
        /// How long it was waited for.
        deadline: Duration,
    },
    /// The registry cannot be reached, refuses, or sends what is not asked for. The text has one
    /// line for most causes, and what the registry says may have several.
    #[error("{}", describe(.0))]
    Registry(OciDistributionError),
}

impl From<OciDistributionError> for Error {
    fn from(error: OciDistributionError) -> Self {
        Self::Registry(error)
    }
}

/// A setting of the environment for all HTTP clients, which write its name in both ways.
fn variable(name: &str) -> Option<String> {
    let mut names = [name.to_owned(), name.to_lowercase()].into_iter();
    names.find_map(|name| env::var(name).ok().filter(|value| !value.is_empty()))
}

/// The client's own text. Of a request that failed, that is only the address, so the causes follow.
fn describe(error: &OciDistributionError) -> String {
    let mut text = error.to_string();
    if matches!(error, OciDistributionError::RequestError(_)) {
        let mut cause = error.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
    }
    if text.ends_with(NO_TLS) {
        text.push_str(", which is what a registry without TLS sends");
    }
    text
}

/// How the TLS library says that the answer to its greeting is no TLS.
const NO_TLS: &str = "received corrupt message of type InvalidContentType";

/// Whether this is an Azure Container Registry, of whichever cloud.
fn is_azure(registry: &str) -> bool {
    let clouds = [".azurecr.io", ".azurecr.cn", ".azurecr.us"];
    clouds.iter().any(|cloud| registry.ends_with(cloud))
}

/// The user whose password is a token: "az acr login with --expose-token" in Azure's documentation.
const AZURE_TOKEN_USER: &str = "00000000-0000-0000-0000-000000000000";

/// What a credential helper answers when it has nothing for a registry:
/// `errCredentialsNotFoundMessage` of docker-credential-helpers.
const NOT_IN_STORE: &str = "credentials not found in native keychain";

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use tempfile::TempDir;

    fn credentials(config: &str, registry: &str) -> Result<RegistryAuth, String> {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("config.json"), config).unwrap();
        DockerConfig::in_folder(folder.path())
            .credentials(registry)
            .map_err(|error| {
                let folder = format!("{}/", folder.path().display());
                error.to_string().replace(&folder, "")
            })
    }

    fn basic(user: &str, password: &str) -> RegistryAuth {
        RegistryAuth::Basic(user.to_owned(), password.to_owned())
    }

    #[test]
    fn the_credentials_are_those_of_the_registry() {
        // alice:secret and bob:word
        let config = r#"{"auths": {
            "registry.example:5000": {"auth": "YWxpY2U6c2VjcmV0"},
            "https://index.docker.io/v1/": {"auth": "Ym9iOndvcmQ="}}}"#;
        assert_eq!(
            credentials(config, "registry.example:5000"),
            Ok(basic("alice", "secret"))
        );
        assert_eq!(
            credentials(config, "index.docker.io"),
            Ok(basic("bob", "word"))
        );
        assert_eq!(
            credentials(config, "registry.example"),
            Ok(RegistryAuth::Anonymous)
        );
    }

    #[test]
    fn without_a_file_everybody_is_anonymous() {
        let folder = TempDir::new().unwrap();
        assert_eq!(
            DockerConfig::in_folder(folder.path())
                .credentials("registry.example")
                .unwrap(),
            RegistryAuth::Anonymous
        );
    }

    #[test]
    fn the_identity_token_of_an_azure_registry_is_a_password() {
        let config = r#"{"auths": {"myacr.azurecr.io": {"identitytoken": "t"}}}"#;
        assert_eq!(
            credentials(config, "myacr.azurecr.io"),
            Ok(RegistryAuth::Basic(
                "00000000-0000-0000-0000-000000000000".to_owned(),
                "t".to_owned()
            ))
        );
    }

    #[test]
    fn a_broken_configuration_is_an_error_and_not_anonymous() {
        assert_eq!(
            credentials("{", "registry.example"),
            Err("config.json: not a Docker configuration".to_owned())
        );
        assert_eq!(
            credentials(
                r#"{"auths": {"registry.example": {"auth": "!"}}}"#,
                "registry.example"
            ),
            Err("config.json: registry.example: Unable to decode credential".to_owned())
        );
        assert_eq!(
            credentials(
                r#"{"auths": {"registry.example": {"identitytoken": "t"}}}"#,
                "registry.example"
            ),
            Err("config.json: registry.example has an identity token, which is not supported; log in with a user name and a password".to_owned())
        );
        assert_eq!(
            credentials(
                r#"{"credsStore": "that-is-not-installed"}"#,
                "registry.example"
            ),
            Err(
                "config.json: registry.example: Unable to communicate with credential helper"
                    .to_owned()
            )
        );
    }

    #[test]
    fn an_insecure_registry_is_written_as_in_a_reference() {
        for text in ["127.0.0.1:5000", "localhost", "localhost:5000", "r.example"] {
            assert_eq!(text.parse::<InsecureRegistry>().unwrap().0, text);
        }
        for text in ["", "r", "http://r.example", "r.example/app", "r.example:x"] {
            assert_eq!(
                text.parse::<InsecureRegistry>().unwrap_err().to_string(),
                format!("{text:?} is not a registry: write HOST:PORT, without a scheme and a path")
            );
        }
    }

    #[test]
    fn loopback_is_an_address_and_not_the_beginning_of_a_name() {
        for (text, expected) in [
            ("localhost:5000", true),
            ("127.0.0.1:5000", true),
            ("127.8.9.1", true),
            ("127.0.0.1.example:5000", false),
            ("localhost.example:5000", false),
            ("10.0.0.1:5000", false),
        ] {
            let registry: InsecureRegistry = text.parse().unwrap();
            assert_eq!(registry.is_loopback(), expected, "{text}");
        }
    }
}
