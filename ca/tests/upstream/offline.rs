//! Requests that are carried to a root and certificates that are carried back.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use spiffe::TrustDomain;
use symbolon_ca::authorities::{AuthoritiesError, CommandError, NOTICE, Rotation};
use symbolon_ca::config::{OfflineUpstreamConfig, UpstreamConfig};
use symbolon_ca::datastore::{AuthorityRecord, AuthorityState};
use symbolon_crypto::random;
use symbolon_issuance::{Authority, IntermediateRequest, Serial, prepare_intermediate};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::csr::Csr;
use symbolon_pki::key::{PrivateKey, SubjectKey};
use symbolon_pki::pem;
use symbolon_pki::suite::{Family, Form, Suite};
use symbolon_pki::time::Clock as _;
use tempfile::TempDir;

use crate::disk::mint;
use crate::root::Root;
use crate::support::{TestClock, TestServer, config, id};

const FAMILY: &str = "ml-dsa";

fn file(dir: &Path, ending: &str) -> PathBuf {
    dir.join(format!("{FAMILY}.{ending}"))
}

/// The request in the directory.
fn request(dir: &Path) -> Csr {
    let text = fs::read(file(dir, "csr.pem")).unwrap();
    Csr::from_der(&pem::certificate_request(&text).unwrap()).unwrap()
}

/// What a ceremony makes of a request.
fn sign(root: &Root, csr: &Csr, server: &TestServer) -> String {
    certified(
        root,
        csr.key(),
        Duration::from_secs(90 * 24 * 3600),
        server.clock.now(),
    )
}

#[tokio::test]
async fn a_request_waits_through_restarts_until_its_certificate_is_brought() {
    let (server, carried, root) = start().await;
    assert!(server.server.authorities().active(Family::MlDsa).is_none());
    // Everybody else is served meanwhile.
    let chain = mint(&server, Form::Classical, "/billing").await;
    assert_eq!(server.verify(&chain).spiffe_id, id("/billing"));
    let csr = request(carried.path());
    assert_eq!(
        csr.spiffe_id().unwrap().unwrap().to_string(),
        "spiffe://example.org"
    );

    // A stick that was lost is written again, and what is asked for stays.
    fs::remove_file(file(carried.path(), "csr.pem")).unwrap();
    let server = server
        .restart(|clock| clock.advance(Duration::from_secs(600)))
        .await
        .unwrap();
    server.server.authorities().follow_upstreams().await;
    server.server.authorities().rotate_due().await.unwrap();
    assert_eq!(request(carried.path()).key(), csr.key());

    refuses_what_is_unfit(&server, carried.path(), &root, &csr).await;

    let brought = file(carried.path(), "chain.pem");
    fs::write(&brought, sign(&root, &csr, &server)).unwrap();
    assert_eq!(
        look(&server).await.unwrap(),
        [],
        "somebody may be copying it still"
    );
    let taken = look(&server).await.unwrap();
    assert_eq!(taken.len(), 1);
    server.server.authorities().rotate_due().await.unwrap();
    let chain = mint(&server, Form::MlDsa, "/billing").await;
    assert_eq!((chain.len(), server.verify(&chain).form), (2, Form::MlDsa));
    let left: Vec<_> = ["csr.pem", "chain.pem", "refused.pem", "refused.txt", "taken.pem"]
        .into_iter()
        .filter(|ending| file(carried.path(), ending).exists())
        .collect();
    assert_eq!(left, ["taken.pem"]);

    // Half of its life before its end the next one is requested, and the old one signs on.
    let before = server.server.authorities().active(Family::MlDsa).unwrap();
    let server = server
        .restart(|clock| clock.advance(Duration::from_secs(61 * 24 * 3600)))
        .await
        .unwrap();
    assert_ne!(request(carried.path()).key(), csr.key());
    let now = server.server.authorities().active(Family::MlDsa).unwrap();
    assert_eq!(now.authority_id(), before.authority_id());
    let journal = server.server.authorities().journal();
    let waiting = journal
        .iter()
        .filter(|it| it.family == Family::MlDsa && it.state == AuthorityState::Prepared);
    assert_eq!(waiting.count(), 0);
}

/// Looks once at what was brought.
async fn look(server: &TestServer) -> Result<Vec<AuthorityRecord>, AuthoritiesError> {
    server.server.authorities().take_what_was_brought().await
}

/// What is of no use is put away with the reason, and the request waits on.
async fn refuses_what_is_unfit(server: &TestServer, carried: &Path, root: &Root, csr: &Csr) {
    let now = server.clock.now();
    let other = Root::new(Suite::MlDsa65, now);
    let elsewhere = TrustDomain::new("elsewhere.org").unwrap();
    let year = Duration::from_secs(365 * 24 * 3600);
    let foreign = Root::with(Suite::MlDsa87, None, &elsewhere, None, year, now);
    let (days, key) = (Duration::from_secs(24 * 3600), csr.key().clone());
    let other_key = SubjectKey::Suite(
        PrivateKey::generate(Suite::MlDsa65)
            .unwrap()
            .public_key()
            .unwrap(),
    );
    let whole = sign(root, csr, server);
    let own = certificate_of(&whole);
    let chain = |certificates: &[&Certificate]| pem::encode_certificates(certificates.iter().copied());
    let cases = [
        (chain(&[&other.certificate]), "no certificate"),
        (whole.replace("BEGIN", "BEGNI"), "BEGIN"),
        (chain(&[&own]), "holds no root"),
        // What is half copied when whoever copies it dies.
        (whole[..whole.len() / 2].to_owned(), "no END marker"),
        (certified(root, &other_key, 90 * days, now), "key"),
        (certified(&foreign, &key, 90 * days, now), "elsewhere.org"),
        (certified(root, &key, 90 * days, now - 100 * days), "ended at"),
        (certified(root, &key, 90 * days, now + days), "begins at"),
        (certified(root, &key, Duration::from_secs(20), now), "too early"),
        (chain(&[&own, &other.certificate]), "would not be believed"),
        (
            chain(&[&own, &root.twin(Some(0), now).certificate]),
            "allows 0 intermediate",
        ),
    ];
    let brought = file(carried, "chain.pem");
    let (refused, note) = (file(carried, "refused.pem"), file(carried, "refused.txt"));
    for (text, reason) in cases {
        fs::write(&brought, &text).unwrap();
        assert_eq!(
            look(server).await.unwrap(),
            [],
            "{reason}: somebody may be copying it still"
        );
        let error = look(server).await.unwrap_err();
        assert!(crate::run::told(&error).contains(reason), "{reason}: {error:?}");
        let told = fs::read_to_string(&note).unwrap();
        assert!(told.contains(reason), "{reason}: {told}");
        assert_eq!(fs::read_to_string(&refused).unwrap(), text, "{reason}");
        assert!(!brought.exists(), "{reason}");
        assert!(
            server.server.authorities().active(Family::MlDsa).is_none(),
            "{reason}"
        );
        assert_eq!(
            request(carried).key(),
            csr.key(),
            "{reason}: the request waits on"
        );
        // So that the next case has to write them anew.
        fs::remove_file(&note).unwrap();
        fs::remove_file(&refused).unwrap();
    }
}

/// A certificate for a key, and the root after it.
fn certified(root: &Root, key: &SubjectKey, ttl: Duration, now: SystemTime) -> String {
    // One that stood at that time already.
    let early = root.twin(None, now);
    let root = match now < root.certificate.not_before() {
        true => &early,
        false => root,
    };
    let authority = Authority::new(root.certificate.clone(), root.signer()).unwrap();
    let request = IntermediateRequest {
        key,
        alternative: None,
        ttl,
        path_len: Some(0),
        serial: Serial::random(random::fill).unwrap(),
        now,
    };
    let linted = prepare_intermediate(&authority, &request).unwrap();
    let certificate = Certificate::from_der(linted.sign(&authority).unwrap().der()).unwrap();
    pem::encode_certificates([&certificate, &root.certificate])
}

#[tokio::test]
async fn what_is_still_being_copied_is_left_alone() {
    let (server, carried, root) = start().await;
    let csr = request(carried.path());
    let (whole, brought) = (sign(&root, &csr, &server), file(carried.path(), "chain.pem"));
    for part in [whole.len() / 3, whole.len() / 2, whole.len()] {
        fs::write(&brought, &whole[..part]).unwrap();
        assert_eq!(look(&server).await.unwrap(), []);
        assert!(brought.exists() && !file(carried.path(), "refused.txt").exists());
    }
    assert_eq!(look(&server).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_directory_that_is_away_changes_nothing() {
    let (server, carried, root) = start().await;
    let csr = request(carried.path());
    fs::write(file(carried.path(), "chain.pem"), sign(&root, &csr, &server)).unwrap();
    let away = carried.path().with_extension("away");
    fs::rename(carried.path(), &away).unwrap();
    let error = look(&server).await.unwrap_err();
    let told = crate::run::told(&error);
    assert!(told.contains(&carried.path().display().to_string()), "{told}");
    fs::rename(&away, carried.path()).unwrap();
    look(&server).await.unwrap();
    assert_eq!(
        look(&server).await.unwrap().len(),
        1,
        "it is there again, and nothing was lost"
    );
}

/// A server whose ML-DSA family awaits its first certificate.
async fn start() -> (TestServer, TempDir, Root) {
    let (dir, clock, carried) = (TempDir::new().unwrap(), TestClock::new(), TempDir::new().unwrap());
    let root = Root::new(Suite::MlDsa87, clock.now());
    let mut config = config(dir.path());
    config.upstreams.insert(
        "ceremony".parse().unwrap(),
        UpstreamConfig::Offline(OfflineUpstreamConfig {
            dir: carried.path().to_owned(),
        }),
    );
    config.families.ml_dsa.upstream = Some("ceremony".parse().unwrap());
    (TestServer::on(dir, clock, config).await.unwrap(), carried, root)
}

/// The suite that signs, and what the family is to sign with.
fn suites(server: &TestServer) -> (Suite, Suite) {
    let authorities = server.server.authorities();
    let active = authorities.active(Family::MlDsa).unwrap().suite();
    (active, authorities.plan(Family::MlDsa).unwrap().wanted.suite)
}

/// Brings what was signed, and has it taken.
async fn bring(server: &TestServer, carried: &Path, root: &Root) -> AuthorityRecord {
    let csr = request(carried);
    fs::write(file(carried, "chain.pem"), sign(root, &csr, server)).unwrap();
    look(server).await.unwrap();
    look(server).await.unwrap().remove(0)
}

#[tokio::test]
async fn a_family_whose_certificates_are_brought_goes_to_another_suite() {
    let (server, carried, root) = start().await;
    let carried_to = carried.path();
    bring(&server, carried_to, &root).await;
    let authorities = server.server.authorities().clone();
    authorities.rotate_due().await.unwrap();
    assert_eq!(suites(&server), (Suite::MlDsa65, Suite::MlDsa65));

    let to = |suite, gives_up_request| Rotation {
        suite: Some(suite),
        gives_up_request,
        ..Rotation::default()
    };
    let rotating = authorities
        .rotate(Family::MlDsa, &to(Suite::MlDsa87, false))
        .await
        .unwrap();
    assert!(rotating.prepared.is_none() && rotating.is_awaited);
    assert_eq!(suites(&server), (Suite::MlDsa65, Suite::MlDsa87));
    let asked = request(carried_to);
    // Time goes by, and the server starts anew: it is still that which is awaited.
    authorities.rotate_due().await.unwrap();
    drop(authorities);
    let server = server
        .restart(|clock| clock.advance(Duration::from_secs(3600)))
        .await
        .unwrap();
    let authorities = server.server.authorities().clone();
    assert_eq!(request(carried_to).key(), asked.key());

    // Nobody throws away what may be at the ceremony without saying so.
    let refused = authorities
        .rotate(Family::MlDsa, &to(Suite::MlDsa44, false))
        .await;
    let refused = refused.unwrap_err();
    assert!(
        matches!(
            &refused,
            CommandError::Requested {
                suite: Suite::MlDsa87,
                ..
            }
        ),
        "{refused}"
    );
    assert_eq!(request(carried_to).key(), asked.key());
    let back = authorities
        .rotate(Family::MlDsa, &to(Suite::MlDsa65, false))
        .await
        .unwrap_err();
    assert!(matches!(back, CommandError::Requested { .. }), "{back}");

    let made = bring(&server, carried_to, &root).await;
    assert_eq!(made.suite, Suite::MlDsa87);
    server.clock.advance(NOTICE);
    authorities.rotate_due().await.unwrap();
    assert_eq!(suites(&server), (Suite::MlDsa87, Suite::MlDsa87));

    // Said so, it is given up: what was signed for it is of no use, and its key is gone.
    authorities
        .rotate(Family::MlDsa, &to(Suite::MlDsa65, false))
        .await
        .unwrap();
    let given_up = sign(&root, &request(carried_to), &server);
    let awaited = keys(&server);
    authorities
        .rotate(Family::MlDsa, &to(Suite::MlDsa44, true))
        .await
        .unwrap();
    authorities.rotate_due().await.unwrap();
    assert_eq!(keys(&server), awaited, "one key came and one went");
    fs::write(file(carried_to, "chain.pem"), given_up).unwrap();
    look(&server).await.unwrap();
    look(&server).await.unwrap_err();
    authorities
        .rotate(Family::MlDsa, &to(Suite::MlDsa87, true))
        .await
        .unwrap();
    authorities.rotate_due().await.unwrap();
    assert_eq!(keys(&server), awaited - 1, "what signs already needs no request");
    assert_eq!(suites(&server), (Suite::MlDsa87, Suite::MlDsa87));
}

/// How many keys the server's store holds.
fn keys(server: &TestServer) -> usize {
    let stores = fs::read_dir(server.data_dir().join("server").join("keys")).unwrap();
    stores
        .map(|store| fs::read_dir(store.unwrap().path()).unwrap().count())
        .sum()
}

#[tokio::test]
async fn a_request_that_nobody_is_to_answer_any_more_is_forgotten_with_its_key() {
    let (server, carried, _) = start().await;
    let awaited = keys(&server);
    let mut config = server.config.clone();
    config.families.ml_dsa.upstream = None;
    let TestServer {
        dir,
        clock,
        server,
        client,
        ..
    } = server;
    drop(client);
    server.shutdown().await.unwrap();
    let server = TestServer::on(dir, clock, config).await.unwrap();
    assert!(server.server.authorities().active(Family::MlDsa).is_some());
    assert_eq!(
        keys(&server),
        awaited,
        "one key was made, and that of the request is gone"
    );
    assert!(
        file(carried.path(), "csr.pem").exists(),
        "what is outside is its owner's"
    );
}

fn certificate_of(text: &str) -> Certificate {
    pem::certificates(text.as_bytes()).unwrap().remove(0).unwrap()
}
