//! Looking: what a scanner is, what it is shown, and what drives all of them.
//!
//! A [`Scanner`] is one kind of thing that can be recognised: a module with one type. It says by [`Trigger`]s what
//! it wants to see, is shown it as a [`Piece`], and tells what it found to a [`Fragment`]. It opens no file and
//! (endpoint and token scanners apart) talks to nobody. [`scan`] walks the targets, reads every file once, shows it
//! to the scanners whose triggers fire, and joins what they found.

mod cache;
mod classify;
pub mod conformance;
mod counts;
mod follow;
mod ignored;
mod limits;
mod piece;
mod progress;
mod promise;
mod queue;
mod request;
mod run;
pub(crate) mod secret;
mod target;
mod text;
mod walk;
mod worker;

use std::fmt::Debug;
use std::sync::Arc;

pub use self::classify::{Classifier, ClassifierError, MAX_SCANNERS, ScannerSet, Trigger};
pub use self::limits::{Budget, Limits};
pub use self::piece::{File, Piece};
pub use self::progress::{NoProgress, Progress, Snapshot};
pub use self::request::{Options, ScanError, ScanRequest};
pub use self::run::scan;
pub use self::target::Target;
use crate::inventory::Fragment;

/// One kind of thing that can be recognised.
///
/// What every scanner owes, and the conformance suite asks for: whatever the bytes, it does not panic, ends within
/// the piece's budget, and makes a bounded fragment; the same piece gives the same fragment; what it cannot read it
/// notes with a reason and goes on; it puts no secret's value in a fragment.
pub trait Scanner: Send + Sync + Debug {
    /// Its name in documents, such as `x509`: lower case, never changed.
    fn name(&self) -> &'static str;

    /// Raised whenever it would find something else in the same bytes, so that cached findings are made anew.
    fn version(&self) -> u32 {
        1
    }

    /// What makes a piece worth its time.
    fn triggers(&self) -> &[Trigger];

    /// Looks at one piece.
    fn scan(&self, piece: &Piece<'_>, found: &mut Fragment);
}

/// Every scanner that this crate has for files.
#[must_use]
pub fn file_scanners() -> Vec<Arc<dyn Scanner>> {
    let rooms = [
        crate::files::scanners(),
        crate::source::scanners(),
        crate::config::scanners(),
    ];
    rooms.into_iter().flatten().collect()
}

/// Every scanner that this crate has for endpoints and tokens: only what is named is contacted.
#[must_use]
pub fn contact_scanners() -> Vec<Arc<dyn Scanner>> {
    let rooms = [crate::endpoints::scanners(), crate::tokens::scanners()];
    rooms.into_iter().flatten().collect()
}

/// The schemes of targets that some scanner contacts, for [`Target::parse`].
#[must_use]
pub fn schemes() -> Vec<&'static str> {
    let scanners = contact_scanners();
    let triggers = scanners.iter().flat_map(|scanner| scanner.triggers());
    let mut schemes: Vec<&'static str> = triggers
        .filter_map(|trigger| match trigger {
            Trigger::Scheme(scheme) => Some(*scheme),
            _ => None,
        })
        .collect();
    schemes.sort_unstable();
    schemes.dedup();
    schemes
}
