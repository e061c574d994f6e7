//! Variables of the environment, which HAProxy puts into what stands in double quotes.

use std::borrow::Cow;
use std::collections::BTreeMap;

/// The most variables of one file, and the longest value of one.
const MAX_VARIABLES: usize = 1024;
const MAX_VALUE: usize = 4096;
/// The longest line that comes of filling one in.
const MAX_LINE: usize = 1 << 16;

/// What the file itself sets. What only the environment has is not known here.
#[derive(Default)]
pub(super) struct Variables(BTreeMap<String, String>);

impl Variables {
    /// `setenv NAME VALUE` and its like.
    pub(super) fn take(&mut self, directive: &str, words: &[&str]) {
        match (directive, words) {
            ("setenv" | "presetenv", [name, value, ..])
                if value.len() <= MAX_VALUE
                    && self.0.len() < MAX_VARIABLES
                    && !(directive == "presetenv" && self.0.contains_key(*name)) =>
            {
                self.0.insert((*name).to_owned(), (*value).to_owned());
            }
            ("setenv" | "unsetenv", names) => {
                let names = if directive == "setenv" {
                    names.get(..1).unwrap_or_default()
                } else {
                    names
                };
                for name in names {
                    self.0.remove(*name);
                }
            }
            ("resetenv", kept) => self.0.retain(|name, _| kept.contains(&name.as_str())),
            _ => {}
        }
    }

    /// The line with the values of its variables: of one that is not known the default that stands with it
    /// (`${NAME-default}`), or else `${NAME}`.
    pub(super) fn fill<'a>(&self, line: &'a str) -> Cow<'a, str> {
        if !(line.contains('$') && line.contains('"')) {
            return Cow::Borrowed(line);
        }
        let mut out = String::with_capacity(line.len());
        let mut quote = None;
        let mut rest = line;
        while let Some(letter) = rest.chars().next() {
            let after = rest.get(letter.len_utf8()..).unwrap_or_default();
            match letter {
                '\\' if quote != Some('\'') => {
                    let Some(next) = after.chars().next() else { break };
                    // Nobody after this knows that a dollar may be escaped.
                    if next != '$' {
                        out.push('\\');
                    }
                    out.push(next);
                    rest = after.get(next.len_utf8()..).unwrap_or_default();
                    continue;
                }
                '"' | '\'' if quote.is_none() => quote = Some(letter),
                _ if quote == Some(letter) => quote = None,
                '$' if quote == Some('"') && out.len() < MAX_LINE => {
                    if let Some((value, after)) = self.value(after) {
                        out.push_str(&value);
                        rest = after;
                        continue;
                    }
                }
                _ => {}
            }
            out.push(letter);
            rest = after;
        }
        Cow::Owned(out)
    }

    /// The value of the variable whose name follows the dollar, and what follows that.
    fn value<'a>(&self, text: &'a str) -> Option<(String, &'a str)> {
        let (inner, braced) = match text.strip_prefix('{') {
            Some(inner) => (inner, true),
            None => (text, false),
        };
        let end = inner
            .find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_' || letter == '.'))
            .unwrap_or(inner.len());
        let (name, rest) = inner.split_at_checked(end)?;
        if name.is_empty() || name.starts_with(|first: char| first.is_ascii_digit()) {
            return None;
        }
        let (default, rest) = match braced {
            true => {
                let (inside, rest) = rest.split_once('}')?;
                (
                    inside.strip_prefix("[*]").unwrap_or(inside).strip_prefix('-'),
                    rest,
                )
            }
            false => (None, rest),
        };
        let value = self.0.get(name).map(String::as_str).or(default);
        let value = value.map_or_else(|| format!("${{{name}}}"), |value| value.replace('"', "\\\""));
        Some((value, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_in_double_quotes_alone() {
        let mut variables = Variables::default();
        variables.take("setenv", &["A", "one two"]);
        variables.take("presetenv", &["A", "three"]);
        variables.take("presetenv", &["B", "x\"y"]);
        for (line, filled) in [
            (r#"bind "$A:${B}""#, r#"bind "one two:x\"y""#),
            (r#"bind '$A' $A "\$A""#, r#"bind '$A' $A "$A""#),
            (
                r#"a "${C-443}" "${C}" "$C/x" "${A[*]}""#,
                r#"a "443" "${C}" "${C}/x" "one two""#,
            ),
            (r#"a "$1 ${" "$""#, r#"a "$1 ${" "$""#),
            ("no quotes $A", "no quotes $A"),
        ] {
            assert_eq!(variables.fill(line), filled, "{line}");
        }
        variables.take("unsetenv", &["A"]);
        assert_eq!(variables.fill("\"$A\""), "\"${A}\"");
        variables.take("resetenv", &[]);
        assert_eq!(variables.fill("\"$B\""), "\"${B}\"");
    }
}
