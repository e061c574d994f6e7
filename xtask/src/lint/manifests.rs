//! What every crate's manifest must say.

use std::fs;

use anyhow::{Context as _, Result};

use crate::workspace::Workspace;

/// What is wrong, one sentence each.
pub(super) fn violations(workspace: &Workspace) -> Result<Vec<String>> {
    let mut violations = Vec::new();
    for package in workspace.members() {
        let path = &package.manifest_path;
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
        if !takes_workspace_lints(&text) {
            violations.push(format!(
                "{}: no `[lints] workspace = true`, so our lints do not apply",
                package.name
            ));
        }
        for (field, present) in [
            ("description", package.description.is_some()),
            ("license", package.license.is_some()),
            ("rust-version", package.rust_version.is_some()),
        ] {
            if !present {
                violations.push(format!("{}: no `{field}`", package.name));
            }
        }
        // The workspace pins every version in one place; a second place would drift.
        violations.extend(versions_of_its_own(&text).into_iter().map(|name| {
            format!(
                "{}: `{name}` has a version of its own; take the workspace's",
                package.name
            )
        }));
    }
    Ok(violations)
}

fn takes_workspace_lints(manifest: &str) -> bool {
    section_lines(manifest)
        .any(|(section, line)| section == "lints" && line.split('=').map(str::trim).eq(["workspace", "true"]))
}

/// Dependencies that name a version in this manifest instead of taking the workspace's.
fn versions_of_its_own(manifest: &str) -> Vec<String> {
    section_lines(manifest)
        .filter(|(section, _)| section.ends_with("dependencies"))
        .filter_map(|(_, line)| line.split_once('='))
        .filter(|(key, value)| !key.contains(".workspace") && !value.contains("workspace"))
        .map(|(key, _)| key.trim().to_owned())
        .collect()
}

/// Each line that says something, with the section it is in.
fn section_lines(manifest: &str) -> impl Iterator<Item = (&str, &str)> {
    let lines = manifest
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.scan("", |section, line| {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            *section = name;
        }
        Some((*section, line))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workspace_lints_are_found_in_their_own_section_only() {
        assert!(takes_workspace_lints(
            "[package]\nname = \"x\"\n\n[lints]\nworkspace = true\n"
        ));
        assert!(!takes_workspace_lints("[package]\nworkspace = true\n[lints]\n"));
    }

    #[test]
    fn a_version_of_its_own_is_found() {
        let manifest = "[dependencies]\nder.workspace = true\nspki = { workspace = true, features = [\"pem\"] }\n\
                        [dev-dependencies]\nhex = \"0.4\"\n[features]\nextra = []\n";
        assert_eq!(versions_of_its_own(manifest), ["hex"]);
    }
}
