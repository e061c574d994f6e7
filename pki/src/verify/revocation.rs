//! Whether a certificate was revoked, as lists say (RFC 5280, section 6.3).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::SystemTime;

use super::VerifyOptions;
use super::error::ChainReason;
use super::path::Step;
use crate::catalyst::{Alternative, CatalystError, Part};
use crate::certificate::Certificate;
use crate::crl::{Crl, CrlScope, CrlSet};
use crate::key::SubjectKey;

/// What a verifier does about revocation.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Revocation {
    /// Whether lists are looked at, and whether they must be there.
    pub mode: RevocationMode,
    /// The lists.
    pub crls: Arc<CrlSet>,
}

impl Revocation {
    /// Looks at these lists.
    #[must_use]
    pub fn new(mode: RevocationMode, crls: impl Into<Arc<CrlSet>>) -> Self {
        Self {
            mode,
            crls: crls.into(),
        }
    }
}

/// Whether revocation lists are looked at.
///
/// Of the lists of one issuer and scope that speak of a certificate the newest counts: numbers go up within a scope
/// (RFC 5280, section 5.2.3), and nothing follows from those of two. If it is not signed by the issuer, or the issuer may
/// not sign lists, the certificate is refused wherever lists are looked at.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum RevocationMode {
    /// No list is looked at: revocation is by short lives, and by taking an authority out of the bundle.
    #[default]
    Off,
    /// Who is on a list is refused, also if the list is out of date; who has none is not.
    IfPresent,
    /// Every certificate but the bundle's own authority needs a list of its issuer that is in date and does not have it.
    Require,
}

impl RevocationMode {
    /// Every mode.
    pub const ALL: [Self; 3] = [Self::Off, Self::IfPresent, Self::Require];

    /// The name used on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::IfPresent => "if-present",
            Self::Require => "require",
        }
    }
}

impl fmt::Display for RevocationMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name of no mode.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("unknown mode {0:?}; known: off, if-present, require")]
pub struct UnknownRevocationMode(pub String);

impl FromStr for RevocationMode {
    type Err = UnknownRevocationMode;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|mode| mode.name() == name)
            .ok_or_else(|| UnknownRevocationMode(name.to_owned()))
    }
}

/// What the lists of `issuer`, whose key is `key`, say of `certificate`. `spend` is called before every signature check.
pub(super) fn check(
    certificate: &Certificate,
    issuer: &Step<'_>,
    key: &SubjectKey,
    options: &VerifyOptions,
    now: SystemTime,
    mut spend: impl FnMut() -> Result<(), ChainReason>,
) -> Result<(), ChainReason> {
    let revocation = &options.revocation;
    if revocation.mode == RevocationMode::Off {
        return Ok(());
    }
    let by = issuer.certificate;
    let newest_of = |scope: CrlScope| {
        let name = by.inner().tbs_certificate().subject();
        let lists = revocation.crls.of(name, by.skid_bytes());
        lists
            .filter(|crl| crl.scope() == scope && crl.this_update() <= now)
            .max_by_key(|crl| rank(crl))
    };
    let newest: Vec<&Crl> = CrlScope::EVERY
        .into_iter()
        .filter(|scope| scope.covers(certificate.is_ca()))
        .filter_map(newest_of)
        .collect();
    for crl in &newest {
        check_signatures(crl, issuer, key, options, &mut spend)?;
    }
    judge(certificate, issuer, &newest, revocation.mode, now)
}

/// Whether the list is signed with the issuer's key, and where that is asked for with its alternative one.
fn check_signatures(
    crl: &Crl,
    issuer: &Step<'_>,
    key: &SubjectKey,
    options: &VerifyOptions,
    spend: &mut impl FnMut() -> Result<(), ChainReason>,
) -> Result<(), ChainReason> {
    let number = || crl.number_decimal();
    spend()?;
    crl.verify_signature(key)
        .map_err(|problem| ChainReason::CrlSignature {
            number: number(),
            problem,
        })?;
    // A list by the native key alone could be forged by those from whom the alternative signatures are to protect.
    let is_asked = options.needs_alternatives() && issuer.alternative(options).is_some();
    if !(is_asked || crl.is_alternative_critical()) {
        return Ok(());
    }
    spend()?;
    let alternative = issuer.certificate.alternative();
    alternative
        .ok_or(CatalystError::Missing(Part::Key))
        .and_then(Alternative::key)
        .map_err(|problem| CatalystError::Issuer(Box::new(problem)))
        .and_then(|key| crl.verify_alternative(key))
        .map_err(|problem| ChainReason::CrlAlternative {
            number: number(),
            problem,
        })
}

/// What follows from the newest list of each scope, whose signatures hold.
fn judge(
    certificate: &Certificate,
    issuer: &Step<'_>,
    newest: &[&Crl],
    mode: RevocationMode,
    now: SystemTime,
) -> Result<(), ChainReason> {
    let Some(last_to_end) = newest.iter().max_by_key(|crl| crl.next_update()) else {
        return match mode {
            RevocationMode::Require => Err(ChainReason::NoCrl),
            _ => Ok(()),
        };
    };
    if issuer
        .certificate
        .key_usage()
        .is_some_and(|usage| !usage.crl_sign())
    {
        return Err(ChainReason::CrlIssuer);
    }
    for crl in newest {
        if let Some(entry) = crl.revocation_of(certificate.serial()) {
            return Err(ChainReason::Revoked {
                at: entry.revoked_at,
                reason: entry.reason,
                number: crl.number_decimal(),
            });
        }
    }
    if now >= last_to_end.next_update() && mode == RevocationMode::Require {
        return Err(ChainReason::CrlOutOfDate {
            number: last_to_end.number_decimal(),
            next_update: last_to_end.next_update(),
            now,
        });
    }
    Ok(())
}

/// Of two lists the newer one has the larger number. Numbers have no leading zeros, so the longer one is larger.
fn rank(crl: &Crl) -> (usize, &[u8], SystemTime) {
    (crl.number().len(), crl.number(), crl.this_update())
}
