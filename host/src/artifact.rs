//! The policy as an OCI artifact, in the form that kwctl and policy-server push and pull.

use std::collections::BTreeMap;

use oci_client::client::{Config, ImageLayer};
use oci_client::errors::OciDistributionError;
use oci_client::manifest::{
    OCI_IMAGE_MEDIA_TYPE, OciImageManifest, OciManifest, WASM_CONFIG_MEDIA_TYPE,
    WASM_LAYER_MEDIA_TYPE,
};
use serde::Serialize as _;

use crate::metadata::{Metadata, MetadataError};
use crate::oci::{self, Access, Reference};

/// What has been pushed or pulled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// The annotated module.
    pub module: Vec<u8>,
    /// The digest of the manifest, `sha256:` and 64 hexadecimal digits. It stands for the module
    /// and everything that is said about it.
    pub digest: String,
}

/// Why a policy is not in a registry, or not got from there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArtifactError {
    /// The module cannot be read.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// Policy servers would refuse the module.
    #[error("the module is not annotated; `make annotated-policy.wasm` builds one that is")]
    NotAnnotated,
    /// The digest is what a push results in.
    #[error("{0} names a digest; push to a tag")]
    Digest(String),
    /// The manifest cannot be written.
    #[error("cannot write the manifest: {0}")]
    Manifest(#[source] serde_json::Error),
    /// The registry cannot be asked, or does not do what it is asked.
    #[error(transparent)]
    Registry(#[from] oci::Error),
    /// The reference names something else than a policy.
    #[error("{reference} is no Kubewarden policy: {problem}")]
    NotAPolicy {
        /// What was asked for.
        reference: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl From<OciDistributionError> for ArtifactError {
    fn from(error: OciDistributionError) -> Self {
        Self::Registry(error.into())
    }
}

/// Pushes an annotated module to a tag. The same module has the same digest, wherever and however
/// often it is pushed, and a push that was cut off can be repeated: the manifest, which makes the
/// rest visible, comes last.
///
/// # Errors
///
/// Any [`ArtifactError`] but [`ArtifactError::NotAPolicy`].
pub fn push(
    access: &Access,
    reference: &Reference,
    module: Vec<u8>,
) -> Result<Artifact, ArtifactError> {
    if reference.digest().is_some() {
        return Err(ArtifactError::Digest(reference.whole()));
    }
    let metadata = Metadata::from_module(&module)?.ok_or(ArtifactError::NotAnnotated)?;
    let layer = ImageLayer::new(module, WASM_LAYER_MEDIA_TYPE.to_owned(), None);
    let config = Config::new(b"{}".as_slice(), WASM_CONFIG_MEDIA_TYPE.to_owned(), None);
    let manifest = OciImageManifest::build(
        std::slice::from_ref(&layer),
        &config,
        Some(annotations(metadata.annotations)),
    );
    let bytes = canonical(&manifest).map_err(ArtifactError::Manifest)?;
    // Not the digest that the registry answers with: this one is of what was sent.
    let digest =
        ImageLayer::new(bytes.clone(), OCI_IMAGE_MEDIA_TYPE.to_owned(), None).sha256_digest();
    access.run(reference, async |client, auth| {
        client
            .store_auth_if_needed(reference.resolve_registry(), auth)
            .await;
        client
            .push_blob(reference, layer.data.clone(), &layer.sha256_digest())
            .await?;
        client
            .push_blob(reference, config.data.clone(), &config.sha256_digest())
            .await?;
        let media_type = OCI_IMAGE_MEDIA_TYPE.parse().map_err(|_| {
            OciDistributionError::UnsupportedMediaTypeError(OCI_IMAGE_MEDIA_TYPE.to_owned())
        })?;
        client
            .push_manifest_raw(reference, bytes.clone(), media_type)
            .await?;
        Ok::<_, ArtifactError>(())
    })?;
    Ok(Artifact {
        module: layer.data.into(),
        digest,
    })
}

/// Pulls a module. Manifest and module are held against their digests.
///
/// # Errors
///
/// [`ArtifactError::Registry`] or [`ArtifactError::NotAPolicy`].
pub fn pull(access: &Access, reference: &Reference) -> Result<Artifact, ArtifactError> {
    access.run(reference, async |client, auth| {
        let (manifest, digest) = client.pull_manifest(reference, auth).await?;
        let layer = layer(&manifest).map_err(|problem| ArtifactError::NotAPolicy {
            reference: reference.whole(),
            problem,
        })?;
        let mut module = Vec::new();
        client.pull_blob(reference, layer, &mut module).await?;
        Ok(Artifact { module, digest })
    })
}

/// The one layer of a policy. As in policy-server, only its media type counts.
fn layer(manifest: &OciManifest) -> Result<&oci_client::manifest::OciDescriptor, String> {
    let OciManifest::Image(manifest) = manifest else {
        return Err("it is an index of images".to_owned());
    };
    match manifest.layers.as_slice() {
        [layer] if layer.media_type == WASM_LAYER_MEDIA_TYPE => Ok(layer),
        [layer] => Err(format!(
            "its layer is of type {}, and not {WASM_LAYER_MEDIA_TYPE}",
            layer.media_type
        )),
        layers => Err(format!("it has {} layers, and not one", layers.len())),
    }
}

/// The annotations of the manifest: those of the module that have one line, as the OCI
/// specification demands.
fn annotations(of_module: BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut annotations: BTreeMap<_, _> = of_module
        .into_iter()
        .filter(|(_, text)| text.lines().count() <= 1)
        .map(|(name, text)| (name, text.trim().to_owned()))
        .collect();
    if let Some(source) = annotations.get(POLICY_SOURCE).cloned() {
        annotations.entry(IMAGE_SOURCE.to_owned()).or_insert(source);
    }
    annotations
}

/// JSON with sorted keys and without white space.
fn canonical(manifest: &OciImageManifest) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = Vec::new();
    manifest.serialize(&mut serde_json::Serializer::with_formatter(
        &mut bytes,
        olpc_cjson::CanonicalFormatter::new(),
    ))?;
    Ok(bytes)
}

const POLICY_SOURCE: &str = "io.kubewarden.policy.source";
const IMAGE_SOURCE: &str = "org.opencontainers.image.source";

#[cfg(test)]
mod tests {
    use super::*;

    fn annotated(of_module: &[(&str, &str)]) -> Vec<(String, String)> {
        let of_module = of_module
            .iter()
            .map(|&(name, text)| (name.to_owned(), text.to_owned()));
        annotations(of_module.collect()).into_iter().collect()
    }

    #[test]
    fn annotations_have_one_line() {
        assert_eq!(
            annotated(&[("a", "x\ny"), ("b", " one line\n"), ("c", "")]),
            [
                ("b".to_owned(), "one line".to_owned()),
                ("c".to_owned(), String::new())
            ]
        );
    }

    #[test]
    fn the_source_of_the_policy_is_that_of_the_image_unless_there_is_another() {
        let names = |annotations: Vec<(String, String)>| {
            annotations
                .into_iter()
                .find(|(name, _)| name == IMAGE_SOURCE)
                .map(|(_, source)| source)
        };
        let policy = (POLICY_SOURCE, "https://policy.example");
        let image = (IMAGE_SOURCE, "https://image.example");
        assert_eq!(names(annotated(&[])), None);
        assert_eq!(names(annotated(&[policy])).unwrap(), policy.1);
        assert_eq!(names(annotated(&[policy, image])).unwrap(), image.1);
    }
}
