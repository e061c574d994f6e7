//! What each asset uses which algorithm for, and what follows when it falls.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;

use super::catalogue::{Catalogue, Weakness};
use super::graph::{Graph, as_algorithm};
use super::purpose::{self, Purpose};
use crate::algorithm::{Algorithm, Quantum};
use crate::inventory::{
    Asset, CertificateDetail, Detail, KeyDetail, KeyKind, Protection, ProtocolDetail, Role,
};

/// One algorithm that an asset uses, and for what.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Use {
    /// For what.
    pub purpose: Purpose,
    /// The algorithm's canonical name, or `unknown`.
    pub algorithm: Arc<str>,
    /// How it comes to be used: `signed with`, `its key`, `offers`, `called here`.
    pub how: &'static str,
    /// How it fares against a quantum computer.
    pub quantum: Quantum,
    /// Strength against a classical computer, in bits, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classical_bits: Option<u32>,
    /// The weakness of today that it has, by id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weakness: Option<Arc<str>>,
    /// What is to be known of it today and is no weakness in every use, by id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<Arc<str>>,
}

/// The key usages of certificates that are shown in protocols: whether a key transports keys there is decided by
/// the protocol's suites, which are inventoried by themselves.
const SHOWN_IN_PROTOCOLS: [&str; 2] = ["serverAuth", "clientAuth"];

/// Uses of a certificate's key that encrypt.
const ENCIPHERS: [&str; 3] = ["keyEncipherment", "dataEncipherment", "keyAgreement"];

/// The protocols that agree on keys, whatever else an inventory tells of them.
const AGREE_ON_KEYS: [&str; 9] = [
    "dtls",
    "ike",
    "ikev2",
    "ipsec",
    "quic",
    "ssh",
    "ssl",
    "tls",
    "wireguard",
];

/// How an algorithm comes to be used that a configuration leaves to the program.
pub(crate) const NOT_STATED: &str = "not stated, left to the program";

/// How an algorithm comes to be used that encrypts something held.
pub(crate) const PROTECTED_BY: &str = "protected by";

/// What collects the uses of assets.
pub(crate) struct Uses<'a> {
    graph: &'a Graph<'a>,
    catalogue: &'a Catalogue,
}

impl<'a> Uses<'a> {
    pub(crate) const fn new(graph: &'a Graph<'a>, catalogue: &'a Catalogue) -> Self {
        Self { graph, catalogue }
    }

    /// What this asset uses, in order. Nothing for what has no cryptography of its own: a library, a store.
    pub(crate) fn of(&self, asset: &'a Asset) -> BTreeSet<Use> {
        let mut uses = BTreeSet::new();
        let id = asset.id();
        match &asset.detail {
            Detail::Algorithm(algorithm) => self.add(&mut uses, algorithm, "called here", None),
            Detail::Certificate(detail) => self.certificate(asset, detail, &mut uses),
            Detail::Key(detail) => self.key(asset, detail, &mut uses),
            Detail::Protocol(_) => self.offers(asset, &mut uses),
            Detail::Service(_) => {
                self.offers(asset, &mut uses);
                for protocol in self.graph.out(id, Role::Offers) {
                    let mut of_protocol = BTreeSet::new();
                    self.offers(protocol, &mut of_protocol);
                    uses.append(&mut of_protocol);
                }
                // It leaves something to the program, and nothing else is known of it.
                if uses.is_empty() && asset.facts_of("not-stated").next().is_some() {
                    uses.insert(unknown(Purpose::KeyEstablishment, NOT_STATED));
                }
            }
            Detail::Material(_) => {
                for algorithm in self.graph.algorithms(id, Role::SignedWith) {
                    self.add(&mut uses, algorithm, "signed with", Some(&[Purpose::Signature]));
                }
                for algorithm in self.graph.algorithms(id, Role::Uses) {
                    self.add(&mut uses, algorithm, "uses", None);
                }
                self.protection(asset, &mut uses);
            }
            Detail::Library(_) => {}
        }
        uses
    }

    fn certificate(&self, asset: &'a Asset, detail: &CertificateDetail, uses: &mut BTreeSet<Use>) {
        let signs = &[Purpose::Signature][..];
        let mut signed = false;
        for algorithm in self.graph.algorithms(asset.id(), Role::SignedWith) {
            signed = true;
            // The size of an RSA key stands in the issuer's certificate and not in the signature's name.
            match (algorithm.classical_bits, self.signer_bits(asset, detail)) {
                (None, Some(bits)) => {
                    let mut sized = algorithm.clone();
                    sized.classical_bits = Some(bits);
                    self.add(uses, &sized, "signed with", Some(signs));
                }
                _ => self.add(uses, algorithm, "signed with", Some(signs)),
            }
        }
        // Nobody verifies the signature by which an anchor certifies itself, so a weak hash in it harms nobody.
        if detail.authority && detail.issuer == detail.subject {
            *uses = std::mem::take(uses)
                .into_iter()
                .map(|used| Use {
                    weakness: None,
                    note: None,
                    ..used
                })
                .collect();
        }
        let has = |wanted: &[&str]| wanted.iter().any(|usage| detail.usages.contains(*usage));
        let both = [Purpose::KeyEstablishment, Purpose::Signature];
        let purposes = match () {
            () if detail.authority || has(&SHOWN_IN_PROTOCOLS) || detail.format == "OpenSSH" => Some(signs),
            () if has(&ENCIPHERS) => Some(&both[..]),
            () if !detail.usages.is_empty() => Some(signs),
            () => None,
        };
        let mut keyed = false;
        for key in self.graph.out(asset.id(), Role::Certifies) {
            for algorithm in self.graph.algorithms(key.id(), Role::Uses) {
                keyed = true;
                // A key that cannot sign does not become one that can by its certificate's usages.
                let able = purpose::of(algorithm);
                let purposes: Vec<Purpose> = match purposes {
                    Some(purposes) => purposes.iter().copied().filter(|p| able.contains(p)).collect(),
                    None => Vec::new(),
                };
                let purposes = (!purposes.is_empty()).then_some(purposes);
                self.add(uses, algorithm, "its key", purposes.as_deref());
            }
        }
        if !signed || !keyed {
            uses.insert(unknown(Purpose::Signature, "not told"));
        }
    }

    /// The strength of the weakest key that may have signed a certificate, as far as the inventory tells.
    fn signer_bits(&self, asset: &'a Asset, detail: &CertificateDetail) -> Option<u32> {
        let own = std::iter::once(asset).filter(|_| detail.issuer == detail.subject);
        let signers = own.chain(self.graph.out(asset.id(), Role::IssuedBy));
        let keys = signers.flat_map(|signer| self.graph.out(signer.id(), Role::Certifies));
        let algorithms = keys.flat_map(|key| self.graph.algorithms(key.id(), Role::Uses));
        algorithms.filter_map(|algorithm| algorithm.classical_bits).min()
    }

    fn key(&self, asset: &'a Asset, detail: &KeyDetail, uses: &mut BTreeSet<Use>) {
        let signs = &[Purpose::Signature][..];
        let purposes = (detail.format == "SSH" || detail.format == "OpenSSH").then_some(signs);
        let mut known = false;
        for algorithm in self.graph.algorithms(asset.id(), Role::Uses) {
            known = true;
            self.add(uses, algorithm, "its key", purposes);
        }
        if !known {
            match detail.kind {
                KeyKind::Secret => {
                    uses.insert(unknown(Purpose::Encryption, "not told"));
                }
                KeyKind::Private | KeyKind::Public => {
                    let named = detail.algorithm.as_deref().map(Algorithm::named);
                    match named {
                        Some(algorithm) => self.add(uses, &algorithm, "its key", purposes),
                        None => {
                            uses.insert(unknown(Purpose::KeyEstablishment, "hidden by encryption"));
                            uses.insert(unknown(Purpose::Signature, "hidden by encryption"));
                        }
                    }
                }
            }
        }
        if matches!(detail.protection, Some(Protection::Encrypted { .. })) {
            self.protection(asset, uses);
        }
    }

    fn protection(&self, asset: &'a Asset, uses: &mut BTreeSet<Use>) {
        for algorithm in self.graph.algorithms(asset.id(), Role::ProtectedBy) {
            self.add(uses, algorithm, PROTECTED_BY, None);
        }
    }

    fn offers(&self, asset: &'a Asset, uses: &mut BTreeSet<Use>) {
        for role in [Role::Offers, Role::Uses] {
            for algorithm in self.graph.out(asset.id(), role).filter_map(as_algorithm) {
                self.add(uses, algorithm, "offers", None);
            }
        }
        if let Detail::Protocol(detail) = &asset.detail {
            // Whoever speaks it agrees on keys, so where nobody says how, that is unknown and not absent.
            let agrees = uses.is_empty() || AGREE_ON_KEYS.contains(&detail.protocol.as_str());
            if agrees && !self.says_how_keys_are_agreed(asset) {
                uses.insert(unknown(Purpose::KeyEstablishment, NOT_STATED));
            }
            let version = detail.version.as_deref().unwrap_or_default();
            let name = format!("{} {version}", detail.protocol);
            let withdrawn = |weakness: &&Weakness| weakness.protocols.contains(&name);
            if let Some(weakness) = self.catalogue.weaknesses.iter().find(withdrawn) {
                uses.insert(Use {
                    purpose: Purpose::Integrity,
                    algorithm: Arc::from(asset.name.as_str()),
                    how: "speaks",
                    quantum: Quantum::Symmetric,
                    classical_bits: None,
                    weakness: Some(Arc::from(weakness.id.as_str())),
                    note: None,
                });
            }
            self.suites(detail, uses);
        }
    }

    /// The suites that are weak as a whole, whatever they are made of.
    fn suites(&self, detail: &ProtocolDetail, uses: &mut BTreeSet<Use>) {
        for suite in &detail.suites {
            let weak = |weakness: &&Weakness| names_match(&weakness.suites, &suite.name);
            if let Some(weakness) = self.catalogue.weaknesses.iter().find(weak) {
                uses.insert(Use {
                    purpose: Purpose::Integrity,
                    algorithm: Arc::from(suite.name.as_str()),
                    how: "offers",
                    quantum: Quantum::Symmetric,
                    classical_bits: None,
                    weakness: Some(Arc::from(weakness.id.as_str())),
                    note: None,
                });
            }
        }
    }

    fn says_how_keys_are_agreed(&self, protocol: &Asset) -> bool {
        [Role::Offers, Role::Uses].into_iter().any(|role| {
            let mut algorithms = self.graph.algorithms(protocol.id(), role);
            algorithms.any(|algorithm| purpose::of(algorithm).contains(&Purpose::KeyEstablishment))
        })
    }

    fn add(
        &self,
        uses: &mut BTreeSet<Use>,
        algorithm: &Algorithm,
        how: &'static str,
        purposes: Option<&[Purpose]>,
    ) {
        let natural;
        let purposes: &[Purpose] = match purposes {
            Some(purposes) => purposes,
            None => {
                natural = purpose::of(algorithm).into_iter().collect::<Vec<_>>();
                &natural
            }
        };
        let name: Arc<str> = Arc::from(algorithm.name.as_str());
        for purpose in purposes {
            uses.insert(Use {
                purpose: *purpose,
                algorithm: Arc::clone(&name),
                how,
                quantum: algorithm.quantum,
                classical_bits: algorithm.classical_bits,
                weakness: self.weakness(algorithm, *purpose, false),
                note: self.weakness(algorithm, *purpose, true),
            });
        }
    }

    fn weakness(&self, algorithm: &Algorithm, purpose: Purpose, noted: bool) -> Option<Arc<str>> {
        let mut weaknesses = self.catalogue.weaknesses.iter();
        let found = weaknesses.find(|weakness| {
            if weakness.note != noted {
                return false;
            }
            if !weakness.purposes.is_empty() && !weakness.purposes.contains(&purpose) {
                return false;
            }
            let named = names_match(&weakness.names, &algorithm.name)
                && (weakness.purposes.is_empty() || purpose::of(algorithm).contains(&purpose));
            let in_part = weakness.as_part
                && matches!(purpose, Purpose::Signature)
                && algorithm.parts.iter().any(|part| names_match(&weakness.names, part));
            let short = algorithm.quantum == Quantum::Broken
                && matches!((weakness.below_bits, algorithm.classical_bits), (Some(least), Some(bits)) if bits < least);
            named || in_part || short
        })?;
        Some(Arc::from(found.id.as_str()))
    }
}

/// Whether a list of names, some of which end in `*` for all that begin so or have one within, has this name.
pub(crate) fn names_match(list: &[String], name: &str) -> bool {
    list.iter().any(|pattern| match pattern.split_once('*') {
        None => pattern == name,
        Some((beginning, rest)) => {
            let rest = rest.trim_end_matches('*');
            name.strip_prefix(beginning)
                .is_some_and(|tail| rest.is_empty() || tail.contains(rest))
        }
    })
}

/// A use of which nobody knows the algorithm.
fn unknown(purpose: Purpose, how: &'static str) -> Use {
    Use {
        purpose,
        algorithm: Arc::from("unknown"),
        how,
        quantum: Quantum::Unknown,
        classical_bits: None,
        weakness: None,
        note: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algorithm::suite;
    use crate::inventory::{Fragment, Inventory, Occurrence};

    /// What the only asset of this kind uses: its name, weakness and note.
    fn told(found: Fragment, kind: &str) -> Vec<(String, Option<String>, Option<String>)> {
        let mut inventory = Inventory::default();
        inventory.absorb(found);
        let catalogue = Catalogue::builtin().unwrap();
        let graph = Graph::of(&inventory);
        let uses = Uses::new(&graph, &catalogue);
        let asset = inventory
            .assets()
            .find(|asset| asset.detail.kind() == kind)
            .unwrap();
        let text = |id: Option<Arc<str>>| id.map(|id| id.to_string());
        let told = uses.of(asset).into_iter();
        told.map(|used| (used.algorithm.to_string(), text(used.weakness), text(used.note)))
            .collect()
    }

    fn digest(name: &str) -> Vec<(Option<String>, Option<String>)> {
        let mut found = Fragment::at("x");
        found.algorithm(Algorithm::named(name), Occurrence::at("x").line(1));
        let told = told(found, "algorithm");
        told.into_iter()
            .map(|(_, weakness, note)| (weakness, note))
            .collect()
    }

    #[test]
    fn a_digest_is_noted_or_weak_by_what_is_known_of_its_collisions() {
        let id = |text: &str| Some(text.to_owned());
        assert_eq!(digest("SHA-1"), [(None, id("sha1-digest"))]);
        assert_eq!(digest("MD5"), [(id("md5-md4-md2"), None)]);
        // Collisions do not harm a MAC or a longer digest.
        for sound in ["HMAC-SHA-1", "HMAC-MD5", "SHA-256"] {
            assert_eq!(digest(sound), [(None, None)], "{sound}");
        }
        assert_eq!(digest("RSA-PKCS1-1.5-SHA-1"), [(id("sha1-signature"), None)]);
    }

    #[test]
    fn a_suite_in_which_nobody_shows_who_is_there_is_weak_whatever_it_is_made_of() {
        let names = [
            "ADH-AES256-GCM-SHA384",
            "AECDH-AES128-SHA",
            "ECDHE-RSA-AES128-GCM-SHA256",
        ];
        let mut found = Fragment::at("x");
        let detail = ProtocolDetail {
            protocol: "tls".to_owned(),
            version: Some("1.2".to_owned()),
            suites: names.into_iter().map(suite::described).collect(),
            ..ProtocolDetail::default()
        };
        found.protocol(detail, Occurrence::at("x").line(1));
        let weak: Vec<(String, Option<String>)> = told(found, "protocol")
            .into_iter()
            .filter(|(_, weakness, _)| weakness.is_some())
            .map(|(name, weakness, _)| (name, weakness))
            .collect();
        let anonymous = |name: &str| (name.to_owned(), Some("anonymous".to_owned()));
        assert_eq!(
            weak,
            [
                anonymous("TLS_DH_anon_WITH_AES_256_GCM_SHA384"),
                anonymous("TLS_ECDH_anon_WITH_AES_128_CBC_SHA")
            ]
        );
    }
}
