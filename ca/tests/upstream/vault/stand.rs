//! A stand-in for a Vault server: it answers what Vault's API documents, or what it should not.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use symbolon_crypto::random;
use symbolon_issuance::{
    Authority, AuthorityKeys, AuthoritySpec, IntermediateRequest, Serial, prepare_authority,
    prepare_intermediate,
};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::csr::Csr;
use symbolon_pki::key::{PrivateKey, SubjectKey};
use symbolon_pki::pem;
use symbolon_pki::suite::Suite;
use symbolon_pki::time::Clock as _;
use symbolon_tls::{KexPolicy, crypto_provider};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::support::{TestClock, domain};

pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// What a login gives, and what lets in.
pub(crate) const TOKEN: &str = "hvs.of-the-stand-in";

/// What it does when it is to sign.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mood {
    Well,
    OtherKey,
    OtherName,
    Ended,
    Future,
    Short,
    /// Its root allows nothing below.
    NoPathLeft,
    /// It names another root than the one it signs with.
    OtherRoot,
    /// It knows nothing above what it signs with.
    NoRoot,
    Sealed,
    Moved,
    Refuses,
    Rubbish,
    TwoCertificates,
    TooMuch,
    Silent,
    BreaksOff,
}

/// What was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) line: String,
    pub(crate) token: Option<String>,
    pub(crate) namespace: Option<String>,
    pub(crate) body: Value,
    pub(crate) has_certificate: bool,
}

struct State {
    clock: Arc<TestClock>,
    mood: Mood,
    /// What lets in now, how long it lives, and whether that can be renewed.
    token: String,
    lease: u64,
    is_renewable: bool,
    asked: Vec<Asked>,
    key: PrivateKey,
    root: Certificate,
    narrow: Certificate,
}

/// The stand-in at a port of this machine.
pub(crate) struct Stand {
    pub(crate) port: u16,
    dir: PathBuf,
    state: Arc<Mutex<State>>,
}

impl Stand {
    /// Starts one whose files are put into `dir`: `vault-ca.pem`, `client.pem` and `client.key`.
    pub(crate) async fn start(dir: &Path, clock: Arc<TestClock>) -> Self {
        let key = PrivateKey::generate(Suite::EcdsaP256).unwrap();
        let keys = AuthorityKeys::from(key.signer().unwrap());
        let serial = Serial::random(random::fill).unwrap();
        let trust_domain = domain();
        let root = |path_len| {
            let spec = AuthoritySpec {
                trust_domain: &trust_domain,
                ttl: 9000 * HOUR,
                path_len,
            };
            // Long enough ago to have signed what has ended.
            let linted = prepare_authority(&spec, &keys, serial, clock.now() - 40 * HOUR).unwrap();
            Certificate::from_der(linted.sign(&keys).unwrap().der()).unwrap()
        };
        let state = State {
            clock: Arc::clone(&clock),
            mood: Mood::Well,
            token: TOKEN.to_owned(),
            lease: 0,
            is_renewable: true,
            asked: Vec::new(),
            root: root(None),
            narrow: root(Some(0)),
            key,
        };
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let stand = Self {
            port: listener.local_addr().unwrap().port(),
            dir: dir.to_owned(),
            state: Arc::new(Mutex::new(state)),
        };
        let acceptor = stand.acceptor();
        let state = Arc::clone(&stand.state);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (acceptor, state) = (acceptor.clone(), Arc::clone(&state));
                tokio::spawn(async move {
                    // Whoever does not like the handshake goes away.
                    if let Ok(mut stream) = acceptor.accept(stream).await {
                        let shown = stream.get_ref().1.peer_certificates().is_some();
                        serve(&state, &mut stream, shown).await;
                    }
                });
            }
        });
        stand
    }

    fn acceptor(&self) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = params.self_signed(&key).unwrap();
        let issuer = Issuer::new(params, key);
        let issue = |name: &str| {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
            (params.signed_by(&key, &issuer).unwrap(), key)
        };
        let ((own, own_key), (client, client_key)) = (issue("localhost"), issue("client"));
        std::fs::write(self.file("vault-ca.pem"), authority.pem()).unwrap();
        std::fs::write(self.file("client.pem"), client.pem()).unwrap();
        std::fs::write(self.file("client.key"), client_key.serialize_pem()).unwrap();
        let provider = crypto_provider(&KexPolicy::PostQuantum);
        let mut roots = rustls::RootCertStore::empty();
        roots.add(authority.der().clone()).unwrap();
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .allow_unauthenticated()
            .build()
            .unwrap();
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_client_cert_verifier(clients)
            .with_single_cert(
                vec![own.der().clone()],
                PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(own_key.serialize_der())),
            )
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub(crate) fn is(&self, mood: Mood) {
        self.state.lock().unwrap().mood = mood;
    }

    /// What lets in from now on, for how many seconds, and whether that can be renewed.
    pub(crate) fn lets_in(&self, token: &str, lease: u64, is_renewable: bool) {
        let mut state = self.state.lock().unwrap();
        state.token = token.to_owned();
        (state.lease, state.is_renewable) = (lease, is_renewable);
    }

    /// What was asked since the last look.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.state.lock().unwrap().asked)
    }

    /// The subject key identifier of its root.
    pub(crate) fn root_id(&self) -> String {
        self.state.lock().unwrap().root.skid().unwrap().to_string()
    }
}

async fn serve(state: &Mutex<State>, stream: &mut (impl AsyncReadExt + AsyncWriteExt + Unpin), shown: bool) {
    let asked = request(stream, shown).await;
    let path = asked.line.split(' ').nth(1).unwrap().to_owned();
    let (mood, answer) = {
        let mut state = state.lock().unwrap();
        state.asked.push(asked.clone());
        (state.mood, state.answer(&path, &asked))
    };
    let (status, body) = match (mood, path.ends_with("/sign-intermediate")) {
        (Mood::Silent, true) => return std::future::pending().await,
        (Mood::BreaksOff, true) => (200, "{\"data\":".to_owned() + &" ".repeat(64)),
        _ => answer,
    };
    // One that breaks off promised more.
    let promised = body.len() + usize::from(mood == Mood::BreaksOff);
    let head =
        format!("HTTP/1.1 {status} X\r\nlocation: https://elsewhere/\r\ncontent-length: {promised}\r\n\r\n");
    // Who has read enough goes away.
    let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
    let _ = stream.shutdown().await;
}

impl State {
    fn answer(&self, path: &str, asked: &Asked) -> (u16, String) {
        let said = |status, words: &str| (status, json!({ "errors": [words] }).to_string());
        let lease = json!({
            "client_token": self.token, "lease_duration": self.lease, "renewable": self.is_renewable
        });
        let auth = (200, json!({ "auth": lease }).to_string());
        let is_in = asked.token.as_deref() == Some(&self.token);
        match path {
            "/v1/auth/approle/login" if asked.body["secret_id"] == "a-secret" => auth,
            "/v1/auth/k8s/login" if asked.body["jwt"] == "a-jwt" => auth,
            "/v1/auth/cert/login" if asked.has_certificate => auth,
            _ if path.ends_with("/login") => said(400, "invalid role or secret ID"),
            _ if !is_in => said(403, "permission denied"),
            "/v1/auth/token/lookup-self" => {
                let known = json!({ "ttl": self.lease, "renewable": self.is_renewable });
                (200, json!({ "data": known }).to_string())
            }
            "/v1/auth/token/renew-self" if self.is_renewable => auth,
            "/v1/auth/token/renew-self" => said(400, "lease is not renewable"),
            "/v1/pki/root/sign-intermediate" | "/v1/team/pki/issuer/spiffe/sign-intermediate" => {
                self.sign(asked)
            }
            _ => said(404, "no handler for route"),
        }
    }

    fn sign(&self, asked: &Asked) -> (u16, String) {
        let said = |status, words: &str| (status, json!({ "errors": [words] }).to_string());
        match self.mood {
            Mood::Sealed => return said(503, "Vault is sealed"),
            Mood::Moved => return (307, String::new()),
            Mood::Refuses => return said(400, "cannot satisfy request, as TTL would result in notAfter"),
            Mood::Rubbish => return (200, "<html>welcome</html>".to_owned()),
            Mood::TooMuch => return (200, " ".repeat(2 * 1024 * 1024)),
            _ => {}
        }
        let text = asked.body["csr"].as_str().unwrap();
        let csr = Csr::from_der(&pem::certificate_request(text.as_bytes()).unwrap()).unwrap();
        let other = PrivateKey::generate(Suite::EcdsaP256).unwrap();
        let other_key = SubjectKey::Suite(other.public_key().unwrap());
        let elsewhere = crate::root::Root::with(
            Suite::EcdsaP256,
            None,
            &spiffe::TrustDomain::new("elsewhere.org").unwrap(),
            None,
            9000 * HOUR,
            self.clock.now(),
        );
        let (root, signer) = match self.mood {
            Mood::OtherName => (&elsewhere.certificate, elsewhere.signer()),
            _ => (&self.root, self.key.signer().unwrap()),
        };
        let authority = Authority::new(root.clone(), signer).unwrap();
        let seconds: u64 = asked.body["ttl"]
            .as_str()
            .unwrap()
            .trim_end_matches('s')
            .parse()
            .unwrap();
        let now = self.clock.now();
        let request = IntermediateRequest {
            key: if self.mood == Mood::OtherKey {
                &other_key
            } else {
                csr.key()
            },
            alternative: None,
            ttl: match self.mood {
                Mood::Short => Duration::from_secs(30),
                _ => Duration::from_secs(seconds),
            },
            path_len: None,
            serial: Serial::random(random::fill).unwrap(),
            now: match self.mood {
                Mood::Ended => now - 30 * HOUR,
                Mood::Future => now + HOUR,
                _ => now,
            },
        };
        let linted = prepare_intermediate(&authority, &request).unwrap();
        let own = Certificate::from_der(linted.sign(&authority).unwrap().der()).unwrap();
        let pem = |certificate: &Certificate| pem::encode_certificates([certificate]);
        let root = match self.mood {
            Mood::NoPathLeft => &self.narrow,
            Mood::OtherRoot => &elsewhere.certificate,
            _ => root,
        };
        let data = match self.mood {
            Mood::NoRoot => {
                json!({ "certificate": pem(&own), "issuing_ca": pem(&own), "ca_chain": [pem(&own)] })
            }
            Mood::TwoCertificates => {
                json!({ "certificate": pem(&own) + &pem(root), "issuing_ca": pem(root) })
            }
            // As Vault does: the new one first, and its issuer twice.
            _ => {
                json!({ "certificate": pem(&own), "issuing_ca": pem(root), "ca_chain": [pem(&own), pem(root)] })
            }
        };
        (200, json!({ "data": data, "warnings": null }).to_string())
    }
}

/// Reads one request.
async fn request(stream: &mut (impl AsyncReadExt + Unpin), has_certificate: bool) -> Asked {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let field = |name: &str| {
                let line = head.lines().find_map(|line| line.strip_prefix(name))?;
                Some(line.trim().to_owned())
            };
            let len: usize = field("content-length:").map_or(0, |len| len.parse().unwrap());
            if body.len() >= len {
                return Asked {
                    line: head.lines().next().unwrap().to_owned(),
                    token: field("x-vault-token:"),
                    namespace: field("x-vault-namespace:"),
                    body: serde_json::from_str(body).unwrap_or(Value::Null),
                    has_certificate,
                };
            }
        }
        let mut more = [0; 4096];
        let len = stream.read(&mut more).await.unwrap();
        assert!(len > 0, "{text}");
        read.extend_from_slice(&more[..len]);
    }
}
