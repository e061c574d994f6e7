//! Claims on component keys: each is part of one key.

use super::samples::{at, hash, intent, issued};
use super::{Outcome, Store, expect_eq, expect_error};
use crate::datastore::{CertificateWrite, DatastoreError, RecordKind, SubjectKeyClaim};

/// The intent of this number for a key whose components have these hashes.
fn with_key(number: u64, key: u8, components: &[u8]) -> anyhow::Result<CertificateWrite> {
    let claim = SubjectKeyClaim {
        key_sha256: hash(key),
        components: components.iter().copied().map(hash).collect(),
    };
    Ok(CertificateWrite::IntentWithKey(intent(number)?, claim))
}

/// Which of `writes` are recorded; any refusal has to be about a component key.
async fn recorded(store: &Store, writes: &[CertificateWrite]) -> anyhow::Result<Vec<bool>> {
    let mut recorded = Vec::new();
    for result in store.record_certificates(writes).await? {
        recorded.push(match result {
            Ok(()) => true,
            Err(DatastoreError::AlreadyExists {
                kind: RecordKind::ComponentKey,
                ..
            }) => false,
            Err(other) => anyhow::bail!("refused for another reason: {other:?}"),
        });
    }
    Ok(recorded)
}

pub(super) async fn a_component_is_part_of_one_key(store: Store) -> Outcome {
    let composite = |number| with_key(number, 100, &[1, 2]);
    expect_eq!(recorded(&store, &[composite(1)?]).await?, [true]);
    // A renewal with the same key, twice in one commit.
    expect_eq!(
        recorded(&store, &[composite(2)?, composite(3)?]).await?,
        [true, true]
    );
    // Half of it alone, and its other half in another composite, beside something good.
    let writes = [
        with_key(4, 2, &[2])?,
        with_key(5, 5, &[5])?,
        with_key(6, 101, &[6, 2])?,
    ];
    expect_eq!(recorded(&store, &writes).await?, [false, true, false]);
    // What was refused left nothing behind, neither an intent nor a claim on its other half.
    for number in [4, 6] {
        expect_error!(
            store
                .record_certificates(&[CertificateWrite::Issued(issued(number)?)])
                .await?
                .remove(0),
            DatastoreError::NotFound { .. }
        );
    }
    expect_eq!(store.component_key_claims(&[hash(6)]).await?, []);
    expect_eq!(recorded(&store, &[with_key(7, 6, &[6])?]).await?, [true]);
    // Two keys with a common component in one commit: the first has it.
    let writes = [with_key(8, 8, &[8])?, with_key(9, 102, &[9, 8])?];
    expect_eq!(recorded(&store, &writes).await?, [true, false]);
    Ok(())
}

pub(super) async fn a_serial_number_twice_claims_nothing(store: Store) -> Outcome {
    expect_eq!(recorded(&store, &[with_key(1, 1, &[1])?]).await?, [true]);
    let again = store.record_certificates(&[with_key(1, 2, &[2])?]).await?;
    expect_error!(
        again.into_iter().next().unwrap_or(Ok(())),
        DatastoreError::AlreadyExists {
            kind: RecordKind::Certificate,
            ..
        }
    );
    expect_eq!(store.component_key_claims(&[hash(2)]).await?, []);
    Ok(())
}

pub(super) async fn a_key_is_an_authoritys_or_somebody_elses(store: Store) -> Outcome {
    store
        .claim_component_keys("authority/aa", &[hash(1)], at(0))
        .await?;
    expect_eq!(recorded(&store, &[with_key(1, 1, &[1])?]).await?, [false]);
    expect_eq!(recorded(&store, &[with_key(2, 2, &[2])?]).await?, [true]);
    expect_error!(
        store
            .claim_component_keys("authority/bb", &[hash(2)], at(0))
            .await,
        DatastoreError::AlreadyExists {
            kind: RecordKind::ComponentKey,
            ..
        }
    );
    Ok(())
}
