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

use std::collections::BTreeMap;
use std::env;
use std::error::Error as _;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use docker_credential::{CredentialRetrievalError, DockerCredential};
use oci_client::Client;
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::errors::{OciDistributionError, OciErrorCode};
use oci_client::secrets::RegistryAuth;
use serde::Deserialize;
use serde_json::Value;
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

    /// What to look at on this machine after an error of [`Access::run`]; `None` when the registry
    /// has given a full answer.
    #[must_use]
    pub fn advice(&self, image: &Reference, error: &Error) -> Option<String> {
        let registry = image.resolve_registry();
        // Some registries deny that there is what they do not show to everybody.
        if let Some(advice) = self.docker_config.key_in_vain(registry) {
            return Some(advice);
        }
        match error {
            error if error.is_missing() => None,
            Error::DockerConfig { path, .. } => Some(format!("mend {}", path.display())),
            error if error.is_refusal() => Some(self.docker_config.login(registry)),
            error if error.lacks_tls() => {
                let is_on_this_machine = registry
                    .parse()
                    .is_ok_and(|registry: InsecureRegistry| registry.is_loopback());
                Some(if is_on_this_machine {
                    format!("it has no TLS; name it: --insecure-registry {registry}")
                } else {
                    "it has no TLS, which only a registry on this machine may lack".to_owned()
                })
            }
            _ => Some(format!(
                "check the way from here to {registry}, its proxies (HTTPS_PROXY, NO_PROXY) too"
            )),
        }
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
        let file = match fs::read(path) {
            Ok(file) => file,
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => {
                return Ok(RegistryAuth::Anonymous);
            }
            Err(problem) => return Err(error(problem.to_string())),
        };
        for server in servers(registry) {
            return match docker_credential::get_credential_from_reader(file.as_slice(), server) {
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
                Err(CredentialRetrievalError::NoCredentialConfigured) => continue,
                Err(CredentialRetrievalError::HelperFailure { stdout, .. })
                    if stdout.contains(NOT_IN_STORE) =>
                {
                    continue;
                }
                Err(CredentialRetrievalError::ConfigReadError) => {
                    Err(error("not a Docker configuration".to_owned()))
                }
                Err(problem) => {
                    let helper = Layout::of(&file).helper(server);
                    Err(error(format!(
                        "{registry}: {}",
                        describe_credential(&problem, &helper)
                    )))
                }
            };
        }
        Ok(RegistryAuth::Anonymous)
    }

    /// What to do about a key that is meant for a registry and is not found. Docker takes the host
    /// out of every key; policy servers, and so this host, only where a scheme stands before it.
    fn key_in_vain(&self, registry: &str) -> Option<String> {
        let path = self.path.as_ref()?;
        let layout = Layout::of(&fs::read(path).ok()?);
        let auths = layout.auths.keys().map(|key| ("auths", key));
        let helpers = layout.cred_helpers.keys().map(|key| ("credHelpers", key));
        let (section, key, rest) = auths.chain(helpers).find_map(|(section, key)| {
            let (host, rest) = key.split_once('/')?;
            (hub_or(host) == registry).then_some((section, key, rest))
        })?;
        let mend = match rest {
            "" => "drop the slash".to_owned(),
            rest => format!("drop \"/{rest}\""),
        };
        // Another key may be found.
        matches!(self.credentials(registry), Ok(RegistryAuth::Anonymous)).then(|| {
            format!(
                "{section} in {} has the key {key:?}, which is not found, by policy servers \
                 neither: {mend}",
                path.display()
            )
        })
    }

    /// What to do when a registry does not accept what it was given.
    fn login(&self, registry: &str) -> String {
        let login = match registry {
            HUB => "docker login".to_owned(),
            registry => format!("docker login {registry}"),
        };
        match (&self.path, self.credentials(registry)) {
            (None, _) => "neither DOCKER_CONFIG nor HOME says where credentials are".to_owned(),
            (Some(path), Ok(RegistryAuth::Anonymous)) => {
                format!(
                    "{} has no credentials for {registry}: {login}",
                    path.display()
                )
            }
            (Some(path), _) => format!(
                "{registry} does not accept the credentials in {}: {login}",
                path.display()
            ),
        }
    }
}

/// What the file says besides the credentials themselves.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Layout {
    auths: BTreeMap<String, Value>,
    creds_store: Option<String>,
    cred_helpers: BTreeMap<String, String>,
}

impl Layout {
    /// Empty where the file is none, which is an error elsewhere.
    fn of(file: &[u8]) -> Self {
        serde_json::from_slice(file).unwrap_or_default()
    }

    /// The program that is asked for a server, when the file itself has nothing for it.
    fn helper(&self, server: &str) -> String {
        let own = self.cred_helpers.get(server);
        let own = own.filter(|helper| !helper.is_empty());
        let helper = own.or(self.creds_store.as_ref());
        format!("docker-credential-{}", helper.map_or("", String::as_str))
    }
}

/// What is wrong with a credential, in one line. The library does not say which helper it has
/// called in vain.
fn describe_credential(problem: &CredentialRetrievalError, helper: &str) -> String {
    match problem {
        CredentialRetrievalError::HelperCommunicationError => format!(
            "the credential helper {helper} cannot be asked: install it, or take it out of the file"
        ),
        CredentialRetrievalError::MalformedHelperResponse => {
            format!("the credential helper {helper} answers with something else than credentials")
        }
        CredentialRetrievalError::HelperFailure {
            helper,
            stdout,
            stderr,
        } => {
            let mut said = stdout.lines().chain(stderr.lines()).map(str::trim);
            let said = said.find(|line| !line.is_empty());
            format!(
                "the credential helper {helper} fails: {}",
                said.unwrap_or("it does not say why")
            )
        }
        other => other.to_string(),
    }
}

/// The names under which credentials of a registry are looked for, in this order: for Docker's own
/// that of `docker login`, and that of policy servers, which stands for its other names, too.
fn servers(registry: &str) -> Vec<&str> {
    match registry {
        HUB => vec!["https://index.docker.io/v1/", "docker.io"],
        registry => vec![registry],
    }
}

/// The registry that a host stands for.
fn hub_or(host: &str) -> &str {
    match host {
        "docker.io" | "registry-1.docker.io" => HUB,
        host => host,
    }
}

/// How the client calls Docker's own registry.
const HUB: &str = "index.docker.io";

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

impl Error {
    /// Whether the registry has answered without TLS where TLS was asked for.
    #[must_use]
    pub fn lacks_tls(&self) -> bool {
        matches!(self, Self::Registry(error) if whole(error).ends_with(NO_TLS))
    }

    /// Whether the registry has answered, and has no such manifest.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        match self {
            Self::Registry(OciDistributionError::RegistryError { envelope, .. }) => {
                envelope.errors.iter().any(|error| {
                    matches!(
                        error.code,
                        OciErrorCode::ManifestUnknown
                            | OciErrorCode::NameUnknown
                            | OciErrorCode::NotFound
                    )
                })
            }
            Self::Registry(OciDistributionError::ServerError { code, .. }) => *code == 404,
            _ => false,
        }
    }

    /// Whether the registry has answered that it does not answer just anybody.
    fn is_refusal(&self) -> bool {
        match self {
            Self::Registry(
                OciDistributionError::UnauthorizedError { .. }
                | OciDistributionError::AuthenticationFailure(_),
            ) => true,
            Self::Registry(OciDistributionError::ServerError { code, .. }) => {
                matches!(code, 401 | 403)
            }
            Self::Registry(OciDistributionError::RegistryError { envelope, .. }) => {
                envelope.errors.iter().any(|error| {
                    matches!(
                        error.code,
                        OciErrorCode::Denied | OciErrorCode::Unauthorized
                    )
                })
            }
            _ => false,
        }
    }
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

fn describe(error: &OciDistributionError) -> String {
    let mut text = whole(error);
    if text.ends_with(NO_TLS) {
        text.push_str(", which is what a registry without TLS sends");
    }
    text
}

/// The client's own text. Of a request that failed, that is only the address, so the causes follow.
fn whole(error: &OciDistributionError) -> String {
    let mut text = error.to_string();
    if matches!(error, OciDistributionError::RequestError(_)) {
        let mut cause = error.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
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
        for helper in [
            r#"{"credsStore": "not-here"}"#,
            r#"{"credHelpers": {"registry.example": "not-here"}, "credsStore": "other"}"#,
            r#"{"credHelpers": {"registry.example": ""}, "credsStore": "not-here"}"#,
        ] {
            assert_eq!(
                credentials(helper, "registry.example"),
                Err("config.json: registry.example: the credential helper docker-credential-not-here cannot be asked: install it, or take it out of the file".to_owned())
            );
        }
    }

    #[test]
    fn what_a_credential_helper_does_wrong_is_said_in_one_line() {
        let failure = |stdout: &str, stderr: &str| CredentialRetrievalError::HelperFailure {
            helper: "docker-credential-a".to_owned(),
            stdout: stdout.to_owned(),
            stderr: stderr.to_owned(),
        };
        for (problem, expected) in [
            (failure("\n locked \nb\n", "c"), "fails: locked"),
            (failure("", "no bus\n"), "fails: no bus"),
            (failure("", "\n"), "fails: it does not say why"),
            (
                CredentialRetrievalError::MalformedHelperResponse,
                "answers with something else than credentials",
            ),
        ] {
            assert_eq!(
                describe_credential(&problem, "docker-credential-a"),
                format!("the credential helper docker-credential-a {expected}")
            );
        }
    }

    #[test]
    fn docker_hub_is_found_under_each_of_its_names() {
        for key in [
            "https://index.docker.io/v1/",
            "index.docker.io",
            "docker.io",
            "registry-1.docker.io",
            "https://docker.io",
        ] {
            let config = format!(r#"{{"auths": {{"{key}": {{"auth": "Ym9iOndvcmQ="}}}}}}"#);
            assert_eq!(
                credentials(&config, "index.docker.io"),
                Ok(basic("bob", "word")),
                "{key}"
            );
        }
    }

    /// What is advised when the registry of an image does not let everybody in.
    fn advice(config: &str, image: &str, error: OciDistributionError) -> Option<String> {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("config.json"), config).unwrap();
        let access = Access::new(Options {
            docker_config: DockerConfig::in_folder(folder.path()),
            ..Options::default()
        });
        let advice = access
            .unwrap()
            .advice(&image.parse().unwrap(), &error.into());
        let folder = format!("{}/", folder.path().display());
        advice.map(|advice| advice.replace(&folder, ""))
    }

    fn unauthorized() -> OciDistributionError {
        OciDistributionError::UnauthorizedError { url: String::new() }
    }

    fn server_error(code: u16) -> OciDistributionError {
        OciDistributionError::ServerError {
            code,
            url: String::new(),
            message: String::new(),
        }
    }

    #[test]
    fn a_key_that_is_not_found_for_its_slash_is_named() {
        for (config, image, expected) in [
            (
                r#"{"auths": {"registry.example:5000/": {"auth": "YWxpY2U6c2VjcmV0"}}}"#,
                "registry.example:5000/app",
                "auths in config.json has the key \"registry.example:5000/\", which is not found, by policy servers neither: drop the slash",
            ),
            (
                r#"{"auths": {"registry.example/v2/": {"auth": "YWxpY2U6c2VjcmV0"}}}"#,
                "registry.example/app",
                "auths in config.json has the key \"registry.example/v2/\", which is not found, by policy servers neither: drop \"/v2/\"",
            ),
            (
                r#"{"credHelpers": {"registry.example/": "a"}}"#,
                "registry.example/app",
                "credHelpers in config.json has the key \"registry.example/\", which is not found, by policy servers neither: drop the slash",
            ),
            (
                r#"{"auths": {"docker.io/": {"auth": "YWxpY2U6c2VjcmV0"}}}"#,
                "app",
                "auths in config.json has the key \"docker.io/\", which is not found, by policy servers neither: drop the slash",
            ),
        ] {
            // An image that is not shown is denied as often as not.
            for error in [unauthorized(), server_error(404), server_error(500)] {
                assert_eq!(advice(config, image, error).as_deref(), Some(expected));
            }
            let image: Reference = image.parse().unwrap();
            assert_eq!(
                credentials(config, image.resolve_registry()),
                Ok(RegistryAuth::Anonymous)
            );
        }
    }

    #[test]
    fn a_key_that_is_found_is_not_blamed() {
        let refused = Some(
            "registry.example does not accept the credentials in config.json: docker login registry.example",
        );
        let none = Some(
            "config.json has no credentials for registry.example: docker login registry.example",
        );
        for (config, expected) in [
            (
                r#"{"auths": {
                    "registry.example/": {"auth": "YWxpY2U6c2VjcmV0"},
                    "registry.example": {"auth": "YWxpY2U6c2VjcmV0"}}}"#,
                refused,
            ),
            // Docker writes a scheme for its own registry only; it is understood for all.
            (
                r#"{"auths": {"https://registry.example/": {"auth": "YWxpY2U6c2VjcmV0"}}}"#,
                refused,
            ),
            (r#"{"auths": {"other.example/": {}}}"#, none),
            (r#"{"auths": {"registry.example.org/": {}}}"#, none),
            (r#"{"auths": {"registry.example:5000/": {}}}"#, none),
        ] {
            let found = advice(config, "registry.example/app", unauthorized());
            assert_eq!(found.as_deref(), expected, "{config}");
        }
    }

    #[test]
    fn advice_is_about_what_went_wrong() {
        let config = "{}";
        for (error, expected) in [
            (server_error(404), None),
            (
                server_error(403),
                Some("config.json has no credentials for index.docker.io: docker login"),
            ),
            (
                server_error(502),
                Some(
                    "check the way from here to index.docker.io, its proxies (HTTPS_PROXY, NO_PROXY) too",
                ),
            ),
        ] {
            assert_eq!(advice(config, "app", error).as_deref(), expected);
        }
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
