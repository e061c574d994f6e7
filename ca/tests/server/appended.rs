//! What others put into the server's own bundle.

use std::sync::Arc;
use std::time::Duration;

use symbolon_api::spire::api::server::bundle::v1 as api;
use symbolon_api::spire::api::server::bundle::v1::bundle_client::BundleClient;
use symbolon_api::spire::api::server::entry::v1 as entries;
use symbolon_api::spire::api::server::entry::v1::entry_client::EntryClient;
use symbolon_api::spire::api::server::localauthority::v1::local_authority_client::LocalAuthorityClient;
use symbolon_api::spire::api::server::localauthority::v1::{
    ActivateJwtAuthorityRequest, RevokeJwtAuthorityRequest, TaintJwtAuthorityRequest,
};
use symbolon_api::spire::api::server::svid::v1::MintX509svidRequest;
use symbolon_api::spire::api::server::svid::v1::svid_client::SvidClient;
use symbolon_api::spire::api::types;
use symbolon_ca::client::Reader;
use symbolon_ca::datastore::MAX_PUBLISHED;
use symbolon_pki::suite::{Form, Suite};
use symbolon_pki::time::{Clock as _, unix_seconds};
use symbolon_tls::SvidIdentity;
use tonic::Code;
use tonic::transport::Channel;

use crate::federated_bundles::{client, jwt, root, spki, wit};
use crate::support::{Key, TestServer, id, message};

#[tokio::test]
async fn authorities_are_appended_to_the_own_bundle_and_stay() {
    let server = TestServer::start().await;
    let before = client(&server)
        .await
        .get_bundle(api::GetBundleRequest::default())
        .await
        .unwrap()
        .into_inner();
    let (classical, post_quantum) = (root(Form::Classical).await, root(Form::Composite).await);
    let request = || api::AppendBundleRequest {
        x509_authorities: vec![
            classical.clone(),
            post_quantum.clone(),
            before.x509_authorities[0].clone(),
        ],
        jwt_authorities: vec![jwt_of(&classical)],
        wit_authorities: vec![],
        output_mask: None,
    };
    let after = client(&server)
        .await
        .append_bundle(request())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(after.sequence_number, before.sequence_number + 1);
    assert_eq!(
        after.x509_authorities,
        [before.x509_authorities.clone(), vec![classical.clone()]].concat()
    );
    assert_eq!(after.jwt_authorities.len(), 2);
    let seen = server.client.bundle().await.unwrap();
    assert!(
        seen.x509_authorities
            .iter()
            .any(|authority| authority.certificate.der() == post_quantum.asn1)
    );
    // Once more changes nothing, and a restart neither.
    let again = client(&server)
        .await
        .append_bundle(request())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(again, after);
    let server = server.restart(|_| {}).await.unwrap();
    let kept = client(&server)
        .await
        .get_bundle(api::GetBundleRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(kept, after);

    // A name that another key has is not taken from it, nor is anything else of such a request done.
    let stolen = types::JwtKey {
        key_id: before.jwt_authorities[0].key_id.clone(),
        ..jwt("x")
    };
    let cases: [(&str, Code, api::AppendBundleRequest); 4] = [
        (
            "nothing to append",
            Code::InvalidArgument,
            api::AppendBundleRequest::default(),
        ),
        (
            "exists already",
            Code::AlreadyExists,
            api::AppendBundleRequest {
                wit_authorities: vec![wit("new")],
                jwt_authorities: vec![stolen],
                ..Default::default()
            },
        ),
        (
            "x509_authorities[0].asn1",
            Code::InvalidArgument,
            api::AppendBundleRequest {
                x509_authorities: vec![types::X509Certificate {
                    asn1: vec![0x30],
                    tainted: false,
                }],
                ..Default::default()
            },
        ),
        (
            "jwt_authorities[0].key_id",
            Code::InvalidArgument,
            api::AppendBundleRequest {
                jwt_authorities: vec![jwt("")],
                ..Default::default()
            },
        ),
    ];
    for (words, code, request) in cases {
        let refused = client(&server).await.append_bundle(request).await.unwrap_err();
        assert!(
            refused.code() == code && refused.message().contains(words),
            "{words}: {refused}"
        );
    }
    let unchanged = client(&server)
        .await
        .get_bundle(api::GetBundleRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(unchanged, after);
}

/// The same key whenever it is asked for: its SPKI is that of a certificate.
fn jwt_of(certificate: &types::X509Certificate) -> types::JwtKey {
    let certificate = symbolon_pki::certificate::Certificate::from_der(&certificate.asn1).unwrap();
    types::JwtKey {
        public_key: certificate.subject_key().unwrap().spki_der(),
        ..jwt("appended")
    }
}

/// A client that is a server below this one.
async fn server_below(server: &TestServer, path: &str) -> BundleClient<Channel> {
    let entry = types::Entry {
        downstream: true,
        ..message(path, "/spire/agent/x/a")
    };
    let request = entries::BatchCreateEntryRequest {
        entries: vec![entry],
        output_mask: None,
    };
    EntryClient::new(server.local().await)
        .batch_create_entry(request)
        .await
        .unwrap();
    let key = Key::new(Form::Classical);
    let request = MintX509svidRequest {
        csr: key.csr(Some(&id(path))),
        ttl: 0,
    };
    let svid = SvidClient::new(server.local().await)
        .mint_x509svid(request)
        .await
        .unwrap();
    let chain = svid.into_inner().svid.unwrap().cert_chain;
    let identity = Arc::new(SvidIdentity::new(chain, key.signer).unwrap());
    BundleClient::new(server.with_svid(&identity).await)
}

/// A moment by the server's clock.
fn after(server: &TestServer, wait: Duration) -> i64 {
    i64::try_from(unix_seconds(server.clock.now() + wait)).unwrap()
}

const HOUR: Duration = Duration::from_secs(3_600);

fn publish(key: Option<types::JwtKey>) -> api::PublishJwtAuthorityRequest {
    api::PublishJwtAuthorityRequest { jwt_authority: key }
}

#[tokio::test]
async fn a_server_below_publishes_its_keys() {
    let server = TestServer::start().await;
    let mut below = server_below(&server, "/below").await;
    let jwt = |key_id: &str| types::JwtKey {
        expires_at: after(&server, HOUR),
        ..jwt(key_id)
    };
    let published = below
        .publish_jwt_authority(publish(Some(jwt("below"))))
        .await
        .unwrap()
        .into_inner();
    let names: Vec<_> = published
        .jwt_authorities
        .iter()
        .map(|key| key.key_id.as_str())
        .collect();
    assert_eq!((names.len(), names[1]), (2, "below"));
    let own = server.server.authorities().bundle();
    assert!(own.jwt_authority("below").is_some());
    let request = api::PublishWitAuthorityRequest {
        wit_authority: Some(types::WitKey {
            expires_at: after(&server, HOUR),
            ..wit("below")
        }),
    };
    let published = below.publish_wit_authority(request).await.unwrap().into_inner();
    assert!(published.wit_authorities.iter().any(|key| key.key_id == "below"));

    let ends = |expires_at: i64| types::JwtKey {
        expires_at,
        ..jwt("late")
    };
    let (expired, endless) = (ends(after(&server, Duration::ZERO)), ends(0));
    // A week, by a clock that is a little ahead, is what any server may ask for.
    let too_long = ends(after(&server, 169 * HOUR));
    for (words, code, key) in [
        ("jwt_authority is missing", Code::InvalidArgument, None),
        (
            "jwt_authority.key_id is missing",
            Code::InvalidArgument,
            Some(jwt("")),
        ),
        ("has expired", Code::InvalidArgument, Some(expired)),
        (
            "jwt_authority.expires_at is missing",
            Code::InvalidArgument,
            Some(endless),
        ),
        (
            "jwt_authority.expires_at: it is more than 168 hours away",
            Code::InvalidArgument,
            Some(too_long),
        ),
        (
            "jwt_authority.public_key",
            Code::InvalidArgument,
            Some(types::JwtKey {
                public_key: spki(Suite::MlDsa44),
                ..jwt("pq")
            }),
        ),
        ("exists already", Code::AlreadyExists, Some(jwt("below"))),
    ] {
        let refused = below.publish_jwt_authority(publish(key)).await.unwrap_err();
        assert!(
            refused.code() == code && refused.message().contains(words),
            "{words}: {refused}"
        );
    }
    for key in [None, Some(wit("for ever"))] {
        let request = api::PublishWitAuthorityRequest { wit_authority: key };
        let refused = below.publish_wit_authority(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    }
    // Publishing is all that it may do here, and nobody else may.
    let append = below.append_bundle(api::AppendBundleRequest::default());
    assert_eq!(append.await.unwrap_err().code(), Code::PermissionDenied);
    let refused = client(&server)
        .await
        .publish_jwt_authority(publish(Some(jwt("local"))))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert_eq!(server.server.authorities().bundle().jwt_authorities.len(), 2);
}

/// A server below that publishes without end keeps neither another one nor an administrator from it.
#[tokio::test]
async fn each_server_below_has_a_share_of_the_bundle() {
    let server = TestServer::start().await;
    let mut greedy = server_below(&server, "/greedy").await;
    let mut modest = server_below(&server, "/modest").await;
    let key = |name: String| {
        let key = types::JwtKey {
            expires_at: after(&server, HOUR),
            ..jwt(&name)
        };
        publish(Some(key))
    };
    for number in 0..MAX_PUBLISHED {
        let request = key(format!("greedy-{number}"));
        greedy.publish_jwt_authority(request).await.unwrap();
    }
    let refused = greedy
        .publish_jwt_authority(key("one more".to_owned()))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    assert!(
        refused.message().contains("spiffe://example.org/greedy"),
        "{refused}"
    );
    let bundle = server.server.authorities().bundle();
    assert!(bundle.jwt_authority("one more").is_none());

    let request = key("modest".to_owned());
    modest.publish_jwt_authority(request).await.unwrap();
    let request = api::AppendBundleRequest {
        jwt_authorities: vec![jwt("by hand")],
        ..Default::default()
    };
    client(&server).await.append_bundle(request).await.unwrap();
    let bundle = server.server.authorities().bundle();
    for name in ["modest", "by hand", "greedy-0"] {
        assert!(bundle.jwt_authority(name).is_some(), "{name}");
    }
}

/// What a server below signs tokens with counts for every identity of the trust domain, so it has to be possible to take
/// it back.
#[tokio::test]
async fn a_key_that_was_appended_is_tainted_and_revoked_by_command() {
    let server = TestServer::start().await;
    let request = api::AppendBundleRequest {
        jwt_authorities: vec![types::JwtKey {
            expires_at: 0,
            ..jwt("below")
        }],
        ..Default::default()
    };
    let append = || async {
        client(&server)
            .await
            .append_bundle(request.clone())
            .await
            .map(|answer| answer.into_inner())
    };
    append().await.unwrap();
    let published = || {
        let bundle = server.server.authorities().bundle();
        bundle.jwt_authority("below").map(|key| key.tainted)
    };
    assert_eq!(published(), Some(false));

    let mut commands = LocalAuthorityClient::new(server.local().await);
    let authority_id = || "below".to_owned();
    let revoke = || RevokeJwtAuthorityRequest {
        authority_id: authority_id(),
    };
    let early = commands.revoke_jwt_authority(revoke()).await.unwrap_err();
    assert_eq!(early.code(), Code::Internal, "it is not tainted: {early}");
    let activate = ActivateJwtAuthorityRequest {
        authority_id: authority_id(),
    };
    let refused = commands.activate_jwt_authority(activate).await.unwrap_err();
    assert_eq!(
        refused.code(),
        Code::InvalidArgument,
        "its key is another's: {refused}"
    );
    assert_eq!(published(), Some(false));

    let taint = || TaintJwtAuthorityRequest {
        authority_id: authority_id(),
    };
    let done = commands.taint_jwt_authority(taint()).await.unwrap().into_inner();
    let done = done.tainted_authority.unwrap();
    assert_eq!((done.authority_id.as_str(), done.expires_at), ("below", 0));
    assert_eq!(published(), Some(true));
    let again = commands.taint_jwt_authority(taint()).await.unwrap_err();
    assert_eq!(again.code(), Code::Internal);

    commands.revoke_jwt_authority(revoke()).await.unwrap();
    assert_eq!(published(), None);
    // Nor does it come back: not by the same door, and not with a restart.
    assert_eq!(append().await.unwrap_err().code(), Code::AlreadyExists);
    drop(commands);
    let server = server.restart(|_| {}).await.unwrap();
    assert!(
        server
            .server
            .authorities()
            .bundle()
            .jwt_authority("below")
            .is_none()
    );
}
