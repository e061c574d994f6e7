//! A workload of the load: a process with an identity of its own, which has itself called by the others and calls them.

mod calls;
mod tokens;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use spiffe::SpiffeId;
use symbolon_pki::bundle::BundleSet;
use symbolon_pki::suite::Form;
use symbolon_pki::time::SystemClock;
use symbolon_tls::workload_api::Endpoint;
use symbolon_tls::{Backoff, HandshakeCounts, IdentitySource, Migration, SvidIdentity, X509Source};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::unix::OwnedReadHalf;
use tokio::net::{TcpListener, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval_at};

use self::calls::Party;
use self::tokens::Tokens;
use super::protocol::{Address, Holds, Lane, Order, Said, line};
use crate::issuer::AnyError;

/// The forms that it asks for: those whose handshakes it makes.
const FORMS: [Form; 4] = [Form::Classical, Form::Composite, Form::MlDsa, Form::Catalyst];

/// How many messages to the load may wait.
const WAITING: usize = 1024;

/// The arguments of the program.
#[derive(Debug)]
pub struct Arguments {
    /// The load's socket.
    pub control: PathBuf,
    /// The agent's.
    pub agent: PathBuf,
    /// Which workload it is.
    pub number: usize,
    /// Longest handshake.
    pub timeout: Duration,
    /// Whether calls that could not be made in time are all made as soon as they can be.
    pub catches_up: bool,
}

impl Arguments {
    /// Reads them: the load's socket, the agent's, the number, the longest handshake in milliseconds, and
    /// whether missed calls are made up for.
    ///
    /// # Errors
    /// Which one is missing or wrong.
    pub fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self, AnyError> {
        let mut next = |what: &str| {
            arguments
                .next()
                .ok_or_else(|| AnyError::from(format!("{what} is missing")))
        };
        Ok(Self {
            control: next("the load's socket")?.into(),
            agent: next("the agent's socket")?.into(),
            number: next("the workload's number")?.parse()?,
            timeout: Duration::from_millis(next("the longest handshake")?.parse()?),
            catches_up: next("whether missed calls are made up for")?.parse()?,
        })
    }
}

/// Does as the load says until it is gone.
///
/// # Errors
/// Whatever keeps it from being a workload at all.
pub async fn run(arguments: Arguments) -> Result<(), AnyError> {
    let (orders, mut saying) = UnixStream::connect(&arguments.control).await?.into_split();
    let (say, mut said) = mpsc::channel::<Said>(WAITING);
    let telling = tokio::spawn(async move {
        while let Some(message) = said.recv().await {
            let Ok(line) = line(&message) else { return };
            // A load that is gone has no more orders either, which ends this program.
            if saying.write_all(line.as_bytes()).await.is_err() {
                return;
            }
        }
    });
    let ended = work(&arguments, BufReader::new(orders).lines(), say).await;
    telling.await?;
    ended
}

async fn work(
    arguments: &Arguments,
    mut orders: Lines<BufReader<OwnedReadHalf>>,
    say: mpsc::Sender<Said>,
) -> Result<(), AnyError> {
    let endpoint = Endpoint::Unix(arguments.agent.clone());
    let clock = Arc::new(SystemClock);
    let source = Arc::new(X509Source::connect(endpoint, &FORMS, clock, Backoff::default()).await?);
    source
        .subscribe()
        .wait_for(|_| FORMS.iter().all(|form| svid(&source, *form).is_some()))
        .await?;
    let spiffe_id = source.identities().first().ok_or("no SVID")?.spiffe_id().clone();
    let tokens = Tokens::follow(&arguments.agent, &spiffe_id, say.clone()).await?;
    let party = Arc::new(Party {
        source: source.clone(),
        own: spiffe_id.clone(),
        tokens: tokens.clone(),
        say: say.clone(),
        timeout: arguments.timeout,
    });

    let mut address = Address {
        spiffe_id: spiffe_id.to_string(),
        lanes: BTreeMap::new(),
    };
    let mut serving = JoinSet::new();
    for lane in Lane::ALL {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        address.lanes.insert(lane, listener.local_addr()?);
        serving.spawn(party.clone().serve(lane, listener));
    }
    say.send(Said::Ready {
        number: arguments.number,
        address,
    })
    .await?;
    serving.spawn(tell_what_is_held(source, tokens, say.clone()));

    let mut calling = JoinSet::new();
    let stop = watch::Sender::new(false);
    while let Some(order) = orders.next_line().await? {
        match serde_json::from_str(&order)? {
            Order::Begin { peers, pace } => {
                let peers: Arc<[Address]> = peers.into();
                for (lane, pace) in pace {
                    let calls = Calls {
                        party: party.clone(),
                        lane,
                        pace: Duration::from_millis(pace),
                        number: arguments.number,
                        missed: match arguments.catches_up {
                            true => MissedTickBehavior::Burst,
                            false => MissedTickBehavior::Delay,
                        },
                        peers: peers.clone(),
                    };
                    calling.spawn(calls.make(stop.subscribe()));
                }
            }
            Order::Stop => {
                stop.send_replace(true);
                while let Some(ended) = calling.join_next().await {
                    ended??;
                }
                say.send(Said::Stopped).await?;
            }
        }
    }
    Ok(())
}

/// The calls of one lane.
struct Calls {
    party: Arc<Party>,
    lane: Lane,
    pace: Duration,
    number: usize,
    missed: MissedTickBehavior,
    peers: Arc<[Address]>,
}

impl Calls {
    /// Calls one after another in turns, at an even pace that does not wait for answers, until told to stop; then waits for
    /// those that are under way.
    async fn make(self, mut stop: watch::Receiver<bool>) -> Result<(), AnyError> {
        let count = self.peers.len();
        // Not all workloads at the same moment.
        let share = f64::from(u32::try_from(self.number)?) / f64::from(u32::try_from(count)?);
        let mut ticks = interval_at(tokio::time::Instant::now() + self.pace.mul_f64(share), self.pace);
        ticks.set_missed_tick_behavior(self.missed);
        let mut under_way = JoinSet::new();
        for turn in 0usize.. {
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                _ = ticks.tick() => {}
            }
            // Everybody but oneself, each as often as the others.
            let peer = (self.number + 1 + turn % (count - 1).max(1)) % count;
            let peer = self.peers.get(peer).ok_or("there are others")?;
            let address = *peer.lanes.get(&self.lane).ok_or("it has no such lane")?;
            let id = SpiffeId::new(&peer.spiffe_id)?;
            under_way.spawn(self.party.clone().call(self.lane, address, id));
            // A call reports what came of it; one that broke down has not, and ends the load.
            while let Some(ended) = under_way.try_join_next() {
                ended?;
            }
        }
        while let Some(ended) = under_way.join_next().await {
            ended?;
        }
        Ok(())
    }
}

/// Tells of every change of what the agent gives.
async fn tell_what_is_held(source: Arc<X509Source>, tokens: Arc<Tokens>, say: mpsc::Sender<Said>) {
    let (mut updates, mut of_tokens) = (source.subscribe(), tokens.changes());
    let mut last = None;
    loop {
        let now = held(&source, &tokens);
        if last.as_ref() != Some(&now) {
            last = Some(now.clone());
            if say.send(Said::Holds(now)).await.is_err() {
                return;
            }
        }
        let goes_on = tokio::select! {
            changed = updates.changed() => changed.is_ok(),
            changed = of_tokens.changed() => changed.is_ok(),
        };
        if !goes_on {
            return;
        }
    }
}

fn held(source: &X509Source, tokens: &Tokens) -> Holds {
    let authority = |form: Form| {
        let svid = svid(source, form)?;
        Some((form.name().to_owned(), svid.leaf().akid()?.to_string()))
    };
    let (jwt_keys, jwt_key) = tokens.keys();
    Holds {
        stage: source
            .migration()
            .map(|migration| migration.stage.name().to_owned()),
        svids: FORMS.into_iter().filter_map(authority).collect(),
        roots: roots(&source.bundles()),
        jwt_keys,
        jwt_key,
    }
}

fn roots(bundles: &BundleSet) -> BTreeSet<String> {
    let authorities = bundles.iter().flat_map(|bundle| &bundle.x509_authorities);
    authorities.map(|authority| authority.id().to_string()).collect()
}

/// The SVID of a form, if it is there.
fn svid(source: &X509Source, form: Form) -> Option<Arc<SvidIdentity>> {
    let identities = source.identities();
    identities.iter().find(|svid| svid.form() == form).cloned()
}

/// A source with the SVIDs of one form alone, and no migration: for lanes on which a family is used whatever the stage.
#[derive(Debug)]
struct OfForm {
    source: Arc<X509Source>,
    form: Form,
}

impl IdentitySource for OfForm {
    fn identities(&self) -> Arc<[Arc<SvidIdentity>]> {
        self.both().0
    }

    fn bundles(&self) -> Arc<BundleSet> {
        self.source.bundles()
    }

    fn both(&self) -> (Arc<[Arc<SvidIdentity>]>, Arc<BundleSet>) {
        let (identities, bundles) = self.source.both();
        let of_form = identities.iter().filter(|svid| svid.form() == self.form);
        (of_form.cloned().collect(), bundles)
    }

    fn migration(&self) -> Option<Migration> {
        None
    }

    fn handshakes(&self) -> Option<&HandshakeCounts> {
        None
    }
}

/// What the connections of a lane are made with.
fn source_of(lane: Lane, source: &Arc<X509Source>) -> Arc<dyn IdentitySource> {
    match lane.form() {
        None => source.clone(),
        Some(form) => Arc::new(OfForm {
            source: source.clone(),
            form,
        }),
    }
}
