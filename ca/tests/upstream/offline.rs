//! Requests that are carried to a root and certificates that are carried back.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use symbolon_ca::config::{OfflineUpstreamConfig, UpstreamConfig};
use symbolon_ca::datastore::AuthorityState;
use symbolon_crypto::random;
use symbolon_issuance::{Authority, IntermediateRequest, Serial, prepare_intermediate};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::csr::Csr;
use symbolon_pki::pem;
use symbolon_pki::suite::{Family, Form, Suite};
use symbolon_pki::time::Clock as _;
use tempfile::TempDir;

use crate::disk::mint;
use crate::root::Root;
use crate::support::{TestClock, TestServer, config, id};

const FAMILY: &str = "ml-dsa";

fn file(dir: &Path, ending: &str) -> PathBuf {
    dir.join(format!("{FAMILY}.{ending}"))
}

/// The request in the directory.
fn request(dir: &Path) -> Csr {
    let text = fs::read(file(dir, "csr.pem")).unwrap();
    Csr::from_der(&pem::certificate_request(&text).unwrap()).unwrap()
}

/// What a ceremony makes of a request.
fn sign(root: &Root, csr: &Csr, server: &TestServer) -> String {
    let authority = Authority::new(root.certificate.clone(), root.signer()).unwrap();
    let request = IntermediateRequest {
        key: csr.key(),
        alternative: None,
        ttl: Duration::from_secs(90 * 24 * 3600),
        path_len: Some(0),
        serial: Serial::random(random::fill).unwrap(),
        now: server.clock.now(),
    };
    let linted = prepare_intermediate(&authority, &request).unwrap();
    let certificate = Certificate::from_der(linted.sign(&authority).unwrap().der()).unwrap();
    pem::encode_certificates([&certificate, &root.certificate])
}

#[tokio::test]
async fn a_request_waits_through_restarts_until_its_certificate_is_brought() {
    let (dir, clock) = (TempDir::new().unwrap(), TestClock::new());
    let carried = TempDir::new().unwrap();
    let root = Root::new(Suite::MlDsa87, clock.now());
    let mut config = config(dir.path());
    config.upstreams.insert(
        "ceremony".parse().unwrap(),
        UpstreamConfig::Offline(OfflineUpstreamConfig {
            dir: carried.path().to_owned(),
        }),
    );
    config.families.ml_dsa.upstream = Some("ceremony".parse().unwrap());
    let server = TestServer::on(dir, clock, config).await.unwrap();
    assert!(server.server.authorities().active(Family::MlDsa).is_none());
    // Everybody else is served meanwhile.
    let chain = mint(&server, Form::Classical, "/billing").await;
    assert_eq!(server.verify(&chain).spiffe_id, id("/billing"));
    let csr = request(carried.path());
    assert_eq!(
        csr.spiffe_id().unwrap().unwrap().to_string(),
        "spiffe://example.org"
    );

    // A stick that was lost is written again, and what is asked for stays.
    fs::remove_file(file(carried.path(), "csr.pem")).unwrap();
    let server = server
        .restart(|clock| clock.advance(Duration::from_secs(600)))
        .await
        .unwrap();
    server.server.authorities().follow_upstreams().await;
    server.server.authorities().rotate_due().await.unwrap();
    assert_eq!(request(carried.path()).key(), csr.key());

    // What is for another key is put away with the reason.
    let other = Root::new(Suite::MlDsa65, server.clock.now());
    let brought = file(carried.path(), "chain.pem");
    for (text, reason) in [
        (pem::encode_certificates([&other.certificate]), "no certificate"),
        (sign(&other, &csr, &server).replace("BEGIN", "BEGNI"), ""),
        (
            pem::encode_certificates([&certificate_of(&sign(&other, &csr, &server)), &root.certificate]),
            "would not be believed",
        ),
    ] {
        fs::write(&brought, text).unwrap();
        server
            .server
            .authorities()
            .take_what_was_brought()
            .await
            .unwrap_err();
        let told = fs::read_to_string(file(carried.path(), "refused.txt")).unwrap();
        assert!(told.contains(reason), "{told}");
        assert!(!brought.exists() && file(carried.path(), "refused.pem").exists());
        assert!(server.server.authorities().active(Family::MlDsa).is_none());
    }

    fs::write(&brought, sign(&root, &csr, &server)).unwrap();
    let taken = server.server.authorities().take_what_was_brought().await.unwrap();
    assert_eq!(taken.len(), 1);
    server.server.authorities().rotate_due().await.unwrap();
    let chain = mint(&server, Form::MlDsa, "/billing").await;
    assert_eq!((chain.len(), server.verify(&chain).form), (2, Form::MlDsa));
    let left: Vec<_> = ["csr.pem", "chain.pem", "refused.pem", "refused.txt", "taken.pem"]
        .into_iter()
        .filter(|ending| file(carried.path(), ending).exists())
        .collect();
    assert_eq!(left, ["taken.pem"]);

    // Half of its life before its end the next one is requested, and the old one signs on.
    let before = server.server.authorities().active(Family::MlDsa).unwrap();
    let server = server
        .restart(|clock| clock.advance(Duration::from_secs(61 * 24 * 3600)))
        .await
        .unwrap();
    assert_ne!(request(carried.path()).key(), csr.key());
    let now = server.server.authorities().active(Family::MlDsa).unwrap();
    assert_eq!(now.authority_id(), before.authority_id());
    let journal = server.server.authorities().journal();
    let waiting = journal
        .iter()
        .filter(|it| it.family == Family::MlDsa && it.state == AuthorityState::Prepared);
    assert_eq!(waiting.count(), 0);
}

fn certificate_of(text: &str) -> Certificate {
    pem::certificates(text.as_bytes()).unwrap().remove(0).unwrap()
}
