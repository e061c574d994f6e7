//! Signing for nobody, to see whether it works.

use std::time::{Duration, SystemTime};

use spiffe::SpiffeId;
use symbolon_issuance::SvidProfile;
use symbolon_pki::bundle::BundleSet;
use symbolon_pki::certificate::Certificate;
use symbolon_pki::jwt::verify_jwt_svid;
use symbolon_pki::key::{PrivateKey, SubjectKey};
use symbolon_pki::suite::{Family, Form, Suite};
use symbolon_pki::verify::verify_x509_svid;
use symbolon_pki::wit::{Confirmation, verify_wit_svid};

use super::prepared::Prepared;
use super::{Companion, IssueError, Issuer, JwtOrder, WitOrder, X509Order};

/// How long a throwaway would live if anybody had it.
const LIFETIME: Duration = Duration::from_secs(60);

/// Whom a throwaway token is for.
const AUDIENCE: &str = "symbolon-ready";

/// Why an authority could not sign for nobody.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RehearsalError {
    /// It could not sign for anybody.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// There was nothing to sign.
    #[error("no throwaway could be made: {0}")]
    Throwaway(String),
    /// What it signed is not to be believed.
    #[error("what it signs is not to be believed: {0}")]
    Verification(String),
}

impl RehearsalError {
    fn throwaway(error: impl ToString) -> Self {
        Self::Throwaway(error.to_string())
    }

    fn refused(error: impl ToString) -> Self {
        Self::Verification(error.to_string())
    }
}

impl Issuer {
    /// Signs an SVID with the family's authority, for a key that is made for it and forgotten, verifies it by the bundle
    /// that is published, and throws it away. It goes the way of every SVID, except that nobody gets it and nothing is
    /// recorded.
    ///
    /// # Errors
    /// [`RehearsalError`]: what whoever asks for such an SVID would meet.
    pub(crate) async fn rehearse(&self, family: Family) -> Result<(), RehearsalError> {
        let id = format!("spiffe://{}/symbolon/ready", self.authorities().trust_domain());
        let spiffe_id = SpiffeId::new(id).map_err(RehearsalError::throwaway)?;
        match family {
            Family::Jwt => {
                let order = JwtOrder {
                    spiffe_id,
                    audience: vec![AUDIENCE.to_owned()],
                    ttl: LIFETIME,
                    ends_by: None,
                    has_id: false,
                };
                let minted = self.mint_jwt_order(order).await?;
                believe_jwt(&minted.token, &self.authorities().bundles(), self.clock.now())
            }
            Family::Wit => {
                let key = throwaway_key(Suite::EcdsaP256)?;
                let confirmation = Confirmation::new("ES256", key).map_err(RehearsalError::throwaway)?;
                let order = WitOrder {
                    spiffe_id,
                    confirmation,
                    ttl: LIFETIME,
                    ends_by: None,
                };
                let minted = self.mint_wit_orders(vec![order]).await;
                let (bundles, now) = (self.authorities().bundles(), self.clock.now());
                minted
                    .into_iter()
                    .try_for_each(|minted| believe_wit(&minted?.token, &bundles, now))
            }
            family => self.rehearse_x509(family, spiffe_id).await,
        }
    }

    async fn rehearse_x509(&self, family: Family, spiffe_id: SpiffeId) -> Result<(), RehearsalError> {
        let authorities = std::sync::Arc::clone(self.authorities());
        let now = self.clock.now();
        let prepare = move || {
            let order = order(family, spiffe_id)?;
            Ok::<_, RehearsalError>(Prepared::new(&authorities, order, now)?)
        };
        let prepared = self.on_signers(prepare).await.ok_or(IssueError::Stopping)??;
        let lane = prepared.lane();
        let signed = self.signers.run(lane, move || prepared.sign()).await;
        let signed = signed.unwrap_or(Err(IssueError::Stopping));
        self.notice(&signed);
        let signed = signed?;
        let above = signed.above.iter().map(Vec::as_slice);
        let chain: Result<Vec<_>, _> = std::iter::once(signed.certificate.der())
            .chain(above)
            .map(Certificate::from_der)
            .collect();
        let chain = chain.map_err(RehearsalError::refused)?;
        verify_x509_svid(&chain, &self.authorities().bundles(), now)
            .map(|_| ())
            .map_err(RehearsalError::refused)
    }
}

fn believe_jwt(token: &str, bundles: &BundleSet, now: SystemTime) -> Result<(), RehearsalError> {
    verify_jwt_svid(token, AUDIENCE, bundles, now)
        .map(|_| ())
        .map_err(RehearsalError::refused)
}

fn believe_wit(token: &str, bundles: &BundleSet, now: SystemTime) -> Result<(), RehearsalError> {
    verify_wit_svid(token, bundles, now)
        .map(|_| ())
        .map_err(RehearsalError::refused)
}

fn order(family: Family, spiffe_id: SpiffeId) -> Result<X509Order, RehearsalError> {
    let no_form = || RehearsalError::Throwaway(format!("the family {family} has no form of SVID"));
    let form = Form::ALL
        .into_iter()
        .find(|form| form.family() == family && *form != Form::Paired);
    let form = form.ok_or_else(no_form)?;
    let alternative = form.default_alternative().map(throwaway_key).transpose()?;
    Ok(X509Order {
        profile: SvidProfile::Workload,
        spiffe_id,
        key: throwaway_key(form.default_suite())?,
        companion: alternative.map_or(Companion::None, Companion::Alternative),
        dns_names: Vec::new(),
        ttl: LIFETIME,
        ends_by: None,
        entry_id: None,
        agent_id: None,
    })
}

fn throwaway_key(suite: Suite) -> Result<SubjectKey, RehearsalError> {
    let key = PrivateKey::generate(suite).map_err(RehearsalError::throwaway)?;
    key.public_key()
        .map(SubjectKey::Suite)
        .map_err(RehearsalError::throwaway)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use spiffe::TrustDomain;
    use symbolon_crypto::{Component, HeldKey, SoftwareKey};
    use symbolon_issuance::jwt::{JwtAuthority as JwtSigner, JwtSvidRequest, mint_jwt_svid};
    use symbolon_issuance::wit::{WitAuthority as WitSigner, WitSvidRequest, mint_wit_svid};
    use symbolon_pki::bundle::{JwtAuthority, TrustBundle};
    use symbolon_pki::key::SuiteSigner;

    use super::*;

    /// A token that was signed is worth nothing to whoever does not find its key in the bundle.
    #[test]
    fn a_token_is_believed_by_the_bundle_alone() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let name = TrustDomain::new("example.org").unwrap();
        let spiffe_id = SpiffeId::new("spiffe://example.org/symbolon/ready").unwrap();
        let key: Arc<dyn HeldKey> = Arc::new(SoftwareKey::generate(Component::EcdsaP256Sha256).unwrap());
        let end = now + Duration::from_secs(600);
        let jwt_signer = JwtSigner::new(name.clone(), "k".to_owned(), key.clone(), end).unwrap();
        let request = JwtSvidRequest {
            spiffe_id: &spiffe_id,
            audience: &[AUDIENCE.to_owned()],
            ttl: LIFETIME,
            now,
            jti: None,
        };
        let jwt = mint_jwt_svid(&jwt_signer, &request).unwrap().token;
        let wit_signer = WitSigner::new(name.clone(), "k".to_owned(), key.clone(), end).unwrap();
        let confirmation = Confirmation::new("ES256", throwaway_key(Suite::EcdsaP256).unwrap()).unwrap();
        let request = WitSvidRequest {
            spiffe_id: &spiffe_id,
            confirmation: &confirmation,
            ttl: LIFETIME,
            now,
        };
        let wit = mint_wit_svid(&wit_signer, &request).unwrap().token;

        let signer = SuiteSigner::new(Suite::EcdsaP256, vec![key]).unwrap();
        let right = SubjectKey::Suite(signer.public_key().clone());
        let other = throwaway_key(Suite::EcdsaP256).unwrap();
        let publishing = |key: Option<&SubjectKey>| {
            let mut bundle = TrustBundle::new(name.clone());
            let key = key.map(|key| JwtAuthority::from_spki_der("k", &key.spki_der()).unwrap());
            bundle.jwt_authorities.extend(key.clone());
            bundle.wit_authorities.extend(key);
            BundleSet::from(bundle)
        };
        for (key, believed) in [(Some(&right), true), (Some(&other), false), (None, false)] {
            let bundles = publishing(key);
            assert_eq!(believe_jwt(&jwt, &bundles, now).is_ok(), believed);
            assert_eq!(believe_wit(&wit, &bundles, now).is_ok(), believed);
        }
    }
}
