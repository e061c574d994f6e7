//! A server above this one that answers what a test wants it to, over the connection that servers have.

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use symbolon_api::spiffe::workload as wire;
use symbolon_api::spire::api::server::bundle::v1 as bundle;
use symbolon_api::spire::api::server::bundle::v1::bundle_server::{Bundle, BundleServer};
use symbolon_api::spire::api::server::svid::v1 as svid;
use symbolon_api::spire::api::server::svid::v1::svid_server::{Svid, SvidServer};
use symbolon_api::spire::api::types;
use symbolon_ca::datastore::AuthorityKind;
use symbolon_ca::upstream::{Answer, MintOrder, NestedOptions, Upstream as _, UpstreamError};
use symbolon_crypto::random;
use symbolon_issuance::{Authority, Beside, Serial, SvidProfile, SvidRequest, prepare_svid};
use symbolon_pki::bundle::{BundleSet, JwtAuthority, TrustBundle, X509Authority};
use symbolon_pki::key::{PrivateKey, SubjectKey};
use symbolon_pki::suite::{Family, Suite};
use symbolon_pki::time::{Clock, from_unix_seconds, unix_seconds};
use symbolon_tls::grpc::{ALPN_H2, incoming};
use symbolon_tls::{Acceptor, AuthorizeId, ClientAuth, ListenerOptions, StaticSource, SvidIdentity};
use tokio::net::TcpListener;
use tonic::{Request, Response, Status};

use crate::agent::Agent;
use crate::root::Root;
use crate::stand::{HOUR, Stand};
use crate::support::{TestClock, domain, id};

/// What the lower server waits for an answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// The stand-in behind SPIRE's API.
#[derive(Clone)]
struct Upper {
    stand: Arc<Stand>,
    clock: Arc<TestClock>,
}

fn status(error: UpstreamError) -> Status {
    match error {
        UpstreamError::Distrusted(said) => Status::already_exists(said),
        UpstreamError::Unavailable(said) => Status::unavailable(said),
        other => Status::failed_precondition(other.to_string()),
    }
}

macro_rules! not_of_the_stand_in {
    ($($name:ident: $request:ty => $response:ty),* $(,)?) => { $(
        fn $name<'life, 'async_trait>(
            &'life self,
            _: Request<$request>,
        ) -> Pin<Box<dyn Future<Output = Result<Response<$response>, Status>> + Send + 'async_trait>>
        where
            'life: 'async_trait,
            Self: 'async_trait,
        {
            Box::pin(async { Err(Status::unimplemented("not of this stand-in")) })
        }
    )* };
}

#[tonic::async_trait]
impl Svid for Upper {
    async fn new_downstream_x509ca(
        &self,
        request: Request<svid::NewDownstreamX509caRequest>,
    ) -> Result<Response<svid::NewDownstreamX509caResponse>, Status> {
        let request = request.into_inner();
        let order = MintOrder {
            family: Family::Classical,
            csr: request.csr,
            ttl: Duration::from_secs(request.preferred_ttl.unsigned_abs().into()),
            now: self.clock.now(),
        };
        let Answer::Minted(minted) = self.stand.mint(&order).await.map_err(status)? else {
            return Err(Status::internal("it is no offline authority"));
        };
        let der = |certificates: Vec<symbolon_pki::certificate::Certificate>| {
            certificates.iter().map(|it| it.der().to_vec()).collect()
        };
        Ok(Response::new(svid::NewDownstreamX509caResponse {
            ca_cert_chain: der(minted.chain),
            x509_authorities: der(minted.roots),
        }))
    }

    not_of_the_stand_in! {
        mint_x509svid: svid::MintX509svidRequest => svid::MintX509svidResponse,
        mint_jwtsvid: svid::MintJwtsvidRequest => svid::MintJwtsvidResponse,
        mint_witsvid: svid::MintWitsvidRequest => svid::MintWitsvidResponse,
        batch_new_x509svid: svid::BatchNewX509svidRequest => svid::BatchNewX509svidResponse,
        new_jwtsvid: svid::NewJwtsvidRequest => svid::NewJwtsvidResponse,
        batch_new_witsvid: svid::BatchNewWitsvidRequest => svid::BatchNewWitsvidResponse,
    }
}

fn key_message(key: &JwtAuthority) -> types::JwtKey {
    types::JwtKey {
        public_key: key.spki_der(),
        key_id: key.key_id.clone(),
        expires_at: key
            .expires_at
            .map_or(0, |at| i64::try_from(unix_seconds(at)).unwrap()),
        tainted: key.tainted,
    }
}

#[tonic::async_trait]
impl Bundle for Upper {
    async fn get_bundle(
        &self,
        _: Request<bundle::GetBundleRequest>,
    ) -> Result<Response<types::Bundle>, Status> {
        let found = self.stand.bundle().await.map_err(status)?.unwrap().authorities;
        let x509 = found.x509.iter().map(|it| types::X509Certificate {
            asn1: it.certificate.der().to_vec(),
            tainted: it.tainted,
        });
        Ok(Response::new(types::Bundle {
            trust_domain: domain().to_string(),
            x509_authorities: x509.collect(),
            jwt_authorities: found.jwt.iter().map(key_message).collect(),
            ..types::Bundle::default()
        }))
    }

    async fn publish_jwt_authority(
        &self,
        request: Request<bundle::PublishJwtAuthorityRequest>,
    ) -> Result<Response<bundle::PublishJwtAuthorityResponse>, Status> {
        let sent = request.into_inner().jwt_authority.unwrap();
        let mut key = JwtAuthority::from_spki_der(&sent.key_id, &sent.public_key).unwrap();
        key.expires_at = from_unix_seconds(sent.expires_at.unsigned_abs());
        self.stand
            .publish(AuthorityKind::Jwt, &key)
            .await
            .map_err(status)?;
        Ok(Response::new(bundle::PublishJwtAuthorityResponse::default()))
    }

    not_of_the_stand_in! {
        count_bundles: bundle::CountBundlesRequest => bundle::CountBundlesResponse,
        append_bundle: bundle::AppendBundleRequest => types::Bundle,
        publish_wit_authority: bundle::PublishWitAuthorityRequest => bundle::PublishWitAuthorityResponse,
        list_federated_bundles: bundle::ListFederatedBundlesRequest => bundle::ListFederatedBundlesResponse,
        get_federated_bundle: bundle::GetFederatedBundleRequest => types::Bundle,
        batch_create_federated_bundle:
            bundle::BatchCreateFederatedBundleRequest => bundle::BatchCreateFederatedBundleResponse,
        batch_update_federated_bundle:
            bundle::BatchUpdateFederatedBundleRequest => bundle::BatchUpdateFederatedBundleResponse,
        batch_set_federated_bundle:
            bundle::BatchSetFederatedBundleRequest => bundle::BatchSetFederatedBundleResponse,
        batch_delete_federated_bundle:
            bundle::BatchDeleteFederatedBundleRequest => bundle::BatchDeleteFederatedBundleResponse,
    }
}

/// Who somebody is in the trust domain above.
fn identity(root: &Root, profile: SvidProfile, path: &str, now: SystemTime) -> (PrivateKey, Vec<u8>) {
    let authority = Authority::new(root.certificate.clone(), root.signer()).unwrap();
    let key = PrivateKey::generate(Suite::EcdsaP256).unwrap();
    let request = SvidRequest {
        profile,
        spiffe_id: &id(path),
        key: &SubjectKey::Suite(key.public_key().unwrap()),
        beside: Beside::Nothing,
        dns_names: &[],
        ttl: 48 * HOUR,
        serial: Serial::random(random::fill).unwrap(),
        now,
    };
    let issued = prepare_svid(&authority, &request).unwrap();
    (key, issued.sign(&authority).unwrap().into_der())
}

/// Serves the stand-in, and an agent of its beside it; gives what the lower server is to know.
pub(crate) async fn serve(dir: &Path, stand: &Arc<Stand>, clock: &Arc<TestClock>) -> NestedOptions {
    let root = Root::new(Suite::EcdsaP256, clock.now());
    let (key, certificate) = identity(&root, SvidProfile::Workload, "/nested", clock.now());
    let agent = Agent::new(wire::X509svidResponse {
        svids: vec![wire::X509svid {
            spiffe_id: id("/nested").to_string(),
            x509_svid: certificate,
            x509_svid_key: key.to_pkcs8_der().unwrap().to_vec(),
            bundle: root.certificate.der().to_vec(),
            ..wire::X509svid::default()
        }],
        ..wire::X509svidResponse::default()
    });
    let socket = dir.join("agent.sock");
    agent.serve(&socket);

    let (key, certificate) = identity(&root, SvidProfile::Server, "/spire/server", clock.now());
    let own = SvidIdentity::new(vec![certificate], key.signer().unwrap()).unwrap();
    let bundle = TrustBundle {
        x509_authorities: vec![X509Authority::new(root.certificate)],
        ..TrustBundle::new(domain())
    };
    let source = StaticSource::new(vec![Arc::new(own)], BundleSet::from(bundle));
    let options = ListenerOptions {
        alpn: vec![ALPN_H2.to_vec()],
        ..ListenerOptions::default()
    };
    let authorize = AuthorizeId::OneOf(vec![id("/nested")]);
    let clock_of_tls = clock.clone() as Arc<dyn Clock>;
    let acceptor = Acceptor::new(
        Arc::new(source),
        authorize,
        ClientAuth::Required,
        options,
        clock_of_tls,
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let upper = Upper {
        stand: stand.clone(),
        clock: clock.clone(),
    };
    tokio::spawn(
        tonic::transport::Server::builder()
            .add_service(SvidServer::new(upper.clone()))
            .add_service(BundleServer::new(upper))
            .serve_with_incoming(incoming(listener, acceptor, 16)),
    );
    NestedOptions {
        address,
        workload_api_socket: socket,
        spiffe_id: None,
        has_forms: false,
        timeout: PATIENCE,
    }
}
