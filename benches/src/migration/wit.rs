//! WIT-SVIDs through rotations. No Workload API of a node serves them yet, so the load itself is who asks the server for
//! them. It verifies each with the trust bundle, and with it one of every key before: what they signed counts on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use symbolon_api::spire::api::server::svid::v1::MintWitsvidRequest;
use symbolon_api::spire::api::server::svid::v1::svid_client::SvidClient;
use symbolon_api::spire::api::types;
use symbolon_ca::client::{Client, Reader as _};
use symbolon_interop::chain::TRUST_DOMAIN;
use symbolon_pki::bundle::BundleSet;
use symbolon_pki::key::PrivateKey;
use symbolon_pki::suite::Suite;
use symbolon_pki::wit::verify_wit_svid;
use symbolon_tls::grpc::{ChannelOptions, unix_channel};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tonic::transport::Channel;

use crate::issuer::AnyError;

/// Between two tokens.
const PACE: Duration = Duration::from_millis(500);

/// What came of the tokens.
#[derive(Clone, Debug, Default)]
pub(super) struct Verified {
    /// How often one was verified, by the key that signed it.
    pub(super) by_key: BTreeMap<String, u64>,
    /// The keys in the bundle.
    pub(super) trusted: BTreeSet<String>,
    pub(super) failures: Vec<String>,
}

/// Goes on until dropped.
#[derive(Debug)]
pub(super) struct Tokens {
    verified: Arc<Mutex<Verified>>,
    going: JoinHandle<()>,
}

impl Drop for Tokens {
    fn drop(&mut self) {
        self.going.abort();
    }
}

impl Tokens {
    /// Begins, at a server's private socket.
    ///
    /// # Errors
    /// If nobody answers there.
    pub(super) async fn follow(socket: &Path) -> Result<Self, AnyError> {
        let mut asking = Asking {
            bundle: Client::over_socket(socket).await?,
            channel: unix_channel(socket, &ChannelOptions::default()).await?,
            holder: PrivateKey::generate(Suite::EcdsaP256)?.public_key()?.spki_der(),
            kept: BTreeMap::new(),
        };
        let verified = Arc::new(Mutex::new(Verified::default()));
        let told = verified.clone();
        let going = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(PACE);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                if let Err(error) = asking.once(&told).await {
                    lock(&told).failures.push(error.to_string());
                }
            }
        });
        Ok(Self { verified, going })
    }

    pub(super) fn verified(&self) -> Verified {
        lock(&self.verified).clone()
    }
}

struct Asking {
    bundle: Client,
    channel: Channel,
    /// The key that all tokens are bound to.
    holder: Vec<u8>,
    /// The latest token of each key.
    kept: BTreeMap<String, String>,
}

impl Asking {
    async fn once(&mut self, told: &Mutex<Verified>) -> Result<(), AnyError> {
        let request = MintWitsvidRequest {
            id: Some(types::Spiffeid {
                trust_domain: TRUST_DOMAIN.to_owned(),
                path: "/load/wit".to_owned(),
            }),
            public_key: self.holder.clone(),
            ttl: 0,
            signing_algorithm: "ES256".to_owned(),
        };
        let minted = SvidClient::new(self.channel.clone())
            .mint_witsvid(request)
            .await?;
        let token = minted.into_inner().svid.ok_or("no WIT-SVID")?.token;
        let bundle = self.bundle.bundle().await?;
        let trusted = bundle
            .wit_authorities
            .iter()
            .map(|key| key.key_id.clone())
            .collect();
        let bundles = BundleSet::from(bundle);
        let new = verify_wit_svid(&token, &bundles, SystemTime::now())?;
        self.kept.insert(new.key_id, token);
        for token in self.kept.values() {
            let verified = verify_wit_svid(token, &bundles, SystemTime::now())?;
            *lock(told).by_key.entry(verified.key_id).or_default() += 1;
        }
        lock(told).trusted = trusted;
        Ok(())
    }
}

fn lock(verified: &Mutex<Verified>) -> MutexGuard<'_, Verified> {
    verified.lock().unwrap_or_else(PoisonError::into_inner)
}
