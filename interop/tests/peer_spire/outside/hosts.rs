//! Nodes by their names: in SSH host certificates, which `ssh-keygen` makes, and where they answer.

use std::collections::BTreeSet;
use std::net::{IpAddr, TcpListener, ToSocketAddrs as _};
use std::path::PathBuf;
use std::process::Command;

use symbolon_interop::own_agent::agent_program;
use symbolon_interop::programs;
use symbolon_interop::server::Server;
use symbolon_interop::spire::Evidence;
use symbolon_interop::spire_server::SpireServer;

use super::service::{self, Told};
use super::{Case, assert_refused, jose, quoted, refused, settings};
use crate::shows;
use crate::stock_server::{id_of, node, on};

/// An authority for hosts, and hosts under it.
struct Hosts(tempfile::TempDir);

impl Hosts {
    fn new() -> Self {
        let hosts = Self(tempfile::tempdir().unwrap());
        hosts.key("ca", "ed25519", &[]);
        hosts
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn keygen(&self, arguments: &[&str]) {
        let mut command = Command::new("ssh-keygen");
        command.arg("-q").args(arguments).current_dir(self.0.path());
        programs::run(&mut command).unwrap();
    }

    fn key(&self, name: &str, kind: &str, more: &[&str]) {
        let always = ["-t", kind, "-N", "", "-C", name, "-f", name];
        self.keygen(&[&always, more].concat());
    }

    /// A host's key, certified for its name.
    fn host(&self, name: &str, kind: &str) -> Host {
        self.key(name, kind, &[]);
        let principal = format!("{name}.example.org");
        let public = format!("{name}.pub");
        self.keygen(&[
            "-s", "ca", "-h", "-I", name, "-n", &principal, "-V", "+1d", &public,
        ]);
        Host {
            key: self.path(name),
            certificate: self.path(&format!("{name}-cert.pub")),
        }
    }

    fn authority(&self) -> String {
        let line = std::fs::read_to_string(self.path("ca.pub")).unwrap();
        line.trim().to_owned()
    }

    fn section(&self) -> String {
        format!(
            "[attestors.sshpop]\ncert_authorities = [\"{}\"]\n",
            self.authority()
        )
    }

    fn plugin(&self) -> String {
        format!(
            "NodeAttestor \"sshpop\" {{\n        plugin_data {{\n            cert_authorities = [\"{}\"]\n        }}\n    }}",
            self.authority()
        )
    }
}

struct Host {
    key: PathBuf,
    certificate: PathBuf,
}

impl Host {
    /// Named by its certificate's SHA-256; it has no selectors.
    fn case(&self) -> Case {
        let line = std::fs::read_to_string(&self.certificate).unwrap();
        let blob = openssl::base64::decode_block(line.split(' ').nth(1).unwrap()).unwrap();
        let fingerprint = jose::url_safe(&openssl::sha::sha256(&blob));
        Case {
            method: "sshpop",
            path: format!("/spire/agent/sshpop/{fingerprint}"),
            can_reattest: true,
            selectors: Vec::new(),
        }
    }

    fn evidence(&self) -> Evidence {
        Evidence::Plugin {
            method: "sshpop",
            keys: format!(
                "            host_key_path = {}\n            host_cert_path = {}",
                quoted(&self.key),
                quoted(&self.certificate)
            ),
            proxy: None,
        }
    }

    fn own_attestor(&self) -> String {
        format!(
            "[attestor.sshpop]\nhost_key_path = {}\nhost_cert_path = {}\n",
            quoted(&self.key),
            quoted(&self.certificate)
        )
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "builds SPIRE; run by cargo xtask interop"]
async fn a_stock_agent_attests_with_its_ssh_host_key_and_again() {
    let hosts = Hosts::new();
    let server = Server::with(&settings(hosts.section())).unwrap();
    for kind in ["ed25519", "ecdsa", "rsa"] {
        let host = hosts.host(kind, kind);
        host.case().stock_on_ours(&server, kind, &host.evidence()).await;
    }
    let strangers = Hosts::new();
    let stranger = strangers.host("stranger", "ed25519");
    let words = "no configured authority signed it";
    assert_refused(&server, "stranger", &stranger.evidence(), words);
    // A certificate of the authority's with another host's key.
    let mixed = Host {
        key: hosts.path("ecdsa"),
        certificate: hosts.path("ed25519-cert.pub"),
    };
    assert_refused(
        &server,
        "mixed",
        &mixed.evidence(),
        "the proof of possession fails",
    );
    shows("agent/sshpop");
    shows("agent/sshpop refusals");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "builds SPIRE; run by cargo xtask interop"]
async fn an_agent_of_ours_attests_to_a_stock_server_with_its_ssh_host_key() {
    let hosts = Hosts::new();
    for kind in ["ed25519", "ecdsa", "rsa"] {
        let server = SpireServer::start(&hosts.plugin()).unwrap();
        let host = hosts.host(kind, kind);
        host.case().own_on_stock(&server, &host.own_attestor()).await;
    }
    shows("own-agent/sshpop");
}

/// What the system calls this machine, and the addresses of that name that are the machine's.
fn this_machine() -> (String, Vec<IpAddr>) {
    let name = rustix::system::uname().nodename().to_str().unwrap().to_owned();
    let short = name.split('.').next().unwrap();
    let own = |name: &str| {
        let found = (name, 80).to_socket_addrs().ok()?;
        let found: BTreeSet<IpAddr> = found.map(|address| address.ip()).collect();
        let own = found.into_iter().filter(|ip| TcpListener::bind((*ip, 0)).is_ok());
        let own: Vec<IpAddr> = own.collect();
        (!own.is_empty()).then(|| (name.to_owned(), own))
    };
    own(short)
        .or_else(|| own(&name))
        .unwrap_or_else(|| panic!("the machine's own name, {name}, leads to no address of the machine's"))
}

/// Networks of one address each.
fn networks(addresses: &[IpAddr]) -> Vec<String> {
    let network = |ip: &IpAddr| match ip {
        IpAddr::V4(ip) => format!("{ip}/32"),
        IpAddr::V6(ip) => format!("{ip}/128"),
    };
    addresses.iter().map(network).collect()
}

fn http_challenge(name: &str) -> Case {
    Case {
        method: "http_challenge",
        path: format!("/spire/agent/http_challenge/{name}"),
        can_reattest: false,
        selectors: vec![format!("http_challenge:hostname:{name}")],
    }
}

/// A stock agent at this name; another program's port instead of its own, if one is given.
fn at(name: &str, advertised: Option<u16>) -> Evidence {
    let advertised = advertised.map_or_else(String::new, |port| {
        format!("\n            advertised_port = {port}")
    });
    Evidence::Plugin {
        method: "http_challenge",
        keys: format!("            hostname = \"{name}\"{advertised}"),
        proxy: None,
    }
}

fn own_at(name: &str, advertised: Option<u16>) -> String {
    let advertised = advertised.map_or_else(String::new, |port| format!("advertised_port = {port}\n"));
    format!("[attestor.http_challenge]\nhostname = \"{name}\"\n{advertised}")
}

/// Somebody where this machine's name leads who knows no challenge.
fn somebody_else(addresses: &[IpAddr]) -> u16 {
    service::plain_at(addresses[0], |_| Told::new(200, "text/plain", "welcome")).port()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "builds SPIRE; run by cargo xtask interop"]
async fn a_stock_agent_attests_by_its_name_and_once() {
    let (name, addresses) = this_machine();
    let networks = networks(&addresses);
    let section = format!(
        "[attestors.http_challenge]\nallowed_dns_patterns = [{:?}]\nallowed_networks = {networks:?}\n",
        name.replace('.', "\\.")
    );
    let server = Server::with(&settings(section)).unwrap();
    let elsewhere = at(&name, Some(somebody_else(&addresses)));
    let words = "is not this challenge's nonce";
    assert_refused(&server, "elsewhere", &elsewhere, words);
    let other = at("other.example.org", None);
    let words = "no name that `allowed_dns_patterns` lets in";
    assert_refused(&server, "other", &other, words);
    shows("agent/http_challenge refusals");
    let case = http_challenge(&name);
    case.stock_on_ours(&server, "stock", &at(&name, None)).await;
    case.evict(&server);
    case.own_on_ours(&server, "own", &own_at(&name, None)).await;
    shows("agent/http_challenge");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "builds SPIRE; run by cargo xtask interop"]
async fn an_agent_of_ours_attests_to_a_stock_server_by_its_name_and_once() {
    let (name, addresses) = this_machine();
    let server = SpireServer::start(&format!(
        "NodeAttestor \"http_challenge\" {{\n        plugin_data {{\n            allowed_dns_patterns = [\"^{}$\"]\n        \
         }}\n    }}",
        name.replace('.', "[.]")
    ))
    .unwrap();
    let case = http_challenge(&name);
    let attestor = own_at(&name, Some(somebody_else(&addresses)));
    let said = refused(&node(
        &server,
        agent_program().unwrap(),
        attestor,
        &id_of(&case.path),
    ));
    assert!(said.contains("expected nonce was not found"), "{said}");
    assert_eq!(on(&server, &["agent", "count"], &[])["count"], 0);
    case.own_on_stock(&server, &own_at(&name, None)).await;
    shows("own-agent/http_challenge");
}
