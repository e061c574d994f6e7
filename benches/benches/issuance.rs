//! Issuance in process, CSR bytes in and certificate bytes out, for each suite; and what it costs beside the
//! primitives it cannot do without, measured in turns in this same run.

#![allow(clippy::unwrap_used, reason = "a bench that cannot run has to end")]

use criterion::Criterion;
use symbolon_benches::issuer::{AnyError, Issuer};
use symbolon_benches::paired;
use symbolon_pki::suite::Suite;

/// Rounds of the paired measurement; each runs both sides sixteen times.
const ROUNDS: usize = 200;

/// The most that issuance may cost, in primitives, for the three default suites.
const BOUND: f64 = 1.25;
const BOUND_FOR: [Suite; 3] = [Suite::EcdsaP256, Suite::MlDsa65, Suite::MlDsa65EcdsaP256];

fn main() -> Result<(), AnyError> {
    let mut criterion = Criterion::default().configure_from_args();
    for suite in Suite::DEFAULTS {
        let issuer = Issuer::new(suite)?;
        let mut group = criterion.benchmark_group(format!("issue/{suite}"));
        group.bench_function("csr to certificate", |b| b.iter(|| issuer.issue().unwrap()));
        group.bench_function("verify and sign", |b| b.iter(|| issuer.primitives().unwrap()));
        group.finish();
    }
    criterion.final_summary();
    // `cargo test --benches` runs each bench once to see that it works; the measurement is not for that.
    if std::env::args().any(|argument| argument == "--bench") {
        ratios()
    } else {
        Ok(())
    }
}

/// Prints the table that the contract is about.
fn ratios() -> Result<(), AnyError> {
    println!("\nissuance ÷ (verify of the CSR + sign by the issuer), medians of {ROUNDS} rounds in turns\n");
    println!(
        "{:<20} {:>14} {:>14} {:>8}",
        "suite", "issuance", "primitives", "ratio"
    );
    let mut over = Vec::new();
    for suite in Suite::DEFAULTS {
        let issuer = Issuer::new(suite)?;
        let measured = paired::measure(
            ROUNDS,
            || issuer.issue().map(drop),
            || issuer.primitives().map(drop),
        )?;
        let verdict = match BOUND_FOR.contains(&suite) {
            true if measured.ratio <= BOUND => "  within 1.25",
            true => {
                over.push(suite.name());
                "  OVER 1.25"
            }
            false => "",
        };
        println!(
            "{:<20} {:>11.1} µs {:>11.1} µs {:>8.3}{verdict}",
            suite.name(),
            measured.work.as_secs_f64() * 1e6,
            measured.floor.as_secs_f64() * 1e6,
            measured.ratio,
        );
    }
    if over.is_empty() {
        return Ok(());
    }
    Err(format!(
        "issuance costs more than {BOUND} × its primitives for {}",
        over.join(", ")
    )
    .into())
}
