//! TLS signature schemes of the suites, with the private code points of the composites.
//!
//! Classical and ML-DSA schemes have IANA code points. Composite signatures have none yet, so each takes one from
//! the private-use range: 0xFE00 plus the last arc of its OID (`.45` is 0xFE2D), unless configured otherwise.

use rustls::SignatureScheme;
use symbolon_pki::suite::Suite;

/// First and last code point of the private-use range (RFC 9846, section 11: "reserved for private use").
const PRIVATE_USE: std::ops::RangeInclusive<u16> = 0xFE00..=0xFFFF;

/// Low bytes that TLS 1.2 read as anonymous, RSA PKCS#1 and DSA. rustls drops such schemes from what a peer
/// offers, whatever the high byte.
const LEGACY_LOW_BYTES: std::ops::RangeInclusive<u16> = 0x00..=0x02;

/// Why a composite code point cannot be configured.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemeError {
    /// The suite is no composite: its code point is IANA's to give.
    #[error("{suite} has a code point of its own; only composites take one from the private range")]
    NotComposite {
        /// The suite named in the configuration.
        suite: Suite,
    },
    /// The code point is outside 0xFE00–0xFFFF.
    #[error("code point 0x{code:04X} for {suite} is outside the private range 0xFE00 to 0xFFFF")]
    NotPrivate {
        /// The suite named in the configuration.
        suite: Suite,
        /// The code point refused.
        code: u16,
    },
    /// The low byte reads as a legacy signature algorithm, which TLS stacks filter out.
    #[error(
        "code point 0x{code:04X} for {suite} ends in 00, 01 or 02, which TLS stacks take for a legacy algorithm"
    )]
    Legacy {
        /// The suite named in the configuration.
        suite: Suite,
        /// The code point refused.
        code: u16,
    },
    /// Another suite has that code point.
    #[error("code point 0x{code:04X} is given to both {first} and {second}")]
    Taken {
        /// The suite that has it.
        first: Suite,
        /// The suite that was to have it too.
        second: Suite,
        /// The code point refused.
        code: u16,
    },
}

/// The TLS code points of the composite suites. Both ends of a connection need the same table.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CompositeSchemes(Vec<(Suite, u16)>);

impl Default for CompositeSchemes {
    /// 0xFE00 plus the last arc of each composite's OID.
    fn default() -> Self {
        let arcs = Suite::ALL
            .into_iter()
            .filter_map(|suite| Some((suite, suite.composite_arc()?)));
        Self(
            arcs.map(|(suite, arc)| (suite, PRIVATE_USE.start() + u16::from(arc)))
                .collect(),
        )
    }
}

impl CompositeSchemes {
    /// The table with another code point for one suite.
    ///
    /// # Errors
    /// [`SchemeError`] if the suite is no composite, or the code point is not private, is filtered by TLS stacks
    /// or belongs to another suite.
    pub fn with(mut self, suite: Suite, code: u16) -> Result<Self, SchemeError> {
        if !PRIVATE_USE.contains(&code) {
            return Err(SchemeError::NotPrivate { suite, code });
        }
        if LEGACY_LOW_BYTES.contains(&(code & 0xFF)) {
            return Err(SchemeError::Legacy { suite, code });
        }
        if let Some(&(first, _)) = self
            .0
            .iter()
            .find(|&&(other, taken)| taken == code && other != suite)
        {
            return Err(SchemeError::Taken {
                first,
                second: suite,
                code,
            });
        }
        let entry = self.0.iter_mut().find(|(listed, _)| *listed == suite);
        entry.ok_or(SchemeError::NotComposite { suite })?.1 = code;
        Ok(self)
    }

    /// Every composite suite with its code point.
    pub fn iter(&self) -> impl Iterator<Item = (Suite, u16)> + '_ {
        self.0.iter().copied()
    }

    /// The scheme with which a key of `suite` signs a handshake. `None` for a suite that has none.
    pub fn scheme_of(&self, suite: Suite) -> Option<SignatureScheme> {
        iana_scheme(suite).or_else(|| {
            let (_, code) = self.iter().find(|(listed, _)| *listed == suite)?;
            Some(SignatureScheme::from(code))
        })
    }

    /// The suite that signs with `scheme`. `None` for RSA and for what is not ours.
    pub fn suite_of(&self, scheme: SignatureScheme) -> Option<Suite> {
        Suite::ALL
            .into_iter()
            .find(|&suite| self.scheme_of(suite) == Some(scheme))
    }

    /// A scheme for people: the registry's name, or for a composite the suite and its private code point, as in
    /// `mldsa65_ecdsa_p256 (0xFE2D)`.
    pub fn name(&self, scheme: SignatureScheme) -> String {
        if let Some(name) = iana_name(scheme) {
            return name.to_owned();
        }
        let code = u16::from(scheme);
        match self.suite_of(scheme) {
            Some(suite) => format!("{} (0x{code:04X})", suite.name().replace('-', "_")),
            None => format!("0x{code:04X}"),
        }
    }
}

/// Classical schemes that we verify, most preferred first. RSA signs with PSS in TLS 1.3.
pub(crate) const CLASSICAL: [SignatureScheme; 6] = [
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::ECDSA_NISTP384_SHA384,
    SignatureScheme::ED25519,
    SignatureScheme::RSA_PSS_SHA256,
    SignatureScheme::RSA_PSS_SHA384,
    SignatureScheme::RSA_PSS_SHA512,
];

/// ML-DSA schemes (draft-ietf-tls-mldsa), most preferred first.
pub(crate) const ML_DSA: [SignatureScheme; 3] = [
    SignatureScheme::ML_DSA_65,
    SignatureScheme::ML_DSA_87,
    SignatureScheme::ML_DSA_44,
];

fn iana_scheme(suite: Suite) -> Option<SignatureScheme> {
    match suite {
        Suite::EcdsaP256 => Some(SignatureScheme::ECDSA_NISTP256_SHA256),
        Suite::EcdsaP384 => Some(SignatureScheme::ECDSA_NISTP384_SHA384),
        Suite::Ed25519 => Some(SignatureScheme::ED25519),
        Suite::MlDsa44 => Some(SignatureScheme::ML_DSA_44),
        Suite::MlDsa65 => Some(SignatureScheme::ML_DSA_65),
        Suite::MlDsa87 => Some(SignatureScheme::ML_DSA_87),
        _ => None,
    }
}

fn iana_name(scheme: SignatureScheme) -> Option<&'static str> {
    match scheme {
        SignatureScheme::ECDSA_NISTP256_SHA256 => Some("ecdsa_secp256r1_sha256"),
        SignatureScheme::ECDSA_NISTP384_SHA384 => Some("ecdsa_secp384r1_sha384"),
        SignatureScheme::ED25519 => Some("ed25519"),
        SignatureScheme::RSA_PSS_SHA256 => Some("rsa_pss_rsae_sha256"),
        SignatureScheme::RSA_PSS_SHA384 => Some("rsa_pss_rsae_sha384"),
        SignatureScheme::RSA_PSS_SHA512 => Some("rsa_pss_rsae_sha512"),
        SignatureScheme::ML_DSA_44 => Some("mldsa44"),
        SignatureScheme::ML_DSA_65 => Some("mldsa65"),
        SignatureScheme::ML_DSA_87 => Some("mldsa87"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn composites_sign_with_0xfe00_plus_their_arc() {
        let schemes = CompositeSchemes::default();
        let code = |suite| u16::from(schemes.scheme_of(suite).unwrap());
        assert_eq!(code(Suite::MlDsa65EcdsaP256), 0xFE2D);
        assert_eq!(code(Suite::MlDsa44Ed25519), 0xFE27);
        assert_eq!(code(Suite::MlDsa87EcdsaP384), 0xFE31);
        assert_eq!(code(Suite::MlDsa44), 0x0904);
        assert_eq!(code(Suite::MlDsa65), 0x0905);
        assert_eq!(code(Suite::MlDsa87), 0x0906);
        assert_eq!(code(Suite::EcdsaP256), 0x0403);
    }

    #[test]
    fn suites_and_schemes_map_both_ways() {
        let schemes = CompositeSchemes::default();
        for suite in Suite::ALL {
            let scheme = schemes.scheme_of(suite);
            // Keys that are for roots sign no handshakes.
            assert_eq!(scheme.is_some(), suite.is_for_svids(), "{suite}");
            let back = scheme.and_then(|scheme| schemes.suite_of(scheme));
            assert_eq!(back, scheme.map(|_| suite));
        }
        assert_eq!(schemes.suite_of(SignatureScheme::RSA_PSS_SHA256), None);
    }

    #[test]
    fn names_are_readable() {
        let schemes = CompositeSchemes::default();
        assert_eq!(
            schemes.name(SignatureScheme::from(0xFE2D)),
            "mldsa65_ecdsa_p256 (0xFE2D)"
        );
        assert_eq!(schemes.name(SignatureScheme::ML_DSA_65), "mldsa65");
        assert_eq!(schemes.name(SignatureScheme::from(0xFEFE)), "0xFEFE");
    }

    #[test]
    fn the_table_can_be_changed_within_reason() {
        let suite = Suite::MlDsa65EcdsaP256;
        let schemes = CompositeSchemes::default().with(suite, 0xFF10).unwrap();
        assert_eq!(schemes.scheme_of(suite), Some(SignatureScheme::from(0xFF10)));
        assert_eq!(schemes.suite_of(SignatureScheme::from(0xFE2D)), None);

        let refused = |suite, code| CompositeSchemes::default().with(suite, code).unwrap_err();
        assert_eq!(
            refused(suite, 0x0905),
            SchemeError::NotPrivate { suite, code: 0x0905 }
        );
        assert_eq!(
            refused(suite, 0xFE01),
            SchemeError::Legacy { suite, code: 0xFE01 }
        );
        assert_eq!(
            refused(suite, 0xFE27),
            SchemeError::Taken {
                first: Suite::MlDsa44Ed25519,
                second: suite,
                code: 0xFE27
            }
        );
        assert_eq!(
            refused(Suite::EcdsaP256, 0xFF10),
            SchemeError::NotComposite {
                suite: Suite::EcdsaP256
            }
        );
    }
}
