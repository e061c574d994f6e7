//! What is in an OpenPGP key packet (RFC 9580 §5.5, draft-ietf-openpgp-pqc for the post-quantum algorithms).

use super::asn1;
use super::spki::{self, PublicKey};
use super::wire::{self, Wire};
use crate::algorithm::curve;
use crate::inventory::Protection;

/// A key packet, taken apart.
pub(super) struct Material<'a> {
    pub(super) algorithm: String,
    pub(super) bits: Option<u32>,
    /// The public keys in it: two for a composite, none where there is no SubjectPublicKeyInfo for the algorithm.
    pub(super) keys: Vec<PublicKey>,
    /// The public part as it stands.
    pub(super) public: &'a [u8],
    /// How the secret part is kept, if there is one.
    pub(super) protection: Option<Protection>,
}

impl<'a> Material<'a> {
    pub(super) fn read(body: &'a [u8], secret: bool) -> Option<Self> {
        let mut wire = Wire::new(body);
        let version = *wire.take(1)?.first()?;
        wire.take(4)?; // when it was made
        if matches!(version, 2 | 3) {
            wire.take(2)?; // days of validity
        }
        let algorithm = *wire.take(1)?.first()?;
        if version >= 5 {
            wire.u32()?; // length of the key material
        }
        if !(2..=6).contains(&version) {
            return None;
        }
        let start = wire;
        let mut read = Self::public(algorithm, &mut wire)?;
        let len = start.len() - wire.len();
        read.public = start.clone().take(len)?;
        if secret {
            read.protection = Some(protection(version, &mut wire)?);
        }
        Some(read)
    }

    fn public(algorithm: u8, wire: &mut Wire<'a>) -> Option<Self> {
        let named = |name: &str, keys: Vec<PublicKey>, bits: Option<usize>| Self {
            algorithm: name.to_owned(),
            bits: bits.and_then(|bits| u32::try_from(bits).ok()),
            keys,
            public: &[],
            protection: None,
        };
        let of = |key: PublicKey| Self {
            algorithm: key.algorithm.name.clone(),
            bits: key.bits,
            keys: vec![key],
            public: &[],
            protection: None,
        };
        Some(match algorithm {
            1..=3 => {
                let modulus = mpi(wire)?;
                of(spki::of_rsa(modulus, mpi(wire)?)?)
            }
            16 => {
                let prime = mpi(wire)?;
                mpi(wire)?;
                mpi(wire)?;
                let bits = wire::bits(prime);
                named(&format!("ElGamal-{bits}"), Vec::new(), Some(bits))
            }
            17 => {
                let (p, q, g) = (mpi(wire)?, mpi(wire)?, mpi(wire)?);
                of(spki::of_dsa(p, q, g, mpi(wire)?)?)
            }
            18 | 19 | 22 => {
                let oid = curve_oid(wire)?;
                let point = mpi(wire)?;
                if algorithm == 18 {
                    let len = *wire.take(1)?.first()?;
                    wire.take(usize::from(len))?; // derivation parameters
                }
                let raw = point.strip_prefix(&[0x40]).unwrap_or(point);
                match oid.as_str() {
                    "1.3.6.1.4.1.3029.1.5.1" => of(spki::of_raw("1.3.101.110", raw)?),
                    "1.3.6.1.4.1.11591.15.1" => of(spki::of_raw("1.3.101.112", raw)?),
                    _ => {
                        let key = spki::of_ec(&oid, point);
                        let family = if algorithm == 18 { "ECDH" } else { "ECDSA" };
                        let curve = curve::by_oid(&oid).map_or(oid.as_str(), |curve| curve.name);
                        named(&format!("{family}-{curve}"), key.into_iter().collect(), None)
                    }
                }
            }
            25 => of(spki::of_raw("1.3.101.110", wire.take(32)?)?),
            26 => of(spki::of_raw("1.3.101.111", wire.take(56)?)?),
            27 => of(spki::of_raw("1.3.101.112", wire.take(32)?)?),
            28 => of(spki::of_raw("1.3.101.113", wire.take(57)?)?),
            30..=36 => {
                let mut keys = Vec::new();
                for (oid, len) in parts(algorithm) {
                    keys.push(spki::of_raw(oid, wire.take(*len)?)?);
                }
                let names: Vec<&str> = keys.iter().rev().map(|key| key.algorithm.name.as_str()).collect();
                let name = names.join("+");
                named(&name, keys, None)
            }
            _ => return None,
        })
    }
}

/// The raw keys of a post-quantum algorithm, in order: OID and length in bytes.
fn parts(algorithm: u8) -> &'static [(&'static str, usize)] {
    match algorithm {
        30 => &[("1.3.101.112", 32), ("2.16.840.1.101.3.4.3.18", 1952)],
        31 => &[("1.3.101.113", 57), ("2.16.840.1.101.3.4.3.19", 2592)],
        32 => &[("2.16.840.1.101.3.4.3.26", 32)],
        33 => &[("2.16.840.1.101.3.4.3.27", 32)],
        34 => &[("2.16.840.1.101.3.4.3.30", 64)],
        35 => &[("1.3.101.110", 32), ("2.16.840.1.101.3.4.4.2", 1184)],
        36 => &[("1.3.101.111", 56), ("2.16.840.1.101.3.4.4.3", 1568)],
        _ => &[],
    }
}

/// A multiprecision integer: two bytes of length in bits.
fn mpi<'a>(wire: &mut Wire<'a>) -> Option<&'a [u8]> {
    let bits = u16::from_be_bytes(wire.take(2)?.try_into().ok()?);
    wire.take(usize::from(bits).div_ceil(8))
}

fn curve_oid(wire: &mut Wire<'_>) -> Option<String> {
    let len = usize::from(*wire.take(1)?.first()?);
    asn1::dotted(wire.take(len)?)
}

/// RFC 9580 §3.7.2 and §5.5.3: how the secret part is protected.
fn protection(version: u8, wire: &mut Wire<'_>) -> Option<Protection> {
    let usage = *wire.take(1)?.first()?;
    if usage == 0 {
        return Some(Protection::None);
    }
    if version >= 5 {
        wire.take(1)?; // how many bytes of parameters
    }
    // Anything below 253 is the cipher itself, with a plain MD5 of the passphrase.
    if usage < 253 {
        return Some(Protection::Encrypted {
            kdf: Some("OpenPGP-S2K-MD5".to_owned()),
            rounds: None,
            cipher: cipher(usage).map(str::to_owned),
        });
    }
    let encrypted_with = cipher(*wire.take(1)?.first()?);
    if usage == 253 {
        wire.take(1)?; // AEAD
    }
    if version >= 6 {
        wire.take(1)?; // length of the specifier
    }
    let kind = *wire.take(1)?.first()?;
    let (kdf, rounds) = match kind {
        0 | 1 | 3 => {
            let hash = hash(*wire.take(1)?.first()?).unwrap_or("unknown");
            let count = (kind == 3)
                .then(|| wire.take(9))
                .flatten()
                .and_then(|rest| rest.last().copied());
            let count = count.map(|count| (16 + u64::from(count & 15)) << ((count >> 4) + 6));
            (format!("OpenPGP-S2K-{hash}"), count)
        }
        4 => {
            let parameters = wire.take(19)?;
            ("Argon2id".to_owned(), parameters.get(16).copied().map(u64::from))
        }
        // GnuPG's own: the secret part is not here, or is on a card.
        101 => {
            let device = "smart card, or kept elsewhere".to_owned();
            return Some(Protection::Hardware { device });
        }
        _ => ("OpenPGP-S2K".to_owned(), None),
    };
    Some(Protection::Encrypted {
        kdf: Some(kdf),
        rounds,
        cipher: encrypted_with.map(str::to_owned),
    })
}

/// Symmetric ciphers, RFC 9580 §9.3. They are used in CFB mode unless AEAD is.
pub(super) fn cipher(number: u8) -> Option<&'static str> {
    Some(match number {
        1 => "IDEA-CFB",
        2 => "3DES-168-CFB",
        3 => "CAST5-128-CFB",
        4 => "Blowfish-128-CFB",
        7 => "AES-128-CFB",
        8 => "AES-192-CFB",
        9 => "AES-256-CFB",
        10 => "Twofish-256-CFB",
        11 => "CAMELLIA-128-CFB",
        12 => "CAMELLIA-192-CFB",
        13 => "CAMELLIA-256-CFB",
        _ => return None,
    })
}

/// Hashes, RFC 9580 §9.5.
fn hash(number: u8) -> Option<&'static str> {
    Some(match number {
        1 => "MD5",
        2 => "SHA-1",
        3 => "RIPEMD-160",
        8 => "SHA-256",
        9 => "SHA-384",
        10 => "SHA-512",
        11 => "SHA-224",
        12 => "SHA3-256",
        14 => "SHA3-512",
        _ => return None,
    })
}

/// Public key algorithms by number, where no key is at hand to tell its size.
pub(super) fn name(number: u8) -> Option<&'static str> {
    Some(match number {
        1..=3 => "RSA",
        16 => "ElGamal",
        17 => "DSA",
        18 => "ECDH",
        19 => "ECDSA",
        22 => "Ed25519",
        25 => "x25519",
        26 => "x448",
        27 => "Ed25519",
        28 => "Ed448",
        30 => "ML-DSA-65+Ed25519",
        31 => "ML-DSA-87+Ed448",
        32 => "SLH-DSA-SHAKE-128s",
        33 => "SLH-DSA-SHAKE-128f",
        34 => "SLH-DSA-SHAKE-256s",
        35 => "ML-KEM-768+x25519",
        36 => "ML-KEM-1024+x448",
        _ => return None,
    })
}

/// A signature algorithm from the numbers of key algorithm and hash.
pub(super) fn signature(key: u8, digest: u8) -> Option<String> {
    let digest = hash(digest)?;
    Some(match key {
        1 | 3 => format!("RSA-PKCS1-1.5-{digest}"),
        17 => format!("DSA-{digest}"),
        19 => format!("ECDSA-{digest}"),
        other => name(other)?.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algorithm::oid;

    #[test]
    fn every_part_of_a_composite_is_known() {
        for algorithm in 30..=36 {
            assert!(!parts(algorithm).is_empty(), "{algorithm}");
            assert!(
                parts(algorithm)
                    .iter()
                    .all(|(dotted, _)| oid::algorithm(dotted).name != *dotted),
                "{algorithm}"
            );
        }
    }
}
