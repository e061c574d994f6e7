//! Certificate revocation lists (RFC 5280, section 5): read once, strictly.
//!
//! A [`Crl`] is a complete list of version 2 with a number, an authority key identifier and a time of the next update,
//! as RFC 5280's profile asks. What would leave its meaning open is refused: a delta, a list of certificates of
//! several issuers, of some reasons or of one distribution point, and critical extensions that are not known. Whether a
//! list is to be *believed*, and for which certificate it speaks, is `verify`'s business.

mod error;
mod parse;
mod set;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

pub use self::error::CrlError;
pub use self::set::{CrlSet, MAX_CRLS, TooManyCrls};
use crate::catalyst::{CatalystError, Part, pre_tbs_crl};
use crate::key::SubjectKey;
use crate::names;
use crate::signature::{AlgorithmError, SignatureAlgorithm, VerificationError};

/// The largest list read, in bytes.
pub const MAX_CRL_LEN: usize = 8 * 1024 * 1024;
/// The most certificates that a list may have.
pub const MAX_CRL_ENTRIES: usize = 100_000;
/// The most extensions that a list, or one of its entries, may have.
pub const MAX_CRL_EXTENSIONS: usize = 16;
/// The longest CRL number, in octets (RFC 5280, section 5.2.3).
pub const MAX_CRL_NUMBER_LEN: usize = 20;

/// A list that was read; cheap to clone.
#[derive(Clone)]
pub struct Crl(Arc<Parsed>);

struct Parsed {
    der: Box<[u8]>,
    tbs: Range<usize>,
    issuer: Range<usize>,
    signature: Range<usize>,
    algorithm: SignatureAlgorithm,
    this_update: SystemTime,
    next_update: SystemTime,
    number: Box<[u8]>,
    authority_key_id: Box<[u8]>,
    scope: CrlScope,
    /// The issuer's name, as others are compared with it.
    comparable_issuer: names::Comparable,
    alternative: Option<AlternativeSignature>,
    alternative_is_critical: bool,
    /// By serial number.
    entries: Vec<RevokedCertificate>,
}

/// The alternative signature, the post-quantum half of a list of a catalyst authority.
struct AlternativeSignature {
    /// How it was made; an algorithm that is not known is no fault of the list.
    algorithm: Result<SignatureAlgorithm, AlgorithmError>,
    bytes: Box<[u8]>,
}

/// Of which certificates of its issuer a list speaks (RFC 5280, section 5.2.5).
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum CrlScope {
    /// Of all.
    #[default]
    All,
    /// Of those that are not authorities.
    UserCertificates,
    /// Of those of authorities.
    AuthorityCertificates,
}

impl CrlScope {
    /// Every scope.
    pub const EVERY: [Self; 3] = [Self::All, Self::UserCertificates, Self::AuthorityCertificates];

    /// Whether a list of this scope speaks of an authority's certificate, or of another one.
    #[must_use]
    pub const fn covers(self, is_ca: bool) -> bool {
        match self {
            Self::All => true,
            Self::UserCertificates => !is_ca,
            Self::AuthorityCertificates => is_ca,
        }
    }
}

/// One certificate that is no longer to be believed.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct RevokedCertificate {
    /// The content octets of its serial number's INTEGER.
    pub serial: Box<[u8]>,
    /// When it was revoked.
    pub revoked_at: SystemTime,
    /// Why; [`Unspecified`](RevocationReason::Unspecified) where the list does not say.
    pub reason: RevocationReason,
    /// Since when its key is known or suspected to be compromised, if the list says so.
    pub invalid_since: Option<SystemTime>,
}

macro_rules! reasons {
    ($($(#[$doc:meta])+ $variant:ident = $code:literal, $name:literal;)+) => {
        /// Why a certificate was revoked (RFC 5280, section 5.3.1). removeFromCRL, which deltas alone have, is not
        /// among them.
        #[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
        #[non_exhaustive]
        pub enum RevocationReason {
            $($(#[$doc])+ $variant,)+
        }

        impl RevocationReason {
            /// Every reason.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Its number in a reasonCode extension.
            #[must_use]
            pub const fn code(self) -> u8 {
                match self { $(Self::$variant => $code,)+ }
            }

            /// RFC 5280's word for it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The reason with this number.
            #[must_use]
            pub const fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

reasons! {
    /// It is not said why.
    #[default]
    Unspecified = 0, "unspecified";
    /// The subject's key is compromised.
    KeyCompromise = 1, "keyCompromise";
    /// The key of the authority that it certifies is compromised.
    CaCompromise = 2, "cACompromise";
    /// The subject's name or affiliation is another now.
    AffiliationChanged = 3, "affiliationChanged";
    /// Another certificate has taken its place.
    Superseded = 4, "superseded";
    /// It is no longer needed.
    CessationOfOperation = 5, "cessationOfOperation";
    /// It is not to be believed for now.
    CertificateHold = 6, "certificateHold";
    /// A privilege that it states was taken away.
    PrivilegeWithdrawn = 9, "privilegeWithdrawn";
    /// The key of an attribute authority is compromised.
    AaCompromise = 10, "aACompromise";
}

impl fmt::Display for RevocationReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Crl {
    /// Reads one list in DER.
    ///
    /// # Errors
    /// [`CrlError`] naming the rule of RFC 5280 (or of DER) that the bytes break.
    pub fn from_der(der: &[u8]) -> Result<Self, CrlError> {
        parse::parse(der).map(|parsed| Self(Arc::new(parsed)))
    }

    /// The list's bytes, exactly as they were read.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// The bytes that are signed.
    #[must_use]
    pub fn tbs_der(&self) -> &[u8] {
        self.slice(&self.0.tbs)
    }

    /// DER of the issuer's name.
    #[must_use]
    pub fn issuer_der(&self) -> &[u8] {
        self.slice(&self.0.issuer)
    }

    /// The issuer's name, to be compared with others.
    pub(crate) fn comparable_issuer(&self) -> &names::Comparable {
        &self.0.comparable_issuer
    }

    /// The issuer's name as text (RFC 4514).
    #[must_use]
    pub fn issuer(&self) -> String {
        use der::Decode as _;
        // Reading the list has decoded it once already.
        x509_cert::name::Name::from_der(self.issuer_der())
            .map(|name| names::text(&name))
            .unwrap_or_default()
    }

    /// The key identifier of the authority that signed this.
    #[must_use]
    pub fn akid_bytes(&self) -> &[u8] {
        &self.0.authority_key_id
    }

    /// The list's number, big-endian without leading zeros: of two lists of one issuer and scope, the one with the
    /// larger number is newer.
    #[must_use]
    pub fn number(&self) -> &[u8] {
        &self.0.number
    }

    /// [`number`](Self::number) in decimal.
    #[must_use]
    pub fn number_decimal(&self) -> String {
        names::decimal(self.number())
    }

    /// When the list was made.
    #[must_use]
    pub fn this_update(&self) -> SystemTime {
        self.0.this_update
    }

    /// When the next one is due at the latest: from then on this one is out of date.
    #[must_use]
    pub fn next_update(&self) -> SystemTime {
        self.0.next_update
    }

    /// Of which certificates it speaks.
    #[must_use]
    pub fn scope(&self) -> CrlScope {
        self.0.scope
    }

    /// How it is signed.
    #[must_use]
    pub fn algorithm(&self) -> SignatureAlgorithm {
        self.0.algorithm
    }

    /// The signature's bytes.
    #[must_use]
    pub fn signature(&self) -> &[u8] {
        self.slice(&self.0.signature)
    }

    /// The revoked certificates, in the order of their serial numbers' octets.
    #[must_use]
    pub fn entries(&self) -> &[RevokedCertificate] {
        &self.0.entries
    }

    /// What it says of the certificate whose serial number has these content octets.
    #[must_use]
    pub fn revocation_of(&self, serial: &[u8]) -> Option<&RevokedCertificate> {
        let place = self
            .0
            .entries
            .binary_search_by(|entry| entry.serial.as_ref().cmp(serial))
            .ok()?;
        self.0.entries.get(place)
    }

    /// Checks the list's signature, and nothing else, with the issuer's key.
    ///
    /// # Errors
    /// [`VerificationError`], which for a composite names the half that is wrong.
    pub fn verify_signature(&self, issuer: &SubjectKey) -> Result<(), VerificationError> {
        self.algorithm().verify(issuer, self.tbs_der(), self.signature())
    }

    /// How the alternative signature was made, if there is one. A list whose alternative algorithm is not known is read, as
    /// its native signature says all that it says to those who do not ask for the post-quantum half.
    ///
    /// # Errors
    /// [`AlgorithmError::Unknown`].
    #[must_use]
    pub fn alternative_algorithm(&self) -> Option<Result<SignatureAlgorithm, &AlgorithmError>> {
        let alternative = self.0.alternative.as_ref()?;
        Some(alternative.algorithm.as_ref().copied())
    }

    /// Checks the alternative signature, the post-quantum half of a list of a catalyst authority, with the issuer's
    /// alternative key.
    ///
    /// # Errors
    /// [`CatalystError`]: [`CatalystError::Missing`] if there is none, [`CatalystError::Algorithm`] if it was made in a
    /// way that is not known.
    pub fn verify_alternative(&self, issuer: &SubjectKey) -> Result<(), CatalystError> {
        let alternative = self
            .0
            .alternative
            .as_ref()
            .ok_or(CatalystError::Missing(Part::Signature))?;
        let algorithm = alternative.algorithm.clone().map_err(CatalystError::Algorithm)?;
        let signed = pre_tbs_crl(self.tbs_der()).map_err(CatalystError::Encoding)?;
        algorithm
            .verify(issuer, &signed, &alternative.bytes)
            .map_err(CatalystError::Signature)
    }

    /// Whether the alternative signature is marked critical: then the list is for no one who does not check it (RFC 5280,
    /// section 5.2).
    #[must_use]
    pub fn is_alternative_critical(&self) -> bool {
        self.0.alternative_is_critical
    }

    fn slice(&self, range: &Range<usize>) -> &[u8] {
        // The ranges were cut out of these very bytes.
        self.0.der.get(range.clone()).unwrap_or_default()
    }
}

impl PartialEq for Crl {
    fn eq(&self, other: &Self) -> bool {
        self.der() == other.der()
    }
}

impl Eq for Crl {}

impl fmt::Debug for Crl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crl")
            .field("issuer", &self.issuer())
            .field("number", &self.number_decimal())
            .field("entries", &self.entries().len())
            .finish_non_exhaustive()
    }
}
