//! What a file holds, in words: certificates, requests, keys, SVIDs, bundles and tokens.
//!
//! This is for people who were handed a file. It believes nothing and verifies only what a file can prove by itself
//! (a proof of possession, a self-signature, that key and certificate go together); whether an SVID is to be
//! trusted is `verify`'s to say. It names what it does not understand rather than failing on it, one bad block
//! never hides another, and no byte of a private key or of a token's signature is ever in a description.

mod algorithm;
mod beside;
mod certificate;
mod document;
mod extension;
mod key;
mod oids;
mod rows;

use std::time::SystemTime;

use der::{Reader, SliceReader};
use serde::Serialize;

pub(crate) use self::algorithm::oid_in_words;
pub use self::algorithm::{AlgorithmDescription, PartDescription, Support, algorithm, component_words};
pub use self::beside::{AlternativeDescription, RelatedDescription};
pub use self::certificate::{
    CertificateDescription, RequestDescription, SignatureDescription, ValidityDescription,
};
pub use self::document::{BundleDescription, BundleKeyDescription, JwtDescription};
pub use self::extension::ExtensionDescription;
pub use self::key::{PrivateKeyDescription, PublicKeyDescription};
pub use self::rows::Row;
use crate::key::PrivateKey;
use crate::pem;

/// The largest input described, in bytes.
pub const MAX_INPUT_LEN: usize = pem::MAX_PEM_LEN;
/// The most things described in one input.
pub const MAX_THINGS: usize = 1024;

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Description {
    /// A certificate on its own.
    Certificate(Box<CertificateDescription>),
    /// A certificate request.
    CertificateRequest(Box<RequestDescription>),
    /// A public key.
    PublicKey(PublicKeyDescription),
    /// A private key on its own.
    PrivateKey(PrivateKeyDescription),
    /// A chain whose leaf has a SPIFFE ID, with or without the leaf's private key.
    X509Svid(Box<SvidDescription>),
    /// A SPIFFE bundle document.
    Bundle(BundleDescription),
    /// A JWT.
    Jwt(Box<JwtDescription>),
    /// Something that could not be read.
    Unreadable {
        /// What it seemed to be.
        what: String,
        /// Why it could not be read.
        problem: String,
    },
}

/// An X.509-SVID: its chain and, if it is in the same file, its key.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct SvidDescription {
    /// What it is, in one line.
    pub summary: String,
    /// The SPIFFE ID.
    pub spiffe_id: String,
    /// The form: `classical`, `ml-dsa`, `composite`, `paired` (the second of a pair) or `catalyst`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub form: Option<&'static str>,
    /// The chain, leaf first.
    pub chain: Vec<CertificateDescription>,
    /// The private key, if it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private_key: Option<PrivateKeyDescription>,
    /// What is wrong with the SVID as a whole.
    pub problems: Vec<String>,
}

/// Why there is nothing to describe.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DescribeError {
    /// The input is empty.
    #[error("the input is empty")]
    Empty,
    /// The input is larger than [`MAX_INPUT_LEN`].
    #[error("the input has {len} bytes, more than the {MAX_INPUT_LEN} that are read")]
    TooLong {
        /// Its length, in bytes.
        len: usize,
    },
    /// The input is of no known kind.
    #[error(
        "the input is none of: PEM; a DER certificate, chain, certificate request, PKCS#8 private key or \
         public key; a SPIFFE bundle; a JWT"
    )]
    Unknown,
}

/// Describes everything in the input: PEM with any number of blocks, DER, a bundle's JSON, or a JWT. `now` is for
/// telling what has expired.
///
/// # Errors
/// [`DescribeError`] when the input as a whole is of no known kind. Parts that cannot be read are described as such.
pub fn describe(input: &[u8], now: SystemTime) -> Result<Vec<Description>, DescribeError> {
    if input.len() > MAX_INPUT_LEN {
        return Err(DescribeError::TooLong { len: input.len() });
    }
    let text = std::str::from_utf8(input).map(str::trim);
    match text {
        Ok("") => Err(DescribeError::Empty),
        // DER first: in what it holds there may be anything, and PEM of something else among it.
        _ if pem::looks_like_pem(input) => from_der(input, now).or_else(|_| from_pem(input, now)),
        Ok(text) if text.starts_with('{') => {
            let document = serde_json::from_str(text).map_err(|_| DescribeError::Unknown)?;
            non_empty(
                document::bundles(&document, now)
                    .into_iter()
                    .map(Description::Bundle)
                    .collect(),
            )
        }
        Ok(text) if text.starts_with("eyJ") => {
            let token = document::jwt(text, now).ok_or(DescribeError::Unknown)?;
            Ok(vec![Description::Jwt(Box::new(token))])
        }
        _ => from_der(input, now),
    }
}

impl Description {
    /// Everything that is wrong with it, in sentences; empty when nothing is.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        match self {
            Self::Certificate(certificate) => certificate.problems.clone(),
            Self::CertificateRequest(request) => request.problems.clone(),
            Self::PublicKey(key) => key.problem.iter().cloned().collect(),
            Self::PrivateKey(key) => key.problem.iter().cloned().collect(),
            Self::X509Svid(svid) => svid.problems.clone(),
            Self::Bundle(bundle) => bundle.keys.iter().filter_map(|key| key.problem.clone()).collect(),
            Self::Jwt(token) => token.problems.clone(),
            Self::Unreadable { problem, .. } => vec![problem.clone()],
        }
    }
}

/// What was found in a file before it is decided what belongs together.
#[derive(Default)]
struct Found {
    certificates: Vec<CertificateDescription>,
    keys: Vec<(PrivateKeyDescription, Option<PrivateKey>)>,
    others: Vec<Description>,
}

fn from_pem(input: &[u8], now: SystemTime) -> Result<Vec<Description>, DescribeError> {
    let blocks = pem::blocks(input).map_err(|_| DescribeError::Unknown)?;
    let mut found = Found::default();
    for block in blocks.into_iter().take(MAX_THINGS) {
        match block {
            Ok(block) => found.block(&block, now),
            Err(error) => found.others.push(Description::Unreadable {
                what: "PEM block".to_owned(),
                problem: error.to_string(),
            }),
        }
    }
    non_empty(found.arrange())
}

fn from_der(input: &[u8], now: SystemTime) -> Result<Vec<Description>, DescribeError> {
    let mut found = Found::default();
    let mut rest = input;
    // A chain is certificates one after the other; anything else stands alone.
    while let Some(der) = first_element(rest).filter(|_| found.certificates.len() < MAX_THINGS) {
        let Some(certificate) = certificate::certificate(der, now) else {
            break;
        };
        found.certificates.push(certificate);
        rest = rest.get(der.len()..).unwrap_or_default();
    }
    match (found.certificates.is_empty(), rest) {
        (false, []) => {}
        (false, rest) => found.others.push(Description::Unreadable {
            what: format!("{} bytes after the last certificate", rest.len()),
            problem: "they are not another certificate".to_owned(),
        }),
        (true, whole) => {
            if let Some(key) = key::private_key(whole) {
                found.keys.push(key);
            } else if let Some(request) = certificate::request(whole) {
                found
                    .others
                    .push(Description::CertificateRequest(Box::new(request)));
            } else if let Some(key) = key::public_key(whole) {
                found.others.push(Description::PublicKey(key));
            }
        }
    }
    non_empty(found.arrange())
}

fn non_empty(descriptions: Vec<Description>) -> Result<Vec<Description>, DescribeError> {
    if descriptions.is_empty() {
        Err(DescribeError::Unknown)
    } else {
        Ok(descriptions)
    }
}

fn first_element(bytes: &[u8]) -> Option<&[u8]> {
    SliceReader::new(bytes).ok()?.tlv_bytes().ok()
}

impl Found {
    fn block(&mut self, block: &pem::Block, now: SystemTime) {
        let read = match block.label.as_str() {
            pem::CERTIFICATE | "X509 CERTIFICATE" => certificate::certificate(&block.der, now)
                .map(|certificate| self.certificates.push(certificate)),
            pem::PRIVATE_KEY => key::private_key(&block.der).map(|key| self.keys.push(key)),
            pem::PUBLIC_KEY => key::public_key(&block.der).map(|key| self.other(Description::PublicKey(key))),
            label if pem::is_request(label) => certificate::request(&block.der)
                .map(|request| self.other(Description::CertificateRequest(Box::new(request)))),
            "EC PRIVATE KEY" | "RSA PRIVATE KEY" => {
                let problem = format!(
                    "line {}: this is the traditional key format, which is not read here; \
                     convert it with `openssl pkcs8 -topk8 -nocrypt`",
                    block.line
                );
                self.other(Description::Unreadable {
                    what: block.label.clone(),
                    problem,
                });
                Some(())
            }
            _ => None,
        };
        if read.is_none() {
            let problem = format!(
                "line {}: the block's {} bytes are nothing that is known here by that label",
                block.line,
                block.der.len()
            );
            self.others.push(Description::Unreadable {
                what: block.label.clone(),
                problem,
            });
        }
    }

    fn other(&mut self, description: Description) {
        self.others.push(description);
    }

    /// Puts chain and key together where they are an SVID.
    fn arrange(mut self) -> Vec<Description> {
        beside::relate(&mut self.certificates);
        let mut descriptions = Vec::new();
        let leaf_id = self
            .certificates
            .first()
            .filter(|first| !first.authority && (self.certificates.len() > 1 || self.keys.len() == 1))
            .and_then(|first| first.spiffe_id.clone());
        if let Some(spiffe_id) = leaf_id {
            let key = if self.keys.len() == 1 {
                self.keys.pop()
            } else {
                None
            };
            let chain = std::mem::take(&mut self.certificates);
            descriptions.push(Description::X509Svid(Box::new(svid(spiffe_id, chain, key))));
        }
        descriptions.extend(
            self.certificates
                .into_iter()
                .map(|c| Description::Certificate(Box::new(c))),
        );
        descriptions.extend(self.keys.into_iter().map(|(key, _)| Description::PrivateKey(key)));
        descriptions.extend(self.others);
        descriptions
    }
}

fn svid(
    spiffe_id: String,
    chain: Vec<CertificateDescription>,
    key: Option<(PrivateKeyDescription, Option<PrivateKey>)>,
) -> SvidDescription {
    let mut problems: Vec<String> = chain
        .iter()
        .flat_map(|certificate| certificate.problems.clone())
        .collect();
    for (number, pair) in chain.windows(2).enumerate() {
        if let [below, above] = pair
            && below.issuer != above.subject
        {
            problems.push(format!(
                "certificate {} is not issued by certificate {}: {:?} is not {:?}",
                number + 1,
                number + 2,
                below.issuer,
                above.subject
            ));
        }
    }
    let leaf_key = chain.first().map(|leaf| &leaf.public_key);
    let private_key = key.map(|(description, _)| description);
    if let Some(key) = &private_key {
        problems.extend(key.problem.clone());
        let ids = (
            key.public_key.as_ref().and_then(|k| k.key_id.as_ref()),
            leaf_key.and_then(|k| k.key_id.as_ref()),
        );
        if let (Some(private), Some(certified)) = ids
            && private != certified
        {
            problems.push("the private key is not the one that the leaf certifies".to_owned());
        }
    }
    let form = leaf_key.and_then(|key| key.form);
    let key_words = match (&private_key, form) {
        (Some(_), _) => "with its private key",
        (None, _) => "without its private key",
    };
    SvidDescription {
        summary: format!(
            "X.509-SVID of {spiffe_id}, {} form, {} certificate(s), {key_words}",
            form.unwrap_or("unknown"),
            chain.len()
        ),
        spiffe_id,
        form,
        chain,
        private_key,
        problems,
    }
}
