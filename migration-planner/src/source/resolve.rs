//! What an expression stands for, as far as the file says it: strings, numbers, lengths, names through imports,
//! aliases and constants. One resolver for every language.

use tree_sitter::Node;

use super::index::Index;
use super::known::{BYTE_MAKERS, CONVERSIONS, SETTINGS};
use super::macros;
use super::table::Table;
use super::tree::{self, text};
use super::work::{MAX_LIST, Work};

/// How many steps from a use to its origin are followed.
pub(super) const MAX_DEPTH: usize = 24;

/// The most alternatives of one expression.
const MAX_ALTERNATIVES: usize = 8;

/// What an expression stands for.
#[derive(Clone, Debug)]
pub(super) enum Value<'t> {
    /// A string.
    Text(String),
    /// A whole number.
    Number(i64),
    /// Bytes, of which only the length is known.
    Bytes(i64),
    /// A dotted name that is defined elsewhere.
    Path(String),
    /// What a call gives.
    Call(Node<'t>),
    /// A list.
    List(Vec<Self>),
    /// Names with values.
    Map(Vec<(String, Self)>),
    /// One of these.
    OneOf(Vec<Self>),
    /// Nobody can tell.
    Unknown,
}

/// A file together with the tables of its language.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'i, 't, 's> {
    pub(super) index: &'i Index<'t, 's>,
    pub(super) table: &'i Table,
    /// What the call that is looked at has cost so far.
    pub(super) work: &'i Work<'i>,
}

impl<'t> Reader<'_, 't, '_> {
    fn text(&self, node: Node<'t>) -> String {
        text(node, self.index.source).to_owned()
    }

    /// The dotted path of a name or a call, through imports and variables.
    pub(super) fn path_of(&self, node: Node<'t>, depth: usize) -> Option<String> {
        if depth > MAX_DEPTH {
            return None;
        }
        let kind = node.kind();
        if tree::is_name(kind) {
            let name = text(node, self.index.source);
            let through = self
                .index
                .variable(name, node.start_byte())
                .and_then(|value| self.path_of(value, depth + 1));
            return Some(through.unwrap_or_else(|| match self.index.imports.get(name) {
                Some(path) => path.to_owned(),
                None => name.to_owned(),
            }));
        }
        if let Some((object, name)) = tree::member(node) {
            let name = text(name, self.index.source);
            if matches!(text(object, self.index.source), "self" | "this" | "Self") {
                let value = self.index.field(name, node)?;
                return self.path_of(value, depth + 1);
            }
            return Some(format!("{}.{name}", self.path_of(object, depth + 1)?));
        }
        if let Some(module) = self.index.required(node) {
            return Some(module);
        }
        if node.kind() == "preproc_arg" {
            return macros::only_name(text(node, self.index.source)).map(str::to_owned);
        }
        if tree::call(node).is_some() {
            return self.function_of(node, depth).map(|path| format!("{path}()"));
        }
        tree::inside(node).and_then(|inner| self.path_of(inner, depth + 1))
    }

    /// The dotted path of what is called.
    pub(super) fn function_of(&self, call: Node<'t>, depth: usize) -> Option<String> {
        let parts = tree::call(call)?;
        let path = match parts.object {
            Some(object) => format!(
                "{}.{}",
                self.path_of(object, depth + 1)?,
                text(parts.function, self.index.source)
            ),
            // A method of the same class, a function that was imported, or one of C.
            None => self.path_of(parts.function, depth + 1)?,
        };
        Some(if parts.constructs {
            format!("{path}.new")
        } else {
            path
        })
    }

    /// What an expression stands for.
    pub(super) fn eval(&self, node: Node<'t>, depth: usize) -> Value<'t> {
        if depth > MAX_DEPTH || !self.work.goes_on(0) {
            return Value::Unknown;
        }
        let source = self.index.source;
        if let Some(literal) = tree::literal(node, source) {
            if !self.work.goes_on(literal.len()) {
                return Value::Unknown;
            }
            return Value::Text(literal);
        }
        if let Some(number) = tree::number(node, source) {
            return Value::Number(number);
        }
        let kind = node.kind();
        if tree::is_name(kind) {
            let (name, at) = (text(node, source), node.start_byte());
            // Deeper down one value has to do, or branches of branches would come to very many.
            let values = match depth {
                0..=2 => self.index.values(name, at),
                _ => self.index.variable(name, at).into_iter().collect(),
            };
            return match one_of(values.into_iter().map(|value| self.eval(value, depth + 1))) {
                Value::Unknown => self.path_value(node, depth),
                value => value,
            };
        }
        if let Some((object, name)) = tree::member(node) {
            return self.member(node, object, name, depth);
        }
        match kind {
            "call"
            | "call_expression"
            | "method_invocation"
            | "object_creation_expression"
            | "new_expression" => self.call(node, depth),
            "composite_literal" => match node.child_by_field_name("body") {
                Some(body) => self.eval(body, depth + 1),
                None => Value::Unknown,
            },
            "dictionary" | "object" | "literal_value" | "list" | "array" | "array_initializer" | "tuple"
            | "array_expression" | "initializer_list" | "set" => self.collection(node, depth),
            "array_creation_expression" => self.new_array(node, depth),
            "binary_operator" | "binary_expression" => self.binary(node, depth),
            "conditional_expression" | "ternary_expression" => {
                let field = |name| node.child_by_field_name(name);
                let branches = match (field("consequence"), field("alternative")) {
                    (Some(yes), Some(no)) => [Some(yes), Some(no)],
                    _ => [node.named_child(0), node.named_child(2)],
                };
                one_of(
                    branches
                        .into_iter()
                        .flatten()
                        .map(|node| self.eval(node, depth + 1)),
                )
            }
            "method_reference" => Value::Unknown,
            _ => tree::inside(node).map_or(Value::Unknown, |inner| self.eval(inner, depth + 1)),
        }
    }

    fn path_value(&self, node: Node<'t>, depth: usize) -> Value<'t> {
        self.path_of(node, depth + 1).map_or(Value::Unknown, Value::Path)
    }

    fn member(&self, node: Node<'t>, object: Node<'t>, name: Node<'t>, depth: usize) -> Value<'t> {
        let field = text(name, self.index.source);
        if let Value::Map(pairs) = self.eval(object, depth + 1)
            && let Some((_, value)) = pairs.into_iter().find(|(key, _)| key == field)
        {
            return value;
        }
        let path = self.path_of(node, depth + 1);
        if let Some(path) = &path
            && self.lookup(path).is_some()
        {
            return Value::Path(path.clone());
        }
        // A constant of a class or an enumeration of this file: `Algorithms.HASH`, `Kind.AES.value`.
        let object_name = text(object, self.index.source);
        let constant = match object_name {
            "self" | "this" | "Self" => self.index.field(field, node),
            _ => self.index.variable(field, usize::MAX),
        };
        let constant = constant.filter(|_| {
            // Nothing that was imported has its constants here.
            let object = object_name;
            self.index
                .imports
                .get(object.split('.').next().unwrap_or_default())
                .is_none()
        });
        match constant.map(|value| self.eval(value, depth + 1)) {
            Some(Value::Unknown) | None => {}
            Some(value) => return value,
        }
        if matches!(field, "value" | "name") {
            return self.eval(object, depth + 1);
        }
        path.map_or(Value::Unknown, Value::Path)
    }

    fn call(&self, node: Node<'t>, depth: usize) -> Value<'t> {
        let path = self.function_of(node, depth + 1);
        if path.as_deref().is_some_and(|path| self.lookup(path).is_some()) {
            return Value::Call(node);
        }
        let Some(parts) = tree::call(node) else {
            return Value::Unknown;
        };
        let written = self.text(parts.function);
        let name = written.rsplit(['.', ':']).next().unwrap_or_default();
        let argument = |at: usize| {
            let mut cursor = parts.arguments?.walk();
            parts.arguments?.named_children(&mut cursor).nth(at)
        };
        if let Some((_, at)) = BYTE_MAKERS.iter().find(|(maker, _)| *maker == name)
            && let Some(length) = argument(*at)
            && let Value::Number(length) = self.eval(length, depth + 1)
        {
            return Value::Bytes(length);
        }
        if SETTINGS.contains(&name)
            && let Some(default) = argument(1)
        {
            return self.eval(default, depth + 1);
        }
        let object = parts
            .object
            .or_else(|| tree::member(parts.function).map(|(object, _)| object));
        if CONVERSIONS.contains(&name) || parts.function.kind() == "array_type" {
            for side in [argument(0), object].into_iter().flatten() {
                match self.eval(side, depth + 1) {
                    Value::Unknown | Value::Path(_) => {}
                    value => return value,
                }
            }
        }
        // `[]byte("…")` and what a function of the file itself gives are not followed further.
        Value::Unknown
    }

    fn collection(&self, node: Node<'t>, depth: usize) -> Value<'t> {
        if let Some(length) = node.child_by_field_name("length") {
            return match self.eval(length, depth + 1) {
                Value::Number(length) => Value::Bytes(length),
                _ => Value::Unknown,
            };
        }
        let (mut pairs, mut items) = (Vec::new(), Vec::new());
        let mut cursor = node.walk();
        if node.named_child_count() > MAX_LIST {
            self.work.cut();
        }
        for child in node.named_children(&mut cursor).take(MAX_LIST) {
            match child.kind() {
                "pair" | "keyed_element" => {
                    let key = child.child_by_field_name("key").or_else(|| child.named_child(0));
                    let value = child
                        .child_by_field_name("value")
                        .or_else(|| child.named_child(1));
                    if let (Some(key), Some(value)) = (key, value) {
                        let name = tree::literal(key, self.index.source).unwrap_or_else(|| self.text(key));
                        pairs.push((name, self.eval(value, depth + 1)));
                    }
                }
                "shorthand_property_identifier" => {
                    pairs.push((self.text(child), self.eval(child, depth + 1)));
                }
                "comment" | "line_comment" | "block_comment" => {}
                _ => items.push(self.eval(child, depth + 1)),
            }
        }
        if pairs.is_empty() {
            Value::List(items)
        } else {
            Value::Map(pairs)
        }
    }

    /// `new byte[32]`, `new String[] { "TLSv1.2" }`.
    fn new_array(&self, node: Node<'t>, depth: usize) -> Value<'t> {
        if let Some(values) = node.child_by_field_name("value") {
            return self.eval(values, depth + 1);
        }
        let length = node
            .child_by_field_name("dimensions")
            .and_then(|dimensions| dimensions.named_child(0));
        match length.map(|length| self.eval(length, depth + 1)) {
            Some(Value::Number(length)) => Value::Bytes(length),
            _ => Value::Unknown,
        }
    }

    fn binary(&self, node: Node<'t>, depth: usize) -> Value<'t> {
        let field = |name| node.child_by_field_name(name);
        let (Some(left), Some(operator), Some(right)) = (field("left"), field("operator"), field("right"))
        else {
            return Value::Unknown;
        };
        let (left, right) = (self.eval(left, depth + 1), self.eval(right, depth + 1));
        match (left, operator.kind(), right) {
            (Value::Text(a), "+", Value::Text(b)) if a.len() + b.len() < 4096 => Value::Text(a + &b),
            (Value::Text(a), "+", Value::Number(b)) => Value::Text(format!("{a}{b}")),
            (Value::Number(a), operator, Value::Number(b)) => {
                arithmetic(a, operator, b).map_or(Value::Unknown, Value::Number)
            }
            // `options.hash || 'sha256'`.
            (Value::Unknown | Value::Path(_), "||" | "??" | "or", known) => known,
            _ => Value::Unknown,
        }
    }
}

fn arithmetic(a: i64, operator: &str, b: i64) -> Option<i64> {
    match operator {
        "+" => a.checked_add(b),
        "-" => a.checked_sub(b),
        "*" => a.checked_mul(b),
        "/" | "//" => a.checked_div(b),
        "<<" => a.checked_shl(u32::try_from(b).ok()?),
        ">>" => a.checked_shr(u32::try_from(b).ok()?),
        "**" => a.checked_pow(u32::try_from(b).ok()?),
        _ => None,
    }
}

fn one_of<'t>(values: impl Iterator<Item = Value<'t>>) -> Value<'t> {
    let mut known: Vec<Value<'t>> = values
        .filter(|value| !matches!(value, Value::Unknown))
        .take(MAX_ALTERNATIVES)
        .collect();
    match known.len() {
        0 => Value::Unknown,
        1 => known.pop().unwrap_or(Value::Unknown),
        _ => Value::OneOf(known),
    }
}
