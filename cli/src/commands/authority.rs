//! `symbolon authority`.

use std::collections::BTreeSet;

use anyhow::Result;
use serde::Serialize;
use symbolon_ca::authorities::Step;
use symbolon_ca::client::{Reader, RotationSpec};
use symbolon_ca::views::{
    AuthoritiesView, AuthorityDetail, FamilyView, RequestView, RotationView, ShapeView, UpstreamView,
};
use symbolon_pki::time::rfc3339;

use super::migration;
use super::server::{connect, reader};
use crate::args::Common;
use crate::args::authority::{Authority, Rotate};
use crate::exit::{Refused, Usage};
use crate::output::{Show, facts, table, with_alternative};

/// How much of an id tables show, and the least that is taken for the beginning of one.
const SHORT: usize = 16;
const SHORTEST: usize = 6;

pub(crate) async fn run(common: &Common, command: Authority) -> Result<()> {
    match command {
        Authority::List { family } => {
            let found = reader(common).await?.authorities(family).await?;
            common.output.print(&List(found))
        }
        Authority::Show { id } => {
            let found = reader(common).await?.authorities(None).await?;
            let whole = whole(&found, &id)?;
            let mut found = found.authorities.into_iter();
            match found.find(|detail| detail.authority.authority_id == whole) {
                Some(detail) => common.output.print(&One(detail)),
                None => Err(Usage(format!("the server has no authority {id:?}")).into()),
            }
        }
        Authority::Prepare { family } => {
            let made = connect(common).await?.prepare_authority(family).await?;
            common.output.print(&One(made))
        }
        Authority::Activate { id } => step(common, Step::Activate, &id).await,
        Authority::Taint { id } => step(common, Step::Taint, &id).await,
        Authority::Revoke { id } => step(common, Step::Revoke, &id).await,
        Authority::Upstream { family } => {
            let found = reader(common).await?.authorities(family).await?;
            common.output.print(&Upstream {
                upstream: found.upstream,
            })
        }
        Authority::Requests { family: None } => {
            let found = reader(common).await?.authorities(None).await?;
            common.output.print(&Requests {
                requests: found.requests,
            })
        }
        Authority::Requests { family: Some(family) } => {
            let found = reader(common).await?.authorities(Some(family)).await?;
            let request = found.requests.into_iter().next();
            let request = request.ok_or_else(|| {
                Refused(format!(
                    "no certificate for the {family} family is to be brought; `symbolon authority requests` lists those that are"
                ))
            })?;
            common.output.print(&OneRequest(request))
        }
        Authority::Rotate(options) => rotate(common, options).await,
        Authority::Migrate(options) => migration::migrate(common, options).await,
        Authority::Migration { quiet } => migration::show(common, quiet).await,
    }
}

async fn step(common: &Common, step: Step, id: &str) -> Result<()> {
    let client = connect(common).await?;
    let id = whole(&client.authorities(None).await?, id)?;
    let done = client.step_authority(step, &id).await?;
    common.output.print(&One(done))
}

async fn rotate(common: &Common, options: Rotate) -> Result<()> {
    let spec = RotationSpec {
        suite: options.to,
        alternative: options.alternative,
        stores: options.store,
        notice: options.notice.map(|notice| notice.0),
        gives_up_request: options.give_up_request,
    };
    let client = connect(common).await?;
    let done = client.rotate_authority(options.family, &spec).await?;
    common.output.print(&Rotation(done))
}

/// The whole id that `id` is the beginning of. One that is nobody's may be that of a key which another server holds.
fn whole(found: &AuthoritiesView, id: &str) -> Result<String> {
    let own = found.authorities.iter();
    let own = own.map(|detail| &detail.authority.authority_id);
    let ids = own.chain(found.upstream.iter().map(|above| &above.authority_id));
    // Two certificates of one key have one id.
    let begins: BTreeSet<&String> = ids.filter(|known| known.starts_with(id)).collect();
    let begins = Vec::from_iter(begins);
    match begins.as_slice() {
        _ if begins.iter().any(|known| *known == id) || id.len() < SHORTEST => Ok(id.to_owned()),
        [one] => Ok((*one).clone()),
        [] => Ok(id.to_owned()),
        several => {
            let words = format!(
                "{id:?} is the beginning of {} authorities' ids; give more of it",
                several.len()
            );
            Err(Usage(words).into())
        }
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct One(AuthorityDetail);

impl Show for One {
    fn text(&self) -> String {
        let detail = &self.0;
        let authority = &detail.authority;
        let signs = with_alternative(authority.suite.clone(), authority.alternative.as_deref());
        let mut rows = vec![
            ("authority", authority.authority_id.clone()),
            ("family", authority.family.clone()),
            ("signs with", signs),
            ("state", authority.state.clone()),
        ];
        let moments = [
            ("since", detail.changed_at),
            ("prepared", detail.created_at),
            ("activated", detail.activated_at),
            ("begins", authority.not_before),
            ("expires", authority.not_after),
        ];
        let known = moments
            .into_iter()
            .filter_map(|(name, at)| Some((name, rfc3339(at?))));
        rows.extend(known);
        rows.extend(detail.upstream_authority_id.clone().map(|id| ("below", id)));
        let keys = detail.keys.iter();
        rows.extend(keys.map(|key| {
            (
                "key",
                format!("{} in {}: {}", key.component, key.store, key.key_id),
            )
        }));
        facts(&rows)
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct List(AuthoritiesView);

impl Show for List {
    fn text(&self) -> String {
        if self.0.authorities.is_empty() {
            return "no authorities".to_owned();
        }
        let rows = self.0.authorities.iter().map(|detail| {
            let authority = &detail.authority;
            [
                authority.family.clone(),
                with_alternative(authority.suite.clone(), authority.alternative.as_deref()),
                authority.state.clone(),
                authority.not_after.map(rfc3339).unwrap_or_default(),
                authority.authority_id.chars().take(SHORT).collect(),
            ]
        });
        let authorities = table(["family", "signs with", "state", "expires", "authority"], rows);
        if self.0.families.is_empty() {
            return authorities;
        }
        let rows = self.0.families.iter().map(|family| {
            [
                family.family.clone(),
                signs_with(&family.wanted),
                chosen_by(family),
                family.wanted.stores.join(", "),
            ]
        });
        let plans = table(["family", "next signs with", "because of", "keys in"], rows);
        format!("{authorities}\n{plans}")
    }
}

#[derive(Serialize)]
struct Upstream {
    upstream: Vec<UpstreamView>,
}

impl Show for Upstream {
    fn text(&self) -> String {
        if self.upstream.is_empty() {
            return "no authorities above the server's".to_owned();
        }
        let rows = self.upstream.iter().map(|above| {
            let from = match (&above.upstream, above.is_former) {
                (None, _) => "an administrator".to_owned(),
                (Some(name), false) => name.clone(),
                (Some(name), true) => format!("{name}, which is no more"),
            };
            let below = above.below.iter().map(|id| id.chars().take(SHORT).collect());
            [
                above.family.clone().unwrap_or_default(),
                above.suite.clone().unwrap_or_default(),
                above.state.clone(),
                above.not_after.map(rfc3339).unwrap_or_default(),
                above.authority_id.chars().take(SHORT).collect(),
                format!("{from}; below: {}", below_words(below.collect())),
            ]
        });
        table(["family", "key", "state", "expires", "authority", "from"], rows)
    }
}

fn below_words(below: Vec<String>) -> String {
    match below.is_empty() {
        true => "none".to_owned(),
        false => below.join(" "),
    }
}

#[derive(Serialize)]
struct Requests {
    requests: Vec<RequestView>,
}

impl Show for Requests {
    fn text(&self) -> String {
        if self.requests.is_empty() {
            return "no certificate is to be brought".to_owned();
        }
        let rows = self.requests.iter().map(|request| {
            let stores: Vec<&str> = request.keys.iter().map(|key| key.store.as_str()).collect();
            [
                request.family.clone(),
                with_alternative(request.suite.clone(), request.alternative.as_deref()),
                request.created_at.map(rfc3339).unwrap_or_default(),
                stores.join(", "),
            ]
        });
        table(["family", "will sign with", "requested", "keys in"], rows)
    }
}

/// A request as whoever signs it takes it.
#[derive(Serialize)]
#[serde(transparent)]
struct OneRequest(RequestView);

impl Show for OneRequest {
    fn text(&self) -> String {
        self.0.csr.clone()
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Rotation(RotationView);

impl Show for Rotation {
    fn text(&self) -> String {
        let RotationView {
            prepared,
            family,
            awaited,
        } = &self.0;
        let mut rows = vec![
            ("family", family.family.clone()),
            ("will sign with", signs_with(&family.wanted)),
            ("keys in", family.wanted.stores.join(", ")),
            ("because of", chosen_by(family)),
        ];
        match prepared {
            Some(made) => rows.push(("prepared", made.authority.authority_id.clone())),
            None if *awaited => rows.push((
                "prepared",
                "none yet: its certificate is to be brought; see `symbolon authority requests`".to_owned(),
            )),
            None => rows.push((
                "prepared",
                "none: the authority that signs is like that".to_owned(),
            )),
        }
        rows.extend(family.activates_at.map(|at| ("signs from", rfc3339(at))));
        facts(&rows)
    }
}

fn signs_with(shape: &ShapeView) -> String {
    with_alternative(shape.suite.clone(), shape.alternative.as_deref())
}

fn chosen_by(family: &FamilyView) -> String {
    match &family.choice {
        Some(choice) => {
            let at = choice.chosen_at.map(rfc3339).unwrap_or_default();
            format!("command {} of {at}", choice.sequence)
        }
        None => "configuration".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use symbolon_ca::views::AuthorityView;

    use super::*;

    fn found(ids: &[&str]) -> AuthoritiesView {
        let detail = |id: &&str| AuthorityDetail {
            authority: AuthorityView {
                family: "catalyst".to_owned(),
                suite: "ecdsa-p384".to_owned(),
                alternative: Some("ml-dsa-87".to_owned()),
                authority_id: (*id).to_owned(),
                state: "prepared".to_owned(),
                not_before: None,
                not_after: Some(std::time::SystemTime::UNIX_EPOCH),
            },
            created_at: None,
            activated_at: None,
            changed_at: None,
            keys: Vec::new(),
            upstream_authority_id: None,
        };
        AuthoritiesView {
            authorities: ids.iter().map(detail).collect(),
            families: Vec::new(),
            upstream: Vec::new(),
            requests: Vec::new(),
        }
    }

    #[test]
    fn the_beginning_of_an_id_will_do() {
        let found = found(&["abcdef01", "abcdef02", "abcdef0", "99"]);
        assert_eq!(whole(&found, "abcdef02").unwrap(), "abcdef02");
        assert_eq!(
            whole(&found, "abcdef0").unwrap(),
            "abcdef0",
            "one's own id is no beginning"
        );
        assert!(
            whole(&found, "abcdef")
                .unwrap_err()
                .to_string()
                .contains("3 authorities")
        );
        assert_eq!(whole(&found, "9").unwrap(), "9", "too short to be taken for one");
        assert_eq!(whole(&found, "elsewhere").unwrap(), "elsewhere");
    }

    #[test]
    fn what_stands_twice_under_one_id_is_one() {
        let found = found(&["abcdef01", "99", "abcdef01"]);
        assert_eq!(whole(&found, "abcdef").unwrap(), "abcdef01");
    }

    #[test]
    fn tables_fit_a_hundred_columns() {
        let mut found = found(&["0123456789012345678901234567890123456789"]);
        let shape = ShapeView {
            suite: "ecdsa-p384".to_owned(),
            alternative: Some("ml-dsa-87".to_owned()),
            stores: vec!["a-store-with-a-name-of-32-letters".to_owned(); 2],
        };
        found.families.push(FamilyView {
            family: "catalyst".to_owned(),
            wanted: shape.clone(),
            configured: shape,
            choice: Some(symbolon_ca::views::ChoiceView {
                sequence: 1_000,
                chosen_at: Some(std::time::SystemTime::UNIX_EPOCH),
                chosen_by: "a person".to_owned(),
            }),
            activates_at: None,
        });
        let text = List(found).text();
        for line in text.lines() {
            assert!(line.chars().count() <= 100, "{line}");
        }
    }
}
