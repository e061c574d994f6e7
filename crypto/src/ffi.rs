//! aws-lc's C interface, for what its safe binding lacks: ML-DSA with a context, and two signatures of stock software.
//!
//! aws-lc-rs signs ML-DSA with the empty context only and takes no precomputed μ; composites need the first and
//! small-input backends the second, so this module calls the EVP functions below it. It is the one place in this
//! crate that may be unsafe, and it is kept small enough to read in one go: an owned `EVP_PKEY` behind
//! [`MlDsaKey`], the operations on it, and no pointer that outlives the call that made it.
//!
//! The signatures at the end are ECDSA with a hash smaller than the curve, and RSA-PSS with a salt of any length.
#![allow(
    unsafe_code,
    reason = "the C interface of aws-lc; every block says why it is sound"
)]

use std::ptr::{self, NonNull};

use aws_lc_sys as sys;
use zeroize::Zeroizing;

use crate::{Component, MlDsaContext};

/// The library said no. Which call it was does not matter to anybody: the caller knows what it asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refused;

/// An owned ML-DSA key of aws-lc: public, or private together with its public part.
pub(crate) struct MlDsaKey {
    pkey: NonNull<sys::EVP_PKEY>,
    signature_len: usize,
}

// SAFETY: an EVP_PKEY is reference counted atomically, and nothing here changes the key after it was made; aws-lc
// documents concurrent use by non-mutating functions as allowed.
unsafe impl Send for MlDsaKey {}
// SAFETY: as above.
unsafe impl Sync for MlDsaKey {}

impl Drop for MlDsaKey {
    fn drop(&mut self) {
        // SAFETY: `pkey` came from a constructor that gave us the one reference we release here. aws-lc wipes
        // what it frees.
        unsafe { sys::EVP_PKEY_free(self.pkey.as_ptr()) }
    }
}

/// The numeric identifier by which aws-lc knows the parameter set, or a refusal for what is not ML-DSA.
fn nid(component: Component) -> Result<i32, Refused> {
    match component {
        Component::MlDsa44 => Ok(sys::NID_MLDSA44),
        Component::MlDsa65 => Ok(sys::NID_MLDSA65),
        Component::MlDsa87 => Ok(sys::NID_MLDSA87),
        _ => Err(Refused),
    }
}

/// Turns the C convention (1 is success) into a `Result`, leaving the library's error queue empty.
fn checked(result: i32) -> Result<(), Refused> {
    if result == 1 { Ok(()) } else { Err(refused()) }
}

/// A refusal, with the library's error queue emptied.
fn refused() -> Refused {
    // SAFETY: clears this thread's error queue; takes no argument and cannot fail.
    unsafe { sys::ERR_clear_error() };
    Refused
}

impl MlDsaKey {
    fn own(component: Component, pkey: *mut sys::EVP_PKEY) -> Result<Self, Refused> {
        match NonNull::new(pkey) {
            Some(pkey) => Ok(Self {
                pkey,
                signature_len: component.max_signature_len(),
            }),
            None => Err(refused()),
        }
    }

    /// A public key from its FIPS 204 encoding.
    pub(crate) fn from_public(component: Component, public: &[u8]) -> Result<Self, Refused> {
        let nid = nid(component)?;
        // SAFETY: pointer and length describe one live slice, which the function copies; it checks the length.
        let pkey = unsafe { sys::EVP_PKEY_pqdsa_new_raw_public_key(nid, public.as_ptr(), public.len()) };
        Self::own(component, pkey)
    }

    /// A private key from its 32-byte seed or from its expanded FIPS 204 encoding. The library recomputes the
    /// public key, and for an expanded key checks that its parts agree.
    pub(crate) fn from_private(component: Component, private: &[u8]) -> Result<Self, Refused> {
        let nid = nid(component)?;
        // SAFETY: pointer and length describe one live slice, which the function copies; it checks the length.
        let pkey = unsafe { sys::EVP_PKEY_pqdsa_new_raw_private_key(nid, private.as_ptr(), private.len()) };
        Self::own(component, pkey)
    }

    /// The public key's FIPS 204 encoding.
    pub(crate) fn public(&self, component: Component) -> Result<Vec<u8>, Refused> {
        let mut out = vec![0; component.public_key_len()];
        let mut len = out.len();
        // SAFETY: `out` has room for `len` bytes, which the function checks before it writes and updates after.
        checked(unsafe {
            sys::EVP_PKEY_get_raw_public_key(self.pkey.as_ptr(), out.as_mut_ptr(), &raw mut len)
        })?;
        if len == out.len() { Ok(out) } else { Err(Refused) }
    }

    /// The expanded private key's FIPS 204 encoding, `len` bytes of it.
    pub(crate) fn expanded(&self, len: usize) -> Result<Zeroizing<Vec<u8>>, Refused> {
        let mut out = Zeroizing::new(vec![0; len]);
        let mut written = len;
        // SAFETY: as in `public`.
        checked(unsafe {
            sys::EVP_PKEY_get_raw_private_key(self.pkey.as_ptr(), out.as_mut_ptr(), &raw mut written)
        })?;
        if written == len { Ok(out) } else { Err(Refused) }
    }

    /// A hedged signature over `message` under `context`.
    pub(crate) fn sign(&self, message: &[u8], context: MlDsaContext<'_>) -> Result<Vec<u8>, Refused> {
        let digest_ctx = DigestContext::new()?;
        let mut pkey_ctx = ptr::null_mut();
        let mut signature = vec![0; self.signature_len];
        let mut len = signature.len();
        // SAFETY: the digest context lives to the end of this function and owns `pkey_ctx`; the key lives as long
        // as `self`; every pointer and length pair describes one live slice, and the context string is copied by
        // the library.
        unsafe {
            checked(sys::EVP_DigestSignInit(
                digest_ctx.0.as_ptr(),
                &raw mut pkey_ctx,
                ptr::null(),
                ptr::null_mut(),
                self.pkey.as_ptr(),
            ))?;
            set_context(pkey_ctx, context)?;
            checked(sys::EVP_DigestSign(
                digest_ctx.0.as_ptr(),
                signature.as_mut_ptr(),
                &raw mut len,
                message.as_ptr(),
                message.len(),
            ))?;
        }
        if len == signature.len() {
            Ok(signature)
        } else {
            Err(Refused)
        }
    }

    /// Whether `signature` is one over `message` under `context`.
    pub(crate) fn verify(
        &self,
        message: &[u8],
        signature: &[u8],
        context: MlDsaContext<'_>,
    ) -> Result<(), Refused> {
        let digest_ctx = DigestContext::new()?;
        let mut pkey_ctx = ptr::null_mut();
        // SAFETY: as in `sign`.
        unsafe {
            checked(sys::EVP_DigestVerifyInit(
                digest_ctx.0.as_ptr(),
                &raw mut pkey_ctx,
                ptr::null(),
                ptr::null_mut(),
                self.pkey.as_ptr(),
            ))?;
            set_context(pkey_ctx, context)?;
            checked(sys::EVP_DigestVerify(
                digest_ctx.0.as_ptr(),
                signature.as_ptr(),
                signature.len(),
                message.as_ptr(),
                message.len(),
            ))
        }
    }

    /// A hedged signature over a precomputed μ.
    pub(crate) fn sign_mu(&self, mu: &[u8; 64]) -> Result<Vec<u8>, Refused> {
        let ctx = KeyContext::new(self)?;
        let mut signature = vec![0; self.signature_len];
        let mut len = signature.len();
        // SAFETY: the context owns a reference to the key; pointers and lengths describe live slices.
        unsafe {
            checked(sys::EVP_PKEY_sign_init(ctx.0.as_ptr()))?;
            checked(sys::EVP_PKEY_sign(
                ctx.0.as_ptr(),
                signature.as_mut_ptr(),
                &raw mut len,
                mu.as_ptr(),
                mu.len(),
            ))?;
        }
        if len == signature.len() {
            Ok(signature)
        } else {
            Err(Refused)
        }
    }

    /// Whether `signature` is one over the precomputed μ.
    pub(crate) fn verify_mu(&self, mu: &[u8; 64], signature: &[u8]) -> Result<(), Refused> {
        let ctx = KeyContext::new(self)?;
        // SAFETY: as in `sign_mu`.
        unsafe {
            checked(sys::EVP_PKEY_verify_init(ctx.0.as_ptr()))?;
            checked(sys::EVP_PKEY_verify(
                ctx.0.as_ptr(),
                signature.as_ptr(),
                signature.len(),
                mu.as_ptr(),
                mu.len(),
            ))
        }
    }
}

/// Sets the context string of the operation under way, which no call is needed for when it is empty.
///
/// # Safety
/// `ctx` must be a live context initialised for signing or verifying.
unsafe fn set_context(ctx: *mut sys::EVP_PKEY_CTX, context: MlDsaContext<'_>) -> Result<(), Refused> {
    let bytes = context.as_bytes();
    if bytes.is_empty() {
        return Ok(());
    }
    // SAFETY: `ctx` is live by this function's contract; the bytes are copied.
    checked(unsafe { sys::EVP_PKEY_CTX_set1_signature_context_string(ctx, bytes.as_ptr(), bytes.len()) })
}

/// An owned `EVP_MD_CTX`.
struct DigestContext(NonNull<sys::EVP_MD_CTX>);

impl DigestContext {
    fn new() -> Result<Self, Refused> {
        // SAFETY: allocates; a null result is handled.
        NonNull::new(unsafe { sys::EVP_MD_CTX_new() })
            .map(Self)
            .ok_or(Refused)
    }
}

impl Drop for DigestContext {
    fn drop(&mut self) {
        // SAFETY: ours alone, made by `EVP_MD_CTX_new`.
        unsafe { sys::EVP_MD_CTX_free(self.0.as_ptr()) }
    }
}

/// An owned `EVP_PKEY_CTX` over a key.
struct KeyContext(NonNull<sys::EVP_PKEY_CTX>);

impl KeyContext {
    fn new(key: &MlDsaKey) -> Result<Self, Refused> {
        // SAFETY: the key is live, and the context takes a reference of its own to it.
        NonNull::new(unsafe { sys::EVP_PKEY_CTX_new(key.pkey.as_ptr(), ptr::null_mut()) })
            .map(Self)
            .ok_or(Refused)
    }
}

impl Drop for KeyContext {
    fn drop(&mut self) {
        // SAFETY: ours alone, made by `EVP_PKEY_CTX_new`.
        unsafe { sys::EVP_PKEY_CTX_free(self.0.as_ptr()) }
    }
}

/// An owned `EVP_PKEY` for the length of one call.
struct AnyKey(NonNull<sys::EVP_PKEY>);

impl AnyKey {
    fn own(pkey: *mut sys::EVP_PKEY) -> Result<Self, Refused> {
        NonNull::new(pkey).map(Self).ok_or_else(refused)
    }

    /// The private key of a PKCS#8 document.
    fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, Refused> {
        let mut input = bytes_of(pkcs8);
        // SAFETY: `input` describes one live slice, of which the function copies what it keeps.
        Self::own(unsafe { sys::EVP_parse_private_key(&raw mut input) })
    }

    /// The RSA key of a PKCS#1 `RSAPublicKey`.
    fn from_rsa_public(pkcs1: &[u8]) -> Result<Self, Refused> {
        // SAFETY: pointer and length describe one live slice, which the function copies. A null result is handled, and
        // the key takes over the reference when the assignment succeeds.
        unsafe {
            let rsa = sys::RSA_public_key_from_bytes(pkcs1.as_ptr(), pkcs1.len());
            if rsa.is_null() {
                return Err(refused());
            }
            let key = match Self::own(sys::EVP_PKEY_new()) {
                Ok(key) => key,
                Err(refused) => {
                    sys::RSA_free(rsa);
                    return Err(refused);
                }
            };
            match checked(sys::EVP_PKEY_assign_RSA(key.0.as_ptr(), rsa)) {
                Ok(()) => Ok(key),
                Err(refused) => {
                    sys::RSA_free(rsa);
                    Err(refused)
                }
            }
        }
    }
}

impl Drop for AnyKey {
    fn drop(&mut self) {
        // SAFETY: ours alone, as `own` was given it.
        unsafe { sys::EVP_PKEY_free(self.0.as_ptr()) }
    }
}

fn bytes_of(slice: &[u8]) -> sys::CBS {
    sys::CBS {
        data: slice.as_ptr(),
        len: slice.len(),
    }
}

/// A signature with SHA-256 over `message` by the private key of a PKCS#8 document, whatever its curve.
pub(crate) fn sign_with_sha256(pkcs8: &[u8], message: &[u8]) -> Result<Vec<u8>, Refused> {
    /// The longest of a curve that there is: DER of two numbers of 66 bytes.
    const ROOM: usize = 160;
    let key = AnyKey::from_pkcs8(pkcs8)?;
    let digest_ctx = DigestContext::new()?;
    let mut signature = vec![0; ROOM];
    let mut len = signature.len();
    // SAFETY: context and key live to the end of this function; pointers and lengths describe live slices, and the
    // function checks that there is room before it writes.
    unsafe {
        checked(sys::EVP_DigestSignInit(
            digest_ctx.0.as_ptr(),
            ptr::null_mut(),
            sys::EVP_sha256(),
            ptr::null_mut(),
            key.0.as_ptr(),
        ))?;
        checked(sys::EVP_DigestSign(
            digest_ctx.0.as_ptr(),
            signature.as_mut_ptr(),
            &raw mut len,
            message.as_ptr(),
            message.len(),
        ))?;
    }
    signature.truncate(len);
    Ok(signature)
}

/// Whether `signature` is RSASSA-PSS over `message` with SHA-256, MGF1 with SHA-256, and a salt of any length.
pub(crate) fn verify_pss_sha256_any_salt(
    pkcs1: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), Refused> {
    let key = AnyKey::from_rsa_public(pkcs1)?;
    let digest_ctx = DigestContext::new()?;
    let mut pkey_ctx = ptr::null_mut();
    // SAFETY: context and key live to the end of this function, `pkey_ctx` belongs to the context; pointers and lengths
    // describe live slices.
    unsafe {
        checked(sys::EVP_DigestVerifyInit(
            digest_ctx.0.as_ptr(),
            &raw mut pkey_ctx,
            sys::EVP_sha256(),
            ptr::null_mut(),
            key.0.as_ptr(),
        ))?;
        checked(sys::EVP_PKEY_CTX_set_rsa_padding(
            pkey_ctx,
            sys::RSA_PKCS1_PSS_PADDING,
        ))?;
        checked(sys::EVP_PKEY_CTX_set_rsa_pss_saltlen(
            pkey_ctx,
            sys::RSA_PSS_SALTLEN_AUTO,
        ))?;
        checked(sys::EVP_DigestVerify(
            digest_ctx.0.as_ptr(),
            signature.as_ptr(),
            signature.len(),
            message.as_ptr(),
            message.len(),
        ))
    }
}
