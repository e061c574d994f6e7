//! Two certificates that are to be one identity.

use std::time::SystemTime;

use symbolon_pki::bundle::BundleSet;
use symbolon_pki::certificate::{Certificate, CertificateError};
use symbolon_pki::encode::whole;
use symbolon_pki::key::{Half, SuiteSigner};
use symbolon_pki::related::{PairError, RelatedCertificate, RelatedError, VerifiedPair, verify_pair};
use symbolon_pki::suite::{Form, Suite};
use symbolon_pki::verify::{PathPolicy, VerifyOptions, verify_x509_svid};

use crate::support::{Ca, Draft, HOUR, bundles, now, signer, subject_key};

/// Authorities of both halves, and a first certificate.
struct Pairs {
    classical: Ca,
    ml_dsa: Ca,
    first: Certificate,
    bundles: BundleSet,
}

impl Pairs {
    fn new() -> Self {
        let (classical, ml_dsa) = (Ca::root(Suite::EcdsaP256), Ca::root(Suite::MlDsa44));
        Self {
            first: classical.leaf(Suite::EcdsaP256, |_| ()),
            bundles: bundles(&[&classical.certificate, &ml_dsa.certificate]),
            classical,
            ml_dsa,
        }
    }

    /// A second certificate that names `first`, but for what `change` does to it.
    fn second(&self, change: impl FnOnce(&mut Draft)) -> Certificate {
        self.ml_dsa.leaf(Suite::MlDsa44, |draft| {
            link(draft, &RelatedCertificate::to(&self.first).to_der());
            change(draft);
        })
    }

    fn verify(&self, first: &Certificate, second: &Certificate) -> Result<VerifiedPair, PairError> {
        self.verify_at(first, second, now())
    }

    fn verify_at(
        &self,
        first: &Certificate,
        second: &Certificate,
        at: SystemTime,
    ) -> Result<VerifiedPair, PairError> {
        let (first, second) = (std::slice::from_ref(first), std::slice::from_ref(second));
        verify_pair(first, second, &self.bundles, at, &VerifyOptions::default())
    }
}

fn link(draft: &mut Draft, content: &[u8]) {
    draft.set_raw(RelatedCertificate::oid(), false, content);
}

#[test]
fn a_pair_satisfies_every_policy_and_lives_as_long_as_its_shorter_half() {
    let pairs = Pairs::new();
    let second = pairs.second(|draft| draft.not_after = now() + HOUR / 2);
    assert_eq!(second.form(), Some(Form::Paired));
    for policy in PathPolicy::ALL {
        let mut options = VerifyOptions::default();
        options.policy = policy;
        let verified = verify_pair(
            std::slice::from_ref(&pairs.first),
            std::slice::from_ref(&second),
            &pairs.bundles,
            now(),
            &options,
        )
        .unwrap();
        assert_eq!(verified.spiffe_id.to_string(), "spiffe://example.org/workload");
        assert_eq!(verified.not_after, second.not_after());
        assert_eq!(verified.first.suite, "ecdsa-p256");
        assert_eq!(verified.second.suite, "ml-dsa-44");
    }
}

#[test]
fn either_half_must_stand_by_itself() {
    let pairs = Pairs::new();
    let good = pairs.second(|_| ());
    let expired = pairs.second(|draft| draft.not_after = now() - HOUR / 2);
    let later = now() + HOUR / 2;
    pairs.verify_at(&pairs.first, &good, later).unwrap();

    let error = pairs.verify(&pairs.first, &expired).unwrap_err();
    assert!(matches!(error, PairError::Second(_)), "{error}");
    assert_eq!(error.half(), Half::PostQuantum);
    let short = pairs
        .classical
        .leaf(Suite::EcdsaP256, |draft| draft.not_after = now() + HOUR / 4);
    let of_short = pairs.second(|draft| link(draft, &RelatedCertificate::to(&short).to_der()));
    pairs.verify(&short, &of_short).unwrap();
    let error = pairs.verify_at(&short, &of_short, later).unwrap_err();
    assert!(matches!(error, PairError::First(_)), "{error}");
    assert_eq!(error.half(), Half::Classical);

    // Of authorities that the bundle does not know.
    let strangers = Pairs::new();
    let error = pairs.verify(&strangers.first, &good).unwrap_err();
    assert!(matches!(error, PairError::First(_)), "{error}");
    let error = pairs.verify(&pairs.first, &strangers.second(|_| ())).unwrap_err();
    assert!(matches!(error, PairError::Second(_)), "{error}");
    // Nothing at all.
    let error = verify_pair(&[], &[good], &pairs.bundles, now(), &VerifyOptions::default());
    assert!(matches!(error, Err(PairError::First(_))));
}

#[test]
fn halves_that_do_not_belong_together_are_refused() {
    let pairs = Pairs::new();
    let good = pairs.second(|_| ());
    pairs.verify(&pairs.first, &good).unwrap();

    // No link: what whoever takes any ML-DSA SVID of the same workload would show.
    let alone = pairs.ml_dsa.leaf(Suite::MlDsa44, |_| ());
    assert_eq!(
        pairs.verify(&pairs.first, &alone).unwrap_err(),
        PairError::NotLinked
    );
    // A link to an earlier first certificate.
    let renewed = pairs
        .classical
        .leaf(Suite::EcdsaP256, |draft| draft.serial = vec![0x2b]);
    assert_eq!(
        pairs.verify(&renewed, &good).unwrap_err(),
        PairError::Related(RelatedError::OtherHash { hash: "SHA-256" })
    );
    // Another identity.
    let other = pairs.second(|draft| draft.uris(&["spiffe://example.org/other"]));
    let error = pairs.verify(&pairs.first, &other).unwrap_err();
    assert!(matches!(error, PairError::OtherIdentity { .. }), "{error}");
    // Two of one kind.
    let error = pairs.verify(&pairs.first, &pairs.first).unwrap_err();
    assert!(matches!(error, PairError::Second(_)), "{error}");
    let chain_of_pq = pairs
        .ml_dsa
        .leaf(Suite::MlDsa44, |draft| draft.serial = vec![0x2c]);
    let linked = pairs.second(|draft| link(draft, &RelatedCertificate::to(&chain_of_pq).to_der()));
    assert_eq!(
        pairs.verify(&chain_of_pq, &linked).unwrap_err(),
        PairError::Related(RelatedError::NotClassical(Form::MlDsa))
    );
    // A second half by a classical authority: whoever forges for that authority forges the pair.
    let leaned = pairs.classical.leaf(Suite::MlDsa44, |draft| {
        link(draft, &RelatedCertificate::to(&pairs.first).to_der());
    });
    let error = pairs.verify(&pairs.first, &leaned).unwrap_err();
    assert!(matches!(error, PairError::Second(_)), "{error}");
}

#[test]
fn a_key_that_is_in_both_halves_is_refused() {
    // A composite second half whose classical component is the first half's key.
    let composite = signer(Suite::MlDsa44EcdsaP256);
    let component = SuiteSigner::new(Suite::EcdsaP256, vec![composite.keys()[1].clone()]).unwrap();
    let (classical, authority) = (Ca::root(Suite::EcdsaP256), Ca::root(Suite::MlDsa44EcdsaP256));
    let first = classical.certify(&subject_key(&component), |_| ());
    let second = authority.certify(&subject_key(&composite), |draft| {
        link(draft, &RelatedCertificate::to(&first).to_der());
    });
    let bundles = bundles(&[&classical.certificate, &authority.certificate]);
    let error = verify_pair(&[first], &[second], &bundles, now(), &VerifyOptions::default());
    assert_eq!(error.unwrap_err(), PairError::SharedKey);
}

#[test]
fn links_are_read_strictly() {
    let pairs = Pairs::new();
    let sha_256 = [
        0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01,
    ];
    let with_null = whole(0x30, &[&sha_256[2..], &[5, 0]]);
    let hash = RelatedCertificate::to(&pairs.first).hash_value().to_vec();
    let written = |algorithm: &[u8], hash: &[u8]| whole(0x30, &[algorithm, &whole(4, &[hash])]);
    let good = written(&sha_256, &hash);
    assert_eq!(RelatedCertificate::to(&pairs.first).to_der(), good);
    // RFC 5754: NULL is to be accepted.
    pairs
        .verify(
            &pairs.first,
            &pairs.second(|draft| link(draft, &written(&with_null, &hash))),
        )
        .unwrap();

    for (what, content) in [
        ("nothing", Vec::new()),
        ("NULL", vec![5, 0]),
        ("no hash", whole(0x30, &[&sha_256])),
        ("no algorithm", whole(0x30, &[&whole(4, &[&hash])])),
        ("in another order", whole(0x30, &[&whole(4, &[&hash]), &sha_256])),
        ("too short a hash", written(&sha_256, &hash[1..])),
        ("too long a hash", written(&sha_256, &[&hash[..], &[0]].concat())),
        (
            "parameters that are not NULL",
            written(&whole(0x30, &[&sha_256[2..], &[4, 0]]), &hash),
        ),
        ("a byte more", [&good[..], &[0]].concat()),
        ("a field more", whole(0x30, &[&good[2..], &[5, 0]])),
        ("cut", good[..good.len() - 1].to_vec()),
    ] {
        let leaf = Draft::leaf(&subject_key(&signer(Suite::MlDsa44)));
        let mut leaf = leaf.under(&pairs.ml_dsa.certificate);
        link(&mut leaf, &content);
        let der = leaf.sign_with(Suite::MlDsa44.signature_algorithm_der(), |_| vec![7; 2420]);
        match Certificate::from_der(&der) {
            Err(CertificateError::Extension { name, .. }) => assert_eq!(name, "relatedCertificate", "{what}"),
            other => panic!("{what}: {other:?}"),
        }
    }
    // Twice.
    let der = {
        let mut draft = Draft::leaf(&subject_key(&signer(Suite::MlDsa44)));
        link(&mut draft, &good);
        let same = draft.extensions.last().unwrap().clone();
        draft.extensions.push(same);
        draft.sign_with(Suite::MlDsa44.signature_algorithm_der(), |_| vec![7; 2420])
    };
    let oid = RelatedCertificate::oid();
    assert_eq!(
        Certificate::from_der(&der).unwrap_err(),
        CertificateError::DuplicateExtension { oid }
    );
    // In an authority's certificate.
    let mut draft = Draft::authority(&subject_key(&pairs.ml_dsa.signer));
    link(&mut draft, &good);
    let der = draft.sign_with(Suite::MlDsa44.signature_algorithm_der(), |_| vec![7; 2420]);
    let error = Certificate::from_der(&der).unwrap_err().to_string();
    assert!(error.ends_with("only leaves are paired"), "{error}");
    // By a hash that is not known here: read, and good for nothing.
    let sha_1 = [0x30, 7, 6, 5, 0x2b, 14, 3, 2, 0x1a];
    let unknown = pairs.second(|draft| link(draft, &written(&sha_1, &hash[..20])));
    let error = pairs.verify(&pairs.first, &unknown).unwrap_err();
    assert!(
        matches!(error, PairError::Related(RelatedError::UnknownHash(_))),
        "{error}"
    );
}

#[test]
fn a_critical_link_is_one_that_nobody_can_process_alone() {
    let pairs = Pairs::new();
    let content = RelatedCertificate::to(&pairs.first).to_der();
    let critical = pairs.second(|draft| draft.set_raw(RelatedCertificate::oid(), true, &content));
    assert!(critical.related().is_none());
    assert!(verify_x509_svid(std::slice::from_ref(&critical), &pairs.bundles, now()).is_err());
    let error = pairs.verify(&pairs.first, &critical).unwrap_err();
    assert!(matches!(error, PairError::Second(_)), "{error}");
}
