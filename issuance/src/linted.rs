//! The typed end of the path: what was linted can be signed, once, and what was signed is what was linted.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use der::asn1::{AnyRef, BitStringRef};
use der::{Decode, Reader, SliceReader};
use spiffe::SpiffeId;
use symbolon_crypto::digest;
use symbolon_pki::catalyst;
use symbolon_pki::key::SuiteSigner;
use symbolon_pki::skid::Skid;
use symbolon_pki::suite::{Form, Suite};

use crate::authority::{Authority, AuthorityKeys};
use crate::encode;
use crate::error::{IssuanceError, SigningError};
use crate::lint::{self, Expected};
use crate::profile::Profile;
use crate::serial::Serial;

/// What a certificate says, for whoever records it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Facts {
    /// What it is for.
    pub profile: Profile,
    /// Its serial number.
    pub serial: Serial,
    /// Whose identity it is; for an authority the trust domain's.
    pub spiffe_id: SpiffeId,
    /// The form of identity that it is for.
    pub form: Form,
    /// The certified key's algorithm, as in `mldsa65-ecdsa-p256` or `rsa-2048`.
    pub algorithm: String,
    /// The certified alternative key's algorithm, in a catalyst certificate.
    pub alternative: Option<String>,
    /// The certified key's identifier.
    pub key_id: Skid,
    /// The suite that signs.
    pub issuer_suite: Suite,
    /// The suite that makes the alternative signature, of a catalyst certificate.
    pub issuer_alternative: Option<Suite>,
    /// The issuer's key identifier.
    pub authority_id: Skid,
    /// First second of its validity.
    pub not_before: SystemTime,
    /// Last second of its validity.
    pub not_after: SystemTime,
}

/// A certificate to be signed that the lint found nothing wrong with. There is no other way to make one, and
/// nothing else can be signed.
///
/// It is not `Clone`: one lint, one signature.
pub struct Linted {
    tbs: Vec<u8>,
    facts: Facts,
    issuer_key: IssuerKeys,
}

/// The public keys that the signatures have to be made for.
#[derive(Clone)]
pub(crate) struct IssuerKeys {
    native: Arc<[u8]>,
    alternative: Option<Arc<[u8]>>,
}

impl IssuerKeys {
    pub(crate) fn new(native: &SuiteSigner, alternative: Option<&SuiteSigner>) -> Self {
        let bits = |signer: &SuiteSigner| signer.public_key().as_bytes().into();
        Self {
            native: bits(native),
            alternative: alternative.map(bits),
        }
    }

    pub(crate) fn of(authority: &Authority) -> Self {
        Self {
            native: Arc::clone(authority.public_key()),
            alternative: authority.alternative_key().map(Arc::clone),
        }
    }
}

impl Linted {
    /// Lints `tbs`. The only constructor.
    pub(crate) fn lint(
        tbs: Vec<u8>,
        facts: Facts,
        issuer_key: IssuerKeys,
        expected: &Expected<'_>,
    ) -> Result<Self, IssuanceError> {
        lint::check(&tbs, expected)?;
        Ok(Self {
            tbs,
            facts,
            issuer_key,
        })
    }

    /// DER of the TBSCertificate: the bytes that will be signed, without the alternative signature that a catalyst
    /// certificate will have among its extensions.
    pub fn tbs_der(&self) -> &[u8] {
        &self.tbs
    }

    /// What the certificate will say.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Its serial number.
    pub fn serial(&self) -> &Serial {
        &self.facts.serial
    }

    /// First second of its validity.
    pub fn not_before(&self) -> SystemTime {
        self.facts.not_before
    }

    /// Last second of its validity.
    pub fn not_after(&self) -> SystemTime {
        self.facts.not_after
    }

    /// Signs it with the issuer's key: the [`Authority`] it was prepared for, or for a self-signed authority the
    /// new key itself. Of a catalyst certificate the alternative signature is made first, and the native one over
    /// everything. Blocks as long as the keys' holders do.
    ///
    /// A signature that does not come from this process's own library is verified first, and the finished
    /// certificate is read back and compared with what was linted.
    ///
    /// # Errors
    /// [`IssuanceError::Signing`]; nothing that carries a signature leaves this function then.
    pub fn sign(self, issuer: &impl HasSigner) -> Result<IssuedCertificate, IssuanceError> {
        Ok(self.sign_with(issuer.signer(), issuer.alternative())?)
    }

    fn sign_with(
        self,
        signer: &SuiteSigner,
        alternative: Option<&SuiteSigner>,
    ) -> Result<IssuedCertificate, SigningError> {
        let (facts, keys) = (&self.facts, &self.issuer_key);
        if !is_key_of(signer, facts.issuer_suite, &keys.native) {
            return Err(SigningError::WrongSigner);
        }
        let tbs = match (alternative, facts.issuer_alternative, &keys.alternative) {
            (None, None, None) => Cow::Borrowed(&self.tbs),
            (Some(signer), Some(suite), Some(key)) if is_key_of(signer, suite, key) => {
                Cow::Owned(with_alternative_signature(&self.tbs, signer)?)
            }
            _ => return Err(SigningError::WrongSigner),
        };
        let signature = sign(signer, &tbs)?;
        let der = encode::certificate(&tbs, signer.suite().signature_algorithm_der(), &signature);
        compare(&der, &tbs, &signature)?;
        Ok(IssuedCertificate {
            der,
            facts: self.facts,
        })
    }
}

fn is_key_of(signer: &SuiteSigner, suite: Suite, key: &[u8]) -> bool {
    signer.suite() == suite && signer.public_key().as_bytes() == key
}

/// Signs, and verifies what does not come from this process's own library.
pub(crate) fn sign(signer: &SuiteSigner, message: &[u8]) -> Result<Vec<u8>, SigningError> {
    let signature = signer.sign(message)?;
    if !signer.is_own_software() {
        signer
            .public_key()
            .verify(message, &signature)
            .map_err(|error| SigningError::Rejected(error.to_string()))?;
    }
    Ok(signature)
}

/// Adds the alternative signature to what was linted, and checks that nothing else has changed.
fn with_alternative_signature(linted: &[u8], signer: &SuiteSigner) -> Result<Vec<u8>, SigningError> {
    const UNREADABLE: SigningError = SigningError::NotAsLinted("its extensions cannot be taken apart");
    let signature = sign(signer, &catalyst::pre_tbs(linted).map_err(|_| UNREADABLE)?)?;
    let tbs = catalyst::append_signature(linted, &signature).map_err(|_| UNREADABLE)?;
    match catalyst::strip_signature(&tbs) {
        Ok(stripped) if stripped == linted => Ok(tbs),
        Ok(_) => Err(SigningError::NotAsLinted(
            "more than the alternative signature was added",
        )),
        Err(_) => Err(UNREADABLE),
    }
}

impl fmt::Debug for Linted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Linted")
            .field("facts", &self.facts)
            .finish_non_exhaustive()
    }
}

/// Reads a finished certificate back and compares its parts with what went in: the linted TBS byte for byte, the
/// same AlgorithmIdentifier outside as inside (RFC 5280, section 4.1.1.2), and the signature.
fn compare(der: &[u8], linted: &[u8], signature: &[u8]) -> Result<(), SigningError> {
    let parts = Parts::read(der).map_err(|_| SigningError::NotAsLinted("it cannot be read back"))?;
    if parts.tbs != linted {
        return Err(SigningError::NotAsLinted("the signed part differs"));
    }
    if parts.algorithm != parts.signed_algorithm {
        return Err(SigningError::NotAsLinted("it names two signature algorithms"));
    }
    if parts.signature != Some(signature) {
        return Err(SigningError::NotAsLinted("the signature differs"));
    }
    Ok(())
}

/// The outermost parts of a certificate, and the algorithm that the signed part names.
struct Parts<'a> {
    tbs: &'a [u8],
    signed_algorithm: &'a [u8],
    algorithm: &'a [u8],
    signature: Option<&'a [u8]>,
}

impl<'a> Parts<'a> {
    fn read(der: &'a [u8]) -> der::Result<Self> {
        let outer = AnyRef::from_der(der)?;
        let mut reader = SliceReader::new(outer.value())?;
        let tbs = reader.tlv_bytes()?;
        let algorithm = reader.tlv_bytes()?;
        let signature = BitStringRef::decode(&mut reader)?.as_bytes();
        reader.finish()?;

        let mut signed = SliceReader::new(AnyRef::from_der(tbs)?.value())?;
        let _version = signed.tlv_bytes()?;
        let _serial = signed.tlv_bytes()?;
        Ok(Self {
            tbs,
            signed_algorithm: signed.tlv_bytes()?,
            algorithm,
            signature,
        })
    }
}

/// Whoever can sign a [`Linted`].
pub trait HasSigner {
    /// The key that signs; of a catalyst authority the native one.
    fn signer(&self) -> &SuiteSigner;

    /// The key that makes the alternative signature, of a catalyst authority.
    fn alternative(&self) -> Option<&SuiteSigner> {
        None
    }
}

impl HasSigner for Authority {
    fn signer(&self) -> &SuiteSigner {
        Self::signer(self)
    }

    fn alternative(&self) -> Option<&SuiteSigner> {
        Self::alternative(self)
    }
}

impl HasSigner for AuthorityKeys {
    fn signer(&self) -> &SuiteSigner {
        Self::signer(self)
    }

    fn alternative(&self) -> Option<&SuiteSigner> {
        Self::alternative(self)
    }
}

impl HasSigner for SuiteSigner {
    fn signer(&self) -> &SuiteSigner {
        self
    }
}

/// A certificate that went the whole path.
#[derive(Clone)]
pub struct IssuedCertificate {
    der: Vec<u8>,
    facts: Facts,
}

impl IssuedCertificate {
    /// DER of the certificate.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// DER of the certificate, without copying it.
    pub fn into_der(self) -> Vec<u8> {
        self.der
    }

    /// What it says.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Its serial number.
    pub fn serial(&self) -> &Serial {
        &self.facts.serial
    }

    /// Last second of its validity.
    pub fn not_after(&self) -> SystemTime {
        self.facts.not_after
    }

    /// SHA-256 of the DER.
    pub fn sha256(&self) -> [u8; 32] {
        digest::sha256(&self.der)
    }
}

impl fmt::Debug for IssuedCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuedCertificate")
            .field("facts", &self.facts)
            .field("bytes", &self.der.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // SEQUENCE { version, serial, algorithm (NULL here) }, as little as `compare` looks at.
    const TBS: [u8; 10] = [0x30, 8, 0xa0, 1, 2, 2, 1, 7, 5, 0];

    #[test]
    fn what_was_put_together_right_compares_equal() {
        let der = encode::certificate(&TBS, &[5, 0], &[1, 2, 3]);
        compare(&der, &TBS, &[1, 2, 3]).unwrap();
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let der = encode::certificate(&TBS, &[5, 0], &[1, 2, 3]);
        for position in 0..der.len() {
            let mut changed = der.clone();
            changed[position] ^= 1;
            // The tags of the outermost SEQUENCE and of the algorithms, both changed alike, are not this check's.
            if position > 0 {
                assert!(compare(&changed, &TBS, &[1, 2, 3]).is_err(), "byte {position}");
            }
        }
    }

    #[test]
    fn two_algorithms_are_noticed() {
        let der = encode::certificate(&TBS, &[4, 0], &[1, 2, 3]);
        let error = compare(&der, &TBS, &[1, 2, 3]).unwrap_err().to_string();
        assert!(error.ends_with("it names two signature algorithms"), "{error}");
    }
}
