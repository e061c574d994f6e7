//! What stands beside the key: an alternative key with the algorithm of the alternative signature, or a link to the first
//! certificate of a pair. The alternative signature itself is not there yet when the lint is run.

use der::asn1::{AnyRef, ObjectIdentifier, OctetStringRef};
use der::{Decode, Error, Tag};
use symbolon_crypto::digest;
use symbolon_pki::suite::Family;

use super::extensions::{ALTERNATIVE_ALGORITHM, ALTERNATIVE_KEY, RELATED_CERTIFICATE};
use super::keys::{self, is_signature_algorithm};
use super::read::{Algorithm, Tbs, sequence};
use super::{Expected, Findings, Issuer, Rule};

const SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const SHA_384: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2");
const SHA_512: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.3");

pub(super) fn check(tbs: &Tbs<'_>, expected: &Expected<'_>, findings: &mut Findings) {
    let value = |oid: ObjectIdentifier| {
        tbs.extensions
            .iter()
            .find(|extension| extension.oid == oid.as_bytes())
            .map(|extension| extension.value)
    };
    // That each is there, once and not critical is looked after with the other extensions.
    if let Some(spki) = value(ALTERNATIVE_KEY) {
        alternative_key(spki, expected, findings);
    }
    if let Some(algorithm) = value(ALTERNATIVE_ALGORITHM) {
        alternative_algorithm(algorithm, expected, findings);
    }
    if let Some(link) = value(RELATED_CERTIFICATE) {
        related(link, expected, findings);
    }
}

fn alternative_key(spki: &[u8], expected: &Expected<'_>, findings: &mut Findings) {
    findings.require(
        expected.alternative_spki == Some(spki),
        Rule::AlternativeKey,
        "it is not the alternative key asked for",
    );
    let key = match keys::read(spki) {
        Ok((algorithm, bits)) => keys::identify(&algorithm, bits),
        Err(error) => return findings.add(Rule::AlternativeKey, format_args!("it cannot be read: {error}")),
    };
    let Some(key) = key.filter(|key| key.family == Family::MlDsa) else {
        return findings.add(Rule::AlternativeKey, "it is no ML-DSA key");
    };
    keys::size(&key, findings);
    if let Issuer::Authority(authority) = expected.issuer {
        let issuers = authority
            .alternative()
            .map(|signer| signer.public_key().as_bytes());
        findings.require(
            issuers != Some(key.bits),
            Rule::KeyReuse,
            "the alternative key is the issuer's too",
        );
    }
}

fn alternative_algorithm(der: &[u8], expected: &Expected<'_>, findings: &mut Findings) {
    let named = AnyRef::from_der(der).and_then(Algorithm::read);
    let right = match (named, expected.issuer.alternative()) {
        (Ok(algorithm), Some(suite)) => is_signature_algorithm(suite, &algorithm),
        _ => false,
    };
    findings.require(
        right,
        Rule::AlternativeAlgorithm,
        "it is not that of the authority's alternative key",
    );
}

fn related(link: &[u8], expected: &Expected<'_>, findings: &mut Findings) {
    findings.require(
        !expected.profile.is_authority(),
        Rule::RelatedCertificate,
        "only leaves are paired",
    );
    let (oid, hash) = match read_link(link) {
        Ok(link) => link,
        Err(error) => {
            return findings.add(
                Rule::RelatedCertificate,
                format_args!("it cannot be read: {error}"),
            );
        }
    };
    let first = expected.related.unwrap_or_default();
    let due = match oid {
        SHA_256 => digest::sha256(first).to_vec(),
        SHA_384 => digest::sha384(first).to_vec(),
        SHA_512 => digest::sha512(first).to_vec(),
        _ => Vec::new(),
    };
    findings.require(
        !due.is_empty() && due == hash,
        Rule::RelatedCertificate,
        "it is not the hash of the certificate to be paired with",
    );
}

fn read_link(der: &[u8]) -> Result<(ObjectIdentifier, &[u8]), Error> {
    sequence(AnyRef::from_der(der)?, |fields| {
        let algorithm = Algorithm::read(AnyRef::decode(fields)?)?;
        if algorithm.parameters.is_some() {
            return Err(Tag::Null.value_error().into());
        }
        let hash = <&OctetStringRef>::decode(fields)?.as_bytes();
        Ok((ObjectIdentifier::from_bytes(algorithm.oid)?, hash))
    })
}
