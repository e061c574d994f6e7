//! Requests with an alternative key, or with a certificate to be paired with.

mod paired;

use const_oid::ObjectIdentifier;
use der::asn1::AnyRef;
use der::{Decode, Reader, SliceReader};
use symbolon_pki::catalyst::{CatalystError, Part};
use symbolon_pki::csr::{Csr, CsrBuilder, CsrError};
use symbolon_pki::encode::whole;
use symbolon_pki::key::{Half, SubjectKey, SuiteSigner};
use symbolon_pki::signature::VerificationError;
use symbolon_pki::suite::{Form, Suite};

use crate::bit_string;
use crate::support::{signer, subject_key};

/// A request taken to pieces, which can be changed and signed again.
struct Pieces {
    /// Version, subject and key.
    before: Vec<Vec<u8>>,
    attributes: Vec<Vec<u8>>,
}

fn elements(content: &[u8]) -> Vec<Vec<u8>> {
    let mut reader = SliceReader::new(content).unwrap();
    let mut elements = Vec::new();
    while !reader.is_finished() {
        elements.push(reader.tlv_bytes().unwrap().to_vec());
    }
    elements
}

fn content(der: &[u8]) -> Vec<u8> {
    AnyRef::from_der(der).unwrap().value().to_vec()
}

impl Pieces {
    fn of(csr: &[u8]) -> Self {
        let mut before = elements(&content(&elements(&content(csr))[0]));
        let attributes = elements(&content(&before.pop().unwrap()));
        Self { before, attributes }
    }

    fn info(&self) -> Vec<u8> {
        let attributes = whole(0xa0, &[&self.attributes.concat()]);
        whole(0x30, &[&self.before.concat(), &attributes])
    }

    fn sign(&self, native: &SuiteSigner) -> Vec<u8> {
        let info = self.info();
        let signature = bit_string(&native.sign(&info).unwrap());
        let algorithm = native.suite().signature_algorithm_der();
        whole(0x30, &[&info, algorithm, &signature])
    }

    fn position(&self, oid: ObjectIdentifier) -> usize {
        let is = |attribute: &Vec<u8>| elements(&content(attribute))[0] == whole(0x06, &[oid.as_bytes()]);
        self.attributes.iter().position(is).unwrap()
    }

    fn remove(&mut self, oid: ObjectIdentifier) {
        self.attributes.remove(self.position(oid));
    }

    fn set(&mut self, oid: ObjectIdentifier, values: &[&[u8]]) {
        let position = self.position(oid);
        self.attributes[position] = attribute(oid, values);
    }
}

fn attribute(oid: ObjectIdentifier, values: &[&[u8]]) -> Vec<u8> {
    let oid = whole(0x06, &[oid.as_bytes()]);
    whole(0x30, &[&oid, &whole(0x31, values)])
}

fn key(signer: &SuiteSigner) -> SubjectKey {
    subject_key(signer)
}

#[test]
fn an_alternative_key_is_read_with_its_proof() {
    for (native, alternative) in [
        (Suite::EcdsaP256, Suite::MlDsa44),
        (Suite::EcdsaP384, Suite::MlDsa65),
        (Suite::EcdsaP256, Suite::MlDsa87),
        (Suite::Ed25519, Suite::MlDsa44EcdsaP256),
    ] {
        let (native, alternative) = (signer(native), signer(alternative));
        let id = spiffe::SpiffeId::new("spiffe://example.org/web").unwrap();
        let csr = CsrBuilder::new(&native)
            .spiffe_id(&id)
            .alternative(&alternative)
            .build();
        let csr = Csr::from_der(&csr.unwrap()).unwrap();
        assert_eq!(csr.form(), Form::Catalyst);
        assert_eq!(csr.key(), &key(&native));
        assert_eq!(csr.alternative_key(), Some(&key(&alternative)));
        assert_eq!(csr.spiffe_id().unwrap(), Some(id));
    }
}

#[test]
fn the_order_of_the_attributes_is_no_matter() {
    let (native, alternative) = (signer(Suite::EcdsaP256), signer(Suite::MlDsa44));
    let csr = CsrBuilder::new(&native)
        .alternative(&alternative)
        .build()
        .unwrap();
    let mut pieces = Pieces::of(&csr);
    assert_eq!(pieces.sign(&native).len() / 100, csr.len() / 100);
    pieces.attributes.reverse();
    Csr::from_der(&pieces.sign(&native)).unwrap();
}

#[test]
fn what_is_not_understood_is_der_all_the_same() {
    let native = signer(Suite::EcdsaP256);
    let mut pieces = Pieces::of(&CsrBuilder::new(&native).build().unwrap());
    let unknown = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.7");
    pieces.attributes.push(attribute(unknown, &[&[0x13, 1, b'a']]));
    Csr::from_der(&pieces.sign(&native)).unwrap();
    // A length of 61 octets, of which there are two.
    pieces.attributes.pop();
    pieces.attributes.push(attribute(unknown, &[&[0x30, 0xbd, 0, 0]]));
    let refused = Csr::from_der(&pieces.sign(&native));
    assert!(matches!(refused, Err(CsrError::Malformed(_))), "{refused:?}");
}

#[test]
fn wrong_alternative_keys_are_refused() {
    let (native, alternative) = (signer(Suite::EcdsaP256), signer(Suite::MlDsa44));
    let csr = CsrBuilder::new(&native)
        .alternative(&alternative)
        .build()
        .unwrap();
    let refused = |change: &dyn Fn(&mut Pieces)| {
        let mut pieces = Pieces::of(&csr);
        change(&mut pieces);
        Csr::from_der(&pieces.sign(&native)).unwrap_err()
    };
    let part = |part: Part| part.oid();

    for left_out in Part::ALL {
        assert_eq!(
            refused(&|pieces| pieces.remove(part(left_out))),
            CsrError::Alternative(CatalystError::Missing(left_out))
        );
        // Twice, with two values, with none.
        let oid = part(left_out);
        let twice = |pieces: &mut Pieces| {
            let same = pieces.attributes[pieces.position(oid)].clone();
            pieces.attributes.push(same);
        };
        assert_eq!(refused(&twice), CsrError::Attribute { oid });
        for values in [&[&[5, 0][..], &[5, 0]][..], &[]] {
            let error = refused(&|pieces| pieces.set(oid, values));
            assert_eq!(error, CsrError::Attribute { oid });
        }
        // Something else in its place.
        let error = refused(&|pieces| pieces.set(oid, &[&[5, 0]]));
        assert!(
            matches!(&error, CsrError::AlternativePart { name, .. } if *name == left_out.name()),
            "{error}"
        );
    }

    // The proof of another key, over another request, or with a flipped bit.
    let proof = |signature: &[u8]| {
        let bits = bit_string(signature);
        refused(&|pieces| pieces.set(part(Part::Signature), &[&bits]))
    };
    let other = CsrBuilder::new(&signer(Suite::EcdsaP256))
        .alternative(&alternative)
        .build()
        .unwrap();
    let taken = {
        let pieces = Pieces::of(&other);
        let attribute = &pieces.attributes[pieces.position(part(Part::Signature))];
        content(&content(&elements(&content(attribute))[1]))[1..].to_vec()
    };
    let good = {
        let pieces = Pieces::of(&csr);
        let attribute = &pieces.attributes[pieces.position(part(Part::Signature))];
        content(&content(&elements(&content(attribute))[1]))[1..].to_vec()
    };
    let mut flipped = good.clone();
    flipped[1000] ^= 1;
    for signature in [&taken[..], &flipped, &good[1..], &[]] {
        let error = proof(signature);
        assert!(
            matches!(
                error,
                CsrError::Alternative(CatalystError::Signature(VerificationError::Signature(_)))
            ),
            "{error}"
        );
        assert_eq!(error.half(), Some(Half::PostQuantum));
    }

    // Another key than the one that signed; a classical one; one of an unknown kind; another algorithm.
    let set_key = |spki: Vec<u8>| refused(&|pieces| pieces.set(part(Part::Key), &[&spki]));
    let spki = |suite| signer(suite).public_key().spki_der();
    assert!(matches!(
        set_key(spki(Suite::MlDsa44)),
        CsrError::Alternative(CatalystError::Signature(_))
    ));
    assert_eq!(
        set_key(spki(Suite::EcdsaP256)),
        CsrError::Alternative(CatalystError::NotPostQuantum("ecdsa-p256".to_owned()))
    );
    let unknown = whole(
        0x30,
        &[&whole(0x30, &[&[6, 3, 0x2a, 3, 4]]), &bit_string(&[7; 32])],
    );
    assert!(matches!(
        set_key(unknown),
        CsrError::Alternative(CatalystError::Key(_))
    ));
    let error = refused(&|pieces| {
        pieces.set(part(Part::Algorithm), &[Suite::MlDsa65.signature_algorithm_der()]);
    });
    assert!(
        matches!(
            error,
            CsrError::Alternative(CatalystError::Signature(VerificationError::WrongKey { .. }))
        ),
        "{error}"
    );
    // The native proof is over everything, the alternative one included.
    let mut pieces = Pieces::of(&csr);
    let signed = pieces.sign(&native);
    pieces.remove(part(Part::Signature));
    let swapped = pieces.sign(&signer(Suite::EcdsaP256));
    for wrong in [&swapped[..], &signed[..signed.len() - 1]] {
        assert!(Csr::from_der(wrong).is_err());
    }
}

#[test]
fn one_key_for_both_is_refused() {
    for suite in [Suite::MlDsa44, Suite::MlDsa44EcdsaP256] {
        let native = signer(suite);
        let same = SuiteSigner::new(Suite::MlDsa44, vec![native.keys()[0].clone()]).unwrap();
        let csr = CsrBuilder::new(&native).alternative(&same).build().unwrap();
        let error = Csr::from_der(&csr).unwrap_err();
        assert_eq!(error, CsrError::Alternative(CatalystError::SharedKey));
        assert_eq!(error.half(), Some(Half::Both));
    }
}
