//! Bundles and relationships.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use symbolon_api::spire::api::types;

use crate::client::{Client, ClientError};

/// What became of a step.
pub type ItemOutcome = Result<(), ClientError>;

/// Something about bundles or relationships that changes.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Item {
    /// `bundle`, `authorities` (of the server that is imported from) or `relationship`.
    pub kind: &'static str,
    /// `set`, `append`, `create` or `update`.
    pub action: &'static str,
    /// Whose it is.
    pub trust_domain: String,
    /// What it comes to, in words.
    pub detail: String,
}

/// An item and the message that brings it about.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) item: Item,
    work: Work,
}

#[derive(Clone, Debug)]
enum Work {
    Set(types::Bundle),
    Append(Vec<types::X509Certificate>, Vec<types::JwtKey>),
    Create(types::FederationRelationship),
    Update(types::FederationRelationship),
}

impl Step {
    pub(super) async fn run(&self, target: &Client) -> ItemOutcome {
        match self.work.clone() {
            Work::Set(bundle) => target.set_bundle(bundle).await,
            Work::Append(x509, jwt) => target.append_authorities(x509, jwt).await,
            Work::Create(relationship) => target.create_relationship(relationship).await,
            Work::Update(relationship) => target.update_relationship(relationship).await,
        }
    }
}

/// The bundles that are missing or older here. One that is newer here was fetched here.
pub(super) fn bundles(theirs: &[types::Bundle], ours: &[types::Bundle]) -> Vec<Step> {
    let ours: BTreeMap<&str, &types::Bundle> = ours
        .iter()
        .map(|bundle| (bundle.trust_domain.as_str(), bundle))
        .collect();
    let is_due = |bundle: &&types::Bundle| match ours.get(bundle.trust_domain.as_str()) {
        None => true,
        Some(own) => bundle.sequence_number >= own.sequence_number && parts(bundle) != parts(own),
    };
    let step = |bundle: &types::Bundle| Step {
        item: Item {
            kind: "bundle",
            action: "set",
            trust_domain: bundle.trust_domain.clone(),
            detail: counted(bundle.x509_authorities.len(), bundle.jwt_authorities.len()),
        },
        work: Work::Set(bundle.clone()),
    };
    theirs.iter().filter(is_due).map(step).collect()
}

/// What makes two bundles the same, whatever the order.
type Parts<'a> = (
    BTreeSet<(&'a [u8], bool)>,
    BTreeSet<(&'a str, &'a [u8], i64, bool)>,
    i64,
);

fn parts(bundle: &types::Bundle) -> Parts<'_> {
    let x509 = bundle.x509_authorities.iter();
    let jwt = bundle.jwt_authorities.iter();
    (
        x509.map(|authority| (authority.asn1.as_slice(), authority.tainted))
            .collect(),
        jwt.map(|key| {
            (
                key.key_id.as_str(),
                key.public_key.as_slice(),
                key.expires_at,
                key.tainted,
            )
        })
        .collect(),
        bundle.refresh_hint,
    )
}

/// The authorities of the other server that this server's bundle does not have. What is tainted there is not to be believed
/// here.
pub(super) fn authorities(theirs: &types::Bundle, ours: &types::Bundle) -> Option<Step> {
    let known: BTreeSet<&[u8]> = ours.x509_authorities.iter().map(|a| a.asn1.as_slice()).collect();
    let x509: Vec<types::X509Certificate> = theirs
        .x509_authorities
        .iter()
        .filter(|authority| !authority.tainted && !known.contains(authority.asn1.as_slice()))
        .cloned()
        .collect();
    let known: BTreeSet<&str> = ours
        .jwt_authorities
        .iter()
        .map(|key| key.key_id.as_str())
        .collect();
    let jwt: Vec<types::JwtKey> = theirs
        .jwt_authorities
        .iter()
        .filter(|key| !key.tainted && !known.contains(key.key_id.as_str()))
        .cloned()
        .collect();
    (!x509.is_empty() || !jwt.is_empty()).then(|| Step {
        item: Item {
            kind: "authorities",
            action: "append",
            trust_domain: theirs.trust_domain.clone(),
            detail: counted(x509.len(), jwt.len()),
        },
        work: Work::Append(x509, jwt),
    })
}

fn counted(x509: usize, jwt: usize) -> String {
    format!("{x509} X.509 authorities, {jwt} JWT keys")
}

/// The relationships that are missing or different here.
pub(super) fn relationships(
    theirs: &[types::FederationRelationship],
    ours: &[types::FederationRelationship],
) -> Vec<Step> {
    let ours: BTreeMap<&str, &types::FederationRelationship> = ours
        .iter()
        .map(|relationship| (relationship.trust_domain.as_str(), relationship))
        .collect();
    let step = |relationship: &types::FederationRelationship| {
        let bare = types::FederationRelationship {
            trust_domain_bundle: None,
            ..relationship.clone()
        };
        let own = ours.get(relationship.trust_domain.as_str());
        let same = own.is_some_and(|own| {
            own.bundle_endpoint_url == bare.bundle_endpoint_url
                && own.bundle_endpoint_profile == bare.bundle_endpoint_profile
        });
        let (action, work) = match own {
            _ if same => return None,
            None => ("create", Work::Create(bare)),
            Some(_) => ("update", Work::Update(bare)),
        };
        Some(Step {
            item: Item {
                kind: "relationship",
                action,
                trust_domain: relationship.trust_domain.clone(),
                detail: relationship.bundle_endpoint_url.clone(),
            },
            work,
        })
    };
    theirs.iter().filter_map(step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundle(sequence_number: u64, authorities: &[u8]) -> types::Bundle {
        let authority = |byte: &u8| types::X509Certificate {
            asn1: vec![*byte],
            tainted: *byte == 9,
        };
        types::Bundle {
            trust_domain: "a.test".to_owned(),
            x509_authorities: authorities.iter().map(authority).collect(),
            sequence_number,
            ..types::Bundle::default()
        }
    }

    #[test]
    fn bundles_are_set_that_are_missing_or_older() {
        for (theirs, ours, due) in [
            (bundle(1, &[1]), vec![], true),
            (bundle(1, &[1, 2]), vec![bundle(1, &[2, 1])], false),
            (bundle(1, &[1, 2]), vec![bundle(1, &[1])], true),
            (bundle(2, &[1]), vec![bundle(1, &[1])], false),
            (bundle(1, &[1]), vec![bundle(2, &[2])], false),
        ] {
            assert_eq!(
                bundles(std::slice::from_ref(&theirs), &ours).len(),
                usize::from(due),
                "{theirs:?}"
            );
        }
    }

    #[test]
    fn authorities_are_appended_that_are_missing_and_not_tainted() {
        let step = authorities(&bundle(1, &[1, 2, 9]), &bundle(1, &[1])).unwrap();
        assert_eq!(step.item.detail, "1 X.509 authorities, 0 JWT keys");
        assert!(authorities(&bundle(1, &[1, 9]), &bundle(1, &[1])).is_none());
    }

    #[test]
    fn relationships_are_made_and_changed_where_they_differ() {
        let relationship = |url: &str| types::FederationRelationship {
            trust_domain: "a.test".to_owned(),
            bundle_endpoint_url: url.to_owned(),
            ..types::FederationRelationship::default()
        };
        let actions = |theirs, ours: &[_]| {
            relationships(&[theirs], ours)
                .iter()
                .map(|step| step.item.action)
                .collect::<Vec<_>>()
        };
        let with_bundle = types::FederationRelationship {
            trust_domain_bundle: Some(bundle(1, &[1])),
            ..relationship("https://a")
        };
        assert_eq!(actions(relationship("https://a"), &[]), ["create"]);
        assert_eq!(
            actions(relationship("https://b"), &[relationship("https://a")]),
            ["update"]
        );
        assert_eq!(actions(with_bundle, &[relationship("https://a")]), [""; 0]);
    }
}
