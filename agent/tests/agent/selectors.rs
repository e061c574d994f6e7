//! Who counts as whose workload.

use std::time::Duration;

use symbolon_crypto::digest::sha256;
use symbolon_tls::workload_api::WorkloadApiError;

use crate::support::{Site, id, my_uid, within, workload};

#[tokio::test]
async fn a_process_gets_what_all_of_its_selectors_allow() {
    let site = Site::start().await;
    let agent = site.agent().await;
    let exe = std::env::current_exe().unwrap();
    let path = format!("path:{}", exe.display());
    let hash = format!("sha256:{}", hex::encode(sha256(&std::fs::read(&exe).unwrap())));
    let uid = my_uid();
    let gid = format!("gid:{}", rustix::process::getegid().as_raw());
    for (name, selectors) in [
        ("/uid", vec![uid.as_str()]),
        ("/all", vec![&uid, &gid, &path, &hash]),
        ("/other-uid", vec!["uid:4242"]),
        ("/other-path", vec![&uid, "path:/usr/bin/false"]),
        ("/other-hash", vec![&uid, "sha256:00"]),
        ("/other-user", vec![&uid, "user:nobody-of-this-name"]),
    ] {
        site.register(&agent, name, &selectors).await;
    }
    site.sync(&agent).await;
    let context = workload(&agent).await.fetch_x509(&[]).await.unwrap();
    let mut found: Vec<_> = context
        .svids
        .iter()
        .map(|svid| svid.spiffe_id().clone())
        .collect();
    found.sort();
    assert_eq!(found, [id("/all"), id("/uid")]);
}

#[tokio::test]
async fn a_process_without_an_identity_is_denied() {
    let site = Site::start().await;
    let agent = site.agent().await;
    site.register(&agent, "/other", &["uid:4242"]).await;
    let workload = workload(&agent).await;
    let asking = async {
        for denied in [
            workload.fetch_x509(&[]).await.map(drop),
            workload.fetch_x509_bundles(&[]).await.map(drop),
            workload.fetch_jwt(&["a".to_owned()], None).await.map(drop),
            workload.fetch_jwt_bundles().await.map(drop),
        ] {
            assert!(denied.unwrap_err().is_permission_denied());
        }
    };
    site.time.pass(Duration::from_secs(5), asking).await;
}

#[tokio::test]
async fn an_entry_younger_than_the_last_sync_is_found_by_who_asks_for_it() {
    let site = Site::start().await;
    let agent = site.agent().await;
    site.register(&agent, "/web", &[&my_uid()]).await;
    let workload = workload(&agent).await;
    // A second, which is less than the five between syncs.
    let fetching = async {
        loop {
            match workload.fetch_x509(&[]).await {
                // The sync that the agent made for it took longer than it waits; on a busy machine that may be.
                Err(error) if error.is_permission_denied() => {}
                other => return other.unwrap(),
            }
        }
    };
    let context = site.time.pass(Duration::from_secs(1), fetching).await;
    assert_eq!(context.svids[0].spiffe_id(), &id("/web"));
}

#[tokio::test]
async fn streams_follow_entries_until_there_is_none_left() {
    use futures_util::StreamExt;

    let site = Site::start().await;
    let agent = site.agent().await;
    let web = site.register(&agent, "/web", &[&my_uid()]).await;
    site.sync(&agent).await;
    let workload = workload(&agent).await;
    let mut stream = workload.watch_x509(&[]).await.unwrap();
    let first = within(stream.next()).await.unwrap().unwrap();
    assert_eq!(first.svids.len(), 1);

    let db = site.register(&agent, "/db", &[&my_uid()]).await;
    let next = site
        .time
        .pass(Duration::from_secs(5), stream.next())
        .await
        .unwrap()
        .unwrap();
    let ids: Vec<_> = next.svids.iter().map(|svid| svid.spiffe_id().clone()).collect();
    assert_eq!(ids, [id("/web"), id("/db")], "the older entry stays the default");
    assert_eq!(
        crate::support::leaf(&next.svids[0]),
        crate::support::leaf(&first.svids[0])
    );

    site.client().delete_entry(&web).await.unwrap();
    let next = site
        .time
        .pass(Duration::from_secs(5), stream.next())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(next.svids[0].spiffe_id(), &id("/db"));
    site.client().delete_entry(&db).await.unwrap();
    let end = site
        .time
        .pass(Duration::from_secs(5), stream.next())
        .await
        .unwrap();
    assert!(
        matches!(&end, Err(error) if error.is_permission_denied()),
        "{end:?}"
    );
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn a_stopping_agent_ends_its_streams() {
    use futures_util::StreamExt;

    let site = Site::start().await;
    let agent = site.agent().await;
    site.register(&agent, "/web", &[&my_uid()]).await;
    site.sync(&agent).await;
    let workload = workload(&agent).await;
    let mut stream = workload.watch_x509(&[]).await.unwrap();
    within(stream.next()).await.unwrap().unwrap();
    let socket = agent.socket().to_owned();
    within(agent.shutdown()).await.unwrap();
    let end = within(stream.next()).await;
    assert!(
        matches!(end, Some(Err(WorkloadApiError::Status(_))) | None),
        "{end:?}"
    );
    assert!(!socket.exists());
}
