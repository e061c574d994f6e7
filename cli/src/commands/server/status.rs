//! `symbolon server status`.

use anyhow::Result;
use serde::Serialize;
use symbolon_ca::client::ClientError;
use symbolon_ca::views::ServerView;
use symbolon_pki::time::rfc3339;

use super::{connect, reader};
use crate::args::Common;
use crate::output::{Show, facts, printable, table, with_alternative};

/// How a server stands.
#[derive(Serialize)]
struct Status {
    /// Whether it runs; if not, its data directory has answered.
    running: bool,
    /// Whether it can do all of its work; unknown while it does not run.
    healthy: Option<bool>,
    #[serde(flatten)]
    server: ServerView,
}

pub(super) async fn run(common: &Common) -> Result<()> {
    // Whether it runs is told by who answers.
    let server = reader(common).await?.server().await?;
    let running = server.version.is_some();
    let healthy = match running {
        true => Some(server.problems.is_empty() && serves(common).await?),
        false => None,
    };
    common.output.print(&Status {
        running,
        healthy,
        server,
    })
}

/// What the server says of its health, where it says anything: over TCP it does not.
async fn serves(common: &Common) -> Result<bool> {
    match connect(common).await?.is_healthy().await {
        Ok(serves) => Ok(serves),
        Err(ClientError::Refused(_)) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

impl Show for Status {
    fn text(&self) -> String {
        let server = &self.server;
        let state = match (self.running, self.healthy) {
            (false, _) => "does not run; this is what its data directory says",
            (true, Some(false)) => "runs, and is not well",
            (true, _) => "runs, and is well",
        };
        let mut rows = vec![
            ("server", state.to_owned()),
            ("trust domain", server.trust_domain.clone()),
        ];
        rows.extend(server.version.clone().map(|version| ("version", version)));
        rows.extend(server.started_at.map(|at| ("since", rfc3339(at))));
        rows.push(("agents", server.agents.to_string()));
        rows.push(("entries", server.entries.to_string()));
        rows.extend(
            server
                .problems
                .iter()
                .map(|problem| ("problem", printable(problem))),
        );
        let authorities = server.authorities.iter().map(|authority| {
            [
                authority.family.clone(),
                with_alternative(authority.suite.clone(), authority.alternative.as_deref()),
                authority.state.clone(),
                authority.not_after.map(rfc3339).unwrap_or_default(),
                authority.authority_id.chars().take(16).collect(),
            ]
        });
        let mut text = format!(
            "{}\n{}",
            facts(&rows),
            table(
                ["family", "signs with", "state", "expires", "authority"],
                authorities
            )
        );
        if !server.limits.is_empty() {
            let limits = server.limits.iter().map(|limit| {
                let value = match limit.value {
                    0 => "none".to_owned(),
                    value => value.to_string(),
                };
                [limit.name.clone(), value, limit.unit.clone()]
            });
            text.push_str(&format!("\n{}", table(["limit", "value", "unit"], limits)));
        }
        text
    }
}
