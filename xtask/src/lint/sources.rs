//! Rules about what our source files may say.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use cargo_metadata::{DependencyKind, Package};

use super::rust_code::{code_only, words};
use crate::workspace::Workspace;

/// Where `unsafe` may be written: the foreign-function modules.
const UNSAFE_ALLOWED: &[&str] = &[
    "crypto/src/ffi.rs",
    "crypto/src/ffi/",
    "hsm/src/tpm/locked.rs",
    "interop/liboqs/src/main.rs",
    "interop/pq-token/src/lib.rs",
];

/// Macros that mark unfinished work or a debugging session. Clippy sees them too, but can be told to look away.
const UNFINISHED: &[&str] = &["dbg", "todo", "unimplemented"];

/// Longer than this, a file most likely tells more than one story.
const LONG: usize = 400;

/// What is wrong, one sentence each.
pub(super) fn violations(workspace: &Workspace) -> Result<Vec<String>> {
    let members = workspace.members();
    let mut violations = Vec::new();
    for package in &members {
        let only_for_tests = only_for_tests(package, &members);
        for file in files(workspace, package)? {
            let text = read(workspace, &file)?;
            violations.extend(faults(&file, &code_only(&text), &only_for_tests));
        }
    }
    Ok(violations)
}

/// Files that have grown long; worth a look, not an error.
pub(super) fn long_files(workspace: &Workspace) -> Result<Vec<String>> {
    let mut notes = Vec::new();
    for package in workspace.members() {
        for file in files(workspace, package)? {
            let lines = read(workspace, &file)?.lines().count();
            if lines > LONG {
                notes.push(format!("{} has {lines} lines (more than {LONG})", file.display()));
            }
        }
    }
    Ok(notes)
}

/// The faults of one file. `only_for_tests` names the crates that this one may use in `tests/` and `benches/`
/// alone: with such a dependency, the crate's own unit tests would see two copies of its types.
fn faults(file: &Path, code: &str, only_for_tests: &[String]) -> Vec<String> {
    let name = file.to_string_lossy();
    let may_be_unsafe = UNSAFE_ALLOWED.iter().any(|allowed| name.starts_with(allowed));
    let in_src = file
        .components()
        .nth(1)
        .is_some_and(|part| part.as_os_str() == "src");
    let mut faults = Vec::new();
    for (number, line) in (1..).zip(code.lines()) {
        let mut fault = |what: String| faults.push(format!("{name}:{number}: {what}"));
        for word in words(line) {
            // Another `forbid(unsafe_code)` is welcome anywhere.
            let lets_in = word == "unsafe_code" && (line.contains("allow") || line.contains("expect"));
            if (word == "unsafe" || lets_in) && !may_be_unsafe {
                fault(format!("`{word}` is for {} alone", UNSAFE_ALLOWED.join(" and ")));
            }
            if UNFINISHED.contains(&word) && line.contains(&format!("{word}!")) {
                fault(format!("`{word}!` is unfinished work"));
            }
            if in_src && only_for_tests.iter().any(|crate_name| crate_name == word) {
                fault(format!(
                    "`{word}` is a dev-dependency, for tests/ and benches/ alone"
                ));
            }
        }
    }
    faults
}

/// The workspace's crates that this package depends on for tests and for nothing else, as code names them.
fn only_for_tests(package: &Package, members: &[&Package]) -> Vec<String> {
    let of_kind = |development: bool| {
        package
            .dependencies
            .iter()
            .filter(move |dependency| (dependency.kind == DependencyKind::Development) == development)
            .map(|dependency| dependency.name.as_str())
    };
    of_kind(true)
        .filter(|name| members.iter().any(|member| member.name.as_str() == *name))
        .filter(|name| !of_kind(false).any(|normal| normal == *name))
        .map(|name| name.replace('-', "_"))
        .collect()
}

/// The package's Rust files, relative to the repository's root, in order.
fn files(workspace: &Workspace, package: &Package) -> Result<Vec<PathBuf>> {
    let folder = package
        .manifest_path
        .parent()
        .context("a manifest is in a folder")?;
    let mut files = Vec::new();
    let mut folders = vec![folder.as_std_path().to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
        for entry in entries {
            let path = entry
                .with_context(|| format!("cannot list {}", folder.display()))?
                .path();
            if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path.strip_prefix(workspace.root()).unwrap_or(&path).to_owned());
            }
        }
    }
    files.sort();
    Ok(files)
}

fn read(workspace: &Workspace, file: &Path) -> Result<String> {
    let path = workspace.root().join(file);
    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsafe_is_for_the_ffi_module_alone() {
        let code = "unsafe { f() }";
        assert_eq!(faults(Path::new("pki/src/key.rs"), code, &[]).len(), 1);
        assert!(faults(Path::new("crypto/src/ffi.rs"), code, &[]).is_empty());
        assert_eq!(
            faults(Path::new("agent/src/lib.rs"), "#![allow(unsafe_code)]", &[]).len(),
            1
        );
        assert!(faults(Path::new("agent/src/lib.rs"), "#![forbid(unsafe_code)]", &[]).is_empty());
    }

    #[test]
    fn unfinished_work_is_found_and_its_lint_names_are_not() {
        let file = Path::new("ca/src/lib.rs");
        assert_eq!(
            faults(file, "fn f() { todo!() }", &[]),
            ["ca/src/lib.rs:1: `todo!` is unfinished work"]
        );
        assert!(faults(file, "struct Todo { todo: bool }", &[]).is_empty());
    }

    #[test]
    fn dev_dependencies_stay_out_of_src() {
        let only_for_tests = ["symbolon_issuance".to_owned()];
        let code = "use symbolon_issuance::Serial;";
        assert_eq!(
            faults(Path::new("tls/src/lib.rs"), code, &only_for_tests).len(),
            1
        );
        assert!(faults(Path::new("tls/tests/handshake.rs"), code, &only_for_tests).is_empty());
    }
}
