//! WIT-SVIDs over the wire.

use std::time::Duration;

use symbolon_api::spire::api::server::entry::v1::BatchCreateEntryRequest;
use symbolon_api::spire::api::server::entry::v1::entry_client::EntryClient;
use symbolon_api::spire::api::server::svid::v1 as api;
use symbolon_api::spire::api::server::svid::v1::svid_client::SvidClient;
use symbolon_api::spire::api::types;
use symbolon_ca::config::FamilyConfig;
use symbolon_pki::key::SubjectKey;
use symbolon_pki::suite::{Form, Suite};
use symbolon_pki::time::Clock;
use symbolon_pki::wit::{WitSvid, verify_wit_svid};
use tonic::Code;

use crate::support::{Key, TestAgent, TestServer, id, message, wire_id};

async fn with_wit() -> TestServer {
    TestServer::start_with(|config| config.families.wit = Some(FamilyConfig::default())).await
}

/// The public key of a new key.
fn public(suite: Suite) -> SubjectKey {
    let signer = symbolon_pki::key::PrivateKey::generate(suite)
        .unwrap()
        .signer()
        .unwrap();
    SubjectKey::Suite(signer.public_key().clone())
}

fn verify(server: &TestServer, svid: &types::Witsvid) -> WitSvid {
    verify_wit_svid(&svid.token, &server.bundles(), server.clock.now()).unwrap()
}

fn mint(path: &str, key: &SubjectKey, algorithm: &str, ttl: i32) -> api::MintWitsvidRequest {
    api::MintWitsvidRequest {
        id: wire_id(path),
        public_key: key.spki_der(),
        ttl,
        signing_algorithm: algorithm.to_owned(),
    }
}

fn life(svid: &types::Witsvid) -> i64 {
    svid.expires_at - svid.issued_at
}

#[tokio::test]
async fn operators_mint_for_any_key_that_tokens_are_bound_to() {
    let server = with_wit().await;
    let mut client = SvidClient::new(server.local().await);
    for (suite, algorithm) in [(Suite::EcdsaP256, "ES256"), (Suite::EcdsaP384, "ES384")] {
        let key = public(suite);
        let svid = client
            .mint_witsvid(mint("/web", &key, algorithm, 60))
            .await
            .unwrap();
        let svid = svid.into_inner().svid.unwrap();
        let verified = verify(&server, &svid);
        assert_eq!(
            (&verified.spiffe_id, verified.confirmation.key()),
            (&id("/web"), &key)
        );
        assert_eq!(verified.confirmation.algorithm().name(), algorithm);
        assert_eq!(
            (&svid.id, svid.hint.as_str(), life(&svid)),
            (&wire_id("/web"), "", 60)
        );
    }
    let svid = client
        .mint_witsvid(mint("/web", &public(Suite::EcdsaP256), "ES256", 0))
        .await
        .unwrap();
    assert_eq!(life(&svid.into_inner().svid.unwrap()), 3_600, "the default");
    // No longer than its key is published.
    let svid = client
        .mint_witsvid(mint("/web", &public(Suite::EcdsaP256), "ES256", i32::MAX))
        .await
        .unwrap();
    let svid = svid.into_inner().svid.unwrap();
    let end = server.server.authorities().wit().unwrap().not_after();
    assert_eq!(
        svid.expires_at,
        i64::try_from(symbolon_pki::time::unix_seconds(end)).unwrap()
    );
}

#[tokio::test]
async fn what_cannot_be_minted_is_refused_by_its_field() {
    let server = with_wit().await;
    let mut client = SvidClient::new(server.local().await);
    let key = public(Suite::EcdsaP256);
    let good = || mint("/web", &key, "ES256", 60);
    let of_domain = |trust_domain: &str, path: &str| {
        Some(types::Spiffeid {
            trust_domain: trust_domain.to_owned(),
            path: path.to_owned(),
        })
    };
    let with_id = |id| api::MintWitsvidRequest { id, ..good() };
    let with_key = |public_key: Vec<u8>| api::MintWitsvidRequest { public_key, ..good() };
    let authority = {
        let bundle = server.server.authorities().bundle();
        (
            bundle.wit_authorities[0].spki_der(),
            bundle.jwt_authorities[0].spki_der(),
        )
    };
    let mut cut = key.spki_der();
    cut.pop();
    let mut off_the_curve = key.spki_der();
    let last = off_the_curve.len() - 1;
    off_the_curve[last] ^= 1;
    let cases = [
        (with_id(None), "id is missing"),
        (with_id(wire_id("")), "id"),
        (with_id(of_domain("other.org", "/web")), "id: "),
        (with_id(of_domain("", "/web")), "id: "),
        (with_id(of_domain("example.org", "web")), "id: "),
        (with_id(of_domain("example.org", "/a/../b")), "id: "),
        (with_id(wire_id("/spire/server")), "id: "),
        (
            with_id(of_domain("example.org", &format!("/{}", "a".repeat(3_000)))),
            "id",
        ),
        (with_key(vec![]), "public_key is missing"),
        (with_key(vec![0x30]), "public_key: "),
        (with_key(vec![0; 100_000]), "public_key: "),
        (with_key(cut), "public_key: "),
        (with_key(off_the_curve), "public_key: "),
        (with_key([key.spki_der(), vec![0]].concat()), "public_key: "),
        (with_key(authority.0), "public_key: "),
        (with_key(authority.1), "public_key: "),
        (mint("/web", &key, "", 60), "signing_algorithm is missing"),
        (mint("/web", &key, "none", 60), "signing_algorithm: "),
        (mint("/web", &key, "HS256", 60), "signing_algorithm: "),
        (mint("/web", &key, "ES384", 60), "signing_algorithm: "),
        (mint("/web", &key, &"E".repeat(10_000), 60), "signing_algorithm: "),
        (
            mint("/web", &public(Suite::Ed25519), "EdDSA", 60),
            "signing_algorithm: ",
        ),
        (
            mint("/web", &public(Suite::MlDsa65), "ML-DSA-65", 60),
            "signing_algorithm: ",
        ),
        (
            mint("/web", &public(Suite::MlDsa65), "ES256", 60),
            "signing_algorithm: ",
        ),
        (mint("/web", &key, "ES256", -1), "ttl is -1"),
        (mint("/web", &key, "ES256", i32::MIN), "ttl is "),
    ];
    let before = server.server.authorities().journal();
    for (index, (request, words)) in cases.into_iter().enumerate() {
        let status = client.mint_witsvid(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{index} {words}: {status}");
        assert!(status.message().starts_with(words), "{index} {words}: {status}");
        assert!(
            status.message().len() < 4_000,
            "{index}: {}",
            status.message().len()
        );
    }
    assert_eq!(server.server.authorities().journal(), before);
    client.mint_witsvid(good()).await.unwrap();
}

async fn entry(server: &TestServer, agent: &TestAgent, path: &str, ttl: i32) -> String {
    let mut client = EntryClient::new(server.local().await);
    let entry = types::Entry {
        x509_svid_ttl: ttl,
        hint: "internal".to_owned(),
        ..message(path, agent.spiffe_id.path())
    };
    let request = BatchCreateEntryRequest {
        entries: vec![entry],
        output_mask: None,
    };
    let mut results = client
        .batch_create_entry(request)
        .await
        .unwrap()
        .into_inner()
        .results;
    results.remove(0).entry.unwrap().id
}

fn params(entry_id: &str, key: &SubjectKey, algorithm: &str) -> api::NewWitsvidParams {
    api::NewWitsvidParams {
        entry_id: entry_id.to_owned(),
        public_key: key.spki_der(),
        signing_algorithm: algorithm.to_owned(),
    }
}

#[tokio::test]
async fn agents_get_them_by_their_entries_each_by_itself() {
    let server = with_wit().await;
    let agent = server.agent(Form::Classical).await;
    let web = entry(&server, &agent, "/web", 120).await;
    let plain = entry(&server, &agent, "/plain", 0).await;
    let other = server.agent(Form::Classical).await;
    let foreign = entry(&server, &other, "/foreign", 0).await;
    let key = public(Suite::EcdsaP256);
    let wit_key = server.server.authorities().bundle().wit_authorities[0]
        .public_key
        .clone();
    let cases = [
        (params(&web, &key, "ES256"), Code::Ok, ""),
        (
            params("", &key, "ES256"),
            Code::InvalidArgument,
            "entry_id is missing",
        ),
        (params(&foreign, &key, "ES256"), Code::NotFound, "entry_id: "),
        (params("nobody's", &key, "ES256"), Code::NotFound, "entry_id: "),
        (
            params(&web, &key, ""),
            Code::InvalidArgument,
            "signing_algorithm is missing",
        ),
        (
            params(&web, &key, "PS256"),
            Code::InvalidArgument,
            "signing_algorithm: ",
        ),
        (params(&plain, &key, "ES256"), Code::Ok, ""),
        (
            params(&web, &wit_key, "ES256"),
            Code::InvalidArgument,
            "public_key: ",
        ),
        (
            api::NewWitsvidParams {
                public_key: vec![],
                ..params(&web, &key, "ES256")
            },
            Code::InvalidArgument,
            "public_key is missing",
        ),
        (params(&web, &public(Suite::EcdsaP384), "ES384"), Code::Ok, ""),
    ];
    let mut client = SvidClient::new(agent.channel.clone());
    let request = api::BatchNewWitsvidRequest {
        params: cases.iter().map(|(params, ..)| params.clone()).collect(),
    };
    let results = client
        .batch_new_witsvid(request)
        .await
        .unwrap()
        .into_inner()
        .results;
    assert_eq!(results.len(), cases.len());
    for ((params, code, words), result) in cases.iter().zip(&results) {
        let status = result.status.as_ref().unwrap();
        assert_eq!(Code::from(status.code), *code, "{params:?}: {}", status.message);
        assert_eq!(result.svid.is_some(), *code == Code::Ok);
        let Some(svid) = &result.svid else {
            assert!(status.message.starts_with(words), "{words}: {}", status.message);
            continue;
        };
        let verified = verify(&server, svid);
        assert_eq!(verified.confirmation.key().spki_der(), params.public_key);
        let (path, seconds) = if params.entry_id == web {
            ("/web", 120)
        } else {
            ("/plain", 3_600)
        };
        assert_eq!((verified.spiffe_id, life(svid)), (id(path), seconds));
        assert_eq!((&svid.id, svid.hint.as_str()), (&wire_id(path), "internal"));
    }
}

#[tokio::test]
async fn whole_batches_that_make_no_sense_are_refused() {
    let server = with_wit().await;
    let agent = server.agent(Form::Classical).await;
    let web = entry(&server, &agent, "/web", 0).await;
    let mut client = SvidClient::new(agent.channel.clone());
    let key = public(Suite::EcdsaP256);
    let too_many = symbolon_api::MAX_BATCH + 1;
    for (params, words) in [
        (vec![], "params is missing"),
        (vec![params(&web, &key, "ES256"); too_many], "params has "),
    ] {
        let request = api::BatchNewWitsvidRequest { params };
        let status = client.batch_new_witsvid(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().starts_with(words), "{status}");
    }
    // Operators mint; they have no entries.
    let request = api::BatchNewWitsvidRequest {
        params: vec![params(&web, &key, "ES256")],
    };
    let status = SvidClient::new(server.local().await)
        .batch_new_witsvid(request)
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
    let status = client
        .mint_witsvid(mint("/web", &key, "ES256", 0))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn a_server_without_the_family_says_so_as_spire_does() {
    let server = TestServer::start().await;
    let agent = server.agent(Form::Classical).await;
    let web = entry(&server, &agent, "/web", 0).await;
    let key = public(Suite::EcdsaP256);
    let minted = SvidClient::new(server.local().await)
        .mint_witsvid(mint("/web", &key, "ES256", 0))
        .await;
    let request = api::BatchNewWitsvidRequest {
        params: vec![params(&web, &key, "ES256")],
    };
    let batch = SvidClient::new(agent.channel.clone())
        .batch_new_witsvid(request)
        .await;
    for status in [minted.map(drop).unwrap_err(), batch.map(drop).unwrap_err()] {
        assert_eq!(status.code(), Code::Unimplemented);
        assert!(
            status.message().starts_with("WIT functionality is disabled"),
            "{status}"
        );
    }
}

/// A lifetime that the operator chose.
#[tokio::test]
async fn the_default_lifetime_is_configured() {
    let server = TestServer::start_with(|config| {
        config.families.wit = Some(FamilyConfig::default());
        config.lifetimes.wit = "10m".parse().unwrap();
    })
    .await;
    let key = Key::new(Form::Classical);
    let key = SubjectKey::Suite(key.signer.public_key().clone());
    let svid = SvidClient::new(server.local().await)
        .mint_witsvid(mint("/web", &key, "ES256", 0))
        .await
        .unwrap();
    assert_eq!(
        Duration::from_secs(life(&svid.into_inner().svid.unwrap()).unsigned_abs()),
        Duration::from_secs(600)
    );
}
