//! Which scanners want to see a file, decided from its name and one pass over its bytes.

use std::collections::HashMap;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind, packed};

use super::Scanner;

/// What makes a piece worth a scanner's time. Any one of a scanner's triggers is enough.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Trigger {
    /// The file's extension, in lower case without the dot.
    Extension(&'static str),
    /// The whole file name, in lower case.
    FileName(&'static str),
    /// The file begins with these bytes.
    Magic(&'static [u8]),
    /// These bytes are anywhere in the file. All scanners' needles are looked for in one pass. At least four bytes,
    /// and no needle may contain another of any scanner's.
    Needle(&'static [u8]),
    /// The path from the target on contains this part, in lower case with slashes, such as `/nginx/`.
    PathContains(&'static str),
    /// The target is a URI of this scheme: for scanners of endpoints and tokens.
    Scheme(&'static str),
}

/// A set of scanners, by their position in the list that the classifier was made of.
pub type ScannerSet = u64;

/// The most scanners that there can be.
pub const MAX_SCANNERS: usize = 64;

/// Longest extension or file name looked up, in bytes.
const MAX_NAME: usize = 64;

/// All scanners' triggers, arranged to be asked a million times.
#[derive(Debug)]
pub struct Classifier {
    extensions: HashMap<&'static [u8], ScannerSet>,
    names: HashMap<&'static [u8], ScannerSet>,
    paths: Vec<(&'static str, ScannerSet)>,
    magics: Vec<(&'static [u8], ScannerSet)>,
    needles: Option<Search>,
    needle_sets: Vec<ScannerSet>,
    every_needle: ScannerSet,
}

/// How needles are looked for: by the processor's wide registers where it has them and there are not too many
/// needles, which is several times as fast as the automaton.
#[derive(Debug)]
enum Search {
    Packed(Box<packed::Searcher>),
    Automaton(Box<AhoCorasick>),
}

impl Search {
    fn new(needles: &[&'static [u8]]) -> Result<Self, ClassifierError> {
        if let Some(searcher) = packed::Searcher::new(needles) {
            return Ok(Self::Packed(Box::new(searcher)));
        }
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostFirst)
            .kind(Some(AhoCorasickKind::DFA))
            .build(needles)
            .map_err(|error| ClassifierError::Needles(error.to_string()))?;
        Ok(Self::Automaton(Box::new(automaton)))
    }

    /// Tells the number of every needle that is there, until it is told to stop.
    fn each(&self, bytes: &[u8], mut tell: impl FnMut(usize) -> bool) {
        match self {
            Self::Packed(searcher) => {
                let mut hits = searcher.find_iter(bytes);
                while hits.next().is_some_and(|hit| tell(hit.pattern().as_usize())) {}
            }
            Self::Automaton(automaton) => {
                let mut hits = automaton.find_iter(bytes);
                while hits.next().is_some_and(|hit| tell(hit.pattern().as_usize())) {}
            }
        }
    }
}

/// Why a set of scanners cannot work together. A programming error, found by the first test.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ClassifierError {
    /// Too many scanners.
    #[error("there are {0} scanners, more than {MAX_SCANNERS}")]
    TooMany(usize),
    /// A needle that contains another one hides it.
    #[error("the needle {0:?} contains the needle {1:?}")]
    Contained(String, String),
    /// A needle that would fire everywhere.
    #[error("the needle {0:?} is shorter than four bytes")]
    Short(String),
    /// The needles together are too much for the automaton.
    #[error("the needles cannot be searched for: {0}")]
    Needles(String),
}

impl Classifier {
    /// Arranges the triggers of these scanners.
    ///
    /// # Errors
    /// [`ClassifierError`] when the triggers contradict the rules of [`Trigger`].
    pub fn new<'a>(scanners: impl IntoIterator<Item = &'a dyn Scanner>) -> Result<Self, ClassifierError> {
        let mut classifier = Self {
            extensions: HashMap::new(),
            names: HashMap::new(),
            paths: Vec::new(),
            magics: Vec::new(),
            needles: None,
            needle_sets: Vec::new(),
            every_needle: 0,
        };
        let mut needles: Vec<&'static [u8]> = Vec::new();
        for (index, scanner) in scanners.into_iter().enumerate() {
            let bit = u32::try_from(index)
                .ok()
                .and_then(|index| 1_u64.checked_shl(index))
                .ok_or(ClassifierError::TooMany(index + 1))?;
            for trigger in scanner.triggers() {
                match *trigger {
                    Trigger::Extension(text) => {
                        *classifier.extensions.entry(text.as_bytes()).or_default() |= bit;
                    }
                    Trigger::FileName(text) => *classifier.names.entry(text.as_bytes()).or_default() |= bit,
                    Trigger::PathContains(part) => classifier.paths.push((part, bit)),
                    Trigger::Magic(bytes) => classifier.magics.push((bytes, bit)),
                    Trigger::Needle(bytes) => {
                        classifier.every_needle |= bit;
                        match needles.iter().position(|known| *known == bytes) {
                            Some(at) => {
                                if let Some(set) = classifier.needle_sets.get_mut(at) {
                                    *set |= bit;
                                }
                            }
                            None => {
                                needles.push(bytes);
                                classifier.needle_sets.push(bit);
                            }
                        }
                    }
                    Trigger::Scheme(_) => {}
                }
            }
        }
        check_needles(&needles)?;
        if !needles.is_empty() {
            classifier.needles = Some(Search::new(&needles)?);
        }
        Ok(classifier)
    }

    /// The scanners that want a file of this name, before anything is read of it.
    #[must_use]
    pub fn by_name(&self, name: &[u8]) -> ScannerSet {
        let mut lower = [0_u8; MAX_NAME];
        let mut set = 0;
        if let Some(buffer) = lower.get_mut(..name.len()) {
            buffer.copy_from_slice(name);
            buffer.make_ascii_lowercase();
            set |= self.names.get(&*buffer).copied().unwrap_or_default();
        }
        let extension = memchr::memrchr(b'.', name)
            .and_then(|dot| name.get(dot + 1..))
            .unwrap_or_default();
        if let Some(buffer) = lower
            .get_mut(..extension.len())
            .filter(|extension| !extension.is_empty())
        {
            buffer.copy_from_slice(extension);
            buffer.make_ascii_lowercase();
            set |= self.extensions.get(&*buffer).copied().unwrap_or_default();
        }
        set
    }

    /// The scanners that want everything below a directory of this path.
    #[must_use]
    pub fn by_path(&self, path: &str) -> ScannerSet {
        if self.paths.is_empty() {
            return 0;
        }
        let lower = path.to_ascii_lowercase();
        self.paths
            .iter()
            .filter(|(part, _)| lower.contains(part))
            .fold(0, |set, (_, bit)| set | bit)
    }

    /// The scanners that want a file with these bytes, besides those in `already`.
    #[must_use]
    pub fn by_content(&self, bytes: &[u8], already: ScannerSet) -> ScannerSet {
        let magics = self.magics.iter().filter(|(magic, _)| bytes.starts_with(magic));
        let mut set = magics.fold(already, |set, (_, bit)| set | bit);
        if let Some(needles) = &self.needles
            && set & self.every_needle != self.every_needle
        {
            needles.each(bytes, |needle| {
                set |= self.needle_sets.get(needle).copied().unwrap_or_default();
                set & self.every_needle != self.every_needle
            });
        }
        set
    }
}

fn check_needles(needles: &[&[u8]]) -> Result<(), ClassifierError> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    for (index, needle) in needles.iter().enumerate() {
        if needle.len() < 4 {
            return Err(ClassifierError::Short(text(needle)));
        }
        let inner = needles
            .iter()
            .enumerate()
            .find(|(other, inner)| *other != index && memchr::memmem::find(needle, inner).is_some());
        if let Some((_, inner)) = inner {
            return Err(ClassifierError::Contained(text(needle), text(inner)));
        }
    }
    Ok(())
}
