//! `symbolon svid fetch`.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context as _, Result};
use serde::Serialize;
use symbolon_host::file::FileSet;
use symbolon_pki::certificate::Certificate;
use symbolon_pki::jwt::verify_jwt_svid;
use symbolon_pki::key::Half;
use symbolon_pki::pem;
use symbolon_pki::suite::Form;
use symbolon_pki::time::rfc3339;
use symbolon_tls::workload_api::{X509Context, X509Svid};

use super::{Svids, connect};
use crate::args::{Common, SvidFetch, SvidKind};
use crate::commands::spiffe_id;
use crate::exit::NotVerified;
use crate::output::{Show, facts};

pub(crate) async fn run(common: &Common, options: &SvidFetch) -> Result<()> {
    match options.kind {
        SvidKind::X509 => x509(common, options).await,
        SvidKind::Jwt => jwt(common, options).await,
    }
}

async fn x509(common: &Common, options: &SvidFetch) -> Result<()> {
    let context = connect(common).await?.fetch_x509(&options.form).await?;
    let fetched = Svids::of(&context, SystemTime::now());
    common.output.print(&fetched)?;
    if let Some(problem) = fetched.svids.iter().find_map(|svid| svid.problem.clone()) {
        return Err(NotVerified(problem).into());
    }
    match &options.write {
        Some(dir) => write(dir, &context),
        None => Ok(()),
    }
}

/// Writes `svid.N.pem`, `svid.N.key` and `bundle.N.pem` as SPIRE's agent does; names of other forms than the classical
/// one begin with the form, and those of a pair with `paired` and the form of the half. All are written before any is put
/// in its place, so that a full disk leaves no key beside another key's certificate.
fn write(dir: &Path, context: &X509Context) -> Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .with_context(|| format!("cannot write {}", dir.display()))?;
    let mut files = FileSet::default();
    // Each with the form of its authorities, which is another one for the halves of a pair.
    let parts = [
        ("", None, Form::Classical),
        ("ml-dsa.", None, Form::MlDsa),
        ("composite.", None, Form::Composite),
        ("paired.classical.", Some(Half::Classical), Form::Classical),
        ("paired.ml-dsa.", Some(Half::PostQuantum), Form::MlDsa),
        ("catalyst.", None, Form::Catalyst),
    ];
    for (prefix, half, form) in parts {
        let is_part = |svid: &&X509Svid| svid.half() == half && (half.is_some() || svid.form() == form);
        for (index, svid) in context.svids.iter().filter(is_part).enumerate() {
            let chain: Vec<Certificate> = svid
                .identity
                .chain()
                .iter()
                .map(|der| Certificate::from_der(der))
                .collect::<Result<_, _>>()?;
            let authorities = context.bundles.get(svid.spiffe_id().trust_domain());
            let roots: Vec<Certificate> = authorities
                .iter()
                .flat_map(|bundle| &bundle.x509_authorities)
                .filter(|authority| match form {
                    // What any software can use, as the agent gives it to any.
                    Form::Classical => authority.is_stock(),
                    form => authority.issues(form),
                })
                .map(|authority| authority.certificate.clone())
                .collect();
            files.add(
                &dir.join(format!("{prefix}svid.{index}.pem")),
                pem::encode_certificates(&chain).as_bytes(),
                0o644,
            )?;
            files.add(
                &dir.join(format!("{prefix}svid.{index}.key")),
                pem::encode_private_key(&svid.private_key)?.as_bytes(),
                0o600,
            )?;
            if let Some(key) = &svid.alternative_key {
                files.add(
                    &dir.join(format!("{prefix}svid.{index}.alternative.key")),
                    pem::encode_private_key(key)?.as_bytes(),
                    0o600,
                )?;
            }
            files.add(
                &dir.join(format!("{prefix}bundle.{index}.pem")),
                pem::encode_certificates(&roots).as_bytes(),
                0o644,
            )?;
        }
    }
    Ok(files.commit()?)
}

#[derive(Serialize)]
struct JwtSvids {
    svids: Vec<JwtSvidView>,
}

#[derive(Serialize)]
struct JwtSvidView {
    spiffe_id: String,
    audience: Vec<String>,
    not_after: String,
    key_id: String,
    verified: bool,
    /// The token itself: what the command was asked for. Whoever has it can use it.
    token: String,
}

impl Show for JwtSvids {
    fn text(&self) -> String {
        let shown = self.svids.iter().map(|svid| {
            facts(&[
                ("identity", svid.spiffe_id.clone()),
                ("audience", svid.audience.join(", ")),
                ("expires", svid.not_after.clone()),
                ("signed by", svid.key_id.clone()),
                (
                    "verified",
                    if svid.verified {
                        "yes".to_owned()
                    } else {
                        "NO".to_owned()
                    },
                ),
                ("token", svid.token.clone()),
            ])
        });
        shown.collect::<Vec<_>>().join("\n")
    }
}

async fn jwt(common: &Common, options: &SvidFetch) -> Result<()> {
    let client = connect(common).await?;
    let wanted = options.spiffe_id.as_deref().map(spiffe_id).transpose()?;
    let fetched = client.fetch_jwt(&options.audience, wanted.as_ref()).await?;
    let bundles = client.fetch_jwt_bundles().await?;
    let now = SystemTime::now();
    let mut svids = Vec::with_capacity(fetched.len());
    for svid in fetched {
        let audience = options.audience.first().map(String::as_str).unwrap_or_default();
        let verified =
            verify_jwt_svid(&svid.token, audience, &bundles, now).map_err(|e| NotVerified(e.to_string()))?;
        svids.push(JwtSvidView {
            spiffe_id: svid.spiffe_id.to_string(),
            audience: verified.audience,
            not_after: rfc3339(verified.expires_at),
            key_id: verified.key_id,
            verified: true,
            token: svid.token.to_string(),
        });
    }
    common.output.print(&JwtSvids { svids })
}
