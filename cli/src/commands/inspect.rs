//! `symbolon inspect`: what a file holds, in words.

use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context as _, Result};
use serde::Serialize;
use symbolon_pki::describe::{Description, describe};

use super::read_input;
use crate::args::Common;
use crate::output::Show;

#[derive(Serialize)]
#[serde(transparent)]
struct Descriptions(Vec<Description>);

impl Show for Descriptions {
    fn text(&self) -> String {
        self.0
            .iter()
            .map(Description::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    }
}

pub(crate) fn run(common: &Common, file: &Path) -> Result<()> {
    let found = describe(&read_input(file)?, SystemTime::now())
        .with_context(|| format!("cannot tell what {} is", file.display()))?;
    common.output.print(&Descriptions(found))
}
