//! Risk: the facts are complete, what is unknown is never taken for safe, and nothing is hidden by knowing more.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, outside any test function"
)]

mod estate;

use std::collections::BTreeSet;

use proptest::prelude::*;
use symbolon_migration_planner::algorithm::{Algorithm, Quantum};
use symbolon_migration_planner::inventory::{Asset, Detail, Inventory, Occurrence};
use symbolon_migration_planner::risk::{
    Assessment, Bound, Catalogue, Day, EFFORT_FACTORS, EFFORT_KINDS, Finding, Posture, Profile, Purpose,
    Threat, Unrated, assess,
};

use self::estate::Estate;

fn catalogue() -> Catalogue {
    Catalogue::builtin().unwrap()
}

fn today() -> Day {
    "2026-11-22".parse().unwrap()
}

fn profile(text: &str) -> Profile {
    Profile::from_toml(text, &catalogue()).unwrap()
}

fn assessed(estate: &Estate, text: &str) -> Assessment {
    assess(&estate.inventory(), &profile(text), &catalogue(), today())
}

#[test]
fn every_fact_has_a_source_and_a_day() {
    let catalogue = catalogue();
    let address = |url: &str| assert!(url.starts_with("https://"), "{url}");
    for scenario in &catalogue.scenarios {
        address(&scenario.source.url);
        assert!(scenario.verified_on <= today(), "{}", scenario.id);
        assert!(!scenario.why.is_empty());
    }
    assert!(catalogue.scenarios.len() >= 3, "no single year is the right one");
    for regime in &catalogue.regimes {
        assert!(
            !regime.scope.is_empty() && !regime.rules.is_empty(),
            "{}",
            regime.id
        );
        assert!(regime.verified_on <= today(), "{}", regime.id);
        regime.sources.iter().for_each(|source| address(&source.url));
        for rule in &regime.rules {
            assert!(rule.says.ends_with('.'), "{} {}", regime.id, rule.id);
        }
    }
    for weakness in &catalogue.weaknesses {
        address(&weakness.source.url);
        assert!(
            !weakness.names.is_empty()
                || !weakness.protocols.is_empty()
                || !weakness.suites.is_empty()
                || weakness.below_bits.is_some(),
            "{} is about nothing",
            weakness.id
        );
    }
    catalogue
        .libraries
        .iter()
        .for_each(|library| address(&library.source.url));
    let ids = |list: &mut dyn Iterator<Item = &str>| list.map(str::to_owned).collect::<BTreeSet<String>>();
    assert_eq!(
        ids(&mut catalogue.efforts.iter().map(|effort| effort.id.as_str())),
        ids(&mut EFFORT_KINDS.into_iter())
    );
    assert_eq!(
        ids(&mut catalogue.factors.iter().map(|factor| factor.id.as_str())),
        ids(&mut EFFORT_FACTORS.into_iter())
    );
    for target in &catalogue.targets {
        address(&target.source.url);
        let algorithm = Algorithm::named(&target.algorithm);
        assert_ne!(algorithm.quantum, Quantum::Broken, "{}", target.id);
        assert_ne!(algorithm.quantum, Quantum::Unknown, "{}", target.id);
        assert_eq!(algorithm.quantum_level, Some(target.level), "{}", target.id);
    }
}

#[test]
fn names_in_the_facts_are_names_that_inventories_have() {
    let catalogue = catalogue();
    let named = |name: &str, at: &str| {
        let beginning = name.split('*').next().unwrap().trim_end_matches('-');
        let known = Algorithm::named(beginning).quantum != Quantum::Unknown;
        assert!(known, "{at} names {name:?}, which is no canonical name");
    };
    for weakness in &catalogue.weaknesses {
        weakness.names.iter().for_each(|name| named(name, &weakness.id));
    }
    for regime in &catalogue.regimes {
        for rule in &regime.rules {
            rule.when
                .names
                .iter()
                .chain(&rule.when.except)
                .for_each(|name| named(name, &rule.id));
        }
    }
}

#[test]
fn no_regime_binds_unless_the_reader_says_so() {
    let estate = Estate::small();
    assert!(
        assessed(&estate, "")
            .ratings
            .values()
            .all(|rating| rating.verdicts.is_empty())
    );
    let bound = assessed(&estate, r#"regimes = ["nist-ir-8547"]"#);
    assert!(bound.ratings.values().any(|rating| !rating.verdicts.is_empty()));
    assert!(
        bound
            .ratings
            .values()
            .flat_map(|rating| &rating.verdicts)
            .all(|verdict| &*verdict.regime == "nist-ir-8547")
    );
}

#[test]
fn each_strength_has_its_own_day() {
    let mut estate = Estate::default();
    estate.certificate("short", "RSA-2048", "2040-01-01");
    estate.certificate("long", "ECDSA-P-256", "2040-01-01");
    let assessment = assessed(&estate, r#"regimes = ["nist-ir-8547"]"#);
    let days = |name: &str| -> Vec<String> {
        let rating = &assessment.ratings[&estate.id(name)];
        rating
            .verdicts
            .iter()
            .filter_map(|verdict| verdict.until)
            .map(|day| day.to_string())
            .collect()
    };
    assert_eq!(days("short"), ["2030-12-31", "2035-12-31"]);
    assert_eq!(days("long"), ["2035-12-31"], "128 bits have no step in 2030");
}

#[test]
fn a_hybrid_fails_by_its_parameter_set_and_not_by_being_one() {
    let mut estate = Estate::default();
    estate.service("small", &["X25519MLKEM768"]);
    estate.service("large", &["SecP384r1MLKEM1024"]);
    let text = "regimes = [\"cnsa-2.0\"]\n[[assets]]\nwhere = \"kind=service\"\ncategories = { \"cnsa-2.0\" = \"web\" }";
    let assessment = assessed(&estate, text);
    let rules = |name: &str| -> Vec<String> {
        let rating = &assessment.ratings[&estate.id(name)];
        rating
            .verdicts
            .iter()
            .map(|verdict| verdict.rule.to_string())
            .collect()
    };
    assert_eq!(rules("small"), ["kem-level"]);
    assert_eq!(rules("large"), [""; 0]);
}

#[test]
fn pure_key_agreement_is_not_what_the_bsi_recommends() {
    let mut estate = Estate::default();
    estate.service("pure", &["ML-KEM-1024"]);
    estate.service("hybrid", &["SecP384r1MLKEM1024"]);
    let assessment = assessed(&estate, r#"regimes = ["bsi-tr-02102-1"]"#);
    assert_eq!(
        &*assessment.ratings[&estate.id("pure")].verdicts[0].rule,
        "hybrid-kem"
    );
    assert!(assessment.ratings[&estate.id("hybrid")].verdicts.is_empty());
}

#[test]
fn a_category_that_nobody_told_is_shown_as_such_and_not_as_met() {
    let mut estate = Estate::default();
    estate.service("shop", &["x25519"]);
    let untold = assessed(&estate, r#"regimes = ["eu-pqc-roadmap"]"#);
    let verdicts = &untold.ratings[&estate.id("shop")].verdicts;
    assert_eq!(verdicts.len(), 1);
    assert!(verdicts[0].category_assumed);
    assert_eq!(
        verdicts[0].until.unwrap().to_string(),
        "2030-12-31",
        "the earliest that it may be"
    );
    let text = "regimes = [\"eu-pqc-roadmap\"]\n[[assets]]\nwhere = \"name=shop\"\ncategories = { eu-pqc-roadmap = \"medium\" }";
    let told = assessed(&estate, text);
    let verdicts = &told.ratings[&estate.id("shop")].verdicts;
    assert!(!verdicts[0].category_assumed);
    assert_eq!(verdicts[0].until.unwrap().to_string(), "2035-12-31");
}

#[test]
fn what_a_peer_may_choose_is_not_protected() {
    let mut estate = Estate::default();
    estate.service("both", &["X25519MLKEM768", "x25519"]);
    estate.service("one", &["X25519MLKEM768"]);
    estate.service("none", &["x25519"]);
    let assessment = assessed(&estate, "");
    let posture = |name: &str| assessment.ratings[&estate.id(name)].posture;
    assert_eq!(posture("both"), Posture::Downgradable);
    assert_eq!(posture("one"), Posture::Protected);
    assert_eq!(posture("none"), Posture::Exposed);
    assert_eq!(assessment.ratings[&estate.id("both")].threat, Threat::HarvestNow);
}

#[test]
fn a_signature_is_at_risk_for_as_long_as_it_is_believed() {
    let mut estate = Estate::default();
    estate.certificate("short-lived", "ECDSA-P-256", "2026-12-22");
    estate.certificate("long-lived", "ECDSA-P-256", "2046-11-22");
    let assessment = assessed(&estate, "");
    let rating = |name: &str| &assessment.ratings[&estate.id(name)];
    assert_eq!(rating("short-lived").threat, Threat::Impersonate);
    assert_eq!(rating("short-lived").signatures.as_ref().unwrap().months, 1);
    assert_eq!(rating("long-lived").threat, Threat::ForgeLater);
    assert_eq!(rating("long-lived").signatures.as_ref().unwrap().months, 240);
    let late = rating("long-lived").mosca_for("middle").unwrap();
    assert_eq!(late.done_by.to_string(), "2015-01-01");
    assert!(late.is_late());
}

#[test]
fn what_is_weak_today_comes_first_whatever_else() {
    let mut estate = Estate::default();
    estate.certificate("sha1", "RSA-4096", "2026-12-22");
    estate.signed_with("sha1", "RSA-PKCS1-1.5-SHA-1");
    estate.service("harvest", &["x25519"]);
    let assessment = assessed(&estate, "");
    let weak = &assessment.ratings[&estate.id("sha1")];
    assert_eq!(weak.threat, Threat::WeakToday);
    assert!(
        matches!(&weak.bound, Some(Bound::Weakness { weakness, day }) if &**weakness == "sha1-signature" && *day == today())
    );
    assert!(weak.score.total > assessment.ratings[&estate.id("harvest")].score.total);
}

#[test]
fn the_hash_by_which_an_anchor_certifies_itself_harms_nobody() {
    let mut estate = Estate::default();
    estate.authority("root", "RSA-4096", "2041-05-01", None);
    estate.signed_with("root", "RSA-PKCS1-1.5-SHA-1");
    estate.authority("below", "RSA-4096", "2041-05-01", Some("root"));
    estate.signed_with("below", "RSA-PKCS1-1.5-SHA-1");
    let assessment = assessed(&estate, "");
    assert_eq!(assessment.ratings[&estate.id("root")].threat, Threat::ForgeLater);
    assert_eq!(assessment.ratings[&estate.id("below")].threat, Threat::WeakToday);
}

#[test]
fn every_score_is_the_sum_of_what_it_shows() {
    let assessment = assessed(
        &Estate::small(),
        r#"regimes = ["bsi-tr-02102-1", "nist-ir-8547"]"#,
    );
    for (id, rating) in &assessment.ratings {
        let sum: u32 = rating.score.parts.iter().map(|part| u32::from(part.points)).sum();
        assert_eq!(sum, u32::from(rating.score.total), "{id}");
        assert!(
            rating
                .score
                .parts
                .iter()
                .all(|part| part.points <= part.of && !part.because.is_empty()),
            "{id}"
        );
    }
}

#[test]
fn every_asset_is_rated_or_stood_for_by_one_that_is() {
    let estate = Estate::small();
    let inventory = estate.inventory();
    let assessment = assess(&inventory, &Profile::default(), &catalogue(), today());
    for asset in inventory.assets() {
        let mut id = asset.id().clone();
        for _ in 0..10 {
            match assessment.unrated.get(&id) {
                Some(Unrated::StoodFor { by }) => id = by.clone(),
                Some(Unrated::NoCryptography) => {
                    assert!(
                        matches!(asset.detail, Detail::Library(_) | Detail::Material(_)),
                        "{}",
                        asset.id()
                    );
                    break;
                }
                None => {
                    assert!(
                        assessment.ratings.contains_key(&id),
                        "{} is lost at {id}",
                        asset.id()
                    );
                    break;
                }
            }
        }
    }
}

#[test]
fn a_profile_that_cannot_be_is_refused_with_what_to_do() {
    let refused = |text: &str| Profile::from_toml(text, &catalogue()).unwrap_err().to_string();
    assert!(refused("regimes = [\"bsi\"]").contains("bsi-tr-02102-1"));
    assert!(refused("plan_by = \"soon\"").contains("early, middle, late"));
    assert!(refused("regime = []").contains("regime"));
    assert!(refused("[[assets]]\nwhere = \"colour=red\"").contains("assets[0].where"));
    assert!(
        refused("[[assets]]\nwhere = \"\"\ncategories = { \"cnsa-2.0\" = \"toaster\" }").contains("legacy")
    );
    assert!(refused("[defaults]\nconfidentiality_years = 101").contains("100"));
    let accept =
        "[[assets]]\nwhere = \"\"\ndecision = { outcome = \"accept\", reason = \"x\", approved_by = \"y\" }";
    assert!(refused(accept).contains("until"));
}

#[test]
fn facts_can_be_replaced_one_by_one() {
    let own =
        Catalogue::from_toml("efforts = [{ id = \"change-code\", months = 1, why = \"we are quick\" }]")
            .unwrap();
    let all = catalogue().with(own);
    assert_eq!(all.efforts.len(), catalogue().efforts.len());
    assert_eq!(
        all.efforts
            .iter()
            .find(|effort| effort.id == "change-code")
            .unwrap()
            .months,
        1
    );
    let twice =
        "factors = [{ id = \"a\", percent = 100, says = \"\" }, { id = \"a\", percent = 100, says = \"\" }]";
    assert!(
        Catalogue::from_toml(twice)
            .unwrap_err()
            .to_string()
            .contains("two of this id")
    );
}

#[test]
fn an_acceptance_ends_on_its_day() {
    let mut estate = Estate::default();
    estate.service("old", &["x25519"]);
    let text = |until: &str| {
        format!(
            "[[assets]]\nwhere = \"name=old\"\ndecision = {{ outcome = \"accept\", reason = \"r\", approved_by = \"b\", until = \"{until}\" }}"
        )
    };
    let held = assessed(&estate, &text("2026-11-22"));
    assert!(
        held.ratings[&estate.id("old")].decision.is_some(),
        "its last day is within"
    );
    let over = assessed(&estate, &text("2026-11-21"));
    assert!(over.ratings[&estate.id("old")].decision.is_none());
}

#[test]
fn overdue_is_the_day_after() {
    let mut estate = Estate::default();
    estate.service("old", &["x25519"]);
    let profile = profile(r#"regimes = ["au-ism"]"#);
    let finding = |day: &str| {
        let assessment = assess(&estate.inventory(), &profile, &catalogue(), day.parse().unwrap());
        assessment.ratings[&estate.id("old")].verdicts[0].finding
    };
    assert_eq!(finding("2030-12-31"), Finding::Due);
    assert_eq!(finding("2031-01-01"), Finding::Overdue);
}

const NAMES: [&str; 12] = [
    "RSA-2048",
    "RSA-1024",
    "ECDSA-P-256-SHA-256",
    "x25519",
    "X25519MLKEM768",
    "ML-DSA-65",
    "ML-KEM-768",
    "AES-128-GCM",
    "MD5",
    "SHA-256",
    "RSA-PKCS1-1.5-SHA-1",
    "nobody-knows",
];

fn single(name: &str) -> Inventory {
    let mut inventory = Inventory::new();
    inventory.insert(Asset::algorithm(Algorithm::named(name)).seen(Occurrence::at("a.rs").line(1)));
    inventory
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// What is unknown never scores better than anything that is known, all else being equal.
    #[test]
    fn unknown_is_never_better(name in prop::sample::select(&NAMES[..]), regimes in prop::bool::ANY) {
        let text = if regimes { "regimes = [\"au-ism\", \"nist-ir-8547\"]" } else { "" };
        let profile = profile(text);
        let rated = |name: &str| {
            let assessment = assess(&single(name), &profile, &catalogue(), today());
            assessment.ratings.into_values().next().unwrap()
        };
        let (unknown, known) = (rated("what-is-this"), rated(name));
        prop_assert!(unknown.score.total >= known.score.total || known.threat == Threat::WeakToday);
        prop_assert!(unknown.threat.is_open());
        prop_assert!(unknown.verdicts.iter().map(|v| v.until).min() <= known.verdicts.iter().filter(|v| v.until.is_some()).map(|v| v.until).min() || known.verdicts.is_empty());
        prop_assert!(unknown.uses.iter().any(|used| used.purpose == Purpose::KeyEstablishment));
    }

    /// To know more makes nothing look better, nor go away.
    #[test]
    fn more_knowledge_hides_nothing(first in prop::collection::vec(prop::sample::select(&NAMES[..]), 1..5), more in prop::collection::vec(prop::sample::select(&NAMES[..]), 0..5)) {
        // Where nothing tells how keys are agreed on, that is unknown, and knowing it rightly ends that.
        let first: Vec<&str> = std::iter::once("X25519MLKEM768").chain(first).collect();
        let mut estate = Estate::default();
        estate.service("service", &first);
        let before = assessed(&estate, "");
        estate.service("other", &more);
        let all: Vec<&str> = first.iter().chain(&more).copied().collect();
        let mut wider = Estate::default();
        wider.service("service", &all);
        let beside = assessed(&estate, "");
        let within = assessed(&wider, "");
        let id = estate.id("service");
        prop_assert_eq!(&before.ratings[&id], &beside.ratings[&id], "another service changes nothing");
        prop_assert!(within.ratings[&id].threats.is_superset(&before.ratings[&id].threats));
        if before.ratings[&id].is_open() {
            prop_assert!(within.ratings[&id].is_open());
            prop_assert!(within.ratings[&id].score.total >= before.ratings[&id].score.total);
        }
    }
}
