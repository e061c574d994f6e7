use super::*;
use crate::config::testing::{finds, stands};

#[test]
fn settings_of_a_server() {
    let sample = include_str!("sample.conf");
    finds(
        &PostgreSql,
        "postgresql.conf",
        sample,
        include_str!("postgresql.conf.outline"),
    );
    stands(&PostgreSql, "postgresql.conf", sample, &[b"Tr0ub4dor"]);
}

#[test]
fn access_rules() {
    let sample = include_str!("pg_hba.conf");
    finds(
        &PostgreSql,
        "etc/pg_hba.conf",
        sample,
        include_str!("etc_pg_hba.conf.outline"),
    );
    stands(&PostgreSql, "etc/pg_hba.conf", sample, &[b"hunter2secret"]);
}

#[test]
fn ways_to_keep_passwords_are_algorithms() {
    let show = |name: &str, bytes: &[u8]| crate::scan::conformance::show(&PostgreSql, name, bytes);
    let settings = show("postgresql.conf", include_bytes!("sample.conf"));
    assert_eq!(crate::config::testing::place_of(&settings, "MD5"), Some(14));
    let rules = show("etc/pg_hba.conf", include_bytes!("pg_hba.conf"));
    assert_eq!(
        crate::config::testing::place_of(&rules, "PBKDF2-SHA-256"),
        Some(3)
    );
    assert_eq!(crate::config::testing::place_of(&rules, "MD5"), Some(4));
}

#[test]
fn a_rule_that_refuses_lets_nobody_in_without_tls() {
    let sample =
        "hostssl all all 0.0.0.0/0 scram-sha-256\nhostnossl all all all reject\nhost all all ::/0 reject\n";
    let all = crate::config::testing::outline(&PostgreSql, "pg_hba.conf", sample);
    assert!(all.iter().any(|line| line.contains("hostnossl reject: 1 rule")));
    assert!(
        !all.iter().any(|line| line.contains("plain-connections")),
        "{all:?}"
    );
}
