//! What a peer's tests have shown, for the interop table.
//!
//! A cell is one thing that one version of a peer does with one form. A test records a cell after it has asserted it,
//! so a cell is never a wish: a test that fails leaves it out, and `cargo xtask interop` compares what was recorded
//! with `<peer>/matrix.toml`, which says what must be there. Peers that are not Rust record nothing themselves: they
//! report, and the test that judges the report records. (One that does is welcome: any file `*.jsonl` in the folder
//! that `SYMBOLON_INTEROP_CELLS` names is read, one JSON object with the five members on a line.)

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::json;

/// The environment variable that names the folder for cells; without it nothing is kept.
const VARIABLE: &str = "SYMBOLON_INTEROP_CELLS";

/// One cell of the table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Cell<'a> {
    /// The peer's folder in `interop/`, as `openssl`.
    pub peer: &'a str,
    /// What the peer says that it is, as `3.5.4`.
    pub version: &'a str,
    /// A name of `directions.toml`; what there are several of follows a slash, as `tls-client/X25519MLKEM768`.
    pub direction: &'a str,
    /// The form; what there are several of follows a slash, as `ml-dsa/ml-dsa-65`.
    pub form: &'a str,
    /// What came of it in a few words, as `verified`.
    pub result: &'a str,
}

impl Cell<'_> {
    /// Keeps it, if a run of `cargo xtask interop` wants it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn record(&self) -> Result<()> {
        match std::env::var_os(VARIABLE) {
            Some(folder) => self.append(Path::new(&folder)),
            None => Ok(()),
        }
    }

    /// Tests run side by side, in threads and in processes: a file for each process, and a line at a time.
    fn append(&self, folder: &Path) -> Result<()> {
        let path = folder.join(format!("{}-{}.jsonl", self.peer, std::process::id()));
        fs::create_dir_all(folder)
            .and_then(|()| OpenOptions::new().create(true).append(true).open(&path))
            .and_then(|mut file| file.write_all(self.line().as_bytes()))
            .with_context(|| format!("cannot write {}", path.display()))
    }

    fn line(&self) -> String {
        let cell = json!({
            "peer": self.peer,
            "version": self.version,
            "direction": self.direction,
            "form": self.form,
            "result": self.result,
        });
        format!("{cell}\n")
    }
}

/// A peer of a known version, for tests that record many cells of it.
#[derive(Clone, Debug)]
pub struct Peer {
    name: &'static str,
    version: String,
}

impl Peer {
    /// The peer of a folder in `interop/`, with what it says about its version.
    pub fn new(name: &'static str, version: impl Into<String>) -> Self {
        Self {
            name,
            version: version.into(),
        }
    }

    /// What it says about its version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Records a cell of it; to be called when everything that the cell says has been asserted.
    ///
    /// # Errors
    /// As [`Cell::record`].
    pub fn shows(&self, direction: &str, form: &str, result: &str) -> Result<()> {
        Cell {
            peer: self.name,
            version: &self.version,
            direction,
            form,
            result,
        }
        .record()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_appended_as_lines_of_json() {
        let folder = tempfile::tempdir().unwrap();
        let cell = |form| Cell {
            peer: "perl",
            version: "5.42",
            direction: "chain",
            form,
            result: "said \"yes\"",
        };
        cell("ml-dsa/ml-dsa-65").append(folder.path()).unwrap();
        cell("classical").append(folder.path()).unwrap();

        let file = fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap();
        let text = fs::read_to_string(file.path()).unwrap();
        let forms: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(forms[0]["form"], "ml-dsa/ml-dsa-65");
        assert_eq!(forms[1]["form"], "classical");
        assert_eq!(forms[1]["result"], "said \"yes\"");
    }
}
