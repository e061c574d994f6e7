//! Authorities as the commands about them show them.

use std::time::SystemTime;

use serde::Serialize;
use symbolon_api::symbolon::server::v1 as api;

use super::above::{RequestView, UpstreamView};
use super::read::{moment as read_moment, text};
use super::{AuthorityView, optional_moment};

/// Authorities, and what the families are to be.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct AuthoritiesView {
    /// In every state, oldest first.
    pub authorities: Vec<AuthorityDetail>,
    /// The families that are configured. Empty where the data directory answers, which does not have the configuration.
    pub families: Vec<FamilyView>,
    /// The X.509 authorities that others put into the bundle: those above this server's.
    pub upstream: Vec<UpstreamView>,
    /// The certificates that somebody is to bring.
    pub requests: Vec<RequestView>,
}

/// An authority with all that is known of it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct AuthorityDetail {
    /// What it is.
    #[serde(flatten)]
    pub authority: AuthorityView,
    /// When it was prepared.
    #[serde(serialize_with = "optional_moment")]
    pub created_at: Option<SystemTime>,
    /// When it began to sign; `None` for one that never did.
    #[serde(serialize_with = "optional_moment")]
    pub activated_at: Option<SystemTime>,
    /// When it came to its state.
    #[serde(serialize_with = "optional_moment")]
    pub changed_at: Option<SystemTime>,
    /// Where its key is kept; empty for a key that another server holds.
    pub keys: Vec<KeyPlaceView>,
    /// The authority above it; `None` for one that certified itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_authority_id: Option<String>,
}

/// Where one component of an authority's key is kept.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct KeyPlaceView {
    /// The component.
    pub component: String,
    /// The key store.
    pub store: String,
    /// The key's id there.
    pub key_id: String,
}

/// A family, and what its next authority will be.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct FamilyView {
    /// The family.
    pub family: String,
    /// What its next authority will be.
    pub wanted: ShapeView,
    /// What the configuration says.
    pub configured: ShapeView,
    /// The command that chose otherwise, if one did.
    pub choice: Option<ChoiceView>,
    /// When the prepared authority will sign because of that choice.
    #[serde(serialize_with = "optional_moment")]
    pub activates_at: Option<SystemTime>,
}

/// What the authorities of a family are.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct ShapeView {
    /// What they sign with.
    pub suite: String,
    /// What they sign with beside that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alternative: Option<String>,
    /// The store of each component of their key.
    pub stores: Vec<String>,
}

/// A choice that a command made.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct ChoiceView {
    /// Its number.
    pub sequence: u64,
    /// When.
    #[serde(serialize_with = "optional_moment")]
    pub chosen_at: Option<SystemTime>,
    /// Whose.
    pub chosen_by: String,
}

/// What became of a command that changes a family.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct RotationView {
    /// The authority that was prepared; `None` where the one that signs is like that already, and where its certificate is
    /// awaited.
    pub prepared: Option<AuthorityDetail>,
    /// What the family is to be from now on.
    pub family: FamilyView,
    /// Whether somebody is to bring the certificate of the next authority.
    pub awaited: bool,
}

impl From<api::ListAuthoritiesResponse> for AuthoritiesView {
    fn from(answer: api::ListAuthoritiesResponse) -> Self {
        Self {
            authorities: answer.authorities.into_iter().map(Into::into).collect(),
            families: answer.families.into_iter().map(Into::into).collect(),
            upstream: answer.upstream.into_iter().map(Into::into).collect(),
            requests: answer.requests.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<api::Authority> for AuthorityDetail {
    fn from(mut authority: api::Authority) -> Self {
        let keys = std::mem::take(&mut authority.keys);
        Self {
            created_at: read_moment(authority.created_at),
            activated_at: read_moment(authority.activated_at),
            changed_at: read_moment(authority.changed_at),
            keys: keys.into_iter().map(Into::into).collect(),
            upstream_authority_id: text(std::mem::take(&mut authority.upstream_authority_id)),
            authority: authority.into(),
        }
    }
}

impl From<api::KeyPlace> for KeyPlaceView {
    fn from(key: api::KeyPlace) -> Self {
        Self {
            component: key.component,
            store: key.store,
            key_id: key.key_id,
        }
    }
}

impl From<api::FamilyPlan> for FamilyView {
    fn from(plan: api::FamilyPlan) -> Self {
        Self {
            family: plan.family,
            wanted: plan.wanted.map(ShapeView::from).unwrap_or_default(),
            configured: plan.configured.map(ShapeView::from).unwrap_or_default(),
            choice: plan.choice.map(|choice| ChoiceView {
                sequence: choice.sequence,
                chosen_at: read_moment(choice.chosen_at),
                chosen_by: choice.chosen_by,
            }),
            activates_at: read_moment(plan.activates_at),
        }
    }
}

impl From<api::FamilyShape> for ShapeView {
    fn from(shape: api::FamilyShape) -> Self {
        Self {
            suite: shape.suite,
            alternative: text(shape.alternative),
            stores: shape.stores,
        }
    }
}

impl From<api::RotateAuthorityResponse> for RotationView {
    fn from(answer: api::RotateAuthorityResponse) -> Self {
        Self {
            prepared: answer.authority.map(AuthorityDetail::from),
            family: answer.plan.unwrap_or_default().into(),
            awaited: answer.awaited,
        }
    }
}
