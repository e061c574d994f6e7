//! Keys, in words. Of a private key only its kind is told, never a byte of it.

use const_oid::ObjectIdentifier;
use der::asn1::{AnyRef, BitStringRef, OctetStringRef, UintRef};
use der::{Decode, Reader, SliceReader, Tag, TagNumber};
use serde::Serialize;
use spki::AlgorithmIdentifierRef;

use super::algorithm::{
    AlgorithmDescription, Of, PartDescription, Support, algorithm, component_words, parts,
};
use crate::key::{PrivateKey, PrivateKeyKind, SubjectKey, SuitePublicKey};
use crate::suite::Suite;

const RSA: ObjectIdentifier = const_oid::db::rfc5912::RSA_ENCRYPTION;
const EC: ObjectIdentifier = const_oid::db::rfc5912::ID_EC_PUBLIC_KEY;

/// Curves by OID: name, words, and whether there is a suite for it.
const CURVES: [(&str, &str, &str, Support); 8] = [
    (
        "1.2.840.10045.3.1.7",
        "ecdsa-p256",
        "ECDSA P-256",
        Support::Supported,
    ),
    ("1.3.132.0.34", "ecdsa-p384", "ECDSA P-384", Support::Supported),
    ("1.3.132.0.35", "ecdsa-p521", "ECDSA P-521", Support::Supported),
    (
        "1.3.132.0.10",
        "secp256k1",
        "ECDSA secp256k1",
        Support::NotImplemented,
    ),
    (
        "1.3.36.3.3.2.8.1.1.7",
        "brainpoolP256r1",
        "ECDSA brainpoolP256r1",
        Support::NotImplemented,
    ),
    (
        "1.3.36.3.3.2.8.1.1.11",
        "brainpoolP384r1",
        "ECDSA brainpoolP384r1",
        Support::NotImplemented,
    ),
    (
        "1.3.36.3.3.2.8.1.1.13",
        "brainpoolP512r1",
        "ECDSA brainpoolP512r1",
        Support::NotImplemented,
    ),
    ("1.2.156.10197.1.301", "sm2", "SM2", Support::NotImplemented),
];

/// A public key, in words.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct PublicKeyDescription {
    /// What kind of key it is.
    pub algorithm: AlgorithmDescription,
    /// The form of identity it belongs to (`classical`, `ml-dsa`, `composite`), if it can have one here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub form: Option<&'static str>,
    /// Size of the key's encoding, in bytes.
    pub bytes: usize,
    /// The halves of a composite key; empty for others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<PartDescription>,
    /// The key identifier that this software would give it (RFC 7093, method 1), in hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// Why the key cannot be used here, if it cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// A private key, in words.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct PrivateKeyDescription {
    /// What kind of key it is.
    pub algorithm: AlgorithmDescription,
    /// What the container holds, such as "the 32-byte seed" for ML-DSA.
    pub contents: String,
    /// Whether this software would keep it: an ML-DSA key without its seed is used but never stored.
    pub can_be_stored: bool,
    /// The public key that belongs to it, if it could be derived.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_key: Option<PublicKeyDescription>,
    /// Why the key cannot be used here, if it cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Describes a DER SubjectPublicKeyInfo; `None` when it is none at all.
pub(super) fn public_key(spki: &[u8]) -> Option<PublicKeyDescription> {
    let (identifier, bits) = split_spki(spki).ok()?;
    let mut description = PublicKeyDescription {
        algorithm: key_algorithm(&identifier),
        form: None,
        bytes: bits.len(),
        parts: parts(identifier.oid, Of::Key, bits.len()),
        key_id: None,
        problem: None,
    };
    match SubjectKey::from_spki_der(spki) {
        Ok(key) => {
            description.algorithm.name = key.algorithm_name();
            description.form = Some(key.form().name());
            description.key_id = Some(key.skid().to_string());
        }
        Err(error) => description.problem = Some(error.to_string()),
    }
    if identifier.oid == RSA
        && let Some(bits) = rsa_bits(bits)
    {
        description.algorithm.words = format!("RSA key of {bits} bits");
    }
    Some(description)
}

pub(super) fn of_suite(key: &SuitePublicKey) -> Option<PublicKeyDescription> {
    public_key(&key.spki_der())
}

/// Describes a PKCS#8 document and gives the key if it is one of ours; `None` when it is no PKCS#8 at all.
pub(super) fn private_key(pkcs8: &[u8]) -> Option<(PrivateKeyDescription, Option<PrivateKey>)> {
    let (identifier, content) = split_pkcs8(pkcs8).ok()?;
    let mut description = PrivateKeyDescription {
        algorithm: key_algorithm(&identifier),
        contents: contents(&identifier, content),
        can_be_stored: false,
        public_key: None,
        problem: None,
    };
    let key = match PrivateKey::from_pkcs8_der(pkcs8) {
        Ok(key) => key,
        Err(error) => {
            description.problem = Some(error.to_string());
            return Some((description, None));
        }
    };
    description.algorithm.name = key.suite().name().to_owned();
    description.can_be_stored = key.can_be_stored();
    match key.public_key() {
        Ok(public) => description.public_key = of_suite(&public),
        Err(error) => description.problem = Some(error.to_string()),
    }
    if key.kind() == PrivateKeyKind::Expanded {
        let note = "it has no seed, so it can sign but is never stored or made half of a composite";
        description.problem.get_or_insert_with(|| note.to_owned());
    }
    Some((description, Some(key)))
}

/// An algorithm identifier of a key, whose parameters name the curve if it has one.
fn key_algorithm(identifier: &AlgorithmIdentifierRef<'_>) -> AlgorithmDescription {
    let mut described = algorithm(identifier.oid);
    if identifier.oid != EC {
        return described;
    }
    let curve = identifier
        .parameters
        .and_then(|parameters| parameters.decode_as::<ObjectIdentifier>().ok());
    let Some(curve) = curve.map(|oid| oid.to_string()) else {
        return described;
    };
    described.words = format!("elliptic curve key on the unknown curve {curve}");
    described.support = Support::Unknown;
    if let Some(&(_, name, words, support)) = CURVES.iter().find(|(oid, ..)| *oid == curve) {
        described.name = name.to_owned();
        described.words = format!("{words} key");
        described.support = support;
    }
    described
}

/// What the private key's OCTET STRING holds, by its tag and length alone.
fn contents(identifier: &AlgorithmIdentifierRef<'_>, content: &[u8]) -> String {
    let suite = Suite::from_signature_oid(&identifier.oid);
    match suite.map(|suite| (suite, suite.components())) {
        Some((_, [component])) if component.is_ml_dsa() => ml_dsa_contents(content),
        Some((suite, [ml_dsa, traditional])) if suite.is_composite() => format!(
            "the 32-byte {} seed and the {} private key ({} bytes)",
            component_words(*ml_dsa),
            component_words(*traditional),
            content.len().saturating_sub(32)
        ),
        _ if identifier.oid == RSA => match rsa_private_bits(content) {
            Some(bits) => format!("an RSA private key of {bits} bits"),
            None => format!("{} bytes that are no RSA private key", content.len()),
        },
        _ => format!("a private key in {} bytes", content.len()),
    }
}

/// RFC 9881 §6: a CHOICE of seed, expanded key, or both.
fn ml_dsa_contents(content: &[u8]) -> String {
    const SEED: Tag = Tag::ContextSpecific {
        constructed: false,
        number: TagNumber(0),
    };
    let Ok(choice) = AnyRef::from_der(content) else {
        return format!("{} bytes that are neither seed nor expanded key", content.len());
    };
    let len = choice.value().len();
    match der::Tagged::tag(&choice) {
        SEED => format!("the {len}-byte seed (what RFC 9881 recommends)"),
        Tag::OctetString => format!("the expanded key alone ({len} bytes), without its seed"),
        Tag::Sequence => "both the seed and the expanded key".to_owned(),
        _ => format!("{len} bytes that are neither seed nor expanded key"),
    }
}

fn split_spki(der: &[u8]) -> der::Result<(AlgorithmIdentifierRef<'_>, &[u8])> {
    let mut reader = SliceReader::new(der)?;
    let (identifier, bits) = reader.sequence(|reader| {
        Ok::<_, der::Error>((
            AlgorithmIdentifierRef::decode(reader)?,
            BitStringRef::decode(reader)?,
        ))
    })?;
    reader.finish()?;
    Ok((identifier, bits.raw_bytes()))
}

/// Algorithm and content of a `OneAsymmetricKey` (RFC 5958 §2).
fn split_pkcs8(der: &[u8]) -> der::Result<(AlgorithmIdentifierRef<'_>, &[u8])> {
    let mut reader = SliceReader::new(der)?;
    let parts = reader.sequence(|reader| {
        u8::decode(reader)?;
        let identifier = AlgorithmIdentifierRef::decode(reader)?;
        let content = <&OctetStringRef>::decode(reader)?;
        while !reader.is_finished() {
            reader.tlv_bytes()?; // attributes, public key
        }
        Ok::<_, der::Error>((identifier, content.as_bytes()))
    })?;
    reader.finish()?;
    Ok(parts)
}

fn rsa_bits(public: &[u8]) -> Option<usize> {
    let modulus = AnyRef::from_der(public).ok()?.sequence(|reader| {
        let modulus = UintRef::decode(reader)?;
        UintRef::decode(reader)?;
        Ok::<_, der::Error>(modulus)
    });
    bit_len(modulus.ok()?.as_bytes())
}

fn rsa_private_bits(private: &[u8]) -> Option<usize> {
    let modulus = AnyRef::from_der(private).ok()?.sequence(|reader| {
        u8::decode(reader)?;
        let modulus = UintRef::decode(reader)?;
        while !reader.is_finished() {
            reader.tlv_bytes()?;
        }
        Ok::<_, der::Error>(modulus)
    });
    bit_len(modulus.ok()?.as_bytes())
}

fn bit_len(big_endian: &[u8]) -> Option<usize> {
    let leading = usize::try_from(big_endian.first()?.leading_zeros()).ok()?;
    (big_endian.len() * 8).checked_sub(leading)
}
