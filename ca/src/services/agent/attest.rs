//! `AttestAgent`: a node proves itself and becomes an agent.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use symbolon_api::permission_denied;
use symbolon_api::spire::api::server::agent::v1::{
    AttestAgentRequest, AttestAgentResponse, attest_agent_request as ask, attest_agent_response as answer,
};
use symbolon_api::spire::api::types::AttestationData;
use symbolon_api::spire::api::types::permission_denied_details::Reason;
use symbolon_attestation::{AttestationError, Attested, Challenger, Occasion, Verifier, check_len};
use symbolon_crypto::digest::sha256;
use symbolon_issuance::SvidProfile;
use symbolon_pki::csr::MAX_CSR_LEN;
use symbolon_pki::suite::Form;
use symbolon_pki::text::printable;
use tokio::sync::mpsc;
use tonic::{Status, Streaming};

use crate::datastore::{AgentCertificate, AgentRecord, DatastoreError, Selector, TokenUse};
use crate::issuer::{IssuedX509, X509Order};
use crate::services::svid::{serial_of, svid_message};
use crate::services::{Core, HeldToken, companion, csr};
use crate::status::of_attestation;
use crate::telemetry::{AGENT_ATTESTED, AGENT_DENIED, Outcome};
use crate::wire::check_length;

/// How long a node may take over its next message.
const PATIENCE: Duration = Duration::from_secs(30);

/// In the figures, the method of who never came to one.
const NO_METHOD: &str = "none";
/// Longest name that a method has.
const MAX_METHOD: usize = 64;
/// Longest reason for a refusal in the log, in characters.
const MAX_REASON: usize = 1024;

type Sender = mpsc::Sender<Result<AttestAgentResponse, Status>>;

/// Goes through attestation with one node and returns what it is answered last.
///
/// What costs little comes first: the form of what was sent, then the evidence (a token is looked up, and nothing else is
/// verified for a node that has none), then the request for a certificate. Nothing is spent before the agent is on record.
///
/// # Errors
/// Why the node does not become an agent, for it to be told.
pub(super) async fn run(
    core: &Core,
    mut requests: Streaming<AttestAgentRequest>,
    replies: Sender,
    forms: Vec<Form>,
    address: Option<IpAddr>,
) -> Result<answer::Step, Status> {
    let opened = match next(&mut requests).await {
        Ok(first) => Opening::read(first),
        Err(status) => Err(status),
    };
    let opened = opened.and_then(|opening| Ok((verifier(core, &opening.data.r#type)?, opening)));
    if opened.is_err() {
        core.counted.attestation(NO_METHOD, Outcome::of_status(&opened));
    }
    let (verifier, opening) = opened?;

    let node = Node {
        requests,
        replies,
        occasion: Occasion {
            csr_sha256: sha256(&opening.csr),
            address,
        },
        failed: None,
    };
    let mut counting = Counting {
        core,
        method: verifier.method(),
        outcome: Outcome::Refused,
    };
    let outcome = attest(core, verifier.as_ref(), opening, node, &forms).await;
    counting.outcome = Outcome::of_status(&outcome);
    outcome
}

/// Counts one attestation, that of a node that leaves as well.
struct Counting<'a> {
    core: &'a Core,
    method: &'static str,
    outcome: Outcome,
}

impl Drop for Counting<'_> {
    fn drop(&mut self) {
        self.core.counted.attestation(self.method, self.outcome);
    }
}

/// The server's half of a method.
fn verifier<'a>(core: &'a Core, wanted: &str) -> Result<&'a Arc<dyn Verifier>, Status> {
    core.verifiers.get(wanted).ok_or_else(|| {
        let known: Vec<_> = core.verifiers.keys().copied().collect();
        let message = format!(
            "params.data.type: {:?} is no method of this server; known: {}",
            printable(wanted),
            known.join(", ")
        );
        Status::failed_precondition(message)
    })
}

async fn attest(
    core: &Core,
    verifier: &dyn Verifier,
    Opening { data, csr }: Opening,
    mut node: Node,
    forms: &[Form],
) -> Result<answer::Step, Status> {
    let replies = node.replies.clone();
    let verified = tokio::select! {
        verified = verifier.verify(&data.payload, &mut node, core.clock.now()) => verified,
        // Whoever left has nobody working for it, and no place among the calls by now. What follows costs little and goes on
        // to its end: an agent is not on record without a line in the log.
        () = replies.closed() => return Err(Status::cancelled("the node left before its evidence was verified")),
    };
    let attested = verified.map_err(|error| match (error, node.failed.take()) {
        // Why it did not answer is known.
        (AttestationError::Abandoned, Some(status)) => status,
        (error, _) => of_attestation(error),
    })?;
    let token = core.join_tokens.held_by(verifier.method(), &data.payload);
    refuse_banned(core, &attested).await?;
    let csr = csr::read(&core.issuer, csr, forms).await?;
    let beside = companion::of_agent(&csr)?;

    let order = X509Order {
        profile: SvidProfile::Agent,
        spiffe_id: attested.agent_id.clone(),
        key: csr.key().clone(),
        companion: beside,
        dns_names: Vec::new(),
        ttl: core.lifetimes().agent.0,
        ends_by: None,
        entry_id: None,
        agent_id: None,
    };
    let issued = crate::services::svid::issue_one(core, order).await?;
    record(core, verifier.method(), &attested, &issued, token.as_ref()).await?;
    tracing::info!(
        event = AGENT_ATTESTED,
        agent = %issued.spiffe_id,
        attestation_type = verifier.method(),
        serial = issued.serial_hex,
        form = %issued.form,
    );
    Ok(answer::Step::Result(answer::Result {
        svid: Some(svid_message(issued, "", forms)),
        reattestable: attested.can_reattest,
    }))
}

/// What a node opens with.
struct Opening {
    data: AttestationData,
    csr: Vec<u8>,
}

impl Opening {
    /// Checks that everything is there, and of a length that makes sense.
    fn read(first: Option<AttestAgentRequest>) -> Result<Self, Status> {
        let missing = |field: &str| Status::invalid_argument(format!("{field} is missing"));
        let params = match first.and_then(|message| message.step) {
            Some(ask::Step::Params(params)) => params,
            Some(ask::Step::ChallengeResponse(_)) => {
                return Err(Status::invalid_argument(
                    "the first message must have params, not challenge_response",
                ));
            }
            None => return Err(missing("params")),
        };
        let data = params.data.ok_or_else(|| missing("params.data"))?;
        let csr = params.params.ok_or_else(|| missing("params.params"))?.csr;
        if data.r#type.is_empty() {
            return Err(missing("params.data.type"));
        }
        // Repeated in the refusal of a method that there is not, so it has to be one that there could be.
        let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        check_length("params.data.type", &data.r#type, MAX_METHOD)?;
        if !data.r#type.bytes().all(is_of_name) {
            return Err(Status::invalid_argument(format!(
                "params.data.type: {} is no name of a method; those have letters, digits, _, - and . alone",
                printable(&data.r#type)
            )));
        }
        if data.payload.is_empty() {
            return Err(missing("params.data.payload"));
        }
        check_len("params.data.payload", &data.payload).map_err(of_attestation)?;
        if csr.is_empty() {
            return Err(missing("params.params.csr"));
        }
        if csr.len() > MAX_CSR_LEN {
            let message = format!(
                "params.params.csr: {} bytes; at most {MAX_CSR_LEN} are read",
                csr.len()
            );
            return Err(Status::invalid_argument(message));
        }
        Ok(Self { data, csr })
    }
}

/// A refusal in the log. The message never holds the evidence.
pub(super) fn log_refusal(status: &Status, address: Option<IpAddr>) {
    let reason: String = status.message().chars().take(MAX_REASON).collect();
    let address = address.map(tracing::field::display);
    tracing::warn!(event = AGENT_DENIED, code = ?status.code(), address, reason);
}

fn banned() -> Status {
    permission_denied(
        Reason::AgentBanned,
        "the agent is banned; an operator can lift the ban by deleting it",
    )
}

/// Refuses a banned node, under whichever name the same evidence could bring it here, and one that is on record under
/// another of these.
async fn refuse_banned(core: &Core, attested: &Attested) -> Result<(), Status> {
    if let Some(agent) = core.datastore.agent(&attested.agent_id).await?
        && agent.banned
    {
        return Err(banned());
    }
    for sibling in &attested.siblings {
        match core.datastore.agent(sibling).await? {
            None => {}
            Some(agent) if agent.banned => return Err(banned()),
            Some(_) => {
                return Err(Status::permission_denied(format!(
                    "the node is on record as {sibling}, by the same certificate with its signature written in another way"
                )));
            }
        }
    }
    Ok(())
}

/// Puts the agent on record, and spends in the same step what it attested with.
async fn record(
    core: &Core,
    method: &str,
    attested: &Attested,
    issued: &IssuedX509,
    token: Option<&HeldToken<'_>>,
) -> Result<(), Status> {
    let selectors = attested
        .selectors
        .iter()
        .map(|(kind, value)| Selector::new(kind, value));
    let now = core.clock.now();
    let agent = AgentRecord {
        spiffe_id: attested.agent_id.clone(),
        attestation_type: method.to_owned(),
        current: AgentCertificate {
            serial: serial_of(issued)?,
            expires_at: issued.not_after,
        },
        renewed: None,
        selectors: selectors.collect(),
        banned: false,
        can_reattest: attested.can_reattest,
        agent_version: None,
        attested_at: now,
    };
    let recorded = match token {
        None if attested.can_reattest => {
            core.datastore
                .attest_agent_alone(&agent, &attested.siblings)
                .await
        }
        // Evidence that others may have as well: whoever is on record first is the node.
        None => core.datastore.attest_agent_once(&agent).await,
        Some(token) => match core
            .datastore
            .consume_join_token(token.sha256(), now, &agent)
            .await
        {
            Ok(TokenUse::Consumed(_)) => Ok(()),
            // Another server was faster, or its time came meanwhile.
            Ok(TokenUse::Unknown | TokenUse::Expired(_)) => {
                return Err(Status::invalid_argument(
                    "the join token has been used or has expired; make a new one",
                ));
            }
            Err(error) => Err(error),
        },
    };
    match recorded {
        // Banned in the meantime, or let in under its other name.
        Err(DatastoreError::Conflict { .. }) => refuse_banned(core, attested).await.and(Err(banned())),
        Err(DatastoreError::AlreadyExists { .. }) => Err(Status::permission_denied(
            "an agent has attested with this evidence at the same moment, and it lets a node in once",
        )),
        other => Ok(other?),
    }
}

async fn next(requests: &mut Streaming<AttestAgentRequest>) -> Result<Option<AttestAgentRequest>, Status> {
    tokio::time::timeout(PATIENCE, requests.message())
        .await
        .map_err(|_| Status::deadline_exceeded("the node sent nothing for too long"))?
}

/// The node at the other end of the stream.
struct Node {
    requests: Streaming<AttestAgentRequest>,
    replies: Sender,
    occasion: Occasion,
    /// What came in place of an answer.
    failed: Option<Status>,
}

#[async_trait]
impl Challenger for Node {
    fn occasion(&self) -> Occasion {
        self.occasion
    }

    async fn challenge(&mut self, challenge: Vec<u8>) -> Result<Vec<u8>, AttestationError> {
        let challenge = AttestAgentResponse {
            step: Some(answer::Step::Challenge(challenge)),
        };
        self.replies
            .send(Ok(challenge))
            .await
            .map_err(|_| AttestationError::Abandoned)?;
        let response = next(&mut self.requests).await.map_err(|status| {
            self.failed = Some(status);
            AttestationError::Abandoned
        })?;
        match response.and_then(|message| message.step) {
            Some(ask::Step::ChallengeResponse(response)) => {
                check_len("challenge_response", &response)?;
                Ok(response)
            }
            Some(ask::Step::Params(_)) => Err(AttestationError::Malformed {
                field: "challenge_response",
                reason: "params came instead".to_owned(),
            }),
            None => Err(AttestationError::Abandoned),
        }
    }
}
