//! A server below another one, by the real programs: its authorities come from above, and everybody believes it by the
//! roots above alone.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "support/minted.rs"]
mod minted;
mod support;

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use support::{Home, Up, until, wait};
use symbolon_pki::bundle::TrustBundle;
use symbolon_pki::suite::Form;

const NESTED: &str = "spiffe://example.org/nested";

/// A server under another one, stopped when dropped.
struct Below {
    home: Home,
    child: Child,
}

impl Below {
    /// The configuration of a server below the one of `home`, with this in its `[upstreams.upper]`.
    fn configure(above: &Home, up: &Up, families: &[&str]) -> Home {
        let home = Home::new();
        let address = up
            .output
            .split_whitespace()
            .find_map(|word| {
                let word = word.trim_matches(|c: char| !c.is_ascii_digit());
                word.parse::<std::net::SocketAddr>().ok()
            })
            .unwrap_or_else(|| panic!("no address in {}", up.output));
        let mut text = format!(
            "trust_domain = \"example.org\"\ndata_dir = \"{}\"\n[listen]\naddress = \"127.0.0.1:0\"\n\
             [upstreams.upper]\nkind = \"symbolon\"\naddress = \"{address}\"\nworkload_api_socket = \"{}\"\n\
             spiffe_id = \"{NESTED}\"\n",
            home.data().display(),
            above.data().join("agent/api.sock").display(),
        );
        for family in families {
            text.push_str(&format!("[families.{family}]\nupstream = \"upper\"\n"));
        }
        fs::write(home.path().join("server.toml"), text).unwrap();
        home
    }

    fn start(home: Home) -> Self {
        let file = home.path().join("server.toml");
        let log = fs::File::create(home.path().join("log")).unwrap();
        let child = home
            .symbolon(&["server", "run", "--config", file.to_str().unwrap()])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut below = Self { home, child };
        until("the lower server is ready", || {
            if let Some(status) = below.child.try_wait().unwrap() {
                panic!("it ended with {status}: {}", below.said());
            }
            // Commands that only read work without a server too.
            below.socket().exists()
        });
        below
    }

    fn socket(&self) -> PathBuf {
        self.home.data().join("server/private.sock")
    }

    fn said(&self) -> String {
        fs::read_to_string(self.home.path().join("log")).unwrap()
    }

    /// Has it mint an SVID, and verifies that with nothing but the bundle of the server above.
    fn mints(&self, above: &Home, form: Form) {
        let document = above.ok(&["bundle", "show", "--format", "spiffe"]);
        let trust_domain = "example.org".parse().unwrap();
        let bundle = TrustBundle::from_jwks(&trust_domain, document.as_bytes()).unwrap();
        minted::assert_below(&self.socket(), form, bundle);
    }
}

impl Drop for Below {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
            wait(&mut self.child);
        }
    }
}

fn ids(home: &Home) -> Vec<Value> {
    let shown = home.ok(&["bundle", "show", "--format", "spiffe"]);
    let document: Value = serde_json::from_str(&shown).unwrap();
    let members = ["keys", "pq_keys"].into_iter();
    let mut all: Vec<Value> = members
        .flat_map(|member| document[member].as_array().cloned().unwrap_or_default())
        .collect();
    all.sort_by_key(ToString::to_string);
    all
}

fn register(above: &Home) {
    let uid = format!("unix:uid:{}", rustix::process::getuid().as_raw());
    let agents = above.json(&["agent", "list"]);
    let agent = agents["agents"][0]["spiffe_id"].as_str().unwrap();
    above.ok(&[
        "entry",
        "create",
        "--spiffe-id",
        NESTED,
        "--parent-id",
        agent,
        "--selector",
        &uid,
        "--downstream",
    ]);
    until("the agent knows of the entry", || {
        let fetched = above.run(&["svid", "fetch", "--output", "json"]);
        String::from_utf8_lossy(&fetched.stdout).contains(NESTED)
    });
}

#[test]
fn a_server_below_ours_has_its_authorities_and_its_keys_from_above() {
    let above = Home::new();
    let up = above.up();
    register(&above);
    let families = ["classical", "ml-dsa", "composite", "jwt"];
    let below = Below::start(Below::configure(&above, &up, &families));
    for form in Form::OF_KEYS {
        below.mints(&above, form);
    }
    // What either publishes both have, but for the catalyst authority that the lower one signed itself.
    until("the bundles are the same", || {
        let upper = ids(&above);
        let lower = ids(&below.home);
        upper.iter().all(|key| lower.contains(key)) && lower.len() == upper.len() + 1
    });
}

#[test]
fn without_an_entry_for_it_above_a_server_does_not_start_and_says_why() {
    let above = Home::new();
    let up = above.up();
    let home = Below::configure(&above, &up, &["classical"]);
    let file = home.path().join("server.toml");
    let (code, error) = home.fails(&["server", "run", "--config", file.to_str().unwrap()]);
    assert_eq!(code, 1, "{error}");
    assert!(error.contains("upper"), "{error}");
}
