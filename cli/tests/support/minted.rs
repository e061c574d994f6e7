//! SVIDs that a server mints on its private socket, as those see them who have nothing but roots.

use std::path::Path;
use std::time::SystemTime;

use symbolon_api::forms;
use symbolon_api::spire::api::server::svid::v1::MintX509svidRequest;
use symbolon_api::spire::api::server::svid::v1::svid_client::SvidClient;
use symbolon_pki::bundle::{BundleSet, TrustBundle};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::csr::CsrBuilder;
use symbolon_pki::key::PrivateKey;
use symbolon_pki::suite::Form;
use symbolon_pki::verify::verify_x509_svid;
use symbolon_tls::grpc::{ChannelOptions, unix_channel};

/// The chain of a new SVID of this form.
pub(crate) fn mint(socket: &Path, form: Form) -> Result<Vec<Certificate>, tonic::Status> {
    let id = "spiffe://example.org/below".parse().unwrap();
    let key = PrivateKey::generate(form.default_suite()).unwrap();
    let signer = key.signer().unwrap();
    let csr = CsrBuilder::new(&signer).spiffe_id(&id).build().unwrap();
    let mut request = tonic::Request::new(MintX509svidRequest { csr, ttl: 0 });
    forms::request(request.metadata_mut(), [form.name()]).unwrap();
    let minted = tokio::runtime::Runtime::new().unwrap().block_on(async {
        let channel = unix_channel(socket, &ChannelOptions::default()).await.unwrap();
        SvidClient::new(channel).mint_x509svid(request).await
    })?;
    let chain = minted.into_inner().svid.unwrap().cert_chain;
    Ok(chain
        .iter()
        .map(|der| Certificate::from_der(der).unwrap())
        .collect())
}

/// Mints an SVID and verifies it with nothing but a bundle; its chain is the leaf, and the authority that was certified by
/// somebody in the bundle.
pub(crate) fn assert_below(socket: &Path, form: Form, bundle: TrustBundle) {
    let chain = mint(socket, form).unwrap();
    assert_eq!(
        chain.len(),
        2,
        "{form}: the leaf, and the authority that was certified above"
    );
    let verified = verify_x509_svid(&chain, &BundleSet::from(bundle), SystemTime::now()).unwrap();
    assert_eq!(verified.spiffe_id.to_string(), "spiffe://example.org/below");
    assert_eq!(verified.form, form);
}
