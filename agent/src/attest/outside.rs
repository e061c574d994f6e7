//! What proves a node by its name, or by what others say of it.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use symbolon_attestation::Prover;
use symbolon_attestation::aws_iid::AwsIidProver;
use symbolon_attestation::azure_msi::AzureMsiProver;
use symbolon_attestation::gcp_iit::GcpIitProver;
use symbolon_attestation::http::{HttpClient, Request, Response, Verb};
use symbolon_attestation::http_challenge::{ChallengePage, HttpChallengeProver};
use symbolon_attestation::k8s_psat::K8sPsatProver;
use symbolon_attestation::sshpop::{HostCertificate, HostKey, SshPopProver};
use symbolon_host::http::{Ask, Method, Place, exchange};
use symbolon_host::pages::{self, Answer, Pages};
use symbolon_hsm::read_private;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::EvidenceError;
use super::methods::{MAX_KEY_LEN, content, unusable};
use crate::config::{AttestorConfig, HttpChallengeSection, K8sPsatSection, SshPopSection};

/// Longest time for a question to a metadata service.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest certificate or token that is read, in bytes.
const MAX_FILE: usize = 64 * 1024;

/// The prover of the section that there is, if it is one of these.
pub(super) fn prover(attestor: &AttestorConfig) -> Option<Result<Box<dyn Prover>, EvidenceError>> {
    if let Some(section) = &attestor.http_challenge {
        return Some(http_challenge(section));
    }
    if let Some(section) = &attestor.sshpop {
        return Some(sshpop(section));
    }
    if let Some(section) = &attestor.k8s_psat {
        return Some(k8s_psat(section));
    }
    let client = Arc::new(Metadata);
    if let Some(section) = &attestor.gcp_iit {
        let prover = GcpIitProver::new(&section.identity_token_host, &section.service_account, client);
        return Some(Ok(Box::new(prover)));
    }
    if let Some(section) = &attestor.azure_msi {
        let prover = AzureMsiProver::new(&section.metadata_endpoint, &section.resource_id, client);
        return Some(Ok(Box::new(prover)));
    }
    if let Some(section) = &attestor.aws_iid {
        return Some(Ok(Box::new(AwsIidProver::new(
            &section.ec2_metadata_endpoint,
            client,
        ))));
    }
    None
}

fn http_challenge(section: &HttpChallengeSection) -> Result<Box<dyn Prover>, EvidenceError> {
    let host_name = match &section.hostname {
        Some(name) => name.clone(),
        None => rustix::system::uname().nodename().to_string_lossy().into_owned(),
    };
    let page = NodePage {
        address: section.listen,
        shown: Shown::default(),
        serving: JoinSet::new(),
    };
    let prover = HttpChallengeProver::new(
        &host_name,
        &section.agentname,
        section.advertised_port,
        Box::new(page),
    );
    let prover = prover.map_err(|error| EvidenceError::Other(error.to_string()))?;
    Ok(Box::new(prover))
}

fn sshpop(section: &SshPopSection) -> Result<Box<dyn Prover>, EvidenceError> {
    let path = &section.host_key_path;
    let key = read_private(path, MAX_KEY_LEN).map_err(|error| {
        let system = error.source().map(|source| format!(": {source}"));
        unusable(path, format!("{error}{}", system.unwrap_or_default()))
    })?;
    let key = HostKey::from_pem(&key).map_err(|reason| unusable(path, reason))?;
    let path = &section.host_cert_path;
    let text = content(path, MAX_FILE)?;
    let text = std::str::from_utf8(&text).map_err(|_| unusable(path, "it is no text".to_owned()))?;
    let certificate = HostCertificate::from_text(text).map_err(|error| unusable(path, error.to_string()))?;
    let prover = SshPopProver::new(certificate, key).map_err(|error| unusable(path, error.to_string()))?;
    Ok(Box::new(prover))
}

fn k8s_psat(section: &K8sPsatSection) -> Result<Box<dyn Prover>, EvidenceError> {
    let path = &section.token_path;
    let token = zeroize::Zeroizing::new(content(path, MAX_FILE)?);
    let prover = K8sPsatProver::new(&section.cluster, &token);
    Ok(Box::new(
        prover.map_err(|error| unusable(path, error.to_string()))?,
    ))
}

/// Asks metadata services: on the node's own link, over plain HTTP.
#[derive(Debug)]
struct Metadata;

impl Metadata {
    async fn ask(request: &Request) -> Result<Response, Box<dyn Error + Send + Sync>> {
        let place: Place = request.url.parse()?;
        if place.is_secure {
            return Err(format!("{place} is https, and metadata services are asked over http").into());
        }
        let address = place.address();
        let stream = TcpStream::connect((place.host.as_str(), place.port)).await;
        let stream = stream.map_err(|error| format!("cannot connect to {address}: {error}"))?;
        let ask = Ask {
            method: match request.verb {
                Verb::Get => Method::GET,
                Verb::Post => Method::POST,
                Verb::Put => Method::PUT,
            },
            fields: request
                .fields
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect(),
            body: request.body.clone(),
            most: request.most,
        };
        let told = exchange(stream, &place, ask).await?;
        Ok(Response {
            status: told.status,
            body: told.body,
        })
    }
}

#[async_trait]
impl HttpClient for Metadata {
    async fn send(&self, request: Request) -> Result<Response, Box<dyn Error + Send + Sync>> {
        let late = |_| Err(format!("{} did not answer within {} s", request.url, PATIENCE.as_secs()).into());
        tokio::time::timeout(PATIENCE, Self::ask(&request))
            .await
            .unwrap_or_else(late)
    }
}

/// What is shown.
type Shown = Arc<Mutex<Option<String>>>;

/// A page of the node's.
#[derive(Debug)]
struct NodePage {
    address: SocketAddr,
    shown: Shown,
    /// Ends with this.
    serving: JoinSet<()>,
}

#[async_trait]
impl ChallengePage for NodePage {
    async fn listen(&mut self, path: &str) -> Result<u16, String> {
        self.serving.shutdown().await;
        let listener = pages::listen(self.address, "the challenge of http_challenge").await;
        let listener = listener.map_err(|error| {
            let system = error.source().map(|source| format!(": {source}"));
            format!("{error}{}", system.unwrap_or_default())
        })?;
        let port = listener.local_addr().map_err(|error| error.to_string())?.port();
        self.shown = Shown::default();
        let shown = Arc::clone(&self.shown);
        let mut shows = Pages::default();
        shows.add(path, move || {
            let body = shown.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let is_there = body.is_some();
            let answer = Answer::text(
                is_there,
                body.unwrap_or_else(|| "there is no challenge yet\n".to_owned()),
            );
            std::future::ready(answer)
        });
        self.serving
            .spawn(pages::serve(listener, shows, std::future::pending()));
        Ok(port)
    }

    async fn show(&mut self, body: String) -> Result<(), String> {
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_page_shows_the_challenge_and_goes_with_its_prover() {
        let mut page = NodePage {
            address: (std::net::Ipv4Addr::LOCALHOST, 0).into(),
            shown: Shown::default(),
            serving: JoinSet::new(),
        };
        let port = page.listen("/a").await.unwrap();
        let get = async |path: &str| {
            let request = Request {
                verb: Verb::Get,
                url: format!("http://127.0.0.1:{port}{path}"),
                fields: Vec::new(),
                body: Default::default(),
                most: 64,
            };
            Metadata.send(request).await
        };
        assert_eq!(get("/a").await.unwrap().status, 503);
        page.show("nonce\n".to_owned()).await.unwrap();
        let told = get("/a").await.unwrap();
        assert_eq!((told.status, &told.body[..]), (200, &b"nonce\n"[..]));
        assert_eq!(get("/b").await.unwrap().status, 404);
        drop(page);
        // The listener closes once its task has ended.
        let ended = async {
            while get("/a").await.is_ok() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), ended)
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn metadata_services_are_asked_over_http() {
        let request = |url: &str| Request {
            verb: Verb::Get,
            url: url.to_owned(),
            fields: Vec::new(),
            body: Default::default(),
            most: 64,
        };
        for (url, words) in [("https://127.0.0.1/", "over http"), ("nowhere", "https://")] {
            let error = Metadata.send(request(url)).await.unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
