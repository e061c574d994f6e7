//! The scalar of a key in a TPM is never in the process that signs. A TPM tells nobody what it is; but this one is a
//! program, so it is read out of that, and known to be right by the public key that it gives.

use symbolon_crypto::{Component, HeldKey, SoftwareKey};
use symbolon_test_tokens::{Swtpm, eventually, finds, following};

use crate::signer::{self, Signer};

/// How often the memory is searched while the process signs.
const SWEEPS: usize = 10;

/// The private scalar to a P-256 key that is loaded in the TPM: in libtpms, a TPM2B_ECC_PARAMETER in a sensitive area,
/// which is a length of two bytes, as the machine has them, and the bytes.
fn scalar_in(tpm: &Swtpm, public_key: &[u8]) -> Option<Vec<u8>> {
    let candidates = following(tpm.process(), &32_u16.to_ne_bytes(), 32);
    candidates.into_iter().find(|candidate| {
        SoftwareKey::from_raw(Component::EcdsaP256Sha256, candidate)
            .is_ok_and(|key| key.public_key().as_bytes() == public_key)
    })
}

#[test]
fn the_scalar_of_a_key_in_the_tpm_is_never_in_the_process_that_signs() {
    const TEST: &str = "key_bytes::the_scalar_of_a_key_in_the_tpm_is_never_in_the_process_that_signs";
    if signer::if_asked() {
        return;
    }
    let Some(tpm) = Swtpm::new() else { return };
    let scratch = tempfile::tempdir().expect("scratch");
    let location = format!(
        "tpm:{}?dir={}/keys&deadline=120",
        tpm.tcti(),
        scratch.path().display()
    );
    let mut signer = Signer::start(TEST, &location, None, Vec::new());
    let scalar = eventually("the scalar in the TPM", || {
        signer.goes_on();
        scalar_in(&tpm, &signer.public_key).ok_or("not found")
    });

    for _ in 0..SWEEPS {
        signer.goes_on();
        assert_eq!(
            finds(signer.process(), &scalar),
            0,
            "the scalar is in the process that signs"
        );
    }
    // The same search finds it where it is, and in the process that signs, once it was put there.
    assert!(
        finds(tpm.process(), &scalar) > 0,
        "the search finds nothing in the TPM"
    );
    signer.keep(&scalar);
    assert!(finds(signer.process(), &scalar) > 0, "the search finds nothing");
}
