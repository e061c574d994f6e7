//! Composites: unknown to `cryptography`, and verified half by half with its components.

use serde_json::json;
use symbolon_interop::chain::WORKLOAD;
use symbolon_interop::revocation::Revocable;
use symbolon_pki::suite::Suite;

use crate::{
    by_suite, composites, form, in_the_id, in_the_signature, issue, peer, report, report_lists, turned,
};

#[test]
fn composites_are_unknown_and_do_no_harm() {
    let chains = issue(composites());
    let reports = report("chains.py", by_suite(&chains));
    for chain in &chains {
        let (suite, report) = (chain.suite, &reports[chain.suite.name()]);
        let unknown = format!(
            "UnsupportedAlgorithm: Unknown key type: {}",
            suite.signature_oid()
        );
        for finding in ["key", "public_key", "request"] {
            assert_eq!(report[finding], unknown, "{suite}: {report}");
        }
        assert!(report["path"].is_string(), "{suite}: {report}");
        assert_eq!(report["leaf"]["uris"], json!([WORKLOAD]), "{suite}: {report}");
    }
}

// By a verifier put together from the draft's text and `cryptography`'s components.

#[test]
fn both_halves_of_composites_are_verified() {
    verify_both_halves(composites());
}

#[test]
#[ignore = "makes many RSA keys; run by cargo xtask interop"]
fn both_halves_of_all_other_composites_are_verified() {
    let others = Suite::ALL
        .into_iter()
        .filter(|suite| suite.is_composite() && !Suite::DEFAULTS.contains(suite));
    verify_both_halves(others);
}

fn verify_both_halves(suites: impl Iterator<Item = Suite>) {
    let peer = peer();
    let chains = issue(suites);
    let reports = report("composites.py", by_suite(&chains));
    let both = json!({ "post_quantum": true, "classical": true });
    for chain in &chains {
        let (suite, report) = (chain.suite, &reports[chain.suite.name()]);
        for part in ["leaf", "intermediate", "root", "request"] {
            assert_eq!(report[part], both, "{suite}, {part}");
        }
        let signed = hex::decode(report["signed"].as_str().unwrap()).unwrap();
        let public = chain.key.public_key().unwrap();
        public.verify(b"signed by both halves", &signed).unwrap();
        public.verify(b"signed by neither", &signed).unwrap_err();
        for direction in ["chain", "our-request", "our-key", "their-signature"] {
            peer.shows(direction, &form(suite), "ok, half by half").unwrap();
        }
    }
}

#[test]
fn both_halves_of_revocation_lists_are_verified() {
    let peer = peer();
    let all: Vec<Revocable> = composites()
        .map(|suite| Revocable::issue(suite).unwrap())
        .collect();
    let reports = report_lists("composites.py", &all);
    for (number, revocable) in all.iter().enumerate() {
        let form = &*revocable.chain.form;
        let both = json!([{ "post_quantum": true, "classical": true }]);
        assert_eq!(reports[number.to_string()]["crl"], both, "{form}");
        peer.shows("crl", form, "ok, half by half").unwrap();
    }
}

#[test]
fn each_half_of_a_composite_is_refused_alone() {
    let chains = issue(composites());
    let mut bad = Vec::new();
    for chain in &chains {
        // The ML-DSA half comes first; the other one ends the certificate.
        let first = turned(chain, "leaf", |certificate| in_the_signature(certificate, 100));
        bad.push((format!("{}-first", chain.suite), (false, true), first));
        let second = turned(chain, "leaf", |certificate| certificate.der().len() - 10);
        bad.push((format!("{}-second", chain.suite), (true, false), second));
        let content = turned(chain, "leaf", in_the_id);
        bad.push((format!("{}-content", chain.suite), (false, false), content));
    }
    let reports = report(
        "composites.py",
        bad.iter().map(|(name, _, chain)| (name.clone(), chain)),
    );
    for (name, (post_quantum, classical), _) in &bad {
        let expected = json!({ "post_quantum": post_quantum, "classical": classical });
        assert_eq!(reports[name]["leaf"], expected, "{name}");
    }
}
