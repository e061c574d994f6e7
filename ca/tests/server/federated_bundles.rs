//! Bundles of other trust domains, set by hand; and what others put into the server's own.

use std::sync::Arc;

use symbolon_api::spire::api::server::bundle::v1 as api;
use symbolon_api::spire::api::server::bundle::v1::batch_delete_federated_bundle_request::Mode;
use symbolon_api::spire::api::server::bundle::v1::bundle_client::BundleClient;
use symbolon_api::spire::api::server::entry::v1 as entries;
use symbolon_api::spire::api::server::entry::v1::entry_client::EntryClient;
use symbolon_api::spire::api::server::svid::v1::MintX509svidRequest;
use symbolon_api::spire::api::server::svid::v1::svid_client::SvidClient;
use symbolon_api::spire::api::types;
use symbolon_ca::client::{EntryQuery, Reader};
use symbolon_pki::key::PrivateKey;
use symbolon_pki::suite::{Form, Suite};
use symbolon_pki::time::{Clock as _, unix_seconds};
use symbolon_tls::SvidIdentity;
use tonic::Code;
use tonic::transport::Channel;

use crate::support::{Key, TestServer, asking, id, message};

async fn client(server: &TestServer) -> BundleClient<Channel> {
    BundleClient::new(server.local().await)
}

fn spki(suite: Suite) -> Vec<u8> {
    PrivateKey::generate(suite)
        .unwrap()
        .public_key()
        .unwrap()
        .spki_der()
}

fn jwt(key_id: &str) -> types::JwtKey {
    types::JwtKey {
        public_key: spki(Suite::EcdsaP256),
        key_id: key_id.to_owned(),
        expires_at: 2_000_000_000,
        tainted: false,
    }
}

fn wit(key_id: &str) -> types::WitKey {
    types::WitKey {
        public_key: spki(Suite::EcdsaP384),
        key_id: key_id.to_owned(),
        expires_at: 0,
        tainted: false,
    }
}

/// A root of another server's, in DER.
async fn root(form: Form) -> types::X509Certificate {
    let other = TestServer::start().await;
    let bundle = other.server.authorities().bundle();
    types::X509Certificate {
        asn1: bundle
            .authorities_of(form)
            .next()
            .unwrap()
            .certificate
            .der()
            .to_vec(),
        tainted: false,
    }
}

fn bundle(name: &str, x509_authorities: Vec<types::X509Certificate>) -> types::Bundle {
    types::Bundle {
        trust_domain: name.to_owned(),
        x509_authorities,
        jwt_authorities: vec![jwt("one"), jwt("two")],
        refresh_hint: 60,
        sequence_number: 7,
        wit_authorities: vec![wit("one")],
    }
}

fn code(status: &Option<types::Status>) -> Code {
    Code::from_i32(status.as_ref().unwrap().code)
}

async fn create(
    server: &TestServer,
    all: Vec<types::Bundle>,
) -> Vec<api::batch_create_federated_bundle_response::Result> {
    let request = api::BatchCreateFederatedBundleRequest {
        bundle: all,
        output_mask: None,
    };
    let answer = client(server)
        .await
        .batch_create_federated_bundle(request)
        .await
        .unwrap();
    answer.into_inner().results
}

async fn list(server: &TestServer, page_size: i32) -> Vec<types::Bundle> {
    let (mut found, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = api::ListFederatedBundlesRequest {
            output_mask: None,
            page_size,
            page_token,
        };
        let page = client(server)
            .await
            .list_federated_bundles(request)
            .await
            .unwrap()
            .into_inner();
        found.extend(page.bundles);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return found;
        }
    }
}

async fn count(server: &TestServer) -> i32 {
    let answer = client(server)
        .await
        .count_bundles(api::CountBundlesRequest {})
        .await
        .unwrap();
    answer.into_inner().count
}

#[tokio::test]
async fn bundles_are_made_shown_changed_and_counted() {
    let server = TestServer::start().await;
    let (classical, post_quantum) = (root(Form::Classical).await, root(Form::MlDsa).await);
    let a = bundle("a.test", vec![classical.clone()]);
    let b = bundle("b.test", vec![]);
    let made = create(&server, vec![a.clone(), b.clone(), a.clone()]).await;
    assert_eq!(
        made.iter().map(|item| code(&item.status)).collect::<Vec<_>>(),
        [Code::Ok, Code::Ok, Code::AlreadyExists]
    );
    assert_eq!(made[0].bundle.as_ref(), Some(&a));
    assert!(made[2].bundle.is_none());
    for page_size in [0, 1, 2] {
        assert_eq!(list(&server, page_size).await, [a.clone(), b.clone()]);
    }
    assert_eq!(count(&server).await, 3);

    // A post-quantum root is kept, and shown to who asks.
    let both = types::Bundle {
        x509_authorities: vec![classical.clone(), post_quantum.clone()],
        ..a.clone()
    };
    let set = |bundle: types::Bundle| api::BatchSetFederatedBundleRequest {
        bundle: vec![bundle],
        output_mask: None,
    };
    let answer = client(&server)
        .await
        .batch_set_federated_bundle(asking(set(both.clone()), "ml-dsa"))
        .await;
    assert_eq!(
        answer.unwrap().into_inner().results[0].bundle.as_ref(),
        Some(&both)
    );
    assert_eq!(list(&server, 0).await[0], a);
    let get = |mask| api::GetFederatedBundleRequest {
        trust_domain: "a.test".to_owned(),
        output_mask: mask,
    };
    let shown = client(&server)
        .await
        .get_federated_bundle(asking(get(None), "ml-dsa"))
        .await
        .unwrap();
    assert_eq!(shown.into_inner(), both);
    // Stock software replaces what it sees, and that is not this root.
    client(&server)
        .await
        .batch_set_federated_bundle(set(types::Bundle {
            x509_authorities: vec![],
            ..a.clone()
        }))
        .await
        .unwrap();
    let shown = client(&server)
        .await
        .get_federated_bundle(asking(get(None), "ml-dsa"))
        .await
        .unwrap();
    assert_eq!(shown.into_inner().x509_authorities, [post_quantum]);

    // Masks, going in and coming out.
    let hint_alone = types::BundleMask {
        refresh_hint: true,
        ..types::BundleMask::default()
    };
    let request = api::BatchUpdateFederatedBundleRequest {
        bundle: vec![
            types::Bundle {
                refresh_hint: 99,
                ..bundle("b.test", vec![classical])
            },
            bundle("c.test", vec![]),
        ],
        input_mask: Some(hint_alone),
        output_mask: Some(hint_alone),
    };
    let updated = client(&server)
        .await
        .batch_update_federated_bundle(request)
        .await
        .unwrap()
        .into_inner();
    let shown = types::Bundle {
        trust_domain: "b.test".to_owned(),
        refresh_hint: 99,
        ..types::Bundle::default()
    };
    assert_eq!(updated.results[0].bundle, Some(shown));
    assert_eq!(code(&updated.results[1].status), Code::NotFound);
    assert_eq!(
        list(&server, 0).await[1],
        types::Bundle {
            refresh_hint: 99,
            ..b
        }
    );
    let bare = client(&server)
        .await
        .get_federated_bundle(get(Some(types::BundleMask::default())))
        .await
        .unwrap();
    assert_eq!(
        bare.into_inner(),
        types::Bundle {
            trust_domain: "a.test".to_owned(),
            ..types::Bundle::default()
        }
    );
    // Agents may look at one, by name.
    let agent = server.agent(Form::Classical).await;
    let mut agents = BundleClient::new(agent.channel.clone());
    assert!(agents.get_federated_bundle(get(None)).await.is_ok());
    assert_eq!(count(&server).await, 3);
}

#[tokio::test]
async fn entries_follow_what_becomes_of_a_bundle() {
    let server = TestServer::start().await;
    create(
        &server,
        ["a.test", "b.test"].map(|name| bundle(name, vec![])).into(),
    )
    .await;
    let entry = |path: &str, names: &[&str]| types::Entry {
        federates_with: names.iter().map(|name| (*name).to_owned()).collect(),
        ..message(path, "/spire/agent/x/a")
    };
    let request = entries::BatchCreateEntryRequest {
        entries: vec![
            entry("/one", &["a.test", "b.test"]),
            entry("/two", &["b.test"]),
            entry("/no", &["c.test"]),
            entry("/no", &["B.test"]),
        ],
        output_mask: None,
    };
    let made = EntryClient::new(server.local().await)
        .batch_create_entry(request)
        .await
        .unwrap()
        .into_inner();
    for refused in &made.results[2..] {
        let status = refused.status.as_ref().unwrap();
        assert_eq!(status.code, i32::from(Code::InvalidArgument));
        assert!(status.message.contains("federates_with"), "{}", status.message);
    }
    let delete = async |name: &str, mode: Mode| {
        let request = api::BatchDeleteFederatedBundleRequest {
            trust_domains: vec![name.to_owned()],
            mode: mode.into(),
        };
        let answer = client(&server)
            .await
            .batch_delete_federated_bundle(request)
            .await
            .unwrap();
        let mut results = answer.into_inner().results;
        assert_eq!((results.len(), results[0].trust_domain.as_str()), (1, name));
        results.remove(0).status.unwrap()
    };
    let refused = delete("b.test", Mode::Restrict).await;
    assert_eq!(
        refused.code,
        i32::from(Code::FailedPrecondition),
        "{}",
        refused.message
    );
    assert!(refused.message.contains("2 entries"), "{}", refused.message);
    assert_eq!(delete("a.test", Mode::Dissociate).await.code, 0);
    let left = server.client.entries(&EntryQuery::default()).await.unwrap();
    let left: Vec<_> = left
        .into_iter()
        .map(|entry| (entry.federates_with, entry.revision_number))
        .collect();
    let only_b = || vec!["b.test".to_owned()];
    assert_eq!(left, [(only_b(), 1), (only_b(), 0)]);
    assert_eq!(delete("b.test", Mode::Delete).await.code, 0);
    assert!(
        server
            .client
            .entries(&EntryQuery::default())
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        delete("b.test", Mode::Restrict).await.code,
        i32::from(Code::NotFound)
    );
    assert_eq!(count(&server).await, 1);
}

#[tokio::test]
async fn what_is_wrong_is_named_and_changes_nothing() {
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

#[tokio::test]
async fn a_server_below_publishes_its_keys() {
    let server = TestServer::start().await;
    let entry = types::Entry {
        downstream: true,
        ..message("/below", "/spire/agent/x/a")
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
        csr: key.csr(Some(&id("/below"))),
        ttl: 0,
    };
    let svid = SvidClient::new(server.local().await)
        .mint_x509svid(request)
        .await
        .unwrap();
    let chain = svid.into_inner().svid.unwrap().cert_chain;
    let identity = Arc::new(SvidIdentity::new(chain, key.signer).unwrap());
    let mut below = BundleClient::new(server.with_svid(&identity).await);

    let publish = |key: Option<types::JwtKey>| api::PublishJwtAuthorityRequest { jwt_authority: key };
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
        wit_authority: Some(wit("below")),
    };
    let published = below.publish_wit_authority(request).await.unwrap().into_inner();
    assert!(published.wit_authorities.iter().any(|key| key.key_id == "below"));

    let expired = types::JwtKey {
        expires_at: i64::try_from(unix_seconds(server.clock.now())).unwrap(),
        ..jwt("late")
    };
    for (words, code, key) in [
        ("jwt_authority is missing", Code::InvalidArgument, None),
        (
            "jwt_authority.key_id is missing",
            Code::InvalidArgument,
            Some(jwt("")),
        ),
        ("jwt_authority.expires_at", Code::InvalidArgument, Some(expired)),
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
    let refused = below
        .publish_wit_authority(api::PublishWitAuthorityRequest::default())
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
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
