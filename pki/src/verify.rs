//! The one verifier of X.509-SVID chains: bundle, chain and time in; an identity, or a reason, out.
//!
//! It applies RFC 5280's path validation and the X509-SVID specification's rules, and knows both halves of a
//! composite signature apart. Everything that accepts a certificate in this project asks it, TLS included, so that
//! there is one set of rules and one set of reasons.
//!
//! What a chain is worth is the worth of its weakest key: a composite leaf under a classical authority is reported
//! as [`Form::Classical`], because whoever can forge for that authority can forge the leaf. What it must be worth to be
//! accepted is the caller's to say, by a [`PathPolicy`].
//!
//! Not done here, and therefore refused where a certificate insists on it by a critical extension: certificate policies
//! that are constrained or mapped.

mod error;
mod names;
mod path;
mod plain;
mod policy;
mod profile;
mod revocation;
mod rules;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use spiffe::SpiffeId;

pub use self::error::{ChainError, ChainReason, Role};
use self::path::{Path, Search, Step, StepKey};
pub use self::plain::{VerifiedPath, verify_plain_chain};
pub use self::policy::{PathPolicy, UnknownPathPolicy};
pub use self::profile::{
    AlgorithmProfile, Allowed, Breach, Hash, MAX_PROFILE_LEN, MAX_PROFILE_RULES, Policy, ProfileError,
    ProfileRule, RuledPart,
};
pub use self::revocation::{Revocation, RevocationMode, UnknownRevocationMode};
use crate::bundle::{BundleSet, TrustBundle};
use crate::certificate::Certificate;
use crate::kem::KemPublicKey;
use crate::skid::Skid;
use crate::suite::Form;
use crate::text;

/// Most certificates that a chain may hold, and that a path may have with its authority.
pub const MAX_CHAIN_LEN: usize = 8;

/// Most signatures that are checked for one chain.
pub const MAX_SIGNATURE_CHECKS: usize = 32;

/// Most comparisons of a name with a name constraint that are made for one chain.
pub const MAX_NAME_COMPARISONS: usize = 100_000;

/// What a verifier accepts beyond what the standards ask.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct VerifyOptions {
    /// Whether a path to a tainted authority is refused. It is not by default: during a forced rotation the
    /// workloads signed by the tainted authority must work until each has its new SVID, and it is the removal of the
    /// authority from the bundle that ends its trust.
    pub refuse_tainted: bool,
    /// What every key on the path must be worth. Anything by default.
    pub policy: PathPolicy,
    /// Which keys and hashes may stand on the path. All that this library knows by default.
    pub profile: Option<Arc<AlgorithmProfile>>,
    /// What is done about revocation. Nothing by default.
    pub revocation: Revocation,
    /// Whether the alternative keys of catalyst certificates count for nothing, so that they are classical. So it must be
    /// where the peer proves by its native key alone that the certificate is its own, as in TLS.
    pub native_only: bool,
}

impl VerifyOptions {
    /// The default, but under this policy.
    #[must_use]
    pub fn under(policy: Policy) -> Self {
        let mut options = Self::default();
        match policy {
            Policy::Path(policy) => options.policy = policy,
            Policy::Profile(profile) => options.profile = Some(profile),
        }
        options
    }

    /// Whether the native signatures of catalyst certificates are not enough.
    fn needs_alternatives(&self) -> bool {
        self.policy != PathPolicy::ClassicalOk || self.profile.is_some()
    }
}

/// An X.509-SVID that was verified.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct VerifiedSvid {
    /// Whose it is.
    pub spiffe_id: SpiffeId,
    /// What the path is worth: the form of its weakest key, the leaf's included.
    pub form: Form,
    /// The type of the leaf's key, such as `mldsa65-ecdsa-p256` or `rsa-2048`.
    pub suite: String,
    /// Key identifier of the authority at the end of the path.
    pub authority_id: Skid,
    /// Whether that authority is tainted in the bundle.
    pub tainted: bool,
    /// Until when all certificates of the path are valid.
    pub not_after: SystemTime,
    /// How many certificates the path has, leaf and authority included.
    pub chain_len: usize,
}

/// A signing certificate that was verified.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct VerifiedAuthority {
    /// What the path is worth: the form of its weakest key, the signing certificate's included.
    pub form: Form,
    /// Key identifier of the authority at the end of the path.
    pub authority_id: Skid,
    /// Whether that authority is tainted in the bundle.
    pub tainted: bool,
    /// Until when all certificates of the path are valid.
    pub not_after: SystemTime,
    /// How many certificates the path has, both ends included; 1 for an authority of the bundle itself.
    pub chain_len: usize,
}

/// Verifies the chain of a workload, an agent or a server against the bundle of the trust domain that it names.
///
/// `chain` has the leaf first; signing certificates follow in any order. The authority itself need not be among
/// them, and does no harm if it is.
///
/// # Errors
/// [`ChainError`]: which certificate broke which rule, and which half of its signature if that was it.
pub fn verify_x509_svid(
    chain: &[Certificate],
    bundles: &BundleSet,
    now: SystemTime,
) -> Result<VerifiedSvid, ChainError> {
    verify_x509_svid_with(chain, bundles, now, &VerifyOptions::default())
}

/// [`verify_x509_svid`] with options.
///
/// # Errors
/// As [`verify_x509_svid`].
pub fn verify_x509_svid_with(
    chain: &[Certificate],
    bundles: &BundleSet,
    now: SystemTime,
    options: &VerifyOptions,
) -> Result<VerifiedSvid, ChainError> {
    let (leaf, rest) = split(chain)?;
    let refused = |reason| at_first(leaf, Role::Leaf, reason);

    let key = rules::check_signing_key(leaf, Role::Leaf, now, options).map_err(refused)?;
    let first = Step {
        certificate: leaf,
        key: StepKey::Signs(key),
        role: Role::Leaf,
    };
    verify_leaf(first, rest, bundles, now, options, key.algorithm_name())
}

/// Verifies the chain of a certificate whose key is that of an ML-KEM (RFC 9935), by the rules for SVIDs but for what
/// follows from the key: its usage is keyEncipherment and nothing else, and it is for no end of TLS.
///
/// That its holder has the private key is not shown by any of this; it shows when it decapsulates.
///
/// # Errors
/// As [`verify_x509_svid`], and [`ChainReason::KemKey`].
pub fn verify_kem_certificate(
    chain: &[Certificate],
    bundles: &BundleSet,
    now: SystemTime,
    options: &VerifyOptions,
) -> Result<(VerifiedSvid, KemPublicKey), ChainError> {
    let (leaf, rest) = split(chain)?;
    let refused = |reason| at_first(leaf, Role::Leaf, reason);

    let key = KemPublicKey::of(leaf).map_err(|problem| refused(ChainReason::KemKey(problem)))?;
    rules::check_kem_key(leaf, &key, now, options).map_err(refused)?;
    let first = Step {
        certificate: leaf,
        key: StepKey::Kem(&key),
        role: Role::Leaf,
    };
    let name = key.parameter_set().to_string();
    let verified = verify_leaf(first, rest, bundles, now, options, name)?;
    Ok((verified, key))
}

/// Verifies the chain of a leaf whose key was looked at.
fn verify_leaf(
    first: Step<'_>,
    rest: &[Certificate],
    bundles: &BundleSet,
    now: SystemTime,
    options: &VerifyOptions,
    algorithm: String,
) -> Result<VerifiedSvid, ChainError> {
    let leaf = first.certificate;
    let refused = |reason| at_first(leaf, Role::Leaf, reason);
    let spiffe_id = rules::check_leaf(leaf, first.key).map_err(refused)?;
    let trust_domain = spiffe_id.trust_domain();
    let bundle = bundles
        .get(trust_domain)
        .ok_or_else(|| refused(ChainReason::UnknownTrustDomain(trust_domain.clone())))?;

    let path = Search::new(first, rest, bundle, now, options).run()?;
    refuse_shared_component_keys(&path)?;
    Ok(VerifiedSvid {
        spiffe_id,
        form: path.form,
        suite: algorithm,
        authority_id: path.authority_id(),
        tainted: path.authority.tainted,
        not_after: path.not_after(),
        chain_len: path.steps.len(),
    })
}

/// Verifies a signing certificate that is to be used under an authority of `bundle`: an intermediate that an upstream
/// authority has issued, before anything is signed with it.
///
/// `chain` has that certificate first. A certificate that is itself an authority of the bundle is verified by that.
///
/// # Errors
/// As [`verify_x509_svid`]; index 0 is then not a leaf but the signing certificate.
pub fn verify_authority(
    chain: &[Certificate],
    bundle: &TrustBundle,
    now: SystemTime,
    options: &VerifyOptions,
) -> Result<VerifiedAuthority, ChainError> {
    let (first, rest) = split(chain)?;
    let known = bundle
        .x509_authorities
        .iter()
        .find(|authority| authority.certificate.der() == first.der());
    let role = if known.is_some() {
        Role::Authority
    } else {
        Role::Intermediate
    };
    let refused = |reason| at_first(first, role, reason);

    let key = rules::check_signing_key(first, role, now, options).map_err(refused)?;
    match known {
        Some(_) => rules::check_authority(first, key).map_err(refused)?,
        None => rules::check_intermediate(first, key, &bundle.trust_domain).map_err(refused)?,
    }

    let step = Step {
        certificate: first,
        key: StepKey::Signs(key),
        role,
    };
    let path = match known {
        Some(authority) if authority.tainted && options.refuse_tainted => {
            return Err(refused(ChainReason::Tainted));
        }
        Some(authority) => Path {
            form: step.form(options),
            steps: vec![step],
            authority,
        },
        None => Search::new(step, rest, bundle, now, options).run()?,
    };
    refuse_shared_component_keys(&path)?;
    Ok(VerifiedAuthority {
        form: path.form,
        authority_id: path.authority_id(),
        tainted: path.authority.tainted,
        not_after: path.not_after(),
        chain_len: path.steps.len(),
    })
}

/// The first certificate and the others, if there are not too many.
fn split(chain: &[Certificate]) -> Result<(&Certificate, &[Certificate]), ChainError> {
    let whole = |reason| ChainError::new(0, Role::Leaf, String::new(), reason);
    if chain.len() > MAX_CHAIN_LEN {
        return Err(whole(ChainReason::TooLong {
            found: chain.len(),
            max: MAX_CHAIN_LEN,
        }));
    }
    chain.split_first().ok_or_else(|| whole(ChainReason::Empty))
}

fn at_first(certificate: &Certificate, role: Role, reason: ChainReason) -> ChainError {
    ChainError::new(0, role, identify(certificate), reason)
}

/// A composite key is worth its two halves only while nothing else uses either: a signature by a component key used
/// alone could be passed off as half of a composite one (composite ML-DSA draft, on key reuse). Keys that stand alone are
/// held to the same, alternative ones too: who holds a leaf's key must not hold an authority's. The same whole key in two
/// signing certificates is a renewal and no reuse.
fn refuse_shared_component_keys(path: &Path<'_>) -> Result<(), ChainError> {
    let mut seen: HashMap<[u8; 32], usize> = HashMap::new();
    for (index, step) in path.steps.iter().enumerate() {
        for hash in step.component_hashes() {
            let Some(&earlier) = seen.get(&hash) else {
                seen.insert(hash, index);
                continue;
            };
            let Some(other) = path.steps.get(earlier) else {
                continue;
            };
            let both_sign = [step, other].iter().all(|step| step.role != Role::Leaf);
            let renewed = earlier != index && both_sign && step.key == other.key;
            if !renewed {
                let other_step = format!("{} {index} ({})", step.role, identify(step.certificate));
                let reason = ChainReason::SharedComponentKey { other: other_step };
                return Err(ChainError::new(
                    earlier,
                    other.role,
                    identify(other.certificate),
                    reason,
                ));
            }
        }
    }
    Ok(())
}

impl Path<'_> {
    fn authority_id(&self) -> Skid {
        self.authority.id()
    }

    fn not_after(&self) -> SystemTime {
        let authority = self.authority.certificate.not_after();
        self.steps
            .iter()
            .map(|step| step.certificate.not_after())
            .fold(authority, SystemTime::min)
    }
}

/// Who a certificate says it is, for messages: its one SPIFFE ID, else its subject; and which key, if it is a CA, since
/// all authorities of a trust domain share the name.
fn identify(certificate: &Certificate) -> String {
    let mut name = match certificate.spiffe_id() {
        Ok(id) => text::printable(&id.to_string()),
        Err(_) => text::printable(&certificate.subject()),
    };
    if let (true, Some(id)) = (certificate.is_ca(), certificate.skid()) {
        name.push_str(&format!(", key {id}"));
    }
    name
}
