//! `symbolon entry`.

mod apply;
pub(super) mod plan;

use anyhow::Result;
use serde::Serialize;
use symbolon_ca::client::{EntryChanges, EntryPolicy, EntryQuery, EntrySpec, SelectorSpec};
use symbolon_ca::views::EntryView;
use symbolon_pki::suite::Form;
use symbolon_pki::time::rfc3339;

use super::server::{connect, reader};
use super::spiffe_id;
use crate::args::{Common, Entry, EntryChange, EntryFields};
use crate::exit::{Refused, Usage};
use crate::output::{Show, facts, printable};

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
        Entry::Delete { ids } => delete(common, ids).await,
        Entry::Apply(options) => apply::run(common, options).await,
    }
}

/// Deletes each by itself: that one is not there does not keep the others.
async fn delete(common: &Common, ids: Vec<String>) -> Result<()> {
    let outcomes = connect(common).await?.delete_entries(&ids).await?;
    let (mut deleted, mut failed) = (Vec::new(), Vec::new());
    for (id, outcome) in ids.into_iter().zip(outcomes) {
        match outcome {
            Ok(()) => deleted.push(id),
            Err(error) => failed.push(NotDeleted {
                id,
                error: error.to_string(),
            }),
        }
    }
    let refused = match failed.as_slice() {
        [] => None,
        [one] => Some(format!("entry {} was not deleted: {}", one.id, one.error)),
        many => Some(format!("{} entries were not deleted", many.len())),
    };
    common.output.print(&Deleted { deleted, failed })?;
    refused.map_or(Ok(()), |refused| Err(Refused(refused).into()))
}

fn spec(fields: EntryFields) -> Result<EntrySpec> {
    let more = fields.more;
    Ok(EntrySpec {
        x509_svid_ttl: more.x509_ttl.map(|ttl| ttl.0),
        jwt_svid_ttl: more.jwt_ttl.map(|ttl| ttl.0),
        dns_names: more.dns_name,
        hint: more.hint.unwrap_or_default(),
        admin: more.admin.unwrap_or_default(),
        downstream: more.downstream.unwrap_or_default(),
        federates_with: more.federates_with,
        expires_at: more.expires_at.and_then(|moment| moment.0),
        policy: EntryPolicy {
            allowed_forms: forms(&more.allowed_form)?.unwrap_or_default(),
            leaf_key_algorithms: any_or(more.key_algorithm).unwrap_or_default(),
            not_before: more.not_before.and_then(|moment| moment.0),
            not_after: more.not_after.and_then(|moment| moment.0),
        },
        ..EntrySpec::new(
            spiffe_id(&fields.spiffe_id)?,
            spiffe_id(&fields.parent_id)?,
            selectors(&fields.selector)?,
        )
    })
}

fn changes(fields: EntryChange) -> Result<EntryChanges> {
    let given = |list: &[String]| (!list.is_empty()).then(|| list.to_vec());
    let given_or_cleared = |list: &[String], cleared: bool| given(list).or(cleared.then(Vec::new));
    let selectors = given(&fields.selector).map(|list| selectors(&list)).transpose()?;
    let more = fields.more;
    Ok(EntryChanges {
        spiffe_id: fields.spiffe_id.as_deref().map(spiffe_id).transpose()?,
        parent_id: fields.parent_id.as_deref().map(spiffe_id).transpose()?,
        selectors,
        x509_svid_ttl: more.x509_ttl.map(|ttl| ttl.0),
        jwt_svid_ttl: more.jwt_ttl.map(|ttl| ttl.0),
        dns_names: given_or_cleared(&more.dns_name, fields.clear_dns_names),
        hint: more.hint,
        admin: more.admin,
        downstream: more.downstream,
        federates_with: given_or_cleared(&more.federates_with, fields.clear_federates_with),
        expires_at: more.expires_at.map(|moment| moment.0),
        allowed_forms: forms(&more.allowed_form)?,
        leaf_key_algorithms: any_or(more.key_algorithm),
        not_before: more.not_before.map(|moment| moment.0),
        not_after: more.not_after.map(|moment| moment.0),
        owner: fields.owner,
    })
}

/// A list that was given; `any` is the empty one, which excludes nothing.
fn any_or(list: Vec<String>) -> Option<Vec<String>> {
    match list.as_slice() {
        [] => None,
        [any] if any == "any" => Some(Vec::new()),
        _ => Some(list),
    }
}

fn forms(names: &[String]) -> Result<Option<Vec<Form>>> {
    let form = |name: &String| name.parse().map_err(|error| Usage(format!("{error}")).into());
    any_or(names.to_vec())
        .map(|names| names.iter().map(form).collect())
        .transpose()
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
    failed: Vec<NotDeleted>,
}

#[derive(Serialize)]
struct NotDeleted {
    id: String,
    error: String,
}

impl Show for Deleted {
    fn text(&self) -> String {
        let deleted = self.deleted.iter().map(|id| format!("deleted {id}\n"));
        let failed = self
            .failed
            .iter()
            .map(|one| format!("not deleted {}: {}\n", one.id, printable(&one.error)));
        deleted.chain(failed).collect()
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
    if !entry.federates_with.is_empty() {
        rows.push(("federates with", entry.federates_with.join(", ")));
    }
    rows.extend(entry.expires_at.map(|at| ("expires", rfc3339(at))));
    rows.extend(entry.not_before.map(|at| ("not before", rfc3339(at))));
    rows.extend(entry.not_after.map(|at| ("not after", rfc3339(at))));
    if !entry.allowed_forms.is_empty() {
        rows.push(("allowed forms", entry.allowed_forms.join(", ")));
    }
    if !entry.leaf_key_algorithms.is_empty() {
        rows.push(("keys", entry.leaf_key_algorithms.join(", ")));
    }
    if !entry.owner.is_empty() {
        rows.push(("declared by", entry.owner.clone()));
    }
    facts(&rows)
}
