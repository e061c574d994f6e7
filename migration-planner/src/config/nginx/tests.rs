use super::*;
use crate::config::testing::{finds, stands};
use crate::inventory::Access;
use crate::scan::Budget;

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

#[test]
fn certificates_by_a_map_and_servers_without_tls() {
    let sample = include_str!("map.conf");
    finds(&Nginx, "map.conf", sample, include_str!("map.conf.outline"));
    stands(&Nginx, "map.conf", sample, &[]);
}

#[test]
fn names_times_addresses_and_maps_times_servers_stay_bounded() {
    let listens: String = (0..256).map(|at| format!("listen {at} ssl;")).collect();
    let names: String = (0..256).map(|at| format!(" n{at}.example.org")).collect();
    let text = format!("server {{ {listens} server_name{names}; }}");
    let found = crate::scan::conformance::show(&Nginx, "a.conf", text.as_bytes());
    let endpoints = found.assets().iter().find_map(|asset| match &asset.detail {
        crate::inventory::Detail::Service(detail) => Some(detail.endpoints.len()),
        _ => None,
    });
    assert!(
        endpoints.is_some_and(|count| count > 256 && count < 2000),
        "{endpoints:?}"
    );
}

#[test]
fn what_there_is_no_time_for_is_told_once() {
    let servers: String = (0..40)
        .map(|at| format!("server {{ listen 443 ssl; server_name n{at}; location / {{ deny all; }} }}\n"))
        .collect();
    let text = format!("events {{}}\nhttp {{\n{servers}}}\n");
    let file = File {
        path: "nginx.conf",
        name: "nginx.conf",
        bytes: text.as_bytes(),
        access: Access {
            mode: 0o600,
            uid: 0,
            gid: 0,
        },
        budget: Budget::of_questions(12),
    };
    let mut found = Fragment::at("nginx.conf");
    Nginx.scan(&Piece::File(file), &mut found);
    let gaps: Vec<Reason> = found
        .unread_entries()
        .iter()
        .map(|unread| unread.reason)
        .collect();
    assert_eq!(gaps, [Reason::TimedOut]);
    let servers = found
        .assets()
        .iter()
        .filter(|asset| asset.detail.kind() == "service")
        .count();
    assert!((1..40).contains(&servers), "{servers}");
}
