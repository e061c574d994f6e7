//! What upstreams answer that is not taken, and what becomes of the authority that signs meanwhile.

use std::time::Duration;

use spiffe::TrustDomain;
use symbolon_ca::authorities::ChangeKind;
use symbolon_ca::datastore::{AuthorityRecord, AuthorityState};
use symbolon_ca::upstream::NamedUpstream;
use symbolon_crypto::random;
use symbolon_issuance::{IntermediateRequest, Serial, prepare_intermediate};
use symbolon_pki::key::{PrivateKey, SubjectKey};
use symbolon_pki::suite::{Family, Suite};
use symbolon_pki::time::Clock as _;

use crate::disk::start_below;
use crate::root::{Root, file};
use crate::run::{Run, refuses_what_is_unfit, told};
use crate::stand::{HOUR, Mood, Stand};
use crate::support::{TestClock, domain};

#[tokio::test]
async fn what_is_not_what_was_asked_for_is_refused_and_the_old_authority_kept() {
    let clock = TestClock::new();
    let stand = Stand::new(clock.now());
    let run = Run::start(&stand, clock.clone()).await.unwrap();
    refuses_what_is_unfit(&run, &stand).await;
}

#[tokio::test]
async fn a_chain_that_allows_nothing_below_is_refused() {
    let clock = TestClock::new();
    for (path_len, fits) in [(Some(0), false), (Some(1), true)] {
        let root = Root::with(
            Suite::EcdsaP256,
            None,
            &domain(),
            path_len,
            9000 * HOUR,
            clock.now(),
        );
        let started = Run::start(&Stand::below(&root, clock.now()), clock.clone()).await;
        match started {
            Ok(_) => assert!(fits, "{path_len:?}"),
            Err(error) => assert!(!fits && told(&error).contains("stand"), "{}", told(&error)),
        }
    }
}

#[tokio::test]
async fn a_silent_upstream_is_asked_again_less_and_less_often_and_in_good_time() {
    let clock = TestClock::new();
    let stand = Stand::new(clock.now());
    let run = Run::start(&stand, clock.clone()).await.unwrap();
    let before = run.active();
    stand.is(Mood::Silent);
    let asked = || stand.times_asked();
    let first = asked();
    clock.advance(12 * HOUR);
    // An hour of looks every ten seconds.
    for _ in 0..360 {
        // It fails when it asks, and for the key that signs tokens likewise.
        let _ = run.authorities.rotate_due().await;
        clock.advance(Duration::from_secs(10));
    }
    assert!(
        (10..=30).contains(&(asked() - first)),
        "{} times",
        asked() - first
    );
    assert_eq!(run.active(), before, "the old one signs on");
    // Half of its life was left when the first was asked for: there is time for it to come back.
    stand.is(Mood::Well);
    clock.advance(Duration::from_secs(300));
    let changes = run.authorities.rotate_due().await.unwrap();
    let prepared = |kind| changes.iter().filter(|change| change.kind == kind).count();
    assert_eq!(prepared(ChangeKind::Prepared), 2, "both families: {changes:?}");
    clock.advance(9 * HOUR);
    run.authorities.rotate_due().await.unwrap();
    assert_ne!(run.active(), before);
}

#[tokio::test]
async fn a_first_start_needs_its_upstream() {
    let clock = TestClock::new();
    let stand = Stand::new(clock.now());
    stand.is(Mood::Silent);
    let error = Run::start(&stand, clock).await.err().unwrap();
    assert!(told(&error).contains("nobody answers"), "{}", told(&error));
}

#[tokio::test]
async fn a_restart_does_not_need_its_upstream_while_everybody_can_sign() {
    let clock = TestClock::new();
    let stand = Stand::new(clock.now());
    let run = Run::start(&stand, clock.clone()).await.unwrap();
    let key_id = |run: &Run| run.authorities.jwt().unwrap().key_id().to_owned();
    let before = (run.active(), key_id(&run));
    let above = || NamedUpstream {
        name: "stand".parse().unwrap(),
        upstream: stand.clone(),
    };

    // Successors are due, and nobody can be asked for those that the upstream has a part in.
    let dir = run.stop().await;
    clock.advance(13 * HOUR);
    stand.is(Mood::Silent);
    let run = Run::on(dir, Some(above()), clock.clone()).await.unwrap();
    assert_eq!((run.active(), key_id(&run)), before);
    let signing = run.authorities.active(Family::Classical).unwrap();
    let key = PrivateKey::generate(Suite::EcdsaP256).unwrap();
    let request = IntermediateRequest {
        key: &SubjectKey::Suite(key.public_key().unwrap()),
        alternative: None,
        ttl: HOUR,
        path_len: None,
        serial: Serial::random(random::fill).unwrap(),
        now: clock.now(),
    };
    let linted = prepare_intermediate(&signing, &request).unwrap();
    linted.sign(signing.as_ref()).unwrap();
    let prepared = |run: &Run| {
        let mut journal = run.authorities.journal();
        journal.retain(|it| it.state == AuthorityState::Prepared);
        journal.into_iter().map(|it| it.family).collect::<Vec<_>>()
    };
    assert_eq!(prepared(&run), [Family::MlDsa], "nobody stands above that one");

    // It is asked again, and what it makes takes over in time.
    stand.is(Mood::Well);
    clock.advance(Duration::from_secs(10));
    run.authorities.rotate_due().await.unwrap();
    assert_eq!(prepared(&run), [Family::MlDsa, Family::Classical, Family::Jwt]);
    assert_eq!((run.active(), key_id(&run)), before);
    clock.advance(8 * HOUR);
    run.authorities.rotate_due().await.unwrap();
    assert!(run.active() != before.0 && key_id(&run) != before.1);

    // With nothing that is good still there is nobody to go on.
    let dir = run.stop().await;
    clock.advance(48 * HOUR);
    stand.is(Mood::Silent);
    let error = Run::on(dir, Some(above()), clock).await.err().unwrap();
    assert!(told(&error).contains("nobody answers"), "{}", told(&error));
}

#[tokio::test]
async fn files_that_do_not_fit_are_refused_and_the_old_authority_kept() {
    let (server, root) = start_below(Suite::EcdsaP256).await;
    let (dir, now, hour) = (server.dir.path(), server.clock.now(), Duration::from_secs(3600));
    let authorities = server.server.authorities();
    let active = || {
        authorities
            .active(Family::Classical)
            .unwrap()
            .authority_id()
            .to_string()
    };
    let before = active();
    let with = |trust_domain: &str, path_len, ttl, at| {
        let trust_domain = TrustDomain::new(trust_domain).unwrap();
        Root::with(Suite::EcdsaP256, None, &trust_domain, path_len, ttl, at)
    };
    let year = 9000 * hour;
    let cases: [(&str, Root, &str); 6] = [
        ("name", with("elsewhere.org", None, year, now), "elsewhere.org"),
        (
            "ended",
            with("example.org", None, hour, now - 2 * hour),
            "expires at",
        ),
        (
            "begins",
            with("example.org", None, year, now + 2 * hour),
            "is not valid before",
        ),
        (
            "ends in a moment",
            with("example.org", None, Duration::from_secs(30), now),
            "too early",
        ),
        (
            "ends too early",
            with("example.org", None, 6 * hour, now),
            "to replace",
        ),
        (
            "path length",
            with("example.org", Some(0), year, now),
            "path length 0",
        ),
    ];
    let refused = async |case: &str, reason: &str| {
        let error = authorities.prepare(Family::Classical).await.unwrap_err();
        let told = told(&error);
        assert!(told.contains(reason), "{case}: {told}");
        assert_eq!(active(), before, "{case}");
        let journal = authorities.journal();
        let is_waiting =
            |it: &&AuthorityRecord| it.family == Family::Classical && it.state == AuthorityState::Prepared;
        assert_eq!(journal.iter().filter(is_waiting).count(), 0, "{case}");
    };
    for (case, root, reason) in &cases {
        root.write(dir, "classical");
        refused(case, reason).await;
    }
    root.write(dir, "classical");
    Root::new(Suite::EcdsaP256, now).write(dir, "other");
    std::fs::copy(file(dir, "other", "key"), file(dir, "classical", "key")).unwrap();
    refused("another key", "the certificate and the key").await;
    let certificate = file(dir, "classical", "pem");
    std::fs::remove_file(&certificate).unwrap();
    refused("away", &certificate.display().to_string()).await;

    root.write(dir, "classical");
    authorities.prepare(Family::Classical).await.unwrap();
}
