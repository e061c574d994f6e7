//! The messages that the troubleshooting page explains are those that the programs say.
//!
//! A heading of the third level in that page is a message between backquotes, with `…` for what differs from case to
//! case. Each part between these has to stand in a source file as it is, all of them in one string.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::workspace::Workspace;

/// The page.
const PAGE: &str = "docs/src/troubleshooting.md";
/// Where the programs are.
const CRATES: [&str; 11] = [
    "agent",
    "api",
    "attestation",
    "ca",
    "cli",
    "crypto",
    "federation",
    "host",
    "hsm",
    "pki",
    "tls",
];
/// So many bytes may stand between two parts of a message: a placeholder with its expression.
const NEAR: usize = 200;

/// Messages that nobody says.
pub(super) fn violations(workspace: &Workspace) -> Result<Vec<String>> {
    let page =
        fs::read_to_string(workspace.root().join(PAGE)).with_context(|| format!("cannot read {PAGE}"))?;
    let mut sources = Vec::new();
    for name in CRATES {
        read(&workspace.root().join(name).join("src"), &mut sources)?;
    }
    let unsaid = messages(&page).filter(|(_, message)| !is_said(message, &sources));
    Ok(unsaid
        .map(|(line, message)| format!("{PAGE}:{line}: no program says `{message}`"))
        .collect())
}

/// The messages of a page with their lines.
fn messages(page: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(page.lines()).filter_map(|(line, text)| {
        let message = text.strip_prefix("### `")?.strip_suffix('`')?;
        Some((line, message))
    })
}

fn is_said(message: &str, sources: &[String]) -> bool {
    let parts: Vec<&str> = message
        .split('…')
        .map(str::trim)
        .filter(|part| part.len() > 2)
        .collect();
    let Some((first, rest)) = parts.split_first() else {
        return false;
    };
    sources.iter().any(|source| {
        source.match_indices(first).any(|(at, _)| {
            let mut after = source.get(at + first.len()..).unwrap_or_default();
            // In order and near each other: one string, not one word here and one there.
            rest.iter().all(|part| match after.find(part) {
                Some(at) if at < NEAR => {
                    after = after.get(at + part.len()..).unwrap_or_default();
                    true
                }
                _ => false,
            })
        })
    })
}

/// Reads what the sources say, with strings that go over several lines made whole.
fn read(folder: &Path, sources: &mut Vec<String>) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            read(&path, sources)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text =
                fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            sources.push(joined(&text));
        }
    }
    Ok(())
}

fn joined(text: &str) -> String {
    let mut joined = String::with_capacity(text.len());
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        match line.strip_suffix('\\') {
            Some(beginning) => {
                joined.push_str(beginning);
                let mut next = lines.next().unwrap_or_default().trim_start();
                while let Some(middle) = next.strip_suffix('\\') {
                    joined.push_str(middle);
                    next = lines.next().unwrap_or_default().trim_start();
                }
                joined.push_str(next);
            }
            None => joined.push_str(line),
        }
        joined.push('\n');
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_to_be_said_in_one_string() {
        let sources = [joined(
            "    #[error(\"cannot listen on {address}; choose \\\n         another address\")]\n",
        )];
        for said in [
            "cannot listen on …",
            "cannot listen on …; choose another address",
            "… choose another …",
        ] {
            assert!(is_said(said, &sources), "{said}");
        }
        for unsaid in [
            "cannot listen to …",
            "choose another address … cannot listen on",
            "…",
            "",
        ] {
            assert!(!is_said(unsaid, &sources), "{unsaid}");
        }
    }

    #[test]
    fn messages_are_the_headings_in_backquotes() {
        let page = "# T\n### `a … b`\n### Other\n#### `c`\n";
        assert_eq!(messages(page).collect::<Vec<_>>(), [(2, "a … b")]);
    }

    #[test]
    fn every_message_of_the_page_is_said() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let page = fs::read_to_string(root.join(PAGE)).unwrap();
        let mut sources = Vec::new();
        for name in CRATES {
            read(&root.join(name).join("src"), &mut sources).unwrap();
        }
        assert!(messages(&page).count() > 20, "the page explains messages");
        for (line, message) in messages(&page) {
            assert!(
                is_said(message, &sources),
                "{PAGE}:{line}: nobody says {message:?}"
            );
        }
    }
}
