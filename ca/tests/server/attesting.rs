//! Attestation as it goes on between a node and its server, whatever the method: who is put on record, and who left.

use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use symbolon_attestation::{AttestationError, Attested, Challenger, Verifier};
use symbolon_ca::client::Reader;
use symbolon_ca::server::{Environment, Server};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::suite::Form;
use tempfile::TempDir;
use tokio::sync::{Barrier, mpsc};
use tonic::Code;

use crate::support::{Key, TestClock, TestServer, attest, config, id};

/// No test takes so long.
const LONG: Duration = Duration::from_secs(60);

/// A server that has a method of the test's beside its own.
async fn server(method: impl Verifier + 'static) -> TestServer {
    let (dir, clock) = (TempDir::new().unwrap(), TestClock::new());
    let config = config(dir.path());
    let environment = Environment {
        methods: vec![Arc::new(method)],
        ..Environment::new(clock.clone())
    };
    let running = Server::start_with(&config, environment).await.unwrap();
    TestServer::around(dir, clock, config, running).await
}

/// One machine's document, as any process of it can read it. It lets the machine in once.
#[derive(Debug)]
struct Document {
    /// Who has shown it and is let go on together, when everything that is looked at before a certificate is issued was.
    together: Barrier,
}

#[async_trait]
impl Verifier for Document {
    fn method(&self) -> &'static str {
        "document"
    }

    async fn verify(
        &self,
        _evidence: &[u8],
        _challenger: &mut dyn Challenger,
        _now: SystemTime,
    ) -> Result<Attested, AttestationError> {
        self.together.wait().await;
        Ok(Attested {
            agent_id: id("/spire/agent/document/machine"),
            siblings: Vec::new(),
            selectors: [("document".to_owned(), "machine".to_owned())].into(),
            can_reattest: false,
        })
    }
}

#[tokio::test]
async fn of_two_that_bring_at_once_what_lets_in_once_one_is_let_in() {
    let server = server(Document {
        together: Barrier::new(2),
    })
    .await;
    let node = async || {
        let key = Key::new(Form::Classical);
        let channel = server.anonymous().await;
        let outcome = attest(channel, "document", b"the document", key.csr(None)).await;
        (key, outcome)
    };
    let both = tokio::time::timeout(LONG, async { tokio::join!(node(), node()) });
    let (first, second) = both.await.unwrap();
    let ((key, let_in), (_, refused)) = match first.1.is_ok() {
        true => (first, second),
        false => (second, first),
    };
    let status = refused.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied, "{status}");
    assert!(status.message().contains("at the same moment"), "{status}");

    // The one on record is the one that was told so, and it goes on being the node.
    let result = let_in.unwrap();
    assert!(!result.reattestable);
    let svid = result.svid.unwrap();
    let serial = Certificate::from_der(&svid.cert_chain[0]).unwrap().serial_hex();
    let serial = u128::from_str_radix(&serial, 16).unwrap().to_string();
    let agents = server.client.agents().await.unwrap();
    assert_eq!(agents.len(), 1);
    assert_eq!(agents[0].serial, serial);
    let agent = server.agent_with(key, svid).await;
    agent.renew(&Key::new(Form::Classical)).await.unwrap();
}

/// Something that goes on until nobody waits for it, and says when it begins and when it ends.
#[derive(Debug)]
struct Endless {
    begun: mpsc::UnboundedSender<()>,
    ended: mpsc::UnboundedSender<()>,
}

struct Telling(mpsc::UnboundedSender<()>);

impl Drop for Telling {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

#[async_trait]
impl Verifier for Endless {
    fn method(&self) -> &'static str {
        "endless"
    }

    async fn verify(
        &self,
        _evidence: &[u8],
        _challenger: &mut dyn Challenger,
        _now: SystemTime,
    ) -> Result<Attested, AttestationError> {
        let _telling = Telling(self.ended.clone());
        self.begun.send(()).unwrap();
        pending().await
    }
}

#[tokio::test]
async fn nobody_works_for_a_node_that_left() {
    let (begun, mut has_begun) = mpsc::unbounded_channel();
    let (ended, mut has_ended) = mpsc::unbounded_channel();
    let server = server(Endless { begun, ended }).await;
    let channel = server.anonymous().await;
    let csr = Key::new(Form::Classical).csr(None);
    let node = tokio::spawn(async move { attest(channel, "endless", b"x", csr).await.is_ok() });
    let soon = async |what: &mut mpsc::UnboundedReceiver<()>| {
        tokio::time::timeout(LONG, what.recv()).await.unwrap().unwrap();
    };
    soon(&mut has_begun).await;
    assert!(has_ended.try_recv().is_err());
    node.abort();
    soon(&mut has_ended).await;
}
