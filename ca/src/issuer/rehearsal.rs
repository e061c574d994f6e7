//! Signing for nobody, to see whether it works.

use std::time::Duration;

use spiffe::SpiffeId;
use symbolon_issuance::SvidProfile;
use symbolon_pki::certificate::Certificate;
use symbolon_pki::key::{PrivateKey, SubjectKey};
use symbolon_pki::suite::{Family, Form, Suite};
use symbolon_pki::verify::verify_x509_svid;
use symbolon_pki::wit::Confirmation;

use super::prepared::Prepared;
use super::{Companion, IssueError, Issuer, JwtOrder, WitOrder, X509Order};

/// How long a throwaway would live if anybody had it.
const LIFETIME: Duration = Duration::from_secs(60);

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
                    audience: vec!["symbolon-ready".to_owned()],
                    ttl: LIFETIME,
                    has_id: false,
                };
                self.mint_jwt_order(order).await?;
                Ok(())
            }
            Family::Wit => {
                let key = throwaway_key(Suite::EcdsaP256)?;
                let confirmation = Confirmation::new("ES256", key).map_err(RehearsalError::throwaway)?;
                let order = WitOrder {
                    spiffe_id,
                    confirmation,
                    ttl: LIFETIME,
                };
                let minted = self.mint_wit_orders(vec![order]).await;
                minted
                    .into_iter()
                    .try_for_each(|minted| minted.map(|_| ()).map_err(Into::into))
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
        let refused = |error: &dyn std::fmt::Display| RehearsalError::Verification(error.to_string());
        let certificate = Certificate::from_der(signed?.der()).map_err(|error| refused(&error))?;
        verify_x509_svid(&[certificate], &self.authorities().bundles(), now)
            .map_err(|error| refused(&error))?;
        Ok(())
    }
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
        entry_id: None,
    })
}

fn throwaway_key(suite: Suite) -> Result<SubjectKey, RehearsalError> {
    let key = PrivateKey::generate(suite).map_err(RehearsalError::throwaway)?;
    key.public_key()
        .map(SubjectKey::Suite)
        .map_err(RehearsalError::throwaway)
}
