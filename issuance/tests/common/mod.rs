//! What the integration tests share: a trust domain with authorities of every suite.

#![allow(dead_code, reason = "each test file uses its own part of this")]

use std::time::{Duration, SystemTime};

use spiffe::{SpiffeId, TrustDomain};
use symbolon_issuance::{
    Authority, AuthorityKeys, AuthoritySpec, Beside, IntermediateRequest, IssuanceError, IssuedCertificate,
    Linted, Serial, SvidProfile, SvidRequest, prepare_authority, prepare_intermediate, prepare_svid,
};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::csr::{Csr, CsrBuilder};
use symbolon_pki::key::{PrivateKey, SubjectKey, SuiteSigner};
use symbolon_pki::related::Related;
use symbolon_pki::suite::Suite;

/// 2026-11-22T03:25:00Z.
pub(crate) const NOW: u64 = 1_795_317_900;
pub(crate) const HOUR: Duration = Duration::from_secs(3_600);
pub(crate) const DAY: Duration = Duration::from_secs(86_400);

pub(crate) fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

pub(crate) fn now() -> SystemTime {
    at(NOW)
}

pub(crate) fn trust_domain() -> TrustDomain {
    TrustDomain::new("example.org").unwrap()
}

pub(crate) fn id(path: &str) -> SpiffeId {
    SpiffeId::new(format!("spiffe://example.org{path}")).unwrap()
}

pub(crate) fn serial() -> Serial {
    Serial::random(symbolon_crypto::random::fill).unwrap()
}

pub(crate) fn signer(suite: Suite) -> SuiteSigner {
    PrivateKey::generate(suite).unwrap().signer().unwrap()
}

pub(crate) fn key(suite: Suite) -> SubjectKey {
    SubjectKey::Suite(signer(suite).public_key().clone())
}

pub(crate) fn certificate(issued: &IssuedCertificate) -> Certificate {
    Certificate::from_der(issued.der()).unwrap()
}

/// A self-signed authority over `signer`, valid from `begins` (less the backdate) for `ttl`.
pub(crate) fn authority_of(
    signer: SuiteSigner,
    path_len: Option<u8>,
    begins: SystemTime,
    ttl: Duration,
) -> Authority {
    let spec = AuthoritySpec {
        trust_domain: &trust_domain(),
        ttl,
        path_len,
    };
    let linted = prepare_authority(&spec, &signer, serial(), begins).unwrap();
    let issued = linted.sign(&signer).unwrap();
    Authority::new(certificate(&issued), signer).unwrap()
}

/// A self-signed authority of a day.
pub(crate) fn authority(suite: Suite) -> Authority {
    authority_of(signer(suite), None, now(), DAY)
}

/// The keys of a catalyst authority.
pub(crate) fn catalyst_keys(native: Suite, alternative: Suite) -> AuthorityKeys {
    AuthorityKeys::catalyst(signer(native), signer(alternative)).unwrap()
}

/// A self-signed catalyst authority of a day.
pub(crate) fn catalyst_authority(native: Suite, alternative: Suite) -> Authority {
    let keys = catalyst_keys(native, alternative);
    let spec = AuthoritySpec {
        trust_domain: &trust_domain(),
        ttl: DAY,
        path_len: None,
    };
    let linted = prepare_authority(&spec, &keys, serial(), now()).unwrap();
    let issued = linted.sign(&keys).unwrap();
    Authority::new(certificate(&issued), keys).unwrap()
}

/// A catalyst authority below `above`.
pub(crate) fn catalyst_intermediate(above: &Authority, native: Suite, alternative: Suite) -> Authority {
    let keys = catalyst_keys(native, alternative);
    let key = |signer: &SuiteSigner| SubjectKey::Suite(signer.public_key().clone());
    let request = IntermediateRequest {
        key: &key(keys.signer()),
        alternative: Some(&key(keys.alternative().unwrap())),
        ttl: HOUR,
        path_len: Some(0),
        serial: serial(),
        now: now(),
    };
    let issued = prepare_intermediate(above, &request)
        .unwrap()
        .sign(above)
        .unwrap();
    Authority::new(certificate(&issued), keys).unwrap()
}

/// The classical certificate of `/web` under a new authority, its key, and the proof that its holder asked at `asked_at`
/// for one to be paired with it.
pub(crate) fn proven_first(asked_at: SystemTime) -> (Authority, Certificate, SuiteSigner, Related) {
    let authority = authority(Suite::EcdsaP256);
    let first_signer = signer(Suite::EcdsaP256);
    let spiffe_id = id("/web");
    let first_key = SubjectKey::Suite(first_signer.public_key().clone());
    let issued = prepare(&authority, workload(&spiffe_id, &first_key))
        .unwrap()
        .sign(&authority)
        .unwrap();
    let first = certificate(&issued);
    let second_signer = signer(Suite::MlDsa44);
    let csr = CsrBuilder::new(&second_signer)
        .related_to(&first, &first_signer, asked_at)
        .build()
        .unwrap();
    let csr = Csr::from_der(&csr).unwrap();
    let related = csr.related_request().unwrap().prove(&first, asked_at).unwrap();
    (authority, first, second_signer, related)
}

/// An authority below `above`.
pub(crate) fn intermediate(above: &Authority, suite: Suite, path_len: Option<u8>) -> Authority {
    let signer = signer(suite);
    let request = IntermediateRequest {
        key: &SubjectKey::Suite(signer.public_key().clone()),
        alternative: None,
        ttl: HOUR,
        path_len,
        serial: serial(),
        now: now(),
    };
    let issued = prepare_intermediate(above, &request)
        .unwrap()
        .sign(above)
        .unwrap();
    Authority::new(certificate(&issued), signer).unwrap()
}

/// A request that nothing is wrong with, for a workload.
pub(crate) fn workload<'a>(spiffe_id: &'a SpiffeId, key: &'a SubjectKey) -> SvidRequest<'a> {
    SvidRequest {
        profile: SvidProfile::Workload,
        spiffe_id,
        key,
        beside: Beside::Nothing,
        dns_names: &[],
        ttl: HOUR,
        serial: serial(),
        now: now(),
    }
}

pub(crate) fn prepare(authority: &Authority, request: SvidRequest<'_>) -> Result<Linted, IssuanceError> {
    prepare_svid(authority, &request)
}
