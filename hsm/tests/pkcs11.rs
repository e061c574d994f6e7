//! The PKCS#11 store on real tokens: SoftHSM 2, and the PQ token.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod tokens;

use std::sync::Arc;

use symbolon_crypto::{Component, HeldKey, MlDsaContext};
use symbolon_hsm::conformance::{self, Outcome};
use symbolon_hsm::pkcs11::{PinRefusal, Pkcs11Config, Pkcs11Error, Pkcs11Store, Pkcs11Uri, TokenSelector};
use symbolon_hsm::{KeyId, KeyLabel, KeyStore, SecretSource, StoreError};

use symbolon_test_tokens::{Kind, LABEL, PIN, Token, on};

use self::tokens::Stored as _;

const CLASSICAL: [Component; 3] = [
    Component::EcdsaP256Sha256,
    Component::EcdsaP384Sha384,
    Component::Ed25519,
];

fn label(component: Component) -> KeyLabel {
    KeyLabel::of("example.org", "server-1", "test", component).expect("label")
}

fn pkcs11(error: StoreError) -> Pkcs11Error {
    match error {
        StoreError::Pkcs11(error) => error,
        other => panic!("{other}"),
    }
}

fn signs(key: &dyn HeldKey) {
    let context = MlDsaContext::new(b"a context").expect("context");
    let signature = key.sign(b"message", context).expect("sign");
    key.public_key()
        .verify(b"message", &signature, context)
        .expect("verify");
}

/// Conforms, and works for exactly `working`.
fn conforms(token: &Token, working: &[Component]) {
    let store = token.open();
    let bystander = store.generate(Component::EcdsaP256Sha256, &label(Component::EcdsaP256Sha256));
    let (bystander, _) = bystander.expect("generate");

    let report = conformance::run_with_reopen(&store, &|| Ok(Arc::new(token.open())));

    println!("{}\n{report}", store.description());
    assert!(report.passed(), "{report}");
    assert_eq!(report.working(), working);
    let not_offered = |check: &&conformance::Check| matches!(check.outcome, Outcome::NotOffered(_));
    for check in report.checks.iter().filter(not_offered) {
        let offered = check
            .component
            .is_some_and(|component| working.contains(&component));
        assert!(!offered || check.name == "signs a precomputed mu", "{check:?}");
    }
    // Nothing is left but the key that was there.
    assert_eq!(store.list().expect("list"), [bystander]);
    let objects = token.tool(&["--list-objects"]);
    assert_eq!(objects.matches("Key Object").count(), 2, "{objects}");
}

#[test]
fn components_that_are_kept_in_software_are_refused_with_that_reason() {
    on(
        Kind::SoftHsm,
        "components_that_are_kept_in_software_are_refused_with_that_reason",
        |token| {
            let store = token.open();
            let further = |component: &Component| !Component::DEFAULTS.contains(component);
            for component in Component::ALL.into_iter().filter(further) {
                let unsupported = store.offers(component).expect_err("not offered");
                assert!(unsupported.reason.contains("software"), "{unsupported}");
                let error = store
                    .generate(component, &label(component))
                    .expect_err("not made");
                assert!(
                    matches!(error, StoreError::Unsupported(_)),
                    "{component}: {error}"
                );
            }
            assert!(store.list().expect("list").is_empty());
        },
    );
}

#[test]
fn softhsm_conforms() {
    on(Kind::SoftHsm, "softhsm_conforms", |token| {
        conforms(token, &CLASSICAL);
    });
}

#[test]
fn the_pq_token_conforms() {
    on(Kind::Pq, "the_pq_token_conforms", |token| {
        conforms(token, &Component::DEFAULTS);
    });
}

/// `pkcs11-tool` sees what we claim.
fn holds_keys_as_claimed(token: &Token, component: Component) {
    let store = token.open();
    let (info, key) = store.generate(component, &label(component)).expect("generate");
    let attributes = store.attributes(&info.id).expect("attributes");
    assert_eq!(
        attributes.to_string(),
        "CKA_TOKEN true, CKA_PRIVATE true, CKA_SENSITIVE true, CKA_EXTRACTABLE false, CKA_SIGN true, \
         CKA_ALWAYS_SENSITIVE true, CKA_NEVER_EXTRACTABLE true, CKA_LOCAL true"
    );
    signs(&*key);
    assert!(!key.is_own_software());

    let seen = token.tool(&["--list-objects", "--type", "privkey"]);
    assert!(seen.contains(&format!("ID:         {}", info.id)), "{seen}");
    assert!(seen.contains(&format!("label:      {}", info.label)), "{seen}");
    let access = seen
        .lines()
        .find(|line| line.contains("Access:"))
        .expect("Access");
    for due in ["sensitive", "always sensitive", "never extractable", "local"] {
        assert!(access.contains(due), "{due}: {seen}");
    }
    assert!(
        !access.contains(" extractable") || access.contains("never extractable"),
        "{seen}"
    );
    let public = token.tool(&["--list-objects", "--type", "pubkey"]);
    assert!(public.contains(&format!("ID:         {}", info.id)), "{public}");
}

#[test]
fn softhsm_holds_keys_as_claimed() {
    on(Kind::SoftHsm, "softhsm_holds_keys_as_claimed", |token| {
        holds_keys_as_claimed(token, Component::EcdsaP384Sha384);
    });
}

#[test]
fn the_pq_token_holds_keys_as_claimed() {
    on(Kind::Pq, "the_pq_token_holds_keys_as_claimed", |token| {
        holds_keys_as_claimed(token, Component::MlDsa65);
    });
}

#[test]
fn what_a_token_cannot_do_is_said_before_any_key_is_made() {
    on(
        Kind::SoftHsm,
        "what_a_token_cannot_do_is_said_before_any_key_is_made",
        |token| {
            let store = token.open();
            let error = store.offers(Component::MlDsa65).expect_err("no ML-DSA");
            assert_eq!(
                error.to_string(),
                "this pkcs11 store does not offer ml-dsa-65: the token lacks CKM_ML_DSA_KEY_PAIR_GEN"
            );
            let error = store
                .generate(Component::MlDsa65, &label(Component::MlDsa65))
                .expect_err("no ML-DSA");
            assert!(matches!(error, StoreError::Unsupported(_)), "{error}");
            assert_eq!(store.list().expect("list"), []);
        },
    );
}

/// A wrong PIN costs one try, however often it is offered.
fn tries_a_wrong_pin_once(token: &Token) {
    let refused = |error: StoreError| match pkcs11(error) {
        Pkcs11Error::PinRefused { refusal, .. } => refusal,
        other => panic!("{other}"),
    };
    for _ in 0..20 {
        let error = token
            .open_with(&token.config(), "00000000")
            .expect_err("wrong PIN");
        assert!(!error.to_string().contains("00000000"), "{error}");
        assert_eq!(refused(error), PinRefusal::Incorrect);
    }
    let objects = token.tool_with_pin(PIN, &["--list-objects"]);
    objects.expect("the right PIN still works");
    let store = token.open();
    // Now that the token is open in this process, it would not look at the PIN any more.
    let error = token
        .open_with(&token.config(), "11111111")
        .expect_err("wrong PIN");
    assert_eq!(refused(error), PinRefusal::Incorrect);
    token.open();
    drop(store);
}

#[test]
fn softhsm_is_asked_once_with_a_wrong_pin() {
    on(Kind::SoftHsm, "softhsm_is_asked_once_with_a_wrong_pin", |token| {
        tries_a_wrong_pin_once(token);
    });
}

#[test]
fn the_pq_token_is_asked_once_with_a_wrong_pin() {
    on(Kind::Pq, "the_pq_token_is_asked_once_with_a_wrong_pin", |token| {
        tries_a_wrong_pin_once(token);
    });
}

#[test]
fn a_pin_locked_by_others_is_reported_and_left_alone() {
    on(
        Kind::Pq,
        "a_pin_locked_by_others_is_reported_and_left_alone",
        |token| {
            token.lock_pin();
            for _ in 0..3 {
                let error = pkcs11(token.open_with(&token.config(), PIN).expect_err("locked"));
                let locked = matches!(
                    error,
                    Pkcs11Error::PinRefused {
                        refusal: PinRefusal::Locked,
                        ..
                    }
                );
                assert!(locked, "{error}");
                assert_eq!(
                    error.to_string(),
                    "the token symbolon test refuses the PIN (it is locked: the security officer must unlock it); it \
                 will not be tried again"
                );
            }
        },
    );
}

#[test]
fn tokens_are_found_by_what_is_said_of_them_and_nothing_less() {
    on(
        Kind::SoftHsm,
        "tokens_are_found_by_what_is_said_of_them_and_nothing_less",
        |token| {
            let open = |selector| {
                let config = Pkcs11Config {
                    token: selector,
                    ..token.config()
                };
                token.open_with(&config, PIN)
            };
            let store = open(TokenSelector::default()).expect("the only one");
            let serial = store.description().serial.clone();
            open(TokenSelector {
                serial: Some(serial),
                slot: Some(store.description().slot),
                ..TokenSelector::label(LABEL)
            })
            .expect("all of it");
            let error = open(TokenSelector::label("another"))
                .expect_err("another")
                .to_string();
            assert!(
                error.starts_with("no token called \"another\" in ") && error.contains(LABEL),
                "{error}"
            );
            let other_serial = TokenSelector {
                serial: Some("0".to_owned()),
                ..TokenSelector::label(LABEL)
            };
            open(other_serial).expect_err("another serial number");

            let uri: Pkcs11Uri = token.uri().parse().expect("uri");
            let config = Pkcs11Config::from_uri(&uri).expect("config");
            let store = Pkcs11Store::open(&config, || panic!("nobody is to be asked")).expect("by URI");
            assert_eq!(store.kind(), "pkcs11");

            let without = Pkcs11Config {
                pin_source: None,
                ..token.config()
            };
            // The token is open in this process already, but that is not for us to rely on.
            let error = pkcs11(token.open_with(&without, PIN).expect_err("no PIN"));
            assert!(matches!(error, Pkcs11Error::PinMissing { .. }), "{error}");
            let missing = Pkcs11Config {
                pin_source: Some(SecretSource::Environment("SYMBOLON_NO_SUCH_VARIABLE".to_owned())),
                ..token.config()
            };
            let error = pkcs11(token.open_with(&missing, PIN).expect_err("no PIN"));
            assert!(matches!(error, Pkcs11Error::PinSource(_)), "{error}");
        },
    );
}

#[test]
fn two_objects_of_one_id_are_refused() {
    on(Kind::SoftHsm, "two_objects_of_one_id_are_refused", |token| {
        for curve in ["EC:prime256v1", "EC:secp384r1"] {
            token.tool(&[
                "--keypairgen",
                "--key-type",
                curve,
                "--id",
                "beef",
                "--label",
                "symbolon/twin",
            ]);
        }
        let store = token.open();
        let id = KeyId::parse("beef").expect("id");
        for error in [
            store.open(&id).map(drop).expect_err("which?"),
            store.destroy(&id).expect_err("which?"),
            store.list().map(drop).expect_err("which?"),
        ] {
            assert_eq!(
                error.to_string(),
                "2 private keys on the token symbolon test have the id beef: remove or rename all but one"
            );
        }
    });
}

#[test]
fn keys_of_others_are_told_apart_from_keys_that_can_be_used() {
    on(
        Kind::SoftHsm,
        "keys_of_others_are_told_apart_from_keys_that_can_be_used",
        |token| {
            let make = |arguments: &[&str]| token.tool(&[&["--keypairgen"], arguments].concat());
            make(&["--key-type", "EC:secp521r1", "--id", "0521"]);
            make(&["--key-type", "rsa:2048", "--id", "2048"]);
            make(&[
                "--key-type",
                "EC:prime256v1",
                "--id",
                "0256",
                "--extractable",
                "--sensitive",
            ]);
            make(&["--key-type", "EC:prime256v1", "--id", "0257", "--sensitive"]);
            token.tool(&["--delete-object", "--type", "pubkey", "--id", "0257"]);
            make(&[
                "--key-type",
                "EC:prime256v1",
                "--id",
                "0258",
                "--sensitive",
                "--label",
                "théirs",
            ]);

            let store = token.open();
            let open = |id: &str| store.open(&KeyId::parse(id).expect("id"));
            let refused = |id: &str| pkcs11(open(id).expect_err(id));
            let error = refused("0521");
            assert!(matches!(error, Pkcs11Error::KeyType { .. }), "{error}");
            let error = refused("2048").to_string();
            assert!(error.contains("CKK_RSA"), "{error}");
            let error = refused("0256").to_string();
            assert!(error.contains("CKA_EXTRACTABLE is true"), "{error}");
            let error = refused("0257");
            assert!(matches!(error, Pkcs11Error::NoPublicKey { .. }), "{error}");
            // Made elsewhere, and held as it must be.
            signs(&*open("0258").expect("usable"));

            let listed: Vec<_> = store.list().expect("list");
            let ids: Vec<&str> = listed.iter().map(|info| info.id.as_str()).collect();
            assert_eq!(ids, ["0256", "0258"]);
            let labels: Vec<&str> = listed.iter().map(|info| info.label.as_str()).collect();
            assert_eq!(labels, ["(no label)", "théirs"]);
            // Nothing of others is destroyed by an id that is not a key of ours.
            store
                .destroy(&KeyId::parse("2048").expect("id"))
                .expect_err("RSA");
            for unknown in ["beef", "BEEF", "0258-", "x"] {
                let error = open(unknown).expect_err(unknown);
                assert!(matches!(error, StoreError::UnknownKey { .. }), "{error}");
            }
        },
    );
}

#[test]
fn a_public_key_of_another_type_beside_a_private_one_is_found() {
    on(
        Kind::SoftHsm,
        "a_public_key_of_another_type_beside_a_private_one_is_found",
        |token| {
            let make =
                |arguments: &[&str]| token.tool(&[&["--keypairgen", "--sensitive"], arguments].concat());
            make(&["--key-type", "EC:prime256v1", "--id", "aa"]);
            make(&["--key-type", "EC:secp384r1", "--id", "bb"]);
            token.tool(&["--delete-object", "--type", "pubkey", "--id", "aa"]);
            token.tool(&["--delete-object", "--type", "privkey", "--id", "bb"]);
            token.tool(&["--type", "pubkey", "--id", "bb", "--set-id", "aa"]);
            let store = token.open();
            let error = store
                .open(&KeyId::parse("aa").expect("id"))
                .expect_err("mismatch")
                .to_string();
            assert_eq!(
                error,
                "the key aa on the token symbolon test is ecdsa-p256-sha256, but its public key object is \
                 ecdsa-p384-sha384"
            );
        },
    );
}
