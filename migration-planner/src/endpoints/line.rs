//! One connection, bounded in time and in bytes.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::inventory::Reason;

/// The most bytes taken from one connection: the longest chains are far below it.
const MAX_BYTES: usize = 512 << 10;

/// What went wrong with a connection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Fault {
    /// The name leads nowhere, or nobody answers there.
    Unreachable(String),
    /// The other side ended the connection.
    Closed,
    /// The other side took too long.
    Slow,
    /// The time for the whole endpoint is over.
    OutOfTime,
    /// As many connections as one endpoint gets were made.
    Spent(usize),
    /// The other side sent more than is taken.
    TooMuch,
    /// The other side does not speak what was asked for; the text says what it does.
    Other(String),
    /// The other side says no, in its own protocol.
    Refused(String),
    /// The other side no longer answers what it answered before: it limits how often it is asked, or is busy.
    Shedding,
}

impl Fault {
    /// How it stands in the list of what could not be read.
    pub(super) const fn reason(&self) -> Reason {
        match self {
            Self::Unreachable(_) => Reason::Unreachable,
            Self::Closed | Self::Refused(_) | Self::Shedding => Reason::Refused,
            Self::Slow | Self::OutOfTime => Reason::TimedOut,
            Self::Spent(_) | Self::TooMuch => Reason::TooLarge,
            Self::Other(_) => Reason::Malformed,
        }
    }

    /// Whether it ends the work on the endpoint, as against one connection.
    pub(super) const fn is_final(&self) -> bool {
        matches!(
            self,
            Self::OutOfTime | Self::Spent(_) | Self::Unreachable(_) | Self::Shedding
        )
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unreachable(why) | Self::Other(why) | Self::Refused(why) => f.write_str(why),
            Self::Closed => f.write_str("the server closes the connection without an answer"),
            Self::Slow => f.write_str("the server does not finish its answer in the time for one connection"),
            Self::Shedding => f.write_str("the server no longer answers what it answered before"),
            Self::OutOfTime => f.write_str("the time for one endpoint is over"),
            Self::Spent(count) => write!(f, "{count} connections are what one endpoint gets"),
            Self::TooMuch => write!(f, "the server sends more than {MAX_BYTES} bytes"),
        }
    }
}

/// An open connection. Every read and write ends at its deadline, however slowly the other side drips.
#[derive(Debug)]
pub(super) struct Line {
    stream: TcpStream,
    until: Instant,
    left: usize,
}

impl Line {
    /// Connects, and gives the connection `patience` from now on.
    pub(super) fn open(to: SocketAddr, patience: Duration) -> Result<Self, Fault> {
        let until = Instant::now() + patience;
        let stream = TcpStream::connect_timeout(&to, patience.max(Duration::from_millis(1)))
            .map_err(|error| Fault::Unreachable(format!("{to}: {error}")))?;
        // Without it small writes wait for each other; a failure only costs time.
        let _ = stream.set_nodelay(true);
        Ok(Self {
            stream,
            until,
            left: MAX_BYTES,
        })
    }

    /// Sends all of it.
    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.write_all(bytes).map_err(|error| self.fault(&error))
    }

    /// The next bytes, at least one.
    pub(super) fn receive(&mut self, buffer: &mut [u8]) -> Result<usize, Fault> {
        match self.read(buffer) {
            Ok(0) => Err(Fault::Closed),
            Ok(count) => Ok(count),
            Err(error) => Err(self.fault(&error)),
        }
    }

    /// Exactly so many bytes.
    pub(super) fn receive_exact(&mut self, count: usize) -> Result<Vec<u8>, Fault> {
        if count > self.left {
            return Err(Fault::TooMuch);
        }
        let mut bytes = vec![0; count];
        let mut done = 0;
        while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
            done += self.receive(rest)?;
        }
        Ok(bytes)
    }

    /// One line of text without its end; longer ones than `longest` are an error.
    pub(super) fn receive_line(&mut self, longest: usize) -> Result<String, Fault> {
        let mut line = Vec::new();
        loop {
            // Byte by byte, so that what follows stays for whoever reads next.
            match self.receive_exact(1)?.first() {
                Some(b'\n') => break,
                Some(byte) => line.push(*byte),
                None => return Err(Fault::Closed),
            }
            if line.len() > longest {
                return Err(Fault::Other("the server sends a line without an end".to_owned()));
            }
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(String::from_utf8_lossy(&line).into_owned())
    }

    /// What an error of reading or writing means.
    pub(super) fn fault(&self, error: &io::Error) -> Fault {
        if self.left == 0 {
            return Fault::TooMuch;
        }
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Fault::Slow,
            _ => Fault::Closed,
        }
    }

    fn patience(&self) -> io::Result<Duration> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(left)
    }
}

impl Read for Line {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::Error::other("more than is taken"));
        }
        let most = buffer.len().min(self.left);
        let buffer = buffer.get_mut(..most).unwrap_or_default();
        loop {
            self.stream.set_read_timeout(Some(self.patience()?))?;
            match self.stream.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(count) => {
                    self.left -= count;
                    return Ok(count);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.patience()?))?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
