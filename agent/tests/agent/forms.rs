//! Who sees which form.

use std::collections::BTreeSet;
use std::time::Duration;

use symbolon_api::spiffe::workload as wire;
use symbolon_api::spiffe::workload::spiffe_workload_api_client::SpiffeWorkloadApiClient;
use symbolon_api::{FORMS_METADATA, WORKLOAD_METADATA, WORKLOAD_METADATA_VALUE};
use symbolon_pki::certificate::split_chain;
use symbolon_pki::key::Half;
use symbolon_pki::related::verify_pair;
use symbolon_pki::suite::Form;
use symbolon_pki::time::Clock as _;
use symbolon_pki::verify::VerifyOptions;
use symbolon_tls::grpc::{ChannelOptions, unix_channel};
use tokio_stream::StreamExt as _;
use tonic::transport::Channel;
use tonic::{Code, Request};

use crate::support::{Site, domain, id, leaves, my_uid, within, workload};

pub(crate) async fn stock(socket: &std::path::Path) -> SpiffeWorkloadApiClient<Channel> {
    SpiffeWorkloadApiClient::new(unix_channel(socket, &ChannelOptions::default()).await.unwrap())
}

pub(crate) fn request<T>(message: T, forms: Option<&'static str>) -> Request<T> {
    let mut request = Request::new(message);
    request
        .metadata_mut()
        .insert(WORKLOAD_METADATA, WORKLOAD_METADATA_VALUE.parse().unwrap());
    if let Some(forms) = forms {
        request
            .metadata_mut()
            .insert(FORMS_METADATA, forms.parse().unwrap());
    }
    request
}

fn forms_of(roots: &[u8]) -> BTreeSet<&'static str> {
    let roots = split_chain(roots).unwrap();
    roots
        .iter()
        .map(|root| root.subject_key().unwrap().form().name())
        .collect()
}

#[tokio::test]
async fn one_identity_comes_in_three_forms_each_verified() {
    let site = Site::start().await;
    let agent = site.agent().await;
    assert_eq!(
        agent.status().form,
        Some(Form::Composite),
        "the bundle has composite authorities"
    );
    let entry = site.register(&agent, "/web", &[&my_uid()]).await;
    site.sync(&agent).await;

    let workload = workload(&agent).await;
    let context = workload
        .fetch_x509(&[Form::Composite, Form::MlDsa, Form::Classical])
        .await
        .unwrap();
    let forms: Vec<_> = context.svids.iter().map(|svid| svid.form()).collect();
    assert_eq!(
        forms,
        [Form::Classical, Form::Composite, Form::MlDsa],
        "classical first"
    );
    for svid in &context.svids {
        let verified = site.verify(svid);
        assert_eq!((verified.form, verified.spiffe_id), (svid.form(), id("/web")));
        assert_eq!(svid.hint, format!("{entry}/{}", svid.form()));
        let delivered = crate::support::verify(
            svid,
            &context.bundles,
            symbolon_pki::time::Clock::now(&*site.time),
        );
        assert_eq!(delivered.authority_id, verified.authority_id);
    }
    within(agent.shutdown()).await.unwrap();
}

#[tokio::test]
async fn a_stock_client_sees_nothing_but_classical() {
    let site = Site::start().await;
    let agent = site.agent().await;
    site.register_with(&agent, "/web", &[&my_uid()], |entry| {
        entry.hint = "front".to_owned();
    })
    .await;
    site.sync(&agent).await;
    // What others ask for does not show.
    workload(&agent).await.fetch_x509(&Form::ALL).await.unwrap();

    let mut stock = stock(agent.socket()).await;
    let mut stream = stock
        .fetch_x509svid(request(wire::X509svidRequest {}, None))
        .await
        .unwrap()
        .into_inner();
    let answer = stream.message().await.unwrap().unwrap();
    assert_eq!(answer.svids.len(), 1);
    let svid = &answer.svids[0];
    assert_eq!((svid.form.as_str(), svid.hint.as_str()), ("", "front"));
    assert!(svid.alternative_key.is_empty());
    // The catalyst authority is among them: an ECDSA root with extensions that nobody has to know.
    assert_eq!(forms_of(&svid.bundle), ["classical"].into());
    assert_eq!(split_chain(&svid.bundle).unwrap().len(), 2);
    assert_eq!(
        split_chain(&svid.x509_svid).unwrap()[0]
            .subject_key()
            .unwrap()
            .form(),
        Form::Classical
    );
    assert!(answer.federated_bundles.is_empty() && answer.crl.is_empty());

    let stream = stock
        .fetch_x509_bundles(request(wire::X509BundlesRequest {}, None))
        .await
        .unwrap();
    let bundles = stream.into_inner().message().await.unwrap().unwrap().bundles;
    assert_eq!(bundles.keys().collect::<Vec<_>>(), [&domain().id_string()]);
    assert_eq!(forms_of(&bundles[&domain().id_string()]), ["classical"].into());

    let stream = stock
        .fetch_jwt_bundles(request(wire::JwtBundlesRequest {}, None))
        .await
        .unwrap();
    let bundles = stream.into_inner().message().await.unwrap().unwrap().bundles;
    let document = String::from_utf8(bundles[&domain().id_string()].clone()).unwrap();
    assert!(
        document.contains("\"kid\"") && !document.contains("AKP"),
        "{document}"
    );
}

#[tokio::test]
async fn a_pair_comes_as_two_svids_and_a_catalyst_svid_with_both_its_keys() {
    let site = Site::start().await;
    let agent = site.agent().await;
    site.register_with(&agent, "/web", &[&my_uid()], |entry| {
        entry.hint = "front".to_owned();
    })
    .await;
    site.sync(&agent).await;
    let workload = workload(&agent).await;
    let context = workload
        .fetch_x509(&[Form::Catalyst, Form::Paired])
        .await
        .unwrap();
    assert!(context.skipped.is_empty(), "{:?}", context.skipped);
    let [catalyst, first, second] = context.svids.as_slice() else {
        panic!("{context:?}");
    };
    let hints = [catalyst, first, second].map(|svid| svid.hint.as_str());
    assert_eq!(
        hints,
        ["front/catalyst", "front/paired/classical", "front/paired/ml-dsa"]
    );
    assert_eq!(site.verify(catalyst).form, Form::Catalyst);
    let alternative = catalyst.alternative_key.as_ref().unwrap().public_key().unwrap();
    let certified = catalyst.identity.leaf().alternative().unwrap().key().unwrap();
    assert_eq!(certified.spki_der(), alternative.spki_der());
    assert_eq!(
        (first.half(), second.half()),
        (Some(Half::Classical), Some(Half::PostQuantum))
    );
    // By what the agent gave, and by what the server says.
    for bundles in [&context.bundles, &site.bundles()] {
        let pair = verify_pair(
            std::slice::from_ref(first.identity.leaf()),
            std::slice::from_ref(second.identity.leaf()),
            bundles,
            site.time.now(),
            &VerifyOptions::default(),
        );
        assert_eq!(pair.unwrap().spiffe_id, id("/web"));
    }

    let mut raw = stock(agent.socket()).await;
    let asked = request(wire::X509svidRequest {}, Some("paired,catalyst"));
    let mut stream = raw.fetch_x509svid(asked).await.unwrap().into_inner();
    let answer = stream.message().await.unwrap().unwrap();
    let shown: Vec<_> = answer
        .svids
        .iter()
        .map(|svid| {
            (
                svid.form.as_str(),
                forms_of(&svid.bundle),
                svid.alternative_key.is_empty(),
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("paired", ["classical"].into(), true),
            ("paired", ["ml-dsa"].into(), true),
            ("catalyst", ["classical"].into(), false)
        ]
    );
    // Whom a pair's holder is to trust does not hang on which of the two calls says it.
    let bundles = raw
        .fetch_x509_bundles(request(wire::X509BundlesRequest {}, Some("paired")))
        .await
        .unwrap();
    let bundles = bundles.into_inner().message().await.unwrap().unwrap().bundles;
    let set = |roots: &[u8]| -> BTreeSet<Vec<u8>> {
        let roots = split_chain(roots).unwrap();
        roots.iter().map(|root| root.der().to_vec()).collect()
    };
    let of_halves: BTreeSet<_> = &set(&answer.svids[0].bundle) | &set(&answer.svids[1].bundle);
    assert_eq!(set(&bundles[&domain().id_string()]), of_halves);

    let of_catalyst = split_chain(&answer.svids[2].bundle).unwrap();
    assert_eq!(of_catalyst.len(), 1);
    assert_eq!(of_catalyst[0].form(), Some(Form::Catalyst));
}

#[tokio::test]
async fn the_halves_of_a_pair_are_renewed_together() {
    let site = Site::start().await;
    let agent = site.agent().await;
    site.register(&agent, "/web", &[&my_uid()]).await;
    site.sync(&agent).await;
    let workload = workload(&agent).await;
    let mut updates = workload.watch_x509(&[Form::Paired]).await.unwrap();
    let first = within(updates.next()).await.unwrap().unwrap();
    // They are due at half their life of an hour, give or take a tenth; the server's own certificate lasts as long. Then
    // time nearly stands still: a request for the second half must not be five minutes old when a busy machine comes to it.
    site.time.advance(Duration::from_secs(35 * 60));
    let (quiet, stride) = (Duration::from_millis(500), Duration::from_secs(5));
    let update = site.time.pass_after(quiet, stride, updates.next()).await;
    let update = update.unwrap().unwrap();
    assert!(
        update.skipped.is_empty(),
        "a half without its other: {:?}",
        update.skipped
    );
    let (old, new) = (leaves(&first), leaves(&update));
    assert!(old[0] != new[0] && old[1] != new[1], "both are new");
    let link = update.svids[1].identity.leaf().related().unwrap();
    link.check(update.svids[0].identity.leaf()).unwrap();
    within(agent.shutdown()).await.unwrap();
}

#[tokio::test]
async fn bundles_and_hints_follow_the_forms_asked_for() {
    let site = Site::start().await;
    let agent = site.agent().await;
    site.register_with(&agent, "/web", &[&my_uid()], |entry| {
        entry.hint = "front".to_owned();
    })
    .await;
    site.sync(&agent).await;
    let mut stock = stock(agent.socket()).await;

    let asked = request(wire::X509svidRequest {}, Some("composite"));
    let answer = stock
        .fetch_x509svid(asked)
        .await
        .unwrap()
        .into_inner()
        .message()
        .await
        .unwrap()
        .unwrap();
    assert_eq!(answer.svids.len(), 1, "what is asked for and no more");
    let svid = &answer.svids[0];
    assert_eq!(
        (svid.form.as_str(), svid.hint.as_str()),
        ("composite", "front/composite")
    );
    assert_eq!(forms_of(&svid.bundle), ["composite"].into());

    let asked = request(wire::X509BundlesRequest {}, Some("ml-dsa,classical"));
    let answer = stock
        .fetch_x509_bundles(asked)
        .await
        .unwrap()
        .into_inner()
        .message()
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        forms_of(&answer.bundles[&domain().id_string()]),
        ["classical", "ml-dsa"].into()
    );
}

#[tokio::test]
async fn calls_that_break_the_rules_are_refused_by_name() {
    let site = Site::start().await;
    let agent = site.agent().await;
    site.register(&agent, "/web", &[&my_uid()]).await;
    site.sync(&agent).await;
    let mut stock = stock(agent.socket()).await;

    let bare = stock.fetch_x509svid(wire::X509svidRequest {}).await.unwrap_err();
    assert_eq!(bare.code(), Code::InvalidArgument);
    assert!(bare.message().contains("security header missing"), "{bare}");
    let mut wrong = Request::new(wire::X509BundlesRequest {});
    wrong
        .metadata_mut()
        .insert(WORKLOAD_METADATA, "True".parse().unwrap());
    assert_eq!(
        stock.fetch_x509_bundles(wrong).await.unwrap_err().code(),
        Code::InvalidArgument
    );

    for forms in ["pair", "classical,rot13", "Composite", ""] {
        let status = stock
            .fetch_x509svid(request(wire::X509svidRequest {}, Some(forms)))
            .await
            .unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{forms}: {status}");
    }
    let unknown = stock
        .fetch_jwt_bundles(request(wire::JwtBundlesRequest {}, Some("pair")))
        .await
        .unwrap_err();
    assert!(
        unknown.code() == Code::InvalidArgument && unknown.message().contains("\"pair\""),
        "{unknown}"
    );

    let wit = stock
        .fetch_witsvid(request(wire::WitsvidRequest::default(), None))
        .await
        .unwrap_err();
    assert_eq!(wit.code(), Code::Unimplemented);
    let wit = stock
        .fetch_wit_bundles(request(wire::WitBundlesRequest {}, None))
        .await
        .unwrap_err();
    assert_eq!(wit.code(), Code::Unimplemented);

    let huge = wire::ValidateJwtsvidRequest {
        audience: "a".to_owned(),
        svid: "x".repeat(100_000),
    };
    let status = stock.validate_jwtsvid(request(huge, None)).await.unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange, "{status}");
}
