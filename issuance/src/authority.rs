//! An authority: a certificate that may sign others, with its key.

use std::sync::Arc;

use spiffe::TrustDomain;
use symbolon_pki::catalyst::Alternative;
use symbolon_pki::certificate::Certificate;
use symbolon_pki::key::{SubjectKey, SuiteSigner};
use symbolon_pki::skid::Skid;
use symbolon_pki::suite::{Family, Suite};
use symbolon_pki::time::unix_seconds;

use crate::encode::Template;
use crate::error::{AuthorityError, IssuanceError};
use crate::lint::IssuerFacts;
use crate::validity::Validity;

/// The keys that an authority signs with: one, or two for the catalyst family.
#[derive(Clone, Debug)]
pub struct AuthorityKeys {
    signer: SuiteSigner,
    alternative: Option<SuiteSigner>,
}

impl AuthorityKeys {
    /// The keys of a catalyst authority.
    ///
    /// # Errors
    /// [`AuthorityError::NotCatalyst`] unless the native key is ECDSA and the alternative one ML-DSA.
    pub fn catalyst(native: SuiteSigner, alternative: SuiteSigner) -> Result<Self, AuthorityError> {
        check_catalyst(native.suite(), alternative.suite())?;
        Ok(Self {
            signer: native,
            alternative: Some(alternative),
        })
    }

    /// The native key.
    pub fn signer(&self) -> &SuiteSigner {
        &self.signer
    }

    /// The alternative key, of a catalyst authority.
    pub fn alternative(&self) -> Option<&SuiteSigner> {
        self.alternative.as_ref()
    }
}

impl From<SuiteSigner> for AuthorityKeys {
    fn from(signer: SuiteSigner) -> Self {
        Self {
            signer,
            alternative: None,
        }
    }
}

/// Checks that these are suites for the two keys of a catalyst authority.
pub(crate) fn check_catalyst(native: Suite, alternative: Suite) -> Result<(), AuthorityError> {
    if is_native(native) && is_alternative(alternative) {
        Ok(())
    } else {
        Err(AuthorityError::NotCatalyst { native, alternative })
    }
}

/// Whether this project puts a key of this suite into a catalyst certificate as the native one.
pub(crate) fn is_native(suite: Suite) -> bool {
    matches!(suite, Suite::EcdsaP256 | Suite::EcdsaP384)
}

/// Whether this project puts a key of this suite into a catalyst certificate as the alternative one.
pub(crate) fn is_alternative(suite: Suite) -> bool {
    matches!(suite, Suite::MlDsa44 | Suite::MlDsa65 | Suite::MlDsa87)
}

/// An authority of one family, ready to sign: what all its certificates have in common is encoded already. Cheap
/// to share between threads.
#[derive(Debug)]
pub struct Authority {
    certificate: Certificate,
    keys: AuthorityKeys,
    trust_domain: TrustDomain,
    authority_id: Skid,
    validity: Validity,
    template: Template,
    /// The content of the public key's BIT STRING: what ties a [`Linted`](crate::Linted) to its issuer.
    public_key: Arc<[u8]>,
    /// The same of the alternative key.
    alternative_key: Option<Arc<[u8]>>,
    /// What the linter holds against what this authority is to sign.
    lint_facts: Option<IssuerFacts>,
    /// What leads from what it signs to a root.
    presented: Arc<[Vec<u8>]>,
}

impl Authority {
    /// Joins an authority's certificate with its key, or for the catalyst family with both its keys.
    ///
    /// The moment is not looked at: an authority may be loaded before its time, and refuses to sign then.
    ///
    /// # Errors
    /// [`AuthorityError`] if the keys are not the certificate's, or the certificate is not that of an authority of a
    /// trust domain: CA, with keyCertSign, a subject key identifier and the trust domain's SPIFFE ID.
    pub fn new(certificate: Certificate, keys: impl Into<AuthorityKeys>) -> Result<Self, IssuanceError> {
        check_is_authority(&certificate)?;
        let spiffe_id = certificate
            .spiffe_id()
            .map_err(|error| AuthorityError::NoTrustDomain(error.to_string()))?;
        if !spiffe_id.path().is_empty() {
            return Err(AuthorityError::NoTrustDomain(format!("{spiffe_id} has a path")).into());
        }
        Self::of(certificate, keys.into(), spiffe_id.trust_domain().clone())
    }

    /// As [`new`](Self::new), for an authority of an enterprise's PKI, whose certificate need not name the trust domain
    /// that it is to serve; one that names another is refused.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn serving(
        certificate: Certificate,
        keys: impl Into<AuthorityKeys>,
        trust_domain: &TrustDomain,
    ) -> Result<Self, IssuanceError> {
        if certificate.uri_sans().is_empty() {
            check_is_authority(&certificate)?;
            return Self::of(certificate, keys.into(), trust_domain.clone());
        }
        let authority = Self::new(certificate, keys)?;
        if authority.trust_domain != *trust_domain {
            let other = format!("it is of {}, not of {trust_domain}", authority.trust_domain);
            return Err(AuthorityError::NoTrustDomain(other).into());
        }
        Ok(authority)
    }

    /// `certificate` is an authority's.
    fn of(
        certificate: Certificate,
        keys: AuthorityKeys,
        trust_domain: TrustDomain,
    ) -> Result<Self, IssuanceError> {
        let signer = keys.signer();
        let authority_id = *certificate.skid().ok_or(AuthorityError::NoKeyId)?;
        match certificate.subject_key() {
            Ok(SubjectKey::Suite(key))
                if key.suite() == signer.suite() && key.as_bytes() == signer.public_key().as_bytes() => {}
            _ => return Err(AuthorityError::KeyMismatch(authority_id).into()),
        }
        check_alternative(&certificate, &keys, authority_id)?;
        Ok(Self {
            trust_domain,
            authority_id,
            validity: Validity {
                not_before: unix_seconds(certificate.not_before()),
                not_after: unix_seconds(certificate.not_after()),
            },
            template: Template::new(signer.suite(), certificate.subject_der(), &authority_id)?,
            public_key: signer.public_key().as_bytes().into(),
            alternative_key: keys
                .alternative()
                .map(|alternative| alternative.public_key().as_bytes().into()),
            lint_facts: IssuerFacts::read(certificate.der()),
            presented: Arc::default(),
            certificate,
            keys,
        })
    }

    /// Says that it stands below another authority: whoever holds what it signed sends its certificate along, and then
    /// these, which lead up to a root of the bundle and do not hold it.
    #[must_use]
    pub fn below(mut self, chain: &[Certificate]) -> Self {
        let own = std::iter::once(&self.certificate);
        self.presented = own.chain(chain).map(|it| it.der().to_vec()).collect();
        self
    }

    /// The certificates, DER, that stand between what it signs and the root: none for one that is the root itself.
    pub fn presented(&self) -> &Arc<[Vec<u8>]> {
        &self.presented
    }

    /// The suite it signs with; of a catalyst authority that of the native key.
    pub fn suite(&self) -> Suite {
        self.signer().suite()
    }

    /// The family it belongs to, which decides what keys it certifies.
    pub fn family(&self) -> Family {
        match self.alternative() {
            Some(_) => Family::Catalyst,
            None => self.suite().family(),
        }
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

    /// Its key; of a catalyst authority the native one.
    pub fn signer(&self) -> &SuiteSigner {
        self.keys.signer()
    }

    /// Its alternative key, if it is a catalyst authority.
    pub fn alternative(&self) -> Option<&SuiteSigner> {
        self.keys.alternative()
    }

    /// Whether all its keys are in this process's own software.
    pub fn is_own_software(&self) -> bool {
        self.signer().is_own_software() && self.alternative().is_none_or(SuiteSigner::is_own_software)
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

    pub(crate) fn alternative_key(&self) -> Option<&Arc<[u8]>> {
        self.alternative_key.as_ref()
    }

    pub(crate) fn lint_facts(&self) -> Option<&IssuerFacts> {
        self.lint_facts.as_ref()
    }
}

fn check_is_authority(certificate: &Certificate) -> Result<(), AuthorityError> {
    if !certificate.is_ca() {
        return Err(AuthorityError::NotAnAuthority("basicConstraints does not say so"));
    }
    if !certificate.key_usage().is_some_and(|usage| usage.key_cert_sign()) {
        return Err(AuthorityError::NotAnAuthority(
            "keyUsage does not include keyCertSign",
        ));
    }
    Ok(())
}

/// Checks that the alternative key is that of the certificate, or that neither has one.
fn check_alternative(
    certificate: &Certificate,
    keys: &AuthorityKeys,
    authority_id: Skid,
) -> Result<(), AuthorityError> {
    let certified = certificate
        .alternative()
        .filter(|alternative| alternative.has_key());
    match (certified.map(Alternative::key), keys.alternative()) {
        (None, None) => Ok(()),
        (Some(Ok(SubjectKey::Suite(key))), Some(alternative)) if key == alternative.public_key() => Ok(()),
        _ => Err(AuthorityError::AlternativeKeyMismatch(authority_id)),
    }
}
