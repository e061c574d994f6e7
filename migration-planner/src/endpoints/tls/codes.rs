//! Code points of TLS: versions, groups, signature schemes, alerts (IANA "TLS Parameters", and drafts where said).

/// A version of the protocol that is probed.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) enum Version {
    Ssl30,
    Tls10,
    Tls11,
    Tls12,
    Tls13,
}

impl Version {
    /// From the newest to the oldest.
    pub(crate) const ALL: [Self; 5] = [Self::Tls13, Self::Tls12, Self::Tls11, Self::Tls10, Self::Ssl30];

    pub(crate) const fn code(self) -> u16 {
        match self {
            Self::Ssl30 => 0x0300,
            Self::Tls10 => 0x0301,
            Self::Tls11 => 0x0302,
            Self::Tls12 => 0x0303,
            Self::Tls13 => 0x0304,
        }
    }

    /// What stands in documents after `TLS `; SSL 3.0 is a version of the same protocol to CycloneDX.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ssl30 => "SSL 3.0",
            Self::Tls10 => "1.0",
            Self::Tls11 => "1.1",
            Self::Tls12 => "1.2",
            Self::Tls13 => "1.3",
        }
    }

    /// For people: `TLS 1.3`, `SSL 3.0`.
    pub(crate) fn words(self) -> String {
        match self {
            Self::Ssl30 => self.name().to_owned(),
            _ => format!("TLS {}", self.name()),
        }
    }
}

/// A key exchange group.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Group {
    pub(crate) code: u16,
    pub(crate) name: &'static str,
    pub(crate) kind: GroupKind,
}

/// What a group withstands, and where it can be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum GroupKind {
    /// Against a quantum computer: ML-KEM, alone or with a curve, and its draft. TLS 1.3 alone.
    PostQuantum,
    /// A curve, in every version.
    Curve,
    /// A curve that has another number in TLS 1.3.
    OldCurve,
    /// A curve in TLS 1.3 alone.
    NewCurve,
    /// A field (RFC 7919), in every version.
    Field,
}

use self::GroupKind::{Curve, Field, NewCurve, OldCurve, PostQuantum};

const fn group(code: u16, name: &'static str, kind: GroupKind) -> Group {
    Group { code, name, kind }
}

/// In the order in which they are offered: a server that follows its client takes the first.
#[rustfmt::skip]
pub(crate) const GROUPS: &[Group] = &[
    group(0x11ec, "X25519MLKEM768", PostQuantum), group(0x11eb, "SecP256r1MLKEM768", PostQuantum),
    group(0x11ed, "SecP384r1MLKEM1024", PostQuantum), group(0x11ee, "curveSM2MLKEM768", PostQuantum),
    group(0x0201, "MLKEM768", PostQuantum), group(0x0202, "MLKEM1024", PostQuantum),
    group(0x0200, "MLKEM512", PostQuantum),
    // Kyber as it was submitted, before ML-KEM (draft-tls-westerbaan-xyber768d00, draft-kwiatkowski-tls-ecdhe-kyber).
    group(0x6399, "X25519Kyber768Draft00", PostQuantum), group(0x639a, "SecP256r1Kyber768Draft00", PostQuantum),
    group(0x001d, "x25519", Curve), group(0x0017, "secp256r1", Curve), group(0x001e, "x448", Curve),
    group(0x0018, "secp384r1", Curve), group(0x0019, "secp521r1", Curve),
    group(0x001f, "brainpoolP256r1tls13", NewCurve), group(0x0020, "brainpoolP384r1tls13", NewCurve),
    group(0x0021, "brainpoolP512r1tls13", NewCurve), group(0x0029, "curveSM2", NewCurve),
    group(0x001a, "brainpoolP256r1", OldCurve), group(0x001b, "brainpoolP384r1", OldCurve),
    group(0x001c, "brainpoolP512r1", OldCurve), group(0x0016, "secp256k1", OldCurve),
    group(0x0015, "secp224r1", OldCurve), group(0x0013, "secp192r1", OldCurve), group(0x0012, "secp192k1", OldCurve),
    group(0x0010, "secp160r1", OldCurve), group(0x000d, "sect571k1", OldCurve), group(0x000e, "sect571r1", OldCurve),
    group(0x000b, "sect409k1", OldCurve), group(0x000c, "sect409r1", OldCurve), group(0x0009, "sect283k1", OldCurve),
    group(0x000a, "sect283r1", OldCurve), group(0x0006, "sect233k1", OldCurve), group(0x0007, "sect233r1", OldCurve),
    group(0x0001, "sect163k1", OldCurve), group(0x0003, "sect163r2", OldCurve),
    group(0x0100, "ffdhe2048", Field), group(0x0101, "ffdhe3072", Field), group(0x0102, "ffdhe4096", Field),
    group(0x0103, "ffdhe6144", Field), group(0x0104, "ffdhe8192", Field),
];

/// The groups that can be offered in a version.
pub(crate) fn groups_of(version: Version) -> impl Iterator<Item = &'static Group> {
    GROUPS.iter().filter(move |group| match group.kind {
        PostQuantum | NewCurve => version == Version::Tls13,
        OldCurve => version < Version::Tls13,
        Curve | Field => true,
    })
}

/// Whether a group withstands a quantum computer.
pub(crate) fn is_post_quantum(code: u16) -> bool {
    GROUPS
        .iter()
        .any(|group| group.code == code && group.kind == PostQuantum)
}

/// A group's name, or its number when it has none here.
pub(crate) fn group_name(code: u16) -> String {
    GROUPS
        .iter()
        .find(|group| group.code == code)
        .map_or_else(|| format!("0x{code:04x}"), |group| group.name.to_owned())
}

/// In which versions a scheme can sign a handshake.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum SignsIn {
    Both,
    Tls12,
    Tls13,
}

/// Signature schemes, in the order in which they are offered. ML-DSA: draft-ietf-tls-mldsa.
#[rustfmt::skip]
const SCHEMES: &[(u16, &str, SignsIn)] = &[
    (0x0904, "mldsa44", SignsIn::Tls13), (0x0905, "mldsa65", SignsIn::Tls13), (0x0906, "mldsa87", SignsIn::Tls13),
    (0x0403, "ecdsa_secp256r1_sha256", SignsIn::Both), (0x0503, "ecdsa_secp384r1_sha384", SignsIn::Both),
    (0x0603, "ecdsa_secp521r1_sha512", SignsIn::Both),
    (0x0807, "ed25519", SignsIn::Both), (0x0808, "ed448", SignsIn::Both),
    (0x0804, "rsa_pss_rsae_sha256", SignsIn::Both), (0x0805, "rsa_pss_rsae_sha384", SignsIn::Both),
    (0x0806, "rsa_pss_rsae_sha512", SignsIn::Both), (0x0809, "rsa_pss_pss_sha256", SignsIn::Both),
    (0x080a, "rsa_pss_pss_sha384", SignsIn::Both), (0x080b, "rsa_pss_pss_sha512", SignsIn::Both),
    (0x081a, "ecdsa_brainpoolP256r1tls13_sha256", SignsIn::Tls13),
    (0x081b, "ecdsa_brainpoolP384r1tls13_sha384", SignsIn::Tls13),
    (0x081c, "ecdsa_brainpoolP512r1tls13_sha512", SignsIn::Tls13), (0x0708, "sm2sig_sm3", SignsIn::Tls13),
    (0x0401, "rsa_pkcs1_sha256", SignsIn::Tls12), (0x0501, "rsa_pkcs1_sha384", SignsIn::Tls12),
    (0x0601, "rsa_pkcs1_sha512", SignsIn::Tls12), (0x0303, "ecdsa_sha224", SignsIn::Tls12),
    (0x0301, "rsa_pkcs1_sha224", SignsIn::Tls12), (0x0203, "ecdsa_sha1", SignsIn::Tls12),
    (0x0201, "rsa_pkcs1_sha1", SignsIn::Tls12), (0x0402, "dsa_sha256", SignsIn::Tls12),
    (0x0202, "dsa_sha1", SignsIn::Tls12),
];

/// The first of the private code points that composites have here: 0xFE00 and the last arc of their OID.
const COMPOSITES: u16 = 0xfe00;

/// Composites with their last arcs under 1.3.6.1.5.5.7.6 that have a code point of ours (`symbolon-tls`).
#[rustfmt::skip]
const COMPOSITE_ARCS: &[(u16, &str)] = &[
    (45, "MLDSA65-ECDSA-P256-SHA512"), (46, "MLDSA65-ECDSA-P384-SHA512"),
    (48, "MLDSA65-Ed25519-SHA512"), (49, "MLDSA87-ECDSA-P384-SHA512"),
    (39, "MLDSA44-Ed25519-SHA512"), (40, "MLDSA44-ECDSA-P256-SHA256"),
    (37, "MLDSA44-RSA2048-PSS-SHA256"), (38, "MLDSA44-RSA2048-PKCS15-SHA256"),
    (41, "MLDSA65-RSA3072-PSS-SHA512"), (42, "MLDSA65-RSA3072-PKCS15-SHA512"),
    (43, "MLDSA65-RSA4096-PSS-SHA512"), (44, "MLDSA65-RSA4096-PKCS15-SHA512"),
    (47, "MLDSA65-ECDSA-brainpoolP256r1-SHA512"), (50, "MLDSA87-ECDSA-brainpoolP384r1-SHA512"),
    (51, "MLDSA87-Ed448-SHAKE256"), (52, "MLDSA87-RSA3072-PSS-SHA512"),
    (53, "MLDSA87-RSA4096-PSS-SHA512"), (54, "MLDSA87-ECDSA-P521-SHA512"),
];

/// Code points of oqs-provider's own among those for private use, which no other software can take up. Never offered.
#[rustfmt::skip]
const OQS_PROVIDER: &[(u16, &str)] = &[
    (0xff06, "p256_mldsa44"), (0xff07, "rsa3072_mldsa44"), (0xff08, "p384_mldsa65"), (0xff09, "p521_mldsa87"),
    (0xfed7, "falcon512"), (0xfed8, "p256_falcon512"), (0xfed9, "rsa3072_falcon512"), (0xfeda, "falcon1024"),
    (0xfedb, "p521_falcon1024"), (0xfedc, "falconpadded512"), (0xfedd, "p256_falconpadded512"),
    (0xfede, "rsa3072_falconpadded512"), (0xfedf, "falconpadded1024"), (0xfee0, "p521_falconpadded1024"),
];

/// Code points that a certificate may be signed with but no handshake of TLS 1.3: always offered, for the sake of
/// the certificates.
pub(crate) const FOR_CERTIFICATES: [u16; 3] = [0x0401, 0x0501, 0x0601];

/// The schemes that can be offered in a version; none before TLS 1.2.
pub(crate) fn schemes_of(version: Version) -> Vec<u16> {
    let listed = |other: SignsIn| {
        SCHEMES
            .iter()
            .filter(move |(.., signs)| *signs != other)
            .map(|(code, ..)| *code)
    };
    match version {
        Version::Tls13 => COMPOSITE_ARCS
            .iter()
            .map(|(arc, _)| COMPOSITES + arc)
            .chain(listed(SignsIn::Tls12))
            .collect(),
        Version::Tls12 => listed(SignsIn::Tls13).collect(),
        _ => Vec::new(),
    }
}

/// The schemes that a hello of this version offers: those, and what certificates may be signed with.
pub(crate) fn offered_schemes(version: Version) -> Vec<u16> {
    let mut schemes = schemes_of(version);
    if version == Version::Tls13 {
        schemes.extend(FOR_CERTIFICATES);
    }
    schemes
}

/// A scheme's name, or its number when it has none here.
pub(crate) fn scheme_name(code: u16) -> String {
    let composite = COMPOSITE_ARCS
        .iter()
        .find(|(arc, _)| COMPOSITES + arc == code)
        .map(|(_, name)| *name);
    let listed = SCHEMES
        .iter()
        .find(|(known, ..)| *known == code)
        .map(|(_, name, _)| *name);
    if let Some((_, name)) = OQS_PROVIDER.iter().find(|(known, _)| *known == code) {
        return format!("{name} (oqs-provider's 0x{code:04x}, not interoperable)");
    }
    composite
        .or(listed)
        .map_or_else(|| format!("0x{code:04x}"), str::to_owned)
}

/// What an alert means (RFC 8446 §6, RFC 5246 §7.2), for people.
pub(crate) fn alert_name(code: u8) -> String {
    let name = match code {
        0 => "close_notify",
        10 => "unexpected_message",
        20 => "bad_record_mac",
        22 => "record_overflow",
        40 => "handshake_failure",
        42 => "bad_certificate",
        43 => "unsupported_certificate",
        46 => "certificate_unknown",
        47 => "illegal_parameter",
        48 => "unknown_ca",
        49 => "access_denied",
        50 => "decode_error",
        51 => "decrypt_error",
        70 => "protocol_version",
        71 => "insufficient_security",
        80 => "internal_error",
        86 => "inappropriate_fallback",
        90 => "user_canceled",
        109 => "missing_extension",
        110 => "unsupported_extension",
        112 => "unrecognized_name",
        116 => "certificate_required",
        120 => "no_application_protocol",
        _ => return format!("alert {code}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algorithm::{Primitive, Quantum, alias};

    #[test]
    fn every_group_leads_to_an_algorithm_that_says_the_same_of_it() {
        for group in GROUPS {
            let algorithm = alias::resolve(group.name).unwrap_or_else(|| panic!("{}", group.name));
            let expected = match group.kind {
                PostQuantum => Quantum::Resistant,
                _ => Quantum::Broken,
            };
            assert_eq!(algorithm.quantum, expected, "{}", group.name);
            assert_eq!(is_post_quantum(group.code), expected == Quantum::Resistant);
            assert_eq!(group_name(group.code), group.name);
        }
    }

    #[test]
    fn every_scheme_leads_to_a_signature() {
        for code in Version::ALL.into_iter().flat_map(schemes_of) {
            let name = scheme_name(code);
            let algorithm = alias::resolve(&name).unwrap_or_else(|| panic!("{name}"));
            assert!(
                matches!(algorithm.primitive, Primitive::Signature | Primitive::Combiner),
                "{name}"
            );
        }
        assert_eq!(scheme_name(0xfe2d), "MLDSA65-ECDSA-P256-SHA512");
        assert_eq!(scheme_name(0x1234), "0x1234");
        assert_eq!(
            scheme_name(0xff06),
            "p256_mldsa44 (oqs-provider's 0xff06, not interoperable)"
        );
        assert!(OQS_PROVIDER.iter().all(|(code, _)| {
            let offered = schemes_of(Version::Tls13);
            !offered.contains(code)
        }));
    }

    #[test]
    fn composites_have_the_code_points_that_our_tls_gives_them() {
        for (suite, code) in symbolon_tls::CompositeSchemes::default().iter() {
            let arc = u16::from(suite.composite_arc().unwrap());
            assert_eq!(code, COMPOSITES + arc);
            assert!(COMPOSITE_ARCS.iter().any(|(known, _)| *known == arc), "{suite}");
        }
        assert!(schemes_of(Version::Tls13).contains(&0xfe2d));
    }

    #[test]
    fn versions_offer_what_is_theirs() {
        let offered = schemes_of(Version::Tls12);
        assert!(offered.contains(&0x0804) && offered.contains(&0x0201) && !offered.contains(&0x0905));
        let offered = schemes_of(Version::Tls13);
        assert!(offered.contains(&0x0905) && offered.contains(&0x0403) && !offered.contains(&0x0401));
        assert!(schemes_of(Version::Tls11).is_empty());
        assert!(groups_of(Version::Tls12).all(|group| group.kind != PostQuantum));
        assert!(groups_of(Version::Tls13).any(|group| group.code == 0x11ec));
        assert!(groups_of(Version::Tls13).all(|group| group.kind != OldCurve));
    }
}
