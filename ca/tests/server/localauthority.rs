//! SPIRE's commands about authorities, over the wire.

mod calls;

use symbolon_api::spire::api::server::bundle::v1::GetBundleRequest;
use symbolon_api::spire::api::server::bundle::v1::bundle_client::BundleClient;
use symbolon_api::spire::api::server::localauthority::v1 as api;
use symbolon_api::spire::api::server::localauthority::v1::local_authority_client::LocalAuthorityClient;
use symbolon_api::spire::api::types;
use symbolon_ca::authorities::Step;
use symbolon_ca::config::FamilyConfig;
use symbolon_ca::datastore::AuthorityRecord;
use symbolon_pki::certificate::Certificate;
use symbolon_pki::suite::Form;
use symbolon_pki::time::unix_seconds;
use tonic::Code;

use self::calls::{Commands, KINDS, Kind};
use crate::support::TestServer;

async fn with_wit() -> TestServer {
    TestServer::start_with(|config| config.families.wit = Some(FamilyConfig::default())).await
}

/// The bundle as a stock client gets it.
async fn stock_bundle(server: &TestServer) -> types::Bundle {
    let mut client = BundleClient::new(server.anonymous().await);
    let answer = client.get_bundle(GetBundleRequest { output_mask: None }).await;
    answer.unwrap().into_inner()
}

/// Whether a bundle has an authority, and if so whether it is tainted.
fn published(bundle: &types::Bundle, kind: Kind, id: &str) -> Option<bool> {
    let jwt = |key: &types::JwtKey| (key.key_id.clone(), key.tainted);
    let wit = |key: &types::WitKey| (key.key_id.clone(), key.tainted);
    let x509 = |authority: &types::X509Certificate| {
        let certificate = Certificate::from_der(&authority.asn1).unwrap();
        (certificate.skid().unwrap().to_string(), authority.tainted)
    };
    let all: Vec<_> = match kind {
        Kind::Jwt => bundle.jwt_authorities.iter().map(jwt).collect(),
        Kind::X509 => bundle.x509_authorities.iter().map(x509).collect(),
        Kind::Wit => bundle.wit_authorities.iter().map(wit).collect(),
    };
    all.into_iter()
        .find(|(known, _)| known == id)
        .map(|(_, tainted)| tainted)
}

#[tokio::test]
async fn each_kind_goes_the_whole_way() {
    let server = with_wit().await;
    let mut commands = Commands::of(&server).await;
    for kind in KINDS {
        let (first, prepared, old) = commands.state(kind).await.unwrap();
        assert_eq!((prepared, old), (None, None), "{kind:?}");
        let first = first.unwrap();
        let journal = server.server.authorities().journal();
        let record = journal
            .iter()
            .find(|record| record.authority_id == first.authority_id)
            .unwrap();
        assert_eq!(record.family, kind.family());
        assert_eq!(
            first.expires_at,
            i64::try_from(unix_seconds(record.not_after)).unwrap()
        );
        assert_eq!(
            first.upstream_authority_subject_key_id, "",
            "nobody is above this server"
        );

        let second = commands.prepare(kind).await.unwrap();
        assert_eq!(
            published(&stock_bundle(&server).await, kind, &second.authority_id),
            Some(false)
        );
        let state = commands.state(kind).await.unwrap();
        assert_eq!(state, (Some(first.clone()), Some(second.clone()), None));

        let done = commands
            .step(kind, Step::Activate, &second.authority_id)
            .await
            .unwrap();
        assert_eq!(done, second);
        let state = commands.state(kind).await.unwrap();
        assert_eq!(state, (Some(second.clone()), None, Some(first.clone())));

        let done = commands
            .step(kind, Step::Taint, &first.authority_id)
            .await
            .unwrap();
        assert_eq!(done.authority_id, first.authority_id);
        let bundle = stock_bundle(&server).await;
        assert_eq!(published(&bundle, kind, &first.authority_id), Some(true));
        assert_eq!(published(&bundle, kind, &second.authority_id), Some(false));
        // As in SPIRE a tainted one stands where the old one stood.
        let state = commands.state(kind).await.unwrap();
        assert_eq!(state, (Some(second.clone()), None, Some(first.clone())));

        let done = commands
            .step(kind, Step::Revoke, &first.authority_id)
            .await
            .unwrap();
        assert_eq!(done.authority_id, first.authority_id);
        let after = stock_bundle(&server).await;
        assert_eq!(published(&after, kind, &first.authority_id), None);
        assert!(after.sequence_number > bundle.sequence_number);
        assert_eq!(commands.state(kind).await.unwrap(), (Some(second), None, None));
    }
}

/// Everything that a command could change.
fn seen(server: &TestServer) -> (Vec<AuthorityRecord>, u64) {
    let authorities = server.server.authorities();
    (authorities.journal(), authorities.bundle().sequence)
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_spires_codes_and_changes_nothing() {
    use Code::{Internal, InvalidArgument};
    let server = with_wit().await;
    let mut commands = Commands::of(&server).await;
    for kind in KINDS {
        // Of one kind an authority in every state that it can be in.
        let mut ids = vec![commands.state(kind).await.unwrap().0.unwrap().authority_id];
        for _ in 0..3 {
            let made = commands.prepare(kind).await.unwrap().authority_id;
            commands.step(kind, Step::Activate, &made).await.unwrap();
            ids.push(made);
        }
        for id in &ids[..2] {
            commands.step(kind, Step::Taint, id).await.unwrap();
        }
        commands.step(kind, Step::Revoke, &ids[0]).await.unwrap();
        ids.push(commands.prepare(kind).await.unwrap().authority_id);
        let [revoked, tainted, old, active, prepared] = ids.try_into().unwrap();
        let other = KINDS.into_iter().find(|other| *other != kind).unwrap();
        let foreign = commands.state(other).await.unwrap().0.unwrap().authority_id;
        let long = "a".repeat(100_000);
        let upper = active.to_uppercase();

        let mut cases: Vec<(Step, &str, Code, &str)> = vec![
            (
                Step::Activate,
                &active,
                InvalidArgument,
                "only prepared authorities can be activated",
            ),
            (
                Step::Activate,
                &old,
                Internal,
                "only prepared authorities can be activated",
            ),
            (
                Step::Activate,
                &tainted,
                Internal,
                "only prepared authorities can be activated",
            ),
            (
                Step::Activate,
                &revoked,
                Internal,
                "only prepared authorities can be activated",
            ),
            (
                Step::Taint,
                &active,
                InvalidArgument,
                "only old authorities can be tainted",
            ),
            (
                Step::Taint,
                &prepared,
                InvalidArgument,
                "only old authorities can be tainted",
            ),
            (
                Step::Taint,
                &tainted,
                Internal,
                "only old authorities can be tainted",
            ),
            (
                Step::Taint,
                &revoked,
                Internal,
                "only old authorities can be tainted",
            ),
            (
                Step::Revoke,
                &active,
                InvalidArgument,
                "only tainted authorities can be revoked",
            ),
            (
                Step::Revoke,
                &prepared,
                InvalidArgument,
                "only tainted authorities can be revoked",
            ),
            (
                Step::Revoke,
                &old,
                Internal,
                "only tainted authorities can be revoked",
            ),
            (
                Step::Revoke,
                &revoked,
                Internal,
                "only tainted authorities can be revoked",
            ),
        ];
        for step in Step::ALL {
            cases.push((step, "", InvalidArgument, "no authority ID provided"));
            for unknown in [
                foreign.as_str(),
                &upper,
                "00",
                "not an id",
                "'; DROP TABLE authority; --",
                "\u{0}",
                &long,
            ] {
                cases.push((step, unknown, InvalidArgument, "unexpected authority ID"));
            }
        }
        let before = seen(&server);
        for (step, id, code, words) in cases {
            let status = commands.step(kind, step, id).await.unwrap_err();
            let shown: String = id.chars().take(40).collect();
            assert_eq!(status.code(), code, "{kind:?} {step:?} {shown:?}: {status}");
            assert!(status.message().starts_with("authority_id: "), "{status}");
            assert!(status.message().contains(words), "{step:?} {shown:?}: {status}");
            assert!(status.message().len() < 1_000);
            assert_eq!(seen(&server), before, "{kind:?} {step:?} {shown:?}");
        }
    }
}

#[tokio::test]
async fn who_may_not_command_is_turned_away() {
    let server = with_wit().await;
    let agent = server.agent(Form::Classical).await;
    let before = seen(&server);
    for channel in [server.anonymous().await, agent.channel] {
        let mut commands = Commands::over(channel);
        for kind in KINDS {
            let active = server.server.authorities().journal();
            let active = active
                .iter()
                .find(|record| record.family == kind.family())
                .unwrap();
            let mut codes = vec![
                commands.state(kind).await.map(drop).unwrap_err().code(),
                commands.prepare(kind).await.map(drop).unwrap_err().code(),
            ];
            for step in Step::ALL {
                codes.push(
                    commands
                        .step(kind, step, &active.authority_id)
                        .await
                        .unwrap_err()
                        .code(),
                );
            }
            assert_eq!(codes, [Code::PermissionDenied; 5], "{kind:?}");
        }
    }
    assert_eq!(seen(&server), before);
}

#[tokio::test]
async fn a_kind_that_the_server_does_not_have_is_not_implemented() {
    let server = TestServer::start().await;
    let mut commands = Commands::of(&server).await;
    let before = seen(&server);
    let mut refused = vec![
        commands.state(Kind::Wit).await.map(drop).unwrap_err(),
        commands.prepare(Kind::Wit).await.map(drop).unwrap_err(),
    ];
    for step in Step::ALL {
        refused.push(commands.step(Kind::Wit, step, "00").await.unwrap_err());
    }
    for status in refused {
        assert_eq!(status.code(), Code::Unimplemented);
        assert!(status.message().contains("[families.wit]"), "{status}");
    }
    assert_eq!(seen(&server), before);
    assert!(stock_bundle(&server).await.wit_authorities.is_empty());
}

#[tokio::test]
async fn there_is_nobody_above_this_server() {
    let server = TestServer::start().await;
    let mut client = LocalAuthorityClient::new(server.local().await);
    let before = seen(&server);
    for id in ["", "00", "not hexadecimal"] {
        let request = api::TaintX509UpstreamAuthorityRequest {
            subject_key_id: id.to_owned(),
        };
        let taint = client.taint_x509_upstream_authority(request).await.unwrap_err();
        let request = api::RevokeX509UpstreamAuthorityRequest {
            subject_key_id: id.to_owned(),
        };
        let revoke = client.revoke_x509_upstream_authority(request).await.unwrap_err();
        for status in [taint, revoke] {
            assert_eq!(status.code(), Code::FailedPrecondition);
            assert_eq!(status.message(), "upstream authority is not configured");
        }
    }
    assert_eq!(seen(&server), before);
}
