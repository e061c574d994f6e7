//! `symbolon federation`.

use anyhow::Result;
use serde::Serialize;
use symbolon_ca::client::{Client, FederationChanges, FederationSpec};
use symbolon_ca::views::FederationView;
use symbolon_pki::bundle::TrustBundle;

use super::bundle::{Given, read};
use super::server::{connect, reader};
use crate::args::{Common, Federation, FederationChange, FederationFields};
use crate::exit::Usage;
use crate::output::{Show, facts, table};

pub(crate) async fn run(common: &Common, command: Federation) -> Result<()> {
    match command {
        Federation::Create(fields) => create(common, fields).await,
        Federation::Update(change) => update(common, change).await,
        Federation::Delete { trust_domain } => {
            connect(common).await?.delete_federation(&trust_domain).await?;
            common.output.print(&Done {
                trust_domain: trust_domain.to_string(),
                done: "ended; its bundle stays until it is deleted",
            })
        }
        Federation::List => {
            let found = reader(common).await?.relationships().await?;
            common.output.print(&List(found))
        }
        Federation::Show { trust_domain } => {
            let found = reader(common).await?.relationship(&trust_domain).await?;
            common.output.print(&One(found))
        }
        Federation::Refresh { trust_domain } => {
            let client = connect(common).await?;
            client.refresh_bundle(&trust_domain).await?;
            let found = client.get_federation(&trust_domain).await?;
            common.output.print(&One(found))
        }
    }
}

async fn create(common: &Common, fields: FederationFields) -> Result<()> {
    let given = fields.bundle.as_deref();
    let given = given
        .map(|file| read(file, &fields.trust_domain, fields.bundle_format))
        .transpose()?;
    let client = connect(common).await?;
    let bundle = completed(given, &client).await?;
    let spec = FederationSpec {
        trust_domain: fields.trust_domain,
        endpoint_url: fields.url,
        endpoint_id: fields.endpoint_id,
        bundle,
    };
    let made = client.create_federation(&spec).await?;
    common.output.print(&One(made))
}

async fn update(common: &Common, change: FederationChange) -> Result<()> {
    let given = change.bundle.as_deref();
    let given = given
        .map(|file| read(file, &change.trust_domain, change.bundle_format))
        .transpose()?;
    let endpoint_id = match (change.endpoint_id, change.web) {
        (Some(id), _) => Some(Some(id)),
        (None, true) => Some(None),
        (None, false) => None,
    };
    if change.url.is_none() && endpoint_id.is_none() && given.is_none() {
        let words = "nothing to change: give --url, --endpoint-id, --web or --bundle";
        return Err(Usage(words.to_owned()).into());
    }
    let client = connect(common).await?;
    let changes = FederationChanges {
        endpoint_url: change.url,
        endpoint_id,
        bundle: completed(given, &client).await?,
    };
    let updated = client.update_federation(&change.trust_domain, &changes).await?;
    common.output.print(&One(updated))
}

/// The bundle that is to be on record, where there is to be another.
async fn completed(given: Option<Given>, client: &Client) -> Result<Option<TrustBundle>> {
    match given {
        None => Ok(None),
        Some(given) => given.complete(client).await.map(Some),
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct One(FederationView);

impl Show for One {
    fn text(&self) -> String {
        let federation = &self.0;
        let mut rows = vec![
            ("trust domain", federation.trust_domain.clone()),
            ("endpoint", federation.endpoint_url.clone()),
            ("profile", federation.profile.clone()),
        ];
        rows.extend(federation.endpoint_id.clone().map(|id| ("endpoint ID", id)));
        rows.push(("bundle", bundle(federation)));
        facts(&rows)
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct List(Vec<FederationView>);

impl Show for List {
    fn text(&self) -> String {
        if self.0.is_empty() {
            return "no federation relationships".to_owned();
        }
        let rows = self.0.iter().map(|federation| {
            [
                federation.trust_domain.clone(),
                federation.profile.clone(),
                bundle(federation),
                federation.endpoint_url.clone(),
            ]
        });
        table(["trust domain", "profile", "bundle", "endpoint"], rows)
    }
}

/// Which bundle is held.
fn bundle(federation: &FederationView) -> String {
    match federation.bundle_sequence {
        None => "none yet".to_owned(),
        Some(sequence) => format!(
            "sequence {sequence}, {} X.509, {} JWT",
            federation.x509_authorities, federation.jwt_authorities
        ),
    }
}

#[derive(Serialize)]
struct Done {
    trust_domain: String,
    #[serde(skip)]
    done: &'static str,
}

impl Show for Done {
    fn text(&self) -> String {
        format!("federation with {} {}", self.trust_domain, self.done)
    }
}
