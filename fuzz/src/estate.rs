//! What seeds are made of and bodies verify against: keys that are the same in every process, so that an input found
//! today means the same tomorrow, and what our own code issues with them.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use spiffe::{SpiffeId, TrustDomain};
use symbolon_crypto::{Component, HeldKey, SoftwareKey};
use symbolon_issuance::{
    Authority, AuthorityKeys, AuthoritySpec, Beside, IntermediateRequest, Serial, SvidProfile, SvidRequest,
    prepare_authority, prepare_intermediate, prepare_svid,
};
use symbolon_pki::bundle::{BundleSet, TrustBundle, X509Authority};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::csr::CsrBuilder;
use symbolon_pki::encode::whole;
use symbolon_pki::key::{SubjectKey, SuiteSigner};
use symbolon_pki::suite::Suite;

/// When everything here happens: 2026-11-22 12:00:00 UTC.
pub(crate) const NOW: u64 = 1_795_348_800;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// An authority, one below it, and an SVID below that, of one suite, with an alternative one beside it in the catalyst
/// family.
pub(crate) struct Chain {
    pub(crate) suite: Suite,
    pub(crate) alternative: Option<Suite>,
    pub(crate) root: Authority,
    pub(crate) below: Authority,
    pub(crate) leaf: Vec<u8>,
    pub(crate) csr: Vec<u8>,
    pub(crate) spki: Vec<u8>,
}

/// The moment at which bodies verify.
pub(crate) fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(NOW)
}

pub(crate) fn trust_domain() -> TrustDomain {
    TrustDomain::new("example.org").expect("a trust domain")
}

pub(crate) fn workload() -> SpiffeId {
    SpiffeId::new("spiffe://example.org/fuzz/workload").expect("a SPIFFE ID")
}

/// A key of which `number` says which.
pub(crate) fn key(component: Component, number: u8) -> SoftwareKey {
    SoftwareKey::from_raw(component, &vec![number; component.private_key_len()]).expect("a key")
}

/// Signs as a suite, with keys that `number` tells from others.
pub(crate) fn signer(suite: Suite, number: u8) -> SuiteSigner {
    let keys = suite
        .components()
        .iter()
        .map(|component| Arc::new(key(*component, number)) as Arc<dyn HeldKey>)
        .collect();
    SuiteSigner::new(suite, keys).expect("a signer")
}

/// As a key of a request or a certificate.
fn subject_key(signer: &SuiteSigner) -> SubjectKey {
    SubjectKey::Suite(signer.public_key().clone())
}

pub(crate) fn serial(kind: usize, number: u8) -> Serial {
    let mut bytes = [number; 16];
    bytes[15] = kind as u8;
    Serial::from_bytes(bytes).expect("a serial number")
}

impl Chain {
    fn issue(kind: usize, suite: Suite, alternative: Option<Suite>) -> Self {
        // Component keys are used once: alternative ones have numbers of their own.
        let other = |number: u8| alternative.map(|suite| signer(suite, number + 100));
        let keys = |number: u8| match other(number) {
            None => AuthorityKeys::from(signer(suite, number)),
            Some(other) => AuthorityKeys::catalyst(signer(suite, number), other).expect("two keys"),
        };
        let spec = AuthoritySpec {
            trust_domain: &trust_domain(),
            ttl: 30 * DAY,
            path_len: None,
        };
        let root = prepare_authority(&spec, &keys(1), serial(kind, 1), now() - DAY)
            .and_then(|linted| linted.sign(&keys(1)))
            .expect("a root");
        let root = Authority::new(certificate(root.der()), keys(1)).expect("a root");

        let other_below = other(2).as_ref().map(subject_key);
        let request = IntermediateRequest {
            key: &subject_key(&signer(suite, 2)),
            alternative: other_below.as_ref(),
            ttl: 20 * DAY,
            path_len: Some(0),
            serial: serial(kind, 2),
            now: now() - DAY,
        };
        let below = prepare_intermediate(&root, &request)
            .and_then(|linted| linted.sign(&root))
            .expect("an authority");
        let below = Authority::new(certificate(below.der()), keys(2)).expect("an authority");

        let signer_of_leaf = signer(suite, 3);
        let other_of_leaf = other(3);
        let other_key = other_of_leaf.as_ref().map(subject_key);
        let request = SvidRequest {
            profile: SvidProfile::Workload,
            spiffe_id: &workload(),
            key: &subject_key(&signer_of_leaf),
            beside: other_key.as_ref().map_or(Beside::Nothing, Beside::Alternative),
            dns_names: &["fuzz.example.org".to_owned()],
            ttl: 10 * DAY,
            serial: serial(kind, 3),
            now: now() - DAY,
        };
        let leaf = prepare_svid(&below, &request)
            .and_then(|linted| linted.sign(&below))
            .expect("an SVID")
            .into_der();
        let mut csr = CsrBuilder::new(&signer_of_leaf).spiffe_id(&workload());
        if let Some(other) = &other_of_leaf {
            csr = csr.alternative(other);
        }
        Self {
            suite,
            alternative,
            csr: csr.build().expect("a request"),
            root,
            below,
            leaf,
            spki: signer_of_leaf.public_key().spki_der(),
        }
    }

    /// What a revocation list of the authority that signed the leaf says.
    pub(crate) fn tbs_crl(&self) -> Vec<u8> {
        tbs_crl(self.suite, &self.below)
    }

    /// Leaf first, with the root.
    pub(crate) fn certificates(&self) -> [Vec<u8>; 3] {
        [
            self.leaf.clone(),
            self.below.certificate().der().to_vec(),
            self.root.certificate().der().to_vec(),
        ]
    }
}

/// What a revocation list of an authority with a key of this suite says: two certificates are revoked.
pub(crate) fn tbs_crl(suite: Suite, issuer: &Authority) -> Vec<u8> {
    const INTEGER: u8 = 0x02;
    const OCTETS: u8 = 0x04;
    const OID: u8 = 0x06;
    const TIME: u8 = 0x17;
    const SEQUENCE: u8 = 0x30;
    let sequence = |parts: &[&[u8]]| whole(SEQUENCE, parts);
    let time = |text: &[u8]| whole(TIME, &[text]);
    let this_update = time(b"261122000000Z");
    let revoked = |number| sequence(&[&whole(INTEGER, &[&[number; 16]]), &this_update]);
    let extension = |oid: &[u8], value: &[u8]| sequence(&[&whole(OID, &[oid]), &whole(OCTETS, &[value])]);
    let key_id = sequence(&[&whole(0x80, &[issuer.authority_id().as_bytes()])]);
    let extensions = sequence(&[
        &extension(&[0x55, 0x1d, 0x23], &key_id),
        &extension(&[0x55, 0x1d, 0x14], &whole(INTEGER, &[&[7]])),
    ]);
    sequence(&[
        &whole(INTEGER, &[&[1]]),
        suite.signature_algorithm_der(),
        issuer.certificate().subject_der(),
        &this_update,
        &time(b"261124000000Z"),
        &sequence(&[&revoked(50), &revoked(51)]),
        &whole(0xa0, &[&extensions]),
    ])
}

fn certificate(der: &[u8]) -> Certificate {
    Certificate::from_der(der).expect("a certificate of our own")
}

/// A chain of every suite that is offered by default, and of the catalyst family.
pub(crate) fn chains() -> &'static [Chain] {
    static CHAINS: OnceLock<Vec<Chain>> = OnceLock::new();
    CHAINS.get_or_init(|| {
        let alone = Suite::DEFAULTS.into_iter().map(|suite| (suite, None));
        let kinds = alone.chain([(Suite::EcdsaP384, Some(Suite::MlDsa44))]);
        kinds
            .enumerate()
            .map(|(kind, (suite, alternative))| Chain::issue(kind, suite, alternative))
            .collect()
    })
}

/// The request for the second certificate of a pair, of which the ECDSA leaf is the first.
pub(crate) fn paired_csr() -> Vec<u8> {
    let first = certificate(&chain(Suite::EcdsaP256).leaf);
    CsrBuilder::new(&signer(Suite::MlDsa44, 4))
        .spiffe_id(&workload())
        .related_to(&first, &signer(Suite::EcdsaP256, 3), now())
        .build()
        .expect("a request")
}

/// The chain of one suite alone.
pub(crate) fn chain(suite: Suite) -> &'static Chain {
    chains()
        .iter()
        .find(|chain| chain.suite == suite && chain.alternative.is_none())
        .expect("a suite that is offered by default")
}

/// A bundle with every root.
pub(crate) fn bundle() -> TrustBundle {
    let mut bundle = TrustBundle::new(trust_domain());
    bundle.sequence = 7;
    bundle.refresh_hint = Some(Duration::from_secs(300));
    bundle.x509_authorities = chains()
        .iter()
        .map(|chain| X509Authority::new(chain.root.certificate().clone()))
        .collect();
    bundle
}

/// [`bundle`], as verifiers take it.
pub(crate) fn bundles() -> &'static BundleSet {
    static BUNDLES: OnceLock<BundleSet> = OnceLock::new();
    BUNDLES.get_or_init(|| {
        let mut set = BundleSet::new();
        set.insert(bundle());
        set
    })
}
