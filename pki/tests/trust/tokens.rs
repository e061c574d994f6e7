//! Makes tokens, right ones and wrong ones.

use std::sync::OnceLock;
use std::time::SystemTime;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{self, KeyPair as _, RsaEncoding};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use symbolon_pki::bundle::{BundleSet, JwtAuthority};
use symbolon_pki::jwt::ecdsa_der_to_jose;
use symbolon_pki::key::SuiteSigner;
use symbolon_pki::suite::Suite;
use symbolon_pki::time::unix_seconds;

use crate::support::{HOUR, bundle, now, signer, subject_key};

/// The authorities that sign here: kids "p256", "p384", "p521" and "rsa".
pub(crate) struct Authorities {
    pub(crate) p256: SuiteSigner,
    pub(crate) p384: SuiteSigner,
    pub(crate) p521: SuiteSigner,
    pub(crate) rsa: KeyPair,
}

pub(crate) fn authorities() -> &'static Authorities {
    static AUTHORITIES: OnceLock<Authorities> = OnceLock::new();
    AUTHORITIES.get_or_init(|| Authorities {
        p256: signer(Suite::EcdsaP256),
        p384: signer(Suite::EcdsaP384),
        p521: signer(Suite::EcdsaP521),
        rsa: KeyPair::generate(KeySize::Rsa2048).unwrap(),
    })
}

pub(crate) fn jwt_authorities() -> Vec<JwtAuthority> {
    let Authorities {
        p256,
        p384,
        p521,
        rsa,
    } = authorities();
    let rsa: PublicKeyX509Der<'_> = rsa.public_key().as_der().unwrap();
    vec![
        JwtAuthority::from_spki_der("p256", &subject_key(p256).spki_der()).unwrap(),
        JwtAuthority::from_spki_der("p384", &subject_key(p384).spki_der()).unwrap(),
        JwtAuthority::from_spki_der("p521", &subject_key(p521).spki_der()).unwrap(),
        JwtAuthority::from_spki_der("rsa", rsa.as_ref()).unwrap(),
    ]
}

pub(crate) fn bundles() -> BundleSet {
    let mut bundle = bundle(&[]);
    bundle.jwt_authorities = jwt_authorities();
    bundle.into()
}

/// Signs as `alg` says, whatever else the header says.
pub(crate) fn signature(alg: &str, signed: &[u8]) -> Vec<u8> {
    let Authorities {
        p256,
        p384,
        p521,
        rsa,
    } = authorities();
    let padding: &'static dyn RsaEncoding = match alg {
        "ES256" => return ecdsa_der_to_jose(&p256.sign(signed).unwrap(), 32).unwrap(),
        "ES384" => return ecdsa_der_to_jose(&p384.sign(signed).unwrap(), 48).unwrap(),
        "ES512" => return ecdsa_der_to_jose(&p521.sign(signed).unwrap(), 66).unwrap(),
        "RS256" => &signature::RSA_PKCS1_SHA256,
        "RS384" => &signature::RSA_PKCS1_SHA384,
        "RS512" => &signature::RSA_PKCS1_SHA512,
        "PS256" => &signature::RSA_PSS_SHA256,
        "PS384" => &signature::RSA_PSS_SHA384,
        "PS512" => &signature::RSA_PSS_SHA512,
        other => panic!("{other}"),
    };
    let mut out = vec![0; rsa.public_modulus_len()];
    rsa.sign(padding, &SystemRandom::new(), signed, &mut out).unwrap();
    out
}

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn token(header: &Value, claims: &Value, alg: &str) -> String {
    token_as_is(header, &claims.to_string(), alg)
}

/// A token whose claims may be any text.
pub(crate) fn token_as_is(header: &Value, claims: &str, alg: &str) -> String {
    let signed = format!("{}.{}", encode(header.to_string()), encode(claims));
    let signature = encode(signature(alg, signed.as_bytes()));
    format!("{signed}.{signature}")
}

pub(crate) fn seconds(at: SystemTime) -> u64 {
    unix_seconds(at)
}

pub(crate) fn claims() -> Value {
    json!({
        "sub": "spiffe://example.org/workload",
        "aud": ["db", "cache"],
        "exp": seconds(now() + HOUR),
        "iat": seconds(now()),
    })
}

pub(crate) fn es256(claims: &Value) -> String {
    es256_as_is(&claims.to_string())
}

pub(crate) fn es256_as_is(claims: &str) -> String {
    let header = json!({ "alg": "ES256", "kid": "p256", "typ": "JWT" });
    token_as_is(&header, claims, "ES256")
}
