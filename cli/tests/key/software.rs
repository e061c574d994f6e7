//! Keys in encrypted files, and everything that has nothing to do with hardware.

use serde_json::{Value, json};

use super::{attest, generate, keys, text, verify, weight};
use crate::support::Home;

const STORE: &str = "./keys";

#[test]
fn a_key_lives_from_generate_to_destroy() {
    let home = Home::new();
    let made = generate(&home, STORE, "ml-dsa-65", "root");
    assert_eq!(made["algorithm"], "ml-dsa-65");
    assert_eq!(made["held"], json!({"as": "encrypted-file"}));
    assert_eq!(
        made["holder"],
        json!({"kind": "software", "encrypted_under": "key file"})
    );
    assert!(
        home.path().join("keys.key").exists(),
        "the key file is beside the directory"
    );

    let other = generate(&home, STORE, "ecdsa-p256", "root 2");
    let mut ids = [text(&made, "id"), text(&other, "id")];
    ids.sort_unstable();
    let listed = keys(&home, STORE);
    assert_eq!(listed.iter().map(|key| text(key, "id")).collect::<Vec<_>>(), ids);

    for name in [text(&made, "id"), "root"] {
        assert_eq!(home.json(&["key", "show", name, "--store", STORE]), made);
    }
    let pem = home.ok(&["key", "show", "root", "--store", STORE, "--pem"]);
    std::fs::write(home.path().join("root.pub"), &pem).unwrap();
    let inspected = home.ok(&["inspect", "root.pub"]);
    assert!(inspected.to_lowercase().contains("ml-dsa-65"), "{inspected}");

    let destroy = ["key", "destroy", "root", "--store", STORE];
    // The data directory that is named may be a slip of the pen for the one whose authority has the key.
    let (code, said) = home.fails(&[&destroy[..], &["--yes"]].concat());
    assert_eq!(code, 5, "{said}");
    assert!(
        said.contains("there is no data directory") && said.contains("--force"),
        "{said}"
    );
    let (code, said) = home.fails(&[&destroy[..], &["--force"]].concat());
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("--yes"), "{said}");
    let destroyed = home.json(&[&destroy[..], &["--force", "--yes"]].concat());
    assert_eq!(destroyed["id"], made["id"]);
    let listed = keys(&home, STORE);
    assert_eq!(
        listed.iter().map(|key| text(key, "label")).collect::<Vec<_>>(),
        ["root 2"]
    );
    let (code, said) = home.fails(&[&destroy[..], &["--force", "--yes"]].concat());
    assert_eq!(code, 5, "{said}");
    assert!(said.contains("has no key called"), "{said}");
}

#[test]
fn what_names_no_key_or_no_store_is_refused_and_makes_nothing() {
    let home = Home::new();
    for (store, words) in [
        ("./nowhere", "there is no key store at"),
        ("hsm1", "has the stores software"),
        ("software:./keys?key=hunter2", "no option"),
        ("tpm:device:/dev/tpmrm0", "must have the directory"),
        (
            "pkcs11:token=ca?module-path=/m.so&pin-value=hunter2",
            "pin-value is refused",
        ),
        (
            "pkcs11:token=ca?module-path=/no/such/module.so",
            "cannot find the PKCS#11 module",
        ),
        ("pkcs11:token=ca", "module-path"),
        ("https://example.org/", "pkcs11:"),
    ] {
        let (code, said) = home.fails(&["key", "list", "--store", store]);
        assert_eq!(code, 2, "{store}: {said}");
        assert!(said.contains(words), "{store}: {said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
    let made: Vec<_> = std::fs::read_dir(home.path()).unwrap().collect();
    assert!(made.is_empty(), "{made:?}");

    generate(&home, STORE, "ed25519", "twin");
    generate(&home, STORE, "ed25519", "twin");
    let (code, said) = home.fails(&["key", "show", "twin", "--store", STORE]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("by its id ("), "{said}");
    let (code, said) = home.fails(&["key", "show", "--store", STORE]);
    assert_eq!(code, 2, "{said}");
    let arguments = [
        "key",
        "generate",
        "--store",
        STORE,
        "--algorithm",
        "mldsa65-ecdsa-p256",
        "--label",
        "x",
    ];
    let (code, said) = home.fails(&arguments);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("a composite is two keys"), "{said}");
}

#[test]
fn a_wrong_passphrase_is_refused() {
    let home = Home::new();
    let passphrase = |text: &str| {
        use std::os::unix::fs::OpenOptionsExt as _;
        let path = home.path().join(text);
        let mut options = std::fs::OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .unwrap();
        std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
        format!("software:./keys?passphrase-source=file:{}", path.display())
    };
    let (right, wrong) = (passphrase("right"), passphrase("wrong"));
    generate(&home, &right, "ed25519", "root");
    let (code, said) = home.fails(&["key", "list", "--store", &wrong]);
    assert_eq!(code, 5, "{said}");
    assert!(said.contains("wrong passphrase"), "{said}");
    let (code, said) = home.fails(&["key", "list", "--store", STORE]);
    assert_eq!(code, 2, "{said}");
    let (code, said) = home.fails(&[
        "key",
        "list",
        "--store",
        "software:./keys?passphrase-source=prompt",
    ]);
    assert_eq!(code, 2, "there is no terminal: {said}");
    assert_eq!(keys(&home, &right).len(), 1);
}

#[test]
fn evidence_holds_for_its_key_its_challenge_and_its_words() {
    let home = Home::new();
    let made = generate(&home, STORE, "ecdsa-p384", "root");
    let evidence = attest(&home, STORE, "root", "7f3a");
    let answer = verify(&home, &["--challenge", "7f3a"]);
    assert_eq!(answer["verified"], true);
    assert_eq!(answer["spki_sha256"], made["spki_sha256"]);
    assert_eq!(answer["statement"], evidence["statement"]);
    assert_eq!(weight(&answer, "challenge"), "proven");
    assert_eq!(weight(&answer, "custody"), "said");
    assert_eq!(weight(&verify(&home, &[]), "challenge"), "open");

    let (code, said) = home.fails(&["key", "verify-evidence", "evidence.json", "--challenge", "other"]);
    assert_eq!(code, 3, "{said}");
    let mut changed = evidence.clone();
    changed["statement"]["holder"]["encrypted_under"] = json!("passphrase");
    let write = |value: &Value| std::fs::write(home.path().join("changed.json"), value.to_string()).unwrap();
    write(&changed);
    let (code, said) = home.fails(&["key", "verify-evidence", "changed.json"]);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("signature over the statement is wrong"), "{said}");
    write(&json!({"format": "something else"}));
    let (code, said) = home.fails(&["key", "verify-evidence", "changed.json"]);
    assert_eq!(code, 2, "{said}");
}

#[test]
fn a_key_that_an_authority_uses_is_attested_for_its_certificate_and_not_destroyed() {
    let home = Home::new();
    home.ok(&["up", "--once"]);
    let all = keys(&home, "software");
    let composite = |key: &&Value| text(key, "label").contains("/composite/");
    let halves: Vec<&Value> = all.iter().filter(composite).collect();
    assert_eq!(halves.len(), 2, "{all:#?}");
    let bundle = home.ok(&["bundle", "show", "--format", "pem", "--form", "composite"]);
    std::fs::write(home.path().join("root.pem"), bundle).unwrap();
    for half in &halves {
        attest(&home, "software", text(half, "id"), "1");
        let answer = verify(&home, &["--certificate", "root.pem"]);
        assert!(text(&answer, "certificate").starts_with("half "), "{answer:#}");
    }
    let other = all
        .iter()
        .find(|key| text(key, "label").contains("/jwt/"))
        .unwrap();
    attest(&home, "software", text(other, "id"), "1");
    let (code, said) = home.fails(&[
        "key",
        "verify-evidence",
        "evidence.json",
        "--certificate",
        "root.pem",
    ]);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("another key than root.pem has"), "{said}");

    let (code, said) = home.fails(&[
        "key",
        "destroy",
        text(other, "id"),
        "--store",
        "software",
        "--yes",
    ]);
    assert_eq!(code, 5, "{said}");
    assert!(
        said.contains("jwt authority") && said.contains("--force"),
        "{said}"
    );
    assert_eq!(keys(&home, "software").len(), all.len());
    // The same key by its path.
    let path = format!(
        "software:{}?key-file={}",
        home.data().join("server/keys/software").display(),
        key_file(&home)
    );
    let (code, said) = home.fails(&["key", "destroy", text(other, "id"), "--store", &path, "--yes"]);
    assert_eq!(code, 5, "{said}");
    home.ok(&[
        "key",
        "destroy",
        text(other, "id"),
        "--store",
        "software",
        "--yes",
        "--force",
    ]);
    assert_eq!(keys(&home, "software").len(), all.len() - 1);
}

/// The file that `up` made.
fn key_file(home: &Home) -> String {
    let mut files = std::fs::read_dir(home.path().join(".config/symbolon")).unwrap();
    let file = files.next().unwrap().unwrap().path();
    assert!(files.next().is_none());
    file.display().to_string()
}

#[test]
fn a_server_that_runs_shares_its_store() {
    let home = Home::new();
    let _up = home.up();
    let before = keys(&home, "software").len();
    let made = generate(&home, "software", "ed25519", "mine");
    assert_eq!(keys(&home, "software").len(), before + 1);
    home.ok(&[
        "key",
        "destroy",
        text(&made, "id"),
        "--store",
        "software",
        "--yes",
    ]);
    let authority = keys(&home, "software").remove(0);
    let (code, said) = home.fails(&[
        "key",
        "destroy",
        text(&authority, "id"),
        "--store",
        "software",
        "--yes",
    ]);
    assert_eq!(code, 5, "{said}");
    home.ok(&["healthcheck"]);
}

#[test]
fn a_key_is_not_destroyed_when_it_is_not_known_who_uses_it() {
    let home = Home::new();
    generate(&home, STORE, "ed25519", "root");
    generate(&home, STORE, "ed25519", "symbolon/example.org/main/jwt/ed25519");
    // No data directory is named.
    let destroy = |label: &str, more: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_symbolon"))
            .args(["key", "destroy", label, "--store", STORE, "--yes"])
            .args(more)
            .env_clear()
            .env("HOME", home.path())
            .current_dir(home.path())
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    // A server has it by its label, and nobody knows of that server here.
    let (code, said) = destroy("symbolon/example.org/main/jwt/ed25519", &[]);
    assert_eq!(code, Some(5), "{said}");
    assert!(
        said.contains("the server main of example.org") && said.contains("--data-dir"),
        "{said}"
    );
    // There is a data directory, and it cannot be read.
    let usual = home.path().join(".local/share/symbolon");
    std::fs::create_dir_all(&usual).unwrap();
    std::fs::write(usual.join("VERSION"), "damaged").unwrap();
    let (code, said) = destroy("root", &[]);
    assert_eq!(code, Some(5), "{said}");
    assert!(
        said.contains("is damaged") && said.contains("so it is not destroyed"),
        "{said}"
    );
    assert_eq!(keys(&home, STORE).len(), 2);
    std::fs::remove_dir_all(&usual).unwrap();
    let (code, said) = destroy("root", &[]);
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = destroy("symbolon/example.org/main/jwt/ed25519", &["--force"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(keys(&home, STORE).is_empty());
}

#[cfg(not(feature = "tpm"))]
#[test]
fn a_build_without_tpm_says_so_and_makes_nothing() {
    let home = Home::new();
    let store = "tpm:device:/dev/tpmrm0?dir=./tpm-keys";
    for arguments in [
        &[
            "key",
            "generate",
            "--store",
            store,
            "--algorithm",
            "ecdsa-p256",
            "--label",
            "x",
        ][..],
        &["key", "doctor", store],
    ] {
        let (code, said) = home.fails(arguments);
        assert_eq!(code, 2, "{said}");
        assert!(said.contains("built without `tpm`"), "{said}");
    }
    assert!(!home.path().join("tpm-keys").exists());
}
