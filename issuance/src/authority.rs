//! An authority: a certificate that may sign others, with its key.

use std::sync::Arc;

use spiffe::TrustDomain;
use symbolon_pki::certificate::Certificate;
use symbolon_pki::key::{SubjectKey, SuiteSigner};
use symbolon_pki::skid::Skid;
use symbolon_pki::suite::{Family, Suite};
use symbolon_pki::time::unix_seconds;

use crate::encode::Template;
use crate::error::{AuthorityError, IssuanceError};
use crate::validity::Validity;

/// An authority of one family, ready to sign: what all its certificates have in common is encoded already. Cheap
/// to share between threads.
#[derive(Debug)]
pub struct Authority {
    certificate: Certificate,
    signer: SuiteSigner,
    trust_domain: TrustDomain,
    authority_id: Skid,
    validity: Validity,
    template: Template,
    /// The content of the public key's BIT STRING: what ties a [`Linted`](crate::Linted) to its issuer.
    public_key: Arc<[u8]>,
}

impl Authority {
    /// Joins an authority's certificate with its key.
    ///
    /// The moment is not looked at: an authority may be loaded before its time, and refuses to sign then.
    ///
    /// # Errors
    /// [`AuthorityError`] if the key is not the certificate's, or the certificate is not that of an authority of a
    /// trust domain: CA, with keyCertSign, a subject key identifier and the trust domain's SPIFFE ID.
    pub fn new(certificate: Certificate, signer: SuiteSigner) -> Result<Self, IssuanceError> {
        let authority_id = *certificate.skid().ok_or(AuthorityError::NoKeyId)?;
        match certificate.subject_key() {
            Ok(SubjectKey::Suite(key))
                if key.suite() == signer.suite() && key.as_bytes() == signer.public_key().as_bytes() => {}
            _ => return Err(AuthorityError::KeyMismatch(authority_id).into()),
        }
        if !certificate.is_ca() {
            return Err(AuthorityError::NotAnAuthority("basicConstraints does not say so").into());
        }
        if !certificate.key_usage().is_some_and(|usage| usage.key_cert_sign()) {
            return Err(AuthorityError::NotAnAuthority("keyUsage does not include keyCertSign").into());
        }
        let spiffe_id = certificate
            .spiffe_id()
            .map_err(|error| AuthorityError::NoTrustDomain(error.to_string()))?;
        if !spiffe_id.path().is_empty() {
            return Err(AuthorityError::NoTrustDomain(format!("{spiffe_id} has a path")).into());
        }
        Ok(Self {
            trust_domain: spiffe_id.trust_domain().clone(),
            authority_id,
            validity: Validity {
                not_before: unix_seconds(certificate.not_before()),
                not_after: unix_seconds(certificate.not_after()),
            },
            template: Template::new(signer.suite(), certificate.subject_der(), &authority_id)?,
            public_key: signer.public_key().as_bytes().into(),
            certificate,
            signer,
        })
    }

    /// The suite it signs with.
    pub fn suite(&self) -> Suite {
        self.signer.suite()
    }

    /// The family it belongs to, which decides what keys it certifies.
    pub fn family(&self) -> Family {
        self.suite().family()
    }

    /// Its subject key identifier, which in hex is its name on every API.
    pub fn authority_id(&self) -> &Skid {
        &self.authority_id
    }

    /// Its trust domain.
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }

    /// Its certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Its key.
    pub fn signer(&self) -> &SuiteSigner {
        &self.signer
    }

    pub(crate) fn validity(&self) -> Validity {
        self.validity
    }

    pub(crate) fn template(&self) -> &Template {
        &self.template
    }

    pub(crate) fn public_key(&self) -> &Arc<[u8]> {
        &self.public_key
    }
}
