//! PKCS#11 tokens: what is on them and what they can do.
//!
//! A target is a `pkcs11:` URI (RFC 7512) with `module-path`. With `pin-source` the PIN is tried once; without it,
//! or when it is refused, the public objects are what there is to see, and that is noted. Nothing on the token is
//! changed, and no value of a private key, secret key or data object is asked for.

mod mechanisms;
mod objects;

use std::io;
use std::sync::Arc;

use symbolon_hsm::pkcs11::{MAX_OBJECTS, TokenContents, contents};
use symbolon_hsm::{PassphraseError, Pkcs11Config, Pkcs11Error, Pkcs11Uri, StoreError};

use crate::inventory::{Asset, AssetId, Detail, Fragment, Reason, Role, ServiceDetail};
use crate::scan::{Budget, Piece, Scanner, Target, Trigger};

/// All of them.
#[must_use]
pub fn scanners() -> Vec<Arc<dyn Scanner>> {
    vec![Arc::new(Pkcs11)]
}

/// PKCS#11 tokens.
#[derive(Debug)]
pub struct Pkcs11;

impl Scanner for Pkcs11 {
    fn name(&self) -> &'static str {
        "pkcs11"
    }

    fn triggers(&self) -> &[Trigger] {
        &[Trigger::Scheme("pkcs11")]
    }

    fn scan(&self, piece: &Piece<'_>, found: &mut Fragment) {
        let Piece::Target(Target::Uri { uri, .. }, budget) = piece else {
            return;
        };
        let config = match config(uri, *budget) {
            Ok(config) => config,
            Err(why) => return found.unread(Reason::Unsupported, None, why),
        };
        match contents(&config, nobody_to_ask) {
            Ok(seen) => tell(&seen, found),
            Err(error) => found.unread(reason(&error), None, words(&error)),
        }
    }
}

/// How the token is reached, within the time there is.
fn config(uri: &str, budget: Budget) -> Result<Pkcs11Config, String> {
    let uri: Pkcs11Uri = uri
        .parse()
        .map_err(|error: symbolon_hsm::pkcs11::UriError| error.to_string())?;
    let mut config = Pkcs11Config::from_uri(&uri).map_err(|error| error.to_string())?;
    config.deadline = budget.left();
    config.max_sessions = 1;
    Ok(config)
}

/// A scan asks nobody: it may run at night.
fn nobody_to_ask() -> Result<symbolon_hsm::Passphrase, PassphraseError> {
    let words = "a scan asks nobody for a PIN; name a file: or env: as pin-source";
    Err(PassphraseError::Prompt(io::Error::other(words)))
}

fn reason(error: &StoreError) -> Reason {
    match error {
        StoreError::Pkcs11(
            Pkcs11Error::ModuleMissing { .. } | Pkcs11Error::NoToken { .. } | Pkcs11Error::ManyTokens { .. },
        ) => Reason::Unreachable,
        StoreError::Pkcs11(Pkcs11Error::TimedOut { .. } | Pkcs11Error::Stuck { .. }) => Reason::TimedOut,
        StoreError::Pkcs11(
            Pkcs11Error::PinRefused { .. } | Pkcs11Error::PinMissing { .. } | Pkcs11Error::PinSource(_),
        ) => Reason::Refused,
        StoreError::Pkcs11(Pkcs11Error::NotAModule { .. }) => Reason::Malformed,
        _ => Reason::Io,
    }
}

/// The error with its causes.
fn words(error: &StoreError) -> String {
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !words.contains(&more) {
            words.push_str(": ");
            words.push_str(&more);
        }
        cause = inner.source();
    }
    words
}

fn tell(seen: &TokenContents, found: &mut Fragment) {
    let token = token(seen, found);
    for mechanism in &seen.mechanisms {
        if let Some((algorithm, functions)) = mechanisms::algorithm(mechanism) {
            let here = found.here().symbol(mechanism.name.as_str());
            let id = found.algorithm_spelt(&algorithm, &functions, here);
            found.connect(&token, Role::Offers, &id);
        }
    }
    objects::tell(&token, seen, found);
    if let Some(refusal) = seen.refused {
        let why = format!("the token refuses the PIN ({refusal}): only public objects were seen");
        found.unread(Reason::Refused, None, why);
    } else if !seen.logged_in {
        let why = "private objects: there was no PIN, and what is behind it was not seen";
        found.unread(Reason::NotAskedFor, None, why);
    }
    if seen.not_looked_at > 0 {
        let why = format!("{} objects beyond the first {MAX_OBJECTS}", seen.not_looked_at);
        found.unread(Reason::TooLarge, None, why);
    }
}

/// The token itself, as its label and serial number tell it from others.
fn token(seen: &TokenContents, found: &mut Fragment) -> AssetId {
    let described = &seen.description;
    let detail = ServiceDetail {
        what: "PKCS#11 token".to_owned(),
        endpoints: [found.location().to_owned()].into(),
        authenticated: None,
    };
    let identity: [&[u8]; 4] = [
        described.manufacturer.as_bytes(),
        described.model.as_bytes(),
        described.serial.as_bytes(),
        described.label.as_bytes(),
    ];
    let mut asset = Asset::new(
        format!("token {}", described.label),
        Detail::Service(detail),
        &identity,
    )
    .seen(found.here());
    for (name, value) in [
        ("manufacturer", described.manufacturer.as_str()),
        ("model", &described.model),
        ("serial", &described.serial),
        ("hardware-version", &described.hardware_version),
        ("firmware-version", &described.firmware_version),
        ("module", &described.module.display().to_string()),
    ] {
        if !value.is_empty() {
            asset.add_fact(name, value);
        }
    }
    found.add(asset)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cbom::{self, SpecVersion};
    use crate::scan::{Limits, ScanRequest, scan};

    #[test]
    fn no_pin_comes_into_a_document_whoever_names_the_token() {
        for uri in [
            "pkcs11:token=x?module-path=/nowhere.so&pin-value=27182818",
            "pkcs11:token=x?PIN-VALUE=27182818&module-path=/nowhere.so",
            "pkcs11:token=x;pin-value=27182818?module-path=/nowhere.so",
            "pkcs11:token=x?module-path=/nowhere.so&pin%2Dvalue=27182818",
        ] {
            let target = Target::parse(uri, &["pkcs11"]);
            assert!(!format!("{target} {target:?}").contains("27182818"));
            let inventory = scan(&ScanRequest::new(vec![target.clone()])).unwrap();
            assert_eq!(
                inventory.unread.iter().count(),
                1,
                "it is refused, and that is told"
            );
            let mut document = Vec::new();
            cbom::write(&inventory, SpecVersion::V1_7, &mut document).unwrap();
            let document = String::from_utf8(document).unwrap();
            assert!(document.contains("pkcs11:token=x"));
            assert!(!document.contains("27182818"), "{uri}");
            // A document of another program is not believed to be without.
            let theirs = document.replace("pin-value=…", "pin-value=27182818");
            let read = cbom::read(theirs.as_bytes()).unwrap();
            assert!(!read.targets.iter().any(|target| target.contains("27182818")));
            // Nor does a caller's own fragment take it up.
            let mut found = Fragment::at(uri);
            let budget = Budget::starting_now(Limits::default().endpoint_time);
            Pkcs11.scan(&Piece::Target(&target, budget), &mut found);
            assert!(!format!("{found:?}").contains("27182818"), "{uri}");
        }
    }
}
