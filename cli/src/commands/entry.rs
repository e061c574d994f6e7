//! `symbolon entry`.

use anyhow::Result;
use serde::Serialize;
use symbolon_ca::client::{EntryChanges, EntryQuery, EntrySpec, SelectorSpec};
use symbolon_ca::views::EntryView;
use symbolon_pki::time::rfc3339;

use super::server::{connect, reader};
use super::spiffe_id;
use crate::args::{Common, Entry, EntryChange, EntryFields};
use crate::exit::Usage;
use crate::output::{Show, facts};

pub(crate) async fn run(common: &Common, command: Entry) -> Result<()> {
    match command {
        Entry::Create(fields) => {
            let entry = connect(common).await?.create_entry(&spec(fields)?).await?;
            common.output.print(&One(entry))
        }
        Entry::Show { id } => common.output.print(&One(reader(common).await?.entry(&id).await?)),
        Entry::List(filter) => {
            let query = EntryQuery {
                spiffe_id: filter.spiffe_id.as_deref().map(spiffe_id).transpose()?,
                parent_id: filter.parent_id.as_deref().map(spiffe_id).transpose()?,
            };
            let entries = reader(common).await?.entries(&query).await?;
            common.output.print(&Many { entries })
        }
        Entry::Update { id, fields } => {
            let changes = changes(fields)?;
            if changes == EntryChanges::default() {
                return Err(Usage(
                    "say what to change; `symbolon entry update --help` has the options".to_owned(),
                )
                .into());
            }
            let entry = connect(common).await?.update_entry(&id, &changes).await?;
            common.output.print(&One(entry))
        }
        Entry::Delete { ids } => {
            let client = connect(common).await?;
            for id in &ids {
                client.delete_entry(id).await?;
            }
            common.output.print(&Deleted { deleted: ids })
        }
    }
}

fn spec(fields: EntryFields) -> Result<EntrySpec> {
    let more = fields.more;
    Ok(EntrySpec {
        x509_svid_ttl: more.x509_ttl.map(|ttl| ttl.0),
        jwt_svid_ttl: more.jwt_ttl.map(|ttl| ttl.0),
        dns_names: more.dns_name,
        hint: more.hint.unwrap_or_default(),
        admin: more.admin.unwrap_or_default(),
        ..EntrySpec::new(
            spiffe_id(&fields.spiffe_id)?,
            spiffe_id(&fields.parent_id)?,
            selectors(&fields.selector)?,
        )
    })
}

fn changes(fields: EntryChange) -> Result<EntryChanges> {
    let given = |list: &[String]| (!list.is_empty()).then(|| list.to_vec());
    let selectors = given(&fields.selector).map(|list| selectors(&list)).transpose()?;
    Ok(EntryChanges {
        spiffe_id: fields.spiffe_id.as_deref().map(spiffe_id).transpose()?,
        parent_id: fields.parent_id.as_deref().map(spiffe_id).transpose()?,
        selectors,
        x509_svid_ttl: fields.more.x509_ttl.map(|ttl| ttl.0),
        jwt_svid_ttl: fields.more.jwt_ttl.map(|ttl| ttl.0),
        dns_names: given(&fields.more.dns_name),
        hint: fields.more.hint,
        admin: fields.more.admin,
        ..EntryChanges::default()
    })
}

fn selectors(texts: &[String]) -> Result<Vec<SelectorSpec>> {
    texts
        .iter()
        .map(|text| text.parse().map_err(|error| Usage(format!("{error}")).into()))
        .collect()
}

#[derive(Serialize)]
#[serde(transparent)]
struct One(EntryView);

impl Show for One {
    fn text(&self) -> String {
        block(&self.0)
    }
}

#[derive(Serialize)]
struct Many {
    entries: Vec<EntryView>,
}

impl Show for Many {
    fn text(&self) -> String {
        match self.entries.len() {
            0 => "no entries".to_owned(),
            _ => self.entries.iter().map(block).collect::<Vec<_>>().join("\n"),
        }
    }
}

#[derive(Serialize)]
struct Deleted {
    deleted: Vec<String>,
}

impl Show for Deleted {
    fn text(&self) -> String {
        self.deleted.iter().map(|id| format!("deleted {id}\n")).collect()
    }
}

/// One entry as lines; SPIFFE IDs and selectors are too long for columns.
fn block(entry: &EntryView) -> String {
    let seconds = |ttl: Option<u32>| ttl.map_or("the server's default".to_owned(), |ttl| format!("{ttl} s"));
    let mut rows = vec![
        ("entry", entry.id.clone()),
        ("identity", entry.spiffe_id.clone()),
        ("parent", entry.parent_id.clone()),
        ("selectors", entry.selectors.join(", ")),
        ("X.509 lifetime", seconds(entry.x509_svid_ttl)),
        ("JWT lifetime", seconds(entry.jwt_svid_ttl)),
        ("revision", entry.revision_number.to_string()),
    ];
    if !entry.dns_names.is_empty() {
        rows.push(("DNS names", entry.dns_names.join(", ")));
    }
    if !entry.hint.is_empty() {
        rows.push(("hint", entry.hint.clone()));
    }
    let roles: Vec<&str> = [(entry.admin, "admin"), (entry.downstream, "downstream")]
        .into_iter()
        .filter_map(|(has, name)| has.then_some(name))
        .collect();
    if !roles.is_empty() {
        rows.push(("may also", roles.join(", ")));
    }
    rows.extend(entry.expires_at.map(|at| ("expires", rfc3339(at))));
    facts(&rows)
}
