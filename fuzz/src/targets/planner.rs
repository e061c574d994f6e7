//! Everything that the planner reads of files that it was only told to look at.

mod samples;

use std::sync::{Arc, OnceLock};

use symbolon_migration_planner::cbom::{self, SpecVersion};
use symbolon_migration_planner::inventory::Query;
use symbolon_migration_planner::roadmap::Roadmap;
use symbolon_migration_planner::scan::{Scanner, Trigger, conformance};
use symbolon_migration_planner::{config, files, issued, source};
use symbolon_pki::pem;

use super::{jose, x509};
use crate::estate::chains;
use crate::{Shape, Target};

pub(super) const FILES: Target = Target {
    name: "planner-files",
    about: "scanners of keys and certificates: DER, PEM, PKCS#12, JKS, OpenPGP, SSH, JWK; the first byte says which",
    shape: Shape::Bytes,
    max_len: 8 * 1024,
    body: |input| scan(places(&PLACES_OF_FILES, files::scanners), input),
    seeds: file_seeds,
};

pub(super) const CONFIGURATION: Target = Target {
    name: "planner-config",
    about: "scanners of configuration files; the first byte says which",
    shape: Shape::Bytes,
    max_len: 4 * 1024,
    body: |input| scan(places(&PLACES_OF_CONFIGURATION, config::scanners), input),
    seeds: || {
        let text: &[u8] = b"server {\n  listen 443 ssl;\n  ssl_protocols TLSv1.2 TLSv1.3;\n  ssl_certificate /etc/a.pem;\n}\n\
            [default_conf]\nssl_conf = ssl_sect\nGroups = X25519MLKEM768:P-256\nssl.protocol=TLSv1.3\nkind: Secret\n\
            data:\n  tls.crt: QQ==\nHostKey /etc/ssh/key\nPrivateKey = aGVsbG8=\nbind :443 ssl crt /etc/b.pem\n";
        let places = places(&PLACES_OF_CONFIGURATION, config::scanners);
        let samples = samples::CONFIGURATION.iter().copied();
        [with_every_place(places, text), where_told(places, samples)].concat()
    },
};

pub(super) const SOURCE: Target = Target {
    name: "planner-source",
    about: "scanners of source code and lock files; the first byte says which",
    shape: Shape::Bytes,
    max_len: 2 * 1024,
    body: |input| scan(places(&PLACES_OF_SOURCE, source::scanners), input),
    seeds: || {
        let text: &[u8] = b"import javax.crypto.Cipher;\nfrom cryptography.hazmat.primitives import hashes\n\
            #include <openssl/rsa.h>\nimport \"crypto/rsa\"\nuse aws_lc_rs::signature;\nclass A { void f() { \
            Cipher.getInstance(\"AES/ECB/PKCS5Padding\"); RSA_generate_key_ex(k, 1024, e, 0); \
            rsa.GenerateKey(rand.Reader, 2048) } }\nconst c = require('crypto'); c.createHash('md5');\n";
        let places = places(&PLACES_OF_SOURCE, source::scanners);
        let samples = samples::SOURCE.iter().copied();
        [with_every_place(places, text), where_told(places, samples)].concat()
    },
};

pub(super) const CBOM: Target = Target {
    name: "planner-cbom",
    about: "other tools' CycloneDX: an inventory that is written is read back",
    shape: Shape::Bytes,
    max_len: 8 * 1024,
    body: |input| {
        let Ok(inventory) = cbom::read(input) else { return };
        let mut written = Vec::new();
        cbom::write(&inventory, SpecVersion::V1_7, &mut written).expect("memory takes everything");
        let again = cbom::read(&written).expect("a document of our own");
        assert_eq!(
            again.assets().count(),
            inventory.assets().count(),
            "assets that got lost"
        );
    },
    seeds: cbom_seeds,
};

pub(super) const RECORDS: Target = Target {
    name: "planner-records",
    about: "exports of issued certificates, roadmaps and queries",
    shape: Shape::Bytes,
    max_len: 40 * 1024,
    body: |input| {
        let _ = issued::read(input);
        if let Ok(roadmap) = Roadmap::from_json(input) {
            serde_json::to_string(&roadmap).expect("what was read can be written");
        }
        if let Ok(text) = std::str::from_utf8(input) {
            let _ = text.parse::<Query>();
        }
    },
    seeds: || {
        vec![
            pem::encode("CERTIFICATE", &chains()[0].leaf).as_bytes().to_vec(),
            include_bytes!("../../../migration-planner/tests/golden/small.roadmap.json").to_vec(),
            b"algorithm=RSA-2048 quantum=broken fact.tls=yes".to_vec(),
        ]
    },
};

/// A scanner, and the name of a file that it is shown.
type Place = (Arc<dyn Scanner>, String);
type Places = OnceLock<Vec<Place>>;

static PLACES_OF_FILES: Places = OnceLock::new();
static PLACES_OF_CONFIGURATION: Places = OnceLock::new();
static PLACES_OF_SOURCE: Places = OnceLock::new();

/// Every scanner under every name that makes it look.
fn places(known: &'static Places, scanners: fn() -> Vec<Arc<dyn Scanner>>) -> &'static [Place] {
    known.get_or_init(|| {
        let mut places = Vec::new();
        for scanner in scanners() {
            for trigger in scanner.triggers() {
                let name = match trigger {
                    Trigger::Extension(extension) => format!("file.{extension}"),
                    Trigger::FileName(name) => (*name).to_owned(),
                    Trigger::PathContains(part) => format!("etc{part}file.conf"),
                    _ => "file".to_owned(),
                };
                if !places
                    .iter()
                    .any(|(known, at): &Place| *at == name && known.name() == scanner.name())
                {
                    places.push((Arc::clone(&scanner), name));
                }
            }
        }
        places
    })
}

fn scan(places: &[Place], input: &[u8]) {
    let Some((which, bytes)) = input.split_first() else {
        return;
    };
    let (scanner, name) = &places[usize::from(*which) % places.len()];
    let found = conformance::show(&**scanner, name, bytes);
    serde_json::to_string(&found).expect("what was found can be written");
}

/// The text behind the number of each place.
fn with_every_place(places: &[Place], text: &[u8]) -> Vec<Vec<u8>> {
    (0..places.len().min(256))
        .map(|number| [&[number as u8][..], text].concat())
        .collect()
}

/// Samples behind the numbers of those places where something is told about them: found, or said to be unread.
fn where_told<'a>(places: &[Place], samples: impl Iterator<Item = &'a [u8]>) -> Vec<Vec<u8>> {
    let told = |(number, (scanner, name)): (u8, &Place), sample: &[u8]| {
        let found = conformance::show(&**scanner, name, sample);
        let silent = found.assets().is_empty() && found.unread_entries().is_empty();
        (!silent).then(|| [&[number][..], sample].concat())
    };
    samples
        .flat_map(|sample| {
            (0..=u8::MAX)
                .zip(places)
                .filter_map(move |place| told(place, sample))
        })
        .collect()
}

fn file_seeds() -> Vec<Vec<u8>> {
    let places = places(&PLACES_OF_FILES, files::scanners);
    let mut samples = vec![
        x509::certificates().swap_remove(0),
        super::keys::private_key(chains()[0].suite),
        pem::encode("CERTIFICATE", &chains()[0].leaf).as_bytes().to_vec(),
        [
            &[
                0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 1, b'a',
            ][..],
            &[0; 40],
        ]
        .concat(),
        b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH fuzz\n".to_vec(),
        [
            &[
                0x98, 0x33, 0x04, 0x60, 0, 0, 0, 22, 9, 43, 6, 1, 4, 1, 0xda, 0x47, 15, 1, 1, 7, 64,
            ][..],
            &[7; 33],
        ]
        .concat(),
        b"{\"kty\":\"RSA\",\"n\":\"sXch\",\"e\":\"AQAB\"}".to_vec(),
    ];
    samples.extend(jose::tokens());
    let mut seeds = Vec::new();
    for sample in samples {
        seeds.extend(with_every_place(places, &sample));
    }
    let files = samples::files();
    seeds.extend(where_told(places, files.iter().map(Vec::as_slice)));
    seeds
}

/// A document of our own making, of what our own scanners find.
fn cbom_seeds() -> Vec<Vec<u8>> {
    let mut seeds = vec![
        b"{\"bomFormat\":\"CycloneDX\",\"specVersion\":\"1.6\",\"serialNumber\":\
          \"urn:uuid:3e671687-395b-41f5-a30f-a58921a69b79\",\"version\":1,\"components\":[{\"type\":\
          \"cryptographic-asset\",\"bom-ref\":\"a\",\"name\":\"RSA-2048\",\"cryptoProperties\":{\"assetType\":\
          \"algorithm\",\"algorithmProperties\":{\"primitive\":\"signature\",\"parameterSetIdentifier\":\"2048\"},\
          \"oid\":\"1.2.840.113549.1.1.11\"}},{\"type\":\"cryptographic-asset\",\"bom-ref\":\"b\",\"name\":\"c\",\
          \"cryptoProperties\":{\"assetType\":\"certificate\",\"certificateProperties\":{\"subjectName\":\"CN=a\",\
          \"notValidAfter\":\"2027-01-01T00:00:00Z\",\"signatureAlgorithmRef\":\"a\"}}}],\"dependencies\":[{\"ref\":\
          \"b\",\"dependsOn\":[\"a\"]}]}"
            .to_vec(),
    ];
    for version in [SpecVersion::V1_6, SpecVersion::V1_7] {
        let inventory = cbom::read(&seeds[0]).expect("the document above");
        let mut written = Vec::new();
        cbom::write(&inventory, version, &mut written).expect("memory takes everything");
        seeds.push(written);
    }
    seeds
}
