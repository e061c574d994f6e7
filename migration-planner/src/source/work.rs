//! What one call may cost: an expression may stand for lists of lists, and a few lines for more than there is memory.

use std::cell::Cell;

use crate::inventory::Reason;
use crate::scan::Budget;

/// The most steps for one call: expressions, and 64 bytes each of the strings among them.
const MAX_STEPS: usize = 100_000;

/// The most entries of one list that are read, and the most suites of one offer.
pub(super) const MAX_LIST: usize = 1024;

/// What was done for the call that is looked at.
#[derive(Debug)]
pub(super) struct Work<'b> {
    budget: &'b Budget,
    steps: Cell<usize>,
    over: Cell<Option<Reason>>,
    cut: Cell<bool>,
}

impl<'b> Work<'b> {
    pub(super) fn new(budget: &'b Budget) -> Self {
        Self {
            budget,
            steps: Cell::new(0),
            over: Cell::new(None),
            cut: Cell::new(false),
        }
    }

    /// Another call begins.
    pub(super) fn begin(&self) {
        self.steps.set(0);
        self.over.set(None);
        self.cut.set(false);
    }

    /// Whether there may be one more step, and the string of so many bytes that it gives.
    pub(super) fn goes_on(&self, bytes: usize) -> bool {
        if self.over.get().is_some() {
            return false;
        }
        let before = self.steps.get();
        let steps = before.saturating_add(1 + bytes / 64);
        self.steps.set(steps);
        if steps > MAX_STEPS {
            self.over.set(Some(Reason::TooLarge));
        } else if before / 1024 != steps / 1024 && self.budget.is_spent() {
            self.over.set(Some(Reason::TimedOut));
        }
        self.over.get().is_none()
    }

    /// Why not all was looked at, if so.
    pub(super) fn over(&self) -> Option<Reason> {
        self.over.get()
    }

    /// Notes that a list is longer than [`MAX_LIST`].
    pub(super) fn cut(&self) {
        self.cut.set(true);
    }

    /// Whether a list was longer.
    pub(super) fn was_cut(&self) -> bool {
        self.cut.get()
    }
}
