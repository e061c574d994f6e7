//! Catalyst certificates and authorities.

use const_oid::ObjectIdentifier;
use symbolon_pki::bundle::TrustBundle;
use symbolon_pki::catalyst::{
    ALTERNATIVE_ALGORITHM, ALTERNATIVE_KEY, ALTERNATIVE_SIGNATURE, CatalystError, Part, verify_alternative,
};
use symbolon_pki::certificate::{Certificate, CertificateError};
use symbolon_pki::key::{Half, KeyError, SignatureError};
use symbolon_pki::signature::{AlgorithmError, VerificationError};
use symbolon_pki::suite::{Form, Suite};
use symbolon_pki::verify::{ChainReason, verify_x509_svid};

use crate::support::{Ca, Draft, bundle, now, signer, subject_key, trust_domain};
use crate::{Catalyst, change, seal, with_alternative_key};

fn nothing(_: &mut Draft) {}

/// An OID of the first drafts of composites, under Entrust's arc.
const ENTRUST: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.114027.80.8.1.21");

#[test]
fn a_good_one_verifies_by_both_signatures() {
    let root = Catalyst::root();
    let leaf = root.leaf(nothing, nothing);
    verify_alternative(&leaf, root.certificate()).unwrap();
    verify_alternative(root.certificate(), root.certificate()).unwrap();
    verify_x509_svid(std::slice::from_ref(&leaf), &root.native.bundles(), now()).unwrap();
    let alternative = leaf.alternative().unwrap();
    assert!(alternative.is_complete() && !alternative.is_critical());
    assert_eq!(alternative.key().unwrap().algorithm_name(), "ml-dsa-44");
    assert_eq!(leaf.form(), Some(Form::Catalyst));
    // The key itself is what stock software sees.
    assert_eq!(leaf.subject_key().unwrap().form(), Form::Classical);
}

#[test]
fn where_the_signature_stands_among_the_extensions_is_no_matter() {
    let root = Catalyst::root();
    let leaf = root.leaf(nothing, |draft| draft.extensions.rotate_right(1));
    assert_eq!(leaf.extensions()[0].extn_id, ALTERNATIVE_SIGNATURE);
    verify_alternative(&leaf, root.certificate()).unwrap();
}

#[test]
fn critical_ones_are_read_and_told() {
    let root = Catalyst::root();
    let critical = |draft: &mut Draft| {
        for extension in &mut draft.extensions {
            extension.critical |= Part::ALL.iter().any(|part| part.oid() == extension.extn_id);
        }
    };
    // Criticality is under the alternative signature, but for that of the signature itself.
    let leaf = root.leaf(critical, critical);
    verify_alternative(&leaf, root.certificate()).unwrap();
    assert!(leaf.alternative().unwrap().is_critical());
    assert!(leaf.unprocessed_critical_extensions().is_empty());
    let changed_later = root.leaf(nothing, critical);
    assert_rejected(&changed_later, &root);
    // Who may not pass over them has to check them, whatever the policy asks.
    let bundles = root.native.bundles();
    verify_x509_svid(&[leaf], &bundles, now()).unwrap();
    let error = verify_x509_svid(&[changed_later], &bundles, now()).unwrap_err();
    assert!(
        matches!(*error.reason, ChainReason::Alternative { .. }),
        "{error}"
    );
}

fn assert_rejected(leaf: &Certificate, root: &Catalyst) {
    let rejected = CatalystError::Signature(VerificationError::Signature(SignatureError::Rejected));
    let error = verify_alternative(leaf, root.certificate()).unwrap_err();
    assert_eq!(error, rejected);
    assert_eq!(error.half(), Half::PostQuantum);
}

#[test]
fn what_was_changed_after_the_alternative_signature_is_noticed() {
    let root = Catalyst::root();
    let other_key = signer(Suite::MlDsa44).public_key().spki_der();
    type Change<'a> = &'a dyn Fn(&mut Draft);
    let changes: [(&str, Change<'_>); 8] = [
        ("another subject alternative name", &|draft| {
            draft.uris(&["spiffe://example.org/admin"]);
        }),
        ("another native key", &|draft| {
            draft.spki = signer(Suite::EcdsaP256).public_key().spki_der();
        }),
        ("another alternative key", &|draft| {
            change(draft, ALTERNATIVE_KEY, |content| content.clone_from(&other_key));
        }),
        ("a longer life", &|draft| {
            draft.not_after += crate::support::HOUR;
        }),
        ("another serial", &|draft| draft.serial = vec![0x2b]),
        ("an extension more", &|draft| {
            draft.set_raw(ObjectIdentifier::new_unwrap("1.2.3.4"), false, &[5, 0]);
        }),
        ("the extensions in another order", &|draft| {
            draft.extensions.swap(0, 1);
        }),
        ("a flipped bit in the signature", &|draft| {
            change(draft, ALTERNATIVE_SIGNATURE, |content| content[100] ^= 1);
        }),
    ];
    for (what, after) in changes {
        let leaf = root.leaf(nothing, after);
        // Whoever can forge the native signature gets this far.
        leaf.verify_signature(&subject_key(&root.native.signer)).unwrap();
        let error = verify_alternative(&leaf, root.certificate());
        assert!(
            matches!(error, Err(CatalystError::Signature(_))),
            "{what}: {error:?}"
        );
    }
    // Another authority's signature.
    let other = Catalyst::root();
    let leaf = root.leaf(nothing, |draft| {
        seal(draft, &root.native.signer, &other.alternative);
    });
    assert_rejected(&leaf, &root);
    // A signature of another length.
    let leaf = root.leaf(nothing, |draft| {
        change(draft, ALTERNATIVE_SIGNATURE, |content| {
            *content = crate::bit_string(&[7; 100]);
        });
    });
    assert_rejected(&leaf, &root);
}

#[test]
fn parts_that_are_missing_are_named() {
    let root = Catalyst::root();
    let without = |part: Part| root.leaf_der(nothing, |draft| draft.remove(part.oid()));
    // A signature without its algorithm is no certificate, nor an algorithm without its signature.
    for (left_out, named) in [
        (Part::Algorithm, "altSignatureAlgorithm"),
        (Part::Signature, "altSignatureValue"),
    ] {
        let error = Certificate::from_der(&without(left_out)).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("the certificate's {named} extension is wrong: it is missing beside its fellow")
        );
    }
    // Without an alternative key it is one, but no catalyst certificate.
    let keyless = Certificate::from_der(&without(Part::Key)).unwrap();
    assert_eq!(keyless.form(), Some(Form::Classical));
    let missing = CatalystError::Missing(Part::Key);
    assert_eq!(
        verify_alternative(&keyless, root.certificate()),
        Err(missing.clone())
    );
    // Nor with the key alone.
    let unsigned = root.leaf(nothing, |draft| {
        draft.remove(ALTERNATIVE_ALGORITHM);
        draft.remove(ALTERNATIVE_SIGNATURE);
    });
    assert_eq!(
        verify_alternative(&unsigned, root.certificate()),
        Err(CatalystError::Missing(Part::Algorithm))
    );
    // Stripped of everything: what whoever forges native signatures would send.
    let stripped = root.leaf(nothing, |draft| {
        for part in Part::ALL {
            draft.remove(part.oid());
        }
    });
    assert!(stripped.alternative().is_none());
    assert_eq!(
        verify_alternative(&stripped, root.certificate()),
        Err(missing.clone())
    );
    let leaf = root.leaf(nothing, nothing);
    let classical = Ca::root(Suite::EcdsaP256);
    assert_eq!(
        verify_alternative(&leaf, &classical.certificate),
        Err(CatalystError::Issuer(Box::new(missing)))
    );
}

#[test]
fn malformed_parts_are_refused_and_named() {
    let root = Catalyst::root();
    let spki = signer(Suite::MlDsa44).public_key().spki_der();
    let algorithm = Suite::MlDsa44.signature_algorithm_der();
    let signature = crate::bit_string(&[7; 2420]);
    let with = |base: &[u8], more: &[u8]| [base, more].concat();
    let unused_bits = {
        let mut bits = signature.clone();
        bits[4] = 1;
        bits
    };
    // The same length in one byte more than DER takes.
    let long_form = {
        let mut bytes = vec![0x30, 0x81, algorithm[1]];
        bytes.extend_from_slice(&algorithm[2..]);
        bytes
    };
    let with_null = symbolon_pki::encode::whole(0x30, &[&algorithm[2..], &[5, 0]]);
    for (part, content) in [
        (Part::Key, Vec::new()),
        (Part::Key, vec![5, 0]),
        (Part::Key, spki[..spki.len() - 1].to_vec()),
        (Part::Key, with(&spki, &[0])),
        (Part::Algorithm, Vec::new()),
        (Part::Algorithm, with(algorithm, &[5, 0])),
        (Part::Algorithm, algorithm[..algorithm.len() - 1].to_vec()),
        (Part::Algorithm, long_form),
        (Part::Algorithm, with_null),
        (Part::Signature, Vec::new()),
        (Part::Signature, vec![4, 1, 7]),
        (Part::Signature, unused_bits),
        (Part::Signature, with(&signature, &[0])),
        (Part::Signature, signature[..100].to_vec()),
    ] {
        let der = root.leaf_der(nothing, |draft| {
            change(draft, part.oid(), |old| old.clone_from(&content));
        });
        match Certificate::from_der(&der) {
            Err(CertificateError::Extension { name, .. }) => assert_eq!(name, part.name()),
            other => panic!("{part:?} {content:02x?}: {other:?}"),
        }
    }
    // Each of them twice.
    for part in Part::ALL {
        let der = root.leaf_der(nothing, |draft| {
            let same = draft.extensions.iter().find(|one| one.extn_id == part.oid());
            let same = same.unwrap().clone();
            draft.extensions.push(same);
        });
        let error = Certificate::from_der(&der).unwrap_err();
        assert_eq!(error, CertificateError::DuplicateExtension { oid: part.oid() });
    }
    // The whole, cut anywhere.
    let whole = root.leaf_der(nothing, nothing);
    for len in (0..whole.len()).step_by(37) {
        assert!(Certificate::from_der(&whole[..len]).is_err(), "{len} bytes");
    }
}

#[test]
fn keys_and_algorithms_that_are_of_no_use_are_named_and_the_rest_is_read() {
    let root = Catalyst::root();
    let of = |key: Vec<u8>| {
        let leaf = root.leaf(
            |draft| change(draft, ALTERNATIVE_KEY, |content| content.clone_from(&key)),
            nothing,
        );
        verify_alternative(&leaf, root.certificate()).unwrap_err()
    };
    let spki = |suite| signer(suite).public_key().spki_der();
    assert_eq!(
        of(spki(Suite::EcdsaP384)),
        CatalystError::NotPostQuantum("ecdsa-p384".to_owned())
    );
    // Of a draft that was left behind.
    let old = symbolon_pki::encode::whole(0x06, &[ENTRUST.as_bytes()]);
    let old = symbolon_pki::encode::whole(0x30, &[&old]);
    let old_key = symbolon_pki::encode::whole(0x30, &[&old, &crate::bit_string(&[7; 1952])]);
    assert_eq!(
        of(old_key),
        CatalystError::Key(KeyError::UnknownAlgorithm(ENTRUST))
    );
    // A byte short.
    let mut short = spki(Suite::MlDsa44);
    let bits = short.split_off(short.len() - 1312);
    let algorithm = Suite::MlDsa44.key_algorithm_der();
    let short = symbolon_pki::encode::whole(0x30, &[algorithm, &crate::bit_string(&bits[1..])]);
    assert!(matches!(of(short), CatalystError::Key(KeyError::Component(_))));

    let signed_with = |algorithm: &[u8]| {
        let leaf = root.leaf(
            |draft| {
                change(draft, ALTERNATIVE_ALGORITHM, |content| {
                    *content = algorithm.to_vec();
                });
            },
            nothing,
        );
        verify_alternative(&leaf, root.certificate()).unwrap_err()
    };
    assert_eq!(
        signed_with(&old),
        CatalystError::Algorithm(AlgorithmError::Unknown { oid: ENTRUST })
    );
    // Of another set of parameters, or another kind, than the issuer's alternative key.
    for other in [Suite::MlDsa65, Suite::EcdsaP256, Suite::MlDsa44EcdsaP256] {
        let error = signed_with(other.signature_algorithm_der());
        assert!(
            matches!(&error, CatalystError::Signature(VerificationError::WrongKey { key, .. }) if key == "ml-dsa-44"),
            "{other}: {error}"
        );
    }
}

#[test]
fn one_key_for_both_is_refused() {
    for suite in [Suite::MlDsa44, Suite::MlDsa44EcdsaP256] {
        let native = signer(suite);
        let alternative =
            symbolon_pki::key::SuiteSigner::new(Suite::MlDsa44, vec![native.keys()[0].clone()]).unwrap();
        let ca = Ca::root_with(native.clone(), |draft| {
            with_alternative_key(draft, &alternative, Suite::MlDsa44);
            seal(draft, &native, &alternative);
        });
        let error = ca.certificate.alternative().unwrap().key().unwrap_err();
        assert_eq!(error, CatalystError::SharedKey);
        assert_eq!(error.half(), Half::Both);
        assert!(verify_alternative(&ca.certificate, &ca.certificate).is_err());
    }
}

#[test]
fn in_a_bundle_they_stand_among_the_classical_and_are_told_apart() {
    let (catalyst, classical) = (Catalyst::root(), Ca::root(Suite::EcdsaP256));
    let (ml_dsa, composite) = (Ca::root(Suite::MlDsa44), Ca::root(Suite::MlDsa44EcdsaP256));
    let bundle = bundle(&[
        catalyst.certificate(),
        &classical.certificate,
        &ml_dsa.certificate,
        &composite.certificate,
    ]);
    let of = |bundle: &TrustBundle, form| {
        bundle
            .authorities_of(form)
            .map(|authority| authority.certificate.clone())
            .collect::<Vec<_>>()
    };
    let document = bundle.to_jwks();
    let value: serde_json::Value = serde_json::from_str(&document).unwrap();
    let kinds = |member: &str| {
        let keys = value[member].as_array().unwrap().iter();
        keys.map(|key| key["kty"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(kinds("keys"), ["EC", "EC"]);
    assert_eq!(kinds("pq_keys"), ["AKP", "AKP"]);

    let read = TrustBundle::from_jwks(&trust_domain(), document.as_bytes()).unwrap();
    for bundle in [&bundle, &read] {
        assert_eq!(of(bundle, Form::Catalyst), [catalyst.certificate().clone()]);
        assert_eq!(
            of(bundle, Form::Classical),
            std::slice::from_ref(&classical.certificate)
        );
        assert_eq!(
            of(bundle, Form::Paired),
            [classical.certificate.clone(), ml_dsa.certificate.clone()]
        );
        let stock: Vec<_> = bundle
            .stock_authorities()
            .map(|authority| authority.certificate.clone())
            .collect();
        assert_eq!(
            stock,
            [catalyst.certificate().clone(), classical.certificate.clone()]
        );
    }
    // Among the post-quantum keys it would be nobody's.
    let moved = document
        .replace("\"pq_keys\"", "\"other\"")
        .replace("\"keys\"", "\"pq_keys\"");
    let moved = moved.replace("{\"pq_keys\"", "{\"keys\":[],\"pq_keys\"");
    let read = TrustBundle::from_jwks(&trust_domain(), moved.as_bytes()).unwrap();
    assert!(read.x509_authorities.is_empty());
}
