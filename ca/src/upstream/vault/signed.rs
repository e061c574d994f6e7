//! What `sign-intermediate` answers.

use serde::Deserialize;
use symbolon_pki::bundle::MAX_AUTHORITIES;
use symbolon_pki::certificate::Certificate;
use symbolon_pki::pem;

use super::super::{Minted, UpstreamError};

/// The answer.
#[derive(Debug, Deserialize)]
pub(super) struct Signed {
    data: Data,
}

#[derive(Debug, Deserialize)]
struct Data {
    certificate: String,
    issuing_ca: String,
    /// From the issuer on; some servers put the new certificate before it, and a root has none.
    #[serde(default)]
    ca_chain: Option<Vec<String>>,
}

impl Signed {
    /// The certificate, what leads up from it, and its root; or these roots, where they were named.
    pub(super) fn minted(self, named: Option<Vec<Certificate>>) -> Result<Minted, UpstreamError> {
        let Data {
            certificate,
            issuing_ca,
            ca_chain,
        } = self.data;
        let own = one("certificate", &certificate)?;
        let chain = ca_chain.unwrap_or_default();
        if chain.len() > MAX_AUTHORITIES {
            return Err(unfit(format!("`ca_chain` has {} certificates", chain.len())));
        }
        let mut others = vec![one("issuing_ca", &issuing_ca)?];
        for text in &chain {
            others.push(one("ca_chain", text)?);
        }
        let mut path = vec![own];
        let mut root = None;
        while let Some(issuer) = path.last().and_then(|last| issuer_of(last, &others)) {
            if issuer.is_self_issued() {
                root = Some(issuer.clone());
                break;
            }
            if path.contains(issuer) {
                return Err(unfit("its certificates go round in a circle".to_owned()));
            }
            path.push(issuer.clone());
        }
        let roots = match (named, root) {
            (Some(named), _) => named,
            (None, Some(root)) => vec![root],
            (None, None) => {
                return Err(unfit(
                    "there is no root above its certificate; import the root into the secrets engine, or name it with \
                     `bundle_file`"
                        .to_owned(),
                ));
            }
        };
        Ok(Minted { chain: path, roots })
    }
}

/// Who signed a certificate, as its names and identifiers have it; whether that is so is tried later.
fn issuer_of<'a>(certificate: &Certificate, others: &'a [Certificate]) -> Option<&'a Certificate> {
    let fits = |other: &&Certificate| {
        let by_key = match (certificate.akid_bytes(), other.skid_bytes()) {
            (Some(wanted), Some(own)) => wanted == own,
            _ => true,
        };
        by_key && other.subject_der() == certificate.issuer_der()
    };
    others.iter().find(fits)
}

fn one(field: &str, text: &str) -> Result<Certificate, UpstreamError> {
    let broken = |reason: String| unfit(format!("its `{field}`: {reason}"));
    let mut found = pem::certificates(text.as_bytes())
        .map_err(|error| broken(error.to_string()))?
        .into_iter();
    match (found.next(), found.next()) {
        (Some(Ok(certificate)), None) => Ok(certificate),
        (Some(Err(error)), _) => Err(broken(error.to_string())),
        _ => Err(broken("it is not one certificate".to_owned())),
    }
}

fn unfit(reason: String) -> UpstreamError {
    UpstreamError::Unfit(reason)
}
