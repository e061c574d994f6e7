use super::*;
use crate::config::testing::{finds, stands};

#[test]
fn swanctl() {
    let sample = include_str!("swanctl.conf");
    finds(
        &StrongSwan,
        "swanctl.conf",
        sample,
        include_str!("swanctl.conf.outline"),
    );
    stands(
        &StrongSwan,
        "swanctl.conf",
        sample,
        &[b"correct horse battery staple", b"swordfish99", b"87654321"],
    );
}

#[test]
fn ipsec_conf() {
    let sample = include_str!("ipsec.conf");
    finds(
        &StrongSwan,
        "ipsec.conf",
        sample,
        include_str!("ipsec.conf.outline"),
    );
    stands(&StrongSwan, "ipsec.conf", sample, &[]);
}

#[test]
fn ipsec_secrets() {
    let sample = include_str!("ipsec.secrets");
    finds(
        &StrongSwan,
        "ipsec.secrets",
        sample,
        include_str!("ipsec.secrets.outline"),
    );
    stands(
        &StrongSwan,
        "ipsec.secrets",
        sample,
        &[b"open sesame 1", b"v+NkxY9LLZvwj4qCC2o/gGrWDF2d21jL", b"Ar3etTnp"],
    );
}

#[test]
fn post_quantum_exchanges_and_strangers_are_inventoried() {
    let found = crate::scan::conformance::show(&StrongSwan, "swanctl.conf", include_bytes!("swanctl.conf"));
    let place = |name: &str| crate::config::testing::place_of(&found, name);
    assert_eq!(
        (place("ML-KEM-768"), place("frob"), place("3DES-168-CBC")),
        (Some(5), Some(19), Some(19))
    );
}
