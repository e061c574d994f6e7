//! The server goes away and comes back.

use std::time::Duration;

use symbolon_agent::Phase;
use symbolon_pki::suite::Form;

use crate::support::{Site, id, leaves, my_uid, private_file, status_of, within, workload};

#[tokio::test]
async fn workloads_are_served_through_an_outage_and_renewed_after_it() {
    let mut site = Site::start().await;
    let agent = site.agent().await;
    site.register(&agent, "/web", &[&my_uid()]).await;
    site.sync(&agent).await;
    let before = workload(&agent)
        .await
        .fetch_x509(&[Form::Classical, Form::Composite])
        .await
        .unwrap();

    site.stop_server().await;
    let failing = status_of(&agent, |status| status.last_error.is_some());
    let failing = site.time.pass(Duration::from_secs(5), failing).await;
    assert!(matches!(failing.phase, Phase::Ready));
    // New workloads too, with what there is.
    let during = workload(&agent)
        .await
        .fetch_x509(&[Form::Classical, Form::Composite])
        .await
        .unwrap();
    assert_eq!(leaves(&during), leaves(&before));
    // What there is not, there is not.
    let missing = workload(&agent).await;
    let missing = site
        .time
        .pass(Duration::from_secs(5), missing.fetch_x509(&[Form::MlDsa]))
        .await
        .unwrap_err();
    assert!(
        !missing.is_permission_denied() && missing.is_worth_retrying(),
        "{missing}"
    );

    site.start_server().await;
    let recovered = status_of(&agent, |status| status.last_error.is_none());
    site.time.pass(Duration::from_secs(480), recovered).await;
    let after = workload(&agent).await.fetch_x509(&Form::ALL).await.unwrap();
    assert_eq!(after.svids.len(), 6, "a pair is two");
    assert!(
        after
            .svids
            .iter()
            .all(|svid| site.verify(svid).spiffe_id == id("/web"))
    );
}

#[tokio::test]
async fn an_agent_that_starts_before_its_server_waits_for_it() {
    let mut site = Site::start().await;
    site.new_token().await;
    site.stop_server().await;
    let agent = site.try_agent(site.agent_config()).await.unwrap();
    let failing = status_of(&agent, |status| status.last_error.is_some()).await;
    assert!(matches!(failing.phase, Phase::Starting));
    let early = workload(&agent).await.fetch_x509(&[]).await.unwrap_err();
    assert!(early.to_string().contains("Unavailable"), "{early}");

    site.start_server().await;
    site.time
        .pass(Duration::from_secs(5), agent.ready())
        .await
        .unwrap();
}

#[tokio::test]
async fn an_agent_that_expired_meanwhile_says_that_it_needs_evidence_and_takes_it() {
    let mut site = Site::start().await;
    let agent = site.agent().await;
    let first = agent.spiffe_id();
    site.stop_server().await;
    site.time.advance(Duration::from_secs(2 * 3600));
    site.start_server().await;

    let needy = status_of(&agent, |status| matches!(status.phase, Phase::NeedsEvidence(_)));
    let needy = site.time.pass(Duration::from_secs(480), needy).await;
    let Phase::NeedsEvidence(reason) = needy.phase else {
        panic!("it needs evidence");
    };
    assert!(reason.contains("used up by this agent"), "{reason}");

    private_file(&site.token_path(), "a-token-nobody-made");
    let refused = |status: &symbolon_agent::AgentStatus| matches!(&status.phase, Phase::NeedsEvidence(reason) if reason.contains("refused"));
    site.time
        .pass(Duration::from_secs(480), status_of(&agent, refused))
        .await;

    let fresh = site.new_token().await;
    let ready = status_of(&agent, |status| matches!(status.phase, Phase::Ready));
    let ready = site.time.pass(Duration::from_secs(480), ready).await;
    assert_eq!(ready.spiffe_id, Some(fresh));
    assert_ne!(ready.spiffe_id, first);
    within(agent.shutdown()).await.unwrap();
}

#[tokio::test]
async fn a_forgotten_agent_attests_again_with_fresh_evidence() {
    let site = Site::start().await;
    let agent = site.agent().await;
    let first = agent.spiffe_id().unwrap();
    let fresh = site.new_token().await;
    site.client().delete_agent(&first).await.unwrap();
    let again = status_of(&agent, |status| status.spiffe_id.as_ref() == Some(&fresh));
    site.time.pass(Duration::from_secs(5), again).await;
    assert_ne!(first, fresh);
}

#[tokio::test]
async fn an_agent_that_was_away_until_all_it_knew_had_expired_comes_back_by_its_file() {
    let mut site = Site::start().await;
    let agent = site.agent().await;
    within(agent.shutdown()).await.unwrap();
    site.stop_server().await;
    // Longer than any authority lives that the agent has heard of.
    site.time.advance(Duration::from_secs(60 * 3600));
    site.start_server().await;
    site.write_bundle();
    let token = site.new_token().await;
    let agent = site.agent_with(site.agent_config()).await;
    assert_eq!(agent.spiffe_id(), Some(token));
}
