//! Relationships with other trust domains, and their bundles fetched.

mod endpoint;
mod refused;

use std::time::Duration;

use symbolon_api::spire::api::server::bundle::v1 as bundles;
use symbolon_api::spire::api::server::bundle::v1::bundle_client::BundleClient;
use symbolon_api::spire::api::server::trustdomain::v1 as api;
use symbolon_api::spire::api::server::trustdomain::v1::trust_domain_client::TrustDomainClient;
use symbolon_api::spire::api::types;
use symbolon_api::spire::api::types::federation_relationship::BundleEndpointProfile as Profile;
use symbolon_pki::bundle::TrustBundle;
use tonic::transport::Channel;
use tonic::{Code, Status};

use self::endpoint::Endpoint;
use crate::support::{TestServer, asking};

pub(crate) fn relationship(
    name: &str,
    url: &str,
    endpoint_id: Option<&str>,
) -> types::FederationRelationship {
    types::FederationRelationship {
        trust_domain: name.to_owned(),
        bundle_endpoint_url: url.to_owned(),
        bundle_endpoint_profile: Some(match endpoint_id {
            None => Profile::HttpsWeb(types::HttpsWebProfile {}),
            Some(id) => Profile::HttpsSpiffe(types::HttpsspiffeProfile {
                endpoint_spiffe_id: id.to_owned(),
            }),
        }),
        trust_domain_bundle: None,
    }
}

pub(crate) async fn client(server: &TestServer) -> TrustDomainClient<Channel> {
    TrustDomainClient::new(server.local().await)
}

type Item = (types::Status, Option<types::FederationRelationship>);

pub(crate) async fn create(server: &TestServer, all: Vec<types::FederationRelationship>) -> Vec<Item> {
    let request = api::BatchCreateFederationRelationshipRequest {
        federation_relationships: all,
        output_mask: None,
    };
    let answer = client(server)
        .await
        .batch_create_federation_relationship(request)
        .await
        .unwrap();
    let results = answer.into_inner().results;
    results
        .into_iter()
        .map(|item| (item.status.unwrap(), item.federation_relationship))
        .collect()
}

pub(crate) async fn update(
    server: &TestServer,
    all: Vec<types::FederationRelationship>,
    mask: Option<types::FederationRelationshipMask>,
) -> Vec<Item> {
    let request = api::BatchUpdateFederationRelationshipRequest {
        federation_relationships: all,
        input_mask: mask,
        output_mask: None,
    };
    let answer = client(server)
        .await
        .batch_update_federation_relationship(request)
        .await
        .unwrap();
    let results = answer.into_inner().results;
    results
        .into_iter()
        .map(|item| (item.status.unwrap(), item.federation_relationship))
        .collect()
}

pub(crate) async fn list(server: &TestServer, page_size: i32) -> Vec<types::FederationRelationship> {
    let (mut found, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = api::ListFederationRelationshipsRequest {
            output_mask: None,
            page_size,
            page_token,
        };
        let page = client(server)
            .await
            .list_federation_relationships(request)
            .await
            .unwrap()
            .into_inner();
        assert!(page_size == 0 || page.federation_relationships.len() <= page_size as usize);
        found.extend(page.federation_relationships);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return found;
        }
    }
}

pub(crate) async fn get(server: &TestServer, name: &str) -> Result<types::FederationRelationship, Status> {
    let request = api::GetFederationRelationshipRequest {
        trust_domain: name.to_owned(),
        output_mask: None,
    };
    let answer = client(server).await.get_federation_relationship(request).await;
    answer.map(|answer| answer.into_inner())
}

pub(crate) async fn refresh(server: &TestServer, name: &str) -> Result<(), Status> {
    let request = api::RefreshBundleRequest {
        trust_domain: name.to_owned(),
    };
    client(server).await.refresh_bundle(request).await.map(|_| ())
}

/// The bundle that the server holds, as it is shown to who asks for these forms.
async fn held(server: &TestServer, forms: Option<&'static str>) -> Result<types::Bundle, Status> {
    let message = bundles::GetFederatedBundleRequest {
        trust_domain: "other.org".to_owned(),
        output_mask: None,
    };
    let request = match forms {
        Some(forms) => asking(message, forms),
        None => tonic::Request::new(message),
    };
    let answer = BundleClient::new(server.local().await)
        .get_federated_bundle(request)
        .await;
    answer.map(|answer| answer.into_inner())
}

pub(crate) fn code(status: &types::Status) -> Code {
    Code::from_i32(status.code)
}

#[tokio::test]
async fn relationships_are_made_shown_changed_and_ended() {
    let server = TestServer::start().await;
    // Nobody listens there, and the names are reserved (RFC 2606): what is fetched here is nothing.
    let all = vec![
        relationship("a.test", "https://a.invalid/bundle", None),
        relationship(
            "b.test",
            "https://b.invalid:8443",
            Some("spiffe://b.test/endpoint"),
        ),
        relationship("a.test", "https://twice.invalid/", None),
        relationship("c.test", "https://c.invalid/", None),
    ];
    let made = create(&server, all.clone()).await;
    let codes: Vec<_> = made.iter().map(|(status, _)| code(status)).collect();
    assert_eq!(codes, [Code::Ok, Code::Ok, Code::AlreadyExists, Code::Ok]);
    assert!(
        made[2].1.is_none() && made[2].0.message.contains("a.test"),
        "{}",
        made[2].0.message
    );
    assert_eq!(made[1].1.as_ref(), Some(&all[1]));
    for page_size in [0, 1, 2, 500] {
        let found = list(&server, page_size).await;
        assert_eq!(
            found,
            [all[0].clone(), all[1].clone(), all[3].clone()],
            "{page_size}"
        );
    }
    assert_eq!(get(&server, "b.test").await.unwrap(), all[1]);
    // As SPIRE's tools write it.
    assert_eq!(get(&server, "spiffe://b.test").await.unwrap(), all[1]);
    assert_eq!(get(&server, "d.test").await.unwrap_err().code(), Code::NotFound);

    // What a mask leaves out is neither shown nor changed nor looked at.
    let mask = types::FederationRelationshipMask::default();
    let request = api::GetFederationRelationshipRequest {
        trust_domain: "b.test".to_owned(),
        output_mask: Some(mask),
    };
    let bare = client(&server)
        .await
        .get_federation_relationship(request)
        .await
        .unwrap()
        .into_inner();
    let name_alone = types::FederationRelationship {
        trust_domain: "b.test".to_owned(),
        ..types::FederationRelationship::default()
    };
    assert_eq!(bare, name_alone);
    let unchanged = update(&server, vec![name_alone.clone()], Some(mask)).await;
    assert_eq!(unchanged[0].1.as_ref(), Some(&all[1]));
    let url_alone = types::FederationRelationshipMask {
        bundle_endpoint_url: true,
        ..mask
    };
    let elsewhere = types::FederationRelationship {
        bundle_endpoint_url: "https://elsewhere.invalid/".to_owned(),
        ..name_alone
    };
    let moved = update(&server, vec![elsewhere.clone()], Some(url_alone)).await;
    let moved = moved[0].1.as_ref().unwrap();
    assert_eq!(moved.bundle_endpoint_url, elsewhere.bundle_endpoint_url);
    assert_eq!(moved.bundle_endpoint_profile, all[1].bundle_endpoint_profile);
    let whole = relationship("b.test", "https://b.invalid/", None);
    let unknown = relationship("d.test", "https://d.invalid/", None);
    let updated = update(&server, vec![unknown, whole.clone()], None).await;
    assert_eq!(
        (code(&updated[0].0), code(&updated[1].0)),
        (Code::NotFound, Code::Ok)
    );
    assert_eq!(get(&server, "b.test").await.unwrap(), whole);

    let request = api::BatchDeleteFederationRelationshipRequest {
        trust_domains: ["c.test", "c.test", "B.test", ""].map(str::to_owned).into(),
    };
    let ended = client(&server)
        .await
        .batch_delete_federation_relationship(request)
        .await
        .unwrap();
    let ended: Vec<_> = ended
        .into_inner()
        .results
        .into_iter()
        .map(|item| (item.trust_domain, code(&item.status.unwrap())))
        .collect();
    let expected = [
        ("c.test", Code::Ok),
        ("c.test", Code::NotFound),
        ("B.test", Code::InvalidArgument),
        ("", Code::InvalidArgument),
    ];
    assert_eq!(ended, expected.map(|(name, code)| (name.to_owned(), code)));
    assert_eq!(list(&server, 0).await.len(), 2);
}

#[tokio::test]
async fn a_refresh_brings_what_is_published_and_stock_software_sees_its_part() {
    let (server, endpoint) = (TestServer::start().await, Endpoint::start().await);
    assert_eq!(
        refresh(&server, "other.org").await.unwrap_err().code(),
        Code::NotFound
    );
    let made = create(&server, vec![endpoint.relationship()]).await;
    assert_eq!(code(&made[0].0), Code::Ok, "{}", made[0].0.message);
    refresh(&server, "other.org").await.unwrap();

    let published = endpoint.bundle();
    let stock = held(&server, None).await.unwrap();
    assert_eq!(stock.x509_authorities, endpoint.message().x509_authorities);
    assert_eq!(
        (stock.sequence_number, stock.jwt_authorities.len()),
        (published.sequence, 1)
    );
    let all = held(&server, Some("ml-dsa,composite")).await.unwrap();
    assert_eq!(all.x509_authorities.len(), published.x509_authorities.len());
    let shown = get(&server, "other.org").await.unwrap();
    assert_eq!(shown.trust_domain_bundle, Some(stock.clone()));

    // What stock software sets without having seen it all takes no other away.
    let mut without_tokens = stock.clone();
    without_tokens.jwt_authorities.clear();
    let request = bundles::BatchSetFederatedBundleRequest {
        bundle: vec![without_tokens],
        output_mask: None,
    };
    let set = BundleClient::new(server.local().await)
        .batch_set_federated_bundle(request)
        .await
        .unwrap();
    assert_eq!(set.into_inner().results[0].status.as_ref().unwrap().code, 0);
    let after = held(&server, Some("ml-dsa,composite")).await.unwrap();
    assert_eq!(after.x509_authorities.len(), all.x509_authorities.len());
    assert!(after.jwt_authorities.is_empty());

    // What is no bundle changes nothing, and whoever asked is told why.
    assert_eq!(server.server.federation().failing(), 0);
    for document in ["", "{}", r#"{"keys":[{"use":"jwt-svid","kty":"EC","kid":"a"}]}"#] {
        endpoint.publish(document);
        let refused = refresh(&server, "other.org").await.unwrap_err();
        assert_eq!(refused.code(), Code::Internal);
        assert!(refused.message().contains("trust bundle"), "{refused}");
        assert_eq!(held(&server, Some("ml-dsa,composite")).await.unwrap(), after);
    }
    assert_eq!(server.server.federation().failing(), 1);
    // Nor does an endpoint that shows another identity than was agreed upon.
    let mut other = endpoint.relationship();
    other.bundle_endpoint_profile =
        relationship("x", "", Some("spiffe://other.org/not")).bundle_endpoint_profile;
    update(&server, vec![other], None).await;
    let refused = refresh(&server, "other.org").await.unwrap_err();
    assert!(refused.message().contains("not authorised"), "{refused}");
}

#[tokio::test]
async fn bundles_are_fetched_when_they_are_due() {
    let (server, endpoint) = (TestServer::start().await, Endpoint::start().await);
    create(&server, vec![endpoint.relationship()]).await;
    let federation = server.server.federation();
    federation.refresh_due().await.unwrap();
    let sequence = endpoint.bundle().sequence;
    // Whoever fetches first, it was due at once; the other may still be at it.
    let holds = async |number| {
        tokio::time::timeout(Duration::from_secs(30), async {
            while held(&server, None).await.unwrap().sequence_number != number {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();
    };
    holds(sequence).await;
    federation.refresh(&"other.org".parse().unwrap()).await.unwrap();

    let next = TrustBundle {
        sequence: sequence + 1,
        refresh_hint: Some(Duration::from_secs(400)),
        ..endpoint.bundle()
    };
    endpoint.publish(&next.to_jwks());
    // The bundle that is held asks for five minutes, a quarter of which is waited.
    server.clock.advance(Duration::from_secs(74));
    federation.refresh_due().await.unwrap();
    assert_eq!(held(&server, None).await.unwrap().sequence_number, sequence);
    server.clock.advance(Duration::from_secs(2));
    federation.refresh_due().await.unwrap();
    holds(sequence + 1).await;
    assert_eq!(held(&server, None).await.unwrap().refresh_hint, 400);

    // An endpoint that fails is asked again in its time, and what is held is held.
    endpoint.publish("no bundle");
    server.clock.advance(Duration::from_secs(101));
    federation.refresh_due().await.unwrap();
    holds(sequence + 1).await;
    // Nor does one take its place that is older by its number, such as a copy that lags behind.
    endpoint.publish(&endpoint.bundle().to_jwks());
    server.clock.advance(Duration::from_secs(101));
    federation.refresh_due().await.unwrap();
    let unchanged = held(&server, None).await.unwrap();
    assert_eq!(
        (unchanged.sequence_number, unchanged.refresh_hint),
        (sequence + 1, 400)
    );
    // One without a number is taken as it comes, and an older one by who asks for it: numbers may begin anew.
    let unnumbered = TrustBundle {
        sequence: 0,
        ..endpoint.bundle()
    };
    endpoint.publish(&unnumbered.to_jwks());
    server.clock.advance(Duration::from_secs(101));
    federation.refresh_due().await.unwrap();
    holds(0).await;
    endpoint.publish(&next.to_jwks());
    refresh(&server, "other.org").await.unwrap();
    endpoint.publish(&endpoint.bundle().to_jwks());
    refresh(&server, "other.org").await.unwrap();
    assert_eq!(held(&server, None).await.unwrap().sequence_number, sequence);
}

/// The usual reason to change a relationship: its address is wrong, and just being tried.
#[tokio::test]
async fn a_relationship_that_is_put_right_is_fetched_at_once() {
    let (server, endpoint) = (TestServer::start().await, Endpoint::start().await);
    let deaf = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = deaf.local_addr().unwrap().port();
    let wrong = types::FederationRelationship {
        bundle_endpoint_url: format!("https://localhost:{port}/"),
        ..endpoint.relationship()
    };
    create(&server, vec![wrong]).await;
    // From now on it is waited for an answer, half a minute long.
    let accepted = tokio::time::timeout(Duration::from_secs(20), deaf.accept()).await;
    let _kept_open = accepted.unwrap().unwrap();
    let updated = update(&server, vec![endpoint.relationship()], None).await;
    assert_eq!(code(&updated[0].0), Code::Ok, "{}", updated[0].0.message);
    let sequence = endpoint.bundle().sequence;
    assert_ne!(sequence, 0, "what came with the relationship has no number");
    tokio::time::timeout(Duration::from_secs(15), async {
        while held(&server, None).await.unwrap().sequence_number != sequence {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
}
