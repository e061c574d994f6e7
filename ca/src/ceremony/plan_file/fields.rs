//! The fields of a ceremony's file.

use std::collections::BTreeMap;

use serde::Deserialize;
use spiffe::TrustDomain;
use symbolon_host::HumanDuration;
use symbolon_host::config::from_text;
use symbolon_hsm::StoreName;
use toml::Spanned;

use super::{Name, ShareProtection};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) version: Spanned<u32>,
    #[serde(deserialize_with = "from_text")]
    pub(super) trust_domain: TrustDomain,
    pub(super) organization: Option<Spanned<String>>,
    pub(super) output: Spanned<String>,
    pub(super) root: Root,
    #[serde(default)]
    pub(super) stores: BTreeMap<StoreName, Store>,
    pub(super) quorum: Quorum,
    pub(super) custodians: Spanned<Vec<CustodianEntry>>,
    pub(super) policy: Option<PolicyEntry>,
    #[serde(default)]
    pub(super) intermediates: Vec<Intermediate>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Root {
    pub(super) suite: Spanned<String>,
    pub(super) lifetime: Spanned<HumanDuration>,
    pub(super) path_length: Option<Spanned<u8>>,
    pub(super) name_constraints: Option<Spanned<bool>>,
    #[serde(default)]
    pub(super) keys: BTreeMap<String, Spanned<StoreName>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Store {
    pub(super) location: Spanned<String>,
    #[serde(default)]
    pub(super) pin: Vec<Vec<Spanned<Name>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Quorum {
    pub(super) needed: Spanned<u8>,
    #[serde(default)]
    pub(super) shares: ShareProtection,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CustodianEntry {
    pub(super) name: Spanned<Name>,
    pub(super) role: Spanned<String>,
    pub(super) share: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PolicyEntry {
    pub(super) lifetime: Option<Spanned<HumanDuration>>,
    pub(super) path_length: Option<Spanned<u8>>,
    pub(super) suites: Option<Spanned<Vec<String>>>,
    pub(super) count: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Intermediate {
    pub(super) name: Spanned<Name>,
    pub(super) csr: Spanned<String>,
    pub(super) lifetime: Option<Spanned<HumanDuration>>,
}
