use super::*;
use crate::config::testing::{finds, stands};

#[test]
fn manifests() {
    let sample = include_str!("sample.yaml");
    finds(
        &Kubernetes,
        "sample.yaml",
        sample,
        include_str!("sample.yaml.outline"),
    );
    stands(&Kubernetes, "sample.yaml", sample, &[]);
}

#[test]
fn a_helm_template() {
    let sample = include_str!("helm.yaml");
    finds(
        &Kubernetes,
        "templates/ingress.yaml",
        sample,
        include_str!("templates_ingress.yaml.outline"),
    );
    stands(&Kubernetes, "templates/ingress.yaml", sample, &[]);
}

#[test]
fn a_secret_shows_its_certificate_and_not_its_key() {
    let made = rcgen::generate_simple_self_signed(["shop.example.org".to_owned()]).unwrap();
    let key = made.signing_key.serialize_pem();
    let manifest = format!(
        "apiVersion: v1\nkind: Secret\ntype: kubernetes.io/tls\nmetadata: {{name: shop-tls}}\ndata:\n  tls.crt: {}\n  tls.key: >-\n    {}\n  other: cGxhaW4=\n",
        STANDARD.encode(made.cert.pem()),
        STANDARD.encode(&key)
    );
    let found = crate::scan::conformance::show(&Kubernetes, "secret.yaml", manifest.as_bytes());
    let kinds: Vec<&str> = found.assets().iter().map(|asset| asset.detail.kind()).collect();
    for kind in ["certificate", "public-key", "private-key", "service"] {
        assert!(kinds.contains(&kind), "{kind} in {kinds:?}");
    }
    let line = |kind: &str| {
        let asset = found
            .assets()
            .iter()
            .find(|asset| asset.detail.kind() == kind)
            .unwrap();
        asset.evidence.iter().next().unwrap().line
    };
    assert_eq!((line("certificate"), line("private-key")), (Some(6), Some(8)));
    assert!(found.unread_entries().is_empty(), "{:?}", found.unread_entries());
    let body = key.lines().nth(1).unwrap();
    crate::scan::conformance::run(
        &Kubernetes,
        "secret.yaml",
        manifest.as_bytes(),
        &[key.as_bytes(), body.as_bytes(), &made.signing_key.serialize_der()],
    )
    .unwrap();
    let broken = manifest.replace("tls.crt: L", "tls.crt: ~");
    let found = crate::scan::conformance::show(&Kubernetes, "secret.yaml", broken.as_bytes());
    assert!(!found.unread_entries().is_empty());
}

#[test]
fn what_a_whole_mesh_speaks() {
    let sample = "apiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\nmetadata: {name: cp}\nspec:\n  \
        meshConfig:\n    meshMTLS:\n      minProtocolVersion: TLSV1_3\n    tlsDefaults:\n      \
        minProtocolVersion: TLSV1_2\n      ecdhCurves: [X25519MLKEM768, P-256]\n";
    finds(
        &Kubernetes,
        "operator.yaml",
        sample,
        "service Istio mesh cp @7 [] asks\nTLS 1.3 @7 {} groups[] schemes[]\n\
         service Istio mesh defaults outside of mutual TLS cp @9 []\nTLS 1.2 @9 {} groups[P-256] schemes[]\n\
         TLS 1.3 @9 {} groups[X25519MLKEM768 P-256] schemes[]",
    );
}

#[test]
fn a_policy_of_a_cloud_is_told_by_its_name() {
    let sample = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: shop\n  annotations:\n    \
        alb.ingress.kubernetes.io/ssl-policy: ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09\nspec: {}\n";
    let outline = crate::config::testing::outline(&Kubernetes, "ingress.yaml", sample);
    assert!(
        outline
            .iter()
            .any(|line| line.starts_with("service Kubernetes Ingress shop @")),
        "{outline:?}"
    );
    assert!(
        outline.contains(&"  policy=ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09".to_owned()),
        "{outline:?}"
    );
}
