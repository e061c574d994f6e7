//! Servers above this one, over the connection that servers have.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use symbolon_api::spire::api::server::bundle::v1 as bundle;
use symbolon_api::spire::api::server::bundle::v1::bundle_client::BundleClient;
use symbolon_api::spire::api::types;
use symbolon_ca::authorities::ChangeKind;
use symbolon_ca::config::{NestedUpstreamConfig, UpstreamConfig};
use symbolon_ca::datastore::AuthorityState;
use symbolon_ca::upstream::{
    Answer, MintOrder, Nested, NestedOptions, Upstream as _, UpstreamError, UpstreamName,
};
use symbolon_host::duration::HumanDuration;
use symbolon_pki::bundle::X509Authority;
use symbolon_pki::key::PrivateKey;
use symbolon_pki::suite::{Family, Suite};
use symbolon_pki::time::{Clock, unix_seconds};
use tempfile::TempDir;
use tonic::Code;

use crate::disk::downstream;
use crate::run::{Run, refuses_what_is_unfit, soon, told};
use crate::stand::{HOUR, Mood, Stand};
use crate::support::{TestClock, TestServer, config, domain, id};
use crate::upper::serve;

/// A server below the stand-in.
async fn start(dir: &Path, stand: &Arc<Stand>, clock: &Arc<TestClock>) -> Run {
    let options = NestedOptions {
        // Two processors may be busy with much else when the first connection is made.
        timeout: Duration::from_secs(30),
        ..serve(dir, stand, clock).await
    };
    let nested = Nested::new(domain(), options, clock.clone() as Arc<dyn Clock>);
    let run = Run::below("upper", Arc::new(nested), clock.clone()).await;
    run.map_err(|error| told(&error)).unwrap()
}

#[tokio::test]
async fn what_a_server_above_answers_is_refused_as_anybodys() {
    let (dir, clock) = (TempDir::new().unwrap(), TestClock::new());
    let stand = Stand::new(clock.now());
    let run = start(dir.path(), &stand, &clock).await;
    refuses_what_is_unfit(&run, &stand).await;
}

#[tokio::test]
async fn a_server_above_that_never_answers_is_given_up_in_time() {
    let (dir, clock) = (TempDir::new().unwrap(), TestClock::new());
    let stand = Stand::new(clock.now());
    let nested = Nested::new(
        domain(),
        serve(dir.path(), &stand, &clock).await,
        clock.clone() as Arc<dyn Clock>,
    );
    stand.is(Mood::Hangs);
    let key = PrivateKey::generate(Suite::EcdsaP256).unwrap();
    let signer = key.signer().unwrap();
    let csr = symbolon_pki::csr::CsrBuilder::new(&signer)
        .spiffe_id(&id(""))
        .build()
        .unwrap();
    let order = MintOrder {
        family: Family::Classical,
        csr,
        ttl: 24 * HOUR,
        now: clock.now(),
    };
    // Reaching it may take longer than that on a busy machine, which is told in other words; then it is asked again.
    let expected = "gave no answer within";
    soon(async {
        loop {
            match nested.mint(&order).await.unwrap_err() {
                UpstreamError::Unavailable(said) if said.contains(expected) && *stand.asked.borrow() > 0 => {
                    break;
                }
                UpstreamError::Unavailable(_) => {}
                other => panic!("{other}"),
            }
        }
    })
    .await;
    // It comes back.
    stand.is(Mood::Well);
    let answer = loop {
        match nested.mint(&order).await {
            Ok(answer) => break answer,
            Err(UpstreamError::Unavailable(_)) => {}
            Err(other) => panic!("{other}"),
        }
    };
    assert!(matches!(answer, Answer::Minted(_)));
}

#[tokio::test]
async fn a_server_above_that_is_away_leaves_everything_as_it_is() {
    let (dir, clock) = (TempDir::new().unwrap(), TestClock::new());
    let stand = Stand::new(clock.now());
    let run = start(dir.path(), &stand, &clock).await;
    run.tick().await;
    let (before, root) = (run.active(), X509Authority::new(stand.root()).id().to_string());
    stand.is(Mood::Silent);
    clock.advance(12 * HOUR);
    run.authorities.follow_upstreams().await;
    let failed = run.authorities.rotate_due().await.unwrap_err();
    assert!(told(&failed).contains("nobody answers"), "{}", told(&failed));
    assert_eq!(run.active(), before);
    assert_eq!(run.in_state(AuthorityState::Prepared), 0);
    assert_eq!(run.root(&root), Some(false));
    stand.is(Mood::Well);
    clock.advance(Duration::from_secs(60));
    let changes = run.authorities.rotate_due().await.unwrap();
    assert!(
        changes
            .iter()
            .any(|it| it.kind == ChangeKind::Prepared && it.family == Family::Classical),
        "{changes:?}"
    );
}

#[tokio::test]
async fn a_key_that_was_revoked_above_is_told_from_one_that_was_lost() {
    let (dir, clock) = (TempDir::new().unwrap(), TestClock::new());
    let stand = Stand::new(clock.now());
    let run = start(dir.path(), &stand, &clock).await;
    let key_id = || run.authorities.jwt().unwrap().key_id().to_owned();
    let before = key_id();
    stand.published.lock().unwrap().clear();
    run.tick().await;
    assert_eq!(stand.key_ids(), std::slice::from_ref(&before), "it was lost");
    assert_eq!(key_id(), before);
    stand.published.lock().unwrap().clear();
    stand.distrusted.lock().unwrap().insert(before.clone());
    run.tick().await;
    assert_ne!(key_id(), before);
    run.tick().await;
    assert_eq!(run.state(&before), AuthorityState::Tainted);
}

#[tokio::test]
async fn a_key_of_a_server_below_is_known_above_before_it_is_known_here() {
    let (dir, carried, clock) = (TempDir::new().unwrap(), TempDir::new().unwrap(), TestClock::new());
    let stand = Stand::new(clock.now());
    let above = serve(carried.path(), &stand, &clock).await;
    let mut config = config(dir.path());
    let upper: UpstreamName = "upper".parse().unwrap();
    config.upstreams.insert(
        upper.clone(),
        UpstreamConfig::Spire(NestedUpstreamConfig {
            address: above.address,
            workload_api_socket: above.workload_api_socket,
            spiffe_id: None,
            timeout: HumanDuration(Duration::from_secs(30)),
        }),
    );
    config.families.jwt.upstream = Some(upper);
    let server = TestServer::on(dir, clock.clone(), config).await.unwrap();
    let identity = downstream(&server).await;
    let mut client = BundleClient::new(server.with_svid(&identity).await);
    let key = |key_id: &str| {
        let key = PrivateKey::generate(Suite::EcdsaP256)
            .unwrap()
            .public_key()
            .unwrap();
        types::JwtKey {
            public_key: key.spki_der(),
            key_id: key_id.to_owned(),
            expires_at: i64::try_from(unix_seconds(clock.now() + HOUR)).unwrap(),
            tainted: false,
        }
    };
    let publish = |key| bundle::PublishJwtAuthorityRequest {
        jwt_authority: Some(key),
    };
    let is_known = |key_id: &str| {
        server
            .server
            .authorities()
            .bundle()
            .jwt_authority(key_id)
            .is_some()
    };
    client.publish_jwt_authority(publish(key("below"))).await.unwrap();
    assert!(stand.key_ids().contains(&"below".to_owned()));
    assert!(is_known("below"));

    stand.distrusted.lock().unwrap().insert("revoked".to_owned());
    let refused = client
        .publish_jwt_authority(publish(key("revoked")))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::AlreadyExists, "{refused}");
    assert!(refused.message().contains("it was revoked"), "{refused}");
    stand.is(Mood::Silent);
    let refused = client
        .publish_jwt_authority(publish(key("later")))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    assert!(!is_known("revoked") && !is_known("later"));
}
