//! Algorithms by their identifiers, with the lengths that their standards fix.

/// OID arcs, as content octets.
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1];
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
const ECDSA_SHA1: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1];
const ECDSA_SHA2: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3];
const SAFE_CURVES: &[u8] = &[0x2b, 0x65];
const NIST_SIGNATURES: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 3];
const NIST_KEMS: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 4];
const PKIX_ALGORITHMS: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 6];
/// 2.16.840.1.114027.80, where Entrust kept what earlier drafts of composites used.
const ENTRUST: &[u8] = &[0x60, 0x86, 0x48, 1, 0x86, 0xfa, 0x6b, 0x50];
/// 1.3.9999: Open Quantum Safe's placeholders.
const OPEN_QUANTUM_SAFE: &[u8] = &[0x2b, 0xce, 0x0f];
/// 1.3.6.1.4.1.2.267: IBM's, for Dilithium before it became ML-DSA.
const DILITHIUM: &[u8] = &[0x2b, 6, 1, 4, 1, 2, 0x82, 0x0b];

/// What an identifier stands for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Scheme {
    Rsa,
    RsaPss,
    /// PKCS#1 v1.5 signatures; whether the hash is one that still counts.
    RsaPkcs1 {
        sound: bool,
    },
    /// Keys on some curve.
    Ec,
    /// ECDSA signatures; whether the hash is one that still counts.
    Ecdsa {
        sound: bool,
    },
    EdDsa {
        key: usize,
        signature: usize,
    },
    /// X25519 and X448.
    Montgomery {
        key: usize,
    },
    MlDsa(Lengths),
    HashMlDsa,
    SlhDsa(Lengths),
    MlKem {
        key: usize,
    },
    Composite(Lengths, Traditional),
    OldComposite,
    /// An identifier that its maker alone uses.
    Private(&'static str),
    Unknown,
}

/// The lengths of a key and of a signature, in bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Lengths {
    pub(super) key: usize,
    pub(super) signature: usize,
}

/// The second half of a composite.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Traditional {
    Rsa {
        bits: usize,
    },
    /// Coordinates of this many bytes.
    Ec {
        coordinate: usize,
    },
    Ed {
        key: usize,
        signature: usize,
    },
}

// FIPS 204, table 2.
const ML_DSA_44: Lengths = Lengths {
    key: 1312,
    signature: 2420,
};
const ML_DSA_65: Lengths = Lengths {
    key: 1952,
    signature: 3309,
};
const ML_DSA_87: Lengths = Lengths {
    key: 2592,
    signature: 4627,
};

const ED25519: Traditional = Traditional::Ed {
    key: 32,
    signature: 64,
};
const ED448: Traditional = Traditional::Ed {
    key: 57,
    signature: 114,
};

impl Scheme {
    /// What a key's or a signature's identifier stands for.
    pub(super) fn of(oid: &[u8]) -> Self {
        if oid == EC_PUBLIC_KEY {
            return Self::Ec;
        }
        if oid == ECDSA_SHA1 {
            return Self::Ecdsa { sound: false };
        }
        if oid.starts_with(ENTRUST) {
            return Self::OldComposite;
        }
        if oid.starts_with(OPEN_QUANTUM_SAFE) {
            return Self::Private("of Open Quantum Safe (oqs-provider)");
        }
        if oid.starts_with(DILITHIUM) {
            return Self::Private("of Dilithium, which ML-DSA is not compatible with");
        }
        let Some((&last, arc)) = oid.split_last() else {
            return Self::Unknown;
        };
        match (arc, last) {
            (RSA, 1) => Self::Rsa,
            (RSA, 2..=5) => Self::RsaPkcs1 { sound: false },
            (RSA, 10) => Self::RsaPss,
            (RSA, 11..=14) | (NIST_SIGNATURES, 13..=16) => Self::RsaPkcs1 { sound: true },
            (ECDSA_SHA2, 1..=4) | (NIST_SIGNATURES, 9..=12) => Self::Ecdsa { sound: true },
            (SAFE_CURVES, 110) => Self::Montgomery { key: 32 },
            (SAFE_CURVES, 111) => Self::Montgomery { key: 56 },
            (SAFE_CURVES, 112) => Self::EdDsa {
                key: 32,
                signature: 64,
            },
            (SAFE_CURVES, 113) => Self::EdDsa {
                key: 57,
                signature: 114,
            },
            (NIST_SIGNATURES, 17) => Self::MlDsa(ML_DSA_44),
            (NIST_SIGNATURES, 18) => Self::MlDsa(ML_DSA_65),
            (NIST_SIGNATURES, 19) => Self::MlDsa(ML_DSA_87),
            // The pure ones, and those that hash first.
            (NIST_SIGNATURES, 20..=31) => Self::SlhDsa(slh_dsa(last - 20)),
            (NIST_SIGNATURES, 32..=34) => Self::HashMlDsa,
            (NIST_SIGNATURES, 35..=46) => Self::SlhDsa(slh_dsa(last - 35)),
            (NIST_KEMS, 1) => Self::MlKem { key: 800 },
            (NIST_KEMS, 2) => Self::MlKem { key: 1184 },
            (NIST_KEMS, 3) => Self::MlKem { key: 1568 },
            (PKIX_ALGORITHMS, _) => composite(last),
            _ => Self::Unknown,
        }
    }

    /// Whether a quantum computer does not break it, as far as is known; `None` if it is not known here.
    pub(super) const fn is_post_quantum(self) -> Option<bool> {
        match self {
            Self::Unknown | Self::Private(_) => None,
            Self::MlDsa(_)
            | Self::HashMlDsa
            | Self::SlhDsa(_)
            | Self::MlKem { .. }
            | Self::Composite(..)
            | Self::OldComposite => Some(true),
            _ => Some(false),
        }
    }

    /// Whether it is one of those that only sign by their standards.
    pub(super) const fn only_signs(self) -> bool {
        matches!(
            self,
            Self::EdDsa { .. }
                | Self::MlDsa(_)
                | Self::HashMlDsa
                | Self::SlhDsa(_)
                | Self::Composite(..)
                | Self::OldComposite
        )
    }
}

/// The lengths of the twelve parameter sets, SHA-2 and SHAKE alike (FIPS 205, table 2).
const fn slh_dsa(set: u8) -> Lengths {
    let (key, signature) = match set % 6 {
        0 => (32, 7856),
        1 => (32, 17_088),
        2 => (48, 16_224),
        3 => (48, 35_664),
        4 => (64, 29_792),
        _ => (64, 49_856),
    };
    Lengths { key, signature }
}

/// The composites of draft-ietf-lamps-pq-composite-sigs-19, section 6, by the last arc.
const fn composite(arc: u8) -> Scheme {
    use Traditional::{Ec, Rsa};
    let (ml_dsa, traditional) = match arc {
        37 | 38 => (ML_DSA_44, Rsa { bits: 2048 }),
        39 => (ML_DSA_44, ED25519),
        40 => (ML_DSA_44, Ec { coordinate: 32 }),
        41 | 42 => (ML_DSA_65, Rsa { bits: 3072 }),
        43 | 44 => (ML_DSA_65, Rsa { bits: 4096 }),
        45 | 47 => (ML_DSA_65, Ec { coordinate: 32 }),
        46 => (ML_DSA_65, Ec { coordinate: 48 }),
        48 => (ML_DSA_65, ED25519),
        49 | 50 => (ML_DSA_87, Ec { coordinate: 48 }),
        51 => (ML_DSA_87, ED448),
        52 => (ML_DSA_87, Rsa { bits: 3072 }),
        53 => (ML_DSA_87, Rsa { bits: 4096 }),
        54 => (ML_DSA_87, Ec { coordinate: 66 }),
        _ => return Scheme::Unknown,
    };
    Scheme::Composite(ml_dsa, traditional)
}

/// The length of a coordinate on a named curve, and whether the curve is one to use.
pub(super) fn curve(oid: &[u8]) -> Option<(usize, bool)> {
    Some(match oid {
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7] => (32, true),
        [0x2b, 0x81, 4, 0, 34] => (48, true),
        [0x2b, 0x81, 4, 0, 35] => (66, true),
        [0x2b, 0x24, 3, 3, 2, 8, 1, 1, 7] => (32, true),
        [0x2b, 0x24, 3, 3, 2, 8, 1, 1, 11] => (48, true),
        [0x2b, 0x24, 3, 3, 2, 8, 1, 1, 13] => (64, true),
        // P-224 and secp256k1.
        [0x2b, 0x81, 4, 0, 33] => (28, false),
        [0x2b, 0x81, 4, 0, 10] => (32, false),
        _ => return None,
    })
}

/// The signature algorithm that goes with an EC key, by the length of its coordinates (RFC 5480, section 4).
pub(super) const fn ecdsa_for(coordinate: usize) -> Option<&'static [u8]> {
    match coordinate {
        32 => Some(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2]),
        48 => Some(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3]),
        64 | 66 => Some(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 4]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_composite_has_its_lengths() {
        for arc in 0..=255 {
            let oid = [PKIX_ALGORITHMS, &[arc]].concat();
            let known = matches!(Scheme::of(&oid), Scheme::Composite(..));
            assert_eq!(known, (37..=54).contains(&arc), "{arc}");
        }
    }

    #[test]
    fn what_is_not_standard_is_named() {
        assert_eq!(Scheme::of(&[ENTRUST, &[8, 1, 5]].concat()), Scheme::OldComposite);
        assert!(matches!(
            Scheme::of(&[0x2b, 0xce, 0x0f, 7, 5]),
            Scheme::Private(_)
        ));
        assert!(matches!(
            Scheme::of(&[DILITHIUM, &[7, 6, 5]].concat()),
            Scheme::Private(_)
        ));
        assert_eq!(Scheme::of(&[]), Scheme::Unknown);
    }
}
