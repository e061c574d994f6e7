//! Requests for certificates, made at a server's private socket.

use std::time::{Duration, Instant};

use spiffe::SpiffeId;
use symbolon_api::FORMS_METADATA;
use symbolon_api::spire::api::server::svid::v1::MintX509svidRequest;
use symbolon_api::spire::api::server::svid::v1::svid_client::SvidClient;
use symbolon_pki::csr::CsrBuilder;
use symbolon_pki::key::{PrivateKey, SuiteSigner};
use symbolon_pki::suite::Form;
use tonic::transport::Channel;
use tonic::{Request, Status};

use crate::issuer::AnyError;

/// What every identity of the load begins with.
const IDENTITIES: &str = "spiffe://example.org/load/";

/// Whoever makes the requests: classical and composite ones in turns, each with a key of its own form.
pub(super) struct Requests {
    channel: Channel,
    deadline: Duration,
    keys: [(Form, SuiteSigner); 2],
}

/// What came of a request.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) number: usize,
    /// The certificate in DER.
    pub(super) result: Result<Vec<u8>, Status>,
    pub(super) took: Duration,
    /// For one that asked whether service had resumed: how long after the token's return it ended.
    pub(super) probe: Option<Duration>,
}

impl Requests {
    pub(super) fn new(channel: Channel, deadline: Duration) -> Result<Self, AnyError> {
        let key = |form: Form| -> Result<_, AnyError> {
            Ok((form, PrivateKey::generate(form.default_suite())?.signer()?))
        };
        Ok(Self {
            channel,
            deadline,
            keys: [key(Form::Classical)?, key(Form::Composite)?],
        })
    }

    /// Whether an identity is one of those that are asked for here.
    pub(super) fn is_ours(&self, identity: &str) -> bool {
        identity.starts_with(IDENTITIES)
    }

    pub(super) async fn make(&self, number: usize) -> Outcome {
        let request = self.request(number);
        let started = Instant::now();
        let result = match request {
            Ok(request) => self.send(request).await,
            Err(error) => Err(Status::internal(format!(
                "the request could not be made: {error}"
            ))),
        };
        Outcome {
            number,
            result,
            took: started.elapsed(),
            probe: None,
        }
    }

    fn request(&self, number: usize) -> Result<Request<MintX509svidRequest>, AnyError> {
        let (form, key) = self.keys.get(number % self.keys.len()).ok_or("there are keys")?;
        let identity = SpiffeId::new(format!("{IDENTITIES}{number}"))?;
        let csr = CsrBuilder::new(key).spiffe_id(&identity).build()?;
        let mut request = Request::new(MintX509svidRequest { csr, ttl: 0 });
        request
            .metadata_mut()
            .insert(FORMS_METADATA, form.name().parse()?);
        request.set_timeout(self.deadline);
        Ok(request)
    }

    async fn send(&self, request: Request<MintX509svidRequest>) -> Result<Vec<u8>, Status> {
        let answer = SvidClient::new(self.channel.clone())
            .mint_x509svid(request)
            .await?;
        let chain = answer.into_inner().svid.map(|svid| svid.cert_chain);
        let leaf = chain.and_then(|chain| chain.into_iter().next());
        leaf.ok_or_else(|| Status::internal("an answer without a certificate"))
    }
}
