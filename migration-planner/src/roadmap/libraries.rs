//! Which libraries of an inventory are known to be too old for what is to come.

use std::cmp::Ordering;

use crate::inventory::{Asset, Detail};
use crate::risk::Catalogue;
use crate::risk::catalogue::LibrarySupport;

/// What the facts say about a library asset.
pub(super) fn support<'a>(catalogue: &'a Catalogue, asset: &Asset) -> Option<&'a LibrarySupport> {
    let Detail::Library(detail) = &asset.detail else {
        return None;
    };
    let purl = detail.purl.as_deref()?;
    catalogue.libraries.iter().find(|library| {
        library.packages.iter().any(|package| {
            purl.strip_prefix(package.as_str()).is_some_and(|rest| {
                package.ends_with('/') || rest.is_empty() || rest.starts_with(['@', '?', '#'])
            })
        })
    })
}

/// The version that a library has to have, when it has an older one.
pub(super) fn too_old<'a>(library: &'a LibrarySupport, asset: &Asset) -> Option<&'a str> {
    let Detail::Library(detail) = &asset.detail else {
        return None;
    };
    let version = detail.version.as_deref()?;
    let wanted = [&library.key_establishment_since, &library.signature_since];
    let newest = wanted
        .into_iter()
        .flatten()
        .map(String::as_str)
        .max_by(|a, b| compare(a, b))?;
    (compare(version, newest) == Ordering::Less).then_some(newest)
}

/// The facts about a library by the name that source scanners have for it.
pub(super) fn by_name<'a>(catalogue: &'a Catalogue, name: &str) -> Option<&'a LibrarySupport> {
    catalogue
        .libraries
        .iter()
        .find(|library| library.names.iter().any(|known| known == name))
}

/// Compares versions number by number; what is no number is left out, and what is missing counts as 0.
fn compare(a: &str, b: &str) -> Ordering {
    let numbers = |version: &str| -> Vec<u64> {
        let release = version
            .trim_start_matches(['v', 'V'])
            .split(['-', '+'])
            .next()
            .unwrap_or_default()
            .to_owned();
        release
            .split(|c: char| !c.is_ascii_digit())
            .filter(|part| !part.is_empty())
            .map(|part| part.parse().unwrap_or(u64::MAX))
            .collect()
    };
    let (mut a, mut b) = (numbers(a), numbers(b));
    let length = a.len().max(b.len());
    a.resize(length, 0);
    b.resize(length, 0);
    a.cmp(&b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        assert_eq!(compare("0.23.9", "0.23.22"), Ordering::Less);
        assert_eq!(compare("3.5", "3.5.0"), Ordering::Equal);
        assert_eq!(compare("v1.24.1", "1.24"), Ordering::Greater);
        assert_eq!(compare("1.70", "1.79"), Ordering::Less);
        assert_eq!(compare("3.0.11-1~deb12u2", "3.5.0"), Ordering::Less);
        assert_eq!(compare("99999999999999999999", "1"), Ordering::Greater);
    }
}
