//! The two endpoints: TCP with mutual TLS for everybody, a private Unix socket for this machine's operator.

mod ageing;
mod patient;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use symbolon_api::spire::api::server::agent::v1::agent_server::AgentServer;
use symbolon_api::spire::api::server::bundle::v1::bundle_server::BundleServer;
use symbolon_api::spire::api::server::debug::v1::debug_server::DebugServer;
use symbolon_api::spire::api::server::entry::v1::entry_server::EntryServer;
use symbolon_api::spire::api::server::localauthority::v1::local_authority_server::LocalAuthorityServer;
use symbolon_api::spire::api::server::logger::v1::logger_server::LoggerServer;
use symbolon_api::spire::api::server::svid::v1::svid_server::SvidServer;
use symbolon_api::spire::api::server::trustdomain::v1::trust_domain_server::TrustDomainServer;
use symbolon_api::symbolon::server::v1::authorities_server::AuthoritiesServer;
use symbolon_api::symbolon::server::v1::certificates_server::CertificatesServer;
use symbolon_api::symbolon::server::v1::migration_server::MigrationServer;
use symbolon_api::symbolon::server::v1::server_server::ServerServer;
use symbolon_api::{FILE_DESCRIPTOR_SET, MAX_MESSAGE};
use symbolon_pki::time::Clock;
use symbolon_tls::grpc::{ALPN_H2, AnyAuthority, IncomingLimits, TrustedProxies, incoming_behind};
use symbolon_tls::{Acceptor, AuthorizeId, ClientAuth, IdentitySource, ListenerOptions};
use tokio::net::{TcpListener, UnixListener};
use tokio_stream::StreamExt as _;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::transport::Server;
use tower::layer::util::{Identity, Stack};

pub(super) use self::ageing::Age;
use super::{ServerError, health};
use crate::authorization::AuthorizationLayer;
use crate::authorization::rules::TABLE;
use crate::config::ServerConfig;
use crate::services::{
    AgentService, AuthoritiesService, BundleService, CertificatesService, Core, DebugService, EntryService,
    LocalAuthorityService, LoggerService, MigrationService, ServerService, SvidService, TrustDomainService,
};
use crate::telemetry::ObserveLayer;

/// Most handshakes at a time. Each costs a few signatures.
const MAX_HANDSHAKES: usize = 128;
/// Most calls in progress on one connection.
const MAX_STREAMS: u32 = 128;
/// Most bytes of metadata of a call.
const MAX_METADATA: u32 = 16 * 1024;
/// How often a silent client is asked for a sign of life, and how long it may take.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// What accepts TLS connections: with an SVID of this trust domain, with that of a configured administrator of another,
/// or without any.
pub(super) fn acceptor(
    config: &ServerConfig,
    source: Arc<dyn IdentitySource>,
    clock: Arc<dyn Clock>,
) -> Acceptor {
    let options = ListenerOptions {
        allow_classical_kex: config.listen.allow_classical_kex,
        alpn: vec![ALPN_H2.to_vec()],
        ..ListenerOptions::default()
    };
    let authorize = authorize(config);
    Acceptor::new(source, authorize, ClientAuth::Optional, options, clock)
}

fn authorize(config: &ServerConfig) -> AuthorizeId {
    let own = config.trust_domain.clone();
    let foreign: Vec<_> = config.foreign_admins().cloned().collect();
    if foreign.is_empty() {
        return AuthorizeId::AnyIn(own);
    }
    AuthorizeId::custom(move |id| match id.is_member_of(&own) || foreign.contains(id) {
        true => Ok(()),
        false => Err(format!(
            "only identities of trust domain {own} and the administrators that the configuration names are"
        )),
    })
}

/// Serves agents and administrators until `stop`.
pub(super) async fn serve_tcp(
    listener: TcpListener,
    acceptor: Acceptor,
    proxies: TrustedProxies,
    core: Arc<Core>,
    gate: AuthorizationLayer,
    age: Age,
    stop: CancellationToken,
) -> Result<(), ServerError> {
    let limits = IncomingLimits::new(MAX_HANDSHAKES);
    let connections = incoming_behind(listener, acceptor, limits, proxies);
    let routes = routes(&core);
    let served = ageing::serve(connections, age, stop, |age, connections, stop| {
        builder(&core, gate.clone())
            .max_connection_age(age.most)
            .max_connection_age_grace(age.grace)
            .add_routes(routes.clone())
            .serve_with_incoming_shutdown(connections, stop.cancelled_owned())
    });
    served.await.map_err(|source| ServerError::Endpoint {
        endpoint: "TCP",
        source,
    })
}

/// What serves local callers until `stop`.
///
/// # Errors
/// [`ServerError::Reflection`].
pub(super) fn serve_socket(
    listener: UnixListener,
    core: Arc<Core>,
    gate: AuthorizationLayer,
    stop: CancellationToken,
) -> Result<impl Future<Output = Result<(), ServerError>> + Send + 'static, ServerError> {
    let (reporter, health_service) = tonic_health::server::health_reporter();
    let describe = || {
        let builder = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET);
        // Only what is served: the descriptors also have the agent's API.
        TABLE
            .iter()
            .filter(|rules| !rules.service.starts_with("grpc.reflection."))
            .fold(builder, |builder, rules| builder.with_service_name(rules.service))
    };
    let unreadable = |error: tonic_reflection::server::Error| ServerError::Reflection(Box::new(error));
    let routes = routes(&core)
        .add_service(DebugServer::new(DebugService::new(Arc::clone(&core))))
        .add_service(LoggerServer::new(LoggerService(Arc::clone(&core))))
        .add_service(health_service)
        .add_service(describe().build_v1().map_err(unreadable)?)
        .add_service(describe().build_v1alpha().map_err(unreadable)?);
    let connections = patient::accepted(listener).map(|accepted| accepted.map(AnyAuthority::new));
    Ok(async move {
        let serving = builder(&core, gate)
            .add_routes(routes)
            .serve_with_incoming_shutdown(connections, stop.clone().cancelled_owned());
        let (served, ()) = tokio::join!(serving, health::report(core, reporter, stop));
        served.map_err(|source| ServerError::Endpoint {
            endpoint: "private socket",
            source,
        })
    })
}

/// What every call passes, outermost first.
type Layers = Stack<AuthorizationLayer, Stack<ObserveLayer, Identity>>;

fn builder(core: &Core, gate: AuthorizationLayer) -> Server<Layers> {
    Server::builder()
        .max_concurrent_streams(MAX_STREAMS)
        .http2_max_header_list_size(MAX_METADATA)
        .http2_keepalive_interval(Some(KEEP_ALIVE))
        .http2_keepalive_timeout(Some(KEEP_ALIVE))
        .layer(ObserveLayer::new(core.counted.clone()))
        .layer(gate)
}

/// The services of both endpoints, with their messages bounded.
fn routes(core: &Arc<Core>) -> Routes {
    macro_rules! bounded {
        ($server:ident, $service:ident) => {
            $server::new($service(Arc::clone(core)))
                .max_decoding_message_size(MAX_MESSAGE)
                .max_encoding_message_size(MAX_MESSAGE)
        };
    }
    Routes::new(bounded!(AgentServer, AgentService))
        .add_service(bounded!(BundleServer, BundleService))
        .add_service(bounded!(EntryServer, EntryService))
        .add_service(bounded!(LocalAuthorityServer, LocalAuthorityService))
        .add_service(bounded!(SvidServer, SvidService))
        .add_service(bounded!(TrustDomainServer, TrustDomainService))
        .add_service(bounded!(AuthoritiesServer, AuthoritiesService))
        .add_service(bounded!(CertificatesServer, CertificatesService))
        .add_service(bounded!(MigrationServer, MigrationService))
        .add_service(bounded!(ServerServer, ServerService))
}
