//! Links on the way to files that a configuration names: where in the scanned trees the file itself lies.

use std::path::{Path, PathBuf};

use super::Target;
use super::text::push_name;

/// The trees and files that were scanned, as they are and as they were named.
pub(super) struct Scanned {
    roots: Vec<(PathBuf, String)>,
}

impl Scanned {
    pub(super) fn of(targets: &[Target]) -> Self {
        let paths = targets.iter().filter_map(|target| match target {
            Target::Path(path) => Some(path),
            Target::Uri { .. } => None,
        });
        let roots = paths.filter_map(|path| Some((path.canonicalize().ok()?, shown(path))));
        Self {
            roots: roots.collect(),
        }
    }

    /// The place in the documents of the file that is called so. Nothing outside of what was scanned is looked at
    /// for its own sake, and no file is opened.
    pub(super) fn real(&self, place: &str) -> Option<String> {
        let path = Path::new(place);
        let named = |(root, shown): &(PathBuf, String)| path.starts_with(root) || path.starts_with(shown);
        if !self.roots.iter().any(named) {
            return None;
        }
        let real = path.canonicalize().ok()?;
        self.roots.iter().find_map(|(root, named)| {
            let rest = real.strip_prefix(root).ok()?;
            match (rest.as_os_str().is_empty(), named.ends_with('/')) {
                (true, _) => Some(named.clone()),
                (false, true) => Some(format!("{named}{}", shown(rest))),
                (false, false) => Some(format!("{named}/{}", shown(rest))),
            }
        })
    }
}

fn shown(path: &Path) -> String {
    let mut shown = String::new();
    push_name(
        &mut shown,
        std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()),
    );
    shown
}
