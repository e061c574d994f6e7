//! What decisions leave in the log. A program of its own: whether anybody listens to an event is settled for a whole
//! process, and other tests do not.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "the other tests use the rest")]
#[path = "server/support.rs"]
mod support;

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use symbolon_api::spire::api::server::entry::v1::CountEntriesRequest;
use symbolon_api::spire::api::server::entry::v1::entry_client::EntryClient;
use symbolon_api::spire::api::server::localauthority::v1::local_authority_client::LocalAuthorityClient;
use symbolon_api::spire::api::server::localauthority::v1::{
    PrepareX509AuthorityRequest, TaintX509AuthorityRequest,
};
use symbolon_api::spire::api::server::svid::v1::svid_client::SvidClient;
use symbolon_api::spire::api::server::svid::v1::{BatchNewX509svidRequest, NewX509svidParams};
use symbolon_ca::client::EntryChanges;
use symbolon_ca::datastore::AuthorityState;
use symbolon_ca::telemetry;
use symbolon_pki::suite::Form;
use tonic::Request;
use tracing_subscriber::fmt::MakeWriter;

use support::{Key, TestServer, asking, attest, id};

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
    let path = server.data_dir().join("server/db");
    let options = SqliteConnectOptions::new().filename(path);
    let mut other = SqliteConnection::connect_with(&options).await.unwrap();
    let holding = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let mut request = Request::new(PrepareX509AuthorityRequest {});
    request.set_timeout(Duration::from_secs(1));
    client.prepare_x509_authority(request).await.unwrap_err();
    assert!(lines.events(telemetry::AUTHORITY_COMMANDED).is_empty());
    holding.rollback().await.unwrap();

    let carried_out = async {
        while lines.events(telemetry::AUTHORITY_COMMANDED).is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), carried_out)
        .await
        .unwrap();
    let commanded = lines.only(telemetry::AUTHORITY_COMMANDED);
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
