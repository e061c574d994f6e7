//! `symbolon lint`: files in, findings and an exit code out.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use spiffe::{SpiffeId, TrustDomain};
use support::{Home, check_schema, said};
use symbolon_issuance::{
    Authority, AuthoritySpec, Beside, Serial, SvidProfile, SvidRequest, prepare_authority, prepare_svid,
};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::csr::CsrBuilder;
use symbolon_pki::key::{PrivateKey, SubjectKey};
use symbolon_pki::pem;
use symbolon_pki::suite::Suite;

/// An SVID, its authority and a request, as DER.
struct Issued {
    leaf: Vec<u8>,
    root: Vec<u8>,
    request: Vec<u8>,
}

fn issue(suite: Suite) -> Issued {
    let serial = || Serial::random(symbolon_crypto::random::fill).unwrap();
    let (now, ttl) = (SystemTime::now(), Duration::from_secs(3600));
    let signer = PrivateKey::generate(suite).unwrap().signer().unwrap();
    let spec = AuthoritySpec {
        trust_domain: &TrustDomain::new("example.org").unwrap(),
        ttl,
        path_len: None,
    };
    let root = prepare_authority(&spec, &signer, serial(), now)
        .unwrap()
        .sign(&signer)
        .unwrap();
    let authority = Authority::new(Certificate::from_der(root.der()).unwrap(), signer).unwrap();
    let key = PrivateKey::generate(suite).unwrap().signer().unwrap();
    let request = SvidRequest {
        profile: SvidProfile::Workload,
        spiffe_id: &SpiffeId::new("spiffe://example.org/web").unwrap(),
        key: &SubjectKey::Suite(key.public_key().clone()),
        beside: Beside::Nothing,
        dns_names: &[],
        ttl,
        serial: serial(),
        now,
    };
    let leaf = prepare_svid(&authority, &request)
        .unwrap()
        .sign(&authority)
        .unwrap();
    Issued {
        leaf: leaf.into_der(),
        root: root.into_der(),
        request: CsrBuilder::new(&key).build().unwrap(),
    }
}

fn write(home: &Home, name: &str, content: &[u8]) -> String {
    let path = home.path().join(name);
    std::fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The certificate with the wrong use of its key: keyAgreement as well, which ML-DSA cannot do.
fn misused(leaf: &[u8]) -> Vec<u8> {
    let right = [0x06, 3, 0x55, 0x1d, 15, 1, 1, 0xff, 4, 4, 3, 2, 7, 0x80];
    let at = leaf
        .windows(right.len())
        .position(|window| window == right)
        .unwrap();
    let mut wrong = leaf.to_vec();
    wrong[at + 12] = 3;
    wrong[at + 13] = 0x88;
    wrong
}

#[test]
fn what_we_issue_is_clean_by_every_profile() {
    let home = Home::new();
    let mut files = Vec::new();
    for suite in [Suite::EcdsaP256, Suite::MlDsa44, Suite::MlDsa65EcdsaP256] {
        let issued = issue(suite);
        let chain = [
            pem::encode("CERTIFICATE", &issued.leaf),
            pem::encode("CERTIFICATE", &issued.root),
        ];
        files.push(write(
            &home,
            &format!("{suite}.pem"),
            chain.map(|pem| pem.to_string()).concat().as_bytes(),
        ));
        files.push(write(&home, &format!("{suite}.csr"), &issued.request));
    }
    for profile in ["auto", "any", "symbolon"] {
        let mut arguments = vec!["lint", "--strict", "--profile", profile];
        arguments.extend(files.iter().map(String::as_str));
        let answer = home.json(&arguments);
        check_schema("lint", &answer);
        assert_eq!(answer["summary"]["documents"], 9, "{answer:#}");
        for kind in ["errors", "warnings", "notices"] {
            assert_eq!(answer["summary"][kind], 0, "{answer:#}");
        }
    }
}

#[test]
fn a_finding_says_what_where_why_and_what_to_do() {
    let home = Home::new();
    let file = write(&home, "wrong.der", &misused(&issue(Suite::MlDsa44).leaf));
    let output = home.run(&["lint", &file]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(3), "{text}");
    for words in [
        "wrong.der: certificate spiffe://example.org/web (svid)",
        "error    rfc9881/key-usage-forbidden",
        "extensions.keyUsage (2.5.29.15) at byte",
        "found   it has keyAgreement",
        "RFC 9881, section 5",
        "take the other bits away",
        "1 error, 0 warnings and 0 notices in 1 document",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");

    let output = home.run(&["lint", "--output", "json", &file]);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    check_schema("lint", &answer);
    let finding = &answer["documents"][0]["findings"][0];
    assert_eq!(finding["rule"], "rfc9881/key-usage-forbidden", "{answer:#}");
    assert_eq!(finding["severity"], "error", "{answer:#}");
    assert_eq!(finding["oid"], "2.5.29.15", "{answer:#}");
}

#[test]
fn neither_a_bad_block_nor_a_bad_file_hides_the_others() {
    let home = Home::new();
    let good = issue(Suite::EcdsaP256);
    let mixed = [
        pem::encode("CERTIFICATE", &good.leaf[..good.leaf.len() - 1]).to_string(),
        "-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----\n".to_owned(),
        pem::encode("CERTIFICATE", &good.root).to_string(),
    ]
    .concat();
    let mixed = write(&home, "mixed.pem", mixed.as_bytes());
    let words = write(&home, "words.txt", b"no certificate at all");
    let clean = write(&home, "clean.der", &good.leaf);

    let (code, text) = home.fails(&["lint", &clean, &words, "/nowhere/at-all.pem"]);
    assert_eq!(code, 1, "{text}");
    let output = home.run(&[
        "lint",
        "--output",
        "json",
        &words,
        &mixed,
        "/nowhere/at-all.pem",
        &clean,
    ]);
    assert_eq!(output.status.code(), Some(3), "errors weigh more");
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    check_schema("lint", &answer);
    let rules: Vec<Vec<&str>> = answer["documents"]
        .as_array()
        .unwrap()
        .iter()
        .map(|document| {
            let findings = document["findings"].as_array().unwrap();
            findings
                .iter()
                .map(|finding| finding["rule"].as_str().unwrap())
                .collect()
        })
        .collect();
    assert_eq!(
        rules,
        [vec!["der/truncated"], vec!["input/block"], vec![], vec![]],
        "{answer:#}"
    );
    let unreadable = answer["unreadable"].as_array().unwrap();
    assert_eq!(unreadable.len(), 2, "{answer:#}");
    assert!(
        unreadable[0]["problem"].as_str().unwrap().contains("none of"),
        "{answer:#}"
    );
    assert!(
        unreadable[1]["problem"].as_str().unwrap().contains("cannot read"),
        "{answer:#}"
    );
}

#[test]
fn warnings_count_only_where_asked() {
    let home = Home::new();
    // Without extKeyUsage an SVID lacks what it should have, and no more.
    let leaf = issue(Suite::EcdsaP256).leaf;
    let renamed = {
        let purposes = [0x06, 3, 0x55, 0x1d, 37];
        let at = leaf
            .windows(purposes.len())
            .position(|window| window == purposes)
            .unwrap();
        let mut renamed = leaf;
        renamed[at + 4] = 99;
        renamed
    };
    let file = write(&home, "leaf.der", &renamed);
    let answer = home.json(&["lint", &file]);
    assert_eq!(answer["summary"]["warnings"], 1, "{answer:#}");
    assert_eq!(
        answer["documents"][0]["findings"][0]["rule"],
        "spiffe/ext-key-usage-missing"
    );
    let (code, text) = home.fails(&["lint", "--strict", &file]);
    assert_eq!(code, 3, "{text}");
}

#[test]
fn the_page_of_rules_is_the_list_of_rules() {
    let home = Home::new();
    let listed = home.json(&["lint", "--list-rules"]);
    let text = home.ok(&["lint", "--list-rules"]);
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    let page = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../docs/src/reference/lint-rules.md"
    ))
    .unwrap();
    let written: BTreeSet<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
    let rows: BTreeSet<String> = listed["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| {
            let field = |name: &str| rule[name].as_str().unwrap().to_owned();
            assert!(text.contains(&field("rule")));
            format!(
                "| `{}` | {} | {} | {} | {} |",
                field("rule"),
                field("severity"),
                field("says"),
                field("advice"),
                field("source")
            )
        })
        .collect();
    assert_eq!(written, rows.iter().map(String::as_str).collect());
}
