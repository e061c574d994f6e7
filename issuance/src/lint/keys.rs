//! Keys: their algorithm, their length, and what they may be used for.

use super::algorithm::{Lengths, Scheme, Traditional, curve, ecdsa_for};
use super::element::{Element, INTEGER, OBJECT_IDENTIFIER, Problem, SEQUENCE};
use super::finding::{At, Findings};
use super::read::Algorithm;
use super::rule::Rule;
use super::rules::algorithms as rules;
use super::usage::{
    CRL_SIGN, DATA_ENCIPHERMENT, DECIPHER_ONLY, DIGITAL_SIGNATURE, ENCIPHER_ONLY, KEY_AGREEMENT,
    KEY_CERT_SIGN, KEY_ENCIPHERMENT, NON_REPUDIATION,
};

/// The smallest RSA modulus, in bits.
const MIN_RSA_BITS: usize = 2048;

const SIGNING: u16 = DIGITAL_SIGNATURE | NON_REPUDIATION | KEY_CERT_SIGN | CRL_SIGN;
const ENCIPHERING: u16 = KEY_ENCIPHERMENT | DATA_ENCIPHERMENT;
const AGREEING: u16 = KEY_AGREEMENT | ENCIPHER_ONLY | DECIPHER_ONLY;

/// A key, as far as other rules depend on it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key<'a> {
    pub(super) scheme: Scheme,
    /// Content octets of the algorithm's OID.
    pub(super) oid: &'a [u8],
    /// DER of the SubjectPublicKeyInfo.
    pub(super) spki: &'a [u8],
    /// The content of the BIT STRING.
    pub(super) bits: &'a [u8],
    /// For an EC key the length of its coordinates.
    coordinate: Option<usize>,
}

impl<'a> Key<'a> {
    /// Reads a SubjectPublicKeyInfo without judging it.
    pub(super) fn read(spki: &Element<'a>) -> Result<Self, Problem> {
        let mut fields = spki.fields_of(SEQUENCE)?;
        let algorithm = Algorithm::read(fields.next()?)?;
        let key = fields.next()?;
        let bits = key
            .whole_bits()
            .ok_or_else(|| Problem::new(key.offset, "the key is no BIT STRING of whole bytes"))?;
        fields.end()?;
        let scheme = Scheme::of(algorithm.oid);
        Ok(Self {
            scheme,
            oid: algorithm.oid,
            spki: spki.der,
            bits,
            coordinate: algorithm
                .parameters
                .filter(|_| scheme == Scheme::Ec)
                .and_then(|parameters| curve(parameters.content))
                .map(|(coordinate, _)| coordinate),
        })
    }

    /// The component keys, as raw bytes.
    pub(super) fn components(&self) -> [&'a [u8]; 2] {
        match self.scheme {
            Scheme::Composite(Lengths { key, .. }, _) => {
                let (first, second) = self.bits.split_at_checked(key).unwrap_or((self.bits, &[]));
                [first, second]
            }
            _ => [self.bits, &[]],
        }
    }

    /// Whether a component key is in both.
    pub(super) fn shares_a_component(&self, other: &Self) -> bool {
        let others = other.components();
        self.components()
            .iter()
            .any(|own| !own.is_empty() && others.contains(own))
    }

    /// The identifier of the signatures that go with it.
    pub(super) fn signature_oid(&self) -> Option<&'a [u8]> {
        match self.scheme {
            Scheme::Ec => ecdsa_for(self.coordinate?),
            scheme if scheme.only_signs() => Some(self.oid),
            _ => None,
        }
    }
}

/// Checks a SubjectPublicKeyInfo; returns the key if it can be read.
pub(super) fn check<'a>(spki: &Element<'a>, at: At<'_>, findings: &mut Findings) -> Option<Key<'a>> {
    let key = match Key::read(spki) {
        Ok(key) => key,
        Err(problem) => {
            let rule = problem.rule.unwrap_or(&rules::KEY_STRUCTURE);
            findings.add(rule, At::field(at.field, problem.offset), problem.detail);
            return None;
        }
    };
    let parameters = spki
        .fields()
        .next()
        .and_then(Algorithm::read)
        .ok()
        .and_then(|algorithm| algorithm.parameters);
    let at = at.about(key.oid);
    match key.scheme {
        Scheme::Rsa | Scheme::RsaPss => {
            let null = parameters.is_some_and(|parameters| parameters.der == [5, 0]);
            findings.require(
                null || key.scheme == Scheme::RsaPss,
                &rules::KEY_PARAMETERS,
                at,
                "an RSA key's parameters are not NULL",
            );
            rsa(key.bits, at, findings);
        }
        Scheme::Ec => ec(&key, parameters, at, findings),
        Scheme::EdDsa { key: len, .. } | Scheme::Montgomery { key: len } => {
            absent(parameters, &rules::KEY_PARAMETERS, at, findings);
            length(&key, len, &rules::EDDSA_LENGTH, at, findings);
        }
        Scheme::MlDsa(Lengths { key: len, .. }) => {
            absent(parameters, &rules::ML_DSA_PARAMETERS, at, findings);
            length(&key, len, &rules::ML_DSA_LENGTH, at, findings);
        }
        Scheme::SlhDsa(Lengths { key: len, .. }) => {
            absent(parameters, &rules::SLH_DSA_PARAMETERS, at, findings);
            length(&key, len, &rules::SLH_DSA_LENGTH, at, findings);
        }
        Scheme::MlKem { key: len } => {
            absent(parameters, &rules::ML_KEM_PARAMETERS, at, findings);
            length(&key, len, &rules::ML_KEM_LENGTH, at, findings);
        }
        Scheme::Composite(_, traditional) => {
            absent(parameters, &rules::COMPOSITE_PARAMETERS, at, findings);
            composite(&key, traditional, at, findings);
        }
        Scheme::HashMlDsa => findings.add(&rules::HASH_ML_DSA, at, "the key is for HashML-DSA"),
        Scheme::OldComposite => {
            findings.add(
                &rules::OLD_COMPOSITE,
                at,
                "the key has an identifier of an earlier draft",
            );
        }
        Scheme::Private(whose) => {
            findings.add(&rules::KEY_PRIVATE, at, format_args!("the identifier is {whose}"));
        }
        Scheme::RsaPkcs1 { .. } | Scheme::Ecdsa { .. } | Scheme::Unknown => {
            findings.add(&rules::KEY_UNKNOWN, at, "no rule for this key was applied");
        }
    }
    Some(key)
}

/// Checks what keyUsage allows against what the key's algorithm can do.
pub(super) fn check_usage(key: &Key<'_>, usage: u16, at: At<'_>, findings: &mut Findings) {
    /// Bits of which one is there, and bits of which none is, each with its rule.
    type Wanted = (Option<(u16, &'static Rule)>, (u16, &'static Rule));
    const BUT_SIGNING: u16 = ENCIPHERING | AGREEING;
    let (needed, forbidden): Wanted = match key.scheme {
        Scheme::Rsa => (None, (AGREEING, &rules::RSA_USAGE)),
        Scheme::RsaPss => (
            Some((SIGNING, &rules::RSA_PSS_NEEDED)),
            (BUT_SIGNING, &rules::RSA_PSS_FORBIDDEN),
        ),
        Scheme::Ec => (None, (ENCIPHERING, &rules::EC_USAGE)),
        Scheme::EdDsa { .. } => (None, (BUT_SIGNING, &rules::EDDSA_USAGE)),
        Scheme::Montgomery { .. } => (
            Some((KEY_AGREEMENT, &rules::MONTGOMERY_NEEDED)),
            (SIGNING | ENCIPHERING, &rules::MONTGOMERY_FORBIDDEN),
        ),
        Scheme::MlDsa(_) => (
            Some((SIGNING, &rules::ML_DSA_NEEDED)),
            (BUT_SIGNING, &rules::ML_DSA_FORBIDDEN),
        ),
        Scheme::SlhDsa(_) => (
            Some((SIGNING, &rules::SLH_DSA_NEEDED)),
            (BUT_SIGNING, &rules::SLH_DSA_FORBIDDEN),
        ),
        Scheme::Composite(..) => (
            Some((SIGNING, &rules::COMPOSITE_NEEDED)),
            (BUT_SIGNING, &rules::COMPOSITE_FORBIDDEN),
        ),
        Scheme::MlKem { .. } => (None, (!KEY_ENCIPHERMENT, &rules::ML_KEM_USAGE)),
        _ => return,
    };
    if let Some((bits, rule)) = needed {
        let names = super::usage::Names(usage);
        findings.require(usage & bits != 0, rule, at, format_args!("it has {names} alone"));
    }
    let (bits, rule) = forbidden;
    findings.require(
        usage & bits == 0,
        rule,
        at,
        format_args!("it has {}", super::usage::Names(usage & bits)),
    );
}

fn absent(parameters: Option<Element<'_>>, rule: &'static Rule, at: At<'_>, findings: &mut Findings) {
    if let Some(parameters) = parameters {
        let kind = if parameters.der == [5, 0] {
            "NULL"
        } else {
            "parameters"
        };
        findings.add(rule, at, format_args!("the key's algorithm has {kind}"));
    }
}

fn length(key: &Key<'_>, wanted: usize, rule: &'static Rule, at: At<'_>, findings: &mut Findings) {
    let found = key.bits.len();
    findings.require(
        found == wanted,
        rule,
        at,
        format_args!("it has {found} bytes where {wanted} are due"),
    );
}

fn ec(key: &Key<'_>, parameters: Option<Element<'_>>, at: At<'_>, findings: &mut Findings) {
    let Some(named) = parameters.filter(|parameters| parameters.tag == OBJECT_IDENTIFIER) else {
        return findings.add(&rules::KEY_PARAMETERS, at, "an EC key does not name its curve");
    };
    let Some((coordinate, in_use)) = curve(named.content) else {
        let curve = super::oid::dotted(named.content);
        return findings.add(
            &rules::EC_CURVE,
            at,
            format_args!("the curve {curve} is not known here"),
        );
    };
    findings.require(
        in_use,
        &rules::EC_CURVE,
        at,
        format_args!("the curve is {}", super::oid::Dotted(named.content)),
    );
    match key.bits {
        [4, rest @ ..] if rest.len() == 2 * coordinate => {}
        [2 | 3, rest @ ..] if rest.len() == coordinate => {
            findings.add(&rules::EC_COMPRESSED, at, "the point is compressed");
        }
        other => findings.add(
            &rules::EC_POINT,
            at,
            format_args!(
                "{} bytes that are no point with {coordinate}-byte coordinates",
                other.len()
            ),
        ),
    }
}

fn rsa(bits: &[u8], at: At<'_>, findings: &mut Findings) {
    let Some((modulus, exponent)) = rsa_numbers(bits) else {
        return findings.add(&rules::RSA_ENCODING, at, "the key is no RSAPublicKey");
    };
    let size = bit_len(modulus);
    findings.require(
        size >= MIN_RSA_BITS,
        &rules::RSA_SIZE,
        at,
        format_args!("its modulus has {size} bits"),
    );
    let odd = exponent.last().is_some_and(|last| last & 1 == 1);
    let sound = odd && bit_len(exponent) > 1;
    findings.require(
        sound && bit_len(exponent) > 16,
        if sound {
            &rules::RSA_EXPONENT_SMALL
        } else {
            &rules::RSA_EXPONENT
        },
        at,
        format_args!(
            "its exponent has {} bits and is {}",
            bit_len(exponent),
            if odd { "odd" } else { "even" }
        ),
    );
}

/// Modulus and exponent of an RSAPublicKey, without leading zeros; `None` unless it is DER and both are positive.
pub(super) fn rsa_numbers(pkcs1: &[u8]) -> Option<(&[u8], &[u8])> {
    let whole = Element::only(pkcs1, 0).ok()?;
    let mut findings = Findings::default();
    super::element::check(&whole, &mut findings);
    if !findings.0.is_empty() {
        return None;
    }
    let mut fields = whole.fields_of(SEQUENCE).ok()?;
    let modulus = positive(&fields.expect(INTEGER).ok()?)?;
    let exponent = positive(&fields.expect(INTEGER).ok()?)?;
    fields.end().ok()?;
    Some((modulus, exponent))
}

/// The magnitude of an INTEGER that is more than zero.
pub(super) fn positive<'a>(integer: &Element<'a>) -> Option<&'a [u8]> {
    match integer.content {
        [] | [0] => None,
        [0, magnitude @ ..] => Some(magnitude),
        [first, ..] if *first >= 0x80 => None,
        magnitude => Some(magnitude),
    }
}

fn bit_len(magnitude: &[u8]) -> usize {
    let leading = magnitude.first().map_or(0, |byte| byte.leading_zeros());
    magnitude.len() * 8 - leading as usize
}

fn composite(key: &Key<'_>, traditional: Traditional, at: At<'_>, findings: &mut Findings) {
    let Scheme::Composite(Lengths { key: first, .. }, _) = key.scheme else {
        return;
    };
    let Some((_, part)) = key.bits.split_at_checked(first) else {
        return findings.add(
            &rules::COMPOSITE_LENGTH,
            at,
            format_args!(
                "{} bytes do not hold the {first} of the ML-DSA key",
                key.bits.len()
            ),
        );
    };
    let due = match traditional {
        Traditional::Ec { coordinate } => 1 + 2 * coordinate,
        Traditional::Ed { key, .. } => key,
        Traditional::Rsa { bits } => {
            let right = rsa_numbers(part).is_some_and(|(modulus, _)| bit_len(modulus) == bits);
            return findings.require(
                right,
                &rules::COMPOSITE_PART,
                at,
                format_args!("what follows the ML-DSA key is no RSAPublicKey of {bits} bits"),
            );
        }
    };
    if part.len() != due {
        return findings.add(
            &rules::COMPOSITE_LENGTH,
            at,
            format_args!("it has {} bytes where {} are due", key.bits.len(), first + due),
        );
    }
    let point = matches!(traditional, Traditional::Ec { .. });
    findings.require(
        !point || part.first() == Some(&4),
        &rules::COMPOSITE_PART,
        at,
        "the traditional part is no uncompressed point",
    );
}
