//! What the interop table must have: `interop/<peer>/matrix.toml`, and what was recorded against it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;

/// The forms that every direction of a peer has to account for.
pub(super) const FORMS: [&str; 5] = ["classical", "ml-dsa", "composite", "paired", "catalyst"];

/// One cell as a test recorded it.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
#[serde(deny_unknown_fields)]
pub(super) struct Cell {
    pub(super) peer: String,
    pub(super) version: String,
    pub(super) direction: String,
    pub(super) form: String,
    pub(super) result: String,
}

/// What must be recorded of one peer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Matrix {
    /// How the page calls the peer.
    pub(super) title: String,
    /// A sentence or two of what was run, for the page.
    pub(super) about: String,
    /// The releases that have to be there, by the beginning of their versions.
    pub(super) versions: Vec<String>,
    #[serde(default, rename = "cell")]
    pub(super) cells: Vec<Expected>,
    #[serde(default, rename = "unsupported")]
    pub(super) unsupported: Vec<Unsupported>,
}

/// Cells with the same result: each direction with each form, for each version.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expected {
    pub(super) directions: Vec<String>,
    pub(super) forms: Vec<String>,
    pub(super) result: String,
    /// If not all versions of the peer.
    versions: Option<Vec<String>>,
}

/// What a peer has no part in, and why.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Unsupported {
    pub(super) directions: Vec<String>,
    pub(super) forms: Vec<String>,
    pub(super) reason: String,
    pub(super) versions: Option<Vec<String>>,
}

/// The words of the page for each direction.
pub(super) type Directions = BTreeMap<String, String>;

impl Matrix {
    /// Reads a peer's.
    pub(super) fn read(root: &Path, peer: &str) -> Result<Self> {
        let path = root.join("interop").join(peer).join("matrix.toml");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        toml::from_str(&text).with_context(|| format!("{} is no matrix", path.display()))
    }

    /// The versions that an entry is about.
    pub(super) fn versions_of(&self, expected: &Expected) -> Vec<String> {
        expected.versions.clone().unwrap_or_else(|| self.versions.clone())
    }

    /// What is wrong with the matrix itself, a sentence each.
    pub(super) fn faults(&self, directions: &Directions) -> Vec<String> {
        let mut faults = Vec::new();
        let mut covered: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        let supported = self.cells.iter().map(|cell| (&cell.directions, &cell.forms));
        let unsupported = self
            .unsupported
            .iter()
            .map(|cell| (&cell.directions, &cell.forms));
        for (named, forms) in supported.chain(unsupported) {
            for direction in named {
                let base = base(direction);
                if !directions.contains_key(base) {
                    faults.push(format!("`{base}` is no direction of interop/directions.toml"));
                }
                covered
                    .entry(base)
                    .or_default()
                    .extend(forms.iter().map(|form| self::base(form)));
            }
        }
        for (direction, forms) in covered {
            for form in forms.iter().filter(|form| !FORMS.contains(form)) {
                faults.push(format!("`{form}` is no form"));
            }
            for form in FORMS.iter().filter(|form| !forms.contains(*form)) {
                faults.push(format!(
                    "`{direction}` says nothing about `{form}`: add its cells, or the reason why there are none"
                ));
            }
        }
        let versions = self.cells.iter().filter_map(|cell| cell.versions.as_ref());
        let versions = versions.chain(self.unsupported.iter().filter_map(|cell| cell.versions.as_ref()));
        for version in versions
            .flatten()
            .filter(|version| !self.versions.contains(version))
        {
            faults.push(format!("`{version}` is none of the peer's versions"));
        }
        if self.cells.is_empty() {
            faults.push("there are no cells, so nothing is proven".to_owned());
        }
        faults
    }

    /// What is wrong with the cells that were recorded, a sentence each: missing, changed, or not listed.
    pub(super) fn compare(&self, cells: &[Cell]) -> Vec<String> {
        let mut faults = Vec::new();
        let mut listed = BTreeSet::new();
        for expected in &self.cells {
            for (version, direction, form) in self.keys(expected) {
                listed.insert((version.clone(), direction.clone(), form.clone()));
                let recorded: Vec<&Cell> = cells
                    .iter()
                    .filter(|cell| {
                        is_release(&cell.version, &version)
                            && cell.direction == direction
                            && cell.form == form
                    })
                    .collect();
                if recorded.is_empty() {
                    faults.push(format!("missing: {version}, {direction}, {form}"));
                }
                for cell in recorded.iter().filter(|cell| cell.result != expected.result) {
                    faults.push(format!(
                        "changed: {}, {direction}, {form}: `{}` was `{}`",
                        cell.version, cell.result, expected.result
                    ));
                }
            }
        }
        for cell in cells {
            let is_listed = listed.iter().any(|(version, direction, form)| {
                is_release(&cell.version, version) && *direction == cell.direction && *form == cell.form
            });
            if !is_listed {
                faults.push(format!(
                    "not in the matrix: {}, {}, {}: `{}`",
                    cell.version, cell.direction, cell.form, cell.result
                ));
            }
        }
        faults
    }

    fn keys(&self, expected: &Expected) -> Vec<(String, String, String)> {
        let mut keys = Vec::new();
        for version in self.versions_of(expected) {
            for direction in &expected.directions {
                for form in &expected.forms {
                    keys.push((version.clone(), direction.clone(), form.clone()));
                }
            }
        }
        keys
    }
}

/// Reads the words for directions.
pub(super) fn directions(root: &Path) -> Result<Directions> {
    let path = root.join("interop/directions.toml");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("{} is no list of directions", path.display()))
}

/// The cells that tests have left in a folder, without repetitions.
pub(super) fn recorded(folder: &Path) -> Result<Vec<Cell>> {
    let mut cells = BTreeSet::new();
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "jsonl") {
            continue;
        }
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        for line in text.lines() {
            let cell = serde_json::from_str(line).with_context(|| format!("no cell: {line}"))?;
            cells.insert(cell);
        }
    }
    Ok(cells.into_iter().collect())
}

/// Fails when the cells of one peer are not what its matrix says.
pub(super) fn check(peer: &str, matrix: &Matrix, directions: &Directions, cells: &[Cell]) -> Result<()> {
    if let Some(other) = cells.iter().find(|cell| cell.peer != peer) {
        bail!("a test of `{peer}` recorded a cell of `{}`", other.peer);
    }
    let faults = [matrix.faults(directions), matrix.compare(cells)].concat();
    ensure!(
        faults.is_empty(),
        "{} cells are not as interop/{peer}/matrix.toml says:\n    {}",
        faults.len(),
        faults.join("\n    ")
    );
    Ok(())
}

/// What comes before the slash.
pub(super) fn base(name: &str) -> &str {
    name.split_once('/').map_or(name, |(base, _)| base)
}

/// What comes after the slash.
pub(super) fn variant(name: &str) -> Option<&str> {
    Some(name.split_once('/')?.1)
}

/// Whether a version is of a release: `3.5.4` and `3.5` are of `3.5`, `3.50` is not.
pub(super) fn is_release(version: &str, release: &str) -> bool {
    version.strip_prefix(release).is_some_and(|rest| {
        let continues = |character: char| character.is_ascii_alphanumeric();
        !rest.starts_with(continues)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MATRIX: &str = r#"
        title = "Perl"
        about = "A test."
        versions = ["3.5"]
        [[cell]]
        directions = ["chain"]
        forms = ["classical", "ml-dsa/ml-dsa-44", "ml-dsa/ml-dsa-65"]
        result = "verified"
        [[unsupported]]
        directions = ["chain"]
        forms = ["composite", "paired", "catalyst"]
        reason = "it has none"
    "#;

    fn matrix() -> Matrix {
        toml::from_str(MATRIX).unwrap()
    }

    fn directions() -> Directions {
        [("chain".to_owned(), "it verifies".to_owned())].into()
    }

    fn cell(version: &str, form: &str, result: &str) -> Cell {
        Cell {
            peer: "perl".to_owned(),
            version: version.to_owned(),
            direction: "chain".to_owned(),
            form: form.to_owned(),
            result: result.to_owned(),
        }
    }

    fn complete() -> Vec<Cell> {
        ["classical", "ml-dsa/ml-dsa-44", "ml-dsa/ml-dsa-65"]
            .map(|form| cell("3.5.4", form, "verified"))
            .to_vec()
    }

    #[test]
    fn what_is_as_the_matrix_says_is_accepted() {
        check("perl", &matrix(), &directions(), &complete()).unwrap();
    }

    #[test]
    fn a_missing_a_changed_and_an_unlisted_cell_are_refused() {
        let refused = |cells: &[Cell]| {
            check("perl", &matrix(), &directions(), cells)
                .unwrap_err()
                .to_string()
        };
        assert!(refused(&complete()[1..]).contains("missing: 3.5, chain, classical"));

        let mut changed = complete();
        changed[0].result = "refused".to_owned();
        assert!(refused(&changed).contains("`refused` was `verified`"));

        let mut more = complete();
        more.push(cell("3.5.4", "paired", "verified"));
        assert!(refused(&more).contains("not in the matrix: 3.5.4, chain, paired"));

        let other_release: Vec<Cell> = complete()
            .into_iter()
            .map(|one| cell("3.50", &one.form, &one.result))
            .collect();
        assert!(refused(&other_release).contains("missing"));

        let mut foreign = complete();
        foreign[0].peer = "ruby".to_owned();
        assert!(refused(&foreign).contains("`ruby`"));
    }

    #[test]
    fn a_form_that_a_direction_says_nothing_about_is_a_fault() {
        let mut matrix = matrix();
        matrix.unsupported[0].forms.pop();
        let faults = matrix.faults(&directions());
        assert!(faults[0].contains("nothing about `catalyst`"), "{faults:?}");
        assert_eq!(faults.len(), 1);
        assert!(self::matrix().faults(&Directions::new())[0].contains("no direction"));
    }

    #[test]
    fn every_matrix_of_ours_is_whole() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let directions = super::directions(root).unwrap();
        for peer in crate::interop::tabled() {
            let faults = Matrix::read(root, peer).unwrap().faults(&directions);
            assert!(faults.is_empty(), "{peer}: {faults:#?}");
        }
    }
}
