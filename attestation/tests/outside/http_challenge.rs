//! `http_challenge`, with pages in memory.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use symbolon_attestation::http_challenge::{
    ChallengeFetcher, ChallengePage, HostPatterns, HttpChallengeConfig, HttpChallengeProver,
    HttpChallengeVerifier, NotFetched,
};

use crate::*;

type Shown = Arc<Mutex<HashMap<String, (String, Option<String>)>>>;

/// All nodes' pages, by host and port.
#[derive(Clone, Debug, Default)]
struct Network(Shown);

#[derive(Debug)]
struct Page {
    place: String,
    port: u16,
    shown: Shown,
}

#[async_trait]
impl ChallengePage for Page {
    async fn listen(&mut self, path: &str) -> Result<u16, String> {
        self.shown
            .lock()
            .unwrap()
            .insert(self.place.clone(), (path.to_owned(), None));
        Ok(self.port)
    }

    async fn show(&mut self, body: String) -> Result<(), String> {
        self.shown.lock().unwrap().get_mut(&self.place).unwrap().1 = Some(body);
        Ok(())
    }
}

#[async_trait]
impl ChallengeFetcher for Network {
    async fn fetch(
        &self,
        host: &str,
        port: u16,
        path: &str,
        _asking: Option<IpAddr>,
    ) -> Result<Vec<u8>, NotFetched> {
        let shown = self.0.lock().unwrap();
        let found = shown.get(&format!("{host}:{port}"));
        match found.ok_or(NotFetched::Failed)? {
            (at, Some(body)) if at == path => Ok(body.clone().into_bytes()),
            _ => Err(NotFetched::Failed),
        }
    }
}

impl Network {
    fn node(&self, host: &str, port: u16) -> HttpChallengeProver {
        let page = Page {
            place: format!("{host}:{port}"),
            port,
            shown: self.0.clone(),
        };
        HttpChallengeProver::new(host, "default", None, Box::new(page)).unwrap()
    }

    fn config(&self) -> HttpChallengeConfig {
        HttpChallengeConfig {
            trust_domain: trust_domain(),
            allowed: HostPatterns::default(),
            required_port: None,
            allow_non_root_ports: true,
            first_use_only: true,
            known: Arc::new(Record::default()),
            fetcher: Arc::new(self.clone()),
        }
    }
}

#[tokio::test]
async fn it_conforms_whether_a_node_is_let_in_once_or_again() {
    let network = Network::default();
    let verifier = HttpChallengeVerifier::new(network.config());
    let count = AtomicUsize::new(0);
    let nodes = network.clone();
    let once = Method::new(verifier, move || {
        nodes.node(
            &format!("p{}.example.com", count.fetch_add(1, Ordering::Relaxed)),
            8080,
        )
    });
    once.conforms().await;

    let verifier = HttpChallengeVerifier::new(HttpChallengeConfig {
        first_use_only: false,
        required_port: Some(80),
        ..network.config()
    });
    Method::new(verifier, move || network.node("p1.example.com", 80))
        .conforms()
        .await;
}

#[tokio::test]
async fn a_node_is_named_by_its_name_and_let_in_once() {
    let network = Network::default();
    let verifier = HttpChallengeVerifier::new(network.config());
    let attested = attest(&verifier, &mut network.node("p1.example.com", 80))
        .await
        .unwrap();
    assert_eq!(
        attested.agent_id.to_string(),
        "spiffe://example.org/spire/agent/http_challenge/p1.example.com"
    );
    assert_eq!(words(&attested), ["http_challenge:hostname:p1.example.com"]);
    assert!(!attested.can_reattest);
    let again = attest(&verifier, &mut network.node("p1.example.com", 81))
        .await
        .unwrap_err();
    assert!(again.to_string().contains("has attested before"), "{again}");
}

#[tokio::test]
async fn where_the_server_does_not_go_nobody_is_asked() {
    let network = Network::default();
    let evidence =
        |host: &str, port: u16| format!(r#"{{"hostname":"{host}","agentname":"default","port":{port}}}"#);
    let verifier = HttpChallengeVerifier::new(HttpChallengeConfig {
        allowed: HostPatterns::new(&[r"p[0-9]\.example\.com".to_owned()]).unwrap(),
        allow_non_root_ports: false,
        ..network.config()
    });
    for (host, port, words) in [
        ("p1.example.com", 8080, "below 1024"),
        ("evil.example.com", 80, "allowed_dns_patterns"),
        ("p1.example.com.evil.org", 80, "allowed_dns_patterns"),
        ("P1.example.com", 80, "lower case"),
        ("127.0.0.1", 80, "not an address"),
        ("localhost", 80, "localhost"),
    ] {
        let refused = refusal(&verifier, evidence(host, port).as_bytes()).await;
        assert!(refused.contains(words), "{host}:{port}: {refused}");
    }
    let verifier = HttpChallengeVerifier::new(HttpChallengeConfig {
        required_port: Some(80),
        ..network.config()
    });
    let refused = refusal(&verifier, evidence("intranet", 80).as_bytes()).await;
    assert!(refused.contains("names have a dot"), "{refused}");
    let refused = refusal(&verifier, evidence("p1.example.com", 443).as_bytes()).await;
    assert!(refused.contains("which is 80"), "{refused}");
}

#[tokio::test]
async fn nobody_is_sent_to_a_node_that_is_on_record() {
    let network = Network::default();
    let name = "spiffe://example.org/spire/agent/http_challenge/p1.example.com";
    let verifier = HttpChallengeVerifier::new(HttpChallengeConfig {
        known: Arc::new(Record {
            agents: Mutex::new(HashSet::from([name.to_owned()])),
            ..Record::default()
        }),
        ..network.config()
    });
    let evidence = br#"{"hostname":"p1.example.com","agentname":"default","port":80}"#;
    let refused = refusal(&verifier, evidence).await;
    assert!(refused.contains("has attested before"), "{refused}");
}

/// Has its hands full.
#[derive(Debug)]
struct BusyFetcher;

#[async_trait]
impl ChallengeFetcher for BusyFetcher {
    async fn fetch(&self, _: &str, _: u16, _: &str, _: Option<IpAddr>) -> Result<Vec<u8>, NotFetched> {
        Err(NotFetched::Busy)
    }
}

#[tokio::test]
async fn a_server_that_fetches_all_it_may_says_so() {
    let network = Network::default();
    let verifier = HttpChallengeVerifier::new(HttpChallengeConfig {
        fetcher: Arc::new(BusyFetcher),
        ..network.config()
    });
    let error = attest(&verifier, &mut network.node("p1.example.com", 80))
        .await
        .unwrap_err();
    assert!(matches!(error, AttestationError::Busy(_)), "{error}");
}

#[tokio::test]
async fn another_challenges_nonce_is_not_this_ones() {
    /// Shows what it was shown first.
    #[derive(Debug)]
    struct Stuck(Page);

    #[async_trait]
    impl ChallengePage for Stuck {
        async fn listen(&mut self, path: &str) -> Result<u16, String> {
            let kept = self.0.shown.lock().unwrap().get(&self.0.place).is_some();
            if kept {
                Ok(self.0.port)
            } else {
                self.0.listen(path).await
            }
        }

        async fn show(&mut self, body: String) -> Result<(), String> {
            let mut shown = self.0.shown.lock().unwrap();
            shown.get_mut(&self.0.place).unwrap().1.get_or_insert(body);
            Ok(())
        }
    }

    let network = Network::default();
    let verifier = HttpChallengeVerifier::new(HttpChallengeConfig {
        first_use_only: false,
        ..network.config()
    });
    let page = Stuck(Page {
        place: "p1.example.com:80".to_owned(),
        port: 80,
        shown: network.0.clone(),
    });
    let mut node = HttpChallengeProver::new("p1.example.com", "default", None, Box::new(page)).unwrap();
    attest(&verifier, &mut node).await.unwrap();
    let refused = attest(&verifier, &mut node).await.unwrap_err();
    assert!(
        matches!(&refused, AttestationError::Denied(why) if why.contains("not this challenge's nonce")),
        "{refused}"
    );
    // Somebody else's page is not the node's.
    let mut elsewhere = network.node("p2.example.com", 80);
    let evidence = br#"{"hostname":"p3.example.com","agentname":"default","port":80}"#;
    elsewhere.evidence().await.unwrap();
    let refused = verifier
        .verify(evidence, &mut Asked(&mut elsewhere), now())
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("could not be fetched"), "{refused}");
}

#[tokio::test]
async fn a_node_shows_nonces_alone() {
    let network = Network::default();
    let mut node = network.node("p1.example.com", 80);
    node.evidence().await.unwrap();
    for challenge in [
        &br#"{"nonce":""}"#[..],
        br#"{"nonce":"<script>"}"#,
        br#"{"nonce":"a\nb"}"#,
        br#"{}"#,
        b"no JSON",
    ] {
        assert!(node.respond(challenge).await.is_err());
    }
    assert!(network.0.lock().unwrap()["p1.example.com:80"].1.is_none());
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_the_servers_fault() {
    let network = Network::default();
    let verifier = HttpChallengeVerifier::new(HttpChallengeConfig {
        known: Arc::new(Record {
            broken: true,
            ..Record::default()
        }),
        ..network.config()
    });
    let error = attest(&verifier, &mut network.node("p1.example.com", 80))
        .await
        .unwrap_err();
    assert!(matches!(error, AttestationError::Unavailable(_)), "{error}");
}
