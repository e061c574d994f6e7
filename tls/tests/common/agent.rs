//! An agent that says what the test tells it to.

#![allow(dead_code, reason = "each test program uses a part of this")]

use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use symbolon_api::spiffe::workload as wire;
use symbolon_api::spiffe::workload::spiffe_workload_api_server::{
    SpiffeWorkloadApi, SpiffeWorkloadApiServer,
};
use symbolon_api::{WORKLOAD_METADATA, forms};
use symbolon_pki::key::PrivateKey;
use symbolon_pki::suite::Form;
use symbolon_tls::workload_api::Endpoint;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::broadcast;
use tokio_stream::wrappers::{BroadcastStream, TcpListenerStream, UnixListenerStream};
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status};

use crate::common::Domain;

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// What the agent answers to `FetchX509SVID`, first and from then on.
#[derive(Clone)]
pub(crate) struct Agent {
    pub(crate) now: Arc<Mutex<Result<wire::X509svidResponse, Status>>>,
    pub(crate) updates: broadcast::Sender<Result<wire::X509svidResponse, Status>>,
    /// The forms that each call asked for.
    pub(crate) asked: Arc<Mutex<Vec<Option<String>>>>,
    pub(crate) jwks: Vec<u8>,
}

impl Agent {
    pub(crate) fn new(first: wire::X509svidResponse) -> Self {
        Self {
            now: Arc::new(Mutex::new(Ok(first))),
            updates: broadcast::channel(8).0,
            asked: Arc::default(),
            jwks: br#"{"keys":[]}"#.to_vec(),
        }
    }

    /// Sends an update to those who listen, and to those who come.
    pub(crate) fn send(&self, update: wire::X509svidResponse) {
        *self.now.lock().unwrap() = Ok(update.clone());
        let _ = self.updates.send(Ok(update));
    }

    /// Serves on a socket until the task is aborted.
    pub(crate) fn serve(&self, socket: &Path) -> tokio::task::JoinHandle<()> {
        let listener = UnixListener::bind(socket).unwrap();
        let service = SpiffeWorkloadApiServer::new(self.clone());
        tokio::spawn(async move {
            tonic::transport::Server::builder()
                .add_service(service)
                .serve_with_incoming(UnixListenerStream::new(listener))
                .await
                .unwrap();
        })
    }

    /// Serves on a TCP port until the task is aborted.
    pub(crate) fn serve_tcp(&self, listener: TcpListener) -> tokio::task::JoinHandle<()> {
        let service = SpiffeWorkloadApiServer::new(self.clone());
        tokio::spawn(async move {
            tonic::transport::Server::builder()
                .add_service(service)
                .serve_with_incoming(TcpListenerStream::new(listener))
                .await
                .unwrap();
        })
    }

    fn admit<T>(&self, request: &Request<T>) -> Result<(), Status> {
        let metadata = request.metadata();
        if metadata
            .get(WORKLOAD_METADATA)
            .is_none_or(|value| value != "true")
        {
            return Err(Status::invalid_argument("security header missing from request"));
        }
        let asked = forms::requested(metadata)?.map(|forms| forms.join(","));
        self.asked.lock().unwrap().push(asked);
        Ok(())
    }
}

fn once<T: Send + 'static>(message: T) -> Answers<T> {
    Box::pin(tokio_stream::once(Ok(message)))
}

#[tonic::async_trait]
impl SpiffeWorkloadApi for Agent {
    type FetchX509SVIDStream = Answers<wire::X509svidResponse>;
    type FetchX509BundlesStream = Answers<wire::X509BundlesResponse>;
    type FetchJWTBundlesStream = Answers<wire::JwtBundlesResponse>;
    type FetchWITSVIDStream = Answers<wire::WitsvidResponse>;
    type FetchWITBundlesStream = Answers<wire::WitBundlesResponse>;

    async fn fetch_x509svid(
        &self,
        request: Request<wire::X509svidRequest>,
    ) -> Result<Response<Self::FetchX509SVIDStream>, Status> {
        self.admit(&request)?;
        let updates = BroadcastStream::new(self.updates.subscribe())
            .map(|update| update.unwrap_or_else(|lagged| Err(Status::internal(lagged.to_string()))));
        let first = self.now.lock().unwrap().clone()?;
        Ok(Response::new(Box::pin(
            tokio_stream::once(Ok(first)).chain(updates),
        )))
    }

    async fn fetch_x509_bundles(
        &self,
        request: Request<wire::X509BundlesRequest>,
    ) -> Result<Response<Self::FetchX509BundlesStream>, Status> {
        self.admit(&request)?;
        let now = self.now.lock().unwrap().clone()?;
        let bundles = now
            .svids
            .first()
            .map(|svid| ("spiffe://example.org".to_owned(), svid.bundle.clone()));
        Ok(Response::new(once(wire::X509BundlesResponse {
            bundles: bundles.into_iter().collect(),
            ..wire::X509BundlesResponse::default()
        })))
    }

    async fn fetch_jwtsvid(
        &self,
        request: Request<wire::JwtsvidRequest>,
    ) -> Result<Response<wire::JwtsvidResponse>, Status> {
        self.admit(&request)?;
        let request = request.into_inner();
        Ok(Response::new(wire::JwtsvidResponse {
            svids: vec![wire::Jwtsvid {
                spiffe_id: if request.spiffe_id.is_empty() {
                    "spiffe://example.org/one".to_owned()
                } else {
                    request.spiffe_id
                },
                svid: format!("token.for.{}", request.audience.join("+")),
                hint: "internal".to_owned(),
            }],
        }))
    }

    async fn fetch_jwt_bundles(
        &self,
        request: Request<wire::JwtBundlesRequest>,
    ) -> Result<Response<Self::FetchJWTBundlesStream>, Status> {
        self.admit(&request)?;
        let bundles = [("spiffe://example.org".to_owned(), self.jwks.clone())].into();
        Ok(Response::new(once(wire::JwtBundlesResponse { bundles })))
    }

    async fn validate_jwtsvid(
        &self,
        request: Request<wire::ValidateJwtsvidRequest>,
    ) -> Result<Response<wire::ValidateJwtsvidResponse>, Status> {
        self.admit(&request)?;
        match request.get_ref().svid.as_str() {
            "good" => Ok(Response::new(wire::ValidateJwtsvidResponse {
                spiffe_id: "spiffe://example.org/one".to_owned(),
                claims: None,
            })),
            _ => Err(Status::invalid_argument("the token has expired")),
        }
    }

    async fn fetch_witsvid(
        &self,
        _: Request<wire::WitsvidRequest>,
    ) -> Result<Response<Self::FetchWITSVIDStream>, Status> {
        Err(Status::unimplemented("no WIT-SVIDs"))
    }

    async fn fetch_wit_bundles(
        &self,
        _: Request<wire::WitBundlesRequest>,
    ) -> Result<Response<Self::FetchWITBundlesStream>, Status> {
        Err(Status::unimplemented("no WIT-SVIDs"))
    }
}

/// Fails a test that would hang.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(120), future)
        .await
        .expect("nothing happened for 120 s")
}

/// An SVID as the agent sends it.
pub(crate) fn wire_svid(domain: &Domain, path: &str, form: Form) -> wire::X509svid {
    let key = PrivateKey::generate(form.default_suite()).unwrap();
    let identity = domain.svid_of(path, key.signer().unwrap());
    wire::X509svid {
        spiffe_id: identity.spiffe_id().to_string(),
        x509_svid: identity
            .chain()
            .iter()
            .flat_map(|certificate| certificate.to_vec())
            .collect(),
        x509_svid_key: key.to_pkcs8_der().unwrap().to_vec(),
        bundle: domain.authority(form).certificate().der().to_vec(),
        hint: format!("internal/{form}"),
        form: form.to_string(),
        ..wire::X509svid::default()
    }
}

pub(crate) fn answer(domain: &Domain, forms: &[Form]) -> wire::X509svidResponse {
    wire::X509svidResponse {
        svids: forms.iter().map(|form| wire_svid(domain, "one", *form)).collect(),
        ..wire::X509svidResponse::default()
    }
}

pub(crate) struct Socket {
    _directory: tempfile::TempDir,
    pub(crate) path: std::path::PathBuf,
}

impl Socket {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("api.sock");
        Self {
            _directory: directory,
            path,
        }
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        format!("unix://{}", self.path.display()).parse().unwrap()
    }
}
