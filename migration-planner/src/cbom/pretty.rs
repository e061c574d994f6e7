//! JSON for people, written by several threads: long lists are cut into parts, each thread writes one, and they are put
//! behind each other in order. The bytes are those that one thread would write.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

/// How much of a list one thread writes at once, in lines of about the same length.
const PART: usize = 4096;
/// The most threads.
const MAX_THREADS: usize = 8;

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

/// What is written of a part of a list.
pub(super) struct Part(Vec<u8>);

impl Part {
    /// Writes an element of the list.
    pub(super) fn element(&mut self, element: &impl Serialize) -> io::Result<()> {
        let pretty = Pretty::at(2);
        pretty.next(&mut self.0, false)?;
        element.serialize(&mut Serializer::with_formatter(&mut self.0, pretty))?;
        Ok(())
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
        let mut bytes = Vec::new();
        value.serialize(&mut Serializer::with_formatter(&mut bytes, Pretty::at(1)))?;
        self.out.write_all(&bytes)
    }

    /// A member that is a long list, of which `write` writes an item each, and `lines` guesses how long that is.
    pub(super) fn list<T: Sync>(
        &mut self,
        name: &str,
        items: &[T],
        lines: impl Fn(&T) -> usize,
        write: impl Fn(&T, &mut Part) -> io::Result<()> + Sync,
    ) -> io::Result<()> {
        self.name(name)?;
        self.out.write_all(b"[")?;
        let mut is_empty = true;
        let mut rest = items;
        while !rest.is_empty() {
            let parts: Vec<&[T]> = std::iter::from_fn(|| next_part(&mut rest, &lines))
                .take(self.threads)
                .collect();
            for part in written(&parts, &write)? {
                // Each element has a comma before it.
                let part = part.0.get(usize::from(is_empty)..).unwrap_or_default();
                self.out.write_all(part)?;
                is_empty &= part.is_empty();
            }
        }
        if !is_empty {
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

/// The parts as they are written, each by a thread of its own but for the last.
fn written<T: Sync>(
    parts: &[&[T]],
    write: &(impl Fn(&T, &mut Part) -> io::Result<()> + Sync),
) -> io::Result<Vec<Part>> {
    let one = |items: &[T]| -> io::Result<Part> {
        let mut part = Part(Vec::with_capacity(PART * 128));
        items.iter().try_for_each(|item| write(item, &mut part))?;
        Ok(part)
    };
    let Some((last, others)) = parts.split_last() else {
        return Ok(Vec::new());
    };
    std::thread::scope(|scope| {
        let started: Vec<_> = others
            .iter()
            .map(|items| {
                let thread = std::thread::Builder::new().name("write".to_owned());
                thread.spawn_scoped(scope, move || one(items)).map_err(|_| items)
            })
            .collect();
        let last = one(last);
        let mut written = Vec::new();
        for thread in started {
            written.push(match thread {
                Ok(thread) => match thread.join() {
                    Ok(part) => part?,
                    Err(panic) => std::panic::resume_unwind(panic),
                },
                // Where there can be no thread it is done without.
                Err(items) => one(items)?,
            });
        }
        written.push(last?);
        Ok(written)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// The document of these members, the lists written in parts.
    fn document(members: &[(&str, Value)], threads: usize) -> String {
        let mut out = Vec::new();
        let mut document = Members::begin(&mut out, threads).unwrap();
        for (name, value) in members {
            match value {
                Value::Array(items) => document
                    .list(name, items, |_| 1500, |item, part| part.element(item))
                    .unwrap(),
                value => document.member(name, value).unwrap(),
            }
        }
        document.end().unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn any_number_of_threads_writes_what_one_writes() {
        let items: Vec<Value> = (0..50)
            .map(|number| json!({ "a\"b": [number, {}, [], ["x\n"]], "c": { "d": null } }))
            .collect();
        for members in [
            vec![],
            vec![("text", json!("x\u{1}"))],
            vec![("none", json!([]))],
            vec![
                ("a", json!({ "b": [] })),
                ("many", json!(items)),
                ("one", json!([1])),
                ("z", json!({})),
            ],
        ] {
            let mut whole = serde_json::Map::new();
            whole.extend(
                members
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), value.clone())),
            );
            let expected = format!("{}\n", serde_json::to_string_pretty(&whole).unwrap());
            for threads in [0, 1, 2, 7, 100] {
                assert_eq!(document(&members, threads), expected, "{threads} threads");
            }
        }
    }

    #[test]
    fn a_list_ends_with_the_first_item_that_cannot_be_written() {
        let mut out = Vec::new();
        let mut document = Members::begin(&mut out, 3).unwrap();
        let items: Vec<u32> = (0..100).collect();
        let write = |item: &u32, part: &mut Part| match item {
            70 => Err(io::Error::other("no more")),
            item => part.element(item),
        };
        let error = document.list("list", &items, |_| 1000, write).unwrap_err();
        assert_eq!(error.to_string(), "no more");
    }
}
