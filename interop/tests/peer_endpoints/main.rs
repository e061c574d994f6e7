//! Servers as others make them, and ours, in many configurations: the migration planner asks each what it accepts and
//! has to report just what was configured. The configurations and the reports are the tables in
//! `interop/endpoints/`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod case;
mod ours;
mod server;

use crate::case::{cases, difference, report, scanned, written_and_read};
use crate::server::{Program, Workshop};

/// Runs every case of a program; fails with all that differ.
fn prove(program: Program, workshop: &Workshop) {
    let cases = cases(program.name()).unwrap();
    assert!(!cases.is_empty());
    let differences: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            let server = match workshop.start(program, case) {
                Ok(server) => server,
                Err(error) => return Some(format!("{}: {error:#}", case.name)),
            };
            let inventory = scanned(&server.target).unwrap();
            let found = report(&inventory);
            difference(&case.name, &case.expect, &found).or_else(|| {
                difference(
                    "read back from the CBOM",
                    &found,
                    &report(&written_and_read(&inventory)),
                )
            })
        })
        .collect();
    assert!(
        differences.is_empty(),
        "{} of {} configurations of {} are not reported as they are:\n{}",
        differences.len(),
        cases.len(),
        program.name(),
        differences.join("\n")
    );
}

#[test]
#[ignore = "needs programs of Debian 13; `cargo xtask interop endpoints` brings them"]
fn openssl_is_reported_as_it_is_configured() {
    let workshop = Workshop::with_certificates(&[
        "rsa", "rsa-pss", "p256", "p384", "ed25519", "mldsa44", "mldsa65", "mldsa87",
    ])
    .unwrap();
    workshop
        .run("usr/bin/openssl", &["dhparam", "-out", "dh1024.pem", "1024"])
        .unwrap();
    prove(Program::OpenSsl, &workshop);
}

#[test]
#[ignore = "needs programs of Debian 13; `cargo xtask interop endpoints` brings them"]
fn nginx_is_reported_as_it_is_configured() {
    let workshop = Workshop::with_certificates(&["rsa", "p256", "p384", "mldsa65"]).unwrap();
    prove(Program::Nginx, &workshop);
}

#[test]
#[ignore = "needs programs of Debian 13; `cargo xtask interop endpoints` brings them"]
fn gnutls_is_reported_as_it_is_configured() {
    let workshop = Workshop::with_certificates(&["rsa", "p256"]).unwrap();
    prove(Program::GnuTls, &workshop);
}

#[test]
#[ignore = "needs programs of Debian 13; `cargo xtask interop endpoints` brings them"]
fn slapd_is_reported_as_it_is_configured() {
    let workshop = Workshop::with_certificates(&["rsa"]).unwrap();
    prove(Program::Slapd, &workshop);
}

#[test]
#[ignore = "needs programs of Debian 13; `cargo xtask interop endpoints` brings them"]
fn openssh_is_reported_as_it_is_configured() {
    let workshop = Workshop::empty().unwrap();
    for (kind, bits) in [("ed25519", "256"), ("ecdsa", "384"), ("rsa", "3072")] {
        let arguments = ["-q", "-t", kind, "-b", bits, "-N", "", "-C", "", "-f", kind];
        workshop.run("usr/bin/ssh-keygen", &arguments).unwrap();
    }
    let certify = [
        "-q",
        "-s",
        "rsa",
        "-I",
        "localhost",
        "-h",
        "-n",
        "localhost",
        "ed25519.pub",
    ];
    workshop.run("usr/bin/ssh-keygen", &certify).unwrap();
    prove(Program::OpenSsh, &workshop);
}
