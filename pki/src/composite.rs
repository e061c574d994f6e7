//! The composite construction of draft-ietf-lamps-pq-composite-sigs-19: one message for both halves, each bound to
//! the composite.
//!
//! ```text
//! M'       = Prefix || Label || u8(len(ctx)) || ctx || PH(M)
//! mldsaSig = ML-DSA.Sign(M', context = Label)
//! tradSig  = Trad.Sign(M')                        hashed again with the half's own hash, which need not be PH
//! sig      = mldsaSig || tradSig
//! ```
//!
//! Keys and signatures are the halves' raw bytes joined, ML-DSA first; its lengths are fixed, so it says where to cut.

use symbolon_crypto::{Component, ContextTooLong, MlDsaContext, digest};

use crate::key::{Half, SignatureError};

/// The ASCII prefix of every composite message representative (section 3.2 of the draft).
const PREFIX: &[u8] = b"CompositeAlgorithmSignatures2025";

/// The hash that shortens the message before either half sees it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum PreHash {
    Sha256,
    Sha512,
    /// 64 bytes of it.
    Shake256,
}

/// What the draft's table fixes about one composite.
#[derive(Debug)]
pub(crate) struct CompositeSpec {
    label: &'static str,
    /// The label once more: the context under which the ML-DSA half signs M'.
    pub(crate) ml_dsa_context: MlDsaContext<'static>,
    pre_hash: PreHash,
    /// Last arc of the OID.
    pub(crate) arc: u8,
}

impl CompositeSpec {
    #[allow(
        clippy::panic,
        reason = "runs when the compiler builds the table, and nowhere else"
    )]
    pub(crate) const fn new(label: &'static str, pre_hash: PreHash, arc: u8) -> Self {
        match MlDsaContext::new(label.as_bytes()) {
            Ok(ml_dsa_context) => Self {
                label,
                ml_dsa_context,
                pre_hash,
                arc,
            },
            Err(_) => panic!("a label is longer than a context may be"),
        }
    }

    /// M', the bytes that both halves sign. `context` is the application's and is empty in X.509 and TLS.
    pub(crate) fn representative(&self, message: &[u8], context: &[u8]) -> Result<Vec<u8>, ContextTooLong> {
        let context_len = u8::try_from(context.len()).map_err(|_| ContextTooLong(context.len()))?;
        let mut out = Vec::with_capacity(PREFIX.len() + self.label.len() + 1 + context.len() + 64);
        out.extend_from_slice(PREFIX);
        out.extend_from_slice(self.label.as_bytes());
        out.push(context_len);
        out.extend_from_slice(context);
        match self.pre_hash {
            PreHash::Sha256 => out.extend_from_slice(&digest::sha256(message)),
            PreHash::Sha512 => out.extend_from_slice(&digest::sha512(message)),
            PreHash::Shake256 => out.extend_from_slice(&digest::shake256(message)),
        }
        Ok(out)
    }
}

/// Cuts a composite signature into its ML-DSA and traditional halves.
pub(crate) fn split_signature(
    ml_dsa: Component,
    traditional: Component,
    signature: &[u8],
) -> Result<(&[u8], &[u8]), SignatureError> {
    let Some((first, second)) = signature.split_at_checked(ml_dsa.max_signature_len()) else {
        return Err(SignatureError::Malformed {
            half: Half::PostQuantum,
            reason: "it is cut short",
        });
    };
    if second.is_empty() {
        return Err(SignatureError::Malformed {
            half: Half::Classical,
            reason: "it is missing",
        });
    }
    if second.len() > traditional.max_signature_len() {
        return Err(SignatureError::Malformed {
            half: Half::Classical,
            reason: "it is too long",
        });
    }
    Ok((first, second))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::Suite;

    /// The example of the draft's appendix for arc .45: M = 00 01 … 09, no context.
    #[test]
    fn the_representative_is_the_drafts() {
        let spec = Suite::MlDsa65EcdsaP256.composite().unwrap();
        let message = spec.representative(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], &[]).unwrap();
        let expected = format!(
            "{}{}00{}",
            hex::encode(PREFIX),
            hex::encode("COMPSIG-MLDSA65-ECDSA-P256-SHA512"),
            "0f89ee1fcb7b0a4f7809d1267a029719004c5a5e5ec323a7c3523a20974f9a3f\
             202f56fadba4cd9e8d654ab9f2e96dc5c795ea176fa20ede8d854c342f903533"
        );
        assert_eq!(hex::encode(message), expected);
    }

    #[test]
    fn a_context_of_256_bytes_is_refused() {
        let spec = Suite::MlDsa65EcdsaP256.composite().unwrap();
        assert_eq!(spec.representative(b"m", &[0; 256]), Err(ContextTooLong(256)));
    }
}
