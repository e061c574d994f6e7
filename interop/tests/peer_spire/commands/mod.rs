//! Every command of the stock `spire-server` that talks to a server, on our private socket.

mod agents;
mod authorities;
mod bundles;
mod entries;
mod federation;
mod minting;
mod operations;

use std::fs;
use std::path::PathBuf;

use symbolon_interop::chain::Chain;
use symbolon_interop::server::Server;
use symbolon_pki::suite::Suite;

/// The part of what a command prints after a label, as `Entry ID : `.
fn labelled<'a>(said: &'a str, label: &str) -> Vec<&'a str> {
    said.lines()
        .filter_map(|line| line.trim().strip_prefix(label)?.trim_start().strip_prefix(':'))
        .map(str::trim)
        .collect()
}

/// A root certificate of somebody else in PEM, and the file that it is in.
pub(crate) fn foreign_root(server: &Server, name: &str) -> (String, PathBuf) {
    let root = Chain::issue(Suite::EcdsaP256).unwrap().root;
    let pem = symbolon_pki::pem::encode("CERTIFICATE", &root).to_string();
    let path = server.home().join(format!("{name}.pem"));
    fs::write(&path, &pem).unwrap();
    (pem, path)
}
