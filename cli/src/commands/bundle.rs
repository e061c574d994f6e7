//! `symbolon bundle`.

use std::path::Path;

use anyhow::Result;
use serde::Serialize;
use spiffe::TrustDomain;
use symbolon_ca::client::Client;
use symbolon_ca::datastore::DeleteMode;
use symbolon_ca::views::BundleView;
use symbolon_pki::bundle::{TrustBundle, X509Authority};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::pem;
use symbolon_pki::suite::Form;
use symbolon_pki::time::rfc3339;

use super::read_input;
use super::server::{connect, reader};
use crate::args::{Bundle, BundleFormat, BundleInput, Common, DeleteBundleMode};
use crate::exit::Usage;
use crate::output::{Show, facts, print, table, with_alternative};

pub(crate) async fn run(common: &Common, command: Bundle) -> Result<()> {
    match command {
        Bundle::Show {
            format,
            form,
            trust_domain,
        } => {
            let bundle = match trust_domain {
                None => reader(common).await?.bundle().await?,
                Some(name) => reader(common).await?.federated_bundle(&name).await?,
            };
            show(common, bundle, format, form)
        }
        Bundle::List => {
            let found = reader(common).await?.federated_bundles().await?;
            let views = found.iter().map(|bundle| BundleView::of(bundle, &Form::ALL));
            common.output.print(&List(views.collect()))
        }
        Bundle::Set {
            file,
            trust_domain,
            format,
        } => {
            let given = read(&file, &trust_domain, format)?;
            let client = connect(common).await?;
            let bundle = given.complete(&client).await?;
            let set = client.set_federated_bundle(&bundle).await?;
            common.output.print(&Summary(BundleView::of(&set, &Form::ALL)))
        }
        Bundle::Delete { trust_domain, mode } => {
            let mode = match mode {
                DeleteBundleMode::Restrict => DeleteMode::Restrict,
                DeleteBundleMode::Delete => DeleteMode::Delete,
                DeleteBundleMode::Dissociate => DeleteMode::Dissociate,
            };
            connect(common)
                .await?
                .delete_federated_bundle(&trust_domain, mode)
                .await?;
            common.output.print(&Deleted {
                trust_domain: trust_domain.to_string(),
            })
        }
        Bundle::Count => {
            let others = reader(common).await?.federated_bundles().await?.len();
            common.output.print(&Count { count: others + 1 })
        }
    }
}

fn show(common: &Common, bundle: TrustBundle, format: BundleFormat, form: Vec<Form>) -> Result<()> {
    let forms = if form.is_empty() { Form::ALL.to_vec() } else { form };
    let mut bundle = bundle;
    bundle
        .x509_authorities
        .retain(|authority| authority.form().is_none() || forms.iter().any(|form| authority.issues(*form)));
    match format {
        BundleFormat::Summary => common.output.print(&Summary(BundleView::of(&bundle, &forms))),
        BundleFormat::Pem => print(&encode(&bundle)),
        BundleFormat::Spiffe => print(&bundle.to_jwks()),
    }
}

/// What a file says of the bundle of a trust domain.
pub(super) enum Given {
    /// All there is.
    Whole(TrustBundle),
    /// Its X.509 authorities: PEM has room for nothing else.
    X509(TrustBundle),
}

impl Given {
    /// The bundle that is to be on record. Of what the file cannot speak stays what is on record, and is named.
    pub(super) async fn complete(self, client: &Client) -> Result<TrustBundle> {
        let given = match self {
            Self::Whole(bundle) => return Ok(bundle),
            Self::X509(bundle) => bundle,
        };
        let mut bundle = match client.get_federated_bundle(&given.trust_domain).await {
            Ok(bundle) => bundle,
            Err(error) if error.is_not_found() => return Ok(given),
            Err(error) => return Err(error.into()),
        };
        let (jwt, wit) = (bundle.jwt_authorities.len(), bundle.wit_authorities.len());
        if jwt + wit > 0 {
            anstream::eprintln!(
                "note: PEM has X.509 authorities alone: {jwt} JWT and {wit} WIT authorities of {} stay as they are on record",
                given.trust_domain
            );
        }
        bundle.x509_authorities = given.x509_authorities;
        Ok(bundle)
    }
}

/// Reads what a file says of the bundle of a trust domain.
pub(super) fn read(file: &Path, trust_domain: &TrustDomain, format: BundleInput) -> Result<Given> {
    let input = read_input(file)?;
    let shown = file.display();
    match format {
        BundleInput::Spiffe => TrustBundle::from_jwks(trust_domain, &input)
            .map(Given::Whole)
            .map_err(|error| Usage(format!("{shown} is no SPIFFE bundle document: {error}")).into()),
        BundleInput::Pem => {
            let certificates: Vec<Certificate> = pem::certificates(&input)
                .and_then(|found| found.into_iter().collect())
                .map_err(|error| Usage(format!("{shown} is no PEM of certificates: {error}")))?;
            let mut bundle = TrustBundle::new(trust_domain.clone());
            bundle.x509_authorities = certificates.into_iter().map(X509Authority::new).collect();
            Ok(Given::X509(bundle))
        }
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
        let jwt = bundle.jwt_authorities.iter().map(|key| ("jwt", key));
        let wit = bundle.wit_authorities.iter().map(|key| ("wit", key));
        let keys = jwt.chain(wit).map(|(kind, authority)| {
            [
                marked(kind.to_owned(), authority.tainted),
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
            table(["form", "algorithm", "expires", "authority"], x509.chain(keys))
        )
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct List(Vec<BundleView>);

impl Show for List {
    fn text(&self) -> String {
        if self.0.is_empty() {
            return "no bundles of other trust domains".to_owned();
        }
        let rows = self.0.iter().map(|bundle| {
            [
                bundle.trust_domain.clone(),
                bundle.sequence.to_string(),
                bundle.x509_authorities.len().to_string(),
                bundle.jwt_authorities.len().to_string(),
                bundle
                    .refresh_hint
                    .map_or("none".to_owned(), |hint| format!("{hint} s")),
            ]
        });
        table(["trust domain", "sequence", "X.509", "JWT", "refresh hint"], rows)
    }
}

#[derive(Serialize)]
struct Deleted {
    trust_domain: String,
}

impl Show for Deleted {
    fn text(&self) -> String {
        format!("deleted the bundle of {}", self.trust_domain)
    }
}

#[derive(Serialize)]
struct Count {
    count: usize,
}

impl Show for Count {
    fn text(&self) -> String {
        match self.count {
            1 => "1 bundle".to_owned(),
            count => format!("{count} bundles"),
        }
    }
}

/// The form, and that the authority is being replaced if it is.
fn marked(form: String, tainted: bool) -> String {
    if tainted { format!("{form}, tainted") } else { form }
}
