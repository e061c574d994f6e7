//! The embedded backend: one SQLite file, its write-ahead log beside it.
//!
//! One connection writes and a few read. SQLite has one writer anyway; giving it one connection makes writers
//! queue fairly here instead of polling for a lock there, and readers never wait for them. A commit is durable
//! when it returns (`synchronous = FULL`), which is what the record of certificates promises; what makes that
//! cheap is that [`crate::record`] puts many certificates into one.

mod agents;
mod appended;
mod authorities;
mod certificates;
mod choices;
mod codec;
mod component_keys;
mod entries;
mod federation;
mod filter;
mod join_tokens;
mod metadata;
mod migrations;
mod published;
mod schema;
mod upstream;

use std::fs;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection as _, Pool, Sqlite, SqliteConnection, Transaction};

use super::{Datastore, DatastoreError, Result};
use codec::failed;

/// How long one connection waits for another process that holds the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an operation waits for its turn in this process before it gives up as [`DatastoreError::Busy`].
const TURN_TIMEOUT: Duration = Duration::from_secs(30);
/// Each reading connection is a thread and up to 2 MiB of cache.
const READERS: u32 = 4;
/// A reading connection that nobody used for so long is closed.
const READER_IDLE: Duration = Duration::from_secs(60);
/// What is left of a write-ahead log that grew beyond this, once it was copied into the file.
const JOURNAL_SIZE_LIMIT: &str = "67108864";

/// A datastore in an SQLite file. Cloning shares it.
#[derive(Clone, Debug)]
pub struct SqliteDatastore {
    /// `None` for a view that only reads.
    writer: Option<Pool<Sqlite>>,
    readers: Pool<Sqlite>,
    path: PathBuf,
}

impl SqliteDatastore {
    /// Opens the datastore in the file at `path`, makes it (mode 0600) when there is none, and brings an older
    /// schema up to date.
    ///
    /// # Errors
    /// [`DatastoreError::NewerSchema`] when a newer program made it, [`DatastoreError::Corrupt`] when it is not a
    /// datastore at all; neither touches the file. [`DatastoreError::Busy`] while another process migrates it.
    pub async fn open(path: &Path) -> Result<Self> {
        create_private(path).map_err(|e| DatastoreError::unavailable("create its file", e))?;
        // The version is looked at before anything is written, so that a file this program should leave alone
        // stays as it is.
        let probe = Self::open_read_only_pool(path).await?;
        let version = schema::version(&probe).await;
        probe.close().await;
        if let Some(found) = version? {
            schema::refuse_newer(found)?;
        }
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(TURN_TIMEOUT)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .after_release(|connection, _| Box::pin(is_at_rest(connection)))
            .connect_with(
                connect_options(path)
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Full)
                    .pragma("journal_size_limit", JOURNAL_SIZE_LIMIT),
            )
            .await
            .map_err(failed("open its file"))?;
        schema::migrate(&writer).await?;
        let readers = reader_pool(connect_options(path).read_only(true)).await?;
        Ok(Self {
            writer: Some(writer),
            readers,
            path: path.to_owned(),
        })
    }

    /// Opens the datastore in the file at `path` for looking only, whether a server runs on it or not. Never makes
    /// a file and never changes the schema; every change is refused with [`DatastoreError::ReadOnly`].
    ///
    /// # Errors
    /// [`DatastoreError::Missing`] when there is no file; [`DatastoreError::NewerSchema`] and
    /// [`DatastoreError::OlderSchema`] when another version of the program was here last;
    /// [`DatastoreError::Corrupt`] when it is not a datastore at all.
    pub async fn open_read_only(path: &Path) -> Result<Self> {
        match fs::metadata(path) {
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(DatastoreError::Missing {
                    path: path.to_owned(),
                });
            }
            Err(e) => return Err(DatastoreError::unavailable("look at its file", e)),
        }
        let readers = Self::open_read_only_pool(path).await?;
        match schema::version(&readers).await {
            Ok(found) => schema::require_current(found.unwrap_or(0))?,
            Err(e) => return Err(e),
        }
        Ok(Self {
            writer: None,
            readers,
            path: path.to_owned(),
        })
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Read connections to a file in whatever state it is.
    async fn open_read_only_pool(path: &Path) -> Result<Pool<Sqlite>> {
        let options = connect_options(path).read_only(true);
        let pool = reader_pool(options.clone()).await?;
        match schema::version(&pool).await {
            // A reader in write-ahead mode needs the log's index file beside the database. Where it cannot be made
            // (a read-only medium, someone else's directory) and there is no log, nobody is writing, and the file
            // can be read as it lies there.
            Err(DatastoreError::Unavailable { .. } | DatastoreError::ReadOnly) if !has_log(path) => {
                pool.close().await;
                reader_pool(options.immutable(true)).await
            }
            _ => Ok(pool),
        }
    }

    /// Begins a transaction that will write. It takes the write lock at once: one that began by reading could find
    /// at its first write that what it read is out of date.
    async fn begin(&self) -> Result<Transaction<'static, Sqlite>> {
        let writer = self.writer.as_ref().ok_or(DatastoreError::ReadOnly)?;
        writer
            .begin_with("BEGIN IMMEDIATE")
            .await
            .map_err(failed("begin a transaction"))
    }

    /// Begins a transaction that sees one moment, for reads that need more than one query.
    async fn snapshot(&self) -> Result<Transaction<'static, Sqlite>> {
        self.readers.begin().await.map_err(failed("begin reading"))
    }
}

#[async_trait]
impl Datastore for SqliteDatastore {
    async fn ping(&self) -> Result<()> {
        sqlx::query("SELECT sequence FROM bundle")
            .fetch_one(&self.readers)
            .await
            .map_err(failed("answer"))?;
        Ok(())
    }

    async fn close(&self) {
        self.readers.close().await;
        // Last, so that it copies the log into the file and removes it.
        if let Some(writer) = &self.writer {
            writer.close().await;
        }
    }
}

/// Whether a connection can begin anew; one that cannot is replaced. On a full disk, among others, SQLite rolls a
/// transaction back by itself, and a connection that was not told of it would refuse every transaction to come.
async fn is_at_rest(connection: &mut SqliteConnection) -> sqlx::Result<bool> {
    // What the end of the transaction left to be done is done before this is answered.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

async fn commit(transaction: Transaction<'static, Sqlite>) -> Result<()> {
    transaction.commit().await.map_err(failed("commit"))
}

fn connect_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .disable_statement_logging()
}

async fn reader_pool(options: SqliteConnectOptions) -> Result<Pool<Sqlite>> {
    SqlitePoolOptions::new()
        .max_connections(READERS)
        .acquire_timeout(TURN_TIMEOUT)
        .idle_timeout(READER_IDLE)
        .max_lifetime(None)
        .test_before_acquire(false)
        .connect_with(options)
        .await
        .map_err(failed("open its file"))
}

/// Makes an empty file for the owner alone, unless there is one. SQLite gives its log the same mode.
fn create_private(path: &Path) -> io::Result<()> {
    match fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
    {
        Ok(file) => file.sync_all(),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(e) => Err(e),
    }
}

/// Whether a write-ahead log stands beside the file at `path`, as it does while anyone has it open for writing and
/// after a crash.
fn has_log(path: &Path) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    fs::metadata(log).is_ok_and(|meta| meta.len() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_transaction_that_sqlite_rolled_back_by_itself_is_not_the_last() {
        let dir = tempfile::tempdir().unwrap();
        let store = SqliteDatastore::open(&dir.path().join("db")).await.unwrap();
        let mut transaction = store.begin().await.unwrap();
        // As it does when the disk is full.
        sqlx::query("ROLLBACK").execute(&mut *transaction).await.unwrap();
        assert!(transaction.commit().await.is_err());
        for _ in 0..2 {
            commit(store.begin().await.unwrap()).await.unwrap();
        }
    }
}
