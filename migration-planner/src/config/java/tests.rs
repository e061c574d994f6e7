use super::*;
use crate::config::testing::{finds, stands};

#[test]
fn what_tls_does_not_do() {
    let sample = include_str!("java.security");
    finds(
        &JavaSecurity,
        "java.security",
        sample,
        include_str!("java.security.outline"),
    );
    stands(&JavaSecurity, "java.security", sample, &[]);
}
