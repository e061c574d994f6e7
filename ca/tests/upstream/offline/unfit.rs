//! Certificates that are brought and of no use.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use spiffe::TrustDomain;
use symbolon_pki::certificate::Certificate;
use symbolon_pki::csr::Csr;
use symbolon_pki::key::{PrivateKey, SubjectKey};
use symbolon_pki::pem;
use symbolon_pki::suite::{Family, Suite};
use symbolon_pki::time::Clock as _;

use super::{Below, certified};
use crate::root::Root;
use crate::run::told;

/// What is of no use is put away with the reason, and the request waits on.
pub(super) async fn refuses_what_is_unfit(below: &Below, root: &Root, csr: &Csr) {
    let now = below.clock.now();
    let other = Root::new(Suite::MlDsa65, now);
    let elsewhere = TrustDomain::new("elsewhere.org").unwrap();
    let year = Duration::from_secs(365 * 24 * 3600);
    let foreign = Root::with(Suite::MlDsa87, None, &elsewhere, None, year, now);
    let (days, key) = (Duration::from_secs(24 * 3600), csr.key().clone());
    let other_key = SubjectKey::Suite(
        PrivateKey::generate(Suite::MlDsa65)
            .unwrap()
            .public_key()
            .unwrap(),
    );
    let whole = below.sign(root, csr);
    let own = certificate_of(&whole);
    let chain = |certificates: &[&Certificate]| pem::encode_certificates(certificates.iter().copied());
    let cases = [
        (chain(&[&other.certificate]), "no certificate"),
        (whole.replace("BEGIN", "BEGNI"), "BEGIN"),
        (chain(&[&own]), "holds no root"),
        // What is half copied when whoever copies it dies.
        (whole[..whole.len() / 2].to_owned(), "no END marker"),
        (certified(root, &other_key, 90 * days, now), "key"),
        (certified(&foreign, &key, 90 * days, now), "elsewhere.org"),
        (certified(root, &key, 90 * days, now - 100 * days), "ended at"),
        (certified(root, &key, 90 * days, now + days), "begins at"),
        (certified(root, &key, Duration::from_secs(20), now), "too early"),
        (chain(&[&own, &other.certificate]), "would not be believed"),
        (
            chain(&[&own, &root.twin(Some(0), now).certificate]),
            "allows 0 intermediate",
        ),
    ];
    let brought = below.file("chain.pem");
    let (refused, note) = (below.file("refused.pem"), below.file("refused.txt"));
    for (text, reason) in cases {
        fs::write(&brought, &text).unwrap();
        assert_eq!(
            below.look().await.unwrap(),
            [],
            "{reason}: somebody may be copying it still"
        );
        let error = below.look().await.unwrap_err();
        assert!(told(&error).contains(reason), "{reason}: {error:?}");
        let noted = fs::read_to_string(&note).unwrap();
        assert!(noted.contains(reason), "{reason}: {noted}");
        assert_eq!(fs::read_to_string(&refused).unwrap(), text, "{reason}");
        assert!(!brought.exists(), "{reason}");
        assert!(below.run.authorities.active(Family::MlDsa).is_none(), "{reason}");
        assert_eq!(below.request().key(), csr.key(), "{reason}: the request waits on");
        // So that the next case has to write them anew.
        fs::remove_file(&note).unwrap();
        fs::remove_file(&refused).unwrap();
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_not_refused() {
    let (below, _carried, _root) = super::start().await;
    let brought = below.file("chain.pem");
    let assert_left_alone = |error: &dyn std::error::Error| {
        let said = told(error);
        assert!(said.contains("cannot be reached"), "{said}");
        assert!(said.contains("chain.pem"), "{said}");
        assert!(brought.symlink_metadata().is_ok(), "{said}");
        for ending in ["refused.pem", "refused.txt"] {
            assert!(!below.file(ending).exists(), "{said}");
        }
    };
    // A directory can be looked at, and not read.
    fs::create_dir(&brought).unwrap();
    assert_eq!(below.look().await.unwrap(), []);
    assert_left_alone(&below.look().await.unwrap_err());
    // What leads to itself cannot even be looked at.
    fs::remove_dir(&brought).unwrap();
    symlink(&brought, &brought).unwrap();
    assert_left_alone(&below.look().await.unwrap_err());
}

fn certificate_of(text: &str) -> Certificate {
    pem::certificates(text.as_bytes()).unwrap().remove(0).unwrap()
}
