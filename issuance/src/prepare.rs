//! From a request to a [`Linted`]: the checks that are the requester's to pass, the encoding, the lint.

use std::time::{Duration, SystemTime};

use spiffe::{SpiffeId, TrustDomain};
use symbolon_pki::certificate::is_comparable_host;
use symbolon_pki::key::{SubjectKey, SuiteSigner};
use symbolon_pki::names::AUTHORITY_ORGANIZATION;
use symbolon_pki::skid::Skid;
use symbolon_pki::time::unix_seconds;

use crate::authority::{Authority, check_catalyst};
use crate::beside::{Beside, check_first, check_keys};
use crate::dns::check_dns_names;
use crate::encode::{self, Tbs};
use crate::error::{AuthorityError, IssuanceError, ProfileError, RequestError};
use crate::lint::{Expected, Issuer};
use crate::linted::{Facts, HasSigner, IssuerKeys, Linted};
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
    /// What is to stand beside it.
    pub beside: Beside<'a>,
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
    /// Whether its name constraints permit no URIs below it but those of its trust domain, which then has to be one that
    /// constraints are [compared with](symbolon_pki::certificate::is_comparable_host).
    pub constrains_names: bool,
}

/// What an authority below another one is to be.
#[derive(Clone, Copy, Debug)]
pub struct IntermediateRequest<'a> {
    /// The key to certify, of the same family as the authority above. An RSA key is somebody else's: no suite of ours
    /// signs with one, and stock servers may.
    pub key: &'a SubjectKey,
    /// The alternative key to certify with it, in the catalyst family.
    pub alternative: Option<&'a SubjectKey>,
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
/// of a form that the authority's family does not issue, keys that do not go together, a SPIFFE ID outside the authority's trust domain or
/// outside the profile, bad DNS names, a clock outside the authority's validity; or what the lint found.
pub fn prepare_svid(authority: &Authority, request: &SvidRequest<'_>) -> Result<Linted, IssuanceError> {
    let SvidRequest {
        profile,
        spiffe_id,
        key,
        beside,
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
    check_keys(key, beside, authority)?;
    let validity = Validity::below(authority, now, ttl)?;
    if let Some(related) = beside.related() {
        check_first(related, &uri, unix_seconds(now))?;
    }

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
        beside,
        ttl,
        now,
        path_len: None,
        constrains_names: false,
        organization: AUTHORITY_ORGANIZATION,
        issuer: Issuer::Authority(authority),
        issuer_key: IssuerKeys::of(authority),
    }
    .lint()
}

/// Prepares a self-signed authority for the key that will sign it, or for both keys of a catalyst authority
/// ([`AuthorityKeys`](crate::AuthorityKeys)): the root of a family in its trust domain. Its subject holds its serial
/// number, so that no two authorities share a name.
///
/// # Errors
/// [`IssuanceError`] for two keys that are not those of a catalyst authority, a lifetime under a second or past the year 9999, a clock outside 1970 to 9999, or what the
/// lint found.
pub fn prepare_authority(
    spec: &AuthoritySpec<'_>,
    keys: &impl HasSigner,
    serial: Serial,
    now: SystemTime,
) -> Result<Linted, IssuanceError> {
    let root = RootSpec {
        authority: *spec,
        organization: AUTHORITY_ORGANIZATION,
        constrains_names: false,
    };
    prepare_root(&root, keys, serial, now)
}

/// As [`prepare_authority`], with an organization in the subject.
///
/// # Errors
/// As [`prepare_authority`]; [`RequestError::NotConstrainable`]; an organization of no or more than 64 characters is
/// found by the lint.
pub fn prepare_root(
    root: &RootSpec<'_>,
    keys: &impl HasSigner,
    serial: Serial,
    now: SystemTime,
) -> Result<Linted, IssuanceError> {
    let spec = &root.authority;
    let signer = keys.signer();
    let alternative_key = keys
        .alternative()
        .map(|alternative| {
            check_catalyst(signer.suite(), alternative.suite())?;
            Ok::<_, AuthorityError>(SubjectKey::Suite(alternative.public_key().clone()))
        })
        .transpose()?;
    let permitted_host = root.constrains_names.then(|| spec.trust_domain.as_str());
    if let Some(host) = permitted_host.filter(|host| !is_comparable_host(host)) {
        return Err(RequestError::NotConstrainable {
            trust_domain: host.to_owned(),
        }
        .into());
    }
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
        extensions: &encode::authority_extensions(spec.path_len, permitted_host, &key_id),
        spiffe_id: &spiffe_id,
        uri: &authority_id_of(spec.trust_domain),
        dns_names: &[],
        key: &key,
        beside: alternative_key
            .as_ref()
            .map_or(Beside::Nothing, Beside::Alternative),
        ttl: spec.ttl,
        now,
        path_len: spec.path_len,
        constrains_names: root.constrains_names,
        organization: root.organization,
        issuer: Issuer::Itself {
            suite: signer.suite(),
            alternative: keys.alternative().map(SuiteSigner::suite),
        },
        issuer_key: IssuerKeys::new(signer, keys.alternative()),
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
        alternative,
        ttl,
        path_len,
        serial,
        now,
    } = *request;
    let beside = alternative.map_or(Beside::Nothing, Beside::Alternative);
    check_keys(key, beside, authority)?;
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
        extensions: &encode::authority_extensions(path_len, None, authority.authority_id()),
        spiffe_id: &spiffe_id,
        uri: &authority_id_of(authority.trust_domain()),
        dns_names: &[],
        key,
        beside,
        ttl,
        now,
        path_len,
        constrains_names: false,
        organization: AUTHORITY_ORGANIZATION,
        issuer: Issuer::Authority(authority),
        issuer_key: IssuerKeys::of(authority),
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
    beside: Beside<'a>,
    ttl: Duration,
    now: SystemTime,
    path_len: Option<u8>,
    constrains_names: bool,
    organization: &'a str,
    issuer: Issuer<'a>,
    issuer_key: IssuerKeys,
}

impl Draft<'_> {
    /// Encodes it, and lints the encoding against what was asked for.
    fn lint(self) -> Result<Linted, IssuanceError> {
        let spki = self.key.spki_der();
        let key_id: Skid = self.key.skid();
        let last = match (self.beside, self.issuer.alternative()) {
            (Beside::Alternative(key), Some(issuer)) => encode::alternative_extensions(key, issuer),
            (Beside::Related(related), _) => encode::related_extension(related.certificate()),
            _ => Vec::new(),
        };
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
            last: &last,
        }
        .encode();
        let authority_id = match self.issuer {
            Issuer::Itself { .. } => key_id,
            Issuer::Authority(authority) => *authority.authority_id(),
        };
        let alternative_spki = self.beside.alternative().map(SubjectKey::spki_der);
        let facts = Facts {
            profile: self.profile,
            serial: *self.serial,
            spiffe_id: self.spiffe_id.clone(),
            form: self.beside.form(self.key),
            algorithm: self.key.algorithm_name(),
            alternative: self.beside.alternative().map(SubjectKey::algorithm_name),
            key_id,
            issuer_suite: self.issuer.suite(),
            issuer_alternative: self.issuer.alternative(),
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
            alternative_spki: alternative_spki.as_deref(),
            related: self.beside.related().map(|related| related.certificate().der()),
            path_len: self.path_len,
            constrains_names: self.constrains_names,
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

/// The SPIFFE ID of the trust domain itself, which its authorities carry.
fn domain_identity(trust_domain: &TrustDomain) -> Result<SpiffeId, IssuanceError> {
    SpiffeId::from_segments(trust_domain.clone(), &[])
        .map_err(|error| IssuanceError::Encoding(error.to_string()))
}
