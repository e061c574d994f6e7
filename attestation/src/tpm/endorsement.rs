//! Whether an endorsement key is that of a TPM.

use std::time::SystemTime;

use symbolon_pki::bundle::X509Authority;
use symbolon_pki::certificate::Certificate;
use symbolon_pki::verify::{VerifyOptions, verify_plain_chain};

use super::structure::Public;

/// tcg-kp-EKCertificate (TCG EK Credential Profile, section 3.2.16).
const EK_CERTIFICATE: &str = "2.23.133.8.1";

/// What the certificate of an endorsement key has to say beside its chain: this very key, and that it is for that.
///
/// # Errors
/// What is wrong, in words.
pub(crate) fn check_certificate(certificate: &Certificate, endorsement: &Public) -> Result<(), String> {
    let certified = certificate
        .subject_key()
        .map_err(|error| format!("the key in the endorsement certificate cannot be used: {error}"))?;
    if certified != endorsement.key() {
        return Err("the endorsement certificate is for another key than the endorsement key".to_owned());
    }
    if certificate.is_ca() {
        return Err("the endorsement certificate is an authority's".to_owned());
    }
    let usages = certificate.extended_key_usages();
    if !usages.is_empty() && !usages.iter().any(|usage| usage.to_string() == EK_CERTIFICATE) {
        return Err("the certificate is not for an endorsement key, by its extended key usage".to_owned());
    }
    if certificate
        .key_usage()
        .is_some_and(|usage| !usage.key_encipherment() && !usage.key_agreement())
    {
        return Err("the certificate is not for an endorsement key, by its key usage".to_owned());
    }
    Ok(())
}

/// The path of an endorsement certificate to a maker's root.
///
/// # Errors
/// What is wrong, in words.
pub(crate) fn endorsed_path(
    chain: &[Certificate],
    roots: &[X509Authority],
    now: SystemTime,
) -> Result<Vec<Certificate>, String> {
    let options = VerifyOptions::default();
    let path = verify_plain_chain(chain, roots, now, &options)
        .map_err(|error| format!("the endorsement certificate is not accepted: {error}"))?;
    Ok(path.certificates)
}
