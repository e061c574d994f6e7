//! Keys have one encoding, and old drafts' OIDs are known for what they are.

use symbolon_crypto::{Component, HeldKey};
use symbolon_pki::key::{Half, KeyError, PrivateKey, SubjectKey, SuitePublicKey};
use symbolon_pki::signature::SignatureAlgorithm;

use crate::{KEYS, MESSAGE, RSA, curve, der};

#[test]
fn a_public_key_has_one_form() {
    for keys in KEYS.iter() {
        let suite = keys.suite;
        let good = keys.public().as_bytes();
        let cut = suite.components()[0].public_key_len();
        let (first, second) = good.split_at(cut);
        let half = |bad: &[u8]| match SuitePublicKey::parse(suite, bad).unwrap_err() {
            KeyError::HalfInvalid {
                half, suite: named, ..
            } => {
                assert_eq!(named, suite);
                half
            }
            error => panic!("{suite}: {error}"),
        };
        assert_eq!(half(&[]), Half::PostQuantum);
        assert_eq!(half(&first[1..]), Half::PostQuantum);
        for bad in [
            first.to_vec(),
            good[..good.len() - 1].to_vec(),
            [good, &[0]].concat(),
            [good, second].concat(),
            [first, &vec![0; second.len()]].concat(),
            [first, &vec![0xff; second.len()]].concat(),
            [first, &der(0x04, &[second])].concat(),
        ] {
            assert_eq!(half(&bad), Half::Classical, "{suite}");
        }
        match SuitePublicKey::parse(suite, &[second, first].concat()) {
            // Any 32 bytes pass for a key of Ed25519, one under which nothing verifies.
            Ok(other) if keys.traditional.component() == Component::Ed25519 => {
                assert!(other.verify(MESSAGE, &keys.signature).is_err());
            }
            swapped => assert!(swapped.is_err(), "{suite}"),
        }
        // What other drafts had: a SEQUENCE of two BIT STRINGs.
        let wrapped = der(0x30, &[&der(3, &[&[0], first]), &der(3, &[&[0], second])]);
        assert!(SuitePublicKey::parse(suite, &wrapped).is_err());

        // Parameters where there are none, and unused bits.
        let oid = &suite.key_algorithm_der()[2..];
        let null = der(0x30, &[&der(0x30, &[oid, &[5, 0]]), &der(3, &[&[0], good])]);
        assert!(matches!(
            SubjectKey::from_spki_der(&null),
            Err(KeyError::Parameters(_))
        ));
        let bits = der(0x30, &[suite.key_algorithm_der(), &der(3, &[&[1], good])]);
        assert!(matches!(
            SubjectKey::from_spki_der(&bits),
            Err(KeyError::Malformed(_))
        ));
        let trailing = [keys.public().spki_der(), vec![0]].concat();
        assert!(matches!(
            SubjectKey::from_spki_der(&trailing),
            Err(KeyError::Malformed(_))
        ));
    }
}

#[test]
fn a_private_key_has_one_form() {
    for keys in KEYS.iter() {
        let suite = keys.suite;
        let [seed, traditional] = keys.private_parts();
        let raw = keys.traditional.raw().unwrap();
        let mut bad = vec![
            ("nothing", Vec::new()),
            ("a short seed", seed[1..].to_vec()),
            ("the seed alone", seed.clone()),
            ("cut", [&seed[..], &traditional[..traditional.len() - 1]].concat()),
            ("a byte after it", [&seed[..], &traditional, &[0]].concat()),
            (
                "the seed wrapped",
                [&der(0x80, &[&seed])[..], &traditional].concat(),
            ),
            (
                "the second half wrapped",
                [&seed[..], &der(4, &[&traditional])].concat(),
            ),
            (
                "a sequence",
                der(0x30, &[&der(4, &[&seed]), &der(4, &[&traditional])]),
            ),
        ];
        let component = keys.traditional.component();
        if let Some(curve) = curve(component) {
            let (version, scalar, named) = ([2, 1, 1], der(4, &[&raw]), der(0xa0, &[curve]));
            let public = [&[0], keys.traditional.public_key().as_bytes()].concat();
            let public = der(0xa1, &[&der(3, &[&public])]);
            let second = |parts: &[&[u8]]| [&seed[..], &der(0x30, parts)].concat();
            assert_eq!(
                second(&[&version, &scalar, &named]),
                [&seed[..], &traditional].concat()
            );
            let k1 = der(0xa0, &[&[6, 5, 0x2b, 0x81, 4, 0, 0x0a]]);
            let short = der(4, &[&raw[1..]]);
            bad.extend([
                ("a bare scalar", [&seed[..], &raw].concat()),
                ("no curve", second(&[&version, &scalar])),
                ("another curve", second(&[&version, &scalar, &k1])),
                (
                    "its public key too",
                    second(&[&version, &scalar, &named, &public]),
                ),
                ("a short scalar", second(&[&version, &short, &named])),
                ("version 0", second(&[&[2, 1, 0], &scalar, &named])),
                ("a long length", {
                    let long = [&[0x30, 0x82, 0], &traditional[1..]].concat();
                    [&seed[..], &long].concat()
                }),
            ]);
        }
        if component.is_rsa() {
            let pkcs8 = der(
                0x30,
                &[
                    &[
                        2, 1, 0, 0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 1, 5, 0,
                    ],
                    &der(4, &[&raw]),
                ],
            );
            let other = RSA
                .iter()
                .find(|key| key.component().public_key_len() != component.public_key_len());
            let other = other.unwrap().raw().unwrap();
            bad.extend([
                ("PKCS#8 within", [&seed[..], &pkcs8].concat()),
                ("another size", [&seed[..], &other].concat()),
            ]);
        }
        for (why, content) in bad {
            let error = PrivateKey::from_pkcs8_der(&keys.pkcs8(&content)).err();
            assert!(error.is_some(), "{suite}: {why}");
        }

        let swapped = PrivateKey::from_pkcs8_der(&keys.pkcs8(&[&traditional[..], &seed].concat()));
        match swapped {
            // Any bytes of the right length are a seed: of another key.
            Ok(other) if matches!(component, Component::Ed25519 | Component::Ed448) => {
                assert_ne!(other.public_key().unwrap(), *keys.public());
            }
            swapped => assert!(swapped.is_err(), "{suite}"),
        }

        // Parameters, and bytes after the document.
        let content = [&seed[..], &traditional].concat();
        let algorithm = der(0x30, &[&suite.key_algorithm_der()[2..], &[5, 0]]);
        let null = der(0x30, &[&[2, 1, 0], &algorithm, &der(4, &[&content])]);
        assert!(PrivateKey::from_pkcs8_der(&null).is_err());
        assert!(PrivateKey::from_pkcs8_der(&[keys.pkcs8(&content), vec![0]].concat()).is_err());
    }
}

/// 2.16.840.1.114027.80.8.1.N and .80.9.1.N: the old drafts' composites, whose bytes mean something else.
#[test]
fn the_old_drafts_oids_are_refused_by_name() {
    for keys in KEYS.iter() {
        for arc in [[8, 1], [9, 1]] {
            for last in 1..=40 {
                let oid = [
                    &[6, 11, 0x60, 0x86, 0x48, 1, 0x86, 0xfa, 0x6b, 0x50][..],
                    &arc,
                    &[last],
                ];
                let algorithm = der(0x30, &[&oid.concat()]);
                let named = |error: String| {
                    assert!(error.contains("2.16.840.1.114027.80."), "{error}");
                    assert!(error.contains("old LAMPS draft (Entrust's OID arc)"), "{error}");
                };
                named(SignatureAlgorithm::from_der(&algorithm).unwrap_err().to_string());
                let spki = der(0x30, &[&algorithm, &der(3, &[&[0], keys.public().as_bytes()])]);
                named(SubjectKey::from_spki_der(&spki).unwrap_err().to_string());
                let pkcs8 = der(0x30, &[&[2, 1, 0], &algorithm, &der(4, &[&[0; 64]])]);
                named(PrivateKey::from_pkcs8_der(&pkcs8).unwrap_err().to_string());
            }
        }
    }
}
