//! Other trust domains that the handshake believes: those of administrators whom the configuration names.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use spiffe::TrustDomain;
use symbolon_pki::bundle::{BundleSet, TrustBundle};
use symbolon_tls::{HandshakeCounts, IdentitySource, SvidIdentity};
use tokio_util::sync::CancellationToken;

use crate::config::ServerConfig;
use crate::datastore::{Datastore, DatastoreError};
use crate::telemetry::BACKGROUND_FAILED;

/// How often their bundles are looked at.
const INTERVAL: Duration = Duration::from_secs(5);

/// The server's own identity and bundle, with the bundles of those trust domains beside it.
#[derive(Debug)]
pub(super) struct WithForeign {
    own: Arc<dyn IdentitySource>,
    datastore: Arc<dyn Datastore>,
    trust_domains: BTreeSet<TrustDomain>,
    bundles: ArcSwap<Vec<Arc<TrustBundle>>>,
    /// Put together when one of its parts is another, for every handshake asks for it.
    all: ArcSwap<All>,
}

/// The own bundle and the others, and what they make together.
#[derive(Debug)]
struct All {
    own: Arc<BundleSet>,
    foreign: Arc<Vec<Arc<TrustBundle>>>,
    together: Arc<BundleSet>,
}

impl All {
    fn new(own: Arc<BundleSet>, foreign: Arc<Vec<Arc<TrustBundle>>>) -> Self {
        let together = if foreign.is_empty() {
            Arc::clone(&own)
        } else {
            let mut all = (*own).clone();
            for bundle in foreign.iter() {
                // No foreign bundle ever stands in for the server's own.
                if own.get(&bundle.trust_domain).is_none() {
                    all.insert(Arc::clone(bundle));
                }
            }
            Arc::new(all)
        };
        Self {
            own,
            foreign,
            together,
        }
    }

    fn is_of(&self, own: &Arc<BundleSet>, foreign: &Arc<Vec<Arc<TrustBundle>>>) -> bool {
        Arc::ptr_eq(&self.own, own) && Arc::ptr_eq(&self.foreign, foreign)
    }
}

impl WithForeign {
    /// With what is known now.
    ///
    /// # Errors
    /// The datastore's.
    pub(super) async fn open(
        config: &ServerConfig,
        own: Arc<dyn IdentitySource>,
        datastore: Arc<dyn Datastore>,
    ) -> Result<Arc<Self>, DatastoreError> {
        let trust_domains = config.foreign_admins().map(|id| id.trust_domain().clone());
        let source = Self {
            all: ArcSwap::from_pointee(All::new(own.bundles(), Arc::default())),
            own,
            datastore,
            trust_domains: trust_domains.collect(),
            bundles: ArcSwap::default(),
        };
        source.look().await?;
        Ok(Arc::new(source))
    }

    async fn look(&self) -> Result<(), DatastoreError> {
        let mut bundles = Vec::new();
        for trust_domain in &self.trust_domains {
            let bundle = self.datastore.federated_bundle(trust_domain).await?;
            bundles.extend(bundle.map(Arc::new));
        }
        self.bundles.store(Arc::new(bundles));
        Ok(())
    }

    /// Keeps up with the datastore until `stop`. While that does not answer, what was known holds.
    pub(super) async fn run(self: Arc<Self>, stop: CancellationToken) {
        if self.trust_domains.is_empty() {
            return;
        }
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(INTERVAL) => {}
            }
            if let Err(error) = self.look().await {
                let error = &error as &dyn std::error::Error;
                tracing::error!(
                    event = BACKGROUND_FAILED,
                    task = "read the bundles of foreign administrators",
                    error
                );
            }
        }
    }
}

impl IdentitySource for WithForeign {
    fn identities(&self) -> Arc<[Arc<SvidIdentity>]> {
        self.own.identities()
    }

    fn handshakes(&self) -> Option<&HandshakeCounts> {
        self.own.handshakes()
    }

    fn bundles(&self) -> Arc<BundleSet> {
        let (own, foreign) = (self.own.bundles(), self.bundles.load_full());
        let known = self.all.load();
        if known.is_of(&own, &foreign) {
            return Arc::clone(&known.together);
        }
        let all = All::new(own, foreign);
        let together = Arc::clone(&all.together);
        self.all.store(Arc::new(all));
        together
    }
}
