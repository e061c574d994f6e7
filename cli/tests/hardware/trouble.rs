//! Tokens that cannot be used: the error says what is wrong, and nothing has changed.

use std::path::{Path, PathBuf};

use symbolon_test_tokens::{Kind, LABEL, PIN, Token};

use crate::support::Home;
use crate::{home, snapshot, up_once};

/// A configuration with every key on one token, but for what `change` makes of it.
fn config(home: &Home, module: &Path, token: &str, pin_file: &Path) -> PathBuf {
    let path = home.path().join("server.toml");
    let text = format!(
        "trust_domain = \"example.org\"\ndata_dir = \"{data}\"\nkey_stores = \"hsm\"\n\
         [listen]\naddress = \"127.0.0.1:0\"\n\
         [stores.hsm]\nkind = \"pkcs11\"\nmodule = \"{module}\"\ntoken = \"{token}\"\n\
         pin_source = \"file:{pin}\"\n",
        data = home.data().display(),
        module = module.display(),
        pin = pin_file.display(),
    );
    std::fs::write(&path, text).unwrap();
    path
}

/// What `server run` says before it ends; it has to fail and to leave no keys and no database behind.
fn refusal(home: &Home, config: &Path) -> (i32, String) {
    let failed = home.fails(&["server", "run", "--config", config.to_str().unwrap()]);
    assert!(
        !home.data().join("server/db").exists(),
        "no state was made: {}",
        failed.1
    );
    assert!(
        !home.data().join("server/keys").exists(),
        "no key was made: {}",
        failed.1
    );
    failed
}

#[test]
fn what_is_wrong_with_a_token_is_told_and_nothing_is_made() {
    let name = "what_is_wrong_with_a_token_is_told_and_nothing_is_made";
    let Some(pq) = Token::new(Kind::Pq, name) else {
        return;
    };
    let home = home(&[&pq]);
    let pin = pq.pin_file();
    let module = &pq.module;

    let validated = home.json(&[
        "server",
        "validate",
        "--config",
        config(&home, module, LABEL, &pin).to_str().unwrap(),
    ]);
    let store = validated["stores"][0].as_array().unwrap();
    assert_eq!(store[0], "hsm");
    assert!(
        store[1]
            .as_str()
            .unwrap()
            .starts_with("pkcs11:token=symbolon%20test?"),
        "{store:?}"
    );
    assert_eq!(validated["families"][2]["stores"][0], "hsm");

    let (code, error) = refusal(&home, &config(&home, module, "another", &pin));
    assert!(
        code == 2 && error.contains("no token called \"another\"") && error.contains(LABEL),
        "{error}"
    );

    let no_module = home.path().join("module.so");
    let (_, error) = refusal(&home, &config(&home, &no_module, LABEL, &pin));
    assert!(error.contains("cannot find the PKCS#11 module"), "{error}");
    std::fs::write(&no_module, "not a library").unwrap();
    let (_, error) = refusal(&home, &config(&home, &no_module, LABEL, &pin));
    assert!(error.contains("is no PKCS#11 module"), "{error}");

    let missing = home.path().join("pin");
    let (_, error) = refusal(&home, &config(&home, module, LABEL, &missing));
    assert!(
        error.contains("PIN") && error.contains(missing.to_str().unwrap()),
        "{error}"
    );
    let uri = pq.uri().replace("pin-source=", "pin-value=");
    let (code, error) = home.fails(&["up", "--once", "--keys", &uri]);
    assert!(code == 2 && error.contains("pin-value is refused"), "{error}");

    assert!(
        !pq.tool(&["--list-objects"]).contains("symbolon/"),
        "the token is as it was"
    );
}

#[test]
fn a_wrong_pin_is_tried_once_and_a_locked_one_is_told() {
    let Some(pq) = Token::new(Kind::Pq, "a_wrong_pin_is_tried_once_and_a_locked_one_is_told") else {
        return;
    };
    let home = home(&[&pq]);
    let wrong = pq.secret_file("wrong.pin", "00000000");
    let wrong = config(&home, &pq.module, LABEL, &wrong);
    let (code, error) = refusal(&home, &wrong);
    assert!(
        code == 5 && error.contains("key store hsm") && error.contains("refuses the PIN (it is wrong)"),
        "{error}"
    );
    assert!(!error.contains("00000000") && !error.contains(PIN), "{error}");
    // Had it been tried ten times, as this token allows, this would say that it is locked.
    up_once(&home, &[&pq.uri()]);

    pq.lock_pin();
    let before = snapshot(&home);
    let (_, error) = home.fails(&["up", "--once", "--keys", &pq.uri()]);
    assert!(
        error.contains("it is locked") && error.contains("security officer"),
        "{error}"
    );
    assert_eq!(snapshot(&home), before);
}

#[test]
fn a_server_that_is_started_again_and_again_with_a_wrong_pin_does_not_lock_the_token() {
    let name = "a_server_that_is_started_again_and_again_with_a_wrong_pin_does_not_lock_the_token";
    let Some(pq) = Token::new(Kind::Pq, name) else {
        return;
    };
    let home = home(&[&pq]);
    let wrong = config(&home, &pq.module, LABEL, &pq.secret_file("wrong.pin", "00000000"));
    // The token allows ten.
    let refusals: Vec<_> = (0..12).map(|_| refusal(&home, &wrong)).collect();
    assert!(refusals.iter().all(|(code, _)| *code == 5), "{refusals:?}");
    let (_, last) = &refusals[11];
    assert!(last.contains("one try is left before it locks"), "{last}");
    // Somebody who knows the PIN is still let in, and then we are.
    pq.tool(&["--list-objects"]);
    up_once(&home, &[&pq.uri()]);
}

/// A key of the given kind from OpenSSL, as PKCS#8 PEM.
fn foreign_key(home: &Home, curve: &str) -> PathBuf {
    let path = home.path().join(format!("{curve}.pem"));
    let made = std::process::Command::new("openssl")
        .args([
            "genpkey",
            "-algorithm",
            "EC",
            "-pkeyopt",
            &format!("ec_paramgen_curve:{curve}"),
            "-out",
        ])
        .arg(&path)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    path
}

/// The id on the token of the classical authority's key.
fn classical_key(document: &serde_json::Value) -> String {
    let authorities = document["authorities"].as_array().unwrap();
    let classical = authorities
        .iter()
        .find(|one| one["family"] == "classical")
        .unwrap();
    classical["keys"][0]["key_id"].as_str().unwrap().to_owned()
}

#[test]
fn two_objects_for_one_key_and_another_key_in_its_place_are_told_apart() {
    let name = "two_objects_for_one_key_and_another_key_in_its_place_are_told_apart";
    let Some(soft) = Token::new(Kind::SoftHsm, name) else {
        return;
    };
    let home = home(&[&soft]);
    let stores = [format!("hsm={}", soft.uri()), "software".to_owned()];
    let stores = [stores[0].as_str(), stores[1].as_str()];
    let first = up_once(&home, &stores);
    let id = classical_key(&first);
    let refusal = || {
        let before = snapshot(&home);
        let (_, error) = home.fails(&["up", "--once", "--keys", stores[0], "--keys", stores[1]]);
        assert_eq!(snapshot(&home), before, "{error}");
        error
    };
    let remove = || {
        for class in ["privkey", "pubkey"] {
            soft.tool(&["--delete-object", "--type", class, "--id", &id]);
        }
    };

    // A second key under the same id.
    soft.tool(&[
        "--keypairgen",
        "--key-type",
        "EC:prime256v1",
        "--id",
        &id,
        "--label",
        "an intruder",
    ]);
    let error = refusal();
    assert!(
        error.contains("2 private keys on the token") && error.contains(&id),
        "{error}"
    );

    // Another key instead of it: of the same type, of another curve.
    remove();
    remove();
    soft.import(&foreign_key(&home, "P-256"), &id, "an impostor");
    let error = refusal();
    assert!(
        error.contains(&id) && error.contains("hsm"),
        "an impostor is not used: {error}"
    );
    remove();
    soft.import(&foreign_key(&home, "P-384"), &id, "an impostor");
    let error = refusal();
    assert!(error.contains(&id), "{error}");

    // And none at all.
    remove();
    let error = refusal();
    assert!(
        error.contains(&format!("no key {id} in this pkcs11 store")),
        "{error}"
    );
}

#[cfg(not(feature = "tpm"))]
#[test]
fn a_build_without_tpm_says_so_and_makes_nothing() {
    let home = Home::new();
    let (code, error) = home.fails(&["up", "--once", "--keys", "tpm:device:/dev/tpmrm0"]);
    assert!(
        code == 2 && error.contains("built without TPM support"),
        "{error}"
    );
    let path = home.path().join("server.toml");
    let text = format!(
        "trust_domain = \"example.org\"\ndata_dir = \"{}\"\nkey_stores = \"t\"\n[stores.t]\nkind = \"tpm\"\n",
        home.data().display()
    );
    std::fs::write(&path, text).unwrap();
    let file = path.to_str().unwrap();
    let (code, error) = home.fails(&["server", "run", "--config", file]);
    assert!(
        code == 2 && error.contains("stores.t.kind") && error.contains("`tpm`"),
        "{error}"
    );
    let output = home.run(&["server", "validate", "--config", file]);
    assert_eq!(output.status.code(), Some(2));
    let listed = String::from_utf8(output.stdout).unwrap();
    assert!(
        listed.contains("stores.t.kind") && listed.contains("`tpm`"),
        "{listed}"
    );
    assert!(!home.data().exists(), "nothing was made");
}
