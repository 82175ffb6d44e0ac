//! X.509 certificates for signing, as a company's own authority would issue them.

use pem::{EncodeConfig, LineEnding, Pem};
use sigstore::crypto::signing_key::SigStoreKeyPair;

use container_security_test_kit::shelf::{Key, SCHEME};

/// A certificate in PEM. The name of the subject and that of the issuer are up to the caller, and so
/// is the last day, as `YYMMDD`.
pub(crate) fn certificate(
    (subject, key): (&str, &Key),
    (issuer, issuer_key): (&str, &Key),
    last_day: &str,
) -> String {
    let algorithm = sequence(&[&tlv(OID, &[ECDSA_WITH_SHA256])]);
    let body = sequence(&[
        &tlv(0xa0, &[&tlv(INTEGER, &[&[2]])]),
        &tlv(INTEGER, &[&[1]]),
        &algorithm,
        &name(issuer),
        &sequence(&[
            &tlv(UTC_TIME, &[b"200101000000Z"]),
            &tlv(UTC_TIME, &[last_day.as_bytes(), b"235959Z"]),
        ]),
        &name(subject),
        &public_key(&key.0),
        &tlv(0xa3, &[&extensions()]),
    ]);
    let signature = issuer_key
        .0
        .to_sigstore_signer(&SCHEME)
        .unwrap()
        .sign(&body)
        .unwrap();
    let certificate = sequence(&[&body, &algorithm, &tlv(BIT_STRING, &[&[0], &signature])]);
    pem::encode_config(
        &Pem::new("CERTIFICATE", certificate),
        EncodeConfig::new().set_line_ending(LineEnding::LF),
    )
}

fn public_key(key: &SigStoreKeyPair) -> Vec<u8> {
    key.public_key_to_der().unwrap()
}

fn name(common_name: &str) -> Vec<u8> {
    let attribute = sequence(&[
        &tlv(OID, &[COMMON_NAME]),
        &tlv(UTF8_STRING, &[common_name.as_bytes()]),
    ]);
    sequence(&[&tlv(SET, &[&attribute])])
}

fn extensions() -> Vec<u8> {
    let extension =
        |id: &[u8], value: &[u8]| sequence(&[&tlv(OID, &[id]), &tlv(OCTET_STRING, &[value])]);
    let digital_signature = tlv(BIT_STRING, &[&[7, 0x80]]);
    let code_signing = sequence(&[&tlv(OID, &[CODE_SIGNING])]);
    let email = sequence(&[&tlv(0x81, &[b"signer@registry.example"])]);
    sequence(&[
        &extension(KEY_USAGE, &digital_signature),
        &extension(EXTENDED_KEY_USAGE, &code_signing),
        &extension(SUBJECT_ALTERNATIVE_NAME, &email),
    ])
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, parts)
}

/// Tag, length and value in DER.
fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let value = parts.concat();
    let mut bytes = vec![tag];
    match value.len() {
        length @ ..0x80 => bytes.push(u8::try_from(length).unwrap()),
        length @ 0x80..0x100 => bytes.extend([0x81, u8::try_from(length).unwrap()]),
        length => {
            bytes.push(0x82);
            bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
    }
    bytes.extend(value);
    bytes
}

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OID: u8 = 0x06;
const UTF8_STRING: u8 = 0x0c;
const UTC_TIME: u8 = 0x17;
const SET: u8 = 0x31;

const ECDSA_WITH_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
const COMMON_NAME: &[u8] = &[0x55, 4, 3];
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 15];
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 37];
const SUBJECT_ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 17];
const CODE_SIGNING: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 3];
