//! The record of certificates.

use symbolon_pki::suite::Form;

use super::samples::{at, intent, intents, issued, serial};
use super::{Outcome, Store, all_pages, expect_eq, expect_error};
use crate::datastore::{
    CertificateFilter, CertificateIntent, CertificateProfile, CertificateState, CertificateSummary,
    CertificateWrite, DatastoreError, PageRequest, Result,
};

/// Records and expects every single write to be taken.
async fn record(store: &Store, writes: &[CertificateWrite]) -> Outcome {
    let results = store.record_certificates(writes).await?;
    expect_eq!(results.len(), writes.len());
    Ok(results.into_iter().collect::<Result<()>>()?)
}

pub(super) async fn a_certificate_reads_back_in_both_states(store: Store) -> Outcome {
    record(&store, &[]).await?;
    let bare = CertificateIntent {
        entry_id: None,
        ..intent(2)?
    };
    record(
        &store,
        &[
            CertificateWrite::Intent(intent(1)?),
            CertificateWrite::Intent(bare.clone()),
        ],
    )
    .await?;
    record(&store, &[CertificateWrite::Issued(issued(1)?)]).await?;
    let Some(one) = store.certificate(&serial(1)?).await? else {
        anyhow::bail!("number 1 is not on record")
    };
    expect_eq!(
        one.summary,
        CertificateSummary {
            intent: intent(1)?,
            sha256: Some(issued(1)?.sha256)
        }
    );
    expect_eq!(
        (one.summary.state(), one.der),
        (CertificateState::Issued, Some(issued(1)?.der))
    );
    let Some(two) = store.certificate(&serial(2)?).await? else {
        anyhow::bail!("number 2 is not on record")
    };
    expect_eq!(
        two.summary,
        CertificateSummary {
            intent: bare,
            sha256: None
        }
    );
    expect_eq!((two.summary.state(), two.der), (CertificateState::Intent, None));
    expect_eq!(store.certificate(&serial(3)?).await?, None);
    // Both steps may come in one commit, in any order.
    record(
        &store,
        &[
            CertificateWrite::Issued(issued(4)?),
            CertificateWrite::Intent(intent(4)?),
        ],
    )
    .await
}

pub(super) async fn one_bad_write_does_not_spoil_the_others(store: Store) -> Outcome {
    record(&store, &intents([1, 2])?).await?;
    let writes = [
        CertificateWrite::Intent(intent(3)?),
        CertificateWrite::Intent(CertificateIntent {
            issuer: "other".to_owned(),
            ..intent(1)?
        }),
        CertificateWrite::Intent(intent(4)?),
        CertificateWrite::Intent(intent(4)?),
        CertificateWrite::Issued(issued(9)?),
        CertificateWrite::Issued(issued(2)?),
        CertificateWrite::Issued(issued(2)?),
    ];
    let results = store.record_certificates(&writes).await?;
    let outcomes = results.iter().map(|result| match result {
        Ok(()) => "ok",
        Err(DatastoreError::AlreadyExists { .. }) => "exists",
        Err(DatastoreError::NotFound { .. }) => "unknown",
        Err(_) => "something else",
    });
    expect_eq!(
        outcomes.collect::<Vec<_>>(),
        ["ok", "exists", "ok", "exists", "unknown", "ok", "exists"]
    );
    expect_eq!(store.count_certificates(&CertificateFilter::default()).await?, 4);
    let first = store.certificate(&serial(1)?).await?;
    expect_eq!(first.map(|one| one.summary.intent), Some(intent(1)?));
    expect_eq!(
        store.certificate(&serial(2)?).await?.and_then(|two| two.der),
        Some(issued(2)?.der)
    );
    Ok(())
}

pub(super) async fn a_large_batch_is_recorded_whole(store: Store) -> Outcome {
    record(&store, &intents(1..=777)?).await?;
    let signed: anyhow::Result<Vec<_>> = (1..=777)
        .rev()
        .map(|number| Ok(CertificateWrite::Issued(issued(number)?)))
        .collect();
    record(&store, &signed?).await?;
    expect_eq!(
        store.count_certificates(&CertificateFilter::default()).await?,
        777
    );
    for number in [1, 64, 65, 500, 777] {
        let der = store.certificate(&serial(number)?).await?.and_then(|one| one.der);
        expect_eq!(der, Some(issued(number)?.der));
    }
    Ok(())
}

/// The numbers of the certificates that `filter` shows, in the order of the listing.
async fn numbers(store: &Store, filter: &CertificateFilter, page_size: u32) -> anyhow::Result<Vec<u64>> {
    let listed = all_pages(page_size, async |page| {
        store.list_certificates(filter, &page).await
    })
    .await?;
    expect_eq!(store.count_certificates(filter).await?, listed.len() as u64);
    let number = |one: &CertificateSummary| {
        one.intent
            .serial
            .as_bytes()
            .iter()
            .fold(0, |number, &byte| number << 8 | u64::from(byte))
    };
    Ok(listed.iter().map(number).collect())
}

pub(super) async fn listings_are_newest_first_and_paged(store: Store) -> Outcome {
    let all = CertificateFilter::default();
    expect_eq!(numbers(&store, &all, 3).await?, Vec::<u64>::new());
    record(&store, &intents([5, 9, 2, 7, 1, 3])?).await?;
    for page_size in [1, 2, 3, 5, 6, 7] {
        expect_eq!(numbers(&store, &all, page_size).await?, [3, 1, 7, 2, 9, 5]);
    }
    // What comes meanwhile does not disturb a listing under way.
    let first = store.list_certificates(&all, &PageRequest::first(2)).await?;
    record(&store, &intents([8])?).await?;
    let Some(token) = first.next else {
        anyhow::bail!("there is more than one page")
    };
    let second = store
        .list_certificates(&all, &PageRequest::first(2).after(token))
        .await?;
    expect_eq!(
        second
            .items
            .iter()
            .map(|one| one.intent.serial.clone())
            .collect::<Vec<_>>(),
        [serial(7)?, serial(2)?]
    );
    Ok(())
}

pub(super) async fn filters_select(store: Store) -> Outcome {
    let authority = CertificateIntent {
        profile: CertificateProfile::Authority,
        spiffe_id: "spiffe://example.org".parse()?,
        entry_id: None,
        ..intent(1)?
    };
    let classical = CertificateIntent {
        form: Form::Classical,
        issuer: "beef".to_owned(),
        ..intent(2)?
    };
    let longer = CertificateIntent {
        not_after: at(7_200),
        entry_id: Some("entry-2".to_owned()),
        ..intent(3)?
    };
    record(
        &store,
        &[authority, classical, longer].map(CertificateWrite::Intent),
    )
    .await?;
    record(&store, &[CertificateWrite::Issued(issued(2)?)]).await?;
    let all = CertificateFilter::default;
    let cases: [(CertificateFilter, &[u64]); 11] = [
        (
            CertificateFilter {
                profile: Some(CertificateProfile::Authority),
                ..all()
            },
            &[1],
        ),
        (
            CertificateFilter {
                profile: Some(CertificateProfile::Agent),
                ..all()
            },
            &[],
        ),
        (
            CertificateFilter {
                spiffe_id: Some("spiffe://example.org".parse()?),
                ..all()
            },
            &[1],
        ),
        (
            CertificateFilter {
                form: Some(Form::Composite),
                ..all()
            },
            &[3, 1],
        ),
        (
            CertificateFilter {
                issuer: Some("beef".to_owned()),
                ..all()
            },
            &[2],
        ),
        (
            CertificateFilter {
                entry_id: Some("entry-2".to_owned()),
                ..all()
            },
            &[3],
        ),
        (
            CertificateFilter {
                state: Some(CertificateState::Issued),
                ..all()
            },
            &[2],
        ),
        (
            CertificateFilter {
                state: Some(CertificateState::Intent),
                ..all()
            },
            &[3, 1],
        ),
        (
            CertificateFilter {
                not_after_from: Some(at(3_601)),
                ..all()
            },
            &[3],
        ),
        (
            CertificateFilter {
                not_after_before: Some(at(3_601)),
                ..all()
            },
            &[2, 1],
        ),
        (
            CertificateFilter {
                form: Some(Form::Composite),
                not_after_from: Some(at(3_600)),
                ..all()
            },
            &[3, 1],
        ),
    ];
    for (filter, expected) in cases {
        let found = numbers(&store, &filter, 1).await?;
        anyhow::ensure!(found == expected, "{filter:?} shows {found:?}, not {expected:?}");
    }
    Ok(())
}

pub(super) async fn pruning_is_bounded_and_takes_the_oldest(store: Store) -> Outcome {
    let ending = |number: u64| -> anyhow::Result<CertificateWrite> {
        Ok(CertificateWrite::Intent(CertificateIntent {
            not_after: at(10 * number),
            ..intent(number)?
        }))
    };
    record(&store, &[ending(4)?, ending(2)?, ending(1)?, ending(3)?]).await?;
    record(&store, &[CertificateWrite::Issued(issued(1)?)]).await?;
    expect_eq!(store.prune_certificates(at(10), 100).await?, 0);
    expect_eq!(store.prune_certificates(at(31), 2).await?, 2);
    expect_eq!(numbers(&store, &CertificateFilter::default(), 10).await?, [3, 4]);
    expect_eq!(store.prune_certificates(at(31), 2).await?, 1);
    expect_eq!(store.certificate(&serial(1)?).await?, None);
    // A pruned serial number is unknown, and bytes for it are refused.
    let late = store
        .record_certificates(&[CertificateWrite::Issued(issued(1)?)])
        .await?;
    expect_error!(
        late.into_iter().collect::<Result<()>>(),
        DatastoreError::NotFound { .. }
    );
    Ok(())
}
