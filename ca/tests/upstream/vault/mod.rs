//! A Vault server above a whole server, by a stand-in that says what the real one never would. What the real one says is
//! shown by `cargo xtask interop vault`.

mod stand;

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use symbolon_ca::authorities::CommandError;
use symbolon_ca::config::{ServerConfig, UpstreamConfig};
use symbolon_ca::datastore::AuthorityState;
use symbolon_host::duration::HumanDuration;
use symbolon_pki::suite::{Family, Form};
use tempfile::TempDir;

use self::stand::{HOUR, Mood, Stand, TOKEN};
use crate::disk::mint;
use crate::support::{TestClock, TestServer, config, words};

/// A secret in a file that its owner alone can read.
fn secret(path: &Path, text: &str) {
    use std::io::Write as _;
    let mut options = std::fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// The upstream of a stand-in, with these keys beside those that every one has, and this way in. It is given time: two
/// processors may be busy with much else.
fn above(stand: &Stand, keys: &str, auth: &str) -> UpstreamConfig {
    let text = format!(
        "kind = \"vault\"\naddress = \"https://localhost:{}\"\nca_file = \"{}\"\ntimeout = \"30s\"\n{keys}\n[auth]\n{auth}",
        stand.port,
        stand.file("vault-ca.pem").display(),
    );
    toml::from_str(&text).unwrap()
}

fn by_token(stand: &Stand) -> String {
    secret(&stand.file("token"), &format!("{TOKEN}\n"));
    format!(
        "method = \"token\"\ntoken_source = \"file:{}\"\n",
        stand.file("token").display()
    )
}

fn by_approle(stand: &Stand) -> String {
    secret(&stand.file("secret-id"), "a-secret");
    format!(
        "method = \"approle\"\nrole_id = \"a-role\"\nsecret_id_source = \"file:{}\"\n",
        stand.file("secret-id").display()
    )
}

fn below(dir: &Path, upstream: UpstreamConfig) -> ServerConfig {
    let mut config = config(dir);
    config.upstreams.insert("vault".parse().unwrap(), upstream);
    config.families.classical.upstream = Some("vault".parse().unwrap());
    config
}

/// A server whose classical family is below a stand-in that lets it in so.
async fn start(keys: &str, auth: impl FnOnce(&Stand) -> String) -> (TestServer, Stand) {
    let (dir, clock) = (TempDir::new().unwrap(), TestClock::new());
    let stand = Stand::start(dir.path(), clock.clone()).await;
    let auth = auth(&stand);
    let config = below(dir.path(), above(&stand, keys, &auth));
    (TestServer::on(dir, clock, config).await.unwrap(), stand)
}

fn told(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

async fn prepare(server: &TestServer) -> Result<(), CommandError> {
    server
        .server
        .authorities()
        .prepare(Family::Classical)
        .await
        .map(drop)
}

/// Its SVIDs go back to the stand-in's root, which everybody below has.
async fn assert_below(server: &TestServer, stand: &Stand) {
    let chain = mint(server, Form::Classical, "/billing").await;
    assert_eq!(
        chain.len(),
        2,
        "the leaf, and the authority that was certified above"
    );
    let verified = server.verify(&chain);
    assert_eq!(verified.authority_id.to_string(), stand.root_id());
}

#[tokio::test]
async fn every_way_in_leads_to_an_authority() {
    let (server, stand) = start("", by_token).await;
    assert_below(&server, &stand).await;
    let asked = stand.asked();
    let signing = asked.last().unwrap();
    assert_eq!(signing.line, "POST /v1/pki/root/sign-intermediate HTTP/1.1");
    assert_eq!(
        (signing.token.as_deref(), signing.namespace.as_deref()),
        (Some(TOKEN), None)
    );
    assert_eq!(signing.body["uri_sans"], "spiffe://example.org");
    assert_eq!(signing.body["ttl"], "86400s");

    let (server, stand) = start(
        "mount = \"team/pki\"\nissuer = \"spiffe\"\nnamespace = \"ns\"",
        by_approle,
    )
    .await;
    assert_below(&server, &stand).await;
    let asked = stand.asked();
    assert!(
        asked.iter().all(|it| it.namespace.as_deref() == Some("ns")),
        "{asked:?}"
    );
    assert_eq!(asked[0].body["role_id"], "a-role");
    assert_eq!(
        asked[1].line,
        "POST /v1/team/pki/issuer/spiffe/sign-intermediate HTTP/1.1"
    );

    let (server, stand) = start("", |stand| {
        let file = |name| stand.file(name).display().to_string();
        format!(
            "method = \"cert\"\nrole = \"symbolon\"\ncertificate_file = \"{}\"\nkey_file = \"{}\"\n",
            file("client.pem"),
            file("client.key")
        )
    })
    .await;
    assert_below(&server, &stand).await;
    assert_eq!(stand.asked()[0].body["name"], "symbolon");

    let (server, stand) = start("", |stand| {
        std::fs::write(stand.file("jwt"), "a-jwt\n").unwrap();
        format!(
            "method = \"kubernetes\"\nmount = \"k8s\"\nrole = \"symbolon\"\ntoken_file = \"{}\"\n",
            stand.file("jwt").display()
        )
    })
    .await;
    assert_below(&server, &stand).await;
    assert_eq!(stand.asked()[0].body["role"], "symbolon");
}

#[tokio::test]
async fn what_is_not_what_was_asked_for_is_refused_with_the_reason_and_the_old_authority_kept() {
    let (server, stand) = start("", by_token).await;
    let authorities = server.server.authorities();
    let active = || {
        authorities
            .active(Family::Classical)
            .unwrap()
            .authority_id()
            .to_string()
    };
    let before = active();
    let moods = [
        (Mood::OtherKey, "key"),
        (Mood::OtherName, "elsewhere.org"),
        (Mood::Ended, "ended"),
        (Mood::Future, "begins"),
        (Mood::Short, "too early"),
        (Mood::NoPathLeft, "would not be believed"),
        (Mood::OtherRoot, "no root above"),
        (Mood::NoRoot, "no root above"),
        (Mood::Sealed, "cannot be reached: localhost"),
        (Mood::Sealed, "Vault is sealed"),
        (Mood::Moved, "name the active server itself"),
        (Mood::Refuses, "answered 400: cannot satisfy request"),
        (Mood::Rubbish, "something else than was asked for"),
        (Mood::TwoCertificates, "not one certificate"),
        (Mood::TooMuch, "more than 1048576 bytes"),
        (Mood::BreaksOff, "the exchange with localhost"),
    ];
    for (mood, reason) in moods {
        stand.is(mood);
        let error = told(&prepare(&server).await.unwrap_err());
        assert!(error.contains(reason), "{mood:?}: {error}");
        assert!(
            error.contains("vault") && !error.contains(TOKEN),
            "{mood:?}: {error}"
        );
        assert_eq!(active(), before, "{mood:?}");
    }
    let journal = authorities.journal();
    let prepared = |it: &&_| -> bool {
        let it: &symbolon_ca::datastore::AuthorityRecord = it;
        it.family == Family::Classical && it.state == AuthorityState::Prepared
    };
    assert_eq!(journal.iter().filter(prepared).count(), 0);
    stand.is(Mood::Well);
    prepare(&server).await.unwrap();
}

#[tokio::test]
async fn one_that_says_nothing_is_given_up_in_time() {
    let (server, stand) = start("", by_token).await;
    let before = server
        .server
        .authorities()
        .active(Family::Classical)
        .unwrap()
        .authority_id()
        .to_string();
    // Only now is there little time, for what is to take longer.
    let TestServer {
        dir,
        clock,
        mut config,
        server,
        client,
    } = server;
    drop(client);
    server.shutdown().await.unwrap();
    let upstream = config.upstreams.get_mut(&"vault".parse().unwrap()).unwrap();
    let UpstreamConfig::Vault(vault) = upstream else {
        panic!("{upstream:?}");
    };
    vault.timeout = HumanDuration(Duration::from_secs(5));
    let server = TestServer::on(dir, clock, config).await.unwrap();
    stand.is(Mood::Silent);
    let error = told(&prepare(&server).await.unwrap_err());
    assert!(error.contains("no answer within 5 seconds"), "{error}");
    let journal = server.server.authorities().journal();
    let of_family: Vec<_> = journal
        .iter()
        .filter(|it| it.family == Family::Classical)
        .map(|it| (it.authority_id.as_str(), it.state))
        .collect();
    assert_eq!(of_family, [(before.as_str(), AuthorityState::Active)]);
}

#[tokio::test]
async fn a_token_is_renewed_at_half_of_its_life_without_an_order() {
    let (server, stand) = start("", |stand| {
        stand.lets_in(TOKEN, 3600, true);
        by_token(stand)
    })
    .await;
    let authorities = server.server.authorities();
    let renewals = || {
        stand
            .asked()
            .iter()
            .filter(|it| it.line.contains("renew-self"))
            .count()
    };
    assert_eq!(renewals(), 0);
    server.clock.advance(HOUR / 2 - Duration::from_secs(1));
    authorities.follow_upstreams().await;
    assert_eq!(renewals(), 0);
    server.clock.advance(Duration::from_secs(1));
    authorities.follow_upstreams().await;
    assert_eq!(renewals(), 1);
    authorities.follow_upstreams().await;
    assert_eq!(renewals(), 0, "it lives an hour again");

    // After a restart nothing is ordered for hours; the token must not end meanwhile.
    let server = server.restart(|_| {}).await.unwrap();
    server.server.authorities().follow_upstreams().await;
    server.clock.advance(HOUR / 2);
    server.server.authorities().follow_upstreams().await;
    assert_eq!(renewals(), 1);
}

#[tokio::test]
async fn whoever_is_not_let_in_any_more_logs_in_anew() {
    let (server, stand) = start("", |stand| {
        stand.lets_in(TOKEN, 3600, false);
        by_approle(stand)
    })
    .await;
    let logins = || {
        stand
            .asked()
            .iter()
            .filter(|it| it.line.contains("/login"))
            .count()
    };
    assert_eq!(logins(), 1);
    // What is held is good still.
    prepare(&server).await.unwrap();
    assert_eq!(logins(), 0);
    // It was revoked there.
    stand.lets_in("hvs.another", 3600, false);
    prepare(&server).await.unwrap();
    assert_eq!(logins(), 1);
    // It has ended. Nothing renews it, so that nobody is before this.
    server.clock.advance(HOUR);
    prepare(&server).await.unwrap();
    assert_eq!(logins(), 1);
}

#[tokio::test]
async fn a_first_start_says_why_nobody_is_let_in_and_repeats_no_secret() {
    let (dir, clock) = (TempDir::new().unwrap(), TestClock::new());
    let stand = Stand::start(dir.path(), clock.clone()).await;
    let auth = by_approle(&stand);
    secret(&stand.file("secret-id"), "a-wrong-secret");
    let config = below(dir.path(), above(&stand, "", &auth));
    let error = words(&TestServer::on(dir, clock, config).await.err().unwrap());
    assert!(
        error.contains("nobody is let in") && error.contains("invalid role or secret ID"),
        "{error}"
    );
    assert!(!error.contains("a-wrong-secret"), "{error}");
}

#[tokio::test]
async fn a_server_that_is_not_under_the_named_authorities_is_not_asked() {
    let (dir, clock) = (TempDir::new().unwrap(), TestClock::new());
    let stand = Stand::start(dir.path(), clock.clone()).await;
    let other = TempDir::new().unwrap();
    let _other = Stand::start(other.path(), Arc::clone(&clock)).await;
    let auth = by_token(&stand);
    std::fs::copy(other.path().join("vault-ca.pem"), stand.file("vault-ca.pem")).unwrap();
    let config = below(dir.path(), above(&stand, "", &auth));
    let error = words(&TestServer::on(dir, clock, config).await.err().unwrap());
    assert!(error.contains("the TLS handshake with localhost"), "{error}");
    assert!(stand.asked().is_empty(), "nothing was sent");
}
