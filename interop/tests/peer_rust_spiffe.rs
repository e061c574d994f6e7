//! The crates `spiffe` and `spiffe-rustls`, with stock rustls, as a workload of a running `symbolon up`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ServerConfig};
use spiffe::{
    BundleSource as _, JwtSource, SpiffeId, TrustDomain, WorkloadApiClient, X509Context, X509Source,
};
use spiffe_rustls::{LocalOnly, authorizer, mtls_client, mtls_server};
use symbolon_api::FORMS_METADATA;
use symbolon_api::spire::api::server::bundle::v1::GetBundleRequest;
use symbolon_api::spire::api::server::bundle::v1::bundle_client::BundleClient;
use symbolon_api::spire::api::types;
use symbolon_interop::chain::TRUST_DOMAIN;
use symbolon_interop::up::Up;
use symbolon_interop::workload::{self, GREETING, Listener};
use symbolon_pki::bundle::{BundleSet, TrustBundle, X509Authority};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::suite::Form;
use symbolon_pki::verify::verify_x509_svid;
use symbolon_tls::ConnectionInfo;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tonic::transport::{Endpoint, Uri};

const HYBRID: &str = "X25519MLKEM768";
const AUDIENCE: &str = "interop";

/// Longest wait for an update that was caused.
const PATIENCE: Duration = Duration::from_secs(60);

fn trust_domain() -> TrustDomain {
    TrustDomain::new(TRUST_DOMAIN).unwrap()
}

fn parse(der: &[u8]) -> Certificate {
    Certificate::from_der(der).unwrap()
}

/// The form of every certificate, by its key.
fn forms<'a>(certificates: impl IntoIterator<Item = &'a [u8]>) -> Vec<Form> {
    certificates
        .into_iter()
        .map(|der| parse(der).subject_key().unwrap().form())
        .collect()
}

/// What the one SVID of a context is, after everything in the context was found classical and of our own.
fn the_only_svid(context: &X509Context) -> Certificate {
    let [svid] = context.svids() else {
        panic!("{} SVIDs instead of one", context.svids().len());
    };
    let bundle = context.bundle_set().get(&trust_domain()).unwrap();
    let roots: Vec<_> = bundle.authorities().iter().map(|root| root.as_bytes()).collect();
    // The catalyst authority is an ECDSA root like the classical one, with extensions that this client passes over.
    assert_eq!(forms(roots.iter().copied()), [Form::Classical; 2]);
    let chain: Vec<_> = svid.cert_chain().iter().map(|der| der.as_bytes()).collect();
    assert!(
        forms(chain.iter().copied())
            .iter()
            .all(|form| *form == Form::Classical)
    );

    let mut trusted = TrustBundle::new(trust_domain());
    let roots = roots.iter().map(|der| X509Authority::new(parse(der)));
    trusted.x509_authorities.extend(roots);
    let chain: Vec<_> = chain.iter().map(|der| parse(der)).collect();
    let verified = verify_x509_svid(&chain, &BundleSet::from(trusted), std::time::SystemTime::now()).unwrap();
    assert_eq!(verified.form, Form::Classical);
    assert_eq!(verified.spiffe_id, *svid.spiffe_id());
    chain[0].clone()
}

async fn source(up: &Up) -> X509Source {
    X509Source::builder()
        .endpoint(up.workload_api().unwrap())
        .build()
        .await
        .unwrap()
}

fn id(text: &str) -> SpiffeId {
    SpiffeId::new(text).unwrap()
}

async fn stock_client(up: &Up, expected: &str, alpn: &[&[u8]]) -> ClientConfig {
    mtls_client(source(up).await)
        .authorize(authorizer::exact([expected]).unwrap())
        .trust_domain_policy(LocalOnly(trust_domain()))
        .with_alpn_protocols(alpn)
        .build()
        .unwrap()
}

async fn stock_server(up: &Up, expected: &str) -> ServerConfig {
    mtls_server(source(up).await)
        .authorize(authorizer::exact([expected]).unwrap())
        .trust_domain_policy(LocalOnly(trust_domain()))
        .build()
        .unwrap()
}

async fn connect(config: ClientConfig, address: SocketAddr) -> std::io::Result<TlsStream<TcpStream>> {
    let tcp = TcpStream::connect(address).await?;
    let name = ServerName::IpAddress(address.ip().into());
    TlsConnector::from(Arc::new(config)).connect(name, tcp).await
}

fn group(connection: &rustls::CommonState) -> String {
    let group = connection.negotiated_key_exchange_group().unwrap();
    format!("{:?}", group.name())
}

/// What our end of a connection to a stock end has to have settled.
fn assert_classical_over_hybrid(info: &ConnectionInfo, peer: &str) {
    let found = info.peer.as_ref().unwrap();
    assert_eq!(found.spiffe_id, id(peer));
    assert_eq!(found.form, Form::Classical);
    assert_eq!(info.presented, Some(Form::Classical));
    assert_eq!(info.negotiated.key_exchange, HYBRID);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stock_workload_gets_one_svid_and_it_is_classical() {
    let up = Up::start().unwrap();
    let client = WorkloadApiClient::connect_to(up.workload_api().unwrap())
        .await
        .unwrap();
    let leaf = the_only_svid(&client.fetch_x509_context().await.unwrap());
    assert_eq!(leaf.spiffe_id().unwrap(), id(up.workload().unwrap()));
    assert!(
        leaf.dns_sans().is_empty(),
        "no DNS name for the sake of stock software"
    );

    let bundles = client.fetch_x509_bundles().await.unwrap();
    assert_eq!(bundles.len(), 1);
    let roots = bundles.get(&trust_domain()).unwrap();
    let roots = roots.authorities().iter().map(|root| root.as_bytes());
    assert_eq!(forms(roots), [Form::Classical; 2]);

    // The same workload, asked for by what a stock one does not know.
    let ours = workload::source(up.workload_api().unwrap()).await.unwrap();
    let context = ours.context().unwrap();
    assert_eq!(context.svids.len(), Form::OF_KEYS.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stock_workload_gets_tokens_and_has_them_validated() {
    let up = Up::start().unwrap();
    let endpoint = up.workload_api().unwrap();
    let client = WorkloadApiClient::connect_to(endpoint).await.unwrap();
    let token = client.fetch_jwt_svid([AUDIENCE], None).await.unwrap();
    assert_eq!(*token.spiffe_id(), id(up.workload().unwrap()));
    assert_eq!(token.audience(), [AUDIENCE]);

    let source = JwtSource::builder().endpoint(endpoint).build().await.unwrap();
    let bundle = source.bundle_for_trust_domain(&trust_domain()).unwrap().unwrap();
    assert!(bundle.find_jwt_authority(token.key_id()).is_some());
    let again = source.fetch_jwt_svid([AUDIENCE]).await.unwrap();
    assert_eq!(again.spiffe_id(), token.spiffe_id());

    let validated = client.validate_jwt_token(AUDIENCE, token.token()).await.unwrap();
    assert_eq!(validated.spiffe_id(), token.spiffe_id());
    client
        .validate_jwt_token("somebody else", token.token())
        .await
        .unwrap_err();
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_streamed() {
    let up = Up::start().unwrap();
    let client = WorkloadApiClient::connect_to(up.workload_api().unwrap())
        .await
        .unwrap();
    let mut contexts = client.stream_x509_contexts().await.unwrap();
    let first = contexts.next().await.unwrap().unwrap();
    the_only_svid(&first);

    let second = format!("spiffe://{TRUST_DOMAIN}/interop/second");
    let entry = up.register(&second, "second").unwrap();
    let mut until = async |count: usize| {
        let wait = async {
            loop {
                let context = contexts.next().await.unwrap().unwrap();
                if context.svids().len() == count {
                    return context;
                }
            }
        };
        timeout(PATIENCE, wait).await.unwrap()
    };
    let context = until(2).await;
    let added = context
        .svids()
        .iter()
        .find(|svid| *svid.spiffe_id() == id(&second))
        .unwrap();
    assert_eq!(added.hint(), Some("second"));

    up.delete(&entry).unwrap();
    let context = until(1).await;
    assert_eq!(*context.svids()[0].spiffe_id(), id(up.workload().unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stock_client_connects_to_our_listener() {
    let up = Up::start().unwrap();
    let workload = up.workload().unwrap();
    let ours = workload::source(up.workload_api().unwrap()).await.unwrap();
    let mut listener = Listener::start(ours, id(workload)).await.unwrap();

    let config = stock_client(&up, workload, &[]).await;
    let stream = connect(config, listener.address).await.unwrap();
    assert_eq!(group(stream.get_ref().1), HYBRID);
    let presented = stream.get_ref().1.peer_certificates().unwrap();
    let presented: Vec<_> = presented.iter().map(|der| der.as_ref()).collect();
    assert!(
        forms(presented.iter().copied())
            .iter()
            .all(|form| *form == Form::Classical)
    );
    assert!(parse(presented[0]).dns_sans().is_empty());
    assert_eq!(workload::exchange(stream, "hello\n").await.unwrap(), "hello\n");
    assert_classical_over_hybrid(&listener.outcome().await.unwrap(), workload);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stock_client_and_our_listener_refuse_strangers() {
    let up = Up::start().unwrap();
    let workload = up.workload().unwrap();
    let stranger = format!("spiffe://{TRUST_DOMAIN}/stranger");
    let ours = workload::source(up.workload_api().unwrap()).await.unwrap();

    let mut listener = Listener::start(ours.clone(), id(workload)).await.unwrap();
    let config = stock_client(&up, &stranger, &[]).await;
    connect(config, listener.address).await.unwrap_err();
    listener.outcome().await.unwrap_err();

    let mut listener = Listener::start(ours, id(&stranger)).await.unwrap();
    let config = stock_client(&up, workload, &[]).await;
    // In TLS 1.3 the client learns of it with the first read.
    if let Ok(stream) = connect(config, listener.address).await {
        let echoed = workload::exchange(stream, "hello\n").await;
        assert!(echoed.is_err(), "{echoed:?}");
    }
    let refused = format!("{:#}", listener.outcome().await.unwrap_err());
    assert!(refused.contains(workload), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn our_client_connects_to_a_stock_server() {
    let up = Up::start().unwrap();
    let workload = up.workload().unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(stock_server(&up, workload).await));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let stock = tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        let mut stream = acceptor.accept(tcp).await.unwrap();
        let group = group(stream.get_ref().1);
        let (mut reader, mut writer) = tokio::io::split(&mut stream);
        let said = GREETING.len() as u64;
        let mut reader = tokio::io::AsyncReadExt::take(&mut reader, said);
        tokio::io::copy(&mut reader, &mut writer).await.unwrap();
        tokio::io::AsyncWriteExt::shutdown(&mut stream).await.unwrap();
        group
    });
    let ours = workload::source(up.workload_api().unwrap()).await.unwrap();
    let info = workload::call(ours, address, id(workload)).await.unwrap();
    assert_classical_over_hybrid(&info, workload);
    assert_eq!(stock.await.unwrap(), HYBRID);
}

async fn bundle(config: ClientConfig, address: SocketAddr, forms: Option<&str>) -> types::Bundle {
    let connector = tower::service_fn(move |_: Uri| {
        let config = config.clone();
        async move { connect(config, address).await.map(TokioIo::new) }
    });
    let channel = Endpoint::from_static("http://server")
        .connect_with_connector(connector)
        .await
        .unwrap();
    let mut request = tonic::Request::new(GetBundleRequest::default());
    if let Some(forms) = forms {
        request
            .metadata_mut()
            .insert(FORMS_METADATA, forms.parse().unwrap());
    }
    BundleClient::new(channel)
        .get_bundle(request)
        .await
        .unwrap()
        .into_inner()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stock_client_connects_to_the_server_itself() {
    let up = Up::start().unwrap();
    let address: SocketAddr = up.server().unwrap().parse().unwrap();
    let server = format!("spiffe://{TRUST_DOMAIN}/spire/server");
    let config = stock_client(&up, &server, &[b"h2"]).await;
    let stream = connect(config.clone(), address).await.unwrap();
    assert_eq!(group(stream.get_ref().1), HYBRID);
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let presented = stream.get_ref().1.peer_certificates().unwrap();
    let leaf = parse(&presented[0]);
    assert_eq!(leaf.subject_key().unwrap().form(), Form::Classical);
    assert!(leaf.dns_sans().is_empty());

    let of = |bundle: &types::Bundle| {
        let roots = &bundle.x509_authorities;
        let mut forms = forms(roots.iter().map(|root| &*root.asn1));
        forms.sort();
        forms
    };
    let stock = bundle(config.clone(), address, None).await;
    assert_eq!(of(&stock), [Form::Classical; 2]);
    assert!(!stock.jwt_authorities.is_empty());
    let all = bundle(config, address, Some("classical,ml-dsa,composite")).await;
    assert_eq!(
        of(&all),
        [Form::Classical, Form::Classical, Form::MlDsa, Form::Composite]
    );
    assert_eq!(all.jwt_authorities, stock.jwt_authorities);
}
