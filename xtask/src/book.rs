//! The commands our pages show: which there are, and what they are said to print.
//!
//! A page is tested where it shows a console:
//!
//! ````text
//! ```console
//! $ symbolon svid fetch x509 --form composite
//! SPIFFE ID                 FORM       …
//! spiffe://example.org/…    composite
//! ```
//! ````
//!
//! Each `$` line is a command, with `\` at its end continued on the next; the lines under it are what it prints.
//! Commands start with `symbolon` or `symbolon-agent` (environment variables may come first), with
//! `cargo run --release --`, which stands for `symbolon`, or with `export`, which holds for the rest of the page.
//! After the language come words of ours: `untested` takes the block out of the test, with any command in it;
//! `foreign` runs other people's programs as well, which then have to be on the machine; `fails` says that the last
//! command exits with an error. Blocks in other languages are not looked at.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// The folder of the book's chapters.
pub(crate) const SOURCE: &str = "docs/src";

/// A console that a page shows.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Block {
    /// Whether its commands are run.
    pub(crate) tested: bool,
    pub(crate) steps: Vec<Step>,
}

/// One command with what the page says it prints.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Step {
    /// Its line in the page, from 1.
    pub(crate) line: usize,
    /// The command for a shell, in terms of the programs we build.
    pub(crate) command: String,
    /// Empty when the page does not say.
    pub(crate) output: Vec<String>,
    /// The page says that it exits with an error.
    pub(crate) fails: bool,
}

/// What is wrong with a page.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct PageError {
    line: usize,
    reason: String,
}

impl fmt::Display for PageError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}: {}", self.line, self.reason)
    }
}

impl std::error::Error for PageError {}

/// Our pages, relative to the repository's root, in order: the README and every chapter.
pub(crate) fn pages(root: &Path) -> Result<Vec<PathBuf>> {
    let mut pages = vec![PathBuf::from("README.md"), PathBuf::from("CONTRIBUTING.md")];
    let mut folders = vec![root.join(SOURCE)];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
        for entry in entries {
            let path = entry
                .with_context(|| format!("cannot list {}", folder.display()))?
                .path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path.strip_prefix(root).unwrap_or(&path).to_owned());
            }
        }
    }
    pages.sort();
    Ok(pages)
}

/// The consoles of a page, in order.
pub(crate) fn consoles(markdown: &str) -> Result<Vec<Block>, PageError> {
    let mut blocks = Vec::new();
    let mut lines = (1..).zip(markdown.lines());
    while let Some((line, text)) = lines.next() {
        let Some(fence) = Fence::opening(text) else {
            continue;
        };
        let body: Vec<(usize, &str)> = lines
            .by_ref()
            .take_while(|(_, text)| !fence.is_closed_by(text))
            .collect();
        let mut words = fence.info.split([' ', ',']).filter(|word| !word.is_empty());
        if words.next() == Some("console") {
            blocks.push(console(line, words, &body, fence.indent)?);
        }
    }
    Ok(blocks)
}

/// The line that opens a fenced block.
struct Fence<'a> {
    marks: &'a str,
    info: &'a str,
    indent: usize,
}

impl<'a> Fence<'a> {
    fn opening(line: &'a str) -> Option<Self> {
        let text = line.trim_start();
        let mark = text.chars().next().filter(|mark| matches!(mark, '`' | '~'))?;
        let info = text.trim_start_matches(mark);
        let marks = &text[..text.len() - info.len()];
        (marks.len() >= 3).then(|| Self {
            marks,
            info: info.trim(),
            indent: line.len() - text.len(),
        })
    }

    fn is_closed_by(&self, line: &str) -> bool {
        let text = line.trim();
        let mark = self.marks.chars().next();
        text.len() >= self.marks.len() && text.chars().all(|character| Some(character) == mark)
    }
}

fn console<'a>(
    opening: usize,
    words: impl Iterator<Item = &'a str>,
    body: &[(usize, &str)],
    indent: usize,
) -> Result<Block, PageError> {
    let mut block = Block {
        tested: true,
        steps: Vec::new(),
    };
    let (mut fails, mut foreign) = (false, false);
    for word in words {
        match word {
            "untested" => block.tested = false,
            "foreign" => foreign = true,
            "fails" => fails = true,
            other => {
                return Err(PageError {
                    line: opening,
                    reason: format!("`{other}` means nothing on a console block"),
                });
            }
        }
    }
    let mut continued = false;
    for (line, text) in body {
        // A block inside a list is indented as a whole.
        let text = text
            .get(indent..)
            .filter(|_| text.len() - text.trim_start().len() >= indent)
            .unwrap_or(text);
        match (text.strip_prefix("$ "), block.steps.last_mut()) {
            (Some(command), _) => {
                block.steps.push(Step {
                    line: *line,
                    command: command.to_owned(),
                    ..Step::default()
                });
            }
            (None, Some(step)) if continued => {
                step.command.push('\n');
                step.command.push_str(text);
            }
            (None, Some(step)) => step.output.push(text.to_owned()),
            (None, None) => {
                let reason = "a console block starts with a command (`$ …`)".to_owned();
                return Err(PageError { line: *line, reason });
            }
        }
        continued = text.ends_with('\\') && (continued || text.starts_with("$ "));
    }
    if block.tested {
        for step in &mut block.steps {
            let foreign = foreign.then(|| step.command.clone());
            step.command = runnable(&step.command).or(foreign).ok_or_else(|| PageError {
                line: step.line,
                reason: unrunnable(&step.command),
            })?;
        }
    }
    if let Some(last) = block.steps.last_mut() {
        last.fails = fails;
    }
    Ok(block)
}

/// The command in terms of the programs we build; none when it is not one of ours.
fn runnable(command: &str) -> Option<String> {
    let mut rest = command;
    if let Some(arguments) = command.strip_prefix("cargo run --release -- ") {
        return Some(format!("symbolon {arguments}"));
    }
    loop {
        let (word, after) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        match word {
            "symbolon" | "symbolon-agent" => return Some(command.to_owned()),
            "export" if rest.len() == command.len() => return Some(command.to_owned()),
            _ if word.contains('=') => rest = after.trim_start(),
            _ => return None,
        }
    }
}

fn unrunnable(command: &str) -> String {
    format!("`{command}` is none of our programs; mark the block as `console foreign` or `console untested`")
}

/// Whether the output has, in this order, lines that begin with the first words of the expected ones. A word
/// that ends in `…` stands for every word with that beginning. Fails with the line that is missing.
pub(crate) fn shows<'a>(output: &str, expected: &'a [String]) -> Result<(), &'a str> {
    let mut lines = output.lines();
    for line in expected {
        let Some(word) = line.split_whitespace().next() else {
            continue;
        };
        let matches = |found: &str| match word.strip_suffix('…') {
            Some(beginning) => found.starts_with(beginning),
            None => found == word,
        };
        if !lines.any(|line| line.split_whitespace().next().is_some_and(matches)) {
            return Err(line);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(markdown: &str) -> Vec<Step> {
        consoles(markdown)
            .unwrap()
            .into_iter()
            .flat_map(|block| block.steps)
            .collect()
    }

    #[test]
    fn commands_and_their_output_are_told_apart() {
        let page = "# Title\n\n```console\n$ symbolon up \\\n    --once\nIdentity  Form\n\n$ symbolon healthcheck\n```\n";
        let steps = steps(page);
        assert_eq!(steps[0].line, 4);
        assert_eq!(steps[0].command, "symbolon up \\\n    --once");
        assert_eq!(steps[0].output, ["Identity  Form", ""]);
        assert_eq!(
            (steps[1].line, steps[1].command.as_str()),
            (8, "symbolon healthcheck")
        );
    }

    #[test]
    fn other_languages_and_longer_fences_are_left_alone() {
        let page = "````text\n```console\n$ symbolon shown-not-run\n```\n````\n~~~sh\n$ rm -r /\n~~~\n";
        assert!(consoles(page).unwrap().is_empty());
    }

    #[test]
    fn a_block_in_a_list_loses_its_indentation() {
        let page = "1. Start it:\n   ```console\n   $ symbolon up\n   done\n   ```\n";
        assert_eq!(steps(page)[0].output, ["done"]);
    }

    #[test]
    fn only_our_programs_are_run() {
        assert_eq!(
            runnable("cargo run --release -- up --once").as_deref(),
            Some("symbolon up --once")
        );
        assert!(runnable("SPIFFE_ENDPOINT_SOCKET=unix:///x symbolon svid watch").is_some());
        assert!(runnable("export SPIFFE_ENDPOINT_SOCKET=unix:///x").is_some());
        for foreign in [
            "curl https://example.org",
            "symbolonx",
            "A=b",
            "rm -r /; symbolon up",
            "",
        ] {
            assert_eq!(runnable(foreign), None, "{foreign}");
        }
        let error = consoles("```console\n$ cargo xtask test\n```\n").unwrap_err();
        assert_eq!(error.line, 2);
        assert_eq!(
            steps("```console foreign\n$ softhsm2-util --version\n$ cargo run --release -- up\n```\n")
                .iter()
                .map(|step| step.command.as_str())
                .collect::<Vec<_>>(),
            ["softhsm2-util --version", "symbolon up"]
        );
        assert!(!consoles("```console untested\n$ cargo xtask test\n```\n").unwrap()[0].tested);
    }

    #[test]
    fn a_block_can_say_that_it_fails_and_nothing_unknown() {
        let page = "```console,fails\n$ symbolon inspect a\n$ symbolon inspect b\n```\n";
        assert_eq!(
            steps(page).iter().map(|step| step.fails).collect::<Vec<_>>(),
            [false, true]
        );
        assert!(consoles("```console untestd\n$ symbolon up\n```\n").is_err());
        assert!(consoles("```console\noutput first\n```\n").is_err());
    }

    #[test]
    fn output_matches_by_first_words_in_order() {
        let expected = ["FORM  SIZE", "…", "comp…  5 kB"].map(str::to_owned);
        assert_eq!(
            shows("hello\nFORM SIZE\nclassical 1\ncomposite 2\n", &expected),
            Ok(())
        );
        assert_eq!(
            shows("classical 1\ncomposite 2\nFORM SIZE\n", &expected),
            Err("…")
        );
        assert_eq!(shows("FORM\nx\nml-dsa\n", &expected), Err("comp…  5 kB"));
    }

    #[test]
    fn every_page_of_ours_can_be_read() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        for page in pages(root).unwrap() {
            let text = fs::read_to_string(root.join(&page)).unwrap();
            consoles(&text).unwrap_or_else(|error| panic!("{}: {error}", page.display()));
        }
    }
}
