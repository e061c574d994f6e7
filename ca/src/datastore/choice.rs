//! What commands chose that families of authorities be.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use symbolon_hsm::names::StoreName;
use symbolon_pki::suite::{Family, Suite};

use super::Result;

/// What the authorities of a family are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FamilyShape {
    /// What they sign with.
    pub suite: Suite,
    /// What they sign with beside that.
    pub alternative: Option<Suite>,
    /// The store of each component of their key, in the order of the suite, and then of the alternative one.
    pub stores: Vec<StoreName>,
}

/// What somebody chose that a family be, instead of what the configuration says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FamilyChoice {
    /// The family.
    pub family: Family,
    /// What it is to be.
    pub wanted: FamilyShape,
    /// What the configuration said. When it says something else, the choice is over.
    pub configured: FamilyShape,
    /// How long an authority of the new kind is published before it signs.
    pub notice: Duration,
    /// When it was chosen.
    pub chosen_at: SystemTime,
    /// Who did.
    pub chosen_by: String,
}

/// The choices, at most one for each family.
#[async_trait]
pub trait ChoiceStore: Send + Sync {
    /// Writes a choice down in the place of the family's last one. Its number, which is greater than those of all choices
    /// before it.
    async fn choose_family(&self, choice: &FamilyChoice) -> Result<u64>;

    /// Forgets the choice for a family, if there is one.
    async fn forget_family_choice(&self, family: Family) -> Result<()>;

    /// The choices with their numbers, oldest first.
    async fn family_choices(&self) -> Result<Vec<(u64, FamilyChoice)>>;
}
