//! What each stage of a migration changes between two ends, each of which keeps to its own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;
#[path = "common/dishonest.rs"]
mod dishonest;

use std::sync::Arc;

use common::*;
use dishonest::Dishonest;
use rustls_pki_types::ServerName;
use symbolon_pki::suite::Form;
use symbolon_pki::verify::{ChainReason, PathPolicy};
use symbolon_tls::{
    ClientOptions, CompositeSchemes, HandshakeKind, IdentitySource, ListenerOptions, Migration,
    MigrationStage, MigrationTarget, PeerError, StaticSource, peer_error,
};

use MigrationStage::{Accept, Issue, Prefer, Publish, Require};

const STAGES: [Option<MigrationStage>; 6] = [
    None,
    Some(Publish),
    Some(Issue),
    Some(Accept),
    Some(Prefer),
    Some(Require),
];

/// A workload that holds and trusts these forms, as far in its migration as that.
fn workload(
    domain: &Domain,
    path: &str,
    forms: &[Form],
    target: MigrationTarget,
    stage: Option<MigrationStage>,
) -> Arc<StaticSource> {
    let source = source(domain.svids(path, forms), domain.bundles(forms));
    source.set_migration(stage.map(|stage| Migration { target, stage }));
    source
}

fn forms(target: MigrationTarget) -> [Form; 2] {
    [Form::Classical, target.form()]
}

/// What one at `stage` presents to a peer at `peer`: both hold both forms.
fn expected(target: MigrationTarget, stage: Option<MigrationStage>, peer: Option<MigrationStage>) -> Form {
    let shows_target = stage.is_none_or(|stage| stage >= Prefer);
    let takes_classical = peer != Some(Require);
    match shows_target || !takes_classical {
        true => target.form(),
        false => Form::Classical,
    }
}

#[tokio::test]
async fn ends_of_any_two_stages_meet_and_each_shows_what_its_stage_says() {
    let domain = Domain::new("example.org");
    for target in MigrationTarget::ALL {
        let forms = forms(target);
        let at = |path, stage| workload(&domain, path, &forms, target, stage);
        let (clients, servers) = (
            STAGES.map(|stage| at("client", stage)),
            STAGES.map(|stage| at("server", stage)),
        );
        for (client, client_stage) in clients.iter().zip(STAGES) {
            for (server, server_stage) in servers.iter().zip(STAGES) {
                let (near, far) = connected(
                    &connector(client, domain.any(), ClientOptions::default()),
                    &acceptor(server, domain.any(), ListenerOptions::default()),
                )
                .await;
                let shown = (near.info().presented.unwrap(), far.info().presented.unwrap());
                let wanted = (
                    expected(target, client_stage, server_stage),
                    expected(target, server_stage, client_stage),
                );
                assert_eq!(
                    shown, wanted,
                    "{target}: client {client_stage:?}, server {server_stage:?}"
                );
                assert_eq!(far.info().peer.as_ref().unwrap().form, shown.0);
                assert_eq!(near.info().peer.as_ref().unwrap().form, shown.1);
            }
        }
    }
}

#[tokio::test]
async fn a_migration_through_all_stages_and_back_breaks_no_handshake() {
    let domain = Domain::new("example.org");
    let target = MigrationTarget::Hybrid;
    let [client, server] =
        ["client", "server"].map(|path| workload(&domain, path, &forms(target), target, None));
    let dial = connector(&client, domain.any(), ClientOptions::default());
    let listen = acceptor(&server, domain.any(), ListenerOptions::default());
    let there = MigrationStage::ALL;
    let back = there.into_iter().rev().skip(1);
    let mut seen = Vec::new();
    for stage in there.into_iter().chain(back) {
        // One is told first, and then the other.
        for source in [&client, &server] {
            source.set_migration(Some(Migration { target, stage }));
            let (near, _far) = connected(&dial, &listen).await;
            seen.push((stage, near.info().presented.unwrap()));
        }
    }
    let composite = seen.iter().filter(|(_, form)| *form == Form::Composite);
    let stages: Vec<_> = composite.map(|(stage, _)| *stage).collect();
    assert_eq!(stages.first(), Some(&Prefer));
    assert!(stages.contains(&Require), "{seen:?}");
    assert_eq!(seen.last(), Some(&(Publish, Form::Classical)));
    let all = [client.handshakes(), server.handshakes()].map(|counts| counts.unwrap().take());
    let ended_badly = all.iter().flatten().filter(|counted| !counted.kind.succeeded);
    assert_eq!(ended_badly.count(), 0);
    assert_eq!(all[0].iter().map(|counted| counted.count).sum::<u64>(), 18);
}

#[tokio::test]
async fn who_has_nothing_but_classical_is_refused_at_the_last_stage_and_not_before() {
    let domain = Domain::new("example.org");
    for target in MigrationTarget::ALL {
        let old = source(
            domain.svids("old", &[Form::Classical]),
            domain.bundles(&forms(target)),
        );
        for stage in STAGES {
            let new = workload(&domain, "new", &forms(target), target, stage);
            let dial = connector(&new, domain.any(), ClientOptions::default());
            let listen = acceptor(&old, domain.any(), ListenerOptions::default());
            let (near, _) = handshake(&dial, &listen).await;
            assert_eq!(
                near.is_ok(),
                stage != Some(Require),
                "{target} {stage:?}: {near:?}"
            );

            let dial = connector(&old, domain.any(), ClientOptions::default());
            let listen = acceptor(&new, domain.any(), ListenerOptions::default());
            let (_, far) = handshake(&dial, &listen).await;
            assert_eq!(far.is_ok(), stage != Some(Require), "{target} {stage:?}: {far:?}");
        }
    }
}

#[tokio::test]
async fn who_has_nothing_but_the_targets_form_is_let_in_at_every_stage() {
    let domain = Domain::new("example.org");
    for target in MigrationTarget::ALL {
        let ahead = source(
            domain.svids("ahead", &[target.form()]),
            domain.bundles(&forms(target)),
        );
        for stage in STAGES {
            let held = workload(&domain, "held", &forms(target), target, stage);
            let (near, _far) = connected(
                &connector(&held, domain.any(), ClientOptions::default()),
                &acceptor(&ahead, domain.any(), ListenerOptions::default()),
            )
            .await;
            assert_eq!(
                near.info().peer.as_ref().unwrap().form,
                target.form(),
                "{stage:?}"
            );
            let (_near, far) = connected(
                &connector(&ahead, domain.any(), ClientOptions::default()),
                &acceptor(&held, domain.any(), ListenerOptions::default()),
            )
            .await;
            assert_eq!(far.info().peer.as_ref().unwrap().form, target.form(), "{stage:?}");
        }
    }
}

#[tokio::test]
async fn a_forged_classical_chain_is_refused_at_the_last_stage_though_nobody_offered_it() {
    let domain = Domain::new("example.org");
    for target in MigrationTarget::ALL {
        let suite = Form::Classical.default_suite();
        let forged = domain.svid("victim", suite);
        let forger = Dishonest {
            chain: forged.chain().to_vec(),
            key: forged.signer().keys()[0].clone(),
            scheme: CompositeSchemes::default().scheme_of(suite).unwrap(),
        };
        for (stage, accepted) in [(Prefer, true), (Require, false)] {
            let client = workload(&domain, "client", &forms(target), target, Some(stage));
            let dial = connector(&client, domain.any(), ClientOptions::default());
            let listen = tokio_rustls::TlsAcceptor::from(forger.clone().server());
            let (near, far) = tokio::io::duplex(64 * 1024);
            let name = ServerName::try_from("server.invalid").unwrap();
            let (near, _) = tokio::join!(dial.connect(name, near), listen.accept(far));
            let Err(error) = &near else {
                assert!(accepted, "{target} {stage}");
                continue;
            };
            assert!(!accepted, "{target} {stage}: {error}");
            let Some(PeerError::Chain(chain)) = peer_error(error) else {
                panic!("{error}");
            };
            assert!(matches!(*chain.reason, ChainReason::Policy { .. }), "{chain}");
        }
    }
}

#[tokio::test]
async fn who_cannot_or_will_not_follow_does_as_without_a_migration() {
    let domain = Domain::new("example.org");
    let target = MigrationTarget::Hybrid;
    let peer = source(domain.svids("peer", &FORMS), domain.bundles(&FORMS));
    let listen = acceptor(&peer, domain.any(), ListenerOptions::default());

    // No composite authorities: there is nothing to take, and a demand is not dropped for that.
    for (stage, is_met) in [(Accept, true), (Prefer, true), (Require, false)] {
        let poor = workload(&domain, "poor", &[Form::Classical], target, Some(stage));
        let dial = connector(&poor, domain.any(), ClientOptions::default());
        let (near, _) = handshake(&dial, &listen).await;
        let met = near.map(|near| near.info().peer.as_ref().unwrap().form);
        assert_eq!(met.ok(), is_met.then_some(Form::Classical), "{stage}");
    }

    // Told not to.
    let stubborn = ClientOptions {
        follow_migration: false,
        ..ClientOptions::default()
    };
    let early = workload(&domain, "early", &forms(target), target, Some(Publish));
    let (near, _) = connected(&connector(&early, domain.any(), stubborn.clone()), &listen).await;
    assert_eq!(near.info().presented, Some(Form::Composite));
    let kinds = early.handshakes().unwrap().take();
    assert!(
        kinds.iter().all(|counted| counted.kind.stage.is_none()),
        "{kinds:?}"
    );

    // What the program demands by itself stays, at any stage.
    let strict = ClientOptions {
        peer_policy: PathPolicy::HybridRequired,
        ..ClientOptions::default()
    };
    for stage in MigrationStage::ALL {
        let own = workload(&domain, "own", &forms(target), target, Some(stage));
        let (near, _) = connected(&connector(&own, domain.any(), strict.clone()), &listen).await;
        assert_eq!(
            near.info().peer.as_ref().unwrap().form,
            Form::Composite,
            "{stage}"
        );
    }
}

#[tokio::test]
async fn a_configuration_that_is_kept_for_long_follows_as_well() {
    let domain = Domain::new("example.org");
    let target = MigrationTarget::Hybrid;
    let client = workload(&domain, "client", &forms(target), target, Some(Publish));
    let server = workload(&domain, "server", &FORMS, target, Some(Accept));
    let listen = acceptor(&server, domain.any(), ListenerOptions::default());
    let kept = connector(&client, domain.any(), ClientOptions::default())
        .config()
        .unwrap();
    let stack = tokio_rustls::TlsConnector::from(kept);
    for (stage, shown) in [
        (Publish, Form::Classical),
        (Require, Form::Composite),
        (Issue, Form::Classical),
    ] {
        client.set_migration(Some(Migration { target, stage }));
        let (near, far) = tokio::io::duplex(64 * 1024);
        let name = ServerName::try_from("server.invalid").unwrap();
        let (near, far) = tokio::join!(stack.connect(name, near), listen.accept(far));
        near.unwrap();
        assert_eq!(far.unwrap().info().presented, Some(shown), "{stage}");
        let counted = client.handshakes().unwrap().take();
        let kind = HandshakeKind {
            stage: Some(stage),
            presented: None,
            peer: Some(shown),
            succeeded: true,
        };
        assert_eq!(
            counted
                .iter()
                .map(|counted| (counted.kind, counted.count))
                .collect::<Vec<_>>(),
            [(kind, 1)]
        );
    }
}

#[tokio::test]
async fn handshakes_are_counted_by_forms_stage_and_end() {
    let domain = Domain::new("example.org");
    let target = MigrationTarget::Hybrid;
    let client = workload(&domain, "client", &forms(target), target, Some(Accept));
    let server = workload(&domain, "server", &forms(target), target, Some(Prefer));
    let dial = connector(&client, domain.any(), ClientOptions::default());
    let listen = acceptor(&server, domain.any(), ListenerOptions::default());
    for _ in 0..3 {
        connected(&dial, &listen).await;
    }
    // A client that is not wanted here.
    let stranger = source(
        Domain::new("example.com").svids("stranger", &[Form::Classical]),
        domain.bundles(&forms(target)),
    );
    let (_, refused) = handshake(
        &connector(&stranger, domain.any(), ClientOptions::default()),
        &listen,
    )
    .await;
    refused.unwrap_err();

    let kind = |stage, presented, peer, succeeded| HandshakeKind {
        stage: Some(stage),
        presented: Some(presented),
        peer,
        succeeded,
    };
    let counted = |source: &Arc<StaticSource>| -> Vec<_> {
        let counts = source.handshakes().unwrap().take();
        counts
            .iter()
            .map(|counted| (counted.kind, counted.count))
            .collect()
    };
    assert_eq!(
        counted(&client),
        [(kind(Accept, Form::Classical, Some(Form::Composite), true), 3)]
    );
    assert_eq!(
        counted(&server),
        [
            (kind(Prefer, Form::Composite, None, false), 1),
            (kind(Prefer, Form::Composite, Some(Form::Classical), true), 3),
        ]
    );
}
