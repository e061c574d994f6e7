//! A certificate to break.

use spiffe::SpiffeId;
use symbolon_issuance::lint::{self, Expected, Issuer, Rule};
use symbolon_issuance::{Authority, Beside, Profile, Serial, SvidProfile, SvidRequest};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::key::SubjectKey;
use symbolon_pki::suite::Suite;

use crate::common::*;
use crate::pieces::Pieces;

/// A good SVID for `/web` with the DNS name `web`, and everything that is needed to lint it again.
pub(crate) struct Bench {
    pub(crate) authority: Authority,
    pub(crate) spiffe_id: SpiffeId,
    pub(crate) dns_names: Vec<String>,
    pub(crate) key: SubjectKey,
    pub(crate) serial: Serial,
    pub(crate) pieces: Pieces,
    /// DER of the alternative key, in a catalyst certificate.
    alternative: Option<Vec<u8>>,
    /// The certificate that this one is paired with.
    first: Option<Certificate>,
}

impl Bench {
    pub(crate) fn new(issuer: Suite, leaf: Suite) -> Self {
        Self::of(authority(issuer), key(leaf), Beside::Nothing)
    }

    pub(crate) fn catalyst() -> Self {
        let authority = catalyst_authority(Suite::EcdsaP256, Suite::MlDsa44);
        let alternative = key(Suite::MlDsa44);
        Self::of(
            authority,
            key(Suite::EcdsaP256),
            Beside::Alternative(&alternative),
        )
    }

    pub(crate) fn paired() -> Self {
        let (.., second, related) = proven_first(now());
        let key = SubjectKey::Suite(second.public_key().clone());
        Self::of(authority(Suite::MlDsa44), key, Beside::Related(&related))
    }

    fn of(authority: Authority, key: SubjectKey, beside: Beside<'_>) -> Self {
        let (spiffe_id, dns_names) = (id("/web"), vec!["web".to_owned()]);
        let serial = Serial::from_bytes([0x11; 16]).unwrap();
        let request = SvidRequest {
            dns_names: &dns_names,
            serial,
            beside,
            ..workload(&spiffe_id, &key)
        };
        let linted = prepare(&authority, request).unwrap();
        let pieces = Pieces::of(linted.tbs_der());
        assert_eq!(pieces.tbs(), linted.tbs_der());
        Self {
            authority,
            spiffe_id,
            dns_names,
            key,
            serial,
            pieces,
            alternative: match beside {
                Beside::Alternative(key) => Some(key.spki_der()),
                _ => None,
            },
            first: match beside {
                Beside::Related(related) => Some(related.certificate().clone()),
                _ => None,
            },
        }
    }

    /// The rules that `tbs` breaks as a certificate for `spki`.
    pub(crate) fn lint(&self, tbs: &[u8], spki: &[u8]) -> Vec<&'static Rule> {
        let expected = Expected {
            organization: "SPIFFE",
            constrains_names: false,
            alternative_spki: self.alternative.as_deref(),
            related: self.first.as_ref().map(Certificate::der),
            profile: Profile::Svid(SvidProfile::Workload),
            serial: &self.serial,
            spiffe_id: &self.spiffe_id,
            dns_names: &self.dns_names,
            spki,
            path_len: None,
            ttl: HOUR,
            now: now(),
            issuer: Issuer::Authority(&self.authority),
        };
        match lint::check(tbs, &expected) {
            Ok(()) => Vec::new(),
            Err(error) => {
                let text = error.to_string();
                let rules: Vec<_> = error.findings().iter().map(|finding| finding.rule).collect();
                assert!(rules.iter().all(|rule| text.contains(rule.id)), "{text}");
                rules
            }
        }
    }

    /// The rules that a changed certificate breaks.
    pub(crate) fn broken(&self, change: impl FnOnce(&mut Pieces)) -> Vec<&'static Rule> {
        let mut pieces = self.pieces.clone();
        change(&mut pieces);
        self.lint(&pieces.tbs(), &self.key.spki_der())
    }
}
