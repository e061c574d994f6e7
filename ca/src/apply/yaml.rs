//! YAML as trees with line numbers. JSON is YAML, so one reader does for both.
//!
//! Anchors, aliases and tags are refused: they could make a small file stand for a huge tree, and declarations are to be
//! read by people who look at one entry.

use std::borrow::Cow;

use saphyr_parser::{Event, Parser, ScalarStyle};

/// The deepest nesting: a document, its list of entries, an entry, a list in it, and some room.
const MAX_DEPTH: usize = 16;
/// The most values of a file.
const MAX_NODES: usize = 2_000_000;

/// A value and where it begins.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Node {
    /// Counted from 1.
    pub(super) line: usize,
    pub(super) kind: Kind,
}

/// What a value is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// Text, and whether it stood without quotes.
    Scalar(String, bool),
    List(Vec<Node>),
    /// Each key once, in the order of the file.
    Map(Vec<(String, Node)>),
}

/// What is wrong with a text, and in which line.
pub(super) type Wrong = (usize, String);

/// The documents of a text.
///
/// # Errors
/// [`Wrong`] where it is no YAML, or YAML that is not read.
pub(super) fn documents(text: &str) -> Result<Vec<Node>, Wrong> {
    let mut documents = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    for (count, event) in Parser::new_from_str(text).enumerate() {
        let (event, span) = event.map_err(|error| (error.marker().line(), error.info().to_owned()))?;
        let line = span.start.line();
        if count >= MAX_NODES {
            return Err((line, format!("there are more than {MAX_NODES} values")));
        }
        let done = match event {
            Event::Scalar(value, style, anchor, tag) => {
                plain(line, anchor, tag.is_some())?;
                let unquoted = style == ScalarStyle::Plain;
                Some(Node {
                    line,
                    kind: Kind::Scalar(Cow::into_owned(value), unquoted),
                })
            }
            Event::SequenceStart(anchor, tag) => {
                plain(line, anchor, tag.is_some())?;
                open.push(Open::new(line, Kind::List(Vec::new())));
                None
            }
            Event::MappingStart(anchor, tag) => {
                plain(line, anchor, tag.is_some())?;
                open.push(Open::new(line, Kind::Map(Vec::new())));
                None
            }
            Event::SequenceEnd | Event::MappingEnd => open.pop().map(|open| open.node),
            Event::Alias(_) => return Err((line, "aliases are not read; write the value out".to_owned())),
            _ => None,
        };
        if open.len() > MAX_DEPTH {
            return Err((line, format!("values are nested deeper than {MAX_DEPTH}")));
        }
        if let Some(node) = done {
            match open.last_mut() {
                Some(parent) => parent.take(node)?,
                None => documents.push(node),
            }
        }
    }
    Ok(documents)
}

fn plain(line: usize, anchor: usize, tagged: bool) -> Result<(), Wrong> {
    match (anchor, tagged) {
        (0, false) => Ok(()),
        (0, true) => Err((line, "tags are not read; leave it out".to_owned())),
        _ => Err((line, "anchors are not read; leave it out".to_owned())),
    }
}

/// A list or map that has yet to end.
struct Open {
    node: Node,
    /// The key that waits for its value.
    key: Option<String>,
}

impl Open {
    fn new(line: usize, kind: Kind) -> Self {
        Self {
            node: Node { line, kind },
            key: None,
        }
    }

    fn take(&mut self, child: Node) -> Result<(), Wrong> {
        match (&mut self.node.kind, self.key.take()) {
            (Kind::List(items), _) => items.push(child),
            (Kind::Map(entries), Some(key)) => entries.push((key, child)),
            (Kind::Map(entries), None) => match child.kind {
                Kind::Scalar(key, _) if entries.iter().any(|(known, _)| *known == key) => {
                    return Err((child.line, format!("{key:?} is there twice")));
                }
                Kind::Scalar(key, _) => self.key = Some(key),
                _ => return Err((child.line, "a key has to be a word".to_owned())),
            },
            (Kind::Scalar(..), _) => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scalar(line: usize, text: &str, unquoted: bool) -> Node {
        Node {
            line,
            kind: Kind::Scalar(text.to_owned(), unquoted),
        }
    }

    #[test]
    fn yaml_and_json_read_alike_but_for_quotes() {
        let yaml = documents("owner: a\nentries:\n  - id: unix:uid:1\n").unwrap();
        let json = documents("{\"owner\": \"a\",\n\"entries\": [\n{\"id\": \"unix:uid:1\"}]}").unwrap();
        let tree = |unquoted| {
            let entry = Kind::Map(vec![("id".to_owned(), scalar(3, "unix:uid:1", unquoted))]);
            let list = Kind::List(vec![Node { line: 3, kind: entry }]);
            (scalar(1, "a", unquoted), list)
        };
        for (documents, unquoted) in [(yaml, true), (json, false)] {
            let [document] = documents.as_slice() else {
                panic!("{documents:?}")
            };
            let Kind::Map(members) = &document.kind else {
                panic!("{document:?}")
            };
            let (owner, list) = tree(unquoted);
            assert_eq!(members[0], ("owner".to_owned(), owner));
            assert_eq!((members[1].0.as_str(), &members[1].1.kind), ("entries", &list));
        }
        assert_eq!(documents("a: 1\n---\nb: 2\n").unwrap().len(), 2);
        assert_eq!(documents("# nothing\n").unwrap(), []);
    }

    #[test]
    fn what_is_not_read_is_refused_with_its_line() {
        let deep = format!("a: {}1{}", "[".repeat(MAX_DEPTH + 1), "]".repeat(MAX_DEPTH + 1));
        for (text, line, words) in [
            ("a: 1\na: 2\n", 2, "twice"),
            ("a: &x 1\nb: *x\n", 1, "anchors"),
            ("a: !!binary aGk=\n", 1, "tags"),
            ("a: 1\n? [b]\n: c\n", 2, "a key"),
            ("a: [1\n", 2, ""),
            (deep.as_str(), 1, "nested"),
        ] {
            let (found, reason) = documents(text).unwrap_err();
            assert!(reason.contains(words), "{text}: {reason}");
            assert_eq!(found, line, "{text}: {reason}");
        }
    }
}
