//! Both ends of a handshake on SVIDs of one form: ours in this process, a peer's in files.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Context as _, Result};
use spiffe::{SpiffeId, TrustDomain};
use symbolon_pki::bundle::{BundleSet, TrustBundle, X509Authority};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::csr::CsrBuilder;
use symbolon_pki::key::PrivateKey;
use symbolon_pki::pem;
use symbolon_pki::suite::{Form, Suite};
use symbolon_tls::{
    ClientOptions, Connection, IdentitySource, KexPolicy, KxGroup, ListenerOptions, StaticSource,
    SvidIdentity,
};
use tokio::net::TcpStream;

use crate::chain::{self, Issuer, TRUST_DOMAIN, WORKLOAD};
use crate::workload::{self, Listener};

/// The SPIFFE ID of the peer's SVID; ours is [`WORKLOAD`].
pub const PEER: &str = "spiffe://example.org/interop/peer";

/// The DNS name in both SVIDs, for clients that insist on one.
pub const HOST: &str = "localhost";

/// Every group that we have, the hybrid ones first.
pub fn groups() -> impl Iterator<Item = KxGroup> {
    KxGroup::HYBRID.into_iter().chain(KxGroup::CLASSICAL)
}

/// An SVID with what is needed to present it.
#[derive(Clone, Debug)]
pub struct Svid {
    /// DER, leaf first, without the root.
    pub chain: Vec<Vec<u8>>,
    /// The leaf's key.
    pub key: PrivateKey,
}

/// Two workloads under one authority: one is ours, one is the peer's.
#[derive(Debug)]
pub struct Realm {
    /// Of every key in it that signs handshakes.
    pub suite: Suite,
    /// DER of what both trust.
    pub root: Vec<u8>,
    form: String,
    ours: Svid,
    theirs: Svid,
}

impl Realm {
    /// Issues everything, valid for an hour.
    ///
    /// # Errors
    /// If any step of the issuing path refuses.
    pub fn issue(suite: Suite) -> Result<Self> {
        Self::below(&Issuer::new(suite)?, format!("{}/{suite}", suite.form()))
    }

    /// The same with an alternative key and signature beside every native one.
    ///
    /// # Errors
    /// As [`issue`](Self::issue).
    pub fn catalyst(native: Suite, alternative: Suite) -> Result<Self> {
        let form = format!("{}/{native} with {alternative}", Form::Catalyst);
        Self::below(&Issuer::catalyst(native, alternative)?, form)
    }

    /// The same with the two halves of a pair, each presented on its own: the second's SVIDs name the first's.
    ///
    /// # Errors
    /// As [`issue`](Self::issue).
    pub fn paired(first: Suite, second: Suite) -> Result<[Self; 2]> {
        let first = Self {
            form: format!("{}/{first}", Form::Paired),
            ..Self::issue(first)?
        };
        let issuer = Issuer::new(second)?;
        let below = |svid: &Svid, id| -> Result<Svid> {
            let leaf = svid.chain.first().context("the first of the pair has no chain")?;
            let leaf = Certificate::from_der(leaf)?;
            let key = PrivateKey::generate(second)?;
            let csr = CsrBuilder::new(&key.signer()?)
                .related_to(&leaf, &svid.key.signer()?, SystemTime::now())
                .build()?;
            let leaf = issuer.answer_related(&csr, id, &[HOST.to_owned()], &leaf)?;
            Ok(Svid::of(&issuer, leaf, key))
        };
        let second = Self {
            suite: second,
            root: issuer.root.certificate().der().to_vec(),
            form: format!("{}/{second}", Form::Paired),
            ours: below(&first.ours, WORKLOAD)?,
            theirs: below(&first.theirs, PEER)?,
        };
        Ok([first, second])
    }

    /// Every form that a TLS stack without composites can have a part in: these suites by themselves, the default pair,
    /// and the default catalyst.
    ///
    /// # Errors
    /// As [`issue`](Self::issue).
    pub fn all(suites: impl IntoIterator<Item = Suite>) -> Result<Vec<Self>> {
        let mut realms = suites.into_iter().map(Self::issue).collect::<Result<Vec<_>>>()?;
        realms.extend(Self::paired(Suite::EcdsaP256, Suite::MlDsa65)?);
        realms.push(Self::catalyst(Suite::EcdsaP256, Suite::MlDsa65)?);
        Ok(realms)
    }

    fn below(issuer: &Issuer, form: String) -> Result<Self> {
        let svid = |id| -> Result<Svid> {
            let (key, alternative) = issuer.keys()?;
            let csr = chain::request(&key, alternative.as_ref())?;
            let leaf = issuer.answer(&csr, id, &[HOST.to_owned()])?;
            Ok(Svid::of(issuer, leaf, key))
        };
        Ok(Self {
            suite: issuer.below.suite(),
            root: issuer.root.certificate().der().to_vec(),
            form,
            ours: svid(WORKLOAD)?,
            theirs: svid(PEER)?,
        })
    }

    /// The form of its SVIDs, with what they are made of, as the interop table has it: `ml-dsa/ml-dsa-65`.
    pub fn form(&self) -> &str {
        &self.form
    }

    /// The name of the TLS signature scheme that its keys sign handshakes with, as IANA's registry has it.
    ///
    /// # Errors
    /// If there is none.
    pub fn scheme(&self) -> Result<&'static str> {
        Ok(match self.suite {
            Suite::EcdsaP256 => "ecdsa_secp256r1_sha256",
            Suite::EcdsaP384 => "ecdsa_secp384r1_sha384",
            Suite::Ed25519 => "ed25519",
            Suite::MlDsa44 => "mldsa44",
            Suite::MlDsa65 => "mldsa65",
            Suite::MlDsa87 => "mldsa87",
            other => anyhow::bail!("TLS has no scheme for {other}"),
        })
    }

    /// What our side presents and trusts.
    ///
    /// # Errors
    /// If our own SVID is none.
    pub fn source(&self) -> Result<Arc<dyn IdentitySource>> {
        let identity = SvidIdentity::new(self.ours.chain.clone(), self.ours.key.signer()?)?;
        let mut bundle = TrustBundle::new(TrustDomain::new(TRUST_DOMAIN)?);
        bundle
            .x509_authorities
            .push(X509Authority::new(Certificate::from_der(&self.root)?));
        let bundles = [bundle].into_iter().collect::<BundleSet>();
        Ok(Arc::new(StaticSource::new(vec![Arc::new(identity)], bundles)))
    }

    /// Writes what the peer needs into a folder: `root.pem`, `chain.pem` (its SVID, leaf first), `leaf.pem`,
    /// `intermediate.pem` and `key.pem` (PKCS#8).
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let certificate = |der: &[u8]| pem::encode("CERTIFICATE", der).to_string();
        let [leaf, above @ ..] = &*self.theirs.chain else {
            anyhow::bail!("the chain is empty");
        };
        let above: String = above.iter().map(|der| certificate(der)).collect();
        let key = self.theirs.key.to_pkcs8_der()?;
        let files = [
            ("root.pem", certificate(&self.root)),
            ("chain.pem", certificate(leaf) + &above),
            ("leaf.pem", certificate(leaf)),
            ("intermediate.pem", above),
            ("key.pem", pem::encode("PRIVATE KEY", &key).to_string()),
        ];
        for (name, text) in files {
            let path = folder.join(name);
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }

    /// Our listener, for the peer alone, with one group: a classical one only because it is allowed.
    ///
    /// # Errors
    /// If there is no port.
    pub async fn listen(&self, group: KxGroup) -> Result<Listener> {
        let options = ListenerOptions {
            allow_classical_kex: !group.is_hybrid(),
            kex: KexPolicy::Only(vec![group]),
            ..ListenerOptions::default()
        };
        Listener::serve(self.source()?, SpiffeId::new(PEER)?, options).await
    }

    /// Connects to the peer alone, with one group.
    ///
    /// # Errors
    /// If the handshake fails.
    pub async fn connect(&self, address: SocketAddr, group: KxGroup) -> Result<Connection<TcpStream>> {
        let options = ClientOptions {
            kex: KexPolicy::Only(vec![group]),
            ..ClientOptions::default()
        };
        workload::connect(self.source()?, address, SpiffeId::new(PEER)?, options).await
    }

    /// Fails unless our side saw what was to be negotiated: this group, the scheme of this realm on both sides, and
    /// the peer's identity.
    ///
    /// # Errors
    /// Saying what differs.
    pub fn agreed(&self, info: &symbolon_tls::ConnectionInfo, group: KxGroup) -> Result<()> {
        let scheme = self.scheme()?;
        let negotiated = &info.negotiated;
        let is_agreed = negotiated.key_exchange == group.name()
            && negotiated.peer_signature.as_deref() == Some(scheme)
            && negotiated.own_signature.as_deref() == Some(scheme);
        anyhow::ensure!(is_agreed, "{group:?}, {scheme}: {negotiated:?}");
        let peer = info.peer.as_ref().context("the peer has no identity")?;
        anyhow::ensure!(peer.spiffe_id.to_string() == PEER, "{}", peer.spiffe_id);
        anyhow::ensure!(peer.form == self.suite.form(), "{}", peer.form);
        Ok(())
    }
}

impl Svid {
    fn of(issuer: &Issuer, leaf: Vec<u8>, key: PrivateKey) -> Self {
        Self {
            chain: vec![leaf, issuer.below.certificate().der().to_vec()],
            key,
        }
    }
}
