//! Endpoints that answer as they are told, and trust domains to speak of.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use spiffe::{SpiffeId, TrustDomain};
use symbolon_federation::{BundleClient, ClientOptions, Endpoint, EndpointProfile, WebRoots};
use symbolon_issuance::{
    Authority, AuthoritySpec, Beside, Serial, SvidProfile, SvidRequest, prepare_authority, prepare_svid,
};
use symbolon_pki::bundle::{BundleSet, TrustBundle, X509Authority};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::key::{PrivateKey, SubjectKey};
use symbolon_pki::suite::Suite;
use symbolon_pki::time::Clock;
use symbolon_tls::{
    Acceptor, AuthorizeId, ClientAuth, KexPolicy, ListenerOptions, StaticSource, SvidIdentity,
    crypto_provider,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A clock that stands where it is put.
#[derive(Debug)]
pub(crate) struct TestClock(Mutex<SystemTime>);

impl TestClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(
            SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000),
        )))
    }

    pub(crate) fn advance(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for TestClock {
    fn now(&self) -> SystemTime {
        *self.0.lock().unwrap()
    }
}

/// A trust domain with one authority.
pub(crate) struct Domain {
    pub(crate) name: TrustDomain,
    authority: Authority,
}

fn serial() -> Serial {
    Serial::random(symbolon_crypto::random::fill).unwrap()
}

impl Domain {
    pub(crate) fn new(name: &str, suite: Suite, now: SystemTime) -> Self {
        let name = TrustDomain::new(name).unwrap();
        let signer = PrivateKey::generate(suite).unwrap().signer().unwrap();
        let spec = AuthoritySpec {
            trust_domain: &name,
            ttl: Duration::from_secs(24 * 3600),
            path_len: None,
        };
        let linted = prepare_authority(&spec, &signer, serial(), now).unwrap();
        let certificate = Certificate::from_der(linted.sign(&signer).unwrap().der()).unwrap();
        let authority = Authority::new(certificate, signer).unwrap();
        Self { name, authority }
    }

    pub(crate) fn bundle(&self) -> TrustBundle {
        let mut bundle = TrustBundle::new(self.name.clone());
        bundle.sequence = 7;
        bundle.refresh_hint = Some(Duration::from_secs(300));
        bundle
            .x509_authorities
            .push(X509Authority::new(self.authority.certificate().clone()));
        bundle
    }

    /// An SVID for `/endpoint`, good for an hour.
    fn svid(&self, now: SystemTime) -> Arc<SvidIdentity> {
        let signer = PrivateKey::generate(self.authority.suite())
            .unwrap()
            .signer()
            .unwrap();
        let spiffe_id = self.endpoint_id();
        let request = SvidRequest {
            profile: SvidProfile::Workload,
            spiffe_id: &spiffe_id,
            key: &SubjectKey::Suite(signer.public_key().clone()),
            beside: Beside::Nothing,
            dns_names: &[],
            ttl: Duration::from_secs(3600),
            serial: serial(),
            now,
        };
        let linted = prepare_svid(&self.authority, &request).unwrap();
        let der = linted.sign(&self.authority).unwrap().into_der();
        Arc::new(SvidIdentity::new(vec![der], signer).unwrap())
    }

    pub(crate) fn endpoint_id(&self) -> SpiffeId {
        SpiffeId::new(format!("spiffe://{}/endpoint", self.name)).unwrap()
    }
}

/// A whole answer.
pub(crate) fn answer(status: &str, fields: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status}\r\n{fields}content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

pub(crate) fn ok(body: &str) -> Vec<u8> {
    answer("200 OK", "content-type: application/json\r\n", body)
}

/// What an endpoint says to the request whose head this is; `None` for nothing, ever.
pub(crate) type Answering = dyn Fn(&str) -> Option<Vec<u8>> + Send + Sync;

/// Something to be asked that counts how often it was: a test does not see what panics on a task of its own.
pub(crate) fn counting() -> (
    impl Fn(&str) -> Option<Vec<u8>> + Clone + Send + Sync + 'static,
    Arc<AtomicUsize>,
) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let answering = move |_: &str| -> Option<Vec<u8>> {
        count.fetch_add(1, Ordering::SeqCst);
        None
    };
    (answering, asked)
}

async fn converse<IO: AsyncRead + AsyncWrite + Unpin>(mut io: IO, answering: &Answering) {
    let mut head = Vec::new();
    let mut buffer = [0; 1024];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match io.read(&mut buffer).await {
            Ok(count @ 1..) => head.extend_from_slice(&buffer[..count]),
            _ => return,
        }
    }
    match answering(&String::from_utf8(head).unwrap()) {
        Some(bytes) => {
            // The client may have heard enough.
            let _written = io.write_all(&bytes).await;
            let _ended = io.shutdown().await;
        }
        None => std::future::pending().await,
    }
}

/// How a server proves itself.
#[derive(Clone)]
pub(crate) enum Proof {
    Web(tokio_rustls::TlsAcceptor),
    Spiffe(Acceptor),
    /// It lets everybody connect, and says nothing.
    Silence,
}

/// Serves until the test ends; gives the port.
pub(crate) async fn serve(
    proof: Proof,
    answering: impl Fn(&str) -> Option<Vec<u8>> + Send + Sync + 'static,
) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let answering: Arc<Answering> = Arc::new(answering);
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            tokio::spawn(one(tcp, proof.clone(), answering.clone()));
        }
    });
    port
}

async fn one(tcp: TcpStream, proof: Proof, answering: Arc<Answering>) {
    match proof {
        Proof::Web(acceptor) => {
            if let Ok(stream) = acceptor.accept(tcp).await {
                converse(stream, &*answering).await;
            }
        }
        Proof::Spiffe(acceptor) => {
            if let Ok(stream) = acceptor.accept(tcp).await {
                converse(stream, &*answering).await;
            }
        }
        Proof::Silence => std::future::pending().await,
    }
}

/// A certificate for these names by an authority of the test's own, and that authority in PEM.
pub(crate) fn web(names: &[&str], kex: &KexPolicy) -> (Proof, String) {
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let mut ca = rcgen::CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let root = ca.self_signed(&ca_key).unwrap();
    let issuer = rcgen::Issuer::new(ca, ca_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let mut leaf =
        rcgen::CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
            .unwrap();
    // 1 790 000 000 is in September 2026.
    leaf.not_before = rcgen::date_time_ymd(2026, 9, 1);
    leaf.not_after = rcgen::date_time_ymd(2026, 10, 1);
    let certificate = leaf.signed_by(&key, &issuer).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(crypto_provider(kex))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            rustls_pki_types::PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .unwrap();
    (Proof::Web(Arc::new(config).into()), root.pem())
}

/// An endpoint that shows an SVID of this trust domain.
pub(crate) fn spiffe(domain: &Domain, clock: &Arc<TestClock>) -> Proof {
    let source = StaticSource::new(vec![domain.svid(clock.now())], BundleSet::new());
    let authorize = AuthorizeId::AnyIn(domain.name.clone());
    let options = ListenerOptions::default();
    let acceptor = Acceptor::new(
        Arc::new(source),
        authorize,
        ClientAuth::Optional,
        options,
        clock.clone(),
    );
    Proof::Spiffe(acceptor)
}

/// A client that believes this authority of the web and no other.
pub(crate) fn client(root: &str, clock: &Arc<TestClock>) -> BundleClient {
    client_with(root, clock, |_| {})
}

pub(crate) fn client_with(
    root: &str,
    clock: &Arc<TestClock>,
    change: impl FnOnce(&mut ClientOptions),
) -> BundleClient {
    let mut options = ClientOptions {
        timeout: Duration::from_secs(20),
        ..ClientOptions::default()
    };
    if !root.is_empty() {
        options.web_roots = WebRoots::from_pem(root.as_bytes()).unwrap();
    }
    change(&mut options);
    BundleClient::new(options, clock.clone()).unwrap()
}

pub(crate) fn at_web(port: u16) -> Endpoint {
    Endpoint {
        url: format!("https://localhost:{port}/bundle?x=1").parse().unwrap(),
        profile: EndpointProfile::HttpsWeb,
    }
}

pub(crate) fn at_spiffe(port: u16, endpoint_id: SpiffeId) -> Endpoint {
    Endpoint {
        url: format!("https://127.0.0.1:{port}/").parse().unwrap(),
        profile: EndpointProfile::HttpsSpiffe { endpoint_id },
    }
}
