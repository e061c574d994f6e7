//! A TPM that goes away, hangs, is locked or lacks something.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use symbolon_crypto::{Component, MlDsaContext};
use symbolon_hsm::{Passphrase, StoreError, TpmConfig, TpmError};

use symbolon_test_tokens::{Swtpm, eventually, until};

use crate::{config, generate, open, reason, refused, signs};

#[test]
fn under_load_a_tpm_that_dies_and_comes_back_costs_only_the_requests_meanwhile() {
    const THREADS: usize = 8;
    const EACH: usize = 125;
    let Some(mut tpm) = Swtpm::new() else { return };
    let scratch = tempfile::tempdir().expect("scratch");
    let config = config(&tpm);
    let store = open(&scratch.path().join("keys"), &config);
    let keys = [Component::EcdsaP256Sha256, Component::MlDsa44].map(|component| generate(&*store, component));
    let (good, bad) = (AtomicUsize::new(0), AtomicUsize::new(0));

    let request = |number: usize| {
        let key = &*keys[number % keys.len()];
        let message = number.to_le_bytes();
        let started = Instant::now();
        let result = key.sign(&message, MlDsaContext::EMPTY);
        // The deadline is the TPM's; the rest is for a signature made here, on a machine as busy as it likes.
        assert!(started.elapsed() < config.deadline + Duration::from_secs(120));
        match result {
            Ok(signature) => {
                let verified = key.public_key().verify(&message, &signature, MlDsaContext::EMPTY);
                verified.expect("a good signature");
                good.fetch_add(1, Ordering::SeqCst);
            }
            Err(error) => {
                let error = reason(error);
                let clear = matches!(error, TpmError::Unreachable { .. } | TpmError::Deadline { .. });
                assert!(clear, "{error}");
                bad.fetch_add(1, Ordering::SeqCst);
            }
        }
    };
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let request = &request;
            scope.spawn(move || {
                for number in 0..EACH {
                    request(thread * EACH + number);
                }
            });
        }
        until("signatures", || good.load(Ordering::SeqCst) >= 50);
        tpm.kill();
        until("errors", || bad.load(Ordering::SeqCst) >= 16);
        tpm.start();
    });
    let (good, bad) = (good.into_inner(), bad.into_inner());
    assert_eq!(good + bad, THREADS * EACH);
    // Requests fail quickly while it is away, so that few may be left when it is back.
    for key in &keys {
        eventually("a signature", || signs(&**key));
    }
    assert_eq!(store.list().expect("list").len(), 2);
}

#[test]
fn a_tpm_that_hangs_is_given_up_on_in_time_and_used_again_when_it_answers() {
    let Some(tpm) = Swtpm::new() else { return };
    let scratch = tempfile::tempdir().expect("scratch");
    let patient = config(&tpm);
    let keys = scratch.path().join("keys");
    generate(&*open(&keys, &patient), Component::EcdsaP256Sha256);
    let config = TpmConfig {
        deadline: Duration::from_secs(4),
        ..patient
    };
    let store = eventually("a store", || symbolon_hsm::tpm::open(&keys, &config));
    let infos = store.list().expect("list");
    let key = eventually("the key", || store.open(&infos[0].id));
    eventually("a signature", || signs(&*key));

    tpm.signal("STOP");
    // It is given up on, and not asked for ever: then the answer comes at once.
    until("it is not asked any more", || match signs(&*key) {
        Err(TpmError::Deadline { .. }) => false,
        Err(TpmError::Hanging { .. }) => true,
        other => panic!("it hangs, but {other:?}"),
    });

    tpm.signal("CONT");
    eventually("a signature", || signs(&*key));
    drop((key, store));
    // Those that were given up on come to their end too.
    until("nothing left", || tpm.handles("handles-transient").is_empty());
    until("nothing left", || {
        tpm.handles("handles-loaded-session").is_empty()
    });
}

#[test]
fn no_tpm_is_said_at_once_and_makes_no_store() {
    let Some(mut tpm) = Swtpm::new() else { return };
    tpm.kill();
    let scratch = tempfile::tempdir().expect("scratch");
    let error = refused(&scratch.path().join("keys"), &config(&tpm));
    assert!(matches!(error, TpmError::Unreachable { .. }), "{error}");
    assert!(!scratch.path().join("keys/store").exists());
    let nowhere = TpmConfig::new("device:/dev/no-such-tpm".parse().expect("tcti"));
    let error = refused(&scratch.path().join("keys"), &nowhere).to_string();
    assert!(error.contains("/dev/no-such-tpm: No such file"), "{error}");
}

#[test]
fn the_owners_password_is_asked_for_where_the_owner_is_needed() {
    let Some(tpm) = Swtpm::new() else { return };
    let scratch = tempfile::tempdir().expect("scratch");
    tpm.tool("tpm2_changeauth", &["-c", "owner", "ours"]);
    let config = config(&tpm);
    let error = refused(&scratch.path().join("keys"), &config);
    assert!(matches!(error, TpmError::OwnerAuth { .. }), "{error}");

    let password = |text: &str| Some(Passphrase::new(text.as_bytes().to_vec().into()).expect("passphrase"));
    let wrong = TpmConfig {
        owner_auth: password("theirs"),
        ..config.clone()
    };
    let error = refused(&scratch.path().join("keys"), &wrong);
    assert!(matches!(error, TpmError::OwnerAuth { .. }), "{error}");

    let right = TpmConfig {
        owner_auth: password("ours"),
        ..config.clone()
    };
    signs(&*generate(
        &*open(&scratch.path().join("keys"), &right),
        Component::EcdsaP256Sha256,
    ))
    .expect("sign");
    // With the storage root key in place, wrapped keys need no owner.
    signs(&*generate(
        &*open(&scratch.path().join("keys"), &config),
        Component::EcdsaP384Sha384,
    ))
    .expect("sign");
    let persistent = TpmConfig {
        placement: symbolon_hsm::Placement::Persistent,
        ..config
    };
    let store = open(&scratch.path().join("keys"), &persistent);
    let before = store.list().expect("list");
    let error = store.generate(Component::EcdsaP256Sha256, &crate::label());
    let error = error.expect_err("the owner is needed");
    assert!(
        matches!(error, StoreError::Tpm(TpmError::OwnerAuth { .. })),
        "{error}"
    );
    assert_eq!(store.list().expect("list"), before);
}

#[test]
fn a_bank_that_the_tpm_does_not_keep_is_said_before_any_key_is_made() {
    let Some(tpm) = Swtpm::new() else { return };
    let scratch = tempfile::tempdir().expect("scratch");
    tpm.tool(
        "tpm2_pcrallocate",
        &["sha1:none+sha256:all+sha384:none+sha512:none"],
    );
    tpm.reset();
    let config = TpmConfig {
        pcrs: "sha384:7".parse().expect("pcrs"),
        ..config(&tpm)
    };
    let store = open(&scratch.path().join("keys"), &config);
    let error = store.offers(Component::MlDsa65).expect_err("no bank").to_string();
    assert!(error.contains("no PCR sha384:7"), "{error}");
    store.offers(Component::EcdsaP384Sha384).expect("no bank needed");
    let error = store.generate(Component::MlDsa65, &crate::label());
    assert!(matches!(error, Err(StoreError::Unsupported(_))));
}
