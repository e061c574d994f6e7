//! The ML-DSA context string.

/// The context string of an ML-DSA signature (FIPS 204, section 5.2): at most 255 bytes that signer and verifier
/// must agree on.
///
/// Certificates, TLS and JOSE use the empty one; a composite signs its ML-DSA half under its own label, so that the
/// half is worthless outside the composite. Components other than ML-DSA have no context and ignore it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MlDsaContext<'a>(&'a [u8]);

/// A context longer than the 255 bytes that FIPS 204 allows, and the draft for composites.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the context of a signature has at most 255 bytes, this one has {0}")]
pub struct ContextTooLong(pub usize);

impl<'a> MlDsaContext<'a> {
    /// The empty context, which every use outside composites has.
    pub const EMPTY: MlDsaContext<'static> = MlDsaContext(&[]);

    /// Takes `context` as a context string.
    ///
    /// # Errors
    /// [`ContextTooLong`] over 255 bytes.
    pub const fn new(context: &'a [u8]) -> Result<Self, ContextTooLong> {
        if context.len() > 255 {
            Err(ContextTooLong(context.len()))
        } else {
            Ok(Self(context))
        }
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0
    }
}
