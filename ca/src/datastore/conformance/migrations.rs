//! The record of migration.

use std::collections::BTreeMap;
use std::time::Duration;

use spiffe::SpiffeId;
use symbolon_pki::suite::Form;
use symbolon_tls::{MigrationStage, MigrationTarget};

use super::samples::{at, intent, issued};
use super::{Outcome, Store, expect_eq, expect_error};
use crate::datastore::{
    CertificateIntent, CertificateProfile, CertificateWrite, DatastoreError, LivingForms, MigrationChange,
    MigrationSetting,
};

fn change(entries: &str, setting: Option<MigrationSetting>) -> MigrationChange {
    MigrationChange {
        entries: entries.to_owned(),
        setting,
        changed_at: at(7),
        changed_by: "process 7 of user \"0\"".to_owned(),
        forced: setting.is_none(),
        reason: "because".to_owned(),
        quiet: setting.and(Some(Duration::from_secs(601))),
    }
}

pub(super) async fn changes_read_back_in_order_and_none_is_lost(store: Store) -> Outcome {
    expect_eq!(store.migration_changes().await?, []);
    let mut written = Vec::new();
    let mut known = 0;
    for target in MigrationTarget::ALL {
        for stage in std::iter::once(None).chain(MigrationStage::ALL.map(Some)) {
            let change = change("id:entry-1", Some(MigrationSetting { target, stage }));
            let revision = store.change_migration(known, &change).await?;
            anyhow::ensure!(revision > known, "{revision} after {known}");
            known = revision;
            written.push((revision, change));
        }
    }
    let gone = change("", None);
    // Somebody who does not know the last change changes nothing.
    for stale in [0, known - 1, known + 1] {
        expect_error!(
            store.change_migration(stale, &gone).await,
            DatastoreError::Conflict { .. }
        );
    }
    let last = store.change_migration(known, &gone).await?;
    written.push((last, gone.clone()));
    expect_eq!(store.migration_changes().await?, written);
    let nul = MigrationChange {
        reason: "a\0b".to_owned(),
        ..gone
    };
    expect_error!(
        store.change_migration(last, &nul).await,
        DatastoreError::Invalid { .. }
    );
    Ok(())
}

pub(super) async fn living_forms_are_those_of_signed_workload_svids(store: Store) -> Outcome {
    let of = |number, entry: &str, form| -> anyhow::Result<CertificateIntent> {
        Ok(CertificateIntent {
            form,
            entry_id: Some(entry.to_owned()),
            ..intent(number)?
        })
    };
    let agent = intent(1)?.agent_id;
    let other: Option<SpiffeId> = Some("spiffe://example.org/spire/agent/x/b".parse()?);
    let elsewhere = CertificateIntent {
        agent_id: other.clone(),
        ..of(7, "one", Form::Composite)?
    };
    let nowhere = CertificateIntent {
        agent_id: None,
        ..of(8, "one", Form::MlDsa)?
    };
    let over = CertificateIntent {
        not_after: at(99),
        ..of(4, "one", Form::MlDsa)?
    };
    let node = CertificateIntent {
        profile: CertificateProfile::Agent,
        ..of(5, "one", Form::Catalyst)?
    };
    let intents = [
        of(1, "one", Form::Classical)?,
        of(2, "one", Form::Composite)?,
        of(3, "two", Form::Classical)?,
        over,
        node,
        of(6, "two", Form::Composite)?,
        elsewhere,
        nowhere,
        of(9, "one", Form::Composite)?,
    ];
    let writes: Vec<_> = intents.into_iter().map(CertificateWrite::Intent).collect();
    // Number 6 was intended and never signed.
    let signed = [1, 2, 3, 4, 5, 7, 8, 9].map(|number| issued(number).map(CertificateWrite::Issued));
    let signed = signed.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    for outcome in store.record_certificates(&[writes, signed].concat()).await? {
        outcome?;
    }
    let living = store.living_forms(at(100)).await?;
    let expected = [
        (
            "one".to_owned(),
            BTreeMap::from([
                (agent.clone(), [Form::Classical, Form::Composite].into()),
                (other, [Form::Composite].into()),
                (None, [Form::MlDsa].into()),
            ]),
        ),
        (
            "two".to_owned(),
            BTreeMap::from([(agent, [Form::Classical].into())]),
        ),
    ];
    let expected: LivingForms = expected.into();
    expect_eq!(living, expected);
    expect_eq!(store.living_forms(at(3_601)).await?.len(), 0);
    Ok(())
}
