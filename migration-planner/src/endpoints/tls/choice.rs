//! What an answer means for the question: a choice, a no, or neither.

use super::codes::{Version, alert_name};
use super::probe::{Answer, Flight};
use crate::endpoints::line::Fault;

/// What a server chose out of what was left.
pub(super) enum Choice {
    Chose(u16),
    Nothing,
    Unclear(String),
}

/// How a server refuses that says nothing.
pub(super) const CLOSES: &str = "closes the connection";

/// How a server refuses; an error when it is not a refusal.
pub(super) fn refusal(answer: Answer) -> Result<String, Fault> {
    match answer {
        Answer::Flight(flight) => Ok(
            match Version::ALL
                .into_iter()
                .find(|version| version.code() == flight.hello.version)
            {
                Some(other) => format!("answers with {}", other.words()),
                None => format!("answers with version 0x{:04x}", flight.hello.version),
            },
        ),
        Answer::Alert(code) => Ok(alert_name(code)),
        Answer::Fault(Fault::Closed) => Ok(CLOSES.to_owned()),
        Answer::Fault(fault) => Err(fault),
    }
}

/// What was chosen, in an answer of the right version. Errors are only those that end the work.
pub(super) fn choice(
    answer: Answer,
    version: Version,
    pick: impl FnOnce(&Flight) -> Option<u16>,
) -> Result<Choice, Fault> {
    Ok(match answer {
        Answer::Flight(flight) if flight.hello.version != version.code() => Choice::Nothing,
        Answer::Flight(flight) => match pick(&flight) {
            Some(code) => Choice::Chose(code),
            None if flight.cut => Choice::Unclear("the server's answer is cut off".to_owned()),
            None => Choice::Nothing,
        },
        Answer::Alert(_) | Answer::Fault(Fault::Closed) => Choice::Nothing,
        Answer::Fault(fault) if fault.is_final() => return Err(fault),
        Answer::Fault(fault) => Choice::Unclear(fault.to_string()),
    })
}
