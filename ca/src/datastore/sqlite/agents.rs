//! Attested agents.

use async_trait::async_trait;
use spiffe::SpiffeId;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::codec::{Columns, failed, seconds};
use super::filter::{Conditions, SetTable, bind_selector, cut, replace_set, start};
use super::{SqliteDatastore, commit};
use crate::datastore::{
    AgentCertificate, AgentChange, AgentFilter, AgentRecord, AgentStore, DatastoreError, Page, PageRequest,
    RecordKind, Result, Selector, agent, checks,
};

const SELECTORS: SetTable = SetTable {
    name: "agent_selector",
    owner: "agent_seq",
    member: &["kind", "value"],
};

/// An agent with its selectors, as one row.
const SELECT: &str = "SELECT a.*, \
    (SELECT json_group_array(json_array(kind, value)) FROM agent_selector WHERE agent_seq = a.seq) AS selectors \
    FROM agent AS a";

#[async_trait]
impl AgentStore for SqliteDatastore {
    async fn attest_agent_alone(&self, agent: &AgentRecord, siblings: &[SpiffeId]) -> Result<()> {
        let mut transaction = self.begin().await?;
        for sibling in siblings {
            if find(&mut transaction, sibling).await?.is_some() {
                let reason = "an agent of this name is on record by the same evidence";
                return Err(DatastoreError::conflict(RecordKind::Agent, sibling, reason));
            }
        }
        attest(&mut transaction, agent).await?;
        commit(transaction).await
    }

    async fn attest_agent_once(&self, agent: &AgentRecord) -> Result<()> {
        let mut transaction = self.begin().await?;
        if let Some((_, known)) = find(&mut transaction, &agent.spiffe_id).await?
            && !known.banned
        {
            return Err(DatastoreError::already_exists(
                RecordKind::Agent,
                &agent.spiffe_id,
            ));
        }
        attest(&mut transaction, agent).await?;
        commit(transaction).await
    }

    async fn change_agent(&self, spiffe_id: &SpiffeId, change: &AgentChange) -> Result<AgentRecord> {
        let mut transaction = self.begin().await?;
        let (_, before) = must_find(&mut transaction, spiffe_id).await?;
        let after = before.clone().after(change)?;
        checks::agent(&after)?;
        if after != before {
            write(&mut transaction, &after).await?;
        }
        let (_, agent) = must_find(&mut transaction, spiffe_id).await?;
        commit(transaction).await?;
        Ok(agent)
    }

    async fn delete_agent(&self, spiffe_id: &SpiffeId) -> Result<AgentRecord> {
        let mut transaction = self.begin().await?;
        let (seq, agent) = must_find(&mut transaction, spiffe_id).await?;
        sqlx::query("DELETE FROM agent WHERE seq = ?")
            .bind(seq)
            .execute(&mut *transaction)
            .await
            .map_err(failed("delete an agent"))?;
        commit(transaction).await?;
        Ok(agent)
    }

    async fn agent(&self, spiffe_id: &SpiffeId) -> Result<Option<AgentRecord>> {
        let mut conditions = Conditions::on(SELECT);
        conditions.compare("a.spiffe_id =", Some(spiffe_id.to_string()));
        let row = conditions.finish().build().fetch_optional(&self.readers).await;
        row.map_err(failed("look for an agent"))?
            .as_ref()
            .map(|row| Ok(read(row)?.1))
            .transpose()
    }

    async fn list_agents(&self, filter: &AgentFilter, page: &PageRequest) -> Result<Page<AgentRecord>> {
        let mut conditions = Conditions::on(SELECT);
        conditions.compare("a.seq >", start(page));
        apply(filter, &mut conditions);
        let mut query = conditions.page("a.seq", page);
        let rows = query
            .build()
            .fetch_all(&self.readers)
            .await
            .map_err(failed("list agents"))?;
        Ok(cut(rows.iter().map(read).collect::<Result<_>>()?, page))
    }

    async fn count_agents(&self, filter: &AgentFilter) -> Result<u64> {
        let mut conditions = Conditions::on("SELECT count(*) AS count FROM agent AS a");
        apply(filter, &mut conditions);
        let row = conditions
            .finish()
            .build()
            .fetch_one(&self.readers)
            .await
            .map_err(failed("count agents"))?;
        Columns::of("a count", &row).count("count")
    }
}

/// Records that an agent has attested.
pub(super) async fn attest(connection: &mut SqliteConnection, agent: &AgentRecord) -> Result<()> {
    checks::agent(agent)?;
    if agent.banned {
        return Err(DatastoreError::invalid("the agent", "a banned one cannot attest"));
    }
    if let Some((_, known)) = find(connection, &agent.spiffe_id).await?
        && known.banned
    {
        return Err(agent::banned(&agent.spiffe_id));
    }
    write(connection, agent).await
}

async fn find(connection: &mut SqliteConnection, spiffe_id: &SpiffeId) -> Result<Option<(i64, AgentRecord)>> {
    let mut conditions = Conditions::on(SELECT);
    conditions.compare("a.spiffe_id =", Some(spiffe_id.to_string()));
    let row = conditions.finish().build().fetch_optional(connection).await;
    row.map_err(failed("look for an agent"))?
        .as_ref()
        .map(read)
        .transpose()
}

async fn must_find(connection: &mut SqliteConnection, spiffe_id: &SpiffeId) -> Result<(i64, AgentRecord)> {
    let found = find(connection, spiffe_id).await?;
    found.ok_or_else(|| DatastoreError::not_found(RecordKind::Agent, spiffe_id))
}

/// Adds an agent, or replaces the record of the one with its identity, which keeps its place in listings.
async fn write(connection: &mut SqliteConnection, agent: &AgentRecord) -> Result<()> {
    let seq: i64 = sqlx::query_scalar(
        "INSERT INTO agent (spiffe_id, attestation_type, serial, expires_at, renewed_serial, \
         renewed_expires_at, banned, can_reattest, agent_version, attested_at) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
         ON CONFLICT (spiffe_id) DO UPDATE SET attestation_type = excluded.attestation_type, \
         serial = excluded.serial, expires_at = excluded.expires_at, renewed_serial = excluded.renewed_serial, \
         renewed_expires_at = excluded.renewed_expires_at, banned = excluded.banned, \
         can_reattest = excluded.can_reattest, agent_version = excluded.agent_version, \
         attested_at = excluded.attested_at RETURNING seq",
    )
    .bind(agent.spiffe_id.to_string())
    .bind(&agent.attestation_type)
    .bind(agent.current.serial.as_bytes())
    .bind(seconds(agent.current.expires_at))
    .bind(agent.renewed.as_ref().map(|renewed| renewed.serial.as_bytes()))
    .bind(agent.renewed.as_ref().map(|renewed| seconds(renewed.expires_at)))
    .bind(agent.banned)
    .bind(agent.can_reattest)
    .bind(agent.agent_version.as_deref())
    .bind(seconds(agent.attested_at))
    .fetch_one(&mut *connection)
    .await
    .map_err(failed("record an agent"))?;
    replace_set(connection, SELECTORS, seq, &agent.selectors, bind_selector).await
}

fn apply(filter: &AgentFilter, conditions: &mut Conditions) {
    conditions.compare("a.attestation_type =", filter.attestation_type.as_deref());
    conditions.compare("a.banned =", filter.banned);
    conditions.compare("a.can_reattest =", filter.can_reattest);
    conditions.compare("a.expires_at <", filter.expires_before.map(seconds));
    conditions.set("a.seq", SELECTORS, filter.selectors.as_ref(), bind_selector);
}

fn read(row: &SqliteRow) -> Result<(i64, AgentRecord)> {
    let columns = Columns::of("an agent", row);
    let selectors: Vec<(String, String)> = columns.json("selectors")?;
    let renewed = match columns.time_option("renewed_expires_at")? {
        Some(expires_at) => Some(AgentCertificate {
            serial: columns.serial("renewed_serial")?,
            expires_at,
        }),
        None => None,
    };
    let agent = AgentRecord {
        spiffe_id: columns.parse("spiffe_id")?,
        attestation_type: columns.get("attestation_type")?,
        current: AgentCertificate {
            serial: columns.serial("serial")?,
            expires_at: columns.time("expires_at")?,
        },
        renewed,
        selectors: selectors
            .into_iter()
            .map(|(kind, value)| Selector { kind, value })
            .collect(),
        banned: columns.get("banned")?,
        can_reattest: columns.get("can_reattest")?,
        agent_version: columns.get("agent_version")?,
        attested_at: columns.time("attested_at")?,
    };
    Ok((columns.get("seq")?, agent))
}
