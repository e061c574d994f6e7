//! The extensions of certificates: which there are, how critical, and what each says.

use super::alt_names::{self, AltName};
use super::element::{
    BIT_STRING, BOOLEAN, Element, Fields, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, Problem, SEQUENCE,
    constructed, primitive,
};
use super::finding::{At, Findings};
use super::hybrid::{self, Hybrid};
use super::oid;
use super::read::{Extension, Extensions, every};
use super::repeats::Repeats;
use super::rules::{der, extensions as rules};
use super::usage::{DECIPHER_ONLY, ENCIPHER_ONLY, KEY_AGREEMENT, named_bits};

/// What the extensions say.
#[derive(Debug, Default)]
pub(super) struct Facts<'a> {
    pub(super) usage: Option<u16>,
    pub(super) authority: bool,
    pub(super) path_len: Option<&'a [u8]>,
    /// Content octets of the purposes' OIDs.
    pub(super) purposes: Option<Vec<&'a [u8]>>,
    pub(super) names: Option<Vec<AltName<'a>>>,
    pub(super) key_identifier: Option<&'a [u8]>,
    pub(super) issuer_identifier: Option<IssuerIdentifier<'a>>,
    pub(super) hybrid: Hybrid<'a>,
}

/// An AuthorityKeyIdentifier.
#[derive(Clone, Copy, Debug)]
pub(super) struct IssuerIdentifier<'a> {
    pub(super) key: Option<&'a [u8]>,
    /// Whether it has nothing else.
    pub(super) alone: bool,
}

/// Checks each extension by itself.
pub(super) fn check<'a>(
    extensions: &Extensions<'a>,
    has_subject: bool,
    findings: &mut Findings,
) -> Facts<'a> {
    let mut facts = Facts::default();
    inventory(extensions, findings);
    for extension in &extensions.list {
        if oid::extension_name(extension.oid).is_none() {
            findings.require(
                !extension.is_critical(),
                &rules::UNKNOWN_CRITICAL,
                extension.at(),
                "it is critical, and not known here",
            );
            continue;
        }
        let read = extension.inner().and_then(|value| {
            super::element::check(&value, findings);
            content(extension, value, &mut facts, findings)
        });
        if let Err(problem) = read {
            // What is not even DER has been named already.
            let at = At {
                offset: Some(problem.offset),
                ..extension.at()
            };
            findings.add(problem.rule.unwrap_or(&rules::VALUE), at, problem.detail);
        }
        criticality(extension, &facts, has_subject, findings);
    }
    facts
}

/// Each extension once, and a list that is not empty.
pub(super) fn inventory(extensions: &Extensions<'_>, findings: &mut Findings) {
    if let Some(list) = extensions.element
        && extensions.list.is_empty()
    {
        findings.add(
            &rules::NONE,
            At::field("extensions", list.offset),
            "the list is empty",
        );
    }
    let mut seen = Repeats::new();
    for extension in &extensions.list {
        findings.require(
            !seen.repeats(extension.oid),
            &rules::DUPLICATE,
            extension.at(),
            "it stands a second time",
        );
        findings.require(
            extension.critical != Some(false),
            &der::DEFAULT,
            extension.at(),
            "it spells out that it is not critical",
        );
    }
}

fn criticality(extension: &Extension<'_>, facts: &Facts<'_>, has_subject: bool, findings: &mut Findings) {
    let (rule, wanted, section) = match extension.oid {
        oid::NAME_CONSTRAINTS => (&rules::MUST_BE_CRITICAL, true, "4.2.1.10"),
        oid::POLICY_CONSTRAINTS => (&rules::MUST_BE_CRITICAL, true, "4.2.1.11"),
        oid::INHIBIT_ANY_POLICY => (&rules::MUST_BE_CRITICAL, true, "4.2.1.14"),
        oid::BASIC_CONSTRAINTS if facts.authority => (&rules::MUST_BE_CRITICAL, true, "4.2.1.9"),
        oid::AUTHORITY_KEY_IDENTIFIER => (&rules::MUST_NOT_BE_CRITICAL, false, "4.2.1.1"),
        oid::SUBJECT_KEY_IDENTIFIER => (&rules::MUST_NOT_BE_CRITICAL, false, "4.2.1.2"),
        oid::SUBJECT_DIRECTORY_ATTRIBUTES => (&rules::MUST_NOT_BE_CRITICAL, false, "4.2.1.8"),
        oid::FRESHEST_CRL => (&rules::MUST_NOT_BE_CRITICAL, false, "4.2.1.15"),
        oid::AUTHORITY_INFO_ACCESS => (&rules::MUST_NOT_BE_CRITICAL, false, "4.2.2.1"),
        oid::SUBJECT_INFO_ACCESS => (&rules::MUST_NOT_BE_CRITICAL, false, "4.2.2.2"),
        oid::KEY_USAGE => (&rules::SHOULD_BE_CRITICAL, true, "4.2.1.3"),
        oid::POLICY_MAPPINGS => (&rules::SHOULD_BE_CRITICAL, true, "4.2.1.5"),
        oid::ISSUER_ALT_NAME => (&rules::SHOULD_NOT_BE_CRITICAL, false, "4.2.1.7"),
        oid::CRL_DISTRIBUTION_POINTS => (&rules::SHOULD_NOT_BE_CRITICAL, false, "4.2.1.13"),
        oid::SUBJECT_ALT_NAME if has_subject => (&rules::SHOULD_NOT_BE_CRITICAL, false, "4.2.1.6"),
        _ => return,
    };
    findings.require(
        extension.is_critical() == wanted,
        rule,
        extension.at(),
        format_args!("section {section} wants it otherwise"),
    );
}

/// Reads the value of a known extension.
fn content<'a>(
    extension: &Extension<'a>,
    value: Element<'a>,
    facts: &mut Facts<'a>,
    findings: &mut Findings,
) -> Result<(), Problem> {
    let at = extension.at();
    match extension.oid {
        oid::KEY_USAGE => {
            facts.usage = Some(key_usage(value.expect(BIT_STRING)?, at, findings));
        }
        oid::BASIC_CONSTRAINTS => basic_constraints(value, at, facts, findings)?,
        oid::EXT_KEY_USAGE => {
            let purposes = every(value.fields_of(SEQUENCE)?, |purpose| {
                purpose.expect(OBJECT_IDENTIFIER).map(|purpose| purpose.content)
            })?;
            ext_key_usage(&purposes, extension, findings);
            facts.purposes = Some(purposes);
        }
        oid::SUBJECT_KEY_IDENTIFIER => {
            let id = value.expect(OCTET_STRING)?.content;
            findings.require(!id.is_empty(), &rules::SKI_EMPTY, at, "it has no bytes");
            facts.key_identifier = Some(id);
        }
        oid::AUTHORITY_KEY_IDENTIFIER => {
            facts.issuer_identifier = Some(issuer_identifier(value, at, findings)?);
        }
        oid::SUBJECT_ALT_NAME => facts.names = Some(alt_names::check(value, at, findings)?),
        oid::ISSUER_ALT_NAME => drop(alt_names::check(value, at, findings)?),
        oid::NAME_CONSTRAINTS => name_constraints(value, at, findings)?,
        oid::POLICY_CONSTRAINTS => {
            let fields = value.fields_of(SEQUENCE)?;
            findings.require(!fields.is_empty(), &rules::PC_EMPTY, at, "it is empty");
        }
        oid::INHIBIT_ANY_POLICY => drop(value.expect(INTEGER)?),
        oid::CERTIFICATE_POLICIES => policies(value, at, findings)?,
        oid::CRL_DISTRIBUTION_POINTS | oid::FRESHEST_CRL => {
            let points = every(value.fields_of(SEQUENCE)?, |point| point.expect(SEQUENCE))?;
            findings.require(!points.is_empty(), &rules::VALUE, at, "there are no points");
            for point in points {
                // Only [1], the reasons, or nothing at all.
                let says = point.children().any(|field| field.tag != primitive(1));
                findings.require(says, &rules::CRLDP, at, "a point has no name and no issuer");
            }
        }
        oid::AUTHORITY_INFO_ACCESS | oid::SUBJECT_INFO_ACCESS => {
            let descriptions = every(value.fields_of(SEQUENCE)?, |description| {
                description.fields_of(SEQUENCE)?.expect(OBJECT_IDENTIFIER)
            })?;
            findings.require(!descriptions.is_empty(), &rules::ACCESS_EMPTY, at, "it is empty");
        }
        _ => hybrid::read(extension, value, &mut facts.hybrid, findings)?,
    }
    Ok(())
}

fn key_usage(value: Element<'_>, at: At<'_>, findings: &mut Findings) -> u16 {
    let (usage, minimal) = named_bits(value.content);
    findings.require(minimal, &der::NAMED_BITS, at, "it has trailing zero bits");
    findings.require(usage != 0, &rules::KU_EMPTY, at, "it allows nothing");
    findings.require(
        usage & (ENCIPHER_ONLY | DECIPHER_ONLY) == 0 || usage & KEY_AGREEMENT != 0,
        &rules::KU_ONLY,
        at,
        "there is no keyAgreement that they would limit",
    );
    usage
}

fn basic_constraints<'a>(
    value: Element<'a>,
    at: At<'_>,
    facts: &mut Facts<'a>,
    findings: &mut Findings,
) -> Result<(), Problem> {
    let mut fields = value.fields_of(SEQUENCE)?;
    if let Some(authority) = fields.optional(BOOLEAN)? {
        facts.authority = authority.content != [0];
        findings.require(
            facts.authority,
            &der::DEFAULT,
            at,
            "it spells out that cA is false",
        );
    }
    facts.path_len = fields.optional(INTEGER)?.map(|len| len.content);
    fields.end()?;
    let negative = facts
        .path_len
        .and_then(<[u8]>::first)
        .is_some_and(|first| first & 0x80 != 0);
    findings.require(!negative, &rules::VALUE, at, "the path length is negative");
    findings.require(
        facts.path_len.is_none() || facts.authority,
        &rules::PATH_LEN,
        at,
        "there is a path length without cA",
    );
    Ok(())
}

fn ext_key_usage(purposes: &[&[u8]], extension: &Extension<'_>, findings: &mut Findings) {
    let at = extension.at();
    findings.require(!purposes.is_empty(), &rules::EKU_EMPTY, at, "it names none");
    let mut seen = Repeats::new();
    for purpose in purposes {
        findings.require(
            !seen.repeats(purpose),
            &rules::EKU_TWICE,
            at,
            format_args!("{} stands a second time", oid::Dotted(purpose)),
        );
    }
    findings.require(
        !extension.is_critical() || !purposes.contains(&oid::ANY_EXT_KEY_USAGE),
        &rules::EKU_ANY,
        at,
        "it is critical and for anything",
    );
}

pub(super) fn issuer_identifier<'a>(
    value: Element<'a>,
    at: At<'_>,
    findings: &mut Findings,
) -> Result<IssuerIdentifier<'a>, Problem> {
    let mut fields = value.fields_of(SEQUENCE)?;
    let key = fields.optional(primitive(0))?.map(|key| key.content);
    let issuer = fields.optional(constructed(1))?;
    let serial = fields.optional(primitive(2))?;
    fields.end()?;
    findings.require(key.is_some(), &rules::AKI_KEY, at, "it has none");
    findings.require(
        issuer.is_some() == serial.is_some(),
        &rules::AKI_PAIR,
        at,
        "there is one without the other",
    );
    Ok(IssuerIdentifier {
        key,
        alone: issuer.is_none() && serial.is_none(),
    })
}

fn name_constraints(value: Element<'_>, at: At<'_>, findings: &mut Findings) -> Result<(), Problem> {
    let mut fields = value.fields_of(SEQUENCE)?;
    let trees = [fields.optional(constructed(0))?, fields.optional(constructed(1))?];
    fields.end()?;
    let subtrees: Vec<Fields<'_>> = trees.iter().flatten().map(Element::fields).collect();
    findings.require(
        subtrees.iter().any(|trees| !trees.is_empty()),
        &rules::NC_EMPTY,
        at,
        "they do neither",
    );
    for trees in subtrees {
        for subtree in every(trees, |subtree| subtree.expect(SEQUENCE))? {
            let mut fields = subtree.fields();
            fields.next()?;
            findings.require(
                fields.is_empty(),
                &rules::NC_BOUNDS,
                At {
                    offset: Some(subtree.offset),
                    ..at
                },
                "a subtree has them",
            );
        }
    }
    Ok(())
}

fn policies(value: Element<'_>, at: At<'_>, findings: &mut Findings) -> Result<(), Problem> {
    let policies = every(value.fields_of(SEQUENCE)?, |policy| {
        policy.fields_of(SEQUENCE)?.expect(OBJECT_IDENTIFIER)
    })?;
    findings.require(!policies.is_empty(), &rules::VALUE, at, "there are no policies");
    let mut seen = Repeats::new();
    for policy in &policies {
        findings.require(
            !seen.repeats(policy.content),
            &rules::POLICY_TWICE,
            at,
            format_args!("{} stands a second time", oid::Dotted(policy.content)),
        );
    }
    Ok(())
}
