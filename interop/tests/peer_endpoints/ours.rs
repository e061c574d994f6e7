//! Our own servers: a listener of `tls/` in this process, and a whole `symbolon up`.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Result;
use spiffe::TrustDomain;
use symbolon_interop::chain::{Chain, TRUST_DOMAIN};
use symbolon_interop::up::Up;
use symbolon_pki::bundle::{BundleSet, TrustBundle, X509Authority};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::suite::Suite;
use symbolon_pki::time::SystemClock;
use symbolon_tls::{
    Acceptor, AuthorizeId, ClientAuth, KexPolicy, KxGroup, ListenerOptions, StaticSource, SvidIdentity,
};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::case::{cases, difference, report, scanned};

/// A listener with SVIDs of these suites. Ends when dropped.
struct Listener {
    address: SocketAddr,
    _runtime: Runtime,
}

impl Listener {
    fn start(suites: &[Suite], client_auth: ClientAuth, options: ListenerOptions) -> Result<Self> {
        let chains = suites.iter().map(|suite| Chain::issue(*suite));
        let chains = chains.collect::<Result<Vec<_>>>()?;
        let mut bundle = TrustBundle::new(TrustDomain::new(TRUST_DOMAIN)?);
        let mut identities = Vec::new();
        for chain in chains {
            let root = X509Authority::new(Certificate::from_der(&chain.root)?);
            bundle.x509_authorities.push(root);
            let certificates = vec![chain.leaf.clone(), chain.intermediate.clone()];
            identities.push(Arc::new(SvidIdentity::new(certificates, chain.key.signer()?)?));
        }
        let acceptor = Acceptor::new(
            Arc::new(StaticSource::new(identities, BundleSet::from(bundle))),
            AuthorizeId::Any,
            client_auth,
            options,
            Arc::new(SystemClock),
        );
        let runtime = Runtime::new()?;
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
        let address = listener.local_addr()?;
        runtime.spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    // Whoever asks breaks off, as it should.
                    let _ = acceptor.accept(tcp).await;
                });
            }
        });
        Ok(Self {
            address,
            _runtime: runtime,
        })
    }
}

/// The listeners, by the names that the table has for them.
fn listener(name: &str) -> Result<Listener> {
    let options = ListenerOptions::default();
    match name {
        "as it comes" => Listener::start(&[Suite::EcdsaP256], ClientAuth::Required, options),
        "classical exchanges allowed" => Listener::start(
            &[Suite::EcdsaP256],
            ClientAuth::Optional,
            ListenerOptions {
                allow_classical_kex: true,
                ..options
            },
        ),
        "SecP384r1MLKEM1024 alone, with a composite" => Listener::start(
            &[Suite::MlDsa87EcdsaP384],
            ClientAuth::Required,
            ListenerOptions {
                kex: KexPolicy::Only(vec![KxGroup::SecP384r1MlKem1024]),
                ..options
            },
        ),
        "a composite beside a classical SVID" => Listener::start(
            &[Suite::EcdsaP256, Suite::MlDsa65EcdsaP256],
            ClientAuth::Required,
            options,
        ),
        "ML-DSA preferred" => Listener::start(
            &[Suite::EcdsaP256, Suite::MlDsa65],
            ClientAuth::Required,
            ListenerOptions {
                prefer_ml_dsa: true,
                ..options
            },
        ),
        other => anyhow::bail!("no listener is called {other:?}"),
    }
}

#[test]
fn our_listeners_are_reported_as_they_are_configured() {
    let cases = cases("symbolon").unwrap();
    let differences: Vec<String> = cases
        .iter()
        .filter(|case| case.name != "symbolon up")
        .filter_map(|case| {
            let listener = match listener(&case.name) {
                Ok(listener) => listener,
                Err(error) => return Some(format!("{}: {error:#}", case.name)),
            };
            let inventory = scanned(&format!("tls://{}", listener.address)).unwrap();
            difference(&case.name, &case.expect, &report(&inventory))
        })
        .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn symbolon_up_is_reported_as_it_comes() {
    let cases = cases("symbolon").unwrap();
    let case = cases.iter().find(|case| case.name == "symbolon up").unwrap();
    let up = Up::start().unwrap();
    let inventory = scanned(&format!("tls://{}", up.server().unwrap())).unwrap();
    let difference = difference(&case.name, &case.expect, &report(&inventory));
    assert!(difference.is_none(), "{}", difference.unwrap_or_default());
}
