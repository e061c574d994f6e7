//! Files made by OpenSSL, OpenSSH, GnuPG and the JDK, and what the scanners find in them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeSet;
use std::path::Path;

use symbolon_migration_planner::inventory::{
    Asset, Detail, Inventory, KeyKind, Protection, Reason, Role, Unread,
};

use self::common::{run, samples, scanned};

/// The assets that were seen in the file of this name.
fn seen_in<'a>(inventory: &'a Inventory, name: &str) -> Vec<&'a Asset> {
    let ending = format!("/{name}");
    inventory
        .assets()
        .filter(|asset| {
            asset
                .evidence
                .iter()
                .any(|place| place.location.ends_with(&ending))
        })
        .collect()
}

fn names(assets: &[&Asset], kind: &str) -> BTreeSet<String> {
    assets
        .iter()
        .filter(|asset| asset.detail.kind() == kind)
        .map(|asset| asset.name.clone())
        .collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn every_kind_of_file_is_understood() {
    let folder = samples();
    let inventory = scanned(folder);
    let algorithms = |name: &str| names(&seen_in(&inventory, name), "algorithm");
    let kinds = |name: &str| -> BTreeSet<String> {
        seen_in(&inventory, name)
            .iter()
            .map(|asset| asset.detail.kind().to_owned())
            .collect()
    };
    if std::env::var_os("SYMBOLON_SHOW").is_some() {
        for asset in inventory.assets() {
            eprintln!("{} {} {:?}", asset.id(), asset.name, asset.facts);
            for place in asset.evidence.iter() {
                eprintln!(
                    "    {}:{:?} {:?} {:?}",
                    place.location, place.line, place.symbol, place.access
                );
            }
        }
        for unread in inventory.unread.iter() {
            eprintln!("{unread:?}");
        }
    }

    assert_eq!(algorithms("rsa.pem"), set(&["RSA-2048"]));
    assert_eq!(algorithms("rsa-pkcs1.pem"), set(&["RSA-2048"]));
    assert_eq!(
        algorithms("rsa-traditional.pem"),
        set(&["AES-128-CBC", "EVP_BytesToKey-MD5", "MD5", "RSA"])
    );
    assert_eq!(
        algorithms("rsa-pbes2.pem"),
        set(&["AES-256-CBC", "PBKDF2-SHA-256", "SHA-256"])
    );
    assert_eq!(algorithms("rsa-scrypt.pem"), set(&["AES-256-CBC", "scrypt"]));
    assert_eq!(algorithms("ec.pem"), set(&["ECDSA-P-256"]));
    assert_eq!(algorithms("ec.der"), set(&["ECDSA-P-256"]));
    assert_eq!(algorithms("ed25519.pem"), set(&["Ed25519"]));
    assert_eq!(kinds("ed25519-public.pem"), set(&["algorithm", "public-key"]));
    assert_eq!(
        algorithms("leaf.pem"),
        set(&["ECDSA-P-256", "RSA-PKCS1-1.5-SHA-384", "SHA-384"])
    );
    assert_eq!(
        algorithms("leaf.csr"),
        set(&["ECDSA-P-256", "ECDSA-SHA-256", "SHA-256"])
    );
    assert_eq!(
        names(&seen_in(&inventory, "leaf.csr"), "material"),
        set(&["certificate signing request CN=leaf"])
    );
    assert_eq!(
        names(&seen_in(&inventory, "chain.p7b"), "certificate"),
        set(&["CN=leaf", "CN=root"])
    );
    assert_eq!(
        names(&seen_in(&inventory, "root.crl.pem"), "material"),
        set(&["certificate revocation list of CN=root"])
    );
    assert_eq!(names(&seen_in(&inventory, "modern.p12"), "certificate"), set(&[]));
    assert_eq!(
        names(&seen_in(&inventory, "open.p12"), "certificate"),
        set(&["CN=leaf"])
    );
    assert!(algorithms("modern.p12").is_superset(&set(&["AES-256-CBC", "PBKDF2-SHA-256", "HMAC-SHA-256"])));
    assert_eq!(algorithms("dh.pem"), set(&["FFDHE-1024"]));
    assert!(algorithms("signed.p7m").contains("ECDSA-SHA-256"));
    assert!(algorithms("enveloped.p7m").is_superset(&set(&["AES-256-CBC", "RSA"])));
    assert_eq!(algorithms("id_ed25519.pub"), set(&["Ed25519"]));
    assert_eq!(algorithms("id_ed25519"), set(&["Ed25519"]));
    assert_eq!(
        algorithms("id_ecdsa"),
        set(&["AES-256-CTR", "ECDSA-P-521", "bcrypt"])
    );
    assert_eq!(
        names(&seen_in(&inventory, "id_ecdsa-cert.pub"), "certificate"),
        set(&["certificate-id"])
    );
    for name in ["public.gpg", "public.asc", "pubring.kbx"] {
        let expected = set(&["RSA-2048", "Ed25519", "x25519"]);
        assert!(
            algorithms(name).is_superset(&expected),
            "{name}: {:?}",
            algorithms(name)
        );
    }
    assert!(algorithms("bob.gpg").contains("AES-128-CFB") || algorithms("bob.gpg").contains("AES-256-CFB"));
    for name in ["store.jks", "store.jceks"] {
        let found = seen_in(&inventory, name);
        assert_eq!(
            names(&found, "certificate"),
            set(&["CN=java", "CN=root"]),
            "{name}"
        );
        assert_eq!(
            names(&found, "private-key"),
            set(&["encrypted private key"]),
            "{name}"
        );
    }
}

#[test]
fn one_key_in_many_places_is_one_asset_and_copies_tell_how_they_are_kept() {
    let folder = samples();
    let inventory = scanned(folder);
    let public: Vec<&Asset> = inventory
        .assets()
        .filter(|asset| asset.name == "ECDSA-P-256 public key")
        .collect();
    assert_eq!(public.len(), 1, "the leaf's key");
    let places: BTreeSet<&str> = public[0]
        .evidence
        .iter()
        .filter_map(|place| place.location.rsplit('/').next())
        .collect();
    for name in [
        "ec.pem",
        "ec.der",
        "leaf.pem",
        "leaf.der",
        "leaf.csr",
        "chain.p7b",
        "open.p12",
    ] {
        assert!(places.contains(name), "{name} is not among {places:?}");
    }
    let held: Vec<&Asset> = inventory
        .assets()
        .filter(|asset| matches!(&asset.detail, Detail::Key(key) if key.kind == KeyKind::Private))
        .collect();
    let protected_by = |name: &str| {
        held.iter()
            .filter(|asset| asset.evidence.iter().any(|place| place.location.ends_with(name)))
            .find_map(|asset| match &asset.detail {
                Detail::Key(key) => key.protection.clone(),
                _ => None,
            })
    };
    assert_eq!(protected_by("/rsa.pem"), Some(Protection::None));
    assert!(matches!(
        protected_by("/rsa-pbes2.pem"),
        Some(Protection::Encrypted { kdf: Some(kdf), rounds: Some(2048), .. }) if kdf == "PBKDF2-SHA-256"
    ));
    assert!(matches!(
        protected_by("/id_ecdsa"),
        Some(Protection::Encrypted { kdf: Some(kdf), rounds: Some(_), .. }) if kdf == "bcrypt"
    ));
    // Who may read a private key is told, of a public one it does not matter.
    assert!(
        held.iter()
            .all(|asset| asset.evidence.iter().all(|place| place.access.is_some()))
    );
    assert!(public[0].evidence.iter().any(|place| place.access.is_none()));
}

#[test]
fn the_chain_is_connected_and_what_is_encrypted_is_said() {
    let folder = samples();
    let inventory = scanned(folder);
    let find = |name: &str| {
        inventory
            .assets()
            .find(|asset| asset.name == name && asset.detail.kind() == "certificate")
            .unwrap()
    };
    let (leaf, root) = (find("CN=leaf"), find("CN=root"));
    let issued = inventory
        .edges_from(leaf.id())
        .find(|edge| edge.role == Role::IssuedBy)
        .unwrap();
    assert_eq!(&issued.to, root.id());
    let encrypted = |name: &str| {
        inventory
            .unread
            .iter()
            .any(|unread| unread.reason == Reason::Encrypted && unread.location.ends_with(name))
    };
    for name in [
        "modern.p12",
        "rsa-pbes2.pem",
        "rsa-traditional.pem",
        "store.jks",
        "bob.gpg",
    ] {
        assert!(encrypted(name), "{name}");
    }
    let malformed: Vec<_> = inventory
        .unread
        .iter()
        .filter(|unread| unread.reason == Reason::Malformed)
        .collect();
    assert!(malformed.is_empty(), "{malformed:?}");
}

#[test]
fn no_passphrase_and_no_key_is_in_the_inventory() {
    let folder = samples();
    let inventory = scanned(folder);
    let mut written = Vec::new();
    let version = symbolon_migration_planner::cbom::SpecVersion::V1_7;
    symbolon_migration_planner::cbom::write(&inventory, version, &mut written).unwrap();
    let written = String::from_utf8(written).unwrap();
    assert!(!written.contains("sesame"));
    let pem = std::fs::read_to_string(Path::new(folder).join("rsa.pem")).unwrap();
    for line in pem.lines().filter(|line| !line.starts_with("---")) {
        assert!(
            !written.contains(line),
            "a line of the private key is in the document"
        );
    }
}

#[test]
fn a_store_with_the_empty_passphrase_is_told_and_so_is_how_its_keys_are_encrypted() {
    let folder = tempfile::tempdir().unwrap();
    let openssl = |line: &str| run(folder.path(), "openssl", &line.split(' ').collect::<Vec<_>>());
    openssl("req -x509 -newkey rsa:2048 -nodes -keyout k.pem -out c.pem -subj /CN=store -days 3");
    let hashes = ["sha1", "sha256", "sha384", "sha512"];
    for hash in hashes {
        for (name, passphrase) in [("empty", ""), ("kept", "sesame")] {
            openssl(&format!(
                "pkcs12 -export -in c.pem -inkey k.pem -macalg {hash} -passout pass:{passphrase} -out {name}-{hash}.p12"
            ));
        }
    }
    let inventory = scanned(folder.path());
    for hash in hashes {
        for name in ["empty", "kept"] {
            let file = format!("{name}-{hash}.p12");
            let seen = seen_in(&inventory, &file);
            let keys: Vec<&Option<Protection>> = seen
                .iter()
                .filter_map(|asset| match &asset.detail {
                    Detail::Key(key) if key.kind == KeyKind::Private => Some(&key.protection),
                    _ => None,
                })
                .collect();
            let [protection] = keys[..] else {
                panic!("{file}: {keys:?}")
            };
            // The MAC says nothing of the bags: they may be encrypted with another passphrase.
            let Some(Protection::Encrypted {
                kdf: Some(kdf),
                cipher: Some(cipher),
                ..
            }) = protection
            else {
                panic!("{file}: {protection:?}")
            };
            for algorithm in [kdf, cipher] {
                let edge = |asset: &&Asset| {
                    let mut edges = inventory.edges_from(asset.id());
                    edges.any(|edge| {
                        edge.role == Role::ProtectedBy && inventory.get(&edge.to).unwrap().name == *algorithm
                    })
                };
                let mut keys = seen.iter().filter(|asset| asset.detail.kind() == "private-key");
                assert!(keys.any(edge), "{file}: {algorithm}");
            }
            let is_open = name == "empty";
            let store = seen
                .iter()
                .find(|asset| asset.detail.kind() == "material")
                .unwrap();
            let expected: &[&str] = if is_open { &["empty"] } else { &[] };
            assert_eq!(
                store.facts_of("passphrase").collect::<Vec<_>>(),
                expected,
                "{file}"
            );
            let gap = |unread: &Unread| {
                unread.location.ends_with(&file) && unread.detail.contains("the empty passphrase")
            };
            assert_eq!(inventory.unread.iter().any(gap), is_open, "{file}");
        }
    }
}
