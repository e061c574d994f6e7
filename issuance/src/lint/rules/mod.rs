//! Every rule, by where it comes from. The ids before the slash: `input` what could be read at all · `der` X.690 ·
//! `rfc5280`, `rfc2986`, `rfc8410`, … the RFC · `key` and `signature` what several RFCs say of classical algorithms ·
//! `composite` draft-ietf-lamps-pq-composite-sigs-19 · `catalyst` X.509 (2019) · `chameleon` its draft · `spiffe`
//! X509-SVID and SPIFFE-ID. Those are judged on anybody's documents. `profile` is what Symbolon's own profiles say
//! beyond that, judged only when asked for and before each of our signatures; `issuer` and `asked` compare what is
//! about to be signed with who signs it and with what was asked for, and are judged then only.

/// Declares rules, and a table of all of them.
macro_rules! rules {
    ($($name:ident = $severity:ident $id:literal, $source:literal, $says:literal, $advice:literal;)+) => {
        $(
            #[doc = concat!($says, " (", $source, ").")]
            pub static $name: Rule = Rule {
                id: $id,
                severity: Severity::$severity,
                source: $source,
                says: $says,
                advice: $advice,
            };
        )+

        /// Every rule of this module.
        pub(super) static TABLE: &[&Rule] = &[$(&$name),+];
    };
}

pub mod algorithms;
pub mod der;
pub mod extensions;
pub mod fields;
pub mod hybrid;
pub mod issuing;
pub mod lists;
pub mod spiffe;

use super::rule::Rule;

/// Every rule, in the order in which they are listed.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    [
        der::TABLE,
        fields::TABLE,
        extensions::TABLE,
        algorithms::TABLE,
        hybrid::TABLE,
        lists::TABLE,
        spiffe::TABLE,
        issuing::TABLE,
    ]
    .into_iter()
    .flatten()
    .copied()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_unique_and_name_their_origin() {
        let ids: HashSet<_> = all().map(|rule| rule.id).collect();
        assert_eq!(ids.len(), all().count());
        for rule in all() {
            let (origin, name) = rule.id.split_once('/').unwrap();
            let plain = |text: &str| {
                !text.is_empty()
                    && text
                        .bytes()
                        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            };
            assert!(plain(origin) && plain(name), "{rule}");
            assert!(
                !rule.source.is_empty() && !rule.says.is_empty() && !rule.advice.is_empty(),
                "{rule}"
            );
            assert!(!rule.says.ends_with('.') && !rule.advice.ends_with('.'), "{rule}");
        }
    }
}
