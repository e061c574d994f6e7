//! Signatures on plain messages: ML-DSA with contexts.

use symbolon_crypto::Component;
use symbolon_interop::raw::{CONTEXTS, Cases};

use crate::{PEER, java, run};

const COMPONENTS: [Component; 3] = [Component::MlDsa44, Component::MlDsa65, Component::MlDsa87];

#[test]
#[ignore = "needs a Java compiler and Maven; run by cargo xtask interop"]
fn ml_dsa_signatures_have_their_contexts() {
    let ours = Cases::ours(&COMPONENTS, &CONTEXTS).unwrap();
    let said = run(java("verify").args(ours.folders()));
    for case in &ours.cases {
        assert_eq!(said[&case.name], case.is_genuine, "{}: {said}", case.name);
    }
    let theirs = Cases::theirs(&COMPONENTS, &CONTEXTS).unwrap();
    let said = run(java("sign").args(theirs.folders()));
    for case in &theirs.cases {
        assert_eq!(said[&case.name], true, "{said}");
        assert_eq!(theirs.verified(case).unwrap(), (true, false), "{}", case.name);
    }
    for component in COMPONENTS {
        for direction in ["our-signature/with context", "their-signature/with context"] {
            PEER.shows(direction, &format!("ml-dsa/{component}"), "ok")
                .unwrap();
        }
    }
}
