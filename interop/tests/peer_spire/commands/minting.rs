//! `x509 mint`, `jwt mint` and, where SPIRE's flag for it is set, `wit mint`.

use std::fs;
use std::time::{Duration, SystemTime};

use spiffe::TrustDomain;
use symbolon_interop::programs;
use symbolon_interop::server::{Server, Settings};
use symbolon_interop::spire;
use symbolon_pki::bundle::{BundleSet, TrustBundle, X509Authority};
use symbolon_pki::jwt::verify_jwt_svid;
use symbolon_pki::pem;
use symbolon_pki::suite::Form;
use symbolon_pki::verify::verify_x509_svid;

use crate::shows;

#[test]
#[ignore = "builds SPIRE; run by cargo xtask interop"]
fn x509_svids_are_minted() {
    let server = Server::start().unwrap();
    let id = server.id_of("/minted");
    let folder = server.home().to_str().unwrap();
    let said = spire::says(
        &server,
        &[
            "x509",
            "mint",
            "-spiffeID",
            &id,
            "-ttl",
            "10m",
            "-dns",
            "db.example.org",
            "-write",
            folder,
        ],
    )
    .unwrap();
    assert!(said.contains("X509-SVID written to"), "{said}");
    let read = |name: &str| {
        let text = fs::read(server.home().join(name)).unwrap();
        let certificates = pem::certificates(&text).unwrap();
        certificates.into_iter().map(Result::unwrap).collect::<Vec<_>>()
    };
    let chain = read("svid.pem");
    let mut bundle = TrustBundle::new(TrustDomain::new(server.trust_domain()).unwrap());
    bundle.x509_authorities = read("bundle.pem").into_iter().map(X509Authority::new).collect();
    let mut bundles = BundleSet::new();
    bundles.insert(bundle);
    let verified = verify_x509_svid(&chain, &bundles, SystemTime::now()).unwrap();
    assert_eq!(verified.spiffe_id.to_string(), id);
    assert_eq!(verified.form, Form::Classical);
    let key = pem::private_key(&fs::read(server.home().join("key.pem")).unwrap()).unwrap();
    let of_key = key.public_key().unwrap().spki_der();
    assert_eq!(chain[0].subject_key().unwrap().spki_der(), of_key);
    assert_eq!(chain[0].dns_sans(), ["db.example.org"]);
    let life = chain[0].not_after().duration_since(SystemTime::now()).unwrap();
    assert!(
        life <= Duration::from_secs(600) && life > Duration::from_secs(500),
        "{life:?}"
    );

    let foreign = ["x509", "mint", "-spiffeID", "spiffe://other.test/x"];
    let message = spire::refused(&server, &foreign).unwrap();
    assert!(message.contains("InvalidArgument"), "{message}");
    // A life beyond the authority's is cut, and the command says so.
    let output = spire::command(&server, &["x509", "mint", "-spiffeID", &id, "-ttl", "100000h"])
        .unwrap()
        .output()
        .unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(complaint.contains("lifetime was capped shorter"), "{complaint}");
    shows("commands/x509 mint");
}

#[test]
#[ignore = "builds SPIRE; run by cargo xtask interop"]
fn jwt_svids_are_minted() {
    let server = Server::start().unwrap();
    let id = server.id_of("/minted");
    let mint = [
        "jwt",
        "mint",
        "-spiffeID",
        &id,
        "-audience",
        "one",
        "-audience",
        "two",
        "-ttl",
        "2m",
    ];
    let token = spire::says(&server, &mint).unwrap();
    let trust_domain = TrustDomain::new(server.trust_domain()).unwrap();
    let document = spire::says(&server, &["bundle", "show", "-format", "spiffe"]).unwrap();
    let mut bundles = BundleSet::new();
    bundles.insert(TrustBundle::from_jwks(&trust_domain, document.as_bytes()).unwrap());
    let now = SystemTime::now();
    for audience in ["one", "two"] {
        let verified = verify_jwt_svid(token.trim(), audience, &bundles, now).unwrap();
        assert_eq!(verified.spiffe_id.to_string(), id);
        let life = verified.expires_at.duration_since(now).unwrap();
        assert!(life <= Duration::from_secs(120), "{life:?}");
    }
    verify_jwt_svid(token.trim(), "three", &bundles, now).unwrap_err();
    let foreign = [
        "jwt",
        "mint",
        "-spiffeID",
        "spiffe://other.test/x",
        "-audience",
        "one",
    ];
    let message = spire::refused(&server, &foreign).unwrap();
    assert!(message.contains("InvalidArgument"), "{message}");
    shows("commands/jwt mint");
}

#[test]
#[ignore = "builds SPIRE; run by cargo xtask interop"]
fn wit_svids_are_minted() {
    // As in SPIRE there are none by default.
    let plain = Server::start().unwrap();
    let bundle = spire::json(&plain, &["bundle", "show"]).unwrap();
    assert_eq!(bundle["wit_authorities"].as_array().unwrap().len(), 0, "{bundle}");
    let server = Server::with(&Settings {
        sections: "[families.wit]\n".to_owned(),
        ..Settings::default()
    })
    .unwrap();
    let id = server.id_of("/minted");
    let mut command = spire::command(&server, &["wit", "mint", "-spiffeID", &id, "-ttl", "2m"]).unwrap();
    // SPIRE keeps the command behind a flag of its own.
    command
        .env("SPIRE_SERVER_FFLAGS", "wit-svid")
        .args(["-output", "json"]);
    let minted = programs::json(&mut command).unwrap();
    let token = minted["svid"]["token"].as_str().unwrap();
    assert_eq!(token.split('.').count(), 3, "{minted}");
    assert_eq!(minted["svid"]["id"]["path"], "/minted", "{minted}");
    let bundle = spire::json(&server, &["bundle", "show"]).unwrap();
    assert!(
        !bundle["wit_authorities"].as_array().unwrap().is_empty(),
        "{bundle}"
    );
    shows("commands/wit mint");
}
