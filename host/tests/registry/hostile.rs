//! Registries that lie, hang or send too much.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use container_security_host::Registry;
use container_security_host::oci::{Access, DockerConfig, Options};
use oci_client::client::ImageLayer;
use serde_json::{Value, json};

use crate::calls::{call, failure, verify};
use container_security_test_kit::shelf::{Key, Shelf, access};

#[test]
fn a_signature_of_another_image_is_none_of_this_one() {
    let shelf = Shelf::new();
    let key = Key::new();
    let (good, good_digest) = shelf.push("good", None);
    let (image, digest) = shelf.push("evil", None);
    shelf.store_signatures(&image, &digest, &[key.sign(&good, &good_digest, &[])]);
    assert_eq!(
        call(
            &Registry::new(shelf.access()),
            "v2/verify",
            &verify(&image, &[&key], &json!(null))
        ),
        failure("failed to get image trusted layers: No Signature Layer passed verification")
    );
}

#[test]
fn a_signature_is_of_the_bytes_that_are_stored() {
    let shelf = Shelf::new();
    let key = Key::new();
    let (good, good_digest) = shelf.push("good", None);
    let (image, digest) = shelf.push("evil", None);
    let mut layer = key.sign(&good, &good_digest, &[]);
    let payload = String::from_utf8(layer.data.to_vec()).unwrap();
    layer.data = payload.replace(&good_digest, &digest).into_bytes().into();
    shelf.store_signatures(&image, &digest, &[layer]);
    assert_eq!(
        call(
            &Registry::new(shelf.access()),
            "v2/verify",
            &verify(&image, &[&key], &json!(null))
        ),
        failure("Image verification failed: missing signatures")
    );
}

#[test]
fn a_manifest_is_what_its_digest_says() {
    let manifest = manifest(&json!({}));
    let digest = sha256(manifest.as_bytes());
    let lie = sha256(b"another");
    let server = Server::start({
        let (manifest, lie) = (manifest.clone(), lie.clone());
        move |path| match path {
            "/v2/app/manifests/header" => Response {
                headers: format!("Docker-Content-Digest: {lie}\r\n"),
                ..Response::ok(manifest.clone())
            },
            _ => Response::ok(manifest.clone()),
        }
    });
    let registry = server.registry();
    let wrong_digest = failure(&format!(
        "Fail to interact with OCI registry: Digest error: Invalid digest. Expected {lie}, got \
         {digest}"
    ));
    for operation in [
        "v1/manifest_digest",
        "v1/oci_manifest",
        "v1/oci_manifest_config",
    ] {
        for image in ["app:header", &format!("app@{lie}")] {
            let image = json!(format!("{}/{image}", server.address));
            assert_eq!(
                call(&registry, operation, &image),
                wrong_digest,
                "{operation} {image}"
            );
        }
    }
    let image = format!("{}/app@{lie}", server.address);
    assert_eq!(
        call(
            &registry,
            "v2/verify",
            &verify(&image, &[&Key::new()], &json!(null))
        ),
        failure(&format!(
            "failed to get image trusted layers: Cannot fetch manifest of {image}: Digest error: \
             Invalid digest. Expected {lie}, got {digest}"
        ))
    );
}

#[test]
fn a_blob_is_no_longer_than_its_manifest_says_and_never_long() {
    let config = r#"{"created": "2026-01-02T03:04:05Z"}"#;
    let descriptor = |size: usize| json!({"digest": sha256(config.as_bytes()), "size": size});
    let (short, exact, huge) = (
        manifest(&descriptor(10)),
        manifest(&descriptor(config.len())),
        manifest(&descriptor(5_000_000)),
    );
    let server = Server::start(move |path| {
        Response::ok(match path {
            "/v2/app/manifests/short" => short.clone(),
            "/v2/app/manifests/exact" => exact.clone(),
            "/v2/app/manifests/huge" => huge.clone(),
            _ => config.to_owned(),
        })
    });
    let registry = server.registry();
    let ask = |tag: &str| {
        let image = json!(format!("{}/app:{tag}", server.address));
        call(&registry, "v1/oci_manifest_config", &image)
    };
    assert_eq!(
        ask("exact").unwrap()["config"],
        json!({"created": "2026-01-02T03:04:05Z"})
    );
    assert_eq!(
        ask("short"),
        failure("Fail to interact with OCI registry: a blob is larger than its manifest says")
    );
    assert_eq!(
        ask("huge"),
        failure(
            "Fail to interact with OCI registry: a blob of 5000000 bytes is larger than the \
             4194304 that are read"
        )
    );
}

#[test]
fn signatures_are_neither_large_nor_many() {
    let layer = |size: usize| {
        json!({
            "mediaType": "application/vnd.dev.cosign.simplesigning.v1+json",
            "digest": sha256(b""),
            "size": size,
            "annotations": {"dev.cosignproject.cosign/signature": "AAAA"},
        })
    };
    let mut image: Value = serde_json::from_str(&manifest(&json!({}))).unwrap();
    for (layers, problem) in [
        (
            vec![layer(65_537)],
            "Fail to interact with OCI registry: a blob of 65537 bytes is larger than the 65536 that \
             are read",
        ),
        (
            vec![layer(0); 1001],
            "failed to get image trusted layers: 1001 signatures are more than the 1000 that are read",
        ),
    ] {
        image["layers"] = json!(layers);
        let manifest = image.to_string();
        let server = Server::start(move |_| Response::ok(manifest.clone()));
        let image = format!("{}/app:1", server.address);
        assert_eq!(
            call(
                &server.registry(),
                "v2/verify",
                &verify(&image, &[&Key::new()], &json!(null))
            ),
            failure(problem)
        );
    }
}

#[test]
fn a_manifest_cannot_send_the_host_elsewhere() {
    let elsewhere = Server::start(|_| Response::ok("{}".to_owned()));
    let manifest = manifest(&json!({
        "digest": sha256(b"{}"),
        "size": 2,
        "urls": [format!("http://{}/blob", elsewhere.address)],
    }));
    let server = Server::start(move |path| {
        if path.contains("/manifests/") {
            Response::ok(manifest.clone())
        } else {
            Response {
                status: "404 Not Found",
                ..Response::ok(String::new())
            }
        }
    });
    let image = json!(format!("{}/app:1", server.address));
    assert_eq!(
        call(&server.registry(), "v1/oci_manifest_config", &image),
        failure(&format!(
            "Fail to interact with OCI registry: Server error: url http://{}/v2/app/blobs/{}, \
             code: 404, message: ",
            server.address,
            sha256(b"{}")
        ))
    );
    assert_eq!(
        elsewhere.requests.try_iter().collect::<Vec<_>>(),
        Vec::<String>::new()
    );
}

#[test]
fn a_registry_that_does_not_answer_is_not_waited_for() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let registry = Registry::new(
        Access::new(Options {
            insecure: vec![address.parse().unwrap()],
            docker_config: DockerConfig::in_folder("/none"),
            deadline: Duration::from_millis(200),
        })
        .unwrap(),
    );
    let image = format!("{address}/app:1");
    assert_eq!(
        call(&registry, "v1/manifest_digest", &json!(image)),
        failure(&format!(
            "Fail to interact with OCI registry: {address} did not answer within 200ms"
        ))
    );
    assert_eq!(
        call(
            &registry,
            "v2/verify",
            &verify(&image, &[&Key::new()], &json!(null))
        ),
        failure(&format!(
            "failed to get image trusted layers: Cannot fetch manifest of {image}: {address} did \
             not answer within 200ms"
        ))
    );
}

#[test]
fn signatures_that_cannot_be_fetched_are_not_missing() {
    let manifest = manifest(&json!({}));
    let server = Server::start(move |path| {
        if path.contains("/manifests/sha256-") {
            Response {
                status: "503 Service Unavailable",
                ..Response::ok("later".to_owned())
            }
        } else {
            Response::ok(manifest.clone())
        }
    });
    let image = format!("{}/app:1", server.address);
    let error = call(
        &server.registry(),
        "v2/verify",
        &verify(&image, &[&Key::new()], &json!(null)),
    )
    .unwrap_err();
    assert!(
        error.starts_with(&format!(
            "Callback evaluation failure: failed to get image trusted layers: Cannot pull the \
             signatures of {image}: Server error: "
        )) && error.ends_with("code: 503, message: later"),
        "{error}"
    );
}

/// A registry that answers whatever the test wants.
struct Server {
    address: String,
    /// The paths that were asked for.
    requests: Receiver<String>,
}

struct Response {
    status: &'static str,
    /// Each with its line end.
    headers: String,
    body: String,
}

impl Response {
    fn ok(body: String) -> Self {
        Self {
            status: "200 OK",
            headers: String::new(),
            body,
        }
    }
}

impl Server {
    fn start(answer: impl Fn(&str) -> Response + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (send, requests) = mpsc::channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut lines = BufReader::new(&stream).lines();
                let Some(Ok(first)) = lines.next() else {
                    continue;
                };
                for line in lines.by_ref() {
                    if line.unwrap().is_empty() {
                        break;
                    }
                }
                let path = first.split(' ').nth(1).unwrap().to_owned();
                let Response {
                    status,
                    headers,
                    body,
                } = answer(&path);
                // The client may have heard enough.
                drop(write!(
                    stream,
                    "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\
                     {headers}\r\n{body}",
                    body.len()
                ));
                if send.send(path).is_err() {
                    return;
                }
            }
        });
        Self { address, requests }
    }

    fn registry(&self) -> Registry {
        Registry::new(access(&[&self.address], DockerConfig::in_folder("/none")))
    }
}

/// An image manifest with this descriptor of its configuration.
fn manifest(config: &Value) -> String {
    let mut descriptor = json!({
        "mediaType": "application/vnd.oci.image.config.v1+json",
        "digest": sha256(b""),
        "size": 0,
    });
    for (key, value) in config.as_object().unwrap() {
        descriptor[key] = value.clone();
    }
    json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor,
        "layers": [],
    })
    .to_string()
}

fn sha256(bytes: &[u8]) -> String {
    ImageLayer::oci_v1(bytes.to_vec(), None).sha256_digest()
}
