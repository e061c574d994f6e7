//! What stands above a server's authorities, and what is awaited from there, by `symbolon authority`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, SystemTime};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use support::{Home, check_schema, until, wait};
use symbolon_api::spire::api::server::localauthority::v1::TaintX509UpstreamAuthorityRequest;
use symbolon_api::spire::api::server::localauthority::v1::local_authority_client::LocalAuthorityClient;
use symbolon_crypto::random;
use symbolon_issuance::{AuthorityKeys, AuthoritySpec, Serial, prepare_authority};
use symbolon_pki::bundle::X509Authority;
use symbolon_pki::certificate::Certificate;
use symbolon_pki::csr::Csr;
use symbolon_pki::key::PrivateKey;
use symbolon_pki::pem;
use symbolon_pki::suite::Suite;
use symbolon_tls::grpc::{ChannelOptions, unix_channel};

/// Puts a new root into `root.pem` and `root.key`, and returns its id.
fn new_root(dir: &Path) -> String {
    new_root_of(dir, "root", Suite::EcdsaP384)
}

/// Puts a new root of this suite into `NAME.pem` and `NAME.key`, and returns its id.
fn new_root_of(dir: &Path, name: &str, suite: Suite) -> String {
    let key = PrivateKey::generate(suite).unwrap();
    let keys = AuthorityKeys::from(key.signer().unwrap());
    let spec = AuthoritySpec {
        trust_domain: &"example.org".parse().unwrap(),
        ttl: Duration::from_secs(365 * 24 * 3600),
        path_len: None,
    };
    let serial = Serial::random(random::fill).unwrap();
    let linted = prepare_authority(&spec, &keys, serial, SystemTime::now()).unwrap();
    let root = Certificate::from_der(linted.sign(&keys).unwrap().der()).unwrap();
    let file = |ending| dir.join(format!("{name}.{ending}"));
    fs::write(file("key"), pem::encode_private_key(&key).unwrap()).unwrap();
    fs::write(file("pem"), pem::encode_certificates([&root])).unwrap();
    X509Authority::new(root).id().to_string()
}

/// A server whose classical family is below a root in files, and whose composite family waits for a certificate that
/// somebody is to bring; stopped when dropped.
struct Below(Child);

impl Below {
    fn start(home: &Home) -> Self {
        Self::with(home, "")
    }

    /// With this in its configuration, too.
    fn with(home: &Home, more: &str) -> Self {
        let text = format!(
            "trust_domain = \"example.org\"\ndata_dir = \"{}\"\n[listen]\naddress = \"127.0.0.1:0\"\n\
             [upstreams.files]\nkind = \"disk\"\ncertificate_file = \"{root}/root.pem\"\nkey_file = \"{root}/root.key\"\n\
             [upstreams.stick]\nkind = \"offline\"\ndir = \"{root}/stick\"\n\
             [families.classical]\nupstream = \"files\"\n[families.composite]\nupstream = \"stick\"\n{more}",
            home.data().display(),
            root = home.path().display(),
        );
        let file = home.path().join("server.toml");
        fs::write(&file, text).unwrap();
        let log = fs::File::create(home.path().join("log")).unwrap();
        let mut command = home.symbolon(&["server", "run", "--config", file.to_str().unwrap()]);
        let mut child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        until("the server is ready", || {
            if let Some(status) = child.try_wait().unwrap() {
                let said = fs::read_to_string(home.path().join("log")).unwrap();
                panic!("it ended with {status}: {said}");
            }
            home.data().join("server/private.sock").exists()
        });
        // The last of the families that are there from the start.
        until("every family has what it can have", || {
            let listed = home.json(&["authority", "list", "--family", "jwt"]);
            let mut authorities = listed["authorities"].as_array().unwrap().iter();
            authorities.any(|authority| authority["state"] == "active")
        });
        Self(child)
    }
}

impl Drop for Below {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            kill_process(Pid::from_child(&self.0), Signal::INT).unwrap();
            wait(&mut self.0);
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// What the command says of the root with this id.
fn root(home: &Home, id: &str) -> Value {
    let listed = home.json(&["authority", "upstream"]);
    check_schema("authority-upstream", &listed);
    let mut roots = listed["upstream"].as_array().unwrap().iter();
    let found = roots.find(|root| root["authority_id"] == id);
    found.unwrap_or_else(|| panic!("{id}: {listed:#}")).clone()
}

/// A command that is refused for what stands above: exit code 5, and the reason.
fn is_refused(home: &Home, args: &[&str], words: &str) {
    let args = [&["authority"], args].concat();
    let (code, error) = home.fails(&args);
    assert!(code == 5 && error.contains(words), "{args:?}: {code} {error}");
    assert!(!error.contains("log says why"), "{error}");
}

#[test]
fn roots_from_above_are_listed_and_taken_out_of_trust() {
    let home = Home::new();
    fs::create_dir(home.path().join("stick")).unwrap();
    let first = new_root(home.path());
    let server = Below::start(&home);

    let listed = home.json(&["authority", "list", "--family", "classical"]);
    check_schema("authority-list", &listed);
    let own = &listed["authorities"][0];
    assert_eq!(
        (&own["state"], &own["upstream_authority_id"]),
        (&json!("active"), &json!(first))
    );
    let seen = root(&home, &first);
    let expected =
        json!({"family": "classical", "suite": "ecdsa-p384", "state": "trusted", "upstream": "files"});
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&seen[name], value, "{seen:#}");
    }
    assert_eq!(seen["below"], json!([own["authority_id"]]));
    let shown = home.ok(&["authority", "show", text(&own["authority_id"])]);
    assert!(shown.contains(&first), "{shown}");

    // It is needed, and what is below it cannot be distrusted by itself.
    is_refused(&home, &["taint", &first], "is above the active authority");
    is_refused(&home, &["revoke", &first], "only tainted");
    is_refused(&home, &["activate", &first], "only prepared");
    let second = new_root(home.path());
    let made = home.json(&["authority", "prepare", "classical"]);
    assert_eq!(made["upstream_authority_id"], json!(second));
    home.json(&["authority", "activate", text(&made["authority_id"])]);
    is_refused(
        &home,
        &["taint", text(&own["authority_id"])],
        "stands below another authority",
    );
    // Where it is away, the caller is told so.
    fs::rename(home.path().join("root.key"), home.path().join("elsewhere")).unwrap();
    is_refused(&home, &["prepare", "classical"], "files");

    // The beginning of its id will do.
    for (step, state) in [("taint", "tainted"), ("revoke", "revoked")] {
        let done = home.json(&["authority", step, &first[..12]]);
        check_schema("authority-show", &done);
        assert_eq!(
            (&done["authority_id"], &done["state"]),
            (&json!(first), &json!(state))
        );
        assert_eq!(root(&home, &first)["state"], state);
    }
    assert_eq!(root(&home, &second)["state"], "trusted");
    let bundle = home.json(&["bundle", "show"]).to_string();
    assert!(bundle.contains(&second) && !bundle.contains(&first), "{bundle}");
    let log = fs::read_to_string(home.path().join("log")).unwrap();
    let told = log
        .lines()
        .filter(|line| line.contains("authority.commanded") && line.contains(&first));
    assert!(
        told.clone().count() == 2 && told.clone().all(|line| line.contains("classical")),
        "{log}"
    );

    for line in home.ok(&["authority", "upstream"]).lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
    // Without a server the data directory says the same.
    let running = home.json(&["authority", "upstream"]);
    drop(server);
    assert_eq!(home.json(&["authority", "upstream"]), running);
}

#[test]
fn what_is_to_be_brought_is_listed_and_its_request_printed() {
    let home = Home::new();
    fs::create_dir(home.path().join("stick")).unwrap();
    new_root(home.path());
    let server = Below::start(&home);
    let file = home.path().join("stick/composite.csr.pem");
    until("the request is written", || file.exists());

    let listed = home.json(&["authority", "requests"]);
    check_schema("authority-requests", &listed);
    let requests = listed["requests"].as_array().unwrap();
    assert_eq!(requests.len(), 1, "{listed:#}");
    let request = &requests[0];
    assert_eq!(
        (text(&request["family"]), text(&request["suite"])),
        ("composite", "mldsa65-ecdsa-p256")
    );
    let components: Vec<_> = request["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| text(&key["component"]))
        .collect();
    assert_eq!(components, ["ml-dsa-65", "ecdsa-p256-sha256"]);
    assert_eq!(&home.json(&["authority", "requests", "composite"]), request);

    // What is printed is what is in the file, for whoever has no access to it.
    let read = |text: &str| Csr::from_der(&pem::certificate_request(text.as_bytes()).unwrap()).unwrap();
    let printed = read(&home.ok(&["authority", "requests", "composite"]));
    assert_eq!(printed.key(), read(&fs::read_to_string(&file).unwrap()).key());
    assert!(home.ok(&["authority", "requests"]).contains("composite"));
    is_refused(&home, &["requests", "ml-dsa"], "is to be brought");
    is_refused(&home, &["prepare", "composite"], "composite");

    let running = home.json(&["authority", "requests"]);
    drop(server);
    assert_eq!(home.json(&["authority", "requests"]), running);
    assert_eq!(home.json(&["authority", "list"])["requests"], running["requests"]);
}

/// SPIRE's call names no family.
#[test]
fn a_step_by_spires_call_is_told_with_the_family_that_it_was_about() {
    let home = Home::new();
    let dir = home.path();
    fs::create_dir(dir.join("stick")).unwrap();
    new_root(dir);
    let first = new_root_of(dir, "pq", Suite::MlDsa65);
    let root = dir.join("pq").display().to_string();
    let _server = Below::with(
        &home,
        &format!(
            "[families.ml-dsa]\nupstream = \"pq\"\n[upstreams.pq]\nkind = \"disk\"\ncertificate_file = \"{root}.pem\"\n\
             key_file = \"{root}.key\"\n"
        ),
    );
    new_root_of(dir, "pq", Suite::MlDsa65);
    let made = home.json(&["authority", "prepare", "ml-dsa"]);
    home.json(&["authority", "activate", text(&made["authority_id"])]);
    let request = TaintX509UpstreamAuthorityRequest {
        subject_key_id: first.clone(),
    };
    let socket = home.data().join("server/private.sock");
    let told = tokio::runtime::Runtime::new().unwrap().block_on(async {
        let channel = unix_channel(&socket, &ChannelOptions::default()).await.unwrap();
        let mut client = LocalAuthorityClient::new(channel);
        client.taint_x509_upstream_authority(request).await
    });
    assert_eq!(
        told.unwrap().into_inner().upstream_authority_subject_key_id,
        first
    );
    let log = fs::read_to_string(dir.join("log")).unwrap();
    let mut lines = log.lines();
    let line = lines.find(|line| line.contains("authority.commanded") && line.contains(&first));
    let line = line.unwrap_or_else(|| panic!("{log}"));
    assert!(line.contains("ml-dsa") && !line.contains("classical"), "{line}");
}
