//! How single components are named where they stand alone, whether or not a suite of ours has them alone.

use symbolon_crypto::{self as crypto, Component, digest};

use crate::encode;
use crate::suite::Suite;

/// rsaEncryption with its NULL parameters (RFC 8017, appendix C).
pub(super) const RSA: &[u8] = &[
    0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
];

/// id-ecPublicKey with brainpoolP256r1 (RFC 5639, section 4.1).
const BRAINPOOL_P256R1: &[u8] = &[
    0x30, 0x14, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x09, 0x2b, 0x24, 0x03, 0x03,
    0x02, 0x08, 0x01, 0x01, 0x07,
];

/// id-ecPublicKey with brainpoolP384r1.
const BRAINPOOL_P384R1: &[u8] = &[
    0x30, 0x14, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x09, 0x2b, 0x24, 0x03, 0x03,
    0x02, 0x08, 0x01, 0x01, 0x0b,
];

/// id-Ed448 (RFC 8410, section 3).
const ED448: &[u8] = &[0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x71];

/// DER of the AlgorithmIdentifier that a key of `component` has in a SubjectPublicKeyInfo of its own.
pub(super) fn of(component: Component) -> &'static [u8] {
    match component {
        _ if component.is_rsa() => RSA,
        Component::EcdsaBrainpoolP256r1Sha256 => BRAINPOOL_P256R1,
        Component::EcdsaBrainpoolP384r1Sha384 => BRAINPOOL_P384R1,
        Component::Ed448 => ED448,
        // Every other one is a suite by itself, which a test holds true.
        _ => Suite::of_component(component).map_or(&[], Suite::key_algorithm_der),
    }
}

/// DER of the OID of the component's curve, which ends its AlgorithmIdentifier; `None` for what is not ECDSA.
pub(super) fn named_curve(component: Component) -> Option<&'static [u8]> {
    // A SEQUENCE of less than 128 bytes, and in it the nine bytes of id-ecPublicKey.
    component.is_ecdsa().then(|| of(component).get(2 + 9..))?
}

/// SHA-256 over the SubjectPublicKeyInfo that the component key has, or would have, standing alone: what must never
/// appear twice, neither alone nor in composites. An RSA key is the same key whatever padding it is used with.
#[must_use]
pub fn component_spki_hash(key: &crypto::PublicKey) -> [u8; 32] {
    digest::sha256(&encode::spki(of(key.component()), key.as_bytes()))
}

#[cfg(test)]
mod tests {
    use const_oid::ObjectIdentifier;
    use der::{Decode, Encode};
    use spki::AlgorithmIdentifierRef;

    use super::*;

    #[test]
    fn every_component_has_an_algorithm_and_every_curve_a_name() {
        let mut seen = Vec::new();
        for component in Component::ALL {
            let algorithm = AlgorithmIdentifierRef::from_der(of(component)).unwrap();
            assert_eq!(algorithm.to_der().unwrap(), of(component));
            assert!(
                component.is_rsa() || !seen.contains(&of(component)),
                "{component}"
            );
            seen.push(of(component));

            let curve: Option<ObjectIdentifier> =
                named_curve(component).map(|der| ObjectIdentifier::from_der(der).unwrap());
            let parameters = algorithm.parameters.filter(|parameters| !parameters.is_null());
            assert_eq!(
                curve,
                parameters.map(|oid| oid.decode_as().unwrap()),
                "{component}"
            );
            assert_eq!(curve.is_some(), component.is_ecdsa(), "{component}");
        }
    }
}
