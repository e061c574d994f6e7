//! The certificates that a transcript holds, against what it says of them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use symbolon_crypto::digest;
use symbolon_pki::certificate::Certificate;
use symbolon_pki::csr::Csr;
use symbolon_pki::key::SubjectKey;
use symbolon_pki::names;

use super::super::event::{CertificateIntended, CertificateMade, KeyMade};
use super::super::plan::Plan;
use super::super::policy::{self, Taken};
use super::super::root;

/// Whether what was made is what was intended.
pub(super) fn check_intended(intended: &CertificateIntended, made: &CertificateMade) -> Result<(), String> {
    if (intended.purpose, &intended.name) != (made.purpose, &made.name) {
        return Err("it is not the certificate that was intended".to_owned());
    }
    let certificate = read(made)?;
    if hex::encode(digest::sha256(certificate.tbs_der())) != intended.tbs_sha256 {
        return Err("what was signed is not what was intended".to_owned());
    }
    if certificate.serial_hex() != intended.serial {
        return Err("it has another serial number than was intended".to_owned());
    }
    Ok(())
}

fn read(made: &CertificateMade) -> Result<Certificate, String> {
    let der = STANDARD
        .decode(&made.certificate)
        .map_err(|_| "the certificate is not base64")?;
    if hex::encode(digest::sha256(&der)) != made.sha256 {
        return Err("the certificate does not have the hash that is given for it".to_owned());
    }
    Certificate::from_der(&der).map_err(|error| error.to_string())
}

/// The root, if it is the one that the ceremony's file wants, over the keys that were made.
pub(super) fn root(
    plan: &Plan,
    dry_run: bool,
    keys: &[KeyMade],
    made: &CertificateMade,
) -> Result<Certificate, String> {
    let certificate = read(made)?;
    let key = certificate.subject_key().map_err(|error| error.to_string())?;
    let found: Vec<String> = key.component_spki_hashes().iter().map(hex::encode).collect();
    if !found.iter().eq(keys.iter().map(|key| &key.spki_sha256)) {
        return Err("the root's keys are not those that were made for it".to_owned());
    }
    let SubjectKey::Suite(suite_key) = key else {
        return Err("the root has no key of a suite".to_owned());
    };
    let organization = names::attribute(
        certificate.inner().tbs_certificate().subject(),
        root::ORGANIZATION_OID,
    );
    let claims = [
        (suite_key.suite() == plan.root.suite, "suite"),
        (certificate.is_ca(), "use: it is no authority's"),
        (
            certificate.path_len() == Some(plan.root.path_length),
            "path length",
        ),
        (policy::lifetime(&certificate) == plan.root.lifetime, "lifetime"),
        (root::constrains_as_planned(plan, &certificate), "scope of names"),
        (
            certificate
                .spiffe_id()
                .is_ok_and(|id| *id.trust_domain() == plan.trust_domain && id.path().is_empty()),
            "trust domain",
        ),
        (
            organization.as_deref() == Some(&root::organization(plan, dry_run)),
            "organization",
        ),
    ];
    if let Some((_, what)) = claims.into_iter().find(|(holds, _)| !holds) {
        return Err(format!("the ceremony's file wants a root of another {what}"));
    }
    certificate
        .verify_signature(key)
        .map_err(|error| format!("the root's own signature: {error}"))?;
    Ok(certificate.clone())
}

/// An intermediate with its key, if its request was good, the policy allows it, and the root signed it.
pub(super) fn intermediate(
    plan: &Plan,
    taken: &Taken,
    root: &Certificate,
    intended: &CertificateIntended,
    made: &CertificateMade,
) -> Result<(Certificate, SubjectKey), String> {
    let csr = made.csr.as_ref().ok_or("an intermediate has a request")?;
    let csr = STANDARD.decode(csr).map_err(|_| "the request is not base64")?;
    if Some(hex::encode(digest::sha256(&csr))) != intended.csr_sha256 {
        return Err("the request is not the one that was intended".to_owned());
    }
    let csr = Csr::from_der(&csr).map_err(|error| error.to_string())?;
    policy::check(plan, taken, &made.name, &csr).map_err(|error| error.to_string())?;
    let certificate = read(made)?;
    policy::check_certificate(plan, &certificate).map_err(|error| error.to_string())?;
    if certificate.subject_key().ok() != Some(csr.key()) {
        return Err("the certificate is for another key than the request's".to_owned());
    }
    root::verify_below(plan, root, &certificate, certificate.not_before())
        .map_err(|error| format!("it is not that of an authority below this root: {error}"))?;
    if certificate.not_after() > root.not_after() {
        return Err("it would outlive the root".to_owned());
    }
    Ok((certificate, csr.key().clone()))
}
