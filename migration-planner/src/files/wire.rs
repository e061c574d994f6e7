//! The binary notation of SSH (RFC 4251 §5): numbers and strings with four bytes of length.

use super::asn1;
use super::spki::{self, PublicKey};

/// A reader that never goes beyond its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wire<'a> {
    rest: &'a [u8],
}

impl<'a> Wire<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// How many bytes are left.
    pub(crate) fn len(&self) -> usize {
        self.rest.len()
    }

    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        Some(u64::from_be_bytes(self.take(8)?.try_into().ok()?))
    }

    pub(crate) fn string(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.u32()?).ok()?;
        self.take(length)
    }

    pub(crate) fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.string()?).ok()
    }

    /// The fields of a public key of this type, without the type itself.
    pub(crate) fn key(&mut self, kind: &str) -> Option<PublicKey> {
        match kind {
            "ssh-rsa" => {
                let exponent = self.string()?;
                spki::of_rsa(self.string()?, exponent)
            }
            "ssh-dss" => {
                let (p, q, g) = (self.string()?, self.string()?, self.string()?);
                spki::of_dsa(p, q, g, self.string()?)
            }
            "ssh-ed25519" | "sk-ssh-ed25519@openssh.com" => spki::of_raw("1.3.101.112", self.string()?),
            "ssh-ed448" => spki::of_raw("1.3.101.113", self.string()?),
            "ssh-mldsa-44" | "ssh-mldsa44" => spki::of_raw("2.16.840.1.101.3.4.3.17", self.string()?),
            "ssh-mldsa-65" | "ssh-mldsa65" => spki::of_raw("2.16.840.1.101.3.4.3.18", self.string()?),
            "ssh-mldsa-87" | "ssh-mldsa87" => spki::of_raw("2.16.840.1.101.3.4.3.19", self.string()?),
            _ if kind.starts_with("ecdsa-sha2-") || kind.starts_with("sk-ecdsa-sha2-") => {
                let curve = self.text()?;
                spki::of_ec(curve, self.string()?)
            }
            _ => None,
        }
    }
}

/// A public key in SSH's notation: its type, and the key if the type is known.
pub(crate) fn public_key(blob: &[u8]) -> Option<(&str, Option<PublicKey>)> {
    let mut wire = Wire::new(blob);
    let kind = wire.text()?;
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-@._".contains(&byte);
    if kind.is_empty() || kind.len() > 64 || !kind.bytes().all(good) {
        return None;
    }
    Some((kind, wire.key(kind)))
}

/// Size of a big-endian number, for keys that have no SubjectPublicKeyInfo.
pub(crate) fn bits(number: &[u8]) -> usize {
    asn1::bit_len(number)
}
