//! What callers ask for.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use spiffe::SpiffeId;
use symbolon_api::spire::api::types;
use symbolon_pki::suite::Form;

use super::ClientError;
use crate::wire::optional_seconds;

/// A selector as people write it: `type:value`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SelectorSpec {
    /// Who observes it, such as `unix`.
    pub kind: String,
    /// What is observed, such as `uid:1000`.
    pub value: String,
}

/// Text that is no selector.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0:?} is no selector; write type:value, such as unix:uid:1000")]
pub struct InvalidSelector(pub String);

impl FromStr for SelectorSpec {
    type Err = InvalidSelector;

    fn from_str(text: &str) -> Result<Self, InvalidSelector> {
        match text.split_once(':') {
            Some((kind, value)) if !kind.is_empty() && !value.is_empty() => Ok(Self {
                kind: kind.to_owned(),
                value: value.to_owned(),
            }),
            _ => Err(InvalidSelector(text.to_owned())),
        }
    }
}

impl fmt::Display for SelectorSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.value)
    }
}

/// An entry to make.
#[derive(Clone, Debug)]
pub struct EntrySpec {
    /// Its id; `None` lets the server choose one.
    pub id: Option<String>,
    /// The identity it gives.
    pub spiffe_id: SpiffeId,
    /// Who may fetch it.
    pub parent_id: SpiffeId,
    /// What a workload must be, all of it; at least one.
    pub selectors: Vec<SelectorSpec>,
    /// Lifetime of its X.509-SVIDs; `None` for the server's default.
    pub x509_svid_ttl: Option<Duration>,
    /// Lifetime of its JWT-SVIDs; `None` for the server's default.
    pub jwt_svid_ttl: Option<Duration>,
    /// DNS names for its certificates.
    pub dns_names: Vec<String>,
    /// What tells its SVIDs apart from others of the same workload.
    pub hint: String,
    /// Whether its identity administers the server.
    pub admin: bool,
    /// Whether its identity is a server below this one.
    pub downstream: bool,
    /// When it ends.
    pub expires_at: Option<SystemTime>,
    /// Foreign trust domains whose bundles its workloads get.
    pub federates_with: Vec<String>,
    /// What its SVIDs may be, and when.
    pub policy: EntryPolicy,
}

/// What the SVIDs of an entry may be, and when. Stock software does not know of this.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct EntryPolicy {
    /// The forms in which X.509-SVIDs may be issued; empty for every form.
    pub allowed_forms: Vec<Form>,
    /// The algorithms that keys in them may have, by name; empty for all.
    pub leaf_key_algorithms: Vec<String>,
    /// When the entry begins to have effect; `None` for at once.
    pub not_before: Option<SystemTime>,
    /// When it stops having effect, and its SVIDs end at the latest; `None` for never.
    pub not_after: Option<SystemTime>,
}

impl EntrySpec {
    /// An entry with nothing but what every entry has.
    pub fn new(spiffe_id: SpiffeId, parent_id: SpiffeId, selectors: Vec<SelectorSpec>) -> Self {
        Self {
            id: None,
            spiffe_id,
            parent_id,
            selectors,
            x509_svid_ttl: None,
            jwt_svid_ttl: None,
            dns_names: Vec::new(),
            hint: String::new(),
            admin: false,
            downstream: false,
            expires_at: None,
            federates_with: Vec::new(),
            policy: EntryPolicy::default(),
        }
    }

    pub(super) fn message(&self) -> Result<types::Entry, ClientError> {
        Ok(types::Entry {
            id: self.id.clone().unwrap_or_default(),
            spiffe_id: Some((&self.spiffe_id).into()),
            parent_id: Some((&self.parent_id).into()),
            selectors: selectors(&self.selectors),
            x509_svid_ttl: optional("x509_svid_ttl", self.x509_svid_ttl)?,
            jwt_svid_ttl: optional("jwt_svid_ttl", self.jwt_svid_ttl)?,
            dns_names: self.dns_names.clone(),
            hint: self.hint.clone(),
            admin: self.admin,
            downstream: self.downstream,
            expires_at: optional_seconds(self.expires_at),
            federates_with: self.federates_with.clone(),
            allowed_forms: form_names(&self.policy.allowed_forms),
            leaf_key_algorithms: self.policy.leaf_key_algorithms.clone(),
            not_before: optional_seconds(self.policy.not_before),
            not_after: optional_seconds(self.policy.not_after),
            ..types::Entry::default()
        })
    }
}

/// Changes of an entry: what is `None` stays as it is.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct EntryChanges {
    /// The identity it gives.
    pub spiffe_id: Option<SpiffeId>,
    /// Who may fetch it.
    pub parent_id: Option<SpiffeId>,
    /// What a workload must be; replaces all it had.
    pub selectors: Option<Vec<SelectorSpec>>,
    /// Lifetime of its X.509-SVIDs; zero for the server's default.
    pub x509_svid_ttl: Option<Duration>,
    /// Lifetime of its JWT-SVIDs; zero for the server's default.
    pub jwt_svid_ttl: Option<Duration>,
    /// DNS names for its certificates; replaces all it had.
    pub dns_names: Option<Vec<String>>,
    /// What tells its SVIDs apart from others of the same workload.
    pub hint: Option<String>,
    /// Whether its identity administers the server.
    pub admin: Option<bool>,
    /// Whether its identity is a server below this one.
    pub downstream: Option<bool>,
    /// Foreign trust domains whose bundles its workloads get; replaces all it had.
    pub federates_with: Option<Vec<String>>,
    /// When it ends; `Some(None)` for never.
    pub expires_at: Option<Option<SystemTime>>,
    /// The forms in which X.509-SVIDs may be issued; none for every form.
    pub allowed_forms: Option<Vec<Form>>,
    /// The algorithms that keys in them may have, by name; none for all.
    pub leaf_key_algorithms: Option<Vec<String>>,
    /// When it begins to have effect; `Some(None)` for at once.
    pub not_before: Option<Option<SystemTime>>,
    /// When it stops having effect; `Some(None)` for never.
    pub not_after: Option<Option<SystemTime>>,
    /// Whose declarations keep it; empty for nobody's.
    pub owner: Option<String>,
}

impl EntryChanges {
    pub(super) fn message(&self, id: &str) -> Result<(types::Entry, types::EntryMask), ClientError> {
        let entry = types::Entry {
            id: id.to_owned(),
            spiffe_id: self.spiffe_id.as_ref().map(Into::into),
            parent_id: self.parent_id.as_ref().map(Into::into),
            selectors: self.selectors.as_deref().map(selectors).unwrap_or_default(),
            x509_svid_ttl: optional("x509_svid_ttl", self.x509_svid_ttl)?,
            jwt_svid_ttl: optional("jwt_svid_ttl", self.jwt_svid_ttl)?,
            dns_names: self.dns_names.clone().unwrap_or_default(),
            hint: self.hint.clone().unwrap_or_default(),
            admin: self.admin.unwrap_or_default(),
            downstream: self.downstream.unwrap_or_default(),
            federates_with: self.federates_with.clone().unwrap_or_default(),
            expires_at: optional_seconds(self.expires_at.flatten()),
            allowed_forms: self.allowed_forms.as_deref().map(form_names).unwrap_or_default(),
            leaf_key_algorithms: self.leaf_key_algorithms.clone().unwrap_or_default(),
            not_before: optional_seconds(self.not_before.flatten()),
            not_after: optional_seconds(self.not_after.flatten()),
            owner: self.owner.clone().unwrap_or_default(),
            ..types::Entry::default()
        };
        let mask = types::EntryMask {
            spiffe_id: self.spiffe_id.is_some(),
            parent_id: self.parent_id.is_some(),
            selectors: self.selectors.is_some(),
            x509_svid_ttl: self.x509_svid_ttl.is_some(),
            jwt_svid_ttl: self.jwt_svid_ttl.is_some(),
            dns_names: self.dns_names.is_some(),
            hint: self.hint.is_some(),
            admin: self.admin.is_some(),
            downstream: self.downstream.is_some(),
            federates_with: self.federates_with.is_some(),
            expires_at: self.expires_at.is_some(),
            allowed_forms: self.allowed_forms.is_some(),
            leaf_key_algorithms: self.leaf_key_algorithms.is_some(),
            not_before: self.not_before.is_some(),
            not_after: self.not_after.is_some(),
            owner: self.owner.is_some(),
            ..types::EntryMask::default()
        };
        Ok((entry, mask))
    }
}

/// Which entries are wanted; what is `None` does not matter.
#[derive(Clone, Debug, Default)]
pub struct EntryQuery {
    /// Those of this identity.
    pub spiffe_id: Option<SpiffeId>,
    /// Those below this parent.
    pub parent_id: Option<SpiffeId>,
}

/// Which certificates are wanted; what is `None` does not matter.
#[derive(Clone, Debug, Default)]
pub struct CertificateQuery {
    /// Those of this identity.
    pub spiffe_id: Option<SpiffeId>,
    /// Those of this form.
    pub form: Option<Form>,
    /// At most so many, the newest.
    pub limit: Option<usize>,
}

fn selectors(specs: &[SelectorSpec]) -> Vec<types::Selector> {
    let message = |spec: &SelectorSpec| types::Selector {
        r#type: spec.kind.clone(),
        value: spec.value.clone(),
    };
    specs.iter().map(message).collect()
}

fn form_names(forms: &[Form]) -> Vec<String> {
    forms.iter().map(ToString::to_string).collect()
}

fn optional(field: &str, ttl: Option<Duration>) -> Result<i32, ClientError> {
    ttl.map_or(Ok(0), |ttl| seconds(field, ttl))
}

/// A lifetime as messages have it.
pub(super) fn seconds(field: &str, ttl: Duration) -> Result<i32, ClientError> {
    i32::try_from(ttl.as_secs())
        .map_err(|_| ClientError::Argument(format!("{field} is longer than 68 years")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_cut_at_the_first_colon() {
        let spec: SelectorSpec = "unix:uid:1000".parse().unwrap();
        assert_eq!((spec.kind.as_str(), spec.value.as_str()), ("unix", "uid:1000"));
        assert_eq!(spec.to_string(), "unix:uid:1000");
        for text in ["", "unix", "unix:", ":uid"] {
            assert!(text.parse::<SelectorSpec>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_not_changed_is_not_in_the_mask() {
        let changes = EntryChanges {
            hint: Some(String::new()),
            admin: Some(false),
            ..EntryChanges::default()
        };
        let (entry, mask) = changes.message("one").unwrap();
        assert_eq!(
            entry,
            types::Entry {
                id: "one".to_owned(),
                ..types::Entry::default()
            }
        );
        assert_eq!(
            mask,
            types::EntryMask {
                hint: true,
                admin: true,
                ..types::EntryMask::default()
            }
        );
        let changes = EntryChanges {
            x509_svid_ttl: Some(Duration::from_secs(1 << 32)),
            ..EntryChanges::default()
        };
        assert!(changes.message("one").is_err());
    }
}
