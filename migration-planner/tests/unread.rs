//! Nothing that was not read is passed over in silence, and nothing that fails ends a scan.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use symbolon_migration_planner::inventory::{Detail, Fragment, Inventory, KeyKind, Reason};
use symbolon_migration_planner::scan::{Piece, ScanRequest, Scanner, Target, Trigger, scan};

use self::common::{age, run, scanned};

/// What could not be read, as `name:line reason`.
fn unread(inventory: &Inventory) -> BTreeSet<String> {
    let entries = inventory.unread.iter().map(|unread| {
        let name = unread.location.rsplit('/').next().unwrap();
        let line = unread.line.map(|line| format!(":{line}")).unwrap_or_default();
        format!("{name}{line} {}", unread.reason.name())
    });
    entries.collect()
}

fn set(texts: &[&str]) -> BTreeSet<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn keys(inventory: &Inventory, kind: KeyKind) -> usize {
    let keys = inventory
        .assets()
        .filter(|asset| matches!(&asset.detail, Detail::Key(key) if key.kind == kind));
    keys.count()
}

fn certificate(folder: &Path) -> String {
    let line = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out good.pem -subj /CN=x -days 9";
    run(folder, "openssl", &line.split(' ').collect::<Vec<_>>());
    std::fs::read_to_string(folder.join("good.pem")).unwrap()
}

#[test]
fn a_damaged_block_between_good_ones_is_told_however_short_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let good = certificate(folder.path());
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let lines = good.lines().count();
    write(
        "short.pem",
        &format!("{good}-----BEGIN CERTIFICATE-----\n!!! no base64\n-----END CERTIFICATE-----\n{good}"),
    );
    write(
        "empty.pem",
        &format!("{good}-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n{good}"),
    );
    write("cut.crt", &format!("-----BEGIN CERTIFICATE-----\nMIIB\n{good}"));
    // Somebody writes about them.
    write(
        "about.md",
        "Put it between\n-----BEGIN CERTIFICATE-----\n...\n-----END CERTIFICATE-----\nand go on.\n",
    );
    let inventory = scanned(folder.path());
    let next = lines + 1;
    assert_eq!(
        unread(&inventory),
        set(&[
            &format!("short.pem:{next} malformed"),
            &format!("empty.pem:{next} malformed"),
            "cut.crt:1 malformed",
        ])
    );
    let places = inventory
        .assets()
        .filter(|asset| matches!(asset.detail, Detail::Certificate(_)))
        .map(|asset| asset.evidence.len());
    assert_eq!(places.sum::<usize>(), 6, "every good block around them is read");
}

#[test]
fn a_name_that_promises_keys_or_certificates_is_told_when_nothing_is_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    write("a.pem", b"hello\n");
    write("a.der", b"\x05\x00 and more");
    write("a.p12", &[7; 400]);
    write("a.jks", b"\xfe\xed\xfe\xed\0\0\0\x09 and more");
    write("a.jwk", "{\"keys\":".repeat(10_000).as_bytes());
    write("a.bks", b"\0\0\0\x02 and more");
    write("a.key", b"0123456789abcdef\n");
    write("empty.pem", b"");
    write("a.txt", b"hello\n");
    let inventory = scanned(folder.path());
    assert_eq!(
        unread(&inventory),
        set(&[
            "a.pem malformed",
            "a.der malformed",
            "a.p12 malformed",
            "a.jks malformed",
            "a.jwk malformed",
            "a.bks unsupported",
            "a.key unsupported",
        ])
    );
}

#[test]
fn lines_that_should_hold_ssh_keys_and_do_not_are_told() {
    let folder = tempfile::tempdir().unwrap();
    run(
        folder.path(),
        "ssh-keygen",
        &["-q", "-t", "ed25519", "-N", "", "-f", "id"],
    );
    let key = std::fs::read_to_string(folder.path().join("id.pub")).unwrap();
    // A type that no scanner knows: four bytes of length, the name, and something.
    let strange = "AAAAEnNzaC1mYWxjb25iYW5hbmE2NAAAAAR0ZXN0";
    let text = format!(
        "# one\n\n{key}ssh-rsa AAAAB3NzaC1broken x\nssh-ed25519 broken\nssh-falconbanana64 {strange} me\n"
    );
    std::fs::write(folder.path().join("authorized_keys"), &text).unwrap();
    std::fs::write(
        folder.path().join("strange.pub"),
        format!("ssh-falconbanana64 {strange} me\n"),
    )
    .unwrap();
    let inventory = scanned(folder.path());
    assert_eq!(
        unread(&inventory),
        set(&[
            "authorized_keys:4 malformed",
            "authorized_keys:5 malformed",
            "authorized_keys:6 unsupported",
            "strange.pub:1 unsupported",
        ])
    );
    assert_eq!(keys(&inventory, KeyKind::Public), 1);
}

#[test]
fn a_key_is_found_on_one_line_escaped_twice_in_wide_characters_and_as_openvpn_has_it() {
    let folder = tempfile::tempdir().unwrap();
    certificate(folder.path());
    let key = std::fs::read_to_string(folder.path().join("key.pem")).unwrap();
    std::fs::remove_file(folder.path().join("good.pem")).unwrap();
    std::fs::remove_file(folder.path().join("key.pem")).unwrap();
    let found = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let inventory = scanned(&path);
        assert_eq!(unread(&inventory), set(&[]), "{name}");
        (
            keys(&inventory, KeyKind::Private),
            keys(&inventory, KeyKind::Secret),
        )
    };
    let once = serde_json::to_string(&key).unwrap();
    let twice = serde_json::to_string(&once).unwrap();
    let thrice = serde_json::to_string(&twice).unwrap();
    let wide: Vec<u8> = key.encode_utf16().flat_map(u16::to_be_bytes).collect();
    assert_eq!(
        found(
            "a.env",
            format!("KEY=\"{}\"", key.trim().replace('\n', " ")).as_bytes()
        ),
        (1, 0)
    );
    assert_eq!(found("once.json", once.as_bytes()), (1, 0));
    assert_eq!(found("twice.json", twice.as_bytes()), (1, 0));
    assert_eq!(found("thrice.json", thrice.as_bytes()), (1, 0));
    assert_eq!(found("wide.txt", &wide), (1, 0));
    let static_key = format!(
        "-----BEGIN OpenVPN Static key V1-----\n{}-----END OpenVPN Static key V1-----\n",
        "0123456789abcdef0123456789abcdef\n".repeat(16)
    );
    assert_eq!(found("ta.key", static_key.as_bytes()), (0, 1));
}

/// Fails on what it is told to fail on.
#[derive(Debug)]
struct Failing;

impl Scanner for Failing {
    fn name(&self) -> &'static str {
        "failing"
    }

    fn triggers(&self) -> &[Trigger] {
        &[Trigger::Extension("bad"), Trigger::Extension("good")]
    }

    fn scan(&self, piece: &Piece<'_>, found: &mut Fragment) {
        let Piece::File(file) = piece else { return };
        found.unread(Reason::Encrypted, None, "seen");
        assert!(
            file.name.ends_with(".good"),
            "this is how a fault in a scanner looks"
        );
    }
}

#[test]
fn a_scanner_that_fails_is_an_entry_and_the_scan_ends() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..40 {
        std::fs::write(folder.path().join(format!("{number}.bad")), "x").unwrap();
        std::fs::write(folder.path().join(format!("{number}.good")), "x").unwrap();
    }
    let mut request = ScanRequest::new(vec![Target::Path(folder.path().to_owned())]);
    request.scanners = vec![Arc::new(Failing)];
    request.threads = 4;
    let inventory = scan(&request).unwrap();
    let count = |reason: Reason| {
        inventory
            .unread
            .counts()
            .get(&reason)
            .copied()
            .unwrap_or_default()
    };
    assert_eq!((count(Reason::Unsupported), count(Reason::Encrypted)), (40, 80));
}

#[test]
fn a_file_that_is_too_large_today_is_told_so_whatever_the_cache_has() {
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path().join("tree");
    std::fs::create_dir(&tree).unwrap();
    certificate(&tree);
    age(&tree);
    let mut request = ScanRequest::new(vec![Target::Path(tree)]);
    request.cache = Some(folder.path().join("cache"));
    scan(&request).unwrap();
    let first = std::fs::read(folder.path().join("cache")).unwrap();
    assert!(!first.is_empty());
    request.limits.file_size = 10;
    let inventory = scan(&request).unwrap();
    assert_eq!(
        unread(&inventory),
        set(&["good.pem too-large", "key.pem too-large"])
    );
    assert!(inventory.is_empty());
}
