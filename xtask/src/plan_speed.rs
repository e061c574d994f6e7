//! `cargo xtask plan-speed`: what a scan of a million files takes, beside what ripgrep takes to search them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use tempfile::TempDir;

use crate::workspace::Workspace;
use crate::{needs, process, tree};

/// The first scan takes at most so many times as long as ripgrep.
const BESIDE_RIPGREP: f64 = 3.0;
/// A scan of a tree that has not changed takes at most this part of the first one.
const AGAIN: f64 = 0.2;
/// The most memory, in MiB.
const MEMORY: f64 = 500.0;
/// What ripgrep looks for; it is nowhere.
const PATTERN: &str = "ssl_protocols_that_nobody_has";

/// What one run took.
struct Run {
    wall: Duration,
    /// Peak resident memory in MiB.
    memory: f64,
}

/// Measures, prints, and fails when a bound is not kept. `kept` is a tree of an earlier run, or where to make one that
/// stays.
pub(crate) fn plan_speed(workspace: &Workspace, kept: Option<&Path>, files: u64) -> Result<()> {
    needs::ensure(&[needs::TO_MEASURE_SCANS])?;
    process::run(&mut workspace.cargo(&["build", "--release", "--package", "symbolon-cli"]))?;
    let program = workspace.release_programs().join("symbolon");
    let scratch = TempDir::new()?;
    let root = match kept {
        Some(kept) => kept.to_owned(),
        None => scratch.path().join("tree"),
    };
    if !root.exists() {
        tree::tree(&root, files)?;
    }
    let mut ripgrep = Command::new("rg");
    ripgrep.args(["-uuu", "-a", "--count", PATTERN]).arg(&root);
    let scan = |out: &str| {
        let mut command = Command::new(&program);
        command.args(["plan", "scan", "--quiet", "--cache"]);
        command.arg(scratch.path().join("cache")).arg("--out");
        command.arg(scratch.path().join(out)).arg(&root);
        command
    };
    println!("{:<24} {:>9} {:>12} {:>10}", "", "wall", "processors", "memory");
    // Once for nothing: what is measured is warm.
    measure("ripgrep, to warm up", &mut ripgrep)?;
    let beside = measure("ripgrep", &mut ripgrep)?;
    let first = measure("first scan", &mut scan("first.json"))?;
    let again = measure("scan again", &mut scan("again.json"))?;
    let read = |name: &str| fs::read(scratch.path().join(name));
    ensure!(
        read("first.json")? == read("again.json")?,
        "the second scan wrote another document than the first"
    );
    let ratios = [
        ("first scan / ripgrep", ratio(&first, &beside), BESIDE_RIPGREP),
        ("scan again / first scan", ratio(&again, &first), AGAIN),
        ("peak memory, MiB", first.memory.max(again.memory), MEMORY),
    ];
    let mut broken = Vec::new();
    for (what, value, bound) in ratios {
        println!("{what:<24} {value:>9.2}   at most {bound}");
        if value > bound {
            broken.push(what);
        }
    }
    if !broken.is_empty() {
        bail!("not kept: {}", broken.join(", "));
    }
    Ok(())
}

fn ratio(one: &Run, other: &Run) -> f64 {
    one.wall.as_secs_f64() / other.wall.as_secs_f64()
}

fn measure(what: &str, command: &mut Command) -> Result<Run> {
    let before = processor_time()?;
    let started = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start `{}`", process::shown(command)))?;
    let status = PathBuf::from(format!("/proc/{}/status", child.id()));
    let mut memory = 0.0_f64;
    let ended = loop {
        if let Some(ended) = child.try_wait()? {
            break ended;
        }
        let peak = fs::read_to_string(&status).ok().and_then(|text| peak(&text));
        memory = memory.max(peak.unwrap_or_default());
        std::thread::sleep(Duration::from_millis(10));
    };
    let wall = started.elapsed();
    // ripgrep says by 1 that it found nothing.
    ensure!(
        ended.success() || (command.get_program() == "rg" && ended.code() == Some(1)),
        "`{}` failed: {ended}",
        process::shown(command)
    );
    let processor = processor_time()?.saturating_sub(before);
    println!(
        "{what:<24} {:>7.2} s {:>10.2} s {memory:>6.0} MiB",
        wall.as_secs_f64(),
        processor.as_secs_f64()
    );
    Ok(Run { wall, memory })
}

/// `VmHWM` of /proc/PID/status, in MiB.
fn peak(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}

/// User and system time of the children that have ended: fields 16 and 17 of /proc/self/stat, in hundredths of a
/// second, which is what Linux counts in towards programs.
fn processor_time() -> Result<Duration> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u64 = after_name
        .split_whitespace()
        .skip(13)
        .take(2)
        .map(|field| field.parse::<u64>().unwrap_or_default())
        .sum();
    Ok(Duration::from_millis(ticks * 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_read_in_mebibytes() {
        assert_eq!(peak("Name:\tx\nVmHWM:\t  2048 kB\nVmRSS:\t 1 kB\n"), Some(2.0));
        assert_eq!(peak("Name:\tx\n"), None);
    }

    #[test]
    fn a_child_is_measured() {
        let run = measure(
            "a shell",
            Command::new("sh").args(["-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"]),
        );
        let run = run.unwrap();
        assert!(run.wall > Duration::ZERO);
        assert!(processor_time().unwrap() > Duration::ZERO);
        measure("a failure", &mut Command::new("false")).err().unwrap();
    }
}
