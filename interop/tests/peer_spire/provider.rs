//! SPIRE's OIDC discovery provider takes its keys from our server, or from the Workload API of its own agent.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use serde_json::Value;
use spiffe::TrustDomain;
use symbolon_interop::running::{Running, eventually};
use symbolon_interop::server::Server;
use symbolon_interop::spire::{self, Agent};
use symbolon_pki::bundle::{BundleSet, TrustBundle};
use symbolon_pki::jwt::verify_jwt_svid;

use crate::agent::until_given;
use crate::{entry, shows, token};

/// Starts a provider that listens on a socket in a folder, with a section that says where its keys come from.
fn start(home: &Path, section: &str) -> Running {
    fs::create_dir_all(home).unwrap();
    let config = home.join("oidc.conf");
    let text = format!(
        "log_level = \"DEBUG\"\ndomains = [\"oidc.example.org\"]\nallow_insecure_scheme = true\n\
         listen_socket_path = \"{}\"\n{section}\n",
        home.join("oidc.sock").display()
    );
    fs::write(&config, text).unwrap();
    let mut command = spire::program("oidc-discovery-provider", home).unwrap();
    command.arg("-config").arg(&config);
    Running::start("the discovery provider", &mut command, home.join("log")).unwrap()
}

/// What it serves at a path, when it does.
fn get(home: &Path, path: &str) -> anyhow::Result<Option<Value>> {
    let mut curl = std::process::Command::new("curl");
    curl.args(["--silent", "--show-error", "--fail", "--unix-socket"])
        .arg(home.join("oidc.sock"))
        .arg(format!("http://oidc.example.org{path}"));
    let output = curl.output()?;
    match output.status.success() {
        true => Ok(Some(serde_json::from_slice(&output.stdout)?)),
        false => Ok(None),
    }
}

/// The ids of the keys that it serves.
fn key_ids(home: &Path) -> anyhow::Result<Option<Vec<String>>> {
    let Some(document) = get(home, "/keys")? else {
        return Ok(None);
    };
    let keys = document["keys"].as_array().cloned().unwrap_or_default();
    let mut ids: Vec<String> = keys
        .iter()
        .map(|key| key["kid"].as_str().unwrap_or_default().to_owned())
        .collect();
    ids.sort();
    Ok(Some(ids))
}

/// The ids of the keys that the stock command sees in the bundle.
fn ids_in_bundle(server: &Server) -> Vec<String> {
    let bundle = spire::json(server, &["bundle", "show"]).unwrap();
    let authorities = bundle["jwt_authorities"].as_array().unwrap();
    let mut ids: Vec<String> = authorities
        .iter()
        .map(|authority| authority["key_id"].as_str().unwrap().to_owned())
        .collect();
    ids.sort();
    ids
}

#[test]
#[ignore = "builds SPIRE; run by cargo xtask interop"]
fn it_serves_the_keys_of_the_server() {
    let server = Server::start().unwrap();
    let home = server.home().join("oidc");
    let section = format!(
        "server_api {{\n    address = \"unix://{}\"\n    poll_interval = \"1s\"\n}}",
        server.socket().display()
    );
    let mut provider = start(&home, &section);
    provider
        .until("the provider has keys", || {
            Ok(key_ids(&home)?.filter(|ids| !ids.is_empty()))
        })
        .unwrap();
    assert_eq!(key_ids(&home).unwrap().unwrap(), ids_in_bundle(&server));
    let discovery = get(&home, "/.well-known/openid-configuration").unwrap().unwrap();
    assert_eq!(
        discovery["jwks_uri"], "http://oidc.example.org/keys",
        "{discovery}"
    );

    // A token that the stock command mints is of a key that it serves.
    let id = server.id_of("/workload");
    let minted = spire::json(&server, &["jwt", "mint", "-spiffeID", &id, "-audience", "cloud"]).unwrap();
    let token = minted["svid"]["token"].as_str().unwrap();
    let trust_domain = TrustDomain::new(server.trust_domain()).unwrap();
    let keys = get(&home, "/keys").unwrap().unwrap().to_string();
    let mut bundles = BundleSet::new();
    bundles.insert(TrustBundle::from_jwt_jwks(&trust_domain, keys.as_bytes()).unwrap());
    let verified = verify_jwt_svid(token, "cloud", &bundles, SystemTime::now()).unwrap();
    assert_eq!(verified.spiffe_id.to_string(), id);

    // A new key is served before it signs.
    let prepared = spire::json(&server, &["localauthority", "jwt", "prepare"]).unwrap();
    let prepared = prepared["prepared_authority"]["authority_id"].as_str().unwrap();
    eventually("the provider serves the prepared key", || {
        Ok(key_ids(&home)?.filter(|ids| ids.iter().any(|id| id == prepared)))
    })
    .unwrap();
    shows("oidc/server API");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "builds SPIRE; run by cargo xtask interop"]
async fn it_serves_the_keys_that_its_agent_has_of_the_server() {
    let server = Server::start().unwrap();
    let (evidence, id) = token(&server, &[]);
    let mut agent = Agent::start(&server, "agent", &evidence).unwrap();
    entry(&server, &id, "/oidc", &[]);
    until_given(&mut agent, &[&server.id_of("/oidc")]).await;
    let home = server.home().join("oidc");
    let section = format!(
        "workload_api {{\n    socket_path = \"{}\"\n    trust_domain = \"{}\"\n    poll_interval = \"1s\"\n}}",
        agent.socket().display(),
        server.trust_domain()
    );
    let mut provider = start(&home, &section);
    let ids = provider
        .until("the provider has keys", || {
            Ok(key_ids(&home)?.filter(|ids| !ids.is_empty()))
        })
        .unwrap();
    assert_eq!(ids, ids_in_bundle(&server));
    shows("oidc/Workload API");
}
