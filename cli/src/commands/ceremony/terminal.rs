//! A person at a terminal who leads through a ceremony, or a script that has said everything before.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use anyhow::Result;
use symbolon_ca::ceremony::event::Event;
use symbolon_ca::ceremony::{self, CeremonyError, Conductor, Declined, Name, Plan, SecretWanted};
use symbolon_hsm::{Passphrase, PassphraseError};

use super::people::Invited;
use super::say;
use crate::exit::Usage;
use crate::output::Format;
use crate::prompt;

/// Leads through a ceremony.
pub(super) struct Terminal {
    output: Format,
    yes: bool,
    invited: Invited,
}

impl Terminal {
    /// A ceremony that was said everything, or that can ask.
    pub(super) fn new(output: Format, yes: bool, invited: Invited) -> Result<Self> {
        if !yes && !io::stdin().is_terminal() {
            return Err(Usage(
                "a ceremony asks before it makes anything, and there is no terminal: say --yes".to_owned(),
            )
            .into());
        }
        Ok(Self { output, yes, invited })
    }

    /// The custodians who are here: those whom the command line names, else those who say so. When `all` must be here
    /// nobody is asked.
    pub(super) fn who_is_here(&self, plan: &Plan, all: bool) -> Result<Vec<Name>> {
        if !self.invited.names.is_empty() {
            return Ok(self.invited.names.clone());
        }
        if !io::stdin().is_terminal() {
            return Err(Usage("who is here? name each custodian with --custodian".to_owned()).into());
        }
        let mut present = Vec::new();
        for custodian in &plan.custodians {
            let question = format!("Is {} ({}) here?", custodian.name, custodian.role);
            if all || ask(&question)? {
                present.push(custodian.name.clone());
            }
        }
        Ok(present)
    }
}

impl Terminal {
    /// Refuses sources of which it is not clear what they hold, before one is tried as a PIN and costs a try. `first` is
    /// the session that makes the root.
    pub(super) fn check_sources(&self, plan: &Plan, present: &[Name], first: bool) -> Result<()> {
        let secrets = ceremony::secrets(plan, present, first).map_err(CeremonyError::from)?;
        self.invited.check(plan, &secrets)
    }
}

impl Conductor for Terminal {
    fn step(&mut self, words: &str) {
        say(self.output, &format!("- {words}"));
    }

    fn confirm(&mut self, question: &str) -> Result<(), Declined> {
        if self.yes {
            say(
                self.output,
                &format!("- {question} Yes, as the command line says"),
            );
            return Ok(());
        }
        match ask(question) {
            Ok(true) => Ok(()),
            _ => Err(Declined),
        }
    }

    fn secret(&mut self, wanted: &SecretWanted) -> Result<Passphrase, PassphraseError> {
        let words = &wanted.words;
        // One slip of a finger does not send everybody back to the beginning.
        let typed = || {
            loop {
                let first = prompt::secret(words)?;
                if !wanted.is_new || prompt::secret(&format!("{words}, again"))?.expose() == first.expose() {
                    return Ok(first);
                }
                anstream::eprintln!("The two are not the same; please type both anew.");
            }
        };
        match self.invited.source(wanted) {
            Some(source) => source.read(typed),
            None => typed(),
        }
    }

    fn written(&mut self, event: &Event) {
        tracing::info!(number = event.number, "an event was written to the transcript");
    }
}

/// Asks a question that is answered by yes or no.
fn ask(question: &str) -> io::Result<bool> {
    let mut terminal = io::stderr().lock();
    loop {
        write!(terminal, "{question} [yes/no] ")?;
        terminal.flush()?;
        let mut answer = String::new();
        if io::stdin().lock().read_line(&mut answer)? == 0 {
            return Ok(false);
        }
        match answer.trim() {
            "yes" => return Ok(true),
            "no" => return Ok(false),
            _ => writeln!(terminal, "Please write yes or no.")?,
        }
    }
}
