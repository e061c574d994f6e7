//! What every component must do, through the same entry points that the rest of the project uses.

use proptest::prelude::*;
use symbolon_crypto::stock::{EcdsaHash, verify_ecdsa};
use symbolon_crypto::{Component, ExpandedMlDsaKey, HeldKey, KeyError, MlDsaContext, PublicKey, SoftwareKey};

const LABEL: &[u8] = b"COMPSIG-MLDSA65-ECDSA-P256-SHA512";
/// As long as FIPS 204 allows.
const LONGEST_CONTEXT: [u8; 255] = [0xa5; 255];

fn ml_dsa() -> impl Iterator<Item = Component> {
    Component::DEFAULTS
        .into_iter()
        .filter(|component| component.is_ml_dsa())
}

#[test]
fn keys_sign_verify_and_survive_their_raw_form() {
    for component in Component::DEFAULTS {
        let key = SoftwareKey::generate(component).unwrap();
        let raw = key.raw().unwrap();
        assert_eq!(raw.len(), component.private_key_len(), "{component}");
        let again = SoftwareKey::from_raw(component, &raw).unwrap();
        assert_eq!(again.public_key(), key.public_key(), "{component}");
        assert_eq!(
            key.public_key().as_bytes().len(),
            component.public_key_len(),
            "{component}"
        );

        let signature = again.sign(b"message", MlDsaContext::EMPTY).unwrap();
        assert!(
            signature.len() <= component.max_signature_len(),
            "{component}: {}",
            signature.len()
        );
        key.public_key()
            .verify(b"message", &signature, MlDsaContext::EMPTY)
            .unwrap();
        assert!(
            key.public_key()
                .verify(b"massage", &signature, MlDsaContext::EMPTY)
                .is_err(),
            "{component}"
        );
        assert!(
            key.public_key()
                .verify(b"message", &signature[1..], MlDsaContext::EMPTY)
                .is_err(),
            "{component}"
        );
        assert!(
            key.public_key()
                .verify(b"message", &[], MlDsaContext::EMPTY)
                .is_err(),
            "{component}"
        );
    }
}

#[test]
fn contexts_bind_ml_dsa_signatures() {
    let label = MlDsaContext::new(LABEL).unwrap();
    for component in ml_dsa() {
        let key = SoftwareKey::generate(component).unwrap();
        let signature = key.sign(b"message", label).unwrap();
        key.public_key().verify(b"message", &signature, label).unwrap();
        assert!(
            key.public_key()
                .verify(b"message", &signature, MlDsaContext::EMPTY)
                .is_err(),
            "{component}"
        );
        let other = MlDsaContext::new(b"another").unwrap();
        assert!(
            key.public_key().verify(b"message", &signature, other).is_err(),
            "{component}"
        );
    }
    assert!(MlDsaContext::new(&[0; 255]).is_ok());
    assert!(MlDsaContext::new(&[0; 256]).is_err());
}

#[test]
fn nothing_can_be_signed_and_under_the_longest_context() {
    for component in Component::DEFAULTS {
        let key = SoftwareKey::generate(component).unwrap();
        let mut contexts = vec![MlDsaContext::EMPTY];
        if component.is_ml_dsa() {
            contexts.push(MlDsaContext::new(&LONGEST_CONTEXT).unwrap());
        }
        for context in contexts {
            // An empty slice that points at something, and one that need not.
            for message in [&b"message"[..0], &[]] {
                let signature = key.sign(message, context).unwrap();
                key.public_key().verify(&[], &signature, context).unwrap();
                assert!(
                    key.public_key().verify(b"x", &signature, context).is_err(),
                    "{component}"
                );
            }
        }
    }
    for component in ml_dsa() {
        let key = SoftwareKey::generate(component).unwrap();
        let signature = key
            .sign(&[], MlDsaContext::new(&LONGEST_CONTEXT).unwrap())
            .unwrap();
        // To the last byte of the context, and to its length.
        let mut other = LONGEST_CONTEXT;
        other[254] ^= 1;
        for context in [&other[..], &LONGEST_CONTEXT[..254]] {
            let context = MlDsaContext::new(context).unwrap();
            assert!(
                key.public_key().verify(&[], &signature, context).is_err(),
                "{component}"
            );
        }
    }
}

/// RustCrypto's implementation is the second opinion: seeds give the same keys, and signatures verify both ways.
macro_rules! second_opinion {
    ($name:ident, $component:expr, $set:ty) => {
        #[test]
        fn $name() {
            use ml_dsa::{KeyInit as _, Keypair as _, SigningKey, VerifyingKey};
            let ours = SoftwareKey::generate($component).unwrap();
            let seed: [u8; 32] = ours.raw().unwrap().as_slice().try_into().unwrap();
            let theirs = SigningKey::<$set>::new(&seed.into());
            let verifying: VerifyingKey<$set> = theirs.verifying_key();
            assert_eq!(verifying.encode().as_slice(), ours.public_key().as_bytes());

            let contexts = [&[][..], LABEL, &LONGEST_CONTEXT];
            let messages = [&b"message"[..], &[]];
            for (context, message) in contexts
                .iter()
                .flat_map(|context| messages.map(|message| (*context, message)))
            {
                let signature = ours
                    .sign(message, MlDsaContext::new(context).unwrap())
                    .unwrap();
                let read = ml_dsa::Signature::<$set>::try_from(signature.as_slice()).unwrap();
                assert!(verifying.verify_with_context(message, context, &read));
                let signature = theirs
                    .expanded_key()
                    .sign_deterministic(message, context)
                    .unwrap()
                    .encode();
                ours.public_key()
                    .verify(message, &signature, MlDsaContext::new(context).unwrap())
                    .unwrap();
            }
        }
    };
}
second_opinion!(
    ml_dsa_44_agrees_with_rustcrypto,
    Component::MlDsa44,
    ml_dsa::MlDsa44
);
second_opinion!(
    ml_dsa_65_agrees_with_rustcrypto,
    Component::MlDsa65,
    ml_dsa::MlDsa65
);
second_opinion!(
    ml_dsa_87_agrees_with_rustcrypto,
    Component::MlDsa87,
    ml_dsa::MlDsa87
);

#[test]
fn expanded_keys_sign_as_their_seed_does_and_are_checked() {
    for component in ml_dsa() {
        let key = SoftwareKey::generate(component).unwrap();
        let seed: [u8; 32] = key.raw().unwrap().as_slice().try_into().unwrap();
        let bytes = ExpandedMlDsaKey::expand(component, &seed).unwrap();
        assert_eq!(Some(bytes.len()), ExpandedMlDsaKey::expanded_len(component));
        let expanded = ExpandedMlDsaKey::parse(component, &bytes).unwrap();
        assert_eq!(expanded.public_key(), key.public_key());
        let signature = expanded.sign(b"message", MlDsaContext::EMPTY).unwrap();
        key.public_key()
            .verify(b"message", &signature, MlDsaContext::EMPTY)
            .unwrap();

        // tr, the hash of the public key, stands at offset 64: with it changed the parts contradict each other.
        let mut bad = bytes.to_vec();
        bad[64] ^= 1;
        let error = ExpandedMlDsaKey::parse(component, &bad).unwrap_err();
        assert!(matches!(error, KeyError::Invalid { .. }), "{component}: {error}");
        assert!(matches!(
            ExpandedMlDsaKey::parse(component, &bad[1..]),
            Err(KeyError::Length { .. })
        ));
    }
    assert!(ExpandedMlDsaKey::parse(Component::Ed25519, &[0; 32]).is_err());
}

#[test]
fn mu_can_be_signed_and_verified_in_place_of_the_message() {
    for component in ml_dsa() {
        let key = SoftwareKey::generate(component).unwrap();
        let mu = [7; 64];
        let signature = key.sign_mu(&mu).unwrap();
        key.public_key().verify_mu(&mu, &signature).unwrap();
        assert!(key.public_key().verify_mu(&[8; 64], &signature).is_err());
    }
    let classical = SoftwareKey::generate(Component::EcdsaP256Sha256).unwrap();
    assert!(classical.sign_mu(&[7; 64]).is_err());
    assert!(classical.public_key().verify_mu(&[7; 64], &[0; 72]).is_err());
}

#[test]
fn what_is_no_key_is_refused() {
    for component in Component::DEFAULTS {
        let len = component.public_key_len();
        assert!(matches!(
            PublicKey::parse(component, &vec![4; len - 1]),
            Err(KeyError::Length { .. })
        ));
        assert!(matches!(
            SoftwareKey::from_raw(component, &[1; 31]),
            Err(KeyError::Length { .. })
        ));
    }
    for component in [Component::EcdsaP256Sha256, Component::EcdsaP384Sha384] {
        let len = component.private_key_len();
        assert!(
            matches!(
                SoftwareKey::from_raw(component, &vec![0; len]),
                Err(KeyError::Invalid { .. })
            ),
            "zero"
        );
        assert!(
            matches!(
                SoftwareKey::from_raw(component, &vec![0xff; len]),
                Err(KeyError::Invalid { .. })
            ),
            "order"
        );
        let key = SoftwareKey::generate(component).unwrap();
        let mut off_curve = key.public_key().as_bytes().to_vec();
        *off_curve.last_mut().unwrap() ^= 1;
        assert!(matches!(
            PublicKey::parse(component, &off_curve),
            Err(KeyError::Invalid { .. })
        ));
    }
}

#[test]
fn stock_signatures_pair_any_curve_with_any_hash() {
    let key = SoftwareKey::generate(Component::EcdsaP256Sha256).unwrap();
    let signature = key.sign(b"message", MlDsaContext::EMPTY).unwrap();
    verify_ecdsa(key.public_key(), EcdsaHash::Sha256, b"message", &signature).unwrap();
    assert!(verify_ecdsa(key.public_key(), EcdsaHash::Sha384, b"message", &signature).is_err());
    let ed25519 = SoftwareKey::generate(Component::Ed25519).unwrap();
    assert!(verify_ecdsa(ed25519.public_key(), EcdsaHash::Sha256, b"message", &signature).is_err());
}

#[test]
fn secrets_are_masked() {
    for component in Component::DEFAULTS {
        let key = SoftwareKey::generate(component).unwrap();
        assert_eq!(format!("{key:?}"), format!("SoftwareKey({component}, secret)"));
    }
}

proptest! {
    #[test]
    fn no_bytes_make_parsing_or_verifying_fail_otherwise_than_by_an_error(
        index in 0..Component::DEFAULTS.len(),
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        signature in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let component = Component::DEFAULTS[index];
        let _ = PublicKey::parse(component, &bytes);
        let _ = SoftwareKey::from_raw(component, &bytes);
        let key = SoftwareKey::from_raw(component, &vec![1; component.private_key_len()]).unwrap();
        prop_assert!(key.public_key().verify(&bytes, &signature, MlDsaContext::EMPTY).is_err());
    }
}
