//! Who calls, and what for: what every method looks at first.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use symbolon_api::{WORKLOAD_METADATA, WORKLOAD_METADATA_VALUE, forms};
use symbolon_pki::suite::Form;
use symbolon_tls::Migration;
use tokio::sync::Semaphore;
use tonic::metadata::MetadataMap;
use tonic::{Extensions, Status};

use super::incoming::ConnectedPeer;
use crate::attestor::Asked;
use crate::attestor::unix::{Peer, UnixAttestor};
use crate::cache::Selector;
use crate::telemetry;

/// Most processes that are looked at at a time, each on a thread of its own.
const MAX_ATTESTATIONS: usize = 16;

/// Looks at processes, not at too many at once. Copies share it.
#[derive(Clone, Debug)]
pub(super) struct Attestation {
    attestor: Arc<UnixAttestor>,
    permits: Arc<Semaphore>,
}

impl Attestation {
    pub(super) fn new() -> Self {
        Self {
            attestor: Arc::new(UnixAttestor::new()),
            permits: Arc::new(Semaphore::new(MAX_ATTESTATIONS)),
        }
    }
}

/// A process that made a call.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    peer: Arc<Peer>,
    attestation: Attestation,
    method: &'static str,
}

impl Caller {
    /// Lets a call in.
    ///
    /// # Errors
    /// `InvalidArgument` for a call without the metadata that every client must send.
    pub(super) fn of(
        metadata: &MetadataMap,
        extensions: &Extensions,
        attestation: Attestation,
        method: &'static str,
    ) -> Result<Self, Status> {
        let sent = metadata.get(WORKLOAD_METADATA).map(|value| value.as_bytes());
        if sent != Some(WORKLOAD_METADATA_VALUE.as_bytes()) {
            return Err(Status::invalid_argument(format!(
                "security header missing from request: metadata `{WORKLOAD_METADATA}` must be `{WORKLOAD_METADATA_VALUE}`"
            )));
        }
        let peer = extensions
            .get::<ConnectedPeer>()
            .ok_or_else(|| Status::internal("the caller is not known"))?;
        Ok(Self {
            peer: peer.0.clone(),
            attestation,
            method,
        })
    }

    /// What can be said of the process now.
    ///
    /// # Errors
    /// `PermissionDenied` if it has ended, or nothing can be found out.
    pub(super) async fn selectors(&self, asked: Arc<Asked>) -> Result<BTreeSet<Selector>, Status> {
        let Attestation { attestor, permits } = self.attestation.clone();
        let internal = |error: &dyn std::fmt::Display| {
            Status::internal(format!("the caller could not be attested: {error}"))
        };
        let permit = permits.acquire_owned().await.map_err(|error| internal(&error))?;
        let peer = self.peer.clone();
        let attesting = tokio::task::spawn_blocking(move || {
            let attested = attestor.attest(&peer, &asked);
            drop(permit);
            attested
        });
        match attesting.await {
            Ok(Ok(selectors)) => Ok(selectors),
            Ok(Err(error)) => Err(self.deny(&error)),
            Err(error) => Err(internal(&error)),
        }
    }

    /// Tells the log who the caller was found to be.
    pub(super) fn admit(&self, identities: usize) {
        let (pid, uid, gid) = (self.peer.pid(), self.peer.uid(), self.peer.gid());
        let (event, method) = (telemetry::WORKLOAD_ATTESTED, self.method);
        tracing::info!(event, pid, uid, gid, method, identities, "workload attested");
    }

    /// Tells the log and the caller that there is nothing for it.
    pub(super) fn deny(&self, reason: &dyn std::fmt::Display) -> Status {
        let (pid, uid, gid) = (self.peer.pid(), self.peer.uid(), self.peer.gid());
        let (event, method) = (telemetry::WORKLOAD_DENIED, self.method);
        tracing::info!(event, pid, uid, gid, method, %reason, "workload denied");
        Status::permission_denied(reason.to_string())
    }
}

/// The forms a request is about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Wanted {
    /// The classical one first if it is among them, the others in the order asked for.
    pub(super) forms: Vec<Form>,
    /// Whether the caller named them, and so understands answers that say more than SPIRE's.
    pub(super) named: bool,
}

impl Wanted {
    /// Whether who asks like this can follow a migration: it understands what is said of one, and gets what it takes to verify
    /// others by.
    pub(super) fn can_follow(&self, migration: Migration) -> bool {
        self.named && self.forms.contains(&migration.target.form())
    }

    /// # Errors
    /// `InvalidArgument` for a list that is none, and for a form that does not exist.
    pub(super) fn of(metadata: &MetadataMap) -> Result<Self, Status> {
        static CLASSICAL: OnceLock<Wanted> = OnceLock::new();
        let Some(names) = forms::requested(metadata)? else {
            let classical = || Self {
                forms: vec![Form::Classical],
                named: false,
            };
            return Ok(CLASSICAL.get_or_init(classical).clone());
        };
        let mut forms = names
            .into_iter()
            .map(str::parse)
            .collect::<Result<Vec<Form>, _>>()
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        forms.sort_by_key(|form| *form != Form::Classical);
        Ok(Self { forms, named: true })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(list: Option<&'static str>) -> Result<Wanted, Status> {
        let mut metadata = MetadataMap::new();
        if let Some(list) = list {
            metadata.insert(symbolon_api::FORMS_METADATA, list.parse().unwrap());
        }
        Wanted::of(&metadata)
    }

    #[test]
    fn silence_asks_for_the_classical_form_and_order_is_kept_behind_it() {
        let silent = wanted(None).unwrap();
        assert_eq!((silent.forms, silent.named), (vec![Form::Classical], false));
        for (list, forms) in [
            ("classical", vec![Form::Classical]),
            ("composite", vec![Form::Composite]),
            ("ml-dsa,composite", vec![Form::MlDsa, Form::Composite]),
            (
                "composite,ml-dsa,classical",
                vec![Form::Classical, Form::Composite, Form::MlDsa],
            ),
            ("paired,catalyst", vec![Form::Paired, Form::Catalyst]),
        ] {
            let wanted = wanted(Some(list)).unwrap();
            assert_eq!((wanted.forms, wanted.named), (forms, true), "{list}");
        }
    }

    #[test]
    fn unknown_forms_are_named() {
        for list in ["rot13", "classical,pair", "composite,,ml-dsa"] {
            let status = wanted(Some(list)).unwrap_err();
            assert_eq!(status.code(), tonic::Code::InvalidArgument, "{list}");
        }
        assert!(wanted(Some("rot13")).unwrap_err().message().contains("rot13"));
    }
}
