//! Which of our SVIDs a peer gets to see (design §2). One rule for both sides.
//!
//! `signature_algorithms` says what a peer can compute, not whom it trusts: stock Go 1.27 and rustls offer ML-DSA while
//! holding classical roots. So:
//! 1. composite, if the peer offers its private code point, which nobody does without composite roots; unless it names
//!    authorities and ours is not among them: it then holds composite roots of another trust domain;
//! 2. ML-DSA, if the peer computes it and names one of our ML-DSA authorities, or the listener is set to prefer it;
//! 3. catalyst, if the peer names our catalyst authority and not our classical one: it wants the alternative signatures;
//! 4. classical, if the peer computes it; the classical half of a pair is that, too, and its other half is ML-DSA;
//! 5. else whatever it computes: better than presenting nothing. A catalyst chain is a classical one to all who compute
//!    that.
//!
//! Before the stage `prefer` of a migration, what the peer takes of the classical form comes before all of this: one that
//! names its authorities takes it if the classical one is among them. From then on, the target's form comes first.

use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use symbolon_pki::suite::Form;

use crate::identity::{IdentitySource, SvidIdentity};
use crate::migration::{Following, Migration, MigrationTarget, followed};
use crate::scheme::CompositeSchemes;
use crate::session::Record;
use crate::signing::SuiteSigningKey;

/// Chooses and presents the SVIDs of one configuration.
#[derive(Debug)]
pub(crate) struct CertificateChoice {
    pub(crate) source: Arc<dyn IdentitySource>,
    pub(crate) schemes: Arc<CompositeSchemes>,
    pub(crate) prefer_ml_dsa: bool,
    pub(crate) following: Following,
    pub(crate) record: Option<Arc<Record>>,
}

/// What the peer said in its ClientHello or CertificateRequest.
struct PeerOffer<'a> {
    schemes: &'a [SignatureScheme],
    authorities: Vec<&'a [u8]>,
}

impl CertificateChoice {
    fn present(&self, offer: &PeerOffer<'_>) -> Option<Arc<CertifiedKey>> {
        let Some((identity, scheme)) = self.choose(offer) else {
            tracing::debug!(
                held = self.source.identities().len(),
                "no SVID is held that the peer can verify; presenting none"
            );
            return None;
        };
        if let Some(record) = &self.record {
            record.presented(&identity, scheme);
        }
        let key = SuiteSigningKey::new(identity.signer().clone(), scheme);
        Some(Arc::new(CertifiedKey::new(
            identity.chain().to_vec(),
            Arc::new(key),
        )))
    }

    fn choose(&self, offer: &PeerOffer<'_>) -> Option<(Arc<SvidIdentity>, SignatureScheme)> {
        let held = self.source.identities();
        let default_id = held.first()?.spiffe_id();
        let usable: Vec<_> = held
            .iter()
            .filter(|identity| identity.spiffe_id() == default_id)
            .filter_map(|identity| Some((identity, self.schemes.scheme_of(identity.signer().suite())?)))
            .filter(|(_, scheme)| offer.schemes.contains(scheme))
            .collect();
        let first_of = |form| usable.iter().find(|(identity, _)| identity.form() == form);
        let is_named = |identity: &SvidIdentity| identity.is_issued_by_any(offer.authorities.iter().copied());
        let composite = usable.iter().find(|(identity, _)| {
            identity.form() == Form::Composite && (offer.authorities.is_empty() || is_named(identity))
        });
        let ml_dsa = usable.iter().find(|(identity, _)| {
            matches!(identity.form(), Form::MlDsa | Form::Paired)
                && (self.prefer_ml_dsa || is_named(identity))
        });
        let classical = || first_of(Form::Classical);
        let names_no_classical = || !classical().is_some_and(|(identity, _)| is_named(identity));
        let catalyst =
            || first_of(Form::Catalyst).filter(|(identity, _)| is_named(identity) && names_no_classical());
        let migration = followed(self.source.as_ref(), &self.following);
        let takes_classical =
            || classical().filter(|(identity, _)| offer.authorities.is_empty() || is_named(identity));
        let held_back = migration
            .is_some_and(Migration::presents_classical)
            .then(takes_classical)
            .flatten();
        let best = match migration.map(|migration| migration.target) {
            Some(MigrationTarget::PostQuantum) => ml_dsa.or(composite),
            _ => composite.or(ml_dsa),
        };
        held_back
            .or(best)
            .or_else(catalyst)
            .or_else(classical)
            .or_else(|| usable.first())
            .map(|&(identity, scheme)| (identity.clone(), scheme))
    }
}

impl ResolvesServerCert for CertificateChoice {
    fn resolve(&self, client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let authorities = client_hello.certificate_authorities().unwrap_or_default();
        self.present(&PeerOffer {
            schemes: client_hello.signature_schemes(),
            authorities: authorities.iter().map(AsRef::as_ref).collect(),
        })
    }
}

impl ResolvesClientCert for CertificateChoice {
    fn resolve(
        &self,
        root_hint_subjects: &[&[u8]],
        schemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        self.present(&PeerOffer {
            schemes,
            authorities: root_hint_subjects.to_vec(),
        })
    }

    fn has_certs(&self) -> bool {
        !self.source.identities().is_empty()
    }
}
