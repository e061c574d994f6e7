//! The calls by which a node becomes an agent and stays one.

use spiffe::SpiffeId;
use symbolon_api::spire::api::server::agent::v1::agent_client::AgentClient;
use symbolon_api::spire::api::server::agent::v1::{
    AgentX509svidParams, AttestAgentRequest, AttestAgentResponse, PostStatusRequest, RenewAgentRequest,
    attest_agent_request, attest_agent_response,
};
use symbolon_api::spire::api::types;
use symbolon_api::{MAX_MESSAGE, forms};
use symbolon_attestation::Prover;
use symbolon_crypto::digest::sha256;
use symbolon_pki::suite::Form;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Streaming};

use crate::server::{CallError, ServerLink};

/// Most challenges that are answered in one attestation.
const MAX_CHALLENGES: usize = 16;

/// What the server gave.
#[derive(Debug)]
pub(crate) struct Granted {
    /// Certificates in DER, leaf first.
    pub(crate) chain: Vec<Vec<u8>>,
    pub(crate) reattestable: bool,
}

/// Attests by `prover`, and asks for an SVID by `csr`.
pub(crate) async fn attest_agent(
    link: &ServerLink,
    prover: &mut dyn Prover,
    form: Form,
    csr: Vec<u8>,
) -> Result<Granted, CallError> {
    prover.bind(sha256(&csr));
    let evidence = prover.evidence().await.map_err(CallError::answer)?;
    let opening = attest_agent_request::Step::Params(attest_agent_request::Params {
        data: Some(types::AttestationData {
            r#type: prover.method().to_owned(),
            payload: evidence.to_vec(),
        }),
        params: Some(AgentX509svidParams { csr }),
    });
    let (saying, said) = mpsc::channel(1);
    let say = async |step| {
        let message = AttestAgentRequest { step: Some(step) };
        // Fails only after the server ended the stream; reading it says why.
        let _ended = saying.send(message).await;
    };
    say(opening).await;
    let mut request = Request::new(ReceiverStream::new(said));
    ask_for(&mut request, form)?;

    link.call(async |channel| {
        let mut client = AgentClient::new(channel).max_decoding_message_size(MAX_MESSAGE);
        let mut answers = client.attest_agent(request).await?.into_inner();
        for _ in 0..=MAX_CHALLENGES {
            match next_step(&mut answers).await? {
                attest_agent_response::Step::Result(result) => {
                    return Ok(Granted {
                        chain: chain(result.svid)?,
                        reattestable: result.reattestable,
                    });
                }
                attest_agent_response::Step::Challenge(challenge) => {
                    let response = prover.respond(&challenge).await.map_err(CallError::answer)?;
                    say(attest_agent_request::Step::ChallengeResponse(response)).await;
                }
            }
        }
        Err(CallError::answer(format!(
            "it asked more than {MAX_CHALLENGES} challenges"
        )))
    })
    .await
}

async fn next_step(
    answers: &mut Streaming<AttestAgentResponse>,
) -> Result<attest_agent_response::Step, CallError> {
    let ended = || CallError::answer("attestation ended without a result");
    answers
        .message()
        .await?
        .and_then(|answer| answer.step)
        .ok_or_else(ended)
}

/// Asks for the next SVID, on the strength of the present one.
pub(crate) async fn renew_agent(link: &ServerLink, form: Form, csr: Vec<u8>) -> Result<Granted, CallError> {
    let mut request = Request::new(RenewAgentRequest {
        params: Some(AgentX509svidParams { csr }),
    });
    ask_for(&mut request, form)?;
    link.call(async |channel| {
        let mut client = AgentClient::new(channel).max_decoding_message_size(MAX_MESSAGE);
        let answer = client.renew_agent(request).await?.into_inner();
        Ok(Granted {
            chain: chain(answer.svid)?,
            reattestable: false,
        })
    })
    .await
}

/// Tells the server which software this is. Servers can do without, so it is logged if they do not take it.
pub(crate) async fn post_status(link: &ServerLink, spiffe_id: &SpiffeId) {
    let status = PostStatusRequest {
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        ..PostStatusRequest::default()
    };
    let posted = link
        .call(async |channel| Ok(AgentClient::new(channel).post_status(status).await?.into_inner()))
        .await;
    if let Err(error) = posted {
        tracing::debug!(%spiffe_id, %error, "the server does not take the agent's version");
    }
}

/// Stock servers look at the key alone, and so does ours; to say it again costs nothing.
fn ask_for<T>(request: &mut Request<T>, form: Form) -> Result<(), CallError> {
    match form {
        Form::Classical => Ok(()),
        other => forms::request(request.metadata_mut(), [other.name()]).map_err(CallError::answer),
    }
}

fn chain(svid: Option<types::X509svid>) -> Result<Vec<Vec<u8>>, CallError> {
    match svid.map(|svid| svid.cert_chain) {
        Some(chain) if !chain.is_empty() => Ok(chain),
        _ => Err(CallError::answer("it has no SVID in it")),
    }
}
