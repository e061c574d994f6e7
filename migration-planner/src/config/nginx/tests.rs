use super::*;
use crate::config::testing::{finds, stands};

#[test]
fn servers_and_what_they_inherit() {
    let sample = include_str!("sample.conf");
    finds(&Nginx, "nginx.conf", sample, include_str!("nginx.conf.outline"));
    stands(&Nginx, "nginx.conf", sample, &[b"1234567"]);
}

#[test]
fn other_programs_files_are_left_alone() {
    let show = |text: &str| crate::scan::conformance::show(&Nginx, "other.conf", text.as_bytes());
    assert!(
        show("ssl = yes\nssl_cert = </etc/dovecot/cert.pem\nprotocol imap {\n  ssl_x = y\n}\n").is_empty()
    );
    assert!(show("<VirtualHost *:443>\nSSLEngine on # {\n").is_empty());
    // A snippet that others include has no server.
    let snippet = show("ssl_protocols TLSv1.2;\nssl_ciphers AES128-SHA;\n");
    assert_eq!(crate::config::testing::place_of(&snippet, "AES-128-CBC"), Some(2));
}
