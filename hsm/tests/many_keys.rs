//! A token with more keys than are each looked up.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod tokens;

use symbolon_crypto::Component;
use symbolon_hsm::pkcs11::Pkcs11Error;
use symbolon_hsm::{KeyLabel, KeyStore as _, StoreError};
use symbolon_test_tokens::{Kind, on};

use self::tokens::Stored as _;

#[test]
fn many_keys_are_listed_as_few_are() {
    on(Kind::SoftHsm, "many_keys_are_listed_as_few_are", |token| {
        let store = token.open();
        let mut made = Vec::new();
        for number in 0..20 {
            let component = match number % 2 {
                0 => Component::EcdsaP256Sha256,
                _ => Component::Ed25519,
            };
            let label = KeyLabel::parse("symbolon/one of many").expect("label");
            made.push(store.generate(component, &label).expect("generate").0);
            let mut expected = made.clone();
            expected.sort_by(|one, other| one.id.cmp(&other.id));
            assert_eq!(store.list().expect("list"), expected);
        }
        // All at once is what each is by itself.
        let mut listed = Vec::new();
        for (info, custody) in store.inventory().expect("inventory") {
            listed.push(info.clone());
            assert_eq!(custody, store.custody(&info.id).expect("custody"));
        }
        assert_eq!(listed, store.list().expect("list"));
        // Among many, too, one without its public key is missed.
        let id = made[7].id.to_string();
        token.tool(&["--delete-object", "--type", "pubkey", "--id", &id]);
        let error = token.open().list().expect_err("no public key");
        assert!(
            matches!(
                &error,
                StoreError::Pkcs11(Pkcs11Error::NoPublicKey { id, .. }) if *id == made[7].id
            ),
            "{error}"
        );
    });
}
