//! PKCS#7 and CMS (RFC 5652): certificates and revocation lists in it, how it is signed, how it is encrypted.

use std::borrow::Cow;

use symbolon_crypto::digest::sha256;

use super::asn1::{self, Element, INTEGER, OCTET_STRING, Reader, SEQUENCE, SET};
use super::spki::Identifier;
use super::x509;
use crate::algorithm::{Function, oid};
use crate::inventory::{Asset, AssetId, Detail, Fragment, MaterialDetail, Occurrence, Role};

pub(crate) const DATA: &str = "1.2.840.113549.1.7.1";
pub(crate) const SIGNED_DATA: &str = "1.2.840.113549.1.7.2";
pub(crate) const ENVELOPED_DATA: &str = "1.2.840.113549.1.7.3";
pub(crate) const ENCRYPTED_DATA: &str = "1.2.840.113549.1.7.6";
const AUTH_ENVELOPED_DATA: &str = "1.2.840.113549.1.9.16.1.23";
const DIGESTED_DATA: &str = "1.2.840.113549.1.7.5";

/// Most certificates, signers or recipients of one message.
const MAX_PARTS: usize = 10_000;

/// Adds a message. `None` when it is none.
pub(crate) fn read(der: &[u8], here: Occurrence, found: &mut Fragment) -> Option<AssetId> {
    let whole = asn1::element(der).filter(|element| element.tag == SEQUENCE)?;
    let mut inside = whole.inside();
    let kind = inside.oid()?;
    let mut content = inside.enter(asn1::context(0))?.enter(SEQUENCE)?;
    let what = match kind.as_str() {
        SIGNED_DATA => "signed message",
        ENVELOPED_DATA | AUTH_ENVELOPED_DATA => "enveloped message",
        ENCRYPTED_DATA => "encrypted message",
        DIGESTED_DATA => "digested message",
        _ => return None,
    };
    content.number()?;
    let detail = MaterialDetail {
        material: if kind == SIGNED_DATA {
            "signature"
        } else {
            "ciphertext"
        }
        .to_owned(),
        what: format!("PKCS#7 {what}"),
        format: Some("PKCS#7".to_owned()),
        ..MaterialDetail::default()
    };
    let name = detail.what.clone();
    let asset = Asset::new(name, Detail::Material(Box::new(detail)), &[&sha256(whole.whole)]);
    let id = found.add(asset.seen(here.clone()));
    match kind.as_str() {
        SIGNED_DATA => signed(content, &id, &here, found),
        DIGESTED_DATA => {
            if let Some(digest) = Identifier::read(&mut content) {
                uses(&digest.oid, &[Function::Digest], Role::Uses, &id, &here, found);
            }
        }
        _ => encrypted(content, &id, &here, found),
    }
    Some(id)
}

fn signed(mut content: Reader<'_>, id: &AssetId, here: &Occurrence, found: &mut Fragment) {
    let digests = content
        .enter(SET)
        .into_iter()
        .flat_map(Reader::each)
        .take(MAX_PARTS);
    for digest in digests.filter_map(|element| identifier(&element)) {
        uses(&digest.oid, &[Function::Digest], Role::Uses, id, here, found);
    }
    content.optional(SEQUENCE); // what is signed
    for element in content.each() {
        match element.tag {
            tag if tag == asn1::context(0) => {
                for certificate in element
                    .inside()
                    .each()
                    .filter(|part| part.tag == SEQUENCE)
                    .take(MAX_PARTS)
                {
                    if let Some(certificate) = x509::certificate(certificate.whole, here.clone(), found) {
                        found.connect(id, Role::Contains, &certificate);
                    }
                }
            }
            tag if tag == asn1::context(1) => {
                for list in element
                    .inside()
                    .each()
                    .filter(|part| part.tag == SEQUENCE)
                    .take(MAX_PARTS)
                {
                    if let Some(list) = x509::revocation_list(list.whole, here.clone(), found) {
                        found.connect(id, Role::Contains, &list);
                    }
                }
            }
            SET => {
                for signer in element.inside().each().take(MAX_PARTS) {
                    if let Some(algorithm) = signature_of(&signer) {
                        let algorithm = found.algorithm(algorithm, here.clone());
                        found.connect(id, Role::SignedWith, &algorithm);
                    }
                }
            }
            _ => {}
        }
    }
}

/// A SignerInfo's algorithm: with the older RSA identifier, the digest says the rest.
fn signature_of(signer: &Element<'_>) -> Option<crate::algorithm::Algorithm> {
    let mut inside = signer.inside();
    inside.body(INTEGER)?;
    inside.element()?; // who signed
    let digest = Identifier::read(&mut inside)?;
    inside.optional(asn1::context(0));
    let signature = Identifier::read(&mut inside)?;
    if signature.oid == "1.2.840.113549.1.1.1" {
        let digest = oid::algorithm(&digest.oid).name;
        let named = crate::algorithm::Algorithm::named(&format!("RSA-PKCS1-1.5-{digest}"));
        return Some(named.used_to(&[Function::Verify]));
    }
    Some(signature.signature_algorithm())
}

fn encrypted(content: Reader<'_>, id: &AssetId, here: &Occurrence, found: &mut Fragment) {
    for element in content.each().take(MAX_PARTS) {
        match element.tag {
            SET => {
                for recipient in element.inside().each().take(MAX_PARTS) {
                    if let Some(oid) = key_encryption(&recipient) {
                        uses(&oid, &[Function::Decrypt], Role::Uses, id, here, found);
                    }
                }
            }
            // EncryptedContentInfo: type, algorithm, content.
            SEQUENCE => {
                let mut inside = element.inside();
                if inside.oid().is_some()
                    && let Some(cipher) = Identifier::read(&mut inside)
                {
                    uses(
                        &cipher.oid,
                        &[Function::Decrypt],
                        Role::ProtectedBy,
                        id,
                        here,
                        found,
                    );
                }
            }
            _ => {}
        }
    }
}

/// The algorithm with which a RecipientInfo encrypts the key (RFC 5652 §6.2), or the KEM of RFC 9629's.
fn key_encryption(recipient: &Element<'_>) -> Option<String> {
    let mut inside = recipient.inside();
    match recipient.tag {
        SEQUENCE => {
            inside.number()?;
            inside.element()?;
            Some(Identifier::read(&mut inside)?.oid)
        }
        // Key agreement: version, originator, perhaps key material, algorithm.
        tag if tag == asn1::context(1) => {
            let mut list = inside.each().filter(|element| element.tag == SEQUENCE);
            list.find_map(|element| identifier(&element))
                .map(|identifier| identifier.oid)
        }
        // Password and key-encryption keys: perhaps a derivation first.
        tag if tag == asn1::context(2) || tag == asn1::context(3) => {
            let mut list = inside.each().filter(|element| element.tag == SEQUENCE);
            list.find_map(|element| identifier(&element))
                .map(|identifier| identifier.oid)
        }
        // OtherRecipientInfo: id-ori-kem, then version, recipient, KEM.
        tag if tag == asn1::context(4) => {
            (inside.oid()? == "1.2.840.113549.1.9.16.13.3").then_some(())?;
            let mut kem = inside.enter(SEQUENCE)?;
            kem.number()?;
            kem.element()?;
            Some(Identifier::read(&mut kem)?.oid)
        }
        _ => None,
    }
}

fn identifier<'a>(element: &Element<'a>) -> Option<Identifier<'a>> {
    Identifier::read(&mut Reader::new(element.whole))
}

pub(crate) fn uses(
    oid: &str,
    functions: &[Function],
    role: Role,
    id: &AssetId,
    here: &Occurrence,
    found: &mut Fragment,
) {
    let algorithm = found.algorithm(oid::algorithm(oid).used_to(functions), here.clone());
    found.connect(id, role, &algorithm);
}

/// A ContentInfo, as PKCS#12 nests them.
pub(crate) struct Info<'a> {
    pub(crate) kind: String,
    /// The content, if it is of type data.
    pub(crate) octets: Option<Cow<'a, [u8]>>,
    /// The explicit tag with whatever is in it.
    pub(crate) content: Element<'a>,
}

impl<'a> Info<'a> {
    pub(crate) fn read(info: &Element<'a>) -> Option<Self> {
        let mut inside = info.inside();
        let kind = inside.oid()?;
        let content = inside.optional(asn1::context(0))?;
        let octets = (kind == DATA).then(|| content.inside().element()).flatten();
        let octets = octets
            .filter(|element| element.tag & 0x1f == OCTET_STRING)
            .map(|element| element.octets());
        Some(Self {
            kind,
            octets,
            content,
        })
    }
}
