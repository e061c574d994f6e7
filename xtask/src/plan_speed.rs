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

/// How often everything is run; medians are compared.
const ROUNDS: usize = 3;
/// The part of the tree that may come from the disk and still count as warm.
const COLD: f64 = 0.01;

/// What one run took.
#[derive(Clone, Copy)]
struct Run {
    wall: Duration,
    /// Peak resident memory in MiB.
    memory: f64,
    /// What it had to wait for the disk for, in bytes.
    from_disk: u64,
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
    let cache = scratch.path().join("cache");
    let scan = |out: &str| {
        let mut command = Command::new(&program);
        command.args(["plan", "scan", "--quiet", "--cache"]);
        command.arg(&cache).arg("--out");
        command.arg(scratch.path().join(out)).arg(&root);
        command
    };
    let read = |name: &str| fs::read(scratch.path().join(name));
    println!(
        "{:<16} {:>9} {:>12} {:>10} {:>14}",
        "", "wall", "processors", "memory", "from the disk"
    );
    let (mut beside, mut first, mut again) = (Vec::new(), Vec::new(), Vec::new());
    let mut bytes = 0;
    for _ in 0..ROUNDS {
        // Everybody's turn begins right after the whole tree was read, so that it is as warm for one as for the other.
        bytes = warm(&root)?;
        beside.push(measure("ripgrep", &mut ripgrep)?);
        if cache.exists() {
            fs::remove_file(&cache)?;
        }
        warm(&root)?;
        first.push(measure("first scan", &mut scan("first.json"))?);
        warm(&root)?;
        again.push(measure("scan again", &mut scan("again.json"))?);
        ensure!(
            read("first.json")? == read("again.json")?,
            "the second scan wrote another document than the first"
        );
    }
    let runs = || beside.iter().chain(&first).chain(&again);
    tell_cold(bytes, runs().map(|run| run.from_disk).max().unwrap_or_default());
    let memory = runs_memory(&first, &again);
    let (beside, first, again) = (median(&beside), median(&first), median(&again));
    println!(
        "medians: ripgrep {:.2} s, first scan {:.2} s, scan again {:.2} s",
        beside.as_secs_f64(),
        first.as_secs_f64(),
        again.as_secs_f64()
    );
    let ratios = [
        ("first scan / ripgrep", ratio(first, beside), BESIDE_RIPGREP),
        ("scan again / first scan", ratio(again, first), AGAIN),
        ("peak memory, MiB", memory, MEMORY),
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

/// Says whether what was measured was warm: a tree that is larger than what the system can hold in memory is not.
fn tell_cold(bytes: u64, from_disk: u64) {
    #[expect(clippy::cast_precision_loss, reason = "it is a share")]
    let share = from_disk as f64 / bytes.max(1) as f64;
    let (tree, disk) = (bytes >> 20, from_disk >> 20);
    if share > COLD {
        println!(
            "NOT WARM: the page cache could not hold the {tree} MiB of the tree; up to {disk} MiB of a turn came from \
             the disk"
        );
    } else {
        println!("warm: the {tree} MiB of the tree were in memory, at most {disk} MiB came from the disk");
    }
}

fn runs_memory(first: &[Run], again: &[Run]) -> f64 {
    let runs = first.iter().chain(again);
    runs.map(|run| run.memory).fold(0.0, f64::max)
}

/// The one in the middle; of an even number the earlier of the two.
fn median(runs: &[Run]) -> Duration {
    let mut walls: Vec<Duration> = runs.iter().map(|run| run.wall).collect();
    walls.sort_unstable();
    let middle = walls.len().saturating_sub(1) / 2;
    walls.get(middle).copied().unwrap_or_default()
}

/// Reads every file of a tree; tells how many bytes there are.
fn warm(root: &Path) -> Result<u64> {
    let mut bytes = 0;
    let mut directories = vec![root.to_owned()];
    let mut sink = std::io::sink();
    while let Some(directory) = directories.pop() {
        for entry in
            fs::read_dir(&directory).with_context(|| format!("cannot list {}", directory.display()))?
        {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                directories.push(entry.path());
            } else if kind.is_file() {
                let path = entry.path();
                let mut file =
                    fs::File::open(&path).with_context(|| format!("cannot read {}", path.display()))?;
                bytes += std::io::copy(&mut file, &mut sink)?;
            }
        }
    }
    Ok(bytes)
}

fn ratio(one: Duration, other: Duration) -> f64 {
    one.as_secs_f64() / other.as_secs_f64()
}

fn measure(what: &str, command: &mut Command) -> Result<Run> {
    let before = processor_time()?;
    let disk_before = read_from_disk()?;
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
    let from_disk = read_from_disk()?.saturating_sub(disk_before);
    println!(
        "{what:<16} {:>7.2} s {:>10.2} s {memory:>6.0} MiB {:>10} MiB",
        wall.as_secs_f64(),
        processor.as_secs_f64(),
        from_disk >> 20
    );
    Ok(Run {
        wall,
        memory,
        from_disk,
    })
}

/// `VmHWM` of /proc/PID/status, in MiB.
fn peak(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}

/// What this process and the children that have ended had to fetch from a disk, in bytes.
fn read_from_disk() -> Result<u64> {
    let text = fs::read_to_string("/proc/self/io")?;
    Ok(read_bytes(&text).unwrap_or_default())
}

/// `read_bytes` of /proc/PID/io.
fn read_bytes(io: &str) -> Option<u64> {
    let line = io.lines().find_map(|line| line.strip_prefix("read_bytes:"))?;
    line.trim().parse().ok()
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
    fn what_came_from_the_disk_is_read_in_bytes() {
        let io = "rchar: 4096\nread_bytes: 8192\nwrite_bytes: 1\n";
        assert_eq!(read_bytes(io), Some(8192));
        assert_eq!(read_bytes("rchar: 4096\n"), None);
        read_from_disk().unwrap();
    }

    #[test]
    fn the_median_is_no_outlier() {
        let runs = |seconds: &[u64]| -> Vec<Run> {
            let walls = seconds.iter().map(|seconds| Duration::from_secs(*seconds));
            let run = |wall| Run {
                wall,
                memory: 0.0,
                from_disk: 0,
            };
            walls.map(run).collect()
        };
        assert_eq!(median(&runs(&[9, 1, 2])), Duration::from_secs(2));
        assert_eq!(median(&runs(&[4, 1, 2, 3])), Duration::from_secs(2));
        assert_eq!(median(&[]), Duration::ZERO);
    }

    #[test]
    fn every_file_is_read_once_and_no_link_is_followed() {
        let folder = TempDir::new().unwrap();
        fs::create_dir_all(folder.path().join("a/b")).unwrap();
        fs::write(folder.path().join("a/b/one"), [0; 10]).unwrap();
        fs::write(folder.path().join("two"), [0; 5]).unwrap();
        std::os::unix::fs::symlink(".", folder.path().join("loop")).unwrap();
        assert_eq!(warm(folder.path()).unwrap(), 15);
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
