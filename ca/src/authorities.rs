//! The server's own authorities: one succession per family, its journal, and the bundle it publishes.
//!
//! An authority is **prepared** (its key made, its certificate published), then **activated** (it signs), then
//! **old** (what it signed stays good), and where it is not to be trusted any more **tainted** (what it signed is
//! replaced at once) and **revoked** (what it signed counts no more). Authorities are prepared and activated in good
//! time ([`Authorities::rotate_due`]); every step can be had by command ([`Authorities::prepare`] and its like). Each
//! is one transaction of the journal; a key is made before the journal names it, and a key of this server's that no
//! journal line names, or that of a revoked authority, is destroyed at the next start. So a server killed between any
//! two steps starts from what the journal says.
//!
//! This module decides when and makes it durable. It does not know how a certificate is encoded, who may ask for
//! a rotation, or what an SVID is.

mod changing;
mod choosing;
mod commands;
mod error;
mod keys;
mod looking;
mod making;
mod settings;
mod slots;
mod snapshot;
mod tally;
mod upstream;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use spiffe::TrustDomain;
use symbolon_hsm::Stores;
use symbolon_issuance::Authority;
use symbolon_issuance::jwt::JwtAuthority as JwtSigner;
use symbolon_issuance::wit::WitAuthority as WitSigner;
use symbolon_pki::bundle::{BundleSet, TrustBundle};
use symbolon_pki::suite::Family;
use symbolon_pki::time::Clock;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::datastore::{AuthorityRecord, AuthorityState, Datastore};
use crate::record::Recorder;

pub use choosing::{NOTICE, Plan, Rotating, Rotation};
pub use commands::Step;
pub use error::{AuthoritiesError, CommandError};
pub use looking::UnwellStore;
pub use settings::{AuthoritySettings, FamilySettings};
pub(crate) use settings::{may_be_alternative, may_sign};
pub use slots::{Change, ChangeKind};

use changing::{InMaking, Turns};
use choosing::Wanted;
pub(crate) use snapshot::bundle_of;
use snapshot::{Loaded, Signing, Snapshot};
use tally::Journal;

/// How often a running server looks whether an authority is due for a change.
const TICK: Duration = Duration::from_secs(10);

/// How long an expired authority stays in journal and bundle, for clocks that are slow.
const PRUNE_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// The authorities of one server.
#[derive(Debug)]
pub struct Authorities {
    settings: AuthoritySettings,
    stores: Arc<Stores>,
    datastore: Journal,
    recorder: Recorder,
    clock: Arc<dyn Clock>,
    /// What readers see; replaced as a whole after each change of the journal.
    current: ArcSwap<Snapshot>,
    published: watch::Sender<u64>,
    /// Who may change the journal, so that changes do not overlap.
    turns: Turns,
    /// What each family is to be; replaced as a whole.
    wanted: ArcSwap<Vec<Wanted>>,
    /// When upstreams that failed are asked again.
    waits: upstream::Waits,
    /// What upstreams said of what is ours.
    learnt: upstream::Learnt,
    /// Keys that no journal line names yet.
    in_making: InMaking,
    /// Whether a key may be left that nobody needs any more, since a store could not be reached.
    keys_are_left: AtomicBool,
}

impl Authorities {
    /// Loads the journal, opens the keys of the authorities that sign, makes what is missing and replaces what has
    /// expired. Returns the changes that took, oldest first, for the operator to see.
    ///
    /// # Errors
    /// [`AuthoritiesError`]: a store or the datastore fails, a key the journal names is missing or another one, the
    /// clock stands before an authority's notBefore, or an upstream does not answer and a family has nobody who signs.
    pub async fn open(
        settings: AuthoritySettings,
        stores: Arc<Stores>,
        datastore: Arc<dyn Datastore>,
        recorder: Recorder,
        clock: Arc<dyn Clock>,
    ) -> Result<(Arc<Self>, Vec<Change>), AuthoritiesError> {
        settings.check(&stores)?;
        let datastore = Journal::new(datastore);
        let wanted = choosing::wanted(&settings, &stores, &datastore).await?;
        let empty = Snapshot::empty(&settings.trust_domain);
        let turns = Turns::new(settings.families.iter().map(|family| family.family));
        let authorities = Self {
            settings,
            stores,
            datastore,
            recorder,
            clock,
            current: ArcSwap::from_pointee(empty),
            published: watch::Sender::new(0),
            turns,
            wanted: ArcSwap::from_pointee(wanted),
            keys_are_left: AtomicBool::new(false),
            waits: upstream::Waits::default(),
            learnt: upstream::Learnt::default(),
            in_making: InMaking::default(),
        };
        authorities.refuse_a_clock_in_the_past().await?;
        authorities.find_signing_keys().await?;
        authorities.retire_what_is_not_configured().await?;
        authorities.settle_upstreams().await?;
        authorities.forget_stale_requests().await?;
        authorities.destroy_orphaned_keys().await?;
        let changes = authorities.rotate_at_start().await?;
        Ok((Arc::new(authorities), changes))
    }

    /// Does what is due when a server starts. An upstream that does not answer keeps nobody from signing who can.
    async fn rotate_at_start(&self) -> Result<Vec<Change>, AuthoritiesError> {
        let (changes, failures) = self.take_due_steps().await;
        let is_upstream = |error: &AuthoritiesError| matches!(error, AuthoritiesError::Upstream { .. });
        if failures.iter().all(is_upstream) && self.can_all_sign_or_wait().await? {
            failures.iter().for_each(log_failure);
            return Ok(changes);
        }
        first_of(failures).map_or(Ok(changes), Err)
    }

    /// Whether each family has an authority that signs now, or waits for what somebody is to bring.
    async fn can_all_sign_or_wait(&self) -> Result<bool, AuthoritiesError> {
        let (snapshot, now) = (self.current.load_full(), self.clock.now());
        for family in self.families() {
            let signs = snapshot.signing.of_family(family).is_some_and(|signing| {
                let mut journal = snapshot.journal.iter();
                journal.any(|record| signing.is_of(record) && is_valid(record, now))
            });
            if !signs && self.awaited(family).await?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The authority of `family` that signs X.509 certificates now; `None` for families that are not configured.
    pub fn active(&self, family: Family) -> Option<Arc<Authority>> {
        self.current.load().signing.x509(family).cloned()
    }

    /// The key that signs JWT-SVIDs now; `None` if that family is not configured.
    pub fn jwt(&self) -> Option<Arc<JwtSigner>> {
        self.current.load().signing.jwt.clone()
    }

    /// The key that signs WIT-SVIDs now; `None` if that family is not configured.
    pub fn wit(&self) -> Option<Arc<WitSigner>> {
        self.current.load().signing.wit.clone()
    }

    /// What is published: the authorities of every family, tainted ones marked.
    pub fn bundle(&self) -> Arc<TrustBundle> {
        Arc::clone(&self.current.load().bundle)
    }

    /// The bundle as the one of its trust domain, for verifiers.
    pub fn bundles(&self) -> Arc<BundleSet> {
        Arc::clone(&self.current.load().bundles)
    }

    /// Tells of each change of what is published or signs; the value is the bundle's sequence number.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.published.subscribe()
    }

    /// Every authority in the journal, oldest first.
    pub fn journal(&self) -> Vec<AuthorityRecord> {
        self.current.load().journal.clone()
    }

    /// Whether a component key with this SPKI hash belongs to an authority, and so may certify nothing else.
    pub fn holds_component_key(&self, spki_sha256: &[u8; 32]) -> bool {
        self.current.load().component_keys.contains(spki_sha256)
    }

    /// The families that are configured.
    pub fn families(&self) -> impl Iterator<Item = Family> + '_ {
        self.settings.families.iter().map(|settings| settings.family)
    }

    /// The trust domain.
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.settings.trust_domain
    }

    /// Does what is due now: prepares, activates and forgets authorities. Returns the changes.
    ///
    /// # Errors
    /// [`AuthoritiesError`], the first there was. What could be done was done and is shown to readers: one family's
    /// key store must not keep the others from being rotated.
    pub async fn rotate_due(&self) -> Result<Vec<Change>, AuthoritiesError> {
        let (changes, failures) = self.take_due_steps().await;
        first_of(failures).map_or(Ok(changes), Err)
    }

    /// Does what is due now. Returns the changes, and everything that failed.
    async fn take_due_steps(&self) -> (Vec<Change>, Vec<AuthoritiesError>) {
        let mut changes = Vec::new();
        let mut failures = Vec::new();
        let mut opened = Vec::new();
        let now = self.clock.now();
        // One after the other: the journal and the bundle keep their order. Between two a command may have its turn:
        // whoever revokes an authority does not wait for every token that another family's key is on.
        for family in self.families() {
            let mut changing = self.turns.making(family).await;
            let Some(wanted) = self.wanted(family) else {
                continue;
            };
            let seen = changes.len();
            let rotated = self
                .rotate_family(&wanted, &mut changing, &mut changes, &mut opened)
                .await;
            failures.extend(rotated.err());
            // Who was made to sign signs, and who was let go does not, however long the next family's upstream thinks.
            if changes.len() > seen
                && let Err(error) = self.reload(opened.clone()).await
            {
                log_failure(&error);
            }
        }
        let _changing = self.turns.journal().await;
        if !failures.is_empty() || self.keys_are_left.load(Ordering::Relaxed) {
            // Or every further try would leave more keys behind.
            failures.extend(self.destroy_orphaned_keys().await.err());
        }
        failures.extend(self.forget_expired(now, &mut changes).await.err());
        failures.extend(self.reload(opened).await.err());
        for change in &changes {
            change.log();
        }
        (changes, failures)
    }

    /// Publishes what others put into the bundle: the datastore has it already.
    ///
    /// # Errors
    /// [`AuthoritiesError`]; the bundle that was published before stays then.
    pub async fn publish_appended(&self) -> Result<(), AuthoritiesError> {
        let _changing = self.turns.journal().await;
        self.reload(Vec::new()).await
    }

    /// Runs [`rotate_due`](Self::rotate_due) every ten seconds until `stop`. A failure is logged and tried again.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(TICK) => {}
            }
            self.follow_upstreams().await;
            if let Err(error) = self.rotate_due().await {
                log_failure(&error);
            }
        }
    }

    /// Reads the journal again and shows readers what it says; `opened` is what was opened to sign from now on, whose key
    /// is not asked for twice. Where the key of the authority that should sign cannot be had, the one before it goes on
    /// signing if it was replaced and no more than that; nobody signs with what is tainted, revoked or over.
    async fn reload(&self, opened: Vec<Loaded>) -> Result<(), AuthoritiesError> {
        let published = self.datastore.published_authorities().await?;
        let journal = self.datastore.authorities(None).await?;
        let bundle = bundle_of(&self.settings.trust_domain, &published)?;
        let previous = self.current.load_full();
        let mut signing = Signing::default();
        let mut failure = None;
        let configured =
            |record: &&AuthorityRecord| self.settings.families.iter().any(|f| f.family == record.family);
        for record in journal
            .iter()
            .filter(|record| record.state == AuthorityState::Active)
            .filter(configured)
        {
            let held = previous.signing.loaded(record);
            let just_opened = || opened.iter().find(|loaded| loaded.is_of(record)).cloned();
            let loaded = match held.or_else(just_opened) {
                Some(loaded) => Some(loaded),
                None => match self.load(record).await {
                    Ok(loaded) => Some(loaded),
                    Err(error) => {
                        failure.get_or_insert(error);
                        let signed = previous.signing.of_family(record.family);
                        signed.filter(|signed| may_go_on(signed, &journal, self.clock.now()))
                    }
                },
            };
            if let Some(loaded) = loaded {
                signing.place(loaded);
            }
        }
        let awaited = self.datastore.authority_requests().await?;
        let component_keys = journal
            .iter()
            .flat_map(|record| &record.keys)
            .chain(awaited.iter().flat_map(|request| &request.keys))
            .map(|key| key.spki_sha256)
            .collect();
        let bundle = Arc::new(bundle);
        let mut bundles = BundleSet::new();
        bundles.insert(Arc::clone(&bundle));
        let sequence = bundle.sequence;
        let next = Snapshot {
            signing,
            bundle,
            bundles: Arc::new(bundles),
            journal,
            component_keys,
        };
        let changed = next.journal != previous.journal || next.bundle != previous.bundle;
        self.current.store(Arc::new(next));
        if changed {
            self.published.send_replace(sequence);
        }
        failure.map_or(Ok(()), Err)
    }

    /// A clock before the notBefore of an authority that signs means that the clock is wrong: what it signs now
    /// would be refused everywhere, and a successor would make the mistake permanent.
    async fn refuse_a_clock_in_the_past(&self) -> Result<(), AuthoritiesError> {
        let now = self.clock.now();
        for record in self.datastore.authorities(None).await? {
            if record.state == AuthorityState::Active && now < record.not_before {
                return Err(AuthoritiesError::ClockInThePast {
                    family: record.family,
                    authority_id: record.authority_id,
                    not_before: record.not_before,
                    now,
                });
            }
        }
        Ok(())
    }
}

fn log_failure(error: &AuthoritiesError) {
    tracing::error!(
        event = "authority.rotation_failed",
        error = error as &dyn std::error::Error
    );
}

/// The first failure; the log has the others.
fn first_of(failures: Vec<AuthoritiesError>) -> Option<AuthoritiesError> {
    let mut failures = failures.into_iter();
    let first = failures.next();
    failures.for_each(|error| log_failure(&error));
    first
}

/// Whether an authority that was replaced may go on signing while its successor cannot.
fn may_go_on(signed: &Loaded, journal: &[AuthorityRecord], at: SystemTime) -> bool {
    journal
        .iter()
        .any(|record| signed.is_of(record) && record.state == AuthorityState::Old && is_valid(record, at))
}

/// Whether `at` lies within the validity of `record`.
fn is_valid(record: &AuthorityRecord, at: SystemTime) -> bool {
    record.not_before <= at && at < record.not_after
}
