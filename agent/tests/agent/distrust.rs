//! Authorities that are believed no more while an agent runs, or while it is away.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::StreamExt as _;
use symbolon_agent::RunningAgent;
use symbolon_ca::authorities::Step;
use symbolon_pki::jwt::verify_jwt_svid;
use symbolon_pki::suite::{Family, Form};
use symbolon_pki::time::Clock;
use symbolon_tls::workload_api::X509Context;

use crate::support::{Site, id, leaf, my_uid, status_of, within, workload};

/// Each with an SVID of every form.
const ENTRIES: usize = 12;

/// For what a slow machine may take to sign and verify that many.
const PATIENCE: Duration = Duration::from_secs(180);

const X509: [Family; 4] = [
    Family::Classical,
    Family::MlDsa,
    Family::Composite,
    Family::Catalyst,
];

/// Another authority signs in a family, and the one before is tainted. Returns that one's name.
async fn taint(site: &Site, family: Family) -> String {
    let authorities = site.server().authorities();
    let next = authorities.prepare(family).await.unwrap();
    let step = async |step, id: &str| authorities.step(family, step, id).await.unwrap();
    step(Step::Activate, &next.authority_id).await;
    let before = authorities.replaced(family).unwrap();
    step(Step::Taint, &before.authority_id).await;
    before.authority_id.to_string()
}

async fn revoke(site: &Site, family: Family, tainted: &str) {
    let authorities = site.server().authorities();
    authorities.step(family, Step::Revoke, tainted).await.unwrap();
}

/// Every SVID of every entry. No time passes meanwhile, so nothing is given up, and no sync begins.
async fn all_forms(agent: &RunningAgent) -> X509Context {
    let client = workload(agent).await;
    let fetched = client.fetch_x509(&Form::ALL);
    tokio::time::timeout(PATIENCE, fetched).await.unwrap().unwrap()
}

/// Which of these SVIDs are of a tainted authority, by the server's bundle.
fn fallen(site: &Site, context: &X509Context) -> usize {
    let svids = context.svids.iter();
    svids.filter(|svid| site.verify(svid).tainted).count()
}

#[tokio::test]
async fn one_sync_after_a_taint_nothing_of_that_authority_is_left() {
    let site = Site::start().await;
    let agent = site.agent().await;
    for number in 0..ENTRIES {
        site.register(&agent, &format!("/web/{number}"), &[&my_uid()])
            .await;
    }
    site.sync(&agent).await;
    let client = workload(&agent).await;
    let audience = ["db".to_owned()];
    let token = client.fetch_jwt(&audience, Some(&id("/web/0"))).await.unwrap();

    let mut before = all_forms(&agent).await;
    assert_eq!(before.svids.len(), ENTRIES * 6, "a pair is two");
    for family in X509 {
        taint(&site, family).await;
        assert!(fallen(&site, &before) >= ENTRIES, "{family:?}");
        site.sync(&agent).await;
        let syncs = agent.status().syncs;
        let mut updates = client.watch_x509(&Form::ALL).await.unwrap();
        let replaced = async {
            loop {
                let context = updates.next().await.unwrap().unwrap();
                if fallen(&site, &context) == 0 {
                    return context;
                }
            }
        };
        let after = tokio::time::timeout(PATIENCE, replaced).await.unwrap();
        assert_eq!(agent.status().syncs, syncs, "{family:?}: not before the next");
        assert_eq!(after.svids.len(), before.svids.len(), "{family:?}");
        // What others signed has not been touched.
        let kept: BTreeSet<_> = before.svids.iter().map(leaf).collect();
        let same = after
            .svids
            .iter()
            .filter(|svid| kept.contains(&leaf(svid)))
            .count();
        assert!(same >= ENTRIES, "{family:?}: {same}");
        before = after;
    }

    taint(&site, Family::Jwt).await;
    site.sync(&agent).await;
    let next = client.fetch_jwt(&audience, Some(&id("/web/0"))).await.unwrap();
    assert_ne!(next[0].token, token[0].token);
}

#[tokio::test]
async fn what_a_revoked_authority_signed_verifies_nowhere() {
    let site = Site::start().await;
    let agent = site.agent().await;
    site.register(&agent, "/web", &[&my_uid()]).await;
    site.sync(&agent).await;
    let client = workload(&agent).await;
    let audience = ["db".to_owned()];
    let before = all_forms(&agent).await;
    let token = client.fetch_jwt(&audience, None).await.unwrap();

    for family in X509.into_iter().chain([Family::Jwt]) {
        let fallen = taint(&site, family).await;
        revoke(&site, family, &fallen).await;
    }
    site.sync(&agent).await;
    let after = all_forms(&agent).await;
    for bundles in [&site.bundles(), &after.bundles] {
        for svid in &before.svids {
            let chain: Vec<_> = svid
                .identity
                .chain()
                .iter()
                .map(|der| symbolon_pki::certificate::Certificate::from_der(der).unwrap())
                .collect();
            let verdict = symbolon_pki::verify::verify_x509_svid(&chain, bundles, site.time.now());
            assert!(verdict.is_err(), "{verdict:?}");
        }
    }
    let bundles = client.fetch_jwt_bundles().await.unwrap();
    let verdict = verify_jwt_svid(&token[0].token, "db", &bundles, site.time.now());
    assert!(verdict.is_err(), "{verdict:?}");
    assert!(client.validate_jwt("db", &token[0].token).await.is_err());
    for svid in &after.svids {
        assert!(!site.verify(svid).tainted);
    }
}

#[tokio::test]
async fn an_agent_that_was_away_while_one_family_was_revoked_comes_back_by_another() {
    let site = Site::start().await;
    let agent = site.agent().await;
    let first = agent.spiffe_id();
    site.register(&agent, "/web", &[&my_uid()]).await;
    site.sync(&agent).await;
    within(agent.shutdown()).await.unwrap();
    let fallen = taint(&site, Family::Classical).await;
    revoke(&site, Family::Classical, &fallen).await;

    let agent = site.agent_with(site.agent_config()).await;
    assert_eq!(agent.spiffe_id(), first);
    site.sync(&agent).await;
    let fetched = all_forms(&agent).await;
    assert!(
        fetched
            .svids
            .iter()
            .all(|svid| site.verify(svid).spiffe_id == id("/web"))
    );
}

#[tokio::test]
async fn an_agent_that_was_away_while_all_it_knew_was_revoked_is_begun_anew() {
    let site = Site::start().await;
    let agent = site.agent().await;
    within(agent.shutdown()).await.unwrap();
    for family in X509 {
        let fallen = taint(&site, family).await;
        revoke(&site, family, &fallen).await;
    }
    site.write_bundle();
    let token = site.new_token().await;

    // What it holds has not ended, so no file replaces it: the file may be older, and bring back what was revoked.
    let agent = site.try_agent(site.agent_config()).await.unwrap();
    let refusing = status_of(&agent, |status| status.last_error.is_some());
    let refusing = site.time.pass(Duration::from_secs(5), refusing).await;
    let said = refusing.last_error.unwrap();
    assert!(said.contains("no authority of trust domain"), "{said}");
    within(agent.shutdown()).await.unwrap();

    std::fs::remove_dir_all(site.dir.path().join("node")).unwrap();
    let agent = site.agent_with(site.agent_config()).await;
    assert_eq!(agent.spiffe_id(), Some(token));
}
