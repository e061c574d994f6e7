//! From a leaf to an authority: the search for a path, within bounds.
//!
//! Candidates are picked by name and key identifier, authorities of the bundle before certificates of the chain.
//! Every step costs one signature check, and those are counted, so that no chain can make the search long.

use std::time::SystemTime;

use spiffe::TrustDomain;

use super::error::{ChainError, ChainReason, Role};
use super::{MAX_CHAIN_LEN, MAX_SIGNATURE_CHECKS, VerifyOptions, identify, names, revocation, rules};
use crate::bundle::{TrustBundle, X509Authority};
use crate::catalyst::{self, Alternative};
use crate::certificate::Certificate;
use crate::kem::KemPublicKey;
use crate::key::SubjectKey;
use crate::suite::Form;
use crate::text;

/// A certificate with its place on a path.
#[derive(Clone, Copy)]
pub(super) struct Step<'a> {
    pub(super) certificate: &'a Certificate,
    pub(super) key: StepKey<'a>,
    pub(super) role: Role,
}

/// The key of a certificate on a path.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum StepKey<'a> {
    /// One that signs, as every key but a leaf's must.
    Signs(&'a SubjectKey),
    /// A leaf's that is for a KEM.
    Kem(&'a KemPublicKey),
}

impl StepKey<'_> {
    /// What its type is worth. ML-KEM alone is worth as much as ML-DSA alone.
    fn form(&self) -> Form {
        match self {
            Self::Signs(key) => key.form(),
            Self::Kem(_) => Form::MlDsa,
        }
    }
}

impl<'a> Step<'a> {
    /// The alternative key beside a classical one, if there is one that can be used and it is to count.
    pub(super) fn alternative(&self, options: &VerifyOptions) -> Option<&'a SubjectKey> {
        alternative_of(self.certificate, options)
    }

    /// What the certificate is worth, provided that the alternative signatures of the path hold.
    pub(super) fn form(&self, options: &VerifyOptions) -> Form {
        match self.key.form() {
            Form::Classical if self.alternative(options).is_some() => Form::Catalyst,
            form => form,
        }
    }

    /// Hashes of every component key that the certificate certifies.
    pub(super) fn component_hashes(&self) -> Vec<[u8; 32]> {
        let native = match self.key {
            StepKey::Signs(key) => key.component_spki_hashes(),
            StepKey::Kem(key) => vec![key.spki_hash()],
        };
        let alternative = self.certificate.alternative().and_then(|it| it.key().ok());
        let alternative = alternative.map(SubjectKey::component_spki_hashes);
        native
            .into_iter()
            .chain(alternative.unwrap_or_default())
            .collect()
    }
}

/// The alternative key of a certificate whose native key is classical, if it can be used and is to count.
pub(super) fn alternative_of<'a>(
    certificate: &'a Certificate,
    options: &VerifyOptions,
) -> Option<&'a SubjectKey> {
    if options.native_only {
        return None;
    }
    let native = certificate.subject_key().ok()?;
    let alternative = certificate.alternative()?.key().ok()?;
    (native.form() == Form::Classical).then_some(alternative)
}

/// A path from its first certificate to an authority of the bundle, all signatures verified.
pub(super) struct Path<'a> {
    /// First certificate first, the authority last.
    pub(super) steps: Vec<Step<'a>>,
    pub(super) authority: &'a X509Authority,
    /// What its weakest certificate and its weakest signature are worth.
    pub(super) form: Form,
}

/// How a branch of the search ended without a path; the reason was noted.
enum Dead {
    /// This branch leads nowhere; others may.
    End,
    /// Out of signature checks.
    Stop,
}

/// What certificates have to keep to beyond RFC 5280.
#[derive(Clone, Copy)]
enum Rules<'a> {
    /// Those of X509-SVID, in this trust domain.
    Spiffe(&'a TrustDomain),
    /// None: another PKI's.
    Plain,
}

pub(super) struct Search<'a> {
    presented: &'a [Certificate],
    authorities: &'a [X509Authority],
    rules: Rules<'a>,
    now: SystemTime,
    options: &'a VerifyOptions,
    checks: usize,
    comparisons: names::Budget,
    steps: Vec<Step<'a>>,
    /// The failure that got furthest: what to tell if nothing succeeds.
    furthest: Option<ChainError>,
}

impl<'a> Search<'a> {
    /// A search that starts at `first`, whose own rules were checked. `presented` are the certificates that may
    /// stand between it and an authority.
    pub(super) fn new(
        first: Step<'a>,
        presented: &'a [Certificate],
        bundle: &'a TrustBundle,
        now: SystemTime,
        options: &'a VerifyOptions,
    ) -> Self {
        Self {
            rules: Rules::Spiffe(&bundle.trust_domain),
            ..Self::plain(first, presented, &bundle.x509_authorities, now, options)
        }
    }

    /// As [`new`](Self::new), in another PKI: nobody has to be named as SPIFFE wants it.
    pub(super) fn plain(
        first: Step<'a>,
        presented: &'a [Certificate],
        authorities: &'a [X509Authority],
        now: SystemTime,
        options: &'a VerifyOptions,
    ) -> Self {
        Self {
            presented,
            authorities,
            rules: Rules::Plain,
            now,
            options,
            checks: 0,
            comparisons: names::Budget::default(),
            steps: vec![first],
            furthest: None,
        }
    }

    /// Searches.
    ///
    /// # Errors
    /// The reason of the branch that got furthest from the leaf.
    pub(super) fn run(mut self) -> Result<Path<'a>, ChainError> {
        match self.extend() {
            Ok((authority, form)) => Ok(Path {
                steps: self.steps,
                authority,
                form,
            }),
            Err(Dead::Stop) => Err(self.error_here(ChainReason::TooManySignatureChecks {
                max: MAX_SIGNATURE_CHECKS,
            })),
            Err(Dead::End) => match self.furthest.take() {
                Some(error) => Err(error),
                None => Err(self.issuer_not_found()),
            },
        }
    }

    /// Finds an issuer for the last step, and for that one, and so on, up to an authority.
    fn extend(&mut self) -> Result<(&'a X509Authority, Form), Dead> {
        let Some(&child) = self.steps.last() else {
            return Err(Dead::End);
        };
        let mut candidates = 0_usize;

        // Untainted ones first: a key may be in the bundle twice, in an old certificate and a new one.
        let authorities = self.authorities;
        let (tainted, clean): (Vec<_>, Vec<_>) = authorities.iter().partition(|authority| authority.tainted);
        for authority in clean.into_iter().chain(tainted) {
            if !may_have_issued(&authority.certificate, child.certificate) {
                continue;
            }
            candidates += 1;
            let Some(step) = self.try_issuer(child, &authority.certificate, Role::Authority)? else {
                continue;
            };
            self.steps.push(step);
            if authority.tainted && self.options.refuse_tainted {
                self.note(self.error_here(ChainReason::Tainted));
                self.steps.pop();
                continue;
            }
            match self.accept() {
                Ok(form) => return Ok((authority, form)),
                Err(error) => {
                    self.note(error);
                    self.steps.pop();
                }
            }
        }

        let presented = self.presented;
        for certificate in presented {
            let on_the_path = self.steps.iter().any(|step| step.certificate == certificate);
            let room = self.steps.len() < MAX_CHAIN_LEN - 1;
            if on_the_path || !room || !may_have_issued(certificate, child.certificate) {
                continue;
            }
            candidates += 1;
            let Some(step) = self.try_issuer(child, certificate, Role::Intermediate)? else {
                continue;
            };
            self.steps.push(step);
            match self.extend() {
                Err(Dead::End) => self.steps.pop(),
                found_or_stop => return found_or_stop,
            };
        }

        if candidates == 0 {
            self.note(self.issuer_not_found());
        }
        Err(Dead::End)
    }

    /// Whether `issuer` signed `child` and was allowed to: a step to go on from, or `None` with the reason noted.
    fn try_issuer(
        &mut self,
        child: Step<'a>,
        issuer: &'a Certificate,
        role: Role,
    ) -> Result<Option<Step<'a>>, Dead> {
        let refused = {
            let certificate = self.steps.len();
            move |reason| ChainError::new(certificate, role, identify(issuer), reason)
        };
        let key = match issuer.subject_key() {
            Ok(key) => key,
            Err(problem) => {
                self.note(refused(ChainReason::Key(problem.clone())));
                return Ok(None);
            }
        };

        if self.checks == MAX_SIGNATURE_CHECKS {
            return Err(Dead::Stop);
        }
        self.checks += 1;
        if let Err(problem) = child.certificate.verify_signature(key) {
            let issuer = format!("{role} {}", identify(issuer));
            self.note(self.error_here(ChainReason::Signature { issuer, problem }));
            return Ok(None);
        }

        // Only now is it known that this certificate, and no namesake, is the issuer: its faults are the chain's.
        match self.check_issuer(issuer, role) {
            Ok(key) => Ok(Some(Step {
                certificate: issuer,
                key: StepKey::Signs(key),
                role,
            })),
            Err(reason) => {
                self.note(refused(reason));
                Ok(None)
            }
        }
    }

    fn check_issuer(&mut self, issuer: &'a Certificate, role: Role) -> Result<&'a SubjectKey, ChainReason> {
        let key = rules::check_signing_key(issuer, role, self.now, self.options)?;
        match role {
            Role::Authority => rules::check_authority(issuer, key)?,
            Role::Intermediate | Role::Leaf => match self.rules {
                Rules::Spiffe(trust_domain) => rules::check_intermediate(issuer, key, trust_domain)?,
                Rules::Plain => rules::check_authority(issuer, key)?,
            },
        }
        // A leaf does not count, nor do self-issued certificates (RFC 5280, section 4.2.1.9).
        let counts = |step: &&Step<'_>| step.role != Role::Leaf && !step.certificate.is_self_issued();
        rules::check_path_length(issuer, self.steps.iter().filter(counts).count())?;
        self.check_names(issuer)?;
        Ok(key)
    }

    /// Whether all names below `issuer` are among those that it may certify. Names of self-issued signing certificates
    /// do not count (RFC 5280, section 6.1.3 (b)); they certify nobody.
    fn check_names(&mut self, issuer: &Certificate) -> Result<(), ChainReason> {
        let Some(constraints) = issuer.name_constraints() else {
            return Ok(());
        };
        for (index, step) in self.steps.iter().enumerate() {
            if index == 0 || !step.certificate.is_self_issued() {
                let holder = format!("{} ({})", step.role, identify(step.certificate));
                names::check(step.certificate, &holder, constraints, &mut self.comparisons)?;
            }
        }
        Ok(())
    }

    /// What can be said only once a path is whole: whether the post-quantum halves of its signatures hold, and that
    /// nothing on it was revoked. Gives what the path is worth.
    fn accept(&mut self) -> Result<Form, ChainError> {
        let steps = self.steps.clone();
        let mut form = steps
            .iter()
            .map(|step| step.form(self.options))
            .min()
            .unwrap_or_default();
        for (index, (child, issuer)) in steps.iter().zip(steps.iter().skip(1)).enumerate() {
            let StepKey::Signs(key) = issuer.key else {
                continue;
            };
            let refused = |reason| ChainError::new(index, child.role, identify(child.certificate), reason);
            let is_hybrid = [child, issuer]
                .iter()
                .any(|step| step.alternative(self.options).is_some());
            // Marked critical, the extensions are for no one who does not check them (RFC 5280, section 4.2).
            let alternative = child.certificate.alternative();
            let is_critical = alternative.is_some_and(Alternative::is_critical);
            let by_classical = key.form() == Form::Classical;
            let asked = is_critical || (by_classical && is_hybrid && self.options.needs_alternatives());
            if asked || (by_classical && form != Form::Classical) {
                self.spend_check().map_err(refused)?;
                match catalyst::verify_alternative(child.certificate, issuer.certificate) {
                    Ok(()) => {}
                    Err(problem) if asked => {
                        let issuer = format!("{} {}", issuer.role, identify(issuer.certificate));
                        return Err(refused(ChainReason::Alternative { issuer, problem }));
                    }
                    // Nobody asked for more than the native signatures, and the path is worth no more.
                    Err(_) => form = Form::Classical,
                }
            }
            let options = self.options;
            revocation::check(child.certificate, issuer, key, options, self.now, || {
                self.spend_check()
            })
            .map_err(refused)?;
        }
        Ok(form)
    }

    fn spend_check(&mut self) -> Result<(), ChainReason> {
        if self.checks == MAX_SIGNATURE_CHECKS {
            let max = MAX_SIGNATURE_CHECKS;
            return Err(ChainReason::TooManySignatureChecks { max });
        }
        self.checks += 1;
        Ok(())
    }

    /// Keeps the error that is furthest along a path; of two equally far, one that says more than "not found", and
    /// then the first.
    fn note(&mut self, error: ChainError) {
        let rank = |error: &ChainError| {
            (
                error.certificate,
                !matches!(
                    *error.reason,
                    ChainReason::IssuerNotFound { .. } | ChainReason::IssuerUnknown { .. }
                ),
            )
        };
        if self
            .furthest
            .as_ref()
            .is_none_or(|kept| rank(&error) > rank(kept))
        {
            self.furthest = Some(error);
        }
    }

    fn issuer_not_found(&self) -> ChainError {
        let child = self.steps.last().map(|step| step.certificate);
        let issuer = child
            .map(|child| text::printable(&child.issuer()))
            .unwrap_or_default();
        let key_id = child.and_then(Certificate::akid_bytes).map(Into::into);
        self.error_here(match self.rules {
            Rules::Spiffe(trust_domain) => ChainReason::IssuerNotFound {
                trust_domain: trust_domain.clone(),
                issuer,
                key_id,
            },
            Rules::Plain => ChainReason::IssuerUnknown { issuer, key_id },
        })
    }

    /// An error about the last step.
    fn error_here(&self, reason: ChainReason) -> ChainError {
        let (role, subject) = match self.steps.last() {
            Some(step) => (step.role, identify(step.certificate)),
            None => (Role::Leaf, String::new()),
        };
        ChainError::new(self.steps.len().saturating_sub(1), role, subject, reason)
    }
}

/// Whether names and key identifiers allow `issuer` to have issued `child` (RFC 5280, sections 6.1.3 (a) (4) and
/// 4.2.1.1). Where either identifier is absent the name alone decides.
fn may_have_issued(issuer: &Certificate, child: &Certificate) -> bool {
    let same_name = issuer.subject_der() == child.issuer_der();
    match (child.akid_bytes(), issuer.skid_bytes()) {
        (Some(wanted), Some(found)) => same_name && wanted == found,
        _ => same_name,
    }
}
