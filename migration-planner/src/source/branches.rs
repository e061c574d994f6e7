//! Statements of which one branch is taken, or none.

use tree_sitter::Node;

use super::tree::MAX_UP;

/// Whether one of its branches is taken whatever happens. Of a chain with very many links nobody knows.
pub(super) fn is_exhaustive(branches: Node<'_>) -> bool {
    let mut branches = branches;
    for _ in 0..MAX_UP {
        match branches.kind() {
            "match_expression" => return true,
            "if_statement" | "if_expression" => match last_branch(branches) {
                Last::Further(condition) => branches = condition,
                Last::Whatever => return true,
                Last::Missing => return false,
            },
            _ => return has_default(branches),
        }
    }
    false
}

/// How a condition ends.
enum Last<'t> {
    /// With a further condition, behind `else`.
    Further(Node<'t>),
    /// With what is done if nothing else is.
    Whatever,
    /// With nothing for that.
    Missing,
}

/// What stands behind the last `else` of a condition.
fn last_branch(condition: Node<'_>) -> Last<'_> {
    let mut cursor = condition.walk();
    // Python has them all beside each other, the others each in the one before.
    let Some(last) = condition
        .children_by_field_name("alternative", &mut cursor)
        .last()
    else {
        return Last::Missing;
    };
    match last.kind() {
        "elif_clause" => Last::Missing,
        "if_statement" | "if_expression" => Last::Further(last),
        "else_clause" => {
            let mut cursor = last.walk();
            let further = last
                .named_children(&mut cursor)
                .find(|node| matches!(node.kind(), "if_statement" | "if_expression"));
            // `else { if … }` is one too, and then the walk ends at the block.
            match further {
                Some(further) if last.named_child_count() == 1 => Last::Further(further),
                _ => Last::Whatever,
            }
        }
        _ => Last::Whatever,
    }
}

/// Whether a `switch` has a case for everything else.
fn has_default(switch: Node<'_>) -> bool {
    let mut cursor = switch.walk();
    let mut inner = switch.walk();
    let mut cases = switch.named_children(&mut cursor);
    cases.any(is_default)
        || switch
            .child_by_field_name("body")
            .is_some_and(|body| body.named_children(&mut inner).any(is_default))
}

/// `default:`, `case _:`.
fn is_default(case: Node<'_>) -> bool {
    let mut cursor = case.walk();
    let mut parts = case.children(&mut cursor);
    let names_it = |node: &Node<'_>| matches!(node.kind(), "default" | "wildcard_pattern" | "_");
    case.kind().contains("default")
        || parts.any(|part| {
            names_it(&part)
                || part.kind() == "switch_label"
                    && part.child(0).is_some_and(|first| first.kind() == "default")
        })
}

/// Whether it is a statement of which one branch is taken, or none.
pub(super) fn is_branches(kind: &str) -> bool {
    matches!(
        kind,
        "if_statement"
            | "switch_statement"
            | "switch_expression"
            | "expression_switch_statement"
            | "type_switch_statement"
            | "match_statement"
            | "if_expression"
            | "match_expression"
    )
}
