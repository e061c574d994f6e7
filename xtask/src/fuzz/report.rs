//! What sessions came to, as a table and as a verdict.

use anyhow::{Result, bail};

use super::session::Outcome;

/// By how many MiB memory may grow between a corpus that has been run once and the end. What libFuzzer itself keeps grows
/// with the corpus and what it has seen; an input whose memory stays is found at once, by `memory::run`.
const GROWTH: u64 = 256;

/// One target's row.
pub(super) fn line(outcome: &Outcome) -> String {
    let per_second = if outcome.seconds > 0.0 {
        outcome.executions as f64 / outcome.seconds
    } else {
        0.0
    };
    format!(
        "{:<20} {:>6.0} {:>10} {:>8.0} {:>7} {:>7} {:>6} {:>5} → {:>4} {:>5} {:>4}  {}",
        outcome.target,
        outcome.seconds,
        outcome.executions,
        per_second,
        outcome.coverage,
        outcome.features,
        outcome.corpus,
        outcome.memory_begun,
        outcome.memory_ended,
        outcome.memory_peak,
        outcome.slowest,
        problem(outcome).unwrap_or_else(|| "ok".to_owned()),
    )
}

/// All rows, with a head.
pub(super) fn print(outcomes: &[Outcome]) {
    println!(
        "{:<20} {:>6} {:>10} {:>8} {:>7} {:>7} {:>6} {:>12} {:>5} {:>4}",
        "target", "CPU s", "runs", "runs/s", "edges", "feats", "corpus", "MiB", "peak", "slow"
    );
    for outcome in outcomes {
        println!("{}", line(outcome));
    }
    let seconds: f64 = outcomes.iter().map(|outcome| outcome.seconds).sum();
    let executions: u64 = outcomes.iter().map(|outcome| outcome.executions).sum();
    println!("{:<20} {seconds:>6.0} {executions:>10}", "all");
    for outcome in outcomes {
        if let Some(failure) = &outcome.failure {
            println!("\n{}: {failure}", outcome.target);
        }
        for finding in &outcome.findings {
            println!(
                "\n{} is a finding; again with: cargo xtask fuzz {} --replay {}",
                finding.display(),
                outcome.target,
                finding.display()
            );
        }
    }
}

/// What is wrong with an outcome, in few words.
fn problem(outcome: &Outcome) -> Option<String> {
    let growth = outcome.memory_ended.saturating_sub(outcome.memory_begun);
    if !outcome.findings.is_empty() {
        Some(format!("{} findings", outcome.findings.len()))
    } else if outcome.failure.is_some() {
        Some("ended early".to_owned())
    } else if outcome.executions == 0 {
        Some("ran nothing".to_owned())
    } else if growth > GROWTH {
        Some(format!("memory grew by {growth} MiB"))
    } else {
        None
    }
}

/// Fails when anything is wrong.
pub(super) fn verdict(outcomes: &[Outcome]) -> Result<()> {
    let wrong: Vec<String> = outcomes
        .iter()
        .filter_map(|outcome| Some(format!("{}: {}", outcome.target, problem(outcome)?)))
        .collect();
    if wrong.is_empty() {
        Ok(())
    } else {
        bail!("fuzzing found something: {}", wrong.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Outcome {
        Outcome {
            target: "jwt".to_owned(),
            seconds: 2.0,
            executions: 100,
            memory_begun: 80,
            memory_ended: 90,
            ..Outcome::default()
        }
    }

    #[test]
    fn only_a_whole_session_without_findings_is_good() {
        verdict(&[good()]).unwrap();
        let bad = [
            Outcome {
                findings: vec!["crash-1".into()],
                ..good()
            },
            Outcome {
                failure: Some("killed".to_owned()),
                ..good()
            },
            Outcome {
                executions: 0,
                ..good()
            },
            Outcome {
                memory_ended: 400,
                ..good()
            },
        ];
        for outcome in bad {
            let error = verdict(&[good(), outcome]).unwrap_err().to_string();
            assert!(error.contains("jwt"), "{error}");
        }
    }
}
