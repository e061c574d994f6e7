//! The server's half.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use spiffe::TrustDomain;
use symbolon_pki::bundle::{BundleSet, X509Authority};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::key::SubjectKey;
use symbolon_pki::verify::{PathPolicy, Policy, VerifyOptions, verify_plain_chain, verify_x509_svid_with};

use super::message::{Answer, Evidence, read, write};
use super::possession::{self, NONCE_LEN, Scheme};
use super::{DEFAULT_MAX_INTERMEDIATES, MAX_RSA_BITS, METHOD, selectors};
use crate::aside::{ANSWER, PAYLOAD, asking_once};
use crate::certificates::{chain, common_name, fingerprint, limit_rsa, other_fingerprint, serial_hex};
use crate::path_template::PathTemplate;
use crate::{AttestationError, Attested, Challenger, Occasion, Verifier};

/// The authorities of the server's own trust domain, as they are now.
pub trait BundleSource: Send + Sync + Debug {
    /// The bundles; only that of the verifier's own trust domain is looked at.
    fn bundles(&self) -> Arc<BundleSet>;
}

/// Whose certificates count.
#[derive(Clone, Debug)]
pub enum Trust {
    /// Those of a PKI with these authorities.
    ExternalPki(Vec<X509Authority>),
    /// X.509-SVIDs of the server's own trust domain, which are exchanged for an agent's.
    Spiffe {
        /// The trust domain's authorities.
        bundles: Arc<dyn BundleSource>,
        /// Where the paths of SVIDs begin that can be exchanged. A `/` at its end is added.
        prefix: String,
    },
}

/// How the server verifies.
#[derive(Clone, Debug)]
pub struct X509PopConfig {
    /// In which agents are named.
    pub trust_domain: TrustDomain,
    /// Whose certificates count.
    pub trust: Trust,
    /// How agents are named.
    pub template: PathTemplate,
    /// Most intermediate certificates that a node may send.
    pub max_intermediates: usize,
    /// The longest RSA key, in bits.
    pub max_rsa_bits: usize,
    /// What every key on the path must be worth.
    pub policy: PathPolicy,
    /// Whether the certificate has to have the address that the node calls from among its IP addresses.
    pub verify_client_ip: bool,
}

impl X509PopConfig {
    /// The defaults.
    pub fn new(trust_domain: TrustDomain, trust: Trust, template: PathTemplate) -> Self {
        Self {
            trust_domain,
            trust,
            template,
            max_intermediates: DEFAULT_MAX_INTERMEDIATES,
            max_rsa_bits: MAX_RSA_BITS,
            policy: PathPolicy::default(),
            verify_client_ip: false,
        }
    }
}

/// Lets in the nodes that have a certificate and its key.
#[derive(Clone, Debug)]
pub struct X509PopVerifier(Arc<Inside>);

#[derive(Debug)]
struct Inside {
    config: X509PopConfig,
    options: VerifyOptions,
}

/// Who a node is, once it has shown that it has the leaf's key.
struct Opening {
    leaf: Certificate,
    key: SubjectKey,
    nonce: [u8; NONCE_LEN],
    attested: Attested,
}

/// A chain that was believed.
struct Believed {
    /// Leaf first, the authority last.
    path: Vec<Certificate>,
    /// What follows the prefix in the SVID's path.
    svid_path: Option<String>,
}

impl X509PopVerifier {
    /// A verifier that is configured so.
    pub fn new(config: X509PopConfig) -> Self {
        let mut options = VerifyOptions::under(Policy::Path(config.policy));
        // The node proves its native key alone.
        options.native_only = true;
        // Whoever has the key of a tainted authority could sign SVIDs of any path, and what they are exchanged for would
        // outlive it.
        options.refuse_tainted = matches!(config.trust, Trust::Spiffe { .. });
        Self(Arc::new(Inside { config, options }))
    }
}

impl Inside {
    fn believe(&self, chain: &[Certificate], now: SystemTime) -> Result<Believed, AttestationError> {
        let denied = |error: &dyn std::fmt::Display| {
            AttestationError::Denied(format!("the certificate is not accepted: {error}"))
        };
        let (authorities, svid_path) = match &self.config.trust {
            Trust::ExternalPki(authorities) => (authorities.clone(), None),
            Trust::Spiffe { bundles, prefix } => {
                let bundles = bundles.bundles();
                let domain = &self.config.trust_domain;
                let svid =
                    verify_x509_svid_with(chain, &bundles, now, &self.options).map_err(|e| denied(&e))?;
                if svid.spiffe_id.trust_domain() != domain {
                    return Err(denied(&format!("{} is not in {domain}", svid.spiffe_id)));
                }
                let mut prefix = prefix.clone();
                if !prefix.ends_with('/') {
                    prefix.push('/');
                }
                let path = svid.spiffe_id.path().strip_prefix(&prefix).ok_or_else(|| {
                    denied(&format!(
                        "the path of {} does not begin with {prefix}",
                        svid.spiffe_id
                    ))
                })?;
                let bundle = bundles.get(domain);
                let authorities = bundle.map(|bundle| bundle.x509_authorities.clone());
                (authorities.unwrap_or_default(), Some(path.to_owned()))
            }
        };
        let path = verify_plain_chain(chain, &authorities, now, &self.options).map_err(|e| denied(&e))?;
        Ok(Believed {
            path: path.certificates,
            svid_path,
        })
    }

    fn attested(
        &self,
        leaf: &Certificate,
        believed: &Believed,
        uris: &BTreeMap<String, String>,
    ) -> Result<Attested, AttestationError> {
        let denied = |reason: String| AttestationError::Denied(reason);
        let selectors = selectors::selectors(&believed.path, uris).map_err(denied)?;
        let common_name = common_name(leaf.inner().tbs_certificate().subject()).map_err(denied)?;
        let value = |name: &str, fingerprint: &str| match name {
            "Fingerprint" => Some(fingerprint.to_owned()),
            "SerialNumberHex" => Some(serial_hex(leaf)),
            "Subject.CommonName" => common_name.clone(),
            "SVIDPathTrimmed" => believed.svid_path.clone(),
            other => uris.get(other.strip_prefix("URISanSelectors.")?).cloned(),
        };
        let named = |fingerprint: String| {
            let template = &self.config.template;
            let agent_id = template.agent_id(&self.config.trust_domain, |name| value(name, &fingerprint));
            agent_id.map_err(|error| denied(error.to_string()))
        };
        let agent_id = named(fingerprint(leaf))?;
        let issuer = believed.path.get(1);
        let other = issuer.and_then(|issuer| other_fingerprint(leaf, issuer));
        let sibling = other.map(named).transpose()?;
        Ok(Attested {
            // Templates without a fingerprint give the same.
            siblings: sibling.into_iter().filter(|id| *id != agent_id).collect(),
            agent_id,
            selectors,
            can_reattest: true,
        })
    }

    /// Who the node would be, which is known before it is asked anything, and what it is asked.
    fn opening(
        &self,
        evidence: &[u8],
        address: Option<IpAddr>,
        now: SystemTime,
    ) -> Result<(Opening, Vec<u8>), AttestationError> {
        let denied = |reason: String| AttestationError::Denied(reason);
        let evidence = Evidence::parse(evidence)?;
        let chain = chain(
            PAYLOAD,
            evidence.certificates(),
            self.config.max_intermediates + 1,
        )?;
        limit_rsa(PAYLOAD, &chain, self.config.max_rsa_bits)?;
        let believed = self.believe(&chain, now)?;
        let Some(leaf) = chain.into_iter().next() else {
            return Err(denied("there is no certificate".to_owned()));
        };
        if !leaf.key_usage().is_some_and(|usage| usage.digital_signature()) {
            return Err(denied(
                "the certificate is not for signing: its key usage lacks digitalSignature".to_owned(),
            ));
        }
        if self.config.verify_client_ip {
            check_address(&leaf, address)?;
        }
        let uris = selectors::of_uris(&leaf, &self.config.trust_domain);
        let attested = self.attested(&leaf, &believed, &uris)?;
        let key = leaf
            .subject_key()
            .map_err(|error| denied(format!("the certificate's key cannot be used: {error}")))?;
        let nonce = possession::fresh_nonce().map_err(|error| AttestationError::Unavailable(error.into()))?;
        let challenge = write(&possession::challenge(Scheme::of(key), &nonce));
        let opening = Opening {
            key: key.clone(),
            leaf,
            nonce,
            attested,
        };
        Ok((opening, challenge))
    }

    /// Who the node is, by its answer.
    fn judge(
        &self,
        opening: Opening,
        csr_sha256: &[u8; 32],
        answer: &[u8],
    ) -> Result<Attested, AttestationError> {
        let answer: Answer = read(ANSWER, answer)?;
        let Opening {
            leaf,
            key,
            nonce,
            attested,
        } = opening;
        possession::verify(
            &self.config.trust_domain,
            &leaf,
            &key,
            csr_sha256,
            &nonce,
            &answer,
        )?;
        Ok(attested)
    }
}

/// Whether the certificate is one for a node at this address.
fn check_address(leaf: &Certificate, address: Option<IpAddr>) -> Result<(), AttestationError> {
    let denied = |reason: String| Err(AttestationError::Denied(reason));
    let Some(address) = address.map(|address| address.to_canonical()) else {
        return denied(
            "where the node calls from is not known, and its certificate has to say it".to_owned(),
        );
    };
    let mut certified = leaf.ip_sans().iter().map(IpAddr::to_canonical);
    if certified.any(|one| one == address) {
        return Ok(());
    }
    denied(format!(
        "the node calls from {address}, which is not among the IP addresses in its certificate"
    ))
}

#[async_trait]
impl Verifier for X509PopVerifier {
    fn method(&self) -> &'static str {
        METHOD
    }

    async fn verify(
        &self,
        evidence: &[u8],
        challenger: &mut dyn Challenger,
        now: SystemTime,
    ) -> Result<Attested, AttestationError> {
        let Occasion { csr_sha256, address } = challenger.occasion();
        let (opener, judge) = (Arc::clone(&self.0), Arc::clone(&self.0));
        asking_once(
            evidence,
            challenger,
            move |evidence| opener.opening(evidence, address, now),
            move |opening, answer| judge.judge(opening, &csr_sha256, answer),
        )
        .await
    }
}
