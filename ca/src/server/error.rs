//! What keeps a server from starting, or ends it.

use std::net::SocketAddr;

use rayon::ThreadPoolBuildError;
use spiffe::TrustDomain;
use symbolon_crypto::random::RandomError;
use symbolon_host::data_dir::DataDirError;
use symbolon_host::logging::LoggingError;
use symbolon_host::pages::ListenError;
use symbolon_host::socket::SocketError;
use symbolon_hsm::{RegistryError, StoreError, StoreName};
use tokio::task::JoinError;

use crate::authorities::AuthoritiesError;
use crate::authorization::PolicyError;
use crate::config::{AttestorError, FederationConfigError, Problem};
use crate::datastore::DatastoreError;
use crate::identity::IdentityError;
use crate::migration::OpenError;

/// Why a server does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The configuration makes no sense.
    #[error("the configuration is wrong: {0}")]
    Config(#[from] Problem),
    /// Other trust domains' bundles cannot be fetched as the configuration says.
    #[error("the configuration is wrong: {0}")]
    Federation(#[from] FederationConfigError),
    /// The data directory cannot be used.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The data directory or the datastore in it belongs to another trust domain.
    #[error(
        "the data belongs to trust domain {found}, not {wanted}; choose another data directory or trust domain"
    )]
    OtherTrustDomain {
        /// Whose it is.
        found: String,
        /// Who was to use it.
        wanted: TrustDomain,
    },
    /// The private socket cannot be bound.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The TCP address cannot be bound.
    #[error("cannot listen on {address}; choose another address in [listen]")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// An address of `[health]` or `[metrics]` cannot be had.
    #[error(transparent)]
    Watch(#[from] ListenError),
    /// The log's filter cannot be changed.
    #[error(transparent)]
    Log(#[from] LoggingError),
    /// What a node attestation method needs cannot be read.
    #[error(transparent)]
    Attestor(#[from] AttestorError),
    /// A key store cannot be opened.
    #[error("key store {store} cannot be opened")]
    Store {
        /// The store.
        store: StoreName,
        /// Why.
        source: StoreError,
    },
    /// Two stores have one name.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The datastore cannot be used.
    #[error(transparent)]
    Datastore(#[from] DatastoreError),
    /// The authorities cannot be used.
    #[error(transparent)]
    Authorities(#[from] AuthoritiesError),
    /// The migration cannot go on.
    #[error(transparent)]
    Migration(#[from] OpenError),
    /// The random generator failed.
    #[error(transparent)]
    Randomness(#[from] RandomError),
    /// The system gives no signer threads.
    #[error("the signer threads cannot be started")]
    Threads(#[from] ThreadPoolBuildError),
    /// The operator's policy cannot be used. Without it the server would let in more than it should.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The server cannot have an SVID of its own.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The service descriptions, which are part of the program, cannot be read.
    #[error("the service descriptions cannot be read")]
    Reflection(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// An endpoint failed.
    #[error("the {endpoint} endpoint failed")]
    Endpoint {
        /// Which one.
        endpoint: &'static str,
        /// Why.
        source: tonic::transport::Error,
    },
    /// An endpoint ended although nobody asked it to.
    #[error("an endpoint ended")]
    Ended,
    /// A task of the server did not finish.
    #[error("a part of the server broke off")]
    Task(#[source] JoinError),
}
