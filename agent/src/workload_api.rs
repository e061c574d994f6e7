//! The SPIFFE Workload API, served to the processes of this machine.
//!
//! Who calls is known by the socket. Whoever does not ask for forms gets what SPIRE would give: classical SVIDs and
//! bundles, and nothing else in the message. It must not know where SVIDs come from.

mod answers;
mod caller;
mod handshakes;
mod incoming;
mod jwt;
mod minting;
mod service;
mod updates;

use std::sync::Arc;
use std::time::Duration;

use symbolon_api::MAX_MESSAGE;
use symbolon_api::spiffe::workload::spiffe_workload_api_server::SpiffeWorkloadApiServer;
use symbolon_api::symbolon::workload::v1::handshakes_server::HandshakesServer;
use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic_health::ServingStatus;

use self::incoming::Incoming;
use self::service::WorkloadApi;
use crate::agent::Context;
use crate::error::AgentError;
use crate::status::Phase;
use crate::telemetry::ObserveLayer;

/// Largest request, in bytes: a token of 16 KiB and its audience fit.
const MAX_REQUEST: usize = 64 * 1024;

/// Largest block of request headers, in bytes.
const MAX_HEADERS: u32 = 16 * 1024;

/// How long open calls are given to end when the agent stops.
const PARTING: Duration = Duration::from_secs(2);

/// Serves the Workload API until cancelled, and standard gRPC health beside it.
///
/// # Errors
/// [`AgentError::Serve`].
pub(crate) async fn serve(
    context: Arc<Context>,
    socket: UnixListener,
    cancel: CancellationToken,
) -> Result<(), AgentError> {
    let limits = &context.config.workload_api;
    let incoming = Incoming::new(socket, limits.max_connections, limits.max_connections_per_user);
    let api = WorkloadApi::new(context.clone(), cancel.clone());
    let handshakes = HandshakesServer::new(api.clone()).max_decoding_message_size(MAX_REQUEST);
    let api = SpiffeWorkloadApiServer::new(api)
        .max_decoding_message_size(MAX_REQUEST)
        .max_encoding_message_size(MAX_MESSAGE);
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_service_status("", ServingStatus::NotServing).await;
    let router = Server::builder()
        .max_concurrent_streams(limits.max_streams)
        .http2_max_header_list_size(MAX_HEADERS)
        .layer(ObserveLayer(context.counted.requests.clone()))
        .add_service(api)
        .add_service(handshakes)
        .add_service(health);
    let serving = router.serve_with_incoming_shutdown(incoming, cancel.clone().cancelled_owned());
    tokio::pin!(serving);

    let mut status = context.status.subscribe();
    let ready = async {
        let serves = status
            .wait_for(|status| !matches!(status.phase, Phase::Starting))
            .await
            .is_ok();
        if serves {
            reporter.set_service_status("", ServingStatus::Serving).await;
        }
        std::future::pending::<()>().await;
    };
    let parting = async {
        cancel.cancelled().await;
        tokio::time::sleep(PARTING).await;
    };
    tokio::select! {
        served = &mut serving => served.map_err(AgentError::Serve),
        () = ready => Ok(()),
        () = parting => Ok(()),
    }
}
