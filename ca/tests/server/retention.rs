//! What has ended is forgotten in the time that is configured.

use std::time::Duration;

use symbolon_api::spire::api::server::svid::v1::MintX509svidRequest;
use symbolon_api::spire::api::server::svid::v1::svid_client::SvidClient;
use symbolon_ca::client::Reader;
use symbolon_host::duration::HumanDuration;
use symbolon_pki::certificate::Certificate;
use symbolon_pki::suite::Form;

use crate::support::{Key, TestServer, id};

#[tokio::test]
async fn certificates_are_forgotten_when_they_have_been_over_for_long_enough() {
    let hour = Duration::from_secs(3600);
    let server = TestServer::start_with(|config| {
        config.retention.certificates = Some(HumanDuration(hour));
    })
    .await;
    let mut client = SvidClient::new(server.local().await);
    let mut mint = async |ttl| {
        let csr = Key::new(Form::Classical).csr(Some(&id("/web")));
        let minted = client.mint_x509svid(MintX509svidRequest { csr, ttl }).await;
        let svid = minted.unwrap().into_inner().svid.unwrap();
        Certificate::from_der(&svid.cert_chain[0]).unwrap().serial_hex()
    };
    let (short, long) = (mint(60).await, mint(7_200).await);
    drop(client);
    let server = server.restart(|clock| clock.advance(2 * hour)).await.unwrap();
    let forgotten = async {
        while server.client.certificate(&short).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), forgotten)
        .await
        .unwrap();
    server.client.certificate(&long).await.unwrap();
}
