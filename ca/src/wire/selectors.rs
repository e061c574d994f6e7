//! Selectors, and filters over sets of them.

use std::collections::BTreeSet;

use spiffe::TrustDomain;
use symbolon_api::spire::api::types;
use symbolon_api::spire::api::types::federates_with_match::MatchBehavior as FederatesWith;
use symbolon_api::spire::api::types::selector_match::MatchBehavior as Selectors;
use tonic::Status;

use super::trust_domain;
use crate::datastore::{Selector, SetFilter, SetMatch};

/// Longest type of a selector, in bytes.
const MAX_TYPE: usize = 64;
/// Longest value of a selector, in bytes. The longest in use are image names and paths.
const MAX_VALUE: usize = 4096;

/// Selectors as messages.
pub(crate) fn selector_messages<'a>(
    selectors: impl IntoIterator<Item = &'a Selector>,
) -> Vec<types::Selector> {
    let message = |selector: &Selector| types::Selector {
        r#type: selector.kind.clone(),
        value: selector.value.clone(),
    };
    selectors.into_iter().map(message).collect()
}

/// Reads selectors. A selector that is there twice counts once.
pub(super) fn read_selectors(
    field: &str,
    messages: &[types::Selector],
) -> Result<BTreeSet<Selector>, Status> {
    messages
        .iter()
        .map(|message| read_selector(field, message))
        .collect()
}

fn read_selector(field: &str, message: &types::Selector) -> Result<Selector, Status> {
    let types::Selector { r#type: kind, value } = message;
    let wrong = |what: String| Err(Status::invalid_argument(format!("{field}: {what}")));
    if kind.is_empty() || kind.len() > MAX_TYPE {
        return wrong(format!(
            "a selector's type must have 1 to {MAX_TYPE} bytes, not {}",
            kind.len()
        ));
    }
    // It would read differently when written as type:value.
    if kind.contains(':') {
        return wrong(format!("the selector type {kind:?} has a colon in it"));
    }
    if value.is_empty() || value.len() > MAX_VALUE {
        let found = value.len();
        return wrong(format!(
            "the value of a {kind} selector must have 1 to {MAX_VALUE} bytes, not {found}"
        ));
    }
    if kind.chars().chain(value.chars()).any(char::is_control) {
        return wrong("a selector has a control character in it".to_owned());
    }
    Ok(Selector::new(kind, value))
}

/// Reads a filter over selectors.
pub(crate) fn selector_filter(
    field: &str,
    filter: Option<&types::SelectorMatch>,
) -> Result<Option<SetFilter<Selector>>, Status> {
    let Some(filter) = filter else { return Ok(None) };
    let mode = match filter.r#match() {
        _ if Selectors::try_from(filter.r#match).is_err() => return Err(unknown(field, filter.r#match)),
        Selectors::MatchExact => SetMatch::Exact,
        Selectors::MatchSubset => SetMatch::Subset,
        Selectors::MatchSuperset => SetMatch::Superset,
        Selectors::MatchAny => SetMatch::Any,
    };
    let selectors = read_selectors(field, &filter.selectors)?;
    set_filter(field, selectors, mode)
}

/// Reads a filter over the trust domains that entries federate with.
pub(crate) fn federation_filter(
    field: &str,
    filter: Option<&types::FederatesWithMatch>,
) -> Result<Option<SetFilter<TrustDomain>>, Status> {
    let Some(filter) = filter else { return Ok(None) };
    let mode = match filter.r#match() {
        _ if FederatesWith::try_from(filter.r#match).is_err() => return Err(unknown(field, filter.r#match)),
        FederatesWith::MatchExact => SetMatch::Exact,
        FederatesWith::MatchSubset => SetMatch::Subset,
        FederatesWith::MatchSuperset => SetMatch::Superset,
        FederatesWith::MatchAny => SetMatch::Any,
    };
    let trust_domains = read_trust_domains(field, &filter.trust_domains)?;
    set_filter(field, trust_domains, mode)
}

/// Reads names of trust domains; SPIRE's tools write them as SPIFFE IDs too.
pub(super) fn read_trust_domains(field: &str, names: &[String]) -> Result<BTreeSet<TrustDomain>, Status> {
    names.iter().map(|name| trust_domain(field, name)).collect()
}

fn set_filter<T: Ord>(
    field: &str,
    items: BTreeSet<T>,
    mode: SetMatch,
) -> Result<Option<SetFilter<T>>, Status> {
    if items.is_empty() {
        return Err(Status::invalid_argument(format!(
            "{field} compares with nothing; leave it out"
        )));
    }
    Ok(Some(SetFilter::new(items, mode)?))
}

fn unknown(field: &str, value: i32) -> Status {
    Status::invalid_argument(format!("{field}: match {value} is not known"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selector(kind: &str, value: &str) -> types::Selector {
        types::Selector {
            r#type: kind.to_owned(),
            value: value.to_owned(),
        }
    }

    #[test]
    fn selectors_read_and_write_alike() {
        let messages = [selector("unix", "gid:1"), selector("unix", "uid:1")];
        let read = read_selectors("selectors", &messages).unwrap();
        assert_eq!(selector_messages(&read), messages);
    }

    #[test]
    fn selectors_that_say_nothing_or_too_much_are_refused() {
        for (kind, value) in [
            ("", "a"),
            ("unix", ""),
            ("un:ix", "a"),
            (&*"x".repeat(65), "a"),
            ("unix", "a\0"),
            ("unix", &"x".repeat(4097)),
        ] {
            let status = read_selectors("selectors", &[selector(kind, value)]).unwrap_err();
            assert!(status.message().starts_with("selectors: "), "{status}");
        }
    }

    #[test]
    fn filters_that_compare_with_nothing_are_refused() {
        let filter = |selectors, r#match| types::SelectorMatch { selectors, r#match };
        assert!(selector_filter("f", None).unwrap().is_none());
        assert!(selector_filter("f", Some(&filter(vec![], 0))).is_err());
        assert!(selector_filter("f", Some(&filter(vec![selector("a", "b")], 9))).is_err());
        let read = selector_filter("f", Some(&filter(vec![selector("a", "b")], 3)))
            .unwrap()
            .unwrap();
        assert_eq!(read.mode(), SetMatch::Any);
        let names = |names: &[&str]| types::FederatesWithMatch {
            trust_domains: names.iter().map(|name| (*name).to_owned()).collect(),
            r#match: 2,
        };
        assert!(federation_filter("f", Some(&names(&[]))).is_err());
        assert!(
            federation_filter("f", Some(&names(&["Not One"])))
                .unwrap_err()
                .message()
                .contains("Not One")
        );
        let read = federation_filter("f", Some(&names(&["a.org", "spiffe://b.org"])))
            .unwrap()
            .unwrap();
        assert_eq!((read.items().len(), read.mode()), (2, SetMatch::Superset));
    }
}
