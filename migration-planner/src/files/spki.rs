//! Public keys as SubjectPublicKeyInfo, whatever they were found in: one key has one digest everywhere.

use symbolon_crypto::digest::sha256;

use super::asn1::{self, BIT_STRING, INTEGER, OCTET_STRING, OID, Reader, SEQUENCE};
use crate::algorithm::{Algorithm, curve, oid};
use crate::inventory::{AssetId, Fragment, Occurrence};

/// A public key, as far as a scanner needs to know it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PublicKey {
    /// The whole DER SubjectPublicKeyInfo.
    pub der: Vec<u8>,
    /// The algorithm of the key, with its size or curve.
    pub algorithm: Algorithm,
    /// Size in bits, where that means something.
    pub bits: Option<u32>,
}

impl PublicKey {
    /// SHA-256 of the DER, in hex.
    #[must_use]
    pub fn sha256(&self) -> String {
        hex::encode(sha256(&self.der))
    }

    /// Adds the key and its algorithm to what was found.
    pub fn add(&self, format: &str, occurrence: Occurrence, found: &mut Fragment) -> AssetId {
        found.public_key(
            &self.sha256(),
            self.algorithm.clone(),
            self.bits,
            format,
            occurrence,
        )
    }
}

/// Reads a DER SubjectPublicKeyInfo; bytes after it are ignored.
#[must_use]
pub fn read(der: &[u8]) -> Option<PublicKey> {
    let whole = asn1::element(der).filter(|element| element.tag == SEQUENCE)?;
    let mut reader = whole.inside();
    let identifier = Identifier::read(&mut reader)?;
    let bits = reader.body(BIT_STRING)?.get(1..)?;
    let size = identifier.size(bits);
    Some(PublicKey {
        der: whole.whole.to_vec(),
        algorithm: identifier.key_algorithm(size),
        bits: size.and_then(|bits| u32::try_from(bits).ok()),
    })
}

/// An AlgorithmIdentifier with what its parameters tell.
#[derive(Clone, Debug)]
pub(crate) struct Identifier<'a> {
    pub(crate) oid: String,
    /// The parameters, if they are there.
    pub(crate) parameters: Option<asn1::Element<'a>>,
}

impl<'a> Identifier<'a> {
    pub(crate) fn read(reader: &mut Reader<'a>) -> Option<Self> {
        let mut inside = reader.enter(SEQUENCE)?;
        Some(Self {
            oid: inside.oid()?,
            parameters: inside.element(),
        })
    }

    /// The named curve in the parameters.
    pub(crate) fn curve(&self) -> Option<String> {
        self.parameters
            .filter(|element| element.tag == OID)
            .and_then(|element| asn1::dotted(element.body))
    }

    /// The hash in RSA-PSS parameters (RFC 4055 §3.1): `[0] AlgorithmIdentifier`.
    fn pss_hash(&self) -> Option<String> {
        let parameters = self.parameters.filter(|element| element.tag == SEQUENCE)?;
        let mut hash = parameters.inside().enter(asn1::context(0))?;
        Some(Identifier::read(&mut hash)?.oid)
    }

    /// It as a signature algorithm.
    pub(crate) fn signature_algorithm(&self) -> Algorithm {
        oid::signature(&self.oid, self.pss_hash().as_deref())
    }

    /// It as the algorithm of a key of so many bits.
    pub(crate) fn key_algorithm(&self, bits: Option<usize>) -> Algorithm {
        oid::key(&self.oid, self.curve().as_deref(), bits)
    }

    /// The size of a key with this subjectPublicKey.
    pub(crate) fn size(&self, key: &[u8]) -> Option<usize> {
        match self.oid.as_str() {
            // RSA, RSA-PSS, RSA-OAEP: SEQUENCE { modulus, exponent }.
            "1.2.840.113549.1.1.1" | "1.2.840.113549.1.1.10" | "1.2.840.113549.1.1.7" | "2.5.8.1.1" => {
                let mut inside = Reader::new(key).enter(SEQUENCE)?;
                Some(asn1::bit_len(inside.body(INTEGER)?))
            }
            // DSA, DH: the prime is in the parameters.
            "1.2.840.10040.4.1" | "1.2.840.113549.1.3.1" | "1.2.840.10046.2.1" => {
                let parameters = self.parameters.filter(|element| element.tag == SEQUENCE)?;
                Some(asn1::bit_len(parameters.inside().body(INTEGER)?))
            }
            _ => None,
        }
    }
}

/// The SubjectPublicKeyInfo of an RSA key from modulus and exponent, big-endian.
#[must_use]
pub fn of_rsa(modulus: &[u8], exponent: &[u8]) -> Option<PublicKey> {
    let numbers = [unsigned(modulus), unsigned(exponent)].concat();
    let key = wrap(SEQUENCE, &numbers);
    build(&[wrap(OID, RSA), vec![0x05, 0x00]].concat(), &key)
}

/// An `RSAPublicKey` (RFC 8017 appendix A.1.1): two numbers, and nothing else.
pub(crate) fn pkcs1(der: &[u8]) -> Option<PublicKey> {
    let mut inside = Reader::new(der).enter(SEQUENCE)?;
    let (modulus, exponent) = (inside.body(INTEGER)?, inside.body(INTEGER)?);
    // A signature of DSA or ECDSA is two numbers, too, but of about one size; and so are Diffie-Hellman's parameters,
    // whose generator is 2 as a rule, which no exponent can be.
    let odd = exponent.last().is_some_and(|last| last % 2 == 1);
    let plausible = asn1::bit_len(modulus) >= 512 && exponent.len() <= 8 && odd;
    (plausible && inside.rest().is_empty())
        .then(|| of_rsa(modulus, exponent))
        .flatten()
}

/// The bits of the prime in Diffie-Hellman's parameters (PKCS#3): a prime, a generator, perhaps the length of a secret.
pub(crate) fn dh_bits(der: &[u8]) -> Option<usize> {
    let mut inside = Reader::new(der).enter(SEQUENCE)?;
    let (prime, generator) = (inside.body(INTEGER)?, inside.body(INTEGER)?);
    inside.optional(INTEGER);
    let bits = asn1::bit_len(prime);
    let odd = prime.last().is_some_and(|last| last % 2 == 1);
    let small = generator == [2];
    (inside.rest().is_empty() && bits >= 512 && odd && small).then_some(bits)
}

/// The SubjectPublicKeyInfo of a DSA key from its parameters and its value.
#[must_use]
pub fn of_dsa(p: &[u8], q: &[u8], g: &[u8], y: &[u8]) -> Option<PublicKey> {
    let parameters = wrap(SEQUENCE, &[unsigned(p), unsigned(q), unsigned(g)].concat());
    build(&[wrap(OID, DSA), parameters].concat(), &unsigned(y))
}

/// The SubjectPublicKeyInfo of a point on a named curve (any of its names or its OID).
#[must_use]
pub fn of_ec(curve_name: &str, point: &[u8]) -> Option<PublicKey> {
    let curve = curve::by_name(curve_name).or_else(|| curve::by_oid(curve_name))?;
    let curve = const_oid::ObjectIdentifier::new(curve.oid).ok()?;
    build(&[wrap(OID, EC), wrap(OID, curve.as_bytes())].concat(), point)
}

/// The SubjectPublicKeyInfo of a key that is its algorithm's raw bytes: Ed25519, X25519, ML-DSA and so on.
#[must_use]
pub fn of_raw(oid: &str, key: &[u8]) -> Option<PublicKey> {
    let oid = const_oid::ObjectIdentifier::new(oid).ok()?;
    build(&wrap(OID, oid.as_bytes()), key)
}

/// The SubjectPublicKeyInfo of an elliptic curve key on a PKCS#11 token: its parameters are an object identifier or, for
/// some curves, a name; its point is an OCTET STRING by the standard and bare on some tokens.
pub(crate) fn of_token(parameters: &[u8], point: &[u8]) -> Option<PublicKey> {
    let inner = asn1::element(point).filter(|element| {
        matches!(element.tag, OCTET_STRING | BIT_STRING) && element.whole.len() == point.len()
    });
    let point = match inner {
        Some(element) if element.tag == BIT_STRING => element.body.get(1..)?,
        Some(element) => element.body,
        None => point,
    };
    let named = curve_of_token(parameters)?;
    match named.as_str() {
        // RFC 8410's keys are their points.
        "1.3.101.110" | "1.3.101.111" | "1.3.101.112" | "1.3.101.113" => of_raw(&named, point),
        _ => build(&[wrap(OID, EC), parameters.to_vec()].concat(), point),
    }
}

/// The algorithm of an elliptic curve key on a PKCS#11 token by its parameters alone.
pub(crate) fn algorithm_of_token(parameters: &[u8]) -> Option<String> {
    let named = curve_of_token(parameters)?;
    if named.starts_with("1.3.101.") {
        return Some(oid::algorithm(&named).name);
    }
    Some(oid::key("1.2.840.10045.2.1", Some(&named), None).name)
}

/// The object identifier in `CKA_EC_PARAMS`, or the one that the name there stands for.
fn curve_of_token(parameters: &[u8]) -> Option<String> {
    const PRINTABLE_STRING: u8 = 0x13;
    let element = asn1::element(parameters)?;
    match element.tag {
        OID => asn1::dotted(element.body),
        PRINTABLE_STRING => match element.body {
            b"edwards25519" => Some("1.3.101.112".to_owned()),
            b"edwards448" => Some("1.3.101.113".to_owned()),
            b"curve25519" => Some("1.3.101.110".to_owned()),
            b"curve448" => Some("1.3.101.111".to_owned()),
            _ => None,
        },
        // Parameters that are written out are told by nobody's name.
        _ => None,
    }
}

const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const DSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x38, 0x04, 0x01];
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];

fn build(identifier: &[u8], key: &[u8]) -> Option<PublicKey> {
    let bits = wrap(BIT_STRING, &[&[0], key].concat());
    read(&wrap(SEQUENCE, &[wrap(SEQUENCE, identifier), bits].concat()))
}

/// An INTEGER of an unsigned big-endian number.
fn unsigned(bytes: &[u8]) -> Vec<u8> {
    let bytes = asn1::strip_zeros(bytes);
    match bytes.first() {
        None => vec![INTEGER, 1, 0],
        Some(0x80..) => wrap(INTEGER, &[&[0], bytes].concat()),
        Some(_) => wrap(INTEGER, bytes),
    }
}

/// DER of a tag and its content.
pub(crate) fn wrap(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut whole = vec![tag];
    match u8::try_from(body.len()) {
        Ok(short @ 0..=0x7f) => whole.push(short),
        _ => {
            let length = body.len().to_be_bytes();
            let length = asn1::strip_zeros(&length);
            whole.push(0x80 | u8::try_from(length.len()).unwrap_or(8));
            whole.extend_from_slice(length);
        }
    }
    whole.extend_from_slice(body);
    whole
}

/// The public key of a private key's content, as far as it is there: RSA's modulus, an EC key's point, and for the
/// rest the container's own.
pub(crate) fn of_private(identifier: &Identifier<'_>, content: &[u8]) -> Option<PublicKey> {
    match identifier.oid.as_str() {
        "1.2.840.113549.1.1.1" => {
            let mut inside = Reader::new(content).enter(SEQUENCE)?;
            inside.number()?;
            let modulus = inside.body(INTEGER)?;
            of_rsa(modulus, inside.body(INTEGER)?)
        }
        "1.2.840.10045.2.1" => {
            let mut inside = Reader::new(content).enter(SEQUENCE)?;
            inside.number()?;
            inside.body(OCTET_STRING)?;
            let own = inside.enter(asn1::context(0)).and_then(|mut reader| reader.oid());
            let point = inside.enter(asn1::context(1))?.body(BIT_STRING)?.get(1..)?;
            of_ec(&own.or_else(|| identifier.curve())?, point)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_rsa_key_is_put_together_as_everyone_does() {
        let modulus = [0x80; 256];
        let key = of_rsa(&modulus, &[1, 0, 1]).unwrap();
        assert_eq!((key.algorithm.name.as_str(), key.bits), ("RSA-2048", Some(2048)));
        assert_eq!(key.der.len(), 294); // what `openssl rsa -pubout` gives for 2048 bits
        assert_eq!(read(&key.der), Some(key));
    }

    #[test]
    fn parameters_of_diffie_hellman_are_no_key() {
        let prime = [&[0xff; 255][..], &[0xfb]].concat();
        let two = wrap(SEQUENCE, &[unsigned(&prime), unsigned(&[2])].concat());
        assert_eq!((pkcs1(&two), dh_bits(&two)), (None, Some(2048)));
        let exponent = wrap(SEQUENCE, &[unsigned(&prime), unsigned(&[1, 0, 1])].concat());
        assert!(pkcs1(&exponent).is_some() && dh_bits(&exponent).is_none());
        let more = [unsigned(&prime), unsigned(&[2]), unsigned(&[224]), unsigned(&[1])];
        assert_eq!(dh_bits(&wrap(SEQUENCE, &more.concat())), None);
        assert_eq!(dh_bits(&wrap(SEQUENCE, &more[..3].concat())), Some(2048));
    }

    #[test]
    fn curves_and_raw_keys() {
        let key = of_ec("nistp256", &[4; 65]).unwrap();
        assert_eq!((key.algorithm.name.as_str(), key.der.len()), ("ECDSA-P-256", 91));
        let key = of_raw("1.3.101.112", &[7; 32]).unwrap();
        assert_eq!((key.algorithm.name.as_str(), key.der.len()), ("Ed25519", 44));
        let key = of_dsa(&[0xff; 128], &[0xff; 20], &[2], &[3]).unwrap();
        assert_eq!(key.algorithm.name, "DSA-1024");
    }
}
