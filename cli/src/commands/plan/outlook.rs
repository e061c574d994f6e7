//! What a CBOM means for a reader: facts, the reader's profile, and the assessment that they make.

use std::path::Path;
use std::time::SystemTime;

use anyhow::Result;
use symbolon_migration_planner::inventory::Inventory;
use symbolon_migration_planner::risk::{
    Assessment, Catalogue, CatalogueError, Day, Profile, ProfileError, assess,
};

use super::document;
use crate::args::plan::Assumptions;
use crate::commands::read_input;
use crate::exit::Usage;

/// Everything that roadmaps and reports are made of.
#[derive(Debug)]
pub(super) struct Outlook {
    pub inventory: Inventory,
    pub catalogue: Catalogue,
    pub profile: Profile,
    pub assessment: Assessment,
}

impl Outlook {
    /// Reads the CBOM and the assumptions, and assesses.
    pub(super) fn of(file: &Path, assumptions: &Assumptions) -> Result<Self> {
        let mut catalogue = Catalogue::builtin()?;
        for facts in &assumptions.facts {
            let more = Catalogue::from_toml(&text(facts)?)
                .map_err(|error: CatalogueError| Usage(format!("{}: {error}", facts.display())))?;
            catalogue = catalogue.with(more);
        }
        let profile = match &assumptions.profile {
            Some(path) => Profile::from_toml(&text(path)?, &catalogue)
                .map_err(|error: ProfileError| Usage(format!("{}: {error}", path.display())))?,
            None => Profile::default(),
        };
        let today = assumptions.on.unwrap_or_else(|| Day::of(SystemTime::now()));
        let inventory = document::read(file)?;
        let assessment = assess(&inventory, &profile, &catalogue, today);
        for rule in &assessment.idle_rules {
            anstream::eprintln!("warning: {rule}");
        }
        Ok(Self {
            inventory,
            catalogue,
            profile,
            assessment,
        })
    }
}

/// A file of text.
pub(super) fn text(path: &Path) -> Result<String> {
    String::from_utf8(read_input(path)?)
        .map_err(|_| Usage(format!("{} is not text in UTF-8", path.display())).into())
}
