//! PKCS#11 tokens as the planner sees them: what others put there, with a PIN, without one, with a wrong one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::process::Command;

use symbolon_migration_planner::inventory::{
    Asset, Detail, Inventory, KeyKind, Protection, Reason, Role, Subject,
};
use symbolon_migration_planner::scan::{ScanRequest, Target, scan, schemes};
use symbolon_test_tokens::{Kind, Token, on};

fn scanned(uri: &str) -> Inventory {
    scan(&ScanRequest::new(vec![Target::parse(uri, &schemes())])).unwrap()
}

fn keys(inventory: &Inventory, kind: KeyKind) -> Vec<&Asset> {
    inventory
        .assets()
        .filter(|asset| matches!(&asset.detail, Detail::Key(key) if key.kind == kind))
        .collect()
}

fn names(assets: &[&Asset]) -> Vec<String> {
    let mut names: Vec<String> = assets.iter().map(|asset| asset.name.clone()).collect();
    names.sort();
    names
}

/// The URI without where the PIN is.
fn without_pin(token: &Token) -> String {
    let uri = token.uri();
    uri.split("&pin-source").next().unwrap().to_owned()
}

/// Keys of somebody else's making: RSA and EC pairs, an AES key that may leave and a certificate, and data.
fn fill(token: &Token) {
    token.tool(&[
        "--keypairgen",
        "--key-type",
        "rsa:2048",
        "--id",
        "01",
        "--label",
        "their rsa",
    ]);
    token.tool(&[
        "--keypairgen",
        "--key-type",
        "EC:prime256v1",
        "--id",
        "02",
        "--label",
        "their ec",
    ]);
    token.tool(&[
        "--keygen",
        "--key-type",
        "AES:32",
        "--id",
        "03",
        "--label",
        "their aes",
        "--extractable",
        "--sensitive",
    ]);
    let folder = &token.folder;
    let der = folder.join("certificate.der");
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-384",
            "-nodes",
            "-subj",
            "/CN=on the token",
        ])
        .args([
            "-keyout",
            folder.join("key.pem").to_str().unwrap(),
            "-outform",
            "DER",
        ])
        .args(["-out", der.to_str().unwrap(), "-days", "30"])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    token.tool(&[
        "--write-object",
        der.to_str().unwrap(),
        "--type",
        "cert",
        "--id",
        "04",
        "--label",
        "their cert",
    ]);
    let note = token.secret_file("note", "a note that nobody may see");
    token.tool(&[
        "--write-object",
        note.to_str().unwrap(),
        "--type",
        "data",
        "--label",
        "their data",
    ]);
}

#[test]
fn everything_on_a_token_is_seen_with_the_pin_and_nothing_is_changed() {
    let test = "everything_on_a_token_is_seen_with_the_pin_and_nothing_is_changed";
    on(Kind::SoftHsm, test, |token| {
        fill(token);
        let before = token.tool(&["--list-objects"]);
        let inventory = scanned(&token.uri());
        assert_eq!(token.tool(&["--list-objects"]), before);
        assert_eq!(inventory.coverage.get(Subject::Tokens).read, 1);
        assert_eq!(
            names(&keys(&inventory, KeyKind::Private)),
            ["ECDSA-P-256 private key", "RSA-2048 private key"]
                .map(|name| name.replace("ECDSA-P-256", &ec_name(&inventory)))
        );
        assert_eq!(names(&keys(&inventory, KeyKind::Secret)), ["AES-256 secret key"]);
        let secret = keys(&inventory, KeyKind::Secret)[0];
        assert_eq!(secret.facts_of("extractable").collect::<Vec<_>>(), ["yes"]);
        for key in keys(&inventory, KeyKind::Private) {
            let Detail::Key(detail) = &key.detail else {
                unreachable!()
            };
            assert!(
                matches!(detail.protection, Some(Protection::Hardware { .. })),
                "{key:?}"
            );
            assert!(detail.spki_sha256.is_some());
            assert!(
                inventory
                    .edges_from(key.id())
                    .any(|edge| edge.role == Role::PrivateOf)
            );
            assert_eq!(key.facts_of("made-on-token").collect::<Vec<_>>(), ["yes"]);
        }
        let certificate = inventory
            .assets()
            .find(|asset| matches!(asset.detail, Detail::Certificate(_)))
            .unwrap();
        assert_eq!(certificate.name, "CN=on the token");
        let service = inventory
            .assets()
            .find(|asset| matches!(asset.detail, Detail::Service(_)))
            .unwrap();
        assert!(
            service.facts_of("model").any(|model| model.contains("SoftHSM")),
            "{service:?}"
        );
        assert!(service.facts_of("firmware-version").next().is_some());
        let offered: Vec<&str> = inventory
            .edges_from(service.id())
            .filter(|edge| edge.role == Role::Offers)
            .filter_map(|edge| inventory.get(&edge.to).map(|asset| asset.name.as_str()))
            .collect();
        for name in ["RSA-PSS-SHA-256", "ECDSA", "AES-GCM", "SHA-256", "HMAC-SHA-256"] {
            assert!(offered.contains(&name), "{name} is not among {offered:?}");
        }
        assert!(inventory.assets().any(|asset| asset.name == "their data"));
        let mut document = Vec::new();
        symbolon_migration_planner::cbom::write(
            &inventory,
            symbolon_migration_planner::cbom::SpecVersion::V1_7,
            &mut document,
        )
        .unwrap();
        let document = String::from_utf8(document).unwrap();
        for secret in ["a note that nobody may see", symbolon_test_tokens::PIN] {
            assert!(!document.contains(secret), "{secret} is in the document");
        }
    });
}

/// What a key on P-256 is called.
fn ec_name(inventory: &Inventory) -> String {
    let public = keys(inventory, KeyKind::Public);
    let name = names(&public)
        .into_iter()
        .find(|name| name.contains("P-256"))
        .unwrap();
    name.trim_end_matches(" public key").to_owned()
}

#[test]
fn without_a_pin_public_objects_are_seen_and_the_rest_is_noted() {
    let test = "without_a_pin_public_objects_are_seen_and_the_rest_is_noted";
    on(Kind::SoftHsm, test, |token| {
        fill(token);
        let inventory = scanned(&without_pin(token));
        assert!(keys(&inventory, KeyKind::Private).is_empty());
        assert!(keys(&inventory, KeyKind::Public).len() >= 2);
        let counts = inventory.unread.counts();
        assert_eq!(counts.get(&Reason::NotAskedFor), Some(&1), "{counts:?}");
    });
}

#[test]
fn a_wrong_pin_is_tried_once_and_public_objects_are_seen() {
    let test = "a_wrong_pin_is_tried_once_and_public_objects_are_seen";
    on(Kind::SoftHsm, test, |token| {
        fill(token);
        let wrong = token.secret_file("wrong.pin", "00000000");
        let uri = format!("{}&pin-source=file:{}", without_pin(token), wrong.display());
        let inventory = scanned(&uri);
        assert!(keys(&inventory, KeyKind::Public).len() >= 2);
        let refused: Vec<&str> = inventory
            .unread
            .iter()
            .filter(|unread| unread.reason == Reason::Refused)
            .map(|unread| unread.detail.as_str())
            .collect();
        assert_eq!(refused.len(), 1, "{refused:?}");
        assert!(refused[0].contains("refuses the PIN"), "{refused:?}");
        // Nothing was used up that the right PIN would miss.
        assert_eq!(keys(&scanned(&token.uri()), KeyKind::Private).len(), 2);
    });
}

#[test]
fn what_is_no_token_ends_as_a_reason() {
    for (uri, reason, words) in [
        ("pkcs11:token=x", Reason::Unsupported, "module-path"),
        (
            "pkcs11:token=x?module-path=/nowhere.so",
            Reason::Unreachable,
            "cannot find",
        ),
        (
            "pkcs11:token=x?module-path=/etc/passwd",
            Reason::Malformed,
            "no PKCS#11 module",
        ),
        (
            "pkcs11:token=x?pin-value=1234",
            Reason::Unsupported,
            "pin-value is refused",
        ),
        (
            "pkcs11:token=x?module-path=/nowhere.so&pin-source=prompt",
            Reason::Refused,
            "asks nobody",
        ),
    ] {
        let inventory = scanned(uri);
        let unread: Vec<_> = inventory.unread.iter().collect();
        assert_eq!(unread.len(), 1, "{uri}: {unread:?}");
        assert_eq!(unread[0].reason, reason, "{uri}: {unread:?}");
        assert!(unread[0].detail.contains(words), "{uri}: {unread:?}");
        assert_eq!(inventory.coverage.get(Subject::Tokens).attempted, 1);
        assert_eq!(inventory.coverage.get(Subject::Tokens).read, 0);
    }
}

#[test]
fn post_quantum_keys_on_a_token_are_named() {
    let test = "post_quantum_keys_on_a_token_are_named";
    on(Kind::Pq, test, |token| {
        use symbolon_hsm::{KeyLabel, KeyStore as _, Pkcs11Config, Pkcs11Store, Pkcs11Uri};
        let uri: Pkcs11Uri = token.uri().parse().unwrap();
        let config = Pkcs11Config::from_uri(&uri).unwrap();
        let store = Pkcs11Store::open(&config, || panic!("nobody is asked")).unwrap();
        let component = symbolon_crypto::Component::MlDsa65;
        let label = KeyLabel::of("example.org", "server-1", "ml-dsa", component).unwrap();
        store.generate(component, &label).unwrap();
        let inventory = scanned(&token.uri());
        let private = keys(&inventory, KeyKind::Private);
        assert_eq!(names(&private), ["ML-DSA-65 private key"]);
        assert_eq!(
            names(&keys(&inventory, KeyKind::Public)),
            ["ML-DSA-65 public key"]
        );
        assert_eq!(
            private[0].facts_of("never-extractable").collect::<Vec<_>>(),
            ["yes"]
        );
    });
}
