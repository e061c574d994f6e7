//! What `symbolon up` costs a machine: time to the first SVID, and memory, of the optimised program.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::process;
use crate::workspace::Workspace;

/// How often it is started from nothing, and how often again on what it left.
const RUNS: usize = 5;

/// What is measured is printed beside this, and nothing is decided by it: machines differ.
const BOUNDS: &str =
    "the contract: first SVID in under 2000 ms, server and agent together under 100 MiB resident";

/// Builds the program, runs it, and prints what it took.
pub(crate) fn footprint(workspace: &Workspace) -> Result<()> {
    process::run(&mut workspace.cargo(&["build", "--release", "--package", "symbolon-cli"]))?;
    let program = workspace.release_programs().join("symbolon");
    let home = TempDir::new()?;
    println!(
        "{:<28} {:>14} {:>20} {:>14}",
        "run", "first SVID", "resident (server +", "peak"
    );
    println!("{:<28} {:>14} {:>20} {:>14}", "", "", "agent, one process)", "");
    for run in 0..RUNS {
        let data = home.path().join(format!("data{run}"));
        for kind in ["from nothing", "on what it left"] {
            let mut up = Command::new(&program)
                .args(["up", "--listen", "127.0.0.1:0", "--output", "json", "--data-dir"])
                .arg(&data)
                .env_clear()
                .env("HOME", home.path())
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .spawn()
                .context("cannot start `symbolon up`")?;
            let mut first_svid = None;
            let stdout = up.stdout.take().context("`up` has no output")?;
            for line in BufReader::new(stdout).lines() {
                let line = line?;
                if let Some((_, value)) = line.split_once("\"first_svid_ms\":") {
                    first_svid = value.trim().trim_end_matches(',').parse::<u64>().ok();
                }
                if line == "}" {
                    break;
                }
            }
            let status = fs::read_to_string(format!("/proc/{}/status", up.id()))?;
            kill_process(Pid::from_child(&up), Signal::INT)?;
            ensure!(up.wait()?.success(), "`up` did not stop cleanly");
            println!(
                "{:<28} {:>11} ms {:>20} {:>14}",
                format!("{} {kind}", run + 1),
                first_svid.context("`up` did not say when the first SVID came")?,
                field(&status, "VmRSS:")?,
                field(&status, "VmHWM:")?,
            );
        }
    }
    println!("\n{BOUNDS}");
    Ok(())
}

/// A line of /proc/PID/status, in MiB.
fn field(status: &str, name: &str) -> Result<String> {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib: f64 = line
        .and_then(|line| line.trim().strip_suffix("kB"))
        .and_then(|number| number.trim().parse().ok())
        .with_context(|| format!("the system does not tell {name}"))?;
    Ok(format!("{:.1} MiB", kib / 1024.0))
}
