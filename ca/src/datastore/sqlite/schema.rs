//! The schema's versions: which one a file has, and bringing it to the one this program knows.

use std::sync::LazyLock;

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{Pool, Row, SqlSafeStr, Sqlite};

use super::codec::failed;
use crate::datastore::{DatastoreError, Result};

/// Every step, oldest first. A step that was ever released is never changed: the next one is added.
const STEPS: [(i64, &str, &str); 11] = [
    (
        1,
        "initial",
        include_str!("../../../migrations/sqlite/0001_initial.sql"),
    ),
    (
        2,
        "alternative keys",
        include_str!("../../../migrations/sqlite/0002_alternative.sql"),
    ),
    (
        3,
        "federation",
        include_str!("../../../migrations/sqlite/0003_federation.sql"),
    ),
    (
        4,
        "registration",
        include_str!("../../../migrations/sqlite/0004_registration.sql"),
    ),
    (
        5,
        "activation of authorities",
        include_str!("../../../migrations/sqlite/0005_activation.sql"),
    ),
    (
        6,
        "publishers",
        include_str!("../../../migrations/sqlite/0006_publisher.sql"),
    ),
    (
        7,
        "upstream authorities",
        include_str!("../../../migrations/sqlite/0007_upstream.sql"),
    ),
    (
        8,
        "what commands chose",
        include_str!("../../../migrations/sqlite/0008_choices.sql"),
    ),
    (
        9,
        "migration",
        include_str!("../../../migrations/sqlite/0009_migration.sql"),
    ),
    (
        10,
        "readiness for migration",
        include_str!("../../../migrations/sqlite/0010_readiness.sql"),
    ),
    (
        11,
        "what was tainted here",
        include_str!("../../../migrations/sqlite/0011_tainted_here.sql"),
    ),
];

/// The schema version this program needs.
pub(super) const KNOWN: i64 = STEPS[STEPS.len() - 1].0;

static MIGRATOR: LazyLock<Migrator> = LazyLock::new(|| {
    let steps = STEPS.into_iter().map(|(version, name, sql)| {
        Migration::new(
            version,
            name.into(),
            MigrationType::Simple,
            sql.into_sql_str(),
            false,
        )
    });
    Migrator::with_migrations(steps.collect())
});

/// The schema version of the file behind `pool`; `None` for an empty database.
///
/// # Errors
/// [`DatastoreError::Corrupt`] when it is a database of something else, or none.
pub(super) async fn version(pool: &Pool<Sqlite>) -> Result<Option<i64>> {
    let tables = sqlx::query("SELECT count(*) AS tables, count(*) FILTER (WHERE name = '_sqlx_migrations') AS ours FROM sqlite_schema WHERE type = 'table'")
        .fetch_one(pool)
        .await
        .map_err(failed("read its schema"))?;
    let count = |column: &str| {
        tables
            .try_get::<i64, _>(column)
            .map_err(failed("read its schema"))
    };
    match (count("tables")?, count("ours")?) {
        (0, _) => Ok(None),
        (_, 0) => Err(DatastoreError::corrupt(
            "the database file",
            "it belongs to another program",
        )),
        _ => {
            let newest = sqlx::query_scalar::<_, Option<i64>>("SELECT max(version) FROM _sqlx_migrations");
            newest.fetch_one(pool).await.map_err(failed("read its schema"))
        }
    }
}

/// Refuses a schema that a newer program made.
pub(super) fn refuse_newer(found: i64) -> Result<()> {
    if found > KNOWN {
        Err(DatastoreError::NewerSchema { found, known: KNOWN })
    } else {
        Ok(())
    }
}

/// Refuses a schema that is not the one this program knows.
pub(super) fn require_current(found: i64) -> Result<()> {
    refuse_newer(found)?;
    if found < KNOWN {
        Err(DatastoreError::OlderSchema { found, known: KNOWN })
    } else {
        Ok(())
    }
}

/// Brings the schema to version [`KNOWN`]. Each step is one transaction.
pub(super) async fn migrate(writer: &Pool<Sqlite>) -> Result<()> {
    MIGRATOR.run(writer).await.map_err(|error| match error {
        MigrateError::VersionMissing(found) if found > KNOWN => {
            DatastoreError::NewerSchema { found, known: KNOWN }
        }
        MigrateError::VersionMissing(_) | MigrateError::VersionMismatch(_) | MigrateError::Dirty(_) => {
            DatastoreError::corrupt("the schema", error)
        }
        MigrateError::Execute(e) | MigrateError::ExecuteMigration(e, _) => failed("update its schema")(e),
        other => DatastoreError::unavailable("update its schema", other),
    })
}
