//! Requests made by OpenSSL and issued by a running server.

use symbolon_interop::operator::Operator;
use symbolon_interop::up::Up;
use symbolon_pki::pem;

use crate::command::{NEW_KEYS, OpenSsl};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs programs of Debian 13; run by cargo xtask interop"]
async fn a_running_server_answers_their_requests() {
    let openssl = OpenSsl::open();
    let up = Up::start().unwrap();
    let operator = Operator::of(&up).await.unwrap();
    for (form, newkey, _) in NEW_KEYS {
        let csr = openssl.request(newkey);
        let base = form.split('/').next().unwrap();
        let chain = operator.mint(&csr, base).await.unwrap();
        let certificates: Vec<String> = chain
            .iter()
            .map(|der| pem::encode("CERTIFICATE", der).to_string())
            .collect();
        openssl.write("leaf.pem", certificates[0].as_bytes());
        openssl.write("untrusted.pem", certificates.concat().as_bytes());
        let roots = operator.authorities(base).await.unwrap();
        let roots: String = roots
            .iter()
            .map(|der| pem::encode("CERTIFICATE", der).to_string())
            .collect();
        openssl.write("roots.pem", roots.as_bytes());
        for purpose in ["sslclient", "sslserver"] {
            let printed = openssl.run(&format!(
                "verify -x509_strict -check_ss_sig -purpose {purpose} -CAfile roots.pem -untrusted untrusted.pem \
                 leaf.pem"
            ));
            assert_eq!(printed.as_deref(), Ok("leaf.pem: OK\n"), "{form}");
        }
        let certified = openssl.run("x509 -in leaf.pem -noout -pubkey").unwrap();
        assert_eq!(
            certified,
            openssl.run("pkey -in key.pem -pubout").unwrap(),
            "{form}"
        );
        openssl.peer.shows("request", form, "ok").unwrap();
    }

    let csr = openssl.request("SLH-DSA-SHA2-128s");
    let status = operator.mint(&csr, "classical").await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::InvalidArgument);
    assert!(status.message().to_lowercase().contains("slh-dsa"), "{status}");
}
