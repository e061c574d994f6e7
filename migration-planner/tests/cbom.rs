//! Documents: valid by the official schemas, the same after a round trip, the same from any number of threads.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use symbolon_migration_planner::algorithm::{Algorithm, Function};
use symbolon_migration_planner::cbom::{SpecVersion, read, write, write_by, write_csv, write_sarif};
use symbolon_migration_planner::inventory::{
    Access, Asset, CipherSuite, Detail, Fragment, Inventory, LibraryDetail, Occurrence, ProtocolDetail,
    Reason, Role, ServiceDetail, Subject,
};
use symbolon_migration_planner::scan::{ScanRequest, Target, scan};

use self::common::{samples, validate};

fn written(inventory: &Inventory, version: SpecVersion) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(inventory, version, &mut bytes).unwrap();
    bytes
}

#[test]
fn a_long_document_is_the_same_by_any_number_of_threads() {
    let mut inventory = full();
    for file in 0..3000 {
        let mut found = Fragment::at(format!("src/{file}.c"));
        let names = ["AES-128-GCM".to_owned(), format!("1.2.3.{}", file % 700)];
        for name in names {
            let here = found.here().line(file);
            found.algorithm(Algorithm::named(&name), here);
        }
        found.unread(Reason::Malformed, Some(file), "x".repeat(50));
        inventory.absorb(found);
    }
    let by = |threads| {
        let mut bytes = Vec::new();
        write_by(&inventory, SpecVersion::V1_7, threads, &mut bytes).unwrap();
        bytes
    };
    let one = by(1);
    assert!(one.len() > 1 << 20);
    for threads in [0, 2, 7] {
        assert!(by(threads) == one, "{threads} threads");
    }
    assert_eq!(read(&one).unwrap(), inventory);
}

/// Everything that an inventory can hold.
fn full() -> Inventory {
    let mut found = Fragment::at("etc/nginx/nginx.conf");
    let here = found.here().line(7).symbol("ssl_protocols").context("TLSv1.3");
    let tls = found.protocol(
        ProtocolDetail {
            protocol: "tls".to_owned(),
            version: Some("1.3".to_owned()),
            suites: vec![CipherSuite {
                name: "TLS_AES_256_GCM_SHA384".to_owned(),
                algorithms: vec!["AES-256-GCM".to_owned(), "SHA-384".to_owned()],
                identifiers: vec!["0x13".to_owned(), "0x02".to_owned()],
            }],
            groups: vec!["X25519MLKEM768".to_owned(), "X25519".to_owned()],
            signature_schemes: vec!["ecdsa_secp256r1_sha256".to_owned(), "mldsa65".to_owned()],
            lists: std::collections::BTreeMap::from([("macs".to_owned(), vec!["hmac-sha2-256".to_owned()])]),
        },
        here.clone(),
    );
    let service = Asset::new(
        "nginx example.org:443",
        Detail::Service(ServiceDetail {
            what: "nginx server".to_owned(),
            endpoints: ["tls://example.org:443".to_owned(), "not an IRI ^".to_owned()].into(),
            authenticated: Some(false),
        }),
        &[b"nginx", b"example.org:443"],
    );
    let mut service = service.seen(here.access(Access {
        mode: 0o644,
        uid: 0,
        gid: 0,
    }));
    service.owners.insert("web team".to_owned());
    service.exposure = Some("internet".to_owned());
    service.add_fact("classical-fallback", "accepted");
    service.add_fact("refers-to", "/etc/ssl/a.pem");
    service.add_fact("refers-to", "/etc/ssl/b.pem");
    let service = found.add(service);
    found.connect(&service, Role::Offers, &tls);
    let library = found.add(
        Asset::new(
            "openssl",
            Detail::Library(LibraryDetail {
                version: Some("3.5.0".to_owned()),
                purl: Some("pkg:generic/openssl@3.5.0".to_owned()),
            }),
            &[b"pkg:generic/openssl@3.5.0"],
        )
        .seen(Occurrence::at("Cargo.lock").line(3)),
    );
    let odd = found.algorithm(
        Algorithm::named("1.2.3.4").used_to(&[Function::Sign]),
        found.here().offset(12),
    );
    found.connect(&library, Role::Provides, &odd);
    for name in [
        "AES-256-KW",
        "SM4-CBC",
        "Argon2id",
        "RSA-OAEP-SHA-256",
        "MLDSA65-ECDSA-P256-SHA512",
        "x448",
    ] {
        found.algorithm(Algorithm::named(name), found.here());
    }
    found.unread(Reason::Malformed, Some(3), "a block that is damaged");
    let mut inventory = Inventory::new();
    inventory.absorb(found);
    inventory.targets.insert("etc".to_owned());
    inventory.timestamp = Some("2026-11-22T03:25:00Z".to_owned());
    *inventory.coverage.of(Subject::Files) = symbolon_migration_planner::inventory::Tally {
        attempted: 10,
        read: 9,
        bytes: 1234,
    };
    inventory.unread.omit(Reason::SymbolicLink, 4);
    inventory
}

#[test]
fn everything_that_an_inventory_can_hold_is_valid_and_comes_back() {
    let inventory = full();
    for version in SpecVersion::ALL {
        let bytes = written(&inventory, version);
        validate(&bytes, version.name());
        let back = read(&bytes).unwrap();
        assert_eq!(written(&back, version), bytes, "{}", version.name());
        assert_eq!(
            back.edges().collect::<Vec<_>>(),
            inventory.edges().collect::<Vec<_>>()
        );
        for (ours, theirs) in inventory.assets().zip(back.assets()) {
            assert_eq!(ours, theirs);
        }
        assert_eq!(back, inventory);
    }
}

#[test]
fn a_real_scan_is_valid_and_comes_back() {
    let folder = samples();
    let inventory = common::scanned(folder);
    for version in SpecVersion::ALL {
        let bytes = written(&inventory, version);
        validate(&bytes, version.name());
        let back = read(&bytes).unwrap();
        for (ours, theirs) in inventory.assets().zip(back.assets()) {
            assert_eq!(ours, theirs);
        }
        assert_eq!(back, inventory);
    }
}

#[test]
fn any_number_of_threads_writes_the_same() {
    let folder = samples();
    let mut request = ScanRequest::new(vec![Target::Path(folder.to_owned())]);
    request.threads = 1;
    let one = written(&scan(&request).unwrap(), SpecVersion::V1_7);
    for threads in [2, 5, 16] {
        request.threads = threads;
        assert!(
            written(&scan(&request).unwrap(), SpecVersion::V1_7) == one,
            "{threads} threads"
        );
    }
}

#[test]
fn merging_is_the_same_in_any_order() {
    let folder = samples();
    let (a, b) = (full(), common::scanned(folder));
    let (mut left, mut right) = (a.clone(), b.clone());
    left.merge(b);
    right.merge(a);
    assert_eq!(
        written(&left, SpecVersion::V1_7),
        written(&right, SpecVersion::V1_7)
    );
}

#[test]
fn other_outputs_have_what_was_found() {
    let inventory = full();
    let mut csv = Vec::new();
    write_csv(&inventory, &mut csv).unwrap();
    let csv = String::from_utf8(csv).unwrap();
    assert!(
        csv.contains("algorithm:X25519MLKEM768,algorithm,X25519MLKEM768,resistant"),
        "{csv}"
    );
    assert!(csv.contains(",unread,malformed,"), "{csv}");
    let mut sarif = Vec::new();
    write_sarif(&inventory, &mut sarif).unwrap();
    let sarif: serde_json::Value = serde_json::from_slice(&sarif).unwrap();
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    assert!(
        results
            .iter()
            .any(|result| result["ruleId"] == "symbolon/x25519" && result["level"] == "warning")
    );
    assert!(results.iter().all(|result| {
        result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "etc/nginx/nginx.conf"
    }));
}
