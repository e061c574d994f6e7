//! What a server should not do, and stock or busy servers do.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use symbolon_agent::{Agent, AgentConfig, Environment, Phase, RunningAgent};
use symbolon_api::spire::api::types::permission_denied_details::Reason;
use symbolon_pki::key::PrivateKey;
use symbolon_pki::suite::{Form, Suite};
use symbolon_pki::time::Clock;
use symbolon_tls::workload_api::X509Context;
use tempfile::TempDir;

use crate::stand_in::{StandIn, entry_for};
use crate::support::{TestTime, domain, id, leaf, my_uid, private_file, status_of, verify, within, workload};

pub(crate) struct Site {
    pub(crate) dir: TempDir,
    pub(crate) time: Arc<TestTime>,
    pub(crate) server: StandIn,
}

impl Site {
    pub(crate) async fn start() -> Self {
        let (dir, time) = (TempDir::new().unwrap(), TestTime::new());
        let server = StandIn::start(time.clone()).await;
        Self { dir, time, server }
    }

    fn config(&self) -> AgentConfig {
        let bundle = self.dir.path().join("bundle.json");
        std::fs::write(&bundle, self.server.bundle().to_jwks()).unwrap();
        let token = self.dir.path().join("token");
        private_file(&token, "kite-7");
        let node = self.dir.path().join("node");
        let mut config = AgentConfig::new(domain(), node, self.server.address.clone(), bundle);
        config.attestor.join_token_file = Some(token);
        config
    }

    async fn agent_with(&self, config: AgentConfig) -> RunningAgent {
        let agent = self.started(config).await;
        within(agent.ready()).await.unwrap();
        agent
    }

    async fn started(&self, config: AgentConfig) -> RunningAgent {
        let environment = Environment {
            clock: self.time.clone(),
            timer: self.time.clone(),
            ..Environment::new(&config)
        };
        Agent::start_in(config, environment).await.unwrap()
    }

    /// One that has yet to attest.
    pub(crate) async fn unready_agent(&self) -> RunningAgent {
        self.started(self.config()).await
    }

    pub(crate) async fn agent(&self) -> RunningAgent {
        self.agent_with(self.config()).await
    }

    /// What this process is given, once it is given something.
    async fn given(&self, agent: &RunningAgent, forms: &[Form]) -> X509Context {
        let workload = workload(agent).await;
        let given = async {
            loop {
                if let Ok(context) = workload.fetch_x509(forms).await {
                    return context;
                }
            }
        };
        self.time.pass(Duration::from_secs(5), given).await
    }

    async fn sync(&self, agent: &RunningAgent) {
        let syncs = agent.status().syncs;
        let synced = status_of(agent, |status| status.syncs > syncs + 1);
        self.time.pass(Duration::from_secs(5), synced).await;
    }
}

#[tokio::test]
async fn an_agent_that_is_told_to_attests_again_at_once() {
    for reason in [
        Reason::AgentExpired,
        Reason::AgentNotAttested,
        Reason::AgentNotActive,
        Reason::AgentMustReattest,
    ] {
        let site = Site::start().await;
        let agent = site.agent().await;
        assert_eq!(site.server.script().attestations, 1);
        private_file(&site.dir.path().join("token"), "kite-8");
        site.server.script().denial = Some(reason);
        site.sync(&agent).await;
        assert_eq!(site.server.script().attestations, 2, "{reason:?}");
        assert_eq!(agent.spiffe_id(), Some(id("/spire/agent/join_token/kite-8")));
        assert!(matches!(agent.status().phase, Phase::Ready));
    }
}

#[tokio::test]
async fn a_denial_without_a_reason_is_waited_out() {
    let site = Site::start().await;
    let agent = site.agent().await;
    site.server.script().denial = Some(Reason::Unknown);
    let failed = status_of(&agent, |status| status.last_error.is_some());
    site.time.pass(Duration::from_secs(5), failed).await;
    let recovered = status_of(&agent, |status| status.last_error.is_none());
    site.time.pass(Duration::from_secs(5), recovered).await;
    assert_eq!(site.server.script().attestations, 1);
}

#[tokio::test]
async fn a_reattestable_agent_attests_anew_instead_of_renewing() {
    let site = Site::start().await;
    let agent = site.agent().await;
    private_file(&site.dir.path().join("token"), "kite-8");
    site.time.advance(Duration::from_secs(2000));
    let renewed = status_of(&agent, |status| {
        status.spiffe_id == Some(id("/spire/agent/join_token/kite-8"))
    });
    site.time.pass(Duration::from_secs(5), renewed).await;
}

#[tokio::test]
async fn a_reattestable_agent_that_is_refused_goes_on_while_its_svid_lives() {
    let site = Site::start().await;
    let agent = site.agent().await;
    private_file(&site.dir.path().join("token"), "kite-8");
    site.server.script().refuses_nodes = true;
    site.time.advance(Duration::from_secs(2000));
    site.sync(&agent).await;
    let status = agent.status();
    assert!(matches!(status.phase, Phase::Ready), "{status:?}");
    assert_eq!(status.spiffe_id, Some(id("/spire/agent/join_token/kite-7")));

    site.server.script().refuses_nodes = false;
    let renewed = status_of(&agent, |status| {
        status.spiffe_id == Some(id("/spire/agent/join_token/kite-8"))
    });
    site.time.pass(Duration::from_secs(5), renewed).await;
}

#[tokio::test]
async fn a_server_under_a_revoked_authority_is_not_attested_to_again() {
    let site = Site::start().await;
    let config = site.config();
    let agent = site.agent_with(config.clone()).await;
    let before = agent.status();
    private_file(&site.dir.path().join("token"), "kite-8");
    // The configured bundle has what is revoked now, and whoever has that key may pose as the server.
    site.server.revoke_all();
    site.sync(&agent).await;
    site.time.advance(Duration::from_secs(2000));
    site.sync(&agent).await;
    assert_eq!(site.server.script().attestations, 1);
    let after = agent.status();
    assert_eq!(
        (&after.spiffe_id, after.not_after),
        (&before.spiffe_id, before.not_after)
    );
    within(agent.shutdown()).await.unwrap();

    // Nor when it starts again, with what it kept.
    let agent = site.started(config).await;
    let error = within(agent.stopped()).await.unwrap();
    assert!(error.to_string().contains("not attested"), "{error}");
    assert_eq!(site.server.script().attestations, 1);
}

#[tokio::test]
async fn a_bundle_that_cannot_be_kept_is_served_all_the_same() {
    let site = Site::start().await;
    site.server.script().entries = vec![entry_for("web", 1, &[&my_uid()])];
    let agent = site.agent().await;
    let kept = site.dir.path().join("node/agent/bundle");
    std::fs::remove_file(&kept).unwrap();
    std::fs::create_dir_all(kept.join("in the way")).unwrap();
    site.server.add_authority(Form::Classical);
    site.sync(&agent).await;
    let bundles = within(workload(&agent).await.fetch_x509_bundles(&[]))
        .await
        .unwrap();
    let bundle = bundles.get(&domain()).unwrap();
    assert_eq!(bundle.authorities_of(Form::Classical).count(), 2);
    assert!(matches!(agent.status().phase, Phase::Ready));

    std::fs::remove_dir_all(&kept).unwrap();
    site.sync(&agent).await;
    assert!(kept.is_file());
}

#[tokio::test]
async fn who_asks_for_bundles_alone_has_no_svids_issued() {
    let site = Site::start().await;
    site.server.script().entries = vec![entry_for("web", 1, &[&my_uid()])];
    let mut config = site.config();
    config.svids.prefetch = Vec::new();
    let agent = site.agent_with(config).await;
    let workload = workload(&agent).await;
    within(workload.fetch_x509_bundles(&Form::OF_KEYS)).await.unwrap();
    within(workload.fetch_jwt_bundles()).await.unwrap();
    // The form that is fetched last: what was wanted before it has been fetched by then.
    within(workload.fetch_x509(&Form::OF_KEYS[2..])).await.unwrap();
    assert_eq!(site.server.script().batches, [1]);
}

#[tokio::test]
async fn an_entry_made_again_under_its_old_id_is_another_one() {
    let site = Site::start().await;
    let others = ["a", "b"].map(|name| entry_for(name, 1, &["uid:4242"]));
    {
        let mut script = site.server.script();
        // Fewer than there are entries, so that revisions are sent first.
        script.page = 2;
        script.entries = others.into();
        script.entries.push(entry_for("web", 1, &[&my_uid()]));
    }
    let agent = site.agent().await;
    let workload = workload(&agent).await;
    let mut stream = workload.watch_x509(&[]).await.unwrap();
    let before = within(stream.next()).await.unwrap().unwrap();
    assert_eq!(before.svids[0].spiffe_id(), &id("/web"));

    {
        let mut script = site.server.script();
        script.entries[2].spiffe_id = Some((&id("/db")).into());
        script.entries[2].created_at = 1;
        script.instead_of = Some(id("/db"));
    }
    let after = site.time.pass(Duration::from_secs(5), stream.next()).await;
    assert_eq!(after.unwrap().unwrap().svids[0].spiffe_id(), &id("/db"));
}

#[tokio::test]
async fn many_entries_come_in_pages_and_only_once() {
    let site = Site::start().await;
    let entry = |n: usize| entry_for(&format!("e{n}"), 1, &["uid:4242"]);
    site.server.script().entries = (0..1201).map(entry).collect();
    let mut config = site.config();
    config.svids.prefetch = Vec::new();
    let agent = site.agent_with(config).await;
    assert_eq!(agent.status().entries, 1201);
    assert_eq!(site.server.script().asked_ids, [500, 500, 201]);

    site.server.script().entries[7].revision_number = 2;
    site.server.script().entries.pop();
    site.server.script().asked_ids.clear();
    site.sync(&agent).await;
    assert_eq!(agent.status().entries, 1200);
    assert_eq!(site.server.script().asked_ids, [1], "the one that changed, once");
}

#[tokio::test]
async fn batches_that_are_too_large_are_halved() {
    let site = Site::start().await;
    let entry = |n: usize| entry_for(&format!("e{n}"), 1, &[&my_uid()]);
    {
        let mut script = site.server.script();
        script.entries = (0..20).map(entry).collect();
        script.largest_batch = Some(3);
    }
    let agent = site.agent().await;
    let context = within(workload(&agent).await.fetch_x509(&[])).await.unwrap();
    assert_eq!(context.svids.len(), 20);
    let batches = site.server.script().batches.clone();
    assert_eq!(batches.iter().sum::<usize>(), 20);
    assert!(batches.iter().all(|size| *size <= 3), "{batches:?}");
}

#[tokio::test]
async fn svids_for_others_are_not_handed_on() {
    for spoil in [
        (|script| script.instead_of = Some(id("/other"))) as fn(&mut crate::stand_in::Script),
        |script| script.other_key = Some(PrivateKey::generate(Suite::EcdsaP256).unwrap()),
    ] {
        let site = Site::start().await;
        {
            let mut script = site.server.script();
            script.entries = vec![entry_for("web", 1, &[&my_uid()])];
            spoil(&mut script);
        }
        let agent = site.agent().await;
        let error = within(workload(&agent).await.fetch_x509(&[])).await.unwrap_err();
        assert!(
            error.to_string().contains("not for spiffe://example.org/web"),
            "{error}"
        );

        // It is right again, and so is the workload's next try.
        {
            let mut script = site.server.script();
            script.instead_of = None;
            script.other_key = None;
        }
        let workload = workload(&agent).await;
        let fetched = async {
            loop {
                if let Ok(context) = workload.fetch_x509(&[]).await {
                    return context;
                }
            }
        };
        let context = site.time.pass(Duration::from_secs(5), fetched).await;
        assert_eq!(context.svids[0].spiffe_id(), &id("/web"));
    }
}

#[tokio::test]
async fn what_a_tainted_authority_signed_is_replaced_at_once() {
    let site = Site::start().await;
    site.server.script().entries = vec![entry_for("web", 1, &[&my_uid()])];
    let agent = site.agent().await;
    let workload = workload(&agent).await;
    let mut stream = workload
        .watch_x509(&[Form::Classical, Form::Composite])
        .await
        .unwrap();
    let before = within(stream.next()).await.unwrap().unwrap();

    site.server.add_authority(Form::Classical);
    site.server.taint_older(Form::Classical);
    let replaced = async {
        loop {
            let next = stream.next().await.unwrap().unwrap();
            if leaf(&next.svids[0]) != leaf(&before.svids[0]) {
                return next;
            }
        }
    };
    let after = site.time.pass(Duration::from_secs(5), replaced).await;
    let bundles = site.server.bundle().into();
    assert!(!verify(&after.svids[0], &bundles, site.time.now()).tainted);
    assert_eq!(
        leaf(&after.svids[1]),
        leaf(&before.svids[1]),
        "its authority is none of that"
    );
}

#[tokio::test]
async fn the_agents_own_svid_falls_with_its_authority() {
    let site = Site::start().await;
    let agent = site.agent().await;
    let form = agent.status().form.unwrap();
    assert_eq!(site.server.script().attestations, 1);
    private_file(&site.dir.path().join("token"), "kite-8");
    site.server.add_authority(form);
    site.server.taint_older(form);
    let attested_anew = async {
        while site.server.script().attestations < 2 {
            tokio::task::yield_now().await;
        }
    };
    site.time.pass(Duration::from_secs(5), attested_anew).await;
}

#[tokio::test]
async fn an_entry_that_changes_gets_a_new_svid() {
    let site = Site::start().await;
    site.server.script().entries = vec![entry_for("web", 1, &[&my_uid()])];
    let agent = site.agent().await;
    let workload = workload(&agent).await;
    let mut stream = workload.watch_x509(&[]).await.unwrap();
    let before = within(stream.next()).await.unwrap().unwrap();
    site.server.script().entries[0].revision_number = 2;
    let after = site
        .time
        .pass(Duration::from_secs(5), stream.next())
        .await
        .unwrap()
        .unwrap();
    assert_ne!(leaf(&after.svids[0]), leaf(&before.svids[0]));
}

#[tokio::test]
async fn a_server_that_knows_no_forms_gives_the_classical_one() {
    let site = Site::start().await;
    {
        let mut script = site.server.script();
        script.entries = vec![entry_for("web", 1, &[&my_uid()])];
        script.stock = true;
    }
    let mut config = site.config();
    config.form = Some(Form::Classical);
    let agent = site.agent_with(config).await;
    let workload = workload(&agent).await;
    let context = within(workload.fetch_x509(&Form::OF_KEYS)).await.unwrap();
    assert_eq!(
        context.svids.iter().map(|svid| svid.form()).collect::<Vec<_>>(),
        [Form::Classical]
    );
    let error = within(workload.fetch_x509(&[Form::Composite])).await.unwrap_err();
    assert!(error.to_string().contains("no composite authority"), "{error}");
}

#[tokio::test]
async fn what_is_there_is_given_when_the_rest_takes_too_long() {
    let site = Site::start().await;
    {
        let mut script = site.server.script();
        script.entries = vec![entry_for("web", 1, &[&my_uid()])];
        script.silent_about = Some(Form::Composite);
    }
    let agent = site.agent().await;
    let workload = workload(&agent).await;
    within(workload.fetch_x509(&[])).await.unwrap();
    let forms = [Form::Classical, Form::Composite];
    let context = site
        .time
        .pass(Duration::from_secs(10), workload.fetch_x509(&forms))
        .await
        .unwrap();
    assert_eq!(
        context.svids.iter().map(|svid| svid.form()).collect::<Vec<_>>(),
        [Form::Classical]
    );
}

#[tokio::test]
async fn a_server_that_cannot_complete_a_pair_is_not_made_to_begin_another_with_every_try() {
    let site = Site::start().await;
    {
        let mut script = site.server.script();
        script.entries = vec![entry_for("web", 1, &[&my_uid()])];
        script.cannot_issue = Some(Form::Paired);
    }
    let mut config = site.config();
    config.svids.prefetch = vec![Form::Paired];
    let agent = site.agent_with(config).await;
    let asked = |form: Form| {
        let script = site.server.script();
        script.asked_forms.iter().filter(|asked| **asked == form).count()
    };
    let trying = async {
        while asked(Form::Paired) < 4 {
            site.sync(&agent).await;
        }
    };
    within(trying).await;
    assert_eq!(asked(Form::Classical), 1);

    // When the entry has changed, so has what the first half was for.
    site.server.script().entries = vec![entry_for("web", 2, &[&my_uid()])];
    let trying = async {
        while asked(Form::Classical) < 2 {
            site.sync(&agent).await;
        }
    };
    within(trying).await;

    site.server.script().cannot_issue = None;
    let update = site.given(&agent, &[Form::Paired]).await;
    assert!(update.skipped.is_empty() && update.svids.len() == 2, "{update:?}");
    let [first, second] = [0, 1].map(|index| update.svids[index].identity.leaf());
    second.related().unwrap().check(first).unwrap();
    assert_eq!(asked(Form::Classical), 2);
}

#[tokio::test]
async fn no_more_svids_are_held_than_allowed() {
    let site = Site::start().await;
    let entry = |name| entry_for(name, 1, &[&my_uid()]);
    site.server.script().entries = ["a", "b", "c"].map(entry).into();
    let mut config = site.config();
    config.svids.max_x509 = 2;
    let agent = site.agent_with(config).await;
    let context = within(workload(&agent).await.fetch_x509(&[])).await.unwrap();
    assert_eq!(context.svids.len(), 2);
    assert_eq!(site.server.script().batches.iter().sum::<usize>(), 2);
}

#[tokio::test]
async fn what_has_expired_is_not_handed_out_and_comes_back_with_the_server() {
    let site = Site::start().await;
    site.server.script().entries = vec![entry_for("web", 1, &[&my_uid()])];
    let agent = site.agent().await;
    let workload = workload(&agent).await;
    let mut stream = workload.watch_x509(&[]).await.unwrap();
    within(stream.next()).await.unwrap().unwrap();

    site.server.script().away = true;
    site.time.advance(Duration::from_secs(3601));
    let asking = async {
        loop {
            match workload.fetch_x509(&[]).await {
                Err(error) if !error.is_permission_denied() => return error,
                other => assert!(other.is_err(), "it has expired"),
            }
        }
    };
    let error = site.time.pass(Duration::from_secs(5), asking).await;
    assert!(error.to_string().contains("Unavailable"), "{error}");

    private_file(&site.dir.path().join("token"), "kite-8");
    site.server.script().away = false;
    let next = site
        .time
        .pass(Duration::from_secs(480), stream.next())
        .await
        .unwrap()
        .unwrap();
    let bundles = site.server.bundle().into();
    assert_eq!(
        verify(&next.svids[0], &bundles, site.time.now()).spiffe_id,
        id("/web")
    );
}

#[tokio::test]
async fn a_server_that_answers_and_cannot_sign_is_not_asked_with_every_sync() {
    let site = Site::start().await;
    {
        let mut script = site.server.script();
        script.entries = vec![entry_for("web", 1, &[&my_uid()])];
        script.cannot_issue = Some(Form::Classical);
    }
    let mut config = site.config();
    config.svids.prefetch = vec![Form::Classical];
    let agent = site.agent_with(config).await;
    // At least ten seconds each, and two syncs.
    let syncs = agent.status().syncs;
    let synced = status_of(&agent, |status| status.syncs >= syncs + 24);
    let (quiet, stride) = (Duration::from_millis(50), Duration::from_secs(5));
    site.time.pass_after(quiet, stride, synced).await;
    let tries = site.server.script().asked_forms.len();
    assert!((2..=9).contains(&tries), "{tries} in 24 syncs");
    site.server.script().cannot_issue = None;
    assert_eq!(site.given(&agent, &[]).await.svids.len(), 1);
}

#[tokio::test]
async fn an_svid_that_cannot_be_kept_leaves_no_keys_behind() {
    let site = Site::start().await;
    let agent = site.agent().await;
    let before = agent.status();
    let svid = site.dir.path().join("node/agent/svid");
    std::fs::remove_file(&svid).unwrap();
    std::fs::create_dir(&svid).unwrap();
    let keys = || {
        std::fs::read_dir(site.dir.path().join("node/agent/keys"))
            .unwrap()
            .count()
    };
    let held = keys();
    private_file(&site.dir.path().join("token"), "kite-8");
    site.time.advance(Duration::from_secs(2000));
    let tried = async {
        while site.server.script().attestations < 4 {
            site.sync(&agent).await;
        }
    };
    within(tried).await;
    site.sync(&agent).await;
    assert_eq!((keys(), agent.status().not_after), (held, before.not_after));
}
