//! X.509 certificates for signing, as a company's own authority or Fulcio would issue them.

#![expect(clippy::unwrap_used, reason = "a test may panic, also in its helpers")]

use pem::{EncodeConfig, LineEnding, Pem};
use sigstore::crypto::signing_key::SigStoreKeyPair;

use crate::shelf::{Key, SCHEME};

/// A certificate in PEM. The name of the subject and that of the issuer are up to the caller, and so
/// is the last day, as `YYMMDD`.
pub fn certificate(subject: (&str, &Key), issuer: (&str, &Key), last_day: &str) -> String {
    let certificate = Certificate {
        start: FIRST_SECOND.to_owned(),
        end: format!("{last_day}235959Z"),
        ..Certificate::for_signing(&[Name::Email("signer@registry.example")])
    };
    pem(&certificate.issue(subject, issuer))
}

/// What a certificate says besides whom it is for and who issues it.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// The first second, as `YYMMDDhhmmssZ`.
    pub start: String,
    /// The last one.
    pub end: String,
    /// In DER, each with its id.
    pub extensions: Vec<Vec<u8>>,
}

impl Certificate {
    /// One that signs code in the name of these.
    pub fn for_signing(names: &[Name<'_>]) -> Self {
        Self::with(vec![
            extension(KEY_USAGE, &digital_signature()),
            extension(EXTENDED_KEY_USAGE, &sequence(&[&tlv(OID, &[CODE_SIGNING])])),
            extension(SUBJECT_ALTERNATIVE_NAME, &alternative_names(names)),
        ])
    }

    /// One that issues others.
    pub fn of_authority() -> Self {
        let is_authority = sequence(&[&tlv(BOOLEAN, &[&[0xff]])]);
        Self::with(vec![
            critical_extension(KEY_USAGE, &tlv(BIT_STRING, &[&[1, 0x06]])),
            critical_extension(BASIC_CONSTRAINTS, &is_authority),
        ])
    }

    fn with(extensions: Vec<Vec<u8>>) -> Self {
        Self {
            start: FIRST_SECOND.to_owned(),
            end: "491231235959Z".to_owned(),
            extensions,
        }
    }

    /// Says something else where it says one thing now, byte by byte.
    pub fn replace(&mut self, old: &[u8], new: &[u8]) {
        for extension in &mut self.extensions {
            if let Some(at) = extension.windows(old.len()).position(|bytes| bytes == old) {
                let tail: Vec<u8> = extension.drain(at..).skip(old.len()).collect();
                extension.extend([new, &tail].concat());
            }
        }
    }

    /// The certificate in DER.
    pub fn issue(
        &self,
        (subject, key): (&str, &Key),
        (issuer, issuer_key): (&str, &Key),
    ) -> Vec<u8> {
        let algorithm = sequence(&[&tlv(OID, &[ECDSA_WITH_SHA256])]);
        let extensions: Vec<&[u8]> = self.extensions.iter().map(Vec::as_slice).collect();
        let body = sequence(&[
            &tlv(0xa0, &[&tlv(INTEGER, &[&[2]])]),
            &tlv(INTEGER, &[&[1]]),
            &algorithm,
            &name(issuer),
            &sequence(&[
                &tlv(UTC_TIME, &[self.start.as_bytes()]),
                &tlv(UTC_TIME, &[self.end.as_bytes()]),
            ]),
            &name(subject),
            &public_key(&key.0),
            &tlv(0xa3, &[&sequence(&extensions)]),
        ]);
        let signature = issuer_key
            .0
            .to_sigstore_signer(&SCHEME)
            .unwrap()
            .sign(&body)
            .unwrap();
        sequence(&[&body, &algorithm, &tlv(BIT_STRING, &[&[0], &signature])])
    }
}

/// Whom a certificate is for, besides its subject.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Name<'n> {
    Email(&'n str),
    Url(&'n str),
}

/// DER as PEM.
pub fn pem(certificate: &[u8]) -> String {
    pem::encode_config(
        &Pem::new("CERTIFICATE", certificate),
        EncodeConfig::new().set_line_ending(LineEnding::LF),
    )
}

/// An extension of Fulcio's own: text as it is.
pub fn text_extension(id: &[u8], text: &str) -> Vec<u8> {
    sequence(&[&tlv(OID, &[id]), &tlv(OCTET_STRING, &[text.as_bytes()])])
}

/// What a key may be used for: to sign.
pub fn digital_signature() -> Vec<u8> {
    tlv(BIT_STRING, &[&[7, 0x80]])
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

fn alternative_names(names: &[Name<'_>]) -> Vec<u8> {
    let names = names.iter().map(|name| match name {
        Name::Email(email) => tlv(0x81, &[email.as_bytes()]),
        Name::Url(url) => tlv(0x86, &[url.as_bytes()]),
    });
    let names: Vec<_> = names.collect();
    let names: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
    sequence(&names)
}

fn extension(id: &[u8], value: &[u8]) -> Vec<u8> {
    sequence(&[&tlv(OID, &[id]), &tlv(OCTET_STRING, &[value])])
}

fn critical_extension(id: &[u8], value: &[u8]) -> Vec<u8> {
    let critical = tlv(BOOLEAN, &[&[0xff]]);
    sequence(&[&tlv(OID, &[id]), &critical, &tlv(OCTET_STRING, &[value])])
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

const BOOLEAN: u8 = 0x01;
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
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 19];
const CODE_SIGNING: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 3];

/// From which day on all certificates are valid.
const FIRST_SECOND: &str = "200101000000Z";
