//! The node attestation methods of a server, as its configuration has them.

mod outside;

use std::collections::BTreeMap;
use std::sync::Arc;

use symbolon_attestation::Verifier;
use symbolon_attestation::join_token::TokenVerifier;
use symbolon_attestation::tpm::{TpmVerifier, TpmVerifierConfig};
use symbolon_attestation::tpm_devid::{DevIdConfig, DevIdVerifier};
use symbolon_attestation::x509pop::{BundleSource, Trust, X509PopConfig, X509PopVerifier};
use symbolon_pki::bundle::BundleSet;
use symbolon_pki::time::Clock;

use self::outside::Surroundings;
use super::ServerError;
use crate::authorities::Authorities;
use crate::config::{ServerConfig, TpmDevIdSection, TpmSection, X509PopMode, X509PopSection, authorities_in};
use crate::datastore::Datastore;
use crate::services::JoinTokens;

/// The trust domain's own authorities, as they are when a node comes.
#[derive(Debug)]
struct Own(Arc<Authorities>);

impl BundleSource for Own {
    fn bundles(&self) -> Arc<BundleSet> {
        self.0.bundles()
    }
}

/// The methods by name.
///
/// # Errors
/// [`ServerError::Attestor`] for a file that cannot be used.
pub(super) fn verifiers(
    config: &ServerConfig,
    join_tokens: &Arc<JoinTokens>,
    own: &Arc<Authorities>,
    datastore: &Arc<dyn Datastore>,
    clock: &Arc<dyn Clock>,
) -> Result<BTreeMap<&'static str, Arc<dyn Verifier>>, ServerError> {
    let attestors = &config.attestors;
    let mut verifiers: Vec<Arc<dyn Verifier>> = Vec::new();
    if attestors.join_token {
        let tokens = Arc::clone(join_tokens);
        verifiers.push(Arc::new(TokenVerifier::new(config.trust_domain.clone(), tokens)));
    }
    if let Some(section) = &attestors.x509pop {
        verifiers.push(Arc::new(x509pop(config, section, own)?));
    }
    if let Some(section) = &attestors.tpm {
        verifiers.push(Arc::new(tpm(config, section)?));
    }
    if let Some(section) = &attestors.tpm_devid {
        verifiers.push(Arc::new(tpm_devid(config, section)?));
    }
    let surroundings = Surroundings {
        config,
        datastore,
        clock,
    };
    verifiers.extend(surroundings.verifiers()?);
    Ok(verifiers
        .into_iter()
        .map(|verifier| (verifier.method(), verifier))
        .collect())
}

fn x509pop(
    config: &ServerConfig,
    section: &X509PopSection,
    own: &Arc<Authorities>,
) -> Result<X509PopVerifier, ServerError> {
    let trust = match section.mode {
        X509PopMode::ExternalPki => Trust::ExternalPki(authorities_in(
            "attestors.x509pop.ca_bundles",
            &section.ca_bundles,
        )?),
        X509PopMode::Spiffe => Trust::Spiffe {
            bundles: Arc::new(Own(Arc::clone(own))),
            prefix: section.svid_prefix.clone(),
        },
    };
    let template = section.template()?;
    Ok(X509PopVerifier::new(X509PopConfig {
        max_intermediates: section.max_intermediates,
        max_rsa_bits: section.max_rsa_key_size,
        policy: section.policy,
        verify_client_ip: section.verify_client_ip,
        ..X509PopConfig::new(config.trust_domain.clone(), trust, template)
    }))
}

fn tpm(config: &ServerConfig, section: &TpmSection) -> Result<TpmVerifier, ServerError> {
    Ok(TpmVerifier::new(TpmVerifierConfig {
        trust_domain: config.trust_domain.clone(),
        roots: authorities_in("attestors.tpm.endorsement_cas", &section.endorsement_cas)?,
        allowed: section.allowed_keys()?,
        pcrs: section.pcr_policy()?,
    }))
}

fn tpm_devid(config: &ServerConfig, section: &TpmDevIdSection) -> Result<DevIdVerifier, ServerError> {
    Ok(DevIdVerifier::new(DevIdConfig {
        trust_domain: config.trust_domain.clone(),
        device_roots: authorities_in("attestors.tpm_devid.devid_cas", &section.devid_cas)?,
        endorsement_roots: authorities_in("attestors.tpm_devid.endorsement_cas", &section.endorsement_cas)?,
    }))
}
