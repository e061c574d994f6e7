//! Elliptic curves by the many names that they have.

/// A curve: its short name (as canonical algorithm names have it), its name in CycloneDX's registry, its OID (empty
/// for none), and its classical strength in bits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Curve {
    /// The short name, such as `P-256`.
    pub name: &'static str,
    /// The name in CycloneDX's registry, such as `nist/P-256`.
    pub registry: &'static str,
    /// The object identifier, dotted.
    pub oid: &'static str,
    /// Classical strength, in bits.
    pub bits: u32,
    /// Other names, in lower case.
    aliases: &'static [&'static str],
}

const fn row(
    name: &'static str,
    registry: &'static str,
    oid: &'static str,
    bits: u32,
    aliases: &'static [&'static str],
) -> Curve {
    Curve {
        name,
        registry,
        oid,
        bits,
        aliases,
    }
}

#[rustfmt::skip]
const CURVES: &[Curve] = &[
    row("P-192", "nist/P-192", "1.2.840.10045.3.1.1", 96, &["secp192r1", "prime192v1", "nistp192", "p192"]),
    row("P-224", "nist/P-224", "1.3.132.0.33", 112, &["secp224r1", "nistp224", "p224"]),
    row("P-256", "nist/P-256", "1.2.840.10045.3.1.7", 128, &["secp256r1", "prime256v1", "nistp256", "p256"]),
    row("P-384", "nist/P-384", "1.3.132.0.34", 192, &["secp384r1", "nistp384", "p384"]),
    row("P-521", "nist/P-521", "1.3.132.0.35", 256, &["secp521r1", "nistp521", "p521"]),
    row("secp256k1", "secg/secp256k1", "1.3.132.0.10", 128, &["k256"]),
    row("secp112r1", "secg/secp112r1", "1.3.132.0.6", 56, &[]),
    row("secp128r1", "secg/secp128r1", "1.3.132.0.28", 64, &[]),
    row("secp160k1", "secg/secp160k1", "1.3.132.0.9", 80, &[]),
    row("secp160r1", "secg/secp160r1", "1.3.132.0.8", 80, &[]),
    row("secp192k1", "secg/secp192k1", "1.3.132.0.31", 96, &[]),
    row("secp224k1", "secg/secp224k1", "1.3.132.0.32", 112, &[]),
    row("K-163", "nist/K-163", "1.3.132.0.1", 80, &["sect163k1"]),
    row("B-163", "nist/B-163", "1.3.132.0.15", 80, &["sect163r2"]),
    row("K-233", "nist/K-233", "1.3.132.0.26", 112, &["sect233k1"]),
    row("B-233", "nist/B-233", "1.3.132.0.27", 112, &["sect233r1"]),
    row("K-283", "nist/K-283", "1.3.132.0.16", 128, &["sect283k1"]),
    row("B-283", "nist/B-283", "1.3.132.0.17", 128, &["sect283r1"]),
    row("K-409", "nist/K-409", "1.3.132.0.36", 192, &["sect409k1"]),
    row("B-409", "nist/B-409", "1.3.132.0.37", 192, &["sect409r1"]),
    row("K-571", "nist/K-571", "1.3.132.0.38", 256, &["sect571k1"]),
    row("B-571", "nist/B-571", "1.3.132.0.39", 256, &["sect571r1"]),
    row("brainpoolP160r1", "brainpool/brainpoolP160r1", "1.3.36.3.3.2.8.1.1.1", 80, &[]),
    row("brainpoolP192r1", "brainpool/brainpoolP192r1", "1.3.36.3.3.2.8.1.1.3", 96, &[]),
    row("brainpoolP224r1", "brainpool/brainpoolP224r1", "1.3.36.3.3.2.8.1.1.5", 112, &[]),
    row("brainpoolP256r1", "brainpool/brainpoolP256r1", "1.3.36.3.3.2.8.1.1.7", 128, &["brainpoolp256r1tls13"]),
    row("brainpoolP256t1", "brainpool/brainpoolP256t1", "1.3.36.3.3.2.8.1.1.8", 128, &[]),
    row("brainpoolP320r1", "brainpool/brainpoolP320r1", "1.3.36.3.3.2.8.1.1.9", 160, &[]),
    row("brainpoolP384r1", "brainpool/brainpoolP384r1", "1.3.36.3.3.2.8.1.1.11", 192, &["brainpoolp384r1tls13"]),
    row("brainpoolP384t1", "brainpool/brainpoolP384t1", "1.3.36.3.3.2.8.1.1.12", 192, &[]),
    row("brainpoolP512r1", "brainpool/brainpoolP512r1", "1.3.36.3.3.2.8.1.1.13", 256, &["brainpoolp512r1tls13"]),
    row("brainpoolP512t1", "brainpool/brainpoolP512t1", "1.3.36.3.3.2.8.1.1.14", 256, &[]),
    row("FRP256v1", "anssi/FRP256v1", "1.2.250.1.223.101.256.1", 128, &[]),
    row("SM2", "oscaa/SM2", "1.2.156.10197.1.301", 128, &["sm2p256v1", "curvesm2"]),
    row("Curve25519", "other/Curve25519", "1.3.6.1.4.1.3029.1.5.1", 128, &["x25519", "cv25519"]),
    row("Curve448", "other/Curve448", "", 224, &["x448"]),
    row("Ed25519", "other/Ed25519", "1.3.6.1.4.1.11591.15.1", 128, &[]),
    row("Ed448", "other/Ed448", "", 224, &[]),
    row("BLS12-381", "bls/BLS12-381", "", 128, &[]),
];

/// The curve that goes by this name anywhere; case does not matter.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static Curve> {
    CURVES.iter().find(|curve| {
        curve.name.eq_ignore_ascii_case(name)
            || curve.registry.eq_ignore_ascii_case(name)
            || curve.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(name))
    })
}

/// The curve with this object identifier.
#[must_use]
pub fn by_oid(dotted: &str) -> Option<&'static Curve> {
    CURVES
        .iter()
        .find(|curve| !curve.oid.is_empty() && curve.oid == dotted)
}
