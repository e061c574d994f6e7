//! Profiles as data: what the three that come with the library allow, and what a file of one's own may not say.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use symbolon_pki::certificate::Certificate;
use symbolon_pki::key::Half;
use symbolon_pki::suite::{Form, Suite};
use symbolon_pki::verify::{
    AlgorithmProfile, Breach, ChainError, ChainReason, MAX_PROFILE_LEN, PathPolicy, Policy, ProfileError,
    Role, RuledPart, VerifyOptions, verify_x509_svid_with,
};

use crate::support::{Ca, bundles, now, signer};

fn under(policy: &str) -> VerifyOptions {
    VerifyOptions::under(policy.parse::<Policy>().unwrap())
}

fn verify(
    chain: &[Certificate],
    root: &Ca,
    options: &VerifyOptions,
    at: SystemTime,
) -> Result<Form, ChainError> {
    verify_x509_svid_with(chain, &bundles(&[&root.certificate]), at, options).map(|verified| verified.form)
}

fn breach(error: &ChainError) -> &Breach {
    match &*error.reason {
        ChainReason::Profile(breach) => breach,
        other => panic!("{other}"),
    }
}

#[test]
fn each_profile_takes_the_suites_that_its_facts_name() {
    use Suite::*;
    /// The rule that a suite breaks, and the half that it is about.
    type Broken = Option<(&'static str, Option<Half>)>;
    let table: [(Suite, [Broken; 3]); 12] = {
        const CLASSICAL: Option<Half> = Some(Half::Classical);
        const PQ: Option<Half> = Some(Half::PostQuantum);
        [
            // suite, then the rule of cnsa-2.0, bsi and anssi that it breaks, with the half.
            (EcdsaP256, [Some(("classical", None)), None, Some(("hash", None))]),
            (EcdsaP384, [Some(("classical", None)), None, None]),
            (
                Ed25519,
                [
                    Some(("classical", None)),
                    Some(("classical-until-2035", None)),
                    None,
                ],
            ),
            (
                MlDsa44,
                [
                    Some(("pure", None)),
                    Some(("post-quantum", None)),
                    Some(("pure", None)),
                ],
            ),
            (MlDsa65, [Some(("pure", None)), None, Some(("pure", None))]),
            (MlDsa87, [None, None, Some(("pure", None))]),
            (
                MlDsa44Ed25519,
                [
                    Some(("post-quantum-half", PQ)),
                    Some(("post-quantum-half", PQ)),
                    Some(("post-quantum-half", PQ)),
                ],
            ),
            (
                MlDsa44EcdsaP256,
                [
                    Some(("post-quantum-half", PQ)),
                    Some(("post-quantum-half", PQ)),
                    Some(("post-quantum-half", PQ)),
                ],
            ),
            (
                MlDsa65EcdsaP256,
                [
                    Some(("post-quantum-half", PQ)),
                    None,
                    Some(("classical-half", CLASSICAL)),
                ],
            ),
            (MlDsa65EcdsaP384, [Some(("post-quantum-half", PQ)), None, None]),
            (
                MlDsa65Ed25519,
                [
                    Some(("post-quantum-half", PQ)),
                    Some(("classical-half", CLASSICAL)),
                    None,
                ],
            ),
            (MlDsa87EcdsaP384, [None, None, None]),
        ]
    };
    for (suite, expected) in table {
        let root = Ca::root(suite);
        let chain = [root.leaf(suite, |_| ())];
        for (name, expected) in AlgorithmProfile::NAMES.into_iter().zip(expected) {
            let got = verify(&chain, &root, &under(name), now());
            let Some((rule, half)) = expected else {
                assert!(got.is_ok(), "{suite} {name}: {}", got.unwrap_err());
                continue;
            };
            let error = got.unwrap_err();
            assert_eq!(
                (error.certificate, error.role),
                (0, Role::Leaf),
                "{suite} {name}: {error}"
            );
            let breach = breach(&error);
            assert_eq!(
                (breach.profile.as_str(), breach.rule.as_str(), error.half()),
                (name, rule, half),
                "{suite}: {error}"
            );
            let text = error.to_string();
            assert!(text.contains(rule) && text.contains(&breach.source), "{text}");
        }
    }
}

#[test]
fn signing_certificates_are_judged_as_well() {
    let root = Ca::root(Suite::MlDsa65);
    let chain = [root.leaf(Suite::MlDsa87, |_| ())];
    let error = verify(&chain, &root, &under("cnsa-2.0"), now()).unwrap_err();
    assert_eq!((error.certificate, error.role), (1, Role::Authority), "{error}");
    assert_eq!(breach(&error).rule, "pure");
}

#[test]
fn a_rule_with_an_end_allows_nothing_after_it() {
    // 2035-12-31T23:59:59Z and the second after.
    let end = UNIX_EPOCH + Duration::from_secs(2_082_758_399);
    let root = Ca::root_with(signer(Suite::EcdsaP384), |draft| {
        draft.not_after = end + Duration::from_secs(9_000);
    });
    let chain = [root.leaf(Suite::EcdsaP384, |draft| {
        draft.not_after = end + Duration::from_secs(9_000);
    })];
    assert!(verify(&chain, &root, &under("bsi"), end).is_ok());
    let error = verify(&chain, &root, &under("bsi"), end + Duration::from_secs(1)).unwrap_err();
    assert_eq!(breach(&error).rule, "classical-until-2035");
}

#[test]
fn names_of_policies_are_those_of_either_kind() {
    for policy in PathPolicy::ALL {
        assert_eq!(policy.name().parse(), Ok(Policy::Path(policy)));
    }
    for name in AlgorithmProfile::NAMES {
        let policy: Policy = name.parse().unwrap();
        assert_eq!(policy.to_string(), name);
        let Policy::Profile(profile) = policy else {
            panic!("{name}")
        };
        assert!(!profile.title().is_empty() && !profile.note().is_empty());
        for part in RuledPart::ALL {
            assert!(
                profile.rules().iter().any(|rule| rule.part == part),
                "{name} {}",
                part.name()
            );
        }
    }
    let error = "cnsa-1.0".parse::<Policy>().unwrap_err().to_string();
    assert!(
        error.contains("hybrid-required") && error.contains("cnsa-2.0") && error.contains("a file"),
        "{error}"
    );
}

/// A profile that is right, in TOML.
const OWN: &str = r#"
name = "ours"
title = "What we take"

[[rules]]
id = "leaves"
part = "classical-alone"
roles = ["leaf"]
allowed = ["ecdsa-p256-sha256"]
says = "leaves are P-256"
source = "our own rules"
dated = "2026"

[[rules]]
id = "authorities"
part = "classical-alone"
roles = ["authority"]
allowed = ["ecdsa-p384-sha384"]
rsa-min-bits = 3072
until = "2030-01-31"
says = "authorities are P-384"
source = "our own rules"
dated = "2026-11"

[[rules]]
id = "none"
part = "post-quantum-alone"
allowed = []
says = "nothing else"
source = "our own rules"
dated = "2026-11-22"

[[rules]]
id = "none-1"
part = "classical-half"
allowed = []
says = "nothing else"
source = "our own rules"
dated = "2026-11-22"

[[rules]]
id = "none-2"
part = "post-quantum-half"
allowed = []
says = "nothing else"
source = "our own rules"
dated = "2026-11-22"

[[rules]]
id = "hash"
part = "hash"
allowed = ["sha-256", "sha-384"]
says = "SHA-2"
source = "our own rules"
dated = "2026-11-22"

[[rules]]
id = "kem"
part = "kem"
allowed = ["ml-kem-768"]
says = "ML-KEM-768"
source = "our own rules"
dated = "2026-11-22"
"#;

#[test]
fn a_profile_of_ones_own_is_held_to() {
    let profile = AlgorithmProfile::from_toml(OWN).unwrap();
    let mut options = VerifyOptions::default();
    options.profile = Some(Arc::new(profile));
    let root = Ca::root(Suite::EcdsaP384);
    assert!(verify(&[root.leaf(Suite::EcdsaP256, |_| ())], &root, &options, now()).is_ok());
    let error = verify(&[root.leaf(Suite::EcdsaP384, |_| ())], &root, &options, now()).unwrap_err();
    assert_eq!(breach(&error).rule, "leaves");
    let root = Ca::root(Suite::EcdsaP256);
    let error = verify(&[root.leaf(Suite::EcdsaP256, |_| ())], &root, &options, now()).unwrap_err();
    assert_eq!(
        (error.certificate, breach(&error).rule.as_str()),
        (1, "authorities")
    );
}

#[test]
fn a_profile_that_is_not_understood_whole_is_refused() {
    let refused = |from: &str, to: &str| {
        assert!(OWN.contains(from), "{from}");
        AlgorithmProfile::from_toml(&OWN.replacen(from, to, 1))
            .unwrap_err()
            .to_string()
    };
    for (from, to, expected) in [
        ("name = \"ours\"", "nam = \"ours\"", "unknown field"),
        ("name = \"ours\"", "name = \" \"", "no name"),
        ("roles = [\"leaf\"]", "rolls = [\"leaf\"]", "unknown field"),
        ("roles = [\"leaf\"]", "roles = [\"root\"]", "unknown variant"),
        ("part = \"kem\"", "part = \"kems\"", "unknown variant"),
        (
            "part = \"kem\"",
            "part = \"hash\"",
            "\"ml-kem-768\", which is no hash",
        ),
        ("\"ml-kem-768\"", "\"ml-kem-769\"", "no kem that is known"),
        ("ecdsa-p256-sha256", "ml-dsa-65", "which is no classical-alone"),
        ("ecdsa-p256-sha256", "ecdsa-p255", "which is no classical-alone"),
        ("\"sha-256\"", "\"sha-1\"", "which is no hash"),
        ("2030-01-31", "2030-02-30", "where a date is wanted"),
        ("2030-01-31", "soon", "where a date is wanted"),
        ("dated = \"2026\"", "dated = \"26\"", "where a date is wanted"),
        ("says = \"SHA-2\"", "says = \"\"", "lacks what it says"),
        (
            "source = \"our own rules\"",
            "source = \" \"",
            "lacks what it says",
        ),
        ("source = \"our own rules\"", "", "missing field"),
        ("id = \"none-1\"", "id = \"none\"", "no id of its own"),
        ("id = \"none-1\"", "id = \"\"", "no id of its own"),
        (
            "roles = [\"authority\"]",
            "roles = [\"leaf\"]",
            "no rule on classical-alone for signing",
        ),
    ] {
        let found = refused(from, to);
        assert!(found.contains(expected), "{to}: {found}");
    }
    assert!(matches!(
        AlgorithmProfile::from_toml(&"#".repeat(MAX_PROFILE_LEN + 1)),
        Err(ProfileError::TooLong(_))
    ));
    assert!(AlgorithmProfile::from_json("{}").is_err());
}

#[test]
fn json_is_read_the_same() {
    let json = r#"{"name":"j","title":"J","rules":[
        {"id":"a","part":"classical-alone","allowed":["ecdsa-p256-sha256"],"says":"a","source":"s","dated":"2026"},
        {"id":"b","part":"post-quantum-alone","allowed":[],"says":"a","source":"s","dated":"2026"},
        {"id":"c","part":"classical-half","allowed":[],"says":"a","source":"s","dated":"2026"},
        {"id":"d","part":"post-quantum-half","allowed":[],"says":"a","source":"s","dated":"2026"},
        {"id":"e","part":"hash","allowed":["sha-256"],"says":"a","source":"s","dated":"2026"},
        {"id":"f","part":"kem","allowed":[],"roles":["leaf"],"says":"a","source":"s","dated":"2026"}]}"#;
    let profile = AlgorithmProfile::from_json(json).unwrap();
    assert_eq!((profile.name(), profile.rules().len()), ("j", 6));
    assert!(AlgorithmProfile::from_json(&json.replace("\"title\"", "\"titel\"")).is_err());
}
