use super::*;
use crate::config::testing::{finds, stands};

#[test]
fn gnutls() {
    let sample = include_str!("gnutls.config");
    finds(
        &CryptoPolicies,
        "etc/crypto-policies/gnutls.config",
        sample,
        include_str!("etc_crypto-policies_gnutls.config.outline"),
    );
    stands(&CryptoPolicies, "etc/crypto-policies/gnutls.config", sample, &[]);
}

#[test]
fn openssl() {
    let sample = include_str!("openssl.config");
    finds(
        &CryptoPolicies,
        "etc/crypto-policies/openssl.config",
        sample,
        include_str!("etc_crypto-policies_openssl.config.outline"),
    );
    stands(&CryptoPolicies, "etc/crypto-policies/openssl.config", sample, &[]);
}

#[test]
fn the_chosen_one() {
    let sample = include_str!("chosen");
    finds(
        &CryptoPolicies,
        "etc/crypto-policies/config",
        sample,
        include_str!("etc_crypto-policies_config.outline"),
    );
    stands(&CryptoPolicies, "etc/crypto-policies/config", sample, &[]);
}
