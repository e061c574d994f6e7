//! What is answered, and by whom.

use crate::*;

/// Answers each challenge by what a function makes of it.
struct Answering<F>(F);

#[async_trait]
impl<F: Fn(Value) -> Value + Send> Challenger for Answering<F> {
    fn occasion(&self) -> Occasion {
        occasion()
    }

    async fn challenge(&mut self, challenge: Vec<u8>) -> Result<Vec<u8>, AttestationError> {
        let challenge: Value = serde_json::from_slice(&challenge).unwrap();
        Ok(serde_json::to_vec(&(self.0)(challenge)).unwrap())
    }
}

#[tokio::test]
async fn answers_that_prove_nothing_are_refused() {
    use base64::Engine as _;
    let base64 = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    let key = KeyPair::generate().unwrap();
    let (node, trust, _) = foreign(&key);
    let method = Method::new(node.clone(), trust, DEFAULT_TEMPLATE);
    let payload = payload(&node.chain);
    let (n, one) = (base64(&[7; 32]), base64(&[1]));
    for answer in [
        json!({}),
        json!(null),
        json!({"ecdsa_signature": null}),
        json!({"ecdsa_signature": {"nonce": n, "r": one}}),
        json!({"ecdsa_signature": {"nonce": n, "r": one, "s": one}}),
        json!({"ecdsa_signature": {"nonce": n, "r": "", "s": ""}}),
        json!({"ecdsa_signature": {"nonce": n, "r": base64(&[0xff; 67]), "s": one}}),
        json!({"ecdsa_signature": {"nonce": base64(&[7; 31]), "r": one, "s": one}}),
        json!({"ecdsa_signature": {"nonce": base64(&[7; 33]), "r": one, "s": one}}),
        json!({"rsa_signature": {"nonce": n, "signature": n}}),
        json!({"symbolon_signature": {"nonce": n, "signature": n}}),
    ] {
        let mut node = Answering(|challenge: Value| {
            assert!(challenge["rsa_signature"].is_null(), "{challenge}");
            assert!(challenge.get("symbolon_signature").is_none(), "{challenge}");
            answer.clone()
        });
        let error = method
            .verifier
            .verify(&payload, &mut node, now())
            .await
            .unwrap_err();
        assert!(
            matches!(
                error,
                AttestationError::Malformed {
                    field: "challenge_response",
                    ..
                } | AttestationError::Denied(_)
            ),
            "{answer}: {error}"
        );
    }
}

#[tokio::test]
async fn a_prover_signs_nothing_but_what_the_method_asks() {
    let key = KeyPair::generate().unwrap();
    let (node, ..) = foreign(&key);
    let (hybrid, _) = issued(Suite::MlDsa65, "spiffe://example.org/n");
    for challenge in [
        &b"{}"[..],
        b"",
        b"{\"ecdsa_signature\":{\"nonce\":\"AAAA\"}}",
        b"{\"symbolon_signature\":{\"nonce\":\"AAAA\"}}",
        b"{\"rsa_signature\":{\"nonce\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"}}",
    ] {
        for node in [&node, &hybrid] {
            let answered = node.prover().respond(challenge).await;
            assert!(
                matches!(answered, Err(ProverError::Evidence { .. })),
                "{answered:?}"
            );
        }
    }
}

#[test]
fn a_key_is_its_certificates_or_of_no_use() {
    let key = KeyPair::generate().unwrap();
    let (node, ..) = foreign(&key);
    let other = NodeKey::from_pem(KeyPair::generate().unwrap().serialize_pem().as_bytes()).unwrap();
    let error = X509PopProver::new(trust_domain(), &node.chain, other)
        .unwrap_err()
        .to_string();
    assert!(error.contains("not the certificate's"), "{error}");
    let own = || NodeKey::from_pem(node.key.as_bytes()).unwrap();
    assert!(X509PopProver::new(trust_domain(), &[], own()).is_err());
    assert!(X509PopProver::new(trust_domain(), &vec![node.chain[0].clone(); 9], own()).is_err());
    let two = format!("{}{}", node.key, node.key);
    for wrong in [
        "",
        &two,
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    ] {
        assert!(NodeKey::from_pem(wrong.as_bytes()).is_err(), "{wrong}");
    }
    assert!(!format!("{:?}", own()).contains("MII"));
    assert_eq!(
        Evidence::parse(&payload(&node.chain))
            .unwrap()
            .certificates()
            .len(),
        2
    );
    assert!(!key.der_bytes().is_empty());
}
