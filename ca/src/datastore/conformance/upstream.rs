//! What stands above the server's authorities: whose it is, and what becomes of it.

use std::collections::BTreeSet;

use symbolon_pki::bundle::{JwtAuthority, X509Authority};
use symbolon_pki::suite::Suite;

use super::federation::{authority, key};
use super::samples::at;
use super::{Outcome, Store, expect_eq};
use crate::datastore::{
    AppendedAuthorities, AuthorityKind, AuthorityState, LeftBehind, RootOrigin, UpstreamRoot,
};

fn of_root(root: &X509Authority) -> AppendedAuthorities {
    AppendedAuthorities {
        x509: vec![root.clone()],
        ..AppendedAuthorities::default()
    }
}

fn nothing() -> AppendedAuthorities {
    AppendedAuthorities::default()
}

async fn only_root(store: &Store) -> anyhow::Result<Option<UpstreamRoot>> {
    Ok(store.upstream_roots().await?.pop())
}

pub(super) async fn what_an_administrator_put_in_first_becomes_the_upstreams(store: Store) -> Outcome {
    let root = authority(Suite::EcdsaP256)?;
    store.append_authorities(&of_root(&root)).await?;
    let found = only_root(&store).await?.map(|it| (it.origin, it.state));
    expect_eq!(found, Some((RootOrigin::Administrator, AuthorityState::Old)));
    let changed = store.follow_upstream("upper", &of_root(&root), false).await?;
    expect_eq!(changed, false);
    let origin = only_root(&store).await?.map(|it| it.origin);
    expect_eq!(origin, Some(RootOrigin::Upstream("upper".to_owned())));
    let changed = store.follow_upstream("upper", &nothing(), true).await?;
    expect_eq!(changed, true);
    expect_eq!(only_root(&store).await?, None);
    Ok(())
}

pub(super) async fn what_a_former_upstream_put_in_is_told_and_becomes_the_next_ones(store: Store) -> Outcome {
    let (root, key) = (authority(Suite::EcdsaP256)?, key("one")?);
    let id = root.id().to_string();
    let had = AppendedAuthorities {
        jwt: vec![key],
        ..of_root(&root)
    };
    store.follow_upstream("upper", &had, true).await?;
    let expected =
        [(AuthorityKind::X509, id.as_str()), (AuthorityKind::Jwt, "one")].map(|(kind, id)| LeftBehind {
            upstream: "upper".to_owned(),
            kind,
            id: id.to_owned(),
        });
    for _ in 0..2 {
        let left = store.settle_upstreams(&BTreeSet::from(["hq"])).await?;
        expect_eq!(left, expected.to_vec());
    }
    let origin = only_root(&store).await?.map(|it| it.origin);
    expect_eq!(origin, Some(RootOrigin::Former("upper".to_owned())));
    let left = store.settle_upstreams(&BTreeSet::from(["upper"])).await?;
    expect_eq!(left, vec![]);

    store.settle_upstreams(&BTreeSet::from(["hq"])).await?;
    store.follow_upstream("hq", &of_root(&root), true).await?;
    let left = store.settle_upstreams(&BTreeSet::from(["hq"])).await?;
    expect_eq!(left.len(), 1);
    let origin = only_root(&store).await?.map(|it| it.origin);
    expect_eq!(origin, Some(RootOrigin::Upstream("hq".to_owned())));
    store.settle_upstreams(&BTreeSet::new()).await?;
    store.change_upstream_root(&id, AuthorityState::Tainted).await?;
    store.change_upstream_root(&id, AuthorityState::Revoked).await?;
    let left = store.settle_upstreams(&BTreeSet::new()).await?;
    expect_eq!(left.len(), 1);
    Ok(())
}

pub(super) async fn what_was_tainted_here_comes_back_tainted(store: Store) -> Outcome {
    let (here, above) = (authority(Suite::EcdsaP256)?, authority(Suite::EcdsaP256)?);
    let (key_here, key_above) = (key("here")?, key("above")?);
    let all = AppendedAuthorities {
        x509: vec![here.clone(), above.clone()],
        jwt: vec![key_here, key_above],
        ..nothing()
    };
    let mut told = all.clone();
    told.x509.iter_mut().skip(1).for_each(|root| root.tainted = true);
    told.jwt.iter_mut().skip(1).for_each(|key| key.tainted = true);
    store.follow_upstream("upper", &told, true).await?;
    store
        .change_upstream_root(&here.id().to_string(), AuthorityState::Tainted)
        .await?;
    store
        .change_appended_key(AuthorityKind::Jwt, "here", AuthorityState::Tainted)
        .await?;
    store.follow_upstream("upper", &nothing(), true).await?;
    expect_eq!(store.appended_authorities().await?, nothing());

    store.follow_upstream("upper", &all, true).await?;
    let found = store.appended_authorities().await?;
    let tainted = |root: &X509Authority| found.x509.iter().any(|it| it.tainted && it.id() == root.id());
    expect_eq!((tainted(&here), tainted(&above)), (true, false));
    let keys: Vec<_> = found
        .jwt
        .iter()
        .map(|key| (key.key_id.as_str(), key.tainted))
        .collect();
    expect_eq!(keys, vec![("here", true), ("above", false)]);
    Ok(())
}

pub(super) async fn what_servers_below_publish_is_theirs(store: Store) -> Outcome {
    let server = "spiffe://a.test/nested".parse()?;
    let (mut early, mut other) = (key("early")?, key("other")?);
    early.expires_at = Some(at(60));
    other.expires_at = Some(at(60));
    let of_key = |key: &JwtAuthority| AppendedAuthorities {
        jwt: vec![key.clone()],
        ..nothing()
    };
    // One came back from above before it came from below.
    store.follow_upstream("upper", &of_key(&early), true).await?;
    store.publish_authorities(&server, &of_key(&early), at(0)).await?;
    store.append_authorities(&of_key(&other)).await?;
    let published = store.published_keys(AuthorityKind::Jwt).await?;
    expect_eq!(published, vec![early]);
    store.follow_upstream("upper", &nothing(), true).await?;
    let left = store.appended_authorities().await?.jwt.len();
    expect_eq!(left, 2);
    let none = store.published_keys(AuthorityKind::Wit).await?;
    expect_eq!(none, vec![]);
    Ok(())
}
