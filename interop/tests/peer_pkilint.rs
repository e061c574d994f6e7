//! pkilint on everything that we issue: each certificate of each form, and the revocation lists.
//!
//! What it finds has to stand in `interop/pkilint/exceptions.tsv`, with the reason why we keep it; and what stands there
//! has to be found.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use spiffe::SpiffeId;
use symbolon_interop::cells::Peer;
use symbolon_interop::chain::{Chain, Issuer};
use symbolon_interop::programs;
use symbolon_issuance::crl::{CrlRequest, Revoked, prepare_crl};
use symbolon_issuance::lint::{self, Scope};
use symbolon_issuance::{Authority, Beside, Serial, SvidProfile, SvidRequest, prepare_svid};
use symbolon_pki::crl::RevocationReason;
use symbolon_pki::key::{PrivateKey, SubjectKey};
use symbolon_pki::suite::{Form, Suite};
use tempfile::TempDir;

const HOUR: Duration = Duration::from_secs(3_600);

/// Something that we issued.
struct Document {
    /// As the interop table has it: `ml-dsa/ml-dsa-65`.
    form: String,
    /// What it is: `leaf`, `authority`, `crl`.
    kind: &'static str,
    /// Which one of its kind.
    name: &'static str,
    der: Vec<u8>,
}

/// A line of the exceptions: a code, on what kind of document it may come up, and how its message has to begin.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Exception {
    code: String,
    kind: String,
    message: String,
}

fn exceptions() -> BTreeSet<Exception> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("pkilint/exceptions.tsv");
    let text = fs::read_to_string(path).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("code\tkind\tmessage\treason"));
    let mut found = BTreeSet::new();
    for line in lines {
        let [code, kind, message, reason] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("not four columns: {line}")
        };
        assert!(["leaf", "authority", "crl"].contains(&kind), "{line}");
        assert!(reason.split(' ').count() > 3, "a reason is a sentence: {line}");
        let exception = Exception {
            code: code.to_owned(),
            kind: kind.to_owned(),
            message: message.to_owned(),
        };
        assert!(found.insert(exception), "twice: {line}");
    }
    found
}

/// The certificates of a chain.
fn chain(chain: Chain) -> Vec<Document> {
    let kinds = [
        ("leaf", "workload"),
        ("authority", "intermediate"),
        ("authority", "root"),
    ];
    let ders = [chain.leaf, chain.intermediate, chain.root];
    kinds
        .into_iter()
        .zip(ders)
        .map(|((kind, name), der)| Document {
            form: chain.form.clone(),
            kind,
            name,
            der,
        })
        .collect()
}

/// Chains of every suite, every pair and every catalyst combination that there is. What only roots are made of stands
/// above what SVIDs are made of.
fn chains() -> Vec<Document> {
    let mut all = Vec::new();
    for suite in Suite::ALL {
        let made = match suite.form() {
            _ if suite.is_for_svids() => Chain::issue(suite),
            Form::Classical => Chain::rooted(suite, Suite::EcdsaP256),
            _ => Chain::rooted(suite, Suite::MlDsa44),
        };
        let form = format!("{}/{suite}", suite.form());
        all.extend(chain(Chain {
            form,
            ..made.unwrap()
        }));
    }
    for native in [Suite::EcdsaP256, Suite::EcdsaP384] {
        for alternative in [Suite::MlDsa44, Suite::MlDsa65, Suite::MlDsa87] {
            let form = format!("{}/{native} with {alternative}", Form::Catalyst);
            let catalyst = Chain::catalyst(native, alternative).unwrap();
            all.extend(chain(Chain { form, ..catalyst }));
            for half in Chain::paired(native, alternative).unwrap() {
                let form = format!("{}/{native} and {alternative}", Form::Paired);
                all.extend(chain(Chain { form, ..half }));
            }
        }
    }
    all
}

/// What else each family issues: agents, servers, workloads with DNS names, and revocation lists.
fn others() -> Vec<Document> {
    let issuers = [
        ("classical/ecdsa-p256", Issuer::new(Suite::EcdsaP256)),
        ("ml-dsa/ml-dsa-65", Issuer::new(Suite::MlDsa65)),
        (
            "composite/mldsa65-ecdsa-p256",
            Issuer::new(Suite::MlDsa65EcdsaP256),
        ),
        (
            "catalyst/ecdsa-p256 with ml-dsa-65",
            Issuer::catalyst(Suite::EcdsaP256, Suite::MlDsa65),
        ),
    ];
    let dns_names = ["web.example.org".to_owned(), "web".to_owned()];
    let mut all = Vec::new();
    for (form, issuer) in issuers {
        let authority = issuer.unwrap().below;
        for (name, profile, path, dns_names) in [
            ("server", SvidProfile::Server, "/spire/server", &[][..]),
            ("agent", SvidProfile::Agent, "/spire/agent/join_token/abc", &[]),
            ("named", SvidProfile::Workload, "/web", &dns_names),
        ] {
            let alternative = authority.alternative().map(|signer| new_key(signer.suite()));
            let request = Wanted {
                profile,
                path,
                dns_names,
                key: &new_key(authority.suite()),
                alternative: alternative.as_ref(),
            };
            all.push(Document {
                form: form.to_owned(),
                kind: "leaf",
                name,
                der: request.issue(&authority),
            });
        }
        for (name, count) in [("empty", 0), ("revoking", 3)] {
            all.push(Document {
                form: form.to_owned(),
                kind: "crl",
                name,
                der: revocation_list(&authority, count),
            });
        }
    }
    // An RSA key, which enciphers too.
    let rsa = include_bytes!("../../issuance/tests/data/rsa-2048.spki.der");
    let request = Wanted {
        profile: SvidProfile::Workload,
        path: "/rsa",
        dns_names: &[],
        key: &SubjectKey::from_spki_der(rsa).unwrap(),
        alternative: None,
    };
    all.push(Document {
        form: "classical/ecdsa-p256".to_owned(),
        kind: "leaf",
        name: "rsa",
        der: request.issue(&Issuer::new(Suite::EcdsaP256).unwrap().below),
    });
    all
}

struct Wanted<'a> {
    profile: SvidProfile,
    path: &'a str,
    dns_names: &'a [String],
    key: &'a SubjectKey,
    alternative: Option<&'a SubjectKey>,
}

impl Wanted<'_> {
    fn issue(&self, authority: &Authority) -> Vec<u8> {
        let request = SvidRequest {
            profile: self.profile,
            spiffe_id: &SpiffeId::new(format!("spiffe://example.org{}", self.path)).unwrap(),
            key: self.key,
            beside: self.alternative.map_or(Beside::Nothing, Beside::Alternative),
            dns_names: self.dns_names,
            ttl: HOUR,
            serial: serial(),
            now: SystemTime::now(),
        };
        let linted = prepare_svid(authority, &request).unwrap();
        linted.sign(authority).unwrap().into_der()
    }
}

fn revocation_list(authority: &Authority, count: usize) -> Vec<u8> {
    let now = SystemTime::now();
    let reasons = [
        RevocationReason::Unspecified,
        RevocationReason::KeyCompromise,
        RevocationReason::Superseded,
    ];
    let revoked: Vec<Revoked> = reasons
        .into_iter()
        .take(count)
        .map(|reason| Revoked {
            serial: serial(),
            at: now,
            reason,
            invalid_since: (reason == RevocationReason::KeyCompromise).then_some(now - HOUR),
        })
        .collect();
    let request = CrlRequest {
        number: 7,
        revoked: &revoked,
        ttl: HOUR,
        now,
    };
    let linted = prepare_crl(authority, &request).unwrap();
    linted.sign(authority).unwrap().der().to_vec()
}

fn new_key(suite: Suite) -> SubjectKey {
    SubjectKey::Suite(PrivateKey::generate(suite).unwrap().public_key().unwrap())
}

fn serial() -> Serial {
    Serial::random(symbolon_crypto::random::fill).unwrap()
}

/// Has pkilint look at documents, by file name.
fn report(folder: &Path, documents: &[(String, &[u8])]) -> Value {
    for (name, der) in documents {
        fs::write(folder.join(name), der).unwrap();
    }
    let mut command = programs::python("../pkilint/lint.py").unwrap();
    programs::json(command.arg(folder)).unwrap()
}

#[test]
#[ignore = "makes RSA and SLH-DSA keys of every size; run by cargo xtask interop"]
fn every_finding_has_its_reason_and_every_reason_its_finding() {
    let documents: Vec<Document> = chains().into_iter().chain(others()).collect();
    let forms: BTreeSet<&str> = documents
        .iter()
        .filter_map(|document| document.form.split_once('/').map(|(form, _)| form))
        .collect();
    let every: BTreeSet<&str> = Form::ALL.iter().map(|form| form.name()).collect();
    assert_eq!(forms, every, "a form is not linted");

    // Our own linter first, which knows them all.
    for document in &documents {
        let report = match document.kind {
            "crl" => lint::lint_crl(&document.der),
            _ => lint::lint_certificate(&document.der, Scope::Symbolon),
        };
        assert!(report.findings.is_empty(), "{}: {report:#?}", document.form);
    }

    let name = |number: usize, kind: &str| format!("{number}.{}", if kind == "crl" { "crl" } else { "der" });
    let files: Vec<(String, &[u8])> = documents
        .iter()
        .enumerate()
        .map(|(number, document)| (name(number, document.kind), document.der.as_slice()))
        .collect();
    let folder = TempDir::new().unwrap();
    let report = report(folder.path(), &files);

    let exceptions = exceptions();
    let mut used = BTreeSet::new();
    let mut unexpected: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (number, document) in documents.iter().enumerate() {
        let findings = report["documents"][name(number, document.kind)]
            .as_array()
            .unwrap();
        for finding in findings {
            let text = |name: &str| finding[name].as_str().unwrap_or_default();
            let excepted = exceptions.iter().find(|exception| {
                exception.code == text("code")
                    && exception.kind == document.kind
                    && text("message").starts_with(&exception.message)
            });
            if let Some(exception) = excepted {
                used.insert(exception.clone());
            } else {
                let what = format!(
                    "{} {} at {}: {}",
                    text("severity"),
                    text("code"),
                    text("path"),
                    text("message")
                );
                let who = format!("{} {} of {}", document.kind, document.name, document.form);
                unexpected.entry(what).or_default().push(who);
            }
        }
    }
    assert!(unexpected.is_empty(), "found without a reason: {unexpected:#?}");
    assert_eq!(used, exceptions, "reasons that nothing needs");

    let peer = Peer::new("pkilint", report["version"].as_str().unwrap());
    let forms: BTreeSet<&str> = documents.iter().map(|document| document.form.as_str()).collect();
    for form in forms {
        peer.shows("lint", form, "nothing without a reason").unwrap();
    }
}

/// It does look: what is wrong with a certificate is found.
#[test]
#[ignore = "needs pkilint; run by cargo xtask interop"]
fn a_wrong_certificate_is_found() {
    let leaf = Chain::issue(Suite::EcdsaP256).unwrap().leaf;
    // keyCertSign for a leaf, where digitalSignature was.
    let right = [0x06, 3, 0x55, 0x1d, 15, 1, 1, 0xff, 4, 4, 3, 2, 7, 0x80];
    let at = leaf
        .windows(right.len())
        .position(|window| window == right)
        .unwrap();
    let mut wrong = leaf.clone();
    wrong[at + 12] = 2;
    wrong[at + 13] = 0x04;
    let folder = TempDir::new().unwrap();
    let files = [
        ("right.der".to_owned(), &leaf[..]),
        ("wrong.der".to_owned(), &wrong),
    ];
    let report = report(folder.path(), &files);
    let codes = |name: &str| -> BTreeSet<String> {
        let findings = report["documents"][name].as_array().unwrap();
        let codes = findings
            .iter()
            .map(|finding| finding["code"].as_str().unwrap().to_owned());
        codes.collect()
    };
    let more: Vec<String> = codes("wrong.der")
        .difference(&codes("right.der"))
        .cloned()
        .collect();
    assert!(more.iter().any(|code| code.contains("keycertsign")), "{more:?}");
}
