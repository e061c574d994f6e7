//! Workload attestation: what can be said for certain about the process at the other end of a socket.
//!
//! Each way of looking is a module ([`unix`]); what they find are selectors, and entries name those that a workload
//! must have. Only what some entry asks for is looked for. It must not know who gets what.

pub(crate) mod unix;

use std::collections::BTreeSet;

use crate::cache::Selector;

/// What the entries held want to know of workloads: the kinds of selectors that occur in them, as pairs of a type and the
/// part of the value before its first colon.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Asked(BTreeSet<(String, String)>);

impl Asked {
    pub(crate) fn by<'a>(selectors: impl Iterator<Item = &'a Selector>) -> Self {
        let kind = |(of, value): &'a Selector| {
            let kind = value.split_once(':').map_or(value.as_str(), |(kind, _)| kind);
            (of.clone(), kind.to_owned())
        };
        Self(selectors.map(kind).collect())
    }

    pub(crate) fn for_kind(&self, of: &str, kind: &str) -> bool {
        self.0.iter().any(|(o, k)| o == of && k == kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_what_comes_before_the_first_colon() {
        let selectors = [("unix", "path:/a:b"), ("unix", "odd"), ("k8s", "ns:x")]
            .map(|(of, value)| (of.to_owned(), value.to_owned()));
        let asked = Asked::by(selectors.iter());
        assert!(
            asked.for_kind("unix", "path") && asked.for_kind("unix", "odd") && asked.for_kind("k8s", "ns")
        );
        assert!(!asked.for_kind("unix", "ns") && !asked.for_kind("unix", "sha256"));
    }
}
