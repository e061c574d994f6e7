//! Links between the pages we write: a page that moved must not leave a link behind, and a chapter that is not in
//! the summary is one that nobody can read.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::book;
use crate::workspace::Workspace;

/// What is wrong, one sentence each.
pub(super) fn violations(workspace: &Workspace) -> Result<Vec<String>> {
    let root = workspace.root();
    let mut violations = Vec::new();
    for page in book::pages(root)? {
        let path = root.join(&page);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let folder = path.parent().unwrap_or(root);
        violations.extend(
            targets(&text)
                .into_iter()
                .filter(|target| !folder.join(target).exists())
                .map(|target| format!("{}: no such file: {target}", page.display())),
        );
    }
    violations.extend(chapters_left_out(root)?);
    violations.extend(decisions_left_out(root)?);
    Ok(violations)
}

/// Decisions that the book does not include.
fn decisions_left_out(root: &Path) -> Result<Vec<String>> {
    let chapter = fs::read_to_string(root.join(book::SOURCE).join("decisions.md"))
        .context("the book has no chapter on decisions")?;
    let folder = root.join("docs/decisions");
    let mut left_out = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let name = entry
            .with_context(|| format!("cannot list {}", folder.display()))?
            .file_name();
        let name = name.to_string_lossy();
        if !chapter.contains(&format!("{{{{#include ../decisions/{name}}}}}")) {
            left_out.push(format!("docs/decisions/{name}: not in the book's decisions.md"));
        }
    }
    Ok(left_out)
}

/// Chapters that the book's summary does not name.
fn chapters_left_out(root: &Path) -> Result<Vec<String>> {
    let source = Path::new(book::SOURCE);
    let summary =
        fs::read_to_string(root.join(source).join("SUMMARY.md")).context("the book has no summary")?;
    let listed = targets(&summary);
    Ok(book::pages(root)?
        .iter()
        .filter_map(|page| page.strip_prefix(source).ok())
        .map(|page| page.to_string_lossy().into_owned())
        .filter(|page| page != "SUMMARY.md" && !listed.contains(page))
        .map(|page| format!("{}: not in SUMMARY.md", source.join(page).display()))
        .collect())
}

/// The files of our own that a page links to, as it writes them, without the place in the page.
fn targets(markdown: &str) -> Vec<String> {
    let mut fenced = false;
    let mut targets = Vec::new();
    for line in markdown.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        for (position, _) in line.match_indices("](") {
            let rest = &line[position + 2..];
            let target = rest.split([')', '#', ' ']).next().unwrap_or_default();
            if !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:") {
                targets.push(target.to_owned());
            }
        }
    }
    targets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_files_of_ours_outside_code() {
        let page = "See [one](a.md), [two](b/c.md#place) and [out](https://example.org/x) [here](#here).\n\
                    ```text\n[not](d.md)\n```\n[three](../e.md)\n";
        assert_eq!(targets(page), ["a.md", "b/c.md", "../e.md"]);
    }
}
