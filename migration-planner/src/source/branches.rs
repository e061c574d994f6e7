//! Statements of which one branch is taken, or none.

use tree_sitter::Node;

use super::tree::{MAX_UP, is_scope};

/// Whether one of its branches is taken whatever happens.
pub(super) fn is_exhaustive(branches: Node<'_>) -> bool {
    match branches.kind() {
        "match_expression" => true,
        "if_statement" | "if_expression" => {
            let mut cursor = branches.walk();
            // Python has them all beside each other, the others each in the one before.
            let last = branches.children_by_field_name("alternative", &mut cursor).last();
            last.is_some_and(is_last_branch)
        }
        _ => {
            let mut cursor = branches.walk();
            let cases: Vec<Node<'_>> = branches.named_children(&mut cursor).collect();
            let body = branches.child_by_field_name("body");
            let mut inner = branches.walk();
            let inside = body.map(|body| body.named_children(&mut inner).collect::<Vec<_>>());
            let mut all = cases.into_iter().chain(inside.into_iter().flatten());
            all.any(is_default)
        }
    }
}

/// Whether what stands behind `else` is no further condition, or one that is exhaustive itself.
fn is_last_branch(alternative: Node<'_>) -> bool {
    match alternative.kind() {
        "elif_clause" => false,
        "if_statement" | "if_expression" => is_exhaustive(alternative),
        "else_clause" => {
            let mut cursor = alternative.walk();
            let further = alternative
                .named_children(&mut cursor)
                .find(|node| matches!(node.kind(), "if_statement" | "if_expression"));
            // `else { if … }` is one too, and then the walk ends at the block.
            further.is_none_or(|further| alternative.named_child_count() > 1 || is_exhaustive(further))
        }
        _ => true,
    }
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

/// The outermost statement of branches that this node is in, and that ends before a byte.
pub(super) fn branches_before(node: Node<'_>, byte: usize) -> Option<Node<'_>> {
    let up = std::iter::successors(node.parent(), Node::parent).take(MAX_UP);
    let ended = up.take_while(|node| node.end_byte() <= byte && !is_scope(node.kind()));
    let branches = ended.filter(|node| {
        matches!(
            node.kind(),
            "if_statement"
                | "switch_statement"
                | "switch_expression"
                | "expression_switch_statement"
                | "type_switch_statement"
                | "match_statement"
                | "if_expression"
                | "match_expression"
        )
    });
    branches.last()
}
