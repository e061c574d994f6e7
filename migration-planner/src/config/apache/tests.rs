use super::*;
use crate::config::testing::{finds, stands};

#[test]
fn virtual_hosts_and_a_proxy() {
    let sample = include_str!("sample.conf");
    finds(&Apache, "httpd.conf", sample, include_str!("httpd.conf.outline"));
    stands(&Apache, "httpd.conf", sample, &[]);
}
