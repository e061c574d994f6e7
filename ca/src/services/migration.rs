//! `symbolon.server.v1.Migration`: rules for operators, stages for agents.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use prost::Message as _;
use spiffe::SpiffeId;
use symbolon_api::symbolon::server::v1 as api;
use symbolon_crypto::digest::sha256;
use symbolon_pki::suite::{Family, Form};
use symbolon_tls::{MigrationStage, MigrationTarget};
use tonic::{Request, Response, Status};

use super::Core;
use crate::authorization::{CallContext, calling_agent};
use crate::datastore::{EntryRecord, MigrationSetting};
use crate::migration::{
    Check, Done, MigrationError, Party, Readiness, Reported, Rule, Rules, Scope, Wish, WishedStage,
};
use crate::wire::seconds;

/// Most identities that an agent may speak of at a time.
const MAX_REPORTS: usize = 20_000;
/// Most authorities that it may say it holds.
const MAX_HELD: usize = 4096;
/// Longest name of an authority, in bytes; no authority of this server's has a longer one.
const MAX_AUTHORITY_ID: usize = 64;
/// Longest reason, in bytes.
const MAX_REASON: usize = 1024;
/// Longest time that nothing classical may have to be seen: a month.
const MAX_QUIET: u32 = 31 * 24 * 60 * 60;

/// The service.
#[derive(Debug)]
pub(crate) struct MigrationService(pub(crate) Arc<Core>);

#[tonic::async_trait]
impl api::migration_server::Migration for MigrationService {
    async fn get_migration(
        &self,
        request: Request<api::GetMigrationRequest>,
    ) -> Result<Response<api::GetMigrationResponse>, Status> {
        let quiet = quiet(request.get_ref().quiet_seconds)?;
        let migrations = &self.0.migrations;
        let rules = migrations.look(quiet).await?;
        let rules = rules
            .iter()
            .map(|(rule, next)| rule_message(rule, next.as_ref()))
            .collect();
        Ok(Response::new(api::GetMigrationResponse { rules }))
    }

    async fn set_stage(
        &self,
        request: Request<api::SetStageRequest>,
    ) -> Result<Response<api::SetStageResponse>, Status> {
        let by = caller(&request);
        let wish = wish(request.into_inner(), by)?;
        let Done { rule, check, changed } = self.0.migrations.change(wish).await.map_err(of_error)?;
        Ok(Response::new(api::SetStageResponse {
            rule: rule.map(|rule| rule_message(&rule, None)),
            check: check.as_ref().map(check_message),
            changed,
        }))
    }

    async fn sync_migration(
        &self,
        request: Request<api::SyncMigrationRequest>,
    ) -> Result<Response<api::SyncMigrationResponse>, Status> {
        let agent = calling_agent(&request)?;
        let api::SyncMigrationRequest {
            held,
            workloads,
            known_digest,
        } = request.into_inner();
        let migrations = &self.0.migrations;
        let rules = migrations.rules();
        // The usual case by far: what is told and asked is of no matter, and costs nothing.
        if rules.is_empty() {
            return Ok(Response::new(stages(&rules, &[], &known_digest)));
        }
        let (held, reports) = (read_held(held)?, read_reports(workloads)?);
        let authorized = match rules.scoped.is_empty() && reports.is_empty() {
            true => Vec::new(),
            false => migrations.authorized(&agent),
        };
        migrations.note(&agent.spiffe_id, &authorized, held, reports);
        Ok(Response::new(stages(&rules, &authorized, &known_digest)))
    }
}

/// Who asks, for the record.
fn caller<T>(request: &Request<T>) -> String {
    let context = request.extensions().get::<CallContext>();
    context.map_or_else(|| "unknown".to_owned(), |context| context.caller.to_string())
}

fn of_error(error: MigrationError) -> Status {
    let message = error.to_string();
    match error {
        MigrationError::Invalid(_) => Status::invalid_argument(message),
        MigrationError::NoRule(_) => Status::not_found(message),
        MigrationError::Refused(_) => Status::failed_precondition(message),
        MigrationError::Datastore(error) => error.into(),
    }
}

fn quiet(seconds: Option<u32>) -> Result<Option<Duration>, Status> {
    match seconds {
        None => Ok(None),
        Some(seconds) if seconds <= MAX_QUIET => Ok(Some(Duration::from_secs(seconds.into()))),
        Some(seconds) => {
            let message = format!("quiet_seconds: {seconds} is more than {MAX_QUIET}");
            Err(Status::invalid_argument(message))
        }
    }
}

fn wish(request: api::SetStageRequest, by: String) -> Result<Wish, Status> {
    let invalid = |message: String| Status::invalid_argument(message);
    let scope: Scope = request
        .entries
        .parse()
        .map_err(|error| invalid(format!("{error}")))?;
    let target = match api::MigrationTarget::try_from(request.target) {
        Ok(api::MigrationTarget::Unspecified) => None,
        Ok(api::MigrationTarget::Hybrid) => Some(MigrationTarget::Hybrid),
        Ok(api::MigrationTarget::Pq) => Some(MigrationTarget::PostQuantum),
        Err(_) => return Err(invalid(format!("target: {} is none", request.target))),
    };
    let wire = api::MigrationStage::try_from(request.stage);
    let wire = wire.map_err(|_| invalid(format!("stage: {} is none", request.stage)))?;
    let stage = match (request.clear, wire) {
        (true, api::MigrationStage::Unspecified) => WishedStage::Clear,
        (true, _) => return Err(invalid("stage: a rule that is cleared is at none".to_owned())),
        (false, api::MigrationStage::Unspecified) => WishedStage::Next,
        (false, api::MigrationStage::Off) => WishedStage::Off,
        (false, wire) => match read_stage(wire) {
            Some(stage) => WishedStage::To(stage),
            None => WishedStage::Next,
        },
    };
    if request.reason.len() > MAX_REASON || request.reason.contains(char::is_control) {
        return Err(invalid(format!(
            "reason: longer than {MAX_REASON} bytes, or with control characters"
        )));
    }
    Ok(Wish {
        scope,
        target,
        stage,
        force: request.force,
        reason: request.reason,
        dry_run: request.dry_run,
        quiet: quiet(request.quiet_seconds)?,
        by,
    })
}

fn read_held(held: Vec<api::HeldAuthorities>) -> Result<BTreeMap<Family, BTreeSet<String>>, Status> {
    let count: usize = held.iter().map(|held| held.authority_ids.len()).sum();
    if count > MAX_HELD {
        let message = format!("held: {count} authorities; at most {MAX_HELD} are read");
        return Err(Status::invalid_argument(message));
    }
    let mut read: BTreeMap<Family, BTreeSet<String>> = BTreeMap::new();
    for held in held {
        // A newer agent may know families that this server does not.
        if let Ok(family) = held.family.parse() {
            let ids = held.authority_ids.into_iter();
            let ids = ids
                .filter(|id| id.len() <= MAX_AUTHORITY_ID && id.bytes().all(|byte| byte.is_ascii_hexdigit()));
            read.entry(family).or_default().extend(ids);
        }
    }
    Ok(read)
}

fn read_reports(workloads: Vec<api::WorkloadReport>) -> Result<Vec<(SpiffeId, Reported)>, Status> {
    if workloads.len() > MAX_REPORTS {
        let count = workloads.len();
        let message = format!("workloads: {count} of them; at most {MAX_REPORTS} are read");
        return Err(Status::invalid_argument(message));
    }
    let read = |report: api::WorkloadReport| {
        let id = SpiffeId::new(&report.spiffe_id)
            .map_err(|error| Status::invalid_argument(format!("workloads: spiffe_id: {error}")))?;
        let stage = read_stage(report.stage());
        let peers = report.peers.iter().filter(|peer| peer.count > 0);
        let peers =
            peers.filter_map(|peer| Some((peer.form.parse::<Form>().ok()?, read_stage(peer.stage()))));
        let peers = peers
            .take(Form::ALL.len() * (MigrationStage::ALL.len() + 1))
            .collect();
        let reported = Reported {
            reports: report.processes > 0,
            stock: report.stock,
            stage,
            peers,
        };
        Ok((id, reported))
    };
    workloads.into_iter().map(read).collect()
}

/// What an agent with these entries is told.
fn stages(rules: &Rules, authorized: &[Arc<EntryRecord>], known: &str) -> api::SyncMigrationResponse {
    let of_entry = |entry_id: &str, setting: MigrationSetting| api::StageOfEntry {
        entry_id: entry_id.to_owned(),
        target: target_message(setting.target).into(),
        stage: stage_message(setting.stage).into(),
    };
    let own = |entry: &Arc<EntryRecord>| Some(of_entry(&entry.id, rules.own_rule(entry)?.setting));
    let mut answer = api::SyncMigrationResponse {
        digest: String::new(),
        unchanged: false,
        otherwise: rules.default.as_ref().map(|rule| of_entry("", rule.setting)),
        entries: authorized.iter().filter_map(own).collect(),
    };
    let digest = hex::encode(&sha256(&answer.encode_to_vec())[..16]);
    if digest == known {
        return api::SyncMigrationResponse {
            digest,
            unchanged: true,
            ..Default::default()
        };
    }
    answer.digest = digest;
    answer
}

fn read_stage(stage: api::MigrationStage) -> Option<MigrationStage> {
    match stage {
        api::MigrationStage::Unspecified | api::MigrationStage::Off => None,
        api::MigrationStage::Publish => Some(MigrationStage::Publish),
        api::MigrationStage::Issue => Some(MigrationStage::Issue),
        api::MigrationStage::Accept => Some(MigrationStage::Accept),
        api::MigrationStage::Prefer => Some(MigrationStage::Prefer),
        api::MigrationStage::Require => Some(MigrationStage::Require),
    }
}

fn stage_message(stage: Option<MigrationStage>) -> api::MigrationStage {
    match stage {
        None => api::MigrationStage::Off,
        Some(MigrationStage::Publish) => api::MigrationStage::Publish,
        Some(MigrationStage::Issue) => api::MigrationStage::Issue,
        Some(MigrationStage::Accept) => api::MigrationStage::Accept,
        Some(MigrationStage::Prefer) => api::MigrationStage::Prefer,
        Some(MigrationStage::Require) => api::MigrationStage::Require,
    }
}

fn target_message(target: MigrationTarget) -> api::MigrationTarget {
    match target {
        MigrationTarget::Hybrid => api::MigrationTarget::Hybrid,
        MigrationTarget::PostQuantum => api::MigrationTarget::Pq,
    }
}

fn rule_message(rule: &Rule, next: Option<&Check>) -> api::MigrationRule {
    api::MigrationRule {
        entries: rule.scope.to_string(),
        target: target_message(rule.setting.target).into(),
        stage: stage_message(rule.setting.stage).into(),
        since: seconds(rule.change.changed_at),
        by: rule.change.changed_by.clone(),
        forced: rule.change.forced,
        reason: rule.change.reason.clone(),
        revision: rule.revision,
        next: next.map(check_message),
        quiet_seconds: rule.change.quiet.map(whole_seconds),
    }
}

fn check_message(check: &Check) -> api::MigrationCheck {
    api::MigrationCheck {
        stage: stage_message(Some(check.stage)).into(),
        ready: check.is_ready(),
        obstacle: check.obstacle.clone(),
        counted: check.counted.name().to_owned(),
        ready_count: check.count(Readiness::Ready),
        not_ready_count: check.count(Readiness::NotReady),
        unknown_count: check.count(Readiness::Unknown),
        idle_count: check.count(Readiness::Idle),
        parties: check.parties.iter().map(party_message).collect(),
        quiet_seconds: check.quiet.map(whole_seconds),
    }
}

fn whole_seconds(time: Duration) -> u32 {
    u32::try_from(time.as_secs()).unwrap_or(u32::MAX)
}

fn party_message(party: &Party) -> api::MigrationParty {
    let readiness = match party.readiness {
        Readiness::Ready => api::MigrationReadiness::Ready,
        Readiness::NotReady => api::MigrationReadiness::NotReady,
        Readiness::Unknown => api::MigrationReadiness::Unknown,
        Readiness::Idle => api::MigrationReadiness::Idle,
    };
    api::MigrationParty {
        entry_id: party.entry_id.clone(),
        spiffe_id: party.spiffe_id.to_string(),
        readiness: readiness.into(),
        reason: party.reason.clone(),
    }
}
