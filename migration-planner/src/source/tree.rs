//! What the grammars have in common: calls, arguments, names and literals, under the names that each gives them.

use tree_sitter::Node;

use super::branches::is_branches;

/// The text of a node; empty when it is not UTF-8.
pub(super) fn text<'s>(node: Node<'_>, source: &'s [u8]) -> &'s str {
    source
        .get(node.byte_range())
        .and_then(|bytes| std::str::from_utf8(bytes).ok())
        .unwrap_or_default()
}

/// A call, a construction, or a composite literal, in parts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts<'t> {
    /// The object of a method, in grammars that have it apart from the name.
    pub(super) object: Option<Node<'t>>,
    /// The function, or the type that is constructed.
    pub(super) function: Node<'t>,
    /// Whether it constructs.
    pub(super) constructs: bool,
    /// The arguments.
    pub(super) arguments: Option<Node<'t>>,
}

/// The parts of a call, if this is one.
pub(super) fn call(node: Node<'_>) -> Option<Parts<'_>> {
    let field = |name| node.child_by_field_name(name);
    let (object, function, constructs) = match node.kind() {
        "call" | "call_expression" => (None, field("function")?, false),
        "method_invocation" => (field("object"), field("name")?, false),
        "object_creation_expression" => (None, field("type")?, true),
        "new_expression" => (None, field("constructor").or_else(|| field("type"))?, true),
        "composite_literal" => (None, field("type")?, false),
        _ => return None,
    };
    Some(Parts {
        object,
        function,
        constructs,
        arguments: field("arguments").or_else(|| field("body")),
    })
}

/// A dotted name in parts: what is before the last dot, and the last part.
pub(super) fn member(node: Node<'_>) -> Option<(Node<'_>, Node<'_>)> {
    let field = |name| node.child_by_field_name(name);
    let (object, name) = match node.kind() {
        "attribute" => (field("object"), field("attribute")),
        "selector_expression" => (field("operand"), field("field")),
        "member_expression" => (field("object"), field("property")),
        "field_access" => (field("object"), field("field")),
        "field_expression" => (field("argument").or_else(|| field("value")), field("field")),
        "scoped_identifier" => (field("path").or_else(|| field("scope")), field("name")),
        "scoped_type_identifier" => match field("path") {
            Some(path) => (Some(path), field("name")),
            None => (node.named_child(0), last_named(node)),
        },
        "qualified_identifier" => (field("scope"), field("name")),
        "qualified_type" => (field("package"), field("name")),
        _ => return None,
    };
    Some((object?, name?))
}

fn last_named(node: Node<'_>) -> Option<Node<'_>> {
    let last = u32::try_from(node.named_child_count()).ok()?.checked_sub(1)?;
    node.named_child(last)
}

/// What is inside of parentheses, references, casts and the like, which change nothing here.
pub(super) fn inside(node: Node<'_>) -> Option<Node<'_>> {
    match node.kind() {
        "parenthesized_expression"
        | "await_expression"
        | "await"
        | "try_expression"
        | "spread_element"
        | "as_expression"
        | "satisfies_expression"
        | "non_null_expression"
        | "literal_element"
        | "expression_statement"
        | "array_type" => node.named_child(0),
        "reference_expression"
        | "cast_expression"
        | "type_cast_expression"
        | "type_conversion_expression" => node.child_by_field_name("value").or_else(|| last_named(node)),
        "unary_expression" | "pointer_expression" => {
            let operator = node.child_by_field_name("operator")?.kind();
            let inner = node
                .child_by_field_name("operand")
                .or_else(|| node.child_by_field_name("argument"));
            matches!(operator, "&" | "*").then_some(inner).flatten()
        }
        "generic_type" => node.child_by_field_name("type").or_else(|| node.named_child(0)),
        "generic_function" => node.child_by_field_name("function"),
        "bracketed_type" => node.named_child(0),
        // One value on a side, as Go has it.
        "expression_list" if node.named_child_count() == 1 => node.named_child(0),
        _ => None,
    }
}

/// Whether this is a name without dots.
pub(super) fn is_name(kind: &str) -> bool {
    matches!(
        kind,
        "identifier"
            | "type_identifier"
            | "field_identifier"
            | "package_identifier"
            | "property_identifier"
            | "namespace_identifier"
            | "shorthand_property_identifier"
            | "shorthand_field_identifier"
            | "self"
            | "this"
            | "crate"
            | "super"
    )
}

/// Whether variables inside of it are not seen outside.
pub(super) fn is_scope(kind: &str) -> bool {
    matches!(
        kind,
        "function_definition"
            | "function_declaration"
            | "method_declaration"
            | "constructor_declaration"
            | "function_item"
            | "arrow_function"
            | "function_expression"
            | "function"
            | "method_definition"
            | "lambda"
            | "lambda_expression"
            | "closure_expression"
            | "func_literal"
            | "generator_function_declaration"
    )
}

/// How far out of branches, or along a chain of them, anything is looked for.
pub(super) const MAX_UP: usize = 256;

/// Whether it is a class or the like, with fields of its own.
pub(super) fn is_class(kind: &str) -> bool {
    matches!(
        kind,
        "class_definition"
            | "class_declaration"
            | "class"
            | "enum_declaration"
            | "class_specifier"
            | "struct_specifier"
            | "impl_item"
    )
}

/// Whether it imports: names inside of it are no uses.
pub(super) fn is_import(kind: &str) -> bool {
    matches!(
        kind,
        "import_statement"
            | "import_from_statement"
            | "future_import_statement"
            | "import_declaration"
            | "package_declaration"
            | "package_clause"
            | "use_declaration"
            | "extern_crate_declaration"
            | "preproc_include"
            | "mod_item_declaration"
    )
}

/// Whether a walk has to look at nodes of this kind, beyond what is inside of them.
pub(super) fn is_of_interest(kind: &str) -> bool {
    is_import(kind)
        || is_scope(kind)
        || is_class(kind)
        || is_branches(kind)
        || is_name(kind)
        || matches!(
            kind,
            // Calls.
            "call"
                | "call_expression"
                | "method_invocation"
                | "object_creation_expression"
                | "new_expression"
                | "composite_literal"
                // Dotted names, and what may stand around the name of a function.
                | "attribute"
                | "selector_expression"
                | "member_expression"
                | "field_access"
                | "field_expression"
                | "scoped_identifier"
                | "scoped_type_identifier"
                | "qualified_identifier"
                | "qualified_type"
                | "generic_function"
                | "parenthesized_expression"
                // Assignments.
                | "assignment"
                | "assignment_expression"
                | "short_var_declaration"
                | "assignment_statement"
                | "assignment_pattern"
                | "variable_declarator"
                | "const_spec"
                | "var_spec"
                | "const_item"
                | "static_item"
                | "enumerator"
                | "enum_assignment"
                | "default_parameter"
                | "typed_default_parameter"
                | "preproc_def"
                | "preproc_arg"
                | "field_initializer"
                | "public_field_definition"
                | "field_definition"
                | "let_declaration"
                | "init_declarator"
                | "named_expression"
                | "optional_parameter"
                | "required_parameter"
                | "type_item"
                | "type_alias"
                | "alias_declaration"
        )
}

/// Which kinds of a grammar are of interest, by their numbers.
pub(super) fn kinds_of_interest(language: &tree_sitter::Language) -> Vec<bool> {
    (0..language.node_kind_count())
        .map(|id| {
            u16::try_from(id)
                .ok()
                .and_then(|id| language.node_kind_for_id(id))
                .is_some_and(is_of_interest)
        })
        .collect()
}

/// The name and the value of an assignment, a declaration or a default.
pub(super) fn assignment(node: Node<'_>) -> Option<(Node<'_>, Node<'_>)> {
    let field = |name| node.child_by_field_name(name);
    let (name, value) = match node.kind() {
        "assignment"
        | "assignment_expression"
        | "short_var_declaration"
        | "assignment_statement"
        | "assignment_pattern" => (field("left")?, field("right")?),
        "variable_declarator"
        | "const_spec"
        | "var_spec"
        | "const_item"
        | "static_item"
        | "enumerator"
        | "enum_assignment"
        | "default_parameter"
        | "typed_default_parameter"
        | "preproc_def"
        | "field_initializer" => (field("name")?, field("value")?),
        "public_field_definition" | "field_definition" => {
            (field("name").or_else(|| field("property"))?, field("value")?)
        }
        "let_declaration" => (field("pattern")?, field("value")?),
        "init_declarator" => (field("declarator")?, field("value")?),
        "named_expression" => (field("name")?, field("value")?),
        "optional_parameter" | "required_parameter" => (field("pattern")?, field("value")?),
        "type_item" => (field("name")?, field("type")?),
        "type_alias" | "alias_declaration" => (field("name")?, field("type")?),
        _ => return None,
    };
    Some((name, value))
}

/// The text of a string literal, without prefix and quotes. Escapes stay as they are: no name of an algorithm has one.
pub(super) fn literal(node: Node<'_>, source: &[u8]) -> Option<String> {
    match node.kind() {
        "string_literal"
        | "string"
        | "interpreted_string_literal"
        | "raw_string_literal"
        | "template_string"
        | "char_literal"
        | "preproc_arg" => {
            let whole = text(node, source).trim();
            let (open, _) = whole
                .char_indices()
                .find(|(_, c)| matches!(c, '"' | '\'' | '`'))?;
            let prefix = whole.get(..open)?;
            if prefix.len() > 3 || prefix.contains(['f', 'F']) {
                return None;
            }
            let quoted = whole.get(open..)?.trim_end_matches('#');
            if node.kind() == "template_string" && quoted.contains("${") {
                return None;
            }
            for quote in ["\"\"\"", "'''", "\"", "'", "`"] {
                if let Some(inner) = quoted.strip_prefix(quote) {
                    return inner.strip_suffix(quote).map(str::to_owned);
                }
            }
            None
        }
        "concatenated_string" => {
            let mut cursor = node.walk();
            let mut joined = String::new();
            for part in node.named_children(&mut cursor) {
                joined.push_str(&literal(part, source)?);
            }
            Some(joined)
        }
        _ => None,
    }
}

/// The value of a whole number as written.
pub(super) fn number(node: Node<'_>, source: &[u8]) -> Option<i64> {
    match node.kind() {
        "integer"
        | "int_literal"
        | "decimal_integer_literal"
        | "hex_integer_literal"
        | "number_literal"
        | "number"
        | "integer_literal"
        | "preproc_arg" => parse_number(text(node, source)),
        _ => None,
    }
}

fn parse_number(text: &str) -> Option<i64> {
    let plain: String = text
        .trim()
        .trim_matches(['(', ')'])
        .chars()
        .filter(|c| !matches!(c, '_' | '\''))
        .collect();
    if let Some(hex) = plain.strip_prefix("0x").or_else(|| plain.strip_prefix("0X")) {
        let digits = hex.trim_end_matches(['u', 'U', 'l', 'L', 'n']);
        return i64::from_str_radix(digits, 16).ok();
    }
    let end = plain.find(|c: char| !c.is_ascii_digit()).unwrap_or(plain.len());
    let (digits, suffix) = plain.split_at(end);
    let suffixed = [
        "", "u", "U", "l", "L", "ul", "UL", "n", "u8", "u16", "u32", "u64", "usize", "i32", "i64",
    ];
    suffixed.contains(&suffix).then(|| digits.parse().ok()).flatten()
}
