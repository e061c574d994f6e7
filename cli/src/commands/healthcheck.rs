//! `symbolon healthcheck`.

use anyhow::{Result, bail};
use serde::Serialize;
use symbolon_ca::client::Reader as _;
use symbolon_pki::suite::Form;
use symbolon_tls::workload_api::WorkloadApiClient;

use super::server::connect;
use crate::args::Common;
use crate::exit;
use crate::output::{Show, facts};
use crate::paths;

/// How the two are. `problem` is there for whichever is not well.
#[derive(Serialize)]
struct Health {
    server: Part,
    agent: Part,
}

#[derive(Serialize)]
struct Part {
    healthy: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

impl Part {
    fn of(result: &Result<()>) -> Self {
        let problem = result.as_ref().err().map(|error| format!("{error:#}"));
        Self {
            healthy: problem.is_none(),
            problem,
        }
    }

    fn words(&self) -> String {
        self.problem
            .as_ref()
            .map_or("well".to_owned(), |problem| format!("not well: {problem}"))
    }
}

impl Show for Health {
    fn text(&self) -> String {
        facts(&[("server", self.server.words()), ("agent", self.agent.words())])
    }
}

pub(crate) async fn run(common: &Common) -> Result<()> {
    let (server, agent) = (check_server(common).await, check_agent(common).await);
    let health = Health {
        server: Part::of(&server),
        agent: Part::of(&agent),
    };
    common.output.print(&health)?;
    // The cause that says most decides the exit code: who is not there cannot say how it is.
    let mut failures: Vec<_> = [server, agent].into_iter().filter_map(Result::err).collect();
    failures.sort_by_key(|error| exit::code(error) != exit::UNREACHABLE);
    match failures.into_iter().next() {
        Some(error) => Err(error.context("not everything is well")),
        None => Ok(()),
    }
}

async fn check_server(common: &Common) -> Result<()> {
    let server = connect(common).await?;
    if server.is_healthy().await? {
        return Ok(());
    }
    match server.server().await?.problems.as_slice() {
        [] => bail!("it answers, but says that it cannot serve"),
        problems => bail!("it answers, but {}", problems.join("; ")),
    }
}

/// An agent is well if it answers. That it has nothing for this user is an answer.
async fn check_agent(common: &Common) -> Result<()> {
    let endpoint = paths::agent_endpoint(common.socket.as_deref(), common.data_dir.as_deref())?;
    match WorkloadApiClient::connect(&endpoint)
        .await?
        .fetch_x509_bundles(&[Form::Classical])
        .await
    {
        Err(error) if !error.is_permission_denied() => Err(error.into()),
        _ => Ok(()),
    }
}
