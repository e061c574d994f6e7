//! How a token says that it holds a key: the attributes that we ask for, read back instead of believed.

use std::fmt;

use cryptoki::object::{Attribute, AttributeType, ObjectHandle};
use serde::{Deserialize, Serialize};

use super::desk::{Desk, Fault};
use super::error::Pkcs11Error;
use crate::names::KeyId;

/// The attributes of a private key that say how it is held (PKCS#11 3.2, sections 4.4 and 4.9). `None` where the
/// token does not tell.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct KeyAttributes {
    /// `CKA_TOKEN`: it outlives the session.
    pub token: Option<bool>,
    /// `CKA_PRIVATE`: only whoever has logged in sees it.
    pub private: Option<bool>,
    /// `CKA_SENSITIVE`: it never leaves the token in the clear.
    pub sensitive: Option<bool>,
    /// `CKA_EXTRACTABLE`: it can leave the token, wrapped.
    pub extractable: Option<bool>,
    /// `CKA_ALWAYS_SENSITIVE`: it has been sensitive since it was made.
    pub always_sensitive: Option<bool>,
    /// `CKA_NEVER_EXTRACTABLE`: it has not been extractable since it was made.
    pub never_extractable: Option<bool>,
    /// `CKA_LOCAL`: it was made on this token.
    pub local: Option<bool>,
    /// `CKA_SIGN`: it may sign.
    pub sign: Option<bool>,
    /// `CKA_ALWAYS_AUTHENTICATE`: each signature wants the PIN anew.
    pub always_authenticate: Option<bool>,
}

const WANTED: [AttributeType; 9] = [
    AttributeType::Token,
    AttributeType::Private,
    AttributeType::Sensitive,
    AttributeType::Extractable,
    AttributeType::AlwaysSensitive,
    AttributeType::NeverExtractable,
    AttributeType::Local,
    AttributeType::Sign,
    AttributeType::AlwaysAuthenticate,
];

impl KeyAttributes {
    /// What the token says of a private key object.
    pub(super) fn read(desk: &Desk<'_>, private: ObjectHandle) -> Result<Self, Fault> {
        let mut read = Self::default();
        for attribute in desk.session.get_attributes(private, &WANTED)? {
            match attribute {
                Attribute::Token(value) => read.token = Some(value),
                Attribute::Private(value) => read.private = Some(value),
                Attribute::Sensitive(value) => read.sensitive = Some(value),
                Attribute::Extractable(value) => read.extractable = Some(value),
                Attribute::AlwaysSensitive(value) => read.always_sensitive = Some(value),
                Attribute::NeverExtractable(value) => read.never_extractable = Some(value),
                Attribute::Local(value) => read.local = Some(value),
                Attribute::Sign(value) => read.sign = Some(value),
                Attribute::AlwaysAuthenticate(value) => read.always_authenticate = Some(value),
                _ => {}
            }
        }
        Ok(read)
    }

    /// What every key that we use must be.
    fn claims(&self) -> [(&'static str, Option<bool>, bool); 5] {
        [
            ("CKA_TOKEN", self.token, true),
            ("CKA_PRIVATE", self.private, true),
            ("CKA_SENSITIVE", self.sensitive, true),
            ("CKA_EXTRACTABLE", self.extractable, false),
            ("CKA_SIGN", self.sign, true),
        ]
    }

    fn faults(&self) -> Vec<String> {
        let mut found = faults(&self.claims());
        // Older tokens do not have it; then it is false.
        if self.always_authenticate == Some(true) {
            found.push("CKA_ALWAYS_AUTHENTICATE is true".to_owned());
        }
        found
    }

    /// What a key that the token has just made must be besides.
    fn claims_of_new(&self) -> [(&'static str, Option<bool>, bool); 3] {
        [
            ("CKA_ALWAYS_SENSITIVE", self.always_sensitive, true),
            ("CKA_NEVER_EXTRACTABLE", self.never_extractable, true),
            ("CKA_LOCAL", self.local, true),
        ]
    }

    /// What keeps a key with these attributes from being used, in words; `None` when nothing does.
    pub(super) fn fault(&self) -> Option<String> {
        let faults = self.faults();
        (!faults.is_empty()).then(|| faults.join(", "))
    }

    /// Refuses a key that is not held as we say that keys on tokens are.
    pub(super) fn check(&self, token: &str, id: &KeyId) -> Result<(), Pkcs11Error> {
        refuse(token, id, self.faults())
    }

    /// As [`check`](Self::check), for a key that the token made a moment ago.
    pub(super) fn check_new(&self, token: &str, id: &KeyId) -> Result<(), Pkcs11Error> {
        let mut found = self.faults();
        found.extend(faults(&self.claims_of_new()));
        refuse(token, id, found)
    }
}

fn refuse(token: &str, id: &KeyId, faults: Vec<String>) -> Result<(), Pkcs11Error> {
    if faults.is_empty() {
        return Ok(());
    }
    Err(Pkcs11Error::Attributes {
        token: token.to_owned(),
        id: id.clone(),
        faults: faults.join(", "),
    })
}

fn faults(claims: &[(&str, Option<bool>, bool)]) -> Vec<String> {
    claims
        .iter()
        .filter(|(_, found, due)| *found != Some(*due))
        .map(|(name, found, _)| format!("{name} is {}", word(*found)))
        .collect()
}

fn word(value: Option<bool>) -> &'static str {
    match value {
        Some(true) => "true",
        Some(false) => "false",
        None => "not told",
    }
}

impl fmt::Display for KeyAttributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (name, value, _) in self.claims().into_iter().chain(self.claims_of_new()) {
            write!(f, "{separator}{name} {}", word(value))?;
            separator = ", ";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held() -> KeyAttributes {
        KeyAttributes {
            token: Some(true),
            private: Some(true),
            sensitive: Some(true),
            extractable: Some(false),
            always_sensitive: Some(true),
            never_extractable: Some(true),
            local: Some(true),
            sign: Some(true),
            always_authenticate: None,
        }
    }

    #[test]
    fn a_key_that_could_leave_is_refused() {
        let id = KeyId::parse("00ff").expect("id");
        held().check_new("ca", &id).expect("as claimed");
        let extractable = KeyAttributes {
            extractable: Some(true),
            sensitive: None,
            ..held()
        };
        let error = extractable.check("ca", &id).expect_err("extractable").to_string();
        assert_eq!(
            error,
            "the key 00ff on the token ca is not held as it must be: CKA_SENSITIVE is not told, CKA_EXTRACTABLE is \
             true"
        );
        let wants_the_pin_each_time = KeyAttributes {
            always_authenticate: Some(true),
            ..held()
        };
        wants_the_pin_each_time
            .check("ca", &id)
            .expect_err("nobody is there to type it");
    }

    #[test]
    fn an_imported_key_may_be_used_and_is_never_taken_for_one_made_on_the_token() {
        let id = KeyId::parse("00ff").expect("id");
        let imported = KeyAttributes {
            always_sensitive: Some(false),
            never_extractable: Some(false),
            local: Some(false),
            ..held()
        };
        imported.check("ca", &id).expect("held well now");
        imported.check_new("ca", &id).expect_err("not made here");
        assert!(imported.to_string().ends_with("CKA_LOCAL false"));
    }
}
