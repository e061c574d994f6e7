//! `symbolon agent`.

use anyhow::Result;
use serde::Serialize;
use symbolon_ca::views::AgentView;
use symbolon_pki::time::rfc3339;

use super::server::reader;
use super::spiffe_id;
use crate::args::{Agent, Common};
use crate::output::{Show, facts};

pub(crate) async fn run(common: &Common, command: Agent) -> Result<()> {
    let reader = reader(common).await?;
    match command {
        Agent::List => common.output.print(&Many {
            agents: reader.agents().await?,
        }),
        Agent::Show { spiffe_id: id } => common.output.print(&One(reader.agent(&spiffe_id(&id)?).await?)),
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct One(AgentView);

impl Show for One {
    fn text(&self) -> String {
        block(&self.0)
    }
}

#[derive(Serialize)]
struct Many {
    agents: Vec<AgentView>,
}

impl Show for Many {
    fn text(&self) -> String {
        match self.agents.len() {
            0 => "no agents".to_owned(),
            _ => self.agents.iter().map(block).collect::<Vec<_>>().join("\n"),
        }
    }
}

fn block(agent: &AgentView) -> String {
    let mut rows = vec![
        ("agent", agent.spiffe_id.clone()),
        ("attested by", agent.attestation_type.clone()),
        (
            "state",
            if agent.banned {
                "banned".to_owned()
            } else {
                "attested".to_owned()
            },
        ),
        ("serial", agent.serial.clone()),
    ];
    rows.extend(agent.expires_at.map(|at| ("expires", rfc3339(at))));
    rows.extend(agent.agent_version.clone().map(|version| ("version", version)));
    if !agent.selectors.is_empty() {
        rows.push(("selectors", agent.selectors.join(", ")));
    }
    facts(&rows)
}
