//! The selectors of an entry.

use std::collections::BTreeSet;

use super::Selector;

/// A set of selectors that takes no more room than they do: there is one for each entry in memory, most have one or two
/// members, and a tree sets aside room for eleven.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Selectors(Box<[Selector]>);

impl Selectors {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first in their order.
    pub fn first(&self) -> Option<&Selector> {
        self.0.first()
    }

    /// All of them, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Selector> {
        self.0.iter()
    }

    /// Whether this is one of them.
    pub fn contains(&self, selector: &Selector) -> bool {
        self.0.binary_search(selector).is_ok()
    }

    /// Whether `others` has all of them.
    pub fn is_subset(&self, others: &BTreeSet<Selector>) -> bool {
        self.iter().all(|selector| others.contains(selector))
    }
}

impl From<BTreeSet<Selector>> for Selectors {
    fn from(selectors: BTreeSet<Selector>) -> Self {
        Self(selectors.into_iter().collect())
    }
}

impl<const N: usize> From<[Selector; N]> for Selectors {
    fn from(selectors: [Selector; N]) -> Self {
        selectors.into_iter().collect()
    }
}

impl FromIterator<Selector> for Selectors {
    fn from_iter<I: IntoIterator<Item = Selector>>(selectors: I) -> Self {
        BTreeSet::from_iter(selectors).into()
    }
}

impl<'a> IntoIterator for &'a Selectors {
    type Item = &'a Selector;
    type IntoIter = std::slice::Iter<'a, Selector>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_set() {
        let selector = |value: &str| Selector::new("unix", value);
        let selectors = Selectors::from([selector("b"), selector("a"), selector("b")]);
        assert_eq!(
            selectors.iter().collect::<Vec<_>>(),
            [&selector("a"), &selector("b")]
        );
        assert_eq!(selectors, Selectors::from([selector("a"), selector("b")]));
        assert!(selectors.contains(&selector("a")) && selectors.contains(&selector("b")));
        assert!(!selectors.contains(&selector("c")));
        assert_eq!((selectors.len(), selectors.first()), (2, Some(&selector("a"))));
        for (others, has_all) in [
            (vec!["a", "b", "c"], true),
            (vec!["a", "b"], true),
            (vec!["a"], false),
        ] {
            let others: BTreeSet<Selector> = others.into_iter().map(selector).collect();
            assert_eq!(selectors.is_subset(&others), has_all, "{others:?}");
        }
        assert!(Selectors::default().is_empty() && Selectors::default().is_subset(&BTreeSet::new()));
    }
}
