//! Lines of files with SSH keys: which should have one, and which belong to a key that is spread over several.

use memchr::memmem;

use super::{MAX_BLOB, is_base64, on_a_line};
use crate::inventory::{Fragment, Reason};
use crate::scan::File;

/// What the lines of a file are, by its name.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Lines {
    /// Each has a key: `authorized_keys`, `known_hosts`.
    Keys,
    /// One may have a key: `id_rsa.pub`.
    Key,
    /// Anything.
    Any,
}

impl Lines {
    pub(super) fn of(file: &File<'_>) -> Self {
        let name = file.name.to_ascii_lowercase();
        match () {
            () if name.starts_with("authorized_keys") || name.ends_with("known_hosts") => Self::Keys,
            () if name.ends_with(".pub") => Self::Key,
            () => Self::Any,
        }
    }

    /// Whether a line where no known type of key begins has one of another type, or should have one: it is told.
    pub(super) fn other_key(self, line: &[u8], file: &File<'_>, number: u64, found: &mut Fragment) -> bool {
        let line = line.trim_ascii();
        if self == Self::Any || line.is_empty() || line.starts_with(b"#") {
            return false;
        }
        let mut words = line.split(u8::is_ascii_whitespace);
        // The base64 of a key begins with the length of its type, which is never so long.
        if let Some(blob) = words.find(|word| word.starts_with(b"AAAA") && word.len() > 16) {
            let at = memmem::find(line, blob).unwrap_or_default();
            let before = line.get(..at).unwrap_or_default();
            let after = line.get(at + blob.len()..).unwrap_or_default();
            on_a_line(blob, [before, after], file, number, found);
            return true;
        }
        if self == Self::Keys {
            found.unread(
                Reason::Malformed,
                Some(number),
                "a line without a key that can be read",
            );
        }
        self == Self::Keys
    }
}

/// Blocks in which a key is spread over lines.
pub(super) enum Wrapped {
    None,
    /// A private key in PEM, which has the public one in it: the PEM scanner's.
    Pem,
    /// RFC 4716: the line it began on, and the base64 so far.
    Public(u64, Vec<u8>),
}

impl Wrapped {
    /// Whether the line belongs to such a block.
    pub(super) fn takes(&mut self, line: &[u8], number: u64, file: &File<'_>, found: &mut Fragment) -> bool {
        let line = line.trim_ascii();
        match self {
            Self::None if memmem::find(line, b"-----BEGIN OPENSSH PRIVATE KEY").is_some() => {
                // On one line, as in JSON, it is over again.
                if memmem::find(line, b"-----END ").is_none() {
                    *self = Self::Pem;
                }
                true
            }
            Self::None if line.starts_with(b"---- BEGIN SSH2 PUBLIC KEY") => {
                *self = Self::Public(number, Vec::new());
                true
            }
            Self::None => false,
            Self::Pem => {
                if memmem::find(line, b"-----END ").is_some() {
                    *self = Self::None;
                }
                true
            }
            Self::Public(began, blob) => {
                if line.starts_with(b"---- END") {
                    on_a_line(blob, [b"", b""], file, *began, found);
                    *self = Self::None;
                } else if line.iter().all(|byte| is_base64(*byte)) && blob.len() < MAX_BLOB {
                    blob.extend_from_slice(line);
                }
                true
            }
        }
    }
}
