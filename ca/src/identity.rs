//! The server's own SVIDs: what it presents to agents, in every form that it has an authority for.
//!
//! They come from the server's own issuer like everybody else's, are on record, and live in memory alone. They are
//! renewed at half of their life, and at once when another authority signs.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use futures_util::future::join_all;
use spiffe::{SpiffeId, SpiffeIdError};
use symbolon_crypto::KeyError as ComponentKeyError;
use symbolon_issuance::SvidProfile;
use symbolon_pki::bundle::BundleSet;
use symbolon_pki::key::{KeyError, PrivateKey, SubjectKey};
use symbolon_pki::suite::{Family, Form};
use symbolon_pki::time::Clock;
use symbolon_tls::{
    HandshakeCount, HandshakeCounts, IdentityError as TlsIdentityError, IdentitySource, SvidIdentity,
};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::authorities::Authorities;
use crate::issuer::{Companion, IssueError, Issuer, X509Order};
use crate::telemetry::BACKGROUND_FAILED;

/// The forms that a server presents itself in: those that are one SVID.
const FORMS: [Form; 4] = [Form::Classical, Form::MlDsa, Form::Composite, Form::Catalyst];

/// How often it is looked whether something is due.
const TICK: Duration = Duration::from_secs(10);

/// Why the server has no SVID of its own.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The trust domain's name leads to no SPIFFE ID.
    #[error(transparent)]
    Name(#[from] SpiffeIdError),
    /// No key could be made.
    #[error("the key of the server's {form} SVID could not be made")]
    Generate {
        /// The form.
        form: Form,
        /// What the primitive says.
        source: ComponentKeyError,
    },
    /// A key that cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The issuer refused.
    #[error("the server's {form} SVID could not be issued")]
    Issue {
        /// The form.
        form: Form,
        /// Why.
        source: Box<IssueError>,
    },
    /// What was issued cannot be presented.
    #[error(transparent)]
    Present(#[from] TlsIdentityError),
}

/// The server's identity.
#[derive(Debug)]
pub struct ServerIdentity {
    spiffe_id: SpiffeId,
    issuer: Arc<Issuer>,
    clock: Arc<dyn Clock>,
    ttl: Duration,
    source: Arc<Source>,
    held: Mutex<Vec<Held>>,
}

/// What handshakes go by. The bundle is the authorities' own, and never waits for an SVID to be renewed: what was revoked
/// lets nobody in from then on.
#[derive(Debug)]
struct Source {
    authorities: Arc<Authorities>,
    handshakes: HandshakeCounts,
    identities: ArcSwap<Arc<[Arc<SvidIdentity>]>>,
}

impl IdentitySource for Source {
    fn identities(&self) -> Arc<[Arc<SvidIdentity>]> {
        Arc::clone(&**self.identities.load())
    }

    fn bundles(&self) -> Arc<BundleSet> {
        self.authorities.bundles()
    }

    fn handshakes(&self) -> Option<&HandshakeCounts> {
        Some(&self.handshakes)
    }
}

/// One SVID and when it is to be replaced.
#[derive(Debug)]
struct Held {
    form: Form,
    identity: Arc<SvidIdentity>,
    /// Who signed it.
    authority_id: String,
    renew_at: SystemTime,
    not_after: SystemTime,
}

impl ServerIdentity {
    /// Issues the SVIDs of `spiffe://<trust domain>/spire/server`.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub async fn open(
        issuer: Arc<Issuer>,
        ttl: Duration,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, IdentityError> {
        let authorities = issuer.authorities();
        let spiffe_id = SpiffeId::new(format!("spiffe://{}/spire/server", authorities.trust_domain()))?;
        let source = Arc::new(Source {
            authorities: Arc::clone(authorities),
            handshakes: HandshakeCounts::default(),
            identities: ArcSwap::from_pointee(Arc::from(Vec::new())),
        });
        let identity = Self {
            spiffe_id,
            issuer,
            clock,
            ttl,
            source,
            held: Mutex::default(),
        };
        identity.renew_due().await?;
        Ok(Arc::new(identity))
    }

    /// What the server presents and whom it trusts, always current.
    pub fn source(&self) -> Arc<dyn IdentitySource> {
        Arc::clone(&self.source) as Arc<dyn IdentitySource>
    }

    /// The handshakes with what it presents.
    pub(crate) fn handshakes(&self) -> Vec<HandshakeCount> {
        self.source.handshakes.all()
    }

    /// Replaces the SVIDs that are due.
    ///
    /// # Errors
    /// [`IdentityError`], the first there was. The other forms are renewed all the same, and of the form that was not
    /// the SVID held before stays in use until it ends.
    pub async fn renew_due(&self) -> Result<(), IdentityError> {
        let mut held = self.held.lock().await;
        let now = self.clock.now();
        // All at once: a token that hangs, on which one family's key is, holds up no form of another.
        let renewing = FORMS.into_iter().filter_map(|form| {
            let authority_id = self.authority_of(form)?;
            let current = held.iter().position(|held| held.form == form);
            let current = current.map(|position| held.swap_remove(position));
            Some(self.renewed(form, current, authority_id, now))
        });
        let mut next = Vec::new();
        let mut failure = None;
        for (renewed, failed) in join_all(renewing.collect::<Vec<_>>()).await {
            next.extend(renewed);
            failure = failure.or(failed);
        }
        let identities: Arc<[_]> = next.iter().map(|held| Arc::clone(&held.identity)).collect();
        *held = next;
        self.source.identities.store(Arc::new(identities));
        failure.map_or(Ok(()), Err)
    }

    /// Runs [`renew_due`](Self::renew_due) whenever an authority changes and every ten seconds, until `stop`.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut changes = self.issuer.authorities().subscribe();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                // Closed only when the authorities are gone, which this identity holds on to.
                _ = changes.changed() => {}
                () = tokio::time::sleep(TICK) => {}
            }
            if let Err(error) = self.renew_due().await {
                let error = &error as &dyn std::error::Error;
                tracing::error!(event = BACKGROUND_FAILED, task = "renew the server's SVID", error);
            }
        }
    }

    fn authority_of(&self, form: Form) -> Option<String> {
        let family: Family = form.family();
        self.issuer
            .authorities()
            .active(family)
            .map(|authority| authority.authority_id().to_string())
    }

    /// What is held of a form from now on, and why it is not a new one where it should be.
    async fn renewed(
        &self,
        form: Form,
        current: Option<Held>,
        authority_id: String,
        now: SystemTime,
    ) -> (Option<Held>, Option<IdentityError>) {
        let is_current = |held: &Held| held.authority_id == authority_id && now < held.renew_at;
        if current.as_ref().is_some_and(is_current) {
            return (current, None);
        }
        match self.issue(form, authority_id, now).await {
            Ok(issued) => (Some(issued), None),
            Err(error) => (current.filter(|held| now <= held.not_after), Some(error)),
        }
    }

    async fn issue(&self, form: Form, authority_id: String, now: SystemTime) -> Result<Held, IdentityError> {
        let generate =
            |suite| PrivateKey::generate(suite).map_err(|source| IdentityError::Generate { form, source });
        let signer = generate(form.default_suite())?.signer()?;
        let companion = match form.default_alternative() {
            // Handshakes are signed with the native key; the alternative one is for what the certificate says.
            Some(suite) => {
                let alternative = generate(suite)?.signer()?;
                Companion::Alternative(SubjectKey::Suite(alternative.public_key().clone()))
            }
            None => Companion::None,
        };
        let order = X509Order {
            profile: SvidProfile::Server,
            spiffe_id: self.spiffe_id.clone(),
            key: SubjectKey::Suite(signer.public_key().clone()),
            companion,
            dns_names: Vec::new(),
            ttl: self.ttl,
            ends_by: None,
            entry_id: None,
            agent_id: None,
        };
        let failed = |source| IdentityError::Issue {
            form,
            source: Box::new(source),
        };
        let issued = self
            .issuer
            .issue(vec![order])
            .await
            .pop()
            .unwrap_or(Err(IssueError::Stopping))
            .map_err(failed)?;
        let life = issued.not_after.duration_since(now).unwrap_or_default();
        tracing::debug!(%form, serial = issued.serial_hex, "the server has a new SVID");
        Ok(Held {
            form,
            identity: Arc::new(SvidIdentity::new(issued.chain, signer)?),
            authority_id,
            renew_at: now + life / 2,
            not_after: issued.not_after,
        })
    }
}
