//! A server that does as it is told, for what a real one never does.

mod services;

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use spiffe::SpiffeId;
use symbolon_api::spire::api::server::agent::v1::agent_server::AgentServer;
use symbolon_api::spire::api::server::bundle::v1::bundle_server::BundleServer;
use symbolon_api::spire::api::server::entry::v1::entry_server::EntryServer;
use symbolon_api::spire::api::server::svid::v1::svid_server::SvidServer;
use symbolon_api::spire::api::types;
use symbolon_api::spire::api::types::permission_denied_details::Reason;
use symbolon_issuance::jwt::JwtAuthority;
use symbolon_issuance::{
    Authority, AuthoritySpec, Beside, Serial, SvidProfile, SvidRequest, prepare_authority, prepare_svid,
};
use symbolon_pki::bundle::{TrustBundle, X509Authority};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::key::{PrivateKey, SubjectKey};
use symbolon_pki::related::{Related, RelatedRequest};
use symbolon_pki::suite::{Form, Suite};
use symbolon_pki::time::Clock;
use symbolon_tls::grpc::{ALPN_H2, incoming};
use symbolon_tls::{Acceptor, AuthorizeId, ClientAuth, ListenerOptions, StaticSource, SvidIdentity};
use tokio::sync::watch;
use tonic::Status;
use tonic::transport::Server;

use crate::support::{TestTime, domain, id};

/// What it is told, and what it has seen.
#[derive(Default)]
pub(crate) struct Script {
    pub(crate) entries: Vec<types::Entry>,
    /// More entries than this are announced by their revisions first.
    pub(crate) page: usize,
    /// Answers the next sync of entries with this, once.
    pub(crate) denial: Option<Reason>,
    /// Nothing is answered but this.
    pub(crate) away: bool,
    /// Nobody is attested.
    pub(crate) refuses_nodes: bool,
    /// Nobody is attested, for this reason.
    pub(crate) attestation_denial: Option<Reason>,
    /// How many were not attested.
    pub(crate) refusals: usize,
    /// Answers batches of SVIDs with this.
    pub(crate) batch_denial: Option<Reason>,
    /// Batches with SVIDs of this form are never answered.
    pub(crate) silent_about: Option<Form>,
    /// How many JWT-SVIDs were asked for.
    pub(crate) asked_tokens: usize,
    /// Whether they are to be waited for. Who waits is answered as soon as they are not.
    pub(crate) holds_tokens: watch::Sender<bool>,
    /// What signs SVIDs of this form is away.
    pub(crate) cannot_issue: Option<Form>,
    /// The forms that SVIDs were asked for in.
    pub(crate) asked_forms: Vec<Form>,
    /// What was issued to workloads.
    issued: Vec<Certificate>,
    /// Larger batches are refused.
    pub(crate) largest_batch: Option<usize>,
    /// Everyone's SVID is for this identity.
    pub(crate) instead_of: Option<SpiffeId>,
    /// Everyone's SVID is for this key.
    pub(crate) other_key: Option<PrivateKey>,
    /// It never heard of forms.
    pub(crate) stock: bool,
    /// Authorities; the last of each form signs. With each, whether it is tainted.
    authorities: Vec<(Arc<Authority>, bool)>,
    pub(crate) attestations: usize,
    pub(crate) asked_ids: Vec<usize>,
    pub(crate) batches: Vec<usize>,
}

/// What signs JWT-SVIDs.
struct TokenKey {
    authority: JwtAuthority,
    spki_der: Vec<u8>,
}

impl TokenKey {
    fn new(time: &TestTime) -> Self {
        let signer = PrivateKey::generate(Suite::EcdsaP256).unwrap().signer().unwrap();
        let until = time.now() + Duration::from_secs(48 * 3600);
        let key = signer.keys()[0].clone();
        Self {
            authority: JwtAuthority::new(domain(), "tokens".to_owned(), key, until).unwrap(),
            spki_der: signer.public_key().spki_der(),
        }
    }
}

/// The server.
#[derive(Clone)]
pub(crate) struct StandIn {
    script: Arc<Mutex<Script>>,
    tokens: Arc<TokenKey>,
    time: Arc<TestTime>,
    pub(crate) address: String,
}

impl StandIn {
    pub(crate) async fn start(time: Arc<TestTime>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let this = Self {
            script: Arc::default(),
            tokens: Arc::new(TokenKey::new(&time)),
            address: listener.local_addr().unwrap().to_string(),
            time: time.clone(),
        };
        this.script().page = 500;
        for form in Form::OF_KEYS {
            this.add_authority(form);
        }
        let identities = Form::OF_KEYS.map(|form| this.server_svid(form)).into();
        let source = Arc::new(StaticSource::new(identities, this.bundle().into()));
        let options = ListenerOptions {
            alpn: vec![ALPN_H2.to_vec()],
            ..ListenerOptions::default()
        };
        let acceptor = Acceptor::new(
            source,
            AuthorizeId::AnyIn(domain()),
            ClientAuth::Optional,
            options,
            time,
        );
        let router = Server::builder()
            .add_service(AgentServer::new(this.clone()))
            .add_service(BundleServer::new(this.clone()))
            .add_service(EntryServer::new(this.clone()))
            .add_service(SvidServer::new(this.clone()));
        tokio::spawn(router.serve_with_incoming(incoming(listener, acceptor, 16)));
        this
    }

    pub(crate) fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap()
    }

    /// Makes a new authority, which signs from now on.
    pub(crate) fn add_authority(&self, form: Form) {
        let signer = PrivateKey::generate(form.default_suite())
            .unwrap()
            .signer()
            .unwrap();
        let spec = AuthoritySpec {
            trust_domain: &domain(),
            ttl: Duration::from_secs(48 * 3600),
            path_len: None,
        };
        let issued = prepare_authority(&spec, &signer, serial(), self.time.now())
            .unwrap()
            .sign(&signer)
            .unwrap();
        let authority = Authority::new(Certificate::from_der(issued.der()).unwrap(), signer).unwrap();
        self.script().authorities.push((Arc::new(authority), false));
    }

    /// Taints all authorities of a form but the last.
    pub(crate) fn taint_older(&self, form: Form) {
        let mut script = self.script();
        let of_form = script
            .authorities
            .iter_mut()
            .filter(|(authority, _)| authority.suite().form() == form);
        let mut of_form: Vec<_> = of_form.collect();
        of_form.pop();
        for (_, tainted) in of_form {
            *tainted = true;
        }
    }

    /// Makes another authority of every form and forgets those that there were. What it presents itself with stays.
    pub(crate) fn revoke_all(&self) {
        self.script().authorities.clear();
        for form in Form::OF_KEYS {
            self.add_authority(form);
        }
    }

    pub(crate) fn bundle(&self) -> TrustBundle {
        let script = self.script();
        let authorities = script
            .authorities
            .iter()
            .map(|(authority, tainted)| X509Authority {
                certificate: authority.certificate().clone(),
                tainted: *tainted,
            });
        TrustBundle {
            x509_authorities: authorities.collect(),
            ..TrustBundle::new(domain())
        }
    }

    fn signing(&self, form: Form) -> Arc<Authority> {
        let script = self.script();
        let mut of_form = script.authorities.iter().rev().map(|(authority, _)| authority);
        of_form
            .find(|authority| authority.suite().form() == form)
            .unwrap()
            .clone()
    }

    fn server_svid(&self, form: Form) -> Arc<SvidIdentity> {
        let signer = PrivateKey::generate(form.default_suite())
            .unwrap()
            .signer()
            .unwrap();
        let key = SubjectKey::Suite(signer.public_key().clone());
        let certificate = self.certify(SvidProfile::Server, &id("/spire/server"), &key, Beside::Nothing);
        Arc::new(SvidIdentity::new(vec![certificate], signer).unwrap())
    }

    /// The first half of the pair that a request asks to complete, which was issued here.
    fn first_of(&self, request: &RelatedRequest) -> Related {
        let (now, script) = (self.time.now(), self.script());
        let mut proven = script
            .issued
            .iter()
            .filter_map(|first| request.prove(first, now).ok());
        proven.next().unwrap()
    }

    fn certify(
        &self,
        profile: SvidProfile,
        spiffe_id: &SpiffeId,
        key: &SubjectKey,
        beside: Beside<'_>,
    ) -> Vec<u8> {
        let authority = self.signing(key.form());
        let request = SvidRequest {
            profile,
            spiffe_id,
            key,
            beside,
            dns_names: &[],
            ttl: Duration::from_secs(3600),
            serial: serial(),
            now: self.time.now(),
        };
        prepare_svid(&authority, &request)
            .unwrap()
            .sign(&*authority)
            .unwrap()
            .into_der()
    }

    fn here(&self) -> Result<(), Status> {
        if self.script().away {
            Err(Status::unavailable("away"))
        } else {
            Ok(())
        }
    }
}

fn serial() -> Serial {
    Serial::random(symbolon_crypto::random::fill).unwrap()
}

/// An entry for workloads with these selectors of type `unix`.
pub(crate) fn entry_for(name: &str, revision: i64, selectors: &[&str]) -> types::Entry {
    types::Entry {
        id: name.to_owned(),
        spiffe_id: Some((&id(&format!("/{name}"))).into()),
        selectors: selectors
            .iter()
            .map(|value| types::Selector {
                r#type: "unix".to_owned(),
                value: (*value).to_owned(),
            })
            .collect(),
        revision_number: revision,
        ..types::Entry::default()
    }
}
