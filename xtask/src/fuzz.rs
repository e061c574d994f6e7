//! `cargo xtask fuzz`: the targets of `fuzz/` under libFuzzer, for a fixed time on the processor, with what they find.
//!
//! The program is built by the nightly compiler, which alone has AddressSanitizer. What is learnt from one run to the
//! next, the corpora, is kept in our cache; seeds are made anew each time, by our own code.

mod build;
mod report;
mod session;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;

use self::session::Session;
use crate::process;
use crate::workspace::{Workspace, cache};

/// AddressSanitizer's settings: a small quarantine, so that memory that grows is not hidden by memory that is kept to find
/// misuse; and no word about tables of one name in two grammars of tree-sitter's, which are static in theirs.
const SANITIZER: &str = "quarantine_size_mb=16:malloc_context_size=10:detect_odr_violation=0";

/// What a session is given.
#[derive(Args)]
pub(crate) struct Options {
    /// Which targets; all of them when none is named
    targets: Vec<String>,
    /// Seconds on the processor for each target
    #[arg(long, default_value_t = 60, conflicts_with = "total_seconds")]
    seconds: u64,
    /// Seconds on the processor for all targets together, the same for each
    #[arg(long)]
    total_seconds: Option<u64>,
    /// How many targets run at once
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// Show the targets and stop
    #[arg(long)]
    list: bool,
    /// Take the program as it was built last
    #[arg(long)]
    no_build: bool,
    /// Give this input to the one target named, and stop
    #[arg(long, value_name = "FILE")]
    replay: Option<PathBuf>,
}

/// A target, as the program lists it.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Listed {
    name: String,
    max_len: usize,
    about: String,
}

/// Where things are kept between runs.
struct Kept {
    seeds: PathBuf,
    corpora: PathBuf,
    findings: PathBuf,
}

impl Kept {
    fn new() -> Result<Self> {
        Ok(Self {
            seeds: cache("fuzz/seeds")?,
            corpora: cache("fuzz/corpora")?,
            findings: cache("fuzz/findings")?,
        })
    }
}

/// Builds, seeds, fuzzes and reports; fails on a finding.
pub(crate) fn fuzz(workspace: &Workspace, options: &Options) -> Result<()> {
    ensure!(options.jobs > 0, "--jobs takes at least 1");
    let program = build::program(workspace, options.no_build)?;
    let all = listed(&program)?;
    if options.list {
        for target in &all {
            println!("{:<20} {}", target.name, target.about);
        }
        return Ok(());
    }
    let wanted = chosen(&all, &options.targets)?;
    if let Some(input) = &options.replay {
        let [target] = wanted.as_slice() else {
            bail!("--replay takes the one target that the input is for");
        };
        return process::run(session::command(&program, target).arg(input));
    }
    let seconds = options
        .total_seconds
        .map_or(options.seconds, |total| total / wanted.len() as u64);
    ensure!(
        seconds > 0,
        "there is less than a second for each of {} targets",
        wanted.len()
    );

    let kept = Kept::new()?;
    seed(&program, &kept.seeds)?;
    eprintln!(
        "Fuzzing {} targets for {seconds} s on the processor each; corpora and findings are in {}",
        wanted.len(),
        kept.corpora.parent().unwrap_or(&kept.corpora).display()
    );
    let outcomes = run_all(&program, &wanted, &kept, seconds, options.jobs)?;
    report::print(&outcomes);
    report::verdict(&outcomes)
}

/// What the program says it can fuzz.
fn listed(program: &Path) -> Result<Vec<Listed>> {
    let text = process::output(program_for(program).env("SYMBOLON_FUZZ_LIST", "1"))?;
    let targets = text.lines().map(read_listed).collect::<Result<Vec<_>>>()?;
    ensure!(!targets.is_empty(), "the program lists no targets");
    Ok(targets)
}

fn read_listed(line: &str) -> Result<Listed> {
    let mut parts = line.splitn(3, '\t');
    let mut part = || {
        parts
            .next()
            .with_context(|| format!("the program lists {line:?}"))
    };
    Ok(Listed {
        name: part()?.to_owned(),
        max_len: part()?.parse().context("a target's longest input")?,
        about: part()?.to_owned(),
    })
}

/// The targets that are named, in the order of the list; all when none is.
fn chosen(all: &[Listed], names: &[String]) -> Result<Vec<Listed>> {
    if let Some(unknown) = names
        .iter()
        .find(|name| all.iter().all(|target| target.name != **name))
    {
        bail!("there is no target {unknown:?}; `cargo xtask fuzz --list` shows them");
    }
    let is_wanted = |target: &&Listed| names.is_empty() || names.contains(&target.name);
    Ok(all.iter().filter(is_wanted).cloned().collect())
}

/// Has the program write every target's seeds, in place of those of an earlier build.
fn seed(program: &Path, folder: &Path) -> Result<()> {
    std::fs::remove_dir_all(folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    process::run_quietly(program_for(program).env("SYMBOLON_FUZZ_SEEDS", folder))
}

/// The program, as it is always started.
fn program_for(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("ASAN_OPTIONS", SANITIZER);
    command
}

/// Runs the targets, `jobs` at a time; the outcomes come in the order of the targets.
fn run_all(
    program: &Path,
    targets: &[Listed],
    kept: &Kept,
    seconds: u64,
    jobs: usize,
) -> Result<Vec<session::Outcome>> {
    let queue: Mutex<VecDeque<(usize, &Listed)>> = Mutex::new(targets.iter().enumerate().collect());
    let outcomes = Mutex::new(Vec::new());
    let next = || queue.lock().ok()?.pop_front();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs.min(targets.len()))
            .map(|_| {
                scope.spawn(|| -> Result<()> {
                    while let Some((place, target)) = next() {
                        let outcome = Session {
                            program,
                            target,
                            kept,
                            seconds,
                        }
                        .run()?;
                        eprintln!("{}", report::line(&outcome));
                        if let Ok(mut outcomes) = outcomes.lock() {
                            outcomes.push((place, outcome));
                        }
                    }
                    Ok(())
                })
            })
            .collect();
        workers.into_iter().try_for_each(|worker| match worker.join() {
            Ok(outcome) => outcome,
            Err(_) => bail!("a session's thread broke off"),
        })
    })?;
    let mut outcomes = outcomes
        .into_inner()
        .map_err(|_| anyhow::anyhow!("a session's thread broke off"))?;
    outcomes.sort_by_key(|(place, _)| *place);
    Ok(outcomes.into_iter().map(|(_, outcome)| outcome).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(name: &str) -> Listed {
        read_listed(&format!("{name}\t512\tabout it")).unwrap()
    }

    #[test]
    fn a_line_of_the_list_is_read_whole() {
        assert_eq!(target("jwt").max_len, 512);
        assert!(read_listed("jwt\t512").is_err());
        assert!(read_listed("jwt\tmany\tabout it").is_err());
    }

    #[test]
    fn an_unknown_target_is_named() {
        let all = [target("jwt"), target("bundle")];
        assert_eq!(chosen(&all, &[]).unwrap().len(), 2);
        assert_eq!(chosen(&all, &["bundle".to_owned()]).unwrap(), [target("bundle")]);
        let error = chosen(&all, &["jtw".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("jtw"), "{error}");
    }
}
