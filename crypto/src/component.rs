//! The components: which key types exist, with which signature scheme, and how long their bytes are.

use std::fmt;
use std::str::FromStr;

/// One key type together with the one signature scheme it is used with.
///
/// Lengths are those of the raw encodings this crate uses everywhere: X9.62 uncompressed points and big-endian
/// scalars for ECDSA (SEC 1), RFC 8032 strings for Ed25519 and Ed448, FIPS 204 public keys and 32-byte seeds for
/// ML-DSA, the four parts of a key one after another for SLH-DSA (FIPS 205, figures 15 and 16). RSA has no raw
/// encoding but its DER (`RSAPublicKey` and `RSAPrivateKey`, RFC 8017, appendix A.1).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Component {
    /// ECDSA on P-256 with SHA-256 (FIPS 186-5).
    EcdsaP256Sha256,
    /// ECDSA on P-384 with SHA-384 (FIPS 186-5).
    EcdsaP384Sha384,
    /// Ed25519 (RFC 8032).
    Ed25519,
    /// ML-DSA-44 (FIPS 204), security category 2.
    MlDsa44,
    /// ML-DSA-65 (FIPS 204), security category 3.
    MlDsa65,
    /// ML-DSA-87 (FIPS 204), security category 5.
    MlDsa87,
    /// ECDSA on P-521 with SHA-512 (FIPS 186-5).
    EcdsaP521Sha512,
    /// ECDSA on brainpoolP256r1 (RFC 5639) with SHA-256.
    EcdsaBrainpoolP256r1Sha256,
    /// ECDSA on brainpoolP384r1 (RFC 5639) with SHA-384.
    EcdsaBrainpoolP384r1Sha384,
    /// Ed448 (RFC 8032), without a context.
    Ed448,
    /// RSA-2048, RSASSA-PSS with SHA-256, MGF1 with SHA-256 and a 32-byte salt (RFC 8017, section 8.1).
    Rsa2048PssSha256,
    /// RSA-2048, RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017, section 8.2).
    Rsa2048Pkcs1Sha256,
    /// RSA-3072, RSASSA-PSS with SHA-256, MGF1 with SHA-256 and a 32-byte salt.
    Rsa3072PssSha256,
    /// RSA-3072, RSASSA-PKCS1-v1_5 with SHA-256.
    Rsa3072Pkcs1Sha256,
    /// RSA-4096, RSASSA-PSS with SHA-384, MGF1 with SHA-384 and a 48-byte salt.
    Rsa4096PssSha384,
    /// RSA-4096, RSASSA-PKCS1-v1_5 with SHA-384.
    Rsa4096Pkcs1Sha384,
    /// SLH-DSA-SHA2-128s (FIPS 205), security category 1: small signatures.
    SlhDsaSha2_128s,
    /// SLH-DSA-SHA2-128f (FIPS 205), security category 1: fast signatures.
    SlhDsaSha2_128f,
    /// SLH-DSA-SHA2-192s (FIPS 205), security category 3: small signatures.
    SlhDsaSha2_192s,
    /// SLH-DSA-SHA2-192f (FIPS 205), security category 3: fast signatures.
    SlhDsaSha2_192f,
    /// SLH-DSA-SHA2-256s (FIPS 205), security category 5: small signatures.
    SlhDsaSha2_256s,
    /// SLH-DSA-SHA2-256f (FIPS 205), security category 5: fast signatures.
    SlhDsaSha2_256f,
    /// SLH-DSA-SHAKE-128s (FIPS 205), security category 1: small signatures.
    SlhDsaShake128s,
    /// SLH-DSA-SHAKE-128f (FIPS 205), security category 1: fast signatures.
    SlhDsaShake128f,
    /// SLH-DSA-SHAKE-192s (FIPS 205), security category 3: small signatures.
    SlhDsaShake192s,
    /// SLH-DSA-SHAKE-192f (FIPS 205), security category 3: fast signatures.
    SlhDsaShake192f,
    /// SLH-DSA-SHAKE-256s (FIPS 205), security category 5: small signatures.
    SlhDsaShake256s,
    /// SLH-DSA-SHAKE-256f (FIPS 205), security category 5: fast signatures.
    SlhDsaShake256f,
}

/// What kind of mathematics a component is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Ecdsa,
    EdDsa,
    Rsa,
    MlDsa,
    SlhDsa,
}

/// One row of the table of components. Lengths are in bytes.
struct Facts {
    name: &'static str,
    kind: Kind,
    public_key: usize,
    private_key: usize,
    signature: usize,
}

const fn facts(
    kind: Kind,
    name: &'static str,
    public_key: usize,
    private_key: usize,
    signature: usize,
) -> Facts {
    Facts {
        name,
        kind,
        public_key,
        private_key,
        signature,
    }
}

impl Component {
    /// The components of what is offered without being asked for by name: those of the hot path, all of them aws-lc's.
    pub const DEFAULTS: [Self; 6] = [
        Self::EcdsaP256Sha256,
        Self::EcdsaP384Sha384,
        Self::Ed25519,
        Self::MlDsa44,
        Self::MlDsa65,
        Self::MlDsa87,
    ];

    /// Every component, in the order in which tables list them.
    pub const ALL: [Self; 28] = [
        Self::EcdsaP256Sha256,
        Self::EcdsaP384Sha384,
        Self::Ed25519,
        Self::MlDsa44,
        Self::MlDsa65,
        Self::MlDsa87,
        Self::EcdsaP521Sha512,
        Self::EcdsaBrainpoolP256r1Sha256,
        Self::EcdsaBrainpoolP384r1Sha384,
        Self::Ed448,
        Self::Rsa2048PssSha256,
        Self::Rsa2048Pkcs1Sha256,
        Self::Rsa3072PssSha256,
        Self::Rsa3072Pkcs1Sha256,
        Self::Rsa4096PssSha384,
        Self::Rsa4096Pkcs1Sha384,
        Self::SlhDsaSha2_128s,
        Self::SlhDsaSha2_128f,
        Self::SlhDsaSha2_192s,
        Self::SlhDsaSha2_192f,
        Self::SlhDsaSha2_256s,
        Self::SlhDsaSha2_256f,
        Self::SlhDsaShake128s,
        Self::SlhDsaShake128f,
        Self::SlhDsaShake192s,
        Self::SlhDsaShake192f,
        Self::SlhDsaShake256s,
        Self::SlhDsaShake256f,
    ];

    #[rustfmt::skip]
    const fn facts(self) -> Facts {
        use Kind::{Ecdsa, EdDsa, MlDsa, Rsa, SlhDsa};
        match self {
            Self::EcdsaP256Sha256 => facts(Ecdsa, "ecdsa-p256-sha256", 65, 32, 72),
            Self::EcdsaP384Sha384 => facts(Ecdsa, "ecdsa-p384-sha384", 97, 48, 104),
            Self::Ed25519 => facts(EdDsa, "ed25519", 32, 32, 64),
            Self::MlDsa44 => facts(MlDsa, "ml-dsa-44", 1312, 32, 2420),
            Self::MlDsa65 => facts(MlDsa, "ml-dsa-65", 1952, 32, 3309),
            Self::MlDsa87 => facts(MlDsa, "ml-dsa-87", 2592, 32, 4627),
            Self::EcdsaP521Sha512 => facts(Ecdsa, "ecdsa-p521-sha512", 133, 66, 139),
            Self::EcdsaBrainpoolP256r1Sha256 => facts(Ecdsa, "ecdsa-brainpoolp256r1-sha256", 65, 32, 72),
            Self::EcdsaBrainpoolP384r1Sha384 => facts(Ecdsa, "ecdsa-brainpoolp384r1-sha384", 97, 48, 104),
            Self::Ed448 => facts(EdDsa, "ed448", 57, 57, 114),
            Self::Rsa2048PssSha256 => facts(Rsa, "rsa-2048-pss-sha256", 270, 1194, 256),
            Self::Rsa2048Pkcs1Sha256 => facts(Rsa, "rsa-2048-pkcs1-sha256", 270, 1194, 256),
            Self::Rsa3072PssSha256 => facts(Rsa, "rsa-3072-pss-sha256", 398, 1770, 384),
            Self::Rsa3072Pkcs1Sha256 => facts(Rsa, "rsa-3072-pkcs1-sha256", 398, 1770, 384),
            Self::Rsa4096PssSha384 => facts(Rsa, "rsa-4096-pss-sha384", 526, 2351, 512),
            Self::Rsa4096Pkcs1Sha384 => facts(Rsa, "rsa-4096-pkcs1-sha384", 526, 2351, 512),
            Self::SlhDsaSha2_128s => facts(SlhDsa, "slh-dsa-sha2-128s", 32, 64, 7856),
            Self::SlhDsaSha2_128f => facts(SlhDsa, "slh-dsa-sha2-128f", 32, 64, 17088),
            Self::SlhDsaSha2_192s => facts(SlhDsa, "slh-dsa-sha2-192s", 48, 96, 16224),
            Self::SlhDsaSha2_192f => facts(SlhDsa, "slh-dsa-sha2-192f", 48, 96, 35664),
            Self::SlhDsaSha2_256s => facts(SlhDsa, "slh-dsa-sha2-256s", 64, 128, 29792),
            Self::SlhDsaSha2_256f => facts(SlhDsa, "slh-dsa-sha2-256f", 64, 128, 49856),
            Self::SlhDsaShake128s => facts(SlhDsa, "slh-dsa-shake-128s", 32, 64, 7856),
            Self::SlhDsaShake128f => facts(SlhDsa, "slh-dsa-shake-128f", 32, 64, 17088),
            Self::SlhDsaShake192s => facts(SlhDsa, "slh-dsa-shake-192s", 48, 96, 16224),
            Self::SlhDsaShake192f => facts(SlhDsa, "slh-dsa-shake-192f", 48, 96, 35664),
            Self::SlhDsaShake256s => facts(SlhDsa, "slh-dsa-shake-256s", 64, 128, 29792),
            Self::SlhDsaShake256f => facts(SlhDsa, "slh-dsa-shake-256f", 64, 128, 49856),
        }
    }

    /// The name used in configuration, key labels and output.
    pub const fn name(self) -> &'static str {
        self.facts().name
    }

    /// Length of a raw public key, in bytes. For RSA that of a key with the usual exponent 65537; others are up to two
    /// bytes longer.
    pub const fn public_key_len(self) -> usize {
        self.facts().public_key
    }

    /// Length of the secret a software key is made from (an ECDSA scalar, an EdDSA or ML-DSA seed, the parts of an
    /// SLH-DSA key), in bytes. For RSA the most it has ([`has_one_length`](Self::has_one_length)).
    pub const fn private_key_len(self) -> usize {
        self.facts().private_key
    }

    /// Whether every key has the lengths that are told here. RSA keys are DER, and their numbers begin with zeros at
    /// times, which are not written.
    pub const fn has_one_length(self) -> bool {
        !self.is_rsa()
    }

    /// Length of the longest signature, in bytes. Only ECDSA signatures vary, being DER.
    pub const fn max_signature_len(self) -> usize {
        self.facts().signature
    }

    /// Whether this is an ML-DSA component, whose signatures resist quantum attack and take a context.
    pub const fn is_ml_dsa(self) -> bool {
        matches!(self.facts().kind, Kind::MlDsa)
    }

    /// Whether this is an SLH-DSA component, whose signatures resist quantum attack and are long and slow to make.
    pub const fn is_slh_dsa(self) -> bool {
        matches!(self.facts().kind, Kind::SlhDsa)
    }

    /// Whether signatures resist quantum attack.
    pub const fn is_post_quantum(self) -> bool {
        self.is_ml_dsa() || self.is_slh_dsa()
    }

    /// Whether this is an RSA component, whose keys are DER.
    pub const fn is_rsa(self) -> bool {
        matches!(self.facts().kind, Kind::Rsa)
    }

    /// Whether this is ECDSA on any curve, whose signatures are DER.
    pub const fn is_ecdsa(self) -> bool {
        matches!(self.facts().kind, Kind::Ecdsa)
    }
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A component name that this build does not know.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("unknown key algorithm {0:?}; known: {known}", known = Component::ALL.map(Component::name).join(", "))]
pub struct UnknownComponent(pub String);

impl FromStr for Component {
    type Err = UnknownComponent;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|c| c.name() == name)
            .ok_or_else(|| UnknownComponent(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back() {
        for component in Component::ALL {
            assert_eq!(component.name().parse(), Ok(component));
        }
    }

    #[test]
    fn an_unknown_name_is_named_in_the_error() {
        let error = "ml-dsa-66".parse::<Component>().unwrap_err().to_string();
        assert!(
            error.contains("ml-dsa-66") && error.contains("ml-dsa-65"),
            "{error}"
        );
    }
}
