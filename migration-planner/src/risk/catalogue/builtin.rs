//! The facts that come with the crate, one file a list.

use super::{Catalogue, CatalogueError};

const FILES: [&str; 6] = [
    include_str!("../../../data/scenarios.toml"),
    include_str!("../../../data/regimes.toml"),
    include_str!("../../../data/weaknesses.toml"),
    include_str!("../../../data/libraries.toml"),
    include_str!("../../../data/effort.toml"),
    include_str!("../../../data/targets.toml"),
];

pub(super) fn read() -> Result<Catalogue, CatalogueError> {
    let mut all = Catalogue::default();
    for file in FILES {
        all = all.with(Catalogue::from_toml(file)?);
    }
    Ok(all)
}
