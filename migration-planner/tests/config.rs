//! Configuration from a tree to a document and back.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::path::Path;

use symbolon_migration_planner::cbom::{SpecVersion, read, write};
use symbolon_migration_planner::inventory::{Detail, Role};

use self::common::validate;

/// The scanners' own samples, each where its program would have it.
const FILES: [(&str, &str); 13] = [
    (
        "etc/ssl/openssl.cnf",
        include_str!("../src/config/openssl/sample.cnf"),
    ),
    (
        "etc/nginx/nginx.conf",
        include_str!("../src/config/nginx/sample.conf"),
    ),
    (
        "etc/apache2/sites-enabled/site.conf",
        include_str!("../src/config/apache/sample.conf"),
    ),
    (
        "etc/haproxy/haproxy.cfg",
        include_str!("../src/config/haproxy/sample.cfg"),
    ),
    (
        "etc/ssh/sshd_config",
        include_str!("../src/config/ssh/sshd_config"),
    ),
    (
        "etc/crypto-policies/back-ends/gnutls.config",
        include_str!("../src/config/policies/gnutls.config"),
    ),
    (
        "etc/postgresql/15/main/postgresql.conf",
        include_str!("../src/config/postgresql/sample.conf"),
    ),
    (
        "opt/kafka/server.properties",
        include_str!("../src/config/kafka/server.properties"),
    ),
    (
        "etc/swanctl/swanctl.conf",
        include_str!("../src/config/strongswan/swanctl.conf"),
    ),
    (
        "etc/wireguard/wg0.conf",
        include_str!("../src/config/wireguard/wg0.conf"),
    ),
    (
        "opt/jdk/conf/security/java.security",
        include_str!("../src/config/java/java.security"),
    ),
    (
        "etc/envoy/bootstrap.yaml",
        include_str!("../src/config/envoy/bootstrap.yaml"),
    ),
    (
        "deploy/manifests.yaml",
        include_str!("../src/config/kubernetes/sample.yaml"),
    ),
];

#[test]
fn every_format_is_found_in_a_tree_and_comes_back_from_a_valid_document() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in FILES {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap_or_else(|| Path::new("/"))).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let inventory = common::scanned(folder.path());
    for (name, _) in FILES {
        let found = inventory.assets().any(|asset| {
            matches!(asset.detail, Detail::Service(_))
                && asset.evidence.iter().any(|place| place.location.ends_with(name))
        });
        assert!(found, "no service in {name}");
    }
    let offers = inventory.edges().filter(|edge| edge.role == Role::Offers).count();
    assert!(offers > 100, "{offers}");
    for version in SpecVersion::ALL {
        let mut bytes = Vec::new();
        write(&inventory, version, &mut bytes).unwrap();
        validate(&bytes, version.name());
        assert_eq!(read(&bytes).unwrap(), inventory, "{}", version.name());
    }
}
