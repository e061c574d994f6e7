//! Evidence of how keys are held: made, and verified.

use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context as _, Result};
use serde::Serialize;
use symbolon_crypto::digest::sha256;
use symbolon_hsm::custody::{self, Challenge, Evidence, Expectations, Finding, Refusal, Statement};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::pem;
use symbolon_pki::time::rfc3339;

use super::place::Place;
use super::{blocking, one, view};
use crate::args::Common;
use crate::args::key::KeyArgs;
use crate::commands::read_input;
use crate::exit::{NotVerified, Usage};
use crate::output::{Format, Show, escaped, facts, print, table};

pub(super) async fn run(common: &Common, key: KeyArgs, challenge: Option<Challenge>) -> Result<()> {
    let place = Place::find(common, &key.store)?;
    let made = blocking(move || {
        let (store, info) = one(&place, &key)?;
        Ok(Evidence::make(
            &*store,
            &info.id,
            challenge,
            &rfc3339(SystemTime::now()),
        )?)
    })
    .await?;
    if let Some(reason) = made.uncertified() {
        anstream::eprintln!("warning: not certified by the TPM: {reason}");
    }
    // JSON whatever was asked for: this is a document, not an answer about one.
    print(&escaped(&serde_json::to_string_pretty(&made)?))
}

/// Verifies, and says what each part proves.
pub(super) fn verify(
    output: Format,
    file: &Path,
    challenge: Option<&Challenge>,
    attestation_key: Option<&str>,
    certificate: Option<&Path>,
) -> Result<()> {
    let expected = Expectations {
        challenge,
        attestation_key,
    };
    let verified = custody::verify(&read_input(file)?, expected).map_err(|refusal| match refusal {
        Refusal::Length | Refusal::Document(_) | Refusal::Version { .. } => {
            anyhow::Error::from(Usage(format!("{}: {refusal}", file.display())))
        }
        refusal => NotVerified(refusal.to_string()).into(),
    })?;
    let spki = view::spki(&verified.public_key)?;
    let spki_sha256 = sha256(&spki);
    let certificate = certificate
        .map(|path| in_certificate(path, &spki_sha256))
        .transpose()?;
    output.print(&Answer {
        verified: true,
        spki_sha256: hex::encode(spki_sha256),
        certificate,
        statement: verified.statement,
        findings: verified.findings,
    })
}

/// Makes sure that the key is that of a certificate, or half of it; returns its subject's key in words.
fn in_certificate(path: &Path, spki_sha256: &[u8; 32]) -> Result<String> {
    let bytes = read_input(path)?;
    let certificate = match pem::looks_like_pem(&bytes) {
        true => pem::certificates(&bytes)
            .map_err(anyhow::Error::from)?
            .into_iter()
            .next()
            .context(Usage(format!("{} has no certificate", path.display())))??,
        false => Certificate::from_der(&bytes)?,
    };
    let key = certificate
        .subject_key()
        .map_err(|error| Usage(format!("{}: {error}", path.display())))?;
    let halves = key.component_spki_hashes();
    match halves.iter().position(|hash| hash == spki_sha256) {
        Some(_) if halves.len() == 1 => Ok(format!("the key of {}", path.display())),
        Some(index) => Ok(format!("half {} of the key of {}", index + 1, path.display())),
        None => Err(NotVerified(format!(
            "the evidence is about another key than {} has",
            path.display()
        ))
        .into()),
    }
}

/// Evidence that holds.
#[derive(Serialize)]
struct Answer {
    verified: bool,
    spki_sha256: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<String>,
    statement: Statement,
    findings: Vec<Finding>,
}

impl Show for Answer {
    fn text(&self) -> String {
        let mut rows = vec![
            ("verified", "yes".to_owned()),
            (
                "key",
                format!("{} {}", self.statement.algorithm, self.statement.key_id),
            ),
            ("label", self.statement.label.clone()),
            ("SPKI SHA-256", self.spki_sha256.clone()),
            ("held by", self.statement.holder.kind().to_owned()),
        ];
        rows.extend(self.certificate.clone().map(|words| ("certificate", words)));
        let findings = self.findings.iter().map(|finding| {
            [
                finding.part.to_owned(),
                finding.weight.as_str().to_owned(),
                finding.words.clone(),
            ]
        });
        format!(
            "{}\n{}",
            facts(&rows),
            table(["part", "is", "what it shows"], findings)
        )
    }
}
