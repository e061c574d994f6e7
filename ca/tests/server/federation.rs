//! Relationships with other trust domains, and their bundles fetched.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use spiffe::{SpiffeId, TrustDomain};
use symbolon_api::spire::api::server::bundle::v1 as bundles;
use symbolon_api::spire::api::server::bundle::v1::bundle_client::BundleClient;
use symbolon_api::spire::api::server::svid::v1::MintX509svidRequest;
use symbolon_api::spire::api::server::svid::v1::svid_client::SvidClient;
use symbolon_api::spire::api::server::trustdomain::v1 as api;
use symbolon_api::spire::api::server::trustdomain::v1::trust_domain_client::TrustDomainClient;
use symbolon_api::spire::api::types;
use symbolon_api::spire::api::types::federation_relationship::BundleEndpointProfile as Profile;
use symbolon_pki::bundle::{BundleSet, TrustBundle};
use symbolon_pki::suite::Form;
use symbolon_tls::{Acceptor, AuthorizeId, ClientAuth, ListenerOptions, StaticSource, SvidIdentity};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::support::{Key, TestServer, asking};

/// A bundle endpoint of another trust domain, which publishes what it is told.
struct Endpoint {
    other: TestServer,
    port: u16,
    document: Arc<Mutex<String>>,
}

impl Endpoint {
    async fn start() -> Self {
        let name = TrustDomain::new("other.org").unwrap();
        let other = TestServer::start_with(|config| config.trust_domain = name.clone()).await;
        let key = Key::new(Form::Classical);
        let request = MintX509svidRequest {
            csr: key.csr(Some(&Self::id())),
            ttl: 0,
        };
        let minted = SvidClient::new(other.local().await)
            .mint_x509svid(request)
            .await
            .unwrap();
        let chain = minted.into_inner().svid.unwrap().cert_chain;
        let svid = Arc::new(SvidIdentity::new(chain, key.signer).unwrap());
        let source = Arc::new(StaticSource::new(vec![svid], BundleSet::new()));
        let authorize = AuthorizeId::AnyIn(name);
        let options = ListenerOptions::default();
        let acceptor = Acceptor::new(
            source,
            authorize,
            ClientAuth::Optional,
            options,
            other.clock.clone(),
        );
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let document = Arc::new(Mutex::new(other.server.authorities().bundle().to_jwks()));
        let published = document.clone();
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(tcp).await else {
                    continue;
                };
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap());
                }
                let document = published.lock().unwrap().clone();
                let length = document.len();
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{document}");
                stream.write_all(answer.as_bytes()).await.unwrap();
                stream.shutdown().await.unwrap();
            }
        });
        Self {
            other,
            port,
            document,
        }
    }

    fn id() -> SpiffeId {
        "spiffe://other.org/endpoint".parse().unwrap()
    }

    fn bundle(&self) -> TrustBundle {
        (*self.other.server.authorities().bundle()).clone()
    }

    fn publish(&self, document: &str) {
        document.clone_into(&mut self.document.lock().unwrap());
    }

    /// The classical part of the bundle, as stock software hands it over.
    fn message(&self) -> types::Bundle {
        let roots = self.bundle();
        let roots = roots.stock_authorities().map(|authority| types::X509Certificate {
            asn1: authority.certificate.der().to_vec(),
            tainted: false,
        });
        types::Bundle {
            trust_domain: "other.org".to_owned(),
            x509_authorities: roots.collect(),
            ..types::Bundle::default()
        }
    }

    fn relationship(&self) -> types::FederationRelationship {
        types::FederationRelationship {
            trust_domain_bundle: Some(self.message()),
            ..relationship(
                "other.org",
                &format!("https://localhost:{}/", self.port),
                Some(&Self::id().to_string()),
            )
        }
    }
}

fn relationship(name: &str, url: &str, endpoint_id: Option<&str>) -> types::FederationRelationship {
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

async fn client(server: &TestServer) -> TrustDomainClient<Channel> {
    TrustDomainClient::new(server.local().await)
}

type Item = (types::Status, Option<types::FederationRelationship>);

async fn create(server: &TestServer, all: Vec<types::FederationRelationship>) -> Vec<Item> {
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

async fn update(
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

async fn list(server: &TestServer, page_size: i32) -> Vec<types::FederationRelationship> {
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

async fn get(server: &TestServer, name: &str) -> Result<types::FederationRelationship, Status> {
    let request = api::GetFederationRelationshipRequest {
        trust_domain: name.to_owned(),
        output_mask: None,
    };
    let answer = client(server).await.get_federation_relationship(request).await;
    answer.map(|answer| answer.into_inner())
}

async fn refresh(server: &TestServer, name: &str) -> Result<(), Status> {
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

fn code(status: &types::Status) -> Code {
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
    for document in ["", "{}", r#"{"keys":[{"use":"jwt-svid","kty":"EC","kid":"a"}]}"#] {
        endpoint.publish(document);
        let refused = refresh(&server, "other.org").await.unwrap_err();
        assert_eq!(refused.code(), Code::Internal);
        assert!(refused.message().contains("trust bundle"), "{refused}");
        assert_eq!(held(&server, Some("ml-dsa,composite")).await.unwrap(), after);
    }
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
    endpoint.publish(&endpoint.bundle().to_jwks());
    server.clock.advance(Duration::from_secs(101));
    federation.refresh_due().await.unwrap();
    holds(sequence).await;
}

#[tokio::test]
async fn what_is_wrong_is_named_and_changes_nothing() {
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

    for name in ["", "A.test", "example.org", "a/b", &"a".repeat(300)] {
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
