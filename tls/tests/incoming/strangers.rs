//! Connections without a certificate: how many there are, how long they last, and which makes room for another.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_stream::StreamExt;
use tonic::transport::server::Connected as _;

use crate::{BAD, GOOD, LONG, Site, limits, soon};

#[tokio::test]
async fn connections_without_a_certificate_are_counted_for_as_long_as_they_last() {
    let mut narrow = limits(2);
    narrow.strangers_per_address = 1;
    let mut site = Site::new(narrow).await;
    let _first = soon(site.stranger_from(BAD)).await.unwrap();
    let admitted = soon(site.incoming.next()).await.unwrap().unwrap();
    // Its handshake goes well; then it is closed. Others come through, and so does whoever shows a certificate.
    if let Ok(mut second) = soon(site.stranger_from(BAD)).await {
        let mut rest = Vec::new();
        let _ = soon(second.read_to_end(&mut rest)).await;
    }
    let _other = soon(site.stranger_from(GOOD)).await.unwrap();
    soon(site.incoming.next()).await.unwrap().unwrap();
    site.admits(BAD).await;
    drop(admitted);
    let _third = soon(site.stranger_from(BAD)).await.unwrap();
    soon(site.incoming.next()).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_stranger_that_does_not_call_is_hung_up_on() {
    let mut quick = limits(2);
    quick.strangers_idle = Duration::from_millis(50);
    let mut site = Site::new(quick).await;
    let _idle = soon(site.stranger_from(BAD)).await.unwrap();
    let mut served = soon(site.incoming.next()).await.unwrap().unwrap();
    let mut byte = [0];
    assert_eq!(
        soon(served.read(&mut byte)).await.unwrap(),
        0,
        "as if it had hung up"
    );
    // Not while it waits for an answer; and whoever showed a certificate may be silent.
    let mut calling = soon(site.stranger_from(BAD)).await.unwrap();
    let mut served = soon(site.incoming.next()).await.unwrap().unwrap();
    let call = served.connect_info().calls.begin().of_use();
    let tcp = site.call_from(GOOD).await;
    let mut known = soon(site.handshake_over(tcp)).await.unwrap();
    let mut silent = soon(site.incoming.next()).await.unwrap().unwrap();
    let longer = Duration::from_millis(200);
    let (mut of_first, mut of_second) = ([0], [0]);
    let (first, second) = tokio::join!(
        tokio::time::timeout(longer, served.read(&mut of_first)),
        tokio::time::timeout(longer, silent.read(&mut of_second)),
    );
    assert!(first.is_err() && second.is_err(), "both go on");
    for (end, served) in [(&mut calling, &mut served), (&mut known, &mut silent)] {
        end.write_all(b"x").await.unwrap();
        end.flush().await.unwrap();
        assert_eq!(soon(served.read(&mut byte)).await.unwrap(), 1);
    }
    drop(call);
    assert_eq!(soon(served.read(&mut byte)).await.unwrap(), 0, "its call is over");
}

#[tokio::test]
async fn a_stranger_that_sends_and_takes_nothing_is_hung_up_on() {
    let mut quick = limits(2);
    quick.strangers_idle = Duration::from_millis(50);
    let mut site = Site::new(quick).await;
    let _greedy = soon(site.stranger_from(BAD)).await.unwrap();
    let mut served = soon(site.incoming.next()).await.unwrap().unwrap();
    // The server has answers for it, which fill what there is of buffers; it never gets to reading.
    let answers = async {
        loop {
            if let Err(error) = served.write_all(&[0; 64 * 1024]).await {
                return error;
            }
        }
    };
    assert_eq!(soon(answers).await.kind(), std::io::ErrorKind::TimedOut);
}

#[tokio::test]
async fn a_stranger_that_calls_all_the_time_is_hung_up_on_in_the_end() {
    let mut brief = limits(2);
    (brief.strangers_idle, brief.strangers_age) = (LONG, Duration::from_millis(50));
    let mut site = Site::new(brief).await;
    let _calling = soon(site.stranger_from(BAD)).await.unwrap();
    let mut served = soon(site.incoming.next()).await.unwrap().unwrap();
    let _call = served.connect_info().calls.begin().of_use();
    let mut byte = [0];
    assert_eq!(soon(served.read(&mut byte)).await.unwrap(), 0, "it is old");
}

#[tokio::test]
async fn when_strangers_have_all_places_the_longest_idle_one_makes_room() {
    let mut narrow = limits(2);
    (narrow.strangers, narrow.strangers_idle) = (2, LONG);
    let mut site = Site::new(narrow).await;
    let _busy = soon(site.stranger_from(BAD)).await.unwrap();
    let mut busy = soon(site.incoming.next()).await.unwrap().unwrap();
    let call = busy.connect_info().calls.begin().of_use();
    let _idle = soon(site.stranger_from(BAD)).await.unwrap();
    let mut idle = soon(site.incoming.next()).await.unwrap().unwrap();
    // Its server waits for it meanwhile, and is told.
    let waiting = tokio::spawn(async move { idle.read(&mut [0]).await });
    let mut end = soon(site.stranger_from(GOOD)).await.unwrap();
    let mut come = soon(site.incoming.next()).await.unwrap().unwrap();
    assert_eq!(soon(waiting).await.unwrap().unwrap(), 0);
    end.write_all(b"x").await.unwrap();
    end.flush().await.unwrap();
    assert_eq!(soon(come.read(&mut [0])).await.unwrap(), 1);
    // Where all are busy, whoever comes is turned away.
    let _other = come.connect_info().calls.begin();
    if let Ok(mut last) = soon(site.stranger_from(GOOD)).await {
        let mut rest = Vec::new();
        let _ = soon(last.read_to_end(&mut rest)).await;
    }
    drop(call);
    let still_there = tokio::time::timeout(Duration::from_millis(50), busy.read(&mut [0])).await;
    assert!(still_there.is_err());
}
