//! How PKCS#11 speaks of our components: mechanisms, key types, curves and parameter sets.

use cryptoki::mechanism::dsa::{HedgeType, SignAdditionalContext};
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, KeyType, MlDsaParameterSetType, ParameterSetType};
use symbolon_crypto::{Component, digest};

/// DER of the object identifiers that `CKA_EC_PARAMS` holds: prime256v1, secp384r1 (RFC 5480), Ed25519 (RFC 8410).
const P256: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22];
const ED25519: &[u8] = &[0x06, 0x03, 0x2b, 0x65, 0x70];

/// The other form that PKCS#11 3.0 allows for Ed25519, and some tokens insist on: `PrintableString "edwards25519"`.
const ED25519_NAME: &[u8] = b"\x13\x0cedwards25519";

/// What a token must offer for a component.
pub(super) struct Needs {
    pub(super) generate: MechanismType,
    pub(super) sign: MechanismType,
    /// The bits of the curve, where the mechanism serves a range of them.
    pub(super) bits: Option<usize>,
}

pub(super) fn needs(component: Component) -> Option<Needs> {
    let elliptic = |bits| Needs {
        generate: MechanismType::ECC_KEY_PAIR_GEN,
        sign: MechanismType::ECDSA,
        bits: Some(bits),
    };
    Some(match component {
        Component::EcdsaP256Sha256 => elliptic(256),
        Component::EcdsaP384Sha384 => elliptic(384),
        Component::Ed25519 => Needs {
            generate: MechanismType::ECC_EDWARDS_KEY_PAIR_GEN,
            sign: MechanismType::EDDSA,
            bits: None,
        },
        Component::MlDsa44 | Component::MlDsa65 | Component::MlDsa87 => Needs {
            generate: MechanismType::ML_DSA_KEY_PAIR_GEN,
            sign: MechanismType::ML_DSA,
            bits: None,
        },
        // A component that this backend has not learnt yet.
        _ => return None,
    })
}

/// The mechanism that makes keys, and the attributes of the public key that say which; several, where tokens differ
/// in what they understand.
pub(super) fn generation(component: Component) -> Option<(Mechanism<'static>, Vec<Attribute>)> {
    let curve = |curve: &[u8]| Attribute::EcParams(curve.to_vec());
    let parameters = |set: MlDsaParameterSetType| Attribute::ParameterSet(ParameterSetType::from(set));
    Some(match component {
        Component::EcdsaP256Sha256 => (Mechanism::EccKeyPairGen, vec![curve(P256)]),
        Component::EcdsaP384Sha384 => (Mechanism::EccKeyPairGen, vec![curve(P384)]),
        Component::Ed25519 => (
            Mechanism::EccEdwardsKeyPairGen,
            vec![curve(ED25519), curve(ED25519_NAME)],
        ),
        Component::MlDsa44 => (
            Mechanism::MlDsaKeyPairGen,
            vec![parameters(MlDsaParameterSetType::ML_DSA_44)],
        ),
        Component::MlDsa65 => (
            Mechanism::MlDsaKeyPairGen,
            vec![parameters(MlDsaParameterSetType::ML_DSA_65)],
        ),
        Component::MlDsa87 => (
            Mechanism::MlDsaKeyPairGen,
            vec![parameters(MlDsaParameterSetType::ML_DSA_87)],
        ),
        _ => return None,
    })
}

/// The types of key that can be one of our components.
pub(super) const KEY_TYPES: [KeyType; 3] = [KeyType::EC, KeyType::EC_EDWARDS, KeyType::ML_DSA];

/// What a key is by its attributes: one of our components, or something else, in words.
pub(super) fn identify(
    key_type: KeyType,
    curve: Option<&[u8]>,
    parameters: Option<ParameterSetType>,
) -> Result<Component, String> {
    let hex = |bytes: &[u8]| hex::encode(bytes.get(..bytes.len().min(32)).unwrap_or_default());
    match (key_type, curve, parameters) {
        (KeyType::EC, Some(P256), _) => Ok(Component::EcdsaP256Sha256),
        (KeyType::EC, Some(P384), _) => Ok(Component::EcdsaP384Sha384),
        (KeyType::EC_EDWARDS, Some(ED25519 | ED25519_NAME), _) => Ok(Component::Ed25519),
        (KeyType::ML_DSA, _, Some(set)) => {
            let is = |known: MlDsaParameterSetType| ParameterSetType::from(known) == set;
            match () {
                () if is(MlDsaParameterSetType::ML_DSA_44) => Ok(Component::MlDsa44),
                () if is(MlDsaParameterSetType::ML_DSA_65) => Ok(Component::MlDsa65),
                () if is(MlDsaParameterSetType::ML_DSA_87) => Ok(Component::MlDsa87),
                () => Err(format!("an ML-DSA key of an unknown parameter set ({set})")),
            }
        }
        (KeyType::EC | KeyType::EC_EDWARDS, Some(curve), _) => {
            Err(format!("a key on the curve with the parameters {}", hex(curve)))
        }
        (KeyType::EC | KeyType::EC_EDWARDS, None, _) => Err("a key on an unnamed curve".to_owned()),
        (KeyType::ML_DSA, _, None) => Err("an ML-DSA key without its parameter set".to_owned()),
        (other, _, _) => Err(format!("a key of the type {other}")),
    }
}

/// What is handed to the token to be signed: for ECDSA the hash, made here, because the mechanism that hashes in
/// the token is one that not every token has; else the message.
pub(super) fn input(component: Component, message: &[u8]) -> Vec<u8> {
    match component {
        Component::EcdsaP256Sha256 => digest::sha256(message).to_vec(),
        Component::EcdsaP384Sha384 => digest::sha384(message).to_vec(),
        _ => message.to_vec(),
    }
}

/// The mechanism that signs. It points at `context`, and the binding does not see to that: whoever calls keeps
/// `context` until the token has signed.
pub(super) fn signing(component: Component, context: &[u8]) -> Mechanism<'_> {
    match component {
        Component::EcdsaP256Sha256 | Component::EcdsaP384Sha384 => Mechanism::Ecdsa,
        Component::Ed25519 => Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Ed25519)),
        _ => {
            let context = Some(context).filter(|context| !context.is_empty());
            Mechanism::MlDsa(SignAdditionalContext::new(HedgeType::Preferred, context))
        }
    }
}

/// The raw public key in what the token reports: `CKA_EC_POINT` is a DER OCTET STRING by the standard and the bare
/// point in many tokens; their lengths tell them apart. Everything else is as it is.
pub(super) fn public_bytes(component: Component, reported: &[u8]) -> &[u8] {
    match (reported, component.public_key_len()) {
        // A point of less than 128 bytes has a length of one byte (X.690, section 8.1.3.4).
        ([0x04, len, point @ ..], expected)
            if !component.is_ml_dsa() && point.len() == expected && usize::from(*len) == expected =>
        {
            point
        }
        _ => reported,
    }
}

/// The signature as every certificate carries it, from what the token returns; `None` when it cannot be one.
pub(super) fn signature(component: Component, returned: Vec<u8>) -> Option<Vec<u8>> {
    match component {
        Component::EcdsaP256Sha256 => ecdsa(&returned, 32),
        Component::EcdsaP384Sha384 => ecdsa(&returned, 48),
        // The others have one length.
        _ => (returned.len() == component.max_signature_len()).then_some(returned),
    }
}

/// `Ecdsa-Sig-Value` (RFC 3279, section 2.2.3) of r and s, each `len` bytes.
fn ecdsa(raw: &[u8], len: usize) -> Option<Vec<u8>> {
    let (r, s) = raw.split_at_checked(len).filter(|(_, s)| s.len() == len)?;
    let body = [integer(r)?, integer(s)?].concat();
    // At most 2 · (2 + 1 + 48) bytes: a length of one byte.
    let len = u8::try_from(body.len()).ok().filter(|len| *len < 0x80)?;
    Some([&[0x30, len], &body[..]].concat())
}

/// A positive DER INTEGER; `None` for zero, which neither r nor s may be.
fn integer(big_endian: &[u8]) -> Option<Vec<u8>> {
    let first = big_endian.iter().position(|&byte| byte != 0)?;
    let digits = big_endian.get(first..)?;
    let sign: &[u8] = if digits.first()? & 0x80 == 0 { &[] } else { &[0] };
    let len = u8::try_from(sign.len() + digits.len()).ok()?;
    Some([&[0x02, len], sign, digits].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_read_wrapped_and_bare() {
        for component in [
            Component::EcdsaP256Sha256,
            Component::EcdsaP384Sha384,
            Component::Ed25519,
        ] {
            let len = component.public_key_len();
            // Bytes that look like a header themselves.
            let point = vec![4; len];
            let wrapped = [&[4, u8::try_from(len).unwrap()], &point[..]].concat();
            assert_eq!(public_bytes(component, &point), point);
            assert_eq!(public_bytes(component, &wrapped), point);
            // What is neither stays what it is, for the parser to refuse.
            for odd in [&wrapped[1..], &[&[4, 1], &point[..]].concat(), &[]] {
                assert_eq!(public_bytes(component, odd), odd);
            }
        }
    }

    #[test]
    fn signatures_become_der() {
        let mut raw = [0; 64];
        raw[31] = 1;
        raw[32..].fill(0xff);
        let der = signature(Component::EcdsaP256Sha256, raw.to_vec()).expect("signature");
        assert_eq!(der[..8], [0x30, 0x26, 0x02, 0x01, 0x01, 0x02, 0x21, 0x00]);
        assert_eq!(der.len(), 0x28);
        let longest = signature(Component::EcdsaP384Sha384, vec![0xff; 96]).expect("signature");
        assert_eq!(longest.len(), Component::EcdsaP384Sha384.max_signature_len());
        for (component, bad) in [
            (Component::EcdsaP256Sha256, vec![0; 64]),
            (Component::EcdsaP256Sha256, vec![1; 63]),
            (Component::EcdsaP256Sha256, vec![1; 96]),
            (Component::EcdsaP384Sha384, vec![]),
            (Component::Ed25519, vec![1; 63]),
            (Component::MlDsa65, vec![1; 2420]),
        ] {
            assert_eq!(signature(component, bad), None, "{component}");
        }
    }

    #[test]
    fn every_component_is_recognised_by_what_it_is_made_from() {
        for component in Component::DEFAULTS {
            let (_, choices) = generation(component).expect("known");
            let key_type = match component {
                Component::Ed25519 => KeyType::EC_EDWARDS,
                _ if component.is_ml_dsa() => KeyType::ML_DSA,
                _ => KeyType::EC,
            };
            for choice in choices {
                let (curve, set) = match &choice {
                    Attribute::EcParams(curve) => (Some(&curve[..]), None),
                    Attribute::ParameterSet(set) => (None, Some(*set)),
                    other => panic!("{other:?}"),
                };
                assert_eq!(identify(key_type, curve, set), Ok(component));
            }
            needs(component).expect("known");
        }
    }

    #[test]
    fn other_keys_are_told_in_words() {
        let secp521r1 = [0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23];
        for (key_type, curve, words) in [
            (KeyType::RSA, None, "CKK_RSA"),
            (KeyType::EC, Some(&secp521r1[..]), "06052b81040023"),
            (KeyType::EC_EDWARDS, Some(P256), "06082a8648ce3d030107"),
            (KeyType::EC, None, "unnamed curve"),
            (KeyType::ML_DSA, None, "without its parameter set"),
        ] {
            let error = identify(key_type, curve, None).expect_err("another key");
            assert!(error.contains(words), "{error}");
        }
    }
}
