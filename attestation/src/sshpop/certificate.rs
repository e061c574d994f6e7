//! OpenSSH's certificates (PROTOCOL.certkeys), of hosts.

use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use symbolon_crypto::digest::sha256;
use symbolon_pki::time::unix_seconds;

use super::key::{Authority, Key, Purpose, component, signature};
use super::wire::{Reader, put_string};

/// Longest certificate, in bytes.
const MAX_LEN: usize = 16 * 1024;
/// Most principals.
const MAX_PRINCIPALS: usize = 256;
/// What follows a key's type in that of its certificates.
const SUFFIX: &str = "-cert-v01@openssh.com";
/// The type of hosts' certificates.
const HOST: u32 = 2;

/// Why a certificate does not count.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// Not a certificate.
    #[error("it is no SSH certificate: {0}")]
    Malformed(&'static str),
    /// A user's certificate, or of a type that there is not.
    #[error("it is no host's certificate")]
    NotHost,
    /// Signed by somebody else.
    #[error("no configured authority signed it")]
    Unknown,
    /// A signature that does not verify.
    #[error("the authority's signature is wrong, or one that is not accepted (SHA-1)")]
    Signature,
    /// Too early.
    #[error("it is not valid yet")]
    NotYet,
    /// Too late.
    #[error("it has expired")]
    Expired,
    /// It may count for some only.
    #[error("it has critical options, and hosts' certificates have none that are understood")]
    Critical,
    /// Nobody's.
    #[error("it names no principal")]
    NoPrincipal,
}

/// A host's certificate, which says whose it is and is believed by nobody yet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HostCertificate {
    blob: Vec<u8>,
    pub(super) key: Key,
    serial: u64,
    key_id: String,
    principals: Vec<String>,
    valid_after: u64,
    valid_before: u64,
    has_critical: bool,
    authority: Vec<u8>,
    /// How long what is signed is.
    signed: usize,
    signature: Vec<u8>,
}

impl HostCertificate {
    /// Reads a certificate as OpenSSH writes it: the whole of a `-cert.pub` file's second word, decoded.
    ///
    /// # Errors
    /// [`CertificateError::Malformed`] and [`CertificateError::NotHost`].
    pub fn parse(blob: &[u8]) -> Result<Self, CertificateError> {
        let malformed = CertificateError::Malformed;
        if blob.len() > MAX_LEN {
            return Err(malformed("it is longer than 16 KiB"));
        }
        let (certificate, kind) = Self::read(blob).ok_or(malformed(
            "its fields are not those of a certificate for an Ed25519, ECDSA or RSA (2048, 3072, 4096 bits) key",
        ))?;
        match kind {
            HOST => Ok(certificate),
            _ => Err(CertificateError::NotHost),
        }
    }

    /// Reads a `-cert.pub` file.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn from_text(text: &str) -> Result<Self, CertificateError> {
        let encoded = text.split_whitespace().nth(1);
        let encoded = encoded.ok_or(CertificateError::Malformed(
            "there is no line as in a `-cert.pub` file",
        ))?;
        let blob = STANDARD
            .decode(encoded)
            .map_err(|_| CertificateError::Malformed("the word after its type is no base64"))?;
        Self::parse(&blob)
    }

    fn read(blob: &[u8]) -> Option<(Self, u32)> {
        let mut reader = Reader(blob);
        let name = reader.text()?.strip_suffix(SUFFIX)?;
        let _nonce = reader.string()?;
        let key = Key::read(name, &mut reader)?;
        let serial = reader.long_number()?;
        let kind = reader.number()?;
        let key_id = reader.text()?.to_owned();
        let mut names = Reader(reader.string()?);
        let mut principals = Vec::new();
        while !names.is_empty() && principals.len() < MAX_PRINCIPALS {
            principals.push(names.text()?.to_owned());
        }
        names.end()?;
        let (valid_after, valid_before) = (reader.long_number()?, reader.long_number()?);
        let has_critical = !reader.string()?.is_empty();
        let _extensions = reader.string()?;
        let _reserved = reader.string()?;
        let authority = reader.string()?.to_vec();
        let signed = blob.len().checked_sub(reader.0.len())?;
        let signature = reader.string()?.to_vec();
        reader.end()?;
        let certificate = Self {
            blob: blob.to_vec(),
            key,
            serial,
            key_id,
            principals,
            valid_after,
            valid_before,
            has_critical,
            authority,
            signed,
            signature,
        };
        Some((certificate, kind))
    }

    /// Checks that one of these authorities signed it, for a host, and that it is valid at `now`.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn verify(&self, authorities: &[Authority], now: SystemTime) -> Result<(), CertificateError> {
        if !authorities.iter().any(|authority| authority.0 == self.authority) {
            return Err(CertificateError::Unknown);
        }
        let signer = self.signer().ok_or(CertificateError::Unknown)?;
        let signed = self.blob.get(..self.signed).unwrap_or_default();
        let (format, signature) = signature(&self.signature).ok_or(CertificateError::Signature)?;
        if !signer.verifies(Purpose::Certificate, signed, format, signature) {
            return Err(CertificateError::Signature);
        }
        let now = unix_seconds(now);
        if now < self.valid_after {
            return Err(CertificateError::NotYet);
        }
        // The end is not within: an all-ones value is for ever.
        if now >= self.valid_before {
            return Err(CertificateError::Expired);
        }
        if self.has_critical {
            return Err(CertificateError::Critical);
        }
        if self.principals.first().is_none_or(String::is_empty) {
            return Err(CertificateError::NoPrincipal);
        }
        Ok(())
    }

    fn signer(&self) -> Option<Key> {
        Key::parse(&self.authority)
    }

    /// The certificate as it was read.
    pub fn as_bytes(&self) -> &[u8] {
        &self.blob
    }

    /// The first principal, which is the host's name.
    pub fn principal(&self) -> Option<&str> {
        self.principals.first().map(String::as_str)
    }

    /// What its authority calls it.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// Its number.
    pub fn serial(&self) -> u64 {
        self.serial
    }

    /// SHA-256 of it, in base64url, by which agents are named.
    pub fn fingerprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(sha256(&self.blob))
    }

    /// The fingerprint that it has when its authority's signature is written in the other way in which ECDSA lets it be
    /// written.
    pub(super) fn other_fingerprint(&self) -> Option<String> {
        let (format, bytes) = signature(&self.signature)?;
        component(format)?;
        let other = self.signer()?.sibling(bytes)?;
        let mut written = Vec::new();
        put_string(&mut written, format.as_bytes());
        put_string(&mut written, &other);
        let mut blob = self.blob.get(..self.signed)?.to_vec();
        put_string(&mut blob, &written);
        Some(URL_SAFE_NO_PAD.encode(sha256(&blob)))
    }
}
