//! A scan from request to inventory: threads, tasks, progress.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use super::cache::Cache;
use super::classify::Classifier;
use super::counts::Counts;
use super::follow::Scanned;
use super::ignored::Ignored;
use super::queue::{Memory, Queue};
use super::walk::{Names, Root};
use super::worker::Worker;
use super::{Budget, ScanError, ScanRequest, Snapshot, Target};
use crate::inventory::Inventory;

/// How often progress is told.
const TICK: Duration = Duration::from_millis(100);
/// The most threads.
const MAX_THREADS: usize = 64;

/// One piece of work.
#[derive(Debug)]
pub(super) enum Task {
    /// A path that was named.
    Path(PathBuf, f64),
    /// An endpoint or a token that was named.
    Contact(Target, f64),
    /// Directories of one directory: the last one is next.
    Directories(Place, Names),
    /// Files of one directory.
    Files(Place, Names),
}

/// A directory, and what is to be known of it.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) root: Arc<Root>,
    /// From the root; empty for the root itself.
    pub(super) path: Arc<[u8]>,
    pub(super) ignored: Option<Arc<Ignored>>,
    /// The file system of the directory.
    pub(super) device: u64,
    /// The share of the whole that each name of the task stands for.
    pub(super) share: f64,
}

/// A file that the caller writes, as directories show it.
#[derive(Debug)]
pub(super) struct Own {
    /// Device and inode of its directory.
    directory: (u64, u64),
    name: Vec<u8>,
}

impl Own {
    /// The file, and the one in which it is prepared.
    fn of(path: &Path) -> Vec<Self> {
        use std::os::unix::ffi::OsStrExt as _;
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        // Without its directory it is nowhere to be shown.
        let (Some(name), Ok(stat)) = (path.file_name(), rustix::fs::stat(parent)) else {
            return Vec::new();
        };
        [&b""[..], b".new"]
            .map(|suffix| Self {
                directory: (stat.st_dev, stat.st_ino),
                name: [name.as_bytes(), suffix].concat(),
            })
            .into()
    }
}

/// What all threads share.
#[derive(Debug)]
pub(super) struct Shared<'a> {
    pub(super) request: &'a ScanRequest,
    pub(super) classifier: Classifier,
    pub(super) cache: Option<Cache>,
    pub(super) queue: Queue<Task>,
    pub(super) memory: Memory,
    pub(super) excluded: Option<Arc<Ignored>>,
    pub(super) counts: Counts,
    own: Vec<Own>,
    budget: Option<Budget>,
    started: Instant,
    last_told: AtomicU64,
    stopped: AtomicBool,
}

impl Shared<'_> {
    /// Whether it is time to stop, and tells the caller how far it is, now and then.
    pub(super) fn tick(&self) -> bool {
        let elapsed = self.started.elapsed();
        let now = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        let last = self.last_told.load(Ordering::Relaxed);
        let due = now.saturating_sub(last) >= u64::try_from(TICK.as_millis()).unwrap_or(u64::MAX);
        if due
            && self
                .last_told
                .compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        {
            self.request.progress.update(&self.snapshot());
            if self.request.progress.cancelled() || self.budget.is_some_and(|budget| budget.is_spent()) {
                self.stopped.store(true, Ordering::Relaxed);
            }
        }
        self.stopped.load(Ordering::Relaxed)
    }

    /// Names in this directory (device and inode) that are the caller's own.
    pub(super) fn own_in(&self, directory: (u64, u64)) -> Vec<&[u8]> {
        self.own
            .iter()
            .filter(|own| own.directory == directory)
            .map(|own| own.name.as_slice())
            .collect()
    }

    /// Whether the caller cancelled, as against time having run out.
    pub(super) fn cancelled(&self) -> bool {
        self.request.progress.cancelled()
    }

    fn snapshot(&self) -> Snapshot {
        self.counts.snapshot(self.started.elapsed())
    }
}

/// Makes a scan. Whatever cannot be read is in the inventory, with its reason.
///
/// # Errors
/// [`ScanError`] when there could be no scan at all, or its cache not be written.
pub fn scan(request: &ScanRequest) -> Result<Inventory, ScanError> {
    if request.targets.is_empty() {
        return Err(ScanError::NoTarget);
    }
    let mut targets = request.targets.clone();
    targets.sort();
    targets.dedup();
    #[expect(clippy::cast_precision_loss, reason = "it is an estimate")]
    let share = 1.0 / targets.len() as f64;
    let tasks = targets.iter().map(|target| match target {
        Target::Path(path) => Task::Path(path.clone(), share),
        Target::Uri { .. } => Task::Contact(target.clone(), share),
    });
    let cache = match &request.cache {
        Some(path) => Some(Cache::open(
            path,
            &request.scanners,
            !request.verify,
            seconds(SystemTime::now()),
        )?),
        None => None,
    };
    let shared = Shared {
        classifier: Classifier::new(request.scanners.iter().map(AsRef::as_ref))?,
        cache,
        queue: Queue::new(tasks.rev().collect()),
        memory: Memory::new(request.limits.in_memory),
        excluded: Ignored::excluding(&request.options.exclude)?,
        counts: Counts::default(),
        own: request
            .options
            .own
            .iter()
            .flat_map(|path| Own::of(path))
            .collect(),
        budget: request.limits.total_time.map(Budget::starting_now),
        started: Instant::now(),
        last_told: AtomicU64::new(0),
        stopped: AtomicBool::new(false),
        request,
    };
    let mut inventory = run(&shared)?;
    inventory.targets = targets.iter().map(ToString::to_string).collect();
    let scanned = Scanned::of(&targets);
    crate::inventory::link(&mut inventory, &|place| scanned.real(place));
    inventory.prune_edges();
    request.progress.update(&Snapshot {
        done: 1.0,
        remaining: Some(Duration::ZERO),
        ..shared.snapshot()
    });
    if let Some(cache) = shared.cache {
        cache.finish()?;
    }
    Ok(inventory)
}

fn run(shared: &Shared<'_>) -> Result<Inventory, ScanError> {
    let threads = match shared.request.threads {
        0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        threads => threads,
    };
    std::thread::scope(|scope| {
        let mut started = Vec::new();
        for number in 0..threads.clamp(1, MAX_THREADS) {
            let builder = std::thread::Builder::new().name(format!("scan-{number}"));
            match builder.spawn_scoped(scope, || Worker::new(shared).work()) {
                Ok(thread) => started.push(thread),
                Err(error) if started.is_empty() => return Err(ScanError::Thread(error)),
                // Fewer threads do the same work.
                Err(_) => break,
            }
        }
        let mut whole = Inventory::new();
        for thread in started {
            match thread.join() {
                Ok(part) => whole.merge(part?),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok(whole)
    })
}

fn seconds(at: SystemTime) -> i64 {
    at.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// Where a path is, from the target on, for rules about what to leave out.
pub(super) fn as_path(bytes: &[u8]) -> &Path {
    use std::os::unix::ffi::OsStrExt as _;
    Path::new(std::ffi::OsStr::from_bytes(bytes))
}
