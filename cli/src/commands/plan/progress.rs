//! How far a scan is, on a terminal.

use std::time::Duration;

use indicatif::{HumanBytes, HumanCount, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use symbolon_migration_planner::scan::{Progress, Snapshot};

/// One line on standard error, drawn anew; nothing where that is no terminal.
#[derive(Debug)]
pub(super) struct Bar(ProgressBar);

/// The bar's whole length.
const WHOLE: u64 = 1000;

impl Bar {
    pub(super) fn new(quiet: bool) -> Self {
        if quiet {
            return Self(ProgressBar::hidden());
        }
        // Hidden by itself where standard error is no terminal.
        let bar = ProgressBar::with_draw_target(Some(WHOLE), ProgressDrawTarget::stderr_with_hz(10));
        if let Ok(style) = ProgressStyle::with_template("{bar:20} {percent:>3}% {msg}") {
            bar.set_style(style);
        }
        Self(bar)
    }

    pub(super) fn clear(&self) {
        self.0.finish_and_clear();
    }
}

impl Progress for Bar {
    fn update(&self, snapshot: &Snapshot) {
        if self.0.is_hidden() {
            return;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and 1000"
        )]
        self.0
            .set_position((snapshot.done.clamp(0.0, 1.0) * 1000.0) as u64);
        self.0.set_message(words(snapshot));
    }
}

fn words(snapshot: &Snapshot) -> String {
    let mut words = format!(
        "{} files, {}",
        HumanCount(snapshot.files),
        HumanBytes(snapshot.bytes)
    );
    for (count, what) in [
        (snapshot.unchanged, "unchanged"),
        (snapshot.contacts, "contacts"),
        (snapshot.places, "places found"),
        (snapshot.unread, "not read"),
    ] {
        if count > 0 {
            words.push_str(&format!(", {} {what}", HumanCount(count)));
        }
    }
    if let Some(left) = snapshot.remaining {
        // Rounded up, so that it does not say 0 seconds while it goes on.
        let left = Duration::from_secs(left.as_secs() + 1);
        words.push_str(&format!(", about {} left", HumanDuration(left)));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_remaining_time_are_told() {
        let snapshot = Snapshot {
            files: 12_345,
            unchanged: 5,
            bytes: 3 << 20,
            done: 0.5,
            remaining: Some(Duration::from_millis(44_500)),
            ..Snapshot::default()
        };
        assert_eq!(
            words(&snapshot),
            "12,345 files, 3.00 MiB, 5 unchanged, about 45 seconds left"
        );
    }
}
