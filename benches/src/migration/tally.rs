//! The handshakes of a load: counted by lane and form, held against the stage that they were made at, and how many there
//! were in the slowest seconds.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;
use symbolon_pki::suite::Form;
use symbolon_tls::{MigrationStage, MigrationTarget};

use super::protocol::{Done, End, Failed, Lane, Millis};

/// A stage of the load: from the command that set it to the next such command.
#[derive(Debug)]
pub(super) struct Phase {
    pub(super) stage: MigrationStage,
    commanded: Millis,
    /// When every workload was seen to follow it.
    settled: Option<Millis>,
    /// Handshakes on the lane of the stages that began when it was settled: presented, peer's.
    pub(super) forms: BTreeMap<(String, String), u64>,
    /// Those on their way there.
    pub(super) on_the_way: BTreeMap<(String, String), u64>,
    /// The workloads that called somebody since it was settled.
    callers: BTreeSet<usize>,
}

/// A handshake that went wrong, with the words of both sides.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Failure {
    /// Which lane it was on.
    pub lane: String,
    /// When, in seconds after the load began.
    pub at_seconds: f64,
    /// What the client says, and the stage that it followed; nothing where it saw nothing wrong.
    pub client: Option<String>,
    /// What the server says.
    pub server: Option<String>,
}

/// What was counted.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) phases: Vec<Phase>,
    /// When each handshake on the lane of the stages was over.
    ends: Vec<Millis>,
    /// Handshakes by lane and what was presented, as the clients count them.
    pub(super) by_lane: BTreeMap<(Lane, String), u64>,
    pub(super) at_servers: u64,
    /// Handshakes by the authority that signed the peer's SVID.
    pub(super) by_authority: BTreeMap<String, u64>,
    /// Tokens by the key that signed them.
    pub(super) by_key: BTreeMap<String, u64>,
    /// The pairs of workloads are too many to keep; these are what went wrong.
    failures: BTreeMap<String, (Millis, Failure)>,
    /// The slowest handshake, with connection and token.
    pub(super) slowest: Duration,
}

impl Tally {
    /// The next stage was commanded.
    pub(super) fn commanded(&mut self, stage: MigrationStage, at: Millis) {
        self.phases.push(Phase {
            stage,
            commanded: at,
            settled: None,
            forms: BTreeMap::new(),
            on_the_way: BTreeMap::new(),
            callers: BTreeSet::new(),
        });
    }

    /// Everybody follows it. Returns how long that took.
    pub(super) fn settled(&mut self, at: Millis) -> Duration {
        let Some(phase) = self.phases.last_mut() else {
            return Duration::ZERO;
        };
        phase.settled = Some(at);
        at.after(phase.commanded)
    }

    /// How many workloads have called somebody at the present stage since everybody follows it.
    pub(super) fn callers(&self) -> usize {
        self.phases.last().map_or(0, |phase| phase.callers.len())
    }

    /// Handshakes so far.
    pub(super) fn handshakes(&self) -> u64 {
        self.by_lane.values().sum()
    }

    /// Takes a handshake that went well at one end.
    pub(super) fn done(&mut self, number: usize, done: Done) {
        if done.end == End::Server {
            self.at_servers += 1;
            return;
        }
        *self.by_authority.entry(done.authority).or_default() += 1;
        *self.by_key.entry(done.jwt_key).or_default() += 1;
        *self
            .by_lane
            .entry((done.lane, done.presented.clone()))
            .or_default() += 1;
        self.slowest = self.slowest.max(done.ended.after(done.began));
        if done.lane != Lane::Stages {
            return;
        }
        self.ends.push(done.ended);
        let over = |phase: &&mut Phase| phase.commanded <= done.ended;
        let Some(phase) = self.phases.iter_mut().rev().find(over) else {
            return;
        };
        let forms = (done.presented, done.peer);
        if phase.settled.is_none_or(|settled| done.began < settled) {
            *phase.on_the_way.entry(forms).or_default() += 1;
            return;
        }
        phase.callers.insert(number);
        let due = phase.due().name();
        if (forms.0.as_str(), forms.1.as_str()) != (due, due) {
            let (stage, (presented, peer)) = (phase.stage, &forms);
            let reason = format!("{presented} was presented and {peer} taken at the stage {stage}");
            let failure = Failure {
                lane: done.lane.to_string(),
                client: Some(reason.clone()),
                ..Failure::default()
            };
            // Each by itself: there may be many of the same words.
            let key = format!("{number} {reason} {}", self.failures.len());
            self.failures.insert(key, (done.ended, failure));
        } else {
            *phase.forms.entry(forms).or_default() += 1;
        }
    }

    /// Takes one that went wrong at one end. The other end's word about the same connection is put beside it.
    pub(super) fn failed(&mut self, number: usize, failed: Failed) {
        let connection = |client: SocketAddr| format!("{client} {}", failed.server);
        let key = failed
            .client
            .map_or_else(|| format!("{number} {:?}", failed.began), connection);
        let (_, failure) = self.failures.entry(key).or_insert_with(|| {
            let failure = Failure {
                lane: failed.lane.to_string(),
                ..Failure::default()
            };
            (failed.ended, failure)
        });
        let stage = failed.stage.as_deref().unwrap_or("none");
        let word = format!(
            "workload {number}, which follows {stage}, after {} ms: {}",
            failed.ended.after(failed.began).as_millis(),
            failed.reason
        );
        match failed.end {
            End::Client => failure.client = Some(word),
            End::Server => failure.server = Some(word),
        }
    }

    /// How many went wrong.
    pub(super) fn failures(&self) -> usize {
        self.failures.len()
    }

    /// What went wrong, in order, with times counted from `begun`.
    pub(super) fn failures_since(&self, begun: Millis) -> Vec<Failure> {
        let mut failures: Vec<_> = self.failures.values().collect();
        failures.sort_by_key(|(at, _)| *at);
        let told = failures.into_iter().map(|(at, failure)| Failure {
            at_seconds: at.after(begun).as_secs_f64(),
            ..failure.clone()
        });
        told.collect()
    }

    /// Handshakes a second on the lane of the stages in the slowest `window` between two moments; looked at from each
    /// second on. The whole, where it is shorter.
    pub(super) fn slowest_rate(&self, from: Millis, until: Millis, window: Duration) -> f64 {
        let mut ends = self.ends.clone();
        ends.sort_unstable();
        let window = window.min(until.after(from)).max(Duration::from_millis(1));
        let length = u64::try_from(window.as_millis()).unwrap_or(u64::MAX);
        let last = until.0.saturating_sub(length);
        let rate = |start: u64| {
            let before = |moment: u64| ends.partition_point(|end| end.0 < moment);
            (before(start + length) - before(start)) as f64 / window.as_secs_f64()
        };
        (from.0..=last.max(from.0))
            .step_by(1000)
            .chain([last.max(from.0)])
            .map(rate)
            .fold(f64::INFINITY, f64::min)
    }

    /// Handshakes on the lane of the stages between two moments.
    pub(super) fn between(&self, from: Millis, until: Millis) -> usize {
        self.ends
            .iter()
            .filter(|end| (from..until).contains(*end))
            .count()
    }
}

impl Phase {
    /// The form that everybody shows and takes at this stage.
    fn due(&self) -> Form {
        match self.stage {
            MigrationStage::Publish | MigrationStage::Issue | MigrationStage::Accept => Form::Classical,
            MigrationStage::Prefer | MigrationStage::Require => MigrationTarget::Hybrid.form(),
        }
    }

    /// From the command until everybody followed.
    pub(super) fn took(&self) -> Option<Duration> {
        self.settled.map(|settled| settled.after(self.commanded))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(lane: Lane, form: &str, began: u64, ended: u64) -> Done {
        Done {
            lane,
            end: End::Client,
            began: Millis(began),
            ended: Millis(ended),
            presented: form.to_owned(),
            peer: form.to_owned(),
            authority: "a".to_owned(),
            jwt_key: "k".to_owned(),
        }
    }

    fn failed(end: End, client: Option<&str>, began: u64) -> Failed {
        Failed {
            lane: Lane::Stages,
            end,
            began: Millis(began),
            ended: Millis(began + 5),
            stage: Some("accept".to_owned()),
            client: client.map(|address| address.parse().unwrap()),
            server: "127.0.0.1:443".parse().unwrap(),
            reason: format!("{end:?} says so"),
        }
    }

    #[test]
    fn a_settled_stage_has_handshakes_of_its_form_alone() {
        let mut tally = Tally::default();
        tally.commanded(MigrationStage::Accept, Millis(0));
        tally.settled(Millis(100));
        tally.done(1, done(Lane::Stages, "classical", 100, 110));
        // Other lanes have forms of their own.
        tally.done(2, done(Lane::MlDsa, "ml-dsa", 100, 110));
        tally.commanded(MigrationStage::Prefer, Millis(200));
        // Begun before the command and over after it: either form will do, until everybody follows.
        tally.done(1, done(Lane::Stages, "classical", 190, 210));
        tally.done(1, done(Lane::Stages, "composite", 201, 220));
        assert_eq!((tally.failures(), tally.callers()), (0, 0));
        assert_eq!(tally.settled(Millis(300)), Duration::from_millis(100));
        tally.done(3, done(Lane::Stages, "classical", 299, 310));
        tally.done(3, done(Lane::Stages, "composite", 300, 310));
        assert_eq!((tally.failures(), tally.callers()), (0, 1));
        tally.done(4, done(Lane::Stages, "classical", 301, 310));
        tally.done(4, done(Lane::Stages, "classical", 301, 310));
        let failures = tally.failures_since(Millis(0));
        assert_eq!(failures.len(), 2);
        let words = failures[0].client.as_deref().unwrap();
        assert!(words.contains("classical") && words.contains("prefer"), "{words}");
        // A word that was late is counted where the handshake was over.
        tally.done(5, done(Lane::Stages, "classical", 150, 160));
        assert_eq!(tally.phases[0].forms.values().sum::<u64>(), 2);
        assert_eq!(tally.handshakes(), 9);
    }

    #[test]
    fn both_ends_of_a_failure_are_one() {
        let mut tally = Tally::default();
        tally.failed(1, failed(End::Client, Some("127.0.0.1:9"), 10));
        tally.failed(2, failed(End::Server, Some("127.0.0.1:9"), 11));
        tally.failed(3, failed(End::Client, None, 20));
        tally.failed(4, failed(End::Client, None, 20));
        let failures = tally.failures_since(Millis(0));
        assert_eq!(failures.len(), 3);
        assert!(failures[0].client.as_deref().unwrap().contains("workload 1"));
        assert!(failures[0].server.as_deref().unwrap().contains("workload 2"));
        assert!(failures[1].server.is_none());
    }

    #[test]
    fn a_pause_shows_in_the_slowest_rate() {
        let mut tally = Tally::default();
        // Ten a second, with a pause of five seconds.
        for tenth in (0..300).chain(350..600) {
            tally.done(1, done(Lane::Stages, "classical", tenth * 100, tenth * 100));
        }
        let rate = |from, until| tally.slowest_rate(Millis(from), Millis(until), Duration::from_secs(10));
        assert!((rate(0, 30_000) - 10.0).abs() < 1e-9);
        assert!((rate(0, 60_000) - 5.0).abs() < 1e-9);
        // What is shorter than the window is one.
        assert!((rate(29_000, 31_000) - 5.0).abs() < 1e-9);
        assert_eq!(tally.between(Millis(30_000), Millis(36_000)), 10);
        // Nothing at all is the slowest.
        assert!(Tally::default().slowest_rate(Millis(0), Millis(20_000), Duration::from_secs(10)) == 0.0);
    }
}
