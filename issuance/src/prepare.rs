//! From a request to a [`Linted`]: the checks that are the requester's to pass, the encoding, the lint.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use spiffe::{SpiffeId, TrustDomain};
use symbolon_crypto::Component;
use symbolon_pki::key::{SubjectKey, SuiteSigner};
use symbolon_pki::names::AUTHORITY_ORGANIZATION;
use symbolon_pki::skid::Skid;

use crate::authority::Authority;
use crate::dns::check_dns_names;
use crate::encode::{self, Tbs};
use crate::error::{AuthorityError, IssuanceError, ProfileError, RequestError};
use crate::lint::{Expected, Issuer};
use crate::linted::{Facts, Linted};
use crate::profile::{MAX_SPIFFE_ID_LEN, Profile, SvidProfile, authority_id_of};
use crate::serial::Serial;
use crate::validity::Validity;

/// What a server, agent or workload asks for. The key's possession was proven when its CSR was read.
#[derive(Clone, Copy, Debug)]
pub struct SvidRequest<'a> {
    /// Whose identity it is to be.
    pub profile: SvidProfile,
    /// The identity.
    pub spiffe_id: &'a SpiffeId,
    /// The key to certify.
    pub key: &'a SubjectKey,
    /// DNS names beside the SPIFFE ID; workloads only.
    pub dns_names: &'a [String],
    /// How long it is to live from now on, at least a second; cut to what the authority has left.
    pub ttl: Duration,
    /// The serial number it gets.
    pub serial: Serial,
    /// The present moment.
    pub now: SystemTime,
}

/// What a new self-signed authority is to be.
#[derive(Clone, Copy, Debug)]
pub struct AuthoritySpec<'a> {
    /// The trust domain it is for.
    pub trust_domain: &'a TrustDomain,
    /// How long it is to live from now on, at least a second.
    pub ttl: Duration,
    /// How many authorities may stand below it in a chain; `None` is no limit.
    pub path_len: Option<u8>,
}

/// What a root is to be whose subject names the organization that it belongs to.
#[derive(Clone, Copy, Debug)]
pub struct RootSpec<'a> {
    /// As every self-signed authority.
    pub authority: AuthoritySpec<'a>,
    /// The organization in its subject: 1 to 64 characters.
    pub organization: &'a str,
}

/// What an authority below another one is to be.
#[derive(Clone, Copy, Debug)]
pub struct IntermediateRequest<'a> {
    /// The key to certify, of the same family as the authority above.
    pub key: &'a SubjectKey,
    /// How long it is to live from now on, at least a second; cut to what the authority above has left.
    pub ttl: Duration,
    /// How many authorities may stand below it in a chain; cut to what the authority above allows.
    pub path_len: Option<u8>,
    /// The serial number it gets.
    pub serial: Serial,
    /// The present moment.
    pub now: SystemTime,
}

/// Prepares the SVID of a server, agent or workload.
///
/// # Errors
/// [`IssuanceError`], which says whose input was wrong: a lifetime under a second, a key
/// of a form that the authority's family does not issue, a SPIFFE ID outside the authority's trust domain or
/// outside the profile, bad DNS names, a clock outside the authority's validity; or what the lint found.
pub fn prepare_svid(authority: &Authority, request: &SvidRequest<'_>) -> Result<Linted, IssuanceError> {
    let SvidRequest {
        profile,
        spiffe_id,
        key,
        dns_names,
        ttl,
        serial,
        now,
    } = *request;
    let uri = check_identity(spiffe_id, authority.trust_domain())?;
    profile.check_path(spiffe_id)?;
    if !dns_names.is_empty() && !profile.allows_dns_names() {
        return Err(ProfileError::DnsNames {
            profile: Profile::Svid(profile),
            found: dns_names.len(),
        }
        .into());
    }
    check_dns_names(dns_names)?;
    check_key(key, authority)?;
    let validity = Validity::below(authority, now, ttl)?;

    let named_subject = dns_names
        .first()
        .map(|name| encode::svid_subject(Some(name)))
        .transpose()?;
    let template = authority.template();
    Draft {
        profile: Profile::Svid(profile),
        serial: &serial,
        algorithm_and_issuer: &template.algorithm_and_issuer,
        validity,
        subject: named_subject.as_deref().unwrap_or_else(|| template.subject()),
        extensions: template.extensions_for(key),
        spiffe_id,
        uri: &uri,
        dns_names,
        key,
        ttl,
        now,
        path_len: None,
        organization: AUTHORITY_ORGANIZATION,
        issuer: Issuer::Authority(authority),
        issuer_key: Arc::clone(authority.public_key()),
    }
    .lint()
}

/// Prepares a self-signed authority for the key that will sign it: the root of a family in its trust domain. Its
/// subject holds its serial number, so that no two authorities share a name.
///
/// # Errors
/// [`IssuanceError`] for a lifetime under a second or past the year 9999, a clock outside 1970 to 9999, or what the
/// lint found.
pub fn prepare_authority(
    spec: &AuthoritySpec<'_>,
    signer: &SuiteSigner,
    serial: Serial,
    now: SystemTime,
) -> Result<Linted, IssuanceError> {
    let root = RootSpec {
        authority: *spec,
        organization: AUTHORITY_ORGANIZATION,
    };
    prepare_root(&root, signer, serial, now)
}

/// As [`prepare_authority`], with an organization in the subject.
///
/// # Errors
/// As [`prepare_authority`]; an organization of no or more than 64 characters is found by the lint.
pub fn prepare_root(
    root: &RootSpec<'_>,
    signer: &SuiteSigner,
    serial: Serial,
    now: SystemTime,
) -> Result<Linted, IssuanceError> {
    let spec = &root.authority;
    let validity = Validity::self_signed(now, spec.ttl)?;
    let key = SubjectKey::Suite(signer.public_key().clone());
    let key_id = key.skid();
    let spiffe_id = domain_identity(spec.trust_domain)?;
    let subject = encode::authority_subject(root.organization, &serial)?;
    Draft {
        profile: Profile::SelfSignedAuthority,
        serial: &serial,
        algorithm_and_issuer: &[signer.suite().signature_algorithm_der(), &subject].concat(),
        validity,
        subject: &subject,
        extensions: &encode::authority_extensions(spec.path_len, &key_id),
        spiffe_id: &spiffe_id,
        uri: &authority_id_of(spec.trust_domain),
        dns_names: &[],
        key: &key,
        ttl: spec.ttl,
        now,
        path_len: spec.path_len,
        organization: root.organization,
        issuer: Issuer::Itself(signer.suite()),
        issuer_key: signer.public_key().as_bytes().into(),
    }
    .lint()
}

/// Prepares an authority below another of the same family and trust domain.
///
/// # Errors
/// As [`prepare_svid`], and [`AuthorityError::PathLength`] if the authority above may not have any below it.
pub fn prepare_intermediate(
    authority: &Authority,
    request: &IntermediateRequest<'_>,
) -> Result<Linted, IssuanceError> {
    let IntermediateRequest {
        key,
        ttl,
        path_len,
        serial,
        now,
    } = *request;
    if !matches!(key, SubjectKey::Suite(_)) {
        return Err(RequestError::NotAnAuthorityKey {
            algorithm: key.algorithm_name(),
        }
        .into());
    }
    check_key(key, authority)?;
    let path_len = match authority.certificate().path_len() {
        None => path_len,
        Some(0) => return Err(AuthorityError::PathLength(*authority.authority_id()).into()),
        Some(above) => Some(path_len.unwrap_or(u8::MAX).min(above - 1)),
    };
    let validity = Validity::below(authority, now, ttl)?;
    let spiffe_id = domain_identity(authority.trust_domain())?;
    Draft {
        profile: Profile::IntermediateAuthority,
        serial: &serial,
        algorithm_and_issuer: &authority.template().algorithm_and_issuer,
        validity,
        subject: &encode::authority_subject(AUTHORITY_ORGANIZATION, &serial)?,
        extensions: &encode::authority_extensions(path_len, authority.authority_id()),
        spiffe_id: &spiffe_id,
        uri: &authority_id_of(authority.trust_domain()),
        dns_names: &[],
        key,
        ttl,
        now,
        path_len,
        organization: AUTHORITY_ORGANIZATION,
        issuer: Issuer::Authority(authority),
        issuer_key: Arc::clone(authority.public_key()),
    }
    .lint()
}

/// Everything that is known about a certificate before it is encoded.
struct Draft<'a> {
    profile: Profile,
    serial: &'a Serial,
    algorithm_and_issuer: &'a [u8],
    validity: Validity,
    subject: &'a [u8],
    extensions: &'a [u8],
    spiffe_id: &'a SpiffeId,
    uri: &'a str,
    dns_names: &'a [String],
    key: &'a SubjectKey,
    ttl: Duration,
    now: SystemTime,
    path_len: Option<u8>,
    organization: &'a str,
    issuer: Issuer<'a>,
    issuer_key: Arc<[u8]>,
}

impl Draft<'_> {
    /// Encodes it, and lints the encoding against what was asked for.
    fn lint(self) -> Result<Linted, IssuanceError> {
        let spki = self.key.spki_der();
        let key_id: Skid = self.key.skid();
        let tbs = Tbs {
            serial: self.serial,
            algorithm_and_issuer: self.algorithm_and_issuer,
            validity: self.validity,
            subject: self.subject,
            spki: &spki,
            extensions: self.extensions,
            key_id: &key_id,
            spiffe_id: self.uri,
            dns_names: self.dns_names,
        }
        .encode();
        let (issuer_suite, authority_id) = match self.issuer {
            Issuer::Itself(suite) => (suite, key_id),
            Issuer::Authority(authority) => (authority.suite(), *authority.authority_id()),
        };
        let facts = Facts {
            profile: self.profile,
            serial: *self.serial,
            spiffe_id: self.spiffe_id.clone(),
            form: self.key.form(),
            algorithm: self.key.algorithm_name(),
            key_id,
            issuer_suite,
            authority_id,
            not_before: self.validity.begins()?,
            not_after: self.validity.ends()?,
        };
        let expected = Expected {
            profile: self.profile,
            serial: self.serial,
            spiffe_id: self.spiffe_id,
            dns_names: self.dns_names,
            spki: &spki,
            path_len: self.path_len,
            organization: self.organization,
            ttl: self.ttl,
            now: self.now,
            issuer: self.issuer,
        };
        Linted::lint(tbs, facts, self.issuer_key, &expected)
    }
}

/// Checks that `id` belongs to the trust domain and is short enough; returns it as a URI.
pub(crate) fn check_identity(id: &SpiffeId, trust_domain: &TrustDomain) -> Result<String, RequestError> {
    let uri = id.to_string();
    if !id.is_member_of(trust_domain) {
        return Err(RequestError::ForeignTrustDomain {
            spiffe_id: uri,
            trust_domain: trust_domain.clone(),
        });
    }
    if uri.len() > MAX_SPIFFE_ID_LEN {
        return Err(RequestError::SpiffeIdTooLong { found: uri.len() });
    }
    Ok(uri)
}

/// Checks that the key is of a kind that the authority certifies. That it is large enough is what its type says: no
/// smaller [`SubjectKey`] can be read.
fn check_key(key: &SubjectKey, authority: &Authority) -> Result<(), RequestError> {
    let form = key.form();
    if form.family() != authority.family() {
        return Err(RequestError::FamilyMismatch {
            algorithm: key.algorithm_name(),
            form,
            family: authority.family(),
        });
    }
    if let Some(component) = shared_component(key, authority) {
        return Err(RequestError::IssuersKey { component });
    }
    Ok(())
}

/// A component key that the subject shares with the authority, if there is one.
fn shared_component(key: &SubjectKey, authority: &Authority) -> Option<Component> {
    let SubjectKey::Suite(key) = key else { return None };
    let issuers = authority.signer().public_key().components();
    key.components()
        .iter()
        .find(|component| issuers.contains(component))
        .map(|component| component.component())
}

/// The SPIFFE ID of the trust domain itself, which its authorities carry.
fn domain_identity(trust_domain: &TrustDomain) -> Result<SpiffeId, IssuanceError> {
    SpiffeId::from_segments(trust_domain.clone(), &[])
        .map_err(|error| IssuanceError::Encoding(error.to_string()))
}
