//! A custodian's share of the secret that opens the root's software keys, in a file of its own.
//!
//! ```text
//! symbolon ceremony share, version 1
//! {"ceremony":…,"custodian":…,"index":…,"threshold":…,"shares":…,"commitment":…}
//! {"passphrase":{…}} or {"clear":…}
//! <SHA-256 of everything above>
//! ```
//! The last line tells damage from everything else without a passphrase. The commitment also stands in the
//! transcript, which the root has signed: a share is known to be the one that its custodian was given before it is
//! used, and one that is not is named.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use symbolon_crypto::digest;
use symbolon_host::file::Pending;
use symbolon_hsm::{Passphrase, PrivateFileError, SealedError, SealedSecret, read_private};
use zeroize::{ZeroizeOnDrop, Zeroizing};

use super::event::ShareMade;
use super::plan::Name;
use super::shamir::{Bytes, SECRET_LEN, zeros};

const FIRST_LINE: &str = "symbolon ceremony share, version 1\n";

/// The most bytes of a share's file; it has some 800.
const MAX_LEN: usize = 4096;

/// What is hashed with a share, so that its commitment is one of nothing else.
const COMMITMENT_LABEL: &[u8] = b"symbolon ceremony share, version 1: commitment\0";

/// A share that cannot be used or written; each error names the custodian or the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShareError {
    /// The file cannot be read, or others can read it.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    /// It is no share.
    #[error("{path} is no share of a ceremony", path = .0.display())]
    NotAShare(PathBuf),
    /// It was a share, and is not as it was written.
    #[error("the share {path} is damaged; use the custodian's copy", path = .0.display())]
    Damaged(PathBuf),
    /// It is of another ceremony.
    #[error("the share {path} is of another ceremony, {found}", path = path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// The other ceremony's id.
        found: String,
    },
    /// It is another custodian's.
    #[error("the share {path} is that of {found}, not of {wanted}", path = path.display())]
    OtherCustodian {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        found: Name,
        /// Whose was wanted.
        wanted: Name,
    },
    /// It is whole, and not the one that the custodian was given.
    #[error("the share {path} is not the one that {custodian} was given: the transcript has another {what}", path = path.display())]
    NotTheOne {
        /// The file.
        path: PathBuf,
        /// Whose it should be.
        custodian: Name,
        /// What differs.
        what: &'static str,
    },
    /// The passphrase is wrong.
    #[error("the passphrase of {custodian} does not open the share {path}", path = path.display())]
    Passphrase {
        /// Whose.
        custodian: Name,
        /// The file.
        path: PathBuf,
    },
    /// The share is under a passphrase, and none was given; or the other way round.
    #[error("the share {path} of {custodian} is kept {kept}", path = path.display())]
    Protection {
        /// Whose.
        custodian: Name,
        /// The file.
        path: PathBuf,
        /// How.
        kept: &'static str,
    },
    /// It could not be sealed or opened.
    #[error("cannot seal or open the share of {custodian}")]
    Sealing {
        /// Whose.
        custodian: Name,
        /// Why.
        source: Box<SealedError>,
    },
    /// There is a file already where the share should be written.
    #[error("{path} exists already, and no share is written over anything", path = .0.display())]
    Exists(PathBuf),
    /// The share could not be written.
    #[error("cannot write the share {path}", path = path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

/// What a share's file says of it, none of it secret.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
struct Description {
    ceremony: String,
    custodian: Name,
    index: u8,
    threshold: u8,
    shares: u8,
    commitment: String,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Kept {
    Passphrase(SealedSecret),
    Clear(Clear),
}

/// A share as it is written without a passphrase: base64, wiped when dropped.
#[derive(Deserialize, Serialize, ZeroizeOnDrop)]
#[serde(transparent)]
struct Clear(String);

/// A share in memory. Wiped when dropped, never printed.
pub(super) struct Share {
    pub(super) made: ShareMade,
    pub(super) part: Bytes,
}

impl Share {
    /// A new share, with its commitment.
    pub(super) fn new(
        ceremony: &str,
        custodian: &Name,
        (index, part): (u8, Bytes),
        threshold: u8,
        shares: u8,
    ) -> Self {
        let mut made = ShareMade {
            custodian: custodian.clone(),
            index,
            threshold,
            shares,
            commitment: String::new(),
        };
        made.commitment = commitment(ceremony, &made, &part);
        Self { made, part }
    }

    /// Writes the file (0600), unless there is one, and reads it back.
    pub(super) fn write(
        &self,
        ceremony: &str,
        path: &Path,
        passphrase: Option<&Passphrase>,
    ) -> Result<(), ShareError> {
        let failed = |source| ShareError::Write {
            path: path.to_owned(),
            source,
        };
        let text = self.encode(ceremony, passphrase)?;
        let pending = Pending::of_new(path, 0o600)
            .map_err(failed)?
            .ok_or_else(|| ShareError::Exists(path.to_owned()))?;
        pending.commit(text.as_bytes()).map_err(failed)?;
        self.read_back(ceremony, path, passphrase)
            .inspect_err(|_| discard(path))
    }

    fn read_back(
        &self,
        ceremony: &str,
        path: &Path,
        passphrase: Option<&Passphrase>,
    ) -> Result<(), ShareError> {
        let again = Self::read(ceremony, path, &self.made, passphrase)?;
        match *again.part == *self.part {
            true => Ok(()),
            false => Err(ShareError::Damaged(path.to_owned())),
        }
    }

    fn encode(
        &self,
        ceremony: &str,
        passphrase: Option<&Passphrase>,
    ) -> Result<Zeroizing<String>, ShareError> {
        let sealing = |source| ShareError::Sealing {
            custodian: self.made.custodian.clone(),
            source: Box::new(source),
        };
        let made = &self.made;
        let description = Description {
            ceremony: ceremony.to_owned(),
            custodian: made.custodian.clone(),
            index: made.index,
            threshold: made.threshold,
            shares: made.shares,
            commitment: made.commitment.clone(),
        };
        let mut text = Zeroizing::new(String::with_capacity(MAX_LEN));
        text.push_str(FIRST_LINE);
        text.push_str(&json(&description));
        text.push('\n');
        let kept = match passphrase {
            Some(passphrase) => Kept::Passphrase(
                SealedSecret::seal(passphrase, text.as_bytes(), &self.part[..]).map_err(sealing)?,
            ),
            None => Kept::Clear(Clear(STANDARD.encode(&self.part[..]))),
        };
        text.push_str(&Zeroizing::new(json(&kept)));
        text.push('\n');
        let checksum = hex::encode(digest::sha256(text.as_bytes()));
        text.push_str(&checksum);
        text.push('\n');
        Ok(text)
    }

    /// Whether the file is under a passphrase, which has to be asked for then.
    pub(super) fn wants_passphrase(path: &Path) -> Result<bool, ShareError> {
        let bytes = read_private(path, MAX_LEN)?;
        let (_, _, kept) = split(path, &bytes)?;
        Ok(matches!(kept, Kept::Passphrase(_)))
    }

    /// Reads the share that `made` describes, and nothing else.
    pub(super) fn read(
        ceremony: &str,
        path: &Path,
        made: &ShareMade,
        passphrase: Option<&Passphrase>,
    ) -> Result<Self, ShareError> {
        let bytes = read_private(path, MAX_LEN)?;
        let (authenticated, description, kept) = split(path, &bytes)?;
        check(ceremony, path, made, &description)?;
        let custodian = || made.custodian.clone();
        let protection = |kept| ShareError::Protection {
            custodian: custodian(),
            path: path.to_owned(),
            kept,
        };
        let opened = match (kept, passphrase) {
            (Kept::Passphrase(sealed), Some(passphrase)) => sealed
                .open(passphrase, authenticated.as_bytes())
                .map_err(|source| match source {
                    SealedError::Wrong => ShareError::Passphrase {
                        custodian: custodian(),
                        path: path.to_owned(),
                    },
                    source => ShareError::Sealing {
                        custodian: custodian(),
                        source: Box::new(source),
                    },
                })?,
            (Kept::Clear(text), None) => Zeroizing::new(
                STANDARD
                    .decode(text.0.as_bytes())
                    .map_err(|_| ShareError::Damaged(path.to_owned()))?,
            ),
            (Kept::Passphrase(_), None) => return Err(protection("under a passphrase, and none was given")),
            (Kept::Clear(_), Some(_)) => return Err(protection("without a passphrase, and one was given")),
        };
        let mut part = zeros();
        if opened.len() != SECRET_LEN {
            return Err(ShareError::Damaged(path.to_owned()));
        }
        part.copy_from_slice(&opened);
        if commitment(ceremony, made, &part) != made.commitment {
            return Err(ShareError::NotTheOne {
                path: path.to_owned(),
                custodian: custodian(),
                what: "commitment than its content has",
            });
        }
        Ok(Self {
            made: made.clone(),
            part,
        })
    }
}

/// Removes a share that was written and is for nothing.
pub(super) fn discard(path: &Path) {
    if let Err(error) = std::fs::remove_file(path) {
        tracing::warn!(path = %path.display(), %error, "cannot remove the share of a ceremony that failed");
    }
}

/// Takes a file apart: what is authenticated by sealing, what it says, and how the share is kept.
fn split<'a>(path: &Path, bytes: &'a [u8]) -> Result<(&'a str, Description, Kept), ShareError> {
    let not_a_share = || ShareError::NotAShare(path.to_owned());
    let damaged = || ShareError::Damaged(path.to_owned());
    let text = std::str::from_utf8(bytes).map_err(|_| damaged())?;
    let rest = text.strip_prefix(FIRST_LINE).ok_or_else(not_a_share)?;
    let (description, rest) = rest.split_once('\n').ok_or_else(damaged)?;
    let (kept, rest) = rest.split_once('\n').ok_or_else(damaged)?;
    let checksum = rest.strip_suffix('\n').ok_or_else(damaged)?;
    let summed = text
        .len()
        .checked_sub(rest.len())
        .and_then(|end| text.get(..end))
        .ok_or_else(damaged)?;
    if hex::encode(digest::sha256(summed.as_bytes())) != checksum {
        return Err(damaged());
    }
    let authenticated = text
        .get(..FIRST_LINE.len() + description.len() + 1)
        .ok_or_else(damaged)?;
    let description = serde_json::from_str(description).map_err(|_| damaged())?;
    let kept = serde_json::from_str(kept).map_err(|_| damaged())?;
    Ok((authenticated, description, kept))
}

/// Whether a file says that it is the share that the transcript describes.
fn check(ceremony: &str, path: &Path, made: &ShareMade, description: &Description) -> Result<(), ShareError> {
    if description.ceremony != ceremony {
        return Err(ShareError::Foreign {
            path: path.to_owned(),
            // A forged file must not fill the screen.
            found: description
                .ceremony
                .chars()
                .filter(char::is_ascii_hexdigit)
                .take(32)
                .collect(),
        });
    }
    if description.custodian != made.custodian {
        return Err(ShareError::OtherCustodian {
            path: path.to_owned(),
            found: description.custodian.clone(),
            wanted: made.custodian.clone(),
        });
    }
    let differs = [
        (description.index != made.index, "index"),
        (description.threshold != made.threshold, "threshold"),
        (description.shares != made.shares, "number of shares"),
        (description.commitment != made.commitment, "commitment"),
    ];
    match differs.into_iter().find(|(differs, _)| *differs) {
        Some((_, what)) => Err(ShareError::NotTheOne {
            path: path.to_owned(),
            custodian: made.custodian.clone(),
            what,
        }),
        None => Ok(()),
    }
}

/// The commitment to a share: SHA-256, which hides 256 random bits and binds to them and to whose they are.
fn commitment(ceremony: &str, made: &ShareMade, part: &Bytes) -> String {
    hex::encode(digest::sha256_of(&[
        COMMITMENT_LABEL,
        &digest::sha256(ceremony.as_bytes()),
        &[made.index, made.threshold, made.shares],
        &part[..],
        made.custodian.as_str().as_bytes(),
    ]))
}

/// JSON of what cannot fail to be written: strings and numbers.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
mod tests;
