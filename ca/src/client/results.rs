//! The results of a batch: one for each item, each with a status of its own.

use symbolon_api::spire::api::types;
use tonic::{Code, Status};

use super::ClientError;

/// What the status of one item of a batch says.
pub(crate) fn check(status: Option<types::Status>) -> Result<(), ClientError> {
    match status {
        Some(status) if status.code == i32::from(Code::Ok) => Ok(()),
        Some(status) => Err(Status::new(Code::from(status.code), status.message).into()),
        None => Err(missing("status")),
    }
}

/// The results of a batch of so many items: it has as many, or it cannot be told whose they are.
pub(super) fn of_all<T>(asked: usize, results: Vec<T>) -> Result<Vec<T>, ClientError> {
    if asked == results.len() {
        return Ok(results);
    }
    Err(ClientError::Answer(format!(
        "{asked} items were sent, and it has {} results",
        results.len()
    )))
}

/// The result of a batch of one.
pub(super) fn of_one<T>(results: Vec<T>) -> Result<T, ClientError> {
    of_all(1, results)?.pop().ok_or_else(|| missing("result"))
}

/// An answer that lacks something.
pub(super) fn missing(what: &str) -> ClientError {
    ClientError::Answer(format!("it has no {what}"))
}
