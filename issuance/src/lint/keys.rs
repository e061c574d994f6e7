//! The certified key: what kind it is, whether it is the one asked for, and whether anybody else has part of it.

use std::fmt;

use der::asn1::{AnyRef, BitStringRef, ObjectIdentifier, UintRef};
use der::{Decode, Error, Tag, Tagged};
use symbolon_pki::suite::{Family, Suite};

use super::read::{Algorithm, Tbs, sequence};
use super::{Expected, Findings, Issuer, Rule};

const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const SECP256R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const SECP384R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const ECDSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
const ECDSA_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");
const ML_DSA_44: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.3.17");
const ML_DSA_65: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.3.18");
const ML_DSA_87: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.3.19");
const MLDSA44_ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.6.39");
const MLDSA44_P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.6.40");
const MLDSA65_P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.6.45");
const MLDSA65_P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.6.46");
const MLDSA65_ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.6.48");
const MLDSA87_P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.6.49");

/// Raw public key lengths, in bytes: X9.62 uncompressed points, RFC 8032, FIPS 204 table 2.
const P256: usize = 65;
const P384: usize = 97;
const ED25519_LEN: usize = 32;
const ML_DSA_44_LEN: usize = 1312;
const ML_DSA_65_LEN: usize = 1952;
const ML_DSA_87_LEN: usize = 2592;

/// The smallest RSA modulus, in bits.
const MIN_RSA_BITS: usize = 2048;

/// A certified key, as far as the rules for extensions depend on it.
pub(super) struct Key<'a> {
    pub(super) rsa: bool,
    pub(super) family: Family,
    /// The content of the BIT STRING.
    pub(super) bits: &'a [u8],
    /// The lengths of its component keys, which follow one another in `bits`; none for RSA.
    parts: &'static [usize],
}

/// Checks the SubjectPublicKeyInfo; returns the key if it is of a kind that is known.
pub(super) fn check<'a>(tbs: &Tbs<'a>, expected: &Expected<'_>, findings: &mut Findings) -> Option<Key<'a>> {
    findings.require(
        tbs.spki == expected.spki,
        Rule::AskedKey,
        "it is not the key asked for",
    );
    let (algorithm, bits) = match read(tbs.spki) {
        Ok(parts) => parts,
        Err(error) => {
            findings.add(Rule::Structure, format_args!("the SubjectPublicKeyInfo: {error}"));
            return None;
        }
    };
    let Some(key) = identify(&algorithm, bits) else {
        findings.add(
            Rule::KeyAlgorithm,
            "unknown, or with parameters that it does not have",
        );
        return None;
    };
    size(&key, findings);
    let issuer = expected.issuer.suite();
    findings.require(
        key.family == issuer.family(),
        Rule::KeyFamily,
        format_args!("a {} key under {issuer}", key.family),
    );
    reuse(&key, expected, findings);
    Some(key)
}

pub(super) fn read(spki: &[u8]) -> Result<(Algorithm<'_>, &[u8]), Error> {
    sequence(AnyRef::from_der(spki)?, |fields| {
        let algorithm = Algorithm::read(AnyRef::decode(fields)?)?;
        let bits = BitStringRef::decode(fields)?;
        let bits = bits.as_bytes().ok_or_else(|| Tag::BitString.value_error())?;
        Ok((algorithm, bits))
    })
}

pub(super) fn identify<'a>(algorithm: &Algorithm<'_>, bits: &'a [u8]) -> Option<Key<'a>> {
    let key = |family, parts| {
        Some(Key {
            rsa: false,
            family,
            bits,
            parts,
        })
    };
    let oid = ObjectIdentifier::from_bytes(algorithm.oid).ok()?;
    if let Some(parameters) = algorithm.parameters {
        return match oid {
            RSA_ENCRYPTION if parameters.is_null() => Some(Key {
                rsa: true,
                family: Family::Classical,
                bits,
                parts: &[],
            }),
            EC_PUBLIC_KEY if parameters.tag() == Tag::ObjectIdentifier => {
                match ObjectIdentifier::from_bytes(parameters.value()).ok()? {
                    SECP256R1 => key(Family::Classical, &[P256]),
                    SECP384R1 => key(Family::Classical, &[P384]),
                    _ => None,
                }
            }
            _ => None,
        };
    }
    match oid {
        ED25519 => key(Family::Classical, &[ED25519_LEN]),
        ML_DSA_44 => key(Family::MlDsa, &[ML_DSA_44_LEN]),
        ML_DSA_65 => key(Family::MlDsa, &[ML_DSA_65_LEN]),
        ML_DSA_87 => key(Family::MlDsa, &[ML_DSA_87_LEN]),
        MLDSA44_ED25519 => key(Family::Composite, &[ML_DSA_44_LEN, ED25519_LEN]),
        MLDSA44_P256 => key(Family::Composite, &[ML_DSA_44_LEN, P256]),
        MLDSA65_P256 => key(Family::Composite, &[ML_DSA_65_LEN, P256]),
        MLDSA65_P384 => key(Family::Composite, &[ML_DSA_65_LEN, P384]),
        MLDSA65_ED25519 => key(Family::Composite, &[ML_DSA_65_LEN, ED25519_LEN]),
        MLDSA87_P384 => key(Family::Composite, &[ML_DSA_87_LEN, P384]),
        _ => None,
    }
}

pub(super) fn size(key: &Key<'_>, findings: &mut Findings) {
    if key.rsa {
        match modulus_bits(key.bits) {
            Ok(bits) => findings.require(
                bits >= MIN_RSA_BITS,
                Rule::KeySize,
                format_args!("an RSA modulus of {bits} bits"),
            ),
            Err(error) => findings.add(Rule::KeySize, format_args!("no RSAPublicKey: {error}")),
        }
        return;
    }
    let wanted: usize = key.parts.iter().sum();
    findings.require(
        key.bits.len() == wanted,
        Rule::KeySize,
        format_args!("{} bytes where {wanted} are due", key.bits.len()),
    );
    for part in key.components() {
        if matches!(part.len(), P256 | P384) {
            findings.require(
                part.first() == Some(&4),
                Rule::KeySize,
                "the EC point is not uncompressed",
            );
        }
    }
}

fn modulus_bits(pkcs1: &[u8]) -> Result<usize, Error> {
    sequence(AnyRef::from_der(pkcs1)?, |fields| {
        let modulus = UintRef::decode(fields)?;
        let _exponent = UintRef::decode(fields)?;
        let leading = modulus.as_bytes().first().map_or(0, |byte| byte.leading_zeros());
        Ok(modulus.as_bytes().len() * 8 - leading as usize)
    })
}

fn reuse(key: &Key<'_>, expected: &Expected<'_>, findings: &mut Findings) {
    let Issuer::Authority(authority) = expected.issuer else {
        return;
    };
    for issuers in authority.signer().public_key().components() {
        findings.require(
            key.components().all(|own| own != issuers.as_bytes()),
            Rule::KeyReuse,
            format_args!("the {} key is the issuer's too", issuers.component()),
        );
    }
}

impl<'a> Key<'a> {
    /// The component keys.
    fn components(&self) -> impl Iterator<Item = &'a [u8]> {
        let mut rest = self.bits;
        self.parts.iter().map_while(move |len| {
            let (part, others) = rest.split_at_checked(*len)?;
            rest = others;
            Some(part)
        })
    }
}

impl fmt::Debug for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({}, {} bytes)", self.family, self.bits.len())
    }
}

/// Whether this is the AlgorithmIdentifier of a suite's signatures, which all have no parameters (RFC 5758,
/// section 3.2; RFC 8410; RFC 9881, section 2; the composites' draft, section 6).
pub(super) fn is_signature_algorithm(suite: Suite, algorithm: &Algorithm<'_>) -> bool {
    let oid = match suite {
        Suite::EcdsaP256 => ECDSA_SHA256,
        Suite::EcdsaP384 => ECDSA_SHA384,
        Suite::Ed25519 => ED25519,
        Suite::MlDsa44 => ML_DSA_44,
        Suite::MlDsa65 => ML_DSA_65,
        Suite::MlDsa87 => ML_DSA_87,
        Suite::MlDsa44Ed25519 => MLDSA44_ED25519,
        Suite::MlDsa44EcdsaP256 => MLDSA44_P256,
        Suite::MlDsa65EcdsaP256 => MLDSA65_P256,
        Suite::MlDsa65EcdsaP384 => MLDSA65_P384,
        Suite::MlDsa65Ed25519 => MLDSA65_ED25519,
        Suite::MlDsa87EcdsaP384 => MLDSA87_P384,
        _ => return false,
    };
    algorithm.parameters.is_none() && algorithm.oid == oid.as_bytes()
}
