//! What decisions leave in the log. A program of its own: whether anybody listens to an event is settled for a whole
//! process, and other tests do not.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "the other tests use the rest")]
#[path = "server/support.rs"]
mod support;

#[path = "events/moved.rs"]
mod moved;

use std::future::pending;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use serde_json::Value;
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use symbolon_api::spire::api::server::bundle::v1::bundle_client::BundleClient;
use symbolon_api::spire::api::server::bundle::v1::{AppendBundleRequest, GetBundleRequest};
use symbolon_api::spire::api::server::entry::v1::entry_client::EntryClient;
use symbolon_api::spire::api::server::entry::v1::{BatchCreateEntryRequest, CountEntriesRequest};
use symbolon_api::spire::api::server::localauthority::v1::local_authority_client::LocalAuthorityClient;
use symbolon_api::spire::api::server::localauthority::v1::{
    PrepareX509AuthorityRequest, TaintX509AuthorityRequest,
};
use symbolon_api::spire::api::server::svid::v1::svid_client::SvidClient;
use symbolon_api::spire::api::server::svid::v1::{
    BatchNewX509svidRequest, MintJwtsvidRequest, MintX509svidRequest, NewDownstreamX509caRequest,
    NewX509svidParams,
};
use symbolon_api::spire::api::types;
use symbolon_attestation::{AttestationError, Attested, Challenger, Verifier};
use symbolon_ca::client::{EntryChanges, Reader, RotationSpec};
use symbolon_ca::datastore::AuthorityState;
use symbolon_ca::server::{Environment, Server};
use symbolon_ca::telemetry;
use symbolon_pki::suite::{Family, Form, Suite};
use symbolon_tls::SvidIdentity;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tonic::Request;
use tracing_subscriber::fmt::MakeWriter;

use support::{Key, TestClock, TestServer, asking, attest, config, id, message, wire_id};

/// How long something is waited for that is sure to come.
const PATIENCE: Duration = Duration::from_secs(120);

/// Log lines in memory.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Lines {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The events of this name, with their fields.
    fn events(&self, name: &str) -> Vec<Value> {
        let text = self.text();
        let lines = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["fields"]["event"] == name).collect()
    }

    /// Waits until there are so many of them.
    async fn have(&self, name: &str, count: usize) {
        assert!(self.have_within(PATIENCE, name, count).await, "{name}");
    }

    /// Whether there are so many of them within this time.
    async fn have_within(&self, time: Duration, name: &str, count: usize) -> bool {
        let come = async {
            while self.events(name).len() < count {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(time, come).await.is_ok()
    }

    fn only(&self, name: &str) -> Value {
        let mut found = self.events(name);
        assert_eq!(found.len(), 1, "{name}: {found:?}");
        found.remove(0)
    }
}

// One thread runs server and caller, so this thread's subscriber sees both.
#[tokio::test]
async fn every_decision_is_an_event_with_the_request_it_belongs_to() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_writer(lines.clone())
        .with_max_level(tracing::Level::INFO);
    let _guard = tracing::subscriber::set_default(subscriber.finish());

    let server = TestServer::start().await;
    let waiting = server.token().await;
    let agent = server.agent(Form::Composite).await;
    let entry = server.entry(&agent, "/web").await;
    let changes = EntryChanges {
        hint: Some("h".to_owned()),
        ..EntryChanges::default()
    };
    server.client.update_entry(&entry, &changes).await.unwrap();
    let ask = |csr| NewX509svidParams {
        entry_id: entry.clone(),
        csr,
        form: String::new(),
    };
    let request = BatchNewX509svidRequest {
        params: vec![ask(Key::new(Form::MlDsa).csr(None)), ask(vec![1])],
    };
    SvidClient::new(agent.channel.clone())
        .batch_new_x509svid(asking(request, "ml-dsa"))
        .await
        .unwrap();
    server.client.delete_entry(&entry).await.unwrap();
    let csr = Key::new(Form::Classical).csr(None);
    attest(server.anonymous().await, "join_token", b"guessed-token", csr)
        .await
        .unwrap_err();
    server.client.ban_agent(&agent.spiffe_id).await.unwrap();
    agent.renew(&Key::new(Form::Classical)).await.unwrap_err();

    let issued = lines.only(telemetry::SVID_ISSUED);
    assert_eq!(issued["fields"]["spiffe_id"], id("/web").to_string());
    assert_eq!(
        (
            issued["fields"]["form"].as_str(),
            issued["fields"]["entry_id"].as_str()
        ),
        (Some("ml-dsa"), Some(&*entry))
    );
    let refused = lines.only(telemetry::SVID_REFUSED);
    assert_eq!(
        (refused["fields"]["code"].as_str(), refused["level"].as_str()),
        (Some("InvalidArgument"), Some("WARN"))
    );
    assert_eq!(
        issued["span"]["request_id"], refused["span"]["request_id"],
        "both belong to one call"
    );
    assert_eq!(issued["span"]["caller"], agent.spiffe_id.to_string());
    assert_eq!(
        issued["span"]["method"],
        "/spire.api.server.svid.v1.SVID/BatchNewX509SVID"
    );

    let attested = lines.only(telemetry::AGENT_ATTESTED);
    assert_eq!(
        (
            attested["span"]["caller"].as_str(),
            attested["fields"]["form"].as_str()
        ),
        (Some("anonymous"), Some("composite"))
    );
    assert!(attested["span"]["request_id"] != issued["span"]["request_id"]);
    for name in [
        telemetry::SERVER_STARTED,
        telemetry::ENTRY_CREATED,
        telemetry::ENTRY_UPDATED,
        telemetry::ENTRY_DELETED,
        telemetry::AGENT_BANNED,
        telemetry::CALL_DENIED,
    ] {
        lines.only(name);
    }
    assert_eq!(lines.events(telemetry::TOKEN_CREATED).len(), 2);
    assert_eq!(
        lines.events(telemetry::AGENT_DENIED).len(),
        2,
        "a guessed token and a banned agent"
    );
    commands_are_events_whoever_leaves(&server, &lines).await;
    what_operators_and_servers_below_get_is_told(&server, &lines).await;
    nodes_that_leave_are_told_of(&lines).await;
    moved::entries_that_go_forward_by_a_change_are_told_of(&server, &lines).await;
    // Strangers who are turned away do not fill the log.
    let stranger = server.anonymous().await;
    for _ in 0..10 {
        EntryClient::new(stranger.clone())
            .count_entries(CountEntriesRequest::default())
            .await
            .unwrap_err();
    }
    assert_eq!(lines.events(telemetry::CALL_DENIED).len(), 2);
    let text = lines.text();
    assert!(
        !text.contains(&waiting) && !text.contains("guessed-token"),
        "tokens that may still work are not logged"
    );
}

/// Who gave a command stands in the log, be it refused or not, and be it that the caller did not wait for the outcome.
async fn commands_are_events_whoever_leaves(server: &TestServer, lines: &Lines) {
    let mut client = LocalAuthorityClient::new(server.local().await);
    let request = TaintX509AuthorityRequest {
        authority_id: "another's\n".to_owned(),
    };
    client.taint_x509_authority(request).await.unwrap_err();
    let refused = lines.only(telemetry::AUTHORITY_REFUSED);
    let caller = refused["fields"]["caller"].clone();
    assert!(caller.as_str().unwrap().contains("of user"), "{caller}");
    assert_eq!(
        (&refused["fields"]["step"], &refused["span"]["caller"]),
        (&Value::from("taint"), &caller)
    );

    // Somebody else holds the file, so that the command has begun and cannot be over when its caller leaves.
    let mut other = beside(server).await;
    let told = async {
        loop {
            let holding = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
            let mut request = Request::new(PrepareX509AuthorityRequest {});
            request.set_timeout(Duration::from_secs(1));
            client.prepare_x509_authority(request).await.unwrap_err();
            assert!(lines.events(telemetry::AUTHORITY_COMMANDED).is_empty());
            holding.rollback().await.unwrap();
            // On a busy machine the time may be over before the server has heard of the command.
            let soon = Duration::from_secs(10);
            if lines.have_within(soon, telemetry::AUTHORITY_COMMANDED, 1).await {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, told).await.unwrap();
    let commanded = lines.events(telemetry::AUTHORITY_COMMANDED).remove(0);
    let journal = server.server.authorities().journal();
    let prepared = journal
        .iter()
        .find(|record| record.state == AuthorityState::Prepared)
        .unwrap();
    let fields = &commanded["fields"];
    assert_eq!(
        (fields["step"].as_str(), fields["authority_id"].as_str()),
        (Some("prepare"), Some(&*prepared.authority_id))
    );
    assert_eq!(fields["caller"], caller);
}

/// Another connection to a server's datastore.
async fn beside(server: &TestServer) -> SqliteConnection {
    let path = server.data_dir().join("server/db");
    let options = SqliteConnectOptions::new().filename(path);
    SqliteConnection::connect_with(&options).await.unwrap()
}

/// Says when it looks at evidence, and lets in whoever has `good`. With others it comes to no end.
#[derive(Debug)]
struct Looking(mpsc::UnboundedSender<()>);

#[async_trait]
impl Verifier for Looking {
    fn method(&self) -> &'static str {
        "looking"
    }

    async fn verify(
        &self,
        evidence: &[u8],
        _challenger: &mut dyn Challenger,
        _now: SystemTime,
    ) -> Result<Attested, AttestationError> {
        self.0.send(()).unwrap();
        if evidence != b"good" {
            return pending().await;
        }
        Ok(Attested {
            agent_id: id("/spire/agent/looking/machine"),
            siblings: Vec::new(),
            selectors: [("looking".to_owned(), "machine".to_owned())].into(),
            can_reattest: false,
        })
    }
}

/// A node that leaves is on record only if the log says that it attested, and otherwise the log says that it left.
async fn nodes_that_leave_are_told_of(lines: &Lines) {
    let (looking, mut is_looked_at) = mpsc::unbounded_channel();
    let (dir, clock) = (TempDir::new().unwrap(), TestClock::new());
    let config = config(dir.path());
    let environment = Environment {
        methods: vec![Arc::new(Looking(looking))],
        ..Environment::new(clock.clone())
    };
    let running = Server::start_with(&config, environment).await.unwrap();
    let server = TestServer::around(dir, clock, config, running).await;
    let channel = server.anonymous().await;
    let mut comes_and_leaves = async |evidence: &'static [u8]| {
        let csr = Key::new(Form::Classical).csr(None);
        let node = channel.clone();
        let node = tokio::spawn(async move { attest(node, "looking", evidence, csr).await.is_ok() });
        let looked = tokio::time::timeout(PATIENCE, is_looked_at.recv());
        looked.await.unwrap().unwrap();
        node.abort();
        assert!(node.await.unwrap_err().is_cancelled());
        // On the same connection the server hears this after the other's end.
        let mut bundles = BundleClient::new(channel.clone());
        bundles.get_bundle(GetBundleRequest::default()).await.unwrap();
    };
    let (attested, denied) = (telemetry::AGENT_ATTESTED, telemetry::AGENT_DENIED);
    let before = (lines.events(attested).len(), lines.events(denied).len());

    // Somebody else holds the file, so that it is not on record yet when it leaves.
    let mut other = beside(&server).await;
    let holding = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    comes_and_leaves(b"good").await;
    assert_eq!(lines.events(attested).len(), before.0);
    holding.rollback().await.unwrap();
    lines.have(attested, before.0 + 1).await;
    let agents = server.client.agents().await.unwrap();
    assert_eq!(agents.len(), 1);
    assert_eq!(lines.events(denied).len(), before.1);

    comes_and_leaves(b"slow").await;
    lines.have(denied, before.1 + 1).await;
    let left = lines.events(denied).pop().unwrap();
    let fields = &left["fields"];
    assert_eq!(
        (fields["code"].as_str(), fields["address"].as_str()),
        (Some("Cancelled"), Some("127.0.0.1"))
    );
    assert!(
        fields["reason"].as_str().unwrap().contains("the node left"),
        "{left}"
    );
}

/// What is issued without an entry, or to a server below this one, and what is put into the bundle.
async fn what_operators_and_servers_below_get_is_told(server: &TestServer, lines: &Lines) {
    let issued = |path: &str| -> Vec<Value> {
        let path = id(path).to_string();
        let events = lines.events(telemetry::SVID_ISSUED).into_iter();
        events
            .filter(|event| event["fields"]["spiffe_id"] == path)
            .collect()
    };
    let mut svids = SvidClient::new(server.local().await);
    let below = Key::new(Form::Classical);
    let request = MintX509svidRequest {
        csr: below.csr(Some(&id("/below"))),
        ttl: 60,
    };
    let minted = svids.mint_x509svid(request).await.unwrap().into_inner();
    let request = MintJwtsvidRequest {
        id: wire_id("/minted"),
        audience: vec!["db".to_owned()],
        ttl: 60,
    };
    svids.mint_jwtsvid(request).await.unwrap();
    for (path, form) in [("/below", "classical"), ("/minted", "jwt")] {
        let events = issued(path);
        assert_eq!(events.len(), 1, "{events:?}");
        assert_eq!(events[0]["fields"]["form"], form);
        let caller = events[0]["span"]["caller"].as_str().unwrap();
        assert!(caller.contains("of user"), "{caller}");
    }

    let entry = types::Entry {
        downstream: true,
        ..message("/below", "/spire/agent/x/a")
    };
    let request = BatchCreateEntryRequest {
        entries: vec![entry],
        output_mask: None,
    };
    let created = EntryClient::new(server.local().await)
        .batch_create_entry(request)
        .await
        .unwrap()
        .into_inner();
    let entry_id = created.results[0].entry.as_ref().unwrap().id.clone();
    let chain = minted.svid.unwrap().cert_chain;
    let identity = Arc::new(SvidIdentity::new(chain, below.signer).unwrap());
    let request = NewDownstreamX509caRequest {
        csr: Key::new(Form::Classical).csr(None),
        preferred_ttl: 0,
    };
    let channel = server.with_svid(&identity).await;
    SvidClient::new(channel)
        .new_downstream_x509ca(request)
        .await
        .unwrap();
    let events = lines.events(telemetry::SVID_ISSUED);
    let given = events.last().unwrap();
    assert_eq!(given["fields"]["entry_id"], entry_id);
    assert_eq!(given["span"]["caller"], id("/below").to_string());

    let key = Key::new(Form::Classical).signer.public_key().spki_der();
    let request = AppendBundleRequest {
        jwt_authorities: vec![types::JwtKey {
            public_key: key,
            key_id: "added".to_owned(),
            ..types::JwtKey::default()
        }],
        ..AppendBundleRequest::default()
    };
    let mut bundles = BundleClient::new(server.local().await);
    bundles.append_bundle(request).await.unwrap();
    let appended = lines.only(telemetry::BUNDLE_APPENDED);
    assert_eq!(appended["fields"]["jwt_authorities"], 1);

    // Our own commands are told as SPIRE's are.
    let spec = RotationSpec {
        suite: Some(Suite::EcdsaP384),
        ..RotationSpec::default()
    };
    let rotated = server
        .client
        .rotate_authority(Family::Classical, &spec)
        .await
        .unwrap();
    server
        .client
        .rotate_authority(Family::Classical, &spec)
        .await
        .unwrap_err();
    let told = [telemetry::AUTHORITY_COMMANDED, telemetry::AUTHORITY_REFUSED].map(|name| {
        let events = lines.events(name).into_iter();
        let mut events = events.filter(|event| event["fields"]["step"] == "rotate");
        let event = events.next().unwrap();
        assert!(events.next().is_none());
        assert_eq!(event["fields"]["family"], "classical");
        event
    });
    let made = rotated.prepared.unwrap().authority.authority_id;
    assert_eq!(told[0]["fields"]["authority_id"], made);
    assert!(
        told[1]["fields"]["reason"]
            .as_str()
            .unwrap()
            .contains("on its way")
    );
}
