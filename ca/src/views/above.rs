//! What stands above a server's authorities, and what is awaited from there, as commands show it.

use std::time::SystemTime;

use serde::Serialize;
use symbolon_api::symbolon::server::v1 as api;
use symbolon_pki::pem;

use super::authorities::KeyPlaceView;
use super::optional_moment;
use super::read::{moment as read_moment, text};

/// An X.509 authority that others put into the bundle, and that may stand above the server's own.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct UpstreamView {
    /// What it issues; `None` if the server cannot use its key.
    pub family: Option<String>,
    /// What its key is.
    pub suite: Option<String>,
    /// Its id.
    pub authority_id: String,
    /// `trusted`, `tainted` or `revoked`.
    pub state: String,
    /// First second of validity.
    #[serde(serialize_with = "optional_moment")]
    pub not_before: Option<SystemTime>,
    /// Last second of validity.
    #[serde(serialize_with = "optional_moment")]
    pub not_after: Option<SystemTime>,
    /// Its subject.
    pub subject: String,
    /// The upstream that has it; `None` where an administrator put it in.
    pub upstream: Option<String>,
    /// Whether the configuration names that upstream no more.
    pub is_former: bool,
    /// The authorities of the server below it that count.
    pub below: Vec<String>,
}

/// A certificate that somebody is to bring.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct RequestView {
    /// The family whose next authority it is for.
    pub family: String,
    /// What that is to sign with.
    pub suite: String,
    /// What it is to sign with beside that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alternative: Option<String>,
    /// When it was requested.
    #[serde(serialize_with = "optional_moment")]
    pub created_at: Option<SystemTime>,
    /// What is to be certified: PKCS#10, PEM.
    pub csr: String,
    /// Where its key is kept.
    pub keys: Vec<KeyPlaceView>,
}

impl From<api::UpstreamAuthority> for UpstreamView {
    fn from(authority: api::UpstreamAuthority) -> Self {
        let state = match authority.state() {
            api::AuthorityState::Old => "trusted",
            api::AuthorityState::Tainted => "tainted",
            api::AuthorityState::Revoked => "revoked",
            _ => "unknown",
        };
        Self {
            state: state.to_owned(),
            family: text(authority.family),
            suite: text(authority.suite),
            authority_id: authority.authority_id,
            not_before: read_moment(authority.not_before),
            not_after: read_moment(authority.not_after),
            subject: authority.subject,
            upstream: text(authority.upstream),
            is_former: authority.is_former,
            below: authority.below,
        }
    }
}

impl From<api::AuthorityRequest> for RequestView {
    fn from(request: api::AuthorityRequest) -> Self {
        Self {
            csr: pem::encode("CERTIFICATE REQUEST", &request.csr).to_string(),
            family: request.family,
            suite: request.suite,
            alternative: text(request.alternative),
            created_at: read_moment(request.created_at),
            keys: request.keys.into_iter().map(Into::into).collect(),
        }
    }
}
