//! JSON for people, written by several threads: long lists are cut into parts, threads write them in turn, and they are
//! put behind each other in order. The bytes are those that one thread would write, and only so many of them are held.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

/// How much of a list a thread writes before it is the next one's turn, in lines of about the same length.
const PART: usize = 1024;
/// The most threads.
const MAX_THREADS: usize = 8;
/// How many bytes are handed on at once.
const CHUNK: usize = 64 << 10;
/// How many of these a thread may be ahead; then it waits.
const AHEAD: usize = 64;

/// As `serde_json`'s own, but for where it begins.
struct Pretty {
    indent: usize,
    has_value: bool,
}

impl Pretty {
    const fn at(indent: usize) -> Self {
        Self {
            indent,
            has_value: false,
        }
    }

    fn begin<W: Write + ?Sized>(&mut self, out: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.indent += 1;
        self.has_value = false;
        out.write_all(bracket)
    }

    fn end<W: Write + ?Sized>(&mut self, out: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.indent -= 1;
        if self.has_value {
            self.line(out, b"\n")?;
        }
        out.write_all(bracket)
    }

    fn line<W: Write + ?Sized>(&self, out: &mut W, before: &[u8]) -> io::Result<()> {
        const SPACES: &[u8] = &[b' '; 64];
        out.write_all(before)?;
        let mut left = self.indent * 2;
        while left > 0 {
            let some = SPACES.get(..left).unwrap_or(SPACES);
            out.write_all(some)?;
            left -= some.len();
        }
        Ok(())
    }

    fn next<W: Write + ?Sized>(&self, out: &mut W, first: bool) -> io::Result<()> {
        self.line(out, if first { b"\n" } else { b",\n" })
    }
}

impl Formatter for Pretty {
    fn begin_array<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.begin(out, b"[")
    }

    fn end_array<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.end(out, b"]")
    }

    fn begin_array_value<W: Write + ?Sized>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.next(out, first)
    }

    fn end_array_value<W: Write + ?Sized>(&mut self, _: &mut W) -> io::Result<()> {
        self.has_value = true;
        Ok(())
    }

    fn begin_object<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.begin(out, b"{")
    }

    fn end_object<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.end(out, b"}")
    }

    fn begin_object_key<W: Write + ?Sized>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.next(out, first)
    }

    fn begin_object_value<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }

    fn end_object_value<W: Write + ?Sized>(&mut self, _: &mut W) -> io::Result<()> {
        self.has_value = true;
        Ok(())
    }
}

/// Where bytes are gathered until there is a chunk of them.
struct Chunks<'a> {
    bytes: Vec<u8>,
    next: Next<'a>,
}

/// Where chunks go.
enum Next<'a> {
    Out(&'a mut dyn Write),
    /// To the one who puts the parts behind each other. An empty chunk ends a part.
    Queue(&'a SyncSender<io::Result<Vec<u8>>>),
}

impl<'a> Chunks<'a> {
    const fn to(next: Next<'a>) -> Self {
        Self {
            bytes: Vec::new(),
            next,
        }
    }

    #[cold]
    fn pass_on(&mut self) -> io::Result<()> {
        match &mut self.next {
            Next::Out(out) => {
                out.write_all(&self.bytes)?;
                self.bytes.clear();
                Ok(())
            }
            Next::Queue(queue) => {
                let bytes = std::mem::take(&mut self.bytes);
                queue.send(Ok(bytes)).map_err(|_| gone())
            }
        }
    }

    /// Passes on what is left.
    fn finish(mut self) -> io::Result<()> {
        if !self.bytes.is_empty() {
            self.pass_on()?;
        }
        Ok(())
    }
}

fn gone() -> io::Error {
    io::Error::other("the other side of the document's writer is gone")
}

impl Write for Chunks<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    #[inline]
    fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while self.bytes.len() + bytes.len() > CHUNK {
            let (now, then) = bytes.split_at(CHUNK - self.bytes.len());
            self.bytes.extend_from_slice(now);
            self.pass_on()?;
            bytes = then;
        }
        if self.bytes.capacity() == 0 {
            self.bytes.reserve_exact(CHUNK);
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is written of a part of a list.
pub(super) struct Part<'a>(Chunks<'a>);

impl Part<'_> {
    /// Writes an element of the list.
    pub(super) fn element(&mut self, element: &impl Serialize) -> io::Result<()> {
        let pretty = Pretty::at(2);
        pretty.next(&mut self.0, false)?;
        element.serialize(&mut Serializer::with_formatter(&mut self.0, pretty))?;
        Ok(())
    }
}

/// A list as it is written: each element comes with a comma before it, and the first has none.
struct List<'a> {
    out: &'a mut dyn Write,
    is_empty: bool,
}

impl Write for List<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let bytes = bytes.get(usize::from(self.is_empty)..).unwrap_or_default();
        self.is_empty &= bytes.is_empty();
        self.out.write_all(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// An object that is the whole document.
pub(super) struct Members<'a> {
    out: &'a mut dyn Write,
    threads: usize,
    first: bool,
}

impl<'a> Members<'a> {
    pub(super) fn begin(out: &'a mut dyn Write, threads: usize) -> io::Result<Self> {
        out.write_all(b"{")?;
        Ok(Self {
            out,
            threads: threads.clamp(1, MAX_THREADS),
            first: true,
        })
    }

    /// A member of the object.
    pub(super) fn member(&mut self, name: &str, value: &impl Serialize) -> io::Result<()> {
        self.name(name)?;
        let mut chunks = Chunks::to(Next::Out(self.out));
        value.serialize(&mut Serializer::with_formatter(&mut chunks, Pretty::at(1)))?;
        chunks.finish()
    }

    /// A member that is a long list, of which `write` writes an item each, and `lines` guesses how long that is.
    pub(super) fn list<T: Sync>(
        &mut self,
        name: &str,
        items: &[T],
        lines: impl Fn(&T) -> usize,
        write: impl Fn(&T, &mut Part<'_>) -> io::Result<()> + Sync,
    ) -> io::Result<()> {
        self.name(name)?;
        self.out.write_all(b"[")?;
        let mut list = List {
            out: self.out,
            is_empty: true,
        };
        let mut rest = items;
        let parts: Vec<&[T]> = std::iter::from_fn(|| next_part(&mut rest, &lines)).collect();
        match self.threads.min(parts.len()) {
            0 | 1 => write_part(items, Next::Out(&mut list), &write)?,
            threads => write_by(threads, &parts, &mut list, &write)?,
        }
        if !list.is_empty {
            Pretty::at(1).next(self.out, true)?;
        }
        self.out.write_all(b"]")
    }

    pub(super) fn end(self) -> io::Result<()> {
        self.out.write_all(if self.first { b"}\n" } else { b"\n}\n" })
    }

    fn name(&mut self, name: &str) -> io::Result<()> {
        Pretty::at(1).next(self.out, self.first)?;
        self.first = false;
        serde_json::to_writer(&mut *self.out, name)?;
        self.out.write_all(b": ")
    }
}

/// Takes a part off the beginning of a list.
fn next_part<'a, T>(rest: &mut &'a [T], lines: &impl Fn(&T) -> usize) -> Option<&'a [T]> {
    let mut sum = 0;
    let enough = rest.iter().position(|item| {
        sum += lines(item);
        sum >= PART
    });
    let (part, after) = rest.split_at(enough.map_or(rest.len(), |last| last + 1));
    *rest = after;
    (!part.is_empty()).then_some(part)
}

fn write_part<T>(
    items: &[T],
    next: Next<'_>,
    write: &impl Fn(&T, &mut Part<'_>) -> io::Result<()>,
) -> io::Result<()> {
    let mut part = Part(Chunks::to(next));
    items.iter().try_for_each(|item| write(item, &mut part))?;
    part.0.finish()
}

/// Writes the parts by so many threads, which take them in turn; this one puts them behind each other.
fn write_by<T: Sync>(
    threads: usize,
    parts: &[&[T]],
    out: &mut List<'_>,
    write: &(impl Fn(&T, &mut Part<'_>) -> io::Result<()> + Sync),
) -> io::Result<()> {
    std::thread::scope(|scope| {
        let queues: Vec<Option<Receiver<_>>> = (0..threads)
            .map(|first| {
                let (queue, chunks) = sync_channel(AHEAD);
                let run = move || {
                    for part in parts.iter().skip(first).step_by(threads) {
                        let written = write_part(part, Next::Queue(&queue), write);
                        let failed = written.is_err();
                        // Where nobody takes it any more, the document has failed already.
                        if queue.send(written.map(|()| Vec::new())).is_err() || failed {
                            return;
                        }
                    }
                };
                let thread = std::thread::Builder::new().name("write".to_owned());
                thread.spawn_scoped(scope, run).ok().map(|_| chunks)
            })
            .collect();
        // The queues go when this is over, however it ends, and then no thread waits.
        for (part, queue) in parts.iter().zip(queues.iter().cycle()) {
            let Some(queue) = queue else {
                // Where there can be no thread it is done without.
                write_part(part, Next::Out(out), write)?;
                continue;
            };
            loop {
                let chunk = queue.recv().map_err(|_| gone())??;
                if chunk.is_empty() {
                    break;
                }
                out.write_all(&chunk)?;
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests;
