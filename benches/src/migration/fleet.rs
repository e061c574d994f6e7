//! The workloads as processes, and what they have said.
//!
//! Each is a process of its own whose program has a path of its own, a hard link of one file, and each has an entry that asks
//! for that path (`unix:path`). So the agent finds out by itself who calls, as it does for any program of a node, and gives
//! each the one identity that is its own. Other users would do as well and take root; one process with many identities would
//! be one workload to the agent.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::unix::OwnedWriteHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::Load;
use super::protocol::{Address, Holds, Lane, Order, Said, line};
use super::tally::Tally;
use crate::issuer::AnyError;

/// More failures than these end a load: it has shown what it can.
const ENOUGH: usize = 50;

/// Between two looks at what workloads have said.
const LOOK: Duration = Duration::from_millis(50);

/// Most troubles that are kept.
const TROUBLES: usize = 100;

/// The programs of workloads, each at a path of its own.
#[derive(Debug)]
pub(super) struct Programs {
    /// Removed when dropped.
    _folder: TempDir,
    paths: Vec<PathBuf>,
}

impl Programs {
    /// Links `program` as often as there are to be workloads, beside itself: a hard link cannot go to another file system.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub(super) fn link(program: &Path, count: usize) -> Result<Self, AnyError> {
        let program = program.canonicalize()?;
        let beside = program.parent().ok_or("a program is in a folder")?;
        let folder = tempfile::Builder::new().prefix("load").tempdir_in(beside)?;
        let link = |number: usize| {
            let path = folder.path().join(format!("workload-{number}"));
            fs::hard_link(&program, &path).map(|()| path)
        };
        let paths = (0..count).map(link).collect::<Result<_, _>>()?;
        Ok(Self {
            _folder: folder,
            paths,
        })
    }

    /// Where they are, by their numbers.
    pub(super) fn paths(&self) -> &[PathBuf] {
        &self.paths
    }
}

/// What the workloads have said so far.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) holds: BTreeMap<usize, Holds>,
    pub(super) tally: Tally,
    pub(super) troubles: Vec<String>,
    addresses: BTreeMap<usize, Address>,
    stopped: BTreeSet<usize>,
    gone: BTreeSet<usize>,
    is_over: bool,
}

impl Heard {
    /// The workloads of which `is_so` is not true, in words; nothing if there are none.
    pub(super) fn lacking(&self, is_so: impl Fn(&Holds) -> bool) -> Result<(), String> {
        let silent = self.addresses.len().saturating_sub(self.holds.len());
        if silent > 0 {
            return Err(format!("{silent} workloads have not said what they hold"));
        }
        let lacking: Vec<_> = self.holds.iter().filter(|(_, holds)| !is_so(holds)).collect();
        match lacking.first() {
            None => Ok(()),
            Some((number, holds)) => Err(format!(
                "{} workloads do not; workload {number} has {holds:?}",
                lacking.len()
            )),
        }
    }
}

/// The workloads.
#[derive(Debug)]
pub(super) struct Fleet {
    heard: Arc<Mutex<Heard>>,
    news: watch::Receiver<u64>,
    tellers: BTreeMap<usize, OwnedWriteHalf>,
    patience: Duration,
    log: PathBuf,
    /// Killed when dropped.
    _processes: Vec<Child>,
    _programs: Programs,
}

impl Fleet {
    /// Starts them, and waits until each has its SVIDs and listens.
    ///
    /// # Errors
    /// If one cannot be started, ends, or is not ready in time.
    pub(super) async fn start(
        programs: Programs,
        agent: &Path,
        home: &Path,
        load: &Load,
    ) -> Result<Self, AnyError> {
        let (control, log) = (home.join("load.sock"), home.join("workloads.log"));
        let listener = UnixListener::bind(&control)?;
        let said = File::create(&log)?;
        let mut processes = Vec::with_capacity(programs.paths.len());
        for (number, program) in programs.paths.iter().enumerate() {
            let mut command = Command::new(program);
            command
                .arg(&control)
                .arg(agent)
                .arg(number.to_string())
                .arg(load.timeout.as_millis().to_string())
                .arg(load.catches_up.to_string())
                .env_clear()
                .stdin(Stdio::null())
                .stdout(said.try_clone()?)
                .stderr(said.try_clone()?)
                .kill_on_drop(true);
            processes.push(command.spawn()?);
        }
        let heard = Arc::new(Mutex::new(Heard::default()));
        let (bell, news) = watch::channel(0);
        let (introduce, mut introduced) = mpsc::channel(1);
        let admitting = admit(listener, heard.clone(), Arc::new(bell), introduce);
        tokio::spawn(async move {
            if let Err(error) = admitting.await {
                eprintln!("workloads cannot be heard: {error}");
            }
        });
        let mut tellers = BTreeMap::new();
        let until = Instant::now() + load.patience;
        while tellers.len() < processes.len() {
            let left = until.saturating_duration_since(Instant::now());
            if let Ok(Some((number, teller))) = timeout(left.min(LOOK), introduced.recv()).await {
                tellers.insert(number, teller);
            }
            for process in &mut processes {
                if let Some(status) = process.try_wait()? {
                    return Err(format!("a workload ended with {status}: {}", tail(&log)).into());
                }
            }
            if left.is_zero() {
                let (ready, all) = (tellers.len(), processes.len());
                return Err(format!("{ready} of {all} workloads are ready: {}", tail(&log)).into());
            }
        }
        Ok(Self {
            heard,
            news,
            tellers,
            patience: load.patience,
            log,
            _processes: processes,
            _programs: programs,
        })
    }

    /// Has each begin its calls, at so many a second for all of them together.
    ///
    /// # Errors
    /// If one does not listen.
    pub(super) async fn begin(&mut self, rates: &BTreeMap<Lane, f64>) -> Result<(), AnyError> {
        let peers: Vec<_> = self.heard().addresses.values().cloned().collect();
        let count = f64::from(u32::try_from(peers.len())?);
        let milliseconds = |rate: f64| (count * 1000.0 / rate).round() as u64;
        let pace = rates
            .iter()
            .map(|(lane, rate)| (*lane, milliseconds(*rate).max(1)));
        let order = Order::Begin {
            peers,
            pace: pace.collect(),
        };
        self.tell(&order).await
    }

    /// Has all calls end, and waits until the last has been reported.
    ///
    /// # Errors
    /// If one does not end in time.
    pub(super) async fn stop(&mut self) -> Result<(), AnyError> {
        self.tell(&Order::Stop).await?;
        let count = self.tellers.len();
        self.until("every workload stops", |heard| match heard.stopped.len() {
            all if all == count => Ok(()),
            some => Err(format!("{some} of {count} have")),
        })
        .await?;
        // Servers say what they saw a moment after their clients.
        self.until("both ends of every handshake are counted", |heard| {
            let (clients, servers) = (heard.tally.handshakes(), heard.tally.at_servers);
            match clients == servers || heard.tally.failures() > 0 {
                true => Ok(()),
                false => Err(format!("clients count {clients}, servers {servers}")),
            }
        })
        .await?;
        self.heard().is_over = true;
        Ok(())
    }

    async fn tell(&mut self, order: &Order) -> Result<(), AnyError> {
        let order = line(order)?;
        for teller in self.tellers.values_mut() {
            teller.write_all(order.as_bytes()).await?;
        }
        Ok(())
    }

    /// What they have said.
    pub(super) fn heard(&self) -> MutexGuard<'_, Heard> {
        lock(&self.heard)
    }

    /// Waits until something is so that will become so by itself, and tells how long that took.
    ///
    /// # Errors
    /// If it does not in time, with what is missing; if a workload ends, or too much goes wrong, meanwhile.
    pub(super) async fn until(
        &self,
        what: &str,
        is_so: impl Fn(&Heard) -> Result<(), String>,
    ) -> Result<Duration, AnyError> {
        let (begun, mut news) = (Instant::now(), self.news.clone());
        loop {
            news.mark_unchanged();
            let missing = {
                let heard = self.heard();
                if !heard.gone.is_empty() {
                    let (gone, log) = (&heard.gone, tail(&self.log));
                    return Err(format!("workloads {gone:?} ended before {what}: {log}").into());
                }
                if heard.tally.failures() >= ENOUGH {
                    return Err(format!("{ENOUGH} handshakes failed before {what}").into());
                }
                match is_so(&heard) {
                    Ok(()) => return Ok(begun.elapsed()),
                    Err(missing) => missing,
                }
            };
            if begun.elapsed() > self.patience {
                return Err(format!("waited in vain until {what}: {missing}").into());
            }
            // Not at each of their words.
            tokio::time::sleep(LOOK).await;
            timeout(LOOK * 20, news.changed()).await.ok();
        }
    }
}

/// Lets workloads in and listens to each of them.
async fn admit(
    listener: UnixListener,
    heard: Arc<Mutex<Heard>>,
    bell: Arc<watch::Sender<u64>>,
    introduce: mpsc::Sender<(usize, OwnedWriteHalf)>,
) -> Result<(), AnyError> {
    loop {
        let (stream, _) = listener.accept().await?;
        let (heard, bell, introduce) = (heard.clone(), bell.clone(), introduce.clone());
        tokio::spawn(async move {
            if let Err(error) = listen(stream, &heard, &bell, introduce).await {
                lock(&heard).trouble(format!("a workload cannot be understood: {error}"));
            }
        });
    }
}

async fn listen(
    stream: UnixStream,
    heard: &Mutex<Heard>,
    bell: &watch::Sender<u64>,
    introduce: mpsc::Sender<(usize, OwnedWriteHalf)>,
) -> Result<(), AnyError> {
    let (saying, teller) = stream.into_split();
    let mut lines = BufReader::new(saying).lines();
    let first = lines.next_line().await?.ok_or("it said nothing")?;
    let Said::Ready { number, address } = serde_json::from_str(&first)? else {
        return Err("it did not say who it is".into());
    };
    lock(heard).addresses.insert(number, address);
    introduce.send((number, teller)).await?;
    while let Ok(Some(text)) = lines.next_line().await {
        lock(heard).take(number, serde_json::from_str(&text)?);
        bell.send_modify(|count| *count += 1);
    }
    let mut heard = lock(heard);
    if !heard.is_over {
        heard.gone.insert(number);
    }
    bell.send_modify(|count| *count += 1);
    Ok(())
}

impl Heard {
    fn take(&mut self, number: usize, said: Said) {
        match said {
            Said::Ready { address, .. } => drop(self.addresses.insert(number, address)),
            Said::Holds(holds) => drop(self.holds.insert(number, holds)),
            Said::Done(done) => self.tally.done(number, done),
            Said::Failed(failed) => self.tally.failed(number, failed),
            Said::Trouble(trouble) => self.trouble(format!("workload {number}: {trouble}")),
            Said::Stopped => drop(self.stopped.insert(number)),
        }
    }

    fn trouble(&mut self, trouble: String) {
        if self.troubles.len() < TROUBLES {
            self.troubles.push(trouble);
        }
    }
}

fn lock(heard: &Mutex<Heard>) -> MutexGuard<'_, Heard> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The last of what the workloads wrote.
fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().rev().take(10).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}
