//! Reaching a host that has several addresses, of which some may lead nowhere.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// How long one address has before the next is tried beside it (RFC 8305, section 5).
const HEAD_START: Duration = Duration::from_millis(250);
/// Most addresses that are tried.
const MOST: usize = 16;
/// Where hosts are written down that the resolver is not to be asked for.
const HOSTS: &str = "/etc/hosts";

/// Connects to the first address of a host that answers.
///
/// # Errors
/// Why the host has no address, or why the last of them that said anything did not answer.
pub async fn dial(host: &str, port: u16) -> io::Result<TcpStream> {
    reach(look_up(host, port, ()).await?).await
}

/// The addresses of a host, or itself if it is one.
///
/// A look-up runs on a thread and to its own end, which may be long after its caller has given up waiting: `held` is dropped
/// then, and not before. Whoever bounds look-ups by what they hold bounds those threads.
///
/// # Errors
/// Why there is none.
pub async fn look_up(host: &str, port: u16, held: impl Send + 'static) -> io::Result<Vec<SocketAddr>> {
    let host = host.to_owned();
    looking(held, move || resolve(&host, port)).await
}

/// The addresses of a host whose name strangers choose. As [`look_up`], but a name with a dot is looked for as it is, and not
/// in the domains too that the system's resolver searches: whoever has a name in one of those has not this name.
///
/// # Errors
/// Why there is none.
pub async fn look_up_whole(host: &str, port: u16, held: impl Send + 'static) -> io::Result<Vec<SocketAddr>> {
    let host = host.to_owned();
    looking(held, move || {
        let written = || std::fs::read(HOSTS).unwrap_or_default();
        whole(&host, port, written, |name| resolve(name, port))
    })
    .await
}

async fn looking(
    held: impl Send + 'static,
    look: impl FnOnce() -> io::Result<Vec<SocketAddr>> + Send + 'static,
) -> io::Result<Vec<SocketAddr>> {
    let looking = tokio::task::spawn_blocking(move || {
        let found = look();
        drop(held);
        found
    });
    looking.await.map_err(io::Error::other)?
}

fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    (host, port).to_socket_addrs().map(Iterator::collect)
}

/// A name that ends with a dot is made no other, but is not in the file of hosts either: glibc compares letter by letter.
fn whole(
    host: &str,
    port: u16,
    hosts: impl FnOnce() -> Vec<u8>,
    resolve: impl FnOnce(&str) -> io::Result<Vec<SocketAddr>>,
) -> io::Result<Vec<SocketAddr>> {
    if !host.contains('.') || host.parse::<IpAddr>().is_ok() {
        return resolve(host);
    }
    let written = written_down(&String::from_utf8_lossy(&hosts()), host);
    if !written.is_empty() {
        return Ok(written
            .into_iter()
            .map(|address| (address, port).into())
            .collect());
    }
    resolve(&format!("{host}."))
}

/// The addresses that a file of hosts has for a name: an address and its names in each line.
fn written_down(hosts: &str, name: &str) -> Vec<IpAddr> {
    let lines = hosts.lines().filter_map(|line| {
        let mut words = line.split('#').next()?.split_whitespace();
        let address = words.next()?.parse().ok()?;
        words
            .any(|word| word.eq_ignore_ascii_case(name))
            .then_some(address)
    });
    lines.collect()
}

/// Connects to the first of these addresses that answers. Each has a short while before the next is tried beside it.
///
/// # Errors
/// Why the last of them that said anything did not answer.
pub async fn reach(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let stream = first_of(by_turns(addresses)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Addresses of both families by turns, beginning with the resolver's first: where one family is broken the other is not
/// far.
fn by_turns(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (one, other): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv6() == is_v6);
    let (mut one, mut other) = (one.into_iter(), other.into_iter());
    let mut turns = Vec::new();
    loop {
        let (next, and) = (one.next(), other.next());
        if next.is_none() && and.is_none() {
            turns.truncate(MOST);
            return turns;
        }
        turns.extend(next);
        turns.extend(and);
    }
}

async fn first_of(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut attempts = JoinSet::new();
    let mut rest = addresses.into_iter();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    loop {
        match rest.next() {
            Some(address) => drop(attempts.spawn(TcpStream::connect(address))),
            None if attempts.is_empty() => return Err(last),
            None => {}
        }
        tokio::select! {
            Some(outcome) = attempts.join_next() => match outcome {
                // The others are given up.
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last = error,
                Err(error) => last = io::Error::other(error),
            },
            () = sleep(HEAD_START), if rest.len() > 0 => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::net::{TcpListener, TcpSocket};
    use tokio::sync::oneshot::{self, error::TryRecvError};
    use tokio::time::timeout;

    use super::*;

    /// A listener whose queue is full, with what fills it: connecting to it comes to no end.
    async fn black_hole() -> (TcpListener, Vec<TcpStream>) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut queued = Vec::new();
        while let Ok(stream) = timeout(Duration::from_millis(300), TcpStream::connect(address)).await {
            queued.push(stream.unwrap());
            assert!(queued.len() < 100, "the queue has no end");
        }
        (listener, queued)
    }

    /// A port that nobody else gets, and on which nobody listens.
    fn closed() -> TcpSocket {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        socket
    }

    #[tokio::test]
    async fn an_address_that_leads_nowhere_does_not_keep_the_next_waiting() {
        let (hole, _queued) = black_hole().await;
        let closed = closed();
        let refused = closed.local_addr().unwrap();
        let good = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let good = (good.local_addr().unwrap(), good);
        let addresses = vec![hole.local_addr().unwrap(), refused, good.0];
        let reached = timeout(Duration::from_secs(60), first_of(addresses)).await;
        assert_eq!(reached.unwrap().unwrap().peer_addr().unwrap(), good.0);
    }

    #[tokio::test]
    async fn the_last_of_those_who_refused_is_told() {
        let closed = closed();
        let error = first_of(vec![closed.local_addr().unwrap()]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let error = first_of(Vec::new()).await.unwrap_err();
        assert!(error.to_string().contains("no address"), "{error}");
    }

    #[test]
    fn a_look_up_that_is_given_up_holds_what_it_holds_to_its_end() {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.max_blocking_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let (let_go, busy) = std::sync::mpsc::channel::<()>();
            // Its turn comes when this is over.
            let occupied = tokio::task::spawn_blocking(move || busy.recv());
            let (held, mut gone) = oneshot::channel::<()>();
            let looking = timeout(Duration::ZERO, look_up("127.0.0.1", 7, held));
            assert!(looking.await.is_err());
            assert_eq!(gone.try_recv(), Err(TryRecvError::Empty));
            drop(let_go);
            assert!(occupied.await.unwrap().is_err());
            assert!(timeout(Duration::from_secs(60), gone).await.unwrap().is_err());
            let found = look_up("127.0.0.1", 7, ()).await.unwrap();
            assert_eq!(found, ["127.0.0.1:7".parse().unwrap()]);
        });
    }

    #[test]
    fn a_name_with_a_dot_is_not_made_another() {
        let address = |text: &str| -> SocketAddr { text.parse().unwrap() };
        // It searches corp.example, where somebody has given himself names, and knows one name beside them.
        let resolve = |name: &str| match name {
            "p1.example.com" | "p1.example.com." => Ok(vec![address("192.0.2.1:80")]),
            "node" | "foo.bar" => Ok(vec![address("10.0.0.66:80")]),
            _ => Err(io::Error::from(io::ErrorKind::NotFound)),
        };
        let hosts =
            "127.0.0.1 localhost # foo.bar\n::1 localhost\n\n10.0.0.7\tP7.Lan p7 # a node\nx foo.bar\n";
        let found = |name| whole(name, 80, || hosts.into(), resolve).ok();
        assert_eq!(found("p1.example.com"), Some(vec![address("192.0.2.1:80")]));
        assert_eq!(found("foo.bar"), None);
        assert_eq!(found("p7.lan"), Some(vec![address("10.0.0.7:80")]));
        // Somebody has to allow such names.
        assert_eq!(found("node"), Some(vec![address("10.0.0.66:80")]));
    }

    #[test]
    fn the_families_take_turns() {
        let read =
            |texts: &[&str]| -> Vec<SocketAddr> { texts.iter().map(|text| text.parse().unwrap()).collect() };
        let found = by_turns(read(&["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "2.2.2.2:1"]));
        assert_eq!(
            found,
            read(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "[::3]:1"])
        );
        assert_eq!(by_turns(vec!["1.1.1.1:1".parse().unwrap(); 40]).len(), MOST);
    }
}
