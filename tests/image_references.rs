//! Image references are parsed as containerd parses them.
//!
//! `image-references.jsonl` holds one reference a line, with the parts that
//! `github.com/distribution/reference` finds in it, or the kind of its error. The vectors below
//! are about lengths and borders.

use container_security::{ImagePattern, Reference, ReferenceError};
use serde::Deserialize;

/// A line of `image-references.jsonl`. A part that a reference does not have is empty.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    input: String,
    valid: bool,
    #[serde(default)]
    registry: String,
    #[serde(default)]
    repository: String,
    #[serde(default)]
    tag: String,
    #[serde(default)]
    digest: String,
    #[serde(default)]
    error: String,
}

#[test]
fn every_vector_is_parsed_as_the_reference_implementation_parses_it() {
    let vectors: Vec<Vector> = include_str!("image-references.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(vectors.len(), 64);
    for vector in vectors {
        let input = &vector.input;
        match Reference::parse(input) {
            Ok(found) => {
                assert!(vector.valid, "{input:?} is no reference, but {found:?}");
                assert_eq!(found.registry(), vector.registry, "registry of {input:?}");
                assert_eq!(
                    found.repository(),
                    vector.repository,
                    "repository of {input:?}"
                );
                assert_eq!(
                    found.tag().unwrap_or_default(),
                    vector.tag,
                    "tag of {input:?}"
                );
                assert_eq!(
                    found.digest().unwrap_or_default(),
                    vector.digest,
                    "digest of {input:?}"
                );
            }
            Err(error) => {
                assert!(!vector.valid, "{input:?} is a reference, but {error}");
                assert_eq!(kind(error), vector.error, "error of {input:?}");
            }
        }
    }
}

#[test]
fn only_a_container_may_not_name_an_image_id_or_its_beginning() {
    let digest = format!("sha256:{}", "a".repeat(64));
    for text in [
        digest.as_str(),
        digest.strip_suffix('a').unwrap(),
        "sha256:0123456789ab",
        "sha256:0",
        "sha256:BEEF",
        "sha384:beef",
        "sha512:beef",
    ] {
        assert_eq!(
            Reference::of_container(text),
            Err(ReferenceError::NodeLocalId),
            "{text}"
        );
    }
    for text in [
        "sha256",
        "sha256:",
        "sha256:latest",
        "sha256:beef-1",
        "md5:beef",
        "beef:0",
        "beef",
        &format!("sha256:beef@{digest}"),
        &"A".repeat(64),
        "docker.io/library/sha256:a",
        "library/sha256:a",
    ] {
        assert_eq!(
            Reference::of_container(text),
            Reference::parse(text),
            "{text}"
        );
    }
}

#[test]
fn a_list_that_restricts_means_a_registry_by_all_its_names() {
    let digest = format!("sha256:{}", "a".repeat(64));
    for (pattern, image, opens, restricts) in [
        ("docker.io", "nginx", true, true),
        (
            "docker.io",
            "registry-1.docker.io/library/nginx",
            false,
            true,
        ),
        ("docker.io", "docker.io:443/org/app", false, true),
        ("docker.io", "index.docker.io:443/org/app", false, true),
        ("registry-1.docker.io/org", "org/app", false, true),
        ("registry.hub.docker.com/nginx", "nginx:1", false, true),
        ("registry.hub.docker.com/nginx:1", "nginx:1", false, true),
        ("registry.hub.docker.com/nginx:2", "nginx:1", false, false),
        ("docker.io/nginx", "nginx", false, true),
        ("docker.io/nginx", "nginx/app", true, true),
        ("docker.io/*", "nginx", true, true),
        ("docker.io/nginx:1", "nginx:1", true, true),
        ("docker.io/org", "library/org", false, true),
        ("docker.io/org", "other/org", false, false),
        ("ghcr.io:443/org", "ghcr.io/org/app", false, true),
        ("ghcr.io/org", "ghcr.io:0443/org/app", false, true),
        ("ghcr.io/org", "ghcr.io:8443/org/app", false, false),
        ("ghcr.io:8443/org", "ghcr.io:08443/org/app", true, true),
        ("*.corp.example", "a.corp.example:443/app", false, true),
        ("*.corp.example:443", "a.corp.example/app", false, true),
        ("*.corp.example", "a.b.corp.example/app", false, false),
        ("*.docker.io", "registry-1.docker.io/org/app", true, true),
        (
            "*.docker.io",
            "registry-1.docker.io:443/org/app",
            false,
            true,
        ),
        ("*.docker.io", "index.docker.io/org/app", false, true),
        ("*.docker.io/org", "org/app", false, true),
        ("*.docker.io/other", "org/app", false, false),
        ("*.docker.io/nginx", "nginx", false, true),
        (
            "*.docker.io:443",
            "registry-1.docker.io/org/app",
            false,
            true,
        ),
        (
            "*.docker.io:5000",
            "registry-1.docker.io/org/app",
            false,
            false,
        ),
        ("*.docker.io", "docker.io:5000/org/app", false, false),
        ("*.docker.io:5000", "docker.io:5000/org/app", false, false),
        (
            "registry-1.docker.io:5000",
            "docker.io:5000/org/app",
            false,
            false,
        ),
        ("docker.io:5000", "docker.io:5000/org/app", true, true),
        (
            "*.hub.docker.com",
            "registry.hub.docker.com:443/a/b",
            false,
            true,
        ),
        ("*.hub.docker.com", "org/app", false, true),
        ("*.docker.com", "org/app", false, false),
        ("*.registry-1.docker.io", "a.docker.io/app", false, false),
        (
            "ghcr.io/org/app:1",
            &format!("ghcr.io/org/app:1@{digest}"),
            false,
            true,
        ),
        ("ghcr.io/org/app:1", "ghcr.io/org/app:1", true, true),
        ("ghcr.io/org/app:latest", "ghcr.io/org/app", true, true),
        (
            "ghcr.io/org/app:latest",
            &format!("ghcr.io/org/app@{digest}"),
            false,
            false,
        ),
        (
            "ghcr.io/org/app:1",
            &format!("ghcr.io/org/app:2@{digest}"),
            false,
            false,
        ),
        (
            &format!("ghcr.io/org/app@{digest}"),
            &format!("ghcr.io:443/org/app:2@{digest}"),
            false,
            true,
        ),
    ] {
        let reference = Reference::parse(image).unwrap();
        let parsed = ImagePattern::parse(pattern).unwrap();
        assert_eq!(
            parsed.matches(&reference),
            opens,
            "{pattern} opens to {image}"
        );
        assert_eq!(
            parsed.restricts(&reference),
            restricts,
            "{pattern} restricts {image}"
        );
    }
}

/// Whoever writes an image may choose among these.
#[test]
fn no_spelling_of_an_image_leads_past_a_list_that_restricts() {
    let digest = format!("sha256:{}", "a".repeat(64));
    let images = [
        (vec!["nginx", "library/nginx"], format!(":1@{digest}")),
        (vec!["nginx", "library/nginx"], String::new()),
        (vec!["org/app"], ":1".to_owned()),
        (vec!["library/nginx/app"], ":latest".to_owned()),
    ];
    for pattern in patterns_of_docker_hub() {
        for (paths, version) in &images {
            let mut spellings = Vec::new();
            for host in [
                "docker.io",
                "index.docker.io",
                "registry-1.docker.io",
                "Registry.Hub.Docker.com",
            ] {
                for port in ["", ":443", ":00443"] {
                    spellings.extend(
                        paths
                            .iter()
                            .map(|path| format!("{host}{port}/{path}{version}")),
                    );
                }
            }
            let parsed: Vec<_> = spellings
                .iter()
                .map(|text| Reference::parse(text).unwrap())
                .collect();
            let parsed_pattern = ImagePattern::parse(&pattern).unwrap();
            let restricts = parsed
                .iter()
                .any(|image| parsed_pattern.matches(image) || parsed_pattern.restricts(image));
            for image in &parsed {
                assert_eq!(
                    parsed_pattern.restricts(image),
                    restricts,
                    "{pattern} restricts {image}"
                );
            }
        }
    }
}

fn patterns_of_docker_hub() -> Vec<String> {
    let mut patterns = Vec::new();
    for host in [
        "docker.io",
        "index.docker.io",
        "registry-1.docker.io",
        "*.docker.io",
        "*.hub.docker.com",
        "*.docker.com",
        "ghcr.io",
    ] {
        for port in ["", ":443", ":5000"] {
            for path in [
                "",
                "/library",
                "/nginx",
                "/*",
                "/library/nginx",
                "/org",
                "/*/nginx",
                "/nginx:1",
                "/library/nginx:latest",
                "/library/*:1",
                "/org/app:1",
            ] {
                patterns.push(format!("{host}{port}{path}"));
            }
        }
    }
    patterns
}

#[test]
fn a_registry_has_one_usual_name() {
    for (written, usual) in [
        ("ghcr.io:443/org/app:1", "ghcr.io/org/app:1"),
        ("ghcr.io:00443/org/app", "ghcr.io/org/app"),
        ("[::1]:443/app", "[::1]/app"),
        ("ghcr.io:4430/org/app", "ghcr.io:4430/org/app"),
        ("[::443]/app", "[::443]/app"),
        ("registry-1.docker.io/library/nginx:1", "nginx:1"),
        ("registry-1.docker.io/nginx:1", "nginx:1"),
        ("index.docker.io:443/library/nginx", "nginx"),
        ("Docker.io/nginx", "nginx"),
        ("docker.io:0443/org/app", "org/app"),
        ("docker.io:444/org/app", "docker.io:444/org/app"),
        ("Registry-1.Docker.io:443/org/app", "org/app"),
        (
            "registry.hub.docker.com/library/a/b",
            "docker.io/library/a/b",
        ),
        ("registry-1.docker.io:80/a", "registry-1.docker.io:80/a"),
        ("registry-2.docker.io/a", "registry-2.docker.io/a"),
    ] {
        assert_eq!(
            Reference::parse(written).unwrap().by_usual_name(),
            Reference::parse(usual).unwrap(),
            "{written}"
        );
    }
}

#[test]
fn all_names_of_one_image_are_equal() {
    for (names, others) in [
        (
            [
                "nginx",
                "library/nginx",
                "docker.io/nginx",
                "index.docker.io/library/nginx",
            ],
            [
                "nginx:latest",
                "library/nginx/nginx",
                "ghcr.io/nginx",
                "ghcr.io/library/nginx",
            ],
        ),
        (
            ["a/b:1", "docker.io/a/b:1", "index.docker.io/a/b:1", "a/b:1"],
            ["a/b", "b:1", "library/b:1", "index.docker.io:443/a/b:1"],
        ),
    ] {
        for name in names {
            assert_eq!(Reference::parse(name), Reference::parse(names[0]), "{name}");
        }
        for other in others {
            assert_ne!(
                Reference::parse(other),
                Reference::parse(names[0]),
                "{other}"
            );
        }
    }
}

#[test]
fn a_repository_has_at_most_255_bytes_with_what_is_added_to_it() {
    let long = "a".repeat(255);
    assert!(Reference::parse(&format!("ghcr.io/{long}")).is_ok());
    assert!(Reference::parse(&format!("ghcr.io/{long}:tag")).is_ok());
    assert_eq!(
        Reference::parse(&format!("ghcr.io/{long}a")),
        Err(ReferenceError::TooLong)
    );
    // `library/` is a part of the repository.
    let official = "a".repeat(255 - "library/".len());
    assert!(Reference::parse(&official).is_ok());
    assert_eq!(
        Reference::parse(&format!("{official}a")),
        Err(ReferenceError::TooLong)
    );
    // The registry is not.
    let host = format!("{}.io", "h".repeat(300));
    assert!(Reference::parse(&format!("{host}/{long}")).is_ok());
}

#[test]
fn a_tag_has_at_most_128_bytes() {
    for tag in ["a".repeat(128), "_".to_owned(), "A.-_".to_owned()] {
        let text = format!("nginx:{tag}");
        assert_eq!(
            Reference::parse(&text).unwrap().tag(),
            Some(tag.as_str()),
            "{text}"
        );
    }
    for tag in ["a".repeat(129), ".a".to_owned(), "-a".to_owned()] {
        let text = format!("nginx:{tag}");
        assert_eq!(
            Reference::parse(&text),
            Err(ReferenceError::Format),
            "{text}"
        );
    }
}

#[test]
fn separators_stand_between_words_and_in_four_forms() {
    for repository in [
        "a.b",
        "a_b",
        "a__b",
        "a-b",
        "a--b",
        "a-----b",
        "0/1/2",
        "a.b_c__d-e",
    ] {
        let text = format!("ghcr.io/{repository}");
        assert_eq!(
            Reference::parse(&text).unwrap().repository(),
            repository,
            "{text}"
        );
    }
    for repository in [
        "a..b", "a___b", "a._b", "a-_b", "a_-b", "-a", "a-", ".a", "a.", "_a", "a_", "a//b", "/a",
        "a/", "a/-b", "a+b", "a b", "a\tb", "a%20b", "a~b", "a=b",
    ] {
        let text = format!("ghcr.io/{repository}");
        assert_eq!(
            Reference::parse(&text),
            Err(ReferenceError::Format),
            "{text}"
        );
    }
}

#[test]
fn what_stands_before_the_first_slash_is_a_host_by_its_look() {
    for (text, registry, repository) in [
        ("localhost/a", "localhost", "a"),
        ("localhost.x/a", "localhost.x", "a"),
        ("localhosts/a", "docker.io", "localhosts/a"),
        ("a.b/c", "a.b", "c"),
        ("a:1/c", "a:1", "c"),
        ("a:00443/c", "a:00443", "c"),
        ("a:99999999/c", "a:99999999", "c"),
        ("A/c", "A", "c"),
        ("aB/c", "aB", "c"),
        ("a-b/c", "docker.io", "a-b/c"),
        ("1/c", "docker.io", "1/c"),
        ("1.2/c", "1.2", "c"),
        ("[::1]/c", "[::1]", "c"),
        ("[::1]:5000/c/d", "[::1]:5000", "c/d"),
        ("[2001:DB8::1]:443/c", "[2001:DB8::1]:443", "c"),
        ("index.docker.io/a", "docker.io", "library/a"),
        ("index.docker.io/a/b", "docker.io", "a/b"),
        ("docker.io/library/a", "docker.io", "library/a"),
        ("docker.io:443/a", "docker.io:443", "a"),
        ("INDEX.docker.io/a", "INDEX.docker.io", "a"),
    ] {
        let found = Reference::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(
            (found.registry(), found.repository().as_ref()),
            (registry, repository),
            "{text}"
        );
    }
    for text in [
        "a./b",
        ".a/b",
        "a..b/c",
        "a-.b/c",
        "a.-b/c",
        "A_b/c",
        "a:/b",
        "a:b/c",
        "a:-1/b",
        "a:1:2/b",
        "[]/b",
        "[::1/b",
        "::1]/b",
        "[::g]/b",
        "[::1]5000/b",
        "[::1]:/b",
        "[fe80::1%eth0]/b",
        "[::ffff:1.2.3.4]/b",
        "@/b",
        "a@b.c/d",
    ] {
        assert_eq!(
            Reference::parse(text),
            Err(ReferenceError::Format),
            "{text}"
        );
    }
}

#[test]
fn a_digest_has_the_length_of_its_algorithm() {
    for (algorithm, digits) in [("sha256", 64), ("sha384", 96), ("sha512", 128)] {
        let digest = |digits| format!("{algorithm}:{}", "0".repeat(digits));
        let text = format!("nginx:1@{}", digest(digits));
        let found = Reference::parse(&text).unwrap();
        assert_eq!(found.digest(), Some(digest(digits).as_str()));
        assert_eq!(found.tag(), Some("1"));
        assert_eq!(found.pulled_tag(), None);
        for wrong in [digits - 1, digits + 1, digits * 2, 32] {
            assert_eq!(
                Reference::parse(&format!("nginx@{}", digest(wrong))),
                Err(ReferenceError::DigestLength),
                "{algorithm}, {wrong} digits"
            );
        }
        // Too short for the grammar, whatever the algorithm.
        assert_eq!(
            Reference::parse(&format!("nginx@{}", digest(31))),
            Err(ReferenceError::Format)
        );
    }
}

#[test]
fn a_digest_is_lower_case_hexadecimal_of_a_known_algorithm() {
    let digits = "0".repeat(64);
    for (digest, error) in [
        (
            format!("sha256:A{}", "0".repeat(63)),
            ReferenceError::DigestFormat,
        ),
        (
            format!("sha256:g{}", "0".repeat(63)),
            ReferenceError::Format,
        ),
        (
            format!("sha224:{digits}"),
            ReferenceError::DigestUnsupported,
        ),
        (
            format!("blake3:{digits}"),
            ReferenceError::DigestUnsupported,
        ),
        (
            format!("sha256+b64:{digits}"),
            ReferenceError::DigestUnsupported,
        ),
        (format!("sha256+64:{digits}"), ReferenceError::Format),
        (format!("sha256:{digits}@"), ReferenceError::Format),
        (
            format!("sha256:{digits}@sha256:{digits}"),
            ReferenceError::Format,
        ),
        (format!("sha256:{digits}:1"), ReferenceError::Format),
        (format!(":{digits}"), ReferenceError::Format),
        (digits.clone(), ReferenceError::Format),
        (String::new(), ReferenceError::Format),
    ] {
        assert_eq!(
            Reference::parse(&format!("nginx@{digest}")),
            Err(error),
            "{digest}"
        );
    }
}

#[test]
fn the_tag_that_is_pulled_is_latest_where_nothing_is_written() {
    let digest = format!("nginx@sha256:{}", "0".repeat(64));
    for (text, pulled) in [
        ("nginx", Some("latest")),
        ("nginx:1", Some("1")),
        ("ghcr.io:5000/x", Some("latest")),
        (digest.as_str(), None),
    ] {
        assert_eq!(
            Reference::parse(text).unwrap().pulled_tag(),
            pulled,
            "{text}"
        );
    }
}

/// The error as `image-references.jsonl` names it.
fn kind(error: ReferenceError) -> &'static str {
    match error {
        ReferenceError::Empty | ReferenceError::Format | ReferenceError::TooLong => "format",
        ReferenceError::Uppercase => "uppercase",
        ReferenceError::Identifier | ReferenceError::NodeLocalId => "identifier",
        ReferenceError::DigestUnsupported => "digest unsupported",
        ReferenceError::DigestLength => "digest length",
        ReferenceError::DigestFormat => "digest format",
    }
}
