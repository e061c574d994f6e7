//! What the Workload API's messages mean: parsed once, completely, or refused with the part at fault.
//!
//! An SVID that cannot be used here is left out and reported, since the others are as good as before; without its
//! bundles, which say whom to trust no longer, an answer is refused as a whole.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use spiffe::{SpiffeId, TrustDomain};
use symbolon_api::spiffe::workload as wire;
use symbolon_pki::bundle::{BundleSet, TrustBundle, X509Authority};
use symbolon_pki::catalyst::Alternative;
use symbolon_pki::certificate::{Certificate, split_chain};
use symbolon_pki::key::{Half, PrivateKey, SubjectKey};
use symbolon_pki::suite::Form;
use symbolon_pki::text::printable;
use zeroize::Zeroizing;

use crate::identity::SvidIdentity;
use crate::migration::{Migration, UnknownMigration};

/// Why an answer is not usable. The input at fault is the agent's.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{part}: {reason}")]
pub struct ResponseError {
    /// Which part of the answer: "SVID 2 (spiffe://…)", "the bundle of example.org".
    pub part: String,
    /// What is wrong with it.
    pub reason: String,
}

impl ResponseError {
    fn new(part: impl Into<String>, reason: impl fmt::Display) -> Self {
        Self {
            part: part.into(),
            reason: reason.to_string(),
        }
    }
}

/// Everything X.509 that the agent holds for the caller.
#[derive(Clone, Debug)]
pub struct X509Context {
    /// The SVIDs in the agent's order: the default one first, unless it was skipped. At least one.
    pub svids: Vec<X509Svid>,
    /// The SVIDs of the answer that are not among [`svids`](Self::svids), and why: a key of a type that this build does
    /// not sign with, such as RSA, or a fault. A pair of which one half cannot be used is left out whole.
    pub skipped: Vec<ResponseError>,
    /// The bundles of the SVIDs' trust domains and of those federated with them. A trust domain's bundle holds the
    /// authorities of all forms that were asked for; its sequence number is not known here, and 0.
    pub bundles: BundleSet,
}

/// One X.509-SVID with its key.
#[derive(Clone)]
pub struct X509Svid {
    /// Chain and signer, as TLS presents them.
    pub identity: Arc<SvidIdentity>,
    /// The key itself, for those who store it.
    pub private_key: PrivateKey,
    /// The key to the leaf's alternative key, of a catalyst SVID whose agent gave it.
    pub alternative_key: Option<PrivateKey>,
    /// Tells apart the SVIDs of one answer. Empty if the agent gives none.
    pub hint: String,
    /// How far the migration of this identity is. `None` while there is none that this version knows.
    pub migration: Option<Migration>,
    form: Form,
}

impl X509Svid {
    /// Whose SVID it is.
    pub fn spiffe_id(&self) -> &SpiffeId {
        self.identity.spiffe_id()
    }

    /// Its form: of both SVIDs of a pair [`Paired`](Form::Paired).
    pub fn form(&self) -> Form {
        self.form
    }

    /// Which half of a pair it is; `None` for an SVID that stands alone.
    pub fn half(&self) -> Option<Half> {
        match (self.form, self.identity.form()) {
            (Form::Paired, Form::Paired) => Some(Half::PostQuantum),
            (Form::Paired, _) => Some(Half::Classical),
            _ => None,
        }
    }
}

impl fmt::Debug for X509Svid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("X509Svid")
            .field("spiffe_id", self.spiffe_id())
            .field("form", &self.form())
            .field("hint", &self.hint)
            .finish_non_exhaustive()
    }
}

/// A JWT-SVID as the agent gave it.
#[derive(Clone)]
pub struct JwtSvid {
    /// Whose it is.
    pub spiffe_id: SpiffeId,
    /// The token in JWS compact form. Whoever has it can use it.
    pub token: Zeroizing<String>,
    /// Tells apart the SVIDs of one answer. Empty if the agent gives none.
    pub hint: String,
}

impl fmt::Debug for JwtSvid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtSvid")
            .field("spiffe_id", &self.spiffe_id)
            .field("hint", &self.hint)
            .finish_non_exhaustive()
    }
}

impl X509Context {
    /// Reads an answer of the Workload API.
    ///
    /// # Errors
    /// [`ResponseError`] when it holds no SVID that can be used, or a bundle that cannot be read; the first fault, if every
    /// SVID has one.
    pub fn from_wire(message: wire::X509svidResponse) -> Result<Self, ResponseError> {
        let mut bundles = Bundles::default();
        let (mut read, mut skipped) = (Vec::with_capacity(message.svids.len()), Vec::new());
        // All keys are where they will be wiped before the first fault can end this.
        let received: Vec<_> = message.svids.into_iter().map(take_key).collect();
        for (index, (svid, keys)) in received.into_iter().enumerate() {
            let part = format!("SVID {index} ({:?})", printable(&svid.spiffe_id));
            let roots = roots(&format!("the bundle of {part}"), &svid.bundle)?;
            // Whom to trust does not hang on whether we can use what we are to present.
            if let Ok(id) = SpiffeId::new(&svid.spiffe_id) {
                bundles.add(id.trust_domain().clone(), roots);
            }
            match x509_svid(&part, svid, &keys) {
                Ok(svid) => read.push((part, svid)),
                Err(error) => skipped.push(error),
            }
        }
        let svids = whole_pairs(read, &mut skipped);
        if svids.is_empty() {
            let nothing = || ResponseError::new("the answer", "it holds no SVID");
            return Err(skipped.into_iter().next().unwrap_or_else(nothing));
        }
        bundles.add_all(message.federated_bundles)?;
        Ok(Self {
            svids,
            skipped,
            bundles: bundles.into_set(),
        })
    }

    /// How far the migration of the default identity is.
    pub fn migration(&self) -> Option<Migration> {
        self.svids.first().and_then(|svid| svid.migration)
    }

    /// The SVIDs as a TLS source presents them.
    pub fn identities(&self) -> Vec<Arc<SvidIdentity>> {
        self.svids.iter().map(|svid| svid.identity.clone()).collect()
    }
}

/// The private keys that came with an SVID, as PKCS#8; the second is empty where there is none.
struct Keys {
    native: Zeroizing<Vec<u8>>,
    alternative: Zeroizing<Vec<u8>>,
}

/// The message without its keys, and the keys.
fn take_key(mut svid: wire::X509svid) -> (wire::X509svid, Keys) {
    let keys = Keys {
        native: Zeroizing::new(std::mem::take(&mut svid.x509_svid_key)),
        alternative: Zeroizing::new(std::mem::take(&mut svid.alternative_key)),
    };
    (svid, keys)
}

fn x509_svid(part: &str, svid: wire::X509svid, keys: &Keys) -> Result<X509Svid, ResponseError> {
    let private_key =
        PrivateKey::from_pkcs8_der(&keys.native).map_err(|error| ResponseError::new(part, error))?;
    let signer = private_key
        .signer()
        .map_err(|error| ResponseError::new(part, error))?;
    let chain = split(part, &svid.x509_svid)?
        .iter()
        .map(|certificate| certificate.der().to_vec())
        .collect();
    let identity = SvidIdentity::new(chain, signer).map_err(|error| ResponseError::new(part, error))?;
    let named = spiffe_id(part, &svid.spiffe_id)?;
    if *identity.spiffe_id() != named {
        let reason = format!("its certificate is for {}", identity.spiffe_id());
        return Err(ResponseError::new(part, reason));
    }
    let alternative_key = alternative_key(part, identity.leaf(), &keys.alternative)?;
    // A pair's first SVID looks like any classical one: that it belongs to a pair is for the agent to say.
    let form = match (svid.form.as_str() == Form::Paired.name(), identity.form()) {
        (true, Form::Classical | Form::Paired) => Form::Paired,
        (true, other) => {
            let reason = format!("it is said to be half of a pair, and is of form {other}");
            return Err(ResponseError::new(part, reason));
        }
        (false, form) => form,
    };
    let migration = migration(part, &svid.migration_target, &svid.migration_stage);
    Ok(X509Svid {
        identity: Arc::new(identity),
        private_key,
        alternative_key,
        hint: svid.hint,
        migration,
        form,
    })
}

/// The migration of an identity. One that this version does not know is none: what is not understood must not decide what
/// is taken.
fn migration(part: &str, target: &str, stage: &str) -> Option<Migration> {
    if target.is_empty() && stage.is_empty() {
        return None;
    }
    let read = || {
        Ok::<_, UnknownMigration>(Migration {
            target: target.parse()?,
            stage: stage.parse()?,
        })
    };
    read()
        .inspect_err(
            |error| tracing::warn!(part, %error, "a migration that is not known here is not followed"),
        )
        .ok()
}

/// The private key to the alternative key of `leaf`, if one was given.
fn alternative_key(
    part: &str,
    leaf: &Certificate,
    pkcs8: &[u8],
) -> Result<Option<PrivateKey>, ResponseError> {
    if pkcs8.is_empty() {
        return Ok(None);
    }
    let failed = |error: &dyn fmt::Display| ResponseError::new(part, format!("its alternative key: {error}"));
    let key = PrivateKey::from_pkcs8_der(pkcs8).map_err(|error| failed(&error))?;
    let certified = leaf.alternative().map(Alternative::key).transpose();
    let certified = certified.map_err(|error| failed(&error))?;
    let public = key.public_key().map_err(|error| failed(&error))?;
    match certified {
        Some(SubjectKey::Suite(certified)) if *certified == public => Ok(Some(key)),
        _ => Err(failed(&"it is not the one that its certificate names")),
    }
}

/// The SVIDs without halves of pairs: one half stands directly before the other, which names it.
fn whole_pairs(read: Vec<(String, X509Svid)>, skipped: &mut Vec<ResponseError>) -> Vec<X509Svid> {
    let mut svids: Vec<X509Svid> = Vec::with_capacity(read.len());
    let mut first: Option<(String, X509Svid)> = None;
    let alone =
        |(part, _): (String, X509Svid)| ResponseError::new(part, "the other half of the pair is missing");
    for (part, svid) in read {
        match (svid.half(), first.take()) {
            (Some(Half::PostQuantum), Some((_, one))) => match linked(&one, &svid) {
                Ok(()) => svids.extend([one, svid]),
                Err(reason) => skipped.push(ResponseError::new(part, reason)),
            },
            (Some(Half::PostQuantum), None) => skipped.push(alone((part, svid))),
            (half, waiting) => {
                skipped.extend(waiting.map(alone));
                match half {
                    Some(_) => first = Some((part, svid)),
                    None => svids.push(svid),
                }
            }
        }
    }
    skipped.extend(first.map(alone));
    svids
}

/// Whether `second` names `first`, as an SVID of the same identity.
fn linked(first: &X509Svid, second: &X509Svid) -> Result<(), String> {
    if first.spiffe_id() != second.spiffe_id() {
        let other = first.spiffe_id();
        return Err(format!("the other half of the pair is for {other}"));
    }
    let link = second.identity.leaf().related();
    let link = link.ok_or("it names no other half of a pair")?;
    link.check(first.identity.leaf())
        .map_err(|error| error.to_string())
}

pub(super) fn x509_bundles(message: HashMap<String, Vec<u8>>) -> Result<BundleSet, ResponseError> {
    let mut bundles = Bundles::default();
    bundles.add_all(message)?;
    Ok(bundles.into_set())
}

pub(super) fn jwt_bundles(message: HashMap<String, Vec<u8>>) -> Result<BundleSet, ResponseError> {
    message
        .into_iter()
        .map(|(name, jwks)| {
            let trust_domain = trust_domain(&name)?;
            TrustBundle::from_jwt_jwks(&trust_domain, &jwks)
                .map_err(|error| ResponseError::new(format!("the bundle of {trust_domain}"), error))
        })
        .collect()
}

pub(super) fn jwt_svids(svids: Vec<wire::Jwtsvid>) -> Result<Vec<JwtSvid>, ResponseError> {
    svids
        .into_iter()
        .enumerate()
        .map(|(index, svid)| {
            let spiffe_id = spiffe_id(&format!("SVID {index}"), &svid.spiffe_id)?;
            Ok(JwtSvid {
                spiffe_id,
                token: Zeroizing::new(svid.svid),
                hint: svid.hint,
            })
        })
        .collect()
}

pub(super) fn spiffe_id(part: &str, text: &str) -> Result<SpiffeId, ResponseError> {
    SpiffeId::new(text).map_err(|error| {
        ResponseError::new(part, format!("{:?} is not a SPIFFE ID: {error}", printable(text)))
    })
}

fn trust_domain(name: &str) -> Result<TrustDomain, ResponseError> {
    TrustDomain::new(name).map_err(|error| {
        ResponseError::new(
            "the bundles",
            format!("{:?} is not a trust domain: {error}", printable(name)),
        )
    })
}

fn split(part: &str, concatenated: &[u8]) -> Result<Vec<Certificate>, ResponseError> {
    split_chain(concatenated).map_err(|error| ResponseError::new(part, error))
}

/// A bundle's authorities. A bundle without any vouches for nobody, and must be taken as it is: if the update were
/// refused for it, the authorities it no longer has would stay trusted.
fn roots(part: &str, concatenated: &[u8]) -> Result<Vec<Certificate>, ResponseError> {
    if concatenated.is_empty() {
        Ok(Vec::new())
    } else {
        split(part, concatenated)
    }
}

/// Bundles in the making: one trust domain's authorities may come in several parts, one for each form.
#[derive(Default)]
struct Bundles(BTreeMap<TrustDomain, Vec<Certificate>>);

impl Bundles {
    fn add(&mut self, trust_domain: TrustDomain, roots: Vec<Certificate>) {
        let held = self.0.entry(trust_domain).or_default();
        for root in roots {
            if !held.iter().any(|other| other.der() == root.der()) {
                held.push(root);
            }
        }
    }

    fn add_all(&mut self, message: HashMap<String, Vec<u8>>) -> Result<(), ResponseError> {
        for (name, roots) in message {
            let trust_domain = trust_domain(&name)?;
            let roots = self::roots(&format!("the bundle of {trust_domain}"), &roots)?;
            self.add(trust_domain, roots);
        }
        Ok(())
    }

    fn into_set(self) -> BundleSet {
        self.0
            .into_iter()
            .map(|(trust_domain, roots)| TrustBundle {
                x509_authorities: roots.into_iter().map(X509Authority::new).collect(),
                ..TrustBundle::new(trust_domain)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_stays_in_a_message() {
        let sent = wire::X509svid {
            spiffe_id: "spiffe://example.org/one".to_owned(),
            x509_svid_key: vec![7; 32],
            alternative_key: vec![8; 32],
            ..wire::X509svid::default()
        };
        let (message, keys) = take_key(sent);
        assert!(message.x509_svid_key.is_empty() && message.alternative_key.is_empty());
        assert_eq!(message.spiffe_id, "spiffe://example.org/one");
        assert_eq!(
            (&keys.native[..], &keys.alternative[..]),
            (&[7; 32][..], &[8; 32][..])
        );
    }
}
