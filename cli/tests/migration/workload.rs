//! A workload on `symbolon-tls`: a process of its own, made of the test program, which the agent tells from others by its path.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls_pki_types::ServerName;
use symbolon_pki::suite::Form;
use symbolon_pki::time::SystemClock;
use symbolon_tls::workload_api::{Endpoint, WorkloadApiClient};
use symbolon_tls::{
    Acceptor, AuthorizeId, Backoff, ClientAuth, ClientOptions, Connector, IdentitySource as _,
    ListenerOptions, Reporting, X509Source,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::support::PATIENCE;

const ROLE: &str = "WORKLOAD_ROLE";
const SOCKET: &str = "WORKLOAD_SOCKET";
const PEER: &str = "WORKLOAD_PEER";

/// What it is to be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Role {
    /// Lets clients in.
    Server,
    /// Calls the server on this port again and again.
    Client(u16),
    /// Has itself given an SVID as stock software does, and no more.
    Stock,
}

/// A running workload; killed when dropped.
pub(crate) struct Workload {
    child: Child,
    said: Arc<Mutex<Vec<String>>>,
}

impl Workload {
    /// Starts the program at `program`, a copy of this one.
    pub(crate) fn start(program: &Path, role: Role, socket: &Path) -> Self {
        let (name, peer) = match role {
            Role::Server => ("server", 0),
            Role::Client(port) => ("client", port),
            Role::Stock => ("stock", 0),
        };
        let mut child = Command::new(program)
            .args(["--exact", "workload::the_program", "--ignored", "--nocapture"])
            .env(ROLE, name)
            .env(SOCKET, socket)
            .env(PEER, peer.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = Arc::new(Mutex::new(Vec::new()));
        let (lines, output) = (said.clone(), child.stdout.take().unwrap());
        std::thread::spawn(move || {
            use std::io::BufRead as _;
            for line in std::io::BufReader::new(output).lines().map_while(Result::ok) {
                lines.lock().unwrap().push(line);
            }
        });
        Self { child, said }
    }

    /// Everything it said so far.
    pub(crate) fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }

    /// What it said after this word last, if it did.
    pub(crate) fn last(&self, word: &str) -> Option<String> {
        let lines = self.said();
        let after = lines.iter().rev().find_map(|line| line.strip_prefix(word));
        after.map(|rest| rest.trim().to_owned())
    }

    /// Waits for its end, which has to be a good one.
    pub(crate) fn ends(&mut self) {
        let status = super::support::wait(&mut self.child);
        assert!(status.success(), "{status}: {:?}", self.said());
    }
}

impl Drop for Workload {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.child.kill().unwrap();
            self.child.wait().unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "the program of a workload, which another test starts"]
async fn the_program() {
    let (Ok(role), Ok(socket), Ok(peer)) = (std::env::var(ROLE), std::env::var(SOCKET), std::env::var(PEER))
    else {
        return;
    };
    let endpoint = Endpoint::Unix(socket.into());
    match role.as_str() {
        "server" => serve(endpoint).await,
        "client" => call(endpoint, peer.parse().unwrap()).await,
        _ => take_what_stock_software_gets(endpoint).await,
    }
}

async fn source(endpoint: Endpoint) -> Arc<X509Source> {
    let forms = [Form::Classical, Form::Composite];
    // A test does not wait for minutes.
    let pace = Reporting {
        every: Duration::from_millis(200),
        at_least: Duration::from_secs(1),
    };
    let connected =
        X509Source::connect_reporting(endpoint, &forms, Arc::new(SystemClock), Backoff::default(), pace)
            .await;
    Arc::new(connected.unwrap())
}

fn one(path: &str) -> AuthorizeId {
    AuthorizeId::OneOf(vec![format!("spiffe://example.org/{path}").parse().unwrap()])
}

async fn serve(endpoint: Endpoint) {
    let source = source(endpoint).await;
    let options = ListenerOptions {
        handshake_timeout: PATIENCE,
        ..ListenerOptions::default()
    };
    let acceptor = Acceptor::new(
        source,
        one("client"),
        ClientAuth::Required,
        options,
        Arc::new(SystemClock),
    );
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    println!("\nport {}", listener.local_addr().unwrap().port());
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            match acceptor.accept(stream).await {
                Ok(mut connection) => {
                    // A client that is gone has what it wanted.
                    let _answered = connection.write_all(b"!").await;
                    let _closed = connection.shutdown().await;
                }
                Err(error) => println!("failed {error}"),
            }
        });
    }
}

async fn call(endpoint: Endpoint, port: u16) {
    let source = source(endpoint).await;
    let connector = Connector::new(
        source.clone(),
        one("server"),
        Arc::new(SystemClock),
        ClientOptions {
            handshake_timeout: PATIENCE,
            ..ClientOptions::default()
        },
    );
    let mut pace = tokio::time::interval(Duration::from_millis(100));
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    println!();
    loop {
        pace.tick().await;
        // What it is at before a handshake it may not be at after: only where both agree is it told.
        let before = source.migration();
        let done = handshake(&connector, port).await;
        let stage = match before {
            Some(migration) => migration.stage.name(),
            None => "none",
        };
        match done {
            Ok((own, peer)) if before == source.migration() => println!("handshake {stage} {own} {peer}"),
            Ok(_) => {}
            Err(error) => println!("failed {stage} {error}"),
        }
    }
}

async fn handshake(connector: &Connector, port: u16) -> Result<(Form, Form), String> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))
        .await
        .map_err(|error| error.to_string())?;
    let name = ServerName::try_from("server.invalid").unwrap();
    let mut connection = connector
        .connect(name, stream)
        .await
        .map_err(|error| format!("{error:?}"))?;
    let mut answer = [0; 1];
    // A server that refuses the client says so only now.
    connection
        .read_exact(&mut answer)
        .await
        .map_err(|error| format!("no answer: {error}"))?;
    let info = connection.info().clone();
    let peer = info.peer.as_ref().ok_or("the server presented nothing")?.form;
    Ok((info.presented.ok_or("nothing was presented")?, peer))
}

async fn take_what_stock_software_gets(endpoint: Endpoint) {
    let client = WorkloadApiClient::connect(&endpoint).await.unwrap();
    let given = client.fetch_x509(&[]).await.unwrap();
    println!("\nhas {}", given.svids.len());
}
