//! Requests for the second certificate of a pair, which the key of the first has to prove.

use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use symbolon_pki::certificate::Certificate;
use symbolon_pki::csr::{Csr, CsrBuildError, CsrBuilder, CsrError};
use symbolon_pki::encode::whole;
use symbolon_pki::key::{SubjectKey, SuiteSigner};
use symbolon_pki::related::{
    MAX_LOCATIONS, MAX_REQUEST_AGE, MAX_REQUEST_AHEAD, REQUEST, RelatedCertificate, RelatedError,
};
use symbolon_pki::suite::{Form, Suite};

use super::{Pieces, attribute, content, elements, key};
use crate::bit_string;
use crate::support::{Ca, HOUR, now, signer};

/// A classical authority, a leaf of it, and the leaf's key.
fn first() -> (Ca, Certificate, SuiteSigner) {
    first_of(Suite::EcdsaP256)
}

fn first_of(suite: Suite) -> (Ca, Certificate, SuiteSigner) {
    let ca = Ca::root(Suite::EcdsaP256);
    let signer = signer(suite);
    let certificate = ca.certify(&key(&signer), |_| ());
    (ca, certificate, signer)
}

/// A request for a certificate to be paired with `first`.
fn second(first: &Certificate, first_signer: &SuiteSigner, at: SystemTime) -> (SuiteSigner, Vec<u8>) {
    let second = signer(Suite::MlDsa44);
    let csr = CsrBuilder::new(&second)
        .related_to(first, first_signer, at)
        .build();
    (second, csr.unwrap())
}

#[test]
fn a_request_to_be_paired_names_the_first_certificate_and_is_proven_by_its_key() {
    for suite in [Suite::EcdsaP256, Suite::EcdsaP384, Suite::Ed25519] {
        let (_, first, first_signer) = first_of(suite);
        let (second, csr) = second(&first, &first_signer, now());
        let csr = Csr::from_der(&csr).unwrap();
        assert_eq!(csr.form(), Form::Paired);
        assert_eq!(csr.key(), &key(&second));
        let request = csr.related_request().unwrap();
        assert_eq!(request.serial(), first.serial());
        assert_eq!(request.serial_hex(), first.serial_hex());
        assert_eq!(request.issuer_der(), first.issuer_der());
        assert_eq!(request.requested_at(), now());
        assert_eq!(request.locations(), ["spiffe://example.org/workload"]);
        let related = request.prove(&first, now()).unwrap();
        assert_eq!(related.certificate(), &first);
    }
}

#[test]
fn a_request_to_be_paired_is_good_for_minutes() {
    let (_, first, first_signer) = first();
    let (_, csr) = second(&first, &first_signer, now());
    let csr = Csr::from_der(&csr).unwrap();
    let request = csr.related_request().unwrap();
    let second = Duration::from_secs(1);
    for at in [now() + MAX_REQUEST_AGE, now() - MAX_REQUEST_AHEAD] {
        request.prove(&first, at).unwrap();
    }
    for at in [
        now() + MAX_REQUEST_AGE + second,
        now() - MAX_REQUEST_AHEAD - second,
    ] {
        let error = request.prove(&first, at).unwrap_err();
        assert!(matches!(error, RelatedError::NotFresh { .. }), "{error}");
    }
    for at in [first.not_after() + second, first.not_before() - second] {
        let error = request.prove(&first, at).unwrap_err();
        assert!(matches!(error, RelatedError::NotValid { .. }), "{error}");
    }
}

#[test]
fn other_first_certificates_are_refused() {
    let (ca, first, first_signer) = first();
    let (_, csr) = second(&first, &first_signer, now());
    let csr = Csr::from_der(&csr).unwrap();
    let request = csr.related_request().unwrap();
    let prove = |certificate: &Certificate| request.prove(certificate, now()).unwrap_err();

    // Another serial, another issuer.
    let other_serial = ca.certify(&key(&first_signer), |draft| draft.serial = vec![0x2b]);
    let other_issuer = Ca::root(Suite::EcdsaP256).certify(&key(&first_signer), |_| ());
    for other in [other_serial, other_issuer] {
        assert_eq!(prove(&other), RelatedError::OtherCertificate);
    }
    // The same name and number, and another key.
    let other_key = ca.certify(&key(&signer(Suite::EcdsaP256)), |_| ());
    assert_eq!(
        prove(&other_key),
        RelatedError::Signature {
            key: "ecdsa-p256".to_owned()
        }
    );
    // The same name and number, and no classical leaf.
    let ml_dsa = ca.certify(&key(&signer(Suite::MlDsa44)), |_| ());
    assert_eq!(prove(&ml_dsa), RelatedError::NotClassical(Form::MlDsa));
    let link = RelatedCertificate::to(&first).to_der();
    let paired = ca.certify(&key(&first_signer), |draft| {
        draft.set_raw(RelatedCertificate::oid(), false, &link);
    });
    assert_eq!(prove(&paired), RelatedError::NotClassical(Form::Paired));
    let authority = ca.intermediate(Suite::EcdsaP256, |draft| draft.serial = vec![0x2a]);
    assert_eq!(prove(&authority.certificate), RelatedError::Authority);

    // None of these is asked for to begin with.
    let asker = signer(Suite::MlDsa44);
    for (certificate, of) in [
        (&first, &signer(Suite::EcdsaP256)),
        (&authority.certificate, &authority.signer),
        (&paired, &first_signer),
    ] {
        let built = CsrBuilder::new(&asker).related_to(certificate, of, now()).build();
        assert!(matches!(built, Err(CsrBuildError::Related(_))));
    }
}

#[test]
fn wrong_requests_to_be_paired_are_refused() {
    let (_, first, first_signer) = first();
    let (second, csr) = second(&first, &first_signer, now());
    let value = {
        let pieces = Pieces::of(&csr);
        let attribute = &pieces.attributes[pieces.position(REQUEST)];
        content(&elements(&content(attribute))[1])
    };
    let fields = elements(&content(&value));
    let with = |values: &[&[u8]]| {
        let mut pieces = Pieces::of(&csr);
        pieces.set(REQUEST, values);
        Csr::from_der(&pieces.sign(&second))
    };
    let changed = |change: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let mut fields = fields.clone();
        change(&mut fields);
        with(&[&whole(0x30, &[&fields.concat()])])
    };
    with(&[&value]).unwrap();

    // Twice, with two values, with none, with something else, cut, with more after it.
    let oid = REQUEST;
    for values in [&[&value[..], &value][..], &[]] {
        assert_eq!(with(values).unwrap_err(), CsrError::Attribute { oid });
    }
    let ia5 = |text: &str| whole(0x16, &[text.as_bytes()]);
    let many = ia5("spiffe://example.org/x").repeat(MAX_LOCATIONS + 1);
    let nine_bytes = whole(0x02, &[&[1; 9]]);
    let far_away = whole(0x02, &[&[0x7f; 8]]);
    type Change<'a> = &'a dyn Fn(&mut Vec<Vec<u8>>);
    let malformed: [(&str, Change<'_>); 13] = [
        ("no id", &|fields| drop(fields.remove(0))),
        ("no time", &|fields| drop(fields.remove(1))),
        ("no location", &|fields| drop(fields.remove(2))),
        ("no signature", &|fields| drop(fields.remove(3))),
        ("in another order", &|fields| fields.swap(0, 2)),
        ("an empty list of locations", &|fields| fields[2] = vec![0x30, 0]),
        ("too many locations", &|fields| fields[2] = whole(0x30, &[&many])),
        ("a location in UTF-8", &|fields| {
            fields[2] = whole(0x30, &[&whole(0x0c, &[b"spiffe://x"])]);
        }),
        ("a time before 1970", &|fields| fields[1] = vec![2, 1, 0xff]),
        ("a time with too many digits", &|fields| {
            fields[1].clone_from(&nine_bytes);
        }),
        ("a time not in DER", &|fields| fields[1] = vec![2, 2, 0, 1]),
        ("an id with a byte more", &|fields| {
            let id = content(&fields[0]);
            fields[0] = whole(0x30, &[&id, &[5, 0]]);
        }),
        ("a field more", &|fields| fields.push(vec![5, 0])),
    ];
    for (what, change) in malformed {
        let error = changed(change).unwrap_err();
        assert!(matches!(error, CsrError::RelatedRequest(_)), "{what}: {error}");
    }
    for value in [
        &[5, 0][..],
        &value[..value.len() - 1],
        &[&value[..], &[0]].concat(),
    ] {
        assert!(with(&[value]).is_err());
    }

    // Well formed, and not proven: every field that counts is under the signature.
    let prove = |change: Change<'_>| {
        let csr = changed(change).unwrap();
        let request = csr.related_request().unwrap();
        request.prove(&first, now()).unwrap_err()
    };
    let rejected = RelatedError::Signature {
        key: "ecdsa-p256".to_owned(),
    };
    let later = {
        let seconds = now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() + 1;
        whole(0x02, &[&u32::try_from(seconds).unwrap().to_be_bytes()])
    };
    let sealed = |message: &[u8]| bit_string(&first_signer.sign(message).unwrap());
    let wrapped = sealed(&whole(0x30, &[&fields[0], &fields[1]]));
    assert_eq!(prove(&|fields| fields[1].clone_from(&later)), rejected);
    // Signed as a SEQUENCE, which is not what the standard says.
    assert_eq!(prove(&|fields| fields[3].clone_from(&wrapped)), rejected);
    assert_eq!(prove(&|fields| fields[3] = bit_string(&[])), rejected);
    let own = bit_string(&second.sign(&[&fields[0][..], &fields[1]].concat()).unwrap());
    assert_eq!(prove(&|fields| fields[3].clone_from(&own)), rejected);
    assert!(matches!(
        prove(&|fields| fields[1].clone_from(&far_away)),
        RelatedError::NotFresh { .. }
    ));
    // What is written into the locations is nobody's business.
    let csr =
        changed(&|fields| fields[2] = whole(0x30, &[&ia5("http://169.254.169.254/"), &ia5("")])).unwrap();
    let request = csr.related_request().unwrap();
    assert_eq!(request.locations(), ["http://169.254.169.254/", ""]);
    request.prove(&first, now()).unwrap();
}

#[test]
fn stock_keys_prove_with_any_of_their_algorithms() {
    // The attribute does not say how it was signed: RSA-PSS with SHA-384, as stock software may do.
    let (ca, _, _) = first();
    let pair = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
    let public = aws_lc_rs::signature::KeyPair::public_key(&pair);
    let public = symbolon_crypto::rsa::RsaPublicKey::parse(public.as_ref()).unwrap();
    let first = ca.certify(&SubjectKey::Rsa(public), |_| ());
    let id = whole(0x30, &[first.issuer_der(), &whole(0x02, &[first.serial()])]);
    let seconds = u32::try_from(now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()).unwrap();
    let time = whole(0x02, &[&seconds.to_be_bytes()]);
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(
        &aws_lc_rs::signature::RSA_PSS_SHA384,
        &aws_lc_rs::rand::SystemRandom::new(),
        &[&id[..], &time].concat(),
        &mut signature,
    )
    .unwrap();
    let location = whole(0x30, &[&whole(0x16, &[b"https://example.org/a.cer"])]);
    let value = whole(0x30, &[&id, &time, &location, &bit_string(&signature)]);

    let second = signer(Suite::MlDsa44);
    let mut pieces = Pieces::of(&CsrBuilder::new(&second).build().unwrap());
    pieces.attributes.push(attribute(REQUEST, &[&value]));
    let csr = Csr::from_der(&pieces.sign(&second)).unwrap();
    csr.related_request().unwrap().prove(&first, now()).unwrap();
}

#[test]
fn two_forms_at_once_are_refused() {
    let (_, first, first_signer) = first();
    let (native, alternative) = (signer(Suite::EcdsaP256), signer(Suite::MlDsa44));
    let csr = CsrBuilder::new(&native)
        .alternative(&alternative)
        .related_to(&first, &first_signer, now())
        .build();
    assert_eq!(Csr::from_der(&csr.unwrap()).unwrap_err(), CsrError::TwoForms);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_moment_reads_back(seconds in 0_u64..253_402_300_799) {
        let (_, first, first_signer) = first();
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let (_, csr) = second(&first, &first_signer, at);
        let csr = Csr::from_der(&csr).unwrap();
        prop_assert_eq!(csr.related_request().unwrap().requested_at(), at);
        prop_assert_eq!(
            csr.related_request().unwrap().prove(&first, now()).is_ok(),
            at <= now() + MAX_REQUEST_AHEAD && at + MAX_REQUEST_AGE >= now()
        );
    }

    #[test]
    fn no_changed_byte_is_believed(position in any::<proptest::sample::Index>(), bit in 0_u8..8) {
        use std::sync::LazyLock;
        static REQUESTS: LazyLock<[Vec<u8>; 2]> = LazyLock::new(|| {
            let (_, first, first_signer) = first();
            let native = signer(Suite::EcdsaP256);
            let alternative = signer(Suite::MlDsa44);
            let catalyst = CsrBuilder::new(&native).alternative(&alternative).build().unwrap();
            [catalyst, second(&first, &first_signer, now() - HOUR).1]
        });
        for request in &*REQUESTS {
            let mut changed = request.clone();
            changed[position.index(request.len())] ^= 1 << bit;
            prop_assert!(Csr::from_der(&changed).is_err());
        }
    }
}
