//! Commands about authorities: carried to their end whoever leaves, and told.

use symbolon_pki::suite::Family;
use symbolon_pki::text::printable;
use tonic::{Request, Status};
use tracing::Instrument as _;

use crate::authorization::CallContext;
use crate::status::failure;
use crate::telemetry::{AUTHORITY_COMMANDED, AUTHORITY_REFUSED};

/// An error with everything below it, as one line: of a store that does not offer a key, its own words.
pub(super) fn in_full(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    printable(&causes.map(ToString::to_string).collect::<Vec<_>>().join(": "))
}

/// A command as the log tells of it.
pub(super) struct Command {
    step: &'static str,
    family: Option<Family>,
    authority_id: String,
    caller: Option<String>,
}

impl Command {
    /// A command that `request` gives, about an authority of this family and id where it names one.
    pub(super) fn new<T>(
        step: &'static str,
        family: Option<Family>,
        authority_id: &str,
        request: &Request<T>,
    ) -> Self {
        let context = request.extensions().get::<CallContext>();
        Self {
            step,
            family,
            authority_id: authority_id.to_owned(),
            caller: context.map(|context| context.caller.to_string()),
        }
    }

    /// Who gives it.
    pub(super) fn caller(&self) -> String {
        self.caller.clone().unwrap_or_else(|| "somebody".to_owned())
    }

    /// Carries the command out on a task of its own, to its end; `work` also tells which authority it was about. A caller
    /// may leave at any moment, and an authority that is revoked in the journal and still published, or a command that
    /// nobody is known to have given, must not come of that.
    pub(super) async fn carry_out<T: Send + 'static>(
        self,
        work: impl Future<Output = Result<(String, T), Status>> + Send + 'static,
    ) -> Result<T, Status> {
        let work = async move { self.told(work.await) };
        let outcome = tokio::spawn(work.in_current_span()).await;
        outcome.unwrap_or_else(|error| Err(failure("the command was not carried out", &error)))
    }

    /// Leaves what became of it in the log: who gave it, and why it was refused.
    fn told<T>(self, outcome: Result<(String, T), Status>) -> Result<T, Status> {
        let Self {
            step,
            family,
            authority_id,
            caller,
        } = self;
        let family = family.map(Family::name);
        match outcome {
            Ok((authority_id, done)) => {
                let authority_id = printable(&authority_id);
                tracing::info!(event = AUTHORITY_COMMANDED, step, family, authority_id, caller);
                Ok(done)
            }
            Err(status) => {
                let (authority_id, reason) = (printable(&authority_id), status.message());
                tracing::warn!(
                    event = AUTHORITY_REFUSED,
                    step,
                    family,
                    authority_id,
                    caller,
                    reason
                );
                Err(status)
            }
        }
    }
}
