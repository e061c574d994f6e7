//! Names of nodes, and which of them are let in.

use regex::{Regex, RegexBuilder};

/// Longest name in the DNS, in bytes as it is written.
const MAX_NAME: usize = 253;
/// Longest label.
const MAX_LABEL: usize = 63;
/// Longest pattern.
const MAX_PATTERN: usize = 1024;
/// Most bytes that a pattern may take when it was compiled.
const MAX_COMPILED: usize = 256 * 1024;

/// Patterns for whole names.
#[derive(Clone, Debug, Default)]
pub struct HostPatterns(Vec<Regex>);

/// Text that is no pattern.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{pattern:?} is no regular expression that can be used: {reason}")]
pub struct PatternError {
    /// The text.
    pub pattern: String,
    /// What is wrong with it.
    pub reason: String,
}

impl HostPatterns {
    /// Reads regular expressions. Each is for whole names: it need not be anchored, and matches no part of one.
    ///
    /// # Errors
    /// [`PatternError`].
    pub fn new(patterns: &[String]) -> Result<Self, PatternError> {
        let compile = |pattern: &String| {
            let refused = |reason: String| PatternError {
                pattern: pattern.clone(),
                reason,
            };
            if pattern.len() > MAX_PATTERN {
                return Err(refused(format!("it has more than {MAX_PATTERN} bytes")));
            }
            // By itself first: `a)(b` would be one within the brackets.
            let of = |text: &str| RegexBuilder::new(text).size_limit(MAX_COMPILED).build();
            of(pattern)
                .and_then(|_| of(&format!("^(?:{pattern})$")))
                .map_err(|error| refused(error.to_string()))
        };
        patterns.iter().map(compile).collect::<Result<_, _>>().map(Self)
    }

    /// Whether a name is let in: by any pattern, or because there is none. Names of one label are of the server's own network,
    /// or made whole by what its resolver searches: a pattern has to have them.
    pub fn allow(&self, name: &str) -> bool {
        match self.0.is_empty() {
            true => name.contains('.'),
            false => self.0.iter().any(|pattern| pattern.is_match(name)),
        }
    }
}

/// Checks that text is a name of the DNS in its one form: lower case, no dot at the end, no address in any spelling.
/// Otherwise one node would have several names, and could attest by each.
pub(super) fn check(name: &str) -> Result<(), String> {
    let wrong = |reason: &str| Err(format!("the host name {reason}"));
    if name.is_empty() || name.len() > MAX_NAME {
        return wrong("must have 1 to 253 characters");
    }
    for label in name.split('.') {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
        if label.is_empty() || label.len() > MAX_LABEL || !label.bytes().all(is_plain) {
            return wrong(
                "must be a name of the DNS in lower case: letters, digits, hyphens and dots between",
            );
        }
        if label.starts_with('-') || label.ends_with('-') {
            return wrong("has a hyphen at the end of a label");
        }
    }
    let last = name.rsplit('.').next().unwrap_or(name);
    if !last.starts_with(|c: char| c.is_ascii_lowercase()) {
        return wrong("must be a name, not an address: its last label begins with a letter");
    }
    if last == "localhost" {
        return wrong("is localhost, which is every node's");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_has_one_name() {
        for name in ["p1.example.com", "node", "a-b.c_d.e9", "xn--bcher-kva.example"] {
            check(name).unwrap();
        }
        let long = format!("{}.com", "a".repeat(64));
        let longer = format!("a{}", ".ab".repeat(85));
        for name in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "A.example.com",
            "a b",
            "a/b",
            "a:1",
            "ä.example",
            "-a.com",
            "a-.com",
            "127.0.0.1",
            "127.1",
            "0x7f000001",
            "2130706433",
            "a.1",
            "[::1]",
            "localhost",
            "x.localhost",
            "a%2e",
            &long,
            &longer,
        ] {
            assert!(check(name).is_err(), "{name}");
        }
    }

    #[test]
    fn patterns_are_for_whole_names() {
        let patterns = |texts: &[&str]| {
            HostPatterns::new(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
        };
        let some = patterns(&[r"p[0-9]\.example\.com", "a|b"]).unwrap();
        for (name, is_let_in) in [
            ("p1.example.com", true),
            ("a", true),
            ("b", true),
            ("evil-p1.example.com", false),
            ("p1.example.com.evil.org", false),
            ("p10.example.com", false),
            ("ab", false),
        ] {
            assert_eq!(some.allow(name), is_let_in, "{name}");
        }
        let none = patterns(&[]).unwrap();
        assert!(none.allow("anything.example") && !none.allow("intranet"));
        let huge = "(a{1000}){1000}";
        for wrong in ["[", "a)(b", "(?P<x", huge, &"x".repeat(1025)] {
            let error = patterns(&[wrong]).unwrap_err();
            assert_eq!(error.pattern, wrong);
        }
    }
}
