//! Selectors out of what a service says of a node.

use std::collections::BTreeSet;

/// Longest value that is made into a selector, in bytes.
const MAX_VALUE: usize = 512;

/// Selectors `key:value` of a method.
///
/// # Errors
/// What is wrong with a value, in words: one that cannot be shown as it is would make a selector that nobody can see.
pub(crate) fn selectors<'a>(
    method: &str,
    pairs: impl IntoIterator<Item = (&'a str, &'a String)>,
) -> Result<BTreeSet<(String, String)>, String> {
    let one = |(key, value): (&str, &String)| {
        if value.len() > MAX_VALUE || value.chars().any(char::is_control) {
            return Err(format!(
                "the node's {key} has more than {MAX_VALUE} bytes, or a control character"
            ));
        }
        Ok((method.to_owned(), format!("{key}:{value}")))
    };
    pairs.into_iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_shown_is_no_selector() {
        let good = selectors("m", [("zone", &"eu-1".to_owned())]).unwrap();
        assert_eq!(good, [("m".to_owned(), "zone:eu-1".to_owned())].into());
        for wrong in ["a\nb".to_owned(), "x".repeat(513)] {
            assert!(selectors("m", [("zone", &wrong)]).unwrap_err().contains("zone"));
        }
    }
}
