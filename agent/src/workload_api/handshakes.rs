//! `symbolon.workload.v1.Handshakes`: what workloads tell of their connections.

use std::collections::BTreeMap;

use spiffe::SpiffeId;
use symbolon_api::symbolon::workload::v1 as own;
use symbolon_api::symbolon::workload::v1::handshakes_server::Handshakes;
use symbolon_pki::suite::Form;
use symbolon_tls::MigrationStage;
use tonic::{Request, Response, Status};

use super::service::WorkloadApi;
use crate::migration::WorkloadReport;

/// Most counts of one report: every kind that there is fits.
const MAX_COUNTS: usize = 1024;
/// Longest name of a reporter.
const MAX_REPORTER: usize = 64;

#[tonic::async_trait]
impl Handshakes for WorkloadApi {
    async fn report_handshakes(
        &self,
        request: Request<own::ReportHandshakesRequest>,
    ) -> Result<Response<own::ReportHandshakesResponse>, Status> {
        let (caller, _) = self.caller(&request, "ReportHandshakes")?;
        let message = request.into_inner();
        let id = SpiffeId::new(&message.spiffe_id)
            .map_err(|error| Status::invalid_argument(format!("spiffe_id: {error}")))?;
        let report = read(&message)?;
        let found = self.find(&caller, &[]).await?;
        if !found.entries.iter().any(|entry| entry.spiffe_id == id) {
            return Err(caller.deny(&"the identity that is reported on is not the caller's"));
        }
        let now = self.context.clock.now();
        self.context.reports.take(&id, &message.reporter, report, now);
        Ok(Response::new(own::ReportHandshakesResponse {}))
    }
}

/// Reads a report.
///
/// # Errors
/// `InvalidArgument` with the field at fault.
fn read(message: &own::ReportHandshakesRequest) -> Result<WorkloadReport, Status> {
    let invalid = |message: String| Status::invalid_argument(message);
    let reporter = &message.reporter;
    if reporter.is_empty()
        || reporter.len() > MAX_REPORTER
        || !reporter.bytes().all(|byte| byte.is_ascii_alphanumeric())
    {
        return Err(invalid(format!(
            "reporter: not 1 to {MAX_REPORTER} letters and digits"
        )));
    }
    if message.counts.len() > MAX_COUNTS {
        let count = message.counts.len();
        return Err(invalid(format!(
            "counts: {count} of them; at most {MAX_COUNTS} are read"
        )));
    }
    let mut peers = BTreeMap::new();
    for counted in &message.counts {
        if counted.peer.is_empty() || !counted.succeeded || counted.count == 0 {
            continue;
        }
        let form: Form = counted
            .peer
            .parse()
            .map_err(|error| invalid(format!("counts: peer: {error}")))?;
        let sum: &mut u64 = peers.entry((form, stage(&counted.stage))).or_default();
        *sum = sum.saturating_add(counted.count);
    }
    Ok(WorkloadReport {
        stage: stage(&message.stage),
        peers,
    })
}

/// A stage that is not known here is followed by nobody, as far as this agent can say.
fn stage(name: &str) -> Option<MigrationStage> {
    name.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(peer: &str, succeeded: bool, stage: &str, count: u64) -> own::HandshakeCount {
        own::HandshakeCount {
            presented: "composite".to_owned(),
            peer: peer.to_owned(),
            succeeded,
            stage: stage.to_owned(),
            count,
        }
    }

    fn message(counts: Vec<own::HandshakeCount>) -> own::ReportHandshakesRequest {
        own::ReportHandshakesRequest {
            spiffe_id: "spiffe://example.org/web".to_owned(),
            reporter: "a1".to_owned(),
            stage: "prefer".to_owned(),
            counts,
        }
    }

    #[test]
    fn peers_of_handshakes_that_ended_well_are_counted() {
        let counts = vec![
            count("classical", true, "prefer", 2),
            count("classical", true, "prefer", u64::MAX),
            count("composite", true, "accept", 1),
            count("classical", false, "prefer", 7),
            count("", true, "prefer", 7),
            count("ml-dsa", true, "prefer", 0),
        ];
        let report = read(&message(counts)).unwrap();
        let expected = [
            ((Form::Classical, Some(MigrationStage::Prefer)), u64::MAX),
            ((Form::Composite, Some(MigrationStage::Accept)), 1),
        ];
        assert_eq!(report.stage, Some(MigrationStage::Prefer));
        assert_eq!(report.peers, expected.into());
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for reporter in ["", "a b", "ü", &"x".repeat(65)] {
            let mut message = message(Vec::new());
            message.reporter = reporter.to_owned();
            assert!(
                read(&message).unwrap_err().message().starts_with("reporter"),
                "{reporter}"
            );
        }
        let wrong = read(&message(vec![count("rot13", true, "", 1)])).unwrap_err();
        assert!(wrong.message().contains("rot13"), "{wrong}");
        let many = vec![count("classical", true, "", 1); MAX_COUNTS + 1];
        assert_eq!(
            read(&message(many)).unwrap_err().code(),
            tonic::Code::InvalidArgument
        );
        let mut newer = message(Vec::new());
        newer.stage = "celebrate".to_owned();
        assert_eq!(read(&newer).unwrap().stage, None);
    }
}
