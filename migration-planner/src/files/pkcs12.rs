//! PKCS#12 (RFC 7292): the structure, what is in the open, and how the rest is encrypted.

use std::borrow::Cow;

use symbolon_crypto::digest::sha256;

use self::passphrase::{Mac, Tried};
use super::asn1::{self, Element, OCTET_STRING, Reader, SEQUENCE, SET};
use super::spki::Identifier;
use super::{keys, names, pkcs7, x509};
use crate::algorithm::{Algorithm, oid};
use crate::inventory::{
    Asset, AssetId, Detail, Fragment, MaterialDetail, Occurrence, Protection, Reason, Role,
};

mod passphrase;
#[cfg(test)]
mod tests;

/// Most bags of one store.
const MAX_BAGS: usize = 10_000;
/// Deepest nesting of bags in bags.
const MAX_DEPTH: usize = 4;

const KEY_BAG: &str = "1.2.840.113549.1.12.10.1.1";
const SHROUDED_KEY_BAG: &str = "1.2.840.113549.1.12.10.1.2";
const CERTIFICATE_BAG: &str = "1.2.840.113549.1.12.10.1.3";
const CRL_BAG: &str = "1.2.840.113549.1.12.10.1.4";
const SECRET_BAG: &str = "1.2.840.113549.1.12.10.1.5";
const NESTED_BAGS: &str = "1.2.840.113549.1.12.10.1.6";

/// Adds a store. `None` when it is none.
pub(crate) fn read(der: &[u8], here: Occurrence, found: &mut Fragment) -> Option<AssetId> {
    let whole = asn1::element(der).filter(|element| element.tag == SEQUENCE)?;
    let mut inside = whole.inside();
    if inside.number()? != 3 {
        return None;
    }
    let auth_safe = inside.optional(SEQUENCE)?;
    let info = pkcs7::Info::read(&auth_safe)?;
    let detail = MaterialDetail {
        material: "other".to_owned(),
        what: "PKCS#12 store".to_owned(),
        format: Some("PKCS#12".to_owned()),
        ..MaterialDetail::default()
    };
    let asset = Asset::new(
        "PKCS#12 store",
        Detail::Material(Box::new(detail)),
        &[&sha256(whole.whole)],
    );
    let mut store = Store {
        here,
        bags: 0,
        is_open: false,
        id: asset.id().clone(),
    };
    found.add(asset.seen(store.here.clone()));
    match inside.enter(SEQUENCE) {
        Some(mac) => store.mac(mac, info.octets.as_deref(), found),
        None => store.not_tried("it has no MAC", found),
    }
    match info.octets {
        Some(content) => store.safes(&content, found),
        None => {
            let what = if info.kind == pkcs7::SIGNED_DATA {
                "signed with a public key"
            } else {
                "of an unknown type"
            };
            found.unread(
                Reason::Unsupported,
                None,
                format!("the content of the PKCS#12 store is {what}"),
            );
        }
    }
    Some(store.id)
}

struct Store {
    here: Occurrence,
    bags: usize,
    /// Whether its MAC is one by the empty passphrase. What is in it may still have been encrypted with another one.
    is_open: bool,
    id: AssetId,
}

impl Store {
    /// MacData: DigestInfo, salt, iterations; or PBMAC1 (RFC 9579).
    fn mac(&mut self, mut mac: Reader<'_>, content: Option<&[u8]>, found: &mut Fragment) {
        let info = mac.enter(SEQUENCE);
        let read = info.and_then(|mut info| Some((Identifier::read(&mut info)?, info)));
        let Some((digest, mut info)) = read else {
            return self.not_tried("its MAC cannot be read", found);
        };
        let name = oid::algorithm(&digest.oid).name;
        let value = info.body(OCTET_STRING).zip(mac.body(OCTET_STRING));
        if let (Some((value, salt)), Some(content)) = (value, content) {
            let mac = Mac {
                hash: &name,
                value,
                salt,
                rounds: match mac.peek() {
                    None => Some(1),
                    Some(_) => mac.number(),
                },
            };
            match passphrase::try_empty(&mac, content, found.stretched()) {
                Tried::Empty => {
                    self.is_open = true;
                    found.note(&self.id, "passphrase", "empty");
                }
                Tried::Other => {}
                Tried::Not(reason) => self.not_tried(&reason, found),
            }
        } else {
            self.not_tried("its MAC or what that is of cannot be read", found);
        }
        let name = if name == "PBMAC1" {
            name
        } else {
            format!("HMAC-{name}")
        };
        let algorithm = found.algorithm(Algorithm::named(&name), self.here.clone());
        found.connect(&self.id, Role::ProtectedBy, &algorithm);
    }

    fn not_tried(&self, reason: &str, found: &mut Fragment) {
        found.note(&self.id, "passphrase", &format!("not tried: {reason}"));
    }

    /// AuthenticatedSafe: a SEQUENCE of ContentInfo.
    fn safes(&mut self, content: &[u8], found: &mut Fragment) {
        let Some(list) = Reader::new(content).enter(SEQUENCE) else {
            return found.unread(Reason::Malformed, None, "the PKCS#12 store's content is damaged");
        };
        for info in list.each().take(MAX_BAGS) {
            match pkcs7::Info::read(&info) {
                Some(pkcs7::Info {
                    octets: Some(content),
                    ..
                }) => self.contents(&content, 0, found),
                Some(info) if info.kind == pkcs7::ENCRYPTED_DATA => {
                    self.encrypted(&info.content, found);
                }
                Some(info) => {
                    let detail = format!("a part of the PKCS#12 store is of type {}", info.kind);
                    found.unread(Reason::Encrypted, None, detail);
                }
                None => found.unread(Reason::Malformed, None, "a part of the PKCS#12 store is damaged"),
            }
        }
    }

    fn encrypted(&self, content: &Element<'_>, found: &mut Fragment) {
        let identifier = content.inside().enter(SEQUENCE).and_then(|mut data| {
            data.number()?;
            let mut info = data.enter(SEQUENCE)?;
            info.oid()?;
            // The identifier's parameters must outlive the readers: they borrow from the whole file.
            Identifier::read(&mut info)
        });
        let Some(identifier) = identifier else {
            return found.unread(
                Reason::Malformed,
                None,
                "an encrypted part of the PKCS#12 store is damaged",
            );
        };
        let words = self.protected_by(&keys::protection(&identifier), found);
        let store = self.words();
        let detail = format!("certificates in the PKCS#12 store{store} are encrypted ({words})");
        found.unread(Reason::Encrypted, None, detail);
    }

    /// What is said of the store wherever something in it is encrypted.
    fn words(&self) -> &'static str {
        match self.is_open {
            true => ", whose MAC is by the empty passphrase,",
            false => "",
        }
    }

    fn protected_by(&self, protection: &Protection, found: &mut Fragment) -> String {
        let Protection::Encrypted { kdf, cipher, .. } = protection else {
            return String::new();
        };
        let names: Vec<&str> = [kdf, cipher].into_iter().flatten().map(String::as_str).collect();
        for name in &names {
            let algorithm = found.algorithm(Algorithm::named(name), self.here.clone());
            found.connect(&self.id, Role::ProtectedBy, &algorithm);
        }
        names.join(", ")
    }

    fn contents(&mut self, content: &[u8], depth: usize, found: &mut Fragment) {
        let Some(list) = Reader::new(content).enter(SEQUENCE) else {
            return found.unread(Reason::Malformed, None, "a part of the PKCS#12 store is damaged");
        };
        for bag in list.each() {
            self.bags += 1;
            if self.bags > MAX_BAGS {
                let detail = format!("the PKCS#12 store has more than {MAX_BAGS} entries");
                return found.unread(Reason::TooLarge, None, detail);
            }
            if self.bag(&bag, depth, found).is_none() {
                found.unread(
                    Reason::Malformed,
                    None,
                    "an entry of the PKCS#12 store is damaged",
                );
            }
        }
    }

    fn bag(&mut self, bag: &Element<'_>, depth: usize, found: &mut Fragment) -> Option<()> {
        let mut inside = bag.inside();
        let kind = inside.oid()?;
        let value = inside.optional(asn1::context(0))?;
        let here = match inside
            .optional(SET)
            .and_then(|attributes| friendly_name(&attributes))
        {
            Some(name) => self.here.clone().symbol(name),
            None => self.here.clone(),
        };
        let place = format!("bag {}", self.bags);
        let added = match kind.as_str() {
            KEY_BAG => Some(keys::pkcs8(value.body)?.add(&place, here, found)),
            SHROUDED_KEY_BAG => {
                let mut held = keys::encrypted_pkcs8(value.body)?;
                held.format = "PKCS#12";
                let detail = format!("a private key in the PKCS#12 store{} is encrypted", self.words());
                found.unread(Reason::Encrypted, None, detail);
                Some(held.add(&place, here, found))
            }
            CERTIFICATE_BAG => {
                let der = typed_octets(&value, "1.2.840.113549.1.9.22.1")?;
                x509::certificate(&der, here, found)
            }
            CRL_BAG => x509::revocation_list(&typed_octets(&value, "1.2.840.113549.1.9.23.1")?, here, found),
            NESTED_BAGS if depth < MAX_DEPTH => {
                self.contents(value.body, depth + 1, found);
                None
            }
            SECRET_BAG => {
                found.unread(Reason::Encrypted, None, "a secret in the PKCS#12 store");
                None
            }
            _ => {
                found.unread(
                    Reason::Unsupported,
                    None,
                    format!("an entry of type {kind} in the PKCS#12 store"),
                );
                None
            }
        };
        if let Some(added) = added {
            found.connect(&self.id, Role::Contains, &added);
        }
        Some(())
    }
}

/// CertBag and CRLBag: a type and, for the X.509 one, an OCTET STRING.
fn typed_octets<'a>(value: &Element<'a>, wanted: &str) -> Option<Cow<'a, [u8]>> {
    let mut inside = value.inside().enter(SEQUENCE)?;
    (inside.oid()? == wanted).then_some(())?;
    let octets = inside.optional(asn1::context(0))?.inside().element()?;
    (octets.tag & 0x1f == OCTET_STRING).then(|| octets.octets())
}

fn friendly_name(attributes: &Element<'_>) -> Option<String> {
    attributes.inside().each().take(64).find_map(|attribute| {
        let mut inside = attribute.inside();
        (inside.oid()? == "1.2.840.113549.1.9.20").then_some(())?;
        Some(names::string(&inside.enter(SET)?.element()?))
    })
}
