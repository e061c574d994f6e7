//! The live source takes up stages from its agent, and tells it of handshakes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "common/agent.rs"]
mod agent;
#[path = "reporting/closing.rs"]
mod closing;
mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use agent::{Agent, Socket, answer, soon};
use common::*;
use symbolon_api::spiffe::workload as wire;
use symbolon_api::spiffe::workload::spiffe_workload_api_server::SpiffeWorkloadApiServer;
use symbolon_api::symbolon::workload::v1 as own;
use symbolon_api::symbolon::workload::v1::handshakes_server::{Handshakes, HandshakesServer};
use symbolon_api::{WORKLOAD_METADATA, WORKLOAD_METADATA_VALUE};
use symbolon_pki::suite::Form;
use symbolon_tls::{
    Acceptor, Backoff, ClientAuth, ClientOptions, Connector, IdentitySource, ListenerOptions, Migration,
    MigrationStage, MigrationTarget, Reporting, X509Source,
};
use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::{Request, Response, Status};

const QUICK: Backoff = Backoff {
    first: Duration::from_millis(1),
    longest: Duration::from_millis(10),
};
const OFTEN: Reporting = Reporting {
    every: Duration::from_millis(5),
    at_least: Duration::from_secs(3600),
};

/// Takes reports, or refuses them.
#[derive(Clone)]
struct Ledger {
    reports: watch::Sender<Vec<own::ReportHandshakesRequest>>,
    /// Those of them that were not refused.
    taken: watch::Sender<Vec<own::ReportHandshakesRequest>>,
    refuses: Arc<Mutex<Option<Status>>>,
    /// It answers nobody.
    is_silent: Arc<AtomicBool>,
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            reports: watch::Sender::new(Vec::new()),
            taken: watch::Sender::new(Vec::new()),
            refuses: Arc::default(),
            is_silent: Arc::default(),
        }
    }
}

#[tonic::async_trait]
impl Handshakes for Ledger {
    async fn report_handshakes(
        &self,
        request: Request<own::ReportHandshakesRequest>,
    ) -> Result<Response<own::ReportHandshakesResponse>, Status> {
        let header = request.metadata().get(WORKLOAD_METADATA).cloned();
        assert_eq!(header.unwrap().to_str().unwrap(), WORKLOAD_METADATA_VALUE);
        let report = request.into_inner();
        self.reports.send_modify(|reports| reports.push(report.clone()));
        if self.is_silent.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if let Some(status) = self.refuses.lock().unwrap().clone() {
            return Err(status);
        }
        self.taken.send_modify(|taken| taken.push(report));
        Ok(Response::new(own::ReportHandshakesResponse {}))
    }
}

fn serve(agent: &Agent, ledger: &Ledger, socket: &Socket) -> tokio::task::JoinHandle<()> {
    let listener = UnixListener::bind(&socket.path).unwrap();
    let router = tonic::transport::Server::builder()
        .add_service(SpiffeWorkloadApiServer::new(agent.clone()))
        .add_service(HandshakesServer::new(ledger.clone()));
    tokio::spawn(async move {
        router
            .serve_with_incoming(UnixListenerStream::new(listener))
            .await
            .unwrap();
    })
}

fn staged(domain: &Domain, target: &str, stage: &str) -> wire::X509svidResponse {
    let mut message = answer(domain, &[Form::Classical, Form::Composite]);
    for svid in &mut message.svids {
        svid.migration_target = target.to_owned();
        svid.migration_stage = stage.to_owned();
    }
    message
}

async fn source_of(socket: &Socket) -> Arc<X509Source> {
    source_at_pace(socket, OFTEN).await
}

async fn source_at_pace(socket: &Socket, pace: Reporting) -> Arc<X509Source> {
    let forms = [Form::Classical, Form::Composite];
    let connecting = X509Source::connect_reporting(socket.endpoint(), &forms, clock(), QUICK, pace);
    Arc::new(soon(connecting).await.unwrap())
}

/// Has it do a handshake.
async fn meet_somebody(domain: &Domain, source: &Arc<X509Source>) {
    let peer = common::source(domain.svids("peer", &FORMS), domain.bundles(&FORMS));
    let dial = Connector::new(source.clone(), domain.any(), clock(), ClientOptions::default());
    connected(&dial, &acceptor(&peer, domain.any(), ListenerOptions::default())).await;
}

/// Makes a connector that does not follow, and drops it.
fn abstain_for_a_moment(domain: &Domain, source: &Arc<X509Source>) {
    let alone = ClientOptions {
        follow_migration: false,
        ..ClientOptions::default()
    };
    drop(Connector::new(source.clone(), domain.any(), clock(), alone));
}

async fn update(source: &X509Source, agent: &Agent, message: wire::X509svidResponse) {
    let mut status = source.subscribe();
    let before = source.status().updates;
    agent.send(message);
    soon(status.wait_for(|status| status.updates > before))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_source_takes_up_stages_and_reports_what_it_sees() {
    let domain = Domain::new("example.org");
    let agent = Agent::new(answer(&domain, &[Form::Classical, Form::Composite]));
    let (socket, ledger) = (Socket::new(), Ledger::default());
    let _serving = serve(&agent, &ledger, &socket);
    let source = source_of(&socket).await;
    assert_eq!(source.migration(), None);

    let peer = common::source(domain.svids("peer", &FORMS), domain.bundles(&FORMS));
    let listen = acceptor(&peer, domain.any(), ListenerOptions::default());
    let dial = Connector::new(source.clone(), domain.any(), clock(), ClientOptions::default());
    let mut reports = ledger.reports.subscribe();
    for (stage, shown) in [("accept", Form::Classical), ("prefer", Form::Composite)] {
        update(&source, &agent, staged(&domain, "hybrid", stage)).await;
        let migration = source.migration().unwrap();
        assert_eq!(
            (migration.target, migration.stage.name()),
            (MigrationTarget::Hybrid, stage)
        );
        // The stage is told at once, though nothing has happened in it.
        let told =
            |reports: &Vec<own::ReportHandshakesRequest>| reports.iter().any(|report| report.stage == stage);
        soon(reports.wait_for(told)).await.unwrap();

        let (near, _) = connected(&dial, &listen).await;
        assert_eq!(near.info().presented, Some(shown));
        let expected = own::HandshakeCount {
            presented: shown.name().to_owned(),
            peer: Form::Composite.name().to_owned(),
            succeeded: true,
            stage: stage.to_owned(),
            count: 1,
        };
        let counted = |reports: &Vec<own::ReportHandshakesRequest>| {
            reports.iter().any(|report| report.counts.contains(&expected))
        };
        soon(reports.wait_for(counted)).await.unwrap();
    }
    let reports = reports.borrow().clone();
    let [first, ..] = reports.as_slice() else {
        panic!("no report");
    };
    assert_eq!(first.spiffe_id, "spiffe://example.org/one");
    assert!(
        reports
            .iter()
            .all(|report| report.reporter == first.reporter && !report.reporter.is_empty())
    );

    // The migration ends, and with it what is told.
    update(
        &source,
        &agent,
        answer(&domain, &[Form::Classical, Form::Composite]),
    )
    .await;
    assert_eq!(source.migration(), None);
}

#[tokio::test]
async fn counts_that_were_not_taken_are_told_again() {
    let domain = Domain::new("example.org");
    let agent = Agent::new(staged(&domain, "hybrid", "prefer"));
    let (socket, ledger) = (Socket::new(), Ledger::default());
    *ledger.refuses.lock().unwrap() = Some(Status::unavailable("later"));
    let _serving = serve(&agent, &ledger, &socket);
    let source = source_of(&socket).await;
    meet_somebody(&domain, &source).await;
    let mut reports = ledger.reports.subscribe();
    let with_counts = |reports: &Vec<own::ReportHandshakesRequest>| {
        reports.iter().filter(|report| !report.counts.is_empty()).count()
    };
    soon(reports.wait_for(|reports| with_counts(reports) >= 2))
        .await
        .unwrap();
    let mut taken = ledger.taken.subscribe();
    assert!(taken.borrow().is_empty());
    *ledger.refuses.lock().unwrap() = None;
    let report = soon(taken.wait_for(|taken| !taken.is_empty())).await.unwrap()[0].clone();
    let counts: Vec<u64> = report.counts.iter().map(|counted| counted.count).collect();
    assert_eq!(counts, [1], "told more than once, it still happened once");
}

#[tokio::test]
async fn who_holds_no_authorities_of_the_target_says_that_it_does_not_follow() {
    let domain = Domain::new("example.org");
    let mut message = answer(&domain, &[Form::Classical]);
    message.svids[0].migration_target = "hybrid".to_owned();
    message.svids[0].migration_stage = "prefer".to_owned();
    let agent = Agent::new(message);
    let (socket, ledger) = (Socket::new(), Ledger::default());
    let _serving = serve(&agent, &ledger, &socket);
    let source = source_of(&socket).await;
    let followed = Migration {
        target: MigrationTarget::Hybrid,
        stage: MigrationStage::Prefer,
    };
    assert_eq!(source.migration(), Some(followed));
    let mut reports = ledger.reports.subscribe();
    let told = soon(reports.wait_for(|reports| !reports.is_empty()))
        .await
        .unwrap()
        .clone();
    assert_eq!(told[0].stage, "");
}

#[tokio::test]
async fn a_program_of_which_a_part_does_not_follow_says_so_as_long_as_that_exists() {
    let domain = Domain::new("example.org");
    let agent = Agent::new(staged(&domain, "hybrid", "prefer"));
    let (socket, ledger) = (Socket::new(), Ledger::default());
    let _serving = serve(&agent, &ledger, &socket);
    let source = source_of(&socket).await;
    let mut reports = ledger.reports.subscribe();
    let mut last_is = async |stage: &str| {
        let told = |reports: &Vec<own::ReportHandshakesRequest>| {
            reports.last().is_some_and(|report| report.stage == stage)
        };
        soon(reports.wait_for(told)).await.unwrap();
    };
    last_is("prefer").await;

    let alone = ClientOptions {
        follow_migration: false,
        ..ClientOptions::default()
    };
    let dial = Connector::new(source.clone(), domain.any(), clock(), alone);
    last_is("").await;
    // The same at the last stage, which demands something even of who holds no authorities.
    update(&source, &agent, staged(&domain, "hybrid", "require")).await;
    let config = dial.config().unwrap();
    drop(dial);
    assert!(source.handshakes().unwrap().somebody_abstains());
    drop(config);
    last_is("require").await;

    let alone = ListenerOptions {
        follow_migration: false,
        ..ListenerOptions::default()
    };
    let shared: Arc<dyn IdentitySource> = source.clone();
    let listen = Acceptor::new(shared, domain.any(), ClientAuth::Required, alone, clock());
    last_is("").await;
    drop(listen);
    last_is("require").await;
    // Who follows is in nobody's way.
    let _dial = Connector::new(source.clone(), domain.any(), clock(), ClientOptions::default());
    assert!(!source.handshakes().unwrap().somebody_abstains());
}

#[tokio::test]
async fn a_part_that_does_not_follow_is_told_of_until_that_was_heard() {
    let domain = Domain::new("example.org");
    let agent = Agent::new(staged(&domain, "hybrid", "prefer"));
    let (socket, ledger) = (Socket::new(), Ledger::default());
    let _serving = serve(&agent, &ledger, &socket);
    let source = source_of(&socket).await;
    let mut taken = ledger.taken.subscribe();
    soon(taken.wait_for(|taken| taken.len() == 1)).await.unwrap();
    *ledger.refuses.lock().unwrap() = Some(Status::unavailable("later"));
    abstain_for_a_moment(&domain, &source);
    let mut reports = ledger.reports.subscribe();
    let twice = |reports: &Vec<own::ReportHandshakesRequest>| {
        reports.iter().filter(|report| report.stage.is_empty()).count() >= 2
    };
    soon(reports.wait_for(twice)).await.unwrap();
    assert_eq!(taken.borrow().len(), 1);
    *ledger.refuses.lock().unwrap() = None;
    // Then it is heard, once, and what is so now again.
    soon(taken.wait_for(|taken| taken.len() == 3)).await.unwrap();
    let stages: Vec<_> = taken.borrow().iter().map(|report| report.stage.clone()).collect();
    assert_eq!(stages, ["prefer", "", "prefer"]);
}

#[tokio::test]
async fn a_migration_that_this_version_does_not_know_is_none() {
    let domain = Domain::new("example.org");
    for (target, stage) in [
        ("hybrid", "celebrate"),
        ("lattice", "prefer"),
        ("", "prefer"),
        ("hybrid", ""),
    ] {
        let agent = Agent::new(staged(&domain, target, stage));
        let socket = Socket::new();
        let _serving = serve(&agent, &Ledger::default(), &socket);
        let source = source_of(&socket).await;
        assert_eq!(source.migration(), None, "{target} {stage}");
        assert_eq!(source.identities().len(), 2);
    }
}

#[tokio::test]
async fn an_agent_that_takes_no_reports_is_left_in_peace() {
    let domain = Domain::new("example.org");
    let agent = Agent::new(staged(&domain, "hybrid", "accept"));
    let (socket, ledger) = (Socket::new(), Ledger::default());
    *ledger.refuses.lock().unwrap() = Some(Status::unimplemented("no such service"));
    let _serving = serve(&agent, &ledger, &socket);
    let source = source_of(&socket).await;
    let mut reports = ledger.reports.subscribe();
    soon(reports.wait_for(|reports| reports.len() == 1))
        .await
        .unwrap();
    // Every further update would be a reason for another report.
    for stage in ["prefer", "accept", "prefer"] {
        update(&source, &agent, staged(&domain, "hybrid", stage)).await;
        assert_eq!(source.migration().unwrap().stage.name(), stage);
    }
    assert_eq!(ledger.reports.borrow().len(), 1);
}
