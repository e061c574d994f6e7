//! Signatures on plain messages: ML-DSA with contexts, and SLH-DSA.

use symbolon_interop::raw::{CONTEXTS, ML_DSA, NO_CONTEXT, Signer, slh_dsa};

use crate::{PEER, java};

fn signer() -> Signer<'static> {
    Signer {
        peer: &PEER,
        verify: &|| java("verify"),
        sign: &|| java("sign"),
    }
}

#[test]
#[ignore = "needs a Java compiler and Maven; run by cargo xtask interop"]
fn ml_dsa_signatures_have_their_contexts() {
    signer().exchange(&ML_DSA, &CONTEXTS, "/with context").unwrap();
}

#[test]
#[ignore = "needs a Java compiler and Maven; run by cargo xtask interop"]
fn slh_dsa_signatures_agree() {
    let components = [slh_dsa("f"), slh_dsa("s")].concat();
    assert_eq!(components.len(), 12);
    signer().exchange(&components, &NO_CONTEXT, "").unwrap();
}
