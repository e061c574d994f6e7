//! Relationships with other trust domains.

use spiffe::{SpiffeId, TrustDomain};
use symbolon_api::spire::api::types;
use symbolon_api::spire::api::types::federation_relationship::BundleEndpointProfile as Profile;
use symbolon_federation::EndpointUrl;
use symbolon_pki::bundle::TrustBundle;
use symbolon_pki::suite::Form;
use tonic::Status;

use super::{bundle_message, foreign_domain, read_trust_bundle};
use crate::datastore::{FederationChange, FederationProfile, FederationRecord};

/// Longest SPIFFE ID that is read, in bytes (SPIFFE ID, section 2.3).
const MAX_ID: usize = 2048;

/// Every field.
const ALL: types::FederationRelationshipMask = types::FederationRelationshipMask {
    bundle_endpoint_url: true,
    bundle_endpoint_profile: true,
    trust_domain_bundle: true,
};

/// A relationship as a message, without what a mask leaves out; `bundle` is the one that is held.
pub(crate) fn federation_message(
    federation: &FederationRecord,
    bundle: Option<&TrustBundle>,
    mask: Option<&types::FederationRelationshipMask>,
    forms: &[Form],
) -> types::FederationRelationship {
    let mask = mask.unwrap_or(&ALL);
    let profile = match &federation.profile {
        FederationProfile::HttpsWeb => Profile::HttpsWeb(types::HttpsWebProfile {}),
        FederationProfile::HttpsSpiffe(id) => Profile::HttpsSpiffe(types::HttpsspiffeProfile {
            endpoint_spiffe_id: id.to_string(),
        }),
    };
    types::FederationRelationship {
        trust_domain: federation.trust_domain.to_string(),
        bundle_endpoint_url: match mask.bundle_endpoint_url {
            true => federation.endpoint_url.clone(),
            false => String::new(),
        },
        bundle_endpoint_profile: mask.bundle_endpoint_profile.then_some(profile),
        trust_domain_bundle: bundle
            .filter(|_| mask.trust_domain_bundle)
            .map(|bundle| bundle_message(bundle, forms)),
    }
}

/// Reads a relationship that is to be made, and the bundle that it brings.
///
/// # Errors
/// `InvalidArgument`, naming the field.
pub(crate) fn read_federation(
    message: &types::FederationRelationship,
    own: &TrustDomain,
) -> Result<(FederationRecord, Option<TrustBundle>), Status> {
    let trust_domain = foreign_domain("trust_domain", &message.trust_domain, own)?;
    let bundle = read_bundle(message, &trust_domain, own)?;
    let federation = FederationRecord {
        trust_domain,
        endpoint_url: read_url(&message.bundle_endpoint_url)?,
        profile: read_profile(message.bundle_endpoint_profile.as_ref())?,
    };
    Ok((federation, bundle))
}

/// Reads the change of a relationship, and the bundle that it brings. Fields that the mask leaves out are not looked at.
///
/// # Errors
/// `InvalidArgument`, naming the field.
pub(crate) fn federation_change(
    message: &types::FederationRelationship,
    mask: Option<&types::FederationRelationshipMask>,
    own: &TrustDomain,
) -> Result<(TrustDomain, FederationChange, Option<TrustBundle>), Status> {
    let mask = mask.unwrap_or(&ALL);
    let trust_domain = foreign_domain("trust_domain", &message.trust_domain, own)?;
    let mut change = FederationChange::default();
    if mask.bundle_endpoint_url {
        change.endpoint_url = Some(read_url(&message.bundle_endpoint_url)?);
    }
    if mask.bundle_endpoint_profile {
        change.profile = Some(read_profile(message.bundle_endpoint_profile.as_ref())?);
    }
    let bundle = match mask.trust_domain_bundle {
        true => read_bundle(message, &trust_domain, own)?,
        false => None,
    };
    Ok((trust_domain, change, bundle))
}

fn read_url(text: &str) -> Result<String, Status> {
    let url: EndpointUrl = text
        .parse()
        .map_err(|error| Status::invalid_argument(format!("bundle_endpoint_url: {error}")))?;
    Ok(url.to_string())
}

fn read_profile(profile: Option<&Profile>) -> Result<FederationProfile, Status> {
    match profile {
        None => Err(Status::invalid_argument(
            "bundle_endpoint_profile is missing: https_web or https_spiffe",
        )),
        Some(Profile::HttpsWeb(_)) => Ok(FederationProfile::HttpsWeb),
        Some(Profile::HttpsSpiffe(profile)) => {
            let id = profile.endpoint_spiffe_id.as_str();
            read_endpoint_id(id)
                .map(FederationProfile::HttpsSpiffe)
                .map_err(|what| Status::invalid_argument(format!("https_spiffe.endpoint_spiffe_id {what}")))
        }
    }
}

fn read_endpoint_id(text: &str) -> Result<SpiffeId, String> {
    if text.is_empty() {
        return Err("is missing".to_owned());
    }
    if text.len() > MAX_ID {
        return Err(format!("has {} bytes; {MAX_ID} are allowed", text.len()));
    }
    let id = SpiffeId::new(text).map_err(|error| format!("is no SPIFFE ID: {error}"))?;
    // The parser makes scheme and trust domain lower case, which in SPIFFE IDs they are.
    match id.to_string() == text {
        true => Ok(id),
        false => Err("is no SPIFFE ID: scheme and trust domain are in lower case".to_owned()),
    }
}

fn read_bundle(
    message: &types::FederationRelationship,
    trust_domain: &TrustDomain,
    own: &TrustDomain,
) -> Result<Option<TrustBundle>, Status> {
    let Some(bundle) = &message.trust_domain_bundle else {
        return Ok(None);
    };
    let bundle = read_trust_bundle("trust_domain_bundle", bundle, own)?;
    if bundle.trust_domain != *trust_domain {
        return Err(Status::invalid_argument(format!(
            "trust_domain_bundle.trust_domain: it is the bundle of {}, and the relationship is with {trust_domain}",
            bundle.trust_domain
        )));
    }
    Ok(Some(bundle))
}
