//! What nodes send that go by their names, or by what a service outside says of them: nothing that a fuzzer makes lets
//! anybody in.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use spiffe::SpiffeId;
use symbolon_attestation::aws_iid::{self, AwsIidConfig, AwsIidVerifier, Signer};
use symbolon_attestation::azure_msi::{self, AzureMsiConfig, AzureMsiVerifier, Tenant};
use symbolon_attestation::gcp_iit::{self, GcpIitConfig, GcpIitVerifier, KeySource};
use symbolon_attestation::http::{HttpClient, Request, Response};
use symbolon_attestation::http_challenge::{
    self, ChallengeFetcher, HostPatterns, HttpChallengeConfig, HttpChallengeVerifier, NotFetched,
};
use symbolon_attestation::k8s_psat::{self, Cluster, K8sPsatConfig, K8sPsatVerifier};
use symbolon_attestation::sshpop::{self, Authority, HostCertificate, HostKey, SshPopConfig, SshPopVerifier};
use symbolon_attestation::{KnownAgents, Verifier};
use symbolon_pki::pem;

use super::attestation::{joined, never, round_trip, split};
use crate::estate::trust_domain;
use crate::{Shape, Target};

pub(super) const HTTP_CHALLENGE: Target = Target {
    name: "http-challenge",
    about: "where a node says that it is, and its answer; the first two bytes say where the answer begins",
    shape: Shape::Bytes,
    max_len: 4 * 1024,
    body: |input| {
        let (payload, answer) = split(input);
        round_trip(
            payload,
            http_challenge::Evidence::parse,
            http_challenge::Evidence::to_json,
        );
        if let Ok(evidence) = http_challenge::Evidence::parse(payload) {
            let path = format!("/{}/{}", evidence.host_name(), evidence.agent_name());
            assert!(
                SpiffeId::new(format!("spiffe://example.org{path}")).is_ok(),
                "{path}"
            );
            assert!(evidence.port() > 0 && evidence.host_name().parse::<IpAddr>().is_err());
        }
        never(http_challenge_verifier(), payload, answer);
    },
    seeds: || {
        [br#"{"hostname":"p1.example.com","agentname":"default","port":80}"#.as_slice()]
            .map(|payload| joined(payload, b"\n"))
            .to_vec()
    },
};

pub(super) const SSHPOP: Target = Target {
    name: "sshpop",
    about: "a host's SSH certificate and its answer; the first two bytes say where the answer begins",
    shape: Shape::Bytes,
    max_len: 24 * 1024,
    body: |input| {
        let (payload, answer) = split(input);
        round_trip(payload, sshpop::Evidence::parse, sshpop::Evidence::to_json);
        never(sshpop_verifier(), payload, answer);
    },
    seeds: || {
        let answer = format!(
            r#"{{"Nonce":"{}","Signature":{{"Format":"ssh-ed25519","Blob":"{}","Rest":null}}}}"#,
            STANDARD.encode([7; 32]),
            STANDARD.encode([1; 64])
        );
        HOSTS
            .map(|text| {
                let encoded = text.split_whitespace().nth(1).expect("a certificate");
                joined(
                    format!(r#"{{"Certificate":"{encoded}"}}"#).as_bytes(),
                    answer.as_bytes(),
                )
            })
            .to_vec()
    },
};

pub(super) const SSH_KEYS: Target = Target {
    name: "ssh-keys",
    about: "SSH's certificates, authorities and private keys: a certificate that is read is written the same",
    shape: Shape::Bytes,
    max_len: 24 * 1024,
    body: |input| {
        if let Ok(certificate) = HostCertificate::parse(input) {
            assert_eq!(certificate.as_bytes(), input);
            let mut longer = input.to_vec();
            longer.push(0);
            assert!(
                HostCertificate::parse(&longer).is_err(),
                "something after a certificate"
            );
        }
        if let Ok(text) = std::str::from_utf8(input) {
            let _ = HostCertificate::from_text(text);
            let _ = Authority::parse_all(text);
            let _ = HostPatterns::new(&[text.to_owned()]);
        }
        let _ = HostKey::from_pem(input);
    },
    seeds: || {
        let blob = |text: &str| {
            STANDARD
                .decode(text.split_whitespace().nth(1).expect("a key"))
                .expect("base64")
        };
        let mut seeds: Vec<_> = HOSTS.map(blob).to_vec();
        seeds.push(include_bytes!("../../../attestation/tests/outside/ssh/host_rsa").to_vec());
        seeds.push(include_bytes!("../../../attestation/tests/outside/ssh/host_ecdsa521").to_vec());
        seeds.push(AUTHORITY.as_bytes().to_vec());
        seeds
    },
};

pub(super) const K8S_PSAT: Target = Target {
    name: "k8s-psat",
    about: "a pod's token, and what a cluster's API says of it; the first two bytes say where that begins",
    shape: Shape::Bytes,
    max_len: 8 * 1024,
    body: |input| {
        let (payload, answer) = split(input);
        round_trip(payload, k8s_psat::Evidence::parse, k8s_psat::Evidence::to_json);
        // An API may say anything, and vouches for nobody of another service account.
        let cluster = Cluster {
            api: "https://api.example.com".to_owned(),
            client: Arc::new(Says(answer.to_vec())),
            service_accounts: vec!["nobody's:account".to_owned()],
            audiences: Vec::new(),
            node_labels: Vec::new(),
            pod_labels: Vec::new(),
            by_pod: false,
        };
        let verifier = K8sPsatVerifier::new(K8sPsatConfig {
            trust_domain: trust_domain(),
            clusters: [("prod".to_owned(), cluster)].into(),
        });
        super::attestation::never_or_unavailable(&verifier, payload, &[]);
    },
    seeds: || {
        let status = br#"{"status":{"authenticated":true,"user":{"username":"system:serviceaccount:a:b","extra":{"authentication.kubernetes.io/pod-name":["p"],"authentication.kubernetes.io/pod-uid":["u"]}}}}"#;
        vec![joined(br#"{"cluster":"prod","token":"a.b.c"}"#, status)]
    },
};

pub(super) const CLOUD_TOKENS: Target = Target {
    name: "cloud-tokens",
    about: "tokens of virtual machines: nobody's without a key that is published",
    shape: Shape::Bytes,
    max_len: 20 * 1024,
    body: |input| {
        // Nothing is published, which is a fault of the service that is asked.
        super::attestation::never_or_unavailable(gcp_verifier(), input, &[]);
        super::attestation::never_or_unavailable(azure_verifier(), input, &[]);
    },
    seeds: || {
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","kid":"k1"}"#);
        let claims = URL_SAFE_NO_PAD.encode(r#"{"tid":"t","sub":"s","aud":["a"],"exp":1,"iss":"i"}"#);
        let token = format!("{header}.{claims}.AAAA");
        vec![
            token.clone().into_bytes(),
            format!(r#"{{"token":"{token}"}}"#).into_bytes(),
        ]
    },
};

pub(super) const AWS_IID: Target = Target {
    name: "aws-iid",
    about: "a virtual machine's document and its signature in PKCS#7; no account is let in",
    shape: Shape::Bytes,
    max_len: 16 * 1024,
    body: |input| {
        round_trip(input, aws_iid::Evidence::parse, aws_iid::Evidence::to_json);
        never(aws_verifier(), input, &[]);
    },
    seeds: || {
        let document = include_str!("../../../attestation/tests/outside/aws/document.json");
        [
            include_str!("../../../attestation/tests/outside/aws/der.b64"),
            include_str!("../../../attestation/tests/outside/aws/stream.b64"),
            include_str!("../../../attestation/tests/outside/aws/noattr.b64"),
        ]
        .map(|signature| {
            let payload = serde_json::json!({ "document": document, "signature": "", "rsa2048": signature });
            payload.to_string().into_bytes()
        })
        .to_vec()
    },
};

const AUTHORITY: &str = include_str!("../../../attestation/tests/outside/ssh/ca_ed25519.pub");

/// Certificates that nobody here issued.
const HOSTS: [&str; 3] = [
    include_str!("../../../attestation/tests/outside/ssh/host_ed25519-cert.pub"),
    include_str!("../../../attestation/tests/outside/ssh/host_rsa-cert.pub"),
    include_str!("../../../attestation/tests/outside/ssh/host_ecdsa384-cert.pub"),
];

/// Everybody was here before.
#[derive(Debug)]
struct Everybody;

#[tonic::async_trait]
impl KnownAgents for Everybody {
    async fn is_known(&self, _: &SpiffeId) -> Result<bool, Box<dyn Error + Send + Sync>> {
        Ok(true)
    }
}

/// A service that says the same to all.
#[derive(Debug)]
struct Says(Vec<u8>);

#[tonic::async_trait]
impl HttpClient for Says {
    async fn send(&self, _: Request) -> Result<Response, Box<dyn Error + Send + Sync>> {
        Ok(Response {
            status: 200,
            body: self.0.clone(),
        })
    }
}

#[derive(Debug)]
struct NoPage;

#[tonic::async_trait]
impl ChallengeFetcher for NoPage {
    async fn fetch(&self, _: &str, _: u16, _: &str, _: Option<IpAddr>) -> Result<Vec<u8>, NotFetched> {
        Err(NotFetched::Failed)
    }
}

fn http_challenge_verifier() -> &'static dyn Verifier {
    static VERIFIER: OnceLock<HttpChallengeVerifier> = OnceLock::new();
    VERIFIER.get_or_init(|| {
        HttpChallengeVerifier::new(HttpChallengeConfig {
            trust_domain: trust_domain(),
            allowed: HostPatterns::default(),
            required_port: None,
            allow_non_root_ports: true,
            first_use_only: false,
            known: Arc::new(Everybody),
            fetcher: Arc::new(NoPage),
        })
    })
}

fn sshpop_verifier() -> &'static dyn Verifier {
    static VERIFIER: OnceLock<SshPopVerifier> = OnceLock::new();
    VERIFIER.get_or_init(|| {
        SshPopVerifier::new(SshPopConfig {
            trust_domain: trust_domain(),
            authorities: vec![Authority::parse(AUTHORITY).expect("an authority")],
            canonical_domain: None,
            template: sshpop::path_template(sshpop::DEFAULT_TEMPLATE).expect("a template"),
        })
    })
}

fn no_keys() -> KeySource {
    KeySource::new(
        "https://keys.example.com/",
        Arc::new(Says(br#"{"keys":[]}"#.to_vec())),
    )
}

fn gcp_verifier() -> &'static dyn Verifier {
    static VERIFIER: OnceLock<GcpIitVerifier> = OnceLock::new();
    VERIFIER.get_or_init(|| {
        GcpIitVerifier::new(GcpIitConfig {
            trust_domain: trust_domain(),
            projects: BTreeSet::new(),
            issuer: gcp_iit::ISSUER.to_owned(),
            keys: no_keys(),
            template: gcp_iit::path_template(gcp_iit::DEFAULT_TEMPLATE).expect("a template"),
            known: Arc::new(Everybody),
        })
    })
}

fn azure_verifier() -> &'static dyn Verifier {
    static VERIFIER: OnceLock<AzureMsiVerifier> = OnceLock::new();
    VERIFIER.get_or_init(|| {
        let tenant = Tenant {
            resource: "a".to_owned(),
            issuers: azure_msi::issuers("t"),
            subscriptions: Vec::new(),
        };
        AzureMsiVerifier::new(AzureMsiConfig {
            trust_domain: trust_domain(),
            tenants: [("t".to_owned(), tenant)].into(),
            keys: no_keys(),
            template: azure_msi::path_template(azure_msi::DEFAULT_TEMPLATE).expect("a template"),
            known: Arc::new(Everybody),
        })
    })
}

fn aws_verifier() -> &'static dyn Verifier {
    static VERIFIER: OnceLock<AwsIidVerifier> = OnceLock::new();
    VERIFIER.get_or_init(|| {
        let text = include_bytes!("../../../attestation/tests/outside/aws/openssl.pem");
        let certificate = pem::certificates(text)
            .expect("PEM")
            .remove(0)
            .expect("a certificate");
        let signer = Signer::new(&certificate).expect("an RSA key");
        AwsIidVerifier::new(AwsIidConfig {
            trust_domain: trust_domain(),
            accounts: BTreeSet::new(),
            signers: BTreeMap::from([("eu-test-1".to_owned(), vec![signer])]),
            template: aws_iid::path_template(aws_iid::DEFAULT_TEMPLATE).expect("a template"),
            known: Arc::new(Everybody),
        })
    })
}
