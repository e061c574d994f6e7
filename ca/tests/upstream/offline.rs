//! Requests that are carried to a root and certificates that are carried back.
//!
//! Looks are counted, and a running server looks by itself whenever it is time: so there is no server around most of these.

mod slow;
mod unfit;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use symbolon_ca::authorities::{AuthoritiesError, CommandError, NOTICE, Rotation};
use symbolon_ca::config::{OfflineUpstreamConfig, UpstreamConfig};
use symbolon_ca::datastore::{AuthorityRecord, AuthorityState};
use symbolon_ca::upstream::{NamedUpstream, Offline, Upstream};
use symbolon_crypto::random;
use symbolon_hsm::KeyStore as _;
use symbolon_issuance::{Authority, IntermediateRequest, Serial, prepare_intermediate};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::csr::Csr;
use symbolon_pki::key::SubjectKey;
use symbolon_pki::pem;
use symbolon_pki::suite::{Family, Form, Suite};
use symbolon_pki::time::Clock as _;
use tempfile::TempDir;

use crate::disk::mint;
use crate::root::Root;
use crate::run::{Run, soon, told};
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
fn sign(root: &Root, csr: &Csr, now: SystemTime) -> String {
    certified(root, csr.key(), Duration::from_secs(90 * 24 * 3600), now)
}

/// Authorities whose ML-DSA family is below the files in a directory.
struct Below {
    run: Run,
    carried: PathBuf,
    clock: Arc<TestClock>,
}

impl Below {
    async fn on(dir: Arc<TempDir>, carried: &Path, clock: Arc<TestClock>) -> Self {
        let upstream = Arc::new(Offline::new(carried.to_owned()));
        Self::above(upstream, dir, carried, clock).await
    }

    /// Below this upstream, whose files are in that directory.
    async fn above(
        upstream: Arc<dyn Upstream>,
        dir: Arc<TempDir>,
        carried: &Path,
        clock: Arc<TestClock>,
    ) -> Self {
        let above = NamedUpstream {
            name: "ceremony".parse().unwrap(),
            upstream,
        };
        Self {
            run: families(dir, Some(above), clock.clone()).await,
            carried: carried.to_owned(),
            clock,
        }
    }

    /// Stops, and starts again that much later.
    async fn restart(self, later: Duration) -> Self {
        let dir = self.run.stop().await;
        self.clock.advance(later);
        Self::on(dir, &self.carried, self.clock).await
    }

    fn file(&self, ending: &str) -> PathBuf {
        file(&self.carried, ending)
    }

    /// The request in the directory.
    fn request(&self) -> Csr {
        request(&self.carried)
    }

    /// What a ceremony makes of a request.
    fn sign(&self, root: &Root, csr: &Csr) -> String {
        sign(root, csr, self.clock.now())
    }

    /// Looks once at what was brought.
    async fn look(&self) -> Result<Vec<AuthorityRecord>, AuthoritiesError> {
        self.run.authorities.take_what_was_brought().await
    }

    /// Brings what was signed, and has it taken.
    async fn bring(&self, root: &Root) -> AuthorityRecord {
        fs::write(self.file("chain.pem"), self.sign(root, &self.request())).unwrap();
        assert_eq!(self.look().await.unwrap(), []);
        self.look().await.unwrap().remove(0)
    }

    /// The suite that signs, and what the family is to sign with.
    fn suites(&self) -> (Suite, Suite) {
        let authorities = &self.run.authorities;
        let active = authorities.active(Family::MlDsa).unwrap().suite();
        (active, authorities.plan(Family::MlDsa).unwrap().wanted.suite)
    }

    /// How many keys the store holds.
    fn keys(&self) -> usize {
        self.run.store.list().unwrap().len()
    }
}

/// A family that certifies itself, and ML-DSA below this upstream or below nobody.
async fn families(dir: Arc<TempDir>, above: Option<NamedUpstream>, clock: Arc<TestClock>) -> Run {
    let families = vec![
        (Family::Classical, Suite::EcdsaP256, None),
        (Family::MlDsa, Suite::MlDsa65, above),
    ];
    let run = Run::with(dir, families, clock).await;
    run.map_err(|error| told(&error)).unwrap()
}

/// One whose ML-DSA family awaits its first certificate.
async fn start() -> (Below, TempDir, Root) {
    let (dir, clock, carried) = (TempDir::new().unwrap(), TestClock::new(), TempDir::new().unwrap());
    let root = Root::new(Suite::MlDsa87, clock.now());
    let below = Below::on(Arc::new(dir), carried.path(), clock).await;
    (below, carried, root)
}

#[tokio::test]
async fn a_server_serves_everybody_else_until_a_certificate_is_brought() {
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
    let server = TestServer::on(dir, clock, config).await.unwrap();
    let authorities = server.server.authorities();
    assert!(authorities.active(Family::MlDsa).is_none());
    let chain = mint(&server, Form::Classical, "/billing").await;
    assert_eq!(server.verify(&chain).spiffe_id, id("/billing"));

    let brought = sign(&root, &request(carried.path()), server.clock.now());
    fs::write(file(carried.path(), "chain.pem"), brought).unwrap();
    // It looks by itself as well.
    soon(async {
        while authorities.active(Family::MlDsa).is_none() {
            authorities.follow_upstreams().await;
            authorities.rotate_due().await.unwrap();
        }
    })
    .await;
    let chain = mint(&server, Form::MlDsa, "/billing").await;
    assert_eq!((chain.len(), server.verify(&chain).form), (2, Form::MlDsa));
}

#[tokio::test]
async fn a_request_waits_through_restarts_until_its_certificate_is_brought() {
    let (below, carried, root) = start().await;
    assert!(below.run.authorities.active(Family::MlDsa).is_none());
    assert!(below.run.authorities.active(Family::Classical).is_some());
    let csr = below.request();
    assert_eq!(
        csr.spiffe_id().unwrap().unwrap().to_string(),
        "spiffe://example.org"
    );

    // A stick that was lost is written again, and what is asked for stays.
    fs::remove_file(below.file("csr.pem")).unwrap();
    let below = below.restart(Duration::from_secs(600)).await;
    below.run.tick().await;
    assert_eq!(below.request().key(), csr.key());

    unfit::refuses_what_is_unfit(&below, &root, &csr).await;

    below.bring(&root).await;
    below.run.authorities.rotate_due().await.unwrap();
    assert_eq!(below.suites(), (Suite::MlDsa65, Suite::MlDsa65));
    let left: Vec<_> = ["csr.pem", "chain.pem", "refused.pem", "refused.txt", "taken.pem"]
        .into_iter()
        .filter(|ending| below.file(ending).exists())
        .collect();
    assert_eq!(left, ["taken.pem"]);

    // Half of its life before its end the next one is requested, and the old one signs on.
    let before = below.run.authorities.active(Family::MlDsa).unwrap();
    let before = before.authority_id().to_string();
    let below = below.restart(Duration::from_secs(61 * 24 * 3600)).await;
    assert_ne!(request(carried.path()).key(), csr.key());
    let now = below.run.authorities.active(Family::MlDsa).unwrap();
    assert_eq!(now.authority_id().to_string(), before);
    let journal = below.run.authorities.journal();
    let waiting = journal
        .iter()
        .filter(|it| it.family == Family::MlDsa && it.state == AuthorityState::Prepared);
    assert_eq!(waiting.count(), 0);
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
    let (below, _carried, root) = start().await;
    let (whole, brought) = (below.sign(&root, &below.request()), below.file("chain.pem"));
    for part in [whole.len() / 3, whole.len() / 2, whole.len()] {
        fs::write(&brought, &whole[..part]).unwrap();
        assert_eq!(below.look().await.unwrap(), []);
        assert!(brought.exists() && !below.file("refused.txt").exists());
    }
    assert_eq!(below.look().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_directory_that_is_away_changes_nothing() {
    let (below, carried, root) = start().await;
    fs::write(below.file("chain.pem"), below.sign(&root, &below.request())).unwrap();
    let away = carried.path().with_extension("away");
    fs::rename(carried.path(), &away).unwrap();
    let error = below.look().await.unwrap_err();
    let told = told(&error);
    assert!(told.contains(&carried.path().display().to_string()), "{told}");
    fs::rename(&away, carried.path()).unwrap();
    assert_eq!(below.look().await.unwrap(), []);
    assert_eq!(
        below.look().await.unwrap().len(),
        1,
        "it is there again, and nothing was lost"
    );
}

#[tokio::test]
async fn a_first_start_does_not_need_the_directory() {
    let (dir, clock, carried) = (TempDir::new().unwrap(), TestClock::new(), TempDir::new().unwrap());
    let stick = carried.path().join("stick");
    let below = Below::on(Arc::new(dir), &stick, clock).await;
    assert!(below.run.authorities.active(Family::Classical).is_some());
    fs::create_dir(&stick).unwrap();
    assert_eq!(below.look().await.unwrap(), []);
    assert!(below.file("csr.pem").exists());
    let csr = below.request();
    let below = below.restart(Duration::from_secs(600)).await;
    assert_eq!(below.request().key(), csr.key());
}

#[tokio::test]
async fn a_family_whose_certificates_are_brought_goes_to_another_suite() {
    let (below, _carried, root) = start().await;
    below.bring(&root).await;
    let authorities = below.run.authorities.clone();
    authorities.rotate_due().await.unwrap();
    assert_eq!(below.suites(), (Suite::MlDsa65, Suite::MlDsa65));

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
    assert_eq!(below.suites(), (Suite::MlDsa65, Suite::MlDsa87));
    let asked = below.request();
    // Time goes by, and the server starts anew: it is still that which is awaited.
    authorities.rotate_due().await.unwrap();
    drop(authorities);
    let below = below.restart(Duration::from_secs(3600)).await;
    let authorities = below.run.authorities.clone();
    assert_eq!(below.request().key(), asked.key());

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
    assert_eq!(below.request().key(), asked.key());
    let back = authorities
        .rotate(Family::MlDsa, &to(Suite::MlDsa65, false))
        .await
        .unwrap_err();
    assert!(matches!(back, CommandError::Requested { .. }), "{back}");

    let made = below.bring(&root).await;
    assert_eq!(made.suite, Suite::MlDsa87);
    below.clock.advance(NOTICE);
    authorities.rotate_due().await.unwrap();
    assert_eq!(below.suites(), (Suite::MlDsa87, Suite::MlDsa87));

    // Said so, it is given up: what was signed for it is of no use, and its key is gone.
    authorities
        .rotate(Family::MlDsa, &to(Suite::MlDsa65, false))
        .await
        .unwrap();
    let given_up = below.sign(&root, &below.request());
    let awaited = below.keys();
    authorities
        .rotate(Family::MlDsa, &to(Suite::MlDsa44, true))
        .await
        .unwrap();
    authorities.rotate_due().await.unwrap();
    assert_eq!(below.keys(), awaited, "one key came and one went");
    fs::write(below.file("chain.pem"), given_up).unwrap();
    assert_eq!(below.look().await.unwrap(), []);
    below.look().await.unwrap_err();
    authorities
        .rotate(Family::MlDsa, &to(Suite::MlDsa87, true))
        .await
        .unwrap();
    authorities.rotate_due().await.unwrap();
    assert_eq!(below.keys(), awaited - 1, "what signs already needs no request");
    assert_eq!(below.suites(), (Suite::MlDsa87, Suite::MlDsa87));
}

#[tokio::test]
async fn a_request_that_nobody_is_to_answer_any_more_is_forgotten_with_its_key() {
    let (below, _carried, _) = start().await;
    let awaited = below.keys();
    let csr = below.file("csr.pem");
    let dir = below.run.stop().await;
    let run = families(dir, None, below.clock).await;
    assert!(run.authorities.active(Family::MlDsa).is_some());
    assert_eq!(
        run.store.list().unwrap().len(),
        awaited,
        "one key was made, and that of the request is gone"
    );
    assert!(csr.exists(), "what is outside is its owner's");
}
