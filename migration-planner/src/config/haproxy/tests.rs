use super::*;
use crate::config::testing::{finds, stands};

#[test]
fn binds_and_servers() {
    let sample = include_str!("sample.cfg");
    finds(
        &HaProxy,
        "haproxy.cfg",
        sample,
        include_str!("haproxy.cfg.outline"),
    );
    stands(&HaProxy, "haproxy.cfg", sample, &[]);
}

#[test]
fn a_list_of_certificates() {
    let sample = include_str!("crt-list.txt");
    finds(
        &HaProxy,
        "crt-list.txt",
        sample,
        include_str!("crt-list.txt.outline"),
    );
    stands(&HaProxy, "crt-list.txt", sample, &[]);
}
