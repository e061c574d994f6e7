//! Entries that could never have an effect: a misspelt word in a file of facts must not silently change nothing.

use super::{Catalogue, CatalogueError, wrong};
use crate::risk::{EFFORT_FACTORS, EFFORT_KINDS};

/// Where targets can be used.
const MEDIA: [&str; 9] = [
    "any", "code", "ike", "ipsec", "pgp", "ssh", "ssh-keys", "tls", "x509",
];

/// Refuses what no part of this crate would ever look at.
pub(super) fn that_all_do_something(catalogue: &Catalogue) -> Result<(), CatalogueError> {
    for effort in &catalogue.efforts {
        known("efforts", "kind of work", &effort.id, &effort.id, &EFFORT_KINDS)?;
    }
    for factor in &catalogue.factors {
        known("factors", "factor", &factor.id, &factor.id, &EFFORT_FACTORS)?;
    }
    for target in &catalogue.targets {
        known("targets", "medium", &target.id, &target.medium, &MEDIA)?;
        level("targets", &target.id, target.level)?;
    }
    for regime in &catalogue.regimes {
        if let Some(asked) = regime.minimum_level {
            level("regimes", &regime.id, asked)?;
        }
    }
    for weakness in &catalogue.weaknesses {
        let lists = [&weakness.names, &weakness.protocols, &weakness.suites];
        if lists.iter().all(|list| list.is_empty()) && weakness.below_bits.is_none() {
            return Err(wrong(
                "weaknesses",
                &weakness.id,
                "is about nothing: give names, protocols, suites or below_bits",
            ));
        }
        let named_by_iana = |suite: &&String| suite.starts_with("TLS_") || suite.starts_with("SSL_");
        if let Some(suite) = weakness.suites.iter().find(|suite| !named_by_iana(suite)) {
            let detail = format!("names the suite {suite:?}; IANA's names begin with TLS_");
            return Err(wrong("weaknesses", &weakness.id, &detail));
        }
    }
    for library in &catalogue.libraries {
        if library.packages.is_empty() && library.names.is_empty() {
            return Err(wrong(
                "libraries",
                &library.id,
                "is about nothing: give packages or names",
            ));
        }
    }
    Ok(())
}

fn known(list: &'static str, what: &str, id: &str, word: &str, words: &[&str]) -> Result<(), CatalogueError> {
    if words.contains(&word) {
        return Ok(());
    }
    let words = words.join(", ");
    Err(wrong(
        list,
        id,
        &format!("there is no {what} {word:?}; there are {words}"),
    ))
}

fn level(list: &'static str, id: &str, level: u8) -> Result<(), CatalogueError> {
    if (1..=5).contains(&level) {
        return Ok(());
    }
    Err(wrong(list, id, "NIST's categories are 1 to 5"))
}
