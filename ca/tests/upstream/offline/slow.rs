//! Files that take their time, and commands meanwhile.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use async_trait::async_trait;
use symbolon_ca::authorities::{AuthoritiesError, CommandError, Rotation};
use symbolon_ca::datastore::AuthorityStore as _;
use symbolon_ca::upstream::{Answer, MintOrder, Minted, Offline, Upstream, UpstreamError};
use symbolon_pki::csr::Csr;
use symbolon_pki::suite::{Family, Suite};
use symbolon_pki::time::Clock as _;
use tempfile::TempDir;
use tokio::sync::{Semaphore, watch};

use super::Below;
use crate::root::Root;
use crate::run::soon;
use crate::support::TestClock;
use crate::turns::revoke_another;

/// Files of which a request is written only when it may be.
#[derive(Debug)]
struct Slow {
    files: Offline,
    /// Whether the next one has to wait.
    is_held: AtomicBool,
    gate: Semaphore,
    waiting: watch::Sender<bool>,
}

impl Slow {
    fn hold(&self) -> watch::Receiver<bool> {
        self.is_held.store(true, Ordering::Relaxed);
        self.waiting.subscribe()
    }
}

#[async_trait]
impl Upstream for Slow {
    fn kind(&self) -> &'static str {
        self.files.kind()
    }

    fn is_offline(&self) -> bool {
        true
    }

    async fn mint(&self, order: &MintOrder) -> Result<Answer, UpstreamError> {
        self.files.mint(order).await
    }

    async fn hand_out(&self, family: Family, csr: &[u8]) -> Result<(), UpstreamError> {
        if self.is_held.swap(false, Ordering::Relaxed) {
            self.waiting.send_replace(true);
            self.gate.acquire().await.unwrap().forget();
        }
        self.files.hand_out(family, csr).await
    }

    async fn brought(&self, family: Family) -> Result<Option<Minted>, UpstreamError> {
        self.files.brought(family).await
    }

    async fn judged(&self, family: Family, refusal: Option<&str>) -> Result<(), UpstreamError> {
        self.files.judged(family, refusal).await
    }
}

/// One whose ML-DSA family signs, below such files.
async fn start() -> (Below, Arc<Slow>, TempDir) {
    let (dir, clock, carried) = (TempDir::new().unwrap(), TestClock::new(), TempDir::new().unwrap());
    let root = Root::new(Suite::MlDsa87, clock.now());
    let slow = Arc::new(Slow {
        files: Offline::new(carried.path().to_owned()),
        is_held: AtomicBool::default(),
        gate: Semaphore::new(0),
        waiting: watch::Sender::default(),
    });
    let below = Below::above(slow.clone(), Arc::new(dir), carried.path(), clock).await;
    below.bring(&root).await;
    below.run.authorities.rotate_due().await.unwrap();
    (below, slow, carried)
}

#[tokio::test]
async fn commands_do_not_wait_for_a_request_that_is_written_slowly() {
    let (below, slow, _carried) = start().await;
    let (mut waiting, authorities) = (slow.hold(), below.run.authorities.clone());
    let preparing = tokio::spawn(async move { authorities.prepare(Family::MlDsa).await });
    soon(waiting.wait_for(|is| *is)).await.unwrap();
    soon(revoke_another(&below.run, Family::Classical)).await;
    slow.gate.add_permits(1);
    let awaited = soon(preparing).await.unwrap().unwrap_err();
    let family = Family::MlDsa;
    assert!(
        matches!(&awaited, CommandError::Failed(AuthoritiesError::Awaited { family: of }) if *of == family),
        "{awaited}"
    );
    assert!(below.file("csr.pem").exists());
}

#[tokio::test]
async fn a_request_that_is_given_up_while_it_is_written_is_not_what_stays() {
    let (below, slow, _carried) = start().await;
    let to = |suite| Rotation {
        suite: Some(suite),
        gives_up_request: true,
        ..Rotation::default()
    };
    let authorities = below.run.authorities.clone();
    authorities
        .rotate(Family::MlDsa, &to(Suite::MlDsa87))
        .await
        .unwrap();
    let given_up = below.request();

    let mut waiting = slow.hold();
    let looking = tokio::spawn({
        let authorities = authorities.clone();
        async move { authorities.take_what_was_brought().await }
    });
    soon(waiting.wait_for(|is| *is)).await.unwrap();
    let rotation = to(Suite::MlDsa44);
    let mut rotating = pin!(authorities.rotate(Family::MlDsa, &rotation));
    // It comes to its turn and no further. If it did not have to wait for that it would have the journal, and since it goes on
    // only when it is waited for again, nobody else would ever have it.
    let begun = poll_fn(|context| Poll::Ready(rotating.as_mut().poll(context))).await;
    assert!(begun.is_pending());
    soon(revoke_another(&below.run, Family::Classical)).await;
    slow.gate.add_permits(1);
    assert_eq!(soon(looking).await.unwrap().unwrap(), []);
    assert!(soon(rotating).await.unwrap().is_awaited);

    let asked = below.run.datastore.authority_requests().await.unwrap();
    let asked = Csr::from_der(&asked[0].csr).unwrap();
    assert_ne!(asked.key(), given_up.key());
    assert_eq!(below.request().key(), asked.key());
}
