//! The roots above: whose they are, and what commands do with them.

use std::collections::{BTreeMap, BTreeSet};

use super::super::settings::FamilySettings;
use super::super::{Authorities, AuthoritiesError, CommandError, Step};
use crate::datastore::{AuthorityState, UpstreamRoot};

impl Authorities {
    /// Notes which upstreams the configuration names, and tells what others left behind.
    pub(in crate::authorities) async fn settle_upstreams(&self) -> Result<(), AuthoritiesError> {
        let families = self.settings.families.iter();
        let configured: BTreeSet<&str> = families
            .filter_map(|settings| settings.upstream.as_ref())
            .map(|above| above.name.as_str())
            .collect();
        let mut left: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for it in self.datastore.settle_upstreams(&configured).await? {
            let of_it = left.entry(it.upstream).or_default();
            of_it.push(format!("{} {}", it.kind, symbolon_pki::text::printable(&it.id)));
        }
        for (upstream, authorities) in left {
            tracing::warn!(
                event = "upstream.left",
                upstream,
                authorities = authorities.join(", "),
                "the configuration does not name this upstream any more; what it put into the bundle is believed until it \
                 ends, or until it is tainted and revoked"
            );
        }
        Ok(())
    }

    /// The X.509 authorities that others put into the bundle, and that may stand above this server's; revoked ones too.
    ///
    /// # Errors
    /// [`AuthoritiesError`].
    pub async fn upstream_roots(&self) -> Result<Vec<UpstreamRoot>, AuthoritiesError> {
        Ok(self.datastore.upstream_roots().await?)
    }

    /// Taints or revokes an X.509 authority that others put into the bundle, for whoever has the bundle from here: one above
    /// this server's, one that was, or one that an administrator put in.
    ///
    /// # Errors
    /// [`CommandError`], as [`step`](Self::step).
    pub async fn step_upstream(&self, step: Step, root_id: &str) -> Result<(), CommandError> {
        let _changing = self.turns.journal().await;
        let printed = symbolon_pki::text::printable(root_id);
        let roots = self.upstream_roots().await?;
        let of_key = || roots.iter().filter(|root| root.root_id == root_id);
        let is_due = |root: &&UpstreamRoot| root.state == step.from();
        let Some(root) = of_key().find(is_due).or_else(|| of_key().next()) else {
            let mut families = self.settings.families.iter();
            return Err(match families.any(FamilySettings::has_root_above) {
                true => CommandError::UnknownUpstream { root_id: printed },
                false => CommandError::NoUpstream,
            });
        };
        if root.state != step.from() {
            return Err(CommandError::WrongState {
                step,
                authority_id: printed,
                state: root.state,
            });
        }
        let journal = self
            .datastore
            .authorities(None)
            .await
            .map_err(AuthoritiesError::from)?;
        let needed = journal.iter().find(|record| {
            let in_use = matches!(record.state, AuthorityState::Active | AuthorityState::Prepared);
            let path = record.upstream.as_ref();
            in_use && path.is_some_and(|path| path.root_id == root_id)
        });
        if let Some(record) = needed {
            return Err(CommandError::UpstreamInUse {
                root_id: printed,
                authority_id: record.authority_id.clone(),
                state: record.state,
            });
        }
        let changed = self.datastore.change_upstream_root(root_id, step.to()).await;
        changed.map_err(AuthoritiesError::from)?;
        let reloaded = self.reload(Vec::new()).await;
        tracing::info!(
            event = match step {
                Step::Revoke => "authority.revoked",
                _ => "authority.tainted",
            },
            authority_id = printed,
            "an authority that others put into the bundle"
        );
        Ok(reloaded?)
    }
}
