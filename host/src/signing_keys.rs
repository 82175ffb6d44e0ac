//! Keys that no signature of cosign's verifies with.
//!
//! A policy server verifies with the hash that goes with the curve of a key, which is SHA-384 for
//! P-384, and reads no key on P-521 (sigstore 0.13). Cosign signs with SHA-256, whatever the key,
//! unless it is told otherwise. So settings with such a key are valid, and no image is signed as
//! they ask.

use serde_json::Value;
use sigstore::crypto::CosignVerificationKey;
use x509_cert::Certificate;
use x509_cert::der::DecodePem as _;

/// What to say about the keys and certificates in the settings of this policy, each with its path
/// below them. What is no key is a matter of the settings' own validation.
#[must_use]
pub fn warnings(settings: &Value) -> Vec<String> {
    let mut warnings = Vec::new();
    let rules = items(settings.pointer("/signatures/rules"));
    for (rule_index, rule) in rules.iter().enumerate() {
        for (index, authority) in items(rule.get("anyOf")).iter().enumerate() {
            let at = format!("signatures.rules[{rule_index}].anyOf[{index}]");
            let keys = items(authority.get("publicKeys")).iter().enumerate();
            let keys = keys.map(|(index, key)| (format!("publicKeys[{index}]"), public_key(key)));
            let certificate = authority
                .pointer("/certificate/pem")
                .and_then(certificate_key);
            let keys = keys.chain([("certificate.pem".to_owned(), certificate)]);
            warnings.extend(keys.filter_map(|(path, key)| {
                let problem = problem(&key?)?;
                Some(format!("{at}.{path} holds {problem}; use a P-256 key"))
            }));
        }
    }
    warnings
}

fn public_key(pem: &Value) -> Option<CosignVerificationKey> {
    CosignVerificationKey::try_from_pem(pem.as_str()?.as_bytes()).ok()
}

fn certificate_key(pem: &Value) -> Option<CosignVerificationKey> {
    let certificate = Certificate::from_pem(pem.as_str()?).ok()?;
    let key = certificate.tbs_certificate().subject_public_key_info();
    CosignVerificationKey::try_from(key).ok()
}

fn problem(key: &CosignVerificationKey) -> Option<&'static str> {
    match key {
        CosignVerificationKey::ECDSA_P384_SHA384_ASN1(_) => Some(
            "a P-384 key, with which policy servers verify SHA-384, and cosign signs SHA-256 \
             unless it is told otherwise: no such signature verifies",
        ),
        CosignVerificationKey::ECDSA_P521_SHA512_ASN1(_) => {
            Some("a P-521 key, which policy servers cannot read: no signature verifies")
        }
        _ => None,
    }
}

/// The entries of a list; none of what is no list.
fn items(list: Option<&Value>) -> &[Value] {
    list.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use sigstore::crypto::Signature;

    #[test]
    fn a_key_of_another_hash_than_sha256_is_named() {
        let settings = json!({"signatures": {"rules": [
            {"images": ["a.example"], "anyOf": [{"publicKeys": [P256]}]},
            {"images": ["b.example"], "anyOf": [
                {"keyless": {"issuer": "https://issuer.example", "subject": "a"}},
                {"publicKeys": [P256, P384]},
                {"certificate": {"pem": P256_CERTIFICATE}},
                {"certificate": {"pem": P384_CERTIFICATE}},
                {"publicKeys": [P521, ED25519]},
            ]},
        ]}});
        let p384 = "a P-384 key, with which policy servers verify SHA-384, and cosign signs SHA-256 unless it is told otherwise: no such signature verifies";
        let p521 = "a P-521 key, which policy servers cannot read: no signature verifies";
        let warning = |path: &str, problem: &str| {
            format!("signatures.rules[1].{path} holds {problem}; use a P-256 key")
        };
        assert_eq!(
            warnings(&settings),
            [
                warning("anyOf[1].publicKeys[1]", p384),
                warning("anyOf[3].certificate.pem", p384),
                warning("anyOf[4].publicKeys[0]", p521),
            ]
        );
    }

    #[test]
    fn what_is_no_key_is_not_judged_here() {
        for settings in [
            json!(null),
            json!({"signatures": null}),
            json!({"signatures": {"rules": {}}}),
            json!({"signatures": {"rules": [{"anyOf": [{"publicKeys": ["", 1, P256_CERTIFICATE]}]}]}}),
            json!({"signatures": {"rules": [{"anyOf": [{"certificate": {"pem": P384}}]}]}}),
        ] {
            assert_eq!(warnings(&settings), [""; 0], "{settings}");
        }
    }

    /// The signatures are `openssl dgst -sha256 -sign` and `-sha384 -sign`.
    #[test]
    fn a_p_384_key_verifies_sha_384_and_never_sha_256() {
        let key = public_key(&json!(P384)).unwrap();
        let verifies = |signature: &str| {
            let signature = Signature::Base64Encoded(signature.as_bytes());
            key.verify_signature(signature, b"the payload of a signature")
                .is_ok()
        };
        assert!(verifies(
            "MGYCMQCMTBkQydndjkvuO22lLvnFB5oACqsi3MtMdeqIcr3/+PP4S3tFzsWU+QBeUTFa40kCMQCmuN+sozbNOiT312d9I0Yjr0tRG57vrxxjOENyt3FyMT9XcJnlgrLHjtOMb50nFAU="
        ));
        assert!(!verifies(
            "MGUCMGWDcts0u333ouaHYBtk3gMNEK8f2/1N46QKMG+Fanmj5isDL0DYiLRi2ae425Z5tQIxAObw85rgcYfL416lRLWuchv50ruiwRDB4T0PMQnYDPeZ9TvvtioK7ByLp5KjCvYU7Q=="
        ));
    }

    const P256: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEu6VMlkh9EPD0zoAnbmdg9W/OxntG\n\
SC0s1s4Om0qupWpGfEXEuDWxz3OvHQhQgykbIA5h1qu7NxzrEUUOS/0Nbg==\n\
-----END PUBLIC KEY-----\n";

    const P384: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAERMaWooFD/s00gkEfyIM9wDPjWBa+iwCo\n\
pV1tsr7H9S5wGyyC8w8CRXXuaOFIMpZ83YxaBo45p29mGhBP8/S9XuIutG1QxIrL\n\
PecTmCCxOacIOn28rVqKWrOmEvRa50T/\n\
-----END PUBLIC KEY-----\n";

    const P521: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MIGbMBAGByqGSM49AgEGBSuBBAAjA4GGAAQAWn9ToUnaz2A7tVEdE8BZv6WZ7YjX\n\
oUW3B18aQdqEqeWvDhFu2gZRDFwhyviCg4FhVL31oJF+F+u8vCae9CD4vqYBKat4\n\
SqTi3q9QaiB/xRdlQBlYgJSaB3KTVJ0aLesRdo6Nvut68two6X4GYhwQkZdCRt2f\n\
L2Pez8C2us3ApZGrico=\n\
-----END PUBLIC KEY-----\n";

    const ED25519: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MCowBQYDK2VwAyEAm+naw7Vjy+GsYSqHKZGIa1NaD0hiLNitFb6COi1sIC4=\n\
-----END PUBLIC KEY-----\n";

    const P256_CERTIFICATE: &str = "\
-----BEGIN CERTIFICATE-----\n\
MIIBejCCAR+gAwIBAgIUbPbCVOrFeHXCa/pxkW093wNixtowCgYIKoZIzj0EAwIw\n\
ETEPMA0GA1UEAwwGc2lnbmVyMCAXDTI2MTEyNzEyMzQzMVoYDzIxMjYxMTAzMTIz\n\
NDMxWjARMQ8wDQYDVQQDDAZzaWduZXIwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC\n\
AAS7pUyWSH0Q8PTOgCduZ2D1b87Ge0ZILSzWzg6bSq6lakZ8RcS4NbHPc68dCFCD\n\
KRsgDmHWq7s3HOsRRQ5L/Q1uo1MwUTAdBgNVHQ4EFgQUDIfTWPv0U1Y6jzjtevsa\n\
OLARnnYwHwYDVR0jBBgwFoAUDIfTWPv0U1Y6jzjtevsaOLARnnYwDwYDVR0TAQH/\n\
BAUwAwEB/zAKBggqhkjOPQQDAgNJADBGAiEA2i5q7zHjbZZSjh5bNw3+vQCyIDYA\n\
ua6QSS/EJdSo2QoCIQDE1vhSvzx39j194PCJuk0C8vx6+daVVPJb+oDRU+KjLw==\n\
-----END CERTIFICATE-----\n";

    const P384_CERTIFICATE: &str = "\
-----BEGIN CERTIFICATE-----\n\
MIIBtTCCATygAwIBAgIUEWYI+WeVC+MnaxVS63VhvI9mPbYwCgYIKoZIzj0EAwIw\n\
ETEPMA0GA1UEAwwGc2lnbmVyMCAXDTI2MTEyNzEyMzQzMloYDzIxMjYxMTAzMTIz\n\
NDMyWjARMQ8wDQYDVQQDDAZzaWduZXIwdjAQBgcqhkjOPQIBBgUrgQQAIgNiAARE\n\
xpaigUP+zTSCQR/Igz3AM+NYFr6LAKilXW2yvsf1LnAbLILzDwJFde5o4Ugylnzd\n\
jFoGjjmnb2YaEE/z9L1e4i60bVDEiss95xOYILE5pwg6fbytWopas6YS9FrnRP+j\n\
UzBRMB0GA1UdDgQWBBTq/kYTBB3zy3m6kjm8XmLayAwqTzAfBgNVHSMEGDAWgBTq\n\
/kYTBB3zy3m6kjm8XmLayAwqTzAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMC\n\
A2cAMGQCMAKo1Hlq4C4rEIlB1q9uCzyENUFtdqAEVC1c2kTXKiCvcQT0P2JvGCVP\n\
JahDewkPJwIwS43/OFfFtGQRlj7SlZqfb7bWgZnSgbvBLNwzTwTf6oz/mWxhHauD\n\
FFl5abLCUtPw\n\
-----END CERTIFICATE-----\n";
}
