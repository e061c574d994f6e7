//! Two hundred workloads under mutual-TLS load through a migration to hybrid SVIDs and back, and through twenty rotations.
//!
//! `cargo xtask load migration` runs it with what it needs; see [`symbolon_benches::migration`]. `--workloads N`,
//! `--rotations N`, `--rate N` a second, `--least N` a second, `--life SECONDS`, `--quiet SECONDS`; `--write FILE` for the table
//! and `--json FILE` for everything. It fails when anything does not hold.

use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use symbolon_benches::issuer::AnyError;
use symbolon_benches::migration::{Load, run};

#[tokio::main]
async fn main() -> Result<ExitCode, AnyError> {
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(ExitCode::SUCCESS);
    }
    let load = Load {
        workload: PathBuf::from(env!("CARGO_BIN_EXE_symbolon-load-workload")),
        workloads: option("--workloads")?.unwrap_or(200),
        rotations: option("--rotations")?.unwrap_or(20),
        rate: option("--rate")?.unwrap_or(60.0),
        family_rate: option("--family-rate")?.unwrap_or(4.0),
        least: option("--least")?.unwrap_or(50.0),
        life: Duration::from_secs(option("--life")?.unwrap_or(40)),
        quiet: Duration::from_secs(option("--quiet")?.unwrap_or(20)),
        timeout: Duration::from_secs(10),
        catches_up: true,
        patience: Duration::from_secs(180),
    };
    let report = run(&load).await?;
    if let Some(file) = option::<PathBuf>("--json")? {
        std::fs::write(file, serde_json::to_vec_pretty(&report)?)?;
    }
    let (table, faults) = (report.table(), report.faults());
    println!("\n{table}");
    for line in report
        .server_log
        .iter()
        .chain(&report.complaints)
        .chain(&report.troubles)
    {
        println!("{line}");
    }
    if let (Some(file), true) = (option::<PathBuf>("--write")?, faults.is_empty()) {
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

/// What stands after a name on the command line.
fn option<T: FromStr<Err: Into<AnyError>>>(name: &str) -> Result<Option<T>, AnyError> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    let value = arguments.nth(1).map(|value| value.parse().map_err(Into::into));
    value.transpose()
}
