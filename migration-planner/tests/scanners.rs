//! Every scanner for files against the conformance suite, and against bytes that nobody meant.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use proptest::prelude::*;
use symbolon_migration_planner::files::{Der, JavaKeystore, Jwk, OpenPgp, Pem, Ssh};
use symbolon_migration_planner::inventory::{Fragment, Reason};
use symbolon_migration_planner::scan::conformance::{run, show};
use symbolon_migration_planner::scan::{Classifier, Scanner, file_scanners};

use self::common::samples;

#[test]
fn every_scanner_stands_the_conformance_suite() {
    let folder = samples();
    let cases: [(&dyn Scanner, &[&str]); 5] = [
        (
            &Pem,
            &[
                "rsa.pem",
                "rsa-pkcs1.pem",
                "rsa-pbes2.pem",
                "leaf.pem",
                "leaf.csr",
                "id_ecdsa",
                "eve.asc",
                "dh.pem",
            ],
        ),
        (
            &Der,
            &[
                "leaf.der",
                "ec.der",
                "chain.p7b",
                "modern.p12",
                "open.p12",
                "signed.p7m",
                "enveloped.p7m",
            ],
        ),
        (&JavaKeystore, &["store.jks", "store.jceks"]),
        (&Ssh, &["id_ed25519.pub", "id_ecdsa-cert.pub", "authorized_keys"]),
        (&OpenPgp, &["public.gpg", "bob.gpg"]),
    ];
    for (scanner, names) in cases {
        for name in names {
            let sample = std::fs::read(folder.join(name)).unwrap();
            run(scanner, name, &sample, &[b"sesame", b"sesame123"]).unwrap();
        }
    }
    let secret = b"this is a symmetric key, nobody may see it";
    let jwk = format!(
        r#"{{"keys":[{{"kty":"oct","alg":"HS256","k":"{}"}},{{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}}]}}"#,
        "dGhpcyBpcyBhIHN5bW1ldHJpYyBrZXksIG5vYm9keSBtYXkgc2VlIGl0"
    );
    let private = b"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
    run(&Jwk, "keys.json", jwk.as_bytes(), &[secret, private]).unwrap();
}

#[test]
fn scanners_have_names_of_their_own_and_go_together() {
    let scanners = file_scanners();
    let mut names: Vec<&str> = scanners.iter().map(|scanner| scanner.name()).collect();
    names.sort_unstable();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all, "two scanners have one name");
    Classifier::new(scanners.iter().map(AsRef::as_ref)).unwrap();
}

fn algorithms(found: &Fragment) -> Vec<&str> {
    let algorithms = found
        .assets()
        .iter()
        .filter(|asset| asset.detail.kind() == "algorithm");
    algorithms.map(|asset| asset.name.as_str()).collect()
}

#[test]
fn one_bad_block_never_ends_a_file_and_mentions_are_nothing() {
    let good = std::fs::read_to_string(samples().join("ed25519-public.pem")).unwrap();
    let text = format!(
        "-----BEGIN CERTIFICATE-----\nnot base64 at all, but long enough to be one!\n-----END CERTIFICATE-----\n\
         {good}-----BEGIN CERTIFICATE-----\nTWlzc2luZyBpdHMgZW5kLCBhbmQgbG9uZw==\nTWlzc2luZyBpdHMgZW5k\n\
         if line.starts_with(\"-----BEGIN PRIVATE KEY-----\") {{ return }}\n{good}"
    );
    let found = show(&Pem, "mixed.pem", text.as_bytes());
    assert_eq!(algorithms(&found), ["Ed25519", "Ed25519"]);
    let reasons: Vec<Reason> = found
        .unread_entries()
        .iter()
        .map(|unread| unread.reason)
        .collect();
    assert!(
        !reasons.is_empty() && reasons.iter().all(|reason| *reason == Reason::Malformed),
        "{reasons:?}"
    );
    let lines: Vec<_> = found
        .assets()
        .iter()
        .flat_map(|asset| asset.evidence.iter())
        .map(|place| place.line)
        .collect();
    assert!(lines.contains(&Some(4)), "{lines:?}");
}

#[test]
fn pem_is_read_in_quotes_in_yaml_and_escaped() {
    let good = std::fs::read_to_string(samples().join("ed25519-public.pem")).unwrap();
    let json = serde_json::json!({ "key": good }).to_string();
    let yaml = format!(
        "key: |\n{}",
        good.lines()
            .map(|line| format!("    {line}\n"))
            .collect::<String>()
    );
    let java = good
        .lines()
        .map(|line| format!("        \"{line}\\n\" +\n"))
        .collect::<String>();
    let c = good
        .lines()
        .map(|line| format!("\"{line}\\n\"\n"))
        .collect::<String>();
    let python = good
        .lines()
        .map(|line| format!("    '{line}\\n'\n"))
        .collect::<String>();
    let comment = good
        .lines()
        .map(|line| format!("// {line}\n"))
        .collect::<String>();
    let windows = good.replace('\n', "\r\n");
    for text in [json, yaml, java, c, python, comment, windows] {
        assert_eq!(
            algorithms(&show(&Pem, "x", text.as_bytes())),
            ["Ed25519"],
            "{text}"
        );
    }
}

#[test]
fn post_quantum_and_composite_keys_are_named() {
    let composite = [
        &[0x30, 0x12, 0x30, 0x0a, 0x06, 0x08, 0x2b, 6, 1, 5, 5, 7, 6, 45][..],
        &[3, 4, 0, 1, 2, 3],
    ]
    .concat();
    let found = show(&Der, "composite.der", &composite);
    let names = algorithms(&found);
    for name in ["MLDSA65-ECDSA-P256-SHA512", "ML-DSA-65", "ECDSA-P-256-SHA-256"] {
        assert!(names.contains(&name), "{names:?}");
    }
    let unknown = [
        &[0x30, 0x0d, 0x30, 0x05, 0x06, 0x03, 0x2a, 0x03, 0x04][..],
        &[3, 4, 0, 1, 2, 3],
    ]
    .concat();
    assert_eq!(algorithms(&show(&Der, "unknown.der", &unknown)), ["1.2.3.4"]);
}

proptest! {
    #[test]
    fn no_bytes_make_a_scanner_panic(
        start in prop_oneof![
            Just(&b""[..]), Just(&b"0\x82"[..]), Just(&b"\xfe\xed\xfe\xed\0\0\0\x02\0\0\0\x03"[..]),
            Just(&b"\xce\xce\xce\xce\0\0\0\x02\0\0\0\x03"[..]), Just(&b"\x99\x01\x0d\x04"[..]), Just(&b"\xc6"[..]),
            Just(&b"-----BEGIN OPENSSH PRIVATE KEY-----\n"[..]), Just(&b"ssh-rsa AAAAB3NzaC1yc2E"[..]),
            Just(&b"{\"kty\":"[..]), Just(&b"PuTTY-User-Key-File-3: "[..]), Just(&b"\0\0\0\x20\x01\x01\0\0KBXf"[..]),
            Just(&b"0\x80\x02\x01\x03\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01"[..]),
        ],
        rest in proptest::collection::vec(any::<u8>(), 0..600),
    ) {
        let bytes = [start, &rest].concat();
        for scanner in file_scanners() {
            let found = show(scanner.as_ref(), "x.gpg", &bytes);
            prop_assert!(found.assets().len() <= 10_000);
        }
    }
}
