//! What one scanner found in one place, on its way to the inventory.

use serde::{Deserialize, Serialize};

use super::{
    Asset, AssetId, CertificateDetail, Detail, Edge, Evidence, KeyDetail, KeyKind, Occurrence, Protection,
    ProtocolDetail, Reason, Role, Unread,
};
use crate::algorithm::{Algorithm, Function, alias};
use crate::scan::secret::without_secrets;

/// The most assets that one place may add; a file with more is reported as too large beyond them.
pub const MAX_ASSETS: usize = 200_000;

/// What was found in one place. Scanners add to it; every asset is seen at the place by default.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Fragment {
    #[serde(skip)]
    location: String,
    #[serde(skip)]
    scanner: &'static str,
    #[serde(skip)]
    overflowed: bool,
    /// How many rounds of stretching passphrases the file has cost.
    #[serde(skip)]
    stretched: u64,
    pub(super) assets: Vec<Asset>,
    pub(super) edges: Vec<Edge>,
    pub(super) unread: Vec<Unread>,
}

/// A list of a protocol.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ProtocolPart {
    /// Its cipher suites.
    Suites,
    /// Its groups and other key exchanges.
    Groups,
    /// Its signature schemes and host key algorithms.
    SignatureSchemes,
    /// One of its other lists, by name.
    List(&'static str),
}

impl Fragment {
    /// Nothing yet, at this place; of a URI that carries a secret, without it.
    #[must_use]
    pub fn at(location: impl Into<String>) -> Self {
        Self {
            location: without_secrets(&location.into()),
            ..Self::default()
        }
    }

    /// Starts over at another place, keeping the memory.
    pub(crate) fn reset(&mut self, location: &str) {
        self.location.clear();
        self.location.push_str(location);
        self.assets.clear();
        self.edges.clear();
        self.unread.clear();
        self.overflowed = false;
        self.stretched = 0;
    }

    /// How many rounds of stretching passphrases the file has cost until now: whoever stretches counts and is bound.
    pub(crate) fn stretched(&mut self) -> &mut u64 {
        &mut self.stretched
    }

    /// Names the scanner on whose behalf the next entries are made.
    pub(crate) fn on_behalf_of(&mut self, scanner: &'static str) {
        self.scanner = scanner;
    }

    /// Nothing yet, at the same place and on behalf of the same scanner.
    pub(crate) fn aside(&self) -> Self {
        Self {
            location: self.location.clone(),
            scanner: self.scanner,
            stretched: self.stretched,
            ..Self::default()
        }
    }

    /// Forgets one that was filled aside, but not what it cost.
    pub(crate) fn leave_out(&mut self, aside: &Self) {
        self.stretched = self.stretched.max(aside.stretched);
    }

    /// Adds everything of one that was filled aside.
    pub(crate) fn take_in(&mut self, aside: Self) {
        self.leave_out(&aside);
        for asset in aside.assets {
            self.add(asset);
        }
        self.edges.extend(aside.edges);
        self.unread.extend(aside.unread);
    }

    /// The place.
    #[must_use]
    pub fn location(&self) -> &str {
        &self.location
    }

    /// Whether nothing was found and nothing was unreadable.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.assets.is_empty() && self.edges.is_empty() && self.unread.is_empty()
    }

    /// The assets so far.
    #[must_use]
    pub fn assets(&self) -> &[Asset] {
        &self.assets
    }

    /// The edges so far.
    #[must_use]
    pub fn edges(&self) -> &[Edge] {
        &self.edges
    }

    /// What could not be read so far.
    #[must_use]
    pub fn unread_entries(&self) -> &[Unread] {
        &self.unread
    }

    /// How much there is by now.
    pub(crate) fn mark(&self) -> (usize, usize) {
        (self.assets.len(), self.unread.len())
    }

    /// Puts everything that came since then on one line, where that is all that is known of its place.
    pub(crate) fn put_on_line(&mut self, since: (usize, usize), line: u64) {
        for asset in self.assets.iter_mut().skip(since.0) {
            let mut evidence = Evidence::default();
            for place in asset.evidence.iter() {
                let mut place = place.clone().line(line);
                place.offset = None;
                evidence.add(place);
            }
            asset.evidence = evidence;
        }
        for unread in self.unread.iter_mut().skip(since.1) {
            unread.line = Some(line);
        }
    }

    /// An occurrence at this place, to be given a line and so on.
    #[must_use]
    pub fn here(&self) -> Occurrence {
        Occurrence::at(self.location.as_str())
    }

    /// Adds an asset that was seen here. Algorithms bring the algorithms that they are made of.
    pub fn add(&mut self, asset: Asset) -> AssetId {
        let id = asset.id().clone();
        if self.assets.len() >= MAX_ASSETS {
            if !self.overflowed {
                self.overflowed = true;
                self.unread(
                    Reason::TooLarge,
                    None,
                    format!("only the first {MAX_ASSETS} assets are listed"),
                );
            }
            return id;
        }
        if let Detail::Algorithm(algorithm) = &asset.detail {
            let parts = algorithm.parts.clone();
            let occurrences: Vec<Occurrence> = asset.evidence.iter().cloned().collect();
            for part in parts {
                let mut made_of = Asset::algorithm(Algorithm::named(&part));
                for occurrence in &occurrences {
                    made_of.evidence.add(occurrence.clone());
                }
                let part_id = self.add(made_of);
                self.edges.push(Edge::new(&id, Role::MadeOf, &part_id));
            }
        }
        self.assets.push(asset);
        id
    }

    /// Adds an algorithm seen at an occurrence.
    pub fn algorithm(&mut self, algorithm: Algorithm, occurrence: Occurrence) -> AssetId {
        self.add(Asset::algorithm(algorithm).seen(occurrence))
    }

    /// Adds an algorithm by any spelling; one that nobody knows is inventoried under that spelling, as unknown.
    pub fn algorithm_spelt(
        &mut self,
        spelling: &str,
        functions: &[Function],
        occurrence: Occurrence,
    ) -> AssetId {
        let algorithm = alias::resolve(spelling).unwrap_or_else(|| Algorithm::named(spelling));
        self.algorithm(algorithm.used_to(functions), occurrence)
    }

    /// Adds a certificate with the algorithm that signs it and the key it is about.
    pub fn certificate(
        &mut self,
        detail: CertificateDetail,
        signed_with: Algorithm,
        key: &AssetId,
        occurrence: Occurrence,
    ) -> AssetId {
        let name = match (detail.subject.is_empty(), detail.names.first()) {
            (false, _) => detail.subject.clone(),
            (true, Some(name)) => name.clone(),
            (true, None) => format!("certificate {}", detail.serial),
        };
        let identity = detail.sha256.clone();
        let asset = Asset::new(
            name,
            Detail::Certificate(Box::new(detail)),
            &[identity.as_bytes()],
        );
        let id = self.add(asset.seen(occurrence.clone()));
        let algorithm = self.algorithm(signed_with, occurrence);
        self.connect(&id, Role::SignedWith, &algorithm);
        self.connect(&id, Role::Certifies, key);
        id
    }

    /// Adds a public key of which the SubjectPublicKeyInfo is known, with its algorithm.
    pub fn public_key(
        &mut self,
        spki_sha256: &str,
        algorithm: Algorithm,
        bits: Option<u32>,
        format: &str,
        occurrence: Occurrence,
    ) -> AssetId {
        let detail = KeyDetail {
            kind: KeyKind::Public,
            algorithm: Some(algorithm.name.clone()),
            bits,
            spki_sha256: Some(spki_sha256.to_owned()),
            format: format.to_owned(),
            protection: None,
        };
        let name = format!("{} public key", algorithm.name);
        // Of a key that stands in several formats the detail has one.
        let world = match format {
            "SPKI" | "PKCS#1" => "PKIX",
            other => other,
        };
        let asset = Asset::new(name, Detail::Key(Box::new(detail)), &[spki_sha256.as_bytes()]);
        let id = self.add(asset.seen(occurrence.clone()).fact("found-as", world));
        let algorithm = self.algorithm(algorithm, occurrence);
        self.connect(&id, Role::Uses, &algorithm);
        id
    }

    /// Adds a private or secret key with the algorithms that it names. Its identity is its public key's where that
    /// is known and otherwise `place` (never its value), together with how it is kept.
    pub fn held_key(&mut self, detail: KeyDetail, place: &str, occurrence: Occurrence) -> AssetId {
        let kept = match &detail.protection {
            None | Some(Protection::None) => "clear".to_owned(),
            Some(Protection::Hardware { device }) => format!("hardware {device}"),
            Some(Protection::Encrypted { kdf, rounds, cipher }) => format!("{kdf:?} {rounds:?} {cipher:?}"),
        };
        let location = self.location.clone();
        let identity: [&[u8]; 4] = match &detail.spki_sha256 {
            Some(spki) => [
                b"spki",
                spki.as_bytes(),
                detail.format.as_bytes(),
                kept.as_bytes(),
            ],
            None => [b"place", location.as_bytes(), place.as_bytes(), kept.as_bytes()],
        };
        let what = match detail.kind {
            KeyKind::Private => "private key",
            KeyKind::Public => "public key",
            KeyKind::Secret => "secret key",
        };
        let name = match (&detail.algorithm, &detail.protection) {
            (Some(algorithm), _) => format!("{algorithm} {what}"),
            (None, Some(Protection::Encrypted { .. })) => format!("encrypted {what}"),
            (None, _) => what.to_owned(),
        };
        let asset = Asset::new(name, Detail::Key(Box::new(detail.clone())), &identity);
        let id = self.add(asset.seen(occurrence.clone()));
        if let Some(algorithm) = &detail.algorithm {
            let algorithm = self.algorithm(Algorithm::named(algorithm), occurrence.clone());
            self.connect(&id, Role::Uses, &algorithm);
        }
        if let Some(Protection::Encrypted { kdf, cipher, .. }) = &detail.protection {
            for name in [kdf, cipher].into_iter().flatten() {
                let algorithm = self.algorithm(Algorithm::named(name), occurrence.clone());
                self.connect(&id, Role::ProtectedBy, &algorithm);
            }
        }
        if let (KeyKind::Private, Some(spki)) = (detail.kind, &detail.spki_sha256) {
            let public = AssetId::of_content(KeyKind::Public.name(), &[spki.as_bytes()]);
            self.connect(&id, Role::PrivateOf, &public);
        }
        id
    }

    /// Adds a protocol, the algorithms of its suites, groups and schemes, and edges to them.
    pub fn protocol(&mut self, detail: ProtocolDetail, occurrence: Occurrence) -> AssetId {
        self.protocol_in_parts(detail, &occurrence, |_| occurrence.clone())
    }

    /// The same, where its lists stand in other places than the protocol itself.
    pub fn protocol_in_parts(
        &mut self,
        detail: ProtocolDetail,
        occurrence: &Occurrence,
        place_of: impl Fn(ProtocolPart) -> Occurrence,
    ) -> AssetId {
        let name = match &detail.version {
            Some(version) => format!("{} {version}", detail.protocol.to_uppercase()),
            None => detail.protocol.to_uppercase(),
        };
        // The detail has no maps with random order, so its JSON is the same everywhere.
        let identity = serde_json::to_vec(&detail).unwrap_or_default();
        let mut spellings: Vec<(String, Occurrence)> = Vec::new();
        let mut add = |part: ProtocolPart, names: &mut dyn Iterator<Item = &String>| {
            let place = place_of(part);
            spellings.extend(names.map(|name| (name.clone(), place.clone())));
        };
        add(
            ProtocolPart::Suites,
            &mut detail.suites.iter().flat_map(|suite| &suite.algorithms),
        );
        add(ProtocolPart::Groups, &mut detail.groups.iter());
        add(
            ProtocolPart::SignatureSchemes,
            &mut detail.signature_schemes.iter(),
        );
        for list in ["ciphers", "macs"] {
            add(
                ProtocolPart::List(list),
                &mut detail.lists.get(list).into_iter().flatten(),
            );
        }
        let asset = Asset::new(name, Detail::Protocol(Box::new(detail)), &[&identity]);
        let id = self.add(asset.seen(occurrence.clone()));
        for (spelling, place) in spellings {
            let algorithm = self.algorithm_spelt(&spelling, &[], place);
            self.connect(&id, Role::Offers, &algorithm);
        }
        id
    }

    /// Adds a fact to an asset of this fragment.
    pub fn note(&mut self, id: &AssetId, name: &str, value: &str) {
        // The last one added is the one that is being worked on.
        if let Some(asset) = self.assets.iter_mut().rev().find(|asset| asset.id() == id) {
            asset.add_fact(name, value);
        }
    }

    /// Adds an edge.
    pub fn connect(&mut self, from: &AssetId, role: Role, to: &AssetId) {
        self.edges.push(Edge::new(from, role, to));
    }

    /// Notes that something here could not be read.
    pub fn unread(&mut self, reason: Reason, line: Option<u64>, detail: impl Into<String>) {
        self.unread.push(Unread {
            location: self.location.clone(),
            line,
            reason,
            scanner: self.scanner.to_owned(),
            detail: detail.into(),
        });
    }
}
