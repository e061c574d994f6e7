//! Both ends of a connection: the handshake, a token one way, and a word the other way.
//!
//! In TLS 1.3 a client is done before the server has seen its certificate. So the client counts a handshake when it has
//! read the server's word, which comes after the server has verified chain and token.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::ServerName;
use spiffe::SpiffeId;
use symbolon_pki::jwt::MAX_TOKEN_LEN;
use symbolon_pki::suite::Form;
use symbolon_pki::time::SystemClock;
use symbolon_tls::{
    Acceptor, AuthorizeId, ClientAuth, ClientOptions, Connection, ConnectionInfo, Connector,
    IdentitySource as _, ListenerOptions, X509Source,
};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::super::protocol::{Done, End, Failed, Lane, Millis, Said};
use super::source_of;
use super::tokens::Tokens;

/// What the server says before the name of the key that signed the client's token.
const TAKEN: &str = "taken ";

/// The two ends of a connection, as far as they are known.
struct Ends {
    client: Option<SocketAddr>,
    server: SocketAddr,
}

/// What came of a connection at one end.
struct Settled {
    info: Arc<ConnectionInfo>,
    jwt_key: String,
}

/// A workload as those that it meets see it.
pub(super) struct Party {
    pub(super) source: Arc<X509Source>,
    pub(super) own: SpiffeId,
    pub(super) tokens: Arc<Tokens>,
    pub(super) say: mpsc::Sender<Said>,
    /// Longest handshake.
    pub(super) timeout: Duration,
}

impl Party {
    /// Lets everybody of the trust domain in, for as long as the program runs.
    pub(super) async fn serve(self: Arc<Self>, lane: Lane, listener: TcpListener) {
        let acceptor = Acceptor::new(
            source_of(lane, &self.source),
            AuthorizeId::AnyIn(self.own.trust_domain().clone()),
            ClientAuth::Required,
            ListenerOptions {
                handshake_timeout: self.timeout,
                ..ListenerOptions::default()
            },
            Arc::new(SystemClock),
        );
        loop {
            match listener.accept().await {
                Ok((tcp, client)) => {
                    tokio::spawn(self.clone().answer(lane, acceptor.clone(), tcp, client));
                }
                Err(error) => {
                    let trouble = Said::Trouble(format!("nobody can be let in: {error}"));
                    if self.say.send(trouble).await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    async fn answer(self: Arc<Self>, lane: Lane, acceptor: Acceptor, tcp: TcpStream, client: SocketAddr) {
        let began = Millis::now();
        // A connection that is gone already is the client's to report.
        let Ok(server) = tcp.local_addr() else { return };
        let settled = match acceptor.accept(tcp).await {
            Ok(connection) => self.in_time(self.let_in(connection)).await,
            Err(error) => Err(error.to_string()),
        };
        let ends = Ends {
            client: Some(client),
            server,
        };
        self.report(lane, End::Server, began, ends, settled).await;
    }

    /// Reads the client's token, and says what became of it.
    async fn let_in(&self, connection: Connection<TcpStream>) -> Result<Settled, String> {
        let info = connection.info().clone();
        let peer = info.peer.as_ref().ok_or("the client has no SVID")?;
        let mut stream = BufReader::new(connection);
        let mut token = String::new();
        (&mut stream)
            .take(MAX_TOKEN_LEN as u64)
            .read_line(&mut token)
            .await
            .map_err(|error| format!("the client's token did not come: {error}"))?;
        let verdict = self.tokens.verify(token.trim_end(), &peer.spiffe_id);
        let word = match &verdict {
            Ok(key) => format!("{TAKEN}{key}\n"),
            Err(reason) => format!("{reason}\n"),
        };
        let said = async {
            stream.write_all(word.as_bytes()).await?;
            stream.shutdown().await
        };
        said.await
            .map_err(|error| format!("the client did not hear the answer: {error}"))?;
        Ok(Settled {
            jwt_key: verdict?,
            info,
        })
    }

    /// Calls somebody, and reports what came of it.
    pub(super) async fn call(self: Arc<Self>, lane: Lane, server: SocketAddr, peer: SpiffeId) {
        let began = Millis::now();
        let mut ends = Ends { client: None, server };
        let settled = self.in_time(self.dial(lane, &mut ends, peer)).await;
        self.report(lane, End::Client, began, ends, settled).await;
    }

    async fn dial(&self, lane: Lane, ends: &mut Ends, peer: SpiffeId) -> Result<Settled, String> {
        let token = self.tokens.token().ok_or("there is no token to show")?;
        let tcp = TcpStream::connect(ends.server)
            .await
            .map_err(|error| format!("nobody answers: {error}"))?;
        ends.client = tcp.local_addr().ok();
        let connector = Connector::new(
            source_of(lane, &self.source),
            AuthorizeId::OneOf(vec![peer]),
            Arc::new(SystemClock),
            ClientOptions {
                handshake_timeout: self.timeout,
                ..ClientOptions::default()
            },
        );
        let name = ServerName::IpAddress(ends.server.ip().into());
        let connection = connector.connect(name, tcp).await;
        let connection = connection.map_err(|error| error.to_string())?;
        let info = connection.info().clone();
        let mut stream = BufReader::new(connection);
        let mut word = String::new();
        let spoken = async {
            stream.write_all(token.as_bytes()).await?;
            stream.write_all(b"\n").await?;
            stream.flush().await?;
            stream.read_line(&mut word).await
        };
        spoken
            .await
            .map_err(|error| format!("the server broke off: {error}"))?;
        match word.trim_end().strip_prefix(TAKEN) {
            Some(key) => Ok(Settled {
                jwt_key: key.to_owned(),
                info,
            }),
            None if word.is_empty() => Err("the server went without a word".to_owned()),
            None => Err(format!("the server said: {}", word.trim_end())),
        }
    }

    /// Waits half as long again as for a handshake, which may be a part of it.
    async fn in_time<T>(&self, what: impl Future<Output = Result<T, String>>) -> Result<T, String> {
        let patience = self.timeout * 3 / 2;
        let late = || format!("the other end said nothing for {} s", patience.as_secs());
        timeout(patience, what).await.unwrap_or_else(|_| Err(late()))
    }

    async fn report(
        &self,
        lane: Lane,
        end: End,
        began: Millis,
        ends: Ends,
        settled: Result<Settled, String>,
    ) {
        let ended = Millis::now();
        let said = match settled.and_then(|settled| done(lane, end, began, ended, settled)) {
            Ok(done) => Said::Done(done),
            Err(reason) => Said::Failed(Failed {
                lane,
                end,
                began,
                ended,
                stage: self
                    .source
                    .migration()
                    .map(|migration| migration.stage.name().to_owned()),
                client: ends.client,
                server: ends.server,
                reason,
            }),
        };
        // A load that is gone counts no more.
        self.say.send(said).await.ok();
    }
}

fn done(lane: Lane, end: End, began: Millis, ended: Millis, settled: Settled) -> Result<Done, String> {
    let Settled { info, jwt_key } = settled;
    let peer = info.peer.as_ref().ok_or("the peer has no SVID")?;
    // What the certificates are: a catalyst chain makes a classical handshake.
    let shown = peer.chain_form;
    let presented = info.presented.ok_or("nothing was presented")?;
    if let Some(form) = lane.form()
        && (presented, shown) != (form, form)
    {
        return Err(format!(
            "{presented} was presented and {shown} taken where both should be {form}"
        ));
    }
    let authority = peer.leaf.akid().ok_or("the peer's SVID names no authority")?;
    let name = |form: Form| form.name().to_owned();
    Ok(Done {
        lane,
        end,
        began,
        ended,
        presented: name(presented),
        peer: name(shown),
        authority: authority.to_string(),
        jwt_key,
    })
}
