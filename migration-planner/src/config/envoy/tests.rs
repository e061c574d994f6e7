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

#[test]
fn a_listener_needs_no_name_and_a_context_no_settings() {
    let sample = "static_resources:\n  listeners:\n  - address: {socket_address: {address: 0.0.0.0, port_value: 10000}}\n    \
        filter_chains:\n    - transport_socket:\n        typed_config:\n          common_tls_context: \
        {tls_certificates: [{certificate_chain: {filename: a.pem}, private_key: {filename: a.key}}]}\n  \
        clusters:\n  - name: out\n    type: LOGICAL_DNS\n    transport_socket:\n      \
        name: envoy.transport_sockets.tls\n      typed_config:\n        \"@type\": \
        type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext\n        sni: out.example.org\n";
    finds(
        &Envoy,
        "envoy.yaml",
        sample,
        "service Envoy listener @7 [tls://*:10000]\n  certificate-file=a.pem\n  key-file=a.key\n\
         TLS @7 {} groups[] schemes[]\nservice Envoy cluster out @14 []\n  server-name=out.example.org\n\
         TLS @14 {} groups[] schemes[]",
    );
    stands(&Envoy, "envoy.yaml", sample, &[]);
}
