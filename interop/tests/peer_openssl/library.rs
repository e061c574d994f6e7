//! The library of 3.6: what its command does, in a process that it shares with us, and what takes many runs.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{Id, KeyType, PKey, PKeyRef, Private};
use openssl::sign::{Signer, Verifier};
use openssl::stack::Stack;
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::verify::{X509VerifyFlags, X509VerifyParam};
use openssl::x509::{X509, X509PurposeId, X509Req, X509StoreContext};
use symbolon_interop::cells::Peer;
use symbolon_interop::chain::{self, Chain};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::csr::Csr;
use symbolon_pki::key::{PrivateKey, PrivateKeyKind, SubjectKey};
use symbolon_pki::suite::Suite;

use crate::{NAME, chains, known, result};

const PURPOSES: [X509PurposeId; 2] = [X509PurposeId::SSL_CLIENT, X509PurposeId::SSL_SERVER];

const MESSAGE: &[u8] = b"what one signs, the other verifies";

/// Records what the library was seen to do with a form.
fn shows(direction: &str, form: &str) {
    let version = openssl::version::version();
    let version = version.split(' ').nth(1).unwrap();
    Peer::new(NAME, version)
        .shows(direction, form, result(form))
        .unwrap();
}

/// The same with a suite by itself.
fn shows_suite(direction: &str, suite: Suite) {
    shows(direction, &format!("{}/{suite}", suite.form()));
}

fn composites() -> impl Iterator<Item = Suite> {
    Suite::DEFAULTS.into_iter().filter(|suite| suite.is_composite())
}

fn seconds(at: SystemTime) -> i64 {
    at.duration_since(UNIX_EPOCH).unwrap().as_secs() as i64
}

/// Whether OpenSSL believes `leaf` over `intermediate` under `root`; if not, why.
fn verify(
    [leaf, intermediate, root]: [&[u8]; 3],
    purpose: X509PurposeId,
    at: SystemTime,
) -> Result<(), String> {
    let [leaf, intermediate, root] = [leaf, intermediate, root].map(X509::from_der);
    let mut untrusted = Stack::new().unwrap();
    untrusted
        .push(intermediate.map_err(|error| error.to_string())?)
        .unwrap();
    let mut rules = X509VerifyParam::new().unwrap();
    rules.set_time(seconds(at));
    rules.set_purpose(purpose).unwrap();
    // RFC 5280 to the letter, and the signature of the root too, which is otherwise taken on trust.
    rules
        .set_flags(X509VerifyFlags::X509_STRICT | X509VerifyFlags::CHECK_SS_SIGNATURE)
        .unwrap();
    let mut store = X509StoreBuilder::new().unwrap();
    store.add_cert(root.map_err(|error| error.to_string())?).unwrap();
    store.set_param(&rules).unwrap();
    let leaf = leaf.map_err(|error| error.to_string())?;

    X509StoreContext::new()
        .unwrap()
        .init(&store.build(), &leaf, &untrusted, |context| {
            let verified = context.verify_cert()?;
            Ok(match verified {
                true => Ok(()),
                false => Err(context.error().to_string()),
            })
        })
        .unwrap_or_else(|error| Err(error.to_string()))
}

fn verify_chain(chain: &Chain) -> Result<(), String> {
    let ders = chain.certificates().map(|(_, der)| der);
    PURPOSES
        .into_iter()
        .try_for_each(|purpose| verify(ders, purpose, SystemTime::now()))
}

/// SHA-256 or SHA-384 by the suite; the others sign the message itself.
fn digest(suite: Suite) -> Option<MessageDigest> {
    match suite {
        Suite::EcdsaP256 => Some(MessageDigest::sha256()),
        Suite::EcdsaP384 => Some(MessageDigest::sha384()),
        _ => None,
    }
}

fn openssl_signs(suite: Suite, key: &PKeyRef<Private>) -> Vec<u8> {
    let mut signer = match digest(suite) {
        Some(digest) => Signer::new(digest, key),
        None => Signer::new_without_digest(key),
    }
    .unwrap();
    signer.sign_oneshot_to_vec(MESSAGE).unwrap()
}

fn openssl_verifies(suite: Suite, spki: &[u8], signature: &[u8]) -> bool {
    let key = PKey::public_key_from_der(spki).unwrap();
    let mut verifier = match digest(suite) {
        Some(digest) => Verifier::new(digest, &key),
        None => Verifier::new_without_digest(&key),
    }
    .unwrap();
    verifier.verify_oneshot(signature, MESSAGE).unwrap_or(false)
}

fn generate(suite: Suite) -> PKey<Private> {
    let curve = |nid| {
        let group = openssl::ec::EcGroup::from_curve_name(nid).unwrap();
        PKey::from_ec_key(openssl::ec::EcKey::generate(&group).unwrap()).unwrap()
    };
    let seeded = |kind: KeyType| {
        let mut seed = [0; 32];
        openssl::rand::rand_bytes(&mut seed).unwrap();
        PKey::private_key_from_seed(None, kind, None, &seed).unwrap()
    };
    match suite {
        Suite::EcdsaP256 => curve(Nid::X9_62_PRIME256V1),
        Suite::EcdsaP384 => curve(Nid::SECP384R1),
        Suite::Ed25519 => PKey::generate_ed25519().unwrap(),
        Suite::MlDsa44 => seeded(KeyType::ML_DSA_44),
        Suite::MlDsa65 => seeded(KeyType::ML_DSA_65),
        Suite::MlDsa87 => seeded(KeyType::ML_DSA_87),
        other => panic!("OpenSSL has no {other}"),
    }
}

/// A request as a stock client makes it: an empty subject, and nothing asked for.
fn request(key: &PKey<Private>) -> Vec<u8> {
    let mut builder = X509Req::builder().unwrap();
    builder.set_version(0).unwrap();
    builder.set_pubkey(key).unwrap();
    let digest = match key.id() {
        Id::EC | Id::RSA => MessageDigest::sha256(),
        _ => MessageDigest::null(),
    };
    builder.sign(key, digest).unwrap();
    builder.build().to_der().unwrap()
}

#[test]
fn the_openssl_here_knows_ml_dsa() {
    assert!(
        openssl::version::number() >= 0x3050_0000,
        "{}",
        openssl::version::version()
    );
}

#[test]
fn chains_are_verified_for_clients_and_servers() {
    for chain in chains() {
        verify_chain(&chain).unwrap_or_else(|error| panic!("{}: {error}", chain.form));
        shows("chain", &chain.form);
    }
}

#[test]
fn another_root_of_the_same_suite_is_not_enough() {
    for suite in known() {
        let (ours, other) = (Chain::issue(suite).unwrap(), Chain::issue(suite).unwrap());
        let mixed = [&*ours.leaf, &*ours.intermediate, &*other.root];
        let error = verify(mixed, X509PurposeId::SSL_CLIENT, SystemTime::now()).unwrap_err();
        assert!(error.contains("unable to get local issuer"), "{suite}: {error}");
    }
}

#[test]
fn validity_begins_and_ends_where_we_say() {
    for suite in known() {
        let chain = Chain::issue(suite).unwrap();
        let ders = chain.certificates().map(|(_, der)| der);
        let leaf = Certificate::from_der(&chain.leaf).unwrap();
        let second = Duration::from_secs(1);
        let at = |moment| verify(ders, X509PurposeId::SSL_SERVER, moment);

        at(leaf.not_before()).unwrap();
        // RFC 5280 includes the last second, which OpenSSL takes for the first one after.
        at(leaf.not_after() - second).unwrap();
        let early = at(leaf.not_before() - second).unwrap_err();
        assert!(early.contains("not yet valid"), "{suite}: {early}");
        let late = at(leaf.not_after() + second).unwrap_err();
        assert!(late.contains("expired"), "{suite}: {late}");
    }
}

#[test]
fn an_authority_is_not_a_client() {
    for suite in known() {
        let chain = Chain::issue(suite).unwrap();
        let ders = [&*chain.intermediate, &*chain.root, &*chain.root];
        let error = verify(ders, X509PurposeId::SSL_CLIENT, SystemTime::now()).unwrap_err();
        assert!(error.contains("purpose"), "{suite}: {error}");
    }
}

/// One bit turned, at places that cover every part of every certificate.
#[test]
fn a_turned_bit_is_refused() {
    for suite in known() {
        let chain = Chain::issue(suite).unwrap();
        let good = chain.certificates().map(|(_, der)| der);
        for (turned, (name, der)) in chain.certificates().into_iter().enumerate() {
            // A prime, so that the places in the many repeated structures differ from one certificate to the next.
            for place in (0..der.len()).step_by(13) {
                let mut changed = der.to_vec();
                changed[place] ^= 1 << (place % 8);
                let mut ders = good;
                ders[turned] = &changed;
                let outcome = verify(ders, X509PurposeId::SSL_CLIENT, SystemTime::now());
                assert!(outcome.is_err(), "{suite}: byte {place} of the {name}");
            }
        }
    }
}

#[test]
fn our_private_keys_are_read() {
    for suite in known() {
        let ours = PrivateKey::generate(suite).unwrap();
        let theirs = PKey::private_key_from_pkcs8(&ours.to_pkcs8_der().unwrap()).unwrap();
        let public = ours.public_key().unwrap();
        assert_eq!(theirs.public_key_to_der().unwrap(), public.spki_der(), "{suite}");

        let signature = openssl_signs(suite, &theirs);
        public
            .verify(MESSAGE, &signature)
            .unwrap_or_else(|error| panic!("{suite}: {error}"));
        if ours.kind() == PrivateKeyKind::Seed {
            let mut seed = [0; 32];
            assert_eq!(theirs.seed_into(&mut seed).unwrap(), 32);
            assert_eq!(seed[..], ours.components()[0].raw().unwrap()[..], "{suite}");
        }
        shows_suite("our-key", suite);
    }
}

#[test]
fn our_signatures_are_verified() {
    for suite in known() {
        let key = PrivateKey::generate(suite).unwrap();
        let spki = key.public_key().unwrap().spki_der();
        let mut signature = key.signer().unwrap().sign(MESSAGE).unwrap();
        assert!(openssl_verifies(suite, &spki, &signature), "{suite}");

        let middle = signature.len() / 2;
        signature[middle] ^= 1;
        assert!(!openssl_verifies(suite, &spki, &signature), "{suite}");
        shows_suite("our-signature", suite);
    }
}

#[test]
fn their_private_keys_are_read() {
    for suite in known() {
        let theirs = generate(suite);
        let ours = PrivateKey::from_pkcs8_der(&theirs.private_key_to_pkcs8().unwrap()).unwrap();
        assert_eq!(ours.suite(), suite);
        let spki = ours.public_key().unwrap().spki_der();
        assert_eq!(spki, theirs.public_key_to_der().unwrap(), "{suite}");
        // What OpenSSL writes by default holds both the seed and the expanded key, and they have to agree.
        let expected = match suite.components()[0].is_ml_dsa() {
            true => PrivateKeyKind::Both,
            false => PrivateKeyKind::Plain,
        };
        assert_eq!(ours.kind(), expected, "{suite}");
        let signature = ours.signer().unwrap().sign(MESSAGE).unwrap();
        assert!(openssl_verifies(suite, &spki, &signature), "{suite}");
        shows_suite("their-key", suite);
    }
}

#[test]
fn our_requests_are_read_and_prove_possession() {
    for chain in chains() {
        let csr = X509Req::from_der(&chain.csr).unwrap();
        let key = csr.public_key().unwrap();
        assert!(csr.verify(&key).unwrap(), "{}", chain.form);
        assert_eq!(
            key.public_key_to_der().unwrap(),
            chain.key.public_key().unwrap().spki_der()
        );
        shows("our-request", &chain.form);
    }
}

#[test]
fn their_requests_are_answered_with_chains_that_they_verify() {
    let rsa = |bits| PKey::from_rsa(openssl::rsa::Rsa::generate(bits).unwrap()).unwrap();
    let own = known().map(|suite| (suite, generate(suite)));
    let classical = [2048, 3072, 4096].map(|bits| (Suite::EcdsaP256, rsa(bits)));
    for (suite, key) in own.chain(classical) {
        let now = SystemTime::now();
        let authority = chain::self_signed(suite, now).unwrap();
        let leaf = chain::sign_csr(&authority, &request(&key)).unwrap();
        let root = authority.certificate().der();
        for purpose in PURPOSES {
            verify([&leaf, root, root], purpose, now)
                .unwrap_or_else(|error| panic!("{suite}, {:?}: {error}", key.id()));
        }
        let certified = X509::from_der(&leaf).unwrap().public_key().unwrap();
        assert!(certified.public_eq(&key));
        if key.id() != Id::RSA {
            shows_suite("request", suite);
        }
    }
}

#[test]
fn their_small_rsa_keys_are_refused_by_size() {
    let key = PKey::from_rsa(openssl::rsa::Rsa::generate(1024).unwrap()).unwrap();
    let error = Csr::from_der(&request(&key)).unwrap_err().to_string();
    assert!(error.contains("1024"), "{error}");
}

#[test]
fn their_requests_with_a_turned_bit_are_refused() {
    for suite in known() {
        let mut csr = request(&generate(suite));
        assert!(Csr::from_der(&csr).is_ok(), "{suite}");
        let place = csr.len() - 20;
        csr[place] ^= 1;
        assert!(Csr::from_der(&csr).is_err(), "{suite}");
    }
}

/// OpenSSL has no composites. It has to say so, and keep reading what it does know about the certificate.
#[test]
fn composites_are_unknown_and_do_no_harm() {
    for suite in composites() {
        let chain = Chain::issue(suite).unwrap();
        let [leaf, ..] = chain.certificates().map(|(_, der)| X509::from_der(der).unwrap());
        assert!(leaf.public_key().is_err(), "{suite}");
        let names = leaf.subject_alt_names().unwrap();
        assert_eq!(names[0].uri(), Some(chain::WORKLOAD));

        let error = verify_chain(&chain).unwrap_err();
        assert!(!error.is_empty(), "{suite}");
        let public = chain.key.public_key().unwrap();
        assert!(PKey::public_key_from_der(&public.spki_der()).is_err(), "{suite}");
        let pkcs8 = chain.key.to_pkcs8_der().unwrap();
        assert!(PKey::private_key_from_pkcs8(&pkcs8).is_err(), "{suite}");
        let csr = X509Req::from_der(&chain.csr).unwrap();
        assert!(csr.public_key().is_err(), "{suite}");
    }
}

/// The halves of a composite, taken apart, are ordinary keys to OpenSSL; the ML-DSA half is the whole of it that a
/// component oracle can check, because the signature's context is not reachable through this binding.
#[test]
fn the_halves_of_a_composite_are_ordinary_keys() {
    for suite in composites() {
        let key = PrivateKey::generate(suite).unwrap().public_key().unwrap();
        for half in key.components() {
            let alone = Suite::of_component(half.component()).unwrap();
            let parsed = symbolon_pki::key::SuitePublicKey::parse(alone, half.as_bytes()).unwrap();
            let spki = SubjectKey::Suite(parsed).spki_der();
            let theirs = PKey::public_key_from_der(&spki).unwrap();
            assert_eq!(theirs.public_key_to_der().unwrap(), spki, "{suite}");
        }
    }
}
