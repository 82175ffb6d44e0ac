//! A registry with images and signatures that the tests have put there.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;

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

use container_security_test_kit::docker_registry::{self, DockerRegistry};

/// A registry of one's own, and the way to it.
pub(crate) struct Shelf {
    registry: DockerRegistry,
    docker_config: TempDir,
}

impl Shelf {
    pub(crate) fn new() -> Self {
        Self {
            registry: DockerRegistry::start(),
            docker_config: TempDir::new().unwrap(),
        }
    }

    pub(crate) fn with_password() -> Self {
        let registry = DockerRegistry::start_with_password();
        Self {
            docker_config: docker_config(registry.address(), docker_registry::AUTH),
            registry,
        }
    }

    pub(crate) fn address(&self) -> &str {
        self.registry.address()
    }

    pub(crate) fn access(&self) -> Access {
        access(
            &[self.address()],
            DockerConfig::in_folder(self.docker_config.path()),
        )
    }

    /// Pushes an image that no other one is equal to, and hands back its tag and digest. `base` is
    /// the name and the digest of what it says that it was built from.
    pub(crate) fn push(&self, name: &str, base: Option<(&str, &str)>) -> (String, String) {
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

    pub(crate) fn push_layer(&self, image: &str, layer: &str) -> String {
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
    pub(crate) fn push_index(&self, image: &str, entries: &[(&str, &str)]) -> String {
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
        self.access()
            .run(&image, async |client, auth| {
                client.push_manifest_list(&image, auth, index).await?;
                Ok::<_, oci::Error>(client.fetch_manifest_digest(&image, auth).await?)
            })
            .unwrap()
    }

    /// Stores a signature of each key, as cosign does; each says the annotations beside the key.
    pub(crate) fn sign(&self, image: &str, digest: &str, signatures: &[(&Key, &[(&str, &str)])]) {
        let sign =
            |(key, annotations): &(&Key, &[(&str, &str)])| key.sign(image, digest, annotations);
        let layers: Vec<_> = signatures.iter().map(sign).collect();
        self.store_signatures(image, digest, &layers);
    }

    /// Stores signatures where cosign looks for those of the image.
    pub(crate) fn store_signatures(&self, image: &str, digest: &str, layers: &[ImageLayer]) {
        let (name, _) = image.rsplit_once(':').unwrap();
        let config = Config::oci_v1(b"{}".to_vec(), None);
        let manifest = OciImageManifest::build(layers, &config, None);
        let tag = format!("{name}:{}.sig", digest.replace(':', "-"));
        self.push_all(&tag, layers, config, manifest);
    }

    fn push_all(
        &self,
        image: &str,
        layers: &[ImageLayer],
        config: Config,
        manifest: OciImageManifest,
    ) -> String {
        let image: Reference = image.parse().unwrap();
        self.access()
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
pub(crate) struct Key(pub(crate) SigStoreKeyPair);

impl Key {
    pub(crate) fn new() -> Self {
        Self(
            SCHEME
                .create_signer()
                .unwrap()
                .to_sigstore_keypair()
                .unwrap(),
        )
    }

    pub(crate) fn public(&self) -> String {
        self.0.public_key_to_pem().unwrap()
    }

    /// Settings that ask for a signature of this key on all images of a registry.
    pub(crate) fn settings(&self, address: &str) -> Value {
        json!({"signatures": {"rules": [
            {"images": [address], "anyOf": [{"publicKeys": [self.public()]}]},
        ]}})
    }

    pub(crate) fn sign(
        &self,
        image: &str,
        digest: &str,
        annotations: &[(&str, &str)],
    ) -> ImageLayer {
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

pub(crate) fn access(insecure: &[&str], docker_config: DockerConfig) -> Access {
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
pub(crate) fn docker_config(address: &str, auth: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    let config = json!({"auths": {address: {"auth": auth}}});
    fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    folder
}

/// An address at which nothing listens.
pub(crate) fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

pub(crate) const SCHEME: SigningScheme = SigningScheme::ECDSA_P256_SHA256_ASN1;
pub(crate) const CONFIG: &str = r#"{"architecture":"amd64","os":"linux","created":"2026-01-02T03:04:05Z","rootfs":{"type":"layers","diff_ids":[]}}"#;
