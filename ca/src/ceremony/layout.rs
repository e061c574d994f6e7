//! What lies where in the directory of a ceremony.
//!
//! ```text
//! DIR/                          0700
//!   ceremony.toml               the file that declared it
//!   transcript.jsonl            the transcript
//!   root.pem                    the root, once the transcript is closed
//!   keys/                       the root's software keys, encrypted
//!   shares/NAME.share           custodians' shares, unless the file says where
//!   intermediates/NAME.pem      what the root signed
//!   intermediates/NAME.chain.pem  the same, with the root after it
//! ```

use std::fs::{self, DirBuilder};
use std::io::{self, Read as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use symbolon_crypto::digest;
use symbolon_host::file::{PENDING_SUFFIX, Pending, parent_of, sync_dir};
use symbolon_pki::pem;

use super::audit::{Audit, AuditError};
use super::error::CeremonyError;
use super::plan::{Custodian, Name};
use super::transcript::{self, TranscriptError};

/// More bytes than any file beside the transcript has.
const MAX_FILE: u64 = 1024 * 1024;

/// The directory of a ceremony.
#[derive(Clone, Debug)]
pub(super) struct Layout(PathBuf);

impl Layout {
    pub(super) fn new(dir: impl Into<PathBuf>) -> Self {
        Self(dir.into())
    }

    pub(super) fn dir(&self) -> &Path {
        &self.0
    }

    pub(super) fn plan(&self) -> PathBuf {
        self.0.join("ceremony.toml")
    }

    pub(super) fn transcript(&self) -> PathBuf {
        self.0.join("transcript.jsonl")
    }

    pub(super) fn root(&self) -> PathBuf {
        self.0.join("root.pem")
    }

    pub(super) fn keys(&self) -> PathBuf {
        self.0.join("keys")
    }

    pub(super) fn certificate(&self, name: &Name) -> PathBuf {
        self.0.join("intermediates").join(format!("{name}.pem"))
    }

    pub(super) fn chain(&self, name: &Name) -> PathBuf {
        self.0.join("intermediates").join(format!("{name}.chain.pem"))
    }

    pub(super) fn share(&self, custodian: &Custodian) -> PathBuf {
        self.0.join(&custodian.share)
    }

    /// The transcript's bytes.
    pub(super) fn read_transcript(&self) -> Result<Vec<u8>, TranscriptError> {
        transcript::read_file(&self.transcript())
    }

    /// Makes a directory for this user alone; its parent must exist.
    pub(super) fn make_dir(path: &Path) -> Result<(), CeremonyError> {
        let made = DirBuilder::new().mode(0o700).create(path);
        match made {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(CeremonyError::Exists(path.to_owned()));
            }
            made => made.map_err(CeremonyError::io("make the directory", path))?,
        }
        sync_dir(parent_of(path)).map_err(CeremonyError::io("make the directory", path))
    }

    /// Makes a directory unless there is one.
    pub(super) fn ensure_dir(path: &Path) -> Result<(), CeremonyError> {
        match Self::make_dir(path) {
            Err(CeremonyError::Exists(_)) if path.is_dir() => Ok(()),
            made => made,
        }
    }

    /// The files that follow from a transcript.
    fn files(&self, audit: &Audit) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files = vec![(self.root(), pem::encode_certificates([&audit.root]).into_bytes())];
        for intermediate in &audit.intermediates {
            let certificate = &intermediate.certificate;
            files.push((
                self.certificate(&intermediate.name),
                pem::encode_certificates([certificate]).into_bytes(),
            ));
            files.push((
                self.chain(&intermediate.name),
                pem::encode_certificates([certificate, &audit.root]).into_bytes(),
            ));
        }
        files
    }

    /// Writes the files that follow from a transcript and are not there; returns those it wrote. What is there is not
    /// touched, and must be what would have been written.
    pub(super) fn publish(&self, audit: &Audit) -> Result<Vec<PathBuf>, CeremonyError> {
        if !audit.intermediates.is_empty() {
            Self::ensure_dir(&self.0.join("intermediates"))?;
        }
        let mut written = Vec::new();
        for (path, content) in self.files(audit) {
            let pending = Pending::of_new(&path, 0o644).map_err(CeremonyError::io("write", &path))?;
            if let Some(pending) = pending {
                pending
                    .commit(&content)
                    .map_err(CeremonyError::io("write", &path))?;
                written.push(path);
            } else if read(&path).map_err(CeremonyError::io("read", &path))? != content {
                return Err(AuditError::File {
                    path: path.display().to_string(),
                    reason: "it is another certificate; move it away, and `symbolon ceremony export` writes the right one"
                        .to_owned(),
                }
                .into());
            }
        }
        Ok(written)
    }

    /// Compares the files that are there with what the transcript says.
    pub(super) fn compare(&self, audit: &Audit) -> Result<(), AuditError> {
        let wrong = |path: &Path, reason: String| AuditError::File {
            path: path.display().to_string(),
            reason,
        };
        let plan = self.plan();
        let text = read(&plan).map_err(|error| wrong(&plan, error.to_string()))?;
        if digest::sha256(&text) != audit.plan.sha256() {
            return Err(wrong(&plan, "the ceremony's file was changed".to_owned()));
        }
        for (path, content) in self.files(audit) {
            match read(&path) {
                Ok(found) if found == content => {}
                Ok(_) => return Err(wrong(&path, "it is another certificate".to_owned())),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    let reason = "it is missing; `symbolon ceremony export` writes it from the transcript";
                    return Err(wrong(&path, reason.to_owned()));
                }
                Err(error) => return Err(wrong(&path, error.to_string())),
            }
        }
        self.refuse_strangers(audit)
    }

    /// No certificate may lie among the intermediates of which the transcript says nothing.
    pub(super) fn refuse_strangers(&self, audit: &Audit) -> Result<(), AuditError> {
        let dir = self.0.join("intermediates");
        let entries = match fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => {
                return Err(AuditError::File {
                    path: dir.display().to_string(),
                    reason: error.to_string(),
                });
            }
        };
        let mut known: Vec<PathBuf> = self.files(audit).into_iter().map(|(path, _)| path).collect();
        // What a crash left of one that was being written is that one's.
        let pending = known.iter().map(|path| {
            let mut name = path.clone().into_os_string();
            name.push(PENDING_SUFFIX);
            PathBuf::from(name)
        });
        known.extend(pending.collect::<Vec<_>>());
        for entry in entries {
            let path = entry
                .map(|entry| entry.path())
                .map_err(|error| AuditError::File {
                    path: dir.display().to_string(),
                    reason: error.to_string(),
                })?;
            if !known.contains(&path) {
                return Err(AuditError::File {
                    path: path.display().to_string(),
                    reason: "no event tells of it".to_owned(),
                });
            }
        }
        Ok(())
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(MAX_FILE).read_to_end(&mut bytes)?;
    Ok(bytes)
}
