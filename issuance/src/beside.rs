//! What a certificate is asked to have beside its own key, and whether the keys go together.

use symbolon_pki::key::{SubjectKey, SuiteSigner};
use symbolon_pki::related::Related;
use symbolon_pki::suite::{Form, Suite};
use symbolon_pki::time::unix_seconds;

use crate::authority::{Authority, is_alternative, is_native};
use crate::error::RequestError;

/// What stands beside the certified key: it makes the form.
#[derive(Clone, Copy, Debug, Default)]
pub enum Beside<'a> {
    /// Nothing: the key alone makes the form.
    #[default]
    Nothing,
    /// An alternative ML-DSA key: a catalyst certificate.
    Alternative(&'a SubjectKey),
    /// The classical certificate that this one is paired with.
    Related(&'a Related),
}

impl<'a> Beside<'a> {
    /// The form of a certificate over `key` with this beside it.
    pub(crate) fn form(self, key: &SubjectKey) -> Form {
        match self {
            Self::Nothing => key.form(),
            Self::Alternative(_) => Form::Catalyst,
            Self::Related(_) => Form::Paired,
        }
    }

    /// The alternative key, if that is it.
    pub(crate) fn alternative(self) -> Option<&'a SubjectKey> {
        match self {
            Self::Alternative(key) => Some(key),
            _ => None,
        }
    }

    /// The first certificate of the pair, if that is it.
    pub(crate) fn related(self) -> Option<&'a Related> {
        match self {
            Self::Related(related) => Some(related),
            _ => None,
        }
    }
}

/// Checks that the keys are of a kind that the authority certifies, and that no component key has two uses. That each
/// is large enough is what its type says: no smaller [`SubjectKey`] can be read.
pub(crate) fn check_keys(
    key: &SubjectKey,
    beside: Beside<'_>,
    authority: &Authority,
) -> Result<(), RequestError> {
    let form = beside.form(key);
    let of_family = match beside {
        // The second of a pair is what its key makes it.
        Beside::Related(_) => key.form().family() == form.family(),
        _ => true,
    };
    if form.family() != authority.family() || !of_family {
        return Err(RequestError::FamilyMismatch {
            algorithm: key.algorithm_name(),
            form,
            family: authority.family(),
        });
    }
    if let SubjectKey::Suite(key) = key
        && !key.suite().is_for_svids()
    {
        return Err(RequestError::ForRoots(key.suite()));
    }
    if let Some(alternative) = beside.alternative() {
        check_catalyst(key, alternative)?;
    }
    let first = beside
        .related()
        .and_then(|related| related.certificate().subject_key().ok());
    let own = [
        ("the key", Some(key)),
        ("the alternative key", beside.alternative()),
        ("the first certificate's key", first),
    ];
    refuse_shared(&own)?;
    let issuers = [Some(authority.signer()), authority.alternative()];
    for issuer in issuers.into_iter().flatten() {
        for (_, key) in own {
            refuse_issuers(key, issuer)?;
        }
    }
    Ok(())
}

fn check_catalyst(key: &SubjectKey, alternative: &SubjectKey) -> Result<(), RequestError> {
    let is = |key: &SubjectKey, right: fn(Suite) -> bool| match key {
        SubjectKey::Suite(key) => right(key.suite()),
        SubjectKey::Rsa(_) => false,
    };
    if is(key, is_native) && is(alternative, is_alternative) {
        Ok(())
    } else {
        Err(RequestError::CatalystKeys {
            native: key.algorithm_name(),
            alternative: alternative.algorithm_name(),
        })
    }
}

/// Checks that the first certificate of a pair is the same identity's, and has not ended since its key was proven.
pub(crate) fn check_first(related: &Related, uri: &str, now: u64) -> Result<(), RequestError> {
    let first = related.certificate();
    if first.uri_sans() != [uri] {
        return Err(RequestError::OtherFirst {
            found: first.uri_sans().join(", "),
            spiffe_id: uri.to_owned(),
        });
    }
    if now > unix_seconds(first.not_after()) {
        return Err(RequestError::FirstEnded {
            not_after: first.not_after(),
        });
    }
    Ok(())
}

/// Refuses keys of which two have a component in common.
fn refuse_shared(keys: &[(&'static str, Option<&SubjectKey>)]) -> Result<(), RequestError> {
    for (position, (first, one)) in keys.iter().enumerate() {
        for (second, other) in keys.iter().skip(position + 1) {
            let (Some(one), Some(other)) = (one, other) else {
                continue;
            };
            if one.shares_a_component(other) {
                return Err(RequestError::SharedKey { first, second });
            }
        }
    }
    Ok(())
}

/// Refuses a key with a component of the authority's own.
fn refuse_issuers(key: Option<&SubjectKey>, issuer: &SuiteSigner) -> Result<(), RequestError> {
    let Some(SubjectKey::Suite(key)) = key else {
        return Ok(());
    };
    let issuers = issuer.public_key().components();
    match key
        .components()
        .iter()
        .find(|component| issuers.contains(component))
    {
        Some(component) => Err(RequestError::IssuersKey {
            component: component.component(),
        }),
        None => Ok(()),
    }
}
