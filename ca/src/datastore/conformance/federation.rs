//! Bundles of other trust domains, relationships, and what others put into the own bundle.

use std::time::Duration;

use spiffe::SpiffeId;
use symbolon_crypto::random;
use symbolon_issuance::{AuthoritySpec, Serial, prepare_authority};
use symbolon_pki::bundle::{JwtAuthority, TrustBundle, X509Authority};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::key::PrivateKey;
use symbolon_pki::suite::{Form, Suite};

use super::samples::{at, full_entry, plain_entry};
use super::{Outcome, Store, all_pages, expect_eq, expect_error};
use crate::datastore::{
    AppendedAuthorities, AuthorityKind, AuthorityState, BundleParts, DatastoreError, DeleteMode, EntryFilter,
    FederationChange, FederationProfile, FederationRecord, FetchedBundle, MAX_APPENDED, MAX_APPENDED_LEN,
    MAX_FEDERATED_BUNDLE, MAX_PUBLISHED, X509Part,
};

pub(super) fn authority(suite: Suite) -> anyhow::Result<X509Authority> {
    let signer = PrivateKey::generate(suite)?.signer()?;
    let trust_domain = "a.test".parse()?;
    let spec = AuthoritySpec {
        trust_domain: &trust_domain,
        ttl: Duration::from_secs(3600),
        path_len: None,
    };
    let linted = prepare_authority(&spec, &signer, Serial::random(random::fill)?, at(0))?;
    let certificate = Certificate::from_der(linted.sign(&signer)?.der())?;
    Ok(X509Authority::new(certificate))
}

pub(super) fn key(key_id: &str) -> anyhow::Result<JwtAuthority> {
    let spki = PrivateKey::generate(Suite::EcdsaP256)?.public_key()?.spki_der();
    Ok(JwtAuthority::from_spki_der(key_id, &spki)?)
}

/// A bundle with something of every kind.
fn bundle(name: &str) -> anyhow::Result<TrustBundle> {
    let mut bundle = TrustBundle::new(name.parse()?);
    bundle.sequence = u64::MAX;
    bundle.refresh_hint = Some(Duration::from_secs(300));
    bundle.x509_authorities = vec![authority(Suite::EcdsaP256)?, authority(Suite::MlDsa44)?];
    bundle
        .x509_authorities
        .iter_mut()
        .for_each(|authority| authority.tainted = true);
    bundle.jwt_authorities = vec![key("one")?, key("two")?];
    bundle.wit_authorities = vec![key("one")?];
    for key in &mut bundle.jwt_authorities {
        key.expires_at = Some(at(60));
        key.tainted = true;
    }
    Ok(bundle)
}

fn empty(name: &str) -> anyhow::Result<TrustBundle> {
    Ok(TrustBundle::new(name.parse()?))
}

fn relationship(name: &str) -> anyhow::Result<FederationRecord> {
    Ok(FederationRecord {
        trust_domain: name.parse()?,
        endpoint_url: format!("https://{name}/bundle"),
        profile: FederationProfile::HttpsWeb,
    })
}

pub(super) async fn a_bundle_reads_back_with_everything_in_it(store: Store) -> Outcome {
    let written = bundle("a.test")?;
    expect_eq!(store.federated_bundle(&written.trust_domain).await?, None);
    store.create_federated_bundle(&written).await?;
    expect_eq!(
        store.federated_bundle(&written.trust_domain).await?,
        Some(written.clone())
    );
    expect_error!(
        store.create_federated_bundle(&empty("a.test")?).await,
        DatastoreError::AlreadyExists { .. }
    );
    store.create_federated_bundle(&empty("b.test")?).await?;
    expect_eq!(store.count_federated_bundles().await?, 2);
    let listed = all_pages(1, async |page| store.list_federated_bundles(&page).await).await?;
    expect_eq!(listed, vec![written, empty("b.test")?]);
    let mut nul = empty("c.test")?;
    nul.jwt_authorities = vec![key("a\0b")?];
    expect_error!(
        store.create_federated_bundle(&nul).await,
        DatastoreError::Invalid { .. }
    );
    Ok(())
}

pub(super) async fn parts_of_a_bundle_are_replaced_and_no_others(store: Store) -> Outcome {
    let first = bundle("a.test")?;
    let second = TrustBundle {
        sequence: 3,
        refresh_hint: None,
        x509_authorities: vec![authority(Suite::EcdsaP256)?],
        jwt_authorities: Vec::new(),
        wit_authorities: Vec::new(),
        ..first.clone()
    };
    expect_error!(
        store.update_federated_bundle(&second, &BundleParts::WHOLE).await,
        DatastoreError::NotFound { .. }
    );
    expect_eq!(
        store.set_federated_bundle(&first, &BundleParts::WHOLE).await?,
        first
    );
    let nothing = BundleParts {
        x509: X509Part::Untouched,
        jwt: false,
        wit: false,
        refresh_hint: false,
        sequence: false,
    };
    expect_eq!(store.update_federated_bundle(&second, &nothing).await?, first);
    let number = BundleParts {
        sequence: true,
        ..nothing.clone()
    };
    let numbered = store.update_federated_bundle(&second, &number).await?;
    expect_eq!(
        numbered,
        TrustBundle {
            sequence: 3,
            ..first.clone()
        }
    );
    // Who sees the classical authorities alone takes no other away.
    let seen = store
        .set_federated_bundle(&second, &BundleParts::seen(&[Form::Classical]))
        .await?;
    let kept: Vec<_> = second
        .x509_authorities
        .iter()
        .chain(first.x509_authorities.iter().skip(1))
        .cloned()
        .collect();
    expect_eq!(seen.x509_authorities, kept);
    expect_eq!(seen.jwt_authorities, Vec::new());
    let all = store
        .set_federated_bundle(&second, &BundleParts::seen(&[Form::Classical, Form::MlDsa]))
        .await?;
    expect_eq!(all, second);
    expect_eq!(store.federated_bundle(&second.trust_domain).await?, Some(second));
    Ok(())
}

pub(super) async fn a_bundle_that_is_too_long_is_refused(store: Store) -> Outcome {
    // The name of a key is the easiest to make long.
    let of = |suite: Suite, bytes: usize| -> anyhow::Result<TrustBundle> {
        let mut bundle = empty("a.test")?;
        bundle.x509_authorities = vec![authority(suite)?];
        bundle.jwt_authorities = vec![key(&"k".repeat(bytes))?];
        Ok(bundle)
    };
    let long = of(Suite::EcdsaP256, MAX_FEDERATED_BUNDLE)?;
    let whole = BundleParts::WHOLE;
    expect_error!(
        store.create_federated_bundle(&long).await,
        DatastoreError::Invalid { .. }
    );
    expect_error!(
        store.set_federated_bundle(&long, &whole).await,
        DatastoreError::Invalid { .. }
    );
    expect_error!(
        store
            .create_federation(&relationship("a.test")?, Some((&long, &whole)))
            .await,
        DatastoreError::Invalid { .. }
    );
    expect_eq!(store.federated_bundle(&long.trust_domain).await?, None);
    expect_eq!(store.federation(&long.trust_domain).await?, None);
    // Short enough by itself, and too long beside what stays.
    let first = of(Suite::MlDsa44, MAX_FEDERATED_BUNDLE - 6 * 1024)?;
    store.create_federated_bundle(&first).await?;
    let mut second = empty("a.test")?;
    second.x509_authorities = vec![authority(Suite::MlDsa87)?];
    let certificates = BundleParts {
        x509: X509Part::Seen([Form::Classical].into()),
        jwt: false,
        ..BundleParts::WHOLE
    };
    expect_error!(
        store.set_federated_bundle(&second, &certificates).await,
        DatastoreError::Invalid { .. }
    );
    expect_eq!(store.federated_bundle(&first.trust_domain).await?, Some(first));
    Ok(())
}

pub(super) async fn what_was_fetched_counts_while_its_relationship_does(store: Store) -> Outcome {
    let (by, numbered) = (
        relationship("a.test")?,
        |sequence| -> anyhow::Result<TrustBundle> {
            Ok(TrustBundle {
                sequence,
                ..empty("a.test")?
            })
        },
    );
    let second = numbered(2)?;
    expect_eq!(
        store.set_fetched_bundle(&second, &by, true).await?,
        FetchedBundle::NoRelationship
    );
    expect_eq!(store.federated_bundle(&second.trust_domain).await?, None);
    store.create_federation(&by, None).await?;
    let set = |bundle: &TrustBundle, changed| FetchedBundle::Set {
        bundle: bundle.clone(),
        changed,
    };
    expect_eq!(
        store.set_fetched_bundle(&second, &by, true).await?,
        set(&second, true)
    );
    expect_eq!(
        store.set_fetched_bundle(&second, &by, true).await?,
        set(&second, false)
    );
    let first = numbered(1)?;
    expect_eq!(
        store.set_fetched_bundle(&first, &by, true).await?,
        FetchedBundle::Older(2)
    );
    expect_eq!(
        store.federated_bundle(&second.trust_domain).await?,
        Some(second.clone())
    );
    // By order of an operator, and where there are no numbers.
    expect_eq!(
        store.set_fetched_bundle(&first, &by, false).await?,
        set(&first, true)
    );
    let none = numbered(0)?;
    expect_eq!(
        store.set_fetched_bundle(&none, &by, true).await?,
        set(&none, true)
    );
    // The one there is by now leads elsewhere.
    let other = FederationRecord {
        endpoint_url: "https://elsewhere.test/bundle".to_owned(),
        ..by
    };
    expect_eq!(
        store.set_fetched_bundle(&second, &other, false).await?,
        FetchedBundle::NoRelationship
    );
    expect_eq!(store.federated_bundle(&second.trust_domain).await?, Some(none));
    Ok(())
}

pub(super) async fn entries_decide_whether_a_bundle_may_go(store: Store) -> Outcome {
    for name in ["a.test", "b.test"] {
        store.create_federated_bundle(&empty(name)?).await?;
    }
    // It federates with both, and another with neither.
    let entry = full_entry("x")?;
    store.create_entry(&entry).await?;
    store
        .create_entry(&plain_entry("y", "/y", &["unix:uid:1"])?)
        .await?;
    let (a, b) = ("a.test".parse()?, "b.test".parse()?);
    expect_error!(
        store.delete_federated_bundle(&a, DeleteMode::Restrict).await,
        DatastoreError::Conflict { .. }
    );
    expect_eq!(store.federated_bundle(&a).await?.is_some(), true);
    expect_eq!(
        store.delete_federated_bundle(&a, DeleteMode::Dissociate).await?,
        1
    );
    let left = store.entry("x").await?;
    let left = left.map(|entry| (entry.federates_with, entry.revision_number));
    expect_eq!(left, Some((["b.test".parse()?].into(), 1)));
    expect_eq!(store.delete_federated_bundle(&b, DeleteMode::Delete).await?, 1);
    expect_eq!(store.count_entries(&EntryFilter::default()).await?, 1);
    expect_eq!(store.count_federated_bundles().await?, 0);
    for mode in [DeleteMode::Restrict, DeleteMode::Delete, DeleteMode::Dissociate] {
        expect_error!(
            store.delete_federated_bundle(&a, mode).await,
            DatastoreError::NotFound { .. }
        );
    }
    store.create_federated_bundle(&empty("a.test")?).await?;
    expect_eq!(store.delete_federated_bundle(&a, DeleteMode::Restrict).await?, 0);
    Ok(())
}

pub(super) async fn a_relationship_reads_back_and_changes(store: Store) -> Outcome {
    let made = relationship("a.test")?;
    let (name, whole) = (made.trust_domain.clone(), BundleParts::WHOLE);
    expect_eq!(store.federation(&name).await?, None);
    store
        .create_federation(&made, Some((&bundle("a.test")?, &whole)))
        .await?;
    expect_eq!(store.federation(&name).await?, Some(made.clone()));
    expect_eq!(store.count_federated_bundles().await?, 1);
    expect_error!(
        store.create_federation(&made, None).await,
        DatastoreError::AlreadyExists { .. }
    );
    // Half a change is none: neither the relationship nor the bundle.
    let other = relationship("b.test")?;
    expect_error!(
        store
            .create_federation(&other, Some((&empty("c.test")?, &whole)))
            .await,
        DatastoreError::Invalid { .. }
    );
    expect_eq!(store.federation(&other.trust_domain).await?, None);
    let change = FederationChange {
        endpoint_url: None,
        profile: Some(FederationProfile::HttpsSpiffe("spiffe://c.test/e".parse()?)),
    };
    expect_error!(
        store
            .update_federation(&name, &change, Some((&empty("c.test")?, &whole)))
            .await,
        DatastoreError::Invalid { .. }
    );
    expect_eq!(store.federation(&name).await?, Some(made.clone()));
    let changed = store
        .update_federation(&name, &change, Some((&empty("a.test")?, &whole)))
        .await?;
    expect_eq!(changed.endpoint_url, made.endpoint_url);
    expect_eq!(Some(changed.profile.clone()), change.profile);
    expect_eq!(store.federation(&name).await?, Some(changed.clone()));
    expect_eq!(store.federated_bundle(&name).await?, Some(empty("a.test")?));
    expect_error!(
        store.update_federation(&other.trust_domain, &change, None).await,
        DatastoreError::NotFound { .. }
    );
    store.create_federation(&other, None).await?;
    let listed = all_pages(1, async |page| store.list_federation(&page).await).await?;
    expect_eq!(listed, vec![changed, other]);
    store.delete_federation(&name).await?;
    expect_error!(
        store.delete_federation(&name).await,
        DatastoreError::NotFound { .. }
    );
    expect_eq!(store.federated_bundle(&name).await?.is_some(), true);
    Ok(())
}

pub(super) async fn what_others_append_is_published_once(store: Store) -> Outcome {
    let mut added = AppendedAuthorities {
        x509: vec![authority(Suite::EcdsaP256)?],
        jwt: vec![key("one")?],
        wit: vec![key("one")?],
    };
    added.jwt.iter_mut().for_each(|key| key.expires_at = Some(at(60)));
    for _ in 0..2 {
        store.append_authorities(&added).await?;
        let published = store.published_authorities().await?;
        expect_eq!((published.sequence, &published.appended), (1, &added));
    }
    // A name belongs to one key, and of several authorities all are added or none.
    let taken = AppendedAuthorities {
        x509: vec![authority(Suite::MlDsa44)?],
        jwt: vec![key("one")?],
        ..AppendedAuthorities::default()
    };
    expect_error!(
        store.append_authorities(&taken).await,
        DatastoreError::AlreadyExists { .. }
    );
    let mut many = AppendedAuthorities::default();
    let spare = key("spare")?;
    for number in 0..=MAX_APPENDED {
        let key_id = format!("key-{number}");
        let material = PrivateKey::generate(Suite::EcdsaP256)?.public_key()?.spki_der();
        many.jwt.push(JwtAuthority {
            key_id,
            ..JwtAuthority::from_spki_der(&spare.key_id, &material)?
        });
    }
    expect_error!(
        store.append_authorities(&many).await,
        DatastoreError::Conflict { .. }
    );
    expect_eq!(store.appended_authorities().await?, added);
    // The certificate lives for an hour, the JWT key for a minute, the WIT key for ever.
    expect_eq!(store.prune_appended_authorities(at(60)).await?, 0);
    expect_eq!(store.published_authorities().await?.sequence, 1);
    expect_eq!(store.prune_appended_authorities(at(61)).await?, 1);
    expect_eq!(store.prune_appended_authorities(at(1 << 30)).await?, 1);
    let published = store.published_authorities().await?;
    expect_eq!(published.sequence, 3);
    expect_eq!((published.appended.len(), published.appended.wit), (1, added.wit));
    Ok(())
}

pub(super) async fn what_others_append_is_bounded_in_bytes(store: Store) -> Outcome {
    let one = authority(Suite::MlDsa87)?;
    let number = MAX_APPENDED_LEN / one.certificate.der().len() + 1;
    anyhow::ensure!(number < MAX_APPENDED, "{number} of them are too many anyway");
    let mut many = AppendedAuthorities::default();
    for _ in 0..number {
        many.x509.push(authority(Suite::MlDsa87)?);
    }
    expect_error!(
        store.append_authorities(&many).await,
        DatastoreError::Conflict { .. }
    );
    expect_eq!(
        store.appended_authorities().await?,
        AppendedAuthorities::default()
    );
    let spare = many.x509.pop();
    store.append_authorities(&many).await?;
    // What administrators added leaves servers below this one their own room.
    let below: SpiffeId = "spiffe://a.test/below".parse()?;
    let added = AppendedAuthorities {
        x509: spare.into_iter().collect(),
        ..AppendedAuthorities::default()
    };
    store.publish_authorities(&below, &added, at(0)).await?;
    Ok(())
}

pub(super) async fn a_publisher_has_a_share_and_no_more(store: Store) -> Outcome {
    let one: SpiffeId = "spiffe://a.test/one".parse()?;
    let other: SpiffeId = "spiffe://a.test/other".parse()?;
    let keys = |name: &str, end: u64| -> anyhow::Result<AppendedAuthorities> {
        let mut jwt = vec![key(name)?];
        jwt.iter_mut().for_each(|key| key.expires_at = Some(at(end)));
        Ok(AppendedAuthorities {
            jwt,
            ..AppendedAuthorities::default()
        })
    };
    for number in 0..MAX_PUBLISHED {
        // The first two end before the others.
        let end = if number < 2 { 60 } else { 600 };
        let added = keys(&format!("one-{number}"), end)?;
        store.publish_authorities(&one, &added, at(0)).await?;
    }
    let more = keys("more", 600)?;
    expect_error!(
        store.publish_authorities(&one, &more, at(59)).await,
        DatastoreError::Conflict { .. }
    );
    expect_eq!(store.appended_authorities().await?.len(), MAX_PUBLISHED);
    // Nobody else is kept out by that, nor is what is there already refused.
    let known = store.appended_authorities().await?;
    store.publish_authorities(&one, &known, at(59)).await?;
    store
        .publish_authorities(&other, &keys("other", 60)?, at(59))
        .await?;
    store.append_authorities(&keys("appended", 60)?).await?;
    // What has ended makes room, one for one, and only the publisher's own.
    store.publish_authorities(&one, &more, at(60)).await?;
    let names: Vec<_> = store
        .appended_authorities()
        .await?
        .jwt
        .into_iter()
        .map(|key| key.key_id)
        .collect();
    expect_eq!(names.len(), MAX_PUBLISHED + 2);
    let has = |name: &str| names.iter().any(|known| known == name);
    expect_eq!((has("one-0"), has("one-1"), has("more")), (false, true, true));
    expect_eq!((has("other"), has("appended")), (true, true));
    Ok(())
}

async fn state_of_one(store: &Store) -> anyhow::Result<Option<(bool, AuthorityState)>> {
    let found = store.appended_key(AuthorityKind::Jwt, "one").await?;
    Ok(found.map(|(key, state)| (key.tainted, state)))
}

pub(super) async fn a_key_that_others_appended_can_be_tainted_and_revoked_for_good(store: Store) -> Outcome {
    let kind = AuthorityKind::Jwt;
    let added = AppendedAuthorities {
        jwt: vec![key("one")?],
        wit: vec![key("one")?],
        ..AppendedAuthorities::default()
    };
    store.append_authorities(&added).await?;
    expect_eq!(state_of_one(&store).await?, Some((false, AuthorityState::Old)));
    expect_eq!(store.appended_key(kind, "two").await?, None);
    expect_eq!(store.appended_key(AuthorityKind::X509, "one").await?, None);
    expect_error!(
        store
            .change_appended_key(kind, "two", AuthorityState::Tainted)
            .await,
        DatastoreError::NotFound { .. }
    );
    expect_error!(
        store
            .change_appended_key(kind, "one", AuthorityState::Revoked)
            .await,
        DatastoreError::Conflict { .. }
    );
    expect_eq!(store.published_authorities().await?.sequence, 1);

    let tainted = store
        .change_appended_key(kind, "one", AuthorityState::Tainted)
        .await?;
    expect_eq!((tainted.key_id.as_str(), tainted.tainted), ("one", true));
    expect_eq!(state_of_one(&store).await?, Some((true, AuthorityState::Tainted)));
    let published = store.published_authorities().await?;
    expect_eq!((published.sequence, published.appended.jwt), (2, vec![tainted]));
    expect_eq!(published.appended.wit, added.wit.clone());
    // Who added it before and does not know of that does not make it better.
    store.append_authorities(&added).await?;
    expect_eq!(state_of_one(&store).await?, Some((true, AuthorityState::Tainted)));
    expect_eq!(store.published_authorities().await?.sequence, 2);

    store
        .change_appended_key(kind, "one", AuthorityState::Revoked)
        .await?;
    let published = store.published_authorities().await?;
    expect_eq!((published.sequence, published.appended.jwt.len()), (3, 0));
    expect_error!(
        store.append_authorities(&added).await,
        DatastoreError::AlreadyExists { .. }
    );
    // Whoever adds one again may say that it is tainted.
    let mut again = AppendedAuthorities {
        wit: added.wit,
        ..AppendedAuthorities::default()
    };
    again.wit.iter_mut().for_each(|key| key.tainted = true);
    store.append_authorities(&again).await?;
    let published = store.published_authorities().await?;
    expect_eq!((published.sequence, published.appended.wit), (4, again.wit));
    Ok(())
}
