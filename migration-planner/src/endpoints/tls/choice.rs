//! What an answer means for the question: a choice, a no, or neither.

use super::codes::{Version, alert_name};
use super::probe::{Answer, Flight};
use crate::endpoints::line::Fault;
use crate::inventory::Reason;

/// What a server chose out of what was left.
#[derive(Debug)]
pub(super) enum Choice {
    Chose(u16),
    Nothing,
    /// No answer, as from a server that takes nothing of it, and from one that is busy.
    Mute,
    Unclear(Reason, String),
}

/// How a server refuses that says nothing.
pub(super) const CLOSES: &str = "closes the connection";

/// Whether a server that says so may say it to anything: close_notify, internal_error, access_denied, user_canceled.
pub(super) const fn is_mute(alert: u8) -> bool {
    matches!(alert, 0 | 49 | 80 | 90)
}

/// How a server refuses.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Refusal {
    /// For people.
    pub(super) how: String,
    /// It says nothing of what was asked.
    pub(super) mute: bool,
    /// It says that another version is wanted.
    pub(super) version: bool,
}

/// How a server refuses; an error when it is not a refusal.
pub(super) fn refusal(answer: Answer, asked: Version) -> Result<Refusal, Fault> {
    let alert = |code| Refusal {
        how: alert_name(code),
        mute: is_mute(code),
        version: code == 70,
    };
    match answer {
        Answer::Flight(flight) => Ok(match (flight.alert, version_of(&flight)) {
            (Some(code), Some(version)) if version == asked => alert(code),
            (_, other) => Refusal {
                how: match other {
                    Some(other) => format!("answers with {}", other.words()),
                    None => format!("answers with version 0x{:04x}", flight.hello.version),
                },
                mute: false,
                version: true,
            },
        }),
        Answer::Alert(code) => Ok(alert(code)),
        Answer::Fault(Fault::Closed) => Ok(Refusal {
            how: CLOSES.to_owned(),
            mute: true,
            version: false,
        }),
        Answer::Fault(fault) => Err(fault),
    }
}

fn version_of(flight: &Flight) -> Option<Version> {
    let mut each = Version::ALL.into_iter();
    each.find(|version| version.code() == flight.hello.version)
}

/// What was chosen, in an answer of the right version. Errors are only those that end the work.
pub(super) fn choice(
    answer: Answer,
    version: Version,
    pick: impl FnOnce(&Flight) -> Option<u16>,
) -> Result<Choice, Fault> {
    Ok(match answer {
        Answer::Flight(flight) if flight.hello.version != version.code() => Choice::Nothing,
        Answer::Flight(flight) => match (pick(&flight), flight.alert) {
            (Some(code), _) => Choice::Chose(code),
            // It found out only then that it cannot go on.
            (None, Some(alert)) if is_mute(alert) => Choice::Mute,
            (None, Some(_)) => Choice::Nothing,
            (None, None) if flight.cut => {
                Choice::Unclear(Reason::Malformed, "the server's answer is cut off".to_owned())
            }
            (None, None) => Choice::Nothing,
        },
        Answer::Alert(code) if is_mute(code) => Choice::Mute,
        Answer::Alert(_) => Choice::Nothing,
        Answer::Fault(Fault::Closed) => Choice::Mute,
        Answer::Fault(fault) if fault.is_final() => return Err(fault),
        Answer::Fault(fault) => Choice::Unclear(fault.reason(), fault.to_string()),
    })
}
