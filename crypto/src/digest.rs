//! The SHA-2 family (FIPS 180-4), and SHAKE256 (FIPS 202) for the one composite that hashes with it.

use aws_lc_rs::digest;
use shake::Shake256;
use shake::digest::{ExtendableOutput, Update, XofReader};

fn fixed<const N: usize>(algorithm: &'static digest::Algorithm, parts: &[&[u8]]) -> [u8; N] {
    let mut context = digest::Context::new(algorithm);
    for part in parts {
        context.update(part);
    }
    let mut out = [0; N];
    out.copy_from_slice(context.finish().as_ref());
    out
}

/// SHA-256 of `message`.
pub fn sha256(message: &[u8]) -> [u8; 32] {
    fixed(&digest::SHA256, &[message])
}

/// SHA-1 of `message`: for names that other software gives by it, such as fingerprints. It is no protection against
/// anybody, so nothing may rest on two messages having two of them.
pub fn sha1_for_names(message: &[u8]) -> [u8; 20] {
    fixed(&digest::SHA1_FOR_LEGACY_USE_ONLY, &[message])
}

/// SHA-384 of `message`.
pub fn sha384(message: &[u8]) -> [u8; 48] {
    fixed(&digest::SHA384, &[message])
}

/// SHA-512 of `message`.
pub fn sha512(message: &[u8]) -> [u8; 64] {
    fixed(&digest::SHA512, &[message])
}

/// The first 64 bytes of SHAKE256 of `message`. Not aws-lc's, so not for the hot path.
pub fn shake256(message: &[u8]) -> [u8; 64] {
    let mut hash = Shake256::default();
    hash.update(message);
    let mut out = [0; 64];
    hash.finalize_xof().read(&mut out);
    out
}

/// SHA-256 of `parts`, one after the other.
pub fn sha256_of(parts: &[&[u8]]) -> [u8; 32] {
    fixed(&digest::SHA256, parts)
}

/// SHA-256 of a message that comes in pieces, such as a file too long to be held.
#[derive(Clone)]
pub struct Sha256(digest::Context);

impl Sha256 {
    /// Begins a message.
    pub fn new() -> Self {
        Self(digest::Context::new(&digest::SHA256))
    }

    /// Takes the next piece.
    pub fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// Ends the message.
    pub fn finish(self) -> [u8; 32] {
        let mut out = [0; 32];
        out.copy_from_slice(self.0.finish().as_ref());
        out
    }
}

impl Default for Sha256 {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sha256")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_make_the_whole() {
        let mut hash = Sha256::new();
        hash.update(b"a");
        hash.update(b"");
        hash.update(b"bc");
        assert_eq!(hash.finish(), sha256(b"abc"));
        assert_eq!(Sha256::new().finish(), sha256(b""));
    }
}
