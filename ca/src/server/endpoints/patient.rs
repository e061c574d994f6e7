//! Accepting connections from a socket for good, whatever goes wrong in between.

use std::future::Future;
use std::io;
use std::time::Duration;

use futures_util::stream::unfold;
use tokio::net::{UnixListener, UnixStream};
use tokio_stream::Stream;

/// How long accepting pauses after it failed, most likely for want of file descriptors: trying again at once would fail
/// again at once, and keep a processor from what would give some back.
const PAUSE: Duration = Duration::from_millis(100);

/// The connections of a socket. Endless and without errors.
pub(super) fn accepted(listener: UnixListener) -> impl Stream<Item = io::Result<UnixStream>> {
    let accept = move |listener: UnixListener| async move {
        let accepted = listener.accept().await.map(|(stream, _)| stream);
        (accepted, listener)
    };
    patiently(listener, accept, || tokio::time::sleep(PAUSE))
}

/// What `accept` gives, again and again, with a pause after each error.
fn patiently<L, T, A, P>(
    listener: L,
    accept: impl Fn(L) -> A + Clone,
    pause: impl Fn() -> P + Clone,
) -> impl Stream<Item = io::Result<T>>
where
    A: Future<Output = (io::Result<T>, L)>,
    P: Future<Output = ()>,
{
    unfold(listener, move |mut listener| {
        let (accept, pause) = (accept.clone(), pause.clone());
        async move {
            loop {
                let (accepted, again) = accept(listener).await;
                listener = again;
                match accepted {
                    Ok(connection) => return Some((Ok(connection), listener)),
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a connection on the private socket");
                        pause().await;
                    }
                }
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::pin::pin;

    use tokio_stream::StreamExt as _;

    use super::*;

    #[tokio::test]
    async fn after_each_failure_there_is_a_pause_and_then_another_try() {
        let pauses = Cell::new(0);
        let accept = |tries: u32| async move {
            let accepted = match tries % 4 {
                0 => Ok(tries),
                _ => Err(io::Error::from_raw_os_error(24)),
            };
            (accepted, tries + 1)
        };
        let pause = || {
            pauses.set(pauses.get() + 1);
            std::future::ready(())
        };
        let mut connections = pin!(patiently(1, accept, pause));
        assert_eq!(connections.next().await.unwrap().unwrap(), 4);
        assert_eq!(pauses.get(), 3);
        assert_eq!(connections.next().await.unwrap().unwrap(), 8);
        assert_eq!(pauses.get(), 6);
    }
}
