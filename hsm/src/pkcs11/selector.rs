//! Which token is meant, when a module may have several.

use std::fmt;

use cryptoki::slot::TokenInfo;
use serde::{Deserialize, Serialize};

/// What a token must be: everything that is given must hold. Nothing given means the only token there is.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TokenSelector {
    /// The label it was initialised with.
    pub label: Option<String>,
    /// Its serial number.
    pub serial: Option<String>,
    /// Its manufacturer.
    pub manufacturer: Option<String>,
    /// Its model.
    pub model: Option<String>,
    /// The slot it is in. Modules may number slots anew when tokens come and go: a label lasts longer.
    pub slot: Option<u64>,
}

impl TokenSelector {
    /// The token with this label.
    pub fn label(label: &str) -> Self {
        Self {
            label: Some(label.to_owned()),
            ..Self::default()
        }
    }

    /// Whether the token in `slot` is meant.
    pub(super) fn matches(&self, slot: u64, info: &TokenInfo) -> bool {
        let is =
            |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
        is(&self.label, info.label())
            && is(&self.serial, info.serial_number())
            && is(&self.manufacturer, info.manufacturer_id())
            && is(&self.model, info.model())
            && self.slot.is_none_or(|wanted| wanted == slot)
    }
}

impl fmt::Display for TokenSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slot = self.slot.map(|slot| slot.to_string());
        let parts = [
            ("called", &self.label),
            ("with serial number", &self.serial),
            ("made by", &self.manufacturer),
            ("of model", &self.model),
            ("in slot", &slot),
        ];
        let mut separator = "";
        for (words, value) in parts {
            if let Some(value) = value {
                write!(f, "{separator}{words} {value:?}")?;
                separator = " ";
            }
        }
        if separator.is_empty() {
            f.write_str("of any name")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_is_told_in_words() {
        assert_eq!(TokenSelector::label("ca").to_string(), "called \"ca\"");
        let selector = TokenSelector {
            serial: Some("12".to_owned()),
            slot: Some(3),
            ..TokenSelector::label("ca")
        };
        assert_eq!(
            selector.to_string(),
            "called \"ca\" with serial number \"12\" in slot \"3\""
        );
        assert_eq!(TokenSelector::default().to_string(), "of any name");
    }
}
