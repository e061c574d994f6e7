//! Streams: the whole state once it is complete, and again at every change.

use std::sync::Arc;
use std::time::Duration;

use symbolon_api::spiffe::workload as wire;
use symbolon_pki::suite::Form;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::answers;
use super::caller::{Caller, Wanted};
use super::service::WorkloadApi;
use crate::agent::Context;
use crate::cache::{Identity, Lease, Matches, Offer};
use crate::migration::Stages;

/// Longest wait for SVIDs that have to be fetched first. After that a caller is given those that are there.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a stream has to say of the present state.
pub(super) enum Next<T> {
    /// This. The leases keep what is in it wanted.
    Message(T, Vec<Lease>),
    /// Nothing yet: something is still being fetched.
    Later,
}

/// Makes messages of states.
pub(super) trait Subject: Send + Sync + 'static {
    type Message: Clone + PartialEq + Send + 'static;

    /// The forms of the X.509-SVIDs that it is about. They are wanted from then on, so those who are given none must not
    /// name any.
    fn forms<'a>(&self, wanted: &'a Wanted) -> &'a [Form];

    /// What to say now. `patient` is whether to wait for what is still being fetched.
    ///
    /// # Errors
    /// Why there is no message and will not be one soon.
    fn next(&self, found: Matches, wanted: &Wanted, patient: bool) -> Result<Next<Self::Message>, Status>;
}

/// X.509-SVIDs. That somebody gets one is noted, and whether it can follow its migration.
pub(super) struct X509Svids(pub(super) Arc<Context>);

impl X509Svids {
    fn note(&self, identities: &[Identity], stages: &Stages, wanted: &Wanted) {
        let now = self.0.clock.now();
        for identity in identities {
            let Offer::Ready(svid) = &identity.offer else {
                continue;
            };
            let entry = &identity.entry;
            let migration = stages.of(&entry.id);
            let may_follow = migration.map_or(wanted.named, |migration| wanted.can_follow(migration));
            let (id, until) = (&entry.spiffe_id, svid.not_after);
            self.0.reports.given(id, until, may_follow, now);
        }
    }
}

impl Subject for X509Svids {
    type Message = wire::X509svidResponse;

    fn forms<'a>(&self, wanted: &'a Wanted) -> &'a [Form] {
        &wanted.forms
    }

    fn next(&self, found: Matches, wanted: &Wanted, patient: bool) -> Result<Next<Self::Message>, Status> {
        let Matches {
            identities,
            bundle,
            federated,
            stages,
            ..
        } = found;
        let is_pending = |identity: &Identity| matches!(identity.offer, Offer::Pending);
        if patient && identities.iter().any(is_pending) {
            return Ok(Next::Later);
        }
        let message = answers::x509(&identities, &bundle, &federated, &stages, wanted);
        if message.svids.is_empty() {
            return Err(nothing_to_give(&identities));
        }
        self.note(&identities, &stages, wanted);
        let leases = identities.into_iter().filter_map(|identity| identity.lease);
        Ok(Next::Message(message, leases.collect()))
    }
}

/// Why identities that exist have no SVID.
fn nothing_to_give(identities: &[Identity]) -> Status {
    let reason = identities.iter().find_map(|identity| match &identity.offer {
        Offer::Failed(problem) => Some(format!("the SVID could not be fetched: {problem}")),
        Offer::NoRoom => Some("the agent holds as many SVIDs as it may".to_owned()),
        Offer::Pending => Some("the SVID could not be fetched in time".to_owned()),
        Offer::NotAllowed => Some(format!(
            "the entry does not allow the form {}; ask for another form, or have it allowed",
            identity.form
        )),
        _ => None,
    });
    let no_authority = || {
        let form = identities
            .first()
            .map_or("X.509", |identity| identity.form.name());
        format!("the trust domain has no {form} authority")
    };
    Status::unavailable(reason.unwrap_or_else(no_authority))
}

/// X.509 bundles.
pub(super) struct X509Bundles;

impl Subject for X509Bundles {
    type Message = wire::X509BundlesResponse;

    fn forms<'a>(&self, _: &'a Wanted) -> &'a [Form] {
        &[]
    }

    fn next(&self, found: Matches, wanted: &Wanted, _: bool) -> Result<Next<Self::Message>, Status> {
        Ok(Next::Message(
            answers::x509_bundles(&found.bundle, &found.federated, wanted),
            Vec::new(),
        ))
    }
}

/// JWT bundles.
pub(super) struct JwtBundles;

impl Subject for JwtBundles {
    type Message = wire::JwtBundlesResponse;

    fn forms<'a>(&self, _: &'a Wanted) -> &'a [Form] {
        &[]
    }

    fn next(&self, found: Matches, _: &Wanted, _: bool) -> Result<Next<Self::Message>, Status> {
        Ok(Next::Message(
            answers::jwt_bundles(&found.bundle, &found.federated),
            Vec::new(),
        ))
    }
}

pub(super) type Updates<T> = ReceiverStream<Result<T, Status>>;

/// Begins a stream. Its first message, or the error that stands for it, is there when this returns.
///
/// # Errors
/// `PermissionDenied` if the caller has no identity, `Unavailable` if there is nothing to give yet.
pub(super) async fn begin<S: Subject>(
    api: Arc<WorkloadApi>,
    caller: Caller,
    wanted: Wanted,
    subject: S,
) -> Result<Updates<S::Message>, Status> {
    let mut following = Following {
        changes: api.context.cache.changes(),
        api,
        caller,
        wanted,
        subject,
        leases: Vec::new(),
    };
    let patience = following.api.context.timer.sleep(PATIENCE);
    let first = tokio::select! {
        first = following.first() => Some(first?),
        () = patience => None,
    };
    let (first, identities) = match first {
        Some(first) => first,
        None => following.what_is_there().await?,
    };
    following.caller.admit(identities);
    let (sender, receiver) = mpsc::channel(1);
    // There is room for one.
    if sender.try_send(Ok(first.clone())).is_ok() {
        tokio::spawn(following.run(first, sender));
    }
    Ok(ReceiverStream::new(receiver))
}

struct Following<S: Subject> {
    api: Arc<WorkloadApi>,
    caller: Caller,
    wanted: Wanted,
    subject: S,
    changes: tokio::sync::watch::Receiver<u64>,
    leases: Vec<Lease>,
}

impl<S: Subject> Following<S> {
    async fn first(&mut self) -> Result<(S::Message, usize), Status> {
        // Nobody waits for a sync longer than once.
        let forms = self.subject.forms(&self.wanted);
        let mut found = self.api.find_or_sync(&self.caller, forms).await?;
        loop {
            let identities = found.entries.len();
            if let Next::Message(message, leases) = self.subject.next(found, &self.wanted, true)? {
                self.leases = leases;
                return Ok((message, identities));
            }
            self.changed().await?;
            found = self.find().await?;
        }
    }

    async fn find(&self) -> Result<Matches, Status> {
        let forms = self.subject.forms(&self.wanted);
        self.api.find(&self.caller, forms).await
    }

    async fn what_is_there(&mut self) -> Result<(S::Message, usize), Status> {
        let found = self.find().await?;
        let identities = found.entries.len();
        match self.subject.next(found, &self.wanted, false)? {
            Next::Message(message, leases) => {
                self.leases = leases;
                Ok((message, identities))
            }
            Next::Later => Err(Status::unavailable("the SVIDs could not be fetched in time")),
        }
    }

    /// Sends a message at each change, until the caller goes away, loses its identity, or the agent stops.
    async fn run(mut self, mut last: S::Message, sender: mpsc::Sender<Result<S::Message, Status>>) {
        loop {
            let changed = tokio::select! {
                () = sender.closed() => return,
                changed = self.changed() => changed,
            };
            let next = match changed {
                Ok(()) => self.next().await,
                Err(stopping) => Err(stopping),
            };
            let message = match next {
                Ok(Some(message)) if message != last => message,
                Ok(_) => continue,
                Err(status) => {
                    // A caller that has gone does not miss it.
                    let _gone = sender.send(Err(status)).await;
                    return;
                }
            };
            last = message.clone();
            if sender.send(Ok(message)).await.is_err() {
                return;
            }
        }
    }

    /// `None` while there is nothing better than what was sent.
    async fn next(&mut self) -> Result<Option<S::Message>, Status> {
        let found = self.find().await?;
        match self.subject.next(found, &self.wanted, true) {
            Ok(Next::Message(message, leases)) => {
                self.leases = leases;
                Ok(Some(message))
            }
            // What the caller has may still be good, and the fetching goes on.
            Ok(Next::Later) | Err(_) => Ok(None),
        }
    }

    async fn changed(&mut self) -> Result<(), Status> {
        let stopping = || Status::unavailable("the agent is stopping");
        tokio::select! {
            () = self.api.cancel.cancelled() => Err(stopping()),
            changed = self.changes.changed() => changed.map_err(|_| stopping()),
        }
    }
}
