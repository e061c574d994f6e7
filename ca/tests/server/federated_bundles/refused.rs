//! What is wrong is named, and changes nothing.

use symbolon_api::spire::api::server::bundle::v1 as api;
use symbolon_api::spire::api::server::bundle::v1::bundle_client::BundleClient;
use symbolon_api::spire::api::types;
use symbolon_pki::suite::{Form, Suite};
use tonic::Code;

use super::{bundle, client, code, count, create, jwt, list, root, spki};
use crate::support::TestServer;

#[tokio::test]
async fn bad_fields_modes_pages_and_callers() {
    let server = TestServer::start().await;
    let good = bundle("a.test", vec![root(Form::Classical).await]);
    create(&server, vec![good.clone()]).await;
    let with = |change: fn(&mut types::Bundle)| {
        let mut bundle = good.clone();
        change(&mut bundle);
        bundle
    };
    let cases: Vec<(&str, types::Bundle)> = vec![
        ("trust_domain is missing", with(|b| b.trust_domain.clear())),
        ("lower case", with(|b| b.trust_domain = "A.test".to_owned())),
        (
            "own trust domain",
            with(|b| b.trust_domain = "example.org".to_owned()),
        ),
        ("trust_domain:", with(|b| b.trust_domain = "a b".to_owned())),
        ("refresh_hint", with(|b| b.refresh_hint = -1)),
        (
            "x509_authorities[0].asn1 is missing",
            with(|b| b.x509_authorities[0].asn1.clear()),
        ),
        (
            "x509_authorities[0].asn1",
            with(|b| b.x509_authorities[0].asn1.truncate(99)),
        ),
        (
            "x509_authorities[0].asn1: its key cannot be used here",
            with(|b| {
                let der = &mut b.x509_authorities[0].asn1;
                // The object identifier of elliptic-curve keys becomes one that nobody knows.
                let oid = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
                let start = der.windows(7).position(|found| found == oid).unwrap();
                der[start + 6] = 0x7f;
            }),
        ),
        (
            "jwt_authorities[1].key_id is missing",
            with(|b| b.jwt_authorities[1].key_id.clear()),
        ),
        (
            "jwt_authorities[1].key_id",
            with(|b| b.jwt_authorities[1].key_id = "one".to_owned()),
        ),
        (
            "jwt_authorities[0].key_id",
            with(|b| b.jwt_authorities[0].key_id = "x".repeat(2000)),
        ),
        (
            "jwt_authorities[0].key_id",
            with(|b| b.jwt_authorities[0].key_id = "a\n".to_owned()),
        ),
        (
            "jwt_authorities[0].public_key",
            with(|b| b.jwt_authorities[0].public_key = vec![1, 2]),
        ),
        (
            "jwt_authorities[0].public_key",
            with(|b| b.jwt_authorities[0].public_key = spki(Suite::MlDsa65)),
        ),
        (
            "jwt_authorities[0].public_key",
            with(|b| b.jwt_authorities[0].public_key = spki(Suite::Ed25519)),
        ),
        (
            "jwt_authorities[0].expires_at",
            with(|b| b.jwt_authorities[0].expires_at = -1),
        ),
        (
            "wit_authorities[0].public_key",
            with(|b| b.wit_authorities[0].public_key.clear()),
        ),
        (
            "1025",
            with(|b| {
                let key = jwt("x");
                b.x509_authorities.clear();
                b.wit_authorities.clear();
                b.jwt_authorities = (0..1025)
                    .map(|number| types::JwtKey {
                        key_id: number.to_string(),
                        ..key.clone()
                    })
                    .collect();
            }),
        ),
    ];
    let (words, all): (Vec<_>, Vec<_>) = cases.into_iter().unzip();
    // One that is far too large for a message goes by itself.
    let created: Vec<_> = create(&server, all.clone())
        .await
        .into_iter()
        .map(|item| item.status)
        .collect();
    let update = api::BatchUpdateFederatedBundleRequest {
        bundle: all.clone(),
        ..Default::default()
    };
    let updated = client(&server)
        .await
        .batch_update_federated_bundle(update)
        .await
        .unwrap()
        .into_inner();
    let updated: Vec<_> = updated.results.into_iter().map(|item| item.status).collect();
    let set = api::BatchSetFederatedBundleRequest {
        bundle: all,
        output_mask: None,
    };
    let set = client(&server)
        .await
        .batch_set_federated_bundle(set)
        .await
        .unwrap()
        .into_inner();
    let set: Vec<_> = set.results.into_iter().map(|item| item.status).collect();
    for statuses in [created, updated, set] {
        assert_eq!(statuses.len(), words.len());
        for (status, words) in statuses.iter().zip(&words) {
            let message = &status.as_ref().unwrap().message;
            assert_eq!(code(status), Code::InvalidArgument, "{words}: {message}");
            assert!(message.contains(words), "{words}: {message}");
        }
    }
    assert_eq!(list(&server, 0).await, [good]);

    let mut bundles = client(&server).await;
    for name in ["", "A.test", "example.org", "spiffe://"] {
        let request = api::GetFederatedBundleRequest {
            trust_domain: name.to_owned(),
            output_mask: None,
        };
        let refused = bundles.get_federated_bundle(request).await.unwrap_err();
        assert!(
            refused.code() == Code::InvalidArgument && refused.message().contains("trust_domain"),
            "{refused}"
        );
        let request = api::BatchDeleteFederatedBundleRequest {
            trust_domains: vec![name.to_owned()],
            mode: 0,
        };
        let deleted = bundles
            .batch_delete_federated_bundle(request)
            .await
            .unwrap()
            .into_inner();
        assert_eq!(code(&deleted.results[0].status), Code::InvalidArgument, "{name}");
    }
    let mode = api::BatchDeleteFederatedBundleRequest {
        trust_domains: vec!["a.test".to_owned()],
        mode: 9,
    };
    let refused = bundles.batch_delete_federated_bundle(mode).await.unwrap_err();
    assert!(
        refused.code() == Code::InvalidArgument && refused.message().contains("mode"),
        "{refused}"
    );
    let many = api::BatchDeleteFederatedBundleRequest {
        trust_domains: vec!["a.test".to_owned(); 501],
        mode: 0,
    };
    assert_eq!(
        bundles
            .batch_delete_federated_bundle(many)
            .await
            .unwrap_err()
            .code(),
        Code::InvalidArgument
    );
    let page = api::ListFederatedBundlesRequest {
        page_size: -1,
        ..Default::default()
    };
    assert_eq!(
        bundles.list_federated_bundles(page).await.unwrap_err().code(),
        Code::InvalidArgument
    );
    assert_eq!(count(&server).await, 2);

    let agent = server.agent(Form::Classical).await;
    for channel in [agent.channel.clone(), server.anonymous().await] {
        let mut strangers = BundleClient::new(channel);
        let set = strangers.batch_set_federated_bundle(api::BatchSetFederatedBundleRequest::default());
        assert_eq!(set.await.unwrap_err().code(), Code::PermissionDenied);
        let append = strangers.append_bundle(api::AppendBundleRequest::default());
        assert_eq!(append.await.unwrap_err().code(), Code::PermissionDenied);
        let publish = strangers.publish_jwt_authority(api::PublishJwtAuthorityRequest::default());
        assert_eq!(publish.await.unwrap_err().code(), Code::PermissionDenied);
    }
}
