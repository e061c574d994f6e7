//! `cargo xtask pq-token`: the PKCS#11 token with ML-DSA that tests use, with an OpenSSL and an SQLite of its own.

use std::path::PathBuf;

use anyhow::Result;

use crate::needs;
use crate::outside::Outside;
use crate::workspace::Workspace;

/// The environment variable by which tests find the module.
pub(crate) const VARIABLE: &str = "SYMBOLON_PQ_TOKEN";

const TOKEN: Outside = Outside {
    folder: "pq-token",
    source: "src/lib.rs",
    artefact: "libsymbolon_pq_token.so",
    needs: needs::TO_BUILD_PQ_TOKEN,
    builds: "OpenSSL and SQLite from source, several minutes",
};

/// The module's path, after building it if this version has not been built here.
pub(crate) fn module(workspace: &Workspace) -> Result<PathBuf> {
    TOKEN.built(workspace)
}
