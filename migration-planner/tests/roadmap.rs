//! Roadmaps: what must move first does, nothing that is open is left out, and only what was observed is done.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, outside any test function"
)]

mod estate;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use symbolon_migration_planner::inventory::{Reason, Role};
use symbolon_migration_planner::risk::{Assessment, Catalogue, Day, Profile, assess};
use symbolon_migration_planner::roadmap::{
    Action, ItemState, Outcome, Roadmap, RoadmapError, Status, Step, StepId, StepState, plan, status,
};

use self::estate::Estate;

fn catalogue() -> Catalogue {
    Catalogue::builtin().unwrap()
}

fn today() -> Day {
    "2026-11-22".parse().unwrap()
}

fn assessed(estate: &Estate, profile: &str) -> Assessment {
    let profile = Profile::from_toml(profile, &catalogue()).unwrap();
    assess(&estate.inventory(), &profile, &catalogue(), today())
}

fn planned(estate: &Estate, text: &str) -> Roadmap {
    let profile = Profile::from_toml(text, &catalogue()).unwrap();
    plan(
        &estate.inventory(),
        &assessed(estate, text),
        &profile,
        &catalogue(),
    )
}

fn stands(roadmap: &Roadmap, estate: &Estate, before: Option<&Status>) -> Status {
    status(
        roadmap,
        &estate.inventory(),
        &assessed(estate, ""),
        &catalogue(),
        before,
    )
}

fn only(roadmap: &Roadmap, action: Action) -> &Step {
    let mut steps = roadmap.steps.iter().filter(|step| step.action == action);
    let step = steps
        .next()
        .unwrap_or_else(|| panic!("there is no step to {}", action.name()));
    assert!(
        steps.next().is_none(),
        "there are several steps to {}",
        action.name()
    );
    step
}

fn state(status: &Status, id: &StepId) -> StepState {
    status.steps.iter().find(|step| step.id == *id).unwrap().state
}

/// Two tiers, a verifier, two leaves.
fn pki() -> Estate {
    pki_with(&[("web", CLASSICAL), ("mail", CLASSICAL)])
}

const CLASSICAL: &str = "ECDSA-P-256";
const COMPOSITE: &str = "MLDSA65-ECDSA-P256-SHA512";

/// The same with other leaves; a composite one is signed by itself, as no issuer has moved.
fn pki_with(leaves: &[(&str, &str)]) -> Estate {
    let mut estate = Estate::default();
    estate.authority("root", "RSA-4096", "2041-05-01", None);
    estate.authority("issuing", "ECDSA-P-384", "2034-05-01", Some("root"));
    for (name, key) in leaves {
        let issuer = (*key != COMPOSITE).then_some("issuing");
        estate.certificate_at(name, key, "2027-02-01", &format!("/etc/{name}.pem"), issuer);
    }
    estate.trust_store("store", "/etc/store.jks", &["root"]);
    estate.targets(&["/etc"]);
    estate
}

#[test]
fn the_root_moves_before_its_verifiers_and_these_before_the_leaves() {
    let roadmap = planned(&pki(), "");
    let step = |title: &str| {
        roadmap
            .steps
            .iter()
            .find(|step| step.title.contains(title))
            .unwrap()
    };
    let order = [
        step("successor of the authority CN=root"),
        step("Give the successor of CN=root"),
        step("successor of the authority CN=issuing"),
        step("certificates of CN=issuing again"),
        step("forget the old CN=root"),
    ];
    for pair in order.windows(2) {
        assert!(
            pair[0].wave < pair[1].wave,
            "{} before {}",
            pair[0].title,
            pair[1].title
        );
        assert!(pair[0].finish <= pair[1].start);
        assert!(
            pair[1].needs.iter().any(|need| need.step == pair[0].id),
            "{}",
            pair[1].title
        );
    }
    assert_eq!(order[3].items.len(), 2);
    assert_eq!(
        order[3].target.as_ref().unwrap().algorithm,
        "MLDSA65-ECDSA-P256-SHA512"
    );
    assert!(
        order[3]
            .commands
            .iter()
            .any(|command| command.starts_with("symbolon svid fetch"))
    );
}

#[test]
fn authorities_that_certify_each_other_move_together() {
    let mut estate = Estate::default();
    estate.authority("a", "RSA-4096", "2041-05-01", None);
    estate.authority("b", "RSA-4096", "2041-05-01", Some("a"));
    estate.connect("a", Role::IssuedBy, "b");
    estate.certificate_at("leaf", "ECDSA-P-256", "2027-02-01", "/etc/leaf.pem", Some("b"));
    estate.certificate_at("other", "ECDSA-P-256", "2027-02-01", "/etc/other.pem", Some("a"));
    let roadmap = planned(&estate, "");
    let pair: Vec<&Step> = roadmap
        .steps
        .iter()
        .filter(|step| step.action == Action::ReplaceIssuer)
        .collect();
    assert_eq!(pair.len(), 2);
    assert_eq!((pair[0].wave, pair[0].start), (pair[1].wave, pair[1].start));
    assert_eq!(pair[0].together_with, [pair[1].id.clone()]);
}

#[test]
fn strangers_in_a_store_are_not_ours_to_replace() {
    let mut estate = Estate::default();
    for name in ["one", "two", "three"] {
        estate.authority(name, "RSA-4096", "2041-05-01", None);
    }
    let roadmap = planned(&estate, "");
    let step = only(&roadmap, Action::RetireTrust);
    assert_eq!((roadmap.steps.len(), step.items.len()), (1, 3));
    assert!(step.title.contains("3 authorities"), "{}", step.title);
}

#[test]
fn a_library_comes_before_what_calls_it() {
    let roadmap = planned(&Estate::small(), "");
    let library = only(&roadmap, Action::UpgradeLibrary);
    let code = roadmap
        .steps
        .iter()
        .find(|step| step.title.starts_with("Replace RSA-OAEP-SHA-256"))
        .unwrap();
    assert!(code.needs.iter().any(|need| need.step == library.id));
    assert!(library.title.contains("1.79"), "{}", library.title);
}

#[test]
fn the_old_way_is_closed_when_every_end_can_go_the_new_one() {
    let roadmap = planned(&Estate::small(), "");
    let enable: Vec<&Step> = roadmap
        .steps
        .iter()
        .filter(|step| step.action == Action::EnablePostQuantum)
        .collect();
    let refuse: Vec<&Step> = roadmap
        .steps
        .iter()
        .filter(|step| step.action == Action::RefuseClassical)
        .collect();
    assert!(
        !enable.is_empty() && refuse.len() > enable.len(),
        "one service offers both ways already"
    );
    for step in refuse {
        for other in &enable {
            assert!(
                step.needs.iter().any(|need| need.step == other.id),
                "{}",
                step.title
            );
        }
    }
}

#[test]
fn policy_and_regimes_choose_the_target() {
    let algorithm = |profile: &str| {
        let roadmap = planned(&pki(), profile);
        let step = only(&roadmap, Action::ReissueCertificates).clone();
        step.target.unwrap().algorithm
    };
    assert_eq!(algorithm("target = { construction = \"pure\" }"), "ML-DSA-65");
    assert_eq!(algorithm("regimes = [\"cnsa-2.0\"]"), "MLDSA87-ECDSA-P384-SHA512");
    assert_eq!(
        algorithm("target = { construction = \"pure\", level = 5 }"),
        "ML-DSA-87"
    );
}

#[test]
fn what_has_no_standard_to_move_to_is_not_promised_to_move() {
    let mut estate = Estate::default();
    estate.ssh_key("key", "Ed25519", "/home/me/.ssh/id_ed25519");
    let roadmap = planned(&estate, "");
    let step = only(&roadmap, Action::ReplaceKeys);
    assert!(
        matches!(step.outcome, Outcome::AcceptUntil { day: Some(_) }),
        "{:?}",
        step.outcome
    );
    assert!(step.target.is_none() && !step.blockers.is_empty());
}

#[test]
fn a_decision_is_a_step_of_its_own_with_who_decided() {
    let profile = "[[assets]]\nwhere = \"name=CN=mail\"\ndecision = { outcome = \"phase-out\", reason = \"moves to a provider\", approved_by = \"CIO\" }";
    let roadmap = planned(&pki(), profile);
    let decided = roadmap.steps.iter().find(|step| step.decided.is_some()).unwrap();
    assert_eq!(decided.outcome, Outcome::PhaseOut);
    assert_eq!(decided.decided.as_deref(), Some("moves to a provider (CIO)"));
    assert_eq!(decided.items.len(), 1);
}

#[test]
fn a_scenario_changes_what_is_late_and_not_what_is_there() {
    let roadmap = planned(&Estate::small(), "");
    let late: Vec<usize> = roadmap.what_if.iter().map(|what| what.late_assets).collect();
    assert_eq!(roadmap.what_if.len(), 3);
    assert!(
        late.is_sorted_by(|a, b| a >= b),
        "an earlier computer makes more late: {late:?}"
    );
    assert!(late[0] > late[2]);
    let concerned: BTreeSet<usize> = roadmap.what_if.iter().map(|what| what.concerned_assets).collect();
    assert_eq!(concerned.len(), 1);
}

#[test]
fn ids_stay_when_the_estate_grows() {
    let before = planned(&pki(), "");
    let mut grown = pki();
    grown.certificate_at(
        "new",
        "ECDSA-P-256",
        "2027-02-01",
        "/etc/new.pem",
        Some("issuing"),
    );
    grown.call("MD5", "/srv/a.c", 3, "MD5_Init");
    let after = planned(&grown, "regimes = [\"nist-ir-8547\"]");
    let ids = |roadmap: &Roadmap| {
        roadmap
            .steps
            .iter()
            .map(|step| step.id.clone())
            .collect::<BTreeSet<_>>()
    };
    assert!(ids(&after).is_superset(&ids(&before)));
    assert_eq!(ids(&after).len(), ids(&before).len() + 1);
}

#[test]
fn a_roadmap_is_read_back_as_it_was_written() {
    let roadmap = planned(
        &Estate::small(),
        "regimes = [\"bsi-tr-02102-1\", \"eu-pqc-roadmap\"]",
    );
    let bytes = serde_json::to_vec_pretty(&roadmap).unwrap();
    assert_eq!(Roadmap::from_json(&bytes).unwrap(), roadmap);
    let other = String::from_utf8(bytes)
        .unwrap()
        .replace("symbolon-roadmap/1", "symbolon-roadmap/9");
    assert!(matches!(
        Roadmap::from_json(other.as_bytes()),
        Err(RoadmapError::Format(_))
    ));
    assert!(matches!(Roadmap::from_json(b"{}"), Err(RoadmapError::Json(_))));
}

#[test]
fn nothing_done_is_open() {
    let roadmap = planned(&Estate::small(), "");
    let status = stands(&roadmap, &Estate::small(), None);
    assert_eq!(status.items.open, status.items.all());
    assert!(
        status
            .steps
            .iter()
            .all(|step| matches!(step.state, StepState::Open | StepState::Accepted))
    );
    assert!(status.regressed.is_empty() && status.unplanned.is_empty());
}

#[test]
fn a_thing_has_moved_when_it_was_seen_to_have_moved() {
    let roadmap = planned(&pki(), "");
    let leaves = &only(&roadmap, Action::ReissueCertificates).id;

    // One of two leaves has a successor in its place.
    let half = pki_with(&[("web", COMPOSITE), ("mail", CLASSICAL)]);
    let status = stands(&roadmap, &half, None);
    assert_eq!(state(&status, leaves), StepState::InProgress);
    assert_eq!(status.items.moved, 1);

    // A renewal with a classical key is no migration.
    let renewed = pki_with(&[("web", "ECDSA-P-384"), ("mail", CLASSICAL)]);
    assert_eq!(state(&stands(&roadmap, &renewed, None), leaves), StepState::Open);
}

#[test]
fn gone_is_not_moved_and_unseen_is_not_gone() {
    let roadmap = planned(&pki(), "");
    let leaves = &only(&roadmap, Action::ReissueCertificates).id;
    let without = pki_with(&[]);
    assert_eq!(state(&stands(&roadmap, &without, None), leaves), StepState::Gone);

    let mut elsewhere = without.clone();
    elsewhere.targets(&["/srv"]);
    assert_eq!(
        state(&stands(&roadmap, &elsewhere, None), leaves),
        StepState::NotObserved
    );

    let mut unreadable = without;
    unreadable.unread("/etc/web.pem", Reason::PermissionDenied, "may not be read");
    unreadable.unread("/etc", Reason::Io, "the directory could not be listed");
    assert_eq!(
        state(&stands(&roadmap, &unreadable, None), leaves),
        StepState::NotObserved
    );
}

#[test]
fn an_endpoint_that_does_not_answer_is_not_done() {
    let mut estate = Estate::default();
    estate.service("shop", &["x25519"]);
    estate.targets(&["tls://shop"]);
    let roadmap = planned(&estate, "");
    let mut silent = Estate::default();
    silent.targets(&["tls://shop"]);
    silent.unread("tls://shop", Reason::Unreachable, "nobody answered");
    let status = stands(&roadmap, &silent, None);
    assert!(
        status
            .steps
            .iter()
            .all(|step| step.state == StepState::NotObserved)
    );
}

#[test]
fn a_hybrid_beside_the_classical_is_half_of_the_way() {
    let mut estate = Estate::default();
    estate.service("shop", &["x25519"]);
    let roadmap = planned(&estate, "");
    let mut both = Estate::default();
    both.service("shop", &["X25519MLKEM768", "x25519"]);
    let status = stands(&roadmap, &both, None);
    assert_eq!(
        state(&status, &only(&roadmap, Action::EnablePostQuantum).id),
        StepState::Done
    );
    assert_eq!(
        state(&status, &only(&roadmap, Action::RefuseClassical).id),
        StepState::Open
    );
    let mut alone = Estate::default();
    alone.service("shop", &["X25519MLKEM768"]);
    let status = stands(&roadmap, &alone, None);
    assert!(status.steps.iter().all(|step| step.state == StepState::Done));
}

#[test]
fn what_was_done_and_is_no_longer_has_regressed() {
    let roadmap = planned(&pki(), "");
    let leaves = &only(&roadmap, Action::ReissueCertificates).id;
    let moved = pki_with(&[("web", COMPOSITE), ("mail", CLASSICAL)]);
    let first = stands(&roadmap, &moved, None);
    let second = stands(&roadmap, &pki(), Some(&first));
    assert_eq!(state(&second, leaves), StepState::Regressed);
    let third = stands(&roadmap, &pki(), Some(&second));
    assert_eq!(
        state(&third, leaves),
        StepState::Regressed,
        "it stays so until it is done again"
    );
}

#[test]
fn what_was_protected_when_the_roadmap_was_made_is_watched() {
    let mut estate = pki();
    estate.service("shop", &["X25519MLKEM768"]);
    let roadmap = planned(&estate, "");
    let mut worse = pki();
    worse.service("shop", &["x25519"]);
    let status = stands(&roadmap, &worse, None);
    assert_eq!(status.regressed.len(), 1);
    assert!(
        !status.unplanned.is_empty(),
        "and there is work that nobody planned"
    );
}

#[test]
fn what_appeared_since_keeps_a_step_open() {
    let roadmap = planned(&pki(), "");
    let leaves = &only(&roadmap, Action::ReissueCertificates).id;
    let estate = pki_with(&[("web", COMPOSITE), ("mail", COMPOSITE), ("late", CLASSICAL)]);
    let status = stands(&roadmap, &estate, None);
    assert_eq!(state(&status, leaves), StepState::InProgress);
    assert_eq!(status.unplanned.len(), 1);
}

/// Every step after all that it needs, in waves and in time.
fn in_order(roadmap: &Roadmap) {
    let steps: BTreeMap<&StepId, &Step> = roadmap.steps.iter().map(|step| (&step.id, step)).collect();
    assert_eq!(steps.len(), roadmap.steps.len(), "ids are unique");
    for step in &roadmap.steps {
        assert!(step.wave >= 1 && step.start >= today() && step.finish >= step.start);
        for need in &step.needs {
            let before = steps[&need.step];
            let together = step.together_with.contains(&need.step);
            assert!(
                together || before.wave < step.wave,
                "{} needs {}",
                step.title,
                before.title
            );
            assert!(
                together || before.finish <= step.start,
                "{} needs {}",
                step.title,
                before.title
            );
            if let (Some(first), Some(then)) = (before.latest_start, step.latest_start) {
                assert!(
                    together || first <= then,
                    "{} must start before {}",
                    before.title,
                    step.title
                );
            }
        }
    }
}

#[test]
fn nothing_that_is_open_is_without_a_step() {
    for profile in ["", "regimes = [\"cnsa-2.0\", \"au-ism\", \"bsi-tr-02102-1\"]"] {
        let estate = Estate::small();
        let assessment = assessed(&estate, profile);
        let roadmap = planned(&estate, profile);
        in_order(&roadmap);
        let in_steps: BTreeSet<&str> = roadmap
            .steps
            .iter()
            .flat_map(|step| &step.items)
            .map(|item| item.asset.as_str())
            .collect();
        for (id, rating) in &assessment.ratings {
            assert!(
                !rating.is_open() || in_steps.contains(id.as_str()),
                "{id} is open and in no step"
            );
        }
    }
}

const KEYS: [&str; 4] = [
    "RSA-2048",
    "ECDSA-P-256",
    "ML-DSA-65",
    "MLDSA65-ECDSA-P256-SHA512",
];
const GROUPS: [&str; 4] = ["x25519", "X25519MLKEM768", "ECDHE-P-256", "strange-group"];

prop_compose! {
    fn estates()(
        authorities in prop::collection::vec((0_usize..4, 0_usize..6), 1..6),
        crossed in prop::collection::vec((0_usize..6, 0_usize..6), 0..4),
        leaves in prop::collection::vec((0_usize..4, 0_usize..6, 2027_u16..2060), 0..8),
        services in prop::collection::vec(prop::collection::vec(0_usize..4, 1..3), 0..5),
        trusted in prop::collection::vec(0_usize..6, 0..3),
    ) -> Estate {
        let mut estate = Estate::default();
        let name = |index: usize| format!("authority {}", index % authorities.len());
        for (index, (key, parent)) in authorities.iter().enumerate() {
            let parent = (index > 0 && parent % authorities.len() < index).then(|| name(*parent));
            estate.authority(&name(index), KEYS[*key], "2040-01-01", parent.as_deref());
        }
        for (from, to) in crossed {
            estate.connect(&name(from), Role::IssuedBy, &name(to));
        }
        for (index, (key, issuer, year)) in leaves.iter().enumerate() {
            let place = format!("/etc/leaf{index}.pem");
            estate.certificate_at(&format!("leaf {index}"), KEYS[*key], &format!("{year}-01-01"), &place, Some(&name(*issuer)));
        }
        for (index, groups) in services.iter().enumerate() {
            let groups: Vec<&str> = groups.iter().map(|group| GROUPS[*group]).collect();
            estate.service(&format!("service {index}"), &groups);
        }
        let trusted: Vec<String> = trusted.into_iter().map(name).collect();
        let trusted: Vec<&str> = trusted.iter().map(String::as_str).collect();
        estate.trust_store("store", "/etc/store.jks", &trusted);
        estate
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_estate_has_an_order(estate in estates(), regime in prop::bool::ANY) {
        let profile = if regime { "regimes = [\"nist-ir-8547\", \"cnsa-2.0\"]" } else { "" };
        let roadmap = planned(&estate, profile);
        in_order(&roadmap);
        prop_assert_eq!(&roadmap, &planned(&estate, profile), "the same findings make the same roadmap");
        let assessment = assessed(&estate, profile);
        let in_steps: BTreeSet<&str> = roadmap.steps.iter().flat_map(|step| &step.items).map(|item| item.asset.as_str()).collect();
        for (id, rating) in &assessment.ratings {
            prop_assert!(!rating.is_open() || in_steps.contains(id.as_str()), "{} is open and in no step", id);
        }
    }

    #[test]
    fn an_estate_that_did_not_change_did_not_move(estate in estates()) {
        let roadmap = planned(&estate, "");
        let status = stands(&roadmap, &estate, None);
        prop_assert_eq!(status.items.moved + status.items.gone + status.items.not_observed + status.items.regressed, 0);
        prop_assert!(status.unplanned.is_empty() && status.regressed.is_empty());
    }

    #[test]
    fn what_nobody_looked_at_is_not_done(estate in estates()) {
        let roadmap = planned(&estate, "");
        let status = stands(&roadmap, &Estate::default(), None);
        prop_assert_eq!(status.items.moved + status.items.gone, 0);
        prop_assert_eq!(status.items.not_observed, status.items.all());
    }
}

#[test]
fn status_is_written_and_read() {
    let roadmap = planned(&Estate::small(), "");
    let status = stands(&roadmap, &Estate::small(), None);
    let bytes = serde_json::to_vec(&status).unwrap();
    assert_eq!(serde_json::from_slice::<Status>(&bytes).unwrap(), status);
    assert!(
        status
            .steps
            .iter()
            .flat_map(|step| &step.details)
            .all(|item| item.state == ItemState::Open)
    );
}
