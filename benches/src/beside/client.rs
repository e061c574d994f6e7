//! The client of both servers: an operator on the private socket, and agents over TLS.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};
use spiffe::{SpiffeId, TrustDomain};
use symbolon_api::FORMS_METADATA;
use symbolon_api::spire::api::server::agent::v1 as agent_api;
use symbolon_api::spire::api::server::agent::v1::agent_client::AgentClient;
use symbolon_api::spire::api::server::bundle::v1::GetBundleRequest;
use symbolon_api::spire::api::server::bundle::v1::bundle_client::BundleClient;
use symbolon_api::spire::api::server::entry::v1::entry_client::EntryClient;
use symbolon_api::spire::api::server::entry::v1::{BatchCreateEntryRequest, SyncAuthorizedEntriesRequest};
use symbolon_api::spire::api::server::svid::v1::svid_client::SvidClient;
use symbolon_api::spire::api::server::svid::v1::{BatchNewX509svidRequest, NewX509svidParams};
use symbolon_api::spire::api::types;
use symbolon_pki::bundle::{BundleSet, TrustBundle, X509Authority};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::csr::CsrBuilder;
use symbolon_pki::key::{PrivateKey, SuiteSigner};
use symbolon_pki::suite::{Form, Suite};
use symbolon_pki::time::SystemClock;
use symbolon_tls::grpc::{ALPN_H2, ChannelOptions, channel, unix_channel};
use symbolon_tls::{AuthorizeId, ClientOptions, Connector, StaticSource, SvidIdentity};
use tokio::sync::mpsc;
use tonic::Request;
use tonic::transport::Channel;

use super::peer::{Peer, TRUST_DOMAIN};
use crate::issuer::AnyError;

/// Longest wait for entries to reach agents.
const PATIENCE: Duration = Duration::from_secs(120);

/// Entries in a batch, and in a page of the sync: as SPIRE's agent asks.
const PAGE: usize = 500;

/// Somebody at the private socket.
pub(super) struct Operator {
    channel: Channel,
    bundles: BundleSet,
}

/// What one attestation needs.
pub(super) struct Prepared {
    token: String,
    signer: SuiteSigner,
    csr: Vec<u8>,
}

/// An agent that has attested, with a connection that shows its SVID.
pub(super) struct Agent {
    id: SpiffeId,
    channel: Channel,
}

/// What one sync came to.
pub(super) struct Synced {
    pub(super) entries: usize,
    pub(super) took: Duration,
}

impl Operator {
    pub(super) async fn connect(peer: &Peer) -> Result<Self, AnyError> {
        let channel = unix_channel(&peer.socket(), &ChannelOptions::default()).await?;
        let bundle = BundleClient::new(channel.clone())
            .get_bundle(GetBundleRequest::default())
            .await?
            .into_inner();
        let mut read = TrustBundle::new(TrustDomain::new(TRUST_DOMAIN)?);
        for authority in bundle.x509_authorities {
            read.x509_authorities
                .push(X509Authority::new(Certificate::from_der(&authority.asn1)?));
        }
        let mut bundles = BundleSet::new();
        bundles.insert(read);
        Ok(Self { channel, bundles })
    }

    /// Tokens and keys for attestations.
    pub(super) async fn prepare(&self, count: usize) -> Result<Vec<Prepared>, AnyError> {
        let mut client = AgentClient::new(self.channel.clone());
        let mut prepared = Vec::with_capacity(count);
        for _ in 0..count {
            let request = agent_api::CreateJoinTokenRequest {
                ttl: 600,
                ..agent_api::CreateJoinTokenRequest::default()
            };
            let token = client.create_join_token(request).await?.into_inner().value;
            let signer = PrivateKey::generate(Suite::EcdsaP256)?.signer()?;
            let csr = CsrBuilder::new(&signer).build()?;
            prepared.push(Prepared { token, signer, csr });
        }
        Ok(prepared)
    }

    /// Has all of them attest, some at a time, each on a connection of its own.
    pub(super) async fn attest_all(
        &self,
        peer: &Peer,
        prepared: Vec<Prepared>,
        at_once: usize,
    ) -> Result<(), AnyError> {
        let mut attesting = stream::iter(prepared)
            .map(|one| self.attest(peer, one))
            .buffer_unordered(at_once);
        while let Some(attested) = attesting.next().await {
            attested?;
        }
        Ok(())
    }

    /// An agent that has attested.
    pub(super) async fn attested(&self, peer: &Peer) -> Result<Agent, AnyError> {
        let prepared = self.prepare(1).await?.pop().ok_or("one was asked for")?;
        let identity = self.attest(peer, prepared).await?;
        let id = identity.spiffe_id().clone();
        Ok(Agent {
            channel: self.over_tls(peer, vec![Arc::new(identity)]).await?,
            id,
        })
    }

    async fn attest(&self, peer: &Peer, prepared: Prepared) -> Result<SvidIdentity, AnyError> {
        use agent_api::attest_agent_request::{Params, Step};
        use agent_api::attest_agent_response::Step as Reply;

        let params = Params {
            data: Some(types::AttestationData {
                r#type: "join_token".to_owned(),
                payload: prepared.token.into_bytes(),
            }),
            params: Some(agent_api::AgentX509svidParams { csr: prepared.csr }),
        };
        let request = agent_api::AttestAgentRequest {
            step: Some(Step::Params(params)),
        };
        let channel = self.over_tls(peer, Vec::new()).await?;
        let mut replies = AgentClient::new(channel)
            .attest_agent(stream::iter([request]))
            .await?
            .into_inner();
        let reply = replies.message().await?.and_then(|reply| reply.step);
        let Some(Reply::Result(result)) = reply else {
            return Err(format!("attestation ended with {reply:?}").into());
        };
        let svid = result.svid.ok_or("attestation gave no SVID")?;
        Ok(SvidIdentity::new(svid.cert_chain, prepared.signer)?)
    }

    async fn over_tls(&self, peer: &Peer, identities: Vec<Arc<SvidIdentity>>) -> Result<Channel, AnyError> {
        // Who attests has no SVID yet.
        let is_new = identities.is_empty();
        let source = Arc::new(StaticSource::new(identities, self.bundles.clone()));
        let server = SpiffeId::new(format!("spiffe://{TRUST_DOMAIN}/spire/server"))?;
        let (server, clock) = (AuthorizeId::OneOf(vec![server]), Arc::new(SystemClock));
        let options = ClientOptions {
            alpn: vec![ALPN_H2.to_vec()],
            ..ClientOptions::default()
        };
        let connector = match is_new {
            true => Connector::without_identity(source, server, clock, options),
            false => Connector::new(source, server, clock, options),
        };
        Ok(channel(&peer.address().to_string(), connector, &ChannelOptions::default()).await?)
    }

    /// Creates entries below an agent, and gives their ids.
    pub(super) async fn create(
        &self,
        parent: &SpiffeId,
        name: &str,
        count: usize,
    ) -> Result<Vec<String>, AnyError> {
        let mut client = EntryClient::new(self.channel.clone());
        let entries: Vec<types::Entry> = (0..count)
            .map(|number| types::Entry {
                spiffe_id: Some(types::Spiffeid {
                    trust_domain: TRUST_DOMAIN.to_owned(),
                    path: format!("/{name}/{number}"),
                }),
                parent_id: Some(parent.into()),
                selectors: vec![types::Selector {
                    r#type: "unix".to_owned(),
                    value: format!("uid:{number}"),
                }],
                ..types::Entry::default()
            })
            .collect();
        let mut ids = Vec::with_capacity(count);
        for batch in entries.chunks(PAGE) {
            let request = BatchCreateEntryRequest {
                entries: batch.to_vec(),
                output_mask: None,
            };
            for result in client.batch_create_entry(request).await?.into_inner().results {
                let entry = result
                    .entry
                    .ok_or_else(|| format!("an entry was refused: {:?}", result.status))?;
                ids.push(entry.id);
            }
        }
        Ok(ids)
    }
}

impl Agent {
    pub(super) fn id(&self) -> &SpiffeId {
        &self.id
    }

    /// One batch; every SVID of it has to be there. Returns their chains.
    pub(super) async fn batch(
        &self,
        entries: &[String],
        csrs: &[Vec<u8>],
        form: Form,
    ) -> Result<Vec<Vec<Vec<u8>>>, AnyError> {
        // A form that stock servers do not know is asked for; what they know is asked for as stock agents do.
        let named = match form {
            Form::Classical => String::new(),
            other => other.name().to_owned(),
        };
        let params = entries
            .iter()
            .zip(csrs)
            .map(|(entry_id, csr)| NewX509svidParams {
                entry_id: entry_id.clone(),
                csr: csr.clone(),
                form: named.clone(),
            })
            .collect();
        let mut request = Request::new(BatchNewX509svidRequest { params });
        if form != Form::Classical {
            request
                .metadata_mut()
                .insert(FORMS_METADATA, form.name().parse()?);
        }
        let results = SvidClient::new(self.channel.clone())
            .max_decoding_message_size(16 * 1024 * 1024)
            .batch_new_x509svid(request)
            .await?
            .into_inner()
            .results;
        let mut chains = Vec::with_capacity(csrs.len());
        for result in results {
            let svid = result
                .svid
                .ok_or_else(|| format!("an SVID was refused: {:?}", result.status))?;
            chains.push(svid.cert_chain);
        }
        match chains.len() == csrs.len() {
            true => Ok(chains),
            false => Err(format!("{} of {} SVIDs were issued", chains.len(), csrs.len()).into()),
        }
    }

    /// Waits until as many entries are authorised: servers may look for new ones only now and then.
    pub(super) async fn until_authorized(&self, entries: usize) -> Result<(), AnyError> {
        let deadline = Instant::now() + PATIENCE;
        while self.sync(false).await?.entries < entries {
            if Instant::now() > deadline {
                return Err(format!("{entries} entries do not reach the agent").into());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Ok(())
    }

    /// Syncs as SPIRE's agent does: what there is, and then, if `whole`, all of it as if it were new.
    pub(super) async fn sync(&self, whole: bool) -> Result<Synced, AnyError> {
        let started = Instant::now();
        let (asking, asked) = mpsc::channel(1);
        let first = SyncAuthorizedEntriesRequest {
            output_mask: Some(types::EntryMask {
                spiffe_id: true,
                selectors: true,
                federates_with: true,
                x509_svid_ttl: true,
                jwt_svid_ttl: true,
                expires_at: true,
                revision_number: true,
                store_svid: true,
                hint: true,
                created_at: true,
                ..types::EntryMask::default()
            }),
            ids: Vec::new(),
        };
        asking.send(first).await?;
        let mut pages = EntryClient::new(self.channel.clone())
            .sync_authorized_entries(tokio_stream::wrappers::ReceiverStream::new(asked))
            .await?
            .into_inner();
        let (mut ids, mut entries) = (Vec::new(), 0);
        while let Some(page) = pages.message().await? {
            entries += page.entries.len();
            ids.extend(page.entry_revisions.into_iter().map(|revision| revision.id));
            if !page.more {
                break;
            }
        }
        if !whole {
            entries += ids.len();
            ids.clear();
        }
        for chunk in ids.chunks(PAGE) {
            let request = SyncAuthorizedEntriesRequest {
                output_mask: None,
                ids: chunk.to_vec(),
            };
            asking.send(request).await?;
            while let Some(page) = pages.message().await? {
                entries += page.entries.len();
                if !page.more {
                    break;
                }
            }
        }
        Ok(Synced {
            entries,
            took: started.elapsed(),
        })
    }
}
