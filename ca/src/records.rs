//! From what `symbolon-issuance` says of a certificate to what the datastore keeps of it.

use std::time::SystemTime;

use symbolon_issuance::{Facts, IssuedCertificate};

use crate::datastore::{
    CertificateIntent, CertificateProfile, IssuedRecord, Result as StoreResult, SerialNumber,
};

/// The intent to sign a certificate with these facts.
///
/// # Errors
/// [`DatastoreError::Invalid`](crate::datastore::DatastoreError) for a serial the datastore cannot keep, which a
/// linted certificate never has.
pub(crate) fn intent_of(
    facts: &Facts,
    profile: CertificateProfile,
    entry_id: Option<String>,
    now: SystemTime,
) -> StoreResult<CertificateIntent> {
    Ok(CertificateIntent {
        serial: SerialNumber::from_bytes(facts.serial.as_bytes())?,
        profile,
        spiffe_id: facts.spiffe_id.clone(),
        form: facts.form,
        suite: facts.issuer_suite,
        key_algorithm: facts.algorithm.clone(),
        alternative_algorithm: facts.alternative.clone(),
        issuer: facts.authority_id.to_string(),
        not_before: facts.not_before,
        not_after: facts.not_after,
        entry_id,
        agent_id: None,
        recorded_at: now,
    })
}

/// The signed bytes of a certificate whose intent is on record.
///
/// # Errors
/// As [`intent_of`].
pub(crate) fn issued_record(issued: &IssuedCertificate) -> StoreResult<IssuedRecord> {
    Ok(IssuedRecord {
        serial: SerialNumber::from_bytes(issued.serial().as_bytes())?,
        sha256: issued.sha256(),
        der: issued.der().to_vec(),
    })
}
