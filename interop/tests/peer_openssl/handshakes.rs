//! `s_client` and `s_server` of Debian 13 on SVIDs of ours: every group with every suite, and what was negotiated
//! asserted at both ends.

use std::net::SocketAddr;

use symbolon_interop::talk::Running;
use symbolon_interop::tls::{Realm, groups};
use symbolon_interop::workload::{GREETING, exchange};
use symbolon_tls::KxGroup;

use crate::command::OpenSsl;
use crate::known;

/// What both commands present and trust: their own folder's files, and a peer's certificate is required.
const IDENTITY: &str = "-cert leaf.pem -cert_chain intermediate.pem -key key.pem -CAfile root.pem \
                        -verify_return_error -tls1_3";

/// OpenSSL reverses a line that it echoes.
fn reversed(line: &str) -> String {
    let back: String = line.trim_end().chars().rev().collect();
    format!("{back}\n")
}

fn groups_of_openssl() -> String {
    groups().map(KxGroup::name).collect::<Vec<_>>().join(":")
}

/// Fails unless OpenSSL says of a connection what was to be negotiated.
fn hear(running: &mut Running, realm: &Realm, group: &str) {
    assert_eq!(running.line("Protocol version: ").unwrap(), "TLSv1.3");
    assert_eq!(running.line("Signature type: ").unwrap(), realm.scheme().unwrap());
    assert_eq!(running.line("Verification: ").unwrap(), "OK");
    // A client says it of hybrid groups in other words.
    let said = running
        .line_of(&["Negotiated TLS1.3 group: ", "Peer Temp Key: "])
        .unwrap();
    assert_eq!(said, group, "{}", realm.suite);
}

/// The group in OpenSSL's words.
fn words(group: KxGroup) -> &'static str {
    match group {
        KxGroup::X25519 => "X25519, 253 bits",
        KxGroup::SecP256r1 => "ECDH, prime256v1, 256 bits",
        KxGroup::SecP384r1 => "ECDH, secp384r1, 384 bits",
        hybrid => hybrid.name(),
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs programs of Debian 13; run by cargo xtask interop"]
async fn s_client_connects_to_our_listener() {
    for realm in Realm::all(known()).unwrap() {
        let openssl = OpenSsl::open();
        realm.write(openssl.path()).unwrap();
        for group in groups() {
            let mut listener = realm.listen(group).await.unwrap();
            // It offers all groups, and a share of the first alone: another one is asked for by a second ClientHello.
            let mut client = Running::start(&mut openssl.command(&format!(
                "s_client -connect {} -brief -ign_eof -nocommands -groups {} {IDENTITY}",
                listener.address,
                groups_of_openssl()
            )))
            .unwrap();
            hear(&mut client, &realm, words(group));
            client.write(GREETING).unwrap();
            client.line(GREETING.trim_end()).unwrap();
            client.end().unwrap();

            let info = listener.outcome().await.unwrap();
            realm.agreed(&info, group).unwrap();
            let direction = format!("tls-client/{}", group.name());
            let scheme = realm.scheme().unwrap();
            openssl.peer.shows(&direction, realm.form(), scheme).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs programs of Debian 13; run by cargo xtask interop"]
async fn our_client_connects_to_s_server() {
    for realm in Realm::all(known()).unwrap() {
        let openssl = OpenSsl::open();
        realm.write(openssl.path()).unwrap();
        let mut server = Running::start(&mut openssl.command(&format!(
            "s_server -accept 127.0.0.1:0 -rev -Verify 2 -groups {} {IDENTITY}",
            groups_of_openssl()
        )))
        .unwrap();
        let address: SocketAddr = server.line("ACCEPT ").unwrap().parse().unwrap();
        for group in groups() {
            let connection = realm.connect(address, group).await.unwrap();
            let info = connection.info().clone();
            assert_eq!(exchange(connection, GREETING).await.unwrap(), reversed(GREETING));

            realm.agreed(&info, group).unwrap();
            hear(&mut server, &realm, words(group));
            let direction = format!("tls-server/{}", group.name());
            let scheme = realm.scheme().unwrap();
            openssl.peer.shows(&direction, realm.form(), scheme).unwrap();
        }
    }
}

/// A classical group is refused unless it is allowed, and so is a certificate of another root.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs programs of Debian 13; run by cargo xtask interop"]
async fn what_is_not_allowed_is_refused() {
    for suite in known() {
        let openssl = OpenSsl::open();
        let realm = Realm::issue(suite).unwrap();
        let mut listener = realm.listen(KxGroup::X25519MlKem768).await.unwrap();
        let connect = |groups: &str| {
            format!(
                "s_client -connect {} -brief -ign_eof -groups {groups} {IDENTITY}",
                listener.address
            )
        };
        let (classical, hybrid) = (connect("x25519"), connect("X25519MLKEM768"));

        realm.write(openssl.path()).unwrap();
        let refused = openssl.run(&classical).unwrap_err();
        assert!(refused.contains("alert handshake failure"), "{suite}: {refused}");
        let ours = listener.outcome().await.unwrap_err().to_string();
        assert!(ours.contains("NoKxGroupsInCommon"), "{suite}: {ours}");

        // The other realm's root vouches for nobody here.
        Realm::issue(suite).unwrap().write(openssl.path()).unwrap();
        let refused = openssl.run(&hybrid).unwrap_err();
        assert!(
            refused.contains("certificate verify failed"),
            "{suite}: {refused}"
        );
        listener.outcome().await.unwrap_err();
    }
}
