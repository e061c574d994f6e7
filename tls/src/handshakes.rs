//! Counts of handshakes: what was presented, what the peer's proof was worth, at which stage of migration, and how it
//! ended. Counting takes no lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use symbolon_pki::suite::Form;

use crate::migration::MigrationStage;

/// The forms and none.
const FORMS: usize = Form::ALL.len() + 1;
/// The stages and none.
const STAGES: usize = MigrationStage::ALL.len() + 1;
/// How a handshake may end.
const ENDS: usize = 2;

/// What handshakes have in common that are counted together.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct HandshakeKind {
    /// The stage that this end followed. `None` while it followed none.
    pub stage: Option<MigrationStage>,
    /// The form of SVID that this end presented. `None` if it presented none, or if a stack of the caller's own did the
    /// handshake, of which that is not known.
    pub presented: Option<Form>,
    /// What the peer's proof is worth. `None` if it presented nothing, or nothing that was taken.
    pub peer: Option<Form>,
    /// Whether it ended well, as far as this end could tell: in TLS 1.3 a client is done before the server has seen its
    /// certificate.
    pub succeeded: bool,
}

/// Handshakes of one kind.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct HandshakeCount {
    /// What they have in common.
    pub kind: HandshakeKind,
    /// How many; not 0.
    pub count: u64,
}

/// The counts of a source, and whether all who use it follow its migration.
#[derive(Debug)]
pub struct HandshakeCounts {
    counters: Box<[AtomicU64]>,
    /// There is one more of it for each that does not follow.
    abstentions: Arc<()>,
    /// Whether there was one since the last time that was asked for, though it may be gone by now.
    abstained: AtomicBool,
}

/// For as long as it exists, somebody with this source does not follow its migration.
#[derive(Clone, Debug)]
pub(crate) struct Abstention {
    _from: Arc<()>,
}

impl Default for HandshakeCounts {
    fn default() -> Self {
        let zeroes = std::iter::repeat_with(AtomicU64::default);
        Self {
            counters: zeroes.take(STAGES * FORMS * FORMS * ENDS).collect(),
            abstentions: Arc::default(),
            abstained: AtomicBool::new(false),
        }
    }
}

impl HandshakeCounts {
    /// Counts `count` handshakes of a kind.
    pub fn add(&self, kind: HandshakeKind, count: u64) {
        if let Some(counter) = self.counters.get(place(kind)) {
            counter.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// What was counted since the last time, which begins anew with this.
    pub fn take(&self) -> Vec<HandshakeCount> {
        self.read(|counter| counter.swap(0, Ordering::Relaxed))
    }

    /// What is counted; it stays.
    pub fn all(&self) -> Vec<HandshakeCount> {
        self.read(|counter| counter.load(Ordering::Relaxed))
    }

    /// Takes counts back that could not be passed on.
    pub fn put_back(&self, counts: &[HandshakeCount]) {
        for counted in counts {
            self.add(counted.kind, counted.count);
        }
    }

    /// Whether a connector or an acceptor with this source, or a configuration made by one, was told not to follow its
    /// migration.
    pub fn somebody_abstains(&self) -> bool {
        Arc::strong_count(&self.abstentions) > 1
    }

    /// Whether there was one at any time since the last time, which begins anew with this. One that is there counts for the
    /// next time as well.
    pub(crate) fn take_abstained(&self) -> bool {
        let abstains = self.somebody_abstains();
        self.abstained.swap(abstains, Ordering::SeqCst) || abstains
    }

    /// Takes back that there was one, where that could not be passed on.
    pub(crate) fn put_back_abstained(&self) {
        self.abstained.store(true, Ordering::SeqCst);
    }

    /// Notes one that does not follow.
    pub(crate) fn abstain(&self) -> Abstention {
        let abstention = Abstention {
            _from: self.abstentions.clone(),
        };
        self.abstained.store(true, Ordering::SeqCst);
        abstention
    }

    fn read(&self, read: impl Fn(&AtomicU64) -> u64) -> Vec<HandshakeCount> {
        let counted = |kind| {
            let count = self.counters.get(place(kind)).map_or(0, &read);
            (count > 0).then_some(HandshakeCount { kind, count })
        };
        kinds().filter_map(counted).collect()
    }
}

fn place(kind: HandshakeKind) -> usize {
    let of = |form: Option<Form>| {
        let known = form.and_then(|form| Form::ALL.into_iter().position(|other| other == form));
        known.map_or(0, |at| at + 1)
    };
    let stage = kind
        .stage
        .and_then(|stage| MigrationStage::ALL.into_iter().position(|other| other == stage))
        .map_or(0, |at| at + 1);
    ((stage * FORMS + of(kind.presented)) * FORMS + of(kind.peer)) * ENDS + usize::from(kind.succeeded)
}

fn kinds() -> impl Iterator<Item = HandshakeKind> {
    let forms = || std::iter::once(None).chain(Form::ALL.into_iter().map(Some));
    let stages = std::iter::once(None).chain(MigrationStage::ALL.into_iter().map(Some));
    stages.flat_map(move |stage| {
        forms().flat_map(move |presented| {
            forms().flat_map(move |peer| {
                [false, true].map(|succeeded| HandshakeKind {
                    stage,
                    presented,
                    peer,
                    succeeded,
                })
            })
        })
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_kind_has_a_place_of_its_own() {
        let places: HashSet<usize> = kinds().map(place).collect();
        assert_eq!(places.len(), STAGES * FORMS * FORMS * ENDS);
        assert_eq!(places.iter().max(), Some(&(STAGES * FORMS * FORMS * ENDS - 1)));
    }

    #[test]
    fn what_was_taken_is_not_taken_again_unless_it_is_put_back() {
        let counts = HandshakeCounts::default();
        assert!(counts.take().is_empty());
        let kind = HandshakeKind {
            stage: Some(MigrationStage::Prefer),
            presented: Some(Form::Composite),
            peer: Some(Form::Classical),
            succeeded: true,
        };
        let other = HandshakeKind {
            peer: None,
            succeeded: false,
            ..kind
        };
        counts.add(kind, 1);
        counts.add(kind, 2);
        counts.add(other, 4);
        let expected = [(other, 4), (kind, 3)].map(|(kind, count)| HandshakeCount { kind, count });
        assert_eq!(counts.all(), expected);
        let taken = counts.take();
        assert_eq!(taken, expected);
        assert!(counts.all().is_empty());
        counts.add(kind, 1);
        counts.put_back(&taken);
        assert_eq!(counts.take().iter().map(|counted| counted.count).sum::<u64>(), 8);
    }

    #[test]
    fn who_did_not_follow_is_known_though_it_is_gone() {
        let counts = HandshakeCounts::default();
        assert!(!counts.take_abstained());
        drop(counts.abstain());
        assert!(!counts.somebody_abstains());
        assert!(counts.take_abstained());
        assert!(!counts.take_abstained(), "it is told of once");
        counts.put_back_abstained();
        assert!(counts.take_abstained());

        let abstention = counts.abstain();
        assert!(counts.take_abstained() && counts.take_abstained());
        drop(abstention);
        assert!(counts.take_abstained(), "it was there after the last time");
        assert!(!counts.take_abstained());
    }
}
