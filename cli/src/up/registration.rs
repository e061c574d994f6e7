//! Registering the calling user, and the agent's second name that the entry hangs on.

use anyhow::Result;
use spiffe::{SpiffeId, TrustDomain};
use symbolon_ca::client::{Client, ClientError, EntryQuery, EntrySpec, Reader as _, SelectorSpec};

/// The name that the agent of `up` has beside the one its token gave it. Entries have it as their parent, so that they
/// outlive the token.
pub(crate) fn node_id(trust_domain: &TrustDomain) -> Result<SpiffeId> {
    Ok(SpiffeId::new(format!("spiffe://{trust_domain}/node/up"))?)
}

/// Sees to it that the calling user has an entry.
pub(crate) async fn register_user(client: &Client, trust_domain: &TrustDomain) -> Result<()> {
    let user = rustix::process::getuid().as_raw();
    let workload = SpiffeId::new(format!("spiffe://{trust_domain}/uid/{user}"))?;
    let node = node_id(trust_domain)?;
    let selector = SelectorSpec {
        kind: "unix".to_owned(),
        value: format!("uid:{user}"),
    };
    let query = EntryQuery {
        spiffe_id: Some(workload.clone()),
        parent_id: Some(node.clone()),
    };
    let registered = client.entries(&query).await?;
    if registered
        .iter()
        .any(|entry| entry.selectors == [selector.to_string()])
    {
        return Ok(());
    }
    client
        .create_entry(&EntrySpec::new(workload, node, vec![selector]))
        .await?;
    Ok(())
}

/// Takes the second name away from the agents that had it before, because one that attests anew is about to get it.
pub(crate) async fn free_node_name(client: &Client, node: &SpiffeId) -> Result<(), ClientError> {
    let query = EntryQuery {
        spiffe_id: Some(node.clone()),
        parent_id: None,
    };
    for entry in client.entries(&query).await? {
        client.delete_entry(&entry.id).await?;
    }
    Ok(())
}
