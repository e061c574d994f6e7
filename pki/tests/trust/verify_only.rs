//! Certificates that are verified and never issued: for ML-KEM keys, and those folded into others.

use const_oid::ObjectIdentifier;
use der::Encode;
use symbolon_pki::certificate::Certificate;
use symbolon_pki::chameleon::{DELTA_CERTIFICATE_DESCRIPTOR, DeltaError, delta};
use symbolon_pki::encode::{element, whole};
use symbolon_pki::kem::{KemKeyError, KemParameterSet, KemPublicKey};
use symbolon_pki::suite::Suite;
use symbolon_pki::verify::{ChainReason, Policy, VerifyOptions, verify_kem_certificate, verify_x509_svid};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{ExtendedKeyUsage, KeyUsages, SubjectAltName};

use crate::support::{Ca, Draft, bundles, now, sequence, signer, subject_key};
use const_oid::AssociatedOid;

const SUITE: Suite = Suite::MlDsa65;

/// A key of this many bytes whose coefficients are all 0x0b5.
fn kem_spki(set: KemParameterSet, len: usize, parameters: &[u8]) -> Vec<u8> {
    let mut key: Vec<u8> = [0xb5, 0x50, 0x0b].into_iter().cycle().take(len).collect();
    key.iter_mut().rev().take(32).for_each(|byte| *byte = 0xff);
    let oid = set.oid().to_der().unwrap();
    whole(
        0x30,
        &[&whole(0x30, &[&oid, parameters]), &whole(3, &[&[0], &key])],
    )
}

fn good(set: KemParameterSet) -> Vec<u8> {
    kem_spki(set, set.public_key_len(), &[])
}

/// A good ML-KEM certificate, but for what `change` does to it.
fn kem_certificate(ca: &Ca, spki: Vec<u8>, change: impl FnOnce(&mut Draft)) -> Certificate {
    let mut draft = Draft::leaf(&subject_key(&ca.signer)).under(&ca.certificate);
    draft.spki = spki;
    draft.usage(true, KeyUsages::KeyEncipherment);
    draft.remove(ExtendedKeyUsage::OID);
    change(&mut draft);
    draft.sign(&ca.signer)
}

#[test]
fn an_ml_kem_certificate_is_verified_and_is_no_svid() {
    let ca = Ca::root(SUITE);
    for set in KemParameterSet::ALL {
        assert_eq!(set.name().parse(), Ok(set));
        let chain = [kem_certificate(&ca, good(set), |_| ())];
        let options = VerifyOptions::default();
        let (verified, key) = verify_kem_certificate(&chain, &ca.bundles(), now(), &options).unwrap();
        assert_eq!((verified.suite.as_str(), key.parameter_set()), (set.name(), set));
        assert_eq!(verified.spiffe_id.to_string(), "spiffe://example.org/workload");
        assert_eq!(key.as_bytes().len(), set.public_key_len());
        // It cannot sign, so it is nobody's proof of identity.
        let error = verify_x509_svid(&chain, &ca.bundles(), now()).unwrap_err();
        assert!(matches!(*error.reason, ChainReason::Key(_)), "{error}");

        for (policy, accepted) in [
            ("pq-required", true),
            ("hybrid-required", false),
            ("bsi", false),
            ("anssi", false),
        ] {
            let options = VerifyOptions::under(policy.parse::<Policy>().unwrap());
            let got = verify_kem_certificate(&chain, &ca.bundles(), now(), &options);
            assert_eq!(got.is_ok(), accepted, "{policy}");
        }
    }
    let ca = Ca::root(Suite::MlDsa87);
    let options = VerifyOptions::under("cnsa-2.0".parse::<Policy>().unwrap());
    for set in KemParameterSet::ALL {
        let chain = [kem_certificate(&ca, good(set), |_| ())];
        let got = verify_kem_certificate(&chain, &ca.bundles(), now(), &options);
        assert_eq!(got.is_ok(), set == KemParameterSet::MlKem1024, "{set}");
    }
}

#[test]
fn an_ml_kem_key_enciphers_keys_and_nothing_else() {
    let ca = Ca::root(SUITE);
    let reason = |change: fn(&mut Draft)| {
        let chain = [kem_certificate(&ca, good(KemParameterSet::MlKem768), change)];
        let error =
            verify_kem_certificate(&chain, &ca.bundles(), now(), &VerifyOptions::default()).unwrap_err();
        assert_eq!(error.certificate, 0);
        *error.reason
    };
    assert_eq!(
        reason(|draft| draft.usage(true, KeyUsages::DataEncipherment)),
        ChainReason::KeyUsageLacks("keyEncipherment")
    );
    for (usage, name) in [
        (KeyUsages::DigitalSignature, "digitalSignature"),
        (KeyUsages::NonRepudiation, "nonRepudiation"),
        (KeyUsages::DataEncipherment, "dataEncipherment"),
        (KeyUsages::KeyAgreement, "keyAgreement"),
    ] {
        let chain = [kem_certificate(&ca, good(KemParameterSet::MlKem768), |draft| {
            draft.usage(true, KeyUsages::KeyEncipherment | usage);
        })];
        let error =
            verify_kem_certificate(&chain, &ca.bundles(), now(), &VerifyOptions::default()).unwrap_err();
        let expected = ChainReason::KeyUsageOfAlgorithm {
            usage: name,
            algorithm: "ml-kem-768".into(),
        };
        assert_eq!(*error.reason, expected);
    }
    assert_eq!(
        reason(|draft| draft.usage(true, KeyUsages::KeyEncipherment | KeyUsages::KeyCertSign)),
        ChainReason::KeyUsageOfCa("keyCertSign")
    );
    assert_eq!(
        reason(|draft| draft.usage(false, KeyUsages::KeyEncipherment)),
        ChainReason::KeyUsageNotCritical
    );
    assert_eq!(
        reason(|draft| draft.remove(SubjectAltName::OID)),
        ChainReason::UriNames(0)
    );
    let broken = crate::support::flip_signature(
        &kem_certificate(&ca, good(KemParameterSet::MlKem512), |_| ()),
        100,
    );
    let error =
        verify_kem_certificate(&[broken], &ca.bundles(), now(), &VerifyOptions::default()).unwrap_err();
    assert!(matches!(*error.reason, ChainReason::Signature { .. }), "{error}");
}

#[test]
fn bad_encapsulation_keys_are_refused() {
    let set = KemParameterSet::MlKem768;
    let read = |spki: &[u8]| KemPublicKey::from_spki_der(spki).unwrap_err();
    let len = set.public_key_len();
    assert_eq!(
        read(&kem_spki(set, len - 1, &[])),
        KemKeyError::Length { set, found: len - 1 }
    );
    assert_eq!(read(&kem_spki(set, len, &[5, 0])), KemKeyError::Parameters(set));
    assert!(matches!(
        read(&subject_key(&signer(SUITE)).spki_der()),
        KemKeyError::OtherAlgorithm(_)
    ));
    assert!(matches!(
        read(&[&good(set)[..], &[0]].concat()),
        KemKeyError::Malformed(_)
    ));
    // A coefficient of 3329, low and high in its three bytes; 3328 is the largest that there is.
    for (three, accepted) in [
        ([0x01, 0x0d, 0x00], false),
        ([0x00, 0x0d, 0x00], true),
        ([0x00, 0x10, 0xd0], false),
        ([0x00, 0x00, 0xd0], true),
    ] {
        let mut spki = good(set);
        let start = spki.len() - len;
        spki[start..start + 3].copy_from_slice(&three);
        let got = KemPublicKey::from_spki_der(&spki);
        assert_eq!(got.is_ok(), accepted, "{three:02x?}");
        assert!(accepted || got == Err(KemKeyError::Modulus(set)));
    }
}

/// A base certificate with the descriptor of a delta by another authority, and that delta as it was signed.
struct Folded {
    base_ca: Ca,
    delta_ca: Ca,
    base: Draft,
    delta: Certificate,
    descriptor: Vec<u8>,
}

/// The whole DER of the parts of a certificate to be signed: serial, algorithm, issuer, validity, subject, key.
fn fields(certificate: &Certificate) -> Vec<Vec<u8>> {
    use der::{Decode, Reader, SliceReader};
    let tbs = der::asn1::AnyRef::from_der(certificate.tbs_der()).unwrap();
    let mut reader = SliceReader::new(tbs.value()).unwrap();
    let mut all = Vec::new();
    while !reader.is_finished() {
        all.push(reader.tlv_bytes().unwrap().to_vec());
    }
    all.remove(0);
    all
}

fn explicit(number: u8, content: &[u8]) -> Vec<u8> {
    whole(0xa0 | number, &[content])
}

fn fold() -> Folded {
    let (base_ca, delta_ca) = (Ca::root(Suite::EcdsaP256), Ca::root(SUITE));
    let delta_key = subject_key(&signer(SUITE));
    let base = Draft::leaf(&subject_key(&signer(Suite::EcdsaP256))).under(&base_ca.certificate);
    // The delta has the base's extensions in the base's order, with two contents of its own.
    let mut draft = base.clone();
    draft.serial = vec![0x51];
    draft.issuer = delta_ca.certificate.inner().tbs_certificate().subject().clone();
    draft.spki = delta_key.spki_der();
    let replaced: Vec<Extension> = {
        let mut other = Draft::leaf(&delta_key).under(&delta_ca.certificate);
        other.extensions.retain(|extension| {
            draft
                .extensions
                .iter()
                .any(|old| old.extn_id == extension.extn_id && old != extension)
        });
        other.extensions
    };
    assert_eq!(replaced.len(), 2, "the two key identifiers differ");
    for new in &replaced {
        let place = draft.extensions.iter_mut().find(|old| old.extn_id == new.extn_id);
        *place.unwrap() = new.clone();
    }
    let delta = draft.sign(&delta_ca.signer);

    let parts = fields(&delta);
    let mut bits = vec![0];
    bits.extend_from_slice(delta.signature());
    let descriptor = [
        parts[0].clone(),
        explicit(0, &parts[1]),
        explicit(1, &parts[2]),
        parts[5].clone(),
        explicit(4, &replaced.to_der().unwrap()),
        whole(3, &[&bits]),
    ]
    .concat();
    Folded {
        base_ca,
        delta_ca,
        base,
        delta,
        descriptor: sequence(&descriptor),
    }
}

impl Folded {
    fn base_with(&self, descriptor: &[u8]) -> Certificate {
        let mut draft = self.base.clone();
        draft.set_raw(DELTA_CERTIFICATE_DESCRIPTOR, false, descriptor);
        draft.sign(&self.base_ca.signer)
    }

    /// The base with a descriptor of these parts instead.
    fn refused(&self, parts: &[&[u8]]) -> DeltaError {
        delta(&self.base_with(&sequence(&parts.concat()))).unwrap_err()
    }
}

#[test]
fn a_delta_certificate_is_put_together_and_verified_by_itself() {
    let folded = fold();
    let base = folded.base_with(&folded.descriptor);
    let found = delta(&base).unwrap().unwrap();
    assert_eq!(found.der(), folded.delta.der());
    let authorities = [&folded.base_ca.certificate, &folded.delta_ca.certificate];
    let bundles = bundles(&authorities);
    assert_eq!(
        verify_x509_svid(&[base], &bundles, now()).unwrap().suite,
        "ecdsa-p256"
    );
    assert_eq!(
        verify_x509_svid(&[found], &bundles, now()).unwrap().suite,
        "ml-dsa-65"
    );
    // Without a descriptor there is no delta.
    assert_eq!(delta(&folded.delta).unwrap(), None);
}

#[test]
fn a_descriptor_that_breaks_the_drafts_rules_is_refused() {
    let folded = fold();
    let delta_fields = fields(&folded.delta);
    let base_fields = fields(&folded.base.sign(&folded.base_ca.signer));
    let signature = whole(3, &[&[0], folded.delta.signature()]);
    let [serial, algorithm, issuer, .., key] = &delta_fields[..6] else {
        panic!("six fields")
    };
    let (algorithm, issuer) = (explicit(0, algorithm), explicit(1, issuer));

    for (number, field, name) in [
        (0, 1, "signature algorithm"),
        (1, 2, "issuer"),
        (2, 3, "validity"),
        (3, 4, "subject"),
    ] {
        let repeated = explicit(number, &base_fields[field]);
        assert_eq!(
            folded.refused(&[serial, &repeated, key, &signature]),
            DeltaError::Repeats(name)
        );
    }
    assert_eq!(
        folded.refused(&[serial, &algorithm, &issuer, &base_fields[5], &signature]),
        DeltaError::SameKey
    );
    assert_eq!(
        folded.refused(&[&base_fields[0], &algorithm, key, &signature]),
        DeltaError::SameSerial
    );

    let own = |extension: &[&[u8]]| explicit(4, &sequence(&extension.concat()));
    let extension = |oid: &str, critical: bool, content: &[u8]| {
        let oid: ObjectIdentifier = oid.parse().unwrap();
        let critical: &[u8] = if critical { &[1, 1, 0xff] } else { &[] };
        whole(0x30, &[&oid.to_der().unwrap(), critical, &whole(4, &[content])])
    };
    let skid = extension("2.5.29.14", false, &[4, 1, 7]);
    for (list, expected) in [
        (
            own(&[&extension("1.2.3", false, &[5, 0])]),
            DeltaError::AddedExtension("1.2.3".parse().unwrap()),
        ),
        (
            own(&[&skid, &skid]),
            DeltaError::DuplicateExtension("2.5.29.14".parse().unwrap()),
        ),
        (
            own(&[&extension("2.5.29.14", true, &[4, 1, 7])]),
            DeltaError::Criticality("2.5.29.14".parse().unwrap()),
        ),
        (
            own(&[&extension("2.16.840.1.114027.80.6.1", false, &[5, 0])]),
            DeltaError::Nested,
        ),
        (
            own(&[&extension("2.5.29.15", true, &[3, 2, 7, 0x80])]),
            DeltaError::Repeats("extension"),
        ),
    ] {
        let found = folded.refused(&[serial, &algorithm, &issuer, key, &list, &signature]);
        assert_eq!(found, expected);
    }
    // Fields out of order, something after them, nothing at all, and a delta that is no certificate.
    for parts in [
        &[serial.as_slice(), &issuer, &algorithm, key, &signature][..],
        &[serial, &algorithm, &issuer, key, &signature, &[5, 0]],
        &[],
        &[serial, &algorithm, &issuer, key],
    ] {
        assert!(
            matches!(folded.refused(parts), DeltaError::Malformed(_)),
            "{parts:02x?}"
        );
    }
    let mut trailing = folded.descriptor.clone();
    trailing.push(0);
    assert!(matches!(
        delta(&folded.base_with(&trailing)),
        Err(DeltaError::Malformed(_))
    ));
    let mut negative = Vec::new();
    element(&mut negative, 2, &[0x80]);
    assert!(matches!(
        folded.refused(&[&negative, &algorithm, &issuer, key, &signature]),
        DeltaError::Certificate(_)
    ));
}
