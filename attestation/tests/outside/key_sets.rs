//! When keys are fetched, by whom, and which of them count; seen through the methods that need them.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use symbolon_attestation::azure_msi::AzureMsiVerifier;
use symbolon_attestation::gcp_iit::{GcpIitVerifier, KeySource, Monotonic};
use symbolon_pki::bundle::TrustBundle;
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, yield_now};

use crate::tokens::{KEYS, Signer, unix};
use crate::*;

/// A clock that a test sets, in seconds since it began.
#[derive(Clone, Debug, Default)]
struct Seconds(Arc<AtomicUsize>);

impl Seconds {
    fn set(&self, seconds: usize) {
        self.0.store(seconds, Ordering::SeqCst);
    }

    fn clock(&self) -> Monotonic {
        let (start, seconds) = (Instant::now(), self.0.clone());
        Arc::new(move || start + Duration::from_secs(seconds.load(Ordering::SeqCst) as u64))
    }
}

/// A service that answers as many questions as it is let, with what there is then.
#[derive(Debug)]
struct Held {
    let_answer: Semaphore,
    asked: AtomicUsize,
    answer: Mutex<Option<String>>,
}

impl Held {
    fn new(answer: Option<String>) -> Arc<Self> {
        Arc::new(Self {
            let_answer: Semaphore::new(0),
            asked: AtomicUsize::new(0),
            answer: Mutex::new(answer),
        })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn set(&self, answer: Option<String>) {
        *self.answer.lock().unwrap() = answer;
    }

    async fn is_asked(&self, times: usize) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.asked() < times {
            assert!(Instant::now() < deadline, "nobody asks");
            yield_now().await;
        }
    }
}

#[async_trait]
impl HttpClient for Held {
    async fn send(&self, request: Request) -> Result<Response, Box<dyn Error + Send + Sync>> {
        assert_eq!(request.url, KEYS);
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.let_answer.acquire().await.unwrap().forget();
        match self.answer.lock().unwrap().clone() {
            Some(document) => Ok(answer(200, document)?),
            None => Err("nobody answers".into()),
        }
    }
}

fn document(signers: &[&Signer]) -> String {
    let mut bundle = TrustBundle::new(trust_domain());
    bundle.jwt_authorities = signers
        .iter()
        .map(|signer| signer.published_authority())
        .collect();
    bundle.to_jwt_jwks()
}

/// A server that lets in machines of Google's, its clock, and the service with the keys.
struct Site {
    verifier: Arc<GcpIitVerifier>,
    seconds: Seconds,
    service: Arc<Held>,
    machines: AtomicUsize,
}

impl Site {
    fn new(answer: Option<String>) -> Self {
        let (seconds, service) = (Seconds::default(), Held::new(answer));
        let keys = KeySource::with_clock(KEYS, service.clone(), seconds.clock());
        Self {
            verifier: Arc::new(GcpIitVerifier::new(gcp_iit::config(keys))),
            seconds,
            service,
            machines: AtomicUsize::new(0),
        }
    }

    fn token(&self, signer: &Signer) -> String {
        let machine = self.machines.fetch_add(1, Ordering::SeqCst);
        signer.token(&gcp_iit::claims(&machine.to_string()))
    }

    /// A machine that comes at a moment. The service answers it, if it is asked.
    async fn comes(&self, seconds: usize, signer: &Signer) -> Result<Attested, AttestationError> {
        self.seconds.set(seconds);
        let token = self.token(signer);
        let before = self.service.let_answer.available_permits();
        if before == 0 {
            self.service.let_answer.add_permits(1);
        }
        self.verifier
            .verify(token.as_bytes(), &mut NeverAsked, now())
            .await
    }
}

fn unavailable(outcome: &Result<Attested, AttestationError>) -> String {
    match outcome {
        Err(AttestationError::Unavailable(why)) => why.to_string(),
        other => panic!("{other:?}"),
    }
}

fn denied(outcome: &Result<Attested, AttestationError>) -> String {
    match outcome {
        Err(AttestationError::Denied(why)) => why.clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn everybody_waits_for_the_first_keys_and_they_are_asked_for_once() {
    let signer = Signer::rsa("k1");
    let site = Site::new(Some(document(&[&signer])));
    let mut waiting = JoinSet::new();
    for _ in 0..20 {
        let (verifier, token) = (site.verifier.clone(), site.token(&signer));
        waiting.spawn(async move { verifier.verify(token.as_bytes(), &mut NeverAsked, now()).await });
    }
    site.service.is_asked(1).await;
    // All the others have come to where they wait.
    for _ in 0..1000 {
        yield_now().await;
    }
    site.service.let_answer.add_permits(20);
    for outcome in waiting.join_all().await {
        outcome.unwrap();
    }
    assert_eq!(site.service.asked(), 1);
}

#[tokio::test]
async fn a_question_in_vain_is_everybodys_and_the_next_comes_soon_and_then_later() {
    let signer = Signer::rsa("k1");
    let site = Site::new(None);
    let mut waiting = JoinSet::new();
    for _ in 0..5 {
        let (verifier, token) = (site.verifier.clone(), site.token(&signer));
        waiting.spawn(async move { verifier.verify(token.as_bytes(), &mut NeverAsked, now()).await });
    }
    site.service.is_asked(1).await;
    site.service.let_answer.add_permits(1);
    for outcome in waiting.join_all().await {
        assert!(unavailable(&outcome).contains("nobody answers"), "{outcome:?}");
    }
    assert_eq!(site.service.asked(), 1);
    // 1 s after the first, 2 s after the second, 4, 8, 16, 32, and then a minute each.
    let mut next = 0;
    for (times, pause) in [1, 2, 4, 8, 16, 32, 60, 60, 60].into_iter().enumerate() {
        let early = site.comes(next + pause - 1, &signer).await;
        assert!(unavailable(&early).contains("nobody answers"), "{early:?}");
        assert_eq!(site.service.asked(), times + 1, "{pause} s have not passed");
        next += pause;
        unavailable(&site.comes(next, &signer).await);
        assert_eq!(site.service.asked(), times + 2, "{pause} s have passed");
    }
    site.service.set(Some(document(&[&signer])));
    site.comes(next + 60, &signer).await.unwrap();
    // From then on it is as if there had been no trouble.
    let asked = site.service.asked();
    site.service.set(None);
    site.comes(next + 60 + 3600, &signer).await.unwrap();
    site.comes(next + 60 + 3600, &signer).await.unwrap();
    assert_eq!(site.service.asked(), asked + 1);
    site.comes(next + 60 + 3601, &signer).await.unwrap();
    assert_eq!(site.service.asked(), asked + 2);
}

#[tokio::test]
async fn a_question_goes_on_when_who_asked_it_leaves() {
    let signer = Signer::rsa("k1");
    let site = Site::new(Some(document(&[&signer])));
    let (verifier, token) = (site.verifier.clone(), site.token(&signer));
    let first = tokio::spawn(async move { verifier.verify(token.as_bytes(), &mut NeverAsked, now()).await });
    site.service.is_asked(1).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    site.comes(0, &signer).await.unwrap();
    assert_eq!(site.service.asked(), 1);
}

#[test]
fn keys_are_fetched_where_there_is_no_runtime_as_well() {
    let signer = Signer::rsa("k1");
    let site = Site::new(Some(document(&[&signer])));
    let outcome = pin!(site.comes(0, &signer)).poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(outcome, Poll::Ready(Ok(_))), "{outcome:?}");
}

#[tokio::test]
async fn a_name_that_nobody_knows_has_the_keys_fetched_once_a_minute() {
    let (signer, made_up, new) = (Signer::rsa("k1"), Signer::rsa("k2"), Signer::rsa("k3"));
    let site = Site::new(Some(document(&[&signer])));
    let first = denied(&site.comes(0, &made_up).await);
    assert!(first.contains("its key k2 is not published"), "{first}");
    // The cloud makes a new key just after. Whether it is published is not known before it may be asked again.
    site.service.set(Some(document(&[&signer, &new])));
    for seconds in [0, 1, 59] {
        for stranger in [&made_up, &new] {
            // That nobody failed is told apart: it is no error of the server's, and who is right comes again.
            match site.comes(seconds, stranger).await {
                Err(AttestationError::Busy(why)) => assert!(why.contains("less than a minute ago"), "{why}"),
                other => panic!("{other:?}"),
            }
        }
        // A key that is known waits for nobody.
        site.comes(seconds, &signer).await.unwrap();
    }
    assert_eq!(site.service.asked(), 1);
    site.comes(60, &new).await.unwrap();
    assert_eq!(site.service.asked(), 2);
    denied(&site.comes(120, &made_up).await);
    assert_eq!(site.service.asked(), 3);
}

#[tokio::test]
async fn keys_that_were_fetched_last_a_day_when_there_are_no_others() {
    let signer = Signer::rsa("k1");
    let site = Site::new(Some(document(&[&signer])));
    site.comes(0, &signer).await.unwrap();
    site.service.set(None);
    let hour = 3600;
    for (hours, asked) in [(2, 2), (23, 3)] {
        site.comes(hours * hour, &signer).await.unwrap();
        assert_eq!(site.service.asked(), asked);
    }
    unavailable(&site.comes(24 * hour, &signer).await);
    assert_eq!(site.service.asked(), 4);
}

#[tokio::test]
async fn keys_that_are_a_little_old_are_used_while_others_are_asked_for() {
    let signer = Signer::rsa("k1");
    let site = Site::new(Some(document(&[&signer])));
    site.comes(0, &signer).await.unwrap();
    site.seconds.set(2 * 3600);
    let (verifier, token) = (site.verifier.clone(), site.token(&signer));
    let first = tokio::spawn(async move { verifier.verify(token.as_bytes(), &mut NeverAsked, now()).await });
    site.service.is_asked(2).await;
    let token = site.token(&signer);
    site.verifier
        .verify(token.as_bytes(), &mut NeverAsked, now())
        .await
        .unwrap();
    site.service.let_answer.add_permits(1);
    first.await.unwrap().unwrap();
    assert_eq!(site.service.asked(), 2);
}

#[tokio::test]
async fn a_clock_that_is_set_back_keeps_nobody_from_asking() {
    let (signer, new) = (Signer::rsa("k1"), Signer::rsa("k2"));
    let site = Site::new(Some(document(&[&signer])));
    site.comes(0, &signer).await.unwrap();
    site.service.set(Some(document(&[&new])));
    // The system's time is a day before; the clock that nobody sets is two minutes on.
    site.seconds.set(120);
    let before = now() - Duration::from_secs(24 * 3600);
    let mut claims = gcp_iit::claims("77");
    claims["exp"] = json!(unix(before) + 60);
    site.service.let_answer.add_permits(1);
    let token = new.token(&claims);
    site.verifier
        .verify(token.as_bytes(), &mut NeverAsked, before)
        .await
        .unwrap();
    assert_eq!(site.service.asked(), 2);
}

/// A cloud's published key set, and a key of this test's among them, in the same shape.
fn beside(published: &str, signer: &Signer, more: &[(&str, Value)]) -> String {
    let mut set: Value = serde_json::from_str(published).unwrap();
    let own: Value = serde_json::from_str(&document(&[signer])).unwrap();
    let mut entry = set["keys"][0].clone();
    for member in ["kid", "n", "e"] {
        entry[member] = own["keys"][0][member].clone();
    }
    for (member, value) in more {
        entry[*member] = value.clone();
    }
    set["keys"].as_array_mut().unwrap().push(entry);
    set.to_string()
}

#[tokio::test]
async fn a_key_among_googles_published_ones_vouches_for_a_machine() {
    let signer = Signer::rsa("k1");
    let published = include_str!("keys/google.json");
    let site = Site::new(Some(beside(published, &signer, &[])));
    site.comes(0, &signer).await.unwrap();
    // Nobody has the others' keys.
    let posing = Signer::rsa("6719678351a5faedc2e70274bbea62da2a8c4a12");
    let why = denied(&site.comes(0, &posing).await);
    assert!(why.contains("signature"), "{why}");
}

#[tokio::test]
async fn among_microsofts_published_keys_one_vouches_for_whom_it_is_for() {
    let published = include_str!("keys/microsoft.json");
    let tenant = azure_msi::TENANT;
    let issuer = |tenant: &str| json!(format!("https://login.microsoftonline.com/{tenant}/v2.0"));
    let persons = "9188040d-6c67-4c5b-b112-36a304b66dad";
    for (said, is_let_in) in [
        (issuer("{tenantid}"), true),
        (issuer(tenant), true),
        (issuer(persons), false),
    ] {
        let signer = Signer::rsa("k1");
        let service = Held::new(Some(beside(published, &signer, &[("issuer", said.clone())])));
        service.let_answer.add_permits(1);
        let keys = KeySource::new(KEYS, service.clone());
        let verifier = AzureMsiVerifier::new(azure_msi::config(keys));
        let token = signer.token(&azure_msi::claims("principal"));
        let evidence = json!({ "token": token }).to_string();
        let outcome = verifier.verify(evidence.as_bytes(), &mut NeverAsked, now()).await;
        match is_let_in {
            true => drop(outcome.unwrap()),
            false => assert!(
                denied(&outcome).contains("for another tenant"),
                "{said}: {outcome:?}"
            ),
        }
    }
}

#[tokio::test]
async fn a_key_that_nobody_can_use_costs_no_other_one_anything() {
    let signer = Signer::rsa("k1");
    let mut set: Value = serde_json::from_str(&document(&[&signer])).unwrap();
    let broken = json!({"kty": "RSA", "use": "sig", "kid": "broken", "n": "!", "e": "AQAB"});
    let short = json!({"kty": "RSA", "use": "sig", "kid": "short", "n": URL_SAFE_NO_PAD.encode([7; 64]), "e": "AQAB"});
    set["keys"]
        .as_array_mut()
        .unwrap()
        .extend([broken, short, json!(7)]);
    let site = Site::new(Some(set.to_string()));
    site.comes(0, &signer).await.unwrap();
}
