//! The agent's own SVID: its key in the key store, its chain in a file, both there again after a restart.
//!
//! ```text
//! agent/keys/     the key store
//! agent/svid      which keys of it, and the chain
//! agent/bundle    the trust bundle of the last sync, as a SPIFFE bundle document
//! agent/migration how far entries were in their migration then
//! agent/holders   who had SVIDs then and did not report, where entries migrate
//! ```
//! The file is written after its keys and before older keys are destroyed, so that a crash at any moment leaves an SVID
//! that works, and at worst a key that nobody uses: the next start destroys it.

mod file;
mod keys;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use spiffe::{SpiffeId, TrustDomain};
use symbolon_hsm::{KekSource, KeyId, Passphrase};
use symbolon_pki::bundle::{BundleSet, TrustBundle};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::key::SuiteSigner;
use symbolon_pki::skid::Skid;
use symbolon_pki::suite::Form;
use symbolon_pki::time::{rfc3339, unix_seconds};
use symbolon_pki::verify::verify_x509_svid;
use symbolon_tls::SvidIdentity;

use self::file::SvidFile;
pub(crate) use self::keys::AgentKeys;
use crate::config::AgentConfig;
use crate::error::AgentError;
use crate::migration::{Holders, Stages};
use crate::telemetry;
use crate::time::{dice, renewal_at};

/// Where the path of every agent's SPIFFE ID begins.
const AGENT_PATH: &str = "/spire/agent/";

/// Why a chain cannot be this agent's.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NotAnSvid(String);

/// The agent's own SVID.
#[derive(Clone, Debug)]
pub(crate) struct OwnSvid {
    pub(crate) identity: Arc<SvidIdentity>,
    pub(crate) not_after: SystemTime,
    pub(crate) renew_at: SystemTime,
    /// Whether the node can attest again with the same evidence, rather than renew.
    pub(crate) reattestable: bool,
    authority_id: Skid,
}

impl OwnSvid {
    /// Checks that a chain makes this key's holder an agent of the trust domain, now.
    fn new(
        chain: Vec<Vec<u8>>,
        signer: SuiteSigner,
        reattestable: bool,
        bundle: &TrustBundle,
        times: Times,
    ) -> Result<Self, NotAnSvid> {
        let refused = |error: &dyn std::fmt::Display| NotAnSvid(error.to_string());
        let certificates = chain
            .iter()
            .map(|der| Certificate::from_der(der))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|e| refused(&e))?;
        let bundles = BundleSet::from(bundle.clone());
        let verified = verify_x509_svid(&certificates, &bundles, times.now).map_err(|e| refused(&e))?;
        if !verified.spiffe_id.path().starts_with(AGENT_PATH) {
            return Err(NotAnSvid(format!(
                "{} is no agent's identity",
                verified.spiffe_id
            )));
        }
        Ok(Self {
            identity: Arc::new(SvidIdentity::new(chain, signer).map_err(|e| refused(&e))?),
            not_after: verified.not_after,
            renew_at: renewal_at(times.obtained_at, verified.not_after, dice()),
            reattestable,
            authority_id: verified.authority_id,
        })
    }

    pub(crate) fn spiffe_id(&self) -> &SpiffeId {
        self.identity.spiffe_id()
    }

    pub(crate) fn form(&self) -> Form {
        self.identity.form()
    }

    pub(crate) fn has_expired(&self, now: SystemTime) -> bool {
        self.not_after <= now
    }

    /// Whether the next one should be fetched: it is time, or its authority falls.
    pub(crate) fn is_due(&self, bundle: Option<&TrustBundle>, now: SystemTime) -> bool {
        let stands = |bundle: &TrustBundle| {
            bundle
                .x509_authority(&self.authority_id)
                .is_some_and(|authority| !authority.tainted)
        };
        self.renew_at <= now || !bundle.is_none_or(stands)
    }
}

/// When an SVID was obtained, and the time it is now.
#[derive(Clone, Copy)]
struct Times {
    obtained_at: SystemTime,
    now: SystemTime,
}

/// What the server gave for a key.
pub(crate) struct Grant {
    pub(crate) chain: Vec<Vec<u8>>,
    pub(crate) reattestable: bool,
    /// The bundle it is checked with.
    pub(crate) bundle: Arc<TrustBundle>,
}

/// A key that no SVID is for yet.
pub(crate) struct NewKey {
    pub(crate) signer: SuiteSigner,
    pub(crate) ids: Vec<KeyId>,
}

/// Where the agent's own SVID is kept. Every call blocks.
#[derive(Clone, Debug)]
pub(crate) struct Vault {
    keys: AgentKeys,
    svid_path: PathBuf,
    bundle_path: PathBuf,
    stages_path: PathBuf,
    holders_path: PathBuf,
    trust_domain: TrustDomain,
}

impl Vault {
    /// Opens the key store.
    ///
    /// # Errors
    /// [`AgentError`]: it cannot be opened with the key or passphrase that is configured.
    pub(crate) fn open(config: &AgentConfig, passphrase: Option<Passphrase>) -> Result<Self, AgentError> {
        let dir = config.agent_dir();
        let kek = match passphrase {
            Some(passphrase) => KekSource::Passphrase(passphrase),
            None => config.kek()?,
        };
        Ok(Self {
            keys: AgentKeys::open(&dir.join("keys"), &kek, &config.trust_domain)?,
            svid_path: dir.join("svid"),
            bundle_path: dir.join("bundle"),
            stages_path: dir.join("migration"),
            holders_path: dir.join("holders"),
            trust_domain: config.trust_domain.clone(),
        })
    }

    /// The bundle of the last run. One that cannot be read is as good as none: it can be had again.
    pub(crate) fn bundle(&self) -> Option<TrustBundle> {
        let document = match file::read(&self.bundle_path) {
            Ok(document) => document?,
            Err(error) => {
                tracing::warn!(%error, "the trust bundle of the last run cannot be read");
                return None;
            }
        };
        TrustBundle::from_jwks(&self.trust_domain, &document)
            .inspect_err(|error| tracing::warn!(%error, "the trust bundle of the last run is damaged"))
            .ok()
    }

    /// # Errors
    /// The system's.
    pub(crate) fn keep_bundle(&self, bundle: &TrustBundle) -> Result<(), AgentError> {
        file::write(&self.bundle_path, bundle.to_jwks().as_bytes())
    }

    /// How far entries were in their migration when the last run ended; `None` if nobody ever said.
    ///
    /// # Errors
    /// [`AgentError`] for a damaged file: to go on as if there had been no migration would drop what is demanded of peers.
    pub(crate) fn stages(&self) -> Result<Option<Stages>, AgentError> {
        let Some(content) = file::read(&self.stages_path)? else {
            return Ok(None);
        };
        let stages = Stages::from_json(&content).map_err(|error| file::damaged(&self.stages_path, &error))?;
        Ok(Some(stages))
    }

    /// # Errors
    /// The system's.
    pub(crate) fn keep_stages(&self, stages: &Stages) -> Result<(), AgentError> {
        file::write(&self.stages_path, &stages.to_json())
    }

    /// Who had SVIDs when the last run ended and did not report. A damaged file costs nobody its SVIDs: nothing is known then,
    /// as of a node that is new.
    pub(crate) fn holders(&self) -> Holders {
        let read = file::read(&self.holders_path).and_then(|content| match content {
            Some(content) => {
                Holders::from_json(&content).map_err(|error| file::damaged(&self.holders_path, &error))
            }
            None => Ok(Holders::default()),
        });
        read.unwrap_or_else(|error| {
            tracing::warn!(%error, "who had SVIDs in the last run and does not report is not known");
            Holders::default()
        })
    }

    /// # Errors
    /// The system's.
    pub(crate) fn keep_holders(&self, holders: &Holders) -> Result<(), AgentError> {
        file::write(&self.holders_path, &holders.to_json())
    }

    /// The SVID of the last run, if it is still good, and destroys what nobody uses any more.
    ///
    /// # Errors
    /// [`AgentError`] for a damaged file or key: to go on as if there had been none would lose the agent its identity,
    /// and is for the operator to decide.
    pub(crate) fn resume(
        &self,
        bundle: Option<&TrustBundle>,
        now: SystemTime,
    ) -> Result<Option<OwnSvid>, AgentError> {
        let Some(file) = SvidFile::read(&self.svid_path)? else {
            self.keys.destroy_all_but(&[]);
            return Ok(None);
        };
        let discard = |reason: &dyn std::fmt::Display| {
            tracing::warn!(event = telemetry::AGENT_SVID_DISCARDED, %reason, "the SVID of the last run is of no use");
            Ok(None)
        };
        let Some(signer) = self.keys.open_signer(file.suite, &file.keys)? else {
            return discard(&"its key is not in the key store");
        };
        self.keys.destroy_all_but(&file.keys);
        let Some(bundle) = bundle else {
            return discard(&"there is no trust bundle to check it with");
        };
        let times = Times {
            obtained_at: file.obtained_at().unwrap_or(now),
            now,
        };
        match OwnSvid::new(file.chain()?, signer, file.reattestable, bundle, times) {
            Ok(svid) => {
                let not_after = rfc3339(svid.not_after);
                tracing::info!(event = telemetry::AGENT_RESUMED, spiffe_id = %svid.spiffe_id(), form = %svid.form(), not_after);
                Ok(Some(svid))
            }
            Err(error) => discard(&error),
        }
    }

    /// Makes a key for an SVID of this form.
    ///
    /// # Errors
    /// The key store's.
    pub(crate) fn new_key(&self, form: Form) -> Result<NewKey, AgentError> {
        self.keys.generate(form)
    }

    /// Takes what the server gave for a key. From here on it is the agent's SVID, and older keys are destroyed.
    ///
    /// # Errors
    /// `Ok(Err(…))` if it is no SVID for an agent of this trust domain; otherwise the system's.
    pub(crate) fn install(
        &self,
        key: NewKey,
        grant: Grant,
        now: SystemTime,
    ) -> Result<Result<OwnSvid, NotAnSvid>, AgentError> {
        let suite = key.signer.suite();
        let times = Times {
            obtained_at: now,
            now,
        };
        let file = SvidFile::new(
            suite,
            &key.ids,
            unix_seconds(now),
            grant.reattestable,
            &grant.chain,
        );
        let svid = match OwnSvid::new(grant.chain, key.signer, grant.reattestable, &grant.bundle, times) {
            Ok(svid) => svid,
            Err(error) => {
                self.keys.destroy(&key.ids);
                return Ok(Err(error));
            }
        };
        let kept = self
            .keep_bundle(&grant.bundle)
            .and_then(|()| file.write(&self.svid_path));
        if let Err(error) = kept {
            // It is asked for again with another key, and each would be one more in the store.
            self.keys.destroy(&key.ids);
            return Err(error);
        }
        self.keys.destroy_all_but(&key.ids);
        Ok(Ok(svid))
    }

    /// Destroys a key that got no SVID.
    pub(crate) fn give_up(&self, ids: &[KeyId]) {
        self.keys.destroy(ids);
    }

    /// Destroys the SVID and its key.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn forget(&self) -> Result<(), AgentError> {
        file::remove(&self.svid_path)?;
        self.keys.destroy_all_but(&[]);
        Ok(())
    }
}
