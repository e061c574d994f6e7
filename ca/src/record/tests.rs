use std::collections::HashSet;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use symbolon_pki::suite::{Form, Suite};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::*;
use crate::datastore::{
    CertificateFilter, CertificateProfile, CertificateRecord, CertificateSummary, Page, PageRequest,
    RecordKind, SerialNumber,
};

/// A store whose commits take as long as the test wants, and that remembers what was in each.
struct GatedStore {
    gate: Semaphore,
    begun: mpsc::UnboundedSender<usize>,
    commits: Mutex<Vec<HashSet<SerialNumber>>>,
    broken: bool,
}

impl GatedStore {
    fn new(permits: usize) -> (Arc<Self>, mpsc::UnboundedReceiver<usize>) {
        let (begun, beginnings) = mpsc::unbounded_channel();
        let gate = Semaphore::new(permits);
        (
            Arc::new(Self {
                gate,
                begun,
                commits: Mutex::default(),
                broken: false,
            }),
            beginnings,
        )
    }

    fn is_committed(&self, serial: &SerialNumber) -> bool {
        self.commits
            .lock()
            .unwrap()
            .iter()
            .any(|commit| commit.contains(serial))
    }
}

#[async_trait]
impl CertificateStore for GatedStore {
    async fn record_certificates(&self, writes: &[CertificateWrite]) -> StoreResult<Vec<StoreResult<()>>> {
        self.begun.send(writes.len()).unwrap();
        self.gate.acquire().await.unwrap().forget();
        if self.broken {
            return Err(DatastoreError::Busy);
        }
        let serials: HashSet<_> = writes.iter().map(|write| serial_of(write).clone()).collect();
        let results = writes.iter().map(|write| {
            let serial = serial_of(write);
            let known = self.is_committed(serial);
            if known {
                Err(DatastoreError::already_exists(RecordKind::Certificate, serial))
            } else {
                Ok(())
            }
        });
        let results = results.collect();
        self.commits.lock().unwrap().push(serials);
        Ok(results)
    }

    async fn certificate(&self, _: &SerialNumber) -> StoreResult<Option<CertificateRecord>> {
        panic!("the recorder does not read")
    }

    async fn list_certificates(
        &self,
        _: &CertificateFilter,
        _: &PageRequest,
    ) -> StoreResult<Page<CertificateSummary>> {
        panic!("the recorder does not read")
    }

    async fn count_certificates(&self, _: &CertificateFilter) -> StoreResult<u64> {
        panic!("the recorder does not read")
    }

    async fn prune_certificates(&self, _: SystemTime, _: u32) -> StoreResult<u64> {
        panic!("the recorder does not delete")
    }
}

fn serial_of(write: &CertificateWrite) -> &SerialNumber {
    match write {
        CertificateWrite::Intent(intent) | CertificateWrite::IntentWithKey(intent, _) => &intent.serial,
        CertificateWrite::Issued(issued) => &issued.serial,
    }
}

fn intent(number: u32) -> CertificateIntent {
    CertificateIntent {
        serial: SerialNumber::from_bytes(&number.to_be_bytes()).unwrap(),
        profile: CertificateProfile::Workload,
        spiffe_id: "spiffe://example.org/w".parse().unwrap(),
        form: Form::Classical,
        suite: Suite::EcdsaP256,
        key_algorithm: "ecdsa-p256".to_owned(),
        alternative_algorithm: None,
        issuer: "00".to_owned(),
        not_before: SystemTime::UNIX_EPOCH,
        not_after: SystemTime::UNIX_EPOCH,
        entry_id: None,
        agent_id: None,
        recorded_at: SystemTime::UNIX_EPOCH,
    }
}

async fn within_deadline<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future)
        .await
        .expect("it should not take so long")
}

/// Polls `future` once more and says that it still waits.
async fn still_waits<T>(future: &mut (impl Future<Output = T> + Unpin)) -> bool {
    futures_util::poll!(future).is_pending()
}

#[tokio::test]
async fn an_idle_recorder_commits_a_single_record_and_answers_only_then() {
    let (store, mut begun) = GatedStore::new(0);
    let (recorder, task) = Recorder::start(store.clone(), Limits::default());
    let mut one = Box::pin(recorder.record_intent(intent(1)));
    assert!(still_waits(&mut one).await);
    assert_eq!(within_deadline(begun.recv()).await, Some(1));
    assert!(still_waits(&mut one).await, "answered before the commit");
    store.gate.add_permits(1);
    within_deadline(one).await.unwrap();
    assert!(store.is_committed(&intent(1).serial));
    task.shutdown().await.unwrap();
}

#[tokio::test]
async fn what_comes_during_a_commit_shares_the_next_and_nothing_is_answered_before_its_own() {
    let (store, mut begun) = GatedStore::new(0);
    let (recorder, task) = Recorder::start(
        store.clone(),
        Limits {
            batch: 400,
            queue: 1_000,
        },
    );
    let mut records = JoinSet::new();
    let mut begin = |number: u32| {
        let (recorder, store) = (recorder.clone(), store.clone());
        records.spawn(async move {
            recorder.record_intent(intent(number)).await.unwrap();
            assert!(
                store.is_committed(&intent(number).serial),
                "{number} answered before its commit"
            );
        });
    };
    begin(1);
    assert_eq!(within_deadline(begun.recv()).await, Some(1));
    (2..=901).for_each(&mut begin);
    // The first commit ends only when all the others are queued.
    within_deadline(async {
        while recorder.queue.capacity() > 100 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    store.gate.add_permits(1_000);
    within_deadline(async { while records.join_next().await.transpose().unwrap().is_some() {} }).await;
    task.shutdown().await.unwrap();
    let sizes: Vec<usize> = store.commits.lock().unwrap().iter().map(HashSet::len).collect();
    assert_eq!(sizes, [1, 400, 400, 100]);
}

#[tokio::test]
async fn a_request_for_several_is_never_split_and_keeps_its_order() {
    let (store, _begun) = GatedStore::new(1_000);
    let (recorder, task) = Recorder::start(store.clone(), Limits { batch: 3, queue: 10 });
    let several = |numbers: std::ops::Range<u32>| numbers.map(intent).map(CertificateWrite::Intent).collect();
    recorder.record_intent(intent(6)).await.unwrap();
    let results = within_deadline(recorder.record_all(several(1..11)))
        .await
        .unwrap();
    let refused: Vec<usize> = (0..10).filter(|&index| results[index].is_err()).collect();
    assert_eq!(refused, [5], "number 6 was on record");
    assert_eq!(store.commits.lock().unwrap().last().unwrap().len(), 10);
    task.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_failed_commit_is_told_to_everyone_in_it() {
    let (store, mut begun) = GatedStore::new(0);
    let mut store = Arc::into_inner(store).unwrap();
    store.broken = true;
    let store = Arc::new(store);
    let (recorder, task) = Recorder::start(store.clone(), Limits::default());
    let mut records = JoinSet::new();
    for number in 1..=20 {
        let recorder = recorder.clone();
        records.spawn(async move { recorder.record_intent(intent(number)).await });
    }
    assert!(within_deadline(begun.recv()).await.is_some());
    store.gate.add_permits(100);
    let mut failed = 0;
    while let Some(result) = within_deadline(records.join_next()).await {
        assert!(matches!(
            result.unwrap(),
            Err(RecordError::Datastore(DatastoreError::Busy))
        ));
        failed += 1;
    }
    assert_eq!(failed, 20);
    task.shutdown().await.unwrap();
}

#[tokio::test]
async fn shutting_down_serves_all_that_wait_and_refuses_the_rest() {
    let (store, mut begun) = GatedStore::new(0);
    let (recorder, task) = Recorder::start(store.clone(), Limits { batch: 2, queue: 10 });
    let mut waiting: Vec<_> = (1..=5)
        .map(|number| Box::pin(recorder.record_intent(intent(number))))
        .collect();
    for one in &mut waiting {
        assert!(still_waits(one).await);
    }
    assert!(within_deadline(begun.recv()).await.is_some());
    let shutdown = tokio::spawn(task.shutdown());
    store.gate.add_permits(100);
    for one in waiting {
        within_deadline(one).await.unwrap();
    }
    within_deadline(shutdown).await.unwrap().unwrap();
    assert!(matches!(
        recorder.record_intent(intent(6)).await,
        Err(RecordError::Stopped)
    ));
    assert!(!store.is_committed(&intent(6).serial));
}
