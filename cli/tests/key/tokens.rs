//! Keys on tokens: SoftHSM, and the PQ token.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::{Value, json};
use symbolon_test_tokens::{Kind, LABEL, PIN, SO_PIN, Token};

use super::{attest, generate, keys, text, verify, weight};
use crate::support::Home;

fn home(token: &Token) -> Home {
    Home::with(token.environment())
}

/// What `pkcs11-tool` calls the access of each private key, by its id.
fn access_by_pkcs11_tool(token: &Token) -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::new();
    let (mut private, mut id) = (false, None);
    for line in token.tool(&["--list-objects"]).lines() {
        if !line.starts_with(' ') {
            private = line.starts_with("Private Key Object");
            id = None;
        } else if let Some((name, value)) = line.trim().split_once(':')
            && private
        {
            match name {
                "ID" => id = Some(value.trim().to_owned()),
                "Access" => {
                    let words = value.split(',').map(|word| word.trim().to_owned()).collect();
                    found.insert(id.clone().unwrap(), words);
                }
                _ => {}
            }
        }
    }
    found
}

/// Keys that we make are what we say by somebody else's eyes.
fn others_see_what_we_claim(kind: Kind, algorithms: &[&str], test: &str) {
    let Some(token) = Token::new(kind, test) else {
        return;
    };
    let home = home(&token);
    for algorithm in algorithms {
        let made = generate(&home, &token.uri(), algorithm, &format!("key of {algorithm}"));
        assert_eq!(made["holder"]["label"], LABEL);
        let shown = home.json(&["key", "show", text(&made, "id"), "--store", &token.uri()]);
        assert_eq!(shown, made);
    }
    let seen = access_by_pkcs11_tool(&token);
    let listed = keys(&home, &token.uri());
    assert_eq!(listed.len(), algorithms.len());
    assert_eq!(seen.len(), algorithms.len(), "{seen:?}");
    for key in &listed {
        let words = seen
            .get(text(key, "id"))
            .unwrap_or_else(|| panic!("{key:#} in {seen:?}"));
        let attributes = &key["held"]["attributes"];
        for (attribute, word) in [
            ("sensitive", "sensitive"),
            ("always_sensitive", "always sensitive"),
            ("never_extractable", "never extractable"),
            ("local", "local"),
            ("extractable", "extractable"),
        ] {
            let sees = words.iter().any(|seen| seen == word);
            assert_eq!(attributes[attribute], json!(sees), "{word}: {key:#} {words:?}");
        }
        assert_eq!(attributes["sensitive"], true);
        assert_eq!(attributes["extractable"], false);
        assert_eq!(key["usable"], true);

        let by_uri = token.uri().replacen(
            '?',
            &format!(";object={}?", text(key, "label").replace(' ', "%20")),
            1,
        );
        let shown = home.json(&["key", "show", "--store", &by_uri]);
        assert_eq!(shown["id"], key["id"]);
        attest(&home, &token.uri(), text(key, "id"), "7f3a");
        let answer = verify(&home, &["--challenge", "7f3a"]);
        assert_eq!(answer["spki_sha256"], key["spki_sha256"]);
        assert_eq!(weight(&answer, "attributes"), "said");
        assert_eq!(weight(&answer, "token's attestation"), "open");
        home.ok(&["key", "destroy", "--store", &by_uri, "--yes", "--force"]);
    }
    assert_eq!(access_by_pkcs11_tool(&token), BTreeMap::new());
}

#[test]
fn others_see_on_softhsm_what_we_claim() {
    let algorithms = ["ecdsa-p256", "ecdsa-p384", "ed25519"];
    others_see_what_we_claim(Kind::SoftHsm, &algorithms, "others_see_on_softhsm_what_we_claim");
}

#[test]
fn others_see_on_the_pq_token_what_we_claim() {
    let algorithms = ["ecdsa-p256", "ml-dsa-44", "ml-dsa-65", "ml-dsa-87"];
    others_see_what_we_claim(Kind::Pq, &algorithms, "others_see_on_the_pq_token_what_we_claim");
}

#[test]
fn what_a_token_cannot_do_is_said_before_any_key_is_made() {
    let test = "what_a_token_cannot_do_is_said_before_any_key_is_made";
    let Some(token) = Token::new(Kind::SoftHsm, test) else {
        return;
    };
    let home = home(&token);
    let arguments = [
        "key",
        "generate",
        "--store",
        &token.uri(),
        "--algorithm",
        "ml-dsa-65",
        "--label",
        "x",
    ];
    let (code, said) = home.fails(&arguments);
    assert_eq!(code, 5, "{said}");
    for words in [
        "no key was made",
        "ecdsa-p256-sha256, ecdsa-p384-sha384, ed25519",
        "CKM_ML_DSA_KEY_PAIR_GEN",
    ] {
        assert!(said.contains(words), "{said}");
    }
    assert_eq!(keys(&home, &token.uri()), [Value::Null; 0]);
}

#[test]
fn a_wrong_pin_is_tried_once() {
    let Some(token) = Token::new(Kind::Pq, "a_wrong_pin_is_tried_once") else {
        return;
    };
    let home = home(&token);
    let wrong = token.secret_file("wrong.pin", "00000000");
    let uri = token
        .uri()
        .replace("user.pin", wrong.file_name().unwrap().to_str().unwrap());
    for arguments in [
        &["key", "list", "--store", &uri][..],
        &["key", "doctor", &uri],
        &[
            "key",
            "generate",
            "--store",
            &uri,
            "--algorithm",
            "ml-dsa-65",
            "--label",
            "x",
        ],
    ] {
        let (code, said) = home.fails(arguments);
        assert_eq!(code, 5, "{said}");
        assert!(said.contains("refuses the PIN (it is wrong)"), "{said}");
    }
    // This token locks a PIN after ten wrong ones. Had any of the three tried more than a few times, it were locked.
    assert_eq!(keys(&home, &token.uri()), [Value::Null; 0]);
    token.lock_pin();
    let (code, said) = home.fails(&["key", "list", "--store", &token.uri()]);
    assert_eq!(code, 5, "{said}");
    assert!(said.contains("locked"), "{said}");
}

#[test]
fn a_token_that_is_not_there_or_not_the_only_one_is_said() {
    let test = "a_token_that_is_not_there_or_not_the_only_one_is_said";
    let Some(token) = Token::new(Kind::SoftHsm, test) else {
        return;
    };
    let home = home(&token);
    let other = token.uri().replace("symbolon%20test", "another");
    let (code, said) = home.fails(&["key", "list", "--store", &other]);
    assert_eq!(code, 2, "{said}");
    assert!(
        said.contains("no token called \"another\"") && said.contains(LABEL),
        "{said}"
    );

    let mut twin = Command::new("softhsm2-util");
    twin.envs(token.environment());
    twin.args([
        "--init-token",
        "--free",
        "--label",
        LABEL,
        "--pin",
        PIN,
        "--so-pin",
        SO_PIN,
    ]);
    assert!(twin.output().unwrap().status.success());
    let (code, said) = home.fails(&["key", "list", "--store", &token.uri()]);
    assert_eq!(code, 2, "{said}");
    assert!(
        said.contains("2 tokens are called") && said.contains("serial number"),
        "{said}"
    );
}

#[test]
fn a_library_that_is_no_module_is_said() {
    let home = Home::new();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let mut libc = maps.lines().filter_map(|line| line.split_whitespace().nth(5));
    let libc = libc.find(|path| path.contains("libc.so")).unwrap();
    std::fs::write(home.path().join("text.so"), "no library").unwrap();
    for module in [libc, "./text.so"] {
        let uri = format!("pkcs11:token=ca?module-path={module}");
        let (code, said) = home.fails(&["key", "doctor", &uri]);
        assert_eq!(code, 2, "{said}");
        assert!(said.contains("is no PKCS#11 module"), "{said}");
    }
}

#[test]
fn two_objects_for_one_key_are_refused() {
    let Some(token) = Token::new(Kind::SoftHsm, "two_objects_for_one_key_are_refused") else {
        return;
    };
    let home = home(&token);
    for curve in ["EC:prime256v1", "EC:secp384r1"] {
        token.tool(&[
            "--keypairgen",
            "--key-type",
            curve,
            "--id",
            "beef",
            "--label",
            "twin",
        ]);
    }
    let by_id = token.uri().replacen('?', ";id=%BE%EF?", 1);
    for arguments in [
        &["key", "list", "--store", &token.uri()][..],
        &["key", "attest", "--store", &by_id],
        &["key", "destroy", "--store", &by_id, "--yes"],
    ] {
        let (code, said) = home.fails(arguments);
        assert_eq!(code, 5, "{said}");
        assert!(
            said.contains("have the id beef: remove or rename all but one"),
            "{said}"
        );
    }
    assert_eq!(
        access_by_pkcs11_tool(&token).len(),
        1,
        "both are still there, under one id"
    );
}
