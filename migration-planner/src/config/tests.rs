//! All of these scanners against text that is made of their own words in any order.

use proptest::prelude::*;

use super::*;
use crate::scan::Classifier;
use crate::scan::conformance::show;

/// Names that make each scanner look.
const NAMES: [&str; 16] = [
    "openssl.cnf",
    "etc/crypto-policies/gnutls.config",
    "nginx.conf",
    "httpd.conf",
    "haproxy.cfg",
    "crt-list.txt",
    "bootstrap.yaml",
    "etc/ssh/sshd_config",
    "home/.ssh/config",
    "postgresql.conf",
    "pg_hba.conf",
    "server.properties",
    "swanctl.conf",
    "ipsec.conf",
    "ipsec.secrets",
    "java.security",
];

const WORDS: &[&str] = &[
    "\n",
    "\n",
    "\n",
    "\r\n",
    " ",
    " ",
    "\t",
    "    ",
    "=",
    "=",
    ":",
    ";",
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    "\"",
    "'",
    "\\",
    "\\\n",
    "#",
    "!",
    "+",
    "-",
    "^",
    "@",
    "$",
    "${",
    "{{",
    "}}",
    "---\n",
    "...\n",
    "- ",
    "&a ",
    "*a",
    "|\n",
    ">-\n",
    "<",
    ">",
    "%",
    "é",
    "\u{feff}",
    "server",
    "listen",
    "443 ssl",
    "ssl_protocols",
    "ssl_ciphers",
    "TLSv1.2",
    "TLSv1.3",
    "proxy_ssl_verify",
    "content_by_lua_block",
    "SSLEngine on",
    "SSLProtocol",
    "<VirtualHost *:443>",
    "</VirtualHost>",
    "SSLCipherSuite",
    "HIGH:!aNULL",
    "DEFAULT",
    "@SECLEVEL=2",
    "global",
    "bind",
    "crt",
    "ssl",
    "default-server",
    "common_tls_context:",
    "tls_params:",
    "name:",
    "KexAlgorithms",
    "Match",
    "Host",
    "Ciphers",
    "Include",
    "hostssl",
    "all",
    "md5",
    "ssl.keystore.password",
    "sasl.",
    "listeners",
    "conn",
    "also",
    "ike",
    "aes256-sha256-modp2048",
    "secrets",
    "connections",
    "PSK",
    "[Interface]",
    "PrivateKey",
    "[Peer]",
    "jdk.tls.disabledAlgorithms",
    "SSLv3",
    "[a]",
    "system_default",
    "CipherString",
    "pin-value=",
];

proptest! {
    #[test]
    fn no_order_of_their_words_makes_them_panic(
        picks in proptest::collection::vec(0..WORDS.len(), 0..120),
        name in 0..NAMES.len(),
    ) {
        let text: String = picks.iter().filter_map(|at| WORDS.get(*at)).copied().collect();
        let name = NAMES.get(name).copied().unwrap_or_default();
        for scanner in scanners() {
            for name in [name, "wg0.conf", "templates/x.yaml"] {
                let once = show(scanner.as_ref(), name, text.as_bytes());
                prop_assert!(once.assets().len() < 20_000);
                prop_assert_eq!(&once, &show(scanner.as_ref(), name, text.as_bytes()));
            }
        }
    }
}

#[test]
fn files_of_no_interest_say_nothing() {
    let all = scanners();
    let classifier = Classifier::new(all.iter().map(AsRef::as_ref)).unwrap();
    let mut asked = 0;
    for (name, text) in [
        (
            "package.json",
            "{\"name\": \"x\", \"scripts\": {\"ssl\": \"yes\"}}",
        ),
        ("values.yaml", "ingress:\n  enabled: true\n"),
        ("messages.properties", "greeting=hello\nssl.title=Secure\n"),
        ("logrotate.conf", "weekly\nrotate 4\n"),
        ("my.cnf", "[mysqld]\nssl-ca=/x.pem\n"),
        ("app.cfg", "[app]\nssl = true\n"),
        (
            "deployment.yaml",
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n",
        ),
    ] {
        let wanted = classifier.by_content(text.as_bytes(), classifier.by_name(name.as_bytes()));
        for (at, scanner) in all.iter().enumerate() {
            if wanted >> at & 1 == 1 {
                asked += 1;
                let found = show(scanner.as_ref(), name, text.as_bytes());
                assert!(found.is_empty(), "{} in {name}: {found:?}", scanner.name());
            }
        }
    }
    assert!(asked > 10, "most of these have the name of something");
}
