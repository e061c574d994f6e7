//! What keeps a server from starting, and that it says so.

use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use spiffe::TrustDomain;
use symbolon_ca::config::{CatalystConfig, ServerConfig, SoftwareStoreConfig, StoreConfig};
use symbolon_ca::server::{Environment, Server};
use symbolon_host::DataDir;
use symbolon_hsm::StoreName;
use tempfile::TempDir;

use crate::support::{TestClock, TestServer, config, passphrase_store, words};

/// An environment with a data directory that the caller has open.
fn sharing(data_dir: Arc<DataDir>) -> Environment {
    Environment {
        data_dir: Some(data_dir),
        ..Environment::new(TestClock::new())
    }
}

async fn refusal(config: &ServerConfig) -> String {
    words(&Server::start(config, TestClock::new()).await.unwrap_err())
}

#[tokio::test]
async fn a_wrong_configuration_leaves_nothing_behind() {
    let dir = TempDir::new().unwrap();
    let mut wrong = config(dir.path());
    wrong.lifetimes.jwt = "0s".parse().unwrap();
    assert!(refusal(&wrong).await.contains("lifetimes.jwt"));

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut wrong = config(dir.path());
    wrong.listen.address = taken.local_addr().unwrap();
    assert!(
        refusal(&wrong)
            .await
            .contains(&taken.local_addr().unwrap().to_string())
    );

    let mut wrong = config(dir.path());
    wrong.data_dir = dir.path().join("x".repeat(120));
    assert!(refusal(&wrong).await.contains("107"));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "nothing was made");
}

#[tokio::test]
async fn one_server_a_directory() {
    let server = TestServer::start().await;
    let refused = refusal(&server.config).await;
    assert!(refused.contains("in use by process"), "{refused}");
    assert!(server.client.is_healthy().await.unwrap());
}

#[tokio::test]
async fn a_directory_of_another_trust_domain_is_left_alone() {
    let server = TestServer::start().await;
    let TestServer {
        dir: _dir,
        mut config,
        server,
        ..
    } = server;
    server.shutdown().await.unwrap();
    config.trust_domain = TrustDomain::new("other.org").unwrap();
    let refused = refusal(&config).await;
    assert!(
        refused.contains("belongs to trust domain example.org"),
        "{refused}"
    );

    let shared = Arc::new(DataDir::open(&config.data_dir, "example.org").unwrap());
    let refused = Server::start_with(&config, sharing(shared)).await.unwrap_err();
    assert!(words(&refused).contains("example.org"), "{refused}");
}

#[tokio::test]
async fn a_directory_that_the_caller_has_open_is_shared() {
    let dir = TempDir::new().unwrap();
    let config = config(dir.path());
    let shared = Arc::new(DataDir::open(&config.data_dir, "example.org").unwrap());
    let server = Server::start_with(&config, sharing(shared.clone()))
        .await
        .unwrap();
    server.shutdown().await.unwrap();
    assert!(
        DataDir::open(&config.data_dir, "example.org").is_err(),
        "the caller still holds it"
    );
    drop(shared);
    DataDir::open(&config.data_dir, "example.org").unwrap();
}

#[tokio::test]
async fn a_wrong_passphrase_and_a_wrong_key_file_are_named() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("passphrase");
    let write = |text: &str| {
        let mut options = fs::OpenOptions::new();
        let mut file = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&file)
            .unwrap();
        std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
    };
    let mut config = config(dir.path());
    config.stores.extend([passphrase_store(&file)]);

    assert!(
        refusal(&config).await.contains("passphrase"),
        "there is no file yet"
    );
    write("correct horse\n");
    Server::start(&config, TestClock::new())
        .await
        .unwrap()
        .shutdown()
        .await
        .unwrap();
    write("battery staple\n");
    let refused = refusal(&config).await;
    assert!(
        refused.contains("key store software") && refused.contains("passphrase"),
        "{refused}"
    );
    config.stores.clear();
    let refused = refusal(&config).await;
    assert!(
        refused.contains("key store software") && refused.contains("passphrase"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_clock_before_the_authorities_is_refused() {
    let server = TestServer::start().await;
    let refused = server
        .restart(|clock| clock.turn_back(Duration::from_secs(3600)))
        .await;
    let refused = words(&refused.err().unwrap());
    assert!(refused.contains("set the clock"), "{refused}");
}

#[tokio::test]
async fn what_is_in_the_way_of_the_socket_is_left_alone() {
    let dir = TempDir::new().unwrap();
    let config = config(dir.path());
    drop(DataDir::open(&config.data_dir, "example.org").unwrap());
    let socket = config.data_dir.join("server/private.sock");
    fs::write(&socket, "precious").unwrap();
    assert!(refusal(&config).await.contains("is no socket"));
    assert_eq!(fs::read_to_string(&socket).unwrap(), "precious");
    assert!(!config.data_dir.join("server/db").exists(), "nothing was made");
}

fn key_files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    files
}

/// A store with its keys in `dir` under `name`, used by every family.
fn store_in(config: &mut ServerConfig, name: &str, dir: &Path) {
    let store = StoreConfig::Software(SoftwareStoreConfig {
        dir: Some(dir.join("keys")),
        key_file: Some(dir.join("kek")),
        ..SoftwareStoreConfig::default()
    });
    let name = StoreName::parse(name).unwrap();
    let families = &mut config.families;
    for family in [
        &mut families.classical,
        &mut families.ml_dsa,
        &mut families.composite,
        &mut families.jwt,
    ] {
        family.store = vec![name.clone()];
    }
    families.catalyst = Some(CatalystConfig {
        store: vec![name.clone()],
        ..CatalystConfig::default()
    });
    config.stores = [(name, store)].into();
}

async fn start_and_stop(config: &ServerConfig) -> usize {
    let server = Server::start(config, TestClock::new()).await.unwrap();
    let changes = server.changes().len();
    server.shutdown().await.unwrap();
    changes
}

#[tokio::test]
async fn a_store_that_got_another_name_keeps_its_keys() {
    let dir = TempDir::new().unwrap();
    let mut named = config(dir.path());
    store_in(&mut named, "old", dir.path());
    assert_eq!(start_and_stop(&named).await, 10);
    let keys = key_files(&dir.path().join("keys"));

    let mut renamed = named.clone();
    store_in(&mut renamed, "new", dir.path());
    assert!(
        refusal(&renamed)
            .await
            .contains("key store old, which is not configured (there is new)")
    );
    assert_eq!(key_files(&dir.path().join("keys")), keys);
    assert_eq!(start_and_stop(&named).await, 0, "the authorities are there");
}

#[tokio::test]
async fn a_server_of_the_same_name_leaves_the_keys_of_another_alone() {
    let (dir, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let mut first = config(dir.path());
    store_in(&mut first, "shared", dir.path());
    let mut second = config(other.path());
    store_in(&mut second, "shared", dir.path());
    assert_eq!(start_and_stop(&first).await, 10);
    assert_eq!(start_and_stop(&second).await, 10);
    assert_eq!(start_and_stop(&second).await, 0);
    assert_eq!(start_and_stop(&first).await, 0, "its keys are there");
}
