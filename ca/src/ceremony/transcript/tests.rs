use std::time::SystemTime;

use super::*;
use crate::ceremony::event::SessionStopped;

#[derive(Debug)]
struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }
}

fn happened(reason: &str) -> What {
    What::SessionStopped(SessionStopped {
        reason: reason.to_owned(),
        keys_destroyed: Vec::new(),
    })
}

/// A transcript of three events.
fn written(path: &Path) -> Vec<u8> {
    let mut transcript = Transcript::create(path, Arc::new(Stopped)).unwrap();
    for reason in ["one", "two", "three"] {
        transcript.append(happened(reason)).unwrap();
    }
    std::fs::read(path).unwrap()
}

/// The line and the link below were computed with other software, by the format's documentation.
#[test]
fn the_format_is_what_it_is() {
    let scratch = tempfile::tempdir().unwrap();
    let bytes = written(&scratch.path().join("t"));
    let first = bytes.split(|byte| *byte == b'\n').next().unwrap();
    let line = format!(
        "{{\"number\":0,\"time\":\"1970-01-01T00:00:00Z\",\"previous\":\"{}\",\"kind\":\"session-stopped\",\
         \"facts\":{{\"reason\":\"one\",\"keys_destroyed\":[]}}}}",
        "0".repeat(64)
    );
    assert_eq!(std::str::from_utf8(first).unwrap(), line);
    assert_eq!(
        hex::encode(link(first)),
        "bbe100c21fb71d7491a3489f0b8789c8bce4715ea58a2cfe643a202016550440"
    );
}

#[test]
fn what_was_written_is_read_and_written_on() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("t");
    written(&path);
    let exists = Transcript::create(&path, Arc::new(Stopped)).unwrap_err();
    assert!(matches!(exists, TranscriptError::Exists(_)), "{exists}");
    let (mut transcript, chain) = Transcript::open(&path, Arc::new(Stopped)).unwrap();
    assert_eq!((chain.events.len(), chain.cut), (3, 0));
    let locked = Transcript::open(&path, Arc::new(Stopped)).unwrap_err();
    assert!(matches!(locked, TranscriptError::Locked(_)), "{locked}");
    transcript.append(happened("four")).unwrap();
    drop(transcript);
    assert_eq!(Chain::load(&path).unwrap().events.len(), 4);
}

#[test]
fn a_line_that_was_cut_off_is_told_from_one_that_was_changed() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("t");
    let whole = written(&path);
    let ends: Vec<usize> = (0..whole.len())
        .filter(|at| whole[*at] == b'\n')
        .map(|at| at + 1)
        .collect();
    for end in 0..whole.len() {
        let chain = Chain::read(&whole[..end]).unwrap();
        let lines = ends.iter().filter(|line_end| **line_end <= end).count();
        assert_eq!(chain.events.len(), lines);
        assert_eq!(chain.len + chain.cut, end as u64);
    }
    std::fs::write(&path, &whole[..ends[1] + 7]).unwrap();
    let (mut transcript, chain) = Transcript::open(&path, Arc::new(Stopped)).unwrap();
    transcript.drop_cut(&chain).unwrap();
    transcript.append(happened("three again")).unwrap();
    let mended = Chain::load(&path).unwrap();
    assert_eq!((mended.events.len(), mended.cut), (3, 0));
}

#[test]
fn every_changed_byte_is_found_and_its_event_named() {
    let scratch = tempfile::tempdir().unwrap();
    let whole = written(&scratch.path().join("t"));
    let head = Chain::read(&whole).unwrap().head;
    let mut line = 0;
    for at in 0..whole.len() {
        for change in [1, 0x20, 0x80] {
            let mut changed = whole.clone();
            changed[at] ^= change;
            match Chain::read(&changed) {
                // A change to the last event shows in the head alone, which the root has signed.
                Ok(chain) => assert!(line == 2 && (chain.head != head || chain.cut > 0), "{at}"),
                Err(TranscriptError::Event { number, .. }) => {
                    assert!((line..=line + 1).contains(&number), "{at}: {number}, not {line}");
                }
                Err(other) => panic!("{other}"),
            }
        }
        line += u64::from(whole[at] == b'\n');
    }
}

#[test]
fn one_event_has_one_spelling() {
    let scratch = tempfile::tempdir().unwrap();
    let whole = String::from_utf8(written(&scratch.path().join("t"))).unwrap();
    let first = whole.split_inclusive('\n').next().unwrap();
    Chain::read(first.as_bytes()).unwrap();
    for (from, to) in [
        ("\"number\":0", "\"number\": 0"),
        ("\"number\":0", "\"number\":0,\"more\":1"),
        ("\"reason\":\"one\"", "\"reason\":\"\\u006fne\""),
        ("\"keys_destroyed\":[]", "\"keys_destroyed\":[],\"more\":1"),
        ("{\"number\":0,", "{\"number\":0,\"number\":0,"),
    ] {
        let spelt = first.replacen(from, to, 1);
        assert_ne!(spelt, first);
        Chain::read(spelt.as_bytes()).unwrap_err();
    }
}
