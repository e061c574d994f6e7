//! What the names at the beginning of a file stand for.

use std::collections::HashMap;

use tree_sitter::Node;

use super::tree::{self, text};

/// The longest nesting of a Rust `use`.
const MAX_NESTING: usize = 16;

/// Imported names with what they stand for, and the places from which everything was imported.
#[derive(Debug, Default)]
pub(super) struct Imports {
    names: HashMap<String, String>,
    wildcards: Vec<String>,
}

impl Imports {
    /// What an imported name stands for, dotted.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.names.get(name).map(String::as_str)
    }

    /// From where everything was imported.
    pub(super) fn wildcards(&self) -> &[String] {
        &self.wildcards
    }

    /// Reads an import of any of the languages.
    pub(super) fn read(&mut self, node: Node<'_>, source: &[u8]) {
        match node.kind() {
            "import_declaration" if node.child_by_field_name("path").is_none() => {
                let mut cursor = node.walk();
                let specs: Vec<_> = node.named_children(&mut cursor).collect();
                if specs.iter().any(|spec| spec.kind().starts_with("import_spec")) {
                    specs.into_iter().for_each(|spec| self.go(spec, source));
                } else {
                    self.java(text(node, source));
                }
            }
            "import_statement" => match node.child_by_field_name("source") {
                Some(from) => self.javascript(node, from, source),
                None => self.python(node, source),
            },
            "import_from_statement" => self.python_from(node, source),
            "use_declaration" => {
                if let Some(argument) = node.child_by_field_name("argument") {
                    let tree: String = text(argument, source).replace("::", ".");
                    self.rust(&tree, "", 0);
                }
            }
            _ => {}
        }
    }

    fn add(&mut self, name: &str, stands_for: String) {
        if !name.is_empty() && name != "_" {
            self.names.insert(name.to_owned(), stands_for);
        }
    }

    fn java(&mut self, line: &str) {
        let line = line.trim().trim_end_matches(';');
        let mut words = line
            .split_whitespace()
            .skip(1)
            .skip_while(|word| *word == "static");
        let Some(path) = words.next() else { return };
        match path.rsplit_once('.') {
            Some((package, "*")) => self.wildcards.push(package.to_owned()),
            Some((_, name)) => self.add(name, path.to_owned()),
            None => {}
        }
    }

    fn go(&mut self, spec: Node<'_>, source: &[u8]) {
        if spec.kind() == "import_spec_list" {
            let mut cursor = spec.walk();
            let inner: Vec<_> = spec.named_children(&mut cursor).collect();
            inner.into_iter().for_each(|spec| self.go(spec, source));
            return;
        }
        let Some(path) = spec
            .child_by_field_name("path")
            .and_then(|path| tree::literal(path, source))
        else {
            return;
        };
        match spec.child_by_field_name("name").map(|name| text(name, source)) {
            Some(".") => self.wildcards.push(path),
            Some(name) => self.add(name, path),
            None => {
                // The package's name is the last part of its path that is no version.
                let mut parts = path.rsplit('/');
                let last = parts.next().unwrap_or_default();
                let version =
                    last.len() > 1 && last.starts_with('v') && last.get(1..).is_some_and(all_digits);
                let name = if version {
                    parts.next().unwrap_or(last)
                } else {
                    last
                };
                let name = name.split(".v").next().unwrap_or(name).to_owned();
                self.add(&name, path);
            }
        }
    }

    fn python(&mut self, node: Node<'_>, source: &[u8]) {
        let mut cursor = node.walk();
        for part in node.children_by_field_name("name", &mut cursor) {
            if part.kind() == "aliased_import" {
                let (Some(name), Some(alias)) = (
                    part.child_by_field_name("name"),
                    part.child_by_field_name("alias"),
                ) else {
                    continue;
                };
                self.add(text(alias, source), text(name, source).to_owned());
            } else {
                // `import a.b.c` binds `a`, which stands for itself.
                let first = text(part, source).split('.').next().unwrap_or_default();
                self.add(first, first.to_owned());
            }
        }
    }

    fn python_from(&mut self, node: Node<'_>, source: &[u8]) {
        let Some(module) = node.child_by_field_name("module_name").map(|m| text(m, source)) else {
            return;
        };
        let mut cursor = node.walk();
        for part in node.named_children(&mut cursor) {
            if part.kind() == "wildcard_import" {
                self.wildcards.push(module.to_owned());
            }
        }
        let mut cursor = node.walk();
        for part in node.children_by_field_name("name", &mut cursor) {
            let (name, alias) = match part.kind() {
                "aliased_import" => (
                    part.child_by_field_name("name"),
                    part.child_by_field_name("alias"),
                ),
                _ => (Some(part), None),
            };
            let Some(name) = name.map(|name| text(name, source)) else {
                continue;
            };
            let alias = alias.map_or(name, |alias| text(alias, source));
            self.add(alias, format!("{module}.{name}"));
        }
    }

    fn javascript(&mut self, node: Node<'_>, from: Node<'_>, source: &[u8]) {
        let Some(module) = tree::literal(from, source).map(|module| module_name(&module)) else {
            return;
        };
        let mut open: Vec<Node<'_>> = vec![node];
        while let Some(part) = open.pop() {
            match part.kind() {
                "identifier" => self.add(text(part, source), module.clone()),
                "namespace_import" => {
                    if let Some(name) = part.named_child(0) {
                        self.add(text(name, source), module.clone());
                    }
                }
                "import_specifier" => {
                    let Some(name) = part.child_by_field_name("name").map(|name| text(name, source)) else {
                        continue;
                    };
                    let alias = part.child_by_field_name("alias").map(|alias| text(alias, source));
                    let path = if name == "default" {
                        module.clone()
                    } else {
                        format!("{module}.{name}")
                    };
                    self.add(alias.unwrap_or(name), path);
                }
                "import_statement" | "import_clause" | "named_imports" => {
                    let mut cursor = part.walk();
                    open.extend(part.named_children(&mut cursor));
                }
                _ => {}
            }
        }
    }

    /// A variable that holds a module.
    pub(super) fn alias(&mut self, name: &str, module: String) {
        self.add(name, module);
    }

    /// `const { createHash, webcrypto: web } = require('crypto')`: the names on the left.
    pub(super) fn destructure(&mut self, pattern: Node<'_>, path: &str, source: &[u8]) {
        let mut cursor = pattern.walk();
        for part in pattern.named_children(&mut cursor) {
            let (name, alias) = match part.kind() {
                "pair_pattern" => (part.child_by_field_name("key"), part.child_by_field_name("value")),
                "object_assignment_pattern" => (part.child_by_field_name("left"), None),
                _ => (Some(part), None),
            };
            let Some(name) = name.map(|name| text(name, source)) else {
                continue;
            };
            let alias = alias.map_or(name, |alias| text(alias, source));
            self.add(alias, format!("{path}.{name}"));
        }
    }

    /// A `use` with its dots: `a.b.{c as d, e.*}`.
    fn rust(&mut self, tree: &str, before: &str, depth: usize) {
        let tree = tree.trim();
        if depth > MAX_NESTING || tree.is_empty() {
            return;
        }
        let join = |part: &str| match (before.is_empty(), part.is_empty()) {
            (true, _) => part.to_owned(),
            (false, true) => before.to_owned(),
            (false, false) => format!("{before}.{part}"),
        };
        if let Some((path, list)) = tree.split_once('{') {
            let Some(list) = list.trim_end().strip_suffix('}') else {
                return;
            };
            let inner = join(path.trim().trim_end_matches('.'));
            for part in split_list(list) {
                self.rust(part, &inner, depth + 1);
            }
            return;
        }
        let (path, alias) = match tree.split_once(" as ") {
            Some((path, alias)) => (path.trim(), Some(alias.trim())),
            None => (tree, None),
        };
        if let Some(all) = path.strip_suffix('*') {
            self.wildcards.push(join(all.trim_end_matches('.')));
            return;
        }
        let whole = if path == "self" {
            before.to_owned()
        } else {
            join(path)
        };
        let last = whole.rsplit('.').next().unwrap_or_default().to_owned();
        self.add(alias.unwrap_or(&last), whole);
    }
}

fn all_digits(part: &str) -> bool {
    part.bytes().all(|byte| byte.is_ascii_digit())
}

/// Splits at the commas that are in no braces.
fn split_list(list: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0_usize, 0, Vec::new());
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(list.get(start..at).unwrap_or_default());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(list.get(start..).unwrap_or_default());
    parts
}

/// The name of a module of JavaScript, without what says only how it is loaded.
pub(super) fn module_name(module: &str) -> String {
    let module = module.strip_prefix("node:").unwrap_or(module);
    let module = module.strip_suffix(".js").unwrap_or(module);
    module.to_owned()
}
