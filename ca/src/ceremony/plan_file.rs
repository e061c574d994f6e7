//! The ceremony's file as it is written, field for field, and what must hang together in it.
//!
//! ```toml
#![doc = include_str!("example.toml")]
//! ```

mod fields;
mod root;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::path::{self, Path};

use symbolon_host::HumanDuration;
use symbolon_hsm::{StoreLocation, StoreName};
use symbolon_pki::suite::{Family, Suite};
use toml::Spanned;

use self::fields::{CustodianEntry, File, Intermediate, PolicyEntry, Store};
use super::plan::{
    Custodian, IntermediatePlan, MAX_CUSTODIANS, Name, Plan, PlanError, Policy, RootPlan, SHARED_STORE,
    ShareProtection, StorePlan,
};

/// The version of the file that there is.
const VERSION: u32 = 1;

/// Longest organization, in characters (RFC 5280, appendix A.1, `ub-organization-name`).
const MAX_ORGANIZATION: usize = 64;

/// The longest lifetime, a hundred years: long before the last date that a certificate can name.
const MAX_LIFETIME: HumanDuration = HumanDuration(std::time::Duration::from_secs(36_525 * 86_400));

/// Says where in the text something is wrong.
struct Checker<'a>(&'a str);

impl Checker<'_> {
    fn wrong<T>(&self, place: &Spanned<T>, reason: impl Display) -> PlanError {
        let before = self.0.get(..place.span().start).unwrap_or_default();
        PlanError::Value {
            line: before.matches('\n').count() + 1,
            reason: reason.to_string(),
        }
    }

    fn require<T>(&self, holds: bool, place: &Spanned<T>, reason: impl Display) -> Result<(), PlanError> {
        if holds {
            Ok(())
        } else {
            Err(self.wrong(place, reason))
        }
    }

    /// Words for people: something, and nothing that moves a terminal's cursor.
    fn words(&self, what: &str, text: &Spanned<String>, most: usize) -> Result<String, PlanError> {
        let words = text.get_ref();
        let fits = (1..=most).contains(&words.chars().count()) && !words.chars().any(char::is_control);
        self.require(
            fits,
            text,
            format_args!("{what} has 1 to {most} characters, without control characters"),
        )?;
        Ok(words.clone())
    }

    fn lifetime(&self, lifetime: &Spanned<HumanDuration>) -> Result<std::time::Duration, PlanError> {
        let duration = lifetime.get_ref().0;
        self.require(!duration.is_zero(), lifetime, "a lifetime is longer than nothing")?;
        self.require(
            duration <= MAX_LIFETIME.0,
            lifetime,
            format_args!("a lifetime is at most {MAX_LIFETIME}"),
        )?;
        Ok(duration)
    }
}

/// Reads and checks a file's text.
pub(super) fn read(text: &str) -> Result<Plan, PlanError> {
    let file: File = toml::from_str(text).map_err(|error| PlanError::Parse(Box::new(error)))?;
    let check = Checker(text);
    check.require(
        *file.version.get_ref() == VERSION,
        &file.version,
        format_args!("this program knows version {VERSION} of this file"),
    )?;
    let root = root::read(&check, &file)?;
    let custodians = custodians(&check, &file.custodians)?;
    let stores = stores(&check, file.stores, &root, &custodians)?;
    let plan = Plan {
        text: text.to_owned(),
        organization: match &file.organization {
            Some(name) => check.words("an organization", name, MAX_ORGANIZATION)?,
            None => symbolon_pki::names::AUTHORITY_ORGANIZATION.to_owned(),
        },
        trust_domain: file.trust_domain,
        output: check.words("the output directory", &file.output, 4096)?,
        policy: policy(&check, file.policy.as_ref(), &root)?,
        root,
        stores,
        quorum: *file.quorum.needed.get_ref(),
        protection: file.quorum.shares,
        custodians,
        intermediates: intermediates(&check, &file.intermediates)?,
    };
    quorum(&check, &file.quorum.needed, &plan)?;
    for entry in &file.intermediates {
        if let Some(lifetime) = &entry.lifetime {
            let fits = check.lifetime(lifetime)? <= plan.policy.lifetime;
            check.require(fits, lifetime, "the policy allows no lifetime as long as this")?;
        }
    }
    let planned = u32::try_from(plan.intermediates.len()).unwrap_or(u32::MAX);
    if let Some(first) = file.intermediates.first() {
        check.require(
            planned <= plan.policy.count,
            &first.name,
            format_args!(
                "{planned} intermediates, and the policy allows {}",
                plan.policy.count
            ),
        )?;
    }
    Ok(plan)
}

fn custodians(
    check: &Checker<'_>,
    entries: &Spanned<Vec<CustodianEntry>>,
) -> Result<Vec<Custodian>, PlanError> {
    let count = entries.get_ref().len();
    check.require(
        (1..=MAX_CUSTODIANS).contains(&count),
        entries,
        format_args!("a ceremony has 1 to {MAX_CUSTODIANS} custodians, not {count}"),
    )?;
    let mut names = BTreeSet::new();
    let mut shares = BTreeSet::new();
    let mut custodians = Vec::new();
    for entry in entries.get_ref() {
        let name = entry.name.get_ref();
        check.require(
            names.insert(name),
            &entry.name,
            format_args!("{name} is a custodian already, and counts once"),
        )?;
        let share = match &entry.share {
            Some(share) => {
                let path = check.words("the path of a share", share, 4096)?;
                check.require(
                    is_place_of_share(Path::new(&path)),
                    share,
                    "the path of a share is absolute, or shares/FILE in the output directory",
                )?;
                path
            }
            None => format!("shares/{name}.share"),
        };
        check.require(
            shares.insert(share.clone()),
            &entry.name,
            format_args!("the share of {name} would be written over another's"),
        )?;
        custodians.push(Custodian {
            name: name.clone(),
            role: check.words("a role", &entry.role, 200)?,
            share,
        });
    }
    Ok(custodians)
}

/// Whether a share cannot be written over anything else of the ceremony's.
fn is_place_of_share(share: &Path) -> bool {
    let parts: Vec<_> = share.components().collect();
    match parts.as_slice() {
        [path::Component::Normal(dir), path::Component::Normal(_)] => *dir == "shares",
        [path::Component::RootDir, .., path::Component::Normal(_)] => {
            !parts.contains(&path::Component::ParentDir)
        }
        _ => false,
    }
}

fn stores(
    check: &Checker<'_>,
    entries: BTreeMap<StoreName, Store>,
    root: &RootPlan,
    custodians: &[Custodian],
) -> Result<BTreeMap<StoreName, StorePlan>, PlanError> {
    let mut stores = BTreeMap::new();
    for (name, entry) in entries {
        let place = &entry.location;
        check.require(
            name.as_str() != SHARED_STORE,
            place,
            format_args!("{SHARED_STORE:?} is the store that shares open, and is not declared"),
        )?;
        let used = root.keys.iter().any(|(_, store)| *store == name);
        check.require(
            used,
            place,
            format_args!("no key of the root is in the store {name}"),
        )?;
        let location: StoreLocation = place
            .get_ref()
            .parse()
            .map_err(|error| check.wrong(place, error))?;
        match &location {
            StoreLocation::Pkcs11(token) => {
                let once = entry.pin.is_empty() || token.pin_source.is_none();
                check.require(
                    once,
                    place,
                    "the PIN comes from custodians or from the URI's pin-source, not from both",
                )?;
            }
            StoreLocation::Tpm(tpm) => {
                check.require(
                    entry.pin.is_empty(),
                    place,
                    "a TPM has no PIN that custodians enter",
                )?;
                check.require(
                    tpm.dir.is_absolute(),
                    place,
                    "the directory of a TPM's records is absolute: it is looked for from anywhere, for as long as the root \
                     lives",
                )?;
            }
            _ => {
                let reason = format!("keys in files are in the store {SHARED_STORE:?}, which shares open");
                return Err(check.wrong(place, reason));
            }
        }
        let pin = pin(check, place, &entry.pin, custodians)?;
        stores.insert(name, StorePlan { location, pin });
    }
    Ok(stores)
}

fn pin(
    check: &Checker<'_>,
    place: &Spanned<String>,
    parts: &[Vec<Spanned<Name>>],
    custodians: &[Custodian],
) -> Result<Vec<Vec<Name>>, PlanError> {
    let mut pin = Vec::new();
    for part in parts {
        check.require(!part.is_empty(), place, "somebody must know each part of a PIN")?;
        for name in part {
            let known = custodians
                .iter()
                .any(|custodian| custodian.name == *name.get_ref());
            check.require(known, name, format_args!("{} is no custodian", name.get_ref()))?;
        }
        pin.push(part.iter().map(|name| name.get_ref().clone()).collect());
    }
    Ok(pin)
}

/// Whether the quorum can be reached, and by secrets: with shares every custodian has one; otherwise those count
/// who enter a part of a PIN.
fn quorum(check: &Checker<'_>, needed: &Spanned<u8>, plan: &Plan) -> Result<(), PlanError> {
    let count = plan.custodians.len();
    let quorum = usize::from(plan.quorum);
    check.require(
        (1..=count).contains(&quorum),
        needed,
        format_args!("a quorum is 1 to {count}, as many as there are custodians"),
    )?;
    let parts: usize = plan.stores.values().map(|store| store.pin.len()).sum();
    check.require(
        plan.has_shares() || quorum <= parts.max(1),
        needed,
        format_args!(
            "the root's keys are opened by {parts} parts of PINs, so more than {parts} custodians have nothing to \
             enter; split a PIN, or keep one key in {SHARED_STORE:?}"
        ),
    )
}

fn policy(check: &Checker<'_>, entry: Option<&PolicyEntry>, root: &RootPlan) -> Result<Policy, PlanError> {
    let family: Family = root.suite.family();
    let mut policy = Policy {
        lifetime: root.lifetime,
        path_length: root.path_length.saturating_sub(1),
        suites: Suite::ALL
            .into_iter()
            .filter(|suite| suite.family() == family && suite.is_for_svids())
            .collect(),
        count: u32::MAX,
    };
    let Some(entry) = entry else {
        return Ok(policy);
    };
    if let Some(lifetime) = &entry.lifetime {
        policy.lifetime = check.lifetime(lifetime)?;
        let fits = policy.lifetime <= root.lifetime;
        check.require(fits, lifetime, "intermediates cannot outlive the root")?;
    }
    if let Some(length) = &entry.path_length {
        policy.path_length = *length.get_ref();
        let fits = policy.path_length < root.path_length;
        check.require(
            fits,
            length,
            format_args!("below a root of path length {} it is smaller", root.path_length),
        )?;
    }
    if let Some(suites) = &entry.suites {
        let read = |name: &String| name.parse::<Suite>().map_err(|error| check.wrong(suites, error));
        policy.suites = suites.get_ref().iter().map(read).collect::<Result<_, _>>()?;
        for suite in &policy.suites {
            check.require(
                suite.family() == family,
                suites,
                format_args!("a root of {} does not certify keys of {suite}", root.suite),
            )?;
            check.require(
                suite.is_for_svids(),
                suites,
                format_args!("{suite} is for roots, and intermediates sign SVIDs"),
            )?;
        }
    }
    policy.count = entry.count.unwrap_or(u32::MAX);
    Ok(policy)
}

fn intermediates(check: &Checker<'_>, entries: &[Intermediate]) -> Result<Vec<IntermediatePlan>, PlanError> {
    let mut names = BTreeSet::new();
    let mut planned = Vec::new();
    for entry in entries {
        let name = entry.name.get_ref();
        check.require(
            names.insert(name),
            &entry.name,
            format_args!("there is an intermediate {name} already"),
        )?;
        planned.push(IntermediatePlan {
            name: name.clone(),
            csr: check.words("the path of a request", &entry.csr, 4096)?,
            lifetime: entry.lifetime.as_ref().map(|lifetime| lifetime.get_ref().0),
        });
    }
    Ok(planned)
}

#[cfg(test)]
mod tests;
