//! The vocabulary: what an algorithm is called, and what follows from its name.
//!
//! Two scanners that see the same algorithm must come to the same name, or an inventory counts it twice. Names
//! follow the patterns of the CycloneDX cryptography registry (`AES-256-GCM`, `RSA-PKCS1-1.5-SHA-256`, `ECDSA-P-256`,
//! `ML-DSA-65`, `HMAC-SHA-256`), with four additions of ours: `RSA-2048` is an RSA key whose use is not known,
//! `DSA-2048` a DSA key, `FFDHE-ffdhe2048` a finite-field group, and hybrids and composites keep their
//! standards' names (`X25519MLKEM768`, `MLDSA65-ECDSA-P256-SHA512`). Everything else about an algorithm is
//! derived from its name by [`Algorithm::named`], so that there is one place to be wrong in.

pub mod alias;
pub mod curve;
mod family;
mod hybrid;
mod name;
pub mod oid;
pub mod suite;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// What an algorithm does, in the words of CycloneDX.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Primitive {
    /// Authenticated encryption.
    Ae,
    /// A block cipher, perhaps in a mode.
    BlockCipher,
    /// Several algorithms held together: hybrid key exchange and composite signatures.
    Combiner,
    /// A deterministic random bit generator.
    Drbg,
    /// A hash function.
    Hash,
    /// A key derivation function.
    Kdf,
    /// A key encapsulation mechanism.
    Kem,
    /// Key agreement.
    KeyAgree,
    /// Wrapping of keys (CycloneDX 1.7; `other` in 1.6).
    KeyWrap,
    /// A message authentication code.
    Mac,
    /// None of these.
    Other,
    /// Public key encryption; also a key whose use is not known.
    Pke,
    /// A digital signature.
    Signature,
    /// A stream cipher.
    StreamCipher,
    /// Nobody can tell.
    Unknown,
    /// An extendable output function.
    Xof,
}

/// What an algorithm is used for in a place, in the words of CycloneDX.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Function {
    /// Recovers a shared secret from an encapsulation.
    Decapsulate,
    /// Decrypts.
    Decrypt,
    /// Hashes.
    Digest,
    /// Encapsulates a shared secret.
    Encapsulate,
    /// Encrypts.
    Encrypt,
    /// Draws random bits.
    Generate,
    /// Derives keys, and agrees on them.
    Keyderive,
    /// Generates keys.
    Keygen,
    /// None of these.
    Other,
    /// Signs.
    Sign,
    /// Authenticates a message.
    Tag,
    /// Nobody can tell.
    Unknown,
    /// Verifies.
    Verify,
}

/// How resistant an algorithm is to a quantum computer.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Quantum {
    /// Broken by Shor's algorithm: everything on factoring and discrete logarithms.
    Broken,
    /// Built to withstand it; hybrids with one such half are as well.
    Resistant,
    /// Weakened by Grover's algorithm at most: symmetric algorithms and hashes.
    Symmetric,
    /// Not known, which is never taken for safe.
    Unknown,
}

/// An algorithm and everything that its name says about it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Algorithm {
    /// The canonical name, which is its identity.
    pub name: String,
    /// What it does.
    pub primitive: Primitive,
    /// The family in CycloneDX's registry, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    /// The parameter set: a key length in bits, a level, a digest length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameter_set: Option<String>,
    /// The curve in the registry's notation, such as `nist/P-256`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub curve: Option<String>,
    /// The mode of a block cipher in lower case, such as `gcm`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// The padding: `pkcs1v15`, `oaep`, `pkcs7`, `raw` and so on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub padding: Option<String>,
    /// What it is used for where it was seen.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub functions: BTreeSet<Function>,
    /// Strength against a classical computer, in bits (SP 800-57 part 1, table 2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classical_bits: Option<u32>,
    /// NIST's category of strength against a quantum computer: 0 for none, else 1 to 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantum_level: Option<u8>,
    /// How it fares against a quantum computer.
    pub quantum: Quantum,
    /// Its object identifier, dotted, when it was seen by one or has exactly one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oid: Option<String>,
    /// Canonical names of what it is made of: both halves of a hybrid, the hash of a signature or of a MAC.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<String>,
}

impl Algorithm {
    /// The algorithm of a canonical name. A name that means nothing here is kept as it is, with an unknown
    /// primitive and an unknown strength: it is inventoried all the same.
    #[must_use]
    pub fn named(name: &str) -> Self {
        name::describe(name)
    }

    /// The same with a use added.
    #[must_use]
    pub fn used_to(mut self, functions: &[Function]) -> Self {
        self.functions.extend(functions);
        self
    }

    /// The same, seen by this object identifier.
    #[must_use]
    pub fn with_oid(mut self, oid: impl Into<String>) -> Self {
        self.oid = Some(oid.into());
        self
    }

    /// The family, unless CycloneDX 1.7 got it only after it was published.
    #[must_use]
    pub fn registered_family(&self) -> Option<&str> {
        self.family
            .as_deref()
            .filter(|family| !family::TOO_NEW.contains(family))
    }

    /// Takes over what another sighting of the same algorithm adds.
    pub fn merge(&mut self, other: Self) {
        self.functions.extend(other.functions);
        // The smaller identifier wins, so that the order of sightings does not matter.
        self.oid = match (self.oid.take(), other.oid) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
}

/// An RSA key of `bits` bits, whose use is not known.
#[must_use]
pub fn rsa(bits: Option<usize>) -> Algorithm {
    sized("RSA", bits)
}

/// A DSA key of `bits` bits.
#[must_use]
pub fn dsa(bits: Option<usize>) -> Algorithm {
    sized("DSA", bits)
}

/// `name`, or `name-bits` when the size is known.
#[must_use]
pub fn sized(name: &str, bits: Option<usize>) -> Algorithm {
    match bits {
        Some(bits) => Algorithm::named(&format!("{name}-{bits}")),
        None => Algorithm::named(name),
    }
}
