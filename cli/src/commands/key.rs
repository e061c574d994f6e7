//! `symbolon key`.

mod attest;
mod destroy;
mod doctor;
mod place;
mod view;

use std::sync::Arc;

use anyhow::{Context as _, Result};
use symbolon_hsm::location::ChoiceError;
use symbolon_hsm::pkcs11::Pkcs11Error;
use symbolon_hsm::{KeyInfo, KeyLabel, KeyStore, SoftwareError, StoreError, TpmError};
use symbolon_pki::pem;

use self::place::Place;
use self::view::{Many, One};
use crate::args::Common;
use crate::args::key::{Key, KeyArgs, StoreArgs};
use crate::exit::{REFUSED, UNREACHABLE, USAGE, Usage};
use crate::output::print;

pub(crate) async fn run(common: &Common, command: Key) -> Result<()> {
    match command {
        Key::Generate {
            store,
            algorithm,
            label,
        } => {
            let place = Place::find(common, &store)?.for_making();
            let made = blocking(move || generate(&place, algorithm, &label)).await?;
            common.output.print(&made)
        }
        Key::List { store } => {
            let place = Place::find(common, &store)?;
            common.output.print(&blocking(move || list(&place)).await?)
        }
        Key::Show { key, pem: false } => {
            let place = Place::find(common, &key.store)?;
            common.output.print(&blocking(move || show(&place, &key)).await?)
        }
        Key::Show { key, pem: true } => {
            let place = Place::find(common, &key.store)?;
            let found = blocking(move || Ok(one(&place, &key)?.1)).await?;
            print(&pem::encode("PUBLIC KEY", &view::spki(&found.public_key)?))
        }
        Key::Attest { key, challenge } => attest::run(common, key, challenge).await,
        Key::VerifyEvidence {
            file,
            challenge,
            attestation_key,
            certificate,
        } => attest::verify(
            common.output,
            &file,
            challenge.as_ref(),
            attestation_key.as_deref(),
            certificate.as_deref(),
        ),
        Key::Destroy { key, yes, force } => destroy::run(common, key, yes, force).await,
        Key::Doctor {
            store,
            config,
            remove_leftovers,
        } => {
            let place = Place::find(common, &StoreArgs { store, config })?;
            doctor::run(common.output, place, remove_leftovers).await
        }
    }
}

/// Stores block: files, tokens and TPMs are asked where waiting holds up nobody.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .context("the thread that asked the key store broke down")?
}

fn generate(place: &Place, algorithm: symbolon_crypto::Component, label: &KeyLabel) -> Result<One> {
    let store = place.open()?;
    if let Err(unsupported) = store.offers(algorithm) {
        let offered = place::offered(&*store);
        let refused = anyhow::Error::from(StoreError::from(unsupported));
        return Err(refused.context(format!("no key was made; the store makes keys of {offered}")));
    }
    let (info, _) = store.generate(algorithm, label)?;
    One::of(place, &*store, &info)
        .with_context(|| format!("the key {} was made, and cannot be looked at again", info.id))
}

fn list(place: &Place) -> Result<Many> {
    Many::of(place, &*place.open()?)
}

fn show(place: &Place, key: &KeyArgs) -> Result<One> {
    let (store, info) = one(place, key)?;
    One::of(place, &*store, &info)
}

/// The key that is meant, and its store.
fn one(place: &Place, key: &KeyArgs) -> Result<(Arc<dyn KeyStore>, KeyInfo)> {
    let choice = match (key.choice(), place.key()) {
        (Some(choice), None) => choice,
        (None, Some(choice)) => choice.clone(),
        (Some(_), Some(_)) => {
            return Err(Usage("the key is named twice: beside the store and in its URI".to_owned()).into());
        }
        (None, None) => {
            return Err(Usage(
                "say which key: its id or label, as `symbolon key list` shows them".to_owned(),
            )
            .into());
        }
    };
    let store = place.open()?;
    let keys = store.list()?;
    let info = choice.among(&keys)?.clone();
    Ok((store, info))
}

/// The exit code of a failure that is about keys and what holds them.
pub(crate) fn code(error: &(dyn std::error::Error + 'static)) -> Option<u8> {
    if let Some(error) = error.downcast_ref::<ChoiceError>() {
        return Some(match error {
            ChoiceError::None { .. } => REFUSED,
            ChoiceError::Several { .. } => USAGE,
        });
    }
    match error.downcast_ref::<StoreError>()? {
        StoreError::Unsupported(_) | StoreError::UnknownKey { .. } => Some(REFUSED),
        StoreError::Pkcs11(error) => match error {
            Pkcs11Error::PinRefused { .. }
            | Pkcs11Error::Attributes { .. }
            | Pkcs11Error::Duplicate { .. }
            | Pkcs11Error::NoPublicKey { .. }
            | Pkcs11Error::KeyType { .. }
            | Pkcs11Error::Mismatch { .. }
            | Pkcs11Error::PublicKey { .. }
            | Pkcs11Error::OtherToken { .. } => Some(REFUSED),
            Pkcs11Error::TimedOut { .. } | Pkcs11Error::Stuck { .. } => Some(UNREACHABLE),
            Pkcs11Error::Token { gone: true, .. } => Some(UNREACHABLE),
            Pkcs11Error::ModuleMissing { .. }
            | Pkcs11Error::NotAModule { .. }
            | Pkcs11Error::NoToken { .. }
            | Pkcs11Error::ManyTokens { .. }
            | Pkcs11Error::PinMissing { .. }
            | Pkcs11Error::PinSource(_)
            | Pkcs11Error::Limit { .. }
            | Pkcs11Error::Uri(_) => Some(USAGE),
            _ => None,
        },
        StoreError::Tpm(error) => match error {
            TpmError::NotBuilt { .. } | TpmError::OwnerAuthSource(_) | TpmError::OtherStore { .. } => {
                Some(USAGE)
            }
            TpmError::Unreachable { .. } | TpmError::Deadline { .. } | TpmError::Hanging { .. } => {
                Some(UNREACHABLE)
            }
            TpmError::OwnerAuth { .. } | TpmError::PcrsChanged { .. } | TpmError::Cleared { .. } => {
                Some(REFUSED)
            }
            _ => None,
        },
        StoreError::Software(error) => match error {
            SoftwareError::WrongPassphrase { .. } | SoftwareError::WrongKeyFile { .. } => Some(REFUSED),
            SoftwareError::KekUnsaid { .. }
            | SoftwareError::KekSource { .. }
            | SoftwareError::KeyFileMissing { .. }
            | SoftwareError::OtherKek { .. }
            | SoftwareError::KeyFileInside { .. } => Some(USAGE),
            _ => None,
        },
        _ => None,
    }
}
