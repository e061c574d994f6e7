//! SVIDs without an entry, for operators.

use symbolon_api::spire::api::server::svid::v1 as api;
use symbolon_api::spire::api::server::svid::v1::svid_client::SvidClient;
use symbolon_ca::client::{CertificateQuery, Reader};
use symbolon_pki::suite::Form;
use tonic::Code;

use crate::support::{Key, TestServer, asking_for_key, foreign_request, id};

#[tokio::test]
async fn operators_mint_what_the_request_names() {
    let server = TestServer::start().await;
    let mut client = SvidClient::new(server.local().await);
    for form in Form::OF_KEYS {
        let csr = Key::new(form).csr(Some(&id("/minted")));
        let message = api::MintX509svidRequest {
            csr: csr.clone(),
            ttl: 60,
        };
        if form != Form::Classical {
            let status = client.mint_x509svid(message.clone()).await.unwrap_err();
            assert_eq!(status.code(), Code::InvalidArgument);
            let words = format!("of form {form}, which the request did not ask for");
            assert!(status.message().contains(&words), "{status}");
        }
        let request = asking_for_key(message, &csr);
        let svid = client
            .mint_x509svid(request)
            .await
            .unwrap()
            .into_inner()
            .svid
            .unwrap();
        let verified = server.verify(&svid.cert_chain);
        assert_eq!((verified.form, verified.spiffe_id), (form, id("/minted")));
    }
    let query = CertificateQuery {
        spiffe_id: Some(id("/minted")),
        ..CertificateQuery::default()
    };
    assert_eq!(server.client.certificates(&query).await.unwrap().len(), 3);
    let foreign = spiffe::SpiffeId::new("spiffe://other.org/web").unwrap();
    let key = Key::new(Form::Classical);
    for (csr, ttl, words) in [
        (key.csr(None), 0, "csr: it names no SPIFFE ID"),
        (key.csr(Some(&foreign)), 0, "outside the trust domain example.org"),
        (key.csr(Some(&id("/spire/agent/x/a"))), 0, "csr: "),
        (key.csr(Some(&id("/web"))), -1, "ttl is -1"),
        (vec![1, 2, 3], 0, "csr: "),
    ] {
        let status = client
            .mint_x509svid(api::MintX509svidRequest { csr, ttl })
            .await
            .unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().contains(words), "{words}: {status}");
    }
    assert_eq!(server.client.certificates(&query).await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_request_with_two_identities_is_refused() {
    let server = TestServer::start().await;
    let before = server.certificate_count().await;
    let request = api::MintX509svidRequest {
        csr: foreign_request("two-uris"),
        ttl: 0,
    };
    let status = SvidClient::new(server.local().await)
        .mint_x509svid(request)
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("2 URI"), "{status}");
    assert_eq!(server.certificate_count().await, before);
}
