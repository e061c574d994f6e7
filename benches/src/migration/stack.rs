//! The server and the agent as processes, and what an operator has them do: by commands, as an operator does.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use symbolon_api::spire::api::server::entry::v1::BatchCreateEntryRequest;
use symbolon_api::spire::api::server::entry::v1::entry_client::EntryClient;
use symbolon_api::spire::api::types;
use symbolon_interop::chain::TRUST_DOMAIN;
use symbolon_interop::own_agent::{Node, OwnAgent, agent_program, join_token};
use symbolon_interop::programs;
use symbolon_interop::server::{Server, Settings};
use symbolon_pki::suite::Family;
use symbolon_tls::MigrationStage;
use symbolon_tls::grpc::{ChannelOptions, unix_channel};

use crate::issuer::AnyError;

/// Connections at a time: each workload has some three, all of one user.
const CONNECTIONS: usize = 4096;

/// The agent asks for entries, authorities and stages this often; the default is five seconds.
const SYNC: &str = "2s";

/// The agent's own SVID, which is renewed during the load as well.
const AGENT_LIFE: &str = "5m";

/// What is awaited at the ready-check of a stage.
#[derive(Clone, Debug)]
pub(super) struct Check {
    /// Whether the stage may be set without force.
    pub(super) may: bool,
    pub(super) ready: u64,
    /// Who holds it up and why, or nothing.
    pub(super) words: String,
}

/// A server and an agent on it.
#[derive(Debug)]
pub(super) struct Stack {
    agent: OwnAgent,
    server: Server,
}

impl Stack {
    /// Starts both, with software keys and the defaults besides what a short run wants.
    ///
    /// # Errors
    /// If one does not come up.
    pub(super) fn start(quiet: Duration) -> Result<Self, AnyError> {
        let quiet = quiet.as_secs().max(1);
        let server = Server::with(&Settings {
            sections: format!(
                "[families.wit]\n\n[lifetimes]\nagent = \"{AGENT_LIFE}\"\n\n[migration]\nquiet = \"{quiet}s\"\n"
            ),
            ..Settings::default()
        })?;
        let made = programs::json(server.symbolon()?.args(["token", "create", "--output", "json"]))?;
        let token = text(&made, "/token")?;
        let home = server.home().join("agent");
        let agent = OwnAgent::start(&Node {
            server: server.address(),
            trust_domain: server.trust_domain(),
            bundle: server.bundle()?,
            attestor: join_token(&home, token)?,
            sections: format!(
                "max_connections = {CONNECTIONS}\nmax_connections_per_user = {CONNECTIONS}\n\n\
                 [svids]\nmax_x509 = 10000\nmax_jwt = 10000\n\n[sync]\ninterval = \"{SYNC}\"\n"
            ),
            program: agent_program()?,
            spiffe_id: server.id_of(&format!("/spire/agent/join_token/{token}")),
            home,
        })?;
        Ok(Self { agent, server })
    }

    /// The folder of everything.
    pub(super) fn home(&self) -> &Path {
        self.server.home()
    }

    /// The server's private socket.
    pub(super) fn private_socket(&self) -> PathBuf {
        self.server.socket()
    }

    /// The Workload API.
    pub(super) fn workload_api(&self) -> &Path {
        self.agent.socket()
    }

    /// Makes an entry for each of these programs.
    ///
    /// # Errors
    /// If the server refuses one.
    pub(super) async fn register(&self, programs: &[PathBuf], life: Duration) -> Result<(), AnyError> {
        let channel = unix_channel(&self.server.socket(), &ChannelOptions::default()).await?;
        let parent = self.agent.spiffe_id().parse::<spiffe::SpiffeId>()?;
        let life = i32::try_from(life.as_secs())?;
        let entry = |(number, program): (usize, &PathBuf)| types::Entry {
            spiffe_id: Some(types::Spiffeid {
                trust_domain: TRUST_DOMAIN.to_owned(),
                path: format!("/load/{number}"),
            }),
            parent_id: Some((&parent).into()),
            selectors: vec![types::Selector {
                r#type: "unix".to_owned(),
                value: format!("path:{}", program.display()),
            }],
            x509_svid_ttl: life,
            jwt_svid_ttl: life,
            ..types::Entry::default()
        };
        let request = BatchCreateEntryRequest {
            entries: programs.iter().enumerate().map(entry).collect(),
            output_mask: None,
        };
        let created = EntryClient::new(channel).batch_create_entry(request).await?;
        for result in created.into_inner().results {
            if result.entry.is_none() {
                return Err(format!("an entry was refused: {:?}", result.status).into());
            }
        }
        Ok(())
    }

    /// `symbolon authority prepare`: gives the new one's id.
    ///
    /// # Errors
    /// If it is refused.
    pub(super) fn prepare(&self, family: Family) -> Result<String, AnyError> {
        let made = self.authority(&["prepare", family.name()])?;
        Ok(text(&made, "/authority_id")?.to_owned())
    }

    /// `symbolon authority activate`.
    ///
    /// # Errors
    /// If it is refused.
    pub(super) fn activate(&self, id: &str) -> Result<(), AnyError> {
        let made = self.authority(&["activate", id])?;
        match text(&made, "/state")? {
            "active" => Ok(()),
            other => Err(format!("{id} is {other}").into()),
        }
    }

    /// Who is ready for a stage of the migration to hybrid.
    ///
    /// # Errors
    /// If the server does not say.
    pub(super) fn check(&self, stage: MigrationStage) -> Result<Check, AnyError> {
        let found = self.migrate(stage, &["--dry-run"])?;
        let check = found.pointer("/check").ok_or("nothing was checked")?;
        let number = |pointer: &str| check.pointer(pointer).and_then(Value::as_u64).unwrap_or_default();
        let party = check.pointer("/parties/0").map(|party| {
            let word = |pointer: &str| party.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            format!(" {}: {}", word("/spiffe_id"), word("/reason"))
        });
        Ok(Check {
            may: check
                .pointer("/may")
                .and_then(Value::as_bool)
                .ok_or("no verdict")?,
            ready: number("/ready"),
            words: format!(
                "{} {} are not ready, of {} nothing is known.{}{}",
                number("/not_ready"),
                check
                    .pointer("/counted")
                    .and_then(Value::as_str)
                    .unwrap_or_default(),
                number("/unknown"),
                check
                    .pointer("/obstacle")
                    .and_then(Value::as_str)
                    .unwrap_or_default(),
                party.unwrap_or_default(),
            ),
        })
    }

    /// `symbolon authority migrate`, never with force.
    ///
    /// # Errors
    /// If it is refused, or the stage is another then.
    pub(super) fn go(&self, stage: MigrationStage) -> Result<(), AnyError> {
        let done = self.migrate(stage, &[])?;
        let forced = done.pointer("/rule/forced").and_then(Value::as_bool);
        match (text(&done, "/rule/stage")?, forced) {
            (now, Some(false)) if now == stage.name() => Ok(()),
            _ => Err(format!("the stage {stage} was not set, or forced: {done}").into()),
        }
    }

    fn migrate(&self, stage: MigrationStage, further: &[&str]) -> Result<Value, AnyError> {
        let given = ["migrate", "--to", "hybrid", "--stage", stage.name()];
        self.authority(&[&given, further].concat())
    }

    /// `symbolon authority …`
    fn authority(&self, arguments: &[&str]) -> Result<Value, AnyError> {
        let mut command = self.server.symbolon()?;
        command
            .arg("authority")
            .args(arguments)
            .args(["--output", "json"]);
        Ok(tokio::task::block_in_place(|| programs::json(&mut command))?)
    }

    /// What the server and the agent have logged as warnings or errors; the same words once.
    pub(super) fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        for (who, said) in [("server", self.server.said()), ("agent", self.agent.said())] {
            let lines = said
                .lines()
                .filter(|line| line.contains(" WARN ") || line.contains("ERROR"));
            complaints.extend(lines.map(|line| format!("{who}: {line}")));
        }
        complaints
    }

    /// The stages that the server logged, in order.
    pub(super) fn logged_stages(&self) -> Vec<String> {
        let said = self.server.said();
        let changes = said
            .lines()
            .filter(|line| line.contains("migration.stage_changed"));
        changes.map(str::to_owned).collect()
    }

    /// Stops both.
    ///
    /// # Errors
    /// If one does not stop.
    pub(super) fn stop(mut self) -> Result<(), AnyError> {
        Ok(self.agent.stop()?)
    }
}

fn text<'a>(value: &'a Value, pointer: &str) -> Result<&'a str, AnyError> {
    let found = value.pointer(pointer).and_then(Value::as_str);
    Ok(found.ok_or_else(|| format!("no {pointer} in {value}"))?)
}
