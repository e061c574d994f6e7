//! Making the changes of a plan.

use std::collections::HashSet;

use symbolon_api::spire::api::types;

use super::plan::{Action, Likeness, Plan, Step, likeness};
use crate::client::{Client, ClientError};

/// What became of a change: the entry's id, or why it was not made.
pub type Outcome = Result<String, ClientError>;

impl Plan {
    /// Makes the changes, each by itself: one that fails does not keep the others. Says of each in order what became of
    /// it.
    ///
    /// # Errors
    /// [`ClientError`] where the server could not be asked at all. What was done by then is done; the next run goes on from
    /// there.
    pub async fn run(&self, client: &Client) -> Result<Vec<Outcome>, ClientError> {
        let mut outcomes = Vec::with_capacity(self.steps.len());
        // Steps of a kind that follow each other go together.
        for group in self.steps.chunk_by(|one, next| kind(one) == kind(next)) {
            let entries: Vec<types::Entry> = group.iter().map(|step| step.entry.clone()).collect();
            outcomes.extend(match group.first().map(kind) {
                Some(Kind::Create) => client.create_messages(entries).await?,
                Some(Kind::Update) => client.update_messages(entries, self.mask).await?,
                Some(Kind::Delete) => {
                    let ids: Vec<String> = entries.into_iter().map(|entry| entry.id).collect();
                    let done = client.delete_entries(&ids).await?;
                    ids.into_iter()
                        .zip(done)
                        .map(|(id, done)| done.map(|()| id))
                        .collect()
                }
                None => Vec::new(),
            });
        }
        self.put_back(client, &mut outcomes).await?;
        Ok(outcomes)
    }

    /// Makes those entries again that were deleted for others to take their places, where these were refused: no workload
    /// is to lose its registration by a change that was not made.
    async fn put_back(&self, client: &Client, outcomes: &mut [Outcome]) -> Result<(), ClientError> {
        let made: Vec<bool> = outcomes.iter().map(Result::is_ok).collect();
        let missing = missing(&self.steps, &made);
        if missing.is_empty() {
            return Ok(());
        }
        let entries = missing.iter().map(|(_, entry)| (*entry).clone()).collect();
        let again = client.create_messages(entries).await?;
        for ((index, _), again) in missing.into_iter().zip(again) {
            if let Some(outcome) = outcomes.get_mut(index) {
                *outcome = Err(match again {
                    Ok(_) => ClientError::PutBack,
                    Err(error) => ClientError::Lost(Box::new(error)),
                });
            }
        }
        Ok(())
    }
}

/// The entries that were deleted, and of whose registrations there is none now because what was to have them was refused.
fn missing<'a>(steps: &'a [Step], made: &[bool]) -> Vec<(usize, &'a types::Entry)> {
    let of = |wanted: bool| {
        let steps = steps.iter().zip(made).enumerate();
        steps.filter_map(move |(index, (step, made))| (*made == wanted).then_some((index, step)))
    };
    let refused: HashSet<Likeness> = of(false)
        .filter(|(_, step)| kind(step) != Kind::Delete)
        .map(|(_, step)| likeness(&step.entry))
        .collect();
    of(true)
        .filter(|(_, step)| kind(step) == Kind::Delete && refused.contains(&likeness(&step.entry)))
        .map(|(index, step)| (index, &step.entry))
        .collect()
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Kind {
    Create,
    Update,
    Delete,
}

fn kind(step: &Step) -> Kind {
    match step.change.action {
        Action::Create => Kind::Create,
        Action::Update | Action::Adopt => Kind::Update,
        Action::Delete => Kind::Delete,
    }
}
