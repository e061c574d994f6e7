//! From messages to views. A server that is asked says nothing that could not be shown; what is missing stays empty.

use std::time::{Duration, SystemTime};

use spiffe::{SpiffeId, TrustDomain};
use symbolon_api::spire::api::types;
use symbolon_api::symbolon::server::v1 as api;
use symbolon_pki::bundle::{JwtAuthority, TrustBundle, X509Authority};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::time::from_unix_seconds;

use super::{AgentView, AuthorityView, CertificateView, EntryView, ServerView};
use crate::datastore::{AuthorityState, CertificateProfile};

/// An identity in words, be it well formed or not.
fn id(id: Option<types::Spiffeid>) -> String {
    id.map(|id| match SpiffeId::try_from(&id) {
        Ok(id) => id.to_string(),
        Err(_) => format!("{}{}", id.trust_domain, id.path),
    })
    .unwrap_or_default()
}

/// A moment; 0 is none.
fn moment(seconds: i64) -> Option<SystemTime> {
    u64::try_from(seconds)
        .ok()
        .filter(|seconds| *seconds > 0)
        .and_then(from_unix_seconds)
}

fn selectors(selectors: Vec<types::Selector>) -> Vec<String> {
    selectors
        .into_iter()
        .map(|selector| format!("{}:{}", selector.r#type, selector.value))
        .collect()
}

fn text(value: String) -> Option<String> {
    Some(value).filter(|value| !value.is_empty())
}

impl From<types::Entry> for EntryView {
    fn from(entry: types::Entry) -> Self {
        let ttl = |seconds: i32| u32::try_from(seconds).ok().filter(|seconds| *seconds > 0);
        Self {
            id: entry.id,
            spiffe_id: id(entry.spiffe_id),
            parent_id: id(entry.parent_id),
            selectors: selectors(entry.selectors),
            x509_svid_ttl: ttl(entry.x509_svid_ttl),
            jwt_svid_ttl: ttl(entry.jwt_svid_ttl),
            federates_with: entry.federates_with,
            admin: entry.admin,
            downstream: entry.downstream,
            expires_at: moment(entry.expires_at),
            dns_names: entry.dns_names,
            revision_number: entry.revision_number,
            store_svid: entry.store_svid,
            hint: entry.hint,
            created_at: moment(entry.created_at),
        }
    }
}

impl From<types::Agent> for AgentView {
    fn from(agent: types::Agent) -> Self {
        Self {
            spiffe_id: id(agent.id),
            attestation_type: agent.attestation_type,
            serial: agent.x509svid_serial_number,
            expires_at: moment(agent.x509svid_expires_at),
            selectors: selectors(agent.selectors),
            banned: agent.banned,
            can_reattest: agent.can_reattest,
            agent_version: text(agent.agent_version),
        }
    }
}

impl From<api::CertificateRecord> for CertificateView {
    fn from(record: api::CertificateRecord) -> Self {
        let profile = match record.profile() {
            api::CertificateProfile::Authority => CertificateProfile::Authority.name(),
            api::CertificateProfile::Server => CertificateProfile::Server.name(),
            api::CertificateProfile::Agent => CertificateProfile::Agent.name(),
            api::CertificateProfile::Workload => CertificateProfile::Workload.name(),
            api::CertificateProfile::Unspecified => "unknown",
        };
        let state = match record.state() {
            api::CertificateState::Issued => "issued",
            api::CertificateState::Intended => "intended",
            api::CertificateState::Unspecified => "unknown",
        };
        Self {
            profile: profile.to_owned(),
            state: state.to_owned(),
            serial: record.serial,
            spiffe_id: record.spiffe_id,
            form: record.form,
            algorithm: record.suite,
            alternative: text(record.alternative),
            authority_id: record.authority_id,
            not_before: moment(record.not_before),
            not_after: moment(record.not_after),
            sha256: Some(record.sha256)
                .filter(|hash| !hash.is_empty())
                .map(hex::encode),
            entry_id: text(record.entry_id),
            der: Some(record.der).filter(|der| !der.is_empty()),
        }
    }
}

impl From<api::Authority> for AuthorityView {
    fn from(authority: api::Authority) -> Self {
        let state = match authority.state() {
            api::AuthorityState::Prepared => AuthorityState::Prepared.name(),
            api::AuthorityState::Active => AuthorityState::Active.name(),
            api::AuthorityState::Old => AuthorityState::Old.name(),
            api::AuthorityState::Tainted => AuthorityState::Tainted.name(),
            api::AuthorityState::Revoked => AuthorityState::Revoked.name(),
            api::AuthorityState::Unspecified => "unknown",
        };
        Self {
            state: state.to_owned(),
            family: authority.family,
            suite: authority.suite,
            alternative: text(authority.alternative),
            authority_id: authority.authority_id,
            not_before: moment(authority.not_before),
            not_after: moment(authority.not_after),
        }
    }
}

impl From<api::GetServerInfoResponse> for ServerView {
    fn from(info: api::GetServerInfoResponse) -> Self {
        Self {
            trust_domain: info.trust_domain,
            version: text(info.version),
            started_at: moment(info.started_at),
            authorities: info.authorities.into_iter().map(AuthorityView::from).collect(),
            problems: info.problems,
        }
    }
}

/// Reads a bundle; the reason of a refusal is in words.
pub(crate) fn read_bundle(bundle: types::Bundle) -> Result<TrustBundle, String> {
    let trust_domain = TrustDomain::new(&bundle.trust_domain)
        .map_err(|error| format!("trust_domain {:?}: {error}", bundle.trust_domain))?;
    let mut read = TrustBundle::new(trust_domain);
    read.sequence = bundle.sequence_number;
    read.refresh_hint = u64::try_from(bundle.refresh_hint)
        .ok()
        .filter(|hint| *hint > 0)
        .map(Duration::from_secs);
    for (index, authority) in bundle.x509_authorities.into_iter().enumerate() {
        let certificate = Certificate::from_der(&authority.asn1)
            .map_err(|error| format!("X.509 authority {index}: {error}"))?;
        read.x509_authorities.push(X509Authority {
            certificate,
            tainted: authority.tainted,
        });
    }
    for key in bundle.jwt_authorities {
        let mut authority = JwtAuthority::from_spki_der(&key.key_id, &key.public_key)
            .map_err(|error| format!("JWT authority {:?}: {error}", key.key_id))?;
        authority.expires_at = moment(key.expires_at);
        authority.tainted = key.tainted;
        read.jwt_authorities.push(authority);
    }
    Ok(read)
}
