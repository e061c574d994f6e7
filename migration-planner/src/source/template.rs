//! From a row of a table to the names of algorithms.
//!
//! A template is a canonical name with gaps: `HMAC[-{1|digestmod:hash}]`. A gap says where its text comes from and,
//! after the colon, what it has to be; what is in brackets is left out when its gap stays empty; `||` separates
//! templates of which the first that can be filled is taken, `&&` such that are all meant, and `?` as the last of them says that a call whose
//! algorithm cannot be told is to be reported as such. Sources:
//!
//! | source | meaning |
//! |---|---|
//! | `0` | the first argument |
//! | `key_size` | the argument, or the entry of an argument that is a map, of this name |
//! | `*` | what `*` stands for in the row's path |
//! | `this` | the object whose method is called |
//! | `.init.0` | the first argument of a later call of `init` on the result |
//! | `>` | the functions that the result is passed to |
//! | `=` | the value itself that a field gets |

use std::cmp::Ordering;

use tree_sitter::Node;

use super::protocols;
use super::resolve::{MAX_DEPTH, Reader, Value};
use super::spelling;
use super::table::{ANY_OBJECT, Hit, SETTING};
use super::tree;
use super::work::MAX_LIST;

/// The most names that one call can mean, those of suites not counted.
const MAX_NAMES: usize = 48;

/// The last template of a row whose call is reported when its algorithm cannot be told.
pub(super) const TELL: &str = "?";

/// A call that a row is about, or a name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Use<'t, 'p> {
    pub(super) node: Node<'t>,
    pub(super) hit: Hit<'p>,
}

impl<'t> Reader<'_, 't, '_> {
    /// The row of a path, as it is or from one of the places from which everything was imported.
    pub(super) fn lookup<'p>(&self, path: &'p str) -> Option<Hit<'p>> {
        self.table.find(path)
    }

    /// The path of a call or a name with its row.
    pub(super) fn known_path(&self, path: String) -> Option<String> {
        if self.table.find(&path).is_some() {
            return Some(path);
        }
        self.index
            .imports
            .wildcards()
            .iter()
            .map(|from| format!("{from}.{path}"))
            .find(|path| self.table.find(path).is_some())
    }

    /// The names that a use means, without doubles.
    pub(super) fn names(&self, of: Use<'t, '_>, depth: usize) -> Vec<String> {
        if depth > MAX_DEPTH {
            return Vec::new();
        }
        let whole = of.hit.row.1.trim_start_matches('~');
        for template in whole.split("||").map(str::trim).filter(|one| *one != TELL) {
            let mut names: Vec<String> = template
                .split("&&")
                .flat_map(|one| self.fill(one.trim(), of, depth))
                .collect();
            if !names.is_empty() {
                // Suites stay in their order, which is that of preference.
                names.sort_by(|a, b| match (protocols::is_offer(a), protocols::is_offer(b)) {
                    (true, true) => Ordering::Equal,
                    (false, false) => a.cmp(b),
                    (a, b) => a.cmp(&b),
                });
                names.dedup();
                return names;
            }
        }
        Vec::new()
    }

    fn fill(&self, template: &str, of: Use<'t, '_>, depth: usize) -> Vec<String> {
        let mut names = vec![String::new()];
        let mut rest = template;
        while let Some(at) = rest.find(['{', '[']) {
            let (before, from) = rest.split_at(at);
            names.iter_mut().for_each(|name| name.push_str(before));
            let optional = from.starts_with('[');
            let Some((inside, after)) = from
                .get(1..)
                .and_then(|inside| inside.split_once(if optional { ']' } else { '}' }))
            else {
                return Vec::new();
            };
            rest = after;
            let filled = if optional {
                self.fill(inside, of, depth)
            } else {
                self.gap(inside, of, depth)
            };
            if filled.is_empty() {
                if optional {
                    continue;
                }
                return Vec::new();
            }
            names = names
                .iter()
                .flat_map(|name| filled.iter().map(move |part| format!("{name}{part}")))
                .take(most(filled.first().is_some_and(|part| protocols::is_offer(part))))
                .collect();
        }
        names.iter_mut().for_each(|name| name.push_str(rest));
        names
    }

    fn gap(&self, gap: &str, of: Use<'t, '_>, depth: usize) -> Vec<String> {
        let (sources, kind) = gap.rsplit_once(':').unwrap_or((gap, "any"));
        for source in sources.split('|') {
            for value in self.values(source, of, depth) {
                let names = self.as_kind(value, kind, depth + 1);
                if !names.is_empty() {
                    return names;
                }
            }
        }
        Vec::new()
    }

    fn values(&self, source: &str, of: Use<'t, '_>, depth: usize) -> Vec<Value<'t>> {
        let one = |node: Option<Node<'t>>| -> Vec<Value<'t>> {
            node.map(|node| self.eval(node, depth + 1)).into_iter().collect()
        };
        if source == "*" {
            return vec![Value::Text(of.hit.capture.to_owned())];
        }
        if source == SETTING {
            return one(Some(of.node));
        }
        let Some(parts) = tree::call(of.node) else {
            return Vec::new();
        };
        if source == "this" {
            let object = parts
                .object
                .or_else(|| tree::member(parts.function).map(|(object, _)| object));
            return one(object);
        }
        if let Ok(at) = source.parse::<usize>() {
            return one(positional(of.node, at));
        }
        if let Some(later) = source.strip_prefix('.') {
            let Some((method, at)) = later.split_once('.') else {
                return Vec::new();
            };
            let at = at.parse().unwrap_or_default();
            let calls = self.later_uses(of.node);
            let of_method = calls.into_iter().filter(|call| self.called(*call) == method);
            return of_method
                .filter_map(|call| positional(call, at))
                .map(|node| self.eval(node, depth + 1))
                .collect();
        }
        if source == ">" {
            let calls = self.later_uses(of.node);
            return calls
                .into_iter()
                .map(|call| Value::Text(self.called(call)))
                .collect();
        }
        self.named(of.node, source, depth)
    }

    /// The argument of this name, or the entry of this name of an argument that is a map.
    fn named(&self, call: Node<'t>, name: &str, depth: usize) -> Vec<Value<'t>> {
        let mut found = Vec::new();
        for argument in arguments(call) {
            match argument.kind() {
                "keyword_argument" => {
                    let key = argument.child_by_field_name("name");
                    if key.is_some_and(|key| tree::text(key, self.index.source) == name)
                        && let Some(value) = argument.child_by_field_name("value")
                    {
                        found.push(self.eval(value, depth + 1));
                    }
                }
                "keyed_element" => {
                    let key = argument.named_child(0);
                    if key.is_some_and(|key| tree::text(key, self.index.source) == name)
                        && let Some(value) = argument.named_child(1)
                    {
                        found.push(self.eval(value, depth + 1));
                    }
                }
                "string" | "integer" | "number" | "lambda" | "arrow_function" => {}
                _ => {
                    if let Value::Map(pairs) = self.eval(argument, depth + 1) {
                        let named = pairs.into_iter().filter(|(key, _)| key == name);
                        found.extend(named.map(|(_, value)| value));
                    }
                }
            }
        }
        found
    }

    fn later_uses(&self, node: Node<'t>) -> Vec<Node<'t>> {
        let Some(target) = self.index.target(node) else {
            return Vec::new();
        };
        self.index.uses_of(target, node).take(64).collect()
    }

    /// The last part of the name of what is called, as written.
    fn called(&self, call: Node<'t>) -> String {
        let function = tree::call(call).map(|parts| tree::text(parts.function, self.index.source));
        let function = function.unwrap_or_default();
        function
            .rsplit(['.', ':', '>'])
            .next()
            .unwrap_or_default()
            .to_owned()
    }

    /// A path for a method of an object that nobody can tell: `sockets[0].setEnabledProtocols`.
    pub(super) fn method_of(&self, call: Node<'t>) -> Option<String> {
        let parts = tree::call(call)?;
        let of_object = parts.object.is_some() || tree::member(parts.function).is_some();
        of_object.then(|| format!("{ANY_OBJECT}{}", self.called(call)))
    }

    /// What a value is when it has to be of a kind.
    fn as_kind(&self, value: Value<'t>, kind: &str, depth: usize) -> Vec<String> {
        if depth > MAX_DEPTH {
            return Vec::new();
        }
        match value {
            Value::Text(text) => spelling::text_as(&text, kind),
            Value::Number(number) => spelling::number_as(number, kind),
            Value::Bytes(length) => spelling::bytes_as(length, kind),
            Value::Path(path) => self.path_as(&path, kind, depth),
            Value::Call(node) => self.call_as(node, kind, depth),
            Value::Map(pairs) => {
                // `{ name: "HMAC", hash: "SHA-256" }`, and a hash by itself as `{ name: "SHA-256" }`.
                let keys = if kind == "hash" {
                    ["hash", "name"]
                } else {
                    ["name", "hash"]
                };
                let at = keys
                    .iter()
                    .find_map(|wanted| pairs.iter().position(|(key, _)| key == wanted));
                let value = at.and_then(|at| pairs.into_iter().nth(at));
                value.map_or_else(Vec::new, |(_, value)| self.as_kind(value, kind, depth + 1))
            }
            Value::List(values) | Value::OneOf(values) => {
                let most = most(matches!(kind, "suites" | "suites13" | "ciphers"));
                let names = values
                    .into_iter()
                    .flat_map(|value| self.as_kind(value, kind, depth + 1));
                let mut names: Vec<String> = names.take(most + 1).collect();
                if names.len() > most {
                    self.work.cut();
                    names.truncate(most);
                }
                names
            }
            Value::Unknown => Vec::new(),
        }
    }

    fn path_as(&self, path: &str, kind: &str, depth: usize) -> Vec<String> {
        let last = path.rsplit('.').next().unwrap_or_default();
        // The name of a variable is no cipher string, though it may look like one.
        if kind == "ciphers" {
            return Vec::new();
        }
        if matches!(kind, "any" | "hash" | "cipher" | "mac")
            && let Some(known) = self.known_path(path.to_owned())
            && let Some(hit) = self.lookup(&known)
        {
            // A name is no call: whatever its template asks of arguments stays empty.
            let names = self.names_of_path(hit, depth);
            let names = spelling::of_kind(names, kind);
            if !names.is_empty() {
                return names;
            }
        }
        spelling::text_as(last.trim_end_matches("()"), kind)
    }

    fn call_as(&self, node: Node<'t>, kind: &str, depth: usize) -> Vec<String> {
        let Some(path) = self
            .function_of(node, depth)
            .and_then(|path| self.known_path(path))
        else {
            return Vec::new();
        };
        let Some(hit) = self.lookup(&path) else {
            return Vec::new();
        };
        let names = self.names(Use { node, hit }, depth + 1);
        let found = match kind {
            "curve" | "size" => names
                .iter()
                .flat_map(|name| spelling::text_as(name, kind))
                .collect(),
            "mode" => names
                .iter()
                .flat_map(|name| spelling::text_as(name, kind))
                .collect(),
            _ => spelling::of_kind(names, kind),
        };
        if !found.is_empty() {
            return found;
        }
        let last = path
            .trim_end_matches(".new")
            .rsplit('.')
            .next()
            .unwrap_or_default();
        spelling::text_as(last, kind)
    }

    /// Where a call says its algorithm: at the name in an argument that is an object, or else where it begins.
    pub(super) fn said_at(&self, call: Node<'t>) -> Node<'t> {
        self.entry(call, "name").unwrap_or(call)
    }

    /// The hashes that an argument that is an object names, with where.
    pub(super) fn hashes_said_in(&self, call: Node<'t>) -> Vec<(String, Node<'t>)> {
        let Some(at) = self.entry(call, "hash") else {
            return Vec::new();
        };
        let names = self.as_kind(self.eval(at, 0), "hash", 0);
        names.into_iter().map(|name| (name, at)).collect()
    }

    /// The value of an entry of an argument that is written as an object.
    fn entry(&self, call: Node<'t>, name: &str) -> Option<Node<'t>> {
        let source = self.index.source;
        arguments(call)
            .into_iter()
            .filter(|argument| argument.kind() == "object")
            .find_map(|object| {
                let mut cursor = object.walk();
                object.named_children(&mut cursor).find_map(|pair| {
                    let key = pair.child_by_field_name("key")?;
                    (tree::text(key, source).trim_matches(['"', '\'']) == name)
                        .then(|| pair.child_by_field_name("value"))
                        .flatten()
                })
            })
    }

    /// The names of a row that was named but not called.
    pub(super) fn names_of_path(&self, hit: Hit<'_>, depth: usize) -> Vec<String> {
        let root = self.index.root();
        self.names(Use { node: root, hit }, depth + 1)
    }
}

/// How many names there may be, of suites or of others.
fn most(of_suites: bool) -> usize {
    if of_suites { MAX_LIST } else { MAX_NAMES }
}

/// The arguments of a call.
fn arguments(call: Node<'_>) -> Vec<Node<'_>> {
    let Some(arguments) = tree::call(call).and_then(|parts| parts.arguments) else {
        return Vec::new();
    };
    let mut cursor = arguments.walk();
    arguments
        .named_children(&mut cursor)
        .filter(|node| !node.kind().ends_with("comment"))
        .take(64)
        .collect()
}

/// The argument at a position, those with a name not counted.
fn positional(call: Node<'_>, at: usize) -> Option<Node<'_>> {
    let unnamed = |node: &Node<'_>| !matches!(node.kind(), "keyword_argument" | "keyed_element");
    arguments(call).into_iter().filter(unnamed).nth(at)
}
