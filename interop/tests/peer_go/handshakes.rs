//! crypto/tls: every group, with SVIDs of each form that a release knows.

use serde_json::Value;
use symbolon_interop::programs::Talking;
use symbolon_interop::tls::{Realm, groups};
use symbolon_interop::workload::{self, GREETING};
use symbolon_pki::suite::{Form, Suite};
use symbolon_tls::KxGroup;
use tempfile::TempDir;

use crate::{Release, go, outcome, releases};

fn suites(release: &Release) -> &'static [Suite] {
    const ALL: [Suite; 6] = [
        Suite::EcdsaP256,
        Suite::EcdsaP384,
        Suite::Ed25519,
        Suite::MlDsa44,
        Suite::MlDsa65,
        Suite::MlDsa87,
    ];
    match release.knows_ml_dsa {
        true => &ALL,
        false => &ALL[..3],
    }
}

/// A realm of each form, and a folder with what the peer needs of it.
fn realms(release: &Release) -> Vec<(Realm, TempDir)> {
    let realms = Realm::all(suites(release).iter().copied()).unwrap();
    // Of a pair, and of a catalyst certificate, an older one takes the half that it knows.
    let known = |realm: &Realm| release.knows_ml_dsa || realm.suite.form() == Form::Classical;
    let known = realms.into_iter().filter(known).map(|realm| {
        let folder = TempDir::new().unwrap();
        realm.write(folder.path()).unwrap();
        (realm, folder)
    });
    known.collect()
}

/// What the program saw, and what our side did is asserted by the caller.
fn assert_seen(seen: &Value, group: KxGroup) {
    assert_eq!(seen["peer"], symbolon_interop::chain::WORKLOAD, "{seen}");
    assert_eq!(seen["version"], "TLS 1.3", "{seen}");
    // Its names of the classical ones are older than the registry's.
    let name = match group {
        KxGroup::X25519 => "X25519",
        KxGroup::SecP256r1 => "CurveP256",
        KxGroup::SecP384r1 => "CurveP384",
        hybrid => hybrid.name(),
    };
    assert_eq!(seen["key_exchange"], name, "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Go and its module proxy; run by cargo xtask interop"]
async fn its_clients_connect_to_our_listeners() {
    for release in releases() {
        for (realm, folder) in realms(release) {
            for group in groups() {
                let mut listener = realm.listen(group).await.unwrap();
                let mut command = go(release, "dial");
                command
                    .arg(listener.address.to_string())
                    .arg(folder.path())
                    .arg(group.name());
                let client = tokio::task::spawn_blocking(move || outcome(&mut command));
                let info = listener.outcome().await.unwrap();
                realm.agreed(&info, group).unwrap();
                let seen = client.await.unwrap().unwrap();
                assert_seen(&seen, group);
                assert_eq!(seen["said"], "hello from Go\n");
                let direction = format!("tls-client/{}", group.name());
                let scheme = realm.scheme().unwrap();
                release.peer.shows(&direction, realm.form(), scheme).unwrap();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Go and its module proxy; run by cargo xtask interop"]
async fn our_clients_connect_to_its_servers() {
    for release in releases() {
        for (realm, folder) in realms(release) {
            for group in groups() {
                let mut command = go(release, "serve");
                command.arg(folder.path()).arg(group.name());
                let mut server = Talking::start(&mut command).unwrap();
                let address = server.hear().unwrap();
                let address = address.as_str().unwrap().parse().unwrap();
                let connection = realm.connect(address, group).await.unwrap();
                let info = connection.info().clone();
                let echoed = workload::exchange(connection, GREETING).await.unwrap();
                assert_eq!(echoed, GREETING);
                realm.agreed(&info, group).unwrap();
                let seen = server.hear().unwrap();
                assert_seen(&seen, group);
                server.end().unwrap();
                let direction = format!("tls-server/{}", group.name());
                let scheme = realm.scheme().unwrap();
                release.peer.shows(&direction, realm.form(), scheme).unwrap();
            }
        }
    }
}
