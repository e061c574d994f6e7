//! The connecting side.

use std::sync::Arc;
use std::time::Duration;

use rustls::client::{ClientConfig, Resumption};
use rustls::crypto::CryptoProvider;
use rustls::version::TLS13;
use rustls_pki_types::ServerName;
use symbolon_pki::time::Clock;
use symbolon_pki::verify::PathPolicy;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::authorize::AuthorizeId;
use crate::choice::CertificateChoice;
use crate::clock::RustlsClock;
use crate::connection::Connection;
use crate::demand::Demand;
use crate::error::{HandshakeError, TlsError};
use crate::identity::{IdentitySource, Snapshot};
use crate::migration::{Following, followed};
use crate::provider::{KexPolicy, crypto_provider};
use crate::scheme::CompositeSchemes;
use crate::session::Record;
use crate::verifier::PeerVerifier;

/// What a connecting side may set. The default is for SPIFFE over any protocol; gRPC needs `alpn` `h2`.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Key-exchange groups. Default: the hybrid ones only.
    pub kex: KexPolicy,
    /// What every key on the server's path must be worth. Only schemes that satisfy it are offered, so that a server
    /// with SVIDs of several forms chooses one that does; any other is refused with
    /// [`ChainReason::Policy`](symbolon_pki::verify::ChainReason::Policy). Default: anything.
    pub peer_policy: PathPolicy,
    /// What the certificates on the server's path must be worth by themselves, whatever key signs the handshake. It matters
    /// for catalyst chains, whose alternative signatures count here and not for
    /// [`peer_policy`](Self::peer_policy), since TLS has the handshake signed with the native key alone: with
    /// `hybrid-required` here and `classical-ok` there, who forges a classical authority gets nowhere, and who forges a
    /// leaf's classical key does. Default: anything.
    pub chain_policy: PathPolicy,
    /// Follow the migration of the source's default identity: below `prefer` a classical SVID is presented where the peer takes
    /// it, and at `require` peers must be worth what the target is. Stricter policies set here stay in force. Default: yes. It
    /// changes nothing for a source without a migration, nor below `require` for one that holds no authorities of the target's
    /// form. An [`X509Source`](crate::X509Source) with a connector or acceptor that does not follow reports that it follows
    /// nothing, which keeps its entry from `prefer` and `require`.
    pub follow_migration: bool,
    /// Code points of the composite schemes. Default: 0xFE00 plus the last arc of the OID.
    pub composite_schemes: CompositeSchemes,
    /// Application protocols (RFC 7301), most preferred first. Default: none.
    pub alpn: Vec<Vec<u8>>,
    /// Longest time for a handshake. Default: 10 s.
    pub handshake_timeout: Duration,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
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

/// Makes connections, each with the SVID and bundles that the source holds at its start.
#[derive(Clone, Debug)]
pub struct Connector(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    source: Arc<dyn IdentitySource>,
    authorize: AuthorizeId,
    demand: Demand,
    following: Following,
    clock: Arc<dyn Clock>,
    provider: Arc<CryptoProvider>,
    schemes: Arc<CompositeSchemes>,
    alpn: Vec<Vec<u8>>,
    handshake_timeout: Duration,
    presents: bool,
}

impl Connector {
    /// A connector for mutual TLS: it presents an SVID of `source`, and accepts the servers of `authorize`.
    pub fn new(
        source: Arc<dyn IdentitySource>,
        authorize: AuthorizeId,
        clock: Arc<dyn Clock>,
        options: ClientOptions,
    ) -> Self {
        Self::build(source, authorize, clock, options, true)
    }

    /// A connector for those that have no SVID yet, such as an agent before attestation: it only verifies.
    pub fn without_identity(
        source: Arc<dyn IdentitySource>,
        authorize: AuthorizeId,
        clock: Arc<dyn Clock>,
        options: ClientOptions,
    ) -> Self {
        Self::build(source, authorize, clock, options, false)
    }

    fn build(
        source: Arc<dyn IdentitySource>,
        authorize: AuthorizeId,
        clock: Arc<dyn Clock>,
        options: ClientOptions,
        presents: bool,
    ) -> Self {
        let following = Following::of(source.as_ref(), options.follow_migration);
        Self(Arc::new(Inner {
            source,
            authorize,
            demand: Demand {
                peer: options.peer_policy,
                chain: options.chain_policy,
            },
            following,
            clock,
            provider: crypto_provider(&options.kex),
            schemes: Arc::new(options.composite_schemes),
            alpn: options.alpn,
            handshake_timeout: options.handshake_timeout,
            presents,
        }))
    }

    /// Does the handshake over `io`. `name` goes into SNI if it is a DNS name, and is not verified: a SPIFFE peer is
    /// known by its ID.
    ///
    /// # Errors
    /// [`HandshakeError::Configuration`] while the source has no SVID to present; otherwise what went wrong on the
    /// wire. In TLS 1.3 a server that refuses *our* certificate says so only after this has returned: the first read
    /// fails then.
    pub async fn connect<IO>(
        &self,
        name: ServerName<'static>,
        io: IO,
    ) -> Result<Connection<IO>, HandshakeError>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let record = Arc::new(Record::default());
        let held = Snapshot::of(self.0.source.as_ref());
        let config = self.0.config(held.clone(), Some(record.clone()))?;
        let handshake = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, io);
        let done = tokio::time::timeout(self.0.handshake_timeout, handshake)
            .await
            .map_err(|_| HandshakeError::Timeout(self.0.handshake_timeout))
            .and_then(|done| done.map_err(HandshakeError::Io));
        let migration = followed(held.as_ref(), &self.0.following);
        record.count(self.0.source.as_ref(), migration, done.is_ok());
        let stream = done?;
        let info = record
            .info(stream.get_ref().1, &self.0.schemes)
            .ok_or_else(HandshakeError::incomplete)?;
        Ok(Connection::new(stream.into(), info))
    }

    /// A configuration for stacks that do their own handshakes and keep one configuration for long.
    ///
    /// SVIDs, bundles and offered schemes are read from the source for each handshake. Only the list of authorities
    /// named to the server is that of this moment, which matters to servers that choose an ML-DSA chain by it.
    ///
    /// # Errors
    /// [`TlsError::Configuration`] if rustls refuses the groups.
    pub fn config(&self) -> Result<Arc<ClientConfig>, TlsError> {
        self.0.config(self.0.source.clone(), None).map(Arc::new)
    }

    /// Longest time for a handshake.
    pub fn handshake_timeout(&self) -> Duration {
        self.0.handshake_timeout
    }
}

impl Inner {
    fn config(
        &self,
        source: Arc<dyn IdentitySource>,
        record: Option<Arc<Record>>,
    ) -> Result<ClientConfig, TlsError> {
        // With a record the configuration is for one handshake, which needs an SVID now.
        if self.presents && record.is_some() && source.identities().is_empty() {
            return Err(TlsError::NoIdentity);
        }
        let verifier = PeerVerifier::new(
            source.clone(),
            self.authorize.clone(),
            self.demand,
            self.schemes.clone(),
            self.clock.clone(),
            record.clone(),
        )
        .following_migration(self.following.clone());
        let builder = ClientConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&TLS13])
            .map_err(TlsError::Configuration)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = if self.presents {
            builder.with_client_cert_resolver(Arc::new(CertificateChoice {
                source,
                schemes: self.schemes.clone(),
                prefer_ml_dsa: false,
                following: self.following.clone(),
                record,
            }))
        } else {
            builder.with_no_client_auth()
        };
        // A resumed session would skip the verification of the peer's chain.
        config.resumption = Resumption::disabled();
        config.alpn_protocols = self.alpn.clone();
        config.time_provider = Arc::new(RustlsClock(self.clock.clone()));
        Ok(config)
    }
}

/// A configuration for mutual TLS with the default options; see [`Connector::config`] for what is live in it.
///
/// # Errors
/// As [`Connector::config`].
pub fn client_config(
    source: Arc<dyn IdentitySource>,
    authorize: AuthorizeId,
    clock: Arc<dyn Clock>,
) -> Result<Arc<ClientConfig>, TlsError> {
    Connector::new(source, authorize, clock, ClientOptions::default()).config()
}

/// A configuration for a client that has no SVID yet, with the default options.
///
/// # Errors
/// As [`Connector::config`].
pub fn bootstrap_client_config(
    source: Arc<dyn IdentitySource>,
    authorize: AuthorizeId,
    clock: Arc<dyn Clock>,
) -> Result<Arc<ClientConfig>, TlsError> {
    Connector::without_identity(source, authorize, clock, ClientOptions::default()).config()
}
