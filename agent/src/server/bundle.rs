//! The trust bundle.

use std::time::Duration;

use spiffe::TrustDomain;
use symbolon_api::spire::api::server::bundle::v1::bundle_client::BundleClient;
use symbolon_api::spire::api::server::bundle::v1::{GetBundleRequest, GetFederatedBundleRequest};
use symbolon_api::spire::api::types;
use symbolon_api::{MAX_MESSAGE, forms};
use symbolon_pki::bundle::{JwtAuthority, MAX_AUTHORITIES, TrustBundle, X509Authority};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::suite::Form;
use symbolon_pki::time::{Clock, from_unix_seconds};
use symbolon_tls::MigrationStage;
use tonic::metadata::MetadataMap;
use tonic::{Code, Request};

use super::{CallError, OffsetSeconds, Wire, clock_offset};

/// What a server says of its trust domain.
pub(crate) struct OwnBundle {
    pub(crate) bundle: TrustBundle,
    /// What the answer shows of its clock.
    pub(crate) offset: Option<OffsetSeconds>,
    /// Whether entries migrate.
    pub(crate) migrates: Migrates,
}

/// Whether entries migrate, and whether anything may be demanded of their peers yet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Migrates {
    /// There are no rules, or the server knows of none.
    No,
    /// No rule is at the last stage: who knows no stage falls short of nothing.
    BeforeRequire,
    /// A rule is at the last stage, or at what this version does not know.
    Require,
}

impl Migrates {
    fn of(metadata: &MetadataMap) -> Self {
        let Some(furthest) = metadata.get(forms::MIGRATION_METADATA) else {
            return Self::No;
        };
        let furthest = furthest.to_str().unwrap_or_default();
        let is_early = |stage: MigrationStage| stage < MigrationStage::Require;
        match furthest == "off" || furthest.parse().is_ok_and(is_early) {
            true => Self::BeforeRequire,
            false => Self::Require,
        }
    }
}

/// Fetches the bundle with the authorities of all forms. The forms of keys are all that has to be asked for: a pair goes back
/// to two of them, and catalyst authorities are in every bundle.
pub(crate) async fn fetch_bundle(
    channel: Wire,
    trust_domain: &TrustDomain,
    clock: &dyn Clock,
) -> Result<OwnBundle, CallError> {
    let request = in_all_forms(GetBundleRequest { output_mask: None })?;
    let asked_at = clock.now();
    let answer = BundleClient::new(channel)
        .max_decoding_message_size(MAX_MESSAGE)
        .get_bundle(request)
        .await?;
    let offset = clock_offset(answer.metadata(), asked_at, clock.now());
    let migrates = Migrates::of(answer.metadata());
    let bundle = bundle_from_wire(trust_domain, answer.into_inner()).map_err(CallError::Answer)?;
    Ok(OwnBundle {
        bundle,
        offset,
        migrates,
    })
}

/// Fetches the bundle of another trust domain, likewise; `None` if the server has none.
pub(crate) async fn fetch_federated_bundle(
    channel: Wire,
    trust_domain: &TrustDomain,
) -> Result<Option<TrustBundle>, CallError> {
    let request = in_all_forms(GetFederatedBundleRequest {
        trust_domain: trust_domain.to_string(),
        output_mask: None,
    })?;
    let answer = BundleClient::new(channel)
        .max_decoding_message_size(MAX_MESSAGE)
        .get_federated_bundle(request)
        .await;
    match answer {
        Ok(answer) => bundle_from_wire(trust_domain, answer.into_inner())
            .map(Some)
            .map_err(CallError::Answer),
        Err(status) if status.code() == Code::NotFound => Ok(None),
        Err(status) => Err(status.into()),
    }
}

fn in_all_forms<T>(message: T) -> Result<Request<T>, CallError> {
    let mut request = Request::new(message);
    forms::request(
        request.metadata_mut(),
        Form::OF_KEYS.iter().map(|form| form.name()),
    )
    .map_err(CallError::answer)?;
    Ok(request)
}

/// Reads a bundle as servers send it. What this build cannot use is passed over; what is broken is refused.
///
/// # Errors
/// In words.
fn bundle_from_wire(trust_domain: &TrustDomain, wire: types::Bundle) -> Result<TrustBundle, String> {
    if TrustDomain::new(&wire.trust_domain).ok().as_ref() != Some(trust_domain) {
        let shown: String = wire.trust_domain.chars().take(128).collect();
        return Err(format!("the bundle is that of {shown:?}, not of {trust_domain}"));
    }
    let count = wire.x509_authorities.len() + wire.jwt_authorities.len();
    if count > MAX_AUTHORITIES {
        return Err(format!(
            "the bundle has {count} authorities; at most {MAX_AUTHORITIES} are read"
        ));
    }
    let mut bundle = TrustBundle::new(trust_domain.clone());
    bundle.sequence = wire.sequence_number;
    bundle.refresh_hint = u64::try_from(wire.refresh_hint)
        .ok()
        .filter(|hint| *hint > 0)
        .map(Duration::from_secs);
    for (index, authority) in wire.x509_authorities.into_iter().enumerate() {
        let certificate = Certificate::from_der(&authority.asn1)
            .map_err(|error| format!("X.509 authority {index} of the bundle: {error}"))?;
        bundle.x509_authorities.push(X509Authority {
            certificate,
            tainted: authority.tainted,
        });
    }
    for key in wire.jwt_authorities {
        match JwtAuthority::from_spki_der(key.key_id, &key.public_key) {
            Ok(authority) => bundle.jwt_authorities.push(JwtAuthority {
                expires_at: u64::try_from(key.expires_at)
                    .ok()
                    .filter(|at| *at > 0)
                    .and_then(from_unix_seconds),
                tainted: key.tainted,
                ..authority
            }),
            Err(error) => tracing::debug!(%error, "a JWT authority of the bundle is of an unknown kind"),
        }
    }
    Ok(bundle)
}

#[cfg(test)]
mod tests {
    use symbolon_pki::key::PrivateKey;
    use symbolon_pki::suite::Suite;

    use super::*;

    fn domain() -> TrustDomain {
        TrustDomain::new("example.org").unwrap()
    }

    fn empty(trust_domain: &str) -> types::Bundle {
        types::Bundle {
            trust_domain: trust_domain.to_owned(),
            ..types::Bundle::default()
        }
    }

    #[test]
    fn a_bundle_of_another_trust_domain_is_refused() {
        for name in ["example.com", "", "not a name"] {
            assert!(bundle_from_wire(&domain(), empty(name)).is_err(), "{name}");
        }
        assert!(bundle_from_wire(&domain(), empty("example.org")).is_ok());
    }

    #[test]
    fn a_broken_authority_is_refused_by_its_place() {
        let mut wire = empty("example.org");
        wire.x509_authorities.push(types::X509Certificate {
            asn1: vec![0x30, 0x00],
            tainted: false,
        });
        let error = bundle_from_wire(&domain(), wire).unwrap_err();
        assert!(error.contains("X.509 authority 0"), "{error}");
    }

    #[test]
    fn too_many_authorities_are_refused() {
        let mut wire = empty("example.org");
        wire.jwt_authorities = vec![types::JwtKey::default(); MAX_AUTHORITIES + 1];
        assert!(bundle_from_wire(&domain(), wire).unwrap_err().contains("1025"));
    }

    #[test]
    fn jwt_keys_keep_their_expiry_and_taint_and_unknown_ones_are_passed_over() {
        let key = PrivateKey::generate(Suite::EcdsaP256).unwrap();
        let mut wire = empty("example.org");
        wire.jwt_authorities.push(types::JwtKey {
            public_key: key.public_key().unwrap().spki_der(),
            key_id: "one".to_owned(),
            expires_at: 1_790_000_000,
            tainted: true,
        });
        wire.jwt_authorities.push(types::JwtKey {
            public_key: vec![1, 2, 3],
            key_id: "two".to_owned(),
            expires_at: 0,
            tainted: false,
        });
        wire.sequence_number = 7;
        wire.refresh_hint = -1;
        let bundle = bundle_from_wire(&domain(), wire).unwrap();
        assert_eq!((bundle.sequence, bundle.refresh_hint), (7, None));
        assert_eq!(bundle.jwt_authorities.len(), 1);
        assert!(bundle.jwt_authorities[0].tainted);
        assert_eq!(
            bundle.jwt_authorities[0].expires_at,
            from_unix_seconds(1_790_000_000)
        );
    }
}
