//! Reports: the same inputs make the same bytes, names cannot break out, nothing is fetched, nothing is hidden.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, outside any test function"
)]

mod estate;

use std::collections::BTreeMap;
use std::path::Path;

use symbolon_migration_planner::inventory::{Inventory, Reason};
use symbolon_migration_planner::report::{FailOn, Limits, Report, html, json, markdown};
use symbolon_migration_planner::risk::{Assessment, Catalogue, Profile, Threat, assess};
use symbolon_migration_planner::roadmap::{Roadmap, Status, plan, status};

use self::estate::Estate;

const PROFILE: &str = r#"
organisation = "Example & Sons"
regimes = ["bsi-tr-02102-1", "eu-pqc-roadmap", "nist-ir-8547"]

[[assets]]
where = "location~/srv/app"
owner = "app team"
confidentiality_years = 25
categories = { eu-pqc-roadmap = "high" }

[[assets]]
where = "name=api.example.org:8443"
importance = 5
owner = "payments"
exposure = "internal"
categories = { bsi-tr-02102-1 = "very-high" }
decision = { outcome = "compensate", reason = "behind a VPN with a hybrid key exchange", approved_by = "CISO, 2026-10-01" }
"#;

/// Everything that a report is made of.
struct Whole {
    inventory: Inventory,
    profile: Profile,
    catalogue: Catalogue,
    assessment: Assessment,
    roadmap: Roadmap,
    status: Option<Status>,
}

impl Whole {
    fn of(estate: &Estate, profile: &str) -> Self {
        let catalogue = Catalogue::builtin().unwrap();
        let profile = Profile::from_toml(profile, &catalogue).unwrap();
        let inventory = estate.inventory();
        let assessment = assess(&inventory, &profile, &catalogue, "2026-11-22".parse().unwrap());
        let roadmap = plan(&inventory, &assessment, &profile, &catalogue);
        Self {
            inventory,
            profile,
            catalogue,
            assessment,
            roadmap,
            status: None,
        }
    }

    fn report(&self, limits: Limits) -> Report<'_> {
        Report {
            inventory: &self.inventory,
            assessment: &self.assessment,
            roadmap: &self.roadmap,
            status: self.status.as_ref(),
            profile: &self.profile,
            catalogue: &self.catalogue,
            limits,
        }
    }

    fn html(&self) -> String {
        let mut out = Vec::new();
        html(&self.report(Limits::default()), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn markdown(&self) -> String {
        let mut out = Vec::new();
        markdown(&self.report(Limits::default()), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn json(&self) -> String {
        let mut out = Vec::new();
        json(&self.report(Limits::default()), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }
}

/// Compares with a file that somebody has looked at; `SYMBOLON_UPDATE_GOLDEN=1` writes it anew, to be looked at.
fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    if std::env::var_os("SYMBOLON_UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    let line = known.lines().zip(text.lines()).position(|(a, b)| a != b);
    assert!(
        known == text,
        "{name} differs, first in line {:?}; look at what SYMBOLON_UPDATE_GOLDEN=1 writes, and keep it if it is right",
        line.map(|line| line + 1)
    );
}

#[test]
fn a_small_estate_is_reported_as_somebody_looked_at() {
    let whole = Whole::of(&Estate::small(), PROFILE);
    golden("small.html", &whole.html());
    golden("small.md", &whole.markdown());
    let json: serde_json::Value = serde_json::from_str(&whole.json()).unwrap();
    let json = serde_json::to_string_pretty(&json).unwrap();
    golden("small.json", &format!("{json}\n"));
    let mut roadmap = serde_json::to_string_pretty(&whole.roadmap).unwrap();
    roadmap.push('\n');
    golden("small.roadmap.json", &roadmap);
}

/// An estate whose every name wants to be something else.
fn hostile(names: [&str; 6]) -> Estate {
    let [service, place, owner, certificate, algorithm, detail] = names;
    let mut estate = Estate::default();
    estate.authority(certificate, "RSA-4096", "2041-05-01", None);
    estate.certificate_at("leaf", "ECDSA-P-256", "2027-02-01", place, Some(certificate));
    estate.service_at(service, &["x25519"], "tls://x");
    estate.fact(service, "refers-to", detail);
    estate.tag(service, owner, owner);
    estate.call(algorithm, place, 3, detail);
    estate.unread(place, Reason::Malformed, detail);
    estate.targets(&[place]);
    estate
}

/// How often each tag is opened.
fn tags(page: &str) -> BTreeMap<String, usize> {
    let mut tags = BTreeMap::new();
    for part in page.split('<').skip(1) {
        let name: String = part
            .chars()
            .take_while(|c| !c.is_whitespace() && *c != '>')
            .collect();
        *tags.entry(name).or_default() += 1;
    }
    tags
}

#[test]
fn names_cannot_break_out_of_the_page() {
    let plain = Whole::of(&hostile(["a", "b", "c", "d", "e", "f"]), "");
    let wicked = Whole::of(
        &hostile([
            "</title></style></details><script>alert(1)</script>",
            "\"><img src=x onerror=alert(1)>\n.pem",
            "' onmouseover='alert(1)",
            "--><svg onload=alert(1)>",
            "&lt;script&gt;alert(1)&lt;/script&gt;",
            "\u{202e}gnp.exe<iframe srcdoc='x'>\u{0}",
        ]),
        "organisation = \"</h1><script>1</script>\"",
    );
    assert_eq!(tags(&plain.html()), tags(&wicked.html()));
    let page = wicked.html();
    assert!(!page.contains('\u{202e}') && !page.contains('\0'));
    for attribute in [" onerror=", " onload=", " onmouseover='"] {
        let raw = page.match_indices(attribute).count();
        let inside = page.matches(&format!("&lt;img src=x{attribute}")).count()
            + page.matches(&format!("&lt;svg{attribute}")).count();
        assert_eq!(raw, inside, "{attribute} stands in text alone");
    }
}

#[test]
fn names_cannot_break_out_of_markdown() {
    let wicked = Whole::of(
        &hostile([
            "a | b",
            "x\n# Heading\n",
            "[l](https://e.org)",
            "<script>",
            "`code`",
            "- item",
        ]),
        "",
    );
    let text = wicked.markdown();
    assert!(!text.contains("\n# Heading"));
    assert!(!text.contains("[l](https://e.org)") && !text.contains("<script>"));
    let columns = |line: &str| line.replace("\\|", "").matches('|').count();
    let tables: Vec<&str> = text.lines().filter(|line| line.starts_with("| ")).collect();
    assert!(tables.iter().any(|line| line.contains("a \\| b")));
    for line in tables.iter().filter(|line| line.contains("a \\| b")) {
        assert_eq!(columns(line), 9, "{line}");
    }
}

#[test]
fn the_page_fetches_nothing_and_runs_nothing() {
    let page = Whole::of(&Estate::small(), PROFILE).html();
    for word in [
        "<script",
        "<link",
        "<img",
        "<iframe",
        "src=",
        "url(",
        "@import",
        "javascript:",
        "http://",
    ] {
        assert!(!page.contains(word), "the page has {word}");
    }
    assert!(page.contains("default-src 'none'"));
    // What leads out is the reader's click on a source.
    for part in page.split("https://").skip(1) {
        let before = page.split(part).next().unwrap_or_default();
        assert!(
            before.ends_with("href=\"https://") || before.ends_with("\"https://"),
            "an address outside a link"
        );
    }
}

#[test]
fn the_page_is_well_formed_and_every_link_within_it_leads_somewhere() {
    let mut whole = Whole::of(&Estate::small(), PROFILE);
    whole.status = Some(status(
        &whole.roadmap,
        &whole.inventory,
        &whole.assessment,
        &whole.catalogue,
        None,
    ));
    let page = whole.html();
    let void = ["meta", "br", "line", "path", "!DOCTYPE"];
    let mut open: Vec<String> = Vec::new();
    for part in page.split('<').skip(1) {
        let tag = part.split('>').next().unwrap();
        let name: String = tag.chars().take_while(|c| !c.is_whitespace()).collect();
        match name.strip_prefix('/') {
            Some(closed) => assert_eq!(open.pop().as_deref(), Some(closed), "before {part:.60}"),
            None if void.contains(&name.trim_end_matches('/')) || tag.ends_with('/') => {}
            None => open.push(name),
        }
    }
    assert!(open.is_empty(), "{open:?}");
    let mut ids: Vec<&str> = page
        .split(" id=\"")
        .skip(1)
        .filter_map(|part| part.split('"').next())
        .collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all, "ids are unique");
    for target in page
        .split("href=\"#")
        .skip(1)
        .filter_map(|part| part.split('"').next())
    {
        assert!(ids.binary_search(&target).is_ok(), "#{target} leads nowhere");
    }
    let levels: Vec<u32> = page
        .split("<h")
        .skip(1)
        .filter_map(|part| part.chars().next().and_then(|level| level.to_digit(10)))
        .collect();
    assert_eq!(levels[0], 1);
    assert!(
        levels.windows(2).all(|pair| pair[1] <= pair[0] + 1),
        "no level of headings is left out: {levels:?}"
    );
}

#[test]
fn coverage_comes_before_findings_in_every_form() {
    let whole = Whole::of(&Estate::small(), PROFILE);
    let before = |text: &str, first: &str, then: &str| {
        assert!(
            text.find(first).unwrap() < text.find(then).unwrap(),
            "{first} before {then}"
        );
    };
    before(&whole.html(), "id=\"read\"", "id=\"summary\"");
    before(&whole.markdown(), "## What was looked at", "## Summary");
    before(&whole.json(), "\"coverage\"", "\"summary\"");
    assert!(whole.html().contains("2 things could not be read"));
    assert!(whole.markdown().contains("permission-denied"));
}

#[test]
fn json_has_the_form_that_is_documented() {
    let mut whole = Whole::of(&Estate::small(), PROFILE);
    whole.status = Some(status(
        &whole.roadmap,
        &whole.inventory,
        &whole.assessment,
        &whole.catalogue,
        None,
    ));
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/src/reference/plan-report.schema.json");
    let schema: serde_json::Value = serde_json::from_slice(&std::fs::read(schema).unwrap()).unwrap();
    let validator = jsonschema::options()
        .should_validate_formats(true)
        .build(&schema)
        .unwrap();
    for document in [whole.json(), Whole::of(&Estate::default(), "").json()] {
        let document: serde_json::Value = serde_json::from_str(&document).unwrap();
        let faults: Vec<String> = validator
            .iter_errors(&document)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(faults.is_empty(), "{faults:#?}");
    }
    let mut wrong: serde_json::Value = serde_json::from_str(&whole.json()).unwrap();
    wrong["summary"]["rated"] = "many".into();
    assert!(!validator.is_valid(&wrong), "the schema tells a wrong document");
}

#[test]
fn what_is_cut_is_counted() {
    let whole = Whole::of(&Estate::small(), PROFILE);
    let limits = Limits {
        assets: 2,
        places: 1,
        unread: 1,
        rows: 1,
    };
    for write in [html, markdown] {
        let mut out = Vec::new();
        write(&whole.report(limits), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("more assets are in the JSON form"), "{text:.200}");
        assert!(text.contains("more algorithms are in the JSON form"));
    }
    let json: serde_json::Value = serde_json::from_str(&whole.json()).unwrap();
    assert_eq!(
        json["assets"].as_array().unwrap().len(),
        whole.assessment.ratings.len()
    );
}

#[test]
fn an_empty_estate_is_no_good_news() {
    let whole = Whole::of(&Estate::default(), "");
    let page = whole.html();
    assert!(page.contains("does not say what was scanned"));
    assert!(page.contains("nobody can say how much of the whole this is"));
    assert!(
        whole
            .markdown()
            .contains("There is nothing to do about what was read.")
    );
}

#[test]
fn pipelines_fail_on_what_they_ask_for() {
    let whole = Whole::of(&Estate::small(), PROFILE);
    let hits = |word: &str| {
        word.parse::<FailOn>()
            .unwrap()
            .hits(&whole.inventory, &whole.assessment, None)
    };
    assert_eq!(hits("weak-today"), 1);
    assert_eq!(hits("unknown"), 1);
    assert_eq!(hits("unread"), 2);
    assert_eq!(hits("regressed"), 0);
    assert!(hits("harvest-now") >= 1 && hits("late") >= 1 && hits("overdue") >= 1);
    assert!(
        "everything"
            .parse::<FailOn>()
            .unwrap_err()
            .to_string()
            .contains("weak-today")
    );
    assert!(
        "resistant".parse::<FailOn>().is_err(),
        "nobody fails on what is right"
    );
    for threat in Threat::ALL.into_iter().filter(|threat| threat.is_open()) {
        assert_eq!(
            threat.name().parse::<FailOn>().unwrap().to_string(),
            threat.name()
        );
    }
}

#[test]
fn a_hundred_thousand_assets_make_a_page_that_opens() {
    let mut estate = Estate::default();
    for index in 0..25_000 {
        estate.certificate_at(
            &format!("host {index}"),
            "ECDSA-P-256",
            "2027-02-01",
            &format!("/etc/{index}.pem"),
            None,
        );
    }
    let whole = Whole::of(&estate, PROFILE);
    assert!(whole.inventory.len() > 50_000);
    let page = whole.html();
    assert!(page.len() < 4_000_000, "the page has {} bytes", page.len());
    assert!(page.contains("25,000"));
}
