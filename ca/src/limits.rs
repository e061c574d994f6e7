//! How much each caller may ask for, and how much all of them together.
//!
//! Three bounds, in this order. [`Admission`] counts the calls in progress, of all callers and of each: a server that is
//! asked for more than it can do says so at once, while there is still room to say it, and [`Bounds`] see to it that a call
//! does not stay in progress because its caller does nothing. Then a rate for each caller and each kind of work, by the
//! [`table`]: as in SPIRE a call waits for its turn, and is refused where that would take too long. Both answers are
//! `RESOURCE_EXHAUSTED` and tell when to come back. Processes on the private socket are not bounded.

mod admission;
mod asked;
mod bucket;
mod held;
mod source;
pub mod table;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use symbolon_api::resource_exhausted;
use symbolon_tls::grpc::client_network;
use tonic::{Request, Status};

use self::admission::Admission;
pub(crate) use self::admission::Place;
pub(crate) use self::asked::{Asked, Bounds, is_attestation};
use self::bucket::{Buckets, Refusal};
pub(crate) use self::held::{Held, STATUS};
use self::source::Key;
pub(crate) use self::source::{Source, deadline};
use self::table::{Class, Limit, limit_of};
use crate::caller::Caller;
use crate::config::LimitsConfig;

/// A network of IPv6 may attest so many times as often as one address: it can be one machine's, and a whole site's.
const OF_NETWORK: u32 = 32;
/// For each call in progress so many may wait for their turn.
const WAITING: usize = 4;

/// The bounds of one server.
#[derive(Debug)]
pub struct Limits {
    admission: Admission,
    /// For calls whose turn comes later: they cost little meanwhile, and there may be more of them.
    waiting: Admission,
    /// By address.
    attestation: Buckets,
    /// By network, where addresses are many.
    attestation_of_networks: Buckets,
    x509: Buckets,
    jwt: Buckets,
    wit: Buckets,
    key_push: Buckets,
    status: Buckets,
    patience: Duration,
}

impl Limits {
    /// Bounds as configured.
    pub fn new(config: &LimitsConfig) -> Arc<Self> {
        Arc::new(Self {
            admission: Admission::new(config.calls),
            waiting: Admission::new(config.calls.saturating_mul(WAITING)),
            attestation: Buckets::new(config.attestation),
            attestation_of_networks: Buckets::new(config.attestation.saturating_mul(OF_NETWORK)),
            x509: Buckets::new(config.signing),
            jwt: Buckets::new(config.signing),
            wit: Buckets::new(config.signing),
            key_push: Buckets::new(config.key_push),
            status: Buckets::new(config.status),
            patience: config.wait.0,
        })
    }

    /// A place among the calls in progress.
    ///
    /// # Errors
    /// `ResourceExhausted` when there is none.
    pub(crate) fn admit(&self, caller: &Caller, source: &Source) -> Result<Place, Status> {
        self.admission.enter(caller, source)
    }

    /// Applies the table to a call: how long it has to [wait](Self::wait) for its turn where each call counts, and the
    /// meter by which its service is to count where each item does.
    ///
    /// # Errors
    /// `ResourceExhausted`; `Internal` for a method that is not in the table.
    pub(crate) fn meter(
        self: &Arc<Self>,
        path: &str,
        source: Source,
        deadline: Option<Duration>,
    ) -> Result<(Duration, Option<Meter>), Status> {
        let limit = limit_of(path).ok_or_else(|| misconfigured(path))?;
        match limit {
            Limit::Free => Ok((Duration::ZERO, None)),
            Limit::Call(class) => {
                let meter = self.meter_of(class, source, deadline);
                Ok((meter.turn(1, Instant::now())?, None))
            }
            Limit::Items(class) => Ok((Duration::ZERO, Some(self.meter_of(class, source, deadline)))),
        }
    }

    /// Has a call wait for its turn, which keeps nobody else from a place, and gives it one then.
    ///
    /// # Errors
    /// `ResourceExhausted` when too many wait, or there is no place.
    pub(crate) async fn wait(
        &self,
        caller: &Caller,
        source: &Source,
        wait: Duration,
    ) -> Result<Place, Status> {
        let waiting = self.waiting.enter(caller, source)?;
        tokio::time::sleep(wait).await;
        drop(waiting);
        self.admission.enter(caller, source)
    }

    fn meter_of(self: &Arc<Self>, class: Class, source: Source, deadline: Option<Duration>) -> Meter {
        Meter {
            limits: Arc::clone(self),
            class,
            source,
            deadline,
            used: Arc::default(),
        }
    }

    /// The turn of somebody at this address for attestation. Whoever attests may have no identity yet, and one that it has
    /// gives it no rate of its own. As in SPIRE an address counts whole, or the machines of one site would wait for each
    /// other.
    fn attestation_turn(
        &self,
        address: IpAddr,
        count: usize,
        now: Instant,
        patience: Duration,
    ) -> Result<Duration, Refusal> {
        let address = address.to_canonical();
        // First, so that one who asks too often takes nothing from the others of its network.
        let wait = self
            .attestation
            .take(&Key::Address(address), count, now, patience)?;
        match client_network(address) {
            IpAddr::V4(_) => Ok(wait),
            network => {
                let key = Key::Network(network);
                let of_network = self.attestation_of_networks.take(&key, count, now, patience)?;
                Ok(wait.max(of_network))
            }
        }
    }

    fn buckets(&self, class: Class) -> &Buckets {
        match class {
            Class::Attestation => &self.attestation,
            Class::X509 => &self.x509,
            Class::Jwt => &self.jwt,
            Class::Wit => &self.wit,
            Class::KeyPush => &self.key_push,
            Class::Status => &self.status,
        }
    }
}

/// Counts the items of one call against its caller's rate. In the extensions of calls whose items count.
#[derive(Clone, Debug)]
pub(crate) struct Meter {
    limits: Arc<Limits>,
    class: Class,
    source: Source,
    deadline: Option<Duration>,
    used: Arc<AtomicBool>,
}

impl Meter {
    /// Waits until the caller may have that many more.
    async fn charge(&self, count: usize) -> Result<(), Status> {
        let wait = self.turn(count, Instant::now())?;
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        Ok(())
    }

    /// How long the caller has to wait for that many more.
    fn turn(&self, count: usize, now: Instant) -> Result<Duration, Status> {
        self.used.store(true, Ordering::Relaxed);
        let Source::Remote { key, address } = &self.source else {
            return Ok(Duration::ZERO);
        };
        let longest = self.limits.patience;
        let patience = self.deadline.map_or(longest, |deadline| deadline.min(longest));
        let noun = self.class.noun();
        let turn = match self.class {
            Class::Attestation => self.limits.attestation_turn(*address, count, now, patience),
            class => self.limits.buckets(class).take(key, count, now, patience),
        };
        turn.map_err(|refusal| match refusal {
            Refusal::TooMany { burst } => Status::resource_exhausted(format!(
                "rate ({count}) exceeds burst size ({burst}): ask for at most {burst} {noun} at once"
            )),
            Refusal::Later { wait, rate } => {
                let seconds = wait.as_secs() + 1;
                let message = format!(
                    "the limit of {rate} {noun} a second for one caller is reached; ask again in {seconds} s"
                );
                resource_exhausted(message, wait)
            }
            Refusal::Crowded => resource_exhausted(
                "too many callers at once; ask again later",
                longest.max(Duration::from_secs(1)),
            ),
        })
    }

    /// Whether its service has counted.
    pub(crate) fn was_used(&self) -> bool {
        self.used.load(Ordering::Relaxed)
    }
}

/// Counts the items of a batch against its caller's rate, and waits for their turn. To be called once, before any work is
/// done for them, by every method that the [`table`] has by [`Limit::Items`].
///
/// # Errors
/// `ResourceExhausted`; `Internal` where the table says nothing of the kind.
pub(crate) async fn charge<T>(request: &Request<T>, items: usize) -> Result<(), Status> {
    match request.extensions().get::<Meter>().cloned() {
        Some(meter) => meter.charge(items).await,
        None => Err(misconfigured("a method that counts items")),
    }
}

fn misconfigured(path: &str) -> Status {
    tracing::error!(method = path, "rate limiting is misconfigured; this is a defect");
    Status::internal(format!("rate limiting misconfigured for RPC {path:?}"))
}

#[cfg(test)]
mod tests;
