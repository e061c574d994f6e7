//! The bundles of the trust domains that entries federate with.

use std::collections::HashMap;
use std::time::Duration;

use spiffe::TrustDomain;
use symbolon_api::spiffe::workload as wire;
use symbolon_api::spire::api::types;
use symbolon_ca::client::EntryChanges;
use symbolon_ca::config::ServerConfig;
use symbolon_ca::datastore::DeleteMode;
use symbolon_ca::server::Server;
use symbolon_pki::bundle::TrustBundle;
use symbolon_pki::suite::Form;
use tempfile::TempDir;
use tonic::Streaming;

use crate::forms::{request, stock};
use crate::stand_in::entry_for;
use crate::support::{Site, my_uid, within, workload};

/// The bundle of another trust domain, with authorities of every form.
async fn other_bundle(site: &Site) -> TrustBundle {
    let dir = TempDir::new().unwrap();
    let name = TrustDomain::new("other.org").unwrap();
    let mut config = ServerConfig::new(name, dir.path().join("other"));
    config.listen.address = "127.0.0.1:0".parse().unwrap();
    let server = Server::start(&config, site.time.clone()).await.unwrap();
    let bundle = (*server.authorities().bundle()).clone();
    within(server.shutdown()).await.unwrap();
    bundle
}

fn der(bundle: &TrustBundle, forms: &[Form]) -> Vec<u8> {
    let of_forms = forms.iter().flat_map(|form| bundle.authorities_of(*form));
    of_forms
        .flat_map(|authority| authority.certificate.der().to_vec())
        .collect()
}

#[tokio::test]
async fn workloads_get_the_bundles_that_their_entries_federate_with() {
    let site = Site::start().await;
    let agent = site.agent().await;
    let other = other_bundle(&site).await;
    site.client().set_federated_bundle(&other).await.unwrap();
    let with = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let entry = site
        .register_with(&agent, "/web", &[&my_uid()], |spec| {
            spec.federates_with = with(&["other.org"]);
        })
        .await;
    site.sync(&agent).await;

    let mut stock = stock(agent.socket()).await;
    let (own, foreign) = ("spiffe://example.org".to_owned(), "spiffe://other.org".to_owned());
    let mut svids = stock
        .fetch_x509svid(request(wire::X509svidRequest {}, None))
        .await
        .unwrap()
        .into_inner();
    let answer = within(svids.message()).await.unwrap().unwrap();
    // Stock software sees what it can use.
    let classical = der(&other, &[Form::Classical, Form::Catalyst]);
    assert_eq!(
        answer.federated_bundles,
        [(foreign.clone(), classical.clone())].into()
    );
    let asked = request(wire::X509svidRequest {}, Some("composite"));
    let answer = stock
        .fetch_x509svid(asked)
        .await
        .unwrap()
        .into_inner()
        .message()
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        answer.federated_bundles[&foreign],
        der(&other, &[Form::Composite])
    );

    let bundles = stock
        .fetch_x509_bundles(request(wire::X509BundlesRequest {}, None))
        .await
        .unwrap();
    let bundles = bundles.into_inner().message().await.unwrap().unwrap().bundles;
    assert_eq!((bundles.len(), &bundles[&foreign]), (2, &classical));
    assert!(bundles.contains_key(&own));
    let tokens = stock
        .fetch_jwt_bundles(request(wire::JwtBundlesRequest {}, None))
        .await
        .unwrap();
    let tokens = tokens.into_inner().message().await.unwrap().unwrap().bundles;
    assert_eq!(tokens[&foreign], other.to_jwt_jwks().into_bytes());

    // A new bundle comes with the next sync, to those who follow it.
    let mut next = other.clone();
    next.sequence += 1;
    next.x509_authorities
        .retain(|authority| authority.form() == Some(Form::Classical));
    site.client().set_federated_bundle(&next).await.unwrap();
    let shorter = der(&other, &[Form::Classical]);
    follow(&site, &mut svids, |bundles| {
        bundles.get(&foreign) == Some(&shorter)
    })
    .await;

    // Who no longer federates gets it no longer; nor does anybody when it is gone.
    let federate = async |names: &[&str]| {
        let changes = EntryChanges {
            federates_with: Some(with(names)),
            ..EntryChanges::default()
        };
        site.client().update_entry(&entry, &changes).await.unwrap();
    };
    federate(&[]).await;
    follow(&site, &mut svids, HashMap::is_empty).await;
    federate(&["other.org"]).await;
    follow(&site, &mut svids, |bundles| bundles.len() == 1).await;
    let name = TrustDomain::new("other.org").unwrap();
    let deleted = site
        .client()
        .delete_federated_bundle(&name, DeleteMode::Dissociate);
    deleted.await.unwrap();
    follow(&site, &mut svids, HashMap::is_empty).await;
}

/// Lets time pass until an answer has bundles like these. Between them are those with a new SVID, since an entry that was
/// changed is issued anew.
async fn follow(
    site: &Site,
    svids: &mut Streaming<wire::X509svidResponse>,
    like: impl Fn(&HashMap<String, Vec<u8>>) -> bool,
) {
    let found = async { while !like(&svids.message().await.unwrap().unwrap().federated_bundles) {} };
    site.time.pass(Duration::from_secs(5), found).await;
}

#[tokio::test]
async fn a_bundle_that_the_server_cannot_give_does_not_stop_a_sync() {
    // The stand-in answers that it has never heard of such bundles.
    let site = crate::faults::Site::start().await;
    site.server.script().entries = vec![types::Entry {
        federates_with: vec!["other.org".to_owned()],
        ..entry_for("web", 1, &[&my_uid()])
    }];
    let agent = site.agent().await;
    let context = within(workload(&agent).await.fetch_x509(&[])).await.unwrap();
    assert_eq!(context.svids.len(), 1);
}
