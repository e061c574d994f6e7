//! Which values PCRs may have.

use std::collections::{BTreeMap, BTreeSet};

use spiffe::TrustDomain;
use symbolon_crypto::digest::{sha256, sha256_of};

use super::message::Quote;
use super::structure::{Attest, Attested, Public};

/// What a quote is about begins so before it is hashed, and nothing else does.
const LABEL: &[u8] = b"Symbolon tpm attestation, version 2\0";
/// The proof that a credential was opened begins so before it is hashed, and nothing else does.
const OPENED: &[u8] = b"Symbolon tpm activation, version 2\0";

/// The highest PCR that every TPM has.
const LAST: u8 = 23;

/// The values that PCRs may have, at least one for each PCR that is named; no PCR may be named.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PcrPolicy(BTreeMap<(Bank, u8), BTreeSet<Vec<u8>>>);

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Bank {
    Sha256,
    Sha384,
    Sha512,
}

impl Bank {
    const ALL: [(Self, &'static str, u16, usize); 3] = [
        (Self::Sha256, "sha256", 0x000b, 32),
        (Self::Sha384, "sha384", 0x000c, 48),
        (Self::Sha512, "sha512", 0x000d, 64),
    ];

    fn facts(self) -> (&'static str, u16, usize) {
        let known = Self::ALL.iter().find(|(bank, ..)| *bank == self);
        known.map_or(("", 0, 0), |(_, name, algorithm, len)| (name, *algorithm, *len))
    }
}

/// A text that is no PCR, or a value that it cannot have.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PcrPolicyError {
    /// No bank and number.
    #[error("{0:?} names no PCR; write the like of sha256:7, with sha256, sha384 or sha512 and 0 to 23")]
    Name(String),
    /// Nothing that it may be.
    #[error("{0} has no value that it may have; leave it out for any")]
    Empty(String),
    /// Another length than the bank's, or no hex.
    #[error("{value:?} is no value of {pcr}: those have {len} hex digits")]
    Value {
        /// The PCR.
        pcr: String,
        /// What it was to be.
        value: String,
        /// How many digits there should be.
        len: usize,
    },
}

impl PcrPolicy {
    /// Reads a policy: values in hex, by bank and number as in `sha256:7`.
    ///
    /// # Errors
    /// [`PcrPolicyError`].
    pub fn new<'a, V>(values: impl IntoIterator<Item = (&'a str, V)>) -> Result<Self, PcrPolicyError>
    where
        V: IntoIterator<Item = &'a str>,
    {
        let mut policy = BTreeMap::new();
        for (name, values) in values {
            let pcr = pcr(name).ok_or_else(|| PcrPolicyError::Name(name.to_owned()))?;
            let (_, _, len) = pcr.0.facts();
            let mut allowed = BTreeSet::new();
            for value in values {
                let read = hex::decode(value).ok().filter(|value| value.len() == len);
                allowed.insert(read.ok_or_else(|| PcrPolicyError::Value {
                    pcr: name.to_owned(),
                    value: value.to_owned(),
                    len: len * 2,
                })?);
            }
            if allowed.is_empty() {
                return Err(PcrPolicyError::Empty(name.to_owned()));
            }
            policy.insert(pcr, allowed);
        }
        Ok(Self(policy))
    }

    /// Whether nothing is demanded.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The PCRs, as in `sha256:0,7+sha384:14`.
    pub(super) fn selection(&self) -> String {
        let banks = self.banks().map(|(bank, numbers)| {
            let numbers: Vec<String> = numbers.iter().map(u8::to_string).collect();
            format!("{}:{}", bank.facts().0, numbers.join(","))
        });
        banks.collect::<Vec<_>>().join("+")
    }

    fn banks(&self) -> impl Iterator<Item = (Bank, Vec<u8>)> {
        let mut banks: BTreeMap<Bank, Vec<u8>> = BTreeMap::new();
        for (bank, number) in self.0.keys() {
            banks.entry(*bank).or_default().push(*number);
        }
        banks.into_iter()
    }

    /// Checks a quote by an attestation key; gives what was quoted, in hex by bank and number.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub(super) fn check(
        &self,
        key: &Public,
        about: &[u8; 32],
        quote: &Quote,
    ) -> Result<Vec<(String, String)>, String> {
        let attest = quote.attest.as_slice();
        key.verify(attest, quote.signature.as_slice())
            .map_err(|reason| format!("the quote's signature is refused: {reason}"))?;
        let attest = Attest::parse(attest).map_err(|reason| format!("the quote is refused: {reason}"))?;
        if attest.extra != about {
            return Err("the quote is about another challenge".to_owned());
        }
        let Attested::Quote { selection, digest } = attest.attested else {
            return Err("the quote is about something other than PCRs".to_owned());
        };
        let wanted: Vec<(u16, Vec<u8>)> = self
            .banks()
            .map(|(bank, numbers)| (bank.facts().1, numbers))
            .collect();
        if selection != wanted {
            return Err("the quote is about other PCRs than were asked for".to_owned());
        }
        let mut concatenated = Vec::new();
        let mut found = Vec::new();
        for ((bank, number), allowed) in &self.0 {
            let (name, _, len) = bank.facts();
            let pcr = format!("{name}:{number}");
            let value = quote.values.get(&pcr).and_then(|value| hex::decode(value).ok());
            let value = value
                .filter(|value| value.len() == len)
                .ok_or_else(|| format!("the quote comes without a value of {pcr}"))?;
            let text = hex::encode(&value);
            if !allowed.contains(&value) {
                return Err(format!("{pcr} is {text}, which it may not be"));
            }
            concatenated.extend(value);
            found.push((pcr, text));
        }
        if digest != sha256(&concatenated) {
            return Err("the values are not those that were quoted".to_owned());
        }
        Ok(found)
    }
}

/// A bank and a number, written in the one way there is.
fn pcr(name: &str) -> Option<(Bank, u8)> {
    let (bank, number) = name.split_once(':')?;
    let (bank, ..) = Bank::ALL.into_iter().find(|(_, known, ..)| *known == bank)?;
    let read: u8 = number.parse().ok()?;
    (read <= LAST && read.to_string() == number).then_some((bank, read))
}

/// One attestation, told apart from every other: to which trust domain, for which request, by which nonce.
#[derive(Clone, Copy, Debug)]
pub(super) struct Occurrence<'a> {
    pub(super) trust_domain: &'a TrustDomain,
    /// SHA-256 of the DER of the request for a certificate.
    pub(super) csr_sha256: &'a [u8; 32],
    pub(super) nonce: &'a [u8],
}

impl Occurrence<'_> {
    /// What a quote has to be about.
    pub(super) fn quoted(&self) -> [u8; 32] {
        self.bound(LABEL, &[])
    }

    /// What proves that the secret in a credential is known, here and for this: whoever has it from a node that attests to
    /// somebody else cannot tell what was in the credential, and whoever is between the node and its server gets no
    /// certificate of their own by it.
    pub(super) fn opened(&self, secret: &[u8]) -> [u8; 32] {
        self.bound(OPENED, secret)
    }

    fn bound(&self, label: &[u8], secret: &[u8]) -> [u8; 32] {
        let name = self.trust_domain.as_str().as_bytes();
        let len = [u8::try_from(name.len()).unwrap_or(u8::MAX)];
        sha256_of(&[label, &len, name, self.csr_sha256, &sha256(self.nonce), secret])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_read_or_refused_by_name() {
        let zeros = ["00".repeat(32), "00".repeat(48)];
        let policy = PcrPolicy::new([
            ("sha384:14", vec![zeros[1].as_str()]),
            ("sha256:7", vec![zeros[0].as_str(), zeros[0].as_str()]),
            ("sha256:0", vec![zeros[0].as_str()]),
        ]);
        assert_eq!(policy.unwrap().selection(), "sha256:0,7+sha384:14");
        assert!(PcrPolicy::default().is_empty());
        for (name, value, words) in [
            ("sha1:7", zeros[0].as_str(), "names no PCR"),
            ("sha256:24", &zeros[0], "names no PCR"),
            ("sha256:07", &zeros[0], "names no PCR"),
            ("sha256", &zeros[0], "names no PCR"),
            ("sha256:7", &zeros[1], "64 hex digits"),
            ("sha256:7", "zz", "64 hex digits"),
        ] {
            let error = PcrPolicy::new([(name, [value])]).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        let nothing: [&str; 0] = [];
        assert!(matches!(
            PcrPolicy::new([("sha256:7", nothing)]),
            Err(PcrPolicyError::Empty(_))
        ));
    }
}
