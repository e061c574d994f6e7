//! The request attribute relatedCertRequest: who asks for a second certificate shows that he holds the first one's key.

use std::time::{Duration, SystemTime};

use der::asn1::{AnyRef, BitStringRef, Ia5StringRef, UintRef};
use der::{Decode, Reader, SliceReader, Tag, Tagged};
use symbolon_crypto::rsa::RsaScheme;
use symbolon_crypto::stock::EcdsaHash;

use super::{REQUEST, RelatedError};
use crate::certificate::Certificate;
use crate::csr::CsrBuildError;
use crate::encode::whole;
use crate::key::{SubjectKey, SuiteSigner};
use crate::signature::SignatureAlgorithm;
use crate::suite::{Form, Suite};
use crate::time::{from_unix_seconds, unix_seconds};

/// How old a proof may be. It can be taken out of one request and put into another, so it must not be of use for long.
pub const MAX_REQUEST_AGE: Duration = Duration::from_secs(300);
/// How far in the future a proof may be dated, by a requester whose clock is fast.
pub const MAX_REQUEST_AHEAD: Duration = Duration::from_secs(60);
/// The most locations that are read.
pub const MAX_LOCATIONS: usize = 16;

/// What a request says about the certificate that the new one is to be paired with (RFC 9763, section 3.1). Its signature
/// is checked by [`prove`](Self::prove), which needs that certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RelatedRequest {
    issuer: Box<[u8]>,
    serial: Box<[u8]>,
    requested_at: SystemTime,
    locations: Vec<String>,
    signed: Box<[u8]>,
    signature: Box<[u8]>,
}

/// A certificate whose key's holder asked for another one to be paired with it. There is no way to get one but
/// [`RelatedRequest::prove`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Related {
    certificate: Certificate,
}

impl Related {
    /// The first certificate of the pair.
    #[must_use]
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }
}

impl RelatedRequest {
    /// Reads the attribute's value.
    ///
    /// # Errors
    /// If it is not DER of the right shape, or has more than [`MAX_LOCATIONS`] locations.
    pub(crate) fn from_der(der: &[u8]) -> der::Result<Self> {
        let mut outer = SliceReader::new(der)?;
        let read = outer.sequence(|fields| {
            let id = fields.tlv_bytes()?;
            let time = fields.tlv_bytes()?;
            let locations = AnyRef::decode(fields)?;
            let signature = BitStringRef::decode(fields)?;
            let signature = signature.as_bytes().ok_or_else(|| Tag::BitString.value_error())?;
            let (issuer, serial) = AnyRef::from_der(id)?.sequence(|fields| {
                let issuer = fields.tlv_bytes()?;
                AnyRef::from_der(issuer)?.tag().assert_eq(Tag::Sequence)?;
                let serial = AnyRef::decode(fields)?;
                serial.tag().assert_eq(Tag::Integer)?;
                Ok::<_, der::Error>((issuer, serial.value()))
            })?;
            Ok::<_, der::Error>(Self {
                issuer: issuer.into(),
                serial: serial.into(),
                requested_at: binary_time(time)?,
                locations: uris(locations)?,
                signed: [id, time].concat().into(),
                signature: signature.into(),
            })
        })?;
        outer.finish()?;
        Ok(read)
    }

    /// DER of the name of the authority that issued the other certificate.
    #[must_use]
    pub fn issuer_der(&self) -> &[u8] {
        &self.issuer
    }

    /// The content octets of the other certificate's serial number, as [`Certificate::serial`] gives them.
    #[must_use]
    pub fn serial(&self) -> &[u8] {
        &self.serial
    }

    /// [`serial`](Self::serial) in lower-case hex: how records are looked up.
    #[must_use]
    pub fn serial_hex(&self) -> String {
        hex::encode(&self.serial)
    }

    /// When the requester says that he asked.
    #[must_use]
    pub fn requested_at(&self) -> SystemTime {
        self.requested_at
    }

    /// Where the requester says that the other certificate can be got. Nothing here ever fetches from there: an issuer
    /// that went where strangers send it could be sent anywhere.
    #[must_use]
    pub fn locations(&self) -> &[String] {
        &self.locations
    }

    /// Checks that `first` is the certificate that was named, that it is a classical leaf and valid now, that the
    /// request is fresh, and that it was signed with that certificate's key. Whether `first` is to be believed is for the
    /// caller to know: an issuer takes it from its own records.
    ///
    /// # Errors
    /// [`RelatedError`].
    pub fn prove(&self, first: &Certificate, now: SystemTime) -> Result<Related, RelatedError> {
        if self.issuer_der() != first.issuer_der() || self.serial() != first.serial() {
            return Err(RelatedError::OtherCertificate);
        }
        check_first(first)?;
        let after_the_last = first.not_after().checked_add(Duration::from_secs(1));
        if now < first.not_before() || after_the_last.is_some_and(|end| now >= end) {
            return Err(RelatedError::NotValid {
                not_before: first.not_before(),
                not_after: first.not_after(),
                now,
            });
        }
        self.check_age(now)?;
        let key = first
            .subject_key()
            .map_err(|error| RelatedError::Key(error.clone()))?;
        let verifies =
            |algorithm: SignatureAlgorithm| algorithm.verify(key, &self.signed, &self.signature).is_ok();
        // The attribute does not say how it was signed: whatever a key of this type can do.
        if algorithms_of(key).into_iter().any(verifies) {
            Ok(Related {
                certificate: first.clone(),
            })
        } else {
            Err(RelatedError::Signature {
                key: key.algorithm_name(),
            })
        }
    }

    fn check_age(&self, now: SystemTime) -> Result<(), RelatedError> {
        let requested_at = self.requested_at;
        // Either difference is an error where the other is none.
        let age = now.duration_since(requested_at).unwrap_or_default();
        let ahead = requested_at.duration_since(now).unwrap_or_default();
        if age > MAX_REQUEST_AGE || ahead > MAX_REQUEST_AHEAD {
            Err(RelatedError::NotFresh { requested_at, now })
        } else {
            Ok(())
        }
    }
}

/// The rules for a certificate that others are paired with: the leaf of a chain, and a plain classical one.
pub(super) fn check_first(first: &Certificate) -> Result<(), RelatedError> {
    if first.is_ca() {
        return Err(RelatedError::Authority);
    }
    let key = first
        .subject_key()
        .map_err(|error| RelatedError::Key(error.clone()))?;
    match first.form().unwrap_or_else(|| key.form()) {
        Form::Classical => Ok(()),
        form => Err(RelatedError::NotClassical(form)),
    }
}

/// Every algorithm that a key of this type signs with.
fn algorithms_of(key: &SubjectKey) -> Vec<SignatureAlgorithm> {
    const RSA: [RsaScheme; 6] = [
        RsaScheme::Pkcs1Sha256,
        RsaScheme::Pkcs1Sha384,
        RsaScheme::Pkcs1Sha512,
        RsaScheme::PssSha256,
        RsaScheme::PssSha384,
        RsaScheme::PssSha512,
    ];
    const ECDSA: [EcdsaHash; 3] = [EcdsaHash::Sha256, EcdsaHash::Sha384, EcdsaHash::Sha512];
    match key {
        SubjectKey::Rsa(_) => RSA.map(SignatureAlgorithm::Rsa).to_vec(),
        SubjectKey::Suite(key) => match key.suite() {
            Suite::EcdsaP256 | Suite::EcdsaP384 => ECDSA.map(SignatureAlgorithm::Ecdsa).to_vec(),
            suite => vec![SignatureAlgorithm::Suite(suite)],
        },
    }
}

/// BinaryTime: seconds since 1970 (RFC 6019).
fn binary_time(der: &[u8]) -> der::Result<SystemTime> {
    let seconds = UintRef::from_der(der)?;
    let mut bytes = [0; 8];
    let digits = seconds.as_bytes();
    let start = bytes.len().checked_sub(digits.len());
    start
        .and_then(|start| bytes.get_mut(start..))
        .map(|tail| tail.copy_from_slice(digits))
        .and_then(|()| from_unix_seconds(u64::from_be_bytes(bytes)))
        .ok_or_else(|| Tag::Integer.value_error().into())
}

/// UniformResourceIdentifiers: at least one.
fn uris(list: AnyRef<'_>) -> der::Result<Vec<String>> {
    list.sequence(|reader| {
        let mut uris = Vec::new();
        while !reader.is_finished() {
            if uris.len() == MAX_LOCATIONS {
                return Err(Tag::Sequence.length_error().into());
            }
            uris.push(Ia5StringRef::decode(reader)?.as_str().to_owned());
        }
        if uris.is_empty() {
            return Err(Tag::Sequence.length_error().into());
        }
        Ok(uris)
    })
}

/// The attribute of a request for a certificate to be paired with `first`, whose key `signer` holds.
///
/// As location it has the first certificate's SPIFFE ID: the issuer finds the certificate among its own records.
///
/// # Errors
/// [`CsrBuildError`] if `first` is none to be paired with or not `signer`'s, or if the key does not sign.
pub(crate) fn attribute(
    first: &Certificate,
    signer: &SuiteSigner,
    now: SystemTime,
) -> Result<Vec<u8>, CsrBuildError> {
    check_first(first)?;
    let id = first
        .spiffe_id()
        .map_err(|error| RelatedError::NoSpiffeId(error.to_string()))?;
    if !matches!(first.subject_key(), Ok(SubjectKey::Suite(key)) if key == signer.public_key()) {
        return Err(RelatedError::OtherCertificate.into());
    }
    let seconds = unix_seconds(now).to_be_bytes();
    let significant = seconds.iter().skip_while(|byte| **byte == 0);
    let mut time: Vec<u8> = significant.copied().collect();
    if time.first().is_none_or(|first| first & 0x80 != 0) {
        time.insert(0, 0);
    }

    let serial = whole(INTEGER, &[first.serial()]);
    let certificate_id = whole(SEQUENCE, &[first.issuer_der(), &serial]);
    let time = whole(INTEGER, &[&time]);
    let locations = whole(SEQUENCE, &[&whole(IA5_STRING, &[id.to_string().as_bytes()])]);
    let signature = signer.sign(&[certificate_id.as_slice(), &time].concat())?;
    let signature = whole(BIT_STRING, &[&[0], &signature]);
    let value = whole(SEQUENCE, &[&certificate_id, &time, &locations, &signature]);
    let oid = whole(OBJECT_IDENTIFIER, &[REQUEST.as_bytes()]);
    Ok(whole(SEQUENCE, &[&oid, &whole(SET, &[&value])]))
}

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OBJECT_IDENTIFIER: u8 = 0x06;
const IA5_STRING: u8 = 0x16;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
