//! Nodes that attest by a certificate: which are one node, and what is answered to one that does not go on as it should.

use std::time::Duration;

use symbolon_api::denial_reason;
use symbolon_api::spire::api::server::agent::v1::agent_client::AgentClient;
use symbolon_api::spire::api::server::agent::v1::{
    AgentX509svidParams, AttestAgentRequest, attest_agent_request as ask, attest_agent_response as answer,
};
use symbolon_api::spire::api::server::svid::v1::MintX509svidRequest;
use symbolon_api::spire::api::server::svid::v1::svid_client::SvidClient;
use symbolon_api::spire::api::types::AttestationData;
use symbolon_api::spire::api::types::permission_denied_details::Reason;
use symbolon_attestation::Prover as _;
use symbolon_attestation::x509pop::{NodeKey, X509PopProver};
use symbolon_ca::config::{ProxyProtocol, X509PopMode, X509PopSection};
use symbolon_crypto::digest::sha256;
use symbolon_pki::certificate::Certificate;
use symbolon_pki::csr::CsrBuilder;
use symbolon_pki::encode::element;
use symbolon_pki::key::PrivateKey;
use symbolon_pki::pem;
use symbolon_pki::suite::{Form, Suite};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::support::{Key, TestServer, domain, id};

/// A server that exchanges SVIDs for agents that are named by their certificates.
async fn server() -> TestServer {
    TestServer::start_with(|config| {
        config.attestors.x509pop = Some(X509PopSection {
            mode: X509PopMode::Spiffe,
            agent_path_template: Some("/x509pop/{{ .Fingerprint }}".to_owned()),
            ..X509PopSection::default()
        });
    })
    .await
}

/// A node with an SVID that can be exchanged.
struct Node {
    chain: Vec<Certificate>,
    key: String,
}

impl Node {
    async fn new(server: &TestServer) -> Self {
        Self::with_key(server, Suite::EcdsaP256).await
    }

    async fn with_key(server: &TestServer, suite: Suite) -> Self {
        let key = PrivateKey::generate(suite).unwrap();
        let signer = key.signer().unwrap();
        let csr = CsrBuilder::new(&signer)
            .spiffe_id(&id("/spire-exchange/rack"))
            .build()
            .unwrap();
        let svid = SvidClient::new(server.local().await)
            .mint_x509svid(MintX509svidRequest { csr, ttl: 0 })
            .await
            .unwrap()
            .into_inner()
            .svid
            .unwrap();
        let chain = svid.cert_chain.iter();
        Self {
            chain: chain.map(|der| Certificate::from_der(der).unwrap()).collect(),
            key: pem::encode_private_key(&key).unwrap().to_string(),
        }
    }

    /// The same with the signature in its certificate written otherwise.
    fn written_otherwise(&self) -> Self {
        let mut chain = self.chain.clone();
        chain[0] = written_otherwise(&chain[0]);
        let key = self.key.clone();
        Self { chain, key }
    }

    /// Attests; `answer` may change what the node answers.
    async fn attest(
        &self,
        server: &TestServer,
        answer: impl FnOnce(Vec<u8>) -> Vec<u8>,
    ) -> Result<answer::Result, Status> {
        let csr = Key::new(Form::Classical).csr(None);
        self.attest_for(server.anonymous().await, csr.clone(), csr, answer)
            .await
    }

    /// Attests for one request for a certificate, and another one arrives.
    async fn attest_for(
        &self,
        channel: Channel,
        own: Vec<u8>,
        csr: Vec<u8>,
        answer: impl FnOnce(Vec<u8>) -> Vec<u8>,
    ) -> Result<answer::Result, Status> {
        let key = NodeKey::from_pem(self.key.as_bytes()).unwrap();
        let mut prover = X509PopProver::new(domain(), &self.chain, key).unwrap();
        prover.bind(sha256(&own));
        let params = ask::Params {
            data: Some(AttestationData {
                r#type: "x509pop".to_owned(),
                payload: prover.evidence().await.unwrap().to_vec(),
            }),
            params: Some(AgentX509svidParams { csr }),
        };
        let (say, said) = mpsc::channel(2);
        let step = |step| AttestAgentRequest { step: Some(step) };
        say.send(step(ask::Step::Params(params))).await.unwrap();
        let mut answers = AgentClient::new(channel)
            .attest_agent(ReceiverStream::new(said))
            .await?
            .into_inner();
        let challenge = match answers.message().await?.unwrap().step {
            Some(answer::Step::Challenge(challenge)) => challenge,
            other => panic!("{other:?}"),
        };
        let response = answer(prover.respond(&challenge).await.unwrap());
        say.send(step(ask::Step::ChallengeResponse(response)))
            .await
            .unwrap();
        match answers.message().await?.unwrap().step {
            Some(answer::Step::Result(result)) => Ok(result),
            other => panic!("{other:?}"),
        }
    }
}

/// A certificate that a P-256 key signed, with the signature's second number less the order of the curve.
fn written_otherwise(certificate: &Certificate) -> Certificate {
    const ORDER: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
    let whole = |tag: u8, content: &[u8]| {
        let mut out = Vec::new();
        element(&mut out, tag, content);
        out
    };
    let signature = certificate.signature();
    let (r, s) = signature[2..].split_at(2 + usize::from(signature[3]));
    let mut other = hex::decode(ORDER).unwrap();
    let padded = [vec![0; 42 - s.len()], s[2..].to_vec()].concat();
    let mut borrow = 0;
    for (digit, less) in other.iter_mut().zip(&padded[8..]).rev() {
        let difference = i16::from(*digit) - i16::from(*less) - borrow;
        borrow = i16::from(difference < 0);
        *digit = u8::try_from(difference.rem_euclid(256)).unwrap();
    }
    let start = other.iter().position(|byte| *byte != 0).unwrap();
    let sign = if other[start] & 0x80 == 0 {
        &[][..]
    } else {
        &[0_u8][..]
    };
    let other = whole(0x02, &[sign, &other[start..]].concat());
    let signature = whole(0x30, &[r, &other[..]].concat());
    let algorithm = whole(0x30, &hex::decode("06082a8648ce3d040302").unwrap());
    let signature = whole(0x03, &[&[0_u8][..], &signature[..]].concat());
    let der = whole(
        0x30,
        &[certificate.tbs_der(), &algorithm[..], &signature[..]].concat(),
    );
    Certificate::from_der(&der).unwrap()
}

fn as_it_is(answer: Vec<u8>) -> Vec<u8> {
    answer
}

#[tokio::test]
async fn a_banned_node_does_not_come_back_with_its_certificate_written_otherwise() {
    let server = server().await;
    let node = Node::new(&server).await;
    node.attest(&server, as_it_is).await.unwrap();
    let agents = symbolon_ca::client::Reader::agents(&server.client).await.unwrap();
    assert_eq!(agents.len(), 1);
    let agent_id = agents[0].spiffe_id.parse().unwrap();
    let other = node.written_otherwise();
    let status = other.attest(&server, as_it_is).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied, "{status}");
    assert!(status.message().contains("on record as"), "{status}");
    server.client.ban_agent(&agent_id).await.unwrap();
    for node in [&other, &node] {
        let status = node.attest(&server, as_it_is).await.unwrap_err();
        assert_eq!(denial_reason(&status), Some(Reason::AgentBanned), "{status}");
    }
    server.client.delete_agent(&agent_id).await.unwrap();
    other.attest(&server, as_it_is).await.unwrap();
}

#[tokio::test]
async fn nobody_in_between_has_a_certificate_for_a_key_of_their_own() {
    let server = server().await;
    let node = Node::with_key(&server, Suite::Ed25519).await;
    let csr = || Key::new(Form::Classical).csr(None);
    let status = node
        .attest_for(server.anonymous().await, csr(), csr(), as_it_is)
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied, "{status}");
    assert!(status.message().contains("proof of possession"), "{status}");
    node.attest(&server, as_it_is).await.unwrap();
}

/// A balancer before a server, which says of every client that it is this one.
async fn balancer(server: &TestServer, client: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (server, line) = (
        server.server.tcp_addr(),
        format!("PROXY TCP4 {client} 127.0.0.1 12345 8081\r\n"),
    );
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut behind = TcpStream::connect(server).await.unwrap();
            behind.write_all(line.as_bytes()).await.unwrap();
            tokio::spawn(async move { copy_bidirectional(&mut client, &mut behind).await });
        }
    });
    address
}

/// A server behind balancers on this machine that lets nodes in by where they call from.
async fn balanced_server(proxy_protocol: ProxyProtocol) -> TestServer {
    TestServer::start_with(|config| {
        config.listen.proxy_protocol_trusted_cidrs = vec!["127.0.0.0/8".to_owned()];
        config.listen.proxy_protocol = proxy_protocol;
        config.attestors.x509pop = Some(X509PopSection {
            mode: X509PopMode::Spiffe,
            verify_client_ip: true,
            ..X509PopSection::default()
        });
    })
    .await
}

#[tokio::test]
async fn where_a_node_calls_from_has_to_be_in_its_certificate_if_that_is_wanted() {
    let server = balanced_server(ProxyProtocol::Optional).await;
    let node = Node::new(&server).await;
    let csr = || Key::new(Form::Classical).csr(None);
    let balanced = balancer(&server, "192.0.2.7").await;
    for (channel, address) in [
        (server.anonymous().await, "127.0.0.1"),
        (server.anonymous_at(&balanced).await, "192.0.2.7"),
    ] {
        let status = node
            .attest_for(channel, csr(), csr(), as_it_is)
            .await
            .unwrap_err();
        assert_eq!(status.code(), Code::PermissionDenied, "{status}");
        let words = format!("calls from {address},");
        assert!(status.message().contains(&words), "{status}");
    }
}

#[tokio::test]
async fn a_node_cannot_choose_its_address_behind_a_balancer_that_says_nothing() {
    let server = balanced_server(ProxyProtocol::default()).await;
    // What it writes itself would stand where the balancer's word does. Without one there is no conversation at all.
    let mut silent = TcpStream::connect(server.server.tcp_addr()).await.unwrap();
    silent.write_all(&[22, 3, 1]).await.unwrap();
    let mut answer = Vec::new();
    let end = tokio::time::timeout(Duration::from_secs(60), silent.read_to_end(&mut answer));
    // Closed, or reset.
    let _ = end.await.unwrap();
    assert!(answer.is_empty());
    let node = Node::new(&server).await;
    let balanced = balancer(&server, "192.0.2.7").await;
    let csr = || Key::new(Form::Classical).csr(None);
    let status = node
        .attest_for(server.anonymous_at(&balanced).await, csr(), csr(), as_it_is)
        .await
        .unwrap_err();
    assert!(status.message().contains("calls from 192.0.2.7,"), "{status}");
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_not_said_to_be_missing() {
    let server = server().await;
    let node = Node::new(&server).await;
    let status = node
        .attest(&server, |_| vec![b'x'; 1024 * 1024])
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
}
