//! What a software store leaves on disk, and what it says when that is wrong.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use symbolon_crypto::{Component, MlDsaContext};
use symbolon_hsm::{
    KekSource, KeyId, KeyInfo, KeyLabel, KeyStore, Passphrase, PrivateFileError, SoftwareError,
    SoftwareStore, StoreError,
};

/// A store with one key, whose key-encryption key is in a file beside it.
struct Fixture {
    scratch: tempfile::TempDir,
    info: KeyInfo,
}

impl Fixture {
    fn new() -> Self {
        let scratch = tempfile::tempdir().expect("scratch");
        let kek = KekSource::KeyFile(scratch.path().join("kek"));
        let store = SoftwareStore::open(&scratch.path().join("keys"), &kek).expect("open");
        let (info, _) = store.generate(Component::MlDsa65, &label()).expect("generate");
        Self { scratch, info }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    fn open(&self) -> Result<SoftwareStore, StoreError> {
        SoftwareStore::open(&self.path("keys"), &KekSource::KeyFile(self.path("kek")))
    }

    fn key_file(&self) -> PathBuf {
        self.path("keys").join(format!("{}.key", self.info.id))
    }

    fn open_error(&self) -> SoftwareError {
        software(self.open().expect_err("must not open"))
    }
}

fn label() -> KeyLabel {
    KeyLabel::of("example.org", "server", "ml-dsa", Component::MlDsa65).expect("label")
}

fn software(error: StoreError) -> SoftwareError {
    match error {
        StoreError::Software(error) => error,
        other => panic!("not about the files: {other}"),
    }
}

fn passphrase(text: &str) -> KekSource {
    KekSource::Passphrase(Passphrase::new(text.as_bytes().to_vec().into()).expect("passphrase"))
}

fn edit(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).expect("read");
    change(&mut bytes);
    fs::write(path, bytes).expect("write");
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("metadata").permissions().mode() & 0o7777
}

fn sorted_names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .expect("read_dir")
        .map(|entry| entry.expect("entry").file_name().into_string().expect("utf-8"))
        .collect();
    names.sort();
    names
}

#[test]
fn everything_on_disk_is_private_and_in_its_place() {
    let fixture = Fixture::new();
    assert_eq!(sorted_names(fixture.scratch.path()), ["kek", "keys"]);
    let mut names = vec![
        format!("{}.key", fixture.info.id),
        "lock".to_owned(),
        "store".to_owned(),
    ];
    names.sort();
    assert_eq!(sorted_names(&fixture.path("keys")), names);
    assert_eq!(
        (mode(&fixture.path("keys")), mode(&fixture.path("kek"))),
        (0o700, 0o600)
    );
    for name in names {
        assert_eq!(mode(&fixture.path("keys").join(name)), 0o600);
    }
}

#[test]
fn a_reopened_store_signs_with_the_same_key() {
    let fixture = Fixture::new();
    let store = fixture.open().expect("open");
    assert_eq!(store.list().expect("list"), std::slice::from_ref(&fixture.info));
    let key = KeyStore::open(&store, &fixture.info.id).expect("key");
    assert!(key.is_own_software());
    let signature = key.sign(b"m", MlDsaContext::EMPTY).expect("sign");
    fixture
        .info
        .public_key
        .verify(b"m", &signature, MlDsaContext::EMPTY)
        .expect("verify");
}

#[test]
fn no_secret_reaches_debug_output_or_the_disk() {
    let scratch = tempfile::tempdir().expect("scratch");
    let kek = passphrase("correct horse battery staple");
    assert!(!format!("{kek:?}").contains("horse"));
    let store = SoftwareStore::open(&scratch.path().join("keys"), &kek).expect("open");
    assert!(format!("{store:?}").contains("Cipher(hidden)"));
    store.generate(Component::Ed25519, &label()).expect("generate");
    for name in sorted_names(&scratch.path().join("keys")) {
        let text = String::from_utf8(fs::read(scratch.path().join("keys").join(name)).expect("read"));
        assert!(!text.expect("text").contains("horse"));
    }
}

#[test]
fn wrong_passphrases_and_kinds_are_told_apart() {
    let scratch = tempfile::tempdir().expect("scratch");
    let dir = scratch.path().join("keys");
    assert!(SoftwareStore::is_new(&dir).expect("is_new"));
    SoftwareStore::open(&dir, &passphrase("right")).expect("create");
    assert!(!SoftwareStore::is_new(&dir).expect("is_new"));
    SoftwareStore::open(&dir, &passphrase("right")).expect("open");

    let error = software(SoftwareStore::open(&dir, &passphrase("wrong")).expect_err("wrong"));
    assert_eq!(
        error.to_string(),
        format!("wrong passphrase for the key store {}", dir.display())
    );

    let kek = scratch.path().join("kek");
    let error = software(SoftwareStore::open(&dir, &KekSource::KeyFile(kek.clone())).expect_err("kind"));
    assert!(matches!(
        error,
        SoftwareError::OtherKek {
            wanted: "passphrase",
            given: "key file",
            ..
        }
    ));
    assert!(
        !kek.exists(),
        "a key file was made for a store that has no use for it"
    );

    let fixture = Fixture::new();
    let error = SoftwareStore::open(&fixture.path("keys"), &passphrase("any")).expect_err("kind");
    assert!(matches!(
        software(error),
        SoftwareError::OtherKek {
            wanted: "key file",
            given: "passphrase",
            ..
        }
    ));
}

#[test]
fn key_encryption_key_files_fail_each_in_its_own_way() {
    let fixture = Fixture::new();
    let kek = fixture.path("kek");
    let good = fs::read(&kek).expect("read");
    let restore = || fs::write(&kek, &good).expect("restore");

    fs::remove_file(&kek).expect("remove");
    assert!(
        matches!(fixture.open_error(), SoftwareError::KeyFileMissing { key_file, .. } if key_file == kek)
    );
    assert!(!kek.exists(), "a new key was made for an old store");

    SoftwareStore::open(&fixture.path("other"), &KekSource::KeyFile(kek.clone())).expect("another store");
    assert!(matches!(fixture.open_error(), SoftwareError::WrongKeyFile { key_file, .. } if key_file == kek));

    restore();
    edit(&kek, |bytes| bytes[70] ^= 1);
    assert!(matches!(fixture.open_error(), SoftwareError::Corrupted { path, .. } if path == kek));

    restore();
    edit(&kek, |bytes| bytes.truncate(100));
    assert!(matches!(fixture.open_error(), SoftwareError::Truncated { path, .. } if path == kek));

    restore();
    edit(&kek, |bytes| bytes.clear());
    assert!(matches!(fixture.open_error(), SoftwareError::Truncated { path, .. } if path == kek));

    restore();
    edit(&kek, |bytes| {
        *bytes = String::from_utf8_lossy(bytes)
            .replace("version 1", "version 2")
            .into_bytes();
    });
    assert!(
        matches!(fixture.open_error(), SoftwareError::NewerVersion { path, found: 2, .. } if path == kek)
    );

    edit(&kek, |bytes| bytes.resize(1 << 20, b'x'));
    assert!(matches!(
        fixture.open_error(),
        SoftwareError::File(PrivateFileError::TooLarge { .. })
    ));

    restore();
    fs::set_permissions(&kek, Permissions::from_mode(0o640)).expect("chmod");
    let error = fixture.open_error().to_string();
    assert!(
        error.ends_with(&format!("run: chmod 600 {}", kek.display())),
        "{error}"
    );

    fs::set_permissions(&kek, Permissions::from_mode(0o400)).expect("chmod");
    fixture.open().expect("as it was");
}

#[test]
fn a_key_encryption_key_inside_its_store_is_refused() {
    let scratch = tempfile::tempdir().expect("scratch");
    let dir = scratch.path().join("keys");
    fs::create_dir(&dir).expect("dir");
    fs::set_permissions(&dir, Permissions::from_mode(0o700)).expect("chmod");
    for inside in ["kek", "deeper/still/kek", "../keys/kek"] {
        let kek = dir.join(inside);
        let error =
            software(SoftwareStore::open(&dir, &KekSource::KeyFile(kek.clone())).expect_err("inside"));
        assert!(matches!(error, SoftwareError::KeyFileInside { .. }), "{error}");
        assert!(!kek.exists());
    }
}

#[test]
fn damage_to_the_store_file_is_told_from_a_wrong_key() {
    let fixture = Fixture::new();
    let header = fixture.path("keys/store");
    let good = fs::read(&header).expect("read");

    edit(&header, |bytes| bytes[40] ^= 1);
    assert!(matches!(fixture.open_error(), SoftwareError::Corrupted { path, .. } if path == header));
    fs::write(&header, &good[..60]).expect("write");
    assert!(matches!(fixture.open_error(), SoftwareError::Truncated { path, .. } if path == header));
    fs::write(&header, "symbolon key store, version 9\n").expect("write");
    assert!(
        matches!(fixture.open_error(), SoftwareError::NewerVersion { path, found: 9, .. } if path == header)
    );
    fs::remove_file(&header).expect("remove");
    assert!(matches!(
        fixture.open_error(),
        SoftwareError::HeaderMissing { .. }
    ));
    assert!(matches!(
        software(SoftwareStore::is_new(&fixture.path("keys")).expect_err("keys without a store")),
        SoftwareError::HeaderMissing { .. }
    ));
    fs::write(&header, &good).expect("restore");
    fixture.open().expect("as it was");
}

#[test]
fn key_files_fail_each_in_its_own_way_and_do_not_harm_each_other() {
    let fixture = Fixture::new();
    let store = fixture.open().expect("open");
    let (other, _) = store.generate(Component::Ed25519, &label()).expect("generate");
    let file = fixture.key_file();
    let good = fs::read(&file).expect("read");
    let failure = || {
        let listed = software(store.list().expect_err("list")).to_string();
        let opened = software(KeyStore::open(&store, &fixture.info.id).expect_err("open"));
        assert_eq!(listed, opened.to_string());
        assert!(listed.contains(&file.display().to_string()), "{listed}");
        KeyStore::open(&store, &other.id).expect("the other key");
        opened
    };

    edit(&file, |bytes| *bytes.last_mut().expect("bytes") = b'!');
    assert!(matches!(failure(), SoftwareError::Truncated { .. }));
    fs::write(&file, &good[..good.len() / 2]).expect("write");
    assert!(matches!(failure(), SoftwareError::Truncated { .. }));
    fs::write(
        &file,
        String::from_utf8_lossy(&good).replace("example.org", "example.com"),
    )
    .expect("write");
    assert!(matches!(failure(), SoftwareError::Corrupted { .. }));
    fs::write(
        &file,
        String::from_utf8_lossy(&good).replace("version 1", "version 2"),
    )
    .expect("write");
    assert!(matches!(
        failure(),
        SoftwareError::NewerVersion {
            found: 2,
            supported: 1,
            ..
        }
    ));
    fs::write(&file, vec![b'x'; 1 << 20]).expect("write");
    assert!(matches!(
        failure(),
        SoftwareError::File(PrivateFileError::TooLarge { .. })
    ));
    fs::copy(fixture.path("keys").join(format!("{}.key", other.id)), &file).expect("copy");
    assert!(matches!(failure(), SoftwareError::Corrupted { .. }));

    fs::write(&file, &good).expect("restore");
    assert_eq!(store.list().expect("list").len(), 2);
    // A file that cannot be read can still be destroyed.
    fs::write(&file, b"").expect("write");
    store.destroy(&fixture.info.id).expect("destroy");
    assert_eq!(store.list().expect("list"), [other]);
}

#[test]
fn stores_that_share_a_key_encryption_key_do_not_share_keys() {
    let fixture = Fixture::new();
    let kek = KekSource::KeyFile(fixture.path("kek"));
    let other = SoftwareStore::open(&fixture.path("other"), &kek).expect("other");
    let copy = fixture.path("other").join(format!("{}.key", fixture.info.id));
    fs::copy(fixture.key_file(), &copy).expect("copy");
    let error = software(KeyStore::open(&other, &fixture.info.id).expect_err("foreign"));
    assert!(matches!(error, SoftwareError::ForeignKeyFile { path } if path == copy));
}

#[test]
fn ids_of_other_shapes_are_unknown_and_touch_nothing() {
    let fixture = Fixture::new();
    let store = fixture.open().expect("open");
    let upper = fixture.info.id.as_str().to_uppercase();
    for text in [
        "store",
        "lock",
        "x",
        upper.as_str(),
        "0000000000000000000000000000000",
    ] {
        let id = KeyId::parse(text).expect("id");
        if id == fixture.info.id {
            continue;
        }
        assert!(matches!(
            KeyStore::open(&store, &id),
            Err(StoreError::UnknownKey { .. })
        ));
        assert!(matches!(store.destroy(&id), Err(StoreError::UnknownKey { .. })));
    }
    fixture.open().expect("still a store");
}

#[test]
fn a_store_that_went_away_is_not_a_key_that_was_destroyed() {
    let fixture = Fixture::new();
    let store = fixture.open().expect("open");
    fs::rename(fixture.path("keys"), fixture.path("moved")).expect("rename");
    for result in [
        KeyStore::open(&store, &fixture.info.id).map(drop),
        store.destroy(&fixture.info.id),
        store.list().map(drop),
        store.generate(Component::Ed25519, &label()).map(drop),
    ] {
        assert!(matches!(
            software(result.expect_err("gone")),
            SoftwareError::Io { .. }
        ));
    }
    fs::rename(fixture.path("moved"), fixture.path("keys")).expect("rename");
    KeyStore::open(&store, &fixture.info.id).expect("back");
}

#[test]
fn a_directory_open_to_others_is_refused() {
    let fixture = Fixture::new();
    fs::set_permissions(fixture.path("keys"), Permissions::from_mode(0o750)).expect("chmod");
    let error = fixture.open_error().to_string();
    assert!(error.contains("chmod 700"), "{error}");
}
