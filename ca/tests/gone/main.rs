//! A server whose token goes away and comes back under load: SoftHSM in a process of its own, behind `p11-kit server`,
//! which is killed and started again.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use spiffe::TrustDomain;
use symbolon_api::spire::api::server::svid::v1::MintX509svidRequest;
use symbolon_api::spire::api::server::svid::v1::svid_client::SvidClient;
use symbolon_ca::client::{Client, Reader as _};
use symbolon_ca::config::{Pkcs11StoreConfig, ServerConfig, StoreConfig};
use symbolon_ca::server::{RunningServer, Server};
use symbolon_hsm::{SecretSource, StoreName};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::csr::CsrBuilder;
use symbolon_pki::key::PrivateKey;
use symbolon_pki::suite::{Form, Suite};
use symbolon_pki::time::SystemClock;
use symbolon_pki::verify::verify_x509_svid;
use symbolon_test_tokens::{Kind, LABEL, P11KitServer, PATIENCE, Token};
use symbolon_tls::grpc::{ChannelOptions, unix_channel};
use tempfile::TempDir;
use tonic::transport::Channel;
use tonic::{Code, Request};

/// What is asked for in all, and at once.
const REQUESTS: usize = 1000;
const AT_ONCE: usize = 25;
/// How long the token's calls may take, and a request, which waits for at most two of them, and for a busy machine.
const CALL: &str = "10s";
const DEADLINE: Duration = Duration::from_secs(60);

/// Classical keys on the token, ML-DSA keys in files.
fn config(dir: &TempDir, token: &Token) -> ServerConfig {
    let domain = TrustDomain::new("example.org").unwrap();
    let mut config = ServerConfig::new(domain, dir.path().join("data"));
    config.listen.address = "127.0.0.1:0".parse().unwrap();
    let hsm = Pkcs11StoreConfig {
        module: token.module.clone(),
        token: Some(LABEL.to_owned()),
        serial: None,
        manufacturer: None,
        model: None,
        slot: None,
        pin_source: Some(SecretSource::File(token.pin_file())),
        max_sessions: 8,
        deadline: CALL.parse().unwrap(),
    };
    let [hsm_name, software] = ["hsm", "software"].map(|name| StoreName::parse(name).unwrap());
    config.stores.insert(hsm_name.clone(), StoreConfig::Pkcs11(hsm));
    config.stores.insert(software.clone(), StoreConfig::default());
    config.key_stores = vec![hsm_name, software];
    config
}

struct Asking {
    channel: Channel,
    keys: Vec<PrivateKey>,
}

impl Asking {
    /// Asks for a certificate of the form; how it ended, and that it did in time.
    async fn ask(&self, form: Form) -> Result<Vec<Vec<u8>>, tonic::Status> {
        let key = &self.keys[usize::from(form == Form::MlDsa)];
        let id = "spiffe://example.org/load".parse().unwrap();
        let csr = CsrBuilder::new(&key.signer().unwrap())
            .spiffe_id(&id)
            .build()
            .unwrap();
        let mut request = Request::new(MintX509svidRequest { csr, ttl: 60 });
        let forms = form.name().parse().unwrap();
        request.metadata_mut().insert(symbolon_api::FORMS_METADATA, forms);
        let began = Instant::now();
        let answer = SvidClient::new(self.channel.clone()).mint_x509svid(request).await;
        assert!(began.elapsed() < DEADLINE, "{:?}: {answer:?}", began.elapsed());
        Ok(answer?.into_inner().svid.unwrap().cert_chain)
    }
}

/// Waits until the server says of itself what is expected; the last thing it said otherwise.
async fn until_it_says(client: &Client, expected: impl Fn(bool, &[String]) -> bool) {
    let end = Instant::now() + PATIENCE;
    loop {
        let healthy = client.is_healthy().await.unwrap();
        let problems = client.server().await.unwrap().problems;
        if expected(healthy, &problems) {
            return;
        }
        assert!(Instant::now() < end, "healthy: {healthy}, problems: {problems:?}");
        // What is awaited wants the machine too.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn verify(server: &RunningServer, chain: &[Vec<u8>]) {
    let chain: Vec<_> = chain
        .iter()
        .map(|der| Certificate::from_der(der).unwrap())
        .collect();
    verify_x509_svid(
        &chain,
        &server.authorities().bundles(),
        std::time::SystemTime::now(),
    )
    .unwrap();
}

#[test]
fn every_request_ends_in_time_nothing_is_half_issued_and_service_resumes() {
    let name = "every_request_ends_in_time_nothing_is_half_issued_and_service_resumes";
    symbolon_test_tokens::on(Kind::Remote, name, |token| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(under_load(token));
    });
}

async fn under_load(token: &Token) {
    let dir = TempDir::new().unwrap();
    let mut remote = Some(P11KitServer::start(token));
    let server = Server::start(&config(&dir, token), Arc::new(SystemClock))
        .await
        .unwrap();
    let client = Client::over_socket(server.socket_path()).await.unwrap();
    let channel = unix_channel(server.socket_path(), &ChannelOptions::default())
        .await
        .unwrap();
    let keys = [Suite::EcdsaP256, Suite::MlDsa65].map(|suite| PrivateKey::generate(suite).unwrap());
    let asking = Arc::new(Asking {
        channel,
        keys: keys.into(),
    });
    verify(&server, &asking.ask(Form::Classical).await.unwrap());
    let before = client.certificates(&Default::default()).await.unwrap();

    let next = Arc::new(AtomicUsize::new(0));
    let mut loads = tokio::task::JoinSet::new();
    for _ in 0..AT_ONCE {
        let (asking, next) = (asking.clone(), next.clone());
        loads.spawn(async move {
            let (mut issued, mut refused) = (Vec::new(), 0);
            while next.fetch_add(1, Ordering::Relaxed) < REQUESTS {
                match asking.ask(Form::Classical).await {
                    Ok(chain) => issued.push(chain),
                    Err(status) => {
                        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
                        assert!(
                            status
                                .message()
                                .contains("the key store of the classical authority"),
                            "{status:?}"
                        );
                        refused += 1;
                    }
                }
            }
            (issued, refused)
        });
    }
    // The token goes when a part is done, and comes back when that was noticed.
    while next.load(Ordering::Relaxed) < REQUESTS / 4 {
        tokio::task::yield_now().await;
    }
    drop(remote.take());
    until_it_says(&client, |healthy, problems| {
        !healthy
            && problems
                .iter()
                .any(|problem| problem.starts_with("key store hsm is unwell: "))
    })
    .await;
    // Whoever needs no token is served.
    verify(&server, &asking.ask(Form::MlDsa).await.unwrap());
    let refused = asking.ask(Form::Classical).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");

    remote = Some(P11KitServer::start(token));
    until_it_says(&client, |healthy, problems| healthy && problems.is_empty()).await;
    let (mut issued, mut refused) = (Vec::new(), 0);
    while let Some(load) = loads.join_next().await {
        let (more, less) = load.unwrap();
        issued.extend(more);
        refused += less;
    }
    verify(&server, &asking.ask(Form::Classical).await.unwrap());
    println!("{} issued, {refused} refused", issued.len());
    assert_eq!(issued.len() + refused, REQUESTS);
    assert!(refused > 0, "the token was away while it was needed");

    // On record as issued is what was handed out, and nothing else: the load, and one of each form.
    let after = client.certificates(&Default::default()).await.unwrap();
    let recorded = after.iter().filter(|one| one.state == "issued").count();
    let known = before.iter().filter(|one| one.state == "issued").count();
    assert_eq!(recorded, known + issued.len() + 2);
    for chain in &issued {
        verify(&server, chain);
    }
    drop(remote);
    drop(client);
    server.shutdown().await.unwrap();
}
