use super::*;
use crate::config::testing::{finds, stands};

#[test]
fn defaults_and_providers() {
    let sample = include_str!("sample.cnf");
    finds(
        &OpenSsl,
        "openssl.cnf",
        sample,
        include_str!("openssl.cnf.outline"),
    );
    stands(&OpenSsl, "openssl.cnf", sample, &[]);
}

#[test]
fn what_req_makes_is_found_and_files_of_others_are_left() {
    let found = crate::scan::conformance::show(&OpenSsl, "openssl.cnf", include_bytes!("sample.cnf"));
    let place = |name: &str| crate::config::testing::place_of(&found, name);
    assert_eq!((place("RSA-1024"), place("SHA-1")), (Some(35), Some(25)));
    assert_eq!(place("ML-DSA-65"), Some(29));
    let mysql = crate::scan::conformance::show(&OpenSsl, "my.cnf", b"[mysqld]\nssl-ca=ca.pem\nnonsense\n");
    assert!(mysql.is_empty());
}
