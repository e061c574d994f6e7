//! What an algorithm is used for, as far as risk and regimes tell uses apart.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::algorithm::{Algorithm, Function, Primitive};

/// What an algorithm is used for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// To agree on keys, or to encrypt to a public key: what is recorded today can be read later.
    KeyEstablishment,
    /// To sign.
    Signature,
    /// To encrypt with a secret key.
    Encryption,
    /// To hash, to authenticate, to derive, to draw randomness.
    Integrity,
}

impl Purpose {
    /// Every purpose, in order.
    pub const ALL: [Self; 4] = [
        Self::KeyEstablishment,
        Self::Signature,
        Self::Encryption,
        Self::Integrity,
    ];

    /// Its name in documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::KeyEstablishment => "key-establishment",
            Self::Signature => "signature",
            Self::Encryption => "encryption",
            Self::Integrity => "integrity",
        }
    }

    /// It for people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::KeyEstablishment => "key establishment",
            Self::Signature => "signature",
            Self::Encryption => "symmetric encryption",
            Self::Integrity => "hashing and integrity",
        }
    }
}

/// What this algorithm is used for: by how it was seen to be used, else by what it is. A key that could do both does
/// both, and what nobody knows might do either.
#[must_use]
pub fn of(algorithm: &Algorithm) -> BTreeSet<Purpose> {
    use Purpose::{Encryption, Integrity, KeyEstablishment, Signature};
    let purposes: &[Purpose] = match algorithm.primitive {
        Primitive::Signature => &[Signature],
        Primitive::Kem | Primitive::KeyAgree => &[KeyEstablishment],
        Primitive::Pke => by_function(algorithm),
        Primitive::Combiner => {
            let part = algorithm
                .parts
                .first()
                .map(|part| Algorithm::named(part).primitive);
            match part {
                Some(Primitive::Signature) => &[Signature],
                Some(Primitive::Kem) => &[KeyEstablishment],
                _ => &[KeyEstablishment, Signature],
            }
        }
        Primitive::Ae | Primitive::BlockCipher | Primitive::StreamCipher | Primitive::KeyWrap => {
            &[Encryption]
        }
        Primitive::Hash | Primitive::Xof | Primitive::Mac | Primitive::Kdf | Primitive::Drbg => &[Integrity],
        Primitive::Other | Primitive::Unknown => match algorithm.quantum {
            crate::algorithm::Quantum::Symmetric => &[Encryption],
            _ => &[KeyEstablishment, Signature],
        },
    };
    purposes.iter().copied().collect()
}

fn by_function(algorithm: &Algorithm) -> &'static [Purpose] {
    use Purpose::{KeyEstablishment, Signature};
    if algorithm.padding.as_deref() == Some("oaep") || algorithm.name.starts_with("RSAES") {
        return &[KeyEstablishment];
    }
    let signs = [Function::Sign, Function::Verify];
    let hides = [
        Function::Encrypt,
        Function::Decrypt,
        Function::Encapsulate,
        Function::Decapsulate,
        Function::Keyderive,
    ];
    let has = |wanted: &[Function]| {
        wanted
            .iter()
            .any(|function| algorithm.functions.contains(function))
    };
    // Making a key says nothing of what it is for.
    let vague = [
        Function::Keygen,
        Function::Generate,
        Function::Other,
        Function::Unknown,
    ];
    if has(&vague) || algorithm.functions.is_empty() {
        return &[KeyEstablishment, Signature];
    }
    match (has(&hides), has(&signs)) {
        (true, false) => &[KeyEstablishment],
        (false, true) => &[Signature],
        _ => &[KeyEstablishment, Signature],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn purposes(name: &str) -> Vec<&'static str> {
        of(&Algorithm::named(name))
            .into_iter()
            .map(Purpose::name)
            .collect()
    }

    #[test]
    fn names_say_what_they_are_for() {
        assert_eq!(purposes("X25519MLKEM768"), ["key-establishment"]);
        assert_eq!(purposes("MLDSA65-ECDSA-P256-SHA512"), ["signature"]);
        assert_eq!(purposes("RSA-OAEP-SHA-256"), ["key-establishment"]);
        assert_eq!(purposes("RSAES-PKCS1"), ["key-establishment"]);
        assert_eq!(purposes("AES-256-GCM"), ["encryption"]);
        assert_eq!(purposes("HMAC-SHA-256"), ["integrity"]);
    }

    #[test]
    fn who_may_do_both_does_both() {
        assert_eq!(purposes("RSA-2048"), ["key-establishment", "signature"]);
        assert_eq!(purposes("nobody-knows-this"), ["key-establishment", "signature"]);
        let signing = Algorithm::named("RSA-2048").used_to(&[Function::Sign]);
        assert_eq!(of(&signing), BTreeSet::from([Purpose::Signature]));
        let made = Algorithm::named("RSA-2048").used_to(&[Function::Keygen, Function::Sign]);
        assert_eq!(of(&made).len(), 2);
    }
}
