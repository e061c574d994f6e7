//! What a token says of itself: who made it, what it can do, how much at once.

use std::fmt;
use std::path::PathBuf;

use cryptoki::error::RvError;
use cryptoki::mechanism::MechanismType;
use cryptoki::slot::{Limit, TokenInfo};
use serde::Serialize;
use symbolon_crypto::Component;

use super::desk::{Desk, Fault};
use super::error::code;
use super::kinds::{self, Needs};
use crate::text;

/// A token, as it described itself when it was opened. Nothing here is secret.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TokenDescription {
    /// The module's path.
    pub module: PathBuf,
    /// The slot it was in.
    pub slot: u64,
    /// Its label.
    pub label: String,
    /// Its maker.
    pub manufacturer: String,
    /// Its model.
    pub model: String,
    /// Its serial number.
    pub serial: String,
    /// The version of its hardware, `major.minor`.
    pub hardware_version: String,
    /// The version of its firmware, `major.minor`.
    pub firmware_version: String,
    /// Sessions it allows one application at once; `None` when it sets no limit or does not tell.
    pub max_sessions: Option<u64>,
    /// Whether nothing can be made or destroyed on it.
    pub write_protected: bool,
    /// What it offers for each of our components, in their order.
    pub offers: Vec<MechanismOffer>,
}

/// What a token offers for one component.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct MechanismOffer {
    /// The component's name.
    pub component: &'static str,
    /// What is missing; `None` when nothing is.
    pub missing: Option<String>,
    /// Whether the token says that its hardware makes such keys (`CKF_HW`); `None` when it makes none.
    pub generates_in_hardware: Option<bool>,
    /// Whether the token says that its hardware signs with them (`CKF_HW`); `None` when it does not.
    pub signs_in_hardware: Option<bool>,
}

/// Why no token is asked for a component.
pub(super) const IN_SOFTWARE_ALONE: &str = "this version keeps such keys in software stores alone";

/// Asks the token.
pub(super) fn of(desk: &Desk<'_>) -> Result<TokenDescription, Fault> {
    let info = desk.context.get_token_info(desk.slot)?;
    let mut offers = Vec::new();
    for component in Component::DEFAULTS {
        let needs = kinds::needs(component);
        let in_hardware = |which: Option<MechanismType>| -> Result<Option<bool>, Fault> {
            let info = which.map(|which| mechanism(desk, which)).transpose()?.flatten();
            Ok(info.map(|info| info.hardware()))
        };
        offers.push(MechanismOffer {
            component: component.name(),
            missing: missing(desk, &info, component)?,
            generates_in_hardware: in_hardware(needs.as_ref().map(|needs| needs.generate))?,
            signs_in_hardware: in_hardware(needs.as_ref().map(|needs| needs.sign))?,
        });
    }
    Ok(TokenDescription {
        module: desk.access.module().path().to_owned(),
        slot: desk.slot.id(),
        label: told(info.label()),
        manufacturer: told(info.manufacturer_id()),
        model: told(info.model()),
        serial: told(info.serial_number()),
        hardware_version: info.hardware_version().to_string(),
        firmware_version: info.firmware_version().to_string(),
        max_sessions: [info.max_session_count(), info.max_rw_session_count()]
            .into_iter()
            .filter_map(|limit| match limit {
                Limit::Max(most) => Some(most),
                Limit::Unavailable | Limit::Infinite => None,
            })
            .min(),
        write_protected: info.write_protected(),
        offers,
    })
}

/// What a token tells in words, without characters that a terminal obeys.
fn told(words: &str) -> String {
    let shown = |character| match text::is_visible(character) {
        true => character,
        false => char::REPLACEMENT_CHARACTER,
    };
    words.chars().map(shown).collect()
}

/// What keeps the token from making and using keys of a component.
fn missing(desk: &Desk<'_>, info: &TokenInfo, component: Component) -> Result<Option<String>, Fault> {
    let Some(Needs { generate, sign, bits }) = kinds::needs(component) else {
        return Ok(Some(IN_SOFTWARE_ALONE.to_owned()));
    };
    if info.write_protected() {
        return Ok(Some("the token is write-protected".to_owned()));
    }
    let Some(making) = mechanism(desk, generate)? else {
        return Ok(Some(format!("the token lacks {generate}")));
    };
    if !making.generate_key_pair() {
        return Ok(Some(format!("the token does not make key pairs with {generate}")));
    }
    let Some(signing) = mechanism(desk, sign)? else {
        return Ok(Some(format!("the token lacks {sign}")));
    };
    if !signing.sign() {
        return Ok(Some(format!("the token does not sign with {sign}")));
    }
    // Zero: the token does not tell.
    let (least, most) = (making.min_key_size(), making.max_key_size());
    Ok(bits
        .filter(|bits| most != 0 && !(least..=most).contains(bits))
        .map(|bits| format!("the token makes curves of {least} to {most} bits, not of {bits}")))
}

fn mechanism(
    desk: &Desk<'_>,
    mechanism: MechanismType,
) -> Result<Option<cryptoki::mechanism::MechanismInfo>, Fault> {
    match desk.context.get_mechanism_info(desk.slot, mechanism) {
        Ok(info) => Ok(Some(info)),
        Err(error) if code(&error) == Some(&RvError::MechanismInvalid) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

impl TokenDescription {
    /// Whether the token makes and uses keys of a component; the error is what is missing.
    pub(super) fn offers(&self, component: Component) -> Result<(), String> {
        match self.offer(component).map(|offer| &offer.missing) {
            Some(None) => Ok(()),
            Some(Some(missing)) => Err(missing.clone()),
            // The token is asked about the default components alone.
            None => Err(IN_SOFTWARE_ALONE.to_owned()),
        }
    }

    pub(super) fn offer(&self, component: Component) -> Option<&MechanismOffer> {
        let name = component.name();
        self.offers.iter().find(|offer| offer.component == name)
    }

    /// The sessions to use at once: no more than we want, and than the token allows.
    pub(super) fn usable_sessions(&self, wanted: usize) -> usize {
        let allowed = self.max_sessions.and_then(|most| usize::try_from(most).ok());
        wanted.min(allowed.unwrap_or(wanted)).max(1)
    }
}

impl fmt::Display for TokenDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sessions = match self.max_sessions {
            Some(most) => format!("at most {most}"),
            None => "no limit told".to_owned(),
        };
        writeln!(f, "token         {}", self.label)?;
        writeln!(f, "manufacturer  {}", self.manufacturer)?;
        writeln!(f, "model         {}", self.model)?;
        writeln!(f, "serial        {}", self.serial)?;
        writeln!(
            f,
            "versions      hardware {}, firmware {}",
            self.hardware_version, self.firmware_version
        )?;
        writeln!(f, "module        {} (slot {})", self.module.display(), self.slot)?;
        writeln!(f, "sessions      {sessions}")?;
        for offer in &self.offers {
            let missing = offer.missing.as_deref().unwrap_or("offered");
            writeln!(f, "  {:<18}  {missing}", offer.component)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_token_tells_moves_no_cursor() {
        assert_eq!(told("HSM 9000"), "HSM 9000");
        assert_eq!(told("\u{1b}[2JHSM\nserial 1"), "\u{fffd}[2JHSM\u{fffd}serial 1");
    }
}
