//! Trust bundles, in the view that a request asks for.

use symbolon_api::forms::requested;
use symbolon_api::spire::api::types;
use symbolon_pki::bundle::{JwtAuthority, TrustBundle};
use symbolon_pki::suite::Form;
use tonic::Status;
use tonic::metadata::MetadataMap;

use super::optional_seconds;
use crate::datastore::is_seen;

/// The forms that a request asks for besides the classical one, which everybody gets.
///
/// # Errors
/// `InvalidArgument` for a form that is not known, by name.
pub(crate) fn forms_of(metadata: &MetadataMap) -> Result<Vec<Form>, Status> {
    let mut forms = vec![Form::Classical];
    for name in requested(metadata)?.unwrap_or_default() {
        let form: Form = name.parse().map_err(|error| {
            Status::invalid_argument(format!("metadata `{}`: {error}", symbolon_api::FORMS_METADATA))
        })?;
        if !forms.contains(&form) {
            forms.push(form);
        }
    }
    Ok(forms)
}

/// A bundle as a message: the authorities that any software can use, those of these forms besides, and token keys that
/// are classical whatever was asked for.
pub(crate) fn bundle_message(bundle: &TrustBundle, forms: &[Form]) -> types::Bundle {
    let x509 = bundle
        .x509_authorities
        .iter()
        .filter(|authority| is_seen(authority, forms.iter().copied()));
    let x509_authorities = x509
        .map(|authority| types::X509Certificate {
            asn1: authority.certificate.der().to_vec(),
            tainted: authority.tainted,
        })
        .collect();
    let classical = |authority: &&JwtAuthority| authority.public_key.form() == Form::Classical;
    let jwt_authorities = bundle
        .jwt_authorities
        .iter()
        .filter(classical)
        .map(|authority| types::JwtKey {
            public_key: authority.spki_der(),
            key_id: authority.key_id.clone(),
            expires_at: optional_seconds(authority.expires_at),
            tainted: authority.tainted,
        })
        .collect();
    let wit_authorities = bundle
        .wit_authorities
        .iter()
        .filter(classical)
        .map(|authority| types::WitKey {
            public_key: authority.spki_der(),
            key_id: authority.key_id.clone(),
            expires_at: optional_seconds(authority.expires_at),
            tainted: authority.tainted,
        })
        .collect();
    types::Bundle {
        trust_domain: bundle.trust_domain.to_string(),
        x509_authorities,
        jwt_authorities,
        refresh_hint: bundle
            .refresh_hint
            .map_or(0, |hint| i64::try_from(hint.as_secs()).unwrap_or(i64::MAX)),
        sequence_number: bundle.sequence,
        wit_authorities,
    }
}

/// Takes away what a mask leaves out.
pub(crate) fn mask_bundle(bundle: types::Bundle, mask: Option<&types::BundleMask>) -> types::Bundle {
    let Some(mask) = mask else { return bundle };
    let types::BundleMask {
        x509_authorities,
        jwt_authorities,
        refresh_hint,
        sequence_number,
        wit_authorities,
    } = *mask;
    types::Bundle {
        trust_domain: bundle.trust_domain,
        x509_authorities: if x509_authorities {
            bundle.x509_authorities
        } else {
            Vec::new()
        },
        jwt_authorities: if jwt_authorities {
            bundle.jwt_authorities
        } else {
            Vec::new()
        },
        refresh_hint: if refresh_hint { bundle.refresh_hint } else { 0 },
        sequence_number: if sequence_number {
            bundle.sequence_number
        } else {
            0
        },
        wit_authorities: if wit_authorities {
            bundle.wit_authorities
        } else {
            Vec::new()
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(value: &str) -> MetadataMap {
        let mut metadata = MetadataMap::new();
        metadata.insert(symbolon_api::FORMS_METADATA, value.parse().unwrap());
        metadata
    }

    #[test]
    fn without_metadata_only_classical() {
        assert_eq!(forms_of(&MetadataMap::new()).unwrap(), [Form::Classical]);
        assert_eq!(
            forms_of(&metadata("composite,ml-dsa,classical")).unwrap(),
            [Form::Classical, Form::Composite, Form::MlDsa]
        );
    }

    #[test]
    fn an_unknown_form_is_named() {
        let status = forms_of(&metadata("composite,quantum")).unwrap_err();
        assert_eq!(status.code(), tonic::Code::InvalidArgument);
        assert!(
            status.message().contains("quantum") && status.message().contains("ml-dsa"),
            "{status}"
        );
    }
}
