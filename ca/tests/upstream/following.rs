//! What an upstream has, adds and takes back, and what it does not believe any more.

use std::sync::Arc;
use std::time::Duration;

use spiffe::SpiffeId;
use symbolon_ca::authorities::{CommandError, Step};
use symbolon_ca::datastore::{
    AppendedAuthorities, AuthorityKind, AuthorityState, FederationStore as _, RootOrigin,
};
use symbolon_ca::upstream::NamedUpstream;
use symbolon_hsm::KeyStore as _;
use symbolon_pki::bundle::{JwtAuthority, X509Authority};
use symbolon_pki::key::PrivateKey;
use symbolon_pki::suite::{Family, Suite};
use symbolon_pki::time::Clock as _;
use tempfile::TempDir;

use crate::root::Root;
use crate::run::{Run, soon, told};
use crate::stand::{HOUR, Mood, Stand};
use crate::support::{TestClock, id};

fn key(key_id: &str) -> JwtAuthority {
    let key = PrivateKey::generate(Suite::EcdsaP256).unwrap();
    JwtAuthority::from_spki_der(key_id, &key.public_key().unwrap().spki_der()).unwrap()
}

fn root_id(stand: &Stand) -> String {
    X509Authority::new(stand.root()).id().to_string()
}

#[tokio::test]
async fn keys_that_sign_tokens_are_published_above_before_they_sign_and_again_when_they_are_lost() {
    let clock = TestClock::new();
    let stand = Stand::new(clock.now());
    let run = Run::start(&stand, clock).await.unwrap();
    let ids = || stand.key_ids();
    let own = run.authorities.jwt().unwrap().key_id().to_owned();
    assert_eq!(ids(), std::slice::from_ref(&own));
    let sibling = key("sibling");
    *stand.published.lock().unwrap() = vec![sibling];
    run.authorities.follow_upstreams().await;
    let bundle = run.authorities.bundle();
    assert!(
        bundle.jwt_authority("sibling").is_some(),
        "what others publish there is learnt"
    );
    assert!(bundle.jwt_authority(&own).is_some());
    assert_eq!(
        ids(),
        ["sibling".to_owned(), own],
        "what was lost is published again"
    );
    stand
        .published
        .lock()
        .unwrap()
        .retain(|key| key.key_id != "sibling");
    run.authorities.follow_upstreams().await;
    assert!(
        run.authorities.bundle().jwt_authority("sibling").is_none(),
        "what is gone there is gone here"
    );
}

#[tokio::test]
async fn a_root_that_is_tainted_above_is_left_at_once() {
    let clock = TestClock::new();
    let stand = Stand::new(clock.now());
    let run = Run::start(&stand, clock.clone()).await.unwrap();
    let (before, old) = (run.active(), root_id(&stand));
    stand.roots.lock().unwrap()[0].tainted = true;
    run.authorities.follow_upstreams().await;
    assert_eq!(run.root(&old), Some(true));
    let error = run.authorities.rotate_due().await.unwrap_err();
    assert!(
        told(&error).contains("tainted"),
        "the one above signs with it still: {}",
        told(&error)
    );
    assert_eq!(run.active(), before);

    let next = Root::new(Suite::EcdsaP256, clock.now());
    stand.replace(&next, clock.now());
    clock.advance(Duration::from_secs(20));
    run.authorities.rotate_due().await.unwrap();
    assert_ne!(run.active(), before, "without waiting for its time");
    stand.roots.lock().unwrap().remove(0);
    run.authorities.follow_upstreams().await;
    assert_eq!(
        (run.root(&old), run.root(&next.id())),
        (None, Some(false)),
        "what was revoked above is believed nowhere below"
    );
    assert_eq!(run.datastore.upstream_roots().await.unwrap().len(), 1);
}

/// What an administrator puts into the bundle before anything is below it.
#[tokio::test]
async fn a_root_that_was_published_beforehand_is_a_root_like_any_other() {
    let clock = TestClock::new();
    let stand = Stand::new(clock.now());
    let run = Run::on(Arc::new(TempDir::new().unwrap()), None, clock.clone())
        .await
        .unwrap();
    let early = AppendedAuthorities {
        x509: vec![X509Authority::new(stand.root())],
        ..AppendedAuthorities::default()
    };
    run.datastore.append_authorities(&early).await.unwrap();
    let dir = run.stop().await;

    let above = NamedUpstream {
        name: "stand".parse().unwrap(),
        upstream: stand.clone(),
    };
    let run = Run::on(dir, Some(above), clock.clone()).await.unwrap();
    run.authorities.prepare(Family::Classical).await.unwrap();
    let below = run.authorities.journal();
    let below = below.iter().find(|it| it.upstream.is_some()).unwrap();
    run.authorities
        .step(Family::Classical, Step::Activate, &below.authority_id)
        .await
        .unwrap();
    let (lines, keys) = (run.authorities.journal().len(), run.store.list().unwrap().len());
    for _ in 0..5 {
        clock.advance(Duration::from_secs(10));
        run.tick().await;
    }
    assert_eq!(run.active(), below.authority_id, "nothing is made for no reason");
    assert_eq!(
        (run.authorities.journal().len(), run.store.list().unwrap().len()),
        (lines, keys)
    );
    // It is the upstream's from then on, and goes when that takes it back.
    let roots = run.authorities.upstream_roots().await.unwrap();
    assert_eq!(roots[0].origin, RootOrigin::Upstream("stand".to_owned()));
    let old = root_id(&stand);
    stand.replace(&Root::new(Suite::EcdsaP256, clock.now()), clock.now());
    stand.roots.lock().unwrap().remove(0);
    for _ in 0..3 {
        run.tick().await;
    }
    assert_eq!(run.root(&old), None);
    assert_ne!(run.active(), below.authority_id);
}

#[tokio::test]
async fn what_a_former_upstream_put_in_is_the_next_ones_or_can_be_taken_back() {
    let clock = TestClock::new();
    let stand = Stand::new(clock.now());
    stand.published.lock().unwrap().push(key("sibling"));
    let run = Run::below("upper", stand.clone(), clock.clone()).await.unwrap();
    run.tick().await;
    let (id, lines) = (root_id(&stand), run.authorities.journal().len());
    let dir = run.stop().await;

    // Under another name it is the same: what it takes back goes here as well.
    let above = NamedUpstream {
        name: "hq".parse().unwrap(),
        upstream: stand.clone(),
    };
    let run = Run::on(dir, Some(above), clock.clone()).await.unwrap();
    let origin = |run: &Run| {
        let authorities = run.authorities.clone();
        async move { authorities.upstream_roots().await.unwrap().remove(0).origin }
    };
    assert_eq!(origin(&run).await, RootOrigin::Former("upper".to_owned()));
    run.tick().await;
    assert_eq!(origin(&run).await, RootOrigin::Upstream("hq".to_owned()));
    assert_eq!(run.authorities.journal().len(), lines);
    stand
        .published
        .lock()
        .unwrap()
        .retain(|key| key.key_id != "sibling");
    run.tick().await;
    assert!(run.authorities.bundle().jwt_authority("sibling").is_none());
    let dir = run.stop().await;

    // Below nobody, what signs is this server's own before long, and the root above can be taken back by command.
    let run = Run::on(dir, None, clock.clone()).await.unwrap();
    assert_eq!(origin(&run).await, RootOrigin::Former("hq".to_owned()));
    let in_use = run.authorities.step_upstream(Step::Taint, &id).await.unwrap_err();
    assert!(matches!(in_use, CommandError::UpstreamInUse { .. }), "{in_use}");
    let own = run.authorities.prepare(Family::Classical).await.unwrap();
    run.authorities
        .step(Family::Classical, Step::Activate, &own.authority_id)
        .await
        .unwrap();
    run.authorities.step_upstream(Step::Taint, &id).await.unwrap();
    assert_eq!(run.root(&id), Some(true));
    run.authorities.step_upstream(Step::Revoke, &id).await.unwrap();
    assert_eq!(run.root(&id), None);
    let unknown = run
        .authorities
        .step_upstream(Step::Taint, "00ff")
        .await
        .unwrap_err();
    assert!(matches!(unknown, CommandError::NoUpstream), "{unknown}");
}

#[tokio::test]
async fn what_was_tainted_here_comes_back_tainted() {
    let clock = TestClock::new();
    let stand = Stand::new(clock.now());
    let other = Root::new(Suite::EcdsaP256, clock.now());
    let above = || stand.roots.lock().unwrap();
    above().push(X509Authority::new(other.certificate.clone()));
    stand.published.lock().unwrap().push(key("sibling"));
    let run = Run::start(&stand, clock).await.unwrap();
    run.tick().await;
    run.authorities
        .step_upstream(Step::Taint, &other.id())
        .await
        .unwrap();
    run.authorities
        .step_appended(Family::Jwt, Step::Taint, "sibling")
        .await
        .unwrap();
    let keys = stand.published.lock().unwrap().clone();
    above().pop();
    stand
        .published
        .lock()
        .unwrap()
        .retain(|key| key.key_id != "sibling");
    run.tick().await;
    assert_eq!(run.root(&other.id()), None, "what is gone above is gone here");
    assert!(run.authorities.bundle().jwt_authority("sibling").is_none());

    above().push(X509Authority::new(other.certificate.clone()));
    *stand.published.lock().unwrap() = keys;
    run.tick().await;
    assert_eq!(run.root(&other.id()), Some(true));
    assert!(run.authorities.bundle().jwt_authority("sibling").unwrap().tainted);
    assert_eq!(run.root(&root_id(&stand)), Some(false));
}

#[tokio::test]
async fn a_key_that_is_believed_no_more_above_is_replaced_at_once_and_tainted() {
    let clock = TestClock::new();
    for is_revoked in [false, true] {
        let stand = Stand::new(clock.now());
        let run = Run::start(&stand, clock.clone()).await.unwrap();
        let signing = |run: &Run| run.authorities.jwt().unwrap().key_id().to_owned();
        let before = signing(&run);
        match is_revoked {
            false => stand.published.lock().unwrap()[0].tainted = true,
            true => {
                stand.published.lock().unwrap().clear();
                stand.distrusted.lock().unwrap().insert(before.clone());
            }
        }
        run.tick().await;
        let after = signing(&run);
        assert_ne!(after, before, "revoked: {is_revoked}");
        assert!(
            stand.key_ids().contains(&after),
            "it was published above before it signs"
        );
        run.tick().await;
        assert_eq!(
            run.state(&before),
            AuthorityState::Tainted,
            "revoked: {is_revoked}"
        );
        assert!(run.authorities.bundle().jwt_authority(&before).unwrap().tainted);
        // That is all: the next one is believed.
        run.tick().await;
        assert_eq!(signing(&run), after);
    }
}

#[tokio::test]
async fn one_key_that_is_refused_does_not_keep_the_others_from_being_published() {
    let clock = TestClock::new();
    let stand = Stand::new(clock.now());
    let run = Run::start(&stand, clock.clone()).await.unwrap();
    let first = run.authorities.jwt().unwrap().key_id().to_owned();
    let second = run.authorities.prepare(Family::Jwt).await.unwrap().authority_id;
    // The upper server lost everything, and the first of the two is not taken any more.
    stand.published.lock().unwrap().clear();
    stand.distrusted.lock().unwrap().insert(first);
    run.authorities.follow_upstreams().await;
    assert_eq!(stand.key_ids(), [second]);
}

#[tokio::test]
async fn keys_of_a_server_below_are_passed_up_kept_there_and_tainted_with_it() {
    let clock = TestClock::new();
    let stand = Stand::new(clock.now());
    let run = Run::start(&stand, clock.clone()).await.unwrap();
    let below = id("/nested");
    let publish = |key: JwtAuthority, below: SpiffeId| {
        let (authorities, datastore, now) = (run.authorities.clone(), run.datastore.clone(), clock.now());
        async move {
            let added = AppendedAuthorities {
                jwt: vec![key],
                ..AppendedAuthorities::default()
            };
            authorities.pass_up(&below, &added).await?;
            datastore.publish_authorities(&below, &added, now).await.unwrap();
            authorities.publish_appended().await
        }
    };
    let mut theirs = key("below");
    theirs.expires_at = Some(clock.now() + HOUR);
    publish(theirs.clone(), below.clone()).await.unwrap();
    assert!(stand.key_ids().contains(&"below".to_owned()));
    run.tick().await;
    let own = run.authorities.jwt().unwrap().key_id().to_owned();
    stand.published.lock().unwrap().retain(|key| key.key_id == own);
    run.tick().await;
    assert!(
        stand.key_ids().contains(&"below".to_owned()),
        "what was lost is published again"
    );

    // It came back from above before it came from below: it is that server's all the same.
    let mut early = key("early");
    early.expires_at = Some(clock.now() + HOUR);
    stand.published.lock().unwrap().push(early.clone());
    run.tick().await;
    publish(early, below.clone()).await.unwrap();
    stand
        .published
        .lock()
        .unwrap()
        .retain(|key| key.key_id != "early");
    run.tick().await;
    assert!(stand.key_ids().contains(&"early".to_owned()));
    assert!(run.authorities.bundle().jwt_authority("early").is_some());

    // Revoked above, it is not to be believed here either.
    stand.distrusted.lock().unwrap().insert("below".to_owned());
    stand
        .published
        .lock()
        .unwrap()
        .retain(|key| key.key_id != "below");
    run.tick().await;
    assert!(run.authorities.bundle().jwt_authority("below").unwrap().tainted);
    let refused = publish(theirs, below.clone()).await.unwrap_err();
    assert!(
        told(&refused).contains("does not believe that key"),
        "{}",
        told(&refused)
    );
    let (_, state) = run
        .datastore
        .appended_key(AuthorityKind::Jwt, "below")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(state, AuthorityState::Tainted);
    stand.is(Mood::Silent);
    let unheard = publish(key("later"), below).await.unwrap_err();
    assert!(told(&unheard).contains("nobody answers"), "{}", told(&unheard));
    assert!(run.authorities.bundle().jwt_authority("later").is_none());
}

#[tokio::test]
async fn an_answer_from_before_a_root_was_known_takes_nothing_out() {
    let clock = TestClock::new();
    let stand = Stand::new(clock.now());
    let run = Run::start(&stand, clock.clone()).await.unwrap();
    *stand.keeps_bundle.lock().unwrap() = true;
    let (authorities, mut kept) = (run.authorities.clone(), stand.bundles.subscribe());
    let before = *kept.borrow_and_update();
    let following = tokio::spawn(async move { authorities.follow_upstreams().await });
    soon(kept.wait_for(|times| *times > before)).await.unwrap();
    // Its bundle is on its way, and meanwhile it has a new root.
    let next = Root::new(Suite::EcdsaP256, clock.now());
    stand.replace(&next, clock.now());
    let prepared = run.authorities.prepare(Family::Classical).await.unwrap();
    *stand.keeps_bundle.lock().unwrap() = false;
    stand.gate.add_permits(1);
    soon(following).await.unwrap();
    run.authorities.rotate_due().await.unwrap();
    assert_eq!(run.root(&next.id()), Some(false));
    assert_eq!(run.state(&prepared.authority_id), AuthorityState::Prepared);
    // What two answers in a row lack is gone.
    run.authorities.follow_upstreams().await;
    stand.roots.lock().unwrap().pop();
    run.authorities.follow_upstreams().await;
    assert_eq!(run.root(&next.id()), Some(false));
    run.authorities.follow_upstreams().await;
    assert_eq!(run.root(&next.id()), None);
}
