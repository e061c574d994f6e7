//! What is refused for what it is.

use crate::*;

/// What a certificate's fault is answered, without a challenge.
async fn refusal(method: &Method, payload: &[u8]) -> AttestationError {
    method
        .verifier
        .verify(payload, &mut NeverAsked, now())
        .await
        .unwrap_err()
}

#[tokio::test]
async fn certificates_that_prove_nothing_are_refused_before_any_question() {
    let key = KeyPair::generate().unwrap();
    let (node, trust, [below, root]) = foreign(&key);
    let good = Method::new(node.clone(), trust.clone(), DEFAULT_TEMPLATE);
    let of = |chain: &[Certificate]| payload(chain);
    let ca = Ca::root("root");
    let signed = |params: CertificateParams| ca.sign(&params, &key);
    let elsewhere = Method::new(
        node.clone(),
        Trust::ExternalPki(vec![ca.authority()]),
        DEFAULT_TEMPLATE,
    );

    let mut old = node_params("n", &[]);
    old.not_after = rcgen::date_time_ymd(2026, 6, 1);
    let mut early = node_params("n", &[]);
    early.not_before = rcgen::date_time_ymd(2027, 6, 1);
    let mut for_ciphers = node_params("n", &[]);
    for_ciphers.key_usages = vec![KeyUsagePurpose::KeyEncipherment];
    let mut for_anything = node_params("n", &[]);
    for_anything.key_usages = Vec::new();
    let odd = node_params("n\u{7}", &[]);
    let many = vec![below.clone(); 5];
    for (method, payload, words) in [
        (&good, of(&node.chain[..1]), "no configured authority"),
        (&elsewhere, of(&node.chain), "issued it"),
        (&good, of(std::slice::from_ref(&below)), "not for signing"),
        (
            &good,
            of(&[&node.chain[..1], &many].concat()),
            "6 certificates; 5 are allowed",
        ),
        (&good, of(&[]), "it has no certificate"),
        (&elsewhere, of(&[signed(old)]), "expired"),
        (&elsewhere, of(&[signed(early)]), "not valid"),
        (&elsewhere, of(&[signed(for_ciphers)]), "digitalSignature"),
        (&elsewhere, of(&[signed(for_anything)]), "digitalSignature"),
        (&elsewhere, of(&[signed(odd)]), "control character"),
    ] {
        let error = refusal(method, &payload).await.to_string();
        assert!(error.contains(words), "{words}: {error}");
    }
    // The root itself is believed, and is not for signing.
    let error = refusal(&good, &payload(&[root])).await.to_string();
    assert!(error.contains("not for signing"), "{error}");
}

#[tokio::test]
async fn malformed_payloads_are_named_and_cost_no_challenge() {
    let key = KeyPair::generate().unwrap();
    let (node, trust, _) = foreign(&key);
    let method = Method::new(node, trust, DEFAULT_TEMPLATE);
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100));
    for bad in [
        &b""[..],
        b"null",
        b"[]",
        b"{}",
        b"{\"certificates\":{}}",
        b"{\"certificates\":[7]}",
        b"{\"certificates\":[\"!\"]}",
        b"{\"certificates\":[\"AAAA\"]}",
        b"{\"certificates\":[null]}",
        b"{\"certificates\":[],\"certificates\":[]}",
        b"{\"certificates\":[]} {}",
        deep.as_bytes(),
        &[b'a'; 200_000],
    ] {
        let error = refusal(&method, bad).await;
        assert!(
            matches!(&error, AttestationError::Malformed { field, .. } if *field == "params.data.payload"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn too_long_rsa_keys_are_refused() {
    let key = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let (node, trust, _) = foreign(&key);
    let mut config = X509PopConfig::new(trust_domain(), trust, path_template(DEFAULT_TEMPLATE).unwrap());
    config.max_rsa_bits = 2047;
    let method = Method::of(node.clone(), config);
    let error = refusal(&method, &payload(&node.chain)).await.to_string();
    assert!(error.contains("2048 bits; 2047 are allowed"), "{error}");
}

#[tokio::test]
async fn a_policy_refuses_classical_paths() {
    let key = KeyPair::generate().unwrap();
    let (classical, trust, _) = foreign(&key);
    let (hybrid, authority) = issued(Suite::MlDsa65EcdsaP256, "spiffe://example.org/n");
    for (node, trust, is_let_in) in [
        (classical, trust, false),
        (hybrid, Trust::ExternalPki(vec![authority]), true),
    ] {
        let mut config = X509PopConfig::new(trust_domain(), trust, path_template(DEFAULT_TEMPLATE).unwrap());
        config.policy = PathPolicy::HybridRequired;
        assert_eq!(Method::of(node, config).attest().await.is_ok(), is_let_in);
    }
}

/// A node that calls from somewhere.
struct From<'a>(&'a mut dyn Prover, Option<&'static str>);

#[async_trait]
impl Challenger for From<'_> {
    fn occasion(&self) -> Occasion {
        Occasion {
            address: self.1.map(|address| address.parse().unwrap()),
            ..occasion()
        }
    }

    async fn challenge(&mut self, challenge: Vec<u8>) -> Result<Vec<u8>, AttestationError> {
        Ok(self.0.respond(&challenge).await.unwrap())
    }
}

#[tokio::test]
async fn an_address_is_compared_with_the_certificate_where_that_is_wanted() {
    let root = Ca::root("root");
    let key = KeyPair::generate().unwrap();
    let mut params = node_params("node 7", URIS);
    for address in ["192.0.2.7", "2001:db8::7"] {
        let address = address.parse().unwrap();
        params.subject_alt_names.push(rcgen::SanType::IpAddress(address));
    }
    let node = |chain| Node {
        chain: vec![chain],
        key: key.serialize_pem(),
    };
    let with = node(root.sign(&params, &key));
    let without = node(root.sign(&node_params("node 7", URIS), &key));
    let trust = Trust::ExternalPki(vec![root.authority()]);
    for (node, address, is_let_in) in [
        (&with, Some("192.0.2.7"), true),
        (&with, Some("::ffff:192.0.2.7"), true),
        (&with, Some("2001:db8::7"), true),
        (&with, Some("192.0.2.8"), false),
        (&with, Some("2001:db8::8"), false),
        (&with, None, false),
        (&without, Some("192.0.2.7"), false),
    ] {
        for verify_client_ip in [true, false] {
            let verifier = X509PopVerifier::new(X509PopConfig {
                verify_client_ip,
                ..X509PopConfig::new(
                    trust_domain(),
                    trust.clone(),
                    path_template(DEFAULT_TEMPLATE).unwrap(),
                )
            });
            let mut prover = node.prover();
            let evidence = prover.evidence().await.unwrap();
            let outcome = verifier
                .verify(&evidence, &mut From(&mut prover, address), now())
                .await;
            match outcome {
                Ok(_) => assert!(is_let_in || !verify_client_ip, "{address:?}"),
                Err(AttestationError::Denied(reason)) => {
                    assert!(!is_let_in && verify_client_ip, "{address:?}: {reason}");
                }
                other => panic!("{address:?}: {other:?}"),
            }
        }
    }
}
