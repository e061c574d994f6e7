//! SPIRE's server and ours, side by side: what an SVID, an attestation and a sync cost, and what memory they take.
//!
//! Both are real programs with a SQLite file each and no limits of rate. The same client asks both over TLS, as an agent
//! that attested by join token, in turns: a round of one, then a round of the other. What counts is the processor time of
//! the server's process, which other work on the machine moves far less than the clock on the wall.

mod client;
mod peer;
mod report;

use std::time::{Duration, Instant};

use symbolon_pki::certificate::Certificate;
use symbolon_pki::key::{PrivateKey, SuiteSigner};
use symbolon_pki::suite::{Form, Suite};

use self::client::{Agent, Operator};
use self::peer::Peer;
pub use self::report::{Figures, Report, Signing};
use crate::issuer::AnyError;

/// SVIDs in a batch, each of an entry of its own.
const BATCH: usize = 100;

/// Batches of one server before the other's turn, and how often each has its turn.
const BATCHES: usize = 5;

/// Entries that an agent syncs.
const ENTRIES: usize = 10_000;

/// How many agents attest at a time.
const AT_ONCE: usize = 4;

/// How much is done.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// Turns of each server at signing.
    pub rounds: usize,
    /// Attestations of each server.
    pub attestations: usize,
    /// Full syncs of each server.
    pub syncs: usize,
}

impl Default for Extent {
    fn default() -> Self {
        Self {
            rounds: 8,
            attestations: 200,
            syncs: 5,
        }
    }
}

/// One server with an agent on it, and what has been measured of it.
struct Side {
    peer: Peer,
    operator: Operator,
    agent: Agent,
    entries: Vec<String>,
    figures: Figures,
}

impl Side {
    async fn ready(peer: Peer) -> Result<Self, AnyError> {
        let at_rest = peer.memory()?.resident;
        let operator = Operator::connect(&peer).await?;
        let agent = operator.attested(&peer).await?;
        let entries = operator.create(agent.id(), "signed", BATCH).await?;
        // SPIRE looks for new entries every few seconds.
        agent.until_authorized(BATCH).await?;
        Ok(Self {
            figures: Figures {
                version: peer.version().to_owned(),
                resident_at_rest: at_rest,
                ..Figures::default()
            },
            peer,
            operator,
            agent,
            entries,
        })
    }

    /// One turn: some batches, and what the server's process spent on them. Each SVID is for a key of its own, as agents ask
    /// for them; the requests are made before anything is measured.
    async fn sign(&self, suite: Suite) -> Result<Signing, AnyError> {
        let form = suite.form();
        let batches = (0..BATCHES)
            .map(|_| requests(suite))
            .collect::<Result<Vec<_>, _>>()?;
        let before = self.peer.processor()?;
        let started = Instant::now();
        for csrs in &batches {
            self.agent.batch(&self.entries, csrs, form).await?;
        }
        Ok(Signing {
            svids: BATCH * BATCHES,
            wall: started.elapsed(),
            processor: self.peer.processor()? - before,
        })
    }

    /// Whether an SVID from it is what the other's is: signed with P-256, by an authority that signed itself.
    async fn is_like_the_other(&self) -> Result<(), AnyError> {
        let csrs = requests(Suite::EcdsaP256)?;
        for chain in self.agent.batch(&self.entries, &csrs, Form::Classical).await? {
            let leaf = chain.first().ok_or("an SVID without a certificate")?;
            let leaf = Certificate::from_der(leaf)?;
            if chain.len() != 1 || leaf.signature_suite() != Some(Suite::EcdsaP256) {
                let signed = leaf.signature_suite().map_or("another", Suite::name);
                let message = format!(
                    "{}: {} certificates, signed with {signed}",
                    self.figures.version,
                    chain.len()
                );
                return Err(message.into());
            }
        }
        Ok(())
    }

    async fn attest(&mut self, count: usize) -> Result<(), AnyError> {
        let prepared = self.operator.prepare(count).await?;
        let before = self.peer.processor()?;
        let started = Instant::now();
        self.operator.attest_all(&self.peer, prepared, AT_ONCE).await?;
        let count = f64::from(u32::try_from(count)?);
        self.figures.attestations_per_second = count / started.elapsed().as_secs_f64();
        self.figures.processor_per_attestation = (self.peer.processor()? - before).div_f64(count);
        Ok(())
    }

    async fn sync(&mut self, count: usize) -> Result<(), AnyError> {
        self.operator
            .create(self.agent.id(), "synced", ENTRIES - BATCH)
            .await?;
        self.agent.until_authorized(ENTRIES).await?;
        let (mut whole, mut revisions) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let sync = self.agent.sync(true).await?;
            if sync.entries != ENTRIES {
                return Err(format!("{} of {ENTRIES} entries were synced", sync.entries).into());
            }
            whole.push(sync.took);
            revisions.push(self.agent.sync(false).await?.took);
        }
        self.figures.sync = median(whole);
        self.figures.sync_unchanged = median(revisions);
        Ok(())
    }

    fn memory(&mut self) -> Result<(), AnyError> {
        let memory = self.peer.memory()?;
        self.figures.resident = memory.resident;
        self.figures.resident_peak = memory.peak;
        Ok(())
    }
}

/// Runs both and measures.
///
/// # Errors
/// Whatever goes wrong; a server that refuses or ends among it.
pub async fn run(extent: Extent) -> Result<Report, AnyError> {
    let mut spire = Side::ready(Peer::spire()?).await?;
    let mut ours = Side::ready(Peer::symbolon()?).await?;

    let (classical, composite) = (Suite::EcdsaP256, Form::Composite.default_suite());
    // Once before it counts: connections, caches, the first page of every file.
    for side in [&spire, &ours] {
        side.is_like_the_other().await?;
        side.sign(classical).await?;
    }
    for round in 0..extent.rounds {
        // Nobody always comes after the other.
        if round % 2 == 0 {
            let turn = spire.sign(classical).await?;
            spire.figures.classical.add(turn);
        }
        let turn = ours.sign(classical).await?;
        ours.figures.classical.add(turn);
        if round % 2 == 1 {
            let turn = spire.sign(classical).await?;
            spire.figures.classical.add(turn);
        }
        let turn = ours.sign(Suite::MlDsa65).await?;
        ours.figures.ml_dsa.add(turn);
        let turn = ours.sign(composite).await?;
        ours.figures.composite.add(turn);
    }
    for side in [&mut spire, &mut ours] {
        side.attest(extent.attestations).await?;
        side.sync(extent.syncs).await?;
    }
    // After all of it, so that both have done the same.
    for side in [&mut spire, &mut ours] {
        side.memory()?;
    }
    Ok(Report {
        spire: spire.figures,
        ours: ours.figures,
        entries: ENTRIES,
        batch: BATCH,
    })
}

/// Requests of as many keys, made beforehand.
fn requests(suite: Suite) -> Result<Vec<Vec<u8>>, AnyError> {
    (0..BATCH)
        .map(|_| {
            let signer: SuiteSigner = PrivateKey::generate(suite)?.signer()?;
            Ok(symbolon_pki::csr::CsrBuilder::new(&signer).build()?)
        })
        .collect()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
