//! What stands above this server's authorities, and what is awaited from there, as messages.

use symbolon_api::symbolon::server::v1 as api;
use symbolon_crypto::Component;
use symbolon_pki::suite::Family;

use super::seconds;
use crate::datastore::{
    AuthorityRecord, AuthorityRequest, AuthorityState, KeyReference, RootOrigin, UpstreamRoot,
};

/// The family that stands below such an authority; `None` if this build cannot use its key.
pub(crate) fn family_below(root: &UpstreamRoot) -> Option<Family> {
    root.certificate.form().map(|form| form.family())
}

/// An authority that others put into the bundle; `journal` has those that may be below it.
pub(crate) fn upstream_message(root: &UpstreamRoot, journal: &[AuthorityRecord]) -> api::UpstreamAuthority {
    let (upstream, is_former) = match &root.origin {
        RootOrigin::Administrator => (String::new(), false),
        RootOrigin::Upstream(name) => (name.clone(), false),
        RootOrigin::Former(name) => (name.clone(), true),
    };
    let is_below = |record: &&AuthorityRecord| {
        let path = record.upstream.as_ref();
        let counts = !matches!(record.state, AuthorityState::Tainted | AuthorityState::Revoked);
        counts && path.is_some_and(|path| path.root_id == root.root_id)
    };
    let below = journal.iter().filter(is_below);
    api::UpstreamAuthority {
        subject: root.certificate.subject(),
        upstream,
        is_former,
        below: below.map(|record| record.authority_id.clone()).collect(),
        ..root_parts(root)
    }
}

/// What an authority that others put into the bundle is after a step, as one among others.
pub(crate) fn root_message(root: &UpstreamRoot, state: AuthorityState) -> api::Authority {
    let parts = root_parts(root);
    api::Authority {
        family: parts.family,
        suite: parts.suite,
        authority_id: parts.authority_id,
        state: state_message(state).into(),
        not_before: parts.not_before,
        not_after: parts.not_after,
        ..api::Authority::default()
    }
}

fn root_parts(root: &UpstreamRoot) -> api::UpstreamAuthority {
    let certificate = &root.certificate;
    let suite = certificate.subject_key().map(|key| key.algorithm_name());
    api::UpstreamAuthority {
        family: family_below(root)
            .map(|family| family.to_string())
            .unwrap_or_default(),
        suite: suite.unwrap_or_default(),
        authority_id: root.root_id.clone(),
        state: state_message(root.state).into(),
        not_before: seconds(certificate.not_before()),
        not_after: seconds(certificate.not_after()),
        ..api::UpstreamAuthority::default()
    }
}

/// A certificate that somebody is to bring.
pub(crate) fn request_message(request: &AuthorityRequest) -> api::AuthorityRequest {
    let suites = [Some(request.suite), request.alternative];
    let components = suites.into_iter().flatten();
    let components = components.flat_map(|suite| suite.components()).copied();
    api::AuthorityRequest {
        family: request.family.to_string(),
        suite: request.suite.to_string(),
        alternative: request
            .alternative
            .map(|suite| suite.to_string())
            .unwrap_or_default(),
        created_at: seconds(request.created_at),
        csr: request.csr.clone(),
        keys: key_places(components, &request.keys),
    }
}

/// Where an authority stands.
pub(crate) fn state_message(state: AuthorityState) -> api::AuthorityState {
    match state {
        AuthorityState::Prepared => api::AuthorityState::Prepared,
        AuthorityState::Active => api::AuthorityState::Active,
        AuthorityState::Old => api::AuthorityState::Old,
        AuthorityState::Tainted => api::AuthorityState::Tainted,
        AuthorityState::Revoked => api::AuthorityState::Revoked,
    }
}

/// Where the components of a key are kept.
pub(crate) fn key_places(
    components: impl Iterator<Item = Component>,
    keys: &[KeyReference],
) -> Vec<api::KeyPlace> {
    let places = components.zip(keys).map(|(component, key)| api::KeyPlace {
        component: component.to_string(),
        store: key.store.to_string(),
        key_id: key.key_id.to_string(),
    });
    places.collect()
}
