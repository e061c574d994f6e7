//! A certificate held against a profile.

use std::time::SystemTime;

use symbolon_crypto::Component;
use symbolon_crypto::rsa::RsaScheme;
use symbolon_crypto::stock::EcdsaHash;

use super::{AlgorithmProfile, Allowed, Breach, Hash, RuledPart};
use crate::kem::KemParameterSet;
use crate::key::{Half, SubjectKey};
use crate::signature::SignatureAlgorithm;

/// What is on a path and may be ruled on.
#[derive(Clone, Copy)]
enum Found {
    Component(Component),
    Rsa(usize),
    Hash(Hash),
    Kem(KemParameterSet),
}

impl AlgorithmProfile {
    /// Whether a key that signs, with the alternative key beside it if that counts, may be that of a leaf or of a
    /// signing certificate.
    pub(in crate::verify) fn judge_key(
        &self,
        key: &SubjectKey,
        alternative: Option<&SubjectKey>,
        is_leaf: bool,
        now: SystemTime,
    ) -> Result<(), Box<Breach>> {
        let native = parts_of(key);
        let others = alternative.map(parts_of).unwrap_or_default();
        let is_hybrid = native.len() + others.len() > 1;
        for found in native.into_iter().chain(others) {
            let post_quantum = match found {
                Found::Component(component) => component.is_post_quantum(),
                _ => false,
            };
            let (part, half) = match (is_hybrid, post_quantum) {
                (false, false) => (RuledPart::ClassicalAlone, None),
                (false, true) => (RuledPart::PostQuantumAlone, None),
                (true, false) => (RuledPart::ClassicalHalf, Some(Half::Classical)),
                (true, true) => (RuledPart::PostQuantumHalf, Some(Half::PostQuantum)),
            };
            self.judge(part, found, half, is_leaf, now)?;
        }
        Ok(())
    }

    /// Whether a certificate may be signed this way. The halves of a composite name their hashes themselves.
    pub(in crate::verify) fn judge_signature(
        &self,
        algorithm: SignatureAlgorithm,
        is_leaf: bool,
        now: SystemTime,
    ) -> Result<(), Box<Breach>> {
        match hash_of(algorithm) {
            Some(hash) => self.judge(RuledPart::Hash, Found::Hash(hash), None, is_leaf, now),
            None => Ok(()),
        }
    }

    /// Whether a certificate may be one for this KEM.
    pub(in crate::verify) fn judge_kem(
        &self,
        set: KemParameterSet,
        now: SystemTime,
    ) -> Result<(), Box<Breach>> {
        self.judge(RuledPart::Kem, Found::Kem(set), None, true, now)
    }

    /// Every rule on this part has to allow it.
    fn judge(
        &self,
        part: RuledPart,
        found: Found,
        half: Option<Half>,
        is_leaf: bool,
        now: SystemTime,
    ) -> Result<(), Box<Breach>> {
        let rules = self
            .rules
            .iter()
            .filter(|rule| rule.part == part && if is_leaf { rule.leaves } else { rule.authorities });
        for rule in rules {
            let in_time = rule.until.is_none_or(|until| now <= until);
            let listed = match found {
                Found::Component(component) => rule.allowed.contains(&Allowed::Component(component)),
                Found::Hash(hash) => rule.allowed.contains(&Allowed::Hash(hash)),
                Found::Kem(set) => rule.allowed.contains(&Allowed::Kem(set)),
                Found::Rsa(bits) => rule.rsa_min_bits.is_some_and(|least| bits >= least),
            };
            if !(in_time && listed) {
                return Err(Box::new(Breach {
                    profile: self.name.clone(),
                    rule: rule.id.clone(),
                    found: found.words(half),
                    half,
                    says: rule.says.clone(),
                    source: format!("{}, {}", rule.source, rule.dated),
                }));
            }
        }
        Ok(())
    }
}

impl Found {
    fn words(self, half: Option<Half>) -> String {
        let name = match self {
            Self::Component(component) => component.name().to_owned(),
            Self::Rsa(bits) => format!("rsa-{bits}"),
            Self::Hash(hash) => return format!("its signature's hash {}", hash.name()),
            Self::Kem(set) => set.name().to_owned(),
        };
        match half {
            Some(half) => format!("the {half} {name} of its key"),
            None => format!("its key of type {name}"),
        }
    }
}

fn parts_of(key: &SubjectKey) -> Vec<Found> {
    match key {
        SubjectKey::Rsa(key) => vec![Found::Rsa(key.bits())],
        SubjectKey::Suite(key) => key
            .suite()
            .components()
            .iter()
            .copied()
            .map(Found::Component)
            .collect(),
    }
}

fn hash_of(algorithm: SignatureAlgorithm) -> Option<Hash> {
    match algorithm {
        SignatureAlgorithm::Ecdsa(EcdsaHash::Sha256)
        | SignatureAlgorithm::Rsa(RsaScheme::Pkcs1Sha256 | RsaScheme::PssSha256) => Some(Hash::Sha256),
        SignatureAlgorithm::Ecdsa(EcdsaHash::Sha384)
        | SignatureAlgorithm::Rsa(RsaScheme::Pkcs1Sha384 | RsaScheme::PssSha384) => Some(Hash::Sha384),
        SignatureAlgorithm::Ecdsa(EcdsaHash::Sha512)
        | SignatureAlgorithm::Rsa(RsaScheme::Pkcs1Sha512 | RsaScheme::PssSha512) => Some(Hash::Sha512),
        _ => None,
    }
}
