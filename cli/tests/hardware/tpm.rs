//! Keys in a TPM.

use symbolon_test_tokens::Swtpm;

use crate::{authority_ids, expected_places, places, snapshot, support::Home, up_once};

#[test]
fn ecdsa_in_a_tpm_and_sealed_seeds_outlive_its_reset() {
    let Some(mut tpm) = Swtpm::new() else {
        return;
    };
    let home = Home::with(vec![("TSS2_LOG", "all+none".into())]);
    let store = format!("tpm=tpm:{}?deadline=120", tpm.tcti());
    let first = up_once(&home, &[&store]);
    assert_eq!(
        places(&first),
        expected_places("tpm", "tpm", ["tpm", "tpm"], "tpm")
    );
    assert!(home.data().join("server/keys/tpm/store").exists());
    assert!(!home.data().join("server/keys/software").exists());

    // An orderly reset, and a power cut.
    tpm.reset();
    assert_eq!(authority_ids(&up_once(&home, &[&store])), authority_ids(&first));
    tpm.kill();
    let before = snapshot(&home);
    let (_, error) = home.fails(&["up", "--once", "--keys", &store]);
    assert!(error.contains("cannot reach the TPM"), "{error}");
    assert_eq!(snapshot(&home), before);
    tpm.start();
    assert_eq!(authority_ids(&up_once(&home, &[&store])), authority_ids(&first));
}

#[test]
fn a_changed_pcr_is_named_when_a_sealed_seed_is_to_sign() {
    let Some(tpm) = Swtpm::new() else {
        return;
    };
    let home = Home::with(vec![("TSS2_LOG", "all+none".into())]);
    let store = format!("tpm=tpm:{}?pcrs=sha256:16&deadline=120", tpm.tcti());
    up_once(&home, &[&store]);
    tpm.extend("sha256:16", &"ab".repeat(32));
    let output = home.run(&["up", "--once", "--keys", &store]);
    let said = crate::support::said(&output);
    assert!(
        !output.status.success() && said.contains("sha256:16 was"),
        "{said}"
    );
}
