//! Why a chain was refused: which certificate, which rule, which half.

use std::fmt;
use std::time::SystemTime;

use der::asn1::ObjectIdentifier;
use spiffe::{SpiffeId, TrustDomain};

use super::policy::PathPolicy;
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

    /// The half of a composite signature that failed, if it was a signature and a composite one.
    #[must_use]
    pub fn half(&self) -> Option<Half> {
        match &*self.reason {
            ChainReason::Signature { problem, .. } => problem.half(),
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
    /// A restriction that must not be overlooked, critical or not (RFC 5280, section 4.2.1.10).
    #[error("it has name constraints, which this verifier does not process")]
    NameConstraints,
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
    /// Its authority is marked as compromised, and the caller does not accept that.
    #[error("it is tainted: it may be compromised and is being replaced")]
    Tainted,
}
