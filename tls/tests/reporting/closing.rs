//! What a source tells when it is closed.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use symbolon_tls::workload_api::WorkloadApiError;
use symbolon_tls::{IdentitySource, Reporting, X509Source};
use tonic::Status;

use super::agent::{Agent, Socket, soon};
use super::common::Domain;
use super::{Ledger, abstain_for_a_moment, meet_somebody, serve, source_at_pace, source_of, staged};

const SELDOM: Reporting = Reporting {
    every: Duration::from_secs(3600),
    at_least: Duration::from_secs(3600),
};

/// One that has told its stage, and would be silent for an hour from then on.
async fn silent_source(socket: &Socket, ledger: &Ledger) -> Arc<X509Source> {
    let source = source_at_pace(socket, SELDOM).await;
    let mut taken = ledger.taken.subscribe();
    soon(taken.wait_for(|taken| taken.len() == 1)).await.unwrap();
    source
}

#[tokio::test]
async fn who_closes_its_source_has_told_what_it_saw() {
    let domain = Domain::new("example.org");
    let agent = Agent::new(staged(&domain, "hybrid", "prefer"));
    let (socket, ledger) = (Socket::new(), Ledger::default());
    let _serving = serve(&agent, &ledger, &socket);
    let source = silent_source(&socket, &ledger).await;
    meet_somebody(&domain, &source).await;
    soon(source.close()).await.unwrap();
    let taken = ledger.taken.subscribe();
    let counts: Vec<u64> = taken.borrow()[1].counts.iter().map(|kind| kind.count).collect();
    assert_eq!((counts, taken.borrow().len()), (vec![1], 2));
    let status = source.status();
    assert!(status.stopped && !status.connected, "{status:?}");
    // What it holds is still there, and who closes it again tells nobody of anything.
    assert_eq!(source.identities().len(), 2);
    let again = soon(source.close()).await;
    assert!(matches!(again, Err(WorkloadApiError::Ended)), "{again:?}");
    assert_eq!(taken.borrow().len(), 2);
}

#[tokio::test]
async fn who_closes_its_source_learns_that_it_was_not_heard() {
    let domain = Domain::new("example.org");
    let agent = Agent::new(staged(&domain, "hybrid", "prefer"));
    let (socket, ledger) = (Socket::new(), Ledger::default());
    let _serving = serve(&agent, &ledger, &socket);
    let source = silent_source(&socket, &ledger).await;
    meet_somebody(&domain, &source).await;
    *ledger.refuses.lock().unwrap() = Some(Status::unavailable("later"));
    let error = soon(source.close()).await.unwrap_err();
    assert!(error.to_string().contains("later"), "{error}");
    assert!(source.status().stopped);
}

#[tokio::test]
async fn a_source_ends_though_nobody_waits_until_it_is_closed() {
    let domain = Domain::new("example.org");
    let agent = Agent::new(staged(&domain, "hybrid", "prefer"));
    let (socket, ledger) = (Socket::new(), Ledger::default());
    let _serving = serve(&agent, &ledger, &socket);
    let source = silent_source(&socket, &ledger).await;
    meet_somebody(&domain, &source).await;
    ledger.is_silent.store(true, Ordering::SeqCst);
    let mut reports = ledger.reports.subscribe();
    tokio::select! {
        outcome = source.close() => panic!("nobody took the last report: {outcome:?}"),
        asked = soon(reports.wait_for(|reports| reports.len() == 2)) => drop(asked.unwrap()),
    }
    let mut status = source.subscribe();
    soon(status.wait_for(|status| status.stopped)).await.unwrap();
}

#[tokio::test]
async fn a_source_closes_though_its_agent_takes_no_reports() {
    let domain = Domain::new("example.org");
    let agent = Agent::new(staged(&domain, "hybrid", "accept"));
    let (socket, ledger) = (Socket::new(), Ledger::default());
    *ledger.refuses.lock().unwrap() = Some(Status::unimplemented("no such service"));
    let _serving = serve(&agent, &ledger, &socket);
    let source = source_of(&socket).await;
    let mut reports = ledger.reports.subscribe();
    soon(reports.wait_for(|reports| !reports.is_empty()))
        .await
        .unwrap();
    let error = soon(source.close()).await.unwrap_err();
    assert!(
        matches!(&error, WorkloadApiError::Status(status) if status.code() == tonic::Code::Unimplemented),
        "{error}"
    );
    assert!(source.status().stopped);
}

#[tokio::test]
async fn a_part_that_does_not_follow_is_told_of_though_it_is_gone_by_then() {
    let domain = Domain::new("example.org");
    let agent = Agent::new(staged(&domain, "hybrid", "prefer"));
    let (socket, ledger) = (Socket::new(), Ledger::default());
    let _serving = serve(&agent, &ledger, &socket);
    let source = silent_source(&socket, &ledger).await;
    abstain_for_a_moment(&domain, &source);
    assert!(!source.handshakes().unwrap().somebody_abstains());
    soon(source.close()).await.unwrap();
    let stages: Vec<_> = ledger
        .taken
        .borrow()
        .iter()
        .map(|report| report.stage.clone())
        .collect();
    assert_eq!(stages, ["prefer", ""]);
}
