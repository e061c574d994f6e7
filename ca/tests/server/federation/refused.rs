//! What is wrong is named, and changes nothing.

use symbolon_api::spire::api::server::trustdomain::v1 as api;
use symbolon_api::spire::api::server::trustdomain::v1::trust_domain_client::TrustDomainClient;
use symbolon_api::spire::api::types;
use symbolon_pki::suite::Form;
use tonic::Code;

use super::{client, code, create, get, list, refresh, relationship, update};
use crate::support::{TestServer, asking};

#[tokio::test]
async fn bad_fields_pages_and_callers() {
    let server = TestServer::start().await;
    let good = || relationship("a.test", "https://a.invalid/", None);
    let with = |change: fn(&mut types::FederationRelationship)| {
        let mut relationship = good();
        change(&mut relationship);
        relationship
    };
    let cases: Vec<(&str, types::FederationRelationship)> = vec![
        ("trust_domain is missing", with(|r| r.trust_domain.clear())),
        ("lower case", with(|r| r.trust_domain = "A.test".to_owned())),
        ("trust_domain:", with(|r| r.trust_domain = "not one".to_owned())),
        ("at most 255", with(|r| r.trust_domain = "a".repeat(300))),
        (
            "own trust domain",
            with(|r| r.trust_domain = "example.org".to_owned()),
        ),
        (
            "bundle_endpoint_url: the URL is missing",
            with(|r| r.bundle_endpoint_url.clear()),
        ),
        (
            "https://",
            with(|r| r.bundle_endpoint_url = "http://a.invalid/".to_owned()),
        ),
        (
            "user or a password",
            with(|r| r.bundle_endpoint_url = "https://u:p@a.invalid/".to_owned()),
        ),
        ("no host", with(|r| r.bundle_endpoint_url = "https://".to_owned())),
        (
            "at most 2048",
            with(|r| r.bundle_endpoint_url = format!("https://a.invalid/{}", "x".repeat(3000))),
        ),
        (
            "bundle_endpoint_profile is missing",
            with(|r| r.bundle_endpoint_profile = None),
        ),
        (
            "endpoint_spiffe_id is missing",
            relationship("a.test", "https://a.invalid/", Some("")),
        ),
        (
            "no SPIFFE ID",
            relationship("a.test", "https://a.invalid/", Some("a.test/x")),
        ),
        (
            "lower case",
            relationship("a.test", "https://a.invalid/", Some("spiffe://A.test/x")),
        ),
        (
            "2048",
            relationship(
                "a.test",
                "https://a.invalid/",
                Some(&format!("spiffe://a.test/{}", "x".repeat(2100))),
            ),
        ),
        (
            "trust_domain_bundle.trust_domain",
            with(|r| {
                r.trust_domain_bundle = Some(types::Bundle {
                    trust_domain: "b.test".to_owned(),
                    ..types::Bundle::default()
                });
            }),
        ),
        (
            "trust_domain_bundle.x509_authorities[0].asn1",
            with(|r| {
                r.trust_domain_bundle = Some(types::Bundle {
                    trust_domain: "a.test".to_owned(),
                    x509_authorities: vec![types::X509Certificate {
                        asn1: vec![0x30, 0],
                        tainted: false,
                    }],
                    ..types::Bundle::default()
                });
            }),
        ),
    ];
    let (words, all): (Vec<_>, Vec<_>) = cases.into_iter().unzip();
    let made = create(&server, all.clone()).await;
    assert_eq!(made.len(), words.len());
    for ((status, made), words) in made.iter().zip(&words) {
        assert_eq!(code(status), Code::InvalidArgument, "{words}: {}", status.message);
        assert!(status.message.contains(words), "{words}: {}", status.message);
        assert!(status.message.len() < 1000 && made.is_none());
    }
    assert!(list(&server, 0).await.is_empty());
    create(&server, vec![good()]).await;
    for ((status, _), words) in update(&server, all, None).await.iter().zip(&words) {
        assert_eq!(code(status), Code::InvalidArgument, "{words}");
        assert!(status.message.contains(words), "{words}: {}", status.message);
    }
    assert_eq!(list(&server, 0).await, [good()]);

    // As in SPIRE: there is never a relationship with the own trust domain.
    assert_eq!(
        get(&server, "example.org").await.unwrap_err().code(),
        Code::NotFound
    );
    assert_eq!(
        refresh(&server, "example.org").await.unwrap_err().code(),
        Code::NotFound
    );
    for name in ["", "A.test", "a/b", &"a".repeat(300)] {
        assert_eq!(
            get(&server, name).await.unwrap_err().code(),
            Code::InvalidArgument,
            "{name}"
        );
        let refused = refresh(&server, name).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{name}");
        assert!(refused.message().contains("trust_domain"), "{refused}");
    }
    for (page_size, page_token) in [(-1, ""), (1, "x"), (1, "-3")] {
        let request = api::ListFederationRelationshipsRequest {
            output_mask: None,
            page_size,
            page_token: page_token.to_owned(),
        };
        let refused = client(&server)
            .await
            .list_federation_relationships(request)
            .await
            .unwrap_err();
        assert!(
            refused.code() == Code::InvalidArgument && refused.message().contains("page_"),
            "{refused}"
        );
    }
    let many = api::BatchCreateFederationRelationshipRequest {
        federation_relationships: vec![relationship("b.test", "https://b.invalid/", None); 501],
        output_mask: None,
    };
    let refused = client(&server)
        .await
        .batch_create_federation_relationship(many)
        .await
        .unwrap_err();
    assert!(refused.message().contains("501"), "{refused}");
    let unknown_form = asking(api::ListFederationRelationshipsRequest::default(), "rot13");
    let refused = client(&server)
        .await
        .list_federation_relationships(unknown_form)
        .await
        .unwrap_err();
    assert!(
        refused.code() == Code::InvalidArgument && refused.message().contains("rot13"),
        "{refused}"
    );
    assert_eq!(list(&server, 0).await.len(), 1);

    // Neither agents nor strangers federate.
    let agent = server.agent(Form::Classical).await;
    for channel in [agent.channel.clone(), server.anonymous().await] {
        let mut client = TrustDomainClient::new(channel);
        let request = api::RefreshBundleRequest {
            trust_domain: "a.test".to_owned(),
        };
        let refused = client.refresh_bundle(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
        let listed = client.list_federation_relationships(api::ListFederationRelationshipsRequest::default());
        assert_eq!(listed.await.unwrap_err().code(), Code::PermissionDenied);
    }
}

#[tokio::test]
async fn a_file_of_authorities_that_is_none_keeps_the_server_from_starting() {
    let server = TestServer::start().await;
    let file = server.dir.path().join("roots.pem");
    let mut config = server.config.clone();
    config.data_dir = server.dir.path().join("other");
    config.federation.web_ca_file = Some(file.clone());
    for content in [None, Some("no PEM")] {
        if let Some(content) = content {
            std::fs::write(&file, content).unwrap();
        }
        let started = symbolon_ca::server::Server::start(&config, server.clock.clone()).await;
        let error = started.unwrap_err().to_string();
        assert!(error.contains("federation.web_ca_file"), "{error}");
        assert!(!config.data_dir.exists(), "nothing is left behind");
    }
}
