//! Catalyst chains: what a policy makes of them, and where a missing or wrong post-quantum half is told.

use std::sync::Arc;

use der::Encode;
use symbolon_pki::catalyst::{
    ALTERNATIVE_ALGORITHM, ALTERNATIVE_KEY, append_crl_signature, append_signature, pre_tbs, pre_tbs_crl,
};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::crl::{Crl, CrlSet};
use symbolon_pki::encode::whole;
use symbolon_pki::key::{Half, SuiteSigner};
use symbolon_pki::signature::{AlgorithmError, SignatureAlgorithm};
use symbolon_pki::suite::{Form, Suite};
use symbolon_pki::verify::{
    AlgorithmProfile, ChainError, ChainReason, PathPolicy, Policy, Revocation, RevocationMode, Role,
    VerifiedSvid, VerifyOptions, verify_x509_svid_with,
};

use crate::lists::{self, ListDraft};
use crate::support::{Ca, Draft, bundles, now, signer, subject_key};

const NATIVE: Suite = Suite::EcdsaP384;
const ALTERNATIVE: Suite = Suite::MlDsa87;
/// An AlgorithmIdentifier of 1.2.3.4, which is nobody's.
const UNKNOWN_ALGORITHM: &[u8] = &[0x30, 5, 6, 3, 0x2a, 3, 4];

/// An authority with two keys.
struct Catalyst {
    certificate: Certificate,
    native: SuiteSigner,
    alternative: SuiteSigner,
}

/// Signs a draft with both keys; `spoil` may change the alternative signature.
fn sign(
    mut draft: Draft,
    native: &SuiteSigner,
    alternative: &SuiteSigner,
    spoil: impl FnOnce(&mut Vec<u8>),
) -> Certificate {
    let algorithm = alternative.suite().signature_algorithm_der();
    draft.set_raw(ALTERNATIVE_ALGORITHM, false, algorithm);
    let native_algorithm = native.suite().signature_algorithm_der();
    let mut tbs = Vec::new();
    draft.sign_with(native_algorithm, |bytes| {
        tbs = bytes.to_vec();
        Vec::new()
    });
    let mut signature = alternative.sign(&pre_tbs(&tbs).unwrap()).unwrap();
    spoil(&mut signature);
    let tbs = append_signature(&tbs, &signature).unwrap();
    let bits = whole(3, &[&[0], &native.sign(&tbs).unwrap()]);
    Certificate::from_der(&whole(0x30, &[&tbs, native_algorithm, &bits])).unwrap()
}

fn with_key(mut draft: Draft, alternative: &SuiteSigner) -> Draft {
    draft.set_raw(ALTERNATIVE_KEY, false, &alternative.public_key().spki_der());
    draft
}

impl Catalyst {
    fn root() -> Self {
        let (native, alternative) = (signer(NATIVE), signer(ALTERNATIVE));
        let mut draft = with_key(Draft::authority(&subject_key(&native)), &alternative);
        draft.issuer = draft.subject.clone();
        Self {
            certificate: sign(draft, &native, &alternative, |_| ()),
            native,
            alternative,
        }
    }

    fn intermediate(&self) -> Self {
        let (native, alternative) = (signer(NATIVE), signer(ALTERNATIVE));
        let draft = with_key(Draft::authority(&subject_key(&native)), &alternative).under(&self.certificate);
        Self {
            certificate: sign(draft, &self.native, &self.alternative, |_| ()),
            native,
            alternative,
        }
    }

    fn leaf(&self, spoil: impl FnOnce(&mut Vec<u8>)) -> Certificate {
        let draft = Draft::leaf(&subject_key(&signer(NATIVE))).under(&self.certificate);
        sign(
            with_key(draft, &signer(ALTERNATIVE)),
            &self.native,
            &self.alternative,
            spoil,
        )
    }

    /// The same authority to who passes over extensions.
    fn native(&self) -> Ca {
        Ca {
            certificate: self.certificate.clone(),
            signer: self.native.clone(),
        }
    }
}

fn under(policy: &str) -> VerifyOptions {
    VerifyOptions::under(policy.parse::<Policy>().unwrap())
}

fn verify(
    chain: &[Certificate],
    root: &Certificate,
    options: &VerifyOptions,
) -> Result<VerifiedSvid, ChainError> {
    verify_x509_svid_with(chain, &bundles(&[root]), now(), options)
}

#[test]
fn a_whole_chain_is_worth_both_halves() {
    let root = Catalyst::root();
    let middle = root.intermediate();
    let chain = [middle.leaf(|_| ()), middle.certificate.clone()];
    for policy in [
        "classical-ok",
        "pq-required",
        "hybrid-required",
        "cnsa-2.0",
        "bsi",
        "anssi",
    ] {
        let verified =
            verify(&chain, &root.certificate, &under(policy)).unwrap_or_else(|e| panic!("{policy}: {e}"));
        assert_eq!(verified.form, Form::Catalyst, "{policy}");
    }
    // To who counts native keys alone it is classical.
    for (policy, accepted) in [
        ("classical-ok", true),
        ("pq-required", false),
        ("cnsa-2.0", false),
    ] {
        let mut options = under(policy);
        options.native_only = true;
        let got = verify(&chain, &root.certificate, &options);
        assert_eq!(got.is_ok(), accepted, "{policy}");
        assert!(got.is_err() || got.unwrap().form == Form::Classical);
    }
}

#[test]
fn a_wrong_or_missing_post_quantum_half_is_told_where_it_counts() {
    let root = Catalyst::root();
    let middle = root.intermediate();
    let spoilt = middle.leaf(|signature| signature[7] ^= 1);
    let plain = middle.native().leaf(NATIVE, |_| ());
    let keyless = {
        let draft = Draft::leaf(&subject_key(&signer(Suite::MlDsa65))).under(&middle.certificate);
        sign(draft, &middle.native, &middle.alternative, |_| ())
    };
    for leaf in [&spoilt, &plain, &keyless] {
        let chain = [leaf.clone(), middle.certificate.clone()];
        let verified = verify(&chain, &root.certificate, &under("classical-ok")).unwrap();
        assert_eq!(verified.form, Form::Classical);
        for policy in ["pq-required", "hybrid-required"] {
            let error = verify(&chain, &root.certificate, &under(policy)).unwrap_err();
            assert_eq!((error.certificate, error.role), (0, Role::Leaf), "{error}");
            match &*error.reason {
                ChainReason::Alternative { .. } => {
                    assert_eq!(error.half(), Some(Half::PostQuantum), "{error}");
                }
                ChainReason::Policy { .. } => assert!(leaf == &plain || leaf == &keyless, "{error}"),
                other => panic!("{other}"),
            }
        }
    }
    let error = verify(
        &[spoilt, middle.certificate.clone()],
        &root.certificate,
        &under("pq-required"),
    )
    .unwrap_err()
    .to_string();
    assert!(
        error.contains("the post-quantum half, as intermediate"),
        "{error}"
    );
    // An ML-DSA leaf whose issuer signed it natively alone could be forged by who breaks ECDSA.
    let native_only = middle.native().leaf(Suite::MlDsa65, |_| ());
    let error = verify(
        &[native_only, middle.certificate],
        &root.certificate,
        &under("pq-required"),
    )
    .unwrap_err();
    assert!(
        matches!(*error.reason, ChainReason::Alternative { .. }),
        "{error}"
    );
}

#[test]
fn a_link_without_alternative_keys_breaks_the_chain() {
    // A classical authority over a catalyst intermediate: the intermediate's second signature is nobody's.
    let root = Ca::root(NATIVE);
    let (native, alternative) = (signer(NATIVE), signer(ALTERNATIVE));
    let draft = with_key(Draft::authority(&subject_key(&native)), &alternative).under(&root.certificate);
    let certificate = sign(draft, &root.signer, &signer(ALTERNATIVE), |_| ());
    let middle = Catalyst {
        certificate,
        native,
        alternative,
    };
    let chain = [middle.leaf(|_| ()), middle.certificate];
    let verified = verify(&chain, &root.certificate, &under("classical-ok")).unwrap();
    assert_eq!(verified.form, Form::Classical);
    let error = verify(&chain, &root.certificate, &under("pq-required")).unwrap_err();
    assert_eq!((error.certificate, error.role), (2, Role::Authority), "{error}");
    assert!(matches!(*error.reason, ChainReason::Policy { .. }), "{error}");
    // A profile that still takes classical authorities does not take a half that cannot be checked for one.
    let error = verify(&chain, &root.certificate, &under("bsi")).unwrap_err();
    assert!(
        matches!(*error.reason, ChainReason::Alternative { .. }),
        "{error}"
    );
}

#[test]
fn under_a_post_quantum_authority_the_native_signature_is_enough() {
    let root = Ca::root(Suite::MlDsa65EcdsaP256);
    let draft = with_key(Draft::leaf(&subject_key(&signer(NATIVE))), &signer(ALTERNATIVE));
    let leaf = draft.under(&root.certificate).sign(&root.signer);
    let verified = verify(&[leaf], &root.certificate, &under("hybrid-required")).unwrap();
    assert_eq!(verified.form, Form::Composite);
}

#[test]
fn alternative_keys_are_used_once_too() {
    let root = Catalyst::root();
    let draft = Draft::leaf(&subject_key(&signer(NATIVE))).under(&root.certificate);
    let leaf = sign(
        with_key(draft, &root.alternative),
        &root.native,
        &root.alternative,
        |_| (),
    );
    let error = verify(&[leaf], &root.certificate, &under("classical-ok")).unwrap_err();
    assert!(
        matches!(*error.reason, ChainReason::SharedComponentKey { .. }),
        "{error}"
    );
}

#[test]
fn a_list_of_a_catalyst_authority_needs_both_signatures_where_the_chain_does() {
    let root = Catalyst::root();
    let chain = [root.leaf(|_| ())];
    let draft = ListDraft::of(&root.native());
    let plain = draft.sign(&root.native());
    let made_with = |algorithm: &[u8], spoil: bool, critical: bool| {
        let mut draft = draft.clone();
        draft
            .extensions
            .push(lists::extension(&[0x55, 0x1d, 73], critical, algorithm));
        let tbs = draft.tbs();
        let mut signature = root.alternative.sign(&pre_tbs_crl(&tbs).unwrap()).unwrap();
        signature[9] ^= u8::from(spoil);
        let tbs = append_crl_signature(&tbs, &signature).unwrap();
        let bits = whole(3, &[&[0], &root.native.sign(&tbs).unwrap()]);
        Crl::from_der(&whole(0x30, &[&tbs, NATIVE.signature_algorithm_der(), &bits]))
    };
    let hybrid_with = |spoil, critical| {
        let algorithm = ALTERNATIVE.signature_algorithm_der();
        made_with(algorithm, spoil, critical).unwrap()
    };
    let hybrid = |spoil| hybrid_with(spoil, false);
    let unknown_with = |critical| made_with(UNKNOWN_ALGORITHM, false, critical).unwrap();
    let verify_with = |list: Crl, policy: &str, native_only: bool| {
        let mut options = under(policy);
        options.native_only = native_only;
        options.revocation = Revocation::new(RevocationMode::Require, CrlSet::new(vec![list]).unwrap());
        verify(&chain, &root.certificate, &options)
    };
    let verify = |list: Crl, policy: &str| verify_with(list, policy, false);
    assert!(verify(plain.clone(), "classical-ok").is_ok());
    assert!(verify(hybrid(true), "classical-ok").is_ok());
    for policy in ["pq-required", "cnsa-2.0"] {
        assert!(verify(hybrid(false), policy).is_ok(), "{policy}");
        for list in [plain.clone(), hybrid(true), unknown_with(false)] {
            let error = verify(list, policy).unwrap_err();
            assert!(
                matches!(*error.reason, ChainReason::CrlAlternative { .. }),
                "{error}"
            );
            assert_eq!(error.half(), Some(Half::PostQuantum));
        }
    }
    // One that was made in a way that is not known is told as that, and refused where it is asked for; the list is read,
    // and its native signature checked.
    let list = unknown_with(false);
    assert!(matches!(
        list.alternative_algorithm(),
        Some(Err(AlgorithmError::Unknown { .. }))
    ));
    let error = list
        .verify_alternative(&subject_key(&root.alternative))
        .unwrap_err();
    assert!(error.to_string().contains("is not known"), "{error}");
    assert!(verify(list.clone(), "classical-ok").is_ok());
    let mut broken = list.der().to_vec();
    *broken.last_mut().unwrap() ^= 1;
    let error = verify(Crl::from_der(&broken).unwrap(), "classical-ok").unwrap_err();
    assert!(
        matches!(*error.reason, ChainReason::CrlSignature { .. }),
        "{error}"
    );
    assert!(verify_with(unknown_with(true), "classical-ok", true).is_err());
    // What is no algorithm at all is a fault of the list.
    for wrong in [&[5, 0][..], &[0x30, 2, 6, 0]] {
        assert!(made_with(wrong, false, false).is_err());
    }
    assert_eq!(
        hybrid(false).alternative_algorithm(),
        Some(Ok(SignatureAlgorithm::Suite(ALTERNATIVE)))
    );
    assert_eq!(plain.alternative_algorithm(), None);
    // Marked critical, it is for no one who does not check it (RFC 5280, section 5.2).
    for native_only in [false, true] {
        assert!(verify_with(hybrid_with(false, true), "classical-ok", native_only).is_ok());
        let error = verify_with(hybrid_with(true, true), "classical-ok", native_only).unwrap_err();
        assert!(
            matches!(*error.reason, ChainReason::CrlAlternative { .. }),
            "{error}"
        );
    }
}

#[test]
fn a_profile_judges_the_halves_of_a_catalyst_certificate() {
    let (native, alternative) = (signer(Suite::EcdsaP256), signer(Suite::MlDsa44));
    let mut draft = with_key(Draft::authority(&subject_key(&native)), &alternative);
    draft.issuer = draft.subject.clone();
    let root = Catalyst {
        certificate: sign(draft, &native, &alternative, |_| ()),
        native,
        alternative,
    };
    let chain = [root.leaf(|_| ())];
    let mut options = VerifyOptions::default();
    options.profile = Some(Arc::new(AlgorithmProfile::named("bsi").unwrap()));
    let error = verify(&chain, &root.certificate, &options).unwrap_err();
    assert_eq!(
        (error.certificate, error.half()),
        (1, Some(Half::PostQuantum)),
        "{error}"
    );
    assert!(
        error.to_string().contains("the post-quantum half ml-dsa-44"),
        "{error}"
    );
    assert!(PathPolicy::HybridRequired.accepts(Form::Catalyst));
    assert!(draft_der_is_stable(&root.certificate));
}

/// What was signed by hand is what is read.
fn draft_der_is_stable(certificate: &Certificate) -> bool {
    certificate.inner().to_der().unwrap() == certificate.der()
}
