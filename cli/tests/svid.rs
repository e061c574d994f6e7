//! `symbolon svid` and `symbolon inspect` against a running `up`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::path::Path;

use serde_json::Value;
use support::Home;

fn written(home: &Home, form: &str, dir: &str) {
    home.ok(&[
        "svid",
        "fetch",
        "x509",
        "--form",
        form,
        "--write",
        home.path().join(dir).to_str().unwrap(),
    ]);
}

fn path(home: &Home, name: &str) -> String {
    home.path().join(name).to_str().unwrap().to_owned()
}

/// Flips a bit of the signature in a PEM file: counted from its end, or from where it begins.
fn spoil(from: &Path, to: &Path, place: impl Fn(usize, usize) -> usize) {
    let pem = std::fs::read_to_string(from).unwrap();
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let mut der = base64_decode(&body);
    // SEQUENCE { TBS, AlgorithmIdentifier, BIT STRING }: the TBS' length says where the signature begins.
    let tbs = 4 + 4 + usize::from(der[6]) * 256 + usize::from(der[7]);
    let signature = tbs + 12 + 5;
    let at = place(signature, der.len());
    der[at] ^= 1;
    std::fs::write(to, der).unwrap();
}

fn base64_decode(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::prelude::BASE64_STANDARD.decode(text).unwrap()
}

#[test]
fn a_good_composite_verifies_and_a_flipped_bit_names_its_half() {
    let home = Home::new();
    let _up = home.up();
    written(&home, "composite", "id");
    let (svid, bundle) = (
        path(&home, "id/composite.svid.0.pem"),
        path(&home, "id/composite.bundle.0.pem"),
    );
    let verdict = home.json(&["svid", "verify", &svid, "--bundle", &bundle]);
    assert_eq!(verdict["verified"], true);
    assert_eq!(verdict["form"], "composite");

    let spoilt = home.path().join("spoilt.der");
    let check = |expected: &str| {
        let (code, error) = home.fails(&["svid", "verify", spoilt.to_str().unwrap(), "--bundle", &bundle]);
        assert_eq!(code, 3, "{error}");
        assert!(error.contains(expected), "{error}");
    };
    spoil(Path::new(&svid), &spoilt, |signature, _| signature + 100);
    check("post-quantum half");
    spoil(Path::new(&svid), &spoilt, |_, end| end - 1);
    check("classical half");

    // What the chain must be worth and be made of.
    let under = |policy: &str| {
        home.run(&["svid", "verify", &svid, "--bundle", &bundle, "--policy", policy])
            .status
            .code()
    };
    for (policy, code) in [
        ("classical-ok", 0),
        ("pq-required", 0),
        ("hybrid-required", 0),
        ("bsi", 0),
        ("cnsa-2.0", 3),
        ("anssi", 3),
        ("cnsa-3.0", 2),
    ] {
        assert_eq!(under(policy), Some(code), "{policy}");
    }
    let verify = ["svid", "verify", &svid, "--bundle", &bundle];
    let (_, error) = home.fails(&[&verify[..], &["--policy", "cnsa-2.0"]].concat());
    assert!(
        error.contains("post-quantum half ml-dsa-65") && error.contains("rule post-quantum-half"),
        "{error}"
    );
    std::fs::write(
        home.path().join("own.toml"),
        "name = \"own\"\ntitle = \"x\"\nrule = []\n",
    )
    .unwrap();
    let own = path(&home, "own.toml");
    let (code, error) = home.fails(&[&verify[..], &["--policy", &own]].concat());
    assert!(
        code == 2 && error.contains("own.toml") && error.contains("unknown field"),
        "{error}"
    );
    // Nobody has given the list that is asked for.
    let (code, error) = home.fails(&[&verify[..], &["--revocation", "require"]].concat());
    assert!(
        code == 3 && error.contains("no revocation list of its issuer"),
        "{error}"
    );
}

#[test]
fn forms_are_given_to_those_who_ask_and_to_nobody_else() {
    let home = Home::new();
    let _up = home.up();
    let plain = home.json(&["svid", "fetch"]);
    let forms = |value: &Value| -> Vec<String> {
        value["svids"]
            .as_array()
            .unwrap()
            .iter()
            .map(|s| s["form"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(forms(&plain), ["classical"]);
    let all = home.json(&["svid", "fetch", "--form", "composite,ml-dsa,classical"]);
    assert_eq!(
        forms(&all),
        ["classical", "composite", "ml-dsa"],
        "classical first, the others as asked"
    );
    let only = home.json(&["svid", "fetch", "--form", "composite"]);
    assert_eq!(forms(&only), ["composite"]);
    let (code, error) = home.fails(&["svid", "fetch", "--form", "quantum"]);
    assert!(code == 2 && error.contains("quantum"), "{error}");
}

#[test]
fn keys_are_written_for_their_owner_alone_and_inspect_says_what_everything_is() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::new();
    let _up = home.up();
    written(&home, "classical,ml-dsa,composite", "id");
    for (prefix, words) in [
        ("", "ECDSA"),
        ("ml-dsa.", "ML-DSA-65"),
        ("composite.", "post-quantum half"),
    ] {
        let key = home.path().join(format!("id/{prefix}svid.0.key"));
        assert_eq!(
            std::fs::metadata(&key).unwrap().permissions().mode() & 0o777,
            0o600
        );
        for file in ["svid.0.pem", "svid.0.key", "bundle.0.pem"] {
            let text = home.ok(&["inspect", &path(&home, &format!("id/{prefix}{file}"))]);
            assert!(text.contains(words), "{prefix}{file}: {text}");
            let secret = std::fs::read_to_string(&key).unwrap();
            let secret = secret.lines().nth(1).unwrap();
            assert!(!text.contains(secret), "no key bytes in {text}");
        }
    }
}

#[test]
fn a_key_is_not_written_into_what_lies_in_its_way() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let home = Home::new();
    let _up = home.up();
    let (dir, elsewhere) = (home.path().join("id"), home.path().join("elsewhere"));
    let mode = |name: &str| {
        let found = std::fs::symlink_metadata(dir.join(name)).unwrap();
        assert!(found.is_file(), "{found:?}");
        found.permissions().mode() & 0o777
    };
    std::fs::create_dir(&dir).unwrap();
    std::fs::write(&elsewhere, "").unwrap();
    symlink(&elsewhere, dir.join("svid.0.key")).unwrap();
    std::fs::write(dir.join("svid.0.key.new"), "left by a crash, for all to read").unwrap();
    written(&home, "classical", "id");
    assert_eq!(mode("svid.0.key"), 0o600);

    symlink(&elsewhere, dir.join("svid.0.key.new")).unwrap();
    let certificate = std::fs::read(dir.join("svid.0.pem")).unwrap();
    let bundle = std::fs::read(dir.join("bundle.0.pem")).unwrap();
    let fails = || home.fails(&["svid", "fetch", "--write", dir.to_str().unwrap()]);
    let (code, error) = fails();
    assert!(code == 1 && error.contains("svid.0.key"), "{code} {error}");
    assert!(error.contains("no file was replaced"), "{error}");
    assert_eq!(std::fs::read_to_string(&elsewhere).unwrap(), "");
    assert_eq!(std::fs::read(dir.join("svid.0.pem")).unwrap(), certificate);

    // A directory in the way is noticed only when the files before it are in their places.
    std::fs::remove_file(dir.join("svid.0.key.new")).unwrap();
    std::fs::remove_file(dir.join("svid.0.key")).unwrap();
    std::fs::create_dir_all(dir.join("svid.0.key").join("full")).unwrap();
    let (code, error) = fails();
    let (new, old) = error.split_once("not replaced").unwrap();
    assert!(code == 1 && new.contains("svid.0.pem"), "{error}");
    assert!(
        old.contains("svid.0.key") && old.contains("bundle.0.pem"),
        "{error}"
    );
    assert_eq!(std::fs::read(dir.join("bundle.0.pem")).unwrap(), bundle);
    let left = std::fs::read_dir(&dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    assert!(
        left.into_iter()
            .all(|name| !name.to_string_lossy().ends_with(".new"))
    );
}

#[test]
fn a_jwt_is_fetched_verified_and_refused_for_another_audience() {
    let home = Home::new();
    let _up = home.up();
    let fetched = home.json(&["svid", "fetch", "jwt", "--audience", "db"]);
    let token = fetched["svids"][0]["token"].as_str().unwrap();
    std::fs::write(home.path().join("token"), token).unwrap();
    let token = path(&home, "token");
    assert_eq!(
        home.json(&["svid", "verify", &token, "--audience", "db"])["verified"],
        true
    );
    let bundle = home.ok(&["bundle", "show", "--format", "spiffe"]);
    std::fs::write(home.path().join("bundle.json"), bundle).unwrap();
    let bundle = path(&home, "bundle.json");
    assert_eq!(
        home.json(&["svid", "verify", &token, "--audience", "db", "--bundle", &bundle])["verified"],
        true
    );
    let (code, error) = home.fails(&["svid", "verify", &token, "--audience", "cache"]);
    assert!(code == 3 && error.contains("cache"), "{error}");
}

#[test]
fn without_an_agent_the_error_says_so() {
    let home = Home::new();
    let (code, error) = home.fails(&["svid", "fetch"]);
    assert!(code == 4 && error.contains("api.sock"), "{code} {error}");
}
