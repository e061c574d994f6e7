//! Private keys in ASN.1: PKCS#8 open and encrypted, PKCS#1, SEC1, DSA. Of a key itself only its kind is told.

use symbolon_pki::key::PrivateKey;

use super::asn1::{self, INTEGER, OCTET_STRING, Reader, SEQUENCE};
use super::spki::{self, Identifier, PublicKey};
use crate::algorithm::oid;
use crate::inventory::{AssetId, Fragment, KeyDetail, KeyKind, Occurrence, Protection};

/// A private key before it is added: what is known of it.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) algorithm: Option<String>,
    pub(crate) bits: Option<u32>,
    pub(crate) public: Option<PublicKey>,
    pub(crate) format: &'static str,
    pub(crate) protection: Protection,
}

impl Held {
    /// Adds the key and, if it is known, its public key.
    pub(crate) fn add(self, place: &str, here: Occurrence, found: &mut Fragment) -> AssetId {
        if let Some(public) = &self.public {
            public.add("SPKI", here.clone(), found);
        }
        let detail = KeyDetail {
            kind: KeyKind::Private,
            algorithm: self.algorithm,
            bits: self.bits,
            spki_sha256: self.public.as_ref().map(PublicKey::sha256),
            format: self.format.to_owned(),
            protection: Some(self.protection),
        };
        found.held_key(detail, place, here)
    }

    fn of_public(public: PublicKey, format: &'static str) -> Self {
        Self {
            algorithm: Some(public.algorithm.name.clone()),
            bits: public.bits,
            public: Some(public),
            format,
            protection: Protection::None,
        }
    }
}

/// A `OneAsymmetricKey` (RFC 5958 §2).
pub(crate) fn pkcs8(der: &[u8]) -> Option<Held> {
    let whole = asn1::element(der).filter(|element| element.tag == SEQUENCE)?;
    let mut inside = whole.inside();
    if inside.number()? > 1 {
        return None;
    }
    let identifier = Identifier::read(&mut inside)?;
    let content = inside.optional(OCTET_STRING)?.octets();
    let own = inside
        .each()
        .find(|element| element.tag == asn1::primitive(1) || element.tag == asn1::context(1));
    let own = own.and_then(|element| spki::of_raw(&identifier.oid, element.body.get(1..)?));
    let public = spki::of_private(&identifier, &content)
        .or(own)
        .or_else(|| computed(whole.whole));
    let bits = public.as_ref().and_then(|public| public.bits);
    let algorithm = match &public {
        Some(public) => public.algorithm.clone(),
        None => identifier.key_algorithm(identifier.size(&content)),
    };
    Some(Held {
        algorithm: Some(algorithm.name),
        bits,
        public,
        format: "PKCS#8",
        protection: Protection::None,
    })
}

/// The public key, computed, for the suites that this software has: Ed25519 and ML-DSA files often have none.
fn computed(pkcs8: &[u8]) -> Option<PublicKey> {
    let key = PrivateKey::from_pkcs8_der(pkcs8).ok()?;
    spki::read(&key.public_key().ok()?.spki_der())
}

/// An `EncryptedPrivateKeyInfo` (RFC 5958 §3): how it is encrypted is all that shows.
pub(crate) fn encrypted_pkcs8(der: &[u8]) -> Option<Held> {
    let whole = asn1::element(der).filter(|element| element.tag == SEQUENCE)?;
    let mut inside = whole.inside();
    let identifier = Identifier::read(&mut inside)?;
    inside.optional(OCTET_STRING)?;
    if !inside.rest().is_empty() {
        return None;
    }
    Some(Held {
        algorithm: None,
        bits: None,
        public: None,
        format: "PKCS#8",
        protection: protection(&identifier),
    })
}

/// How something is encrypted with a passphrase: PBES2 with its parts, or one of the older schemes by its name.
pub(crate) fn protection(identifier: &Identifier<'_>) -> Protection {
    pbes2(identifier).unwrap_or_else(|| {
        let mut parameters = identifier.parameters.map(|element| element.inside());
        Protection::Encrypted {
            kdf: None,
            // PBES1 and PKCS#12: salt, iterations.
            rounds: parameters.as_mut().and_then(|parameters| {
                parameters.optional(OCTET_STRING)?;
                parameters.number()
            }),
            cipher: Some(oid::algorithm(&identifier.oid).name),
        }
    })
}

fn pbes2(identifier: &Identifier<'_>) -> Option<Protection> {
    if identifier.oid != "1.2.840.113549.1.5.13" {
        return None;
    }
    let mut inside = identifier.parameters?.inside();
    let kdf = Identifier::read(&mut inside)?;
    let cipher = Identifier::read(&mut inside)?;
    let mut parameters = kdf.parameters?.inside();
    parameters.element()?; // the salt
    let rounds = parameters.number();
    let name = match kdf.oid.as_str() {
        "1.2.840.113549.1.5.12" => {
            parameters.optional(INTEGER);
            let prf = Identifier::read(&mut parameters).map(|prf| oid::algorithm(&prf.oid).name);
            let prf = prf.unwrap_or_else(|| "HMAC-SHA-1".to_owned()); // RFC 8018 appendix A.2
            format!("PBKDF2-{}", prf.strip_prefix("HMAC-").unwrap_or(&prf))
        }
        other => oid::algorithm(other).name,
    };
    Some(Protection::Encrypted {
        kdf: Some(name),
        rounds,
        cipher: Some(oid::algorithm(&cipher.oid).name),
    })
}

/// An `RSAPrivateKey` (RFC 8017 appendix A.1.2).
pub(crate) fn pkcs1(der: &[u8]) -> Option<Held> {
    let mut inside = Reader::new(der).enter(SEQUENCE)?;
    if inside.number()? > 1 {
        return None;
    }
    let (modulus, exponent) = (inside.body(INTEGER)?, inside.body(INTEGER)?);
    // Version, modulus, exponents, primes, coefficients: fewer numbers are something else.
    if inside.each().filter(|element| element.tag == INTEGER).count() < 6 {
        return None;
    }
    spki::of_rsa(modulus, exponent).map(|public| Held::of_public(public, "PKCS#1"))
}

/// An `ECPrivateKey` (RFC 5915 §3).
pub(crate) fn sec1(der: &[u8]) -> Option<Held> {
    let mut inside = Reader::new(der).enter(SEQUENCE)?;
    if inside.number()? != 1 {
        return None;
    }
    let secret = inside.body(OCTET_STRING)?;
    let curve = inside.enter(asn1::context(0)).and_then(|mut reader| reader.oid());
    let point = inside
        .enter(asn1::context(1))
        .and_then(|mut reader| reader.body(asn1::BIT_STRING)?.get(1..));
    let public = curve
        .as_ref()
        .zip(point)
        .and_then(|(curve, point)| spki::of_ec(curve, point));
    if secret.len() < 14 || secret.len() > 72 || (curve.is_none() && point.is_none()) {
        return None;
    }
    let algorithm = oid::key("1.2.840.10045.2.1", curve.as_deref(), None);
    Some(Held {
        algorithm: Some(algorithm.name),
        bits: None,
        public,
        format: "SEC1",
        protection: Protection::None,
    })
}

/// OpenSSL's traditional DSA key: version, p, q, g, public value, private value.
pub(crate) fn dsa(der: &[u8]) -> Option<Held> {
    let mut inside = Reader::new(der).enter(SEQUENCE)?;
    if inside.number()? != 0 {
        return None;
    }
    let numbers: Vec<&[u8]> = inside
        .each()
        .filter(|element| element.tag == INTEGER)
        .map(|element| element.body)
        .take(6)
        .collect();
    match *numbers.as_slice() {
        [p, q, g, y, _] => spki::of_dsa(p, q, g, y).map(|public| Held::of_public(public, "DSA")),
        _ => None,
    }
}

/// A key in OpenSSL's traditional encryption (the PEM headers of RFC 1421): the DEK-Info header names the cipher, and
/// the derivation is always one round of MD5.
pub(crate) fn traditional(label: &str, dek_info: &str) -> Held {
    let cipher = dek_info.split(',').next().unwrap_or_default().trim();
    let named =
        crate::algorithm::alias::resolve(cipher).map_or_else(|| cipher.to_owned(), |cipher| cipher.name);
    let (algorithm, format) = match label {
        "RSA PRIVATE KEY" => (Some("RSA"), "PKCS#1"),
        "EC PRIVATE KEY" => (Some("ECDSA"), "SEC1"),
        "DSA PRIVATE KEY" => (Some("DSA"), "DSA"),
        _ => (None, "PEM"),
    };
    Held {
        algorithm: algorithm.map(str::to_owned),
        bits: None,
        public: None,
        format,
        protection: Protection::Encrypted {
            kdf: Some("EVP_BytesToKey-MD5".to_owned()),
            rounds: Some(1),
            cipher: (!named.is_empty()).then_some(named),
        },
    }
}
