//! All 18 composites: what they sign is verified wherever they may sign, and what is not in their one form is refused
//! with a reason.
//!
//! The six that are offered by default have more tests beside this one; the others differ from them in the traditional
//! half alone.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod encodings;

use std::sync::{Arc, LazyLock};

use spiffe::SpiffeId;
use symbolon_crypto::{Component, HeldKey, MlDsaContext, SoftwareKey};
use symbolon_pki::csr::{Csr, CsrBuilder};
use symbolon_pki::encode;
use symbolon_pki::key::{Half, PrivateKey, SubjectKey, SuitePublicKey, SuiteSigner, component_spki_hash};
use symbolon_pki::signature::SignatureAlgorithm;
use symbolon_pki::suite::{Form, Suite};

/// One RSA key a size, as they take long to make.
static RSA: LazyLock<[SoftwareKey; 3]> = LazyLock::new(|| {
    [
        Component::Rsa2048PssSha256,
        Component::Rsa3072PssSha256,
        Component::Rsa4096PssSha384,
    ]
    .map(|component| SoftwareKey::generate(component).unwrap())
});

static KEYS: LazyLock<Vec<Keys>> = LazyLock::new(|| composites().map(Keys::new).collect());

/// A composite's component keys, and the signer over them.
struct Keys {
    suite: Suite,
    ml_dsa: SoftwareKey,
    traditional: SoftwareKey,
    signer: SuiteSigner,
    signature: Vec<u8>,
}

impl Keys {
    fn new(suite: Suite) -> Self {
        let [ml_dsa, traditional] = suite.components() else {
            panic!("{suite} has two components")
        };
        let of_size = |key: &&SoftwareKey| {
            key.component().public_key_len() == traditional.public_key_len() && traditional.is_rsa()
        };
        let ml_dsa = SoftwareKey::generate(*ml_dsa).unwrap();
        let traditional = match RSA.iter().find(of_size) {
            Some(key) => SoftwareKey::from_raw(*traditional, &key.raw().unwrap()).unwrap(),
            None => SoftwareKey::generate(*traditional).unwrap(),
        };
        let held: Vec<Arc<dyn HeldKey>> = vec![Arc::new(ml_dsa.clone()), Arc::new(traditional.clone())];
        let signer = SuiteSigner::new(suite, held).unwrap();
        Self {
            signature: signer.sign(MESSAGE).unwrap(),
            suite,
            ml_dsa,
            traditional,
            signer,
        }
    }

    fn public(&self) -> &SuitePublicKey {
        self.signer.public_key()
    }

    /// The PKCS#8 document over this content.
    fn pkcs8(&self, content: &[u8]) -> Vec<u8> {
        let key = der(0x04, &[content]);
        der(0x30, &[&[2, 1, 0], self.suite.key_algorithm_der(), &key])
    }

    /// The two parts of the private key, in the one form that the composite has it in.
    fn private_parts(&self) -> [Vec<u8>; 2] {
        let seed = self.ml_dsa.raw().unwrap().to_vec();
        let raw = self.traditional.raw().unwrap().to_vec();
        let traditional = match curve(self.traditional.component()) {
            Some(curve) => der(0x30, &[&[2, 1, 1], &der(4, &[&raw]), &der(0xa0, &[curve])]),
            None => raw,
        };
        [seed, traditional]
    }
}

const MESSAGE: &[u8] = b"message";

fn composites() -> impl Iterator<Item = Suite> {
    Suite::ALL.into_iter().filter(|suite| suite.is_composite())
}

fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    encode::element(&mut out, tag, &parts.concat());
    out
}

/// DER of the curve's OID.
fn curve(component: Component) -> Option<&'static [u8]> {
    match component {
        Component::EcdsaP256Sha256 => Some(&[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7]),
        Component::EcdsaP384Sha384 => Some(&[6, 5, 0x2b, 0x81, 4, 0, 0x22]),
        Component::EcdsaP521Sha512 => Some(&[6, 5, 0x2b, 0x81, 4, 0, 0x23]),
        Component::EcdsaBrainpoolP256r1Sha256 => Some(&[6, 9, 0x2b, 0x24, 3, 3, 2, 8, 1, 1, 7]),
        Component::EcdsaBrainpoolP384r1Sha384 => Some(&[6, 9, 0x2b, 0x24, 3, 3, 2, 8, 1, 1, 11]),
        _ => None,
    }
}

#[test]
fn each_signs_and_its_keys_survive_their_containers() {
    for keys in KEYS.iter() {
        let suite = keys.suite;
        keys.public().verify(MESSAGE, &keys.signature).unwrap();
        let spki = keys.public().spki_der();
        let read = SubjectKey::from_spki_der(&spki).unwrap();
        assert_eq!(read, SubjectKey::Suite(keys.public().clone()), "{suite}");
        assert_eq!((read.form(), read.spki_der()), (Form::Composite, spki), "{suite}");

        let algorithm = SignatureAlgorithm::from_der(suite.signature_algorithm_der()).unwrap();
        assert_eq!(algorithm, SignatureAlgorithm::Suite(suite));
        algorithm.verify(&read, MESSAGE, &keys.signature).unwrap();

        let [seed, traditional] = keys.private_parts();
        let pkcs8 = keys.pkcs8(&[seed, traditional].concat());
        let private = PrivateKey::from_pkcs8_der(&pkcs8).unwrap();
        assert_eq!((private.suite(), private.can_be_stored()), (suite, true));
        assert_eq!(private.public_key().unwrap(), *keys.public(), "{suite}");
        assert_eq!(*private.to_pkcs8_der().unwrap(), pkcs8, "{suite}");
    }
}

#[test]
fn each_may_ask_for_a_certificate() {
    let id = SpiffeId::new("spiffe://example.org/workload").unwrap();
    for keys in KEYS.iter() {
        let der = CsrBuilder::new(&keys.signer).spiffe_id(&id).build().unwrap();
        let csr = Csr::from_der(&der).unwrap();
        assert_eq!(
            csr.key(),
            &SubjectKey::Suite(keys.public().clone()),
            "{}",
            keys.suite
        );
        assert_eq!(csr.spiffe_id().unwrap(), Some(id.clone()));
        let mut forged = der;
        *forged.last_mut().unwrap() ^= 1;
        assert_eq!(Csr::from_der(&forged).unwrap_err().half(), Some(Half::Classical));
    }
}

#[test]
fn a_signature_has_one_form() {
    for keys in KEYS.iter() {
        let (suite, good) = (keys.suite, &keys.signature);
        let cut = suite.components()[0].max_signature_len();
        let (first, second) = good.split_at(cut);
        let half_of = |bad: &[u8]| keys.public().verify(MESSAGE, bad).unwrap_err().half();
        use Half::{Both, Classical, PostQuantum};
        for (why, bad, half) in [
            ("nothing", Vec::new(), PostQuantum),
            ("the second half alone", second.to_vec(), PostQuantum),
            (
                "all but the last byte of the first half",
                first[..cut - 1].to_vec(),
                PostQuantum,
            ),
            ("the first half alone", first.to_vec(), Classical),
            ("cut", good[..good.len() - 1].to_vec(), Classical),
            ("a byte after it", [&good[..], &[0]].concat(), Classical),
            ("a second half twice", [&good[..], second].concat(), Classical),
            (
                "a megabyte after it",
                [&good[..], &[0; 1 << 20]].concat(),
                Classical,
            ),
            (
                "zeros for the second half",
                [first, &vec![0; second.len()]].concat(),
                Classical,
            ),
            (
                "zeros for the first half",
                [&vec![0; cut], second].concat(),
                PostQuantum,
            ),
            ("zeros", vec![0; good.len()], Both),
        ] {
            assert_eq!(half_of(&bad), Some(half), "{suite}: {why}");
        }
        let swapped = [second, first].concat();
        assert!(keys.public().verify(MESSAGE, &swapped).is_err(), "{suite}");
        let with_context = keys.signer.sign_with_context(MESSAGE, b"context").unwrap();
        assert_eq!(half_of(&with_context), Some(Both), "{suite}: a context");
        let other = keys.public().verify_with_context(MESSAGE, good, b"context");
        assert_eq!(other.unwrap_err().half(), Some(Both), "{suite}");
        assert!(keys.signer.sign_with_context(MESSAGE, &[0; 256]).is_err());
    }
}

/// Halves that were signed over the right bytes, but not as a half of this composite.
#[test]
fn halves_made_for_something_else_are_refused() {
    for keys in KEYS.iter() {
        let suite = keys.suite;
        let cut = suite.components()[0].max_signature_len();
        let sign = |key: &SoftwareKey, message: &[u8], context: &[u8]| {
            key.sign(message, MlDsaContext::new(context).unwrap()).unwrap()
        };
        let half_of = |first: &[u8], second: &[u8]| {
            let signature = [first, second].concat();
            keys.public().verify(MESSAGE, &signature).unwrap_err().half()
        };
        let (first, second) = keys.signature.split_at(cut);

        // Over the message itself, as each key would sign standing alone.
        let (alone, traditional) = (
            sign(&keys.ml_dsa, MESSAGE, &[]),
            sign(&keys.traditional, MESSAGE, &[]),
        );
        assert_eq!(half_of(&alone, second), Some(Half::PostQuantum), "{suite}");
        assert_eq!(half_of(first, &traditional), Some(Half::Classical), "{suite}");
        // As a half of every other composite of the same components, under its label and its OID.
        for other in composites().filter(|other| *other != suite) {
            let same_keys = other.components()[0] == suite.components()[0]
                && other.components()[1].public_key_len() == suite.components()[1].public_key_len()
                && other.components()[1].is_rsa() == suite.components()[1].is_rsa()
                && (other.components()[1].is_rsa() || other.components()[1] == suite.components()[1]);
            if !same_keys {
                continue;
            }
            let raw = keys.traditional.raw().unwrap();
            let traditional = SoftwareKey::from_raw(other.components()[1], &raw).unwrap();
            let held: Vec<Arc<dyn HeldKey>> = vec![Arc::new(keys.ml_dsa.clone()), Arc::new(traditional)];
            let theirs = SuiteSigner::new(other, held).unwrap().sign(MESSAGE).unwrap();
            assert_eq!(
                half_of(&theirs[..cut], &theirs[cut..]),
                Some(Half::Both),
                "{suite} by {other}"
            );
            assert_eq!(
                half_of(&theirs[..cut], second),
                Some(Half::PostQuantum),
                "{suite}"
            );
            assert_eq!(half_of(first, &theirs[cut..]), Some(Half::Classical), "{suite}");
        }
    }
}

#[test]
fn a_component_is_known_again_whatever_it_stands_in() {
    let of = |suite| KEYS.iter().find(|keys| keys.suite == suite).unwrap();
    // One RSA key with both paddings and beside two ML-DSA keys: it is the same key.
    let same: Vec<_> = [
        Suite::MlDsa65Rsa3072Pss,
        Suite::MlDsa65Rsa3072Pkcs15,
        Suite::MlDsa87Rsa3072Pss,
    ]
    .into_iter()
    .map(|suite| component_spki_hash(of(suite).traditional.public_key()))
    .collect();
    assert!(same.windows(2).all(|pair| pair[0] == pair[1]));
    // And alone, as a stock client brings it.
    let pkcs1 = of(Suite::MlDsa65Rsa3072Pss)
        .traditional
        .public_key()
        .as_bytes()
        .to_vec();
    let algorithm = [0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 1, 5, 0];
    let spki = der(0x30, &[&algorithm, &der(3, &[&[0], &pkcs1])]);
    let alone = SubjectKey::from_spki_der(&spki).unwrap();
    assert_eq!(alone.component_spki_hashes(), same[..1]);
    // Keys that differ have hashes that differ.
    let mut hashes: Vec<_> = KEYS
        .iter()
        .filter(|keys| !keys.traditional.component().is_rsa())
        .flat_map(|keys| SubjectKey::Suite(keys.public().clone()).component_spki_hashes())
        .collect();
    let len = hashes.len();
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), len);
}
