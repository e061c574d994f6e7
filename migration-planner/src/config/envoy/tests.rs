use super::*;
use crate::config::testing::{finds, stands};

#[test]
fn listeners_and_clusters() {
    let sample = include_str!("bootstrap.yaml");
    finds(
        &Envoy,
        "bootstrap.yaml",
        sample,
        include_str!("bootstrap.yaml.outline"),
    );
    stands(&Envoy, "bootstrap.yaml", sample, &[]);
}

#[test]
fn json_with_the_other_spelling() {
    let sample = include_str!("envoy.json");
    finds(&Envoy, "envoy.json", sample, include_str!("envoy.json.outline"));
    stands(&Envoy, "envoy.json", sample, &[]);
}

#[test]
fn chains_by_name_and_secrets_that_only_trust() {
    let sample = "resources:\n- name: l\n  address: {socket_address: {address: 0.0.0.0, port_value: 443}}\n  \
        filter_chains:\n  - filter_chain_match: {server_names: [a.example.org]}\n    transport_socket:\n      \
        typed_config:\n        common_tls_context: {tls_certificate_sds_secret_configs: [{name: a}]}\n\
        - name: roots\n  validation_context:\n    trusted_ca: {filename: /etc/ca.pem}\n";
    finds(
        &Envoy,
        "lds.yaml",
        sample,
        "service Envoy listener l @8 [tls://*:443]\n  certificate-secret=a\n  server-name=a.example.org\n\
         TLS @8 {} groups[] schemes[]\nservice Envoy secret roots @9 []\n  trust-file=/etc/ca.pem",
    );
}
