//! From messages to views. A server that is asked says nothing that could not be shown; what is missing stays empty.

use std::time::{Duration, SystemTime};

use spiffe::{SpiffeId, TrustDomain};
use symbolon_api::spire::api::types;
use symbolon_api::spire::api::types::federation_relationship::BundleEndpointProfile as Profile;
use symbolon_api::symbolon::server::v1 as api;
use symbolon_pki::bundle::{JwtAuthority, TrustBundle, X509Authority};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::time::from_unix_seconds;

use super::{AgentView, AuthorityView, CertificateView, EntryView, FederationView, LimitView, ServerView};
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
pub(super) fn moment(seconds: i64) -> Option<SystemTime> {
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

pub(super) fn text(value: String) -> Option<String> {
    Some(value).filter(|value| !value.is_empty())
}

impl From<types::Entry> for EntryView {
    fn from(entry: types::Entry) -> Self {
        let ttl = |seconds: i32| u32::try_from(seconds).ok().filter(|seconds| *seconds > 0);
        let attributes = entry.additional_attributes.unwrap_or_default();
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
            disable_x509_svid_prefetch: attributes.disable_x509_svid_prefetch,
            jwt_svid_include_jti: attributes.jwt_svid_include_jti,
            allowed_forms: entry.allowed_forms,
            leaf_key_algorithms: entry.leaf_key_algorithms,
            not_before: moment(entry.not_before),
            not_after: moment(entry.not_after),
            owner: entry.owner,
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
            agents: info.agents,
            entries: info.entries,
            limits: info.limits.into_iter().map(LimitView::from).collect(),
            problems: info.problems,
        }
    }
}

impl From<api::Limit> for LimitView {
    fn from(limit: api::Limit) -> Self {
        Self {
            name: limit.name,
            value: limit.value,
            unit: limit.unit,
        }
    }
}

impl From<types::FederationRelationship> for FederationView {
    fn from(relationship: types::FederationRelationship) -> Self {
        let (profile, endpoint_id) = match relationship.bundle_endpoint_profile {
            Some(Profile::HttpsWeb(_)) => ("https_web", None),
            Some(Profile::HttpsSpiffe(profile)) => ("https_spiffe", Some(profile.endpoint_spiffe_id)),
            None => ("unknown", None),
        };
        let bundle = relationship.trust_domain_bundle;
        Self {
            trust_domain: relationship.trust_domain,
            endpoint_url: relationship.bundle_endpoint_url,
            profile: profile.to_owned(),
            endpoint_id,
            bundle_sequence: bundle.as_ref().map(|bundle| bundle.sequence_number),
            x509_authorities: bundle.as_ref().map_or(0, |bundle| bundle.x509_authorities.len()),
            jwt_authorities: bundle.as_ref().map_or(0, |bundle| bundle.jwt_authorities.len()),
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
        let authority = key_of(&key.key_id, &key.public_key, key.expires_at, key.tainted);
        read.jwt_authorities
            .push(authority.map_err(|error| format!("JWT authority {error}"))?);
    }
    for key in bundle.wit_authorities {
        let authority = key_of(&key.key_id, &key.public_key, key.expires_at, key.tainted);
        read.wit_authorities
            .push(authority.map_err(|error| format!("WIT authority {error}"))?);
    }
    Ok(read)
}

/// A key that signs tokens.
fn key_of(key_id: &str, public_key: &[u8], expires_at: i64, tainted: bool) -> Result<JwtAuthority, String> {
    let mut authority =
        JwtAuthority::from_spki_der(key_id, public_key).map_err(|error| format!("{key_id:?}: {error}"))?;
    authority.expires_at = moment(expires_at);
    authority.tainted = tainted;
    Ok(authority)
}
