//! Bundles of other trust domains, set by hand.

mod refused;

use symbolon_api::spire::api::server::bundle::v1 as api;
use symbolon_api::spire::api::server::bundle::v1::batch_delete_federated_bundle_request::Mode;
use symbolon_api::spire::api::server::bundle::v1::bundle_client::BundleClient;
use symbolon_api::spire::api::server::entry::v1 as entries;
use symbolon_api::spire::api::server::entry::v1::entry_client::EntryClient;
use symbolon_api::spire::api::types;
use symbolon_ca::client::{EntryQuery, Reader};
use symbolon_pki::key::PrivateKey;
use symbolon_pki::suite::{Form, Suite};
use tonic::Code;
use tonic::transport::Channel;

use crate::support::{TestServer, asking, message};

pub(crate) async fn client(server: &TestServer) -> BundleClient<Channel> {
    BundleClient::new(server.local().await)
}

pub(crate) fn spki(suite: Suite) -> Vec<u8> {
    PrivateKey::generate(suite)
        .unwrap()
        .public_key()
        .unwrap()
        .spki_der()
}

pub(crate) fn jwt(key_id: &str) -> types::JwtKey {
    types::JwtKey {
        public_key: spki(Suite::EcdsaP256),
        key_id: key_id.to_owned(),
        expires_at: 2_000_000_000,
        tainted: false,
    }
}

pub(crate) fn wit(key_id: &str) -> types::WitKey {
    types::WitKey {
        public_key: spki(Suite::EcdsaP384),
        key_id: key_id.to_owned(),
        expires_at: 0,
        tainted: false,
    }
}

/// A root of another server's, in DER.
pub(crate) async fn root(form: Form) -> types::X509Certificate {
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

pub(crate) fn bundle(name: &str, x509_authorities: Vec<types::X509Certificate>) -> types::Bundle {
    types::Bundle {
        trust_domain: name.to_owned(),
        x509_authorities,
        jwt_authorities: vec![jwt("one"), jwt("two")],
        refresh_hint: 60,
        sequence_number: 7,
        wit_authorities: vec![wit("one")],
    }
}

pub(crate) fn code(status: &Option<types::Status>) -> Code {
    Code::from_i32(status.as_ref().unwrap().code)
}

pub(crate) async fn create(
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

pub(crate) async fn list(server: &TestServer, page_size: i32) -> Vec<types::Bundle> {
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

pub(crate) async fn count(server: &TestServer) -> i32 {
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
