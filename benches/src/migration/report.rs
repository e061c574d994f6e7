//! What a load came to: as JSON, as a table, and what of it does not hold.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use super::fleet::Heard;
use super::protocol::{Lane, Millis};
use super::tally::{Failure, Phase};
use super::{FAMILIES, Load, WAY, WINDOW, wit};

/// What a load came to.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Processes with an identity each.
    pub workloads: usize,
    /// From the first stage that everybody followed to the last command.
    pub seconds: f64,
    /// Handshakes that both ends completed.
    pub handshakes: u64,
    /// Those with the default options, by lane and what the client presented.
    pub by_lane: BTreeMap<String, BTreeMap<String, u64>>,
    /// Handshakes a second with the default options, over all the time.
    pub rate: f64,
    /// The same in the slowest ten seconds.
    pub slowest_rate: f64,
    /// Below which that is a failure.
    pub least_rate: f64,
    /// The longest that a handshake with its connection and token took.
    pub slowest_milliseconds: u128,
    /// Handshakes and tokens that failed.
    pub failures: Vec<Failure>,
    /// The stages, in order.
    pub stages: Vec<Stage>,
    /// The rotations, in order.
    pub rotations: Vec<Rotation>,
    /// How many rotations there were to be.
    pub rotations_wanted: usize,
    /// JWT-SVIDs that were verified, by the key that signed them: one with each handshake.
    pub jwt_svids: BTreeMap<String, u64>,
    /// WIT-SVIDs, likewise; each verification counts.
    pub wit_svids: BTreeMap<String, u64>,
    /// What went wrong with WIT-SVIDs.
    pub wit_failures: Vec<String>,
    /// What workloads say went wrong besides.
    pub troubles: Vec<String>,
    /// The changes of stage that the server logged.
    pub server_log: Vec<String>,
    /// Warnings and errors of the server and the agent.
    pub complaints: Vec<String>,
    /// What ended it before its end, if anything.
    pub broke_off: Option<String>,
}

/// A stage of the migration.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Stage {
    /// Its name.
    pub stage: String,
    /// Until its ready-check passed.
    pub ready_after_seconds: f64,
    /// How many the check found ready.
    pub ready: u64,
    /// From the command until every workload followed it.
    pub followed_after_seconds: Option<f64>,
    /// Handshakes with the default options until then, by what was presented and taken.
    pub on_the_way: BTreeMap<String, u64>,
    /// Those that began after.
    pub handshakes: BTreeMap<String, u64>,
}

/// A rotation of every family.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Rotation {
    /// Which; the first is 1.
    pub number: usize,
    /// At which stage.
    pub stage: String,
    /// The new authority of each family.
    pub authorities: BTreeMap<String, String>,
    /// From preparing them until every workload had them as roots.
    pub trusted_after_seconds: f64,
    /// From activating them until every workload showed SVIDs and a token that they signed.
    pub shown_after_seconds: f64,
    /// Handshakes with the default options meanwhile.
    pub handshakes: usize,
}

impl Report {
    pub(super) fn of(
        load: &Load,
        heard: &Heard,
        rotations: &[Rotation],
        waits: &[(Duration, u64)],
        span: Option<(Millis, Millis)>,
    ) -> Self {
        let tally = &heard.tally;
        let mut by_lane: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
        for ((lane, presented), count) in &tally.by_lane {
            let lane = by_lane.entry(lane.to_string()).or_default();
            *lane.entry(presented.clone()).or_default() += count;
        }
        let (from, until) = span.unwrap_or_default();
        let seconds = until.after(from).as_secs_f64();
        let stages = tally.phases.iter().zip(waits);
        Self {
            workloads: load.workloads,
            seconds,
            handshakes: tally.handshakes(),
            by_lane,
            rate: tally.between(from, until) as f64 / seconds.max(f64::MIN_POSITIVE),
            slowest_rate: tally.slowest_rate(from, until, WINDOW),
            least_rate: load.least,
            slowest_milliseconds: tally.slowest.as_millis(),
            failures: tally.failures_since(from),
            stages: stages.map(|(phase, wait)| Stage::of(phase, *wait)).collect(),
            rotations: rotations.to_vec(),
            rotations_wanted: load.rotations,
            jwt_svids: tally.by_key.clone(),
            troubles: heard.troubles.clone(),
            ..Self::default()
        }
    }

    pub(super) fn with(
        mut self,
        wit: wit::Verified,
        server_log: Vec<String>,
        complaints: Vec<String>,
        broke_off: Option<String>,
    ) -> Self {
        (self.wit_svids, self.wit_failures) = (wit.by_key, wit.failures);
        (self.server_log, self.complaints, self.broke_off) = (server_log, complaints, broke_off);
        self
    }

    /// What does not hold, a sentence each.
    pub fn faults(&self) -> Vec<String> {
        let mut faults: Vec<String> = self.broke_off.iter().cloned().collect();
        for failure in &self.failures {
            let word = |word: &Option<String>| word.clone().unwrap_or_else(|| "nothing wrong".to_owned());
            let (client, server) = (word(&failure.client), word(&failure.server));
            faults.push(format!(
                "{:.1} s, lane {}: a handshake failed; client: {client}; server: {server}",
                failure.at_seconds, failure.lane
            ));
        }
        faults.extend(
            self.wit_failures
                .iter()
                .map(|failure| format!("a WIT-SVID: {failure}")),
        );
        if self.slowest_rate < self.least_rate {
            let (slowest, least) = (self.slowest_rate, self.least_rate);
            faults.push(format!(
                "in ten seconds there were {slowest:.1} handshakes a second, which may be {least:.1}"
            ));
        }
        let reached = self
            .stages
            .iter()
            .filter(|stage| stage.followed_after_seconds.is_some());
        let reached: Vec<_> = reached.map(|stage| stage.stage.as_str()).collect();
        if reached != WAY.map(|stage| stage.name()) {
            faults.push(format!("the stages that were reached are {reached:?}"));
        }
        let (rotations, wanted) = (self.rotations.len(), self.rotations_wanted);
        if rotations < wanted {
            faults.push(format!(
                "{rotations} of {wanted} rotations came to every workload"
            ));
        }
        // One key before the first rotation, and one more of each.
        for (kind, keys) in [("JWT", self.jwt_svids.len()), ("WIT", self.wit_svids.len())] {
            if keys <= wanted {
                faults.push(format!(
                    "{kind}-SVIDs of {keys} keys were verified, with {wanted} rotations"
                ));
            }
        }
        if self.server_log.len() < WAY.len() {
            let logged = self.server_log.len();
            faults.push(format!(
                "the server logged {logged} changes of the stage, not {}",
                WAY.len()
            ));
        }
        faults
    }

    /// The figures, in Markdown.
    pub fn table(&self) -> String {
        let sum = |counts: &BTreeMap<String, u64>| counts.values().sum::<u64>();
        let mut text = format!(
            "| | |\n|---|---:|\n\
             | workloads | {} |\n\
             | time under load | {:.0} s |\n\
             | handshakes, complete at both ends | {} |\n\
             | failed handshakes | {} |\n\
             | handshakes with the default options | {:.1}/s |\n\
             | the same in the slowest ten seconds | {:.1}/s |\n\
             | the slowest handshake, with its connection and token | {} ms |\n\
             | rotations of each of the {} families | {} |\n\
             | JWT-SVIDs verified | {} of {} keys |\n\
             | WIT-SVIDs verified | {} of {} keys |\n",
            self.workloads,
            self.seconds,
            self.handshakes,
            self.failures.len(),
            self.rate,
            self.slowest_rate,
            self.slowest_milliseconds,
            FAMILIES.len(),
            self.rotations.len(),
            sum(&self.jwt_svids),
            self.jwt_svids.len(),
            sum(&self.wit_svids),
            self.wit_svids.len(),
        );
        text.push_str("\nHandshakes by what the client presented:\n\n| lane | handshakes |\n|---|---|\n");
        for (lane, forms) in &self.by_lane {
            let _ = writeln!(text, "| {lane} | {} |", counts(forms));
        }
        text.push_str(
            "\nThe stages, with the handshakes of the default options:\n\n\
             | stage | ready-check passed after | followed by all after | on the way there | then |\n\
             |---|---:|---:|---|---|\n",
        );
        for stage in &self.stages {
            let followed = stage.followed_after_seconds;
            let _ = writeln!(
                text,
                "| `{}` | {:.1} s | {} | {} | {} |",
                stage.stage,
                stage.ready_after_seconds,
                followed.map_or("never".to_owned(), |seconds| format!("{seconds:.1} s")),
                counts(&stage.on_the_way),
                counts(&stage.handshakes),
            );
        }
        text.push_str(
            "\nThe rotations, each of all families at once:\n\n\
             | rotation | at | trusted by all after | shown by all after | handshakes |\n|---:|---|---:|---:|---:|\n",
        );
        for rotation in &self.rotations {
            let _ = writeln!(
                text,
                "| {} | `{}` | {:.1} s | {:.1} s | {} |",
                rotation.number,
                rotation.stage,
                rotation.trusted_after_seconds,
                rotation.shown_after_seconds,
                rotation.handshakes,
            );
        }
        text
    }

    /// The names of the lanes.
    pub fn lanes() -> [String; Lane::ALL.len()] {
        Lane::ALL.map(|lane| lane.to_string())
    }
}

impl Stage {
    fn of(phase: &Phase, (waited, ready): (Duration, u64)) -> Self {
        let named = |forms: &BTreeMap<(String, String), u64>| {
            let name = |(presented, peer): &(String, String)| match presented == peer {
                true => presented.clone(),
                false => format!("{presented} to {peer}"),
            };
            forms.iter().map(|(forms, count)| (name(forms), *count)).collect()
        };
        Self {
            stage: phase.stage.name().to_owned(),
            ready_after_seconds: waited.as_secs_f64(),
            ready,
            followed_after_seconds: phase.took().map(|took| took.as_secs_f64()),
            on_the_way: named(&phase.on_the_way),
            handshakes: named(&phase.forms),
        }
    }
}

fn counts(forms: &BTreeMap<String, u64>) -> String {
    let counts: Vec<_> = forms
        .iter()
        .map(|(form, count)| format!("{count} {form}"))
        .collect();
    match counts.is_empty() {
        true => "none".to_owned(),
        false => counts.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A load that shows what it is to show.
    fn good() -> Report {
        let stages = WAY.map(|stage| Stage {
            stage: stage.name().to_owned(),
            followed_after_seconds: Some(1.0),
            ..Stage::default()
        });
        let keys = |count: u64| (0..count).map(|key| (key.to_string(), 7)).collect();
        Report {
            workloads: 2,
            slowest_rate: 50.0,
            least_rate: 50.0,
            stages: stages.into(),
            rotations: vec![Rotation::default(); 2],
            rotations_wanted: 2,
            jwt_svids: keys(3),
            wit_svids: keys(3),
            server_log: vec![String::new(); WAY.len()],
            ..Report::default()
        }
    }

    #[test]
    fn whatever_is_missing_is_a_fault() {
        assert_eq!(good().faults(), [""; 0]);
        type Spoil = fn(&mut Report);
        let spoilt: [(Spoil, &str); 9] = [
            (
                |report| report.failures.push(Failure::default()),
                "a handshake failed",
            ),
            (|report| report.slowest_rate = 49.9, "49.9 handshakes a second"),
            (|report| drop(report.stages.pop()), "stages that were reached"),
            (
                |report| report.stages[4].followed_after_seconds = None,
                "stages that were reached",
            ),
            (|report| drop(report.rotations.pop()), "1 of 2 rotations"),
            (|report| drop(report.jwt_svids.pop_first()), "JWT-SVIDs of 2 keys"),
            (|report| drop(report.wit_svids.pop_first()), "WIT-SVIDs of 2 keys"),
            (|report| drop(report.server_log.pop()), "logged 8 changes"),
            (|report| report.broke_off = Some("in vain".to_owned()), "in vain"),
        ];
        for (spoil, words) in spoilt {
            let mut report = good();
            spoil(&mut report);
            let faults = report.faults();
            assert!(
                faults.len() == 1 && faults[0].contains(words),
                "{words}: {faults:?}"
            );
        }
    }

    #[test]
    fn the_table_has_every_stage_and_rotation() {
        let table = good().table();
        for words in [
            "| workloads | 2 |",
            "| `require` |",
            "| failed handshakes | 0 |",
            "JWT-SVIDs verified | 21 of 3",
        ] {
            assert!(table.contains(words), "{words}: {table}");
        }
        assert_eq!(table.matches("| `publish` |").count(), 2);
    }
}
