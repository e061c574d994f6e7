//! Keys on PKCS#11 tokens.

use symbolon_test_tokens::{Kind, Token};

use crate::support::{Home, Up};
use crate::{authority_ids, expected_places, home, places, snapshot, up_once};

/// `name=URI` of a token.
fn named(name: &str, token: &Token) -> String {
    format!("{name}={}", token.uri())
}

/// Fetches an SVID of every form from a running `up` and verifies each from its files.
fn verify_every_form(home: &Home) {
    let dir = home.path().join("id");
    let dir = dir.to_str().unwrap();
    home.ok(&[
        "svid",
        "fetch",
        "x509",
        "--form",
        "classical,ml-dsa,composite,catalyst",
        "--write",
        dir,
    ]);
    for (form, prefix) in [
        ("classical", ""),
        ("ml-dsa", "ml-dsa."),
        ("composite", "composite."),
        ("catalyst", "catalyst."),
    ] {
        let (svid, bundle) = (
            format!("{dir}/{prefix}svid.0.pem"),
            format!("{dir}/{prefix}bundle.0.pem"),
        );
        let verdict = home.json(&["svid", "verify", &svid, "--bundle", &bundle]);
        assert_eq!(
            (verdict["verified"].as_bool(), verdict["form"].as_str()),
            (Some(true), Some(form))
        );
    }
}

#[test]
fn ecdsa_in_softhsm_and_ml_dsa_on_the_pq_token_make_one_composite() {
    let name = "ecdsa_in_softhsm_and_ml_dsa_on_the_pq_token_make_one_composite";
    let (Some(soft), Some(pq)) = (Token::new(Kind::SoftHsm, name), Token::new(Kind::Pq, name)) else {
        return;
    };
    let home = home(&[&soft, &pq]);
    let (ec_uri, pq_uri) = (named("ec", &soft), named("pq", &pq));
    let stores = [ec_uri.as_str(), pq_uri.as_str()];
    let first = up_once(&home, &stores);
    assert_eq!(places(&first), expected_places("ec", "pq", ["pq", "ec"], "ec"));
    assert!(!home.data().join("server/keys").exists(), "no key is in files");
    // Every key is where the report says, and the other token has none of that kind.
    let (soft_keys, pq_keys) = (
        soft.tool(&["--list-objects", "--type", "privkey"]),
        pq.tool(&["--list-objects", "--type", "privkey"]),
    );
    assert_eq!(
        soft_keys.matches("symbolon/example.org/").count(),
        4,
        "{soft_keys}"
    );
    assert_eq!(pq_keys.matches("symbolon/example.org/").count(), 3, "{pq_keys}");
    for usage in ["decrypt", "unwrap", "derive"] {
        assert!(
            !soft_keys.contains(usage),
            "keys of authorities sign and do nothing else: {soft_keys}"
        );
    }

    let second = up_once(&home, &stores);
    assert_eq!(authority_ids(&second), authority_ids(&first));
    let up = Up::start(&home, &["--keys", stores[1], "--keys", stores[0]]);
    assert!(
        up.output.contains("pq, ec"),
        "the report says where keys are: {}",
        up.output
    );
    for line in up
        .output
        .lines()
        .take_while(|line| !line.starts_with("KEY STORE"))
    {
        assert!(line.chars().count() <= 100, "{line}");
    }
    verify_every_form(&home);
    drop(up);

    // Without one of the stores it says what to pass, and changes nothing.
    let before = snapshot(&home);
    for (given, missing) in [(&stores[..1], &pq_uri), (&stores[1..], &ec_uri), (&[], &ec_uri)] {
        let mut arguments = vec!["up", "--once"];
        for store in given {
            arguments.extend(["--keys", store]);
        }
        let (code, error) = home.fails(&arguments);
        let (store, uri) = missing.split_once('=').unwrap();
        let (place, _) = uri.split_once("pin-source=").unwrap();
        assert_eq!(code, 2, "{error}");
        assert!(
            error.contains(&format!("key in the key store {store}")),
            "{error}"
        );
        assert!(
            error.contains(&format!("pass --keys '{store}={place}")),
            "{error}"
        );
        assert_eq!(snapshot(&home), before);
    }
    assert_eq!(authority_ids(&up_once(&home, &stores)), authority_ids(&first));
}

#[test]
fn the_pq_token_alone_holds_every_key() {
    let Some(pq) = Token::new(Kind::Pq, "the_pq_token_alone_holds_every_key") else {
        return;
    };
    let home = home(&[&pq]);
    let uri = pq.uri();
    let first = up_once(&home, &[&uri]);
    let store = first["key_stores"][0]["name"].as_str().unwrap();
    assert!(store.starts_with("symbolon-test-"), "{store}");
    assert_eq!(
        places(&first),
        expected_places(store, store, [store, store], store)
    );
    assert_eq!(authority_ids(&up_once(&home, &[&uri])), authority_ids(&first));
}

#[test]
fn a_component_that_no_store_offers_is_named_before_any_key_is_made() {
    let name = "a_component_that_no_store_offers_is_named_before_any_key_is_made";
    let Some(soft) = Token::new(Kind::SoftHsm, name) else {
        return;
    };
    let home = home(&[&soft]);
    let (_, error) = home.fails(&["up", "--once", "--keys", &named("hsm", &soft)]);
    assert!(
        error.contains("no key store offers ml-dsa-65")
            && error.contains("hsm (pkcs11)")
            && error.contains("CKM_ML_DSA"),
        "{error}"
    );
    assert!(!soft.tool(&["--list-objects"]).contains("symbolon/"));
    assert!(!home.data().join("server/db").exists());
    // What it lacks may be elsewhere.
    let document = up_once(&home, &[&named("hsm", &soft), "software"]);
    assert_eq!(
        places(&document),
        expected_places("hsm", "software", ["software", "hsm"], "hsm")
    );
}

#[test]
fn keys_in_files_go_on_signing_when_a_token_is_named_later() {
    let name = "keys_in_files_go_on_signing_when_a_token_is_named_later";
    let Some(pq) = Token::new(Kind::Pq, name) else {
        return;
    };
    let home = home(&[&pq]);
    let first = up_once(&home, &[]);
    let second = up_once(&home, &[&pq.uri()]);
    assert_eq!(authority_ids(&second), authority_ids(&first), "no key is moved");
    assert_eq!(places(&second), places(&first));
    assert!(!pq.tool(&["--list-objects"]).contains("symbolon/"));
}
