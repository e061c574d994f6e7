//! `symbolon svid verify`.

use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context as _, Result};
use serde::Serialize;
use spiffe::TrustDomain;
use symbolon_pki::bundle::{BundleSet, TrustBundle, X509Authority};
use symbolon_pki::certificate::{Certificate, split_chain};
use symbolon_pki::jwt::{parse_unverified, verify_jwt_svid};
use symbolon_pki::pem;
use symbolon_pki::related::{VerifiedPair, verify_pair};
use symbolon_pki::suite::Form;
use symbolon_pki::time::rfc3339;
use symbolon_pki::verify::verify_x509_svid_with;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{connect, policy};
use crate::args::{Common, SvidVerify};
use crate::commands::read_input;
use crate::exit::{NotVerified, Usage};
use crate::output::{Show, facts};

/// What was verified.
#[derive(Serialize)]
struct Verdict {
    verified: bool,
    spiffe_id: String,
    /// What the path is worth: the form of its weakest key; absent for a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    form: Option<String>,
    /// Of a pair, the second one's: the first one is classical.
    algorithm: String,
    /// The authority, or for a token the key, that it was verified with; of a pair, the second one's.
    authority_id: String,
    /// The first SVID of a pair.
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<FirstHalf>,
    not_after: String,
}

/// The classical half of a pair.
#[derive(Serialize)]
struct FirstHalf {
    algorithm: String,
    authority_id: String,
    not_after: String,
}

impl Show for Verdict {
    fn text(&self) -> String {
        let mut rows = vec![
            ("verified", "yes".to_owned()),
            ("identity", self.spiffe_id.clone()),
        ];
        rows.extend(self.form.clone().map(|form| ("form", form)));
        if let Some(first) = &self.first {
            rows.push((
                "first",
                format!("{}, signed by {}", first.algorithm, first.authority_id),
            ));
        }
        rows.extend([
            ("algorithm", self.algorithm.clone()),
            ("signed by", self.authority_id.clone()),
            ("expires", self.not_after.clone()),
        ]);
        facts(&rows)
    }
}

pub(crate) async fn run(common: &Common, options: &SvidVerify) -> Result<()> {
    let input = read_input(&options.file)?;
    let now = match &options.at {
        Some(at) => OffsetDateTime::parse(at, &Rfc3339)
            .map_err(|error| Usage(format!("--at {at:?} is no moment: {error}")))?
            .into(),
        None => SystemTime::now(),
    };
    let verdict = match std::str::from_utf8(&input).map(str::trim) {
        Ok(token) if looks_like_token(token) && options.second.is_some() => {
            let reason = "a token is verified by itself: it has no second half";
            return Err(Usage(reason.into()).into());
        }
        Ok(token) if looks_like_token(token) => verify_jwt(common, options, token, now).await,
        _ => verify_x509(common, options, &input, now).await,
    }?;
    common.output.print(&verdict)
}

async fn verify_x509(
    common: &Common,
    options: &SvidVerify,
    input: &[u8],
    now: SystemTime,
) -> Result<Verdict> {
    let asked = policy::options(options)?;
    let chain = certificates(input, &options.file)?;
    let leaf = chain
        .first()
        .with_context(|| NotVerified(format!("{} holds no certificate", options.file.display())))?;
    let spiffe_id = leaf
        .spiffe_id()
        .map_err(|error| NotVerified(format!("leaf: {error}")))?;
    let bundles = match &options.bundle {
        Some(file) => read_bundle(file, spiffe_id.trust_domain())?,
        None => connect(common).await?.fetch_x509_bundles(&Form::ALL).await?,
    };
    if let Some(file) = &options.second {
        let second = certificates(&read_input(file)?, file)?;
        let pair = verify_pair(&chain, &second, &bundles, now, &asked);
        let pair = pair.map_err(|error| NotVerified(error.to_string()))?;
        return Ok(Verdict::of_pair(pair));
    }
    let verified = verify_x509_svid_with(&chain, &bundles, now, &asked);
    let verified = verified.map_err(|error| NotVerified(error.to_string()))?;
    Ok(Verdict {
        verified: true,
        spiffe_id: verified.spiffe_id.to_string(),
        form: Some(verified.form.to_string()),
        algorithm: verified.suite,
        authority_id: verified.authority_id.to_string(),
        first: None,
        not_after: rfc3339(verified.not_after),
    })
}

impl Verdict {
    fn of_pair(pair: VerifiedPair) -> Self {
        let VerifiedPair {
            spiffe_id,
            first,
            second,
            not_after,
            ..
        } = pair;
        Self {
            verified: true,
            spiffe_id: spiffe_id.to_string(),
            form: Some(Form::Paired.to_string()),
            algorithm: second.suite,
            authority_id: second.authority_id.to_string(),
            first: Some(FirstHalf {
                algorithm: first.suite,
                authority_id: first.authority_id.to_string(),
                not_after: rfc3339(first.not_after),
            }),
            not_after: rfc3339(not_after),
        }
    }
}

async fn verify_jwt(common: &Common, options: &SvidVerify, token: &str, now: SystemTime) -> Result<Verdict> {
    let audience = options
        .audience
        .as_deref()
        .ok_or_else(|| Usage("a token needs --audience: whom must it be for?".into()))?;
    if policy::is_about_chains(options) {
        return Err(
            Usage("--policy, --crl and --revocation are about chains, and this is a token".into()).into(),
        );
    }
    // What the token says of itself only chooses the bundle that then has to bear it out.
    let claimed = parse_unverified(token).map_err(|error| NotVerified(error.to_string()))?;
    let bundles = match &options.bundle {
        Some(file) => read_bundle(file, claimed.spiffe_id.trust_domain())?,
        None => connect(common).await?.fetch_jwt_bundles().await?,
    };
    let verified =
        verify_jwt_svid(token, audience, &bundles, now).map_err(|error| NotVerified(error.to_string()))?;
    Ok(Verdict {
        verified: true,
        spiffe_id: verified.spiffe_id.to_string(),
        form: None,
        algorithm: claimed.algorithm.name().to_owned(),
        authority_id: verified.key_id,
        first: None,
        not_after: rfc3339(verified.expires_at),
    })
}

/// Whether this text can only be a token: two dots and nothing that base64url does not have.
fn looks_like_token(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    text.matches('.').count() == 2 && text.chars().all(allowed)
}

/// The chain in a file, PEM or DER.
fn certificates(input: &[u8], file: &Path) -> Result<Vec<Certificate>> {
    let wrong = |error: String| NotVerified(format!("{}: {error}", file.display()));
    if pem::looks_like_pem(input) {
        let found = pem::certificates(input).map_err(|error| wrong(error.to_string()))?;
        return found
            .into_iter()
            .map(|one| one.map_err(|error| wrong(error.to_string()).into()))
            .collect();
    }
    Ok(split_chain(input).map_err(|error| wrong(error.to_string()))?)
}

/// The bundle in a file: a SPIFFE bundle document, or X.509 authorities in PEM or DER.
fn read_bundle(file: &Path, trust_domain: &TrustDomain) -> Result<BundleSet> {
    let input = read_input(file)?;
    let bundle = if input.trim_ascii_start().starts_with(b"{") {
        TrustBundle::from_jwks(trust_domain, &input)
            .with_context(|| format!("cannot read the bundle {}", file.display()))?
    } else {
        let mut bundle = TrustBundle::new(trust_domain.clone());
        bundle.x509_authorities = certificates(&input, file)?
            .into_iter()
            .map(X509Authority::new)
            .collect();
        bundle
    };
    let mut bundles = BundleSet::new();
    bundles.insert(bundle);
    Ok(bundles)
}
