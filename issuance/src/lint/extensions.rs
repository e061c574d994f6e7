//! The extensions: which there are, and what each says.

use der::asn1::{AnyRef, BitStringRef, Ia5StringRef, ObjectIdentifier, OctetStringRef};
use der::{Decode, Error, Reader, Tag, TagNumber, Tagged};
use spiffe::SpiffeId;
use symbolon_pki::skid::Skid;
use x509_cert::ext::pkix::BasicConstraints;

use super::keys::Key;
use super::read::{Extension, Tbs, sequence};
use super::{Expected, Findings, Issuer, Rule};
use crate::profile::MAX_SPIFFE_ID_LEN;

const SUBJECT_KEY_IDENTIFIER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.14");
const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");
const SUBJECT_ALT_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");
const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
const AUTHORITY_KEY_IDENTIFIER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.35");
const EXT_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37");

pub(super) const ALTERNATIVE_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.72");
pub(super) const ALTERNATIVE_ALGORITHM: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.73");
pub(super) const RELATED_CERTIFICATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.1.36");

const SERVER_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
const CLIENT_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");

// The bits of KeyUsage, in the order of RFC 5280, section 4.2.1.3: bit 0 is the leftmost of the first byte.
const DIGITAL_SIGNATURE: u16 = 1 << 0;
const NON_REPUDIATION: u16 = 1 << 1;
const KEY_ENCIPHERMENT: u16 = 1 << 2;
const KEY_CERT_SIGN: u16 = 1 << 5;
const CRL_SIGN: u16 = 1 << 6;

pub(super) fn check(
    tbs: &Tbs<'_>,
    expected: &Expected<'_>,
    subject: Option<&Key<'_>>,
    findings: &mut Findings,
) {
    let authority = expected.profile.is_authority();
    // Which extensions the profile has, and which of them are critical.
    let mut wanted = vec![
        (KEY_USAGE, true),
        (BASIC_CONSTRAINTS, true),
        (AUTHORITY_KEY_IDENTIFIER, false),
        (SUBJECT_KEY_IDENTIFIER, false),
        (SUBJECT_ALT_NAME, false),
    ];
    if !authority {
        wanted.push((EXT_KEY_USAGE, false));
    }
    if expected.issuer.alternative().is_some() {
        wanted.extend([(ALTERNATIVE_KEY, false), (ALTERNATIVE_ALGORITHM, false)]);
    }
    if expected.related.is_some() {
        wanted.push((RELATED_CERTIFICATE, false));
    }
    inventory(&tbs.extensions, &wanted, findings);

    let find = |oid: ObjectIdentifier| {
        tbs.extensions
            .iter()
            .find(|extension| extension.oid == oid.as_bytes())
    };
    if let Some(extension) = find(KEY_USAGE) {
        key_usage(extension, authority, subject, findings);
    }
    if let Some(extension) = find(BASIC_CONSTRAINTS) {
        basic_constraints(extension, expected, findings);
    }
    if let Some(extension) = find(EXT_KEY_USAGE) {
        ext_key_usage(extension, findings);
    }
    key_identifiers(
        find(SUBJECT_KEY_IDENTIFIER),
        find(AUTHORITY_KEY_IDENTIFIER),
        expected,
        subject,
        findings,
    );
    if let Some(extension) = find(SUBJECT_ALT_NAME) {
        subject_alt_name(extension, expected, findings);
    }
}

/// Each extension once, those of the profile and no others, critical as the profile says.
fn inventory(extensions: &[Extension<'_>], wanted: &[(ObjectIdentifier, bool)], findings: &mut Findings) {
    for (position, extension) in extensions.iter().enumerate() {
        let earlier = extensions.iter().take(position);
        let name =
            || ObjectIdentifier::from_bytes(extension.oid).map_or("?".to_owned(), |oid| oid.to_string());
        if earlier.into_iter().any(|other| other.oid == extension.oid) {
            findings.add(Rule::Extensions, format_args!("{} stands twice", name()));
        }
        if extension.critical == Some(false) {
            findings.add(
                Rule::Extensions,
                format_args!("{} spells out that it is not critical", name()),
            );
        }
        if !wanted.iter().any(|(oid, _)| oid.as_bytes() == extension.oid) {
            findings.add(
                Rule::ProfileExtensions,
                format_args!("{} is not the profile's", name()),
            );
        }
    }
    for (oid, critical) in wanted {
        match extensions
            .iter()
            .find(|extension| extension.oid == oid.as_bytes())
        {
            None => findings.add(rule_of(oid), format_args!("the extension {oid} is missing")),
            Some(extension) => {
                let found = extension.critical.unwrap_or(false);
                findings.require(
                    found == *critical,
                    rule_of(oid),
                    format_args!("its criticality is {found}"),
                );
            }
        }
    }
}

/// The rule that demands an extension.
fn rule_of(oid: &ObjectIdentifier) -> Rule {
    match *oid {
        SUBJECT_KEY_IDENTIFIER => Rule::SubjectKeyIdentifier,
        KEY_USAGE => Rule::KeyUsage,
        SUBJECT_ALT_NAME => Rule::SubjectAltName,
        BASIC_CONSTRAINTS => Rule::BasicConstraints,
        AUTHORITY_KEY_IDENTIFIER => Rule::AuthorityKeyIdentifier,
        EXT_KEY_USAGE => Rule::SvidExtKeyUsage,
        _ => Rule::ProfileExtensions,
    }
}

fn key_usage(extension: &Extension<'_>, authority: bool, subject: Option<&Key<'_>>, findings: &mut Findings) {
    let (bits, minimal) = match BitStringRef::from_der(extension.value) {
        Ok(usage) => named_bits(&usage),
        Err(error) => return findings.add(Rule::KeyUsage, format_args!("it cannot be read: {error}")),
    };
    findings.require(minimal, Rule::KeyUsage, "it has trailing zero bits");
    findings.require(bits != 0, Rule::KeyUsage, "it allows nothing");

    let signs_certificates = bits & KEY_CERT_SIGN != 0;
    if authority {
        findings.require(
            signs_certificates,
            Rule::SvidKeyUsage,
            "an authority must sign certificates",
        );
    } else {
        findings.require(
            bits & DIGITAL_SIGNATURE != 0,
            Rule::SvidKeyUsage,
            "a leaf must have digitalSignature",
        );
        findings.require(
            bits & (KEY_CERT_SIGN | CRL_SIGN) == 0,
            Rule::SvidKeyUsage,
            "a leaf must not sign certificates or CRLs",
        );
    }

    let Some(subject) = subject else { return };
    if !subject.rsa {
        let signing = DIGITAL_SIGNATURE | NON_REPUDIATION | KEY_CERT_SIGN | CRL_SIGN;
        findings.require(
            bits & !signing == 0,
            Rule::KeyUsageForKey,
            "a key that only signs is given another use",
        );
    }
    let profile = match (authority, subject.rsa) {
        (true, _) => KEY_CERT_SIGN | CRL_SIGN,
        (false, true) => DIGITAL_SIGNATURE | KEY_ENCIPHERMENT,
        (false, false) => DIGITAL_SIGNATURE,
    };
    findings.require(
        bits == profile,
        Rule::ProfileKeyUsage,
        format_args!("bits {bits:#b} where {profile:#b} are due, counted from the right"),
    );
}

/// The set bits with bit 0 lowest, and whether the encoding has no trailing zero bits (X.690, section 11.2.2).
fn named_bits(usage: &BitStringRef<'_>) -> (u16, bool) {
    let mut bits = 0;
    for (position, byte) in usage.raw_bytes().iter().take(2).enumerate() {
        bits |= u16::from(byte.reverse_bits()) << (8 * position);
    }
    let last = usage.raw_bytes().last().copied().unwrap_or(0);
    let minimal = last != 0 && last.trailing_zeros() == u32::from(usage.unused_bits());
    (bits, minimal && usage.raw_bytes().len() <= 2)
}

fn basic_constraints(extension: &Extension<'_>, expected: &Expected<'_>, findings: &mut Findings) {
    let constraints = match BasicConstraints::from_der(extension.value) {
        Ok(constraints) => constraints,
        Err(error) => {
            return findings.add(
                Rule::BasicConstraints,
                format_args!("they cannot be read: {error}"),
            );
        }
    };
    let authority = expected.profile.is_authority();
    findings.require(
        constraints.ca == authority,
        Rule::BasicConstraints,
        format_args!("cA is {}", constraints.ca),
    );
    let path_len = constraints.path_len_constraint;
    findings.require(
        path_len.is_none() || constraints.ca,
        Rule::BasicConstraints,
        "there is a path length without cA",
    );
    findings.require(
        path_len == expected.path_len,
        Rule::PathLength,
        format_args!("it is {path_len:?}, and {:?} is due", expected.path_len),
    );
    if let Issuer::Authority(issuer) = expected.issuer
        && authority
        && let Some(above) = issuer.certificate().path_len()
    {
        findings.require(
            path_len.is_some_and(|below| below < above),
            Rule::PathLength,
            format_args!("it is {path_len:?} below an authority with {above}"),
        );
    }
}

fn ext_key_usage(extension: &Extension<'_>, findings: &mut Findings) {
    let read = AnyRef::from_der(extension.value).and_then(|list| {
        sequence(list, |usages| {
            let mut found = Vec::with_capacity(2);
            while !usages.is_finished() {
                found.push(ObjectIdentifier::decode(usages)?);
            }
            Ok(found)
        })
    });
    match read {
        Ok(found) => findings.require(
            found == [SERVER_AUTH, CLIENT_AUTH],
            Rule::SvidExtKeyUsage,
            "it is not serverAuth and clientAuth",
        ),
        Err(error) => findings.add(Rule::ExtKeyUsage, format_args!("it cannot be read: {error}")),
    }
}

fn key_identifiers(
    of_subject: Option<&Extension<'_>>,
    of_authority: Option<&Extension<'_>>,
    expected: &Expected<'_>,
    subject: Option<&Key<'_>>,
    findings: &mut Findings,
) {
    let own = subject.map(|key| Skid::of(key.bits));
    if let (Some(extension), Some(own)) = (of_subject, own) {
        let found = <&OctetStringRef>::from_der(extension.value).map(OctetStringRef::as_bytes);
        findings.require(
            found.is_ok_and(|found| found == own.as_bytes()),
            Rule::SubjectKeyIdentifier,
            format_args!("it is not {own}"),
        );
    }
    let wanted = match expected.issuer {
        Issuer::Itself { .. } => own,
        Issuer::Authority(authority) => Some(*authority.authority_id()),
    };
    if let (Some(extension), Some(wanted)) = (of_authority, wanted) {
        findings.require(
            authority_key_identifier(extension.value).is_ok_and(|found| found == wanted.as_bytes()),
            Rule::AuthorityKeyIdentifier,
            format_args!("it is not just the key identifier {wanted}"),
        );
    }
}

/// The keyIdentifier of an AuthorityKeyIdentifier that has nothing else.
fn authority_key_identifier(value: &[u8]) -> Result<&[u8], Error> {
    sequence(AnyRef::from_der(value)?, |fields| {
        let id = AnyRef::decode(fields)?;
        id.tag().assert_eq(TagNumber(0).context_specific(false))?;
        Ok(id.value())
    })
}

fn subject_alt_name(extension: &Extension<'_>, expected: &Expected<'_>, findings: &mut Findings) {
    let (uris, dns_names) = match general_names(extension.value) {
        Ok(names) => names,
        Err(error) => return findings.add(Rule::SubjectAltName, format_args!("it cannot be read: {error}")),
    };
    let [uri] = uris.as_slice() else {
        return findings.add(Rule::OneUri, format_args!("there are {}", uris.len()));
    };
    match SpiffeId::new(uri) {
        Ok(id) => {
            findings.require(
                id.path().is_empty() == expected.profile.is_authority(),
                Rule::SpiffeId,
                format_args!("{id} has the wrong path for a certificate of this kind"),
            );
            findings.require(
                id == *expected.spiffe_id && uri.len() <= MAX_SPIFFE_ID_LEN,
                Rule::AskedId,
                format_args!("{id} was not asked for"),
            );
        }
        Err(error) => findings.add(Rule::SpiffeId, format_args!("{uri:?} is none: {error}")),
    }
    findings.require(
        dns_names.iter().eq(expected.dns_names),
        Rule::AskedDnsNames,
        format_args!("{dns_names:?} where {:?} were asked for", expected.dns_names),
    );
}

/// The URIs and DNS names of a SubjectAltName that has no others.
fn general_names(value: &[u8]) -> Result<(Vec<&str>, Vec<&str>), Error> {
    let uri = TagNumber(6).context_specific(false);
    let dns_name = TagNumber(2).context_specific(false);
    sequence(AnyRef::from_der(value)?, |names| {
        let (mut uris, mut dns_names) = (Vec::with_capacity(1), Vec::new());
        while !names.is_finished() {
            let name = AnyRef::decode(names)?;
            Ia5StringRef::new(name.value())?;
            let text = std::str::from_utf8(name.value())?;
            if name.tag() == uri {
                uris.push(text);
            } else if name.tag() == dns_name {
                dns_names.push(text);
            } else {
                return Err(Tag::unexpected_error(name.tag(), None).into());
            }
        }
        Ok((uris, dns_names))
    })
}
