//! Revocation lists, both ways.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::json;
use symbolon_crypto::random;
use symbolon_interop::chain::Issuer;
use symbolon_issuance::Serial;
use symbolon_issuance::crl::{CrlRequest, Revoked, prepare_crl};
use symbolon_pki::crl::{Crl, CrlSet, RevocationReason};
use symbolon_pki::suite::Suite;
use symbolon_pki::verify::{ChainReason, Revocation, RevocationMode, VerifyOptions, verify_x509_svid_with};
use tempfile::TempDir;

use crate::{PEER, bundles, certificate, java, run, shows, verify};

/// The suites whose authorities' lists are exchanged: their signatures are the certificates', so one of each kind is
/// enough where there are many.
const SUITES: [Suite; 6] = [
    Suite::EcdsaP256,
    Suite::EcdsaP384,
    Suite::MlDsa44,
    Suite::MlDsa65,
    Suite::MlDsa87,
    Suite::MlDsa65EcdsaP256,
];

/// Verifies a leaf that its issuer's list has, without and with that list.
fn assert_revoked(folder: &Path) -> Crl {
    let (leaf, root) = (certificate(folder, "leaf"), certificate(folder, "root"));
    let crl = Crl::from_der(&fs::read(folder.join("crl.der")).unwrap()).unwrap();
    verify(leaf.clone(), root.clone()).unwrap();
    let lists = CrlSet::new(vec![crl.clone()]).unwrap();
    let mut options = VerifyOptions::default();
    options.revocation = Revocation::new(RevocationMode::Require, lists);
    let error = verify_x509_svid_with(&[leaf], &bundles([root]), SystemTime::now(), &options).unwrap_err();
    assert!(matches!(*error.reason, ChainReason::Revoked { .. }), "{error}");
    crl
}

#[test]
#[ignore = "needs a Java compiler and Maven; run by cargo xtask interop"]
fn its_lists_are_read() {
    let folder = TempDir::new().unwrap();
    let oids = SUITES.map(|suite| suite.signature_oid().to_string());
    let made = run(java("crl-issue").arg(folder.path()).args(&oids));
    for suite in SUITES {
        let oid = suite.signature_oid().to_string();
        assert_eq!(made[&oid], true, "{made}");
        assert_revoked(&folder.path().join(oid));
        shows("their-crl", suite);
    }
}

#[test]
#[ignore = "needs a Java compiler and Maven; run by cargo xtask interop"]
fn its_catalyst_lists_are_read() {
    let folder = TempDir::new().unwrap();
    let (native, alternative) = (Suite::EcdsaP256, Suite::MlDsa65);
    let mut command = java("catalyst-issue");
    command
        .arg(folder.path())
        .arg(native.signature_oid().to_string())
        .arg(alternative.signature_oid().to_string())
        .arg("false");
    assert_eq!(run(&mut command), true);
    let crl = assert_revoked(folder.path());
    let root = certificate(folder.path(), "root");
    crl.verify_alternative(root.alternative().unwrap().key().unwrap())
        .unwrap();
    let leaf = certificate(folder.path(), "leaf");
    crl.verify_alternative(leaf.alternative().unwrap().key().unwrap())
        .unwrap_err();
    let form = format!("catalyst/{native} with {alternative}");
    PEER.shows("their-crl", &form, "ok").unwrap();
}

/// An authority's list with one serial number, which is given back.
fn list(issuer: &Issuer) -> (Vec<u8>, Serial) {
    let (serial, now) = (Serial::random(random::fill).unwrap(), SystemTime::now());
    let request = CrlRequest {
        number: 7,
        revoked: &[Revoked {
            serial,
            at: now,
            reason: RevocationReason::KeyCompromise,
            invalid_since: None,
        }],
        ttl: Duration::from_secs(60 * 60),
        now,
    };
    let signed = prepare_crl(&issuer.root, &request)
        .unwrap()
        .sign(&issuer.root)
        .unwrap();
    (signed.der().to_vec(), serial)
}

/// As Java prints numbers: without leading zeros.
fn number(serial: Serial) -> String {
    serial.hex().trim_start_matches('0').to_owned()
}

#[test]
#[ignore = "needs a Java compiler and Maven; run by cargo xtask interop"]
fn our_lists_are_read() {
    let folder = TempDir::new().unwrap();
    let mut command = java("crl-read");
    let lists = SUITES.map(|suite| {
        let issuer = Issuer::new(suite).unwrap();
        let (crl, serial) = list(&issuer);
        for (name, turned) in [("good", 0), ("turned", 1)] {
            let folder = folder.path().join(format!("{suite}-{name}"));
            fs::create_dir(&folder).unwrap();
            let mut crl = crl.clone();
            *crl.last_mut().unwrap() ^= turned;
            fs::write(folder.join("crl.der"), crl).unwrap();
            fs::write(folder.join("issuer.der"), issuer.root.certificate().der()).unwrap();
            command.arg(folder);
        }
        (suite, serial)
    });
    let reports = run(&mut command);
    for (suite, serial) in lists {
        let report = &reports[format!("{suite}-good")];
        let expected = json!({ "signature": true, "issuer": true, "revoked": [number(serial)] });
        assert_eq!(*report, expected, "{suite}");
        let report = &reports[format!("{suite}-turned")];
        assert!(
            report["signature"] == false || report.is_string(),
            "{suite}: {report}"
        );
        shows("crl", suite);
    }
}

#[test]
#[ignore = "needs a Java compiler and Maven; run by cargo xtask interop"]
fn our_catalyst_lists_are_read() {
    let folder = TempDir::new().unwrap();
    let issuer = Issuer::catalyst(Suite::EcdsaP256, Suite::MlDsa65).unwrap();
    let (crl, serial) = list(&issuer);
    let root = issuer.root.certificate().der();
    // The reader wants a whole chain; the list is of what stands in the middle.
    for name in ["leaf.der", "intermediate.der", "root.der"] {
        fs::write(folder.path().join(name), root).unwrap();
    }
    fs::write(folder.path().join("crl.der"), crl).unwrap();
    let reports = run(java("catalyst-read").arg(folder.path()));
    let report = reports.as_object().unwrap().values().next().unwrap();
    let expected = json!({ "native": true, "alternative": true, "revoked": [number(serial)] });
    assert_eq!(report["list"], expected, "{report}");
    PEER.shows("crl", "catalyst/ecdsa-p256 with ml-dsa-65", "ok")
        .unwrap();
}
