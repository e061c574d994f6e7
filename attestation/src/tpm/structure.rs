//! What TPMs write, taken apart without any TPM or its libraries (TPM 2.0 Library, part 2).

use symbolon_crypto::digest::sha256;
use symbolon_crypto::rsa::{RsaPublicKey, RsaScheme};
use symbolon_crypto::stock::{self, EcdsaHash};
use symbolon_pki::encode::element;
use symbolon_pki::key::{SubjectKey, SuitePublicKey};
use symbolon_pki::suite::Suite;

const ALG_RSA: u16 = 0x0001;
const ALG_AES: u16 = 0x0006;
const ALG_SHA256: u16 = 0x000b;
const ALG_NULL: u16 = 0x0010;
const ALG_RSASSA: u16 = 0x0014;
const ALG_ECDSA: u16 = 0x0018;
const ALG_ECC: u16 = 0x0023;
const ALG_CFB: u16 = 0x0043;
const CURVE_P256: u16 = 0x0003;
const CURVE_P384: u16 = 0x0004;

/// TPMA_OBJECT.
const FIXED_TPM: u32 = 1 << 1;
const FIXED_PARENT: u32 = 1 << 4;
const SENSITIVE_DATA_ORIGIN: u32 = 1 << 5;
const RESTRICTED: u32 = 1 << 16;
const DECRYPT: u32 = 1 << 17;
const SIGN: u32 = 1 << 18;

/// TPM_GENERATED_VALUE: what a restricted key signs of its own accord begins so, and nothing else may.
const GENERATED: u32 = 0xff54_4347;
const ST_ATTEST_CERTIFY: u16 = 0x8017;
const ST_ATTEST_QUOTE: u16 = 0x8018;

/// The usual exponent of RSA keys, which templates write as 0.
const USUAL_EXPONENT: u32 = 65_537;

/// Reads big-endian numbers and sized bytes.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    fn sized(&mut self) -> Option<&'a [u8]> {
        let len = self.u16()?;
        self.take(len.into())
    }

    fn end<T>(&self, value: T) -> Option<T> {
        self.0.is_empty().then_some(value)
    }
}

/// What cannot be read, in words.
pub type Reading<T> = Result<T, &'static str>;

/// A TPMT_PUBLIC with SHA-256 for its names, of RSA or ECC: an object's public area.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Public {
    bytes: Vec<u8>,
    attributes: u32,
    symmetric_bits: Option<u16>,
    scheme: Option<(u16, u16)>,
    key: SubjectKey,
}

impl Public {
    /// Reads one.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(bytes: &[u8]) -> Reading<Self> {
        let cut_short = "it is no TPMT_PUBLIC, or has something after it";
        let mut reader = Reader(bytes);
        let kind = reader.u16().ok_or(cut_short)?;
        if reader.u16().ok_or(cut_short)? != ALG_SHA256 {
            return Err("its name algorithm is not SHA-256");
        }
        let attributes = reader.u32().ok_or(cut_short)?;
        let _policy = reader.sized().ok_or(cut_short)?;
        let symmetric_bits = match reader.u16().ok_or(cut_short)? {
            ALG_NULL => None,
            ALG_AES => {
                let bits = reader.u16().ok_or(cut_short)?;
                if reader.u16().ok_or(cut_short)? != ALG_CFB || !matches!(bits, 128 | 256) {
                    return Err("its symmetric algorithm is not AES-128 or AES-256 in CFB mode");
                }
                Some(bits)
            }
            _ => return Err("its symmetric algorithm is not AES"),
        };
        let scheme = match reader.u16().ok_or(cut_short)? {
            ALG_NULL => None,
            scheme @ (ALG_RSASSA | ALG_ECDSA) => Some((scheme, reader.u16().ok_or(cut_short)?)),
            _ => return Err("its scheme is neither RSASSA nor ECDSA"),
        };
        let key = match kind {
            ALG_RSA => rsa(&mut reader),
            ALG_ECC => ecc(&mut reader),
            _ => return Err("it is neither an RSA nor an ECC key"),
        };
        let key = key.ok_or("its key is none that is taken: RSA of 2048, 3072 or 4096 bits, P-256, P-384")?;
        reader.end(()).ok_or(cut_short)?;
        Ok(Self {
            bytes: bytes.to_vec(),
            attributes,
            symmetric_bits,
            scheme,
            key,
        })
    }

    /// The object's name (part 1, section 16): the number of its name algorithm, and the hash of its public area.
    pub fn name(&self) -> Vec<u8> {
        [&ALG_SHA256.to_be_bytes()[..], &sha256(&self.bytes)].concat()
    }

    /// The key.
    pub fn key(&self) -> &SubjectKey {
        &self.key
    }

    /// The length of the AES key that protects what is encrypted for a storage key, in bytes.
    pub(crate) fn symmetric_len(&self) -> Option<usize> {
        self.symmetric_bits.map(|bits| usize::from(bits / 8))
    }

    /// Whether it can be an endorsement key: one that its TPM made, keeps, and decrypts credentials with.
    pub(crate) fn is_endorsement(&self) -> bool {
        self.is_kept() && self.has(RESTRICTED | DECRYPT) && !self.has(SIGN)
    }

    /// Whether it signs nothing but what its TPM says of itself.
    pub(crate) fn is_attestation(&self) -> bool {
        self.is_kept() && self.has(RESTRICTED | SIGN) && !self.has(DECRYPT)
    }

    /// Whether its TPM made it, and it never leaves it.
    pub(crate) fn is_kept(&self) -> bool {
        self.has(FIXED_TPM | FIXED_PARENT | SENSITIVE_DATA_ORIGIN)
    }

    fn has(&self, attributes: u32) -> bool {
        self.attributes & attributes == attributes
    }

    /// Checks a TPM's signature over `message`, by the one scheme that the key is bound to.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> Reading<()> {
        let (scheme, hash) = self.scheme.ok_or("the key is bound to no scheme")?;
        let signature = Signature::parse(signature)?;
        if hash != ALG_SHA256 || signature.hash != hash || signature.scheme() != scheme {
            return Err("it is by another scheme than the key's, or not with SHA-256");
        }
        let rejected = "it does not verify";
        match (&signature.value, &self.key) {
            (SignatureValue::Rsa(signature), SubjectKey::Rsa(key)) => key
                .verify(RsaScheme::Pkcs1Sha256, message, signature)
                .map_err(|_| rejected),
            (SignatureValue::Ecdsa(r, s), SubjectKey::Suite(key)) => {
                let der = crate::ecdsa::der(r, s).ok_or(rejected)?;
                let component = key.components().first().ok_or(rejected)?;
                stock::verify_ecdsa(component, EcdsaHash::Sha256, message, &der).map_err(|_| rejected)
            }
            _ => Err(rejected),
        }
    }
}

/// TPMS_RSA_PARMS behind the schemes, and the modulus.
fn rsa(reader: &mut Reader<'_>) -> Option<SubjectKey> {
    let bits = reader.u16()?;
    let exponent = match reader.u32()? {
        0 => USUAL_EXPONENT,
        other => other,
    };
    let modulus = reader.sized()?;
    (modulus.len() * 8 == usize::from(bits)).then_some(())?;
    let mut numbers = Vec::new();
    // A modulus of full length begins with a one.
    element(&mut numbers, 0x02, &[&[0][..], modulus].concat());
    let exponent = exponent.to_be_bytes();
    let start = exponent.iter().position(|byte| *byte != 0)?;
    let mut exponent = exponent.get(start..)?.to_vec();
    if exponent.first().is_some_and(|first| first & 0x80 != 0) {
        exponent.insert(0, 0);
    }
    element(&mut numbers, 0x02, &exponent);
    let mut pkcs1 = Vec::new();
    element(&mut pkcs1, 0x30, &numbers);
    RsaPublicKey::parse(&pkcs1).ok().map(SubjectKey::Rsa)
}

/// TPMS_ECC_PARMS behind the schemes, and the point.
fn ecc(reader: &mut Reader<'_>) -> Option<SubjectKey> {
    let (suite, len) = match reader.u16()? {
        CURVE_P256 => (Suite::EcdsaP256, 32),
        CURVE_P384 => (Suite::EcdsaP384, 48),
        _ => return None,
    };
    (reader.u16()? == ALG_NULL).then_some(())?;
    let mut point = vec![4];
    for coordinate in [reader.sized()?, reader.sized()?] {
        let missing = usize::checked_sub(len, coordinate.len())?;
        point.extend(std::iter::repeat_n(0, missing));
        point.extend_from_slice(coordinate);
    }
    SuitePublicKey::parse(suite, &point).ok().map(SubjectKey::Suite)
}

/// A TPMT_SIGNATURE, of RSASSA or ECDSA.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Signature {
    hash: u16,
    value: SignatureValue,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum SignatureValue {
    Rsa(Vec<u8>),
    Ecdsa(Vec<u8>, Vec<u8>),
}

impl Signature {
    /// Reads one.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(bytes: &[u8]) -> Reading<Self> {
        let read = |mut reader: Reader<'_>| {
            let algorithm = reader.u16()?;
            let hash = reader.u16()?;
            let value = match algorithm {
                ALG_RSASSA => SignatureValue::Rsa(reader.sized()?.to_vec()),
                ALG_ECDSA => SignatureValue::Ecdsa(reader.sized()?.to_vec(), reader.sized()?.to_vec()),
                _ => return None,
            };
            reader.end(Self { hash, value })
        };
        read(Reader(bytes)).ok_or("it is no TPMT_SIGNATURE of RSASSA or ECDSA")
    }

    fn scheme(&self) -> u16 {
        match self.value {
            SignatureValue::Rsa(_) => ALG_RSASSA,
            SignatureValue::Ecdsa(..) => ALG_ECDSA,
        }
    }
}

/// A TPMS_ATTEST: what a TPM says of itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Attest {
    /// What the caller gave to be signed with it.
    pub extra: Vec<u8>,
    /// What it is about.
    pub attested: Attested,
}

/// What a TPM attests.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Attested {
    /// TPM2_Certify: it holds the object of this name.
    Certify {
        /// The name.
        name: Vec<u8>,
    },
    /// TPM2_Quote: PCRs have values that hash to this.
    Quote {
        /// The banks in the order of their values, by algorithm, each with its PCRs.
        selection: Vec<(u16, Vec<u8>)>,
        /// The hash.
        digest: Vec<u8>,
    },
}

impl Attest {
    /// Reads one, of TPM2_Certify or TPM2_Quote.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(bytes: &[u8]) -> Reading<Self> {
        attest(Reader(bytes)).ok_or("it is no TPMS_ATTEST of TPM2_Certify or TPM2_Quote")
    }
}

fn attest(mut reader: Reader<'_>) -> Option<Attest> {
    /// The most banks and bytes of bits that are read: those of every TPM there is.
    const MOST_BANKS: u32 = 16;
    const MOST_BITS: u8 = 4;
    (reader.u32()? == GENERATED).then_some(())?;
    let kind = reader.u16()?;
    let _signer = reader.sized()?;
    let extra = reader.sized()?.to_vec();
    // TPMS_CLOCK_INFO (clock, resetCount, restartCount, safe) and firmwareVersion.
    reader.take(8 + 4 + 4 + 1 + 8)?;
    let attested = match kind {
        ST_ATTEST_CERTIFY => {
            let name = reader.sized()?.to_vec();
            let _qualified_name = reader.sized()?;
            Attested::Certify { name }
        }
        ST_ATTEST_QUOTE => {
            let banks = reader.u32()?;
            (banks <= MOST_BANKS).then_some(())?;
            let mut selection = Vec::new();
            for _ in 0..banks {
                let bank = reader.u16()?;
                let len = reader.u8()?;
                (len <= MOST_BITS).then_some(())?;
                let bits = reader.take(len.into())?;
                let is_set = |number: &u8| {
                    let byte = bits.get(usize::from(number / 8)).copied().unwrap_or_default();
                    byte & (1 << (number % 8)) != 0
                };
                selection.push((bank, (0..MOST_BITS * 8).filter(is_set).collect()));
            }
            let digest = reader.sized()?.to_vec();
            Attested::Quote { selection, digest }
        }
        _ => return None,
    };
    reader.end(Attest { extra, attested })
}

#[cfg(test)]
mod tests;
