//! Making an authority of a new key.

use std::time::SystemTime;

use symbolon_crypto::random;
use symbolon_issuance::{
    AuthorityKeys, AuthoritySpec, BACKDATE, IssuanceError, Linted, Serial, prepare_authority,
};
use symbolon_pki::bundle::JwtAuthority;
use symbolon_pki::key::SubjectKey;

use super::changing::Changing;
use super::keys::MadeKey;
use super::settings::FamilySettings;
use super::upstream::Candidate;
use super::{Authorities, AuthoritiesError};
use crate::datastore::{
    AuthorityMaterial, AuthorityRecord, AuthorityRequest, AuthorityState, CertificateProfile, KeyReference,
};
use crate::records::{intent_of, issued_record};

/// What was made for a family. The journal does not know of it yet.
pub(super) enum Fresh {
    /// An authority.
    Certified(AuthorityRecord),
    /// The request for one, whose certificate somebody is to bring.
    Requested(AuthorityRequest),
}

/// Runs what blocks (key stores, signing) off the async threads.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, AuthoritiesError> + Send + 'static,
) -> Result<T, AuthoritiesError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| AuthoritiesError::Interrupted)?
}

impl Authorities {
    /// Makes a new authority for a family and journals it as prepared.
    ///
    /// # Errors
    /// [`AuthoritiesError::Awaited`] where somebody is to bring its certificate, which the journal knows then.
    pub(super) async fn make(
        &self,
        settings: &FamilySettings,
        changing: &mut Changing<'_>,
    ) -> Result<AuthorityRecord, AuthoritiesError> {
        let record = match self.new_authority(settings, changing).await? {
            Fresh::Certified(record) => record,
            Fresh::Requested(request) => {
                self.request(settings, &request, changing).await?;
                return Err(AuthoritiesError::Awaited {
                    family: settings.family,
                });
            }
        };
        self.datastore.add_authority(&record).await?;
        Ok(record)
    }

    /// Makes a new authority for a family, of which the journal does not know yet: its key is destroyed with the next
    /// orphans, unless the journal learns of it before the turn ends. Where an upstream has to be asked, others may change the
    /// journal meanwhile.
    ///
    /// # Errors
    /// [`AuthoritiesError::Awaited`] where the journal knows of a request for it.
    pub(super) async fn new_authority(
        &self,
        settings: &FamilySettings,
        changing: &mut Changing<'_>,
    ) -> Result<Fresh, AuthoritiesError> {
        let family = settings.family;
        if self.is_awaited(settings).await? {
            return Err(AuthoritiesError::Awaited { family });
        }
        let made = self.make_key(settings).await?;
        let spared = self.in_making.spare(&made.keys, &self.keys_are_left);
        let fresh = self.establish(settings, made, changing).await;
        spared.settle();
        fresh
    }

    /// Makes an authority of a key: certified by itself or by whoever stands above it, or published there.
    async fn establish(
        &self,
        settings: &FamilySettings,
        MadeKey { signers, keys }: MadeKey,
        changing: &mut Changing<'_>,
    ) -> Result<Fresh, AuthoritiesError> {
        let (family, now) = (settings.family, self.clock.now());
        if family.signs_tokens() {
            let key = SubjectKey::Suite(signers.signer().public_key().clone());
            let (key_id, spki) = (key.skid().to_string(), key.spki_der());
            let mut published = JwtAuthority::from_spki_der(&key_id, &spki)?;
            published.expires_at = Some(now + self.settings.ttl);
            changing.apart(self.publish_above(settings, &published)).await?;
            let published_at = self.clock.now();
            Ok(Fresh::Certified(AuthorityRecord {
                authority_id: key_id.clone(),
                family,
                suite: settings.suite,
                alternative: settings.alternative,
                state: AuthorityState::Prepared,
                material: AuthorityMaterial::Jwt { key_id, spki },
                keys,
                not_before: now.checked_sub(BACKDATE).unwrap_or(now),
                not_after: now + self.settings.ttl,
                created_at: published_at,
                changed_at: published_at,
                activated_at: None,
                upstream: None,
            }))
        } else if let Some(above) = &settings.upstream {
            let candidate = Candidate { signers, keys };
            self.certify_above(settings, above, candidate, changing).await
        } else {
            let record = self.certify(settings, signers, keys, now).await?;
            Ok(Fresh::Certified(record))
        }
    }

    /// Lints, records, signs and records the self-signed certificate of a new X.509 authority.
    async fn certify(
        &self,
        settings: &FamilySettings,
        signers: AuthorityKeys,
        keys: Vec<KeyReference>,
        now: SystemTime,
    ) -> Result<AuthorityRecord, AuthoritiesError> {
        let family = settings.family;
        let failed = move |source: IssuanceError| AuthoritiesError::Issuance {
            family,
            source: Box::new(source),
        };
        let serial = Serial::random(random::fill)?;
        let spec = AuthoritySpec {
            trust_domain: &self.settings.trust_domain,
            ttl: self.settings.ttl,
            path_len: None,
        };
        let linted: Linted = prepare_authority(&spec, &signers, serial, now).map_err(failed)?;
        let intent = intent_of(linted.facts(), CertificateProfile::Authority, None, now)?;
        self.recorder.record_intent(intent).await?;
        let issued = blocking(move || linted.sign(&signers).map_err(failed)).await?;
        self.recorder.record_issued(issued_record(&issued)?).await?;
        let facts = issued.facts().clone();
        Ok(AuthorityRecord {
            authority_id: facts.authority_id.to_string(),
            family,
            suite: settings.suite,
            alternative: settings.alternative,
            state: AuthorityState::Prepared,
            material: AuthorityMaterial::X509 {
                certificate: issued.into_der(),
            },
            keys,
            not_before: facts.not_before,
            not_after: facts.not_after,
            created_at: now,
            changed_at: now,
            activated_at: None,
            upstream: None,
        })
    }
}
