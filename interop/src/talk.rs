//! A running program whose lines are read as text.

use std::io::{Write as _, pipe};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::programs::lines;

/// Longest wait for a line.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program that is running, with both its streams read as one. Killed when dropped.
#[derive(Debug)]
pub struct Running {
    process: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    /// Everything that it has said so far.
    heard: String,
}

impl Running {
    /// Starts it, with an input that stays open.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(command: &mut Command) -> Result<Self> {
        let (reader, writer) = pipe()?;
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(writer.try_clone()?)
            .stderr(writer)
            .spawn()
            .with_context(|| format!("cannot run {command:?}"))?;
        // The command holds the pipe's other end, and would keep it open.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Self {
            input: process.stdin.take(),
            lines: lines(Some(reader)),
            process,
            heard: String::new(),
        })
    }

    /// Waits for a line with this beginning, and gives what follows.
    ///
    /// # Errors
    /// If the program ends or is silent before; with all that it said.
    pub fn line(&mut self, beginning: &str) -> Result<String> {
        self.line_of(&[beginning])
    }

    /// Waits for a line with one of these beginnings, and gives what follows.
    ///
    /// # Errors
    /// As [`line`](Self::line).
    pub fn line_of(&mut self, beginnings: &[&str]) -> Result<String> {
        loop {
            let line = self.next(beginnings)?;
            if let Some(rest) = beginnings
                .iter()
                .find_map(|beginning| line.strip_prefix(beginning))
            {
                return Ok(rest.trim_end().to_owned());
            }
        }
    }

    /// Waits for a line with these words anywhere, and gives it.
    ///
    /// # Errors
    /// As [`line`](Self::line).
    pub fn line_with(&mut self, words: &str) -> Result<String> {
        loop {
            let line = self.next(&[words])?;
            if line.contains(words) {
                return Ok(line.trim_end().to_owned());
            }
        }
    }

    fn next(&mut self, wanted: &[&str]) -> Result<String> {
        let line = self
            .lines
            .recv_timeout(PATIENCE)
            .with_context(|| format!("the program does not say {wanted:?}, but:\n{}", self.heard))?;
        self.heard.push_str(&line);
        Ok(line)
    }

    /// Writes to its input.
    ///
    /// # Errors
    /// If it has ended.
    pub fn write(&mut self, text: &str) -> Result<()> {
        let input = self.input.as_mut().context("its input is closed")?;
        input.write_all(text.as_bytes())?;
        Ok(input.flush()?)
    }

    /// Closes its input, waits for its end, and gives all that it has said.
    ///
    /// # Errors
    /// If it does not end, or ends with an error.
    pub fn end(mut self) -> Result<String> {
        self.input = None;
        let silence = loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => self.heard.push_str(&line),
                Err(silence) => break silence,
            }
        };
        let ended = silence == RecvTimeoutError::Disconnected;
        anyhow::ensure!(ended, "the program does not end:\n{}", self.heard);
        let status = self.process.wait()?;
        anyhow::ensure!(
            status.success(),
            "the program ended with {status}:\n{}",
            self.heard
        );
        Ok(std::mem::take(&mut self.heard))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended long ago.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
