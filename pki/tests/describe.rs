//! Descriptions of certificates, requests and SVIDs: each is told for what it is, good or bad.

mod common;

use common::{ByHand, FOREIGN, composite_x5c, extension, json, now, one, self_signed, tlv};
use proptest::prelude::*;
use rcgen::KeyPair;
use symbolon_pki::csr::CsrBuilder;
use symbolon_pki::describe::{DescribeError, Description, MAX_INPUT_LEN, Support, describe};
use symbolon_pki::key::PrivateKey;
use symbolon_pki::pem;
use symbolon_pki::suite::Suite;

#[test]
fn a_composite_certificate_is_told_by_its_halves() {
    let Some(certificates) = composite_x5c() else {
        return;
    };
    let (_, der) = certificates
        .iter()
        .find(|(id, _)| id == "id-MLDSA65-ECDSA-P256-SHA512")
        .unwrap();
    let told = json(der);
    assert_eq!(told["kind"], "certificate");
    assert_eq!(told["public_key"]["algorithm"]["name"], "mldsa65-ecdsa-p256");
    assert_eq!(told["public_key"]["algorithm"]["oid"], "1.3.6.1.5.5.7.6.45");
    assert_eq!(told["public_key"]["algorithm"]["support"], "supported");
    assert_eq!(told["public_key"]["form"], "composite");
    let parts = &told["public_key"]["parts"];
    assert_eq!(parts[0]["half"], "post-quantum half");
    assert_eq!(parts[0]["component"], "ML-DSA-65");
    assert_eq!(parts[0]["bytes"], 1952);
    assert_eq!(parts[1]["half"], "classical half");
    assert_eq!(parts[1]["component"], "ECDSA P-256 with SHA-256");
    assert_eq!(parts[1]["bytes"], 65);
    assert_eq!(told["signature"]["parts"][0]["bytes"], 3309);
    assert_eq!(
        told["signature"]["check"],
        "it verifies with the certificate's own key"
    );
    assert_eq!(told["problems"], serde_json::json!([]));

    let mut broken = der.clone();
    *broken.last_mut().unwrap() ^= 1;
    let problem = one(&broken).problems().remove(0);
    assert_eq!(
        problem,
        "it does not verify with the certificate's own key: \
         the classical half of the composite signature does not verify"
    );
}

#[test]
fn composites_that_are_not_implemented_are_named_with_both_halves() {
    let Some(certificates) = composite_x5c() else {
        return;
    };
    for (id, der) in &certificates {
        let Description::Certificate(told) = one(der) else {
            panic!("{id}: a certificate")
        };
        let known = told.public_key.algorithm.support;
        assert!(
            matches!(known, Support::Supported | Support::NotImplemented),
            "{id}"
        );
        if known == Support::NotImplemented {
            assert_eq!(&told.public_key.algorithm.name, id);
            assert_eq!(told.public_key.parts.len(), 2, "{id}");
            let sum: usize = told.signature.parts.iter().map(|part| part.bytes).sum();
            assert_eq!(sum, told.signature.bytes, "{id}");
            assert_eq!(told.problems.len(), 1, "{id}: {:?}", told.problems);
        }
    }
}

#[test]
fn look_alike_algorithms_are_said_not_to_be_interoperable() {
    // An old LAMPS draft in Entrust's arc, and oqs-provider's p256_mldsa44.
    for (oid, dotted) in [
        ("060b6086480186fa6b50080115", "2.16.840.1.114027.80.8.1.21"),
        ("06052bce0f0705", "1.3.9999.7.5"),
    ] {
        let oid = hex::decode(oid).unwrap();
        let algorithm = tlv(0x30, &[&oid]);
        let key = tlv(0x30, &[&algorithm, &tlv(3, &[&[0], &[1; 100]])]);
        let by_hand = ByHand {
            inner: algorithm.clone(),
            outer: algorithm,
            key: key.clone(),
            ..ByHand::new()
        };
        for (input, member) in [(by_hand.der(), "signature"), (by_hand.der(), "public_key")] {
            let told = json(&input);
            assert_eq!(told[member]["algorithm"]["oid"], dotted);
            assert_eq!(told[member]["algorithm"]["support"], "not-interoperable");
        }
        let told = json(&key);
        assert_eq!(told["kind"], "public-key");
        assert!(
            told["algorithm"]["words"]
                .as_str()
                .unwrap()
                .ends_with(": not interoperable")
        );
    }
}

#[test]
fn a_certificate_that_is_refused_is_told_with_the_reason() {
    let negative = ByHand {
        serial: vec![0x80],
        ..ByHand::new()
    };
    let told = one(&negative.der());
    assert_eq!(told.problems()[0], "the certificate's serial number is negative");
    let Description::Certificate(told) = told else {
        panic!("a certificate")
    };
    assert!(told.authority);
    assert_eq!(told.validity.not_before.as_deref(), Some("2026-01-01T00:00:00Z"));
    assert!(told.validity.state.starts_with("valid for another "));
}

#[test]
fn pem_in_a_certificate_is_part_of_it() {
    let hidden = pem::encode("CERTIFICATE", &FOREIGN.leaf);
    let with = ByHand {
        extensions: vec![extension(99, None, hidden.as_bytes())],
        ..ByHand::new()
    };
    assert!(!pem::looks_like_pem(&with.der()));
    assert_eq!(json(&with.der())["bytes"], with.der().len());
    let chain = [with.der(), FOREIGN.ca.clone()].concat();
    assert!(!pem::looks_like_pem(&chain));
    // Something behind it does not make it PEM either.
    let told = describe(&[with.der(), vec![0]].concat(), now()).unwrap();
    assert!(matches!(&told[0], Description::Certificate(one) if one.bytes == with.der().len()));
    // A page that begins with the byte of a SEQUENCE is no DER.
    let page = format!("0 s:CN=a\n{}", &*hidden);
    assert!(pem::looks_like_pem(page.as_bytes()));
}

#[test]
fn requests_are_told_whether_good_or_bad() {
    let signer = PrivateKey::generate(Suite::MlDsa87EcdsaP384)
        .unwrap()
        .signer()
        .unwrap();
    let id = spiffe::SpiffeId::new("spiffe://example.org/web").unwrap();
    let mut der = CsrBuilder::new(&signer).spiffe_id(&id).build().unwrap();
    let told = json(&der);
    assert_eq!(told["kind"], "certificate-request");
    assert_eq!(told["spiffe_id"], "spiffe://example.org/web");
    assert_eq!(told["signature"]["check"], "the proof of possession is good");
    assert_eq!(told["extensions"][0]["name"], "subjectAltName");
    assert_eq!(told["extensions"][0]["value"], "URI spiffe://example.org/web");

    *der.last_mut().unwrap() ^= 1;
    let problems = one(pem::encode(pem::CERTIFICATE_REQUEST, &der).as_bytes()).problems();
    assert_eq!(problems.len(), 1);
    assert!(problems[0].contains("the classical half"), "{problems:?}");
}

#[test]
fn chain_and_key_are_told_as_one_svid() {
    let key = KeyPair::generate().unwrap();
    let leaf = self_signed(&key, "spiffe://example.org/web");
    let leaf = pem::encode(pem::CERTIFICATE, &leaf);

    let svid = json(format!("{}{}", *leaf, key.serialize_pem()).as_bytes());
    assert_eq!(svid["kind"], "x509-svid");
    assert_eq!(svid["spiffe_id"], "spiffe://example.org/web");
    assert_eq!(svid["form"], "classical");
    assert_eq!(svid["problems"], serde_json::json!([]));

    let other = KeyPair::generate().unwrap();
    let svid = one(format!("{}{}", *leaf, other.serialize_pem()).as_bytes());
    assert_eq!(
        svid.problems(),
        ["the private key is not the one that the leaf certifies"]
    );

    // On its own, and in a chain as the Workload API sends it.
    assert_eq!(json(leaf.as_bytes())["kind"], "certificate");
    let chain = one(&[FOREIGN.leaf.as_slice(), FOREIGN.ca.as_slice()].concat());
    let text = chain.to_string();
    assert!(
        text.starts_with("X.509-SVID: X.509-SVID of spiffe://example.org/web, classical form"),
        "{text}"
    );
    assert!(
        text.contains("\n  intermediate 1: self-issued authority with a key of type ecdsa-p256\n"),
        "{text}"
    );
    assert!(
        text.contains("    keyUsage (critical): digitalSignature\n"),
        "{text}"
    );
    let reversed = describe(
        &[FOREIGN.leaf.as_slice(), FOREIGN.leaf.as_slice()].concat(),
        now(),
    )
    .unwrap();
    assert!(reversed[0].problems()[0].starts_with("certificate 1 is not issued by certificate 2"));
}

#[test]
fn one_bad_block_hides_no_other() {
    let text = format!(
        "{}-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n{}{}",
        *pem::encode(pem::CERTIFICATE, &FOREIGN.ca),
        *pem::encode("SOMETHING ELSE", b"?"),
        *pem::encode(pem::CERTIFICATE, b"no certificate"),
    );
    let all = describe(text.as_bytes(), now()).unwrap();
    let kinds: Vec<_> = all
        .iter()
        .map(|told| serde_json::to_value(told).unwrap()["kind"].clone())
        .collect();
    assert_eq!(kinds, ["certificate", "unreadable", "unreadable", "unreadable"]);
}

#[test]
fn strangers_control_characters_do_not_reach_the_terminal() {
    let names = tlv(0x30, &[&tlv(0x82, &[b"evil\x1b[2Jname"])]);
    let mut by_hand = ByHand::new();
    by_hand.extensions.push(extension(17, None, &names));
    let text = one(&by_hand.der()).to_string();
    assert!(text.contains("evil\u{fffd}[2Jname"), "{text}");
    assert!(!text.contains('\x1b'));
}

#[test]
fn what_is_nothing_is_an_error() {
    assert_eq!(describe(b" \n", now()), Err(DescribeError::Empty));
    let long = vec![b'x'; MAX_INPUT_LEN + 1];
    assert_eq!(
        describe(&long, now()),
        Err(DescribeError::TooLong { len: long.len() })
    );
    for input in [
        &b"hello"[..],
        b"{}",
        b"{",
        b"eyJh.b.c",
        &[0x30, 0x80],
        &[0x30, 0x00],
    ] {
        assert_eq!(describe(input, now()), Err(DescribeError::Unknown), "{input:?}");
    }
}

proptest! {
    #[test]
    fn changed_certificates_never_panic(at in any::<prop::sample::Index>(), with in any::<u8>()) {
        let mut changed = FOREIGN.leaf.clone();
        *at.get_mut(&mut changed) ^= with;
        if let Ok(all) = describe(&changed, now()) {
            let shown: String = all.iter().map(ToString::to_string).collect();
            prop_assert!(!shown.is_empty());
        }
    }

    #[test]
    fn changed_keys_never_panic(at in any::<prop::sample::Index>(), with in any::<u8>()) {
        let mut changed = PrivateKey::generate(Suite::MlDsa44EcdsaP256).unwrap().to_pkcs8_der().unwrap();
        *at.get_mut(&mut changed) ^= with;
        if let Ok(all) = describe(&changed, now()) {
            prop_assert!(all.iter().all(|told| !told.rows().is_empty()));
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(all) = describe(&bytes, now()) {
            prop_assert!(!all.is_empty());
        }
    }
}
