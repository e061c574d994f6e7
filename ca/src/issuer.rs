//! The pipeline around `symbolon-issuance`: prepare, record the intent, sign on bounded threads, record, reply.
//!
//! Nothing leaves [`Issuer`] that is not on record. Whole batches are prepared and signed in parallel and recorded
//! together; who may ask for what was decided before.

mod counting;
mod downstream;
mod error;
mod order;
mod prepared;
mod rehearsal;
mod signers;
mod tokens;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use futures_util::future::join_all;
use rayon::ThreadPoolBuildError;
use rayon::prelude::*;
use spiffe::SpiffeId;
use symbolon_pki::suite::Form;
use symbolon_pki::time::Clock;
use tokio::sync::Notify;

pub use self::error::IssueError;
pub use self::order::{CaOrder, Companion, X509Order};
use self::prepared::{Prepared, Signed};
use self::signers::{Lane, Signers};
pub use self::tokens::{JwtOrder, WitOrder};
use crate::authorities::Authorities;
use crate::datastore::{CertificateWrite, DatastoreError};
use crate::record::{RecordError, Recorder};
use crate::records::issued_record;
use crate::telemetry::Counted;

/// An X.509-SVID that is on record.
#[derive(Clone, Debug)]
pub struct IssuedX509 {
    /// DER certificates, leaf first, without the self-signed root.
    pub chain: Vec<Vec<u8>>,
    /// The identity.
    pub spiffe_id: SpiffeId,
    /// The form.
    pub form: Form,
    /// The leaf's serial number, lower-case hex.
    pub serial_hex: String,
    /// The leaf's serial number in decimal, as SPIRE's agent records have it.
    pub serial_decimal: String,
    /// First second of validity.
    pub not_before: SystemTime,
    /// Last second of validity.
    pub not_after: SystemTime,
}

/// Signs for a server.
#[derive(Debug)]
pub struct Issuer {
    authorities: Arc<Authorities>,
    recorder: Recorder,
    clock: Arc<dyn Clock>,
    signers: Signers,
    /// Told of when a key store did not sign.
    trouble: Notify,
    counted: Counted,
}

impl Issuer {
    /// An issuer with `threads` threads that sign with software keys; 0 is one for each processor. Each family whose key
    /// is held elsewhere has 16 of its own, unless [`with_holder_threads`](Self::with_holder_threads) says otherwise.
    ///
    /// # Errors
    /// The system's, if it gives no threads.
    pub fn new(
        authorities: Arc<Authorities>,
        recorder: Recorder,
        clock: Arc<dyn Clock>,
        threads: usize,
    ) -> Result<Self, ThreadPoolBuildError> {
        Ok(Self {
            authorities,
            recorder,
            clock,
            signers: Signers::new(threads)?,
            trouble: Notify::new(),
            counted: Counted::default(),
        })
    }

    /// Counts what it issues here.
    #[must_use]
    pub(crate) fn counted_by(mut self, counted: Counted) -> Self {
        self.counted = counted;
        self
    }

    /// With `threads` for each family whose key is on a token or in a TPM: as many as it takes calls at once.
    #[must_use]
    pub fn with_holder_threads(mut self, threads: usize) -> Self {
        self.signers = self.signers.with_holder_threads(threads);
        self
    }

    /// The authorities it signs with.
    pub fn authorities(&self) -> &Arc<Authorities> {
        &self.authorities
    }

    async fn issue_orders(&self, orders: Vec<X509Order>) -> Vec<Result<IssuedX509, IssueError>> {
        let now = self.clock.now();
        let authorities = Arc::clone(&self.authorities);
        let count = orders.len();
        let prepared = self
            .on_signers(move || {
                orders
                    .into_par_iter()
                    .map(|order| Prepared::new(&authorities, order, now))
                    .collect::<Vec<_>>()
            })
            .await;
        let Some(prepared) = prepared else {
            return stopping(count);
        };

        self.finish(prepared, now).await
    }

    /// Records the intents, signs, and records what was signed.
    async fn finish(
        &self,
        prepared: Vec<Result<Prepared, IssueError>>,
        now: SystemTime,
    ) -> Vec<Result<IssuedX509, IssueError>> {
        let intended = self.record_intents(prepared, now).await;
        let signed = self.sign(intended).await;
        self.record_issued(signed).await
    }

    /// Signs each on the threads that are for its authority's key.
    async fn sign(&self, intended: Vec<Result<Prepared, IssueError>>) -> Vec<Result<Signed, IssueError>> {
        let mut signed = Vec::with_capacity(intended.len());
        let mut lanes: BTreeMap<Lane, Vec<(usize, Prepared)>> = BTreeMap::new();
        for (position, item) in intended.into_iter().enumerate() {
            match item {
                Ok(prepared) => {
                    lanes
                        .entry(prepared.lane())
                        .or_default()
                        .push((position, prepared));
                    signed.push(Err(IssueError::Stopping));
                }
                Err(error) => signed.push(Err(error)),
            }
        }
        let running = lanes.into_iter().map(|(lane, items)| {
            self.signers.run(lane, move || {
                let items = items.into_par_iter();
                items
                    .map(|(position, item)| (position, item.sign()))
                    .collect::<Vec<_>>()
            })
        });
        for (position, result) in join_all(running).await.into_iter().flatten().flatten() {
            self.notice(&result);
            if let Some(place) = signed.get_mut(position) {
                *place = result;
            }
        }
        signed
    }

    /// Waits until a key store has failed to sign, once for any number of failures.
    pub(crate) async fn trouble(&self) {
        self.trouble.notified().await;
    }

    fn notice<T>(&self, result: &Result<T, IssueError>) {
        if matches!(result, Err(IssueError::KeyStore { .. })) {
            self.trouble.notify_one();
        }
    }

    /// Runs `work` that waits for no token, such as verifying, on the signer threads; `None` if they are gone or it
    /// panicked.
    pub(crate) async fn on_signers<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        self.signers.run(Lane::Processors, work).await
    }

    /// Records the intents of what was prepared, in one commit.
    async fn record_intents(
        &self,
        prepared: Vec<Result<Prepared, IssueError>>,
        now: SystemTime,
    ) -> Vec<Result<Prepared, IssueError>> {
        self.record(prepared, |prepared| prepared.intent(now)).await
    }

    /// Records the signed bytes, in one commit, and only then lets go of them.
    async fn record_issued(
        &self,
        signed: Vec<Result<Signed, IssueError>>,
    ) -> Vec<Result<IssuedX509, IssueError>> {
        let bytes = |signed: &Signed| issued_record(&signed.certificate).map(CertificateWrite::Issued);
        let recorded = self.record(signed, bytes).await;
        recorded
            .into_iter()
            .map(|result| result.map(IssuedX509::from))
            .collect()
    }

    /// Records what `write` makes of each item that got this far; an item whose record failed becomes its error.
    async fn record<T>(
        &self,
        mut items: Vec<Result<T, IssueError>>,
        write: impl Fn(&T) -> Result<CertificateWrite, DatastoreError>,
    ) -> Vec<Result<T, IssueError>> {
        let mut writes = Vec::with_capacity(items.len());
        let mut positions = Vec::with_capacity(items.len());
        for (position, item) in items.iter_mut().enumerate() {
            let Ok(value) = item else { continue };
            match write(value) {
                Ok(write) => {
                    writes.push(write);
                    positions.push(position);
                }
                Err(error) => *item = Err(RecordError::from(error).into()),
            }
        }
        if writes.is_empty() {
            return items;
        }
        let answers = self.recorder.record_all(writes).await;
        for (index, position) in positions.into_iter().enumerate() {
            let failed = match &answers {
                Ok(answers) => match answers.get(index) {
                    Some(Ok(())) => continue,
                    Some(Err(error)) => RecordError::from(error.clone()),
                    None => RecordError::Stopped,
                },
                Err(error) => error.clone(),
            };
            if let Some(item) = items.get_mut(position) {
                *item = Err(failed.into());
            }
        }
        items
    }
}

impl From<Signed> for IssuedX509 {
    fn from(signed: Signed) -> Self {
        let Signed { certificate, above } = signed;
        let facts = certificate.facts().clone();
        Self {
            chain: std::iter::once(certificate.into_der())
                .chain(above.iter().cloned())
                .collect(),
            form: facts.form,
            serial_hex: facts.serial.hex(),
            serial_decimal: facts.serial.decimal(),
            not_before: facts.not_before,
            not_after: facts.not_after,
            spiffe_id: facts.spiffe_id,
        }
    }
}

fn stopping(count: usize) -> Vec<Result<IssuedX509, IssueError>> {
    (0..count).map(|_| Err(IssueError::Stopping)).collect()
}
