//! What a ceremony came to, for people and for scripts.

use std::path::PathBuf;

use serde::Serialize;
use symbolon_ca::ceremony::{Audit, Outcome};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::time::rfc3339;

use crate::output::{Show, facts, printable, table};

/// Members are stable.
#[derive(Serialize)]
pub(super) struct Report {
    /// Of a dry run there is nothing that could be.
    verified: bool,
    dry_run: bool,
    ceremony: String,
    trust_domain: String,
    /// Absent when a transcript alone was verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    dir: Option<PathBuf>,
    root: Signed,
    suite: String,
    keys: Vec<Key>,
    quorum: u8,
    custodians: usize,
    intermediates: Vec<Signed>,
    sessions: Vec<Sitting>,
    events: u64,
    /// Names the transcript as it is now.
    head: String,
    shares: Vec<Share>,
    /// Written now.
    files: Vec<PathBuf>,
}

#[derive(Serialize)]
struct Signed {
    name: String,
    authority_id: String,
    sha256: String,
    not_after: String,
}

#[derive(Serialize)]
struct Key {
    component: String,
    store: String,
    /// `model serial` of a token; `manufacturer model firmware` of a TPM.
    token: Option<String>,
    spki_sha256: String,
}

#[derive(Serialize)]
struct Sitting {
    begun: String,
    first_event: u64,
    last_event: u64,
    custodians: Vec<String>,
    closed: bool,
}

#[derive(Serialize)]
struct Share {
    custodian: String,
    path: PathBuf,
}

fn signed(name: &str, certificate: &Certificate) -> Signed {
    Signed {
        name: name.to_owned(),
        authority_id: certificate.skid().map(ToString::to_string).unwrap_or_default(),
        sha256: hex::encode(certificate.sha256()),
        not_after: rfc3339(certificate.not_after()),
    }
}

impl Report {
    /// Of a transcript that was verified.
    pub(super) fn of_audit(audit: &Audit) -> Self {
        let token = |store: &str| {
            let opened = audit
                .stores
                .iter()
                .find(|opened| opened.store.as_str() == store)?;
            match (&opened.token, &opened.tpm) {
                (Some(token), _) => Some(format!("{} {}", token.model, token.serial)),
                (None, Some(tpm)) => Some(format!(
                    "{} {} {}",
                    tpm.manufacturer, tpm.model, tpm.firmware_version
                )),
                (None, None) => None,
            }
        };
        Self {
            verified: !audit.dry_run,
            dry_run: audit.dry_run,
            ceremony: audit.ceremony.clone(),
            trust_domain: audit.plan.trust_domain.to_string(),
            dir: None,
            root: signed("root", &audit.root),
            suite: audit.plan.root.suite.to_string(),
            keys: audit
                .keys
                .iter()
                .map(|key| Key {
                    component: key.component.name().to_owned(),
                    store: key.store.to_string(),
                    token: token(key.store.as_str()),
                    spki_sha256: key.spki_sha256.clone(),
                })
                .collect(),
            quorum: audit.plan.quorum,
            custodians: audit.plan.custodians.len(),
            intermediates: audit
                .intermediates
                .iter()
                .map(|one| signed(one.name.as_str(), &one.certificate))
                .collect(),
            sessions: audit
                .sessions
                .iter()
                .map(|session| Sitting {
                    begun: session.begun.clone(),
                    first_event: session.first,
                    last_event: session.last,
                    custodians: session.custodians.iter().map(ToString::to_string).collect(),
                    closed: session.closed,
                })
                .collect(),
            events: audit.events,
            head: audit.head.clone(),
            shares: Vec::new(),
            files: Vec::new(),
        }
    }

    /// Of what was just done.
    pub(super) fn of_run(outcome: &Outcome) -> Self {
        Self {
            dir: Some(outcome.dir.clone()),
            files: outcome.files.clone(),
            shares: outcome
                .shares
                .iter()
                .map(|(custodian, path)| Share {
                    custodian: custodian.to_string(),
                    path: path.clone(),
                })
                .collect(),
            ..Self::of_audit(&outcome.audit)
        }
    }
}

impl Show for Report {
    fn text(&self) -> String {
        let mut rows = vec![];
        if self.dry_run {
            rows.push(("dry run", "nothing was kept".to_owned()));
        } else {
            rows.push(("verified", "yes".to_owned()));
        }
        rows.extend(
            self.dir
                .as_ref()
                .map(|dir| ("directory", dir.display().to_string())),
        );
        rows.extend([
            ("ceremony", self.ceremony.clone()),
            ("trust domain", self.trust_domain.clone()),
            ("root", format!("{} {}", self.suite, self.root.authority_id)),
            ("sha-256", self.root.sha256.clone()),
            ("expires", self.root.not_after.clone()),
            (
                "quorum",
                format!("{} of {} custodians", self.quorum, self.custodians),
            ),
            (
                "transcript",
                format!("{} events, head {}", self.events, self.head),
            ),
        ]);
        let mut text = facts(&rows);
        text.push('\n');
        text.push_str(&table(
            ["key", "store", "token"],
            self.keys.iter().map(|key| {
                let token = key.token.as_deref().map_or_else(|| "-".to_owned(), printable);
                [key.component.clone(), key.store.clone(), token]
            }),
        ));
        text.push('\n');
        text.push_str(&table(
            ["session", "events", "closed", "custodians"],
            self.sessions.iter().map(|session| {
                let closed = if session.closed { "yes" } else { "no, by the next" };
                [
                    session.begun.clone(),
                    format!("{}-{}", session.first_event, session.last_event),
                    closed.to_owned(),
                    session.custodians.join(", "),
                ]
            }),
        ));
        if !self.intermediates.is_empty() {
            text.push('\n');
            text.push_str(&table(
                ["intermediate", "expires", "authority"],
                self.intermediates
                    .iter()
                    .map(|one| [one.name.clone(), one.not_after.clone(), one.authority_id.clone()]),
            ));
        }
        let share_is = if self.dry_run { "would be" } else { "is" };
        for share in &self.shares {
            let path = share.path.display();
            text.push_str(&format!("\nthe share of {} {share_is} {path}", share.custodian));
        }
        for file in &self.files {
            text.push_str(&format!("\nwrote {}", file.display()));
        }
        text
    }
}
