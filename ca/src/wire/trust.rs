//! Trust bundles that callers send.

use std::time::Duration;

use spiffe::TrustDomain;
use symbolon_api::spire::api::types;
use symbolon_pki::bundle::{JwtAuthority, MAX_AUTHORITIES, MAX_KEY_ID, TrustBundle, X509Authority};
use symbolon_pki::certificate::split_chain;
use symbolon_pki::suite::Form;
use tonic::Status;

use super::moment;
use crate::datastore::{AppendedAuthorities, BundleParts, X509Part};

/// Longest name of a trust domain, or of one written as a SPIFFE ID, in bytes (SPIFFE ID, section 2.1).
const MAX_NAME: usize = 255 + "spiffe://".len();

fn invalid(field: &str, what: impl std::fmt::Display) -> Status {
    Status::invalid_argument(format!("{field}: {what}"))
}

/// Reads the name of a trust domain; SPIRE's tools write it as a SPIFFE ID too. Capitals are refused, as SPIRE does: the
/// sender would be told of another name than it gave.
///
/// # Errors
/// `InvalidArgument`, naming the field.
pub(crate) fn trust_domain(field: &str, name: &str) -> Result<TrustDomain, Status> {
    if name.is_empty() {
        return Err(Status::invalid_argument(format!("{field} is missing")));
    }
    if name.len() > MAX_NAME {
        let found = name.len();
        return Err(invalid(
            field,
            format!("a trust domain's name has at most 255 bytes, not {found}"),
        ));
    }
    if name.contains(|c: char| c.is_ascii_uppercase()) {
        return Err(invalid(
            field,
            format!("{name:?} is no trust domain: its name is in lower case"),
        ));
    }
    TrustDomain::new(name).map_err(|error| invalid(field, format!("{name:?} is no trust domain: {error}")))
}

/// Reads the name of a trust domain that is not the server's own.
///
/// # Errors
/// `InvalidArgument`, naming the field.
pub(crate) fn foreign_domain(field: &str, name: &str, own: &TrustDomain) -> Result<TrustDomain, Status> {
    let found = trust_domain(field, name)?;
    match found == *own {
        true => Err(invalid(field, format!("{own} is the server's own trust domain"))),
        false => Ok(found),
    }
}

/// Reads the bundle of another trust domain. `field` is where it stands in the request, empty for an item of a batch.
///
/// # Errors
/// `InvalidArgument`, naming the field.
pub(crate) fn read_trust_bundle(
    field: &str,
    message: &types::Bundle,
    own: &TrustDomain,
) -> Result<TrustBundle, Status> {
    let at = |name: &str| match field {
        "" => name.to_owned(),
        field => format!("{field}.{name}"),
    };
    let mut bundle = TrustBundle::new(foreign_domain(&at("trust_domain"), &message.trust_domain, own)?);
    bundle.sequence = message.sequence_number;
    bundle.refresh_hint = match u64::try_from(message.refresh_hint) {
        Ok(0) => None,
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => return Err(invalid(&at("refresh_hint"), "it is negative")),
    };
    bundle.x509_authorities = read_x509(&at("x509_authorities"), &message.x509_authorities)?;
    bundle.jwt_authorities = read_keys(&at("jwt_authorities"), &message.jwt_authorities, read_jwt_key)?;
    bundle.wit_authorities = read_keys(&at("wit_authorities"), &message.wit_authorities, read_wit_key)?;
    let count = bundle.x509_authorities.len() + bundle.jwt_authorities.len() + bundle.wit_authorities.len();
    if count > MAX_AUTHORITIES {
        let what = format!("the bundle has {count} authorities; {MAX_AUTHORITIES} are allowed");
        return Err(invalid(&at("x509_authorities"), what));
    }
    Ok(bundle)
}

/// Which parts of a bundle a request speaks of that has this mask and asks for these forms.
pub(crate) fn bundle_parts(mask: Option<&types::BundleMask>, forms: &[Form]) -> BundleParts {
    let all = BundleParts::seen(forms);
    let Some(mask) = mask else { return all };
    BundleParts {
        x509: match mask.x509_authorities {
            true => all.x509,
            false => X509Part::Untouched,
        },
        jwt: mask.jwt_authorities,
        wit: mask.wit_authorities,
        refresh_hint: mask.refresh_hint,
        sequence: mask.sequence_number,
    }
}

/// Reads what is to be put into the server's own bundle.
///
/// # Errors
/// `InvalidArgument`, naming the field.
pub(crate) fn own_bundle_additions(
    x509: &[types::X509Certificate],
    jwt: &[types::JwtKey],
    wit: &[types::WitKey],
) -> Result<AppendedAuthorities, Status> {
    let added = AppendedAuthorities {
        x509: read_x509("x509_authorities", x509)?,
        jwt: read_keys("jwt_authorities", jwt, read_jwt_key)?,
        wit: read_keys("wit_authorities", wit, read_wit_key)?,
    };
    match added.is_empty() {
        true => Err(Status::invalid_argument(
            "there is nothing to append: x509_authorities, jwt_authorities and wit_authorities are empty",
        )),
        false => Ok(added),
    }
}

/// Reads certificates. As in SPIRE one message may hold several, one after the other.
fn read_x509(field: &str, messages: &[types::X509Certificate]) -> Result<Vec<X509Authority>, Status> {
    let mut found: Vec<X509Authority> = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let at = format!("{field}[{index}].asn1");
        if message.asn1.is_empty() {
            return Err(Status::invalid_argument(format!("{at} is missing")));
        }
        let certificates = split_chain(&message.asn1).map_err(|error| invalid(&at, error))?;
        for certificate in certificates {
            // It would be kept, shown to nobody, and never go away again.
            if let Err(error) = certificate.subject_key() {
                return Err(invalid(&at, format!("its key cannot be used here: {error}")));
            }
            let authority = X509Authority {
                certificate,
                tainted: message.tainted,
            };
            if !found
                .iter()
                .any(|known| known.certificate == authority.certificate)
            {
                found.push(authority);
            }
        }
    }
    Ok(found)
}

/// Reads keys that sign tokens of one kind. One that is there twice counts once; two of one name are refused.
fn read_keys<T>(
    field: &str,
    messages: &[T],
    read: impl Fn(&str, &T) -> Result<JwtAuthority, Status>,
) -> Result<Vec<JwtAuthority>, Status> {
    let mut found: Vec<JwtAuthority> = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let at = format!("{field}[{index}]");
        let key = read(&at, message)?;
        match found.iter().find(|known| known.key_id == key.key_id) {
            None => found.push(key),
            Some(known) if *known == key => {}
            Some(_) => {
                let what = format!("{:?} is the name of another key", key.key_id);
                return Err(invalid(&format!("{at}.key_id"), what));
            }
        }
    }
    Ok(found)
}

/// Reads a key that signs JWT-SVIDs.
///
/// # Errors
/// `InvalidArgument`, naming the field.
pub(crate) fn read_jwt_key(field: &str, key: &types::JwtKey) -> Result<JwtAuthority, Status> {
    read_key(field, &key.key_id, &key.public_key, key.expires_at, key.tainted)
}

/// Reads a key that signs WIT-SVIDs.
///
/// # Errors
/// `InvalidArgument`, naming the field.
pub(crate) fn read_wit_key(field: &str, key: &types::WitKey) -> Result<JwtAuthority, Status> {
    read_key(field, &key.key_id, &key.public_key, key.expires_at, key.tainted)
}

fn read_key(
    field: &str,
    key_id: &str,
    public_key: &[u8],
    expires_at: i64,
    tainted: bool,
) -> Result<JwtAuthority, Status> {
    let name = format!("{field}.key_id");
    if key_id.is_empty() {
        return Err(Status::invalid_argument(format!("{name} is missing")));
    }
    if key_id.len() > MAX_KEY_ID || key_id.chars().any(char::is_control) {
        let what = format!("it must have at most {MAX_KEY_ID} bytes and no control characters");
        return Err(invalid(&name, what));
    }
    let place = format!("{field}.public_key");
    let mut key = JwtAuthority::from_spki_der(key_id, public_key).map_err(|error| invalid(&place, error))?;
    // Stock software would refuse a whole bundle for one such key.
    if !key.signs_jwt_svids() {
        let found = key.public_key.algorithm_name();
        let what =
            format!("no token of SPIFFE is signed with a key for {found}; RSA, P-256 and P-384 can be");
        return Err(invalid(&place, what));
    }
    key.expires_at = moment(&format!("{field}.expires_at"), expires_at)?;
    key.tainted = tainted;
    Ok(key)
}
