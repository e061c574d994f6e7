//! Making the changes of a plan.

use symbolon_api::spire::api::types;

use super::plan::{Action, Plan, Step};
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
        Ok(outcomes)
    }
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
