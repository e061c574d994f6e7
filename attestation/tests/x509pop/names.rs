//! Who a node is: names, selectors, and certificates that are one.

use crate::*;

#[tokio::test]
async fn names_and_selectors_are_those_of_spire() {
    let key = KeyPair::generate().unwrap();
    let (node, trust, above) = foreign(&key);
    let sha1 =
        |certificate: &Certificate| hex::encode(symbolon_crypto::digest::sha1_for_names(certificate.der()));
    let attested = Method::new(node.clone(), trust.clone(), DEFAULT_TEMPLATE)
        .attest()
        .await
        .unwrap();
    let leaf = sha1(&node.chain[0]);
    assert_eq!(
        attested.agent_id.to_string(),
        format!("spiffe://example.org/spire/agent/x509pop/{leaf}")
    );
    assert!(attested.can_reattest);
    let mut expected: Vec<String> = above
        .iter()
        .map(|one| format!("ca:fingerprint:{}", sha1(one)))
        .collect();
    expected.extend(["subject:cn:node 7", "serialnumber:0a1b2c", "san:env:last/one"].map(str::to_owned));
    let expected = expected.into_iter().map(|value| ("x509pop".to_owned(), value));
    assert_eq!(attested.selectors, expected.collect());

    for (template, path) in [
        ("/x509pop/n/{{ .SerialNumberHex }}", "n/0a1b2c"),
        ("/x509pop/{{.URISanSelectors.env}}", "last/one"),
    ] {
        let attested = Method::new(node.clone(), trust.clone(), template)
            .attest()
            .await
            .unwrap();
        assert_eq!(attested.agent_id.path(), format!("/spire/agent/x509pop/{path}"));
    }
    // A space is no part of a path, and there is no such URI.
    for template in [
        "/x509pop/{{ .Subject.CommonName }}",
        "/x509pop/{{ .URISanSelectors.none }}",
    ] {
        let error = Method::new(node.clone(), trust.clone(), template)
            .attest()
            .await
            .unwrap_err();
        assert!(matches!(error, AttestationError::Denied(_)), "{error}");
    }
}

#[tokio::test]
async fn an_svid_is_exchanged_for_an_agents() {
    for suite in [Suite::EcdsaP256, Suite::MlDsa65EcdsaP256] {
        let (node, authority) = issued(suite, "spiffe://example.org/spire-exchange/rack/7");
        let method = Method::new(node, own_trust(authority), DEFAULT_SPIFFE_TEMPLATE);
        conformance::run(&method).await.unwrap();
        let attested = method.attest().await.unwrap();
        assert_eq!(attested.agent_id.path(), "/spire/agent/x509pop/rack/7");
    }
    for id in [
        "spiffe://example.org/spire-exchanged",
        "spiffe://example.org/web/spire-exchange/a",
    ] {
        let (node, authority) = issued(Suite::EcdsaP256, id);
        let error = Method::new(node, own_trust(authority), DEFAULT_SPIFFE_TEMPLATE)
            .attest()
            .await
            .unwrap_err();
        assert!(
            error.to_string().contains("does not begin with /spire-exchange/"),
            "{error}"
        );
    }
}

/// A certificate that a P-256 key signed, with the signature's second number less the order of the curve.
fn written_otherwise(certificate: &Certificate) -> Certificate {
    const ORDER: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
    let element = |tag: u8, content: &[u8]| {
        let mut out = Vec::new();
        symbolon_pki::encode::element(&mut out, tag, content);
        out
    };
    let number = |bytes: &[u8]| {
        let start = bytes.iter().position(|byte| *byte != 0).unwrap();
        let sign = if bytes[start] & 0x80 == 0 {
            &[][..]
        } else {
            &[0_u8][..]
        };
        element(0x02, &[sign, &bytes[start..]].concat())
    };
    let signature = certificate.signature();
    let (r, s) = signature[2..].split_at(2 + usize::from(signature[3]));
    let s = &s[2..];
    let mut other = hex::decode(ORDER).unwrap();
    let padded = [vec![0; 40 - s.len()], s.to_vec()].concat();
    let mut borrow = 0;
    for (digit, less) in other.iter_mut().zip(&padded[8..]).rev() {
        let difference = i16::from(*digit) - i16::from(*less) - borrow;
        borrow = i16::from(difference < 0);
        *digit = u8::try_from(difference.rem_euclid(256)).unwrap();
    }
    let signature = element(0x30, &[r, &number(&other)].concat());
    let parts = [
        certificate.tbs_der(),
        // ecdsa-with-SHA256
        &element(0x30, &hex::decode("06082a8648ce3d040302").unwrap()),
        &element(0x03, &[&[0_u8][..], &signature[..]].concat()),
    ];
    pki::read(&element(0x30, &parts.concat()))
}

#[tokio::test]
async fn a_certificate_that_is_written_otherwise_is_known_to_be_the_same() {
    let (node, trust, _) = foreign(&KeyPair::generate().unwrap());
    let mut other = node.clone();
    other.chain[0] = written_otherwise(&node.chain[0]);
    let attest = async |node: Node| {
        let method = Method::new(node, trust.clone(), DEFAULT_TEMPLATE);
        method.attest().await.unwrap()
    };
    let (one, two) = (attest(node.clone()).await, attest(other).await);
    // SPIRE names agents by the certificate's bytes.
    assert_ne!(one.agent_id, two.agent_id);
    assert_eq!(one.siblings, [two.agent_id]);
    assert_eq!(two.siblings, [one.agent_id]);
    let by_serial = Method::new(node, trust, "/x509pop/{{ .SerialNumberHex }}");
    assert!(by_serial.attest().await.unwrap().siblings.is_empty());
}

#[tokio::test]
async fn an_svid_under_a_tainted_authority_is_not_exchanged() {
    let (node, mut authority) = issued(Suite::EcdsaP256, "spiffe://example.org/spire-exchange/rack/7");
    authority.tainted = true;
    let method = Method::new(node, own_trust(authority), DEFAULT_SPIFFE_TEMPLATE);
    let error = method.attest().await.unwrap_err();
    assert!(
        matches!(&error, AttestationError::Denied(reason) if reason.contains("tainted")),
        "{error}"
    );
}
