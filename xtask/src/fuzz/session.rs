//! One target under libFuzzer until its time on the processor is used up.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};

use super::{Kept, Listed, program_for};

/// Seconds of wall time after which one input is a hang.
const TIMEOUT: u32 = 30;

/// Memory at which libFuzzer ends a session, and the most that one allocation may ask for, in MiB.
const MEMORY: u32 = 2048;
const ALLOCATION: u32 = 256;

/// How often the time on the processor is looked at.
const PERIOD: Duration = Duration::from_millis(250);

/// The last lines that are shown of a session that found something.
const LINES: usize = 60;

/// A session to be run.
pub(super) struct Session<'a> {
    pub(super) program: &'a Path,
    pub(super) target: &'a Listed,
    pub(super) kept: &'a Kept,
    pub(super) seconds: u64,
}

/// What came of a session.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcome {
    pub(super) target: String,
    /// Seconds on the processor.
    pub(super) seconds: f64,
    pub(super) executions: u64,
    /// Edges and features reached.
    pub(super) coverage: u64,
    pub(super) features: u64,
    /// Inputs in the corpus.
    pub(super) corpus: u64,
    /// MiB of memory when all inputs of the corpus had been run, at the end, and at most.
    pub(super) memory_begun: u64,
    pub(super) memory_ended: u64,
    pub(super) memory_peak: u64,
    /// Seconds of the slowest input.
    pub(super) slowest: u64,
    /// Inputs that broke something.
    pub(super) findings: Vec<PathBuf>,
    /// Why it ended early, with its last words.
    pub(super) failure: Option<String>,
}

/// The program, for one target.
pub(super) fn command(program: &Path, target: &Listed) -> Command {
    let mut command = program_for(program);
    command
        .env("SYMBOLON_FUZZ_TARGET", &target.name)
        .env("RUST_BACKTRACE", "1");
    command
}

impl Session<'_> {
    /// Runs it to its end.
    pub(super) fn run(&self) -> Result<Outcome> {
        let name = &self.target.name;
        let corpus = self.kept.corpora.join(name);
        let seeds = self.kept.seeds.join(name);
        let findings = self.kept.findings.join(name);
        for folder in [&corpus, &findings] {
            fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        }
        let known = files(&findings)?;
        let mut child = command(self.program, self.target)
            .arg(&corpus)
            .arg(&seeds)
            .arg(format!("-artifact_prefix={}/", findings.display()))
            .arg(format!("-max_len={}", self.target.max_len))
            .arg(format!("-timeout={TIMEOUT}"))
            .arg(format!("-rss_limit_mb={MEMORY}"))
            .arg(format!("-malloc_limit_mb={ALLOCATION}"))
            .args(["-print_final_stats=1", "-reload=0", "-verbosity=1"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", self.program.display()))?;
        let mut outcome = Outcome {
            target: name.clone(),
            ..Outcome::default()
        };
        let (status, last) = self.watch(&mut child, &mut outcome)?;
        outcome.findings = files(&findings)?;
        outcome.findings.retain(|file| !known.contains(file));
        if !status.success() {
            outcome.failure = Some(format!("{status}\n{}", last.join("\n")));
        }
        Ok(outcome)
    }

    /// Reads what libFuzzer says, and asks it to end when its time is used up.
    fn watch(&self, child: &mut Child, outcome: &mut Outcome) -> Result<(ExitStatus, Vec<String>)> {
        let said = child.stderr.take().context("libFuzzer's words")?;
        let (sender, lines) = mpsc::channel();
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(said).split(b'\n') {
                let Ok(line) = line else { break };
                if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    break;
                }
            }
        });
        let pid = Pid::from_child(child);
        let mut last = Vec::new();
        let mut asked = false;
        loop {
            match lines.recv_timeout(PERIOD) {
                Ok(line) => {
                    outcome.hear(&line);
                    last.push(line);
                    if last.len() > LINES {
                        last.remove(0);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if let Some(seconds) = on_processor(pid) {
                outcome.seconds = seconds;
            }
            if !asked && outcome.seconds >= self.seconds as f64 {
                asked = true;
                // It may have ended by itself meanwhile, which its status will tell.
                let _ = kill_process(pid, Signal::USR1);
            }
        }
        let status = child.wait().context("cannot wait for libFuzzer")?;
        reader
            .join()
            .map_err(|_| anyhow::anyhow!("the thread that reads libFuzzer's words broke off"))?;
        Ok((status, last))
    }
}

/// Seconds that a process's first thread, which libFuzzer works on, has been on the processor.
fn on_processor(pid: Pid) -> Option<f64> {
    let text = fs::read_to_string(format!("/proc/{}/schedstat", pid.as_raw_nonzero())).ok()?;
    let nanoseconds: u64 = text.split(' ').next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds).as_secs_f64())
}

/// The files of a folder, in order.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = fs::read_dir(folder)
        .and_then(|entries| {
            entries
                .map(|entry| entry.map(|entry| entry.path()))
                .collect::<Result<Vec<_>, _>>()
        })
        .with_context(|| format!("cannot list {}", folder.display()))?;
    files.sort();
    Ok(files)
}

impl Outcome {
    /// Takes what it wants to know from one line of libFuzzer's.
    fn hear(&mut self, line: &str) {
        if let Some(rest) = line.strip_prefix("stat::") {
            if let Some((name, value)) = rest.split_once(':')
                && let Ok(value) = value.trim().parse()
            {
                match name {
                    "number_of_executed_units" => self.executions = value,
                    "peak_rss_mb" => self.memory_peak = value,
                    "slowest_unit_time_sec" => self.slowest = value,
                    _ => {}
                }
            }
            return;
        }
        if !line.starts_with('#') {
            return;
        }
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let after = |name: &str| {
            let place = words.iter().position(|word| *word == name)?;
            let number = words.get(place + 1)?.split(['/', 'M']).next()?;
            number.parse::<u64>().ok()
        };
        self.coverage = after("cov:").unwrap_or(self.coverage);
        self.features = after("ft:").unwrap_or(self.features);
        self.corpus = after("corp:").unwrap_or(self.corpus);
        if let Some(memory) = after("rss:") {
            self.memory_ended = memory;
            self.memory_peak = self.memory_peak.max(memory);
            if words.contains(&"INITED") {
                self.memory_begun = memory;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_libfuzzer_says_is_understood() {
        let mut outcome = Outcome::default();
        for line in [
            "INFO: seed corpus: files: 36 min: 512b max: 9000b total: 100000b rss: 60Mb",
            "#37\tINITED cov: 812 ft: 1400 corp: 30/90Kb exec/s: 0 rss: 71Mb",
            "#4096\tpulse  cov: 900 ft: 1600 corp: 41/95Kb lim: 9000 exec/s: 1365 rss: 90Mb",
            "#4200\tDONE   cov: 901 ft: 1610 corp: 42/96Kb lim: 9000 exec/s: 1300 rss: 88Mb",
            "stat::number_of_executed_units: 4200",
            "stat::slowest_unit_time_sec:    1",
            "stat::peak_rss_mb:              92",
        ] {
            outcome.hear(line);
        }
        let memory = (outcome.memory_begun, outcome.memory_ended, outcome.memory_peak);
        assert_eq!(memory, (71, 88, 92));
        let reached = (outcome.coverage, outcome.features, outcome.corpus);
        assert_eq!(reached, (901, 1610, 42));
        assert_eq!((outcome.executions, outcome.slowest), (4200, 1));
    }

    #[test]
    fn time_on_the_processor_is_that_of_the_process() {
        let own = Pid::from_raw(std::process::id().cast_signed()).unwrap();
        assert!(on_processor(own).is_some_and(|seconds| seconds >= 0.0));
    }
}
