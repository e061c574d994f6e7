//! JWT-SVIDs.

use std::time::Duration;

use symbolon_pki::jwt::verify_jwt_svid;
use symbolon_pki::time::Clock;
use symbolon_tls::workload_api::{WorkloadApiClient, WorkloadApiError};
use tonic::Code;

use crate::faults;
use crate::stand_in::entry_for;
use crate::support::{Site, id, my_uid, within, workload};

fn code(error: &WorkloadApiError) -> Option<Code> {
    match error {
        WorkloadApiError::Status(status) => Some(status.code()),
        _ => None,
    }
}

#[tokio::test]
async fn tokens_are_kept_until_half_of_their_life_and_verified_on_request() {
    let mut site = Site::start().await;
    let agent = site.agent().await;
    site.register_with(&agent, "/web", &[&my_uid()], |entry| {
        entry.hint = "front".to_owned();
    })
    .await;
    site.register(&agent, "/db", &[&my_uid()]).await;
    site.sync(&agent).await;
    let workload = workload(&agent).await;

    let audience = ["b".to_owned(), "a".to_owned()];
    let all = workload.fetch_jwt(&audience, None).await.unwrap();
    assert_eq!(all.len(), 2);
    let one = workload.fetch_jwt(&audience, Some(&id("/web"))).await.unwrap();
    assert_eq!((one.len(), one[0].hint.as_str()), (1, "front"));
    let web = all.iter().find(|svid| svid.spiffe_id == id("/web")).unwrap();
    assert_eq!(one[0].token, web.token, "held");
    let turned = ["a".to_owned(), "b".to_owned()];
    assert_eq!(
        workload.fetch_jwt(&turned, Some(&id("/web"))).await.unwrap()[0].token,
        web.token
    );

    let bundles = workload.fetch_jwt_bundles().await.unwrap();
    let verified = verify_jwt_svid(&web.token, "a", &bundles, site.time.now()).unwrap();
    assert_eq!(verified.spiffe_id, id("/web"));
    assert_eq!(workload.validate_jwt("b", &web.token).await.unwrap(), id("/web"));
    let other = workload.validate_jwt("c", &web.token).await.unwrap_err();
    assert_eq!(code(&other), Some(Code::InvalidArgument));
    let spoilt = format!("{}x", web.token.as_str());
    assert_eq!(
        code(&workload.validate_jwt("a", &spoilt).await.unwrap_err()),
        Some(Code::InvalidArgument)
    );

    // Half of five minutes, and a tenth.
    site.time.advance(Duration::from_secs(170));
    let next = workload.fetch_jwt(&audience, Some(&id("/web"))).await.unwrap();
    assert_ne!(next[0].token, web.token);

    site.stop_server().await;
    site.time.advance(Duration::from_secs(170));
    let held = workload.fetch_jwt(&audience, Some(&id("/web"))).await.unwrap();
    assert_eq!(held[0].token, next[0].token, "due, and still good");
    site.time.advance(Duration::from_secs(140));
    let gone = workload
        .fetch_jwt(&audience, Some(&id("/web")))
        .await
        .unwrap_err();
    assert_eq!(code(&gone), Some(Code::Unavailable), "{gone}");
}

#[tokio::test]
async fn what_is_asked_must_make_sense() {
    let site = Site::start().await;
    let agent = site.agent().await;
    site.register(&agent, "/web", &[&my_uid()]).await;
    site.sync(&agent).await;
    let workload = workload(&agent).await;
    for (audience, expected) in [
        (vec![], Code::InvalidArgument),
        (vec![String::new()], Code::InvalidArgument),
        (vec!["x".repeat(3000)], Code::InvalidArgument),
    ] {
        let error = workload.fetch_jwt(&audience, None).await.unwrap_err();
        assert_eq!(code(&error), Some(expected), "{error}");
    }
    let other = workload
        .fetch_jwt(&["a".to_owned()], Some(&id("/other")))
        .await
        .unwrap_err();
    assert_eq!(code(&other), Some(Code::PermissionDenied));
}

/// Waits until the server has been asked for so many tokens.
async fn asked(site: &faults::Site, tokens: usize) {
    let asked = async {
        while site.server.script().asked_tokens < tokens {
            tokio::task::yield_now().await;
        }
    };
    within(asked).await;
}

fn hold_tokens(site: &faults::Site, hold: bool) {
    site.server.script().holds_tokens.send_replace(hold);
}

async fn fetched(workload: &WorkloadApiClient) -> Result<Vec<String>, WorkloadApiError> {
    let svids = workload.fetch_jwt(&["a".to_owned()], None).await?;
    Ok(svids.iter().map(|svid| svid.token.to_string()).collect())
}

#[tokio::test]
async fn who_asks_for_tokens_is_told_in_time_that_the_server_does_not_answer() {
    let site = faults::Site::start().await;
    site.server.script().entries = vec![entry_for("web", 1, &[&my_uid()])];
    hold_tokens(&site, true);
    let agent = site.agent().await;
    let workload = workload(&agent).await;
    // Who comes back waits for the same call.
    for _ in 0..2 {
        let waiting = workload.clone();
        let asking = tokio::spawn(async move { fetched(&waiting).await });
        asked(&site, 1).await;
        let told = site.time.pass(Duration::from_secs(10), asking).await.unwrap();
        let error = told.unwrap_err();
        assert_eq!(code(&error), Some(Code::Unavailable), "{error}");
        assert!(error.to_string().contains("in time"), "{error}");
        assert_eq!(site.server.script().asked_tokens, 1);
    }

    // The call has run on, and brings the token to who comes back.
    hold_tokens(&site, false);
    assert_eq!(within(fetched(&workload)).await.unwrap().len(), 1);
    assert_eq!(site.server.script().asked_tokens, 1);
}

#[tokio::test]
async fn a_token_that_is_due_is_given_after_a_short_wait_for_all_and_renewed_meanwhile() {
    let site = faults::Site::start().await;
    site.server.script().entries = ["web", "db"].map(|name| entry_for(name, 1, &[&my_uid()])).into();
    let agent = site.agent().await;
    let workload = workload(&agent).await;
    let held = within(fetched(&workload)).await.unwrap();
    assert_eq!((held.len(), site.server.script().asked_tokens), (2, 2));

    // Half of five minutes, and a tenth.
    site.time.advance(Duration::from_secs(170));
    hold_tokens(&site, true);
    let waiting = workload.clone();
    let asking = tokio::spawn(async move { fetched(&waiting).await });
    asked(&site, 3).await;
    let given = site.time.pass(Duration::from_secs(2), asking).await.unwrap();
    assert_eq!(given.unwrap(), held, "due, and still good");
    assert_eq!(site.server.script().asked_tokens, 3, "it is not waited for twice");

    // The one that was asked for comes, and the other is asked for now.
    hold_tokens(&site, false);
    let next = within(fetched(&workload)).await.unwrap();
    assert!(next.iter().all(|token| !held.contains(token)));
    assert_eq!((next.len(), site.server.script().asked_tokens), (2, 4));
}
