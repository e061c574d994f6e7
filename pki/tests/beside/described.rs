//! How descriptions name what stands beside a key, and say whether it holds.

use serde_json::Value;
use symbolon_pki::catalyst::ALTERNATIVE_SIGNATURE;
use symbolon_pki::certificate::Certificate;
use symbolon_pki::csr::CsrBuilder;
use symbolon_pki::describe::{Description, describe};
use symbolon_pki::related::RelatedCertificate;
use symbolon_pki::suite::Suite;

use crate::support::{Ca, now, signer, subject_key};
use crate::{Catalyst, change};

fn told(certificates: &[&Certificate]) -> (Vec<Description>, Value) {
    let input: Vec<u8> = certificates.iter().flat_map(|one| one.der().to_vec()).collect();
    let told = describe(&input, now()).unwrap();
    let json = serde_json::to_value(&told).unwrap();
    (told, json)
}

#[test]
fn a_catalyst_chain_is_told_with_its_alternative_signatures_checked() {
    let root = Catalyst::root();
    let leaf = root.leaf(|_| (), |_| ());
    let (described, json) = told(&[&leaf, root.certificate()]);
    let svid = &json[0];
    assert_eq!(svid["kind"], "x509-svid");
    assert_eq!(svid["form"], "catalyst");
    assert_eq!(svid["problems"], serde_json::json!([]));
    let alternative = &svid["chain"][0]["alternative"];
    assert_eq!(alternative["public_key"]["algorithm"]["name"], "ml-dsa-44");
    assert_eq!(alternative["signature"]["bytes"], 2420);
    assert_eq!(
        alternative["signature"]["check"],
        "it verifies with the alternative key of certificate 2 of the input"
    );
    assert_eq!(
        svid["chain"][1]["alternative"]["signature"]["check"],
        "it verifies with the certificate's own alternative key"
    );
    let text = described[0].to_string();
    for line in [
        "alternative key: ",
        "alternative signature: ",
        "subjectAltPublicKeyInfo (catalyst: a second, alternative key)",
    ] {
        assert!(text.contains(line), "{line:?} in {text}");
    }

    // Alone, nobody can tell.
    let (_, json) = told(&[&leaf]);
    assert!(json[0]["alternative"]["signature"].get("check").is_none());
    // Broken, it is a problem of the whole.
    let broken = root.leaf(
        |_| (),
        |draft| change(draft, ALTERNATIVE_SIGNATURE, |content| content[100] ^= 1),
    );
    let (described, _) = told(&[&broken, root.certificate()]);
    let problems = described[0].problems();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(
        problems[0].starts_with(
            "the alternative signature: it does not verify with the alternative key of certificate 2 of the input"
        ),
        "{problems:?}"
    );
}

#[test]
fn a_second_certificate_is_told_with_the_first_if_it_is_there() {
    let (classical, ml_dsa) = (Ca::root(Suite::EcdsaP256), Ca::root(Suite::MlDsa44));
    let first = classical.leaf(Suite::EcdsaP256, |_| ());
    let link = RelatedCertificate::to(&first);
    let second = ml_dsa.leaf(Suite::MlDsa44, |draft| {
        draft.set_raw(RelatedCertificate::oid(), false, &link.to_der());
    });
    let (described, json) = told(&[&second, &first]);
    let related = &json[0]["chain"][0]["related"];
    assert_eq!(json[0]["form"], "paired");
    assert_eq!(related["hash"], "SHA-256");
    assert_eq!(related["value"], hex::encode(link.hash_value()));
    assert_eq!(related["found"], "certificate 2 of the input");
    assert!(
        described[0]
            .to_string()
            .contains("paired with: certificate 2 of the input")
    );

    let (described, json) = told(&[&second]);
    assert!(json[0]["related"].get("found").is_none());
    assert!(
        described[0]
            .to_string()
            .contains("paired with: no certificate of the input")
    );
}

#[test]
fn requests_are_told_with_what_they_ask_for_beside_their_key() {
    let (native, alternative) = (signer(Suite::EcdsaP256), signer(Suite::MlDsa44));
    let catalyst = CsrBuilder::new(&native)
        .alternative(&alternative)
        .build()
        .unwrap();
    let json = serde_json::to_value(describe(&catalyst, now()).unwrap()).unwrap();
    assert_eq!(json[0]["public_key"]["form"], "catalyst");
    assert_eq!(json[0]["alternative_key"]["algorithm"]["name"], "ml-dsa-44");
    assert_eq!(json[0]["signature"]["check"], "the proof of possession is good");

    let first_signer = signer(Suite::EcdsaP256);
    let first = Ca::root(Suite::EcdsaP256).certify(&subject_key(&first_signer), |_| ());
    let paired = CsrBuilder::new(&alternative)
        .related_to(&first, &first_signer, now())
        .build()
        .unwrap();
    let described = describe(&paired, now()).unwrap();
    let json = serde_json::to_value(&described).unwrap();
    assert_eq!(json[0]["public_key"]["form"], "paired");
    assert_eq!(json[0]["related_serial"], "2a");
    assert!(
        described[0]
            .to_string()
            .contains("to be paired with: the certificate with serial 2a")
    );
}
