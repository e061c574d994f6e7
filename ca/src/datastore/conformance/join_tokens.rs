//! Join tokens.

use super::samples::{agent, at, hash, join_token};
use super::{Outcome, Store, expect_eq, expect_error};
use crate::datastore::{AgentChange, DatastoreError, JoinTokenRecord, TokenUse};

pub(super) async fn a_token_is_consumed_once(store: Store) -> Outcome {
    let agent_id = Some("spiffe://example.org/node".parse()?);
    let token = JoinTokenRecord {
        agent_id,
        ..join_token(1, 600)
    };
    store.create_join_token(&token).await?;
    expect_error!(
        store.create_join_token(&token).await,
        DatastoreError::AlreadyExists { .. }
    );
    expect_eq!(
        store.consume_join_token(&hash(2), at(0), &agent("a", 1)?).await?,
        TokenUse::Unknown
    );
    expect_eq!(
        store
            .consume_join_token(&hash(1), at(599), &agent("a", 1)?)
            .await?,
        TokenUse::Consumed(token)
    );
    expect_eq!(
        store
            .consume_join_token(&hash(1), at(599), &agent("a", 1)?)
            .await?,
        TokenUse::Unknown
    );
    Ok(())
}

pub(super) async fn of_many_at_once_one_consumes(store: Store) -> Outcome {
    store.create_join_token(&join_token(1, 600)).await?;
    let mut attempts = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let (store, agent) = (store.clone(), agent("a", 1)?);
        attempts.spawn(async move { store.consume_join_token(&hash(1), at(0), &agent).await });
    }
    let mut consumed = 0;
    while let Some(attempt) = attempts.join_next().await {
        match attempt?? {
            TokenUse::Consumed(_) => consumed += 1,
            TokenUse::Unknown => {}
            TokenUse::Expired(token) => anyhow::bail!("{token:?} has not expired"),
        }
    }
    expect_eq!(consumed, 1);
    Ok(())
}

pub(super) async fn an_expired_token_is_told_apart(store: Store) -> Outcome {
    let token = join_token(1, 600);
    store.create_join_token(&token).await?;
    expect_eq!(
        store
            .consume_join_token(&hash(1), at(600), &agent("a", 1)?)
            .await?,
        TokenUse::Expired(token.clone())
    );
    expect_eq!(
        store
            .consume_join_token(&hash(1), at(601), &agent("a", 1)?)
            .await?,
        TokenUse::Expired(token)
    );
    Ok(())
}

pub(super) async fn pruning_forgets_expired_tokens_only(store: Store) -> Outcome {
    for (number, expires) in [(1, 100), (2, 200), (3, 300)] {
        store.create_join_token(&join_token(number, expires)).await?;
    }
    expect_eq!(store.prune_join_tokens(at(200)).await?, 1);
    expect_eq!(
        store.consume_join_token(&hash(1), at(0), &agent("a", 1)?).await?,
        TokenUse::Unknown
    );
    expect_eq!(
        store.consume_join_token(&hash(2), at(0), &agent("a", 1)?).await?,
        TokenUse::Consumed(join_token(2, 200))
    );
    Ok(())
}

pub(super) async fn a_token_is_spent_with_its_agent_and_not_without(store: Store) -> Outcome {
    let token = join_token(1, 600);
    store.create_join_token(&token).await?;
    expect_eq!(store.join_token(&hash(2)).await?, None);
    expect_eq!(store.join_token(&hash(1)).await?, Some(token.clone()));
    let agent = agent("a", 1)?;
    let unknown = store.consume_join_token(&hash(2), at(0), &agent).await?;
    expect_eq!(unknown, TokenUse::Unknown);
    let late = store.consume_join_token(&hash(1), at(600), &agent).await?;
    expect_eq!(late, TokenUse::Expired(token.clone()));
    expect_eq!(store.agent(&agent.spiffe_id).await?, None);

    // An agent that may not be recorded spends nothing.
    store.attest_agent(&agent).await?;
    store.change_agent(&agent.spiffe_id, &AgentChange::Banned).await?;
    expect_error!(
        store.consume_join_token(&hash(1), at(0), &agent).await,
        DatastoreError::Conflict { .. }
    );
    expect_eq!(store.join_token(&hash(1)).await?, Some(token.clone()));
    store.delete_agent(&agent.spiffe_id).await?;
    let used = store.consume_join_token(&hash(1), at(0), &agent).await?;
    expect_eq!(used, TokenUse::Consumed(token));
    expect_eq!(store.agent(&agent.spiffe_id).await?, Some(agent));
    expect_eq!(store.join_token(&hash(1)).await?, None);
    Ok(())
}
