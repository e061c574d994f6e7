//! Between wire messages and the types the rest of the workspace uses for the same things.

use ::spiffe::{SpiffeId, SpiffeIdError};
use thiserror::Error;

use crate::spire::api::types;

/// A part of a SPIFFE ID on the wire.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum IdPart {
    /// Its field `trust_domain`.
    TrustDomain,
    /// Its field `path`.
    Path,
}

/// A `spire.api.types.SPIFFEID` is not a SPIFFE ID. The sender's fault.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum InvalidId {
    /// The rules for SPIFFE IDs are broken.
    #[error("`{id}` is not a SPIFFE ID: {source}")]
    Malformed {
        /// The two fields, put together, fit for a message.
        id: String,
        /// The rule that is broken.
        source: SpiffeIdError,
    },
    /// Together the fields look like a SPIFFE ID, but they are not cut where the trust domain ends.
    #[error(
        "the {} of a SPIFFE ID is `{value}`: {}",
        match part { IdPart::TrustDomain => "trust domain", IdPart::Path => "path" },
        match part {
            IdPart::TrustDomain => "give the name alone, like `example.org`",
            IdPart::Path => "it must be empty or begin with a slash",
        },
    )]
    Misplaced {
        /// Which field.
        part: IdPart,
        /// What it holds, fit for a message.
        value: String,
    },
    /// The trust domain has capital letters.
    #[error("the trust domain of a SPIFFE ID is `{0}`: write it in lower case")]
    Capitals(String),
}

impl From<InvalidId> for tonic::Status {
    fn from(error: InvalidId) -> Self {
        Self::invalid_argument(error.to_string())
    }
}

impl From<&SpiffeId> for types::Spiffeid {
    fn from(id: &SpiffeId) -> Self {
        Self {
            trust_domain: id.trust_domain_name().to_owned(),
            path: id.path().to_owned(),
        }
    }
}

impl TryFrom<&types::Spiffeid> for SpiffeId {
    type Error = InvalidId;

    fn try_from(wire: &types::Spiffeid) -> Result<Self, InvalidId> {
        let types::Spiffeid { trust_domain, path } = wire;
        // Put together first and cut by the rules afterwards, these fields could name another trust domain than
        // `trust_domain` says to whoever reads that field alone.
        if trust_domain.contains(['/', ':']) {
            return Err(InvalidId::Misplaced {
                part: IdPart::TrustDomain,
                value: quoted(trust_domain),
            });
        }
        if !(path.is_empty() || path.starts_with('/')) {
            return Err(InvalidId::Misplaced {
                part: IdPart::Path,
                value: quoted(path),
            });
        }
        // SPIFFE ID, section 2.1: names of trust domains are in lower case. The parser would make them so, and the sender
        // would be told of another name than it gave.
        if trust_domain.contains(|c: char| c.is_ascii_uppercase()) {
            return Err(InvalidId::Capitals(quoted(trust_domain)));
        }
        let id = format!("spiffe://{trust_domain}{path}");
        Self::new(&id).map_err(|source| InvalidId::Malformed {
            id: quoted(&id),
            source,
        })
    }
}

/// Longest text of a sender's that is repeated to it, in characters. A status travels in HTTP/2 headers, and one with
/// megabytes in it would not arrive.
const MAX_QUOTED: usize = 256;

/// A sender's text, cut and without control characters, which logs would obey.
fn quoted(text: &str) -> String {
    let mut out: String = text
        .chars()
        .take(MAX_QUOTED)
        .map(|c| {
            if c.is_control() {
                char::REPLACEMENT_CHARACTER
            } else {
                c
            }
        })
        .collect();
    if text.chars().nth(MAX_QUOTED).is_some() {
        out.push('…');
    }
    out
}

/// An item of a batch that failed as a call of its own would have.
impl From<&tonic::Status> for types::Status {
    fn from(status: &tonic::Status) -> Self {
        Self {
            code: status.code().into(),
            message: status.message().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wire(trust_domain: &str, path: &str) -> types::Spiffeid {
        types::Spiffeid {
            trust_domain: trust_domain.to_owned(),
            path: path.to_owned(),
        }
    }

    #[test]
    fn ids_are_cut_where_the_trust_domain_ends() {
        for (trust_domain, path) in [("example.org", ""), ("example.org", "/a/b")] {
            let id = SpiffeId::try_from(&wire(trust_domain, path)).unwrap();
            assert_eq!(id.to_string(), format!("spiffe://{trust_domain}{path}"));
            assert_eq!(types::Spiffeid::from(&id), wire(trust_domain, path));
        }
    }

    #[test]
    fn fields_cut_elsewhere_are_refused() {
        for (trust_domain, path, part) in [
            ("example.org/a", "/b", IdPart::TrustDomain),
            ("spiffe://example.org", "", IdPart::TrustDomain),
            ("example.org", "a", IdPart::Path),
            ("example", ".org/a", IdPart::Path),
        ] {
            let error = SpiffeId::try_from(&wire(trust_domain, path)).unwrap_err();
            assert!(
                matches!(&error, InvalidId::Misplaced { part: p, .. } if *p == part),
                "{error}"
            );
        }
    }

    #[test]
    fn capitals_in_trust_domains_are_refused() {
        for trust_domain in ["Example.org", "EXAMPLE.ORG"] {
            let error = SpiffeId::try_from(&wire(trust_domain, "/a")).unwrap_err();
            assert_eq!(error, InvalidId::Capitals(trust_domain.to_owned()));
        }
        assert!(
            SpiffeId::try_from(&wire("example.org", "/A")).is_ok(),
            "paths keep theirs"
        );
    }

    #[test]
    fn broken_ids_are_refused_and_named() {
        for (trust_domain, path) in [
            ("", "/a"),
            ("exam ple", "/a"),
            ("example.org", "/"),
            ("example.org", "/a/../b"),
            ("", ""),
        ] {
            let error = SpiffeId::try_from(&wire(trust_domain, path)).unwrap_err();
            assert!(matches!(error, InvalidId::Malformed { .. }), "{error}");
            let status = tonic::Status::from(error);
            assert_eq!(status.code(), tonic::Code::InvalidArgument);
            assert!(
                status
                    .message()
                    .contains(&format!("spiffe://{trust_domain}{path}"))
            );
        }
    }

    #[test]
    fn long_and_hostile_text_is_not_repeated_as_it_is() {
        let long = "a".repeat(1 << 20);
        for (trust_domain, path) in [
            (&*long, " "),
            (&long, "x"),
            ("/", &*long),
            ("example.org", &long),
            ("a\nb", "/"),
        ] {
            let message = SpiffeId::try_from(&wire(trust_domain, path))
                .unwrap_err()
                .to_string();
            assert!(
                message.len() < 1000 && !message.contains('\n'),
                "{} bytes",
                message.len()
            );
        }
    }

    #[test]
    fn a_failed_item_keeps_code_and_message() {
        let item = types::Status::from(&tonic::Status::not_found("no such entry"));
        assert_eq!((item.code, item.message.as_str()), (5, "no such entry"));
    }

    proptest! {
        #[test]
        fn whatever_is_accepted_says_the_same_in_both_forms(
            td in prop_oneof!["[a-zA-Z0-9._-]{1,12}", "[a-z./:@%]{1,8}", ".{0,12}"],
            path in prop_oneof!["(/[a-zA-Z0-9._-]{1,6}){0,3}", "(/?[ -~]{0,6}){0,3}"],
        ) {
            if let Ok(id) = SpiffeId::try_from(&wire(&td, &path)) {
                let back = types::Spiffeid::from(&id);
                prop_assert_eq!(back.trust_domain, td);
                prop_assert_eq!(back.path, path);
            }
        }
    }
}
