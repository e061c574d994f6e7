//! SPIRE's server beside ours; `cargo xtask bench spire` gets both and runs it.
//!
//! `--write FILE` puts the table into a file. It fails when ours takes more than half of SPIRE's processor time for an SVID
//! or of its memory; see [`symbolon_benches::beside`].

use std::path::PathBuf;
use std::process::ExitCode;

use symbolon_benches::beside::{Extent, run};
use symbolon_benches::issuer::AnyError;

#[tokio::main]
async fn main() -> Result<ExitCode, AnyError> {
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(ExitCode::SUCCESS);
    }
    let mut arguments = std::env::args().skip_while(|argument| argument != "--write");
    let file = arguments.nth(1).map(PathBuf::from);
    let report = run(Extent::default()).await?;
    let table = report.table();
    println!("{table}");
    let faults = report.faults();
    if let (Some(file), true) = (file, faults.is_empty()) {
        std::fs::write(file, table)?;
    }
    for fault in &faults {
        eprintln!("{fault}");
    }
    Ok(match faults.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
