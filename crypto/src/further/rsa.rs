//! RSA keys that sign, each with one size, padding and hash.

use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{self, KeyPair as _, RsaEncoding};
use zeroize::Zeroizing;

use super::{Refused, Signing, Verifying};
use crate::rsa::{RsaPublicKey, RsaScheme};
use crate::{Component, KeyError};

/// The smallest exponent that FIPS 186-5 (appendix A.1.1) allows. aws-lc refuses those of more than 33 bits.
const SMALLEST_EXPONENT: u64 = 65_537;

/// What an RSA component fixes.
struct Parameters {
    size: KeySize,
    bits: usize,
    scheme: RsaScheme,
    padding: &'static dyn RsaEncoding,
}

fn parameters(component: Component) -> Option<Parameters> {
    let (size, bits, scheme): (_, _, RsaScheme) = match component {
        Component::Rsa2048PssSha256 => (KeySize::Rsa2048, 2048, RsaScheme::PssSha256),
        Component::Rsa2048Pkcs1Sha256 => (KeySize::Rsa2048, 2048, RsaScheme::Pkcs1Sha256),
        Component::Rsa3072PssSha256 => (KeySize::Rsa3072, 3072, RsaScheme::PssSha256),
        Component::Rsa3072Pkcs1Sha256 => (KeySize::Rsa3072, 3072, RsaScheme::Pkcs1Sha256),
        Component::Rsa4096PssSha384 => (KeySize::Rsa4096, 4096, RsaScheme::PssSha384),
        Component::Rsa4096Pkcs1Sha384 => (KeySize::Rsa4096, 4096, RsaScheme::Pkcs1Sha384),
        _ => return None,
    };
    let padding: &'static dyn RsaEncoding = match scheme {
        RsaScheme::PssSha256 => &signature::RSA_PSS_SHA256,
        RsaScheme::PssSha384 => &signature::RSA_PSS_SHA384,
        RsaScheme::PssSha512 => &signature::RSA_PSS_SHA512,
        RsaScheme::Pkcs1Sha256 => &signature::RSA_PKCS1_SHA256,
        RsaScheme::Pkcs1Sha384 => &signature::RSA_PKCS1_SHA384,
        RsaScheme::Pkcs1Sha512 => &signature::RSA_PKCS1_SHA512,
    };
    Some(Parameters {
        size,
        bits,
        scheme,
        padding,
    })
}

/// Reads an `RSAPublicKey` and checks it against what the component fixes.
fn checked(component: Component, parameters: &Parameters, pkcs1: &[u8]) -> Result<RsaPublicKey, KeyError> {
    let key = RsaPublicKey::parse(pkcs1)?;
    if key.bits() != parameters.bits {
        return Err(KeyError::RsaModulus {
            component,
            bits: key.bits(),
        });
    }
    if key.exponent().is_none_or(|exponent| exponent < SMALLEST_EXPONENT) {
        return Err(KeyError::RsaExponent { component });
    }
    Ok(key)
}

struct Public {
    key: RsaPublicKey,
    scheme: RsaScheme,
}

impl Verifying for Public {
    fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.key.verify(self.scheme, message, signature).is_ok()
    }
}

pub(super) fn public(component: Component, pkcs1: &[u8]) -> Result<Arc<dyn Verifying>, KeyError> {
    let parameters = parameters(component).ok_or(KeyError::RsaInvalid)?;
    Ok(Arc::new(Public {
        key: checked(component, &parameters, pkcs1)?,
        scheme: parameters.scheme,
    }))
}

struct Private {
    pair: KeyPair,
    padding: &'static dyn RsaEncoding,
    pkcs1: Zeroizing<Vec<u8>>,
}

impl Signing for Private {
    fn public(&self) -> Vec<u8> {
        self.pair.public_key().as_ref().to_vec()
    }

    fn raw(&self) -> Zeroizing<Vec<u8>> {
        self.pkcs1.clone()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Refused> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(self.padding, &SystemRandom::new(), message, &mut signature)
            .map_err(|_| Refused)?;
        Ok(signature)
    }
}

pub(super) fn private(component: Component, pkcs1: &[u8]) -> Result<Box<dyn Signing>, KeyError> {
    let invalid = KeyError::Invalid {
        component,
        what: "a private key",
    };
    let parameters = parameters(component).ok_or(invalid)?;
    let pair = KeyPair::from_der(pkcs1).map_err(|_| invalid)?;
    let written = inner(&pair).ok_or(invalid)?;
    // A key has one encoding here, as public keys do.
    if written.as_slice() != pkcs1 {
        return Err(invalid);
    }
    checked(component, &parameters, pair.public_key().as_ref())?;
    Ok(Box::new(Private {
        pair,
        padding: parameters.padding,
        pkcs1: written,
    }))
}

pub(super) fn generate(component: Component) -> Option<Box<dyn Signing>> {
    let parameters = parameters(component)?;
    let pair = KeyPair::generate(parameters.size).ok()?;
    let pkcs1 = inner(&pair)?;
    Some(Box::new(Private {
        pair,
        padding: parameters.padding,
        pkcs1,
    }))
}

/// The `RSAPrivateKey` within the PKCS#8 document that the library writes: behind the document's own header, its
/// version 0, rsaEncryption with NULL, and the header of an OCTET STRING. From 2048 bits on, lengths take two bytes.
fn inner(pair: &KeyPair) -> Option<Zeroizing<Vec<u8>>> {
    const VERSION_AND_ALGORITHM: [u8; 18] = [
        0x02, 0x01, 0x00, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05,
        0x00,
    ];
    let document: Pkcs8V1Der<'_> = pair.as_der().ok()?;
    let rest = document.as_ref().strip_prefix(&[0x30, 0x82])?.get(2..)?;
    let rest = rest.strip_prefix(&VERSION_AND_ALGORITHM)?;
    let (len, key) = rest.strip_prefix(&[0x04, 0x82])?.split_first_chunk::<2>()?;
    (key.len() == usize::from(u16::from_be_bytes(*len))).then(|| Zeroizing::new(key.to_vec()))
}
