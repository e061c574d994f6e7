//! YAML (and so JSON) with line numbers: documents one by one, aliases shared and never copied, templates as far as
//! they can be read before they are filled in.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle};

use self::template::{HOLE, filled};
use crate::inventory::{Fragment, Reason};
use crate::scan::Budget;

mod template;

/// The most nodes of one document.
const MAX_NODES: usize = 500_000;
/// The deepest nesting that is kept.
const MAX_DEPTH: usize = 64;
/// The most nodes that one walk visits: aliases can make a small document stand for a huge tree.
const MAX_VISITS: usize = 1_000_000;
enum Kind {
    Scalar(String),
    Map(Vec<(usize, usize)>),
    List(Vec<usize>),
}

struct Node {
    line: u64,
    kind: Kind,
    /// A scalar that keeps its lines, of which this is the first that is not empty.
    literal: bool,
}

/// One document.
pub(super) struct Document {
    nodes: Vec<Node>,
    /// The line of a value that was asked for and is put in later.
    hole: Cell<Option<u64>>,
    /// The line of the first thing that was left out to be able to read it.
    template: Option<u64>,
}

/// A place in a document.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    document: &'a Document,
    at: usize,
}

/// All documents of a text that `wanted` wants. A document that cannot be read is noted, and the next is read.
pub(super) fn documents(
    text: &str,
    budget: Budget,
    found: &mut Fragment,
    wanted: &dyn Fn(&str) -> bool,
) -> Vec<Document> {
    let mut documents = Vec::new();
    for (part, offset) in parts(text) {
        if !wanted(part) {
            continue;
        }
        if budget.is_spent() {
            found.unread(Reason::TimedOut, Some(offset + 1), "the documents from here on");
            break;
        }
        let template = part
            .split('\n')
            .position(|line| line.contains("{{") && !line.trim_start().starts_with('"'));
        let template = template.map(|line| offset + 1 + line as u64);
        let mut left_out = None;
        let read = match (parse(part, offset, budget), template) {
            (Err(_), Some(line)) => match parse(&filled(part), offset, budget) {
                Ok(document) => {
                    left_out = Some(line);
                    Ok(document)
                }
                Err((line, why)) => {
                    found.unread(
                        Reason::Unsupported,
                        Some(line),
                        format!("a template that is no YAML yet: {why}"),
                    );
                    continue;
                }
            },
            (read, _) => read,
        };
        match read {
            Ok((nodes, cut)) => {
                if let Some((line, what)) = cut {
                    found.unread(Reason::TooLarge, Some(line), what);
                }
                documents.push(Document {
                    nodes,
                    hole: Cell::new(None),
                    template: left_out,
                });
            }
            Err((line, why)) => found.unread(
                Reason::Malformed,
                Some(line),
                format!("no YAML from here on: {why}"),
            ),
        }
    }
    documents
}

/// The text between markers, each with the number of lines before it.
fn parts(text: &str) -> Vec<(&str, u64)> {
    let mut parts = Vec::new();
    let (mut start, mut first) = (0, 0);
    let mut at = 0;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let marker = line.trim_end();
        if marker == "---" || marker.starts_with("--- ") || marker == "..." {
            parts.push((text.get(start..at).unwrap_or_default(), first));
            start = at + line.len();
            first = number as u64 + 1;
        }
        at += line.len();
    }
    parts.push((text.get(start..).unwrap_or_default(), first));
    parts
}

type Tree = (Vec<Node>, Option<(u64, String)>);

fn parse(text: &str, offset: u64, budget: Budget) -> Result<Tree, (u64, String)> {
    let mut nodes: Vec<Node> = Vec::new();
    let mut cut = None;
    let mut anchors: HashMap<usize, usize> = HashMap::new();
    // What is open: the node, and the key that waits for its value.
    let mut open: Vec<(usize, Option<usize>)> = Vec::new();
    let mut skipped = 0_usize;
    for (count, event) in Parser::new_from_str(text).enumerate() {
        if count % 1024 == 0 && budget.is_spent() {
            cut = Some((offset + 1, "it takes too long to read all of it".to_owned()));
            break;
        }
        let (event, span) =
            event.map_err(|error| (offset + error.marker().line() as u64, error.info().to_owned()))?;
        let line = offset + span.start.line() as u64;
        if nodes.len() >= MAX_NODES {
            cut = Some((line, format!("only the first {MAX_NODES} values are read")));
            break;
        }
        let literal = matches!(event, Event::Scalar(_, ScalarStyle::Literal, ..));
        let (kind, anchor, opens) = match event {
            Event::Scalar(value, _, anchor, _) => (Kind::Scalar(value.into_owned()), anchor, false),
            Event::SequenceStart(anchor, _) => (Kind::List(Vec::new()), anchor, true),
            Event::MappingStart(anchor, _) => (Kind::Map(Vec::new()), anchor, true),
            Event::SequenceEnd | Event::MappingEnd => {
                match skipped {
                    0 => {
                        open.pop();
                    }
                    _ => skipped -= 1,
                }
                continue;
            }
            Event::Alias(anchor) => {
                if let (0, Some(at)) = (skipped, anchors.get(&anchor)) {
                    attach(&mut nodes, &mut open, *at);
                }
                continue;
            }
            _ => continue,
        };
        if skipped > 0 || (opens && open.len() >= MAX_DEPTH) {
            if skipped == 0 {
                cut = Some((line, format!("what is nested deeper than {MAX_DEPTH}")));
                // Something has to stand there, or keys and values get mixed up.
                nodes.push(Node {
                    line,
                    kind: Kind::Scalar(String::new()),
                    literal: false,
                });
                let at = nodes.len() - 1;
                attach(&mut nodes, &mut open, at);
            }
            skipped += usize::from(opens);
            continue;
        }
        nodes.push(Node { line, kind, literal });
        let at = nodes.len() - 1;
        if anchor != 0 {
            anchors.insert(anchor, at);
        }
        attach(&mut nodes, &mut open, at);
        if opens {
            open.push((at, None));
        }
    }
    Ok((nodes, cut))
}

/// Puts a node into what is open.
fn attach(nodes: &mut [Node], open: &mut [(usize, Option<usize>)], child: usize) {
    let Some((parent, key)) = open.last_mut() else {
        return;
    };
    match nodes.get_mut(*parent).map(|node| &mut node.kind) {
        Some(Kind::List(items)) => items.push(child),
        Some(Kind::Map(entries)) => match key.take() {
            Some(key) => entries.push((key, child)),
            None => *key = Some(child),
        },
        _ => {}
    }
}

impl Document {
    /// Its outermost value.
    pub(super) fn root(&self) -> View<'_> {
        View {
            document: self,
            at: 0,
        }
    }

    /// Notes that it is a template of which only a part was read, for those who wanted something of it.
    pub(super) fn note_template(&self, found: &mut Fragment) {
        if let Some(line) = self.template {
            let what = "a template: what steers it was left out, the rest was read as it stands";
            found.unread(Reason::Unsupported, Some(line), what);
        }
    }

    /// Whether something was asked for that a template fills in.
    pub(super) fn has_holes(&self) -> bool {
        self.hole.get().is_some()
    }

    /// Notes that something that was asked for is not known before a template is filled in.
    pub(super) fn note_holes(&self, found: &mut Fragment) {
        if let Some(line) = self.hole.get() {
            found.unread(
                Reason::Unsupported,
                Some(line),
                "a value that a template fills in",
            );
        }
    }
}

impl<'a> View<'a> {
    fn node(self) -> Option<&'a Node> {
        self.document.nodes.get(self.at)
    }

    /// The line it begins on.
    pub(super) fn line(self) -> u64 {
        self.node().map_or(1, |node| node.line)
    }

    /// A scalar's text; `None` for what is none, or is put in later.
    pub(super) fn text(self) -> Option<&'a str> {
        match &self.node()?.kind {
            Kind::Scalar(text) if text.contains(HOLE) || text.contains("{{") => {
                self.document.hole.set(Some(self.line()));
                None
            }
            Kind::Scalar(text) => Some(text),
            _ => None,
        }
    }

    /// A file that stands in a value: its text, holes and all, and how many lines are before it. No lines are told for
    /// text that did not keep its own.
    pub(super) fn file(self) -> Option<(&'a str, Option<u64>)> {
        let node = self.node()?;
        match &node.kind {
            Kind::Scalar(text) => {
                // The parser tells the first line that is not empty.
                let empty = text.bytes().take_while(|byte| *byte == b'\n').count() as u64;
                let before = node.line.saturating_sub(1 + empty);
                Some((text, node.literal.then_some(before)))
            }
            _ => None,
        }
    }

    /// A key's text. One that is put in later is nobody's: nothing was asked for by it.
    fn key(self) -> Option<&'a str> {
        match &self.node()?.kind {
            Kind::Scalar(text) if !(text.contains(HOLE) || text.contains("{{")) => Some(text),
            _ => None,
        }
    }

    /// The entries of a map whose keys are text.
    pub(super) fn entries(self) -> impl Iterator<Item = (&'a str, Self)> {
        let entries = match self.node().map(|node| &node.kind) {
            Some(Kind::Map(entries)) => entries.as_slice(),
            _ => &[],
        };
        let view = move |at: usize| Self {
            document: self.document,
            at,
        };
        entries
            .iter()
            .filter_map(move |(key, value)| Some((view(*key).key()?, view(*value))))
    }

    /// The items of a list.
    pub(super) fn items(self) -> impl Iterator<Item = Self> {
        let items = match self.node().map(|node| &node.kind) {
            Some(Kind::List(items)) => items.as_slice(),
            _ => &[],
        };
        items.iter().map(move |at| Self {
            document: self.document,
            at: *at,
        })
    }

    /// The value of a key. Keys are compared without their underscores and without case, so that both spellings of
    /// Protobuf's JSON are one.
    pub(super) fn get(self, key: &str) -> Option<Self> {
        let key = plain(key);
        self.entries()
            .find(|(name, _)| plain(name) == key)
            .map(|(_, value)| value)
    }

    /// The value at the end of a path of keys.
    pub(super) fn path(self, keys: &[&str]) -> Option<Self> {
        keys.iter().try_fold(self, |view, key| view.get(key))
    }

    /// The text at the end of a path of keys.
    pub(super) fn text_at(self, keys: &[&str]) -> Option<&'a str> {
        self.path(keys)?.text().filter(|text| !text.is_empty())
    }

    /// Calls `see` with every map below, itself included, and the maps around it, nearest last.
    pub(super) fn maps(self, see: &mut dyn FnMut(Self, &[Self])) {
        let mut visits = 0;
        let mut stack: Vec<(Self, usize)> = vec![(self, 0)];
        let mut around: Vec<Self> = Vec::new();
        while let Some((view, depth)) = stack.pop() {
            visits += 1;
            if visits > MAX_VISITS {
                return;
            }
            around.truncate(depth);
            if depth >= MAX_DEPTH {
                continue;
            }
            let mut inner = depth;
            let mut below: Vec<Self> = view.items().collect();
            if matches!(view.node().map(|node| &node.kind), Some(Kind::Map(_))) {
                see(view, &around);
                around.push(view);
                inner = around.len();
                below.extend(view.entries().map(|(_, value)| value));
            } else {
                // Lists take part in the depth, so that one that holds itself comes to an end.
                around.push(view);
                inner += 1;
            }
            stack.extend(below.into_iter().rev().map(|view| (view, inner)));
        }
    }
}

fn plain(key: &str) -> Cow<'_, str> {
    if key.bytes().any(|byte| byte == b'_' || byte.is_ascii_uppercase()) {
        return Cow::Owned(key.replace('_', "").to_ascii_lowercase());
    }
    Cow::Borrowed(key)
}

#[cfg(test)]
mod tests;
