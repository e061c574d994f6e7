//! The bundles of the trust domains that entries federate with.

use std::collections::BTreeSet;

use futures_util::FutureExt as _;
use futures_util::stream::{self, StreamExt as _};
use spiffe::TrustDomain;
use symbolon_pki::bundle::{BundleSet, TrustBundle};

use crate::agent::Context;
use crate::cache::Entries;
use crate::server::{CallError, fetch_federated_bundle};
use crate::telemetry;

/// So many are asked for at a time, as by SPIRE's agent.
const AT_ONCE: usize = 10;

/// Fetches each. One that the server does not have is left out; one that it cannot give, or that cannot be read, stays what
/// it was, since the rest of the sync is none the worse for it.
///
/// # Errors
/// Why the server does not hear this agent at all.
pub(super) async fn fetch(context: &Context, entries: &Entries) -> Result<BundleSet, CallError> {
    let held = context.cache.federated();
    let names: BTreeSet<_> = entries.values().flat_map(|entry| &entry.federates_with).collect();
    let mut found = BundleSet::new();
    let calls: Vec<_> = names.into_iter().map(|name| ask(context, name).boxed()).collect();
    let mut answers = stream::iter(calls).buffer_unordered(AT_ONCE);
    while let Some((trust_domain, fetched)) = answers.next().await {
        let known = held.get(trust_domain);
        let missing = |reason: &str| {
            tracing::warn!(
                event = telemetry::FEDERATED_BUNDLE_MISSING,
                %trust_domain,
                reason,
                "workloads do not get the server's bundle of this trust domain"
            );
        };
        match fetched {
            // Nothing is copied for what is as it was.
            Ok(Some(bundle)) => match known.filter(|known| ***known == bundle) {
                Some(known) => found.insert(known.clone()),
                None => found.insert(bundle),
            },
            Ok(None) => {
                // Said once: it may be long before it has one again.
                if known.is_some() {
                    missing("the server has none any more");
                }
                None
            }
            Err(error) if error.is_about_one_thing() => {
                missing(&error.to_string());
                known.and_then(|known| found.insert(known.clone()))
            }
            Err(error) => return Err(error),
        };
    }
    Ok(found)
}

/// What the server says of one, and of which.
async fn ask<'a>(
    context: &Context,
    trust_domain: &'a TrustDomain,
) -> (&'a TrustDomain, Result<Option<TrustBundle>, CallError>) {
    let call = async |channel| fetch_federated_bundle(channel, trust_domain).await;
    (trust_domain, context.link.call(call).await)
}
