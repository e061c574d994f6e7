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

#[test]
fn a_load_balancer_of_a_cloud_is_told_with_its_ports() {
    let sample = "apiVersion: v1\nkind: Service\nmetadata:\n  name: shop\n  annotations:\n    \
        service.beta.kubernetes.io/aws-load-balancer-ssl-cert: arn:aws:acm:eu-west-1:1:certificate/x\n    \
        service.beta.kubernetes.io/aws-load-balancer-ssl-negotiation-policy: ELBSecurityPolicy-TLS13-1-3-2021-06\n    \
        service.beta.kubernetes.io/aws-load-balancer-ssl-ports: \"https, 9443\"\nspec:\n  type: LoadBalancer\n  \
        ports:\n  - {name: http, port: 80}\n  - {name: https, port: 443}\n  - {name: other, port: 9443}\n";
    finds(
        &Kubernetes,
        "service.yaml",
        sample,
        "service Kubernetes load balancer shop @1 [tls://*:443 tls://*:9443]\n  \
         annotation=service.beta.kubernetes.io/aws-load-balancer-ssl-cert: arn:aws:acm:eu-west-1:1:certificate/x\n  \
         policy=ELBSecurityPolicy-TLS13-1-3-2021-06\nTLS @1 {} groups[] schemes[]",
    );
    stands(&Kubernetes, "service.yaml", sample, &[]);
    let plain = sample.replace("aws-load-balancer-ssl-", "aws-load-balancer-x-");
    finds(&Kubernetes, "service.yaml", &plain, "");
}

#[test]
fn files_in_a_config_map_are_read_by_those_who_know_them() {
    let sample = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\ndata:\n  mesh: |-\n    \
        tlsDefaults:\n      minProtocolVersion: TLSV1_3\n  readme.txt: ssl_protocols TLSv1;\n  nginx.conf: |\n\n    \
        server {\n      listen 443 ssl;\n      server_name a.example.org;\n      ssl_protocols TLSv1.2;\n    }\n  \
        haproxy.cfg: \"frontend in\\n  bind :8443 ssl crt a.pem\\n\"\n";
    finds(
        &Kubernetes,
        "configmap.yaml",
        sample,
        "service Istio mesh defaults outside of mutual TLS istio-system/istio @7 []\nTLS 1.3 @7 {} groups[] schemes[]\n\
         service nginx server a.example.org @11 [tls://a.example.org:443]\nTLS 1.2 @14 {} groups[] schemes[]\n\
         service HAProxy bind in :8443 @16 [tls://*:8443]\n  certificate-file=a.pem\nTLS @16 {} groups[] schemes[]",
    );
    stands(&Kubernetes, "configmap.yaml", sample, &[]);
}

#[test]
fn the_gateway_api_asks_clients_and_speaks_to_servers() {
    let sample = "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: g}\nspec:\n  tls:\n    \
        frontend:\n      default: {validation: {caCertificateRefs: [{name: roots}]}}\n      perPort:\n      - port: 8443\n        \
        tls: {validation: {mode: AllowInsecureFallback, caCertificateRefs: [{name: others}]}}\n  listeners:\n  \
        - name: a\n    port: 443\n    tls:\n      options:\n        \
        gateway.istio.io/tls-cipher-suites: ECDHE-ECDSA-AES128-GCM-SHA256, ECDHE-RSA-AES128-GCM-SHA256\n  - name: b\n    \
        port: 8443\n    tls: {certificateRefs: [{name: b-tls}]}\n---\napiVersion: gateway.networking.k8s.io/v1\n\
        kind: BackendTLSPolicy\nmetadata: {name: p}\nspec:\n  targetRefs: [{kind: Service, name: db}]\n  \
        validation: {hostname: db.example.org, wellKnownCACertificates: System}\n";
    finds(
        &Kubernetes,
        "gateway.yaml",
        sample,
        "service Kubernetes Gateway g a @7 [tls://*:443] asks\n  \
         cipher-string=ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256\n  \
         option=gateway.istio.io/tls-cipher-suites: ECDHE-ECDSA-AES128-GCM-SHA256, ECDHE-RSA-AES128-GCM-SHA256\n  \
         trust-secret=roots\n\
         TLS @12 {ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 ECDHE_RSA_WITH_AES_128_GCM_SHA256} groups[] schemes[]\n\
         service Kubernetes Gateway g b @10 [tls://*:8443] does-not-ask\n  certificate-secret=b-tls\n  \
         trust-secret=others\nTLS @17 {} groups[] schemes[]\n\
         service Kubernetes backend p @21 []\n  connects-to=db\n  server-name=db.example.org\n  trust-secret=System\n  \
         verifies-server=yes\nTLS @21 {} groups[] schemes[]",
    );
    stands(&Kubernetes, "gateway.yaml", sample, &[]);
}

#[test]
fn a_template_that_hides_nothing_is_no_gap() {
    let sample = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: x\n  labels:\n    istio.io/rev: y\n    \
        {{- include \"labels\" . | nindent 4 }}\n  annotations:\n    {{ $key }}: x\n";
    finds(&Kubernetes, "deployment.yaml", sample, "");
}

#[test]
fn yes_is_spelt_in_three_ways() {
    let sample = |yes: &str| {
        format!(
            "apiVersion: k8s.nginx.org/v1\nkind: VirtualServer\nmetadata: {{name: shop}}\nspec:\n  upstreams:\n  \
             - {{name: api, service: api-svc, tls: {{enable: {yes}}}}}\n---\napiVersion: k8s.nginx.org/v1\nkind: Policy\n\
             metadata: {{name: servers}}\nspec:\n  egressMTLS: {{verifyServer: {yes}}}\n"
        )
    };
    let told = |yes: &str| crate::config::testing::outline(&Kubernetes, "virtualserver.yaml", &sample(yes));
    for yes in ["true", "True", "TRUE"] {
        let told = told(yes);
        assert!(
            told.contains(&"  connects-to=api-svc".to_owned()),
            "{yes}: {told:?}"
        );
        assert!(
            told.contains(&"  verifies-server=yes".to_owned()),
            "{yes}: {told:?}"
        );
    }
    let told = told("False");
    assert!(!told.contains(&"  connects-to=api-svc".to_owned()), "{told:?}");
    assert!(told.contains(&"  verifies-server=no".to_owned()), "{told:?}");
}

#[test]
fn values_for_which_there_is_no_time_are_told_as_such() {
    let made = rcgen::generate_simple_self_signed(["shop.example.org".to_owned()]).unwrap();
    let manifest = format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: shop-tls}}\ndata:\n  first: &it {}\n{}",
        STANDARD.encode(made.cert.pem()),
        (0..1000)
            .map(|number| format!("  k{number}: *it\n"))
            .collect::<String>()
    );
    let file = File {
        path: "secret.yaml",
        name: "secret.yaml",
        bytes: manifest.as_bytes(),
        access: Access {
            mode: 0o600,
            uid: 0,
            gid: 0,
        },
        budget: crate::scan::Budget::of_questions(100),
    };
    let mut found = Fragment::at("secret.yaml");
    Kubernetes.scan(&Piece::File(file), &mut found);
    let certificates = found
        .assets()
        .iter()
        .filter(|asset| asset.detail.kind() == "certificate");
    assert!((1..100).contains(&certificates.count()));
    let told = found.unread_entries().iter();
    assert!(told.clone().count() > 0 && told.clone().all(|unread| unread.reason == Reason::TimedOut));
}

#[test]
fn the_objects_of_nginxs_own_controller() {
    let sample = "apiVersion: k8s.nginx.org/v1\nkind: VirtualServer\nmetadata: {name: shop, namespace: a}\nspec:\n  \
        host: shop.example.org\n  policies: [{name: clients, namespace: b}]\n  tls: {secret: shop-tls}\n  upstreams:\n  \
        - name: api\n    service: api-svc\n    tls: {enable: true}\n  - {name: plain, service: plain-svc}\n---\n\
        apiVersion: k8s.nginx.org/v1\nkind: Policy\nmetadata: {name: clients, namespace: b}\nspec:\n  \
        ingressMTLS: {clientCertSecret: roots, verifyClient: \"on\"}\n---\napiVersion: k8s.nginx.org/v1\nkind: Policy\n\
        metadata: {name: servers}\nspec:\n  egressMTLS:\n    tlsSecret: ours\n    trustedCertSecret: theirs\n    \
        verifyServer: true\n    protocols: TLSv1.3\n    sslName: db.example.org\n---\n\
        apiVersion: k8s.nginx.org/v1\nkind: VirtualServerRoute\nmetadata: {name: r}\nspec:\n  host: shop.example.org\n";
    finds(
        &Kubernetes,
        "virtualserver.yaml",
        sample,
        "service Kubernetes VirtualServer a/shop @1 [tls://shop.example.org:443]\n  certificate-secret=a/shop-tls\n  \
         policy=b/clients\nTLS @1 {} groups[] schemes[]\n\
         service Kubernetes backend a/shop api @9 []\n  connects-to=api-svc\nTLS @9 {} groups[] schemes[]\n\
         service Kubernetes client policy b/clients @18 [] asks\n  trust-secret=b/roots\n\
         service Kubernetes backend policy servers @25 []\n  certificate-secret=ours\n  server-name=db.example.org\n  \
         trust-secret=theirs\n  verifies-server=yes\nTLS 1.3 @28 {} groups[] schemes[]",
    );
    stands(&Kubernetes, "virtualserver.yaml", sample, &[]);
}
