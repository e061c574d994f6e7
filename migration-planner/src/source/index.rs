//! One walk over a syntax tree: imports, variables with their values, calls, and the names that are not part of one.

use std::collections::HashMap;

use tree_sitter::{Node, Tree};

use super::around::{Around, Surroundings};
use super::branches;
use super::imports::{Imports, module_name};
use super::tree::{self, text};

/// The most nodes looked at in one file.
const MAX_NODES: usize = 4_000_000;

/// The most values that branches give a variable.
const MAX_VALUES: usize = 4;

/// A variable's value, in the part of the file in which it can be seen.
#[derive(Clone, Copy, Debug)]
struct Bound<'t> {
    at: usize,
    value: Node<'t>,
    around: Around,
}

/// What a file says, ready to be asked.
#[derive(Debug)]
pub(super) struct Index<'t, 's> {
    pub(super) source: &'s [u8],
    root: Node<'t>,
    pub(super) imports: Imports,
    /// Calls in the order of the file.
    pub(super) calls: Vec<Node<'t>>,
    /// Dotted and plain names that are no part of a longer one and are not called.
    pub(super) names: Vec<Node<'t>>,
    /// Values that fields of objects get, with the names of the fields, where the object is another than `self`.
    pub(super) settings: Vec<(&'s str, Node<'t>)>,
    /// What macros of C stand for, as it is written.
    pub(super) macros: Vec<Node<'t>>,
    /// Whether the file was too large to be looked at whole.
    pub(super) cut: bool,
    around: Surroundings<'t>,
    /// By scope and name, in the order of the file.
    variables: HashMap<(usize, &'s str), Vec<Bound<'t>>>,
    /// The variable that gets a node's value, by the node's identifier.
    targets: HashMap<usize, &'s str>,
    /// Calls by the variable that they are methods of or that is among their arguments.
    uses: HashMap<&'s str, Vec<Node<'t>>>,
}

impl<'t, 's> Index<'t, 's> {
    /// Walks the tree once. `of_interest` says of the grammar's kinds, by number, which have to be looked at.
    pub(super) fn new(tree: &'t Tree, of_interest: &[bool], source: &'s [u8]) -> Self {
        let root = tree.root_node();
        let mut index = Self {
            source,
            root,
            imports: Imports::default(),
            calls: Vec::new(),
            names: Vec::new(),
            settings: Vec::new(),
            macros: Vec::new(),
            cut: false,
            around: Surroundings::new(source.len()),
            variables: HashMap::new(),
            targets: HashMap::new(),
            uses: HashMap::new(),
        };
        // A node, what is around it, and whether it is part of a longer name or the function of a call.
        let mut open = vec![(root, Around::default(), false)];
        let mut children = Vec::new();
        let mut seen = 0_usize;
        let mut cursor = root.walk();
        while let Some((node, around, part)) = open.pop() {
            seen += 1;
            if seen > MAX_NODES {
                index.cut = true;
                break;
            }
            // Numbers are compared faster than names, and most nodes are of no interest.
            if of_interest.get(usize::from(node.kind_id())) == Some(&false) {
                if node.named_child_count() > 0 {
                    children.clear();
                    children.extend(
                        node.named_children(&mut cursor)
                            .map(|child| (child, around, false)),
                    );
                    open.extend(children.drain(..).rev());
                }
                continue;
            }
            let kind = node.kind();
            if tree::is_import(kind) {
                index.imports.read(node, source);
                continue;
            }
            if kind == "preproc_arg" {
                index.macros.push(node);
            }
            let around = index.around.enter(node, kind, around);
            if let Some((name, value)) = tree::assignment(node) {
                index.bind(name, value, around);
            }
            let call = tree::call(node);
            let inner = tree::member(node).map(|(object, _)| object.id());
            if let Some(parts) = call {
                index.calls.push(node);
                index.note_uses(node, parts);
            } else if (inner.is_some() || tree::is_name(kind)) && !part {
                index.names.push(node);
            }
            children.clear();
            for child in node.named_children(&mut cursor) {
                // What `const { createHash: hash } = …` takes out is imported there, and used elsewhere.
                if kind == "variable_declarator" && child.kind() == "object_pattern" {
                    continue;
                }
                let of_name = match call {
                    Some(parts) => {
                        child.id() == parts.function.id()
                            || parts.object.is_some_and(|object| object.id() == child.id())
                    }
                    None => inner.is_some(),
                } || (part && matches!(kind, "generic_function" | "parenthesized_expression"));
                children.push((child, around, of_name));
            }
            open.extend(children.drain(..).rev());
        }
        index
    }

    /// The whole file.
    pub(super) fn root(&self) -> Node<'t> {
        self.root
    }

    fn bind(&mut self, name: Node<'t>, value: Node<'t>, around: Around) {
        let source = self.source;
        if name.kind() == "object_pattern" {
            if let Some(path) = self.required(value) {
                self.imports.destructure(name, &path, source);
            } else if let Some(path) = self.dotted(value) {
                self.imports.destructure(name, &path, source);
            }
            return;
        }
        // `a, b := f()` gives what `f` makes to `a`; `a, b = 1, 2` goes pair by pair.
        let names = parts_of_list(name);
        let values = parts_of_list(value);
        for (at, name) in names.iter().enumerate() {
            let Some(value) = values.get(at).or(if at == 0 { values.first() } else { None }) else {
                continue;
            };
            let Some(name) = variable_name(*name, source) else {
                if let Some((_, field)) = tree::member(*name) {
                    self.settings.push((text(field, source), *value));
                }
                continue;
            };
            let mut value = *value;
            self.targets.insert(value.id(), name);
            while let Some(inner) = tree::inside(value) {
                value = inner;
                self.targets.insert(value.id(), name);
            }
            if let Some(path) = self.required(value) {
                self.imports.alias(name, path);
                continue;
            }
            let bounds = self.variables.entry((around.scope, name)).or_default();
            bounds.push(Bound {
                at: value.start_byte(),
                value,
                around,
            });
        }
    }

    /// The module that `require('x')` or `import('x')` names.
    pub(super) fn required(&self, value: Node<'t>) -> Option<String> {
        let mut value = value;
        while let Some(inner) = tree::inside(value) {
            value = inner;
        }
        let parts = tree::call(value)?;
        let function = text(parts.function, self.source);
        let argument = parts.arguments?.named_child(0)?;
        matches!(function, "require" | "import")
            .then(|| tree::literal(argument, self.source).map(|module| module_name(&module)))
            .flatten()
    }

    /// A plain dotted name through the imports, for destructuring.
    fn dotted(&self, node: Node<'t>) -> Option<String> {
        let written = text(node, self.source);
        let plain = written
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'$'));
        if !plain || written.is_empty() {
            return None;
        }
        let (first, rest) = written.split_once('.').unwrap_or((written, ""));
        let first = self.imports.get(first).unwrap_or(first);
        let path = if rest.is_empty() {
            first.to_owned()
        } else {
            format!("{first}.{rest}")
        };
        Some(path)
    }

    fn note_uses(&mut self, node: Node<'t>, parts: tree::Parts<'t>) {
        let source = self.source;
        let receiver = parts
            .object
            .or_else(|| tree::member(parts.function).map(|(object, _)| object));
        let mut names: Vec<&'s str> = receiver
            .and_then(|receiver| variable_name(receiver, source))
            .into_iter()
            .collect();
        if let Some(arguments) = parts.arguments {
            let mut cursor = arguments.walk();
            for argument in arguments.named_children(&mut cursor) {
                names.extend(variable_name(argument, source));
            }
        }
        for name in names {
            self.uses.entry(name).or_default().push(node);
        }
    }

    /// The value of a variable as it is seen at a byte: the last one before it in the innermost scope that has any.
    pub(super) fn variable(&self, name: &str, byte: usize) -> Option<Node<'t>> {
        let (bounds, at) = self.bound(name, byte)?;
        bounds.get(at).map(|bound| bound.value)
    }

    /// The values that a variable may have at a byte: those that branches before it gave it, or the one that it has.
    pub(super) fn values(&self, name: &str, byte: usize) -> Vec<Node<'t>> {
        let Some((bounds, at)) = self.bound(name, byte) else {
            return Vec::new();
        };
        let before = bounds.get(..=at).unwrap_or_default();
        let Some(last) = before.last() else {
            return Vec::new();
        };
        let outermost = self.around.branches_before(last.around, byte);
        let branches = outermost.map(|node| node.byte_range());
        let among = |bound: &&Bound<'t>| {
            branches
                .as_ref()
                .is_some_and(|range| range.contains(&bound.at) && last.at < byte)
        };
        let mut values: Vec<Node<'t>> = before
            .iter()
            .rev()
            .take_while(among)
            .take(MAX_VALUES)
            .map(|bound| bound.value)
            .collect();
        if values.is_empty() {
            values.push(last.value);
        } else if !outermost.is_some_and(branches::is_exhaustive) {
            // None of them may be taken: it keeps what it had.
            let kept = before
                .len()
                .checked_sub(values.len() + 1)
                .and_then(|at| before.get(at));
            values.extend(kept.map(|bound| bound.value));
        }
        values.reverse();
        values
    }

    /// All that a variable gets in the innermost scope that gives it anything before a byte, and the last of those.
    fn bound<'i>(&'i self, name: &'i str, byte: usize) -> Option<(&'i [Bound<'t>], usize)> {
        let mut scope = self.around.scope_at(byte);
        loop {
            if let Some(bounds) = self.variables.get(&(scope, name)) {
                let before = bounds.partition_point(|bound| bound.at < byte).checked_sub(1);
                // A constant of the file or the class may stand below its use.
                let at = before.or((scope == 0).then_some(0));
                if let Some(at) = at.filter(|at| *at < bounds.len()) {
                    return Some((bounds, at));
                }
            }
            if scope == 0 {
                return None;
            }
            scope = self.around.scope_around(scope)?;
        }
    }

    /// The value of a field as it is seen in a class: its own, or else that of the last class of the file that has one.
    pub(super) fn field(&self, name: &str, from: Node<'t>) -> Option<Node<'t>> {
        let own = self.around.class_at(from.start_byte()).and_then(|class| {
            let bound = self.variables.get(&(self.around.scope_at(class.start), name))?;
            let inside = |bound: &&Bound<'t>| class.contains(&bound.at);
            bound.iter().rev().find(inside)
        });
        own.map(|bound| bound.value)
            .or_else(|| self.variable(name, usize::MAX))
    }

    /// The variable that gets the value of this node.
    pub(super) fn target(&self, node: Node<'t>) -> Option<&'s str> {
        self.targets.get(&node.id()).copied()
    }

    /// Later calls, in the same scope or one inside of it, of which this variable is the object or an argument.
    pub(super) fn uses_of(&self, name: &str, from: Node<'t>) -> impl Iterator<Item = Node<'t>> {
        let after = from.end_byte();
        let scope = self.around.scope_at(from.start_byte());
        let within = self.around.scope_end(scope);
        let end = self.rebound(scope, name, after).unwrap_or(usize::MAX).min(within);
        let uses = self.uses.get(name).map(Vec::as_slice).unwrap_or_default();
        let first = uses.partition_point(|call| call.start_byte() < after);
        let later = uses.get(first..).unwrap_or_default().iter().copied();
        later.take_while(move |call| call.start_byte() < end)
    }

    /// Where the variable gets its next value in this scope.
    fn rebound(&self, scope: usize, name: &str, after: usize) -> Option<usize> {
        let bound = self.variables.get(&(scope, name))?;
        let next = bound.partition_point(|bound| bound.at <= after);
        bound.get(next).map(|bound| bound.at)
    }
}

/// The parts of a list on one side of an assignment, or the side itself.
fn parts_of_list(side: Node<'_>) -> Vec<Node<'_>> {
    match side.kind() {
        "expression_list" | "pattern_list" | "identifier_list" | "tuple_pattern" => {
            let mut cursor = side.walk();
            side.named_children(&mut cursor).collect()
        }
        _ => vec![side],
    }
}

/// The name of a variable, a field of `self` included.
pub(super) fn variable_name<'s>(node: Node<'_>, source: &'s [u8]) -> Option<&'s str> {
    let mut node = node;
    for _ in 0..8 {
        if tree::is_name(node.kind()) {
            return Some(text(node, source));
        }
        node = match node.kind() {
            "pointer_declarator" | "array_declarator" | "reference_declarator" => {
                node.child_by_field_name("declarator")?
            }
            "mut_pattern" => node.named_child(node.named_child_count().checked_sub(1)?.try_into().ok()?)?,
            "private_property_identifier" => return Some(text(node, source)),
            "keyword_argument" => node.child_by_field_name("value")?,
            _ => match tree::member(node) {
                Some((object, name)) if matches!(text(object, source), "self" | "this") => name,
                Some(_) => return None,
                None => tree::inside(node)?,
            },
        };
    }
    None
}
