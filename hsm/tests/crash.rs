//! A software store survives the death of its process at any moment, and others that use it at the same time.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use symbolon_crypto::{Component, MlDsaContext};
use symbolon_hsm::{KekSource, KeyLabel, KeyStore, SoftwareStore};

const VICTIM_DIR: &str = "SYMBOLON_TEST_VICTIM_DIR";

fn open(scratch: &Path) -> SoftwareStore {
    let kek = KekSource::KeyFile(scratch.join("kek/kek"));
    SoftwareStore::open(&scratch.join("keys"), &kek).expect("open")
}

/// Not a test of its own: what the tests below run in a process that they kill. It makes keys for ever, says
/// so after each, and destroys every third.
#[test]
#[ignore = "run by the other tests, in a process of its own"]
fn victim() {
    let Some(scratch) = std::env::var_os(VICTIM_DIR) else {
        return;
    };
    println!("\nstarted");
    let store = open(Path::new(&scratch));
    let label = KeyLabel::parse("made by the victim").expect("label");
    for round in 0u64.. {
        let (info, _) = store.generate(Component::Ed25519, &label).expect("generate");
        println!("made {}", info.id);
        if round % 3 == 2 {
            store.destroy(&info.id).expect("destroy");
            println!("destroyed {}", info.id);
        }
    }
}

/// Runs the victim until it has said `lines` lines, kills it with SIGKILL, and returns all that it said.
fn kill_after(scratch: &Path, lines: usize) -> Vec<String> {
    let mut victim = Command::new(std::env::current_exe().expect("own path"))
        .args([
            "--exact",
            "victim",
            "--ignored",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(VICTIM_DIR, scratch)
        .stdout(Stdio::piped())
        .spawn()
        .expect("spawn");
    let output = BufReader::new(victim.stdout.take().expect("stdout"));
    let mut said = output.lines().map(|line| line.expect("line")).filter(|line| {
        ["started", "made ", "destroyed "]
            .iter()
            .any(|word| line.starts_with(word))
    });
    let mut heard: Vec<String> = said.by_ref().take(lines).collect();
    victim.kill().expect("kill");
    heard.extend(said);
    victim.wait().expect("wait");
    heard
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let scratch = tempfile::tempdir().expect("scratch");
    let mut kept = Vec::new();
    // The first rounds die while the store itself is being made.
    for lines in [1, 1, 1, 2, 3, 5, 8, 13, 21, 34, 1, 2, 55] {
        for line in kill_after(scratch.path(), lines) {
            match line.split_once(' ') {
                Some(("made", id)) => kept.push(id.to_owned()),
                Some(("destroyed", id)) => kept.retain(|kept| kept != id),
                _ => {}
            }
        }
        let store = open(scratch.path());
        let listed = store.list().expect("list");
        let ids: Vec<&str> = listed.iter().map(|info| info.id.as_str()).collect();
        let lost: Vec<&String> = kept.iter().filter(|id| !ids.contains(&id.as_str())).collect();
        // At most the last may be missing: its destruction was done and not yet acknowledged.
        assert!(
            lost.is_empty() || lost == [kept.last().expect("last")],
            "lost {lost:?}"
        );
        kept = ids.into_iter().map(str::to_owned).collect();
        for info in &listed {
            let key = KeyStore::open(&store, &info.id).expect("open");
            let signature = key.sign(b"m", MlDsaContext::EMPTY).expect("sign");
            info.public_key
                .verify(b"m", &signature, MlDsaContext::EMPTY)
                .expect("verify");
        }
        for entry in fs::read_dir(scratch.path().join("keys")).expect("read_dir") {
            let name = entry.expect("entry").file_name().into_string().expect("name");
            assert!(!name.ends_with(".new"), "leftover {name}");
        }
    }
    assert!(!kept.is_empty());
}

/// The states between the steps of a write, made by hand: a kill hits each of them too rarely.
#[test]
fn every_state_between_two_steps_opens() {
    let scratch = tempfile::tempdir().expect("scratch");
    let keys = scratch.path().join("keys");
    let temporary = |name: &str| keys.join(format!("{name}.new"));

    // Nothing but the directories.
    fs::create_dir_all(scratch.path().join("kek")).expect("dir");
    fs::create_dir(&keys).expect("dir");
    for dir in [&keys, &scratch.path().join("kek")] {
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        fs::set_permissions(dir, private).expect("chmod");
    }
    // A key file half written under its temporary name, and then a store file likewise.
    fs::write(scratch.path().join("kek/kek.new"), b"symbolon key-enc").expect("write");
    fs::write(temporary("store"), b"symbolon key st").expect("write");
    open(scratch.path());
    let header = fs::read(keys.join("store")).expect("header");

    // The key-encryption key is there, the store file is not yet.
    fs::remove_file(keys.join("store")).expect("remove");
    let store = open(scratch.path());
    assert_ne!(fs::read(keys.join("store")).expect("header"), header);

    // A key half written, and one wholly written but not renamed: neither was acknowledged.
    let label = KeyLabel::parse("label").expect("label");
    let (info, _) = store
        .generate(Component::EcdsaP256Sha256, &label)
        .expect("generate");
    let name = format!("{}.key", info.id);
    fs::rename(keys.join(&name), temporary(&name)).expect("rename");
    fs::write(temporary("ffffffffffffffffffffffffffffffff.key"), b"symbolon").expect("write");
    let store = open(scratch.path());
    assert!(store.list().expect("list").is_empty());
    assert!(!temporary(&name).exists());
    store
        .generate(Component::EcdsaP256Sha256, &label)
        .expect("generate");
}

#[test]
fn many_openers_of_a_new_store_agree_on_it() {
    let scratch = tempfile::tempdir().expect("scratch");
    let dir = scratch.path().join("keys");
    let kek = KekSource::KeyFile(scratch.path().join("deep/kek"));
    let label = KeyLabel::parse("label").expect("label");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let store = SoftwareStore::open(&dir, &kek).expect("open");
                store.generate(Component::Ed25519, &label).expect("generate");
            });
        }
    });
    let store = SoftwareStore::open(&dir, &kek).expect("open");
    assert_eq!(store.list().expect("list").len(), 8);
}
