//! Node.js with its own OpenSSL of 3.5: `crypto` reads what we issue and checks the halves of composites, `https` is
//! both ends of mutual TLS.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use symbolon_interop::cells::Peer;
use symbolon_interop::chain::{Chain, WORKLOAD};
use symbolon_interop::programs::{self, Talking, node};
use symbolon_interop::tls::{Realm, groups};
use symbolon_interop::workload::{GREETING, exchange};
use symbolon_pki::key::PrivateKey;
use symbolon_pki::suite::Suite;
use symbolon_tls::KxGroup;
use tempfile::TempDir;

const MESSAGE: &[u8] = b"signed with the key that was read";

/// The suites of ours that Node.js has: all but the composites.
fn known() -> impl Iterator<Item = Suite> {
    Suite::DEFAULTS.into_iter().filter(|suite| !suite.is_composite())
}

fn peer() -> Peer {
    let version = programs::json(node("-p").unwrap().arg("JSON.stringify(process.versions)")).unwrap();
    assert!(
        version["openssl"].as_str().unwrap().starts_with("3.5."),
        "{version}"
    );
    Peer::new("node", version["node"].as_str().unwrap())
}

/// The chains in folders of their own, and what a script says of them by the folders' numbers.
fn reports(script: &str, chains: &[Chain]) -> Value {
    let folder = TempDir::new().unwrap();
    let mut command = script_of_peer(script);
    for (number, chain) in chains.iter().enumerate() {
        let place = folder.path().join(number.to_string());
        chain.write(&place).unwrap();
        let signature = chain.key.signer().unwrap().sign(MESSAGE).unwrap();
        fs::write(place.join("signature.bin"), signature).unwrap();
        command.arg(place);
    }
    programs::json(&mut command).unwrap()
}

fn script_of_peer(name: &str) -> Command {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("node").join(name);
    node(script).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap_or_else(|| panic!("{value}"))).unwrap()
}

#[test]
#[ignore = "needs npm; run by cargo xtask interop"]
fn chains_and_keys_are_read_and_verified() {
    let peer = peer();
    let mut chains: Vec<Chain> = known().map(|suite| Chain::issue(suite).unwrap()).collect();
    let own = chains.len();
    chains.extend(Chain::paired(Suite::EcdsaP256, Suite::MlDsa65).unwrap());
    chains.push(Chain::catalyst(Suite::EcdsaP256, Suite::MlDsa65).unwrap());
    let reports = reports("chains.mjs", &chains);
    for (number, chain) in chains.iter().enumerate() {
        let (form, report) = (&*chain.form, &reports[number.to_string()]);
        assert_eq!(report["issued"], json!([true, true, true]), "{form}: {report}");
        assert_eq!(report["skipped"], false, "{form}");
        assert_eq!(report["names"], format!("URI:{WORKLOAD}"), "{form}");
        assert_eq!(report["authorities"], json!([false, true, true]), "{form}");
        let result = match form.starts_with("catalyst/") {
            true => "ok, native half",
            false => "ok",
        };
        peer.shows("chain", form, result).unwrap();
        if number >= own {
            continue;
        }

        let key = &report["key"];
        assert_eq!(key["is_the_leafs"], true, "{form}: {key}");
        assert_eq!(key["verified"], true, "{form}");
        let public = chain.key.public_key().unwrap();
        assert_eq!(bytes(&key["public"]), public.spki_der(), "{form}");
        peer.shows("our-key", form, "ok").unwrap();
        public.verify(MESSAGE, &bytes(&key["signed"])).unwrap();
        peer.shows("their-signature", form, "ok").unwrap();
        assert_eq!(report["signature"], json!([true, false]), "{form}");
        peer.shows("our-signature", form, "ok").unwrap();
        let written = PrivateKey::from_pkcs8_der(&bytes(&key["written"])).unwrap();
        assert_eq!(
            written.public_key().unwrap().spki_der(),
            public.spki_der(),
            "{form}"
        );
        peer.shows("their-key", form, "ok").unwrap();
    }
}

/// Node.js has no composites, but all their parts: both halves of every signature on a chain, and signatures put
/// together from both halves of our private keys.
#[test]
#[ignore = "needs npm; run by cargo xtask interop"]
fn composites_are_what_their_halves_say() {
    let peer = peer();
    let chains: Vec<Chain> = Suite::ALL
        .into_iter()
        .filter(|suite| suite.is_composite())
        .map(|suite| Chain::issue(suite).unwrap())
        .collect();
    let reports = reports("composites.mjs", &chains);
    let both = json!({ "post_quantum": true, "classical": true });
    for (number, chain) in chains.iter().enumerate() {
        let (form, report) = (&*chain.form, &reports[number.to_string()]);
        for name in ["leaf", "intermediate", "root"] {
            assert_eq!(report[name], both, "{form}, {name}");
        }
        peer.shows("chain", form, "ok, half by half").unwrap();
        let signed = bytes(&report["signed"]);
        let key = chain.key.public_key().unwrap();
        key.verify(b"signed by both halves", &signed)
            .unwrap_or_else(|error| panic!("{form}: {error}"));
        key.verify(MESSAGE, &signed).unwrap_err();
        peer.shows("our-key", form, "ok, half by half").unwrap();
        peer.shows("their-signature", form, "ok, half by half").unwrap();
    }
}

/// OpenSSL's words for a group, as a client of Node.js has them.
fn words(group: KxGroup) -> Value {
    let curve = |name: &str, size: u32| json!({ "type": "ECDH", "name": name, "size": size });
    match group {
        KxGroup::X25519 => curve("X25519", 253),
        KxGroup::SecP256r1 => curve("prime256v1", 256),
        KxGroup::SecP384r1 => curve("secp384r1", 384),
        hybrid => json!({ "type": "TLSGroup", "name": hybrid.name() }),
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs npm; run by cargo xtask interop"]
async fn their_https_client_connects_to_our_listener() {
    let peer = peer();
    for realm in Realm::all(known()).unwrap() {
        let folder = TempDir::new().unwrap();
        realm.write(folder.path()).unwrap();
        let scheme = realm.scheme().unwrap();
        for group in groups() {
            let mut listener = realm.listen(group).await.unwrap();
            let mut client = script_of_peer("https.mjs");
            client.arg("client").arg(folder.path());
            client.args([scheme, group.name(), &listener.address.port().to_string()]);
            let seen = tokio::task::spawn_blocking(move || programs::json(&mut client).unwrap())
                .await
                .unwrap();
            assert_eq!(seen["authorized"], true, "{scheme}, {group:?}: {seen}");
            assert_eq!(seen["protocol"], "TLSv1.3");
            assert_eq!(seen["names"], format!("URI:{WORKLOAD}, DNS:localhost"));
            assert_eq!(seen["key_exchange"], words(group), "{group:?}");
            assert_eq!(seen["body"], GREETING);

            let info = listener.outcome().await.unwrap();
            realm.agreed(&info, group).unwrap();
            let direction = format!("tls-client/{}", group.name());
            peer.shows(&direction, realm.form(), scheme).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs npm; run by cargo xtask interop"]
async fn our_client_connects_to_their_https_server() {
    let peer = peer();
    for realm in Realm::all(known()).unwrap() {
        let folder = TempDir::new().unwrap();
        realm.write(folder.path()).unwrap();
        let scheme = realm.scheme().unwrap();
        let mut command = script_of_peer("https.mjs");
        command.arg("server").arg(folder.path()).arg(scheme);
        command.args(groups().map(KxGroup::name));
        let mut server = Talking::start(&mut command).unwrap();
        let ports = server.hear().unwrap();
        for (number, group) in groups().enumerate() {
            let port = u16::try_from(ports[number].as_u64().unwrap()).unwrap();
            let address = SocketAddr::from(([127, 0, 0, 1], port));
            let connection = realm.connect(address, group).await.unwrap();
            let info = connection.info().clone();
            let request = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
            assert_eq!(
                exchange(connection, request).await.unwrap(),
                "HTTP/1.1 200 OK\r\n"
            );
            realm.agreed(&info, group).unwrap();

            let seen = server.hear().unwrap();
            assert_eq!(seen["group"], group.name());
            assert_eq!(seen["authorized"], true, "{scheme}: {seen}");
            assert_eq!(seen["protocol"], "TLSv1.3");
            assert_eq!(seen["names"], format!("URI:{WORKLOAD}, DNS:localhost"));
            let direction = format!("tls-server/{}", group.name());
            peer.shows(&direction, realm.form(), scheme).unwrap();
        }
    }
}

/// A realm's root vouches for nobody of another realm.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs npm; run by cargo xtask interop"]
async fn a_stranger_is_refused_by_their_client_and_their_server() {
    for suite in known() {
        let (ours, theirs) = (Realm::issue(suite).unwrap(), Realm::issue(suite).unwrap());
        let folder = TempDir::new().unwrap();
        theirs.write(folder.path()).unwrap();
        let group = KxGroup::X25519MlKem768;
        let arguments = |mode: &str| {
            let mut command = script_of_peer("https.mjs");
            command.arg(mode).arg(folder.path());
            command.args([theirs.scheme().unwrap(), group.name()]);
            command
        };
        let mut listener = ours.listen(group).await.unwrap();
        let port = listener.address.port().to_string();
        let seen = programs::json(arguments("client").arg(port)).unwrap();
        let error = seen["error"].as_str().unwrap_or_else(|| panic!("{seen}"));
        assert!(error.contains("UNABLE_TO_GET_ISSUER_CERT"), "{suite}: {error}");
        listener.outcome().await.unwrap_err();

        let mut server = Talking::start(&mut arguments("server")).unwrap();
        let port = u16::try_from(server.hear().unwrap()[0].as_u64().unwrap()).unwrap();
        ours.connect(SocketAddr::from(([127, 0, 0, 1], port)), group)
            .await
            .unwrap_err();
    }
}
