//! What only the whole inventory shows: which certificates a service shows and believes, which key is in several
//! places; and what a roadmap makes of it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, outside any test function"
)]

mod common;
mod estate;

use std::collections::BTreeSet;
use std::path::Path;

use symbolon_migration_planner::inventory::{Detail, Inventory, KeyKind, Role, relate};
use symbolon_migration_planner::issued::mark_shared_keys;
use symbolon_migration_planner::risk::{Catalogue, Day, Profile, assess};
use symbolon_migration_planner::roadmap::{Action, Roadmap, Step, plan};
use symbolon_migration_planner::scan::{ScanRequest, Target, scan};

use self::common::{run, scanned};
use self::estate::Estate;

/// A root, a certificate under it, both keys: `pki/root.pem`, `pki/leaf.pem`, `pki/leaf.key`.
fn make_pki(folder: &Path) {
    std::fs::create_dir_all(folder.join("pki")).unwrap();
    let pki = folder.join("pki");
    let openssl = |line: &str| run(&pki, "openssl", &line.split(' ').collect::<Vec<_>>());
    openssl(
        "req -x509 -newkey rsa:2048 -nodes -keyout root.key -out root.pem -subj /CN=root -days 3000 -addext basicConstraints=critical,CA:TRUE",
    );
    openssl("ecparam -name prime256v1 -genkey -noout -out leaf.key");
    openssl("req -new -key leaf.key -subj /CN=leaf -out leaf.csr");
    openssl("x509 -req -in leaf.csr -CA root.pem -CAkey root.key -CAcreateserial -days 90 -out leaf.pem");
}

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// The edges from services, as `service role asset`, the service by the name of its configuration.
fn edges(inventory: &Inventory) -> BTreeSet<String> {
    let edges = inventory.edges().filter_map(|edge| {
        let from = inventory.get(&edge.from)?;
        let Detail::Service(_) = from.detail else {
            return None;
        };
        let to = inventory.get(&edge.to)?;
        let what = match &to.detail {
            Detail::Certificate(certificate) => certificate.subject.clone(),
            Detail::Key(key) => key.kind.name().to_owned(),
            _ => return None,
        };
        let configuration = from
            .evidence
            .iter()
            .next()?
            .location
            .rsplit('/')
            .next()?
            .to_owned();
        Some(format!("{configuration} {} {what}", edge.role.name()))
    });
    edges.collect()
}

fn planned(inventory: &Inventory, profile: &str) -> Roadmap {
    let catalogue = Catalogue::builtin().unwrap();
    let profile = Profile::from_toml(profile, &catalogue).unwrap();
    let today: Day = "2026-11-22".parse().unwrap();
    let assessment = assess(inventory, &profile, &catalogue, today);
    plan(inventory, &assessment, &profile, &catalogue)
}

fn titled<'a>(roadmap: &'a Roadmap, title: &str) -> &'a Step {
    let mut steps = roadmap.steps.iter();
    steps.find(|step| step.title.contains(title)).unwrap_or_else(|| {
        let all: Vec<&str> = roadmap.steps.iter().map(|step| step.title.as_str()).collect();
        panic!("there is no step {title:?} in {all:#?}")
    })
}

#[test]
fn what_a_configuration_names_is_joined_with_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    make_pki(folder);
    let pki = folder.join("pki");
    let server = |certificate: &str, rest: &str| {
        format!("server {{ listen 443 ssl; server_name x; ssl_certificate {certificate}; {rest} }}\n")
    };
    // By its whole path.
    let whole = format!("ssl_certificate_key {}/leaf.key;", pki.display());
    write(
        folder,
        "a/whole.conf",
        &server(&pki.join("leaf.pem").display().to_string(), &whole),
    );
    // As it is called in the system whose root this tree is.
    write(
        folder,
        "a/rooted.conf",
        &server(
            "/pki/leaf.pem",
            "ssl_client_certificate /pki/root.pem; ssl_verify_client on;",
        ),
    );
    // From where the configuration lies, and from where the one lies that includes it.
    write(folder, "a/beside.conf", &server("../pki/leaf.pem", ""));
    write(folder, "pki/conf.d/included.conf", &server("leaf.pem", ""));
    // Through a link, as certbot has them.
    std::fs::create_dir(folder.join("live")).unwrap();
    std::os::unix::fs::symlink("../pki/leaf.pem", folder.join("live/cert.pem")).unwrap();
    let link = folder.join("live/cert.pem").display().to_string();
    write(folder, "a/linked.conf", &server(&link, ""));
    // What is not there, and what is not the same.
    write(folder, "a/nothing.conf", &server("/pki/other.pem", ""));
    let inventory = scanned(folder);
    let expected = [
        "beside.conf presents CN=leaf",
        "included.conf presents CN=leaf",
        "linked.conf presents CN=leaf",
        "rooted.conf presents CN=leaf",
        "rooted.conf trusts CN=root",
        "whole.conf presents CN=leaf",
        "whole.conf refers-to private-key",
    ];
    assert_eq!(edges(&inventory), expected.map(str::to_owned).into());
}

#[test]
fn nothing_outside_of_what_was_scanned_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    make_pki(folder);
    let outside = folder.join("pki/leaf.pem").display().to_string();
    write(
        folder,
        "scanned/a.conf",
        &format!("server {{ listen 443 ssl; ssl_certificate {outside}; }}\n"),
    );
    std::os::unix::fs::symlink("../pki/leaf.pem", folder.join("scanned/leaf.pem")).unwrap();
    let link = folder.join("scanned/leaf.pem").display().to_string();
    write(
        folder,
        "scanned/b.conf",
        &format!("server {{ listen 443 ssl; ssl_certificate {link}; }}\n"),
    );
    let inventory = scanned(&folder.join("scanned"));
    assert_eq!(edges(&inventory), BTreeSet::new());
}

#[test]
fn a_server_that_believes_a_root_learns_its_successor_before_anything_is_issued_under_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    make_pki(folder);
    write(
        folder,
        "nginx/nginx.conf",
        "http { server { listen 443 ssl; ssl_certificate /pki/leaf.pem; ssl_client_certificate /pki/root.pem; \
         ssl_verify_client on; } }\n",
    );
    let roadmap = planned(&scanned(folder), "");
    let give = titled(&roadmap, "Give the successor of CN=root");
    let again = titled(&roadmap, "certificate of CN=root again");
    assert!(
        again.needs.iter().any(|need| need.step == give.id),
        "{:?}",
        again.needs
    );
    assert!(give.wave < again.wave);
}

#[test]
fn a_join_knows_who_issued_what_another_scan_found() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    make_pki(folder);
    let mut whole = Inventory::new();
    for part in ["pki/root.pem", "pki/leaf.pem"] {
        whole.merge(scanned(&folder.join(part)));
    }
    let issued = |inventory: &Inventory| inventory.edges().any(|edge| edge.role == Role::IssuedBy);
    assert!(!issued(&whole));
    relate(&mut whole);
    assert!(issued(&whole));
}

#[test]
fn what_a_service_of_one_host_names_is_not_looked_for_on_another() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    make_pki(folder);
    // Two hosts with the same paths: what stands there, and who names it, differ.
    let host = |name: &str, certificate: &str| {
        let etc = folder.join("etc");
        std::fs::create_dir(&etc).unwrap();
        std::fs::copy(folder.join("pki").join(certificate), etc.join("server.pem")).unwrap();
        let place = etc.join("server.pem").display().to_string();
        write(
            &etc,
            name,
            &format!("server {{ listen 443 ssl; ssl_certificate {place}; }}\n"),
        );
        let found = scanned(&etc);
        std::fs::remove_dir_all(&etc).unwrap();
        found
    };
    let mut whole = host("one.conf", "leaf.pem");
    whole.merge(host("two.conf", "root.pem"));
    relate(&mut whole);
    let expected = ["one.conf presents CN=leaf", "two.conf presents CN=root"];
    assert_eq!(edges(&whole), expected.map(str::to_owned).into());
    mark_shared_keys(&mut whole);
    let shared = whole.assets().flat_map(|asset| asset.facts_of("shared-key"));
    assert_eq!(shared.filter(|word| *word == "services").count(), 0);
}

#[test]
fn a_tree_with_a_root_of_its_own_is_not_joined_with_the_host_that_it_lies_on() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    make_pki(folder);
    // What the configuration names is there in its own tree, and on the host.
    let place = folder.join("pki/leaf.pem");
    let own = place.strip_prefix("/").unwrap();
    let rootfs = folder.join("rootfs");
    std::fs::create_dir_all(rootfs.join(own).parent().unwrap()).unwrap();
    std::fs::copy(folder.join("pki/root.pem"), rootfs.join(own)).unwrap();
    write(
        &rootfs,
        "etc/nginx/site.conf",
        &format!(
            "server {{ listen 443 ssl; ssl_certificate {}; }}\n",
            place.display()
        ),
    );
    let targets = ["pki", "rootfs"].map(|name| Target::Path(folder.join(name)));
    let inventory = scan(&ScanRequest::new(targets.to_vec())).unwrap();
    assert_eq!(
        edges(&inventory),
        ["site.conf presents CN=root".to_owned()].into()
    );
}

#[test]
fn a_key_that_several_services_show_in_certificates_is_marked_and_those_above_it_are_not() {
    let mut estate = Estate::default();
    estate.authority("root", "RSA-4096", "2041-05-01", None);
    estate.certificate_at("web", "ECDSA-P-256", "2027-02-01", "/etc/web.pem", Some("root"));
    estate.certificate_at("own", "ECDSA-P-256", "2027-02-01", "/etc/own.pem", Some("root"));
    for service in ["one", "two"] {
        estate.service(service, &["x25519"]);
        estate.connect(service, Role::Presents, "web");
        estate.connect(service, Role::Presents, "root");
    }
    estate.service("three", &["x25519"]);
    estate.connect("three", Role::Presents, "own");
    let mut inventory = estate.inventory();
    mark_shared_keys(&mut inventory);
    let marked: Vec<String> = inventory
        .assets()
        .filter(|asset| matches!(&asset.detail, Detail::Key(key) if key.kind == KeyKind::Public))
        .filter(|asset| asset.facts_of("shared-key").any(|word| word == "services"))
        .map(|asset| asset.id().to_string())
        .collect();
    assert_eq!(marked, [estate.id("web key").to_string()]);
}

#[test]
fn nothing_is_replaced_by_something_that_does_another_work() {
    let mut estate = Estate::default();
    estate.call("PBKDF2-SHA-256", "/src/a.py", 1, "f");
    estate.call("HMAC-SHA-256", "/src/a.py", 2, "f");
    estate.call("SHA-256", "/src/a.py", 3, "f");
    let roadmap = planned(&estate.inventory(), "regimes = [\"cnsa-2.0\"]");
    let target = |title: &str| titled(&roadmap, title).target.as_ref().unwrap().algorithm.clone();
    assert_eq!(target("in place of PBKDF2-SHA-256"), "PBKDF2-SHA-512");
    assert_eq!(target("in place of HMAC-SHA-256"), "HMAC-SHA-512");
    assert_eq!(target("in place of SHA-256"), "SHA-512");

    let mut estate = Estate::default();
    estate.call("DSA-1024", "/src/a.py", 1, "f");
    estate.call("FFDH-1024", "/src/a.py", 2, "f");
    let roadmap = planned(&estate.inventory(), "");
    let repairs = |target: &str| {
        let steps = roadmap.steps.iter().filter(|step| step.action == Action::Repair);
        let fits = steps.filter(|step| step.target.as_ref().is_some_and(|to| to.algorithm == target));
        fits.flat_map(|step| step.from.clone()).collect::<Vec<_>>()
    };
    assert_eq!(repairs("MLDSA65-ECDSA-P256-SHA512"), ["DSA-1024"]);
    assert_eq!(repairs("X25519MLKEM768"), ["FFDH-1024"]);
}

#[test]
fn an_old_version_of_a_protocol_gives_way_to_a_later_one_today() {
    let mut estate = Estate::default();
    estate.protocol("old", "1.0", &["x25519"], &["/etc/old.conf"]);
    estate.call("RC4-128", "/src/a.py", 1, "f");
    let roadmap = planned(&estate.inventory(), "");
    let step = titled(&roadmap, "TLS 1.0");
    assert_eq!(
        (&step.target, step.from.as_slice()),
        (&None, &["TLS 1.0".to_owned()][..])
    );
    assert_eq!(step.blockers, Vec::<String>::new());
    let cipher = titled(&roadmap, "(RC4-128)");
    assert_eq!(cipher.from, ["RC4-128"]);
    for step in [step, cipher] {
        assert_eq!(step.due_by.as_deref(), Some("weak already today"));
        assert_eq!(step.due, Some("2026-11-22".parse().unwrap()));
    }
}

#[test]
fn a_regime_is_not_said_to_ask_for_what_the_profile_asks_for() {
    let mut estate = Estate::default();
    estate.certificate("web", "ECDSA-P-256", "2027-02-01");
    let because = |profile: &str| {
        let roadmap = planned(&estate.inventory(), profile);
        let steps = roadmap.steps.iter();
        let mut targets = steps.filter_map(|step| step.target.as_ref());
        targets.next().unwrap().because.clone()
    };
    assert_eq!(
        because(""),
        "the profile asks for category 3, and for hybrid algorithms"
    );
    assert_eq!(
        because("regimes = [\"cnsa-2.0\"]"),
        "CNSA 2.0 asks for category 5, the profile asks for hybrid algorithms"
    );
}
