//! What an operator has a running server do, over its private socket.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use symbolon_api::FORMS_METADATA;
use symbolon_api::spire::api::server::bundle::v1::GetBundleRequest;
use symbolon_api::spire::api::server::bundle::v1::bundle_client::BundleClient;
use symbolon_api::spire::api::server::svid::v1::MintX509svidRequest;
use symbolon_api::spire::api::server::svid::v1::svid_client::SvidClient;
use symbolon_tls::grpc::{ChannelOptions, unix_channel};
use tonic::transport::Channel;
use tonic::{Request, Status};

use crate::up::Up;

/// An operator of a running `symbolon up`.
#[derive(Clone, Debug)]
pub struct Operator(Channel);

impl Operator {
    /// Connects to the server's private socket.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn of(up: &Up) -> Result<Self> {
        let socket: PathBuf = up.home().join("data/server/private.sock");
        let channel = unix_channel(&socket, &ChannelOptions::default())
            .await
            .with_context(|| format!("cannot connect to {}", socket.display()))?;
        Ok(Self(channel))
    }

    /// Has a request answered with an SVID of the SPIFFE ID that it names; a form that is not classical is asked for.
    /// Gives the chain in DER, leaf first.
    ///
    /// # Errors
    /// What the server answers instead.
    pub async fn mint(&self, csr: &[u8], form: &str) -> Result<Vec<Vec<u8>>, Status> {
        let message = MintX509svidRequest {
            csr: csr.to_vec(),
            ttl: 0,
        };
        let minted = SvidClient::new(self.0.clone())
            .mint_x509svid(asking(message, form)?)
            .await?;
        let svid = minted.into_inner().svid;
        Ok(svid
            .ok_or_else(|| Status::internal("the answer has no SVID"))?
            .cert_chain)
    }

    /// The server's own authorities of a form, in DER.
    ///
    /// # Errors
    /// What the server answers instead.
    pub async fn authorities(&self, form: &str) -> Result<Vec<Vec<u8>>> {
        let request = asking(GetBundleRequest::default(), form)?;
        let bundle = BundleClient::new(self.0.clone()).get_bundle(request).await?;
        let authorities = bundle.into_inner().x509_authorities;
        Ok(authorities.into_iter().map(|authority| authority.asn1).collect())
    }
}

fn asking<T>(message: T, form: &str) -> Result<Request<T>, Status> {
    let mut request = Request::new(message);
    let form = form
        .parse()
        .map_err(|_| Status::invalid_argument("a form's name is ASCII"))?;
    request.metadata_mut().insert(FORMS_METADATA, form);
    Ok(request)
}
