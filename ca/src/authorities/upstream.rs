//! Authorities that somebody above this server certifies: asking for them, judging what comes back, and following what
//! becomes of the roots above.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;
use std::time::{Duration, SystemTime};

use spiffe::SpiffeId;
use symbolon_crypto::random;
use symbolon_issuance::{Authority, AuthorityKeys, Beside, Serial, SvidProfile, SvidRequest, prepare_svid};
use symbolon_pki::bundle::{BundleSet, JwtAuthority, TrustBundle, X509Authority};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::csr::CsrBuilder;
use symbolon_pki::key::{PrivateKey, SubjectKey};
use symbolon_pki::suite::{Family, Form};
use symbolon_pki::time::rfc3339;
use symbolon_pki::verify::verify_x509_svid;

use super::making::blocking;
use super::settings::FamilySettings;
use super::{Authorities, AuthoritiesError, CommandError, Step, is_valid, log_failure};
use crate::datastore::{
    AppendedAuthorities, AuthorityKind, AuthorityMaterial, AuthorityRecord, AuthorityRequest, AuthorityState,
    KeyReference, UpstreamPath, UpstreamRoot,
};
use crate::upstream::{Answer, MintOrder, Minted, NamedUpstream, UpstreamError};

/// Less than this is no life for an authority: a successor could not become known in time.
const SHORTEST: Duration = Duration::from_secs(60);

/// The first wait after an upstream failed, and the longest.
const FIRST_WAIT: Duration = Duration::from_secs(10);
const LONGEST_WAIT: Duration = Duration::from_secs(5 * 60);

/// How long the certificate lives by which a new authority is tried.
const TRIAL: Duration = Duration::from_secs(30);

/// When each family's upstream is asked again after it failed, and how long the wait after that is.
#[derive(Debug, Default)]
pub(super) struct Waits(std::sync::Mutex<BTreeMap<Family, (SystemTime, Duration)>>);

impl Waits {
    /// Whether a family may ask now.
    pub(super) fn is_over(&self, family: Family, now: SystemTime) -> bool {
        let waits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back must not make it longer.
        waits
            .get(&family)
            .is_none_or(|(until, wait)| now >= *until || now + *wait < *until)
    }

    /// Notes how an attempt ended.
    pub(super) fn note(&self, family: Family, failed: bool, now: SystemTime) {
        let mut waits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if failed {
            let wait = waits
                .get(&family)
                .map_or(FIRST_WAIT, |(_, wait)| (*wait * 2).min(LONGEST_WAIT));
            waits.insert(family, (now + wait, wait));
        } else {
            waits.remove(&family);
        }
    }
}

/// An authority that is to be certified by somebody else.
pub(super) struct Candidate {
    pub(super) signers: AuthorityKeys,
    pub(super) keys: Vec<KeyReference>,
}

impl Authorities {
    /// Has an upstream certify a new authority.
    ///
    /// # Errors
    /// [`AuthoritiesError::Upstream`]; [`AuthoritiesError::Awaited`], and then the journal knows what for.
    pub(super) async fn certify_above(
        &self,
        settings: &FamilySettings,
        above: &NamedUpstream,
        candidate: Candidate,
        now: SystemTime,
    ) -> Result<AuthorityRecord, AuthoritiesError> {
        let family = settings.family;
        let failed = |source| AuthoritiesError::Upstream {
            family,
            upstream: above.name.clone(),
            source,
        };
        let csr = self.csr(&candidate.signers).await.map_err(failed)?;
        let order = MintOrder {
            family,
            csr: csr.clone(),
            ttl: self.settings.ttl,
            now,
        };
        let minted = match above.upstream.mint(&order).await.map_err(failed)? {
            Answer::Minted(minted) => minted,
            Answer::Awaited => {
                let request = AuthorityRequest {
                    family,
                    suite: settings.suite,
                    alternative: settings.alternative,
                    keys: candidate.keys,
                    csr,
                    created_at: now,
                };
                self.datastore.request_authority(&request).await?;
                tracing::info!(
                    event = "authority.requested",
                    %family,
                    upstream = %above.name,
                    "its certificate is to be brought; see `symbolon authority request`"
                );
                return Err(AuthoritiesError::Awaited { family });
            }
        };
        self.take_minted(settings, above, candidate, minted, now).await
    }

    /// Judges what was certified, and publishes the roots above it.
    pub(super) async fn take_minted(
        &self,
        settings: &FamilySettings,
        above: &NamedUpstream,
        candidate: Candidate,
        minted: Minted,
        now: SystemTime,
    ) -> Result<AuthorityRecord, AuthoritiesError> {
        let family = settings.family;
        let failed = |reason| AuthoritiesError::Upstream {
            family,
            upstream: above.name.clone(),
            source: UpstreamError::Unfit(reason),
        };
        let distrusted: BTreeSet<String> = self
            .datastore
            .upstream_roots()
            .await?
            .into_iter()
            .filter(|root| root.state != AuthorityState::Old)
            .map(|root| root.root_id)
            .collect();
        let active = self.datastore.authorities(Some(family)).await?;
        let active = active
            .into_iter()
            .find(|record| record.state == AuthorityState::Active && is_valid(record, now));
        let trial = Trial {
            trust_domain: self.settings.trust_domain.clone(),
            family,
            ttl: self.settings.ttl,
            replaces: active.map(|record| record.not_after),
            distrusted,
            now,
        };
        let (signers, roots) = (candidate.signers, minted.roots.clone());
        let passed = blocking(move || Ok(trial.hold(minted, signers))).await?;
        let passed = passed.map_err(failed)?;
        let found = AppendedAuthorities {
            x509: roots.into_iter().map(X509Authority::new).collect(),
            ..AppendedAuthorities::default()
        };
        // Before anything that needs them.
        self.datastore
            .follow_upstream(above.name.as_str(), &found, false)
            .await?;
        let certificate = passed.certificate;
        Ok(AuthorityRecord {
            authority_id: passed.authority_id,
            family,
            suite: settings.suite,
            alternative: settings.alternative,
            state: AuthorityState::Prepared,
            not_before: certificate.not_before(),
            not_after: certificate.not_after(),
            material: AuthorityMaterial::X509 {
                certificate: certificate.der().to_vec(),
            },
            upstream: Some(passed.path),
            keys: candidate.keys,
            created_at: now,
            changed_at: now,
            activated_at: None,
        })
    }

    /// Whether the certificate of a family's next authority is to be brought, and was requested already. A request for what
    /// is no longer wanted is forgotten.
    pub(super) async fn is_awaited(&self, settings: &FamilySettings) -> Result<bool, AuthoritiesError> {
        let requests = self.datastore.authority_requests().await?;
        let Some(request) = requests.into_iter().find(|it| it.family == settings.family) else {
            return Ok(false);
        };
        let offline = settings
            .upstream
            .as_ref()
            .is_some_and(|above| above.upstream.is_offline());
        if offline && settings.is_shape_of(request.suite, request.alternative, &request.keys) {
            return Ok(true);
        }
        self.datastore.forget_authority_request(settings.family).await?;
        Ok(false)
    }

    async fn csr(&self, signers: &AuthorityKeys) -> Result<Vec<u8>, UpstreamError> {
        let signers = signers.clone();
        let id = format!("spiffe://{}", self.settings.trust_domain);
        let build = move || {
            let id = SpiffeId::new(id).map_err(|error| error.to_string())?;
            let request = CsrBuilder::new(signers.signer()).spiffe_id(&id);
            let request = match signers.alternative() {
                Some(alternative) => request.alternative(alternative),
                None => request,
            };
            request.build().map_err(|error| error.to_string())
        };
        let built = blocking(move || Ok(build())).await;
        let built = built.map_err(|error| UpstreamError::Unfit(error.to_string()))?;
        built.map_err(|error| UpstreamError::Material(format!("the request cannot be made: {error}")))
    }

    /// Publishes a key that signs tokens above, if that is where its family's keys are published.
    pub(super) async fn publish_above(
        &self,
        settings: &FamilySettings,
        key: &JwtAuthority,
    ) -> Result<(), AuthoritiesError> {
        let Some(above) = &settings.upstream else {
            return Ok(());
        };
        let published = above.upstream.publish(kind_of(settings.family), key).await;
        published.map_err(|source| AuthoritiesError::Upstream {
            family: settings.family,
            upstream: above.name.clone(),
            source,
        })
    }

    /// Takes over what upstreams have for the bundle, and publishes again what they lost of ours. What goes wrong is logged,
    /// and everything stays as it is until the next look.
    pub async fn follow_upstreams(&self) {
        let mut asked = BTreeSet::new();
        let mut changed = false;
        for settings in &self.settings.families {
            let Some(above) = &settings.upstream else { continue };
            if !asked.insert(above.name.clone()) {
                continue;
            }
            match self.follow(above).await {
                Ok(differs) => changed |= differs,
                Err(error) => tracing::warn!(
                    event = "upstream.not_followed",
                    upstream = %above.name,
                    kind = above.upstream.kind(),
                    error = &error as &dyn std::error::Error,
                ),
            }
        }
        if changed {
            let _changing = self.changing.lock().await;
            if let Err(error) = self.reload(Vec::new()).await {
                log_failure(&error);
            }
        }
    }

    async fn follow(&self, above: &NamedUpstream) -> Result<bool, AuthoritiesError> {
        let failed = |family| {
            move |source| AuthoritiesError::Upstream {
                family,
                upstream: above.name.clone(),
                source,
            }
        };
        let families = || {
            let of_it = |settings: &&FamilySettings| {
                let theirs = settings.upstream.as_ref();
                theirs.is_some_and(|upstream| upstream.name == above.name)
            };
            self.settings.families.iter().filter(of_it)
        };
        let first = families()
            .next()
            .map_or(Family::Classical, |settings| settings.family);
        let Some(bundle) = above.upstream.bundle().await.map_err(failed(first))? else {
            return Ok(false);
        };
        let found = &bundle.authorities;
        let changed = self
            .datastore
            .follow_upstream(above.name.as_str(), found, bundle.is_all)
            .await?;
        for settings in families().filter(|settings| bundle.is_all && settings.family.signs_tokens()) {
            let theirs = match settings.family {
                Family::Wit => &found.wit,
                _ => &found.jwt,
            };
            for key in self.own_keys(settings.family) {
                if !theirs.iter().any(|theirs| theirs.key_id == key.key_id) {
                    self.publish_above(settings, &key).await?;
                }
            }
        }
        Ok(changed)
    }

    /// The keys of a family that verifiers need.
    fn own_keys(&self, family: Family) -> Vec<JwtAuthority> {
        let now = self.clock.now();
        let needed = |record: &AuthorityRecord| {
            let stands = matches!(
                record.state,
                AuthorityState::Prepared | AuthorityState::Active | AuthorityState::Old
            );
            record.family == family && stands && is_valid(record, now)
        };
        let snapshot = self.current.load();
        let records = snapshot.journal.iter().filter(|record| needed(record));
        records.filter_map(key_of).collect()
    }

    /// Whether the root above an authority is not to be trusted any more: it needs a successor at once.
    pub(super) async fn has_fallen(&self, record: &AuthorityRecord) -> Result<bool, AuthoritiesError> {
        let Some(path) = &record.upstream else {
            return Ok(false);
        };
        let roots = self.datastore.upstream_roots().await?;
        let above: Vec<_> = roots.iter().filter(|root| root.root_id == path.root_id).collect();
        // An upstream that has taken its root back trusts it no more.
        Ok(above.iter().all(|root| root.state != AuthorityState::Old))
    }

    /// The authorities above this server's in its bundle, revoked ones too.
    ///
    /// # Errors
    /// [`AuthoritiesError`].
    pub async fn upstream_roots(&self) -> Result<Vec<UpstreamRoot>, AuthoritiesError> {
        Ok(self.datastore.upstream_roots().await?)
    }

    /// Taints or revokes an authority above this server's, for those below it.
    ///
    /// # Errors
    /// [`CommandError`], as [`step`](Self::step).
    pub async fn step_upstream(&self, step: Step, root_id: &str) -> Result<(), CommandError> {
        if !self.settings.families.iter().any(FamilySettings::has_root_above) {
            return Err(CommandError::NoUpstream);
        }
        let _changing = self.changing.lock().await;
        let printed = symbolon_pki::text::printable(root_id);
        let roots = self.upstream_roots().await?;
        let Some(root) = roots.iter().find(|root| root.root_id == root_id) else {
            return Err(CommandError::UnknownUpstream { root_id: printed });
        };
        if root.state != step.from() {
            return Err(CommandError::WrongState {
                step,
                authority_id: printed,
                state: root.state,
            });
        }
        let journal = self
            .datastore
            .authorities(None)
            .await
            .map_err(AuthoritiesError::from)?;
        let needed = journal.iter().find(|record| {
            let in_use = matches!(record.state, AuthorityState::Active | AuthorityState::Prepared);
            let path = record.upstream.as_ref();
            in_use && path.is_some_and(|path| path.root_id == root_id)
        });
        if let Some(record) = needed {
            return Err(CommandError::UpstreamInUse {
                root_id: printed,
                authority_id: record.authority_id.clone(),
                state: record.state,
            });
        }
        let changed = self.datastore.change_upstream_root(root_id, step.to()).await;
        changed.map_err(AuthoritiesError::from)?;
        let reloaded = self.reload(Vec::new()).await;
        tracing::info!(
            event = match step {
                Step::Revoke => "authority.revoked",
                _ => "authority.tainted",
            },
            authority_id = printed,
            "an authority above this server's"
        );
        Ok(reloaded?)
    }
}

/// The kind of key that a family which signs tokens has.
fn kind_of(family: Family) -> AuthorityKind {
    match family {
        Family::Wit => AuthorityKind::Wit,
        _ => AuthorityKind::Jwt,
    }
}

fn key_of(record: &AuthorityRecord) -> Option<JwtAuthority> {
    let AuthorityMaterial::Jwt { key_id, spki } = &record.material else {
        return None;
    };
    let mut key = JwtAuthority::from_spki_der(key_id, spki).ok()?;
    key.expires_at = Some(record.not_after);
    Some(key)
}

/// What a new authority has to be.
struct Trial {
    trust_domain: spiffe::TrustDomain,
    family: Family,
    ttl: Duration,
    /// When the one ends that it is to replace.
    replaces: Option<SystemTime>,
    distrusted: BTreeSet<String>,
    now: SystemTime,
}

/// A new authority that is what it has to be.
struct Passed {
    authority_id: String,
    certificate: Certificate,
    path: UpstreamPath,
}

impl Trial {
    /// Looks at what was certified, and at last has it sign something that is verified as everybody will.
    fn hold(&self, minted: Minted, signers: AuthorityKeys) -> Result<Passed, String> {
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
