//! What a reader leans on: what nobody stated is not safe, mistakes in profile and facts are told, a target is one that
//! the regimes take, decisions keep their own days, and only what took an item's place counts as its successor.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, outside any test function"
)]

mod estate;

use symbolon_migration_planner::inventory::Protection;
use symbolon_migration_planner::report::{self, FailOn, Limits, Report};
use symbolon_migration_planner::risk::{
    Assessment, Catalogue, Day, MAX_YEARS, Posture, Profile, Purpose, Threat, assess,
};
use symbolon_migration_planner::roadmap::{Action, ItemState, Outcome, Roadmap, Status, Step, plan, status};

use self::estate::Estate;

fn catalogue() -> Catalogue {
    Catalogue::builtin().unwrap()
}

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

fn assessed(estate: &Estate, profile: &str) -> Assessment {
    let profile = Profile::from_toml(profile, &catalogue()).unwrap();
    assess(&estate.inventory(), &profile, &catalogue(), day("2026-11-22"))
}

fn planned_with(estate: &Estate, text: &str, catalogue: &Catalogue) -> Roadmap {
    let profile = Profile::from_toml(text, catalogue).unwrap();
    let assessment = assess(&estate.inventory(), &profile, catalogue, day("2026-11-22"));
    plan(&estate.inventory(), &assessment, &profile, catalogue)
}

fn planned(estate: &Estate, text: &str) -> Roadmap {
    planned_with(estate, text, &catalogue())
}

fn stands(roadmap: &Roadmap, estate: &Estate) -> Status {
    let assessment = assessed(estate, "");
    status(roadmap, &estate.inventory(), &assessment, &catalogue(), None)
}

fn step(roadmap: &Roadmap, action: Action) -> &Step {
    let mut steps = roadmap.steps.iter();
    steps.find(|step| step.action == action).unwrap()
}

#[test]
fn what_a_configuration_leaves_to_the_program_is_unknown() {
    for protocol in ["tls", "ssh", "ike", "dtls", "quic"] {
        let mut estate = Estate::default();
        estate.terse_service("ciphers", protocol, &["AES-256-GCM"]);
        estate.terse_service("nothing", protocol, &[]);
        let assessment = assessed(&estate, "");
        for name in ["ciphers", "nothing"] {
            let rating = &assessment.ratings[&estate.id(name)];
            assert_eq!(rating.threat, Threat::Unknown, "{protocol} {name}");
            assert_eq!(rating.posture, Posture::Unknown);
            let falls = rating
                .uses
                .iter()
                .any(|used| used.purpose == Purpose::KeyEstablishment);
            assert!(falls && !rating.mosca.is_empty());
        }
        let roadmap = planned(&estate, "");
        let title = &step(&roadmap, Action::Identify).title;
        assert!(title.contains("key agreement of"), "{title}");
    }
}

#[test]
fn an_unknown_signature_is_not_protected_by_refusing_classical_peers() {
    let mut estate = Estate::default();
    estate.service("half", &["X25519MLKEM768", "ECDSA-P-256-SHA-256"]);
    estate.fact("half", "classical-fallback", "refused");
    assert_eq!(
        assessed(&estate, "").ratings[&estate.id("half")].posture,
        Posture::Protected
    );
    estate.imported_signature("half protocol", "somebodys-own");
    let assessment = assessed(&estate, "");
    let rating = &assessment.ratings[&estate.id("half")];
    assert_ne!(rating.posture, Posture::Protected);
    assert_eq!(rating.threat, Threat::Unknown);
}

#[test]
fn a_certificate_without_an_end_makes_days_that_can_be_read() {
    let mut estate = Estate::default();
    estate.certificate("device", "ECDSA-P-256", "9999-12-31");
    let rating = &assessed(&estate, "").ratings[&estate.id("device")];
    assert_eq!(rating.signatures.as_ref().unwrap().months, MAX_YEARS * 12);
    let roadmap = planned(&estate, "");
    let read = Roadmap::from_json(&serde_json::to_vec(&roadmap).unwrap()).unwrap();
    assert_eq!(read, roadmap);
    assert!(
        read.steps
            .iter()
            .all(|step| step.due.unwrap() > day("1900-01-01"))
    );
}

#[test]
fn the_weak_lock_of_a_private_key_is_seen_although_a_certificate_stands_for_the_key() {
    let mut estate = Estate::default();
    estate.certificate("web", "ML-DSA-65", "2027-01-01");
    estate.hold("web", "/etc/web.key", Protection::None);
    assert!(
        !assessed(&estate, "")
            .ratings
            .contains_key(&estate.id("web private key"))
    );
    estate.locked_with("web private key", "DES-CBC");
    let rating = &assessed(&estate, "").ratings[&estate.id("web private key")];
    assert_eq!(rating.threat, Threat::WeakToday);
}

#[test]
fn facts_of_ones_own_come_before_those_of_the_crate() {
    let mut estate = Estate::default();
    estate.service("web", &["x25519"]);
    let own = r#"
[[targets]]
id = "house-rule"
purpose = "key-establishment"
construction = "hybrid"
level = 3
medium = "tls"
algorithm = "SecP256r1MLKEM768"
source = { title = "house rule", url = "https://example.org/" }
verified_on = "2026-11-22"
confidence = "primary"
"#;
    let catalogue = catalogue().with(Catalogue::from_toml(own).unwrap());
    let roadmap = planned_with(&estate, "", &catalogue);
    let target = step(&roadmap, Action::EnablePostQuantum).target.as_ref().unwrap();
    assert_eq!(target.algorithm, "SecP256r1MLKEM768");
}

#[test]
fn facts_that_could_change_nothing_are_refused() {
    let refused = |text: &str| Catalogue::from_toml(text).unwrap_err().to_string();
    let told = refused("efforts = [{ id = \"replace-issuers\", months = 1, why = \"\" }]");
    assert!(told.contains("replace-issuer,"), "{told}");
    let told = refused("factors = [{ id = \"slow\", percent = 100, says = \"\" }]");
    assert!(told.contains("no-owner"), "{told}");
    let source = "source = { title = \"t\", url = \"https://example.org/\" }\nverified_on = \"2026-11-22\"\nconfidence = \"primary\"";
    let target = |medium: &str, level: u8| {
        format!(
            "[[targets]]\nid = \"t\"\npurpose = \"signature\"\nconstruction = \"pure\"\nlevel = {level}\nmedium = \"{medium}\"\nalgorithm = \"ML-DSA-65\"\n{source}"
        )
    };
    assert!(refused(&target("tsl", 3)).contains("ssh-keys"));
    assert!(refused(&target("tls", 6)).contains("1 to 5"));
    assert!(
        refused(&format!("[[weaknesses]]\nid = \"w\"\nsays = \"s\"\n{source}")).contains("about nothing")
    );
    let suites = format!("[[weaknesses]]\nid = \"w\"\nsays = \"s\"\nsuites = [\"ADH-*\"]\n{source}");
    assert!(refused(&suites).contains("begin with TLS_"));
    assert!(
        refused(&format!("[[libraries]]\nid = \"l\"\npackages = []\n{source}")).contains("about nothing")
    );
}

#[test]
fn every_factor_of_effort_is_one_that_applies_somewhere() {
    let mut estate = Estate::default();
    estate.call("RSA-OAEP-SHA-256", "/srv/a.java", 1, "Cipher.getInstance");
    let ready = assessed(&estate, "").ratings[&estate.id("RSA-OAEP-SHA-256")]
        .effort
        .clone();
    assert!(
        !ready
            .factors
            .iter()
            .any(|factor| &**factor == "library-not-ready")
    );
    estate.fact("RSA-OAEP-SHA-256", "library", "a library that nobody verified");
    let slow = assessed(&estate, "").ratings[&estate.id("RSA-OAEP-SHA-256")]
        .effort
        .clone();
    assert!(slow.factors.iter().any(|factor| &**factor == "library-not-ready"));
    assert!(slow.months > ready.months);
}

#[test]
fn mistakes_in_a_profile_are_told() {
    let refused = |text: &str| Profile::from_toml(text, &catalogue()).unwrap_err().to_string();
    assert!(refused("regimes = [\"cnsa-2.0\", \"cnsa-2.0\"]").contains("twice"));
    assert!(refused("[[assets]]\nowner = \"everybody\"").contains("where"));
    assert!(refused("[[assets]]\nwhere = \"\"\nexposure = \"intrenal\"").contains("internal, internet"));
    assert!(refused("[defaults]\nlong_signature_months = 100000").contains("1200"));
    let scenario = "[[scenarios]]\nid = \"own\"\nname = \"n\"\narrives = \"2033-01-01\"\nwhy = \"w\"\nsource = { title = \"t\", url = \"https://example.org/\" }\nverified_on = \"2026-11-22\"\nconfidence = \"primary\"\n";
    assert!(Profile::from_toml(scenario, &catalogue()).is_ok());
    assert!(refused(&format!("{scenario}{scenario}")).contains("id of its own"));
}

#[test]
fn a_target_is_one_that_the_regimes_take() {
    let mut estate = Estate::default();
    estate.service("web", &["x25519"]);
    estate.call("AES-128-GCM", "/srv/a.java", 1, "Cipher.getInstance");
    estate.call("SHA-256", "/srv/b.java", 1, "MessageDigest.getInstance");
    let pure = "regimes = [\"bsi-tr-02102-1\"]\n[target]\nconstruction = \"pure\"\nlevel = 5";
    let roadmap = planned(&estate, pure);
    let target = step(&roadmap, Action::EnablePostQuantum).target.clone().unwrap();
    assert_eq!(target.algorithm, "SecP384r1MLKEM1024", "{}", target.because);
    let roadmap = planned(&estate, "regimes = [\"cnsa-2.0\"]");
    let raised = roadmap
        .steps
        .iter()
        .filter(|step| step.action == Action::RaiseStrength);
    let mut targets: Vec<String> = raised
        .map(|step| step.target.as_ref().unwrap().algorithm.clone())
        .collect();
    targets.sort();
    assert_eq!(targets, ["AES-256-GCM", "SHA-512"]);
}

#[test]
fn acceptances_that_differ_keep_the_first_day_and_every_name() {
    let mut estate = Estate::default();
    estate.service("one", &["x25519"]);
    estate.service("two", &["x25519"]);
    let rule = |name: &str, until: &str, who: &str| {
        format!(
            "[[assets]]\nwhere = \"name={name}\"\ndecision = {{ outcome = \"accept\", reason = \"r\", approved_by = \"{who}\", until = \"{until}\" }}\n"
        )
    };
    let text = rule("one", "2031-01-01", "Ann") + &rule("two", "2028-01-01", "Bob");
    let roadmap = planned(&estate, &text);
    let step = step(&roadmap, Action::EnablePostQuantum);
    assert_eq!(
        step.outcome,
        Outcome::AcceptUntil {
            day: Some(day("2028-01-01"))
        }
    );
    let decided = step.decided.as_ref().unwrap();
    assert!(
        decided.contains("Ann, until 2031-01-01") && decided.contains("Bob, until 2028-01-01"),
        "{decided}"
    );
}

#[test]
fn what_needs_something_that_stays_says_so() {
    let mut estate = Estate::default();
    estate.authority("root", "RSA-4096", "2041-05-01", None);
    estate.certificate_at("web", "ECDSA-P-256", "2027-02-01", "/etc/web.pem", Some("root"));
    let text = "[[assets]]\nwhere = \"name=CN=root\"\ndecision = { outcome = \"accept\", reason = \"r\", approved_by = \"b\", until = \"2030-01-01\" }";
    let held = planned(&estate, text);
    let blockers = &step(&held, Action::ReissueCertificates).blockers;
    assert!(
        blockers
            .iter()
            .any(|blocker| blocker.contains("accept until 2030-01-01")),
        "{blockers:?}"
    );
    let free = planned(&estate, "");
    let blockers = &step(&free, Action::ReissueCertificates).blockers;
    assert!(
        !blockers
            .iter()
            .any(|blocker| blocker.contains("as things are decided"))
    );
}

#[test]
fn what_was_there_before_is_nobodys_successor_and_no_regression() {
    let both = || {
        let mut estate = Estate::default();
        estate.certificate_at("old", "ECDSA-P-256", "2027-02-01", "/etc/bundle.pem", None);
        estate.certificate_at("new", "ML-DSA-65", "2027-02-01", "/etc/bundle.pem", None);
        estate.targets(&["/etc"]);
        estate
    };
    let roadmap = planned(&both(), "");
    let mut removed = Estate::default();
    removed.certificate_at("new", "ML-DSA-65", "2027-02-01", "/etc/bundle.pem", None);
    removed.targets(&["/etc"]);
    let status = stands(&roadmap, &removed);
    assert!(
        status
            .steps
            .iter()
            .flat_map(|step| &step.details)
            .all(|item| item.state == ItemState::Gone)
    );
    // Two forms under one name in one file, as servers that have both: nothing changed, so nothing regressed.
    let mut twins = Estate::default();
    twins.certificate_at("twin", "ECDSA-P-256", "2027-02-01", "/etc/bundle.pem", None);
    twins.certificate_at("twin", "ML-DSA-65", "2027-02-01", "/etc/bundle.pem", None);
    let roadmap = planned(&twins, "");
    assert!(stands(&roadmap, &twins).regressed.is_empty());
}

#[test]
fn what_nobody_knows_is_overdue_when_the_day_has_passed() {
    let mut estate = Estate::default();
    estate.service("strange", &["strange-group"]);
    estate.service("untold", &["x25519"]);
    let profile = Profile::from_toml("regimes = [\"ca-itsm-40-001\"]", &catalogue()).unwrap();
    let hits = |today: &str| {
        let assessment = assess(&estate.inventory(), &profile, &catalogue(), day(today));
        "overdue"
            .parse::<FailOn>()
            .unwrap()
            .hits(&estate.inventory(), &assessment, None)
    };
    assert_eq!(hits("2031-12-31"), 0);
    assert_eq!(hits("2036-01-01"), 2);
}

#[test]
fn a_rule_that_speaks_of_nothing_is_told() {
    let mut estate = Estate::small();
    estate.targets(&["/etc"]);
    let text = "[[assets]]\nwhere = \"location~/etc/nginx\"\nowner = \"web\"\n\
                [[assets]]\nwhere = \"location~/srv/paymets\"\nconfidentiality_years = 30\n\
                [[assets]]\nwhere = \"kind=library\"\nowner = \"<b>all</b>\"\n";
    let assessment = assessed(&estate, text);
    let idle: Vec<(usize, &str)> = assessment
        .idle_rules
        .iter()
        .map(|rule| (rule.rule, rule.which.as_str()))
        .collect();
    assert_eq!(idle, [(2, "location~/srv/paymets"), (3, "kind=library")]);
    // Misspelt, and understood but about what no rating is for, are told apart.
    assert_eq!(assessment.idle_rules[0].unrated, 0);
    assert!(assessment.idle_rules[1].unrated > 0);

    let roadmap = planned_with(&estate, text, &catalogue());
    assert_eq!(roadmap.notes.len(), 2);
    assert!(roadmap.notes[0].contains("rule 2") && roadmap.notes[0].contains("/srv/paymets"));
    let json = serde_json::to_vec(&roadmap).unwrap();
    assert_eq!(Roadmap::from_json(&json).unwrap(), roadmap);

    let (inventory, catalogue) = (estate.inventory(), catalogue());
    let profile = Profile::from_toml(text, &catalogue).unwrap();
    let report = Report {
        inventory: &inventory,
        assessment: &assessment,
        roadmap: &roadmap,
        status: None,
        profile: &profile,
        catalogue: &catalogue,
        limits: Limits::default(),
    };
    for write in [report::html, report::markdown, report::json] {
        let mut out = Vec::new();
        write(&report, &mut out).unwrap();
        let out = String::from_utf8(out).unwrap();
        assert!(out.contains("/srv/paymets"), "{out:.200}");
    }
    let mut page = Vec::new();
    report::html(&report, &mut page).unwrap();
    let page = String::from_utf8(page).unwrap();
    assert!(page.contains(&format!("<p>{IDLE}</p>")));
    // A profile whose rules all speak of something is not found fault with.
    let fine = assessed(&estate, "[[assets]]\nwhere = \"\"\nowner = \"web\"\n");
    assert!(fine.idle_rules.is_empty());
}

const IDLE: &str = "What the profile says in these rules changes nothing here. A rule may be misspelt, or what it is \
                    about was not read.";

/// The places of a step's items.
fn places_of(roadmap: &Roadmap, action: Action) -> Vec<&str> {
    let steps = roadmap.steps.iter().filter(|step| step.action == action);
    let items = steps.flat_map(|step| &step.items);
    items.map(|item| item.location.as_str()).collect()
}

#[test]
fn a_protocol_that_a_service_speaks_is_not_lost_where_none_does() {
    let mut estate = Estate::default();
    // The endpoint offers the same as the file says, so both are one asset.
    estate.service_at("shop", &["x25519"], "tls://shop.example.org:443");
    estate.protocol("file", "1.3", &["x25519"], &["/etc/ssl/policy.conf"]);
    let roadmap = planned(&estate, "");
    assert_eq!(
        places_of(&roadmap, Action::EnablePostQuantum),
        ["/etc/ssl/policy.conf", "tls://shop.example.org:443"]
    );
    // The service stands for the protocol where it was seen: there it is counted once.
    let mut alone = Estate::default();
    alone.service_at("shop", &["x25519"], "tls://shop.example.org:443");
    let roadmap = planned(&alone, "");
    assert_eq!(
        places_of(&roadmap, Action::EnablePostQuantum),
        ["tls://shop.example.org:443"]
    );
}

#[test]
fn two_protocols_of_one_file_are_two_pieces_of_work() {
    const FILE: &str = "/etc/ssl/policy.conf";
    let estate = |groups: &[&[&str]]| {
        let mut estate = Estate::default();
        for (place, groups) in groups.iter().enumerate() {
            estate.protocol(&format!("p{place}"), "1.3", groups, &[FILE]);
        }
        estate.targets(&["/etc"]);
        estate
    };
    let both = estate(&[&["x25519"], &["ECDHE-P-256"]]);
    let roadmap = planned(&both, "");
    assert_eq!(places_of(&roadmap, Action::EnablePostQuantum), [FILE, FILE]);
    let enable = |status: &Status| {
        let step = &roadmap
            .steps
            .iter()
            .find(|step| step.action == Action::EnablePostQuantum)
            .unwrap()
            .id;
        let step = status.steps.iter().find(|other| other.id == *step).unwrap();
        (step.items.open, step.items.moved, step.appeared)
    };
    assert_eq!(enable(&stands(&roadmap, &both)), (2, 0, 0));
    // One of them is done, and it is not the other's fault.
    let half = stands(&roadmap, &estate(&[&["X25519MLKEM768"], &["ECDHE-P-256"]]));
    assert_eq!(enable(&half), (1, 1, 0));
    assert!(half.unplanned.is_empty());
    // One was changed into another classical one: still as it was.
    let renewed = stands(&roadmap, &estate(&[&["ECDHE-P-384"], &["ECDHE-P-256"]]));
    assert_eq!(enable(&renewed), (2, 0, 0));
    // A third one in the same file is work that nobody planned.
    let more = stands(
        &roadmap,
        &estate(&[&["x25519"], &["ECDHE-P-256"], &["ECDHE-P-384"]]),
    );
    assert_eq!(enable(&more), (2, 0, 1));
    assert!(more.unplanned.iter().any(|item| item.location == FILE));
}

#[test]
fn a_long_chain_of_authorities_is_replaced_from_the_top() {
    const LENGTH: usize = 200;
    let mut estate = Estate::default();
    let name = |place: usize| format!("ca{place:03}");
    for place in 0..LENGTH {
        let above = place.checked_sub(1).map(name);
        estate.authority(&name(place), "ECDSA-P-256", "2040-01-01", above.as_deref());
    }
    estate.certificate_at(
        "leaf",
        "ECDSA-P-256",
        "2027-01-01",
        "/etc/leaf.pem",
        Some(&name(LENGTH - 1)),
    );
    estate.trust_store("store", "/etc/store.pem", &[&name(0)]);
    let roadmap = planned(&estate, "");
    let mut waves: Vec<u32> = roadmap
        .steps
        .iter()
        .filter(|step| step.action == Action::ReplaceIssuer)
        .map(|step| step.wave)
        .collect();
    waves.sort_unstable();
    waves.dedup();
    assert_eq!(waves.len(), LENGTH, "each after the one above it");
    // The root at the top of it is the one whose verifiers the leaf waits for, and that goes last.
    let wave = |action: Action| {
        roadmap
            .steps
            .iter()
            .find(|step| step.action == action)
            .unwrap()
            .wave
    };
    assert!(wave(Action::DistributeTrust) < wave(Action::ReissueCertificates));
    assert!(wave(Action::ReissueCertificates) < wave(Action::RetireTrust));
}
