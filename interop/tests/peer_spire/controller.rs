//! The calls that spire-controller-manager makes in Kubernetes, as it makes them on the private socket: for entries of pods
//! with ids of its own, and for its webhook. This is its part of the conversation and not the program, which runs in
//! `controller_manager`.

use std::collections::BTreeSet;

use symbolon_api::spire::api::server::bundle::v1::GetBundleRequest;
use symbolon_api::spire::api::server::bundle::v1::bundle_client::BundleClient;
use symbolon_api::spire::api::server::entry::v1::entry_client::EntryClient;
use symbolon_api::spire::api::server::entry::v1::{
    BatchCreateEntryRequest, BatchDeleteEntryRequest, BatchUpdateEntryRequest, ListEntriesRequest,
};
use symbolon_api::spire::api::server::svid::v1::MintX509svidRequest;
use symbolon_api::spire::api::server::svid::v1::svid_client::SvidClient;
use symbolon_api::spire::api::types;
use symbolon_interop::server::Server;
use symbolon_pki::csr::CsrBuilder;
use symbolon_pki::key::PrivateKey;
use symbolon_pki::suite::Suite;
use symbolon_tls::grpc::{ChannelOptions, unix_channel};
use tonic::Code;
use tonic::transport::Channel;

use crate::shows;

/// How many entries it lists in a page, and creates, updates and deletes in a batch.
const PAGE: i32 = 200;
const CREATED: usize = 50;
const DELETED: usize = 200;

async fn channel(server: &Server) -> Channel {
    unix_channel(&server.socket(), &ChannelOptions::default())
        .await
        .unwrap()
}

fn id(server: &Server, path: &str) -> Option<types::Spiffeid> {
    Some(types::Spiffeid {
        trust_domain: server.trust_domain().to_owned(),
        path: path.to_owned(),
    })
}

fn entry(server: &Server, number: usize) -> types::Entry {
    types::Entry {
        id: format!("scm.{number:08}"),
        parent_id: id(server, "/spire/agent/k8s_psat/cluster/node"),
        spiffe_id: id(server, &format!("/ns/default/sa/{number}")),
        selectors: vec![types::Selector {
            r#type: "k8s".to_owned(),
            value: format!("pod-uid:{number}"),
        }],
        x509_svid_ttl: 600,
        jwt_svid_ttl: 60,
        dns_names: vec![format!("pod-{number}.default.svc")],
        hint: format!("h{number}"),
        ..types::Entry::default()
    }
}

async fn list(client: &mut EntryClient<Channel>) -> Vec<types::Entry> {
    let (mut entries, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListEntriesRequest {
            page_size: PAGE,
            page_token,
            ..ListEntriesRequest::default()
        };
        let page = client.list_entries(request).await.unwrap().into_inner();
        assert!(page.entries.len() <= usize::try_from(PAGE).unwrap());
        entries.extend(page.entries);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return entries;
        }
    }
}

/// It begins by finding out which fields of an entry the server knows.
async fn all_fields_are_supported(server: &Server, client: &mut EntryClient<Channel>) {
    let own = id(server, "/spire-controller-manager/unsupported-fields-test");
    let probe = types::Entry {
        parent_id: own.clone(),
        spiffe_id: own,
        selectors: vec![types::Selector {
            r#type: "a".to_owned(),
            value: "1".to_owned(),
        }],
        x509_svid_ttl: 60,
        jwt_svid_ttl: 60,
        store_svid: true,
        hint: "hint".to_owned(),
        ..types::Entry::default()
    };
    // The second time as after a stop in the middle: what is there already comes back with the refusal.
    let mut found = String::new();
    for code in [Code::Ok, Code::AlreadyExists] {
        let request = BatchCreateEntryRequest {
            entries: vec![probe.clone()],
            output_mask: None,
        };
        let results = client
            .batch_create_entry(request)
            .await
            .unwrap()
            .into_inner()
            .results;
        let [result] = results.as_slice() else {
            panic!("{results:?}");
        };
        assert_eq!(
            Code::from(result.status.as_ref().unwrap().code),
            code,
            "{result:?}"
        );
        let entry = result.entry.as_ref().unwrap();
        assert_eq!(
            (entry.jwt_svid_ttl, entry.hint.as_str(), entry.store_svid),
            (60, "hint", true)
        );
        found.clone_from(&entry.id);
    }
    let request = BatchDeleteEntryRequest { ids: vec![found] };
    let results = client
        .batch_delete_entry(request)
        .await
        .unwrap()
        .into_inner()
        .results;
    assert_eq!(results[0].status.as_ref().unwrap().code, 0, "{results:?}");
}

#[tokio::test]
#[ignore = "builds SPIRE; run by cargo xtask interop"]
async fn the_controller_manager_keeps_entries_as_it_wants_them() {
    let server = Server::start().unwrap();
    let mut client = EntryClient::new(channel(&server).await);
    all_fields_are_supported(&server, &mut client).await;
    assert_eq!(list(&mut client).await, []);

    let wanted: Vec<types::Entry> = (0..450).map(|number| entry(&server, number)).collect();
    for batch in wanted.chunks(CREATED) {
        let request = BatchCreateEntryRequest {
            entries: batch.to_vec(),
            output_mask: None,
        };
        let results = client
            .batch_create_entry(request)
            .await
            .unwrap()
            .into_inner()
            .results;
        assert_eq!(results.len(), batch.len());
        for (result, entry) in results.iter().zip(batch) {
            assert_eq!(result.status.as_ref().unwrap().code, 0, "{result:?}");
            assert_eq!(result.entry.as_ref().unwrap().id, entry.id);
        }
    }
    let listed = list(&mut client).await;
    assert_eq!(listed.len(), wanted.len());
    // It compares what it wants with what there is, member by member, and would update for ever what differs.
    let read: BTreeSet<String> = listed
        .iter()
        .map(|entry| format!("{:?}", as_wanted(entry)))
        .collect();
    let written: BTreeSet<String> = wanted.iter().map(|entry| format!("{entry:?}")).collect();
    assert_eq!(read, written);

    let mut changed = wanted.clone();
    for entry in &mut changed {
        entry.x509_svid_ttl = 300;
        entry.dns_names.push("other.default.svc".to_owned());
    }
    for batch in changed.chunks(CREATED) {
        let request = BatchUpdateEntryRequest {
            entries: batch.to_vec(),
            ..BatchUpdateEntryRequest::default()
        };
        let results = client
            .batch_update_entry(request)
            .await
            .unwrap()
            .into_inner()
            .results;
        for result in &results {
            assert_eq!(result.status.as_ref().unwrap().code, 0, "{result:?}");
            assert_eq!(result.entry.as_ref().unwrap().revision_number, 1);
        }
    }
    let listed = list(&mut client).await;
    let read: BTreeSet<String> = listed
        .iter()
        .map(|entry| format!("{:?}", as_wanted(entry)))
        .collect();
    let written: BTreeSet<String> = changed.iter().map(|entry| format!("{entry:?}")).collect();
    assert_eq!(read, written);

    let ids: Vec<String> = wanted.into_iter().map(|entry| entry.id).collect();
    for batch in ids.chunks(DELETED) {
        let request = BatchDeleteEntryRequest { ids: batch.to_vec() };
        let results = client
            .batch_delete_entry(request)
            .await
            .unwrap()
            .into_inner()
            .results;
        for result in &results {
            assert_eq!(result.status.as_ref().unwrap().code, 0, "{result:?}");
        }
    }
    assert_eq!(list(&mut client).await, []);
    shows("controller-manager/calls for entries");
}

/// An entry without what the server says of it beside what was wanted.
fn as_wanted(entry: &types::Entry) -> types::Entry {
    types::Entry {
        revision_number: 0,
        created_at: 0,
        additional_attributes: None,
        ..entry.clone()
    }
}

#[tokio::test]
#[ignore = "builds SPIRE; run by cargo xtask interop"]
async fn the_controller_manager_serves_its_webhook_with_an_svid() {
    let server = Server::start().unwrap();
    let channel = channel(&server).await;
    let bundle = BundleClient::new(channel.clone())
        .get_bundle(GetBundleRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(bundle.trust_domain, server.trust_domain());
    assert!(!bundle.x509_authorities.is_empty());

    let key = PrivateKey::generate(Suite::EcdsaP256).unwrap();
    let name = spiffe::SpiffeId::new(server.id_of("/spire-controller-manager-webhook")).unwrap();
    let csr = CsrBuilder::new(&key.signer().unwrap())
        .spiffe_id(&name)
        .build()
        .unwrap();
    let minted = SvidClient::new(channel)
        .mint_x509svid(MintX509svidRequest { csr, ttl: 24 * 3600 })
        .await
        .unwrap()
        .into_inner()
        .svid
        .unwrap();
    let leaf = symbolon_pki::certificate::Certificate::from_der(&minted.cert_chain[0]).unwrap();
    assert_eq!(leaf.spiffe_id().unwrap(), name);
    shows("controller-manager/calls for its webhook");
}
