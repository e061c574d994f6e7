//! Running the commands that our pages show, each page on a machine of its own: a home folder nobody used before,
//! with nothing in the environment, and `symbolon up` in the background.
//!
//! When the page itself starts with `symbolon up`, that one is it. Otherwise the page is taken to be read beside
//! a running one, and one is started for it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::book::{self, Step};
use crate::workspace::Workspace;

/// How long `up` may take to be ready or to stop, on a busy machine and unoptimised.
const PATIENCE: Duration = Duration::from_secs(120);

/// Between two looks at something that will happen by itself.
const GLANCE: Duration = Duration::from_millis(20);

/// What `up` says when it has nothing left to do but to stay.
const READY: &str = "Ctrl-C";

/// What came of the pages.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) commands: usize,
    pub(crate) pages: usize,
    pub(crate) failures: Vec<String>,
    /// Blocks that say themselves that they are not tested.
    pub(crate) untested: usize,
}

/// Runs every page's commands with the programs of the given folder.
pub(crate) fn run(workspace: &Workspace, programs: &Path) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    for page in book::pages(workspace.root())? {
        let text = fs::read_to_string(workspace.root().join(&page))
            .with_context(|| format!("cannot read {}", page.display()))?;
        let blocks = book::consoles(&text).with_context(|| page.display().to_string())?;
        outcome.untested += blocks.iter().filter(|block| !block.tested).count();
        let steps: Vec<Step> = blocks
            .into_iter()
            .filter(|block| block.tested)
            .flat_map(|block| block.steps)
            .collect();
        if steps.is_empty() {
            continue;
        }
        outcome.pages += 1;
        eprintln!("{}", page.display());
        match run_page(programs, &steps) {
            Ok(()) => outcome.commands += steps.len(),
            Err(error) => outcome.failures.push(format!("{}: {error:#}", page.display())),
        }
    }
    Ok(outcome)
}

fn run_page(programs: &Path, steps: &[Step]) -> Result<()> {
    let mut visit = Visit {
        machine: Machine::new(programs)?,
        exports: String::new(),
        up: None,
    };
    if !steps.iter().any(stays_up) {
        visit.start_up("symbolon up")?;
    }
    for step in steps {
        eprintln!("  $ {}", step.command);
        visit
            .take(step)
            .with_context(|| format!("line {}: `{}`", step.line, step.command))?;
    }
    visit.stop_up()
}

/// Going through one page.
struct Visit {
    machine: Machine,
    /// The `export` lines so far.
    exports: String,
    up: Option<Up>,
}

impl Visit {
    fn take(&mut self, step: &Step) -> Result<()> {
        if step.command.starts_with("export ") {
            self.exports.push_str(&step.command);
            self.exports.push('\n');
            Ok(())
        } else if stays_up(step) {
            self.start_up(&step.command)?.shows(&step.output)
        } else {
            self.machine
                .run(&format!("{}{}", self.exports, step.command), step)
        }
    }

    /// Starts `up`; one that a page started before is stopped first, since both would want the same folder.
    fn start_up(&mut self, command: &str) -> Result<&Up> {
        self.stop_up()?;
        // The shell becomes the program, so that a signal to the one is a signal to the other. `env` takes the
        // variables that may stand before the program's name, and undoes that a job in the background ignores
        // Ctrl-C.
        let script = format!("{}exec env --default-signal=INT {command}", self.exports);
        Ok(self.up.insert(Up::start(&self.machine, &script)?))
    }

    fn stop_up(&mut self) -> Result<()> {
        self.up.take().map_or(Ok(()), Up::stop)
    }
}

/// Whether this command runs until it is stopped.
fn stays_up(step: &Step) -> bool {
    let mut words = step
        .command
        .split_whitespace()
        .skip_while(|word| word.contains('='));
    let is_up = words.next() == Some("symbolon") && words.next() == Some("up");
    is_up && !words.any(|word| matches!(word, "--once" | "--help"))
}

/// A home folder and an environment with our programs and nothing of ours set.
struct Machine {
    home: TempDir,
    path: String,
}

impl Machine {
    fn new(programs: &Path) -> Result<Self> {
        // Socket paths have to fit in 107 bytes, so the home folder's own path has to be short.
        let home = tempfile::Builder::new()
            .prefix("symbolon-book-")
            .tempdir_in("/tmp")
            .context("cannot make a home folder")?;
        let system = std::env::var("PATH").context("PATH is not set")?;
        Ok(Self {
            home,
            path: format!("{}:{system}", programs.display()),
        })
    }

    fn shell(&self, script: &str) -> Command {
        let mut command = Command::new("sh");
        command
            .args(["-eu", "-c", script])
            .env_clear()
            .envs([
                ("PATH", self.path.as_str()),
                ("LANG", "C.UTF-8"),
                ("NO_COLOR", "1"),
            ])
            .env("HOME", self.home.path())
            .current_dir(self.home.path())
            .stdin(Stdio::null());
        command
    }

    fn run(&self, script: &str, step: &Step) -> Result<()> {
        let output = self.shell(script).output().context("cannot start a shell")?;
        let printed =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success() != step.fails,
            "{}, though the page says that it {}; it printed:\n{printed}",
            output.status,
            if step.fails { "fails" } else { "works" },
        );
        book::shows(&printed, &step.output)
            .map_err(|line| anyhow::anyhow!("no line like `{line}`; it printed:\n{printed}"))
    }
}

/// A `symbolon up` in the background; killed when dropped.
struct Up {
    child: Child,
    log: PathBuf,
}

impl Up {
    /// Starts it and waits until it is ready.
    fn start(machine: &Machine, script: &str) -> Result<Self> {
        let log = machine.home.path().join("up.log");
        let stdout = File::create(&log).context("cannot create a log")?;
        let stderr = stdout.try_clone().context("cannot share a log")?;
        let child = machine
            .shell(script)
            .stdout(stdout)
            .stderr(stderr)
            .spawn()
            .context("cannot start a shell")?;
        let mut up = Self { child, log };
        up.wait_until(|printed| printed.contains(READY))
            .with_context(|| format!("it did not get to say `{READY}`"))?;
        Ok(up)
    }

    fn shows(&self, expected: &[String]) -> Result<()> {
        let printed = self.printed()?;
        book::shows(&printed, expected)
            .map_err(|line| anyhow::anyhow!("no line like `{line}`; it printed:\n{printed}"))
    }

    fn wait_until(&mut self, ready: impl Fn(&str) -> bool) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let printed = self.printed()?;
            if ready(&printed) {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait().context("cannot wait for it")? {
                bail!("{status}; it printed:\n{printed}");
            }
            ensure!(
                Instant::now() < deadline,
                "not after {} s; it printed:\n{printed}",
                PATIENCE.as_secs()
            );
            std::thread::sleep(GLANCE);
        }
    }

    /// Presses Ctrl-C and waits; it has to stop cleanly.
    fn stop(mut self) -> Result<()> {
        let pid = i32::try_from(self.child.id())
            .ok()
            .and_then(Pid::from_raw)
            .context("no process id")?;
        kill_process(pid, Signal::INT).context("cannot signal `symbolon up`")?;
        let status = self.wait_for_end()?;
        ensure!(
            status.success(),
            "`symbolon up` did not stop cleanly: {status}; it printed:\n{}",
            self.printed()?
        );
        Ok(())
    }

    fn wait_for_end(&mut self) -> Result<ExitStatus> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().context("cannot wait for `symbolon up`")? {
                return Ok(status);
            }
            ensure!(
                Instant::now() < deadline,
                "`symbolon up` still runs {} s after Ctrl-C",
                PATIENCE.as_secs()
            );
            std::thread::sleep(GLANCE);
        }
    }

    fn printed(&self) -> Result<String> {
        let bytes = fs::read(&self.log).context("cannot read what it printed")?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // Already gone is what we want; anything else is beyond a test's help.
        if !matches!(self.child.try_wait(), Ok(Some(_))) && self.child.kill().is_ok() {
            drop(self.child.wait());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// Stands in for the program: stays up like it, and says what it is asked to say.
    const PROGRAM: &str = r#"#!/bin/sh
        case "$1 $2" in
        "up --once") echo '{}' ;;
        "up "*)
            mkfifo "$HOME/never" && exec 3<>"$HOME/never"
            trap 'exit ${STOP:-0}' INT
            echo up > "$HOME/state"
            echo "IDENTITY  FORM"
            echo "Press Ctrl-C to stop"
            read -r line <&3 ;;
        "list "*) test -e "$HOME/state" && echo "SERIAL  FORM" && echo "${SERIAL:-1f}  classical" ;;
        *) echo "no command called $1" >&2; exit 2 ;;
        esac
    "#;

    fn visit(page: &str) -> Result<()> {
        let programs = tempfile::tempdir().unwrap();
        let program = programs.path().join("symbolon");
        fs::write(&program, PROGRAM).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let page = format!("```console\n{page}```\n");
        let steps: Vec<Step> = book::consoles(&page)
            .unwrap()
            .into_iter()
            .flat_map(|block| block.steps)
            .collect();
        run_page(programs.path(), &steps)
    }

    fn complaint(page: &str) -> String {
        format!("{:#}", visit(page).unwrap_err())
    }

    #[test]
    fn a_page_runs_beside_the_up_that_it_starts() {
        visit("$ cargo run --release -- up\nIDENTITY  FORM\n$ symbolon list\nSERIAL\n…  classical\n")
            .unwrap();
    }

    #[test]
    fn a_page_that_starts_none_is_given_one() {
        visit("$ symbolon list\n$ symbolon up --once\n").unwrap();
    }

    #[test]
    fn exports_hold_for_what_follows() {
        visit("$ export SERIAL=2e\n$ symbolon list\n2e\n").unwrap();
        assert!(complaint("$ symbolon list\n2e\n").contains("no line like `2e`"));
    }

    #[test]
    fn a_command_that_fails_fails_the_page() {
        let complaint = complaint("$ symbolon list\n$ symbolon lsit\n");
        assert!(complaint.contains("line 3: `symbolon lsit`"), "{complaint}");
        assert!(complaint.contains("no command called lsit"), "{complaint}");
    }

    #[test]
    fn an_up_that_does_not_start_or_stop_cleanly_fails_the_page() {
        assert!(complaint("$ STOP=3 symbolon up\n").contains("did not stop cleanly"));
        assert!(complaint("$ symbolon up\nWRONG HEADER\n").contains("no line like `WRONG HEADER`"));
    }
}
