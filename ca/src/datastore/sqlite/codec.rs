//! Between the values of records and the values of columns.

use std::fmt::Display;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Row, Sqlite, Type};
use symbolon_pki::time::{from_unix_seconds, unix_seconds};

use crate::datastore::{DatastoreError, Result, SerialNumber};

/// SQLite's primary result codes that mean something to a caller (<https://www.sqlite.org/rescode.html>).
mod result_code {
    pub(super) const BUSY: i32 = 5;
    pub(super) const LOCKED: i32 = 6;
    pub(super) const READONLY: i32 = 8;
    pub(super) const CORRUPT: i32 = 11;
    pub(super) const NOT_A_DATABASE: i32 = 26;
}

/// What an error of the backend means to the caller who wanted to `action`.
pub(super) fn failed(action: &'static str) -> impl Fn(sqlx::Error) -> DatastoreError {
    move |error| {
        let code = error
            .as_database_error()
            .and_then(|e| e.code())
            .and_then(|code| code.parse::<i32>().ok());
        match (code.map(|extended| extended & 0xff), &error) {
            (Some(result_code::BUSY | result_code::LOCKED), _) | (None, sqlx::Error::PoolTimedOut) => {
                DatastoreError::Busy
            }
            (Some(result_code::READONLY), _) => DatastoreError::ReadOnly,
            (Some(result_code::CORRUPT | result_code::NOT_A_DATABASE), _) => {
                DatastoreError::corrupt("the database file", error)
            }
            _ => DatastoreError::unavailable(action, error),
        }
    }
}

/// A row and what it is a row of, for messages.
pub(super) struct Columns<'r> {
    row: &'r SqliteRow,
    what: &'static str,
}

impl<'r> Columns<'r> {
    pub(super) fn of(what: &'static str, row: &'r SqliteRow) -> Self {
        Self { row, what }
    }

    /// The value of a column as the database has it.
    pub(super) fn get<T>(&self, column: &str) -> Result<T>
    where
        T: Decode<'r, Sqlite> + Type<Sqlite>,
    {
        self.row.try_get(column).map_err(|e| self.corrupt(e))
    }

    /// A column that holds a value's text.
    pub(super) fn parse<T>(&self, column: &str) -> Result<T>
    where
        T: FromStr<Err: Display>,
    {
        let text: &str = self.get(column)?;
        text.parse().map_err(|e| self.corrupt(format!("{column}: {e}")))
    }

    /// A column that holds a value's text, or nothing.
    pub(super) fn parse_option<T>(&self, column: &str) -> Result<Option<T>>
    where
        T: FromStr<Err: Display>,
    {
        let text: Option<&str> = self.get(column)?;
        text.map(|text| text.parse().map_err(|e| self.corrupt(format!("{column}: {e}"))))
            .transpose()
    }

    /// A column that counts.
    pub(super) fn count(&self, column: &str) -> Result<u64> {
        let value: i64 = self.get(column)?;
        value
            .try_into()
            .map_err(|_| self.corrupt(format!("{column}: {value} is negative")))
    }

    /// A moment.
    pub(super) fn time(&self, column: &str) -> Result<SystemTime> {
        let seconds = self.count(column)?;
        from_unix_seconds(seconds).ok_or_else(|| self.corrupt(format!("{column}: {seconds} is no moment")))
    }

    /// A moment, or nothing.
    pub(super) fn time_option(&self, column: &str) -> Result<Option<SystemTime>> {
        match self.get::<Option<i64>>(column)? {
            Some(_) => self.time(column).map(Some),
            None => Ok(None),
        }
    }

    /// A length of time in seconds, or nothing.
    pub(super) fn duration_option(&self, column: &str) -> Result<Option<Duration>> {
        match self.get::<Option<i64>>(column)? {
            Some(_) => Ok(Some(Duration::from_secs(self.count(column)?))),
            None => Ok(None),
        }
    }

    /// A SHA-256 value.
    pub(super) fn hash(&self, column: &str) -> Result<[u8; 32]> {
        let bytes: &[u8] = self.get(column)?;
        bytes
            .try_into()
            .map_err(|_| self.corrupt(format!("{column}: not 32 bytes")))
    }

    /// A SHA-256 value, or nothing.
    pub(super) fn hash_option(&self, column: &str) -> Result<Option<[u8; 32]>> {
        match self.get::<Option<&[u8]>>(column)? {
            Some(_) => self.hash(column).map(Some),
            None => Ok(None),
        }
    }

    /// A serial number.
    pub(super) fn serial(&self, column: &str) -> Result<SerialNumber> {
        SerialNumber::from_bytes(self.get(column)?).map_err(|e| self.corrupt(format!("{column}: {e}")))
    }

    /// A list in JSON.
    pub(super) fn json<T: serde::de::DeserializeOwned>(&self, column: &str) -> Result<T> {
        let text: &str = self.get(column)?;
        serde_json::from_str(text).map_err(|e| self.corrupt(format!("{column}: {e}")))
    }

    /// An error about this row.
    pub(super) fn corrupt(&self, reason: impl Display) -> DatastoreError {
        DatastoreError::corrupt(self.what, reason)
    }
}

/// A moment as a column holds it; one too far away for a column is the last moment that fits.
pub(super) fn seconds(at: SystemTime) -> i64 {
    unix_seconds(at).try_into().unwrap_or(i64::MAX)
}

/// A length of time as a column holds it.
pub(super) fn whole_seconds(duration: Duration) -> i64 {
    duration.as_secs().try_into().unwrap_or(i64::MAX)
}

/// A list as JSON.
pub(super) fn to_json<T: serde::Serialize + ?Sized>(list: &T) -> Result<String> {
    serde_json::to_string(list).map_err(|e| DatastoreError::unavailable("write a list", e))
}

/// Where in a list each of its members is, for columns that keep an order.
pub(super) fn position(index: usize) -> i64 {
    index.try_into().unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use sqlx::Connection;
    use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

    use super::*;

    async fn connect(options: SqliteConnectOptions) -> SqliteConnection {
        SqliteConnection::connect_with(&options).await.unwrap()
    }

    #[tokio::test]
    async fn another_writer_is_busy_and_a_reader_cannot_write() {
        let directory = tempfile::tempdir().unwrap();
        let options = SqliteConnectOptions::new()
            .filename(directory.path().join("db"))
            .create_if_missing(true)
            .busy_timeout(Duration::ZERO);
        let mut first = connect(options.clone()).await;
        let mut second = connect(options.clone()).await;
        let _writing = first.begin_with("BEGIN IMMEDIATE").await.unwrap();
        let busy = sqlx::query("CREATE TABLE t (a)")
            .execute(&mut second)
            .await
            .map_err(failed("try"));
        assert!(matches!(busy, Err(DatastoreError::Busy)), "{busy:?}");
        let mut reader = connect(options.read_only(true)).await;
        let refused = sqlx::query("CREATE TABLE t (a)")
            .execute(&mut reader)
            .await
            .map_err(failed("try"));
        assert!(matches!(refused, Err(DatastoreError::ReadOnly)), "{refused:?}");
        let slip = sqlx::query("SELECT nonsense")
            .execute(&mut reader)
            .await
            .map_err(failed("try"));
        assert!(
            matches!(slip, Err(DatastoreError::Unavailable { action: "try", .. })),
            "{slip:?}"
        );
    }

    #[test]
    fn moments_lose_their_fractions_and_lengths_their_excess() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_999);
        assert_eq!(seconds(at), 1);
        assert_eq!(whole_seconds(Duration::MAX), i64::MAX);
    }
}
