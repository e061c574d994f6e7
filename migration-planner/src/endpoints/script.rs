//! Servers that say what a test wants: the faults that real ones show only now and then.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// One thing that a scripted server does.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Sends these bytes.
    Say(Vec<u8>),
    /// Sends these bytes one by one with this pause between them, until the other side has gone.
    Drip(Vec<u8>, Duration),
    /// Sends these bytes over and over until the other side has gone.
    Flood(Vec<u8>),
    /// Waits for these bytes and no others.
    Hear(Vec<u8>),
    /// Waits for whatever comes.
    HearAny,
    /// Keeps the connection open until the other side ends it.
    Hold,
}

/// A server on loopback that goes through its steps with everyone who connects.
#[derive(Debug)]
pub(super) struct Script {
    address: SocketAddr,
    ended: Arc<AtomicBool>,
    visitors: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl Script {
    pub(super) fn serve(steps: Vec<Step>) -> Self {
        Self::in_turn(vec![steps])
    }

    /// Goes through one of these with each who connects, from the first to the last and again.
    pub(super) fn in_turn(turns: Vec<Vec<Step>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (ended, visitors) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (end, count) = (ended.clone(), visitors.clone());
        let thread = std::thread::spawn(move || {
            for (steps, stream) in turns.iter().cycle().zip(listener.incoming()) {
                if end.load(Ordering::SeqCst) {
                    break;
                }
                count.fetch_add(1, Ordering::SeqCst);
                go_through(steps, stream.unwrap());
            }
        });
        Self {
            address,
            ended,
            visitors,
            thread: Some(thread),
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connected so far.
    pub(super) fn visitors(&self) -> usize {
        self.visitors.load(Ordering::SeqCst)
    }

    /// Ends it; fails when it heard something else than it was told.
    pub(super) fn join(mut self) {
        self.ended.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address).unwrap());
        self.thread.take().unwrap().join().unwrap();
    }
}

fn go_through(steps: &[Step], mut stream: TcpStream) {
    for step in steps {
        let goes_on = match step {
            Step::Say(bytes) => stream.write_all(bytes).is_ok(),
            Step::Drip(bytes, pause) => bytes.iter().all(|byte| {
                std::thread::sleep(*pause);
                stream.write_all(&[*byte]).is_ok()
            }),
            Step::Flood(bytes) => {
                while stream.write_all(bytes).is_ok() {}
                false
            }
            Step::Hear(wanted) => {
                let mut heard = vec![0; wanted.len()];
                let read = stream.read_exact(&mut heard);
                if read.is_ok() {
                    assert_eq!(&heard, wanted);
                }
                read.is_ok()
            }
            Step::HearAny => stream.read(&mut [0; 4096]).is_ok_and(|count| count > 0),
            Step::Hold => {
                let mut rest = [0; 4096];
                while stream.read(&mut rest).is_ok_and(|count| count > 0) {}
                false
            }
        };
        if !goes_on {
            return;
        }
    }
}
