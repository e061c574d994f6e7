//! A signature with its content in a `SignedData` (RFC 2315 and RFC 5652), as the metadata service gives it: one signer,
//! RSA with PKCS#1 padding, SHA-256.

use symbolon_crypto::digest::sha256;
use symbolon_crypto::rsa::{RsaPublicKey, RsaScheme};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::key::SubjectKey;

use super::ber::{Element, FIRST, INTEGER, OID, SEQUENCE, SET};

/// 1.2.840.113549.1.7.2
const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
/// 1.2.840.113549.1.7.1
const DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01];
/// 2.16.840.1.101.3.4.2.1
const SHA256: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
/// 1.2.840.113549.1.1.1
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// 1.2.840.113549.1.1.11
const RSA_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b];
/// 1.2.840.113549.1.9.3
const CONTENT_TYPE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x03];
/// 1.2.840.113549.1.9.4
const MESSAGE_DIGEST: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x04];

/// A certificate of Amazon's that documents are signed with.
#[derive(Clone, Debug)]
pub struct Signer {
    key: RsaPublicKey,
    serial: Vec<u8>,
}

/// A certificate that no documents are signed with.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("documents are signed with RSA keys of at least 2048 bits, and this certificate has another: {0}")]
pub struct SignerError(String);

impl Signer {
    /// Takes a certificate. Nothing is checked but its key: whoever configures it says that it is Amazon's.
    ///
    /// # Errors
    /// [`SignerError`].
    pub fn new(certificate: &Certificate) -> Result<Self, SignerError> {
        match certificate.subject_key() {
            Ok(SubjectKey::Rsa(key)) => Ok(Self {
                key: key.clone(),
                serial: stripped(certificate.serial()).to_vec(),
            }),
            Ok(other) => Err(SignerError(other.algorithm_name())),
            Err(error) => Err(SignerError(error.to_string())),
        }
    }
}

/// Checks that a signature is one of these signers', by the serial number in it, and returns what it is on.
///
/// # Errors
/// What is wrong, in words.
pub(super) fn verify(signers: &[Signer], signature: &[u8]) -> Result<Vec<u8>, &'static str> {
    let broken = "it is no PKCS#7 signature with its content";
    let whole = Element::parse(signature).ok_or(broken)?;
    let (content, info) = taken_apart(&whole).ok_or(broken)?;
    let info = info.parts(SEQUENCE).ok_or(broken)?;
    let info =
        SignerInfo::read(info).ok_or("it is not signed with RSA and SHA-256 by whom a certificate names")?;
    let serial = stripped(info.serial);
    // Nothing but the number tells Amazon's certificates apart: all have one issuer's name.
    let mut named = signers.iter().filter(|signer| signer.serial == serial).peekable();
    if named.peek().is_none() {
        return Err("it was signed with another certificate than those that are configured for its region");
    }
    let digest = sha256(&content);
    let signed = match info.attributes {
        None => content.clone(),
        Some(attributes) => {
            let found =
                Attributes::read(attributes).ok_or("its signed attributes are not as they should be")?;
            if found.digest != digest {
                return Err("its signed attributes have another content's hash");
            }
            found.signed
        }
    };
    let is_of = |signer: &Signer| {
        let checked = signer.key.verify(RsaScheme::Pkcs1Sha256, &signed, info.signature);
        checked.is_ok()
    };
    match named.any(is_of) {
        true => Ok(content),
        false => Err("the signature is wrong"),
    }
}

/// A number without zeros before it.
fn stripped(number: &[u8]) -> &[u8] {
    let start = number.iter().position(|byte| *byte != 0).unwrap_or(number.len());
    number.get(start..).unwrap_or_default()
}

/// The content, and the one signer.
fn taken_apart<'e, 'a>(whole: &'e Element<'a>) -> Option<(Vec<u8>, &'e Element<'a>)> {
    let [kind, data] = whole.parts(SEQUENCE)? else {
        return None;
    };
    (kind.bytes(OID)? == SIGNED_DATA).then_some(())?;
    let [data] = data.parts(FIRST)? else { return None };
    let [version, digests, content, rest @ ..] = data.parts(SEQUENCE)? else {
        return None;
    };
    version.bytes(INTEGER)?;
    digests.parts(SET)?;
    let [kind, octets] = content.parts(SEQUENCE)? else {
        return None;
    };
    (kind.bytes(OID)? == DATA).then_some(())?;
    let [octets] = octets.parts(FIRST)? else {
        return None;
    };
    let content = octets.octets()?;
    // Between are certificates and lists of revoked ones, which count for nothing.
    let [signer] = rest.last()?.parts(SET)? else {
        return None;
    };
    Some((content, signer))
}

struct SignerInfo<'e, 'a> {
    serial: &'a [u8],
    attributes: Option<&'e Element<'a>>,
    signature: &'a [u8],
}

impl<'e, 'a> SignerInfo<'e, 'a> {
    fn read(parts: &'e [Element<'a>]) -> Option<Self> {
        let [version, issuer, digest, rest @ ..] = parts else {
            return None;
        };
        version.bytes(INTEGER)?;
        let [_name, serial] = issuer.parts(SEQUENCE)? else {
            return None;
        };
        is_algorithm(digest, &[SHA256])?;
        let (attributes, rest) = match rest {
            [attributes, rest @ ..] if attributes.tag == FIRST => (Some(attributes), rest),
            rest => (None, rest),
        };
        let [algorithm, signature, ..] = rest else {
            return None;
        };
        is_algorithm(algorithm, &[RSA, RSA_SHA256])?;
        Some(Self {
            serial: serial.bytes(INTEGER)?,
            attributes,
            signature: signature.bytes(super::ber::OCTETS)?,
        })
    }
}

fn is_algorithm(element: &Element<'_>, known: &[&[u8]]) -> Option<()> {
    let found = element.parts(SEQUENCE)?.first()?.bytes(OID)?;
    known.contains(&found).then_some(())
}

struct Attributes {
    digest: Vec<u8>,
    /// What the signature is over: the attributes as a set of their own.
    signed: Vec<u8>,
}

impl Attributes {
    fn read(element: &Element<'_>) -> Option<Self> {
        // What is signed is their DER, and of that the first byte alone is different here.
        element.is_definite.then_some(())?;
        let mut signed = element.whole.to_vec();
        *signed.first_mut()? = SET;
        let (mut digest, mut kind) = (None, None);
        for attribute in element.parts(FIRST)? {
            let [name, values] = attribute.parts(SEQUENCE)? else {
                return None;
            };
            let [value] = values.parts(SET)? else { return None };
            let name = name.bytes(OID)?;
            let (place, found) = match name {
                CONTENT_TYPE => (&mut kind, value.bytes(OID)?.to_vec()),
                MESSAGE_DIGEST => (&mut digest, value.octets()?),
                _ => continue,
            };
            if place.replace(found).is_some() {
                return None;
            }
        }
        (kind? == DATA).then_some(())?;
        Some(Self {
            digest: digest?,
            signed,
        })
    }
}
