//! The listening side.

use std::sync::Arc;
use std::time::Duration;

use rustls::NamedGroup;
use rustls::crypto::CryptoProvider;
use rustls::server::{NoServerSessionStorage, ServerConfig};
use rustls::version::TLS13;
use symbolon_pki::time::Clock;
use symbolon_pki::verify::PathPolicy;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::LazyConfigAcceptor;

use crate::authorize::AuthorizeId;
use crate::choice::CertificateChoice;
use crate::clock::RustlsClock;
use crate::connection::Connection;
use crate::demand::Demand;
use crate::error::{HandshakeError, TlsError};
use crate::identity::{IdentitySource, Snapshot};
use crate::migration::{Following, followed};
use crate::provider::{KexPolicy, KxGroup, crypto_provider};
use crate::scheme::CompositeSchemes;
use crate::session::Record;
use crate::verifier::PeerVerifier;

/// Whether clients must have an SVID.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ClientAuth {
    /// A client without one is refused.
    Required,
    /// A client without one is let in, as a SPIRE server lets in agents that have yet to attest. One that is presented
    /// must be good.
    Optional,
}

/// What a listener may set.
#[derive(Clone, Debug)]
pub struct ListenerOptions {
    /// Accept clients that know no hybrid group. Clients that know one still get a hybrid. Default: no.
    pub allow_classical_kex: bool,
    /// Present the ML-DSA chain to every client that computes ML-DSA: for listeners whose stock clients hold ML-DSA
    /// roots but cannot name them. Default: no.
    pub prefer_ml_dsa: bool,
    /// Hybrid groups, if not all of them. Classical ones named here count only with
    /// [`allow_classical_kex`](Self::allow_classical_kex), and then no other classical ones do. Default: all hybrid ones.
    pub kex: KexPolicy,
    /// What every key on a client's path must be worth. Only schemes that satisfy it are offered to clients, so that
    /// one with SVIDs of several forms chooses one that does; any other is refused with
    /// [`ChainReason::Policy`](symbolon_pki::verify::ChainReason::Policy). It says nothing about clients that present no
    /// SVID, which [`ClientAuth`] is for, nor about what is presented to them, which is theirs to demand. Default:
    /// anything.
    pub peer_policy: PathPolicy,
    /// What the certificates on a client's path must be worth by themselves, whatever key signs the handshake; see
    /// [`ClientOptions::chain_policy`](crate::ClientOptions::chain_policy). Default: anything.
    pub chain_policy: PathPolicy,
    /// Follow the migration of the source's default identity; see
    /// [`ClientOptions::follow_migration`](crate::ClientOptions::follow_migration). Default: yes.
    pub follow_migration: bool,
    /// Code points of the composite schemes. Default: 0xFE00 plus the last arc of the OID.
    pub composite_schemes: CompositeSchemes,
    /// Application protocols (RFC 7301), most preferred first. Default: none.
    pub alpn: Vec<Vec<u8>>,
    /// Longest time for a handshake, from when it is its turn. Default: 10 s.
    pub handshake_timeout: Duration,
}

impl Default for ListenerOptions {
    fn default() -> Self {
        Self {
            allow_classical_kex: false,
            prefer_ml_dsa: false,
            kex: KexPolicy::default(),
            peer_policy: PathPolicy::default(),
            chain_policy: PathPolicy::default(),
            follow_migration: true,
            composite_schemes: CompositeSchemes::default(),
            alpn: Vec::new(),
            handshake_timeout: Duration::from_secs(10),
        }
    }
}

/// Accepts connections, each with the SVIDs and bundles that the source holds when its ClientHello has come.
#[derive(Clone, Debug)]
pub struct Acceptor(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    source: Arc<dyn IdentitySource>,
    authorize: AuthorizeId,
    demand: Demand,
    following: Following,
    client_auth: ClientAuth,
    clock: Arc<dyn Clock>,
    /// For clients that share a group with it.
    preferred: Arc<CryptoProvider>,
    /// For the others, if classical key exchange is allowed.
    fallback: Option<Arc<CryptoProvider>>,
    schemes: Arc<CompositeSchemes>,
    prefer_ml_dsa: bool,
    alpn: Vec<Vec<u8>>,
    handshake_timeout: Duration,
}

impl Acceptor {
    /// An acceptor that presents SVIDs of `source` and lets in the clients of `authorize`.
    pub fn new(
        source: Arc<dyn IdentitySource>,
        authorize: AuthorizeId,
        client_auth: ClientAuth,
        options: ListenerOptions,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (hybrid, classical): (Vec<_>, Vec<_>) = options
            .kex
            .groups()
            .into_iter()
            .partition(|group| group.is_hybrid());
        let classical = if classical.is_empty() {
            KxGroup::CLASSICAL.to_vec()
        } else {
            classical
        };
        let fallback = options
            .allow_classical_kex
            .then(|| crypto_provider(&KexPolicy::Only([hybrid.as_slice(), &classical].concat())));
        let following = Following::of(source.as_ref(), options.follow_migration);
        Self(Arc::new(Inner {
            source,
            authorize,
            demand: Demand {
                peer: options.peer_policy,
                chain: options.chain_policy,
            },
            following,
            client_auth,
            clock,
            preferred: crypto_provider(&KexPolicy::Only(hybrid)),
            fallback,
            schemes: Arc::new(options.composite_schemes),
            prefer_ml_dsa: options.prefer_ml_dsa,
            alpn: options.alpn,
            handshake_timeout: options.handshake_timeout,
        }))
    }

    /// Does the handshake with the client behind `io`.
    ///
    /// # Errors
    /// [`HandshakeError`]: the client was refused (see [`HandshakeError::peer_error`]), broke off, or took too long.
    pub async fn accept<IO>(&self, io: IO) -> Result<Connection<IO>, HandshakeError>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let record = Arc::new(Record::default());
        let handshake = self.handshake(io, record.clone());
        let done = tokio::time::timeout(self.0.handshake_timeout, handshake)
            .await
            .map_err(|_| HandshakeError::Timeout(self.0.handshake_timeout))
            .flatten();
        let source = self.0.source.as_ref();
        record.count(source, followed(source, &self.0.following), done.is_ok());
        done
    }

    async fn handshake<IO>(&self, io: IO, record: Arc<Record>) -> Result<Connection<IO>, HandshakeError>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let start = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), io)
            .await
            .map_err(HandshakeError::Io)?;
        let provider = self
            .0
            .provider_for(start.client_hello().named_groups().unwrap_or_default());
        let config = self.0.config(
            provider,
            Snapshot::of(self.0.source.as_ref()),
            Some(record.clone()),
        )?;
        let stream = start
            .into_stream(Arc::new(config))
            .await
            .map_err(HandshakeError::Io)?;
        let info = record
            .info(stream.get_ref().1, &self.0.schemes)
            .ok_or_else(HandshakeError::incomplete)?;
        Ok(Connection::new(stream.into(), info))
    }

    /// A configuration for stacks that do their own handshakes and keep one configuration for long.
    ///
    /// SVIDs, bundles and offered schemes are read from the source for each handshake. Only the list of authorities
    /// named to clients is that of this moment, which matters to clients that choose an ML-DSA chain by it. And where
    /// classical key exchange is allowed, the client's order of groups decides.
    ///
    /// # Errors
    /// [`TlsError::Configuration`] if rustls refuses the groups.
    pub fn config(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let provider = self.0.fallback.as_ref().unwrap_or(&self.0.preferred);
        self.0.config(provider, self.0.source.clone(), None).map(Arc::new)
    }
}

impl Inner {
    /// rustls goes by the client's order of groups, so classical ones are put in reach only of those who need them.
    fn provider_for(&self, offered: &[NamedGroup]) -> &Arc<CryptoProvider> {
        let shared = self
            .preferred
            .kx_groups
            .iter()
            .any(|group| offered.contains(&group.name()));
        match &self.fallback {
            Some(fallback) if !shared => fallback,
            _ => &self.preferred,
        }
    }

    fn config(
        &self,
        provider: &Arc<CryptoProvider>,
        source: Arc<dyn IdentitySource>,
        record: Option<Arc<Record>>,
    ) -> Result<ServerConfig, TlsError> {
        let verifier = PeerVerifier::new(
            source.clone(),
            self.authorize.clone(),
            self.demand,
            self.schemes.clone(),
            self.clock.clone(),
            record.clone(),
        )
        .following_migration(self.following.clone())
        .with_client_auth_mandatory(self.client_auth == ClientAuth::Required);
        let mut config = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&TLS13])
            .map_err(TlsError::Configuration)?
            .with_client_cert_verifier(Arc::new(verifier))
            .with_cert_resolver(Arc::new(CertificateChoice {
                source,
                schemes: self.schemes.clone(),
                prefer_ml_dsa: self.prefer_ml_dsa,
                following: self.following.clone(),
                record,
            }));
        // A resumed session would skip the verification of the client's chain.
        config.send_tls13_tickets = 0;
        config.max_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.alpn_protocols = self.alpn.clone();
        config.time_provider = Arc::new(RustlsClock(self.clock.clone()));
        Ok(config)
    }
}

/// A configuration for a listener; see [`Acceptor::config`] for what is live in it.
///
/// # Errors
/// As [`Acceptor::config`].
pub fn server_config(
    source: Arc<dyn IdentitySource>,
    authorize: AuthorizeId,
    client_auth: ClientAuth,
    options: ListenerOptions,
    clock: Arc<dyn Clock>,
) -> Result<Arc<ServerConfig>, TlsError> {
    Acceptor::new(source, authorize, client_auth, options, clock).config()
}
