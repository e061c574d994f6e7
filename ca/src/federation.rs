//! Keeping the bundles of other trust domains fresh: each is fetched from where its relationship says, as often as it asks
//! to be.
//!
//! What is fetched takes the place of what was held, whole, unless it is older by its own number: a copy that lags behind
//! would bring back authorities that were revoked. A fetch that fails changes nothing: SVIDs of that trust domain go on being
//! verified with what is known, and the next attempt comes as soon as after one that succeeded.

mod schedule;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use spiffe::TrustDomain;
use symbolon_federation::{BundleClient, Endpoint, EndpointProfile, FetchError, refresh_after};
use symbolon_pki::bundle::{BundleSet, TrustBundle};
use symbolon_pki::time::Clock;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::schedule::Schedule;
use crate::authorities::Authorities;
use crate::datastore::{
    Datastore, DatastoreError, FederationProfile, FederationRecord, FetchedBundle, MAX_PAGE_SIZE, PageRequest,
};
use crate::telemetry::{BACKGROUND_FAILED, BUNDLE_REFRESH_FAILED, BUNDLE_REFRESHED};

/// How often it is looked whether a fetch is due, and whether relationships have come or gone.
const TICK: Duration = Duration::from_secs(10);

/// Most fetches at a time: so many endpoints that are dead, and hold each fetch up until it is given up, do not keep those
/// of others from being fetched.
const AT_ONCE: usize = 32;

/// Why a bundle was not refreshed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RefreshError {
    /// There is no relationship with that trust domain.
    #[error("there is no federation relationship with {0}")]
    NoRelationship(TrustDomain),
    /// It was not fetched.
    #[error("the bundle of {trust_domain} was not fetched from {url}: {source}")]
    Fetch {
        /// Whose.
        trust_domain: TrustDomain,
        /// From where.
        url: String,
        /// Why not.
        source: FetchError,
    },
    /// It was fetched, and a newer one is held.
    #[error(
        "the bundle of {trust_domain} that {url} publishes has sequence number {fetched}, and the one that is held has {held}; \
         if the numbers began anew there, refresh it by hand"
    )]
    Older {
        /// Whose.
        trust_domain: TrustDomain,
        /// From where.
        url: String,
        /// The number of what is held.
        held: u64,
        /// The number of what was fetched.
        fetched: u64,
    },
    /// It was not stored, or what is stored cannot be read.
    #[error(transparent)]
    Datastore(#[from] DatastoreError),
}

/// Who wants a bundle.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Asker {
    /// Nobody but the time.
    Schedule,
    /// Somebody who may know that numbers began anew.
    Operator,
}

/// What a refresh came to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refreshed {
    /// The bundle, as it is held now.
    pub bundle: TrustBundle,
    /// Whether it is another than before.
    pub changed: bool,
}

/// Fetches the bundles of other trust domains.
#[derive(Debug)]
pub struct Federation {
    datastore: Arc<dyn Datastore>,
    authorities: Arc<Authorities>,
    client: BundleClient,
    clock: Arc<dyn Clock>,
    schedule: Mutex<Schedule>,
    changed: Notify,
    /// Places for fetches that are made in their time.
    places: Semaphore,
}

impl Federation {
    /// Whatever relationships there are is due at once.
    pub fn new(
        datastore: Arc<dyn Datastore>,
        authorities: Arc<Authorities>,
        client: BundleClient,
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        Arc::new(Self {
            datastore,
            authorities,
            client,
            clock,
            schedule: Mutex::default(),
            changed: Notify::new(),
            places: Semaphore::new(AT_ONCE),
        })
    }

    /// Tells that a relationship was made or changed: it is due now.
    pub(crate) fn relationship_changed(&self, trust_domain: &TrustDomain) {
        self.schedule().forget(trust_domain);
        self.changed.notify_one();
    }

    /// With how many trust domains the last attempt to fetch a bundle failed.
    pub fn failing(&self) -> usize {
        self.schedule().failing()
    }

    /// Fetches the bundle of a trust domain now, and stores it, be its number what it may.
    ///
    /// # Errors
    /// [`RefreshError`]; nothing has changed then.
    pub async fn refresh(&self, trust_domain: &TrustDomain) -> Result<Refreshed, RefreshError> {
        let relationship = self.datastore.federation(trust_domain).await?;
        let relationship = relationship.ok_or_else(|| RefreshError::NoRelationship(trust_domain.clone()))?;
        self.fetch(&relationship, Asker::Operator).await
    }

    /// Fetches every bundle that is due, and waits for all of them. Failures are logged, and tried again in their time.
    ///
    /// # Errors
    /// The datastore's, where the relationships cannot be read.
    pub async fn refresh_due(&self) -> Result<(), DatastoreError> {
        let due = self.due().await?;
        stream::iter(due)
            .for_each_concurrent(AT_ONCE, |relationship| async move {
                // Its own doing is what is logged; the outcome is for those who asked.
                let _logged = self.fetch(&relationship, Asker::Schedule).await;
            })
            .await;
        Ok(())
    }

    async fn due(&self) -> Result<Vec<FederationRecord>, DatastoreError> {
        let mut relationships = self.relationships().await?;
        let now = self.clock.now();
        let mut schedule = self.schedule();
        schedule.keep_only(&relationships);
        relationships.retain(|relationship| schedule.is_due(relationship, now));
        Ok(relationships)
    }

    /// Refreshes what is due until `stop`. Whoever is slow keeps nobody else waiting, and least of all a relationship that was
    /// put right meanwhile.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut fetches = JoinSet::new();
        loop {
            while fetches.try_join_next().is_some() {}
            let due = tokio::select! {
                () = stop.cancelled() => return,
                due = self.due() => due,
            };
            match due {
                Ok(due) => {
                    for relationship in due {
                        if self.schedule().begin(&relationship) {
                            fetches.spawn(Arc::clone(&self).fetch_in_time(relationship));
                        }
                    }
                }
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(
                        event = BACKGROUND_FAILED,
                        task = "refresh federated bundles",
                        error
                    );
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.changed.notified() => {}
                () = tokio::time::sleep(TICK) => {}
            }
        }
    }

    /// Fetches when there is a place.
    async fn fetch_in_time(self: Arc<Self>, relationship: FederationRecord) {
        let _underway = Underway(&self, &relationship);
        // It is never closed; without a place it would be tried at the next look.
        if let Ok(_place) = self.places.acquire().await {
            let _logged = self.fetch(&relationship, Asker::Schedule).await;
        }
    }

    /// Fetches, stores, logs, and sets the time of the next attempt.
    async fn fetch(&self, relationship: &FederationRecord, asker: Asker) -> Result<Refreshed, RefreshError> {
        let trust_domain = &relationship.trust_domain;
        let outcome = self.try_fetch(relationship, asker).await;
        self.set_next(relationship, &outcome).await;
        match &outcome {
            Ok(Refreshed {
                bundle,
                changed: true,
            }) => tracing::info!(
                event = BUNDLE_REFRESHED,
                %trust_domain,
                sequence = bundle.sequence,
                x509_authorities = bundle.x509_authorities.len(),
                jwt_authorities = bundle.jwt_authorities.len(),
            ),
            Ok(_) => tracing::debug!(%trust_domain, "the bundle is as it was"),
            Err(error) => {
                let error = error as &dyn std::error::Error;
                tracing::warn!(event = BUNDLE_REFRESH_FAILED, %trust_domain, url = without_query(&relationship.endpoint_url), error);
            }
        }
        outcome
    }

    /// Sets the time of the next attempt, by the bundle that is held now.
    async fn set_next(&self, relationship: &FederationRecord, outcome: &Result<Refreshed, RefreshError>) {
        let trust_domain = &relationship.trust_domain;
        let held = match outcome {
            Ok(refreshed) => Some(refreshed.bundle.clone()),
            // What there is instead by now is due at once.
            Err(RefreshError::NoRelationship(_)) => return,
            // What cannot be read now is asked for again soon.
            Err(_) => self.datastore.federated_bundle(trust_domain).await.ok().flatten(),
        };
        let wait = refresh_after(held.as_ref());
        if let Some(next) = self.clock.now().checked_add(wait) {
            self.schedule().set(relationship, next, outcome.is_err());
        }
    }

    async fn try_fetch(
        &self,
        relationship: &FederationRecord,
        asker: Asker,
    ) -> Result<Refreshed, RefreshError> {
        let trust_domain = &relationship.trust_domain;
        let endpoint = endpoint(relationship)?;
        let held = match endpoint.profile.endpoint_id() {
            Some(id) => self.bundle_of(id.trust_domain()).await?.into_iter().collect(),
            None => BundleSet::new(),
        };
        let fetched = self.client.fetch(trust_domain, &endpoint, &held).await;
        let fetched = fetched.map_err(|source| RefreshError::Fetch {
            trust_domain: trust_domain.clone(),
            url: without_query(&relationship.endpoint_url).to_owned(),
            source,
        })?;
        // The relationship may have ended, or lead elsewhere, while the endpoint took its time.
        let only_newer = asker == Asker::Schedule;
        let set = self
            .datastore
            .set_fetched_bundle(&fetched, relationship, only_newer);
        match set.await? {
            FetchedBundle::Set { bundle, changed } => Ok(Refreshed { bundle, changed }),
            FetchedBundle::NoRelationship => Err(RefreshError::NoRelationship(trust_domain.clone())),
            FetchedBundle::Older(held) => Err(RefreshError::Older {
                trust_domain: trust_domain.clone(),
                url: without_query(&relationship.endpoint_url).to_owned(),
                held,
                fetched: fetched.sequence,
            }),
        }
    }

    /// The bundle of any trust domain, the server's own included.
    async fn bundle_of(
        &self,
        trust_domain: &TrustDomain,
    ) -> Result<Option<Arc<TrustBundle>>, DatastoreError> {
        if trust_domain == self.authorities.trust_domain() {
            return Ok(Some(self.authorities.bundle()));
        }
        let held = self.datastore.federated_bundle(trust_domain).await?;
        Ok(held.map(Arc::new))
    }

    async fn relationships(&self) -> Result<Vec<FederationRecord>, DatastoreError> {
        let mut found = Vec::new();
        let mut request = PageRequest::first(MAX_PAGE_SIZE);
        loop {
            let page = self.datastore.list_federation(&request).await?;
            found.extend(page.items);
            match page.next {
                Some(next) => request = request.after(next),
                None => return Ok(found),
            }
        }
    }

    fn schedule(&self) -> std::sync::MutexGuard<'_, Schedule> {
        // Every change is complete before anything in it can panic.
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the background is at, until it is not: however that comes to its end.
struct Underway<'a>(&'a Federation, &'a FederationRecord);

impl Drop for Underway<'_> {
    fn drop(&mut self) {
        self.0.schedule().end(self.1);
    }
}

/// A URL for the log: what stands in its query may be a secret, as in URLs that are signed.
pub(crate) fn without_query(url: &str) -> &str {
    url.split_once('?').map_or(url, |(place, _)| place)
}

fn endpoint(relationship: &FederationRecord) -> Result<Endpoint, DatastoreError> {
    let url = relationship.endpoint_url.parse();
    Ok(Endpoint {
        url: url.map_err(|error| DatastoreError::Corrupt {
            what: "a relationship",
            reason: format!("{error}"),
        })?,
        profile: match &relationship.profile {
            FederationProfile::HttpsWeb => EndpointProfile::HttpsWeb,
            FederationProfile::HttpsSpiffe(id) => EndpointProfile::HttpsSpiffe {
                endpoint_id: id.clone(),
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_of_a_url_is_not_shown() {
        for (url, shown) in [
            ("https://a.test/b", "https://a.test/b"),
            ("https://a.test/b?signature=s3cret?", "https://a.test/b"),
            ("https://a.test?s3cret", "https://a.test"),
        ] {
            assert_eq!(without_query(url), shown);
        }
    }
}
