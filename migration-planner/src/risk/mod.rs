//! What each asset risks, by when it must have moved, and why.
//!
//! [`assess`] rates every asset of an inventory: what can happen to it ([`Threat`]), Mosca's inequality for every
//! scenario of the quantum computer ([`Mosca`]), what the regimes say that bind the reader ([`Verdict`]), and a
//! [`Score`] for sorting that shows its inputs. There is no single deadline anywhere: every date is one scenario's
//! or one regime's. What is unknown is rated as the worst that it could be.
//!
//! Facts about the world are in a [`Catalogue`], what only the reader knows in a [`Profile`].

mod assess;
pub mod catalogue;
mod day;
mod effort;
pub(crate) mod graph;
mod idle;
mod mosca;
mod profile;
pub mod purpose;
mod rating;
mod score;
mod threat;
pub(crate) mod uses;
pub(crate) mod verdict;

pub use self::assess::assess;
pub use self::catalogue::{Catalogue, CatalogueError};
pub use self::day::{Day, DayError};
pub use self::effort::{Effort, FACTORS as EFFORT_FACTORS, KINDS as EFFORT_KINDS, MANY_PLACES, effort};
pub use self::idle::IdleRule;
pub use self::mosca::{Mosca, Shelf, mosca};
pub use self::profile::{
    AssetRule, DecidedOutcome, Decision, Defaults, MAX_YEARS, Profile, ProfileError, Target,
};
pub use self::purpose::Purpose;
pub use self::rating::{Assessment, Bound, Rating, Unrated};
pub use self::score::{Part, Score};
pub use self::threat::{Posture, Threat};
pub use self::uses::Use;
pub use self::verdict::{Finding, Verdict};
