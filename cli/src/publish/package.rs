//! `artifacthub-pkg.yml`: what Artifact Hub shows of the policy, made from its metadata.
//!
//! The text is the one of `kwctl scaffold artifacthub`, except for the date: kwctl takes the
//! current time, this module the day on which the changelog says that the version was released.

use std::collections::BTreeMap;

use container_security::Reference;
use container_security_host::metadata::Metadata;
use semver::Version;
use serde::Serialize;
use url::Url;

/// Why there is no package for Artifact Hub.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArtifactHubError {
    /// Artifact Hub needs an annotation that is not there.
    #[error("annotations: {0} is missing, and Artifact Hub needs it")]
    Missing(&'static str),
    /// An annotation is not what Artifact Hub can use.
    #[error("annotations: {name} is {value:?}: {problem}")]
    Malformed {
        /// The annotation.
        name: &'static str,
        /// What it says.
        value: String,
        /// What is wrong with that.
        problem: String,
    },
    /// The changelog does not say when the version was released.
    #[error("the changelog has no line `## [{0}] - YYYY-MM-DD`")]
    NoDate(Version),
    /// The questions have no text.
    #[error("the questions are empty")]
    NoQuestions,
    /// The package could not be written.
    #[error("cannot write the package: {0}")]
    Yaml(#[from] yaml_serde::Error),
}

/// The text of `artifacthub-pkg.yml`.
///
/// `changelog` is in the format of Keep a Changelog; `questions` is the text of `questions-ui.yml`.
///
/// # Errors
///
/// Any [`ArtifactHubError`].
pub fn package(
    metadata: &Metadata,
    changelog: &str,
    questions: Option<&str>,
) -> Result<String, ArtifactHubError> {
    let annotations = Annotations(&metadata.annotations);
    let version = annotations.required("io.kubewarden.policy.version")?;
    let version = Version::parse(version).map_err(|error| {
        let problem = format!("not a semantic version: {error}");
        malformed("io.kubewarden.policy.version", version, problem)
    })?;
    if questions.is_some_and(str::is_empty) {
        return Err(ArtifactHubError::NoQuestions);
    }
    let image = annotations.image(&version)?;
    let package = Package {
        name: annotations.required("io.kubewarden.policy.title")?,
        display_name: annotations.required("io.artifacthub.displayName")?,
        created_at: format!("{}T00:00:00Z", release_date(changelog, &version)?),
        description: annotations.required("io.kubewarden.policy.description")?,
        license: annotations.get("io.kubewarden.policy.license"),
        home_url: annotations.url("io.kubewarden.policy.url")?,
        containers_images: [Image {
            name: "policy",
            image: &image,
        }],
        keywords: annotations.keywords()?,
        links: annotations.links(&version)?,
        install: install(&image),
        maintainers: annotations.maintainers()?,
        provider: Provider { name: "kubewarden" },
        recommendations: [Recommendation { url: CONTROLLER }],
        annotations: of_package(metadata, annotations, questions)?,
        version,
    };
    Ok(format!("{HEADER}{}", yaml_serde::to_string(&package)?))
}

/// The day of a heading like `## [0.1.0] - 2026-11-23`.
fn release_date<'a>(changelog: &'a str, version: &Version) -> Result<&'a str, ArtifactHubError> {
    let heading = format!("## [{version}] - ");
    changelog
        .lines()
        .find_map(|line| line.strip_prefix(&heading))
        .filter(|date| is_date(date))
        .ok_or_else(|| ArtifactHubError::NoDate(version.clone()))
}

fn is_date(text: &str) -> bool {
    let shape = text.chars().map(|character| match character {
        '0'..='9' => 'D',
        other => other,
    });
    shape.eq("DDDD-DD-DD".chars())
}

/// The annotations of the package, which Artifact Hub hands to Rancher.
fn of_package(
    metadata: &Metadata,
    annotations: Annotations<'_>,
    questions: Option<&str>,
) -> Result<BTreeMap<&'static str, String>, ArtifactHubError> {
    let mut package = BTreeMap::from([
        ("kubewarden/mutation", metadata.mutating.to_string()),
        ("kubewarden/rules", yaml_serde::to_string(&metadata.rules)?),
    ]);
    if !metadata.context_aware_resources.is_empty() {
        package.insert(
            "kubewarden/contextAwareResources",
            yaml_serde::to_string(&metadata.context_aware_resources)?,
        );
    }
    if let Some(questions) = questions {
        package.insert("kubewarden/questions-ui", questions.to_owned());
    }
    for (name, of_policy) in [
        ("kubewarden/hidden-ui", "io.kubewarden.hidden-ui"),
        ("kubewarden/resources", "io.artifacthub.resources"),
    ] {
        if let Some(text) = annotations.get(of_policy) {
            package.insert(name, text.to_owned());
        }
    }
    Ok(package)
}

/// The annotations of a policy.
#[derive(Clone, Copy)]
struct Annotations<'a>(&'a BTreeMap<String, String>);

impl<'a> Annotations<'a> {
    fn get(self, name: &str) -> Option<&'a str> {
        self.0.get(name).map(String::as_str)
    }

    fn required(self, name: &'static str) -> Result<&'a str, ArtifactHubError> {
        self.get(name).ok_or(ArtifactHubError::Missing(name))
    }

    fn url(self, name: &'static str) -> Result<Option<Url>, ArtifactHubError> {
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        Url::parse(text)
            .map(Some)
            .map_err(|error| malformed(name, text, format!("not a URL: {error}")))
    }

    fn image(self, version: &Version) -> Result<String, ArtifactHubError> {
        let name = "io.kubewarden.policy.ociUrl";
        let repository = self.required(name)?;
        Reference::parse(&format!("{repository}:v{version}"))
            .map(|reference| reference.to_string())
            .map_err(|error| {
                let problem = format!("not registry/repository, without a tag: {error}");
                malformed(name, repository, problem)
            })
    }

    fn keywords(self) -> Result<Option<Vec<&'a str>>, ArtifactHubError> {
        let name = "io.artifacthub.keywords";
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        let words: Vec<_> = text.split(',').map(str::trim).collect();
        if words.contains(&"") {
            let problem = "not a list of words with commas between them".to_owned();
            return Err(malformed(name, text, problem));
        }
        Ok(Some(words))
    }

    fn links(self, version: &Version) -> Result<Option<Vec<Link>>, ArtifactHubError> {
        let name = "io.kubewarden.policy.source";
        let Some(source) = self.url(name)? else {
            return Ok(None);
        };
        let mut links = Vec::new();
        if source.host_str() == Some("github.com") {
            let url = format!("{source}/releases/download/v{version}/policy.wasm");
            links.push(Link {
                name: "policy",
                url: Url::parse(&url)
                    .map_err(|error| malformed(name, source.as_str(), error.to_string()))?,
            });
        }
        links.push(Link {
            name: "source",
            url: source,
        });
        Ok(Some(links))
    }

    fn maintainers(self) -> Result<Option<Vec<Maintainer<'a>>>, ArtifactHubError> {
        let name = "io.kubewarden.policy.author";
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        text.split(',')
            .map(|author| maintainer(author.trim()))
            .collect::<Option<Vec<_>>>()
            .map(Some)
            .ok_or_else(|| {
                let problem = "not a list of `name <email>` with commas between them".to_owned();
                malformed(name, text, problem)
            })
    }
}

fn maintainer(author: &str) -> Option<Maintainer<'_>> {
    let (name, email) = author.strip_suffix('>')?.split_once(" <")?;
    let (user, host) = email.split_once('@')?;
    let plain = |text: &str| !text.is_empty() && !text.contains(|c: char| "<>@ ".contains(c));
    (plain(user) && plain(host)).then_some(Maintainer { name, email })
}

fn malformed(name: &'static str, value: &str, problem: String) -> ArtifactHubError {
    ArtifactHubError::Malformed {
        name,
        value: value.to_owned(),
        problem,
    }
}

fn install(image: &str) -> String {
    format!(
        "The policy can be obtained using [kwctl](https://docs.kubewarden.io/howtos/install-kwctl):\n\
         ```console\n\
         kwctl pull {image}\n\
         ```\n\
         Then, generate the policy manifest and tune it to your liking. For example:\n\
         ```console\n\
         kwctl scaffold manifest -t ClusterAdmissionPolicy registry://{image}\n\
         ```\n"
    )
}

/// The keys of the file in their order; those that are always the same are arrays of one.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Package<'a> {
    version: Version,
    name: &'a str,
    display_name: &'a str,
    created_at: String,
    description: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    license: Option<&'a str>,
    #[serde(rename = "homeURL", skip_serializing_if = "Option::is_none")]
    home_url: Option<Url>,
    containers_images: [Image<'a>; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    keywords: Option<Vec<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    links: Option<Vec<Link>>,
    install: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    maintainers: Option<Vec<Maintainer<'a>>>,
    provider: Provider,
    recommendations: [Recommendation; 1],
    annotations: BTreeMap<&'static str, String>,
}

#[derive(Serialize)]
struct Image<'a> {
    name: &'static str,
    image: &'a str,
}

#[derive(Serialize)]
struct Link {
    name: &'static str,
    url: Url,
}

#[derive(Serialize)]
struct Maintainer<'a> {
    name: &'a str,
    email: &'a str,
}

#[derive(Serialize)]
struct Provider {
    name: &'static str,
}

#[derive(Serialize)]
struct Recommendation {
    url: &'static str,
}

const CONTROLLER: &str = "https://artifacthub.io/packages/helm/kubewarden/kubewarden-controller";
// The space at the end is kwctl's.
const HEADER: &str = "\
# Kubewarden Artifacthub Package config
#
# Use this config to submit the policy to https://artifacthub.io.
#
# This config can be saved to its default location with:
#   kwctl scaffold artifacthub > artifacthub-pkg.yml\u{20}
";

#[cfg(test)]
mod tests {
    use super::*;

    const CHANGELOG: &str = "# Changelog\n\n## [Unreleased]\n\n## [1.2.3] - 2020-02-29\n\n- a\n";

    fn metadata(annotations: &[(&str, &str)]) -> Metadata {
        let mut metadata = Metadata::from_yaml("rules: []\nmutating: false\n").unwrap();
        let required = [
            ("io.kubewarden.policy.version", "1.2.3"),
            ("io.kubewarden.policy.title", "some-policy"),
            ("io.artifacthub.displayName", "Some Policy"),
            ("io.kubewarden.policy.description", "Does something"),
            (
                "io.kubewarden.policy.ociUrl",
                "registry.example/some-policy",
            ),
        ];
        for (name, text) in required.iter().chain(annotations) {
            metadata
                .annotations
                .insert((*name).to_owned(), (*text).to_owned());
        }
        metadata
    }

    fn error(name: &str, text: &str) -> String {
        package(&metadata(&[(name, text)]), CHANGELOG, None)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn the_least_package_has_what_is_required() {
        let text = package(&metadata(&[]), CHANGELOG, None).unwrap();
        assert_eq!(
            text.strip_prefix(HEADER).unwrap(),
            "\
version: 1.2.3
name: some-policy
displayName: Some Policy
createdAt: 2020-02-29T00:00:00Z
description: Does something
containersImages:
- name: policy
  image: registry.example/some-policy:v1.2.3
install: |
  The policy can be obtained using [kwctl](https://docs.kubewarden.io/howtos/install-kwctl):
  ```console
  kwctl pull registry.example/some-policy:v1.2.3
  ```
  Then, generate the policy manifest and tune it to your liking. For example:
  ```console
  kwctl scaffold manifest -t ClusterAdmissionPolicy registry://registry.example/some-policy:v1.2.3
  ```
provider:
  name: kubewarden
recommendations:
- url: https://artifacthub.io/packages/helm/kubewarden/kubewarden-controller
annotations:
  kubewarden/mutation: 'false'
  kubewarden/rules: |
    []
"
        );
    }

    #[test]
    fn questions_and_all_annotations_are_in_the_package() {
        let metadata = metadata(&[
            ("io.kubewarden.hidden-ui", "true"),
            ("io.artifacthub.resources", "Pod, Job"),
            ("io.artifacthub.keywords", "a b , c"),
            ("io.kubewarden.policy.author", "A B <a@b.example>, C <c@d>"),
            ("io.kubewarden.policy.source", "https://git.example/x"),
            ("io.kubewarden.policy.url", "https://policy.example/"),
            ("io.kubewarden.policy.license", "MIT"),
        ]);
        let text = package(&metadata, CHANGELOG, Some("questions: []\n")).unwrap();
        for part in [
            "license: MIT\nhomeURL: https://policy.example/\n",
            "keywords:\n- a b\n- c\nlinks:\n- name: source\n  url: https://git.example/x\n",
            "maintainers:\n- name: A B\n  email: a@b.example\n- name: C\n  email: c@d\n",
            "  kubewarden/hidden-ui: 'true'\n",
            "  kubewarden/questions-ui: |\n    questions: []\n  kubewarden/resources: Pod, Job\n",
        ] {
            assert!(text.contains(part), "{part}\nis not in\n{text}");
        }
    }

    #[test]
    fn each_required_annotation_is_missed() {
        for name in [
            "io.kubewarden.policy.version",
            "io.kubewarden.policy.title",
            "io.artifacthub.displayName",
            "io.kubewarden.policy.description",
            "io.kubewarden.policy.ociUrl",
        ] {
            let mut metadata = metadata(&[]);
            metadata.annotations.remove(name);
            assert_eq!(
                package(&metadata, CHANGELOG, None).unwrap_err().to_string(),
                format!("annotations: {name} is missing, and Artifact Hub needs it")
            );
        }
    }

    #[test]
    fn what_artifact_hub_cannot_use_is_refused() {
        assert_eq!(
            error("io.kubewarden.policy.version", "v1.2.3"),
            "annotations: io.kubewarden.policy.version is \"v1.2.3\": not a semantic version: unexpected character 'v' while parsing major version number"
        );
        assert_eq!(
            error("io.kubewarden.policy.url", "policy.example"),
            "annotations: io.kubewarden.policy.url is \"policy.example\": not a URL: relative URL without a base"
        );
        assert_eq!(
            error("io.kubewarden.policy.ociUrl", "registry.example/P"),
            "annotations: io.kubewarden.policy.ociUrl is \"registry.example/P\": not registry/repository, without a tag: its repository is not in lower case"
        );
        assert_eq!(
            error("io.artifacthub.keywords", "a,,b"),
            "annotations: io.artifacthub.keywords is \"a,,b\": not a list of words with commas between them"
        );
        for author in ["", "A", "A <a>", "A <a@b", "A <a@b>,", "<a@b>", "A <a@b@c>"] {
            assert_eq!(
                error("io.kubewarden.policy.author", author),
                format!(
                    "annotations: io.kubewarden.policy.author is {author:?}: not a list of \
                     `name <email>` with commas between them"
                )
            );
        }
        assert_eq!(
            package(&metadata(&[]), CHANGELOG, Some(""))
                .unwrap_err()
                .to_string(),
            "the questions are empty"
        );
    }

    #[test]
    fn a_version_without_a_day_is_not_released() {
        for changelog in ["", "## [1.2.3] - unreleased\n", "## [1.2.4] - 2020-02-29\n"] {
            assert_eq!(
                package(&metadata(&[]), changelog, None)
                    .unwrap_err()
                    .to_string(),
                "the changelog has no line `## [1.2.3] - YYYY-MM-DD`"
            );
        }
    }
}
