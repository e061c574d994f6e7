//! Rules of a profile that change nothing: what a reader believes to have said and has not.

use std::fmt;

use serde::Serialize;

use super::profile::Profile;
use crate::inventory::{Asset, Inventory, Query};

/// A rule of a profile that changes nothing here: it is misspelt more often than not.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct IdleRule {
    /// Its place among the profile's `assets`, from 1.
    pub rule: usize,
    /// Its question.
    #[serde(rename = "where")]
    pub which: String,
    /// Assets that answer it and have no rating of their own, because another asset stands for them or they have no
    /// cryptography; 0 when nothing in the inventory answers it.
    pub unrated: usize,
}

impl fmt::Display for IdleRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, which, unrated } = self;
        write!(
            f,
            "rule {rule} of the profile's assets (where = {which:?}) changes nothing: "
        )?;
        match unrated {
            0 => f.write_str("nothing in the inventory answers it"),
            1 => f.write_str("the one asset that answers it has no rating of its own"),
            many => write!(f, "the {many} assets that answer it have no rating of their own"),
        }
    }
}

/// The rules that speak of no asset that is rated.
pub(super) fn idle(
    profile: &Profile,
    inventory: &Inventory,
    is_rated: impl Fn(&Asset) -> bool,
) -> Vec<IdleRule> {
    let mut idle = Vec::new();
    for (place, rule) in profile.assets.iter().enumerate() {
        let mut unrated = 0;
        // One that a program made and that cannot be understood speaks of nothing.
        if let Ok(query) = rule.which.parse::<Query>() {
            let mut answers = query.run(inventory);
            if answers.any(&is_rated) {
                continue;
            }
            unrated = query.run(inventory).count();
        }
        idle.push(IdleRule {
            rule: place + 1,
            which: rule.which.clone(),
            unrated,
        });
    }
    idle
}
