//! Workloads under mutual-TLS load while their trust domain migrates to hybrid SVIDs and back, and while every family of
//! authorities is replaced again and again.
//!
//! [`run`] starts a server, an agent and the workloads as processes. The workloads call each other at an even rate with the
//! default options of `symbolon-tls`, so that the stages decide what is shown and taken, and besides on a lane for each
//! family, so that all of them are in use at every stage. Meanwhile an operator's commands move the migration from stage to
//! stage, each when its ready-check passes and never with force, and prepare and activate authorities. Nothing waits for
//! time to pass: an authority is activated when every workload holds it as a root, and the next one is prepared when every
//! workload shows what this one signed.
//!
//! It fails when a single handshake or token does, when there are too few of them in any ten seconds, when a stage is not
//! reached or makes other handshakes than it should, and when a rotation does not come to every workload.

mod fleet;
mod protocol;
mod report;
mod stack;
mod tally;
mod wit;
pub mod workload;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use symbolon_pki::suite::{Family, Form};
use symbolon_tls::MigrationStage;

use self::fleet::{Fleet, Programs};
pub use self::protocol::Lane;
use self::protocol::Millis;
pub use self::report::{Report, Rotation, Stage};
use self::stack::Stack;
pub use self::tally::Failure;
use crate::issuer::AnyError;

/// Over so long a time the rate may not fall below what is demanded.
const WINDOW: Duration = Duration::from_secs(10);

/// The families, each with the form of its SVIDs; tokens have none.
const FAMILIES: [(Family, Option<Form>); 6] = [
    (Family::Classical, Some(Form::Classical)),
    (Family::MlDsa, Some(Form::MlDsa)),
    (Family::Composite, Some(Form::Composite)),
    (Family::Catalyst, Some(Form::Catalyst)),
    (Family::Jwt, None),
    (Family::Wit, None),
];

/// The way of the migration: classical SVIDs, hybrid ones alone, and back.
const WAY: [MigrationStage; 9] = [
    MigrationStage::Publish,
    MigrationStage::Issue,
    MigrationStage::Accept,
    MigrationStage::Prefer,
    MigrationStage::Require,
    MigrationStage::Prefer,
    MigrationStage::Accept,
    MigrationStage::Issue,
    MigrationStage::Publish,
];

/// What is to happen.
#[derive(Clone, Debug)]
pub struct Load {
    /// The program of a workload: `symbolon-load-workload`.
    pub workload: PathBuf,
    /// How many workloads.
    pub workloads: usize,
    /// How often each family's authority is replaced, spread over the stages.
    pub rotations: usize,
    /// New handshakes a second with the default options, of all workloads together.
    pub rate: f64,
    /// New handshakes a second on the lane of each family besides.
    pub family_rate: f64,
    /// Fewer handshakes a second than this, with the default options and over any ten seconds, are a failure.
    pub least: f64,
    /// How long SVIDs and tokens of workloads live.
    pub life: Duration,
    /// For how long no classical peer may have been seen before the stage `require`.
    pub quiet: Duration,
    /// Longest handshake; half as long again is what an answer may take.
    pub timeout: Duration,
    /// Whether calls that could not be made in time are all made as soon as they can be, so that the rate stays as it is.
    pub catches_up: bool,
    /// Longest wait for anything that has to come by itself.
    pub patience: Duration,
}

/// How many rotations there are at each stop of [`WAY`]: evenly many, and what is left over where SVIDs are hybrid.
fn shares(rotations: usize) -> [usize; WAY.len()] {
    let mut shares = [rotations / WAY.len(); WAY.len()];
    shares[WAY.len() / 2] += rotations % WAY.len();
    shares
}

/// Lets it happen. What does not hold is in the report; see [`Report::faults`].
///
/// # Errors
/// What kept it from coming to its end.
pub async fn run(load: &Load) -> Result<Report, AnyError> {
    allow_many_files()?;
    let begun = Instant::now();
    let stack = Stack::start(load.quiet)?;
    say(begun, "a server and an agent run");
    let programs = Programs::link(&load.workload, load.workloads)?;
    stack.register(programs.paths(), load.life).await?;
    // Before anybody has an SVID: whoever asks for composite ones shows them where no migration says otherwise.
    stack.go(MigrationStage::Publish)?;
    let fleet = Fleet::start(programs, stack.workload_api(), stack.home(), load).await?;
    say(
        begun,
        &format!("{} workloads hold SVIDs of four forms", load.workloads),
    );
    let wit = wit::Tokens::follow(&stack.private_socket()).await?;
    let mut drill = Drill {
        load,
        begun,
        stack,
        fleet,
        wit,
        rotations: Vec::new(),
        waits: Vec::new(),
    };
    let ended = drill.go_through().await;
    drill.close(ended).await
}

/// The load on its way.
struct Drill<'a> {
    load: &'a Load,
    begun: Instant,
    stack: Stack,
    fleet: Fleet,
    wit: wit::Tokens,
    rotations: Vec<Rotation>,
    /// How long the ready-check of each stage took to pass, and how many it found ready.
    waits: Vec<(Duration, u64)>,
}

impl Drill<'_> {
    /// From the first handshake to the last; gives the moments between which there was load.
    async fn go_through(&mut self) -> Result<(Millis, Millis), AnyError> {
        let mut rates = BTreeMap::from(Lane::ALL.map(|lane| (lane, self.load.family_rate)));
        rates.insert(Lane::Stages, self.load.rate);
        self.fleet.heard().tally.commanded(WAY[0], Millis::now());
        self.waits.push((Duration::ZERO, 0));
        self.fleet.begin(&rates).await?;
        self.reach(WAY[0]).await?;
        let from = Millis::now();
        let shares = shares(self.load.rotations);
        for (stop, stage) in WAY.into_iter().enumerate() {
            if stop > 0 {
                self.go(stage, stop > WAY.len() / 2).await?;
            }
            for _ in 0..shares[stop] {
                self.rotate(stage).await?;
            }
        }
        let until = Millis::now();
        self.fleet.stop().await?;
        self.say("the last handshake is over");
        Ok((from, until))
    }

    /// Sets a stage when it may be set, and waits until everybody is there.
    async fn go(&mut self, stage: MigrationStage, back: bool) -> Result<(), AnyError> {
        let waited = match back {
            true => (Duration::ZERO, 0),
            false => self.until_ready(stage).await?,
        };
        self.waits.push(waited);
        self.fleet.heard().tally.commanded(stage, Millis::now());
        self.stack.go(stage)?;
        let (way, took) = (if back { "back to " } else { "" }, waited.0.as_secs_f64());
        self.say(&format!(
            "stage {way}{stage}: set, its ready-check passed after {took:.1} s"
        ));
        self.reach(stage).await
    }

    async fn until_ready(&self, stage: MigrationStage) -> Result<(Duration, u64), AnyError> {
        let begun = Instant::now();
        let mut told = String::new();
        loop {
            let check = self.stack.check(stage)?;
            if check.may {
                return Ok((begun.elapsed(), check.ready));
            }
            if told.is_empty() {
                self.say(&format!("stage {stage}: not yet; {}", check.words));
            }
            told = check.words;
            if begun.elapsed() > self.load.quiet + self.load.patience {
                return Err(format!("the stage {stage} does not become ready: {told}").into());
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// Waits until every workload follows a stage, and then until each has called somebody at it.
    async fn reach(&mut self, stage: MigrationStage) -> Result<(), AnyError> {
        let followed = format!("every workload follows {stage}");
        let follows = |holds: &protocol::Holds| holds.stage.as_deref() == Some(stage.name());
        self.fleet
            .until(&followed, |heard| heard.lacking(follows))
            .await?;
        let took = self.fleet.heard().tally.settled(Millis::now());
        let (count, seconds) = (self.load.workloads, took.as_secs_f64());
        self.say(&format!(
            "stage {stage}: {count} workloads follow it after {seconds:.1} s"
        ));
        let called = format!("every workload calls somebody at {stage}");
        self.fleet
            .until(&called, |heard| match heard.tally.callers() {
                callers if callers >= count => Ok(()),
                callers => Err(format!("{callers} of {count} have")),
            })
            .await?;
        Ok(())
    }

    /// Replaces the authority of every family: published, seen by everybody, signing, shown by everybody.
    async fn rotate(&mut self, stage: MigrationStage) -> Result<(), AnyError> {
        let (began, number) = (Millis::now(), self.rotations.len() + 1);
        let mut made = Vec::new();
        for (family, form) in FAMILIES {
            made.push((family, form, self.stack.prepare(family)?));
        }
        let published = format!("everybody trusts the authorities of rotation {number}");
        let published = self
            .fleet
            .until(&published, |heard| {
                heard.lacking(|holds| made.iter().all(|(family, _, id)| trusts(holds, *family, id)))?;
                self.wit_is_at(&made, |verified, id| verified.trusted.contains(id))
            })
            .await?;
        for (_, _, id) in &made {
            self.stack.activate(id)?;
        }
        let in_use = format!("everybody shows what the authorities of rotation {number} signed");
        let in_use = self
            .fleet
            .until(&in_use, |heard| {
                heard.lacking(|holds| {
                    made.iter()
                        .all(|(family, form, id)| shows(holds, *family, *form, id))
                })?;
                let met = |(family, form, id): &(Family, Option<Form>, String)| match (family, form) {
                    (Family::Wit, _) => true,
                    (_, Some(_)) => heard.tally.by_authority.contains_key(id),
                    (_, None) => heard.tally.by_key.contains_key(id),
                };
                match made.iter().find(|made| !met(made)) {
                    None => self.wit_is_at(&made, |verified, id| verified.by_key.contains_key(id)),
                    Some((family, ..)) => Err(format!("nobody has met anything of {family}'s new authority")),
                }
            })
            .await?;
        let ended = Millis::now();
        let handshakes = self.fleet.heard().tally.between(began, ended);
        let (first, second) = (published.as_secs_f64(), in_use.as_secs_f64());
        self.say(&format!(
            "rotation {number} of {} at {stage}: {} families, trusted by all after {first:.1} s, shown by all \
             {second:.1} s after activation, {handshakes} handshakes",
            self.load.rotations,
            made.len(),
        ));
        self.rotations.push(Rotation {
            number,
            stage: stage.name().to_owned(),
            authorities: made
                .into_iter()
                .map(|(family, _, id)| (family.name().to_owned(), id))
                .collect(),
            trusted_after_seconds: first,
            shown_after_seconds: second,
            handshakes,
        });
        Ok(())
    }

    fn wit_is_at(
        &self,
        made: &[(Family, Option<Form>, String)],
        is_at: impl Fn(&wit::Verified, &str) -> bool,
    ) -> Result<(), String> {
        let verified = self.wit.verified();
        let wit = made.iter().find(|(family, ..)| *family == Family::Wit);
        match wit.is_none_or(|(_, _, id)| is_at(&verified, id)) {
            true => Ok(()),
            false => Err(format!(
                "no WIT-SVID of the new key yet: {:?}",
                verified.failures.last()
            )),
        }
    }

    /// Ends everything, and says what came of it.
    async fn close(self, ended: Result<(Millis, Millis), AnyError>) -> Result<Report, AnyError> {
        let (span, broke_off) = match ended {
            Ok(span) => (Some(span), None),
            Err(error) => (None, Some(error.to_string())),
        };
        let report = {
            let heard = self.fleet.heard();
            Report::of(self.load, &heard, &self.rotations, &self.waits, span).with(
                self.wit.verified(),
                self.stack.logged_stages(),
                self.stack.complaints(),
                broke_off,
            )
        };
        drop((self.wit, self.fleet));
        self.stack.stop()?;
        Ok(report)
    }

    fn say(&self, what: &str) {
        say(self.begun, what);
    }
}

/// Whether a workload trusts an authority.
fn trusts(holds: &protocol::Holds, family: Family, id: &str) -> bool {
    match family {
        Family::Wit => true,
        Family::Jwt => holds.jwt_keys.contains(id),
        _ => holds.roots.contains(id),
    }
}

/// Whether a workload shows what an authority signed.
fn shows(holds: &protocol::Holds, family: Family, form: Option<Form>, id: &str) -> bool {
    match (family, form) {
        (Family::Wit, _) => true,
        (_, Some(form)) => holds
            .svids
            .get(form.name())
            .is_some_and(|authority| authority == id),
        (_, None) => holds.jwt_key.as_deref() == Some(id),
    }
}

fn say(begun: Instant, what: &str) {
    println!("{:>7.1} s  {what}", begun.elapsed().as_secs_f64());
}

/// The agent has a few files open for each connection, and takes the limit from who starts it.
fn allow_many_files() -> Result<(), AnyError> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: maximum,
            maximum,
        },
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_rotation_is_lost_between_the_stages() {
        for rotations in [0, 1, 2, 9, 20, 100] {
            let shares = shares(rotations);
            assert_eq!(shares.iter().sum::<usize>(), rotations);
            assert!(shares.iter().all(|share| *share <= shares[WAY.len() / 2]));
        }
        assert_eq!(WAY[WAY.len() / 2], MigrationStage::Require);
    }
}
