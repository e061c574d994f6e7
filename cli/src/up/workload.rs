//! The two workloads of the exchange: one listens, one calls, and each says on standard output what it saw.
//!
//! They are processes of their own, started by `up` from this same program. All they share with it is the agent's
//! socket, from which each fetches its own identity as any workload would.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustls_pki_types::ServerName;
use serde::{Deserialize, Serialize};
use symbolon_pki::suite::Form;
use symbolon_pki::time::{Clock, SystemClock};
use symbolon_tls::{
    Acceptor, AuthorizeId, Backoff, ClientAuth, ClientOptions, Connector, ListenerOptions, PathPolicy,
    X509Source,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::args::{Common, Workload};
use crate::output::print;
use crate::paths;

/// Longest that either workload waits for anything.
const PATIENCE: Duration = Duration::from_secs(20);

const QUESTION: &[u8] = b"do both halves match?";
const ANSWER: &[u8] = b"both halves match";

/// What the listening workload says first: where it listens.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Listening {
    /// Its address.
    pub address: SocketAddr,
}

/// What one workload saw of the exchange.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Seen {
    /// Its own identity.
    pub spiffe_id: String,
    /// The process that it ran in.
    pub process_id: u32,
    /// The identity at the other end.
    pub peer_spiffe_id: String,
    /// What the other end's proof is worth: the form of the weakest key on its verified path.
    pub peer_form: String,
    /// The key-exchange group.
    pub key_exchange: String,
    /// The cipher suite.
    pub cipher_suite: String,
    /// The scheme that this end signed the handshake with.
    pub own_signature: String,
    /// The scheme that the other end signed the handshake with.
    pub peer_signature: String,
}

pub(crate) async fn run(common: &Common, command: &Workload) -> Result<()> {
    let endpoint = paths::agent_endpoint(common.socket.as_deref(), common.data_dir.as_deref())?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let following = X509Source::connect(
        endpoint,
        &[Form::Composite],
        Arc::clone(&clock),
        Backoff::default(),
    );
    let source = Arc::new(
        timeout(PATIENCE, following)
            .await
            .context("the agent gave no composite SVID in time")??,
    );
    let context = source.context().context("the agent gave no SVID")?;
    let own = context
        .svids
        .first()
        .context("the agent gave no SVID")?
        .spiffe_id()
        .clone();
    // The exchange is between workloads of one user, so the only identity either accepts is its own.
    let authorize = AuthorizeId::OneOf(vec![own.clone()]);
    match command {
        Workload::Serve => {
            let acceptor = Acceptor::new(
                source,
                authorize,
                ClientAuth::Required,
                ListenerOptions {
                    peer_policy: PathPolicy::HybridRequired,
                    ..ListenerOptions::default()
                },
                clock,
            );
            let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?;
            print(&serde_json::to_string(&Listening {
                address: listener.local_addr()?,
            })?)?;
            let (stream, _) = timeout(PATIENCE, listener.accept())
                .await
                .context("nobody called")??;
            let connection = acceptor.accept(stream).await?;
            let seen = seen(&own, connection.info())?;
            let mut stream = connection.into_stream();
            let mut question = [0; QUESTION.len()];
            timeout(PATIENCE, stream.read_exact(&mut question))
                .await
                .context("the caller said nothing")??;
            ensure!(question == QUESTION, "the caller asked something else");
            stream.write_all(ANSWER).await?;
            stream.shutdown().await?;
            print(&serde_json::to_string(&seen)?)
        }
        Workload::Call { address } => {
            let options = ClientOptions {
                peer_policy: PathPolicy::HybridRequired,
                ..ClientOptions::default()
            };
            let connector = Connector::new(source, authorize, clock, options);
            let stream = TcpStream::connect(address)
                .await
                .with_context(|| format!("cannot reach {address}"))?;
            let connection = connector.connect(ServerName::from(address.ip()), stream).await?;
            let seen = seen(&own, connection.info())?;
            let mut stream = connection.into_stream();
            stream.write_all(QUESTION).await?;
            let mut answer = [0; ANSWER.len()];
            timeout(PATIENCE, stream.read_exact(&mut answer))
                .await
                .context("no answer came")??;
            ensure!(answer == ANSWER, "the answer was something else");
            print(&serde_json::to_string(&seen)?)
        }
    }
}

fn seen(own: &spiffe::SpiffeId, info: &symbolon_tls::ConnectionInfo) -> Result<Seen> {
    let peer = info.peer.as_ref().context("the other end has no identity")?;
    let negotiated = info.negotiated.clone();
    Ok(Seen {
        spiffe_id: own.to_string(),
        process_id: std::process::id(),
        peer_spiffe_id: peer.spiffe_id.to_string(),
        peer_form: peer.form.to_string(),
        key_exchange: negotiated.key_exchange,
        cipher_suite: negotiated.cipher_suite,
        own_signature: negotiated
            .own_signature
            .context("this end did not sign the handshake")?,
        peer_signature: negotiated
            .peer_signature
            .context("the other end did not sign the handshake")?,
    })
}
