//! Our revocation lists, in `verify` of Debian 13.

use symbolon_interop::revocation::Revocable;
use symbolon_pki::pem;
use symbolon_pki::suite::Suite;

use crate::command::OpenSsl;
use crate::{known, result};

#[test]
#[ignore = "needs programs of Debian 13; run by cargo xtask interop"]
fn our_revocation_lists_are_believed() {
    let mut all: Vec<Revocable> = known().map(|suite| Revocable::issue(suite).unwrap()).collect();
    all.push(Revocable::catalyst(Suite::EcdsaP256, Suite::MlDsa65).unwrap());
    for revocable in all {
        let openssl = OpenSsl::open();
        let form = &*revocable.chain.form;
        revocable.write(openssl.path()).unwrap();
        let verify = |lists: &str| {
            openssl.run(&format!(
                "verify -x509_strict -crl_check_all {lists} -CAfile root.pem -untrusted intermediate.pem leaf.pem"
            ))
        };
        let verified = verify("-CRLfile root-crl.pem -CRLfile clean-crl.pem");
        assert_eq!(verified.as_deref(), Ok("leaf.pem: OK\n"), "{form}");
        let revoked = verify("-CRLfile root-crl.pem -CRLfile revoking-crl.pem").unwrap_err();
        assert!(revoked.contains("certificate revoked"), "{form}: {revoked}");
        let missing = verify("-CRLfile root-crl.pem").unwrap_err();
        assert!(
            missing.contains("unable to get certificate CRL"),
            "{form}: {missing}"
        );

        let mut turned = revocable.clean.clone();
        let place = turned.len() - 20;
        turned[place] ^= 1;
        openssl.write("clean-crl.pem", pem::encode("X509 CRL", &turned).as_bytes());
        let refused = verify("-CRLfile root-crl.pem -CRLfile clean-crl.pem").unwrap_err();
        assert!(refused.contains("CRL signature failure"), "{form}: {refused}");
        openssl.peer.shows("crl", form, result(form)).unwrap();
    }
}
