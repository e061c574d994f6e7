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

#[test]
fn stores_have_their_own_directories_and_names() {
    let sample = "  global\n    crt-base /etc/ssl/g\n  crt-store web\n    crt-base /etc/ssl/certs/\n    \
        key-base /etc/ssl/private/\n    load crt a.crt key a.key alias a\n    load crt b.pem\n  frontend in\n    \
        bind *:443 ssl crt @web/a crt c.pem\n    bind *:444 ssl crt @web/b.pem crt @other/x\n";
    finds(
        &HaProxy,
        "haproxy.cfg",
        sample,
        "service HAProxy bind in *:443 @9 [tls://*:443]\n  certificate-file=/etc/ssl/certs/a.crt\n  \
         certificate-file=/etc/ssl/g/c.pem\n  key-file=/etc/ssl/private/a.key\nTLS @9 {} groups[] schemes[]\n\
         service HAProxy bind in *:444 @10 [tls://*:444]\n  certificate-file=/etc/ssl/certs/b.pem\n  \
         certificate-file=@other/x\nTLS @10 {} groups[] schemes[]\n\
         service HAProxy certificate store web @3 []\n  certificate-file=/etc/ssl/certs/a.crt\n  \
         certificate-file=/etc/ssl/certs/b.pem\n  key-file=/etc/ssl/private/a.key",
    );
    stands(&HaProxy, "haproxy.cfg", sample, &[]);
}

#[test]
fn a_section_has_the_defaults_that_it_names() {
    let sample = "defaults inner\n    default-server ssl verify required\ndefaults strict from inner\n    \
        default-server force-tlsv13\ndefaults plain\nbackend a from strict\n    server s 10.0.0.1:443\n\
        backend b\n    server s 10.0.0.2:80\nbackend c from inner\n    server s 10.0.0.3:443 verify none\n\
        backend d from nobody\n    server s 10.0.0.4:80\n";
    let outline = crate::config::testing::outline(&HaProxy, "haproxy.cfg", sample);
    let services: Vec<&str> = outline
        .iter()
        .filter(|line| line.starts_with("service") || line.contains("verifies-server"))
        .map(String::as_str)
        .collect();
    assert_eq!(
        services,
        [
            "service HAProxy client a s @7 []",
            "  verifies-server=yes",
            "service HAProxy client c s @11 []",
            "  verifies-server=no",
        ]
    );
    assert!(
        outline.iter().any(|line| line.starts_with("TLS 1.3 @")),
        "{outline:?}"
    );
    stands(&HaProxy, "haproxy.cfg", sample, &[]);
}

#[test]
fn variables_and_a_name_that_others_have_too() {
    let sample = "global\n    setenv SUITES ECDHE-RSA-AES128-GCM-SHA256\n    presetenv CERT /etc/ssl/a.pem\n    \
        ssl-default-bind-ciphers \"${SUITES}\"\n    ssl-default-bind-curves \"$CURVES\"\nfrontend in\n    \
        bind \"*:${PORT-8443}\" ssl crt \"$CERT\" ssl-min-ver \"${LEAST}\"\n";
    finds(
        &HaProxy,
        "edge.cfg",
        sample,
        "service HAProxy bind in *:8443 @7 [tls://*:8443]\n  certificate-file=/etc/ssl/a.pem\n  \
         cipher-string=ECDHE-RSA-AES128-GCM-SHA256\n\
         TLS @7 {ECDHE_RSA_WITH_AES_128_GCM_SHA256} groups[] schemes[]\n\
         service HAProxy bind defaults @4 []\n  cipher-string=ECDHE-RSA-AES128-GCM-SHA256\n\
         TLS @4 {ECDHE_RSA_WITH_AES_128_GCM_SHA256} groups[] schemes[]\n\
         unread unsupported @5 what the environment sets `curves` to\n\
         unread unsupported @7 what the environment sets `ssl-min-ver` to",
    );
    stands(&HaProxy, "edge.cfg", sample, &[]);
    for other in [
        "[metadata]\nname = x\ndescription = \"ssl\n",
        "define service {\n  server ssl\n}\n",
        "global\n  listen_port ssl\n",
    ] {
        finds(&HaProxy, "setup.cfg", other, "");
    }
}

#[test]
fn a_list_with_names_before_its_options() {
    finds(
        &HaProxy,
        "crt-list.txt",
        "a.pem !no.example.org a.example.org [ssl-min-ver TLSv1.3] # of the shop\n",
        "service HAProxy certificate a.pem @1 []\n  certificate-file=a.pem\n  server-name=a.example.org\n\
         TLS 1.3 @1 {} groups[] schemes[]",
    );
}
