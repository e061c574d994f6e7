//! The SQLite backend: what every backend promises, and what only a file can do.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use symbolon_ca::datastore::sqlite::SqliteDatastore;
use symbolon_ca::datastore::{
    AgentCertificate, AgentRecord, AuthorityStore as _, CertificateFilter, CertificateIntent,
    CertificateProfile, CertificateRecord, CertificateStore, CertificateSummary, CertificateWrite, Datastore,
    DatastoreError, IssuedRecord, JoinTokenRecord, JoinTokenStore, MetadataStore, Page, PageRequest, Result,
    SerialNumber, conformance,
};
use symbolon_ca::record::{Limits, Recorder};
use symbolon_pki::suite::{Form, Suite};
use symbolon_pki::time::unix_seconds;
use tempfile::TempDir;
use tokio::task::JoinSet;

fn directory() -> TempDir {
    TempDir::new().unwrap()
}

fn intent(number: u64) -> CertificateIntent {
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    CertificateIntent {
        serial: SerialNumber::from_bytes(&number.to_be_bytes()).unwrap(),
        profile: CertificateProfile::Workload,
        spiffe_id: "spiffe://example.org/billing".parse().unwrap(),
        form: Form::Composite,
        suite: Suite::MlDsa65EcdsaP256,
        key_algorithm: "mldsa65-ecdsa-p256".to_owned(),
        alternative_algorithm: None,
        issuer: "c0ffee".to_owned(),
        not_before: start,
        not_after: start + Duration::from_secs(3_600),
        entry_id: None,
        agent_id: None,
        recorded_at: start,
    }
}

/// Bytes about as long as a composite leaf.
fn issued(number: u64) -> IssuedRecord {
    IssuedRecord {
        serial: intent(number).serial,
        sha256: [7; 32],
        der: vec![number as u8; 5_700],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_keeps_every_promise() {
    let directory = directory();
    let made = AtomicUsize::new(0);
    let report = conformance::run(async || {
        let number = made.fetch_add(1, Ordering::Relaxed);
        let store = SqliteDatastore::open(&directory.path().join(format!("db-{number}"))).await?;
        Ok(Arc::new(store) as Arc<dyn Datastore>)
    })
    .await;
    assert!(report.is_clean(), "{report}");
    assert!(report.passed.len() >= 36, "{report}");
}

#[tokio::test]
async fn a_new_file_is_the_owners_alone_and_opens_again() {
    let directory = directory();
    let path = directory.path().join("db");
    let store = SqliteDatastore::open(&path).await.unwrap();
    store.set_metadata("a", "1").await.unwrap();
    for name in ["db", "db-wal", "db-shm"] {
        let mode = fs::metadata(directory.path().join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    store.close().await;
    assert!(
        !directory.path().join("db-wal").exists(),
        "closing leaves one file"
    );
    let store = SqliteDatastore::open(&path).await.unwrap();
    assert_eq!(store.metadata("a").await.unwrap().as_deref(), Some("1"));
}

/// Copies a database as a crash would leave it: the file and its log at one moment, with no one to tidy up.
fn crash_copy(from: &Path, to: &Path) {
    for suffix in ["", "-wal"] {
        let of = |path: &Path| PathBuf::from(format!("{}{suffix}", path.display()));
        fs::copy(of(from), of(to)).unwrap();
    }
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_crash() {
    let directory = directory();
    let path = directory.path().join("db");
    let store = SqliteDatastore::open(&path).await.unwrap();
    for number in 1..=50 {
        let results = store
            .record_certificates(&[CertificateWrite::Intent(intent(number))])
            .await
            .unwrap();
        assert!(results.iter().all(Result::is_ok));
    }
    let copy = directory.path().join("copy");
    crash_copy(&path, &copy);
    // First somebody looks, then the server starts again.
    for after in [
        SqliteDatastore::open_read_only(&copy).await,
        SqliteDatastore::open(&copy).await,
    ] {
        let after = after.unwrap();
        assert_eq!(
            after
                .count_certificates(&CertificateFilter::default())
                .await
                .unwrap(),
            50
        );
        after.close().await;
    }
}

#[tokio::test]
async fn a_read_only_view_shows_a_running_server_and_changes_nothing() {
    let directory = directory();
    let path = directory.path().join("db");
    let missing = SqliteDatastore::open_read_only(&path).await;
    assert!(
        matches!(missing, Err(DatastoreError::Missing { .. })),
        "{missing:?}"
    );
    assert!(!path.exists(), "looking must not make a file");

    let server = SqliteDatastore::open(&path).await.unwrap();
    server.set_metadata("a", "1").await.unwrap();
    let view = SqliteDatastore::open_read_only(&path).await.unwrap();
    server.set_metadata("a", "2").await.unwrap();
    assert_eq!(view.metadata("a").await.unwrap().as_deref(), Some("2"));
    let token = JoinTokenRecord {
        sha256: [1; 32],
        expires_at: SystemTime::UNIX_EPOCH + Duration::from_secs(100),
        agent_id: None,
        created_at: SystemTime::UNIX_EPOCH,
    };
    server.create_join_token(&token).await.unwrap();
    assert!(matches!(
        view.set_metadata("a", "3").await,
        Err(DatastoreError::ReadOnly)
    ));
    let agent = AgentRecord {
        spiffe_id: "spiffe://example.org/spire/agent/join_token/a".parse().unwrap(),
        attestation_type: "join_token".to_owned(),
        current: AgentCertificate {
            serial: SerialNumber::from_bytes(&[1]).unwrap(),
            expires_at: token.expires_at,
        },
        renewed: None,
        selectors: [].into(),
        banned: false,
        can_reattest: false,
        agent_version: None,
        attested_at: SystemTime::UNIX_EPOCH,
    };
    let used = view
        .consume_join_token(&token.sha256, SystemTime::UNIX_EPOCH, &agent)
        .await;
    assert!(matches!(used, Err(DatastoreError::ReadOnly)), "{used:?}");
    assert_eq!(server.metadata("a").await.unwrap().as_deref(), Some("2"));
}

#[tokio::test]
async fn a_file_that_lies_alone_can_be_read_where_nothing_can_be_written() {
    let directory = directory();
    let path = directory.path().join("db");
    let store = SqliteDatastore::open(&path).await.unwrap();
    store.set_metadata("a", "1").await.unwrap();
    store.close().await;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o500)).unwrap();
    let view = SqliteDatastore::open_read_only(&path).await.unwrap();
    assert_eq!(view.metadata("a").await.unwrap().as_deref(), Some("1"));
    view.close().await;
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o700)).unwrap();
}

async fn connect(path: &Path) -> SqliteConnection {
    SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(path).create_if_missing(true))
        .await
        .unwrap()
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_alone() {
    let directory = directory();
    let path = directory.path().join("db");
    SqliteDatastore::open(&path).await.unwrap().close().await;
    let mut connection = connect(&path).await;
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (99, 'from the future', TRUE, x'00', 0)",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    connection.close().await.unwrap();
    let before = fs::read(&path).unwrap();
    for opened in [
        SqliteDatastore::open(&path).await,
        SqliteDatastore::open_read_only(&path).await,
    ] {
        assert!(
            matches!(
                opened,
                Err(DatastoreError::NewerSchema {
                    found: 99,
                    known: 2..
                })
            ),
            "{opened:?}"
        );
    }
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn what_is_no_datastore_is_refused_and_left_alone() {
    let directory = directory();
    let text = directory.path().join("text");
    fs::write(&text, "this is no database, however long it may be".repeat(100)).unwrap();
    let other = directory.path().join("other");
    let mut connection = connect(&other).await;
    sqlx::query("CREATE TABLE recipes (name TEXT)")
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    for path in [text, other] {
        let before = fs::read(&path).unwrap();
        for opened in [
            SqliteDatastore::open(&path).await,
            SqliteDatastore::open_read_only(&path).await,
        ] {
            assert!(
                matches!(opened, Err(DatastoreError::Corrupt { .. })),
                "{}: {opened:?}",
                path.display()
            );
        }
        assert_eq!(fs::read(&path).unwrap(), before, "{}", path.display());
    }
}

#[tokio::test]
async fn a_value_nobody_wrote_is_reported_as_damage() {
    let directory = directory();
    let path = directory.path().join("db");
    let store = SqliteDatastore::open(&path).await.unwrap();
    let mut connection = connect(&path).await;
    for (column, damage) in [
        ("suite", "'rot13'"),
        ("serial", "x''"),
        ("not_after", "-5"),
        ("spiffe_id", "'http://example.org'"),
    ] {
        sqlx::query("DELETE FROM certificate")
            .execute(&mut connection)
            .await
            .unwrap();
        store
            .record_certificates(&[CertificateWrite::Intent(intent(1))])
            .await
            .unwrap();
        let update = format!("UPDATE certificate SET {column} = {damage}");
        sqlx::query(sqlx::AssertSqlSafe(update))
            .execute(&mut connection)
            .await
            .unwrap();
        let listed = store
            .list_certificates(&CertificateFilter::default(), &PageRequest::first(10))
            .await;
        match listed {
            Err(DatastoreError::Corrupt { what, reason }) => {
                assert!(
                    what.contains("certificate") && reason.contains(column),
                    "{what}: {reason}"
                );
            }
            other => panic!("{column}: {other:?}"),
        }
    }
}

/// The schema as the first version of the program made it, with an authority of that time.
#[tokio::test]
async fn a_datastore_of_the_first_version_is_brought_up_to_date() {
    let directory = directory();
    let path = directory.path().join("db");
    let sql = include_str!("../migrations/sqlite/0001_initial.sql");
    let first = sqlx::migrate::Migration::new(
        1,
        "initial".into(),
        sqlx::migrate::MigrationType::Simple,
        sqlx::SqlSafeStr::into_sql_str(sql),
        false,
    );
    let mut connection = connect(&path).await;
    sqlx::migrate::Migrator::with_migrations(vec![first])
        .run(&mut connection)
        .await
        .unwrap();
    sqlx::query(
        "INSERT INTO authority (authority_id, family, suite, state, material, not_before, not_after, created_at, \
         changed_at) VALUES ('aa', 'classical', 'ecdsa-p256', 'active', x'30', 0, 1, 20, 30), \
         ('replaced', 'classical', 'ecdsa-p256', 'old', x'31', 0, 1, 5, 30), \
         ('dropped', 'classical', 'ecdsa-p256', 'old', x'32', 0, 1, 10, 20)",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    connection.close().await.unwrap();

    let view = SqliteDatastore::open_read_only(&path).await;
    assert!(
        matches!(view, Err(DatastoreError::OlderSchema { found: 1, known: 2.. })),
        "{view:?}"
    );
    let store = SqliteDatastore::open(&path).await.unwrap();
    let authority = store.authority("aa").await.unwrap().unwrap();
    assert_eq!((authority.suite, authority.alternative), (Suite::EcdsaP256, None));
    let mut activated = Vec::new();
    for id in ["aa", "replaced", "dropped"] {
        let authority = store.authority(id).await.unwrap().unwrap();
        activated.push(authority.activated_at.map(unix_seconds));
    }
    assert_eq!(
        activated,
        [Some(30), Some(5), None],
        "which of the old ones never signed can be told"
    );
    store.close().await;
    SqliteDatastore::open_read_only(&path).await.unwrap();
}

#[tokio::test]
async fn an_empty_file_is_an_old_schema_to_a_reader_and_a_beginning_to_a_server() {
    let directory = directory();
    let path = directory.path().join("db");
    // As `kill -9` leaves it between making the file and setting it up.
    fs::write(&path, "").unwrap();
    let view = SqliteDatastore::open_read_only(&path).await;
    assert!(
        matches!(view, Err(DatastoreError::OlderSchema { found: 0, known: 2.. })),
        "{view:?}"
    );
    SqliteDatastore::open(&path).await.unwrap().ping().await.unwrap();
}

#[tokio::test]
async fn a_closed_datastore_says_so() {
    let directory = directory();
    let store = SqliteDatastore::open(&directory.path().join("db")).await.unwrap();
    store.close().await;
    assert!(matches!(
        store.ping().await,
        Err(DatastoreError::Unavailable { .. })
    ));
    assert!(matches!(
        store.set_metadata("a", "1").await,
        Err(DatastoreError::Unavailable { .. })
    ));
}

#[tokio::test]
async fn an_abandoned_write_leaves_the_writer_usable() {
    let directory = directory();
    let store = SqliteDatastore::open(&directory.path().join("db")).await.unwrap();
    for number in 1..200_u64 {
        let writes = [CertificateWrite::Intent(intent(number))];
        let mut abandoned = Box::pin(store.record_certificates(&writes));
        // Polled a different number of times each round, so that it is dropped at every stage.
        for _ in 0..number % 40 {
            if futures_util::poll!(&mut abandoned).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    store.set_metadata("a", "1").await.unwrap();
    assert_eq!(store.metadata("a").await.unwrap().as_deref(), Some("1"));
}

/// Passes on to a datastore and remembers how much each commit had.
struct Counted {
    store: SqliteDatastore,
    commits: Mutex<Vec<usize>>,
}

#[async_trait]
impl CertificateStore for Counted {
    async fn record_certificates(&self, writes: &[CertificateWrite]) -> Result<Vec<Result<()>>> {
        let results = self.store.record_certificates(writes).await?;
        self.commits.lock().unwrap().push(writes.len());
        Ok(results)
    }

    async fn certificate(&self, serial: &SerialNumber) -> Result<Option<CertificateRecord>> {
        self.store.certificate(serial).await
    }

    async fn list_certificates(
        &self,
        filter: &CertificateFilter,
        page: &PageRequest,
    ) -> Result<Page<CertificateSummary>> {
        self.store.list_certificates(filter, page).await
    }

    async fn count_certificates(&self, filter: &CertificateFilter) -> Result<u64> {
        self.store.count_certificates(filter).await
    }

    async fn prune_certificates(&self, expired_before: SystemTime, limit: u32) -> Result<u64> {
        self.store.prune_certificates(expired_before, limit).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_certificates_share_few_commits_and_each_is_there_when_it_is_acknowledged() {
    const CERTIFICATES: u64 = 2_000;
    let directory = directory();
    let path = directory.path().join("db");
    let store = SqliteDatastore::open(&path).await.unwrap();
    let counted = Arc::new(Counted {
        store: store.clone(),
        commits: Mutex::default(),
    });
    let view = SqliteDatastore::open_read_only(&path).await.unwrap();
    let (recorder, task) = Recorder::start(counted.clone(), Limits::default());
    let mut tasks = JoinSet::new();
    for number in 1..=CERTIFICATES {
        let (recorder, view) = (recorder.clone(), view.clone());
        tasks.spawn(async move {
            recorder.record_intent(intent(number)).await.unwrap();
            recorder.record_issued(issued(number)).await.unwrap();
            // Another process, in effect: it sees what is committed and nothing else.
            let record = view
                .certificate(&intent(number).serial)
                .await
                .unwrap()
                .expect("acknowledged, not there");
            assert_eq!(record.der, Some(issued(number).der));
            record.summary.intent.serial
        });
    }
    let serials: HashSet<SerialNumber> = tasks.join_all().await.into_iter().collect();
    task.shutdown().await.unwrap();
    assert_eq!(serials.len() as u64, CERTIFICATES);
    let commits = counted.commits.lock().unwrap().clone();
    assert_eq!(commits.iter().sum::<usize>() as u64, 2 * CERTIFICATES);
    // Without grouping there would be 4,000. How many there are depends on the disk and the scheduler.
    assert!(
        commits.len() < 400,
        "{} commits for {CERTIFICATES} certificates",
        commits.len()
    );
    println!("{} commits for {} records", commits.len(), 2 * CERTIFICATES);
}
