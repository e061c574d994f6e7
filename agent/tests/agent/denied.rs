//! Agents that a server will not have: banned for good, or refused for a while.

use std::time::Duration;

use symbolon_agent::{AgentError, Phase};
use symbolon_api::spire::api::types::permission_denied_details::Reason;

use crate::faults::Site;
use crate::stand_in::entry_for;
use crate::support::{my_uid, private_file, status_of, within, workload};

const STRIDE: Duration = Duration::from_secs(5);

/// The token that the agent came with is spent; here is another to attest anew with.
fn fresh_token(site: &Site) {
    private_file(&site.dir.path().join("token"), "kite-8");
}

#[tokio::test]
async fn a_ban_at_attestation_is_a_ban_and_no_lack_of_evidence() {
    let site = Site::start().await;
    let agent = site.agent().await;
    let spiffe_id = agent.spiffe_id().unwrap();
    fresh_token(&site);
    site.server.script().attestation_denial = Some(Reason::AgentBanned);
    // At half of its life the agent attests anew.
    site.time.advance(Duration::from_secs(2000));
    let end = site.time.pass(STRIDE, agent.stopped()).await.unwrap();
    assert!(
        matches!(&*end, AgentError::Banned { spiffe_id: id } if *id == spiffe_id),
        "{end}"
    );
    assert!(!site.dir.path().join("node/agent/svid").exists());
    assert!(!agent.socket().exists());
}

#[tokio::test]
async fn a_ban_ends_an_agent_whose_svid_the_server_had_sent_to_attest_again() {
    let site = Site::start().await;
    let agent = site.agent().await;
    fresh_token(&site);
    site.server.script().attestation_denial = Some(Reason::AgentBanned);
    site.server.script().denial = Some(Reason::AgentNotAttested);
    let end = site.time.pass(STRIDE, agent.stopped()).await.unwrap();
    assert!(matches!(&*end, AgentError::Banned { .. }), "{end}");
}

#[tokio::test]
async fn a_node_that_is_banned_before_it_ever_was_an_agent_ends_and_says_so() {
    let site = Site::start().await;
    site.server.script().attestation_denial = Some(Reason::AgentBanned);
    let agent = site.unready_agent().await;
    let end = within(agent.stopped()).await.unwrap();
    assert!(matches!(&*end, AgentError::Attestation(_)), "{end}");
}

#[tokio::test]
async fn a_ban_answered_to_a_request_for_svids_ends_the_agent() {
    let site = Site::start().await;
    site.server.script().entries = vec![entry_for("web", 1, &[&my_uid()])];
    let agent = site.agent().await;
    site.server.script().batch_denial = Some(Reason::AgentBanned);
    site.server
        .script()
        .entries
        .push(entry_for("db", 1, &[&my_uid()]));
    let end = site.time.pass(STRIDE, agent.stopped()).await.unwrap();
    assert!(matches!(&*end, AgentError::Banned { .. }), "{end}");
}

#[tokio::test]
async fn a_renewal_that_is_refused_is_asked_for_later_and_later() {
    let site = Site::start().await;
    let agent = site.agent().await;
    let first = agent.status();
    fresh_token(&site);
    site.server.script().refuses_nodes = true;
    site.time.advance(Duration::from_secs(2000));
    let syncs = agent.status().syncs;
    let synced = status_of(&agent, |status| status.syncs >= syncs + 20);
    let quiet = Duration::from_millis(50);
    site.time.pass_after(quiet, STRIDE, synced).await;
    let refused = site.server.script().refusals;
    // Twenty syncs five seconds apart: waits of 5, 10, 20, 40 and 80 seconds, each cut by up to a quarter.
    assert!((2..=8).contains(&refused), "{refused}");
    let status = agent.status();
    assert!(matches!(status.phase, Phase::Ready));
    assert_eq!(status.not_after, first.not_after);
    workload(&agent).await;

    site.server.script().refuses_nodes = false;
    let renewed = status_of(&agent, |status| status.not_after > first.not_after);
    site.time.pass(STRIDE, renewed).await;
}
