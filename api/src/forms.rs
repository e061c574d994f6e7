//! The metadata by which a request asks for forms of SVIDs other than the classical one.
//!
//! Stock software never sends it and so is never given what it could not read. The names of forms are only carried
//! here; which of them exist is for the receiver to say.

use thiserror::Error;
use tonic::Status;
use tonic::metadata::{Ascii, MetadataMap, MetadataValue};

/// Metadata key: a list of forms, with commas between them, most wanted first, as in `composite,ml-dsa`. A request
/// without it asks for the classical form alone.
pub const FORMS_METADATA: &str = "symbolon-forms";
/// In a reply to `GetBundle` whose caller named forms: there are rules of migration, so that `SyncMigration` is worth a call. It
/// is the furthest stage that one of them is at, or `off`.
pub const MIGRATION_METADATA: &str = "symbolon-migration";

/// Longest list in bytes.
pub const MAX_FORMS_METADATA: usize = 256;

/// The list of forms a request carries is no list of forms. The sender's fault, like everything a status of
/// `InvalidArgument` is about.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum InvalidForms {
    /// There is a list without a name in it, or with nothing between two commas.
    #[error(
        "metadata `{FORMS_METADATA}` has an empty name in it; leave it out to ask for the classical form"
    )]
    EmptyName,
    /// A character is none that names are made of.
    #[error(
        "metadata `{FORMS_METADATA}` may hold lower-case letters, digits, hyphens, commas and spaces alone"
    )]
    BadCharacter,
    /// It is longer than [`MAX_FORMS_METADATA`].
    #[error("metadata `{FORMS_METADATA}` is {length} bytes long; the limit is {MAX_FORMS_METADATA}")]
    TooLong {
        /// How long it is, in bytes.
        length: usize,
    },
}

impl From<InvalidForms> for Status {
    fn from(error: InvalidForms) -> Self {
        Self::invalid_argument(error.to_string())
    }
}

/// The forms a request asks for, in its order and each once; `None` where it says nothing and so asks for the classical
/// form alone.
///
/// # Errors
/// [`InvalidForms`] where the list is malformed. Unknown names are not looked for.
pub fn requested(metadata: &MetadataMap) -> Result<Option<Vec<&str>>, InvalidForms> {
    let mut forms = Vec::new();
    let mut length = 0;
    let mut present = false;
    // gRPC lets a key be repeated, and the values then count as one list.
    for value in metadata.get_all(FORMS_METADATA) {
        present = true;
        length += value.as_encoded_bytes().len();
        if length > MAX_FORMS_METADATA {
            return Err(InvalidForms::TooLong { length });
        }
        let list = value.to_str().map_err(|_| InvalidForms::BadCharacter)?;
        for name in list.split(',').map(|name| name.trim_matches(' ')) {
            check(name)?;
            if !forms.contains(&name) {
                forms.push(name);
            }
        }
    }
    Ok(present.then_some(forms))
}

/// Makes a request ask for these forms, in this order, whatever it asked for before. With no forms at all it says
/// nothing, and so asks for the classical form.
///
/// # Errors
/// [`InvalidForms`] where a name cannot be carried, or the names are too many. The request is then as before.
pub fn request<'a>(
    metadata: &mut MetadataMap,
    forms: impl IntoIterator<Item = &'a str>,
) -> Result<(), InvalidForms> {
    let names: Vec<&str> = forms.into_iter().collect();
    names.iter().try_for_each(|name| check(name))?;
    let list = names.join(",");
    if list.len() > MAX_FORMS_METADATA {
        return Err(InvalidForms::TooLong { length: list.len() });
    }
    if names.is_empty() {
        metadata.remove(FORMS_METADATA);
        return Ok(());
    }
    let value: MetadataValue<Ascii> = list.parse().map_err(|_| InvalidForms::BadCharacter)?;
    metadata.insert(FORMS_METADATA, value);
    Ok(())
}

/// Whether a word can be the name of a form.
fn check(name: &str) -> Result<(), InvalidForms> {
    if name.is_empty() {
        return Err(InvalidForms::EmptyName);
    }
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.bytes().all(fits) {
        Ok(())
    } else {
        Err(InvalidForms::BadCharacter)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn carrying(values: &[&str]) -> MetadataMap {
        let mut metadata = MetadataMap::new();
        for value in values {
            metadata.append(FORMS_METADATA, value.parse().unwrap());
        }
        metadata
    }

    #[test]
    fn silence_is_not_a_list() {
        assert_eq!(requested(&MetadataMap::new()), Ok(None));
    }

    #[test]
    fn order_is_kept_and_repeats_are_dropped() {
        let metadata = carrying(&["composite, ml-dsa", "composite,classical"]);
        assert_eq!(
            requested(&metadata),
            Ok(Some(vec!["composite", "ml-dsa", "classical"]))
        );
    }

    #[test]
    fn malformed_lists_are_refused() {
        for (value, error) in [
            ("", InvalidForms::EmptyName),
            ("composite,", InvalidForms::EmptyName),
            ("composite,,ml-dsa", InvalidForms::EmptyName),
            ("Composite", InvalidForms::BadCharacter),
            ("ml dsa", InvalidForms::BadCharacter),
            (&"a".repeat(257), InvalidForms::TooLong { length: 257 }),
        ] {
            assert_eq!(requested(&carrying(&[value])), Err(error), "{value:?}");
        }
        let half = "a".repeat(129);
        assert_eq!(
            requested(&carrying(&[&half, &half])),
            Err(InvalidForms::TooLong { length: 258 })
        );
        let status = Status::from(InvalidForms::EmptyName);
        assert_eq!(status.code(), tonic::Code::InvalidArgument);
        assert!(status.message().contains(FORMS_METADATA));
    }

    #[test]
    fn bytes_beyond_ascii_are_refused() {
        let mut metadata = MetadataMap::new();
        metadata.insert(FORMS_METADATA, MetadataValue::try_from(&[0xff_u8][..]).unwrap());
        assert_eq!(requested(&metadata), Err(InvalidForms::BadCharacter));
    }

    #[test]
    fn asking_for_nothing_takes_the_list_away() {
        let mut metadata = carrying(&["composite"]);
        request(&mut metadata, []).unwrap();
        assert_eq!(requested(&metadata), Ok(None));
    }

    #[test]
    fn a_name_that_cannot_be_carried_changes_nothing() {
        let mut metadata = carrying(&["composite"]);
        assert_eq!(
            request(&mut metadata, ["ml-dsa", "a,b"]),
            Err(InvalidForms::BadCharacter)
        );
        assert_eq!(request(&mut metadata, [""]), Err(InvalidForms::EmptyName));
        assert_eq!(requested(&metadata), Ok(Some(vec!["composite"])));
    }

    proptest! {
        #[test]
        fn what_is_asked_for_is_what_is_read(names in proptest::collection::btree_set("[a-z0-9-]{1,12}", 1..8)) {
            let mut metadata = MetadataMap::new();
            request(&mut metadata, names.iter().map(String::as_str)).unwrap();
            let read = requested(&metadata).unwrap().unwrap();
            prop_assert_eq!(read, names.iter().map(String::as_str).collect::<Vec<_>>());
        }
    }
}
