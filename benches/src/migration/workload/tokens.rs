//! The JWT-SVID that a workload shows, and the keys that it verifies those of others with.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use spiffe::{SpiffeId, TrustDomain};
use symbolon_api::spiffe::workload as wire;
use symbolon_api::spiffe::workload::spiffe_workload_api_client::SpiffeWorkloadApiClient;
use symbolon_api::{MAX_MESSAGE, WORKLOAD_METADATA, WORKLOAD_METADATA_VALUE};
use symbolon_pki::bundle::{BundleSet, TrustBundle};
use symbolon_pki::jwt::{parse_unverified, verify_jwt_svid};
use symbolon_tls::grpc::{ChannelOptions, unix_channel};
use symbolon_tls::workload_api::{Endpoint, WorkloadApiClient};
use tokio::sync::{mpsc, watch};
use tonic::Request;
use tonic::metadata::MetadataValue;

use super::super::protocol::Said;
use crate::issuer::AnyError;

/// Whom every token is meant for.
const AUDIENCE: &str = "load";

/// How often the agent is asked for the token; it gives the same one until half of its life is over.
const PACE: Duration = Duration::from_secs(2);

/// Between two tries of what failed.
const PAUSE: Duration = Duration::from_secs(1);

/// A token, and the key that signed it.
struct Token {
    text: Arc<str>,
    key: String,
}

#[derive(Default)]
struct Held {
    token: Option<Token>,
    bundles: Arc<BundleSet>,
}

/// What the agent gives of tokens.
pub(super) struct Tokens {
    held: Mutex<Held>,
    changes: watch::Sender<u64>,
}

impl Tokens {
    /// Follows the agent at a socket. There is a token and a bundle when this returns.
    pub(super) async fn follow(
        agent: &Path,
        own: &SpiffeId,
        say: mpsc::Sender<Said>,
    ) -> Result<Arc<Self>, AnyError> {
        let tokens = Arc::new(Self {
            held: Mutex::default(),
            changes: watch::Sender::new(0),
        });
        let mut changes = tokens.changes();
        let bundles = tokens.clone();
        tokio::spawn(bundles.follow_bundles(agent.to_owned(), own.trust_domain().clone(), say.clone()));
        tokio::spawn(tokens.clone().follow_token(agent.to_owned(), own.clone(), say));
        while tokens.token().is_none() || tokens.held().bundles.is_empty() {
            changes.changed().await?;
        }
        Ok(tokens)
    }

    /// Tells of every change.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// The keys that are trusted, and the one that signed the own token.
    pub(super) fn keys(&self) -> (BTreeSet<String>, Option<String>) {
        let held = self.held();
        let trusted = held.bundles.iter().flat_map(|bundle| &bundle.jwt_authorities);
        let trusted = trusted.map(|authority| authority.key_id.clone()).collect();
        (trusted, held.token.as_ref().map(|token| token.key.clone()))
    }

    /// The token to show.
    pub(super) fn token(&self) -> Option<Arc<str>> {
        self.held().token.as_ref().map(|token| token.text.clone())
    }

    /// The key that signed a peer's token.
    ///
    /// # Errors
    /// Why it is not to be believed.
    pub(super) fn verify(&self, token: &str, peer: &SpiffeId) -> Result<String, String> {
        let bundles = self.held().bundles.clone();
        let verified = verify_jwt_svid(token, AUDIENCE, &bundles, SystemTime::now())
            .map_err(|error| format!("the token: {error}"))?;
        match verified.spiffe_id == *peer {
            true => Ok(verified.key_id),
            false => Err(format!("{peer} showed a token of {}", verified.spiffe_id)),
        }
    }

    async fn follow_token(self: Arc<Self>, agent: PathBuf, own: SpiffeId, say: mpsc::Sender<Said>) {
        loop {
            let ended = match WorkloadApiClient::connect(&Endpoint::Unix(agent.clone())).await {
                Ok(client) => self.keep_token(&client, &own).await,
                Err(error) => Err(error.into()),
            };
            trouble(&say, "the token", ended).await;
        }
    }

    /// Keeps a token fresh until that fails.
    async fn keep_token(&self, client: &WorkloadApiClient, own: &SpiffeId) -> Result<(), AnyError> {
        let mut ticks = tokio::time::interval(PACE);
        loop {
            ticks.tick().await;
            let svids = client.fetch_jwt(&[AUDIENCE.to_owned()], Some(own)).await?;
            let svid = svids.first().ok_or("the agent gave none")?;
            if self.token().as_deref() == Some(svid.token.as_str()) {
                continue;
            }
            self.held().token = Some(Token {
                text: svid.token.as_str().into(),
                key: parse_unverified(&svid.token)?.key_id,
            });
            self.changed();
        }
    }

    async fn follow_bundles(self: Arc<Self>, agent: PathBuf, own: TrustDomain, say: mpsc::Sender<Said>) {
        loop {
            let ended = self.watch_bundles(&agent, &own).await;
            trouble(&say, "the JWT bundle", ended).await;
        }
    }

    async fn watch_bundles(&self, agent: &Path, own: &TrustDomain) -> Result<(), AnyError> {
        let options = ChannelOptions {
            request_timeout: None,
            ..ChannelOptions::default()
        };
        let channel = unix_channel(agent, &options).await?;
        let mut api = SpiffeWorkloadApiClient::new(channel).max_decoding_message_size(MAX_MESSAGE);
        let mut request = Request::new(wire::JwtBundlesRequest {});
        let header = MetadataValue::from_static(WORKLOAD_METADATA_VALUE);
        request.metadata_mut().insert(WORKLOAD_METADATA, header);
        let mut answers = api.fetch_jwt_bundles(request).await?.into_inner();
        while let Some(answer) = answers.message().await? {
            let document = answer
                .bundles
                .get(&own.id_string())
                .ok_or("there is none of the own trust domain")?;
            let bundle = TrustBundle::from_jwt_jwks(own, document)?;
            self.held().bundles = Arc::new(BundleSet::from(bundle));
            self.changed();
        }
        Ok(())
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells the load that something ended which should not have, and waits a little.
async fn trouble(say: &mpsc::Sender<Said>, what: &str, ended: Result<(), AnyError>) {
    let how = ended
        .err()
        .map_or("the agent ended it".to_owned(), |error| error.to_string());
    // A load that is gone needs no telling.
    say.send(Said::Trouble(format!("{what}: {how}"))).await.ok();
    tokio::time::sleep(PAUSE).await;
}
