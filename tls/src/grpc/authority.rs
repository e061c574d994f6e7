//! Connections over Unix sockets on which any `:authority` is taken.
//!
//! There is no host to name at the other end of a Unix socket. gRPC's C core, and with it Python, C++, Ruby and
//! others, names the socket's percent-encoded path; gRPC for Java names the path itself. Neither is an authority in
//! the sense of RFC 3986, section 3.2, and the HTTP/2 library under tonic answers either with PROTOCOL_ERROR before
//! anything of ours is asked (hyperium/h2 #487).
//!
//! So what such a client sends is mended on its way in: in each header block (RFC 9113, section 6.2) an `:authority`
//! literal that is none has its offending bytes replaced. The length stays, and with it both ends' idea of the size
//! of HPACK's dynamic table (RFC 7541, section 4.1), so nothing else has to be understood or kept. A literal in
//! Huffman code is let through as it is: the clients above do not use it here.

mod block;

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::transport::server::Connected;

/// What a client says first (RFC 9113, section 3.4), in bytes.
const PREFACE: usize = 24;
/// The head of every frame (RFC 9113, section 4.1), in bytes.
const HEAD: usize = 9;
/// Longest frame that is looked into, in bytes: HTTP/2's limit where a server does not set another (RFC 9113, section
/// 6.5.2).
const MAX_FRAME: usize = 16 * 1024;
/// Most is read at once, in bytes.
const CHUNK: usize = 4 * 1024;

const HEADERS: u8 = 0x1;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;

/// A connection of a local client, on which it may call the server what it likes. Nothing must be decided by the
/// authority of requests that come over it.
#[derive(Debug)]
pub struct AnyAuthority<IO> {
    io: IO,
    frames: Frames,
    /// What has been looked through and not been read yet, from `read` on.
    ready: Vec<u8>,
    read: usize,
}

impl<IO> AnyAuthority<IO> {
    /// Takes the server's side of a connection on which nothing has been read.
    pub fn new(io: IO) -> Self {
        Self {
            io,
            frames: Frames::new(),
            ready: Vec::new(),
            read: 0,
        }
    }
}

impl<IO: Connected> Connected for AnyAuthority<IO> {
    type ConnectInfo = IO::ConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.io.connect_info()
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for AnyAuthority<IO> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while this.read == this.ready.len() {
            let mut chunk = [0; CHUNK];
            let mut chunk = ReadBuf::new(&mut chunk);
            ready!(Pin::new(&mut this.io).poll_read(cx, &mut chunk))?;
            if chunk.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            this.ready.clear();
            this.read = 0;
            this.frames.look_through(chunk.filled(), &mut this.ready);
        }
        let rest = this.ready.get(this.read..).unwrap_or_default();
        let part = rest.get(..buf.remaining()).unwrap_or(rest);
        buf.put_slice(part);
        this.read += part.len();
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for AnyAuthority<IO> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

/// Cuts what a client sends into frames, however it arrives, and mends those that carry headers.
#[derive(Debug)]
struct Frames {
    /// So many bytes are nothing to look into.
    passing: usize,
    /// The beginning of a frame: its head, and of a HEADERS frame the rest, as far as it has come.
    held: Vec<u8>,
}

impl Frames {
    fn new() -> Self {
        Self {
            passing: PREFACE,
            held: Vec::new(),
        }
    }

    fn look_through(&mut self, mut input: &[u8], out: &mut Vec<u8>) {
        while !input.is_empty() {
            let (part, rest) = input.split_at(self.wanted().min(input.len()));
            input = rest;
            if self.passing > 0 {
                self.passing -= part.len();
                out.extend_from_slice(part);
            } else {
                self.held.extend_from_slice(part);
                self.release(out);
            }
        }
    }

    /// How many bytes the next step is waiting for; never 0.
    fn wanted(&self) -> usize {
        match Head::of(&self.held) {
            _ if self.passing > 0 => self.passing,
            None => HEAD - self.held.len(),
            Some(head) => HEAD + head.length - self.held.len(),
        }
    }

    /// Hands on what is complete.
    fn release(&mut self, out: &mut Vec<u8>) {
        let Some(head) = Head::of(&self.held) else { return };
        if head.kind != HEADERS || head.length > MAX_FRAME {
            self.passing = head.length;
        } else if self.held.len() < HEAD + head.length {
            return;
        } else if let Some(block) = head.block(&mut self.held) {
            block::mend(block);
        }
        out.append(&mut self.held);
    }
}

/// The head of a frame, as far as it matters here.
struct Head {
    length: usize,
    kind: u8,
    flags: u8,
}

impl Head {
    fn of(frame: &[u8]) -> Option<Self> {
        let [high, middle, low, kind, flags, ..] = *frame.first_chunk::<HEAD>()?;
        Some(Self {
            length: usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low),
            kind,
            flags,
        })
    }

    /// The part of a HEADERS frame that HPACK wrote. `None` if the frame contradicts itself, which is for the server
    /// to say.
    fn block<'a>(&self, frame: &'a mut [u8]) -> Option<&'a mut [u8]> {
        let mut payload = frame.get_mut(HEAD..)?;
        if self.flags & PADDED != 0 {
            let (padding, rest) = payload.split_first_mut()?;
            let length = rest.len().checked_sub(usize::from(*padding))?;
            payload = rest.get_mut(..length)?;
        }
        match self.flags & PRIORITY {
            0 => Some(payload),
            _ => payload.get_mut(5..),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::AsyncReadExt as _;

    use super::*;

    /// `:authority` by its index in the static table, with a plain value.
    fn block(authority: &str) -> Vec<u8> {
        [&[0x83, 0x41, authority.len() as u8], authority.as_bytes()].concat()
    }

    const SENT: &str = "tmp%2Fagent%2Fapi.sock";
    const MENDED: &str = "tmp-2Fagent-2Fapi-sock";

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = (payload.len() as u32).to_be_bytes();
        [&length[1..], &[kind, flags, 0, 0, 0, 1], payload].concat()
    }

    /// The preface, frames before and after, and a HEADERS frame with this payload.
    fn conversation(flags: u8, payload: &[u8]) -> Vec<u8> {
        [
            vec![b'P'; PREFACE],
            frame(0x4, 0, &[0, 3, 0, 0, 0, 9]),
            frame(HEADERS, flags, payload),
            frame(0x0, 1, &block(SENT)),
        ]
        .concat()
    }

    /// What comes out for what a client sends, in pieces of so many bytes.
    fn through(sent: &[u8], piece: usize) -> Vec<u8> {
        let (mut frames, mut out) = (Frames::new(), Vec::new());
        for part in sent.chunks(piece) {
            frames.look_through(part, &mut out);
        }
        out
    }

    #[test]
    fn headers_are_looked_into_and_data_is_not() {
        let expected = conversation(0x4, &block(MENDED));
        assert_eq!(through(&conversation(0x4, &block(SENT)), usize::MAX), expected);
    }

    #[test]
    fn headers_are_found_behind_padding_and_priority() {
        let padded = |authority| [&[3, 0, 0, 0, 0, 9], &*block(authority), &[0xff; 3]].concat();
        let expected = conversation(PADDED | PRIORITY, &padded(MENDED));
        let sent = conversation(PADDED | PRIORITY, &padded(SENT));
        assert_eq!(through(&sent, usize::MAX), expected);
    }

    #[test]
    fn a_frame_that_contradicts_itself_is_for_the_server_to_refuse() {
        for (flags, payload) in [
            (PADDED, [&[200], &*block(SENT)].concat()),
            (PADDED, vec![]),
            (PRIORITY, vec![0, 0]),
            (0, vec![0x41; MAX_FRAME + 1]),
        ] {
            let sent = conversation(flags, &payload);
            assert_eq!(through(&sent, usize::MAX), sent);
        }
    }

    proptest! {
        #[test]
        fn the_cut_does_not_matter(piece in 1usize..200) {
            let expected = conversation(0x4, &block(MENDED));
            prop_assert_eq!(through(&conversation(0x4, &block(SENT)), piece), expected);
        }

        #[test]
        fn nothing_is_lost_or_added(sent: Vec<u8>, flags: u8, block: Vec<u8>, piece in 1usize..50) {
            let whole = conversation(flags, &block);
            prop_assert_eq!(through(&whole, piece).len(), whole.len());
            // What ends within a head or a header block is held back to its end.
            let out = through(&sent, piece);
            prop_assert!(out.len() <= sent.len());
            let first = out.len().min(PREFACE);
            prop_assert_eq!(&out[..first], &sent[..first]);
        }
    }

    #[tokio::test]
    async fn a_reader_with_little_room_gets_it_all() {
        let sent = conversation(0x4, &block(SENT));
        let mut connection = AnyAuthority::new(&*sent);
        let mut read = Vec::new();
        let mut little = [0; 7];
        loop {
            match connection.read(&mut little).await.unwrap() {
                0 => break,
                length => read.extend_from_slice(&little[..length]),
            }
        }
        assert_eq!(read, conversation(0x4, &block(MENDED)));
    }
}
