//! Bundles of other trust domains reach the workloads of entries that federate with them, and no others.

use std::collections::BTreeSet;
use std::fs;

use spiffe::TrustDomain;
use symbolon_interop::running::eventually;
use symbolon_interop::server::{Server, Settings};
use symbolon_interop::spire::{self, Agent, fetch};
use symbolon_pki::bundle::TrustBundle;
use symbolon_tls::workload_api::X509Context;
use tokio::runtime::Handle;

use crate::agent::{assert_identities, until_given};
use crate::{entry, shows, token};

/// The authorities of a trust domain that a workload was given.
fn authorities(context: &X509Context, trust_domain: &TrustDomain) -> BTreeSet<[u8; 32]> {
    let bundle = context.bundles.get(trust_domain);
    let authorities = bundle.into_iter().flat_map(|bundle| &bundle.x509_authorities);
    authorities
        .map(|authority| authority.certificate.sha256())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "builds SPIRE; run by cargo xtask interop"]
async fn federated_bundles_reach_the_workloads_that_are_to_have_them() {
    let other = Server::with(&Settings {
        trust_domain: Some("other.test".to_owned()),
        ..Settings::default()
    })
    .unwrap();
    let foreign = TrustDomain::new("other.test").unwrap();
    let server = Server::start().unwrap();
    let file = server.home().join("other.json");
    let set = || {
        let document = spire::says(&other, &["bundle", "show", "-format", "spiffe"]).unwrap();
        fs::write(&file, &document).unwrap();
        let set = [
            "bundle",
            "set",
            "-id",
            "spiffe://other.test",
            "-format",
            "spiffe",
            "-path",
        ];
        spire::says(&server, &[&set[..], &[file.to_str().unwrap()]].concat()).unwrap();
        let bundle = TrustBundle::from_jwks(&foreign, document.as_bytes()).unwrap();
        let authorities = bundle.x509_authorities.iter();
        authorities
            .map(|authority| authority.certificate.sha256())
            .collect::<BTreeSet<_>>()
    };
    let expected = set();
    assert!(!expected.is_empty());

    let (evidence, id) = token(&server, &[]);
    let mut agent = Agent::start(&server, "agent", &evidence).unwrap();
    let federated = entry(
        &server,
        &id,
        "/federated",
        &["-federatesWith", "spiffe://other.test"],
    );
    let name = server.id_of("/federated");
    let context = until_given(&mut agent, &[&name]).await;
    assert_eq!(authorities(&context, &foreign), expected);
    let jwt = agent.jwt_bundles().await.unwrap();
    assert!(!jwt.get(&foreign).unwrap().jwt_authorities.is_empty());

    let handle = Handle::current();
    let until = |what: &str, wanted: &BTreeSet<[u8; 32]>| {
        tokio::task::block_in_place(|| {
            eventually(what, || {
                let context = handle.block_on(fetch(&agent.socket()))?;
                assert_identities(&context, &[&name]);
                Ok((authorities(&context, &foreign) == *wanted).then_some(()))
            })
        })
        .unwrap();
    };
    // The other trust domain has a new authority.
    spire::says(&other, &["localauthority", "x509", "prepare"]).unwrap();
    let more = set();
    assert_eq!(more.len(), expected.len() + 1);
    until("the new authority arrives", &more);

    // The entry federates no more.
    spire::says(
        &server,
        &[
            "entry",
            "update",
            "-entryID",
            &federated,
            "-parentID",
            &id,
            "-spiffeID",
            &name,
            "-selector",
            &crate::own_selector(),
        ],
    )
    .unwrap();
    until("the bundle is taken away", &BTreeSet::new());
    shows("agent/federated bundles");
}
