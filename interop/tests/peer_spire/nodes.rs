//! What nodes prove themselves with, made with OpenSSL as an operator makes it.

use std::fs;
use std::path::{Path, PathBuf};

use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{HasPublic, PKey, PKeyRef, Private};
use openssl::x509::extension::{BasicConstraints, KeyUsage};
use openssl::x509::{X509, X509Builder, X509Name, X509Ref};
use symbolon_interop::server::Settings;
use symbolon_interop::spire::Evidence;

/// An authority.
pub(crate) type Authority = (X509, PKey<Private>);

pub(crate) fn ec_key() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

/// An authority of its own.
pub(crate) fn root(name: &str) -> Authority {
    let key = ec_key();
    (authority(name, 1, &key, None), key)
}

fn authority(name: &str, serial: u32, key: &PKey<Private>, issuer: Option<&Authority>) -> X509 {
    let mut builder = begin(name, serial, key);
    let constraints = BasicConstraints::new().critical().ca().build().unwrap();
    builder.append_extension(constraints).unwrap();
    let usage = KeyUsage::new().critical().key_cert_sign().build().unwrap();
    builder.append_extension(usage).unwrap();
    match issuer {
        Some(issuer) => finish(builder, issuer.0.subject_name(), &issuer.1),
        None => {
            let subject = named(name);
            finish(builder, &subject, key)
        }
    }
}

/// A certificate under an authority, for a key of which the private part may be elsewhere.
pub(crate) fn leaf(
    name: &str,
    serial: u32,
    key: &PKeyRef<impl HasPublic>,
    issuer: &Authority,
    shape: impl FnOnce(&mut X509Builder),
) -> X509 {
    let mut builder = begin(name, serial, key);
    shape(&mut builder);
    finish(builder, issuer.0.subject_name(), &issuer.1)
}

/// For keys that sign.
pub(crate) fn for_signing(builder: &mut X509Builder) {
    let usage = KeyUsage::new().critical().digital_signature().build().unwrap();
    builder.append_extension(usage).unwrap();
}

fn begin(name: &str, serial: u32, key: &PKeyRef<impl HasPublic>) -> X509Builder {
    let mut builder = X509Builder::new().unwrap();
    builder.set_version(2).unwrap();
    let serial = BigNum::from_u32(serial).unwrap().to_asn1_integer().unwrap();
    builder.set_serial_number(&serial).unwrap();
    builder.set_subject_name(&named(name)).unwrap();
    builder.set_pubkey(key).unwrap();
    let (from, to) = (
        Asn1Time::days_from_now(0).unwrap(),
        Asn1Time::days_from_now(1).unwrap(),
    );
    builder.set_not_before(&from).unwrap();
    builder.set_not_after(&to).unwrap();
    builder
}

fn finish(mut builder: X509Builder, issuer: &openssl::x509::X509NameRef, key: &PKey<Private>) -> X509 {
    builder.set_issuer_name(issuer).unwrap();
    builder.sign(key, MessageDigest::sha256()).unwrap();
    builder.build()
}

fn named(name: &str) -> X509Name {
    let mut subject = X509Name::builder().unwrap();
    subject.append_entry_by_nid(Nid::COMMONNAME, name).unwrap();
    subject.build()
}

/// A certificate's SHA-1, as SPIRE has it in agents' ids and selectors.
pub(crate) fn sha1(certificate: &X509Ref) -> String {
    hex::encode(certificate.digest(MessageDigest::sha1()).unwrap())
}

/// Writes a certificate in PEM.
pub(crate) fn write(path: &Path, certificate: &X509) -> PathBuf {
    fs::write(path, certificate.to_pem().unwrap()).unwrap();
    path.to_owned()
}

/// Certificates of nodes, under a root that the server is told of and one in between.
pub(crate) struct Nodes {
    folder: tempfile::TempDir,
    pub(crate) root: Authority,
    pub(crate) between: Authority,
}

impl Nodes {
    pub(crate) fn new() -> Self {
        let root = root("nodes");
        let key = ec_key();
        let between = (authority("nodes in the east", 2, &key, Some(&root)), key);
        let folder = tempfile::tempdir().unwrap();
        write(&folder.path().join("root.pem"), &root.0);
        write(&folder.path().join("between.pem"), &between.0);
        Self {
            folder,
            root,
            between,
        }
    }

    /// The file with the root.
    pub(crate) fn root_file(&self) -> PathBuf {
        self.folder.path().join("root.pem")
    }

    /// The section of our server that lets them in.
    pub(crate) fn section(&self) -> String {
        format!(
            "[attestors.x509pop]\nca_bundles = [\"{}\"]\n",
            self.root_file().display()
        )
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings {
            sections: format!("{}\n[lifetimes]\nagent = \"40s\"\n", self.section()),
            ..Settings::default()
        }
    }

    /// A node's evidence, and its certificate's SHA-1.
    pub(crate) fn node(&self, name: &str, key: &PKey<Private>, issuer: &Authority) -> (Evidence, String) {
        let leaf = leaf(name, 0x2a, key, issuer, for_signing);
        let key_file = self.folder.path().join(format!("{name}.key"));
        symbolon_interop::server::write_private(&key_file, &key.private_key_to_pem_pkcs8().unwrap()).unwrap();
        let evidence = Evidence::X509pop {
            certificate: write(&self.folder.path().join(format!("{name}.pem")), &leaf),
            key: key_file,
            intermediates: Some(self.folder.path().join("between.pem")),
        };
        (evidence, sha1(&leaf))
    }
}
