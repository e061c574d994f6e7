//! HashiCorp Vault 1.21: its PKI secrets engine above a server of ours, by each way in that it has without a Kubernetes.
//!
//! OpenBao speaks the same API; its module cannot be had from Go's module proxy, so it is not tried here.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "of documents that are asserted on")]

mod server;

use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

use serde_json::{Value, json};
use spiffe::TrustDomain;
use symbolon_api::spire::api::server::svid::v1::MintX509svidRequest;
use symbolon_api::spire::api::server::svid::v1::svid_client::SvidClient;
use symbolon_interop::chain::TRUST_DOMAIN;
use symbolon_interop::programs;
use symbolon_interop::running::eventually;
use symbolon_interop::server::{Server, Settings};
use symbolon_pki::bundle::{BundleSet, TrustBundle, X509Authority};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::csr::CsrBuilder;
use symbolon_pki::key::PrivateKey;
use symbolon_pki::suite::Suite;
use symbolon_pki::verify::verify_x509_svid;
use symbolon_tls::grpc::{ChannelOptions, unix_channel};

use self::server::{Vault, by_token};

fn start(sections: String) -> anyhow::Result<Server> {
    Server::with(&Settings {
        sections,
        ..Settings::default()
    })
}

/// The chain of a classical SVID that the server mints.
fn minted(server: &Server) -> Vec<Certificate> {
    let signer = PrivateKey::generate(Suite::EcdsaP256).unwrap().signer().unwrap();
    let id = server.id_of("/workload").parse().unwrap();
    let csr = CsrBuilder::new(&signer).spiffe_id(&id).build().unwrap();
    let minted = tokio::runtime::Runtime::new().unwrap().block_on(async {
        let channel = unix_channel(&server.socket(), &ChannelOptions::default())
            .await
            .unwrap();
        let request = MintX509svidRequest { csr, ttl: 0 };
        SvidClient::new(channel).mint_x509svid(request).await.unwrap()
    });
    let chain = minted.into_inner().svid.unwrap().cert_chain;
    chain
        .iter()
        .map(|der| Certificate::from_der(der).unwrap())
        .collect()
}

/// That a server's SVIDs go back to this root, with so many certificates between.
fn assert_below(server: &Server, root: &Certificate, between: usize) {
    let chain = minted(server);
    assert_eq!(chain.len(), 1 + between);
    let trust_domain = TrustDomain::new(TRUST_DOMAIN).unwrap();
    let mut bundle = TrustBundle::new(trust_domain.clone());
    bundle.x509_authorities.push(X509Authority::new(root.clone()));
    let verified = verify_x509_svid(&chain, &BundleSet::from(bundle), SystemTime::now()).unwrap();
    assert_eq!(verified.spiffe_id.to_string(), server.id_of("/workload"));
    // Everybody below is shown the root, and not what is between.
    let document = fs::read(server.bundle().unwrap()).unwrap();
    let shown = TrustBundle::from_jwks(&trust_domain, &document).unwrap();
    let shown: Vec<_> = shown.x509_authorities.iter().map(|it| &it.certificate).collect();
    assert!(shown.contains(&root), "the root is in the bundle");
    assert!(!shown.contains(&&chain[1]));
}

#[test]
#[ignore = "builds Vault; run by cargo xtask interop"]
fn every_way_in_leads_to_an_authority_below_the_engines_root() {
    let vault = Vault::start(&json!({}));
    let root = vault.root("pki");

    let token = vault.token(&json!({}));
    let file = vault.secret("token", token["client_token"].as_str().unwrap());
    let server = start(vault.above("", &by_token(&file))).unwrap();
    assert_below(&server, &root, 1);
    drop(server);

    vault.ask("POST", "sys/auth/machines", &json!({ "type": "approle" }));
    let role = "auth/machines/role/symbolon";
    vault.ask(
        "POST",
        role,
        &json!({ "token_policies": "symbolon", "token_ttl": "1h" }),
    );
    let role_id = vault.ask("GET", &format!("{role}/role-id"), &Value::Null);
    let secret_id = vault.ask("POST", &format!("{role}/secret-id"), &json!({}));
    let file = vault.secret("secret-id", secret_id["data"]["secret_id"].as_str().unwrap());
    let auth = format!(
        "method = \"approle\"\nmount = \"machines\"\nrole_id = {}\nsecret_id_source = \"file:{}\"",
        role_id["data"]["role_id"],
        file.display()
    );
    let server = start(vault.above("", &auth)).unwrap();
    assert_below(&server, &root, 1);
    drop(server);

    vault.ask("POST", "sys/auth/cert", &json!({ "type": "cert" }));
    let believed = fs::read_to_string(vault.file("client/root.pem")).unwrap();
    vault.ask(
        "POST",
        "auth/cert/certs/symbolon",
        &json!({ "certificate": believed, "token_policies": "symbolon" }),
    );
    let auth = format!(
        "method = \"cert\"\nrole = \"symbolon\"\ncertificate_file = \"{}\"\nkey_file = \"{}\"",
        vault.file("client/chain.pem").display(),
        vault.file("client/key.pem").display()
    );
    let server = start(vault.above("", &auth)).unwrap();
    assert_below(&server, &root, 1);
}

#[test]
#[ignore = "builds Vault; run by cargo xtask interop"]
fn an_engine_below_another_gives_what_leads_up_to_the_root() {
    let vault = Vault::start(&json!({}));
    vault.engine("lower");
    let made = vault.ask(
        "POST",
        "lower/intermediate/generate/internal",
        &json!({ "common_name": "Issuing", "key_type": "ec" }),
    );
    let order = json!({
        "csr": made["data"]["csr"], "common_name": "Issuing", "ttl": "4380h", "format": "pem_bundle"
    });
    let signed = vault.ask("POST", "pki/root/sign-intermediate", &order);
    vault.ask(
        "POST",
        "lower/intermediate/set-signed",
        &json!({ "certificate": signed["data"]["certificate"] }),
    );
    vault.ask(
        "POST",
        "sys/policies/acl/symbolon",
        &json!({ "policy": "path \"lower/root/sign-intermediate\" { capabilities = [\"update\"] }" }),
    );
    let token = vault.token(&json!({}));
    let file = vault.secret("token", token["client_token"].as_str().unwrap());
    let server = start(vault.above("mount = \"lower\"", &by_token(&file))).unwrap();
    assert_below(&server, &vault.root("pki"), 2);
}

/// What a server says that does not start.
fn refused(sections: String) -> String {
    format!(
        "{:#}",
        start(sections)
            .err()
            .unwrap_or_else(|| panic!("the server starts"))
    )
}

#[test]
#[ignore = "builds Vault; run by cargo xtask interop"]
fn what_vault_does_not_do_is_said_with_its_reason() {
    let vault = Vault::start(&json!({}));
    let token = vault.token(&json!({}));
    let good = vault.secret("token", token["client_token"].as_str().unwrap());
    let said = refused(vault.above("mount = \"nowhere\"", &by_token(&good)));
    assert!(
        said.contains("permission denied") || said.contains("404"),
        "{said}"
    );
    let wrong = vault.secret("wrong", "hvs.nothing");
    let said = refused(vault.above("", &by_token(&wrong)));
    assert!(said.contains("403") && !said.contains("hvs.nothing"), "{said}");

    let narrow = Vault::start(&json!({ "max_path_length": 0 }));
    let token = narrow.token(&json!({}));
    let file = narrow.secret("token", token["client_token"].as_str().unwrap());
    let said = refused(narrow.above("", &by_token(&file)));
    assert!(said.contains("max path length of zero"), "{said}");
}

#[test]
#[ignore = "builds Vault; run by cargo xtask interop"]
fn an_authority_ends_with_an_issuer_that_ends_early() {
    let vault = Vault::start(&json!({ "ttl": "12h" }));
    let token = vault.token(&json!({}));
    let file = vault.secret("token", token["client_token"].as_str().unwrap());
    let server = start(vault.above("", &by_token(&file))).unwrap();
    let root = vault.root("pki");
    assert_below(&server, &root, 1);
    assert_eq!(minted(&server)[1].not_after(), root.not_after());
}

fn authorities(server: &Server) -> Value {
    let mut command = server.symbolon().unwrap();
    programs::json(command.args(["authority", "list", "--output", "json"])).unwrap()
}

#[test]
#[ignore = "builds Vault; run by cargo xtask interop"]
fn a_sealed_vault_leaves_the_old_authority_and_a_short_token_is_kept_alive() {
    let vault = Vault::start(&json!({}));
    let token = vault.token(&json!({ "period": "60s" }));
    let file: PathBuf = vault.secret("token", token["client_token"].as_str().unwrap());
    let server = start(vault.above("", &by_token(&file))).unwrap();
    let about = json!({ "accessor": token["accessor"] });
    eventually("the token is renewed", || {
        let known = vault.ask("POST", "auth/token/lookup-accessor", &about);
        Ok(known["data"]["last_renewal_time"].is_u64().then_some(()))
    })
    .unwrap();

    let before = authorities(&server);
    vault.ask("POST", "sys/seal", &json!({}));
    let mut command = server.symbolon().unwrap();
    let output = command
        .args(["authority", "prepare", "classical"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "a sealed Vault signs nothing");
    assert!(said.contains("sealed"), "{said}");
    assert_eq!(authorities(&server), before);
    minted(&server);
}
