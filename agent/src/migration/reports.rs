//! What workloads report of their handshakes, until the server has been told.
//!
//! Whoever may have an identity may report for it, and so for nobody else. The table is bounded, for each identity and as a
//! whole: who makes up reporters pushes out those of the latest stage, so that the one that holds most up stays.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use spiffe::SpiffeId;
use symbolon_api::symbolon::server::v1 as api;
use symbolon_pki::suite::Form;
use symbolon_tls::MigrationStage;

use super::holders::Holders;
use super::stages::stage_message;

/// Who is silent for so long is forgotten.
const FORGET_AFTER: Duration = Duration::from_secs(180);
/// Most reporters of one identity.
const MAX_OF_ONE: usize = 256;
/// Most identities.
const MAX_IDENTITIES: usize = 8192;
/// Most identities that the server is told of at a time; it takes no more.
const MAX_SPOKEN: usize = 20_000;

/// Handshakes that ended well, by the peer's form and the stage that was followed.
type Peers = BTreeMap<(Form, Option<MigrationStage>), u64>;

/// What one process reports.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct WorkloadReport {
    /// The stage that it follows; `None` for none.
    pub(crate) stage: Option<MigrationStage>,
    /// Whom it has met since the last report.
    pub(crate) peers: Peers,
}

/// What the server is told of, and takes back if it was not to be told.
pub(crate) type SpokenFor = Vec<(SpiffeId, Peers)>;

/// An identity and its reporters.
#[derive(Debug, Default)]
struct Identity {
    reporters: HashMap<String, (Option<MigrationStage>, SystemTime)>,
    peers: Peers,
    /// When the last SVID of it ends that somebody has who cannot follow its migration.
    stock_until: Option<SystemTime>,
    /// When the last SVID of it ends that was given to others since one of them reported. They may be such as never do.
    unreported_until: Option<SystemTime>,
}

/// What all workloads have reported.
#[derive(Debug, Default)]
pub(crate) struct Reports(Mutex<HashMap<SpiffeId, Identity>>);

impl Reports {
    /// Takes a report.
    pub(crate) fn take(&self, id: &SpiffeId, reporter: &str, report: WorkloadReport, now: SystemTime) {
        let mut identities = self.identities();
        if !identities.contains_key(id) && identities.len() >= MAX_IDENTITIES {
            identities.retain(|_, identity| identity.is_alive(now));
            if identities.len() >= MAX_IDENTITIES {
                return;
            }
        }
        let identity = identities.entry(id.clone()).or_default();
        let reporters = &mut identity.reporters;
        if !reporters.contains_key(reporter) && reporters.len() >= MAX_OF_ONE {
            // Ever new ones, of jobs that live for seconds, do not push out the one that is still at an earlier stage.
            let least = reporters
                .iter()
                .max_by_key(|(_, (stage, at))| (*stage, Reverse(*at)));
            if let Some(least) = least.map(|(name, _)| name.clone()) {
                reporters.remove(&least);
            }
        }
        reporters.insert(reporter.to_owned(), (report.stage, now));
        identity.unreported_until = None;
        add(&mut identity.peers, report.peers);
    }

    /// Notes that an SVID of this identity that is good until then was given to somebody, who may follow its migration or
    /// cannot, as stock software cannot. It may be in use to its end, whether or not who has it is connected.
    pub(crate) fn given(&self, id: &SpiffeId, until: SystemTime, may_follow: bool, now: SystemTime) {
        let mut identities = self.identities();
        if !identities.contains_key(id) && identities.len() >= MAX_IDENTITIES {
            identities.retain(|_, identity| identity.is_alive(now));
        }
        let identity = identities.entry(id.clone()).or_default();
        let noted = match may_follow {
            true => &mut identity.unreported_until,
            false => &mut identity.stock_until,
        };
        *noted = (*noted).max(Some(until));
    }

    /// Who has SVIDs and does not report, for the next run.
    pub(crate) fn holders(&self, now: SystemTime) -> Holders {
        let mut holders = Holders::default();
        for (id, identity) in self.identities().iter() {
            let lasting = |until: Option<SystemTime>| until.filter(|until| *until > now);
            let stock = lasting(identity.stock_until);
            holders.stock.extend(stock.map(|until| (id.clone(), until)));
            let unreported = lasting(identity.unreported_until);
            let unreported = unreported.map(|until| (id.clone(), until));
            holders.unreported.extend(unreported);
        }
        holders
    }

    /// Goes on from what the last run knew.
    pub(crate) fn resume(&self, holders: Holders, now: SystemTime) {
        let Holders { stock, unreported } = holders;
        for (id, until) in stock {
            self.given(&id, until, false, now);
        }
        for (id, until) in unreported {
            self.given(&id, until, true, now);
        }
    }

    /// What the server is to be told now: of each identity the earliest stage that a process follows. The counts begin anew.
    pub(crate) fn speak(&self, now: SystemTime) -> (Vec<api::WorkloadReport>, SpokenFor) {
        let mut identities = self.identities();
        identities.retain(|_, identity| identity.is_alive(now));
        let mut told: Vec<_> = identities.iter_mut().collect();
        if told.len() > MAX_SPOKEN {
            // Those that hold something up go first: of whom nothing is said, nothing is known.
            told.sort_by_key(|(_, identity)| !identity.is_held_in_silence());
            told.truncate(MAX_SPOKEN);
        }
        let mut spoken = Vec::new();
        let messages = told.into_iter().map(|(id, identity)| {
            let peers = std::mem::take(&mut identity.peers);
            let message = api::WorkloadReport {
                spiffe_id: id.to_string(),
                stage: stage_message(identity.earliest()).into(),
                processes: u32::try_from(identity.reporters.len()).unwrap_or(u32::MAX),
                peers: peers.iter().map(peer_message).collect(),
                stock: identity.is_held_in_silence(),
            };
            spoken.push((id.clone(), peers));
            message
        });
        (messages.collect(), spoken)
    }

    /// Takes back counts that the server was not told of.
    pub(crate) fn take_back(&self, spoken: SpokenFor) {
        let mut identities = self.identities();
        for (id, peers) in spoken {
            if let Some(identity) = identities.get_mut(&id) {
                add(&mut identity.peers, peers);
            }
        }
    }

    fn identities(&self) -> MutexGuard<'_, HashMap<SpiffeId, Identity>> {
        // Every change is complete before anything in it can panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Identity {
    /// Forgets reporters that were silent for too long, and SVIDs that have ended. Whether anything is left.
    fn is_alive(&mut self, now: SystemTime) -> bool {
        let is_recent = |at: SystemTime| now.duration_since(at).map_or(true, |ago| ago <= FORGET_AFTER);
        self.reporters.retain(|_, (_, at)| is_recent(*at));
        self.stock_until = self.stock_until.filter(|until| *until > now);
        self.unreported_until = self.unreported_until.filter(|until| *until > now);
        !self.reporters.is_empty() || self.stock_until.is_some() || self.unreported_until.is_some()
    }

    /// Whether somebody has an SVID of it who does not report: one that cannot follow, or any while nobody does.
    fn is_held_in_silence(&self) -> bool {
        self.stock_until.is_some() || self.reporters.is_empty() && self.unreported_until.is_some()
    }

    /// The earliest stage of a process; following none is before all stages.
    fn earliest(&self) -> Option<MigrationStage> {
        self.reporters.values().map(|(stage, _)| *stage).min().flatten()
    }
}

fn add(sums: &mut Peers, further: Peers) {
    for (kind, count) in further {
        let sum = sums.entry(kind).or_default();
        *sum = sum.saturating_add(count);
    }
}

fn peer_message(((form, stage), count): (&(Form, Option<MigrationStage>), &u64)) -> api::PeerCount {
    api::PeerCount {
        form: form.name().to_owned(),
        count: *count,
        stage: stage_message(*stage).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use MigrationStage::{Accept, Prefer};

    fn id(path: &str) -> SpiffeId {
        SpiffeId::new(format!("spiffe://example.org/{path}")).unwrap()
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)
    }

    fn report(stage: Option<MigrationStage>, count: u64) -> WorkloadReport {
        let peers = [((Form::Classical, stage), count)].into();
        WorkloadReport { stage, peers }
    }

    #[test]
    fn the_earliest_stage_counts_and_counts_add_up_once() {
        let reports = Reports::default();
        reports.take(&id("web"), "a", report(Some(Prefer), 2), at(0));
        reports.take(&id("web"), "b", report(Some(Prefer), 3), at(1));
        let (told, spoken) = reports.speak(at(2));
        assert_eq!(
            (told.len(), told[0].stage(), told[0].processes),
            (1, api::MigrationStage::Prefer, 2)
        );
        assert_eq!(
            told[0].peers.iter().map(|peer| peer.count).collect::<Vec<_>>(),
            [5]
        );
        assert!(reports.speak(at(2)).0[0].peers.is_empty());
        reports.take_back(spoken);
        reports.take(&id("web"), "b", report(Some(Accept), 1), at(3));
        let (told, _) = reports.speak(at(4));
        assert_eq!(told[0].stage(), api::MigrationStage::Accept);
        assert_eq!(told[0].peers.iter().map(|peer| peer.count).sum::<u64>(), 6);
        reports.take(&id("web"), "c", report(None, 0), at(5));
        assert_eq!(
            reports.speak(at(6)).0[0].stage(),
            api::MigrationStage::Unspecified
        );
    }

    #[test]
    fn who_is_silent_is_forgotten() {
        let reports = Reports::default();
        reports.take(&id("web"), "old", report(None, 0), at(0));
        reports.take(&id("web"), "new", report(Some(Prefer), 0), at(180));
        assert_eq!(reports.speak(at(180)).0[0].processes, 2);
        let (told, _) = reports.speak(at(181));
        assert_eq!(
            (told[0].processes, told[0].stage()),
            (1, api::MigrationStage::Prefer)
        );
        assert!(reports.speak(at(361)).0.is_empty());
    }

    #[test]
    fn who_cannot_follow_is_told_of_until_what_it_has_ends() {
        let reports = Reports::default();
        reports.given(&id("web"), at(100), false, at(0));
        reports.given(&id("web"), at(50), false, at(1));
        let (told, _) = reports.speak(at(99));
        assert_eq!((told.len(), told[0].processes, told[0].stock), (1, 0, true));
        reports.take(&id("web"), "a", report(Some(Prefer), 0), at(99));
        let (told, _) = reports.speak(at(100));
        assert_eq!((told.len(), told[0].processes, told[0].stock), (1, 1, false));
        reports.given(&id("job"), at(150), false, at(100));
        assert_eq!(reports.speak(at(149)).0.len(), 2);
        assert_eq!(reports.speak(at(150)).0.len(), 1);
    }

    #[test]
    fn who_could_report_and_does_not_is_told_of_until_what_it_has_ends() {
        let reports = Reports::default();
        let told = |now| {
            let (told, _) = reports.speak(at(now));
            told.first().map(|told| (told.processes, told.stock))
        };
        reports.given(&id("web"), at(1000), true, at(0));
        assert_eq!(told(1), Some((0, true)));
        reports.take(&id("web"), "a", report(Some(Prefer), 0), at(2));
        assert_eq!(told(2), Some((1, false)));
        // Who had reported has gone, and so has its SVID.
        assert_eq!(told(200), None);
        // It was given the next one and hangs: it is taken for gone when it was silent for long enough.
        reports.take(&id("web"), "a", report(Some(Prefer), 0), at(300));
        reports.given(&id("web"), at(1300), true, at(301));
        assert_eq!(told(480), Some((1, false)));
        assert_eq!(told(481), Some((0, true)));
        assert_eq!(told(1299), Some((0, true)));
        assert_eq!(told(1300), None);
    }

    #[test]
    fn who_is_kept_is_known_to_the_next_run() {
        let reports = Reports::default();
        reports.given(&id("stock"), at(100), false, at(0));
        reports.given(&id("silent"), at(200), true, at(0));
        reports.given(&id("over"), at(5), false, at(0));
        reports.given(&id("web"), at(200), true, at(0));
        reports.take(&id("web"), "a", report(Some(Prefer), 0), at(1));
        let kept = reports.holders(at(5));
        assert_eq!((kept.stock.len(), kept.unreported.len()), (1, 1));
        let next = Reports::default();
        next.resume(kept, at(6));
        let told = |now| {
            let (told, _) = next.speak(at(now));
            let mut told: Vec<_> = told
                .into_iter()
                .map(|told| (told.spiffe_id, told.stock))
                .collect();
            told.sort();
            told
        };
        let held = |path| (id(path).to_string(), true);
        assert_eq!(told(99), [held("silent"), held("stock")]);
        assert_eq!(told(100), [held("silent")]);
        assert!(told(200).is_empty());
    }

    #[test]
    fn who_is_behind_is_not_pushed_out_by_those_that_come_and_go() {
        let reports = Reports::default();
        reports.take(&id("web"), "daemon", report(Some(Accept), 0), at(0));
        for number in 0..2 * MAX_OF_ONE as u64 {
            reports.take(&id("web"), &number.to_string(), report(Some(Prefer), 0), at(1));
        }
        let (told, _) = reports.speak(at(1));
        assert_eq!(told[0].processes as usize, MAX_OF_ONE);
        assert_eq!(told[0].stage(), api::MigrationStage::Accept);
        // Nor is one that follows nothing, which is behind them all.
        reports.take(&id("web"), "none", report(None, 0), at(1));
        for number in 0..2 * MAX_OF_ONE as u64 {
            reports.take(&id("web"), &number.to_string(), report(Some(Accept), 0), at(2));
        }
        assert_eq!(
            reports.speak(at(2)).0[0].stage(),
            api::MigrationStage::Unspecified
        );
    }

    #[test]
    fn nobody_can_fill_the_table() {
        let reports = Reports::default();
        for number in 0..MAX_OF_ONE as u64 + 10 {
            reports.take(
                &id("web"),
                &number.to_string(),
                report(Some(Prefer), 1),
                at(number),
            );
        }
        // The clock of the last is what counts: all are recent enough to be kept but for the bound.
        let (told, _) = reports.speak(at(100));
        assert_eq!(told[0].processes as usize, MAX_OF_ONE);
        for number in 0..MAX_IDENTITIES {
            reports.take(&id(&format!("many/{number}")), "a", report(None, 0), at(100));
        }
        assert_eq!(reports.speak(at(100)).0.len(), MAX_IDENTITIES);
    }

    #[test]
    fn the_server_is_told_of_no_more_than_it_takes_and_of_the_silent_first() {
        let reports = Reports::default();
        reports.given(&id("silent"), at(100), false, at(0));
        for number in 0..MAX_SPOKEN {
            let identity = Identity {
                reporters: [("a".to_owned(), (Some(Prefer), at(0)))].into(),
                ..Identity::default()
            };
            reports
                .identities()
                .insert(id(&format!("many/{number}")), identity);
        }
        let (told, spoken) = reports.speak(at(1));
        assert_eq!((told.len(), spoken.len()), (MAX_SPOKEN, MAX_SPOKEN));
        assert!(told.iter().any(|told| told.stock));
    }
}
