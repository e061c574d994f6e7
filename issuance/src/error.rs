//! What can be wrong with an issuance, by whose input was wrong.

use std::time::{Duration, SystemTime};

use spiffe::TrustDomain;
use symbolon_crypto::{Component, SignError};
use symbolon_pki::skid::Skid;
use symbolon_pki::suite::{Family, Form, Suite};
use symbolon_pki::time::rfc3339;

use crate::dns::MAX_DNS_NAMES;
use crate::lint::LintError;
use crate::profile::{MAX_SPIFFE_ID_LEN, Profile, SvidProfile};

/// Why nothing was issued. The variant says whose input was wrong; nothing has been signed unless it is
/// [`Signing`](Self::Signing).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IssuanceError {
    /// What was asked for is wrong.
    #[error("the request is refused: {0}")]
    Request(#[from] RequestError),
    /// The profile does not allow what was asked for.
    #[error("the profile does not allow this: {0}")]
    Profile(#[from] ProfileError),
    /// The authority that should sign cannot.
    #[error("the authority cannot sign this: {0}")]
    Authority(#[from] AuthorityError),
    /// The present moment passed in is before 1970 or after 9999, so no certificate can name it.
    #[error("the clock is wrong: it is outside the years 1970 to 9999")]
    Clock,
    /// The certificate that would have been signed breaks rules. This is a fault of this program or of the
    /// authority's own certificate, never of the request.
    #[error("the certificate would break rules: {0}")]
    Lint(#[from] LintError),
    /// The certificate could not be encoded.
    #[error("the certificate cannot be encoded: {0}")]
    Encoding(String),
    /// Everything was right until the key was used.
    #[error("signing failed: {0}")]
    Signing(#[from] SigningError),
}

/// What is wrong with a request.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// A lifetime under a second.
    #[error("a lifetime of {0:?} was asked for; the shortest is one second")]
    LifetimeTooShort(Duration),
    /// A lifetime that ends after the year 9999.
    #[error("a lifetime of {0:?} was asked for, which ends after the year 9999")]
    LifetimeTooLong(Duration),
    /// A SPIFFE ID of somebody else's trust domain.
    #[error("{spiffe_id} is outside the trust domain {trust_domain}")]
    ForeignTrustDomain {
        /// The SPIFFE ID asked for.
        spiffe_id: String,
        /// The authority's trust domain.
        trust_domain: TrustDomain,
    },
    /// Name constraints for a trust domain with which no URI can be compared.
    #[error("URIs of {trust_domain} cannot be compared with name constraints: its name is no domain name")]
    NotConstrainable {
        /// The trust domain.
        trust_domain: String,
    },
    /// A SPIFFE ID that is too long.
    #[error("the SPIFFE ID has {found} bytes; {MAX_SPIFFE_ID_LEN} are allowed")]
    SpiffeIdTooLong {
        /// Its length, in bytes.
        found: usize,
    },
    /// A key of a form that this authority's family does not issue.
    #[error("{algorithm} is a key of form {form}, which the {family} family does not issue")]
    FamilyMismatch {
        /// The key's algorithm.
        algorithm: String,
        /// The key's form.
        form: Form,
        /// The authority's family.
        family: Family,
    },
    /// An SVID for a key of a suite that is for roots.
    #[error("{0} is for roots; an SVID has a key that its peers can check at every connection")]
    ForRoots(Suite),
    /// A key that is also a part of the authority's own key: no component key may be used twice.
    #[error("the {component} key is the authority's own, which nobody else may use")]
    IssuersKey {
        /// Which component is shared.
        component: Component,
    },
    /// The native key of a catalyst certificate is not ECDSA, or the alternative one not ML-DSA.
    #[error(
        "a catalyst certificate has an ECDSA key and an alternative ML-DSA key, not {native} with {alternative}"
    )]
    CatalystKeys {
        /// The native key's algorithm.
        native: String,
        /// The alternative key's algorithm; "none" if it has none.
        alternative: String,
    },
    /// One key for two things.
    #[error("{first} and {second} are the same, or have a component in common; each needs a key of its own")]
    SharedKey {
        /// One of them, as in "the key".
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// The second certificate of a pair is for somebody else.
    #[error("the certificate to be paired with is for {found}, and this one is for {spiffe_id}")]
    OtherFirst {
        /// Whose the first certificate is.
        found: String,
        /// The SPIFFE ID asked for.
        spiffe_id: String,
    },
    /// The first certificate of a pair has ended since it was looked at.
    #[error("the certificate to be paired with ended at {}", rfc3339(*not_after))]
    FirstEnded {
        /// The last second of its validity.
        not_after: SystemTime,
    },
    /// A DNS name that cannot stand in a certificate.
    #[error("the DNS name {name:?} is not allowed: {reason}")]
    DnsName {
        /// The name, cut to 253 characters.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The same DNS name twice.
    #[error("the DNS name {name:?} is asked for twice")]
    RepeatedDnsName {
        /// The name.
        name: String,
    },
    /// Too many DNS names.
    #[error("{found} DNS names were asked for; {MAX_DNS_NAMES} are allowed")]
    TooManyDnsNames {
        /// How many.
        found: usize,
    },
    /// A JWT-SVID for nobody: no audience, or only empty ones.
    #[error("a JWT-SVID needs at least one audience that is not empty")]
    NoAudience,
    /// Audiences that make the token longer than a verifier reads.
    #[error(
        "the token would have {found} bytes; verifiers read {limit}, so ask for fewer or shorter audiences"
    )]
    TokenTooLong {
        /// How long it would be, in bytes.
        found: usize,
        /// What is allowed, in bytes.
        limit: usize,
    },
}

/// How a request goes beyond its profile.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// A SPIFFE ID that is another profile's.
    #[error("the {profile} profile wants {wanted}, which {spiffe_id} has not")]
    Path {
        /// The profile asked for.
        profile: SvidProfile,
        /// The SPIFFE ID asked for.
        spiffe_id: String,
        /// Which paths the profile has.
        wanted: &'static str,
    },
    /// DNS names where there may be none.
    #[error("the {profile} profile has no DNS names, and {found} were asked for")]
    DnsNames {
        /// The profile asked for.
        profile: Profile,
        /// How many names were asked for.
        found: usize,
    },
    /// A token for the trust domain itself rather than a workload.
    #[error("a token is issued to a SPIFFE ID with a path, and {spiffe_id} has none")]
    NoPath {
        /// The SPIFFE ID asked for.
        spiffe_id: String,
    },
}

/// Why an authority cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorityError {
    /// The clock is before the authority's validity.
    #[error(
        "authority {authority_id} is not valid before {begins}, and the clock says {clock}",
        begins = rfc3339(*not_before), clock = rfc3339(*now)
    )]
    NotYetValid {
        /// Which authority.
        authority_id: String,
        /// When its validity begins.
        not_before: SystemTime,
        /// The present moment.
        now: SystemTime,
    },
    /// The authority's validity is over, or has less than a second left.
    #[error(
        "authority {authority_id} expires at {ends}, and the clock says {clock}",
        ends = rfc3339(*not_after), clock = rfc3339(*now)
    )]
    Expired {
        /// Which authority.
        authority_id: String,
        /// When its validity ends.
        not_after: SystemTime,
        /// The present moment.
        now: SystemTime,
    },
    /// The signer's public key is not the one in the certificate.
    #[error("the signing key does not belong to the certificate of authority {0}")]
    KeyMismatch(Skid),
    /// The alternative signer's public key is not the certificate's alternative key, or one of them is missing.
    #[error("the alternative signing key does not belong to the certificate of authority {0}")]
    AlternativeKeyMismatch(Skid),
    /// Two keys that are not those of a catalyst authority.
    #[error(
        "a catalyst authority has an ECDSA key and an alternative ML-DSA key, not {native} with {alternative}"
    )]
    NotCatalyst {
        /// The native key's suite.
        native: Suite,
        /// The alternative key's suite.
        alternative: Suite,
    },
    /// The certificate does not let its subject sign certificates.
    #[error("its certificate is not a certificate authority's: {0}")]
    NotAnAuthority(&'static str),
    /// The certificate has no usable subject key identifier.
    #[error("its certificate has no subject key identifier of 20 bytes")]
    NoKeyId,
    /// The certificate does not name its trust domain.
    #[error("its certificate does not carry a trust domain's SPIFFE ID: {0}")]
    NoTrustDomain(String),
    /// The path length constraint forbids an authority below this one.
    #[error("authority {0} has path length 0 and cannot have an authority below it")]
    PathLength(Skid),
    /// The key of an authority that signs tokens is not one for ES256.
    #[error("tokens are signed with ES256, and the key is {0}")]
    NotEs256(Component),
    /// An authority that signs tokens without a key id, which every validator needs.
    #[error("an authority that signs tokens needs a key id")]
    NoJwtKeyId,
}

/// What went wrong at or after the use of the private key. A signature may exist, but nothing that carries it was
/// handed out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SigningError {
    /// The signer is not the issuer that the certificate was linted for.
    #[error("the signer is not the issuer that the certificate names")]
    WrongSigner,
    /// The key's holder failed.
    #[error(transparent)]
    Key(#[from] SignError),
    /// A signature made outside this process does not verify.
    #[error("the signature that the key store returned does not verify: {0}")]
    Rejected(String),
    /// The key store returned something that is no signature of this kind.
    #[error("the key store returned a malformed signature: {0}")]
    Malformed(&'static str),
    /// The certificate's bytes are not those that were linted.
    #[error("the signed certificate is not the one that was linted: {0}")]
    NotAsLinted(&'static str),
}
