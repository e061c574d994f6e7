//! An estate made up by hand: what the tests of risk, roadmap and report share.

#![allow(dead_code, reason = "every test program uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, outside any test function"
)]

use std::collections::{BTreeMap, BTreeSet};

use symbolon_migration_planner::algorithm::{Algorithm, Function, Primitive};
use symbolon_migration_planner::inventory::{
    Asset, AssetId, CertificateDetail, Detail, Edge, Inventory, KeyDetail, KeyKind, LibraryDetail,
    MaterialDetail, Occurrence, Protection, ProtocolDetail, Reason, Role, ServiceDetail, Subject, Unread,
};

/// An inventory in the making, whose assets have short names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Estate {
    inventory: Inventory,
    ids: BTreeMap<String, AssetId>,
}

impl Estate {
    /// A small estate with one of everything.
    pub(crate) fn small() -> Self {
        let mut estate = Self::default();
        estate.authority("root", "RSA-4096", "2041-05-01", None);
        estate.authority("issuing", "ECDSA-P-384", "2034-05-01", Some("root"));
        estate.certificate_at(
            "web",
            "ECDSA-P-256",
            "2027-02-01",
            "/etc/nginx/web.pem",
            Some("issuing"),
        );
        estate.certificate_at(
            "api",
            "RSA-2048",
            "2027-06-01",
            "/etc/api/api.pem",
            Some("issuing"),
        );
        estate.certificate_at(
            "code",
            "RSA-3072",
            "2029-01-01",
            "/srv/build/sign.pem",
            Some("issuing"),
        );
        estate.usages("code", &["codeSigning", "digitalSignature"]);
        estate.hold("web", "/etc/nginx/web.key", Protection::None);
        estate.service("nginx example.org:443", &["X25519MLKEM768", "x25519"]);
        estate.fact("nginx example.org:443", "classical-fallback", "accepted");
        estate.connect("nginx example.org:443", Role::Presents, "web");
        estate.service("api.example.org:8443", &["ECDHE-P-256"]);
        estate.connect("api.example.org:8443", Role::Presents, "api");
        estate.trust_store("java trust store", "/etc/java/cacerts.jks", &["root"]);
        estate.ssh_key("backup key", "Ed25519", "/home/backup/.ssh/id_ed25519");
        estate.call(
            "RSA-OAEP-SHA-256",
            "/srv/app/src/Vault.java",
            41,
            "Cipher.getInstance",
        );
        estate.call(
            "RSA-OAEP-SHA-256",
            "/srv/app/src/Archive.java",
            9,
            "Cipher.getInstance",
        );
        estate.call("MD5", "/srv/app/src/Etag.java", 12, "MessageDigest.getInstance");
        estate.call("AES-256-GCM", "/srv/app/src/Vault.java", 44, "Cipher.getInstance");
        estate.call("ACME-SEAL", "/srv/app/src/Legacy.java", 7, "AcmeSeal.seal");
        estate.library(
            "bcprov-jdk18on",
            "1.70",
            "pkg:maven/org.bouncycastle/bcprov-jdk18on@1.70",
            "/srv/app/pom.lock",
        );
        estate.tag("web", "platform", "internet");
        estate.tag("nginx example.org:443", "platform", "internet");
        estate.tag("api", "payments", "internal");
        estate.unread(
            "/srv/secret/store.p12",
            Reason::Encrypted,
            "the certificates in it are encrypted",
        );
        estate.unread(
            "/root/.gnupg",
            Reason::PermissionDenied,
            "the directory may not be read",
        );
        let files = estate.inventory.coverage.of(Subject::Files);
        (files.attempted, files.read, files.bytes) = (1_204, 1_202, 48_211_004);
        estate
            .inventory
            .targets
            .extend(["/etc".to_owned(), "/srv".to_owned(), "/home".to_owned()]);
        estate
    }

    /// The inventory.
    pub(crate) fn inventory(&self) -> Inventory {
        self.inventory.clone()
    }

    /// What an asset is referred to by.
    pub(crate) fn id(&self, name: &str) -> AssetId {
        self.ids
            .get(name)
            .unwrap_or_else(|| panic!("there is no {name}"))
            .clone()
    }

    fn add(&mut self, name: &str, asset: Asset) -> AssetId {
        let id = self.inventory.insert(asset);
        self.ids.insert(name.to_owned(), id.clone());
        id
    }

    fn algorithm(&mut self, name: &str, place: Occurrence) -> AssetId {
        let algorithm = Algorithm::named(name);
        for part in algorithm.parts.clone() {
            let part = self
                .inventory
                .insert(Asset::algorithm(Algorithm::named(&part)).seen(place.clone()));
            self.inventory
                .connect(Edge::new(&Asset::algorithm_id(name), Role::MadeOf, &part));
        }
        self.inventory.insert(Asset::algorithm(algorithm).seen(place))
    }

    /// Connects two assets.
    pub(crate) fn connect(&mut self, from: &str, role: Role, to: &str) {
        let (from, to) = (self.id(from), self.id(to));
        self.inventory.connect(Edge::new(&from, role, &to));
    }

    /// A certificate at a place of its own.
    pub(crate) fn certificate(&mut self, name: &str, key: &str, not_after: &str) {
        self.certificate_at(name, key, not_after, &format!("/etc/{name}.pem"), None);
    }

    /// A certificate at a place, issued by another or by itself.
    pub(crate) fn certificate_at(
        &mut self,
        name: &str,
        key: &str,
        not_after: &str,
        place: &str,
        issuer: Option<&str>,
    ) {
        self.issue(name, key, not_after, place, issuer, false);
    }

    /// A certificate of an authority.
    pub(crate) fn authority(&mut self, name: &str, key: &str, not_after: &str, issuer: Option<&str>) {
        self.issue(
            name,
            key,
            not_after,
            &format!("/etc/pki/{name}.pem"),
            issuer,
            true,
        );
    }

    fn issue(
        &mut self,
        name: &str,
        key: &str,
        not_after: &str,
        place: &str,
        issuer: Option<&str>,
        authority: bool,
    ) {
        let here = Occurrence::at(place).line(1);
        let detail = CertificateDetail {
            sha256: format!("{name} {key} {not_after}"),
            subject: format!("CN={name}"),
            issuer: format!("CN={}", issuer.unwrap_or(name)),
            serial: "01".to_owned(),
            not_before: Some("2026-01-01T00:00:00Z".to_owned()),
            not_after: Some(format!("{not_after}T00:00:00Z")),
            format: "X.509".to_owned(),
            authority,
            usages: if authority {
                BTreeSet::from(["keyCertSign".to_owned()])
            } else {
                BTreeSet::from(["serverAuth".to_owned(), "digitalSignature".to_owned()])
            },
            ..CertificateDetail::default()
        };
        let identity = detail.sha256.clone();
        let asset = Asset::new(
            format!("CN={name}"),
            Detail::Certificate(Box::new(detail)),
            &[identity.as_bytes()],
        );
        let id = self.add(name, asset.seen(here.clone()));
        let public = self.public_key(name, key, here.clone());
        self.inventory.connect(Edge::new(&id, Role::Certifies, &public));
        let signer = match issuer.and_then(|issuer| self.inventory.get(&self.ids[&format!("{issuer} key")])) {
            Some(key) => key.name.clone(),
            None => key.to_owned(),
        };
        let algorithm = match signer.as_str() {
            rsa if rsa.starts_with("RSA") => "RSA-PKCS1-1.5-SHA-256".to_owned(),
            ec if ec.starts_with("ECDSA") => format!("{ec}-SHA-256"),
            other => other.to_owned(),
        };
        let algorithm = self.algorithm(&algorithm, here);
        self.inventory
            .connect(Edge::new(&id, Role::SignedWith, &algorithm));
        if let Some(issuer) = issuer {
            self.connect(name, Role::IssuedBy, issuer);
        }
    }

    fn public_key(&mut self, name: &str, key: &str, here: Occurrence) -> AssetId {
        let spki = format!("spki of {name} {key}");
        let detail = KeyDetail {
            kind: KeyKind::Public,
            algorithm: Some(key.to_owned()),
            bits: None,
            spki_sha256: Some(spki.clone()),
            format: "SPKI".to_owned(),
            protection: None,
        };
        let asset = Asset::new(key, Detail::Key(Box::new(detail)), &[spki.as_bytes()]);
        let id = self.add(&format!("{name} key"), asset.seen(here.clone()));
        let algorithm = self.algorithm(key, here);
        self.inventory.connect(Edge::new(&id, Role::Uses, &algorithm));
        id
    }

    /// Lets a certificate be signed with another algorithm as well.
    pub(crate) fn signed_with(&mut self, name: &str, algorithm: &str) {
        let here = self
            .inventory
            .get(&self.id(name))
            .unwrap()
            .evidence
            .iter()
            .next()
            .unwrap()
            .clone();
        let algorithm = self.algorithm(algorithm, here);
        let id = self.id(name);
        self.inventory
            .connect(Edge::new(&id, Role::SignedWith, &algorithm));
    }

    /// Changes what a certificate may be used for.
    pub(crate) fn usages(&mut self, name: &str, usages: &[&str]) {
        let id = self.id(name);
        let Detail::Certificate(detail) = &mut self.inventory.get_mut(&id).unwrap().detail else {
            panic!("{name} is no certificate");
        };
        detail.usages = usages.iter().map(|usage| (*usage).to_owned()).collect();
    }

    /// The private key of a certificate.
    pub(crate) fn hold(&mut self, name: &str, place: &str, protection: Protection) {
        let public = self.id(&format!("{name} key"));
        let algorithm = self.inventory.get(&public).unwrap().name.clone();
        let detail = KeyDetail {
            kind: KeyKind::Private,
            algorithm: Some(algorithm.clone()),
            bits: None,
            spki_sha256: None,
            format: "PKCS#8".to_owned(),
            protection: Some(protection),
        };
        let here = Occurrence::at(place).line(1);
        let asset = Asset::new(
            format!("{algorithm} private key"),
            Detail::Key(Box::new(detail)),
            &[place.as_bytes()],
        );
        let id = self.add(&format!("{name} private key"), asset.seen(here.clone()));
        let algorithm = self.algorithm(&algorithm, here);
        self.inventory.connect(Edge::new(&id, Role::Uses, &algorithm));
        self.inventory.connect(Edge::new(&id, Role::PrivateOf, &public));
    }

    /// A service with a TLS protocol that offers these groups.
    pub(crate) fn service(&mut self, name: &str, groups: &[&str]) {
        self.service_at(name, groups, &format!("tls://{}", name.replace(' ', "-")));
    }

    /// The same, seen at a place.
    pub(crate) fn service_at(&mut self, name: &str, groups: &[&str], place: &str) {
        let here = Occurrence::at(place);
        let detail = ServiceDetail {
            what: "TLS endpoint".to_owned(),
            endpoints: BTreeSet::from([place.to_owned()]),
            authenticated: None,
        };
        let asset = Asset::new(name, Detail::Service(detail), &[name.as_bytes()]).seen(here.clone());
        let id = self.add(name, asset);
        let detail = ProtocolDetail {
            protocol: "tls".to_owned(),
            version: Some("1.3".to_owned()),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            ..ProtocolDetail::default()
        };
        let identity = serde_json::to_vec(&detail).unwrap();
        let protocol = Asset::new("TLS 1.3", Detail::Protocol(Box::new(detail)), &[&identity]);
        let protocol = self.add(&format!("{name} protocol"), protocol.seen(here.clone()));
        self.inventory.connect(Edge::new(&id, Role::Offers, &protocol));
        for group in groups {
            let algorithm = self.algorithm(group, here.clone());
            self.inventory
                .connect(Edge::new(&protocol, Role::Offers, &algorithm));
        }
    }

    /// A protocol that no service is seen to speak, in these places; the same content is the same asset.
    pub(crate) fn protocol(&mut self, name: &str, version: &str, groups: &[&str], places: &[&str]) {
        let detail = ProtocolDetail {
            protocol: "tls".to_owned(),
            version: Some(version.to_owned()),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            ..ProtocolDetail::default()
        };
        let identity = serde_json::to_vec(&detail).unwrap();
        let title = format!("TLS {version}");
        let mut asset = Asset::new(title, Detail::Protocol(Box::new(detail)), &[&identity]);
        for place in places {
            asset = asset.seen(Occurrence::at(*place).line(1));
        }
        let id = self.add(name, asset);
        for (group, place) in groups
            .iter()
            .flat_map(|group| places.iter().map(move |place| (group, place)))
        {
            let algorithm = self.algorithm(group, Occurrence::at(*place).line(1));
            self.inventory.connect(Edge::new(&id, Role::Offers, &algorithm));
        }
    }

    /// A protocol of a service that says nothing but which algorithms it encrypts with, if any.
    pub(crate) fn terse_service(&mut self, name: &str, protocol: &str, ciphers: &[&str]) {
        let here = Occurrence::at(format!("/etc/{name}.conf")).line(1);
        let detail = ServiceDetail {
            what: format!("{name} server"),
            endpoints: BTreeSet::new(),
            authenticated: None,
        };
        let asset = Asset::new(name, Detail::Service(detail), &[name.as_bytes()]).seen(here.clone());
        let id = self.add(name, asset);
        let detail = ProtocolDetail {
            protocol: protocol.to_owned(),
            ..ProtocolDetail::default()
        };
        let asset = Asset::new(protocol, Detail::Protocol(Box::new(detail)), &[name.as_bytes()]);
        let protocol = self.add(&format!("{name} protocol"), asset.seen(here.clone()));
        self.inventory.connect(Edge::new(&id, Role::Offers, &protocol));
        for cipher in ciphers {
            let algorithm = self.algorithm(cipher, here.clone());
            self.inventory
                .connect(Edge::new(&protocol, Role::Offers, &algorithm));
        }
    }

    /// A signature algorithm that another tool's inventory names and nobody knows.
    pub(crate) fn imported_signature(&mut self, protocol: &str, name: &str) {
        let mut algorithm = Algorithm::named(name);
        algorithm.primitive = Primitive::Signature;
        let algorithm = self.inventory.insert(Asset::algorithm(algorithm));
        let id = self.id(protocol);
        self.inventory.connect(Edge::new(&id, Role::Offers, &algorithm));
    }

    /// Lets the file of a private key be encrypted with an algorithm.
    pub(crate) fn locked_with(&mut self, name: &str, algorithm: &str) {
        let id = self.id(name);
        let asset = self.inventory.get_mut(&id).unwrap();
        let here = asset.evidence.iter().next().unwrap().clone();
        let Detail::Key(key) = &mut asset.detail else {
            panic!("{name} is no key");
        };
        key.protection = Some(Protection::Encrypted {
            kdf: None,
            rounds: None,
            cipher: Some(algorithm.to_owned()),
        });
        let algorithm = self.algorithm(algorithm, here);
        self.inventory
            .connect(Edge::new(&id, Role::ProtectedBy, &algorithm));
    }

    /// A store that believes authorities.
    pub(crate) fn trust_store(&mut self, name: &str, place: &str, authorities: &[&str]) {
        let detail = MaterialDetail {
            material: "other".to_owned(),
            what: "JKS store".to_owned(),
            ..MaterialDetail::default()
        };
        let asset = Asset::new(name, Detail::Material(Box::new(detail)), &[name.as_bytes()]);
        self.add(name, asset.seen(Occurrence::at(place)));
        for authority in authorities {
            self.connect(name, Role::Trusts, authority);
        }
    }

    /// An SSH key.
    pub(crate) fn ssh_key(&mut self, name: &str, algorithm: &str, place: &str) {
        let detail = KeyDetail {
            kind: KeyKind::Private,
            algorithm: Some(algorithm.to_owned()),
            bits: None,
            spki_sha256: None,
            format: "OpenSSH".to_owned(),
            protection: Some(Protection::None),
        };
        let here = Occurrence::at(place).line(1);
        let asset = Asset::new(
            format!("{algorithm} private key"),
            Detail::Key(Box::new(detail)),
            &[place.as_bytes()],
        );
        let id = self.add(name, asset.seen(here.clone()));
        let algorithm = self.algorithm(algorithm, here);
        self.inventory.connect(Edge::new(&id, Role::Uses, &algorithm));
    }

    /// A call into a library of cryptography.
    pub(crate) fn call(&mut self, algorithm: &str, place: &str, line: u64, symbol: &str) {
        let here = Occurrence::at(place).line(line).symbol(symbol);
        let asset = Algorithm::named(algorithm).used_to(&[Function::Encrypt]);
        let id = self.algorithm(algorithm, here.clone());
        let id_again = self.inventory.insert(
            Asset::algorithm(asset)
                .seen(here)
                .fact("library", "Bouncy Castle"),
        );
        assert_eq!(id, id_again);
        self.ids.insert(algorithm.to_owned(), id);
    }

    /// A library of a lock file.
    pub(crate) fn library(&mut self, name: &str, version: &str, purl: &str, place: &str) {
        let detail = LibraryDetail {
            version: Some(version.to_owned()),
            purl: Some(purl.to_owned()),
        };
        let asset = Asset::new(name, Detail::Library(detail), &[purl.as_bytes()]);
        self.add(name, asset.seen(Occurrence::at(place).line(3)));
    }

    /// Adds a fact.
    pub(crate) fn fact(&mut self, name: &str, fact: &str, value: &str) {
        let id = self.id(name);
        self.inventory.get_mut(&id).unwrap().add_fact(fact, value);
    }

    /// Says whose it is and who can reach it.
    pub(crate) fn tag(&mut self, name: &str, owner: &str, exposure: &str) {
        let id = self.id(name);
        let asset = self.inventory.get_mut(&id).unwrap();
        asset.owners.insert(owner.to_owned());
        asset.exposure = Some(exposure.to_owned());
    }

    /// Something that could not be read.
    pub(crate) fn unread(&mut self, place: &str, reason: Reason, detail: &str) {
        self.inventory.unread.add(Unread {
            location: place.to_owned(),
            line: None,
            reason,
            scanner: "walk".to_owned(),
            detail: detail.to_owned(),
        });
    }

    /// What was to be scanned.
    pub(crate) fn targets(&mut self, targets: &[&str]) {
        self.inventory.targets = targets.iter().map(|target| (*target).to_owned()).collect();
    }
}
