//! Public and private keys, and signatures by composites.

use ::der::Decode as _;
use ml_dsa::{MlDsa44, MlDsa65, MlDsa87};
use symbolon_crypto::{Component, MlDsaContext, PublicKey};
use symbolon_pki::encode::element;
use symbolon_pki::key::{PrivateKey, SubjectKey, SuitePublicKey};
use symbolon_pki::signature::SignatureAlgorithm;
use symbolon_pki::suite::Suite;
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::estate::{self, chains};
use crate::{Shape, Target, rare};

pub(super) const SPKI: Target = Target {
    name: "spki",
    about: "a public key in its SubjectPublicKeyInfo: one key has one encoding",
    shape: Shape::Der,
    max_len: 4 * 1024,
    body: |input| {
        let Ok(key) = SubjectKey::from_spki_der(input) else {
            return;
        };
        assert_eq!(key.spki_der(), input, "a key that is written differently");
        assert!(spki::SubjectPublicKeyInfoOwned::from_der(input).is_ok());
        let (rest, other) =
            SubjectPublicKeyInfo::from_der(input).expect("x509-parser refuses what we accept");
        assert!(rest.is_empty() && other.raw == input);
        let _ = (
            key.form(),
            key.algorithm_name(),
            key.skid(),
            key.component_spki_hashes(),
        );
    },
    seeds: || {
        let ours = chains().iter().map(|chain| chain.spki.clone());
        ours.chain(rare::public_keys()).collect()
    },
};

pub(super) const PKCS8: Target = Target {
    name: "pkcs8",
    about: "a private key: what can be written is read back as the same key, and signs",
    shape: Shape::Der,
    max_len: 8 * 1024,
    body: pkcs8,
    seeds: private_keys,
};

pub(super) const PUBLIC_KEY: Target = Target {
    name: "public-key",
    about: "raw public keys of every component and suite, beside the ml-dsa crate; the first byte says which",
    shape: Shape::Bytes,
    max_len: 4 * 1024,
    body: public_key,
    seeds: || {
        let mut seeds = Vec::new();
        for (number, suite) in (0..).zip(Suite::DEFAULTS) {
            seeds.push([&[number][..], estate::signer(suite, 3).public_key().as_bytes()].concat());
        }
        seeds
    },
};

pub(super) const SIGNATURE: Target = Target {
    name: "signature",
    about: "signatures of every suite over one message: only those that our keys made verify; the first byte says which",
    shape: Shape::Bytes,
    max_len: 5 * 1024,
    body: signature,
    seeds: || {
        (0..)
            .zip(Suite::DEFAULTS)
            .map(|(number, suite)| {
                let signature = estate::signer(suite, 3).sign(MESSAGE).expect("a signature");
                [&[number][..], &signature].concat()
            })
            .collect()
    },
};

pub(super) const ALGORITHM: Target = Target {
    name: "algorithm",
    about: "a signature's AlgorithmIdentifier",
    shape: Shape::Der,
    max_len: 512,
    body: |input| {
        if let Ok(algorithm) = SignatureAlgorithm::from_der(input) {
            assert!(!algorithm.name().is_empty());
            assert!(spki::AlgorithmIdentifierOwned::from_der(input).is_ok());
        }
    },
    seeds: || {
        Suite::ALL
            .into_iter()
            .map(|suite| suite.signature_algorithm_der().to_vec())
            .chain(rare::algorithms())
            .collect()
    },
};

const MESSAGE: &[u8] = b"what is signed";

fn pkcs8(input: &[u8]) {
    let Ok(key) = PrivateKey::from_pkcs8_der(input) else {
        return;
    };
    assert!(::der::AnyRef::from_der(input).is_ok());
    // Reading one of these makes its public key anew, and signing takes several times as long: seconds, under sanitizers.
    if key
        .suite()
        .components()
        .iter()
        .any(|component| component.is_slh_dsa())
    {
        return;
    }
    let public = key.public_key();
    if let Ok(written) = key.to_pkcs8_der() {
        let again = PrivateKey::from_pkcs8_der(&written).expect("a key of our own writing");
        assert_eq!(again.public_key().ok(), public.as_ref().ok().cloned());
        assert_eq!(*again.to_pkcs8_der().expect("it was written before"), *written);
    }
    if let (Ok(public), Ok(signer)) = (public, key.signer()) {
        let signature = signer.sign(MESSAGE).expect("a key that was read signs");
        public
            .verify(MESSAGE, &signature)
            .expect("and its signature verifies");
    }
}

/// PKCS#8 of the key that seeds of this suite have.
pub(super) fn private_key(suite: Suite) -> Vec<u8> {
    PrivateKey::generate(suite)
        .and_then(|key| {
            key.to_pkcs8_der()
                .map_err(|_| symbolon_crypto::KeyError::RsaInvalid)
        })
        .expect("a private key")
        .to_vec()
}

fn private_keys() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = Suite::DEFAULTS.into_iter().map(private_key).collect();
    seeds.push(expanded_private_key());
    seeds.extend(rare::private_keys());
    seeds
}

/// ML-DSA-44 in the form that holds seed and expanded key (RFC 9881, section 6).
fn expanded_private_key() -> Vec<u8> {
    let seed = [9; 32];
    let expanded = symbolon_crypto::ExpandedMlDsaKey::expand(Component::MlDsa44, &seed).expect("a key");
    let mut both = Vec::new();
    element(&mut both, 0x04, &seed);
    element(&mut both, 0x04, &expanded);
    let mut private = Vec::new();
    element(&mut private, 0x30, &both);
    ml_dsa_44_of(&private)
}

/// PKCS#8 of the ML-DSA-44 key that has this number in the estate, as its seed.
pub(super) fn ml_dsa_44(number: u8) -> Vec<u8> {
    let mut private = Vec::new();
    element(&mut private, 0x80, &[number; 32]);
    ml_dsa_44_of(&private)
}

fn ml_dsa_44_of(private: &[u8]) -> Vec<u8> {
    let mut content = vec![0x02, 0x01, 0x00];
    content.extend_from_slice(Suite::MlDsa44.signature_algorithm_der());
    element(&mut content, 0x04, private);
    let mut out = Vec::new();
    element(&mut out, 0x30, &content);
    out
}

fn public_key(input: &[u8]) {
    let Some((which, key)) = input.split_first() else {
        return;
    };
    if let Some(suite) = Suite::DEFAULTS.get(usize::from(*which) % Suite::DEFAULTS.len())
        && let Ok(read) = SuitePublicKey::parse(*suite, key)
    {
        assert_eq!(read.as_bytes(), key);
        let halves: Vec<u8> = read
            .components()
            .iter()
            .flat_map(|half| half.as_bytes().to_vec())
            .collect();
        assert_eq!(halves, key, "a key that is not its halves");
        match SubjectKey::from_spki_der(&read.spki_der()) {
            Ok(SubjectKey::Suite(again)) => assert_eq!(again, read),
            other => panic!("a key's SPKI is read as {other:?}"),
        }
    }
    if let Some(component) = Component::DEFAULTS.get(usize::from(*which) % Component::DEFAULTS.len())
        && let Ok(read) = PublicKey::parse(*component, key)
    {
        assert_eq!(read.as_bytes(), key);
        let other = match component {
            Component::MlDsa44 => by_ml_dsa::<MlDsa44>(key),
            Component::MlDsa65 => by_ml_dsa::<MlDsa65>(key),
            Component::MlDsa87 => by_ml_dsa::<MlDsa87>(key),
            _ => key.to_vec(),
        };
        assert_eq!(other, key, "a key that the ml-dsa crate writes differently");
        let _ = read.verify(
            MESSAGE,
            &vec![0; component.max_signature_len()],
            MlDsaContext::EMPTY,
        );
    }
}

/// A key as the ml-dsa crate reads and writes it.
fn by_ml_dsa<P: ml_dsa::MlDsaParams>(key: &[u8]) -> Vec<u8> {
    let encoded = ml_dsa::EncodedVerifyingKey::<P>::try_from(key).expect("the length was checked");
    ml_dsa::VerifyingKey::<P>::decode(&encoded).encode().to_vec()
}

fn signature(input: &[u8]) {
    let Some((which, signature)) = input.split_first() else {
        return;
    };
    let suite = Suite::DEFAULTS[usize::from(*which) % Suite::DEFAULTS.len()];
    let key = estate::signer(suite, 3).public_key().clone();
    let _ = key
        .verify(b"something else", signature)
        .expect_err("a signature over another message");
    if key.verify(MESSAGE, signature).is_ok() {
        assert!(signature.len() <= suite.components().iter().map(|one| one.max_signature_len()).sum());
        let longer = [signature, &[0]].concat();
        key.verify(MESSAGE, &longer)
            .expect_err("a signature with something behind it");
        key.verify(MESSAGE, &signature[..signature.len() - 1])
            .expect_err("a signature that was cut off");
    }
}
