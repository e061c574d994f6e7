//! nginx of Debian 13, on OpenSSL 3.5, as a server with client certificates on SVIDs of ours: our client connects to
//! it, and so do stock ones.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;

use symbolon_interop::cells::Peer;
use symbolon_interop::programs::run;
use symbolon_interop::talk::Running;
use symbolon_interop::tls::{HOST, Realm, groups};
use symbolon_interop::trixie::Trixie;
use symbolon_pki::suite::Suite;
use symbolon_tls::KxGroup;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const CONFIGURATION: &str = include_str!("../nginx/nginx.conf");

const REQUEST: &str = "GET / HTTP/1.0\r\nHost: localhost\r\n\r\n";

/// The realms that TLS without composites can have.
fn realms() -> Vec<Realm> {
    let known = Suite::DEFAULTS.into_iter().filter(|suite| !suite.is_composite());
    Realm::all(known).unwrap()
}

fn names() -> String {
    groups().map(KxGroup::name).collect::<Vec<_>>().join(":")
}

/// A running nginx. Ended when dropped.
struct Nginx {
    trixie: Trixie,
    folder: TempDir,
    address: SocketAddr,
    peer: Peer,
    _running: Running,
}

impl Nginx {
    fn start(realm: &Realm) -> Self {
        let trixie = Trixie::open().unwrap();
        let folder = TempDir::new().unwrap();
        realm.write(folder.path()).unwrap();
        // nginx takes no port of the system's choice, so it gets one that was free a moment ago.
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let configuration = CONFIGURATION
            .replace("{port}", &address.port().to_string())
            .replace("{groups}", &names())
            .replace("{scheme}", realm.scheme().unwrap());
        fs::write(folder.path().join("nginx.conf"), configuration).unwrap();

        let mut command = trixie.command("usr/sbin/nginx");
        command.arg("-p").arg(folder.path());
        command.args(["-e", "stderr", "-c", "nginx.conf"]);
        let mut running = Running::start(&mut command).unwrap();
        // The last thing that it says before it accepts; by then it listens.
        let version = running.line_with("nginx/").unwrap();
        let version = version.rsplit_once("nginx/").unwrap().1;
        running.line_with("OS: ").unwrap();
        Self {
            peer: Peer::new("nginx", version),
            trixie,
            folder,
            address,
            _running: running,
        }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// What it says about a connection over a group.
    fn page(group: KxGroup) -> String {
        let group = match group {
            KxGroup::X25519 => "X25519".to_owned(),
            KxGroup::SecP256r1 => "prime256v1".to_owned(),
            KxGroup::SecP384r1 => "secp384r1".to_owned(),
            // It has no names for hybrid groups.
            hybrid => format!("0x{:04x}", hybrid.code()),
        };
        format!("SUCCESS TLSv1.3 {group}\n")
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs programs of Debian 13; run by cargo xtask interop"]
async fn our_client_connects() {
    for realm in realms() {
        let nginx = Nginx::start(&realm);
        let scheme = realm.scheme().unwrap();
        for group in groups() {
            let mut connection = realm.connect(nginx.address, group).await.unwrap();
            realm.agreed(connection.info(), group).unwrap();
            connection.write_all(REQUEST.as_bytes()).await.unwrap();
            let mut answer = String::new();
            connection.read_to_string(&mut answer).await.unwrap();
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{scheme}: {answer}");
            assert_eq!(body, Nginx::page(group), "{scheme}");

            let direction = format!("tls-server/{}", group.name());
            nginx.peer.shows(&direction, realm.form(), scheme).unwrap();
        }
    }
}

#[test]
#[ignore = "needs programs of Debian 13; run by cargo xtask interop"]
fn curl_connects() {
    for realm in realms() {
        let nginx = Nginx::start(&realm);
        for group in groups() {
            let mut curl = nginx.trixie.command("usr/bin/curl");
            curl.current_dir(nginx.path())
                .args([
                    "--silent",
                    "--show-error",
                    "--fail",
                    "--tlsv1.3",
                    "--noproxy",
                    "*",
                ])
                .args(["--cert", "chain.pem", "--key", "key.pem", "--cacert", "root.pem"])
                .args(["--curves", group.name(), "--resolve"])
                .arg(format!("{HOST}:{}:127.0.0.1", nginx.address.port()))
                .arg(format!("https://{HOST}:{}/", nginx.address.port()));
            let page = run(&mut curl).unwrap();
            assert_eq!(
                String::from_utf8(page).unwrap(),
                Nginx::page(group),
                "{}",
                realm.form()
            );

            let direction = format!("stock/curl over {}", group.name());
            let scheme = realm.scheme().unwrap();
            nginx.peer.shows(&direction, realm.form(), scheme).unwrap();
        }
    }
}

/// Without a certificate of the realm there is no page.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs programs of Debian 13; run by cargo xtask interop"]
async fn a_stranger_is_refused() {
    for realm in realms() {
        let nginx = Nginx::start(&realm);
        let stranger = Realm::issue(realm.suite).unwrap();
        let refused = stranger.connect(nginx.address, KxGroup::X25519MlKem768).await;
        let refused = format!("{:#}", refused.unwrap_err());
        assert!(refused.contains("the TLS handshake failed"), "{refused}");

        let mut curl = nginx.trixie.command("usr/bin/curl");
        curl.current_dir(nginx.path())
            .args([
                "--silent",
                "--show-error",
                "--fail",
                "--cacert",
                "root.pem",
                "--noproxy",
                "*",
            ])
            .args(["--resolve", &format!("{HOST}:{}:127.0.0.1", nginx.address.port())])
            .arg(format!("https://{HOST}:{}/", nginx.address.port()));
        let refused = run(&mut curl).unwrap_err().to_string();
        assert!(refused.contains("400"), "{refused}");
    }
}
