//! X.509 certificates, requests and revocation lists, by their identifiers alone: what nobody here can verify is
//! inventoried all the same.

use std::collections::BTreeSet;

use symbolon_crypto::digest::sha256;

use super::asn1::{self, BIT_STRING, BOOLEAN, Element, INTEGER, OCTET_STRING, Reader, SEQUENCE};
use super::names;
use super::spki::{self, Identifier};
use crate::inventory::{
    Asset, AssetId, CertificateDetail, Detail, Fragment, MaterialDetail, Occurrence, Reason, Role,
};

/// Most extensions looked at.
const MAX_EXTENSIONS: usize = 256;

/// Adds a DER certificate with its key and its algorithms; bytes after it are ignored. `None`, and a note of what
/// could not be read, when it is none.
pub fn certificate(der: &[u8], here: Occurrence, found: &mut Fragment) -> Option<AssetId> {
    let Some(read) = Certificate::read(der) else {
        found.unread(Reason::Malformed, here.line, "a certificate that is not X.509");
        return None;
    };
    Some(read.add(here, found))
}

/// Whether these bytes begin with something of a certificate's shape.
pub(crate) fn is_certificate(der: &[u8]) -> bool {
    Certificate::read(der).is_some()
}

/// A certificate, taken apart.
#[derive(Debug)]
struct Certificate<'a> {
    whole: &'a [u8],
    serial: &'a [u8],
    signature: Identifier<'a>,
    issuer: &'a [u8],
    not_before: Option<String>,
    not_after: Option<String>,
    subject: &'a [u8],
    key: spki::PublicKey,
    extensions: Vec<(String, Element<'a>)>,
}

impl<'a> Certificate<'a> {
    fn read(der: &'a [u8]) -> Option<Self> {
        let whole = asn1::element(der).filter(|element| element.tag == SEQUENCE)?;
        let mut outer = whole.inside();
        let mut tbs = outer.enter(SEQUENCE)?;
        tbs.optional(asn1::context(0));
        let serial = tbs.body(INTEGER)?;
        Identifier::read(&mut tbs)?;
        let issuer = tbs.body(SEQUENCE)?;
        let mut validity = tbs.enter(SEQUENCE)?;
        let (not_before, not_after) = (validity.element()?, validity.element()?);
        let subject = tbs.body(SEQUENCE)?;
        let key = spki::read(tbs.optional(SEQUENCE)?.whole)?;
        let signature = Identifier::read(&mut outer)?;
        outer.body(BIT_STRING)?;
        let extensions = tbs.each().find(|element| element.tag == asn1::context(3));
        Some(Self {
            whole: whole.whole,
            serial,
            signature,
            issuer,
            not_before: asn1::time(&not_before),
            not_after: asn1::time(&not_after),
            subject,
            key,
            extensions: extensions
                .map(|element| read_extensions(element.inside()))
                .unwrap_or_default(),
        })
    }

    fn extension(&self, oid: &str) -> Option<Element<'a>> {
        self.extensions
            .iter()
            .find(|(known, _)| known == oid)
            .map(|(_, value)| *value)
    }

    fn detail(&self) -> CertificateDetail {
        let mut usages = BTreeSet::new();
        if let Some(bits) = self.extension("2.5.29.15") {
            usages.extend(key_usages(bits.body).map(str::to_owned));
        }
        if let Some(list) = self.extension("2.5.29.37") {
            let purposes = Reader::new(list.body).enter(SEQUENCE);
            usages.extend(
                purposes
                    .into_iter()
                    .flat_map(Reader::each)
                    .filter_map(|element| purpose(&element)),
            );
        }
        CertificateDetail {
            sha256: hex::encode(sha256(self.whole)),
            subject: names::distinguished(self.subject),
            issuer: names::distinguished(self.issuer),
            serial: hex::encode(self.serial.get(..64).unwrap_or(self.serial)),
            not_before: self.not_before.clone(),
            not_after: self.not_after.clone(),
            format: "X.509".to_owned(),
            authority: self
                .extension("2.5.29.19")
                .is_some_and(|value| is_authority(value.body)),
            subject_key_id: self
                .extension("2.5.29.14")
                .and_then(|value| Reader::new(value.body).body(OCTET_STRING))
                .map(hex::encode),
            authority_key_id: self
                .extension("2.5.29.35")
                .and_then(|value| Reader::new(value.body).enter(SEQUENCE)?.body(asn1::primitive(0)))
                .map(hex::encode),
            names: self
                .extension("2.5.29.17")
                .map(|value| names::alternative(value.body).into_iter().collect())
                .unwrap_or_default(),
            usages,
        }
    }

    fn add(&self, here: Occurrence, found: &mut Fragment) -> AssetId {
        let key = self.key.add("SPKI", here.clone(), found);
        let detail = self.detail();
        let id = found.certificate(detail, self.signature.signature_algorithm(), &key, here.clone());
        // X.509 (2019) clause 9.8: the alternative key and signature of a catalyst certificate.
        if let Some(alternative) = self
            .extension("2.5.29.72")
            .and_then(|value| spki::read(value.body))
        {
            let key = alternative.add("SPKI", here.clone(), found);
            found.connect(&id, Role::Certifies, &key);
        }
        if let Some(value) = self.extension("2.5.29.73")
            && let Some(identifier) = Identifier::read(&mut Reader::new(value.body))
        {
            let algorithm = found.algorithm(identifier.signature_algorithm(), here);
            found.connect(&id, Role::SignedWith, &algorithm);
        }
        id
    }
}

fn read_extensions(mut reader: Reader<'_>) -> Vec<(String, Element<'_>)> {
    let list = reader
        .enter(SEQUENCE)
        .into_iter()
        .flat_map(Reader::each)
        .take(MAX_EXTENSIONS);
    list.filter_map(|extension| {
        let mut inside = extension.inside();
        let oid = inside.oid()?;
        inside.optional(BOOLEAN);
        Some((oid, inside.optional(OCTET_STRING)?))
    })
    .collect()
}

fn is_authority(constraints: &[u8]) -> bool {
    let ca = Reader::new(constraints)
        .enter(SEQUENCE)
        .and_then(|mut inside| inside.body(BOOLEAN));
    ca.is_some_and(|value| value.iter().any(|byte| *byte != 0))
}

/// RFC 5280 §4.2.1.3, from bit 0 on.
fn key_usages(bits: &[u8]) -> impl Iterator<Item = &'static str> {
    const NAMES: [&str; 9] = [
        "digitalSignature",
        "nonRepudiation",
        "keyEncipherment",
        "dataEncipherment",
        "keyAgreement",
        "keyCertSign",
        "cRLSign",
        "encipherOnly",
        "decipherOnly",
    ];
    let bytes = Reader::new(bits)
        .body(BIT_STRING)
        .and_then(|body| body.get(1..))
        .unwrap_or_default();
    NAMES.into_iter().enumerate().filter_map(move |(bit, name)| {
        bytes
            .get(bit / 8)
            .is_some_and(|byte| byte << (bit % 8) & 0x80 != 0)
            .then_some(name)
    })
}

fn purpose(element: &Element<'_>) -> Option<String> {
    let oid = asn1::dotted(element.body)?;
    let known = match oid.as_str() {
        "1.3.6.1.5.5.7.3.1" => "serverAuth",
        "1.3.6.1.5.5.7.3.2" => "clientAuth",
        "1.3.6.1.5.5.7.3.3" => "codeSigning",
        "1.3.6.1.5.5.7.3.4" => "emailProtection",
        "1.3.6.1.5.5.7.3.8" => "timeStamping",
        "1.3.6.1.5.5.7.3.9" => "OCSPSigning",
        "2.5.29.37.0" => "anyExtendedKeyUsage",
        _ => return Some(oid),
    };
    Some(known.to_owned())
}

/// Adds a PKCS#10 request (RFC 2986) with its key and its signature's algorithm. `None` when it is none.
pub(crate) fn request(der: &[u8], here: Occurrence, found: &mut Fragment) -> Option<AssetId> {
    let whole = asn1::element(der).filter(|element| element.tag == SEQUENCE)?;
    let mut outer = whole.inside();
    let mut info = outer.enter(SEQUENCE)?;
    info.number()?;
    let subject = names::distinguished(info.body(SEQUENCE)?);
    let key = spki::read(info.optional(SEQUENCE)?.whole)?;
    info.optional(asn1::context(0));
    let signature = Identifier::read(&mut outer)?;
    outer.body(BIT_STRING)?;
    let detail = MaterialDetail {
        material: "other".to_owned(),
        what: "certificate signing request".to_owned(),
        format: Some("PKCS#10".to_owned()),
        ..MaterialDetail::default()
    };
    let name = format!("certificate signing request {subject}");
    let asset = Asset::new(name, Detail::Material(Box::new(detail)), &[&sha256(whole.whole)]);
    let id = found.add(asset.seen(here.clone()));
    let key = key.add("SPKI", here.clone(), found);
    found.connect(&id, Role::Certifies, &key);
    let algorithm = found.algorithm(signature.signature_algorithm(), here);
    found.connect(&id, Role::SignedWith, &algorithm);
    Some(id)
}

/// Adds a revocation list (RFC 5280 §5) with its signature's algorithm. `None` when it is none.
pub(crate) fn revocation_list(der: &[u8], here: Occurrence, found: &mut Fragment) -> Option<AssetId> {
    let whole = asn1::element(der).filter(|element| element.tag == SEQUENCE)?;
    let mut outer = whole.inside();
    let mut list = outer.enter(SEQUENCE)?;
    list.optional(INTEGER);
    Identifier::read(&mut list)?;
    let issuer = names::distinguished(list.body(SEQUENCE)?);
    let this_update = asn1::time(&list.element()?)?;
    let next_update = match list.peek() {
        Some(0x17 | 0x18) => list.element().and_then(|element| asn1::time(&element)),
        _ => None,
    };
    let revoked = match list.peek() {
        Some(SEQUENCE) => list.enter(SEQUENCE).map_or(0, |entries| entries.each().count()),
        _ => 0,
    };
    let signature = Identifier::read(&mut outer)?;
    outer.body(BIT_STRING)?;
    let detail = MaterialDetail {
        material: "other".to_owned(),
        what: "certificate revocation list".to_owned(),
        format: Some("X.509 CRL".to_owned()),
        activation: Some(this_update),
        expiration: next_update,
    };
    let name = format!("certificate revocation list of {issuer}");
    let asset = Asset::new(name, Detail::Material(Box::new(detail)), &[&sha256(whole.whole)])
        .fact("issuer", issuer)
        .fact("revoked", revoked.to_string());
    let id = found.add(asset.seen(here.clone()));
    let algorithm = found.algorithm(signature.signature_algorithm(), here);
    found.connect(&id, Role::SignedWith, &algorithm);
    Some(id)
}
