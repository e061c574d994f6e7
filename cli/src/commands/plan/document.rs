//! Inventories from files and into files.

use std::io::{BufWriter, Read as _, Write};
use std::path::Path;

use anyhow::{Context as _, Result};
use symbolon_host::file::Pending;
use symbolon_migration_planner::cbom;
use symbolon_migration_planner::inventory::Inventory;

use crate::args::plan::{Document, DocumentFormat, Tags};
use crate::exit::{BrokenOutput, Usage};

/// Who may read a document: it says where keys are.
const MODE: u32 = 0o600;

/// Reads a CBOM of any tool; `-` is standard input.
pub(super) fn read(path: &Path) -> Result<Inventory> {
    let limit = cbom::MAX_LEN as u64 + 1;
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(limit).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes))
    };
    read.with_context(|| format!("cannot read {}", path.display()))?;
    cbom::read(&bytes)
        .map_err(|error| Usage(format!("{} is no CBOM that can be read: {error}", path.display())).into())
}

/// Puts the operator's words on what answers their questions. A question that nothing answers is told: it is
/// misspelt more often than not.
pub(super) fn tag(inventory: &mut Inventory, tags: &Tags) {
    let all = tags
        .owner
        .iter()
        .map(|tag| (tag, true))
        .chain(tags.exposure.iter().map(|tag| (tag, false)));
    for (tag, is_owner) in all {
        let ids: Vec<_> = tag
            .question
            .run(inventory)
            .map(|asset| asset.id().clone())
            .collect();
        if ids.is_empty() {
            anstream::eprintln!("warning: nothing answers the question for {:?}", tag.word);
        }
        for asset in ids {
            if let Some(asset) = inventory.get_mut(&asset) {
                if is_owner {
                    asset.owners.insert(tag.word.clone());
                } else {
                    asset.exposure = Some(tag.word.clone());
                }
            }
        }
    }
}

/// Checks what can be wrong with the options before any work is done, and puts the moment into the inventory later.
pub(super) fn moment(options: &Document) -> Result<Option<String>> {
    let Some(text) = &options.timestamp else {
        return Ok(None);
    };
    time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339)
        .map_err(|_| Usage(format!("{text:?} is no moment; write it as 2026-11-22T03:25:00Z")))?;
    Ok(Some(text.clone()))
}

/// Writes the document to the file, whole or not at all, or to standard output; by so many threads, where 0 means as
/// many as there are processors.
pub(super) fn write(inventory: &Inventory, options: &Document, threads: usize) -> Result<()> {
    write_with(options.out.as_deref(), |out| match options.format {
        DocumentFormat::Cyclonedx => cbom::write_by(inventory, options.spec_version, threads, out),
        DocumentFormat::Csv => cbom::write_csv(inventory, out),
        DocumentFormat::Sarif => cbom::write_sarif(inventory, out),
    })
}

/// Writes what `encode` makes to the file, whole or not at all, or to standard output.
pub(super) fn write_with(
    path: Option<&Path>,
    encode: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> Result<()> {
    let Some(path) = path else {
        let mut out = BufWriter::with_capacity(1 << 16, std::io::stdout().lock());
        return encode(&mut out)
            .and_then(|()| out.flush())
            .map_err(|error| BrokenOutput(error).into());
    };
    let written = match std::fs::metadata(path) {
        // Pipes and devices are written into; what is not a file cannot be put in a file's place.
        Ok(metadata) if !metadata.is_file() && !metadata.is_dir() => std::fs::OpenOptions::new()
            .write(true)
            .open(path)
            .map(BufWriter::new)
            .and_then(|mut out| encode(&mut out).and_then(|()| out.flush())),
        _ => Pending::of(path, MODE).and_then(|pending| pending.commit_with(encode)),
    };
    written.with_context(|| format!("cannot write {}", path.display()))
}
