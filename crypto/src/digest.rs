//! The SHA-2 family (FIPS 180-4).

use aws_lc_rs::digest;

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

/// SHA-384 of `message`.
pub fn sha384(message: &[u8]) -> [u8; 48] {
    fixed(&digest::SHA384, &[message])
}

/// SHA-512 of `message`.
pub fn sha512(message: &[u8]) -> [u8; 64] {
    fixed(&digest::SHA512, &[message])
}

/// SHA-256 of `parts`, one after the other.
pub fn sha256_of(parts: &[&[u8]]) -> [u8; 32] {
    fixed(&digest::SHA256, parts)
}
