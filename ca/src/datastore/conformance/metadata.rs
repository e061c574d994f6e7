//! Facts about the server itself.

use super::{Outcome, Store, expect_eq};

pub(super) async fn the_first_claim_stays(store: Store) -> Outcome {
    expect_eq!(store.metadata("trust-domain").await?, None);
    expect_eq!(
        store.claim_metadata("trust-domain", "example.org").await?,
        "example.org"
    );
    expect_eq!(
        store.claim_metadata("trust-domain", "other.test").await?,
        "example.org"
    );
    expect_eq!(
        store.metadata("trust-domain").await?.as_deref(),
        Some("example.org")
    );
    Ok(())
}

pub(super) async fn a_setting_can_be_changed(store: Store) -> Outcome {
    store.set_metadata("a", "1").await?;
    store.set_metadata("b", "2").await?;
    store.set_metadata("a", "three 'quotes'").await?;
    expect_eq!(store.metadata("a").await?.as_deref(), Some("three 'quotes'"));
    expect_eq!(store.metadata("b").await?.as_deref(), Some("2"));
    store.ping().await?;
    Ok(())
}
