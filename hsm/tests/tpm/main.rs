//! A store on a TPM: it conforms, and bears what happens to TPMs. The TPM is a swtpm.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod evidence;
mod key_bytes;
#[path = "../tokens/signer.rs"]
#[allow(unreachable_pub, reason = "helpers of tests")]
mod signer;
mod trouble;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use symbolon_crypto::{Component, HeldKey, MlDsaContext, SignError};
use symbolon_hsm::conformance::{Outcome, run_with_reopen};
use symbolon_hsm::{
    Authorization, KekSource, KeyLabel, KeyStore, Placement, SoftwareStore, StoreError, Tcti, TpmConfig,
    TpmError, tpm,
};
use symbolon_test_tokens::Swtpm;

/// What a TPM store makes keys of.
const OFFERED: [Component; 5] = [
    Component::EcdsaP256Sha256,
    Component::EcdsaP384Sha384,
    Component::MlDsa44,
    Component::MlDsa65,
    Component::MlDsa87,
];

fn tcti(tpm: &Swtpm) -> Tcti {
    tpm.tcti().parse().expect("tcti")
}

/// The defaults, but for a machine that has much else to do: calls that are to succeed may take their time.
fn config(tpm: &Swtpm) -> TpmConfig {
    TpmConfig {
        deadline: Duration::from_secs(120),
        ..TpmConfig::new(tcti(tpm))
    }
}

fn open(dir: &Path, config: &TpmConfig) -> Arc<dyn KeyStore> {
    tpm::open(dir, config).expect("open")
}

fn refused(dir: &Path, config: &TpmConfig) -> TpmError {
    match tpm::open(dir, config) {
        Err(StoreError::Tpm(error)) => error,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it opens"),
    }
}

fn label() -> KeyLabel {
    KeyLabel::parse("a key of a test").expect("label")
}

fn generate(store: &dyn KeyStore, component: Component) -> Arc<dyn HeldKey> {
    store.generate(component, &label()).expect("generate").1
}

/// Signs, and checks the signature.
fn signs(key: &dyn HeldKey) -> Result<(), TpmError> {
    let signature = key.sign(b"message", MlDsaContext::EMPTY).map_err(reason)?;
    let verified = key
        .public_key()
        .verify(b"message", &signature, MlDsaContext::EMPTY);
    verified.expect("a signature that verifies");
    Ok(())
}

fn reason(error: SignError) -> TpmError {
    match error {
        SignError::Backend(error) => *error.downcast().expect("a TPM's error"),
        other => panic!("{other}"),
    }
}

#[test]
fn both_placements_conform_and_leave_nothing_in_the_tpm() {
    for (placement, authorization) in [
        (Placement::Wrapped, Authorization::Session),
        (Placement::Persistent, Authorization::Password),
    ] {
        let Some(tpm) = Swtpm::new() else { return };
        let scratch = tempfile::tempdir().expect("scratch");
        let config = TpmConfig {
            placement,
            authorization,
            ..config(&tpm)
        };
        let store = open(&scratch.path().join("keys"), &config);
        let bystander = generate(&*store, Component::EcdsaP256Sha256);

        let report = run_with_reopen(&*store, &|| tpm::open(&scratch.path().join("keys"), &config));

        assert!(report.passed(), "{report}");
        assert_eq!(report.working(), OFFERED);
        let not_offered = |check: &&_| matches!(check, Outcome::NotOffered(_));
        let outcomes: Vec<Outcome> = report.checks.iter().map(|check| check.outcome.clone()).collect();
        // Ed25519, and the mu of the two curves.
        assert_eq!(outcomes.iter().filter(not_offered).count(), 3, "{report}");
        signs(&*bystander).expect("sign");
        assert!(!bystander.is_own_software());

        drop((bystander, store));
        assert_eq!(tpm.handles("handles-transient"), [""; 0]);
        assert_eq!(tpm.handles("handles-loaded-session"), [""; 0]);
        let kept = match placement {
            Placement::Wrapped => vec!["0x81000001"],
            Placement::Persistent => vec!["0x81000001", "0x81020000"],
        };
        assert_eq!(tpm.handles("handles-persistent"), kept);
    }
}

#[test]
fn keys_survive_resets_and_restarts() {
    let Some(mut tpm) = Swtpm::new() else { return };
    let scratch = tempfile::tempdir().expect("scratch");
    let mut keys = Vec::new();
    let mut configs = Vec::new();
    for placement in [Placement::Wrapped, Placement::Persistent] {
        let config = TpmConfig {
            placement,
            ..config(&tpm)
        };
        let dir = scratch.path().join(format!("{placement:?}"));
        let store = open(&dir, &config);
        keys.extend(OFFERED.map(|component| generate(&*store, component)));
        configs.push((dir, config));
    }
    let all_sign = |keys: &[Arc<dyn HeldKey>]| keys.iter().try_for_each(|key| signs(&**key)).expect("sign");
    all_sign(&keys);

    tpm.reset();
    all_sign(&keys);
    tpm.kill();
    tpm.start();
    all_sign(&keys);
    tpm.reset();
    for (dir, config) in &configs {
        let store = open(dir, config);
        let infos = store.list().expect("list");
        assert_eq!(infos.len(), OFFERED.len());
        for info in infos {
            let key = store.open(&info.id).expect("open");
            assert_eq!(*key.public_key(), info.public_key);
            signs(&*key).expect("sign");
        }
    }
}

#[test]
fn a_changed_pcr_refuses_to_unseal_and_is_named() {
    let Some(tpm) = Swtpm::new() else { return };
    let scratch = tempfile::tempdir().expect("scratch");
    let config = TpmConfig {
        // More in a bank than the TPM reads at once, and two banks, whose order goes into the policy.
        pcrs: "sha384:7,16+sha256:0,1,2,3,4,5,6,7,8,9".parse().expect("pcrs"),
        ..config(&tpm)
    };
    let store = open(&scratch.path().join("keys"), &config);
    let sealed = generate(&*store, Component::MlDsa65);
    let in_the_tpm = generate(&*store, Component::EcdsaP256Sha256);
    for _ in 0..3 {
        signs(&*sealed).expect("sign");
    }

    tpm.extend("sha384:16", &"ab".repeat(48));
    for _ in 0..2 {
        let error = signs(&*sealed).expect_err("another PCR");
        let text = error.to_string();
        let TpmError::PcrsChanged { changes } = error else {
            panic!("{text}");
        };
        let [change] = changes.as_slice() else {
            panic!("{text}");
        };
        assert_eq!(
            (change.pcr.as_str(), change.sealed.as_str()),
            ("sha384:16", &*"00".repeat(48))
        );
        assert!(
            text.contains("sha384:16 was 0000") && text.contains(&change.now),
            "{text}"
        );
    }
    signs(&*in_the_tpm).expect("no policy on it");
    // Whatever the PCRs are, a key can be found, and destroyed.
    assert_eq!(store.list().expect("list").len(), 2);
    let later = generate(&*store, Component::MlDsa44);
    signs(&*later).expect("sealed to the values of now");

    // A reset gives PCR 16 its first value back, and the other two keys their TPM.
    tpm.reset();
    signs(&*sealed).expect("sign");
    let error = signs(&*later).expect_err("another PCR");
    assert!(matches!(error, TpmError::PcrsChanged { .. }), "{error}");
}

#[test]
fn a_cleared_tpm_is_recognised_and_an_evicted_root_is_not_taken_for_one() {
    let Some(tpm) = Swtpm::new() else { return };
    let scratch = tempfile::tempdir().expect("scratch");
    let config = config(&tpm);
    let old = scratch.path().join("old");
    let store = open(&old, &config);
    let keys = [Component::EcdsaP256Sha256, Component::MlDsa65].map(|component| generate(&*store, component));

    tpm.tool("tpm2_evictcontrol", &["-c", "0x81000001"]);
    for key in &keys {
        signs(&**key).expect("the same root is made again");
    }
    assert_eq!(tpm.handles("handles-persistent"), ["0x81000001"]);

    tpm.tool("tpm2_clear", &["-c", "p"]);
    let is_cleared = |error: TpmError| {
        let TpmError::Cleared { recorded, found, .. } = &error else {
            panic!("{error}");
        };
        assert_ne!(recorded, found);
        assert!(error.to_string().contains("was cleared"), "{error}");
    };
    for key in &keys {
        is_cleared(signs(&**key).expect_err("cleared"));
    }
    is_cleared(refused(&old, &config));

    let new = open(&scratch.path().join("new"), &config);
    signs(&*generate(&*new, Component::EcdsaP256Sha256)).expect("sign");
    // Now there is another root in its place.
    is_cleared(refused(&old, &config));
    is_cleared(signs(&*keys[0]).expect_err("cleared"));
    // The files are still there to be listed and removed by whoever had the store open.
    for info in store.list().expect("list") {
        store.destroy(&info.id).expect("destroy");
    }
}

#[test]
fn what_lies_in_a_directory_is_checked() {
    let Some(tpm) = Swtpm::new() else { return };
    let scratch = tempfile::tempdir().expect("scratch");
    let config = config(&tpm);
    let dirs = ["a", "b", "software"].map(|name| scratch.path().join(name));
    let [a, b, software] = &dirs;
    let (first, second) = (open(a, &config), open(b, &config));
    let (info, _) = first
        .generate(Component::EcdsaP256Sha256, &label())
        .expect("generate");

    let name = format!("{}.key", info.id);
    std::fs::copy(a.join(&name), b.join(&name)).expect("copy");
    let error = second.open(&info.id).expect_err("of another store").to_string();
    assert!(error.contains("another key store"), "{error}");
    std::fs::remove_file(b.join(&name)).expect("remove");

    // The blob is of use to no other store's key, and nobody can relabel it.
    let text = std::fs::read_to_string(a.join(&name)).expect("read");
    std::fs::write(a.join(&name), text.replace("a key of a test", "a key of a tesT")).expect("write");
    let error = first.open(&info.id).expect_err("edited").to_string();
    assert!(error.contains("authentication failed"), "{error}");

    let kek = KekSource::KeyFile(scratch.path().join("kek"));
    SoftwareStore::open(software, &kek).expect("software store");
    let error = refused(software, &config);
    assert!(matches!(error, TpmError::OtherStore { .. }), "{error}");
}
