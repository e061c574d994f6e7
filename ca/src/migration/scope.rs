//! Which entries a rule is about.

use std::fmt;
use std::str::FromStr;

use spiffe::SpiffeId;

use crate::datastore::{EntryRecord, Selector};

/// Longest words for a set of entries, in bytes.
const MAX_LEN: usize = 2048;

/// A set of entries.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Scope {
    /// All of them.
    All,
    /// Those of one identity.
    SpiffeId(SpiffeId),
    /// Those whose identity has a path at or below this one, segment by segment.
    SpiffeIdPrefix(String),
    /// Those of one agent or node alias.
    ParentId(SpiffeId),
    /// Those with this selector.
    Selector {
        /// Its type.
        kind: String,
        /// Its value.
        value: String,
    },
    /// One.
    Id(String),
}

/// Words that name no set of entries. The sender's fault.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "entries: {reason}; write spiffe-id:URI, spiffe-id-prefix:/PATH, parent-id:URI, selector:TYPE:VALUE or id:ENTRY, or \
     nothing for all entries"
)]
pub struct InvalidScope {
    reason: String,
}

impl Scope {
    /// In words, for all of them too.
    pub(super) fn in_words(&self) -> String {
        match self {
            Self::All => "all entries".to_owned(),
            some => format!("the entries {some}"),
        }
    }

    /// Whether `entry` is among them.
    pub fn contains(&self, entry: &EntryRecord) -> bool {
        match self {
            Self::All => true,
            Self::SpiffeId(id) => entry.spiffe_id == *id,
            Self::SpiffeIdPrefix(prefix) => {
                let below = entry.spiffe_id.path().strip_prefix(prefix.trim_end_matches('/'));
                below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
            Self::ParentId(id) => entry.parent_id == *id,
            Self::Selector { kind, value } => entry
                .selectors
                .contains(&Selector::new(kind.as_str(), value.as_str())),
            Self::Id(id) => entry.id == *id,
        }
    }
}

impl FromStr for Scope {
    type Err = InvalidScope;

    fn from_str(text: &str) -> Result<Self, InvalidScope> {
        let invalid = |reason: String| InvalidScope { reason };
        if text.is_empty() {
            return Ok(Self::All);
        }
        if text.len() > MAX_LEN || text.contains(char::is_control) {
            return Err(invalid(format!(
                "more than {MAX_LEN} bytes, or a control character"
            )));
        }
        let (key, value) = text
            .split_once(':')
            .filter(|(_, value)| !value.is_empty())
            .ok_or_else(|| invalid(format!("{text:?} has no value")))?;
        let id = || SpiffeId::new(value).map_err(|error| invalid(format!("{value:?}: {error}")));
        match key {
            "spiffe-id" => id().map(Self::SpiffeId),
            "parent-id" => id().map(Self::ParentId),
            // With a slash at its end or without is the same.
            "spiffe-id-prefix" if value.starts_with('/') => {
                let trimmed = value.trim_end_matches('/');
                Ok(Self::SpiffeIdPrefix(
                    if trimmed.is_empty() { "/" } else { trimmed }.to_owned(),
                ))
            }
            "spiffe-id-prefix" => Err(invalid(format!("{value:?} is no path that begins with a slash"))),
            "selector" => match value.split_once(':') {
                Some((kind, value)) if !kind.is_empty() && !value.is_empty() => Ok(Self::Selector {
                    kind: kind.to_owned(),
                    value: value.to_owned(),
                }),
                _ => Err(invalid(format!("{value:?} is no selector"))),
            },
            "id" => Ok(Self::Id(value.to_owned())),
            _ => Err(invalid(format!("{key:?} is nothing to find entries by"))),
        }
    }
}

/// As it is read; empty for all entries.
impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => Ok(()),
            Self::SpiffeId(id) => write!(f, "spiffe-id:{id}"),
            Self::SpiffeIdPrefix(prefix) => write!(f, "spiffe-id-prefix:{prefix}"),
            Self::ParentId(id) => write!(f, "parent-id:{id}"),
            Self::Selector { kind, value } => write!(f, "selector:{kind}:{value}"),
            Self::Id(id) => write!(f, "id:{id}"),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::SystemTime;

    use super::*;

    pub(crate) fn entry(id: &str, path: &str) -> EntryRecord {
        EntryRecord::new(
            id,
            SpiffeId::new(format!("spiffe://example.org{path}")).unwrap(),
            SpiffeId::new("spiffe://example.org/spire/agent/x/a").unwrap(),
            [Selector::new("k8s", "ns:prod")].into(),
            SystemTime::UNIX_EPOCH,
        )
    }

    #[test]
    fn what_is_written_is_read_and_finds_its_entries() {
        let web = entry("web", "/ns/prod/web");
        for (words, finds) in [
            ("", true),
            ("id:web", true),
            ("id:we", false),
            ("spiffe-id:spiffe://example.org/ns/prod/web", true),
            ("spiffe-id:spiffe://example.org/ns/prod", false),
            ("parent-id:spiffe://example.org/spire/agent/x/a", true),
            ("spiffe-id-prefix:/ns/prod", true),
            ("spiffe-id-prefix:/ns/prod/", true),
            ("spiffe-id-prefix:/", true),
            ("spiffe-id-prefix:/ns/prod/web", true),
            ("spiffe-id-prefix:/ns/pro", false),
            ("selector:k8s:ns:prod", true),
            ("selector:k8s:ns", false),
        ] {
            let scope: Scope = words.parse().unwrap();
            let written = if words.ends_with("prod/") {
                "spiffe-id-prefix:/ns/prod"
            } else {
                words
            };
            assert_eq!(scope.to_string(), written);
            assert_eq!(scope.contains(&web), finds, "{words}");
        }
    }

    #[test]
    fn other_words_are_refused_with_what_there_is() {
        for words in [
            "web",
            "id:",
            "name:web",
            "spiffe-id:web",
            "parent-id:spiffe://",
            "spiffe-id-prefix:ns",
            "selector:k8s",
            "selector::x",
            "id:a\nb",
            &format!("id:{}", "x".repeat(MAX_LEN)),
        ] {
            let error = words.parse::<Scope>().unwrap_err().to_string();
            assert!(error.contains("spiffe-id-prefix:/PATH"), "{words}: {error}");
        }
    }
}
