//! How a TPM holds a key.

use super::access::{Tpm, in_reach};
use super::codes::{Failure, Step};
use super::connection::Connection;
use super::error::TpmError;
use super::policy::selection_of;
use super::records::Record;
use crate::custody::{Certification, Custody, Holding, SealedSeedFacts, TpmKeyFacts};

/// Asks the TPM: it loads the object, and for a seed says how its PCRs are.
pub(super) fn of(tpm: &Tpm, record: Record) -> Result<Custody, TpmError> {
    tpm.call("load a key", move |connection| {
        let holding = match &record {
            Record::Key { blob, handle, .. } => Holding::TpmKey(TpmKeyFacts {
                name: hex::encode(blob.name()),
                handle: handle.map(|handle| format!("{handle:#010x}")),
            }),
            Record::Seed { blob, pcrs, .. } => Holding::SealedSeed(SealedSeedFacts {
                name: hex::encode(blob.name()),
                pcrs: pcrs
                    .iter()
                    .flat_map(|(bank, values)| {
                        values
                            .iter()
                            .map(move |(number, value)| (format!("{bank}:{number}"), value.clone()))
                    })
                    .collect(),
            }),
        };
        let unusable = unusable(connection, &record)?;
        Ok(Custody { holding, unusable })
    })
}

fn unusable(connection: &mut Connection, record: &Record) -> Step<Option<String>> {
    match record {
        Record::Key {
            blob,
            password,
            handle,
        } => in_reach(connection, blob, password, *handle)?,
        Record::Seed { blob, pcrs, .. } => {
            let now = match connection.read_pcrs(&selection_of(pcrs)?) {
                Ok(now) => now,
                Err(Failure::Final(error @ TpmError::NoSuchPcr { .. })) => {
                    return Ok(Some(error.to_string()));
                }
                Err(failure) => return Err(failure),
            };
            if now != *pcrs {
                return Ok(Some(connection.explain(pcrs)?.to_string()));
            }
            connection.load(blob, &[])?
        }
    };
    Ok(None)
}

/// Has the TPM certify that it has the object.
pub(super) fn certify(tpm: &Tpm, record: Record, about: [u8; 32]) -> Result<Certification, TpmError> {
    tpm.call("certify a key", move |connection| match &record {
        Record::Key {
            blob,
            password,
            handle,
        } => connection.certify(blob, &about, |connection| {
            in_reach(connection, blob, password, *handle)
        }),
        Record::Seed { blob, .. } => {
            connection.certify(blob, &about, |connection| connection.load(blob, &[]))
        }
    })
}
