//! One asset: what it is, where it was seen, whose it is.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{AssetId, Evidence, Occurrence};
use crate::algorithm::Algorithm;

/// One cryptographic asset.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Asset {
    id: AssetId,
    /// What it is called, for people.
    pub name: String,
    /// What it is.
    pub detail: Detail,
    /// Where it was seen.
    #[serde(default)]
    pub evidence: Evidence,
    /// Who is responsible for it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub owners: BTreeSet<String>,
    /// Who can reach it: `internet`, `internal`, `local`, or a word of the reader's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exposure: Option<String>,
    /// What else is known, by name without the `symbolon:` prefix that documents give it: `spki-sha256`,
    /// `expired`, `form`. Several values of one name are kept, in order.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, BTreeSet<String>>,
}

/// What an asset is.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Detail {
    /// An algorithm.
    Algorithm(Box<Algorithm>),
    /// A certificate.
    Certificate(Box<CertificateDetail>),
    /// A key.
    Key(Box<KeyDetail>),
    /// A library of cryptography.
    Library(LibraryDetail),
    /// Related material: a request, a revocation list, a keystore, a token, a signature.
    Material(Box<MaterialDetail>),
    /// A protocol as it is configured or spoken somewhere.
    Protocol(Box<ProtocolDetail>),
    /// Something that speaks or uses protocols, keys and certificates: an endpoint, a server in a configuration.
    Service(ServiceDetail),
}

/// A certificate, X.509 unless its format says otherwise.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct CertificateDetail {
    /// SHA-256 of the whole certificate, in hex.
    pub sha256: String,
    /// The subject's name (RFC 4514).
    pub subject: String,
    /// The issuer's name.
    pub issuer: String,
    /// The serial number, in hex.
    pub serial: String,
    /// First valid moment (RFC 3339).
    pub not_before: Option<String>,
    /// Last valid moment (RFC 3339).
    pub not_after: Option<String>,
    /// `X.509`, `OpenSSH`, `OpenPGP`.
    pub format: String,
    /// Whether it may issue certificates.
    pub authority: bool,
    /// Subject key identifier, in hex.
    pub subject_key_id: Option<String>,
    /// Authority key identifier, in hex.
    pub authority_key_id: Option<String>,
    /// Alternative names, as `dns:example.org`, `uri:spiffe://…`, `ip:…`, `email:…`.
    pub names: BTreeSet<String>,
    /// Key usages and extended key usages by name.
    pub usages: BTreeSet<String>,
}

/// Which half of a key, or that it has none.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyKind {
    /// A private key.
    Private,
    /// A public key.
    Public,
    /// A symmetric key.
    Secret,
}

impl KeyKind {
    /// CycloneDX's word: `private-key`, `public-key`, `secret-key`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Private => "private-key",
            Self::Public => "public-key",
            Self::Secret => "secret-key",
        }
    }
}

/// How a private or secret key is kept.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub enum Protection {
    /// Encrypted, with these algorithms by canonical name.
    Encrypted {
        /// How the passphrase becomes a key.
        kdf: Option<String>,
        /// Iterations, rounds or log2 of the cost, where the format says.
        rounds: Option<u64>,
        /// What encrypts it.
        cipher: Option<String>,
    },
    /// Held by hardware that does not let it out; the name says which.
    Hardware {
        /// `HSM`, `TPM`, `security key`.
        device: String,
    },
    /// In the clear.
    None,
}

/// A key. Never its value.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct KeyDetail {
    /// Which half.
    pub kind: KeyKind,
    /// The algorithm's canonical name; absent when it is hidden by encryption.
    pub algorithm: Option<String>,
    /// Size in bits.
    pub bits: Option<u32>,
    /// SHA-256 of the DER SubjectPublicKeyInfo, in hex: the same for a key in X.509, SSH, OpenPGP and JWK.
    pub spki_sha256: Option<String>,
    /// The container: `PKCS#8`, `PKCS#1`, `SEC1`, `OpenSSH`, `JWK`, `JKS`, `OpenPGP`, `SPKI`.
    pub format: String,
    /// How it is kept; absent for public keys.
    pub protection: Option<Protection>,
}

/// Material other than keys and certificates.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct MaterialDetail {
    /// CycloneDX's type: `token`, `signature`, `password`, `credential`, `other` …
    pub material: String,
    /// What it is: `certificate signing request`, `certificate revocation list`, `PKCS#12 store`.
    pub what: String,
    /// The container, such as `PEM` or `JWT`.
    pub format: Option<String>,
    /// When it was made or becomes valid (RFC 3339).
    pub activation: Option<String>,
    /// When it expires (RFC 3339).
    pub expiration: Option<String>,
}

/// One cipher suite.
#[derive(Clone, Debug, Default, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct CipherSuite {
    /// Its name, IANA's where it has one.
    pub name: String,
    /// Canonical names of its algorithms; algorithms of those names are in the inventory.
    pub algorithms: Vec<String>,
    /// Its code points, such as `0x13`, `0x02`.
    pub identifiers: Vec<String>,
}

/// A protocol as configured or spoken.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct ProtocolDetail {
    /// CycloneDX's type: `tls`, `ssh`, `ipsec`, `ike`, `quic`, `wpa`, `other` …
    pub protocol: String,
    /// The version, such as `1.3`.
    pub version: Option<String>,
    /// Cipher suites in order of preference.
    pub suites: Vec<CipherSuite>,
    /// Key exchange groups or methods in order of preference, by their protocol's names.
    pub groups: Vec<String>,
    /// Signature schemes or host key algorithms in order of preference, by their protocol's names.
    pub signature_schemes: Vec<String>,
    /// Other lists, by name: `ciphers`, `macs`, `compression`.
    pub lists: BTreeMap<String, Vec<String>>,
}

/// A library of cryptography, from a lock file or a link.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct LibraryDetail {
    /// The version.
    pub version: Option<String>,
    /// The package URL.
    pub purl: Option<String>,
}

/// Something that speaks.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct ServiceDetail {
    /// What it is: `nginx server`, `TLS endpoint`, `SSH endpoint`, `PKCS#11 token`.
    pub what: String,
    /// Where it listens, as URIs.
    pub endpoints: BTreeSet<String>,
    /// Whether it asks its clients who they are.
    pub authenticated: Option<bool>,
}

impl Detail {
    /// The kind as identifiers and queries have it.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Algorithm(_) => "algorithm",
            Self::Certificate(_) => "certificate",
            Self::Key(key) => key.kind.name(),
            Self::Library(_) => "library",
            Self::Material(_) => "material",
            Self::Protocol(_) => "protocol",
            Self::Service(_) => "service",
        }
    }
}

impl Asset {
    /// An algorithm. Its identity is its name.
    #[must_use]
    pub fn algorithm(algorithm: Algorithm) -> Self {
        let id = Self::algorithm_id(&algorithm.name);
        let name = algorithm.name.clone();
        Self::with_id(id, name, Detail::Algorithm(Box::new(algorithm)))
    }

    /// The identifier that an algorithm of this canonical name has.
    #[must_use]
    pub fn algorithm_id(name: &str) -> AssetId {
        AssetId::readable("algorithm", name)
    }

    /// Any other asset. `identity` is what makes it itself: a certificate's SHA-256, a public key's SPKI hash, for
    /// secrets the place where they are — never their value.
    #[must_use]
    pub fn new(name: impl Into<String>, detail: Detail, identity: &[&[u8]]) -> Self {
        let id = AssetId::of_content(detail.kind(), identity);
        Self::with_id(id, name.into(), detail)
    }

    /// An asset with an identifier that it has elsewhere, as in a document of another tool.
    #[must_use]
    pub fn with_id(id: AssetId, name: String, detail: Detail) -> Self {
        Self {
            id,
            name,
            detail,
            evidence: Evidence::default(),
            owners: BTreeSet::new(),
            exposure: None,
            facts: BTreeMap::new(),
        }
    }

    /// The identifier.
    #[must_use]
    pub const fn id(&self) -> &AssetId {
        &self.id
    }

    /// The same, seen here.
    #[must_use]
    pub fn seen(mut self, occurrence: Occurrence) -> Self {
        self.evidence.add(occurrence);
        self
    }

    /// The same, with a fact.
    #[must_use]
    pub fn fact(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.add_fact(name, value);
        self
    }

    /// Adds a fact.
    pub fn add_fact(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.facts.entry(name.into()).or_default().insert(value.into());
    }

    /// The values of a fact.
    pub fn facts_of<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.facts.get(name).into_iter().flatten().map(String::as_str)
    }

    /// Takes over what another sighting of the same asset knows.
    pub fn merge(&mut self, other: Self) {
        self.evidence.merge(other.evidence);
        self.owners.extend(other.owners);
        // The smaller of two wins, so that the order of sightings does not matter.
        self.exposure = match (self.exposure.take(), other.exposure) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        if other.name < self.name {
            self.name = other.name;
        }
        for (name, values) in other.facts {
            self.facts.entry(name).or_default().extend(values);
        }
        match (&mut self.detail, other.detail) {
            (Detail::Algorithm(ours), Detail::Algorithm(theirs)) => ours.merge(*theirs),
            (Detail::Key(ours), Detail::Key(theirs)) => {
                if theirs.format < ours.format {
                    ours.format = theirs.format;
                }
                ours.bits = ours.bits.max(theirs.bits);
                ours.algorithm = ours.algorithm.take().max(theirs.algorithm);
            }
            (Detail::Service(ours), Detail::Service(theirs)) => {
                ours.endpoints.extend(theirs.endpoints);
                ours.authenticated = ours.authenticated.max(theirs.authenticated);
            }
            _ => {}
        }
    }
}
