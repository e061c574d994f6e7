//! Connections that end in time, and not all at once.
//!
//! The library under this server ends every connection of one listener at the same age. Those of agents that all came
//! back together, after an outage, would end together for ever; so the connections are dealt out to several servers whose
//! ages differ by up to a tenth.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tokio_util::sync::CancellationToken;

/// How many ages there are.
const LANES: u32 = 8;

/// How old connections become.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::server) struct Age {
    /// After this long a connection is asked to end.
    pub(in crate::server) most: Duration,
    /// How long the calls in progress on it may take then.
    pub(in crate::server) grace: Duration,
}

impl Age {
    /// The ages that this one stands for: nine tenths of it to eleven, evenly.
    fn spread(self) -> impl Iterator<Item = Self> {
        let youngest = self.most - self.most / 10;
        let step = self.most / 5 / (LANES - 1);
        (0..LANES).map(move |lane| Self {
            most: youngest + step * lane,
            ..self
        })
    }
}

/// Deals `connections` out to servers, each run by `serve` until `stop` with an age of its own.
///
/// # Errors
/// The first of a server that failed.
pub(super) async fn serve<S, F, E>(
    connections: S,
    age: Age,
    stop: CancellationToken,
    serve: impl Fn(Age, ReceiverStream<S::Item>, CancellationToken) -> F,
) -> Result<(), E>
where
    S: Stream,
    F: Future<Output = Result<(), E>>,
{
    let mut lanes = Vec::new();
    let servers = age.spread().map(|age| {
        let (lane, connections) = mpsc::channel(1);
        lanes.push(lane);
        serve(age, ReceiverStream::new(connections), stop.clone())
    });
    let mut servers = pin!(try_join_all(servers.collect::<Vec<_>>()));
    let deal = async {
        let mut connections = pin!(connections);
        let mut turn = lanes.iter().cycle();
        while let (Some(connection), Some(lane)) = (connections.next().await, turn.next()) {
            if lane.send(connection).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = deal => {}
        outcome = &mut servers => return outcome.map(|_| ()),
    }
    // They end what is in progress.
    drop(lanes);
    servers.await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    const AGE: Age = Age {
        most: Duration::from_secs(180),
        grace: Duration::from_secs(10),
    };

    #[test]
    fn ages_differ_by_up_to_a_tenth() {
        let ages: Vec<_> = AGE.spread().collect();
        assert_eq!(ages.len(), 8);
        assert_eq!(ages[0].most, Duration::from_secs(162));
        let oldest = ages[7].most.as_secs_f64();
        assert!((197.9..=198.0).contains(&oldest), "{oldest}");
        assert!(ages.windows(2).all(|pair| pair[0].most < pair[1].most));
        assert!(ages.iter().all(|age| age.grace == AGE.grace));
    }

    #[tokio::test]
    async fn connections_are_dealt_out_evenly_and_all_are_served() {
        let served = Mutex::new(Vec::new());
        let stop = CancellationToken::new();
        let connections = tokio_stream::iter(0..80);
        let server = |age: Age, mut connections: ReceiverStream<u32>, _| {
            let served = &served;
            async move {
                while let Some(connection) = connections.next().await {
                    served.lock().unwrap().push((age.most, connection));
                }
                Ok::<_, String>(())
            }
        };
        serve(connections, AGE, stop, server).await.unwrap();
        let served = served.into_inner().unwrap();
        assert_eq!(served.len(), 80);
        for age in AGE.spread() {
            assert_eq!(served.iter().filter(|(most, _)| *most == age.most).count(), 10);
        }
    }

    #[tokio::test]
    async fn a_server_that_fails_ends_all_and_stopping_ends_well() {
        let stop = CancellationToken::new();
        let failing = |_, _: ReceiverStream<u32>, _| async { Err::<(), _>("broken") };
        let never = || tokio_stream::pending::<u32>();
        assert_eq!(serve(never(), AGE, stop.clone(), failing).await, Err("broken"));
        stop.cancel();
        let waiting = |_, mut connections: ReceiverStream<u32>, _| async move {
            assert!(connections.next().await.is_none());
            Ok::<(), &str>(())
        };
        assert_eq!(serve(never(), AGE, stop, waiting).await, Ok(()));
    }
}
