//! What an asset is in `symbolon:` properties, and how occurrences are written.

use super::dto::{Evidence, Occurrence, Property};
use crate::inventory::{Access, Asset, Edge, Occurrence as Place};

/// Between words for people and what only we read, in an occurrence's additional context.
pub(super) const ACCESS: &str = "access ";

pub(super) fn evidence(asset: &Asset) -> Option<Evidence<'_>> {
    (!asset.evidence.is_empty()).then(|| Evidence {
        occurrences: asset.evidence.iter().map(occurrence).collect(),
    })
}

pub(super) fn occurrence(place: &Place) -> Occurrence<'_> {
    let access = place.access.map(|access| {
        let Access { mode, uid, gid } = access;
        format!("{ACCESS}{mode:04o} {uid}:{gid}")
    });
    Occurrence {
        location: &place.location,
        line: place.line,
        offset: place.offset,
        symbol: place.symbol.as_deref(),
        additional_context: match (access, &place.context) {
            (Some(access), Some(context)) => Some(format!("{access}; {context}")),
            (access, context) => access.or_else(|| context.clone()),
        },
    }
}

/// Takes the access apart from the words again.
pub(super) fn read_context(text: &str) -> (Option<Access>, Option<String>) {
    let read = || {
        let rest = text.strip_prefix(ACCESS)?;
        let (access, words) = rest
            .split_once("; ")
            .map_or((rest, None), |(access, words)| (access, Some(words)));
        let (mode, owner) = access.split_once(' ')?;
        let (uid, gid) = owner.split_once(':')?;
        let access = Access {
            mode: u32::from_str_radix(mode, 8).ok()?,
            uid: uid.parse().ok()?,
            gid: gid.parse().ok()?,
        };
        Some((Some(access), words.map(str::to_owned)))
    };
    read().unwrap_or_else(|| (None, Some(text.to_owned())))
}

/// What every kind of asset has: owners, exposure, facts, edges, what is not listed.
pub(super) fn common<'a>(asset: &Asset, edges: impl Iterator<Item = &'a Edge>) -> Vec<Property> {
    let mut properties = Vec::new();
    if asset.evidence.omitted() > 0 {
        properties.push(Property::new(
            "occurrences-omitted",
            asset.evidence.omitted().to_string(),
        ));
    }
    if let Some(exposure) = &asset.exposure {
        properties.push(Property::new("exposure", exposure));
    }
    properties.extend(asset.owners.iter().map(|owner| Property::new("owner", owner)));
    for (name, values) in &asset.facts {
        properties.extend(
            values
                .iter()
                .map(|value| Property::new(format!("fact:{name}"), value)),
        );
    }
    properties
        .extend(edges.map(|edge| Property::new(format!("edge:{}", edge.role.name()), edge.to.as_str())));
    properties
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn access_and_words_come_back() {
        let access = Access {
            mode: 0o640,
            uid: 5,
            gid: 6,
        };
        for place in [
            Place::at("x").access(access),
            Place::at("x").access(access).context("with; words"),
            Place::at("x").context("access denied; said the server"),
        ] {
            let written = occurrence(&place).additional_context.unwrap();
            assert_eq!(read_context(&written), (place.access, place.context), "{written}");
        }
    }
}
