//! Verifying a transcript: by anyone, with no key but the root's certificate.
//!
//! Every event is looked at in its order, and the first that is wrong is named. What comes out is what the transcript
//! proves: the ceremony's file, the root, who was given which share, and each intermediate.

mod certificates;
mod sessions;

use std::path::Path;

use symbolon_pki::certificate::Certificate;

use self::sessions::Auditor;
use super::event::{CeremonyBegun, KeyMade, ShareMade, StoreOpened};
use super::plan::{Name, Plan};
use super::transcript::{self, Chain, TranscriptError};

/// A transcript that is not to be believed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// It cannot be read, or its chain is broken.
    #[error(transparent)]
    Transcript(#[from] TranscriptError),
    /// An event does not hold, or does not follow from those before it.
    #[error("event {number} ({kind}) is wrong: {reason}")]
    Event {
        /// The first event that is wrong, counted from 0.
        number: u64,
        /// Its kind.
        kind: &'static str,
        /// What does not hold.
        reason: String,
    },
    /// It ends before its end: the ceremony was interrupted, or what followed was taken away.
    #[error(
        "the transcript stops after event {after} ({kind}), and the root has not signed for what it says"
    )]
    Unfinished {
        /// The last event.
        after: u64,
        /// Its kind.
        kind: &'static str,
    },
    /// It holds nothing.
    #[error("the transcript is empty")]
    Empty,
    /// It is that of a rehearsal.
    #[error("this is the transcript of a dry run, and its root is nobody's")]
    DryRun,
    /// It is about another root than the one given.
    #[error(
        "the transcript is about another root: its certificate has SHA-256 {found}, the one given {wanted}"
    )]
    OtherRoot {
        /// That of the transcript, in hex.
        found: String,
        /// That of the certificate that was given, in hex.
        wanted: String,
    },
    /// A file beside the transcript is not what the transcript says.
    #[error("{path} is not what the transcript says: {reason}")]
    File {
        /// The file.
        path: String,
        /// What differs.
        reason: String,
    },
}

/// An intermediate that the root signed.
#[derive(Clone, Debug)]
pub struct Intermediate {
    /// What its files are called.
    pub name: Name,
    /// Its certificate.
    pub certificate: Certificate,
    /// In which session it was signed, counted from 1.
    pub session: usize,
}

/// A session that the transcript tells of.
#[derive(Clone, Debug)]
pub struct Session {
    /// The number of its first event.
    pub first: u64,
    /// The number of its last event.
    pub last: u64,
    /// When it began.
    pub begun: String,
    /// Who took part.
    pub custodians: Vec<Name>,
    /// Whether it was closed by the root's signature. One that was not is covered by that of the next.
    pub closed: bool,
}

/// What a transcript proves.
#[derive(Clone, Debug)]
pub struct Audit {
    /// The ceremony's id.
    pub ceremony: String,
    /// Whether it is a rehearsal.
    pub dry_run: bool,
    /// The file that declared it.
    pub plan: Plan,
    /// The root.
    pub root: Certificate,
    /// Where its keys are.
    pub keys: Vec<KeyMade>,
    /// The stores that were opened when it was made.
    pub stores: Vec<StoreOpened>,
    /// The shares that were given out.
    pub shares: Vec<ShareMade>,
    /// What it has signed.
    pub intermediates: Vec<Intermediate>,
    /// The sessions.
    pub sessions: Vec<Session>,
    /// How many events there are.
    pub events: u64,
    /// The link of the last event, in hex: names the transcript as it is now.
    pub head: String,
    /// Whether the last session was closed.
    pub closed: bool,
}

/// Verifies the bytes of a transcript. `root` is the certificate that the caller trusts.
///
/// # Errors
/// [`AuditError`], which names the first event that is wrong.
pub fn audit(transcript: &[u8], root: &Certificate) -> Result<Audit, AuditError> {
    let (chain, broken) = Chain::read_as_far(transcript);
    let examined = examine(&chain);
    // What is wrong in itself before the chain breaks is what was changed.
    let audit = match (broken, examined) {
        (None, examined) => closed(examined?)?,
        (Some(_), Err(error @ AuditError::Event { .. })) => return Err(error),
        (Some(error), _) => return Err(error.into()),
    };
    if audit.dry_run {
        return Err(AuditError::DryRun);
    }
    if audit.root != *root {
        return Err(AuditError::OtherRoot {
            found: hex::encode(audit.root.sha256()),
            wanted: hex::encode(root.sha256()),
        });
    }
    Ok(audit)
}

/// As [`audit`], of a transcript's file. No more is read than a transcript can have.
///
/// # Errors
/// [`AuditError`].
pub fn audit_file(path: &Path, root: &Certificate) -> Result<Audit, AuditError> {
    audit(&transcript::read_file(path)?, root)
}

/// Verifies the transcript in a ceremony's directory, and that the other files there are those that it tells of.
///
/// # Errors
/// As [`audit`], and [`AuditError::File`].
pub fn audit_dir(dir: &Path, root: &Certificate) -> Result<Audit, AuditError> {
    let layout = super::layout::Layout::new(dir);
    let bytes = layout.read_transcript()?;
    let audit = audit(&bytes, root)?;
    layout.compare(&audit)?;
    Ok(audit)
}

/// What a chain of events proves so far; the last session may be open.
pub(super) fn examine(chain: &Chain) -> Result<Audit, AuditError> {
    let mut auditor: Option<Auditor> = None;
    for event in &chain.events {
        let wrong = |reason: String| AuditError::Event {
            number: event.number,
            kind: sessions::kind(&event.what),
            reason,
        };
        match &mut auditor {
            None => auditor = Some(Auditor::begin(event).map_err(wrong)?),
            Some(auditor) => auditor.take(event).map_err(wrong)?,
        }
    }
    let auditor = auditor.ok_or(AuditError::Empty)?;
    let head = hex::encode(chain.head);
    let last = chain.events.last().ok_or(AuditError::Empty)?;
    let unfinished = AuditError::Unfinished {
        after: last.number,
        kind: sessions::kind(&last.what),
    };
    let cut = chain.cut != 0;
    auditor.finish(head, cut).ok_or(unfinished)
}

/// Refuses a transcript whose last session was not closed.
fn closed(audit: Audit) -> Result<Audit, AuditError> {
    match (audit.closed, audit.sessions.last()) {
        (true, _) => Ok(audit),
        (false, last) => Err(AuditError::Unfinished {
            after: last.map_or(0, |session| session.last),
            kind: "session not closed",
        }),
    }
}

/// The ceremony's id as bytes.
pub(super) fn id_bytes(begun: &CeremonyBegun) -> Option<[u8; 16]> {
    let mut id = [0; 16];
    hex::decode_to_slice(&begun.ceremony, &mut id).ok()?;
    (hex::encode(id) == begun.ceremony).then_some(id)
}
