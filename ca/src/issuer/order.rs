//! What is asked of the issuer.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use spiffe::SpiffeId;
use symbolon_crypto::digest;
use symbolon_issuance::SvidProfile;
use symbolon_pki::key::SubjectKey;
use symbolon_pki::related::Related;
use symbolon_pki::suite::Form;
use symbolon_pki::time::unix_seconds;

use crate::datastore::SubjectKeyClaim;

/// An X.509-SVID that somebody is entitled to.
#[derive(Clone, Debug)]
pub struct X509Order {
    /// Whose identity it is to be.
    pub profile: SvidProfile,
    /// The identity.
    pub spiffe_id: SpiffeId,
    /// The key, whose possession was proven.
    pub key: SubjectKey,
    /// What the certificate holds beside it.
    pub companion: Companion,
    /// DNS names, for workloads.
    pub dns_names: Vec<String>,
    /// How long it is to live.
    pub ttl: Duration,
    /// When it ends at the latest, however late it is signed.
    pub ends_by: Option<SystemTime>,
    /// The registration entry that entitles a workload.
    pub entry_id: Option<String>,
    /// The agent that asks for it, if one does.
    pub agent_id: Option<SpiffeId>,
}

/// A certificate for an authority below ours that somebody is entitled to.
#[derive(Clone, Debug)]
pub struct CaOrder {
    /// The key, whose possession was proven.
    pub key: SubjectKey,
    /// The alternative key beside it, whose possession was proven too: the form is catalyst.
    pub alternative: Option<SubjectKey>,
    /// How long it is to live.
    pub ttl: Duration,
    /// The registration entry that entitles the server.
    pub entry_id: Option<String>,
}

impl CaOrder {
    /// The form of what it will issue.
    pub fn form(&self) -> Form {
        match self.alternative {
            Some(_) => Form::Catalyst,
            None => self.key.form(),
        }
    }

    /// What its certificate claims for its keys.
    pub(super) fn claim(&self) -> SubjectKeyClaim {
        claim_of(std::iter::once(&self.key).chain(&self.alternative))
    }
}

/// What makes a certificate more than one of its key.
#[derive(Clone, Debug, Default)]
pub enum Companion {
    /// Nothing: the key decides the form.
    #[default]
    None,
    /// An alternative key, whose possession was proven too: the form is catalyst.
    Alternative(SubjectKey),
    /// The link to the first SVID of a pair, whose holder this one's is.
    Related(Arc<Related>),
}

impl X509Order {
    /// The form of SVID that it is for.
    pub fn form(&self) -> Form {
        match self.companion {
            Companion::None => self.key.form(),
            Companion::Alternative(_) => Form::Catalyst,
            Companion::Related(_) => Form::Paired,
        }
    }

    /// The key that an alternative one stands beside, with it.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &SubjectKey> + Clone {
        let alternative = match &self.companion {
            Companion::Alternative(key) => Some(key),
            Companion::None | Companion::Related(_) => None,
        };
        std::iter::once(&self.key).chain(alternative)
    }

    /// What its certificate claims for its keys.
    pub(super) fn claim(&self) -> SubjectKeyClaim {
        claim_of(self.keys())
    }
}

/// How long what is signed at the moment `now` may live: since it was ordered seconds may have passed, in a queue or at a
/// token.
pub(super) fn lifetime(ttl: Duration, ends_by: Option<SystemTime>, now: SystemTime) -> Duration {
    // SVIDs end at whole seconds, counted from the one that `now` is in.
    let left = |end| Duration::from_secs(unix_seconds(end).saturating_sub(unix_seconds(now)));
    ends_by.map_or(ttl, |end| ttl.min(left(end)))
}

fn claim_of<'a>(keys: impl Iterator<Item = &'a SubjectKey> + Clone) -> SubjectKeyClaim {
    let whole: Vec<u8> = keys.clone().flat_map(SubjectKey::spki_der).collect();
    SubjectKeyClaim {
        key_sha256: digest::sha256(&whole),
        components: keys.flat_map(SubjectKey::component_spki_hashes).collect(),
    }
}
