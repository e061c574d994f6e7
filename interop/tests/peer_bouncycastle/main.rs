//! BouncyCastle as a reader of what we issue, and as an issuer of what we read.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod chains;
mod crls;

mod forms;
mod raw;
mod tls;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;
use std::time::SystemTime;

use serde_json::Value;
use spiffe::TrustDomain;
use symbolon_interop::cells::Peer;
use symbolon_interop::chain::TRUST_DOMAIN;
use symbolon_interop::programs::{self, JavaProgram};
use symbolon_pki::bundle::{BundleSet, TrustBundle, X509Authority};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::suite::Suite;
use symbolon_pki::verify::{ChainError, VerifiedSvid, verify_x509_svid};

static PROGRAM: LazyLock<JavaProgram> = LazyLock::new(|| {
    JavaProgram::build(
        "bouncycastle",
        "SYMBOLON_BOUNCYCASTLE",
        Path::new(env!("CARGO_TARGET_TMPDIR")),
    )
    .unwrap()
});

static PEER: LazyLock<Peer> = LazyLock::new(|| {
    let info = run(&mut java("version"));
    let (_, version) = info.as_str().unwrap().rsplit_once(" v").unwrap();
    Peer::new("bouncycastle", version)
});

fn java(subcommand: &str) -> Command {
    let mut command = PROGRAM.command();
    command.arg(subcommand);
    command
}

fn run(command: &mut Command) -> Value {
    programs::json(command).unwrap()
}

/// Records a cell of a suite.
fn shows(direction: &str, suite: Suite) {
    let form = format!("{}/{suite}", suite.form());
    PEER.shows(direction, &form, "ok").unwrap();
}

fn certificate(folder: &Path, name: &str) -> Certificate {
    Certificate::from_der(&fs::read(folder.join(format!("{name}.der"))).unwrap()).unwrap()
}

/// A bundle of our trust domain with these authorities.
fn bundles(authorities: impl IntoIterator<Item = Certificate>) -> BundleSet {
    let trust_domain = TrustDomain::new(TRUST_DOMAIN).unwrap();
    let mut bundles = BundleSet::new();
    bundles.insert(TrustBundle {
        x509_authorities: authorities.into_iter().map(X509Authority::new).collect(),
        ..TrustBundle::new(trust_domain)
    });
    bundles
}

/// Verifies a workload's certificate that stands directly below an authority.
fn verify(leaf: Certificate, root: Certificate) -> Result<VerifiedSvid, ChainError> {
    verify_x509_svid(&[leaf], &bundles([root]), SystemTime::now())
}
