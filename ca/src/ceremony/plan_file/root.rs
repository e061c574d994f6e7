//! The root that a ceremony's file wants.

use symbolon_crypto::Component;
use symbolon_hsm::StoreName;
use symbolon_pki::certificate::is_comparable_host;
use symbolon_pki::suite::Suite;

use super::Checker;
use super::fields::File;
use crate::ceremony::plan::{PlanError, RootPlan, SHARED_STORE};

pub(super) fn read(check: &Checker<'_>, file: &File) -> Result<RootPlan, PlanError> {
    let File {
        root,
        stores,
        trust_domain,
        ..
    } = file;
    let suite: Suite = root
        .suite
        .get_ref()
        .parse()
        .map_err(|error| check.wrong(&root.suite, error))?;
    for (name, store) in &root.keys {
        let component = name.parse::<Component>().ok();
        let known = component.is_some_and(|component| suite.components().contains(&component));
        let parts: Vec<_> = suite.components().iter().map(|part| part.name()).collect();
        check.require(
            known,
            store,
            format_args!(
                "{name} is no key of a {suite} root, which has {}",
                parts.join(" and ")
            ),
        )?;
        let declared = store.get_ref().as_str() == SHARED_STORE || stores.contains_key(store.get_ref());
        check.require(
            declared,
            store,
            format_args!(
                "there is no store {0}; write [stores.{0}], or {SHARED_STORE:?}",
                store.get_ref()
            ),
        )?;
    }
    let shared = || StoreName::parse(SHARED_STORE).map_err(|error| check.wrong(&root.suite, error));
    let keys = suite.components().iter().map(|component| {
        let store = match root.keys.get(component.name()) {
            Some(store) => store.get_ref().clone(),
            None => shared()?,
        };
        Ok((*component, store))
    });
    Ok(RootPlan {
        suite,
        lifetime: check.lifetime(&root.lifetime)?,
        name_constraints: match &root.name_constraints {
            Some(wanted) => {
                check.require(
                    !wanted.get_ref() || is_comparable_host(trust_domain.as_str()),
                    wanted,
                    format_args!("{trust_domain} is no domain name, and no URI is compared with it"),
                )?;
                *wanted.get_ref()
            }
            None => false,
        },
        path_length: root.path_length.as_ref().map_or(1, |length| *length.get_ref()),
        keys: keys.collect::<Result<_, PlanError>>()?,
    })
}
