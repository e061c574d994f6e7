//! `gcp_iit`, with tokens shaped like Google's.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use symbolon_attestation::gcp_iit::{
    AUDIENCE, DEFAULT_HOST, DEFAULT_SERVICE_ACCOUNT, DEFAULT_TEMPLATE, GcpIitConfig, GcpIitProver,
    GcpIitVerifier, ISSUER, KeySource, path_template,
};

use crate::tokens::{Signer, published, unix};
use crate::*;

pub(crate) fn claims(instance: &str) -> Value {
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "1089", "azp": "1089",
        "iat": unix(now()) - 10, "exp": unix(now()) + 3590,
        "email": "agent@example-project.iam.gserviceaccount.com", "email_verified": true,
        "google": { "compute_engine": {
            "project_id": "example-project", "project_number": 739_419_398_126_u64, "zone": "europe-west1-b",
            "instance_id": instance, "instance_name": "vm-1", "instance_creation_timestamp": 1_551_132_245,
        }},
    })
}

pub(crate) fn config(keys: KeySource) -> GcpIitConfig {
    GcpIitConfig {
        trust_domain: trust_domain(),
        projects: ["example-project".to_owned()].into(),
        issuer: ISSUER.to_owned(),
        keys,
        template: path_template(DEFAULT_TEMPLATE).unwrap(),
        known: Arc::new(Record::default()),
    }
}

/// The metadata server of a machine.
fn prover(token: String) -> GcpIitProver {
    let service = Service::new(move |request| {
        assert_eq!(
            request.url,
            "http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/identity\
             ?audience=spire-gcp-node-attestor&format=full"
        );
        match field(request, "metadata-flavor") {
            Some("Google") => answer(200, format!("{token}\n")),
            _ => answer(403, "no flavour"),
        }
    });
    GcpIitProver::new(DEFAULT_HOST, DEFAULT_SERVICE_ACCOUNT, service)
}

#[tokio::test]
async fn it_conforms() {
    let signer = Signer::rsa("k1");
    let (keys, _) = published(std::slice::from_ref(&signer));
    let count = AtomicUsize::new(0);
    let next = move || {
        let instance = count.fetch_add(1, Ordering::Relaxed).to_string();
        prover(signer.token(&claims(&instance)))
    };
    Method::new(GcpIitVerifier::new(config(keys)), next)
        .conforms()
        .await;
}

#[tokio::test]
async fn a_machine_is_named_by_what_google_says_and_let_in_once() {
    let signer = Signer::rsa("k1");
    let (keys, _) = published(std::slice::from_ref(&signer));
    let verifier = GcpIitVerifier::new(config(keys));
    let attested = attest(
        &verifier,
        &mut prover(signer.token(&claims("152986662232938449"))),
    )
    .await
    .unwrap();
    assert_eq!(
        attested.agent_id.path(),
        "/spire/agent/gcp_iit/example-project/152986662232938449"
    );
    assert_eq!(
        words(&attested),
        [
            "gcp_iit:instance-name:vm-1",
            "gcp_iit:project-id:example-project",
            "gcp_iit:sa:agent@example-project.iam.gserviceaccount.com",
            "gcp_iit:zone:europe-west1-b",
        ]
    );
    assert!(!attested.can_reattest);
    // Another token of the same machine.
    let mut later = claims("152986662232938449");
    later["exp"] = json!(unix(now()) + 7200);
    let again = refusal(&verifier, signer.token(&later).as_bytes()).await;
    assert!(again.contains("has attested before"), "{again}");
}

#[tokio::test]
async fn tokens_that_do_not_count_are_refused_by_the_rule_they_break() {
    let signer = Signer::rsa("k1");
    let (keys, _) = published(std::slice::from_ref(&signer));
    let verifier = GcpIitVerifier::new(config(keys));
    let with = |path: &[&str], value: Value| {
        let mut claims = claims("1");
        let mut place = &mut claims;
        for part in path {
            place = &mut place[*part];
        }
        *place = value;
        signer.token(&claims)
    };
    let now = unix(now());
    for (token, words) in [
        (with(&["iss"], json!("https://evil.example")), "issuer"),
        (
            with(&["aud"], json!("another")),
            "not for spire-gcp-node-attestor",
        ),
        (
            with(&["aud"], json!(["another", "third"])),
            "not for spire-gcp-node-attestor",
        ),
        (with(&["exp"], json!(now - 61)), "expired"),
        (with(&["exp"], Value::Null), "when it ends"),
        (with(&["nbf"], json!(now + 61)), "not valid yet"),
        (with(&["google"], Value::Null), "format=full"),
        (
            with(&["google", "compute_engine", "project_id"], json!("other")),
            "projectid_allow_list",
        ),
        (
            with(&["google", "compute_engine", "instance_id"], json!("a/../b")),
            "no path",
        ),
        (
            with(&["google", "compute_engine", "instance_id"], json!("")),
            "does not have",
        ),
        (
            with(&["google", "compute_engine", "instance_name"], json!("a\nb")),
            "control character",
        ),
        (
            signer.token_with(&json!({"alg": "none", "kid": "k1"}), &claims("1")),
            "not accepted",
        ),
        (
            signer.token_with(&json!({"alg": "PS256", "kid": "k1"}), &claims("1")),
            "not accepted",
        ),
        (
            signer.token_with(&json!({"alg": "HS256", "kid": "k1"}), &claims("1")),
            "not accepted",
        ),
        (
            signer.token_with(&json!({"alg": "RS256"}), &claims("1")),
            "does not name its key",
        ),
        (
            signer.token_with(&json!({"alg": "RS256", "kid": "k1", "crit": ["x"]}), &claims("1")),
            "critical",
        ),
        (Signer::rsa("k1").token(&claims("1")), "signature"),
        (Signer::ecdsa("k1").token(&claims("1")), "not accepted"),
        ("a.b".to_owned(), "three parts"),
        ("a.b.c.d".to_owned(), "three parts"),
    ] {
        let refused = refusal(&verifier, token.as_bytes()).await;
        assert!(refused.contains(words), "{words}: {refused}");
    }
    // Within a minute of the end, clocks may differ.
    let mut node = prover(with(&["exp"], json!(now - 59)));
    attest(&verifier, &mut node).await.unwrap();
}

#[tokio::test]
async fn a_machine_without_a_token_says_why() {
    let service = Service::new(|_| answer(404, "none"));
    let mut prover = GcpIitProver::new(DEFAULT_HOST, DEFAULT_SERVICE_ACCOUNT, service);
    let error = prover.evidence().await.unwrap_err().to_string();
    assert!(error.contains("answered 404"), "{error}");
    assert!(prover.respond(b"x").await.is_err());
}
