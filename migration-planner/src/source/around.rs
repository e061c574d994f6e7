//! What is around the places of a file: functions, classes, and statements of which one branch is taken. They are noted
//! on the one walk over the tree, since a node that is asked for its parent looks for it from the root on.

use std::ops::Range;

use tree_sitter::Node;

use super::branches::is_branches;
use super::tree::{self, MAX_UP};

/// What is around a node.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Around {
    /// The innermost function, by number; 0 for the file.
    pub(super) scope: usize,
    class: Option<usize>,
    branches: Option<usize>,
}

/// A function's range and the one around it.
#[derive(Debug)]
struct Scope {
    range: Range<usize>,
    parent: usize,
}

/// A class' range and the one around it.
#[derive(Debug)]
struct Class {
    range: Range<usize>,
    parent: Option<usize>,
}

/// A statement of branches, and the one around it in the same function.
#[derive(Debug)]
struct Branches<'t> {
    node: Node<'t>,
    parent: Option<usize>,
}

/// Everything that is around something in a file, each list in the order of its beginnings.
#[derive(Debug)]
pub(super) struct Surroundings<'t> {
    scopes: Vec<Scope>,
    classes: Vec<Class>,
    branches: Vec<Branches<'t>>,
}

impl<'t> Surroundings<'t> {
    /// Of a file of this length, before the walk.
    pub(super) fn new(length: usize) -> Self {
        Self {
            scopes: vec![Scope {
                range: 0..length,
                parent: 0,
            }],
            classes: Vec::new(),
            branches: Vec::new(),
        }
    }

    /// What is around the nodes inside of this one.
    pub(super) fn enter(&mut self, node: Node<'t>, kind: &str, around: Around) -> Around {
        let mut inside = around;
        if tree::is_scope(kind) {
            self.scopes.push(Scope {
                range: node.byte_range(),
                parent: around.scope,
            });
            inside.scope = self.scopes.len() - 1;
            // Whether a function is called is not up to the branch that it stands in.
            inside.branches = None;
        }
        if tree::is_class(kind) {
            self.classes.push(Class {
                range: node.byte_range(),
                parent: around.class,
            });
            inside.class = Some(self.classes.len() - 1);
        }
        if is_branches(kind) {
            self.branches.push(Branches {
                node,
                parent: around.branches,
            });
            inside.branches = Some(self.branches.len() - 1);
        }
        inside
    }

    /// The innermost scope around a byte.
    pub(super) fn scope_at(&self, byte: usize) -> usize {
        let mut scope = self
            .scopes
            .partition_point(|scope| scope.range.start <= byte)
            .saturating_sub(1);
        while let Some(here) = self.scopes.get(scope) {
            if here.range.contains(&byte) || scope == 0 {
                break;
            }
            scope = here.parent;
        }
        scope
    }

    /// The scope around a scope.
    pub(super) fn scope_around(&self, scope: usize) -> Option<usize> {
        self.scopes.get(scope).map(|scope| scope.parent)
    }

    /// Where a scope ends.
    pub(super) fn scope_end(&self, scope: usize) -> usize {
        self.scopes.get(scope).map_or(0, |scope| scope.range.end)
    }

    /// The innermost class around a byte.
    pub(super) fn class_at(&self, byte: usize) -> Option<&Range<usize>> {
        let before = self.classes.partition_point(|class| class.range.start <= byte);
        let mut at = before.checked_sub(1);
        while let Some(class) = at.and_then(|at| self.classes.get(at)) {
            if class.range.contains(&byte) {
                return Some(&class.range);
            }
            at = class.parent;
        }
        None
    }

    /// The outermost statement of branches around a place that ends before a byte. Of those beyond very many nobody asks.
    pub(super) fn branches_before(&self, around: Around, byte: usize) -> Option<Node<'t>> {
        let innermost = around.branches.and_then(|at| self.branches.get(at));
        let outwards = std::iter::successors(innermost, |inner| self.branches.get(inner.parent?));
        let ended = outwards.take_while(|branches| branches.node.end_byte() <= byte);
        ended.take(MAX_UP).last().map(|branches| branches.node)
    }
}
