//! Roots that are made and used as they should be.

use std::os::unix::fs::PermissionsExt as _;
use std::time::SystemTime;

use spiffe::TrustDomain;
use symbolon_ca::ceremony::event::What;
use symbolon_ca::ceremony::{SecretKind, audit, audit_dir, export, run, sign};
use symbolon_issuance::{Authority, Beside, Serial, SvidProfile, SvidRequest, prepare_svid};
use symbolon_pki::bundle::{BundleSet, TrustBundle, X509Authority};
use symbolon_pki::certificate::{Certificate, Subtree};
use symbolon_pki::key::{PrivateKey, SubjectKey};
use symbolon_pki::suite::Suite;
use symbolon_pki::verify::verify_x509_svid;

use crate::support::{ALL, Room, Script, certificates, plan, planned};

/// A workload's chain under an intermediate verifies against the root as any other.
fn serves(root: &Certificate, intermediate: &Certificate, key: &PrivateKey, suite: Suite) {
    let authority = Authority::new(intermediate.clone(), key.signer().unwrap()).unwrap();
    let leaf_key = PrivateKey::generate(suite).unwrap().signer().unwrap();
    let leaf_key = SubjectKey::Suite(leaf_key.public_key().clone());
    let now = SystemTime::now();
    let id = "spiffe://example.org/web".parse().unwrap();
    let request = SvidRequest {
        profile: SvidProfile::Workload,
        spiffe_id: &id,
        key: &leaf_key,
        beside: Beside::Nothing,
        dns_names: &[],
        ttl: std::time::Duration::from_secs(3600),
        serial: Serial::random(symbolon_crypto::random::fill).unwrap(),
        now,
    };
    let leaf = prepare_svid(&authority, &request)
        .unwrap()
        .sign(&authority)
        .unwrap();
    let chain = [Certificate::from_der(leaf.der()).unwrap(), intermediate.clone()];
    let mut bundle = TrustBundle::new(TrustDomain::new("example.org").unwrap());
    bundle.x509_authorities.push(X509Authority::new(root.clone()));
    let mut bundles = BundleSet::new();
    bundles.insert(bundle);
    let verified = verify_x509_svid(&chain, &bundles, now).unwrap();
    assert_eq!((verified.form, verified.chain_len), (suite.form(), 3));
}

#[test]
fn a_composite_root_by_two_of_three_signs_now_and_later() {
    let room = Room::new();
    let suite = Suite::MlDsa65EcdsaP256;
    let (_, site_a) = room.csr("site-a", suite);
    let outcome = room.run(&plan(suite, &planned("site-a")));
    assert_eq!(outcome.shares.len(), 3);
    for (_, share) in &outcome.shares {
        assert_eq!(
            std::fs::metadata(share).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
    let root = room.root();
    assert!(root.subject().contains("O=Example Ltd"), "{}", root.subject());
    assert_eq!(root.path_len(), Some(1));
    serves(
        &root,
        &certificates(&room.dir().join("intermediates/site-a.pem"))[0],
        &site_a,
        suite,
    );

    let mut made = vec![];
    for (file, present) in [("site-b", ["alice", "carol"]), ("site-c", ["carol", "bob"])] {
        made.push((file, room.csr(file, suite).1));
        room.sign(&[file], &present).unwrap();
    }
    for (file, key) in &made {
        let chain = certificates(&room.dir().join(format!("intermediates/{file}.chain.pem")));
        assert_eq!(chain.len(), 2);
        assert_eq!(chain[1], root);
        assert_eq!(chain[0].path_len(), Some(0));
        serves(&root, &chain[0], key, suite);
    }

    // Anybody, with the root and the transcript alone, or with everything.
    let proven = audit(&std::fs::read(room.transcript()).unwrap(), &root).unwrap();
    let names: Vec<_> = proven.intermediates.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["site-a", "site-b", "site-c"]);
    assert_eq!(proven.sessions.len(), 3);
    assert!(proven.sessions.iter().all(|session| session.closed));
    assert_eq!(proven.keys.len(), 2);
    audit_dir(&room.dir(), &root).unwrap();
}

#[test]
fn every_suite_makes_a_root() {
    for suite in Suite::DEFAULTS {
        let room = Room::new();
        let (_, key) = room.csr("below", suite);
        room.run(&plan(suite, &planned("below")));
        let below = certificates(&room.dir().join("intermediates/below.pem"));
        serves(&room.root(), &below[0], &key, suite);
        audit_dir(&room.dir(), &room.root()).unwrap();
    }
}

#[test]
fn a_root_keeps_what_is_below_it_to_its_trust_domain() {
    let room = Room::new();
    let suite = Suite::EcdsaP256;
    let (_, key) = room.csr("below", suite);
    let wanted = plan(suite, &planned("below"))
        .replace("path_length = 1\n", "path_length = 1\nname_constraints = true\n");
    room.run(&wanted);
    let root = room.root();
    let constraints = root.name_constraints().unwrap();
    assert_eq!(constraints.permitted, [Subtree::Uri("example.org".to_owned())]);
    assert!(constraints.excluded.is_empty());
    let below = certificates(&room.dir().join("intermediates/below.pem"));
    assert_eq!(below[0].name_constraints(), None);
    serves(&root, &below[0], &key, suite);
    audit_dir(&room.dir(), &root).unwrap();
}

/// Roots of suites that sign nothing else, or that are not offered unless they are named; below each what its family
/// offers. Those with small signatures or RSA keys differ in nothing but the time they take.
#[test]
fn roots_of_further_suites_are_made() {
    for (root, below) in [
        (Suite::EcdsaP521, Suite::EcdsaP256),
        (Suite::SlhDsaSha2_128f, Suite::MlDsa65),
        (Suite::SlhDsaShake256f, Suite::MlDsa87),
        (Suite::MlDsa87Ed448, Suite::MlDsa65EcdsaP256),
        (Suite::MlDsa65EcdsaBrainpoolP256r1, Suite::MlDsa87EcdsaP521),
    ] {
        let room = Room::new();
        let (_, key) = room.csr("below", below);
        room.run(&plan(root, &planned("below")));
        let certificates = certificates(&room.dir().join("intermediates/below.pem"));
        serves(&room.root(), &certificates[0], &key, below);
        audit_dir(&room.dir(), &room.root()).unwrap();
    }
}

#[test]
fn openssl_believes_a_classical_chain() {
    let room = Room::new();
    room.csr("below", Suite::EcdsaP384);
    room.run(&plan(Suite::EcdsaP384, &planned("below")));
    let output = std::process::Command::new("openssl")
        .args(["verify", "-x509_strict", "-purpose", "any", "-CAfile"])
        .arg(room.dir().join("root.pem"))
        .arg(room.dir().join("intermediates/below.pem"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn shares_under_passphrases_are_asked_for_and_no_secret_is_in_the_transcript() {
    let room = Room::new();
    let file = plan(Suite::MlDsa44, "").replace("shares = \"none\"", "shares = \"passphrase\"");
    let mut script = Script::default();
    run(&room.request(&file, &ALL), &mut script).unwrap();
    let asked: Vec<_> = script
        .asked
        .iter()
        .map(|wanted| (wanted.is_new, wanted.kind.clone()))
        .collect();
    assert_eq!(asked, vec![(true, SecretKind::Share); 3]);

    room.csr("site", Suite::MlDsa44);
    let mut script = Script::default();
    sign(&room.sign_request(&["site"], &["bob", "alice"]), &mut script).unwrap();
    assert!(script.asked.iter().all(|wanted| !wanted.is_new));
    assert_eq!(script.asked.len(), 2);

    let transcript = std::fs::read_to_string(room.transcript()).unwrap();
    for custodian in ALL {
        let secret = crate::support::usual_secret(custodian);
        assert!(!transcript.contains(&secret));
        let share = std::fs::read_to_string(room.dir().join(format!("shares/{custodian}.share"))).unwrap();
        let kept = share.lines().nth(2).unwrap();
        assert!(!transcript.contains(kept) && !share.contains(&secret));
    }
    assert!(script.steps.iter().all(|step| !step.contains("the secret of")));
}

#[test]
fn each_event_is_told_when_it_is_on_the_disk() {
    let room = Room::new();
    let path = room.transcript();
    let mut script = Script {
        on_event: Some(Box::new(move |event| {
            let text = std::fs::read_to_string(&path).unwrap();
            assert_eq!(text.lines().count() as u64, event.number + 1);
        })),
        ..Script::default()
    };
    run(&room.request(&plan(Suite::Ed25519, ""), &ALL), &mut script).unwrap();
    assert!(matches!(
        script.events.last().unwrap().what,
        What::SessionClosed(_)
    ));
}

#[test]
fn what_is_missing_is_written_again_and_nothing_else() {
    let room = Room::new();
    room.csr("site", Suite::EcdsaP256);
    room.run(&plan(Suite::EcdsaP256, &planned("site")));
    let root = room.root();
    assert!(export(&room.dir(), &root).unwrap().files.is_empty());
    let lost = room.dir().join("intermediates/site.pem");
    let content = std::fs::read(&lost).unwrap();
    std::fs::remove_file(&lost).unwrap();
    let error = audit_dir(&room.dir(), &root).unwrap_err().to_string();
    assert!(
        error.contains("site.pem") && error.contains("ceremony export"),
        "{error}"
    );
    assert_eq!(
        export(&room.dir(), &root).unwrap().files,
        std::slice::from_ref(&lost)
    );
    assert_eq!(std::fs::read(&lost).unwrap(), content);
    audit_dir(&room.dir(), &root).unwrap();
}
