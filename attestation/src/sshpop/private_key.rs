//! The private key of a host, as it lies in a file.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use symbolon_crypto::rsa::RsaPublicKey;
use symbolon_crypto::{Component, HeldKey as _, MlDsaContext, SoftwareKey};
use symbolon_pki::encode::element;
use symbolon_pki::pem;
use zeroize::Zeroizing;

use super::key::{Key, component};
use super::message::Signature;
use super::wire::{Reader, put_integer};
use crate::bytes::Bytes;
use crate::ecdsa;

/// What a file of OpenSSH's begins with.
const MAGIC: &[u8] = b"openssh-key-v1\0";

/// A host's private key.
pub struct HostKey(Held);

enum Held {
    Rsa(RsaKeyPair),
    Curve { key: SoftwareKey, format: &'static str },
}

impl HostKey {
    /// Reads the one private key in PEM: OpenSSH's own form without a passphrase, or PKCS#1 for RSA, which OpenSSH wrote
    /// before.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn from_pem(text: &[u8]) -> Result<Self, String> {
        let blocks = pem::blocks(text).map_err(|error| error.to_string())?;
        let mut keys = Vec::new();
        for block in blocks {
            let block = block.map_err(|error| error.to_string())?;
            match block.label.as_str() {
                "OPENSSH PRIVATE KEY" => keys.push(Self::read(&block.der)?),
                "RSA PRIVATE KEY" => keys.push(rsa(&block.der)?),
                _ => {}
            }
        }
        match keys.len() {
            1 => keys.pop().ok_or_else(String::new),
            0 => Err("there is no private key in it, in OpenSSH's form".to_owned()),
            more => Err(format!("there are {more} private keys in it, and one is wanted")),
        }
    }

    fn read(der: &[u8]) -> Result<Self, String> {
        let broken = || "the key cannot be read: it is not as OpenSSH writes it".to_owned();
        let mut file = Reader(der.strip_prefix(MAGIC).ok_or_else(broken)?);
        let cipher = file.text().ok_or_else(broken)?;
        if cipher != "none" {
            return Err("the key has a passphrase, and host keys have none".to_owned());
        }
        let mut inner = || {
            let (_kdf, _options) = (file.string()?, file.string()?);
            let count = file.number()?;
            let _public = file.string()?;
            let inner = file.string()?;
            (count == 1 && file.is_empty()).then_some(Reader(inner))
        };
        let mut inner = inner().ok_or_else(broken)?;
        match (inner.number(), inner.number()) {
            (Some(one), Some(other)) if one == other => {}
            _ => return Err(broken()),
        }
        match inner.text() {
            Some("ssh-rsa") => {
                let numbers = rsa_numbers(&mut inner).ok_or_else(broken)?;
                rsa(&numbers)
            }
            Some(name) => curve(name, &mut inner),
            None => Err(broken()),
        }
    }

    /// Its public half.
    pub(super) fn public(&self) -> Option<Key> {
        match &self.0 {
            Held::Rsa(pair) => RsaPublicKey::parse(pair.public_key().as_ref()).ok().map(Key::Rsa),
            Held::Curve { key, .. } => Some(Key::Curve(key.public_key().clone())),
        }
    }

    /// Signs as SSH does.
    pub(super) fn sign(&self, message: &[u8]) -> Result<Signature, String> {
        let (format, blob) = match &self.0 {
            Held::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
                    .map_err(|_| "the RSA key does not sign".to_owned())?;
                ("rsa-sha2-256", signature)
            }
            Held::Curve { key, format } => {
                let signature = key.sign(message, MlDsaContext::EMPTY);
                let signature = signature.map_err(|error| error.to_string())?;
                let blob = match key.component() {
                    Component::Ed25519 => signature,
                    _ => {
                        let (r, s) = ecdsa::numbers(&signature).ok_or("the key made no signature")?;
                        let mut blob = Vec::new();
                        put_integer(&mut blob, r);
                        put_integer(&mut blob, s);
                        blob
                    }
                };
                (*format, blob)
            }
        };
        Ok(Signature {
            format: format.to_owned(),
            blob: Bytes(blob),
            rest: None,
        })
    }
}

fn curve(name: &str, inner: &mut Reader<'_>) -> Result<HostKey, String> {
    let component = component(name)
        .ok_or_else(|| "host keys here are Ed25519, ECDSA on NIST's curves, or RSA".to_owned())?;
    let (private, format) = match component {
        Component::Ed25519 => {
            let both = inner.string().and_then(|_| inner.string());
            (
                both.and_then(|both| both.get(..32)).map(<[u8]>::to_vec),
                "ssh-ed25519",
            )
        }
        other => {
            let number = inner
                .string()
                .and_then(|_| inner.string())
                .and_then(|_| inner.integer());
            let len = other.private_key_len();
            let padded = number.and_then(|number| {
                let missing = len.checked_sub(number.len())?;
                Some([&vec![0; missing][..], number].concat())
            });
            let format = match other {
                Component::EcdsaP256Sha256 => "ecdsa-sha2-nistp256",
                Component::EcdsaP384Sha384 => "ecdsa-sha2-nistp384",
                _ => "ecdsa-sha2-nistp521",
            };
            (padded, format)
        }
    };
    let private = Zeroizing::new(private.ok_or("the key cannot be read: its numbers are missing")?);
    let key = SoftwareKey::from_raw(component, &private).map_err(|error| error.to_string())?;
    Ok(HostKey(Held::Curve { key, format }))
}

fn rsa(pkcs1: &[u8]) -> Result<HostKey, String> {
    let pair = RsaKeyPair::from_der(pkcs1).map_err(|error| format!("the RSA key is refused: {error}"))?;
    Ok(HostKey(Held::Rsa(pair)))
}

/// An RSA key of OpenSSH's, as PKCS#1: with the two exponents that OpenSSH leaves out.
fn rsa_numbers(inner: &mut Reader<'_>) -> Option<Zeroizing<Vec<u8>>> {
    let (n, e, d) = (inner.integer()?, inner.integer()?, inner.integer()?);
    let (coefficient, p, q) = (inner.integer()?, inner.integer()?, inner.integer()?);
    // The bounds keep the division short.
    if [n, e, d, p, q]
        .iter()
        .any(|number| number.is_empty() || number.len() > 1024)
    {
        return None;
    }
    let (first, second) = (remainder(d, &less_one(p)?)?, remainder(d, &less_one(q)?)?);
    let mut content = Zeroizing::new(Vec::new());
    for number in [&[0][..], n, e, d, p, q, &first, &second, coefficient] {
        let start = number.iter().position(|byte| *byte != 0).unwrap_or(number.len());
        let number = number.get(start..).unwrap_or_default();
        let mut whole = Zeroizing::new(Vec::with_capacity(number.len() + 1));
        if number.first().is_none_or(|first| first & 0x80 != 0) {
            whole.push(0);
        }
        whole.extend_from_slice(number);
        element(&mut content, 0x02, &whole);
    }
    let mut document = Zeroizing::new(Vec::new());
    element(&mut document, 0x30, &content);
    Some(document)
}

/// A prime less one: primes are odd.
fn less_one(prime: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut number = Zeroizing::new(prime.to_vec());
    let last = number.last_mut().filter(|last| **last & 1 == 1)?;
    *last ^= 1;
    Some(number)
}

/// What is left of `number` after division, bit by bit. Takes as long as the numbers are.
fn remainder(number: &[u8], divisor: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    if divisor.iter().all(|byte| *byte == 0) {
        return None;
    }
    // One byte more than the divisor, for the bit that is shifted out of it.
    let divisor = Zeroizing::new([&[0], divisor].concat());
    let mut rest = Zeroizing::new(vec![0_u8; divisor.len()]);
    for byte in number {
        for bit in (0..8).rev() {
            let mut carry = (byte >> bit) & 1;
            for place in rest.iter_mut().rev() {
                let next = *place >> 7;
                *place = (*place << 1) | carry;
                carry = next;
            }
            if rest.as_slice() >= divisor.as_slice() {
                let mut borrow = false;
                for (place, less) in rest.iter_mut().zip(divisor.iter()).rev() {
                    let (once, first) = place.overflowing_sub(*less);
                    let (twice, second) = once.overflowing_sub(borrow.into());
                    borrow = first || second;
                    *place = twice;
                }
            }
        }
    }
    Some(rest)
}

impl fmt::Debug for HostKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Held::Rsa(_) => f.write_str("HostKey(rsa, secret)"),
            Held::Curve { format, .. } => write!(f, "HostKey({format}, secret)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn division_leaves_what_it_should() {
        let of = |number: u64, divisor: u64| {
            let rest = remainder(&number.to_be_bytes(), &divisor.to_be_bytes()).unwrap();
            u64::from_be_bytes(rest[rest.len() - 8..].try_into().unwrap())
        };
        for (number, divisor) in [
            (0, 1),
            (17, 5),
            (u64::MAX, 255),
            (u64::MAX, u64::MAX - 1),
            (0x1234_5678_9abc_def0, 0xffff_ffff),
            (7, 1 << 63),
        ] {
            assert_eq!(of(number, divisor), number % divisor, "{number} % {divisor}");
        }
        assert!(remainder(&[1], &[0]).is_none());
    }
}
