//! What a TPM certifies, taken apart without any TPM or its libraries (TPM 2.0 Library, part 2).

use symbolon_crypto::digest::sha256;

use super::reader::Reader;

const ALG_ECC: u16 = 0x0023;
const ALG_KEYEDHASH: u16 = 0x0008;
const ALG_NULL: u16 = 0x0010;
const ALG_SHA256: u16 = 0x000b;
const ALG_ECDSA: u16 = 0x0018;
const CURVE_P256: u16 = 0x0003;
const CURVE_P384: u16 = 0x0004;

/// TPMA_OBJECT.
pub(super) const FIXED_TPM: u32 = 1 << 1;
pub(super) const FIXED_PARENT: u32 = 1 << 4;
pub(super) const SENSITIVE_DATA_ORIGIN: u32 = 1 << 5;
pub(super) const USER_WITH_AUTH: u32 = 1 << 6;
pub(super) const RESTRICTED: u32 = 1 << 16;
pub(super) const DECRYPT: u32 = 1 << 17;
pub(super) const SIGN: u32 = 1 << 18;

/// TPM_GENERATED_VALUE: what a restricted key signs of its own accord begins so, and nothing else may.
const GENERATED: u32 = 0xff54_4347;
const ST_ATTEST_CERTIFY: u16 = 0x8017;

/// A TPMS_ATTEST of TPM2_Certify.
pub(super) struct Attest<'a> {
    /// What the caller gave to be signed with it.
    pub(super) extra: &'a [u8],
    /// The name of the certified object.
    pub(super) name: &'a [u8],
}

/// Reads a TPMS_ATTEST; `None` when it is none, or of another command.
pub(super) fn attest(bytes: &[u8]) -> Option<Attest<'_>> {
    let mut reader = Reader::new(bytes);
    (reader.u32()? == GENERATED && reader.u16()? == ST_ATTEST_CERTIFY).then_some(())?;
    let _signer = reader.sized()?;
    let extra = reader.sized()?;
    // TPMS_CLOCK_INFO (clock, resetCount, restartCount, safe) and firmwareVersion.
    reader.take(8 + 4 + 4 + 1 + 8)?;
    let name = reader.sized()?;
    let _qualified_name = reader.sized()?;
    reader.end(Attest { extra, name })
}

/// A TPMT_PUBLIC of a kind that we make.
pub(super) struct Public<'a> {
    pub(super) attributes: u32,
    pub(super) policy: &'a [u8],
    pub(super) kind: Kind,
}

/// What an object is.
pub(super) enum Kind {
    /// An ECC key: its point, uncompressed, and the scheme that it is bound to.
    Ecc { point: Vec<u8>, scheme: u16 },
    /// Sealed data.
    Sealed,
}

/// Whether a key signs by ECDSA and nothing else.
pub(super) fn is_ecdsa(scheme: u16) -> bool {
    scheme == ALG_ECDSA
}

/// The name of an object: the number of its name algorithm, SHA-256 for all that we make, and the hash of its public
/// area.
pub(super) fn name(public: &[u8]) -> Vec<u8> {
    [&ALG_SHA256.to_be_bytes()[..], &sha256(public)].concat()
}

/// Reads a TPMT_PUBLIC; `None` when it is none, or of a kind that we do not make.
pub(super) fn public(bytes: &[u8]) -> Option<Public<'_>> {
    let mut reader = Reader::new(bytes);
    let kind = reader.u16()?;
    (reader.u16()? == ALG_SHA256).then_some(())?;
    let attributes = reader.u32()?;
    let policy = reader.sized()?;
    let kind = match kind {
        ALG_ECC => ecc(&mut reader)?,
        ALG_KEYEDHASH => {
            // No scheme: data, not an HMAC key. Then the unique value.
            (reader.u16()? == ALG_NULL).then_some(())?;
            reader.sized()?;
            Kind::Sealed
        }
        _ => return None,
    };
    reader.end(Public {
        attributes,
        policy,
        kind,
    })
}

/// TPMS_ECC_PARMS of a signing key, and its TPMS_ECC_POINT.
fn ecc(reader: &mut Reader<'_>) -> Option<Kind> {
    (reader.u16()? == ALG_NULL).then_some(())?;
    let scheme = reader.u16()?;
    if scheme != ALG_NULL {
        let _hash = reader.u16()?;
    }
    let len = match reader.u16()? {
        CURVE_P256 => 32,
        CURVE_P384 => 48,
        _ => return None,
    };
    (reader.u16()? == ALG_NULL).then_some(())?;
    let mut point = vec![4];
    for coordinate in [reader.sized()?, reader.sized()?] {
        let missing = usize::checked_sub(len, coordinate.len())?;
        point.extend(std::iter::repeat_n(0, missing));
        point.extend_from_slice(coordinate);
    }
    Some(Kind::Ecc { point, scheme })
}
