//! Authorities and the claims on component keys.

use symbolon_pki::suite::{Family, Suite};

use super::samples::{at, authority, hash};
use super::{Outcome, Store, expect_eq, expect_error};
use crate::datastore::{
    AuthorityMaterial, AuthorityRecord, AuthorityState, ComponentKeyClaim, DatastoreError, KeyRole,
    PublishedAuthorities, RecordKind,
};

pub(super) async fn an_authority_reads_back_with_its_keys(store: Store) -> Outcome {
    expect_eq!(
        store.published_authorities().await?,
        PublishedAuthorities::default()
    );
    let composite = authority("aa", Family::Composite, 1)?;
    let material = AuthorityMaterial::Jwt {
        key_id: "kid".to_owned(),
        spki: vec![1, 2, 3],
    };
    let jwt = AuthorityRecord {
        family: Family::Jwt,
        suite: Suite::EcdsaP256,
        material,
        keys: Vec::new(),
        ..authority("bb", Family::Jwt, 5)?
    };
    expect_eq!(store.add_authority(&composite).await?, 1);
    expect_eq!(store.add_authority(&jwt).await?, 2);
    expect_eq!(store.authority("aa").await?, Some(composite.clone()));
    expect_eq!(store.authority("zz").await?, None);
    expect_eq!(store.authorities(None).await?, [composite.clone(), jwt.clone()]);
    expect_eq!(
        store.authorities(Some(Family::Jwt)).await?,
        std::slice::from_ref(&jwt)
    );
    let published = store.published_authorities().await?;
    expect_eq!(
        published,
        PublishedAuthorities {
            sequence: 2,
            authorities: vec![composite, jwt],
            ..PublishedAuthorities::default()
        }
    );
    Ok(())
}

pub(super) async fn an_alternative_key_reads_back_beside_the_native_one(store: Store) -> Outcome {
    let mut both = authority("aa", Family::Classical, 1)?;
    (both.suite, both.alternative) = (Suite::EcdsaP256, Some(Suite::MlDsa65));
    for (key, role) in both.keys.iter_mut().zip([KeyRole::Native, KeyRole::Alternative]) {
        key.role = role;
    }
    store.add_authority(&both).await?;
    expect_eq!(store.authority("aa").await?, Some(both));
    Ok(())
}

pub(super) async fn activation_replaces_the_active_one_and_is_not_published(store: Store) -> Outcome {
    store
        .add_authority(&authority("aa", Family::Composite, 1)?)
        .await?;
    let first = store
        .change_authority_state("aa", AuthorityState::Active, at(20))
        .await?;
    expect_eq!(
        (first.authority.state, first.replaced, first.sequence),
        (AuthorityState::Active, None, 1)
    );
    expect_eq!(first.authority.changed_at, at(20));
    store
        .add_authority(&authority("bb", Family::Composite, 3)?)
        .await?;
    let second = store
        .change_authority_state("bb", AuthorityState::Active, at(30))
        .await?;
    let replaced = AuthorityRecord {
        state: AuthorityState::Old,
        changed_at: at(30),
        activated_at: Some(at(20)),
        ..authority("aa", Family::Composite, 1)?
    };
    expect_eq!(second.replaced, Some(replaced.clone()));
    expect_eq!(second.authority.activated_at, Some(at(30)));
    expect_eq!(second.sequence, 2);
    expect_eq!(store.authorities(None).await?, [replaced, second.authority]);
    // Families do not touch each other.
    store.add_authority(&authority("cc", Family::MlDsa, 5)?).await?;
    let other = store
        .change_authority_state("cc", AuthorityState::Active, at(40))
        .await?;
    expect_eq!(other.replaced, None);
    Ok(())
}

pub(super) async fn tainting_and_revoking_are_published(store: Store) -> Outcome {
    store
        .add_authority(&authority("aa", Family::Composite, 1)?)
        .await?;
    store
        .change_authority_state("aa", AuthorityState::Old, at(1))
        .await?;
    let tainted = store
        .change_authority_state("aa", AuthorityState::Tainted, at(2))
        .await?;
    expect_eq!(
        (tainted.authority.state, tainted.sequence),
        (AuthorityState::Tainted, 2)
    );
    expect_eq!(
        store.published_authorities().await?.authorities,
        [tainted.authority]
    );
    let revoked = store
        .change_authority_state("aa", AuthorityState::Revoked, at(3))
        .await?;
    expect_eq!(revoked.sequence, 3);
    // It never signed, whatever became of it.
    expect_eq!(revoked.authority.activated_at, None);
    expect_eq!(
        store.published_authorities().await?,
        PublishedAuthorities {
            sequence: 3,
            ..PublishedAuthorities::default()
        }
    );
    expect_eq!(store.authority("aa").await?, Some(revoked.authority));
    Ok(())
}

pub(super) async fn steps_outside_the_life_cycle_are_refused(store: Store) -> Outcome {
    let active = AuthorityRecord {
        state: AuthorityState::Active,
        ..authority("aa", Family::Composite, 1)?
    };
    expect_error!(store.add_authority(&active).await, DatastoreError::Invalid { .. });
    store
        .add_authority(&authority("aa", Family::Composite, 1)?)
        .await?;
    store
        .change_authority_state("aa", AuthorityState::Active, at(1))
        .await?;
    for next in [
        AuthorityState::Prepared,
        AuthorityState::Active,
        AuthorityState::Tainted,
        AuthorityState::Revoked,
    ] {
        expect_error!(
            store.change_authority_state("aa", next, at(2)).await,
            DatastoreError::Conflict {
                kind: RecordKind::Authority,
                ..
            }
        );
    }
    expect_error!(
        store
            .change_authority_state("zz", AuthorityState::Old, at(2))
            .await,
        DatastoreError::NotFound { .. }
    );
    let after = store.published_authorities().await?;
    expect_eq!((after.sequence, after.authorities.len()), (1, 1));
    Ok(())
}

pub(super) async fn one_prepared_authority_in_a_family(store: Store) -> Outcome {
    store
        .add_authority(&authority("aa", Family::Composite, 1)?)
        .await?;
    expect_error!(
        store.add_authority(&authority("bb", Family::Composite, 3)?).await,
        DatastoreError::Conflict { .. }
    );
    expect_error!(
        store.add_authority(&authority("aa", Family::MlDsa, 5)?).await,
        DatastoreError::AlreadyExists {
            kind: RecordKind::Authority,
            ..
        }
    );
    expect_eq!(store.published_authorities().await?.sequence, 1);
    expect_eq!(store.component_key_claims(&[hash(3), hash(5)]).await?, []);
    store
        .change_authority_state("aa", AuthorityState::Old, at(1))
        .await?;
    store
        .add_authority(&authority("bb", Family::Composite, 3)?)
        .await?;
    Ok(())
}

pub(super) async fn no_component_key_is_used_twice(store: Store) -> Outcome {
    store
        .add_authority(&authority("aa", Family::Composite, 1)?)
        .await?;
    // Key 2 is the classical half of `aa`.
    expect_error!(
        store.add_authority(&authority("bb", Family::MlDsa, 2)?).await,
        DatastoreError::AlreadyExists {
            kind: RecordKind::ComponentKey,
            ..
        }
    );
    expect_eq!(store.authority("bb").await?, None);
    let twice = AuthorityRecord {
        keys: vec![authority("cc", Family::MlDsa, 7)?.keys[0].clone(); 2],
        ..authority("cc", Family::MlDsa, 7)?
    };
    expect_error!(
        store.add_authority(&twice).await,
        DatastoreError::AlreadyExists {
            kind: RecordKind::ComponentKey,
            ..
        }
    );
    let claim = |number| ComponentKeyClaim {
        spki_sha256: hash(number),
        owner: "authority/aa".to_owned(),
    };
    expect_eq!(
        store.component_key_claims(&[hash(1), hash(2), hash(3)]).await?,
        [claim(1), claim(2)]
    );
    Ok(())
}

pub(super) async fn pruning_spares_the_active_one_and_keeps_claims(store: Store) -> Outcome {
    for (id, number) in [("aa", 1), ("bb", 3)] {
        store
            .add_authority(&authority(id, Family::Composite, number)?)
            .await?;
        store
            .change_authority_state(id, AuthorityState::Active, at(1))
            .await?;
    }
    let lasting = AuthorityRecord {
        not_after: at(9_000),
        ..authority("cc", Family::Composite, 5)?
    };
    store.add_authority(&lasting).await?;
    expect_eq!(store.prune_authorities(at(1_000)).await?, []);
    let pruned = store.prune_authorities(at(1_001)).await?;
    expect_eq!(
        pruned
            .iter()
            .map(|one| one.authority_id.as_str())
            .collect::<Vec<_>>(),
        ["aa"]
    );
    expect_eq!(pruned.iter().map(|one| one.keys.len()).sum::<usize>(), 2);
    let left = store.published_authorities().await?;
    expect_eq!(
        left.authorities
            .iter()
            .map(|one| one.authority_id.as_str())
            .collect::<Vec<_>>(),
        ["bb", "cc"]
    );
    expect_eq!(left.sequence, 4);
    expect_error!(
        store.add_authority(&authority("dd", Family::MlDsa, 1)?).await,
        DatastoreError::AlreadyExists {
            kind: RecordKind::ComponentKey,
            ..
        }
    );
    // Nobody sees a revoked one go.
    store
        .change_authority_state("bb", AuthorityState::Old, at(2))
        .await?;
    store
        .change_authority_state("bb", AuthorityState::Tainted, at(2))
        .await?;
    let revoked = store
        .change_authority_state("bb", AuthorityState::Revoked, at(2))
        .await?;
    expect_eq!(store.prune_authorities(at(1_001)).await?, [revoked.authority]);
    expect_eq!(store.published_authorities().await?.sequence, revoked.sequence);
    Ok(())
}

pub(super) async fn claims_are_all_or_none(store: Store) -> Outcome {
    store
        .claim_component_keys("server", &[hash(1), hash(2)], at(0))
        .await?;
    store
        .claim_component_keys("server", &[hash(2), hash(3)], at(1))
        .await?;
    expect_error!(
        store
            .claim_component_keys("other", &[hash(4), hash(3)], at(2))
            .await,
        DatastoreError::AlreadyExists {
            kind: RecordKind::ComponentKey,
            ..
        }
    );
    let owners: Vec<_> = store
        .component_key_claims(&[hash(1), hash(2), hash(3), hash(4)])
        .await?;
    expect_eq!(
        owners
            .iter()
            .map(|claim| claim.owner.as_str())
            .collect::<Vec<_>>(),
        ["server"; 3]
    );
    Ok(())
}
