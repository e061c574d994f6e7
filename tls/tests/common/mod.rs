//! Trust domains with authorities of every form, and handshakes over a pipe.

#![allow(dead_code, reason = "each test program uses a part of this")]

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls_pki_types::ServerName;
use spiffe::{SpiffeId, TrustDomain};
use symbolon_issuance::{
    Authority, AuthoritySpec, Beside, Serial, SvidProfile, SvidRequest, prepare_authority, prepare_svid,
};
use symbolon_pki::bundle::{BundleSet, TrustBundle, X509Authority};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::key::{PrivateKey, SubjectKey, SuiteSigner};
use symbolon_pki::suite::{Form, Suite};
use symbolon_pki::time::Clock;
use symbolon_tls::{
    Acceptor, AuthorizeId, ClientAuth, ClientOptions, Connection, Connector, HandshakeError, ListenerOptions,
    StaticSource, SvidIdentity,
};
use tokio::io::DuplexStream;

pub(crate) const FORMS: [Form; 3] = [Form::Classical, Form::MlDsa, Form::Composite];

/// When everything here happens, in seconds since 1970.
pub(crate) const NOW: u64 = 1_790_000_000;

/// A clock that stands still.
#[derive(Debug)]
pub(crate) struct FixedClock(pub(crate) SystemTime);

impl Clock for FixedClock {
    fn now(&self) -> SystemTime {
        self.0
    }
}

pub(crate) fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(NOW)
}

pub(crate) fn clock() -> Arc<dyn Clock> {
    Arc::new(FixedClock(now()))
}

pub(crate) fn id(text: &str) -> SpiffeId {
    SpiffeId::new(text).unwrap()
}

/// A trust domain with one authority of each form.
pub(crate) struct Domain {
    pub(crate) name: TrustDomain,
    authorities: Vec<Authority>,
}

impl Domain {
    pub(crate) fn new(name: &str) -> Self {
        let name = TrustDomain::new(name).unwrap();
        let authorities = FORMS.map(|form| authority(&name, form.default_suite())).into();
        Self { name, authorities }
    }

    pub(crate) fn any(&self) -> AuthorizeId {
        AuthorizeId::AnyIn(self.name.clone())
    }

    /// A workload's SVID for a new key of `suite`.
    pub(crate) fn svid(&self, path: &str, suite: Suite) -> Arc<SvidIdentity> {
        Arc::new(self.svid_of(path, PrivateKey::generate(suite).unwrap().signer().unwrap()))
    }

    /// DER of a workload's certificate for a public key.
    pub(crate) fn certify(&self, path: &str, key: &SubjectKey) -> Vec<u8> {
        let id = id(&format!("spiffe://{}/{path}", self.name));
        let authority = self.authority(key.form());
        let request = SvidRequest {
            profile: SvidProfile::Workload,
            spiffe_id: &id,
            key,
            beside: Beside::Nothing,
            dns_names: &[],
            ttl: Duration::from_secs(3600),
            serial: serial(),
            now: now(),
        };
        prepare_svid(authority, &request)
            .unwrap()
            .sign(authority)
            .unwrap()
            .into_der()
    }

    /// A workload's SVID for a given key.
    pub(crate) fn svid_of(&self, path: &str, signer: SuiteSigner) -> SvidIdentity {
        let certificate = self.certify(path, &SubjectKey::Suite(signer.public_key().clone()));
        SvidIdentity::new(vec![certificate], signer).unwrap()
    }

    /// One workload's SVIDs in these forms.
    pub(crate) fn svids(&self, path: &str, forms: &[Form]) -> Vec<Arc<SvidIdentity>> {
        forms
            .iter()
            .map(|form| self.svid(path, form.default_suite()))
            .collect()
    }

    pub(crate) fn authority(&self, form: Form) -> &Authority {
        self.authorities
            .iter()
            .find(|authority| authority.suite().form() == form)
            .unwrap()
    }

    /// A bundle with the authorities of these forms.
    pub(crate) fn bundle(&self, forms: &[Form]) -> TrustBundle {
        let authorities = forms
            .iter()
            .map(|form| self.authority(*form).certificate().clone());
        TrustBundle {
            x509_authorities: authorities.map(X509Authority::new).collect(),
            ..TrustBundle::new(self.name.clone())
        }
    }

    pub(crate) fn bundles(&self, forms: &[Form]) -> BundleSet {
        self.bundle(forms).into()
    }
}

/// A new authority of a trust domain.
pub(crate) fn authority(trust_domain: &TrustDomain, suite: Suite) -> Authority {
    let signer = PrivateKey::generate(suite).unwrap().signer().unwrap();
    let spec = AuthoritySpec {
        trust_domain,
        ttl: Duration::from_secs(24 * 3600),
        path_len: None,
    };
    let issued = prepare_authority(&spec, &signer, serial(), now())
        .unwrap()
        .sign(&signer)
        .unwrap();
    Authority::new(Certificate::from_der(issued.der()).unwrap(), signer).unwrap()
}

fn serial() -> Serial {
    Serial::random(symbolon_crypto::random::fill).unwrap()
}

/// A source with one workload's SVIDs and a bundle.
pub(crate) fn source(identities: Vec<Arc<SvidIdentity>>, bundles: BundleSet) -> Arc<StaticSource> {
    Arc::new(StaticSource::new(identities, bundles))
}

pub(crate) fn connector(
    source: &Arc<StaticSource>,
    authorize: AuthorizeId,
    options: ClientOptions,
) -> Connector {
    Connector::new(source.clone(), authorize, clock(), options)
}

pub(crate) fn acceptor(
    source: &Arc<StaticSource>,
    authorize: AuthorizeId,
    options: ListenerOptions,
) -> Acceptor {
    Acceptor::new(source.clone(), authorize, ClientAuth::Required, options, clock())
}

pub(crate) type End = Result<Connection<DuplexStream>, HandshakeError>;

/// Client's end, server's end.
pub(crate) async fn handshake(connector: &Connector, acceptor: &Acceptor) -> (End, End) {
    let (client, server) = tokio::io::duplex(64 * 1024);
    let name = ServerName::try_from("peer.invalid").unwrap();
    tokio::join!(connector.connect(name, client), acceptor.accept(server))
}

/// A handshake that both ends must finish.
pub(crate) async fn connected(
    connector: &Connector,
    acceptor: &Acceptor,
) -> (Connection<DuplexStream>, Connection<DuplexStream>) {
    let (client, server) = handshake(connector, acceptor).await;
    (client.unwrap(), server.unwrap())
}
