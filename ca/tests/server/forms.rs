//! Pairs and catalyst SVIDs over the wire: what is issued, and what is refused.

mod catalyst;

use std::time::Duration;

use symbolon_api::spire::api::server::svid::v1 as api;
use symbolon_api::spire::api::server::svid::v1::svid_client::SvidClient;
use symbolon_ca::client::{CertificateQuery, EntrySpec, Reader};
use symbolon_ca::datastore::sqlite::SqliteDatastore;
use symbolon_ca::datastore::{AuthorityState, AuthorityStore as _, Datastore as _};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::csr::CsrBuilder;
use symbolon_pki::key::{PrivateKey, SuiteSigner};
use symbolon_pki::related::verify_pair;
use symbolon_pki::suite::{Form, Suite};
use symbolon_pki::time::Clock;
use symbolon_pki::verify::VerifyOptions;
use tonic::Code;

use crate::support::{Key, TestAgent, TestServer, asking, id};

/// A certificate with the key it was issued for.
struct Half {
    certificate: Certificate,
    key: Key,
}

fn signer(suite: Suite) -> SuiteSigner {
    PrivateKey::generate(suite).unwrap().signer().unwrap()
}

/// Asks for one SVID of an entry and gives the certificate, or how it was refused.
async fn ask(
    agent: &TestAgent,
    entry: &str,
    csr: Vec<u8>,
    form: &str,
    forms: &'static str,
) -> Result<Certificate, (Code, String)> {
    let params = api::NewX509svidParams {
        entry_id: entry.to_owned(),
        csr,
        form: form.to_owned(),
    };
    let request = asking(api::BatchNewX509svidRequest { params: vec![params] }, forms);
    let mut client = SvidClient::new(agent.channel.clone());
    let mut results = client
        .batch_new_x509svid(request)
        .await
        .unwrap()
        .into_inner()
        .results;
    let result = results.remove(0);
    match result.svid {
        Some(svid) => {
            let certificate = Certificate::from_der(&svid.cert_chain[0]).unwrap();
            // Said to those who ask for more than the classical form.
            let said = certificate
                .form()
                .map(Form::name)
                .filter(|_| forms != "classical");
            assert_eq!(svid.form, said.unwrap_or_default());
            Ok(certificate)
        }
        None => {
            let status = result.status.unwrap();
            Err((status.code.into(), status.message))
        }
    }
}

async fn first_half(agent: &TestAgent, entry: &str) -> Half {
    let key = Key::new(Form::Classical);
    let certificate = ask(agent, entry, key.csr(None), "classical", "paired").await;
    Half {
        certificate: certificate.unwrap(),
        key,
    }
}

/// A request for the second half, made now by the server's clock.
fn second_request(server: &TestServer, first: &Half, second: &SuiteSigner) -> Vec<u8> {
    CsrBuilder::new(second)
        .related_to(&first.certificate, &first.key.signer, server.clock.now())
        .build()
        .unwrap()
}

#[tokio::test]
async fn a_pair_is_issued_in_order_and_verifies_as_one() {
    let server = TestServer::start().await;
    let agent = server.agent(Form::Classical).await;
    let entry = server.entry(&agent, "/web").await;
    let first = first_half(&agent, &entry).await;
    let second = signer(Suite::MlDsa65);
    // The form is told by the request itself, and may be said besides.
    for form in ["", "paired"] {
        let csr = second_request(&server, &first, &second);
        let certificate = ask(&agent, &entry, csr, form, "paired").await.unwrap();
        let pair = verify_pair(
            std::slice::from_ref(&first.certificate),
            std::slice::from_ref(&certificate),
            &server.bundles(),
            server.clock.now(),
            &VerifyOptions::default(),
        )
        .unwrap();
        assert_eq!(pair.spiffe_id, id("/web"));
        let on_record = server
            .client
            .certificate(&certificate.serial_hex())
            .await
            .unwrap();
        assert_eq!(on_record.form, "paired");
        assert_eq!(on_record.algorithm, "ml-dsa-65");
        // To software that knows ML-DSA and no pairs it is an ML-DSA SVID.
        let alone = server.verify(&[certificate.der().to_vec()]);
        assert_eq!((alone.form, alone.spiffe_id), (Form::MlDsa, id("/web")));
    }
    let query = CertificateQuery {
        form: Some(Form::Paired),
        ..CertificateQuery::default()
    };
    assert_eq!(server.client.certificates(&query).await.unwrap().len(), 2);
}

#[tokio::test]
async fn the_second_half_of_a_pair_is_refused_for_what_is_wrong_with_the_first() {
    let server = TestServer::start().await;
    let agent = server.agent(Form::Classical).await;
    let mut spec = EntrySpec::new(
        id("/web"),
        agent.spiffe_id.clone(),
        vec!["unix:uid:1".parse().unwrap()],
    );
    spec.x509_svid_ttl = Some(Duration::from_secs(60));
    let entry = server.client.create_entry(&spec).await.unwrap().id;
    let other_entry = server.entry(&agent, "/web").await;
    let db = server.entry(&agent, "/db").await;

    let first = first_half(&agent, &entry).await;
    let of_db = first_half(&agent, &db).await;
    let by_other_entry = first_half(&agent, &other_entry).await;
    let second = signer(Suite::MlDsa65);
    let request = |first: &Half| second_request(&server, first, &second);

    // Another server's certificate, for the same identity.
    let stranger = TestServer::start().await;
    let their_agent = stranger.agent(Form::Classical).await;
    let their_entry = stranger.entry(&their_agent, "/web").await;
    let theirs = first_half(&their_agent, &their_entry).await;
    // One that is no workload's.
    let agents_own = Half {
        key: Key::new(Form::Classical),
        certificate: first.certificate.clone(),
    };
    let renewed = agent.renew(&agents_own.key).await.unwrap();
    let agents_own = Half {
        certificate: Certificate::from_der(&renewed.cert_chain[0]).unwrap(),
        ..agents_own
    };
    let another_classical = CsrBuilder::new(&signer(Suite::EcdsaP256))
        .related_to(&first.certificate, &first.key.signer, server.clock.now())
        .build()
        .unwrap();

    let before = server.certificate_count().await;
    for (entry, csr, form, words) in [
        (
            &db,
            request(&first),
            "paired",
            "for spiffe://example.org/web, and the second would be for",
        ),
        (&entry, request(&of_db), "paired", "a pair has one identity"),
        (&entry, request(&by_other_entry), "paired", "another entry"),
        (
            &entry,
            request(&theirs),
            "paired",
            "has not issued the first certificate",
        ),
        (&entry, request(&agents_own), "paired", "of profile agent"),
        (
            &entry,
            another_classical,
            "paired",
            "the second certificate of a pair has an ML-DSA key",
        ),
        (
            &entry,
            request(&first),
            "ml-dsa",
            "form is ml-dsa, and csr is for one of form paired",
        ),
        (
            &entry,
            Key::new(Form::MlDsa).csr(None),
            "paired",
            "relatedCertRequest",
        ),
    ] {
        let (code, message) = ask(&agent, entry, csr, form, "ml-dsa,paired").await.unwrap_err();
        assert_eq!(code, Code::InvalidArgument, "{message}");
        assert!(message.contains(words), "{words}: {message}");
    }
    let (code, message) = ask(&agent, &entry, request(&first), "", "ml-dsa")
        .await
        .unwrap_err();
    assert_eq!(code, Code::InvalidArgument);
    assert!(
        message.contains("send the metadata symbolon-forms: paired"),
        "{message}"
    );

    // A proof that was made long ago, and one for a certificate that has ended.
    let early = request(&first);
    let late = request(&by_other_entry);
    server.clock.advance(Duration::from_secs(61));
    let ended = request(&first);
    let (code, message) = ask(&agent, &entry, ended, "", "paired").await.unwrap_err();
    assert_eq!(code, Code::InvalidArgument);
    assert!(
        message.contains("the first certificate is valid from"),
        "{message}"
    );
    let (_, message) = ask(&agent, &entry, early, "", "paired").await.unwrap_err();
    assert!(
        message.contains("the first certificate is valid from"),
        "{message}"
    );
    server.clock.advance(Duration::from_secs(300));
    let (_, message) = ask(&agent, &other_entry, late, "", "paired").await.unwrap_err();
    assert!(message.contains("the request to be paired is dated"), "{message}");
    assert_eq!(server.certificate_count().await, before, "nothing was issued");
    // The first half is as good as before.
    let fresh = request(&by_other_entry);
    ask(&agent, &other_entry, fresh, "", "paired").await.unwrap();
}

#[tokio::test]
async fn operators_mint_pairs_and_catalyst_svids() {
    let server = TestServer::start().await;
    let mut client = SvidClient::new(server.local().await);
    let mut mint = async |csr: Vec<u8>, forms: &'static str| {
        let message = api::MintX509svidRequest { csr, ttl: 60 };
        let svid = client.mint_x509svid(asking(message, forms)).await;
        svid.map(|svid| Certificate::from_der(&svid.into_inner().svid.unwrap().cert_chain[0]).unwrap())
    };
    let key = Key::new(Form::Classical);
    let first = Half {
        certificate: mint(key.csr(Some(&id("/minted"))), "paired").await.unwrap(),
        key,
    };
    let second = signer(Suite::MlDsa65);
    let csr = |path: &str| {
        CsrBuilder::new(&second)
            .spiffe_id(&id(path))
            .related_to(&first.certificate, &first.key.signer, server.clock.now())
            .build()
            .unwrap()
    };
    let certificate = mint(csr("/minted"), "paired").await.unwrap();
    certificate.related().unwrap().check(&first.certificate).unwrap();
    let status = mint(csr("/another"), "paired").await.unwrap_err();
    assert!(status.message().contains("a pair has one identity"), "{status}");

    let (native, alternative) = (signer(Suite::EcdsaP256), signer(Suite::MlDsa65));
    let csr = CsrBuilder::new(&native)
        .spiffe_id(&id("/minted"))
        .alternative(&alternative);
    let certificate = mint(csr.build().unwrap(), "catalyst").await.unwrap();
    assert_eq!(certificate.form(), Some(Form::Catalyst));
}

/// The first half's authority, as the steps from active to revoked go: the pair is for as long as it is to be relied on.
#[tokio::test]
async fn no_pair_is_made_with_a_first_half_of_a_tainted_or_revoked_authority() {
    const HOUR: Duration = Duration::from_secs(3600);
    let server = TestServer::start().await;
    // Its successor is published, and signs a little later.
    let server = server
        .restart(|clock| clock.advance(19 * HOUR + HOUR / 2))
        .await
        .unwrap();
    let key = Key::new(Form::Classical);
    let mint = async |server: &TestServer, csr: Vec<u8>, forms: &'static str| {
        let message = asking(api::MintX509svidRequest { csr, ttl: 3600 }, forms);
        let svid = SvidClient::new(server.local().await).mint_x509svid(message).await;
        svid.map(|svid| Certificate::from_der(&svid.into_inner().svid.unwrap().cert_chain[0]).unwrap())
    };
    let certificate = mint(&server, key.csr(Some(&id("/minted"))), "classical").await;
    let first = Half {
        certificate: certificate.unwrap(),
        key,
    };
    let authority_id = server.verify(&[first.certificate.der().to_vec()]).authority_id;
    let second = async |server: &TestServer| {
        let csr = CsrBuilder::new(&signer(Suite::MlDsa65))
            .spiffe_id(&id("/minted"))
            .related_to(&first.certificate, &first.key.signer, server.clock.now())
            .build()
            .unwrap();
        mint(server, csr, "paired").await
    };
    let mut server = server
        .restart(|clock| clock.advance(HOUR / 2 + HOUR / 4))
        .await
        .unwrap();
    second(&server).await.expect("replaced and trusted as before");

    for (state, words) in [
        (AuthorityState::Tainted, "which is tainted"),
        (AuthorityState::Revoked, "which is not published any more"),
    ] {
        let TestServer {
            dir,
            clock,
            config,
            server: running,
            client,
        } = server;
        drop(client);
        running.shutdown().await.unwrap();
        let store = SqliteDatastore::open(&config.data_dir.join("server").join("db"))
            .await
            .unwrap();
        let tainted = authority_id.to_string();
        store
            .change_authority_state(&tainted, state, clock.now())
            .await
            .unwrap();
        store.close().await;
        server = TestServer::on(dir, clock, config).await.unwrap();
        let before = server.certificate_count().await;
        let status = second(&server).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        assert!(status.message().contains(words), "{status}");
        assert!(status.message().contains("ask for a new first one"), "{status}");
        assert_eq!(server.certificate_count().await, before, "nothing was issued");
    }
}
