//! spire-controller-manager itself, in its mode without Kubernetes: it reads what is wanted from files and brings our server
//! to it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use symbolon_interop::running::{Running, eventually};
use symbolon_interop::server::Server;
use symbolon_interop::spire;

use crate::commands::foreign_root;
use crate::{id_in, shows};

/// The running program, and the folder that it reads.
struct Manager {
    process: Running,
    manifests: PathBuf,
}

impl Manager {
    fn start(server: &Server) -> Self {
        let home = server.home().join("manager");
        let manifests = home.join("manifests");
        fs::create_dir_all(&manifests).unwrap();
        let config = home.join("manager.yaml");
        let text = format!(
            "apiVersion: spire.spiffe.io/v1alpha1\nkind: ControllerManagerConfig\nmetrics:\n  bindAddress: \"0\"\n\
             health:\n  healthProbeBindAddress: 127.0.0.1:0\nclusterName: test\nclusterDomain: cluster.local\n\
             trustDomain: {}\nwatchClassless: true\ngcInterval: 500000000\nspireServerSocketPath: {}\n\
             staticManifestPath: {}\n",
            server.trust_domain(),
            server.socket().display(),
            manifests.display(),
        );
        fs::write(&config, text).unwrap();
        let mut command = spire::program("spire-controller-manager", &home).unwrap();
        command.arg("-config").arg(&config);
        let process = Running::start("the controller manager", &mut command, home.join("log")).unwrap();
        Self { process, manifests }
    }

    /// Wants something; `kind` as Kubernetes has it, and the lines of its `spec`.
    fn want(&self, name: &str, kind: &str, spec: &[String]) {
        let text = format!(
            "apiVersion: spire.spiffe.io/v1alpha1\nkind: {kind}\nmetadata:\n  name: {name}\nspec:\n  {}\n",
            spec.join("\n  ")
        );
        // It looks into the folder at any time, and is to see whole files.
        let whole = self.manifests.with_file_name(name);
        fs::write(&whole, text).unwrap();
        fs::rename(whole, self.file(name)).unwrap();
    }

    fn want_no_more(&self, name: &str) {
        fs::remove_file(self.file(name)).unwrap();
    }

    fn file(&self, name: &str) -> PathBuf {
        self.manifests.join(format!("{name}.yaml"))
    }

    fn until(&mut self, what: &str, look: impl FnMut() -> anyhow::Result<Option<Value>>) -> Value {
        self.process.until(what, look).unwrap()
    }
}

/// The lines of an entry's `spec`.
fn entry(server: &Server, number: usize, hint: &str, ttl: &str) -> Vec<String> {
    vec![
        format!("spiffeID: {}", server.id_of(&format!("/static/{number}"))),
        format!("parentID: {}", server.id_of("/spire/agent/x509pop/0123")),
        format!("selectors: [\"unix:uid:{number}\", \"unix:gid:7\"]"),
        format!("dnsNames: [\"a{number}.example.org\", \"b.example.org\"]"),
        format!("x509SVIDTTL: {ttl}"),
        "jwtSVIDTTL: 60s".to_owned(),
        format!("hint: {hint}"),
        "admin: true".to_owned(),
        "federatesWith: [\"partner.test\"]".to_owned(),
    ]
}

fn shown(server: &Server) -> anyhow::Result<Vec<Value>> {
    let shown = spire::json(server, &["entry", "show"])?;
    Ok(shown["entries"].as_array().cloned().unwrap_or_default())
}

/// A certificate of another trust domain in a bundle document, as a manifest has it.
fn partner(server: &Server) -> String {
    let (_, file) = foreign_root(server, "partner");
    let set = |words: &[&str]| spire::says(server, words).unwrap();
    // The stock commands make the document; the manager is to set it again by itself.
    set(&[
        "bundle",
        "set",
        "-id",
        "spiffe://partner.test",
        "-path",
        file.to_str().unwrap(),
    ]);
    let listed = [
        "bundle",
        "list",
        "-id",
        "spiffe://partner.test",
        "-format",
        "spiffe",
    ];
    let document = set(&listed);
    set(&["bundle", "delete", "-id", "spiffe://partner.test"]);
    let document: Value = serde_json::from_str(&document).unwrap();
    document.to_string()
}

fn federation(url: &Path, document: &str) -> Vec<String> {
    vec![
        "trustDomain: partner.test".to_owned(),
        format!("bundleEndpointURL: https://127.0.0.1:1{}", url.display()),
        "bundleEndpointProfile: { type: https_spiffe, endpointSPIFFEID: \"spiffe://partner.test/spire/server\" }".to_owned(),
        format!("trustDomainBundle: '{document}'"),
    ]
}

#[test]
#[ignore = "builds SPIRE; run by cargo xtask interop"]
fn the_controller_manager_brings_the_server_to_what_is_wanted() {
    const MANY: usize = 120;
    let server = Server::start().unwrap();
    let document = partner(&server);
    let mut manager = Manager::start(&server);

    let relationship = || -> anyhow::Result<Option<Value>> {
        let listed = spire::json(&server, &["federation", "list"])?;
        let listed = listed["federation_relationships"].as_array().cloned();
        Ok(listed.unwrap_or_default().into_iter().next())
    };
    manager.want(
        "partner",
        "ClusterFederatedTrustDomain",
        &federation(Path::new("/bundle"), &document),
    );
    let made = manager.until("there is the relationship", relationship);
    assert_eq!(made["trust_domain"], "partner.test", "{made}");
    assert_eq!(
        made["bundle_endpoint_url"], "https://127.0.0.1:1/bundle",
        "{made}"
    );
    let bundle = spire::json(&server, &["bundle", "list", "-id", "spiffe://partner.test"]).unwrap();
    assert_eq!(
        bundle["x509_authorities"].as_array().unwrap().len(),
        1,
        "{bundle}"
    );

    // More than it creates in one call.
    for number in 0..MANY {
        let spec = entry(&server, number, "one", "600s");
        manager.want(&format!("e{number}"), "ClusterStaticEntry", &spec);
    }
    manager.until("there are the entries", || {
        Ok((shown(&server)?.len() == MANY).then_some(Value::Null))
    });
    let entries = shown(&server).unwrap();
    let sample = entries
        .iter()
        .find(|entry| id_in(&entry["spiffe_id"]) == server.id_of("/static/7"))
        .unwrap();
    assert_eq!(sample["x509_svid_ttl"], 600, "{sample}");
    assert_eq!(sample["jwt_svid_ttl"], 60, "{sample}");
    assert_eq!(sample["hint"], "one", "{sample}");
    assert_eq!(sample["admin"], true, "{sample}");
    assert_eq!(sample["federates_with"][0], "partner.test", "{sample}");
    assert_eq!(sample["dns_names"][0], "a7.example.org", "{sample}");

    // What it wants otherwise it changes in place, and what is as it wants it it leaves alone.
    manager.want("e7", "ClusterStaticEntry", &entry(&server, 7, "two", "300s"));
    let find = |hint: &str| -> anyhow::Result<Option<Value>> {
        Ok(shown(&server)?.into_iter().find(|entry| entry["hint"] == hint))
    };
    let changed = manager.until("the entry is changed", || find("two"));
    assert_eq!(changed["id"], sample["id"], "{changed}");
    assert_eq!(changed["x509_svid_ttl"], 300, "{changed}");
    let revisions = |entries: &[Value]| -> Vec<i64> {
        // Numbers of 64 bits are text in protobuf's JSON, and zero is left out.
        let revision = |entry: &Value| match entry["revision_number"].as_str() {
            Some(number) => number.parse().unwrap(),
            None => 0,
        };
        let mut revisions: Vec<i64> = entries.iter().map(revision).collect();
        revisions.sort_unstable();
        revisions
    };
    let mut expected = vec![0; MANY - 1];
    expected.push(1);
    assert_eq!(revisions(&shown(&server).unwrap()), expected);

    manager.want(
        "partner",
        "ClusterFederatedTrustDomain",
        &federation(Path::new("/other"), &document),
    );
    manager.until("the relationship is changed", || {
        Ok(relationship()?.filter(|made| made["bundle_endpoint_url"] == "https://127.0.0.1:1/other"))
    });

    for number in 0..MANY {
        manager.want_no_more(&format!("e{number}"));
    }
    manager.until("the entries are gone", || {
        Ok(shown(&server)?.is_empty().then_some(Value::Null))
    });
    manager.want_no_more("partner");
    eventually("the relationship is gone", || {
        Ok(relationship()?.is_none().then_some(()))
    })
    .unwrap();
    let said = manager.process.said();
    assert!(
        !said.contains("Failed to c") && !said.contains("Failed to u"),
        "{said}"
    );
    shows("controller-manager/static entries");
    shows("controller-manager/federation");
}
