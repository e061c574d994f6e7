//! Where families' keys are, and that none is ever moved.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use symbolon_ca::config::{CatalystConfig, ServerConfig, SoftwareStoreConfig, StoreConfig};
use symbolon_ca::datastore::{AuthorityRecord, AuthorityState};
use symbolon_ca::server::{RunningServer, Server};
use symbolon_hsm::StoreName;
use symbolon_pki::suite::{Family, Suite};
use tempfile::TempDir;

use crate::support::{TestClock, config, words};

const HOUR: Duration = Duration::from_secs(3600);

fn name(text: &str) -> StoreName {
    StoreName::parse(text).unwrap()
}

fn store(dir: &Path, name: &str) -> StoreConfig {
    StoreConfig::Software(SoftwareStoreConfig {
        dir: Some(dir.join(name)),
        key_file: Some(dir.join(format!("{name}.kek"))),
        ..SoftwareStoreConfig::default()
    })
}

/// A configuration with stores of these names, the first of which is for every key.
fn with_stores(dir: &Path, names: &[&str]) -> ServerConfig {
    let mut config = config(dir);
    config.stores = names.iter().map(|text| (name(text), store(dir, text))).collect();
    config.key_stores = vec![name(names[0])];
    config
}

async fn start(config: &ServerConfig, clock: &Arc<TestClock>) -> RunningServer {
    Server::start(config, clock.clone()).await.unwrap()
}

/// The classical authority in a state, and its store.
fn classical(server: &RunningServer, state: AuthorityState) -> Option<(String, String)> {
    let journal = server.authorities().journal();
    let of_family = |record: &&AuthorityRecord| record.family == Family::Classical && record.state == state;
    let record = journal.iter().find(of_family)?;
    Some((record.authority_id.clone(), record.keys[0].store.to_string()))
}

fn in_store(authority: Option<(String, String)>, store: &str) -> String {
    let (id, found) = authority.unwrap();
    assert_eq!(found, store);
    id
}

#[tokio::test]
async fn the_next_authority_is_made_in_the_new_store_and_the_old_one_serves_until_then() {
    use AuthorityState::{Active, Old, Prepared};
    let (dir, clock) = (TempDir::new().unwrap(), TestClock::new());
    let old = with_stores(dir.path(), &["a"]);
    let server = start(&old, &clock).await;
    let first = in_store(classical(&server, Active), "a");
    // A successor is prepared before the configuration changes.
    clock.advance(12 * HOUR);
    server.authorities().rotate_due().await.unwrap();
    let waiting = in_store(classical(&server, Prepared), "a");
    server.shutdown().await.unwrap();

    let new = with_stores(dir.path(), &["b", "a"]);
    let server = start(&new, &clock).await;
    assert_eq!(in_store(classical(&server, Active), "a"), first, "it goes on");
    let next = in_store(classical(&server, Prepared), "b");
    assert_eq!(
        in_store(classical(&server, Old), "a"),
        waiting,
        "what waited never signs"
    );
    server.shutdown().await.unwrap();

    // The store of what signs is still needed; nothing is opened or made without it.
    let (without, fresh) = (with_stores(dir.path(), &["c", "b"]), dir.path().join("c"));
    let refused = words(&Server::start(&without, clock.clone()).await.unwrap_err());
    assert!(
        refused.contains("key in the key store a, which is not configured (there is b, c)"),
        "{refused}"
    );
    assert!(!fresh.exists(), "no store was made");

    let server = start(&new, &clock).await;
    clock.advance(8 * HOUR);
    server.authorities().rotate_due().await.unwrap();
    assert_eq!(in_store(classical(&server, Active), "b"), next);
    server.shutdown().await.unwrap();
    // Now it is not.
    start(&without, &clock).await.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_prepared_authority_of_another_suite_never_signs() {
    use AuthorityState::{Active, Prepared};
    let (dir, clock) = (TempDir::new().unwrap(), TestClock::new());
    let mut config = with_stores(dir.path(), &["a"]);
    let server = start(&config, &clock).await;
    clock.advance(12 * HOUR);
    server.authorities().rotate_due().await.unwrap();
    server.shutdown().await.unwrap();

    config.families.classical.suite = Some(Suite::EcdsaP384);
    let server = start(&config, &clock).await;
    let journal = server.authorities().journal();
    let suites = |state| {
        let classical =
            |record: &&AuthorityRecord| record.family == Family::Classical && record.state == state;
        journal
            .iter()
            .filter(classical)
            .map(|record| record.suite)
            .collect::<Vec<_>>()
    };
    assert_eq!(suites(Active), [Suite::EcdsaP256]);
    assert_eq!(suites(Prepared), [Suite::EcdsaP384]);
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_composite_in_two_stores_has_its_halves_in_their_order() {
    let (dir, clock) = (TempDir::new().unwrap(), TestClock::new());
    let mut config = with_stores(dir.path(), &["pq", "classical"]);
    config.families.composite.store = vec![name("pq"), name("classical")];
    config.families.classical.store = vec![name("classical")];
    let server = start(&config, &clock).await;
    let journal = server.authorities().journal();
    let composite = journal
        .iter()
        .find(|record| record.family == Family::Composite)
        .unwrap();
    let halves: Vec<_> = composite
        .keys
        .iter()
        .map(|key| (key.role.name(), key.store.as_str()))
        .collect();
    assert_eq!(halves, [("post-quantum", "pq"), ("classical", "classical")]);
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_catalyst_authority_in_two_stores_has_its_keys_in_their_order_and_rotates_with_both() {
    let (dir, clock) = (TempDir::new().unwrap(), TestClock::new());
    let mut config = with_stores(dir.path(), &["native", "pq"]);
    config.families.catalyst = Some(CatalystConfig {
        suite: Some(Suite::EcdsaP384),
        alternative: Some(Suite::MlDsa87),
        store: vec![name("native"), name("pq")],
        upstream: None,
    });
    let server = start(&config, &clock).await;
    let catalyst = |server: &RunningServer| -> Vec<AuthorityRecord> {
        let journal = server.authorities().journal().into_iter();
        journal
            .filter(|record| record.family == Family::Catalyst)
            .collect()
    };
    let places = |record: &AuthorityRecord| -> Vec<(&'static str, String)> {
        let keys = record.keys.iter();
        keys.map(|key| (key.role.name(), key.store.to_string())).collect()
    };
    let expected = [("native", "native".to_owned()), ("alternative", "pq".to_owned())];
    let first = catalyst(&server);
    assert_eq!(first.len(), 1);
    assert_eq!(
        (first[0].suite, first[0].alternative),
        (Suite::EcdsaP384, Some(Suite::MlDsa87))
    );
    assert_eq!(places(&first[0]), expected);

    // Another alternative suite is a rotation within the family, as any other suite is.
    server.shutdown().await.unwrap();
    config.families.catalyst = config.families.catalyst.map(|catalyst| CatalystConfig {
        alternative: None,
        ..catalyst
    });
    let server = start(&config, &clock).await;
    clock.advance(13 * HOUR);
    server.authorities().rotate_due().await.unwrap();
    clock.advance(8 * HOUR);
    server.authorities().rotate_due().await.unwrap();
    let both = catalyst(&server);
    assert_eq!(both.len(), 2);
    assert_eq!(
        (both[0].state, both[0].alternative),
        (AuthorityState::Old, Some(Suite::MlDsa87))
    );
    assert_eq!(
        (both[1].state, both[1].alternative),
        (AuthorityState::Active, Some(Suite::MlDsa65))
    );
    assert_eq!(places(&both[1]), expected);
    let signs = server.authorities().active(Family::Catalyst).unwrap();
    assert_eq!(signs.authority_id().to_string(), both[1].authority_id);
    drop(signs);
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_directory_from_before_catalyst_gets_the_family_when_a_store_is_there_for_it() {
    let (dir, clock) = (TempDir::new().unwrap(), TestClock::new());
    // As a configuration was that named a store for every family there was.
    let mut config = with_stores(dir.path(), &["a"]);
    config.key_stores = Vec::new();
    let families = &mut config.families;
    for family in [
        &mut families.classical,
        &mut families.ml_dsa,
        &mut families.composite,
        &mut families.jwt,
    ] {
        family.store = vec![name("a")];
    }
    let server = start(&config, &clock).await;
    let before = server.authorities().journal();
    assert_eq!(before.len(), 4);
    assert!(server.authorities().active(Family::Catalyst).is_none());
    server.shutdown().await.unwrap();

    config.key_stores = vec![name("a")];
    let server = start(&config, &clock).await;
    let changed: Vec<Family> = server.changes().iter().map(|change| change.family).collect();
    assert_eq!(
        changed,
        [Family::Catalyst, Family::Catalyst],
        "prepared and activated"
    );
    let after = server.authorities().journal();
    assert_eq!((&after[..4], after.len()), (&before[..], 5));
    server.shutdown().await.unwrap();
}
