//! Its TLS 1.3: every group, with SVIDs of each form that it has a scheme for.

use serde_json::Value;
use symbolon_interop::chain::WORKLOAD;
use symbolon_interop::programs::{self, Talking};
use symbolon_interop::tls::{Realm, groups};
use symbolon_interop::workload::{self, GREETING};
use symbolon_pki::suite::Suite;
use tempfile::TempDir;

use crate::{PEER, java};

/// ML-DSA is off unless it is asked for, as the program does by naming the scheme.
const SUITES: [Suite; 6] = [
    Suite::EcdsaP256,
    Suite::EcdsaP384,
    Suite::Ed25519,
    Suite::MlDsa44,
    Suite::MlDsa65,
    Suite::MlDsa87,
];

/// A realm of each form, and a folder with what the peer needs of it.
fn realms() -> impl Iterator<Item = (Realm, TempDir)> {
    Realm::all(SUITES).unwrap().into_iter().map(|realm| {
        let folder = TempDir::new().unwrap();
        realm.write(folder.path()).unwrap();
        (realm, folder)
    })
}

/// It does not say what group and scheme it negotiated; it offered those alone that our side asserts.
fn assert_seen(seen: &Value) {
    assert_eq!(seen["peer"], WORKLOAD, "{seen}");
    assert_eq!(seen["version"], "TLSv1.3", "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Java compiler and Maven; run by cargo xtask interop"]
async fn its_clients_connect_to_our_listeners() {
    for (realm, folder) in realms() {
        let scheme = realm.scheme().unwrap();
        for group in groups() {
            let mut listener = realm.listen(group).await.unwrap();
            let mut command = java("connect");
            command
                .arg(listener.address.to_string())
                .arg(folder.path())
                .args([group.name(), scheme]);
            let client = tokio::task::spawn_blocking(move || {
                programs::json(&mut command).map_err(|error| format!("{error:#}"))
            });
            let info = match listener.outcome().await {
                Ok(info) => info,
                Err(error) => panic!("{}, {scheme}: {error:#}: {:?}", group.name(), client.await),
            };
            realm.agreed(&info, group).unwrap();
            let seen = client.await.unwrap().unwrap();
            assert_seen(&seen);
            assert_eq!(seen["said"], "hello from BouncyCastle\n");
            let direction = format!("tls-client/{}", group.name());
            PEER.shows(&direction, realm.form(), scheme).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Java compiler and Maven; run by cargo xtask interop"]
async fn our_clients_connect_to_its_servers() {
    for (realm, folder) in realms() {
        let scheme = realm.scheme().unwrap();
        for group in groups() {
            let mut command = java("listen");
            command.arg(folder.path()).args([group.name(), scheme]);
            let mut server = Talking::start(&mut command).unwrap();
            let address = server.hear().unwrap();
            let address = address.as_str().unwrap().parse().unwrap();
            let connection = realm.connect(address, group).await.unwrap();
            let info = connection.info().clone();
            let echoed = workload::exchange(connection, GREETING).await.unwrap();
            assert_eq!(echoed, GREETING);
            realm.agreed(&info, group).unwrap();
            assert_seen(&server.hear().unwrap());
            server.end().unwrap();
            let direction = format!("tls-server/{}", group.name());
            PEER.shows(&direction, realm.form(), scheme).unwrap();
        }
    }
}
