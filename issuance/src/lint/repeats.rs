//! Whether something stands in a list a second time, in time that does not grow with the square of the list.

use std::collections::HashSet;

/// Up to here comparing is cheaper than hashing, and takes no memory.
const FEW: usize = 16;

/// What has been seen.
pub(super) struct Repeats<'a> {
    few: [&'a [u8]; FEW],
    len: usize,
    many: HashSet<&'a [u8]>,
}

impl<'a> Repeats<'a> {
    pub(super) fn new() -> Self {
        Self {
            few: [&[]; FEW],
            len: 0,
            many: HashSet::new(),
        }
    }

    /// Whether it has been seen before. From now on it has.
    pub(super) fn repeats(&mut self, item: &'a [u8]) -> bool {
        let few = self.few.get(..self.len).unwrap_or(&self.few);
        if few.contains(&item) {
            return true;
        }
        if let Some(free) = self.few.get_mut(self.len) {
            *free = item;
            self.len += 1;
            return false;
        }
        !self.many.insert(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_and_many_are_remembered() {
        let items: Vec<[u8; 1]> = (0..40).map(|item| [item]).collect();
        let mut seen = Repeats::new();
        for turn in [false, true] {
            for item in &items {
                assert_eq!(seen.repeats(item), turn, "{item:?}");
            }
        }
        assert!(!Repeats::new().repeats(&[]));
    }
}
