//! go-spiffe and Go's own TLS as a workload of ours.

use std::fs;

use serde_json::{Value, json};
use spiffe::SpiffeId;
use symbolon_interop::chain::{Chain, TRUST_DOMAIN, WORKLOAD};
use symbolon_interop::document::{AUDIENCE, Documents, JWT_KEY_ID};
use symbolon_interop::programs::{self, Talking};
use symbolon_interop::up::Up;
use symbolon_interop::workload::{self, GREETING, Listener};
use symbolon_pki::suite::{Form, Suite};
use tempfile::TempDir;

use crate::{go, outcome, releases};

/// The classical authority, and the catalyst one, which is an ECDSA root to those who do not look.
fn two_roots() -> Value {
    json!(["ECDSA", "ECDSA"])
}

#[test]
#[ignore = "needs Go and its module proxy; run by cargo xtask interop"]
fn a_bundle_with_post_quantum_authorities_reads_as_the_classical_one() {
    for release in releases() {
        let folder = TempDir::new().unwrap();
        let documents = Documents::issue().unwrap();
        let file = folder.path().join("bundle.json");
        let document = documents.bundle.to_jwks();
        fs::write(&file, &document).unwrap();
        let seen = outcome(go(release, "bundle").arg(TRUST_DOMAIN).arg(&file)).unwrap();

        let classical: Vec<String> = documents
            .bundle
            .authorities_of(Form::Classical)
            .map(|authority| hex::encode(authority.certificate.sha256()))
            .collect();
        assert_eq!(classical.len(), 3);
        assert_eq!(seen["x509"], json!(classical));
        assert_eq!(seen["keys"], json!(["ECDSA", "ECDSA", "Ed25519"]));
        assert_eq!(seen["jwt"], json!([JWT_KEY_ID]));
        assert_eq!(seen["sequence"], 7);
        assert_eq!(seen["hint"], 300.0);

        // Why they are not among the others: one there, and all is lost.
        let mut document: Value = serde_json::from_str(&document).unwrap();
        let hidden = document["pq_keys"].as_array().unwrap().clone();
        assert_eq!(hidden.len(), Suite::DEFAULTS.len() - classical.len());
        document["keys"].as_array_mut().unwrap().push(hidden[0].clone());
        fs::write(&file, document.to_string()).unwrap();
        outcome(go(release, "bundle").arg(TRUST_DOMAIN).arg(&file)).unwrap_err();
    }
}

#[test]
#[ignore = "needs Go and its module proxy; run by cargo xtask interop"]
fn classical_chains_are_verified() {
    for release in releases() {
        for suite in [Suite::EcdsaP256, Suite::EcdsaP384] {
            let folder = TempDir::new().unwrap();
            let chain = Chain::issue(suite).unwrap();
            chain.write(folder.path()).unwrap();
            let seen = outcome(go(release, "chain").arg(TRUST_DOMAIN).arg(folder.path())).unwrap();
            assert_eq!(seen, json!({ "spiffe_id": WORKLOAD, "length": 3 }), "{suite}");

            let other = Chain::issue(suite).unwrap();
            let mixed = Chain {
                root: other.root,
                ..chain
            };
            mixed.write(folder.path()).unwrap();
            let error = outcome(go(release, "chain").arg(TRUST_DOMAIN).arg(folder.path())).unwrap_err();
            assert!(error.contains("verify: "), "{suite}: {error}");
        }
    }
}

#[test]
#[ignore = "needs Go and its module proxy; run by cargo xtask interop"]
fn tokens_are_verified_with_our_bundles() {
    for release in releases() {
        let folder = TempDir::new().unwrap();
        let documents = Documents::issue().unwrap();
        let (bundle, token) = (folder.path().join("bundle.json"), folder.path().join("token"));
        fs::write(&bundle, documents.bundle.to_jwks()).unwrap();
        fs::write(&token, &documents.token).unwrap();
        let verify = |audience: &str| {
            let files = [&bundle, &token];
            outcome(go(release, "token").arg(TRUST_DOMAIN).args(files).arg(audience))
        };
        let seen = verify(AUDIENCE).unwrap();
        assert_eq!(seen, json!({ "spiffe_id": WORKLOAD, "audience": [AUDIENCE] }));
        let error = verify("someone-else").unwrap_err();
        assert!(error.contains("expected audience"), "{error}");

        fs::write(&bundle, Documents::issue().unwrap().bundle.to_jwks()).unwrap();
        let error = verify(AUDIENCE).unwrap_err();
        assert!(error.contains("unable to get claims from token"), "{error}");
    }
}

/// Post-quantum roots do no harm among X.509 authorities on the gRPC API, which is why they may stand there.
#[test]
#[ignore = "needs Go and its module proxy; run by cargo xtask interop"]
fn post_quantum_roots_are_skipped_in_x509_bundles() {
    for release in releases() {
        let folder = TempDir::new().unwrap();
        let mut chain = Chain::issue(Suite::EcdsaP256).unwrap();
        for suite in Suite::DEFAULTS {
            chain.root.extend(Chain::issue(suite).unwrap().root);
        }
        chain.write(folder.path()).unwrap();
        let seen = outcome(go(release, "chain").arg(TRUST_DOMAIN).arg(folder.path())).unwrap();
        assert_eq!(seen, json!({ "spiffe_id": WORKLOAD, "length": 3 }));
    }
}

#[test]
#[ignore = "needs Go and its module proxy; run by cargo xtask interop"]
fn a_stock_workload_gets_everything_classical_and_nothing_else() {
    for release in releases() {
        let up = Up::start().unwrap();
        let id = up.workload().unwrap();
        let seen = outcome(go(release, "fetch").args([up.workload_api().unwrap(), AUDIENCE])).unwrap();
        let svids = seen["svids"].as_array().unwrap();
        assert_eq!(svids.len(), 1, "{seen}");
        assert_eq!(svids[0]["spiffe_id"], id, "{seen}");
        assert_eq!(svids[0]["key"], "ECDSA", "{seen}");
        assert_eq!(seen["bundle"]["keys"], two_roots(), "{seen}");
        assert_eq!(seen["bundle"]["jwt"].as_array().unwrap().len(), 1, "{seen}");
        let token = json!({ "verified": id, "validated": id, "audience": [AUDIENCE] });
        assert_eq!(seen["token"], token, "{seen}");
        assert!(
            seen["misused"].as_str().unwrap().contains("InvalidArgument"),
            "{seen}"
        );
        release.peer.shows("workload-api", "classical", "ok").unwrap();
    }
}

#[test]
#[ignore = "needs Go and its module proxy; run by cargo xtask interop"]
fn changes_are_streamed() {
    for release in releases() {
        let up = Up::start().unwrap();
        let second = format!("spiffe://{TRUST_DOMAIN}/interop/second");
        let mut watch = Talking::start(go(release, "watch").args([up.workload_api().unwrap(), "2"])).unwrap();
        let first = watch.hear().unwrap();
        assert_eq!(first.as_array().unwrap().len(), 1, "{first}");
        up.register(&second, "second").unwrap();
        let after = watch.hear().unwrap();
        let ids: Vec<_> = after
            .as_array()
            .unwrap()
            .iter()
            .map(|svid| (&svid["spiffe_id"], &svid["hint"]))
            .collect();
        assert_eq!(ids.len(), 2, "{after}");
        assert!(ids.contains(&(&json!(second), &json!("second"))), "{after}");
        watch.end().unwrap();
    }
}

/// What a Go end has to have settled with one of ours.
fn assert_classical_over_hybrid(seen: &Value, peer: &str) {
    assert_eq!(seen["peer"], peer, "{seen}");
    assert_eq!(seen["peer_key"], "ECDSA", "{seen}");
    assert_eq!(seen["version"], "TLS 1.3", "{seen}");
    assert_eq!(seen["key_exchange"], "X25519MLKEM768", "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Go and its module proxy; run by cargo xtask interop"]
async fn a_stock_client_connects_to_our_listener() {
    for release in releases() {
        let up = Up::start().unwrap();
        let (id, endpoint) = (up.workload().unwrap(), up.workload_api().unwrap());
        let ours = workload::source(endpoint).await.unwrap();
        let mut listener = Listener::start(ours, SpiffeId::new(id).unwrap()).await.unwrap();
        let mut command = go(release, "connect");
        command.args([endpoint, &listener.address.to_string(), id]);
        let stock = tokio::task::spawn_blocking(move || outcome(&mut command));
        let info = listener.outcome().await.unwrap();
        assert_eq!(info.presented, Some(Form::Classical));
        assert_eq!(info.peer.as_ref().unwrap().spiffe_id.to_string(), id);
        let seen = stock.await.unwrap().unwrap();
        assert_classical_over_hybrid(&seen, id);
        assert_eq!(seen["said"], "hello from Go\n");
        let shows = |direction| release.peer.shows(direction, "classical", "X25519MLKEM768");
        shows("tls-client/go-spiffe").unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Go and its module proxy; run by cargo xtask interop"]
async fn a_stock_client_and_our_listener_refuse_strangers() {
    for release in releases() {
        let up = Up::start().unwrap();
        let (id, endpoint) = (up.workload().unwrap(), up.workload_api().unwrap());
        let stranger = format!("spiffe://{TRUST_DOMAIN}/stranger");
        let ours = workload::source(endpoint).await.unwrap();
        for (we_expect, they_expect) in [(id, &*stranger), (&*stranger, id)] {
            let we_expect = SpiffeId::new(we_expect).unwrap();
            let mut listener = Listener::start(ours.clone(), we_expect).await.unwrap();
            let mut command = go(release, "connect");
            command.args([endpoint, &listener.address.to_string(), they_expect]);
            let stock = tokio::task::spawn_blocking(move || outcome(&mut command));
            listener.outcome().await.unwrap_err();
            stock.await.unwrap().unwrap_err();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Go and its module proxy; run by cargo xtask interop"]
async fn our_client_connects_to_a_stock_server() {
    for release in releases() {
        let up = Up::start().unwrap();
        let (id, endpoint) = (up.workload().unwrap(), up.workload_api().unwrap());
        let mut stock = Talking::start(go(release, "listen").args([endpoint, id])).unwrap();
        let address = stock.hear().unwrap();
        let ours = workload::source(endpoint).await.unwrap();
        let peer = SpiffeId::new(id).unwrap();
        let info = workload::call(ours, address.as_str().unwrap().parse().unwrap(), peer)
            .await
            .unwrap();
        assert_eq!(info.presented, Some(Form::Classical));
        assert_eq!(info.negotiated.key_exchange, "X25519MLKEM768");
        let seen = stock.hear().unwrap();
        assert_classical_over_hybrid(&seen, id);
        assert_eq!(seen["said"], GREETING);
        stock.end().unwrap();
        let shows = |direction| release.peer.shows(direction, "classical", "X25519MLKEM768");
        shows("tls-server/go-spiffe").unwrap();
    }
}

#[test]
#[ignore = "needs Go and its module proxy; run by cargo xtask interop"]
fn a_running_servers_bundle_document_is_read() {
    for release in releases() {
        let up = Up::start().unwrap();
        let document = up.home().join("bundle.json");
        let show = ["bundle", "show", "--format", "spiffe"];
        let bundle = programs::run(up.symbolon().unwrap().args(show)).unwrap();
        fs::write(&document, &bundle).unwrap();
        let seen = outcome(go(release, "bundle").arg(TRUST_DOMAIN).arg(&document)).unwrap();
        assert_eq!(seen["keys"], two_roots(), "{seen}");
        assert_eq!(seen["jwt"].as_array().unwrap().len(), 1, "{seen}");
        let bundle: Value = serde_json::from_slice(&bundle).unwrap();
        assert_eq!(seen["sequence"], bundle["spiffe_sequence"]);
        assert_eq!(bundle["pq_keys"].as_array().unwrap().len(), 2, "{bundle}");
    }
}

/// As an agent of SPIRE does before and after it has attested.
#[test]
#[ignore = "needs Go and its module proxy; run by cargo xtask interop"]
fn a_stock_client_connects_to_the_server_itself() {
    for release in releases() {
        let up = Up::start().unwrap();
        let seen = outcome(go(release, "server").args([
            up.workload_api().unwrap(),
            up.server().unwrap(),
            TRUST_DOMAIN,
        ]))
        .unwrap();
        for manner in ["without identity", "with identity"] {
            let seen = &seen[manner];
            let server = format!("spiffe://{TRUST_DOMAIN}/spire/server");
            assert_classical_over_hybrid(&seen["connection"], &server);
            assert_eq!(seen["bundle"]["keys"], two_roots(), "{seen}");
            assert_eq!(seen["bundle"]["jwt"].as_array().unwrap().len(), 1, "{seen}");
        }
    }
}
