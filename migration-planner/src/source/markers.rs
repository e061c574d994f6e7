//! Whether a file names any library of a language.

use aho_corasick::{AhoCorasick, packed};

use super::table::Library;

/// Finds whether a file names any library. Most files name none, so it is this that most of the time goes into: it
/// uses the processor's wide registers where it has them.
pub(super) enum Markers {
    Packed(packed::Searcher),
    Automaton(AhoCorasick),
    None,
}

impl Markers {
    pub(super) fn new(libraries: &[&'static Library]) -> Self {
        let mut markers: Vec<&str> = libraries
            .iter()
            .flat_map(|library| library.markers)
            .copied()
            .collect();
        markers.sort_unstable();
        markers.dedup();
        match (packed::Searcher::new(&markers), AhoCorasick::new(&markers)) {
            (Some(searcher), _) => Self::Packed(searcher),
            (None, Ok(automaton)) => Self::Automaton(automaton),
            (None, Err(_)) => Self::None,
        }
    }

    pub(super) fn are_in(&self, bytes: &[u8]) -> bool {
        match self {
            Self::Packed(searcher) => searcher.find(bytes).is_some(),
            Self::Automaton(automaton) => automaton.is_match(bytes),
            Self::None => false,
        }
    }
}
