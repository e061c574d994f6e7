//! What the components outside the hot path do, and refuse.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ed448;

use std::sync::LazyLock;

use symbolon_crypto::{Component, HeldKey, KeyError, MlDsaContext, PublicKey, SoftwareKey};

/// One key a size: RSA keys differ by padding in nothing but their use, and take long to make.
static RSA: LazyLock<[SoftwareKey; 3]> = LazyLock::new(|| {
    [
        Component::Rsa2048PssSha256,
        Component::Rsa3072PssSha256,
        Component::Rsa4096PssSha384,
    ]
    .map(|component| SoftwareKey::generate(component).unwrap())
});

fn further() -> impl Iterator<Item = Component> {
    Component::ALL
        .into_iter()
        .filter(|component| !Component::DEFAULTS.contains(component))
}

/// A key of the component: made once for each size of RSA.
fn key(component: Component) -> SoftwareKey {
    if !component.is_rsa() {
        return SoftwareKey::generate(component).unwrap();
    }
    let size = RSA
        .iter()
        .find(|key| key.component().public_key_len() == component.public_key_len());
    SoftwareKey::from_raw(component, &size.unwrap().raw().unwrap()).unwrap()
}

fn sign(key: &SoftwareKey, message: &[u8]) -> Vec<u8> {
    key.sign(message, MlDsaContext::EMPTY).unwrap()
}

fn verifies(key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
    key.verify(message, signature, MlDsaContext::EMPTY).is_ok()
}

#[test]
fn keys_sign_verify_and_survive_their_raw_form() {
    for component in further() {
        let key = key(component);
        let raw = key.raw().unwrap();
        let public = key.public_key();
        assert_eq!(public.as_bytes().len(), component.public_key_len(), "{component}");
        assert!(
            raw.len() <= component.private_key_len(),
            "{component}: {}",
            raw.len()
        );
        assert!(!component.has_one_length() || raw.len() == component.private_key_len());
        let again = SoftwareKey::from_raw(component, &raw).unwrap();
        assert_eq!(again.public_key(), public, "{component}");
        assert_eq!(*again.raw().unwrap(), *raw, "{component}");
        assert_eq!(format!("{key:?}"), format!("SoftwareKey({component}, secret)"));

        let signature = sign(&again, b"message");
        let longest = component.max_signature_len();
        assert!(signature.len() <= longest && (component.is_ecdsa() || signature.len() == longest));
        let public = PublicKey::parse(component, public.as_bytes()).unwrap();
        assert!(verifies(&public, b"message", &signature), "{component}");
        assert!(!verifies(&public, b"massage", &signature), "{component}");

        // Cut at either end, grown, and changed at either end and in the middle.
        let mut bad = vec![
            signature[1..].to_vec(),
            signature[..signature.len() - 1].to_vec(),
            [&signature[..], &[0]].concat(),
            Vec::new(),
            vec![0; signature.len()],
        ];
        for at in [0, signature.len() / 2, signature.len() - 1] {
            let mut changed = signature.clone();
            changed[at] ^= 1;
            bad.push(changed);
        }
        for bad in bad {
            assert!(!verifies(&public, b"message", &bad), "{component}");
        }
        assert!(key.sign_mu(&[7; 64]).is_err() && public.verify_mu(&[7; 64], &signature).is_err());
    }
}

#[test]
fn paddings_are_not_mixed_up() {
    for (one, other) in [
        (Component::Rsa2048PssSha256, Component::Rsa2048Pkcs1Sha256),
        (Component::Rsa3072PssSha256, Component::Rsa3072Pkcs1Sha256),
        (Component::Rsa4096PssSha384, Component::Rsa4096Pkcs1Sha384),
    ] {
        for (signer, verifier) in [(one, other), (other, one)] {
            let (signer, verifier) = (key(signer), key(verifier));
            assert_eq!(signer.public_key().as_bytes(), verifier.public_key().as_bytes());
            assert!(!verifies(
                verifier.public_key(),
                b"message",
                &sign(&signer, b"message")
            ));
        }
    }
}

#[test]
fn an_rsa_key_is_of_its_components_size_and_has_one_encoding() {
    let keys = RSA.each_ref();
    for (index, key) in keys.iter().enumerate() {
        let component = key.component();
        let other = keys[(index + 1) % keys.len()];
        let (public, private) = (other.public_key().as_bytes(), other.raw().unwrap());
        let bits = match other.component() {
            Component::Rsa2048PssSha256 => 2048,
            Component::Rsa3072PssSha256 => 3072,
            _ => 4096,
        };
        let wrong = KeyError::RsaModulus { component, bits };
        assert_eq!(PublicKey::parse(component, public).unwrap_err(), wrong);
        assert_eq!(SoftwareKey::from_raw(component, &private).unwrap_err(), wrong);

        let good = key.public_key().as_bytes();
        let private = key.raw().unwrap();
        // The last three bytes are 01 00 01, the exponent.
        let (start, end) = (&good[..good.len() - 5], [2, 3, 1, 0, 1]);
        assert_eq!(good, [start, &end].concat());
        let with = |exponent: &[u8]| {
            let mut der = [start, &[2, u8::try_from(exponent.len()).unwrap()], exponent].concat();
            let len = u16::try_from(der.len() - 4).unwrap().to_be_bytes();
            der[2..4].copy_from_slice(&len);
            der
        };
        assert_eq!(with(&[1, 0, 1]), good);
        for small in [&[3][..], &[17], &[0, 0x80, 1]] {
            assert_eq!(
                PublicKey::parse(component, &with(small)).unwrap_err(),
                KeyError::RsaExponent { component },
                "{small:?}"
            );
        }
        PublicKey::parse(component, &with(&[1, 0, 3])).unwrap();
        // Even, one, zero, negative, not minimal, more than the library reads.
        for bad in [
            &[1, 0, 2][..],
            &[1],
            &[0],
            &[0x81, 0, 1],
            &[0, 1, 0, 1],
            &[1, 0, 0, 0, 0, 0, 0, 0, 1],
        ] {
            assert_eq!(
                PublicKey::parse(component, &with(bad)).unwrap_err(),
                KeyError::RsaInvalid,
                "{bad:?}"
            );
        }
        let mut even = good.to_vec();
        let last_of_modulus = start.len() - 1;
        even[last_of_modulus] &= 0xfe;
        for bad in [
            &even[..],
            &good[1..],
            &good[..good.len() - 1],
            &[good, &[0]].concat(),
            &[],
            &private,
        ] {
            assert_eq!(
                PublicKey::parse(component, bad).unwrap_err(),
                KeyError::RsaInvalid
            );
        }

        // The version, and a byte of each of the numbers.
        let mut bad = vec![
            private[1..].to_vec(),
            private[..private.len() - 1].to_vec(),
            [&private[..], &[0]].concat(),
            Vec::new(),
            good.to_vec(),
        ];
        for at in [6, 100, private.len() / 2, private.len() - 10] {
            let mut changed = private.to_vec();
            changed[at] ^= 1;
            bad.push(changed);
        }
        // A length with a byte more than it needs.
        let (length, rest) = (&private[2..4], &private[4..]);
        bad.push([&[0x30, 0x83, 0], length, rest].concat());
        for bad in bad {
            let error = SoftwareKey::from_raw(component, &bad).unwrap_err();
            assert!(matches!(error, KeyError::Invalid { .. }), "{error}");
        }
    }
}

/// What no curve takes: a point that is compressed, hybrid, at infinity, off the curve, or of another one.
#[test]
fn points_are_uncompressed_and_on_their_curve() {
    for (component, other) in [
        (Component::EcdsaP521Sha512, Component::EcdsaP384Sha384),
        (Component::EcdsaBrainpoolP256r1Sha256, Component::EcdsaP256Sha256),
        (Component::EcdsaBrainpoolP384r1Sha384, Component::EcdsaP384Sha384),
    ] {
        let (len, key, stranger) = (component.public_key_len(), key(component), key(other));
        let good = key.public_key().as_bytes().to_vec();
        for tag in 0..=255 {
            let mut point = good.clone();
            point[0] = tag;
            assert_eq!(
                PublicKey::parse(component, &point).is_ok(),
                tag == 4,
                "{component} {tag}"
            );
        }
        let mut off_curve = good.clone();
        off_curve[len - 1] ^= 1;
        let mut beyond_the_field = vec![0xff; len];
        beyond_the_field[0] = 4;
        let mut origin = vec![0; len];
        origin[0] = 4;
        for bad in [&off_curve, &beyond_the_field, &origin] {
            let error = PublicKey::parse(component, bad).unwrap_err();
            assert!(matches!(error, KeyError::Invalid { .. }), "{component}: {error}");
        }
        for bad in [
            stranger.public_key().as_bytes(),
            &good[..len / 2 + 1],
            &good[..len - 1],
            &[&good[..], &[0]].concat(),
            &[0],
            &[],
        ] {
            assert!(PublicKey::parse(component, bad).is_err(), "{component}");
        }
        let scalar = component.private_key_len();
        for bad in [
            vec![0; scalar],
            vec![0xff; scalar],
            vec![1; scalar - 1],
            vec![1; scalar + 1],
        ] {
            assert!(SoftwareKey::from_raw(component, &bad).is_err(), "{component}");
        }
    }
}

/// r and s as a DER `Ecdsa-Sig-Value`, not necessarily well made.
fn ecdsa(r: &[u8], s: &[u8]) -> Vec<u8> {
    let integer = |bytes: &[u8]| [&[2, u8::try_from(bytes.len()).unwrap()], bytes].concat();
    let content = [integer(r), integer(s)].concat();
    match u8::try_from(content.len()).unwrap() {
        len @ ..0x80 => [&[0x30, len], &content[..]].concat(),
        len => [&[0x30, 0x81, len], &content[..]].concat(),
    }
}

#[test]
fn ecdsa_signatures_are_minimal_der_in_range() {
    for component in [
        Component::EcdsaP521Sha512,
        Component::EcdsaBrainpoolP256r1Sha256,
        Component::EcdsaBrainpoolP384r1Sha384,
    ] {
        let key = key(component);
        let good = sign(&key, b"message");
        let body = if good[1] == 0x81 { &good[3..] } else { &good[2..] };
        let (r, rest) = body[2..].split_at(usize::from(body[1]));
        let s = &rest[2..];
        assert_eq!(ecdsa(r, s), good);
        let padded = |number: &[u8]| [&[0], number].concat();
        let long_form = [&[0x30, 0x82, 0, u8::try_from(body.len()).unwrap()], body].concat();
        for bad in [
            ecdsa(&padded(r), s),
            ecdsa(r, &padded(s)),
            ecdsa(&[0], s),
            ecdsa(r, &[0]),
            ecdsa(&[], s),
            ecdsa(s, r),
            long_form,
            [&good[..], &[0]].concat(),
            [r, s].concat(),
        ] {
            assert!(!verifies(key.public_key(), b"message", &bad), "{component}");
        }
    }
}

#[test]
fn an_slh_dsa_key_whose_parts_contradict_each_other_is_refused() {
    for component in further().filter(|component| component.is_slh_dsa()) {
        let raw = key(component).raw().unwrap();
        for part in 0..4 {
            // The second part is mixed into signatures alone: any will do.
            let mut bad = raw.to_vec();
            bad[part * raw.len() / 4] ^= 1;
            assert_eq!(
                SoftwareKey::from_raw(component, &bad).is_ok(),
                part == 1,
                "{component} {part}"
            );
        }
        for len in [0, raw.len() - 1, raw.len() / 2] {
            let error = SoftwareKey::from_raw(component, &raw[..len]).unwrap_err();
            assert!(matches!(error, KeyError::Length { .. }), "{error}");
        }
    }
}
