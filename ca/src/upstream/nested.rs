//! A server above this one, of the same trust domain: Symbolon or SPIRE.
//!
//! This server is a workload of an agent of the upper one, which is who it is there: an entry with `downstream` for it is
//! all that the upper server needs to know. What is asked goes over mutual TLS with that SVID.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use spiffe::{SpiffeId, TrustDomain};
use symbolon_api::spire::api::server::bundle::v1::bundle_client::BundleClient;
use symbolon_api::spire::api::server::bundle::v1::{
    GetBundleRequest, PublishJwtAuthorityRequest, PublishWitAuthorityRequest,
};
use symbolon_api::spire::api::server::svid::v1::NewDownstreamX509caRequest;
use symbolon_api::spire::api::server::svid::v1::svid_client::SvidClient;
use symbolon_api::spire::api::types;
use symbolon_api::{MAX_MESSAGE, forms};
use symbolon_pki::bundle::{BundleSet, JwtAuthority, MAX_AUTHORITIES, X509Authority};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::suite::{Family, Form};
use symbolon_pki::text::printable;
use symbolon_pki::time::{Clock, from_unix_seconds, unix_seconds};
use symbolon_tls::grpc::{ALPN_H2, ChannelOptions, channel};
use symbolon_tls::workload_api::Endpoint;
use symbolon_tls::{
    AuthorizeId, Backoff, ClientOptions, Connector, IdentitySource, SvidIdentity, X509Source,
};
use tokio::sync::Mutex;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use super::{Answer, MintOrder, Minted, Upstream, UpstreamBundle, UpstreamError};
use crate::datastore::{AppendedAuthorities, AuthorityKind, MAX_PUBLISHED};

/// What a nested server has to know of the one above it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NestedOptions {
    /// Host and port of its API.
    pub address: String,
    /// The Workload API socket of an agent of its.
    pub workload_api_socket: PathBuf,
    /// Who this server is there, where the agent gives it several identities.
    pub spiffe_id: Option<SpiffeId>,
    /// Whether it can be asked for other forms than the classical one.
    pub has_forms: bool,
    /// Longest time for a call, and for reaching either.
    pub timeout: Duration,
}

/// A server above this one.
#[derive(Debug)]
pub struct Nested {
    trust_domain: TrustDomain,
    options: NestedOptions,
    clock: Arc<dyn Clock>,
    link: Mutex<Link>,
}

#[derive(Debug, Default)]
struct Link {
    source: Option<Arc<X509Source>>,
    channel: Option<Channel>,
}

impl Nested {
    /// The server above one of this trust domain. Nobody is called yet.
    pub fn new(trust_domain: TrustDomain, options: NestedOptions, clock: Arc<dyn Clock>) -> Self {
        Self {
            trust_domain,
            options,
            clock,
            link: Mutex::default(),
        }
    }

    /// Makes a call, in time; a connection that failed is made anew for the next one.
    async fn call<T, F>(&self, call: impl FnOnce(Channel) -> F) -> Result<T, UpstreamError>
    where
        F: Future<Output = Result<tonic::Response<T>, Status>>,
    {
        let channel = self.connected().await?;
        match tokio::time::timeout(self.options.timeout, call(channel)).await {
            Ok(Ok(answer)) => Ok(answer.into_inner()),
            Ok(Err(status)) => {
                let unanswered = matches!(
                    status.code(),
                    Code::Unavailable | Code::DeadlineExceeded | Code::Unknown | Code::Cancelled
                );
                if unanswered {
                    self.link.lock().await.channel = None;
                }
                let said = format!("{:?}: {}", status.code(), printable(status.message()));
                Err(match status.code() {
                    _ if unanswered => UpstreamError::Unavailable(said),
                    // Of a key that is published: it was revoked there, or another one has its name.
                    Code::AlreadyExists => UpstreamError::Distrusted(said),
                    _ => UpstreamError::Refused(said),
                })
            }
            Err(_) => {
                self.link.lock().await.channel = None;
                Err(self.late(&self.options.address))
            }
        }
    }

    async fn connected(&self) -> Result<Channel, UpstreamError> {
        let mut link = self.link.lock().await;
        if let Some(channel) = &link.channel {
            return Ok(channel.clone());
        }
        let source = match &link.source {
            Some(source) => Arc::clone(source),
            None => {
                let source = Arc::new(self.identity().await?);
                link.source = Some(Arc::clone(&source));
                source
            }
        };
        let server = SpiffeId::new(format!("spiffe://{}/spire/server", self.trust_domain))
            .map_err(|error| UpstreamError::Material(error.to_string()))?;
        let options = ClientOptions {
            alpn: vec![ALPN_H2.to_vec()],
            ..ClientOptions::default()
        };
        let chosen = Chosen {
            source,
            spiffe_id: self.options.spiffe_id.clone(),
        };
        let connector = Connector::new(
            Arc::new(chosen),
            AuthorizeId::OneOf(vec![server]),
            Arc::clone(&self.clock),
            options,
        );
        let options = ChannelOptions {
            connect_timeout: self.options.timeout,
            // Whoever calls sees to that, and says whom it waited for.
            request_timeout: None,
            ..ChannelOptions::default()
        };
        let connecting = channel(&self.options.address, connector, &options);
        let channel = match tokio::time::timeout(self.options.timeout, connecting).await {
            Ok(connected) => connected.map_err(|error| UpstreamError::Unavailable(causes(&error)))?,
            Err(_) => return Err(self.late(&self.options.address)),
        };
        Ok(link.channel.insert(channel).clone())
    }

    /// Who this server is above, as the agent there says.
    async fn identity(&self) -> Result<X509Source, UpstreamError> {
        let socket = &self.options.workload_api_socket;
        let endpoint = Endpoint::unix(socket).map_err(|error| UpstreamError::Material(causes(&error)))?;
        let backoff = Backoff {
            longest: self.options.timeout.max(Backoff::default().first),
            ..Backoff::default()
        };
        let connecting = X509Source::connect(endpoint, &[], Arc::clone(&self.clock), backoff);
        match tokio::time::timeout(self.options.timeout, connecting).await {
            Ok(Ok(source)) => Ok(source),
            Ok(Err(error)) => Err(UpstreamError::Unavailable(format!(
                "the agent on {}: {}",
                socket.display(),
                causes(&error)
            ))),
            Err(_) => Err(self.late(&format!("the agent on {}", socket.display()))),
        }
    }

    fn late(&self, who: &str) -> UpstreamError {
        UpstreamError::Unavailable(format!(
            "{who} gave no answer within {} seconds",
            self.options.timeout.as_secs()
        ))
    }

    /// A request that asks for these forms, of a server that knows what that is.
    fn asking<'a, T>(
        &self,
        message: T,
        wanted: impl Iterator<Item = &'a str>,
    ) -> Result<Request<T>, UpstreamError> {
        let mut request = Request::new(message);
        if self.options.has_forms {
            forms::request(request.metadata_mut(), wanted)
                .map_err(|error| UpstreamError::Material(error.to_string()))?;
        }
        Ok(request)
    }
}

#[async_trait]
impl Upstream for Nested {
    fn kind(&self) -> &'static str {
        match self.options.has_forms {
            true => "symbolon",
            false => "spire",
        }
    }

    fn most_keys(&self) -> Option<usize> {
        self.options.has_forms.then_some(MAX_PUBLISHED)
    }

    async fn mint(&self, order: &MintOrder) -> Result<Answer, UpstreamError> {
        let message = NewDownstreamX509caRequest {
            csr: order.csr.clone(),
            preferred_ttl: i32::try_from(order.ttl.as_secs()).unwrap_or(i32::MAX),
        };
        let form = form_of(order.family)?;
        let request = self.asking(message, std::iter::once(form.name()))?;
        let answer = self
            .call(|channel| async move {
                SvidClient::new(channel)
                    .max_decoding_message_size(MAX_MESSAGE)
                    .new_downstream_x509ca(request)
                    .await
            })
            .await?;
        if answer.ca_cert_chain.len() + answer.x509_authorities.len() > MAX_AUTHORITIES {
            return Err(UpstreamError::Unfit("it is longer than any bundle".to_owned()));
        }
        let read = |der: &Vec<u8>| {
            Certificate::from_der(der).map_err(|error| UpstreamError::Unfit(error.to_string()))
        };
        Ok(Answer::Minted(Minted {
            chain: answer.ca_cert_chain.iter().map(read).collect::<Result<_, _>>()?,
            roots: answer
                .x509_authorities
                .iter()
                .map(read)
                .collect::<Result<_, _>>()?,
        }))
    }

    async fn publish(&self, kind: AuthorityKind, key: &JwtAuthority) -> Result<(), UpstreamError> {
        let (public_key, key_id) = (key.spki_der(), key.key_id.clone());
        let expires_at = key.expires_at.map_or(0, unix_seconds);
        let expires_at = i64::try_from(expires_at).unwrap_or(i64::MAX);
        match kind {
            AuthorityKind::Jwt => {
                let request = PublishJwtAuthorityRequest {
                    jwt_authority: Some(types::JwtKey {
                        public_key,
                        key_id,
                        expires_at,
                        tainted: false,
                    }),
                };
                let published = self.call(|channel| async move {
                    BundleClient::new(channel).publish_jwt_authority(request).await
                });
                published.await.map(|_| ())
            }
            AuthorityKind::Wit => {
                let request = PublishWitAuthorityRequest {
                    wit_authority: Some(types::WitKey {
                        public_key,
                        key_id,
                        expires_at,
                        tainted: false,
                    }),
                };
                let published = self.call(|channel| async move {
                    BundleClient::new(channel).publish_wit_authority(request).await
                });
                published.await.map(|_| ())
            }
            AuthorityKind::X509 => Err(UpstreamError::Unsupported(kind)),
        }
    }

    /// The trust domain's bundle as the server above has it: what is not in it is gone.
    async fn bundle(&self) -> Result<Option<UpstreamBundle>, UpstreamError> {
        let all = Form::OF_KEYS.iter().map(|form| form.name());
        let request = self.asking(GetBundleRequest { output_mask: None }, all)?;
        let bundle = self
            .call(|channel| async move {
                BundleClient::new(channel)
                    .max_decoding_message_size(MAX_MESSAGE)
                    .get_bundle(request)
                    .await
            })
            .await?;
        if TrustDomain::new(&bundle.trust_domain).ok().as_ref() != Some(&self.trust_domain) {
            return Err(UpstreamError::Unfit(format!(
                "its bundle is that of {:?}, not of {}",
                printable(&bundle.trust_domain),
                self.trust_domain
            )));
        }
        authorities_of(bundle).map(|authorities| {
            Some(UpstreamBundle {
                authorities,
                is_all: true,
            })
        })
    }
}

/// The identity of several that this server has above.
#[derive(Debug)]
struct Chosen {
    source: Arc<X509Source>,
    spiffe_id: Option<SpiffeId>,
}

impl IdentitySource for Chosen {
    fn identities(&self) -> Arc<[Arc<SvidIdentity>]> {
        let all = self.source.identities();
        match &self.spiffe_id {
            None => all,
            Some(wanted) => all
                .iter()
                .filter(|identity| identity.spiffe_id() == wanted)
                .cloned()
                .collect(),
        }
    }

    fn bundles(&self) -> Arc<BundleSet> {
        self.source.bundles()
    }
}

/// The form that an authority of a family is asked for as.
fn form_of(family: Family) -> Result<Form, UpstreamError> {
    let found = Form::ALL
        .into_iter()
        .find(|form| form.family() == family && *form != Form::Paired);
    found.ok_or_else(|| UpstreamError::Material(format!("the {family} family has no certificates")))
}

fn authorities_of(bundle: types::Bundle) -> Result<AppendedAuthorities, UpstreamError> {
    let count = bundle.x509_authorities.len() + bundle.jwt_authorities.len() + bundle.wit_authorities.len();
    if count > MAX_AUTHORITIES {
        return Err(UpstreamError::Unfit(format!(
            "its bundle has {count} authorities; at most {MAX_AUTHORITIES} are read"
        )));
    }
    let mut found = AppendedAuthorities::default();
    for (index, authority) in bundle.x509_authorities.into_iter().enumerate() {
        let certificate = Certificate::from_der(&authority.asn1).map_err(|error| {
            UpstreamError::Unfit(format!("X.509 authority {index} of its bundle: {error}"))
        })?;
        found.x509.push(X509Authority {
            certificate,
            tainted: authority.tainted,
        });
    }
    let key = |public_key: &[u8], key_id: String, expires_at: i64, tainted: bool| {
        let key = JwtAuthority::from_spki_der(key_id, public_key);
        let expires_at = u64::try_from(expires_at).ok().filter(|at| *at > 0);
        key.map(|key| JwtAuthority {
            expires_at: expires_at.and_then(from_unix_seconds),
            tainted,
            ..key
        })
        .inspect_err(|error| tracing::debug!(%error, "a key of the upstream's bundle is of an unknown kind"))
        .ok()
    };
    let jwt = bundle.jwt_authorities.into_iter();
    found.jwt = jwt
        .filter_map(|it| key(&it.public_key, it.key_id, it.expires_at, it.tainted))
        .collect();
    let wit = bundle.wit_authorities.into_iter();
    found.wit = wit
        .filter_map(|it| key(&it.public_key, it.key_id, it.expires_at, it.tainted))
        .collect();
    Ok(found)
}

/// An error with everything below it, as one line.
fn causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
