//! One report in three forms: a page for people, Markdown for where pages do not go, JSON for programs.
//!
//! What was *not* read comes first in each of them, then what was found, by what it risks, then what to do about
//! it, and last where every fact and figure comes from. The page is one file without scripts, fetches nothing, and
//! escapes whatever names an estate may hold. The same inputs give the same bytes: time is passed in.

mod counts;
mod fail_on;
mod html;
mod json;
mod markdown;
mod text;
mod view;

use std::io::{self, Write};

pub use self::fail_on::{FailOn, FailOnError};
pub use self::json::FORMAT;
use self::view::View;
use crate::inventory::Inventory;
use crate::risk::{Assessment, Catalogue, Profile};
use crate::roadmap::{Roadmap, Status};

/// What a report is made of.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// What was found.
    pub inventory: &'a Inventory,
    /// What it risks.
    pub assessment: &'a Assessment,
    /// What to do about it.
    pub roadmap: &'a Roadmap,
    /// How an earlier roadmap stands, if there is one.
    pub status: Option<&'a Status>,
    /// What the reader said.
    pub profile: &'a Profile,
    /// What is known beforehand.
    pub catalogue: &'a Catalogue,
    /// How much is listed.
    pub limits: Limits,
}

/// How much a page or a Markdown file lists. Everything is counted, and JSON has everything.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Assets with their details, the ones with the highest scores.
    pub assets: usize,
    /// Places of one asset, or of one step.
    pub places: usize,
    /// Things that could not be read, for each reason.
    pub unread: usize,
    /// Rows of a table by algorithm or by owner.
    pub rows: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            assets: 500,
            places: 40,
            unread: 100,
            rows: 60,
        }
    }
}

/// Writes the page: one HTML file that needs nothing else.
///
/// # Errors
///
/// What `out` reports.
pub fn html(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    html::write(&View::of(report), out)
}

/// Writes the report as Markdown.
///
/// # Errors
///
/// What `out` reports.
pub fn markdown(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    markdown::write(&View::of(report), out)
}

/// Writes the report as JSON, with everything in it.
///
/// # Errors
///
/// What `out` reports.
pub fn json(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    json::write(&View::of(report), out)
}
