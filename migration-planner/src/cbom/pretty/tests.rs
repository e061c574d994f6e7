use std::sync::atomic::{AtomicUsize, Ordering};

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
    let write = |item: &u32, part: &mut Part<'_>| match item {
        70 => Err(io::Error::other("no more")),
        item => part.element(item),
    };
    let error = document.list("list", &items, |_| 1000, write).unwrap_err();
    assert_eq!(error.to_string(), "no more");
}

/// Numbers of six digits, of which it is counted how many there have been.
struct Counted<'a> {
    numbers: u32,
    begun: &'a AtomicUsize,
}

impl Serialize for Counted<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((100_000..100_000 + self.numbers).inspect(|_| {
            self.begun.fetch_add(1, Ordering::SeqCst);
        }))
    }
}

/// Knows how much less was written than begun, at most.
struct Behind<'a> {
    begun: &'a AtomicUsize,
    written: usize,
    most: usize,
}

impl Write for Behind<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let behind = self.begun.load(Ordering::SeqCst).saturating_sub(self.written);
        self.most = self.most.max(behind);
        self.written += bytes
            .iter()
            .filter(|byte| byte.is_ascii_digit())
            .count()
            .div_ceil(6);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn only_so_much_is_held_however_long_the_items_are() {
    let cases = [(1, 1, 800_000, PART), (4, 4, 800_000, PART), (4, 20_000, 100, 1)];
    // Nobody guesses how long they are.
    for (threads, items, numbers, lines) in cases {
        let begun = AtomicUsize::new(0);
        let counted = || Counted {
            numbers,
            begun: &begun,
        };
        let items: Vec<Counted<'_>> = (0..items).map(|_| counted()).collect();
        let mut out = Behind {
            begun: &begun,
            written: 0,
            most: 0,
        };
        let mut document = Members::begin(&mut out, threads).unwrap();
        let write = |item: &Counted<'_>, part: &mut Part<'_>| part.element(item);
        document.list("list", &items, |_| lines, write).unwrap();
        document.member("one", &counted()).unwrap();
        document.end().unwrap();
        // Each number takes a line of twelve bytes or more; one chunk is written, one waits, and one is made.
        let held = threads * (AHEAD + 3) * CHUNK / 12;
        assert!(out.most <= held, "{threads} threads: {} of {held}", out.most);
    }
}

#[test]
fn nobody_waits_for_a_writer_that_fails() {
    struct Full(usize);
    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self
                .0
                .checked_sub(bytes.len())
                .ok_or_else(|| io::Error::other("full"))?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let items: Vec<String> = (0..200).map(|_| "x".repeat(CHUNK)).collect();
    for threads in [1, 2, 8] {
        let mut out = Full(10 * CHUNK);
        let mut document = Members::begin(&mut out, threads).unwrap();
        let error = document
            .list("list", &items, |_| PART, |item, part| part.element(item))
            .unwrap_err();
        assert_eq!(error.to_string(), "full");
    }
}
