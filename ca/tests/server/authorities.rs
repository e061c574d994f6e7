//! Authorities of every family by our own commands, over the wire.

use std::time::Duration;

use symbolon_api::spire::api::server::bundle::v1::AppendBundleRequest;
use symbolon_api::spire::api::server::bundle::v1::bundle_client::BundleClient;
use symbolon_api::spire::api::types;
use symbolon_api::symbolon::server::v1 as api;
use symbolon_api::symbolon::server::v1::authorities_client::AuthoritiesClient;
use symbolon_ca::authorities::Step;
use symbolon_ca::client::{CertificateQuery, ClientError, Reader as _, RotationSpec};
use symbolon_ca::config::{FamilyConfig, SoftwareStoreConfig, StoreConfig};
use symbolon_hsm::StoreName;
use symbolon_pki::key::PrivateKey;
use symbolon_pki::suite::{Family, Form, Suite};
use symbolon_pki::time::Clock as _;
use tonic::Code;

use crate::support::TestServer;

fn store(name: &str) -> StoreName {
    StoreName::parse(name).unwrap()
}

/// A server with every family and two stores, of which one is used.
async fn with_everything() -> TestServer {
    TestServer::start_with(|config| {
        config.families.wit = Some(FamilyConfig::default());
        for name in ["software", "spare"] {
            let software = StoreConfig::Software(SoftwareStoreConfig::default());
            config.stores.insert(store(name), software);
        }
        config.key_stores = vec![store("software")];
    })
    .await
}

fn code(error: &ClientError) -> Code {
    match error {
        ClientError::Refused(status) => status.code(),
        other => panic!("{other}"),
    }
}

async fn signing(server: &TestServer, family: Family) -> String {
    let listed = server.client.authorities(Some(family)).await.unwrap();
    let mut active = listed
        .authorities
        .into_iter()
        .map(|detail| detail.authority)
        .filter(|authority| authority.state == "active");
    let one = active.next().unwrap();
    assert!(active.next().is_none() && one.family == family.name());
    one.authority_id
}

#[tokio::test]
async fn every_family_goes_the_whole_way() {
    let server = with_everything().await;
    for family in Family::ALL {
        let first = signing(&server, family).await;
        let made = server.client.prepare_authority(family).await.unwrap();
        assert_eq!(made.authority.state, "prepared");
        assert!(made.created_at.is_some() && made.activated_at.is_none());
        let second = made.authority.authority_id.clone();
        assert_eq!(server.client.get_authority(&second).await.unwrap(), made);
        let places: Vec<_> = made.keys.iter().map(|key| key.store.as_str()).collect();
        assert!(!places.is_empty() && places.iter().all(|place| *place == "software"));

        for (step, id, state) in [
            (Step::Activate, &second, "active"),
            (Step::Taint, &first, "tainted"),
            (Step::Revoke, &first, "revoked"),
        ] {
            let done = server.client.step_authority(step, id).await.unwrap();
            assert_eq!(
                (&done.authority.authority_id, done.authority.state.as_str()),
                (id, state)
            );
            assert_eq!(server.client.get_authority(id).await.unwrap(), done);
        }
        assert_eq!(signing(&server, family).await, second);
    }
    let all = server.client.authorities(None).await.unwrap();
    assert_eq!((all.authorities.len(), all.families.len()), (12, 6));
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_the_reason_and_changes_nothing() {
    let server = with_everything().await;
    let family = Family::Composite;
    let active = signing(&server, family).await;
    let prepared = server.client.prepare_authority(family).await.unwrap();
    let prepared = prepared.authority.authority_id;
    let seen = || async {
        let listed = server.client.authorities(None).await.unwrap();
        (listed, server.server.authorities().bundle().sequence)
    };
    let before = seen().await;
    for (step, id, expected, words) in [
        (
            Step::Activate,
            active.as_str(),
            Code::FailedPrecondition,
            "only prepared",
        ),
        (Step::Taint, &active, Code::FailedPrecondition, "only old"),
        (Step::Revoke, &active, Code::FailedPrecondition, "only tainted"),
        (Step::Taint, &prepared, Code::FailedPrecondition, "only old"),
        (Step::Revoke, &prepared, Code::FailedPrecondition, "only tainted"),
        (Step::Activate, "", Code::InvalidArgument, "authority_id"),
        (Step::Taint, "another's\u{202e}", Code::NotFound, "no authority"),
        (Step::Revoke, &"a".repeat(100_000), Code::NotFound, "no authority"),
    ] {
        let refused = server.client.step_authority(step, id).await.unwrap_err();
        assert_eq!(code(&refused), expected, "{step:?} {refused}");
        let text = refused.to_string();
        assert!(text.contains(words) && text.len() < 1_000, "{words}: {text}");
        assert!(!text.contains('\u{202e}'), "{text:?}");
    }
    let rotate = |family: &str, suite: &str, stores: &[&str]| api::RotateAuthorityRequest {
        family: family.to_owned(),
        suite: suite.to_owned(),
        stores: stores.iter().map(|name| (*name).to_owned()).collect(),
        ..api::RotateAuthorityRequest::default()
    };
    let long = api::RotateAuthorityRequest {
        notice: Some(u32::MAX),
        ..rotate("composite", "mldsa87-ecdsa-p384", &[])
    };
    let mut client = AuthoritiesClient::new(server.local().await);
    for (request, expected, words) in [
        (
            rotate("x509", "ecdsa-p384", &[]),
            Code::InvalidArgument,
            "is not one of classical",
        ),
        (
            rotate("classical", "rsa-2048", &[]),
            Code::InvalidArgument,
            "suite: \"rsa-2048\" is no suite",
        ),
        (
            rotate("classical", "ml-dsa-65", &[]),
            Code::InvalidArgument,
            "cannot sign with ml-dsa-65",
        ),
        (
            rotate("jwt", "ecdsa-p384", &[]),
            Code::InvalidArgument,
            "choose one of ecdsa-p256",
        ),
        (
            rotate("classical", "", &[]),
            Code::InvalidArgument,
            "none of suite",
        ),
        (
            rotate("classical", "", &["Not a name"]),
            Code::InvalidArgument,
            "stores: ",
        ),
        (
            rotate("classical", "", &["spare"; 9]),
            Code::InvalidArgument,
            "there are 9",
        ),
        (
            rotate("classical", "", &["nowhere"]),
            Code::InvalidArgument,
            "nowhere",
        ),
        (
            rotate("classical", "", &["software", "spare"]),
            Code::InvalidArgument,
            "names 2 stores",
        ),
        (
            rotate("classical", "ecdsa-p256", &[]),
            Code::FailedPrecondition,
            "already",
        ),
        (long, Code::InvalidArgument, "notice"),
    ] {
        let refused = client.rotate_authority(request).await.unwrap_err();
        assert_eq!(refused.code(), expected, "{refused}");
        assert!(refused.message().contains(words), "{words}: {refused}");
    }
    let prepare = api::PrepareAuthorityRequest::default();
    assert_eq!(
        client.prepare_authority(prepare).await.unwrap_err().code(),
        Code::InvalidArgument
    );
    assert_eq!(seen().await, before);
}

#[tokio::test]
async fn a_family_that_is_rotated_stays_so_through_a_restart() {
    let server = with_everything().await;
    let family = Family::Composite;
    let spec = RotationSpec {
        suite: Some(Suite::MlDsa87EcdsaP384),
        stores: vec![store("spare"), store("software")],
        notice: Some(Duration::from_secs(60)),
        ..RotationSpec::default()
    };
    let rotated = server.client.rotate_authority(family, &spec).await.unwrap();
    let made = rotated.prepared.unwrap();
    assert_eq!(made.authority.suite, "mldsa87-ecdsa-p384");
    assert_eq!(rotated.family.wanted.stores, ["spare", "software"]);
    assert_eq!(rotated.family.configured.suite, "mldsa65-ecdsa-p256");
    let choice = rotated.family.choice.clone().unwrap();
    assert!(choice.chosen_by.contains("of user"), "{choice:?}");
    assert!(rotated.family.activates_at.unwrap() <= server.clock.now() + Duration::from_secs(60));

    let server = server
        .restart(|clock| clock.advance(Duration::from_secs(61)))
        .await
        .unwrap();
    assert_eq!(signing(&server, family).await, made.authority.authority_id);
    let listed = server.client.authorities(Some(family)).await.unwrap();
    let plan = listed.families.into_iter().next().unwrap();
    assert_eq!((plan.choice, plan.activates_at), (Some(choice), None));
    // What it signs from now on is that.
    let agent = server.agent(Form::Composite).await;
    let query = CertificateQuery {
        spiffe_id: Some(agent.spiffe_id.clone()),
        ..CertificateQuery::default()
    };
    let issued = server.client.certificates(&query).await.unwrap();
    assert_eq!(issued[0].authority_id, made.authority.authority_id);
}

#[tokio::test]
async fn keys_that_others_put_into_the_bundle_can_be_taken_out_by_their_ids() {
    let server = with_everything().await;
    let key = PrivateKey::generate(Suite::EcdsaP256).unwrap();
    let request = AppendBundleRequest {
        jwt_authorities: vec![types::JwtKey {
            public_key: key.public_key().unwrap().spki_der(),
            key_id: "below".to_owned(),
            ..types::JwtKey::default()
        }],
        ..AppendBundleRequest::default()
    };
    let mut bundles = BundleClient::new(server.local().await);
    bundles.append_bundle(request).await.unwrap();
    for (step, state) in [(Step::Taint, "tainted"), (Step::Revoke, "revoked")] {
        let done = server.client.step_authority(step, "below").await.unwrap();
        let authority = done.authority;
        assert_eq!(
            (authority.family.as_str(), authority.state.as_str()),
            ("jwt", state)
        );
    }
    assert!(
        server
            .bundles()
            .iter()
            .all(|bundle| bundle.jwt_authority("below").is_none())
    );
}

#[tokio::test]
async fn agents_and_strangers_command_nothing() {
    let server = with_everything().await;
    let agent = server.agent(Form::Classical).await;
    for channel in [agent.channel.clone(), server.anonymous().await] {
        let mut client = AuthoritiesClient::new(channel);
        let request = api::ListAuthoritiesRequest::default();
        let refused = client.list_authorities(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied);
        let request = api::PrepareAuthorityRequest {
            family: "jwt".to_owned(),
        };
        let refused = client.prepare_authority(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied);
    }
}
