//! `symbolon bundle`.

use anyhow::Result;
use serde::Serialize;
use symbolon_ca::views::BundleView;
use symbolon_pki::bundle::TrustBundle;
use symbolon_pki::pem;
use symbolon_pki::suite::Form;
use symbolon_pki::time::rfc3339;

use super::server::reader;
use crate::args::{Bundle, BundleFormat, Common};
use crate::output::{Show, facts, print, table, with_alternative};

pub(crate) async fn run(common: &Common, command: Bundle) -> Result<()> {
    let Bundle::Show { format, form } = command;
    let forms = if form.is_empty() { Form::ALL.to_vec() } else { form };
    let mut bundle = reader(common).await?.bundle().await?;
    bundle
        .x509_authorities
        .retain(|authority| authority.form().is_none() || forms.iter().any(|form| authority.issues(*form)));
    match format {
        BundleFormat::Summary => common.output.print(&Summary(BundleView::of(&bundle, &forms))),
        BundleFormat::Pem => print(&encode(&bundle)),
        BundleFormat::Spiffe => print(&bundle.to_jwks()),
    }
}

fn encode(bundle: &TrustBundle) -> String {
    pem::encode_certificates(
        bundle
            .x509_authorities
            .iter()
            .map(|authority| &authority.certificate),
    )
}

#[derive(Serialize)]
#[serde(transparent)]
struct Summary(BundleView);

impl Show for Summary {
    fn text(&self) -> String {
        let bundle = &self.0;
        let unknown = || "unknown".to_owned();
        let x509 = bundle.x509_authorities.iter().map(|authority| {
            [
                marked(authority.form.clone().unwrap_or_else(unknown), authority.tainted),
                with_alternative(
                    authority.algorithm.clone().unwrap_or_else(unknown),
                    authority.alternative.as_deref(),
                ),
                rfc3339(authority.not_after),
                authority.authority_id.clone(),
            ]
        });
        let jwt = bundle.jwt_authorities.iter().map(|authority| {
            [
                marked("jwt".to_owned(), authority.tainted),
                authority.algorithm.clone(),
                authority.expires_at.map(rfc3339).unwrap_or_default(),
                authority.key_id.clone(),
            ]
        });
        let head = [
            ("trust domain", bundle.trust_domain.clone()),
            ("sequence", bundle.sequence.to_string()),
        ];
        format!(
            "{}\n{}",
            facts(&head),
            table(["form", "algorithm", "expires", "authority"], x509.chain(jwt))
        )
    }
}

/// The form, and that the authority is being replaced if it is.
fn marked(form: String, tainted: bool) -> String {
    if tainted { format!("{form}, tainted") } else { form }
}
