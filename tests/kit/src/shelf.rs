//! A registry with images and signatures that the tests have put there.

#![expect(clippy::unwrap_used, reason = "a test may panic, also in its helpers")]
#![expect(
    clippy::new_without_default,
    reason = "no two registries and no two keys are equal"
)]

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::sync::OnceLock;

use container_security_host::oci::{self, Access, DockerConfig, Reference};
use oci_client::client::{Config, ImageLayer};
use oci_client::manifest::{OciImageIndex, OciImageManifest};
use serde_json::{Value, json};
use sigstore::cosign::constraint::PrivateKeySigner;
use sigstore::cosign::payload::simple_signing::Optional;
use sigstore::cosign::{Constraint as _, SignatureLayer};
use sigstore::crypto::SigningScheme;
use sigstore::crypto::signing_key::SigStoreKeyPair;
use tempfile::TempDir;

use crate::docker_registry::{self, DockerRegistry};

/// A registry of one's own, and the way to it.
pub struct Shelf {
    registry: DockerRegistry,
    docker_config: TempDir,
    /// What the shelf itself takes to put something there.
    way: OnceLock<Access>,
}

impl Shelf {
    /// Starts a registry that everybody may use.
    pub fn new() -> Self {
        Self {
            registry: DockerRegistry::start(),
            docker_config: TempDir::new().unwrap(),
            way: OnceLock::new(),
        }
    }

    /// Starts a registry that asks for a password, which the way to it knows.
    pub fn with_password() -> Self {
        let registry = DockerRegistry::start_with_password();
        Self {
            docker_config: docker_config(registry.address(), docker_registry::AUTH),
            registry,
            way: OnceLock::new(),
        }
    }

    /// As references name it: `127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        self.registry.address()
    }

    /// The way to it.
    pub fn access(&self) -> Access {
        access(
            &[self.address()],
            DockerConfig::in_folder(self.docker_config.path()),
        )
    }

    fn way(&self) -> &Access {
        self.way.get_or_init(|| self.access())
    }

    /// Pushes an image that no other one is equal to, and hands back its tag and digest. `base` is
    /// the name and the digest of what it says that it was built from.
    pub fn push(&self, name: &str, base: Option<(&str, &str)>) -> (String, String) {
        let image = format!("{}/{name}:1", self.address());
        let annotations = base.map(|(name, digest)| {
            BTreeMap::from([
                (
                    "org.opencontainers.image.base.name".to_owned(),
                    name.to_owned(),
                ),
                (
                    "org.opencontainers.image.base.digest".to_owned(),
                    digest.to_owned(),
                ),
            ])
        });
        let digest = self.push_image(&image, name, annotations);
        (image, digest)
    }

    /// Pushes an image of one layer, and hands back its digest.
    pub fn push_layer(&self, image: &str, layer: &str) -> String {
        self.push_image(image, layer, None)
    }

    fn push_image(
        &self,
        image: &str,
        layer: &str,
        annotations: Option<BTreeMap<String, String>>,
    ) -> String {
        let layers = [ImageLayer::oci_v1(layer.to_owned().into_bytes(), None)];
        let config = Config::oci_v1(CONFIG.as_bytes().to_vec(), None);
        let manifest = OciImageManifest::build(&layers, &config, annotations);
        self.push_all(image, &layers, config, manifest)
    }

    /// Pushes an index of images for Linux on these architectures.
    pub fn push_index(&self, image: &str, entries: &[(&str, &str)]) -> String {
        let manifests: Vec<_> = entries
            .iter()
            .map(|(architecture, digest)| {
                json!({
                    "mediaType": "application/vnd.oci.image.manifest.v1+json",
                    "digest": digest,
                    "size": 1,
                    "platform": {"os": "linux", "architecture": architecture},
                })
            })
            .collect();
        let index = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": manifests,
        });
        let index: OciImageIndex = serde_json::from_value(index).unwrap();
        let image: Reference = image.parse().unwrap();
        self.way()
            .run(&image, async |client, auth| {
                client.push_manifest_list(&image, auth, index).await?;
                Ok::<_, oci::Error>(client.fetch_manifest_digest(&image, auth).await?)
            })
            .unwrap()
    }

    /// Stores a signature of each key, as cosign does; each says the annotations beside the key.
    pub fn sign(&self, image: &str, digest: &str, signatures: &[(&Key, &[(&str, &str)])]) {
        let sign =
            |(key, annotations): &(&Key, &[(&str, &str)])| key.sign(image, digest, annotations);
        let layers: Vec<_> = signatures.iter().map(sign).collect();
        self.store_signatures(image, digest, &layers);
    }

    /// Stores signatures where cosign looks for those of the image.
    pub fn store_signatures(&self, image: &str, digest: &str, layers: &[ImageLayer]) {
        let (name, _) = image.rsplit_once(':').unwrap();
        let tag = format!("{name}:{}.sig", digest.replace(':', "-"));
        self.push_artifact(&tag, layers, &json!({}));
    }

    /// Pushes what is no image, with its layers and with more in its manifest; hands back its digest.
    pub fn push_artifact(&self, name: &str, layers: &[ImageLayer], more: &Value) -> String {
        let config = Config::oci_v1(b"{}".to_vec(), None);
        let mut manifest = OciImageManifest::build(layers, &config, None);
        manifest.media_type = Some(IMAGE_MANIFEST.to_owned());
        let mut value = serde_json::to_value(&manifest).unwrap();
        value
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        // The client's own JSON has no escapes, and the annotations of signatures have lines.
        for layer in &mut manifest.layers {
            layer.annotations = None;
        }
        self.push_all(name, layers, config, manifest);
        self.push_manifest(name, &value, IMAGE_MANIFEST)
    }

    /// Pushes a manifest as it is, and hands back its digest.
    pub fn push_manifest(&self, name: &str, manifest: &Value, media_type: &str) -> String {
        let name: Reference = name.parse().unwrap();
        let body = manifest.to_string().into_bytes();
        self.way()
            .run(&name, async |client, auth| {
                client
                    .store_auth_if_needed(name.resolve_registry(), auth)
                    .await;
                client
                    .push_manifest_raw(&name, body, media_type.parse().unwrap())
                    .await?;
                Ok::<_, oci::Error>(client.fetch_manifest_digest(&name, auth).await?)
            })
            .unwrap()
    }

    fn push_all(
        &self,
        image: &str,
        layers: &[ImageLayer],
        config: Config,
        manifest: OciImageManifest,
    ) -> String {
        let image: Reference = image.parse().unwrap();
        self.way()
            .run(&image, async |client, auth| {
                client
                    .push(&image, layers, config, auth, Some(manifest))
                    .await?;
                Ok::<_, oci::Error>(client.fetch_manifest_digest(&image, auth).await?)
            })
            .unwrap()
    }
}

/// A key pair of cosign's usual kind.
pub struct Key(pub SigStoreKeyPair);

impl Key {
    /// A new one.
    pub fn new() -> Self {
        Self(
            SCHEME
                .create_signer()
                .unwrap()
                .to_sigstore_keypair()
                .unwrap(),
        )
    }

    /// The public key, in PEM.
    pub fn public(&self) -> String {
        self.0.public_key_to_pem().unwrap()
    }

    /// Settings that ask for a signature of this key on all images of a registry.
    pub fn settings(&self, address: &str) -> Value {
        json!({"signatures": {"rules": [
            {"images": [address], "anyOf": [{"publicKeys": [self.public()]}]},
        ]}})
    }

    /// The layer in which cosign stores a signature of an image.
    pub fn sign(&self, image: &str, digest: &str, annotations: &[(&str, &str)]) -> ImageLayer {
        let mut layer = SignatureLayer::new_unsigned(&image.parse().unwrap(), digest).unwrap();
        let annotations = annotations.iter();
        layer.simple_signing.optional = Some(Optional {
            extra: annotations
                .map(|(key, value)| ((*key).to_owned(), json!(value)))
                .collect(),
            ..Optional::default()
        });
        let signer = PrivateKeySigner::new_with_signer(self.0.to_sigstore_signer(&SCHEME).unwrap());
        assert!(signer.add_constraint(&mut layer).unwrap());
        ImageLayer::new(
            layer.raw_data,
            "application/vnd.dev.cosign.simplesigning.v1+json".to_owned(),
            Some(BTreeMap::from([(
                "dev.cosignproject.cosign/signature".to_owned(),
                layer.signature.unwrap(),
            )])),
        )
    }
}

/// The way to registries, of which these lack TLS.
pub fn access(insecure: &[&str], docker_config: DockerConfig) -> Access {
    Access::new(oci::Options {
        insecure: insecure
            .iter()
            .map(|address| address.parse().unwrap())
            .collect(),
        docker_config,
        ..oci::Options::default()
    })
    .unwrap()
}

/// What `docker login` stores: `auth` is user and password in Base64.
pub fn docker_config(address: &str, auth: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    let config = json!({"auths": {address: {"auth": auth}}});
    fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    folder
}

/// An address at which nothing listens.
pub fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

/// What cosign signs with, unless it is told otherwise.
pub const SCHEME: SigningScheme = SigningScheme::ECDSA_P256_SHA256_ASN1;
const IMAGE_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The configuration of every image here.
pub const CONFIG: &str = r#"{"architecture":"amd64","os":"linux","created":"2026-01-02T03:04:05Z","rootfs":{"type":"layers","diff_ids":[]}}"#;
