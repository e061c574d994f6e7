//! `azure_msi`, with tokens shaped like Azure's.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use symbolon_attestation::azure_msi::{
    AzureMsiConfig, AzureMsiProver, AzureMsiVerifier, DEFAULT_METADATA, DEFAULT_RESOURCE, DEFAULT_TEMPLATE,
    KeySource, Tenant, issuers, path_template,
};

use crate::tokens::{Signer, published, unix};
use crate::*;

pub(crate) const TENANT: &str = "6d7f2e1a-0000-4000-8000-000000000001";
const MACHINE: &str =
    "/subscriptions/sub-1/resourcegroups/group-1/providers/Microsoft.Compute/virtualMachines/vm-1";

pub(crate) fn claims(principal: &str) -> Value {
    json!({
        "iss": format!("https://sts.windows.net/{TENANT}/"), "aud": DEFAULT_RESOURCE, "tid": TENANT, "sub": principal,
        "oid": principal, "iat": unix(now()), "nbf": unix(now()), "exp": unix(now()) + 86_400, "xms_mirid": MACHINE,
    })
}

pub(crate) fn config(keys: KeySource) -> AzureMsiConfig {
    let tenant = Tenant {
        resource: DEFAULT_RESOURCE.to_owned(),
        issuers: issuers(TENANT),
        subscriptions: Vec::new(),
    };
    AzureMsiConfig {
        trust_domain: trust_domain(),
        tenants: [(TENANT.to_owned(), tenant)].into(),
        keys,
        template: path_template(DEFAULT_TEMPLATE).unwrap(),
        known: Arc::new(Record::default()),
    }
}

fn prover(token: String) -> AzureMsiProver {
    let service = Service::new(move |request| {
        assert_eq!(
            request.url,
            "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01\
             &resource=https%3A%2F%2Fmanagement.azure.com%2F"
        );
        match field(request, "metadata") {
            Some("true") => answer(
                200,
                json!({"access_token": token, "expires_in": "86399"}).to_string(),
            ),
            _ => answer(400, "no metadata"),
        }
    });
    AzureMsiProver::new(DEFAULT_METADATA, DEFAULT_RESOURCE, service)
}

fn payload(token: &str) -> Vec<u8> {
    json!({ "token": token }).to_string().into_bytes()
}

#[tokio::test]
async fn it_conforms() {
    for signer in [Signer::rsa("k1"), Signer::ecdsa("k1")] {
        let (keys, _) = published(std::slice::from_ref(&signer));
        let count = AtomicUsize::new(0);
        let next = move || {
            let principal = count.fetch_add(1, Ordering::Relaxed).to_string();
            prover(signer.token(&claims(&principal)))
        };
        Method::new(AzureMsiVerifier::new(config(keys)), next)
            .conforms()
            .await;
    }
}

#[tokio::test]
async fn a_machine_is_named_by_its_identity_and_let_in_once() {
    let signer = Signer::rsa("k1");
    let (keys, _) = published(std::slice::from_ref(&signer));
    let verifier = AzureMsiVerifier::new(config(keys));
    let attested = attest(&verifier, &mut prover(signer.token(&claims("p-1"))))
        .await
        .unwrap();
    assert_eq!(
        attested.agent_id.path(),
        format!("/spire/agent/azure_msi/{TENANT}/p-1")
    );
    assert_eq!(
        words(&attested),
        [
            "azure_msi:subscription-id:sub-1",
            "azure_msi:vm-name:group-1:vm-1"
        ]
    );
    assert!(!attested.can_reattest);
    let mut second = claims("p-1");
    second["iss"] = json!(format!("https://login.microsoftonline.com/{TENANT}/v2.0"));
    let again = refusal(&verifier, &payload(&signer.token(&second))).await;
    assert!(again.contains("has attested before"), "{again}");
}

#[tokio::test]
async fn tokens_that_do_not_count_are_refused_by_the_rule_they_break() {
    let signer = Signer::rsa("k1");
    let (keys, _) = published(std::slice::from_ref(&signer));
    let mut config = config(keys);
    config.tenants.get_mut(TENANT).unwrap().subscriptions = vec!["sub-1".to_owned()];
    let verifier = AzureMsiVerifier::new(config);
    let with = |member: &str, value: Value| {
        let mut claims = claims("p-1");
        claims[member] = value;
        signer.token(&claims)
    };
    let other = "/subscriptions/sub-2/resourcegroups/g/providers/Microsoft.Compute/virtualMachines/v";
    let identity =
        "/subscriptions/sub-1/resourcegroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i";
    let now = unix(now());
    for (token, words) in [
        (with("tid", json!("another")), "another is not configured"),
        (with("tid", Value::Null), "malformed"),
        (with("iss", json!("https://sts.windows.net/another/")), "issuer"),
        (
            with("aud", json!("https://graph.microsoft.com/")),
            "not for https://management.azure.com/",
        ),
        (with("exp", json!(now - 301)), "expired"),
        (with("nbf", json!(now + 301)), "not valid yet"),
        (with("sub", json!("")), "does not have"),
        // A person of the same tenant.
        (
            with("xms_mirid", Value::Null),
            "not of a virtual machine's own identity",
        ),
        (
            with("xms_mirid", json!(identity)),
            "not of a virtual machine's own identity",
        ),
        (with("xms_mirid", json!(other)), "sub-2 is not one"),
        (Signer::rsa("k1").token(&claims("p-1")), "signature"),
        (String::new(), "three parts"),
    ] {
        let refused = refusal(&verifier, &payload(&token)).await;
        assert!(refused.contains(words), "{words}: {refused}");
    }
    assert!(refusal(&verifier, b"{}").await.contains("three parts"));
}

#[tokio::test]
async fn a_machine_without_a_token_says_why_and_never_what_it_got() {
    for (status, body, words) in [
        (400, "identity not found", "answered 400"),
        (200, "{\"access_token\":\"\"}", "no token in it"),
        (200, "hunter2", "no token in JSON"),
    ] {
        let service = Service::new(move |_| answer(status, body));
        let mut prover = AzureMsiProver::new(DEFAULT_METADATA, DEFAULT_RESOURCE, service);
        let error = prover.evidence().await.unwrap_err().to_string();
        assert!(error.contains(words) && !error.contains("hunter2"), "{error}");
    }
}
