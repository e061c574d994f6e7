//! What X509-SVID demands of leaves and of authorities.

use spiffe::SpiffeId;

use super::Role;
use super::alt_names::{AltName, URI};
use super::certificate::Judged;
use super::finding::{At, Findings};
use super::oid;
use super::rules::spiffe as rules;
use super::usage::{CRL_SIGN, DIGITAL_SIGNATURE, KEY_CERT_SIGN, Names};
use crate::profile::MAX_SPIFFE_ID_LEN;

pub(super) fn check(judged: &Judged<'_>, findings: &mut Findings) {
    let authority = match judged.role {
        Role::Other => return,
        Role::Leaf => false,
        Role::Authority => true,
    };
    let says = &judged.says;
    findings.require(
        says.authority == authority,
        &rules::BASIC_CONSTRAINTS,
        at(judged, oid::BASIC_CONSTRAINTS, "extensions.basicConstraints"),
        format_args!("cA is {}", says.authority),
    );
    identity(judged, authority, findings);
    usage(judged, authority, findings);
    if authority {
        return;
    }
    let purposes = at(judged, oid::EXT_KEY_USAGE, "extensions.extKeyUsage");
    match &says.purposes {
        Some(found) => findings.require(
            found.contains(&oid::SERVER_AUTH) && found.contains(&oid::CLIENT_AUTH),
            &rules::EKU,
            purposes,
            "it does not have both",
        ),
        None if judged.certificate.extensions.find(oid::EXT_KEY_USAGE).is_none() => {
            findings.add(&rules::EKU_MISSING, purposes, "it is missing");
        }
        None => {}
    }
}

fn identity(judged: &Judged<'_>, authority: bool, findings: &mut Findings) {
    let at = at(judged, oid::SUBJECT_ALT_NAME, "extensions.subjectAltName");
    let none = Vec::new();
    let names = judged.says.names.as_ref().unwrap_or(&none);
    let uris: Vec<&AltName<'_>> = names.iter().filter(|name| name.tag == URI).collect();
    let uri = match uris.as_slice() {
        [] if authority => return findings.add(&rules::AUTHORITY_ID, at, "it has no URI"),
        [uri] => uri.text(),
        _ => return findings.add(&rules::ONE_URI, at, format_args!("there are {}", uris.len())),
    };
    findings.require(
        uri.len() <= MAX_SPIFFE_ID_LEN,
        &rules::ID_LENGTH,
        at,
        format_args!("it has {} bytes", uri.len()),
    );
    match SpiffeId::new(uri) {
        // Whoever reads it leniently has another identity than whoever compares the text.
        Ok(id) if id.to_string() != uri => {
            findings.add(
                &rules::ID,
                at,
                format_args!("{uri:?} would have to be written {id}"),
            );
        }
        Ok(id) if authority => findings.require(
            id.path().is_empty(),
            &rules::AUTHORITY_PATH,
            at,
            format_args!("{uri} has a path"),
        ),
        Ok(id) => findings.require(
            !id.path().is_empty(),
            &rules::LEAF_PATH,
            at,
            format_args!("{uri} has no path"),
        ),
        Err(error) => findings.add(&rules::ID, at, format_args!("{uri:?} is none: {error}")),
    }
}

fn usage(judged: &Judged<'_>, authority: bool, findings: &mut Findings) {
    let at = at(judged, oid::KEY_USAGE, "extensions.keyUsage");
    let Some(extension) = judged.certificate.extensions.find(oid::KEY_USAGE) else {
        return findings.add(&rules::KEY_USAGE, at, "it is missing");
    };
    findings.require(
        extension.is_critical(),
        &rules::KEY_USAGE,
        at,
        "it is not critical",
    );
    let Some(usage) = judged.says.usage else { return };
    let found = Names(usage);
    if authority {
        let signs = usage & KEY_CERT_SIGN != 0;
        return findings.require(signs, &rules::AUTHORITY_SIGNS, at, format_args!("it has {found}"));
    }
    findings.require(
        usage & DIGITAL_SIGNATURE != 0,
        &rules::LEAF_SIGNS,
        at,
        format_args!("it has {found}"),
    );
    findings.require(
        usage & (KEY_CERT_SIGN | CRL_SIGN) == 0,
        &rules::LEAF_ISSUES,
        at,
        format_args!("it has {found}"),
    );
}

/// Where an extension stands, or would.
pub(super) fn at(judged: &Judged<'_>, oid: &'static [u8], field: &'static str) -> At<'static> {
    let extension = judged.certificate.extensions.find(oid);
    At {
        field,
        oid,
        offset: extension.map(|extension| extension.element.offset),
    }
}
