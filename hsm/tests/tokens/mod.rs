//! Our store on the tokens that tests are made on.
#![allow(
    dead_code,
    clippy::expect_used,
    unreachable_pub,
    reason = "helpers of tests fail as tests do, and not every test program uses all of them"
)]

use symbolon_hsm::pkcs11::{Pkcs11Config, Pkcs11Store, TokenSelector};
use symbolon_hsm::{Passphrase, SecretSource, StoreError};
use symbolon_test_tokens::{LABEL, PIN, Token};

/// What tests of the store do with a token.
pub trait Stored {
    /// The store on the token, where the PIN is asked for.
    fn config(&self) -> Pkcs11Config;
    fn open(&self) -> Pkcs11Store;
    fn open_with(&self, config: &Pkcs11Config, pin: &str) -> Result<Pkcs11Store, StoreError>;
}

impl Stored for Token {
    fn config(&self) -> Pkcs11Config {
        Pkcs11Config {
            pin_source: Some(SecretSource::Prompt),
            ..Pkcs11Config::new(&self.module, TokenSelector::label(LABEL))
        }
    }

    fn open(&self) -> Pkcs11Store {
        self.open_with(&self.config(), PIN).expect("open")
    }

    fn open_with(&self, config: &Pkcs11Config, pin: &str) -> Result<Pkcs11Store, StoreError> {
        Pkcs11Store::open(config, || Passphrase::new(pin.as_bytes().to_vec().into()))
    }
}
