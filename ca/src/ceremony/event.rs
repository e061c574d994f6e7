//! What a transcript is made of.
//!
//! One event is one line of JSON, `{"number":…,"time":…,"previous":…,"kind":…,"facts":{…}}`, with its members in
//! this order and no blank between them: what this module writes is the canonical form, and a reader refuses any
//! other. `previous` is the link of the event before it, in hex, and zeros for the first. The link of an event is
//! SHA-256 over [`LINK_LABEL`] and the bytes of its line, without the line's end.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use symbolon_crypto::{Component, digest};
use symbolon_hsm::StoreName;

use super::plan::Name;

/// What comes before an event's line when it is hashed.
pub const LINK_LABEL: &[u8] = b"symbolon ceremony transcript, version 1\0";

/// What comes before the facts that the root signs when a session is closed. No certificate, request or token begins
/// like this: those begin with a SEQUENCE (0x30) or are base64.
pub const CLOSING_LABEL: &[u8] = b"symbolon ceremony transcript, version 1: closed\0";

/// The version of the format.
pub const FORMAT: u32 = 1;

/// The most bytes of one line: a certificate and its request, in base64, and room to spare; the file that declares
/// the ceremony, escaped.
pub const MAX_LINE_LEN: usize = 2 * 1024 * 1024;

/// The link of the event before the first.
pub const FIRST: [u8; 32] = [0; 32];

/// One line.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Event {
    /// Counted from 0.
    pub number: u64,
    /// When it was written, RFC 3339 in UTC.
    pub time: String,
    /// The link of the event before, in hex.
    pub previous: String,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
}

/// What can happen.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "kind", content = "facts", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum What {
    /// The first event of all.
    CeremonyBegun(CeremonyBegun),
    /// The first event of each later session.
    SessionBegun(SessionBegun),
    /// A custodian takes part in this session.
    CustodianPresent(CustodianPresent),
    /// A store was opened.
    StoreOpened(StoreOpened),
    /// A custodian was given a share.
    ShareMade(ShareMade),
    /// A key of the root was made.
    KeyMade(KeyMade),
    /// A certificate is about to be signed.
    CertificateIntended(CertificateIntended),
    /// A certificate was signed.
    CertificateMade(CertificateMade),
    /// The session failed, and nothing that follows belongs to it.
    SessionStopped(SessionStopped),
    /// The session is over, and the root has signed for all that was written up to here.
    SessionClosed(SessionClosed),
}

/// See [`What::CeremonyBegun`].
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CeremonyBegun {
    /// The version of this format.
    pub format: u32,
    /// The ceremony's id: 32 hex digits, random.
    pub ceremony: String,
    /// Which program, and which version of it.
    pub program: String,
    /// Whether this is a rehearsal, whose root nobody is to trust.
    pub dry_run: bool,
    /// SHA-256 of the file that declares the ceremony, in hex.
    pub plan_sha256: String,
    /// That file.
    pub plan: String,
}

/// See [`What::SessionBegun`].
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SessionBegun {
    /// Which program, and which version of it.
    pub program: String,
    /// Whether the session before was interrupted: it was not closed.
    pub after_interruption: bool,
    /// Bytes of a line that the interruption had cut off, and that were taken away.
    pub bytes_cut: u64,
}

/// See [`What::CustodianPresent`].
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CustodianPresent {
    /// Who.
    pub name: Name,
    /// Who this is, as the ceremony's file has it.
    pub role: String,
    /// Whether they are given their share in this session, or brought it.
    pub share: bool,
    /// The parts of PINs that they entered.
    pub pins: Vec<PinPart>,
}

/// A part of a token's PIN.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PinPart {
    /// The store.
    pub store: StoreName,
    /// Which part, counted from 1.
    pub part: usize,
}

/// See [`What::StoreOpened`].
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StoreOpened {
    /// Its name in the ceremony's file.
    pub store: StoreName,
    /// `software`, `pkcs11` or `tpm`.
    pub kind: String,
    /// What a token says of itself; what it said is only as good as its module.
    pub token: Option<TokenFacts>,
    /// What a TPM says of itself; absent for every other store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tpm: Option<TpmFacts>,
}

/// What a TPM says of itself.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TpmFacts {
    /// Who made it, in the four letters of the TCG's registry.
    pub manufacturer: String,
    /// What else its maker calls it.
    pub model: String,
    /// The version of its firmware, 16 hex digits.
    pub firmware_version: String,
    /// The revision of the specification that it follows.
    pub specification: String,
    /// The name of the storage root key that the root's keys lie under, in hex: it is another after the TPM was
    /// cleared, and on every other TPM.
    pub storage_root: String,
}

/// What a token says of itself.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TokenFacts {
    /// Its label.
    pub label: String,
    /// Who made it.
    pub manufacturer: String,
    /// Its model.
    pub model: String,
    /// Its serial number.
    pub serial: String,
    /// The version of its hardware.
    pub hardware_version: String,
    /// The version of its firmware.
    pub firmware_version: String,
}

/// See [`What::ShareMade`].
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ShareMade {
    /// Whose.
    pub custodian: Name,
    /// Which of the shares, counted from 1.
    pub index: u8,
    /// How many are needed.
    pub threshold: u8,
    /// How many there are.
    pub shares: u8,
    /// The share's commitment, in hex: tells it from any other without saying what it is.
    pub commitment: String,
}

/// See [`What::KeyMade`].
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct KeyMade {
    /// What it signs with.
    #[serde(with = "component_name")]
    pub component: Component,
    /// Where it is.
    pub store: StoreName,
    /// What the store calls it.
    pub key_id: String,
    /// Its label there.
    pub label: String,
    /// SHA-256 of its SubjectPublicKeyInfo, in hex.
    pub spki_sha256: String,
    /// How a token says that it holds it, by PKCS#11 attribute; `null` where it does not tell.
    pub attributes: BTreeMap<String, Option<bool>>,
    /// How a TPM holds it; absent for every other store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tpm: Option<TpmKeyFacts>,
}

/// How a TPM holds a key.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TpmKeyFacts {
    /// Whether the TPM signs with it, or gives out a seed to sign with while its PCRs are as they were.
    pub signs: bool,
    /// The name of the TPM's object, in hex.
    pub name: String,
    /// The PCR values that a seed is sealed to, in hex, by bank and number as in `sha256:7`.
    pub pcrs: BTreeMap<String, String>,
}

/// What a certificate is for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// The root itself.
    Root,
    /// An authority below it.
    Intermediate,
}

/// See [`What::CertificateIntended`].
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateIntended {
    /// What it is for.
    pub purpose: Purpose,
    /// What its files are called.
    pub name: Name,
    /// Its serial number, in hex.
    pub serial: String,
    /// SHA-256 of the bytes to be signed, in hex.
    pub tbs_sha256: String,
    /// SHA-256 of the request, in hex, if there was one.
    pub csr_sha256: Option<String>,
}

/// See [`What::CertificateMade`].
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateMade {
    /// What it is for.
    pub purpose: Purpose,
    /// What its files are called.
    pub name: Name,
    /// SHA-256 of the certificate, in hex.
    pub sha256: String,
    /// The certificate: DER in base64.
    pub certificate: String,
    /// The request, if there was one: DER in base64.
    pub csr: Option<String>,
}

/// See [`What::SessionStopped`].
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SessionStopped {
    /// What went wrong.
    pub reason: String,
    /// Ids of keys that had been made and were destroyed again.
    pub keys_destroyed: Vec<String>,
}

/// See [`What::SessionClosed`].
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SessionClosed {
    /// The suite of the signature, which is the root's.
    pub suite: String,
    /// The root's signature over [`closing_message`], in base64.
    pub signature: String,
}

/// The link of the event that is written as `line`, without the line's end.
pub fn link(line: &[u8]) -> [u8; 32] {
    digest::sha256_of(&[LINK_LABEL, line])
}

/// What the root signs to close a session: [`CLOSING_LABEL`], the ceremony's id (16 bytes), the closing event's number
/// (8 bytes, big-endian), the link of the event before it (32 bytes), and the closing event's time as it is written.
pub fn closing_message(ceremony: &[u8; 16], number: u64, previous: &[u8; 32], time: &str) -> Vec<u8> {
    [
        CLOSING_LABEL,
        ceremony,
        &number.to_be_bytes(),
        previous,
        time.as_bytes(),
    ]
    .concat()
}

/// A component by its name.
mod component_name {
    use serde::{Deserialize, Deserializer, Serializer};
    use symbolon_crypto::Component;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
    pub(super) fn serialize<S: Serializer>(component: &Component, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(component.name())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Component, D::Error> {
        String::deserialize(from)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}
