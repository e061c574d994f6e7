//! What an upstream certified, held against what was asked for.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use spiffe::{SpiffeId, TrustDomain};
use symbolon_crypto::random;
use symbolon_issuance::{Authority, AuthorityKeys, Beside, Serial, SvidProfile, SvidRequest, prepare_svid};
use symbolon_pki::bundle::{BundleSet, TrustBundle, X509Authority};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::key::{PrivateKey, SubjectKey};
use symbolon_pki::suite::{Family, Form};
use symbolon_pki::time::rfc3339;
use symbolon_pki::verify::verify_x509_svid;

use crate::datastore::UpstreamPath;
use crate::upstream::Minted;

/// Less than this is no life for an authority: a successor could not become known in time.
const SHORTEST: Duration = Duration::from_secs(60);

/// How long the certificate lives by which a new authority is tried.
const TRIAL: Duration = Duration::from_secs(30);

/// What a new authority has to be.
pub(super) struct Trial {
    pub(super) trust_domain: TrustDomain,
    pub(super) family: Family,
    pub(super) ttl: Duration,
    /// When the one ends that it is to replace.
    pub(super) replaces: Option<SystemTime>,
    pub(super) distrusted: BTreeSet<String>,
    pub(super) now: SystemTime,
}

/// A new authority that is what it has to be.
pub(super) struct Passed {
    pub(super) authority_id: String,
    pub(super) certificate: Certificate,
    pub(super) path: UpstreamPath,
}

impl Trial {
    /// Looks at what was certified, and at last has it sign something that is verified as everybody will.
    pub(super) fn hold(&self, minted: Minted, signers: AuthorityKeys) -> Result<Passed, String> {
        let mut chain = minted.chain.into_iter();
        let certificate = chain.next().ok_or("it holds no certificate")?;
        let above: Vec<Certificate> = chain.collect();
        if minted.roots.is_empty() {
            return Err("it names no root".to_owned());
        }
        let authority = Authority::new(certificate.clone(), signers).map_err(told)?;
        if *authority.trust_domain() != self.trust_domain {
            return Err(format!(
                "the certificate is for {}, not for {}",
                authority.trust_domain(),
                self.trust_domain
            ));
        }
        self.check_life(&certificate)?;
        let root_id = self.verify(authority, &above, &minted.roots)?;
        if self.distrusted.contains(&root_id) {
            return Err(format!("it is under {root_id}, which is tainted or revoked"));
        }
        let issuers = above.iter().chain(&minted.roots);
        let of_it = |it: &&Certificate| {
            above.contains(it) || X509Authority::new((*it).clone()).id().to_string() == root_id
        };
        if let Some(short) = issuers
            .filter(of_it)
            .find(|issuer| issuer.not_after() < certificate.not_after())
        {
            return Err(format!(
                "the certificate ends at {}, after one above it, which ends at {}",
                rfc3339(certificate.not_after()),
                rfc3339(short.not_after())
            ));
        }
        let authority_id = certificate
            .skid()
            .ok_or("it has no subject key identifier")?
            .to_string();
        Ok(Passed {
            authority_id,
            path: UpstreamPath {
                chain: above.iter().map(|it| it.der().to_vec()).collect(),
                root_id,
            },
            certificate,
        })
    }

    fn check_life(&self, certificate: &Certificate) -> Result<(), String> {
        let (begins, ends) = (certificate.not_before(), certificate.not_after());
        if begins > self.now {
            return Err(format!(
                "the certificate begins at {}, and it is {} here; compare the clocks",
                rfc3339(begins),
                rfc3339(self.now)
            ));
        }
        if ends <= self.now {
            return Err(format!("the certificate ended at {}", rfc3339(ends)));
        }
        let left = ends.duration_since(self.now).unwrap_or_default();
        let too_early = |why: &str| Err(format!("the certificate ends at {}, {why}", rfc3339(ends)));
        if left < SHORTEST.min(self.ttl / 2) {
            return too_early("too early for a successor to become known");
        }
        match self.replaces {
            // One that was asked to live shorter is what was asked for.
            Some(end) if ends <= end && left < self.ttl / 2 => {
                too_early("no later than that of the authority that it is to replace")
            }
            _ => Ok(()),
        }
    }

    /// Has the authority sign a certificate for nobody, which nobody gets and nothing records, and verifies it; gives the
    /// root that it goes back to.
    fn verify(
        &self,
        authority: Authority,
        above: &[Certificate],
        roots: &[Certificate],
    ) -> Result<String, String> {
        let form = Form::ALL
            .into_iter()
            .find(|form| form.family() == self.family && *form != Form::Paired)
            .ok_or("its family has no certificates")?;
        let key = |suite| -> Result<SubjectKey, String> {
            let key = PrivateKey::generate(suite).map_err(told)?;
            key.public_key().map(SubjectKey::Suite).map_err(told)
        };
        let own = key(form.default_suite())?;
        let alternative = form.default_alternative().map(key).transpose()?;
        let request = SvidRequest {
            profile: SvidProfile::Workload,
            spiffe_id: &SpiffeId::new(format!("spiffe://{}/symbolon/trial", self.trust_domain))
                .map_err(told)?,
            key: &own,
            beside: alternative.as_ref().map_or(Beside::Nothing, Beside::Alternative),
            dns_names: &[],
            ttl: TRIAL,
            serial: Serial::random(random::fill).map_err(told)?,
            now: self.now,
        };
        let linted = prepare_svid(&authority, &request).map_err(told)?;
        let issued = linted.sign(&authority).map_err(told)?;
        let leaf = Certificate::from_der(issued.der()).map_err(told)?;
        let mut chain = vec![leaf, authority.certificate().clone()];
        chain.extend(above.iter().cloned());
        let mut bundle = TrustBundle::new(self.trust_domain.clone());
        // One that verifiers of this form are not shown is none to them.
        let shown = |root: &X509Authority| match form {
            Form::Classical => root.is_stock(),
            form => root.issues(form),
        };
        let roots = roots.iter().cloned().map(X509Authority::new);
        bundle.x509_authorities = roots.filter(shown).collect();
        let verified = verify_x509_svid(&chain, &BundleSet::from(bundle), self.now)
            .map_err(|error| format!("what it signs would not be believed: {error}"))?;
        if verified.form.family() != self.family {
            return Err(format!(
                "what it signs would be worth no more than {}",
                verified.form
            ));
        }
        Ok(verified.authority_id.to_string())
    }
}

fn told(error: impl std::fmt::Display) -> String {
    error.to_string()
}
