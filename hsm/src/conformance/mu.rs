//! The message representative μ of ML-DSA, computed independently of the library that signs.

use shake::Shake256;
use shake::digest::{ExtendableOutput, Update, XofReader};
use symbolon_crypto::{MlDsaContext, PublicKey};

/// μ over a public key, a message and its context (FIPS 204, algorithm 2, lines 10 to 13, algorithm 7, line 6):
/// H(H(pk, 64) ‖ 0 ‖ |ctx| ‖ ctx ‖ M, 64), H being SHAKE256.
pub(super) fn mu(public_key: &PublicKey, message: &[u8], context: MlDsaContext<'_>) -> [u8; 64] {
    let tr = shake256(&[public_key.as_bytes()]);
    // A context has at most 255 bytes, so that its length is one byte.
    let [len, ..] = context.as_bytes().len().to_le_bytes();
    shake256(&[&tr, &[0, len], context.as_bytes(), message])
}

fn shake256(parts: &[&[u8]]) -> [u8; 64] {
    let mut hash = Shake256::default();
    for part in parts {
        hash.update(part);
    }
    let mut out = [0; 64];
    hash.finalize_xof().read(&mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 202's published SHAKE256 of the empty string, its first 64 bytes.
    #[test]
    fn the_hash_is_shake256() {
        let expected = "46b9dd2b0ba88d13233b3feb743eeb243fcd52ea62b81b82b50c27646ed5762f\
                        d75dc4ddd8c0f200cb05019d67b592f6fc821c49479ab48640292eacb3b7c4be";
        assert_eq!(hex::encode(shake256(&[])), expected);
        assert_eq!(shake256(&[b"a", b"bc"]), shake256(&[b"abc"]));
    }
}
