//! `https_web`.

use std::sync::atomic::Ordering;
use std::time::Duration;

use symbolon_federation::{BundleClient, Endpoint, FetchError, RedirectError};
use symbolon_pki::bundle::{BundleSet, MAX_BUNDLE_LEN, TrustBundle};
use symbolon_pki::suite::Suite;
use symbolon_pki::time::Clock as _;
use symbolon_tls::{KexPolicy, KxGroup};

use crate::endpoint::{
    Domain, Proof, TestClock, answer, at_web, client, client_with, counting, ok, serve, web,
};

async fn fetch(
    client: &BundleClient,
    domain: &Domain,
    endpoint: &Endpoint,
) -> Result<TrustBundle, FetchError> {
    client.fetch(&domain.name, endpoint, &BundleSet::new()).await
}

fn localhost() -> (Proof, String) {
    web(&["localhost"], &KexPolicy::AllowClassical)
}

#[tokio::test]
async fn a_bundle_comes_as_it_was_published() {
    let clock = TestClock::new();
    let domain = Domain::new("example.com", Suite::EcdsaP256, clock.now());
    let post_quantum = Domain::new("example.com", Suite::MlDsa65, clock.now());
    let mut bundle = domain.bundle();
    bundle
        .x509_authorities
        .extend(post_quantum.bundle().x509_authorities);
    let document = bundle.to_jwks();
    let (proof, root) = localhost();
    let port = serve(proof, move |head| {
        assert!(head.starts_with("GET /bundle?x=1 HTTP/1.1\r\n"), "{head}");
        let host = head.to_ascii_lowercase();
        assert!(host.contains("\r\nhost: localhost:"), "{head}");
        Some(ok(&document))
    })
    .await;
    let fetched = fetch(&client(&root, &clock), &domain, &at_web(port))
        .await
        .unwrap();
    assert_eq!(fetched, bundle);
}

#[tokio::test]
async fn an_endpoint_without_hybrid_groups_is_heard_unless_it_may_not_be() {
    let clock = TestClock::new();
    let domain = Domain::new("example.com", Suite::EcdsaP256, clock.now());
    let document = domain.bundle().to_jwks();
    let (proof, root) = web(&["localhost"], &KexPolicy::Only(vec![KxGroup::SecP256r1]));
    let port = serve(proof, move |_| Some(ok(&document))).await;
    assert!(
        fetch(&client(&root, &clock), &domain, &at_web(port))
            .await
            .is_ok()
    );
    let strict = client_with(&root, &clock, |options| options.kex = KexPolicy::PostQuantum);
    let refused = fetch(&strict, &domain, &at_web(port)).await;
    assert!(matches!(refused, Err(FetchError::Web { .. })), "{refused:?}");
}

#[tokio::test]
async fn who_does_not_prove_itself_is_not_heard() {
    let clock = TestClock::new();
    let domain = Domain::new("example.com", Suite::EcdsaP256, clock.now());
    let (proof, root) = localhost();
    let (answering, asked) = counting();
    let port = serve(proof, answering.clone()).await;
    let endpoint = at_web(port);

    // An authority that nobody believes, and the list that everybody does.
    let (_, stranger) = localhost();
    for roots in [stranger.as_str(), ""] {
        let error = fetch(&client(roots, &clock), &domain, &endpoint)
            .await
            .unwrap_err();
        assert!(matches!(error, FetchError::Web { .. }), "{error}");
        assert!(error.to_string().contains("https_spiffe"), "{error}");
    }
    // Another name.
    let (proof, other_root) = web(&["other.example"], &KexPolicy::AllowClassical);
    let other = serve(proof, answering).await;
    let error = fetch(&client(&other_root, &clock), &domain, &at_web(other))
        .await
        .unwrap_err();
    assert!(matches!(error, FetchError::Web { .. }), "{error}");
    // Expired by the clock that was given.
    clock.advance(Duration::from_secs(40 * 24 * 3600));
    let error = fetch(&client(&root, &clock), &domain, &endpoint)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("xpired"), "{error}");
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn answers_that_are_no_bundle_are_refused_by_their_kind() {
    let clock = TestClock::new();
    let domain = Domain::new("example.com", Suite::EcdsaP256, clock.now());
    let long = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
        MAX_BUNDLE_LEN + 1
    );
    let mut longer = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    longer.resize(longer.len() + MAX_BUNDLE_LEN + 1, b' ');
    let many_fields = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(200));
    let long_head = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(1 << 20));
    type Kind = fn(&FetchError) -> bool;
    let cases: Vec<(Vec<u8>, Kind)> = vec![
        (
            answer("404 Not Found", "", "no"),
            |e| matches!(e, FetchError::Status { status, .. } if status.as_u16() == 404),
        ),
        (answer("500 Oops", "", ""), |e| {
            matches!(e, FetchError::Status { .. })
        }),
        (answer("204 No Content", "", ""), |e| {
            matches!(e, FetchError::Status { .. })
        }),
        (answer("304 Not Modified", "", ""), |e| {
            matches!(e, FetchError::Status { .. })
        }),
        (ok("<html>"), |e| matches!(e, FetchError::Document { .. })),
        (ok("{}"), |e| matches!(e, FetchError::Document { .. })),
        (ok(""), |e| matches!(e, FetchError::Document { .. })),
        (
            ok(r#"{"keys":[{"use":"x509-svid","kty":"EC","x5c":["AAAA"]}]}"#),
            |e| matches!(e, FetchError::Document { .. }),
        ),
        (long.into_bytes(), |e| matches!(e, FetchError::TooLong { .. })),
        (longer, |e| matches!(e, FetchError::TooLong { .. })),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}".to_vec(), |e| {
            matches!(e, FetchError::Exchange { .. })
        }),
        (b"SSH-2.0-OpenSSH\r\n".to_vec(), |e| {
            matches!(e, FetchError::Exchange { .. })
        }),
        (Vec::new(), |e| matches!(e, FetchError::Exchange { .. })),
        (many_fields.into_bytes(), |e| {
            matches!(e, FetchError::Exchange { .. })
        }),
        (long_head.into_bytes(), |e| {
            matches!(e, FetchError::Exchange { .. })
        }),
    ];
    for (answer, kind) in cases {
        let start = String::from_utf8_lossy(&answer[..answer.len().min(60)]).into_owned();
        let (proof, root) = localhost();
        let port = serve(proof, move |_| Some(answer.clone())).await;
        let error = fetch(&client(&root, &clock), &domain, &at_web(port))
            .await
            .unwrap_err();
        assert!(kind(&error), "{start:?}: {error:?}");
        assert!(
            error.to_string().contains(&format!("localhost:{port}")),
            "{error}"
        );
    }
}

#[tokio::test]
async fn redirects_are_followed_on_the_same_host_and_not_for_ever() {
    let clock = TestClock::new();
    let domain = Domain::new("example.com", Suite::EcdsaP256, clock.now());
    let document = domain.bundle().to_jwks();
    // The endpoint is believed by either name.
    let (proof, root) = web(&["localhost", "127.0.0.1"], &KexPolicy::AllowClassical);
    let port = serve(proof, move |head| {
        let head = head.to_ascii_lowercase();
        let port = head.split("host: localhost:").nth(1).unwrap();
        let port = port.split("\r\n").next().unwrap();
        let path = head.split(' ').nth(1).unwrap();
        let to = |place: &str| answer("302 Found", &format!("location: {place}\r\n"), "");
        Some(match path {
            "/there" => ok(&document),
            "/once" => to("/there"),
            "/whole" => to(&format!("https://localhost:{port}/there")),
            "/other-name" => to(&format!("https://127.0.0.1:{port}/there")),
            "/other-port" => to("https://localhost:1/there"),
            "/inside" => to("https://169.254.169.254/latest"),
            "/thrice" => to("/twice"),
            "/twice" => to("/once"),
            "/loop" => to("/loop"),
            "/plain" => to("http://localhost/"),
            "/user" => to("https://me:secret@localhost/"),
            "/nowhere" => answer("302 Found", "", ""),
            other => panic!("{other}"),
        })
    })
    .await;
    let client = client(&root, &clock);
    let ask = async |path: &str| {
        let mut endpoint = at_web(port);
        endpoint.url = format!("https://localhost:{port}{path}").parse().unwrap();
        fetch(&client, &domain, &endpoint).await
    };
    for path in ["/once", "/twice", "/thrice", "/whole"] {
        assert!(ask(path).await.is_ok(), "{path}");
    }
    for path in [
        "/loop",
        "/plain",
        "/user",
        "/nowhere",
        "/other-name",
        "/other-port",
        "/inside",
    ] {
        let error = ask(path).await.unwrap_err();
        let FetchError::Redirect { reason, .. } = &error else {
            panic!("{path}: {error:?}");
        };
        let fits = match path {
            "/loop" => *reason == RedirectError::TooMany,
            "/nowhere" => *reason == RedirectError::NoLocation,
            "/other-name" => *reason == RedirectError::OtherHost(format!("127.0.0.1:{port}")),
            "/other-port" => *reason == RedirectError::OtherHost("localhost:1".to_owned()),
            "/inside" => *reason == RedirectError::OtherHost("169.254.169.254:443".to_owned()),
            _ => matches!(reason, RedirectError::Location(_)),
        };
        assert!(fits, "{path}: {reason:?}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[tokio::test]
async fn an_endpoint_that_says_nothing_is_given_up() {
    let clock = TestClock::new();
    let domain = Domain::new("example.com", Suite::EcdsaP256, clock.now());
    let (proof, root) = localhost();
    let (deaf, _) = (serve(Proof::Silence, |_| None).await, ());
    let mute = serve(proof, |_| None).await;
    let hasty = client_with(&root, &clock, |options| {
        options.timeout = Duration::from_millis(300);
    });
    for port in [deaf, mute] {
        let error = fetch(&hasty, &domain, &at_web(port)).await.unwrap_err();
        assert!(matches!(error, FetchError::Timeout { .. }), "{error}");
    }
    // Nobody listens there, nor can anybody begin to.
    let kept = tokio::net::TcpSocket::new_v4().unwrap();
    kept.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = kept.local_addr().unwrap().port();
    let error = fetch(&client(&root, &clock), &domain, &at_web(port))
        .await
        .unwrap_err();
    assert!(matches!(error, FetchError::Connect { .. }), "{error}");
}
