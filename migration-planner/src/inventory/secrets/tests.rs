use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::config::Kubernetes;
use crate::files::Pem;
use crate::scan::conformance::show;

/// A secret with a certificate for this name and its key, and an authority.
fn secret(namespace: &str, name: &str, subject: &str) -> String {
    let made = rcgen::generate_simple_self_signed([subject.to_owned()]).unwrap();
    let above = rcgen::generate_simple_self_signed([format!("ca.{subject}")]).unwrap();
    let base64 = |text: String| STANDARD.encode(text);
    format!(
        "apiVersion: v1\nkind: Secret\ntype: kubernetes.io/tls\nmetadata: {{name: {name}{namespace}}}\ndata:\n  \
         tls.crt: {}\n  tls.key: {}\n  ca.crt: {}\n",
        base64(made.cert.pem()),
        base64(made.signing_key.serialize_pem()),
        base64(above.cert.pem()),
    )
}

fn ingress(namespace: &str, name: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: web\n{namespace}  annotations:\n    \
         nginx.ingress.kubernetes.io/auth-tls-secret: {name}\nspec:\n  tls:\n  - {{hosts: [a.example.org], \
         secretName: {name}}}\n"
    )
}

/// What is joined in a scan of these files, as `role what`, without names that are random.
fn joined(files: &[(&str, &str)]) -> Vec<String> {
    let mut inventory = Inventory::new();
    inventory.targets = [".", "./apart"].map(str::to_owned).into();
    for (path, text) in files {
        inventory.absorb(show(&Kubernetes, path, text.as_bytes()));
    }
    let edges = edges(&inventory);
    let mut told: Vec<String> = edges
        .iter()
        .map(|edge| {
            let to = inventory.get(&edge.to).unwrap();
            let what = match &to.detail {
                Detail::Certificate(certificate) => certificate.names.iter().next().unwrap().clone(),
                other => other.kind().to_owned(),
            };
            format!("{} {what}", edge.role.name())
        })
        .collect();
    told.sort();
    told
}

const WHOLE: [&str; 3] = [
    "presents dns:a.example.org",
    "refers-to private-key",
    "trusts dns:ca.a.example.org",
];

#[test]
fn an_ingress_is_joined_with_the_secret_that_it_names() {
    let wanted = secret(", namespace: shop", "web-tls", "a.example.org");
    let elsewhere = secret(", namespace: other", "web-tls", "b.example.org");
    let named = ingress("  namespace: shop\n", "web-tls");
    assert_eq!(
        joined(&[
            ("./k8s/web.yaml", &named),
            ("./secrets/x.yaml", &wanted),
            ("./secrets/y.yaml", &elsewhere)
        ]),
        WHOLE
    );
    let one_file = format!("{named}---\n{wanted}---\n{elsewhere}");
    assert_eq!(joined(&[("./all.yaml", &one_file)]), WHOLE);
    let nobody: [&str; 0] = [];
    assert_eq!(
        joined(&[("./k8s/web.yaml", &named), ("./k8s/y.yaml", &elsewhere)]),
        nobody
    );
}

#[test]
fn of_several_secrets_of_one_name_the_nearest_is_meant_or_none() {
    let (a, b) = (
        secret("", "web-tls", "a.example.org"),
        secret("", "web-tls", "b.example.org"),
    );
    let named = ingress("", "web-tls");
    assert_eq!(
        joined(&[
            ("./one/web.yaml", &named),
            ("./one/tls.yaml", &a),
            ("./two/tls.yaml", &b)
        ]),
        WHOLE
    );
    let nobody: [&str; 0] = [];
    let apart = [
        ("./web.yaml", &*named),
        ("./one/tls.yaml", &a),
        ("./two/tls.yaml", &b),
    ];
    assert_eq!(joined(&apart), nobody);
    let beside = [
        ("./one/web.yaml", &*named),
        ("./one/x.yaml", &a),
        ("./one/y.yaml", &b),
    ];
    assert_eq!(joined(&beside), nobody);
    // Those of directories below are not beside it, however many there are.
    let below: Vec<String> = (0..1000).map(|number| format!("./one/y/{number}.yaml")).collect();
    let empty = "apiVersion: v1\nkind: Secret\ntype: kubernetes.io/tls\nmetadata: {name: web-tls}\n";
    let crowded = [
        ("./one/web.yaml", &*named),
        ("./one/x.yaml", &a),
        ("./one/z.yaml", &b),
    ];
    let crowded: Vec<(&str, &str)> = crowded
        .into_iter()
        .chain(below.iter().map(|path| (path.as_str(), empty)))
        .collect();
    assert_eq!(joined(&crowded), nobody);
    let one: Vec<(&str, &str)> = crowded
        .iter()
        .copied()
        .filter(|(path, _)| !path.contains('z'))
        .collect();
    assert_eq!(joined(&one), WHOLE);
    // Another tree is another cluster.
    assert_eq!(
        joined(&[("./apart/web.yaml", &named), ("./one/tls.yaml", &a)]),
        nobody
    );
}

#[test]
fn listeners_and_the_objects_of_nginx_name_secrets_too() {
    let held = secret(", namespace: certs", "edge-tls", "a.example.org");
    let gateway = "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: g, namespace: shop}\nspec:\n  \
        listeners:\n  - name: a\n    tls: {certificateRefs: [{name: edge-tls, namespace: certs}]}\n";
    let shown = &WHOLE[..2];
    assert_eq!(joined(&[("./g.yaml", gateway), ("./s.yaml", &held)]), shown);
    let server = "apiVersion: k8s.nginx.org/v1\nkind: VirtualServer\nmetadata: {name: v, namespace: certs}\nspec:\n  \
        host: a.example.org\n  tls: {secret: edge-tls}\n";
    assert_eq!(joined(&[("./v.yaml", server), ("./s.yaml", &held)]), shown);
}

#[test]
fn what_stands_in_the_open_in_a_secret_is_joined_too() {
    let made = rcgen::generate_simple_self_signed(["a.example.org".to_owned()]).unwrap();
    let block = made.cert.pem().trim_end().replace('\n', "\n    ");
    let held = format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: web-tls}}\nstringData:\n  tls.crt: |\n    {block}\n"
    );
    let mut inventory = Inventory::new();
    inventory.absorb(show(&Pem, "./s.yaml", held.as_bytes()));
    inventory.absorb(show(&Kubernetes, "./s.yaml", held.as_bytes()));
    inventory.absorb(show(&Kubernetes, "./x.yaml", ingress("", "web-tls").as_bytes()));
    let edges: Vec<Role> = edges(&inventory).iter().map(|edge| edge.role).collect();
    assert_eq!(edges, [Role::Presents]);
}
