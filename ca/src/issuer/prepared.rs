//! What an order becomes: a certificate that was linted and waits to be signed.

use std::sync::Arc;
use std::time::SystemTime;

use spiffe::SpiffeId;
use symbolon_crypto::random;
use symbolon_issuance::{
    Authority, Beside, IntermediateRequest, IssuedCertificate, Linted, Serial, SvidProfile, SvidRequest,
    prepare_intermediate, prepare_svid,
};
use symbolon_pki::suite::Family;

use super::IssueError;
use super::order::{CaOrder, Companion, X509Order, lifetime};
use super::signers::Lane;
use crate::authorities::Authorities;
use crate::datastore::{CertificateProfile, CertificateWrite, DatastoreError, SubjectKeyClaim};
use crate::records::intent_of;

/// An order that was linted and waits to be signed.
pub(super) struct Prepared {
    authority: Arc<Authority>,
    linted: Linted,
    claim: SubjectKeyClaim,
    profile: CertificateProfile,
    entry_id: Option<String>,
    agent_id: Option<SpiffeId>,
}

impl Prepared {
    pub(super) fn new(
        authorities: &Authorities,
        order: X509Order,
        now: SystemTime,
    ) -> Result<Self, IssueError> {
        let claim = order.claim();
        let authority = who_signs(authorities, order.form().family(), &claim)?;
        let serial = Serial::random(random::fill)?;
        let linted = prepare_svid(
            &authority,
            &SvidRequest {
                profile: order.profile,
                spiffe_id: &order.spiffe_id,
                key: &order.key,
                beside: match &order.companion {
                    Companion::None => Beside::Nothing,
                    Companion::Alternative(key) => Beside::Alternative(key),
                    Companion::Related(related) => Beside::Related(related),
                },
                dns_names: &order.dns_names,
                ttl: lifetime(order.ttl, order.ends_by, now),
                serial,
                now,
            },
        )?;
        Ok(Self {
            authority,
            linted,
            claim,
            profile: match order.profile {
                SvidProfile::Server => CertificateProfile::Server,
                SvidProfile::Agent => CertificateProfile::Agent,
                SvidProfile::Workload => CertificateProfile::Workload,
            },
            entry_id: order.entry_id,
            agent_id: order.agent_id,
        })
    }

    /// A certificate for an authority below ours.
    pub(super) fn authority(
        authorities: &Authorities,
        order: CaOrder,
        now: SystemTime,
    ) -> Result<Self, IssueError> {
        let claim = order.claim();
        let authority = who_signs(authorities, order.form().family(), &claim)?;
        let request = IntermediateRequest {
            key: &order.key,
            alternative: order.alternative.as_ref(),
            ttl: order.ttl,
            path_len: None,
            serial: Serial::random(random::fill)?,
            now,
        };
        let linted = prepare_intermediate(&authority, &request)?;
        Ok(Self {
            authority,
            linted,
            claim,
            profile: CertificateProfile::Authority,
            entry_id: order.entry_id,
            agent_id: None,
        })
    }

    pub(super) fn lane(&self) -> Lane {
        Lane::of(self.authority.family(), self.authority.is_own_software())
    }

    pub(super) fn intent(&self, now: SystemTime) -> Result<CertificateWrite, DatastoreError> {
        let mut intent = intent_of(self.linted.facts(), self.profile, self.entry_id.clone(), now)?;
        intent.agent_id.clone_from(&self.agent_id);
        Ok(CertificateWrite::IntentWithKey(intent, self.claim.clone()))
    }

    pub(super) fn sign(self) -> Result<Signed, IssueError> {
        let Self {
            authority, linted, ..
        } = self;
        match linted.sign(&*authority) {
            Ok(certificate) => Ok(Signed {
                certificate,
                above: Arc::clone(authority.presented()),
            }),
            Err(error) => Err(IssueError::signing(authority.family(), error)),
        }
    }
}

/// What was signed, with the certificates that lead from it to a root of the bundle.
pub(super) struct Signed {
    pub(super) certificate: IssuedCertificate,
    pub(super) above: Arc<[Vec<u8>]>,
}

/// The authority that signs for `family` what certifies these keys: no key of an authority, and no half of one, certifies
/// anything else.
fn who_signs(
    authorities: &Authorities,
    family: Family,
    claim: &SubjectKeyClaim,
) -> Result<Arc<Authority>, IssueError> {
    let authority = authorities.active(family);
    let authority = authority.ok_or(IssueError::NoAuthority(family))?;
    let is_authoritys = |hash| authorities.holds_component_key(hash);
    match claim.components.iter().any(is_authoritys) {
        true => Err(IssueError::AuthorityKey),
        false => Ok(authority),
    }
}
