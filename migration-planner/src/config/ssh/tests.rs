use super::*;
use crate::config::testing::{finds, stands};

#[test]
fn a_server() {
    let sample = include_str!("sshd_config");
    finds(
        &SshConfig,
        "etc/ssh/sshd_config",
        sample,
        include_str!("etc_ssh_sshd_config.outline"),
    );
    stands(&SshConfig, "etc/ssh/sshd_config", sample, &[]);
}

#[test]
fn a_client() {
    let sample = include_str!("client");
    finds(
        &SshConfig,
        "home/me/.ssh/config",
        sample,
        include_str!("home_me_.ssh_config.outline"),
    );
    stands(&SshConfig, "home/me/.ssh/config", sample, &[]);
}

#[test]
fn what_crypto_policies_write() {
    let sample = include_str!("policy");
    finds(
        &SshConfig,
        "back-ends/opensshserver.config",
        sample,
        include_str!("back-ends_opensshserver.config.outline"),
    );
    stands(&SshConfig, "back-ends/opensshserver.config", sample, &[]);
}

#[test]
fn lists_stand_on_their_lines_and_strangers_are_inventoried() {
    let found =
        crate::scan::conformance::show(&SshConfig, "etc/ssh/sshd_config", include_bytes!("sshd_config"));
    let place = |name: &str| crate::config::testing::place_of(&found, name);
    // Key exchanges, host keys, ciphers, user keys.
    assert_eq!(place("mlkem768x25519-sha256"), Some(9));
    assert_eq!(place("frob@example.com"), Some(13));
    assert_eq!(place("3DES-168-CBC"), Some(11));
    assert_eq!(place("RSA-PKCS1-1.5-SHA-1"), Some(14));
    // What stands second does not hold.
    assert_eq!(place("FFDHE-1024"), None);
}
