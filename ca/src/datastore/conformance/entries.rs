//! Registration entries.

use std::time::Duration;

use spiffe::TrustDomain;

use super::samples::{at, full_entry, plain_entry, selectors};
use super::{Outcome, Store, all_pages, expect_eq, expect_error};
use crate::datastore::{
    DatastoreError, EntryCreation, EntryFilter, EntryRecord, PageRequest, RecordKind, Selector, SetFilter,
    SetMatch,
};

async fn create(store: &Store, entry: &EntryRecord) -> anyhow::Result<EntryRecord> {
    match store.create_entry(entry).await? {
        EntryCreation::Created(created) => Ok(created),
        EntryCreation::Existing(other) => anyhow::bail!("{entry:?} was found alike to {other:?}"),
    }
}

pub(super) async fn an_entry_reads_back_with_every_field(store: Store) -> Outcome {
    let full = full_entry("full")?;
    let plain = plain_entry("plain", "/plain", &["unix:uid:1"])?;
    expect_eq!(create(&store, &full).await?, full);
    // Fractions of a second are not kept, and the revision number is not the caller's to choose.
    let asked = EntryRecord {
        revision_number: 7,
        created_at: at(0) + Duration::from_millis(900),
        x509_svid_ttl: None,
        ..plain.clone()
    };
    expect_eq!(create(&store, &asked).await?, plain);
    expect_eq!(store.entry("full").await?, Some(full.clone()));
    expect_eq!(store.entry("plain").await?, Some(plain.clone()));
    expect_eq!(store.entry("none").await?, None);
    let page = store
        .list_entries(&EntryFilter::default(), &PageRequest::first(10))
        .await?;
    expect_eq!(page.items, [full, plain]);
    expect_eq!(page.next, None);
    Ok(())
}

pub(super) async fn a_like_entry_is_returned_instead_of_created(store: Store) -> Outcome {
    let first = create(&store, &full_entry("first")?).await?;
    let alike = EntryRecord {
        hint: "another".to_owned(),
        dns_names: Vec::new(),
        ..full_entry("second")?
    };
    expect_eq!(
        store.create_entry(&alike).await?,
        EntryCreation::Existing(first.clone())
    );
    expect_eq!(store.entry("second").await?, None);
    expect_eq!(store.entry("first").await?, Some(first));
    // One selector more or less, another parent, another identity: not alike.
    let mut other = full_entry("more")?;
    let one_more = Selector::new("unix", "gid:5");
    other.selectors = other.selectors.iter().cloned().chain([one_more]).collect();
    create(&store, &other).await?;
    create(
        &store,
        &EntryRecord {
            parent_id: "spiffe://example.org/x".parse()?,
            ..full_entry("parent")?
        },
    )
    .await?;
    create(
        &store,
        &EntryRecord {
            spiffe_id: "spiffe://example.org/x".parse()?,
            ..full_entry("id")?
        },
    )
    .await?;
    // An id can be had once.
    let taken = plain_entry("first", "/elsewhere", &["unix:uid:1"])?;
    expect_error!(
        store.create_entry(&taken).await,
        DatastoreError::AlreadyExists {
            kind: RecordKind::Entry,
            ..
        }
    );
    expect_eq!(store.count_entries(&EntryFilter::default()).await?, 4);
    Ok(())
}

pub(super) async fn what_cannot_be_kept_is_refused(store: Store) -> Outcome {
    let nul = || "a\0b".to_owned();
    let bad = [
        plain_entry("", "/a", &["unix:uid:1"])?,
        plain_entry("x", "/a", &[])?,
        EntryRecord {
            hint: nul(),
            ..full_entry("x")?
        },
        EntryRecord {
            dns_names: vec![nul()],
            ..full_entry("x")?
        },
        EntryRecord {
            owner: nul(),
            ..full_entry("x")?
        },
        EntryRecord {
            leaf_key_algorithms: [nul()].into(),
            ..full_entry("x")?
        },
        EntryRecord {
            selectors: [Selector::new("unix", nul())].into(),
            ..full_entry("x")?
        },
    ];
    for entry in bad {
        expect_error!(store.create_entry(&entry).await, DatastoreError::Invalid { .. });
    }
    expect_eq!(store.count_entries(&EntryFilter::default()).await?, 0);
    Ok(())
}

pub(super) async fn updates_need_the_present_revision(store: Store) -> Outcome {
    let before = create(&store, &full_entry("one")?).await?;
    let wanted = EntryRecord {
        created_at: at(77),
        admin: true,
        ..plain_entry("one", "/new", &["unix:uid:7", "unix:gid:8"])?
    };
    let after = store.update_entry(&wanted).await?;
    expect_eq!(
        after,
        EntryRecord {
            revision_number: 1,
            created_at: before.created_at,
            ..wanted.clone()
        }
    );
    expect_eq!(store.entry("one").await?, Some(after.clone()));
    expect_error!(
        store.update_entry(&wanted).await,
        DatastoreError::Conflict {
            kind: RecordKind::Entry,
            ..
        }
    );
    let again = store
        .update_entry(&EntryRecord {
            hint: "h".to_owned(),
            ..after
        })
        .await?;
    expect_eq!((again.revision_number, again.hint.as_str()), (2, "h"));
    let unknown = plain_entry("none", "/new", &["unix:uid:7"])?;
    expect_error!(
        store.update_entry(&unknown).await,
        DatastoreError::NotFound { .. }
    );
    let bare = plain_entry("one", "/new", &[])?;
    expect_error!(store.update_entry(&bare).await, DatastoreError::Invalid { .. });
    Ok(())
}

pub(super) async fn an_update_cannot_make_two_alike(store: Store) -> Outcome {
    create(&store, &plain_entry("one", "/a", &["unix:uid:1"])?).await?;
    let two = create(&store, &plain_entry("two", "/b", &["unix:uid:1"])?).await?;
    let alike = plain_entry("two", "/a", &["unix:uid:1"])?;
    match store.update_entry(&alike).await {
        Err(DatastoreError::AlreadyExists { id, .. }) => expect_eq!(id, "one"),
        other => anyhow::bail!("expected AlreadyExists, got {other:?}"),
    }
    expect_eq!(store.entry("two").await?, Some(two));
    Ok(())
}

pub(super) async fn a_deleted_entry_is_gone(store: Store) -> Outcome {
    let entry = create(&store, &full_entry("one")?).await?;
    expect_eq!(store.delete_entry("one").await?, entry);
    expect_error!(store.delete_entry("one").await, DatastoreError::NotFound { .. });
    expect_eq!(store.entry("one").await?, None);
    // Nothing is left that would stand in a new one's way.
    expect_eq!(create(&store, &full_entry("one")?).await?, entry);
    Ok(())
}

async fn ids(store: &Store, filter: &EntryFilter) -> anyhow::Result<Vec<String>> {
    let listed = all_pages(2, async |page| store.list_entries(filter, &page).await).await?;
    expect_eq!(store.count_entries(filter).await?, listed.len() as u64);
    Ok(listed.into_iter().map(|entry| entry.id).collect())
}

pub(super) async fn plain_filters_select(store: Store) -> Outcome {
    create(&store, &plain_entry("a", "/a", &["unix:uid:1"])?).await?;
    create(&store, &full_entry("b")?).await?;
    create(&store, &plain_entry("c", "/a", &["unix:uid:2"])?).await?;
    let all = EntryFilter::default;
    expect_eq!(ids(&store, &all()).await?, ["a", "b", "c"]);
    let spiffe_id = Some("spiffe://example.org/a".parse()?);
    expect_eq!(
        ids(
            &store,
            &EntryFilter {
                spiffe_id: spiffe_id.clone(),
                ..all()
            }
        )
        .await?,
        ["a", "c"]
    );
    let parent_id = Some(full_entry("b")?.parent_id);
    expect_eq!(
        ids(
            &store,
            &EntryFilter {
                parent_id: parent_id.clone(),
                ..all()
            }
        )
        .await?,
        ["b"]
    );
    let none: Vec<String> = ids(
        &store,
        &EntryFilter {
            parent_id,
            spiffe_id,
            ..all()
        },
    )
    .await?;
    expect_eq!(none, [""; 0]);
    expect_eq!(
        ids(
            &store,
            &EntryFilter {
                hint: Some("internal".to_owned()),
                ..all()
            }
        )
        .await?,
        ["b"]
    );
    expect_eq!(
        ids(
            &store,
            &EntryFilter {
                hint: Some(String::new()),
                ..all()
            }
        )
        .await?,
        ["a", "c"]
    );
    expect_eq!(
        ids(
            &store,
            &EntryFilter {
                downstream: Some(true),
                ..all()
            }
        )
        .await?,
        ["b"]
    );
    expect_eq!(
        ids(
            &store,
            &EntryFilter {
                downstream: Some(false),
                ..all()
            }
        )
        .await?,
        ["a", "c"]
    );
    Ok(())
}

pub(super) async fn set_filters_match_as_spire_does(store: Store) -> Outcome {
    // Each entry has selectors and federates with trust domains of the same names.
    for (id, members) in [("x", "x"), ("y", "y"), ("xy", "xy"), ("xyz", "xyz"), ("z", "z")] {
        let texts: Vec<String> = members.chars().map(|name| format!("s:{name}")).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let mut entry = plain_entry(id, &format!("/{id}"), &texts)?;
        for name in members.chars() {
            entry.federates_with.insert(format!("{name}.test").parse()?);
        }
        create(&store, &entry).await?;
    }
    create(&store, &plain_entry("lone", "/lone", &["other:x"])?).await?;
    let cases: [(&str, SetMatch, &[&str]); 8] = [
        ("xy", SetMatch::Exact, &["xy"]),
        ("xy", SetMatch::Subset, &["x", "y", "xy"]),
        ("xy", SetMatch::Superset, &["xy", "xyz"]),
        ("xy", SetMatch::Any, &["x", "y", "xy", "xyz"]),
        ("x", SetMatch::Exact, &["x"]),
        ("x", SetMatch::Superset, &["x", "xy", "xyz"]),
        ("xyzw", SetMatch::Subset, &["x", "y", "xy", "xyz", "z"]),
        ("w", SetMatch::Any, &[]),
    ];
    for (members, mode, expected) in cases {
        let names = || members.chars().map(String::from);
        let wanted = names().map(|name| Selector::new("s", name));
        let by_selector = EntryFilter {
            selectors: Some(SetFilter::new(wanted, mode)?),
            ..EntryFilter::default()
        };
        let found = ids(&store, &by_selector).await?;
        anyhow::ensure!(
            found == expected,
            "selectors {mode:?} {members}: {found:?}, not {expected:?}"
        );
        let domains: Result<Vec<TrustDomain>, _> =
            names().map(|name| format!("{name}.test").parse()).collect();
        let domains = Some(SetFilter::new(domains?, mode)?);
        let found = ids(
            &store,
            &EntryFilter {
                federates_with: domains.clone(),
                ..by_selector
            },
        )
        .await?;
        anyhow::ensure!(
            found == expected,
            "both {mode:?} {members}: {found:?}, not {expected:?}"
        );
        let found = ids(
            &store,
            &EntryFilter {
                federates_with: domains,
                ..EntryFilter::default()
            },
        )
        .await?;
        anyhow::ensure!(
            found == expected,
            "federates with {mode:?} {members}: {found:?}, not {expected:?}"
        );
    }
    Ok(())
}

pub(super) async fn listings_are_paged_and_survive_deletions(store: Store) -> Outcome {
    let names: Vec<String> = (0..9).map(|number| format!("e{number}")).collect();
    for name in &names {
        create(&store, &plain_entry(name, &format!("/{name}"), &["unix:uid:1"])?).await?;
    }
    for size in [1, 2, 4, 8, 9, 10] {
        let filter = EntryFilter::default();
        let listed = all_pages(size, async |page| store.list_entries(&filter, &page).await).await?;
        expect_eq!(
            listed.into_iter().map(|entry| entry.id).collect::<Vec<_>>(),
            names
        );
    }
    let first = store
        .list_entries(&EntryFilter::default(), &PageRequest::first(3))
        .await?;
    let Some(token) = first.next else {
        anyhow::bail!("there is more than one page")
    };
    // The record that the token stands on goes, and so does one before it.
    store.delete_entry("e2").await?;
    store.delete_entry("e0").await?;
    let second = store
        .list_entries(&EntryFilter::default(), &PageRequest::first(2).after(token))
        .await?;
    expect_eq!(
        second.items.into_iter().map(|entry| entry.id).collect::<Vec<_>>(),
        ["e3", "e4"]
    );
    Ok(())
}

pub(super) async fn only_expired_entries_are_pruned(store: Store) -> Outcome {
    for (id, expires_at) in [("never", None), ("early", Some(at(10))), ("late", Some(at(20)))] {
        let entry = plain_entry(id, &format!("/{id}"), &["unix:uid:1"])?;
        create(&store, &EntryRecord { expires_at, ..entry }).await?;
    }
    expect_eq!(store.prune_entries(at(10)).await?, 0);
    expect_eq!(store.prune_entries(at(11)).await?, 1);
    expect_eq!(ids(&store, &EntryFilter::default()).await?, ["never", "late"]);
    Ok(())
}

pub(super) async fn concurrent_creations_make_one(store: Store) -> Outcome {
    let mut attempts = tokio::task::JoinSet::new();
    for number in 0..16 {
        let store = store.clone();
        let entry = EntryRecord {
            selectors: selectors(&["unix:uid:1"]).into(),
            ..full_entry(&format!("e{number}"))?
        };
        attempts.spawn(async move { store.create_entry(&entry).await });
    }
    let mut created = 0;
    while let Some(attempt) = attempts.join_next().await {
        if let EntryCreation::Created(_) = attempt?? {
            created += 1;
        }
    }
    expect_eq!(created, 1);
    expect_eq!(store.count_entries(&EntryFilter::default()).await?, 1);
    Ok(())
}
