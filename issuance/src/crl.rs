//! Certificate revocation lists: from what was revoked to a linted, signed list (RFC 5280, section 5).
//!
//! The path is the same as for certificates and as typed:
//!
//! ```text
//! request -> TBS -> LintedCrl -> sign -> signed bytes compared with the linted TBS -> IssuedCrl
//! ```
//!
//! Lists are complete, of version 2, with a number and the authority's key identifier, and speak of all certificates of
//! their authority. A catalyst authority signs them with both its keys.

mod check;
mod encode;
mod error;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use symbolon_pki::catalyst;
use symbolon_pki::crl::{Crl, MAX_CRL_ENTRIES, RevocationReason};
use symbolon_pki::skid::Skid;

pub use self::error::CrlError;
use crate::authority::Authority;
use crate::error::{AuthorityError, SigningError};
use crate::linted::sign;
use crate::serial::Serial;
use crate::validity::{Validity, seconds_of};

/// One certificate of the authority that is no longer to be believed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Revoked {
    /// Its serial number.
    pub serial: Serial,
    /// When it was revoked; not in the future.
    pub at: SystemTime,
    /// Why. [`Unspecified`](RevocationReason::Unspecified) is left out of the list, as RFC 5280 asks.
    pub reason: RevocationReason,
    /// Since when its key is known or suspected to be compromised, if that is known.
    pub invalid_since: Option<SystemTime>,
}

/// What a list is to say.
#[derive(Clone, Copy, Debug)]
pub struct CrlRequest<'a> {
    /// The list's number: larger than that of every list before it of this authority.
    pub number: u64,
    /// The revoked certificates, none twice, in any order.
    pub revoked: &'a [Revoked],
    /// When the next list is due, from now on, at least a second; cut to what the authority has left.
    pub ttl: Duration,
    /// The present moment.
    pub now: SystemTime,
}

/// A list to be signed that the lint found nothing wrong with. There is no other way to make one, and it can be signed
/// once.
#[derive(Debug)]
pub struct LintedCrl {
    tbs: Vec<u8>,
    asked: Asked,
}

/// What a list was asked to say, in the terms in which it is compared with what its bytes say.
#[derive(Debug)]
struct Asked {
    authority_id: Skid,
    issuer: Vec<u8>,
    number: u64,
    this_update: SystemTime,
    next_update: SystemTime,
    /// By the content octets of the serial numbers.
    revoked: Vec<Revoked>,
    /// The public keys that the signatures have to be made for.
    issuer_key: Arc<[u8]>,
    alternative_key: Option<Arc<[u8]>>,
}

/// Prepares a list of `authority`.
///
/// # Errors
/// [`CrlError`]: what was asked for is wrong, the authority may not sign lists or is outside its time, or what the lint
/// found.
pub fn prepare_crl(authority: &Authority, request: &CrlRequest<'_>) -> Result<LintedCrl, CrlError> {
    if !authority
        .certificate()
        .key_usage()
        .is_some_and(|usage| usage.crl_sign())
    {
        return Err(AuthorityError::NotAnAuthority("keyUsage does not include cRLSign").into());
    }
    if request.revoked.len() > MAX_CRL_ENTRIES {
        return Err(CrlError::TooManyEntries(request.revoked.len()));
    }
    let now = seconds_of(request.now)?;
    for one in request.revoked {
        if seconds_of(one.at)? > now {
            return Err(CrlError::RevokedInTheFuture(one.serial));
        }
    }
    let mut revoked = request.revoked.to_vec();
    revoked.sort_by(|one, other| one.serial.content().cmp(other.serial.content()));
    let twice = revoked
        .iter()
        .zip(revoked.iter().skip(1))
        .find(|(one, next)| one.serial == next.serial);
    if let Some((one, _)) = twice {
        return Err(CrlError::RevokedTwice(one.serial));
    }

    let validity = Validity::below(authority, request.now, request.ttl)?;
    let asked = Asked {
        authority_id: *authority.authority_id(),
        issuer: authority.certificate().subject_der().to_vec(),
        number: request.number,
        this_update: validity.begins()?,
        next_update: validity.ends()?,
        revoked,
        issuer_key: Arc::clone(authority.public_key()),
        alternative_key: authority.alternative_key().cloned(),
    };
    let tbs = encode::tbs(authority, &asked)?;
    check::check(&tbs, authority, &asked)?;
    Ok(LintedCrl { tbs, asked })
}

impl LintedCrl {
    /// DER of the TBSCertList. Only the extension altSignatureValue comes to it when a catalyst authority signs.
    pub fn tbs_der(&self) -> &[u8] {
        &self.tbs
    }

    /// Its number.
    pub fn number(&self) -> u64 {
        self.asked.number
    }

    /// When the next list is due.
    pub fn next_update(&self) -> SystemTime {
        self.asked.next_update
    }

    /// Signs it with the key, or both the keys, of the authority that it was prepared for. Blocks as long as the keys'
    /// holders do.
    ///
    /// A signature that does not come from this process's own library is verified first, and the finished list is read
    /// back and compared with what was linted.
    ///
    /// # Errors
    /// [`CrlError::Signing`]; nothing that carries a signature leaves this function then.
    pub fn sign(self, authority: &Authority) -> Result<IssuedCrl, CrlError> {
        let alternative = authority.alternative();
        if authority.signer().public_key().as_bytes() != &*self.asked.issuer_key
            || alternative.map(|key| key.public_key().as_bytes()) != self.asked.alternative_key.as_deref()
        {
            return Err(SigningError::WrongSigner.into());
        }
        let tbs = match alternative {
            None => self.tbs.clone(),
            Some(alternative) => {
                let covered = catalyst::pre_tbs_crl(&self.tbs).map_err(not_taken_apart)?;
                let signature = sign(alternative, &covered)?;
                catalyst::append_crl_signature(&self.tbs, &signature).map_err(not_taken_apart)?
            }
        };
        let signer = authority.signer();
        let signature = sign(signer, &tbs)?;
        let der = encode::list(&tbs, signer.suite().signature_algorithm_der(), &signature);

        let read = Crl::from_der(&der).map_err(|_| SigningError::NotAsLinted("it cannot be read back"))?;
        if read.tbs_der() != tbs || read.signature() != signature {
            return Err(SigningError::NotAsLinted("the signed part or the signature differs").into());
        }
        check::compare(&read, &self.asked)
            .map_err(|_| SigningError::NotAsLinted("it says something else"))?;
        Ok(IssuedCrl { crl: read })
    }
}

fn not_taken_apart(error: impl ToString) -> CrlError {
    CrlError::Encoding(error.to_string())
}

/// A list that went the whole path.
#[derive(Clone, Debug)]
pub struct IssuedCrl {
    crl: Crl,
}

impl IssuedCrl {
    /// DER of the list.
    pub fn der(&self) -> &[u8] {
        self.crl.der()
    }

    /// What it says.
    pub fn crl(&self) -> &Crl {
        &self.crl
    }
}
