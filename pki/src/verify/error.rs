//! Why a chain was refused: which certificate, which rule, which half.

use std::fmt;
use std::time::SystemTime;

use der::asn1::ObjectIdentifier;
use spiffe::{SpiffeId, TrustDomain};

use super::policy::PathPolicy;
use super::profile::Breach;
use crate::catalyst::CatalystError;
use crate::crl::RevocationReason;
use crate::kem::KemKeyError;
use crate::key::{Half, KeyError};
use crate::signature::VerificationError;
use crate::suite::Form;
use crate::time::rfc3339;

/// A chain that was refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{}: {reason}", Place { index: *certificate, role: *role, subject })]
pub struct ChainError {
    /// Place of the certificate at fault on the path: 0 is the leaf, and the authority that ended the path, if it
    /// is the one at fault, comes last. Not always the index in the presented chain, which may hold certificates
    /// that no path used.
    pub certificate: usize,
    /// What that certificate was taken for.
    pub role: Role,
    /// Who that certificate says it is: its SPIFFE ID, else its subject name. Unproven, and cut to a printable
    /// length.
    pub subject: String,
    /// The rule that was broken. Boxed, because results carry it and most hold none.
    pub reason: Box<ChainReason>,
}

impl ChainError {
    pub(super) fn new(certificate: usize, role: Role, subject: String, reason: ChainReason) -> Self {
        Self {
            certificate,
            role,
            subject,
            reason: Box::new(reason),
        }
    }

    /// The half of a hybrid that failed, if it was one half: of a composite or catalyst signature, or of a key that a
    /// profile does not allow.
    #[must_use]
    pub fn half(&self) -> Option<Half> {
        match &*self.reason {
            ChainReason::Signature { problem, .. } | ChainReason::CrlSignature { problem, .. } => {
                problem.half()
            }
            ChainReason::Alternative { problem, .. } | ChainReason::CrlAlternative { problem, .. } => {
                Some(problem.half())
            }
            ChainReason::Profile(breach) => breach.half,
            _ => None,
        }
    }
}

/// What a certificate is on a path.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Role {
    /// The end of the path whose key the peer holds.
    Leaf,
    /// A signing certificate that was presented with the leaf.
    Intermediate,
    /// A signing certificate from the trust bundle.
    Authority,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Leaf => "leaf",
            Self::Intermediate => "intermediate",
            Self::Authority => "authority",
        })
    }
}

/// The first words of an error: "intermediate 1 (spiffe://example.org)".
struct Place<'a> {
    index: usize,
    role: Role,
    subject: &'a str,
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.role {
            Role::Leaf => write!(f, "{}", self.role)?,
            Role::Intermediate | Role::Authority => write!(f, "{} {}", self.role, self.index)?,
        }
        if self.subject.is_empty() {
            Ok(())
        } else {
            write!(f, " ({})", self.subject)
        }
    }
}

/// The rule that a chain broke.
///
/// "X509-SVID" in the comments is the SPIFFE specification of that name.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainReason {
    /// No certificate at all.
    #[error("the chain is empty")]
    Empty,
    /// More certificates than are looked at.
    #[error("the chain has {found} certificates; at most {max} are accepted")]
    TooLong {
        /// How many were presented.
        found: usize,
        /// How many are accepted.
        max: usize,
    },
    /// Finding a path took too many signature checks, as it may for a chain made to that end.
    #[error("no path to an authority was found within {max} signature checks")]
    TooManySignatureChecks {
        /// The bound.
        max: usize,
    },

    /// RFC 5280, section 4.2: a critical extension that is not processed means refusal.
    #[error("it has the critical extension {0}, which this verifier does not process")]
    CriticalExtension(ObjectIdentifier),
    /// RFC 5280, section 4.2.1.10: only signing certificates have name constraints.
    #[error("it has name constraints, which only a signing certificate may have")]
    NameConstraintsOfLeaf,
    /// RFC 5280, section 4.2.1.10: a certificate below has a name outside the permitted subtrees.
    #[error("it does not permit the {name} of {holder}")]
    NameNotPermitted {
        /// The name, cut to a printable length.
        name: String,
        /// Whose name it is: "leaf (spiffe://example.org/web)".
        holder: String,
    },
    /// RFC 5280, section 4.2.1.10: a certificate below has a name within an excluded subtree.
    #[error("it excludes the {name} of {holder}")]
    NameExcluded {
        /// The name, cut to a printable length.
        name: String,
        /// Whose name it is.
        holder: String,
    },
    /// RFC 5280, section 4.2.1.10: a constraint that cannot be applied to a name of its kind means refusal.
    #[error("its name constraints cannot be applied to the {name} of {holder}: {reason}")]
    NameNotComparable {
        /// The name, cut to a printable length.
        name: String,
        /// Whose name it is.
        holder: String,
        /// Why not.
        reason: &'static str,
    },
    /// Applying name constraints took too long, as it may for a chain made to that end.
    #[error("its name constraints need more than {max} comparisons of names")]
    TooManyNameComparisons {
        /// The bound, for one chain.
        max: usize,
    },
    /// The subject's key is of no type that this build knows, or is malformed.
    #[error("its public key cannot be used: {0}")]
    Key(KeyError),
    /// The verifier's policy asks for more than this key is worth.
    #[error("its key is of form {form}, which the policy {policy} does not accept")]
    Policy {
        /// What the verifier asks for.
        policy: PathPolicy,
        /// What the key is.
        form: Form,
    },

    /// RFC 5280, section 4.1.2.5: before its time.
    #[error("it is not valid before {}; it is now {}", rfc3339(*not_before), rfc3339(*now))]
    NotYetValid {
        /// When it becomes valid.
        not_before: SystemTime,
        /// The time of the verification.
        now: SystemTime,
    },
    /// RFC 5280, section 4.1.2.5: past its time.
    #[error("it expired at {}; it is now {}", rfc3339(*not_after), rfc3339(*now))]
    Expired {
        /// Last moment at which it was valid.
        not_after: SystemTime,
        /// The time of the verification.
        now: SystemTime,
    },

    /// X509-SVID, section 4.1: a leaf must not be a CA.
    #[error("it is a CA certificate, and a signing certificate never authenticates a workload")]
    LeafIsCa,
    /// X509-SVID, section 4.1, and RFC 5280, section 4.2.1.9: whoever signs certificates must be a CA.
    #[error("it signed a certificate without being a CA")]
    NotCa,
    /// RFC 5280, section 4.2.1.9: what makes a CA must be critical.
    #[error("its basicConstraints extension is not critical")]
    BasicConstraintsNotCritical,
    /// RFC 5280, section 4.2.1.9.
    #[error("it allows {allowed} intermediate certificates below it, and there are {found}")]
    PathLength {
        /// Its `pathLenConstraint`.
        allowed: usize,
        /// How many there are, self-issued ones not counted.
        found: usize,
    },
    /// X509-SVID, section 4.3: keyUsage must be there.
    #[error("it has no keyUsage extension")]
    NoKeyUsage,
    /// X509-SVID, section 4.3: keyUsage must be critical.
    #[error("its keyUsage extension is not critical")]
    KeyUsageNotCritical,
    /// X509-SVID, section 4.3: a usage that its role calls for.
    #[error("its keyUsage lacks {0}")]
    KeyUsageLacks(&'static str),
    /// X509-SVID, section 4.3: a usage that its role excludes.
    #[error("its keyUsage has {0}, which a leaf must not have")]
    KeyUsageOfCa(&'static str),
    /// RFC 9881, section 5, and the composite ML-DSA draft: signature keys only sign.
    #[error("its keyUsage has {usage}, which a key of type {algorithm} must not have")]
    KeyUsageOfAlgorithm {
        /// The usage.
        usage: &'static str,
        /// The key's algorithm.
        algorithm: String,
    },
    /// X509-SVID, section 4.4: if there are extended usages, these two are among them.
    #[error("its extKeyUsage lacks {0}")]
    ExtendedKeyUsageLacks(&'static str),

    /// RFC 5280, section 4.2.1.6: without a subject, the alternative names must be critical.
    #[error("it has no subject, and its subjectAltName extension is not critical")]
    AlternativeNamesNotCritical,
    /// X509-SVID, section 2: exactly one URI name.
    #[error("it has {0} URI names where an SVID has exactly one")]
    UriNames(usize),
    /// The URI name is no SPIFFE ID.
    #[error("its URI name {uri:?} is not a SPIFFE ID: {problem}")]
    SpiffeId {
        /// The name, cut to a printable length.
        uri: String,
        /// What is wrong with it.
        problem: String,
    },
    /// X509-SVID, section 3.1: an ID without a path names a trust domain, not a workload.
    #[error("its SPIFFE ID names a trust domain and not a workload")]
    NoPath,
    /// A signing certificate must not carry a workload's name (X509-SVID, section 3.2).
    #[error("it is a signing certificate, yet its SPIFFE ID {0} has a path")]
    SigningCertificateWithPath(SpiffeId),
    /// A signing certificate of another trust domain.
    #[error("it belongs to trust domain {found}, and the path to {expected}")]
    OtherTrustDomain {
        /// Whose certificate it says it is.
        found: TrustDomain,
        /// Whose bundle must vouch for the path.
        expected: TrustDomain,
    },
    /// Nobody gave us that trust domain's bundle.
    #[error("there is no trust bundle for trust domain {0}")]
    UnknownTrustDomain(TrustDomain),

    /// Neither the bundle nor the chain holds its issuer.
    #[error("no authority of trust domain {trust_domain} and no certificate in the chain issued it: issuer {issuer}{}",
        key_id.as_ref().map(|id| format!(", authority key {}", hex::encode(id))).unwrap_or_default())]
    IssuerNotFound {
        /// Whose bundle was searched.
        trust_domain: TrustDomain,
        /// The name of its issuer.
        issuer: String,
        /// The key identifier of its issuer.
        key_id: Option<Box<[u8]>>,
    },
    /// Outside of SPIFFE: neither the authorities nor the chain hold its issuer.
    #[error("no configured authority and no certificate in the chain issued it: issuer {issuer}{}",
        key_id.as_ref().map(|id| format!(", authority key {}", hex::encode(id))).unwrap_or_default())]
    IssuerUnknown {
        /// The name of its issuer.
        issuer: String,
        /// The key identifier of its issuer.
        key_id: Option<Box<[u8]>>,
    },
    /// The signature by the certificate that should have signed does not hold.
    #[error("the signature by {issuer} is refused: {problem}")]
    Signature {
        /// Who ought to have signed: "authority spiffe://example.org, key 3fa9…".
        issuer: String,
        /// What is wrong with it, and in which half.
        problem: VerificationError,
    },
    /// Composite ML-DSA draft: no component key is used twice.
    #[error("one of its component keys is also used by {other}")]
    SharedComponentKey {
        /// The other certificate: "authority 1 (…)".
        other: String,
    },
    /// The alternative signature by the catalyst certificate that should have signed does not hold, and the policy needs
    /// it.
    #[error("the post-quantum half, as {issuer} should have signed it, is refused: {problem}")]
    Alternative {
        /// Who ought to have signed.
        issuer: String,
        /// What is wrong with it.
        problem: CatalystError,
    },
    /// A profile does not allow something about it.
    #[error("{0}")]
    Profile(Box<Breach>),
    /// Its key is that of a KEM, and malformed or of none that is known.
    #[error("its key cannot be used: {0}")]
    KemKey(KemKeyError),

    /// RFC 5280, section 6.3: its issuer has revoked it.
    #[error("it was revoked at {} ({reason}), as its issuer's revocation list {number} says", rfc3339(*at))]
    Revoked {
        /// When.
        at: SystemTime,
        /// Why.
        reason: RevocationReason,
        /// The list's number.
        number: String,
    },
    /// A list was required, and none that speaks of it is there.
    #[error("there is no revocation list of its issuer, and one is required")]
    NoCrl,
    /// The newest list is past its time.
    #[error("its issuer's revocation list {number} was to be replaced by {}; it is now {}", rfc3339(*next_update), rfc3339(*now))]
    CrlOutOfDate {
        /// The list's number.
        number: String,
        /// When the next one was due.
        next_update: SystemTime,
        /// The time of the verification.
        now: SystemTime,
    },
    /// A list of its issuer is not signed by its issuer.
    #[error("the signature of its issuer's revocation list {number} is refused: {problem}")]
    CrlSignature {
        /// The list's number.
        number: String,
        /// What is wrong with it, and in which half.
        problem: VerificationError,
    },
    /// The alternative signature of a catalyst authority's list does not hold, and the policy needs it.
    #[error("the post-quantum half of its issuer's revocation list {number} is refused: {problem}")]
    CrlAlternative {
        /// The list's number.
        number: String,
        /// What is wrong with it.
        problem: CatalystError,
    },
    /// RFC 5280, section 6.3.3 (f): who signs lists needs that usage.
    #[error("its issuer's keyUsage lacks cRLSign, and a revocation list is signed by it")]
    CrlIssuer,

    /// Its authority is marked as compromised, and the caller does not accept that.
    #[error("it is tainted: it may be compromised and is being replaced")]
    Tainted,
}
