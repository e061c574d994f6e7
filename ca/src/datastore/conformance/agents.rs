//! Attested agents.

use super::samples::{agent, at, selectors, serial};
use super::{Outcome, Store, all_pages, expect_eq, expect_error};
use crate::datastore::{
    AgentCertificate, AgentChange, AgentFilter, AgentRecord, DatastoreError, RecordKind, SetFilter, SetMatch,
};

pub(super) async fn an_agent_reads_back(store: Store) -> Outcome {
    let full = AgentRecord {
        renewed: Some(AgentCertificate {
            serial: serial(2)?,
            expires_at: at(7_200),
        }),
        can_reattest: true,
        agent_version: Some("1.2.3".to_owned()),
        ..agent("full", 1)?
    };
    let plain = AgentRecord {
        selectors: selectors(&[]),
        ..agent("plain", 3)?
    };
    store.attest_agent(&full).await?;
    store.attest_agent(&plain).await?;
    expect_eq!(store.agent(&full.spiffe_id).await?, Some(full.clone()));
    expect_eq!(store.agent(&plain.spiffe_id).await?, Some(plain.clone()));
    expect_eq!(store.agent(&"spiffe://example.org/nobody".parse()?).await?, None);
    let listed = all_pages(1, async |page| {
        store.list_agents(&AgentFilter::default(), &page).await
    })
    .await?;
    expect_eq!(listed, [full.clone(), plain]);
    expect_eq!(store.delete_agent(&full.spiffe_id).await?, full);
    expect_eq!(store.agent(&full.spiffe_id).await?, None);
    expect_error!(
        store.delete_agent(&full.spiffe_id).await,
        DatastoreError::NotFound {
            kind: RecordKind::Agent,
            ..
        }
    );
    Ok(())
}

pub(super) async fn attesting_again_replaces(store: Store) -> Outcome {
    let first = agent("a", 1)?;
    store.attest_agent(&first).await?;
    store.attest_agent(&agent("b", 2)?).await?;
    let renewed = AgentCertificate {
        serial: serial(5)?,
        expires_at: at(9_000),
    };
    store
        .change_agent(&first.spiffe_id, &AgentChange::Renewed(renewed))
        .await?;
    let again = AgentRecord {
        selectors: selectors(&["region:us"]),
        attested_at: at(50),
        ..agent("a", 9)?
    };
    store.attest_agent(&again).await?;
    let listed = all_pages(10, async |page| {
        store.list_agents(&AgentFilter::default(), &page).await
    })
    .await?;
    expect_eq!(listed, [again, agent("b", 2)?]);
    Ok(())
}

pub(super) async fn serial_numbers_follow_renewal_and_use(store: Store) -> Outcome {
    let first = agent("a", 1)?;
    store.attest_agent(&first).await?;
    let renewed = AgentCertificate {
        serial: serial(2)?,
        expires_at: at(7_200),
    };
    let after = store
        .change_agent(&first.spiffe_id, &AgentChange::Renewed(renewed.clone()))
        .await?;
    expect_eq!(
        after,
        AgentRecord {
            renewed: Some(renewed.clone()),
            ..first.clone()
        }
    );
    let still = store
        .change_agent(&first.spiffe_id, &AgentChange::Used(serial(1)?))
        .await?;
    expect_eq!(still, after);
    expect_error!(
        store
            .change_agent(&first.spiffe_id, &AgentChange::Used(serial(3)?))
            .await,
        DatastoreError::Conflict {
            kind: RecordKind::Agent,
            ..
        }
    );
    let moved = store
        .change_agent(&first.spiffe_id, &AgentChange::Used(serial(2)?))
        .await?;
    expect_eq!(
        moved,
        AgentRecord {
            current: renewed,
            ..first.clone()
        }
    );
    expect_error!(
        store
            .change_agent(&first.spiffe_id, &AgentChange::Used(serial(1)?))
            .await,
        DatastoreError::Conflict {
            kind: RecordKind::Agent,
            ..
        }
    );
    store
        .change_agent(&first.spiffe_id, &AgentChange::Version("2".to_owned()))
        .await?;
    let found = selectors(&["region:us", "zone:3"]);
    store
        .change_agent(&first.spiffe_id, &AgentChange::Selectors(found.clone()))
        .await?;
    let last = AgentRecord {
        agent_version: Some("2".to_owned()),
        selectors: found,
        ..moved
    };
    expect_eq!(store.agent(&first.spiffe_id).await?, Some(last));
    let nobody = "spiffe://example.org/nobody".parse()?;
    expect_error!(
        store.change_agent(&nobody, &AgentChange::Banned).await,
        DatastoreError::NotFound { .. }
    );
    Ok(())
}

pub(super) async fn a_banned_agent_cannot_come_back_until_deleted(store: Store) -> Outcome {
    let one = agent("a", 1)?;
    let banned = AgentRecord {
        banned: true,
        ..one.clone()
    };
    expect_error!(store.attest_agent(&banned).await, DatastoreError::Invalid { .. });
    store.attest_agent(&one).await?;
    expect_eq!(
        store.change_agent(&one.spiffe_id, &AgentChange::Banned).await?,
        banned
    );
    expect_eq!(
        store.change_agent(&one.spiffe_id, &AgentChange::Banned).await?,
        banned
    );
    expect_error!(
        store.attest_agent(&agent("a", 2)?).await,
        DatastoreError::Conflict { .. }
    );
    let used = AgentChange::Used(serial(1)?);
    expect_error!(
        store.change_agent(&one.spiffe_id, &used).await,
        DatastoreError::Conflict { .. }
    );
    expect_eq!(store.agent(&one.spiffe_id).await?, Some(banned));
    let (other, siblings) = (agent("b", 2)?, [one.spiffe_id.clone()]);
    expect_error!(
        store.attest_agent_alone(&other, &siblings).await,
        DatastoreError::Conflict { .. }
    );
    expect_eq!(store.agent(&other.spiffe_id).await?, None);
    store.delete_agent(&one.spiffe_id).await?;
    store.attest_agent(&one).await?;
    // Not banned, and the same node all the same.
    expect_error!(
        store.attest_agent_alone(&other, &siblings).await,
        DatastoreError::Conflict { .. }
    );
    store.delete_agent(&one.spiffe_id).await?;
    store.attest_agent_alone(&other, &siblings).await?;
    expect_eq!(store.agent(&other.spiffe_id).await?, Some(other));
    Ok(())
}

pub(super) async fn who_attests_once_is_added_once(store: Store) -> Outcome {
    let first = agent("a", 1)?;
    let again = agent("a", 2)?;
    let (one, other) = tokio::join!(store.attest_agent_once(&first), store.attest_agent_once(&again));
    let (refused, kept) = match (one, other) {
        (Ok(()), Err(refused)) => (refused, &first),
        (Err(refused), Ok(())) => (refused, &again),
        both => anyhow::bail!("one of two is added, and not: {both:?}"),
    };
    expect_error!(
        Err::<(), _>(refused),
        DatastoreError::AlreadyExists {
            kind: RecordKind::Agent,
            ..
        }
    );
    expect_eq!(store.agent(&first.spiffe_id).await?, Some(kept.clone()));
    store.change_agent(&first.spiffe_id, &AgentChange::Banned).await?;
    expect_error!(
        store.attest_agent_once(&again).await,
        DatastoreError::Conflict { .. }
    );
    store.delete_agent(&first.spiffe_id).await?;
    store.attest_agent_once(&again).await?;
    Ok(())
}

pub(super) async fn filters_select_and_pages_cut(store: Store) -> Outcome {
    store.attest_agent(&agent("a", 1)?).await?;
    let current = AgentCertificate {
        serial: serial(2)?,
        expires_at: at(10),
    };
    let tpm = AgentRecord {
        attestation_type: "tpm".to_owned(),
        can_reattest: true,
        selectors: selectors(&["region:us"]),
        current,
        ..agent("b", 2)?
    };
    store.attest_agent(&tpm).await?;
    let third = agent("c", 3)?;
    store.attest_agent(&third).await?;
    store.change_agent(&third.spiffe_id, &AgentChange::Banned).await?;
    let all = AgentFilter::default;
    let with = |texts: &[&str], mode| SetFilter::new(selectors(texts), mode).map(Some);
    let cases: [(AgentFilter, &[&str]); 10] = [
        (all(), &["a", "b", "c"]),
        (
            AgentFilter {
                attestation_type: Some("tpm".to_owned()),
                ..all()
            },
            &["b"],
        ),
        (
            AgentFilter {
                banned: Some(true),
                ..all()
            },
            &["c"],
        ),
        (
            AgentFilter {
                banned: Some(false),
                ..all()
            },
            &["a", "b"],
        ),
        (
            AgentFilter {
                can_reattest: Some(true),
                ..all()
            },
            &["b"],
        ),
        (
            AgentFilter {
                expires_before: Some(at(11)),
                ..all()
            },
            &["b"],
        ),
        (
            AgentFilter {
                expires_before: Some(at(10)),
                ..all()
            },
            &[],
        ),
        (
            AgentFilter {
                selectors: with(&["region:eu"], SetMatch::Superset)?,
                ..all()
            },
            &["a", "c"],
        ),
        (
            AgentFilter {
                selectors: with(&["region:eu"], SetMatch::Exact)?,
                ..all()
            },
            &[],
        ),
        (
            AgentFilter {
                selectors: with(&["region:eu", "region:us"], SetMatch::Any)?,
                banned: Some(false),
                ..all()
            },
            &["a", "b"],
        ),
    ];
    for (filter, expected) in cases {
        let listed = all_pages(1, async |page| store.list_agents(&filter, &page).await).await?;
        let names: Vec<_> = listed
            .iter()
            .filter_map(|agent| agent.spiffe_id.path().rsplit('/').next())
            .collect();
        anyhow::ensure!(names == expected, "{filter:?} shows {names:?}, not {expected:?}");
        expect_eq!(store.count_agents(&filter).await?, expected.len() as u64);
    }
    Ok(())
}
