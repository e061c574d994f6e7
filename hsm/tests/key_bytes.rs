//! Where the bytes of a hardware key are, and where they are not: the memory of a process that signs is searched from
//! outside for a scalar that the test knows, because it made the key itself.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

#[path = "tokens/signer.rs"]
#[allow(unreachable_pub, reason = "helpers of tests")]
mod signer;

use symbolon_crypto::{Component, HeldKey, SoftwareKey};
use symbolon_test_tokens::{Kind, P11KitServer, Token, finds, until};

use self::signer::Signer;

const ID: &str = "5ca1a5";

/// How often the memory is searched while the process signs.
const SWEEPS: usize = 10;

/// A P-256 key as `softhsm2-util --import` takes it: PKCS#8 (RFC 5958) around ECPrivateKey (RFC 5915).
fn pkcs8_pem(key: &SoftwareKey) -> String {
    let algorithm = "301306072a8648ce3d020106082a8648ce3d030107";
    let scalar = hex::encode(key.raw().expect("scalar"));
    let point = hex::encode(key.public_key().as_bytes());
    let der = format!("308187020100{algorithm}046d306b0201010420{scalar}a144034200{point}");
    let der = hex::decode(der).expect("hex");
    let base64 = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, der);
    format!("-----BEGIN PRIVATE KEY-----\n{base64}\n-----END PRIVATE KEY-----\n")
}

/// A token with a key on it that the test made, and the key.
fn with_known_key(kind: Kind, test: &str) -> Option<(Token, SoftwareKey)> {
    let token = Token::new(kind, test)?;
    let key = SoftwareKey::generate(Component::EcdsaP256Sha256).expect("generate");
    let file = token.secret_file("key.pem", &pkcs8_pem(&key));
    token.import(&file, ID, "a known key");
    Some((token, key))
}

#[test]
fn the_scalar_of_a_key_behind_a_server_is_never_in_the_process_that_signs() {
    const TEST: &str = "the_scalar_of_a_key_behind_a_server_is_never_in_the_process_that_signs";
    if signer::if_asked() {
        return;
    }
    let Some((token, key)) = with_known_key(Kind::Remote, TEST) else {
        return;
    };
    let scalar = key.raw().expect("scalar");
    let server = P11KitServer::start(&token);
    let mut signer = Signer::start(TEST, &token.uri(), Some(ID), token.environment());
    assert_eq!(
        signer.public_key,
        key.public_key().as_bytes(),
        "it signs with the known key"
    );

    for _ in 0..SWEEPS {
        signer.goes_on();
        assert_eq!(
            finds(signer.process(), &scalar),
            0,
            "the scalar is in the process that signs"
        );
    }
    // The same search finds it where it is: with SoftHSM, in the server's process.
    until("the scalar in the server", || {
        server
            .processes()
            .iter()
            .any(|process| finds(*process, &scalar) > 0)
    });
    // And in the process that signs, once it was put there.
    signer.keep(&scalar);
    assert!(finds(signer.process(), &scalar) > 0, "the search finds nothing");
}

/// What the docs say of modules in the process: SoftHSM's keys are in our memory.
#[test]
fn the_scalar_of_a_key_in_softhsm_is_in_the_process_that_has_the_module() {
    const TEST: &str = "the_scalar_of_a_key_in_softhsm_is_in_the_process_that_has_the_module";
    if signer::if_asked() {
        return;
    }
    let Some((token, key)) = with_known_key(Kind::SoftHsm, TEST) else {
        return;
    };
    let scalar = key.raw().expect("scalar");
    let mut signer = Signer::start(TEST, &token.uri(), Some(ID), token.environment());
    assert_eq!(
        signer.public_key,
        key.public_key().as_bytes(),
        "it signs with the known key"
    );
    until("the scalar in the process", || {
        signer.goes_on();
        finds(signer.process(), &scalar) > 0
    });
}
