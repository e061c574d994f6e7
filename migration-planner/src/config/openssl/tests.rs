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

#[test]
fn many_variables_and_many_lists_take_no_time_for_each_other() {
    let mut text = String::from("[req]\ndefault_md = sha256\n");
    for at in 0..30_000 {
        text.push_str(&format!("v{at} = $w{at}\n"));
    }
    for _ in 0..30_000 {
        text.push_str("providers = req\n");
    }
    let began = std::time::Instant::now();
    let found = crate::scan::conformance::show(&OpenSsl, "openssl.cnf", text.as_bytes());
    assert!(!found.assets().is_empty());
    assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
}

#[test]
fn lines_beyond_those_that_are_read_are_noted() {
    let text = format!("[req]\ndefault_md = sha256\n{}", "a = b\n".repeat(200_000));
    let found = crate::scan::conformance::show(&OpenSsl, "openssl.cnf", text.as_bytes());
    let noted = found
        .unread_entries()
        .iter()
        .find(|unread| unread.line == Some(200_001));
    assert!(noted.is_some(), "{:?}", found.unread_entries());
}
