//! `symbolon cert`.

use anyhow::{Context as _, Result};
use serde::Serialize;
use symbolon_ca::client::{CertificateQuery, Reader};
use symbolon_ca::views::CertificateView;
use symbolon_pki::pem;
use symbolon_pki::time::rfc3339;

use super::server::reader;
use super::spiffe_id;
use crate::args::{Cert, CertFilter, Common};
use crate::output::{Format, Show, facts, print, table, with_alternative};

pub(crate) async fn run(common: &Common, command: Cert) -> Result<()> {
    let reader = reader(common).await?;
    match command {
        Cert::List(filter) => {
            let certificates = reader.certificates(&query(&filter)?).await?;
            common.output.print(&Many { certificates })
        }
        Cert::Show { serial } => common.output.print(&One::of(reader.certificate(&serial).await?)),
        Cert::Export { serials, all } => export(reader.as_ref(), common.output, serials, all).await,
    }
}

fn query(filter: &CertFilter) -> Result<CertificateQuery> {
    Ok(CertificateQuery {
        spiffe_id: filter.spiffe_id.as_deref().map(spiffe_id).transpose()?,
        form: filter.form,
        limit: Some(filter.limit),
    })
}

/// Prints certificates one after the other, so that any number of them takes no more memory than one: as PEM, or as
/// JSON with what is on record of them, one on a line.
async fn export(reader: &dyn Reader, format: Format, mut serials: Vec<String>, all: bool) -> Result<()> {
    if all {
        let issued = reader.certificates(&CertificateQuery::default()).await?;
        serials = issued
            .into_iter()
            .filter(|one| one.sha256.is_some())
            .map(|one| one.serial)
            .collect();
    }
    for serial in serials {
        let certificate = reader.certificate(&serial).await?;
        let der = certificate
            .der
            .as_deref()
            .with_context(|| format!("certificate {serial} was never signed"))?;
        match format {
            Format::Table => print(&pem::encode(pem::CERTIFICATE, der))?,
            Format::Json => format.print_next(&One::of(certificate))?,
        }
    }
    Ok(())
}

#[derive(Serialize)]
struct One {
    #[serde(flatten)]
    view: CertificateView,
    /// The certificate itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pem: Option<String>,
}

impl One {
    fn of(view: CertificateView) -> Self {
        let pem = view
            .der
            .as_deref()
            .map(|der| pem::encode(pem::CERTIFICATE, der).to_string());
        Self { view, pem }
    }
}

impl Show for One {
    fn text(&self) -> String {
        let view = &self.view;
        let moment = |at: Option<std::time::SystemTime>| at.map(rfc3339).unwrap_or_default();
        let mut rows = vec![
            ("serial", view.serial.clone()),
            ("identity", view.spiffe_id.clone()),
            ("profile", view.profile.clone()),
            ("form", view.form.clone()),
            (
                "algorithm",
                with_alternative(view.algorithm.clone(), view.alternative.as_deref()),
            ),
            ("signed by", view.authority_id.clone()),
            ("valid from", moment(view.not_before)),
            ("valid until", moment(view.not_after)),
            ("state", view.state.clone()),
        ];
        rows.extend(view.sha256.clone().map(|hash| ("SHA-256", hash)));
        rows.extend(view.entry_id.clone().map(|id| ("entry", id)));
        format!("{}\n{}", facts(&rows), self.pem.as_deref().unwrap_or_default())
    }
}

#[derive(Serialize)]
struct Many {
    certificates: Vec<CertificateView>,
}

impl Show for Many {
    fn text(&self) -> String {
        if self.certificates.is_empty() {
            return "no certificates".to_owned();
        }
        let rows = self.certificates.iter().map(|one| {
            [
                one.serial.clone(),
                one.profile.clone(),
                one.form.clone(),
                one.not_after.map(rfc3339).unwrap_or_default(),
                one.spiffe_id.clone(),
            ]
        });
        table(["serial", "profile", "form", "expires", "identity"], rows)
    }
}
