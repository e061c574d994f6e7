//! The calls.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use spiffe::SpiffeId;
use symbolon_api::spiffe::workload as wire;
use symbolon_api::spiffe::workload::spiffe_workload_api_client::SpiffeWorkloadApiClient;
use symbolon_api::symbolon::workload::v1 as own;
use symbolon_api::symbolon::workload::v1::handshakes_client::HandshakesClient;
use symbolon_api::{MAX_MESSAGE, WORKLOAD_METADATA, WORKLOAD_METADATA_VALUE, forms};
use symbolon_pki::bundle::BundleSet;
use symbolon_pki::suite::Form;
use tokio_stream::Stream;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;
use tonic::{Request, Response, Status, Streaming};

use super::endpoint::Endpoint;
use super::error::WorkloadApiError;
use super::response::{JwtSvid, X509Context, jwt_bundles, jwt_svids, x509_bundles};
use crate::grpc::{ChannelOptions, tcp_channel, unix_channel};
use crate::handshakes::HandshakeCount;
use crate::migration::MigrationStage;

/// Longest wait for an answer, or for the first message of a stream.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// A connection to the Workload API. Cheap to clone; a lost connection is made anew by the next call.
#[derive(Clone, Debug)]
pub struct WorkloadApiClient {
    api: SpiffeWorkloadApiClient<Channel>,
    handshakes: HandshakesClient<Channel>,
}

impl WorkloadApiClient {
    /// Connects to `endpoint`. Who calls is known to the agent by the socket.
    ///
    /// # Errors
    /// [`WorkloadApiError::Connect`] if nobody answers there.
    pub async fn connect(endpoint: &Endpoint) -> Result<Self, WorkloadApiError> {
        let options = ChannelOptions {
            request_timeout: None,
            ..ChannelOptions::default()
        };
        let channel = match endpoint {
            Endpoint::Unix(path) => unix_channel(path, &options).await?,
            Endpoint::Tcp(address) => tcp_channel(&address.to_string(), &options).await?,
        };
        let handshakes = HandshakesClient::new(channel.clone());
        let api = SpiffeWorkloadApiClient::new(channel)
            .max_decoding_message_size(MAX_MESSAGE)
            .max_encoding_message_size(MAX_MESSAGE);
        Ok(Self { api, handshakes })
    }

    /// Connects to the endpoint that `SPIFFE_ENDPOINT_SOCKET` names.
    ///
    /// # Errors
    /// As [`connect`](Self::connect), and [`WorkloadApiError::Endpoint`] if the variable is missing or malformed.
    pub async fn connect_env() -> Result<Self, WorkloadApiError> {
        Self::connect(&Endpoint::from_env()?).await
    }

    /// The caller's X.509-SVIDs of these forms as they are now, with keys and bundles. No forms, or the classical one
    /// alone, is what every stock agent understands.
    ///
    /// # Errors
    /// [`WorkloadApiError`], among others when the agent knows no identity for the caller.
    pub async fn fetch_x509(&self, forms: &[Form]) -> Result<X509Context, WorkloadApiError> {
        let mut stream = self.watch_x509(forms).await?;
        let message = in_time(async { Ok(stream.messages.message().await?) }).await?;
        X509Context::from_wire(message.ok_or(WorkloadApiError::Ended)?).map_err(Into::into)
    }

    /// The caller's X.509-SVIDs of these forms, now and at every change. Each item is the whole state.
    ///
    /// # Errors
    /// As [`fetch_x509`](Self::fetch_x509).
    pub async fn watch_x509(&self, forms: &[Form]) -> Result<X509Stream, WorkloadApiError> {
        let request = request(wire::X509svidRequest {}, forms)?;
        let mut api = self.api.clone();
        let messages = call(api.fetch_x509svid(request)).await?;
        Ok(X509Stream { messages })
    }

    /// Tells the agent how handshakes of `spiffe_id`, an identity of the caller's, went since its last report, and which
    /// stage of migration is followed. `reporter` tells processes of one identity apart. A program with an
    /// [`X509Source`](crate::X509Source) need not call this: the source does.
    ///
    /// # Errors
    /// As [`fetch_x509`](Self::fetch_x509); a stock agent answers `Unimplemented`.
    pub async fn report_handshakes(
        &self,
        spiffe_id: &SpiffeId,
        reporter: &str,
        stage: Option<MigrationStage>,
        counts: &[HandshakeCount],
    ) -> Result<(), WorkloadApiError> {
        let form = |form: Option<Form>| form.map(|form| form.name().to_owned()).unwrap_or_default();
        let name =
            |stage: Option<MigrationStage>| stage.map(|stage| stage.name().to_owned()).unwrap_or_default();
        let counts = counts
            .iter()
            .map(|HandshakeCount { kind, count }| own::HandshakeCount {
                presented: form(kind.presented),
                peer: form(kind.peer),
                succeeded: kind.succeeded,
                stage: name(kind.stage),
                count: *count,
            });
        let message = own::ReportHandshakesRequest {
            spiffe_id: spiffe_id.to_string(),
            reporter: reporter.to_owned(),
            stage: name(stage),
            counts: counts.collect(),
        };
        let mut api = self.handshakes.clone();
        call(api.report_handshakes(request(message, &[])?)).await?;
        Ok(())
    }

    /// The X.509 bundles that the caller may trust, with authorities of these forms.
    ///
    /// # Errors
    /// As [`fetch_x509`](Self::fetch_x509).
    pub async fn fetch_x509_bundles(&self, forms: &[Form]) -> Result<BundleSet, WorkloadApiError> {
        let request = request(wire::X509BundlesRequest {}, forms)?;
        let mut api = self.api.clone();
        let message = first(call(api.fetch_x509_bundles(request)).await?).await?;
        Ok(x509_bundles(message.bundles)?)
    }

    /// JWT-SVIDs for an audience: of `spiffe_id`, or of each of the caller's identities.
    ///
    /// # Errors
    /// As [`fetch_x509`](Self::fetch_x509).
    pub async fn fetch_jwt(
        &self,
        audience: &[String],
        spiffe_id: Option<&SpiffeId>,
    ) -> Result<Vec<JwtSvid>, WorkloadApiError> {
        let message = wire::JwtsvidRequest {
            audience: audience.to_vec(),
            spiffe_id: spiffe_id.map(SpiffeId::to_string).unwrap_or_default(),
        };
        let mut api = self.api.clone();
        let answer = call(api.fetch_jwtsvid(request(message, &[])?)).await?;
        Ok(jwt_svids(answer.svids)?)
    }

    /// The bundles that JWT-SVIDs are verified with.
    ///
    /// # Errors
    /// As [`fetch_x509`](Self::fetch_x509).
    pub async fn fetch_jwt_bundles(&self) -> Result<BundleSet, WorkloadApiError> {
        let mut api = self.api.clone();
        let message =
            first(call(api.fetch_jwt_bundles(request(wire::JwtBundlesRequest {}, &[])?)).await?).await?;
        Ok(jwt_bundles(message.bundles)?)
    }

    /// Has the agent verify a JWT-SVID for `audience`, and gives its subject.
    ///
    /// # Errors
    /// As [`fetch_x509`](Self::fetch_x509); a token that fails is a status `InvalidArgument` with the reason.
    pub async fn validate_jwt(&self, audience: &str, token: &str) -> Result<SpiffeId, WorkloadApiError> {
        let message = wire::ValidateJwtsvidRequest {
            audience: audience.to_owned(),
            svid: token.to_owned(),
        };
        let mut api = self.api.clone();
        let answer = call(api.validate_jwtsvid(request(message, &[])?)).await?;
        Ok(super::response::spiffe_id("the token", &answer.spiffe_id)?)
    }
}

/// X.509 updates as they come; see [`WorkloadApiClient::watch_x509`]. An item that is an error of kind `Response` is
/// followed by others; after any other error the stream has ended.
pub struct X509Stream {
    messages: Streaming<wire::X509svidResponse>,
}

impl Stream for X509Stream {
    type Item = Result<X509Context, WorkloadApiError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.messages)
            .poll_next(cx)
            .map(|item| item.map(|message| X509Context::from_wire(message?).map_err(WorkloadApiError::from)))
    }
}

impl fmt::Debug for X509Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("X509Stream")
    }
}

/// A request with the metadata that every call carries, and the forms if others than the classical one are wanted.
fn request<T>(message: T, wanted: &[Form]) -> Result<Request<T>, WorkloadApiError> {
    let mut request = Request::new(message);
    let metadata = request.metadata_mut();
    metadata.insert(
        WORKLOAD_METADATA,
        MetadataValue::from_static(WORKLOAD_METADATA_VALUE),
    );
    if wanted.iter().any(|form| *form != Form::Classical) {
        forms::request(metadata, wanted.iter().map(|form| form.name()))
            .map_err(|error| WorkloadApiError::Forms(error.to_string()))?;
    }
    Ok(request)
}

async fn call<T>(answer: impl Future<Output = Result<Response<T>, Status>>) -> Result<T, WorkloadApiError> {
    in_time(async { Ok(answer.await?.into_inner()) }).await
}

async fn first<T>(mut stream: Streaming<T>) -> Result<T, WorkloadApiError> {
    in_time(async { stream.message().await?.ok_or(WorkloadApiError::Ended) }).await
}

async fn in_time<T>(
    answer: impl Future<Output = Result<T, WorkloadApiError>>,
) -> Result<T, WorkloadApiError> {
    tokio::time::timeout(ANSWER_TIMEOUT, answer)
        .await
        .map_err(|_| WorkloadApiError::Timeout(ANSWER_TIMEOUT))?
}
