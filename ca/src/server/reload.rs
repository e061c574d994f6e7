//! Taking a configuration that was read again, while the server runs.

use std::sync::Arc;

use arc_swap::ArcSwap;
use symbolon_host::logging::LogControl;

use super::ServerError;
use crate::authorization::{AuthorizationLayer, Gate, Policy};
use crate::config::{Changes, ServerConfig};
use crate::limits::Limits;
use crate::services::Core;
use crate::telemetry::CONFIG_RELOADED;

/// What can change in a server that runs.
#[derive(Debug)]
pub(super) struct Reloading {
    config: ArcSwap<ServerConfig>,
    core: Arc<Core>,
    gate: AuthorizationLayer,
    log: Option<LogControl>,
}

impl Reloading {
    pub(super) fn new(config: ServerConfig, core: Arc<Core>, gate: AuthorizationLayer) -> Self {
        let log = core.log.clone();
        Self {
            config: ArcSwap::from_pointee(config),
            core,
            gate,
            log,
        }
    }

    /// Takes what can be taken. Files that it names, such as the policy's, are read again even where their names are the
    /// same.
    ///
    /// # Errors
    /// [`ServerError`], where it cannot be used; nothing is changed then.
    pub(super) fn take(&self, next: &ServerConfig) -> Result<Changes, ServerError> {
        let warnings = next.validate()?;
        let policy = Policy::load(&next.authorization)?;
        let config = self.config.load_full();
        let changes = config.changes(next);
        if let Some(log) = self
            .log
            .as_ref()
            .filter(|_| changes.taken.contains(&"log.filter"))
        {
            log.configure(&next.log.filter)?;
        }
        for warning in warnings {
            tracing::warn!(event = "config.warning", %warning, "the configuration works and is likely not what was meant");
        }
        let core = &self.core;
        let gate = gate(core, next).with_policy(policy);
        self.gate.replace_gate(Arc::new(gate));
        if config.limits != next.limits {
            self.gate.replace_limits(Limits::new(&next.limits));
        }
        let taking = config.taking(next);
        core.limits.store(Arc::new(taking.limits));
        core.lifetimes.store(Arc::new(taking.lifetimes));
        core.migrations.set_quiet(taking.migration.quiet.0);
        self.config.store(Arc::new(taking));
        tracing::info!(
            event = CONFIG_RELOADED,
            taken = changes.taken.join(", "),
            kept = changes.kept.join(", "),
            "what was kept holds after the next start"
        );
        Ok(changes)
    }
}

/// A gate as configured, without its policy.
pub(super) fn gate(core: &Core, config: &ServerConfig) -> Gate {
    let gate = Gate::new(
        Arc::clone(&core.datastore),
        Arc::clone(&core.registrations),
        Arc::clone(&core.clock),
    );
    gate.with_admins(config.authorization.admin_ids.iter().cloned())
}
