//! Tokens of ES512 authorities, whose numbers of 521 bits fill no whole octets: from a bundle's document to the claims.

use serde_json::json;
use symbolon_pki::bundle::{BundleSet, TrustBundle};
use symbolon_pki::jwt::{JwtError, ecdsa_der_to_jose, verify_jwt_svid};

use crate::support::{bundle, now};
use crate::tokens::{authorities, claims, encode, jwt_authorities, token};

/// The bundle as it comes out of its own document.
fn from_document() -> BundleSet {
    let mut with = bundle(&[]);
    with.jwt_authorities = jwt_authorities();
    let document = with.to_jwks();
    assert!(document.contains("\"P-521\""), "{document}");
    let read = TrustBundle::from_jwks(&with.trust_domain, document.as_bytes()).unwrap();
    assert_eq!(read.jwt_authorities.len(), with.jwt_authorities.len());
    read.into()
}

fn es512() -> String {
    token(&json!({ "alg": "ES512", "kid": "p521" }), &claims(), "ES512")
}

#[test]
fn a_token_verifies_with_the_key_of_a_document() {
    let bundles = from_document();
    // Often enough that some signature's numbers begin with a zero octet, which JOSE writes.
    for _ in 0..16 {
        let svid = verify_jwt_svid(&es512(), "db", &bundles, now()).unwrap();
        assert_eq!(svid.key_id, "p521");
    }
}

#[test]
fn signatures_have_132_octets_and_no_other_form() {
    let bundles = from_document();
    let token = es512();
    let (signed, _) = token.rsplit_once('.').unwrap();
    let der = authorities().p521.sign(signed.as_bytes()).unwrap();
    let whole = ecdsa_der_to_jose(&der, 66).unwrap();
    assert_eq!(whole.len(), 132);
    let verify = |signature: &[u8]| {
        let token = format!("{signed}.{}", encode(signature));
        verify_jwt_svid(&token, "db", &bundles, now())
    };
    verify(&whole).unwrap();
    let (r, s) = whole.split_at(66);
    for wrong in [
        der.clone(),
        whole[..131].to_vec(),
        whole[1..].to_vec(),
        [s, r].concat(),
        [&whole[..], &[0]].concat(),
        [&[0][..], r, &[0], s].concat(),
        [&[0; 66], s].concat(),
        vec![0xff; 132],
    ] {
        assert_eq!(verify(&wrong).unwrap_err(), JwtError::Signature, "{wrong:02x?}");
    }
    // Shorter numbers do not fit the curve's length.
    assert_eq!(ecdsa_der_to_jose(&der, 48), None);
}
