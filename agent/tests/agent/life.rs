//! An agent's life: attested, renewed, stopped, resumed, banned.

use std::time::Duration;

use symbolon_agent::{AgentError, Phase};
use symbolon_pki::suite::Form;
use symbolon_pki::time::Clock;

use crate::support::{Site, id, leaf, my_uid, status_of, within, workload};

const HALF: Duration = Duration::from_secs(1800);
const TENTH: Duration = Duration::from_secs(181);

fn keys(site: &Site) -> usize {
    let dir = std::fs::read_dir(site.dir.path().join("node/agent/keys")).unwrap();
    dir.filter(|entry| {
        entry
            .as_ref()
            .unwrap()
            .file_name()
            .to_string_lossy()
            .ends_with(".key")
    })
    .count()
}

#[tokio::test]
async fn the_agents_own_svid_is_renewed_at_half_life() {
    let site = Site::start().await;
    let agent = site.agent().await;
    let first = agent.status();
    assert_eq!(first.form, Some(Form::Composite));
    assert_eq!(keys(&site), 2);

    site.time.advance(HALF - TENTH);
    site.sync(&agent).await;
    assert_eq!(agent.status().not_after, first.not_after, "too early");
    site.time.advance(TENTH * 2);
    let renewed = status_of(&agent, |status| status.not_after > first.not_after);
    let renewed = site.time.pass(Duration::from_secs(5), renewed).await;
    assert_eq!(renewed.spiffe_id, first.spiffe_id);
    site.sync(&agent).await;
    assert_eq!(keys(&site), 2, "the old key is destroyed");
}

#[tokio::test]
async fn a_key_store_that_fails_for_a_while_ends_no_agent_that_serves() {
    let site = Site::start().await;
    let agent = site.agent().await;
    let first = agent.status();
    let keys = site.dir.path().join("node/agent/keys");
    let away = site.dir.path().join("away");
    std::fs::rename(&keys, &away).unwrap();
    site.time.advance(HALF + TENTH);
    let failing = status_of(&agent, |status| status.last_error.is_some());
    let failing = site.time.pass(Duration::from_secs(5), failing).await;
    assert!(matches!(failing.phase, Phase::Ready), "{failing:?}");
    assert_eq!(failing.not_after, first.not_after);

    std::fs::rename(&away, &keys).unwrap();
    let renewed = status_of(&agent, |status| status.not_after > first.not_after);
    site.time.pass(Duration::from_secs(480), renewed).await;
}

#[tokio::test]
async fn workload_svids_are_renewed_at_half_life_with_new_keys() {
    use futures_util::StreamExt;

    let site = Site::start().await;
    let agent = site.agent().await;
    site.register(&agent, "/web", &[&my_uid()]).await;
    site.sync(&agent).await;
    let workload = workload(&agent).await;
    let mut stream = workload
        .watch_x509(&[Form::Classical, Form::Composite])
        .await
        .unwrap();
    let first = within(stream.next()).await.unwrap().unwrap();
    assert_eq!(first.svids.len(), 2);

    site.time.advance(HALF + TENTH);
    let both_renewed = async {
        loop {
            let next = stream.next().await.unwrap().unwrap();
            let renewed = |(new, old): (&_, &_)| leaf(new) != leaf(old);
            if next.svids.iter().zip(&first.svids).all(renewed) {
                return next;
            }
        }
    };
    let next = site.time.pass(Duration::from_secs(5), both_renewed).await;
    for (new, old) in next.svids.iter().zip(&first.svids) {
        assert_eq!(site.verify(new).spiffe_id, id("/web"));
        let key =
            |svid: &symbolon_tls::workload_api::X509Svid| svid.private_key.public_key().unwrap().spki_der();
        assert_ne!(key(new), key(old));
    }
}

#[tokio::test]
async fn a_restart_goes_on_with_the_svid_there_is() {
    let site = Site::start().await;
    let agent = site.agent().await;
    let before = agent.status();
    within(agent.shutdown()).await.unwrap();

    std::fs::remove_file(site.token_path()).unwrap();
    site.time.advance(Duration::from_secs(600));
    let agent = site.agent_with(site.agent_config()).await;
    let after = agent.status();
    assert_eq!(
        (after.spiffe_id, after.not_after),
        (before.spiffe_id, before.not_after)
    );
    assert_eq!(keys(&site), 2);
}

#[tokio::test]
async fn a_key_that_a_crash_left_over_is_destroyed() {
    let site = Site::start().await;
    let agent = site.agent().await;
    within(agent.shutdown()).await.unwrap();
    let store = symbolon_hsm::SoftwareStore::open(
        &site.dir.path().join("node/agent/keys"),
        &symbolon_hsm::KekSource::KeyFile(site.dir.path().join("node.key")),
    )
    .unwrap();
    let label = symbolon_hsm::KeyLabel::parse("left over").unwrap();
    symbolon_hsm::KeyStore::generate(&store, symbolon_crypto::Component::Ed25519, &label).unwrap();
    assert_eq!(keys(&site), 3);
    let agent = site.agent_with(site.agent_config()).await;
    assert_eq!(keys(&site), 2);
    assert!(matches!(agent.status().phase, Phase::Ready));
}

#[tokio::test]
async fn an_expired_svid_needs_fresh_evidence_at_a_restart() {
    let mut site = Site::start().await;
    let agent = site.agent().await;
    within(agent.shutdown()).await.unwrap();
    site.stop_server().await;
    site.time.advance(Duration::from_secs(2 * 3600));
    site.start_server().await;

    let agent = site.try_agent(site.agent_config()).await.unwrap();
    let error = within(agent.ready()).await.unwrap_err().unwrap();
    assert!(matches!(&*error, AgentError::Attestation(_)), "{error}");
    assert!(
        std::error::Error::source(&*error)
            .unwrap()
            .to_string()
            .contains("has been used"),
        "{error:?}"
    );
    drop(agent);

    let fresh = site.new_token().await;
    let agent = site.agent_with(site.agent_config()).await;
    assert_eq!(agent.spiffe_id(), Some(fresh));
}

#[tokio::test]
async fn a_banned_agent_deletes_what_it_was_and_stops() {
    let site = Site::start().await;
    let agent = site.agent().await;
    let spiffe_id = agent.spiffe_id().unwrap();
    site.client().ban_agent(&spiffe_id).await.unwrap();
    let end = site
        .time
        .pass(Duration::from_secs(5), agent.stopped())
        .await
        .unwrap();
    assert!(
        matches!(&*end, AgentError::Banned { spiffe_id: id } if *id == spiffe_id),
        "{end}"
    );
    assert!(end.to_string().contains("banned"));
    assert!(!site.dir.path().join("node/agent/svid").exists());
    assert_eq!(keys(&site), 0);
    assert!(!agent.socket().exists());
    assert!(matches!(
        &*agent.shutdown().await.unwrap_err(),
        AgentError::Banned { .. }
    ));
}

#[tokio::test]
async fn the_configured_form_is_used_and_classical_is_enough() {
    let site = Site::start().await;
    for form in Form::OF_KEYS {
        site.new_token().await;
        let mut config = site.agent_config();
        config.data_dir = site.dir.path().join(format!("node-{form}"));
        config.form = Some(form);
        let agent = site.agent_with(config).await;
        assert_eq!(agent.status().form, Some(form));
    }
}

#[tokio::test]
async fn clocks_that_disagree_are_noticed() {
    let began = std::time::Instant::now();
    let site = Site::start().await;
    let agent = site.agent().await;
    let offset = |agent: &symbolon_agent::RunningAgent| agent.status().clock_offset_seconds.unwrap();
    // The server's answers are dated by the machine's clock, which goes on while this test's stands still.
    let elapsed = began.elapsed().as_secs() as i64;
    assert!((-elapsed - 2..=2).contains(&offset(&agent)), "{}", offset(&agent));
    site.time.advance(Duration::from_secs(1000));
    site.sync(&agent).await;
    assert!(offset(&agent) >= 900, "{}", offset(&agent));
    assert!(agent.status().synced_at.unwrap() <= site.time.now());
}
